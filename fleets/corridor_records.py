"""What the visits of truck stations amount to: indicators of a week, and queue, waits and load by station and hour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.corridor_arrivals import HOURS
from fleets.records import WEEK_MIN, quantile, ratio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fleets.fill_line import Visit

_MIN_PER_H = 60.0
_KG_PER_T = 1000.0
_HAIR = 1e-9
_FUELS = ("lng", "hydrogen")
_VISITS: dict[str, Any] = {
    "station": pl.String,
    "energy": pl.String,
    "visit": pl.Int64,
    "arrive_min": pl.Float64,
    "start_min": pl.Float64,
    "end_min": pl.Float64,
    "need": pl.Float64,
    "taken": pl.Float64,
    "state": pl.String,
}


def visit_frame(station: str, energy: str, visits: Sequence[Visit]) -> pl.DataFrame:
    """Return visits as a table, with the wait of who was served [min].

    Parameters
    ----------
    station, energy
        Where they came.
    visits
        Of one run.
    """
    rows = [(station, energy, v.number, v.arrive_min, v.start_min, v.end_min, v.need, v.taken, v.state) for v in visits]
    frame = pl.DataFrame(rows, schema=_VISITS, orient="row")
    return frame.with_columns((pl.col("start_min") - pl.col("arrive_min")).alias("wait_min"))


def _waited(visits: pl.DataFrame) -> NDArray[np.float64]:
    """Return how long each waited [min]; who left counts until then, who still waits until the end of the week."""
    until = pl.coalesce("start_min", "end_min", pl.lit(float(WEEK_MIN)))
    return visits.select((until - pl.col("arrive_min")).alias("w"))["w"].to_numpy().astype(np.float64)


def _presence(begin: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean number present in each hour of the week, array ``(168,)``."""
    edges = np.arange(HOURS + 1) * _MIN_PER_H
    # time spent before an edge = sum of what began before it less what ended before it: sorted sums instead of visits x hours
    upto = np.zeros(HOURS + 1)
    for times, sign in ((np.sort(begin), 1.0), (np.sort(end), -1.0)):
        sums = np.concatenate([[0.0], np.cumsum(times)])
        before = np.searchsorted(times, edges)
        upto += sign * (before * edges - sums[before])
    present = np.diff(upto) / _MIN_PER_H
    # the sums leave a hair of rounding where nobody is
    return np.asarray(np.where(present > _HAIR, present, 0.0))


def queue_by_hour(visits: pl.DataFrame) -> NDArray[np.float64]:
    """Return the mean queue by hour of the week, array ``(168,)`` [veh].

    Parameters
    ----------
    visits
        As :func:`visit_frame` makes them.
    """
    begin = visits["arrive_min"].to_numpy()
    return _presence(begin, begin + _waited(visits))


def busy_by_hour(visits: pl.DataFrame) -> NDArray[np.float64]:
    """Return the mean number of places taken by hour of the week, array ``(168,)``.

    Parameters
    ----------
    visits
        As :func:`visit_frame` makes them.
    """
    begun = visits.filter(pl.col("start_min").is_not_null())
    return _presence(begun["start_min"].to_numpy(), begun["end_min"].fill_null(float(WEEK_MIN)).to_numpy())


def station_metrics(
    visits: pl.DataFrame,
    load_kw: NDArray[np.float64],
    *,
    step_min: int,
    efficiency: float,
    places: Mapping[str, int],
    capacity: Mapping[str, float],
) -> dict[str, tuple[float, str]]:
    """Return value and unit of the indicators of one replication, of the visits that arrived in the week.

    Parameters
    ----------
    visits
        Visits of all stations.
    load_kw
        Grid load by step of the week [kW].
    step_min
        Length of a step [min].
    efficiency
        Stored energy / grid energy.
    places
        Energy -> places of all stations; the energies that are reported.
    capacity
        Energy -> visits an hour that the stations can serve for good.

    Notes
    -----
    Served are visits that began in the week: neither who gave up nor who still waits when it ends.
    """
    week = visits.filter(pl.col("arrive_min") >= 0.0)
    waited = _waited(week)
    grid = float(load_kw.sum()) * step_min / _MIN_PER_H
    lost, waiting = (week.filter(pl.col("state") == state).height for state in ("left", "waiting"))
    metrics = {
        "visits": (float(week.height), "event"),
        "lost": (float(lost), "event"),
        "visits_served_share": (1.0 - ratio(float(lost + waiting), week.height), "dimensionless"),
        "wait_mean_min": (float(waited.mean()) if waited.size else 0.0, "min"),
        "wait_p50_min": (quantile(waited, 0.5), "min"),
        "wait_p95_min": (quantile(waited, 0.95), "min"),
        "grid_kwh": (grid, "kWh"),
        "loss_share": (1.0 - efficiency if grid > 0.0 else 0.0, "dimensionless"),
        "peak_kw": (float(load_kw.max(initial=0.0)), "kW"),
        "waiting_at_end": (float(waiting), "veh"),
    }
    for energy, number in places.items():
        mine = visits.filter(pl.col("energy") == energy)
        inside = mine.filter(pl.col("arrive_min") >= 0.0)
        waits, queue = _waited(inside), queue_by_hour(mine)
        left = inside.filter(pl.col("state") == "left")
        missing = float(left.height + inside.filter(pl.col("state") == "waiting").height)
        taken, missed = float(inside["taken"].sum()), float(left["need"].sum())
        fuel = energy in _FUELS
        scale, unit = (_KG_PER_T, "t") if fuel else (1.0, "kWh")
        metrics |= {
            f"{energy}_visits": (float(inside.height), "event"),
            f"{energy}_lost": (float(left.height), "event"),
            f"{energy}_served_share": (1.0 - ratio(missing, inside.height), "dimensionless"),
            f"{energy}_wait_mean_min": (float(waits.mean()) if waits.size else 0.0, "min"),
            f"{energy}_wait_p50_min": (quantile(waits, 0.5), "min"),
            f"{energy}_wait_p95_min": (quantile(waits, 0.95), "min"),
            f"{energy}_queue_mean": (float(queue.mean()), "veh"),
            f"{energy}_queue_peak_hour": (float(queue.max()), "veh"),
            f"{energy}_utilisation": (ratio(float(busy_by_hour(mine).mean()), number), "dimensionless"),
            f"{energy}_capacity_per_h": (capacity[energy], "event/h"),
            f"{energy}_unserved_{'t' if fuel else 'kwh'}": (missed / scale, unit),
            f"{energy}_{'fuel_t' if fuel else 'stored_kwh'}": (taken / scale, unit),
        }
    return metrics


def hour_table(
    visits: pl.DataFrame,
    load_kw: Mapping[tuple[str, str], NDArray[np.float64]],
    places: Mapping[tuple[str, str], int],
    capacity: Mapping[tuple[str, str], float],
    *,
    replications: int,
) -> pl.DataFrame:
    """Return the week of every station and energy by hour, mean over the replications.

    Parameters
    ----------
    visits
        Visits of all replications.
    load_kw
        Mean grid load by hour of (station, energy), arrays ``(168,)`` [kW].
    places, capacity
        Places and visits an hour that can be served for good, of (station, energy).
    replications
        Number of replications.

    Returns
    -------
    table
        Columns station, energy, hour, arrivals, served, queue_mean, wait_mean_min, wait_p50_min, wait_p95_min, lost, utilisation, kw, fuel_t,
        capacity_per_h. Arrivals, those of them that were served or lost, waits and fuel stand at the hour of arrival; queue, utilisation and kw
        at the hour itself. Waits of an hour without arrivals are missing.
    """
    waited = visits.with_columns(
        pl.Series("_waited", _waited(visits), dtype=pl.Float64), (pl.col("arrive_min") / _MIN_PER_H).floor().alias("hour")
    )
    arrived = (
        waited.filter((pl.col("hour") >= 0) & (pl.col("hour") < HOURS))
        .with_columns(pl.col("hour").cast(pl.Int64))
        .group_by("station", "energy", "hour")
        .agg(
            (pl.len() / replications).alias("arrivals"),
            (pl.col("state").is_in(["served", "serving"]).sum() / replications).alias("served"),
            pl.col("_waited").mean().alias("wait_mean_min"),
            pl.col("_waited").quantile(0.5, "linear").alias("wait_p50_min"),
            pl.col("_waited").quantile(0.95, "linear").alias("wait_p95_min"),
            ((pl.col("state") == "left").sum() / replications).alias("lost"),
            (pl.col("taken").sum() / replications / _KG_PER_T).alias("_taken_t"),
        )
    )
    frames = []
    for key in sorted(places):
        mine = visits.filter((pl.col("station") == key[0]) & (pl.col("energy") == key[1]))
        frames.append(
            pl.DataFrame(
                {
                    "station": [key[0]] * HOURS,
                    "energy": [key[1]] * HOURS,
                    "hour": np.arange(HOURS),
                    "queue_mean": queue_by_hour(mine) / replications,
                    "utilisation": busy_by_hour(mine) / replications / max(places[key], 1),
                    "kw": load_kw[key],
                    "capacity_per_h": [float(capacity[key])] * HOURS,
                }
            )
        )
    table = pl.concat(frames).join(arrived, on=["station", "energy", "hour"], how="left", maintain_order="left")
    fuel = pl.when(pl.col("energy").is_in(list(_FUELS))).then(pl.col("_taken_t")).otherwise(0.0).fill_null(0.0).alias("fuel_t")
    return table.with_columns(pl.col("arrivals", "served", "lost").fill_null(0.0), fuel).select(
        "station",
        "energy",
        "hour",
        "arrivals",
        "served",
        "queue_mean",
        "wait_mean_min",
        "wait_p50_min",
        "wait_p95_min",
        "lost",
        "utilisation",
        "kw",
        "fuel_t",
        "capacity_per_h",
    )
