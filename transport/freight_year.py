"""The freight model of one year, for questions about it: the base year and that year are solved, any other only when somebody asks for it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, overload

import numpy as np

from networks.solve import Solution, row_flow
from transport.freight_capacity import YearEquilibria, conditioned, year_equilibrium
from transport.freight_model import FreightModel, Speed, rebased, refit, solve_base
from transport.freight_quotas import Quotas, charged
from transport.layout import BASE_YEAR, YEARS, year_index

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from networks.capacity import Equilibrium
    from networks.solve import Costs, Rows
    from networks.wiring import Conditions
    from transport.freight_model import BaseModel
    from transport.freight_prepare import Prepared, Tables
    from transport.params import Params

    Array = NDArray[np.float64]

_BASE = year_index(BASE_YEAR)


class _OnDemand(Sequence["Equilibrium"]):
    """Equilibria by year position, each solved when it is first asked for."""

    def __init__(self, solve: Callable[[int], Equilibrium]) -> None:
        self._solve = functools.cache(solve)

    def __len__(self) -> int:
        return len(YEARS)

    @overload
    def __getitem__(self, year: int) -> Equilibrium: ...
    @overload
    def __getitem__(self, year: slice) -> Sequence[Equilibrium]: ...
    def __getitem__(self, year: int | slice) -> Equilibrium | Sequence[Equilibrium]:
        positions = range(len(YEARS))[year]
        return self._solve(positions) if isinstance(positions, int) else [self._solve(y) for y in positions]


def solve_year(
    inputs: Tables,
    params: Params,
    year: int,
    *,
    prepared: Prepared | None = None,
    hold_network_after: int | None = None,
    capacity: Literal["equilibrium", "fixed"] = "equilibrium",
    base: BaseModel | None = None,
) -> FreightModel:
    """Solve the freight of one year, first draw: the same flows, delays and prices as :func:`transport.freight_model.solve_model` finds for it.

    Parameters
    ----------
    inputs, params, prepared, hold_network_after, capacity, base
        As there.
    year
        Calendar year.

    Returns
    -------
    FreightModel
        With flows and costs of that year and no totals; ``fixed`` is ``speed``, whichever was asked for. ``years`` solves any other year when asked.
    """
    if base is None:
        base = solve_base(inputs, params, prepared=prepared, hold_network_after=hold_network_after)
    else:
        base = rebased(inputs, params, base)
    ready, costs, frozen = base.prepared, base.costs, base.frozen
    years, quotas = None, Quotas.read(params, ready, costs)
    at_base, adapt = frozen[ready.state_of_year[_BASE]].conditions, _held(ready, [f.conditions for f in frozen])
    if capacity == "equilibrium":
        solve = functools.partial(
            year_equilibrium, base.limits, ready, costs, base.equilibrium, frozen, base.constants, quotas=quotas
        )
        years = YearEquilibria(_OnDemand(solve), base.constants)
        at_base, adapt = base.equilibrium.conditions, years.adapt(ready)
    fitted = refit(inputs, params, base, at_base, adapt, keep=years is not None)
    if years is None:
        adapt, charge = charged(quotas, ready, costs, adapt, fitted.constants)
    else:
        charge = years.charge
    speed = Speed(fitted, solve_year_rows(ready, costs, adapt, fitted.constants, year_index(year)), adapt, charge)
    return FreightModel(ready, costs, base.limits, speed, speed, frozen, years, quotas)


def _held(prepared: Prepared, conditions: Sequence[Conditions]) -> Callable[[Rows, int], Rows]:
    """Return what gives the rows of a state its delays and prices of the base year."""

    def held(rows: Rows, year: int) -> Rows:
        state = prepared.state_of_year[year]
        return conditioned(rows, prepared.states[state], conditions[state])

    return held


def solve_year_rows(
    prepared: Prepared, costs: Costs, adapt: Callable[[Rows, int], Rows], constants: Array, year: int
) -> Solution:
    """Return flows and costs of one year, first draw; the year axis of the totals is empty.

    Parameters
    ----------
    prepared, costs
        Of the run.
    adapt
        Gives the rows of a state the delays and prices of the year.
    constants
        Fitted constants ``[draw, constant]``.
    year
        Position on the year axis.
    """
    rows = adapt(prepared.states[prepared.state_of_year[year]].rows, year)
    flow, cost = row_flow(rows, prepared.demand.demand, costs, constants[:1], slice(0, 1), year)
    commodities = costs.growth.shape[0]
    none = np.zeros((commodities, 1, 0))
    return Solution(np.zeros((commodities, rows.measure.shape[1], 1, 0)), none, none, {year: flow[0]}, {year: cost[0]})
