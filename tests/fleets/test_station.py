"""The station by hand: queues, ties, priorities, patience, feeder, layout, closed fleets, stations without plugs, and what a caller may hand in."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fleets
from fleets.errors import ChargingError
from fleets.plug_bank import water_fill
from fleets.station import Plugs
from fleets.visits import simulate_station, station_summary


def visits(arrival, service, **more):
    return pl.DataFrame({"arrival_min": arrival, "service_min": service, **more})


def starts(records):
    return records["start_min"].to_list()


def test_two_vehicles_one_plug():
    # 24 min each: the second waits until the first is charged
    run = simulate_station(visits([0, 1], [24, 24]), plugs=1)
    assert run["wait_min"].to_list() == [0.0, 23.0]
    assert run["end_min"].to_list() == [24.0, 48.0]
    assert run["state"].to_list() == ["served", "served"]
    assert fleets.simulate_station is simulate_station


def test_records_keep_the_order_of_the_rows_and_their_columns():
    run = simulate_station(visits([30, 0, 10], [5, 20, 5], name=["c", "a", "b"]), plugs=1)
    assert run["name"].to_list() == ["c", "a", "b"]
    assert run["session"].to_list() == [0, 1, 2]
    assert starts(run) == [30.0, 0.0, 20.0]


def test_energy_over_power_is_the_service():
    run = simulate_station({"arrival_min": [0, 0], "energy_kwh": [30, 30], "power_kw": [60, 20]}, plugs=1)
    assert run["charge_min"].to_list() == pytest.approx([30.0, 90.0])
    assert run["delivered_kwh"].to_list() == [30.0, 30.0]
    # a plug of 40 kW slows the first
    run = simulate_station({"arrival_min": [0, 0], "energy_kwh": [30, 30], "power_kw": [60, 20]}, plugs=2, power_kw=40)
    assert run["charge_min"].to_list() == pytest.approx([45.0, 90.0])
    # without a power of the vehicle the plug decides; the strongest plug is taken first
    run = simulate_station({"arrival_min": [0, 1, 2], "energy_kwh": [60, 60, 60]}, plugs=[30, 120])
    assert run["charge_min"].to_list() == pytest.approx([30.0, 120.0, 30.0])
    assert run["plug"].to_list() == [1, 0, 1]


def test_a_tie_does_not_depend_on_the_order_of_events():
    # all at once: rows decide in a queue without priorities, priorities in the other
    same = visits([0, 0, 0], [10, 20, 30], priority=[2, 1, 0])
    assert starts(simulate_station(same, plugs=1)) == [0.0, 10.0, 30.0]
    assert starts(simulate_station(same, plugs=1, discipline="priority")) == [50.0, 30.0, 0.0]
    # who arrives the moment a plug comes free finds it free, even where nobody may wait
    assert simulate_station(visits([0, 10], [10, 10]), plugs=1, queue_places=0)["state"].to_list() == ["served", "served"]
    # and competes with those who wait by priority
    late = visits([0, 1, 10], [10, 10, 10], priority=[1, 1, 0])
    assert starts(simulate_station(late, plugs=1, discipline="priority")) == [0.0, 20.0, 10.0]


def test_priority_does_not_interrupt_and_serves_everybody():
    run = simulate_station(visits([0, 5, 6], [30, 10, 10], priority=[9, 5, 0]), plugs=1, discipline="Priority")
    assert starts(run) == [0.0, 40.0, 30.0]
    assert run["served"].all()


def test_patience_loss_and_departure():
    run = simulate_station(visits([0, 1, 2], [60, 60, 60], patience_min=[None, 10.0, None]), plugs=1)
    assert run["state"].to_list() == ["served", "left", "served"]
    assert run["end_min"].to_list() == [60.0, 11.0, 120.0]
    run = simulate_station(visits([0, 1, 2, 3], [60, 60, 60, 60]), plugs=1, queue_places=1)
    assert run["state"].to_list() == ["served", "served", "lost", "lost"]
    # departs after half of its charge; the next one begins then
    cut = {"arrival_min": [0, 0], "energy_kwh": [60, 60], "departure_min": [30, None]}
    run = simulate_station(cut, plugs=1, power_kw=60)
    assert run["state"].to_list() == ["cut", "served"]
    assert run["delivered_kwh"].to_list() == pytest.approx([30.0, 60.0])
    assert run["unserved_kwh"].to_list() == pytest.approx([30.0, 0.0])
    assert starts(run) == [0.0, 30.0]


def test_a_plug_comes_free_after_the_charge_or_at_departure():
    night = visits([0, 0], [24, 24], departure_min=[600, 600])
    assert simulate_station(night, plugs=1)["state"].to_list() == ["served", "served"]
    held = simulate_station(night, plugs=1, release="departure")
    assert held["state"].to_list() == ["served", "left"]
    assert held["release_min"].to_list() == [600.0, 600.0]
    assert held["end_min"][0] == 24.0


def test_the_feeder_is_shared_max_min_fair():
    # 60 kW plugs on 60 kW: alone for 30 min (30 kWh), then 30 kW each
    both = {"arrival_min": [0, 30], "energy_kwh": [60, 60], "power_kw": [60, 60]}
    assert simulate_station(both, plugs=2, feeder_kw=60)["end_min"].to_list() == pytest.approx([90.0, 120.0])
    # 100 kW for a small and two large ones: 10 + 45 + 45
    three = {"arrival_min": [0, 0, 0], "energy_kwh": [10, 45, 45], "power_kw": [10, 60, 60]}
    assert simulate_station(three, plugs=3, feeder_kw=100)["end_min"].to_list() == pytest.approx([60.0, 60.0, 60.0])
    # a stated service time is the one at full power
    times = visits([0, 0], [30, 30], power_kw=[60, 60])
    assert simulate_station(times, plugs=2, feeder_kw=60)["end_min"].to_list() == pytest.approx([60.0, 60.0])
    # no power at all: nobody is charged, nothing breaks
    assert simulate_station(both, plugs=2, feeder_kw=0)["served"].sum() == 0


@given(caps=st.lists(st.floats(0.1, 100.0), min_size=1, max_size=12), total=st.floats(0.1, 500.0))
def test_water_fill_is_fair_and_wastes_nothing(caps, total):
    shares = water_fill(caps, total)
    assert sum(shares) == pytest.approx(min(total, sum(caps)))
    top = max(shares)
    assert all(s <= c + 1e-9 for s, c in zip(shares, caps, strict=True))
    assert all(s == pytest.approx(min(c, top)) for s, c in zip(shares, caps, strict=True))


def test_a_closed_fleet_comes_back():
    table = {"vehicle": ["x", "x", "y"], "away_min": [5, 5, 6], "service_min": [10, 20, 30]}
    run = simulate_station(table, plugs=1)
    # x at 5, away again from 15 to 20; y waits from 6 to 15; x waits from 20 to 45
    assert run["arrival_min"].to_list() == [5.0, 20.0, 6.0]
    assert starts(run) == [5.0, 45.0, 15.0]


def test_a_station_without_plugs_is_an_answer():
    run = simulate_station(visits([0, 5], [10, 10], power_kw=[60, 60]), plugs=0)
    assert run["state"].to_list() == ["waiting", "waiting"]
    assert run["wait_min"].to_list() == [None, None]
    assert run["unserved_kwh"].to_list() == pytest.approx([10.0, 10.0])
    summary = station_summary(run, plugs=0, horizon_min=100.0)
    assert summary["unserved"] == 2.0
    assert summary["wait_mean_min"] == pytest.approx(97.5)
    assert simulate_station({"arrival_min": [0], "energy_kwh": [9]}, plugs=[])["served"].to_list() == [False]


@pytest.mark.parametrize("empty", [[], {}, pl.DataFrame(), visits([], []), {"arrival_min": [], "service_min": []}])
def test_nobody_comes(empty):
    run = simulate_station(empty, plugs=3)
    assert run.height == 0
    assert {"start_min", "wait_min", "state"} <= set(run.columns)
    assert station_summary(run, plugs=3)["wait_mean_min"] == 0.0


def test_an_early_end_leaves_nobody_out():
    run = simulate_station(visits([0, 5, 6, 90], [40, 40, 40, 40], energy_kwh=[40] * 4), plugs=1, horizon_min=60)
    assert run["state"].to_list() == ["served", "charging", "waiting", "away"]
    # the second has had 20 of its 40 minutes
    assert run["delivered_kwh"].to_list() == pytest.approx([40.0, 20.0, 0.0, 0.0])


def test_what_may_be_handed_in():
    rows = [{"arrival_min": 0, "service_min": 24}, {"arrival_min": 1, "service_min": 24}]
    expected = [0.0, 24.0]
    for table in (rows, pl.DataFrame(rows), pl.DataFrame(rows).lazy(), {k: [r[k] for r in rows] for k in rows[0]}):
        for plugs in (1, np.int64(1), 1.0, [50.0], (50,), np.array([50.0]), Plugs(1, 50.0, 0.9)):
            assert starts(simulate_station(table, plugs=plugs)) == expected
    assert starts(simulate_station(visits([-10, 0], [24, 24]), plugs=1)) == [-10.0, 14.0]


@pytest.mark.parametrize(
    ("table", "more", "words"),
    [
        ({"service_min": [1.0]}, {}, "arrival_min is missing"),
        ({"arrival_min": [1.0]}, {}, "need service_min"),
        ({"arrival_min": [1.0], "energy_kwh": [5.0]}, {}, "power of the plugs"),
        ({"arrival_min": [1.0], "service_min": [-2.0]}, {}, "service_min in row 0 is -2"),
        ({"arrival_min": [1.0, None], "service_min": [2.0, 2.0]}, {}, "arrival_min in row 1 is None"),
        ({"arrival_min": ["noon"], "service_min": [2.0]}, {}, "arrival_min in row 0 is noon"),
        ({"arrival_min": [0.0], "service_min": [2.0]}, {"feeder_kw": 50}, "feeder_kw needs the power"),
        ({"arrival_min": [0.0], "service_min": [2.0]}, {"feeder_kw": -1}, "feeder_kw=-1"),
        ({"arrival_min": [0.0], "service_min": [2.0]}, {"plugs": -1}, "plugs=-1"),
        ({"arrival_min": [0.0], "service_min": [2.0]}, {"plugs": 1.5}, "whole number"),
        ({"arrival_min": [0.0], "service_min": [2.0]}, {"plugs": [50, 0]}, "must be positive"),
        ({"arrival_min": [0.0], "service_min": [2.0]}, {"discipline": "lifo"}, "fifo, priority"),
        ({"arrival_min": [0.0], "service_min": [2.0]}, {"release": "departure"}, "departure_min"),
        ("nothing", {}, "must be a table"),
        ({"arrival_min": [0, float("nan")], "service_min": [1, 1]}, {}, "arrival_min in row 1 is nan; it must be a number"),
    ],
)
def test_bad_input_is_named(table, more, words):
    with pytest.raises(ChargingError, match=words):
        simulate_station(table, **({"plugs": 1} | more))


GAPS = st.lists(st.floats(0.0, 30.0), min_size=1, max_size=40)


@settings(max_examples=40, deadline=None)
@given(gaps=GAPS, seed=st.integers(0, 10_000), plugs=st.integers(1, 6))
def test_more_plugs_never_more_waiting_in_a_fifo_queue(gaps, seed, plugs):
    arrival = np.cumsum(gaps)
    service = np.random.default_rng(seed).uniform(1.0, 90.0, arrival.size)
    few, more = (simulate_station(visits(arrival, service), plugs=n)["wait_min"].to_numpy() for n in (plugs, plugs + 1))
    assert np.all(more <= few + 1e-9)


@settings(max_examples=40, deadline=None)
@given(gaps=GAPS, seed=st.integers(0, 10_000), plugs=st.integers(1, 6))
def test_a_fifo_queue_is_the_recursion_of_kiefer_and_wolfowitz(gaps, seed, plugs):
    arrival = np.cumsum(gaps)
    service = np.random.default_rng(seed).uniform(1.0, 90.0, arrival.size)
    free, begin = [0.0] * plugs, []
    for at, minutes in zip(arrival.tolist(), service.tolist(), strict=True):
        first = min(free)
        begin.append(max(at, first))
        free[free.index(first)] = begin[-1] + minutes
    assert starts(simulate_station(visits(arrival, service), plugs=plugs)) == pytest.approx(begin, abs=1e-9)


def test_the_shared_feeder_against_small_steps():
    rng = np.random.default_rng(11)
    arrival, energy, power = np.sort(rng.uniform(0, 200, 20)), rng.uniform(2, 30, 20), rng.uniform(10, 90, 20)
    left, end, step = energy.copy(), np.full(20, np.nan), 0.01
    for time in np.arange(0.0, 800.0, step):
        on = (arrival <= time) & (left > 0)
        shares = np.zeros(20)
        shares[on] = water_fill(power[on].tolist(), 120.0)
        left -= shares * step / 60.0
        end[on & (left <= 0)] = time + step
    run = simulate_station({"arrival_min": arrival, "energy_kwh": energy, "power_kw": power}, plugs=20, feeder_kw=120)
    assert run["end_min"].to_numpy() == pytest.approx(end, abs=0.2)


@settings(max_examples=40, deadline=None)
@given(
    gaps=GAPS,
    seed=st.integers(0, 10_000),
    plugs=st.integers(0, 5),
    feeder=st.sampled_from([None, 30.0, 75.0, 400.0]),
    discipline=st.sampled_from(["fifo", "priority"]),
    places=st.sampled_from([None, 0, 2]),
    release=st.sampled_from(["charged", "departure"]),
    horizon=st.sampled_from([None, 120.0]),
)
def test_everybody_has_one_state_and_energy_adds_up(gaps, seed, plugs, feeder, discipline, places, release, horizon):
    rng = np.random.default_rng(seed)
    arrival = np.cumsum(gaps)
    table = pl.DataFrame(
        {
            "arrival_min": arrival,
            "energy_kwh": rng.uniform(0.0, 60.0, arrival.size),
            "power_kw": rng.uniform(5.0, 80.0, arrival.size),
            "priority": rng.integers(0, 3, arrival.size),
            "patience_min": np.where(rng.random(arrival.size) < 0.5, np.inf, rng.uniform(0.0, 40.0, arrival.size)),
            "departure_min": arrival + rng.uniform(0.0, 200.0, arrival.size),
        }
    )
    run = simulate_station(
        table,
        plugs=plugs,
        feeder_kw=feeder,
        discipline=discipline,
        queue_places=places,
        release=release,
        horizon_min=horizon,
        power_kw=50,
    )
    assert run.height == table.height
    assert set(run["state"]) <= {"served", "cut", "left", "lost", "charging", "waiting", "away"}
    assert (run["delivered_kwh"] + run["unserved_kwh"] - table["energy_kwh"]).abs().max() < 1e-9
    assert run["unserved_kwh"].min() > -1e-9
    served = run.filter(pl.col("served"))
    assert served["unserved_kwh"].abs().sum() == 0.0
    # nobody charges faster than its power or its plug
    fastest = served["energy_kwh"] / served.select(pl.min_horizontal("power_kw", pl.lit(50.0))).to_series() * 60
    assert (served["charge_min"] - fastest).fill_null(0.0).min() is None or (served["charge_min"] - fastest).min() > -1e-6
    # never more vehicles than plugs
    at = run.filter(pl.col("start_min").is_not_null())
    for time in at["start_min"].to_list():
        ends = at["release_min"].fill_null(math.inf)
        assert int(((at["start_min"] <= time) & (ends > time + 1e-9)).sum()) <= plugs
    if feeder is not None and plugs:
        end = float(run["end_min"].max() or 0.0)
        assert run["delivered_kwh"].sum() <= feeder * max(end, horizon or 0.0) / 60.0 + 1e-6


def test_two_hundred_rotations_on_forty_plugs():
    rng = np.random.default_rng(5)
    run = simulate_station(visits(np.sort(rng.uniform(1200, 1380, 200)), rng.uniform(60, 180, 200)), plugs=40)
    assert run["served"].all()
    assert run["wait_min"].null_count() == 0
    assert run["wait_min"].max() > 60.0
    # work of 200 charges on 40 plugs: the last is done no earlier than that
    assert run["end_min"].max() >= 1200 + run["charge_min"].sum() / 40
