"""Travel of residents in the central cities: mode shares by an incremental logit with congestion feedback.

All shares are of all trips of residents, all day. Trips are conserved: a lever moves trips between modes, never makes or kills them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport.layout import BASE_YEAR, NORMAL_YEAR, PROVINCE, YEARS, year_index
from transport.passengers import Anchor, cars_per_resident, fit_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from transport.params import Params
    from transport.passengers import TableSource

MODES: tuple[str, ...] = ("walk", "cycle", "e_bike", "bus", "metro", "taxi", "ride_hailing", "car", "other")
#: Modes that count as green in every reading; e_bike is added by a parameter row.
GREEN: tuple[str, ...] = ("walk", "cycle", "bus", "metro")
#: Walk, cycle and e_bike are not motorised in this indicator; works buses and motorcycles (other) are.
MOTORISED: tuple[str, ...] = ("bus", "metro", "taxi", "ride_hailing", "car", "other")
TARGET_YEAR = 2030

_W, _C, _E, _B, _M, _T, _R, _P, _O = range(len(MODES))
_DAYS_PER_YEAR = 365.0
_TOLERANCE = 1e-12
_MOST_ITERATIONS = 200


@dataclass(frozen=True, slots=True)
class TravelOutcome:
    """City travel of one run.

    Attributes
    ----------
    areas
        Prefecture codes; the figures are those of the central city of each.
    modes
        Order of the mode axis.
    share
        Share of all trips of residents [dimensionless], array [area, mode, draw, year].
    trips
        Trips of residents [trip/yr], array [area, mode, draw, year].
    green_share
        Green travel share [dimensionless], array [area, draw, year]; with e-bikes if their parameter row says so.
    green_share_without_e_bike
        The same without e-bikes, array [area, draw, year].
    transit_share_of_motorised
        Bus and metro among motorised trips [dimensionless], array [area, draw, year].
    break_even_base_share
        Green share of 2020 with which the green share of 2030 would be exactly the target, everything else equal, array [area, draw].
    has_target
        Whether the central city has more residents than the plan's threshold, by area.
    car_time_index
        Travel time by car against 2019 [dimensionless], array [area, draw, year].
    fit
        Ridership observed against modelled.
    """

    areas: tuple[str, ...]
    modes: tuple[str, ...]
    share: NDArray[np.float64]
    trips: NDArray[np.float64]
    green_share: NDArray[np.float64]
    green_share_without_e_bike: NDArray[np.float64]
    transit_share_of_motorised: NDArray[np.float64]
    break_even_base_share: NDArray[np.float64]
    has_target: Mapping[str, bool]
    car_time_index: NDArray[np.float64]
    fit: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _Drivers:
    """Levels against 2019 by area, each [area, draw, year], and coefficients that do not depend on the base shares.

    ``attributes`` holds per entry (mode, elasticity, modes the elasticity is of, log level); ``trip_total`` is relative to 2019.
    """

    bus_service: NDArray[np.float64]
    transit_fare: NDArray[np.float64]
    metro_length: NDArray[np.float64]
    metro_entry: NDArray[np.float64]
    cycle_network: NDArray[np.float64]
    walking_network: NDArray[np.float64]
    e_bike_availability: NDArray[np.float64]
    car_ownership: NDArray[np.float64]
    car_operating_cost: NDArray[np.float64]
    parking_cost: NDArray[np.float64]
    preference_bus: NDArray[np.float64]
    preference_metro: NDArray[np.float64]
    preference_taxi: NDArray[np.float64]
    preference_ride_hailing: NDArray[np.float64]
    lane_share: NDArray[np.float64]
    lane_share_base: NDArray[np.float64]
    signal_factor: NDArray[np.float64]
    lane_factor: NDArray[np.float64]
    vehicles_per_trip_car: NDArray[np.float64]
    vehicles_per_trip_car_base: NDArray[np.float64]
    vehicles_per_trip_taxi: NDArray[np.float64]
    volume_capacity_base: NDArray[np.float64]
    capacity: NDArray[np.float64]
    background: NDArray[np.float64]
    delay: NDArray[np.float64]
    exponent: NDArray[np.float64]
    trip_total: NDArray[np.float64]

    def at(self, years: list[int]) -> _Drivers:
        """Return the drivers of some years only."""
        cut = [year_index(y) for y in years]
        return _Drivers(**{f.name: getattr(self, f.name)[..., cut] for f in fields(self)})


def model_travel(inputs: TableSource, params: Params) -> TravelOutcome:
    """Model the mode shares of all trips of residents in the central cities.

    Parameters
    ----------
    inputs
        Tables ``codes`` and ``demand/population``, and ``observed/passengers`` for the fit.
    params
        Parameters with the levers of the run applied.

    Returns
    -------
    TravelOutcome
        Shares and trips [area, mode, draw, year] with the indicators made of them.

    Notes
    -----
    Incremental logit around the shares ``P0`` of 2019, per area, draw and year::

        P[i] = P0[i] exp(V[i]) / sum_j P0[j] exp(V[j]),   V[i] = sum_x b[x] ln(x / x_2019),   b[x] = E[x] / (1 - P0[i])

    so that a small change of x moves the trips of mode i with elasticity ``E[x]`` at the base. Car time is a fixed point::

        t(z) = (1 + a (r z)^b) / (1 + a r^b),   z = (background + (1 - background) vehicle trips / those of 2019) / capacity

    with the vehicle trips of cars, taxis and ride-hailing following from the shares, hence from t.
    """
    areas = prefectures(inputs.table("codes"))
    residents = city_residents(inputs.table("demand/population"), areas)
    base = base_shares(params, areas)
    total = _total_trips(params, areas, residents)
    drivers = _drivers(params, areas, total)
    elasticities = _elasticities(params)
    share, car_time = _solve(base, drivers, elasticities)
    trips = share * total[:, None]
    e_bike = params.get("e_bike_counts_as_cycling")
    return TravelOutcome(
        areas=areas,
        modes=MODES,
        share=share,
        trips=trips,
        green_share=_green(share, e_bike),
        green_share_without_e_bike=_green(share, np.zeros_like(e_bike)),
        transit_share_of_motorised=_part(share, ("bus", "metro")) / _part(share, MOTORISED),
        break_even_base_share=_break_even(base, drivers, elasticities, e_bike, params.get("green_travel_target_share")),
        has_target={a: bool(n > np.median(params.get("green_travel_residents_threshold"))) for a, n in residents.items()},
        car_time_index=car_time,
        fit=fit_table(_anchors(params, areas, trips), inputs),
    )


def prefectures(codes: pl.DataFrame) -> tuple[str, ...]:
    """Return the prefecture codes of the province, sorted."""
    listed = codes.filter(pl.col("list") == "area")["code"].to_list()
    return tuple(sorted(c for c in listed if c.startswith(PROVINCE[:2]) and c.endswith("00") and c != PROVINCE))


def city_residents(population: pl.DataFrame, areas: tuple[str, ...]) -> dict[str, float]:
    """Return residents of the central city (city proper) by area, from the census rows without a county.

    Raises
    ------
    ValueError
        If an area has no such row or several.
    """
    rows = population.filter(
        (pl.col("item") == "city_proper_population") & (pl.col("county").is_null() | pl.col("county").is_in(["", *areas]))
    )
    found: dict[str, float] = {}
    for area in areas:
        values = rows.filter(pl.col("area") == area)["value"].to_list()
        if len(values) != 1:
            msg = f"demand/population holds {len(values)} rows city_proper_population for {area}; one is needed"
            raise ValueError(msg)
        found[area] = float(values[0])
    return found


def base_shares(params: Params, areas: tuple[str, ...]) -> NDArray[np.float64]:
    """Return the mode shares of 2019 closed to one [dimensionless], array [area, mode, draw]."""
    normal = year_index(NORMAL_YEAR)
    raw = np.stack([np.stack([params.get("travel_base_share", f"{a}.{m}")[:, normal] for m in MODES]) for a in areas])
    return raw / _over_modes(raw)[:, None]


def car_time_index(
    volume: NDArray[np.float64], volume_capacity: NDArray[np.float64], delay: NDArray[np.float64], exponent: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return car time against the base for a volume-to-capacity ratio relative to the base.

    Parameters
    ----------
    volume
        Volume over capacity relative to the base [dimensionless].
    volume_capacity
        Volume over capacity of the base [dimensionless].
    delay, exponent
        Coefficients of the volume-delay function [dimensionless].
    """
    ratio: NDArray[np.float64] = (1.0 + delay * (volume_capacity * volume) ** exponent) / (
        1.0 + delay * volume_capacity**exponent
    )
    return ratio


# ---- drivers ----


def _by_area(params: Params, parameter: str, areas: tuple[str, ...]) -> NDArray[np.float64]:
    """Return a parameter by area, [area, draw, year]; an area without rows of its own takes those of subject ``all``."""
    return np.stack([params.get(parameter, a if params.has(parameter, a) else "all") for a in areas])


def _normal(array: NDArray[np.float64]) -> NDArray[np.float64]:
    cut = year_index(NORMAL_YEAR)
    return array[..., cut : cut + 1]


def _relative(array: NDArray[np.float64]) -> NDArray[np.float64]:
    return array / _normal(array)


def _over_modes(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum over the mode axis (the second), added in order: numpy's own order depends on the length of the other axes."""
    total: NDArray[np.float64] = array[:, 0].copy()
    for i in range(1, array.shape[1]):
        total += array[:, i]
    return total


def _total_trips(params: Params, areas: tuple[str, ...], residents: Mapping[str, float]) -> NDArray[np.float64]:
    """Return all trips of residents [trip/yr], [area, draw, year]."""
    census = np.array([residents[a] for a in areas])[:, None, None]
    index = _by_area(params, "city_population_index", areas)
    base = year_index(BASE_YEAR)
    people = census * index / index[..., base : base + 1] * params.get("travelling_residents_share")
    return people * _by_area(params, "trip_rate", areas) * _DAYS_PER_YEAR * _by_area(params, "travel_activity_recovery", areas)


def _drivers(params: Params, areas: tuple[str, ...], total: NDArray[np.float64]) -> _Drivers:
    shape = (len(areas), params.draws, len(YEARS))

    def level(parameter: str) -> NDArray[np.float64]:
        return _relative(_by_area(params, parameter, areas))

    def spread(array: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.broadcast_to(array, shape)

    length_km = _by_area(params, "metro_length", areas)
    length_base = spread(_normal(length_km))
    per_km = params.get("metro_boardings_per_km_day") * _DAYS_PER_YEAR / params.get("boardings_per_trip", "metro")
    has_metro = length_base > 0
    entry = np.where(has_metro, 0.0, length_km * per_km / total)
    lane_share = _by_area(params, "bus_lane_share", areas)
    signal_share = _by_area(params, "bus_signal_priority_share", areas)
    for name, array in (("bus_lane_share", lane_share), ("bus_signal_priority_share", signal_share)):
        if bool(np.any((array < 0) | (array > 1))):
            msg = f"{name} must stay between 0 and 1; with the lever it reaches {array.max():.3f}"
            raise ValueError(msg)
    signal = 1.0 - signal_share * params.get("bus_time_saving", "signal_priority")
    occupancy = _by_area(params, "city_car_occupancy", areas)
    taxi = params.get("taxi_occupancy") * (1.0 - params.get("taxi_empty_share"))
    return _Drivers(
        bus_service=spread(_relative(params.get("vehicle_stock", "urban_bus") * params.get("annual_distance", "urban_bus"))),
        transit_fare=level("transit_fare_index"),
        metro_length=np.divide(length_km, length_base, out=np.ones(shape), where=has_metro),
        metro_entry=entry / (1.0 + entry),
        cycle_network=level("cycle_network_index"),
        walking_network=level("walking_network_index"),
        e_bike_availability=level("e_bike_availability_index"),
        car_ownership=spread(_relative(cars_per_resident(params))),
        car_operating_cost=level("car_operating_cost_index"),
        parking_cost=level("parking_cost_index"),
        preference_bus=spread(params.get("travel_preference_recovery", "bus")),
        preference_metro=spread(params.get("travel_preference_recovery", "metro")),
        preference_taxi=spread(params.get("travel_preference_recovery", "taxi")),
        preference_ride_hailing=spread(params.get("travel_preference_recovery", "ride_hailing")),
        lane_share=lane_share,
        lane_share_base=spread(_normal(lane_share)),
        signal_factor=_relative(signal),
        lane_factor=spread(1.0 - params.get("bus_time_saving", "lane")),
        vehicles_per_trip_car=1.0 / occupancy,
        vehicles_per_trip_car_base=spread(_normal(1.0 / occupancy)),
        vehicles_per_trip_taxi=spread(1.0 / taxi),
        volume_capacity_base=spread(_normal(_by_area(params, "road_volume_capacity", areas))),
        capacity=level("road_capacity_index"),
        background=spread(params.get("road_background_share")),
        delay=spread(params.get("congestion_delay_coefficient")),
        exponent=spread(params.get("congestion_exponent")),
        trip_total=_relative(total),
    )


#: Elasticity rows: subject -> modes whose trips it is an elasticity of.
ELASTICITIES: dict[str, tuple[int, ...]] = {
    "bus_service": (_B,),
    "transit_fare": (_B, _M),
    "bus_time": (_B,),
    "metro_length": (_M,),
    "cycle_network": (_C,),
    "walking_network": (_W,),
    "e_bike_availability": (_E,),
    "car_ownership": (_P,),
    "car_operating_cost": (_P,),
    "parking_cost": (_P,),
    "car_time": (_P,),
    "taxi_time": (_T, _R),
}


def _elasticities(params: Params) -> dict[str, NDArray[np.float64]]:
    """Return the elasticities of trips, [draw] each."""
    normal = year_index(NORMAL_YEAR)
    return {name: params.get("travel_elasticity", name)[:, normal] for name in ELASTICITIES}


# ---- the logit with congestion ----


def _solve(
    base: NDArray[np.float64], drivers: _Drivers, elasticities: Mapping[str, NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return shares [area, mode, draw, year] and car time [area, draw, year] at the congestion fixed point."""
    beta = {
        name: (elasticities[name] / (1.0 - _over_modes(base[:, list(modes)])))[..., None] for name, modes in ELASTICITIES.items()
    }
    weight = _weights(base, drivers, beta)
    volume = np.ones_like(drivers.trip_total)
    residual = _volume(weight, base, drivers, beta, volume) - volume
    slope = np.zeros_like(volume)
    for _ in range(_MOST_ITERATIONS):
        # An element that has converged stands still: no draw, city or year may depend on how long another one takes.
        open_ = np.abs(residual) >= _TOLERANCE
        if not bool(open_.any()):
            break
        step = np.where(open_, residual / (1.0 - slope), 0.0)
        trial = np.maximum(volume + step, volume * 0.1)
        new = _volume(weight, base, drivers, beta, trial) - trial
        moved = trial - volume
        # More volume means slower cars, hence fewer car trips: the slope is never positive, and the secant only ever shortens the step.
        secant = np.divide(new - residual, moved, out=slope - 1.0, where=np.abs(moved) > _TOLERANCE) + 1.0
        volume, residual, slope = trial, new, np.minimum(secant, 0.0)
    else:
        worst = float(np.max(np.abs(residual)))
        msg = f"the congestion fixed point did not converge: {worst:.2e} left after {_MOST_ITERATIONS} iterations"
        raise ArithmeticError(msg)
    time = car_time_index(volume, drivers.volume_capacity_base, drivers.delay, drivers.exponent)
    return _shares(weight, drivers, beta, time), time


def _weights(base: NDArray[np.float64], d: _Drivers, beta: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return base shares times exp(utility) without the terms of car time, [area, mode, draw, year]."""
    weight = np.repeat(base[..., None], d.trip_total.shape[-1], axis=-1)
    fare = d.transit_fare ** beta["transit_fare"]
    weight[:, _W] *= d.walking_network ** beta["walking_network"]
    weight[:, _C] *= d.cycle_network ** beta["cycle_network"]
    weight[:, _E] *= d.e_bike_availability ** beta["e_bike_availability"]
    weight[:, _B] *= d.bus_service ** beta["bus_service"] * fare * d.preference_bus
    weight[:, _M] *= d.metro_length ** beta["metro_length"] * fare * d.preference_metro
    weight[:, _T] *= d.preference_taxi
    weight[:, _R] *= d.preference_ride_hailing
    weight[:, _P] *= (
        d.car_ownership ** beta["car_ownership"]
        * d.car_operating_cost ** beta["car_operating_cost"]
        * d.parking_cost ** beta["parking_cost"]
    )
    return weight


def _bus_time(d: _Drivers, car_time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return bus time against 2019: lanes shield from traffic, the rest moves with the cars; signals help all of it."""
    lane = d.lane_factor
    now = d.lane_share * lane + (1.0 - d.lane_share) * car_time
    return d.signal_factor * now / (d.lane_share_base * lane + 1.0 - d.lane_share_base)


def _shares(
    weight: NDArray[np.float64], d: _Drivers, beta: Mapping[str, NDArray[np.float64]], car_time: NDArray[np.float64]
) -> NDArray[np.float64]:
    moved = weight.copy()
    moved[:, _B] *= _bus_time(d, car_time) ** beta["bus_time"]
    moved[:, _P] *= car_time ** beta["car_time"]
    taxi = car_time ** beta["taxi_time"]
    moved[:, _T] *= taxi
    moved[:, _R] *= taxi
    moved /= _over_modes(moved)[:, None]
    # A first metro line has no base share to pivot on: it takes its riders from all modes alike.
    moved *= (1.0 - d.metro_entry)[:, None]
    moved[:, _M] += d.metro_entry
    return moved


def _volume(
    weight: NDArray[np.float64],
    base: NDArray[np.float64],
    d: _Drivers,
    beta: Mapping[str, NDArray[np.float64]],
    volume: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the volume over capacity against 2019 that the shares at a given volume produce."""
    share = _shares(weight, d, beta, car_time_index(volume, d.volume_capacity_base, d.delay, d.exponent))
    now = share[:, _P] * d.vehicles_per_trip_car + (share[:, _T] + share[:, _R]) * d.vehicles_per_trip_taxi
    taxi_base = (base[:, _T] + base[:, _R])[..., None] * d.vehicles_per_trip_taxi
    then = base[:, _P][..., None] * d.vehicles_per_trip_car_base + taxi_base
    return (d.background + (1.0 - d.background) * d.trip_total * now / then) / d.capacity


# ---- indicators ----


def _part(share: NDArray[np.float64], modes: tuple[str, ...]) -> NDArray[np.float64]:
    return _over_modes(share[:, [MODES.index(m) for m in modes]])


def _green(share: NDArray[np.float64], e_bike: NDArray[np.float64]) -> NDArray[np.float64]:
    return _part(share, GREEN) + e_bike * share[:, _E]


def _break_even(
    base: NDArray[np.float64],
    drivers: _Drivers,
    elasticities: Mapping[str, NDArray[np.float64]],
    e_bike: NDArray[np.float64],
    target: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the green share of 2020 that leads to the target share in 2030, [area, draw].

    Notes
    -----
    All green modes of the base are scaled by one factor per area and draw, the base is closed to one again and the whole model is run
    (coefficients derived anew, congestion solved anew); the factor is found by the secant method on log odds, where the answer is almost
    a straight line. Where a first metro line alone carries the target share, any share of 2020 would do and the answer is 0.
    """
    years = [BASE_YEAR, TARGET_YEAR]
    cut = [year_index(y) for y in years]
    few, counts, goal = drivers.at(years), e_bike[:, cut], target[:, year_index(TARGET_YEAR)]
    green = np.zeros((1, len(MODES), base.shape[2]))
    green[:, [MODES.index(m) for m in GREEN]] = 1.0
    green[:, _E] = counts[:, 1] > 0

    def odds(log_factor: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        scaled = base * np.exp(log_factor[:, None] * green)
        share = _green(_solve(scaled / _over_modes(scaled)[:, None], few, elasticities)[0], counts)
        return np.log(share[..., 1] / (1.0 - share[..., 1]) * (1.0 - goal) / goal), share[..., 0]

    x = np.zeros((base.shape[0], base.shape[2]))
    enough = few.metro_entry[..., 1] >= goal
    gap, share_2020 = odds(x)
    slope = np.ones_like(x)
    for _ in range(_MOST_ITERATIONS):
        open_ = (np.abs(gap) >= _TOLERANCE) & ~enough
        if not bool(open_.any()):
            return np.where(enough, 0.0, share_2020)
        step = np.where(open_, -gap / slope, 0.0)
        new, share_2020 = odds(x + step)
        slope = np.divide(new - gap, step, out=slope, where=np.abs(step) > _TOLERANCE)
        slope = np.clip(slope, 0.1, 10.0)
        x, gap = x + step, new
    msg = f"no green share of {BASE_YEAR} leads to the target: {float(np.max(np.abs(gap))):.2e} left in log odds"
    raise ArithmeticError(msg)


# ---- observed against modelled ----

#: Ridership: area, mode, year, series, period, how the model uses it. Rows that shaped a base share or a recovery are in sample.
_RIDERSHIP: tuple[tuple[str, str, int, str, str, str], ...] = (
    ("210100", "bus", 2020, "urban_ridership", "2020", "calibration"),
    ("210100", "bus", 2021, "urban_ridership", "2021", "calibration"),
    ("210100", "bus", 2022, "urban_ridership", "2022", "validation"),
    ("210100", "metro", 2019, "urban_ridership", "2019", "calibration"),
    ("210100", "metro", 2020, "urban_ridership", "2020", "calibration"),
    ("210100", "metro", 2021, "urban_ridership", "2021", "validation"),
    ("210100", "metro", 2022, "urban_ridership", "2022", "validation"),
    ("210100", "metro", 2024, "urban_ridership", "2024", "validation"),
    ("210100", "taxi", 2021, "urban_ridership", "2021", "calibration"),
    ("210100", "taxi", 2022, "urban_ridership", "2022", "validation"),
    ("210200", "bus", 2021, "urban_ridership", "2022", "calibration"),
    ("210200", "metro", 2019, "urban_ridership", "2019", "calibration"),
    ("210200", "metro", 2023, "urban_ridership", "2023", "validation"),
    (PROVINCE, "bus", 2025, "urban_ridership_annualised", "2025", "validation"),
)


def _anchors(params: Params, areas: tuple[str, ...], trips: NDArray[np.float64]) -> list[Anchor]:
    """Return the ridership comparisons (boardings) in the order of the fit table."""
    found = []
    for area, mode, year, series, period, used_for in _RIDERSHIP:
        if area != PROVINCE and area not in areas:
            continue
        made = trips[:, MODES.index(mode)].sum(axis=0) if area == PROVINCE else trips[areas.index(area), MODES.index(mode)]
        boardings = (made * params.get("boardings_per_trip", mode))[:, year_index(year)]
        keys = {"series": series, "area": area, "period": period, "item": mode}
        part = "rail" if mode == "metro" else "road"
        found.append(
            Anchor(f"ridership, {area} {mode}", part, year, "observed/passengers", keys, used_for, "territory", boardings)
        )
    return found
