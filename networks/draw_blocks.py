"""The loops of :mod:`networks.draw_kernels` over blocks of cases that stay in the cache of one core.

A whole level of a province is larger than that cache, and a second process on the same chip competes for what lies behind it. Sums go on from block
to block in the order of the cases, so that the bytes are those of whole levels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from networks.draw_kernels import (
    Prices,
    Tree,
    Weights,
    add_constants,
    add_ports,
    add_preferences,
    blend,
    carry,
    row_costs,
    scaled,
    slopes,
)
from networks.lanes import LANES, add_entries, load, store

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Index = NDArray[np.int32]

#: Rows of a block: some 600 kB with all that is worked out of them.
ROWS = 800


class Blocks(NamedTuple):
    """First case, nest, group, port of a group and row of each block, with their number at the end ``[block + 1]``."""

    case: Index
    nest: Index
    group: Index
    port: Index
    row: Index


class Counts(NamedTuple):
    """What is counted of the rows, put in order by block, commodity and measure, so that a sum over rows stays in registers.

    Attributes
    ----------
    first
        First sum of each block, with their number at the end ``[block + 1]``.
    commodity, measure
        Of each sum ``[sum]``.
    start
        First entry of each sum, with their number at the end ``[sum + 1]``.
    row, amount
        Row of each entry, counted from the first of its block, and how much a tonne on it counts ``[entry]``.
    """

    first: Index
    commodity: Index
    measure: Index
    start: Index
    row: Index
    amount: Array


class Room(NamedTuple):
    """Working memory of a block: utilities, shares, and scratch ``[., lane]``."""

    rows: Array
    ports: Array
    groups: Array
    nests: Array
    cases: Array
    row_share: Array
    port_share: Array
    group_share: Array
    nest_share: Array
    work: Array
    total: Array
    one: Array


class Constants(NamedTuple):
    """Constants of modes and of ports ``[constant, lane]``."""

    modes: Array
    ports: Array

    @classmethod
    def of(cls, constants: Array, n_mode: int) -> Constants:
        """Return constants ``[constant, lane]``, modes first, in two parts."""
        return cls(np.ascontiguousarray(constants[:n_mode]), np.ascontiguousarray(constants[n_mode:]))


def blocks_of(tree: Tree, rows: int = ROWS) -> Blocks:
    """Return the cases in blocks of about as many rows; a case is never parted.

    Parameters
    ----------
    tree
        Rows of all cases.
    rows
        Rows of a block.
    """
    group = tree.nest_start[tree.case_start]
    row = tree.port_start[tree.group_start[group]]
    case = np.unique(np.append(np.searchsorted(row, np.arange(0, int(row[-1]), rows)), row.size - 1)).astype(np.int32)
    return Blocks(case, tree.case_start[case], group[case], tree.group_start[group[case]], row[case])


def counts_of(measure: Array, tree: Tree, blocks: Blocks) -> Counts:
    """Return what is counted of the rows of each block.

    Parameters
    ----------
    measure
        What a tonne on each row counts ``[row, measure]``.
    tree, blocks
        Rows and their blocks.
    """
    row, column = np.nonzero(measure)
    block = np.searchsorted(blocks.row, row, side="right") - 1
    commodity = np.searchsorted(tree.row_edge, row, side="right") - 1
    # rows come block by block and commodity by commodity; small whole numbers are sorted by counting
    part = np.cumsum(np.append(0, (np.diff(block) != 0) | (np.diff(commodity) != 0))) if row.size else block
    key = part * measure.shape[1] + column
    order = np.argsort(key.astype(np.uint16) if key.size and key[-1] < 2**16 - measure.shape[1] else key, kind="stable")
    row, column, block, commodity = row[order], column[order], block[order], commodity[order]
    keys = np.stack([block, commodity, column])
    start = np.flatnonzero(np.append(True, (keys[:, 1:] != keys[:, :-1]).any(axis=0))) if row.size else np.empty(0, np.int64)
    return Counts(
        np.searchsorted(block[start], np.arange(blocks.row.size)).astype(np.int32),
        commodity[start].astype(np.int32),
        column[start].astype(np.int32),
        np.append(start, row.size).astype(np.int32),
        (row - blocks.row[block]).astype(np.int32),
        measure[row, column],
    )


def room_of(blocks: Blocks) -> Room:
    """Return working memory for the largest of some blocks."""
    case, nest, group, port, row = (int(np.diff(first).max(initial=0)) for first in blocks)
    sizes = (row, port, group, nest, case, row, port, group, nest, row, row)
    return Room(*[np.empty((size, LANES)) for size in sizes], np.ones(LANES))  # type: ignore[call-arg]  # as many as there are names


@njit(cache=True, nogil=True, error_model="numpy")
def _counted_from(start: Index, first: int, last: int, zero: int) -> Index:
    """Return where things begin, counted from the first of a block."""
    found = np.empty(last - first + 1, np.int32)
    for k in range(found.size):
        found[k] = start[first + k] - zero
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _within(edge: Index, first: int, last: int) -> Index:
    """Return the edges of the commodities within a block."""
    found = np.empty(edge.size, np.int32)
    for k in range(found.size):
        found[k] = min(max(edge[k], first), last) - first
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _part(tree: Tree, blocks: Blocks, b: int) -> Tree:
    """Return one block as a tree of its own."""
    c0, n0, g0, h0, r0 = blocks.case[b], blocks.nest[b], blocks.group[b], blocks.port[b], blocks.row[b]
    c1, n1, g1, h1, r1 = blocks.case[b + 1], blocks.nest[b + 1], blocks.group[b + 1], blocks.port[b + 1], blocks.row[b + 1]
    return Tree(
        tree.part_start[r0 : r1 + 1],
        tree.part,
        tree.amount,
        _counted_from(tree.port_start, h0, h1, r0),
        _counted_from(tree.group_start, g0, g1, h0),
        _counted_from(tree.nest_start, n0, n1, g0),
        _counted_from(tree.case_start, c0, c1, n0),
        _within(tree.row_edge, r0, r1),
        _within(tree.group_edge, g0, g1),
        tree.port[h0:h1],
        tree.features[g0:g1],
        tree.coastal[g0:g1],
        tree.commodity[c0:c1],
        tree.chooses[c0:c1],
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _choose(part: Tree, prices: Prices, constants: Constants, room: Room) -> None:
    """Work out the shares of ports, groups and nests of a block from the utilities of its ports."""
    n_port, n_group = part.port.size, part.coastal.size
    add_ports(part, constants.ports, room.ports[:n_port])
    blend(room.ports, part.group_start, prices.port, room.port_share, room.groups, room.work, room.total)
    add_preferences(part, prices, room.groups[:n_group])
    add_constants(part, constants.modes, room.groups[:n_group])
    blend(room.groups, part.nest_start, prices.nest, room.group_share, room.nests, room.work, room.total)
    blend(room.nests, part.case_start, room.one, room.nest_share, room.cases, room.work, room.total)


@njit(cache=True, nogil=True, error_model="numpy")
def count(counts: Counts, b: int, carried: Array, total: Array) -> None:
    """Add up what is counted of the rows of a block.

    Parameters
    ----------
    counts
        What is counted.
    b
        The block.
    carried
        What its rows carry ``[row, lane]`` [t/yr].
    total
        Where to add ``[commodity, measure, lane]``.
    """
    for j in range(counts.first[b], counts.first[b + 1]):
        to = total[counts.commodity[j], counts.measure[j]]
        sums = add_entries(load(to, 0), counts.amount, counts.row, carried, counts.start[j], counts.start[j + 1])
        store(to, 0, sums)


@njit(cache=True, nogil=True, error_model="numpy")
def carry_blocks(
    tree: Tree,
    blocks: Blocks,
    counts: Counts,
    prices: Prices,
    price: Array,
    saved: Array,
    constants: Constants,
    flow: Array,
    room: Room,
    total: Array,
) -> None:
    """Add up what the rows carry, costs and choice and all.

    Parameters
    ----------
    tree, blocks, counts, room
        Rows, their blocks, what is counted of them, and memory for them.
    prices, price, saved
        As in :func:`networks.draw_kernels.row_costs`.
    constants
        Of modes and ports.
    flow
        Demand of each case ``[case, lane]`` [t/yr].
    total
        Where to add ``[commodity, measure, lane]``.
    """
    for b in range(blocks.case.size - 1):
        part = _part(tree, blocks, b)
        first, last = blocks.row[b], blocks.row[b + 1]
        rows = room.rows[: last - first]
        row_costs(part, prices, price[first:last], saved[first:last], rows)
        scaled(rows, -prices.scale)
        blend(room.rows, part.port_start, prices.terminal, room.row_share, room.ports, room.work, room.total)
        _choose(part, prices, constants, room)
        mine = flow[blocks.case[b] : blocks.case[b + 1]]
        carry(part, mine, room.nest_share, room.group_share, room.port_share, room.row_share, room.rows)
        count(counts, b, room.rows, total)


@njit(cache=True, nogil=True, error_model="numpy")
def slope_blocks(
    tree: Tree,
    blocks: Blocks,
    weights: Weights,
    prices: Prices,
    constants: Constants,
    utility: Array,
    flow: Array,
    room: Room,
    made: Array,
    slope: Array,
) -> None:
    """Add up margins and goods through the ports at some constants, and how they move with these.

    Parameters
    ----------
    tree, blocks, room, constants, flow
        As in :func:`carry_blocks`.
    weights, prices, made, slope
        As in :func:`networks.draw_kernels.slopes`.
    utility
        Utility of each port of a group without its constant ``[port, lane]``.
    """
    for b in range(blocks.case.size - 1):
        part = _part(tree, blocks, b)
        first, last = blocks.port[b], blocks.port[b + 1]
        for h in range(last - first):
            store(room.ports, h, load(utility, first + h))
        _choose(part, prices, constants, room)
        own = Weights(weights.start[first : last + 1], weights.margin, weights.weight)
        mine = flow[blocks.case[b] : blocks.case[b + 1]]
        slopes(part, own, prices, mine, room.nest_share, room.group_share, room.port_share, made, slope)
