"""Blocks of vehicles from what is known of most lines: length, headway by hour, speed, layover, first and last departure."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.errors import BlockError
from fleets.records import DAY_MIN
from fleets.tables import as_frame, number_column

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

_MIN_PER_H = 60.0
_HOURS = 24
#: Rounding of the clock [min].
_SAME_MIN = 1e-6
BLOCK_SCHEMA: dict[str, Any] = {
    "vehicle": pl.Int64,
    "line": pl.String,
    "start_min": pl.Float64,
    "end_min": pl.Float64,
    "km": pl.Float64,
    "trips": pl.Int64,
}


@dataclass(frozen=True, slots=True)
class _Line:
    """One line as it is run: round trips that leave its first terminus."""

    name: str
    round_km: float
    #: Minutes on the road of a round trip by the hour in which it leaves.
    drive_min: NDArray[np.float64]
    layover_min: float
    departures: NDArray[np.float64]
    fleet: int | None


def line_blocks(
    lines: Any,
    *,
    headways: Any = None,
    speeds: Any = None,
    days: Iterable[int] = (0,),
    pull_in_min: float | None = None,
    longest_block_min: float = math.inf,
) -> pl.DataFrame:
    """Return the blocks of vehicles on lines that are known by length and headway only.

    Parameters
    ----------
    lines
        Table: ``line``, ``length_km`` (one way), ``speed_km_h`` (without layovers), ``layover_min`` (of a round trip, both ends together), ``first``
        and ``last`` (departures, ``HH:MM`` or minutes; a last one before the first is on the next day), and ``headway_min`` unless ``headways``
        has the line; optional ``fleet``, the vehicles there are. With a fleet and no headway it runs the even headway that the fleet can keep.
    headways
        Headway by hour: ``line``, ``hour`` (0-23) and ``headway_min``, or ``departures`` of that hour; hours that are missing take the line's
        ``headway_min``, or have no service if there is none. Departures spread evenly over the hour.
    speeds
        Speed by hour: ``line``, ``hour``, ``speed_km_h``.
    days
        Days on which the lines run, 0 = Monday.
    pull_in_min
        A vehicle that has nothing to do for longer goes to its depot and its block ends [min]; by default twice the largest headway of the line.
    longest_block_min
        Time after which a block ends with the round trip in hand [min].

    Returns
    -------
    table
        One row per block: vehicle, line, start_min, end_min (layover at the end left out), km, trips (round trips); sorted by start. A block for
        which the fleet of its line has no vehicle has none (null): drop these rows, or let a pool of the fleet's size miss some. It goes into :func:`fleets.simulate_depot` and, with ``bus`` for ``vehicle`` and kwh, into :func:`fleets.depot.simulate_bus_depot`.

    Raises
    ------
    BlockError
        With every fault of the tables: column, row, line, value and what to do.

    Notes
    -----
    A departure goes to the vehicle that came last and has had its layover, so that those left over when the headway grows go in; if there is
    none, to the one longest in the depot (for ``pull_in_min`` at least), else to a new one; who is still out after midnight begins its next day
    later. A line that runs round the clock (from the last departure of a day to the first of the next no longer than its longest headway, and a
    departure within an hour of midnight) has no end of the day: on days in a row its blocks go on over midnight, until ``longest_block_min``
    where that is given. With an even headway a line needs
    ceil((2 x length / speed + layover) / headway) vehicles.

    Examples
    --------
    A cycle of 2 x 10 km at 20 km/h and 10 min of layover is 70 min: at a headway of 10 min seven buses.

    >>> line = {"line": ["1"], "length_km": [10], "speed_km_h": [20], "layover_min": [10], "first": ["06:00"], "last": ["21:00"]}
    >>> blocks = line_blocks(line | {"headway_min": [10]})
    >>> blocks["vehicle"].n_unique(), float(blocks["km"].sum())
    (7, 1820.0)
    """
    made = _lines(lines, headways, speeds)
    rows: list[tuple[Any, ...]] = []
    first = 0
    for line in made:
        # when each vehicle has had the layover of its last block
        ready: list[float] = []
        pause = pull_in_min
        if pause is None:
            gaps = np.diff(line.departures)
            pause = 2.0 * float(gaps.max()) if gaps.size else 0.0
        for first_day, count in _runs(line, sorted(set(days))):
            leave = np.concatenate([line.departures + k * DAY_MIN for k in range(count)])
            blocks = _day(replace(line, departures=leave), float(first_day) * DAY_MIN, pause, longest_block_min, ready)
            there = len(ready) if line.fleet is None else line.fleet
            rows += [(first + v if v < there else None, line.name, a, b, n * line.round_km, n) for v, a, b, n in blocks]
        first += len(ready) if line.fleet is None else min(len(ready), line.fleet)
    return pl.DataFrame(rows, schema=BLOCK_SCHEMA, orient="row").sort("start_min", "vehicle", maintain_order=True)


def _runs(line: _Line, days: Sequence[int]) -> list[tuple[int, int]]:
    """Return the stretches of days that a line runs without a night's rest: first day and number of days."""
    found: list[tuple[int, int]] = []
    all_night = _round_the_clock(line)
    for day in days:
        begin, count = found[-1] if found else (day, 0)
        if all_night and count and day == begin + count:
            found[-1] = (begin, count + 1)
        else:
            found.append((day, 1))
    return found


def _round_the_clock(line: _Line) -> bool:
    """Return whether the next day goes on where a day ends: after no longer than the longest headway, with a departure about midnight."""
    gaps = np.diff(line.departures)
    night = float(line.departures[0]) + DAY_MIN - float(line.departures[-1])
    from_midnight = np.abs((line.departures + DAY_MIN / 2.0) % DAY_MIN - DAY_MIN / 2.0)
    return bool(gaps.size and 0.0 < night <= gaps.max() + _SAME_MIN and from_midnight.min() <= _MIN_PER_H)


def vehicles_needed(length_km: float, speed_km_h: float, layover_min: float, headway_min: float) -> int:
    """Return the vehicles of an even headway: the round trip with its layover over the headway, rounded up.

    Parameters
    ----------
    length_km
        One way [km].
    speed_km_h
        Speed without layovers [km/h].
    layover_min
        Layover of a round trip, both ends together [min].
    headway_min
        Time between departures [min].

    Raises
    ------
    BlockError
        If a value is not above 0 (layover: negative).

    Examples
    --------
    >>> vehicles_needed(10, 20, 10, 10), vehicles_needed(10, 20, 10.5, 10)
    (7, 8)
    """
    if not (length_km > 0.0 and speed_km_h > 0.0 and layover_min >= 0.0 and headway_min > 0.0):
        msg = f"length_km={length_km}, speed_km_h={speed_km_h} and headway_min={headway_min} must be above 0, layover_min={layover_min} not negative"
        raise BlockError(msg)
    cycle = 2.0 * length_km / speed_km_h * _MIN_PER_H + layover_min
    return math.ceil(cycle / headway_min - _SAME_MIN)


def _day(
    line: _Line, offset: float, pause_min: float, longest_min: float, known: list[float]
) -> list[tuple[int, float, float, int]]:
    """Return the blocks of a day (vehicle, start, end, trips); ``known`` holds when each vehicle is ready, before and after."""
    # vehicles on the road or in their layover by the time they are ready again; those that are, the last to come on top; those in the depot
    busy: list[tuple[float, int]] = []
    ready: list[tuple[float, int]] = []
    opening = float(line.departures[0])
    home = [(-math.inf if t - offset + pause_min <= opening else t - offset, v) for v, t in enumerate(known)]
    heapq.heapify(home)
    open_blocks: dict[int, tuple[float, float, int]] = {}
    blocks: list[tuple[int, float, float, int]] = []
    count = len(known)

    def ends(vehicle: int) -> None:
        blocks.append((vehicle, *open_blocks.pop(vehicle)))
        heapq.heappush(home, (blocks[-1][2] + line.layover_min, vehicle))

    for at in line.departures.tolist():
        back = at + float(line.drive_min[int(at // _MIN_PER_H) % _HOURS])
        while busy and busy[0][0] <= at + _SAME_MIN:
            ready.append(heapq.heappop(busy))
        # whoever has nothing to do for long is in the depot by now
        for _, vehicle in [r for r in ready if at - r[0] > pause_min + _SAME_MIN]:
            ends(vehicle)
        ready = [r for r in ready if at - r[0] <= pause_min + _SAME_MIN]
        while ready and back - open_blocks[ready[-1][1]][0] > longest_min + _SAME_MIN:
            ends(ready.pop()[1])
        if ready:
            vehicle = ready.pop()[1]
            start, _, trips = open_blocks[vehicle]
        elif home and home[0][0] + pause_min <= at + _SAME_MIN:
            vehicle, start, trips = heapq.heappop(home)[1], at, 0
        else:
            vehicle, start, trips = count, at, 0
            count += 1
        open_blocks[vehicle] = (start, back, trips + 1)
        heapq.heappush(busy, (back + line.layover_min, vehicle))
    blocks += [(v, *block) for v, block in open_blocks.items()]
    shifted = sorted(((v, a + offset, b + offset, n) for v, a, b, n in blocks), key=lambda b: (b[1], b[0]))
    known += [-math.inf] * (count - len(known))
    for vehicle, _, end, _ in shifted:
        known[vehicle] = max(known[vehicle], end + line.layover_min)
    return shifted


def _lines(lines: Any, headways: Any, speeds: Any) -> list[_Line]:
    table = as_frame(lines, "lines", BlockError)
    faults: list[str] = []
    missing = [c for c in ("line", "length_km", "speed_km_h", "layover_min", "first", "last") if c not in table.columns]
    if missing:
        msg = f"lines: column {', '.join(missing)} is missing; there are {', '.join(table.columns)}"
        raise BlockError(msg)
    if not {"headway_min", "fleet"} & set(table.columns) and headways is None:
        msg = "lines: column headway_min is missing: give it, a column fleet, or a table headways with line, hour and headway_min"
        raise BlockError(msg)
    names = table["line"].cast(pl.String).to_list()
    by_hour = _hourly(headways, ("headway_min", "departures"), names, "headways", faults)
    fast = _hourly(speeds, ("speed_km_h",), names, "speeds", faults)
    made = []
    for row, values in enumerate(table.iter_rows(named=True)):
        name = str(values["line"])
        numbers: dict[str, float] = {}
        for column, low in (
            ("length_km", 0.0),
            ("speed_km_h", 0.0),
            ("layover_min", -math.inf),
            ("headway_min", 0.0),
            ("fleet", 0.0),
        ):
            value = values.get(column)
            if value is None and column in {"headway_min", "fleet"}:
                continue
            number = _number(value)
            if not number > low or (column == "layover_min" and number < 0.0) or (column == "fleet" and number % 1.0):
                bound = "0 or more" if column == "layover_min" else "above 0" + ", a whole one" * (column == "fleet")
                faults.append(f"lines: {column} of line {name!r} (row {row}) is {value!r}; it must be a number {bound}")
            numbers[column] = number
        clock = [_clock(values[c], c, name, row, faults) for c in ("first", "last")]
        if names.count(name) > 1 and names.index(name) != row:
            faults.append(f"lines: line {name!r} stands in row {names.index(name)} and row {row}; give it one name per row")
        if faults:
            continue
        first, last = clock[0], clock[1] if clock[1] >= clock[0] else clock[1] + DAY_MIN
        drive = np.full(_HOURS, 2.0 * numbers["length_km"] / numbers["speed_km_h"] * _MIN_PER_H)
        for hour, found in fast.get(name, {}).items():
            drive[hour] = 2.0 * numbers["length_km"] / found["speed_km_h"] * _MIN_PER_H
        headway = numbers.get("headway_min")
        if headway is None and "fleet" in numbers and not by_hour.get(name):
            # as often as the fleet goes round
            headway = (float(drive.max()) + numbers["layover_min"]) / numbers["fleet"]
        leave = _departures(first, last, headway, by_hour.get(name, {}))
        if not leave.size:
            faults.append(f"lines: line {name!r} (row {row}) has no departure between {values['first']} and {values['last']}")
        fleet = int(numbers["fleet"]) if "fleet" in numbers else None
        made.append(_Line(name, 2.0 * numbers["length_km"], drive, numbers["layover_min"], leave, fleet))
    if faults:
        raise BlockError("; ".join(faults))
    return sorted(made, key=lambda line: names.index(line.name))


def _departures(
    first: float, last: float, headway: float | None, hours: Mapping[int, Mapping[str, float]]
) -> NDArray[np.float64]:
    """Return the departures of a day [min]; an hour with a number of its own spreads its departures evenly."""
    if not hours:
        return np.arange(first, last + _SAME_MIN, headway) if headway is not None else np.empty(0)
    found: list[float] = []
    at = first
    # the clock goes on with the headway of the hour it stands in
    while at <= last + _SAME_MIN:
        own = hours.get(int(at // _MIN_PER_H) % _HOURS, {})
        step = own.get("headway_min", headway)
        if "departures" in own:
            step = _MIN_PER_H / own["departures"] if own["departures"] > 0 else None
        if step is None:
            at = (math.floor(at / _MIN_PER_H) + 1.0) * _MIN_PER_H
            continue
        found.append(at)
        at += step
    return np.asarray(found)


def _hourly(
    table: Any, columns: tuple[str, ...], names: list[str], what: str, faults: list[str]
) -> dict[str, dict[int, dict[str, float]]]:
    if table is None:
        return {}
    frame = as_frame(table, what, BlockError)
    if not {"line", "hour"} <= set(frame.columns) or not set(columns) & set(frame.columns):
        msg = f"{what} need line, hour and {' or '.join(columns)}; there are {', '.join(frame.columns)}"
        raise BlockError(msg)
    hours = number_column(frame, "hour", BlockError)
    found: dict[str, dict[int, dict[str, float]]] = {}
    for row, values in enumerate(frame.iter_rows(named=True)):
        name, hour = str(values["line"]), hours[row]
        if name not in names:
            faults.append(f"{what}: line {name!r} in row {row} is not in the table of lines; there are {', '.join(names[:8])}")
        if hour != int(hour) or not 0 <= hour < _HOURS:
            faults.append(f"{what}: hour of line {name!r} (row {row}) is {hour:g}; it must be 0 to 23")
        given = {c: _number(values[c]) for c in columns if values.get(c) is not None}
        for column, number in given.items():
            if not (number > 0.0 or (column == "departures" and number == 0.0)):
                faults.append(f"{what}: {column} of line {name!r} (row {row}) is {values[column]!r}; it must be a number above 0")
        found.setdefault(name, {})[int(hour)] = given
    return found


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def _clock(value: Any, column: str, name: str, row: int, faults: list[str]) -> float:
    """Return a time of the day [min] from ``HH:MM`` or a number of minutes."""
    number = _number(value)
    if isinstance(value, str):
        hours, colon, minutes = value.strip().partition(":")
        if colon and hours.isdigit() and minutes.isdigit() and int(minutes) < _MIN_PER_H:
            number = int(hours) * _MIN_PER_H + int(minutes)
    if not 0.0 <= number <= 2 * DAY_MIN:
        faults.append(f"lines: {column} of line {name!r} (row {row}) is {value!r}; it must be a time HH:MM or minutes")
    return number
