"""What a central city has that measures of its travel work on, and what one more bus costs; keys that share out the rows of the province."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fleets import tco
from transport.cities.base_shares import base_shares
from transport.cities.layout import MODES
from transport.cities.metro import metro_length_km
from transport.cities.segments import city_residents, of_area, prefectures, total_trips
from transport.layout import BASE_YEAR, YEARS, year_index
from transport.passengers import cars_per_resident
from transport.vehicles.groups import share_in_group
from transport.vehicles.ownership import list_price, own_chargers, ownership_cost
from transport.vehicles.sales import path_shares
from transport.vehicles.tables import Activity, parents, read_classes, read_climates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from transport.inputs import Inputs
    from transport.params import Params

    Array = NDArray[np.float64]

_CAR, _TAXI, _HAILED = (MODES.index(mode) for mode in ("car", "taxi", "ride_hailing"))
_BUSES, _TAXIS = "buses", "taxis"


@dataclass(frozen=True, slots=True)
class BusCost:
    """Cost of one more city bus that does what a bus of its year does, arrays ``[draw, year]`` [CNY/veh/yr].

    Attributes
    ----------
    vehicle
        Annuity of bus, battery and plugs.
    energy
        Fuel and power.
    upkeep
        Upkeep, insurance and inspection.
    crew
        Drivers, dispatch, administration.
    km
        What a bus drives [km/veh/yr].
    """

    vehicle: Array
    energy: Array
    upkeep: Array
    crew: Array
    km: Array


@dataclass(frozen=True, slots=True)
class CityScale:
    """How much of what measures work on a central city has, whatever they do; arrays ``[draw, year]``.

    Attributes
    ----------
    area
        Prefecture code.
    trip_share
        Share in the trips of the residents of all central cities [dimensionless]: the key to lanes, tracks, footways and streets with buses.
    residents
        [pax].
    car_trips, taxi_trips
        Trips by car, by taxi and ride-hailing, at the mode shares of 2019 [trip/yr].
    cars
        Cars of the residents, as many per head as in the province [veh].
    bus_share, hail_share
        Share in the buses and taxis of the province [dimensionless].
    metro_share
        Share in the km of metro of the province [dimensionless].
    metro_km
        Metro in all cities [km].
    bus
        Cost of one more bus.
    """

    area: str
    trip_share: Array
    residents: Array
    car_trips: Array
    taxi_trips: Array
    cars: Array
    bus_share: float
    hail_share: float
    metro_share: Array
    metro_km: Array
    bus: BusCost


def city_scales(inputs: Inputs, params: Params) -> dict[str, CityScale]:
    """Return area -> what the central city has.

    Parameters
    ----------
    inputs
        Tables ``codes``, ``demand/population``, ``demand/metro_lines``, ``accounts/area_weights`` and those of the vehicles.
    params
        Of the run without the measures.
    """
    areas = prefectures(inputs.table("codes"))
    census = city_residents(inputs.table("demand/population"), areas)
    trips = total_trips(params, areas, census)
    all_trips = sum(trips[1:], trips[0].copy())
    shares = base_shares(params, areas)
    metro = np.stack([metro_length_km(inputs, params, area) for area in areas])
    all_metro = sum(metro[1:], metro[0].copy())
    buses, taxis = (_counted(inputs, driver) for driver in (_BUSES, _TAXIS))
    bus = bus_cost(inputs, params)
    cars, base = cars_per_resident(params), year_index(BASE_YEAR)
    made = {}
    for i, area in enumerate(areas):
        index = of_area(params, "city_population_index", area)
        residents = census[area] * index / index[:, base : base + 1]
        made[area] = CityScale(
            area=area,
            trip_share=trips[i] / all_trips,
            residents=residents,
            car_trips=trips[i] * shares[i, _CAR][:, None],
            taxi_trips=trips[i] * (shares[i, _TAXI] + shares[i, _HAILED])[:, None],
            cars=residents * cars,
            bus_share=buses[area],
            hail_share=taxis[area],
            metro_share=np.divide(metro[i], all_metro, out=np.zeros_like(all_metro), where=all_metro > 0.0),
            metro_km=all_metro,
            bus=bus,
        )
    return made


def bus_cost(inputs: Inputs, params: Params) -> BusCost:
    """Return the cost of one more city bus of the sales mix and sizes of the year.

    Parameters
    ----------
    inputs
        Tables of the vehicles.
    params
        Of the run.

    Notes
    -----
    As the cost of ownership, but at the social rate, at list prices without tax and subsidy, and with a crew.
    """
    classes = read_classes(inputs)
    params = params.inheriting(parents(classes))
    climate = read_climates(inputs, params)
    shape = (params.draws, len(YEARS))
    still = np.zeros(shape)
    # a bus asks nothing of the turnover
    nothing = Activity(still, still, still, still, {}, still, {}, {}, still, still, still)
    rate = params.get("discount_rate", "social")[:, :, None]
    parts = [np.zeros(shape) for _ in range(4)]
    for spec in (found for found in classes if found.group == "urban_bus"):
        cost, _ = ownership_cost(spec, params, nothing, climate)
        years = params.get("ownership_years", spec.name)[:, :, None]
        plugs = own_chargers(params, spec) * tco.annuity(rate, params.get("infrastructure_life", "charger")[:, :, None])
        km = params.get("annual_distance", spec.name)[:, :, None]
        weight = path_shares(params, spec, shape) * np.asarray(share_in_group(spec, params))[..., None]
        bought = list_price(params, spec) * tco.annuity(rate, years) + cost.battery * km + plugs
        for k, amount in enumerate((bought, cost.energy * km, (cost.maintenance + cost.fixed) * km, km)):
            parts[k] += (amount * weight).sum(axis=-1)
    vehicle, energy, upkeep, driven = parts
    return BusCost(vehicle, energy, upkeep, params.get("bus_crew_cost"), driven)


def _counted(inputs: Inputs, driver: str) -> dict[str, float]:
    """Return the share of each prefecture in the vehicles that a driver counts."""
    rows = inputs.table("accounts/area_weights").filter(pl.col("driver") == driver)
    total = float(rows["value"].sum())
    return {str(area): float(value) / total for area, value in rows.select("area", "value").iter_rows()}
