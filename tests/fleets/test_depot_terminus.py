"""Charging in layovers, and the Gantt table of a depot: by hand, then nothing lost on the way."""

import numpy as np
import polars as pl
import pytest

from fleets.battery import Battery
from fleets.depot import Buses, Terminus, simulate_bus_depot
from fleets.depot_gantt import depot_gantt
from fleets.errors import BlockError
from fleets.station import Plugs

SEEDS = [np.random.SeedSequence(7)]
BATTERY = Battery(100.0, 200.0, 0.9, 200.0)


def run(rows, terminus, *, plugs=1, count=1, tolerance=30.0, battery=BATTERY, horizon=1440):
    blocks = pl.DataFrame(rows, schema=["bus", "start_min", "end_min", "km", "kwh"], orient="row")
    rules = Buses(count, battery, 0.0, 1.0, 0.1, 0.0, tolerance)
    return simulate_bus_depot(
        rules, blocks, Plugs(plugs, 100.0, 1.0), seeds=SEEDS, terminus=terminus, warmup_min=0, horizon_min=horizon
    )


def at_terminus(found):
    away = found.sessions.filter(pl.col("site") == "terminus").sort("arrive_min", "vehicle")
    return away.select("vehicle", "arrive_min", "start_min", "end_min", "stored_kwh").rows()


def test_a_layover_by_hand():
    # four round trips of an hour with 12 min of layover, 30 kWh each: 120 kW for 12 min are 24 kWh a time
    found = run([(0, 0, 240, 80, 120.0)], Terminus(1.0, Plugs(1, 120.0, 1.0), 60.0, 0.2))
    assert at_terminus(found) == [
        (0, 48.0, 48.0, 60.0, pytest.approx(24.0)),
        (0, 108.0, 108.0, 120.0, pytest.approx(24.0)),
        (0, 168.0, 168.0, 180.0, pytest.approx(24.0)),
    ]
    # without it 120 kWh are beyond the battery; it comes back with 100 - 120 + 72
    assert found.blocks.select("start_min", "end_min", "delay_min", "state").row(0) == (0.0, 240.0, 0.0, "served")
    assert found.sessions.filter(pl.col("site") == "depot")["soc_start"].to_list() == pytest.approx([0.52])
    assert found.value("terminus_share") == pytest.approx(72.0 / 120.0)
    assert run([(0, 0, 240, 80, 120.0)], None).value("served_share") == 0.0


def test_one_plug_for_two_buses():
    # both come at 48; the second gets nothing in the layover of 12 min since the first needs it all, and leaves on time
    rows = [(b, 0, 120, 40, 40.0) for b in (0, 1)]
    found = run(rows, Terminus(1.0, Plugs(1, 50.0, 1.0), 60.0, 0.2), count=2)
    assert at_terminus(found) == [(0, 48.0, 48.0, 60.0, pytest.approx(10.0)), (1, 48.0, 60.0, 60.0, 0.0)]
    assert found.value("terminus_wait_mean_min") == pytest.approx(6.0)
    assert found.value("delayed_share") == 0.0


def test_a_bus_stays_until_it_can_drive_on_and_gives_up_in_the_end():
    # 45 kWh a trip of an hour: after two it has 10 %, and needs 55 % for the next: 45 kWh less what the layovers gave
    late = run([(0, 0, 180, 60, 135.0)], Terminus(1.0, Plugs(1, 120.0, 1.0), 60.0, 0.1), tolerance=60.0)
    # layovers of 6 min give 12 kWh each: 34 % at 120, to 55 % takes 10.5 min more
    assert late.blocks["state"].to_list() == ["served"]
    assert late.blocks["end_min"].item() == pytest.approx(190.5 - 6.0)
    assert late.blocks["delay_min"].item() == pytest.approx(4.5)
    # without plugs it drives two of the three and gives the rest up
    cut = run([(0, 0, 180, 60, 135.0)], Terminus(1.0, Plugs(0, 120.0, 1.0), 60.0, 0.1), tolerance=20.0)
    assert cut.blocks.sort("start_min", nulls_last=True).select("state", "km", "kwh").rows() == [
        ("served", pytest.approx(40.0), pytest.approx(90.0)),
        ("cut_short", pytest.approx(20.0), pytest.approx(45.0)),
    ]
    assert cut.value("blocks") == 1.0
    assert cut.value("unserved_kwh") == pytest.approx(45.0)
    assert cut.value("missed_blocks") == 1.0
    # it waited its tolerance at the terminus
    assert cut.blocks["end_min"].drop_nulls().item() == pytest.approx(140.0)


def test_a_trip_beyond_the_battery_is_not_begun():
    found = run([(0, 0, 120, 80, 190.0)], Terminus(1.0, Plugs(1, 120.0, 1.0), 60.0, 0.2))
    assert found.blocks["state"].to_list() == ["beyond_battery"]


@pytest.mark.parametrize("horizon", [105, 135, 210, 1440])
def test_conservation_whenever_the_run_ends(horizon):
    rows = [(b, 10 * b, 10 * b + 240, 80, 70.0) for b in range(6)]
    found = run(rows, Terminus(0.7, Plugs(1, 60.0, 0.9), 60.0, 0.25), count=6, plugs=2, horizon=horizon)
    assert found.checks["passed"].all()
    table = depot_gantt(found.blocks, found.sessions, battery=BATTERY, count=6, start_soc=1.0, begin_min=0.0, end_min=horizon)
    lasting = table.group_by("vehicle").agg((pl.col("end_min") - pl.col("start_min")).sum())
    assert lasting["end_min"].to_list() == pytest.approx([horizon] * 6)


def test_gantt_by_hand():
    battery = Battery(100.0, 100.0, 0.9, 100.0)
    rows = [(0, 0, 100, 30, 40.0), (1, 0, 100, 30, 40.0)]
    found = run(rows, None, count=2, battery=battery, horizon=300)
    table = depot_gantt(found.blocks, found.sessions, battery=battery, count=2, start_soc=1.0, begin_min=0.0, end_min=300.0)
    second = table.filter(pl.col("vehicle") == 1)
    assert second.select("state", "start_min", "end_min", "soc_start", "soc_end", "kw").rows() == [
        ("driving", 0.0, 100.0, 1.0, pytest.approx(0.6), 0.0),
        ("waiting", 100.0, 124.0, pytest.approx(0.6), pytest.approx(0.6), 0.0),
        ("charging", 124.0, 148.0, pytest.approx(0.6), 1.0, pytest.approx(100.0)),
        ("parked", 148.0, 300.0, 1.0, 1.0, 0.0),
    ]
    # on the way: trips end where the plug begins
    found = run([(0, 30, 150, 80, 60.0)], Terminus(1.0, Plugs(1, 60.0, 1.0), 60.0, 0.2))
    table = depot_gantt(found.blocks, found.sessions, battery=BATTERY, count=1, start_soc=1.0, begin_min=0.0, end_min=1440.0)
    assert table.select("state", "start_min", "end_min").rows()[:4] == [
        ("parked", 0.0, 30.0),
        ("driving", 30.0, 78.0),
        ("charging", 78.0, 90.0),
        ("driving", 90.0, 150.0),
    ]
    assert table["soc_end"].to_list()[:4] == pytest.approx([1.0, 0.7, 0.82, 0.52])
    assert table["soc_start"].to_list()[1:] == pytest.approx(table["soc_end"].to_list()[:-1])


@pytest.mark.parametrize("seed", range(8))
def test_no_minute_of_a_vehicle_is_missing_or_double(seed):
    """Small batteries, few plugs, little patience: blocks given up at a plug, buses on the road and in the queue when the run ends."""
    rng = np.random.default_rng(seed)
    starts = np.arange(0, 1440, 360)
    rows = [(b, s + 20.0 * b, s + 20.0 * b + 230.0, 60.0, float(rng.uniform(40, 150))) for b in range(5) for s in starts]
    patience = float(rng.choice([0.0, 40.0]))
    found = run(
        rows,
        Terminus(0.8, Plugs(int(rng.integers(0, 2)), 80.0, 0.9), 50.0, 0.2),
        count=5,
        plugs=2,
        tolerance=patience,
        horizon=1200,
    )
    table = depot_gantt(found.blocks, found.sessions, battery=BATTERY, count=5, start_soc=1.0, begin_min=0.0, end_min=1200.0)
    joined = table.with_columns(pl.col("end_min", "soc_end").shift().over("vehicle").name.suffix("_before")).drop_nulls()
    assert joined["start_min"].to_list() == pytest.approx(joined["end_min_before"].to_list())
    assert joined["soc_start"].to_list() == pytest.approx(joined["soc_end_before"].to_list())
    assert table.group_by("vehicle").agg(pl.col("start_min").min(), pl.col("end_min").max()).select(
        "start_min", "end_min"
    ).unique().rows() == [(0.0, 1200.0)]
    assert (table["end_min"] > table["start_min"]).all()


def test_bad_input():
    with pytest.raises(BlockError, match=r"round_trip_min=0.0 be positive"):
        Terminus(0.5, Plugs(1, 60.0, 1.0), 0.0, 0.2)
