"""Rows of lanes in compiled loops do to every lane what numpy does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from networks.lanes import LANES, add_entries, alike, largest, load, store

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@njit
def _combined(a: Array, b: Array, by: float, out: Array) -> None:
    for row in range(a.shape[0]):
        one, other = load(a, row), load(b, row)
        store(out, row, largest(one + other, one * other) - one * alike(by))


@njit
def _first(a: Array, out: Array) -> None:
    store(out, 0, load(a, 0))


@njit
def _summed(amount: Array, index: Any, table: Array, first: int, last: int, out: Array) -> None:
    store(out, 0, add_entries(load(out, 0), amount, index, table, first, last))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_each_lane_is_what_numpy_makes_of_it(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=(2, 7, LANES))
    out = np.full_like(a, np.nan)
    _combined(a, b, 0.3, out)
    np.testing.assert_array_equal(out, np.maximum(a + b, a * b) - a * 0.3)


def test_rows_of_a_slice_and_of_a_row_alone_are_found(rng: np.random.Generator) -> None:
    a, out = rng.normal(size=(5, LANES)), np.zeros(LANES)
    _first(a[3:], out)
    np.testing.assert_array_equal(out, a[3])
    _first(a[4], out)
    np.testing.assert_array_equal(out, a[4])


@pytest.mark.parametrize("kind", [np.int32, np.int64])
@pytest.mark.parametrize(("first", "last"), [(0, 40), (7, 8), (5, 5), (40, 40)])
def test_entries_are_added_in_their_order(rng: np.random.Generator, kind: type, first: int, last: int) -> None:
    amount, table = 10.0 ** rng.uniform(-12, 12, 40), rng.normal(size=(9, LANES))
    index = rng.integers(0, 9, 40).astype(kind)
    begun = rng.normal(size=LANES)
    expected = begun.copy()
    for e in range(first, last):
        expected += table[index[e]] * amount[e]
    _summed(amount, index, table, first, last, begun)
    np.testing.assert_array_equal(begun, expected)


def test_an_array_whose_rows_do_not_follow_each_other_is_refused(rng: np.random.Generator) -> None:
    across = rng.normal(size=(LANES, 5)).T
    with pytest.raises(TypingError, match="C-contiguous"):
        _first(across, np.zeros(LANES))
