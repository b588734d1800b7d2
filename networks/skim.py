"""Least-cost paths of one mode: component skims along the chosen path, and loading of flows on it.

Costs are non-negative generalised costs per arc; one path per pair of terminals (all-or-nothing).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from networks.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from networks.graph import CompiledNetwork

#: scipy's mark of "no predecessor".
_NONE = -9999
#: Cost of an arc that costs nothing, far below any cost that matters [CNY/t].
_LEAST_COST = 1e-6


@dataclass(frozen=True)
class Skim:
    """Paths between the terminals of one compiled network.

    Attributes
    ----------
    network
        The network the paths run on.
    cost
        Generalised cost ``[origin terminal, destination terminal]``; infinite where there is no path, zero on the diagonal for passable terminals.
    components
        Sums along the chosen path ``[origin terminal, destination terminal]`` by name; zero where there is no path.
    predecessor, rank
        Path trees ``[origin terminal, vertex]``: predecessor vertex, and the vertices in order of increasing cost.
    arc_of
        Arc used from vertex to vertex, ``[vertex, vertex]``, -1 if none.
    """

    network: CompiledNetwork
    cost: NDArray[np.float64]
    components: Mapping[str, NDArray[np.float64]]
    predecessor: NDArray[np.int64]
    rank: NDArray[np.int64]
    arc_of: NDArray[np.int64]


def skim(network: CompiledNetwork, arc_cost: NDArray[np.float64], components: Mapping[str, NDArray[np.float64]]) -> Skim:
    """Find the least-cost path of every pair of terminals and sum components along it.

    Parameters
    ----------
    network
        Compiled network.
    arc_cost
        Generalised cost per arc, positive (zero only on connectors of no length).
    components
        Values per arc to be summed along the paths, by name.

    Returns
    -------
    Skim
        Dense arrays between the terminals.

    Raises
    ------
    NetworkError
        If a cost is negative or not finite, or the shapes differ.

    Notes
    -----
    Of parallel arcs between two vertices the cheapest is used, the first of them on a tie; Dijkstra's trees are walked once in order of cost, so
    that every component costs one pass over the vertices for all origins together.
    """
    n = len(network.nodes)
    if arc_cost.shape != network.head.shape or not bool(np.all(np.isfinite(arc_cost) & (arc_cost >= 0))):
        msg = f"{network.mode}: one finite, non-negative cost per arc is needed"
        raise NetworkError(msg)
    n_terminal = len(network.terminals)
    if n == 0 or n_terminal == 0:
        empty = np.zeros((n_terminal, n_terminal))
        blank = np.zeros((n_terminal, n), dtype=np.int64)
        return Skim(network, empty, dict.fromkeys(components, empty), blank, blank, np.zeros((n, n), dtype=np.int64))
    order = np.lexsort((np.arange(arc_cost.size), arc_cost, network.head, network.tail))
    tail, head = network.tail[order], network.head[order]
    first = np.ones(order.size, dtype=np.bool_)
    first[1:] = (tail[1:] != tail[:-1]) | (head[1:] != head[:-1])
    arc = order[first]
    arc_of = np.full((n, n), -1, dtype=np.int64)
    arc_of[network.tail[arc], network.head[arc]] = arc
    # csgraph reads a stored zero as "no arc", and equal costs would not order a tree from the root down
    stored = np.maximum(arc_cost[arc], _LEAST_COST)
    matrix = csr_matrix((stored, (network.tail[arc], network.head[arc])), shape=(n, n))
    cost, tree = dijkstra(matrix, directed=True, indices=network.origins, return_predecessors=True)
    predecessor: NDArray[np.int64] = tree.astype(np.int64)
    rank = np.argsort(cost, axis=1, kind="stable")
    names = list(components)
    per_arc = np.stack([components[k] for k in names], axis=1) if names else np.zeros((arc_cost.size, 0))
    sums = _along_trees(predecessor, rank, arc_of, per_arc)
    pick = network.destinations
    found = {name: np.ascontiguousarray(sums[:, pick, k]) for k, name in enumerate(names)}
    return Skim(network, cost[:, pick], found, predecessor, rank, arc_of)


def _along_trees(
    predecessor: NDArray[np.int64], rank: NDArray[np.int64], arc_of: NDArray[np.int64], per_arc: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return component sums ``[origin, vertex, component]`` from the roots down."""
    n_origin, n = predecessor.shape
    sums = np.zeros((n_origin, n, per_arc.shape[1]))
    rows = np.arange(n_origin)
    for position in range(n):
        vertex = rank[:, position]
        before = predecessor[rows, vertex]
        has = before != _NONE
        if not has.any():
            continue
        i, v, p = rows[has], vertex[has], before[has]
        sums[i, v] = sums[i, p] + per_arc[arc_of[p, v]]
    return sums


def load_paths(found: Skim, flow: NDArray[np.float64]) -> NDArray[np.float64]:
    """Load flows between terminals on the chosen paths.

    Parameters
    ----------
    found
        Paths from :func:`skim`.
    flow
        Flow ``[origin terminal, destination terminal]`` [t/yr]; pairs without a path must be zero.

    Returns
    -------
    array (arc,)
        Flow per arc [t/yr].

    Raises
    ------
    NetworkError
        If flow stands on a pair without a path.
    """
    network = found.network
    lost = flow[~np.isfinite(found.cost)].sum()
    if lost > 0:
        msg = f"{network.mode}: {lost:g} t/yr have no path"
        raise NetworkError(msg)
    n_origin, n = found.predecessor.shape
    carried = np.zeros((n_origin, n))
    carried[:, network.destinations] = flow
    # what starts and ends at the same passable terminal never enters the network
    same = network.origins == network.destinations
    carried[np.flatnonzero(same), network.origins[same]] -= np.diag(flow)[same]
    load = np.zeros(network.head.size)
    rows = np.arange(n_origin)
    for position in range(n - 1, -1, -1):
        vertex = found.rank[:, position]
        before = found.predecessor[rows, vertex]
        amount = carried[rows, vertex]
        has = (before != _NONE) & (amount != 0)
        if not has.any():
            continue
        i, v, p = rows[has], vertex[has], before[has]
        np.add.at(load, found.arc_of[p, v], amount[has])
        carried[i, p] += amount[has]
    return load


def imbalance(network: CompiledNetwork, matrix: NDArray[np.float64], flow: NDArray[np.float64]) -> float:
    """Return the largest difference of flow in and out at a vertex, after what starts and ends there, over all flow.

    Parameters
    ----------
    network
        Network of the flow.
    matrix
        Flow between terminals ``[origin, destination]`` [t/yr].
    flow
        Flow per arc [t/yr].
    """
    total = matrix.sum()
    if total == 0:
        return float(np.abs(flow).max(initial=0.0))
    balance = np.zeros(len(network.nodes))
    np.add.at(balance, network.head, flow)
    np.subtract.at(balance, network.tail, flow)
    np.add.at(balance, network.origins, matrix.sum(axis=1))
    np.subtract.at(balance, network.destinations, matrix.sum(axis=0))
    return float(np.abs(balance).max() / total)
