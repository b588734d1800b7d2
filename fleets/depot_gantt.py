"""What every vehicle of a depot does when: the Gantt table of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from fleets.battery import Battery

GANTT_SCHEMA: dict[str, Any] = {
    "vehicle": pl.Int64,
    "state": pl.String,
    "start_min": pl.Float64,
    "end_min": pl.Float64,
    "soc_start": pl.Float64,
    "soc_end": pl.Float64,
    "kw": pl.Float64,
}
_MIN_PER_H = 60.0


def depot_gantt(
    blocks: pl.DataFrame,
    sessions: pl.DataFrame,
    *,
    battery: Battery,
    count: int,
    start_soc: float,
    begin_min: float,
    end_min: float,
) -> pl.DataFrame:
    """Return one row per stretch of a vehicle, without gaps from the begin to the end of the run.

    Parameters
    ----------
    blocks
        Blocks of one replication (columns bus, start_min, end_min, kwh, state); a block without an end is on the road to the end of the run.
    sessions
        Visits to plugs of the same replication, those in layovers too.
    battery
        Battery of every vehicle.
    count
        Vehicles, numbered from 0.
    start_soc
        State of charge at the begin of the run.
    begin_min, end_min
        Span of the run [min].

    Returns
    -------
    table
        Columns vehicle, state (``driving``, ``waiting`` for a plug, ``charging``, ``parked``), start_min, end_min, soc_start, soc_end, kw (mean
        grid power of a charge, else 0). Driving holds the layovers in which a bus does not stand at a plug.
    """
    tours: list[list[tuple[float, float, float]]] = [[] for _ in range(count)]
    driven = blocks.filter(pl.col("start_min").is_not_null()).sort("start_min")
    for bus, start, end, kwh in driven.select("bus", "start_min", "end_min", "kwh").iter_rows():
        tours[bus].append(
            (start, end_min if end is None else min(end, end_min), kwh / battery.capacity_kwh if end is not None else 0.0)
        )
    visits: list[list[tuple[Any, ...]]] = [[] for _ in range(count)]
    columns = ("vehicle", "arrive_min", "start_min", "end_min", "soc_start", "soc_end", "grid_kwh")
    for vehicle, *visit in sessions.sort("arrive_min").select(columns).iter_rows():
        visits[vehicle].append(tuple(visit))
    rows: list[tuple[Any, ...]] = []
    for vehicle in range(count):
        rows += _vehicle(vehicle, tours[vehicle], visits[vehicle], start_soc, (begin_min, end_min))
    return pl.DataFrame(rows, schema=GANTT_SCHEMA, orient="row")


def _vehicle(
    vehicle: int, tours: list[tuple[float, float, float]], visits: list[tuple[Any, ...]], soc: float, span: tuple[float, float]
) -> list[tuple[Any, ...]]:
    """Return the rows of one vehicle: tours and visits as they come, what lies between is driving inside a tour and parked outside."""
    rows: list[tuple[Any, ...]] = []
    now, end = span
    tour = iter([*tours, (end, end, 0.0)])
    start, back, left = next(tour)

    def rest(until: float, soc_then: float | None) -> None:
        """Fill the time to the next visit."""
        nonlocal now, soc, start, back, left
        while now < until:
            if now >= back:
                # a tour may end at a plug
                start, back, left = next(tour)
            elif now < start:
                upto = min(start, until)
                rows.append((vehicle, "parked", now, upto, soc, soc, 0.0))
                now = upto
            else:
                upto = min(back, until)
                # a stretch that ends at a plug ends with what the plug found
                after = soc - left if soc_then is None or upto < until or upto >= back else soc_then
                rows.append((vehicle, "driving", now, upto, soc, after, 0.0))
                left -= soc - after
                now, soc = upto, after

    for arrive, plugged, unplugged, soc_start, soc_end, grid_kwh in visits:
        rest(arrive, soc_start)
        begin = unplugged if plugged is None else plugged
        begin = end if begin is None else begin
        if begin > arrive:
            rows.append((vehicle, "waiting", arrive, begin, soc_start, soc_start, 0.0))
        if plugged is not None:
            until = end if unplugged is None else unplugged
            if until > plugged:
                kw = grid_kwh / (until - plugged) * _MIN_PER_H
                rows.append((vehicle, "charging", plugged, until, soc_start, soc_end, kw))
            begin = until
        now, soc = max(now, begin), soc_end
    rest(end, None)
    return rows
