"""Measures of city travel and what each costs a city a year: works, vehicles, energy, upkeep, staff (:data:`WORKS`).

Seen by society: capital as an annuity over its life, upkeep and operation as they are spent. Fares, parking charges, road charges and fuel taxes
only move money between payers; of them no more than the collection counts. What users lose or gain in time and choice is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from fleets import tco
from transport.cities.segments import of_area

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from transport.city_scale import CityScale
    from transport.params import Params

    Array = NDArray[np.float64]

_TRAIN = "metro_train"
_STOCK = "vehicle_stock"


@dataclass(frozen=True, slots=True)
class Outlay:
    """Yearly cost of what a measure adds in a city, arrays ``[draw, year]``; negative where it takes away.

    Attributes
    ----------
    works
        Annuity of what stands still [CNY/yr].
    vehicles
        Annuity of buses, trains and e-bikes [CNY/yr].
    energy
        [CNY/yr].
    upkeep
        Upkeep, insurance and operation of works and vehicles [CNY/yr].
    service
        Drivers, supervision, collection of charges [CNY/yr].
    traction_kwh, bus_km
        Electricity of metro trains [kWh/yr] and km of buses [km/yr]; what they cost stands in ``energy``.
    """

    works: Array
    vehicles: Array
    energy: Array
    upkeep: Array
    service: Array
    traction_kwh: Array
    bus_km: Array

    def total(self) -> Array:
        """Return the sum of the components [CNY/yr]."""
        return np.asarray(self.works + self.vehicles + self.energy + self.upkeep + self.service)

    def times(self, factor: float) -> Outlay:
        """Return the outlay multiplied."""
        return Outlay(*(factor * getattr(self, f.name) for f in fields(self)))

    def without_crew(self) -> Outlay:
        """Return the outlay without ``service``: what stands among the vehicles."""
        return replace(self, service=np.zeros_like(self.service))

    def plus(self, other: Outlay) -> Outlay:
        """Return both together."""
        return Outlay(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


# ---- works and services ----


@dataclass(frozen=True)
class Works:
    """A measure of city travel: the parameters it moves and what it costs in a city.

    Attributes
    ----------
    measure
        Code of the measure.
    parameters
        Those by area; (parameter, subject) of the province where it is in brackets.
    outlay
        Scale of the city, parameters with and without the measure -> outlay.
    """

    measure: str
    parameters: tuple[str | tuple[str, str], ...]
    outlay: Callable[[CityScale, Params, Params], Outlay]

    def moves(self, area: str, now: Params, then: Params) -> bool:
        """Return whether the measure differs in a city, in any draw."""
        return any(not np.array_equal(_level(now, key, area), _level(then, key, area)) for key in self.parameters)


def _level(params: Params, key: str | tuple[str, str], area: str) -> Array:
    return params.get(*key) if isinstance(key, tuple) else of_area(params, key, area)


def _gained(now: Params, then: Params, parameter: str, area: str) -> Array:
    return np.asarray(of_area(now, parameter, area) - of_area(then, parameter, area))


def _made(
    like: Array,
    *,
    works: Array | None = None,
    vehicles: Array | None = None,
    energy: Array | None = None,
    upkeep: Array | None = None,
    service: Array | None = None,
    traction_kwh: Array | None = None,
    bus_km: Array | None = None,
) -> Outlay:
    zero = np.zeros_like(like)
    parts = (works, vehicles, energy, upkeep, service, traction_kwh, bus_km)
    return Outlay(*(zero if part is None else part for part in parts))


def annuity(params: Params, what: str) -> Array:
    """Return the annuity of something that stands still, at the social rate ``[draw, year]`` [1/yr]."""
    return tco.annuity(params.get("discount_rate", "social"), params.get("infrastructure_life", what))


def _built(params: Params, worth: Array, what: str) -> Outlay:
    """Return annuity and upkeep of works of a worth [CNY]."""
    return _made(worth, works=worth * annuity(params, what), upkeep=worth * params.get("works_upkeep_share", what))


def _network(parameter: str, price: str, length: str, life: str) -> Callable[[CityScale, Params, Params], Outlay]:
    """Return the outlay of a network: gain of its share or index x km at share or index 1 x the city's share x cost per km."""

    def outlay(city: CityScale, now: Params, then: Params) -> Outlay:
        km = _gained(now, then, parameter, city.area) * now.get(length) * city.trip_share
        return _built(now, km * now.get(price), life)

    return outlay


def _more_buses(city: CityScale, count: Array) -> Outlay:
    """Return the outlay of more buses with their crews."""
    bus = city.bus
    return _made(
        count,
        vehicles=count * bus.vehicle,
        energy=count * bus.energy,
        upkeep=count * bus.upkeep,
        service=count * bus.crew,
        bus_km=count * bus.km,
    )


def _buses(city: CityScale, params: Params) -> Array:
    """Return the buses that the service of a city takes [veh]: its part of the fleet, more where it runs more often than the fleet's path."""
    return np.asarray(params.get(_STOCK, "urban_bus") * city.bus_share * of_area(params, "bus_frequency_index", city.area))


def _bus_service(city: CityScale, now: Params, then: Params) -> Outlay:
    return _more_buses(city, _buses(city, now) - _buses(city, then))


def _bus_coverage(city: CityScale, now: Params, then: Params) -> Outlay:
    """Return stops on streets newly served, and the buses that serve them.

    Notes
    -----
    Streets = gain x residents without a stop over those with one x streets with buses x streets per resident at the edge.
    """
    covered = of_area(then, "bus_stop_coverage_share", city.area)
    grown = _gained(now, then, "bus_stop_gap_closed", city.area) * (1.0 - covered) / np.maximum(covered, 0.05)
    grown = grown * now.get("bus_new_street_ratio")
    km = grown * now.get("bus_street_length") * city.trip_share
    buses = grown * now.get("bus_new_line_service") * _buses(city, then)
    return _built(now, km * now.get("bus_stop_works_cost"), "bus_stop").plus(_more_buses(city, buses))


def _bus_reliability(city: CityScale, now: Params, then: Params) -> Outlay:
    gain = _gained(now, then, "bus_regularity_gain", city.area)
    cost = gain * _buses(city, then) * now.get("bus_control_cost")
    return _made(cost, service=cost)


def trains_outlay(count: Array, params: Params) -> Outlay:
    """Return the outlay of more metro trains; staff on board as ``metro_crew_cost``.

    Parameters
    ----------
    count
        Trains ``[draw, year]`` [veh].
    params
        Of the run.
    """
    kwh = count * _train_kwh(params)
    price = params.get("vehicle_price", f"{_TRAIN}:electric_traction")
    years = tco.annuity(params.get("discount_rate", "social"), params.get("ownership_years", _TRAIN))
    kept = params.get("upkeep_share", f"{_TRAIN}:electric_traction") + params.get("insurance_share", _TRAIN)
    return _made(
        count,
        vehicles=count * price * years,
        energy=kwh * params.get("traction_power_price"),
        upkeep=count * price * kept,
        traction_kwh=kwh,
    )


def trains_in(outlay: Outlay, params: Params) -> Array:
    """Return the metro trains in an outlay ``[draw, year]`` [veh], from the electricity they take.

    Parameters
    ----------
    outlay
        Of a measure.
    params
        Of the run.
    """
    return np.asarray(outlay.traction_kwh / _train_kwh(params))


def _train_kwh(params: Params) -> Array:
    """Return the electricity of a metro train ``[draw, year]`` [kWh/yr]."""
    return np.asarray(params.get("annual_distance", _TRAIN) * params.get("metro_electricity"))


def _trains_per_km(city: CityScale, params: Params) -> Array:
    """Return metro trains per km of line in the province [veh/km]; rows, which no line of a lever moves."""
    return np.asarray(params.get("vehicle_stock", _TRAIN) / np.maximum(city.metro_km, 1.0))


def _metro_service(city: CityScale, now: Params, then: Params) -> Outlay:
    """Return more trains on the lines there are, and entrances and feeders that shorten the way to them."""
    before = of_area(then, "metro_service_index", city.area)
    more = _gained(now, then, "metro_service_index", city.area) / before
    count = more * _trains_per_km(city, then) * city.metro_share * city.metro_km
    crew = count * now.get("metro_crew_cost")
    shorter = np.maximum(-_gained(now, then, "metro_access_index", city.area), 0.0) * city.metro_share * city.metro_km
    stations = _built(now, shorter * now.get("metro_access_cost"), "metro_access")
    return trains_outlay(count, now).plus(_made(crew, service=crew)).plus(stations)


def _metro_speed(city: CityScale, now: Params, then: Params) -> Outlay:
    """Return signals and traction works that shorten the ride; a slower one saves nothing that was built."""
    shorter = np.maximum(-_gained(now, then, "metro_time_index", city.area), 0.0) * city.metro_share * city.metro_km
    return _built(now, shorter * now.get("metro_signal_cost"), "metro_signal")


def _compact_growth(city: CityScale, now: Params, then: Params) -> Outlay:
    """Return the public works of station areas for the residents whose trips become shorter; homes are built anyway."""
    moved = _gained(now, then, "compact_growth_share", city.area) * city.residents
    return _built(now, moved * now.get("station_area_cost"), "footway")


def lines_outlay(city: CityScale, km: Array, params: Params) -> Outlay:
    """Return the outlay of metro lines with trains as dense as on the others; their staff stands in ``metro_operation_cost``.

    Parameters
    ----------
    city
        Scale of the city without the lines.
    km
        Length of the lines ``[draw, year]`` [km].
    params
        Of the run.
    """
    line = _made(
        km, works=km * params.get("metro_cost") * annuity(params, "metro"), upkeep=km * params.get("metro_operation_cost")
    )
    return line.plus(trains_outlay(km * _trains_per_km(city, params), params))


def _urban_rail(city: CityScale, now: Params, then: Params) -> Outlay:
    return lines_outlay(city, _gained(now, then, "metro_length_added", city.area), now)


def _cycle_gap(city: CityScale, now: Params, then: Params) -> Outlay:
    """Return tracks that connect residents: part of the gap that is closed x the gap x km that connect a city without any."""
    open_ = 1.0 - of_area(then, "cycle_connectivity_share", city.area)
    km = _gained(now, then, "cycle_gap_closed", city.area) * open_ * now.get("cycle_connection_length") * city.trip_share
    return _built(now, km * now.get("cycle_lane_cost"), "cycle_lane")


def _cycling(city: CityScale, now: Params, then: Params) -> Outlay:
    index = _network("cycle_network_index", "cycle_lane_cost", "cycle_network_length", "cycle_lane")
    return index(city, now, then).plus(_cycle_gap(city, now, then))


def _winter_clearing(city: CityScale, now: Params, then: Params) -> Outlay:
    km = sum(
        now.get(length) * of_area(now, index, city.area)
        for length, index in (
            ("cycle_network_length", "cycle_network_index"),
            ("walking_network_length", "walking_network_index"),
        )
    )
    share = _gained(now, then, "winter_clearing_share", city.area)
    cost = share * km * city.trip_share * now.get("winter_clearing_cost")
    return _made(cost, service=cost)


def _parking_supply(city: CityScale, now: Params, then: Params) -> Outlay:
    gain = _gained(now, then, "parking_supply_index", city.area)
    spaces = city.residents * now.get("parking_spaces_per_resident")
    built = _built(now, np.maximum(gain, 0.0) * spaces * now.get("parking_space_cost"), "parking")
    taken = np.maximum(-gain, 0.0) * spaces * now.get("parking_space_removal_cost") * annuity(now, "parking")
    return built.plus(_made(taken, works=taken))


def _parking_charge(city: CityScale, now: Params, then: Params) -> Outlay:
    """Return the collection of a higher charge; a lower one saves none of it."""
    more = np.maximum(_gained(now, then, "parking_cost_index", city.area), 0.0)
    cost = more * city.car_trips * now.get("parking_collection_cost")
    return _made(cost, service=cost)


def _road_charge(city: CityScale, now: Params, then: Params) -> Outlay:
    """Return the collection, a share of what car trips would pay at the mode shares of 2019."""
    cost = _gained(now, then, "road_charge", city.area) * city.car_trips * now.get("charge_collection_share")
    return _made(cost, service=cost)


def _car_restraint(city: CityScale, now: Params, then: Params) -> Outlay:
    cost = _gained(now, then, "car_restraint_share", city.area) * city.cars * now.get("car_restraint_cost")
    return _made(cost, service=cost)


def _ride_hailing_rules(city: CityScale, now: Params, then: Params) -> Outlay:
    cars = np.abs(_gained(now, then, "ride_hailing_supply_index", city.area)) * now.get("vehicle_stock", "ride_hailing")
    cost = cars * city.hail_share * now.get("ride_hailing_supervision_cost")
    return _made(cost, service=cost)


def _ride_sharing(city: CityScale, now: Params, then: Params) -> Outlay:
    """Return what it takes to fill cars and taxis: trips of those who join x cost per trip."""
    cost = np.zeros_like(city.residents)
    for parameter, trips in (("city_car_occupancy", city.car_trips), ("taxi_occupancy", city.taxi_trips)):
        joined = 1.0 - of_area(then, parameter, city.area) / of_area(now, parameter, city.area)
        cost = cost + joined * trips * now.get("ride_sharing_cost")
    return _made(cost, service=cost)


def _e_bikes(city: CityScale, now: Params, then: Params) -> Outlay:
    """Return further e-bikes, whoever buys them."""
    count = _gained(now, then, "e_bike_availability_index", city.area) * now.get("e_bikes_per_resident") * city.residents
    return _made(
        count,
        vehicles=count * now.get("e_bike_price") * annuity(now, "e_bike"),
        upkeep=count * now.get("e_bike_running_cost"),
    )


#: Measures of city travel in the order in which they are taken away.
WORKS: tuple[Works, ...] = (
    Works("bus_service", ((_STOCK, "urban_bus"), "bus_frequency_index"), _bus_service),
    Works("bus_coverage", ("bus_stop_gap_closed",), _bus_coverage),
    Works("bus_reliability", ("bus_regularity_gain",), _bus_reliability),
    Works("metro_service", ("metro_service_index", "metro_access_index"), _metro_service),
    Works("metro_speed", ("metro_time_index",), _metro_speed),
    Works("urban_rail", ("metro_length_added",), _urban_rail),
    Works("bus_lanes", ("bus_lane_share",), _network("bus_lane_share", "bus_lane_cost", "bus_lane_full_length", "bus_lane")),
    Works(
        "signal_priority",
        ("bus_signal_priority_share",),
        _network("bus_signal_priority_share", "signal_priority_cost", "bus_lane_full_length", "signal_priority"),
    ),
    Works("cycling", ("cycle_network_index", "cycle_gap_closed"), _cycling),
    Works(
        "walking",
        ("walking_network_index",),
        _network("walking_network_index", "footway_cost", "walking_network_length", "footway"),
    ),
    Works("compact_growth", ("compact_growth_share",), _compact_growth),
    Works("winter_clearing", ("winter_clearing_share",), _winter_clearing),
    Works("e_bikes", ("e_bike_availability_index",), _e_bikes),
    Works("ride_sharing", ("city_car_occupancy", "taxi_occupancy"), _ride_sharing),
    Works("ride_hailing_rules", ("ride_hailing_supply_index",), _ride_hailing_rules),
    Works("parking_supply", ("parking_supply_index",), _parking_supply),
    Works("parking_charge", ("parking_cost_index",), _parking_charge),
    Works("car_restraint", ("car_restraint_share",), _car_restraint),
    Works("road_charge", ("road_charge",), _road_charge),
)
