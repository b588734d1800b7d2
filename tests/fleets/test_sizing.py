"""The search for the fewest plugs, vehicles and kilowatts: closed forms, hand-computed depots, and what it says when nothing is enough."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleets.errors import FleetError
from fleets.queueing import mdc_wait_min, mmc_wait_min, plugs_for_wait, swap_wait_min
from fleets.replications import Streams
from fleets.sizing import Reading, fewest, readings, size_depot, size_station, size_swap, smallest
from fleets.visits import simulate_station, station_summary


def visits(rate: float, service_min: float, count: int, replication: int, *, constant: bool = False) -> pl.DataFrame:
    """Return Poisson arrivals with exponential or constant services."""
    streams = Streams(11, replication)
    arrive = np.cumsum(streams("arrivals").exponential(1.0 / rate, count))
    service = np.full(count, service_min) if constant else streams("service").exponential(service_min, count)
    return pl.DataFrame({"arrival_min": arrive, "service_min": service})


# ---- known answers -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0.5, 3.0, 40.0])
def test_the_search_finds_the_closed_form(limit: float) -> None:
    found = smallest(lambda c: mmc_wait_min(0.2, 24.0, c) if c else math.inf, low=0, high=500, limit=limit)
    assert found.size == plugs_for_wait(0.2, 24.0, limit)
    assert found.feasible
    assert found.monotone
    assert found.evaluations <= 2 * math.ceil(math.log2(500))


def test_simulated_plugs_are_those_of_erlang() -> None:
    """With 5 Erlang the mean wait falls by more than half from plug to plug: far enough apart for a simulation to tell."""
    tables = [visits(0.25, 20.0, 3000, r) for r in range(4)]
    found = size_station(tables, limits={"wait_mean_min": 3.0}, warmup_min=1000.0, around=0)
    assert found.size == plugs_for_wait(0.25, 20.0, 3.0)
    low, high = found.curve.filter(pl.col("size") == found.size)["low", "high"].row(0)
    assert low <= mmc_wait_min(0.25, 20.0, found.size) <= high


@pytest.mark.slow
def test_constant_services_need_the_plugs_of_crommelin() -> None:
    tables = [visits(0.25, 20.0, 4000, r, constant=True) for r in range(6)]
    expected = next(c for c in range(6, 20) if mdc_wait_min(0.25, 20.0, c) <= 2.5)
    found = size_station(tables, limits={"wait_mean_min": 2.5}, warmup_min=1000.0)
    assert found.size == expected
    low, high = found.curve.filter(pl.col("size") == found.size)["low", "high"].row(0)
    assert low <= mdc_wait_min(0.25, 20.0, found.size) <= high


def test_a_depot_by_hand() -> None:
    """Four buses come back at 100 and leave again at 200; each needs 48 min: two plugs charge two after one another, one plug only two buses."""
    blocks = {"start_min": [0] * 4 + [200] * 4, "end_min": [100] * 4 + [300] * 4, "kwh": [80] * 8}
    rules: dict[str, Any] = {
        "power_kw": 100,
        "battery_kwh": 100,
        "max_kw": 100,
        "end_kw": 100,
        "reserve_soc": 0.2,
        "efficiency": 1.0,
    }
    found = size_depot(blocks, vehicles=4, late_tolerance_min=0, power_factor=1.0, feeder_step_kva=1.0, **rules)
    assert found.plugs.size == 2
    assert found.plugs.value("missed_share", 1) == pytest.approx(2 / 8)
    assert found.vehicles.size == 4
    # 4 x 80 kWh in 100 min: 192 kW, all the time
    assert found.feeder_kva == pytest.approx(192.0)
    assert found.feasible


def test_a_depot_with_too_few_vehicles_gets_vehicles_first() -> None:
    blocks = {"start_min": [0, 0, 0], "end_min": [100, 100, 100], "kwh": [40, 40, 40]}
    found = size_depot(blocks, vehicles=1, battery_kwh=100, late_tolerance_min=0)
    assert found.vehicles.size == 3
    assert found.feasible
    assert found.plugs.size == 0, "nobody has to charge before the end"


# ---- what no size can do -----------------------------------------------------------------------------------------------------------


def test_a_limit_out_of_reach_is_an_answer() -> None:
    blocks = {"start_min": [0], "end_min": [100], "kwh": [90]}
    found = size_depot(blocks, vehicles=1, battery_kwh=50)
    assert not found.feasible
    assert found.plugs.misses["missed_share"] == 1.0
    assert found.plugs.size == 0, "no number of plugs is better than none"

    # 60 kW feeder, 120 kWh an hour asked: no number of plugs keeps the queue short
    rows = {"arrival_min": [float(i) for i in range(60)], "energy_kwh": [2.0] * 60}
    station = size_station(rows, limits={"time_at_site_mean_min": 5.0}, power_kw=60.0, feeder_kw=60.0)
    assert not station.feasible
    assert station.misses["time_at_site_mean_min"] > 0.0
    assert station.curve["size"].max() == 60


def test_a_response_that_is_not_monotone_is_reported() -> None:
    answer = {0: 9.0, 1: 8.0, 2: 1.0, 3: 7.0, 4: 1.0, 5: 0.0}
    found = smallest(answer.__getitem__, low=0, high=5, limit=2.0, start=2, around=1)
    assert found.size == 4
    assert found.value("value", 3) == 7.0
    assert not found.monotone
    assert found.broken == ((2, 3),)
    assert smallest(lambda n: -n, low=0, high=5, limit=-3).monotone


def test_infinite_waits_and_missing_numbers_do_not_pass() -> None:
    found = smallest(lambda n: math.nan if n < 2 else math.inf if n < 4 else 1.0, low=0, high=9, limit=5.0)
    assert found.size == 4
    never = smallest(lambda _: math.nan, low=0, high=3, limit=5.0)
    assert not never.feasible
    assert never.misses["value"] == math.inf


def test_the_worse_end_of_the_interval_needs_more() -> None:
    def evaluate(n: int) -> Reading:
        return Reading(10.0 - n, 8.0 - n, 12.0 - n)

    assert smallest(evaluate, low=0, high=20, limit=4.0).size == 6
    assert smallest(evaluate, low=0, high=20, limit=4.0, surely=True).size == 8


def test_several_limits_hold_at_once() -> None:
    found = fewest(
        lambda n: {"wait_p95_min": 20.0 - n, "served_share": n / 10}, {"wait_p95_min": 15.0, "served_share": 0.7}, low=0, high=10
    )
    assert found.size == 7
    assert found.misses == {"wait_p95_min": 0.0, "served_share": 0.0}
    at = dict(found.curve.filter(pl.col("size") == 6).select("metric", "meets").iter_rows())
    assert at == {"wait_p95_min": True, "served_share": False}


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"low": 3, "high": 2, "limit": 1.0}, "low=3 and high=2"),
        ({"low": 0, "high": 2, "limit": math.nan}, "must hold at least one number"),
        ({"low": 0, "high": 2, "limit": 1.0, "direction": "down"}, "direction='down' is not known"),
    ],
)
def test_what_cannot_be_asked(asked: dict[str, Any], text: str) -> None:
    with pytest.raises(FleetError, match=text):
        smallest(float, **asked)


def test_unknown_statistics_and_steps() -> None:
    with pytest.raises(FleetError, match=r"no statistic 'wait'; there are .*wait_p95_min"):
        size_station({"arrival_min": [0.0], "service_min": [1.0]}, limits={"wait": 1.0})
    with pytest.raises(FleetError, match="feeder_step_kva=0"):
        size_depot({"start_min": [0], "end_min": [1], "km": [1]}, vehicles=1, feeder_step_kva=0)
    with pytest.raises(KeyError, match="was not looked at for size 99"):
        smallest(float, low=0, high=2, limit=5.0).value("value", 99)
    assert readings([]) == {}


# ---- properties --------------------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.floats(0, 100, allow_nan=False), min_size=2, max_size=40),
    st.floats(0, 100, allow_nan=False),
    st.integers(0, 39),
)
def test_the_answer_is_where_the_limit_is_crossed(values: list[float], limit: float, start: int) -> None:
    falling = sorted(values, reverse=True)
    found = smallest(falling.__getitem__, low=0, high=len(falling) - 1, limit=limit, start=start)
    meets = [v <= limit + 1e-9 * max(limit, 1.0) for v in falling]
    assert found.feasible == meets[-1]
    assert found.size == (meets.index(True) if meets[-1] else falling.index(falling[-1]))
    rising = [-v for v in falling]
    turned = smallest(rising.__getitem__, low=0, high=len(rising) - 1, limit=-limit, direction="rises", start=start)
    assert (turned.size, turned.feasible) == (found.size, found.feasible)


@given(
    st.lists(st.tuples(st.floats(0, 300), st.floats(1, 60)), min_size=1, max_size=25),
    st.floats(0, 40),
    st.sampled_from([None, 50.0, 150.0]),
)
def test_one_plug_less_does_not_do(rows: list[tuple[float, float]], limit: float, feeder_kw: float | None) -> None:
    table = pl.DataFrame(rows, schema=["arrival_min", "energy_kwh"], orient="row")
    given_: dict[str, Any] = {"power_kw": 50.0, "feeder_kw": feeder_kw}
    found = size_station(table, limits={"wait_p95_min": limit}, around=0, **given_)

    def wait(plugs: int) -> float:
        if plugs == 0:
            return math.inf
        return station_summary(simulate_station(table, plugs=plugs, **given_), plugs=plugs)["wait_p95_min"]

    assert found.feasible, "with a plug for everybody nobody waits for one"
    assert wait(found.size) <= limit + 1e-9 * max(1.0, limit)
    assert found.size >= 1, "without a plug everybody waits for ever"
    assert wait(found.size - 1) > limit


# ---- battery swap ------------------------------------------------------------------------------------------------------------------


def test_a_swap_station_has_the_packs_of_the_base_stock() -> None:
    """Exponential charging, no swap time: the mean wait of the closed form decides."""
    tables = []
    for replication in range(3):
        streams = Streams(5, replication)
        arrive = np.cumsum(streams("arrivals").exponential(5.0, 800))
        tables.append(pl.DataFrame({"arrival_min": arrive, "charge_min": streams("charge").exponential(40.0, 800)}))
    limit = 1.0
    expected = next(n for n in range(9, 40) if swap_wait_min(0.2, 40.0, n, n) <= limit)
    found = size_swap(tables, limits={"wait_mean_min": limit}, swap_min=0.0, warmup_min=500.0, around=0)
    assert found.feasible
    assert abs(found.packs.size - expected) <= 1
    row = found.packs.curve.filter(pl.col("size") == found.packs.size).row(0, named=True)
    assert row["low"] <= swap_wait_min(0.2, 40.0, found.packs.size, found.packs.size) <= row["high"]
    assert found.chargers.size <= found.packs.size


def test_a_swap_that_takes_too_long_is_infeasible() -> None:
    found = size_swap({"arrival_min": [0.0, 0.0], "charge_min": [1.0, 1.0]}, limits={"bay_utilisation": -1.0}, swap_min=5.0)
    assert not found.feasible
    assert found.bays.misses["bay_utilisation"] >= 1.0
