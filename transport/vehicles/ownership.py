"""What a new vehicle of each powertrain costs its owner: parameter rows to cost per unit of work.

Money is in constant yuan of 2023. Driver, crew, tolls, dues and parking are left out: they are alike for all powertrains of a class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fleets import tco
from transport.layout import NORMAL_YEAR, YEARS, year_index
from transport.vehicles.energies import BATTERY_ALONE
from transport.vehicles.groups import ratio_in_group
from transport.vehicles.new_vehicles import new_vehicle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.params import Params
    from transport.vehicles.tables import Activity, Array, Climate, VehicleClass

_KG_PER_T = 1000.0
#: Powertrains whose electricity carries the fee of the battery exchange.
_SWAPPED = "battery_swap"


def is_priced(spec: VehicleClass, params: Params) -> bool:
    """Return whether every powertrain of a class has a price, so that its cost of ownership is defined."""
    return bool(spec.pairs) and all(params.has("vehicle_price", f"{spec.name}:{p.powertrain}") for p in spec.pairs)


def ownership_cost(
    spec: VehicleClass, params: Params, activity: Activity, climate: Mapping[str, Climate]
) -> tuple[tco.UnitCost, str]:
    """Return the cost of a new vehicle per unit of work in each year, and the unit.

    Parameters
    ----------
    spec
        A class for which :func:`is_priced` holds.
    params
        Parameters of the run; members of a group inherit its rows.
    activity
        Turnover, from which the yearly distance of trucks, coaches and cars follows.
    climate
        Weather by climate group.

    Returns
    -------
    UnitCost ``[draw, year, powertrain]`` [CNY/unit] and the unit, a key of :data:`transport.vehicles.new_vehicles.UNITS`

    Notes
    -----
    capital = ((1 + tax) price - subsidy) (1 - R (1 + r)^-n) a(r, n) / D with D the planned work of a year; energy = sum over carriers of
    use per unit x price; fixed = yearly charges / D; batteries after :func:`fleets.tco.yearly_replacement` / D; payload = lost tonnes x share of
    the loaded km on which weight is the limit x what a tonne-km earns.
    """
    new = new_vehicle(spec, params, activity, climate)
    # A buyer plans with the work of a year without restrictions.
    at = year_index(NORMAL_YEAR)
    planned = new.work[:, at : at + 1]
    zero = np.zeros(new.work.shape)
    energy = sum((amount * energy_price(params, spec, carrier) for carrier, amount in new.energy.items()), zero)
    rate = params.get("discount_rate", "household" if spec.name == "private_car" else "operator")[:, :, None]
    years = params.get("ownership_years", spec.name)[:, :, None]
    resale = _stack([params.get("resale_share", _own_or(params, "resale_share", spec.name, p.group)) for p in spec.pairs])
    capital = tco.yearly_capital(paid_price(params, spec), resale, rate, years)
    drawn = new.energy.get("electricity", zero)[:, at : at + 1] * planned
    cost = tco.UnitCost(
        capital=capital / planned,
        energy=np.asarray(energy),
        maintenance=upkeep_per_km(params, spec) + upkeep_per_year(params, spec) / planned,
        fixed=fixed_per_year(params, spec) / planned,
        infrastructure=own_chargers(params, spec)
        * tco.annuity(rate, params.get("infrastructure_life", "charger")[:, :, None])
        / planned,
        battery=tco.yearly_replacement(battery_price(params, spec), rate, years, battery_years(params, spec, drawn)) / planned,
        payload=lost_payload(params, spec),
    )
    return cost, new.unit


def battery_kwh(params: Params, spec: VehicleClass) -> Array:
    """Return the nominal capacity of a vehicle's battery ``[draw, year, powertrain]`` [kWh/veh], 0 without one."""
    cells = ratio_in_group(spec, params, "battery")
    keys = [f"{spec.name}:{p.powertrain}" for p in spec.pairs]
    none = np.zeros((params.draws, len(YEARS)))
    return _stack([params.get("battery_capacity", k) * cells if params.has("battery_capacity", k) else none for k in keys])


def battery_price(params: Params, spec: VehicleClass) -> Array:
    """Return the price of a vehicle's battery by the year it is bought in ``[draw, year, powertrain]`` [CNY/veh]."""
    return np.asarray(battery_kwh(params, spec) * params.get("battery_pack_price")[:, :, None])


def battery_years(params: Params, spec: VehicleClass, drawn_kwh: Array) -> Array:
    """Return the years after which a battery is worn out ``[draw, year, powertrain]`` [yr], infinite without a battery.

    Parameters
    ----------
    params, spec
        The class; ``battery_life`` is the age that the calendar allows.
    drawn_kwh
        Grid electricity of a vehicle in a year ``[draw, 1, powertrain]`` [kWh/veh/yr]; what the charger loses does not pass the battery.
    """
    capacity = battery_kwh(params, spec)
    if not bool(capacity.any()):
        return np.full(capacity.shape, np.inf)
    loss = params.get("charging_loss", spec.name)[:, :, None]
    calendar, cycles = params.get("battery_life", spec.name)[:, :, None], params.get("battery_cycle_life")[:, :, None]
    return tco.battery_life(calendar, cycles, np.broadcast_to(drawn_kwh * (1.0 - loss), capacity.shape), capacity)


def lost_payload(params: Params, spec: VehicleClass) -> Array:
    """Return what the payload that a battery takes would have earned ``[draw, year, powertrain]`` [CNY/km].

    Only trucks with rows of ``payload_value`` lose any: the others carry people, or are full before they are heavy.
    """
    capacity = battery_kwh(params, spec)
    if not params.has("payload_value", spec.name):
        return np.zeros(capacity.shape)
    per_t, saved = params.get("battery_specific_energy")[:, :, None], params.get("engine_mass_saved", spec.name)[:, :, None]
    value = (
        params.get("payload_value", spec.name)
        * np.clip(params.get("weight_limited_share", spec.name), 0.0, 1.0)
        * np.clip(params.get("truck_loaded_km_share", spec.name), 0.0, 1.0)
    )
    # what keeps its engine beside the battery saves no mass
    both = np.asarray([params.has("electric_km_share", f"{spec.name}:{p.powertrain}") for p in spec.pairs])
    return np.asarray(tco.payload_loss(capacity, per_t, np.where(both, 0.0, saved)) * value[:, :, None])


def list_price(params: Params, spec: VehicleClass) -> Array:
    """Return the price of a vehicle with its battery, without purchase tax and subsidy ``[draw, year, powertrain]`` [CNY/veh].

    Battery vehicles that take others beside them for the same service (``extra_vehicle_share``) cost as much more.
    """
    return np.asarray((_bare_price(params, spec) + battery_price(params, spec)) * _vehicles_per_service(params, spec))


def _vehicles_per_service(params: Params, spec: VehicleClass) -> Array:
    """Return the vehicles that do the work of one ``[draw, year, powertrain]`` [-]."""
    one = np.ones((params.draws, len(YEARS), len(spec.pairs)))
    if not params.has("extra_vehicle_share", spec.name):
        return one
    alone = np.asarray([float(p.powertrain in BATTERY_ALONE) for p in spec.pairs])
    return np.asarray(one + params.get("extra_vehicle_share", spec.name)[:, :, None] * alone)


def _bare_price(params: Params, spec: VehicleClass) -> Array:
    """Return the price of a vehicle as sold without its battery ``[draw, year, powertrain]`` [CNY/veh]."""
    size = ratio_in_group(spec, params, "price")
    return _stack([params.get("vehicle_price", f"{spec.name}:{p.powertrain}") * size for p in spec.pairs])


def paid_price(params: Params, spec: VehicleClass) -> Array:
    """Return what the buyer pays: list price with purchase tax, less the subsidy of new energy vehicles [CNY/veh], never below zero."""
    if not params.has("purchase_subsidy", spec.name):
        # neither the tax nor the subsidies of the road reach ships, trains, aircraft and machines without a number plate
        return list_price(params, spec)
    tax = _stack(
        [params.get("purchase_tax_share", _own_or(params, "purchase_tax_share", spec.name, p.group)) for p in spec.pairs]
    )
    subsidy = params.get("purchase_subsidy", spec.name)
    paid = _stack([subsidy if p.group == "new_energy" else np.zeros_like(subsidy) for p in spec.pairs])
    return np.asarray(np.maximum(list_price(params, spec) * (1.0 + tax) - paid, 0.0))


def upkeep_per_km(params: Params, spec: VehicleClass) -> Array:
    """Return upkeep per km ``[draw, year, powertrain]`` [CNY/km]; 0 for classes whose upkeep is a share of the price."""
    if not params.has("maintenance_cost", spec.name):
        return np.zeros((params.draws, len(YEARS), len(spec.pairs)))
    ratio = _stack([params.get("maintenance_ratio", p.powertrain) for p in spec.pairs])
    return np.asarray(params.get("maintenance_cost", spec.name)[:, :, None] * ratio)


def upkeep_per_year(params: Params, spec: VehicleClass) -> Array:
    """Return the upkeep that follows the price of the vehicle without its battery ``[draw, year, powertrain]`` [CNY/veh/yr]."""
    if params.has("maintenance_cost", spec.name):
        return np.zeros((params.draws, len(YEARS), len(spec.pairs)))
    share = _stack([params.get("upkeep_share", f"{spec.name}:{p.powertrain}") for p in spec.pairs])
    return np.asarray(_bare_price(params, spec) * share)


def fixed_per_year(params: Params, spec: VehicleClass) -> Array:
    """Return insurance and other yearly charges ``[draw, year, powertrain]`` [CNY/veh/yr].

    Road vehicles have an amount, the others a share of the price.
    """
    if params.has("insurance_share", spec.name):
        return np.asarray(list_price(params, spec) * params.get("insurance_share", spec.name)[:, :, None])
    ratio = _stack([params.get("fixed_cost_ratio", p.group) for p in spec.pairs])
    return np.asarray(params.get("fixed_cost", spec.name)[:, :, None] * ratio * _vehicles_per_service(params, spec))


def own_chargers(params: Params, spec: VehicleClass) -> Array:
    """Return the installed cost of the owner's chargers per vehicle ``[draw, year, powertrain]`` [CNY/veh].

    Only classes with chargers of their own have any: the price of a public kWh holds those of others.
    """
    installed = params.get("charger_installation_ratio")
    shared = {"urban_bus": "depot_plugs_per_bus", "airside_equipment": "apron_plugs_per_unit"}
    if spec.group in shared:
        cost = params.get(shared[spec.group]) * params.get("charger_price", "depot") * installed
    elif params.has("chargers_per_vehicle", spec.name):
        kind = "home" if spec.name == "private_car" else "depot"
        cost = params.get("chargers_per_vehicle", spec.name) * params.get("charger_price", kind) * installed
    else:
        cost = np.zeros_like(installed)
    plugged = [params.has("electricity_use", f"{spec.name}:{p.powertrain}") for p in spec.pairs]
    return _stack([cost if plug else np.zeros_like(cost) for plug in plugged])


def energy_price(params: Params, spec: VehicleClass, carrier: str) -> Array:
    """Return what a class pays for a carrier ``[draw, year, powertrain]`` [CNY per native unit: t, m3, kWh].

    Raises
    ------
    ValueError
        If the carrier has no price.

    Notes
    -----
    There is one diesel price: the pump price of the freight costs, with its lever, in yuan of 2023. Gasoline follows it, and so do the fuels
    that ships bunker (``marine_fuel_price_ratio`` per tonne of pump diesel). Railways pay the price of traction power.
    """
    one = np.ones((1, 1, len(spec.pairs)))
    if carrier in {"diesel", "fuel_oil"} and spec.mode == "water":
        return np.asarray((diesel_price_t(params) * params.get("marine_fuel_price_ratio", carrier))[:, :, None] * one)
    if carrier in {"diesel", "gasoline", "lpg"}:
        per_litre = params.get("lpg_price") if carrier == "lpg" else diesel_price(params)
        if carrier == "gasoline":
            per_litre = per_litre * params.get("gasoline_price_ratio")
        return np.asarray((per_litre * _KG_PER_T / params.get("fuel_density", carrier))[:, :, None] * one)
    if carrier == "electricity":
        if spec.mode == "rail":
            return np.asarray(params.get("traction_power_price")[:, :, None] * one)
        price = params.get("charging_price", spec.name)
        fee = params.get("swap_service_fee")
        return _stack([price + fee if p.powertrain == _SWAPPED else price for p in spec.pairs])
    named = {
        "natural_gas": ("cng_price", 1.0),
        "lng": ("lng_price", _KG_PER_T),
        "hydrogen": ("hydrogen_price", _KG_PER_T),
        "methanol": ("methanol_price", 1.0),
        "kerosene": ("jet_fuel_price", 1.0),
    }
    if carrier not in named:
        msg = f"no price of {carrier} ({spec.name}); add one to transport.vehicles.ownership and costs_energy.csv"
        raise ValueError(msg)
    parameter, scale = named[carrier]
    return np.asarray((params.get(parameter) * scale)[:, :, None] * one)


def diesel_price_t(params: Params) -> Array:
    """Return the pump price of diesel ``[draw, year]`` [CNY/t] in yuan of 2023."""
    return np.asarray(diesel_price(params) * _KG_PER_T / params.get("fuel_density", "diesel"))


def diesel_price(params: Params) -> Array:
    """Return the pump price of diesel ``[draw, year]`` [CNY/L] in yuan of 2023."""
    price = params.get("road_freight_fuel_price") * params.get("road_fuel_cost_level")
    return np.asarray(price / params.get("consumer_price_index"))


def _own_or(params: Params, parameter: str, name: str, group: str) -> str:
    return name if params.has(parameter, name) else group


def _stack(arrays: list[Array]) -> Array:
    return np.stack(arrays, axis=-1)
