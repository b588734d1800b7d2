"""Backcast: planted optima that the search must find, and chances with a closed form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import norm

from transport.backcast_search import (
    COST,
    FIRST_TARGET,
    LOWERED,
    Drawn,
    Goal,
    Point,
    descend,
    first_guess,
    safety,
    screen,
)
from transport.backcast_solve import REACHED, Effort, Price, _cheaper, _Held, solve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl


QUICK = Effort(population=12, generations=3, iterations=24, points=4, workers=1)
CITIES = ("210100", "210200", "210300", "210400", "210700")


@dataclass(frozen=True)
class Planted:
    """A problem with a known answer: ``function`` gives outcomes of levels ``[package, variable]``."""

    function: Callable[[np.ndarray], np.ndarray]
    n: int
    steps: tuple[float, ...] = (0.1,)
    deviation: float = 0.0
    count: int = 4000
    congestion: float = 0.0

    def evaluate(self, levels: np.ndarray) -> np.ndarray:
        return self.function(levels)

    def drawn(self, levels: np.ndarray) -> Drawn | None:
        if not self.deviation:
            return None
        ahead = self.function(levels[None])[0, FIRST_TARGET:]
        noise = np.random.default_rng(5).normal(size=(self.count, ahead.size))
        return Drawn(ahead, ahead + self.deviation * noise, np.ones(self.count))

    def check(self, _: np.ndarray) -> dict[str, pl.DataFrame]:
        return {}

    def lost(self, _: Mapping[str, pl.DataFrame], outcome: np.ndarray) -> np.ndarray:
        return np.full(outcome.size - FIRST_TARGET, self.congestion)

    def light(self) -> Planted:
        return self


def quadratic(asked: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return a problem with costs ``x^2 / w`` and one linear target: least cost ``asked^2 / sum(w e^2)`` at ``x`` in proportion to ``w e``."""
    effect, weight = np.array([1.0, 2.0, 0.5, 0.0]), np.array([1.0, 0.5, 2.0, 1.0])

    def function(x: np.ndarray) -> np.ndarray:
        return np.stack([(x**2 / weight).sum(axis=1), 10.0 - x @ effect, x @ effect - asked], axis=1)

    return function


def linear(asked: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return a knapsack: the cheapest effect first, so that what it costs is known for any target."""
    effect, cost = np.array([1.0, 1.0, 1.0, 1.0, 0.0]), np.array([1.0, 2.0, 4.0, 8.0, 1.0])

    def function(x: np.ndarray) -> np.ndarray:
        return np.stack([x @ cost, 10.0 - x @ effect, x @ effect - asked], axis=1)

    return function


def together(asked: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return two levers that do next to nothing alone and much together, and a dear one that needs no other: the cheap pair is the answer."""

    def function(x: np.ndarray) -> np.ndarray:
        reach = 0.1 * x[:, 0] + 0.1 * x[:, 1] + 2.0 * x[:, 0] * x[:, 1] + 1.5 * x[:, 2]
        return np.stack([x[:, 0] + x[:, 1] + 6.0 * x[:, 2] + 0.5 * x[:, 3], 10.0 - reach, reach - asked], axis=1)

    return function


def falls_apart(problem: Planted, levels: np.ndarray) -> bool:
    """Return whether no lever can be lowered alone by the last step without missing the target or costing more."""
    here = problem.evaluate(levels[None])[0]
    for k in np.flatnonzero(levels > 0.0):
        less = levels.copy()
        less[k] = max(less[k] - LOWERED[-1], 0.0)
        there = problem.evaluate(less[None])[0]
        if there[FIRST_TARGET] >= 0.0 and there[COST] < here[COST]:
            return False
    return True


# ---- the search ----


@pytest.mark.parametrize("asked", [0.5, 1.0, 2.0])
def test_a_planted_optimum_is_found(asked: float) -> None:
    found = solve(Planted(quadratic(asked), 4), QUICK, 0.8)
    best = np.array([1.0, 1.0, 1.0, 0.0]) * asked / 3.5  # w e = (1, 1, 1, 0)
    assert found.status == "reached"
    assert found.best.outcome[COST] == pytest.approx(asked**2 / 3.5, rel=0.01)
    assert found.best.levels == pytest.approx(best, abs=0.03)
    assert found.best.levels[3] == 0.0  # a lever that does nothing is not used
    assert found.best.outcome[FIRST_TARGET] >= -REACHED


def test_levers_that_help_each_other_are_found_though_none_does_alone() -> None:
    problem = Planted(together(1.5), 4)
    found = solve(problem, QUICK, 0.8)
    # x = y with 0.2 x + 2 x^2 = 1.5 costs 2 x; the dear lever alone costs 6
    x = (-0.2 + np.sqrt(0.04 + 12.0)) / 4.0
    assert found.best.outcome[COST] == pytest.approx(2.0 * x, rel=0.01)
    assert found.best.levels[2:].max() == 0.0


@pytest.mark.parametrize(("function", "n"), [(quadratic(1.7), 4), (linear(1.3), 5), (together(1.2), 4)])
def test_no_lever_of_the_answer_can_be_lowered(function: Callable[[np.ndarray], np.ndarray], n: int) -> None:
    problem = Planted(function, n)
    assert falls_apart(problem, solve(problem, QUICK, 0.8).best.levels)


def test_polishing_lowers_what_nothing_needs() -> None:
    problem = Planted(linear(1.3), 5)
    found = descend(problem.evaluate, screen(problem.evaluate, 5), Goal((0.0,)), np.ones(5), iterations=0)
    assert found.missed == 0.0
    assert found.outcome[COST] < problem.evaluate(np.ones((1, 5)))[0, COST]
    assert falls_apart(problem, found.levels)


def test_a_tighter_target_never_costs_less() -> None:
    costs = [solve(Planted(linear(asked), 5), QUICK, 0.8).best.outcome[COST] for asked in (0.5, 1.0, 1.5, 2.0, 2.5, 3.5)]
    assert costs == pytest.approx([0.5, 1.0, 2.0, 3.0, 5.0, 11.0], rel=1e-3)


def test_prices_on_both_sides_of_a_kink() -> None:
    found = solve(Planted(linear(2.0), 5), QUICK, 0.8)
    slopes = {p.step > 0.0: (p.point.outcome[COST] - found.best.outcome[COST]) / p.step for p in found.prices if p.point}
    assert slopes[True] == pytest.approx(4.0, rel=0.01)
    assert slopes[False] == pytest.approx(2.0, rel=0.01)
    assert found.shown.none[FIRST_TARGET] == -2.0


def test_a_target_that_does_not_bind_has_no_price() -> None:
    found = solve(Planted(linear(-1.0), 5), QUICK, 0.8)
    assert found.status == "met"
    assert found.best.levels.max() == 0.0
    assert [p.point.outcome[COST] for p in found.prices if p.point] == pytest.approx([0.0, 0.0], abs=1e-9)


def test_what_cannot_be_reached_is_missed_by_as_little_as_can_be() -> None:
    found = solve(Planted(linear(4.5), 5), QUICK, 0.8)
    assert found.status == "infeasible"
    assert found.best.outcome[FIRST_TARGET] == pytest.approx(-0.5, abs=1e-6)
    assert found.best.levels == pytest.approx([1.0, 1.0, 1.0, 1.0, 0.0])
    assert found.prices == ()


def test_the_front_is_that_of_the_knapsack() -> None:
    found = solve(Planted(linear(2.0), 5), replace(QUICK, points=5), 0.8)
    co2 = [p.outcome[1] for p in found.front]
    cost = [p.outcome[COST] for p in found.front]
    assert co2 == sorted(co2, reverse=True)
    assert cost == sorted(cost)
    worth = np.interp([10.0 - c for c in co2], [0.0, 1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 3.0, 7.0, 15.0])
    assert cost == pytest.approx(worth, abs=0.02)


def test_the_same_answer_for_any_number_of_processes() -> None:
    """Functions of a module can be sent to processes; the answer is the same to the last bit."""
    problem = Sent()
    effort = replace(QUICK, generations=0, points=0)
    one = solve(problem, effort, 0.8)
    two = solve(problem, replace(effort, workers=2), 0.8)
    assert one.best.levels.tobytes() == two.best.levels.tobytes()
    assert [p.point.outcome.tobytes() for p in one.prices if p.point] == [
        p.point.outcome.tobytes() for p in two.prices if p.point
    ]


@dataclass(frozen=True)
class Sent:
    """A planted problem without a closure, so that it can be pickled."""

    n: int = 4
    steps: tuple[float, ...] = (0.1,)

    def evaluate(self, levels: np.ndarray) -> np.ndarray:
        return quadratic(1.2)(levels)

    def drawn(self, _: np.ndarray) -> None:
        return None

    def check(self, _: np.ndarray) -> dict[str, pl.DataFrame]:
        return {}

    def lost(self, _: Mapping[str, pl.DataFrame], outcome: np.ndarray) -> np.ndarray:
        return np.zeros(outcome.size - FIRST_TARGET)

    def light(self) -> Sent:
        return self


def test_the_first_guess_is_exact_where_nothing_meets() -> None:
    shown = screen(linear(2.5), 5)
    assert first_guess(shown, Goal((0.0,))) == pytest.approx([1.0, 1.0, 0.5, 0.0, 0.0], abs=1e-9)


def test_what_capacity_takes_is_made_up_for_or_said() -> None:
    """In equilibrium 0.3 of the effect is lost: the package is the one for a target of 1.8; beyond 4 there is none."""
    found = solve(Planted(linear(1.5), 5, congestion=0.3), replace(QUICK, points=0), 0.8)
    assert found.status == "reached"
    assert found.best.outcome[COST] == pytest.approx(1.0 + 2.0 * 0.8, rel=0.01)
    assert found.margins == pytest.approx((0.3,))
    short = solve(Planted(linear(3.9), 5, congestion=0.3), replace(QUICK, points=0), 0.8)
    assert (short.status, short.blocked) == ("infeasible", True)
    assert short.best.levels == pytest.approx([1.0, 1.0, 1.0, 1.0, 0.0])


def two(first: float, second: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return two targets with levers of their own that cost 1 and 2 a unit; a third, past, is met or missed by what no lever moves."""

    def function(x: np.ndarray) -> np.ndarray:
        past = np.full(len(x), -0.5)
        return np.stack([x[:, 0] + 2.0 * x[:, 1], 10.0 - x[:, 0], x[:, 0] - first, x[:, 1] - second, past], axis=1)

    return function


def test_a_target_that_cannot_be_had_takes_no_other_along() -> None:
    """The first is out of reach by 2, the third is past: the second, 0.5 of a lever away, is met all the same and no further."""
    found = solve(Planted(two(3.0, 0.5), 2, steps=(0.1,) * 3), QUICK, 0.8)
    assert found.status == "infeasible"
    assert found.best.levels == pytest.approx([1.0, 0.5], abs=1e-3)
    assert found.best.outcome[FIRST_TARGET:] == pytest.approx([-2.0, 0.0, -0.5], abs=1e-3)
    past = solve(Planted(two(0.25, 0.5), 2, steps=(0.1,) * 3, deviation=0.05), replace(QUICK, points=0), 0.8)
    assert past.status == "infeasible"
    assert past.best.levels == pytest.approx([0.25, 0.5], abs=1e-3)


@dataclass(frozen=True)
class Crowded(Planted):
    """In equilibrium a fifth of all that is done is lost."""

    asked: float = 1.5

    def lost(self, _: Mapping[str, pl.DataFrame], outcome: np.ndarray) -> np.ndarray:
        return 0.2 * (outcome[FIRST_TARGET:] + self.asked)


def test_capacity_that_takes_more_of_more_is_made_up_for_once() -> None:
    """A target of 1.5 needs 1.875 at fixed delays: neither less, nor the loss counted twice."""
    found = solve(Crowded(linear(1.5), 5), replace(QUICK, points=0), 0.8)
    assert found.status == "reached"
    assert found.margins == pytest.approx((0.375,), rel=0.01)
    assert found.best.outcome[COST] == pytest.approx(1.0 + 2.0 * 0.875, rel=0.01)
    assert (found.best.outcome[FIRST_TARGET:] - found.lost >= -REACHED).all()


def test_the_chance_holds_with_what_capacity_takes() -> None:
    """A normal target loses 0.1 in equilibrium: its margin is the quantile and the loss."""
    found = solve(Planted(linear(1.5), 5, deviation=0.1, congestion=0.1), replace(QUICK, points=0), 0.8)
    assert found.status == "reached"
    assert found.drawn is not None
    assert found.drawn.after(np.asarray(found.lost)).chance()[0] == pytest.approx(0.8, abs=0.01)
    assert found.margins[0] == pytest.approx(0.1 * norm.ppf(0.8) + 0.1, abs=0.01)
    less = solve(Planted(linear(3.9), 5, deviation=0.05, congestion=0.08), replace(QUICK, points=0), 0.8)
    assert (less.status, less.blocked) == ("improbable", False)  # 0.1 ahead at most: 0.02 ahead with capacity


def test_a_cheaper_package_of_a_tighter_target_takes_the_place_of_the_answer() -> None:
    problem = Planted(linear(1.5), 5)
    shown = screen(problem.evaluate, 5)

    def point(*levels: float) -> Point:
        x = np.array(levels)
        return Point(x, problem.evaluate(x[None])[0], 0.0)

    poor = _Held(point(0.0, 0.0, 1.0, 0.5, 0.0), None, (0.0,), "reached", lost=np.zeros(1))
    tighter, looser = Price(0, 0.1, point(1.0, 0.6, 0.0, 0.0, 0.0)), Price(0, -0.1, point(1.0, 0.4, 0.0, 0.0, 0.0))
    found = _cheaper(problem, shown, poor, (tighter, looser), 0.8)
    assert found is not None
    assert found.best is tighter.point
    good = replace(poor, best=point(1.0, 0.5, 0.0, 0.0, 0.0))
    assert _cheaper(problem, shown, good, (tighter, looser), 0.8) is None
    assert _cheaper(replace(problem, congestion=0.3), shown, poor, (tighter,), 0.8) is None  # it would not hold in equilibrium


@pytest.mark.parametrize("wanted", [1.5, 99.0])
def test_every_point_of_the_front_is_better_than_the_answer_in_one(wanted: float) -> None:
    """Where no package is enough the answer is that with least CO2, which is an end of the front: it is told once."""
    found = solve(Planted(together(wanted), 4), replace(QUICK, points=6), 0.8)
    here = found.best.outcome[:FIRST_TARGET]
    points = [p.outcome[:FIRST_TARGET] for p in found.front]
    assert len(points) > 2
    for one in points:
        assert (one < here).any()
        assert not any((other <= one).all() and (other < one).any() for other in points)


# ---- chance ----


@pytest.mark.parametrize("probability", [0.6, 0.8, 0.95])
def test_the_margin_of_a_normal_target_is_its_quantile(probability: float) -> None:
    problem = Planted(linear(1.5), 5, deviation=0.1)
    found = solve(problem, replace(QUICK, points=0), probability)
    expected = 0.1 * norm.ppf(probability)
    # error of an empirical quantile: sqrt(p (1 - p) / n) / density
    error = 0.1 * np.sqrt(probability * (1 - probability) / problem.count) / norm.pdf(norm.ppf(probability))
    assert found.margins[0] == pytest.approx(expected, abs=4.0 * error)
    assert found.drawn is not None
    chance, deviation = found.drawn.chance()
    assert chance >= probability
    assert chance == pytest.approx(probability, abs=0.01)
    assert deviation == pytest.approx(np.sqrt(chance * (1.0 - chance) / problem.count))
    # the effect beyond 1 costs 2 a unit
    assert found.best.outcome[COST] == pytest.approx(2.0 + 2.0 * found.margins[0], rel=0.01)


def test_a_probability_that_cannot_be_had_is_said() -> None:
    found = solve(Planted(linear(3.9), 5, deviation=0.5), replace(QUICK, points=0), 0.9)
    assert found.status == "improbable"
    assert found.drawn is not None
    # all levers together are 0.1 ahead
    assert found.drawn.chance()[0] == pytest.approx(norm.cdf(0.2), abs=0.03)


def test_two_targets_are_met_together() -> None:
    rng = np.random.default_rng(0)
    drawn = Drawn(np.zeros(2), rng.normal(size=(20000, 2)) * [1.0, 10.0], np.ones(20000))
    margins = np.array(safety(drawn, 0.81))
    moved = replace(drawn, central=drawn.central + margins, ahead=drawn.ahead + margins)
    assert moved.chance()[0] == pytest.approx(0.81, abs=1e-4)
    assert margins == pytest.approx(norm.ppf(0.9) * np.array([1.0, 10.0]), rel=0.03)


def test_weights_count_in_the_margin_and_draws_without_a_value_meet_nothing() -> None:
    ahead = np.array([[-1.0], [-2.0], [-3.0], [np.nan]])
    drawn = Drawn(np.zeros(1), ahead, np.array([1.0, 1.0, 1.0, 1.0]))
    assert safety(drawn, 0.5) == pytest.approx([2.0])
    assert safety(drawn, 0.9) == (np.inf,)
    heavy = replace(drawn, weight=np.array([9.0, 1.0, 0.0, 0.0]))
    assert safety(heavy, 0.85)[0] == pytest.approx(1.0)
    assert heavy.chance() == (0.0, 0.0)
