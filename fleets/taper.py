"""A battery whose accepted power is read from a table, for the simulations: the same closed forms as a linear taper, piece by piece."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from fleets.errors import ChargingError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MIN_PER_H = 60.0


@dataclass(frozen=True, slots=True)
class TableBattery:
    """One battery type whose power falls along a table instead of one straight line.

    Attributes
    ----------
    capacity_kwh
        Usable energy between 0 and 100 % [kWh].
    table
        Accepted power by state of charge, rows (soc, kW): rising states of charge, powers positive and not rising; linear in between, constant
        below the first row and above the last.

    Raises
    ------
    ChargingError
        If the table is empty, its states of charge do not rise within 0 to 1, or its powers rise or are not positive.

    Notes
    -----
    On each piece the accepted power is a(s) = a_i - k_i (s - s_i), as in the linear taper of :class:`fleets.battery.Battery`; a charge is the
    sum of its pieces, as in :func:`fleets.battery.charge_time_min` with ``table``.

    Examples
    --------
    >>> battery = TableBattery(100.0, ((0.5, 100.0), (0.8, 40.0), (1.0, 10.0)))
    >>> round(battery.minutes(0.2, 0.5, 100.0), 6), battery.taper_soc, battery.max_kw
    (18.0, 0.5, 100.0)
    """

    capacity_kwh: float
    table: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        socs, powers = [float(s) for s, _ in self.table], [float(p) for _, p in self.table]
        if not self.capacity_kwh > 0.0:
            msg = f"capacity_kwh={self.capacity_kwh} must be positive"
            raise ChargingError(msg)
        rising = all(a < b for a, b in itertools.pairwise(socs))
        if not socs or not rising or not (socs[0] >= 0.0 and socs[-1] <= 1.0):
            msg = f"table needs rows (soc, kW) with states of charge that rise from 0 to 1, got {socs}"
            raise ChargingError(msg)
        if not all(p > 0.0 for p in powers) or any(a < b for a, b in itertools.pairwise(powers)):
            msg = f"powers of the table must be positive and must not rise with the state of charge, got {powers} kW"
            raise ChargingError(msg)

    @property
    def max_kw(self) -> float:
        """Return the largest power the battery accepts [kW]."""
        return float(self.table[0][1])

    @property
    def taper_soc(self) -> float:
        """Return the state of charge up to which it accepts that power."""
        top = self.max_kw
        return float(max((s for s, p in self.table if p >= top), default=1.0))

    @property
    def end_kw(self) -> float:
        """Return the accepted power at 100 % [kW]."""
        return float(self.table[-1][1])

    def accepted_kw(self, soc: float) -> float:
        """Return the power that the battery takes at a state of charge [kW]."""
        i = bisect_right([s for s, _ in self.table], soc)
        if i in {0, len(self.table)}:
            return float(self.table[min(i, len(self.table) - 1)][1])
        (low, kw), (high, less) = self.table[i - 1], self.table[i]
        return kw - (kw - less) / (high - low) * (soc - low)

    def minutes(self, soc_start: float, soc_end: float, power_kw: float) -> float:
        """Return the minutes of one charge [min]."""
        return sum(self._time(line, begin, end, power_kw) for line, begin, end in self._pieces(soc_start, soc_end))

    def soc_after(self, soc_start: float, minutes: float, power_kw: float) -> float:
        """Return the state of charge after some minutes at the plug."""
        soc = soc_start
        for line, begin, end in self._pieces(soc_start, 1.0):
            needed = self._time(line, begin, end, power_kw)
            if minutes < needed:
                return min(end, self._soc(line, begin, minutes, power_kw))
            minutes -= needed
            soc = end
        return soc

    def stretches(self, start_min: float, end_min: float, soc_start: float, power_kw: float) -> Iterator[tuple[float, ...]]:
        """Yield the straight pieces of a stretch at constant plug power.

        Each is (begin [min], end [min], state of charge at the begin, capacity [kWh], power and state of charge where the line begins, power
        at which the line would reach 100 % [kW]; the last may be negative, the line is left before).
        """
        now = start_min
        for line, begin, end in self._pieces(soc_start, 1.0):
            until = min(end_min, now + self._time(line, begin, end, power_kw))
            if until > now:
                yield now, until, begin, self.capacity_kwh, line.kw, line.soc, line.kw - line.slope * (1.0 - line.soc)
            now = until
            if now >= end_min:
                return

    def _time(self, line: _Line, begin: float, end: float, power_kw: float) -> float:
        """Return the minutes along one line."""
        corner = line.corner(power_kw)
        hours = max(min(end, corner) - begin, 0.0) / min(power_kw, line.kw)
        if end > corner:
            hours += math.log(line.at(max(begin, corner)) / line.at(end)) / line.slope
        return _MIN_PER_H * self.capacity_kwh * hours

    def _soc(self, line: _Line, begin: float, minutes: float, power_kw: float) -> float:
        """Return the state of charge after some minutes along one line."""
        hours, corner, flat = minutes / (_MIN_PER_H * self.capacity_kwh), line.corner(power_kw), min(power_kw, line.kw)
        level = max(corner - begin, 0.0) / flat
        if hours <= level:
            return begin + hours * flat
        begin = max(begin, corner)
        return line.soc + (line.kw - line.at(begin) * math.exp(-line.slope * (hours - level))) / line.slope

    def _pieces(self, soc_start: float, soc_end: float) -> Iterator[tuple[_Line, float, float]]:
        """Yield line, begin and end of every piece between two states of charge."""
        socs = [s for s, _ in self.table]
        begin = soc_start
        while begin < soc_end:
            i = bisect_right(socs, begin)
            if i in {0, len(socs)}:
                line = _Line(0.0, self.table[min(i, len(socs) - 1)][1], 0.0)
            else:
                (low, kw), (high, less) = self.table[i - 1], self.table[i]
                line = _Line(low, kw, (kw - less) / (high - low))
            end = min(soc_end, socs[i] if i < len(socs) else 1.0)
            yield line, begin, end
            begin = end


class _Line(NamedTuple):
    """Accepted power kw - slope x (s - soc)."""

    soc: float
    kw: float
    slope: float

    def at(self, soc: float) -> float:
        """Return the accepted power at a state of charge [kW]."""
        return self.kw - self.slope * (soc - self.soc)

    def corner(self, power_kw: float) -> float:
        """Return the state of charge up to which the plug decides."""
        if self.slope <= 0.0:
            return math.inf
        return self.soc + max(self.kw - power_kw, 0.0) / self.slope
