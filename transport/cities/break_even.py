"""The green shares of 2019 and of the base year with which the target year would show exactly the target, everything else equal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from transport.cities.layout import GREEN, MODES
from transport.cities.traffic import Problem, fold, solve
from transport.layout import BASE_YEAR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transport.cities.layout import Array

_E_BIKE = MODES.index("e_bike")
_TOLERANCE = 1e-12
_MOST_ITERATIONS = 100
#: Largest logarithm of the factor on the green base shares that is tried.
_WIDEST = 30.0


def green_of(by_mode: Array, e_bike: Array) -> Array:
    """Return the green part of trips or shares ``[mode, ...]``, e-bikes times their row, added in the order of the modes."""
    total: Array = e_bike * by_mode[_E_BIKE]
    for mode in GREEN:
        total = total + by_mode[MODES.index(mode)]
    return total


def break_even_shares(problems: Sequence[Problem], e_bike: Array, target: Array) -> Array:
    """Return the green shares of 2019 and 2020 that lead to the target share, array ``[year, area, draw]``.

    Parameters
    ----------
    problems
        The cities in 2019, 2020 and the target year (:meth:`~transport.cities.traffic.Problem.at`).
    e_bike
        Share of e-bike trips that count as green, in 2019, in 2020 and in the target year [dimensionless], array ``[draw, 3]``.
    target
        Green share wanted [dimensionless], array ``[draw]``.

    Raises
    ------
    ArithmeticError
        If no base share leads to the target: some segment has no green mode at all and the target is out of reach.

    Notes
    -----
    The base shares of the green modes of every season and segment are multiplied by one factor per city and draw and closed to one again,
    a metro that does not yet run with them; then the whole model is solved (pivot and congestion anew). The factor is found by the secant
    method on log odds, where the answer is almost a straight line. One factor, hence one answer seen in two years: 2019 is the year of the
    base shares, 2020 that of the plan, in which the pandemic kept people off buses.
    """
    few = Problem.side_by_side(problems)
    cities, draws = len(problems), target.shape[0]
    counts = np.tile(e_bike, (cities, 1))
    goal = np.tile(target, cities)
    running = np.isfinite(few.utility[..., few.normal])
    green = np.zeros((len(MODES), cities * draws))
    green[[MODES.index(m) for m in GREEN]] = 1.0
    green[_E_BIKE] = counts[:, 2] > 0
    total = fold(few.trips[None])
    trips = few.season_share[:, None, :, None] * few.trips[None]
    volume: list[Array] = []

    def odds(log_factor: Array) -> tuple[Array, Array]:
        scaled = few.base * np.exp(log_factor * green)
        real = np.where(running, scaled, 0.0)
        closed = real[:, :, 0].copy()
        for i in range(1, len(MODES)):
            closed += real[:, :, i]
        shares, now = solve(replace(few, base=scaled / closed[:, :, None]), volume[-1] if volume else None)
        volume[:] = [now]
        share = green_of(np.stack([fold(trips * s) for s in shares]), counts) / total
        return np.log(share[:, 2] / (1.0 - share[:, 2]) * (1.0 - goal) / goal), share[:, :2]

    x = np.zeros(cities * draws)
    gap, before = odds(x)
    slope = np.full_like(x, 0.7)
    for _ in range(_MOST_ITERATIONS):
        # An element that has converged stands still: no draw or city may depend on how long another one takes.
        open_ = np.abs(gap) >= _TOLERANCE
        if not bool(open_.any()):
            return np.ascontiguousarray(before.T).reshape(2, cities, draws)
        step = np.where(open_, np.clip(x - gap / slope, -_WIDEST, _WIDEST) - x, 0.0)
        if bool(np.any(open_ & (step == 0.0))):
            break
        new, before = odds(x + step)
        slope = np.divide(new - gap, step, out=slope, where=np.abs(step) > _TOLERANCE)
        slope = np.clip(slope, 0.05, 10.0)
        x, gap = x + step, new
    msg = f"no green share of {BASE_YEAR} leads to the target: {float(np.max(np.abs(gap))):.2e} left in log odds"
    raise ArithmeticError(msg)
