"""The Shapley value: an exact split of the change of a quantity over the factors that were changed together.

The value of a set of factors is the quantity with these factors at their new and all others at their old values. Each factor receives its
mean effect over all orders in which the factors can be changed, so that the parts sum to the whole change, a factor that changes nothing
receives nothing, and equal factors receive the same (Shapley 1953, A value for n-person games). For a product of factors this is the
complete decomposition of Sun (1998, Energy Economics 20, 85-100).

With more than about ten factors the mean is taken over random orders (Castro, Gomez and Tejada 2009, Computers & Operations Research 36,
1726-1730), each with its reverse: every order alone sums to the whole change, and so does their mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def coalitions(players: Sequence[str], player: str) -> Iterator[tuple[frozenset[str], float]]:
    """Yield every set of the other players with its weight in the mean over all orders.

    Parameters
    ----------
    players
        All players; a player stands in it once.
    player
        The one whose effect is averaged.

    Yields
    ------
    frozenset of str
        A set S without the player.
    float
        ``|S|! (n - |S| - 1)! / n!``; the weights sum to 1.

    Examples
    --------
    >>> [(sorted(s), w) for s, w in coalitions(["a", "b"], "a")]
    [([], 0.5), (['b'], 0.5)]
    """
    others = [p for p in players if p != player]
    n = len(players)
    for size in range(n):
        weight = factorial(size) * factorial(n - size - 1) / factorial(n)
        for members in combinations(others, size):
            yield frozenset(members), weight


def split(value: Callable[[frozenset[str]], Array], players: Sequence[str]) -> Mapping[str, Array]:
    """Return the Shapley value of every player.

    Parameters
    ----------
    value
        Quantity with the players of a set changed and all others not, any shape ``[...]``; called once per set.
    players
        Names of the players; at most about 15, since there are 2 ** n sets.

    Returns
    -------
    mapping of str to array ``[...]``
        Sums to ``value(all) - value(none)``.

    Raises
    ------
    ValueError
        If a player is named twice.

    Examples
    --------
    >>> area = lambda grown: np.asarray((3.0 if "width" in grown else 1.0) * (2.0 if "height" in grown else 1.0))
    >>> {name: float(part) for name, part in split(area, ["width", "height"]).items()}
    {'width': 3.0, 'height': 2.0}
    """
    if len(set(players)) != len(players):
        msg = f"a player is named twice in {', '.join(players)}; each may stand once"
        raise ValueError(msg)
    known = {frozenset(s): value(frozenset(s)) for size in range(len(players) + 1) for s in combinations(players, size)}
    return {
        player: np.sum([weight * (known[s | {player}] - known[s]) for s, weight in coalitions(players, player)], axis=0)
        for player in players
    }


@dataclass(frozen=True)
class Shares:
    """Shapley values from random orders.

    Attributes
    ----------
    value
        Player -> mean effect, any shape ``[...]``; sums to the whole change.
    error
        Player -> standard error of that mean ``[...]``, over pairs of an order and its reverse; NaN with fewer than two pairs.
    """

    value: Mapping[str, Array]
    error: Mapping[str, Array]


def random_orders(players: Sequence[str], pairs: int, rng: np.random.Generator) -> tuple[tuple[str, ...], ...]:
    """Return random orders of the players, each followed by its reverse.

    Parameters
    ----------
    players
        Names of the players.
    pairs
        Number of pairs, at least 1.
    rng
        Source of the orders.

    Raises
    ------
    ValueError
        If a player is named twice or there is no pair.
    """
    if len(set(players)) != len(players) or pairs < 1:
        msg = f"every player once and at least one pair of orders: {', '.join(players)}, {pairs} pairs"
        raise ValueError(msg)
    found: list[tuple[str, ...]] = []
    for _ in range(pairs):
        order = tuple(players[i] for i in rng.permutation(len(players)))
        found += [order, order[::-1]]
    return tuple(found)


def prefixes(orders: Sequence[Sequence[str]]) -> tuple[frozenset[str], ...]:
    """Return the sets that orders run through, from none to all, each once, as they come.

    Examples
    --------
    >>> [sorted(s) for s in prefixes([("a", "b"), ("b", "a")])]
    [[], ['a'], ['a', 'b'], ['b']]
    """
    return tuple(dict.fromkeys(frozenset(order[:k]) for order in orders for k in range(len(order) + 1)))


def mean_over_orders(known: Mapping[frozenset[str], Array], orders: Sequence[Sequence[str]]) -> Shares:
    """Return the mean effect of every player over orders that come in pairs.

    Parameters
    ----------
    known
        Set of players -> value ``[...]``, with every set of :func:`prefixes`.
    orders
        From :func:`random_orders`.

    Returns
    -------
    Shares
        Values that sum to ``known[all] - known[none]``, and their standard errors.
    """
    effects: dict[str, list[Array]] = {player: [] for player in orders[0]}
    for order in orders:
        for k, player in enumerate(order):
            effects[player].append(known[frozenset(order[: k + 1])] - known[frozenset(order[:k])])
    value: dict[str, Array] = {}
    error: dict[str, Array] = {}
    for player, found in effects.items():
        # an order and its reverse are one observation: they are meant to err in opposite directions
        pairs = (np.stack(found[::2]) + np.stack(found[1::2])) / 2.0
        value[player] = pairs.mean(axis=0)
        error[player] = pairs.std(axis=0, ddof=1) / np.sqrt(len(pairs)) if len(pairs) > 1 else np.full(pairs.shape[1:], np.nan)
    return Shares(value, error)
