"""The freight model: demand, chains, choice and measures of all years, and what the rest of the study reads from them.

Paths and terminal pairs are frozen per network state (distinct set of open links), demand per base year; costs, growth and choice are computed for
every draw and year. Constants are calibrated on 2020 only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from networks.chains import (
    ALTERNATIVES,
    LEG_MODES,
)
from networks.choice import Calibration, calibrate
from networks.measure import MEASURE, MEASURES
from networks.solve import CONSTANTS, Costs, Solution, choice_problem, solve_freight
from transport import freight_results as results
from transport.freight_costs import BULK, PIPE_OF, unit_costs
from transport.freight_demand import COMMODITIES
from transport.freight_prepare import Captive, Prepared, State, Tables, central_value, prepare
from transport.layout import BASE_YEAR, YEARS, year_index

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from transport.params import Params

    Array = NDArray[np.float64]

_BASE = year_index(BASE_YEAR)
#: Years whose flows by link and OD are kept.
DETAIL_YEARS: tuple[int, ...] = (2020, 2025, 2030, 2035)
#: Draws calibrated together; bounds the memory of the arrays ``[draw, row]``.
_CHUNK = 8
#: Margins of the calibration in order: item, parameter.
MARGINS: tuple[tuple[str, str], ...] = (
    ("rail_freight_t", "observed_rail_freight_t"),
    ("rail_territory_tkm", "observed_rail_territory_tkm"),
    ("sea_rail_teu", "observed_sea_rail_teu"),
    ("roro_truck_t", "observed_roro_truck_t"),
    ("pipeline_t", "observed_pipeline_t"),
)


@dataclass(frozen=True)
class FreightOutcome:
    """What the freight model hands to the rest of the study.

    Attributes
    ----------
    modes, commodities
        Names of the axes.
    rail_loaded_t
        Tonnes loaded on trains at stations of the province, works railways left out, as the statistics count them ``[draw, year]`` [t/yr].
    tonnes
        Tonnes by mode ``[draw, year, mode, commodity]`` [t/yr]; road counts every truck leg, water counts ships at the ports of the province.
    territory_tkm, total_tkm
        On the territory and on the whole chain, captive and transit rows included ``[draw, year, mode, commodity]`` [tkm/yr].
    carrier_tkm
        By carrier of the province ``[draw, year]`` [tkm/yr]: road, rail, coastal, ocean, pipeline_crude, pipeline_product, pipeline_gas.
    port_containers
        Containers by port and year (draw 0): year, zone_id, teu_throughput, sea_rail_teu, road_teu, transhipped_teu, residual_teu.
    sea_rail_teu, port_teu
        ``[draw, year]`` [TEU/yr].
    bulk_long_haul_share
        Rail and water tkm over all tkm of dry bulk on hauls of at least the long-haul distance ``[draw, year]``.
    siding_access_share, pipeline_connected_share, bulk_clean_collection_share
        ``[draw, year]`` [-].
    effective_tkm
        Total tkm at the shortest feasible distance of each haul ``[draw, year]`` [tkm/yr].
    links, od
        Result tables ``freight_links`` and ``freight_od`` (draw 0, the years of :data:`DETAIL_YEARS`).
    fit, checks, defaults
        Result tables.
    demand
        Report of the distribution: one row per segment.
    """

    modes: tuple[str, ...]
    commodities: tuple[str, ...]
    rail_loaded_t: Array
    tonnes: Array
    territory_tkm: Array
    total_tkm: Array
    carrier_tkm: Mapping[str, Array]
    port_containers: pl.DataFrame
    sea_rail_teu: Array
    port_teu: Array
    bulk_long_haul_share: Array
    siding_access_share: Array
    pipeline_connected_share: Array
    bulk_clean_collection_share: Array
    effective_tkm: Array
    links: pl.DataFrame
    od: pl.DataFrame
    fit: pl.DataFrame
    checks: pl.DataFrame
    defaults: pl.DataFrame
    demand: pl.DataFrame


def model_freight(
    inputs: Tables, params: Params, *, prepared: Prepared | None = None, hold_network_after: int | None = None
) -> FreightOutcome:
    """Model the freight of all years.

    Parameters
    ----------
    inputs
        Network and demand tables, and the central parameters.
    params
        Parameters of the run, levers applied, ``[draw, year]``.
    prepared
        From :func:`prepare` with the same inputs and planned links; built if not given.
    hold_network_after
        Year whose network is kept afterwards, if ``prepared`` is built here.

    Returns
    -------
    FreightOutcome
        Tonnes, tkm, indicators and result tables.
    """
    if prepared is None:
        prepared = prepare(inputs, params, hold_network_after=hold_network_after)
    costs = make_costs(params, prepared)
    fitted = fit_constants(inputs, params, prepared, costs)
    detail = tuple(year_index(y) for y in DETAIL_YEARS)
    solution = solve_freight(
        prepared.demand.demand,
        [s.rows for s in prepared.states],
        prepared.state_of_year,
        costs,
        fitted.constants,
        detail=detail,
    )
    return _outcome(inputs, params, prepared, costs, fitted, solution)


# --- costs and calibration ----------------------------------------------------------------------------------------------------------


def make_costs(params: Params, prepared: Prepared) -> Costs:
    """Return everything that varies by draw and year."""
    level = growth_level(params)
    groups = []
    for name in prepared.demand.groups:
        kind, zone = name.split("|")
        group = np.ones_like(level) if kind == "internal" else params.get("flow_level", kind)
        groups.append(group * params.get("zone_activity", zone) if zone else group)
    return Costs(
        coefficients=unit_costs(params),
        scale=params.get("freight_cost_scale"),
        nest_scale=params.get("freight_nest_scale"),
        preference=np.stack([params.get("rail_commodity_preference", c) for c in COMMODITIES]),
        sea_preference=params.get("sea_preference"),
        growth=np.stack([params.get("freight_growth_index", c) * level for c in COMMODITIES]),
        group_level=np.stack(groups) if groups else np.ones((1, *level.shape)),
        siding_share=params.get("new_siding_share"),
        pipe_share=params.get("new_pipeline_connection_share"),
    )


def fit_constants(inputs: Tables, params: Params, prepared: Prepared, costs: Costs) -> Calibration:
    """Calibrate the constants on the base year: rail tonnes loaded and rail territory tkm, sea-rail boxes, ro-ro lorries, pipeline tonnes."""
    base = prepared.states[prepared.state_of_year[_BASE]]
    captive = captive_totals(prepared.captive, costs)
    central = params if params.draws == 1 else inputs.params()
    measure, fixed = _margin_weights(central, prepared, base, captive)
    observed = np.stack([params.get(parameter)[:, _BASE] for _, parameter in MARGINS], axis=1)
    rows = inputs.parameters
    spread = []
    for _, parameter in MARGINS:
        row = rows.filter(pl.col("parameter") == parameter).row(0, named=True)
        spread.append((row["high"] - row["low"]) / (2.0 * row["value"]))
    prior = np.array([central_value(params, "freight_constant_prior", name) for name in CONSTANTS])
    sd = np.array([central_value(params, "freight_constant_sd", name) for name in CONSTANTS])
    start = None
    if observed.shape[0] > 1:
        start = fit_constants(inputs, central, prepared, make_costs(central, prepared)).constants[0]
    parts = []
    for first in range(0, observed.shape[0], _CHUNK):
        draws = slice(first, first + _CHUNK)
        problem = choice_problem(base.rows, prepared.demand.demand, costs, _BASE, measure, fixed, draws=draws)
        parts.append(
            calibrate(
                problem,
                observed[draws],
                weight=1.0 / np.array(spread),
                prior=prior,
                prior_sd=sd,
                ridge=central_value(params, "freight_ridge"),
                start=start,
            )
        )
    constants = np.concatenate([p.constants for p in parts])
    if start is not None:
        constants[0] = start  # the first draw is the central run
    return replace(
        parts[0],
        constants=constants,
        margins=np.concatenate([p.margins for p in parts]),
        margins_at_prior=np.concatenate([p.margins_at_prior for p in parts]),
        iterations=max(p.iterations for p in parts),
    )


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


def _margin_weights(params: Params, prepared: Prepared, base: State, captive: Array) -> tuple[Array, Array]:
    """Return the weights of the margins ``[row, margin]`` and what is fixed of them ``[draw, margin]``."""
    rows = base.rows
    n_port = len(prepared.box_ports)
    train, boxes = rows.measure[:, len(MEASURES) : len(MEASURES) + n_port], rows.measure[:, len(MEASURES) + n_port :]
    demand = prepared.demand.demand
    case = np.unique(rows.demand, return_index=True)[1]
    port_t = demand.t_per_year[rows.demand[case]] @ boxes[case]
    teu = land_boxes(params, prepared.box_ports)[:, 0, _BASE]
    teu_per_t = np.divide(teu, port_t, out=np.zeros_like(teu), where=port_t > 0)
    weights = np.stack(
        [
            rows.measure[:, MEASURE["rail_loaded_t"]],
            rows.measure[:, MEASURE["territory_km_rail"]],
            train @ teu_per_t,
            (rows.alternative == ALTERNATIVES.index("roro")).astype(np.float64),
            rows.measure[:, MEASURE["t_pipeline"]],
        ],
        axis=1,
    )
    fixed = np.zeros((captive.shape[3], len(MARGINS)))
    fixed[:, 4] = captive[0, :, LEG_MODES.index("pipeline"), :, _BASE].sum(axis=0)
    return weights, fixed


# --- outcome ------------------------------------------------------------------------------------------------------------------------


def _outcome(
    inputs: Tables, params: Params, prepared: Prepared, costs: Costs, fitted: Calibration, solution: Solution
) -> FreightOutcome:
    totals = solution.totals
    captive = captive_totals(prepared.captive, costs)
    by_mode = [np.stack([totals[:, MEASURE[f"{name}_{m}"]] for m in LEG_MODES], axis=1) for name in ("t", "km", "territory_km")]
    chosen_t, chosen_km, chosen_territory = by_mode
    port_t = _port_cargo(prepared, costs, totals)
    tonnes = chosen_t + captive[0]
    # every tonne of a port passes one ship, whether its voyage is modelled or not
    tonnes[:, LEG_MODES.index("water")] += port_t
    total = chosen_km + captive[1]
    territory = chosen_territory + captive[2]
    carrier = _carrier(params, chosen_territory, total, port_t.sum(axis=0), chosen_km[:, LEG_MODES.index("water")].sum(axis=0))
    boxes, sea_rail = results.port_containers(
        params,
        prepared.box_ports,
        totals,
        np.stack([throughput(params, z) for z in prepared.box_ports]),
        land_boxes(params, prepared.box_ports),
    )
    port_teu = np.sum([throughput(params, z) for z in prepared.box_ports], axis=0)
    used, shortest = (totals[:, MEASURE[name]].sum(axis=0) for name in ("used_km", "shortest_km"))
    bulk = [COMMODITIES.index(c) for c in BULK]
    long_all, long_clean = (totals[bulk, MEASURE[name]].sum(axis=0) for name in ("long_km", "long_clean_km"))
    links, load_checks, defaults = results.link_tables(prepared, costs, solution)
    total_all = total.sum(axis=(0, 1))
    outcome = FreightOutcome(
        modes=LEG_MODES,
        commodities=COMMODITIES,
        rail_loaded_t=totals[:, MEASURE["rail_loaded_t"]].sum(axis=0),
        tonnes=_axes(tonnes),
        territory_tkm=_axes(territory),
        total_tkm=_axes(total),
        carrier_tkm=carrier,
        port_containers=boxes,
        sea_rail_teu=sea_rail,
        port_teu=port_teu,
        bulk_long_haul_share=long_clean / np.maximum(long_all, 1.0),
        siding_access_share=_siding_share(params, prepared),
        pipeline_connected_share=_connected_share(inputs, params, prepared),
        bulk_clean_collection_share=_clean_collection(params, prepared, costs, totals, bulk),
        effective_tkm=total_all * shortest / used,
        links=links,
        od=results.od_table(prepared, solution),
        fit=pl.DataFrame(),
        checks=pl.concat([load_checks, results.demand_checks(prepared, solution, costs, fitted)]),
        defaults=defaults,
        demand=prepared.demand.report,
    )
    fit = results.fit_table(inputs, params, outcome, fitted, totals, port_t)
    return replace(outcome, fit=fit)


def _axes(array: Array) -> Array:
    """Return ``[draw, year, mode, commodity]`` from ``[commodity, mode, draw, year]``."""
    return np.ascontiguousarray(array.transpose(2, 3, 1, 0))


def _port_cargo(prepared: Prepared, costs: Costs, totals: Array) -> Array:
    """Return the cargo over the quays of the province by commodity ``[commodity, draw, year]`` [t/yr], without modelled sea legs."""
    cargo = totals[:, MEASURE["port_t"]].copy()
    found = prepared.captive
    for i in np.flatnonzero(found.at_port):
        cargo[found.commodity[i]] += found.t_per_year[i] * costs.growth[found.commodity[i]] * costs.group_level[found.group[i]]
    return cargo


def _carrier(params: Params, territory: Array, total: Array, port_t: Array, voyages: Array) -> dict[str, Array]:
    """Return tkm by carriers of the province ``[draw, year]``, through the named bridges.

    Notes
    -----
    road = observed carrier tkm of 2020 x index of the modelled territory tkm (the implied bridge stands in the fit table); rail and pipelines =
    modelled tkm (works railways left out) x a bridge row; ocean = level of 2020 x index of the port cargo; coastal = the same plus what the
    modelled coastal and ro-ro voyages gained since 2020, so that a shift to water is carried, fuelled and counted.
    """
    index = port_t / port_t[:, _BASE : _BASE + 1]
    road, rail, _, pipe = range(4)
    truck = territory[:, road].sum(axis=0)
    lines = {kind: [COMMODITIES.index(c) for c, k in PIPE_OF.items() if k == kind] for kind in PIPE_OF.values()}
    return {
        "road": params.get("observed_road_carrier_tkm")[:, _BASE, None] * truck / truck[:, _BASE : _BASE + 1],
        "rail": territory[:, rail].sum(axis=0) * params.get("territory_to_carrier_tkm", "rail"),
        "coastal": np.maximum(params.get("water_carrier_tkm", "coastal") * index + voyages - voyages[:, _BASE : _BASE + 1], 0.0),
        "ocean": params.get("water_carrier_tkm", "ocean") * index,
        **{
            f"pipeline_{kind}": total[lines[kind], pipe].sum(axis=0) * params.get("territory_to_carrier_tkm", "pipeline")
            for kind in ("crude", "product", "gas")
        },
    }


def _siding_share(params: Params, prepared: Prepared) -> Array:
    """Return the share of large sites with a siding; the lever gives one to a share of those without."""
    sites = prepared.large_site
    with_siding = float((sites & prepared.has_siding).sum() / max(sites.sum(), 1))
    return with_siding + (1.0 - with_siding) * params.get("new_siding_share")


def _connected_share(inputs: Tables, params: Params, prepared: Prepared) -> Array:
    """Return the share of refineries, ports and depots handling oil or gas that a pipeline reaches."""
    zones = prepared.zones
    liquid = inputs.table("demand/generators").filter(pl.col("commodity").is_in(sorted(PIPE_OF)))["zone_id"].unique().to_list()
    piped = frozenset(inputs.table("networks/connectors").filter(pl.col("mode") == "pipeline")["zone_id"].to_list())
    places = [
        z
        for z in sorted(liquid)
        if zones.in_province[zones.position[z]] and zones.kind[zones.position[z]] in ("refinery", "port")
    ]
    share = sum(z in piped for z in places) / max(len(places), 1)
    return share + (1.0 - share) * params.get("new_pipeline_connection_share")


def _clean_collection(params: Params, prepared: Prepared, costs: Costs, totals: Array, bulk: list[int]) -> Array:
    """Return the share of dry bulk to and from ports that comes by rail, water, pipeline or belt, or in clean trucks."""
    everything = totals[bulk, MEASURE["port_t"]].sum(axis=0)
    clean = totals[bulk, MEASURE["port_clean_t"]].sum(axis=0)
    found = prepared.captive
    belts = np.zeros_like(everything)
    for i in np.flatnonzero(found.at_port & np.isin(found.commodity, bulk)):
        belts += found.t_per_year[i] * costs.growth[found.commodity[i]] * costs.group_level[found.group[i]]
    trucks = everything - clean
    share: Array = (clean + belts + params.get("clean_truck_share_at_ports") * trucks) / np.maximum(everything + belts, 1.0)
    return share
