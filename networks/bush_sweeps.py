"""Compiled loops of the bush-based assignment: updates of the bushes and shifts of flow; see :mod:`networks.bush_kernels` for the arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from networks.bush_kernels import ABSENT, Arcs, Load, Memory, Rows, Scratch, Task, recount, reload, set_volume
from networks.delays import delay_and_slope

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: A flow below this share of the demand of its origin is rounding and set to zero.
_DUST = 1e-14
#: Two path costs nearer than this share are equal in double precision.
_EQUAL = 4e-16
#: An arc joins a bush only if it shortens a path by more than this share.
_USEFUL = 1e-14
#: Most evaluations of one shift between two segments.
_TRIALS = 12
#: Sweeps of all bushes between two attempts to go on in their direction.
GROUP = 5
MEASURED = 2
#: Most moves taken at once.
_FARTHEST = 1e4
#: Sweeps end when the excess cost inside the bushes has fallen to this share.
_SETTLE = 0.3
#: A shift is good once the difference of the two segments has fallen to this share.
_GOOD = 0.2


@njit(cache=True, nogil=True)
def update_bush(arcs: Arcs, load: Load, rows: Rows, row: int, fixed: NDArray[np.float64], scratch: Scratch) -> int:
    """Drop idle arcs from the bush of a row, add arcs that shorten paths, and sort it again; return the number of arcs added.

    An arc (i, j) may join if the longest path to i plus its cost is below the longest path to j (Dial 2006): then no cycle can close, also with arcs
    that cost nothing. Those that shorten the shortest path to j too are taken; only if none of these may join are the others taken.
    """
    flow, order, count = rows.flow[row], rows.order[row], rows.reached[row]
    low, high, place = scratch.low, scratch.high, scratch.place
    cost = load.cost
    low[:] = np.inf
    high[:] = -np.inf
    origin = order[0]
    low[origin] = 0.0
    high[origin] = 0.0
    for k in range(1, count):
        vertex = order[k]
        best, best_arc = np.inf, -1
        for arc in range(arcs.first[vertex], arcs.first[vertex + 1]):
            if flow[arc] >= 0.0:
                reach = low[arcs.tail[arc]] + cost[arc] + fixed[arc]
                if reach < best or best_arc < 0:
                    best, best_arc = reach, arc
        low[vertex] = best
        longest = -np.inf
        for arc in range(arcs.first[vertex], arcs.first[vertex + 1]):
            if flow[arc] == 0.0 and arc != best_arc:
                flow[arc] = ABSENT
            elif flow[arc] >= 0.0:
                longest = max(longest, high[arcs.tail[arc]] + cost[arc] + fixed[arc])
        high[vertex] = longest
    added, blocked = 0, 0
    for k in range(1, count):
        vertex = order[k]
        margin = _USEFUL * low[vertex]
        for arc in range(arcs.first[vertex], arcs.first[vertex + 1]):
            tail = arcs.tail[arc]
            if flow[arc] >= 0.0 or low[tail] == np.inf or not (arcs.passable[tail] or tail == origin):
                continue
            step = cost[arc] + fixed[arc]
            if low[tail] + step < low[vertex] - margin:
                if high[tail] + step < high[vertex]:
                    flow[arc] = 0.0
                    added += 1
                else:
                    blocked += 1
    if added == 0 and blocked > 0:
        for k in range(1, count):
            vertex = order[k]
            for arc in range(arcs.first[vertex], arcs.first[vertex + 1]):
                tail = arcs.tail[arc]
                if flow[arc] >= 0.0 or low[tail] == np.inf or not (arcs.passable[tail] or tail == origin):
                    continue
                if high[tail] + cost[arc] + fixed[arc] < high[vertex]:
                    flow[arc] = 0.0
                    added += 1
    if added > 0:
        _sort_bush(arcs, flow, order, count, place, scratch.heap)
    return added


@njit(cache=True, nogil=True)
def _sort_bush(
    arcs: Arcs,
    flow: NDArray[np.float64],
    order: NDArray[np.int32],
    count: int,
    waiting: NDArray[np.int64],
    queue: NDArray[np.int64],
) -> None:
    """Sort the vertices of a bush topologically (Kahn 1962), first come first served."""
    for k in range(count):
        vertex = order[k]
        inside = 0
        for arc in range(arcs.first[vertex], arcs.first[vertex + 1]):
            if flow[arc] >= 0.0:
                inside += 1
        waiting[vertex] = inside
    queue[0] = order[0]
    size, at = 1, 0
    while at < size:
        vertex = queue[at]
        order[at] = vertex
        at += 1
        for k in range(arcs.out_start[vertex], arcs.out_start[vertex + 1]):
            arc = arcs.out_arc[k]
            if flow[arc] >= 0.0:
                head = arcs.head[arc]
                waiting[head] -= 1
                if waiting[head] == 0:
                    queue[size] = head
                    size += 1


@njit(cache=True, nogil=True)
def _shift(
    arcs: Arcs,
    load: Load,
    flow: NDArray[np.float64],
    fixed: NDArray[np.float64],
    pcu: float,
    segment: NDArray[np.int64],
    n_low: int,
    n_high: int,
    dust: float,
) -> None:
    """Move flow from the dear to the cheap segment until they cost the same or the dear one is empty.

    The cheap segment is ``segment[:n_low]``, the dear one ``segment[-n_high:]``. Newton's method inside a bracket: an arc with a high power may be
    overshot by many times its capacity, the bracket brings the step back.
    """
    last = segment.size
    difference, slope, size = 0.0, 0.0, 0.0
    room = np.inf
    for k in range(n_low):
        arc = segment[k]
        c = load.cost[arc] + fixed[arc]
        difference -= c
        size += c
        slope += load.slope[arc]
    for k in range(last - n_high, last):
        arc = segment[k]
        difference += load.cost[arc] + fixed[arc]
        slope += load.slope[arc]
        room = min(room, flow[arc])
    if difference <= _EQUAL * size:
        return
    target = _GOOD * difference
    bottom, top = 0.0, room
    step = room
    if slope > 0.0:
        step = min(room, difference / (pcu * slope))
    moved = 0.0
    for _ in range(_TRIALS):
        delta = pcu * (step - moved)
        moved = step
        difference, slope = 0.0, 0.0
        for k in range(n_low):
            arc = segment[k]
            set_volume(arcs, load, arc, load.volume[arc] + delta)
            difference -= load.cost[arc] + fixed[arc]
            slope += load.slope[arc]
        for k in range(last - n_high, last):
            arc = segment[k]
            set_volume(arcs, load, arc, load.volume[arc] - delta)
            difference += load.cost[arc] + fixed[arc]
            slope += load.slope[arc]
        if abs(difference) <= target or (difference > 0.0 and step >= room):
            break
        if difference > 0.0:
            bottom = step
        else:
            top = step
        step = moved + difference / (pcu * slope) if slope > 0.0 else 0.5 * (bottom + top)
        if step >= top and top == room and difference > 0.0:
            step = room
        elif not (bottom < step < top):
            step = 0.5 * (bottom + top)
    for k in range(n_low):
        flow[segment[k]] += moved
    for k in range(last - n_high, last):
        arc = segment[k]
        left = flow[arc] - moved
        flow[arc] = left if left > dust else 0.0


@njit(cache=True, nogil=True)
def sweep(arcs: Arcs, load: Load, rows: Rows, row: int, task: Task, scratch: Scratch, least: float) -> float:
    """Equalise the shortest and the longest used path to every vertex of a bush, last vertex first; return the excess cost found.

    The excess is the cost of the flow above that of the shortest paths of the bush, weighted by pcu; nothing is moved if it does not exceed ``least``.
    """
    kind = row // task.origins.size
    fixed, pcu = task.fixed[kind], task.pcu[kind]
    flow, order, count = rows.flow[row], rows.order[row], rows.reached[row]
    low, high, low_arc, high_arc = scratch.low, scratch.high, scratch.low_arc, scratch.high_arc
    place, segment = scratch.place, scratch.segment
    cost = load.cost
    origin = order[0]
    low[origin] = 0.0
    high[origin] = 0.0
    place[origin] = 0
    excess = 0.0
    for k in range(1, count):
        vertex = order[k]
        place[vertex] = k
        best, best_arc, longest, longest_arc = np.inf, -1, -np.inf, -1
        inflow, paid = 0.0, 0.0
        for arc in range(arcs.first[vertex], arcs.first[vertex + 1]):
            x = flow[arc]
            if x >= 0.0:
                tail = arcs.tail[arc]
                step = cost[arc] + fixed[arc]
                reach = low[tail] + step
                if reach < best or best_arc < 0:
                    best, best_arc = reach, arc
                if x > 0.0:
                    inflow += x
                    paid += x * reach
                    reach = high[tail] + step
                    if reach > longest:
                        longest, longest_arc = reach, arc
        low[vertex], low_arc[vertex] = best, best_arc
        high[vertex], high_arc[vertex] = longest, longest_arc
        if longest_arc >= 0 and longest_arc != best_arc:
            excess += pcu * (paid - inflow * best)
    if excess <= least:
        return excess
    dust = _DUST * task.total[row]
    size = segment.size
    for k in range(count - 1, 0, -1):
        vertex = order[k]
        if high_arc[vertex] < 0 or high_arc[vertex] == low_arc[vertex]:
            continue
        n_low, n_high = 0, 0
        i, j = vertex, vertex
        alive = True
        while alive and (n_low == 0 or i != j):
            if n_low == 0 or place[i] > place[j]:
                arc = low_arc[i]
                segment[n_low] = arc
                n_low += 1
                i = arcs.tail[arc]
            if i != j and place[j] > place[i]:
                arc = high_arc[j]
                alive = flow[arc] > 0.0
                n_high += 1
                segment[size - n_high] = arc
                j = arcs.tail[arc]
        if alive:
            _shift(arcs, load, flow, fixed, pcu, segment, n_low, n_high, dust)
    return excess


@njit(cache=True, nogil=True)
def _farther(arcs: Arcs, load: Load, rows: Rows, task: Task, memory: Memory, step: float) -> float:
    """Return the derivative of the objective after going on by ``step`` times the last move; an arc that is empty stays empty."""
    speed, volume = memory.speed, memory.volume
    speed[:] = 0.0
    volume[:] = load.volume
    zones = task.origins.size
    rise = 0.0
    for row in range(task.total.size):
        if task.total[row] > 0.0:
            kind = row // zones
            pcu = task.pcu[kind]
            for arc in range(speed.size):
                x = rows.flow[row, arc]
                move = x - memory.before[row, arc]
                if move != 0.0:
                    if x + step * move > 0.0:
                        volume[arc] += pcu * step * move
                        speed[arc] += pcu * move
                        rise += pcu * move * task.fixed[kind, arc]
                    else:
                        volume[arc] -= pcu * x
    for arc in range(speed.size):
        if speed[arc] != 0.0:
            cost, _ = delay_and_slope(arcs.code[arc], arcs.t0[arc], arcs.capacity[arc], arcs.a[arc], arcs.b[arc], volume[arc])
            rise += speed[arc] * cost
    return rise


@njit(cache=True, nogil=True)
def go_on(arcs: Arcs, load: Load, rows: Rows, task: Task, scratch: Scratch, memory: Memory) -> float:
    """Go on in the direction of the last sweeps as far as the objective falls; return the step, in units of the last move.

    Sweeps treat one bush after the other. Where bushes share a bottleneck, flow seeps from one to the other in equal small moves; going on in the same
    direction takes many of them at once. Arcs that would become negative are emptied and the demand is loaded anew in the proportions found. The
    result is kept only if the derivative of the objective along the whole move is still negative at its end, so that by convexity the objective has
    fallen.
    """
    low, high, step = 0.0, np.inf, 1.0
    for _ in range(_TRIALS):
        if _farther(arcs, load, rows, task, memory, step) < 0.0:
            low = step
        else:
            high = step
        if high - low <= 0.5 * low or (low == 0.0 and high < 1.0) or step > _FARTHEST:
            break
        step = 2.0 * step if high == np.inf else 0.5 * (low + high)
    if low == 0.0:
        return low
    zones = task.origins.size
    for row in range(task.total.size):
        if task.total[row] > 0.0:
            dust = _DUST * task.total[row]
            moved = False
            for arc in range(memory.speed.size):
                x = rows.flow[row, arc]
                move = x - memory.before[row, arc]
                memory.before[row, arc] = x
                if move != 0.0:
                    moved = True
                    there = x + low * move
                    rows.flow[row, arc] = there if there > dust else 0.0
            if moved:
                reload(arcs, load, rows, row, task, scratch)
    recount(arcs, load, rows, task)
    rise = 0.0
    for row in range(task.total.size):
        if task.total[row] > 0.0:
            kind = row // zones
            for arc in range(memory.speed.size):
                move = rows.flow[row, arc] - memory.before[row, arc]
                if move != 0.0:
                    rise += task.pcu[kind] * move * (load.cost[arc] + task.fixed[kind, arc])
    if rise >= 0.0:
        for row in range(task.total.size):
            if task.total[row] > 0.0:
                rows.flow[row] = memory.before[row]
        recount(arcs, load, rows, task)
        return 0.0
    return low


@njit(cache=True, nogil=True)
def improve(
    arcs: Arcs, load: Load, rows: Rows, task: Task, scratch: Scratch, passes: int, calm: float, goal: float, memory: Memory
) -> None:
    """Run one iteration: update and sweep every bush, then sweep all of them until their excess cost is below ``goal`` or a small part of what it was.

    A row whose excess cost is less than the share ``calm`` of the mean is left alone.
    """
    total, excess = task.total, memory.excess
    zones = task.origins.size
    excess[:] = 0.0
    for row in range(total.size):
        if total[row] > 0.0:
            update_bush(arcs, load, rows, row, task.fixed[row // zones], scratch)
            sweep(arcs, load, rows, row, task, scratch, 0.0)
            excess[row] = sweep(arcs, load, rows, row, task, scratch, 0.0)
    goal = max(goal, _SETTLE * excess.sum())
    for turn in range(passes):
        whole = excess.sum()
        if whole <= goal:
            break
        if turn % GROUP == GROUP - MEASURED:
            memory.before[:] = rows.flow
        limit = calm * whole / total.size
        for row in range(total.size):
            if total[row] > 0.0:
                excess[row] = sweep(arcs, load, rows, row, task, scratch, limit)
        if turn % GROUP == GROUP - 1:
            go_on(arcs, load, rows, task, scratch, memory)
