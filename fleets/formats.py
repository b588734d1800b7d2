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

from fleets.flights import schedule_faults
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
    from collections.abc import Collection, Iterable, Sequence
    from datetime import date

_DAY_MIN = 1440.0
_DAYS = tuple(float(day) for day in range(1, 8))
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
    every_trip = trips
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
    frequencies = tables.read("frequencies", ("trip_id", "start_time", "end_time", "headway_secs"), faults, needed=False)
    if frequencies is not None:
        # trips of other days and routes are known and do not run; who is in no table is a slip
        named = frequencies.with_columns(pl.col("trip_id").fill_null(""))
        check_references(named, "trip_id", "trips", every_trip, faults, file="frequencies.txt")
    table = repeated(table, frequencies, faults)
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


def read_schedule(path: str | Path, sizes: Collection[str] | None = None) -> pl.DataFrame:
    """Return the timetable of an airport week from a CSV file, as :func:`fleets.flights.check_schedule` takes it.

    Parameters
    ----------
    path
        CSV file with a head line. Columns size and, if wanted, stand; times either as arrive_min and depart_min (minutes from Monday 00:00) or as
        day (1 = Monday), arrive and depart (``7:35``, a departure before the arrival is one of the next day).
    sizes
        Sizes that handling knows; where they are given, times, sizes and stands are checked too, so that one message holds every fault.

    Returns
    -------
    table
        Columns row (in the file, whose head line is row 1), arrive_min, depart_min, size and, if the file has it, stand, in the order of the file.

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
    # rows without anything are no turnarounds, and keep their place in the count
    table = table.with_columns(pl.col(pl.String).str.strip_chars()).filter(
        ~pl.all_horizontal(pl.exclude("row").fill_null("") == "")
    )
    if not table.height:
        faults.add(file.name, None, wanted[0], "", "there is no turnaround: add a row for each aircraft on a stand")
    if clock:
        # a time without seconds is one with none
        table = table.with_columns(pl.col("arrive", "depart").str.replace(r"^(\d{1,3}:\d{2})$", "${1}:00"))
        arrive, depart = clock_cells(table, file.name, "arrive", faults), clock_cells(table, file.name, "depart", faults)
        day = number_cells(table, file.name, "day", faults)
        no_day = ~day.is_in(_DAYS) & day.is_not_null()
        for row in table.filter(no_day).iter_rows(named=True):
            faults.add(file.name, row["row"], "day", row["day"], "it must be 1 (Monday) to 7 (Sunday)")
        day = day.set(no_day, None)
        for column, times in (("arrive", arrive), ("depart", depart)):
            for row in table.filter(times.is_null() & (table[column].fill_null("") == "")).iter_rows(named=True):
                faults.add(file.name, row["row"], column, "", "it must be a time H:MM")
        begin = arrive + _DAY_MIN * (day - 1.0)
        end = depart + _DAY_MIN * (day - 1.0) + pl.Series(np.where((depart <= arrive).to_numpy(), _DAY_MIN, 0.0))
    else:
        begin, end = (number_cells(table, file.name, column, faults) for column in wanted[:2])
    found = pl.DataFrame({"row": table["row"].cast(pl.Int64), "arrive_min": begin, "depart_min": end, "size": table["size"]})
    found = found.with_columns(table["stand"]) if "stand" in table.columns else found
    if sizes is not None:
        _check_turnarounds(found, table, sizes, file.name, faults)
    faults.stop()
    return found


def _check_turnarounds(found: pl.DataFrame, table: pl.DataFrame, sizes: Collection[str], file: str, faults: Faults) -> None:
    """Note what is wrong with times that are numbers, sizes and stands, in the words and rows of the file."""
    stand = pl.col("stand").replace("", None) if "stand" in found.columns else pl.lit(None, pl.String)
    for i, column, remedy in schedule_faults(found.with_columns(stand.alias("stand")), sizes):
        shown = column if column in table.columns else column.removesuffix("_min")
        # what is no number has its fault already, and says nothing about the other time
        if column not in {"arrive_min", "depart_min"} or found[column][i] is not None:
            faults.add(file, int(found["row"][i]), shown, table[shown][i] or "", remedy)
