"""Select-link analysis: the share of every pair's flow whose path uses any of some arcs, from the bushes of an equilibrium."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from networks import bush_kernels as kernels
from networks.bush import AssignmentError, compile_arcs, scratch_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from networks.bush import FlowProblem, FlowSolution


def od_passage(problem: FlowProblem, solution: FlowSolution, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the share of each pair's flow that uses at least one of the chosen arcs.

    Parameters
    ----------
    problem, solution
        As solved.
    chosen
        Whether each arc counts ``[arc]``.

    Returns
    -------
    numpy.ndarray
        ``[class, origin zone, destination zone]`` from 0 to 1; zero without a path and on the diagonal.

    Raises
    ------
    AssignmentError
        If there is not one mark per arc.

    Notes
    -----
    Forward through the bush of an origin ``q_j = sum_a (x_a / x_j) (1 if a is chosen else q_tail(a))``: flow splits at every vertex in the
    proportions of the bush, whatever its destination, and a path counts once however many of the arcs it uses. For the arcs of one link
    ``sum(demand x share) = flow of the link``: no path takes a link twice. Pairs without demand as in :func:`networks.bush.od_average`.
    """
    if chosen.shape != problem.head.shape or chosen.dtype != np.bool_:
        msg = f"chosen is {chosen.dtype} of shape {chosen.shape}; one True or False per arc is needed, shape {problem.head.shape}"
        raise AssignmentError(msg)
    arcs, order = compile_arcs(problem)
    cost = np.ascontiguousarray(solution.cost[:, order])
    zones, classes = problem.origins.size, problem.pcu.size
    rows = kernels.Rows(solution.state.flow, solution.state.order, solution.state.count)
    found = np.zeros((classes * zones, zones))
    touched = np.zeros(problem.passable.size)
    _passage_rows(arcs, rows, cost, chosen[order], problem.destinations, scratch_for(problem), touched, found)
    shares = found.reshape(classes, zones, zones)
    shares[:, np.arange(zones), np.arange(zones)] = 0.0
    return shares


@njit(cache=True, nogil=True)
def _passage_rows(
    arcs: kernels.Arcs,
    rows: kernels.Rows,
    cost: NDArray[np.float64],
    chosen: NDArray[np.bool_],
    ends: NDArray[np.int64],
    scratch: kernels.Scratch,
    touched: NDArray[np.float64],
    result: NDArray[np.float64],
) -> None:
    """Write the share of what arrives at each zone that has used a chosen arc ``[row, zone]``; without flow a vertex is reached by its cheapest arc."""
    low = scratch.low
    for row in range(rows.reached.size):
        flow, order, count = rows.flow[row], rows.order[row], rows.reached[row]
        own = cost[row // ends.size]
        low[:] = np.inf
        touched[:] = 0.0
        if count > 0:
            low[order[0]] = 0.0
        for k in range(1, count):
            vertex = order[k]
            inflow, best, best_arc = 0.0, np.inf, -1
            for arc in range(arcs.first[vertex], arcs.first[vertex + 1]):
                if flow[arc] >= 0.0:
                    inflow += flow[arc]
                    reach = low[arcs.tail[arc]] + own[arc]
                    if reach < best or best_arc < 0:
                        best, best_arc = reach, arc
            low[vertex] = best
            for arc in range(arcs.first[vertex], arcs.first[vertex + 1]):
                cheapest = 1.0 if arc == best_arc else 0.0
                share = max(flow[arc], 0.0) / inflow if inflow > 0.0 else cheapest
                if share > 0.0:
                    touched[vertex] += share * (1.0 if chosen[arc] else touched[arcs.tail[arc]])
        for zone in range(ends.size):
            result[row, zone] = min(touched[ends[zone]], 1.0)
