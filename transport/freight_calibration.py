"""Calibration of the constants of freight choice on the base year: what is observed, how it is weighed, how the first draw is fitted."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from networks.choice import Calibration, calibrate
from networks.draw_fit import Aim
from networks.draws import Compact
from networks.errors import CalibrationError
from networks.measure import MEASURE, MEASURES
from networks.parts import ALTERNATIVES, LEG_MODES
from networks.ports import fit_ports
from networks.solve import CONSTANTS, Costs, choice_problem, flow_at_cost, row_costs
from transport.freight_costs import make_costs
from transport.freight_demand import COMMODITIES
from transport.freight_draws import fit_further
from transport.freight_prepare import Captive, Prepared, Tables, central_value
from transport.layout import BASE_YEAR, year_index

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from networks.solve import Rows
    from transport.params import Params

    Array = NDArray[np.float64]

_BASE = year_index(BASE_YEAR)
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
_PIPELINE, _SHARE = 4, 5


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
    The constants of modes and of ports of the first draw are fitted in turn, each with the others held, until the shares of the ports stay. Those of
    further draws start from them and are fitted together (:func:`networks.draw_fit.fit_draws`); draws whose base year is that of the first draw
    bit by bit take its constants.
    """
    if params.draws == 1:
        captive = captive_totals(prepared.captive, costs)
        measure, fixed = margin_weights(params, prepared, rows, expressway_km, captive)
        settings = fit_settings(inputs, params) if settings is None else settings
        return _fit_first(prepared, costs, rows, measure, fixed, _observed(params), start, settings)
    central = inputs.params()
    central_costs = make_costs(central, prepared)
    first = fit_constants(inputs, central, prepared, central_costs, rows, expressway_km, start=start, settings=settings)
    weights, _ = margin_weights(central, prepared, rows, expressway_km, captive_totals(prepared.captive, central_costs))
    aim = aim_of(inputs, params, prepared, costs, weights)
    return fit_further(first, Compact.of(rows, prepared.demand.demand), prepared.demand.demand, costs, aim)


def fit_settings(inputs: Tables, params: Params) -> dict[str, Any]:
    """Return weights, priors and ridge of the calibration; a margin that a pack gives as one number is as sure as the surest of the others."""
    half = (pl.col("high") - pl.col("low")) / (2.0 * pl.col("value"))
    wide = dict(inputs.parameters.reverse().select("parameter", half).iter_rows())  # the first row of each counts
    spread = np.array([wide[parameter] for _, parameter in MARGINS], dtype=np.float64)  # NaN where there is no range
    surest = 1.0 if np.isnan(spread).all() else np.nanmin(spread)
    return {
        "weight": 1.0 / np.where(np.isnan(spread), surest, spread),
        "prior": np.array([central_value(params, "freight_constant_prior", name) for name in CONSTANTS]),
        "prior_sd": np.array([central_value(params, "freight_constant_sd", name) for name in CONSTANTS]),
        "ridge": central_value(params, "freight_ridge"),
    }


def aim_of(inputs: Tables, params: Params, prepared: Prepared, costs: Costs, weights: Array) -> Aim:
    """Return what the constants of all draws are fitted to."""
    share = float(params.get(MARGINS[_SHARE][1])[0, _BASE])
    fixed = _fixed_margins(captive_totals(prepared.captive, costs, year=_BASE), share)
    return Aim(weights, fixed, _observed(params), ports=prepared.demand.ports, **fit_settings(inputs, params))


def captive_totals(captive: Captive, costs: Costs, *, year: int | None = None) -> Array:
    """Return captive t, tkm and territory tkm ``[3, commodity, mode, draw, year]`` of the flows on a mode (on-site transfers left out).

    Parameters
    ----------
    captive, costs
        Of the run.
    year
        Only year position; all by default.
    """
    years = slice(None) if year is None else slice(year, year + 1)
    growth, level = costs.growth[..., years], costs.group_level[..., years]
    total = np.zeros((3, len(COMMODITIES), len(LEG_MODES), *growth.shape[1:]))
    for i in np.flatnonzero(captive.mode >= 0):
        c = captive.commodity[i]
        tonnes = captive.t_per_year[i] * growth[c] * level[captive.group[i]]
        for k, factor in enumerate((1.0, captive.km[i], captive.territory_km[i])):
            total[k, c, captive.mode[i]] += factor * tonnes
    return total


def land_boxes(params: Params, ports: tuple[str, ...]) -> Array:
    """Return the boxes that reached or left each port by land in the base year ``[port, draw]`` [TEU/yr]; later years follow choice."""
    found = []
    for port in ports:
        share = 1.0 - 2.0 * params.get("port_transhipment_share", port) - params.get("port_residual_share", port)
        found.append((params.get("port_container_throughput", port) * share)[:, _BASE])
    return np.stack(found)


def margin_weights(params: Params, prepared: Prepared, rows: Rows, expressway: Array, captive: Array) -> tuple[Array, Array]:
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
    port_t = (boxed * share_of_option * demand.t_per_year[demand.row]) @ prepared.box_port[demand.pair, :n_port]
    teu = land_boxes(params, prepared.box_ports)[:, 0]
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
    return weights, _fixed_margins(captive[..., _BASE : _BASE + 1], share)


def _observed(params: Params) -> Array:
    """Return the observed margins ``[draw, margin]``."""
    return np.stack([params.get(parameter)[:, _BASE] for _, parameter in MARGINS], axis=1)


def _fit_first(
    prepared: Prepared,
    costs: Costs,
    rows: Rows,
    measure: Array,
    fixed: Array,
    observed: Array,
    start: Array | None,
    settings: Mapping[str, Any],
) -> Calibration:
    """Calibrate the first draw; arguments as in :func:`fit_constants`."""
    demand, use, n_mode, draws = prepared.demand.demand, prepared.demand.ports, len(CONSTANTS), slice(0, 1)
    cost = row_costs(rows, costs, draws, _BASE)
    ports = np.zeros((1, use.share.size)) if start is None else start[:1, n_mode:]
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


def _fixed_margins(captive: Array, share: float) -> Array:
    """Return what is fixed of the margins ``[draw, margin]`` from captive totals of the base year ``[3, commodity, mode, draw, 1]``."""
    fixed = np.zeros((captive.shape[3], len(MARGINS)))
    fixed[:, _PIPELINE] = captive[0, :, LEG_MODES.index("pipeline"), :, 0].sum(axis=0)
    fixed[:, _SHARE] = share
    return fixed
