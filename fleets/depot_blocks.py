"""Vehicle blocks of a bus depot: from an hourly service profile, and how many vehicles they need at least."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.errors import BlockError
from fleets.records import DAY_MIN
from fleets.tables import as_frame, number_column

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

#: Rounding of the clock [min].
_ON_TIME_MIN = 1e-6


def bus_blocks(
    count: int,
    hourly_share: ArrayLike,
    *,
    day_factor: ArrayLike,
    peak_out_share: float,
    longest_piece_min: float,
    km_per_min: ArrayLike,
    kwh_per_km: ArrayLike,
    rng: np.random.Generator,
    first_day: int = -1,
) -> pl.DataFrame:
    """Return the blocks of a depot from an hourly service profile.

    Parameters
    ----------
    count
        Buses of the depot.
    hourly_share
        Departures on the lines by hour of the day, any scale, array ``(24,)``.
    day_factor
        Service relative to a weekday, one value per day from ``first_day`` on.
    peak_out_share
        Share of the buses on the road in the busiest hour.
    longest_piece_min
        Time on the road after which a bus is relieved by one from the depot [min].
    km_per_min
        Distance a bus on the road covers per minute by hour of the day, layovers included, array ``(24,)`` [km/min].
    kwh_per_km
        Mean energy out of the battery, one value per day from ``first_day`` on [kWh/km].
    rng
        Spreads departures inside an hour.
    first_day
        Day of the first blocks; -1 is the Sunday before the week.

    Returns
    -------
    table
        Columns bus, start_min, end_min, km, kwh (mean energy), sorted by bus and start.

    Raises
    ------
    BlockError
        If the profile is not 24 values with a positive maximum.

    Notes
    -----
    Buses needed in hour h are count x peak_out_share x factor x profile(h) / max(profile). When the need rises, the bus longest in the depot
    leaves; when it falls, the one longest on the road returns. A bus that has been out for the longest piece comes in and the one longest in
    the depot takes over; if the depot is empty its place stays open until the next hour. The plan knows no plugs: whether a bus is charged
    when its block begins, the simulation finds out.
    """
    share = np.asarray(hourly_share, dtype=np.float64)
    speed = np.asarray(km_per_min, dtype=np.float64)
    if share.shape != (24,) or speed.shape != (24,) or not share.max() > 0 or np.any(share < 0):
        msg = f"hourly_share and km_per_min need 24 values and a positive maximum, got shapes {share.shape}, {speed.shape}"
        raise BlockError(msg)
    travelled = np.concatenate([[0.0], np.cumsum(speed * 60.0)])
    hour_edges = np.arange(25) * 60.0
    factors = np.asarray(day_factor, dtype=np.float64)
    need = np.rint(count * peak_out_share * factors[:, None] * share / share.max()).astype(np.int64).ravel()
    begin = first_day * DAY_MIN
    # (time it became free or left, bus); heaps give the longest waiting first
    home: list[tuple[float, int]] = [(float(begin), b) for b in range(count)]
    road: list[tuple[float, int]] = []
    rows: list[tuple[int, float, float]] = []

    def leave(at: float) -> None:
        _, bus = heapq.heappop(home)
        heapq.heappush(road, (at, bus))

    def come(at: float) -> None:
        since, bus = heapq.heappop(road)
        rows.append((bus, since, at))
        heapq.heappush(home, (at, bus))

    def relieve(until: float) -> None:
        while road and road[0][0] + longest_piece_min <= until:
            at = road[0][0] + longest_piece_min
            if home and home[0][0] < at:
                leave(at)
            come(at)

    for index, wanted in enumerate(need.tolist()):
        hour = begin + 60.0 * index
        relieve(hour)
        step = min(wanted, count) - len(road)
        for at in np.sort(hour + 60.0 * rng.random(abs(step))).tolist():
            relieve(at)
            if step > 0 and home and home[0][0] < at:
                leave(at)
            elif step < 0 and road and road[0][0] < at:
                come(at)
    relieve(begin + 60.0 * need.size)
    rows += [(bus, since, begin + 60.0 * need.size) for since, bus in sorted(road)]
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    whole = travelled[-1]
    ends = np.floor_divide(table[:, 1:], DAY_MIN) * whole + np.interp(np.mod(table[:, 1:], DAY_MIN), hour_edges, travelled)
    km = ends[:, 1] - ends[:, 0]
    use = np.asarray(kwh_per_km, dtype=np.float64)
    day = np.clip(table[:, 1] // DAY_MIN - first_day, 0, use.size - 1).astype(np.int64)
    frame = pl.DataFrame(
        {"bus": table[:, 0].astype(np.int64), "start_min": table[:, 1], "end_min": table[:, 2], "km": km, "kwh": km * use[day]}
    )
    return frame.sort("bus", "start_min")


def minimum_fleet(blocks: Any, turnaround_min: ArrayLike = 0.0, *, recovery_min: ArrayLike = 0.0) -> int:
    """Return the fewest vehicles that can drive all blocks when any vehicle of the type may follow any block.

    Parameters
    ----------
    blocks
        Table with columns start_min, end_min and optional vehicle_type, in any order.
    turnaround_min
        Time after a block before its vehicle can begin the next one; a number or one per block [min].
    recovery_min
        More such time, for example for charging [min].

    Returns
    -------
    int
        Exact: the largest number of blocks, each with its turnaround, that overlap (interval graphs are perfect); the sum over the types.

    Raises
    ------
    BlockError
        If a column is missing or a block ends before it starts.

    Examples
    --------
    >>> import polars as pl
    >>> minimum_fleet(pl.DataFrame({"start_min": [0, 60, 130], "end_min": [100, 120, 180]}), 20)
    2
    """
    table = as_frame(blocks, "blocks", BlockError)
    start, end = (number_column(table, c, BlockError) for c in ("start_min", "end_min"))
    pause = np.asarray(turnaround_min, dtype=np.float64) + np.asarray(recovery_min, dtype=np.float64)
    if np.any(end < start) or not np.all(pause >= 0.0):
        wrong = end < start
        what = (
            f"block {int(np.flatnonzero(wrong)[0])} ends before it starts"
            if wrong.any()
            else f"turnaround {pause.min()} min is negative"
        )
        raise BlockError(what)
    ready = end + pause
    if "vehicle_type" not in table.columns:
        return _largest_overlap(start, ready)
    kinds = table["vehicle_type"].cast(pl.String).fill_null("").to_numpy()
    return sum(_largest_overlap(start[kinds == k], ready[kinds == k]) for k in sorted(set(kinds.tolist())))


def _largest_overlap(start: NDArray[np.float64], ready: NDArray[np.float64]) -> int:
    """Return how many intervals [start, ready) overlap at most; one without length still takes a vehicle."""
    # a vehicle that is ready at the minute another block starts can take it: ends sort before starts, and rounding must not turn that around
    times = np.concatenate([start, np.maximum(ready - _ON_TIME_MIN, start)])
    change = np.concatenate([np.ones(start.size), -np.ones(ready.size)])
    order = np.lexsort(
        (np.where(np.concatenate([ready, ready]) - np.concatenate([start, start]) > _ON_TIME_MIN, change, -change), times)
    )
    return int(np.cumsum(change[order]).max(initial=0.0))
