"""Shares of chains in their demand row: terminal pairs within an alternative, alternatives within a main mode, main modes.

One compiled pass per draw over the long axis of chains (rows); nothing is allocated per row, and threads may run it side by side.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@numba.njit(cache=True, nogil=True)
def _collapse(
    utility: NDArray[np.float64], scale: NDArray[np.float64], start: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    n_draw, n_row = utility.shape
    n_group = start.size - 1
    found = np.empty((n_draw, n_group))
    within = np.ones((n_draw, n_row))
    for d in range(n_draw):
        for g in range(n_group):
            first, last = start[g], start[g + 1]
            if last == first + 1:
                found[d, g] = utility[d, first]
                continue
            top = utility[d, first]
            for i in range(first + 1, last):
                top = max(top, utility[d, i])
            total = 0.0
            for i in range(first, last):
                within[d, i] = math.exp((utility[d, i] - top) / scale[d])
                total += within[d, i]
            for i in range(first, last):
                within[d, i] /= total
            found[d, g] = top + scale[d] * math.log(total)
    return found, within


@numba.njit(cache=True, nogil=True)
def _nest(
    utility: NDArray[np.float64], scale: NDArray[np.float64], nest_start: NDArray[np.int64], case_start: NDArray[np.int64]
) -> NDArray[np.float64]:
    n_draw, n_group = utility.shape
    found = np.empty((n_draw, n_group))
    n_case = case_start.size - 1
    widest = 0
    for c in range(n_case):
        widest = max(widest, case_start[c + 1] - case_start[c])
    inclusive = np.empty(widest)
    for d in range(n_draw):
        mu = scale[d]
        for c in range(n_case):
            first_nest, last_nest = case_start[c], case_start[c + 1]
            best = -np.inf
            for n in range(first_nest, last_nest):
                first, last = nest_start[n], nest_start[n + 1]
                top = utility[d, first]
                for i in range(first + 1, last):
                    top = max(top, utility[d, i])
                total = 0.0
                for i in range(first, last):
                    found[d, i] = math.exp((utility[d, i] - top) / mu)
                    total += found[d, i]
                for i in range(first, last):
                    found[d, i] /= total
                inclusive[n - first_nest] = top + mu * math.log(total)
                best = max(best, inclusive[n - first_nest])
            total = 0.0
            for n in range(last_nest - first_nest):
                inclusive[n] = math.exp(inclusive[n] - best)
                total += inclusive[n]
            for n in range(first_nest, last_nest):
                weight = inclusive[n - first_nest] / total
                for i in range(nest_start[n], nest_start[n + 1]):
                    found[d, i] *= weight
    return found


def terminal_shares(
    utility: NDArray[np.float64], scale: NDArray[np.float64], start: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the utility of each alternative and the shares of its terminal pairs.

    Parameters
    ----------
    utility
        Systematic utility ``[draw, row]`` [-].
    scale
        Log-sum scale among terminal pairs ``[draw]``, at most that of the nest [-].
    start
        First row of each alternative, and the number of rows at the end ``[alternative + 1]``.

    Returns
    -------
    utility, within
        ``[draw, alternative]`` and ``[draw, row]``.

    Notes
    -----
    ``V_a = tau ln sum_i exp(V_i / tau)``; with one terminal pair ``V_a = V_i`` exactly.
    """
    found: tuple[NDArray[np.float64], NDArray[np.float64]] = _collapse(
        np.ascontiguousarray(utility), np.ascontiguousarray(scale), start
    )
    return found


def alternative_shares(
    utility: NDArray[np.float64], scale: NDArray[np.float64], nest_start: NDArray[np.int64], case_start: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the shares of alternatives in their case, a two-level nested logit.

    Parameters
    ----------
    utility
        ``[draw, alternative]`` [-].
    scale
        Log-sum scale of the nests ``[draw]`` [-].
    nest_start
        First alternative of each nest, and their number at the end.
    case_start
        First nest of each case, and their number at the end.

    Returns
    -------
    array (draw, alternative)
        The same shares as :func:`networks.choice.nested_shares`.
    """
    found: NDArray[np.float64] = _nest(np.ascontiguousarray(utility), np.ascontiguousarray(scale), nest_start, case_start)
    return found
