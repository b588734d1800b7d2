"""Timetables: the profile, nights, stays and small airports by hand, and schedules that somebody hands in with everything wrong at once."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from fleets.errors import BlockError
from fleets.flights import Traffic, check_schedule, flight_schedule, movements_by_hour, with_warmup
from fleets.formats import FormatError, read_schedule
from fleets.records import DAY_MIN, WEEK_MIN

SEED = np.random.SeedSequence(3)
PROFILE = [1, 0.5, 0.2, 0.1, 0.1, 0.2, 1, 4, 4.2, 3.8, 3.5, 3.6, 3.7, 3.7, 3.8, 3.6, 3.7, 3.8, 3.6, 3.5, 3.7, 4.2, 4, 3.3]
TRAFFIC = Traffic(
    turnarounds_per_day=(200.0,) * 8,
    size_share={"narrow": 0.9, "wide": 0.1},
    stay_min={"narrow": 50.0, "wide": 80.0},
    stay_cv=0.25,
    shortest_min={("narrow", "contact"): 39.0, ("narrow", "remote"): 41.0, ("wide", "contact"): 67.0, ("wide", "remote"): 64.0},
    contact_share=0.7,
    overnight_share=0.2,
)


def table(traffic=TRAFFIC, seed=SEED, **more):
    return flight_schedule(traffic, PROFILE, seed, **more)


def test_number_shares_and_nights():
    found = table()
    assert found.columns == ["arrive_min", "depart_min", "size", "stand"]
    assert found.height == 1600
    assert found["arrive_min"].is_sorted()
    assert (found["size"] == "wide").mean() == pytest.approx(0.1, abs=0.025)
    assert (found["stand"] == "contact").mean() == pytest.approx(0.7, abs=0.04)
    long = found.filter(pl.col("depart_min") - pl.col("arrive_min") > 240)
    # a fifth of every day, to the aircraft
    assert long.height == 8 * 40
    assert (long["arrive_min"] % DAY_MIN).min() >= 20 * 60
    leave = long["depart_min"] % DAY_MIN
    assert (leave.min(), leave.max()) == (pytest.approx(6 * 60, abs=15), pytest.approx(9 * 60, abs=15))


def test_movements_follow_the_profile():
    hours = movements_by_hour(table(replace(TRAFFIC, turnarounds_per_day=(500.0,) * 30, overnight_share=0.05)))
    expected = 30 * 1000 * np.array(PROFILE) / sum(PROFILE)
    # stays smooth the profile over the hour
    assert np.corrcoef(hours, expected)[0, 1] > 0.97
    assert np.abs(hours - expected).sum() < 0.12 * expected.sum()
    assert hours.sum() == 30 * 1000


def test_stays_keep_mean_and_shortest():
    day = replace(TRAFFIC, overnight_share=0.0, turnarounds_per_day=(2000.0,), size_share={"narrow": 1.0})
    found = table(day)
    stay = (found["depart_min"] - found["arrive_min"]).to_numpy()
    inside = stay[found["arrive_min"].to_numpy() > -DAY_MIN]
    assert inside.mean() == pytest.approx(50.0, rel=0.02)
    assert stay.min() >= 39.0 - 1e-9
    certain = table(replace(day, stay_cv=0.0))
    assert (certain["depart_min"] - certain["arrive_min"]).to_numpy() == pytest.approx(50.0)


def test_a_time_that_handling_does_not_allow_becomes_the_shortest():
    short = replace(
        TRAFFIC, overnight_share=0.0, stay_min={"narrow": 30.0, "wide": 80.0}, size_share={"narrow": 1.0}, contact_share=1.0
    )
    found = table(short)
    assert (found["depart_min"] - found["arrive_min"]).to_numpy() == pytest.approx(39.0)


def test_less_than_one_aircraft_a_day():
    small = replace(TRAFFIC, turnarounds_per_day=(0.25,) * 2000)
    found = table(small)
    assert found.height == pytest.approx(500, rel=0.15)
    assert table(replace(TRAFFIC, turnarounds_per_day=(0.0,) * 8)).height == 0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 60), st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.integers(0, 2**31))
def test_every_stay_is_long_enough(daily, nights, contact, seed):
    traffic = replace(TRAFFIC, turnarounds_per_day=(float(daily),) * 3, overnight_share=nights, contact_share=contact)
    found = table(traffic, np.random.SeedSequence(seed))
    assert found.height == 3 * daily
    shortest = pl.DataFrame(
        [(s, k, v) for (s, k), v in traffic.shortest_min.items()], schema=["size", "stand", "least"], orient="row"
    )
    joined = found.join(shortest, on=["size", "stand"])
    assert joined.height == found.height
    assert (joined["depart_min"] - joined["arrive_min"] - joined["least"]).min() >= -1e-6 if daily else True
    assert found["arrive_min"].min() >= -DAY_MIN if daily else True


def test_another_share_of_stands_changes_no_time():
    one, other = table(), table(replace(TRAFFIC, contact_share=0.2, shortest_min={}))
    assert one.height == other.height
    assert_frame_equal(table(), one, check_exact=True)
    same = table(replace(TRAFFIC, contact_share=0.2))
    assert (same["size"].value_counts().sort("size")).equals(one["size"].value_counts().sort("size"))
    assert not one["stand"].equals(same["stand"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size_share": {"narrow": 0.5}}, "add up to 1"),
        ({"stay_min": {"narrow": 50.0}}, "size wide"),
        ({"contact_share": 1.2}, "contact_share=1.2"),
        ({"overnight_share": -0.1}, "overnight_share=-0.1"),
        ({"stay_cv": -1.0}, "stay_cv=-1.0"),
        ({"evening_h": (22.0, 20.0)}, "evening_h"),
    ],
)
def test_traffic_that_cannot_be(change, message):
    with pytest.raises(BlockError, match=message):
        replace(TRAFFIC, **change)


def test_profile_that_cannot_be():
    for profile in ([1.0], [0.0] * 24, [-1.0] + [1.0] * 23):
        with pytest.raises(BlockError, match="24 values"):
            flight_schedule(TRAFFIC, profile, SEED)


def test_a_schedule_is_sorted_and_gets_stands():
    given_ = {"arrive_min": [600, 60, 300, 900], "depart_min": [700, 200, 350, 950], "size": ["a", "b", "a", "a"]}
    found = check_schedule(given_, ["a", "b"], contact_share=0.5)
    assert found["arrive_min"].to_list() == [60.0, 300.0, 600.0, 900.0]
    assert found["stand"].to_list() == ["remote", "contact", "remote", "contact"]
    named = check_schedule(given_ | {"stand": [None, "contact", " ", "remote"]}, ["a", "b"], contact_share=0.0)
    assert named["stand"].to_list() == ["contact", "remote", "remote", "remote"]


def test_all_problems_of_a_schedule_at_once():
    bad = {
        "arrive_min": [-5, 100, "x", 50, 60],
        "depart_min": [10, 90, 20, 80, 120],
        "size": ["a", "a", "a", "jumbo", "a"],
        "stand": ["contact", "contact", "contact", "contact", "hangar"],
    }
    with pytest.raises(BlockError) as caught:
        check_schedule(pl.DataFrame(bad, strict=False), ["a"])
    text = str(caught.value)
    assert text.startswith("schedule: 5 problems")
    for part in (
        "row 0: arrive_min is -5",
        "row 1: depart_min is 90",
        "row 2: arrive_min is",
        "row 3: size is 'jumbo'",
        "row 4: stand is 'hangar'",
    ):
        assert part in text
    with pytest.raises(BlockError, match="columns depart_min, size are missing"):
        check_schedule({"arrive_min": [1]}, ["a"])
    with pytest.raises(BlockError, match="there is no turnaround"):
        check_schedule({"arrive_min": [], "depart_min": [], "size": []}, ["a"], contact_share=1.0)
    with pytest.raises(BlockError, match="row 0: stand is missing"):
        check_schedule({"arrive_min": [1], "depart_min": [2], "size": ["a"]}, ["a"])


def test_the_warm_up_is_the_end_of_the_week_before():
    week = check_schedule(
        {"arrive_min": [10, WEEK_MIN - 30], "depart_min": [60, WEEK_MIN + 20], "size": ["a", "a"]}, ["a"], contact_share=1.0
    )
    assert with_warmup(week, DAY_MIN)["arrive_min"].to_list() == [-30.0, 10.0, WEEK_MIN - 30.0]
    assert with_warmup(week, DAY_MIN)["depart_min"][0] == 20.0
    assert with_warmup(week, 0).equals(week)


def test_a_file_with_minutes_or_with_clock_times(tmp_path):
    minutes, clock = tmp_path / "minutes.csv", tmp_path / "clock.csv"
    minutes.write_text("arrive_min,depart_min,size,stand\n455,510,narrow,contact\n2790,2910,narrow,\n", encoding="utf-8")
    # with the mark that spreadsheets put first
    clock.write_text("day,arrive,depart,size,stand\n1,7:35,08:30,narrow,contact\n2,22:30,0:30,narrow,\n", encoding="utf-8-sig")
    found = [check_schedule(read_schedule(f), ["narrow"], contact_share=0.0) for f in (minutes, clock)]
    assert_frame_equal(*found)
    assert found[0].rows() == [(455.0, 510.0, "narrow", "contact"), (2790.0, 2910.0, "narrow", "remote")]


def test_all_faults_of_a_file_at_once(tmp_path):
    file = tmp_path / "bad.csv"
    file.write_text("day,arrive,depart,size\nMonday,7:35,8:30,narrow\n2,7.35,8:90,narrow\n", encoding="utf-8")
    with pytest.raises(FormatError) as caught:
        read_schedule(file)
    for part in (
        "bad.csv row 2, column day: 'Monday'",
        "bad.csv row 3, column arrive: '7.35'",
        "bad.csv row 3, column depart: '8:90",
    ):
        assert part in str(caught.value)
    file.write_text(
        "day,arrive,depart,size,stand\n1,7:35,8:30,wide,gate\n\n8,7:35,,narrow,\n7,24:10,24:50,narrow,\n", encoding="utf-8"
    )
    with pytest.raises(FormatError) as caught:
        read_schedule(file, ["narrow"])
    assert str(caught.value).count("bad.csv row") == 5
    for part in (
        "bad.csv row 2, column size: 'wide'; there are narrow",
        "bad.csv row 2, column stand: 'gate'",
        "bad.csv row 4, column day: '8'; it must be 1 (Monday) to 7 (Sunday)",
        "bad.csv row 4, column depart: ''; it must be a time",
        "bad.csv row 5, column arrive: '24:10:00'; it must be minutes from Monday 00:00",
    ):
        assert part in str(caught.value), part
    # without sizes the table says where its rows stand, and the check names them so
    file.write_text("arrive_min,depart_min,size\n1,50,narrow\n\n9,50,wide\n", encoding="utf-8")
    found = read_schedule(file)
    assert found["row"].to_list() == [2, 4]
    with pytest.raises(BlockError, match="row 4: size is 'wide'"):
        check_schedule(found, ["narrow"], contact_share=1.0)
    file.write_text("arrive_min,depart_min,size\n", encoding="utf-8")
    with pytest.raises(FormatError, match="there is no turnaround"):
        read_schedule(file)
    file.write_text("arrive_min,size\n1,narrow\n", encoding="utf-8")
    with pytest.raises(FormatError, match="column depart_min: ''; add the column; there are arrive_min, size"):
        read_schedule(file)
    with pytest.raises(FormatError, match="not a CSV file"):
        read_schedule(tmp_path / "none.csv")
