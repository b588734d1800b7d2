"""What a pooled depot reads and what it gives: the checked table of blocks, the vehicles by type, and the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from fleets.battery import Battery
from fleets.errors import BlockError
from fleets.tables import as_frame, count_of, number_column
from fleets.vehicle_store import VehicleType


@dataclass(frozen=True, slots=True)
class DepotResult:
    """What a depot run gives; it unpacks into records, load and summary.

    Attributes
    ----------
    records
        One row per block and replication: replication, block (row of the table), vehicle_type, vehicle, planned and actual start and end,
        delay_min, km, kwh, state (``served``, ``late`` = served late, ``missed``) and reason of a missed block (``no_vehicle``,
        ``no_energy``, ``beyond_battery``).
    load
        Mean over the replications by step: start_min, kw (grid), unserved_kwh (battery energy of missed blocks, at their planned start).
    summary
        Columns metric, value, low, high, unit, replications.
    sessions
        One row per visit to the plugs, states as in :class:`fleets.plug_bank.Charge`.
    checks
        Columns replication, check, value, limit, passed.
    events
        Events over all replications.
    """

    records: pl.DataFrame
    load: pl.DataFrame
    summary: pl.DataFrame
    sessions: pl.DataFrame
    checks: pl.DataFrame
    events: int

    def __iter__(self) -> Iterator[pl.DataFrame]:
        return iter((self.records, self.load, self.summary))

    def value(self, metric: str) -> float:
        """Return the mean of one metric."""
        return float(self.summary.filter(pl.col("metric") == metric)["value"].item())

    def gantt(self) -> pl.DataFrame:
        """Return what every vehicle does when: replication, vehicle, activity (``drive``, ``wait``, ``charge``), start_min, end_min."""
        key = ["replication", "vehicle"]
        drive = self.records.filter(pl.col("start_min").is_not_null()).select(
            *key, pl.lit("drive").alias("activity"), "start_min", "end_min"
        )
        wait = self.sessions.select(
            *key,
            pl.lit("wait").alias("activity"),
            pl.col("arrive_min").alias("start_min"),
            pl.coalesce("start_min", "end_min").alias("end_min"),
        )
        charge = self.sessions.filter(pl.col("start_min").is_not_null()).select(
            *key, pl.lit("charge").alias("activity"), "start_min", "end_min"
        )
        table = pl.concat([drive, wait, charge])
        lasting = pl.col("end_min").is_null() | (pl.col("end_min") > pl.col("start_min"))
        return table.filter(lasting).sort("replication", "vehicle", "start_min", "activity")


def depot_blocks(blocks: Any) -> pl.DataFrame:
    """Return the checked table: block, vehicle_type, start_min, end_min, km, kwh."""
    frame = as_frame(blocks, "blocks", BlockError)
    start, end = (number_column(frame, c, BlockError) for c in ("start_min", "end_min"))
    if np.any(end < start):
        row = int(np.flatnonzero(end < start)[0])
        msg = f"block in row {row} ends at {end[row]:g}, before it starts at {start[row]:g}"
        raise BlockError(msg)
    if np.isinf(start).any() or np.isinf(end).any():
        msg = "start_min and end_min must be finite"
        raise BlockError(msg)
    names = frame.columns
    if frame.width and "km" not in names and "kwh" not in names:
        msg = f"blocks need km or kwh; columns: {', '.join(names)}"
        raise BlockError(msg)
    km, kwh = (number_column(frame, c, BlockError, at_least=0.0) if c in names else None for c in ("km", "kwh"))
    n = frame.height
    kind = frame["vehicle_type"].cast(pl.String).fill_null("vehicle").to_list() if "vehicle_type" in names else ["vehicle"] * n
    return pl.DataFrame(
        {
            "block": np.arange(n),
            "vehicle_type": kind,
            "start_min": start,
            "end_min": end,
            "km": np.zeros(n) if km is None else km,
            "kwh": np.full(n, np.nan) if kwh is None else kwh,
        },
        schema={
            "block": pl.Int64,
            "vehicle_type": pl.String,
            "start_min": pl.Float64,
            "end_min": pl.Float64,
            "km": pl.Float64,
            "kwh": pl.Float64,
        },
    )


def battery_of(capacity: float, max_kw: float | None, taper_soc: float, end_kw: float | None) -> Battery:
    """Return a battery; by default it takes its capacity in an hour, and a tenth of its largest power at 100 %."""
    top = float(capacity) if max_kw is None else float(max_kw)
    return Battery(float(capacity), top, float(taper_soc), 0.1 * top if end_kw is None else float(end_kw))


def fleet_of(vehicles: Any, table: pl.DataFrame, battery: Battery, kwh_per_km: float, taper_soc: float) -> dict[str, VehicleType]:
    """Return every type of the blocks and of the fleet, sorted by name."""
    types = sorted(set(table["vehicle_type"].to_list()))
    default = VehicleType(0, battery, float(kwh_per_km))
    given: dict[str, VehicleType] = {}
    if isinstance(vehicles, VehicleType):
        given = dict.fromkeys(types or ["vehicle"], vehicles)
    elif isinstance(vehicles, Mapping) and not {"vehicle_type", "count"} <= set(vehicles):
        for name, value in vehicles.items():
            own = (
                value
                if isinstance(value, VehicleType)
                else replace(default, count=count_of(value, f"vehicles[{name!r}]", BlockError))
            )
            given[str(name)] = own
    elif isinstance(vehicles, Mapping | pl.DataFrame | Sequence) and not isinstance(vehicles, str):
        fleet = as_frame(vehicles, "vehicles", BlockError)
        for row in fleet.iter_rows(named=True):
            if row.get("count") is None:
                msg = f"vehicles need a column count; columns: {', '.join(fleet.columns)}"
                raise BlockError(msg)
            cell = battery
            if row.get("battery_kwh") is not None:
                cell = battery_of(row["battery_kwh"], row.get("max_kw"), taper_soc, None)
            use = row.get("kwh_per_km")
            count = count_of(row["count"], "count", BlockError)
            given[str(row.get("vehicle_type") or "vehicle")] = VehicleType(count, cell, float(kwh_per_km if use is None else use))
    else:
        count = count_of(vehicles, "vehicles", BlockError)
        given = dict.fromkeys(types or ["vehicle"], replace(default, count=count))
    for name, kind in given.items():
        if not (kind.kwh_per_km >= 0.0 and kind.count >= 0):
            msg = f"vehicles {name!r}: count={kind.count} and kwh_per_km={kind.kwh_per_km} must not be negative"
            raise BlockError(msg)
    return {name: given.get(name, default) for name in sorted({*types, *given})}
