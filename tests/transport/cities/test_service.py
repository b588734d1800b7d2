"""Service of a city: utility by hand, exactly zero where nothing moves, the direction of each lever, bad input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transport.cities.attributes import ATTRIBUTES, BURDENS, coefficient, damping, strength, traveller_weights
from transport.cities.elasticities import attribute_response
from transport.cities.layout import BANDS, GREEN, MODES, SEASONS, SEGMENTS, TRAVELLERS
from transport.cities.service import (
    bus_time_ratio,
    city_service,
    cycle_reach,
    generalised_times,
    stop_coverage,
)
from transport.layout import YEARS, year_index
from transport.params import lever_settings

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.params import LeverValue, Params

SHENYANG, DALIAN, ANSHAN = "210100", "210200", "210300"
N = len(YEARS)
I2019, I2020, I2030 = (year_index(y) for y in (2019, 2020, 2030))
COLD, WARM = SEASONS.index("cold"), SEASONS.index("warm")
COMMUTER = SEGMENTS.index(("commute", "adult_no_car", "km_8"))
DRIVER = SEGMENTS.index(("commute", "adult_car", "km_8"))


def mode(name: str) -> int:
    return MODES.index(name)


@pytest.fixture(scope="module")
def params(inputs: Inputs) -> Params:
    return inputs.params()


@pytest.fixture(scope="module")
def flat(params: Params) -> Params:
    """Return parameters that stay at 2019 after it."""
    return params.hold(2019)


def full(value: float) -> np.ndarray:
    return np.full((1, N), value)


def with_levers(inputs: Inputs, params: Params, **levers: LeverValue) -> Params:
    return params.with_levers(lever_settings(inputs.levers, levers))


def gain(inputs: Inputs, params: Params, area: str = SHENYANG, season: int = WARM, **levers: Any) -> np.ndarray:
    """Return what levers add to the utility of 2030, array [segment, mode]."""
    after, before = (city_service(inputs, p, area).utility for p in (with_levers(inputs, params, **levers), params))
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(after[season, :, :, 0, I2030] - before[season, :, :, 0, I2030])


# --- nothing moves ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("area", [SHENYANG, DALIAN])
def test_the_utility_of_2019_is_zero_in_every_bit(inputs: Inputs, area: str) -> None:
    service = city_service(inputs, inputs.params(draws=5, seed=3), area)
    assert service.utility.shape == (2, len(SEGMENTS), len(MODES), 5, N)
    assert not service.utility[..., I2019].any()


def test_what_stays_as_in_2019_adds_nothing_in_any_year(inputs: Inputs, flat: Params) -> None:
    assert not city_service(inputs, flat, SHENYANG).utility[..., I2019:].any()
    anshan = city_service(inputs, flat, ANSHAN).utility
    assert bool(np.all(anshan[:, :, mode("metro")] == -np.inf))
    assert not np.delete(anshan, mode("metro"), axis=2)[..., I2019:].any()


def test_levers_at_their_defaults_change_no_bit(inputs: Inputs, params: Params) -> None:
    travel = inputs.table("lever_effects").filter(pl.col("domain") == "travel")["parameter"].to_list()
    levers: dict[str, LeverValue] = {x.lever: x.default for x in inputs.levers if x.parameter in travel}
    assert {"bus_coverage", "car_restraint", "metro_km_anshan", "winter_clearing"} <= set(levers)
    before, after = (city_service(inputs, p, DALIAN) for p in (params, with_levers(inputs, params, **levers)))
    np.testing.assert_array_equal(after.utility, before.utility)
    np.testing.assert_array_equal(after.traffic, before.traffic)


def test_a_lever_moves_nothing_before_it_starts_and_can_start_in_any_year(inputs: Inputs, params: Params) -> None:
    travel = inputs.table("lever_effects").filter(pl.col("domain") == "travel")["parameter"].to_list()
    before = city_service(inputs, params, SHENYANG)
    moved = 0
    for lever in (x for x in inputs.levers if x.parameter in travel and x.subject in {"*", "all", SHENYANG}):
        end = lever.minimum if lever.default == lever.maximum else lever.maximum
        end = lever.default + 0.25 * (end - lever.default)
        path: LeverValue = {2026: lever.default, 2027: end}
        after = city_service(inputs, params.with_levers([(lever, path)]), SHENYANG)
        start = year_index(2027)
        np.testing.assert_array_equal(after.utility[..., :start], before.utility[..., :start])
        assert after.barred is not None
        moved += bool((after.utility[..., start:] != before.utility[..., start:]).any() or after.barred.any())
    assert moved >= 18


# --- known answers ------------------------------------------------------------------------------------------------------------------


def test_a_faster_bus_by_hand(inputs: Inputs, flat: Params) -> None:
    """A trip of 6 km at 16 km/h takes 22.5 minutes; priority at all signals saves 8 % of them."""
    found = gain(inputs, flat, signal_priority=1.0)
    b = 0.03 * flat.get("travel_sensitivity", "bus_time")[0, 0] * 0.39
    saved = b * 1.15 * (6.0 / 5.0) ** -0.25 * 22.5 * 0.08
    reliable = 0.03 * flat.get("travel_sensitivity", "bus_reliability")[0, 0] * 0.1 * 1.15 * (6.0 / 5.0) ** -0.25 * 2.5 * 0.15
    assert found[COMMUTER, mode("bus")] == pytest.approx(saved + reliable)
    assert not np.delete(found, mode("bus"), axis=1).any()


def test_a_dearer_fare_by_hand(inputs: Inputs, flat: Params) -> None:
    """Twice the flat fare of 1.2 yuan is 3.6 minutes of a commuter worth 20 yuan an hour, two thirds of it with a car."""
    found = gain(inputs, flat, transit_fare=2.0)
    b = 0.03 * strength(flat, "transit_fare")[0, 0]
    expected = -b * 1.15 * (6.0 / 5.0) ** -0.25 * 1.2 / 20.0 * 60.0
    assert found[COMMUTER, mode("bus")] == pytest.approx(expected)
    assert found[DRIVER, mode("bus")] == pytest.approx(expected / 1.5)
    assert found[COMMUTER, mode("metro")] == pytest.approx(expected * 2.0 / 1.2)
    senior = SEGMENTS.index(("leisure", "senior", "km_8"))
    assert found[senior, mode("bus")] == pytest.approx(expected * 0.3 * (0.85 / 1.15) * 20.0 / (12.0 * 0.7))


def test_twice_the_buses_halve_the_wait(inputs: Inputs, flat: Params) -> None:
    """Headway of 8 minutes, 1.2 boardings: 4.8 minutes of waiting, 2.4 with twice the buses."""
    b = 0.03 * strength(flat, "bus_service")[0, 0] * 1.15 * (6.0 / 5.0) ** -0.25
    for lever in ("bus_service", "bus_frequency"):
        double: dict[str, Any] = {lever: 2.0}
        assert gain(inputs, flat, **double)[COMMUTER, mode("bus")] == pytest.approx(b * 2.4)


def test_metro_of_twice_the_length(inputs: Inputs, flat: Params) -> None:
    length = float(city_length(inputs, flat))
    found = gain(inputs, flat, metro_km_shenyang=length)
    np.testing.assert_allclose(found[:, mode("metro")], strength(flat, "metro_length")[0, 0] * np.log(2.0))


def city_length(inputs: Inputs, params: Params) -> float:
    from transport.cities.metro import metro_length_km

    return float(metro_length_km(inputs, params, SHENYANG)[0, I2019])


def test_a_first_line_pivots_on_its_reference_length(inputs: Inputs, flat: Params) -> None:
    """Ten km is the length that virtual shares are of: utility zero; twenty give the elasticity times ln 2; none before."""
    for km, expected in ((10.0, 0.0), (20.0, float(strength(flat, "metro_length")[0, 0]) * np.log(2.0))):
        service = city_service(inputs, with_levers(inputs, flat, metro_km_anshan={2026: 0.0, 2027: km}), ANSHAN)
        metro = service.utility[:, :, mode("metro"), 0]
        assert bool(np.all(metro[..., : year_index(2027)] == -np.inf))
        np.testing.assert_allclose(metro[..., year_index(2027) :], expected, atol=1e-12)


def test_car_restraint_bars_trips_but_for_evasion(inputs: Inputs, flat: Params) -> None:
    """A fifth barred, of which three tenths drive all the same: 14 % of the trips by car may not be made."""
    before, after = (city_service(inputs, p, SHENYANG) for p in (flat, with_levers(inputs, flat, car_restraint={2027: 0.2})))
    assert before.barred is not None
    assert not before.barred.any()
    assert after.barred is not None
    assert after.barred[0, I2030] == pytest.approx(0.14)
    assert not after.barred[:, : I2020 + 1].any()
    np.testing.assert_array_equal(after.utility, before.utility)


def test_a_road_charge_counts_as_six_tenths_of_the_cost_of_driving(inputs: Inputs, flat: Params) -> None:
    found = gain(inputs, flat, road_charge=10.0)
    expected = 0.03 * strength(flat, "car_operating_cost")[0, 0] * 1.15 * (6.0 / 5.0) ** -0.25 * 0.6 * 10.0 * 60.0 / 30.0
    assert found[DRIVER, mode("car")] == pytest.approx(-expected)


def test_clearing_gives_back_part_of_the_winter_in_the_cold_months_only(inputs: Inputs, flat: Params) -> None:
    found = gain(inputs, flat, season=COLD, winter_clearing=0.5)
    for name in ("walk", "cycle", "e_bike"):
        lost = -np.log(flat.get("winter_mode_ratio", name)[0, I2019])
        np.testing.assert_allclose(found[:, mode(name)], 0.5 * 0.4 * lost)
    assert not np.delete(found, [mode(m) for m in ("walk", "cycle", "e_bike")], axis=1).any()
    assert not gain(inputs, flat, season=WARM, winter_clearing=0.5).any()


def test_stops_and_streets_reach_those_without(inputs: Inputs, flat: Params) -> None:
    moved = with_levers(inputs, flat, bus_coverage=0.5, cycle_connectivity=0.5, compact_growth=0.2)
    assert stop_coverage(moved, ANSHAN)[0, I2030] == pytest.approx(1.0 - 0.15 * 0.5 * (1.0 - 0.2 * 0.5))
    assert cycle_reach(moved, ANSHAN)[0, I2030] == pytest.approx(0.75)
    found = gain(inputs, flat, ANSHAN, bus_coverage=0.8, cycle_connectivity=0.5)
    np.testing.assert_allclose(found[:, mode("bus")], strength(flat, "bus_coverage")[0, 0] * np.log(0.97 / 0.85))
    tracks = strength(flat, "cycle_network")[0, 0] * np.log(1.5)
    np.testing.assert_allclose(found[:, mode("cycle")], tracks)
    np.testing.assert_allclose(found[:, mode("e_bike")], 0.5 * tracks)


def test_bus_time_with_lanes_signals_and_traffic() -> None:
    """Half of the way on lanes that save a fifth, from none: 0.9 of the time, and half a unit more for each unit of car time."""

    class Rows:
        draws = 1

        def has(self, parameter: str, subject: str) -> bool:  # noqa: ARG002
            return subject == "all"

        def get(self, parameter: str, subject: str = "all") -> np.ndarray:
            if parameter == "bus_lane_share":
                lanes = np.zeros((1, N))
                lanes[:, I2030:] = 0.5
                return lanes
            return full(
                {"bus_signal_priority_share": 0.0}.get(parameter, {"lane": 0.2, "signal_priority": 0.08}.get(subject, 0.0))
            )

    ratio, slope = bus_time_ratio(Rows(), ANSHAN)  # type: ignore[arg-type]
    assert (ratio[0, I2019], slope[0, I2019]) == (1.0, 1.0)
    assert (ratio[0, I2030], slope[0, I2030]) == pytest.approx((0.9, 0.5))


def test_traffic_costs_the_minutes_of_the_trip(inputs: Inputs, flat: Params) -> None:
    """A car takes 15 minutes for 6 km on the roads of 2019: a car time index of two costs 15 more."""
    traffic = city_service(inputs, flat, SHENYANG).traffic
    unit = 0.03 * 1.15 * (6.0 / 5.0) ** -0.25 * 15.0
    assert traffic[DRIVER, mode("car"), 0, I2030] == pytest.approx(-unit * strength(flat, "car_time")[0, 0])
    assert traffic[DRIVER, mode("taxi"), 0, I2030] == pytest.approx(-unit * strength(flat, "taxi_time")[0, 0])
    lanes, saved = flat.get("bus_lane_share", SHENYANG)[0, I2019], flat.get("bus_time_saving", "lane")[0, 0]
    mixed = (1.0 - lanes) / (1.0 - lanes * saved)
    assert traffic[DRIVER, mode("bus"), 0, I2030] == pytest.approx(-unit * 1.5 * mixed * strength(flat, "bus_time")[0, 0])
    assert bool(np.all(traffic <= 0))
    off = [mode(m) for m in ("walk", "cycle", "e_bike", "metro", "other")]
    assert not traffic[:, off].any()


def test_habits_after_2019_stand_in_the_utility(inputs: Inputs, params: Params) -> None:
    service = city_service(inputs, params, ANSHAN)
    taxi = service.utility[WARM, 0, mode("taxi"), 0, I2030]
    assert taxi == pytest.approx(np.log(params.get("travel_preference_recovery", "taxi")[0, I2030]))


def test_times_and_fares_that_are_shown(params: Params) -> None:
    table = generalised_times(params, SHENYANG, 2019)
    assert table.height == len(MODES) * len(BANDS)
    bus = table.filter(pl.col("mode") == "bus", pl.col("band") == "km_8").row(0, named=True)
    assert bus["in_vehicle"] == pytest.approx(22.5)
    assert bus["wait"] == pytest.approx(8.0 / 2.0 * 1.2 + 2.5)
    assert bus["outlay"] == pytest.approx(1.2)
    taxi = table.filter(pl.col("mode") == "taxi", pl.col("band") == "km_15").row(0, named=True)
    assert taxi["outlay"] == pytest.approx(9.0 + 2.0 * 8.0)
    walk = table.filter(pl.col("mode") == "walk", pl.col("band") == "km_2").row(0, named=True)
    assert walk == {"mode": "walk", "band": "km_2", "in_vehicle": 18.75, "access": 0.0, "wait": 0.0, "outlay": 0.0}


# --- direction and order ------------------------------------------------------------------------------------------------------------

#: Lever, value, modes that it helps or harms, sign.
DIRECTIONS = [
    ("bus_priority", 0.3, ("bus",), 1),
    ("signal_priority", 0.5, ("bus",), 1),
    ("bus_service", 1.3, ("bus",), 1),
    ("bus_frequency", 1.3, ("bus",), 1),
    ("bus_coverage", 0.5, ("bus",), 1),
    ("bus_regularity", 0.5, ("bus",), 1),
    ("transit_fare", 0.7, ("bus", "metro"), 1),
    ("metro_service", 1.3, ("metro",), 1),
    ("metro_time", 0.9, ("metro",), 1),
    ("metro_access", 0.8, ("metro",), 1),
    ("metro_km_shenyang", 50.0, ("metro",), 1),
    ("cycle_network", 2.0, ("cycle", "e_bike"), 1),
    ("cycle_connectivity", 0.5, ("cycle", "e_bike"), 1),
    ("walking_network", 1.5, ("walk",), 1),
    ("e_bike_availability", 1.3, ("e_bike",), 1),
    ("parking_cost", 2.0, ("car",), -1),
    ("parking_supply", 0.8, ("car",), -1),
    ("car_operating_cost", 1.5, ("car",), -1),
    ("road_charge", 10.0, ("car",), -1),
    ("taxi_fare", 1.5, ("taxi",), -1),
    ("ride_hailing_fare", 1.5, ("ride_hailing",), -1),
    ("ride_hailing_supply", 0.7, ("ride_hailing",), -1),
    ("compact_growth", 0.2, ("bus",), 1),
]


@pytest.mark.parametrize(("lever", "value", "modes", "sign"), DIRECTIONS)
def test_direction_of_each_lever(
    inputs: Inputs, params: Params, lever: str, value: float, modes: tuple[str, ...], sign: int
) -> None:
    moved: dict[str, Any] = {lever: value}
    found = gain(inputs, params, **moved)
    touched = [mode(m) for m in modes]
    assert bool(np.all(sign * found[:, touched] > 0))
    assert not np.delete(found, touched, axis=1).any()


def test_every_lever_of_a_city_can_be_set_for_one_city_alone(inputs: Inputs, params: Params) -> None:
    chosen = {name: value for name, value, *_ in DIRECTIONS if not name.startswith(("metro_km", "bus_service"))}
    for lever, value in chosen.items():
        moved = params.with_levers(lever_settings(inputs.levers, {f"{lever}@{DALIAN}": value}))
        for area, changes in ((DALIAN, lever not in {"bus_coverage", "compact_growth"}), (SHENYANG, False)):
            before, after = (city_service(inputs, p, area).utility for p in (params, moved))
            assert bool((before != after).any()) == changes, (lever, area)


def test_short_trips_and_poor_travellers_feel_more(inputs: Inputs, flat: Params) -> None:
    """Three yuan of parking weigh more where a yuan is worth more minutes; a minute weighs less on a long trip."""
    assert bool(np.all(np.diff(damping(flat)[:, 0, 0]) < 0))
    money, time = (traveller_weights(flat, money=m)[:, 0, 0] for m in (True, False))
    worth = money / time
    assert worth[TRAVELLERS.index(("school", "student"))] == worth.max() == 60.0 / (10.0 * 0.6)
    assert worth[TRAVELLERS.index(("business", "adult_car"))] == worth.min()
    waits = gain(inputs, flat, bus_frequency=2.0)[:, mode("bus")].reshape(len(TRAVELLERS), len(BANDS))
    assert bool(np.all(np.diff(waits, axis=1) < 0))


@given(lanes=st.floats(0.0, 0.6), signals=st.floats(0.0, 1.0), fare=st.floats(0.2, 2.0), spaces=st.floats(0.4, 2.0))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_levers_together_keep_everything_finite_and_traffic_a_burden(
    inputs: Inputs, params: Params, lanes: float, signals: float, fare: float, spaces: float
) -> None:
    moved = with_levers(inputs, params, bus_priority=lanes, signal_priority=signals, transit_fare=fare, parking_supply=spaces)
    service = city_service(inputs, moved, DALIAN)
    assert bool(np.all(np.isfinite(service.utility)))
    assert bool(np.all(service.traffic <= 0))
    green = [mode(m) for m in GREEN]
    np.testing.assert_array_equal(service.utility[COLD], service.utility[WARM])
    assert not service.utility[..., I2019].any()
    assert service.utility[:, :, green].shape[2] == len(GREEN)


def test_a_draw_does_not_depend_on_its_neighbours(inputs: Inputs) -> None:
    few, many = (city_service(inputs, inputs.params(draws=7, seed=6, only=only), SHENYANG) for only in ((1,), None))
    np.testing.assert_array_equal(many.utility[..., :2, :], few.utility)
    np.testing.assert_array_equal(many.traffic[..., :2, :], few.traffic)
    assert np.ptp(many.utility[0, 0, mode("bus"), :, I2030]) > 0


@pytest.mark.parametrize("attribute", sorted(set(ATTRIBUTES) - {"bus_time", "car_time", "taxi_time", "metro_length"}))
def test_the_response_that_is_calibrated_is_the_slope_of_the_utility(inputs: Inputs, flat: Params, attribute: str) -> None:
    """A millionth more of what the elasticity is to, by its row."""
    step = 1e-6
    row = {
        "bus_service": ("bus_frequency_index", ("all",)),
        "bus_reliability": ("bus_excess_wait", ("all",)),
        "bus_coverage": ("bus_stop_coverage_share", (SHENYANG,)),
        "transit_fare": ("transit_fare_index", ("all",)),
        "taxi_fare": ("taxi_fare_index", ("all",)),
        "car_operating_cost": ("car_operating_cost_index", ("all",)),
        "parking_cost": ("parking_cost_index", ("all",)),
    }.get(attribute, (f"{attribute}_index", ("all",)))
    rows = [row, ("ride_hailing_fare_index", ("all",))] if attribute == "taxi_fare" else [row]
    moved = flat
    for parameter, subjects in rows:
        for subject in subjects:
            path = flat.get(parameter, subject).copy()
            path[:, I2030:] *= 1.0 + step
            moved = moved.replace(parameter, subject, path)
    found = city_service(inputs, moved, SHENYANG).utility[WARM, :, :, 0, I2030] / step
    expected = attribute_response(flat, SHENYANG, attribute)[:, :, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)
    assert set(np.flatnonzero(np.abs(expected).max(axis=0))) >= {mode(m) for m in ATTRIBUTES[attribute]}


# --- bad input ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "subject", "value", "message"),
    [
        ("bus_lane_share", ANSHAN, 1.2, None),
        ("bus_lane_share", "all", 1.2, "bus_lane_share of 210300 must stay between 0 and 1; with the lever it reaches 1.200"),
        ("bus_stop_coverage_share", "all", -0.1, "bus_stop_coverage_share of 210300 must stay between 0 and 1"),
        ("car_restraint_share", "all", 1.5, "car_restraint_share"),
        ("winter_clearing_share", "all", 1.01, "winter_clearing_share"),
        ("cycle_connectivity_share", "all", 0.0, "cycle_connectivity_share of 210300 must be positive"),
        ("parking_supply_index", "all", 0.0, "parking_supply_index of 210300 must be positive; it falls to 0"),
        ("metro_service_index", "all", 0.0, "metro_service_index"),
        ("transit_fare_index", "all", -1.0, "transit_fare_index of 210300 must not be negative; it falls to -1"),
        ("travel_sensitivity", "bus_time", -1.0, "travel_sensitivity of bus_time is -1; it must not be negative"),
        ("travel_value_of_time", "school", 0.0, "travel_value_of_time of school of student must be positive"),
    ],
)
def test_values_out_of_range_are_refused(
    inputs: Inputs, params: Params, parameter: str, subject: str, value: float, message: str | None
) -> None:
    if message is None:
        assert not params.has(parameter, subject)
        return
    with pytest.raises(ValueError, match=message):
        city_service(inputs, params.replace(parameter, subject, full(value)), ANSHAN)


def test_a_ban_without_evasion_is_refused(inputs: Inputs, params: Params) -> None:
    none = params.replace("car_restraint_evasion", "all", full(0.0)).replace("car_restraint_share", "all", full(1.0))
    with pytest.raises(ValueError, match="share of car trips that are allowed of 210300 must be positive"):
        city_service(inputs, none, ANSHAN)


def test_a_burden_never_attracts(params: Params) -> None:
    for attribute in ATTRIBUTES:
        sign = -1.0 if attribute in BURDENS else 1.0
        assert sign * float(coefficient(params, attribute)[0, 0]) > 0
