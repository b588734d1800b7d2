"""City travel as a whole: pivot, conservation, levers, congestion, break-even, independence of draws and areas, targets from the census."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transport.cities.layout import MODES, ROAD_MODES, SEASONS
from transport.layout import YEARS, year_index
from transport.params import Lever, Params
from transport.travel import GREEN, TravelOutcome, base_shares, car_time_index, city_residents, model_travel, prefectures

if TYPE_CHECKING:
    from transport.inputs import Inputs

I2019, I2020, I2024, I2030 = (year_index(y) for y in (2019, 2020, 2024, 2030))
SHENYANG, DALIAN, ANSHAN = "210100", "210200", "210300"
SOME = (SHENYANG, DALIAN, ANSHAN)
TARGET_CITIES = {"210100", "210200", "210300", "210400", "210700"}
METRO = MODES.index("metro")


@pytest.fixture(scope="module")
def params(inputs: Inputs) -> Params:
    return inputs.params(draws=1)


@pytest.fixture(scope="module")
def outcome(inputs: Inputs, params: Params) -> TravelOutcome:
    return model_travel(inputs, params)


@pytest.fixture(scope="module")
def some(inputs: Inputs, params: Params) -> TravelOutcome:
    return model_travel(inputs, params, SOME)


def lever(parameter: str, operation: str = "scale", subject: str = "*") -> Lever:
    return Lever("test", parameter, subject, operation, 0.0, 1e3, 1.0 if operation == "scale" else 0.0)


def draw_alone(inputs: Inputs, many: Params, draw: int) -> Params:
    """Return the parameters of one draw, as a worker that runs it alone has them."""
    names = sorted({p for p in inputs.parameters["parameter"].unique() if not p.startswith("ref_")})
    keys = [(p, s) for p in names for s in many.subjects(p)]
    return Params({(p, s): many.get(p, s)[draw : draw + 1].copy() for p, s in keys}, {p: many.unit(p) for p in names}, 1)


# ---- pivot and conservation


def test_pivot_year_shows_the_base_table(params: Params, outcome: TravelOutcome) -> None:
    expected = base_shares(params, outcome.areas)
    np.testing.assert_allclose(outcome.share[..., I2019], expected, atol=1e-9)
    np.testing.assert_array_equal(outcome.car_time_index[..., I2019], 1.0)


def test_nothing_changes_nothing_bit_for_bit(inputs: Inputs, params: Params) -> None:
    """With every driver held at 2019 all later years are 2019, to the last bit, in every city, with a metro or without."""
    still = model_travel(inputs, params.hold(2019))
    for name in (
        "share",
        "green_share",
        "peak_green_share",
        "season_green_share",
        "car_time_index",
        "transit_share_of_motorised",
    ):
        array = getattr(still, name)
        np.testing.assert_array_equal(
            array[..., I2019:], np.repeat(array[..., I2019 : I2019 + 1], len(YEARS) - I2019, axis=-1), name
        )


def test_default_levers_change_no_bit(inputs: Inputs, params: Params, some: TravelOutcome) -> None:
    unmoved = [
        (lever("vehicle_stock", subject="urban_bus"), 1.0),
        (lever("bus_lane_share", "add"), 0.0),
        (lever("car_restraint_share", "add"), 0.0),
        (lever("metro_length_added", "add"), 0.0),
    ]
    after = model_travel(inputs, params.with_levers(unmoved), SOME)
    np.testing.assert_array_equal(after.share, some.share)
    np.testing.assert_array_equal(after.break_even_base_share, some.break_even_base_share)


def test_trips_are_residents_times_rate(outcome: TravelOutcome) -> None:
    shenyang = outcome.trips[outcome.areas.index(SHENYANG), :, 0, I2020].sum()
    assert shenyang == pytest.approx(7067239 * 0.96 * 2.35 * 365 * 0.86)


def test_shares_sum_to_one_in_every_draw(inputs: Inputs) -> None:
    many = model_travel(inputs, inputs.params(draws=8, seed=5), SOME)
    assert many.share.shape == (3, len(MODES), 8, len(YEARS))
    np.testing.assert_allclose(many.share.sum(axis=1), 1.0, rtol=1e-12)
    assert bool(np.all(many.share >= 0))
    assert many.break_even_base_share.shape == (3, 8)
    assert many.season_green_share.shape == (3, len(SEASONS), 8, len(YEARS))
    np.testing.assert_allclose(many.share * many.trips.sum(axis=1)[:, None], many.trips, rtol=1e-12)


def test_mode_order_is_the_code_list(inputs: Inputs) -> None:
    codes = inputs.table("codes")
    assert tuple(codes.filter(pl.col("list") == "travel_mode")["code"]) == MODES
    assert len(prefectures(codes)) == 14


def test_segments_add_up_to_the_city(outcome: TravelOutcome) -> None:
    sums = outcome.segments.filter(pl.col("year") == 2030).group_by("area", "mode").agg(pl.col("trips", "pkm").sum())
    assert sums.height > 14 * 7
    for area, mode, trips, pkm in sums.iter_rows():
        at = outcome.areas.index(area), MODES.index(mode), 0, I2030
        assert trips == pytest.approx(outcome.trips[at], rel=1e-9)
        assert pkm == pytest.approx(outcome.pkm[at], rel=1e-9)


# ---- levers

#: Parameter, operation, value, sign of the change of the green share of 2030, cities that it reaches (all = every one).
LEVERS = [
    ("vehicle_stock:urban_bus", "scale", 1.3, 1, SOME),
    ("transit_fare_index", "scale", 0.7, 1, SOME),
    ("bus_lane_share", "add", 0.3, 1, SOME),
    ("bus_signal_priority_share", "add", 0.5, 1, SOME),
    ("bus_regularity_gain", "add", 0.4, 1, SOME),
    ("bus_stop_gap_closed", "add", 0.5, 1, (SHENYANG, ANSHAN)),
    ("metro_service_index", "scale", 1.3, 1, (SHENYANG, DALIAN)),
    ("metro_time_index", "scale", 0.9, 1, (SHENYANG, DALIAN)),
    ("metro_access_index", "scale", 0.8, 1, (SHENYANG, DALIAN)),
    ("metro_length_added", "add", 50.0, 1, SOME),
    ("cycle_network_index", "scale", 2.0, 1, SOME),
    ("cycle_gap_closed", "add", 0.5, 1, SOME),
    ("walking_network_index", "scale", 1.5, 1, SOME),
    ("winter_clearing_share", "add", 0.8, 1, SOME),
    ("e_bike_availability_index", "scale", 1.3, 1, SOME),
    ("parking_cost_index", "scale", 2.0, 1, SOME),
    ("parking_supply_index", "scale", 0.7, 1, SOME),
    ("car_operating_cost_index", "scale", 1.5, 1, SOME),
    ("road_charge", "add", 10.0, 1, SOME),
    ("car_restraint_share", "add", 0.2, 1, SOME),
    ("vehicle_stock:private_car", "scale", 0.8, 1, SOME),
    ("taxi_fare_index", "scale", 1.3, 1, SOME),
    ("ride_hailing_fare_index", "scale", 1.3, 1, SOME),
    ("ride_hailing_supply_index", "scale", 0.7, 1, SOME),
    ("compact_growth_share", "add", 0.2, 1, SOME),
    ("road_capacity_index", "scale", 1.3, -1, SOME),
    ("city_car_occupancy", "scale", 1.3, -1, SOME),
]


@pytest.mark.parametrize(("parameter", "operation", "value", "sign", "reached"), LEVERS, ids=[row[0] for row in LEVERS])
def test_direction_of_each_lever(
    inputs: Inputs,
    params: Params,
    some: TravelOutcome,
    parameter: str,
    operation: str,
    value: float,
    sign: int,
    reached: tuple[str, ...],
) -> None:
    parameter, subject = parameter.split(":") if ":" in parameter else (parameter, "*")
    after = model_travel(inputs, params.with_levers([(lever(parameter, operation, subject), value)]), SOME)
    for i, area in enumerate(SOME):
        change = sign * (after.green_share[i] - some.green_share[i])[..., I2030]
        assert bool(np.all(change > 0)) if area in reached else bool(np.all(change == 0)), area
    np.testing.assert_array_equal(after.share[..., : I2020 + 1], some.share[..., : I2020 + 1])
    np.testing.assert_allclose(after.trips.sum(axis=1), some.trips.sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("parameter", ["city_car_occupancy", "road_capacity_index"])
def test_fuller_cars_and_wider_roads_make_driving_faster(
    inputs: Inputs, params: Params, some: TravelOutcome, parameter: str
) -> None:
    after = model_travel(inputs, params.with_levers([(lever(parameter), 1.3)]), SOME).car_time_index[..., I2030]
    assert bool(np.all(after < some.car_time_index[..., I2030]))


def test_every_second_car_barred_halves_car_trips_at_most(inputs: Inputs, params: Params) -> None:
    """Without evasion and without congestion the trips by car are exactly those that are not barred."""
    calm = params.replace("congestion_delay_coefficient", "all", np.zeros((1, len(YEARS))))
    calm = calm.replace("car_restraint_evasion", "all", np.zeros((1, len(YEARS))))
    before = model_travel(inputs, calm, SOME)
    after = model_travel(inputs, calm.with_levers([(lever("car_restraint_share", "add"), 0.5)]), SOME)
    car = MODES.index("car")
    np.testing.assert_allclose(after.trips[:, car, 0, I2030], 0.5 * before.trips[:, car, 0, I2030], rtol=1e-12)


def test_a_lever_in_one_city_moves_no_other(inputs: Inputs, params: Params, outcome: TravelOutcome) -> None:
    after = model_travel(inputs, params.with_levers([(lever("metro_length_added", "add", ANSHAN), 20.0)]))
    for i, area in enumerate(outcome.areas):
        same = np.array_equal(after.share[i], outcome.share[i])
        assert same == (area != ANSHAN), area


def test_a_first_metro_takes_about_what_its_length_brings(inputs: Inputs, params: Params, some: TravelOutcome) -> None:
    """Boardings per km of the row, at the reference length; within the bus nest the line takes a little less than beside it."""
    length = float(params.get("first_metro_length")[0, I2030])
    after = model_travel(inputs, params.with_levers([(lever("metro_length_added", "add", ANSHAN), length)]), SOME)
    i = SOME.index(ANSHAN)
    assert some.share[i, METRO].max() == 0.0
    boardings = length * float(params.get("metro_boardings_per_km_day")[0, I2030]) * 365.0
    ratio = boardings / float(params.get("boardings_per_trip", "metro")[0, I2030]) / some.trips[i, :, 0, I2019].sum()
    assert after.share[i, METRO, 0, I2030] == pytest.approx(ratio / (1.0 + ratio), rel=0.3)
    lost = 1.0 - after.share[i, :, 0, I2030] / np.where(some.share[i, :, 0, I2030] > 0, some.share[i, :, 0, I2030], 1.0)
    assert lost[MODES.index("bus")] > lost[MODES.index("car")] > lost[MODES.index("walk")] > 0


# ---- congestion


@given(
    ratio=st.floats(0.2, 1.8),
    delay=st.floats(0.05, 1.5),
    exponent=st.floats(1.0, 6.0),
    cars=st.floats(0.5, 2.0),
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_congestion_reaches_its_fixed_point(
    inputs: Inputs, params: Params, ratio: float, delay: float, exponent: float, cars: float
) -> None:
    """Car time must follow from the vehicle-km that it produces itself, recomputed here from the outcome."""
    shape = (1, len(YEARS))
    moved = params.replace("congestion_delay_coefficient", "all", np.full(shape, delay))
    moved = moved.replace("congestion_exponent", "all", np.full(shape, exponent))
    for subject in moved.subjects("road_volume_capacity"):
        moved = moved.replace("road_volume_capacity", subject, np.full(shape, ratio))
    moved = moved.with_levers([(lever("vehicle_stock", subject="private_car"), cars)])
    found = model_travel(inputs, moved, (SHENYANG, ANSHAN))
    traffic = found.vehicle_km[:, :, 0].sum(axis=1)
    background = float(params.get("road_background_share")[0, 0])
    capacity = params.get("road_capacity_index")[0] / params.get("road_capacity_index")[0, I2019]
    volume = (background + (1.0 - background) * traffic / traffic[:, [I2019]]) / capacity
    one = np.ones_like(volume)
    expected = car_time_index(volume, one * ratio, one * delay, one * exponent)
    np.testing.assert_allclose(found.car_time_index[:, 0], expected, rtol=1e-8)


def test_vehicle_km_follow_from_passenger_km(params: Params, outcome: TravelOutcome) -> None:
    car = outcome.pkm[:, MODES.index("car"), 0] / params.get("city_car_occupancy")[0]
    np.testing.assert_allclose(outcome.vehicle_km[:, ROAD_MODES.index("car"), 0], car, rtol=1e-12)


# ---- independence


def test_a_draw_does_not_depend_on_its_neighbours(inputs: Inputs) -> None:
    """The solver stops per element, so that a run split over workers gives the same bytes."""
    many = inputs.params(draws=5, seed=2)
    together = model_travel(inputs, many, SOME)
    single = model_travel(inputs, draw_alone(inputs, many, 2), SOME)
    for name in ("share", "pkm", "vehicle_km", "car_time_index", "peak_green_share", "season_green_share"):
        np.testing.assert_array_equal(getattr(together, name)[..., 2:3, :], getattr(single, name), name)
    np.testing.assert_array_equal(together.break_even_base_share[:, 2:3], single.break_even_base_share)


def test_a_city_does_not_depend_on_the_others_asked_for(inputs: Inputs, params: Params, outcome: TravelOutcome) -> None:
    for area in SOME:
        alone, i = model_travel(inputs, params, (area,)), outcome.areas.index(area)
        for name in ("share", "trips", "pkm", "vehicle_km", "green_share", "break_even_base_share", "car_time_index"):
            np.testing.assert_array_equal(getattr(alone, name)[0], getattr(outcome, name)[i], name)
        assert alone.elasticities.is_empty()
        assert alone.has_target == {area: outcome.has_target[area]}
    assert not outcome.elasticities.is_empty()


# ---- targets and indicators


def test_a_city_above_its_break_even_share_meets_the_target(inputs: Inputs) -> None:
    drawn = model_travel(inputs, inputs.params(draws=12, seed=11), SOME)
    meets = drawn.green_share[..., I2030] > 0.7
    np.testing.assert_array_equal(drawn.green_share[..., I2020] > drawn.break_even_base_share, meets)
    np.testing.assert_array_equal(drawn.green_share[..., I2019] > drawn.break_even_normal_share, meets)
    assert bool(meets.any())
    assert not bool(meets.all())


def test_targets_come_from_the_census(inputs: Inputs, params: Params, outcome: TravelOutcome) -> None:
    assert {a for a, has in outcome.has_target.items() if has} == TARGET_CITIES
    census = inputs.table("demand/population").with_columns(
        pl.when((pl.col("area") == "210700") & (pl.col("item") == "city_proper_population"))
        .then(pl.col("value") * 0.9)
        .otherwise(pl.col("value"))
        .alias("value")
    )
    smaller = replace(inputs, tables={**inputs.tables, "demand/population": census})
    assert not model_travel(smaller, params, ("210700",)).has_target["210700"]


def test_without_a_city_with_a_target_the_model_runs_and_implies_no_elasticities(inputs: Inputs, outcome: TravelOutcome) -> None:
    params = inputs.params(draws=1).replace("green_travel_residents_threshold", "all", np.full((1, len(YEARS)), 1e8))
    none = model_travel(inputs, params)
    assert not any(none.has_target.values())
    assert none.elasticities.is_empty()
    assert none.elasticities.schema == outcome.elasticities.schema
    np.testing.assert_array_equal(none.share, outcome.share)


def test_e_bike_switch(inputs: Inputs, params: Params, some: TravelOutcome) -> None:
    e_bike = some.share[:, MODES.index("e_bike")]
    np.testing.assert_allclose(some.green_share - some.green_share_without_e_bike, e_bike, rtol=1e-9)
    off = model_travel(inputs, params.replace("e_bike_counts_as_cycling", "all", np.zeros((1, len(YEARS)))), SOME)
    np.testing.assert_array_equal(off.green_share, off.green_share_without_e_bike)
    np.testing.assert_array_equal(off.green_share, some.green_share_without_e_bike)


def test_green_share_is_walk_cycle_bus_metro(some: TravelOutcome) -> None:
    green = some.share[:, [MODES.index(m) for m in GREEN]].sum(axis=1)
    np.testing.assert_allclose(some.green_share_without_e_bike, green, rtol=1e-12)


def test_transit_share_of_motorised(some: TravelOutcome) -> None:
    share = dict(zip(MODES, some.share[0, :, 0, I2030], strict=True))
    motorised = 1.0 - share["walk"] - share["cycle"] - share["e_bike"]
    assert some.transit_share_of_motorised[0, 0, I2030] == pytest.approx((share["bus"] + share["metro"]) / motorised)


def test_the_year_lies_between_its_seasons(some: TravelOutcome) -> None:
    cold, warm = (some.season_green_share[:, SEASONS.index(s)] for s in ("cold", "warm"))
    assert bool(np.all(cold < warm))
    assert bool(np.all((cold < some.green_share) & (some.green_share < warm)))


def test_peak_trips_are_less_green_in_no_city_by_much(outcome: TravelOutcome) -> None:
    """Commutes and school trips differ from leisure, but of one city: the two readings stay within a fifth of each other."""
    gap = np.abs(outcome.peak_green_share - outcome.green_share)
    assert 0.0 < gap[..., I2019].max() < 0.2


# ---- fit and bad input


def test_fit_compares_boardings(outcome: TravelOutcome) -> None:
    fit = outcome.fit
    row = fit.filter(pl.col("item") == "ridership, 210100 metro", pl.col("year") == 2022)
    made = outcome.trips[outcome.areas.index(SHENYANG), METRO, 0, year_index(2022)] * 1.2
    assert row["modelled"].item() == pytest.approx(made)
    assert row["observed"].item() == 292340000
    assert {"calibration", "validation"} <= set(fit["used_for"])


def test_ridership_is_met(outcome: TravelOutcome) -> None:
    """In sample within an eighth, held out within a third: the base shares contradict the ridership of Shenyang by a tenth themselves."""
    fit = outcome.fit.filter(pl.col("item").str.starts_with("ridership"))
    worst = {use: fit.filter(pl.col("used_for") == use)["error_pct"].abs().max() for use in ("calibration", "validation")}
    assert worst["calibration"] < 12.5
    assert worst["validation"] < 33.0
    assert fit["observed"].null_count() == 0


def test_bus_lanes_beyond_all_of_the_service_are_refused(inputs: Inputs, params: Params) -> None:
    with pytest.raises(ValueError, match="bus_lane_share"):
        model_travel(inputs, params.with_levers([(lever("bus_lane_share", "add"), 0.95)]), SOME)


def test_an_unknown_area_is_named(inputs: Inputs, params: Params) -> None:
    with pytest.raises(ValueError, match=r"no prefecture 219900; the codes are 210100, "):
        model_travel(inputs, params, (SHENYANG, "219900"))


def test_a_preference_of_zero_is_named(inputs: Inputs, params: Params) -> None:
    zero = params.replace("travel_preference_recovery", "bus", np.zeros((1, len(YEARS))))
    with pytest.raises(ValueError, match="travel_preference_recovery of bus must be positive; it falls to 0"):
        model_travel(inputs, zero, (SHENYANG,))


def test_a_missing_census_row_is_named(inputs: Inputs) -> None:
    census = inputs.table("demand/population").filter(pl.col("area") != ANSHAN)
    with pytest.raises(ValueError, match="0 rows city_proper_population for 210300"):
        city_residents(census, (SHENYANG, ANSHAN))
