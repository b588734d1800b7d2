"""Trips of the residents of a central city by purpose, person group and length, with the base shares of the modes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from transport.cities.base_shares import (
    base_shares,
    by_season,
    cold_days,
    over,
    rake,
    season_shares,
    seed_shares,
    virtual_metro,
)
from transport.cities.layout import MODES, SEGMENTS, TRAVELLERS, CityDemand
from transport.cities.segments import (
    DAYS_PER_YEAR,
    band_moments,
    by_segment,
    cars_against_census,
    city_class,
    city_residents,
    group_shares,
    grown_compactly,
    households_with_car,
    lengths,
    of_area,
    segments_of,
    total_trips,
    traveller_weights,
)
from transport.layout import NORMAL_YEAR, year_index
from transport.passengers import Anchor

if TYPE_CHECKING:
    from transport.cities.layout import Array
    from transport.params import Params
    from transport.passengers import TableSource

_NORMAL = year_index(NORMAL_YEAR)
_CAR, _METRO = MODES.index("car"), MODES.index("metro")
_COMMUTERS = tuple(i for i, (purpose, _) in enumerate(TRAVELLERS) if purpose == "commute")
_STEP = 1e-5


@dataclass(frozen=True, slots=True)
class TripPattern:
    """Trips of one city before they are told apart by length.

    Attributes
    ----------
    area
        Prefecture code.
    kind
        Class of the city.
    total
        Trips of residents [trip/yr], array ``[draw, year]``.
    car_households
        Share of households with a car in the census year [dimensionless].
    weight
        Trips a day per resident by purpose and group before scaling [trip/pax/day], array ``[traveller, draw, year]``.
    mean_km, spread
        Mean length [km] and spread of its logarithm [dimensionless], array ``[traveller, draw]``.
    """

    area: str
    kind: str
    total: Array
    car_households: float
    weight: Array
    mean_km: Array
    spread: Array


def city_demand(inputs: TableSource, params: Params, area: str) -> CityDemand:
    """Return the trips of the residents of one central city and the base shares of their modes.

    Parameters
    ----------
    inputs
        Tables ``demand/population`` (census) and ``observed/climate`` (normals by month).
    params
        Parameters with the levers of the run applied: rows of ``travel_base`` and ``travel_demand``.
    area
        Prefecture code.

    Returns
    -------
    CityDemand
        Trips ``[segment, draw, year]``, base shares ``[season, segment, mode, draw]``, shares of the seasons, lengths and peak shares.

    Raises
    ------
    transport.params.ParameterError
        If a parameter row is missing.
    ValueError
        If the census or the climate lacks the city, or a parameter leaves its range.
    transport.cities.base_shares.BaseShareError
        If no segment shares have the mean shares of the city.

    Notes
    -----
    Trips of a purpose and group are residents x share of the group x rate, scaled so that the city makes the trips of its row ``trip_rate``
    in every year: a change of ages or of car ownership changes who travels, not how much. Lengths are lognormal; the bands cut them.
    Compact growth moves trips to the next shorter band. Base shares: :func:`transport.cities.base_shares.rake`.
    """
    return based_demand(inputs, params, area)[0]


@dataclass(frozen=True, slots=True)
class BaseShares:
    """Annual base shares of one city and what they were raked from.

    Attributes
    ----------
    given
        Seed ``[segment, mode, draw]``, trips of 2019 ``[segment, draw]`` and shares of the modes ``[mode, draw]`` [dimensionless].
    annual, factor
        Of :func:`transport.cities.base_shares.rake`.
    """

    given: tuple[Array, Array, Array]
    annual: Array
    factor: Array

    @classmethod
    def of(cls, seed: Array, weight: Array, target: Array, known: BaseShares | None) -> BaseShares:
        """Rake, unless it was done with the same numbers."""
        given = (seed, weight, target)
        if known is not None and all(np.array_equal(a, b) for a, b in zip(given, known.given, strict=True)):
            return known
        return cls(given, *rake(*given))


def based_demand(
    inputs: TableSource, params: Params, area: str, *, seed: Array | None = None, known: BaseShares | None = None
) -> tuple[CityDemand, BaseShares]:
    """Return the trips of one city as :func:`city_demand` does, with the base shares of the whole year.

    Parameters
    ----------
    inputs, params, area
        As :func:`city_demand`.
    seed
        Of :func:`transport.cities.base_shares.seed_shares`, which is common to all cities, if it is known.
    known
        Base shares made before, taken if they are of the same numbers.
    """
    pattern = trip_pattern(inputs, params, area)
    made = pattern.total * pattern.weight / over(pattern.weight, 0)
    in_band, length_km = band_moments(pattern.mean_km, pattern.spread)
    spread_out = by_segment(made) * segments_of(in_band)[..., None]
    total = pattern.total[:, _NORMAL]
    weight = spread_out[:, :, _NORMAL] / total
    seed = seed_shares(params) if seed is None else seed
    target = base_shares(params, (area,))[0]
    based = BaseShares.of(seed, weight, target, known)
    annual, factor = based.annual, based.factor
    running = target > 0
    if not bool(running[_METRO].all()):
        boardings = params.get("metro_boardings_per_km_day") * params.get("first_metro_length") * DAYS_PER_YEAR
        entry = (boardings / params.get("boardings_per_trip", "metro"))[:, _NORMAL] / total
        # The share of trips that a line of this length takes where there was none, as for entry odds of trips made on it.
        virtual = virtual_metro(seed, factor, weight, entry / (1.0 + entry))
        annual = annual.copy()
        annual[:, _METRO] = np.where(running[_METRO], annual[:, _METRO], virtual)
    seasons = season_shares(params, cold_days(inputs.table("observed/climate"), area))
    demand = CityDemand(
        area=area,
        trips=grown_compactly(spread_out, of_area(params, "compact_growth_share", area)),
        base=by_season(params, annual, running, seasons),
        season_share=seasons,
        length_km=segments_of(length_km),
        peak_share=np.stack([params.get("peak_trip_share", purpose)[:, _NORMAL] for purpose, _, _ in SEGMENTS]),
    )
    return demand, based


def trip_pattern(inputs: TableSource, params: Params, area: str) -> TripPattern:
    """Return the trips of a city by purpose and group with their lengths.

    Parameters
    ----------
    inputs
        Table ``demand/population``.
    params
        Parameters with the levers of the run applied.
    area
        Prefecture code.
    """
    population = inputs.table("demand/population")
    residents = city_residents(population, (area,))
    car_households = households_with_car(population, area)
    weight = traveller_weights(params, group_shares(params, area, car_households, cars_against_census(params)))
    kind = city_class(params, residents[area])
    mean_km, spread = lengths(params, kind, weight[..., _NORMAL])
    total = total_trips(params, (area,), residents)[0]
    return TripPattern(area, kind, total, car_households, weight, mean_km, spread)


# ---- what the demand implies, beside what was observed ----


def mean_length_by_mode(demand: CityDemand) -> Array:
    """Return the mean length of the trips of each mode in 2019 [km], array ``[mode, draw]``; nan for a mode that does not run.

    Parameters
    ----------
    demand
        Trips, lengths and base shares of a city. A virtual metro has the length of the trips it would take.
    """
    trips = annual_base(demand) * demand.trips[:, None, :, _NORMAL]
    km = over(trips * demand.length_km[:, None], 0)
    made = over(trips, 0)
    return np.divide(km, made, out=np.full_like(km, np.nan), where=made > 0)


def annual_base(demand: CityDemand) -> Array:
    """Return the base shares of the whole year [dimensionless], array ``[segment, mode, draw]``."""
    return over(demand.season_share[:, None, None] * demand.base, 0)


def commutes_within(pattern: TripPattern, length_km: float) -> Array:
    """Return the share of the commutes of 2019 that are shorter than a length [dimensionless], array ``[draw]``.

    Parameters
    ----------
    pattern
        Trips by purpose and group with their lengths.
    length_km
        Length [km].
    """
    of = list(_COMMUTERS)
    z = np.log(length_km / pattern.mean_km[of]) / pattern.spread[of] + pattern.spread[of] / 2.0
    weight = pattern.weight[of, :, _NORMAL]
    return over(weight * ndtr(z), 0) / over(weight, 0)


def mean_commute_km(pattern: TripPattern) -> Array:
    """Return the mean length of the commutes of 2019 [km], array ``[draw]``."""
    of = list(_COMMUTERS)
    weight = pattern.weight[of, :, _NORMAL]
    return over(weight * pattern.mean_km[of], 0) / over(weight, 0)


def car_ownership_elasticity(inputs: TableSource, params: Params, area: str) -> Array:
    """Return the elasticity of car trips to cars per resident in 2019 [dimensionless], array ``[draw]``.

    Parameters
    ----------
    inputs
        As for :func:`city_demand`.
    params
        Parameters of the run.
    area
        Prefecture code.

    Notes
    -----
    It is no parameter: more cars move adults from the group without a car to the group with one, and the two travel as the base shares say.
    Central difference over one hundred-thousandth of the cars, with all trips of the city as they are.
    """
    demand = city_demand(inputs, params, area)
    pattern = trip_pattern(inputs, params, area)
    car = annual_base(demand)[:, _CAR]
    in_band = segments_of(band_moments(pattern.mean_km, pattern.spread)[0])
    cars = cars_against_census(params)

    def car_share(ratio: float) -> Array:
        weight = traveller_weights(params, group_shares(params, area, pattern.car_households, cars * ratio))[..., _NORMAL]
        return over(by_segment(weight / over(weight, 0)) * in_band * car, 0)

    change: Array = np.log(car_share(1.0 + _STEP) / car_share(1.0 - _STEP)) / np.log((1.0 + _STEP) / (1.0 - _STEP))
    return change


#: Mean trip lengths: city, mode, item of the observed row, factor of the observed value. Medium cities have 0.7 of it for these modes.
_LENGTHS: tuple[tuple[str, str, str, float], ...] = (
    *(
        (area, mode, f"northern_big_city_{mode}", 1.0)
        for area in ("210100", "210200")
        for mode in ("walk", "cycle", "e_bike", "bus", "metro", "taxi", "car")
    ),
    *(("210300", mode, f"northern_big_city_{mode}", 0.7) for mode in ("bus", "taxi", "car")),
)
#: Commutes within five kilometres: city and item of its class.
_WITHIN: tuple[tuple[str, str], ...] = (
    ("210100", "class_very_large_all"),
    ("210200", "class_very_large_all"),
    ("210300", "class_large_2_all"),
    ("210400", "class_large_2_all"),
    ("210700", "class_large_2_all"),
)
#: Nothing was chosen to meet this row; all cycling is compared with the shared bicycles.
_SHARED_BICYCLES = {"series": "mean_trip_length", "area": "210100", "period": "2020-2021", "item": "shared_bicycle"}
_WITHIN_KM = 5.0
_PERCENT = 100.0


def demand_anchors(inputs: TableSource, params: Params, demand: CityDemand) -> list[Anchor]:
    """Return lengths observed against modelled for one city, in the order of the fit table.

    Parameters
    ----------
    inputs
        As for :func:`city_demand`.
    params
        Parameters of the run.
    demand
        Demand of the city.

    Notes
    -----
    The rows of trip lengths and of the seed were chosen with the ranges of these figures in view, so they are in sample; the length of
    rides on shared bicycles is not.
    """
    area = demand.area
    made = mean_length_by_mode(demand)
    found = []

    def add(
        item: str, part: str, keys: dict[str, str], modelled: Array, factor: float = 1.0, used_for: str = "calibration"
    ) -> None:
        found.append(Anchor(item, part, NORMAL_YEAR, "observed/cities", keys, used_for, "territory", modelled, factor))

    for city, mode, item, factor in _LENGTHS:
        if city == area:
            keys = {"series": "mean_trip_length", "area": "100000", "item": item}
            add(f"mean trip length, {area} {mode}", "rail" if mode == "metro" else "road", keys, made[MODES.index(mode)], factor)
    if area == _SHARED_BICYCLES["area"]:
        add(f"mean trip length, {area} shared bicycle", "road", _SHARED_BICYCLES, made[MODES.index("cycle")], 1.0, "validation")
    for item in [item for city, item in _WITHIN if city == area]:
        keys = {"series": "share_commutes_within_5km", "item": item}
        percent = _PERCENT * commutes_within(trip_pattern(inputs, params, area), _WITHIN_KM)
        add(f"commutes within 5 km, {area}", "road", keys, percent)
    return found
