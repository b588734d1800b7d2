"""Closed forms of queues against published table values."""

import math

import pytest

from fleets.errors import FleetError
from fleets.queueing import erlang_b, erlang_c, md1_wait_min, mmc_wait_min, mmc_wait_quantile_min, plugs_for_wait


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
