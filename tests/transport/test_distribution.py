"""Urban and rural distribution: light trucks follow their goods, levers move kilometres, use and cost, and the headline stays."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.transport.fleet import made_up
from transport.distribution import (
    LIGHT_TRUCK,
    PARTS,
    SERVICES,
    Distribution,
    DistributionError,
    consolidation_factor,
    model_distribution,
    zone_mix,
)
from transport.distribution_table import clean_by_part
from transport.layout import BASE_YEAR, YEARS, year_index
from transport.vehicles import VehicleOutcome, model_vehicles

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.params import LeverValue, Params
    from transport.study import Results

BASE, LAST, LATER = year_index(BASE_YEAR), year_index(2024), year_index(2030)
LEVERS = ("consolidation_centres", "clean_zone", "night_delivery")
share = st.floats(0.0, 1.0, allow_nan=False)


def with_levers(inputs: Inputs, **values: LeverValue) -> Params:
    """Return the central parameters with levers."""
    levers = {lever.lever: lever for lever in inputs.levers}
    return inputs.params().with_levers((levers[name], value) for name, value in values.items())


def summed(found: dict[str, np.ndarray]) -> np.ndarray:
    """Return a quantity of the province ``[year]``, first draw."""
    return np.asarray(sum(found[part] for part in PARTS)[0].sum(axis=-1))


def fleet(inputs: Inputs, params: Params, found: Distribution) -> VehicleOutcome:
    """Return the vehicles of a made-up activity with the light trucks of a distribution."""
    activity = replace(made_up(), light_trucks=found.trucks, clean_zone_share=found.zone_share)
    return model_vehicles(inputs, params, activity)


def used(outcome: VehicleOutcome, carrier: str) -> np.ndarray:
    """Return what light trucks use of a carrier ``[year]``."""
    rows = [i for i, k in enumerate(outcome.energy.keys) if (k.vehicle_class, k.carrier) == (LIGHT_TRUCK, carrier)]
    return np.asarray(outcome.energy.quantity[rows, 0].sum(axis=0))


def stock(outcome: VehicleOutcome) -> np.ndarray:
    """Return the stock of light trucks ``[year]``."""
    return np.asarray(outcome.stock[outcome.classes.index(LIGHT_TRUCK)].sum(axis=0)[0])


@pytest.fixture(scope="module")
def plain(inputs: Inputs) -> Distribution:
    return model_distribution(inputs, inputs.params())


# --- known answers ------------------------------------------------------------------------------------------------------------------


def test_observed_years_keep_the_stock_of_their_rows(inputs: Inputs, plain: Distribution) -> None:
    np.testing.assert_array_equal(plain.trucks[:, : LAST + 1], inputs.params().get("vehicle_stock", LIGHT_TRUCK)[:, : LAST + 1])


def test_later_years_follow_the_goods_by_hand(inputs: Inputs, plain: Distribution) -> None:
    params = inputs.params()

    def row(name: str, subject: str, year: int) -> float:
        return float(params.get(name, subject)[0, year_index(year)])

    def volume(year: int) -> float:
        km = {s: row("light_freight_km_share", s, year) for s in ("parcels", "shops")}
        goods = {s: row("light_freight_goods_index", s, year) ** row("light_freight_km_elasticity", s, year) for s in km}
        trades = (1.0 - sum(km.values())) * row("freight_growth_index", "general_cargo", year)
        return (sum(km[s] * goods[s] for s in km) + trades) * row("light_freight_km_index", "all", year)

    assert volume(2020) == pytest.approx(1.0, rel=1e-15)
    for year in (2025, 2030, 2035):
        assert plain.trucks[0, year_index(year)] == pytest.approx(790_000 * volume(year) / volume(2024), rel=1e-12)


def test_all_kilometres_are_the_stock_times_its_distance(inputs: Inputs, plain: Distribution) -> None:
    wanted = plain.trucks * inputs.params().get("annual_distance", LIGHT_TRUCK)
    np.testing.assert_allclose(summed(plain.vehicle_km), wanted[0], rtol=1e-13)


def test_a_tour_brings_twice_its_mean_load(inputs: Inputs, plain: Distribution) -> None:
    # one service alone: the identity holds for each, so for sums weighted by length only between the extremes
    params = inputs.params()
    for part in PARTS:
        tours = [params.get("light_freight_tour", f"{s}:{part}")[0, BASE] for s in SERVICES]
        length = plain.vehicle_km[part][0, BASE] / plain.trips[part][0, BASE]
        assert ((length >= min(tours)) & (length <= max(tours))).all()
        loads = [params.get("light_freight_load", s)[0, BASE] for s in SERVICES]
        mean = plain.tkm[part][0, BASE] / plain.vehicle_km[part][0, BASE]
        assert ((mean >= min(loads)) & (mean <= max(loads))).all()


# --- conservation -------------------------------------------------------------------------------------------------------------------


def test_prefectures_sum_to_the_province(inputs: Inputs, results: Results, plain: Distribution) -> None:
    assert plain.areas == tuple(f"21{n:02d}00" for n in range(1, 15))
    table = results.tables["distribution"]
    assert table.height == len(YEARS) * 14 * 2
    work = results.tables["stock"].filter(pl.col("vehicle_class") == LIGHT_TRUCK, pl.col("year") <= BASE_YEAR)
    held = work.group_by("year").agg(pl.col("stock_veh").sum()).sort("year")["stock_veh"].to_numpy()
    km = (
        table.filter(pl.col("year") <= BASE_YEAR)
        .group_by("year")
        .agg(pl.col("vehicle_km").sum())
        .sort("year")["vehicle_km"]
        .to_numpy()
    )
    np.testing.assert_allclose(km, held * inputs.params().get("annual_distance", LIGHT_TRUCK)[0, : BASE + 1], rtol=1e-9)
    assert (table["load_t"] * table["vehicle_km"] - table["tkm"]).abs().max() < 1e-3
    assert table["clean_km_share"].is_between(0.0, 1.0).all()


def test_light_trucks_stand_outside_the_turnover_of_carriers(results: Results) -> None:
    work = results.tables["turnover"].filter(
        pl.col("mode") == "road", pl.col("service") == "freight", pl.col("year") == BASE_YEAR
    )
    light = results.tables["distribution"].filter(pl.col("year") == BASE_YEAR)["tkm"].sum()
    # 2.6 x 10^11 tkm of licensed carriers are what the freight model gives; the light ones are not among them
    assert 0.01 < light / work["tkm"].max() < 0.06


def test_every_draw_shares_all_its_kilometres(inputs: Inputs) -> None:
    params = inputs.params(draws=20, seed=4)
    found = model_distribution(inputs, params)
    km = sum(found.vehicle_km[part] for part in PARTS)
    assert km.shape == (20, len(YEARS), 14)
    assert (km > 0).all()
    np.testing.assert_allclose(km.sum(axis=-1), found.trucks * params.get("annual_distance", LIGHT_TRUCK), rtol=1e-12)
    central = model_distribution(inputs, inputs.params())
    np.testing.assert_array_equal(found.trucks[0], central.trucks[0])
    assert found.trucks[:, LATER].std() > 0.0


def test_held_inputs_hold_the_stock(inputs: Inputs) -> None:
    found = model_distribution(inputs, inputs.params().hold(BASE_YEAR))
    np.testing.assert_array_equal(found.trucks[:, BASE:], np.repeat(found.trucks[:, [BASE]], len(YEARS) - BASE, axis=1))


# --- levers -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lever", LEVERS)
def test_a_lever_at_its_default_changes_no_bit(lever: str, inputs: Inputs, plain: Distribution) -> None:
    params = with_levers(inputs, **{lever: 0.0})
    found = model_distribution(inputs, params)
    for field in fields(Distribution):
        before, after = getattr(plain, field.name), getattr(found, field.name)
        if isinstance(before, dict):
            for part in PARTS:
                np.testing.assert_array_equal(after[part], before[part])
        else:
            np.testing.assert_array_equal(after, before)
    np.testing.assert_array_equal(
        fleet(inputs, params, found).energy.quantity, fleet(inputs, inputs.params(), plain).energy.quantity
    )


@pytest.mark.parametrize("lever", LEVERS)
def test_no_lever_moves_the_base_year(lever: str, inputs: Inputs, plain: Distribution) -> None:
    found = model_distribution(inputs, with_levers(inputs, **{lever: 0.5}))
    np.testing.assert_array_equal(found.trucks[:, : BASE + 1], plain.trucks[:, : BASE + 1])
    for part in PARTS:
        np.testing.assert_array_equal(found.cost[part][:, : BASE + 1], plain.cost[part][:, : BASE + 1])


def test_centres_save_kilometres_and_trucks_for_the_same_goods(inputs: Inputs, plain: Distribution) -> None:
    params = with_levers(inputs, consolidation_centres={2021: 0.0, 2030: 0.4})
    found = model_distribution(inputs, params)
    assert consolidation_factor(params)[0, LATER] == pytest.approx(1 - 0.4 * (1 - 1 / 1.4), rel=1e-12)
    np.testing.assert_allclose(summed(found.tonnes), summed(plain.tonnes), rtol=1e-12)
    np.testing.assert_allclose(summed(found.tkm), summed(plain.tkm), rtol=1e-12)
    assert found.trucks[0, LATER] < 0.97 * plain.trucks[0, LATER]
    for name in ("vehicle_km", "trips", "hours"):
        assert (found.__dict__[name]["urban"][0, LATER] < plain.__dict__[name]["urban"][0, LATER]).all()
        np.testing.assert_allclose(found.__dict__[name]["rural"], plain.__dict__[name]["rural"], rtol=1e-12)
    # the goods that pass a centre, what handling them costs and takes
    joined = found.handled_t["urban"][0, LATER].sum()
    assert 0.0 < joined < 0.4 * found.tonnes["urban"][0, LATER].sum()
    assert found.handling_kwh["urban"][0, LATER].sum() == pytest.approx(2.5 * joined, rel=1e-12)
    tours = plain.cost["urban"][0, LATER] * found.vehicle_km["urban"][0, LATER] / plain.vehicle_km["urban"][0, LATER]
    assert found.cost["urban"][0, LATER].sum() - tours.sum() == pytest.approx(30.0 * joined, rel=1e-9)
    assert not plain.handled_t["urban"].any()


def test_the_level_of_all_freight_holds_for_light_trucks(inputs: Inputs, plain: Distribution) -> None:
    found = model_distribution(inputs, with_levers(inputs, freight_growth=1.1))
    np.testing.assert_allclose(found.trucks[:, BASE + 1 :], 1.1 * plain.trucks[:, BASE + 1 :], rtol=1e-15)
    np.testing.assert_array_equal(found.trucks[:, : BASE + 1], plain.trucks[:, : BASE + 1])


def test_night_saves_hours_and_fuel_at_a_higher_wage(inputs: Inputs, plain: Distribution) -> None:
    params = with_levers(inputs, night_delivery=0.5)
    found = model_distribution(inputs, params)
    np.testing.assert_array_equal(found.trucks, plain.trucks)
    np.testing.assert_array_equal(found.vehicle_km["urban"], plain.vehicle_km["urban"])
    # 12 km/h by day and 16 km/h at night
    assert found.hours["urban"][0, LATER].sum() == pytest.approx(
        plain.vehicle_km["urban"][0, LATER].sum() * (0.5 / 12 + 0.5 / 16), rel=1e-12
    )
    assert found.cost["urban"][0, LATER].sum() != plain.cost["urban"][0, LATER].sum()
    before, after = fleet(inputs, inputs.params(), plain), fleet(inputs, params, found)
    assert (used(after, "diesel")[BASE + 1 :] < used(before, "diesel")[BASE + 1 :]).all()
    np.testing.assert_array_equal(used(after, "diesel")[: BASE + 1], used(before, "diesel")[: BASE + 1])


def test_a_clean_zone_drives_electric_trucks_more_and_buys_none(inputs: Inputs, plain: Distribution) -> None:
    params = with_levers(inputs, clean_zone=0.6, clean_sales_share_light_truck=0.5)
    sold = with_levers(inputs, clean_sales_share_light_truck=0.5)
    found = model_distribution(inputs, params)
    before, after = fleet(inputs, sold, plain), fleet(inputs, params, found)
    np.testing.assert_array_equal(after.stock, before.stock)
    at = year_index(2023)
    # the zones want more than the clean trucks can be driven: a quarter more than without
    assert used(after, "electricity")[at] == pytest.approx(1.25 * used(before, "electricity")[at], rel=1e-9)
    assert used(after, "diesel")[at] < used(before, "diesel")[at]
    assert (found.cost["urban"][0, BASE + 1 :] > plain.cost["urban"][0, BASE + 1 :]).all()
    np.testing.assert_array_equal(found.cost["rural"], plain.cost["rural"])


def test_light_trucks_leave_the_operating_vehicles_alone(inputs: Inputs, plain: Distribution) -> None:
    """The headline counts operating classes only: whatever the light trucks do, their energy is the same to the last bit."""
    params = with_levers(inputs, consolidation_centres=0.5, clean_zone=0.5, night_delivery=0.5)
    before, after = fleet(inputs, inputs.params(), plain), fleet(inputs, params, model_distribution(inputs, params))
    operating = [i for i, k in enumerate(before.energy.keys) if before.is_operating.get(k.vehicle_class, False)]
    assert len(operating) > 20
    np.testing.assert_array_equal(after.energy.quantity[operating], before.energy.quantity[operating])
    rest = [i for i, k in enumerate(before.energy.keys) if k.vehicle_class == LIGHT_TRUCK]
    assert (after.energy.quantity[rest][:, 0, LATER] != before.energy.quantity[rest][:, 0, LATER]).any()


def test_goods_that_fall_faster_than_trucks_are_scrapped_leave_trucks_idle(inputs: Inputs, plain: Distribution) -> None:
    params = inputs.params()
    found = replace(plain, trucks=plain.trucks * np.where(np.asarray(YEARS) > BASE_YEAR, 0.5, 1.0))
    outcome = fleet(inputs, params, found)
    assert stock(outcome)[BASE + 1] > 1.2 * found.trucks[0, BASE + 1]
    km = sum(outcome.work.quantity[i, 0] for i, k in enumerate(outcome.work.keys) if k.vehicle_class == LIGHT_TRUCK)
    np.testing.assert_allclose(km, (found.trucks * params.get("annual_distance", LIGHT_TRUCK))[0], rtol=1e-12)


# --- properties ---------------------------------------------------------------------------------------------------------------------


@given(
    hnp.arrays(np.float64, (2, 3, 3), elements=st.floats(0.01, 1.0)),
    hnp.arrays(np.float64, (2, 3), elements=share),
    hnp.arrays(np.float64, (2, 3), elements=st.floats(1.0, 2.0)),
)
def test_zones_move_kilometres_to_clean_trucks_within_their_limit(raw: np.ndarray, zone: np.ndarray, limit: np.ndarray) -> None:
    mix, clean = raw / raw.sum(axis=-1, keepdims=True), np.array([False, True, True])
    found = zone_mix(mix, clean, zone, limit)
    np.testing.assert_allclose(found.sum(axis=-1), 1.0, rtol=1e-12)
    before, after = mix[..., clean].sum(axis=-1), found[..., clean].sum(axis=-1)
    assert (after >= before - 1e-12).all()
    assert (after <= np.minimum(np.maximum(before, zone), limit * before) + 1e-12).all()
    np.testing.assert_array_equal(zone_mix(mix, clean, np.zeros_like(zone), limit), mix)


@given(share, st.floats(0.05, 0.95), share)
def test_the_parts_share_the_clean_kilometres(clean: float, urban: float, zone: float) -> None:
    found = clean_by_part(np.array([clean]), np.array([urban]), np.array([zone * urban]))
    whole = urban * found["urban"] + (1.0 - urban) * found["rural"]
    assert whole[0] == pytest.approx(clean, abs=1e-12)
    assert all(-1e-12 <= found[part][0] <= 1.0 + 1e-12 for part in PARTS)
    assert found["urban"][0] >= min(zone, clean) - 1e-12


@cache
def _inputs() -> Inputs:
    from transport.inputs import load_inputs

    return load_inputs()


@given(st.floats(0.0, 0.6), st.floats(0.0, 0.6))
def test_more_through_centres_never_needs_more_trucks(low: float, more: float) -> None:
    few, many = (
        model_distribution(_inputs(), with_levers(_inputs(), consolidation_centres=value)).trucks for value in sorted((low, more))
    )
    assert (many <= few * (1 + 1e-12)).all()


# --- bad input ----------------------------------------------------------------------------------------------------------------------


def test_a_prefecture_without_people_is_named(inputs: Inputs) -> None:
    people = inputs.table("demand/population").filter(
        ~((pl.col("area") == "210500") & (pl.col("item") == "rural_population") & (pl.col("county") == "210500"))
    )
    bad = replace(inputs, tables={**inputs.tables, "demand/population": people})
    with pytest.raises(DistributionError, match="no rural_population of 210500"):
        model_distribution(bad, inputs.params())


def test_a_stock_without_years_is_refused(inputs: Inputs) -> None:
    rows = inputs.parameters.filter(
        ~((pl.col("parameter") == "vehicle_stock") & (pl.col("subject") == LIGHT_TRUCK) & (pl.col("year") != BASE_YEAR))
    ).with_columns(
        pl.when((pl.col("parameter") == "vehicle_stock") & (pl.col("subject") == LIGHT_TRUCK))
        .then(None)
        .otherwise(pl.col("year"))
        .alias("year")
    )
    with pytest.raises(DistributionError, match="no row names a year"):
        model_distribution(replace(inputs, parameters=rows), inputs.params())
