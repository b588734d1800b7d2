"""Compiled loops of the choice for several draws at once: costs, shares, totals and their slopes, level by level.

A draw is a lane: every number of a lane comes from that lane alone and in the order of the rows, so a draw has the same bytes whatever draws stand
beside it. All lanes of a row are worked on at a time (:mod:`networks.lanes`); exponentials and logarithms are taken of whole arrays, so that the
compiler makes vector instructions of them, too; that is why both are written out here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from networks.lanes import LANES, add_entries, alike, largest, load, store

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Index = NDArray[np.int32]

# Exponential and logarithm after fdlibm (Sun Microsystems 1993); both are right to about one unit in the last place.
_LOG2E, _LN2_HI, _LN2_LO = 1.4426950408889634, 6.93147180369123816490e-01, 1.90821492927058770002e-10
#: Shares below e^-700 count as that: nothing that is carried depends on them.
_LEAST = -700.0
#: Adding this to a small number leaves its nearest integer in the low bits.
_ROUND, _ROUND_BITS = 6755399441055744.0, 0x4338000000000000
_SQRT_HALF_BITS, _BIAS = 0x3FE6A09E667F3BCD, 1023
_L1, _L2, _L3, _L4 = 6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01
_L5, _L6, _L7 = 1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01


class Tree(NamedTuple):
    """Rows of all cases as the loops see them; ``x_start`` says where things begin, with their number at the end.

    Attributes
    ----------
    part_start, part, amount
        Components and marks of each row that are not zero: number and value.
    port_start, group_start, nest_start, case_start
        First row of each port of a group, first port of each group, first group of each nest, first nest of each case.
    row_edge, group_edge
        First row and first group of each commodity.
    port
        Port constant of each port of a group, -1 = none.
    features
        What the constants multiply ``[group, constant]``.
    coastal
        What the preference of coastal ships multiplies ``[group]``.
    commodity
        Of each case.
    chooses
        Whether the port constants are fitted to the goods of each case.
    """

    part_start: Index
    part: Index
    amount: Array
    port_start: Index
    group_start: Index
    nest_start: Index
    case_start: Index
    row_edge: Index
    group_edge: Index
    port: Index
    features: Array
    coastal: Array
    commodity: Index
    chooses: NDArray[np.bool_]


class DemandRows(NamedTuple):
    """Commodity, group and tonnes a year of the base year of each demand row."""

    commodity: NDArray[np.int64]
    group: NDArray[np.int64]
    t_per_year: Array


class Prices(NamedTuple):
    """Costs and scales of one year, a lane each.

    Attributes
    ----------
    cost
        Cost of the components and marks ``[commodity, part, lane]`` [CNY/t per unit].
    hour
        Cost of an hour at sea ``[commodity, lane]`` [CNY/t per h].
    scale, terminal, port, nest
        Scale of cost [1/(CNY/t)] and of the log-sums [-] ``[lane]``.
    rail, coastal
        Preferences ``[commodity, lane]`` and ``[lane]`` [-].
    """

    cost: Array
    hour: Array
    scale: Array
    terminal: Array
    port: Array
    nest: Array
    rail: Array
    coastal: Array


@njit(cache=True, nogil=True, error_model="numpy")
def _exp(x: float) -> float:
    """Return ``e^x`` for ``x <= 0``."""
    x = max(x, _LEAST)
    shifted = x * _LOG2E + _ROUND
    whole = shifted - _ROUND
    r = (x - whole * _LN2_HI) - whole * _LN2_LO
    tail = 1.0 / 6227020800.0
    tail = tail * r + 1.0 / 479001600.0
    tail = tail * r + 1.0 / 39916800.0
    tail = tail * r + 1.0 / 3628800.0
    tail = tail * r + 1.0 / 362880.0
    tail = tail * r + 1.0 / 40320.0
    tail = tail * r + 1.0 / 5040.0
    tail = tail * r + 1.0 / 720.0
    tail = tail * r + 1.0 / 120.0
    tail = tail * r + 1.0 / 24.0
    tail = tail * r + 1.0 / 6.0
    tail = tail * r + 0.5
    tail = tail * r + 1.0
    tail = tail * r + 1.0
    power = (np.float64(shifted).view(np.int64) + _BIAS) << 52
    return tail * np.int64(power).view(np.float64)


@njit(cache=True, nogil=True, error_model="numpy")
def _log(x: float) -> float:
    """Return ``ln x`` for ``x >= 1``."""
    bits = np.float64(x).view(np.int64)
    power = (bits - _SQRT_HALF_BITS) >> 52
    f = np.int64(bits - (power << 52)).view(np.float64) - 1.0
    whole = np.int64(power + _ROUND_BITS).view(np.float64) - _ROUND
    s = f / (2.0 + f)
    z = s * s
    r = z * (_L1 + z * (_L2 + z * (_L3 + z * (_L4 + z * (_L5 + z * (_L6 + z * _L7))))))
    half = 0.5 * f * f
    return whole * _LN2_HI - ((half - (s * (half + r) + whole * _LN2_LO)) - f)


@njit(cache=True, nogil=True, error_model="numpy")
def row_costs(tree: Tree, prices: Prices, price: Array, saved: Array, cost: Array) -> None:
    """Write the generalised cost of all rows.

    Parameters
    ----------
    tree, prices
        Rows and costs of a year.
    price
        What each row pays beside its parts ``[row]`` [CNY/t].
    saved
        Hours at sea that each row saves ``[row]`` [h].
    cost
        Where to write ``[row, lane]`` [CNY/t].
    """
    for c in range(tree.row_edge.size - 1):
        by_part = prices.cost[c]
        for row in range(tree.row_edge[c], tree.row_edge[c + 1]):
            total = add_entries(
                alike(price[row]), tree.amount, tree.part, by_part, tree.part_start[row], tree.part_start[row + 1]
            )
            if saved[row] != 0.0:
                total = total - load(prices.hour, c) * alike(saved[row])
            store(cost, row, total)


@njit(cache=True, nogil=True, error_model="numpy")
def scaled(values: Array, factor: Array) -> None:
    """Multiply values ``[row, lane]`` by a factor ``[lane]`` in place."""
    by = load(factor, 0)
    for i in range(values.shape[0]):
        store(values, i, load(values, i) * by)


@njit(cache=True, nogil=True, error_model="numpy")
def blend(utility: Array, start: Index, scale: Array, share: Array, found: Array, work: Array, total: Array) -> None:
    """Write the shares within blocks and the log-sum of each block; one alone passes its utility on as it is.

    Parameters
    ----------
    utility
        ``[member, lane]`` [-].
    start
        First member of each block, with their number at the end.
    scale
        Log-sum scale ``[lane]`` [-].
    share, found
        Where to write: ``[member, lane]``, and ``scale x ln(sum of exp(utility / scale))`` ``[block, lane]``.
    work, total
        Scratch memory of the size of ``share`` and of ``found``.
    """
    n, m = 0, 0
    inverse, wide, one = load(1.0 / scale, 0), load(scale, 0), np.empty((1, LANES))
    for h in range(start.size - 1):
        a, b = start[h], start[h + 1]
        top = load(utility, a)
        if b > a + 1:
            for i in range(a + 1, b):
                top = largest(top, load(utility, i))
            for i in range(a, b):
                store(work, n, (load(utility, i) - top) * inverse)
                n += 1
        store(found, h, top)
    flat = work.reshape(-1)
    for j in range(n * LANES):
        flat[j] = _exp(flat[j])
    n = 0
    for h in range(start.size - 1):
        a, b = start[h], start[h + 1]
        if b == a + 1:
            store(share, a, alike(1.0))
            continue
        whole = load(work, n)
        for i in range(n + 1, n + b - a):
            whole = whole + load(work, i)
        store(total, m, whole)
        for k in range(LANES):
            one[0, k] = 1.0 / total[m, k]
        part = load(one, 0)
        for i in range(a, b):
            store(share, i, load(work, n) * part)
            n += 1
        m += 1
    flat = total.reshape(-1)
    for j in range(m * LANES):
        flat[j] = _log(flat[j])
    m = 0
    for h in range(start.size - 1):
        if start[h + 1] > start[h] + 1:
            store(found, h, load(found, h) + wide * load(total, m))
            m += 1


@njit(cache=True, nogil=True, error_model="numpy")
def add_ports(tree: Tree, constants: Array, utility: Array) -> None:
    """Add the port constants ``[constant, lane]`` to utilities ``[port of a group, lane]``."""
    for h in range(tree.port.size):
        p = tree.port[h]
        if p >= 0:
            store(utility, h, load(utility, h) + load(constants, p))


@njit(cache=True, nogil=True, error_model="numpy")
def add_preferences(tree: Tree, prices: Prices, utility: Array) -> None:
    """Add the preferences of rail and of coastal ships to utilities ``[group, lane]``."""
    coastal = load(prices.coastal, 0)
    for c in range(tree.group_edge.size - 1):
        rail = load(prices.rail, c)
        for g in range(tree.group_edge[c], tree.group_edge[c + 1]):
            more = rail * alike(tree.features[g, 0]) + coastal * alike(tree.coastal[g])
            store(utility, g, load(utility, g) + more)


@njit(cache=True, nogil=True, error_model="numpy")
def add_constants(tree: Tree, constants: Array, utility: Array) -> None:
    """Add constants ``[constant, lane]`` times features to utilities ``[group, lane]``."""
    for g in range(utility.shape[0]):
        for x in range(tree.features.shape[1]):
            feature = tree.features[g, x]
            if feature != 0.0:
                store(utility, g, load(utility, g) + load(constants, x) * alike(feature))


@njit(cache=True, nogil=True, error_model="numpy")
def carry(
    tree: Tree, flow: Array, nest_share: Array, group_share: Array, port_share: Array, row_share: Array, carried: Array
) -> None:
    """Write what the rows carry.

    Parameters
    ----------
    tree
        The rows.
    flow
        Demand of each case ``[case, lane]`` [t/yr].
    nest_share, group_share, port_share, row_share
        Shares within case, nest, group and port ``[., lane]``.
    carried
        Where to write ``[row, lane]`` [t/yr].
    """
    for case in range(tree.commodity.size):
        for n in range(tree.case_start[case], tree.case_start[case + 1]):
            by_nest = load(flow, case) * load(nest_share, n)
            for g in range(tree.nest_start[n], tree.nest_start[n + 1]):
                by_group = by_nest * load(group_share, g)
                for h in range(tree.group_start[g], tree.group_start[g + 1]):
                    by_port = by_group * load(port_share, h)
                    for row in range(tree.port_start[h], tree.port_start[h + 1]):
                        store(carried, row, by_port * load(row_share, row))


@njit(cache=True, nogil=True, error_model="numpy")
def case_flows(demand: NDArray[np.int64], which: DemandRows, growth: Array, level: Array, flow: Array) -> None:
    """Write the demand of all cases.

    Parameters
    ----------
    demand
        Demand row of each case.
    which
        The demand rows.
    growth, level
        Of commodities and of groups of demand ``[., lane]`` [-].
    flow
        Where to write ``[case, lane]`` [t/yr].
    """
    for case in range(demand.size):
        row = demand[case]
        grown = load(growth, which.commodity[row]) * load(level, which.group[row])
        store(flow, case, grown * alike(which.t_per_year[row]))


@njit(cache=True, nogil=True, error_model="numpy")
def pay(
    tree: Tree, flow: Array, nest_share: Array, group_share: Array, port_share: Array, row_share: Array, cost: Array, total: Array
) -> None:
    """Add up what the rows cost.

    Parameters
    ----------
    tree, flow, nest_share, group_share, port_share, row_share
        As in :func:`carry`.
    cost
        Of each row ``[row, lane]`` [CNY/t].
    total
        Where to add ``[lane]`` [CNY/yr].
    """
    paid = load(total, 0)
    for case in range(tree.commodity.size):
        for n in range(tree.case_start[case], tree.case_start[case + 1]):
            by_nest = load(flow, case) * load(nest_share, n)
            for g in range(tree.nest_start[n], tree.nest_start[n + 1]):
                by_group = by_nest * load(group_share, g)
                for h in range(tree.group_start[g], tree.group_start[g + 1]):
                    by_port = by_group * load(port_share, h)
                    for row in range(tree.port_start[h], tree.port_start[h + 1]):
                        paid = paid + by_port * load(row_share, row) * load(cost, row)
    store(total, 0, paid)


@njit(cache=True, nogil=True, error_model="numpy")
def weigh(port_start: Index, start: Index, margin: Index, weights: Array, row_share: Array, weight: Array) -> None:
    """Write the mean weight of each port of a group in the margins it has any in.

    Parameters
    ----------
    port_start
        First row of each port, with their number at the end.
    start, margin
        First entry of each port, and the margin of each entry.
    weights
        Weight of each row in each margin ``[row, margin]``.
    row_share
        Shares within ports ``[row, lane]``.
    weight
        Where to write ``[entry, lane]``.
    """
    for h in range(start.size - 1):
        for e in range(start[h], start[h + 1]):
            found = alike(0.0)
            for row in range(port_start[h], port_start[h + 1]):
                found = found + load(row_share, row) * alike(weights[row, margin[e]])
            store(weight, e, found)


class Weights(NamedTuple):
    """Weights of the ports of a group in the margins: first entry of each port, margin of each entry, and weight ``[entry, lane]``."""

    start: Index
    margin: Index
    weight: Array


@njit(cache=True, nogil=True, error_model="numpy")
def slopes(  # noqa: PLR0912, PLR0915  (one pass over the cases; parts of it would share all its arrays)
    tree: Tree,
    weights: Weights,
    prices: Prices,
    flow: Array,
    nest_share: Array,
    group_share: Array,
    port_share: Array,
    made: Array,
    slope: Array,
) -> None:
    """Add up the margins and the goods through the ports, and how they move with the constants.

    Parameters
    ----------
    tree, prices, flow, nest_share, group_share, port_share
        As in :func:`carry`.
    weights
        What makes the margins.
    made
        Where to add margins and goods by port constant ``[margin + port, lane]``.
    slope
        Where to add their derivatives ``[margin + port, constant + port, lane]``.

    Notes
    -----
    With ``y`` how a constant moves the utilities, ``a`` what is counted, bars for means over the group, nest and case, and ``E`` the mean over all,
    ``d E[a] = E[a y] / rho + (1 / mu - 1 / rho) E[abar_g ybar_g] + (1 - 1 / mu) E[abar_n ybar_n] - abar ybar``.
    """
    n_x = tree.features.shape[1]
    n_port = slope.shape[1] - n_x
    n_m = made.shape[0] - n_port
    # means over the group, nest and case at hand; marks say of which one a mean is, lists which there are
    n_a, n_y = n_m + n_port, n_x + n_port
    a_group, a_nest, a_case = np.empty((n_a, LANES)), np.empty((n_a, LANES)), np.empty((n_a, LANES))
    y_group, y_nest, y_case = np.empty((n_y, LANES)), np.empty((n_y, LANES)), np.empty((n_y, LANES))
    a_at = np.full((3, n_a), -1)
    y_at = np.full((3, n_y), -1)
    a_list, y_list = np.empty((3, n_a), np.int64), np.empty((3, n_y), np.int64)
    steep, none = slope.reshape((n_a * n_y, LANES)), alike(0.0)
    by_port, by_nest = load(1.0 / prices.port, 0), load(1.0 / prices.nest, 0)
    between, across = by_nest - by_port, alike(1.0) - by_nest
    for case in range(tree.commodity.size):
        first_nest, last_nest = tree.case_start[case], tree.case_start[case + 1]
        first_group, last_group = tree.nest_start[first_nest], tree.nest_start[last_nest]
        moves, chooses = last_group > first_group + 1, tree.chooses[case]
        for h in range(tree.group_start[first_group], tree.group_start[last_group]):
            moves = moves or tree.port[h] >= 0
        n_ac, n_yc = 0, 0
        for n in range(first_nest, last_nest):
            n_an, n_yn = 0, 0
            own, of_nest = load(flow, case) * load(nest_share, n), load(nest_share, n)
            for g in range(tree.nest_start[n], tree.nest_start[n + 1]):
                n_ag, n_yg = 0, 0
                of_group = load(group_share, g)
                size = own * of_group
                for x in range(n_x):
                    if tree.features[g, x] != 0.0:
                        y_list[0, n_yg] = x
                        n_yg += 1
                        store(y_group, x, alike(tree.features[g, x]))
                for h in range(tree.group_start[g], tree.group_start[g + 1]):
                    p, share = tree.port[h], load(port_share, h)
                    one = size * share * by_port
                    for e in range(weights.start[h], weights.start[h + 1]):
                        m, weight = weights.margin[e], load(weights.weight, e)
                        if a_at[0, m] != g:
                            a_at[0, m], a_list[0, n_ag] = g, m
                            n_ag += 1
                            store(a_group, m, none)
                        store(a_group, m, load(a_group, m) + share * weight)
                        if p >= 0:
                            at = m * n_y + n_x + p
                            store(steep, at, load(steep, at) + one * weight)
                    if p >= 0:
                        y_list[0, n_yg] = n_x + p
                        n_yg += 1
                        store(y_group, n_x + p, share)
                        if chooses:
                            a_list[0, n_ag] = n_m + p
                            n_ag += 1
                            store(a_group, n_m + p, share)
                            at = (n_m + p) * n_y + n_x + p
                            store(steep, at, load(steep, at) + one)
                if moves:
                    for j in range(n_yg):
                        y = y_list[0, j]
                        rise = load(y_group, y)
                        two = size * (by_nest if y < n_x else between) * rise
                        for i in range(n_ag):
                            a = a_list[0, i]
                            at = a * n_y + y
                            store(steep, at, load(steep, at) + two * load(a_group, a))
                        if y_at[1, y] != n:
                            y_at[1, y], y_list[1, n_yn] = n, y
                            n_yn += 1
                            store(y_nest, y, none)
                        store(y_nest, y, load(y_nest, y) + of_group * rise)
                for i in range(n_ag):
                    a = a_list[0, i]
                    if a_at[1, a] != n:
                        a_at[1, a], a_list[1, n_an] = n, a
                        n_an += 1
                        store(a_nest, a, none)
                    store(a_nest, a, load(a_nest, a) + of_group * load(a_group, a))
            for j in range(n_yn):
                y = y_list[1, j]
                rise = load(y_nest, y)
                if y_at[2, y] != case:
                    y_at[2, y], y_list[2, n_yc] = case, y
                    n_yc += 1
                    store(y_case, y, none)
                store(y_case, y, load(y_case, y) + of_nest * rise)
                two = own * across * rise
                for i in range(n_an):
                    a = a_list[1, i]
                    at = a * n_y + y
                    store(steep, at, load(steep, at) + two * load(a_nest, a))
            for i in range(n_an):
                a = a_list[1, i]
                if a_at[2, a] != case:
                    a_at[2, a], a_list[2, n_ac] = case, a
                    n_ac += 1
                    store(a_case, a, none)
                store(a_case, a, load(a_case, a) + of_nest * load(a_nest, a))
        for i in range(n_ac):
            a = a_list[2, i]
            two = load(flow, case) * load(a_case, a)
            store(made, a, load(made, a) + two)
            for j in range(n_yc):
                y = y_list[2, j]
                at = a * n_y + y
                store(steep, at, load(steep, at) - two * load(y_case, y))
