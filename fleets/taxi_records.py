"""Indicators of a taxi week from its flat records, its conservation checks, and the table of its stations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.errors import ChargingError
from fleets.records import (
    DAY_MIN,
    SESSION_SCHEMA,
    RunRecords,
    check_rows,
    energy_checks,
    event_count,
    load_curve,
    quantile,
    ratio,
    waits,
)
from fleets.swap import done_visits
from fleets.taxi_city import columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from fleets.records import FleetResult
    from fleets.station import Plugs
    from fleets.swap import SwapSite, SwapStation
    from fleets.taxi_city import City, PlugSite

_STATION_SCHEMA: dict[str, Any] = {
    "station": pl.String,
    "kind": pl.String,
    "plugs_or_bays": pl.Int64,
    "sessions": pl.Float64,
    "utilisation": pl.Float64,
    "wait_mean_min": pl.Float64,
    "wait_p95_min": pl.Float64,
    "stock_outs": pl.Float64,
    "grid_kwh": pl.Float64,
}
#: A stretch of driving between two charges, done or not, and the drive to a station.
_SERVICE, _DEAD = ("driven", "open"), ("to_station", "towed")
_MIN_PER_H = 60.0
#: Numbers of a visit that is over, of :mod:`fleets.swap`; the last two are worked out for plugs.
_DONE_NUMBERS = 8
#: Stretches whose load is computed at once.
_STRETCHES = 20_000


@dataclass(frozen=True, slots=True)
class Curves:
    """Distance that a taxi is planned to have driven, by time.

    Attributes
    ----------
    minutes
        Hour edges [min].
    km
        Distance until then with two shifts and with one [km].
    """

    minutes: list[float]
    km: tuple[list[float], list[float]]


def weekly_distance(
    hourly_share: ArrayLike, day_factor: ArrayLike, *, first_day: int = -1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the cumulative activity of a taxi with one unit of distance a day.

    Parameters
    ----------
    hourly_share
        Activity by hour of the day, any scale, array ``(24,)``.
    day_factor
        Activity of each day relative to a mean day, from ``first_day`` on.
    first_day
        Day of the first factor; -1 is the Sunday before the week.

    Returns
    -------
    minutes, distance
        Hour edges [min] and the distance driven until then [days of driving].
    """
    share = np.asarray(hourly_share, dtype=np.float64)
    factor = np.asarray(day_factor, dtype=np.float64)
    if share.shape != (24,) or not share.sum() > 0:
        msg = f"hourly_share needs 24 values with a positive sum, got shape {share.shape}"
        raise ChargingError(msg)
    hourly = (factor[:, None] * share / share.sum()).ravel()
    edges = first_day * DAY_MIN + 60.0 * np.arange(hourly.size + 1)
    return edges, np.concatenate([[0.0], np.cumsum(hourly)])


def driving_curves(
    km_per_day: tuple[float, float],
    hourly_share: ArrayLike,
    single_shift_hours: tuple[int, int],
    day_factor: Sequence[float],
    first_day: int,
) -> Curves:
    """Return the planned distance of taxis with two shifts and with one.

    Parameters
    ----------
    km_per_day
        Distance of a day in double and in single shift [km].
    hourly_share
        Activity by hour of the day, array ``(24,)``.
    single_shift_hours
        First and last hour of single-shift taxis.
    day_factor
        Activity of each day relative to a mean day.
    first_day
        Day of the first factor.
    """
    share = np.asarray(hourly_share, dtype=np.float64)
    edges, double = weekly_distance(share, day_factor, first_day=first_day)
    hours = np.arange(24)
    begin, last = single_shift_hours
    _, single = weekly_distance(np.where((hours >= begin) & (hours < last), share, 0.0), day_factor, first_day=first_day)
    return Curves(edges.tolist(), ((double * km_per_day[0]).tolist(), (single * km_per_day[1]).tolist()))


def run_records(
    city: City,
    curves: Curves,
    *,
    pending_kwh: float,
    warmup_min: int,
    horizon_min: int,
    step_min: int,
    more: Mapping[str, tuple[float, str]] | None = None,
    checks: Mapping[str, tuple[float, float]] | None = None,
) -> RunRecords:
    """Return one replication as records: the city is closed, balanced and counted.

    Parameters
    ----------
    city
        Taxis and stations at the end of the run.
    curves
        Planned distance.
    pending_kwh
        Energy of recorded stretches that has not left the batteries yet [kWh].
    warmup_min, horizon_min, step_min
        As in :func:`fleets.depot.simulate_depot`.
    more, checks
        Further metrics (value, unit) and checks (value, limit).
    """
    city.close()
    sites: list[PlugSite | SwapSite] = [*city.plug_sites, *city.swap_sites]
    visits = _visits(city)
    curve = _load(sites, -warmup_min, horizon_min, step_min)
    blocks = city.blocks()
    stored = float(visits["stored_kwh"].sum())
    grid = float(visits["grid_kwh"].sum())
    # what lies in the stores is booked with the visits and not yet bought
    late = sum(s.missing_kwh() / s.station.efficiency for s in city.swap_sites)
    efficiency = {s.name: s.plugs.efficiency for s in city.plug_sites} | {s.name: s.station.efficiency for s in city.swap_sites}
    by_site = visits.group_by("site").agg(pl.col("grid_kwh").sum()).sort("site")
    losses = sum(kwh * (1.0 - efficiency[name]) for name, kwh in by_site.iter_rows())
    capacity = city.taxis.battery.capacity_kwh
    tests = energy_checks(
        grid_kwh=grid,
        stored_kwh=stored,
        losses_kwh=losses,
        curve_kwh=float(curve.sum()) * step_min / _MIN_PER_H + late,
        battery_change_kwh=(sum(city.soc) - sum(city.start_soc)) * capacity,
        driven_kwh=float(blocks["kwh"].sum()) - pending_kwh,
    )
    dead = blocks.filter(pl.col("state").is_in(_DEAD))
    present = visits.filter(pl.col("state").is_in(["charging", "waiting", "swapping"])).height
    tests["taxis_at_stations_minus_open_visits"] = (float(city.place.count("station") - present), 0.0)
    tests["arrivals_minus_visits"] = (float(dead.height - city.place.count("way") - visits.height), 0.0)
    tests["lowest_soc_below_zero"] = (min(0.0, *city.soc), 1e-9)
    tests["packs_lost"] = (float(sum(s.packs() - s.station.batteries for s in city.swap_sites)), 0.0)
    counted = curve[round(warmup_min / step_min) :]
    found = _metrics(city, curves, blocks, visits, counted, horizon_min, step_min)
    found["loss_share"] = (ratio(losses, grid), "dimensionless")
    return RunRecords(
        found | dict(more or {}), visits, blocks, counted, check_rows(tests | dict(checks or {})), event_count(city.env)
    )


def _load(sites: Sequence[PlugSite | SwapSite], start_min: int, end_min: int, step_min: int) -> NDArray[np.float64]:
    """Return the load of all sites, some stretches at a time: each takes a row per step, which is much for a large city."""
    stretches = np.concatenate([s.segments() for s in sites])
    parts = np.array_split(stretches, max(1, len(stretches) // _STRETCHES))
    loads = [load_curve(p, start_min=start_min, end_min=end_min, step_min=step_min) for p in parts]
    return np.asarray(np.sum(loads, axis=0))


def _visits(city: City) -> pl.DataFrame:
    """Return the visits to all stations, sorted, with the wait and whether they found no charged pack."""
    visits = [x for s in city.plug_sites for x in s.sessions]
    outs = [False] * len(visits) + [x for s in city.swap_sites for x in s.stock_outs]
    visits += [x for s in city.swap_sites for x in s.visits]
    rest = columns(visits, SESSION_SCHEMA).with_columns(pl.Series("stock_out", outs, dtype=pl.Boolean))
    capacity = city.taxis.battery.capacity_kwh
    plugs, swaps = [s.done_visits() for s in city.plug_sites], [done_visits(s) for s in city.swap_sites]
    charged = [np.column_stack([x, (x[:, 5] - x[:, 4]) * capacity, np.zeros(len(x))]) for x in plugs]
    done = np.concatenate([np.empty((0, _DONE_NUMBERS)), *charged, *swaps])
    sites = [(s.name, s.plugs.efficiency, "charged") for s in city.plug_sites]
    sites += [(s.name, s.station.efficiency, "swapped") for s in city.swap_sites]
    at = np.repeat(np.arange(len(sites)), [len(x) for x in [*plugs, *swaps]])
    efficiency = np.array([e for _, e, _ in sites])
    over = {
        "site": pl.Series([name for name, _, _ in sites], dtype=pl.String).gather(at),
        **{name: done[:, i] for i, name in enumerate(list(SESSION_SCHEMA)[1:8])},
        "grid_kwh": done[:, 6] / efficiency[at],
        "state": pl.Series([state for _, _, state in sites], dtype=pl.String).gather(at),
    }
    frame = pl.DataFrame(over).cast(pl.Schema(SESSION_SCHEMA)).with_columns(pl.Series("stock_out", done[:, 7] > 0.0))
    wait = (pl.col("start_min") - pl.col("arrive_min")).alias("wait_min")
    frame = pl.concat([frame, rest]).select(*SESSION_SCHEMA, wait, "stock_out")
    return frame.sort("site", "arrive_min", "vehicle")


def _inside(blocks: pl.DataFrame, city: City, curves: Curves, horizon_min: int) -> tuple[float, float, float, float, float]:
    """Return km and kWh of service, km and kWh and minutes to stations within the week.

    A stretch that straddles the begin or the end of the week counts by the share of its planned distance inside.
    """
    found = blocks.filter((pl.col("end_min") > 0) & (pl.col("start_min") < horizon_min))
    service = found.filter(pl.col("state").is_in(_SERVICE))
    begin, end = service["start_min"].to_numpy(), service["end_min"].to_numpy()
    first, last = np.maximum(begin, 0.0), np.minimum(end, horizon_min)
    part = (last - first) / np.maximum(end - begin, 1e-9)
    shift = city.shift[service["taxi"].to_numpy()]
    for kind, km in enumerate(curves.km):
        own = shift == kind
        at = [np.interp(x[own], curves.minutes, km) for x in (begin, first, last, end)]
        whole = at[3] - at[0]
        part[own] = np.where(whole > 1e-9, (at[2] - at[1]) / np.maximum(whole, 1e-9), part[own])
    dead = found.filter(pl.col("state").is_in(_DEAD))
    begin, end = dead["start_min"].to_numpy(), dead["end_min"].to_numpy()
    span = np.minimum(end, horizon_min) - np.maximum(begin, 0.0)
    share = span / np.maximum(end - begin, 1e-9)
    sums = [float((frame[c].to_numpy() * p).sum()) for frame, p in ((service, part), (dead, share)) for c in ("km", "kwh")]
    return sums[0], sums[1], sums[2], sums[3], float(span.sum())


def _metrics(
    city: City,
    curves: Curves,
    blocks: pl.DataFrame,
    visits: pl.DataFrame,
    load_kw: NDArray[np.float64],
    horizon_min: int,
    step_min: int,
) -> dict[str, tuple[float, str]]:
    count, days = city.taxis.count, horizon_min / DAY_MIN
    km, kwh, dead_km, dead_kwh, detour_min = _inside(blocks, city, curves, horizon_min)
    wanted = sum(
        float(np.interp(horizon_min, curves.minutes, c) - np.interp(0.0, curves.minutes, c)) * int((city.shift == kind).sum())
        for kind, c in enumerate(curves.km)
    )
    arrived = visits.filter((pl.col("arrive_min") >= 0) & (pl.col("arrive_min") < horizon_min))
    swapped = arrived.filter(pl.col("site").str.starts_with("swap"))
    waited = waits(visits, start_min=0.0, end_min=float(horizon_min))
    waited_plug = waits(visits.filter(~_SWAP_SITE), start_min=0.0, end_min=float(horizon_min))
    waited_swap = waits(visits.filter(_SWAP_SITE), start_min=0.0, end_min=float(horizon_min))
    hours = _MIN_PER_H * count * days
    # hours of the week itself, of whoever came before it too: with too few plugs the same taxis wait all week
    leave = pl.col("end_min").fill_null(horizon_min)
    at_station, queue = (
        float(
            visits.select((end.clip(upper_bound=horizon_min) - pl.col("arrive_min").clip(lower_bound=0.0)).clip(0.0).sum()).item()
        )
        / hours
        for end in (leave, pl.coalesce("start_min", leave))
    )
    detour = detour_min / hours
    busy = _busy(visits, horizon_min)
    plugs = sum(s.plugs.count for s in city.plug_sites)
    bays = sum(s.station.bays for s in city.swap_sites)
    on_plugs, in_bays = (float(busy.filter(keep)["busy"].sum()) for keep in (~_SWAP_SITE, _SWAP_SITE))
    outs = float(swapped["stock_out"].sum())
    per_day = "h/veh/d"
    towed = blocks.filter((pl.col("state") == "towed") & (pl.col("start_min") >= 0)).height
    return {
        "km": (km, "km"),
        "dead_km": (dead_km, "km"),
        "dead_km_share": (ratio(dead_km, km + dead_km), "dimensionless"),
        "lost_km_share": (1.0 - ratio(km, wanted), "dimensionless"),
        "charges_per_day": (arrived.height / count / days, "event/veh/d"),
        "wait_mean_min": (float(waited.mean()) if waited.size else 0.0, "min"),
        "wait_p50_min": (quantile(waited, 0.5), "min"),
        "wait_p95_min": (quantile(waited, 0.95), "min"),
        "plug_wait_mean_min": (float(waited_plug.mean()) if waited_plug.size else 0.0, "min"),
        "plug_wait_p95_min": (quantile(waited_plug, 0.95), "min"),
        "swap_wait_mean_min": (float(waited_swap.mean()) if waited_swap.size else 0.0, "min"),
        "swap_wait_p95_min": (quantile(waited_swap, 0.95), "min"),
        "hours_at_stations_per_day": (at_station, per_day),
        "detour_hours_per_day": (detour, per_day),
        "queue_hours_per_day": (queue, per_day),
        "charging_hours_per_day": (at_station - queue, per_day),
        "lost_hours_per_day": (at_station + detour, per_day),
        "swap_share_of_charges": (ratio(swapped.height, arrived.height), "dimensionless"),
        "stock_outs": (outs, "event"),
        "stock_out_share": (ratio(outs, swapped.height), "dimensionless"),
        "grid_kwh": (float(load_kw.sum()) * step_min / _MIN_PER_H, "kWh"),
        "energy_kwh_per_km": (ratio(kwh + dead_kwh, km + dead_km), "kWh/km"),
        "peak_kw": (float(load_kw.max(initial=0.0)), "kW"),
        "plug_utilisation": (ratio(on_plugs, plugs * horizon_min), "dimensionless"),
        "bay_utilisation": (ratio(in_bays, bays * horizon_min), "dimensionless"),
        "towed": (float(towed), "event"),
        "waiting_at_end": (float(visits.filter(pl.col("state") == "waiting").height), "veh"),
    }


_SWAP_SITE = pl.col("site").str.starts_with("swap")


def _busy(visits: pl.DataFrame, horizon_min: float, *keys: str) -> pl.DataFrame:
    """Return the minutes of the week at plugs and in bays by site (and more keys)."""
    begin = pl.max_horizontal("start_min", pl.lit(0.0))
    minutes = (pl.col("end_min").fill_null(horizon_min).clip(upper_bound=horizon_min) - begin).clip(0.0).sum()
    return visits.filter(pl.col("start_min").is_not_null()).group_by(*keys, "site").agg(minutes.alias("busy")).sort(*keys, "site")


def station_table(
    result: FleetResult,
    stations: Sequence[Plugs],
    swap_stations: Sequence[SwapStation] = (),
    *,
    horizon_min: float = 7.0 * DAY_MIN,
) -> pl.DataFrame:
    """Return one row per station: means over the replications of the visits that arrived in the week.

    Parameters
    ----------
    result
        Result of :func:`fleets.taxis.simulate_taxis` or :func:`fleets.rides.simulate_rides`.
    stations, swap_stations
        The stations of the run.
    horizon_min
        End of the week [min].

    Returns
    -------
    table
        Columns station, kind (plug, swap), plugs_or_bays, sessions, utilisation, wait_mean_min, wait_p95_min, stock_outs, grid_kwh (of the visits; that
        of a swap is what its pack takes). Waits of all visits of all replications together.
    """
    runs = result.load_kw.shape[0]
    names = [(f"station_{i}", "plug", s.count) for i, s in enumerate(stations)]
    names += [(f"swap_{i}", "swap", s.bays) for i, s in enumerate(swap_stations)]
    frame = pl.DataFrame(names, schema={"station": pl.String, "kind": pl.String, "plugs_or_bays": pl.Int64}, orient="row")
    arrived = result.sessions.filter((pl.col("arrive_min") >= 0) & (pl.col("arrive_min") < horizon_min))
    wait = pl.coalesce("wait_min", horizon_min - pl.col("arrive_min"))
    by_site = arrived.group_by("site").agg(
        (pl.len() / runs).alias("sessions"),
        (pl.col("stock_out").sum() / runs).alias("stock_outs"),
        (pl.col("grid_kwh").sum() / runs).alias("grid_kwh"),
    )
    # who came before the week and waits through all of it counts, as in the waits of the city
    through = (pl.col("arrive_min") < 0) & (pl.col("state") == "waiting")
    queue = result.sessions.filter(((pl.col("arrive_min") >= 0) & (pl.col("arrive_min") < horizon_min)) | through)
    waited = queue.group_by("site").agg(
        wait.mean().alias("wait_mean_min"), wait.quantile(0.95, interpolation="linear").alias("wait_p95_min")
    )
    by_site = waited.join(by_site, on="site", how="left")
    table = frame.join(by_site, left_on="station", right_on="site", how="left", maintain_order="left")
    table = table.join(_busy(result.sessions, horizon_min), left_on="station", right_on="site", how="left", maintain_order="left")
    # a station without plugs is never in use
    share = pl.when(pl.col("plugs_or_bays") > 0).then(pl.col("busy") / (pl.col("plugs_or_bays") * horizon_min * runs))
    return table.with_columns(share.alias("utilisation")).select(
        *("station", "kind", "plugs_or_bays"), *(pl.col(c).cast(pl.Float64).fill_null(0.0) for c in list(_STATION_SCHEMA)[3:])
    )
