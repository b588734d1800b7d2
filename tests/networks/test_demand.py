from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from networks.demand import balance_ends, furness, gravity, sparsify
from networks.errors import DemandError

DISTANCE = np.array([[5.0, 100.0, 300.0], [100.0, 5.0, 200.0], [300.0, 200.0, 5.0]])
ALL = np.ones((3, 3), dtype=bool)


def fit(p, a, haul, allowed=ALL, distance=DISTANCE):
    return gravity(
        np.asarray(p, float),
        np.asarray(a, float),
        distance,
        allowed=allowed,
        counts=ALL,
        mean_haul_km=haul,
        beta_low=1e-4,
        beta_high=0.5,
    )


def test_furness_by_hand():
    # one degree of freedom: with equal seeds the balanced matrix is the product of the ends
    flow, _, error = furness(np.array([3.0, 7.0]), np.array([4.0, 6.0]), np.ones((2, 2)))
    np.testing.assert_allclose(flow, [[1.2, 1.8], [2.8, 4.2]])
    assert error < 1e-8


def test_gravity_meets_ends_and_haul():
    found = fit([30, 50, 20], [40, 25, 35], 90.0)
    np.testing.assert_allclose(found.flow.sum(axis=1), [30, 50, 20], rtol=1e-6)
    np.testing.assert_allclose(found.flow.sum(axis=0), [40, 25, 35], rtol=1e-6)
    assert found.mean_haul_km == pytest.approx(90.0, rel=2e-3)
    assert not found.at_bound


@pytest.mark.parametrize("haul", [1.0, 5000.0])
def test_a_haul_out_of_reach_is_a_finding(haul):
    found = fit([30, 50, 20], [40, 25, 35], haul)
    assert found.at_bound
    np.testing.assert_allclose(found.flow.sum(axis=1), [30, 50, 20], rtol=1e-6)


def test_longer_prior_means_less_deterrence():
    assert fit([30, 50, 20], [40, 25, 35], 120.0).beta < fit([30, 50, 20], [40, 25, 35], 80.0).beta


def test_forbidden_pairs_stay_empty_and_stuck_zones_are_refused():
    allowed = ~np.eye(3, dtype=bool)
    found = fit([30, 50, 20], [40, 25, 35], 180.0, allowed)
    assert np.all(np.diag(found.flow) == 0)
    with pytest.raises(DemandError, match="no partner"):
        fit([30, 70, 0], [0, 100, 0], 100.0, allowed)
    with pytest.raises(DemandError, match="ends differ"):
        fit([30, 50, 20], [40, 25, 30], 100.0)


@given(
    st.lists(st.floats(0.1, 1e6), min_size=3, max_size=3),
    st.lists(st.floats(0.1, 1e6), min_size=3, max_size=3),
    st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_balanced_ends_are_equal_and_only_added_to(p, a, outside):
    production, attraction = np.array(p), np.array(a)
    made_p, made_a, added = balance_ends(production, attraction, np.array(outside))
    assert made_p.sum() == pytest.approx(made_a.sum(), rel=1e-9)
    assert np.all(made_p >= production)
    assert np.all(made_a >= attraction)
    assert added == pytest.approx(production.sum() - attraction.sum(), abs=1e-6)


def test_the_gap_goes_to_gateways():
    p, a, added = balance_ends(np.array([10.0, 2.0]), np.array([7.0, 1.0]), np.array([False, True]))
    assert added == 4.0
    assert p.tolist() == [10.0, 2.0]
    assert a.tolist() == [7.0, 5.0]


def test_sparse_flows_keep_the_ends():
    rng = np.random.default_rng(1)
    flow = rng.gamma(0.4, 4000.0, size=(20, 20))
    kept, dropped = sparsify(flow, 1000.0)
    assert dropped > 0
    assert (kept > 0).sum() < flow.size
    np.testing.assert_allclose(kept.sum(axis=1), flow.sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(kept.sum(axis=0), flow.sum(axis=0), rtol=1e-6)
