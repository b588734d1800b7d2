"""Costs of ownership, sales that follow them and costs of measures: bundled rows on a made-up activity, by hand, by direction and by balance."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleets.tco import TcoError
from tests.transport.fleet import INPUTS, made_up, read_rows
from transport.accounts import carbon_factors
from transport.costs import abatement_cost, costs_table, measure_costs, tco_table, vehicle_steps
from transport.freight_costs import unit_costs
from transport.layout import BASE_YEAR, YEARS, year_index
from transport.measure_costs import Rows
from transport.params import Lever, Params
from transport.power import grid_factor
from transport.vehicles import VehicleOutcome, model_vehicles
from transport.vehicles.new_vehicles import UNITS, new_vehicle
from transport.vehicles.ownership import (
    battery_kwh,
    battery_years,
    diesel_price,
    energy_price,
    is_priced,
    list_price,
    lost_payload,
    ownership_cost,
)
from transport.vehicles.sales import cost_shares, path_shares, sales_rule, split_of
from transport.vehicles.tables import VehicleClass, find_class, parents, read_classes, read_climates

if TYPE_CHECKING:
    from fleets.tco import UnitCost
    from transport.measure_costs import YearlyCost

ROWS = read_rows("*.csv").filter(pl.col("value").is_not_null(), ~pl.col("parameter").str.starts_with("ref_"))
CLASSES = read_classes(INPUTS)  # type: ignore[arg-type]
PARAMS = Params.from_frame(ROWS).inheriting(parents(CLASSES))
BASE = year_index(BASE_YEAR)
PRICED = tuple(spec for spec in CLASSES if is_priced(spec, PARAMS))
SPLIT = tuple(spec for spec in PRICED if split_of(spec, PARAMS) == "logit")
WITH_BATTERY = tuple(spec for spec in SPLIT if "battery_electric" in {p.powertrain for p in spec.pairs})
CLEAN_CARS = (("clean_sales_share", "private_car", "set", 0.6), ("clean_sales_share", "tractor_trailer", "set", 0.5))


def moved(*levers: tuple[str, str, str, float], params: Params = PARAMS) -> Params:
    """Return parameters with levers given as (parameter, subject, operation, value)."""
    neutral = {"set": np.nan, "add": 0.0, "scale": 1.0}
    return params.with_levers([(Lever("test", p, s, o, -1e9, 1e9, neutral[o]), v) for p, s, o, v in levers])


def cost_of(spec: VehicleClass, params: Params = PARAMS) -> UnitCost:
    activity = made_up()
    climate = read_climates(INPUTS, params)  # type: ignore[arg-type]
    return ownership_cost(spec, params, activity, climate)[0]


def shares_of(spec: VehicleClass, params: Params = PARAMS) -> np.ndarray:
    return cost_shares(params, spec, path_shares(params, spec, (1, len(YEARS))), cost_of(spec, params))


def fleet_with(params: Params, sales: str = "path") -> VehicleOutcome:
    return model_vehicles(INPUTS, params, made_up(), sales=sales)  # type: ignore[arg-type]


def measures_of(params: Params, sales: str = "path") -> dict[tuple[str, str], YearlyCost]:
    return taken_apart(params, fleet_with(params, sales), Rows(PARAMS, None))


def taken_apart(params: Params, run: VehicleOutcome, rows: Rows) -> dict[tuple[str, str], YearlyCost]:
    steps = vehicle_steps(INPUTS, params, made_up(params.draws), run, rows)  # type: ignore[arg-type]
    return measure_costs(INPUTS, params, carbon_factors(params, grid_factor(params)), steps)  # type: ignore[arg-type]


def at(spec: VehicleClass, powertrain: str) -> int:
    return [p.powertrain for p in spec.pairs].index(powertrain)


# --- known answers ------------------------------------------------------------------------------------------------------------------


def test_cost_of_a_taxi_on_lpg_by_hand() -> None:
    """A taxi in weather, traffic and of a make that take nothing extra.

    100,000 CNY with 10 % tax = 110,000; a fifth of it comes back after 5 years at 8 %: 1 - 0.2 / 1.46933 = 0.86388; annuity 0.250456, so
    23,799.8 a year or 0.23800 a km over 100,000 km. Fuel 0.1 L at 4 CNY = 0.4. Upkeep 0.1 x 1.2 = 0.12. Insurance 10,000 a year = 0.1.
    """
    params = PARAMS
    for name, subject, value in (
        ("vehicle_price", "taxi:lpg", 100_000.0),
        ("purchase_tax_share", "gas", 0.1),
        ("resale_share", "gas", 0.2),
        ("ownership_years", "taxi", 5.0),
        ("discount_rate", "operator", 0.08),
        ("annual_distance", "taxi", 100_000.0),
        ("lpg_use", "taxi:lpg", 0.1),
        ("lpg_price", "all", 4.0),
        ("maintenance_cost", "taxi", 0.1),
        ("maintenance_ratio", "lpg", 1.2),
        ("fixed_cost", "taxi", 10_000.0),
        ("fixed_cost_ratio", "gas", 1.0),
        ("new_vehicle_fuel_index", "taxi", 1.0),
        *(("combustion_temperature_ratio", f"car:{knot}", 1.0) for knot in ("cold", "freezing", "hot")),
    ):
        params = params.replace(name, subject, np.full((1, len(YEARS)), value))
    taxi = find_class(CLASSES, "taxi")
    cost, k = cost_of(taxi, params), at(taxi, "lpg")
    parts = (cost.capital, cost.energy, cost.maintenance, cost.fixed, cost.infrastructure)
    np.testing.assert_allclose([p[0, BASE, k] for p in parts], [0.237998, 0.4, 0.12, 0.1, 0.0], atol=5e-6)
    assert cost.battery[0, BASE, k] == cost.payload[0, BASE, k] == 0.0
    assert cost.total()[0, BASE, k] == pytest.approx(0.857998, abs=5e-6)


def test_a_battery_stands_in_the_price_by_its_capacity() -> None:
    tractor = find_class(CLASSES, "tractor_trailer")
    body = PARAMS.get("vehicle_price", "tractor_trailer:battery_electric")[0, BASE]
    cells = (
        PARAMS.get("battery_capacity", "tractor_trailer:battery_electric")[0, BASE] * PARAMS.get("battery_pack_price")[0, BASE]
    )
    assert list_price(PARAMS, tractor)[0, BASE, at(tractor, "battery_electric")] == pytest.approx(body + cells)
    assert (
        list_price(PARAMS, tractor)[0, BASE, at(tractor, "diesel")]
        == PARAMS.get("vehicle_price", "tractor_trailer:diesel")[0, BASE]
    )


def test_one_diesel_price_serves_freight_and_owners() -> None:
    pump, index = PARAMS.get("road_freight_fuel_price")[0], PARAMS.get("consumer_price_index")[0]
    np.testing.assert_allclose(diesel_price(PARAMS)[0], pump / index)
    coach = find_class(CLASSES, "coach")
    dear = cost_of(coach, moved(("road_fuel_cost_level", "all", "scale", 1.5)))
    np.testing.assert_allclose(
        dear.energy[0, BASE + 1 :, at(coach, "diesel")], 1.5 * cost_of(coach).energy[0, BASE + 1 :, at(coach, "diesel")]
    )


def test_discounting_and_cost_per_tonne_by_hand() -> None:
    # ten years at 8 %: 1 in 2030 is worth 1 / 1.08^10 in 2020
    found = measures_of(moved(*CLEAN_CARS))
    table = costs_table(found, PARAMS.get("discount_rate", "social"))
    later = table.filter(pl.col("year") == 2030, pl.col("total_cny2023") != 0.0)
    np.testing.assert_allclose(later["discounted_cny2023"], later["total_cny2023"] / 1.08**10)
    car = later.row(by_predicate=pl.col("vehicle_class") == "private_car", named=True)
    assert car["cny2023_per_tco2"] == pytest.approx(car["total_cny2023"] / car["avoided_tco2"])
    assert abatement_cost(np.array([100.0, 5.0, -8.0]), np.array([50.0, 0.5, -9.0])) == [2.0, None, None]


def test_payload_of_a_tractor_by_hand() -> None:
    """350 kWh at 160 kWh/t are 2.1875 t, less 1.2 t of engine 0.9875 t; 60 % of 72 % of the km are heavy: 0.9875 x 0.432 x 0.33 CNY/tkm."""
    params = PARAMS
    for name, subject, value in (
        ("battery_capacity", "tractor_trailer:battery_electric", 350.0),
        ("battery_specific_energy", "all", 160.0),
        ("engine_mass_saved", "tractor_trailer", 1.2),
        ("weight_limited_share", "tractor_trailer", 0.6),
        ("truck_loaded_km_share", "tractor_trailer", 0.72),
        ("payload_value", "tractor_trailer", 0.33),
    ):
        params = params.replace(name, subject, np.full((1, len(YEARS)), value))
    tractor = find_class(CLASSES, "tractor_trailer")
    found = lost_payload(params, tractor)
    assert found[0, BASE, at(tractor, "battery_electric")] == pytest.approx(0.9875 * 0.432 * 0.33)
    assert found[0, BASE, at(tractor, "diesel")] == found[0, BASE, at(tractor, "fuel_cell")] == 0.0
    np.testing.assert_array_equal(lost_payload(params, find_class(CLASSES, "light_truck")), 0.0)


def test_a_battery_dies_of_cycles_or_of_age() -> None:
    """350 kWh and 4000 cycles give 1.4 GWh: 280 MWh of battery a year wear it out in five years; 9 % of the grid's kWh stay in the charger."""
    tractor = find_class(CLASSES, "tractor_trailer")
    params = PARAMS
    for name, subject, value in (
        ("battery_capacity", "tractor_trailer:battery_electric", 350.0),
        ("battery_cycle_life", "all", 4000.0),
        ("battery_life", "tractor_trailer", 12.0),
        ("charging_loss", "tractor_trailer", 0.09),
    ):
        params = params.replace(name, subject, np.full((1, len(YEARS)), value))
    k = at(tractor, "battery_electric")
    drawn = np.zeros((1, 1, len(tractor.pairs)))
    drawn[..., k] = 280_000.0 / 0.91
    assert battery_years(params, tractor, drawn)[0, BASE, k] == pytest.approx(5.0)
    assert battery_years(params, tractor, 0.1 * drawn)[0, BASE, k] == 12.0
    assert np.isinf(battery_years(params, tractor, drawn)[0, BASE, at(tractor, "diesel")])
    assert battery_kwh(params, tractor)[0, BASE, at(tractor, "diesel")] == 0.0


def test_a_locomotive_by_hand() -> None:
    """16 million CNY without resale or interest over 20 years and 160 x 10^6 gross tkm a year: 5 CNY per 1000.

    Upkeep 6 % and insurance 1 % of the price: 6 and 1. Diesel 2.5 kg at 8 CNY/kg: 20.
    """
    name, key = "locomotive_freight", "locomotive_freight:diesel_traction"
    params = PARAMS
    for parameter, subject, value in (
        ("vehicle_price", key, 16e6),
        ("resale_share", name, 0.0),
        ("discount_rate", "operator", 0.0),
        ("ownership_years", name, 20.0),
        ("locomotive_annual_gross_tkm", key, 160e6),
        ("upkeep_share", key, 0.06),
        ("insurance_share", name, 0.01),
        ("rail_traction_diesel", name, 0.0025),
        ("rail_energy_index", "all", 1.0),
        ("road_freight_fuel_price", "all", 8.0 * 0.84),
        ("fuel_density", "diesel", 0.84),
        ("consumer_price_index", "all", 1.0),
    ):
        params = params.replace(parameter, subject, np.full((1, len(YEARS)), value))
    cost, unit = ownership_cost(find_class(CLASSES, name), params, made_up(), {})
    assert unit == "1000_gross_tkm"
    parts = (cost.capital, cost.energy, cost.maintenance, cost.fixed, cost.infrastructure, cost.battery, cost.payload)
    np.testing.assert_allclose([p[0, BASE, 0] for p in parts], [5.0, 20.0, 6.0, 1.0, 0.0, 0.0, 0.0], rtol=1e-12)


@pytest.mark.parametrize("spec", PRICED, ids=lambda s: s.name)
def test_a_fleet_of_new_vehicles_uses_what_the_energy_model_says(spec: VehicleClass) -> None:
    """Work and energy per unit of a new vehicle, held against the whole fleet: as old vehicles use more, the fleet uses no less."""
    climate = read_climates(INPUTS, PARAMS)  # type: ignore[arg-type]
    new = new_vehicle(spec, PARAMS, made_up(), climate)
    fleet = fleet_with(PARAMS)
    base_unit, scale = UNITS[new.unit]
    for k, pair in enumerate(spec.pairs):
        rows = [
            i
            for i, key in enumerate(fleet.work.keys)
            if (key.vehicle_class, key.powertrain) == (spec.name, pair.powertrain) and base_unit == fleet.work.units[i]
        ]
        if not rows and spec.name == "high_speed_train":  # its work stands in seat-km
            continue
        work = fleet.work.quantity[rows, 0, BASE].sum()
        if work == 0.0:
            continue
        for carrier, use in new.energy.items():
            spent = sum(
                fleet.energy.quantity[i, 0, BASE]
                for i, key in enumerate(fleet.energy.keys)
                if (key.vehicle_class, key.powertrain, key.carrier) == (spec.name, pair.powertrain, carrier)
            )
            per_unit = spent / work * scale
            assert use[0, BASE, k] <= per_unit * (1.0 + 1e-9), (pair.powertrain, carrier)
            assert use[0, BASE, k] >= 0.6 * per_unit, (pair.powertrain, carrier)


# --- calibration --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", SPLIT, ids=lambda s: s.name)
def test_years_through_the_base_year_are_those_of_the_rows(spec: VehicleClass) -> None:
    path = path_shares(PARAMS, spec, (1, len(YEARS)))
    np.testing.assert_array_equal(shares_of(spec)[:, : BASE + 1], path[:, : BASE + 1])


@pytest.mark.parametrize("spec", SPLIT, ids=lambda s: s.name)
def test_at_the_costs_of_the_base_year_the_base_shares_stay(spec: VehicleClass) -> None:
    held = PARAMS.hold(BASE_YEAR)
    found = shares_of(spec, held)
    old = found[0, BASE:, found[0, BASE] > 0].T  # a newcomer takes from all others alike
    np.testing.assert_allclose(old / old.sum(axis=1, keepdims=True), np.repeat(old[:1], len(old), axis=0), rtol=1e-9)


def test_a_powertrain_that_was_not_sold_has_an_entry_year_and_starts_in_it() -> None:
    for spec in SPLIT:
        path, found = path_shares(PARAMS, spec, (1, len(YEARS))), shares_of(spec)
        for k, pair in enumerate(spec.pairs):
            if path[0, BASE, k] > 0:
                continue
            first = int(PARAMS.get("sales_entry_year", f"{spec.name}:{pair.powertrain}")[0, 0])
            assert found[0, year_index(first) - 1, k] == 0.0
            assert found[0, year_index(first), k] > 0.0


def test_every_class_with_powertrains_has_prices_and_a_way_to_split_its_sales() -> None:
    with_powertrains = {spec.name for spec in CLASSES if spec.pairs}
    assert {spec.name for spec in PRICED} == with_powertrains
    split = {spec.name: split_of(spec, PARAMS) for spec in PRICED}
    assert {name for name, way in split.items() if way == "traction"} == {
        "locomotive_freight",
        "locomotive_conventional_passenger",
    }
    assert {name for name, way in split.items() if way == "single"} == {"high_speed_train", "metro_train", "aircraft"}
    assert {spec.name for spec in CLASSES} - with_powertrains == {"rail_other", "pipeline_pump"}  # no vehicles


def test_a_class_without_all_prices_keeps_its_path() -> None:
    rows = ROWS.filter(~((pl.col("parameter") == "vehicle_price") & (pl.col("subject") == "coach:fuel_cell")))
    params = Params.from_frame(rows).inheriting(parents(CLASSES))
    coach = find_class(CLASSES, "coach")
    assert split_of(coach, params) == "path"
    rule = sales_rule(params, made_up(), {}, "tco")
    np.testing.assert_array_equal(rule(coach, np.ones((1, len(YEARS)))), path_shares(params, coach, (1, len(YEARS))))


# --- direction ----------------------------------------------------------------------------------------------------------------------


@settings(max_examples=8)
@given(st.floats(0.3, 0.95))
def test_cheaper_batteries_raise_the_battery_share(scale: float) -> None:
    cheap = moved(("battery_pack_price", "all", "scale", scale))
    for spec in WITH_BATTERY:
        k = at(spec, "battery_electric")
        # a plug-in or an exchanged battery gets cheaper too: what must gain is the vehicle against those without any battery
        without = [i for i, p in enumerate(spec.pairs) if not PARAMS.has("battery_capacity", f"{spec.name}:{p.powertrain}")]
        now, then = shares_of(spec, cheap)[0, BASE + 1 :], shares_of(spec)[0, BASE + 1 :]
        assert np.all(now[:, k] > then[:, k]), spec.name
        assert np.all(now[:, without].sum(axis=1) < then[:, without].sum(axis=1)), spec.name


def test_dearer_charging_and_gas_lower_their_shares() -> None:
    tractor = find_class(CLASSES, "tractor_trailer")
    for name, subject, train in (("charging_price", "tractor_trailer", "battery_electric"), ("lng_price", "all", "lng")):
        k = at(tractor, train)
        assert np.all(
            shares_of(tractor, moved((name, subject, "scale", 1.4)))[0, BASE + 1 :, k] < shares_of(tractor)[0, BASE + 1 :, k]
        )


def test_falling_barriers_open_the_market() -> None:
    truck = find_class(CLASSES, "medium_truck")
    k, none = at(truck, "battery_electric"), moved(("sales_barrier_persistence", "new_energy", "scale", 0.0))
    assert np.all(shares_of(truck, none)[0, BASE + 1 :, k] > shares_of(truck)[0, BASE + 1 :, k])


def test_a_subsidy_of_zero_is_bit_identical_and_a_subsidy_sells() -> None:
    coach = find_class(CLASSES, "coach")
    same, paid = (moved(("purchase_subsidy", "coach", "add", x)) for x in (0.0, 100_000.0))
    np.testing.assert_array_equal(shares_of(coach, same), shares_of(coach))
    np.testing.assert_array_equal(cost_of(coach, same).total(), cost_of(coach).total())
    k = at(coach, "battery_electric")
    assert np.all(shares_of(coach, paid)[0, BASE + 1 :, k] > shares_of(coach)[0, BASE + 1 :, k])


def test_costs_of_ownership_reach_no_freight_cost() -> None:
    """The diesel price acts once on each side, and what owners pay for vehicles and power does not move the price of a tonne-km."""
    base = unit_costs(PARAMS)
    owners = moved(
        ("battery_pack_price", "all", "scale", 0.5),
        ("charging_price", "tractor_trailer", "scale", 0.5),
        ("purchase_subsidy", "tractor_trailer", "add", 1e5),
        ("lng_price", "all", "scale", 0.5),
    )
    np.testing.assert_array_equal(unit_costs(owners), base)
    assert not np.array_equal(unit_costs(moved(("road_fuel_cost_level", "all", "scale", 1.2))), base)


# --- balances -----------------------------------------------------------------------------------------------------------------------


def test_the_model_with_sales_by_cost_balances_and_moves_priced_classes_only() -> None:
    path, cost = fleet_with(PARAMS), fleet_with(PARAMS, "tco")
    assert cost.checks["passed"].all()
    changed = {c for i, c in enumerate(path.classes) if not np.array_equal(path.sales[i], cost.sales[i])}
    assert changed == {spec.name for spec in SPLIT}
    for spec in SPLIT:  # how many vehicles are sold depends on the survivors alone
        i = path.classes.index(spec.name)
        np.testing.assert_allclose(path.sales[i, :, 0, : BASE + 1], cost.sales[i, :, 0, : BASE + 1], rtol=1e-12)
        np.testing.assert_allclose(path.sales[i].sum(axis=0), cost.sales[i].sum(axis=0), rtol=1e-9)


@pytest.mark.parametrize(
    ("price", "group", "powertrain"),
    [
        ("cng_price", "taxi", "cng"),
        ("hydrogen_price", "tractor_trailer", "fuel_cell"),
        ("hydrogen_price", "urban_bus", "fuel_cell"),
    ],
)
def test_a_cheaper_fuel_sells_more_of_its_vehicles_where_sales_follow_costs(price: str, group: str, powertrain: str) -> None:
    usual, cheap = (fleet_with(params, "tco") for params in (PARAMS, moved((price, "all", "scale", 0.4))))
    at = usual.powertrains.index(powertrain)
    members = [c for c in usual.classes if group in {c, usual.parent[c]}]
    for name in members:
        row = usual.classes.index(name)
        assert cheap.sales[row, at, 0, -1] > usual.sales[row, at, 0, -1] > 0.0, name
    # without it, a price moves no sale
    paths = (fleet_with(params) for params in (PARAMS, moved((price, "all", "scale", 0.4))))
    np.testing.assert_array_equal(*(found.sales for found in paths))


def test_held_sales_keep_the_shares_of_the_base_year() -> None:
    spec = find_class(CLASSES, "private_car")
    rule = sales_rule(moved(*CLEAN_CARS), made_up(), {}, "held")
    found = rule(spec, np.ones((1, len(YEARS))))
    np.testing.assert_array_equal(found[:, BASE:], np.repeat(found[:, [BASE]], len(YEARS) - BASE, axis=1))


def test_a_run_without_measures_costs_nothing() -> None:
    found = measures_of(PARAMS)
    table = costs_table(found, PARAMS.get("discount_rate", "social"))
    assert table["cny2023_per_tco2"].dtype == pl.Float64  # a column of nothing but nulls still has its type
    assert table["cny2023_per_tco2"].is_null().all()
    for (measure, name), cost in found.items():
        if measure == "clean_sales":
            assert np.all(cost.total() == 0.0), name
            assert np.all(cost.co2_t == 0.0), name


def test_clean_sales_cost_capital_save_energy_and_leave_other_classes() -> None:
    found = measures_of(moved(*CLEAN_CARS))
    for (measure, name), cost in found.items():
        if measure == "clean_sales" and name not in {"private_car", "tractor_trailer"}:
            assert np.all(cost.total() == 0.0), name
    assert {name for measure, name in found if measure == "clean_sales"} == {spec.name for spec in SPLIT}
    car = found["clean_sales", "private_car"]
    at_2030 = year_index(2030)
    assert car.capital[0, at_2030] > 0 > car.energy[0, at_2030]
    assert car.infrastructure[0, at_2030] > 0
    assert car.co2_t[0, at_2030] < 0
    assert np.all(car.total()[0, : BASE + 1] == 0.0)


def test_second_batteries_cost_their_pack_price() -> None:
    params = moved(*CLEAN_CARS)
    at_2032 = year_index(2032)

    def capital_and_kwh(share: float) -> tuple[float, float]:
        held = params.replace("battery_replacement_share", "tractor_trailer", np.full((1, len(YEARS)), share))
        now, then = fleet_with(held), fleet_with(held, "held")
        kwh = [
            sum(x.retired.replaced[k, 0, at_2032] for k, (name, _) in enumerate(x.retired.keys) if name == "tractor_trailer")
            for x in (now, then)
        ]
        return measures_of(held)["clean_sales", "tractor_trailer"].capital[0, at_2032], float(kwh[0] - kwh[1])

    (none, no_kwh), (half, kwh) = capital_and_kwh(0.0), capital_and_kwh(0.5)
    assert no_kwh == 0.0 < kwh
    assert half - none == pytest.approx(kwh * PARAMS.get("battery_pack_price")[0, at_2032])


def test_electrified_lines_cost_wires_and_save_diesel() -> None:
    found = measures_of(moved(("rail_electrified_share", "all", "set", 0.8)))
    rail = [cost for (measure, _), cost in found.items() if measure == "rail_electrification"]
    km = (0.8 - PARAMS.get("rail_electrified_share")[0, BASE]) * PARAMS.get("rail_operating_length")[0, BASE]
    wires = sum(cost.infrastructure[0, year_index(2030)] for cost in rail)
    # 35 years at 8 %: annuity 0.085803
    assert wires == pytest.approx(km * PARAMS.get("rail_electrification_cost")[0, BASE] * 0.0858033, rel=1e-5)
    assert sum(cost.energy[0, year_index(2030)] for cost in rail) < 0


def test_the_table_shows_both_ways_of_splitting_sales() -> None:
    table = tco_table(INPUTS, PARAMS, made_up())  # type: ignore[arg-type]
    assert set(table["year"]) == set(range(BASE_YEAR, YEARS[-1] + 1))
    split = table.filter(pl.col("sales_split") != "traction")
    sums = split.group_by("year", "vehicle_class").agg(pl.col("path_share").sum(), pl.col("tco_share").sum())
    np.testing.assert_allclose(sums.select("path_share", "tco_share").to_numpy(), 1.0)
    names = ("capital", "energy", "maintenance", "fixed", "infrastructure", "battery", "payload")
    parts = [f"{part}_cny2023_per_unit" for part in names]
    np.testing.assert_allclose(table.select(pl.sum_horizontal(parts)).to_series(), table["total_cny2023_per_unit"])
    assert table.select(pl.min_horizontal(parts).min()).item() >= 0.0
    assert set(table["unit"]) == set(UNITS)
    lines = table.filter(pl.col("sales_split") == "traction")
    assert lines.select("path_share", "tco_share").null_count().row(0) == (lines.height, lines.height)


def test_draws_keep_their_own_costs_and_the_first_one_is_central() -> None:
    many = Params.from_frame(ROWS, draws=4, seed=7).inheriting(parents(CLASSES))
    activity = made_up(4)
    climate = read_climates(INPUTS, many)  # type: ignore[arg-type]
    for name in ("private_car", "coach", "tractor_trailer"):
        spec = find_class(CLASSES, name)
        cost, _ = ownership_cost(spec, many, activity, climate)
        found = cost_shares(many, spec, path_shares(many, spec, (4, len(YEARS))), cost)
        np.testing.assert_allclose(found.sum(axis=-1), 1.0)
        np.testing.assert_allclose(found[0], shares_of(spec)[0], rtol=1e-12)
        assert len(np.unique(cost.total()[:, BASE, 0])) == 4
    with_costs = model_vehicles(INPUTS, many, activity, sales="tco")  # type: ignore[arg-type]
    assert with_costs.checks["passed"].all()


def test_a_held_fleet_has_no_measures_whatever_sales_follow() -> None:
    held = PARAMS.hold(BASE_YEAR)
    run = model_vehicles(INPUTS, held, made_up(), hold_composition_after=BASE_YEAR, sales="tco")  # type: ignore[arg-type]
    found = taken_apart(held, run, Rows(PARAMS, BASE_YEAR))
    assert {measure for measure, _ in found} == {"clean_sales", "rail_electrification", "shore_power"}
    for key, cost in found.items():
        np.testing.assert_allclose(cost.energy, 0.0, atol=1e-3, err_msg=str(key))
        np.testing.assert_allclose(cost.co2_t, 0.0, atol=1e-3, err_msg=str(key))


# --- bad input ----------------------------------------------------------------------------------------------------------------------


def test_a_carrier_without_a_price_is_named() -> None:
    with pytest.raises(ValueError, match="no price of peat \\(coach\\)"):
        energy_price(PARAMS, find_class(CLASSES, "coach"), "peat")


def test_a_class_without_a_conventional_powertrain_cannot_follow_costs() -> None:
    train = find_class(CLASSES, "high_speed_train")
    taxi = find_class(CLASSES, "taxi")
    with pytest.raises(TcoError, match="high_speed_train"):
        cost_shares(PARAMS, train, np.ones((1, len(YEARS), 1)), cost_of(taxi))


# --- one after the other ------------------------------------------------------------------------------------------------------------


def test_steps_add_up_to_the_run_against_nothing_at_all() -> None:
    """Clean sales, early scrappage and bus service one after the other come to the run less the fleet without any of them."""
    params = moved(
        *CLEAN_CARS,
        ("clean_sales_share", "urban_bus", "set", 1.0),
        ("truck_early_scrap_rate", "tractor_trailer", "add", 0.2),
        ("vehicle_stock", "urban_bus", "scale", 1.3),
    )
    rows = Rows(PARAMS, None)
    steps = vehicle_steps(INPUTS, params, made_up(), fleet_with(params), rows)  # type: ignore[arg-type]
    assert [step.measures for step in steps] == [
        (),
        ("clean_sales", "rail_electrification"),
        ("early_scrappage",),
        ("bus_service",),
    ]
    plain = fleet_with(PARAMS, "held")
    np.testing.assert_allclose(steps[-1].fleet.stock, plain.stock, rtol=1e-12)
    factors = carbon_factors(params, grid_factor(params))
    found = measure_costs(INPUTS, params, factors, steps)  # type: ignore[arg-type]
    direct = measure_costs(INPUTS, params, factors, (steps[0], replace(steps[1], fleet=plain)))  # type: ignore[arg-type]
    for name in ("tractor_trailer", "urban_bus_12m", "private_car"):
        parts = [cost for (_, mine), cost in found.items() if mine == name]
        np.testing.assert_allclose(sum(c.total() for c in parts), direct["clean_sales", name].total(), rtol=1e-9, atol=1e-3)
        np.testing.assert_allclose(sum(c.co2_t for c in parts), direct["clean_sales", name].co2_t, rtol=1e-9, atol=1e-3)
    at_2030 = year_index(2030)
    assert {measure for measure, name in found if name == "tractor_trailer"} == {"clean_sales", "early_scrappage"}
    assert found["early_scrappage", "tractor_trailer"].capital[0, at_2030] > 0
    assert found["bus_service", "urban_bus_12m"].total()[0, at_2030] > 0


def test_the_battery_of_a_truck_costs_payload_in_clean_sales() -> None:
    found = measures_of(moved(*CLEAN_CARS))
    at_2030 = year_index(2030)
    tractor = find_class(CLASSES, "tractor_trailer")
    fleet, other = fleet_with(moved(*CLEAN_CARS)), fleet_with(moved(*CLEAN_CARS), "held")
    per_km = lost_payload(PARAMS, tractor)[0, at_2030]
    expected = 0.0
    for sign, run in ((1.0, fleet), (-1.0, other)):
        for i, key in enumerate(run.work.keys):
            if key.vehicle_class == "tractor_trailer":
                expected += sign * run.work.quantity[i, 0, at_2030] * per_km[at(tractor, key.powertrain)]
    assert found["clean_sales", "tractor_trailer"].service[0, at_2030] == pytest.approx(expected)
    assert expected > 0
    assert np.all(found["clean_sales", "private_car"].service == 0.0)


def test_locomotives_of_electrified_lines_have_capital() -> None:
    found = measures_of(moved(("rail_electrified_share", "all", "set", 0.8)))
    rail = [cost for (measure, _), cost in found.items() if measure == "rail_electrification"]
    assert sum(abs(cost.capital[0, year_index(2030)]) for cost in rail) > 0
    assert sum(cost.maintenance[0, year_index(2030)] for cost in rail) < 0  # electric ones need less upkeep
