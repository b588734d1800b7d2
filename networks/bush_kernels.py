"""Compiled loops of the bush-based assignment: what a bush is, shortest paths, loading and averages.

A row is one class and one origin. Its bush is an acyclic set of arcs that carries all of its flow: ``flow[row, arc]`` is the flow, or ``ABSENT`` for
an arc outside the bush; ``order[row, :reached[row]]`` are the vertices it reaches, every arc running forward in this order. Arcs are sorted by head, so
the arcs into vertex ``j`` are ``first[j]:first[j + 1]``; ``out_start`` and ``out_arc`` give the arcs out of a vertex.

Everything runs on one thread in a fixed order, so results do not depend on the number of processors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from networks.delays import delay_and_slope

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Mark of an arc outside the bush.
ABSENT = -1.0


class Arcs(NamedTuple):
    """The network as the compiled loops see it, arcs sorted by head."""

    first: NDArray[np.int64]
    tail: NDArray[np.int64]
    head: NDArray[np.int64]
    out_start: NDArray[np.int64]
    out_arc: NDArray[np.int64]
    passable: NDArray[np.bool_]
    code: NDArray[np.int64]
    t0: NDArray[np.float64]
    capacity: NDArray[np.float64]
    a: NDArray[np.float64]
    b: NDArray[np.float64]
    preload: NDArray[np.float64]


class Load(NamedTuple):
    """Volume of every arc (preload included) with its delay and slope; changed in place."""

    volume: NDArray[np.float64]
    cost: NDArray[np.float64]
    slope: NDArray[np.float64]


class Task(NamedTuple):
    """What is to be assigned: fixed cost ``[class, arc]``, pcu by class, vertices of the zones, demand ``[row, zone]`` and its total by row."""

    fixed: NDArray[np.float64]
    pcu: NDArray[np.float64]
    origins: NDArray[np.int64]
    ends: NDArray[np.int64]
    demand: NDArray[np.float64]
    total: NDArray[np.float64]


class Rows(NamedTuple):
    """Bushes of all rows, changed in place."""

    flow: NDArray[np.float64]
    order: NDArray[np.int32]
    reached: NDArray[np.int64]


class Scratch(NamedTuple):
    """Working memory of one solve, by vertex."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    low_arc: NDArray[np.int64]
    high_arc: NDArray[np.int64]
    place: NDArray[np.int64]
    heap: NDArray[np.int64]
    segment: NDArray[np.int64]


class Memory(NamedTuple):
    """Working memory of an iteration: flows before the last sweeps ``[row, arc]``; excess by row; speed and volume by arc."""

    before: NDArray[np.float64]
    excess: NDArray[np.float64]
    speed: NDArray[np.float64]
    volume: NDArray[np.float64]


@njit(cache=True, nogil=True)
def set_volume(arcs: Arcs, load: Load, arc: int, volume: float) -> None:
    """Set the volume of one arc, with delay and slope."""
    load.volume[arc] = volume
    value, slope = delay_and_slope(arcs.code[arc], arcs.t0[arc], arcs.capacity[arc], arcs.a[arc], arcs.b[arc], volume)
    load.cost[arc] = value
    load.slope[arc] = slope


@njit(cache=True, nogil=True)
def class_flows(rows: Rows, task: Task, flow: NDArray[np.float64]) -> None:
    """Write the flow of each class on each arc, the sum over its bushes."""
    zones = task.origins.size
    flow[:] = 0.0
    for row in range(task.total.size):
        if task.total[row] > 0.0:
            kind = row // zones
            for arc in range(flow.shape[1]):
                flow[kind, arc] += max(rows.flow[row, arc], 0.0)


@njit(cache=True, nogil=True)
def recount(arcs: Arcs, load: Load, rows: Rows, task: Task) -> None:
    """Set all volumes to the sum over the bushes, so that rounding of many small shifts does not add up."""
    zones = task.origins.size
    load.volume[:] = arcs.preload
    for row in range(rows.reached.size):
        weight = task.pcu[row // zones]
        for arc in range(arcs.tail.size):
            x = rows.flow[row, arc]
            if x > 0.0:
                load.volume[arc] += weight * x
    for arc in range(arcs.tail.size):
        set_volume(arcs, load, arc, load.volume[arc])


@njit(cache=True, nogil=True)
def shortest_tree(
    arcs: Arcs, cost: NDArray[np.float64], fixed: NDArray[np.float64], origin: int, scratch: Scratch, order: NDArray[np.int32]
) -> int:
    """Run Dijkstra's algorithm with a binary heap; return the number of vertices reached.

    ``scratch.low`` gets the distances, ``scratch.low_arc`` the arc into each vertex, ``order`` the vertices by distance. Only the origin and passable
    vertices are left again.
    """
    low, low_arc, place, heap = scratch.low, scratch.low_arc, scratch.place, scratch.heap
    low[:] = np.inf
    low_arc[:] = -1
    place[:] = -1
    low[origin] = 0.0
    heap[0] = origin
    place[origin] = 0
    size, done = 1, 0
    while size > 0:
        vertex = heap[0]
        order[done] = vertex
        done += 1
        size -= 1
        if size > 0:
            last = heap[size]
            at = 0
            while True:
                child = 2 * at + 1
                if child >= size:
                    break
                if child + 1 < size and low[heap[child + 1]] < low[heap[child]]:
                    child += 1
                if low[heap[child]] >= low[last]:
                    break
                heap[at] = heap[child]
                place[heap[at]] = at
                at = child
            heap[at] = last
            place[last] = at
        if vertex != origin and not arcs.passable[vertex]:
            continue
        base = low[vertex]
        for k in range(arcs.out_start[vertex], arcs.out_start[vertex + 1]):
            arc = arcs.out_arc[k]
            head = arcs.head[arc]
            reach = base + cost[arc] + fixed[arc]
            if reach < low[head]:
                if low_arc[head] < 0:
                    place[head] = size
                    size += 1
                low[head] = reach
                low_arc[head] = arc
                at = place[head]
                while at > 0:
                    parent = (at - 1) // 2
                    if low[heap[parent]] <= reach:
                        break
                    heap[at] = heap[parent]
                    place[heap[at]] = at
                    at = parent
                heap[at] = head
                place[head] = at
    return done


@njit(cache=True, nogil=True)
def load_tree(arcs: Arcs, load: Load, rows: Rows, row: int, task: Task, scratch: Scratch) -> int:
    """Give a row its shortest path tree as its bush and load its demand on it; return the first zone that cannot be reached, or -1."""
    kind, zone = divmod(row, task.origins.size)
    fixed, pcu, origin = task.fixed[kind], task.pcu[kind], task.origins[zone]
    ends, demand = task.ends, task.demand[row]
    order = rows.order[row]
    done = shortest_tree(arcs, load.cost, fixed, origin, scratch, order)
    rows.reached[row] = done
    flow = rows.flow[row]
    flow[:] = ABSENT
    inflow = scratch.high
    inflow[:] = 0.0
    missing = -1
    for zone in range(demand.size):
        if demand[zone] > 0.0:
            if scratch.low[ends[zone]] == np.inf:
                if missing < 0:
                    missing = zone
            else:
                inflow[ends[zone]] += demand[zone]
    for k in range(done - 1, 0, -1):
        vertex = order[k]
        arc = scratch.low_arc[vertex]
        x = inflow[vertex]
        flow[arc] = x
        if x > 0.0:
            inflow[arcs.tail[arc]] += x
            set_volume(arcs, load, arc, load.volume[arc] + pcu * x)
    return missing


@njit(cache=True, nogil=True)
def reload(arcs: Arcs, load: Load, rows: Rows, row: int, task: Task, scratch: Scratch) -> bool:
    """Load demand on the bush of a row in the proportions of its flows; return False, and change no flow, if the bush does not serve it.

    Vertices without flow are served along the cheapest bush path. Going backwards through the order makes every vertex balance exactly.
    """
    fixed, ends, demand = task.fixed[row // task.origins.size], task.ends, task.demand[row]
    flow, order, count = rows.flow[row], rows.order[row], rows.reached[row]
    low, low_arc, inflow = scratch.low, scratch.low_arc, scratch.high
    low[:] = np.inf
    inflow[:] = 0.0
    if count == 0:
        return False
    low[order[0]] = 0.0
    for k in range(1, count):
        vertex = order[k]
        low_arc[vertex] = -1
        for arc in range(arcs.first[vertex], arcs.first[vertex + 1]):
            if flow[arc] >= 0.0:
                reach = low[arcs.tail[arc]] + load.cost[arc] + fixed[arc]
                if reach == np.inf:
                    return False
                if reach < low[vertex]:
                    low[vertex] = reach
                    low_arc[vertex] = arc
    for zone in range(demand.size):
        if demand[zone] > 0.0:
            if low[ends[zone]] == np.inf:
                return False
            inflow[ends[zone]] += demand[zone]
    for k in range(count - 1, 0, -1):
        vertex = order[k]
        old = 0.0
        for arc in range(arcs.first[vertex], arcs.first[vertex + 1]):
            if flow[arc] > 0.0:
                old += flow[arc]
        need = inflow[vertex]
        for arc in range(arcs.first[vertex], arcs.first[vertex + 1]):
            if flow[arc] >= 0.0:
                cheapest = 1.0 if arc == low_arc[vertex] else 0.0
                x = need * (flow[arc] / old if old > 0.0 else cheapest)
                flow[arc] = x
                if x > 0.0:
                    inflow[arcs.tail[arc]] += x
    return True


@njit(cache=True, nogil=True)
def start_rows(
    arcs: Arcs, load: Load, rows: Rows, task: Task, fresh: NDArray[np.bool_], scratch: Scratch, unreached: NDArray[np.int64]
) -> None:
    """Load the rows marked fresh one after the other, each on its shortest tree at the delays so far; write an unreached zone by row, -1 if none."""
    for row in range(fresh.size):
        if fresh[row]:
            unreached[row] = load_tree(arcs, load, rows, row, task, scratch)


@njit(cache=True, nogil=True)
def reload_rows(arcs: Arcs, load: Load, rows: Rows, task: Task, scratch: Scratch, failed: NDArray[np.bool_]) -> None:
    """Load demand on all bushes in the proportions of their flows; mark the rows that do not serve it."""
    for row in range(failed.size):
        failed[row] = not reload(arcs, load, rows, row, task, scratch)


@njit(cache=True, nogil=True)
def all_costs(
    arcs: Arcs, cost: NDArray[np.float64], task: Task, wanted: NDArray[np.bool_], scratch: Scratch, result: NDArray[np.float64]
) -> None:
    """Write the least cost from each wanted row to each zone at fixed arc costs, by fresh shortest paths."""
    order = np.empty(arcs.passable.size, dtype=np.int32)
    zones = task.origins.size
    for row in range(wanted.size):
        if wanted[row]:
            shortest_tree(arcs, cost, task.fixed[row // zones], task.origins[row % zones], scratch, order)
            for zone in range(zones):
                result[row, zone] = scratch.low[task.ends[zone]]


@njit(cache=True, nogil=True)
def average_row(
    arcs: Arcs,
    rows: Rows,
    row: int,
    cost: NDArray[np.float64],
    values: NDArray[np.float64],
    ends: NDArray[np.int64],
    scratch: Scratch,
    sums: NDArray[np.float64],
    result: NDArray[np.float64],
) -> None:
    """Write the mean over the used paths of a row of the sum of each value along the path, by value and zone.

    Forward through the bush a vertex has the flow-weighted mean of what its arcs bring; without flow it has that of the cheapest arc.
    """
    flow, order, count = rows.flow[row], rows.order[row], rows.reached[row]
    low = scratch.low
    low[:] = np.inf
    n_value = values.shape[0]
    sums[:] = 0.0
    if count > 0:
        low[order[0]] = 0.0
    for k in range(1, count):
        vertex = order[k]
        inflow, best, best_arc = 0.0, np.inf, -1
        for arc in range(arcs.first[vertex], arcs.first[vertex + 1]):
            if flow[arc] >= 0.0:
                inflow += flow[arc]
                reach = low[arcs.tail[arc]] + cost[arc]
                if reach < best or best_arc < 0:
                    best, best_arc = reach, arc
        low[vertex] = best
        for arc in range(arcs.first[vertex], arcs.first[vertex + 1]):
            cheapest = 1.0 if arc == best_arc else 0.0
            share = max(flow[arc], 0.0) / inflow if inflow > 0.0 else cheapest
            if share > 0.0:
                for n in range(n_value):
                    sums[vertex, n] += share * (sums[arcs.tail[arc], n] + values[n, arc])
    for zone in range(ends.size):
        for n in range(n_value):
            result[n, zone] = sums[ends[zone], n]


@njit(cache=True, nogil=True)
def average_rows(
    arcs: Arcs,
    rows: Rows,
    cost: NDArray[np.float64],
    values: NDArray[np.float64],
    ends: NDArray[np.int64],
    scratch: Scratch,
    sums: NDArray[np.float64],
    result: NDArray[np.float64],
) -> None:
    """Write :func:`average_row` of every row, at the arc costs of its class."""
    for row in range(rows.reached.size):
        average_row(arcs, rows, row, cost[row // ends.size], values, ends, scratch, sums, result[row])
