"""Energy by month and condition: months sum to the year, and a cold month takes what the temperature rows say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from transport import energy_seasons
from transport.energy_seasons import MONTHS, SeasonError, season_checks, season_tables, seasons
from transport.layout import YEARS, year_index
from transport.vehicles.tables import read_monthly_climates

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from transport.inputs import Inputs
    from transport.params import Params
    from transport.parts import Parts
    from transport.vehicles.tables import Climate

ROW = ("year", "vehicle_class", "powertrain", "carrier")


@pytest.fixture(scope="module")
def parts(parts_of: Callable[..., Parts]) -> Parts:
    return parts_of("plan_2030")


@pytest.fixture(scope="module")
def tables(parts: Parts) -> Mapping[str, pl.DataFrame]:
    return season_tables(parts)


def with_temperatures(parts: Parts, temperature: pl.Expr) -> Parts:
    """Return parts that read other temperatures; the energy stays as it was computed."""
    rows = parts.inputs.table("fleets/climate").with_columns(temperature_c=temperature)
    return replace(parts, inputs=replace(parts.inputs, tables={**parts.inputs.tables, "fleets/climate": rows}))


# ---- known answers ----


def test_one_cold_month_among_mild_ones(parts: Parts) -> None:
    """January at the coldest knot, all else mild: a plug-in car takes the ratio of the row in January and 1 in the other eleven months."""
    knots = {k: parts.params.get("temperature_knot", k)[0, 0] for k in ("cold", "mild")}
    cold = with_temperatures(parts, pl.when(pl.col("month") == 1).then(pl.lit(knots["cold"])).otherwise(pl.lit(knots["mild"])))
    offset = parts.params.get("temperature_offset")
    assert not offset.any(), "the temperatures of the test are those of the table"
    found = {(s.vehicle_class, s.powertrain, s.carrier): s for s in seasons(cold)}
    ratio = parts.params.get("electric_temperature_ratio", "car:cold")[0, year_index(2030)]
    share = found["private_car", "plug_in_hybrid", "electricity"].share[:, year_index(2030)]
    np.testing.assert_allclose(share, [ratio / (ratio + 11), *[1 / (ratio + 11)] * 11], rtol=1e-12)
    engine = parts.params.get("combustion_temperature_ratio", "truck:cold")[0, year_index(2030)]
    share = found["tractor_trailer", "diesel", "diesel"].share[:, year_index(2030)]
    np.testing.assert_allclose(share, [engine / (engine + 11), *[1 / (engine + 11)] * 11], rtol=1e-12)
    heater = found["urban_bus_12m", "battery_electric", "diesel"].share[:, year_index(2030)]
    np.testing.assert_allclose(heater, [1.0, *[0.0] * 11], atol=1e-15)


def test_without_weather_all_months_are_alike(parts: Parts) -> None:
    mild = with_temperatures(parts, pl.lit(float(parts.params.get("temperature_knot", "mild")[0, 0])))
    for row in seasons(mild):
        if row.kind != "heater":
            np.testing.assert_allclose(row.share, 1.0 / 12.0, rtol=1e-12)


def test_a_bus_with_heat_pump_and_burner_saves_what_the_rows_say(parts: Parts) -> None:
    """January of a battery bus: resistive share, burner share and heat-pump share each at their own use."""
    params = parts.params
    at = year_index(2030)
    knot = params.get("temperature_knot", "cold")[0, 0]
    cold = with_temperatures(parts, pl.lit(float(knot)))
    row = next(
        s
        for s in seasons(cold)
        if (s.vehicle_class, s.powertrain, s.carrier) == ("urban_bus_12m", "battery_electric", "electricity")
    )
    inherited = params.inheriting({"urban_bus_12m": "urban_bus"})
    extra = params.get("electric_temperature_ratio", "bus:cold")[0, at] - 1.0
    burner = inherited.get("fuel_heater_share", "urban_bus_12m")[0, at]
    pump = min(inherited.get("heat_pump_share", "urban_bus_12m")[0, at], 1.0 - burner)
    less = burner * params.get("fuel_heater_saving")[0, at] + pump * params.get("heat_pump_saving", "cold")[0, at]
    np.testing.assert_allclose(row.multiplier[:, at], 1.0 + extra * (1.0 - less), rtol=1e-12)


# ---- conservation ----


def test_the_months_sum_to_the_year(parts: Parts, tables: Mapping[str, pl.DataFrame]) -> None:
    months = tables["energy_months"].group_by(ROW).agg(pl.col("quantity", "share_pct").sum(), pl.len())
    classes = parts.inputs.table("fleets/classes").filter(pl.col("climate_group").is_not_null())["vehicle_class"]
    year = parts.now.energy.frame().filter(pl.col("vehicle_class").is_in(classes.to_list()), pl.col("quantity") > 0.0)
    both = months.join(year.select(*ROW, whole="quantity"), on=ROW, how="full", coalesce=True)
    assert both.height == months.height == year.height > 2000
    np.testing.assert_allclose(both["quantity"].to_numpy(), both["whole"].to_numpy(), rtol=1e-9)
    np.testing.assert_allclose(both["share_pct"].to_numpy(), 100.0, rtol=1e-9)
    # a burner is off in mild months: its rows of zero are left out
    assert set(both.filter(pl.col("len") < len(MONTHS))["carrier"].to_list()) == {"diesel"}


def test_the_mean_over_the_months_is_the_weather_the_year_was_computed_with(parts: Parts) -> None:
    for row in seasons(parts):
        np.testing.assert_allclose(row.multiplier.mean(axis=0), row.mean, rtol=1e-12)
    assert season_checks(parts)["passed"].all()


def test_the_bands_of_a_month_make_up_the_month(parts: Parts, tables: Mapping[str, pl.DataFrame]) -> None:
    share = {band: parts.params.get("speed_band_share", f"tractor_trailer:{band}")[0] for band in ("urban", "expressway")}
    months = tables["energy_months"].filter(pl.col("vehicle_class") == "tractor_trailer", pl.col("carrier") == "electricity")
    rows = tables["energy_conditions"].filter(
        pl.col("vehicle_class") == "tractor_trailer",
        pl.col("powertrain") == "battery_electric",
        pl.col("load") == "mean",
        pl.col("carrier") == "electricity",
    )
    for year in (2020, 2030):
        at = year_index(year)
        weight = {b: float(v[at]) for b, v in share.items()}
        weight["trunk"] = 1.0 - sum(weight.values())
        for month in (1, 7):
            by_band = dict(
                rows.filter(pl.col("year") == year, pl.col("month") == month).select("speed_band", "per_km").iter_rows()
            )
            mine = months.filter(pl.col("powertrain") == "battery_electric", pl.col("year") == year, pl.col("month") == month)
            assert sum(weight[b] * by_band[b] for b in weight) == pytest.approx(mine["per_km"][0], rel=1e-12)


def test_a_full_truck_takes_more_than_a_mean_one_and_an_empty_one_less(tables: Mapping[str, pl.DataFrame]) -> None:
    rows = tables["energy_conditions"].filter(pl.col("vehicle_class") == "tractor_trailer", pl.col("powertrain") == "diesel")
    wide = rows.pivot(on="load", index=["year", "speed_band", "month"], values="per_km")
    assert wide.height == 2 * 3 * 12
    assert (wide["empty"] < wide["mean"]).all()
    assert (wide["mean"] < wide["full"]).all()
    assert set(tables["energy_conditions"].filter(pl.col("vehicle_class") == "taxi")["load"].to_list()) == {"mean"}


def test_winter_costs_a_battery_more_than_an_engine(tables: Mapping[str, pl.DataFrame]) -> None:
    rows = tables["energy_months"].filter(pl.col("year") == 2030, pl.col("vehicle_class") == "private_car")

    def winter(train: str, carrier: str) -> float:
        mine = rows.filter(pl.col("powertrain") == train, pl.col("carrier") == carrier).sort("month")["per_km"].to_list()
        return float(mine[0] / mine[4])  # January over May

    assert winter("battery_electric", "electricity") > winter("gasoline", "gasoline") > 1.0
    fuel_cells = tables["energy_months"].filter(pl.col("carrier") == "hydrogen")
    np.testing.assert_allclose(fuel_cells["share_pct"].to_numpy(), 100.0 / 12.0, rtol=1e-12)


def test_shapes_follow_the_years(parts: Parts) -> None:
    for row in seasons(parts):
        assert row.multiplier.shape == (12, len(YEARS))
        assert row.per_km.shape == (len(YEARS),)
        driven = row.quantity > 0
        assert np.isfinite(row.per_km[driven]).all(), row[:3]


# ---- bad input ----


def test_months_of_other_weather_than_the_year_are_refused(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    def warmer(inputs: Inputs, params: Params) -> dict[str, Climate]:
        return {k: replace(c, combustion=c.combustion * 0.98) for k, c in read_monthly_climates(inputs, params).items()}

    monkeypatch.setattr(energy_seasons, "read_monthly_climates", warmer)
    with pytest.raises(SeasonError, match=r"energy by month differs from the year by 2\.0e-02 of it \(limit 1e-09\)"):
        season_tables(parts)
