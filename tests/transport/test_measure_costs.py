"""Costs of measures outside the vehicles: numbers by hand, nothing without a lever, what no row knows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from transport import accounts
from transport.accounts import carbon_factors
from transport.cities.layout import ROAD_MODES
from transport.cities.metro import network_length_km
from transport.city_works import WORKS
from transport.costs import _per_km, all_measures, cost_tables, freight_fleets, unknown_measures, vehicle_steps
from transport.infrastructure import paving_mix, turnaround_energy
from transport.layout import BASE_YEAR, YEARS, year_index
from transport.measure_costs import (
    DEPARTURES,
    ON_ROAD,
    SCOPE,
    PerKm,
    Rows,
    city_costs,
    departures_cost,
    ground_power_cost,
    paving_cost,
    plugs_cost,
    shore_cost,
)
from transport.parts import activity_of
from transport.power import grid_factor
from transport.travel import model_travel
from transport.vehicles import model_vehicles

if TYPE_CHECKING:
    from collections.abc import Callable

    from transport.inputs import Inputs
    from transport.measure_costs import YearlyCost
    from transport.params import Params
    from transport.parts import Parts

BASE, AT_2030 = year_index(BASE_YEAR), year_index(2030)
NOTHING = np.zeros((1, len(YEARS)))
#: A car km for 0.5 CNY of energy, 0.1 of upkeep and 150 g.
CAR = {"private_car": PerKm(NOTHING + 0.5, NOTHING + 0.1, NOTHING + 150e-6, NOTHING + 1.0)}


def with_levers(inputs: Inputs, **values: float) -> Params:
    levers = {lever.lever: lever for lever in inputs.levers}
    return inputs.params().with_levers((levers[name], value) for name, value in values.items())


def city(inputs: Inputs, params: Params) -> dict[tuple[str, str], YearlyCost]:
    return city_costs(inputs, params, Rows(inputs.params(), None), CAR, grid_factor(params))


# --- known answers ------------------------------------------------------------------------------------------------------------------


def test_ground_power_by_hand(inputs: Inputs) -> None:
    """All bridges instead of three in four: a quarter of the stands gets a set; kerosene saved and power used come from the energy model."""
    params = with_levers(inputs, bridge_power_share=1.0)
    factors = carbon_factors(params, grid_factor(params))
    found = ground_power_cost(params, factors)
    start = inputs.params().get("bridge_power_use", "contact_stand")[0, BASE]
    worth = (
        (1.0 - start) * params.get("stand_count", "contact_stand")[0, 0] * params.get("ground_power_price", "contact_stand")[0, 0]
    )
    # 12 years at 8 %: annuity 0.132695
    assert found.infrastructure[0, AT_2030] == pytest.approx(worth * 0.132695, rel=1e-5)
    assert found.maintenance[0, AT_2030] == pytest.approx(worth * params.get("works_upkeep_share", "ground_power")[0, 0])
    kerosene, power = (
        now - then for now, then in zip(turnaround_energy(params)[2:], turnaround_energy(inputs.params())[2:], strict=True)
    )
    price = params.get("jet_fuel_price")[0, AT_2030], params.get("charging_electricity_price", "flat")[0, AT_2030]
    assert kerosene[0, AT_2030] < 0 < power[0, AT_2030]
    assert found.energy[0, AT_2030] == pytest.approx(kerosene[0, AT_2030] * price[0] + power[0, AT_2030] * price[1])
    assert found.co2_t[0, AT_2030] < 0


def test_metro_by_hand(inputs: Inputs) -> None:
    """Ten km of metro in Shenyang beside what is being built; trains as dense as on the other lines."""
    params = with_levers(inputs, metro_km_shenyang=10.0)
    found = city(inputs, params)
    assert set(found) == {("urban_rail", "")}
    cost = found["urban_rail", ""]
    # 50 years at 8 %: annuity 0.0817429
    assert cost.infrastructure[0, AT_2030] == pytest.approx(10.0 * params.get("metro_cost")[0, 0] * 0.0817429, rel=1e-5)
    others = network_length_km(inputs, inputs.params())[0, AT_2030]
    trains = 10.0 * params.get("vehicle_stock", "metro_train")[0, AT_2030] / others
    # 30 years at 8 %: annuity 0.0888274
    price = params.get("vehicle_price", "metro_train:electric_traction")[0, 0]
    assert cost.capital[0, AT_2030] == pytest.approx(trains * price * 0.0888274, rel=1e-5)
    assert np.all(cost.total()[0, : BASE + 1] == 0.0)


def test_a_network_for_cycling_saves_car_km_at_their_cost(inputs: Inputs) -> None:
    params = with_levers(inputs, cycle_network=2.0)
    cost = city(inputs, params)["cycling", ""]
    worth = params.get("cycle_network_length")[0, 0] * params.get("cycle_lane_cost")[0, 0]
    # 20 years at 8 %: annuity 0.1018522; the network is twice as long
    assert cost.infrastructure[0, AT_2030] == pytest.approx(worth * 0.1018522, rel=1e-5)
    km = -cost.energy[0, AT_2030] / 0.5
    assert km > 0
    assert -cost.co2_t[0, AT_2030] == pytest.approx(km * 150e-6)
    assert cost.maintenance[0, AT_2030] == pytest.approx(
        worth * params.get("works_upkeep_share", "cycle_lane")[0, 0] - km * 0.1, rel=1e-9
    )


def test_plugs_beyond_the_rows_by_hand(inputs: Inputs) -> None:
    params = with_levers(inputs, depot_plugs_per_bus=2.0)
    buses = np.full((1, len(YEARS)), 1000.0)
    found = plugs_cost(Rows(inputs.params(), None), params, {"depot_plugs_per_bus": buses})
    plugs = 1000.0 * inputs.params().get("depot_plugs_per_bus")[0, AT_2030]
    installed = params.get("charger_price", "depot")[0, 0] * params.get("charger_installation_ratio")[0, 0]
    # 10 years at 8 %: annuity 0.1490295
    assert found.infrastructure[0, AT_2030] == pytest.approx(plugs * installed * 0.1490295, rel=1e-5)
    assert np.all(found.co2_t == 0.0)


def test_plugs_of_taxis_serve_all_that_the_run_charges_by_plug(parts_of: Callable[..., Parts]) -> None:
    """Taxis have no chargers among the clean sales: twice the plugs are paid for every battery-electric one of the run, exchanged ones aside."""
    parts = parts_of("plan_2030", taxi_plugs_per_taxi=2.0)
    params, fleet = parts.params, parts.vehicles
    taxis, trains = fleet.stock[fleet.classes.index("taxi")], fleet.powertrains
    plugged = taxis[trains.index("battery_electric"), 0, AT_2030]
    assert taxis[trains.index("battery_swap"), 0, AT_2030] > 0.0
    assert plugged > 1.5 * taxis[trains.index("battery_electric"), 0, BASE] > 0.0
    found = all_measures(parts, activity_of(parts.inputs, params, parts.freight, parts.passengers, parts.urban))
    plugs = plugged * parts.inputs.params().get("taxi_plugs_per_taxi")[0, AT_2030]
    installed = params.get("charger_price", "depot")[0, 0] * params.get("charger_installation_ratio")[0, 0]
    # 10 years at 8 %: annuity 0.1490295
    assert found["charging_plugs", ""].total()[0, AT_2030] == pytest.approx(plugs * installed * 0.1490295, rel=1e-5)


def test_reclaimed_asphalt_by_hand(inputs: Inputs) -> None:
    params = with_levers(inputs, recycled_paving_share=0.5)
    found = paving_cost(params)
    mix = np.add(*paving_mix(params))[0, AT_2030]
    more = 0.5 - inputs.params().get("recycled_paving_share")[0, BASE]
    assert found.infrastructure[0, AT_2030] == pytest.approx(mix * more * params.get("recycled_mix_cost")[0, 0])
    saved = mix * more * params.get("asphalt_co2", "virgin")[0, 0] / 1000.0 * params.get("recycled_co2_saving")[0, 0]
    assert found.co2_t[0, AT_2030] == pytest.approx(-saved)


def test_refits_of_ferries_stand_beside_berth_sets(inputs: Inputs) -> None:
    params = with_levers(inputs, shore_power_ships=0.85)
    found = shore_cost(params, carbon_factors(params, grid_factor(params)))
    start = inputs.params().get("shore_power_ships", "ro_pax")[0, BASE]
    worth = (0.85 - start) * params.get("vehicle_stock", "ro_pax_ship")[0, AT_2030] * params.get("shore_power_refit_price")[0, 0]
    # 20 years at 8 %: annuity 0.1018522
    assert found.infrastructure[0, AT_2030] == pytest.approx(worth * 0.1018522, rel=1e-5)


def test_further_departures_by_hand(inputs: Inputs) -> None:
    """Two trains a day and direction and a sailing a week at Jinzhou: 1460 trains and 52.14 sailings a year."""
    params = with_levers(inputs, window_trains_jinzhou=2.0, coastal_sailings_jinzhou=1.0)
    keys = Rows(inputs.params(), None).moved(params, [(p, port) for p in DEPARTURES for port in params.subjects(p)])
    assert {p for p, _ in keys} == set(DEPARTURES)
    train, ship = params.get("window_train_cost")[0, 0], params.get("coastal_sailing_cost")[0, 0]
    rows = Rows(inputs.params(), None)
    found = departures_cost(rows, params, keys)
    assert found.service[0, AT_2030] == pytest.approx(1460.0 * train + 365.0 / 7.0 * ship)
    assert found.total()[0, BASE] == 0.0
    # a row of its own pays nothing: only what the lever adds to it
    one = inputs.params().replace("sea_rail_window_trains", key_of(keys), np.ones((1, len(YEARS))))
    more = departures_cost(Rows(one, None), params, [("sea_rail_window_trains", key_of(keys))])
    assert more.service[0, AT_2030] == pytest.approx(730.0 * train)


def key_of(keys: tuple[tuple[str, str], ...]) -> str:
    return next(port for parameter, port in keys if parameter == "sea_rail_window_trains")


# --- nothing without a lever, and once with several ------------------------------------------------------------------------------


def test_without_levers_cities_cost_nothing_and_no_plug_is_added(inputs: Inputs) -> None:
    params = inputs.params()
    assert city(inputs, params) == {}
    assert np.all(ground_power_cost(params, carbon_factors(params, grid_factor(params))).total() == 0.0)
    assert np.all(paving_cost(params).total() == 0.0)
    assert Rows(params, None).moved(params, [("metro_length_added", "210100")]) == ()


def test_networks_taken_away_one_after_the_other_save_what_all_of_them_save(inputs: Inputs) -> None:
    both = city(inputs, with_levers(inputs, cycle_network=2.0, walking_network=1.5, bus_priority=0.2))
    assert [measure for measure, _ in both] == ["bus_lanes", "cycling", "walking"]
    alone = city(inputs, with_levers(inputs, walking_network=1.5))
    # the last one is compared with a run without any of them
    np.testing.assert_allclose(both["walking", ""].total(), alone["walking", ""].total(), rtol=1e-9)
    first = city(inputs, with_levers(inputs, cycle_network=2.0))["cycling", ""].co2_t[0, AT_2030]
    assert both["cycling", ""].co2_t[0, AT_2030] > first  # walkers would have walked anyway: less is left to save


def test_draws_keep_their_distance_when_a_lever_is_taken_back(inputs: Inputs) -> None:
    levers = {lever.lever: lever for lever in inputs.levers}
    plain = inputs.params(draws=3, seed=1)
    moved = plain.with_levers([(levers["metro_km_shenyang"], 30.0)])
    rows = Rows(inputs.params(), None)
    keys = rows.moved(moved, [("metro_length_added", s) for s in moved.subjects("metro_length_added")])
    assert keys == (("metro_length_added", "210100"),)
    np.testing.assert_allclose(
        rows.without(moved, keys).get("metro_length_added", "210100"), plain.get("metro_length_added", "210100")
    )


def test_what_a_run_holds_is_no_lever(inputs: Inputs) -> None:
    held = inputs.params().hold(BASE_YEAR)
    rows = Rows(inputs.params(), BASE_YEAR)
    assert rows.moved(held, [("metro_length_added", s) for s in held.subjects("metro_length_added")]) == ()
    assert unknown_measures(inputs, held, rows) == ()


# --- what no row knows --------------------------------------------------------------------------------------------------------------


def test_levers_without_cost_are_named_and_prices_are_no_measures(inputs: Inputs) -> None:
    params = with_levers(inputs, truck_efficiency=0.9, rail_tariff=0.9, cycle_network=2.0, rail_terminal_dwell=0.8)
    assert set(unknown_measures(inputs, params, Rows(inputs.params(), None))) == {"vehicle_efficiency"}


def test_a_lever_that_the_table_does_not_name_is_listed_as_other(inputs: Inputs) -> None:
    table = inputs.table("accounts/measures").filter(pl.col("parameter") != "new_truck_fuel_index")
    less = replace(inputs, tables={**inputs.tables, "accounts/measures": table})
    params = with_levers(inputs, truck_efficiency=0.9)
    assert unknown_measures(less, params, Rows(inputs.params(), None)) == ("other",)


def test_each_row_of_the_table_names_a_lever_that_is_there(inputs: Inputs) -> None:
    levers = set(inputs.table("levers").select("parameter", "subject").iter_rows())
    for parameter, subject in inputs.table("accounts/measures").select("parameter", "subject").iter_rows():
        assert any(p == parameter and subject in {"*", s} for p, s in levers), (parameter, subject)


def test_the_table_of_a_run_lists_every_measure_once_and_nothing_unknown_as_zero(parts_of: Callable[..., Parts]) -> None:
    parts = parts_of("plan_2030")
    tables = cost_tables(parts)
    costs = tables["costs"]
    assert costs.select("year", "measure", "vehicle_class", "status").is_duplicated().sum() == 0
    empty = costs.filter(pl.col("status") == "no_cost_known")
    money = [c for c in costs.columns if c.endswith("_cny2023") or c == "avoided_tco2"]
    assert {"vehicle_efficiency", "green_power"} <= set(empty["measure"])
    assert empty.select(money).null_count().row(0) == (empty.height,) * len(money)
    known = costs.filter(pl.col("status") != "no_cost_known")
    assert known.select(money).null_count().row(0) == (0,) * len(money)
    assert not set(known["measure"]) & set(empty["measure"])
    sums = [f"{part}_cny2023" for part in ("capital", "energy", "maintenance", "infrastructure", "service")]
    np.testing.assert_allclose(known.select(pl.sum_horizontal(sums)).to_series(), known["total_cny2023"], atol=1e-3)
    found = all_measures(parts, activity_of(parts.inputs, parts.params, parts.freight, parts.passengers, parts.urban))
    assert set(known.select("measure", "vehicle_class").unique().iter_rows()) == set(found)
    assert {"urban_rail", "bus_lanes", "early_scrappage", "bus_service", "ground_power", "freight_shift"} <= set(known["measure"])


def test_measures_avoid_what_lies_between_the_run_and_the_fleets_left(parts_of: Callable[..., Parts]) -> None:
    """All measures in the accounts of vehicles together: CO2 of the run's fleets less that of the last fleets with the freight of the base shares."""
    parts = parts_of("plan_2030")
    activity = activity_of(parts.inputs, parts.params, parts.freight, parts.passengers, parts.urban)
    rows = Rows(parts.inputs.params(), parts.hold_year)
    left = vehicle_steps(parts.inputs, parts.params, activity, parts.vehicles, rows)[-1]
    carried = freight_fleets(parts.inputs, left, activity, parts)["base_shares"]
    run, last = (accounts.account(fleet.energy, parts.factors)[SCOPE] for fleet in (parts.vehicles, left.fleet))
    others = [k for k, key in enumerate(left.fleet.energy.keys) if left.fleet.mode[key.vehicle_class] not in carried]
    without = sum(carried.values()) + last[others].sum(axis=0)
    # ships at berth and aircraft at the stand are no fleet; city travel is taken away after the fleets, below
    apart = {"shore_power", "ground_power", *(works.measure for works in WORKS if works.measure != "bus_service")}
    table = cost_tables(parts)["costs"].filter(pl.col("status") == "known", ~pl.col("measure").is_in(apart))
    table = table.filter((pl.col("measure") != "bus_service") | (pl.col("vehicle_class") != ""))
    avoided = table.group_by("year").agg(pl.col("avoided_tco2").sum()).sort("year")["avoided_tco2"].to_numpy()
    assert avoided[AT_2030 - BASE] > 1e6
    np.testing.assert_allclose(avoided, (without - run.sum(axis=0))[0, BASE:], rtol=1e-9, atol=1e-3)


def test_city_measures_avoid_what_the_fleets_left_emit_without_them(parts_of: Callable[..., Parts]) -> None:
    """Km that the measures take from cars, taxis and ride-hailing, given back to the fleets, emit what the table says was avoided."""
    parts = parts_of("plan_2030")
    activity = activity_of(parts.inputs, parts.params, parts.freight, parts.passengers, parts.urban)
    rows = Rows(parts.inputs.params(), parts.hold_year)
    left = vehicle_steps(parts.inputs, parts.params, activity, parts.vehicles, rows)[-1]
    keys = [
        key
        for works in WORKS
        for p in works.parameters
        for key in ([p] if isinstance(p, tuple) else [(p, s) for s in parts.params.subjects(p)])
    ]
    then = model_travel(parts.inputs, rows.without(parts.params, rows.moved(parts.params, keys)))
    back = {
        name: (then.vehicle_km - parts.travel.vehicle_km)[:, ROAD_MODES.index(mode)].sum(axis=0)
        * parts.urban.reconciliation[name]
        for name, mode in ON_ROAD.items()
    }
    assert all(np.all(km[0, AT_2030:] > 0.0) for km in back.values())
    given = replace(activity, city_shift_km={name: activity.city_shift_km[name] + km for name, km in back.items()})
    fleet = model_vehicles(parts.inputs, left.params, given, hold_composition_after=left.hold_year, sales="held")
    more, now = (accounts.account(found.energy, parts.factors)[SCOPE] for found in (fleet, left.fleet))
    changed = [k for k, key in enumerate(fleet.energy.keys) if key.vehicle_class in ON_ROAD]
    assert np.array_equal(*(np.delete(carbon, changed, axis=0) for carbon in (more, now)))
    # at a grid without carbon the trains of new lines emit nothing: what is left are the km
    costs = city_costs(parts.inputs, parts.params, rows, _per_km(parts.inputs, left, parts), np.zeros_like(parts.grid))
    assert len(costs) > 4
    avoided = -sum(cost.co2_t[0] for cost in costs.values())
    assert avoided[AT_2030] > 1e3
    np.testing.assert_allclose(avoided[BASE:], (more - now)[changed].sum(axis=0)[0, BASE:], rtol=1e-6, atol=1e-3)
