from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from networks.choice import ChoiceProblem, Segments, calibrate, nested_shares
from networks.errors import CalibrationError

CASE = np.array([0, 0, 0, 1, 1, 2])
NEST = np.array([0, 1, 1, 0, 1, 0])
SEG = Segments.build(CASE, NEST)


def test_three_alternatives_by_hand():
    utility = np.log(np.array([[1.0, 2.0, 1.0, 3.0, 1.0, 7.0]]))
    share, _, log_sum = nested_shares(utility, SEG)
    np.testing.assert_allclose(share[0], [0.25, 0.5, 0.25, 0.75, 0.25, 1.0])
    np.testing.assert_allclose(log_sum[0], np.log([4.0, 4.0, 7.0]))


def test_nested_by_hand():
    # two alike in one nest with scale 1/2: inclusive value ln(2 e^{2v}) / 2 = v + ln(2) / 2, so the nest weighs sqrt(2) against 1
    share, within, _ = nested_shares(np.zeros((1, 6)), SEG, 0.5)
    root = np.sqrt(2.0)
    np.testing.assert_allclose(share[0, :3], [1 / (1 + root), root / (1 + root) / 2, root / (1 + root) / 2])
    np.testing.assert_allclose(within[0, 1:3], 0.5)


@given(arrays(float, (3, 6), elements=st.floats(-800, 800)), st.floats(0.2, 1.0))
def test_shares_are_shares_and_survive_large_utilities(utility, scale):
    share, _, log_sum = nested_shares(utility, SEG, scale)
    assert np.all(np.isfinite(log_sum))
    assert np.all((share >= 0) & (share <= 1))
    np.testing.assert_allclose(np.add.reduceat(share, [0, 3, 5], axis=1), 1.0, rtol=1e-12)


@given(arrays(float, (1, 6), elements=st.floats(-30, 30)), st.floats(-500, 500))
def test_only_differences_of_utility_count(utility, shift):
    np.testing.assert_allclose(nested_shares(utility, SEG, 0.6)[0], nested_shares(utility + shift, SEG, 0.6)[0], atol=1e-9)


@given(arrays(float, 6, elements=st.floats(5, 300)), st.floats(0.3, 1.0), st.floats(0.0, 100.0))
def test_a_higher_rail_tariff_never_raises_the_rail_share(cost, scale, rise):
    rail = np.array([0, 1, 1, 0, 1, 0], dtype=float)
    km = np.array([0, 120.0, 180.0, 0, 300.0, 0])
    before = nested_shares(-0.03 * cost[None, :], SEG, scale)[0]
    after = nested_shares(-0.03 * (cost + rise / 100 * km)[None, :], SEG, scale)[0]
    for case in range(3):
        mine = (case == CASE) & (rail > 0)
        assert after[0, mine].sum() <= before[0, mine].sum() + 1e-12


def test_unsorted_alternatives_are_refused():
    with pytest.raises(CalibrationError, match="sorted"):
        Segments.build(np.array([1, 0]), np.array([0, 0]))
    with pytest.raises(CalibrationError, match="sorted"):
        Segments.build(np.array([0, 0]), np.array([1, 0]))


def table(draws=1, scale=1.0):
    """Six hauls by road or rail; a constant alone cannot meet tonnes and tkm, because distance pulls them apart (the distance trap)."""
    km = np.array([60.0, 120.0, 200.0, 350.0, 600.0, 900.0])
    tonnes = np.array([80.0, 60.0, 50.0, 40.0, 25.0, 15.0]) * 1e6
    case = np.repeat(np.arange(6), 2)
    rail = np.tile([0.0, 1.0], 6)
    cost = np.where(rail > 0, 45.0 + 0.12 * km[case], 15.0 + 0.3 * km[case])
    seg = Segments.build(case, rail.astype(int))
    features = np.stack([rail, rail * km[case] / 100.0], axis=1)
    measure = np.stack([rail, rail * km[case]], axis=1)
    return ChoiceProblem(
        base=np.repeat(-0.03 * cost[None, :], draws, axis=0),
        features=features,
        flow=np.repeat(tonnes[case][None, :], draws, axis=0),
        measure=measure,
        fixed=np.zeros((draws, 2)),
        segments=seg,
        scale=np.full(draws, scale),
    )


def test_calibration_meets_tonnes_and_tkm():
    problem = table()
    observed = np.array([[70e6, 24e9]])
    fit = calibrate(problem, observed, weight=np.ones(2), prior=np.zeros(2), prior_sd=np.array([2.0, 0.5]), ridge=1e-6)
    np.testing.assert_allclose(fit.margins, observed, rtol=5e-3)
    assert np.abs(fit.margins_at_prior / observed - 1).max() > 0.05  # the data did not fit by themselves
    assert fit.singular_values.min() > 0
    assert not fit.prior_driven.any()
    only_constant = ChoiceProblem(**{**vars(problem), "features": problem.features[:, :1]})
    trapped = calibrate(only_constant, observed, weight=np.ones(2), prior=np.zeros(1), prior_sd=np.array([2.0]), ridge=1e-6)
    assert np.abs(trapped.margins / observed - 1).max() > 0.02


def test_true_constants_are_found_again():
    problem = table()
    truth = np.array([[-0.7, 0.15]])
    observed, _ = problem.margins(truth)
    fit = calibrate(problem, observed, weight=np.ones(2), prior=np.zeros(2), prior_sd=np.array([2.0, 0.5]), ridge=1e-12)
    np.testing.assert_allclose(fit.constants, truth, atol=1e-3)


def test_derivative_agrees_with_differences():
    problem = table(scale=0.6)
    at, step = np.array([[-0.3, 0.1]]), 1e-6
    _, derivative = problem.margins(at)
    for k in range(2):
        moved = at.copy()
        moved[0, k] += step
        slope = (problem.margins(moved)[0] - problem.margins(at)[0]) / step
        np.testing.assert_allclose(derivative[:, :, k], slope, rtol=1e-4)


def test_draws_are_calibrated_as_single_runs():
    targets = np.array([[70e6, 24e9], [90e6, 26e9], [60e6, 20e9]])
    options = {"weight": np.ones(2), "prior": np.zeros(2), "prior_sd": np.array([2.0, 0.5]), "ridge": 1e-6}
    together = calibrate(table(draws=3), targets, **options)
    for d in range(3):
        alone = calibrate(table(), targets[d : d + 1], **options)
        np.testing.assert_allclose(together.constants[d], alone.constants[0], atol=1e-5)


def test_an_unidentified_constant_is_said_to_be_prior_driven():
    problem = table()
    nothing = np.concatenate([problem.features, np.zeros((12, 1))], axis=1)
    wider = ChoiceProblem(**{**vars(problem), "features": nothing})
    fit = calibrate(
        wider, np.array([[70e6, 24e9]]), weight=np.ones(2), prior=np.array([0.0, 0.0, 1.5]), prior_sd=np.ones(3), ridge=1e-6
    )
    assert fit.prior_driven.tolist() == [False, False, True]
    assert fit.constants[0, 2] == pytest.approx(1.5)


def test_margins_must_be_positive():
    with pytest.raises(CalibrationError, match="positive"):
        calibrate(table(), np.array([[0.0, 1.0]]), weight=np.ones(2), prior=np.zeros(2), prior_sd=np.ones(2), ridge=1e-6)
