"""Urban and rural distribution with light trucks: kilometres, tonne-km, tours and stock by prefecture.

Light trucks (up to 4.5 t) are own account and stand outside the turnover of licensed carriers: what is counted here is in no tonne-km of the
freight model, and nothing of the freight model is in here. The stock of light trucks is observed up to the last row of ``vehicle_stock``;
afterwards it follows the kilometres of three services: parcels, supply of shops and households, and trades (everything else: building,
repair, works and farms with trucks of their own).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport.freight_costs import growth_level
from transport.layout import BASE_YEAR, PROVINCE, YEARS, year_index

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.params import Params
    from transport.vehicles.tables import Array

#: Class whose stock and kilometres are modelled here; subject of its rows.
LIGHT_TRUCK = "light_truck"
SERVICES = ("parcels", "shops", "trades")
PARTS = ("urban", "rural")
#: What can be joined in a centre; trades carry their own tools and materials.
_JOINED = ("parcels", "shops")
_BASE = year_index(BASE_YEAR)


class DistributionError(ValueError):
    """Exception for data from which no distribution by prefecture can be made."""


@dataclass(frozen=True)
class Distribution:
    """Light freight of the province; arrays ``[draw, year, area]`` by part (:data:`PARTS`).

    Attributes
    ----------
    areas
        Codes of the prefectures.
    vehicle_km
        Kilometres of light trucks [km/yr].
    tkm
        Tonne-km on them [tkm/yr].
    trips
        Tours from a depot and back [1/yr].
    tonnes
        Goods brought [t/yr].
    hours
        Hours of drivers and trucks on tour [h/yr].
    handled_t
        Goods that pass a consolidation centre [t/yr].
    cost
        Cost of the tours without fuel and capital: drivers, upkeep, yearly charges, handling in centres, clean zones [CNY/yr].
    handling_kwh
        Electricity of the centres [kWh/yr]; a building's, not a vehicle's, so that it is in no transport account.
    trucks
        Light trucks that are needed ``[draw, year]`` [veh].
    zone_share
        Share of all kilometres that lies in clean zones ``[draw, year]``.
    """

    areas: tuple[str, ...]
    vehicle_km: dict[str, Array]
    tkm: dict[str, Array]
    trips: dict[str, Array]
    tonnes: dict[str, Array]
    hours: dict[str, Array]
    handled_t: dict[str, Array]
    cost: dict[str, Array]
    handling_kwh: dict[str, Array]
    trucks: Array
    zone_share: Array


def model_distribution(inputs: Inputs, params: Params) -> Distribution:
    r"""Model the light freight of the province.

    Parameters
    ----------
    inputs
        Tables ``demand/population`` and ``codes``; rows of ``vehicle_stock``.
    params
        Of the run.

    Returns
    -------
    Distribution

    Raises
    ------
    DistributionError
        If a prefecture has no people or no workers in trade, or the stock of light trucks has no row by year.

    Notes
    -----
    Kilometres relative to the base year by service s, and the stock:

    .. math::

        v_s(t) = k_s\, x_s(t)^{e_s}\, q(t), \qquad
        N(t) = N_o(\min(t, T))\, \frac{v(t)}{v(\min(t, T))}\, f(t)

    with the share k of the kilometres of 2020, the index x of its goods, the elasticity e (tours grow more slowly than goods, because stops
    lie closer together: Daganzo's continuous approximation), the kilometres q per unit of goods, the observed stock N_o and its last year T,
    and what the levers make of the kilometres, f (1 at their defaults). Prefectures and parts share a service's kilometres by people
    (parcels, trades) or workers in trade (shops); a rural place needs ``light_freight_rural_km_ratio`` times the kilometres.
    """
    areas = prefecture_codes(inputs)
    weight = _weights(inputs, params, areas)
    volume = {s: _volume(params, s) * params.get("light_freight_km_index") for s in SERVICES}
    plain = sum(volume.values(), np.zeros_like(volume[SERVICES[0]]))
    fuller = consolidation_factor(params)
    saved = sum((volume[s] * (1.0 - fuller) * weight[s, "urban"].sum(axis=-1) for s in _JOINED), np.zeros_like(plain))
    trucks = _observed_stock(inputs, params, plain) * growth_level(params) * (1.0 - saved / plain)
    total = trucks * params.get("annual_distance", LIGHT_TRUCK)
    made: dict[str, dict[str, Array]] = {name: {} for name in ("km", "tkm", "trips", "tonnes", "hours", "joined", "cost", "kwh")}
    centre = np.clip(params.get("consolidated_share", LIGHT_TRUCK), 0.0, 1.0)
    zone = np.clip(params.get("clean_zone_share", LIGHT_TRUCK), 0.0, 1.0)
    for part in PARTS:
        km, tkm, trips, tonnes, joined = (np.zeros((*total.shape, len(areas))) for _ in range(5))
        for service in SERVICES:
            filled = fuller if part == "urban" and service in _JOINED else np.ones_like(fuller)
            driven = (total * volume[service] / (plain - saved))[..., None] * weight[service, part] * filled[..., None]
            load = params.get("light_freight_load", service) / filled
            tours = driven / params.get("light_freight_tour", f"{service}:{part}")[..., None]
            # the truck leaves full and comes back empty: the mean load is half of what it brings
            brought = tours * 2.0 * load[..., None]
            km, tkm, trips, tonnes = km + driven, tkm + driven * load[..., None], trips + tours, tonnes + brought
            if part == "urban" and service in _JOINED:
                joined = joined + brought * centre[..., None]
        made["km"][part], made["tkm"][part], made["trips"][part], made["tonnes"][part] = km, tkm, trips, tonnes
        made["joined"][part] = joined
        made["hours"][part], driver_cost = _hours(params, part, km)
        standing = params.get("maintenance_cost", LIGHT_TRUCK) + params.get("fixed_cost", LIGHT_TRUCK) / params.get(
            "annual_distance", LIGHT_TRUCK
        )
        in_zone = zone * params.get("clean_zone_cost") if part == "urban" else np.zeros_like(zone)
        handling = params.get("consolidation_handling_cost")[..., None] * joined
        made["cost"][part] = driver_cost + (standing + in_zone)[..., None] * km + handling
        made["kwh"][part] = params.get("consolidation_handling_energy")[..., None] * joined
    urban_share = made["km"]["urban"].sum(axis=-1) / total
    return Distribution(
        areas,
        made["km"],
        made["tkm"],
        made["trips"],
        made["tonnes"],
        made["hours"],
        made["joined"],
        made["cost"],
        made["kwh"],
        trucks,
        zone * urban_share,
    )


def consolidation_factor(params: Params) -> Array:
    """Return the kilometres of goods that can be joined, relative to those without centres ``[draw, year]``.

    Notes
    -----
    1 - c (1 - 1 / g): the share c goes through centres, whose tours are g times as full.
    """
    share = np.clip(params.get("consolidated_share", LIGHT_TRUCK), 0.0, 1.0)
    return np.asarray(1.0 - share * (1.0 - 1.0 / params.get("consolidation_load_gain")))


def zone_mix(share: Array, clean: Array, zone: Array, limit: Array) -> Array:
    r"""Return the distance by powertrain when only clean trucks may drive in zones.

    Parameters
    ----------
    share
        Share of the distance by powertrain without zones ``[draw, year, powertrain]``, sum 1.
    clean
        Which powertrains may enter ``[powertrain]``.
    zone
        Share of all kilometres in zones ``[draw, year]``.
    limit
        Kilometres that a clean truck can drive, relative to those without zones ``[draw, year]``.

    Returns
    -------
    array ``[draw, year, powertrain]``, sum 1

    Notes
    -----
    Clean trucks are sent into the zones first and are driven more where that is not enough, up to the limit; what is still missing goes by
    exception:

    .. math:: c' = \min(\max(c, z),\; \max(1, u)\, c,\; 1)

    Stock and total distance stay: buying more clean trucks is the sales lever's.

    Examples
    --------
    >>> mix = np.array([[[0.9, 0.1]]])
    >>> zone_mix(mix, np.array([False, True]), np.array([[0.12]]), np.array([[1.5]])).ravel().round(2).tolist()
    [0.88, 0.12]
    """
    green = np.asarray(clean, dtype=np.bool_)
    before = np.where(green, share, 0.0).sum(axis=-1)
    after = np.minimum(np.minimum(np.maximum(before, zone), np.maximum(limit, 1.0) * before), 1.0)
    if np.array_equal(before, after):
        return share
    up = np.divide(after, before, out=np.ones_like(before), where=before > 0)
    down = np.divide(1.0 - after, 1.0 - before, out=np.ones_like(before), where=before < 1)
    return np.asarray(share * np.where(green, up[..., None], down[..., None]))


def prefecture_codes(inputs: Inputs) -> tuple[str, ...]:
    """Return the codes of the prefectures, in order."""
    codes = inputs.table("codes").filter(pl.col("list") == "area", pl.col("code").str.contains(r"^21\d\d00$"))
    return tuple(sorted(code for code in codes["code"].to_list() if code != PROVINCE))


def _volume(params: Params, service: str) -> Array:
    """Return the kilometres of a service relative to all kilometres of the base year, levers left out ``[draw, year]``."""
    if service == "trades":
        share = 1.0 - sum((params.get("light_freight_km_share", s) for s in _JOINED), np.zeros((1, len(YEARS))))
        return np.asarray(share * params.get("freight_growth_index", "general_cargo"))
    index, elasticity = params.get("light_freight_goods_index", service), params.get("light_freight_km_elasticity", service)
    return np.asarray(params.get("light_freight_km_share", service) * index**elasticity)


def _observed_stock(inputs: Inputs, params: Params, volume: Array) -> Array:
    """Return the observed stock up to its last row, afterwards as the kilometres grow ``[draw, year]``."""
    rows = inputs.parameters.filter(pl.col("parameter") == "vehicle_stock", pl.col("subject") == LIGHT_TRUCK)["year"].drop_nulls()
    if rows.is_empty():
        msg = f"vehicle_stock of {LIGHT_TRUCK}: no row names a year, so that nothing says up to when the stock is observed; give its rows years"
        raise DistributionError(msg)
    last = min(max(int(rows.max()) - YEARS[0], 0), len(YEARS) - 1)  # type: ignore[arg-type]
    stock = params.get("vehicle_stock", LIGHT_TRUCK)
    later = np.arange(len(YEARS)) > last
    return np.where(later, stock[:, [last]] * volume / volume[:, [last]], stock)


def _weights(inputs: Inputs, params: Params, areas: tuple[str, ...]) -> dict[tuple[str, str], Array]:
    """Return the share of each prefecture and part in the kilometres of a service ``[draw, year, area]``; the shares of a service sum to 1."""
    people = {part: _census(inputs, f"{part}_population", areas) for part in PARTS}
    everyone = people["urban"] + people["rural"]
    trade = _census(inputs, "employed_wholesale_retail_share", areas) * everyone
    urban = np.clip(params.get("urban_population_share"), 0.0, 1.0)
    moved = {"urban": urban / urban[:, [_BASE]], "rural": (1.0 - urban) / (1.0 - urban[:, [_BASE]])}
    found: dict[tuple[str, str], Array] = {}
    for service in SERVICES:
        whole = trade if service == "shops" else everyone
        ratio = {"urban": np.ones_like(urban), "rural": params.get("light_freight_rural_km_ratio", service)}
        raw = {part: (moved[part] * ratio[part])[..., None] * (whole * people[part] / everyone) for part in PARTS}
        total = sum(raw[part].sum(axis=-1) for part in PARTS)
        found |= {(service, part): raw[part] / np.asarray(total)[..., None] for part in PARTS}
    return found


def _census(inputs: Inputs, item: str, areas: tuple[str, ...]) -> Array:
    """Return one item of the census by prefecture."""
    rows = inputs.table("demand/population").filter(pl.col("item") == item, pl.col("county") == pl.col("area"))
    found = {str(area): float(value) for area, value in rows.select("area", "value").iter_rows()}
    missing = [area for area in areas if not found.get(area, 0.0) > 0.0]
    if missing:
        msg = f"demand/population: no {item} of {', '.join(missing)}; add rows of the prefecture (county = area)"
        raise DistributionError(msg)
    return np.array([found[area] for area in areas])


def _hours(params: Params, part: str, km: Array) -> tuple[Array, Array]:
    """Return hours on tour and what drivers cost for them [h/yr], [CNY/yr], both like ``km``."""
    wage = params.get("light_freight_hour_cost")[..., None]
    if part == "rural":
        hours = km / params.get("light_freight_speed", "rural")[..., None]
        return hours, hours * wage
    night = np.clip(params.get("night_delivery_share", LIGHT_TRUCK), 0.0, 1.0)[..., None]
    late = km * night / params.get("light_freight_speed", "urban_night")[..., None]
    early = km * (1.0 - night) / params.get("light_freight_speed", "urban_day")[..., None]
    return early + late, (early + late * (1.0 + params.get("night_wage_premium")[..., None])) * wage
