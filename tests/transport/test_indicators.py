"""Indicators against hand-worked cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from transport import accounts, indicators
from transport.layout import YEARS, EnergyKey, EnergyUse, year_index

N = len(YEARS)


def test_peak_needs_three_later_years_one_percent_lower() -> None:
    toe = np.array(
        [[1.0] * N, list(np.linspace(1.0, 2.0, N)), [1.0] * 10 + [2.0] + [1.97] * (N - 11), [1.0] * 17 + [2.0, 1.9, 1.9, 1.99]]
    )
    found = indicators.peak_year(toe, margin=0.01, later_years=3)
    assert np.isnan(found[0])
    assert np.isnan(found[1])
    assert found[2] == YEARS[10]
    assert np.isnan(found[3])
    assert np.isnan(indicators.peak_year(np.linspace(2.0, 1.0, N)[None], margin=0.01, later_years=3)[0]), (
        "the peak may lie before the series"
    )


@given(hnp.arrays(float, (3, N), elements=st.floats(0.1, 10.0)))
def test_a_peak_is_the_maximum(toe: np.ndarray) -> None:
    found = indicators.peak_year(toe, margin=0.01, later_years=3)
    for row, year in zip(toe, found, strict=True):
        if not np.isnan(year):
            assert row[year_index(int(year))] == row.max()


def test_sea_rail_share_and_growth_by_hand() -> None:
    teu = np.full((1, N), 1.15e6)
    teu[:, year_index(2025)] = 1.15e6 * 1.1**5
    port = np.full((1, N), 13.11e6)
    found = {(s.id, s.variant): s.values[0] for s in indicators.sea_rail_series(teu, port, (1.0e6, 1.3e6))}
    assert found["sea_rail_share", ""][year_index(2020)] == pytest.approx(8.772, abs=1e-3)
    assert np.isnan(found["sea_rail_share", ""][year_index(2017)])
    assert found["sea_rail_growth", ""][year_index(2025)] == pytest.approx(10.0)
    assert found["sea_rail_growth", "base_high"][year_index(2025)] < 10.0 < found["sea_rail_growth", "base_low"][year_index(2025)]


def test_additions_by_hand() -> None:
    classes, powertrains = ("urban_bus_8m", "private_car", "tractor_trailer"), ("diesel", "battery_electric", "cng")
    sales = np.zeros((3, 3, 1, N))
    sales[0, :, 0, :] = np.array([10.0, 60.0, 30.0])[:, None]
    sales[1, :, 0, :] = np.array([600.0, 400.0, 0.0])[:, None]
    sales[2, :, 0, :] = np.array([90.0, 10.0, 0.0])[:, None]
    nev = {(c, "battery_electric"): True for c in classes}
    plan = nev | {(c, "cng"): True for c in classes}
    found = {
        (s.id, s.variant): s.values[0, 0]
        for s in indicators.additions_series(
            sales,
            classes,
            powertrains,
            {"plan": plan, "nev_only": nev},
            {"tractor_trailer": True},
            dict.fromkeys(classes, True),
            {"urban_bus_8m": "urban_bus"},
        )
    }
    assert found["clean_share_of_additions", "all_civil:plan"] == pytest.approx(100 * 500 / 1200)
    assert found["clean_share_of_additions", "without_private_cars:plan"] == pytest.approx(50.0)
    assert found["clean_share_of_additions", "operating:plan"] == pytest.approx(10.0)
    assert found["clean_share_new_bus_taxi", "plan"] == pytest.approx(90.0)
    assert found["clean_share_of_class_additions", "urban_bus:plan"] == pytest.approx(90.0)
    assert found["clean_share_of_class_additions", "urban_bus_8m:plan"] == pytest.approx(90.0)
    assert found["clean_share_new_bus_taxi", "nev_only"] == pytest.approx(60.0)
    assert found["nev_sales_share", ""] == pytest.approx(100 * 470 / 1200)


def test_leakage_counts_the_freight_that_moved_outside_the_boundary() -> None:
    moved = np.full((1, N), 100.0)
    moved[:, year_index(2021) :] = 200.0
    tkm = {"road": np.full((1, N), 900.0), "pipeline": moved}
    book = accounts.Ledger({"road": np.ones((3, 1, N)), "pipeline": 2.0 * np.ones((3, 1, N))}, tkm)
    rows = indicators.companions(book, {"road": ["road"], "both": ["road", "pipeline"]}, tkm, np.ones((1, N)))
    found = {(s.id, s.boundary): s.values[0] for s in rows if s.scope in {"", "direct"}}
    leaked = (200 / 1100 - 0.1) * 1100
    assert found["leakage_tkm", "road"][0] == 0.0
    assert found["leakage_tkm", "road"][-1] == pytest.approx(leaked)
    assert found["leakage_co2", "road"][-1] == pytest.approx(leaked * 2.0 / 200.0)
    assert found["leakage_tkm", "both"][-1] == 0.0
    assert found["operating_co2_per_effective_tkm", "road"][-1] == pytest.approx(1e6 / 900.0)


def test_rail_intensity_against_three_bases() -> None:
    kgce, tkm = np.full((1, N), 4.0e8), np.full((1, N), 1.0e11)
    tkm[:, year_index(2020)] = 0.8e11
    normal = np.full((1, N), 1.0e11)
    found = {(s.id, s.base): s.values[0] for s in indicators.rail_series({"calorific": kgce}, tkm, {"calorific": kgce}, normal)}
    assert found["rail_energy_intensity_level", ""][-1] == pytest.approx(4000.0)
    assert found["rail_energy_intensity", "2020"][-1] == pytest.approx(-20.0)
    assert found["rail_energy_intensity", "2019"][-1] == pytest.approx(0.0)
    assert found["rail_energy_intensity", "2020_normal"][-1] == pytest.approx(0.0)


def test_land_oil_takes_road_and_rail_oil_only() -> None:
    keys = (
        EnergyKey("private_car", "ice", "gasoline"),
        EnergyKey("locomotive", "diesel", "diesel"),
        EnergyKey("ship", "diesel", "diesel"),
        EnergyKey("bus", "cng", "natural_gas"),
    )
    energy = EnergyUse(keys, np.ones((4, 1, N)))
    kgce = np.full((4, 1, N), 1000.0)
    parts = {"private_car": "road", "locomotive": "rail", "ship": "coastal", "bus": "road"}
    assert indicators.land_oil_toe(energy, kgce, parts, np.full((1, N), 0.7))[0, 0] == pytest.approx(1.4)
    assert indicators.land_oil_toe(energy, kgce, parts, np.full((1, N), 0.7), without=["private_car"])[0, 0] == pytest.approx(0.7)


def test_series_frame_leaves_undefined_years_empty() -> None:
    values = np.full((1, N), np.nan)
    values[0, -1] = 5.0
    table = indicators.series_frame([indicators.Series("x", "210000", "percent", values)], {"x": "recalled"})
    assert table.height == N
    assert table["value"].null_count() == N - 1
    assert table["quality"].unique().to_list() == ["recalled"]


def test_rail_increase_is_against_2020() -> None:
    rail = np.full((1, N), 200.0)
    rail[:, year_index(2025)] = 215.0
    assert indicators.rail_increase(rail).values[0, year_index(2025)] == 15.0
    assert indicators.rail_increase(rail).values[0, year_index(2020)] == 0.0
