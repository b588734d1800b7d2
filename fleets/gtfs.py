"""Vehicle blocks from the tables of a GTFS timetable: days of service, trips with their distances, frequencies, chains of trips."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.errors import FleetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MIN_PER_H = 60.0
_S_PER_MIN = 60.0
_EARTH_KM = 6371.0088
#: Latitude of a pole [deg].
_POLE = 90.0
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
#: Faults that a message names one by one.
_SHOWN = 20
_METRE_KM = 1e-3
#: A stated distance over the great circle of the stops above which it is in metres.
_METRES_ABOVE = 100.0
BLOCK_SCHEMA: dict[str, Any] = {
    "block_id": pl.String,
    "vehicle_type": pl.String,
    "route_id": pl.String,
    "start_min": pl.Float64,
    "end_min": pl.Float64,
    "km": pl.Float64,
    "deadhead_km": pl.Float64,
    "trips": pl.Int64,
}


class FormatError(FleetError):
    """Exception for a timetable that cannot be read; it names file, row, column, value and what to do, all faults at once."""


@dataclass
class Faults:
    """Faults of the files read, one text each; they are raised together.

    Attributes
    ----------
    rows
        Texts.
    """

    rows: list[str] = field(default_factory=list)

    def add(self, file: str, row: int | None, column: str, value: Any, remedy: str) -> None:
        """Note a fault: file, row in the file, column, value and what to do."""
        where = f"{file} row {row}" if row is not None else file
        self.rows.append(f"{where}, column {column}: {value!r}; {remedy}")

    def stop(self) -> None:
        """Raise a FormatError with all faults, if there is one."""
        if self.rows:
            more = f"; and {len(self.rows) - _SHOWN} more" if len(self.rows) > _SHOWN else ""
            raise FormatError("; ".join(self.rows[:_SHOWN]) + more)


def services_by_day(calendar: pl.DataFrame | None, dates: pl.DataFrame | None, faults: Faults) -> dict[date, set[str]]:
    """Return the services of every day.

    Parameters
    ----------
    calendar, dates
        Tables calendar and calendar_dates, where the timetable has them.
    faults
        Where faults are noted.
    """
    found: dict[date, set[str]] = {}
    if calendar is not None:
        needed = ("service_id", "start_date", "end_date", *_WEEKDAYS)
        absent = [c for c in needed if c not in calendar.columns]
        for column in absent:
            faults.add("calendar.txt", 1, column, "", "the column is missing")
        for row in [] if absent else calendar.iter_rows(named=True):
            first, last = (_date(row[c], "calendar.txt", row["row"], c, faults) for c in ("start_date", "end_date"))
            if first is None or last is None:
                continue
            for number in range(first.toordinal(), last.toordinal() + 1):
                day = date.fromordinal(number)
                if row[_WEEKDAYS[day.weekday()]] == "1":
                    found.setdefault(day, set()).add(row["service_id"])
    if dates is not None:
        absent = [c for c in ("service_id", "date", "exception_type") if c not in dates.columns]
        for column in absent:
            faults.add("calendar_dates.txt", 1, column, "", "the column is missing")
        for row in [] if absent else dates.iter_rows(named=True):
            exception = _date(row["date"], "calendar_dates.txt", row["row"], "date", faults)
            if row["exception_type"] not in {"1", "2"}:
                faults.add(
                    "calendar_dates.txt",
                    row["row"],
                    "exception_type",
                    row["exception_type"],
                    "it must be 1 (added) or 2 (removed)",
                )
            elif exception is not None:
                services = found.setdefault(exception, set())
                services.add(row["service_id"]) if row["exception_type"] == "1" else services.discard(row["service_id"])
    return found


def _date(text: Any, file: str, row: int, column: str, faults: Faults) -> date | None:
    try:
        return datetime.strptime(str(text), "%Y%m%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        faults.add(file, row, column, text, "it must be a date YYYYMMDD")
        return None


def service_day(wanted: str | date | None, services: dict[date, set[str]], trips: pl.DataFrame, faults: Faults) -> date:
    """Return the day that is meant: the wanted one, else the day with most trips, the first of equals.

    Parameters
    ----------
    wanted
        Day as ``2024-05-06`` or ``20240506``.
    services
        Services by day.
    trips
        Table of trips.
    faults
        Where faults are noted.
    """
    if isinstance(wanted, date):
        return wanted
    if wanted is not None:
        text = str(wanted).replace("-", "")
        found = _date(text, "service_date", 0, "service_date", faults)
        return found or date.min
    count = dict(trips.group_by("service_id").len().iter_rows())
    if not services:
        faults.add(
            "calendar.txt", None, "service_id", "", "no day of service; check start_date, end_date and the days of the week"
        )
        return date.min
    return max(sorted(services), key=lambda day: sum(count.get(s, 0) for s in sorted(services[day])))


def check_references(
    table: pl.DataFrame, column: str, of: str, target: pl.DataFrame, faults: Faults, *, file: str = "stop_times.txt"
) -> None:
    """Note the rows of a table that name something unknown.

    Parameters
    ----------
    table, column
        Table and its column.
    of, target
        Name of the other table, and the table.
    faults
        Where faults are noted.
    file
        Name of the file of the table.
    """
    known = target[column].unique().to_list()
    for row in table.filter(~pl.col(column).is_in(known)).head(_SHOWN).iter_rows(named=True):
        faults.add(file, row["row"], column, row[column], f"no row of {of}.txt has it: add it there, or leave the row out")


def number_cells(table: pl.DataFrame, file: str, column: str, faults: Faults, *, empty: bool = False) -> pl.Series:
    """Return a column as numbers; what is none is a fault.

    Parameters
    ----------
    table, file, column
        Table with a column row, name of its file, and the column.
    empty
        Whether a cell may be empty.
    faults
        Where faults are noted.
    """
    raw = table[column]
    values = raw.cast(pl.Float64, strict=False)
    blank = raw.is_null() | (raw == "")
    bad = (values.is_null() | ~values.is_finite().fill_null(value=False)) & ~(blank if empty else blank & False)
    for row in table.filter(bad).head(_SHOWN).iter_rows(named=True):
        faults.add(file, row["row"], column, row[column], "it must be a number")
    return values


def clock_cells(table: pl.DataFrame, file: str, column: str, faults: Faults) -> pl.Series:
    """Return clock times ``H:MM:SS``, hours beyond 24 allowed, as minutes; an empty cell is missing.

    Parameters
    ----------
    table, file, column
        Table with a column row, name of its file, and the column.
    faults
        Where faults are noted.
    """
    parts = table.select(pl.col(column).str.extract_groups(r"^(\d{1,3}):(\d{2}):(\d{2})$").alias("p"))["p"].struct.unnest()
    hours, minutes, seconds = (parts[c].cast(pl.Float64, strict=False) for c in parts.columns)
    found = hours * _MIN_PER_H + minutes + seconds / _S_PER_MIN
    bad = (found.is_null() | (minutes >= _MIN_PER_H) | (seconds >= _S_PER_MIN)) & ~(
        table[column].is_null() | (table[column] == "")
    )
    for row in table.filter(bad.fill_null(value=True)).head(_SHOWN).iter_rows(named=True):
        faults.add(file, row["row"], column, row[column], "it must be a time HH:MM:SS")
    return found


def trip_table(
    trips: pl.DataFrame, times: pl.DataFrame, stops: pl.DataFrame, shapes: pl.DataFrame | None, faults: Faults
) -> pl.DataFrame:
    """Return one row per trip: trip_id, route_id, block_id, start_min, end_min, km, first and last stop.

    Parameters
    ----------
    trips, times, stops, shapes
        Tables of the timetable; trips are those of the day.
    faults
        Where faults are noted.
    """
    for column in ("arrival_time", "departure_time"):
        if column not in times.columns:
            faults.add("stop_times.txt", 1, column, "", "the column is missing")
    faults.stop()
    own = times.filter(pl.col("trip_id").is_in(trips["trip_id"].unique().to_list()))
    stops = stops.filter(pl.col("stop_id").is_in(own["stop_id"].unique().to_list()))
    doubled = own.filter(pl.struct("trip_id", "stop_sequence").is_duplicated()).filter(
        ~pl.struct("trip_id", "stop_sequence").is_first_distinct()
    )
    for row in doubled.head(_SHOWN).iter_rows(named=True):
        faults.add(
            "stop_times.txt",
            row["row"],
            "stop_sequence",
            row["stop_sequence"],
            f"trip {row['trip_id']} has it twice: number its stops",
        )
    place = stops.select(
        "stop_id", number_cells(stops, "stops.txt", "stop_lat", faults), number_cells(stops, "stops.txt", "stop_lon", faults)
    )
    stated = "shape_dist_traveled" in own.columns
    own = own.with_columns(
        number_cells(own, "stop_times.txt", "stop_sequence", faults),
        clock_cells(own, "stop_times.txt", "arrival_time", faults).alias("arrive"),
        clock_cells(own, "stop_times.txt", "departure_time", faults).alias("leave"),
        (
            number_cells(own, "stop_times.txt", "shape_dist_traveled", faults, empty=True)
            if stated
            else pl.Series("shape_dist_traveled", [None] * own.height, dtype=pl.Float64)
        ),
    )
    faults.stop()
    beyond = place.filter((pl.col("stop_lat").abs() > _POLE) | (pl.col("stop_lon").abs() > 2.0 * _POLE))
    for stop, *degrees in beyond.head(_SHOWN).rows():
        faults.add("stops.txt", None, "stop_lat, stop_lon", degrees, f"stop {stop}: degrees of at most 90 and 180, WGS 84")
    faults.stop()
    own = own.join(place.unique("stop_id", keep="first"), on="stop_id", how="left", maintain_order="left").sort(
        "trip_id", "stop_sequence", maintain_order=True
    )
    lat, lon = own["stop_lat"].to_numpy(), own["stop_lon"].to_numpy()
    leg = np.zeros(own.height)
    leg[1:] = great_circle_km(lat[:-1], lon[:-1], lat[1:], lon[1:])
    own = own.with_columns(pl.Series("leg", leg), pl.int_range(pl.len()).over("trip_id").alias("n"))
    by_trip = own.group_by("trip_id", maintain_order=True).agg(
        pl.coalesce("leave", "arrive").first().alias("start_min"),
        pl.coalesce("arrive", "leave").last().alias("end_min"),
        pl.when(pl.col("n") > 0).then("leg").otherwise(0.0).sum().alias("stops_km"),
        (pl.col("shape_dist_traveled").last() - pl.col("shape_dist_traveled").first()).alias("stated"),
        pl.col("stop_id").first().alias("first_stop"),
        pl.col("stop_id").last().alias("last_stop"),
        pl.col("row").first().alias("time_row"),
        pl.len().alias("stops"),
    )
    optional = [c for c in ("block_id", "shape_id") if c in trips.columns]
    joined = trips.select("row", "trip_id", "route_id", *optional).join(by_trip, on="trip_id", how="left", maintain_order="left")
    joined = joined.with_columns(pl.lit(None, pl.String).alias(c) for c in ("block_id", "shape_id") if c not in optional)
    for row in joined.filter(pl.col("stops").is_null() | (pl.col("stops") < 2)).head(_SHOWN).iter_rows(named=True):
        faults.add("trips.txt", row["row"], "trip_id", row["trip_id"], "stop_times.txt needs two rows or more of this trip")
    timed = joined.filter(pl.col("stops") >= 2)
    for row in timed.filter(pl.col("start_min").is_null() | pl.col("end_min").is_null()).head(_SHOWN).iter_rows(named=True):
        faults.add(
            "stop_times.txt",
            row["time_row"],
            "departure_time",
            "",
            f"trip {row['trip_id']} needs times at its first and last stop",
        )
    for row in timed.filter(pl.col("end_min") < pl.col("start_min")).head(_SHOWN).iter_rows(named=True):
        faults.add(
            "stop_times.txt",
            row["time_row"],
            "arrival_time",
            row["end_min"],
            f"trip {row['trip_id']} ends before it starts; hours after midnight are 24 and more",
        )
    faults.stop()
    lengths = shape_lengths(shapes, faults)
    faults.stop()
    # a stated distance in metres is a thousand times the way over the stops
    metres = float((joined["stated"] / joined["stops_km"]).drop_nulls().drop_nans().median() or 1.0) > _METRES_ABOVE  # type: ignore[arg-type]
    stated_km = pl.col("stated") * (_METRE_KM if metres else 1.0)
    drawn = (
        pl.col("shape_id").replace_strict(lengths, default=None, return_dtype=pl.Float64) if lengths else pl.lit(None, pl.Float64)
    )
    km = pl.coalesce(pl.when(stated_km > 0.0).then(stated_km), pl.when(drawn > 0.0).then(drawn), "stops_km")
    return joined.with_columns(km.alias("km"), pl.col("block_id").replace("", None))


def shape_lengths(shapes: pl.DataFrame | None, faults: Faults) -> dict[str, float]:
    """Return the length of every shape [km].

    Parameters
    ----------
    shapes
        Table shapes, if there is one.
    faults
        Where faults are noted.
    """
    if shapes is None or shapes.is_empty():
        return {}
    columns = ("shape_pt_lat", "shape_pt_lon", "shape_pt_sequence")
    table = shapes.with_columns(number_cells(shapes, "shapes.txt", c, faults) for c in columns)
    table = table.sort("shape_id", "shape_pt_sequence", maintain_order=True)
    lat, lon = table["shape_pt_lat"].to_numpy(), table["shape_pt_lon"].to_numpy()
    leg = np.zeros(table.height)
    leg[1:] = great_circle_km(lat[:-1], lon[:-1], lat[1:], lon[1:])
    same = (table["shape_id"] == table["shape_id"].shift()).fill_null(value=False).to_numpy()
    summed = table.select("shape_id", pl.Series("km", np.where(same, leg, 0.0))).group_by("shape_id", maintain_order=True)
    return dict(summed.agg(pl.col("km").sum()).iter_rows())


def great_circle_km(
    lat: NDArray[np.float64], lon: NDArray[np.float64], to_lat: NDArray[np.float64], to_lon: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return great-circle distances [km] between points in degrees (haversine).

    Parameters
    ----------
    lat, lon
        From, arrays of one shape [deg].
    to_lat, to_lon
        To [deg].
    """
    phi, theta = np.radians(lat), np.radians(to_lat)
    half = np.sin((theta - phi) / 2.0) ** 2 + np.cos(phi) * np.cos(theta) * np.sin(np.radians(to_lon - lon) / 2.0) ** 2
    return np.asarray(2.0 * _EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0))))


def repeated(trips: pl.DataFrame, frequencies: pl.DataFrame | None, faults: Faults) -> pl.DataFrame:
    """Return the trips with those that run by frequency repeated from the first to before the last time.

    Parameters
    ----------
    trips, frequencies
        From :func:`trip_table`, and the table of the timetable.
    faults
        Where faults are noted.
    """
    if frequencies is None or frequencies.is_empty():
        return trips
    headway = number_cells(frequencies, "frequencies.txt", "headway_secs", faults) / _S_PER_MIN
    first, last = (clock_cells(frequencies, "frequencies.txt", c, faults) for c in ("start_time", "end_time"))
    for i, row in enumerate(frequencies.iter_rows(named=True)):
        if headway[i] is not None and not headway[i] > 0.0:
            faults.add("frequencies.txt", row["row"], "headway_secs", row["headway_secs"], "it must be above 0")
        for column, times in (("start_time", first), ("end_time", last)):
            # what is there and no time has its fault already
            if times[i] is None and not row[column]:
                faults.add("frequencies.txt", row["row"], column, row[column], "it must be a time HH:MM:SS")
        if first[i] is not None and last[i] is not None and not last[i] > first[i]:
            faults.add(
                "frequencies.txt",
                row["row"],
                "end_time",
                row["end_time"],
                f"it must come after start_time {row['start_time']}; hours after midnight are 24 and more",
            )
    faults.stop()
    names = frequencies["trip_id"].to_list()
    frames = [trips.filter(~pl.col("trip_id").is_in(sorted(set(names))))]
    for name, step, begin, end in zip(names, headway.to_list(), first.to_list(), last.to_list(), strict=True):
        base = trips.filter(pl.col("trip_id") == name)
        starts = np.arange(begin, end - 1e-9, step)
        if base.height and starts.size:
            shift = starts - float(base["start_min"][0])
            many = base.select(pl.all().repeat_by(starts.size).explode())
            # a block can hold each of its trips once: repeated ones are chained anew
            frames.append(
                many.with_columns(
                    pl.col("start_min") + pl.Series(shift),
                    pl.col("end_min") + pl.Series(shift),
                    pl.lit(None, pl.String).alias("block_id"),
                )
            )
    return pl.concat(frames)


def vehicle_types(routes: pl.DataFrame | None) -> dict[str, str]:
    """Return the vehicle type of a route by its route_type.

    Parameters
    ----------
    routes
        Table routes, if there is one.
    """
    if routes is None:
        return {}
    names = {"0": "tram", "1": "metro", "2": "rail", "3": "bus", "4": "ferry", "11": "trolleybus"}
    return {r: names.get(t or "", f"type_{t}") for r, t in routes.select("route_id", "route_type").iter_rows()}


def vehicle_blocks(
    trips: pl.DataFrame, kinds: dict[str, str], layover_min: float, deadhead_km: float, speed_km_h: float
) -> pl.DataFrame:
    """Return trips as blocks (:data:`BLOCK_SCHEMA`).

    Parameters
    ----------
    trips
        From :func:`trip_table`.
    kinds
        Vehicle type by route.
    layover_min
        Shortest time between chained trips [min].
    deadhead_km, speed_km_h
        Way to and from the depot [km] and its speed [km/h].
    """
    rows: list[tuple[Any, ...]] = []
    faults = Faults()
    minutes = deadhead_km / speed_km_h * _MIN_PER_H if deadhead_km > 0.0 else 0.0

    def close(name: str, members: list[tuple[Any, ...]]) -> None:
        route = members[0][0]
        start, end = min(m[1] for m in members), max(m[2] for m in members)
        km = sum(m[3] for m in members) + 2.0 * deadhead_km
        rows.append((name, kinds.get(route, "bus"), route, start - minutes, end + minutes, km, 2.0 * deadhead_km, len(members)))

    columns = ("route_id", "start_min", "end_min", "km", "first_stop", "last_stop")
    named = trips.filter(pl.col("block_id").is_not_null()).sort("block_id", "start_min", "trip_id")
    for (name,), group in named.group_by(["block_id"], maintain_order=True):
        members = group.select(columns).rows()
        for before, after in pairwise(members):
            if after[1] < before[2]:
                what = (
                    f"a trip starts at minute {after[1]:g} before the one before it ends at {before[2]:g}: give them two blocks"
                )
                faults.add("trips.txt", None, "block_id", name, what)
        close(str(name), members)
    loose = trips.filter(pl.col("block_id").is_null()).sort("route_id", "start_min", "trip_id")
    for (route,), group in loose.group_by(["route_id"], maintain_order=True):
        for number, members in enumerate(_chains(group.select(columns).rows(), layover_min), start=1):
            close(f"{route}:{number}", members)
    faults.stop()
    return pl.DataFrame(rows, schema=BLOCK_SCHEMA, orient="row").sort("start_min", "block_id")


def _chains(trips: list[tuple[Any, ...]], layover_min: float) -> list[list[tuple[Any, ...]]]:
    """Return the trips of a route, sorted by start, as chains: the vehicle longest at the first stop of a trip takes it."""
    waiting: dict[str, list[tuple[float, int]]] = {}
    chains: list[list[tuple[Any, ...]]] = []
    for trip in trips:
        here = waiting.get(trip[4], [])
        if here and here[0][0] + layover_min <= trip[1] + 1e-9:
            index = heapq.heappop(here)[1]
            chains[index].append(trip)
        else:
            index = len(chains)
            chains.append([trip])
        heapq.heappush(waiting.setdefault(trip[5], []), (trip[2], index))
    return chains
