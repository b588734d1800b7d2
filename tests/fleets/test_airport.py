"""The airport week: turnarounds of the timetable, equipment conservation, missed turnarounds, power on stand by hand."""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from fleets.airport import Apron, Equipment, GapCharging, _integral, simulate_airport
from fleets.battery import Battery
from fleets.errors import BlockError
from fleets.station import Plugs

SEEDS = [np.random.SeedSequence(5, spawn_key=(r,)) for r in range(2)]
PROFILE = [1, 0.5, 0.2, 0.1, 0.1, 0.2, 1, 4, 4.2, 3.8, 3.5, 3.6, 3.7, 3.7, 3.8, 3.6, 3.7, 3.8, 3.6, 3.5, 3.7, 4.2, 4, 3.3]
RULE = GapCharging(charge_soc=0.5, target_soc=1.0, reserve_soc=0.15, tolerance_min=10.0)


def apron(**more):
    given = {
        "turnarounds_per_day": (60.0,) * 8,
        "contact_share": 0.7,
        "wide_share": 0.05,
        "turnaround_min": (50.0, 80.0),
        "turnaround_cv": 0.25,
        "ground_power_share": (0.9, 0.3),
        "ground_power_kw": (70.0, 180.0),
        "converter_efficiency": 0.9,
        "connect_min": 8.0,
        "turbine_kg_per_h": (100.0, 180.0),
        "wide_factor": 2,
    }
    return Apron(**(given | more))


def equipment(tugs=5, tractors=20):
    return [
        Equipment("tug", tugs, Battery(80.0, 60.0, 0.8, 6.0), 12.0, 6.0, 1, "all", 35.0),
        Equipment("tractor", tractors, Battery(40.0, 30.0, 0.8, 3.0), 40.0, 8.0, 2, "all", 3.0),
        Equipment("bus", 10, Battery(100.0, 80.0, 0.8, 8.0), 20.0, 5.0, 3, "remote", 2.0),
    ]


def run(stand=None, tools=None, plugs=12, **more):
    return simulate_airport(
        stand or apron(), tools or equipment(), Plugs(plugs, 20.0, 0.9), RULE, hourly_share=PROFILE, seeds=SEEDS, **more
    )


def test_conservation_determinism_and_records():
    first, again = (run() for _ in range(2))
    assert first.checks["passed"].all()
    for name in ("summary", "sessions", "blocks"):
        assert_frame_equal(getattr(first, name), getattr(again, name), check_exact=True)
    assert first.value("turnarounds") == pytest.approx(420, abs=8)
    assert first.value("equipment_kwh") + first.value("ground_power_kwh") == pytest.approx(first.value("grid_kwh"))
    # a week of equipment energy: operations done in the week over the efficiency, up to what is still in the batteries
    done = first.blocks.filter((pl.col("state") == "done") & (pl.col("start_min") >= 0))["kwh"].sum() / 2
    assert first.value("equipment_kwh") == pytest.approx(done / 0.9, rel=0.05)


def test_too_few_units_miss_turnarounds():
    enough, few = run(tools=equipment(tractors=24)), run(tools=equipment(tractors=5))
    assert enough.value("missed_share") < 0.05
    assert few.value("missed_share") > 0.3
    assert few.checks["passed"].all()
    missed = few.blocks.filter(pl.col("state") == "missed")
    assert missed["kwh"].sum() == 0.0
    assert few.blocks.filter(pl.col("state") == "done")["delay_min"].max() <= 10.0 + 1e-6


def test_too_few_plugs_show_as_waits():
    rich, poor = run(plugs=20), run(plugs=2)
    assert poor.value("wait_mean_min") > rich.value("wait_mean_min") + 10.0
    assert poor.value("plug_utilisation") > 0.9
    assert poor.checks["passed"].all()


def test_turbine_and_ground_power_by_hand():
    # no spread, no wide bodies, all at contact stands and all on ground power: 8 min of turbine and 42 min of 70 kW per turnaround
    stand = apron(
        wide_share=0.0, contact_share=1.0, turnaround_cv=1e-6, ground_power_share=(1.0, 0.0), turnarounds_per_day=(48.0,) * 8
    )
    result = run(stand)
    n = result.value("turnarounds")
    assert result.value("ground_power_share") == 1.0
    assert result.value("turbine_h") == pytest.approx(n * 8 / 60, rel=1e-4)
    assert result.value("turbine_fuel_t") == pytest.approx(n * 8 / 60 * 0.1, rel=1e-4)
    # aircraft still on stand on Sunday at midnight are cut
    assert result.value("ground_power_kwh") == pytest.approx(n * 42 / 60 * 70 / 0.9, rel=0.01)
    none = run(apron(ground_power_share=(0.0, 0.0)))
    assert none.value("ground_power_kwh") == 0.0
    assert none.value("turbine_h") > result.value("turbine_h")


def test_remote_equipment_is_used_at_remote_stands_only():
    assert run(apron(contact_share=1.0)).blocks.filter(pl.col("kind") == "bus").height == 0
    away = run(apron(contact_share=0.0))
    asked = away.blocks.filter(pl.col("asked_min") < 10_000).group_by("turnaround", "replication").agg(pl.col("kind").sort())
    # the tug comes half an hour later: the last turnarounds before the cut have none yet
    whole = asked.filter(pl.col("kind").list.contains("tug"))
    assert whole["kind"].list.contains("bus").all()
    assert whole.height > 0.98 * asked.height


def test_no_operation_ends_below_the_reserve():
    # 18 of 40 kWh an operation: two do not fit above the reserve, so a unit charges after each although it stands above the trigger
    tools = [Equipment("loader", 12, Battery(40.0, 30.0, 0.8, 3.0), 30.0, 18.0, 1, "all", 0.0)]
    result = run(tools=tools, plugs=12)
    assert result.sessions["soc_start"].min() == pytest.approx(1.0 - 18.0 / 40.0)
    assert result.sessions.filter(pl.col("state") == "charged")["soc_start"].max() == pytest.approx(1.0 - 18.0 / 40.0)


def test_integral_of_rectangles():
    at = np.array([0.0, 5.0, 10.0, 20.0])
    total = _integral(np.array([2.0, 4.0]), np.array([6.0, 12.0]), np.array([10.0, 1.0]), at)
    assert total.tolist() == pytest.approx([0.0, 31.0, 46.0, 48.0])
    assert _integral(np.array([]), np.array([]), np.array([]), at).tolist() == [0.0] * 4


def test_bad_input():
    with pytest.raises(BlockError, match="needs up to 4"):
        run(tools=equipment(tractors=3))
    with pytest.raises(BlockError, match="reserve"):
        run(tools=[Equipment("tug", 5, Battery(10.0, 5.0, 0.8, 1.0), 12.0, 9.0, 1, "all", 0.0)])
    with pytest.raises(BlockError, match="24 values"):
        simulate_airport(apron(), equipment(), Plugs(5, 20.0, 0.9), RULE, hourly_share=[1.0], seeds=SEEDS)
