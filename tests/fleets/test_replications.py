"""Streams by purpose, intervals, and the same bytes for any worker count and hash seed."""

import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from scipy import stats

from fleets.depot_pool import simulate_depot
from fleets.errors import FleetError
from fleets.replications import Streams, interval, replicate
from fleets.visits import simulate_station, station_summary


def station(streams):
    """Return the indicators of a small station; at module level, so that other processes find it."""
    visits = {
        "arrival_min": np.cumsum(streams("arrivals").exponential(8.0, 300)),
        "energy_kwh": streams("energy").uniform(10.0, 60.0, 300),
        "power_kw": np.full(300, 90.0),
        "priority": streams("class").integers(0, 3, 300),
    }
    records = simulate_station(visits, plugs=4, feeder_kw=250, discipline="priority")
    return station_summary(records, plugs=4)


def test_streams_are_independent_and_repeatable():
    first = Streams(1, 0)("arrivals").random(4)
    assert first.tolist() == Streams(1, 0)("arrivals").random(4).tolist()
    others = [Streams(1, 0)("service"), Streams(1, 1)("arrivals"), Streams(2, 0)("arrivals")]
    assert all(not np.isclose(first, o.random(4)).any() for o in others)


def test_the_interval_is_student_t():
    values = [3.0, 5.0, 4.0, 8.0]
    mean, low, high = interval(values, 0.9)
    by_scipy = stats.t.interval(0.9, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (mean, low, high) == pytest.approx((5.0, *by_scipy))
    assert np.isnan(interval([1.0])[1:]).all()
    with pytest.raises(FleetError, match="confidence"):
        interval([1.0, 2.0], 1.0)


def test_every_statistic_has_an_interval_and_workers_change_nothing():
    one = replicate(station, replications=4, seed=3)
    assert one["metric"].to_list() == list(station(Streams(3, 0)))
    assert one.select("low", "high").null_count().row(0) == (0, 0)
    assert (one["low"] <= one["value"]).all()
    assert one.equals(replicate(station, replications=4, seed=3, workers=2))
    assert replicate(station, replications=1, seed=3)["low"].null_count() == one.height


def test_bad_input():
    with pytest.raises(FleetError, match="replications=0"):
        replicate(station, replications=0)
    with pytest.raises(FleetError, match="different statistics"):
        replicate(lambda s: {str(s.replication): 1.0}, replications=2)


def test_the_same_bytes_under_any_hash_seed():
    code = (
        "import hashlib, polars as pl, numpy as np\n"
        "from fleets import simulate_depot, simulate_station, Streams\n"
        "draw = Streams(5, 0)\n"
        "n = 200\n"
        "v = {'vehicle': ['v' + str(i % 20) for i in range(n)], 'away_min': draw('away').exponential(60, n),\n"
        "     'energy_kwh': draw('kwh').uniform(5, 50, n), 'power_kw': np.full(n, 60.0)}\n"
        "a = simulate_station(v, plugs=3, feeder_kw=100)\n"
        "s = np.repeat(np.arange(6) * 240.0, 10)\n"
        "d = {'vehicle_type': ['a', 'b', 'c', 'd', 'e'] * 12, 'start_min': s, 'end_min': s + 150, 'km': np.full(60, 60.0)}\n"
        "b = simulate_depot(d, vehicles=2, plugs=2, feeder_kw=150, energy_cv=0.2, replications=2, seed=9)\n"
        "text = ''.join(f.write_csv() for f in (a, b.records, b.load, b.summary, b.sessions, b.gantt()))\n"
        "print(hashlib.sha256(text.encode()).hexdigest())\n"
    )
    found = set()
    for seed in ("0", "4711"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        found.add(done.stdout.strip())
    assert len(found) == 1
    assert len(found.pop()) == 64


def test_common_random_numbers_narrow_a_difference():
    # one more plug, the same visitors: the difference is far steadier than the waits themselves
    def waits(plugs):
        def run(streams):
            visits = {
                "arrival_min": np.cumsum(streams("arrivals").exponential(8.0, 400)),
                "service_min": streams("service").exponential(28.0, 400),
            }
            return {"wait": simulate_station(visits, plugs=plugs)["wait_min"].mean()}

        return np.array([run(Streams(1, r))["wait"] for r in range(12)])

    few, more = waits(4), waits(5)
    assert np.all(more <= few)
    assert (few - more).std() < np.hypot(few.std(), more.std())


def test_depot_runs_are_the_same_twice():
    start = np.arange(40) * 30.0
    day = pl.DataFrame({"start_min": start, "end_min": start + 200, "km": np.full(40, 50.0)})
    one, two = (simulate_depot(day, vehicles=8, plugs=2, energy_cv=0.2, replications=3, seed=2) for _ in range(2))
    for name in ("records", "load", "summary", "sessions", "checks"):
        assert getattr(one, name).equals(getattr(two, name))
