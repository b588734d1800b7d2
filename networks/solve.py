"""From chains, demand and cost arrays to tonnes and tonne-kilometres: the pure heart of the freight model."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from networks.choice import ChoiceProblem, Segments
from networks.cost import COMPONENT
from networks.draws import compacts, solve_draws, unserved_t
from networks.measure import fold_sites, mark_matrix, measure_matrix
from networks.parts import ALTERNATIVES, NEST
from networks.shares import alternative_shares, terminal_shares

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from networks.parts import ChainSet
    from networks.ports import PortUse

#: Nest codes (:data:`networks.parts.NEST`).
_ROAD, _RAIL, _WATER, _PIPELINE = 0, 1, 2, 3

#: Constants of the choice model, in order.
CONSTANTS: tuple[str, ...] = ("rail", "rail_per_100_km", "rail_container", "roro", "pipeline", "expressway")
_RORO = CONSTANTS.index("roro")


@dataclass(frozen=True)
class Demand:
    """Sparse demand of the base year, sorted by commodity. A row goes between two zones, or between a zone and the sea by any of several ports.

    Attributes
    ----------
    pair
        Pair of zones of each option (index into ``origin`` and ``destination`` of the pairs).
    commodity
        Commodity index of each row.
    t_per_year
        Demand of each row [t/yr].
    group
        Level group of each row (index into the group levels of :func:`solve_freight`).
    origin, destination
        Zones of each *pair*.
    row
        Row of each option, ascending; a row between two zones has one option.
    port
        Constant of the port of each option (index into the port constants), -1 where no port is chosen.
    """

    pair: NDArray[np.int64]
    commodity: NDArray[np.int64]
    t_per_year: NDArray[np.float64]
    group: NDArray[np.int64]
    origin: NDArray[np.int64]
    destination: NDArray[np.int64]
    row: NDArray[np.int64]
    port: NDArray[np.int64]

    @classmethod
    def between(
        cls,
        pair: NDArray[np.int64],
        commodity: NDArray[np.int64],
        t_per_year: NDArray[np.float64],
        group: NDArray[np.int64],
        origin: NDArray[np.int64],
        destination: NDArray[np.int64],
    ) -> Demand:
        """Return demand without a choice of port: one pair per row."""
        return cls(pair, commodity, t_per_year, group, origin, destination, np.arange(pair.size), np.full(pair.size, -1))


@dataclass(frozen=True)
class Rows:
    """Chains of every demand row on one network, sorted by demand row, alternative, port and rank of the terminal pair.

    Attributes
    ----------
    demand, chain, alternative
        Demand row, chain and alternative code of each row.
    components, measure
        ``[row, component]`` and ``[row, measure]`` (with the container port columns).
    price
        Scarcity price of the sections and terminals of each row ``[row]`` [CNY/t]; zero without capacity limits.
    port
        Port constant of each row, -1 = none.
    marks
        ``[row, mark]`` (:data:`networks.measure.MARKS`).
    place
        Zone of the port of the province of each row: that of a coastal chain, else the port at an end of the pair; -1 = none.
    trucked, railed
        The same where the port is reached or left by truck with cargo of the collection quota, and by train with any cargo; -1 elsewhere.
    port_start
        First row of each port (or none) of each alternative of each demand row, and the number of rows at the end.
    group_start
        First row of each alternative of each demand row, and the number of rows at the end.
    group_demand, group_alternative
        Demand row and alternative code of each group.
    features
        What the constants multiply ``[group, constant]``.
    segments
        Nests and cases of the groups.
    slices
        First and last row of each commodity.
    group_slices
        First and last group of each commodity.
    unserved
        Demand rows without any available chain.
    """

    demand: NDArray[np.int64]
    chain: NDArray[np.int64]
    alternative: NDArray[np.int64]
    components: NDArray[np.float64]
    measure: NDArray[np.float64]
    price: NDArray[np.float64]
    port: NDArray[np.int64]
    marks: NDArray[np.float64]
    place: NDArray[np.int64]
    trucked: NDArray[np.int64]
    railed: NDArray[np.int64]
    port_start: NDArray[np.int64]
    group_start: NDArray[np.int64]
    group_demand: NDArray[np.int64]
    group_alternative: NDArray[np.int64]
    features: NDArray[np.float64]
    segments: Segments
    slices: tuple[tuple[int, int], ...]
    group_slices: tuple[tuple[int, int], ...]
    unserved: NDArray[np.int64]

    @property
    def group_of(self) -> NDArray[np.int64]:
        """Return the group of each row."""
        return np.repeat(np.arange(self.group_start.size - 1), np.diff(self.group_start))

    @property
    def coastal(self) -> NDArray[np.bool_]:
        """Return whether each group is a coastal ship ``[group]``; one that carries trucks has a constant of its own instead of a preference."""
        return np.asarray((NEST[self.group_alternative] == _WATER) & (self.features[:, _RORO] == 0))

    @property
    def group_ports(self) -> NDArray[np.int64]:
        """Return the first port of each group, as a position in ``port_start``, and the number of ports at the end."""
        return np.searchsorted(self.port_start, self.group_start)


@dataclass(frozen=True)
class Gates:
    """What the rows of a demand are told about ports and whole hauls.

    Attributes
    ----------
    port_of_pair
        Zone of the port of the province at an end of each pair ``[pair]``, -1 = none.
    quota
        Commodities whose collection at ports a quota can bind.
    short_haul_km
        Tariff distance below which a rail haul is short [km].
    ferries
        Crossings by train ferry of each chain ``[chain]``; ``None`` = none.
    """

    port_of_pair: NDArray[np.int64]
    quota: frozenset[int]
    short_haul_km: float = 0.0
    ferries: NDArray[np.float64] | None = None


def expand(
    demand: Demand,
    chains: ChainSet,
    available: NDArray[np.bool_],
    *,
    container: int,
    floor_km: float,
    long_haul_km: float,
    port_pair: NDArray[np.bool_],
    box_port: NDArray[np.bool_],
    ports: PortUse | None = None,
    gates: Gates | None = None,
) -> Rows:
    """Give every demand row the chains of its pairs that its commodity may use.

    Parameters
    ----------
    demand
        Demand rows.
    chains
        Chains by pair.
    available
        ``[commodity, alternative]``.
    container
        Commodity index of containers.
    floor_km
        Least distance of the distance slope [km].
    long_haul_km, port_pair
        As in :func:`networks.measure.measure_matrix`.
    box_port
        Container port at one end of each pair ``[pair, port]``; two measure columns per port are appended: boxes by train, and all boxes [t].
    ports
        Ports of coastal chains by what they handle; without it every port handles everything and none has a constant.
    gates
        What costs of ports and of whole hauls hang on; without it no row is near a port, and no haul is short by rail.
    """
    gates = Gates(np.full(demand.origin.size, -1), frozenset()) if gates is None else gates
    n_pair, n_row = demand.origin.size, demand.commodity.size
    first = np.searchsorted(chains.pair, np.arange(n_pair + 1))
    count = (first[1:] - first[:-1])[demand.pair]
    option = np.repeat(np.arange(demand.pair.size), count)
    within = np.arange(option.size) - np.repeat(np.cumsum(count) - count, count)
    chain = first[demand.pair[option]] + within
    row, port = demand.row[option], demand.port[option]
    keep = available[demand.commodity[row], chains.alternative[chain]]
    # what is bound for a port overseas is no cargo of a coastal ship to that port
    keep &= (demand.port[option] < 0) | (chains.port[chain] < 0)
    if ports is not None:
        coastal = np.flatnonzero(keep & (chains.port[chain] >= 0))
        direction = np.where(chains.seaward[chain[coastal]], 0, 1)
        at = demand.commodity[row[coastal]], direction, chains.port[chain[coastal]]
        keep[coastal] = ports.handled[at]
        port[coastal] = ports.constant[at]
    option, chain, row, port = option[keep], chain[keep], row[keep], port[keep]
    alternative = chains.alternative[chain]
    # the port of a row: the end of its pair where a port is chosen, the port of the ship where the chain is coastal
    place = np.where(
        demand.port[option] >= 0, option, np.where(chains.port[chain] >= 0, demand.pair.size + chains.port[chain], -1)
    )
    order = np.lexsort((chains.rank[chain], place, alternative, row))
    chain, row, port, place, alternative = chain[order], row[order], port[order], place[order], alternative[order]
    served = np.zeros(n_row, dtype=np.bool_)
    served[row] = True
    commodity = demand.commodity[row]
    boxes = (commodity == container)[:, None] & box_port[chains.pair[chain]]
    rail = (NEST[alternative] == _RAIL)[:, None]
    counted = [measure_matrix(chains, chain, long_haul_km=long_haul_km, port_pair=port_pair), boxes & rail, boxes]
    fresh = np.ones(row.size, dtype=np.bool_)
    fresh[1:] = (row[1:] != row[:-1]) | (alternative[1:] != alternative[:-1])
    lead = np.flatnonzero(fresh)
    fresh[1:] |= place[1:] != place[:-1]
    at = np.where(chains.port[chain] >= 0, chains.port[chain], gates.port_of_pair[chains.pair[chain]])
    components = chains.part.components[chain]
    quota = np.isin(commodity, sorted(gates.quota)) & (components[:, COMPONENT["port_truck_bulk"]] > 0)
    n_commodity = available.shape[0]
    edges = np.searchsorted(commodity, np.arange(n_commodity + 1))
    group_edges = np.searchsorted(commodity[lead], np.arange(n_commodity + 1))
    return Rows(
        demand=row,
        chain=chain,
        alternative=alternative,
        components=components,
        measure=np.concatenate(counted, axis=1),
        price=np.zeros(row.size),
        port=port,
        marks=mark_matrix(chains, chain, short_haul_km=gates.short_haul_km, long_haul_km=long_haul_km, ferries=gates.ferries),
        place=at,
        trucked=np.where(quota, at, -1),
        railed=np.where(components[:, COMPONENT["port_train_box"]] > 0, at, -1),
        port_start=np.append(np.flatnonzero(fresh), row.size),
        group_start=np.append(lead, row.size),
        group_demand=row[lead],
        group_alternative=alternative[lead],
        features=_features(
            demand.commodity[row[lead]],
            _nearest_km(chains, row, chain)[lead],
            alternative[lead],
            container=container,
            floor_km=floor_km,
        ),
        segments=Segments.build(row[lead], NEST[alternative[lead]]),
        slices=tuple((int(a), int(b)) for a, b in pairwise(edges)),
        group_slices=tuple((int(a), int(b)) for a, b in pairwise(group_edges)),
        unserved=np.flatnonzero(~served),
    )


def _nearest_km(chains: ChainSet, row: NDArray[np.int64], chain: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the length of the shortest chain of the demand row of each row; with several ports that of the nearest one [km]."""
    nearest = np.full(int(row.max(initial=-1)) + 1, np.inf)
    np.minimum.at(nearest, row, chains.shortest_km[chains.pair[chain]])
    found: NDArray[np.float64] = nearest[row]
    return found


def _features(
    commodity: NDArray[np.int64],
    shortest_km: NDArray[np.float64],
    alternative: NDArray[np.int64],
    *,
    container: int,
    floor_km: float,
) -> NDArray[np.float64]:
    """Return what the constants multiply ``[group, constant]``, in the order of :data:`CONSTANTS`."""
    nest = NEST[alternative]
    rail = nest == _RAIL
    km = np.maximum(shortest_km, floor_km)
    constants = (
        rail,
        rail * km / 100.0,
        rail & (commodity == container),
        alternative == ALTERNATIVES.index("roro"),
        nest == _PIPELINE,
        -1.0 * (alternative == ALTERNATIVES.index("road_ordinary")),
    )
    return np.stack(constants, axis=1).astype(np.float64)


@dataclass(frozen=True)
class Costs:
    """Everything that varies by draw and year.

    Attributes
    ----------
    coefficients
        ``[commodity, draw, year, component]`` [CNY/t per unit].
    scale
        Cost scale ``[draw, year]`` [1/(CNY/t)]; a prior, never fitted.
    nest_scale
        Log-sum scale within a main mode ``[draw, year]`` [-].
    port_scale
        Log-sum scale among the ports of one alternative ``[draw, year]`` [-].
    terminal_scale
        Log-sum scale among the terminal pairs of one alternative and port ``[draw, year]`` [-].
    preference
        Utility of rail by commodity beside cost ``[commodity, draw, year]`` [-]; a prior, never fitted.
    sea_preference
        Utility of coastal shipping beside cost ``[draw, year]`` [-]; a prior, never fitted.
    growth
        Demand relative to the base year ``[commodity, draw, year]`` [-].
    group_level
        Level of each demand group ``[group, draw, year]`` [-].
    siding_share, pipe_share
        Share of large sites' truck access replaced by sidings, and of pipeline last miles replaced by pipes ``[draw, year]`` [-].
    marks
        Cost of each mark ``[commodity, draw, year, mark]`` [CNY/t per unit]; ``None`` = they cost nothing.
    saved_h
        Hours that denser services save at ports ``[commodity, service, zone, year]`` [h]: trains, then coastal ships; ``None`` = none.
    """

    coefficients: NDArray[np.float64]
    scale: NDArray[np.float64]
    nest_scale: NDArray[np.float64]
    port_scale: NDArray[np.float64]
    terminal_scale: NDArray[np.float64]
    preference: NDArray[np.float64]
    sea_preference: NDArray[np.float64]
    growth: NDArray[np.float64]
    group_level: NDArray[np.float64]
    siding_share: NDArray[np.float64]
    pipe_share: NDArray[np.float64]
    marks: NDArray[np.float64] | None = None
    saved_h: NDArray[np.float64] | None = None


def row_costs(rows: Rows, costs: Costs, draws: slice, year: int) -> NDArray[np.float64]:
    """Return the generalised cost ``[draw, row]`` [CNY/t] of one year, scarcity prices included."""
    n_draw = costs.scale[draws].shape[0]
    cost = np.empty((n_draw, rows.demand.size))
    for commodity, (start, end) in enumerate(rows.slices):
        cost[:, start:end] = costs.coefficients[commodity, draws, year] @ rows.components[start:end].T
        if costs.marks is not None:
            cost[:, start:end] += costs.marks[commodity, draws, year] @ rows.marks[start:end].T
        if costs.saved_h is not None:
            hour = costs.coefficients[commodity, draws, year, COMPONENT["sea_h"]]
            cost[:, start:end] -= hour[:, None] * _saved_h(rows, costs.saved_h[commodity, :, :, year], slice(start, end))
    return cost + rows.price


def _saved_h(rows: Rows, saved: NDArray[np.float64], mine: slice) -> NDArray[np.float64]:
    """Return the hours that denser services at their ports save some rows ``[row]`` [h]."""
    train, ship = np.append(saved, np.zeros((2, 1)), axis=1)
    found: NDArray[np.float64] = train[rows.railed[mine]] + ship[rows.place[mine]] * rows.components[mine, COMPONENT["sea_load"]]
    return found


def group_utility(
    rows: Rows,
    costs: Costs,
    cost: NDArray[np.float64],
    draws: slice,
    year: int,
    ports: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the utility of each group without constants ``[draw, group]`` and the shares of its terminal pairs and ports ``[draw, row]``.

    Parameters
    ----------
    rows, costs, draws, year
        As in :func:`row_flow`.
    cost
        Generalised cost ``[draw, row]`` [CNY/t].
    ports
        Port constants ``[draw, port constant]``; without them every port counts by its cost alone.

    Notes
    -----
    ``V = -scale x cost`` over the terminal pairs (log-sum), plus the constant of the port over the ports (log-sum), and the preferences of rail by
    commodity and of coastal shipping.
    """
    by_port, within = terminal_shares(-costs.scale[draws, year, None] * cost, costs.terminal_scale[draws, year], rows.port_start)
    if ports is not None and ports.shape[1]:
        constant = rows.port[rows.port_start[:-1]]
        by_port += np.where(constant >= 0, ports[:, constant], 0.0)
    utility, split = terminal_shares(by_port, costs.port_scale[draws, year], rows.group_ports)
    within *= np.repeat(split, np.diff(rows.port_start), axis=1)
    for commodity, (start, end) in enumerate(rows.group_slices):
        utility[:, start:end] += costs.preference[commodity, draws, year, None] * rows.features[None, start:end, 0]
    utility += costs.sea_preference[draws, year, None] * rows.coastal
    return utility, within


def demand_flow(demand: Demand, costs: Costs, draws: slice, year: int) -> NDArray[np.float64]:
    """Return the demand ``[draw, demand row]`` [t/yr] of one year."""
    level = costs.growth[demand.commodity, draws, year] * costs.group_level[demand.group, draws, year]
    return np.ascontiguousarray((demand.t_per_year[:, None] * level).T)


def row_flow(
    rows: Rows,
    demand: Demand,
    costs: Costs,
    constants: NDArray[np.float64],
    draws: slice,
    year: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return flow ``[draw, row]`` [t/yr] and generalised cost ``[draw, row]`` [CNY/t] of one year.

    Parameters
    ----------
    rows, demand, costs
        As in :func:`solve_freight`.
    constants
        Constants of the draws of the slice ``[draw, constant]``: those of :data:`CONSTANTS`, then those of the ports.
    draws, year
        Draws and position on the year axis.
    """
    cost = row_costs(rows, costs, draws, year)
    return flow_at_cost(rows, demand, costs, cost, constants, draws, year), cost


def flow_at_cost(
    rows: Rows,
    demand: Demand,
    costs: Costs,
    cost: NDArray[np.float64],
    constants: NDArray[np.float64],
    draws: slice,
    year: int,
) -> NDArray[np.float64]:
    """Return the flow ``[draw, row]`` [t/yr] at given generalised costs ``[draw, row]``; arguments as :func:`row_flow`."""
    modes, ports = constants[:, : len(CONSTANTS)], constants[:, len(CONSTANTS) :]
    utility, within = group_utility(rows, costs, cost, draws, year, ports)
    seg = rows.segments
    nest_start = np.append(seg.nest_start, rows.group_demand.size)
    case_start = np.append(seg.case_start, seg.nest_start.size)
    share = alternative_shares(utility + modes @ rows.features.T, costs.nest_scale[draws, year], nest_start, case_start)
    flow = within * share[:, rows.group_of]
    flow *= demand_flow(demand, costs, draws, year)[:, rows.demand]
    return flow


def choice_problem(
    rows: Rows,
    demand: Demand,
    costs: Costs,
    year: int,
    measure: NDArray[np.float64],
    fixed: NDArray[np.float64],
    *,
    draws: slice = slice(None),
    ports: NDArray[np.float64] | None = None,
) -> ChoiceProblem:
    """Return the calibration problem of one year.

    Parameters
    ----------
    rows, demand, costs
        As in :func:`solve_freight`.
    year
        Position on the year axis.
    measure
        Weights of the margins ``[row, margin]``.
    fixed
        Part of the margins outside the choice ``[draw, margin]``.
    draws
        Draws of the problem.
    ports
        Port constants of the draws ``[draw, port constant]``, held while the others are fitted.

    Notes
    -----
    Constants are the same for all ports and terminal pairs of an alternative, so the shares of these do not depend on them and each alternative
    counts with the mean measure of its pairs.
    """
    cost = row_costs(rows, costs, draws, year)
    utility, within = group_utility(rows, costs, cost, draws, year, ports)
    weighted = within[:, :, None] * measure[None, :, :]
    return ChoiceProblem(
        base=utility,
        features=rows.features,
        flow=demand_flow(demand, costs, draws, year)[:, rows.group_demand],
        measure=np.add.reduceat(weighted, rows.group_start[:-1], axis=1),
        fixed=fixed[draws],
        segments=rows.segments,
        scale=costs.nest_scale[draws, year],
    )


@dataclass(frozen=True)
class Solution:
    """Totals of every draw and year, and the detail of draw 0 in the years asked for.

    Attributes
    ----------
    totals
        ``[commodity, measure, draw, year]`` [t/yr] and [tkm/yr] (:data:`networks.measure.MEASURES`, then two columns per container port), site
        access folded in.
    served_t, unserved_t
        ``[commodity, draw, year]`` [t/yr].
    flows
        Flow of each row of draw 0 [t/yr], by year position.
    costs
        Generalised cost of each row of draw 0 [CNY/t], by year position.
    """

    totals: NDArray[np.float64]
    served_t: NDArray[np.float64]
    unserved_t: NDArray[np.float64]
    flows: dict[int, NDArray[np.float64]]
    costs: dict[int, NDArray[np.float64]]


def solve_freight(
    demand: Demand,
    rows: Sequence[Rows],
    state_of_year: Sequence[int],
    costs: Costs,
    constants: NDArray[np.float64],
    *,
    detail: Sequence[int] = (),
    adapt: Callable[[Rows, int], Rows] | None = None,
) -> Solution:
    """Solve choice and measures of every draw and year at given delays; several draws at once by :mod:`networks.draws`.

    Parameters
    ----------
    demand
        Demand of the base year.
    rows
        Alternatives per network state (distinct set of open links).
    state_of_year
        State of each year position.
    costs
        Costs, growth and shares ``[draw, year]``.
    constants
        Fitted constants ``[draw, constant]``: those of :data:`CONSTANTS`, then those of the ports.
    detail
        Year positions whose flows by row are kept (draw 0).
    adapt
        Returns the rows of a state with the delays and prices of a year position; without it there are none.

    Returns
    -------
    Solution
        Totals by commodity and measure.

    Notes
    -----
    ``V = -scale x cost + preference of rail + constants . features``, shares by nested logit, ``total = sum_rows demand x share x measure``.
    """
    n_commodity, n_draw, n_year = costs.growth.shape
    totals = np.zeros((n_commodity, rows[0].measure.shape[1], n_draw, n_year))
    served = np.zeros((n_commodity, n_draw, n_year))
    unserved = np.zeros((n_commodity, n_draw, n_year))
    flows: dict[int, NDArray[np.float64]] = {}
    kept_costs: dict[int, NDArray[np.float64]] = {}

    def rows_of(year: int) -> Rows:
        found = rows[state_of_year[year]]
        return found if adapt is None else adapt(found, year)

    if n_draw > 1:
        totals, served, unserved = solve_draws(demand, compacts(rows_of, demand), costs, constants)
    for year in detail if n_draw > 1 else range(n_year):
        found = rows_of(year)
        flow, cost = row_flow(found, demand, costs, constants[:1], slice(0, 1), year)
        if year in detail:
            flows[year], kept_costs[year] = flow[0], cost[0]
        if n_draw == 1:
            for commodity, (start, end) in enumerate(found.slices):
                totals[commodity, :, 0, year] = flow[0, start:end] @ found.measure[start:end]
                served[commodity, 0, year] = flow[0, start:end].sum()
            unserved[:, :, [year]] = unserved_t(demand, found.unserved, costs, [year])
    return Solution(fold_sites(totals, costs.siding_share, costs.pipe_share), served, unserved, flows, kept_costs)
