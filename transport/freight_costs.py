"""Unit costs of freight: parameter rows to one coefficient per commodity, draw, year and chain component."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fleets.energy import load_multiplier
from networks.cost import COMPONENTS, coefficients
from networks.measure import MARK, MARKS
from networks.solve import Costs
from transport.freight_demand import COMMODITIES
from transport.industry import group_levels
from transport.layout import BASE_YEAR, FIRST_YEAR, YEARS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from transport.freight_prepare import Prepared
    from transport.params import Params

    Array = NDArray[np.float64]

#: Dry bulk: the goods of the long-haul and the port collection clauses.
BULK: tuple[str, ...] = ("coal", "metal_ore", "nonmetal_minerals", "steel", "cement_building", "grain", "sand_stone")
#: Group of the port handling charge; what is not named is dry bulk.
HANDLING_OF: dict[str, str] = {
    "containers": "container",
    "general_cargo": "general",
    "finished_vehicles": "general",
    "crude": "liquid",
    "refined_products": "liquid",
    "chemicals": "liquid",
    "gas": "liquid",
}
#: Pipeline kind of each commodity that can flow in a pipe.
PIPE_OF: dict[str, str] = {"crude": "crude", "refined_products": "product", "gas": "gas"}
#: Cargo of liner ships: it waits for a sailing, bulk has ships of its own.
LINER: tuple[str, ...] = ("containers", "general_cargo", "finished_vehicles")
#: Rows of the saved hours (:class:`networks.solve.Costs`): parameters of what is added, of what there is, and of the wait it shortens.
SERVICES: tuple[tuple[str, str, str], ...] = (
    ("sea_rail_window_trains", "box_trains_per_day", "box_train_wait"),
    ("coastal_sailings_added", "coastal_sailings_base", "coastal_ship_wait"),
)
_G_PER_T = 1e6
#: The truck of the line haul, whose load and empty km move the price of a tonne-km.
_LINE_HAUL = "tractor_trailer"


def unit_costs(params: Params) -> Array:
    """Return the cost coefficients of every commodity.

    Parameters
    ----------
    params
        Parameters of the run.

    Returns
    -------
    array (commodity, draw, year, component)
        Cost per unit of each component of :data:`networks.cost.COMPONENTS` [CNY/t per km, h or count].
    """
    return np.stack([_commodity_costs(params, commodity) for commodity in COMMODITIES])


def reference_costs(params: Params, commodity: str, year: int) -> Array:
    """Return the coefficients of one commodity in one year position (first draw), the reference for paths and terminals."""
    costs: Array = _commodity_costs(params, commodity)[0, year].copy()
    # paths must cost something wherever they run, whatever the commodity may use
    costs[COMPONENTS.index("pipeline_km")] = params.get("pipeline_tariff_per_km", "crude")[0, year]
    return costs


def _commodity_costs(params: Params, commodity: str) -> Array:
    get = params.get
    carbon = get("freight_carbon_price") / _G_PER_T
    hour = get("value_of_time_cargo", commodity)
    time_factor, dwell = get("rail_time_factor") * get("rail_speed_factor"), get("rail_terminal_dwell")
    fixed, per_km = _rail_tariff(params, commodity)
    road = _road(params, commodity, hour, carbon)
    dray_end, dray_km = get("drayage_fixed") + get("rail_terminal_handling"), get("drayage_per_km")
    siding = get("rail_siding_charge") + get("rail_siding_yearly_fee")
    handling = get("port_handling") * get("port_handling_factor", HANDLING_OF.get(commodity, "bulk"))
    share = get("new_siding_share")
    sea_level = get("sea_rate_factor", commodity) * get("sea_cost_level")
    ship_carbon = carbon * get("freight_direct_co2", "water")
    pipe = get("pipeline_tariff_per_km", PIPE_OF[commodity]) if commodity in PIPE_OF else np.zeros_like(hour)
    connected = get("new_pipeline_connection_share")
    boxes = 1.0 / get("container_load")
    values = {
        **road,
        "rail_tariff_km": per_km + carbon * get("freight_direct_co2", "rail"),
        "rail_h": hour * time_factor,
        "rail_load": fixed + hour * dwell,
        "siding_end": siding,
        "drayage_end": dray_end,
        "drayage_km": dray_km + carbon * get("freight_direct_co2", "road"),
        "drayage_h": road["road_h"],
        # a siding takes the place of the truck for this share of the tonnes
        "site_drayage_end": (1.0 - share) * dray_end + share * siding,
        "site_drayage_km": (1.0 - share) * (dray_km + carbon * get("freight_direct_co2", "road")),
        "site_drayage_h": (1.0 - share) * road["road_h"],
        "site_yard_price": 1.0 - share,
        "sea_km": get("sea_rate_per_km") * sea_level + ship_carbon,
        "sea_h": hour,
        "sea_load": get("sea_rate_fixed") * sea_level + 2.0 * handling + hour * get("sea_dwell"),
        "roro_km": get("roro_per_km") + ship_carbon,
        "roro_load": get("roro_fixed") + hour * get("roro_dwell"),
        "pipeline_km": pipe * get("pipeline_cost_level") + carbon * get("freight_direct_co2", "pipeline"),
        "pipeline_load": get("pipeline_fixed"),
        "last_mile_end": (1.0 - connected) * get("last_mile_fixed"),
        "last_mile_km": (1.0 - connected) * (dray_km + carbon * get("freight_direct_co2", "road")) + connected * pipe,
        "last_mile_h": (1.0 - connected) * road["road_h"],
    }
    if commodity in BULK:
        values["port_truck_bulk"] = get("port_road_clean_charge")
    if commodity == "containers":
        values["port_train_box"] = -get("container_rail_subsidy") * boxes
    return coefficients(values)


def mark_costs(params: Params) -> Array | None:
    """Return what the marks of whole hauls cost (:data:`networks.measure.MARKS`), ``None`` if they cost nothing.

    Parameters
    ----------
    params
        Parameters of the run.

    Returns
    -------
    array (commodity, draw, year, mark)
        [CNY/t per unit].

    Notes
    -----
    Short rail hauls: ``(factor - 1) x tariff``. Dry bulk on the road over long distances: ``compliance x penalty``, the mean of what a rule costs that
    is enforced on this share of the loads. Train ferry: surcharge, and the hours at its berths at the value of time.
    """
    get = params.get
    short, rule = get("rail_short_haul_factor") - 1.0, get("bulk_road_rule_compliance")
    fare, dwell = get("rail_ferry_surcharge"), get("rail_ferry_dwell_change")
    if not (short.any() or rule.any() or fare.any() or dwell.any()):
        return None
    made = np.zeros((len(COMMODITIES), *fare.shape, len(MARKS)))
    for i, commodity in enumerate(COMMODITIES):
        fixed, per_km, _ = _rail_rates(params, commodity)
        made[i, ..., MARK["rail_short"]] = short * fixed
        made[i, ..., MARK["rail_short_km"]] = short * per_km
        if commodity in BULK:
            made[i, ..., MARK["road_long"]] = rule * get("bulk_road_rule_penalty")
        made[i, ..., MARK["rail_ferry"]] = fare + dwell * get("value_of_time_cargo", commodity)
    return made


def saved_hours(params: Params, zones: Sequence[str]) -> Array | None:
    """Return the hours that denser services at ports save, ``None`` without any (first draw, as the tables of ports are).

    Parameters
    ----------
    params
        Parameters of the run.
    zones
        Zones in order.

    Returns
    -------
    array (commodity, service, zone, year)
        Services in the order of :data:`SERVICES` [h].

    Notes
    -----
    A tonne waits in proportion to the gap between departures, so ``n`` departures beside ``n0`` save ``wait x n / (n0 + n)``.
    """
    position = {zone: i for i, zone in enumerate(zones)}
    made = np.zeros((len(COMMODITIES), len(SERVICES), len(zones), len(YEARS)))
    for k, (added, there, wait) in enumerate(SERVICES):
        served = ("containers",) if k == 0 else LINER
        for port in params.subjects(added):
            more = params.get(added, port)[0]
            if port in position and more.any():
                saved = params.get(wait)[0] * more / (params.get(there, port)[0] + more)
                made[[COMMODITIES.index(c) for c in served], k, position[port]] = saved
    return made if made.any() else None


def overload_factor(params: Params) -> Array:
    """Return the mean load of trucks over that of today ``[draw, year]`` [-]: enforcement takes the loads above the legal mass away.

    Parameters
    ----------
    params
        Parameters of the run.

    Notes
    -----
    ``(1 + s x (1 - e)) / (1 + s x)`` with the share ``s`` of overloaded trucks, what they carry too much ``x`` over the legal load, and the part
    ``e`` of it that enforcement ends.
    """
    over = params.get("overload_share") * params.get("overload_excess")
    found: Array = (1.0 + over * (1.0 - params.get("overload_enforcement"))) / (1.0 + over)
    return found


def truck_load_t(name: str, params: Params) -> Array:
    """Return the mean load over all km [t/veh]."""
    return (
        params.get("truck_payload", name)
        * overload_factor(params)
        * np.clip(params.get("truck_load_factor", name), 0.0, 1.0)
        * np.clip(params.get("truck_loaded_km_share", name), 0.0, 1.0)
    )


def _rail_tariff(params: Params, commodity: str) -> tuple[Array, Array]:
    """Return the fixed and the per-km part of the rail price [CNY/t], [CNY/tkm]."""
    get = params.get
    beside = get("rail_electrification_surcharge") + get("rail_track_access_surcharge")
    fixed, per_km, fund = _rail_rates(params, commodity)
    if commodity == "containers":
        per_box = 1.0 / get("container_load")
        level = get("rail_tariff_level")
        return fixed, (get("rail_container_tariff_per_km") * level + get("rail_construction_fund_container")) * per_box + beside
    return fixed, per_km + fund + beside


def _rail_rates(params: Params, commodity: str) -> tuple[Array, Array, Array]:
    """Return the fixed and the per-km part of the rail tariff and the construction fund [CNY/t], [CNY/tkm], [CNY/tkm]."""
    get = params.get
    level = get("rail_tariff_level")
    if commodity == "containers":
        per_box = 1.0 / get("container_load")
        return (
            get("rail_container_tariff_fixed") * level * per_box,
            get("rail_container_tariff_per_km") * level * per_box,
            get("rail_construction_fund_container") * per_box,
        )
    name = f"class_{int(get('rail_tariff_class', commodity)[0, 0])}"
    fund = get("rail_construction_fund", "grain" if commodity == "grain" else "general")
    return get("rail_tariff_fixed", name) * level, get("rail_tariff_per_km", name) * level, fund


def _road(params: Params, commodity: str, hour: Array, carbon: Array) -> dict[str, Array]:
    """Return truck costs per km, hour and load; empty km are paid by the loaded tonnes."""
    get = params.get
    # Loads and empty km of the carriers' trucks stand in the fleet's rows; here they act as an index on 2020, so that one lever moves both
    # the price of a tonne and the fuel it takes.
    loading = _index(get("truck_payload", _LINE_HAUL)) * _index(get("truck_load_factor", _LINE_HAUL)) * overload_factor(params)
    paid_t = (
        get("road_payload", commodity)
        * loading
        * (1.0 - get("road_empty_share"))
        * _index(get("truck_loaded_km_share", _LINE_HAUL))
    )
    # a fuller truck burns more per km: the energy of the fleet and the fuel in the price follow the same load
    heavier = load_multiplier(
        truck_load_t(_LINE_HAUL, params), get("truck_reference_load", _LINE_HAUL), get("load_fuel_share", _LINE_HAUL)
    )
    fuel = get("road_fuel_use") * get("road_freight_fuel_price") * get("road_fuel_cost_level") * _index(heavier)
    wear = get("road_wear_per_km")
    co2 = carbon * get("freight_direct_co2", "road")
    toll = _expressway_toll(params)
    if commodity == "containers":
        toll *= get("road_toll_container_factor")
    return {
        "road_expressway_km": (fuel + wear + toll) / paid_t + co2,
        "road_other_km": (fuel * get("road_other_fuel_factor") + wear + get("road_toll_other_per_km")) / paid_t + co2,
        "road_h": get("road_hour_cost") / paid_t + hour,
        "road_load": get("road_loading") + hour * get("road_loading_time"),
    }


def _expressway_toll(params: Params) -> Array:
    """Return the toll of the mean long-haul truck ``[draw, year]`` [CNY/km]: toll classes and hours weighted by their share of the km."""
    classes = params.subjects("road_toll_class_share")
    mean = sum(params.get("road_toll_class_share", name) * params.get("road_toll_class_factor", name) for name in classes)
    by_hour = 1.0 + params.get("road_toll_night_share") * (params.get("road_toll_night_factor") - 1.0)
    toll: Array = params.get("road_toll_per_km") * mean * by_hour
    return toll


def _index(path: Array) -> Array:
    """Return a path relative to its value of the base year ``[draw, year]`` [-]."""
    base = BASE_YEAR - FIRST_YEAR
    return path / path[:, base : base + 1]


def make_costs(params: Params, prepared: Prepared) -> Costs:
    """Return everything that varies by draw and year."""
    level = growth_level(params)
    # a lower level of a nested logit may not be wider than the one above it
    nest_scale = params.get("freight_nest_scale")
    port_scale = np.minimum(params.get("freight_port_scale"), nest_scale)
    return Costs(
        coefficients=unit_costs(params),
        scale=params.get("freight_cost_scale"),
        nest_scale=nest_scale,
        port_scale=port_scale,
        terminal_scale=np.minimum(params.get("freight_terminal_scale"), port_scale),
        preference=np.stack([_rail_preference(params, c) for c in COMMODITIES]),
        sea_preference=params.get("sea_preference"),
        growth=np.stack([params.get("freight_growth_index", c) * level for c in COMMODITIES]),
        group_level=group_levels(params, prepared.demand.groups),
        siding_share=params.get("new_siding_share"),
        pipe_share=params.get("new_pipeline_connection_share"),
        marks=mark_costs(params),
        saved_h=saved_hours(params, prepared.zones.ids),
    )


def _rail_preference(params: Params, commodity: str) -> Array:
    """Return the utility of rail for a commodity beside cost ``[draw, year]``; that of boxes moves with the services since the base year."""
    found = params.get("rail_commodity_preference", commodity)
    return found + params.get("rail_container_service") if commodity == "containers" else found


def growth_level(params: Params) -> Array:
    """Return the level of all freight ``[draw, year]`` [-]; 1 through the base year."""
    return np.where(np.asarray(YEARS) > BASE_YEAR, params.get("freight_growth_level"), 1.0)
