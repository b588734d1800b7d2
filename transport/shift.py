"""Who moved where and why: tonnes that change their main mode between two runs, by commodity, pair and cause.

Two runs of one year differ in prices, times, access, capacity, demand or behaviour. The causes are switched one after the other in every order;
each receives its mean effect (:mod:`transport.shapley`), so that the causes sum to the difference of the two runs, pair by pair and mode by mode.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from networks.parts import LEG_MODES, NEST
from networks.solve import Costs, demand_flow, flow_at_cost, row_costs
from transport.freight_capacity import Solved, carried, conditioned
from transport.freight_costs import make_costs
from transport.freight_demand import COMMODITIES
from transport.freight_quotas import with_charge
from transport.layout import year_index
from transport.shapley import split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from networks.wiring import Conditions
    from transport.freight_model import FreightModel
    from transport.freight_prepare import State
    from transport.params import Params

    Array = NDArray[np.float64]

#: Causes in the order in which tables show them. ``capacity`` holds delays and scarcity prices, whatever made them change.
CAUSES: tuple[str, ...] = ("cost", "time", "access", "capacity", "behaviour", "demand")
#: Cause of the parameters that are no price, as data names it (table ``networks/shift_causes``); all others are prices.
_PRICE = "cost"
#: Where tonnes go that no chain can carry, after the main modes.
UNSERVED = "unserved"
_MODES = (*LEG_MODES, UNSERVED)
#: What stands for the ports of goods that choose among them.
SEA = "SEA"
#: Less than this is rounding [t/yr].
_LEAST_T = 1e-6


class ShiftError(ValueError):
    """Two runs cannot be compared pair by pair."""


@dataclass(frozen=True)
class Side:
    """One of the two runs: its parameters and its solved model (:func:`transport.freight_year.solve_year`)."""

    params: Params
    model: FreightModel

    def state(self, year: int) -> State:
        """Return the network state of a year position."""
        prepared = self.model.prepared
        return prepared.states[prepared.state_of_year[year]]


def shift_table(before: Side, after: Side, year: int, causes: Mapping[str, str]) -> pl.DataFrame:
    """Return the tonnes that move between main modes from one run to another in one year, by commodity, pair and cause.

    Parameters
    ----------
    before, after
        The two runs, at the same speed of the freight model.
    year
        Calendar year.
    causes
        Cause of each parameter that is no price (table ``networks/shift_causes``).

    Returns
    -------
    DataFrame
        Columns commodity, origin, destination, cause, from_mode, to_mode, t [t/yr], sorted. Added demand comes from no mode (null) and may be negative. Goods
        that choose their port have ``SEA`` at that end.

    Raises
    ------
    ShiftError
        If the runs have other pairs of origin and destination (other demand tables).
    ValueError
        If only one of the runs has capacity limits.

    Notes
    -----
    With v(S) the tonnes by pair and mode when the causes of S have their new and all others their old values, each cause receives its Shapley value
    of v(all) - v(none). Access switches the network of the year, capacity its delays and prices; prices of one run on the network of the other are
    those of the same links, and none on links that are new. Within a pair and cause what the losing modes lose goes to the gaining modes in
    proportion to their gains.
    """
    position = year_index(year)
    _comparable(before, after)
    switched = _differing(before.params, after.params, causes)
    players = [c for c in CAUSES if c in _players(before, after, position, set(switched.values()))]
    parts = split(lambda on: _mode_tonnes(before, after, position, on, switched), players)
    keys = _pair_keys(before.model)
    frames = [_moves(keys, cause, parts[cause]) for cause in players if bool((np.abs(parts[cause]) > _LEAST_T).any())]
    if not frames:
        return _moves(keys, _PRICE, np.zeros((0, len(_MODES))))
    order = ["commodity", "origin", "destination", "cause", "from_mode", "to_mode"]
    return pl.concat(frames).sort(order, nulls_last=True)


def cause_rows(table: pl.DataFrame) -> dict[str, str]:
    """Return the cause of each parameter that is no price, from the rows of ``networks/shift_causes``."""
    return dict(table.select("parameter", "cause").iter_rows())


def mode_tonnes(model: FreightModel, year: int) -> pl.DataFrame:
    """Return the tonnes of a run by commodity, pair and main mode in one year [t/yr], as :func:`shift_table` counts them.

    Parameters
    ----------
    model
        A solved model with the flows of that year.
    year
        Calendar year.
    """
    position = year_index(year)
    prepared = model.prepared
    rows = prepared.states[prepared.state_of_year[position]].rows
    asked = demand_flow(prepared.demand.demand, model.costs, slice(0, 1), position)[0]
    tonnes = _by_mode(rows.demand, rows.alternative, model.speed.solution.flows[position], asked)
    keys = _pair_keys(model)
    frames = [keys.with_columns(pl.lit(mode).alias("mode"), pl.Series("t", tonnes[:, k])) for k, mode in enumerate(_MODES)]
    return pl.concat(frames).group_by("commodity", "origin", "destination", "mode").agg(pl.col("t").sum())


def shift_summary(table: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Return what moved between modes summed by some columns, largest first.

    Parameters
    ----------
    table
        From :func:`shift_table`.
    by
        Columns beside from_mode and to_mode.
    """
    keys = [*by, "from_mode", "to_mode"]
    return table.group_by(keys).agg(pl.col("t").sum()).sort(pl.col("t").abs(), *keys, descending=[True] + [False] * len(keys))


# --- what differs -------------------------------------------------------------------------------------------------------------------


def _comparable(before: Side, after: Side) -> None:
    one, two = before.model.prepared.demand.demand, after.model.prepared.demand.demand
    same = all(
        np.array_equal(getattr(one, name), getattr(two, name))
        for name in ("pair", "commodity", "origin", "destination", "row", "port")
    )
    if not same:
        msg = "the runs have other pairs of origin and destination (a data pack changed the demand tables); their shift cannot be split pair by pair"
        raise ShiftError(msg)
    if (before.model.years is None) != (after.model.years is None):
        msg = "one run has capacity limits and the other fixed delays; run both alike"
        raise ValueError(msg)


def _differing(before: Params, after: Params, causes: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """Return the cause of every parameter and subject, known to both runs, whose values differ."""
    return {(name, subject): causes.get(name, _PRICE) for name, subject in before.unlike(after)}


def _players(before: Side, after: Side, year: int, found: set[str]) -> set[str]:
    """Return the causes that differ at all."""
    found = set(found)
    if not _same_network(before.state(year), after.state(year)):
        found.add("access")
    # the charge of a collection quota is a price of scarcity as well, at either speed
    if before.model.years is not None or before.model.quotas is not None or after.model.quotas is not None:
        found.add("capacity")
    if not np.array_equal(before.model.speed.fitted.constants, after.model.speed.fitted.constants):
        found.add("behaviour")
    same = np.array_equal(_asked(before, year), _asked(after, year))
    return found - {"demand"} if same else found | {"demand"}


def _asked(side: Side, year: int) -> Array:
    """Return the demand of every row in a year position, first draw [t/yr]."""
    found: Array = demand_flow(side.model.prepared.demand.demand, side.model.costs, slice(0, 1), year)[0]
    return found


def _same_network(one: State, two: State) -> bool:
    """Return whether two states have the same links, stations and connections."""
    return bool(
        one.links["link_id"].equals(two.links["link_id"])
        and one.inputs.rail.network.terminals == two.inputs.rail.network.terminals
        and np.array_equal(one.chains.pair, two.chains.pair)
        and np.array_equal(one.chains.part.components, two.chains.part.components)
        and np.array_equal(one.rows.marks, two.rows.marks)
    )


# --- values of the game -------------------------------------------------------------------------------------------------------------


def _mode_tonnes(before: Side, after: Side, year: int, on: frozenset[str], switched: Mapping[tuple[str, str], str]) -> Array:
    """Return tonnes by demand row and mode ``[row, mode]`` with the causes of a set switched on."""
    place = after if "access" in on else before
    other = before if place is after else after
    params = place.params
    for (name, subject), cause in switched.items():
        if (after if cause in on else before) is not place and cause != "demand":
            params = params.replace(name, subject, other.params.get(name, subject))
    asked = _asked(after if "demand" in on else before, year)
    costs = _with_level_one(make_costs(params, place.model.prepared))
    demand = replace(place.model.prepared.demand.demand, t_per_year=asked)
    state = place.state(year)
    rows = conditioned(state.rows, state, _conditions(place, after if "capacity" in on else before, year))
    constants = (after if "behaviour" in on else before).model.speed.fitted.constants[:1]
    only = slice(0, 1)
    flow = flow_at_cost(rows, demand, costs, row_costs(rows, costs, only, year), constants, only, year)[0]
    return _by_mode(rows.demand, rows.alternative, flow, asked)


def _by_mode(row: NDArray[np.int64], alternative: NDArray[np.int64], flow: Array, asked: Array) -> Array:
    """Return tonnes by demand row and mode ``[row, mode]``, what no chain carries last."""
    found = np.zeros((asked.size, len(_MODES)))
    nest = NEST[alternative]
    for mode in range(len(LEG_MODES)):
        mine = nest == mode
        found[:, mode] = np.bincount(row[mine], flow[mine], minlength=asked.size)
    found[:, -1] = asked - found[:, :-1].sum(axis=1)
    found[np.abs(found) < _LEAST_T] = 0.0
    return found


def _with_level_one(costs: Costs) -> Costs:
    """Return costs whose growth is one: the demand is given in its own year."""
    return replace(costs, growth=np.ones_like(costs.growth), group_level=np.ones_like(costs.group_level))


def _conditions(place: Side, source: Side, year: int) -> Conditions:
    """Return the delays and prices of one run on the network of the other."""
    here = place.model.prepared.state_of_year[year]
    if place.model.years is None or source.model.years is None:
        return with_charge(place.model.frozen[here].conditions, source.model.speed.charge(year))
    there, equilibrium = source.model, source.model.years.years[year]
    if place is source or _same_network(place.state(year), source.state(year)):
        conditions: Conditions = equilibrium.conditions
        return conditions
    solved = Solved(there.limits, there.prepared, there.prepared.state_of_year[year], year, equilibrium)
    return carried(solved, place.model.limits, place.model.prepared, here, year).conditions


# --- table --------------------------------------------------------------------------------------------------------------------------


def _pair_keys(model: FreightModel) -> pl.DataFrame:
    """Return commodity, origin and destination of every demand row; the end at which goods choose their port is the sea."""
    zones, demand = np.array([*model.prepared.zones.ids, SEA]), model.prepared.demand.demand
    ends = []
    for zone in (demand.origin, demand.destination):
        first = np.full(demand.commodity.size, -1)
        first[demand.row[::-1]] = zone[demand.pair[::-1]]
        differs = np.zeros(demand.commodity.size, dtype=np.bool_)
        differs[demand.row[zone[demand.pair] != first[demand.row]]] = True
        ends.append(zones[np.where(differs, zones.size - 1, first)])
    return pl.DataFrame({"commodity": np.array(COMMODITIES)[demand.commodity], "origin": ends[0], "destination": ends[1]})


def _moves(keys: pl.DataFrame, cause: str, change: Array) -> pl.DataFrame:
    """Return the moves between modes behind the changes by demand row and mode ``[row, mode]`` of one cause."""
    row, source, target, tonnes = _demand_moves(change) if cause == "demand" else moves(change)
    names = pl.Series([*_MODES, None], dtype=pl.String)
    return (
        keys[row]
        .with_columns(
            pl.lit(cause).alias("cause"), names[source].alias("from_mode"), names[target].alias("to_mode"), pl.Series("t", tonnes)
        )
        .group_by("commodity", "origin", "destination", "cause", "from_mode", "to_mode", maintain_order=True)
        .agg(pl.col("t").sum())
    )


def _demand_moves(change: Array) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], Array]:
    row, target = np.nonzero(np.abs(change) > _LEAST_T)
    return row, np.full(row.size, len(_MODES)), target, change[row, target]


def moves(change: Array) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], Array]:
    """Return who went where behind the changes of modes: what is lost goes to the gaining modes in proportion to their gains.

    Parameters
    ----------
    change
        Tonnes gained ``[row, mode]`` [t/yr]; a row sums to zero.

    Returns
    -------
    array, array, array, array
        Row, losing mode, gaining mode and tonnes [t/yr], all positive.

    Examples
    --------
    >>> row, source, target, t = moves(np.array([[-6.0, 4.0, 2.0], [1.0, 0.0, -1.0]]))
    >>> list(zip(row.tolist(), source.tolist(), target.tolist(), t.tolist()))
    [(0, 0, 1, 4.0), (0, 0, 2, 2.0), (1, 2, 0, 1.0)]
    """
    gain, loss = np.maximum(change, 0.0), np.maximum(-change, 0.0)
    whole = gain.sum(axis=1)
    move = loss[:, :, None] * gain[:, None, :] / np.where(whole > 0, whole, 1.0)[:, None, None]
    row, source, target = np.nonzero(move > 0)
    return row, source, target, move[row, source, target]
