"""The cheapest package that meets targets with a probability, what each target costs at the margin, and the front of cost against CO2.

The work is cut into tasks that share nothing but the problem, so that the answer is the same for any number of processes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from transport import pool
from transport.backcast_search import CO2, COST, FIRST_TARGET, NEAR, Goal, Point, descend, explore, first_guess, safety, screen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import polars as pl

    from transport.backcast_search import Array, Drawn, Screen

    #: Called with the stage, what is done of it and its size.
    Tell = Callable[[str, int, int], None]

#: Stages, in order.
STAGES: tuple[str, ...] = ("screen", "search", "probability", "equilibrium", "prices", "front")
#: Rounds of the margin, and the part of a margin by which it must be too wide for another round.
_ROUNDS, _TOO_WIDE = 4, 0.05
#: Times that a package is checked in equilibrium: found, and found again with what capacity took from the one before.
_CHECKS = 4
#: Most that capacity is taken to take of another unit of margin, and how much wider than needed the margin of the last search is.
_TAKEN, _WIDER = 0.8, 1.1
#: Part of the iterations of the search that a start near the answer gets.
_WARM = 3
#: Part of the span of CO2 within which two points of the front are one.
_SAME = 1e-3
#: Most of a scale that a package may miss a mark by and still count as reaching it.
REACHED = 1e-6
#: Part of the dearest lever by which a package must be cheaper than the answer to take its place.
_CHEAPER = 1e-4


class Problem(Protocol):
    """What is searched: packages of ``n`` variables.

    Attributes
    ----------
    n
        Number of variables.
    steps
        Step of each target for its price at the margin, in its unit.
    """

    @property
    def n(self) -> int:
        """Number of variables."""
        ...

    @property
    def steps(self) -> tuple[float, ...]:
        """Step of each target for its price."""
        ...

    def evaluate(self, levels: Array) -> Array:
        """Return outcomes ``[package, 2 + target]`` of levels ``[package, variable]``."""
        ...

    def drawn(self, levels: Array) -> Drawn | None:
        """Return the draws of a package; None where none are asked for."""
        ...

    def check(self, levels: Array) -> Mapping[str, pl.DataFrame]:
        """Return the result tables of a package with capacity in equilibrium, empty where that is not asked for."""
        ...

    def lost(self, checked: Mapping[str, pl.DataFrame], outcome: Array) -> Array:
        """Return by how much less the package is ahead of each target in equilibrium ``(target,)``; zero where that is not known."""
        ...

    def light(self) -> Problem:
        """Return the problem as it is sent to a process."""
        ...


@dataclass(frozen=True)
class Effort:
    """How hard to search.

    Attributes
    ----------
    population, generations
        Of the differential evolution; no generation = one descent from the linear guess alone.
    iterations
        Most steps of a descent.
    points
        Points of the front, both ends included.
    seed
        Of the random numbers.
    workers, scheduler
        As in :func:`transport.pool.map`.
    """

    population: int = 24
    generations: int = 8
    iterations: int = 24
    points: int = 6
    seed: int = 0
    workers: int | None = None
    scheduler: str | None = None


@dataclass(frozen=True)
class Price:
    """A target at the margin.

    Attributes
    ----------
    target
        Number of the target.
    step
        By how much it was made tighter (positive) or looser (negative), in its unit.
    point
        Cheapest package then; None where there is none.
    """

    target: int
    step: float
    point: Point | None


@dataclass(frozen=True)
class Answer:
    """What a backcast found.

    Attributes
    ----------
    status
        ``met``, ``reached``, ``improbable`` or ``infeasible``.
    shown
        What each variable does alone.
    best
        The cheapest package; where the targets cannot be met, the cheapest of those that miss them least.
    margins
        What the central values of the best package keep from each target, in its unit, with what capacity takes.
    lost
        By how much less the best package is ahead of each target with capacity in equilibrium, in its unit.
    blocked
        Whether the targets are met at fixed delays but no package meets them with capacity in equilibrium.
    central
        The cheapest package that meets the targets at central values only, without a margin.
    drawn, drawn_none
        Draws of the best package and of none, at fixed delays; None where none were asked for.
    prices
        Targets at the margin.
    front
        Cheapest packages by ceiling of CO2, highest CO2 first.
    checked
        Result tables of the best package with capacity in equilibrium.
    evaluations
        Packages that were worked out.
    """

    status: str
    shown: Screen
    best: Point
    margins: tuple[float, ...]
    lost: tuple[float, ...]
    blocked: bool
    central: Point
    drawn: Drawn | None
    drawn_none: Drawn | None
    prices: tuple[Price, ...]
    front: tuple[Point, ...]
    checked: Mapping[str, pl.DataFrame]
    evaluations: int


def solve(
    problem: Problem, effort: Effort, probability: float, *, shown: Screen | None = None, tell: Tell | None = None
) -> Answer:
    """Return the cheapest package that meets all targets with a probability.

    Parameters
    ----------
    problem
        What is searched.
    effort
        How hard.
    probability
        Between 0 and 1; it plays no part where the problem has no draws.
    shown
        What each variable does alone, if the caller knows it.
    tell
        Called as the work goes on.

    Notes
    -----
    The search is at central values with a margin to each target. The margin is widened until the draws of the package meet all targets with the
    probability (:func:`transport.backcast_search.safety`), and narrowed where it turns out too wide; draws are common to all packages. A target that no
    package moves takes no part in the search: it is met or not. Where a search for a price comes across a cheaper package that holds all the
    same, that one is the answer and its prices are searched again.
    """
    say = tell or (lambda *_: None)
    say("screen", 0, 1)
    shown = screen(problem.evaluate, problem.n) if shown is None else shown
    m = shown.none.size - FIRST_TARGET
    goal = _goal(shown, (0.0,) * m)
    say("search", 0, 2)
    tasks: list[tuple[Any, ...]] = [("descend", shown, goal, None, effort)]
    if effort.generations:
        tasks.append(("explore", shown, goal, None, effort))
    found = _map(problem, tasks, effort, "search", say)
    least = min(p.missed for p in found) + REACHED
    first = min((p for p in found if p.missed <= least), key=lambda p: float(p.outcome[COST]))
    spent = problem.n + 2 + sum(p.evaluations for p in found)
    best, margins, drawn, more = _with_chance(problem, shown, first, effort, probability, say)
    spent += more
    base = problem.drawn(np.zeros(problem.n))
    status = _status(shown, first, base, drawn, probability)
    held = _in_equilibrium(problem, shown, _Held(best, drawn, margins, status), effort, probability, say)
    spent += held.evaluations
    prices, front, more = _around(problem, shown, held, effort, say)
    spent += more
    cheaper = _cheaper(problem, shown, held, prices, probability)
    if cheaper is not None:
        held = replace(cheaper, evaluations=0)
        prices, front, more = _around(problem, shown, held, effort, say)
        spent += more
    gone = tuple(held.lost.tolist())
    return Answer(
        held.status,
        shown,
        held.best,
        held.margins,
        gone,
        held.blocked,
        first,
        held.drawn,
        base,
        prices,
        front,
        held.checked,
        spent,
    )


@dataclass(frozen=True)
class _Held:
    """A package, its draws, the margins that it was searched with, and what became of it in equilibrium."""

    best: Point
    drawn: Drawn | None
    margins: tuple[float, ...]
    status: str
    checked: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    lost: Array = field(default_factory=lambda: np.zeros(0))
    blocked: bool = False
    evaluations: int = 0


def _goal(shown: Screen, marks: Sequence[float]) -> Goal:
    """Return the goal of some margins; what no package moves is not asked for."""
    return Goal(tuple(float(mark) if moved else -np.inf for mark, moved in zip(marks, shown.moved, strict=True)))


def _behind(shown: Screen) -> bool:
    """Return whether a target is missed that no package moves."""
    return bool((shown.none[FIRST_TARGET:][~shown.moved] < -REACHED).any())


def _in_equilibrium(problem: Problem, shown: Screen, held: _Held, effort: Effort, probability: float, say: Tell) -> _Held:
    """Return the package that holds with capacity in equilibrium, at central values and with the probability, or what became of the search for one.

    Notes
    -----
    What capacity takes from a target at central values is taken from every draw, and added to the margin that the draws need. It takes more from a
    package that does more, so that from the second search on the margin is where the straight line through the last two meets it (secant).
    """
    own = held.margins
    taken, before, lost = np.zeros(len(own)), np.zeros(len(own)), np.zeros(len(own))
    say("equilibrium", 0, _CHECKS)
    held = _checked(problem, held)
    for done in range(1, _CHECKS):
        if held.status not in {"met", "reached"} or _holds(held, probability):
            break
        gone = np.maximum(held.lost, 0.0)
        step = np.where(taken > before, taken - before, np.inf)
        slope = np.clip((gone - lost) / step, 0.0, _TAKEN) if done > 1 else np.zeros(len(own))
        wanted = np.maximum((gone - slope * taken) / (1.0 - slope), gone) * (_WIDER if done == _CHECKS - 1 else 1.0)
        taken, before, lost = wanted, taken, gone
        marks = tuple((np.asarray(own) + wanted).tolist())
        point = _run((problem, "descend", shown, _goal(shown, marks), held.best.levels, effort))
        spent = held.evaluations + point.evaluations
        short = point.missed > REACHED
        found = _Held(point, problem.drawn(point.levels), held.margins if short else marks, "reached", evaluations=spent)
        held = _checked(problem, found)
        say("equilibrium", done, _CHECKS)
        if short:
            break
    if held.status in {"met", "reached"} and not _holds(held, probability):
        blocked = bool((held.best.outcome[FIRST_TARGET:] - held.lost < -REACHED).any())
        held = replace(held, status="infeasible" if blocked else "improbable", blocked=blocked)
    return held


def _checked(problem: Problem, held: _Held) -> _Held:
    checked = problem.check(held.best.levels)
    return replace(held, checked=checked, lost=problem.lost(checked, held.best.outcome))


def _holds(held: _Held, probability: float) -> bool:
    """Return whether a package meets the targets with what capacity takes, at central values and with the probability."""
    if bool((held.best.outcome[FIRST_TARGET:] - held.lost < -REACHED).any()):
        return False
    return held.drawn is None or held.drawn.after(held.lost).chance()[0] >= probability - NEAR


def _cheaper(problem: Problem, shown: Screen, held: _Held, prices: Sequence[Price], probability: float) -> _Held | None:
    """Return the cheapest package of the searches for tighter targets if it is cheaper than the answer and holds as well, else None."""
    known = [p.point for p in prices if p.point is not None and p.step > 0.0]
    least = float(held.best.outcome[COST]) - _CHEAPER * float(shown.scale[COST])
    known = sorted((p for p in known if float(p.outcome[COST]) < least), key=lambda p: float(p.outcome[COST]))
    if not known:
        return None
    found = _checked(problem, replace(held, best=known[0], drawn=problem.drawn(known[0].levels)))
    return found if _holds(found, probability) else None


def _status(shown: Screen, first: Point, base: Drawn | None, drawn: Drawn | None, probability: float) -> str:
    if first.missed > REACHED or _behind(shown):
        return "infeasible"
    if drawn is not None and drawn.chance()[0] < probability - NEAR:
        return "improbable"
    there = bool((shown.none[FIRST_TARGET:] >= 0.0).all())
    sure = base is None or base.chance()[0] >= probability - NEAR
    return "met" if there and sure else "reached"


def _with_chance(
    problem: Problem, shown: Screen, first: Point, effort: Effort, probability: float, say: Tell
) -> tuple[Point, tuple[float, ...], Drawn | None, int]:
    """Return the cheapest package that keeps the probability, or else the one that comes nearest to it, its margins and draws."""
    m = shown.none.size - FIRST_TARGET
    point, margins, spent = first, (0.0,) * m, 0
    say("probability", 0, _ROUNDS)
    drawn = problem.drawn(point.levels)
    if drawn is None or first.missed > REACHED or _behind(shown):
        return point, margins, drawn, spent
    kept = [(point, margins, drawn)]
    for done in range(1, _ROUNDS):
        wanted = safety(drawn, probability)
        sure = drawn.chance()[0] >= probability - NEAR
        narrower = all(w <= (1.0 - _TOO_WIDE) * now for w, now in zip(wanted, margins, strict=True) if now > 0.0)
        if sure and (not any(margins) or not narrower):
            break
        if not np.isfinite(wanted).all():
            break
        if not sure:  # never narrower than what has just failed
            wanted = tuple(max(w, now * (1.0 + _TOO_WIDE)) for w, now in zip(wanted, margins, strict=True))
        margins = wanted
        warm = replace(effort, iterations=max(effort.iterations // _WARM * 2, 1))
        point = _run((problem, "descend", shown, _goal(shown, margins), point.levels, warm))
        spent += point.evaluations
        drawn = problem.drawn(point.levels)
        if drawn is None:
            break
        kept.append((point, margins, drawn))
        say("probability", done, _ROUNDS)
        if point.missed > REACHED:
            break
    sure_ones = [k for k in kept if k[2].chance()[0] >= probability - NEAR and k[0].outcome[FIRST_TARGET:].min() >= -NEAR]
    if sure_ones:
        return *min(sure_ones, key=lambda k: float(k[0].outcome[COST])), spent
    return *max(kept, key=lambda k: (k[2].chance()[0], -float(k[0].outcome[COST]))), spent


def _around(
    problem: Problem, shown: Screen, held: _Held, effort: Effort, say: Tell
) -> tuple[tuple[Price, ...], tuple[Point, ...], int]:
    """Return prices of the targets and the front."""
    best, margins = held.best, held.margins
    m = len(margins)
    warm = replace(effort, iterations=max(effort.iterations // _WARM, 1))
    free = Goal((-np.inf,) * m)
    sides = [(k, sign * problem.steps[k]) for k in range(m) for sign in (1.0, -1.0)]
    sides = sides if held.status in {"met", "reached"} else []
    tasks: list[tuple[Any, ...]] = [
        ("descend", shown, _goal(shown, _moved(margins, k, step)), best.levels, warm) for k, step in sides
    ]
    if effort.points:
        tasks += [("descend", shown, free, None, warm), ("descend", shown, replace(free, least=CO2), None, warm)]
    points = _map(problem, tasks, effort, "prices", say)
    spent = sum(p.evaluations for p in points)
    prices = tuple(
        Price(k, step, point if point.missed <= REACHED and _kept(shown, k, step) else None)
        for (k, step), point in zip(sides, points, strict=False)
    )
    if not effort.points:
        return prices, (), spent
    dear, clean = points[-2], points[-1]
    ceilings = np.linspace(dear.outcome[CO2], clean.outcome[CO2], effort.points)[1:-1]
    ahead = max(abs(float(dear.outcome[CO2] - clean.outcome[CO2])), 1e-12)
    tasks = []
    for ceiling in ceilings:
        share = (float(dear.outcome[CO2]) - float(ceiling)) / ahead
        tasks.append(
            ("descend", shown, replace(free, most_co2=float(ceiling)), (1.0 - share) * dear.levels + share * clean.levels, warm)
        )
    between = _map(problem, tasks, effort, "front", say)
    spent += sum(p.evaluations for p in between)
    line = [p for p in (dear, *between, clean) if _is_better(p, best)]
    return prices, _front(line, ahead), spent


def _moved(margins: Sequence[float], target: int, step: float) -> tuple[float, ...]:
    return tuple(mark + (step if k == target else 0.0) for k, mark in enumerate(margins))


def _kept(shown: Screen, target: int, step: float) -> bool:
    """Return whether a target that no package moves is met a step further on; one that is moved is searched for."""
    return bool(shown.moved[target] or shown.none[FIRST_TARGET + target] >= step - REACHED)


def _is_better(one: Point, other: Point) -> bool:
    """Return whether a package costs less than another or emits less; the very same one does neither."""
    return bool((one.outcome[[COST, CO2]] < other.outcome[[COST, CO2]]).any())


def _front(points: Sequence[Point], span: float) -> tuple[Point, ...]:
    """Return the points that no other one beats in both cost and CO2, highest CO2 first, near ones once."""
    ordered = sorted(points, key=lambda p: (float(p.outcome[CO2]), float(p.outcome[COST])))
    kept: list[Point] = []
    for point in ordered:
        if kept and float(point.outcome[COST]) >= float(kept[-1].outcome[COST]):
            continue
        if kept and float(point.outcome[CO2]) - float(kept[-1].outcome[CO2]) < _SAME * span:
            kept[-1] = point
            continue
        kept.append(point)
    return tuple(reversed(kept))


def _map(problem: Problem, tasks: Sequence[tuple[Any, ...]], effort: Effort, stage: str, say: Tell) -> list[Any]:
    """Return what tasks come to, on local processes or a cluster."""
    alone = effort.scheduler is None and (effort.workers == 1 or len(tasks) < 2)
    sent = problem if alone else problem.light()
    return pool.map(
        _run,
        [(sent, *task) for task in tasks],
        workers=1 if alone else effort.workers,
        scheduler=effort.scheduler,
        done=lambda k: say(stage, k, len(tasks)),
        shared=(sent,),
    )


def _run(task: tuple[Any, ...]) -> Any:
    """Work out one task."""
    problem, kind, shown, goal, start, effort = task
    if kind == "explore":
        seen = explore(
            problem.evaluate, shown, goal, population=effort.population, generations=effort.generations, seed=effort.seed
        )
        point = descend(problem.evaluate, shown, goal, seen.levels, iterations=effort.iterations)
        return replace(point, evaluations=point.evaluations + seen.evaluations)
    begin = first_guess(shown, goal) if start is None else start
    return descend(problem.evaluate, shown, goal, begin, iterations=effort.iterations)
