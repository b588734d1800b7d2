"""City travel in the accounts: nothing without a lever, the whole effect with one, and the same number in fleets, energy and simulation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport import study
from transport.cities.layout import ROAD_MODES
from transport.cities.service import service_levels
from transport.layout import BASE_YEAR, NORMAL_YEAR, YEARS, year_index
from transport.params import Lever, Params
from transport.study import indicator_table
from transport.travel import model_travel
from transport.urban_service import (
    BUS,
    CLASSES,
    TRAIN,
    Travelled,
    UrbanError,
    added_km,
    area_km,
    bus_growth,
    city_fleets,
    class_km,
    members,
    reconciliation,
    stock_of,
    transit_share_of_groups,
    urban_service,
    vehicle_share,
)
from transport.urban_tables import urban_fit

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from transport.inputs import Inputs
    from transport.parts import Parts
    from transport.travel import TravelOutcome
    from transport.urban_service import UrbanService

AT_2019, AT_2030 = year_index(NORMAL_YEAR), year_index(2030)
#: Every lever of the cities with a value that does something.
CITY_LEVERS = {
    "bus_priority": 0.3,
    "bus_frequency": 1.3,
    "transit_fare": 0.7,
    "metro_km_shenyang": 40.0,
    "cycle_network": 2.0,
    "walking_network": 1.5,
    "parking_cost": 2.0,
    "car_operating_cost": 1.3,
    "ride_sharing": 1.2,
}


@pytest.fixture(scope="module")
def params(inputs: Inputs) -> Params:
    return inputs.params()


@pytest.fixture(scope="module")
def outcome(inputs: Inputs, params: Params) -> TravelOutcome:
    return model_travel(inputs, params)


@pytest.fixture(scope="module")
def plain(inputs: Inputs, params: Params, outcome: TravelOutcome) -> Travelled:
    return Travelled(inputs, params, outcome)


def lever(params: Params, parameter: str, subject: str, operation: str, value: float) -> Params:
    neutral = {"scale": 1.0, "add": 0.0}[operation]
    return params.with_levers([(Lever("test", parameter, subject, operation, -1e9, 1e9, neutral), value)])


def scaled(outcome: TravelOutcome, area: str, mode: str, factor: float) -> TravelOutcome:
    km = outcome.vehicle_km.copy()
    km[outcome.areas.index(area), ROAD_MODES.index(mode), :, year_index(BASE_YEAR) + 1 :] *= factor
    return replace(outcome, vehicle_km=km)


def rest(service: UrbanService, name: str, params: Params) -> NDArray[np.float64]:
    """Return what the rows leave to the rest of the province ``[draw, year]``."""
    stated = params.get("vehicle_stock", name) * params.get("annual_distance", name)
    return np.asarray(stated - service.reference_km[name].sum(axis=0))


# --- known answers ------------------------------------------------------------------------------------------------------------------


def test_without_levers_nothing_moves_to_the_last_bit(plain: Travelled) -> None:
    service = urban_service(plain, plain)
    for name, mode in CLASSES.items():
        assert not service.shift_km[name].any(), name
        np.testing.assert_array_equal(
            service.city_km[name], plain.outcome.vehicle_km[:, ROAD_MODES.index(mode)] * service.reconciliation[name]
        )
        assert service.reconciliation[name][0, AT_2019] == 1.0, "the central case needs no reconciliation in the base year"
    for growth in service.stock_growth.values():
        np.testing.assert_allclose(growth, 1.0, rtol=1e-12)
    for share in service.vehicle_share.values():
        np.testing.assert_allclose(share.sum(axis=0), 1.0, rtol=1e-12)


def test_a_kilometre_less_in_a_city_is_one_less_in_the_accounts(plain: Travelled) -> None:
    less = plain._replace(outcome=scaled(plain.outcome, "210100", "car", 0.9))
    service = urban_service(less, plain)
    shenyang = plain.outcome.vehicle_km[plain.outcome.areas.index("210100"), ROAD_MODES.index("car"), 0, AT_2030]
    assert service.shift_km["private_car"][0, AT_2030] == pytest.approx(-0.1 * shenyang)
    assert service.shift_km["private_car"][0, AT_2019] == 0.0
    assert not service.shift_km["taxi"].any()


def test_more_cars_move_the_rest_in_proportion_and_the_cities_by_what_travel_says(plain: Travelled) -> None:
    """Stock x 1.1: the rest drives a tenth more; the cities what the travel model gives, here the same."""
    more = plain._replace(params=lever(plain.params, "vehicle_stock", "private_car", "scale", 1.1))
    service, before = urban_service(more, plain), urban_service(plain, plain)
    stated = more.params.get("vehicle_stock", "private_car") * more.params.get("annual_distance", "private_car")
    total = stated + service.shift_km["private_car"]
    old = rest(before, "private_car", plain.params)
    assert rest(service, "private_car", more.params)[0, AT_2030] == pytest.approx(1.1 * old[0, AT_2030])
    assert total[0, AT_2030] == pytest.approx(1.1 * old[0, AT_2030] + service.total_city_km("private_car")[0, AT_2030])


def test_the_two_sources_are_reconciled_where_the_cities_alone_drive_more_than_the_province(plain: Travelled) -> None:
    """Four times the taxi-km of a city: the rest keeps its least share, and the factor says by how much they disagree."""
    much = plain._replace(outcome=replace(plain.outcome, vehicle_km=plain.outcome.vehicle_km * 4.0))
    service = urban_service(much, much)
    limit = plain.params.get("urban_km_share_limit", "taxi")[0, AT_2019]
    stated = (plain.params.get("vehicle_stock", "taxi") * plain.params.get("annual_distance", "taxi"))[0, AT_2019]
    assert service.total_city_km("taxi")[0, AT_2019] == pytest.approx(limit * stated)
    assert rest(service, "taxi", plain.params)[0, AT_2019] == pytest.approx((1.0 - limit) * stated)
    assert 0.0 < service.reconciliation["taxi"][0, AT_2019] < 1.0
    fewer = much._replace(outcome=scaled(much.outcome, "210200", "taxi", 0.5))
    moved = urban_service(fewer, much)
    half = 0.5 * much.outcome.vehicle_km[much.outcome.areas.index("210200"), ROAD_MODES.index("taxi"), 0, AT_2030]
    assert moved.shift_km["taxi"][0, AT_2030] == pytest.approx(-half * moved.reconciliation["taxi"][0, AT_2030])


def test_vehicles_drive_equally_far_unless_their_city_drives_more(plain: Travelled) -> None:
    """Before a lever the prefectures share by their count; a city that drives more keeps what it drives, and a lever in it moves no other."""
    total = (plain.params.get("vehicle_stock", "taxi") * plain.params.get("annual_distance", "taxi"))[0]
    share = urban_service(plain, plain).vehicle_share["taxis"][:, 0]
    much = plain._replace(outcome=scaled(plain.outcome, "210200", "taxi", 3.0))
    service = urban_service(much, much)
    found, dalian = area_km(service, "taxi", total, share), plain.outcome.areas.index("210200")
    assert found[:, AT_2030].sum() == pytest.approx(total[AT_2030])
    city = service.city_km["taxi"][:, 0, AT_2030]
    assert city[dalian] > share[dalian, AT_2030] * total[AT_2030], "the case is one of a city that drives more"
    assert found[dalian, AT_2030] == pytest.approx(city[dalian])
    usual = urban_service(plain, plain)
    inside = usual.city_km["taxi"][:, 0, AT_2030] < share[:, AT_2030] * total[AT_2030]
    assert inside.all()
    np.testing.assert_allclose(area_km(usual, "taxi", total, share)[:, AT_2030], share[:, AT_2030] * total[AT_2030], rtol=1e-9)
    fewer = urban_service(plain._replace(outcome=scaled(plain.outcome, "210100", "taxi", 0.5)), plain)
    moved = area_km(fewer, "taxi", total + fewer.shift_km["taxi"][0], share) - area_km(usual, "taxi", total, share)
    shenyang = plain.outcome.areas.index("210100")
    assert moved[shenyang, AT_2030] == pytest.approx(fewer.shift_km["taxi"][0, AT_2030])
    np.testing.assert_allclose(np.delete(moved[:, AT_2030], shenyang), 0.0, atol=1e-6 * total[AT_2030])


def test_trains_grow_with_the_lines_and_with_trains_per_hour(plain: Travelled) -> None:
    longer = plain._replace(params=lever(plain.params, "metro_length_added", "210100", "add", 50.0))
    service, before = urban_service(longer, plain), urban_service(plain, plain)
    length = before.metro_length[:, 0, AT_2030].sum()
    assert service.metro_length[:, 0, AT_2030].sum() == pytest.approx(length + 50.0)
    assert service.stock_growth[TRAIN][0, AT_2030] == pytest.approx(1.0 + 50.0 / length)
    assert service.stock_growth[TRAIN][0, AT_2019] == pytest.approx(1.0, abs=1e-12)
    denser = plain._replace(params=lever(plain.params, "metro_service_index", "all", "scale", 1.2))
    assert urban_service(denser, plain).stock_growth[TRAIN][0, AT_2030] == pytest.approx(1.2)
    # a first line lays trains to a city that had none
    first = plain._replace(params=lever(plain.params, "metro_length_added", "210300", "add", 20.0))
    share = urban_service(first, plain).vehicle_share["trains"][:, 0, AT_2030]
    assert share[plain.outcome.areas.index("210300")] == pytest.approx(20.0 / (length + 20.0))


def test_buses_of_a_city_by_hand(plain: Travelled) -> None:
    """A tenth more service takes a tenth more buses; a quarter of the gap closed takes buses for the new streets."""
    assert bus_growth(lever(plain.params, "bus_frequency_index", "all", "scale", 1.1), plain.params, "210100")[
        0, AT_2030
    ] == pytest.approx(1.1)
    covered = plain.params.get("bus_stop_coverage_share")[0, 0]
    closed = lever(plain.params, "bus_stop_gap_closed", "all", "add", 0.25)
    edge = plain.params.get("bus_new_street_ratio")[0, 0] * plain.params.get("bus_new_line_service")[0, 0]
    assert bus_growth(closed, plain.params, "210300")[0, AT_2030] == pytest.approx(1.0 + 0.25 * (1.0 - covered) / covered * edge)
    assert bus_growth(plain.params, plain.params, "210300")[0, AT_2030] == 1.0
    share = vehicle_share(plain.inputs, "buses", plain.outcome.areas)
    assert share[plain.outcome.areas.index("210100")] == pytest.approx(5800 / 24000)
    service = urban_service(plain._replace(params=lever(plain.params, "bus_frequency_index", "all", "scale", 1.1)), plain)
    assert service.stock_growth[BUS][0, AT_2030] == pytest.approx(1.1)


def test_transit_share_of_the_group_by_hand(inputs: Inputs, outcome: TravelOutcome) -> None:
    """Bus and metro over motorised trips of seven central cities together, not the mean of their shares."""
    found = transit_share_of_groups(inputs, outcome)
    assert list(found) == ["group_shenyang"]
    areas = ("210100", "210300", "210400", "210500", "210900", "211000", "211200")
    trips = {
        m: sum(outcome.trips[outcome.areas.index(a), outcome.modes.index(m), 0, AT_2030] for a in areas) for m in outcome.modes
    }
    motorised = sum(trips[m] for m in ("bus", "metro", "taxi", "ride_hailing", "car", "other"))
    assert found["group_shenyang"][0, AT_2030] == pytest.approx((trips["bus"] + trips["metro"]) / motorised)


# --- properties ---------------------------------------------------------------------------------------------------------------------


@given(
    was=st.floats(0.0, 1e12),
    now=st.floats(0.0, 1e12),
    stood=st.floats(1.0, 1e12),
    ratio=st.floats(0.1, 10.0),
    limit=st.floats(0.5, 1.0),
)
def test_the_rest_is_never_negative_and_cities_and_rest_are_the_province(
    was: float, now: float, stood: float, ratio: float, limit: float
) -> None:
    factor = reconciliation("taxi", np.array([[was]]), np.array([[stood]]), np.array([[limit]]))
    shift = added_km(np.array([[now]]), np.array([[was]]), factor, np.array([[ratio]]))
    total, city = ratio * stood + shift[0, 0], factor[0, 0] * now
    left = ratio * stood - factor[0, 0] * was * ratio
    assert left >= -1e-9 * ratio * stood
    assert total == pytest.approx(city + left, rel=1e-9, abs=1e-6 * max(ratio * stood, city))
    assert total >= -1e-9 * max(ratio * stood, city)


# --- through the whole chain --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def baseline(parts_of: Callable[..., Parts]) -> Parts:
    return parts_of("baseline")


def test_the_plan_leaves_the_past_of_the_cities_as_it_was(parts_of: Callable[..., Parts]) -> None:
    """Levers act after the base year: until then cars, taxis, buses and trains are those of the rows to the last bit."""
    service = parts_of("plan_2030").urban
    past = slice(0, year_index(BASE_YEAR) + 1)
    for name, shift in service.shift_km.items():
        assert not shift[:, past].any(), name
        assert shift[:, AT_2030].any(), name
    for group, growth in service.stock_growth.items():
        np.testing.assert_array_equal(growth[:, past], 1.0, err_msg=group)


def test_no_draw_depends_on_its_neighbours(inputs: Inputs) -> None:
    """The first of three draws alone gives the same kilometres, and none of the three is another's."""
    found = []
    for draws in (1, 3):
        params = inputs.params(draws=draws, seed=1)
        moved = lever(params, "city_car_occupancy", "all", "scale", 1.2)
        before, now = (Travelled(inputs, p, model_travel(inputs, p, ("210100", "210200"))) for p in (params, moved))
        found.append(urban_service(now, before))
    for name in CLASSES:
        np.testing.assert_array_equal(found[0].shift_km[name][0], found[1].shift_km[name][0], err_msg=name)
        np.testing.assert_array_equal(found[0].city_km[name][:, 0], found[1].city_km[name][:, 0], err_msg=name)
    assert len(set(found[1].shift_km["private_car"][:, AT_2030])) == 3


def test_cases_along_the_draws_are_those_alone(inputs: Inputs, params: Params) -> None:
    """Draws that differ in their levers alone: each is the run of its own, and one without levers moves nothing to the last bit."""
    cases = [
        params,
        lever(params, "city_car_occupancy", "all", "scale", 1.2),
        params,
        lever(lever(params, "car_restraint_share", "all", "add", 0.2), "bus_lane_share", "all", "add", 0.1),
    ]
    travel, together = study._city_travel(inputs, inputs, Params.stack(cases), Params.stack([params] * len(cases)), light=True)
    for k in (1, 3):
        whole, alone = study._city_travel(inputs, inputs, cases[k], params)
        for name in CLASSES:
            np.testing.assert_allclose(together.city_km[name][:, k], alone.city_km[name][:, 0], rtol=1e-11, err_msg=name)
            np.testing.assert_allclose(together.shift_km[name][k], alone.shift_km[name][0], rtol=1e-9, atol=1e-2, err_msg=name)
        np.testing.assert_allclose(travel.green_share[:, k], whole.green_share[:, 0], rtol=1e-11)
        bound = [i for i, area in enumerate(travel.areas) if travel.has_target[area]]
        np.testing.assert_allclose(travel.break_even_base_share[bound, k], whole.break_even_base_share[bound, 0], rtol=1e-9)
        assert together.shift_km["private_car"][k, AT_2030] != 0.0
    for name in CLASSES:
        assert not together.shift_km[name][[0, 2]].any(), name
    # what only the tables of a run need is left out, and only that
    assert travel.segments.is_empty()
    assert travel.elasticities.is_empty()
    assert travel.fit.is_empty()
    assert travel.segments.schema == whole.segments.schema


def fuel(parts: Parts, names: tuple[str, ...], carrier: str) -> float:
    rows = [k for k, key in enumerate(parts.now.energy.keys) if key.vehicle_class in names and key.carrier == carrier]
    return float(parts.now.energy.quantity[rows, 0, AT_2030].sum())


def test_lanes_for_buses_save_gasoline_of_private_cars(parts_of: Callable[..., Parts], baseline: Parts) -> None:
    parts = parts_of("baseline", bus_priority=0.4)
    assert fuel(parts, ("private_car",), "gasoline") < fuel(baseline, ("private_car",), "gasoline")
    assert fuel(parts, ("taxi",), "natural_gas") < fuel(baseline, ("taxi",), "natural_gas")
    km = [class_km(p.vehicles, ["private_car"])[0, AT_2030] for p in (parts, baseline)]
    city = [p.urban.total_city_km("private_car")[0, AT_2030] for p in (parts, baseline)]
    assert km[0] - km[1] == pytest.approx(city[0] - city[1], rel=1e-6)
    assert city[0] < city[1]


def test_metro_lines_raise_the_power_of_trains_by_their_length(parts_of: Callable[..., Parts], baseline: Parts) -> None:
    parts = parts_of("baseline", metro_km_shenyang=50.0)
    length = baseline.urban.metro_length[:, 0, AT_2030].sum()
    ratio = fuel(parts, (TRAIN,), "electricity") / fuel(baseline, (TRAIN,), "electricity")
    assert ratio == pytest.approx(1.0 + 50.0 / length, rel=1e-9)
    assert stock_of(parts.vehicles, [TRAIN])[0, AT_2030] > stock_of(baseline.vehicles, [TRAIN])[0, AT_2030]


def test_persons_who_share_a_ride_take_fewer_kilometres(parts_of: Callable[..., Parts], baseline: Parts) -> None:
    pooled = parts_of("baseline", taxi_pooling=1.25)
    for name in ("taxi", "ride_hailing"):
        assert class_km(pooled.vehicles, [name])[0, AT_2030] < class_km(baseline.vehicles, [name])[0, AT_2030], name
    shared = parts_of("baseline", ride_sharing=1.2)
    assert class_km(shared.vehicles, ["private_car"])[0, AT_2030] < class_km(baseline.vehicles, ["private_car"])[0, AT_2030]


def test_no_lever_of_the_cities_moves_the_headline(parts_of: Callable[..., Parts], baseline: Parts) -> None:
    """Cars, taxis, buses and metros are no operating freight or intercity carriers: the indicator is the same to the last bit."""
    parts = parts_of("baseline", **CITY_LEVERS)
    headline = [
        indicator_table(p).filter(pl.col("id") == "operating_co2_intensity").sort("year", "scope", "boundary", "base", "variant")
        for p in (parts, baseline)
    ]
    assert headline[0].height > 0
    assert headline[0]["value"].equals(headline[1]["value"])
    totals = [p.now.co2_t.sum() for p in (parts, baseline)]
    assert totals[0] != totals[1], "the levers do act on all transport"


def test_simulated_vehicles_are_those_of_the_stock_and_drive_what_the_accounts_count(baseline: Parts) -> None:
    vehicles, service = baseline.vehicles, baseline.urban
    fleets = city_fleets(vehicles, service, 2030)
    buses = members(vehicles, BUS)
    electric = stock_of(vehicles, buses, ["battery_electric"])[0, AT_2030]
    assert fleets["bus_depot", "210100"].vehicles == pytest.approx(electric * 5800 / 24000)
    driven = class_km(vehicles, buses, ["battery_electric"])[0, AT_2030]
    assert fleets["bus_depot", "210100"].km == pytest.approx(driven / electric)
    for system, names, trains in (
        ("bus_depot", buses, ["battery_electric"]),
        ("taxi_city", ("taxi",), ["battery_electric", "battery_swap"]),
    ):
        found = [fleet for (of, _), fleet in fleets.items() if of == system]
        assert sum(f.vehicles for f in found) == pytest.approx(stock_of(vehicles, names, trains)[0, AT_2030])
        assert sum(f.vehicles * f.km for f in found) == pytest.approx(class_km(vehicles, names, trains)[0, AT_2030])


def test_service_of_buses_is_one_number_in_choice_and_accounts(parts_of: Callable[..., Parts]) -> None:
    """The wait at stops and the buses of the city move by the same bus-km."""
    parts = parts_of("baseline", bus_service=1.2, bus_frequency=1.25)
    wait = next(x.level for x in service_levels(parts.params, "210100") if x.attribute == "bus_service")[0, 0]
    i = parts.urban.areas.index("210100")
    km = class_km(parts.vehicles, members(parts.vehicles, BUS))[0] * parts.urban.vehicle_share["buses"][i, 0]
    boardings = parts.params.get("boardings_per_trip", "bus")[0]
    stops = wait / boardings
    assert km[AT_2030] / km[AT_2019] == pytest.approx(stops[AT_2019] / stops[AT_2030], rel=1e-9)
    assert km[AT_2030] / km[AT_2019] > 1.25


def test_fit_shows_the_reconciliation_and_the_electric_vehicles_of_the_cities(baseline: Parts) -> None:
    fit = urban_fit(baseline.inputs, baseline.params, baseline.urban, baseline.vehicles)
    items = dict(fit.filter(pl.col("year") <= BASE_YEAR).select("item", "modelled").iter_rows())
    for name in CLASSES:
        assert items[f"city distance, {name}"] == baseline.urban.reconciliation[name][0, AT_2019]
    electric = stock_of(baseline.vehicles, members(baseline.vehicles, BUS), ["battery_electric", "plug_in_hybrid"])
    assert items["buses electric, 210100"] == pytest.approx(electric[0, year_index(BASE_YEAR)] * 5800 / 24000)
    assert fit["observed"].null_count() == 0


# --- bad input ----------------------------------------------------------------------------------------------------------------------


def test_a_class_without_distance_is_refused(plain: Travelled) -> None:
    nothing = plain.params.replace("annual_distance", "taxi", np.zeros((1, len(YEARS))))
    with pytest.raises(UrbanError, match="taxi: vehicle_stock x annual_distance is 0 km in 2015"):
        urban_service(plain, plain._replace(params=nothing))


def test_a_group_of_cities_nobody_models_is_named(inputs: Inputs, outcome: TravelOutcome) -> None:
    rows = inputs.table("demand/city_groups").with_columns(area=pl.lit("999900"))
    with pytest.raises(UrbanError, match=r"group group_shenyang names 999900"):
        transit_share_of_groups(replace(inputs, tables={**inputs.tables, "demand/city_groups": rows}), outcome)


def test_vehicles_that_nothing_counts_are_named(inputs: Inputs) -> None:
    with pytest.raises(UrbanError, match="no rows of driver 'rickshaws'"):
        vehicle_share(inputs, "rickshaws", ("210100",))
