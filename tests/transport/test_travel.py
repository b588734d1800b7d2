"""City travel: the logit's known answers, conservation, congestion, break-even, targets from the census."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transport.layout import YEARS, year_index
from transport.params import Lever, Params
from transport.travel import ELASTICITIES, GREEN, MODES, base_shares, car_time_index, city_residents, model_travel, prefectures

if TYPE_CHECKING:
    from pathlib import Path

I2019, I2020, I2030 = (year_index(y) for y in (2019, 2020, 2030))
SHENYANG, ANSHAN = "210100", "210300"
TARGET_CITIES = {"210100", "210200", "210300", "210400", "210700"}
DRIVER = {
    "bus_service": ("vehicle_stock", "urban_bus"),
    "transit_fare": ("transit_fare_index", "*"),
    "cycle_network": ("cycle_network_index", "*"),
    "walking_network": ("walking_network_index", "*"),
    "e_bike_availability": ("e_bike_availability_index", "*"),
    "car_ownership": ("vehicle_stock", "private_car"),
    "car_operating_cost": ("car_operating_cost_index", "*"),
    "parking_cost": ("parking_cost_index", "*"),
    "metro_length": ("metro_length", "*"),
}


class Tables:
    """Tables straight from the files, the census replaceable."""

    def __init__(self, folder: Path) -> None:
        self.tables = {}
        for name in ("codes", "demand/population", "observed/passengers"):
            found = pl.read_csv(folder / f"{name}.csv", infer_schema=False)
            numbers = [c for c in ("value", "low", "high") if c in found.columns]
            self.tables[name] = found.with_columns(pl.col(numbers).cast(pl.Float64))

    def table(self, name: str) -> pl.DataFrame:
        return self.tables[name]


@pytest.fixture(scope="module")
def tables(data_folder: Path) -> Tables:
    return Tables(data_folder)


@pytest.fixture(scope="module")
def rows(data_folder: Path) -> pl.DataFrame:
    files = sorted((data_folder / "parameters").glob("travel_*.csv"))
    files += [data_folder / "parameters" / f"{name}.csv" for name in ("passengers_trend", "vehicles_stock", "vehicles_use")]
    read = pl.concat([pl.read_csv(f, infer_schema=False) for f in files])
    return read.with_columns(pl.col("value", "low", "high").cast(pl.Float64), pl.col("year").cast(pl.Int64))


@pytest.fixture(scope="module")
def params(rows: pl.DataFrame) -> Params:
    return Params.from_frame(rows)


@pytest.fixture(scope="module")
def flat(params: Params) -> Params:
    """Return parameters that stay at the pivot year after it, without congestion."""
    return params.hold(2019).replace("congestion_delay_coefficient", "all", np.zeros((1, len(YEARS))))


def lever(parameter: str, operation: str = "scale", subject: str = "*") -> Lever:
    return Lever("test", parameter, subject, operation, 0.0, 1e3, 1.0 if operation == "scale" else 0.0)


def test_pivot_year_shows_the_base_table(tables: Tables, params: Params) -> None:
    outcome = model_travel(tables, params)
    expected = base_shares(params, outcome.areas)
    np.testing.assert_allclose(outcome.share[..., I2019], expected, rtol=1e-12)
    np.testing.assert_allclose(outcome.car_time_index[..., I2019], 1.0, rtol=1e-12)
    np.testing.assert_allclose(expected.sum(axis=1), 1.0)


def test_trips_are_residents_times_rate(tables: Tables, params: Params) -> None:
    outcome = model_travel(tables, params)
    shenyang = outcome.trips[outcome.areas.index(SHENYANG), :, 0, I2020].sum()
    assert shenyang == pytest.approx(7067239 * 0.96 * 2.35 * 365 * 0.86)


def test_mode_order_is_the_code_list(tables: Tables) -> None:
    codes = tables.table("codes")
    assert tuple(codes.filter(pl.col("list") == "travel_mode")["code"]) == MODES
    assert len(prefectures(codes)) == 14


def test_shares_sum_to_one_in_every_draw(tables: Tables, rows: pl.DataFrame) -> None:
    outcome = model_travel(tables, Params.from_frame(rows, draws=20, seed=5))
    assert outcome.share.shape == (14, len(MODES), 20, len(YEARS))
    np.testing.assert_allclose(outcome.share.sum(axis=1), 1.0, rtol=1e-12)
    assert bool(np.all(outcome.share >= 0))
    assert outcome.break_even_base_share.shape == (14, 20)


def test_ten_percent_more_service_gives_six_percent_more_bus_trips(tables: Tables, flat: Params) -> None:
    """Own elasticity 0.6: within the curvature of the logit a rise of 10 % gives 1.1^0.6 - 1 = 5.9 %."""
    before = model_travel(tables, flat)
    after = model_travel(tables, flat.with_levers([(lever("vehicle_stock", subject="urban_bus"), 1.1)]))
    bus = MODES.index("bus")
    gain = after.trips[:, bus, 0, I2030] / before.trips[:, bus, 0, I2030] - 1.0
    np.testing.assert_allclose(gain, 1.1**0.6 - 1.0, atol=0.001)
    share = before.share[:, bus, 0, I2030]
    weight = 1.1 ** (0.6 / (1.0 - share))
    np.testing.assert_allclose(after.share[:, bus, 0, I2030], share * weight / (1.0 + share * (weight - 1.0)), rtol=1e-12)


@pytest.mark.parametrize("name", sorted(DRIVER))
def test_elasticity_rows_are_reproduced_at_the_base(tables: Tables, flat: Params, name: str) -> None:
    step = 1.0 + 1e-5
    before = model_travel(tables, flat)
    after = model_travel(tables, flat.with_levers([(lever(DRIVER[name][0], subject=DRIVER[name][1]), step)]))
    modes = list(ELASTICITIES[name])
    was, now = (o.trips[:, modes, 0, I2030].sum(axis=1) for o in (before, after))
    served = was > 0
    assert served.any()
    expected = float(flat.get("travel_elasticity", name)[0, 0])
    np.testing.assert_allclose(np.log(now[served] / was[served]) / np.log(step), expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("parameter", "operation", "value", "sign"),
    [
        ("vehicle_stock:urban_bus", "scale", 1.3, 1),
        ("transit_fare_index", "scale", 0.7, 1),
        ("bus_lane_share", "add", 0.3, 1),
        ("bus_signal_priority_share", "add", 0.5, 1),
        ("cycle_network_index", "scale", 2.0, 1),
        ("walking_network_index", "scale", 1.5, 1),
        ("parking_cost_index", "scale", 2.0, 1),
        ("car_operating_cost_index", "scale", 1.5, 1),
        ("e_bike_availability_index", "scale", 1.3, 1),
        ("vehicle_stock:private_car", "scale", 0.8, 1),
        ("metro_length", "add", 50.0, 1),
        ("road_capacity_index", "scale", 1.3, -1),
        ("city_car_occupancy", "scale", 1.3, -1),
    ],
)
def test_direction_of_each_lever(tables: Tables, params: Params, parameter: str, operation: str, value: float, sign: int) -> None:
    parameter, subject = parameter.split(":") if ":" in parameter else (parameter, "*")
    before = model_travel(tables, params)
    after = model_travel(tables, params.with_levers([(lever(parameter, operation, subject), value)]))
    assert bool(np.all(sign * (after.green_share - before.green_share)[..., I2030] > 0))
    np.testing.assert_array_equal(after.share[..., : I2020 + 1], before.share[..., : I2020 + 1])
    np.testing.assert_allclose(after.trips.sum(axis=1), before.trips.sum(axis=1), rtol=1e-12)


def test_fuller_cars_and_wider_roads_make_driving_faster(tables: Tables, params: Params) -> None:
    before = model_travel(tables, params).car_time_index[..., I2030]
    for parameter in ("city_car_occupancy", "road_capacity_index"):
        after = model_travel(tables, params.with_levers([(lever(parameter), 1.3)])).car_time_index[..., I2030]
        assert bool(np.all(after < before))


def test_default_levers_change_no_bit(tables: Tables, params: Params) -> None:
    before = model_travel(tables, params)
    settings_ = [
        (lever("vehicle_stock", subject="urban_bus"), 1.0),
        (lever("bus_lane_share", "add"), 0.0),
        (lever("metro_length", "add"), 0.0),
    ]
    after = model_travel(tables, params.with_levers(settings_))
    np.testing.assert_array_equal(after.share, before.share)
    np.testing.assert_array_equal(after.break_even_base_share, before.break_even_base_share)


def test_break_even_share_put_back_gives_the_target(tables: Tables, params: Params) -> None:
    """A data row scaled by hand until 2020 shows the break-even share must make 2030 show 70 %."""
    outcome = model_travel(tables, params)
    areas = outcome.areas
    green = [*GREEN, "e_bike"]

    def with_factor(log_factor: np.ndarray) -> Params:
        moved = params
        for area, x in zip(areas, log_factor, strict=True):
            for mode in green:
                moved = moved.replace(
                    "travel_base_share", f"{area}.{mode}", params.get("travel_base_share", f"{area}.{mode}") * np.exp(x)
                )
        return moved

    low, high = np.full(len(areas), -2.0), np.full(len(areas), 2.0)
    for _ in range(28):
        middle = 0.5 * (low + high)
        share = model_travel(tables, with_factor(middle)).green_share[:, 0, I2020]
        below = share < outcome.break_even_base_share[:, 0]
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    again = model_travel(tables, with_factor(0.5 * (low + high)))
    np.testing.assert_allclose(again.green_share[:, 0, I2030], 0.7, atol=1e-7)
    np.testing.assert_allclose(again.break_even_base_share, outcome.break_even_base_share, atol=1e-9)


def test_a_city_above_its_break_even_share_meets_the_target(tables: Tables, rows: pl.DataFrame) -> None:
    outcome = model_travel(tables, Params.from_frame(rows, draws=50, seed=11))
    above = outcome.green_share[..., I2020] > outcome.break_even_base_share
    meets = outcome.green_share[..., I2030] > 0.7
    np.testing.assert_array_equal(above, meets)
    assert bool(meets.any())
    assert not bool(meets.all())


@given(
    ratio=st.floats(0.2, 1.8),
    delay=st.floats(0.05, 1.5),
    exponent=st.floats(1.0, 6.0),
    cars=st.floats(0.3, 3.0),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_congestion_reaches_its_fixed_point(
    tables: Tables, params: Params, ratio: float, delay: float, exponent: float, cars: float
) -> None:
    """Car time must follow from the vehicle trips that it produces itself, recomputed here from the shares."""
    shape = (1, len(YEARS))
    moved = params.replace("congestion_delay_coefficient", "all", np.full(shape, delay))
    moved = moved.replace("congestion_exponent", "all", np.full(shape, exponent))
    for subject in moved.subjects("road_volume_capacity"):
        moved = moved.replace("road_volume_capacity", subject, np.full(shape, ratio))
    moved = moved.with_levers([(lever("vehicle_stock", subject="private_car"), cars)])
    outcome = model_travel(tables, moved)
    np.testing.assert_allclose(outcome.share.sum(axis=1), 1.0, rtol=1e-12)
    per_taxi = 1.0 / (1.6 * (1.0 - 0.33))
    trips = outcome.trips[:, :, 0]
    vehicles = trips[:, MODES.index("car")] / 1.45
    vehicles = vehicles + (trips[:, MODES.index("taxi")] + trips[:, MODES.index("ride_hailing")]) * per_taxi
    background = float(params.get("road_background_share")[0, 0])
    capacity = params.get("road_capacity_index")[0] / params.get("road_capacity_index")[0, I2019]
    volume = (background + (1.0 - background) * vehicles / vehicles[:, [I2019]]) / capacity
    one = np.ones_like(volume)
    expected = car_time_index(volume, one * ratio, one * delay, one * exponent)
    np.testing.assert_allclose(outcome.car_time_index[:, 0], expected, rtol=1e-8)


def test_a_draw_does_not_depend_on_its_neighbours(tables: Tables, rows: pl.DataFrame) -> None:
    """The solver stops per element, so that a run split over workers gives the same bytes."""
    many = Params.from_frame(rows, draws=6, seed=2)
    alone = Params(
        {(p, s): many.get(p, s)[2:3].copy() for p in sorted(set(rows["parameter"])) for s in many.subjects(p)},
        {p: many.unit(p) for p in sorted(set(rows["parameter"]))},
        1,
    )
    together, single = model_travel(tables, many), model_travel(tables, alone)
    np.testing.assert_array_equal(together.share[:, :, 2:3], single.share)
    np.testing.assert_array_equal(together.break_even_base_share[:, 2:3], single.break_even_base_share)


def test_volume_delay_known_answer() -> None:
    one = np.ones(1)
    assert car_time_index(2 * one, one, 0.15 * one, 4 * one)[0] == pytest.approx((1 + 0.15 * 16) / 1.15)
    assert car_time_index(one, 0.8 * one, 0.15 * one, 4 * one)[0] == 1.0


def test_targets_come_from_the_census(tables: Tables, params: Params) -> None:
    assert {a for a, has in model_travel(tables, params).has_target.items() if has} == TARGET_CITIES
    smaller = Tables.__new__(Tables)
    census = tables.table("demand/population").with_columns(
        pl.when((pl.col("area") == "210700") & (pl.col("item") == "city_proper_population"))
        .then(pl.col("value") * 0.9)
        .otherwise(pl.col("value"))
        .alias("value")
    )
    smaller.tables = {**tables.tables, "demand/population": census}
    assert not model_travel(smaller, params).has_target["210700"]


def test_a_missing_census_row_is_named(tables: Tables) -> None:
    census = tables.table("demand/population").filter(pl.col("area") != ANSHAN)
    with pytest.raises(ValueError, match="0 rows city_proper_population for 210300"):
        city_residents(census, (SHENYANG, ANSHAN))


def test_first_metro_takes_from_all_modes_alike(tables: Tables, flat: Params) -> None:
    before = model_travel(tables, flat)
    after = model_travel(tables, flat.with_levers([(lever("metro_length", "add", ANSHAN), 20.0)]))
    i, metro = before.areas.index(ANSHAN), MODES.index("metro")
    assert before.share[i, metro, 0, I2030] == 0
    boardings = 20.0 * 4500 * 365
    ratio = boardings / 1.2 / before.trips[i, :, 0, I2030].sum()
    assert after.share[i, metro, 0, I2030] == pytest.approx(ratio / (1 + ratio))
    others = [j for j in range(len(MODES)) if j != metro]
    np.testing.assert_allclose(after.share[i, others, 0, I2030] / before.share[i, others, 0, I2030], 1 / (1 + ratio))
    j = before.areas.index(SHENYANG)
    np.testing.assert_array_equal(after.share[j], before.share[j])


def test_e_bike_switch(tables: Tables, params: Params) -> None:
    outcome = model_travel(tables, params)
    e_bike = outcome.share[:, MODES.index("e_bike")]
    np.testing.assert_allclose(outcome.green_share - outcome.green_share_without_e_bike, e_bike, rtol=1e-9)
    off = model_travel(tables, params.replace("e_bike_counts_as_cycling", "all", np.zeros((1, len(YEARS)))))
    np.testing.assert_array_equal(off.green_share, off.green_share_without_e_bike)
    np.testing.assert_array_equal(off.green_share, outcome.green_share_without_e_bike)


def test_transit_share_of_motorised(tables: Tables, params: Params) -> None:
    outcome = model_travel(tables, params)
    share = dict(zip(MODES, outcome.share[0, :, 0, I2030], strict=True))
    motorised = 1.0 - share["walk"] - share["cycle"] - share["e_bike"]
    assert outcome.transit_share_of_motorised[0, 0, I2030] == pytest.approx((share["bus"] + share["metro"]) / motorised)


def test_bus_lanes_beyond_all_of_the_service_are_refused(tables: Tables, params: Params) -> None:
    with pytest.raises(ValueError, match="bus_lane_share"):
        model_travel(tables, params.with_levers([(lever("bus_lane_share", "add"), 0.95)]))


def test_fit_compares_boardings(tables: Tables, params: Params) -> None:
    outcome = model_travel(tables, params)
    fit = outcome.fit
    assert fit["observed"].null_count() == 0
    row = fit.filter(pl.col("item") == "ridership, 210100 metro", pl.col("year") == 2022)
    made = outcome.trips[outcome.areas.index(SHENYANG), MODES.index("metro"), 0, year_index(2022)] * 1.2
    assert row["modelled"].item() == pytest.approx(made)
    assert row["observed"].item() == 292340000
    assert {"calibration", "validation"} <= set(fit["used_for"])
