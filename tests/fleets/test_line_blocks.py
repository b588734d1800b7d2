"""Blocks of a line from its length and headway: vehicles by the closed form, headways by hour, faults."""

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from fleets import minimum_fleet, simulate_depot
from fleets.errors import BlockError
from fleets.line_blocks import line_blocks, vehicles_needed


def line(**more):
    row = {
        "line": "1",
        "length_km": 10.0,
        "speed_km_h": 20.0,
        "layover_min": 10.0,
        "first": "06:00",
        "last": "22:00",
        "headway_min": 10.0,
    }
    return {k: [v] for k, v in (row | more).items()}


@pytest.mark.parametrize(("headway", "vehicles"), [(10.0, 7), (70.0, 1), (35.0, 2), (34.9, 3), (69.9, 2), (7.0, 10)])
def test_vehicles_are_the_cycle_over_the_headway(headway, vehicles):
    # 2 x 10 km at 20 km/h and 10 min of layover: 70 min
    blocks = line_blocks(line(headway_min=headway))
    assert blocks["vehicle"].n_unique() == vehicles == math.ceil(70.0 / headway) == vehicles_needed(10.0, 20.0, 10.0, headway)
    # every departure is driven once, by a block that is as long as its trips
    departures = math.floor(16 * 60 / headway + 1e-9) + 1
    assert blocks["trips"].sum() == departures
    assert blocks["km"].to_list() == [20.0 * n for n in blocks["trips"].to_list()]
    # the same number without regard to the chains
    assert minimum_fleet(blocks.select("start_min", "end_min"), 10.0) == vehicles


@given(st.floats(2.0, 40.0), st.floats(8.0, 45.0), st.floats(0.0, 40.0), st.floats(3.0, 90.0))
def test_any_line(length, speed, layover, headway):
    blocks = line_blocks(
        line(length_km=length, speed_km_h=speed, layover_min=layover, headway_min=headway, first="05:00", last="23:30")
    )
    cycle = 2.0 * length / speed * 60.0 + layover
    departures = math.floor(18.5 * 60 / headway + 1e-9) + 1
    # a vehicle more or less only where the clock rounds
    assert abs(blocks["vehicle"].n_unique() - min(departures, math.ceil(cycle / headway - 1e-6))) <= (
        1 if abs(cycle / headway % 1.0) < 1e-6 else 0
    )
    assert abs(blocks["trips"].sum() - departures) <= 1
    table = blocks.sort("vehicle", "start_min")
    gaps = table.with_columns((pl.col("start_min") - pl.col("end_min").shift().over("vehicle")).alias("gap"))["gap"].drop_nulls()
    assert gaps.len() == 0 or gaps.min() >= layover - 1e-6


def test_peak_headways_bring_vehicles_out_and_send_them_in():
    peak = pl.DataFrame({"line": ["1"] * 4, "hour": [7, 8, 17, 18], "headway_min": [5.0] * 4})
    blocks = line_blocks(line(headway_min=14.0), headways=peak)
    # 14 in the peaks, 5 between them: nine go to the depot and come out again
    assert blocks["vehicle"].n_unique() == 14
    noon = blocks.filter((pl.col("start_min") < 12.5 * 60) & (pl.col("end_min") > 12.5 * 60))
    assert noon["vehicle"].n_unique() == 5
    assert blocks.height > 14


def test_departures_by_hour_speed_by_hour_and_days():
    service = {"line": ["1", "1"], "hour": [6, 7], "departures": [2, 4]}
    slow = {"line": ["1"], "hour": [7], "speed_km_h": [10.0]}
    table = line(last="07:59")
    del table["headway_min"]
    blocks = line_blocks(table, headways=service, speeds=slow, days=(0, 2))
    assert blocks["trips"].sum() == 2 * 6
    day = blocks.filter(pl.col("start_min") < 1440)
    assert day["start_min"].to_list() == [360.0, 390.0, 420.0, 450.0]
    # out at 7:00, two hours for twenty kilometres
    assert day.filter(pl.col("start_min") == 420.0)["end_min"].item() == 540.0
    assert (blocks.filter(pl.col("start_min") > 1440)["start_min"] - 2880.0).to_list() == day["start_min"].to_list()


def test_a_block_ends_when_it_is_long_enough_and_two_lines_have_vehicles_of_their_own():
    whole = line_blocks(line(headway_min=70.0))
    assert whole["trips"].to_list() == [14]
    parts = line_blocks(line(headway_min=70.0), longest_block_min=300.0)
    assert parts["trips"].to_list() == [4, 4, 4, 2]
    both = {k: v + line(line="2", last="01:00")[k] for k, v in line().items()}
    blocks = line_blocks(both)
    assert set(blocks.filter(pl.col("line") == "1")["vehicle"]) == set(range(7))
    assert set(blocks.filter(pl.col("line") == "2")["vehicle"]) == set(range(7, 14))
    assert blocks["end_min"].max() > 1500.0
    run = simulate_depot(blocks.rename({"line": "vehicle_type"}), vehicles=7, plugs=8, battery_kwh=600)
    assert run.value("served_share") == 1.0


def test_the_fleet_of_a_line():
    assert line_blocks(line(fleet=7))["vehicle"].n_unique() == 7
    # one vehicle too few: its blocks have none, and a pool of six misses what six cannot drive
    short = line_blocks(line(fleet=6))
    assert set(short["vehicle"].to_list()) == {0, 1, 2, 3, 4, 5, None}
    assert short["km"].sum() == line_blocks(line())["km"].sum()
    run = simulate_depot(short, vehicles=6, plugs=6, battery_kwh=1500)
    assert 0.0 < run.value("missed") <= short["vehicle"].null_count()
    # without a headway the fleet goes round: 70 min over 7 vehicles
    free = line(fleet=7)
    del free["headway_min"]
    assert_frame_equal(line_blocks(free), line_blocks(line(headway_min=10.0)))
    for wrong in (6.5, 0, float("nan")):
        with pytest.raises(BlockError, match=r"fleet of line '1' \(row 0\) is .* above 0, a whole one"):
            line_blocks(line(fleet=wrong))
    with pytest.raises(BlockError, match="headway_min=0 must be above 0"):
        vehicles_needed(10, 20, 10, 0)


def test_lines_that_run_all_night_have_no_vehicle_twice():
    days = range(7)
    blocks = line_blocks(line(first="00:00", last="23:59"), days=days, longest_block_min=600.0).sort("vehicle", "start_min")
    pause = pl.col("start_min") - pl.col("end_min").shift().over("vehicle")
    assert blocks.select(pause.min()).item() >= 10.0
    assert blocks["trips"].sum() == 7 * 144
    # a line that rests at night begins every day with the same vehicles
    usual = line_blocks(line(), days=(1, 0, 1))
    assert usual["vehicle"].n_unique() == 7
    assert (
        usual.filter(pl.col("start_min") >= 1440)["vehicle"].to_list()
        == usual.filter(pl.col("start_min") < 1440)["vehicle"].to_list()
    )


@pytest.mark.parametrize(("first", "last"), [("00:00", "23:50"), ("05:00", "04:50")])
def test_round_the_clock_seven_buses_run_on_over_midnight(first, last):
    # a cycle of 70 min at a headway of 10 min: the same seven buses, one behind the other, from the first to the last departure of the week
    blocks = line_blocks(line(first=first, last=last), days=range(7))
    assert blocks["vehicle"].to_list() == list(range(7))
    assert blocks["trips"].sum() == 7 * 144
    begin = blocks["start_min"].min()
    assert blocks["start_min"].to_list() == [begin + 10.0 * k for k in range(7)]
    # the last departure of the week is that of bus (7 x 144 - 1) mod 7, and its trip of an hour ends the last block
    assert blocks["end_min"].max() == begin + 10.0 * (7 * 144 - 1) + 60.0
    assert blocks["end_min"].to_list() == [begin + 10.0 * (7 * 144 - 7 + k) + 60.0 for k in range(7)]


def test_a_day_off_or_a_rest_at_night_ends_the_blocks():
    all_day = line(first="00:00", last="23:50")
    # Tuesday off: two stretches, each with its own blocks
    apart = line_blocks(all_day, days=(0, 2, 3))
    assert apart.height == 14
    assert (apart["end_min"] < 1440.0 + 61.0).sum() == 7
    assert apart.filter(pl.col("start_min") >= 2880.0)["trips"].sum() == 288
    # a longest block holds on both sides of midnight
    assert (
        (line_blocks(all_day, days=(0, 1), longest_block_min=600.0).select(pl.col("end_min") - pl.col("start_min")) <= 600.0)
        .to_series()
        .all()
    )
    # lines that rest at night, or leave twice a day at long headways, are as on single days
    for usual in (line(), line(first="00:00", last="22:00"), line(first="06:00", last="18:00", headway_min=720.0)):
        days = [line_blocks(usual, days=(day,)) for day in (0, 1)]
        both = line_blocks(usual, days=(0, 1))
        assert both.height == sum(one.height for one in days)
        assert both["km"].sum() == sum(one["km"].sum() for one in days)


def test_all_faults_at_once():
    with pytest.raises(BlockError) as caught:
        line_blocks(line(length_km=-1.0, headway_min=0.0, first="6h"), headways={"line": ["9"], "hour": [24], "headway_min": [0]})
    text = str(caught.value)
    for part in (
        "headways: line '9' in row 0 is not in the table of lines",
        "hour of line '9' (row 0) is 24; it must be 0 to 23",
        "headways: headway_min of line '9' (row 0) is 0",
        "lines: length_km of line '1' (row 0) is -1.0; it must be a number above 0",
        "lines: headway_min of line '1' (row 0) is 0.0",
        "lines: first of line '1' (row 0) is '6h'; it must be a time HH:MM or minutes",
    ):
        assert part in text


def test_missing_columns():
    with pytest.raises(BlockError, match="column speed_km_h, layover_min, first, last is missing"):
        line_blocks({"line": ["1"], "length_km": [3]})
    table = line()
    del table["headway_min"]
    with pytest.raises(BlockError, match="headway_min is missing: give it, a column fleet, or a table headways"):
        line_blocks(table)
    with pytest.raises(BlockError, match="headways need line, hour"):
        line_blocks(line(), headways={"line": ["1"]})
    with pytest.raises(BlockError, match="'1' stands in row 0 and row 1"):
        line_blocks({k: v * 2 for k, v in line().items()})
