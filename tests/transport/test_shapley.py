"""The Shapley value against worked examples, and the axioms that define it."""

from __future__ import annotations

from itertools import combinations, permutations
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.shapley import coalitions, mean_over_orders, prefixes, random_orders, split

if TYPE_CHECKING:
    from collections.abc import Callable

    Game = dict[frozenset[str], float]

PLAYERS = ("a", "b", "c", "d")


def sets(players: tuple[str, ...]) -> list[frozenset[str]]:
    return [frozenset(s) for size in range(len(players) + 1) for s in combinations(players, size)]


@st.composite
def games(draw: st.DrawFn) -> Game:
    """Return a value for every set of players."""
    number = st.floats(-1e3, 1e3, allow_nan=False)
    return {s: draw(number) for s in sets(PLAYERS)}


def value_of(game: Game) -> Callable[[frozenset[str]], np.ndarray]:
    return lambda s: np.asarray(game[s])


# ---- worked examples ----


def test_glove_market() -> None:
    """One left glove and two right ones: the left takes two thirds of the pair (Shapley's own kind of market)."""
    pairs = split(lambda s: np.asarray(float("left" in s and len(s) > 1)), ["left", "right_1", "right_2"])
    assert {k: float(v) for k, v in pairs.items()} == pytest.approx(
        {"left": 2 / 3, "right_1": 1 / 6, "right_2": 1 / 6}, rel=1e-14
    )


def test_runway_whose_cost_is_that_of_the_largest_aircraft() -> None:
    """Each further metre is shared by those who need it (Littlechild and Owen 1973): costs 1, 2, 3 give 1/3, 5/6, 11/6."""
    cost = {"small": 1.0, "middle": 2.0, "large": 3.0}
    parts = split(lambda s: np.asarray(max((cost[p] for p in s), default=0.0)), list(cost))
    assert {k: float(v) for k, v in parts.items()} == pytest.approx({"small": 1 / 3, "middle": 5 / 6, "large": 11 / 6}, rel=1e-14)


def test_product_of_three_factors_by_hand() -> None:
    """From 1 x 1 x 1 to 2 x 3 x 4, by the complete decomposition.

    x: 1 + 1/2 (2 + 3) + 1/3 (2 x 3) = 5.5; y: 2 + 1/2 (2 x 1 + 2 x 3) + 2 = 8; z: 3 + 1/2 (3 x 1 + 3 x 2) + 2 = 9.5; together 23 = 24 - 1.
    """
    new = {"x": 2.0, "y": 3.0, "z": 4.0}
    parts = split(lambda s: np.asarray(np.prod([new[p] if p in s else 1.0 for p in new])), list(new))
    assert {k: float(v) for k, v in parts.items()} == pytest.approx({"x": 5.5, "y": 8.0, "z": 9.5}, rel=1e-14)


def test_arrays_are_split_element_by_element() -> None:
    first, second = np.asarray([1.0, 2.0, 3.0]), np.asarray([0.5, 0.0, -1.0])
    parts = split(lambda s: ("p" in s) * first + ("q" in s) * second, ["p", "q"])
    assert parts["p"].tolist() == first.tolist()
    assert parts["q"].tolist() == second.tolist()


@pytest.mark.parametrize("n", [1, 2, 5, 7])
def test_weights_of_the_sets_sum_to_one(n: int) -> None:
    players = [str(i) for i in range(n)]
    assert sum(w for _, w in coalitions(players, "0")) == pytest.approx(1.0, rel=1e-14)
    assert len(list(coalitions(players, "0"))) == 2 ** (n - 1)


def test_value_is_asked_once_per_set() -> None:
    asked: list[frozenset[str]] = []
    split(lambda s: np.asarray(float(len(asked.append(s) or s))), PLAYERS)  # type: ignore[func-returns-value]
    assert sorted(map(sorted, asked)) == sorted(map(sorted, sets(PLAYERS)))


# ---- axioms ----


@given(games())
def test_parts_sum_to_the_whole(game: Game) -> None:
    whole = game[frozenset(PLAYERS)] - game[frozenset()]
    assert float(sum(split(value_of(game), PLAYERS).values(), np.zeros(()))) == pytest.approx(whole, abs=1e-9)


@given(games())
def test_it_is_the_mean_over_all_orders(game: Game) -> None:
    """The definition, computed the long way."""
    parts = split(value_of(game), PLAYERS)
    orders = list(permutations(PLAYERS))
    for player in PLAYERS:
        before = [frozenset(order[: order.index(player)]) for order in orders]
        mean = sum(game[s | {player}] - game[s] for s in before) / len(orders)
        assert float(parts[player]) == pytest.approx(mean, abs=1e-9)


@given(games())
def test_a_player_without_effect_receives_exactly_nothing(game: Game) -> None:
    dummy = {s: game[s - {"a"}] for s in game}
    assert float(split(value_of(dummy), PLAYERS)["a"]) == 0.0


@given(games())
def test_equal_players_receive_the_same(game: Game) -> None:
    """Where swapping two players changes no value, their parts are equal."""
    swap = {"a": "b", "b": "a"}
    even = {s: game[s] + game[frozenset(swap.get(p, p) for p in s)] for s in game}
    parts = split(value_of(even), PLAYERS)
    assert float(parts["a"]) == pytest.approx(float(parts["b"]), abs=1e-9)


@given(games(), games())
def test_the_split_of_a_sum_is_the_sum_of_the_splits(one: Game, other: Game) -> None:
    both = {s: one[s] + other[s] for s in one}
    for player in PLAYERS:
        parts = [float(split(value_of(g), PLAYERS)[player]) for g in (both, one, other)]
        assert parts[0] == pytest.approx(parts[1] + parts[2], abs=1e-9)


# ---- bad input ----


def test_a_player_named_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="named twice in a, b, a"):
        split(lambda s: np.asarray(float(len(s))), ["a", "b", "a"])


# ---- random orders ----


@given(games(), st.integers(1, 4), st.integers(0, 99))
def test_shares_of_random_orders_sum_to_the_whole(game: Game, pairs: int, seed: int) -> None:
    orders = random_orders(PLAYERS, pairs, np.random.default_rng(seed))
    assert all(sorted(order) == sorted(PLAYERS) for order in orders)
    assert all(a == b[::-1] for a, b in zip(orders[::2], orders[1::2], strict=True))
    known = {s: np.asarray(game[s]) for s in prefixes(orders)}
    shares = mean_over_orders(known, orders)
    assert sum(shares.value.values()) == pytest.approx(game[frozenset(PLAYERS)] - game[frozenset()], abs=1e-9)


@given(games())
def test_all_orders_are_the_exact_split(game: Game) -> None:
    orders = [order for order in permutations(PLAYERS) if order < order[::-1]]
    both = [o for order in orders for o in (order, order[::-1])]
    shares = mean_over_orders({s: np.asarray(game[s]) for s in prefixes(both)}, both)
    exact = split(value_of(game), PLAYERS)
    for player in PLAYERS:
        assert shares.value[player] == pytest.approx(exact[player], abs=1e-9)


def test_the_error_of_random_orders_is_that_of_their_mean() -> None:
    """A hundred estimates from two pairs each spread as far as their standard errors say."""
    game = {s: float(len(s) ** 3 + 5 * ("a" in s and "d" not in s)) for s in sets(PLAYERS)}
    found, told = [], []
    for seed in range(300):
        orders = random_orders(PLAYERS, 6, np.random.default_rng(seed))
        shares = mean_over_orders({s: np.asarray(game[s]) for s in prefixes(orders)}, orders)
        found.append(float(shares.value["b"]))
        told.append(float(shares.error["b"]) ** 2)
    assert np.var(found) == pytest.approx(np.mean(told), rel=0.25)
    assert np.mean(found) == pytest.approx(float(split(value_of(game), PLAYERS)["b"]), abs=4.0 * np.sqrt(np.mean(told) / 300))


def test_one_pair_has_no_error() -> None:
    orders = random_orders(PLAYERS, 1, np.random.default_rng(0))
    assert np.isnan(mean_over_orders({s: np.asarray(1.0 * len(s)) for s in prefixes(orders)}, orders).error["a"])


def test_orders_name_each_player_once() -> None:
    with pytest.raises(ValueError, match="every player once"):
        random_orders(["a", "a"], 1, np.random.default_rng(0))
    with pytest.raises(ValueError, match="at least one pair"):
        random_orders(["a"], 0, np.random.default_rng(0))
