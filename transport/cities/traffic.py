"""Travel of one city at the fixed point of congestion: shares make vehicle-km, vehicle-km make car time, car time makes shares."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from transport.cities.choice import Pivot, check_theta
from transport.cities.layout import MODES, NESTS, ROAD_MODES
from transport.layout import NORMAL_YEAR, YEARS, year_index

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from transport.cities.layout import Array, CityDemand, CityRoads, CityService

TOLERANCE = 1e-12
MOST_ITERATIONS = 200

_ROAD = tuple(MODES.index(m) for m in ROAD_MODES)
_CAR = MODES.index("car")


@dataclass(frozen=True, slots=True)
class CityTravel:
    """Travel of the residents of one central city.

    Attributes
    ----------
    area
        Prefecture code.
    share
        Mode shares [dimensionless], array ``[season, segment, mode, draw, year]``.
    trips
        Trips [trip/yr], array ``[mode, draw, year]``.
    pkm
        Passenger-km [pkm/yr], array ``[mode, draw, year]``.
    vehicle_km
        Vehicle-km [veh-km/yr], array ``[mode of ROAD_MODES, draw, year]``.
    peak_trips
        Trips in the peak hours [trip/yr], array ``[mode, draw, year]``.
    season_trips
        Trips by season [trip/yr], array ``[season, mode, draw, year]``.
    car_time_index
        Travel time by car against 2019 [dimensionless], array ``[draw, year]``.
    """

    area: str
    share: Array
    trips: Array
    pkm: Array
    vehicle_km: Array
    peak_trips: Array
    season_trips: Array
    car_time_index: Array


@dataclass(frozen=True, slots=True)
class Problem:
    """What the fixed point of one city needs.

    Attributes
    ----------
    base, season_share, length_km, peak_share, trips
        As in :class:`~transport.cities.layout.CityDemand`.
    utility, traffic
        As in :class:`~transport.cities.layout.CityService`.
    vehicles_per_pkm, capacity, volume_capacity, background, delay, exponent
        As in :class:`~transport.cities.layout.CityRoads`.
    barred
        Share of the car trips that cannot be made by car [dimensionless], array ``[draw, year]``.
    other_traffic
        Change of the traffic that does not come from trips of residents against that of 2019 [dimensionless], array ``[draw, year]``.
    theta
        Logsum coefficient by nest, arrays ``[draw]``.
    normal
        Position of 2019 on the year axis.
    """

    base: Array
    season_share: Array
    length_km: Array
    peak_share: Array
    trips: Array
    utility: Array
    traffic: Array
    vehicles_per_pkm: Array
    capacity: Array
    volume_capacity: Array
    background: Array
    delay: Array
    exponent: Array
    barred: Array
    other_traffic: Array
    theta: dict[str, Array]
    normal: int

    @classmethod
    def of(cls, demand: CityDemand, service: CityService, roads: CityRoads, theta: Mapping[str, Array]) -> Problem:
        """Join the parts of one city.

        Raises
        ------
        ValueError
            If the parts are of different cities, their shapes do not fit, or a logsum coefficient is outside its range.
        """
        if demand.area != service.area:
            msg = f"demand is that of {demand.area}, service that of {service.area}; both must be of one city"
            raise ValueError(msg)
        draws, years = demand.base.shape[-1], len(YEARS)
        wanted = {"demand.trips": (demand.trips, (demand.base.shape[1], draws, years))}
        wanted["service.utility"] = (service.utility, (*demand.base.shape, years))
        wanted["service.traffic"] = (service.traffic, (*demand.base.shape[1:], years))
        wanted["roads.vehicles_per_pkm"] = (roads.vehicles_per_pkm, (len(ROAD_MODES), draws, years))
        for name, (array, shape) in wanted.items():
            if array.shape != shape:
                msg = f"{demand.area}: {name} has shape {array.shape}; {shape} is needed"
                raise ValueError(msg)
        check_theta(theta)

        def spread(array: Array) -> Array:
            return np.broadcast_to(array, (draws, years))

        return cls(
            base=demand.base,
            season_share=demand.season_share,
            length_km=demand.length_km,
            peak_share=demand.peak_share,
            trips=demand.trips,
            utility=service.utility,
            traffic=service.traffic,
            vehicles_per_pkm=roads.vehicles_per_pkm,
            capacity=spread(roads.capacity),
            volume_capacity=spread(roads.volume_capacity),
            background=spread(roads.background),
            delay=spread(roads.delay),
            exponent=spread(roads.exponent),
            barred=spread(np.zeros((1, 1)) if service.barred is None else service.barred),
            other_traffic=spread(np.zeros((1, 1))),
            theta={nest: np.asarray(theta[nest]) for nest in NESTS},
            normal=year_index(NORMAL_YEAR),
        )

    def at(self, years: Sequence[int]) -> Problem:
        """Return the problem of some years only; the first of them must be 2019.

        Raises
        ------
        ValueError
            If the first year is not 2019, which everything is relative to.
        """
        if years[0] != NORMAL_YEAR:
            msg = f"the first of the years must be {NORMAL_YEAR}; got {list(years)}"
            raise ValueError(msg)
        cut = [year_index(y) for y in years]
        few: dict[str, Array] = {name: np.ascontiguousarray(getattr(self, name)[..., cut]) for name in _YEARLY}
        return replace(self, **few, normal=0)  # type: ignore[arg-type]  # the names are those of arrays


#: Fields of :class:`Problem` with a year axis.
_YEARLY = (
    "trips",
    "utility",
    "traffic",
    "vehicles_per_pkm",
    "capacity",
    "volume_capacity",
    "background",
    "delay",
    "exponent",
    "barred",
    "other_traffic",
)


def solve_city(demand: CityDemand, service: CityService, roads: CityRoads, theta: Mapping[str, Array]) -> CityTravel:
    """Return the travel of a city at the fixed point of congestion.

    Parameters
    ----------
    demand, service, roads
        Trips and base shares, changes of utility, and what turns trips into traffic.
    theta
        Logsum coefficient by nest [dimensionless], array ``[draw]``.

    Raises
    ------
    ValueError
        If the parts do not fit each other or a coefficient is outside its range.
    ArithmeticError
        If the fixed point is not reached.

    Notes
    -----
    Utility is ``utility + traffic (t - 1)``, with car time ``t`` of the volume ``z`` over capacity that the shares produce::

        t(z) = (1 + a (r z)^b) / (1 + a r^b),   z = (1 + (1 - background) (vehicle-km / those of 2019 - 1)) / capacity

    Where car trips are barred the shares are those with the car times the trips that may be made by it, plus those without it times the rest.
    Vehicle-km are passenger-km times vehicle-km per passenger-km of cars, taxis and ride-hailing. Every draw and year is iterated by itself.
    """
    return city_travel(Problem.of(demand, service, roads, theta), demand.area)


def city_travel(problem: Problem, area: str) -> CityTravel:
    """Return the travel of one city as :func:`solve_city` does, from its problem.

    Parameters
    ----------
    problem
        The fixed point of one city.
    area
        Prefecture code.
    """
    shares, volume = solve(problem)
    season_share = problem.season_share[:, None, :, None]
    trips = season_share * problem.trips[None]
    pkm, peak = _passenger_km(problem), trips * problem.peak_share[..., None][None]
    by_season = [[fold((trips[k] * share[k])[None]) for share in shares] for k in range(trips.shape[0])]
    kilometres = np.stack([fold(pkm * share) for share in shares])
    return CityTravel(
        area=area,
        share=np.stack(shares, axis=2),
        trips=np.stack([fold(trips * share) for share in shares]),
        pkm=kilometres,
        vehicle_km=np.stack([kilometres[i] * problem.vehicles_per_pkm[k] for k, i in enumerate(_ROAD)]),
        peak_trips=np.stack([fold(peak * share) for share in shares]),
        season_trips=np.asarray(by_season),
        car_time_index=car_time_index(volume, problem.volume_capacity, problem.delay, problem.exponent),
    )


def solve(problem: Problem, volume: Array | None = None) -> tuple[list[Array], Array]:
    """Return shares by mode ``[season, segment, draw, year]`` and volume over capacity against 2019 ``[draw, year]`` at the fixed point.

    Parameters
    ----------
    problem
        Trips, utilities and roads.
    volume
        Where to start; 1 if not given.

    Raises
    ------
    ArithmeticError
        If the fixed point is not reached.
    """
    running = np.isfinite(problem.utility[..., problem.normal])
    pivot = Pivot.of(problem.base, problem.utility, NESTS, problem.theta, running)
    traffic = _Traffic.of(problem, pivot)
    start = np.where(running, problem.base, 0.0)
    then = traffic.vehicle_km([np.repeat(start[:, :, i][..., None], problem.trips.shape[-1], axis=-1) for i in _ROAD])
    then = then[:, problem.normal : problem.normal + 1]

    def shares_at(volume: Array) -> list[Array]:
        lift = traffic.lift(car_time_index(volume, problem.volume_capacity, problem.delay, problem.exponent))
        free = pivot.shares(lift)
        if not bool(problem.barred.any()):
            return free
        # Who may not drive chooses among the others; a penalty on the car would leave those who have no good way but the car.
        kept = pivot.shares(lift, without=_CAR)
        return [(1.0 - problem.barred) * a + problem.barred * b for a, b in zip(free, kept, strict=True)]

    def made(at: Array) -> Array:
        shares = shares_at(at)
        ratio = traffic.vehicle_km([shares[i] for i in _ROAD]) / then
        others = problem.background * problem.other_traffic
        return (1.0 + others + (1.0 - problem.background) * (ratio - 1.0)) / problem.capacity

    found = _fixed_point(made, np.ones(problem.capacity.shape) if volume is None else volume)
    return shares_at(found), found


def car_time_index(volume: Array, volume_capacity: Array, delay: Array, exponent: Array) -> Array:
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
    ratio: Array = (1.0 + delay * (volume_capacity * volume) ** exponent) / (1.0 + delay * volume_capacity**exponent)
    return ratio


@dataclass(frozen=True, slots=True)
class _Traffic:
    """Trips to road traffic and back.

    ``weight`` are passenger-km [pkm/yr] by season and segment; ``slope`` is the change of utility / theta per unit of the car time index
    above one, by position of the mode.
    """

    weight: Array
    slope: dict[int, Array]
    vehicles_per_pkm: Array

    @classmethod
    def of(cls, problem: Problem, pivot: Pivot) -> _Traffic:
        nest_of = {i: nest for nest, modes in pivot.nests.items() for i in modes}
        slope = {}
        for i in range(len(MODES)):
            part = problem.traffic[:, i]
            if bool(part.any()):
                slope[i] = np.ascontiguousarray(part) / pivot.theta[nest_of[i]]
        return cls(_passenger_km(problem), slope, problem.vehicles_per_pkm)

    def lift(self, time: Array) -> dict[int, Array]:
        """Return the factors exp(change of utility / theta) by position of a mode at a car time index."""
        later = time - 1.0
        return {i: np.exp(slope * later)[None] for i, slope in self.slope.items()}

    def vehicle_km(self, shares: Sequence[Array]) -> Array:
        """Return vehicle-km of the road modes [veh-km/yr], ``[draw, year]``."""
        per_pkm = shares[0] * self.vehicles_per_pkm[0]
        for i, share in enumerate(shares[1:], start=1):
            per_pkm = per_pkm + share * self.vehicles_per_pkm[i]
        return fold(self.weight * per_pkm)


def _passenger_km(problem: Problem) -> Array:
    """Return passenger-km of all modes by season and segment, ``[season, segment, draw, year]``."""
    kilometres: Array = problem.season_share[:, None, :, None] * (problem.trips * problem.length_km[..., None])[None]
    return kilometres


def fold(array: Array) -> Array:
    """Return the sum over seasons and segments ``[draw, year]`` of an array ``[season, segment, draw, year]``, always added in one order."""
    part = array.reshape(-1, *array.shape[2:])
    while (n := part.shape[0]) > 1:
        half = n // 2
        added = part[:half] + part[half : 2 * half]
        part = added if n == 2 * half else np.concatenate([added, part[2 * half :]])
    total: Array = part[0]
    return total


def _fixed_point(made: Callable[[Array], Array], volume: Array) -> Array:
    """Return the volume that reproduces itself, by a safeguarded secant for every element alone."""
    residual = made(volume) - volume
    slope = np.zeros_like(volume)
    for _ in range(MOST_ITERATIONS):
        # An element that has converged stands still: no draw, city or year may depend on how long another one takes.
        open_ = np.abs(residual) >= TOLERANCE
        if not bool(open_.any()):
            return volume
        step = np.where(open_, residual / (1.0 - slope), 0.0)
        trial = np.maximum(volume + step, volume * 0.1)
        new = made(trial) - trial
        moved = trial - volume
        # More volume means slower cars, hence fewer car trips: the slope is never positive, and the secant only ever shortens the step.
        secant = np.divide(new - residual, moved, out=slope - 1.0, where=np.abs(moved) > TOLERANCE) + 1.0
        volume, residual, slope = trial, new, np.minimum(secant, 0.0)
    worst = float(np.max(np.abs(residual)))
    msg = f"the congestion fixed point did not converge: {worst:.2e} left after {MOST_ITERATIONS} iterations"
    raise ArithmeticError(msg)
