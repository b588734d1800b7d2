"""Accounts against hand calculation, and the identities of the intensity."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport import accounts
from transport.layout import YEARS, EnergyKey, EnergyUse, year_index
from transport.params import Params
from transport.principles import Stated

N = len(YEARS)


def _params(**rows: float) -> Params:
    names = [key.split("__") for key in rows]
    return Params.from_frame(
        pl.DataFrame(
            {
                "parameter": [n[0] for n in names],
                "subject": [n[1] for n in names],
                "year": [None] * len(names),
                "value": list(rows.values()),
                "low": [None] * len(names),
                "high": [None] * len(names),
                "distribution": ["fixed"] * len(names),
                "unit": ["x"] * len(names),
            },
            schema_overrides={"year": pl.Int64, "low": pl.Float64, "high": pl.Float64},
        )
    )


CARBON = {
    "co2_factor_mass__gasoline": 2.925,
    "co2_factor_mass__diesel": 3.096,
    "co2_factor_mass__kerosene": 3.033,
    "co2_factor_mass__fuel_oil": 3.17,
    "co2_factor_mass__lpg": 3.101,
    "co2_factor_mass__lng": 2.75,
    "co2_factor_mass__methanol": 1.375,
    "co2_factor_gas__natural_gas": 2.165,
    "upstream_electricity__electricity": 0.06,
    "upstream_hydrogen__hydrogen": 18.0,
} | {f"upstream_share__{c}": 0.2 for c in ("gasoline", "diesel", "kerosene", "fuel_oil", "lpg", "lng", "methanol", "natural_gas")}


def _carried(value: float, unit: str) -> Stated:
    return Stated("turnover", np.full((1, N), value), unit, "carrier")


def _energy(*rows: tuple[str, str, float]) -> EnergyUse:
    keys = tuple(EnergyKey(c, "any", carrier) for c, carrier, _ in rows)
    return EnergyUse(keys, np.stack([np.full((1, N), q) for _, _, q in rows]))


def test_co2_of_one_tonne_and_one_kwh_by_hand() -> None:
    energy = _energy(
        ("tractor", "diesel", 1.0), ("train", "electricity", 1000.0), ("bus", "natural_gas", 1000.0), ("car", "hydrogen", 1.0)
    )
    factors = accounts.carbon_factors(_params(**CARBON), np.full((1, N), 0.5876))
    co2 = accounts.account(energy, factors)[:, :, 0, 0]
    np.testing.assert_allclose(co2[0], [3.096, 0.0, 2.165, 0.0])
    np.testing.assert_allclose(co2[1], [3.096, 0.5876, 2.165, 0.0])
    np.testing.assert_allclose(co2[2], [3.096 * 1.2, 0.5876 * 1.06, 2.165 * 1.2, 18.0])


def test_coal_equivalent_by_hand() -> None:
    params = _params(
        coal_equivalent_mass__diesel=1.4571,
        coal_equivalent_gas__natural_gas=1.33,
        coal_equivalent_electricity__calorific=0.1229,
        coal_equivalent_electricity__equivalence=0.3,
    )
    energy = _energy(("a", "diesel", 2.0), ("b", "electricity", 100.0), ("c", "natural_gas", 10.0))
    np.testing.assert_allclose(accounts.coal_equivalent(energy, params)[:, 0, 0], [2914.2, 12.29, 13.3])
    np.testing.assert_allclose(accounts.coal_equivalent(energy, params, electricity="equivalence")[1, 0, 0], 30.0)


def test_converted_turnover_reproduces_the_national_rail_total_of_2021() -> None:
    """29,950.01 freight tkm + 9,559.09 pkm x 1 = 39,509.10 (1e8), as published."""
    turnover = accounts.make_turnover(
        {"rail": _carried(29950.01e8, "tkm")},
        {("rail", "conventional"): _carried(9559.09e8, "pkm"), ("road", "coach"): _carried(10.0, "pkm")},
    )
    params = _params(
        pkm_to_tkm__conventional=1.0,
        pkm_to_tkm__coach=0.1,
        ro_pax_berth_share__all=0.5,
    )
    converted = accounts.converted_turnover(turnover, params)
    assert converted[:2, 0, 0].sum() == pytest.approx(39509.10e8)
    assert converted[2, 0, 0] == pytest.approx(1.0)


def test_ro_pax_mixes_berths_and_seats() -> None:
    turnover = accounts.make_turnover({}, {("coastal", "ro_pax"): _carried(100.0, "pkm")})
    params = _params(ro_pax_berth_share__all=0.25, pkm_to_tkm__ro_pax_berth=1.0, pkm_to_tkm__ro_pax_seat=0.33)
    assert accounts.converted_turnover(turnover, params)[0, 0, 0] == pytest.approx(25.0 + 75.0 * 0.33)


def _book(road_co2: float, rail_co2: float, road_tkm: float, rail_tkm: float) -> accounts.Ledger:
    def grown(value: float) -> np.ndarray:
        return np.full((3, 1, N), value)

    return accounts.Ledger(
        {"road": grown(road_co2), "rail": grown(rail_co2)},
        {"road": np.full((1, N), road_tkm), "rail": np.full((1, N), rail_tkm)},
    )


def test_readings_by_hand() -> None:
    now, normal = _book(90.0, 10.0, 1000.0, 500.0), _book(90.0, 10.0, 1000.0, 1000.0)
    found = {
        (r.boundary, r.scope, r.base): r for r in accounts.readings(now, normal, {"both": ["road", "rail"], "rail": ["rail"]})
    }
    assert len(found) == 2 * 3 * 2
    both = found["both", "direct", "2020"]
    np.testing.assert_allclose(both.intensity_g_per_tkm, 100.0 / 1500.0 * 1e6)
    np.testing.assert_allclose(both.change_pct, 0.0)
    np.testing.assert_allclose(found["both", "direct", "2020_normal"].change_pct, 100.0 * (2000.0 / 1500.0 - 1.0))


def test_energy_counted_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="counted twice"):
        EnergyUse.concat([_energy(("a", "diesel", 1.0)), _energy(("a", "diesel", 2.0))])


@given(st.floats(0.0, 1e9), st.floats(1.0, 1e9))
def test_a_class_outside_the_operating_parts_never_moves_a_reading(private_t: float, operating_t: float) -> None:
    factors = accounts.carbon_factors(_params(**CARBON), np.full((1, N), 0.5))
    turnover = accounts.make_turnover({"road": _carried(1e9, "tkm")}, {})
    converted = turnover.tkm

    def intensity(energy: EnergyUse) -> np.ndarray:
        book = accounts.ledger(energy, accounts.account(energy, factors), turnover, converted, {"tractor": "road"})
        return accounts.readings(book, book, {"road": ["road"]})[0].intensity_g_per_tkm

    alone = intensity(_energy(("tractor", "diesel", operating_t)))
    beside = intensity(_energy(("tractor", "diesel", operating_t), ("private_car", "gasoline", private_t)))
    np.testing.assert_array_equal(alone, beside)


def test_frames_hold_every_key_and_year() -> None:
    energy = _energy(("a", "diesel", 1.0), ("b", "electricity", 2.0))
    co2 = accounts.account(energy, accounts.carbon_factors(_params(**CARBON), np.full((1, N), 0.5)))
    table = accounts.co2_frame(energy, co2)
    assert table.height == 2 * 3 * N
    direct = table.filter(pl.col("scope") == "direct", pl.col("year") == 2030)
    assert direct["t"].sum() == pytest.approx(co2[0, :, 0, year_index(2030)].sum())
