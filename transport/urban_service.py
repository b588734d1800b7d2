r"""City travel in the accounts: kilometres of cars and taxis, trains of the metro, buses and taxis of the cities.

One number is used everywhere: what residents of the central cities drive by the travel model is what fleets, energy and CO2 of the province
count for them, and the representative weeks simulate the vehicles of the stock at the distance of the accounts.

Notes
-----
The rows of stock and annual distance give the kilometres ``D`` of a class in the whole province. The travel model gives ``U``, the part of the
residents of the central cities, and ``U0`` with the parameters of the same run before any lever; ``D0`` is ``D`` before any lever. Then:

.. math:: K = D + f (U - r U_0), \quad r = D / D_0, \quad f = \min(1, c D_0 / U_0)

of which ``f U`` are driven by residents of the central cities and ``D - f r U0`` by everybody else, the rest of the province. Without levers
``U`` is ``U0`` and ``K`` is ``D`` to the last bit: rows that were set to observed years stay what they are, and everything that a lever does
in a city reaches the accounts in full. Growth of a stock (cars) by a lever moves the rest in proportion and the cities by their elasticity.
The two sources are independent: in draws where the travel model gives the cities more than the share ``c`` of the province's kilometres,
``f`` below one reconciles them; it is a row of the table ``fit`` and a column of ``urban_km``, never hidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from transport.cities.base_shares import over
from transport.cities.layout import MOTORISED, ROAD_MODES
from transport.cities.metro import metro_length_km
from transport.cities.segments import of_area
from transport.layout import YEARS, year_index
from transport.week_values import CityFleet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from transport.params import Params
    from transport.passengers import TableSource
    from transport.travel import TravelOutcome
    from transport.vehicles import VehicleOutcome

    Array = NDArray[np.float64]

#: Vehicle class -> mode of city travel whose vehicles are of that class.
CLASSES: dict[str, str] = {"private_car": "car", "taxi": "taxi", "ride_hailing": "ride_hailing"}
#: Class of metro trains, and group of the classes of city buses.
TRAIN, BUS = "metro_train", "urban_bus"
#: Coverage below which the buses of newly served streets grow no further: a city without stops has no network to extend.
_LEAST_COVERAGE = 0.05
#: System of the representative weeks -> group of classes, drivers that count its vehicles, powertrains that are simulated.
SIMULATED: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "bus_depot": (BUS, "buses", ("battery_electric",)),
    "taxi_city": ("taxi", "taxis", ("battery_electric", "battery_swap")),
}


class UrbanError(ValueError):
    """City travel that the rows of the fleets cannot hold."""


@dataclass(frozen=True, slots=True)
class UrbanService:
    """What city travel means for the vehicles.

    Attributes
    ----------
    areas
        Prefecture codes of the central cities.
    city_km
        Vehicle class -> distance of the residents of each central city, as the accounts count it ``[area, draw, year]`` [km/yr].
    shift_km
        Vehicle class -> what levers on city travel add to stock x annual distance ``[draw, year]`` [km/yr].
    reference_km
        Vehicle class -> part of stock x annual distance that is each city's ``[area, draw, year]`` [km/yr]: ``f r U0``.
    reconciliation
        Vehicle class -> ``f`` ``[draw, year]`` [dimensionless].
    metro_length
        Length of the metro ``[area, draw, year]`` [km].
    stock_growth
        Group of classes -> stock against its rows ``[draw, year]`` [dimensionless]: metro trains grow with the length of the network and
        the trains per hour, buses with service that levers add in a city.
    vehicle_share
        Driver (``buses``, ``taxis``, ``trains``) -> share of each prefecture in the vehicles of the province ``[area, draw, year]``
        [dimensionless].
    """

    areas: tuple[str, ...]
    city_km: Mapping[str, Array]
    shift_km: Mapping[str, Array]
    reference_km: Mapping[str, Array]
    reconciliation: Mapping[str, Array]
    metro_length: Array
    stock_growth: Mapping[str, Array]
    vehicle_share: Mapping[str, Array]

    def total_city_km(self, name: str) -> Array:
        """Return the distance of a class driven by residents of all central cities ``[draw, year]`` [km/yr]."""
        return np.asarray(over(self.city_km[name], 0))


class Travelled(NamedTuple):
    """City travel with the data and the parameters that it was made of."""

    inputs: TableSource
    params: Params
    outcome: TravelOutcome


def urban_service(now: Travelled, before: Travelled) -> UrbanService:
    """Return what city travel means for the vehicles.

    Parameters
    ----------
    now
        Of the run; table ``accounts/area_weights`` counts the vehicles of the prefectures.
    before
        The same before any lever or project.

    Returns
    -------
    UrbanService

    Raises
    ------
    UrbanError
        If a class has no distance in a year, or no area weight counts its vehicles.
    """
    city, shift, based, factor = {}, {}, {}, {}
    for name, mode in CLASSES.items():
        driven, was = (t.outcome.vehicle_km[:, ROAD_MODES.index(mode)] for t in (now, before))
        stated, stood = (t.params.get("vehicle_stock", name) * t.params.get("annual_distance", name) for t in (now, before))
        factor[name] = reconciliation(name, over(was, 0), stood, before.params.get("urban_km_share_limit", name))
        city[name] = factor[name] * driven
        based[name] = factor[name] * was * (stated / stood)
        shift[name] = added_km(over(driven, 0), over(was, 0), factor[name], stated / stood)
    areas = now.outcome.areas
    length, old = (metro_length(t.inputs, t.params, areas) for t in (now, before))
    # trains run as densely on every km of line, but for more trains per hour
    trains, trained = (km * _by_area(t.params, "metro_service_index", areas) for km, t in ((length, now), (old, before)))
    more = np.stack([bus_growth(now.params, before.params, area) for area in areas])
    counted = np.broadcast_to(vehicle_share(now.inputs, "buses", areas)[:, None, None], more.shape)
    buses = counted * more
    return UrbanService(
        areas=areas,
        city_km=city,
        shift_km=shift,
        reference_km=based,
        reconciliation=factor,
        metro_length=length,
        stock_growth={
            TRAIN: growth(over(trains, 0), over(trained, 0)),
            BUS: growth(over(buses, 0), over(counted, 0)),
        },
        vehicle_share={
            "buses": buses / over(buses, 0),
            "taxis": np.broadcast_to(vehicle_share(now.inputs, "taxis", areas)[:, None, None], buses.shape),
            "trains": trains / over(trains, 0),
        },
    )


def reconciliation(name: str, cities_km: Array, province_km: Array, limit: Array) -> Array:
    """Return the factor on the cities' distance that leaves the rest of the province its least share.

    Parameters
    ----------
    name
        Vehicle class, for messages.
    cities_km, province_km
        Distance of the travel model and of the rows before any lever ``[draw, year]`` [km/yr].
    limit
        Largest share of the province's distance that may be the cities' [dimensionless].

    Raises
    ------
    UrbanError
        If the rows give the class no distance.

    Examples
    --------
    >>> reconciliation("taxi", np.array([50.0, 190.0]), np.array([100.0, 100.0]), np.array([0.95, 0.95])).tolist()
    [1.0, 0.5]
    """
    if not bool(np.all(province_km > 0.0)):
        year = YEARS[int(np.argmin(province_km.reshape(-1, province_km.shape[-1]).min(axis=0)))]
        msg = f"{name}: vehicle_stock x annual_distance is {province_km.min():g} km in {year}; city travel needs a fleet: raise the rows or the lever"
        raise UrbanError(msg)
    ratio = np.divide(limit * province_km, cities_km, out=np.full_like(cities_km, np.inf), where=cities_km > 0.0)
    return np.asarray(np.minimum(1.0, ratio))


def added_km(now: Array, then: Array, factor: Array, growth_of_rows: Array) -> Array:
    """Return what levers on city travel add to stock x annual distance [km/yr], exactly zero without any.

    Parameters
    ----------
    now, then
        Distance of the travel model with and before levers ``[draw, year]`` [km/yr].
    factor
        Of :func:`reconciliation`.
    growth_of_rows
        Stock x annual distance of the run against that before its levers [dimensionless].

    Examples
    --------
    >>> added_km(np.array([45.0]), np.array([50.0]), np.array([1.0]), np.array([1.0])).tolist()
    [-5.0]
    """
    return np.asarray(factor * (now - then * growth_of_rows))


def growth(now: Array, then: Array) -> Array:
    """Return a quantity against its reference [dimensionless], 1 where there is no reference."""
    return np.asarray(np.divide(now, then, out=np.ones_like(now), where=then > 0.0))


def bus_growth(now: Params, before: Params, area: str) -> Array:
    """Return the buses of a city against those of the province's path that stand in it ``[draw, year]`` [dimensionless].

    Parameters
    ----------
    now, before
        Parameters with and before the levers of the run.
    area
        Prefecture code.

    Notes
    -----
    More service in the same network takes as many more buses; residents who get a stop take those that serve the new streets:

    ``f / f0 + (g - g0) (1 - c) / c x streets per resident at the edge x service of a new line``

    with the frequency ``f``, the part ``g`` of the gap in coverage that is closed and the coverage ``c`` before.
    """
    covered = of_area(before, "bus_stop_coverage_share", area)
    gained = of_area(now, "bus_stop_gap_closed", area) - of_area(before, "bus_stop_gap_closed", area)
    edge = now.get("bus_new_street_ratio") * now.get("bus_new_line_service")
    reached = gained * (1.0 - covered) / np.maximum(covered, _LEAST_COVERAGE) * edge
    return np.asarray(of_area(now, "bus_frequency_index", area) / of_area(before, "bus_frequency_index", area) + reached)


def metro_length(inputs: TableSource, params: Params, areas: Sequence[str]) -> Array:
    """Return the length of the metro of each central city ``[area, draw, year]`` [km]."""
    return np.stack([metro_length_km(inputs, params, area) for area in areas])


def _by_area(params: Params, parameter: str, areas: Sequence[str]) -> Array:
    return np.stack([of_area(params, parameter, area) for area in areas])


def vehicle_share(inputs: TableSource, driver: str, areas: Sequence[str]) -> Array:
    """Return the share of each prefecture in the vehicles of the province, from the counts of ``accounts/area_weights``.

    Parameters
    ----------
    inputs
        Table ``accounts/area_weights``.
    driver
        ``buses`` or ``taxis``.
    areas
        Prefecture codes.

    Returns
    -------
    array ``[area]``
        Sums to one over all prefectures of the table.

    Raises
    ------
    UrbanError
        If the table counts no such vehicles.
    """
    rows = inputs.table("accounts/area_weights").filter(pl.col("driver") == driver)
    counted = {str(area): float(value) for area, value in rows.select("area", "value").iter_rows()}
    total = sum(counted.values())
    if not total > 0.0:
        msg = f"accounts/area_weights: no rows of driver {driver!r}; city fleets need the count of each prefecture"
        raise UrbanError(msg)
    return np.array([counted.get(area, 0.0) / total for area in areas])


def area_km(service: UrbanService, name: str, total_km: Array, count_share: Array) -> Array:
    """Return the distance of a class by prefecture: what its central city's residents drive, and its part of the rest.

    Parameters
    ----------
    service
        Of the run.
    name
        Vehicle class of :data:`CLASSES`.
    total_km
        Distance of the class in the province, first draw ``[year]`` [km/yr].
    count_share
        Share of each prefecture in the vehicles, or in what counts them ``[area, year]``; sums to one.

    Returns
    -------
    array ``[area, year]`` [km/yr]; sums to the total

    Notes
    -----
    Before any lever all vehicles of the class drive equally far, unless the residents of a central city alone drive more; the rest of a
    prefecture is what that leaves, and a lever in one city moves the distance of no other.
    """
    city, was = service.city_km[name][:, 0], service.reference_km[name][:, 0]
    left = np.maximum(count_share * (total_km - service.shift_km[name][0]) - was, 0.0)
    return np.asarray(city + left / over(left, 0) * (total_km - over(city, 0)))


def class_km(vehicles: VehicleOutcome, names: Iterable[str], powertrains: Iterable[str] | None = None) -> Array:
    """Return the distance of some classes in the accounts ``[draw, year]`` [km/yr], of some powertrains or of all."""
    wanted, trains = set(names), None if powertrains is None else set(powertrains)
    work = vehicles.work
    rows = [
        k
        for k, key in enumerate(work.keys)
        if key.vehicle_class in wanted and work.units[k] == "km" and (trains is None or key.powertrain in trains)
    ]
    return np.asarray(work.quantity[rows].sum(axis=0))


def members(vehicles: VehicleOutcome, group: str) -> tuple[str, ...]:
    """Return the classes of a group; a class without parts stands for itself."""
    return tuple(c for c in vehicles.classes if group in {c, vehicles.parent[c]})


def stock_of(vehicles: VehicleOutcome, names: Iterable[str], powertrains: Iterable[str] | None = None) -> Array:
    """Return the stock of some classes ``[draw, year]`` [veh], of some powertrains or of all."""
    at = [vehicles.classes.index(c) for c in names]
    trains = range(len(vehicles.powertrains)) if powertrains is None else [vehicles.powertrains.index(p) for p in powertrains]
    return np.asarray(sum(vehicles.stock[i, j] for i in at for j in trains))


def city_fleets(vehicles: VehicleOutcome, service: UrbanService, year: int) -> dict[tuple[str, str], CityFleet]:
    """Return the electric buses and taxis of every prefecture and what each drives in a year, first draw.

    Parameters
    ----------
    vehicles, service
        Of the run.
    year
        Year of the stock.

    Returns
    -------
    mapping
        (system, area) -> vehicles and their distance; vehicles x distance of all areas is the electric distance of the accounts.
    """
    found, at = {}, year_index(year)
    for system, (group, driver, trains) in SIMULATED.items():
        names = members(vehicles, group)
        count, km = (float(f(vehicles, names, trains)[0, at]) for f in (stock_of, class_km))
        share = by_area = service.vehicle_share[driver][:, 0]
        if group in CLASSES:
            total = class_km(vehicles, names)[0]
            by_area = area_km(service, group, total, share) / total
        for i, area in enumerate(service.areas):
            own = count * float(share[i, at])
            found[system, area] = CityFleet(vehicles=own, km=km * float(by_area[i, at]) / own if own > 0.0 else 0.0)
    return found


def transit_share_of_groups(inputs: TableSource, travel: TravelOutcome) -> dict[str, Array]:
    """Return the share of bus and metro in the motorised trips of each group of cities ``[draw, year]`` [dimensionless].

    Parameters
    ----------
    inputs
        Table ``demand/city_groups``: group, area.
    travel
        City travel of the run.

    Raises
    ------
    UrbanError
        If a group names an area that city travel does not model.

    Notes
    -----
    Trips of residents of the central cities of the group, all day: another definition than green travel, whose trips are all trips.
    """
    found: dict[str, Array] = {}
    table = inputs.table("demand/city_groups").sort("group", "area")
    for (group,), rows in table.group_by(["group"], maintain_order=True):
        areas = rows["area"].to_list()
        unknown = sorted(set(areas) - set(travel.areas))
        if unknown:
            msg = f"demand/city_groups: group {group} names {', '.join(unknown)}, which city travel does not model; use prefecture codes"
            raise UrbanError(msg)
        at = [travel.areas.index(area) for area in areas]

        def trips(modes: Iterable[str], at: list[int] = at) -> Array:
            return np.asarray(sum(travel.trips[i, travel.modes.index(mode)] for i in at for mode in modes))

        found[str(group)] = trips(("bus", "metro")) / trips(MOTORISED)
    return found
