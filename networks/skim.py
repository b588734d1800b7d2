"""Least-cost paths of one mode: component skims along the chosen path, and loading of flows on it.

Costs are non-negative generalised costs per arc; one path per pair of terminals (all-or-nothing).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit
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
        Arc by which the tree reaches each vertex ``[origin terminal, vertex]``, -1 at the root and where there is no path.
    """

    network: CompiledNetwork
    cost: NDArray[np.float64]
    components: Mapping[str, NDArray[np.float64]]
    predecessor: NDArray[np.int32]
    rank: NDArray[np.int32]
    arc_of: NDArray[np.int32]


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
    Of parallel arcs between two vertices the cheapest is used, the first of them on a tie; Dijkstra's trees are walked once in order of cost for
    all components together. Memory grows with origins x vertices, not with vertices x vertices: networks of many thousand vertices fit.
    """
    n = len(network.nodes)
    if arc_cost.shape != network.head.shape or not bool(np.all(np.isfinite(arc_cost) & (arc_cost >= 0))):
        msg = f"{network.mode}: one finite, non-negative cost per arc is needed"
        raise NetworkError(msg)
    n_terminal = len(network.terminals)
    if n == 0 or n_terminal == 0:
        empty = np.zeros((n_terminal, n_terminal))
        blank = np.full((n_terminal, n), _NONE, dtype=np.int32)
        return Skim(network, empty, dict.fromkeys(components, empty), blank, np.zeros_like(blank), np.full_like(blank, -1))
    order = np.lexsort((np.arange(arc_cost.size), arc_cost, network.head, network.tail))
    tail, head = network.tail[order], network.head[order]
    first = np.ones(order.size, dtype=np.bool_)
    first[1:] = (tail[1:] != tail[:-1]) | (head[1:] != head[:-1])
    arc = order[first]
    # csgraph reads a stored zero as "no arc", and equal costs would not order a tree from the root down
    stored = np.maximum(arc_cost[arc], _LEAST_COST)
    matrix = csr_matrix((stored, (network.tail[arc], network.head[arc])), shape=(n, n))
    cost, predecessor = dijkstra(matrix, directed=True, indices=network.origins, return_predecessors=True)
    rank = np.argsort(cost, axis=1, kind="stable").astype(np.int32)
    start = np.searchsorted(network.tail[arc], np.arange(n + 1))
    arc_of = np.full(predecessor.shape, -1, dtype=np.int32)
    _tree_arcs(predecessor, start, network.head[arc], arc, arc_of)
    names = list(components)
    per_arc = np.stack([components[k] for k in names], axis=1) if names else np.zeros((arc_cost.size, 0))
    pick = np.array(network.destinations)
    sums = np.zeros((len(names), n_terminal, pick.size))
    if names:
        _along_trees(predecessor, rank, arc_of, per_arc, pick, np.zeros((n, len(names))), sums)
    return Skim(network, cost[:, pick], dict(zip(names, sums, strict=True)), predecessor, rank, arc_of)


@njit(cache=True, nogil=True)
def _tree_arcs(
    predecessor: NDArray[np.int32],
    start: NDArray[np.int64],
    head: NDArray[np.int64],
    arc: NDArray[np.int64],
    arc_of: NDArray[np.int32],
) -> None:
    """Write the arc from the predecessor to every vertex; the arcs out of vertex ``p`` are ``arc[start[p] : start[p + 1]]``."""
    for i in range(predecessor.shape[0]):
        for v in range(predecessor.shape[1]):
            p = predecessor[i, v]
            if p != _NONE:
                for k in range(start[p], start[p + 1]):
                    if head[k] == v:
                        arc_of[i, v] = arc[k]
                        break


@njit(cache=True, nogil=True)
def _along_trees(
    predecessor: NDArray[np.int32],
    rank: NDArray[np.int32],
    arc_of: NDArray[np.int32],
    per_arc: NDArray[np.float64],
    pick: NDArray[np.int64],
    along: NDArray[np.float64],
    sums: NDArray[np.float64],
) -> None:
    """Write component sums ``[component, origin, destination]`` from the roots down; ``along`` ``[vertex, component]`` is working memory."""
    for i in range(predecessor.shape[0]):
        along[:] = 0.0
        for position in range(rank.shape[1]):
            v = rank[i, position]
            p = predecessor[i, v]
            if p != _NONE:
                for k in range(per_arc.shape[1]):
                    along[v, k] = along[p, k] + per_arc[arc_of[i, v], k]
        for j in range(pick.size):
            for k in range(per_arc.shape[1]):
                sums[k, i, j] = along[pick[j], k]


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
    _gather(found.predecessor, found.rank, found.arc_of, carried, load)
    return load


@njit(cache=True, nogil=True)
def _gather(
    predecessor: NDArray[np.int32],
    rank: NDArray[np.int32],
    arc_of: NDArray[np.int32],
    carried: NDArray[np.float64],
    load: NDArray[np.float64],
) -> None:
    """Carry what arrives at each vertex ``[origin, vertex]`` back to the roots and add it to the arcs on the way."""
    for position in range(rank.shape[1] - 1, -1, -1):
        for i in range(rank.shape[0]):
            v = rank[i, position]
            p = predecessor[i, v]
            amount = carried[i, v]
            if p != _NONE and amount != 0.0:
                load[arc_of[i, v]] += amount
                carried[i, p] += amount


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
