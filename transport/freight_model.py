"""The solved freight model: costs, calibration on the base year, the two speeds.

Paths and terminal pairs come from the network states, demand from the base year; costs, growth and choice are computed for every draw and year.
Constants are calibrated on 2020 only.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from networks.draws import Compact, solve_draws
from networks.errors import CalibrationError
from networks.measure import fold_sites
from networks.solve import Costs, Solution, solve_freight
from networks.wiring import expressway_territory_km
from transport.freight_calibration import MARGINS, aim_of, captive_totals, fit_constants, fit_settings, margin_weights
from transport.freight_capacity import Frozen, YearEquilibria, base_equilibrium, conditioned, frozen_states, year_equilibria
from transport.freight_costs import make_costs
from transport.freight_draws import fit_further
from transport.freight_limits import Limits, read_limits
from transport.freight_prepare import Prepared, Tables, prepare
from transport.freight_quotas import Quotas, charged, no_charge, with_charge
from transport.layout import BASE_YEAR, year_index

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from networks.capacity import Equilibrium
    from networks.choice import Calibration
    from networks.solve import Rows
    from networks.wiring import Conditions
    from transport.params import Params

    Array = NDArray[np.float64]

_BASE = year_index(BASE_YEAR)
#: Years whose flows by link and OD are kept.
DETAIL_YEARS: tuple[int, ...] = (2020, 2025, 2030, 2035)


@dataclass(frozen=True)
class Speed:
    """One of the two speeds: its calibration, its solution, the rows of any year with the delays and prices it runs at, and the charges of quotas.

    ``outlay`` is what shippers pay at given prices ``[draw, year]`` [CNY/yr], where a light run was asked for it.
    """

    fitted: Calibration
    solution: Solution
    adapt: Callable[[Rows, int], Rows]
    charge: Callable[[int], Array | None] = no_charge
    outlay: Array | None = None


@dataclass(frozen=True)
class FreightModel:
    """Everything a run of the freight model came to.

    Attributes
    ----------
    prepared, costs, limits
        Networks and demand, costs by draw and year, limits of the networks.
    speed
        The speed that the results are made from.
    fixed
        The fixed speed, for comparison; the same as ``speed`` if nothing else was asked for.
    frozen
        States at the delays and prices of the base year.
    years
        Equilibria by year position, ``None`` at the fixed speed.
    quotas
        Collection quotas of ports, ``None`` without any.
    """

    prepared: Prepared
    costs: Costs
    limits: Limits
    speed: Speed
    fixed: Speed
    frozen: tuple[Frozen, ...]
    years: YearEquilibria | None
    quotas: Quotas | None = None

    def conditions(self, year: int) -> Conditions:
        """Return the delays, prices and charges that the chains of a year position answer to, at the speed of the results."""
        if self.years is not None:
            return self.years.years[year].conditions
        return with_charge(self.frozen[self.prepared.state_of_year[year]].conditions, self.speed.charge(year))


def solve_model(
    inputs: Tables,
    params: Params,
    *,
    prepared: Prepared | None = None,
    hold_network_after: int | None = None,
    capacity: Literal["equilibrium", "fixed"] = "equilibrium",
    detail: tuple[int, ...] = DETAIL_YEARS,
    base: BaseModel | None = None,
    light: bool = False,
    paid: Costs | None = None,
) -> FreightModel:
    """Solve the freight of all years.

    Parameters
    ----------
    inputs
        Network and demand tables, and the central parameters.
    params
        Parameters of the run, levers applied, ``[draw, year]``.
    prepared
        From :func:`transport.freight_prepare.prepare` with the same inputs and planned links; built if not given.
    hold_network_after
        Year whose network is kept afterwards, if ``prepared`` is built here.
    capacity
        ``equilibrium``: delays and prices of every year by its own flows (those of the first draw hold for all draws); ``fixed``: those of the
        base year. With ``equilibrium`` the fixed speed is computed as well.
    detail
        Calendar years whose flows by row are kept.
    base
        Solved base year of another run on the same tables, to save solving it once more (:func:`rebased`).
    light
        Only the totals of all draws, no flow by row; at the fixed speed with rows and central constants that ``base`` keeps from run to run.
    paid
        Costs of all draws that the outlay of a light run at the fixed speed is counted by.

    Raises
    ------
    CalibrationError
        If the base year of ``base`` is another one.
    """
    detail = () if light else detail
    if base is None:
        base = solve_base(inputs, params, prepared=prepared, hold_network_after=hold_network_after)
    elif base.params is not params:
        base = rebased(inputs, params, base, light=light and capacity == "fixed")
    ready, costs, frozen = base.prepared, base.costs, base.frozen
    quotas = Quotas.read(params, ready, costs)
    if light and capacity == "fixed":
        speed = _light(inputs, params, base, quotas, paid)
        return FreightModel(ready, costs, base.limits, speed, speed, frozen, None, quotas)

    def solved(conditions: Conditions, adapt: Callable[[Rows, int], Rows], *, keep: bool) -> Speed:
        fitted = refit(inputs, params, base, conditions, adapt, keep=keep)
        charge: Callable[[int], Array | None] = no_charge
        if not keep:  # the equilibria hold their charges already
            adapt, charge = charged(quotas, ready, costs, adapt, fitted.constants)
        solution = solve_freight(
            ready.demand.demand,
            [s.rows for s in ready.states],
            ready.state_of_year,
            costs,
            fitted.constants,
            detail=tuple(year_index(y) for y in detail),
            adapt=adapt,
        )
        return Speed(fitted, solution, adapt, charge)

    @functools.lru_cache(maxsize=1)  # years follow each other on the same network
    def held(state: int) -> Rows:
        return conditioned(ready.states[state].rows, ready.states[state], frozen[state].conditions)

    def hold(_: Rows, year: int) -> Rows:
        return held(ready.state_of_year[year])

    fixed = solved(frozen[ready.state_of_year[_BASE]].conditions, hold, keep=False)
    if capacity == "fixed":
        return FreightModel(ready, costs, base.limits, fixed, fixed, frozen, None, quotas)
    years = year_equilibria(base.limits, ready, costs, base.equilibrium, frozen, base.constants, quotas=quotas)
    speed = replace(solved(base.equilibrium.conditions, years.adapt(ready), keep=True), charge=years.charge)
    return FreightModel(ready, costs, base.limits, speed, fixed, frozen, years, quotas)


@dataclass(frozen=True)
class Kept:
    """What light runs on the same networks and base year take from each other at the fixed speed; filled when first asked for.

    Attributes
    ----------
    compacts
        Rows by network state at the delays and prices of the base year.
    first
        Calibration of the central run, and the weights of its margins ``[row, margin]``; one entry or none.
    """

    compacts: dict[int, Compact] = field(default_factory=dict)
    first: list[tuple[Calibration, Array]] = field(default_factory=list)


@dataclass(frozen=True)
class BaseModel:
    """What every solve begins with: networks, costs and limits of the run, and the equilibrium of the base year with its constants.

    Attributes
    ----------
    params
        Of the run.
    prepared, costs, limits
        As in :class:`FreightModel`.
    equilibrium, constants
        Of the base year, first draw.
    frozen
        States at the delays and prices of the base year.
    kept
        What light runs take from each other.
    """

    params: Params
    prepared: Prepared
    costs: Costs
    limits: Limits
    equilibrium: Equilibrium
    constants: Array
    frozen: tuple[Frozen, ...]
    kept: Kept = field(default_factory=Kept)

    def rows(self, state: int) -> Rows:
        """Return the rows of a network state at the delays and prices of the base year."""
        found = self.prepared.states[state]
        return conditioned(found.rows, found, self.frozen[state].conditions)

    def compact(self, state: int) -> Compact:
        """Return the same without zeros, made once."""
        if state not in self.kept.compacts:
            self.kept.compacts[state] = Compact.of(self.rows(state), self.prepared.demand.demand)
        return self.kept.compacts[state]


def first_fit(inputs: Tables, base: BaseModel) -> tuple[Calibration, Array]:
    """Return the calibration of the central run at the fixed speed and the weights of its margins ``[row, margin]``, made once."""
    if not base.kept.first:
        ready, at_base = base.prepared, base.prepared.state_of_year[_BASE]
        rows, central = base.rows(at_base), inputs.params()
        km = expressway_territory_km(ready.states[at_base].wiring, base.frozen[at_base].conditions)
        central_costs = make_costs(central, ready)
        first = fit_constants(inputs, central, ready, central_costs, rows, km, start=base.constants)
        weights, _ = margin_weights(central, ready, rows, km, captive_totals(ready.captive, central_costs))
        base.kept.first.append((first, weights))
    return base.kept.first[0]


def _light(inputs: Tables, params: Params, base: BaseModel, quotas: Quotas | None, paid: Costs | None) -> Speed:
    """Return the fixed speed with the totals of all draws alone."""
    ready, costs, of_year = base.prepared, base.costs, base.prepared.state_of_year
    at_base = of_year[_BASE]
    first, weights = first_fit(inputs, base)
    aim = aim_of(inputs, params, ready, costs, weights)
    fitted = fit_further(first, base.compact(at_base), ready.demand.demand, costs, aim)

    @functools.cache
    def charge(year: int) -> Array | None:
        if quotas is None or not quotas.share[:, year].any():
            return None
        cost = base.compact(of_year[year]).cost(costs, 0, year)[None, :]
        return quotas.charges(ready, costs, cost, fitted.constants, year)

    outlay = None if paid is None else np.zeros(costs.scale.shape)
    totals, served, unserved = solve_draws(
        ready.demand.demand,
        lambda year: base.compact(of_year[year]),
        costs,
        fitted.constants,
        charge=charge,
        paid=paid,
        outlay=outlay,
    )
    solution = Solution(fold_sites(totals, costs.siding_share, costs.pipe_share), served, unserved, {}, {})

    def adapt(rows: Rows, year: int) -> Rows:
        msg = (
            f"a light run keeps no rows: those of year position {year} ({rows.demand.size}) were asked for; run it without light"
        )
        raise CalibrationError(msg)

    return Speed(fitted, solution, adapt, charge, outlay)


def solve_base(
    inputs: Tables, params: Params, *, prepared: Prepared | None = None, hold_network_after: int | None = None
) -> BaseModel:
    """Solve the base year; arguments as in :func:`solve_model`."""
    ready = prepared if prepared is not None else prepare(inputs, params, hold_network_after=hold_network_after)
    costs, limits = make_costs(params, ready), read_limits(inputs, params, ready)
    central = inputs.params()
    central_costs, settings = make_costs(central, ready), fit_settings(inputs, central)
    wiring = ready.states[ready.state_of_year[_BASE]].wiring

    def fit(rows: Rows, conditions: Conditions, start: Array | None) -> Array:
        km = expressway_territory_km(wiring, conditions)
        return fit_constants(inputs, central, ready, central_costs, rows, km, start=start, settings=settings).constants

    equilibrium, constants = base_equilibrium(limits, ready, costs, fit)
    return BaseModel(params, ready, costs, limits, equilibrium, constants, frozen_states(limits, ready, equilibrium))


def rebased(inputs: Tables, params: Params, base: BaseModel, *, light: bool = False) -> BaseModel:
    """Return the solved base year of another run with the costs and limits of this one: levers act only afterwards.

    Parameters
    ----------
    inputs, params
        Of this run; the network and demand tables are those of the other one.
    base
        From :func:`solve_base` of the other run.
    light
        Whether the limits of the other run do: at the fixed speed only tables read them.

    Raises
    ------
    CalibrationError
        If costs, demand or margins of the base year differ, or links open in other years.
    """
    costs = make_costs(params, base.prepared)
    other = [f.name for f in fields(Costs) if not np.array_equal(_base_costs(costs, f.name), _base_costs(base.costs, f.name))]
    held = ("planned_links_open", *(parameter for _, parameter in MARGINS))
    other += [name for name in held if not np.array_equal(_held(params, name), _held(base.params, name))]
    if other:
        msg = f"the solved base year belongs to another run: {', '.join(other)} differ; solve the base year of this run"
        raise CalibrationError(msg)
    return replace(base, params=params, costs=costs, limits=base.limits if light else read_limits(inputs, params, base.prepared))


def _base_costs(costs: Costs, name: str) -> Array:
    """Return one of the costs in the base year, first draw."""
    array: Array | None = getattr(costs, name)
    if array is None or name in {"marks", "saved_h"}:  # only levers move them, after the base year
        return np.zeros(0)
    return np.asarray(array[:, 0, _BASE] if name == "coefficients" else array[..., 0, _BASE])


def _held(params: Params, parameter: str) -> Array:
    """Return what of a parameter the base year stands on, first draw; links without a date may open in any year."""
    found = params.get(parameter)[0]
    return found if parameter == "planned_links_open" else np.asarray(found[_BASE])


def refit(
    inputs: Tables,
    params: Params,
    base: BaseModel,
    conditions: Conditions,
    adapt: Callable[[Rows, int], Rows],
    *,
    keep: bool,
) -> Calibration:
    """Calibrate every draw at the delays and prices of the base year.

    Parameters
    ----------
    inputs, params
        Of the run.
    base
        From :func:`solve_base`.
    conditions, adapt
        Delays and prices of the base year, and what gives them to its rows.
    keep
        Whether the first draw keeps the constants that its equilibrium was found with.
    """
    state = base.prepared.states[base.prepared.state_of_year[_BASE]]
    km = expressway_territory_km(state.wiring, conditions)
    fitted = fit_constants(inputs, params, base.prepared, base.costs, adapt(state.rows, _BASE), km, start=base.constants)
    if keep:
        fitted = replace(fitted, constants=np.concatenate([base.constants[:1], fitted.constants[1:]]))
    return fitted
