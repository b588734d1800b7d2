"""Search for the cheapest package: levels of levers between 0 and 1 whose outcomes reach some marks, worked out many packages at a time.

What a package comes to is a row of numbers: its cost, its CO2, then by how far it is ahead of each target. Differential evolution looks over the whole
space, sequential quadratic programming goes down from several points, and what it finds is lowered lever by lever while everything still holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Array: TypeAlias = NDArray[np.float64]
#: Levels ``[package, variable]`` -> outcomes ``[package, 2 + target]``: cost [CNY/yr], CO2 [t/yr], units ahead of each target.
Evaluate: TypeAlias = Callable[[Array], Array]

COST, CO2, FIRST_TARGET = 0, 1, 2
#: Cost [CNY/yr] and CO2 [t/yr] of a package that cannot be worked out: beyond any other.
IMPOSSIBLE = 1e15
#: Step of the slopes, in levels.
_STEP = 1e-3
#: Kept inside of a mark while going down, and what a point may miss it by and still be there; both as parts of the scale of the target.
_INSIDE, NEAR = 1e-5, 1e-9
#: Weight of a miss of one scale against the dearest lever: far above what reaching a mark costs.
_MISS = 100.0
#: Weight of the mean level against the dearest lever: among packages that cost the same, the one that moves least.
_TIE = 1e-6
#: Steps by which levels are lowered at the end; by the last one no lever of an answer can be lowered alone.
LOWERED = (1.0, 0.5, 0.2, 0.05, 0.01)
_SWEEPS = 3
#: Descents one after the other while marks are still missed by less and less.
_AGAIN = 3
#: Least gain of a step, against the dearest lever.
_GAIN = 1e-8
#: Change of the merit at which a descent ends.
_FLAT = 1e-6
#: Range by which the least scale is kept above zero.
_TINY = 1e-12
#: Distances from the ends of the range at which levels are put to the end, widest first.
_TIDY = (1e-2, 1e-3, 1e-5)


@dataclass(frozen=True)
class Goal:
    """What a package must reach.

    Attributes
    ----------
    marks
        Units by which each target must be exceeded ``(target,)``; minus infinity = not asked for.
    most_co2
        Highest CO2 allowed [t/yr].
    least
        Outcome that is made as small as can be: :data:`COST` or :data:`CO2`.
    """

    marks: tuple[float, ...]
    most_co2: float = np.inf
    least: int = COST


@dataclass(frozen=True)
class Screen:
    """What no package, all levers and each variable alone come to.

    Attributes
    ----------
    none, every
        Outcomes at level 0 and at level 1 of all ``(2 + target,)``.
    alone
        Outcomes with one variable at level 1 ``[variable, 2 + target]``.
    """

    none: Array
    every: Array
    alone: Array

    @property
    def scale(self) -> Array:
        """Size of each outcome's changes: the most that one variable does, at least a hundredth of what all do ``(2 + target,)``."""
        most = np.abs(self._possible(self.alone) - self.none).max(axis=0, initial=0.0)
        every = np.abs(self._possible(self.every[None]) - self.none).max(axis=0, initial=0.0)
        return np.asarray(np.maximum(np.maximum(most, 0.01 * every), _TINY))

    @property
    def moved(self) -> NDArray[np.bool_]:
        """Whether any package moves each target: not so where its year is past ``(target,)``."""
        found = self._possible(np.concatenate([self.alone, self.every[None]]))[:, FIRST_TARGET:]
        most = np.abs(found - self.none[FIRST_TARGET:]).max(axis=0, initial=0.0)
        return np.asarray(most > NEAR * np.maximum(np.abs(self.none[FIRST_TARGET:]), 1.0))

    def _possible(self, outcomes: Array) -> Array:
        return outcomes[outcomes[:, COST] < IMPOSSIBLE]

    def of(self, chosen: Sequence[int]) -> Screen:
        """Return the screen of some variables; that of all levers stays."""
        return replace(self, alone=self.alone[list(chosen)])


@dataclass(frozen=True)
class Point:
    """A package.

    Attributes
    ----------
    levels
        Level of each variable, 0 to 1 ``(variable,)``.
    outcome
        What it comes to ``(2 + target,)``.
    missed
        Misses of all marks together, in scales; 0 = all reached.
    evaluations
        Packages that were worked out to find it.
    """

    levels: Array
    outcome: Array
    missed: float
    evaluations: int = 0


class _Memo:
    """Outcomes that are known, the number of packages worked out, and merits by a goal."""

    def __init__(self, evaluate: Evaluate, goal: Goal, scale: Array) -> None:
        self._evaluate, self.goal, self.scale = evaluate, goal, scale
        self._known: dict[bytes, Array] = {}
        self.points: dict[bytes, Array] = {}

    @property
    def count(self) -> int:
        return len(self._known)

    def outcomes(self, levels: Array) -> Array:
        """Return the outcomes of packages ``[package, outcome]``; those that are known are not worked out again."""
        keys = [row.tobytes() for row in levels]
        new = {key: row for key, row in zip(keys, levels, strict=True) if key not in self._known}
        if new:
            found = self._evaluate(np.stack(list(new.values())))
            self._known |= dict(zip(new, found, strict=True))
            self.points |= new
        return np.stack([self._known[key] for key in keys])

    def slack(self, outcomes: Array) -> Array:
        """Return by how many scales each mark is exceeded ``[..., mark]``, the ceiling of CO2 last where there is one."""
        asked = [k for k, mark in enumerate(self.goal.marks) if np.isfinite(mark)]
        at = [FIRST_TARGET + k for k in asked]
        ahead = (outcomes[..., at] - np.asarray([self.goal.marks[k] for k in asked])) / self.scale[at]
        if np.isfinite(self.goal.most_co2):
            under = (self.goal.most_co2 - outcomes[..., CO2 : CO2 + 1]) / self.scale[CO2]
            return np.concatenate([ahead, under], axis=-1)
        return np.asarray(ahead)

    def missed(self, outcomes: Array) -> Array:
        """Return the misses of each package together, in scales ``[...]``: what can be met is met whatever else cannot."""
        short = -self.slack(outcomes)
        return np.asarray(np.where(short > NEAR, short, 0.0).sum(axis=-1))

    def price(self, levels: Array, outcomes: Array) -> Array:
        """Return what is made small, against the most that one variable does ``[...]``."""
        least = outcomes[..., self.goal.least] / self.scale[self.goal.least]
        beside = outcomes[..., COST] / self.scale[COST] if self.goal.least != COST else 0.0
        return np.asarray(least + _TIE * (levels.mean(axis=-1) + beside))

    def merit(self, levels: Array, outcomes: Array) -> Array:
        """Return price and misses as one number to be made small ``[...]``."""
        return np.asarray(self.price(levels, outcomes) + _MISS * self.missed(outcomes))

    def best(self) -> Array:
        """Return the levels of the best package that is known."""
        keys = list(self._known)
        levels, outcomes = np.stack([self.points[k] for k in keys]), np.stack([self._known[k] for k in keys])
        return np.asarray(levels[int(np.argmin(self.merit(levels, outcomes)))])


def screen(evaluate: Evaluate, n: int) -> Screen:
    """Return what no package, all levers and each of ``n`` variables alone come to.

    Parameters
    ----------
    evaluate
        Works out packages.
    n
        Number of variables.
    """
    found = evaluate(np.concatenate([np.zeros((1, n)), np.ones((1, n)), np.eye(n)]))
    return Screen(found[0], found[1], found[2:])


def explore(evaluate: Evaluate, shown: Screen, goal: Goal, *, population: int, generations: int, seed: int) -> Point:
    """Return the best package that differential evolution comes across.

    Parameters
    ----------
    evaluate, shown
        Works out packages; from :func:`screen`.
    goal
        What is asked.
    population, generations
        Packages of a generation, and generations after the first; each generation is worked out at once.
    seed
        Of the random numbers.

    Notes
    -----
    Storn and Price (1997) as ``scipy.optimize.differential_evolution`` has it, with a penalty on misses. The first generation holds no package, all
    levers, the guess of :func:`first_guess` and a Latin hypercube.
    """
    from scipy.optimize import differential_evolution
    from scipy.stats import qmc

    n = len(shown.alone)
    memo = _Memo(evaluate, goal, shown.scale)
    rng = np.random.default_rng(seed)
    known = np.stack([np.zeros(n), np.ones(n), first_guess(shown, goal)])
    spread = qmc.LatinHypercube(n, rng=rng).random(max(population - len(known), 2))
    first = np.concatenate([known, spread])
    memo.outcomes(first)
    if generations:
        evolve: Any = differential_evolution  # its types know no function of a whole generation
        evolve(
            lambda x: memo.merit(x.T, memo.outcomes(np.ascontiguousarray(x.T))),
            [(0.0, 1.0)] * n,
            init=first,
            maxiter=generations,
            tol=0.0,
            polish=False,
            updating="deferred",
            vectorized=True,
            rng=rng,
        )
    best = memo.best()
    outcome = memo.outcomes(best[None])[0]
    return Point(best, outcome, float(memo.missed(outcome)), memo.count)


def first_guess(shown: Screen, goal: Goal) -> Array:
    """Return the cheapest levels if every variable did in proportion what it does alone: a linear programme.

    Parameters
    ----------
    shown
        From :func:`screen`.
    goal
        What is asked; what cannot be reached is missed by as little as can be.

    Notes
    -----
    Minimise ``c x + M sum(s)`` subject to ``A x + s >= b``, ``0 <= x <= 1``, ``s >= 0`` (HiGHS).
    """
    from scipy.optimize import linprog

    n = len(shown.alone)
    memo = _Memo(lambda _: np.zeros((0, 0)), goal, shown.scale)
    each = shown.alone - shown.none
    start = memo.slack(shown.none[None])[0]
    effect = memo.slack(shown.alone) - start
    price = each[:, goal.least] / shown.scale[goal.least] + _TIE / max(n, 1)
    if not start.size:
        return np.where(price < 0.0, 1.0, 0.0)
    matrix = np.concatenate([-effect.T, -np.eye(start.size)], axis=1)
    weight = np.append(price, np.full(start.size, _MISS))
    found = linprog(weight, A_ub=matrix, b_ub=start, bounds=[(0.0, 1.0)] * n + [(0.0, None)] * start.size)
    return np.zeros(n) if found.x is None else np.clip(np.asarray(found.x[:n]), 0.0, 1.0)


def descend(evaluate: Evaluate, shown: Screen, goal: Goal, start: Array, *, iterations: int = 30) -> Point:
    """Return the best package on the way down from a point, lowered lever by lever at the end.

    Parameters
    ----------
    evaluate, shown
        Works out packages; from :func:`screen`.
    goal
        What is asked.
    start
        Levels ``(variable,)``.
    iterations
        Most steps of the descent.

    Returns
    -------
    Point
        Never worse than the start. Where marks cannot be reached, the cheapest of the packages that miss them least.

    Notes
    -----
    Sequential quadratic programming (Kraft 1988, ``scipy.optimize`` SLSQP) on ``price + M sum(s)`` subject to ``slack_k + s_k >= 0``, ``s_k >= 0``: one
    more variable a mark takes its miss, so that every start will do. Slopes are differences, worked out with their point as one batch.
    """
    memo = _Memo(evaluate, goal, shown.scale)
    start = np.clip(start, 0.0, 1.0)
    memo.outcomes(start[None])
    for _ in range(_AGAIN if iterations else 0):
        before = memo.best()
        _slsqp(memo, before, iterations)
        best = memo.best()
        missed = memo.missed(memo.outcomes(np.stack([before, best])))
        if not missed[1] or missed[1] >= missed[0] * (1.0 - _FLAT):
            break
    best = lowered(memo, _tidy(memo, memo.best()))
    outcome = memo.outcomes(best[None])[0]
    return Point(best, outcome, float(memo.missed(outcome)), memo.count)


def _tidy(memo: _Memo, levels: Array) -> Array:
    """Return levels of which those next to nothing are nothing, and those next to the bound at the bound, where that changes next to nothing."""
    best, merit = levels, float(memo.merit(levels, memo.outcomes(levels[None])[0]))
    near = np.array(_TIDY)[:, None]
    tidied = np.where(levels < near, 0.0, np.where(levels > 1.0 - near, 1.0, levels))
    found = memo.merit(tidied, memo.outcomes(tidied))
    for row, value in zip(tidied, found, strict=True):
        if value <= merit + _FLAT:
            return np.asarray(row)
    return best


def _slsqp(memo: _Memo, start: Array, iterations: int) -> None:
    """Go down from a point; what is met on the way stays in the memo."""
    from scipy.optimize import minimize

    n = len(start)
    stencil = np.concatenate([np.zeros((1, n)), np.eye(n) * _STEP])

    def around(x: Array) -> tuple[Array, Array]:
        """Return the packages of a point and its neighbours, inside of the range, and their outcomes."""
        centre = np.clip(x[:n], 0.0, 1.0)
        points = centre + np.where(centre + stencil > 1.0, -stencil, stencil)
        return points, memo.outcomes(points)

    def slopes(values: Array, points: Array) -> Array:
        return np.asarray((values[1:] - values[0]) / np.diagonal(points[1:] - points[0])[:, *([None] * (values.ndim - 1))])

    def price(x: Array) -> float:
        points, outcomes = around(x)
        return float(memo.price(points[0], outcomes[0])) + _MISS * float(x[n:].sum())

    def price_slope(x: Array) -> Array:
        points, outcomes = around(x)
        return np.append(slopes(memo.price(points, outcomes), points), np.full(marks, _MISS))

    def slack(x: Array) -> Array:
        _, outcomes = around(x)
        return np.asarray(memo.slack(outcomes[0]) - _INSIDE + x[n:])

    def slack_slope(x: Array) -> Array:
        points, outcomes = around(x)
        found = slopes(memo.slack(outcomes), points)
        return np.concatenate([found.T, np.eye(marks)], axis=1)

    first = np.maximum(-memo.slack(memo.outcomes(start[None])[0]), 0.0)
    marks = first.size
    limits = [{"type": "ineq", "fun": slack, "jac": slack_slope}] if marks else []
    go_down: Any = minimize  # its types know no dictionary of constraints
    go_down(
        price,
        np.append(start, first),
        jac=price_slope,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * n + [(0.0, None)] * marks,
        constraints=limits,
        options={"maxiter": iterations, "ftol": _FLAT},
    )


def lowered(memo: _Memo, levels: Array) -> Array:
    """Return levels of which none can be lowered alone without missing a mark by more or costing more.

    Parameters
    ----------
    memo
        Outcomes and goal.
    levels
        Where to begin ``(variable,)``.

    Notes
    -----
    Each lever alone is lowered by the least step and put to zero. Those that gain by either are lowered by steps between, too; then the best of
    each are taken together, the best one, the best two and so on, and the best of these is kept, until nothing gains.
    """
    best = levels
    merit = float(memo.merit(best, memo.outcomes(best[None])[0]))
    for _ in range(_SWEEPS * len(levels)):
        moves = [k for k in range(len(best)) if best[k] > 0.0]
        gains = _gains(memo, best, merit, moves, (LOWERED[0], LOWERED[-1]))
        if not gains:
            break
        between = _gains(memo, best, merit, sorted(gains), LOWERED[1:-1])
        gains = {k: min(gains[k], between.get(k, gains[k])) for k in gains}
        order = sorted(gains, key=lambda k: gains[k])
        together = np.repeat(best[None], len(order), axis=0)
        for row, _ in enumerate(order):
            for k in order[: row + 1]:
                together[row, k] = max(best[k] - gains[k][1], 0.0)
        merits = memo.merit(together, memo.outcomes(together))
        at = int(np.argmin(merits))
        if merits[at] >= merit - _GAIN:
            break
        best, merit = together[at], float(merits[at])
    return best


def _gains(
    memo: _Memo, levels: Array, merit: float, moves: Sequence[int], steps: Sequence[float]
) -> dict[int, tuple[float, float]]:
    """Return variable -> (merit, step) of its best step down, of those that gain by one."""
    each = [(k, step) for k in moves for step in steps]
    if not each:
        return {}
    tried = np.repeat(levels[None], len(each), axis=0)
    for row, (k, step) in enumerate(each):
        tried[row, k] = max(levels[k] - step, 0.0)
    gains: dict[int, tuple[float, float]] = {}
    for (k, step), value in zip(each, memo.merit(tried, memo.outcomes(tried)).tolist(), strict=True):
        if value < merit - _GAIN:
            gains[k] = min(gains.get(k, (np.inf, 0.0)), (value, step))
    return gains


# ---- chance ----


@dataclass(frozen=True)
class Drawn:
    """What a package comes to in many draws.

    Attributes
    ----------
    central
        Units ahead of each target at central values ``(target,)``.
    ahead
        The same in every draw ``[draw, target]``; NaN = the draw meets nothing.
    weight
        Weight of each draw ``(draw,)``.
    """

    central: Array
    ahead: Array
    weight: Array

    def after(self, lost: Array) -> Drawn:
        """Return the draws with something taken from every target ``(target,)`` in all of them alike; what would be a gain is none."""
        gone = np.maximum(lost, 0.0)
        return replace(self, central=self.central - gone, ahead=self.ahead - gone)

    def chance(self) -> tuple[float, float]:
        """Return the weighted share of draws that meet all targets and its Monte Carlo standard error."""
        met = (np.nan_to_num(self.ahead, nan=-np.inf) >= 0.0).all(axis=1).astype(np.float64)
        total = self.weight.sum()
        share = float((self.weight * met).sum() / total)
        return share, float(np.sqrt((self.weight**2 * (met - share) ** 2).sum()) / total)


def safety(drawn: Drawn, probability: float) -> tuple[float, ...]:
    r"""Return the margins that the central values must keep so that all targets are met with a probability.

    Parameters
    ----------
    drawn
        Draws of a package near to the one that is sought.
    probability
        Between 0 and 1.

    Returns
    -------
    tuple
        Margin of each target in its unit, never below zero; infinite where too many draws meet nothing.

    Notes
    -----
    With deviations :math:`d_{ij}` of draw ``i`` from the central value and their standard deviation :math:`s_j`, the margins are :math:`k s_j` with
    one ``k`` for all targets, the least for which :math:`k s_j + d_{ij} \ge 0` holds for all targets in draws of the weight asked for. For one
    normal target :math:`k` tends to the normal quantile of the probability.
    """
    away = drawn.ahead - drawn.central
    known = ~np.isnan(away).any(axis=1)
    if not known.any():
        return tuple(np.full(len(drawn.central), np.inf).tolist())
    weight = drawn.weight / drawn.weight.sum()
    mean = np.average(away[known], axis=0, weights=np.maximum(weight[known], _TINY))
    spread = np.sqrt(np.average((away[known] - mean) ** 2, axis=0, weights=np.maximum(weight[known], _TINY)))
    wide = spread > _TINY
    needed = np.where(known, 0.0, np.inf)
    if wide.any():
        needed[known] = (-away[known][:, wide] / spread[wide]).max(axis=1)
    order = np.argsort(needed, kind="stable")
    reached = np.cumsum(weight[order])
    at = min(int(np.searchsorted(reached, probability - NEAR)), len(order) - 1)
    least = max(float(needed[order[at]]), 0.0)
    return tuple(float(least * s) if s > _TINY else 0.0 for s in spread)
