"""Intercity passengers by service: a pivot around the normal year 2019, with the COVID shock as a parameter of its own.

Three markets (within the province, to other provinces, across the Bohai) hold the trips; within a market the services compete by an
incremental logit whose coefficients are derived from elasticities, so that the elasticity of a row is reproduced exactly at the base.
Every driver is a level by year, never a rate: values held at 2020 mean that nothing but the recovery moves afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl

from transport.layout import BASE_YEAR, FIRST_YEAR, FIT_SCHEMA, NORMAL_YEAR, PROVINCE, QUALITY_ORDER, YEARS, year_index

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from transport.params import Params

SERVICES: tuple[str, ...] = ("conventional", "high_speed", "coach", "ro_pax", "air", "private_car")
MARKETS: tuple[str, ...] = ("within_province", "inter_province", "bohai")
#: The market that takes what the rows of the others leave.
_REST = MARKETS.index("inter_province")


@dataclass(frozen=True, slots=True)
class PassengerOutcome:
    """Passenger volumes of one run.

    Attributes
    ----------
    pkm
        Passenger-km by service [pkm/yr], arrays [draw, year]. Rail (conventional, high_speed) by the location of the line
        (territory, transit passengers included); coach and ro_pax by the registration of the carrier; air by carrier, that is departures
        times haul times a bridge row; private_car is intercity travel only (city travel by car belongs to the stock of cars).
    passengers
        Persons departing by service [pax/yr], arrays [draw, year].
    load
        Occupied share of the seats by service [dimensionless], arrays [draw, year]; private_car is persons per car over its seats.
    air_freight_tkm
        Air cargo by carrier [tkm/yr], array [draw, year].
    trend_pkm
        Passenger-km by service without the shock of COVID [pkm/yr], arrays [draw, year]; times ``recovery`` they are ``pkm``.
    recovery
        Level against the trend by service [dimensionless], arrays [draw, year].
    base_load
        Load without the shock by service [dimensionless], arrays [draw, year]; times ``load_recovery`` it is ``load``.
    load_recovery
        Load against the one without the shock, after the cap at full [dimensionless], arrays [draw, year].
    air_freight_recovery
        Air cargo against its trend [dimensionless], array [draw, year].
    fit
        Observed against modelled values; no rows if the model was run without tables.
    """

    pkm: Mapping[str, NDArray[np.float64]]
    passengers: Mapping[str, NDArray[np.float64]]
    load: Mapping[str, NDArray[np.float64]]
    air_freight_tkm: NDArray[np.float64]
    trend_pkm: Mapping[str, NDArray[np.float64]]
    recovery: Mapping[str, NDArray[np.float64]]
    base_load: Mapping[str, NDArray[np.float64]]
    load_recovery: Mapping[str, NDArray[np.float64]]
    air_freight_recovery: NDArray[np.float64]
    fit: pl.DataFrame


@dataclass(frozen=True, slots=True)
class MarketBase:
    """Trips of the normal year and what a trip covers.

    Attributes
    ----------
    trips
        Departures [pax/yr], array [service, market, draw].
    distance_km
        Passenger-km booked per departure [km], array [service, market, draw]; for rail it mixes territory and departures and is no haul.
    """

    trips: NDArray[np.float64]
    distance_km: NDArray[np.float64]


class TableSource(Protocol):
    """Anything that hands out the tables of the data by path without suffix."""

    def table(self, name: str) -> pl.DataFrame:
        """Return one table."""
        ...


def model_passengers(params: Params, *, normal_2020: bool = False, inputs: TableSource | None = None) -> PassengerOutcome:
    """Model intercity passengers, passenger-km and loads for every year.

    Parameters
    ----------
    params
        Parameters with the levers of the run applied.
    normal_2020
        Let 2020, and only 2020, carry the passenger volumes and loads of 2019: the base ``2020_normal``. Air cargo stays as observed.
    inputs
        Tables ``observed/passengers`` and ``observed/airports`` for the fit; without them the fit has no rows. The model reads no table.

    Returns
    -------
    PassengerOutcome
        Volumes [draw, year] by service.

    Notes
    -----
    With base trips ``T0[s,m]`` of 2019, base shares ``P[s,m]`` within market m and utility changes ``V[s]``::

        S[m]    = sum_s P[s,m] exp(V[s])
        T[s,m]  = T0[s,m] exp(V[s]) g[m] S[m]^(theta - 1)
        g[m]    = population / population_2019 x (GDP per head / GDP per head 2019)^eta[m]
        pkm[s]  = recovery[s] sum_m T[s,m] d[s,m]

    With ``theta = 0`` a lever only moves trips between services: the trips of a market are conserved. With ``theta > 0`` the trips of the
    market grow by ``S^theta``: these are the induced (or suppressed) trips, and nothing else is.
    """
    base = base_year_trips(params)
    utility = _utilities(params, base)
    trend = _trend_trips(params, base, utility)
    recovery = _by_service(params, "passenger_recovery")
    trips = _over_axis(trend, 1) * recovery
    trend_pkm = _over_axis(trend * base.distance_km[..., None], 1)
    pkm = trend_pkm * recovery
    normal_load = _normal_loads(params)
    load = np.minimum(normal_load * _by_service(params, "passenger_load_recovery"), 1.0)
    base_load = np.minimum(normal_load, 1.0)
    if normal_2020:
        here, there = year_index(BASE_YEAR), year_index(NORMAL_YEAR)
        for array in (trips, pkm, load, trend_pkm, recovery, base_load):
            array[:, :, here] = array[:, :, there]
    outcome = PassengerOutcome(
        pkm=_as_mapping(pkm),
        passengers=_as_mapping(trips),
        load=_as_mapping(load),
        air_freight_tkm=_air_freight_tkm(params),
        trend_pkm=_as_mapping(trend_pkm),
        recovery=_as_mapping(recovery),
        base_load=_as_mapping(base_load),
        load_recovery=_as_mapping(load / base_load),
        air_freight_recovery=params.get("air_cargo_recovery"),
        fit=pl.DataFrame(schema=FIT_SCHEMA),
    )
    if inputs is None:
        return outcome
    departing = float(_normal(params.get("airport_departing_share"))[0])
    return replace(outcome, fit=fit_table(_anchors(outcome, departing), inputs))


def base_year_trips(params: Params) -> MarketBase:
    """Return the trips of 2019 by service and market, and the passenger-km booked per departure.

    Raises
    ------
    ValueError
        If the market shares of a service add up to more than one.
    """
    departures, turnover = _normal_volumes(params)
    of_departures = _market_shares(params, "market_share_of_departures")
    of_turnover = _market_shares(params, "market_share_of_turnover")
    trips = departures[:, None, :] * of_departures
    booked = turnover[:, None, :] * of_turnover
    return MarketBase(trips, np.divide(booked, trips, out=np.zeros_like(trips), where=trips > 0))


def own_response(base: MarketBase, induced: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the own elasticity of passenger-km per unit coefficient on a logarithmic attribute.

    Parameters
    ----------
    base
        Trips and distances of the normal year.
    induced
        Induced share theta [dimensionless], array [draw].

    Returns
    -------
    array [service, draw]
        The coefficient of an attribute is its elasticity divided by this number.

    Notes
    -----
    ``D[s] = sum_m v[s,m] ((1 - P[s,m]) + theta P[s,m])`` with v the shares of the markets in the passenger-km of the service.
    """
    share = base.trips / _over_axis(base.trips, 0)
    pkm = base.trips * base.distance_km
    weight = pkm / _over_axis(pkm, 1)[:, None]
    response = _over_axis(weight * (1.0 - share * (1.0 - induced)), 1)
    if bool(np.any(response <= 0)):
        alone = ", ".join(SERVICES[i] for i in np.flatnonzero((response <= 0).any(axis=1)))
        msg = f"without a rival and without induced trips no price can move {alone}; add a rival or an induced share"
        raise ValueError(msg)
    return response


def _over_axis(array: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Return the sum over one axis, added in order: numpy's own order depends on the length of the other axes."""
    parts = np.moveaxis(array, axis, 0)
    total: NDArray[np.float64] = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total


def _by_service(params: Params, parameter: str) -> NDArray[np.float64]:
    return np.stack([params.get(parameter, service) for service in SERVICES])


def _as_mapping(array: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    return dict(zip(SERVICES, array, strict=True))


def _normal(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the value of the normal year, [draw]."""
    return array[:, year_index(NORMAL_YEAR)]


def _relative(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a level relative to its value in the normal year, [draw, year]."""
    return array / _normal(array)[:, None]


def _normal_volumes(params: Params) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return departures [pax/yr] and turnover [pkm/yr] of the normal year, both [service, draw]."""
    departures = {name: _normal(params.get("normal_departures", name)) for name in ("rail", "coach", "ro_pax", "private_car")}
    turnover = {name: _normal(params.get("normal_turnover", name)) for name in ("rail", "coach", "ro_pax")}
    for total, share in (
        (departures, _normal(params.get("high_speed_share", "departures"))),
        (turnover, _normal(params.get("high_speed_share", "turnover"))),
    ):
        rail = total.pop("rail")
        total["high_speed"] = rail * share
        total["conventional"] = rail * (1.0 - share)
    departures["air"] = _normal(params.get("normal_airport_throughput") * params.get("airport_departing_share"))
    turnover["air"] = departures["air"] * _normal(params.get("air_mean_haul", "passengers") * params.get("air_carrier_bridge"))
    turnover["private_car"] = departures["private_car"] * _normal(params.get("private_car_trip_distance"))
    return np.stack([departures[s] for s in SERVICES]), np.stack([turnover[s] for s in SERVICES])


def _market_shares(params: Params, parameter: str) -> NDArray[np.float64]:
    """Return the split of each service over the markets, [service, market, draw]; no row means that the market is not served."""
    share = np.zeros((len(SERVICES), len(MARKETS), params.draws))
    for i, service in enumerate(SERVICES):
        for j, market in enumerate(MARKETS):
            if j != _REST and params.has(parameter, f"{service}.{market}"):
                share[i, j] = _normal(params.get(parameter, f"{service}.{market}"))
    share[:, _REST] = 1.0 - _over_axis(share, 1)
    if bool(np.any(share < 0)):
        wrong = ", ".join(SERVICES[i] for i in np.flatnonzero((share < 0).any(axis=(1, 2))))
        msg = f"{parameter}: shares outside 0 to 1 or adding up to more than 1 for {wrong}"
        raise ValueError(msg)
    return share


def _utilities(params: Params, base: MarketBase) -> NDArray[np.float64]:
    """Return utility changes against the normal year, [service, draw, year]."""
    response = own_response(base, _normal(params.get("passenger_induced_share")))
    utility = np.zeros((len(SERVICES), params.draws, len(YEARS)))
    for i, service in enumerate(SERVICES):
        attributes = [
            (params.get("passenger_fare_elasticity", service), params.get("passenger_fare_index", service)),
            (params.get("passenger_time_elasticity", service), params.get("passenger_time_index", service)),
        ]
        if service == "high_speed":
            attributes.append((params.get("high_speed_network_elasticity"), high_speed_network_km(params)))
        if service == "private_car":
            attributes.append((params.get("private_car_ownership_elasticity"), cars_per_resident(params)))
        for elasticity, level in attributes:
            utility[i] += (_normal(elasticity) / response[i])[:, None] * np.log(_relative(level))
        utility[i] += np.log(_relative(params.get("passenger_service_trend", service)))
    return utility


def cars_per_resident(params: Params) -> NDArray[np.float64]:
    """Return private cars per resident of the province [veh/pax], [draw, year]: the stock of the fleet model over the residents."""
    return params.get("vehicle_stock", "private_car") / params.get("province_population", PROVINCE)


def _normal_loads(params: Params) -> NDArray[np.float64]:
    """Return the occupied share of seats without COVID, before the cap at full, [service, draw, year]."""
    normal = {s: params.get("passenger_load", s) for s in SERVICES if s != "private_car"}
    normal["private_car"] = params.get("persons_per_car", "private_car") / params.get("private_car_seats")
    return np.stack([normal[s] for s in SERVICES])


def high_speed_network_km(params: Params) -> NDArray[np.float64]:
    """Return the mean length of high-speed lines in service within the province [km], [draw, year]."""
    lines = [params.get("high_speed_line_length", line) for line in params.subjects("high_speed_line_length")]
    return _over_axis(np.stack(lines), 0)


def _trend_trips(params: Params, base: MarketBase, utility: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return trips without COVID, [service, market, draw, year]."""
    population = params.get("province_population", PROVINCE)
    income = _relative(params.get("gdp_real_index", PROVINCE) / population)
    elasticity = np.stack([_normal(params.get("passenger_income_elasticity", market)) for market in MARKETS])
    growth = _relative(population) * income ** elasticity[:, :, None]
    induced = _normal(params.get("passenger_induced_share"))
    share = base.trips / _over_axis(base.trips, 0)
    moved = np.exp(utility)
    logsum = _over_axis(share[..., None] * moved[:, None], 0)
    scale: NDArray[np.float64] = (growth * logsum ** (induced[None, :, None] - 1.0))[None]
    return base.trips[..., None] * moved[:, None] * scale


def _air_freight_tkm(params: Params) -> NDArray[np.float64]:
    """Return air cargo by carrier [tkm/yr], [draw, year].

    Notes
    -----
    ``tkm = cargo throughput 2019 x departing share x haul x bridge x (GDP / GDP 2019)^e x recovery``.
    """
    departing_t = _normal(params.get("normal_air_cargo_throughput") * params.get("airport_departing_share"))
    haul_km = _normal(params.get("air_mean_haul", "cargo") * params.get("air_carrier_bridge"))
    elasticity = _normal(params.get("air_cargo_income_elasticity"))
    growth = _relative(params.get("gdp_real_index", PROVINCE)) ** elasticity[:, None]
    tkm: NDArray[np.float64] = (departing_t * haul_km)[:, None] * growth * params.get("air_cargo_recovery")
    return tkm


# ---- observed against modelled ----


@dataclass(frozen=True, slots=True)
class Anchor:
    """One comparison of the model with rows of an observed table.

    Attributes
    ----------
    item, mode, used_for, principle
        As in the fit table; ``used_for`` says how the model uses the number, which may be stricter than the table's own column.
    year
        Year of the modelled value.
    table
        Table path, for example ``observed/passengers``.
    keys
        Column -> value of the observed rows; several rows are added up.
    modelled
        Modelled value in the unit of the rows, array [draw].
    factor
        What the observed value is multiplied by before the comparison [dimensionless].
    """

    item: str
    mode: str
    year: int
    table: str
    keys: Mapping[str, str]
    used_for: str
    principle: str
    modelled: NDArray[np.float64]
    factor: float = 1.0


def fit_table(anchors: list[Anchor], inputs: TableSource) -> pl.DataFrame:
    """Return observed against modelled values, the first draw as in every table; an anchor without an observed row keeps empty cells."""
    rows = [_fit_row(anchor, inputs.table(anchor.table)) for anchor in anchors]
    return pl.DataFrame(rows, schema=FIT_SCHEMA)


def _fit_row(anchor: Anchor, table: pl.DataFrame) -> dict[str, object]:
    found = table.filter(pl.all_horizontal(pl.col(c) == v for c, v in anchor.keys.items()) & pl.col("value").is_not_null())
    if "item" not in anchor.keys:
        found = found.filter(~pl.col("item").str.starts_with("all"))
    modelled = float(anchor.modelled[0])
    row: dict[str, object] = {
        "item": anchor.item,
        "mode": anchor.mode,
        "year": anchor.year,
        "modelled": modelled,
        "used_for": anchor.used_for,
        "principle": anchor.principle,
    }
    if not found.height:
        return {**row, "note": "no observed row"}
    seen = float(found["value"].sum()) * anchor.factor
    bounds = {
        side: float(found.select(pl.coalesce(side, "value")).to_series().sum()) * anchor.factor if found[side].count() else None
        for side in ("low", "high")
    }
    weakest = max(found["quality"].to_list(), key=QUALITY_ORDER.index)
    notes = [str(n) for n in found["footnote"].to_list() if n]
    note = notes[0] if found.height == 1 and notes else f"sum of {found.height} rows" if found.height > 1 else ""
    return {
        **row,
        **bounds,
        "unit": found["unit"][0],
        "observed": seen,
        "error_pct": 100.0 * (modelled / seen - 1.0),
        "quality": weakest,
        "note": note,
    }


def _year(array: NDArray[np.float64], year: int) -> NDArray[np.float64]:
    return array[:, year_index(year)]


def _sum(values: Mapping[str, NDArray[np.float64]], services: tuple[str, ...], year: int) -> NDArray[np.float64]:
    total: NDArray[np.float64] = np.sum([_year(values[s], year) for s in services], axis=0)
    return total


_RAIL = ("conventional", "high_speed")
_SURFACE = (*_RAIL, "coach", "ro_pax")


def _anchors(outcome: PassengerOutcome, departing_share: float) -> list[Anchor]:
    """Return the comparisons in the order of the fit table."""
    found: list[Anchor] = []
    for mode, services, principle in (
        ("rail", _RAIL, "territory"),
        ("road", ("coach",), "carrier"),
        ("water", ("ro_pax",), "carrier"),
    ):
        for series, values in (("passenger_turnover", outcome.pkm), ("passenger_volume", outcome.passengers)):
            # Turnover fixes the recovery of 2020; the volumes of 2020 fixed the mean trip: both are in sample.
            keys = {"series": series, "area": PROVINCE, "period": str(BASE_YEAR), "mode": mode, "item": "total"}
            name = f"{series.replace('_', ' ')}, {mode}"
            value = _sum(values, services, BASE_YEAR)
            found.append(Anchor(name, mode, BASE_YEAR, "observed/passengers", keys, "calibration", principle, value))
    keys = {"series": "passenger_volume", "period": "2015", "item": "plan_13th"}
    value = _sum(outcome.passengers, _SURFACE, FIRST_YEAR)
    found.append(
        Anchor("passenger volume, old scope", "all", FIRST_YEAR, "observed/passengers", keys, "context", "carrier", value)
    )
    for year in (2018, 2019, 2020, 2021, 2022, 2023, 2024):
        keys = {"series": "airport_passengers", "period": str(year)}
        used_for = "validation" if year < NORMAL_YEAR else "calibration"
        value = _year(outcome.passengers["air"], year)
        name = "departing passengers of all airports"
        found.append(Anchor(name, "air", year, "observed/airports", keys, used_for, "origin", value, departing_share))
    keys = {"series": "inter_regional_share", "period": "2024SF40", "item": "self_driven"}
    own = _year(outcome.passengers["private_car"], 2024)
    percent = 100.0 * own / (own + _sum(outcome.passengers, (*_SURFACE, "air"), 2024))
    name = "self-driven share of inter-regional trips (40 days of Spring)"
    found.append(Anchor(name, "road", 2024, "observed/passengers", keys, "validation", "territory", percent))
    return found
