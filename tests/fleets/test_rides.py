"""Taxis ride by ride: distance and time by hand, unserved rides, conservation, and agreement with the engine that sums the rides between charges."""

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy.special import stdtrit

from fleets.battery import Battery
from fleets.errors import ChargingError
from fleets.rides import Rides, rest_of_ride_km, simulate_rides
from fleets.station import Plugs
from fleets.taxi_zones import place_sites, ring_zones
from fleets.taxis import SwapStation, Taxis, simulate_taxis

PROFILE = np.array([38, 28, 21, 15, 12, 10, 19, 33, 52, 48, 55, 49, 47, 48, 57, 57, 48, 49, 41, 53, 58, 56, 59, 48.0])
RIDES = Rides(6.0, 0.7, 0.33)
RADII = (2.0, 4.0, 7.0)
RINGS = ring_zones(("core", "inner", "outer"), RADII, np.tile([0.35, 0.4, 0.25], (24, 1)), np.full(24, 30.0), detour=1.3)
ENDLESS = Battery(9e6, 60.0, 0.8, 6.0)
#: Indicators that both engines report.
SHARED = (
    "km",
    "lost_km_share",
    "charges_per_day",
    "grid_kwh",
    "wait_mean_min",
    "wait_p95_min",
    "plug_utilisation",
    "lost_hours_per_day",
    "dead_km",
    "peak_kw",
)


def city(count=40, **more):
    rules = {
        "battery": Battery(48.0, 60.0, 0.8, 6.0),
        "double_shift_share": 0.5,
        "km_per_day": (380.0, 250.0),
        "energy_cv": 0.1,
        "charge_soc": 0.25,
        "block_cv": 0.25,
        "target_soc": 0.95,
        "reserve_soc": 0.08,
        "swap_share": 0.3,
        "access_min": 3.0,
        "looked_up": 3,
        "finish_km": rest_of_ride_km(RIDES),
    }
    return Taxis(count=count, **(rules | more))


def common(taxis, plugs=8, n_station=1, runs=2, days=9, **more):
    given = {
        "hourly_share": PROFILE,
        "single_shift_hours": (6, 22),
        "day_factor": [1.0] * days,
        "kwh_per_km": [0.18] * days,
        "stations": [Plugs(plugs, 60.0, 0.9)] * n_station if taxis.swap_share < 1.0 else [],
        "swap_stations": [SwapStation(1, 12, 3.0, 40.0, 0.9, 8)] if taxis.swap_share > 0.0 else [],
        "seeds": [np.random.SeedSequence(5, spawn_key=(r,)) for r in range(runs)],
        "zones": RINGS,
        "stations_km": place_sites(RADII, [0.3, 0.4, 0.3], n_station),
        "swap_stations_km": [[1.0, 1.0]] if taxis.swap_share > 0.0 else [],
    }
    return given | more


def drive(taxis, rides=RIDES, **more):
    return simulate_rides(taxis, rides, **common(taxis, **more))


def test_rest_of_a_ride():
    # constant rides: half a ride is left on average; exponential ones forget how long they already last
    assert rest_of_ride_km(Rides(8.0, 0.0, 0.0)) == pytest.approx(4.0)
    rng = np.random.default_rng(1)
    variance = math.log(1.0 + RIDES.length_cv**2)
    km = 6.0 * np.exp(-variance / 2 + math.sqrt(variance) * rng.standard_normal(200_000)) + rng.exponential(
        RIDES.empty_km, 200_000
    )
    ends = np.cumsum(km)
    at = rng.uniform(0.0, ends[-2], 100_000)
    assert rest_of_ride_km(RIDES) == pytest.approx((ends[np.searchsorted(ends, at)] - at).mean(), rel=0.02)


def test_without_charging_the_passengers_are_the_plan():
    """Rides are Poisson with the planned mean; hours driven, idle and at rest make up the day; who comes in time is served."""
    taxis = city(60, battery=ENDLESS, double_shift_share=1.0, swap_share=0.0)
    result = drive(taxis, plugs=1)
    rides = 380.0 / RIDES.cycle_km
    sd = math.sqrt(rides / (7 * 60 * 2))
    assert result.value("rides_per_day") == pytest.approx(rides, abs=4 * sd)
    assert result.value("km") / 420 == pytest.approx(380.0, rel=0.02)
    assert result.value("empty_km_share") == pytest.approx(0.33, abs=0.01)
    assert result.value("idle_hours_per_day") + result.value("km") / 420 / 30.0 == pytest.approx(24.0, rel=0.003)
    assert (result.value("charges_per_day"), result.value("unserved_rides"), result.value("rides_elsewhere_share")) == (0, 0, 0)
    # nearly everybody finds an idle taxi: the wait is the empty way
    assert result.value("passenger_wait_mean_min") == pytest.approx(RIDES.empty_km * 2.0, rel=0.05)


def test_two_shifts_and_one_drive_what_is_planned_for_each():
    result = drive(city(90, battery=ENDLESS, swap_share=0.0), runs=2, plugs=1)
    km = result.blocks.group_by("replication", "taxi").agg(pl.col("km").sum() / 8)
    # two clusters: 380 and 250 km a day
    assert km.filter(pl.col("km") > 315)["km"].mean() == pytest.approx(380.0, rel=0.03)
    assert km.filter(pl.col("km") <= 315)["km"].mean() == pytest.approx(250.0, rel=0.03)


def test_too_few_taxis_leave_rides_unserved():
    """A taxi cannot drive more than its speed allows: the rest of the plan is lost and the passengers give up."""
    taxis = city(30, battery=ENDLESS, double_shift_share=1.0, swap_share=0.0, km_per_day=(1000.0, 250.0))
    result = drive(taxis, plugs=1)
    assert result.checks["passed"].all()
    assert result.value("km") / (30 * 7) < 24 * 30.0
    assert result.value("unserved_share") == pytest.approx(result.value("lost_km_share"), abs=0.03)
    assert result.value("unserved_share") > 0.3
    patient = drive(taxis, replace(RIDES, patience_min=60.0), plugs=1)
    assert patient.value("passenger_wait_p95_min") > result.value("passenger_wait_p95_min") > 15.0


def test_passengers_of_a_taxi_at_a_station():
    """They take another taxi of the city, or one of the fleet that is on the road, by the share of the fleet among those they can take."""
    taxis = city(50, swap_share=0.0)
    alone, among = (drive(taxis, replace(RIDES, city_share=s), plugs=12) for s in (1.0, 0.0))
    assert alone.value("rides_elsewhere_share") == 0.0
    assert abs(alone.value("lost_km_share")) < 0.03
    assert among.value("rides_elsewhere_share") == pytest.approx(among.value("lost_km_share"), abs=0.03)
    assert among.value("lost_km_share") > 0.04
    assert alone.value("charges_per_day") > among.value("charges_per_day")


@pytest.fixture(scope="module")
def both():
    """Return both engines on the same taxis and stations."""
    taxis = city(120)
    given = common(taxis, n_station=1, plugs=7, runs=6)
    return simulate_taxis(taxis, **given), simulate_rides(taxis, RIDES, **given)


def paired(by_blocks, by_rides, metric, *, level=0.99):
    """Return the mean difference of the replications relative to the mean, and half its interval."""
    values = [per_run(run, metric) for run in (by_blocks, by_rides)]
    difference = values[1] - values[0]
    n = difference.size
    half = stdtrit(n - 1, 0.5 + level / 2) * difference.std(ddof=1) / math.sqrt(n)
    return difference.mean() / values[0].mean(), half / values[0].mean()


def per_run(result, metric):
    """Return an indicator of each replication from its records."""
    sessions = result.sessions.filter((pl.col("arrive_min") >= 0) & (pl.col("arrive_min") < 10_080))
    by_run = sessions.group_by("replication").agg(
        charges=pl.len(), wait=pl.col("wait_min").mean(), grid=pl.col("grid_kwh").sum(), p95=pl.col("wait_min").quantile(0.95)
    )
    if metric == "peak":
        return result.load_kw.max(axis=1)
    if metric == "km":
        return (
            result.blocks.filter(pl.col("start_min") >= 0)
            .group_by("replication")
            .agg(pl.col("km").sum())
            .sort("replication")["km"]
            .to_numpy()
        )
    return by_run.sort("replication")[metric].to_numpy().astype(float)


@pytest.mark.parametrize("metric", SHARED)
def test_both_engines_agree_within_the_interval(both, metric):
    blocks, rides = (run.summary.row(by_predicate=pl.col("metric") == metric, named=True) for run in both)
    assert max(blocks["low"], rides["low"]) <= min(blocks["high"], rides["high"]), (blocks, rides)


@pytest.mark.parametrize(("metric", "widest"), [("charges", 0.02), ("grid", 0.02), ("peak", 0.12)])
def test_the_paired_difference_holds_nought(both, metric, widest):
    """The same batteries and drivers in both: the difference of the replications is what the interval is about, and it is narrow."""
    mean, half = paired(*both, metric)
    assert abs(mean) <= half
    assert half < widest


def test_blocks_that_end_within_a_ride_charge_too_often(both):
    """What makes the aggregation right: without the rest of the ride under way the blocks are too short, beyond the interval."""
    taxis = replace(city(120), finish_km=0.0)
    given = common(taxis, n_station=1, plugs=7, runs=6)
    mean, half = paired(simulate_taxis(taxis, **given), both[1], "charges")
    assert mean + half < 0.0
    assert mean < -0.02


def test_conservation_determinism_and_records(both):
    assert both[1].checks["passed"].all()
    assert {"rides_lost", "taxis_lost", "packs_lost"} <= set(both[1].checks["check"])
    taxis = city(20)
    first, again = (drive(taxis) for _ in range(2))
    for name in ("summary", "sessions", "blocks"):
        assert_frame_equal(getattr(first, name), getattr(again, name), check_exact=True)
    assert set(first.blocks["state"]) <= {"driven", "open", "to_station", "towed"}
    assert first.summary["value"].is_finite().all()
    assert first.summary["low"].is_not_null().all()


def test_no_plugs_keep_their_taxis_and_lose_their_rides():
    taxis = city(20, swap_share=0.0)
    result = drive(taxis, plugs=0)
    assert result.checks["passed"].all()
    assert result.value("waiting_at_end") == 20.0
    assert result.value("lost_km_share") > 0.8
    assert result.value("rides_elsewhere_share") > 0.8


def test_bad_input():
    with pytest.raises(ChargingError, match="empty_share from 0 to below 1"):
        Rides(6.0, 0.7, 1.0)
    with pytest.raises(ChargingError, match="city_share=2"):
        Rides(6.0, 0.7, 0.3, city_share=2.0)
    with pytest.raises(ChargingError, match="no station"):
        drive(city(), stations=[])
    with pytest.raises(ChargingError, match="days"):
        drive(city(), kwh_per_km=[0.1] * 3)
