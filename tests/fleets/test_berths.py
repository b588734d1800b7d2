"""Berths: cases worked out by hand, queues and loss against closed forms, what is kept, what more equipment does, and wrong ports.

Levels of the closed forms are 99.9 %, so that a sound simulation fails one case in a thousand; seeds are fixed.
"""

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from fleets import berths, queueing
from fleets.berth_calls import STATES
from fleets.berths import CALL_SCHEMA, Calls, Port, Quay, ShipType, simulate_berths
from fleets.errors import ConservationError, FleetError
from fleets.records import DAY_MIN, WEEK_MIN

FULL = {"equipped_ships": 1.0, "equipped_berths": 1.0, "compliance": 1.0, "availability": 1.0}


def seeds(n, root=1):
    return [np.random.SeedSequence([root, i]) for i in range(n)]


def listed(*at, name="ship", **values):
    usual = {"quay": "q", "length_m": 100.0, "stay_h": 2.0, "stay_cv": 0.0, "hotel_kw": 600.0}
    return ShipType(name=name, calls=Calls(len(at) / 7.0, "listed", at_min=at), **{**usual, **values})


def by_chance(per_day, **values):
    usual = {"quay": "q", "length_m": 100.0, "stay_h": 2.0, "stay_cv": 1.0, "hotel_kw": 600.0}
    return ShipType(name="ship", calls=Calls(per_day), **{**usual, **values})


def week(*ships, quay_m=100.0, connections=None, n=1, root=1, **port):
    quay = Quay("q", quay_m, connections)
    return simulate_berths(Port(ships, (quay,), **port), seeds=seeds(n, root), warmup_min=DAY_MIN)


# --- worked out by hand -------------------------------------------------------------------------------------------------------------


def test_one_berth_and_two_ships():
    """The second ship waits an hour at anchor; each lies two hours, half an hour of it on its own engines."""
    ship = listed(0.0, 60.0, anchor_kw=300.0, cargo_t=1000.0, connect_h=0.5, **FULL)
    result = week(ship, efficiency=0.9, fuel_g_per_kwh=200.0, fuel_co2=3.0, grid_co2=0.5)
    exact = {
        "calls": 2.0,
        "anchorage_wait_mean_h": 0.5,
        "anchorage_fuel_t": 300.0 * 1.0 * 200.0 / 1e6,
        "berth_kwh": 2 * 2 * 600.0,
        "shore_power_kwh": 2 * 1.5 * 600.0,
        "grid_kwh": 2 * 1.5 * 600.0 / 0.9,
        "loss_share": 0.1,
        "auxiliary_fuel_t": 2 * 0.5 * 600.0 * 200.0 / 1e6,
        "co2_difference_t": 1800.0 * 200.0 / 1e6 * 3.0 - 2000.0 * 0.5 / 1000.0,
        "peak_kw": 600.0 / 0.9,
        "berth_occupancy": 4.0 / 168.0,
        "throughput_t": 2000.0,
        "throughput_t_per_m": 2000.0 / 100.0 * 365.25 / 7.0,
        "shore_power_calls_share": 1.0,
        "waiting_at_end": 0.0,
    }
    for metric, value in exact.items():
        assert result.value(metric) == pytest.approx(value, abs=1e-9), metric
    calls = result.blocks.drop("replication")
    assert dict(calls.schema) == CALL_SCHEMA
    assert calls["berth_min"].to_list() == [0.0, 120.0]
    assert calls["leave_min"].to_list() == [120.0, 240.0]
    assert calls["anchorage_min"].to_list() == [0.0, 60.0]
    assert calls["connected_min"].to_list() == [90.0, 90.0]
    assert calls["state"].to_list() == ["shore", "shore"]
    # connected from minute 15 to 105 and from 135 to 225, steps of 15 min
    on = np.zeros(WEEK_MIN // 15)
    on[[*range(1, 7), *range(9, 15)]] = 600.0 / 0.9
    assert result.load_kw[0] == pytest.approx(on)


def test_the_first_who_waits_is_served_first_and_ships_do_not_move():
    """A long ship waits for a gap of its length, and a short one behind it waits too although there is room; then both come at once."""
    first = listed(0.0, name="first", length_m=100.0, stay_h=1.0)
    middle = listed(1.0, name="middle", length_m=100.0, stay_h=3.0)
    long = listed(2.0, name="long", length_m=150.0, stay_h=1.0)
    short = listed(3.0, name="short", length_m=40.0, stay_h=1.0)
    calls = week(first, middle, long, short, quay_m=250.0).blocks
    begun = dict(calls.select("ship_type", "berth_min").iter_rows())
    # at minute 60 there are 100 m and 50 m free, apart: 150 m in sum do not hold the long ship
    assert begun == {"first": 0.0, "middle": 1.0, "long": 181.0, "short": 181.0}
    apart = replace(short, quay="other")
    quays = (Quay("q", 250.0), Quay("other", 40.0))
    calls = simulate_berths(Port((first, middle, long, apart), quays), seeds=seeds(1)).blocks
    assert dict(calls.select("ship_type", "berth_min").iter_rows())["short"] == 3.0


def test_clearance_takes_quay():
    two = (listed(0.0, 1.0), 200.0)
    assert week(two[0], quay_m=two[1]).value("anchorage_wait_mean_h") == 0.0
    held = week(two[0], quay_m=two[1], clearance_m=20.0)
    assert held.value("anchorage_wait_mean_h") == pytest.approx((119.0 / 60.0) / 2.0)
    assert held.value("berth_occupancy") == pytest.approx(4.0 * 120.0 / (168.0 * 200.0))


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({}, "shore"),
        ({"equipped_ships": 0.0, "compliance": 0.0}, "ship_not_equipped"),
        ({"equipped_berths": 0.0, "duty_h": 3.0}, "berth_not_equipped"),
        ({"duty_h": 2.1, "compliance": 0.0}, "short_stay"),
        ({"compliance": 0.0, "availability": 0.0}, "not_used"),
        ({"availability": 0.0}, "out_of_order"),
    ],
)
def test_state_says_what_was_missing_first(change, state):
    result = week(listed(0.0, **{**FULL, **change}))
    assert result.blocks["state"].to_list() == [state]
    assert result.value("shore_power_kwh") == (1200.0 if state == "shore" else 0.0)
    assert result.value("auxiliary_fuel_t") == pytest.approx(0.0 if state == "shore" else 1200.0 * 217.0 / 1e6)


def test_too_few_connections_leave_ships_on_their_engines():
    """Three ships at once: two connections, or a feeder for two; and a connection that is too weak for any."""
    ship = listed(0.0, 1.0, 2.0, **FULL)
    states = [
        week(ship, quay_m=300.0, connections=2).blocks["state"].to_list(),
        week(ship, quay_m=300.0, feeder_kw=1400.0).blocks["state"].to_list(),
        simulate_berths(Port((ship,), (Quay("q", 300.0, 3, 500.0),)), seeds=seeds(1)).blocks["state"].to_list(),
    ]
    assert states == [["shore", "shore", "no_connection"], ["shore", "shore", "feeder_full"], ["connection_too_weak"] * 3]
    none = week(ship, quay_m=300.0, connections=0)
    assert none.value("shore_power_kwh") == none.value("peak_kw") == none.value("shore_power_calls_share") == 0.0
    assert none.value("no_connection_share") == 1.0
    assert none.sessions.is_empty()


def test_a_quay_that_is_too_short_turns_ships_away_or_makes_them_wait():
    ship = listed(*(float(t) for t in range(0, WEEK_MIN, 60)), cargo_t=10.0)
    away = week(ship, quay_m=0.0)
    assert away.value("turned_away") == away.value("calls") == 168.0
    assert away.value("throughput_t_per_m") == away.value("berth_kwh") == 0.0
    assert set(away.blocks["state"]) == {"turned_away"}
    # two hours each and one an hour: half are served, and the n-th waits n hours, or until the end
    slow = week(ship)
    waits = [min(n, 168 - n) for n in range(168)]
    assert slow.value("anchorage_wait_mean_h") == pytest.approx(np.mean(waits))
    assert slow.value("waiting_at_end") == 84.0
    assert slow.value("berth_occupancy") == pytest.approx(1.0)


def test_no_ships():
    result = week(by_chance(0.0))
    assert result.value("calls") == result.value("grid_kwh") == result.value("anchorage_wait_p95_h") == 0.0
    assert result.vehicles == 1


# --- closed forms -------------------------------------------------------------------------------------------------------------------


def meets(port, exact, *, widest, n=12, weeks=16):
    """Check that each exact value lies in the interval of its metric."""
    result = simulate_berths(port, seeds=seeds(n, 5), horizon_min=weeks * WEEK_MIN, step_min=60, confidence=0.999)
    for metric, value in exact.items():
        row = result.summary.row(by_predicate=pl.col("metric") == metric, named=True)
        assert row["low"] <= value <= row["high"], (metric, value, row)
        # an interval that holds everything shows nothing
        assert row["high"] - row["low"] < 2.0 * widest * value, (metric, value, row)


@pytest.mark.parametrize(
    ("per_day", "cv", "berth_number", "wait_min"),
    [
        (7.0, 1.0, 1, queueing.mmc_wait_min(7.0 / 1440.0, 120.0, 1)),
        (30.0, 1.0, 3, queueing.mmc_wait_min(30.0 / 1440.0, 120.0, 3)),
        (30.0, 0.0, 3, queueing.mdc_wait_min(30.0 / 1440.0, 120.0, 3)),
        (7.0, 0.5, 1, queueing.mg1_wait_min(7.0 / 1440.0, 120.0, 0.5)),
    ],
)
def test_anchorage_is_a_queue(per_day, cv, berth_number, wait_min):
    """Ships of one length: M/M/c, M/D/c and M/G/1."""
    port = Port((by_chance(per_day, stay_cv=cv),), (Quay("q", berth_number * 120.0),), clearance_m=20.0)
    exact = {"anchorage_wait_mean_h": wait_min / 60.0, "berth_occupancy": per_day * 2.0 / 24.0 / berth_number}
    meets(port, exact, widest=0.35, weeks=round(480 / per_day))


@pytest.mark.parametrize(("cv", "stay"), [(0.5, "gamma"), (0.9, "lognormal")])
def test_connections_are_a_loss_system(cv, stay):
    """Quay for everybody and three connections: the share without one is Erlang's, whatever the stays."""
    ship = by_chance(24.0, stay_cv=cv, stay=stay, **FULL)
    port = Port((ship,), (Quay("q", 1e5, 3),))
    meets(port, {"no_connection_share": queueing.erlang_b(2.0, 3)}, widest=0.15)


@pytest.mark.parametrize("closure_h", [0.0, 6.0])
def test_weather_cancels_its_share(closure_h):
    flat = (1.0,) * 24
    ferry = replace(by_chance(6.0), calls=Calls(6.0, "timetable", hourly_share=flat, cancelled_share=0.2, closure_h=closure_h))
    port = Port((ferry,), (Quay("q", 1e5),))
    meets(port, {"cancelled_share": 0.2}, widest=0.25)


def test_shares_multiply():
    """Of independent draws the product is connected, of lognormal stays those above the duty."""
    ship = by_chance(
        24.0, stay_cv=0.5, stay="lognormal", equipped_ships=0.8, equipped_berths=0.7, compliance=0.6, availability=0.9
    )
    port = Port((replace(ship, duty_h=2.0),), (Quay("q", 1e5),))
    s = math.sqrt(math.log1p(0.25))
    duty = 0.5 * math.erfc(s / 2.0 / math.sqrt(2.0))  # the mean lies above the median
    meets(
        port,
        {"shore_power_all_calls_share": 0.8 * 0.7 * 0.6 * 0.9 * duty, "shore_power_calls_share": 0.6 * 0.9},
        widest=0.1,
    )


def test_timetable_follows_the_departures():
    """Ships lie at berth before they sail, and sail in the hours of the profile."""
    share = [0.0] * 24
    share[8], share[20] = 3.0, 1.0
    ferry = replace(by_chance(8.0), stay_cv=0.3, calls=Calls(8.0, "timetable", hourly_share=tuple(share)))
    calls = week(ferry, quay_m=1e5, n=2).blocks.filter(pl.col("leave_min").is_between(0.0, WEEK_MIN - 1.0))
    hour = (calls["leave_min"] / 60.0).floor() % 24
    assert set(hour) == {8.0, 20.0}
    # six of eight a day: evenly spread, whatever is drawn
    assert (hour == 8.0).sum() == 2 * 7 * 6
    assert calls.select((pl.col("leave_min") - pl.col("arrive_min") - 120.0).mean()).item() == pytest.approx(0.0, abs=15.0)


def test_schedule_has_equal_headways():
    liner = replace(by_chance(0.0), calls=Calls(4.0, "scheduled"))
    at = week(liner, quay_m=1e5).blocks["arrive_min"]
    assert np.diff(at) == pytest.approx(360.0)
    late = week(replace(liner, calls=Calls(4.0, "scheduled", noise_h=5.0)), quay_m=1e5, n=20).blocks
    gaps = late.sort("replication", "arrive_min").select(pl.col("arrive_min").diff().over("replication")).to_series().drop_nulls()
    assert gaps.mean() == pytest.approx(360.0, rel=0.05)
    assert gaps.std() > 200.0


# --- what holds for any port --------------------------------------------------------------------------------------------------------

SHARE = st.floats(0.0, 1.0)
SHIP = st.builds(
    ShipType,
    name=st.just("a"),
    quay=st.just("q"),
    calls=st.builds(
        Calls,
        per_day=st.floats(0.0, 30.0),
        pattern=st.sampled_from(["poisson", "scheduled", "timetable"]),
        hourly_share=st.just((0.0, *(1.0,) * 23)),
        cancelled_share=SHARE,
        closure_h=st.sampled_from([0.0, 10.0]),
        noise_h=st.floats(0.0, 10.0),
    ),
    length_m=st.floats(20.0, 300.0),
    length_cv=st.floats(0.0, 0.5),
    stay_h=st.floats(0.1, 50.0),
    stay_cv=st.floats(0.0, 1.5),
    stay=st.sampled_from(["gamma", "lognormal"]),
    cargo_t=st.floats(0.0, 1e4),
    hotel_kw=st.floats(0.0, 3000.0),
    anchor_kw=st.floats(0.0, 3000.0),
    equipped_ships=SHARE,
    equipped_berths=SHARE,
    compliance=SHARE,
    availability=SHARE,
    duty_h=st.floats(0.0, 5.0),
    connect_h=st.floats(0.0, 3.0),
)


@settings(max_examples=30)
@given(
    SHIP,
    SHIP,
    st.floats(0.0, 1500.0),
    st.integers(0, 6),
    st.floats(0.0, 50.0),
    st.floats(0.0, 6000.0),
    st.floats(0.5, 1.0),
)
def test_nothing_is_lost(one, other, quay_m, connections, clearance, feeder, efficiency):
    """Every port runs and balances (the checks stop the run where it does not), and its table tells the same as its metrics."""
    ships = (one, replace(other, name="b"))
    port = Port(ships, (Quay("q", quay_m, connections),), clearance, feeder, efficiency, fuel_co2=3.1, grid_co2=0.5)
    result = simulate_berths(port, seeds=seeds(1, 3), warmup_min=DAY_MIN)
    assert result.checks["passed"].all()
    calls = result.blocks
    inside = calls.filter(pl.col("arrive_min") >= 0.0)
    assert inside.height == result.value("calls")
    served = inside["berth_min"].is_not_null().sum()
    here = inside["state"].is_in(["waiting", "turned_away"]).sum()
    assert served + here == inside.height
    assert set(calls["state"]) <= {*STATES, "waiting", "turned_away"}
    shares = ("unequipped_ship", "unequipped_berth", "short_stay", "not_used", "out_of_order", "no_connection")
    total = sum(result.value(f"{name}_share") for name in shares) + result.value("shore_power_all_calls_share")
    assert total == pytest.approx(1.0 if result.value("calls_berthed") else 0.0)
    demand, shore = result.value("berth_kwh"), result.value("shore_power_kwh")
    burnt = result.value("auxiliary_fuel_t") * 1e6 / port.fuel_g_per_kwh
    assert demand == pytest.approx(shore + burnt, abs=1e-6)
    assert result.load_kw.sum() / 4.0 == pytest.approx(result.value("grid_kwh"), abs=1e-5)
    assert result.value("peak_kw") <= feeder * (1.0 + 1e-6)
    assert 0.0 <= result.value("berth_occupancy") <= 1.0 + 1e-9
    waits = calls.filter(pl.col("berth_min").is_not_null()).select(pl.col("berth_min") - pl.col("arrive_min")).to_series()
    assert (waits >= 0.0).all()


@settings(max_examples=25)
@given(SHIP, st.integers(0, 4))
def test_without_a_limit_every_call_is_served_that_few_connections_served(ship, few):
    """Of the same ships; a connection more may serve others than before, because who comes first takes it."""
    ship = replace(ship, equipped_ships=1.0, equipped_berths=1.0, compliance=1.0, calls=replace(ship.calls, cancelled_share=0.0))
    small, large = (week(ship, quay_m=2000.0, connections=n) for n in (few, None))
    assert small.blocks["arrive_min"].equals(large.blocks["arrive_min"])
    assert large.value("shore_power_kwh") >= small.value("shore_power_kwh") - 1e-6
    kept = small.blocks.filter(pl.col("state") == "shore")["call"]
    assert set(kept) <= set(large.blocks.filter(pl.col("state") == "shore")["call"])


@settings(max_examples=25)
@given(SHIP, SHARE, SHARE)
def test_more_compliance_never_gives_less_shore_power(ship, one, other):
    low, high = sorted((one, other))
    small, large = (week(replace(ship, compliance=share), quay_m=2000.0) for share in (low, high))
    assert large.value("shore_power_kwh") >= small.value("shore_power_kwh") - 1e-6
    assert large.value("auxiliary_fuel_t") <= small.value("auxiliary_fuel_t") + 1e-9
    assert large.value("anchorage_wait_mean_h") == pytest.approx(small.value("anchorage_wait_mean_h"), abs=1e-9)


# --- same seed, same ships ----------------------------------------------------------------------------------------------------------


def test_same_seed_same_bytes_and_other_ships_change_nothing():
    ship = by_chance(20.0, stay_cv=0.5, equipped_ships=0.5, equipped_berths=0.5, compliance=0.5, availability=0.9)
    first, again, other = week(ship, n=2), week(ship, n=2), week(ship, n=2, root=2)
    assert_frame_equal(first.summary, again.summary, check_exact=True)
    assert_frame_equal(first.blocks, again.blocks, check_exact=True)
    assert not first.blocks.equals(other.blocks)
    beside = replace(ship, name="beside", quay="new")
    port = Port((beside, ship), (Quay("new", 500.0), Quay("q", 100.0)))
    both = simulate_berths(port, seeds=seeds(2), warmup_min=DAY_MIN).blocks.filter(pl.col("ship_type") == "ship")
    assert_frame_equal(both.drop("call"), first.blocks.drop("call"), check_exact=True)


def test_one_replication_has_no_interval_and_more_have_one():
    ship = by_chance(20.0)
    assert week(ship).summary["low"].null_count() == week(ship).summary.height
    assert week(ship, n=3).summary["low"].null_count() == 0


def test_a_run_that_loses_quay_stops(monkeypatch):
    """The checks can fail: quay that is not given back, a meter that misses power."""
    with monkeypatch.context() as patch:
        patch.setattr(berths._Berths, "give", lambda *_: None)
        with pytest.raises(ConservationError, match="quay_minus_ships_and_gaps"):
            week(listed(0.0))
    with monkeypatch.context() as patch:
        patch.setattr(berths._Meter, "add", lambda *_: None)
        with pytest.raises(ConservationError, match="demand_minus_meter"):
            week(listed(0.0))


# --- wrong ports --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"quay": "elsewhere"}, r"ship: quay 'elsewhere' is not in the port; there are q"),
        ({"compliance": 1.2}, r"ship: compliance=1.2 must be 0 or more and at most 1"),
        ({"stay_h": 0.0}, r"ship: length_m=100.0 and stay_h=0.0 must be positive"),
        ({"hotel_kw": math.nan}, r"ship: hotel_kw=nan must be 0 or more"),
        ({"length_cv": 0.6}, r"length_cv=0.6 below 0.577"),
        ({"stay": "normal"}, r"stay='normal' \(gamma, lognormal\) is not known"),
        ({"calls": Calls(math.inf)}, r"per_day=inf must be 0 or more"),
        ({"calls": Calls(1.0, "by_ear")}, r"pattern='by_ear'"),
        ({"calls": Calls(1.0, "timetable", hourly_share=(1.0, 2.0))}, r"hourly_share needs 24 values .* got 2"),
        ({"calls": Calls(1.0, "listed", at_min=(math.nan,))}, r"at_min=\(nan,\) must be times"),
    ],
)
def test_a_wrong_ship_is_named(change, words):
    with pytest.raises(FleetError, match=words):
        week(replace(by_chance(1.0), **change))


@pytest.mark.parametrize(
    ("port", "words"),
    [
        (Port((), (Quay("q", -1.0),)), r"q: length_m=-1.0"),
        (Port((), (Quay("q", 1.0, -2),)), r"q: connections=-2"),
        (Port((), (Quay("q", 1.0), Quay("q", 2.0))), r"names of quays"),
        (Port((), (), efficiency=0.0), r"efficiency=0.0 must lie above 0"),
    ],
)
def test_a_wrong_port_is_named(port, words):
    with pytest.raises(FleetError, match=words):
        simulate_berths(port, seeds=seeds(1))


def test_times_that_are_no_steps_are_named():
    with pytest.raises(FleetError, match="whole steps of 11 min"):
        simulate_berths(Port((), ()), seeds=seeds(1), step_min=11, horizon_min=7)
