"""Designs: every slice once, names and not neighbours decide, correlations as asked for and only where they can be."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import kstest

from transport.params import seed_for
from transport.sampling import Correlation, Design, DesignError, Key, joint, quantiles

A, B, C = ("a", "all"), ("b", "all"), ("c", "x")


def drawn(keys: list[Key], draws: int, *pairs: Correlation, seed: int = 1, design: Design = "lhs") -> dict[Key, np.ndarray]:
    return quantiles(keys, draws, lambda name: seed_for(seed, name), design=design, correlations=pairs)


def score_correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(ndtri(one[1:]), ndtri(other[1:]))[0, 1])


@pytest.mark.parametrize("draws", [2, 3, 101])
def test_latin_hypercube_has_one_draw_in_each_slice(draws: int) -> None:
    for u in drawn([A, B, C], draws).values():
        assert np.isnan(u[0]), "the central run has no quantile"
        assert sorted(np.floor(u[1:] * (draws - 1)).astype(int).tolist()) == list(range(draws - 1))


def test_another_input_moves_nothing() -> None:
    assert np.array_equal(drawn([A], 50)[A], drawn([C, B, A], 50)[A], equal_nan=True)
    assert not np.array_equal(drawn([A], 50)[A], drawn([A], 50, seed=2)[A], equal_nan=True)


def test_sobol_is_even_and_repeats() -> None:
    found = drawn([A, B], 129, design="sobol")
    for u in found.values():
        assert kstest(u[1:], "uniform").statistic < 0.01
    grid = np.histogram2d(found[A][1:], found[B][1:], bins=8, range=[[0, 1], [0, 1]])[0]
    assert set(grid.ravel()) == {2.0}, "128 points over 64 cells"
    assert np.array_equal(found[A], drawn([A, B], 129, design="sobol")[A], equal_nan=True)
    assert len(drawn([A], 12, design="sobol")[A]) == 12


@pytest.mark.parametrize("design", ["lhs", "sobol"])
@pytest.mark.parametrize("r", [-0.8, 0.3, 0.95])
def test_correlation_is_reproduced_and_slices_stay(design: Design, r: float) -> None:
    plain, found = drawn([A, B, C], 4097, design=design), drawn([A, B, C], 4097, Correlation(A, B, r), design=design)
    assert score_correlation(found[A], found[B]) == pytest.approx(r, abs=0.02)
    assert abs(score_correlation(found[A], found[C])) < 0.05
    for key in (A, B, C):
        assert np.array_equal(np.sort(found[key][1:]), np.sort(plain[key][1:])), "only the order changes"
    assert np.array_equal(found[A], plain[A], equal_nan=True)
    assert np.array_equal(found[C], plain[C], equal_nan=True)


def test_an_input_may_follow_from_another() -> None:
    found = drawn([A, B, C], 500, Correlation(A, B, 1.0), Correlation(A, C, -1.0), Correlation(B, C, -1.0))
    assert np.array_equal(np.argsort(found[A][1:]), np.argsort(found[B][1:]))
    assert np.array_equal(np.argsort(found[A][1:]), np.argsort(-found[C][1:]))


def test_correlations_of_inputs_that_are_not_drawn_are_left_out() -> None:
    assert joint([A, B], [Correlation(A, C, 0.5)]) == []
    ((group, matrix),) = joint([A, B, C], [Correlation(A, C, 0.5)])
    assert group == [A, C]
    assert matrix.tolist() == [[1.0, 0.5], [0.5, 1.0]]


def test_contradictions_name_the_inputs() -> None:
    pairs = [Correlation(A, B, 0.9), Correlation(B, C, 0.9), Correlation(A, C, -0.9)]
    with pytest.raises(DesignError, match="a all, b all, c x contradict each other"):
        drawn([A, B, C], 10, *pairs)
    with pytest.raises(DesignError, match="no design 'grid'; use lhs or sobol"):
        drawn([A], 10, design="grid")  # type: ignore[arg-type]


def test_no_draws_and_no_inputs() -> None:
    assert np.isnan(drawn([A], 1)[A]).tolist() == [True]
    assert drawn([], 10) == {}
