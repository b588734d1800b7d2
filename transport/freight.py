"""The freight results: tonnes, tkm, indicators and tables of a solved model, and what the rest of the study reads from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from networks.measure import MEASURE
from networks.parts import LEG_MODES
from transport import freight_loads as loads
from transport import freight_results as results
from transport.freight_calibration import captive_totals
from transport.freight_costs import BULK, PIPE_OF
from transport.freight_demand import COMMODITIES
from transport.freight_identify import rail_response
from transport.freight_lever_costs import lever_cost_frame
from transport.freight_model import solve_model
from transport.freight_outlay import freight_states, outlay_costs
from transport.freight_ports import last_observed, port_boxes, port_error, port_frame
from transport.freight_quotas import quota_frame
from transport.freight_stranded import stranded_frame
from transport.industry import Flows, industry_table
from transport.layout import BASE_YEAR, FIRST_YEAR, YEARS, year_index
from transport.sea_rail import Used, sea_rail_tables
from transport.sea_rail_response import elasticity_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from networks.solve import Costs
    from transport.freight_model import BaseModel, FreightModel
    from transport.freight_ports import PortBoxes
    from transport.freight_prepare import Prepared, Tables
    from transport.params import Params

    Array = NDArray[np.float64]

_BASE = year_index(BASE_YEAR)
#: Cases of the response of railways to dearer trucks that every run carries; the cost scale moves it most.
RESPONSE_CASES = ("central", "scale.low", "scale.high")
#: States of freight of a light run.
_NO_STATES: Mapping[str, Any] = MappingProxyType({"state_carrier_tkm": {}, "state_outlay": {}})


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
    finished_vehicle_sea_rail
        New vehicles that reach or leave a port of the province by train ``[draw, year]`` [veh/yr].
    bulk_long_haul_share
        Rail and water tkm over all tkm of dry bulk on hauls of at least the long-haul distance ``[draw, year]``.
    siding_access_share, pipeline_connected_share, bulk_clean_collection_share
        ``[draw, year]`` [-].
    effective_tkm
        Total tkm at the shortest feasible distance of each haul ``[draw, year]`` [tkm/yr].
    tables
        Result tables by name: ``freight_links``, ``freight_od``, ``freight_terminals``, ``freight_lines``, ``freight_areas``, ``freight_corridors``,
        ``freight_ports`` (draw 0, the years of :data:`transport.freight_model.DETAIL_YEARS`), ``freight_unmet``, ``freight_speeds``, ``freight_quotas``, ``freight_lever_costs``, ``freight_response``, ``freight_convergence``.
    fit, checks, defaults
        Result tables.
    demand
        Report of the distribution: one row per segment.
    state_carrier_tkm
        State of :data:`transport.freight_outlay.STATES` -> carrier -> tkm ``[year]`` [tkm/yr] (draw 0): as run, without some of its measures, and
        with the mode shares of the base year.
    state_outlay
        State -> what shippers pay for chains by main mode ``[mode, year]`` [CNY/yr] (draw 0), yuan of 2023; 0 before the base year.
    open_ends
        Places that a measure can join: ``siding`` = large sites without one, ``pipe_connection`` = refineries and ports that no pipeline reaches.
    outlay
        What shippers pay for chains at the rates of the rows without levers ``[draw, year]`` [CNY/yr], yuan of 2023, if it was asked for.
    unsettled
        Draws after the first whose constants do not settle, so that nothing of them holds.
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
    finished_vehicle_sea_rail: Array
    bulk_long_haul_share: Array
    siding_access_share: Array
    pipeline_connected_share: Array
    bulk_clean_collection_share: Array
    effective_tkm: Array
    tables: Mapping[str, pl.DataFrame]
    fit: pl.DataFrame
    checks: pl.DataFrame
    defaults: pl.DataFrame
    demand: pl.DataFrame
    state_carrier_tkm: Mapping[str, Mapping[str, Array]]
    state_outlay: Mapping[str, Array]
    open_ends: Mapping[str, float]
    outlay: Array | None
    unsettled: tuple[int, ...]


def model_freight(
    inputs: Tables,
    params: Params,
    *,
    prepared: Prepared | None = None,
    hold_network_after: int | None = None,
    capacity: Literal["equilibrium", "fixed"] = "equilibrium",
    base: BaseModel | None = None,
    response: bool = True,
    light: bool = False,
    plain: Params | None = None,
) -> FreightOutcome:
    """Model the freight of all years.

    Parameters
    ----------
    inputs, params, prepared, hold_network_after, capacity, base
        As in :func:`transport.freight_model.solve_model`.
    response, light
        As in :func:`freight_outcome`.
    plain
        Parameters without levers, by whose rates a light run at the fixed speed counts what shippers pay; without them it does not.

    Returns
    -------
    FreightOutcome
        Tonnes, tkm, indicators and result tables.
    """
    found = base.prepared if base is not None else prepared
    paid = None if plain is None or found is None else outlay_costs(params, plain, found)
    model = solve_model(
        inputs,
        params,
        prepared=prepared,
        hold_network_after=hold_network_after,
        capacity=capacity,
        base=base,
        light=light,
        paid=paid,
    )
    return freight_outcome(inputs, params, model, response=response, light=light)


# --- outcome ------------------------------------------------------------------------------------------------------------------------


def freight_outcome(
    inputs: Tables, params: Params, model: FreightModel, *, response: bool = True, light: bool = False
) -> FreightOutcome:
    """Return the results of a solved model.

    Parameters
    ----------
    inputs, params
        Of the run.
    model
        From :func:`transport.freight_model.solve_model`.
    response
        Whether to work out the tables ``freight_response`` and ``sea_rail_elasticities``, which calibrate the model again in several cases; else there are no
        such tables.
    light
        Whether only the arrays ``[draw, year]`` and ``port_containers`` are wanted: there are no result tables, no checks and no states of freight.
    """
    prepared, costs, fitted = model.prepared, model.costs, model.speed.fitted
    totals = model.speed.solution.totals
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
    boxes = port_boxes(params, prepared, totals, last_observed(inputs.parameters))
    used, shortest = (totals[:, MEASURE[name]].sum(axis=0) for name in ("used_km", "shortest_km"))
    bulk = [COMMODITIES.index(c) for c in BULK]
    long_all, long_clean = (totals[bulk, MEASURE[name]].sum(axis=0) for name in ("long_km", "long_clean_km"))
    tables, checks, defaults = (
        ({}, pl.DataFrame(), pl.DataFrame()) if light else _tables(inputs, params, model, boxes, response=response)
    )
    if not light:
        checks = pl.concat([checks, results.demand_checks(prepared, model.speed.solution, costs, fitted)])
    total_all = total.sum(axis=(0, 1))
    outcome = FreightOutcome(
        modes=LEG_MODES,
        commodities=COMMODITIES,
        rail_loaded_t=totals[:, MEASURE["rail_loaded_t"]].sum(axis=0),
        tonnes=_axes(tonnes),
        territory_tkm=_axes(territory),
        total_tkm=_axes(total),
        carrier_tkm=carrier,
        port_containers=results.port_containers(boxes),
        sea_rail_teu=boxes.sea_rail[: boxes.n_inside].sum(axis=0),
        port_teu=boxes.throughput.sum(axis=0),
        finished_vehicle_sea_rail=_vehicles_by_train(params, totals),
        bulk_long_haul_share=long_clean / np.maximum(long_all, 1.0),
        siding_access_share=_siding_share(params, prepared),
        pipeline_connected_share=_connected_share(inputs, params, prepared),
        bulk_clean_collection_share=_clean_collection(params, prepared, costs, totals, bulk),
        effective_tkm=total_all * shortest / used,
        tables=tables,
        fit=pl.DataFrame(),
        checks=checks,
        defaults=defaults,
        demand=prepared.demand.report,
        open_ends=_open_ends(inputs, prepared),
        outlay=model.speed.outlay,
        unsettled=tuple((np.flatnonzero(fitted.unsettled[1:]) + 1).tolist()),
        **(_NO_STATES if light else _states(params, model)),
    )
    if light:
        return outcome
    fit = results.fit_table(inputs, params, outcome, fitted, totals, port_t)
    return replace(outcome, fit=fit)


def _tables(
    inputs: Tables, params: Params, model: FreightModel, boxes: PortBoxes, *, response: bool
) -> tuple[dict[str, pl.DataFrame], pl.DataFrame, pl.DataFrame]:
    """Return the result tables on links, terminals and OD, the checks of the loading, and the shares on default capacities."""
    prepared = model.prepared
    links, terminals, imbalance, closed, defaults = [], [], 0.0, 0.0, pl.DataFrame()
    for position in sorted(model.speed.solution.flows):
        state = prepared.states[prepared.state_of_year[position]]
        load = loads.year_load(model, position)
        imbalance = max([imbalance, *(n.imbalance for n in load.networks)])
        frame, stray = loads.link_frame(load, state.links, FIRST_YEAR + position)
        closed += stray
        if position == _BASE:
            defaults = loads.default_shares(frame, state.links)
        links.append(frame)
        found = loads.terminal_frame(load, prepared, inputs.table("networks/terminals"), FIRST_YEAR + position)
        # what a project opens later, or a closure has shut, has no capacity to show
        terminals.append(found.filter(pl.col("capacity_t_per_year").is_finite()))
    quotas = quota_frame(model)
    whole, od, ports = pl.concat(links), results.od_table(prepared, model.speed.solution), port_frame(model)
    table, zones = inputs.table("networks/links"), inputs.table("networks/zones")
    used = Used(whole, pl.concat(terminals), dict(table.select("link_id", "line_zh").drop_nulls().iter_rows()))
    tables = {
        "freight_links": whole,
        "freight_od": od,
        "freight_terminals": used.terminals,
        "freight_lines": loads.line_frame(whole, table),
        "freight_areas": loads.area_frame(whole, table, inputs.table("networks/nodes"), od, zones),
        "freight_corridors": loads.corridor_frame(od, zones),
        "freight_ports": ports,
        "freight_unmet": stranded_frame(inputs, model, loads.unmet_frame(model)),
        "freight_speeds": _speeds(model),
        "freight_quotas": quotas,
        "freight_lever_costs": lever_cost_frame(inputs, params, model, quotas),
        **({"freight_response": rail_response(inputs, params, model, only=RESPONSE_CASES)} if response else {}),
        **({"sea_rail_elasticities": elasticity_table(inputs, params, model, boxes)} if response else {}),
        **sea_rail_tables(inputs, params, model, boxes, used),
        "freight_convergence": loads.convergence_frame(model.years.years if model.years is not None else ()),
        "industry": _industry(inputs, params, model),
    }
    return tables, results.load_checks(imbalance, closed, port_error(ports), model), defaults


def _industry(inputs: Tables, params: Params, model: FreightModel) -> pl.DataFrame:
    """Return the table ``industry``: chosen and captive goods by the product behind them."""
    demand, captive = model.prepared.demand.demand, model.prepared.captive
    commodity = np.concatenate([demand.commodity, captive.commodity])
    flows = Flows(
        np.concatenate([demand.t_per_year, captive.t_per_year]),
        np.concatenate([demand.group, captive.group]),
        model.costs.growth[commodity, 0],
    )
    names = model.prepared.demand.groups
    return industry_table(inputs.table("demand/products"), inputs.table("demand/outputs"), params, names, flows)


def _speeds(model: FreightModel) -> pl.DataFrame:
    """Return tonnes and territory tkm of the chosen chains by year and mode at both speeds (draw 0, captive flows left out)."""
    columns: dict[str, Array] = {}
    for name, speed in (("equilibrium", model.speed), ("fixed", model.fixed)):
        for unit, measure in (("t", "t"), ("territory_tkm", "territory_km")):
            totals = np.stack([speed.solution.totals[:, MEASURE[f"{measure}_{m}"], 0].sum(axis=0) for m in LEG_MODES], axis=1)
            columns[f"{unit}_{name}"] = totals.ravel()
    years = np.repeat(np.asarray(YEARS), len(LEG_MODES))
    return pl.DataFrame({"year": years, "mode": list(LEG_MODES) * len(YEARS), **columns})


def _axes(array: Array) -> Array:
    """Return ``[draw, year, mode, commodity]`` from ``[commodity, mode, draw, year]``."""
    return np.ascontiguousarray(array.transpose(2, 3, 1, 0))


def _vehicles_by_train(params: Params, totals: Array) -> Array:
    """Return the new vehicles that reach or leave a port of the province by train ``[draw, year]`` [veh/yr]."""
    tonnes: Array = totals[COMMODITIES.index("finished_vehicles"), MEASURE["port_rail_t"]]
    return tonnes / params.get("finished_vehicle_weight")


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


def _states(params: Params, model: FreightModel) -> dict[str, Any]:
    """Return what the outcome holds on the states of freight (draw 0)."""
    prepared, costs = model.prepared, model.costs
    first = replace(costs, growth=costs.growth[:, :1], group_level=costs.group_level[:, :1], scale=costs.scale[:1])
    states = freight_states(params, model)
    captive_km = captive_totals(prepared.captive, first)[1]
    water = LEG_MODES.index("water")
    carriers: dict[str, dict[str, Array]] = {}
    for name, state in states.items():
        km, territory = (
            np.stack([state.totals[:, MEASURE[f"{k}_{m}"]] for m in LEG_MODES], axis=1) for k in ("km", "territory_km")
        )
        port_t = _port_cargo(prepared, first, state.totals).sum(axis=0)
        found = _carrier(params, territory, km + captive_km, port_t, km[:, water].sum(axis=0))
        carriers[name] = {carrier: tkm[0] for carrier, tkm in found.items()}
    return {"state_carrier_tkm": carriers, "state_outlay": {name: state.outlay for name, state in states.items()}}


def _open_ends(inputs: Tables, prepared: Prepared) -> dict[str, float]:
    """Return the places that sidings and pipe connections can join."""
    sites, places = prepared.large_site & ~prepared.has_siding, _pipe_places(inputs, prepared)
    return {"siding": float(sites.sum()), "pipe_connection": float(places.size - prepared.piped[_BASE, places].sum())}


def _siding_share(params: Params, prepared: Prepared) -> Array:
    """Return the share of large sites with a siding; the lever gives one to a share of those without."""
    sites = prepared.large_site
    with_siding = (sites & prepared.sided).sum(axis=1) / max(sites.sum(), 1)
    share: Array = with_siding + (1.0 - with_siding) * params.get("new_siding_share")
    return share


def _connected_share(inputs: Tables, params: Params, prepared: Prepared) -> Array:
    """Return the share of refineries, ports and depots handling oil or gas that a pipeline reaches."""
    places = _pipe_places(inputs, prepared)
    piped = prepared.piped[:, places].sum(axis=1) / max(places.size, 1)
    share: Array = piped + (1.0 - piped) * params.get("new_pipeline_connection_share")
    return share


def _pipe_places(inputs: Tables, prepared: Prepared) -> NDArray[np.int64]:
    """Return the positions of the refineries and ports of the province that handle oil or gas."""
    zones = prepared.zones
    liquid = inputs.table("demand/generators").filter(pl.col("commodity").is_in(sorted(PIPE_OF)))["zone_id"].unique().to_list()
    at = np.array([zones.position[z] for z in sorted(liquid)], dtype=np.int64)
    return at[zones.in_province[at] & np.isin(zones.kind[at], ("refinery", "port"))]


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
