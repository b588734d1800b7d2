"""Charging under a level: who gives way, when slack ends, feeder and service kept, and how near the exact bound it comes."""

import numpy as np
import polars as pl
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from fleets.battery import Battery
from fleets.depot import Buses, PeakShaving, ValleyFirst, bus_blocks, planned_level_kw, simulate_bus_depot
from fleets.errors import BlockError, ChargingError
from fleets.load_bound import gap_share, peak_bound, stays
from fleets.managed import LevelSite, accepted_kw, full_power_soc
from fleets.records import load_curve
from fleets.station import Plugs

PROFILE = [0, 0, 0, 0, 1, 40, 75, 85, 70, 60, 55, 55, 55, 55, 55, 60, 70, 78, 65, 45, 35, 25, 12, 2]
SEEDS = [np.random.SeedSequence(5, spawn_key=(r,)) for r in range(2)]
FLAT = Battery(100.0, 100.0, 0.9, 100.0)


def charge_all(rows, plugs, level, *, margin=0.0, battery=FLAT):
    """Run stays (arrive, leave, soc, at once or not) and return the site and the state of charge each left with."""
    env = simpy.Environment()
    site = LevelSite(env, "depot", plugs, PeakShaving(1.0, level, margin))
    left = {}

    def vehicle(number, arrive, leave, soc, managed):
        yield env.timeout(arrive)
        ask = site.managed if managed else site.charge
        left[number] = yield from ask(number, battery, soc, 1.0, leave_min=leave)

    for i, row in enumerate(rows):
        env.process(vehicle(i, *row))
    env.run(until=1440)
    site.close()
    return site, left


def power(site, minutes=1440, step=5):
    return load_curve(site.segments(), start_min=0, end_min=minutes, step_min=step)


def pieces(site, vehicle):
    return [(s.start_min, s.end_min) for s in site.sessions if s.vehicle == vehicle and s.start_min is not None]


def test_one_after_the_other_under_the_level():
    # each needs 50 kWh at 100 kW: half an hour; the level holds one
    site, left = charge_all([(0, 600, 0.5, True), (0, 500, 0.5, True)], Plugs(2, 100.0, 1.0), 100.0)
    assert pieces(site, 1) == [(0.0, 30.0)]
    assert pieces(site, 0) == [(30.0, 60.0)]
    assert left == {0: 1.0, 1: 1.0}
    assert power(site).max() == pytest.approx(100.0)


def test_an_earlier_departure_takes_over_and_the_other_goes_on_later():
    site, left = charge_all([(0, 600, 0.0, True), (20, 200, 0.5, True)], Plugs(2, 100.0, 1.0), 100.0)
    # the first pauses from 20 to 50 and needs its 60 minutes all the same
    assert pieces(site, 0) == [(0.0, 20.0), (50.0, 90.0)]
    assert pieces(site, 1) == [(20.0, 50.0)]
    assert left == {0: 1.0, 1: pytest.approx(1.0)}


def test_without_room_everybody_begins_when_the_slack_ends():
    # no level: 30 minutes of charge, 10 of margin, so at 100 - 40; the second finds the level where the first has lifted it
    site, left = charge_all([(0, 100, 0.5, True), (0, 300, 0.5, True)], Plugs(2, 100.0, 1.0), 0.0, margin=10.0)
    assert pieces(site, 0) == [(60.0, 90.0)]
    assert pieces(site, 1) == [(90.0, 120.0)]
    assert site.level_kw == pytest.approx(100.0)
    assert left == {0: 1.0, 1: 1.0}


def test_who_charges_at_once_counts_under_the_level():
    site, _ = charge_all([(0, 600, 0.5, True), (10, 600, 0.0, False)], Plugs(2, 100.0, 1.0), 100.0)
    assert pieces(site, 1) == [(10.0, 70.0)]
    assert pieces(site, 0) == [(0.0, 10.0), (70.0, 90.0)]
    assert power(site).max() == pytest.approx(100.0)


def test_a_stay_too_short_ends_at_the_departure():
    site, left = charge_all([(0, 30, 0.0, True), (0, 60, 0.0, False)], Plugs(1, 100.0, 1.0), 200.0)
    # without slack it goes before the one that charges at once and came at the same instant only if a plug is left
    assert sum(b - a for v in (0, 1) for a, b in pieces(site, v)) == pytest.approx(60.0)
    assert left[0] + left[1] == pytest.approx(1.0)


def test_at_once_leaves_with_what_it_needs():
    env = simpy.Environment()
    site = LevelSite(env, "depot", Plugs(1, 60.0, 1.0), PeakShaving())
    found = []

    def bus(number, need, leave):
        soc = yield from site.charge(number, FLAT, 0.2, 1.0, need=need, leave_min=leave)
        found.append((number, soc, env.now))

    env.process(bus(0, 0.5, 10.0))
    env.run(until=200)
    # 30 kWh at 60 kW: it stays 20 minutes beyond its time; 20 % more would have come in the last hour
    assert found == [(0, pytest.approx(0.5), pytest.approx(30.0))]
    assert sum(s.stored_kwh for s in site.sessions) == pytest.approx(30.0)


def test_plugs_at_nothing_leave_everybody_waiting():
    site, left = charge_all([(0, 100, 0.5, True), (0, 90, 0.5, False)], Plugs(0, 100.0, 1.0), 0.0)
    assert left == {0: 0.5, 1: 0.5}
    assert {s.state for s in site.sessions} == {"left"}


rows = st.lists(
    st.tuples(st.integers(0, 600), st.integers(61, 400), st.floats(0.0, 0.95), st.booleans()).map(
        lambda r: (r[0], r[0] + r[1], r[2], r[3])
    ),
    min_size=1,
    max_size=9,
)


@settings(max_examples=30)
@given(rows, st.integers(1, 9), st.floats(0.0, 400.0), st.sampled_from([150.0, 250.0, 1e9]))
def test_energy_feeder_and_bound(drawn, plugs, level, feeder):
    """Whatever the level: what leaves is what was charged, the feeder holds, and nobody is below the exact bound of what was charged."""
    battery = Battery(100.0, 100.0, 0.8, 10.0)
    site, left = charge_all(drawn, Plugs(plugs, 100.0, 0.9, limit_kw=feeder), level, battery=battery)
    stored = sum(s.stored_kwh for s in site.sessions)
    assert stored == pytest.approx(sum((left[i] - r[2]) * 100.0 for i, r in enumerate(drawn)), abs=1e-6)
    load = power(site, step=15)
    assert load.sum() / 4.0 == pytest.approx(stored / 0.9, abs=1e-6)
    assert load.max() <= min(feeder, plugs * 100.0 / 0.9) + 1e-6
    asked = [(r[0], r[1], min((left[i] - r[2]) * 100.0, (r[1] - r[0]) / 0.6), 100.0) for i, r in enumerate(drawn)]
    table = pl.DataFrame(asked, schema=["arrive_min", "leave_min", "energy_kwh", "max_kw"], orient="row")
    assert load.max() >= peak_bound(table, efficiency=0.9).peak_kw - 1e-6
    # with a plug for everybody and a feeder for all of them, everybody is full on departure
    if plugs >= len(drawn) and feeder > 1e6:
        for i, r in enumerate(drawn):
            enough = battery.minutes(r[2], 1.0, 100.0) <= r[1] - r[0]
            assert left[i] == pytest.approx(1.0, abs=1e-9) or not enough


def test_the_power_of_a_taper():
    battery = Battery(100.0, 100.0, 0.8, 10.0)
    assert accepted_kw(battery, 0.5, 60.0) == 60.0
    assert accepted_kw(battery, 0.9, 100.0) == pytest.approx(55.0)
    assert accepted_kw(battery, 1.0, 100.0) == pytest.approx(10.0)
    corner = full_power_soc(battery, 55.0)
    assert corner == pytest.approx(0.9)
    assert accepted_kw(battery, corner, 55.0) == pytest.approx(55.0)
    assert full_power_soc(FLAT, 100.0) == full_power_soc(battery, 5.0) == 1.0


@pytest.fixture(scope="module")
def depot():
    """Return a depot of 60 buses without taper, its plan and its plugs."""
    blocks = bus_blocks(
        60, PROFILE, day_factor=[1.0] * 4, peak_out_share=0.88, longest_piece_min=540.0, km_per_min=[0.23] * 24, kwh_per_km=[1.05] * 4,
        rng=np.random.default_rng(3), first_day=0,
    )  # fmt: skip
    buses = Buses(60, Battery(220.0, 220.0, 0.8, 220.0), 0.0, 1.0, 0.15, 10.0, 30.0)
    return buses, blocks, Plugs(60, 120.0, 0.9)


def shaved(depot, **more):
    buses, blocks, plugs = depot
    return simulate_bus_depot(buses, blocks, plugs, seeds=SEEDS, warmup_min=0, horizon_min=4 * 1440, **more)


def bound_of(run, plugs, max_kw=120.0):
    driven = run.blocks.filter((pl.col("replication") == 0) & pl.col("start_min").is_not_null()).rename({"bus": "vehicle"})
    mine = run.sessions.filter(pl.col("replication") == 0)
    return peak_bound(
        stays(driven, mine, max_kw=max_kw, turnaround_min=10.0, end_min=5760.0), efficiency=plugs.efficiency
    ).peak_kw


def test_the_gap_to_the_exact_bound_is_small_and_the_service_the_same(depot):
    at_once, managed = shaved(depot), shaved(depot, shaving=PeakShaving(1.0))
    bound = bound_of(managed, depot[2])
    assert planned_level_kw(*depot) == pytest.approx(bound, rel=0.02)
    # the bound shares power as it likes, a plug has its power or none: at most one plug more
    assert 0.0 <= gap_share(managed.value("peak_kw"), bound) <= 120.0 / 0.9 / bound
    assert gap_share(at_once.value("peak_kw"), bound) > 0.4
    assert managed.value("served_share") == at_once.value("served_share") == 1.0
    assert managed.value("delayed_share") == 0.0
    assert managed.value("battery_kwh") == pytest.approx(at_once.value("battery_kwh"), rel=0.01)
    assert managed.checks["passed"].all()


@pytest.mark.parametrize(("end_kw", "most"), [(220.0, 0.12), (22.0, 0.35)])
def test_room_above_the_plan_lowers_the_peak(end_kw, most):
    """The level by itself on a fixed depot, without and with taper: how far above the exact bound (which knows no taper) at most."""
    blocks = bus_blocks(
        100, PROFILE, day_factor=[1.0] * 4, peak_out_share=0.88, longest_piece_min=540.0, km_per_min=[0.23] * 24, kwh_per_km=[0.6] * 4,
        rng=np.random.default_rng(2), first_day=0,
    )  # fmt: skip
    depot = Buses(100, Battery(220.0, 220.0, 0.8, end_kw), 0.1, 1.0, 0.15, 10.0, 30.0), blocks, Plugs(100, 180.0, 0.9)
    own, tight = shaved(depot, shaving=PeakShaving(1.0)), shaved(depot, shaving=PeakShaving(1.0, planned_level_kw(*depot)))
    assert 0.0 <= gap_share(float(own.load_kw[0].max()), bound_of(own, depot[2], 180.0)) < most
    assert own.value("peak_kw") < 0.9 * tight.value("peak_kw")
    assert own.value("served_share") == tight.value("served_share") == 1.0


def test_a_level_at_the_limit_of_a_poor_feeder_leaves_none_of_it_idle():
    """A plug of 60 kW on a feeder of 20 kW is above every level: buses take turns at what there is, earliest departure first."""
    rows = [
        (b, d * 1440 + s + b * 10.0, d * 1440 + s + 300 + b * 10.0, 50.0, 60.0)
        for d in range(2)
        for s in (360, 840)
        for b in range(4)
    ]
    blocks = pl.DataFrame(rows, schema=["bus", "start_min", "end_min", "km", "kwh"], orient="row")
    depot = Buses(4, Battery(200.0, 200.0, 0.8, 20.0), 0.1, 1.0, 0.15, 10.0, 30.0), blocks, Plugs(2, 60.0, 0.9, 20.0, 30.0)
    run = {"seeds": [np.random.SeedSequence(i) for i in range(40)], "warmup_min": 0, "horizon_min": 2880}
    at_once, managed = simulate_bus_depot(*depot, **run), simulate_bus_depot(*depot, shaving=PeakShaving(1.0), **run)
    assert managed.value("served_share") >= at_once.value("served_share") > 0.8
    assert managed.value("peak_kw") == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kwh": float("nan")}, "kwh in row 0 is nan"),
        ({"kwh": -1.0}, "kwh in row 0 is -1.0; it must be a number of at least 0"),
        ({"start_min": None}, "start_min in row 0 is None"),
        ({"bus": None}, "bus in row 0 is None"),
    ],
)
def test_blocks_no_depot_can_run(change, message):
    row = {"bus": 0, "start_min": 0.0, "end_min": 10.0, "km": 1.0, "kwh": 1.0}
    buses = Buses(1, FLAT, 0.0, 1.0, 0.1, 0.0, 0.0)
    with pytest.raises(BlockError, match=message):
        simulate_bus_depot(buses, pl.DataFrame([row | change]), Plugs(1, 60.0, 0.9), seeds=SEEDS)
    with pytest.raises(BlockError, match="seeds is empty"):
        simulate_bus_depot(buses, pl.DataFrame([row]), Plugs(1, 60.0, 0.9), seeds=[])


def test_rules_no_bus_can_keep():
    with pytest.raises(BlockError, match="reserve_soc <= target_soc <= 1"):
        Buses(1, FLAT, 0.0, 1.4, 0.1, 0.0, 0.0)
    with pytest.raises(BlockError, match=r"late_tolerance_min=-30\.0"):
        Buses(1, FLAT, 0.0, 1.0, 0.1, 0.0, -30.0)
    with pytest.raises(BlockError, match="share=nan must lie in 0 to 1"):
        ValleyFirst(float("nan"))


def test_a_site_with_nobody_managed_is_the_plain_site(depot):
    """The same queue, feeder and modules: the two sites agree where no rule acts."""
    buses, blocks, _ = depot
    tight = buses, blocks, Plugs(9, 120.0, 0.9, limit_kw=700.0, module_kw=20.0)
    plain, level = shaved(tight), shaved(tight, shaving=PeakShaving(0.0))
    for metric in ("served_share", "wait_mean_min", "grid_kwh", "peak_kw", "late_blocks", "unserved_kwh"):
        assert level.value(metric) == pytest.approx(plain.value(metric), rel=1e-6), metric


def test_rules_share_the_buses_and_the_same_seed_gives_the_same_bytes(depot):
    both = {"policy": ValleyFirst(0.4, ((1320, 1740),), 0.85, 15.0), "shaving": PeakShaving(0.4)}
    run, again = (shaved(depot, **both) for _ in range(2))
    for name in ("summary", "sessions", "blocks", "checks"):
        assert_frame_equal(getattr(run, name), getattr(again, name), check_exact=True)
    assert run.load_kw.tobytes() == again.load_kw.tobytes()
    with pytest.raises(BlockError, match="together at most 1"):
        shaved(depot, policy=ValleyFirst(0.7), shaving=PeakShaving(0.7))
    with pytest.raises(ChargingError, match=r"share=1.5 must lie in 0 to 1"):
        PeakShaving(1.5)
