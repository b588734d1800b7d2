"""What freight costs and carries without some measures: the same demand without new sidings, new pipe connections, or any shift of modes.

First draw, from the base year on, at the delays and scarcity prices of the run. Measures are taken away one after the other (:data:`STATES`), so
that the steps sum to the whole and none is counted twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from networks.cost import COMPONENTS
from networks.measure import fold_sites
from networks.parts import LEG_MODES, NEST
from networks.solve import row_costs, row_flow
from transport.freight_costs import PIPE_OF, make_costs
from transport.freight_demand import COMMODITIES
from transport.layout import BASE_YEAR, YEARS, year_index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from networks.solve import Costs, Rows
    from transport.freight_model import FreightModel
    from transport.freight_prepare import Prepared
    from transport.params import Params

    Array = NDArray[np.float64]

_BASE = year_index(BASE_YEAR)
_FIRST = slice(0, 1)
_LAST_MILE = COMPONENTS.index("last_mile_km")
#: The states of freight: as run, then less and less of it. Each step between two neighbours is one measure.
STATES: tuple[str, ...] = ("run", "without_connections", "without_sidings", "base_shares")
#: Parameters of the run that a state takes from the base year.
_TAKEN: dict[str, tuple[str, ...]] = {
    "run": (),
    "without_connections": ("new_pipeline_connection_share",),
    "without_sidings": ("new_pipeline_connection_share", "new_siding_share"),
}
#: Prices that only move money between shippers and the public purse, or are no money at all.
_NO_OUTLAY = (
    "value_of_time_cargo",
    "freight_carbon_price",
    "container_rail_subsidy",
    "port_road_clean_charge",
    "bulk_road_rule_compliance",
)
#: Rows of the trucks that the price of a tonne by road follows.
IN_RATES: tuple[str, ...] = (
    "truck_payload",
    "truck_load_factor",
    "truck_loaded_km_share",
    "overload_share",
    "overload_excess",
    "overload_enforcement",
)


@dataclass(frozen=True)
class FreightState:
    """Freight of one state, first draw.

    Attributes
    ----------
    totals
        ``[commodity, measure, 1, year]`` as :attr:`networks.solve.Solution.totals`.
    outlay
        What shippers pay for chains by main mode ``[mode, year]`` [CNY/yr], at the prices of the run; 0 before the base year. Fuel is in yuan of 2023;
        rates without a year of prices stand as published or assumed and are taken as prices of 2023.
    """

    totals: Array
    outlay: Array


def freight_states(params: Params, model: FreightModel) -> dict[str, FreightState]:
    """Return the states of freight in the order of :data:`STATES`; a state in which nothing differs from the one before is the same value.

    Parameters
    ----------
    params
        Of the run.
    model
        Solved model.

    Notes
    -----
    ``base_shares``: every demand row splits over its chains as in the base year (its network, costs and constants), with the demand of each year.
    Outlay = sum over chains of tonnes x components x prices: tariffs, tolls, fuel, drivers, handling; no value of time, carbon price, subsidy or
    charge of a quota. Sidings and connections that are built pay no tariff: their own cost stands elsewhere.
    """
    prices = outlay_prices(params, model.prepared)
    plans: dict[str, _Plan] = {}
    last: tuple[str, ...] | None = None
    for name, taken in _TAKEN.items():
        changed = tuple(p for p in taken if not _is_flat(params.get(p)))
        if changed == last:
            plans[name] = plans[list(plans)[-1]]
            continue
        here, paid, last = params, prices, changed
        for parameter in changed:
            held = _held(params.get(parameter))
            here, paid = here.replace(parameter, "all", held), paid.replace(parameter, "all", held)
        costs = make_costs(here, model.prepared) if changed else model.costs
        plans[name] = _Plan(costs, _money(paid, model.prepared), base_shares=False)
    held_prices = prices
    for parameter in _TAKEN["without_sidings"]:
        held_prices = held_prices.replace(parameter, "all", _held(params.get(parameter)))
    plans["base_shares"] = _Plan(model.costs, _money(held_prices, model.prepared), base_shares=True)
    distinct = list({id(plan): plan for plan in plans.values()}.values())
    made = {id(plan): state for plan, state in zip(distinct, _states(model, distinct), strict=True)}
    return {name: made[id(plan)] for name, plan in plans.items()}


@dataclass(frozen=True)
class _Plan:
    """How a state is worked out: costs that choose, prices that are paid, and whether network, costs and shares are those of the base year."""

    costs: Costs
    money: Costs
    base_shares: bool


def outlay_prices(params: Params, prepared: Prepared) -> Params:  # noqa: ARG001
    """Return the parameters whose freight costs are money alone, in yuan of 2023.

    Parameters
    ----------
    params
        Of the run.
    prepared
        Of the run; its tables do not depend on prices.
    """
    fuel = params.get("road_freight_fuel_price") / params.get("consumer_price_index")
    paid = params.replace("road_freight_fuel_price", "all", fuel)
    for parameter in _NO_OUTLAY:
        for subject in params.subjects(parameter):
            paid = paid.replace(parameter, subject, np.zeros((1, 1)))
    return paid


def outlay_costs(params: Params, plain: Params, prepared: Prepared) -> Costs:
    """Return the costs by which the outlay of cases is counted: the rates of the rows, so that a tariff that a lever cuts saves nothing by itself.

    Parameters
    ----------
    params, plain
        Parameters of the cases with and without their levers, as many draws.
    prepared
        Networks of the cases.

    Notes
    -----
    Loads and empty km of trucks (:data:`IN_RATES`), sidings and connections are those of the case: they do move what it takes to carry a tonne.
    """
    rates = plain
    for parameter in (*IN_RATES, *_TAKEN["without_sidings"]):
        for subject in params.subjects(parameter):
            rates = rates.replace(parameter, subject, params.get(parameter, subject))
    return _money(outlay_prices(rates, prepared), prepared)


def _money(paid: Params, prepared: Prepared) -> Costs:
    """Return the costs at money prices; connections that are built pay no tariff of their own."""
    costs = make_costs(paid, prepared)
    coefficients = costs.coefficients.copy()
    built = paid.get("new_pipeline_connection_share")
    for commodity, kind in PIPE_OF.items():
        coefficients[COMMODITIES.index(commodity), :, :, _LAST_MILE] -= built * paid.get("pipeline_tariff_per_km", kind)
    return replace(costs, coefficients=coefficients)


def _states(model: FreightModel, plans: Sequence[_Plan]) -> list[FreightState]:
    """Return the state of every plan; the rows of a year are made once for all of them."""
    prepared = model.prepared
    totals = [model.speed.solution.totals[:, :, _FIRST].copy() for _ in plans]
    outlay = [np.zeros((len(LEG_MODES), len(YEARS))) for _ in plans]
    base = model.speed.adapt(prepared.states[prepared.state_of_year[_BASE]].rows, _BASE)
    for year in range(_BASE, len(YEARS)):
        now = base if year == _BASE else model.speed.adapt(prepared.states[prepared.state_of_year[year]].rows, year)
        for k, plan in enumerate(plans):
            rows, at = (base, _BASE) if plan.base_shares else (now, year)
            flow = _flow(model, rows, _with_demand(plan.costs, year, at) if plan.base_shares else plan.costs, at)
            folded = np.stack([flow[a:b] @ rows.measure[a:b] for a, b in rows.slices])[:, :, None, None]
            siding, pipe = (share[_FIRST, at : at + 1] for share in (plan.costs.siding_share, plan.costs.pipe_share))
            totals[k][:, :, :, year : year + 1] = fold_sites(folded, siding, pipe)
            paid = flow * row_costs(replace(rows, price=np.zeros(rows.price.size)), plan.money, _FIRST, year)[0]
            outlay[k][:, year] = np.bincount(NEST[rows.alternative], weights=paid, minlength=len(LEG_MODES))
    return [FreightState(*pair) for pair in zip(totals, outlay, strict=True)]


def _flow(model: FreightModel, rows: Rows, costs: Costs, year: int) -> Array:
    """Return the flow of each row, first draw ``[row]`` [t/yr]."""
    flow, _ = row_flow(rows, model.prepared.demand.demand, costs, model.speed.fitted.constants[_FIRST], _FIRST, year)
    first: Array = flow[0]
    return first


def _with_demand(costs: Costs, year: int, at: int) -> Costs:
    """Return costs whose year position ``at`` has the demand of ``year``."""
    growth, level = costs.growth.copy(), costs.group_level.copy()
    growth[..., at], level[..., at] = growth[..., year], level[..., year]
    return replace(costs, growth=growth, group_level=level)


def _held(path: Array) -> Array:
    """Return a path ``[draw, year]`` that stays as in the base year."""
    held = path.copy()
    held[:, _BASE + 1 :] = path[:, _BASE : _BASE + 1]
    return held


def _is_flat(path: Array) -> bool:
    """Return whether a path does not change after the base year, first draw."""
    return bool((path[0, _BASE:] == path[0, _BASE]).all())
