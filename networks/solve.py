"""From chains, demand and cost arrays to tonnes and tonne-kilometres: the pure heart of the freight model."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from networks.chains import ALTERNATIVES, NEST
from networks.choice import ChoiceProblem, Segments, nested_shares
from networks.measure import fold_sites, measure_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from networks.chains import ChainSet

#: Draws solved together; bounds the memory of the arrays ``[draw, row]``.
_CHUNK = 8

#: Nest codes (:data:`networks.chains.NEST`).
_RAIL, _WATER, _PIPELINE = 1, 2, 3

#: Constants of the choice model, in order.
CONSTANTS: tuple[str, ...] = ("rail", "rail_per_100_km", "rail_container", "roro", "pipeline")
_RORO = CONSTANTS.index("roro")


@dataclass(frozen=True)
class Demand:
    """Sparse demand of the base year, sorted by commodity, origin and destination.

    Attributes
    ----------
    pair
        Pair of zones of each row (index into ``origin`` and ``destination`` of the pairs).
    commodity
        Commodity index of each row.
    t_per_year
        Demand [t/yr].
    group
        Level group of each row (index into the group levels of :func:`solve_freight`).
    origin, destination
        Zones of each *pair*.
    """

    pair: NDArray[np.int64]
    commodity: NDArray[np.int64]
    t_per_year: NDArray[np.float64]
    group: NDArray[np.int64]
    origin: NDArray[np.int64]
    destination: NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Alternatives of every demand row on one network, sorted by demand row and alternative.

    Attributes
    ----------
    demand, chain
        Demand row and chain of each alternative.
    alternative
        Alternative code.
    components, measure
        ``[row, component]`` and ``[row, measure]`` (with the container port columns).
    features
        What the constants multiply ``[row, constant]``.
    segments
        Nests and cases.
    slices
        First and last row of each commodity.
    unserved
        Demand rows without any available chain.
    """

    demand: NDArray[np.int64]
    chain: NDArray[np.int64]
    alternative: NDArray[np.int64]
    components: NDArray[np.float64]
    measure: NDArray[np.float64]
    features: NDArray[np.float64]
    segments: Segments
    slices: tuple[tuple[int, int], ...]
    unserved: NDArray[np.int64]


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
) -> Rows:
    """Give every demand row the chains of its pair that its commodity may use.

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
    """
    n_pair = demand.origin.size
    first = np.searchsorted(chains.pair, np.arange(n_pair + 1))
    count = (first[1:] - first[:-1])[demand.pair]
    row = np.repeat(np.arange(demand.pair.size), count)
    within = np.arange(row.size) - np.repeat(np.cumsum(count) - count, count)
    chain = first[demand.pair[row]] + within
    alternative = chains.alternative[chain]
    keep = available[demand.commodity[row], alternative]
    row, chain, alternative = row[keep], chain[keep], alternative[keep]
    served = np.zeros(demand.pair.size, dtype=np.bool_)
    served[row] = True
    nest = NEST[alternative]
    commodity = demand.commodity[row]
    rail = nest == _RAIL
    km = np.maximum(chains.shortest_km[demand.pair[row]], floor_km)
    roro = alternative == ALTERNATIVES.index("roro")
    constants = (rail, rail * km / 100.0, rail & (commodity == container), roro, nest == _PIPELINE)
    features = np.stack(constants, axis=1).astype(np.float64)
    boxes = (commodity == container)[:, None] & box_port[demand.pair[row]]
    counted = [measure_matrix(chains, chain, long_haul_km=long_haul_km, port_pair=port_pair), boxes & rail[:, None], boxes]
    n_commodity = available.shape[0]
    edges = np.searchsorted(commodity, np.arange(n_commodity + 1))
    return Rows(
        demand=row,
        chain=chain,
        alternative=alternative,
        components=chains.part.components[chain],
        measure=np.concatenate(counted, axis=1),
        features=features,
        segments=Segments.build(row, nest),
        slices=tuple((int(a), int(b)) for a, b in pairwise(edges)),
        unserved=np.flatnonzero(~served),
    )


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
        Log-sum scale ``[draw, year]`` [-].
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
    """

    coefficients: NDArray[np.float64]
    scale: NDArray[np.float64]
    nest_scale: NDArray[np.float64]
    preference: NDArray[np.float64]
    sea_preference: NDArray[np.float64]
    growth: NDArray[np.float64]
    group_level: NDArray[np.float64]
    siding_share: NDArray[np.float64]
    pipe_share: NDArray[np.float64]


def row_costs(rows: Rows, costs: Costs, draws: slice, year: int) -> NDArray[np.float64]:
    """Return the generalised cost ``[draw, row]`` [CNY/t] of one year."""
    n_draw = costs.scale[draws].shape[0]
    cost = np.empty((n_draw, rows.demand.size))
    for commodity, (start, end) in enumerate(rows.slices):
        cost[:, start:end] = costs.coefficients[commodity, draws, year] @ rows.components[start:end].T
    return cost


def row_utility(rows: Rows, costs: Costs, cost: NDArray[np.float64], draws: slice, year: int) -> NDArray[np.float64]:
    """Return the utility without constants ``[draw, row]``: ``-scale x cost``, and preferences of rail and coastal rows."""
    utility = -costs.scale[draws, year, None] * cost
    for commodity, (start, end) in enumerate(rows.slices):
        utility[:, start:end] += costs.preference[commodity, draws, year, None] * rows.features[None, start:end, 0]
    coastal = (NEST[rows.alternative] == _WATER) & (rows.features[:, _RORO] == 0)
    utility += costs.sea_preference[draws, year, None] * coastal
    return utility


def row_flow(rows: Rows, demand: Demand, costs: Costs, draws: slice, year: int) -> NDArray[np.float64]:
    """Return the demand ``[draw, row]`` [t/yr] that each alternative competes for in one year."""
    level = costs.growth[demand.commodity, draws, year] * costs.group_level[demand.group, draws, year]
    per_demand = demand.t_per_year[:, None] * level
    return np.ascontiguousarray(per_demand[rows.demand].T)


def choice_problem(
    rows: Rows,
    demand: Demand,
    costs: Costs,
    year: int,
    measure: NDArray[np.float64],
    fixed: NDArray[np.float64],
    *,
    draws: slice = slice(None),
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
    """
    cost = row_costs(rows, costs, draws, year)
    return ChoiceProblem(
        base=row_utility(rows, costs, cost, draws, year),
        features=rows.features,
        flow=row_flow(rows, demand, costs, draws, year),
        measure=measure,
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
) -> Solution:
    """Solve choice and measures of every draw and year at fixed delays.

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
        Fitted constants ``[draw, constant]`` (:data:`CONSTANTS`).
    detail
        Year positions whose flows by row are kept (draw 0).

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
    for year in range(n_year):
        found = rows[state_of_year[year]]
        for begin in range(0, n_draw, _CHUNK):
            draws = slice(begin, min(begin + _CHUNK, n_draw))
            cost = row_costs(found, costs, draws, year)
            utility = row_utility(found, costs, cost, draws, year) + constants[draws] @ found.features.T
            share, _, _ = nested_shares(utility, found.segments, costs.nest_scale[draws, year])
            flow = row_flow(found, demand, costs, draws, year) * share
            for commodity, (start, end) in enumerate(found.slices):
                totals[commodity, :, draws, year] = (flow[:, start:end] @ found.measure[start:end]).T
                served[commodity, draws, year] = flow[:, start:end].sum(axis=1)
            if begin == 0 and year in detail:
                flows[year], kept_costs[year] = flow[0], cost[0]
        for row in found.unserved:
            level = costs.growth[demand.commodity[row], :, year] * costs.group_level[demand.group[row], :, year]
            unserved[demand.commodity[row], :, year] += demand.t_per_year[row] * level
    return Solution(fold_sites(totals, costs.siding_share, costs.pipe_share), served, unserved, flows, kept_costs)


def alternative_names(rows: Rows) -> list[str]:
    """Return the name of each row's alternative."""
    return [ALTERNATIVES[a] for a in rows.alternative]
