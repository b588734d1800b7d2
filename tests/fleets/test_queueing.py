"""Closed forms of queues against published table values."""

import math

import numpy as np
import pytest

from fleets.errors import FleetError
from fleets.queueing import (
    erlang_b,
    erlang_c,
    finite_fleet_wait_min,
    md1_wait_min,
    mdc_wait_min,
    mg1_wait_min,
    mmc_priority_waits_min,
    mmc_wait_min,
    mmc_wait_quantile_min,
    mmck_wait_min,
    plugs_for_wait,
    priority_waits_min,
    shared_feeder_time_min,
    swap_wait_min,
)


def test_erlang_b_by_hand_and_table():
    assert erlang_b(1.0, 1) == pytest.approx(0.5)
    # a = 2, c = 2: (4 / 2) / (1 + 2 + 2) = 0.4
    assert erlang_b(2.0, 2) == pytest.approx(0.4)
    # published Erlang B tables: 10 servers carry 4.461 Erlang at 1 % and 6.216 Erlang at 5 % blocking
    assert erlang_b(4.461, 10) == pytest.approx(0.01, abs=1e-5)
    assert erlang_b(6.216, 10) == pytest.approx(0.05, abs=1e-5)


def test_erlang_c_by_hand():
    # one server: the probability to wait is the utilisation
    assert erlang_c(0.7, 1) == pytest.approx(0.7)
    # two servers at rho = 0.75 (a = 1.5): C = 2 rho^2 / (1 + rho) = 0.642857
    assert erlang_c(1.5, 2) == pytest.approx(2 * 0.75**2 / 1.75)
    # five servers, four Erlang: 0.5541 in the tables
    assert erlang_c(4.0, 5) == pytest.approx(0.5541, abs=5e-5)
    assert erlang_c(5.0, 5) == 1.0


def test_waits():
    # M/M/1: rho / (1 - rho) x S
    assert mmc_wait_min(0.05, 10.0, 1) == pytest.approx(10.0)
    # M/D/1 is half of M/M/1
    assert md1_wait_min(0.05, 10.0) == pytest.approx(5.0)
    assert mmc_wait_min(0.5, 10.0, 5) == math.inf
    assert md1_wait_min(0.1, 10.0) == math.inf
    # the median of those who wait: P(W > t) = C exp(-(c - a) t / S)
    t = mmc_wait_quantile_min(0.08, 10.0, 1, 0.9)
    assert 0.8 * math.exp(-0.2 * t / 10.0) == pytest.approx(0.1)
    assert mmc_wait_quantile_min(0.01, 10.0, 5, 0.5) == 0.0


def by_embedded_chain(offered, servers, size=400):
    """Return the mean wait of M/D/c in service times from the chain of the number present, one service time apart."""
    poisson = np.array([math.exp(-offered + j * math.log(offered) - math.lgamma(j + 1)) for j in range(size)])
    share = np.eye(1, size)[0]
    for _ in range(4000):
        left = np.concatenate([[share[: servers + 1].sum()], share[servers + 1 :]])
        share = np.convolve(left, poisson)[:size]
    return float((np.maximum(np.arange(size) - servers, 0) * share).sum()) / offered


@pytest.mark.parametrize(("offered", "servers"), [(0.5, 1), (0.9, 1), (1.6, 2), (4.0, 5), (8.4, 10)])
def test_mdc_against_its_chain(offered, servers):
    assert mdc_wait_min(offered, 1.0, servers) == pytest.approx(by_embedded_chain(offered, servers), rel=1e-6)


def test_mdc_limits():
    assert mdc_wait_min(0.07, 10.0, 1) == pytest.approx(md1_wait_min(0.07, 10.0))
    assert mdc_wait_min(0.5, 10.0, 5) == math.inf
    # less than exponential service, and next to nothing where there is much room
    assert 0.5 < mdc_wait_min(4.75, 1.0, 5) / mmc_wait_min(4.75, 1.0, 5) < 0.6
    assert 0.0 <= mdc_wait_min(0.1, 1.0, 30) < 1e-12


def test_mg1():
    assert mg1_wait_min(0.05, 10.0, 0.0) == pytest.approx(md1_wait_min(0.05, 10.0))
    assert mg1_wait_min(0.05, 10.0, 1.0) == pytest.approx(mmc_wait_min(0.05, 10.0, 1))
    assert mg1_wait_min(0.2, 10.0, 1.0) == math.inf


def test_places_to_wait():
    assert mmck_wait_min(4.0, 1.0, 5, 0) == pytest.approx((erlang_b(4.0, 5), 0.0))
    lost, wait = mmck_wait_min(4.0, 1.0, 5, 3000)
    assert (lost, wait) == pytest.approx((0.0, mmc_wait_min(4.0, 1.0, 5)))
    # M/M/1/2 at a = 1: states 0, 1, 2 alike
    assert mmck_wait_min(1.0, 1.0, 1, 1) == pytest.approx((1 / 3, 0.5))
    assert mmck_wait_min(1.0, 1.0, 0, 5) == (1.0, 0.0)


def test_finite_fleet():
    # two vehicles, one plug, both rates 1: p = (1, 2, 2) / 5; throughput 4 / 5, queue 2 / 5
    assert finite_fleet_wait_min(2, 1.0, 1.0, 1) == pytest.approx(0.5)
    assert finite_fleet_wait_min(3, 10.0, 5.0, 3) == 0.0
    assert finite_fleet_wait_min(3, 10.0, 5.0, 0) == math.inf
    # a large fleet that is seldom here is Poisson
    assert finite_fleet_wait_min(100_000, 100_000 / 4.0, 1.0, 5) == pytest.approx(mmc_wait_min(4.0, 1.0, 5), rel=1e-3)


def test_shared_feeder():
    assert shared_feeder_time_min(0.05, 10.0, 1.0) == pytest.approx(20.0)
    assert shared_feeder_time_min(4.0, 1.0, 5.0) == pytest.approx(1.0 + mmc_wait_min(4.0, 1.0, 5))
    # half a vehicle at full power is a plug at half the power
    assert shared_feeder_time_min(0.02, 10.0, 0.5) == pytest.approx(20.0 / (1.0 - 0.4))
    assert shared_feeder_time_min(0.3, 10.0, 3.0) == math.inf
    between = [shared_feeder_time_min(0.2, 10.0, r) for r in (2.5, 2.99999, 3.0)]
    assert between[0] > between[1] == pytest.approx(between[2], rel=1e-4)


def test_swap():
    # a charger for each pack: the vehicle waits as for a plug
    assert swap_wait_min(0.08, 50.0, 5, 5) == swap_wait_min(0.08, 50.0, 5, 9) == mmc_wait_min(0.08, 50.0, 5)
    # a pack in stock takes the load of the chargers off the wait
    assert swap_wait_min(0.08, 50.0, 6, 5) == pytest.approx(0.8 * mmc_wait_min(0.08, 50.0, 5))
    assert swap_wait_min(0.08, 50.0, 0, 5) == math.inf


def test_priorities():
    # one class is no class
    assert priority_waits_min([0.05], [10.0]) == pytest.approx([mmc_wait_min(0.05, 10.0, 1)])
    assert mmc_priority_waits_min([0.08], 50.0, 5) == pytest.approx([mmc_wait_min(0.08, 50.0, 5)])
    # what the first gain the others lose (conservation law: sum of rho x wait is the same)
    waits = priority_waits_min([0.03, 0.04], [10.0, 10.0], 1.0)
    assert waits == pytest.approx(mmc_priority_waits_min([0.03, 0.04], 10.0, 1))
    assert 0.3 * waits[0] + 0.4 * waits[1] == pytest.approx(0.7 * mmc_wait_min(0.07, 10.0, 1))
    assert priority_waits_min([0.03, 0.08], [10.0, 10.0]) == [math.inf, math.inf]
    assert mmc_priority_waits_min([0.3], 50.0, 5) == [math.inf]


def test_plugs_for_wait_is_the_smallest():
    plugs = plugs_for_wait(0.4, 20.0, 2.0)
    assert mmc_wait_min(0.4, 20.0, plugs) <= 2.0 < mmc_wait_min(0.4, 20.0, plugs - 1)


def test_bad_input():
    with pytest.raises(FleetError, match="arrivals_per_min"):
        mmc_wait_min(0.0, 1.0, 1)
    with pytest.raises(FleetError, match="quantile"):
        mmc_wait_quantile_min(0.1, 1.0, 1, 1.0)
    with pytest.raises(FleetError, match="servers"):
        erlang_b(1.0, -1)
    with pytest.raises(FleetError, match="places"):
        mmck_wait_min(1.0, 1.0, 1, -1)
    with pytest.raises(FleetError, match="service_cv"):
        mg1_wait_min(0.1, 1.0, -1.0)
    with pytest.raises(FleetError, match="service_min"):
        priority_waits_min([0.1], [0.0])
