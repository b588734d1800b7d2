"""The cheapest mix of levers that brings the green travel share of a city to its target."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy.optimize import brentq, elementwise, minimize

from transport.city_case import recorded, stacked
from transport.city_costs import CityCosts, transit_fares

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from numpy.typing import NDArray

    from transport.city_case import CityCase
    from transport.inputs import Inputs
    from transport.params import Lever, LeverValue, Params

    Array = NDArray[np.float64]
    #: Settings of a scenario that act in the city -> yearly cost of them there [CNY/yr].
    CostOf = Callable[[Mapping[str, LeverValue]], float]
    #: Strengths ``[k, lever]`` -> a number for each ``[k]``.
    ByStrength = Callable[[Array], Array]

#: What the cost of a lever stands on: rows, a price that moves money between payers, nothing.
ROWS, PRICE, UNKNOWN = "rows", "price", "no_cost_known"
#: Levers on what travellers pay that have a cost of their own, that of the collection.
CHARGES = ("parking_cost_index", "road_charge")
_PERCENT = 100.0
#: Columns of the mixes.
MIX = {
    "scenario": pl.String,
    "area": pl.String,
    "year": pl.Int64,
    "with_prices": pl.Boolean,
    "status": pl.String,
    "share_pct": pl.Float64,
    "share_p5_pct": pl.Float64,
    "share_p95_pct": pl.Float64,
    "probability_pct": pl.Float64,
    "cost_cny": pl.Float64,
    "fares_cny": pl.Float64,
    "unpriced": pl.String,
    "lever": pl.String,
    "now": pl.Float64,
    "value": pl.Float64,
    "end": pl.Float64,
    "lever_cost_cny": pl.Float64,
    "binding": pl.Boolean,
}
#: A share this near to the target has reached it [dimensionless].
_NEAR = 1e-9
#: Step of the slopes, in strength.
_STEP = 1e-4
#: Least strength that counts as used, and the distance from one at which a lever stands at the end of its range.
_USED = 1e-6
#: Weight of the sum of strengths against the cost, both as parts of the whole: among mixes that cost the same, the one that moves least.
_TIE = 1e-6
_ITERATIONS, _STARTS, _ROUNDS = 60, 3, 3
#: Exactness of a point on the way between two, in strength.
_EXACT = 1e-12
#: Part of the cost by which another point must be cheaper to be worth going on.
_GAIN = 1e-6
#: Change of the goal at which a descent ends.
_FLAT = 1e-10
_INTERVAL = (0.05, 0.95)


@dataclass(frozen=True)
class Mix:
    """What the search found for a city.

    Attributes
    ----------
    scenario, area, year
        What was asked.
    status
        ``met`` (the scenario is there already), ``reached``, ``infeasible`` (every lever at its best end misses the target).
    share, target
        Share with the mix and the target [dimensionless]; where it is infeasible the best share that there is.
    cost
        Yearly cost of the mix on top of the scenario [CNY/yr].
    fares
        Change of what residents of the central city pay for buses and metro [CNY/yr]: money moved, no part of the cost.
    levers
        Lever -> (value in the scenario, value in the mix, end of the range that helps).
    cost_of_lever
        Lever -> what the mix would cost less without it [CNY/yr].
    binding
        Levers of the mix at the end of their range.
    unpriced
        Levers that would help but whose cost no row knows; they stay as the scenario has them.
    with_prices
        Whether levers that only move money between payers were allowed.
    settings
        The mix as settings of a scenario.
    interval
        Share with the mix, 5 and 95 percent quantile over the draws [dimensionless]; empty with one draw.
    probability
        Share of the draws that meet the target with the mix; None with one draw.
    """

    scenario: str
    area: str
    year: int
    status: str
    share: float
    target: float
    cost: float
    fares: float
    levers: Mapping[str, tuple[float, float, float]]
    cost_of_lever: Mapping[str, float]
    binding: tuple[str, ...]
    unpriced: tuple[str, ...]
    with_prices: bool
    settings: Mapping[str, LeverValue]
    interval: tuple[float, ...]
    probability: float | None


@dataclass(frozen=True)
class Found:
    """Strengths ``[lever]``, share and cost of the cheapest point; ``reached`` False = the best share that there is."""

    strength: Array
    share: float
    cost: float
    reached: bool


def lever_bases(inputs: Inputs, levers: Iterable[Lever]) -> dict[str, str]:
    """Return lever -> what its cost stands on, as the table of measures says; ``no_cost_known`` where it has no row.

    Parameters
    ----------
    inputs
        Table ``accounts/measures``.
    levers
        Levers.
    """
    rows = inputs.table("accounts/measures").select("parameter", "subject", "basis").iter_rows()
    basis = {(parameter, subject): found for parameter, subject, found in rows}

    def found(lever: Lever) -> str:
        everywhere = basis.get((lever.parameter, "*"), UNKNOWN)
        return str(basis.get((lever.parameter, lever.subject), everywhere))

    return {lever.lever: found(lever) for lever in levers}


def price_levers(inputs: Inputs) -> frozenset[str]:
    """Return the levers by area that move what travellers pay: fares, cost of driving, parking and road charges.

    Parameters
    ----------
    inputs
        Table ``accounts/measures``.
    """
    kinds = lever_bases(inputs, inputs.levers)
    return frozenset(x.lever for x in inputs.levers if x.by_area and (kinds[x.lever] == PRICE or x.parameter in CHARGES))


def city_costs(case: CityCase, params: Params) -> CostOf:
    """Return what gives the yearly cost of settings in a city.

    Parameters
    ----------
    case
        The city in its scenario.
    params
        All parameters of the scenario without any lever.

    Notes
    -----
    Costs are those of :class:`transport.city_costs.CityCosts`, on no more parameters than the levers of the city touch, as they are asked for often.
    """
    costs = CityCosts.of(case.inputs, params, case.area)
    one = replace(case, bare=stacked([(case.bare, 0)]))

    def use(probe: Params) -> None:
        found = replace(costs, params=probe)
        for end in ("minimum", "maximum"):
            for lever in case.levers:
                found.cost(one.moved(lever, getattr(lever, end)), case.year)

    names = {parameter for parameter, _ in recorded(stacked([(params, 0)]), use)} | {lever.parameter for lever in case.levers}
    return partial(replace(costs, params=stacked([(params, 0)], only=names)).cost, year=case.year)


def cheapest_mix(
    case: CityCase, cost_of: CostOf, bases: Mapping[str, str], *, with_prices: bool = True, keep: Collection[str] = ()
) -> Mix:
    """Return the cheapest settings of the levers with a cost that bring a city to the target.

    Parameters
    ----------
    case
        The city in its scenario; with several draws the mix has an interval.
    cost_of
        Yearly cost in the city of settings by lever, or lever ``@`` area [CNY/yr].
    bases
        Lever -> what its cost stands on (:func:`lever_bases`). Levers whose cost nobody knows are never taken as free: they are left out and listed.
    with_prices
        Whether levers may be used that only move money between payers (fares, charges): of them no more than the collection is a cost.
    keep
        Levers that stay as the scenario has them.

    Notes
    -----
    Minimise cost(x) subject to share(x) >= target over strengths 0 <= x <= 1, from the scenario's value of each lever to the end of its range that
    helps (:func:`least_cost`). The mix adds to a scenario and takes nothing back. Levers of the whole province and mere assumptions are no
    measures of a city and are left out too.
    """
    one = replace(case, bare=stacked([(case.bare, 0)]))
    ends = _ends(one)
    kinds = (ROWS, PRICE) if with_prices else (ROWS,)
    helping = [lever for lever in one.levers if lever.lever in ends and (lever.by_area or lever.subject == one.area)]
    levers = [lever for lever in helping if bases[lever.lever] in kinds and lever.lever not in keep]
    unpriced = tuple(lever.lever for lever in helping if bases[lever.lever] == UNKNOWN)
    now = np.array([one.value(lever) for lever in levers])
    end = np.array([ends[lever.lever] for lever in levers])
    low, high = np.array([x.minimum for x in levers]), np.array([x.maximum for x in levers])

    def settings(strength: Array) -> dict[str, LeverValue]:
        values = np.clip((1.0 - strength) * now + strength * end, low, high)
        made: dict[str, LeverValue] = {}
        for lever, value, x in zip(levers, values, strength, strict=True):
            if x > 0.0:
                made |= one.moved(lever, float(value))
        return made

    def shares(strengths: Array) -> Array:
        return one.shares([(settings(x), 0) for x in strengths])

    def costs(strengths: Array) -> Array:
        return np.array([cost_of({**one.settings, **settings(x)}) for x in strengths])

    found = least_cost(shares, costs, len(levers), one.target)
    own = settings(found.strength)
    base = float(costs(np.zeros((1, len(levers))))[0])
    without = costs(found.strength * (1.0 - np.eye(len(levers)))) if levers else np.zeros(0)
    chosen = [k for k, x in enumerate(found.strength) if x > 0.0]
    met = found.reached and not chosen
    over = case.sampled(own) if case.bare.draws > 1 else np.zeros(0)
    return Mix(
        scenario=case.scenario,
        area=case.area,
        year=case.year,
        status="met" if met else "reached" if found.reached else "infeasible",
        share=found.share,
        target=one.target,
        cost=found.cost - base,
        fares=_fares(one, own) - _fares(one, {}) if own else 0.0,
        levers={levers[k].lever: (float(now[k]), _value(own, one.name(levers[k]), one.year), float(end[k])) for k in chosen},
        cost_of_lever={levers[k].lever: found.cost - float(without[k]) for k in chosen},
        binding=tuple(levers[k].lever for k in chosen if found.strength[k] >= 1.0 - _USED),
        unpriced=unpriced,
        with_prices=with_prices,
        settings=own,
        interval=tuple(float(q) for q in np.quantile(over, _INTERVAL)) if over.size else (),
        probability=float(np.mean(over >= case.target - _NEAR)) if over.size else None,
    )


def _fares(case: CityCase, settings: Mapping[str, LeverValue]) -> float:
    """Return the fares paid in a city of one draw with some settings on top of its scenario [CNY/yr]."""
    return transit_fares(case.inputs, case.params(settings), case.area, case.year)


def _value(settings: Mapping[str, LeverValue], name: str, year: int) -> float:
    path = settings[name]
    return float(path) if isinstance(path, (int, float)) else float(path[year])


def _ends(case: CityCase) -> dict[str, float]:
    """Return, of the levers that help in a city, the end of the range that helps most."""
    names = [(lever, value) for lever in case.levers for value in (lever.minimum, lever.maximum)]
    shares = case.shares([({}, 0), *((case.moved(lever, value), 0) for lever, value in names)])
    ends: dict[str, float] = {}
    gains: dict[str, float] = {}
    for (lever, value), share in zip(names, shares[1:], strict=True):
        gain = float(share - shares[0])
        if gain > max(_NEAR, gains.get(lever.lever, 0.0)):
            ends[lever.lever], gains[lever.lever] = value, gain
    return ends


def mix_table(mixes: Iterable[Mix]) -> pl.DataFrame:
    """Return mixes as a table with the columns of :data:`MIX`, a row for each lever, and one without a lever where a mix has none."""
    rows = []
    for mix in mixes:
        head = {
            "scenario": mix.scenario,
            "area": mix.area,
            "year": mix.year,
            "with_prices": mix.with_prices,
            "status": mix.status,
            "share_pct": mix.share * _PERCENT,
            "share_p5_pct": mix.interval[0] * _PERCENT if mix.interval else None,
            "share_p95_pct": mix.interval[1] * _PERCENT if mix.interval else None,
            "probability_pct": None if mix.probability is None else mix.probability * _PERCENT,
            "cost_cny": mix.cost,
            "fares_cny": mix.fares,
            "unpriced": ", ".join(mix.unpriced),
        }
        for lever, (now, value, end) in mix.levers.items() or [(None, (None, None, None))]:
            own = {"lever": lever, "now": now, "value": value, "end": end}
            cost = None if lever is None else mix.cost_of_lever[lever]
            rows.append({**head, **own, "lever_cost_cny": cost, "binding": None if lever is None else lever in mix.binding})
    return pl.DataFrame(rows, schema=MIX)


# ---- the search, over strengths only ----


def least_cost(share_of: ByStrength, cost_of: ByStrength, n: int, target: float) -> Found:
    """Return the cheapest strengths whose share reaches a target.

    Parameters
    ----------
    share_of, cost_of
        Share [dimensionless] and cost [CNY/yr] of strengths between 0 and 1, arrays ``[k, lever]`` -> ``[k]``.
    n
        Number of levers.
    target
        Share to be reached [dimensionless].

    Returns
    -------
    Found
        Never dearer than any single lever that reaches the target; deterministic.

    Notes
    -----
    Sequential quadratic programming from several points that reach the target (the cheapest single levers, the cheapest order of levers one after
    the other, all at the same strength); each end point is brought back to the target along a straight line, then lever by lever, before costs are
    compared. Among mixes of the same cost the one that moves least is taken.
    """
    zero = np.zeros(n)
    first = float(share_of(zero[None])[0])
    if first >= target - _NEAR or n == 0:
        return Found(zero, first, float(cost_of(zero[None])[0]), first >= target - _NEAR)
    top, most = _highest(share_of, n)
    base = float(cost_of(zero[None])[0])
    if most < target - _NEAR:
        return Found(top, most, float(cost_of(top[None])[0]), reached=False)
    scale = max(float(np.max(np.abs(cost_of(np.eye(n)) - base))), 1.0)

    def goal(x: Array) -> Array:
        """Return the cost on top of none and the tie break, as part of the dearest lever ``[k]``."""
        value: Array = (cost_of(x) - base) / scale + _TIE * x.sum(axis=-1) / n
        return value

    starts = _starts(share_of, goal, n, target, top)
    best = starts[0]
    for start in starts[:_STARTS]:
        ended = _descend(share_of, goal, start, target)
        x = _trimmed(share_of, goal, ended, target, top)
        if float(goal(x[None])[0]) < float(goal(best[None])[0]):
            best = x
    for _ in range(_ROUNDS):
        better = best
        for start in _neighbours(share_of, goal, best, target, top):
            x = _trimmed(share_of, goal, _descend(share_of, goal, start, target), target, top)
            better = min((better, start, x), key=lambda at: float(goal(at[None])[0]))
        if float(goal(better[None])[0]) >= float(goal(best[None])[0]) * (1.0 - _GAIN):
            break
        best = better
    return Found(best, float(share_of(best[None])[0]), float(cost_of(best[None])[0]), reached=True)


def _highest(share_of: ByStrength, n: int) -> tuple[Array, float]:
    """Return the corner with the highest share: all levers at their ends, without those that the others turn against it."""
    x = np.ones(n)
    best = float(share_of(x[None])[0])
    for _ in range(n):
        flipped = np.abs(x - np.eye(n))
        shares = share_of(flipped)
        k = int(np.argmax(shares))
        if shares[k] <= best + _NEAR:
            break
        x, best = flipped[k], float(shares[k])
    return x, best


def _starts(share_of: ByStrength, goal: ByStrength, n: int, target: float, top: Array) -> list[Array]:
    """Return points that reach the target, the cheapest first."""
    alone = np.eye(n)
    shares, costs = share_of(alone), goal(alone)
    found = [_between(share_of, np.zeros(n), alone[k], target) for k in range(n) if shares[k] >= target]
    gain = shares - float(share_of(np.zeros((1, n)))[0])
    order = np.argsort(np.where(gain > 0.0, costs / np.maximum(gain, _NEAR), np.inf), kind="stable")
    x = np.zeros(n)
    for k in order:
        more = x.copy()
        more[k] = top[k]
        if float(share_of(more[None])[0]) >= target:
            found.append(_between(share_of, x, more, target))
            break
        x = more
    found.append(_between(share_of, np.zeros(n), top, target))
    costs = goal(np.stack(found))
    return [found[int(k)] for k in np.argsort(costs, kind="stable")]


def _between(share_of: ByStrength, short: Array, enough: Array, target: float) -> Array:
    """Return the point on the way from one that misses the target to one that reaches it at which it is reached."""

    def at(way: float) -> Array:
        point: Array = (1.0 - way) * short + way * enough
        return point

    gap = {end: float(share_of(at(end)[None])[0]) - target for end in (0.0, 1.0)}
    if gap[0.0] >= 0.0:
        return short
    if gap[1.0] <= 0.0:
        return enough
    way = brentq(lambda w: gap.get(w) or float(share_of(at(w)[None])[0]) - target, 0.0, 1.0, xtol=_EXACT, rtol=_EXACT)
    return at(float(way))


def _neighbours(share_of: ByStrength, goal: ByStrength, x: Array, target: float, top: Array) -> list[Array]:
    """Return the cheapest points on the target that differ by one lever: at its end with the others taken back, or left out with the others stronger."""
    pairs = []
    for k in range(x.size):
        fixed = x.copy()
        fixed[k] = top[k]
        if fixed[k] != x[k]:
            pairs.append((np.where(np.arange(x.size) == k, fixed, 0.0), fixed))
        if x[k] > 0.0:
            pairs.append(
                (np.where(np.arange(x.size) == k, 0.0, x), np.where(np.arange(x.size) == k, 0.0, np.where(x > 0.0, top, x)))
            )
            pairs.append((pairs[-1][0], np.where(np.arange(x.size) == k, 0.0, top)))
    if not pairs:
        return []
    short, enough = (np.stack([pair[end] for pair in pairs]) for end in (0, 1))
    gaps = [share_of(points) - target for points in (short, enough)]
    open_ = np.flatnonzero((gaps[0] < 0.0) & (gaps[1] > 0.0))
    if open_.size == 0:
        return []

    def gap(way: Array, which: Array) -> Array:
        k = which.astype(np.int64)
        return share_of((1.0 - way[:, None]) * short[k] + way[:, None] * enough[k]) - target

    ways = elementwise.find_root(
        gap, (np.zeros(open_.size), np.ones(open_.size)), args=(open_.astype(np.float64),), tolerances={"fatol": _NEAR}
    ).x
    points = (1.0 - ways[:, None]) * short[open_] + ways[:, None] * enough[open_]
    order = np.argsort(goal(points), kind="stable")
    return [points[k] for k in order[:_STARTS]]


def _lifted(share_of: ByStrength, x: Array, top: Array, target: float) -> Array:
    """Return the point at which the target is reached on the way to the ends of the levers used, or of all where those are not enough."""
    if float(share_of(x[None])[0]) >= target - _NEAR:
        return x
    for way in (np.where(x > 0.0, top, 0.0), top):
        if float(share_of(way[None])[0]) >= target:
            return _between(share_of, x, way, target)
    return top


def _trimmed(share_of: ByStrength, goal: ByStrength, x: Array, target: float, top: Array) -> Array:
    """Return a point on the target: lifted to it where it falls short, else levers taken back as far as they may, those that save most first."""
    x = np.clip(x, 0.0, 1.0)
    x = _lifted(share_of, np.where(x < _USED, 0.0, x), top, target)
    used = np.flatnonzero(x > 0.0)
    if used.size == 0:
        return x
    saved = goal(x[None])[0] - goal(x * (1.0 - np.eye(x.size)[used]))
    for k in used[np.argsort(-saved, kind="stable")]:
        if float(share_of(x[None])[0]) <= target + _NEAR:
            break
        less = x.copy()
        less[k] = 0.0
        if float(goal(less[None])[0]) < float(goal(x[None])[0]):
            x = _between(share_of, less, x, target)
    return x


def _descend(share_of: ByStrength, goal: ByStrength, start: Array, target: float) -> Array:
    """Return where sequential quadratic programming ends from a point."""

    def slope(of: ByStrength, x: Array) -> tuple[float, Array]:
        steps = np.where(x > 1.0 - _STEP, -_STEP, _STEP)
        values = of(np.vstack([x, x + np.diag(steps)]))
        return float(values[0]), (values[1:] - values[0]) / steps

    def value_and_slope(x: Array) -> tuple[float, Array]:
        return slope(goal, np.clip(x, 0.0, 1.0))

    kept: dict[bytes, tuple[float, Array]] = {}

    def constraint(x: Array) -> tuple[float, Array]:
        x = np.clip(x, 0.0, 1.0)
        if x.tobytes() not in kept:
            kept[x.tobytes()] = slope(lambda at: share_of(at) - target, x)
        return kept[x.tobytes()]

    bounds: Any = [(0.0, 1.0)] * start.size
    limit: Any = {"type": "ineq", "fun": lambda x: constraint(x)[0], "jac": lambda x: constraint(x)[1]}
    options: Any = {"maxiter": _ITERATIONS, "ftol": _FLAT}
    ended = minimize(value_and_slope, start, jac=True, method="SLSQP", bounds=bounds, constraints=[limit], options=options)
    return np.clip(np.asarray(ended.x, dtype=np.float64), 0.0, 1.0)
