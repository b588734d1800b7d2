"""Reading timetables: vehicle blocks from GTFS, as a zip file or a folder of its tables.

Only here do the fleet models touch files.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fleets.gtfs import (
    Faults,
    FormatError,
    check_references,
    clock_cells,
    number_cells,
    repeated,
    service_day,
    services_by_day,
    trip_table,
    vehicle_blocks,
    vehicle_types,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

_DAY_MIN = 1440.0
#: Faults of one kind that are named.
_SHOWN = 20


def read_gtfs_blocks(
    path: str | Path,
    *,
    service_date: str | date | None = None,
    route_ids: Iterable[str] | None = None,
    min_layover_min: float = 5.0,
    deadhead_km: float = 0.0,
    deadhead_speed_km_h: float = 25.0,
) -> pl.DataFrame:
    """Return the vehicle blocks of one day of a GTFS timetable.

    Parameters
    ----------
    path
        Zip file or folder with stops, trips, stop_times, calendar or calendar_dates, and optionally routes, shapes and frequencies (``.txt``).
    service_date
        Day (``2024-05-06`` or ``20240506``); if not given, the day with most trips, the first of equals.
    route_ids
        Routes to keep; all if not given.
    min_layover_min
        Shortest time between two trips that are chained into one block where the timetable names none [min].
    deadhead_km, deadhead_speed_km_h
        Way between the depot and the first and the last stop [km], and its speed [km/h]: added at both ends of every block.

    Returns
    -------
    table
        One row per block: block_id (those chained here are ``route:1``, ``route:2``, ...), vehicle_type (route_type if there is a table of
        routes, else ``bus``), route_id (of the first trip), start_min and end_min (minutes from the midnight of the day, over 1440 after midnight),
        km (with deadheads), deadhead_km, trips; sorted by start. It goes into :func:`fleets.simulate_depot`.

    Raises
    ------
    FormatError
        With every fault found: file, row, column, value and what to do.

    Notes
    -----
    Distance of a trip: ``shape_dist_traveled`` of its stops (km or m, told apart by the great circle over the stops), else the length of its shape,
    else the great circle over its stops. Trips with a block_id form that block; the others of a route are chained greedily: the vehicle that
    has stood longest at the stop where a trip begins takes it, if there is one and it has had its layover. Rows of ``frequencies`` stand for a
    trip every headway_secs from start_time to before end_time.
    """
    tables = _Tables(Path(path))
    faults = Faults()
    stops = tables.read("stops", ("stop_id", "stop_lat", "stop_lon"), faults)
    trips = tables.read("trips", ("route_id", "service_id", "trip_id"), faults)
    times = tables.read("stop_times", ("trip_id", "stop_id", "stop_sequence"), faults)
    calendar, dates = tables.read("calendar", (), faults, needed=False), tables.read("calendar_dates", (), faults, needed=False)
    if calendar is None and dates is None:
        faults.add("calendar.txt", None, "service_id", "", "add calendar.txt or calendar_dates.txt: no day of service is known")
    faults.stop()
    if stops is None or trips is None or times is None:
        raise FormatError(str(path))
    services = services_by_day(calendar, dates, faults)
    faults.stop()
    if route_ids is not None:
        wanted = [str(r) for r in route_ids]
        known = set(trips["route_id"].to_list())
        for route in wanted:
            if route not in known:
                faults.add(
                    "trips.txt", None, "route_id", route, f"no trip has this route; there are {', '.join(sorted(known)[:8])}"
                )
        trips = trips.filter(pl.col("route_id").is_in(wanted))
    for row in trips.filter(~pl.col("trip_id").is_first_distinct()).head(_SHOWN).iter_rows(named=True):
        faults.add("trips.txt", row["row"], "trip_id", row["trip_id"], "another row has it: give each trip an id of its own")
    check_references(times, "stop_id", "stops", stops, faults)
    if route_ids is None:
        check_references(times, "trip_id", "trips", trips, faults)
    faults.stop()
    day = service_day(service_date, services, trips, faults)
    faults.stop()
    running = trips.filter(pl.col("service_id").is_in(sorted(services.get(day, set()))))
    if running.is_empty():
        faults.add("calendar.txt", None, "service_id", day.isoformat(), "no trip runs on that day: name another service_date")
    faults.stop()
    drawn = tables.read("shapes", ("shape_id", "shape_pt_lat", "shape_pt_lon", "shape_pt_sequence"), faults, needed=False)
    faults.stop()
    table = trip_table(running, times, stops, drawn, faults)
    faults.stop()
    table = repeated(
        table, tables.read("frequencies", ("trip_id", "start_time", "end_time", "headway_secs"), faults, needed=False), faults
    )
    faults.stop()
    kinds = vehicle_types(tables.read("routes", ("route_id", "route_type"), faults, needed=False))
    return vehicle_blocks(table, kinds, min_layover_min, deadhead_km, deadhead_speed_km_h)


class _Tables:
    """The text tables of a zip file or a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inside: dict[str, str] = {}
        if path.is_dir():
            self.inside = {p.name: str(p) for p in sorted(path.glob("*.txt"))}
        elif path.is_file():
            try:
                with zipfile.ZipFile(path) as pack:
                    # some feeds lie in a folder of the zip file
                    self.inside = {name.rpartition("/")[2]: name for name in sorted(pack.namelist()) if name.endswith(".txt")}
            except zipfile.BadZipFile:
                msg = f"{path}: neither a folder nor a zip file; give the GTFS zip or the folder with stops.txt"
                raise FormatError(msg) from None
        else:
            msg = f"{path} does not exist; give the GTFS zip or the folder with stops.txt"
            raise FormatError(msg)

    def read(self, name: str, columns: Sequence[str], faults: Faults, *, needed: bool = True) -> pl.DataFrame | None:
        """Return a table with all columns as text and its row in the file; None and a fault if it is missing."""
        file = f"{name}.txt"
        if file not in self.inside:
            if needed:
                faults.add(
                    file,
                    None,
                    columns[0],
                    "",
                    f"the file is missing in {self.path.name}; there are {', '.join(self.inside) or 'none'}",
                )
            return None
        if self.path.is_dir():
            data = Path(self.inside[file]).read_bytes()
        else:
            with zipfile.ZipFile(self.path) as pack:
                data = pack.read(self.inside[file])
        try:
            frame = pl.read_csv(io.BytesIO(data.removeprefix(b"\xef\xbb\xbf")), infer_schema=False, truncate_ragged_lines=True)
        except pl.exceptions.PolarsError as problem:
            faults.add(file, None, "", "", f"cannot be read as a table with commas ({str(problem).splitlines()[0]})")
            return None
        frame = frame.rename({c: c.strip() for c in frame.columns})
        missing = [c for c in columns if c not in frame.columns]
        for column in missing:
            faults.add(file, 1, column, "", f"the column is missing; there are {', '.join(frame.columns)}")
        if missing:
            return None
        text = frame.with_columns(pl.col(pl.String).str.strip_chars())
        return text.with_row_index("row", offset=2).filter(~pl.all_horizontal(pl.exclude("row").fill_null("") == ""))


def read_schedule(path: str | Path) -> pl.DataFrame:
    """Return the timetable of an airport week from a CSV file, as :func:`fleets.flights.check_schedule` takes it.

    Parameters
    ----------
    path
        CSV file with a head line. Columns size and, if wanted, stand; times either as arrive_min and depart_min (minutes from Monday 00:00) or as
        day (1 = Monday), arrive and depart (``7:35``, a departure before the arrival is one of the next day).

    Returns
    -------
    table
        Columns arrive_min, depart_min, size and, if the file has it, stand, in the order of the file.

    Raises
    ------
    FormatError
        With every fault found: file, row, column, value and what to do.
    """
    file, faults = Path(path), Faults()
    try:
        table = pl.read_csv(io.StringIO(file.read_text(encoding="utf-8-sig")), infer_schema=False).with_row_index("row", offset=2)
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as problem:
        msg = f"{file}: not a CSV file in UTF-8 that can be read: {problem}"
        raise FormatError(msg) from problem
    clock = "arrive_min" not in table.columns and "arrive" in table.columns
    wanted = ("day", "arrive", "depart", "size") if clock else ("arrive_min", "depart_min", "size")
    for column in wanted:
        if column not in table.columns:
            faults.add(file.name, None, column, "", f"add the column; there are {', '.join(table.columns[1:])}")
    faults.stop()
    if clock:
        # a time without seconds is one with none
        table = table.with_columns(pl.col("arrive", "depart").str.replace(r"^(\d{1,3}:\d{2})$", "${1}:00"))
        arrive, depart = clock_cells(table, file.name, "arrive", faults), clock_cells(table, file.name, "depart", faults)
        day = number_cells(table, file.name, "day", faults)
        faults.stop()
        begin = arrive + _DAY_MIN * (day - 1.0)
        end = depart + _DAY_MIN * (day - 1.0) + pl.Series(np.where((depart <= arrive).to_numpy(), _DAY_MIN, 0.0))
    else:
        begin, end = (number_cells(table, file.name, column, faults) for column in wanted[:2])
        faults.stop()
    found = pl.DataFrame({"arrive_min": begin, "depart_min": end, "size": table["size"]})
    return found.with_columns(table["stand"]) if "stand" in table.columns else found
