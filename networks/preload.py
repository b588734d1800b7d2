"""Capacities that levers can move, and the traffic that is on the network before any freight.

Line capacities of the link table are of two kinds. Published ones are taken as they are. Derived ones carry their formula in the note of the link,
with the class of every factor (``train_pairs_per_day double_electrified``); :func:`rail_classes` and :func:`road_classes` read these classes,
:func:`rail_capacity_t` and :func:`road_capacity_pcu_per_day` evaluate the formula again with other trains, passenger trains or lanes.

Cars come first on the roads: :func:`car_flows` spreads the trips counted at the expressway exits between towns, :func:`car_preload` adds class
means on the other roads. Trucks share the full capacity with them: volume over capacity = (cars + :func:`truck_pcu_per_t` x tonnes) / capacity.

All factors are looked up in a mapping ``(parameter, subject) -> value``; values may be numbers or arrays of one shape, for example
``[draw, year]``, which then follows the link axis of the result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from networks.errors import NetworkError
from networks.skim import load_paths, skim

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from networks.graph import CompiledNetwork

    Array = NDArray[np.float64]
    Values = Mapping[tuple[str, str], float | Array]

DAYS_PER_YEAR = 365
#: Bounds of the deterrence of car trips [1/km]: mean trips from a few km to half a thousand lie between them.
_BETA_LOW, _BETA_HIGH = 1e-4, 1.0
#: Halvings of the range of ln(beta): the mean trip is then met far below a metre.
_BISECTIONS = 50
#: Classes of the road parameters.
_ROAD_KINDS: tuple[str, ...] = ("expressway", "national_road", "access_road")
#: Class of what joins places to the network; it stands for many streets and has no capacity of its own.
_CONNECTOR = "connector"


@dataclass(frozen=True)
class RailClasses:
    """Classes behind the capacity of each railway link, empty where the capacity is published.

    Attributes
    ----------
    link_ids
        Links in order.
    published_t_per_year
        Published capacity per direction, NaN where it is derived [t/yr].
    trains, passengers, load
        Subject of ``train_pairs_per_day``, ``passenger_train_pairs_per_day`` and ``net_load_t``.
    """

    link_ids: tuple[str, ...]
    published_t_per_year: Array
    trains: tuple[str, ...]
    passengers: tuple[str, ...]
    load: tuple[str, ...]


@dataclass(frozen=True)
class RoadClasses:
    """Classes behind the capacity of each road link.

    Attributes
    ----------
    link_ids
        Links in order.
    lanes, kind
        Subject of ``road_lanes_per_direction`` and of the other road parameters (``expressway``, ``national_road``, ``access_road``).
    """

    link_ids: tuple[str, ...]
    lanes: tuple[str, ...]
    kind: tuple[str, ...]


def rail_classes(links: pl.DataFrame) -> RailClasses:
    """Read the classes of the railway links from the formulas in their notes.

    Parameters
    ----------
    links
        Link table with ``link_id, mode, capacity_t_per_year, capacity_quality, note``.

    Returns
    -------
    RailClasses
        Railway links sorted by link_id. A capacity that is not derived, or whose note states no formula, counts as published; without a number it is
        infinite.
    """
    rows = list(links.filter(pl.col("mode") == "rail").sort("link_id").iter_rows(named=True))
    published = np.full(len(rows), np.nan)
    classes: list[tuple[str, str, str]] = []
    for i, row in enumerate(rows):
        named = tuple(_named(row, name) for name in ("train_pairs_per_day", "passenger_train_pairs_per_day", "net_load_t"))
        if row["capacity_quality"] == "derived" and all(named):
            classes.append((named[0], named[1], named[2]))
        else:
            published[i] = _stated(row)
            classes.append(("", "", ""))
    trains, passengers, load = (tuple(c[k] for c in classes) for k in range(3))
    return RailClasses(tuple(str(r["link_id"]) for r in rows), published, trains, passengers, load)


def road_classes(links: pl.DataFrame) -> RoadClasses:
    """Read the classes of the road links from the formulas in their notes, else from their link class.

    Parameters
    ----------
    links
        Link table with ``link_id, mode, link_class, note``.

    Returns
    -------
    RoadClasses
        Road links sorted by link_id; connectors have no capacity and are left out.
    """
    roads = links.filter((pl.col("mode") == "road") & (pl.col("link_class") != _CONNECTOR))
    rows = list(roads.sort("link_id").iter_rows(named=True))
    usual = [str(r["link_class"]) if r["link_class"] in _ROAD_KINDS else _ROAD_KINDS[1] for r in rows]
    return RoadClasses(
        tuple(str(r["link_id"]) for r in rows),
        tuple(_named(r, "road_lanes_per_direction") or u for r, u in zip(rows, usual, strict=True)),
        tuple(_named(r, "road_lane_capacity") or u for r, u in zip(rows, usual, strict=True)),
    )


def _named(row: Mapping[str, object], factor: str) -> str:
    """Return the class that follows a factor in the formula of a note, empty if there is none."""
    match = re.search(rf"(?<!\w){factor} (\w+)", str(row["note"] or ""))
    return match[1] if match else ""


def _stated(row: Mapping[str, object]) -> float:
    value = row["capacity_t_per_year"]
    return np.inf if value is None or value == "" else float(value)  # type: ignore[arg-type]


# --- railways -----------------------------------------------------------------------------------------------------------------------


def net_rail_capacity_t(trains: Array, passengers: Array, removal: Array, load_t: Array) -> Array:
    """Return what freight trains can carry beside the passenger trains.

    Parameters
    ----------
    trains
        Train pairs a day that the line could take if all were freight trains [1/day].
    passengers
        Passenger train pairs a day [1/day].
    removal
        Freight paths lost to one passenger train [-].
    load_t
        Net tonnes of a loaded freight train [t].

    Returns
    -------
    array
        Net tonnes a year and direction, never negative [t/yr].

    Notes
    -----
    ``max(0, trains - removal x passengers) x load x 365``: the removal-coefficient method of railway capacity.

    Examples
    --------
    Shenyang-Dalian: 130 train pairs, 40 of passengers that take 1.6 paths each, 3,300 t a train.

    >>> float(net_rail_capacity_t(np.array(130.0), np.array(40.0), np.array(1.6), np.array(3300.0)))
    79497000.0
    """
    capacity: Array = np.maximum(trains - removal * passengers, 0.0) * load_t * DAYS_PER_YEAR
    return capacity


def rail_capacity_t(
    classes: RailClasses,
    values: Values,
    *,
    train_pairs_factor: float | Array = 1.0,
    passenger_pairs_factor: float | Array = 1.0,
    net_load_factor: float | Array = 1.0,
) -> Array:
    """Return the capacity of every railway link: derived ones computed again, published ones as they are.

    Parameters
    ----------
    classes
        From :func:`rail_classes`.
    values
        ``train_pairs_per_day``, ``passenger_train_pairs_per_day``, ``net_load_t`` by class, ``passenger_train_removal`` of ``all``.
    train_pairs_factor, passenger_pairs_factor, net_load_factor
        Trains, passenger trains and train loads over those of the table [-].

    Returns
    -------
    array (link, ...)
        Net tonnes a year and direction [t/yr]; the axes after the first are those of the values and factors.

    Raises
    ------
    NetworkError
        If a value is missing, or a factor is negative or not finite.
    """
    for name, factor in (
        ("train_pairs_factor", train_pairs_factor),
        ("passenger_pairs_factor", passenger_pairs_factor),
        ("net_load_factor", net_load_factor),
    ):
        if not bool(np.all(np.isfinite(factor) & (np.asarray(factor) >= 0))):
            msg = f"{name} is {factor}; it must be finite and not negative"
            raise NetworkError(msg)
    derived = np.isnan(classes.published_t_per_year)
    removal = np.asarray(_value(values, "passenger_train_removal", "all"), dtype=np.float64)
    made = [
        net_rail_capacity_t(
            _value(values, "train_pairs_per_day", trains) * np.asarray(train_pairs_factor),
            _value(values, "passenger_train_pairs_per_day", riders) * np.asarray(passenger_pairs_factor),
            removal,
            _value(values, "net_load_t", load) * np.asarray(net_load_factor),
        )
        if fresh
        else np.asarray(fixed)
        for fresh, fixed, trains, riders, load in zip(
            derived, classes.published_t_per_year, classes.trains, classes.passengers, classes.load, strict=True
        )
    ]
    return _stacked(made)


def _value(values: Values, parameter: str, subject: str) -> Array:
    try:
        return np.asarray(values[parameter, subject], dtype=np.float64)
    except KeyError:
        msg = f"no value of {parameter} for {subject}; give it under the key ({parameter!r}, {subject!r})"
        raise NetworkError(msg) from None


def _stacked(rows: Sequence[Array]) -> Array:
    """Stack rows of different but matching shapes along a new first axis."""
    shape = np.broadcast_shapes(*(r.shape for r in rows)) if rows else ()
    return np.stack([np.broadcast_to(r, shape) for r in rows]) if rows else np.zeros((0,))


# --- roads --------------------------------------------------------------------------------------------------------------------------


def road_capacity_pcu_per_day(classes: RoadClasses, values: Values) -> Array:
    """Return the full capacity of every road, cars and trucks together.

    Parameters
    ----------
    classes
        From :func:`road_classes`.
    values
        ``road_lanes_per_direction``, ``road_lane_capacity`` [1/h] by class, ``road_peak_hour_share`` of ``all``.

    Returns
    -------
    array (link, ...)
        Passenger-car units a day and direction [1/day].

    Raises
    ------
    NetworkError
        If a value is missing.

    Notes
    -----
    ``lanes x lane capacity / share of the day in its busiest hour``: daily flow over it is the ratio of flow to capacity in the busiest hour.
    """
    peak = _value(values, "road_peak_hour_share", "all")
    return _stacked(
        [
            _value(values, "road_lanes_per_direction", lanes) * _value(values, "road_lane_capacity", kind) / peak
            for lanes, kind in zip(classes.lanes, classes.kind, strict=True)
        ]
    )


def truck_pcu_per_t(classes: RoadClasses, values: Values) -> Array:
    """Return the passenger-car units that one tonne puts on a road, empty trucks included.

    Parameters
    ----------
    classes
        From :func:`road_classes`.
    values
        ``truck_pcu`` of ``all``, ``road_truck_mean_load`` by class [t].

    Returns
    -------
    array (link, ...)
        Passenger-car units per tonne [1/t]; flow in pcu a day = tonnes a year x this / 365.

    Raises
    ------
    NetworkError
        If a value is missing.
    """
    truck = _value(values, "truck_pcu", "all")
    return _stacked([truck / _value(values, "road_truck_mean_load", kind) for kind in classes.kind])


@dataclass(frozen=True)
class CarFlows:
    """Cars on the expressways.

    Attributes
    ----------
    per_arc
        Cars a day on each arc of the network, roads that lead to the expressway included [1/day].
    trips
        ``[origin, destination]`` between terminals [1/day].
    mean_trip_km
        Mean length of the trips [km].
    at_bound
        Whether the wanted mean length could not be met.
    """

    per_arc: Array
    trips: Array
    mean_trip_km: float
    at_bound: bool


def car_flows(network: CompiledNetwork, people: Array, *, exits_per_day: float, mean_trip_km: float) -> CarFlows:
    """Spread the cars counted at the expressway exits between towns and load them on the quickest paths.

    Parameters
    ----------
    network
        Road network with the towns as terminals.
    people
        Residents by terminal; terminals without any send and draw no cars [person].
    exits_per_day
        Cars that leave an expressway on a mean day [1/day].
    mean_trip_km
        Mean length of these trips [km].

    Returns
    -------
    CarFlows
        Flows per arc and the trips.

    Raises
    ------
    NetworkError
        If the people do not match the terminals, a number is negative, or no two towns have an expressway on their path.

    Notes
    -----
    Every town sends cars in proportion to its people, ``T_ij = P_i P_j exp(-beta km_ij) / sum_j P_j exp(-beta km_ij)`` over the pairs whose
    quickest path uses an expressway; what goes out comes back, so the matrix is made symmetric, and scaled so that the trips sum to the exits
    (each trip leaves by one). Beta is such that the mean length is met.
    """
    if people.shape != (len(network.terminals),) or not bool(np.all(np.isfinite(people) & (people >= 0))):
        msg = (
            f"people has shape {people.shape}; one finite, non-negative number per terminal is needed ({len(network.terminals)})"
        )
        raise NetworkError(msg)
    for name, value in (("exits_per_day", exits_per_day), ("mean_trip_km", mean_trip_km)):
        if not (np.isfinite(value) and value >= 0):
            msg = f"{name} is {value}; it must be finite and not negative"
            raise NetworkError(msg)
    expressway_km = network.length_km * network.is_class("expressway")
    paths = skim(network, network.hours, {"km": network.length_km, "expressway_km": expressway_km})
    allowed = np.isfinite(paths.cost) & (paths.components["expressway_km"] > 0) & (people[:, None] > 0) & (people[None, :] > 0)
    np.fill_diagonal(allowed, val=False)
    if not allowed.any():
        msg = "no two towns have an expressway on their quickest path; check the classes of the links and the people by terminal"
        raise NetworkError(msg)
    trips, mean_km, at_bound = _spread(people, np.where(allowed, paths.components["km"], 0.0), allowed, mean_trip_km)
    trips *= exits_per_day
    return CarFlows(load_paths(paths, trips), trips, mean_km, at_bound)


def _spread(people: Array, km: Array, allowed: NDArray[np.bool_], mean_trip_km: float) -> tuple[Array, float, bool]:
    """Return the shares of the pairs, their mean length, and whether the wanted length lies outside what the bounds of beta allow."""
    drawing = allowed * people[None, :]
    sends = people * allowed.any(axis=1)
    # measured from each town's nearest partner, so that some partner keeps its weight at any beta
    beyond = km - np.min(km, axis=1, where=allowed, initial=np.inf, keepdims=True)
    beyond = np.where(allowed, beyond, 0.0)

    def shares(log_beta: float) -> tuple[Array, float]:
        drawn = drawing * np.exp(-np.exp(log_beta) * beyond)
        total = drawn.sum(axis=1, keepdims=True)
        out = sends[:, None] * np.divide(drawn, total, out=np.zeros_like(drawn), where=total > 0)
        both: Array = out + out.T
        both /= both.sum()
        return both, float((both * km).sum())

    low, high = np.log(_BETA_LOW), np.log(_BETA_HIGH)
    longest, shortest = shares(low)[1], shares(high)[1]
    if not shortest <= mean_trip_km <= longest:
        return *shares(low if mean_trip_km > longest else high), True
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if shares(middle)[1] > mean_trip_km else (low, middle)
    return *shares(0.5 * (low + high)), False


def car_preload(network: CompiledNetwork, classes: RoadClasses, cars: CarFlows, values: Values) -> Array:
    """Return the cars on every arc: loaded ones on expressways, class means on the other roads, none on connectors.

    Parameters
    ----------
    network
        Road network of the cars.
    classes
        From :func:`road_classes`, of all links of the network.
    cars
        From :func:`car_flows`.
    values
        ``car_pcu_per_day`` by class of the other roads [1/day], ``car_traffic_index`` of ``all``: traffic over that of the counts [-].

    Returns
    -------
    array (arc, ...)
        Passenger-car units a day [1/day]; the axes after the first are those of the values.

    Raises
    ------
    NetworkError
        If a link of the network has no class, or a value is missing.
    """
    index = _value(values, "car_traffic_index", "all")
    kind_of = dict(zip(classes.link_ids, classes.kind, strict=True))
    kind = np.array([kind_of.get(name, "") for name in network.link_ids], dtype=np.object_)[network.link]
    kind[network.is_class(_CONNECTOR) > 0] = _CONNECTOR
    if (kind == "").any():
        name = network.link_ids[network.link[np.argmax(kind == "")]]
        msg = f"{name} is in the network but not among the road classes; read the classes from the same link table"
        raise NetworkError(msg)
    used = sorted(set(kind) - {_CONNECTOR, "expressway"})
    means = {name: _value(values, "car_pcu_per_day", name) * index for name in used}
    shape = np.broadcast_shapes(index.shape, *(m.shape for m in means.values()))
    cars_of_arc: Array = np.zeros((kind.size, *shape))
    loaded = kind == "expressway"
    cars_of_arc[loaded] = cars.per_arc[loaded].reshape(-1, *(1 for _ in shape)) * index
    for name, mean in means.items():
        cars_of_arc[kind == name] = mean
    return cars_of_arc
