"""The swap station: tiny cases by hand, closed forms within the interval of the replications, packs and vehicles conserved, bad input."""

import numpy as np
import polars as pl
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from fleets import queueing
from fleets.battery import Battery, charge_time_min
from fleets.errors import ChargingError
from fleets.records import load_curve
from fleets.replications import replicate
from fleets.swap import SwapSite, SwapStation, done_visits, simulate_swap, swap_summary

VISITS, SKIPPED = 2000, 200


def stations(times, charge_min=10.0, **more):
    return simulate_swap({"arrival_min": times, "charge_min": [charge_min] * len(times)}, **more)


def test_packs_wait_for_the_only_charger():
    # packs are handed in at 0, 1 and 2; the charger returns one at 10, 20 and 30
    found = stations([0.0, 1.0, 2.0, 3.0], packs=2, chargers=1)
    assert found["start_min"].to_list() == pytest.approx([0.0, 1.0, 10.0, 20.0])
    assert found["stock_out"].to_list() == [False, False, True, True]
    # with a charger for each of the two packs the third vehicle takes the first pack that is full, and so does the fourth
    both = stations([0.0, 1.0, 2.0, 3.0], packs=2)
    assert both["start_min"].to_list() == pytest.approx([0.0, 1.0, 10.0, 11.0])


def test_a_bay_serves_one_vehicle_at_a_time():
    one, two = (stations([0.0, 0.0, 1.0], packs=9, bays=b, swap_min=4.0) for b in (1, 2))
    assert one["start_min"].to_list() == pytest.approx([0.0, 4.0, 8.0])
    assert two["start_min"].to_list() == pytest.approx([0.0, 0.0, 4.0])
    # nobody met an empty store: the bay was the reason to wait
    assert not one["stock_out"].any()
    assert swap_summary(one)["bay_utilisation"] == pytest.approx(1.0)
    assert swap_summary(two, bays=2)["bay_utilisation"] == pytest.approx(12.0 / 16.0)


def test_energy_and_power_are_a_charging_time():
    minutes = simulate_swap({"arrival_min": [0.0, 0.0], "energy_kwh": [30.0, 30.0]}, packs=1, power_kw=60.0, swap_min=1.0)
    assert minutes["start_min"].to_list() == pytest.approx([0.0, 31.0])


def test_nothing_to_hand_out_is_an_answer():
    none = stations([0.0, 5.0], packs=0)
    assert none["state"].to_list() == ["waiting", "waiting"]
    assert none["wait_min"].to_list() == [None, None]
    assert swap_summary(none, horizon_min=20.0)["wait_mean_min"] == pytest.approx((20.0 + 15.0) / 2)
    dead = stations([0.0, 1.0], packs=1, chargers=0)
    assert dead["state"].to_list() == ["swapped", "waiting"]
    cut = stations([0.0, 1.0, 50.0], packs=1, swap_min=5.0, horizon_min=3.0)
    assert cut["state"].to_list() == ["swapping", "waiting", "away"]
    assert simulate_swap([], packs=1).height == 0


@pytest.mark.parametrize(
    ("packs", "chargers", "rate", "mean"), [(4, 4, 0.05, 50.0), (5, 4, 0.05, 50.0), (3, 2, 0.025, 40.0), (4, 1, 0.05, 12.0)]
)
def test_base_stock(packs, chargers, rate, mean):
    """Mean wait C rho^(packs - chargers) S / (c - a), stock-outs P(N >= packs) = C rho^(packs - chargers)."""

    def run(streams):
        visits = {
            "arrival_min": np.cumsum(streams("arrivals").exponential(1.0 / rate, VISITS)),
            "charge_min": streams("service").exponential(mean, VISITS),
        }
        found = simulate_swap(visits, packs=packs, chargers=chargers, bays=VISITS)[SKIPPED:]
        return {"wait": found["wait_min"].mean(), "stock_out": found["stock_out"].mean()}

    table = replicate(run, replications=8, seed=3, confidence=0.999)
    offered = rate * mean
    outs = queueing.erlang_c(offered, chargers) * (offered / chargers) ** (packs - chargers)
    for name, exact in (("wait", queueing.swap_wait_min(rate, mean, packs, chargers)), ("stock_out", outs)):
        row = table.row(by_predicate=pl.col("metric") == name, named=True)
        assert row["low"] <= exact <= row["high"], (row, exact)
        assert row["high"] - row["low"] < 2.0 * exact


@settings(max_examples=40, deadline=None)
@given(
    gaps=st.lists(st.floats(0.0, 30.0), min_size=1, max_size=25),
    packs=st.integers(0, 5),
    chargers=st.integers(0, 5),
    bays=st.integers(1, 3),
    swap_min=st.floats(0.0, 6.0),
)
def test_served_in_order_and_more_packs_never_hurt(gaps, packs, chargers, bays, swap_min):
    times = np.cumsum(gaps).tolist()
    rules = {"chargers": chargers, "bays": bays, "swap_min": swap_min}
    # conservation of packs is checked inside: the run would stop
    found = stations(times, packs=packs, **rules)
    starts = found["start_min"].drop_nulls().to_list()
    assert starts == sorted(starts)
    assert found["start_min"].is_null().to_list() == sorted(found["start_min"].is_null().to_list())
    assert (found["wait_min"].drop_nulls() >= -1e-9).all()
    more = stations(times, packs=packs + 1, **rules)
    assert (more["start_min"].head(len(starts)) <= found["start_min"].head(len(starts)) + 1e-6).all()


def test_the_order_of_the_rows_does_not_matter():
    times = [3.0, 0.0, 2.0, 1.0]
    found = stations(times, packs=1, chargers=1)
    assert found["arrival_min"].to_list() == times
    again = stations(sorted(times), packs=1, chargers=1)
    assert_frame_equal(found.sort("arrival_min").drop("visit"), again.drop("visit"))


def test_the_site_charges_along_the_curve_of_the_battery():
    """Two packs, one charger: energy on the load curve, times of the taper in closed form."""
    env, battery = simpy.Environment(), Battery(50.0, 60.0, 0.8, 6.0)
    site = SwapSite(env, "swap", SwapStation(1, 2, 3.0, 40.0, 0.9, 1), 0.95)
    for vehicle in (0, 1):
        env.process(site.swap(vehicle, battery, 0.2))
    env.run()
    site.close()
    minutes = float(charge_time_min(50.0, 0.2, 0.95, 40.0, max_kw=60.0, taper_soc=0.8, end_kw=6.0))
    # handed in at 3 and 6; the second waits for the charger
    assert env.now == pytest.approx(3.0 + 2.0 * minutes)
    grid = load_curve(site.segments(), start_min=0.0, end_min=300.0, step_min=5).sum() * 5 / 60
    assert grid == pytest.approx(2 * 0.75 * 50.0 / 0.9)
    assert done_visits(site)[:, 6].sum() / 0.9 == pytest.approx(grid)
    assert (site.packs(), site.missing_kwh()) == (2, 0)


def test_expected_wait_knows_bays_and_packs():
    env, battery = simpy.Environment(), Battery(50.0, 60.0, 0.8, 6.0)
    site = SwapSite(env, "swap", SwapStation(1, 1, 4.0, 40.0, 0.9, 1), 0.95, service_min=30.0)
    assert site.expected_wait_min() == 0.0
    env.process(site.swap(0, battery, 0.2))
    env.run(until=1.0)
    # the only pack is being mounted: one pack short, one charger
    assert site.expected_wait_min() == pytest.approx(30.0)
    assert SwapSite(env, "none", SwapStation(0, 1, 4.0, 40.0, 0.9), 0.95).expected_wait_min() == float("inf")
    assert SwapSite(env, "dead", SwapStation(1, 0, 4.0, 40.0, 0.9), 0.95).expected_wait_min() == float("inf")


def test_bad_input():
    with pytest.raises(ChargingError, match="arrival_min is missing"):
        simulate_swap({"charge_min": [1.0]}, packs=1)
    with pytest.raises(ChargingError, match="charge_min, or energy_kwh and power_kw"):
        simulate_swap({"arrival_min": [1.0], "energy_kwh": [1.0]}, packs=1)
    with pytest.raises(ChargingError, match=r"charge_min in row 1 is -2"):
        simulate_swap({"arrival_min": [1.0, 2.0], "charge_min": [1.0, -2.0]}, packs=1)
    with pytest.raises(ChargingError, match="packs=-1"):
        stations([0.0], packs=-1)
    with pytest.raises(ChargingError, match="horizon_min"):
        stations([0.0], packs=1, horizon_min=0.0)
    with pytest.raises(ChargingError, match="bays=-1"):
        SwapStation(-1, 1, 3.0, 40.0, 0.9)
    with pytest.raises(ChargingError, match="efficiency above 0 to 1"):
        SwapStation(1, 1, 3.0, 40.0, 1.9)
