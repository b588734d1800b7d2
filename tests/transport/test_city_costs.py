"""Costs of city measures by city: numbers by hand, cities that add up to the province, nothing for what only moves money."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transport.cities.metro import LINES, metro_length_km
from transport.cities.segments import city_residents, of_area, prefectures, total_trips
from transport.city_costs import CityCosts, city_lever_cost, planned_metro_km, priced_levers, without_planned_lines
from transport.city_scale import bus_cost, city_scales
from transport.city_works import WORKS
from transport.layout import BASE_YEAR, year_index
from transport.measure_costs import PerKm, Rows, city_costs
from transport.params import lever_settings
from transport.power import grid_factor
from transport.projects import with_projects
from transport.scenario import load_scenario

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.params import Params

SHENYANG, DALIAN, JINZHOU = "210100", "210200", "210700"
AT_2030, BASE = year_index(2030), year_index(BASE_YEAR)
#: Annuities at the social rate of 8 %.
A12, A20, A30, A50 = 0.132695, 0.1018522, 0.0888274, 0.0817429


@pytest.fixture(scope="module")
def params(inputs: Inputs) -> Params:
    return inputs.params()


@pytest.fixture(scope="module")
def costs(inputs: Inputs, params: Params) -> dict[str, CityCosts]:
    return {area: CityCosts.of(inputs, params, area) for area in (SHENYANG, DALIAN, JINZHOU)}


def row(params: Params, parameter: str, subject: str = "all", year: int = AT_2030) -> float:
    return float(params.get(parameter, subject)[0, year])


def trip_share(inputs: Inputs, params: Params, area: str) -> float:
    areas = prefectures(inputs.table("codes"))
    trips = total_trips(params, areas, city_residents(inputs.table("demand/population"), areas))[:, 0, AT_2030]
    return float(trips[areas.index(area)] / trips.sum())


# --- known answers ------------------------------------------------------------------------------------------------------------------


def test_bus_lanes_by_hand(inputs: Inputs, params: Params, costs: dict[str, CityCosts]) -> None:
    """A fifth more of the bus-km on lanes: the city's part of the lane-km at share one, a fifth of it."""
    km = 0.2 * row(params, "bus_lane_full_length") * trip_share(inputs, params, JINZHOU)
    found = costs[JINZHOU].outlays({f"bus_priority@{JINZHOU}": 0.2})
    assert set(found) == {"bus_lanes"}
    worth = km * row(params, "bus_lane_cost")
    assert found["bus_lanes"].works[0, AT_2030] == pytest.approx(worth * A12, rel=1e-5)
    assert found["bus_lanes"].upkeep[0, AT_2030] == pytest.approx(worth * row(params, "works_upkeep_share", "bus_lane"))
    assert np.all(found["bus_lanes"].total()[0, : BASE + 1] == 0.0)


def test_faster_trains_and_station_areas_by_hand(params: Params, costs: dict[str, CityCosts]) -> None:
    """A tenth off the ride on all km of the city's metro; public works for a tenth of its residents. Slower trains cost nothing."""
    city = costs[DALIAN]
    km = (city.scale.metro_share * city.scale.metro_km)[0, AT_2030]
    faster = city.outlays({f"metro_time@{DALIAN}": 0.9})["metro_speed"]
    worth = 0.1 * km * row(params, "metro_signal_cost")
    assert faster.works[0, AT_2030] == pytest.approx(worth * A20, rel=1e-5)
    assert faster.upkeep[0, AT_2030] == pytest.approx(worth * row(params, "works_upkeep_share", "metro_signal"))
    assert np.all(city.outlays({f"metro_time@{DALIAN}": 1.2})["metro_speed"].total() == 0.0)
    compact = city.outlays({f"compact_growth@{DALIAN}": 0.1})["compact_growth"]
    worth = 0.1 * city.scale.residents[0, AT_2030] * row(params, "station_area_cost")
    assert compact.works[0, AT_2030] == pytest.approx(worth * A20, rel=1e-5)
    assert compact.total()[0, AT_2030] == pytest.approx(worth * (A20 + row(params, "works_upkeep_share", "footway")), rel=1e-5)


def test_more_frequent_buses_are_whole_buses_with_crews(inputs: Inputs, params: Params, costs: dict[str, CityCosts]) -> None:
    """A tenth more bus-km in Jinzhou: a tenth of its 1150 of the 24,000 buses counted, each with vehicle, energy, upkeep and crew."""
    outlay = costs[JINZHOU].outlays({"bus_frequency": 1.1})["bus_service"]
    more = 0.1 * row(params, "vehicle_stock", "urban_bus") * 1150.0 / 24000.0
    assert outlay.service[0, AT_2030] == pytest.approx(more * row(params, "bus_crew_cost"))
    bus = bus_cost(inputs, params)
    assert outlay.vehicles[0, AT_2030] == pytest.approx(more * bus.vehicle[0, AT_2030])
    # battery buses are most of the sales: about 1 kWh per km at 0.75 CNY; bodies of 0.5-0.8 million CNY with batteries over eight years
    km = row(params, "annual_distance", "urban_bus")
    assert 0.7 < bus.energy[0, AT_2030] / km < 1.8
    assert 80e3 < bus.vehicle[0, AT_2030] < 200e3
    per_km = sum(part[0, AT_2030] for part in (bus.vehicle, bus.energy, bus.upkeep, bus.crew)) / km
    assert 6.0 < per_km < 15.0


def test_metro_line_and_metro_service_by_hand(inputs: Inputs, params: Params, costs: dict[str, CityCosts]) -> None:
    areas = prefectures(inputs.table("codes"))
    length = {area: metro_length_km(inputs, params, area)[0, AT_2030] for area in areas}
    dense = row(params, "vehicle_stock", "metro_train") / sum(length.values())
    line = costs[SHENYANG].outlays({"metro_km_shenyang": 10.0})["urban_rail"]
    assert line.works[0, AT_2030] == pytest.approx(10.0 * row(params, "metro_cost") * A50, rel=1e-5)
    price = row(params, "vehicle_price", "metro_train:electric_traction")
    assert line.vehicles[0, AT_2030] == pytest.approx(10.0 * dense * price * A30, rel=1e-5)
    more = costs[SHENYANG].outlays({"metro_service": 1.2})["metro_service"]
    trains = 0.2 * dense * length[SHENYANG]
    assert more.service[0, AT_2030] == pytest.approx(trains * row(params, "metro_crew_cost"))
    assert more.traction_kwh[0, AT_2030] == pytest.approx(
        trains * row(params, "annual_distance", "metro_train") * row(params, "metro_electricity")
    )
    # a city without a metro has no trains to run more often
    assert costs[JINZHOU].cost({"metro_service": 1.5, "metro_access": 0.7}, 2030) == 0.0


def test_stops_for_residents_without_one(params: Params, inputs: Inputs, costs: dict[str, CityCosts]) -> None:
    """All residents within 500 m of a stop (Dalian) leave no gap to pay for; elsewhere streets and buses follow the gap."""
    assert costs[DALIAN].cost({"bus_coverage": 0.5}, 2030) == 0.0
    covered = row(params, "bus_stop_coverage_share")
    grown = 0.5 * (1.0 - covered) / covered * row(params, "bus_new_street_ratio")
    outlay = costs[JINZHOU].outlays({"bus_coverage": 0.5})["bus_coverage"]
    km = grown * row(params, "bus_street_length") * trip_share(inputs, params, JINZHOU)
    assert outlay.works[0, AT_2030] == pytest.approx(km * row(params, "bus_stop_works_cost") * A12, rel=1e-5)
    buses = grown * row(params, "bus_new_line_service") * row(params, "vehicle_stock", "urban_bus") * 1150.0 / 24000.0
    assert outlay.service[0, AT_2030] == pytest.approx(buses * row(params, "bus_crew_cost"))


def test_charges_cost_their_collection_and_fares_nothing(params: Params, costs: dict[str, CityCosts]) -> None:
    shenyang = costs[SHENYANG]
    trips = shenyang.scale.car_trips[0, AT_2030]
    assert 5e8 < trips < 3e9
    assert shenyang.cost({"road_charge": 4.0}, 2030) == pytest.approx(4.0 * trips * row(params, "charge_collection_share"))
    assert shenyang.cost({"parking_cost": 2.0}, 2030) == pytest.approx(trips * row(params, "parking_collection_cost"))
    assert shenyang.cost({"parking_cost": 0.5}, 2030) == 0.0  # who collects less still has the machines
    assert shenyang.cost({"transit_fare": 0.5, "car_operating_cost": 1.5, "taxi_fare": 1.5}, 2030) == 0.0


def test_parking_spaces_are_cheaper_to_take_away_than_to_build(params: Params, costs: dict[str, CityCosts]) -> None:
    spaces = costs[JINZHOU].scale.residents[0, AT_2030] * row(params, "parking_spaces_per_resident")
    less, more = (costs[JINZHOU].cost({"parking_supply": level}, 2030) for level in (0.8, 1.2))
    assert less == pytest.approx(0.2 * spaces * row(params, "parking_space_removal_cost") * A20, rel=1e-5)
    kept = A20 + row(params, "works_upkeep_share", "parking")
    assert more == pytest.approx(0.2 * spaces * row(params, "parking_space_cost") * kept, rel=1e-5)


def test_winter_clearing_covers_the_networks_of_the_run(params: Params, costs: dict[str, CityCosts]) -> None:
    plain = costs[JINZHOU].cost({"winter_clearing": 1.0}, 2030)
    km = row(params, "cycle_network_length") + row(params, "walking_network_length")
    share = costs[JINZHOU].scale.trip_share[0, AT_2030]
    assert plain == pytest.approx(km * share * row(params, "winter_clearing_cost"))
    both = costs[JINZHOU].outlays({"winter_clearing": 1.0, "cycle_network": 2.0})["winter_clearing"].total()[0, AT_2030]
    assert both == pytest.approx((km + row(params, "cycle_network_length")) * share * row(params, "winter_clearing_cost"))


# --- cities add up ------------------------------------------------------------------------------------------------------------------


def test_keys_share_out_the_province(inputs: Inputs, params: Params) -> None:
    scales = city_scales(inputs, params).values()
    assert len(scales) == 14
    np.testing.assert_allclose(sum(scale.trip_share for scale in scales), 1.0, rtol=1e-12)
    np.testing.assert_allclose(sum(scale.metro_share for scale in scales), 1.0, rtol=1e-12)
    assert sum(scale.bus_share for scale in scales) == pytest.approx(1.0)
    assert sum(scale.hail_share for scale in scales) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("lever", "value", "parameter", "length", "price", "life"),
    [
        ("bus_priority", 0.2, "bus_lane_share", "bus_lane_full_length", "bus_lane_cost", "bus_lane"),
        ("signal_priority", 0.5, "bus_signal_priority_share", "bus_lane_full_length", "signal_priority_cost", "signal_priority"),
        ("walking_network", 1.5, "walking_network_index", "walking_network_length", "footway_cost", "footway"),
        ("cycle_network", 2.0, "cycle_network_index", "cycle_network_length", "cycle_lane_cost", "cycle_lane"),
    ],
)
def test_cities_add_up_to_the_works_of_the_province(
    inputs: Inputs, params: Params, lever: str, value: float, parameter: str, length: str, price: str, life: str
) -> None:
    """The km at share or index one times the mean gain of the cities, weighted by the trips of residents, as one sum for all cities."""
    areas = prefectures(inputs.table("codes"))
    chosen = {lever: value, f"{lever}@{JINZHOU}": 0.5 * value if lever != "walking_network" else 2.0}
    now = params.with_levers(lever_settings(inputs.levers, chosen))
    weight = total_trips(params, areas, city_residents(inputs.table("demand/population"), areas))[:, 0, AT_2030]
    gain = np.array([(of_area(now, parameter, a) - of_area(params, parameter, a))[0, AT_2030] for a in areas])
    km = (gain * weight).sum() / weight.sum() * row(params, length)
    cities = sum(CityCosts.of(inputs, params, area).cost(chosen, 2030) for area in areas)
    rate, years = row(params, "discount_rate", "social"), row(params, "infrastructure_life", life)
    kept = rate / (1.0 - (1.0 + rate) ** -years) + row(params, "works_upkeep_share", life)
    assert cities == pytest.approx(km * row(params, price) * kept, rel=1e-9)


def test_cities_add_up_to_the_table_of_measures(inputs: Inputs, params: Params) -> None:
    """All cities together cost what the measures of a run cost, but for the car-km saved there."""
    chosen = {"bus_priority": 0.2, f"winter_clearing@{JINZHOU}": 1.0, f"metro_service@{SHENYANG}": 1.2, "road_charge": 1.0}
    now = params.with_levers(lever_settings(inputs.levers, chosen))
    nothing = np.zeros_like(params.get("metro_cost"))
    table = city_costs(
        inputs, now, Rows(params, None), {"private_car": PerKm(nothing, nothing, nothing, nothing)}, grid_factor(params)
    )
    assert [measure for measure, _ in table] == ["metro_service", "bus_lanes", "winter_clearing", "road_charge"]
    cities = sum(CityCosts.of(inputs, params, area).cost(chosen, 2030) for area in prefectures(inputs.table("codes")))
    assert cities == pytest.approx(sum(cost.total()[0, AT_2030] for cost in table.values()), rel=1e-9)


def test_of_provincial_buses_the_table_counts_the_crews_alone(inputs: Inputs, params: Params) -> None:
    """Vehicles, energy and upkeep of a larger fleet stand among the vehicles; buses that only run more often in a city stand here."""
    nothing = np.zeros_like(params.get("metro_cost"))
    car, grid = {"private_car": PerKm(nothing, nothing, nothing, nothing)}, grid_factor(params)

    def table(chosen: dict[str, float]) -> tuple[float, float]:
        now = params.with_levers(lever_settings(inputs.levers, chosen))
        cost = city_costs(inputs, now, Rows(params, None), car, grid)["bus_service", ""]
        return float(cost.service[0, AT_2030]), float(cost.capital[0, AT_2030])

    buses = row(params, "vehicle_stock", "urban_bus")
    crews, vehicles = table({"bus_service": 1.2})
    assert crews == pytest.approx(0.2 * buses * row(params, "bus_crew_cost"))
    assert vehicles == pytest.approx(0.0, abs=1.0)
    crews, vehicles = table({"bus_service": 1.2, "bus_frequency": 1.1})
    assert crews == pytest.approx((1.2 * 1.1 - 1.0) * buses * row(params, "bus_crew_cost"))
    # the fifth more in the fleets runs a tenth more often there; here stands the tenth of the fleet without that lever
    assert vehicles == pytest.approx(0.1 * buses * bus_cost(inputs, params).vehicle[0, AT_2030])


def test_a_planned_line_that_a_scenario_opens_costs_like_one_of_a_lever(inputs: Inputs, params: Params) -> None:
    """Shenyang's fourth plan from 2030 on: its km at the cost of a line, from the year it opens; without the scenario it costs nothing."""
    scenario = load_scenario("baseline", inputs.folder, inputs.levers, projects={"metro_sy_fourth_plan": 2030})
    own = with_projects(inputs, scenario)
    km = planned_metro_km(own)
    assert set(km) == {SHENYANG}
    assert km[SHENYANG][0, AT_2030] == pytest.approx(180.0)
    assert planned_metro_km(inputs) == {}
    assert without_planned_lines(own).table(LINES).drop("by_scenario").equals(inputs.table(LINES))
    nothing = np.zeros_like(params.get("metro_cost"))
    table = city_costs(
        own, params, Rows(params, None), {"private_car": PerKm(nothing, nothing, nothing, nothing)}, grid_factor(params)
    )
    assert set(table) == {("urban_rail", "")}
    lever = CityCosts.of(inputs, params, SHENYANG).cost({"metro_km_shenyang": 180.0}, 2030)
    assert table["urban_rail", ""].total()[0, AT_2030] == pytest.approx(lever, rel=1e-9)
    assert table["urban_rail", ""].total()[0, AT_2030 - 1] == 0.0


# --- properties ---------------------------------------------------------------------------------------------------------------------


def test_settings_of_a_city_and_of_all_cost_the_same_there(costs: dict[str, CityCosts]) -> None:
    for lever, value in (("bus_priority", 0.3), ("e_bike_availability", 1.2), ("bus_frequency", 1.4), ("ride_sharing", 1.3)):
        everywhere, here = (costs[JINZHOU].cost({name: value}, 2030) for name in (lever, f"{lever}@{JINZHOU}"))
        assert everywhere == here > 0.0
        assert costs[JINZHOU].cost({f"{lever}@{SHENYANG}": value}, 2030) == 0.0
        assert costs[JINZHOU].cost({lever: value, f"{lever}@{JINZHOU}": 0.0 if lever == "bus_priority" else 1.0}, 2030) == 0.0


@settings(max_examples=8)
@given(strength=st.floats(0.0, 1.0))
def test_more_of_a_measure_costs_more(inputs: Inputs, costs: dict[str, CityCosts], strength: float) -> None:
    priced = priced_levers(inputs, transfers=False)
    for lever in (x for x in inputs.levers if x.lever in priced and x.by_area):
        end = lever.maximum if lever.maximum != lever.default else lever.minimum
        name = f"{lever.lever}@{JINZHOU}"
        some, most = (costs[JINZHOU].cost({name: lever.default + x * (end - lever.default)}, 2030) for x in (strength, 1.0))
        assert -1e-6 <= some <= most * (1.0 + 1e-12) + 1e-6, name


def test_every_draw_is_its_own(inputs: Inputs) -> None:
    chosen = {"bus_frequency": 1.2, "cycle_network": 2.0, "metro_service": 1.2, "parking_supply": 0.8}
    one, many = (CityCosts.of(inputs, inputs.params(draws=n, seed=3), SHENYANG).outlays(chosen) for n in (1, 4))
    for measure, outlay in many.items():
        assert outlay.total().shape[0] == 4
        assert np.array_equal(outlay.total()[:1], one[measure].total())
        assert len(set(outlay.total()[:, AT_2030])) == 4


def test_known_costs_are_those_of_the_table_of_measures(inputs: Inputs) -> None:
    """Every measure has a code and rows, and every lever by city is priced, moves money only, or is listed as of unknown cost."""
    table = inputs.table("accounts/measures")
    basis = {(p, s): (m, b) for m, p, s, b in table.select("measure", "parameter", "subject", "basis").iter_rows()}
    for works in WORKS:
        for key in works.parameters:
            found = basis[key if isinstance(key, tuple) else (key, "*")]
            assert found == (works.measure, "rows"), key
    priced = priced_levers(inputs)
    for lever in inputs.levers:
        if lever.by_area and lever.lever not in priced:
            assert basis[lever.parameter, "*"][1] == "no_cost_known", lever.lever
    assert {"compact_growth", "metro_time"} <= set(priced)
    assert set(priced) - set(priced_levers(inputs, transfers=False)) == {
        "transit_fare", "car_operating_cost", "taxi_fare", "ride_hailing_fare",
    }  # fmt: skip
    assert {"bus_service", "metro_km_shenyang", "bus_priority", "winter_clearing"} <= set(priced)


def test_what_is_wrong_is_an_error(inputs: Inputs, params: Params) -> None:
    with pytest.raises(KeyError, match="bus_lanes"):
        city_lever_cost(inputs, params, JINZHOU, {"bus_lanes": 0.1}, 2030)
    with pytest.raises(KeyError, match="211500"):
        city_lever_cost(inputs, params, "211500", {"bus_priority": 0.1}, 2030)
    with pytest.raises(ValueError, match=r"outside 0 to 0\.6"):
        city_lever_cost(inputs, params, JINZHOU, {"bus_priority": 0.7}, 2030)
    assert city_lever_cost(inputs, params, JINZHOU, {}, 2030) == 0.0
