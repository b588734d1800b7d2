"""The solved freight model: costs, calibration on the base year, the two speeds.

Paths and terminal pairs come from the network states, demand from the base year; costs, growth and choice are computed for every draw and year.
Constants are calibrated on 2020 only.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from networks.choice import Calibration, calibrate
from networks.errors import CalibrationError
from networks.measure import MEASURE, MEASURES
from networks.parts import ALTERNATIVES, LEG_MODES
from networks.ports import fit_ports
from networks.solve import CONSTANTS, Costs, Solution, choice_problem, flow_at_cost, row_costs, solve_freight
from networks.wiring import expressway_territory_km
from transport.freight_capacity import Frozen, YearEquilibria, base_equilibrium, conditioned, frozen_states, year_equilibria
from transport.freight_costs import unit_costs
from transport.freight_demand import COMMODITIES
from transport.freight_limits import Limits, read_limits
from transport.freight_prepare import Captive, Prepared, Tables, central_value, prepare
from transport.layout import BASE_YEAR, YEARS, year_index

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from networks.capacity import Equilibrium
    from networks.solve import Rows
    from networks.wiring import Conditions
    from transport.params import Params

    Array = NDArray[np.float64]

_BASE = year_index(BASE_YEAR)
#: Years whose flows by link and OD are kept.
DETAIL_YEARS: tuple[int, ...] = (2020, 2025, 2030, 2035)
#: Draws calibrated together; bounds the memory of the arrays ``[draw, row]``.
_CHUNK = 8
#: Port constants that move less than this between two rounds of the calibration stay [utility].
_PORTS_STAY, _MOST_TURNS = 1e-4, 30
#: Margins of the calibration in order: item, parameter.
MARGINS: tuple[tuple[str, str], ...] = (
    ("rail_freight_t", "observed_rail_freight_t"),
    ("rail_territory_tkm", "observed_rail_territory_tkm"),
    ("sea_rail_teu", "observed_sea_rail_teu"),
    ("roro_truck_t", "observed_roro_truck_t"),
    ("pipeline_t", "observed_pipeline_t"),
    ("expressway_share", "expressway_share_of_road_tkm"),
)


@dataclass(frozen=True)
class Speed:
    """One of the two speeds: its calibration, its solution, and the rows of any year with the delays and prices it runs at."""

    fitted: Calibration
    solution: Solution
    adapt: Callable[[Rows, int], Rows]


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
    """

    prepared: Prepared
    costs: Costs
    limits: Limits
    speed: Speed
    fixed: Speed
    frozen: tuple[Frozen, ...]
    years: YearEquilibria | None


def solve_model(
    inputs: Tables,
    params: Params,
    *,
    prepared: Prepared | None = None,
    hold_network_after: int | None = None,
    capacity: Literal["equilibrium", "fixed"] = "equilibrium",
    detail: tuple[int, ...] = DETAIL_YEARS,
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
    """
    base = solve_base(inputs, params, prepared=prepared, hold_network_after=hold_network_after)
    ready, costs, frozen = base.prepared, base.costs, base.frozen

    def solved(conditions: Conditions, adapt: Callable[[Rows, int], Rows], *, keep: bool) -> Speed:
        fitted = refit(inputs, params, base, conditions, adapt, keep=keep)
        solution = solve_freight(
            ready.demand.demand,
            [s.rows for s in ready.states],
            ready.state_of_year,
            costs,
            fitted.constants,
            detail=tuple(year_index(y) for y in detail),
            adapt=adapt,
        )
        return Speed(fitted, solution, adapt)

    @functools.lru_cache(maxsize=1)  # years follow each other on the same network
    def held(state: int) -> Rows:
        return conditioned(ready.states[state].rows, ready.states[state], frozen[state].conditions)

    def hold(_: Rows, year: int) -> Rows:
        return held(ready.state_of_year[year])

    fixed = solved(frozen[ready.state_of_year[_BASE]].conditions, hold, keep=False)
    if capacity == "fixed":
        return FreightModel(ready, costs, base.limits, fixed, fixed, frozen, None)
    years = year_equilibria(base.limits, ready, costs, base.equilibrium, frozen, base.constants)
    speed = solved(base.equilibrium.conditions, years.adapt(ready), keep=True)
    return FreightModel(ready, costs, base.limits, speed, fixed, frozen, years)


@dataclass(frozen=True)
class BaseModel:
    """What every solve begins with: networks, costs and limits of the run, and the equilibrium of the base year with its constants.

    Attributes
    ----------
    prepared, costs, limits
        As in :class:`FreightModel`.
    equilibrium, constants
        Of the base year, first draw.
    frozen
        States at the delays and prices of the base year.
    """

    prepared: Prepared
    costs: Costs
    limits: Limits
    equilibrium: Equilibrium
    constants: Array
    frozen: tuple[Frozen, ...]


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
    return BaseModel(ready, costs, limits, equilibrium, constants, frozen_states(limits, ready, equilibrium))


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


def make_costs(params: Params, prepared: Prepared) -> Costs:
    """Return everything that varies by draw and year."""
    level = growth_level(params)
    groups = []
    for name in prepared.demand.groups:
        kind, zone = name.split("|")
        group = np.ones_like(level) if kind == "internal" else params.get("flow_level", kind)
        groups.append(group * params.get("zone_activity", zone) if zone else group)
    # a lower level of a nested logit may not be wider than the one above it
    nest_scale = params.get("freight_nest_scale")
    port_scale = np.minimum(params.get("freight_port_scale"), nest_scale)
    return Costs(
        coefficients=unit_costs(params),
        scale=params.get("freight_cost_scale"),
        nest_scale=nest_scale,
        port_scale=port_scale,
        terminal_scale=np.minimum(params.get("freight_terminal_scale"), port_scale),
        preference=np.stack([params.get("rail_commodity_preference", c) for c in COMMODITIES]),
        sea_preference=params.get("sea_preference"),
        growth=np.stack([params.get("freight_growth_index", c) * level for c in COMMODITIES]),
        group_level=np.stack(groups) if groups else np.ones((1, *level.shape)),
        siding_share=params.get("new_siding_share"),
        pipe_share=params.get("new_pipeline_connection_share"),
    )


def fit_constants(
    inputs: Tables,
    params: Params,
    prepared: Prepared,
    costs: Costs,
    rows: Rows,
    expressway_km: Array,
    *,
    start: Array | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Calibration:
    """Calibrate the constants on the base year: rail tonnes and territory tkm, sea-rail boxes, ro-ro lorries, pipeline tonnes, expressway share, ports.

    Parameters
    ----------
    inputs, params, prepared, costs
        Of the run.
    rows
        Rows of the base year at the delays and prices of the calibration.
    expressway_km
        Kilometres on expressways of the province by chain ``[chain]``.
    start
        Constants of the first draw to start from ``[1, constant]``; for one draw only.
    settings
        From :func:`fit_settings`, for calls in a loop.

    Returns
    -------
    Calibration
        Its ``constants`` hold those of :data:`networks.solve.CONSTANTS`, then those of the ports.

    Notes
    -----
    The constants of modes and of ports are fitted in turn, each with the others held, until the shares of the ports stay.
    """
    captive = captive_totals(prepared.captive, costs)
    central = params if params.draws == 1 else inputs.params()
    measure, fixed = _margin_weights(central, prepared, rows, expressway_km, captive)
    observed = np.stack([params.get(parameter)[:, _BASE] for _, parameter in MARGINS], axis=1)
    fixed = fixed.copy()
    if observed.shape[0] > 1:
        first = fit_constants(inputs, central, prepared, make_costs(central, prepared), rows, expressway_km, start=start)
        start = first.constants
    parts = []
    settings = fit_settings(inputs, params) if settings is None else settings
    for begin in range(0, observed.shape[0], _CHUNK):
        draws = slice(begin, min(begin + _CHUNK, observed.shape[0]))
        parts.append(_fit_draws(prepared, costs, rows, measure, fixed, observed[draws], draws, start, settings))
    constants = np.concatenate([p.constants for p in parts])
    if observed.shape[0] > 1 and start is not None:
        constants[0] = start[0]  # the first draw is the central run
    return replace(
        parts[0],
        constants=constants,
        margins=np.concatenate([p.margins for p in parts]),
        margins_at_prior=np.concatenate([p.margins_at_prior for p in parts]),
        iterations=max(p.iterations for p in parts),
        unsettled=sum(p.unsettled for p in parts),
        flags=tuple(dict.fromkeys(flag for p in parts for flag in p.flags)),
    )


def _fit_draws(
    prepared: Prepared,
    costs: Costs,
    rows: Rows,
    measure: Array,
    fixed: Array,
    observed: Array,
    draws: slice,
    start: Array | None,
    settings: Mapping[str, Any],
) -> Calibration:
    """Calibrate a few draws; arguments as in :func:`fit_constants`."""
    demand, use, n_mode = prepared.demand.demand, prepared.demand.ports, len(CONSTANTS)
    cost = row_costs(rows, costs, draws, _BASE)
    n_draw = observed.shape[0]
    ports = np.zeros((n_draw, use.share.size)) if start is None else np.repeat(start[:1, n_mode:], n_draw, axis=0)
    modes = None if start is None else start[0, :n_mode]

    def flows(constants: Array, trial: Array) -> Array:
        joined = np.concatenate([constants, trial], axis=1)
        return use.totals(rows, demand, flow_at_cost(rows, demand, costs, cost, joined, draws, _BASE))

    for _ in range(_MOST_TURNS):
        problem = choice_problem(rows, demand, costs, _BASE, measure, fixed, draws=draws, ports=ports)
        found = calibrate(problem, observed, **settings, start=modes)
        before, ports = ports, fit_ports(use, functools.partial(flows, found.constants), ports, costs.port_scale[draws, _BASE])
        if np.abs(ports - before).max(initial=0.0) <= _PORTS_STAY:
            return replace(found, constants=np.concatenate([found.constants, before], axis=1))
    msg = f"the constants of modes and of ports do not agree after {_MOST_TURNS} turns: a port constant still moves by {np.abs(ports - before).max():.2g}"
    raise CalibrationError(msg)


def fit_settings(inputs: Tables, params: Params) -> dict[str, Any]:
    """Return weights, priors and ridge of the calibration."""
    spread = []
    for _, parameter in MARGINS:
        row = inputs.parameters.filter(pl.col("parameter") == parameter).row(0, named=True)
        spread.append((row["high"] - row["low"]) / (2.0 * row["value"]))
    return {
        "weight": 1.0 / np.array(spread),
        "prior": np.array([central_value(params, "freight_constant_prior", name) for name in CONSTANTS]),
        "prior_sd": np.array([central_value(params, "freight_constant_sd", name) for name in CONSTANTS]),
        "ridge": central_value(params, "freight_ridge"),
    }


def captive_totals(captive: Captive, costs: Costs) -> Array:
    """Return captive t, tkm and territory tkm ``[3, commodity, mode, draw, year]`` of the flows on a mode (on-site transfers left out)."""
    total = np.zeros((3, len(COMMODITIES), len(LEG_MODES), *costs.scale.shape))
    for i in np.flatnonzero(captive.mode >= 0):
        c = captive.commodity[i]
        tonnes = captive.t_per_year[i] * costs.growth[c] * costs.group_level[captive.group[i]]
        for k, factor in enumerate((1.0, captive.km[i], captive.territory_km[i])):
            total[k, c, captive.mode[i]] += factor * tonnes
    return total


def land_boxes(params: Params, ports: tuple[str, ...]) -> Array:
    """Return the boxes that reach or leave each port by land ``[port, draw, year]`` [TEU/yr]."""
    found = []
    for port in ports:
        share = 1.0 - 2.0 * params.get("port_transhipment_share", port) - params.get("port_residual_share", port)
        found.append(throughput(params, port) * share)
    return np.stack(found)


def throughput(params: Params, port: str) -> Array:
    """Return the boxes over the quays of a port ``[draw, year]`` [TEU/yr]: the path of the data, at the level of all freight after 2020."""
    return params.get("port_container_throughput", port) * growth_level(params)


def growth_level(params: Params) -> Array:
    """Return the level of all freight ``[draw, year]`` [-]; 1 through the base year."""
    return np.where(np.asarray(YEARS) > BASE_YEAR, params.get("freight_growth_level"), 1.0)


def _margin_weights(params: Params, prepared: Prepared, rows: Rows, expressway: Array, captive: Array) -> tuple[Array, Array]:
    """Return the weights of the margins ``[row, margin]`` and what is fixed of them ``[draw, margin]``.

    Notes
    -----
    A share is no sum over rows: the expressway margin is ``share + (sum of expressway tkm - share x road tkm) / scale``, which equals the observed
    share exactly where the modelled share does; ``scale`` is the road tkm of the rows at equal shares, so that a point of the margin is about a
    point of the share.
    """
    n_port = len(prepared.box_ports)
    train = rows.measure[:, len(MEASURES) : len(MEASURES) + n_port]
    demand = prepared.demand.demand
    # where a port is chosen its share is what the port constants are fitted to
    share_of_option = np.append(prepared.demand.ports.share, 1.0)[demand.port]
    boxed = demand.commodity[demand.row] == COMMODITIES.index("containers")
    port_t = (boxed * share_of_option * demand.t_per_year[demand.row]) @ prepared.box_port[demand.pair]
    teu = land_boxes(params, prepared.box_ports)[:, 0, _BASE]
    teu_per_t = np.divide(teu, port_t, out=np.zeros_like(teu), where=port_t > 0)
    share = float(params.get("expressway_share_of_road_tkm")[0, _BASE])
    expressway_km = expressway[rows.chain]
    # trucks of large sites and of the last mile of pipes are counted apart
    road_km = sum(rows.measure[:, MEASURE[n]] for n in ("territory_km_road", "site_rail_territory_km", "site_pipe_territory_km"))
    even = demand.t_per_year[rows.demand] / np.bincount(rows.demand, minlength=demand.commodity.size)[rows.demand]
    scale = float(even @ road_km)
    weights = np.stack(
        [
            rows.measure[:, MEASURE["rail_loaded_t"]],
            rows.measure[:, MEASURE["territory_km_rail"]],
            train @ teu_per_t,
            (rows.alternative == ALTERNATIVES.index("roro")).astype(np.float64),
            rows.measure[:, MEASURE["t_pipeline"]],
            (expressway_km - share * road_km) / scale,
        ],
        axis=1,
    )
    fixed = np.zeros((captive.shape[3], len(MARGINS)))
    fixed[:, 4] = captive[0, :, LEG_MODES.index("pipeline"), :, _BASE].sum(axis=0)
    fixed[:, 5] = share
    return weights, fixed
