"""What a new vehicle of each powertrain costs its owner: parameter rows to cost per km.

Money is in constant yuan of 2023. Driver, tolls and parking are left out: they are alike for all powertrains of a class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fleets import tco
from fleets.stock import StockPath
from transport.layout import NORMAL_YEAR, year_index
from transport.vehicles import energies
from transport.vehicles.groups import ratio_in_group
from transport.vehicles.work import road_distance_km

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
    spec: VehicleClass, params: Params, activity: Activity, climate: Mapping[str, Climate], required: Array
) -> tco.UnitCost:
    """Return the cost per km of a new vehicle in each year.

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
    required
        Vehicles that are needed ``[draw, year]``.

    Returns
    -------
    UnitCost ``[draw, year, powertrain]`` [CNY/km]

    Notes
    -----
    capital = ((1 + tax) price - subsidy) (1 - R (1 + r)^-n) a(r, n) / D with D the planned distance of a year; energy = sum over carriers of
    use per km x price; fixed = yearly charges / D.
    """
    used, distance = new_vehicle_use(spec, params, activity, climate, required)
    # A buyer plans with the distance of a year without restrictions.
    planned = distance[:, year_index(NORMAL_YEAR)][:, None, None]
    zero = np.zeros((*required.shape, len(spec.pairs)))
    energy = sum((amount * energy_price(params, spec, carrier) for carrier, amount in used.items()), zero)
    rate = params.get("discount_rate", "household" if spec.name == "private_car" else "operator")[:, :, None]
    years = params.get("ownership_years", spec.name)[:, :, None]
    groups = [p.group for p in spec.pairs]
    resale = _stack([params.get("resale_share", g) for g in groups])
    capital = tco.yearly_capital(paid_price(params, spec), resale, rate, years)
    return tco.UnitCost(
        capital=capital / planned,
        energy=np.asarray(energy),
        maintenance=upkeep_per_km(params, spec),
        fixed=fixed_per_year(params, spec) / planned,
        infrastructure=own_chargers(params, spec)
        * tco.annuity(rate, params.get("infrastructure_life", "charger")[:, :, None])
        / planned,
    )


def new_vehicle_use(
    spec: VehicleClass, params: Params, activity: Activity, climate: Mapping[str, Climate], required: Array
) -> tuple[dict[str, Array], Array]:
    """Return energy per km of a new vehicle by carrier ``[draw, year, powertrain]`` in native units, and km per vehicle ``[draw, year]``.

    Notes
    -----
    The energy model itself is asked: a stock of new vehicles only, as many of each powertrain, in that year's weather, load and speeds.
    """
    n_train = len(spec.pairs)
    stock = np.zeros((*required.shape, n_train, 2))
    stock[..., 0] = required[..., None] / n_train
    none = np.zeros(stock.shape[:3])
    path = StockPath(stock, none, none, none)
    book = energies.EnergyBook(required.shape)
    energies.add_road(book, spec, params, activity, path, climate[spec.climate], None)
    distance = road_distance_km(spec, params, activity, path)
    each = distance / n_train
    used: dict[str, Array] = {}
    for (_, train, carrier), amount in book.rows.items():
        k = next(i for i, p in enumerate(spec.pairs) if p.powertrain == train)
        used.setdefault(carrier, none.copy())[..., k] += amount / each
    return used, np.asarray(distance / required)


def list_price(params: Params, spec: VehicleClass) -> Array:
    """Return the price of a vehicle with its battery, without purchase tax and subsidy ``[draw, year, powertrain]`` [CNY/veh]."""
    size, cells = ratio_in_group(spec, params, "price"), ratio_in_group(spec, params, "battery")
    made = []
    for pair in spec.pairs:
        key = f"{spec.name}:{pair.powertrain}"
        price = params.get("vehicle_price", key) * size
        if params.has("battery_capacity", key):
            price = price + params.get("battery_capacity", key) * cells * params.get("battery_pack_price")
        made.append(price)
    return _stack(made)


def paid_price(params: Params, spec: VehicleClass) -> Array:
    """Return what the buyer pays: list price with purchase tax, less the subsidy of new energy vehicles [CNY/veh], never below zero."""
    tax = _stack(
        [params.get("purchase_tax_share", _own_or(params, "purchase_tax_share", spec.name, p.group)) for p in spec.pairs]
    )
    subsidy = params.get("purchase_subsidy", spec.name)
    paid = _stack([subsidy if p.group == "new_energy" else np.zeros_like(subsidy) for p in spec.pairs])
    return np.asarray(np.maximum(list_price(params, spec) * (1.0 + tax) - paid, 0.0))


def upkeep_per_km(params: Params, spec: VehicleClass) -> Array:
    """Return upkeep per km ``[draw, year, powertrain]`` [CNY/km]."""
    ratio = _stack([params.get("maintenance_ratio", p.powertrain) for p in spec.pairs])
    return np.asarray(params.get("maintenance_cost", spec.name)[:, :, None] * ratio)


def fixed_per_year(params: Params, spec: VehicleClass) -> Array:
    """Return insurance and other yearly charges ``[draw, year, powertrain]`` [CNY/veh/yr]."""
    ratio = _stack([params.get("fixed_cost_ratio", p.group) for p in spec.pairs])
    return np.asarray(params.get("fixed_cost", spec.name)[:, :, None] * ratio)


def own_chargers(params: Params, spec: VehicleClass) -> Array:
    """Return the installed cost of the owner's chargers per vehicle ``[draw, year, powertrain]`` [CNY/veh].

    Only classes with chargers of their own have any: the price of a public kWh holds those of others.
    """
    installed = params.get("charger_installation_ratio")
    if spec.group == "urban_bus":
        cost = params.get("depot_plugs_per_bus") * params.get("charger_price", "depot") * installed
    elif params.has("chargers_per_vehicle", spec.name):
        kind = "home" if spec.name == "private_car" else "depot"
        cost = params.get("chargers_per_vehicle", spec.name) * params.get("charger_price", kind) * installed
    else:
        cost = np.zeros_like(installed)
    plugged = [params.has("electricity_use", f"{spec.name}:{p.powertrain}") for p in spec.pairs]
    return _stack([cost if plug else np.zeros_like(cost) for plug in plugged])


def energy_price(params: Params, spec: VehicleClass, carrier: str) -> Array:
    """Return what a road class pays for a carrier ``[draw, year, powertrain]`` [CNY per native unit: t, m3, kWh].

    Raises
    ------
    ValueError
        If the carrier has no price.

    Notes
    -----
    There is one diesel price: the pump price of the freight costs, with its lever, in yuan of 2023. Gasoline follows it.
    """
    one = np.ones((1, 1, len(spec.pairs)))
    if carrier in {"diesel", "gasoline", "lpg"}:
        per_litre = params.get("lpg_price") if carrier == "lpg" else diesel_price(params)
        if carrier == "gasoline":
            per_litre = per_litre * params.get("gasoline_price_ratio")
        return np.asarray((per_litre * _KG_PER_T / params.get("fuel_density", carrier))[:, :, None] * one)
    if carrier == "electricity":
        price = params.get("charging_price", spec.name)
        fee = params.get("swap_service_fee")
        return _stack([price + fee if p.powertrain == _SWAPPED else price for p in spec.pairs])
    named = {"natural_gas": ("cng_price", 1.0), "lng": ("lng_price", _KG_PER_T), "hydrogen": ("hydrogen_price", _KG_PER_T)}
    if carrier not in named:
        msg = (
            f"no price of {carrier} for road vehicles ({spec.name}); add one to transport.vehicles.ownership and costs_energy.csv"
        )
        raise ValueError(msg)
    parameter, scale = named[carrier]
    return np.asarray((params.get(parameter) * scale)[:, :, None] * one)


def diesel_price(params: Params) -> Array:
    """Return the pump price of diesel ``[draw, year]`` [CNY/L] in yuan of 2023."""
    price = params.get("road_freight_fuel_price") * params.get("road_fuel_cost_level")
    return np.asarray(price / params.get("consumer_price_index"))


def _own_or(params: Params, parameter: str, name: str, group: str) -> str:
    return name if params.has(parameter, name) else group


def _stack(arrays: list[Array]) -> Array:
    return np.stack(arrays, axis=-1)
