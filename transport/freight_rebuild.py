"""A run with other networks after the base year: it takes the solved base year, and every network that it shares, from another run."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from networks.errors import CalibrationError
from transport.freight_capacity import Solved, carried
from transport.freight_costs import make_costs
from transport.freight_limits import make_supply, read_limits
from transport.freight_model import BaseModel
from transport.freight_prepare import prepare
from transport.layout import BASE_YEAR, year_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from networks.capacity import Supply
    from networks.solve import Costs
    from transport.freight_prepare import Prepared, Tables
    from transport.params import Params

    Array = NDArray[np.float64]

_BASE = year_index(BASE_YEAR)
#: Costs that only levers move, after the base year.
_LATER = frozenset({"marks", "saved_h", "group_level"})


def rebuilt(inputs: Tables, params: Params, base: BaseModel, *, hold_network_after: int | None = None) -> BaseModel:
    """Return the solved base year of another run with the networks, costs and limits of this one.

    Parameters
    ----------
    inputs, params, hold_network_after
        Of this run, as in :func:`transport.freight_model.solve_base`; projects, closures and sites may differ from the other run, the central
        parameters not.
    base
        From :func:`transport.freight_model.solve_base` of the other run.

    Returns
    -------
    BaseModel
        What :func:`transport.freight_model.solve_base` of this run would find.

    Raises
    ------
    CalibrationError
        If networks, demand, costs or limits of the base year differ; then the base year of this run has to be solved.
    """
    ready = prepare(inputs, params, hold_network_after=hold_network_after, earlier=base.prepared)
    there, here = base.prepared.state_of_year[_BASE], ready.state_of_year[_BASE]
    costs, limits = make_costs(params, ready), read_limits(inputs, params, ready)
    wrong = []
    if ready.states[here].chains is not base.prepared.states[there].chains:
        wrong.append("networks or demand")
    wrong += _unlike_costs(base.prepared, base.costs, ready, costs)
    if not wrong:
        supplies = make_supply(base.limits, base.prepared, there, _BASE), make_supply(limits, ready, here, _BASE)
        wrong += [] if _same_supply(*supplies) else ["capacities"]
    if wrong:
        msg = f"the solved base year belongs to another run: {', '.join(wrong)} differ; solve the base year of this run"
        raise CalibrationError(msg)
    solved = Solved(limits, ready, here, _BASE, base.equilibrium)
    kept = {id(state.chains): frozen for state, frozen in zip(base.prepared.states, base.frozen, strict=True)}
    frozen = [
        kept.get(id(state.chains)) or carried(solved, limits, ready, index, _BASE) for index, state in enumerate(ready.states)
    ]
    return BaseModel(params, ready, costs, limits, base.equilibrium, base.constants, tuple(frozen))


def _unlike_costs(one: Prepared, first: Costs, other: Prepared, second: Costs) -> list[str]:
    """Return the names of the costs of the base year that differ, first draw; levels of groups by the rows that have them."""
    found = []
    for name in (f.name for f in dataclasses.fields(first) if f.name not in _LATER):
        a, b = getattr(first, name), getattr(second, name)
        at = (slice(None), 0, _BASE) if name == "coefficients" else (..., 0, _BASE)
        if (a is None) != (b is None) or (a is not None and not np.array_equal(a[at], b[at])):
            found.append(name)
    for rows in ("demand", "captive"):
        a, b = (_levels(prepared, costs, rows) for prepared, costs in ((one, first), (other, second)))
        if not np.array_equal(a, b):
            found.append(f"levels of {rows}")
    return found


def _levels(prepared: Prepared, costs: Costs, rows: str) -> Array:
    """Return the level of every row of the demand, or of the captive flows, in the base year."""
    whole = prepared.demand
    group = whole.demand.group if rows == "demand" else whole.captive["group"].to_numpy()
    found: Array = costs.group_level[group, 0, _BASE]
    return found


def _same_supply(one: Supply, other: Supply) -> bool:
    """Return whether two runs have the same capacities and free delays."""
    delays = [(one.road.delay, other.road.delay), (one.lines.delay, other.lines.delay)]
    arrays = [(getattr(a, f.name), getattr(b, f.name)) for a, b in delays for f in dataclasses.fields(a)]
    arrays += [(one.road.fixed_cost, other.road.fixed_cost), (one.lines.fixed_cost, other.lines.fixed_cost)]
    arrays += [(place.capacity_t, other.places[kind].capacity_t) for kind, place in one.places.items()]
    return all(np.array_equal(a, b, equal_nan=True) for a, b in arrays)
