"""Totals of many draws and years on one network, by the compiled loops of :mod:`networks.draw_kernels`.

The choice is that of :mod:`networks.solve`; here nothing is kept by row, so that a further draw costs little. A draw has the same bytes whatever
draws it is solved with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from networks import draw_kernels as kernels
from networks.cost import COMPONENT
from networks.draw_blocks import ROWS, Blocks, Constants, Counts, blocks_of, carry_blocks, count, counts_of, room_of
from networks.draw_kernels import DemandRows, Prices, Tree
from networks.lanes import LANES
from networks.measure import MARKS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from networks.solve import Costs, Demand, Rows

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

#: Costs that choice and demand stand on, beside components and marks; the shares of sidings and pipes that are built are none of them.
CHOOSE = ("scale", "nest_scale", "port_scale", "terminal_scale", "preference", "sea_preference", "growth", "group_level")


@dataclass(frozen=True)
class Compact:
    """Rows of one network without their zeros.

    Attributes
    ----------
    tree
        What the loops read.
    blocks, counts
        Blocks of it, and what is counted of their rows.
    demand
        Demand row of each case ``[case]``.
    price
        Scarcity price of each row ``[row]`` [CNY/t].
    trucked, railed, place
        As in :class:`networks.solve.Rows`.
    sea_load
        Sea legs of each row ``[row]``.
    n_measure
        Number of measures.
    unserved
        Demand rows without any chain.
    """

    tree: Tree
    blocks: Blocks
    counts: Counts
    demand: Index
    price: Array
    trucked: Index
    railed: Index
    place: Index
    sea_load: Array
    n_measure: int
    unserved: Index

    @classmethod
    def of(cls, rows: Rows, demand: Demand, *, rows_of_a_block: int = ROWS) -> Compact:
        """Return rows without their zeros.

        Parameters
        ----------
        rows
            With the delays and prices of a year.
        demand
            Demand rows.
        rows_of_a_block
            About so many rows are worked on together; nothing depends on it but speed.
        """
        seg = rows.segments
        cases = rows.group_demand[seg.nest_start[seg.case_start]]
        chooses = np.zeros(demand.commodity.size, dtype=np.bool_)
        chooses[demand.row[demand.port >= 0]] = True
        tree = Tree(
            *_sparse(np.concatenate([rows.components, rows.marks], axis=1)),
            port_start=rows.port_start.astype(np.int32),
            group_start=rows.group_ports.astype(np.int32),
            nest_start=np.append(seg.nest_start, rows.group_demand.size).astype(np.int32),
            case_start=np.append(seg.case_start, seg.nest_start.size).astype(np.int32),
            row_edge=_edges(rows.slices),
            group_edge=_edges(rows.group_slices),
            port=rows.port[rows.port_start[:-1]].astype(np.int32),
            features=np.ascontiguousarray(rows.features),
            coastal=rows.coastal.astype(np.float64),
            commodity=demand.commodity[cases].astype(np.int32),
            chooses=chooses[cases],
        )
        sea_load = np.ascontiguousarray(rows.components[:, COMPONENT["sea_load"]])
        blocks = blocks_of(tree, rows_of_a_block)
        counts = counts_of(rows.measure, tree, blocks)
        return cls(
            tree,
            blocks,
            counts,
            cases,
            rows.price,
            rows.trucked,
            rows.railed,
            rows.place,
            sea_load,
            rows.measure.shape[1],
            rows.unserved,
        )

    def charged(self, charge: Array | None) -> Array:
        """Return the price of each row with the charge of its port ``[zone]`` [CNY/t], ``None`` = no charge."""
        return self.price if charge is None else self.price + np.append(charge, 0.0)[self.trucked]

    def saved_h(self, costs: Costs, year: int) -> Array:
        """Return the hours at sea that denser services save each row in a year ``[row]`` [h]."""
        found = np.zeros(self.price.size)
        if costs.saved_h is not None and costs.saved_h[..., year].any():
            edges = self.tree.row_edge
            for commodity in range(edges.size - 1):
                mine = slice(edges[commodity], edges[commodity + 1])
                train, ship = np.append(costs.saved_h[commodity, :, :, year], np.zeros((2, 1)), axis=1)
                found[mine] = train[self.railed[mine]] + ship[self.place[mine]] * self.sea_load[mine]
        return found

    def cost(self, costs: Costs, draw: int, year: int) -> Array:
        """Return the generalised cost of each row without charges, one draw ``[row]`` [CNY/t]; as :func:`networks.solve.row_costs`."""
        found = np.empty((self.price.size, LANES))
        lanes = np.full(LANES, draw)
        kernels.row_costs(self.tree, prices_of(costs, lanes, np.full(LANES, year)), self.price, self.saved_h(costs, year), found)
        return np.ascontiguousarray(found[:, 0])


def _edges(slices: tuple[tuple[int, int], ...]) -> NDArray[np.int32]:
    """Return the first member of each slice and the end of the last."""
    return np.array([slices[0][0], *(end for _, end in slices)], dtype=np.int32)


def _sparse(table: Array) -> tuple[NDArray[np.int32], NDArray[np.int32], Array]:
    """Return first entry of each row, and column and value of each entry that is not zero."""
    row, column = np.nonzero(table)
    start = np.searchsorted(row, np.arange(table.shape[0] + 1)).astype(np.int32)
    return start, column.astype(np.int32), table[row, column]


class Memory:
    """Working memory of the levels of a choice: utilities and shares of rows, ports, groups, nests and cases ``[., lane]``.

    Parameters
    ----------
    tree
        The largest one to be worked on.
    """

    def __init__(self, tree: Tree) -> None:
        sizes = [int(x[-1]) for x in (tree.port_start, tree.group_start, tree.nest_start, tree.case_start)]
        self.utility = [np.empty((n, LANES)) for n in (*sizes, tree.commodity.size)]
        self.share = [np.empty((n, LANES)) for n in sizes]
        self._work, self._total = np.empty((sizes[0], LANES)), np.empty((sizes[0], LANES))
        self._one = np.ones(LANES)

    def collapse(self, compact: Compact, prices: Prices, price: Array, saved: Array) -> None:
        """Work out costs, and shares of terminal pairs: what no constant moves."""
        tree = compact.tree
        kernels.row_costs(tree, prices, price, saved, self.utility[0])
        kernels.scaled(self.utility[0], -prices.scale)
        self._blend(0, tree.port_start, prices.terminal)

    def choose(self, compact: Compact, prices: Prices, modes: Array, ports: Array) -> None:
        """Work out the shares of ports, groups and nests from the utilities of the ports, which are changed, at constants ``[constant, lane]``."""
        tree = compact.tree
        kernels.add_ports(tree, ports, self.utility[1])
        self._blend(1, tree.group_start, prices.port)
        kernels.add_preferences(tree, prices, self.utility[2])
        kernels.add_constants(tree, modes, self.utility[2])
        self._blend(2, tree.nest_start, prices.nest)
        self._blend(3, tree.case_start, self._one)

    def carry(self, compact: Compact, flow: Array, total: Array) -> None:
        """Add up what all rows carry ``[commodity, measure, lane]`` by the shares that were chosen; the utilities of the rows are lost."""
        row, port, group, nest = self.share
        carried, edges = self.utility[0], compact.blocks.row
        kernels.carry(compact.tree, flow, nest, group, port, row, carried)
        for b in range(edges.size - 1):
            count(compact.counts, b, carried[edges[b] :], total)

    def paid(self, compact: Compact, prices: Prices, flow: Array) -> Array:
        """Return what all rows come to at other prices ``[lane]`` [CNY/yr], by the shares that were chosen; their utilities are lost."""
        tree, none = compact.tree, np.zeros(compact.price.size)
        kernels.row_costs(tree, prices, none, none, self.utility[0])
        row, port, group, nest = self.share
        found = np.zeros(LANES)
        kernels.pay(tree, flow, nest, group, port, row, self.utility[0], found)
        return found

    def _blend(self, level: int, start: NDArray[np.int32], scale: Array) -> None:
        kernels.blend(self.utility[level], start, scale, self.share[level], self.utility[level + 1], self._work, self._total)


def prices_of(costs: Costs, draws: Index, years: Index) -> Prices:
    """Return the costs of draws and year positions, a lane each ``[lane]``."""
    cost = costs.coefficients[:, draws, years]
    marks = np.zeros((*cost.shape[:2], len(MARKS))) if costs.marks is None else costs.marks[:, draws, years]

    def lanes(array: Array) -> Array:
        return np.ascontiguousarray(array[..., draws, years])

    return Prices(
        np.ascontiguousarray(np.concatenate([cost, marks], axis=2).transpose(0, 2, 1)),
        np.ascontiguousarray(cost[:, :, COMPONENT["sea_h"]]),
        lanes(costs.scale),
        lanes(costs.terminal_scale),
        lanes(costs.port_scale),
        lanes(costs.nest_scale),
        lanes(costs.preference),
        lanes(costs.sea_preference),
    )


def case_flow(compact: Compact, demand: Demand, costs: Costs, draws: Index, years: Index) -> Array:
    """Return the demand of each case ``[case, lane]`` [t/yr] of draws and year positions, a lane each."""
    which = DemandRows(demand.commodity, demand.group, demand.t_per_year)
    growth, level = (np.ascontiguousarray(x[:, draws, years]) for x in (costs.growth, costs.group_level))
    flow = np.empty((compact.demand.size, LANES))
    kernels.case_flows(compact.demand, which, growth, level, flow)
    return flow


def filled(pairs: Index) -> Index:
    """Return members padded to the number of lanes with copies of the last."""
    return np.concatenate([pairs, np.repeat(pairs[-1:], LANES - pairs.shape[0], axis=0)])


def compacts(rows_of: Callable[[int], Rows], demand: Demand) -> Callable[[int], Compact]:
    """Return what gives the rows of a year position without their zeros; those of the last year are kept as long as its rows are."""
    last: list[tuple[Rows, Compact]] = []

    def compact_of(year: int) -> Compact:
        rows = rows_of(year)
        if not last or last[0][0] is not rows:
            last[:] = [(rows, Compact.of(rows, demand))]
        return last[0][1]

    return compact_of


def unserved_t(demand: Demand, rows: Index, costs: Costs, years: Sequence[int]) -> Array:
    """Return the demand of some demand rows in some year positions ``[commodity, draw, year]`` [t/yr]."""
    found = np.zeros((*costs.growth.shape[:2], len(years)))
    for row in rows:
        c = demand.commodity[row]
        found[c] += demand.t_per_year[row] * (costs.growth[c][:, years] * costs.group_level[demand.group[row]][:, years])
    return found


def solve_draws(
    demand: Demand,
    compact_of: Callable[[int], Compact],
    costs: Costs,
    constants: Array,
    *,
    charge: Callable[[int], Array | None] | None = None,
    paid: Costs | None = None,
    outlay: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Return what every draw and year carries, at given delays and prices.

    Parameters
    ----------
    demand
        Demand of the base year.
    compact_of
        Rows of each year position; years on the same rows are done together where they follow each other.
    costs
        Costs, growth and shares ``[draw, year]``.
    constants
        Constants of modes, then of ports ``[draw, constant]``.
    charge
        Charges of ports in a year position ``[zone]`` [CNY/t]; without it there are none.
    paid, outlay
        Costs that are paid, by which nobody chooses, and where to write what all rows come to at them ``[draw, year]`` [CNY/yr].

    Returns
    -------
    totals, served, unserved
        ``[commodity, measure, draw, year]``, sites not folded in, and ``[commodity, draw, year]`` [t/yr]. Draws that differ from the first in
        nothing of a year that choice or demand stands on take its totals.
    """
    n_commodity, n_draw, n_year = costs.growth.shape
    totals = np.zeros((n_commodity, compact_of(0).n_measure, n_draw, n_year))
    served, unserved = np.zeros((n_commodity, n_draw, n_year)), np.zeros((n_commodity, n_draw, n_year))
    same = _like_first(costs, constants)
    if paid is not None:
        same &= (paid.coefficients == paid.coefficients[:, :1]).all(axis=(0, 3))
    year = 0
    while year < n_year:
        compact, years = compact_of(year), [year]
        charges, saved = (None if charge is None else charge(year)), compact.saved_h(costs, year)
        plain = charges is None and not saved.any()
        while plain and years[-1] + 1 < n_year and compact_of(years[-1] + 1) is compact:
            following = years[-1] + 1
            if (charge is not None and charge(following) is not None) or compact.saved_h(costs, following).any():
                break
            years.append(following)
        work, price = _Work(compact, whole=paid is not None), compact.charged(charges)
        present, first_case = np.unique(compact.tree.commodity, return_index=True)
        pairs = np.array([(d, y) for y in years for d in range(n_draw) if d == 0 or not same[d, y]], dtype=np.int64)
        for begin in range(0, pairs.shape[0], LANES):
            some = pairs[begin : begin + LANES]
            draws, at = (np.ascontiguousarray(x) for x in filled(some).T)
            flow = case_flow(compact, demand, costs, draws, at)
            carried = work.carried(prices_of(costs, draws, at), constants[draws].T, flow, price, saved, n_commodity)
            n = some.shape[0]
            totals[:, :, draws[:n], at[:n]] = carried[:, :, :n]
            served[present[:, None], draws[:n], at[:n]] = np.add.reduceat(flow, first_case, axis=0)[:, :n]
            if work.memory is not None and paid is not None and outlay is not None:
                outlay[draws[:n], at[:n]] = work.memory.paid(compact, prices_of(paid, draws, at), flow)[:n]
        unserved[:, :, years] = unserved_t(demand, compact.unserved, costs, years)
        year = years[-1] + 1
    for d, y in zip(*np.nonzero(same), strict=True):
        totals[:, :, d, y], served[:, d, y] = totals[:, :, 0, y], served[:, 0, y]
        if outlay is not None:
            outlay[d, y] = outlay[0, y]
    return totals, served, unserved


def _like_first(costs: Costs, constants: Array) -> NDArray[np.bool_]:
    """Return which draws carry in a year what the first one does, as all they choose by is the same bit by bit ``[draw, year]``."""
    found = np.repeat((constants == constants[:1]).all(axis=1)[:, None], costs.scale.shape[1], axis=1)
    for array in (costs.coefficients, costs.marks):
        if array is not None:
            found &= (array == array[:, :1]).all(axis=(0, 3))
    for name in CHOOSE:
        array = getattr(costs, name).reshape(-1, *found.shape)
        found &= (array == array[:, :1]).all(axis=0)
    return found


class _Work:
    """The loops over the rows of a network: block by block, or by whole levels where the shares are wanted afterwards.

    Parameters
    ----------
    compact
        The rows.
    whole
        Whether the shares are wanted.
    """

    def __init__(self, compact: Compact, *, whole: bool) -> None:
        self._compact = compact
        self.memory = Memory(compact.tree) if whole else None
        self._room = room_of(compact.blocks)

    def carried(self, prices: Prices, constants: Array, flow: Array, price: Array, saved: Array, n_commodity: int) -> Array:
        """Return totals ``[commodity, measure, lane]`` at constants ``[constant, lane]`` and demand ``[case, lane]``."""
        compact, tree = self._compact, self._compact.tree
        found = np.zeros((n_commodity, compact.n_measure, LANES))
        at = Constants.of(constants, tree.features.shape[1])
        if self.memory is None:
            carry_blocks(tree, compact.blocks, compact.counts, prices, price, saved, at, flow, self._room, found)
            return found
        self.memory.collapse(compact, prices, price, saved)
        self.memory.choose(compact, prices, at.modes, at.ports)
        self.memory.carry(compact, flow, found)
        return found
