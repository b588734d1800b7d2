"""Packs that wait for a cheaper hour: three packs by hand at both kinds of stores, the queue, the reserve, prices, balances, bad plans."""

import math

import numpy as np
import polars as pl
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from fleets.battery import Battery
from fleets.corridor import simulate_corridor
from fleets.errors import ChargingError
from fleets.fill_line import Visit, swap_line
from fleets.pack_plan import PackPlan, price_periods
from fleets.swap import SwapSite, SwapStation, done_visits

#: Dear from 17:00 to 19:00.
DEAR = ((0, 0.5), (1020, 1.5), (1140, 0.5))
#: A pack is half empty when it is handed in: half an hour at 60 kW.
PACK = Battery(60.0, 60.0, 0.9999, 60.0)
#: One swap expected between 18:00 and 19:00.
EVENING = tuple(float(hour == 18) for hour in range(24)) * 7


def plan(share=1.0, reserve=0.0, expected=EVENING, periods=DEAR):
    return PackPlan(share, periods, reserve, expected)


def starts_at_taxis(times, packs, rule, swap_min=0.0, until=1400.0):
    """Return when each charge began and when each vehicle was served at a store of taxis."""
    env = simpy.Environment()
    site = SwapSite(env, "swap", SwapStation(9, packs, swap_min, 60.0, 1.0, plan=rule), 1.0, service_min=30.0)

    def vehicle(number, at):
        yield env.timeout(at)
        yield from site.swap(number, PACK, 0.5)

    for number, at in enumerate(times):
        env.process(vehicle(number, at))
    env.run(until=until)
    site.close()
    assert site.packs() == packs
    began = {v.vehicle: v.start_min for v in site.visits} | {int(row[0]): row[2] for row in done_visits(site)}
    return sorted(row[0] for row in site.bank.stretches), [began[vehicle] for vehicle in sorted(began)]


def starts_at_trucks(times, packs, rule, until=1400.0):
    """Return the same at a store of trucks."""
    env = simpy.Environment()
    line, store = swap_line(
        env, PACK, bays=9, packs=packs, powers_kw=[60.0] * packs, feeder_kw=math.inf, full_soc=1.0, plan=rule, charge_min=30.0
    )
    visits = [Visit(i, 30.0, 0.0) for i, _ in enumerate(times)]

    def bring():
        for at, visit in zip(times, visits, strict=True):
            yield env.timeout(at - env.now)
            line.arrive(visit)

    env.process(bring())
    env.run(until=until)
    store.bank.close()
    return sorted(row[0] for row in store.bank.stretches), [v.start_min for v in visits]


@pytest.mark.parametrize("starts", [starts_at_taxis, starts_at_trucks])
def test_three_packs_and_one_dear_window_by_hand(starts):
    came = [1030.0, 1050.0, 1110.0]
    assert starts(came, 3, None)[0] == pytest.approx(came)
    # 1030 and 1050: the packs left cover the one swap that is expected, so both wait; 1110: none is left for the half swap until 19:30, and
    # the first that waits is charged; the others at 19:00
    charged, served = starts(came, 3, plan())
    assert charged == pytest.approx([1110.0, 1140.0, 1140.0])
    assert served == pytest.approx(came)
    # with one pack in reserve 1050 leaves too few, and 1110 again
    assert starts(came, 3, plan(reserve=1 / 3))[0] == pytest.approx([1050.0, 1110.0, 1140.0])
    # every second pack is in the plan: the first is charged at once
    assert starts(came, 3, plan(share=0.5))[0] == pytest.approx([1030.0, 1110.0, 1140.0])
    # nobody is
    assert starts(came, 3, plan(share=0.0))[0] == pytest.approx(came)


@pytest.mark.parametrize("starts", [starts_at_taxis, starts_at_trucks])
def test_a_vehicle_in_the_queue_calls_a_pack(starts):
    charged, served = starts([1030.0, 1040.0], 1, plan(expected=()))
    assert charged == pytest.approx([1040.0, 1140.0])
    assert served == pytest.approx([1030.0, 1070.0])


def test_a_pack_waits_through_several_prices_as_long_as_the_next_is_cheaper():
    # sharp after peak: what the stock cannot spare until the valley at 22:00 it can spare until the end of the sharp hours
    periods = ((0, 0.3), (960, 1.0), (1020, 1.5), (1140, 1.0), (1320, 0.3))
    busy = tuple(float(hour in range(16, 22)) for hour in range(24)) * 7
    charged, _ = starts_at_taxis([970.0, 1030.0], 4, plan(expected=busy, periods=periods))
    # at 16:10 more is expected until the valley than there is; at 19:00 only peak begins, and 3 swaps until 22:00 are met by 3 packs
    assert charged == pytest.approx([970.0, 1320.0])
    charged, _ = starts_at_taxis([970.0, 1030.0], 4, plan(expected=busy, periods=periods, reserve=0.125))
    # half a pack in reserve: 2.8 of 3 packs until 19:30, and then 3.5
    assert charged == pytest.approx([970.0, 1140.0])


def test_prices_of_the_day():
    rule = plan(periods=((0, 0.3), (960, 1.0), (1020, 1.5), (1140, 1.0)))
    assert [rule.cheaper_at(t) for t in (0.0, 970.0, 1019.9, 1020.0, 1200.0)] == [None, 1440.0, 1440.0, 1140.0, 1440.0]
    # before the week and a week later
    assert rule.cheaper_at(1030.0 - 1440.0) == 1140.0 - 1440.0
    assert rule.cheaper_at(1030.0 + 10080.0) == 1140.0 + 10080.0
    assert [rule.next_period(t) for t in (0.0, 1020.0, 1300.0)] == [960.0, 1140.0, 1440.0]
    assert price_periods([0.3] * 960 + [1.0] * 60 + [1.5] * 120 + [1.0] * 300) == rule.periods
    # one price all day: nothing waits
    assert plan(periods=((0, 1.0),)).cheaper_at(700.0) is None


@given(start=st.floats(-2e4, 2e4), gaps=st.tuples(st.floats(0.0, 2e4), st.floats(0.0, 2e4)))
def test_what_is_expected_adds_up(start, gaps):
    rates = tuple(float(h % 7) for h in range(168))
    rule = plan(expected=rates)
    middle, end = start + gaps[0], start + gaps[0] + gaps[1]
    parts = rule.expected(start, middle) + rule.expected(middle, end)
    assert parts == pytest.approx(rule.expected(start, end), abs=1e-6)
    assert rule.expected(start, start + 10080.0) == pytest.approx(sum(rates))


@settings(max_examples=40, deadline=None)
@given(
    gaps=st.lists(st.floats(0.0, 120.0), min_size=1, max_size=25),
    packs=st.integers(0, 5),
    share=st.floats(0.0, 1.0),
    reserve=st.floats(0.0, 1.0),
    swap_min=st.floats(0.0, 9.0),
)
def test_no_pack_and_nobody_is_lost(gaps, packs, share, reserve, swap_min):
    came = (900.0 + np.cumsum(gaps)).tolist()
    charged, served = starts_at_taxis(came, packs, plan(share, reserve), swap_min, until=10_000.0)
    if packs:
        # in the valley everything is caught up
        assert len(charged) == len(came)
        assert None not in served
    else:
        assert charged == []


def corridor(rule=None):
    sites = {"station": ["s"], "energy": ["swap"], "places": [3], "packs": [40], "pack_chargers": [40], "power_kw": [200.0]}
    sites |= {"fill_min": [5.0]}
    come = pl.DataFrame(
        {"station": "s", "energy": "swap", "hour": np.arange(168), "vehicles_per_h": 6.0, "need": 200.0, "need_cv": 0.2}
    )
    battery = {"swap": Battery(350.0, 200.0, 0.9, 60.0)}
    seeds = [np.random.SeedSequence(3, spawn_key=(r,)) for r in range(3)]
    return simulate_corridor(pl.DataFrame(sites), come, seeds=seeds, batteries=battery, efficiency=0.9, pack_plan=rule).result


def test_a_truck_store_leaves_the_dear_hours_and_catches_up():
    plain, again, managed = corridor(), corridor(plan(share=0.0)), corridor(plan(reserve=0.1))
    # a share of 0 is no plan, bit by bit
    assert_frame_equal(plain.summary, again.summary, check_exact=True)
    assert (plain.load_kw == again.load_kw).all()
    dear = np.tile((np.arange(96) >= 17 * 4) & (np.arange(96) < 19 * 4), 7)
    before, now = (r.load_kw[:, dear].mean() for r in (plain, managed))
    # 40 packs cover the 15 swaps until 19:30 and the 4 in reserve: only what was on charge at 17:00 is charged on
    assert now < 0.35 * before
    # the same trucks take the same energy, and the packs are charged later by hours and not by days
    assert_frame_equal(
        plain.blocks.drop("start_min", "end_min", "wait_min"), managed.blocks.drop("start_min", "end_min", "wait_min")
    )
    assert managed.value("grid_kwh") == pytest.approx(plain.value("grid_kwh"), rel=0.01)
    assert managed.checks["passed"].all()
    assert_frame_equal(managed.summary, corridor(plan(reserve=0.1)).summary, check_exact=True)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"share": 1.2}, "share=1.2"),
        ({"reserve": -0.1}, "reserve=-0.1"),
        ({"periods": ()}, "begin at 0"),
        ({"periods": ((60, 1.0),)}, "begins at \\[60\\]"),
        ({"periods": ((0, 1.0), (1500, 2.0))}, "1500"),
        ({"expected": (1.0,)}, "168"),
    ],
)
def test_a_bad_plan_is_refused(wrong, message):
    with pytest.raises(ChargingError, match=message):
        plan(**wrong)
    with pytest.raises(ChargingError, match="1440"):
        price_periods([1.0] * 24)
