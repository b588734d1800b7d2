"""Trucks that stop at the energy stations of a corridor: visits by station and hour of the week from the flows on links, and single visits.

The energy of the visits is a share of what the trucks use on the links that a station serves, so nothing is added to the energy of the trucks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.errors import ChargingError
from fleets.tables import as_frame, number_column

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

ENERGIES: tuple[str, ...] = ("plug", "swap", "lng", "hydrogen")
HOURS = 168
_MIN_PER_H = 60.0
_SUM = 1e-9


def corridor_arrivals(
    link_flows: Any,
    stations: Any,
    *,
    hourly_share: ArrayLike,
    en_route_share: Mapping[str, float],
    need: Mapping[str, float],
    day_factor: ArrayLike = (1.0,) * 7,
    days_per_year: float = 365.0,
    served: Any = None,
) -> pl.DataFrame:
    """Return the expected visits of trucks by station and hour of the week.

    Parameters
    ----------
    link_flows
        Table with link_id, energy (plug, swap, lng, hydrogen), vehicles_per_year [veh/yr], length_km, use_per_km [kWh/km or kg/km]; several rows
        of a link and energy (vehicle classes) add up.
    stations
        Table with station, energy and link_id.
    hourly_share
        Share of the day's visits by hour of the day, array ``(24,)``; scaled to a sum of 1.
    en_route_share
        Share of the energy of a truck that it takes along the corridor and not at its depot, by energy [-].
    need
        Mean energy of a visit by energy [kWh/visit or kg/visit].
    day_factor
        Visits of each day of the week, Monday first, over those of the mean day of the year, array ``(7,)``; energy use of a season is a part of it.
    days_per_year
        Mean days in a year: the year's flow is spread over so many.
    served
        Table with link_id, energy, station and share: which part of a link's trucks takes energy at which station. By default those of the
        links that a station lies on, in equal parts where several do.

    Returns
    -------
    table
        Columns station, energy, hour (0-167), vehicles_per_h, need; one row per station, energy and hour, sorted.

    Raises
    ------
    ChargingError
        If a column is missing, a value is out of range, an energy has no share or need, or a link is served more than once over.

    Notes
    -----
    visits/h = sum over links of veh/yr x length x use x share served x en-route share / need / days per year x day factor x hourly share.

    Examples
    --------
    >>> flows = {"link_id": ["a"], "energy": ["plug"], "vehicles_per_year": [36500.0], "length_km": [100.0], "use_per_km": [1.5]}
    >>> site = {"station": ["s"], "energy": ["plug"], "link_id": ["a"]}
    >>> table = corridor_arrivals(flows, site, hourly_share=[1] * 24, en_route_share={"plug": 0.2}, need={"plug": 150.0})
    >>> round(table["vehicles_per_h"].sum(), 6)  # 100 trucks a day take 30 of their 150 kWh each, at 150 kWh a visit, on 7 days
    140.0
    """
    sites = _texts(as_frame(stations, "stations", ChargingError), "stations", ("station", "energy", "link_id"))
    if sites.select("station", "energy").is_duplicated().any():
        twice = sites.filter(sites.select("station", "energy").is_duplicated()).row(0)
        msg = f"station {twice[0]} has energy {twice[1]} twice; add the places up in one row"
        raise ChargingError(msg)
    known = set(sites["energy"].unique().to_list())
    for name in sorted(known):
        if name not in ENERGIES:
            msg = f"energy {name!r} is not known; there are {', '.join(ENERGIES)}"
            raise ChargingError(msg)
        share = en_route_share.get(name, -1.0)
        if not 0.0 <= share <= 1.0:
            msg = f"en_route_share of {name} is {en_route_share.get(name)}; it must be a share from 0 to 1"
            raise ChargingError(msg)
        if not need.get(name, 0.0) > 0.0:
            msg = f"need of {name} is {need.get(name)}; the energy of a visit must be positive"
            raise ChargingError(msg)
    week = _week(hourly_share, day_factor)
    if not days_per_year > 0.0:
        msg = f"days_per_year={days_per_year} must be positive"
        raise ChargingError(msg)
    energy = station_energy(link_flows, sites, served=served)
    joined = sites.select("station", "energy").join(energy, on=["station", "energy"], how="left", maintain_order="left")
    rows = []
    for station, kind, used in joined.sort("station", "energy").iter_rows():
        per_day = (used or 0.0) * en_route_share[kind] / need[kind] / days_per_year
        rows.append(
            pl.DataFrame(
                {
                    "station": [station] * HOURS,
                    "energy": [kind] * HOURS,
                    "hour": np.arange(HOURS),
                    "vehicles_per_h": per_day * week,
                    "need": [float(need[kind])] * HOURS,
                }
            )
        )
    return pl.concat(rows) if rows else pl.DataFrame(schema=_ARRIVALS)


_ARRIVALS: dict[str, Any] = {
    "station": pl.String,
    "energy": pl.String,
    "hour": pl.Int64,
    "vehicles_per_h": pl.Float64,
    "need": pl.Float64,
}


def station_energy(link_flows: Any, stations: Any, *, served: Any = None) -> pl.DataFrame:
    """Return the energy that trucks use on the links a station serves.

    Parameters
    ----------
    link_flows, stations, served
        As in :func:`corridor_arrivals`.

    Returns
    -------
    table
        Columns station, energy, used [kWh/yr or kg/yr].

    Raises
    ------
    ChargingError
        If a column is missing, a value is out of range or a link is served more than once over.
    """
    flows = _texts(as_frame(link_flows, "link_flows", ChargingError), "link_flows", ("link_id", "energy"))
    used = np.ones(flows.height)
    for column in ("vehicles_per_year", "length_km", "use_per_km"):
        used = used * number_column(flows, column, ChargingError, at_least=0.0)
    if served is None:
        sites = _texts(as_frame(stations, "stations", ChargingError), "stations", ("link_id", "energy", "station"))
        parts = sites.select("link_id", "energy", "station").with_columns(
            (1.0 / pl.len().over("link_id", "energy")).alias("share")
        )
    else:
        parts = _texts(as_frame(served, "served", ChargingError), "served", ("link_id", "energy", "station"))
        share = number_column(parts, "share", ChargingError, at_least=0.0)
        parts = parts.with_columns(pl.Series("share", share, dtype=pl.Float64))
        over = parts.group_by("link_id", "energy").agg(pl.col("share").sum()).filter(pl.col("share") > 1.0 + _SUM)
        if over.height:
            link, kind, total = over.sort("link_id", "energy").row(0)
            msg = f"link {link} is served {total:g} times over with {kind}; the shares of its stations must not exceed 1 together"
            raise ChargingError(msg)
    on_links = flows.select("link_id", "energy").with_columns(pl.Series("used", used, dtype=pl.Float64))
    taken = parts.join(on_links, on=["link_id", "energy"], how="inner", maintain_order="left_right")
    return (
        taken.group_by("station", "energy", maintain_order=True)
        .agg((pl.col("used") * pl.col("share")).sum().alias("used"))
        .sort("station", "energy")
    )


def _week(hourly_share: ArrayLike, day_factor: ArrayLike) -> NDArray[np.float64]:
    """Return the visits of each hour of the week over those of the mean day."""
    hours, days = np.asarray(hourly_share, dtype=np.float64), np.asarray(day_factor, dtype=np.float64)
    for name, values, size in (("hourly_share", hours, 24), ("day_factor", days, 7)):
        if values.shape != (size,) or not (values >= 0.0).all() or not values.sum() < np.inf:
            msg = f"{name} must hold {size} numbers of at least 0, got shape {values.shape} with {values.tolist()}"
            raise ChargingError(msg)
    if not hours.sum() > 0.0:
        msg = "hourly_share must not be 0 in every hour"
        raise ChargingError(msg)
    return np.asarray((days[:, None] * (hours / hours.sum())).reshape(-1))


def _texts(frame: pl.DataFrame, name: str, columns: tuple[str, ...]) -> pl.DataFrame:
    for column in columns:
        if column not in frame.columns and frame.width:
            msg = f"{name} has no column {column}; there are {', '.join(frame.columns)}"
            raise ChargingError(msg)
    if not frame.width:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    # a table without rows does not know that its names are texts
    return frame.with_columns(pl.col(*columns).cast(pl.String))


def draw_times(
    rate_per_h: NDArray[np.float64], rng: np.random.Generator, *, start_min: float, end_min: float
) -> NDArray[np.float64]:
    """Return the times of a Poisson process whose rate repeats every week [min], array ``(visit,)``, sorted.

    Parameters
    ----------
    rate_per_h
        Rate by hour of the week from Monday 00:00, array ``(168,)`` [1/h].
    rng
        Generator of this purpose.
    start_min, end_min
        Span, from Monday 00:00 of the counted week [min].

    Notes
    -----
    Times of a process of rate 1 are put through the inverse of the cumulative rate: exact for a rate that is constant within an hour.
    """
    first, last = int(np.floor(start_min / _MIN_PER_H)), int(np.ceil(end_min / _MIN_PER_H))
    edges = np.clip(np.arange(first, last + 1) * _MIN_PER_H, start_min, end_min)
    expected = rate_per_h[np.arange(first, last) % HOURS] * np.diff(edges) / _MIN_PER_H
    upto = np.concatenate([[0.0], np.cumsum(expected)])
    number = int(rng.poisson(upto[-1]))
    return np.asarray(np.interp(np.sort(rng.random(number)) * upto[-1], upto, edges), dtype=np.float64)


def draw_sizes(mean: NDArray[np.float64], cv: float, most: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return random sizes with a mean and a coefficient of variation, array ``(visit,)``.

    Parameters
    ----------
    mean
        Mean of each, array ``(visit,)``.
    cv
        Coefficient of variation; 0 = the mean itself.
    most
        Largest size: a beta distribution on 0 to it; infinite: a gamma distribution (cv 1 is exponential).
    rng
        Generator of this purpose.

    Raises
    ------
    ChargingError
        If a mean exceeds the largest size or no distribution between 0 and it has so wide a spread.
    """
    if not cv > 0.0 or not mean.size:
        if mean.size and float(mean.max()) > most * (1.0 + _SUM):
            msg = f"a visit takes {float(mean.max()):g} on average but at most {most:g}; lower the mean or raise the limit"
            raise ChargingError(msg)
        return mean.copy()
    if most == np.inf:
        return np.asarray(rng.gamma(1.0 / cv**2, mean * cv**2))
    share = mean / most
    total = (1.0 - share) / (share * cv**2) - 1.0
    if not (total > 0.0).all():
        at = int(np.argmin(total))
        widest = float(np.sqrt(max(0.0, 1.0 / share[at] - 1.0)))
        msg = (
            f"visits of {mean[at]:g} on average and at most {most:g} cannot spread by need_cv={cv:g}; take one below {widest:.3g}"
        )
        raise ChargingError(msg)
    return np.asarray(most * rng.beta(share * total, (1.0 - share) * total))
