"""Travel of one city in many draws at once: trips, kilometres and car time at the fixed point of congestion, without the shares of every segment.

The same equations as :func:`transport.cities.traffic.solve_city`, from the parts of the utility and in compiled loops. A draw or year
that is like one already solved (the same run before its levers, the central run) is taken from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from transport.cities import flow_kernels
from transport.cities.choice import check_theta
from transport.cities.flow_kernels import AS_FIRST, KNOWN, SOLVE, City, Sums
from transport.cities.layout import MODES, NESTS, ROAD_MODES, SEASONS, SEGMENTS, SLOWED
from transport.cities.traffic import CityTravel, car_time_index
from transport.layout import NORMAL_YEAR, YEARS, year_index

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from transport.cities.layout import Array, CityDemand, CityRoads, ServiceTerms

_NORMAL = year_index(NORMAL_YEAR)
_NEST_OF = np.array([next(n for n, modes in enumerate(NESTS.values()) if mode in modes) for mode in MODES])
#: Modes that stand in road traffic, in the order of the terms of :func:`transport.cities.service.service_terms`.
_SLOWED = np.array([MODES.index(mode) for mode in SLOWED])
_ROAD = np.array([MODES.index(mode) for mode in ROAD_MODES])
_N_SEASON = len(SEASONS)
#: Fields of :class:`~transport.cities.flow_kernels.City` with a year axis, which is their last.
_YEARLY = (
    "term_level",
    "flat",
    "cold",
    "pace",
    "trips",
    "per_pkm",
    "capacity",
    "volume_capacity",
    "background",
    "delay",
    "exponent",
    "barred",
)
_FIXED = ("base", "running", "theta", "term_weight", "pace_weight", "season_share", "length_km", "peak_share")


@dataclass(frozen=True, slots=True)
class CityFlows:
    """Travel of a city with what it was made of.

    Attributes
    ----------
    travel
        Figures of all draws; its shares are those of the first draw alone, ``[season, segment, mode, 1, year]``.
    city, sums
        What the loops read and found.
    """

    travel: CityTravel
    city: City
    sums: Sums

    @property
    def running(self) -> NDArray[np.bool_]:
        """Whether the modes run in 2019, array ``[mode, draw]``."""
        return np.asarray(self.city.running.T > 0)

    def cut(self, years: Sequence[int]) -> tuple[City, Sums]:
        """Return what the loops read and a copy of what they found in some years by position; the first must be 2019.

        Raises
        ------
        ValueError
            If the first year is not 2019, which everything is relative to.
        """
        if years[0] != _NORMAL:
            msg = f"the first of the years must be {NORMAL_YEAR}; got {[YEARS[y] for y in years]}"
            raise ValueError(msg)
        city = self.city._replace(**{name: np.ascontiguousarray(getattr(self.city, name)[..., years]) for name in _YEARLY})
        return city, Sums(self.sums.made[:, years], self.sums.volume[:, years], self.sums.first[years])


def city_flows(
    demand: CityDemand, terms: ServiceTerms, roads: CityRoads, theta: Mapping[str, Array], known: CityFlows | None = None
) -> CityFlows:
    """Return the travel of a city in all draws.

    Parameters
    ----------
    demand, terms, roads
        Trips and base shares, changes of utility by their parts, and what turns trips into traffic.
    theta
        Logsum coefficient by nest [dimensionless], array ``[draw]``.
    known
        The same city on other parameters: draws and years that are alike are taken from it, the others start from its volumes.

    Raises
    ------
    ValueError
        If the parts are of different cities, a coefficient is outside its range, or no mode is left in a segment.
    ArithmeticError
        If the fixed point is not reached.
    """
    check_theta(theta)
    if demand.area != terms.area:
        msg = f"demand is that of {demand.area}, service that of {terms.area}; both must be of one city"
        raise ValueError(msg)
    city = _city(demand, terms, roads, theta)
    draws, years = city.capacity.shape
    need = np.where(_alike(city, city, one=True), AS_FIRST, SOLVE)
    need[0] = SOLVE
    start = np.ones((draws, years))
    if known is not None and known.sums.volume.shape == start.shape:
        found = Sums(*(array.copy() for array in known.sums))
        start = known.sums.volume
        need[_alike(city, known.city)] = KNOWN
    else:
        found = Sums(
            np.zeros((draws, years, _N_SEASON + 2, len(MODES))),
            np.ones((draws, years)),
            np.zeros((years, len(MODES), _N_SEASON * len(SEGMENTS))),
        )
    solved(city, need, found, area=demand.area, start=start)
    return CityFlows(_travel(demand.area, city, found), city, found)


def solved(
    city: City, need: NDArray[np.int64], found: Sums, *, area: str, start: Array | None = None, years: Sequence[int] | None = None
) -> None:
    """Solve the draws and years of a city that need it.

    Parameters
    ----------
    city
        What the loops read.
    need
        What each draw and year needs, array ``[draw, year]``.
    found
        Where the result goes.
    area
        Prefecture code, for messages.
    start
        Volume over capacity to start at, array ``[draw, year]``; by default what stands in ``found``.
    years
        Positions of the years, 2019 first; by default all.

    Raises
    ------
    ValueError
        If no mode is left in a segment.
    ArithmeticError
        If the fixed point is not reached.
    """
    normal = _NORMAL if years is None else 0
    begin = (found.volume if start is None else start).copy()
    status, place, at, gap = flow_kernels.solve_city_rows(
        city, _NEST_OF, _SLOWED, _ROAD, MODES.index("car"), normal, need.astype(np.int64), begin, found
    )
    if status == flow_kernels.DONE:
        draw, at_year = np.nonzero(need == AS_FIRST)
        found.made[draw, at_year] = found.made[0, at_year]
        found.volume[draw, at_year] = found.volume[0, at_year]
        return
    year = YEARS[at if years is None else years[at]]
    if status == flow_kernels.NO_MODE:
        season, segment = divmod(place, len(SEGMENTS))
        msg = (
            f"{area}, {year}: no mode is left in season {season}, segment {segment}; at least one mode must run in every segment"
        )
        raise ValueError(msg)
    msg = f"{area}, {year}: the congestion fixed point did not converge: {gap:.2e} left after {flow_kernels.MOST_ITERATIONS} iterations"
    raise ArithmeticError(msg)


def trips_of(found: Sums) -> Array:
    """Return the trips by mode [trip/yr], array ``[mode, draw, year]``, season by season in order."""
    trips = found.made[:, :, 0].copy()
    for season in range(1, _N_SEASON):
        trips += found.made[:, :, season]
    return np.moveaxis(trips, 2, 0)


def _travel(area: str, city: City, found: Sums) -> CityTravel:
    """Return the figures of a city in the layout of the others."""
    made = np.moveaxis(found.made, (2, 3), (0, 1))
    seasons, pkm, peak = made[:_N_SEASON], made[_N_SEASON], made[_N_SEASON + 1]
    per_pkm = np.moveaxis(city.per_pkm, 1, 0)
    first = found.first.reshape(len(YEARS), len(MODES), _N_SEASON, len(SEGMENTS))
    return CityTravel(
        area=area,
        share=np.transpose(first, (2, 3, 1, 0))[:, :, :, None],
        trips=trips_of(found),
        pkm=pkm,
        vehicle_km=pkm[_ROAD] * per_pkm,
        peak_trips=peak,
        season_trips=seasons,
        car_time_index=car_time_index(found.volume, city.volume_capacity, city.delay, city.exponent),
    )


def _city(demand: CityDemand, terms: ServiceTerms, roads: CityRoads, theta: Mapping[str, Array]) -> City:
    """Return the arrays of a city as the loops read them: draws first, in one block, writable."""
    draws, years = demand.base.shape[-1], len(YEARS)
    base = np.transpose(demand.base, (3, 2, 0, 1)).reshape(draws, len(MODES), -1)

    def spread(array: Array) -> Array:
        return np.array(np.broadcast_to(array, (draws, years)))

    def first(array: Array, axis: int) -> Array:
        return np.array(np.moveaxis(array, axis, 0), order="C")

    return City(
        base=np.array(base, order="C"),
        running=first(np.isfinite(terms.flat[..., _NORMAL]).astype(np.float64), 1),
        theta=np.array(np.stack([theta[nest] for nest in NESTS], axis=1)),
        term_mode=np.array([MODES.index(mode) for mode in terms.modes], dtype=np.int64),
        term_weight=first(terms.weight, 2),
        term_level=first(terms.level, 2),
        flat=first(terms.flat, 1),
        cold=first(terms.cold, 1),
        pace_weight=first(terms.pace_weight, 1),
        pace=first(terms.pace, 2),
        trips=first(demand.trips, 1),
        season_share=first(demand.season_share, 1),
        length_km=first(demand.length_km, 1),
        peak_share=first(demand.peak_share, 1),
        per_pkm=first(roads.vehicles_per_pkm, 1),
        capacity=spread(roads.capacity),
        volume_capacity=spread(roads.volume_capacity),
        background=spread(roads.background),
        delay=spread(roads.delay),
        exponent=spread(roads.exponent),
        barred=spread(terms.barred),
    )


def _alike(city: City, other: City, *, one: bool = False) -> NDArray[np.bool_]:
    """Return whether draws and years of two cities are the same in every number, array ``[draw, year]``; ``one`` = with the other's first."""
    draws, years = city.capacity.shape
    if not np.array_equal(city.term_mode, other.term_mode):
        return np.zeros((draws, years), dtype=np.bool_)

    def same(name: str, last: int) -> NDArray[np.bool_]:
        mine, its = getattr(city, name), getattr(other, name)
        equal = mine == (its[:1] if one else its)
        return np.asarray(equal.all(axis=tuple(range(1, equal.ndim - last))))

    alike = np.logical_and.reduce([same(name, 0) for name in _FIXED])
    by_year = np.logical_and.reduce([same(name, 1) for name in _YEARLY])
    # everything is relative to 2019
    return np.asarray(by_year & (alike & by_year[:, _NORMAL])[:, None])
