"""Who travels how far in a central city: residents and their trips, person groups, city class, length bands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.special import ndtr

from transport.cities.layout import BANDS, GROUPS, PURPOSES, SEGMENTS, TRAVELLERS
from transport.layout import BASE_YEAR, PROVINCE, year_index
from transport.passengers import cars_per_resident

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.cities.layout import Array
    from transport.params import Params

DAYS_PER_YEAR = 365.0
#: Upper ends of the length bands [km], in the order of ``BANDS``.
BAND_ENDS_KM: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 15.0, np.inf)
#: Classes of cities by residents, the largest first; the last has no threshold.
CITY_CLASSES: tuple[str, ...] = ("very_large", "large", "medium")

_STUDENT, _NO_CAR, _CAR, _SENIOR = range(len(GROUPS))
#: The fifth and sixth digit of an area code: 01 to 20 are districts of the city, higher ones counties and towns of their own (GB/T 2260).
_LAST_DISTRICT = 20


# ---- residents and trips ----


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


def of_area(params: Params, parameter: str, area: str, *rest: str) -> Array:
    """Return a parameter of a city ``[draw, year]``; a city without a row of its own takes that of subject ``all``.

    Parameters
    ----------
    params
        Parameters of the run.
    parameter
        Name of the parameter.
    area
        Prefecture code, the first part of the subject.
    *rest
        Further parts of the subject, joined by full stops.
    """
    own = ".".join((area, *rest))
    return params.get(parameter, own if params.has(parameter, own) else ".".join(("all", *rest)))


def total_trips(params: Params, areas: tuple[str, ...], residents: Mapping[str, float]) -> Array:
    """Return all trips of residents [trip/yr], array ``[area, draw, year]``.

    Parameters
    ----------
    params
        Rows ``city_population_index``, ``travelling_residents_share``, ``trip_rate`` and ``travel_activity_recovery``.
    areas
        Prefecture codes.
    residents
        Residents of the central cities in the census year [pax].
    """
    found = []
    for area in areas:
        index = of_area(params, "city_population_index", area)
        base = year_index(BASE_YEAR)
        people = residents[area] * index / index[:, base : base + 1] * params.get("travelling_residents_share")
        found.append(
            people * of_area(params, "trip_rate", area) * DAYS_PER_YEAR * of_area(params, "travel_activity_recovery", area)
        )
    return np.stack(found)


def city_class(params: Params, residents: float) -> str:
    """Return the class of a city with so many residents [pax], one of :data:`CITY_CLASSES`."""
    for name in CITY_CLASSES[:-1]:
        if residents >= float(params.get("city_class_residents", name)[0, 0]):
            return name
    return CITY_CLASSES[-1]


# ---- person groups ----


def households_with_car(population: pl.DataFrame, area: str) -> float:
    """Return the share of the households of the city's districts that own a car, from the census [dimensionless].

    Parameters
    ----------
    population
        Table ``demand/population``: items ``households_with_car_share`` and ``family_households`` by county.
    area
        Prefecture code; without rows of districts its own row stands for them.

    Raises
    ------
    ValueError
        If neither districts nor the prefecture have a share, or it is not between 0 and 1.
    """
    rows = population.filter(
        (pl.col("area") == area)
        & pl.col("item").is_in(["households_with_car_share", "family_households"])
        & (pl.col("value") > 0)
    )
    of_whole = pl.col("county").is_null() | pl.col("county").is_in(["", area])
    district = pl.col("county").str.slice(4, 2).cast(pl.Int64, strict=False).is_between(1, _LAST_DISTRICT)
    for part in (rows.filter(~of_whole & district), rows.filter(of_whole)):
        found: dict[str, dict[str, float]] = {"households_with_car_share": {}, "family_households": {}}
        for item, county, value in part.select("item", "county", "value").iter_rows():
            found[item][county or area] = float(value)
        shares, weights = found.values()
        places = sorted(shares.keys() & weights.keys())
        if places:
            share = sum(shares[c] * weights[c] for c in places) / sum(weights[c] for c in places)
            break
    else:
        msg = f"demand/population holds no households_with_car_share with family_households for {area} or its districts; add the rows"
        raise ValueError(msg)
    if not 0.0 < share < 1.0:
        msg = f"demand/population: households_with_car_share of {area} is {share:g}; it must lie between 0 and 1"
        raise ValueError(msg)
    return share


def cars_against_census(params: Params) -> Array:
    """Return cars per resident of the province against the census year [dimensionless], array ``[draw, year]``.

    Raises
    ------
    ValueError
        If they are not positive.
    """
    cars = cars_per_resident(params)
    if bool(np.any(cars <= 0)):
        msg = (
            f"cars per resident fall to {float(cars.min()):g}; vehicle_stock private_car and province_population must be positive"
        )
        raise ValueError(msg)
    base = year_index(BASE_YEAR)
    return cars / cars[:, base : base + 1]


def group_shares(params: Params, area: str, car_households: float, cars: Array) -> Array:
    """Return the shares of the person groups among residents aged six and over [dimensionless], array ``[group, draw, year]``.

    Parameters
    ----------
    params
        Rows ``resident_group_share`` and ``car_household_adults``.
    area
        Prefecture code.
    car_households
        Share of households with a car in the census year [dimensionless].
    cars
        Cars per resident against the census year [dimensionless], array ``[draw, year]``.

    Raises
    ------
    ValueError
        If students and seniors leave no adults.

    Notes
    -----
    Cars fall on households by chance: with ``h`` of the households owning one in the census year and ``r`` the cars per resident against
    that year, ``h(r) = 1 - (1 - h)^r``. It cannot leave 0 to 1, and it fits the census: 7.2 x 10^6 cars on 17.47 x 10^6 households give
    33.8 % owners against 34.4 % counted. Of the adults, ``k h / (k h + 1 - h)`` live in such a household, with ``k`` adults there for one
    in a household without.
    """
    student, senior = (of_area(params, "resident_group_share", area, group) for group in ("student", "senior"))
    adult = 1.0 - student - senior
    if bool(np.any((student < 0) | (senior < 0) | (adult <= 0))):
        most = float((student + senior).max())
        msg = f"resident_group_share: students and seniors of {area} add up to {most:.3f}; neither may be negative, their sum must stay below 1"
        raise ValueError(msg)
    without = (1.0 - car_households) ** cars
    inside = params.get("car_household_adults") * (1.0 - without)
    with_car = inside / (inside + without)
    shares = np.empty((len(GROUPS), *adult.shape))
    shares[_STUDENT], shares[_SENIOR] = student, senior
    shares[_CAR], shares[_NO_CAR] = adult * with_car, adult * (1.0 - with_car)
    return shares


def traveller_weights(params: Params, groups: Array) -> Array:
    """Return trips a day per resident by purpose and group before scaling [trip/pax/day], array ``[traveller, draw, year]``.

    Parameters
    ----------
    params
        Rows ``trip_rate_by_purpose``.
    groups
        Shares of the person groups [dimensionless], array ``[group, draw, year]``.
    """
    rates = np.stack([params.get("trip_rate_by_purpose", f"{purpose}.{group}") for purpose, group in TRAVELLERS])
    weights: Array = rates * groups[[GROUPS.index(group) for _, group in TRAVELLERS]]
    if bool(np.any(weights < 0)) or not bool(np.all(weights.sum(axis=0) > 0)):
        msg = "trip_rate_by_purpose must not be negative and not zero for all travellers"
        raise ValueError(msg)
    return weights


# ---- trip lengths ----


def band_moments(mean_km: Array, spread: Array) -> tuple[Array, Array]:
    """Return the shares of the length bands and the mean length in each, for lognormal trip lengths.

    Parameters
    ----------
    mean_km
        Mean length [km], array ``[...]``.
    spread
        Standard deviation of the natural logarithm of the length [dimensionless], array ``[...]``.

    Returns
    -------
    share, length_km
        Arrays ``[band, ...]``: shares [dimensionless], which sum to one, and means [km].

    Raises
    ------
    ValueError
        If a mean or a spread is not positive.

    Notes
    -----
    With ``m`` the mean, ``s`` the spread and ``z(x) = ln(x / m) / s + s / 2``, the share below ``x`` is ``N(z(x))`` and the part of all km
    made by trips below ``x`` is ``N(z(x) - s)`` (Aitchison and Brown, The lognormal distribution, 1957).
    """
    if bool(np.any(mean_km <= 0) or np.any(spread <= 0)):
        msg = f"trip_length_mean and trip_length_spread must be positive; got {float(np.min(mean_km)):g} and {float(np.min(spread)):g}"
        raise ValueError(msg)
    ends = np.asarray(BAND_ENDS_KM[:-1]).reshape(-1, *[1] * np.ndim(mean_km))
    z = np.log(ends / mean_km) / spread + spread / 2.0
    edge = np.zeros((1, *np.shape(mean_km)))
    below = np.concatenate([edge, ndtr(z), edge + 1.0])
    km_below = np.concatenate([edge, ndtr(z - spread), edge + 1.0])
    share = np.diff(below, axis=0)
    # A band too far out to hold any trip keeps its lower end as length.
    starts = np.concatenate([np.zeros_like(ends[:1]), ends]) + edge
    return share, np.divide(mean_km * np.diff(km_below, axis=0), share, out=starts, where=share > 0)


def lengths(params: Params, kind: str, base_weights: Array) -> tuple[Array, Array]:
    """Return mean lengths and spreads by purpose and group, array ``[traveller, draw]`` each.

    Parameters
    ----------
    params
        Rows ``trip_length_mean`` [km] and ``trip_length_spread`` (class.purpose) and ``trip_length_group_ratio`` (group).
    kind
        Class of the city, one of :data:`CITY_CLASSES`.
    base_weights
        Trips of the travellers in the pivot year, any unit, array ``[traveller, draw]``: over the groups, the mean of a purpose is its row.
    """
    ratio = np.stack([params.get("trip_length_group_ratio", group)[:, 0] for _, group in TRAVELLERS])
    mean, spread = np.empty_like(ratio), np.empty_like(ratio)
    for purpose in PURPOSES:
        of = [i for i, (p, _) in enumerate(TRAVELLERS) if p == purpose]
        level = sum(base_weights[i] * ratio[i] for i in of) / sum(base_weights[i] for i in of)
        for i in of:
            mean[i] = params.get("trip_length_mean", f"{kind}.{purpose}")[:, 0] * ratio[i] / level
            spread[i] = params.get("trip_length_spread", f"{kind}.{purpose}")[:, 0]
    return mean, spread


def by_segment(travellers: Array) -> Array:
    """Return an array ``[traveller, ...]`` repeated over the bands, ``[segment, ...]``."""
    return np.repeat(travellers, len(BANDS), axis=0)


def segments_of(values: Array) -> Array:
    """Return an array ``[band, traveller, ...]`` in the order of the segments, ``[segment, ...]``."""
    return np.moveaxis(values, 0, 1).reshape(len(SEGMENTS), *values.shape[2:])


def grown_compactly(trips: Array, share: Array) -> Array:
    """Return trips after a share of each length band moved to the next shorter one; the trips of a purpose and group stay the same.

    Parameters
    ----------
    trips
        Trips [trip/yr], array ``[segment, draw, year]``.
    share
        Share of the trips of a band that move [dimensionless], array ``[draw, year]``; the shortest band only receives.

    Raises
    ------
    ValueError
        If the share leaves 0 to 1.
    """
    if bool(np.any((share < 0) | (share > 1))):
        msg = f"compact_growth_share must stay between 0 and 1; with the lever it reaches {float(share.min()):g} to {float(share.max()):g}"
        raise ValueError(msg)
    banded = trips.reshape(len(TRAVELLERS), len(BANDS), *trips.shape[1:])
    moving = banded[:, 1:] * share
    moved = banded.copy()
    moved[:, 1:] -= moving
    moved[:, :-1] += moving
    return moved.reshape(trips.shape)
