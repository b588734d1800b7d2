"""What the modes of a city offer: time and cost by mode and length band, and the change of their utility against 2019.

A lever moves a minute, a yuan, the network in reach or whether a mode may be used; none moves a share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport.cities.attributes import (
    at_normal,
    band_lengths,
    coefficient,
    damping,
    positive,
    traveller_weights,
    unit_share,
)
from transport.cities.layout import BANDS, MODES, SEASONS, SEGMENTS, SLOWED, TRAVELLERS, CityService, ServiceTerms
from transport.cities.metro import metro_length_km
from transport.cities.segments import of_area
from transport.layout import YEARS, year_index

if TYPE_CHECKING:
    from transport.cities.layout import Array
    from transport.params import Params
    from transport.passengers import TableSource

_MINUTES_PER_HOUR = 60.0
_METRO = MODES.index("metro")
#: Modes that ice and snow on footways and tracks slow down.
_ON_FOOT_OR_CYCLE = ("walk", "cycle", "e_bike")
#: Modes whose riders stayed away for reasons that service does not explain.
_WITH_HABITS = ("bus", "metro", "taxi", "ride_hailing")
#: Mode whose vehicles stand in road traffic -> attribute of their time.
_IN_TRAFFIC = {"bus": "bus_time", "taxi": "taxi_time", "ride_hailing": "taxi_time", "car": "car_time"}


@dataclass(frozen=True, slots=True)
class Level:
    """A part of the time or cost of a trip.

    Attributes
    ----------
    mode
        Mode.
    part
        ``in_vehicle``, ``access``, ``wait`` [min] or ``outlay`` [CNY].
    attribute
        What it counts as; empty where nothing moves it.
    level
        Minutes or yuan, array ``[band, draw, year]``; one band stands for all.
    weight
        Factor on the coefficient of the attribute: what a minute on foot counts against one in the train, array ``[draw, year]`` or 1.
    paid
        Share of an outlay that the traveller pays [dimensionless], array ``[traveller, draw, 1]``; None = all of it.
    """

    mode: str
    part: str
    attribute: str
    level: Array
    weight: Array | float = 1.0
    paid: Array | None = None


def city_service(inputs: TableSource, params: Params, area: str) -> CityService:
    """Return the change of the utility of the modes in a city against 2019.

    Parameters
    ----------
    inputs
        Table ``demand/metro_lines``.
    params
        Parameters with the levers of the run applied: ``travel_sensitivity``, ``travel_elasticity`` and the rows of time, cost and service.
    area
        Prefecture code; a city without rows of its own takes those of ``all``.

    Returns
    -------
    CityService
        Utility and what road traffic adds to it; exactly zero in 2019, and wherever nothing has changed. Ownership of cars is no service
        and not in it.

    Raises
    ------
    ValueError
        If a share leaves 0 to 1, an index is not positive, a coefficient has the wrong sign, or a line of the metro opens at no time.

    Notes
    -----
    With ``b`` the coefficients, ``w`` the weight of the traveller (a yuan as the minutes that it is worth), ``D`` that of the length band
    (:mod:`transport.cities.attributes`)::

        V = sum over x of b[x] w D (level[x] - level[x, 2019])     minutes and yuan
          + sum over x of b[x] ln(index[x] / index[x, 2019])       networks, supply, vehicles at hand
          + ln(preference / preference of 2019)                    what service does not explain: bus, metro, taxi, ride-hailing
          + cleared x recoverable x -ln(winter ratio)              walking and cycling in the cold months

    Car trips that are barred stand in ``barred``: who would have driven chooses among the other modes.
    A first metro line has ``b[metro_length] ln(km / first_metro_length)`` and minus infinity before it opens.
    """
    return whole_service(service_terms(inputs, params, area))


def service_terms(inputs: TableSource, params: Params, area: str) -> ServiceTerms:
    """Return the change of the utility of the modes in a city against 2019 by its parts.

    Parameters
    ----------
    inputs, params, area
        As :func:`city_service`, whose equations these are.

    Raises
    ------
    ValueError
        As :func:`city_service`.
    """
    weights = {money: traveller_weights(params, money=money) for money in (False, True)}
    damped = damping(params)
    found: dict[tuple[str, bool, bool], tuple[Array, Array]] = {}
    for level in service_levels(params, area):
        change = level.level - at_normal(level.level)
        if not level.attribute or not bool(np.any(change)):
            continue
        # minutes, yuan and yuan that only some pay count differently for the travellers of a mode: three terms at most
        key = (level.mode, level.part == "outlay", level.paid is not None)
        counted = coefficient(params, level.attribute) * level.weight * (damped * change)
        if key in found:
            found[key] = (found[key][0], found[key][1] + counted)
        else:
            weight = weights[key[1]] if level.paid is None else weights[key[1]] * level.paid
            found[key] = (weight[..., 0], counted)
    flat = {mode: np.zeros((params.draws, len(YEARS))) for mode in MODES}
    for mode, gain in _gains(params, area).items():
        flat[mode] += gain
    for mode in _WITH_HABITS:
        flat[mode] += _log(positive(params.get("travel_preference_recovery", mode), "travel_preference_recovery", mode))
    flat["metro"] += _metro(inputs, params, area)
    return ServiceTerms(
        area=area,
        modes=tuple(mode for mode, _, _ in found),
        weight=np.array([weight for weight, _ in found.values()]).reshape(len(found), len(TRAVELLERS), params.draws),
        level=np.array([level for _, level in found.values()]).reshape(len(found), len(BANDS), params.draws, len(YEARS)),
        flat=np.stack([flat[mode] for mode in MODES]),
        cold=np.stack([_cleared(params, area, mode) for mode in MODES]),
        pace_weight=weights[False][..., 0],
        pace=_pace(params, area, damped),
        barred=_barred(params, area),
    )


def whole_service(terms: ServiceTerms) -> CityService:
    """Return the utility of all travellers and lengths from its parts.

    Parameters
    ----------
    terms
        Of :func:`service_terms`.
    """
    shape = (len(TRAVELLERS), len(BANDS), *terms.flat.shape[1:])
    utility = {mode: np.zeros(shape) for mode in MODES}
    for mode, weight, level in zip(terms.modes, terms.weight, terms.level, strict=True):
        utility[mode] += weight[:, None, :, None] * level[None]
    for mode, flat in zip(MODES, terms.flat, strict=True):
        utility[mode] += flat
    made = np.stack([utility[mode].reshape(len(SEGMENTS), *shape[2:]) for mode in MODES], axis=1)
    seasons = [made + terms.cold[None] if season == "cold" else made for season in SEASONS]
    traffic = np.zeros_like(made)
    for mode, pace in zip(SLOWED, terms.pace, strict=True):
        per_index = terms.pace_weight[:, None, :, None] * pace[None]
        traffic[:, MODES.index(mode)] = per_index.reshape(len(SEGMENTS), *shape[2:])
    return CityService(area=terms.area, utility=np.stack(seasons), traffic=traffic, barred=terms.barred)


def service_levels(params: Params, area: str) -> list[Level]:
    """Return the parts of time and cost of a trip by mode and length band, on the roads of 2019.

    Parameters
    ----------
    params
        Parameters with the levers of the run applied.
    area
        Prefecture code.

    Raises
    ------
    ValueError
        As :func:`city_service`.
    """
    return [*_on_own_legs(params), *_bus(params, area), *_metro_levels(params, area), *_hailed(params, area), *_car(params, area)]


def generalised_times(params: Params, area: str, year: int) -> pl.DataFrame:
    """Return time and cost of a trip of the first draw on the roads of 2019.

    Parameters
    ----------
    params
        Parameters with the levers of the run applied.
    area
        Prefecture code.
    year
        Calendar year.

    Returns
    -------
    frame
        Columns mode, band, in_vehicle [min], access [min], wait [min], outlay [CNY]; what drivers and riders pay in full.
    """
    made = {(mode, band): dict.fromkeys(("in_vehicle", "access", "wait", "outlay"), 0.0) for mode in MODES for band in BANDS}
    for level in service_levels(params, area):
        values = np.broadcast_to(level.level[:, 0, year_index(year)], len(BANDS))
        for band, value in zip(BANDS, values, strict=True):
            made[level.mode, band][level.part] += float(value)
    return pl.DataFrame([{"mode": mode, "band": band, **parts} for (mode, band), parts in made.items()])


def bus_time_ratio(params: Params, area: str) -> tuple[Array, Array]:
    """Return the time of buses under way against 2019 at the road speed of 2019, and what it gains per unit by which car time exceeds one.

    Parameters
    ----------
    params
        Rows ``bus_lane_share``, ``bus_signal_priority_share`` and ``bus_time_saving``.
    area
        Prefecture code.

    Returns
    -------
    ratio, slope
        Arrays ``[draw, year]`` [dimensionless].

    Notes
    -----
    Lanes shield from traffic, the rest of the way moves with the cars, signals help all of it: with ``l`` the share of lanes, ``s`` the time
    saved on them and ``t`` the car time index, ``ratio = signals (l (1 - s) + (1 - l) t) / (the same in 2019)``.
    """
    lanes = unit_share(of_area(params, "bus_lane_share", area), "bus_lane_share", area)
    signals = unit_share(of_area(params, "bus_signal_priority_share", area), "bus_signal_priority_share", area)
    on_lane = 1.0 - params.get("bus_time_saving", "lane")
    helped = 1.0 - signals * params.get("bus_time_saving", "signal_priority")
    time, mixed = helped * (lanes * on_lane + (1.0 - lanes)), helped * (1.0 - lanes)
    return time / at_normal(time), mixed / at_normal(time)


def _under_way(params: Params, mode: str) -> Array:
    """Return minutes under way on the roads of 2019 by length band, array ``[band, draw, 1]``."""
    return band_lengths(params) / positive(params.get("service_speed", mode)[:, :1], "service_speed", mode) * _MINUTES_PER_HOUR


def _years(array: Array) -> Array:
    """Return an array ``[draw, year]`` as the only band."""
    return array[None]


def _on_own_legs(params: Params) -> list[Level]:
    return [Level(mode, "in_vehicle", "", _all_years(_under_way(params, mode))) for mode in (*_ON_FOOT_OR_CYCLE, "other")]


def _all_years(array: Array) -> Array:
    return np.repeat(array, len(YEARS), axis=-1)


def _paid(params: Params) -> Array:
    """Return the share of the fare that travellers pay, array ``[traveller, draw, 1]``."""
    return np.stack([params.get("transit_fare_paid_share", group)[:, :1] for _, group in TRAVELLERS])


def _fare_index(params: Params, parameter: str, area: str) -> Array:
    index = of_area(params, parameter, area)
    if bool(np.any(index < 0)):
        msg = f"{parameter} of {area} must not be negative; it falls to {float(index.min()):g}"
        raise ValueError(msg)
    return index


def _bus(params: Params, area: str) -> list[Level]:
    """Return the levels of the bus: under way, walk to the stop, wait at stops, wait beyond the timetable, fare."""
    ratio, _ = bus_time_ratio(params, area)
    buses = params.get("vehicle_stock", "urban_bus") * params.get("annual_distance", "urban_bus")
    run = buses * of_area(params, "bus_frequency_index", area)
    service = positive(run / at_normal(run), "bus-km against 2019", area)
    boardings = params.get("boardings_per_trip", "bus")
    wait = of_area(params, "bus_headway", area) / (2.0 * service) * boardings
    excess = params.get("bus_excess_wait") * _irregular(params, area)
    covered = stop_coverage(params, area)
    near, far = (params.get("stop_walk_time", place) for place in ("near", "far"))
    fare = params.get("transit_fare_level", "bus") * _fare_index(params, "transit_fare_index", area)
    return [
        Level("bus", "in_vehicle", "bus_time", _under_way(params, "bus") * ratio[None]),
        Level("bus", "wait", "bus_service", _years(wait)),
        Level("bus", "wait", "bus_reliability", _years(excess)),
        Level("bus", "access", "", _years(covered * near + (1.0 - covered) * far)),
        Level("bus", "outlay", "transit_fare", _years(fare), paid=_paid(params)),
    ]


def _irregular(params: Params, area: str) -> Array:
    """Return the wait beyond the timetable against that without lanes, priority at signals and better dispatch, array ``[draw, year]``."""
    lanes = unit_share(of_area(params, "bus_lane_share", area), "bus_lane_share", area)
    signals = unit_share(of_area(params, "bus_signal_priority_share", area), "bus_signal_priority_share", area)
    gain = unit_share(of_area(params, "bus_regularity_gain", area), "bus_regularity_gain", area)
    left = (1.0 - lanes * params.get("bus_excess_wait_saving", "lane")) * (
        1.0 - signals * params.get("bus_excess_wait_saving", "signal_priority")
    )
    # minutes of 2019 stand in the row: what lanes of that year save is in them
    return left / at_normal(left) * (1.0 - gain)


def stop_coverage(params: Params, area: str) -> Array:
    """Return the share of residents within 500 m of a stop [dimensionless], array ``[draw, year]``.

    Parameters
    ----------
    params
        Rows ``bus_stop_coverage_share``, ``bus_stop_gap_closed``, ``compact_growth_share`` and ``bus_stop_growth_share``.
    area
        Prefecture code.

    Raises
    ------
    ValueError
        If one of them leaves 0 to 1.

    Notes
    -----
    ``1 - (1 - share)(1 - gap closed)(1 - growth around stops)``: new stops and growth reach those who have none.
    """
    names = ("bus_stop_coverage_share", "bus_stop_gap_closed", "compact_growth_share", "bus_stop_growth_share")
    share, closed, growth, near = (unit_share(of_area(params, name, area), name, area) for name in names)
    found: Array = 1.0 - (1.0 - share) * (1.0 - closed) * (1.0 - growth * near)
    return found


def _metro_levels(params: Params, area: str) -> list[Level]:
    time = positive(of_area(params, "metro_time_index", area), "metro_time_index", area)
    walk = positive(of_area(params, "metro_access_index", area), "metro_access_index", area)
    service = positive(of_area(params, "metro_service_index", area), "metro_service_index", area)
    wait = of_area(params, "metro_headway", area) / (2.0 * service) * params.get("boardings_per_trip", "metro")
    fares = np.stack([params.get("metro_fare_level", band) for band in BANDS])
    return [
        Level("metro", "in_vehicle", "metro_time", _under_way(params, "metro") * time[None]),
        Level(
            "metro",
            "access",
            "metro_time",
            _years(params.get("metro_walk_time") * walk),
            weight=params.get("service_time_weight", "walk"),
        ),
        Level("metro", "wait", "metro_service", _years(wait)),
        Level(
            "metro",
            "outlay",
            "transit_fare",
            fares * _fare_index(params, "transit_fare_index", area)[None],
            paid=_paid(params),
        ),
    ]


def _hailed(params: Params, area: str) -> list[Level]:
    """Return the levels of taxis and ride-hailing: under way, wait, fare by the meter."""
    found = []
    beyond = np.maximum(band_lengths(params) - params.get("hail_flag_distance")[None, :, :1], 0.0)
    for mode in ("taxi", "ride_hailing"):
        meter = params.get("hail_flag_fare", mode)[None] + params.get("hail_distance_fare", mode)[None] * beyond
        found += [
            Level(mode, "in_vehicle", "", _all_years(_under_way(params, mode))),
            Level(mode, "wait", "", _years(params.get("hail_wait_time", mode))),
            Level(mode, "outlay", "taxi_fare", meter * _fare_index(params, f"{mode}_fare_index", area)[None]),
        ]
    return found


def _car(params: Params, area: str) -> list[Level]:
    """Return the levels of the car: under way, walk and search, fuel, parking, road charge."""
    fuel = (
        params.get("car_fuel_outlay")[None] * band_lengths(params) * _fare_index(params, "car_operating_cost_index", area)[None]
    )
    parking = of_area(params, "parking_charge_level", area) * _fare_index(params, "parking_cost_index", area)
    supply = positive(of_area(params, "parking_supply_index", area), "parking_supply_index", area)
    charge = _fare_index(params, "road_charge", area)
    paid = np.stack([params.get("parking_paid_share", purpose)[:, :1] for purpose, _ in TRAVELLERS])
    return [
        Level("car", "in_vehicle", "", _all_years(_under_way(params, "car"))),
        Level("car", "access", "", _years(params.get("car_walk_time") + params.get("parking_search_time") / supply)),
        Level("car", "outlay", "car_operating_cost", fuel),
        Level("car", "outlay", "car_operating_cost", _years(charge), weight=params.get("road_charge_weight")),
        Level("car", "outlay", "parking_cost", _years(parking), paid=paid),
    ]


def _gains(params: Params, area: str) -> dict[str, Array]:
    """Return the utility by mode of what stands in logarithms, arrays ``[draw, year]``."""

    def log(parameter: str) -> Array:
        return _log(positive(of_area(params, parameter, area), parameter, area))

    tracks = coefficient(params, "cycle_network") * (log("cycle_network_index") + _log(cycle_reach(params, area)))
    return {
        "walk": coefficient(params, "walking_network") * log("walking_network_index"),
        "cycle": tracks,
        "e_bike": coefficient(params, "e_bike_availability") * log("e_bike_availability_index")
        + unit_share(of_area(params, "cycle_network_e_bike_share", area), "cycle_network_e_bike_share", area) * tracks,
        "bus": coefficient(params, "bus_coverage") * _log(positive(stop_coverage(params, area), "stop coverage", area)),
        "ride_hailing": coefficient(params, "ride_hailing_supply") * log("ride_hailing_supply_index"),
        "car": coefficient(params, "parking_supply") * log("parking_supply_index"),
    }


def _log(level: Array) -> Array:
    return np.log(level / at_normal(level))


def cycle_reach(params: Params, area: str) -> Array:
    """Return the share of residents on connected streets for cycling [dimensionless], array ``[draw, year]``.

    Parameters
    ----------
    params
        Rows ``cycle_connectivity_share`` and ``cycle_gap_closed``.
    area
        Prefecture code.

    Raises
    ------
    ValueError
        If one of them leaves 0 to 1, or the connectivity is zero.
    """
    connected = unit_share(of_area(params, "cycle_connectivity_share", area), "cycle_connectivity_share", area)
    closed = unit_share(of_area(params, "cycle_gap_closed", area), "cycle_gap_closed", area)
    return positive(1.0 - (1.0 - connected) * (1.0 - closed), "cycle_connectivity_share", area)


def _barred(params: Params, area: str) -> Array:
    """Return the share of the car trips of 2019 that may not be made by car, evasion taken off [dimensionless], array ``[draw, year]``."""
    restrained = unit_share(of_area(params, "car_restraint_share", area), "car_restraint_share", area)
    evaded = unit_share(of_area(params, "car_restraint_evasion", area), "car_restraint_evasion", area)
    left = positive(1.0 - restrained * (1.0 - evaded), "share of car trips that are allowed", area)
    return unit_share(1.0 - left / at_normal(left), "share of car trips that are barred", area)


def _metro(inputs: TableSource, params: Params, area: str) -> Array:
    """Return the utility of the metro for its length, minus infinity where it does not run, array ``[draw, year]``."""
    length = metro_length_km(inputs, params, area)
    normal = at_normal(length)
    # a city whose metro opens later pivots on virtual shares at the length of a first line
    reference = np.where(normal > 0.0, normal, params.get("first_metro_length")[:, :1])
    gain = np.full_like(length, -np.inf)
    np.log(length / reference, out=gain, where=length > 0.0)
    b = coefficient(params, "metro_length")
    return np.where(length > 0.0, b * np.where(length > 0.0, gain, 0.0), -np.inf)


def _cleared(params: Params, area: str, mode: str) -> Array:
    """Return the utility in the cold months of footways and tracks cleared beyond today's practice, array ``[draw, year]``."""
    if mode not in _ON_FOOT_OR_CYCLE:
        return np.zeros((params.draws, len(YEARS)))
    cleared = unit_share(of_area(params, "winter_clearing_share", area), "winter_clearing_share", area)
    part = unit_share(params.get("winter_recoverable_share"), "winter_recoverable_share", area)
    ratio = positive(params.get("winter_mode_ratio", mode), "winter_mode_ratio", mode)
    lost = np.maximum(-np.log(at_normal(ratio)), 0.0)
    found: Array = (cleared - at_normal(cleared)) * part * lost
    return found


def _pace(params: Params, area: str, damped: Array) -> Array:
    """Return the change of utility per minute's weight and unit of the car time index, array ``[mode of SLOWED, band, draw, year]``."""
    _, slope = bus_time_ratio(params, area)
    found = []
    for mode in SLOWED:
        minutes = _under_way(params, mode) * (slope[None] if mode == "bus" else np.ones((1, 1, len(YEARS))))
        found.append(coefficient(params, _IN_TRAFFIC[mode]) * (damped * minutes))
    return np.stack(found)
