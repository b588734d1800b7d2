"""The bus depot: one plug and two buses by hand, late buses, conservation, determinism, managed charging."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from fleets.battery import Battery, charge_time_min
from fleets.depot import Buses, ValleyFirst, bus_blocks, minimum_fleet, simulate_bus_depot
from fleets.errors import BlockError, ChargingError
from fleets.station import Plugs

PROFILE = [
    0,
    0,
    0,
    0,
    0.003,
    0.04,
    0.068,
    0.08,
    0.072,
    0.062,
    0.057,
    0.056,
    0.056,
    0.056,
    0.057,
    0.06,
    0.07,
    0.076,
    0.064,
    0.046,
    0.036,
    0.026,
    0.013,
    0.002,
]
SEEDS = [np.random.SeedSequence(7, spawn_key=(r,)) for r in range(3)]


def fleet(count, battery, **more):
    rules = {"energy_cv": 0.0, "target_soc": 1.0, "reserve_soc": 0.1, "turnaround_min": 0.0, "late_tolerance_min": 60.0}
    return Buses(count=count, battery=battery, **(rules | more))


def blocks(rows):
    return pl.DataFrame(rows, schema=["bus", "start_min", "end_min", "km", "kwh"], orient="row")


def real_blocks(count, rng=None, **more):
    settings = {
        "day_factor": [1.0] * 9,
        "peak_out_share": 0.88,
        "longest_piece_min": 540.0,
        "km_per_min": [0.23] * 24,
        "kwh_per_km": [1.2] * 9,
    }
    return bus_blocks(count, PROFILE, rng=rng or np.random.default_rng(3), **(settings | more))


def test_one_plug_two_buses_by_hand():
    # two buses return at minute 100 with 40 kWh missing; one 100 kW plug, no taper: 24 min each
    battery = Battery(100.0, 100.0, 0.9, 100.0)
    plan = blocks([(0, 0, 100, 30, 40.0), (1, 0, 100, 30, 40.0), (0, 300, 400, 30, 40.0), (1, 300, 400, 30, 40.0)])
    run = simulate_bus_depot(fleet(2, battery), plan, Plugs(1, 100.0, 0.8), seeds=SEEDS[:1], horizon_min=1440)
    first = run.sessions.filter(pl.col("arrive_min") == 100.0).sort("start_min")
    assert first["start_min"].to_list() == pytest.approx([100.0, 124.0])
    assert first["end_min"].to_list() == pytest.approx([124.0, 148.0])
    assert first["wait_min"].to_list() == pytest.approx([0.0, 24.0])
    assert first["stored_kwh"].to_list() == pytest.approx([40.0, 40.0])
    assert first["grid_kwh"].to_list() == pytest.approx([50.0, 50.0])
    assert run.value("served_share") == 1.0
    # four charges of 50 kWh: two after each round
    assert run.value("grid_kwh") == pytest.approx(200.0)
    assert run.value("peak_kw") == pytest.approx(125.0)
    assert run.value("wait_mean_min") == pytest.approx(12.0)


def test_ten_hours_are_enough_for_both():
    # the case where a plug held until departure leaves the second bus empty
    battery = Battery(100.0, 100.0, 0.9, 100.0)
    plan = blocks([(b, s, s + 60, 20, 40.0) for b in (0, 1) for s in (0, 700)])
    run = simulate_bus_depot(fleet(2, battery), plan, Plugs(1, 100.0, 1.0), seeds=SEEDS[:1], horizon_min=1440)
    assert run.value("served_share") == 1.0
    assert run.value("delayed_share") == 0.0


def test_late_departure_is_recorded_and_waits_only_for_what_the_block_needs():
    # back at 100 with 20 % left, next block at 110 needs 40 + 10 %: 30 kWh at 60 kW = 30 min, so it leaves 20 min late
    battery = Battery(100.0, 60.0, 0.9, 60.0)
    plan = blocks([(0, 0, 100, 50, 80.0), (0, 110, 200, 30, 40.0)])
    run = simulate_bus_depot(fleet(1, battery), plan, Plugs(1, 60.0, 1.0), seeds=SEEDS[:1], horizon_min=1440)
    assert run.blocks["delay_min"].to_list() == pytest.approx([0.0, 20.0])
    assert run.blocks["state"].to_list() == ["served", "served"]
    assert run.value("delayed_share") == 0.5


def test_a_block_later_than_the_tolerance_is_lost_and_one_beyond_the_battery_too():
    battery = Battery(100.0, 20.0, 0.9, 20.0)
    plan = blocks([(0, 0, 100, 50, 80.0), (0, 110, 200, 30, 40.0), (0, 900, 990, 90, 95.0), (0, 1000, 1100, 10, 10.0)])
    run = simulate_bus_depot(fleet(1, battery), plan, Plugs(1, 20.0, 1.0), seeds=SEEDS[:1], horizon_min=1440)
    assert run.blocks["state"].to_list() == ["served", "too_late", "beyond_battery", "served"]
    assert run.value("served_share") == 0.5
    assert run.value("beyond_battery_share") == 0.25


def test_a_full_charge_with_taper_ends_at_the_closed_form():
    battery = Battery(100.0, 100.0, 0.8, 10.0)
    plan = blocks([(0, 0, 60, 30, 50.0)])
    run = simulate_bus_depot(fleet(1, battery), plan, Plugs(1, 100.0, 1.0), seeds=SEEDS[:1], horizon_min=1440)
    exact = float(charge_time_min(100.0, 0.5, 1.0, 100.0, max_kw=100.0, taper_soc=0.8, end_kw=10.0))
    assert (run.sessions["end_min"] - run.sessions["start_min"]).to_list() == pytest.approx([exact])
    assert run.sessions["soc_end"].to_list() == [1.0]


@pytest.mark.parametrize("limit", [float("inf"), 1500.0])
@pytest.mark.parametrize("policy", [None, ValleyFirst(0.7, ((690, 750), (1320, 1740)), 0.85, 15.0)])
def test_conservation_and_determinism(limit, policy):
    battery = Battery(220.0, 200.0, 0.8, 20.0)
    buses = fleet(40, battery, energy_cv=0.15, turnaround_min=10.0)
    site = Plugs(14, 120.0, 0.9, limit_kw=limit, module_kw=0.0)
    plan = real_blocks(40)
    run, again = (simulate_bus_depot(buses, plan, site, seeds=SEEDS, policy=policy) for _ in range(2))
    assert run.checks["passed"].all()
    assert {"grid_minus_stored_and_losses", "load_curve_minus_grid", "battery_change_minus_stored_plus_driven"} <= set(
        run.checks["check"]
    )
    # conservation recomputed here, from the records alone
    for r in range(3):
        sessions = run.sessions.filter(pl.col("replication") == r)
        assert sessions["grid_kwh"].sum() * 0.9 == pytest.approx(sessions["stored_kwh"].sum())
        assert ((sessions["soc_end"] - sessions["soc_start"]) * 220.0).to_list() == pytest.approx(
            sessions["stored_kwh"].to_list()
        )
    # a session starts from what the block before it left: nothing is made or lost between records
    one = run.sessions.filter((pl.col("replication") == 0) & (pl.col("vehicle") == 0)).sort("arrive_min")
    driven = run.blocks.filter((pl.col("replication") == 0) & (pl.col("bus") == 0) & (pl.col("state") == "served")).sort(
        "start_min"
    )
    used = driven.filter(pl.col("end_min") <= float(one["arrive_min"][-1]))["kwh"].sum()
    assert 1.0 - used / 220.0 + one["stored_kwh"][:-1].sum() / 220.0 == pytest.approx(float(one["soc_start"][-1]))
    for name in ("summary", "sessions", "blocks", "checks"):
        assert_frame_equal(getattr(run, name), getattr(again, name), check_exact=True)
    assert run.load_kw.tobytes() == again.load_kw.tobytes()
    if limit < 1e9:
        assert run.load_kw.max() <= limit + 1e-6


def test_every_block_has_one_row():
    plan = real_blocks(30)
    run = simulate_bus_depot(
        fleet(30, Battery(150.0, 100.0, 0.8, 10.0), energy_cv=0.2), plan, Plugs(3, 60.0, 0.9), seeds=SEEDS[:1]
    )
    # all but those that may still leave in time when the run ends
    expected = plan.filter(pl.col("start_min") < 10080 - 60.0)
    assert run.blocks.filter(pl.col("planned_start_min") < 10080 - 60.0).height == expected.height
    assert set(run.blocks["state"]) <= {"served", "too_late", "beyond_battery"}
    assert run.value("served_share") < 0.9
    assert run.value("waiting_at_end") > 0


def test_without_plugs_buses_drive_what_their_battery_holds():
    # 100 kWh, 10 % in reserve: two blocks of 40 kWh, the other two are lost; the bus that waits for ever is counted, too
    battery = Battery(100.0, 100.0, 0.9, 100.0)
    plan = blocks([(0, s, s + 60, 20, 40.0) for s in (0, 100, 200, 300)])
    run = simulate_bus_depot(fleet(1, battery), plan, Plugs(0, 100.0, 0.9), seeds=SEEDS[:1], horizon_min=1440)
    assert run.blocks["state"].to_list() == ["served", "served", "too_late", "too_late"]
    assert run.value("served_share") == 0.5
    assert run.value("plug_utilisation") == run.value("grid_kwh") == 0.0
    assert run.value("waiting_at_end") == 1.0


def test_a_block_that_ends_with_the_run_is_on_the_road():
    battery = Battery(100.0, 100.0, 0.9, 100.0)
    run = simulate_bus_depot(
        fleet(1, battery), blocks([(0, 0, 1440, 20, 40.0)]), Plugs(1, 100.0, 0.9), seeds=SEEDS[:1], horizon_min=1440
    )
    assert run.checks["passed"].all()
    assert run.value("served_share") == 1.0


def test_managed_charging_moves_energy_into_the_valley_at_the_same_service():
    battery = Battery(250.0, 250.0, 0.8, 25.0)
    buses = fleet(40, battery, energy_cv=0.1)
    plan = real_blocks(40)
    windows = ((690, 750), (1320, 1740))
    at_once = simulate_bus_depot(buses, plan, Plugs(16, 120.0, 0.92), seeds=SEEDS)
    managed = simulate_bus_depot(buses, plan, Plugs(16, 120.0, 0.92), seeds=SEEDS, policy=ValleyFirst(1.0, windows, 0.85, 15.0))
    minute = np.arange(672) * 15 % 1440
    valley = (minute >= 1320) | (minute < 300) | ((minute >= 690) & (minute < 750))
    share = [r.load_kw[:, valley].sum() / r.load_kw.sum() for r in (at_once, managed)]
    assert share[1] > share[0] + 0.1
    assert managed.value("served_share") == pytest.approx(at_once.value("served_share"), abs=0.01)
    # the same demand in both (common random numbers)
    assert managed.value("energy_kwh_per_km") == pytest.approx(at_once.value("energy_kwh_per_km"), rel=0.01)


def test_minimum_fleet_is_the_largest_overlap():
    plan = pl.DataFrame({"start_min": [0.0, 10.0, 20.0, 30.0], "end_min": [10.0, 20.0, 30.0, 40.0]})
    assert minimum_fleet(plan) == 1
    assert minimum_fleet(plan, recovery_min=5.0) == 2
    assert minimum_fleet(plan, recovery_min=20.0) == 3
    assert minimum_fleet(plan.head(0)) == 0
    # a schedule made for 60 buses never needs more than 60 without recovery
    assert minimum_fleet(real_blocks(60)) <= 60
    with pytest.raises(BlockError, match="ends before"):
        minimum_fleet(pl.DataFrame({"start_min": [5.0], "end_min": [4.0]}))


def test_minimum_fleet_takes_simple_arguments():
    # unsorted, integers, a dict, a turnaround by position
    plan = {"start_min": [130, 0, 60], "end_min": [180, 100, 120]}
    assert minimum_fleet(plan) == minimum_fleet(plan, 10) == 2
    assert minimum_fleet(plan, 30.5) == 3
    assert minimum_fleet([]) == 0
    # ready at the very minute the next block starts, whatever rounding says
    assert minimum_fleet({"start_min": [0.0, 0.1 + 0.2], "end_min": [0.1, 9.0]}, 0.2) == 1
    assert minimum_fleet({"start_min": [0.0, 0.3], "end_min": [0.1, 9.0]}, 0.2) == 1
    assert minimum_fleet({"start_min": [5], "end_min": [5]}) == 1
    # types cannot stand in for each other
    assert minimum_fleet({"start_min": [0, 50], "end_min": [40, 90], "vehicle_type": ["a", "b"]}) == 2
    with pytest.raises(BlockError, match="end_min is missing"):
        minimum_fleet({"start_min": [0]})
    with pytest.raises(BlockError, match="negative"):
        minimum_fleet(plan, -5)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), min_size=1, max_size=8), st.integers(0, 10))
def test_minimum_fleet_is_what_a_greedy_dispatcher_needs(rows, turnaround):
    ready: list[int] = []
    for start, length in sorted(rows):
        ready.sort()
        if ready and ready[0] <= start:
            ready.pop(0)
        ready.append(start + length + turnaround)
    plan = {"start_min": [s for s, _ in rows], "end_min": [s + n for s, n in rows]}
    assert minimum_fleet(plan, turnaround) == len(ready)


def test_blocks_follow_the_profile():
    plan = real_blocks(100)
    # nobody is in two places, and no piece is longer than allowed
    gaps = plan.sort("bus", "start_min").with_columns(pl.col("end_min").shift().over("bus").alias("before"))
    assert (gaps["start_min"] >= gaps["before"].fill_null(-1e9)).all()
    assert (plan["end_min"] - plan["start_min"]).max() <= 540.0 + 1e-6
    # buses on the road on Tuesday at half past seven: 88 of 100 in the busiest hour
    on_road = plan.filter((pl.col("start_min") < 1440 + 8 * 60) & (pl.col("end_min") >= 1440 + 8 * 60)).height
    assert on_road == pytest.approx(88, abs=3)
    assert plan.filter((pl.col("start_min") < 1440 + 3 * 60) & (pl.col("end_min") > 1440 + 3 * 60)).height == 0
    assert plan["km"].to_list() == pytest.approx(((plan["end_min"] - plan["start_min"]) * 0.23).to_list())
    assert (plan["kwh"] / plan["km"]).to_list() == pytest.approx([1.2] * plan.height)


def test_bad_input():
    battery = Battery(100.0, 60.0, 0.9, 6.0)
    with pytest.raises(BlockError, match="name bus 3"):
        simulate_bus_depot(fleet(1, battery), blocks([(3, 0, 10, 1, 1.0)]), Plugs(1, 60.0, 0.9), seeds=SEEDS[:1])
    with pytest.raises(BlockError, match="overlaps"):
        simulate_bus_depot(
            fleet(1, battery), blocks([(0, 0, 10, 1, 1.0), (0, 5, 15, 1, 1.0)]), Plugs(1, 60.0, 0.9), seeds=SEEDS[:1]
        )
    with pytest.raises(BlockError, match="24 values"):
        real_blocks(5, km_per_min=[0.2] * 23)
    with pytest.raises(ChargingError, match="must not be negative"):
        Plugs(-1, 60.0, 0.9)


def test_one_replication_has_no_interval():
    plan = real_blocks(10)
    run = simulate_bus_depot(fleet(10, Battery(250.0, 100.0, 0.8, 10.0)), plan, Plugs(4, 60.0, 0.9), seeds=SEEDS[:1])
    assert run.summary["low"].null_count() == run.summary.height
    three = simulate_bus_depot(fleet(10, Battery(250.0, 100.0, 0.8, 10.0), energy_cv=0.1), plan, Plugs(4, 60.0, 0.9), seeds=SEEDS)
    row = three.summary.filter(pl.col("metric") == "grid_kwh").row(0, named=True)
    assert row["low"] < row["value"] < row["high"]


def test_two_hundred_buses_cost_few_events():
    # events happen at departures, returns and plugs only: some seven per block, none per stop or minute
    plan = real_blocks(200)
    run = simulate_bus_depot(fleet(200, Battery(250.0, 250.0, 0.8, 25.0)), plan, Plugs(60, 120.0, 0.92), seeds=SEEDS[:1])
    assert run.events < 8 * plan.height
