"""Capacity of the freight networks: limits from parameter rows, the equilibrium of every year, and delays frozen at the base year.

Two speeds of one model. *Equilibrium*: every year's flows make that year's delays and scarcity prices. *Fixed*: the delays and prices of the base
year stay as they are, on links that open later there is none, on links that a project has changed that of their old flow. Both calibrate their constants on the base year by themselves.
"""

from __future__ import annotations

import functools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from networks.capacity import Equilibrium, equilibrate
from networks.delays import DelayArrays, delay_value
from networks.skim import Skim, skim
from networks.solve import flow_at_cost, row_costs, row_flow
from networks.wiring import (
    LINES,
    ROAD_CLASSES,
    ROAD_VALUES,
    Changes,
    Conditions,
    apply_changes,
    chain_changes,
    extra_cost,
    free_lines,
    free_road,
    leg_network,
)
from transport.closures import base_id
from transport.freight_limits import Limits, make_background, make_supply
from transport.layout import BASE_YEAR, YEARS, year_index

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from networks.graph import CompiledNetwork
    from networks.solve import Costs, Rows
    from transport.freight_prepare import Prepared, State
    from transport.freight_quotas import Quotas

    Array = NDArray[np.float64]

_BASE = year_index(BASE_YEAR)
# --- all years ----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class YearEquilibria:
    """Equilibria by year position, and the constants of the base year's."""

    years: Sequence[Equilibrium]
    constants: Array

    def adapt(self, prepared: Prepared) -> Callable[[Rows, int], Rows]:
        """Return what gives the rows of a state the conditions of a year."""

        def adapted(rows: Rows, year: int) -> Rows:
            state = prepared.states[prepared.state_of_year[year]]
            return conditioned(rows, state, self.years[year].conditions)

        return adapted

    def charge(self, year: int) -> Array | None:
        """Return the charges of the collection quotas in a year position ``[zone]`` [CNY/t], ``None`` without a quota."""
        return self.years[year].conditions.charge


def conditioned(rows: Rows, state: State, conditions: Conditions) -> Rows:
    """Return rows with components, prices and kilometres of given conditions."""
    made: Rows = apply_changes(rows, chain_changes(state.wiring, conditions))
    return made


def base_equilibrium(
    limits: Limits,
    prepared: Prepared,
    costs: Costs,
    fit: Callable[[Rows, Conditions, Array | None], Array],
) -> tuple[Equilibrium, Array]:
    """Return the equilibrium of the base year with the constants fitted to its own delays and prices.

    Parameters
    ----------
    limits, prepared, costs
        Of the run.
    fit
        Constants ``[1, constant]`` at given rows and conditions, started from earlier constants.

    Returns
    -------
    equilibrium, constants
        Of the first draw.
    """
    state = prepared.state_of_year[_BASE]
    found = prepared.states[state]
    last: list[Array | None] = [None]

    def respond(changes: Changes, conditions: Conditions) -> Array:
        rows = apply_changes(found.rows, changes)
        constants = fit(rows, conditions, last[0])
        last[0] = constants
        flow: Array = row_flow(rows, prepared.demand.demand, costs, constants, slice(0, 1), _BASE)[0][0]
        return flow

    supply = make_supply(limits, prepared, state, _BASE)
    background = make_background(prepared, costs, state, _BASE)
    free = free_conditions(prepared, state)
    start = respond(chain_changes(found.wiring, free), free)
    made = equilibrate(supply, found.inputs, found.wiring, found.rows, background, respond, start, gap=limits.gap, whole=True)
    assert last[0] is not None  # noqa: S101  (respond has run)
    return made, last[0]


def year_equilibrium(
    limits: Limits,
    prepared: Prepared,
    costs: Costs,
    base: Equilibrium,
    frozen: Sequence[Frozen],
    constants: Array,
    year: int,
    *,
    quotas: Quotas | None = None,
) -> Equilibrium:
    """Return the equilibrium of one year, started from the base year's.

    Parameters
    ----------
    limits, prepared, costs
        Of the run.
    base, constants
        From :func:`base_equilibrium`.
    frozen
        States at the delays and prices of the base year, where the search begins.
    year
        Position on the year axis.
    quotas
        Collection quotas of ports; every answer of the choice meets them with charges of its own.
    """
    if year == _BASE:
        return base
    state, base_state = prepared.state_of_year[year], prepared.state_of_year[_BASE]
    found, only = prepared.states[state], slice(0, 1)
    cost, coefficient = row_costs(found.rows, costs, only, year), costs.coefficients[:, 0, year]

    bound = quotas is not None and bool(quotas.share[:, year].any())
    charge: Array | None = None

    def respond(changes: Changes, _: Conditions) -> Array:
        nonlocal charge
        now = cost + extra_cost(found.rows, changes, coefficient)
        if quotas is not None and bound:
            charge = quotas.charges(prepared, costs, now, constants, year, charge)
            now = now + np.append(charge, 0.0)[found.rows.trucked]
        flow: Array = flow_at_cost(found.rows, prepared.demand.demand, costs, now, constants[:1], only, year)[0]
        return flow

    same = state == base_state
    conditions = base.conditions if same else frozen[state].conditions
    made = equilibrate(
        make_supply(limits, prepared, state, year),
        found.inputs,
        found.wiring,
        found.rows,
        make_background(prepared, costs, state, year),
        respond,
        respond(chain_changes(found.wiring, conditions), conditions),
        gap=limits.gap,
        warm=(base.road.state, base.lines.state) if same else (None, None),
    )
    return made if charge is None else replace(made, conditions=replace(made.conditions, charge=charge))


def year_equilibria(
    limits: Limits,
    prepared: Prepared,
    costs: Costs,
    base: Equilibrium,
    frozen: Sequence[Frozen],
    constants: Array,
    *,
    quotas: Quotas | None = None,
    workers: int | None = None,
) -> YearEquilibria:
    """Return the equilibrium of every year, each started from the base year's, so that the order of the years does not matter.

    Parameters
    ----------
    limits, prepared, costs
        Of the run.
    base, constants
        From :func:`base_equilibrium`.
    frozen
        From :func:`frozen_states`.
    quotas
        Collection quotas of ports.
    workers
        Threads; default the number of cores. The results do not depend on it.
    """
    with ThreadPoolExecutor(workers or min(os.cpu_count() or 1, len(YEARS))) as pool:
        solve = functools.partial(year_equilibrium, limits, prepared, costs, base, frozen, constants, quotas=quotas)
        return YearEquilibria(tuple(pool.map(solve, range(len(YEARS)))), constants)


# --- frozen delays ------------------------------------------------------------------------------------------------------------------


def free_conditions(prepared: Prepared, state: int) -> Conditions:
    """Return the conditions without any delay or price: the paths the chains were built on."""
    found = prepared.states[state].inputs
    return Conditions(np.stack([free_road(found, name) for name in ROAD_CLASSES]), {"rail": free_lines(found)}, {})


@dataclass(frozen=True)
class Frozen:
    """A state at the delays and prices of the base year.

    Attributes
    ----------
    conditions
        What chains answer to.
    skims
        The one path per pair of every network with limits.
    hours
        Hours on the arcs of the road network [h].
    price
        Scarcity price of the arcs of the lines by network [CNY/t].
    """

    conditions: Conditions
    skims: Mapping[str, Skim]
    hours: Array
    price: Mapping[str, Array]


@dataclass(frozen=True)
class Solved:
    """One year of a model with its equilibrium.

    Attributes
    ----------
    limits, prepared
        Of the run.
    state, year
        Network state and position on the year axis.
    equilibrium
        Of that year on that state.
    """

    limits: Limits
    prepared: Prepared
    state: int
    year: int
    equilibrium: Equilibrium


def frozen_states(limits: Limits, prepared: Prepared, base: Equilibrium) -> tuple[Frozen, ...]:
    """Return every state when links and terminals keep the delay or price they have in the base year.

    Parameters
    ----------
    limits, prepared
        Of the run.
    base
        Equilibrium of the base year; links that were not open then have no delay and no price.
    """
    at_base = Solved(limits, prepared, prepared.state_of_year[_BASE], _BASE, base)
    return tuple(carried(at_base, limits, prepared, state, _BASE) for state in range(len(prepared.states)))


def carried(solved: Solved, limits: Limits, prepared: Prepared, state: int, year: int) -> Frozen:
    """Return a state when links and terminals keep the delay or price they have in a solved year, of this run or of another.

    Parameters
    ----------
    solved
        Where delays and prices come from.
    limits, prepared, state
        Where they go; links that are new there have no delay and no price, links that a project has changed those of their old flow on them.
    year
        Year position whose capacities and preloads the state has; they decide only which roads are usable.
    """
    there, here = solved.prepared.states[solved.state].inputs, prepared.states[state].inputs
    supply = make_supply(solved.limits, solved.prepared, solved.state, solved.year)
    own = make_supply(limits, prepared, state, year)
    before = delay_value(supply.road.delay, solved.equilibrium.road.flow.sum(axis=0))
    changed = _at_old_flow(there.road.network, solved.equilibrium.road.flow.sum(axis=0), here.road.network, own.road.delay)
    hours = _carry(there.road.network, before, here.road.network, np.where(np.isnan(changed), here.road_hours, changed))
    values = own.road_values.copy()
    values[ROAD_VALUES.index("hours")] = hours
    skims, road = {}, []
    for kind, name in enumerate(ROAD_CLASSES):
        usable = np.isfinite(own.road.fixed_cost[kind])
        cost = np.where(usable, own.road.fixed_cost[kind] + hours, 0.0)
        skims[name] = _skimmed(here.road.network, cost, values, usable)
        road.append(_sums(skims[name]))
    at_year = delay_value(supply.lines.delay, solved.equilibrium.lines.flow[0])
    lines, prices_of = {}, {}
    for name in LINES:
        new, part = leg_network(here, name), own.line_arcs[name]
        old, arcs = leg_network(there, name), supply.line_arcs[name]
        delay = DelayArrays(*(getattr(own.lines.delay, f.name)[part] for f in fields(DelayArrays)))
        fresh = np.nan_to_num(_at_old_flow(old, solved.equilibrium.lines.flow[0, arcs], new, delay))
        price = _carry(old, at_year[arcs], new, fresh)
        prices_of[name] = price
        along = own.line_values[:, part].copy()
        along[0] = price
        skims[name] = _skimmed(new, own.lines.fixed_cost[0, part] + price, along)
        lines[name] = _sums(skims[name])
    places = {}
    for terminal, prices in solved.equilibrium.conditions.places.items():
        places[terminal] = prices
        if terminal == "yard":
            old_price = dict(zip(there.rail.network.terminals, prices, strict=True))
            places[terminal] = np.array([old_price.get(name, 0.0) for name in here.rail.network.terminals])
    return Frozen(Conditions(np.stack(road), lines, places, solved.equilibrium.conditions.charge), skims, hours, prices_of)


def _sums(found: Skim) -> Array:
    """Return the path sums of a skim ``[value, start, end]``."""
    return np.stack(list(found.components.values()))


def _at_old_flow(old: CompiledNetwork, flow: Array, new: CompiledNetwork, delay: DelayArrays) -> Array:
    """Return the delay of arcs that a project has changed between two networks at the flow of the arc before, NaN for all others."""
    same = frozenset(old.link_ids)
    known = {(base_id(old.link_ids[link]), bool(f)): v for link, f, v in zip(old.link, old.forward, flow, strict=True)}
    before = np.full(new.head.size, np.nan)
    for arc, (link, forward) in enumerate(zip(new.link, new.forward, strict=True)):
        name = new.link_ids[link]
        if name not in same:
            before[arc] = known.get((base_id(name), bool(forward)), np.nan)
    if np.isnan(before).all():
        return before
    return np.where(np.isnan(before), np.nan, delay_value(delay, np.nan_to_num(before)))


def _carry(old: CompiledNetwork, values: Array, new: CompiledNetwork, default: Array) -> Array:
    """Return values of arcs carried from one network to another by link and direction."""
    known = {(old.link_ids[link], bool(f)): v for link, f, v in zip(old.link, old.forward, values, strict=True)}
    return np.array(
        [known.get((new.link_ids[link], bool(f)), d) for link, f, d in zip(new.link, new.forward, default, strict=True)]
    )


def _skimmed(network: CompiledNetwork, cost: Array, values: Array, usable: NDArray[np.bool_] | None = None) -> Skim:
    """Return least-cost paths over the usable arcs, with the sums of values along them."""
    if usable is not None and not usable.all():
        network, cost, values = _without(network, usable), cost[usable], values[:, usable]
    return skim(network, cost, {f"{k:02d}": values[k] for k in range(values.shape[0])})


def _without(network: CompiledNetwork, usable: NDArray[np.bool_]) -> CompiledNetwork:
    """Return the network with only some of its arcs."""
    tail = network.tail[usable]
    arrays = {
        name: getattr(network, name)[usable]
        for name in (
            "head",
            "length_km",
            "tariff_km",
            "hours",
            "territory_km",
            "capacity_t_per_year",
            "class_code",
            "link",
            "forward",
        )
    }
    indptr = np.searchsorted(tail, np.arange(len(network.nodes) + 1)).astype(np.int64)
    return replace(network, tail=tail, indptr=indptr, **arrays)
