"""Charging of one battery: constant power, then a linear taper (or a table of powers), in closed form.

The battery accepts ``max_kw`` up to ``taper_soc``; above it the accepted power falls linearly with the state of charge to ``end_kw`` at
100 %. A plug gives ``power_kw``; the battery takes the smaller of the two. Because ``end_kw`` is positive, 100 % is reached in finite time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from fleets.errors import ChargingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

_MIN_PER_H = 60.0


@dataclass(frozen=True, slots=True)
class Battery:
    """One battery type.

    Attributes
    ----------
    capacity_kwh
        Usable energy between 0 and 100 % [kWh].
    max_kw
        Largest power the battery accepts [kW].
    taper_soc
        State of charge where the taper begins [-].
    end_kw
        Accepted power at 100 % [kW]; positive, so that a full charge ends.
    """

    capacity_kwh: float
    max_kw: float
    taper_soc: float
    end_kw: float

    def __post_init__(self) -> None:
        _check(self.capacity_kwh, self.max_kw, self.taper_soc, self.end_kw)

    def accepted_kw(self, soc: float) -> float:
        """Return the power that the battery takes at a state of charge [kW]."""
        if soc <= self.taper_soc:
            return self.max_kw
        return self.max_kw - (self.max_kw - self.end_kw) / (1.0 - self.taper_soc) * (soc - self.taper_soc)

    def minutes(self, soc_start: float, soc_end: float, power_kw: float) -> float:
        """Return the minutes of one charge; the scalar twin of :func:`charge_time_min` for event loops."""
        if soc_end <= soc_start:
            return 0.0
        slope = (self.max_kw - self.end_kw) / (1.0 - self.taper_soc)
        flat_kw = min(power_kw, self.max_kw)
        corner = self.taper_soc + (self.max_kw - flat_kw) / slope if slope > 0.0 and flat_kw > self.end_kw else 1.0
        hours = 0.0
        if soc_start < corner:
            hours = (min(soc_end, corner) - soc_start) / flat_kw
        if soc_end > corner:
            top = self.max_kw - slope * (max(soc_start, corner) - self.taper_soc)
            bottom = self.max_kw - slope * (soc_end - self.taper_soc)
            hours += math.log(top / bottom) / slope
        return _MIN_PER_H * self.capacity_kwh * hours

    def soc_after(self, soc_start: float, minutes: float, power_kw: float) -> float:
        """Return the state of charge after some minutes; the scalar twin of :func:`soc_after_min`."""
        slope = (self.max_kw - self.end_kw) / (1.0 - self.taper_soc)
        flat_kw = min(power_kw, self.max_kw)
        corner = self.taper_soc + (self.max_kw - flat_kw) / slope if slope > 0.0 and flat_kw > self.end_kw else 1.0
        hours = minutes / (_MIN_PER_H * self.capacity_kwh)
        if soc_start < corner:
            to_corner = (corner - soc_start) / flat_kw
            if hours <= to_corner or corner >= 1.0:
                return min(1.0, soc_start + hours * flat_kw)
            hours -= to_corner
            soc_start = corner
        if soc_start >= 1.0:
            return 1.0
        top = self.max_kw - slope * (soc_start - self.taper_soc)
        return min(1.0, self.taper_soc + (self.max_kw - top * math.exp(-slope * hours)) / slope)


def charge_time_min(
    capacity_kwh: ArrayLike,
    soc_start: ArrayLike,
    soc_end: ArrayLike,
    power_kw: ArrayLike,
    *,
    max_kw: ArrayLike | None = None,
    taper_soc: ArrayLike | None = None,
    end_kw: ArrayLike | None = None,
    table: Sequence[tuple[float, float]] | None = None,
) -> NDArray[np.float64]:
    """Return the time of a charge with constant power and a taper [min].

    Parameters
    ----------
    capacity_kwh
        Battery energy [kWh].
    soc_start, soc_end
        State of charge at the begin and the end, 0 to 1.
    power_kw
        Power the plug delivers into the battery [kW].
    max_kw
        Largest power the battery accepts [kW]; the plug's power if not given.
    taper_soc
        State of charge where the taper begins; without one the power stays constant.
    end_kw
        Accepted power at 100 % [kW]; a tenth of ``max_kw`` if only the begin of the taper is given.
    table
        Accepted power by state of charge, rows (soc, kW), linear in between and constant outside, instead of the three above.

    Returns
    -------
    array
        Minutes, broadcast over the arguments; 0 where ``soc_end <= soc_start``.

    Raises
    ------
    ChargingError
        If a state of charge is outside 0 to 1, a power is not positive or ``end_kw`` is zero (100 % would never be reached).

    Notes
    -----
    With accepted power a(s) = max_kw - k (s - taper_soc), k = (max_kw - end_kw) / (1 - taper_soc), and the corner s_c where a(s_c) equals the
    plug power: t = C [(min(s1, s_c) - s0) / P + ln(a(max(s0, s_c)) / a(s1)) / k]. A table is a sum of such pieces.

    Examples
    --------
    >>> round(float(charge_time_min(100.0, 0.2, 0.8, 60.0, max_kw=60.0, taper_soc=0.8, end_kw=6.0)), 6)
    60.0
    >>> round(float(charge_time_min(100, 0, 1, 50)), 6)
    120.0
    """
    cap, s0, s1, power = _arrays(capacity_kwh, soc_start, soc_end, power_kw)
    if not np.all((s0 >= 0) & (s0 <= 1) & (s1 >= 0) & (s1 <= 1)):
        msg = (
            f"state of charge must lie in 0 to 1, got {float(np.min(np.minimum(s0, s1)))} to {float(np.max(np.maximum(s0, s1)))}"
        )
        raise ChargingError(msg)
    if not np.all(power > 0):
        msg = f"power_kw={float(np.min(power))} must be positive"
        raise ChargingError(msg)
    if table is not None:
        if not (max_kw is None and taper_soc is None and end_kw is None):
            msg = "give either table or max_kw, taper_soc and end_kw"
            raise ChargingError(msg)
        if not np.all(cap > 0):
            msg = f"capacity_kwh={float(np.min(cap))} must be positive"
            raise ChargingError(msg)
        return _table_minutes(cap, s0, np.maximum(s0, s1), power, table)
    (top,) = _arrays(power if max_kw is None else max_kw)
    if taper_soc is None:
        taper, end = np.zeros(()), top if end_kw is None else np.asarray(end_kw, dtype=np.float64)
    else:
        taper, end = _arrays(taper_soc, 0.1 * top if end_kw is None else end_kw)
    _check(cap, top, taper, end)
    return minutes_kernel(curve_of(cap, power, top, taper, end), s0, np.maximum(s0, s1))


def _table_minutes(
    cap: NDArray[np.float64],
    s0: NDArray[np.float64],
    s1: NDArray[np.float64],
    power: NDArray[np.float64],
    table: Sequence[tuple[float, float]],
) -> NDArray[np.float64]:
    """Return the minutes along a table of accepted powers; every piece is linear and has its own logarithm."""
    rows = np.asarray(table, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != 2 or not len(rows) or np.any(np.diff(rows[:, 0]) <= 0) or not np.all(rows[:, 1] > 0):
        msg = "table needs rows (soc, kW) with rising states of charge and positive powers"
        raise ChargingError(msg)
    soc = np.concatenate([[-1.0], rows[:, 0], [2.0]])
    kw = np.concatenate([rows[:1, 1], rows[:, 1], rows[-1:, 1]])
    hours = np.zeros(np.broadcast_shapes(cap.shape, s0.shape, s1.shape, power.shape))
    for a, b, low, high in zip(soc[:-1], soc[1:], kw[:-1], kw[1:], strict=True):
        slope = (high - low) / (b - a)
        # the plug's power divides a piece where the battery accepts just that much
        cross = np.clip(a + (power - low) / slope, a, b) if slope != 0.0 else np.full_like(power, b)
        for left, right in ((np.full_like(cross, a), cross), (cross, np.full_like(cross, b))):
            begin = np.clip(s0, left, right)
            width = np.clip(s1, left, right) - begin
            start_kw, middle = low + slope * (begin - a), low + slope * ((left + right) / 2.0 - a)
            grow = slope * width / start_kw
            # ln(1 + x) / x is 1 where the power is constant
            factor = np.where(np.abs(grow) > 1e-12, np.log1p(grow) / np.where(grow == 0.0, 1.0, grow), 1.0 - grow / 2.0)
            hours = hours + np.where(middle < power, width / start_kw * factor, width / power)
    return np.asarray(_MIN_PER_H * cap * hours)


def soc_after_min(
    capacity_kwh: ArrayLike,
    soc_start: ArrayLike,
    minutes: ArrayLike,
    power_kw: ArrayLike,
    *,
    max_kw: ArrayLike,
    taper_soc: ArrayLike,
    end_kw: ArrayLike,
) -> NDArray[np.float64]:
    """Return the state of charge after some minutes at the plug: the inverse of :func:`charge_time_min`.

    Parameters
    ----------
    capacity_kwh
        Battery energy [kWh].
    soc_start
        State of charge at the begin, 0 to 1.
    minutes
        Time at the plug [min].
    power_kw
        Power the plug delivers into the battery [kW].
    max_kw, taper_soc, end_kw
        As in :func:`charge_time_min`.

    Returns
    -------
    array
        State of charge, at most 1.
    """
    cap, s0, t_min, power, top, taper, end = _arrays(capacity_kwh, soc_start, minutes, power_kw, max_kw, taper_soc, end_kw)
    return soc_kernel(curve_of(cap, power, top, taper, end), s0, t_min)


def minutes_kernel(curve: Curve, s0: NDArray[np.float64], s1: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the minutes from ``s0`` to ``s1 >= s0`` without checks, for inner loops."""
    cap, flat, corner, slope, top, taper = curve
    hours = np.maximum(np.minimum(s1, corner) - s0, 0.0) / flat
    over = s1 > corner
    if over.any():
        upper = top - slope * (np.maximum(s0, corner) - taper)
        lower = top - slope * (np.maximum(s1, corner) - taper)
        # below the corner both powers are the same and the logarithm is 0; beyond 100 % they mean nothing
        hours = hours + np.log(np.where(over, upper / np.where(over, lower, 1.0), 1.0)) / slope
    minutes: NDArray[np.float64] = _MIN_PER_H * cap * hours
    return minutes


def soc_kernel(curve: Curve, s0: NDArray[np.float64], minutes: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return the state of charge after ``minutes`` without checks, for inner loops."""
    cap, flat, corner, slope, top, taper = curve
    hours = minutes / (_MIN_PER_H * cap)
    tail = hours - np.maximum(corner - s0, 0.0) / flat
    soc: NDArray[np.float64] = s0 + hours * flat
    over = (tail > 0.0) & (corner < 1.0)
    if over.any():
        upper = top - slope * (np.maximum(s0, corner) - taper)
        soc = np.where(over, taper + (top - upper * np.exp(-slope * np.maximum(tail, 0.0))) / slope, soc)
    return np.minimum(soc, 1.0)


#: What a charge needs to know: capacity [kWh], power before the corner [kW], state of charge at the corner, slope of the taper [kW],
#: largest power [kW], state of charge where the taper begins.
Curve: TypeAlias = "tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]"


def curve_of(
    cap: NDArray[np.float64],
    power: NDArray[np.float64] | float,
    top: NDArray[np.float64],
    taper: NDArray[np.float64],
    end: NDArray[np.float64],
) -> Curve:
    """Return the charging curve of batteries at a plug power: capacity, flat power, corner, slope, top, taper."""
    # A battery without taper (max_kw = end_kw) gets a slope that never acts, because its corner is at 100 %.
    drop = top - end
    slope = np.where(drop > 0.0, drop, 1.0) / np.where(taper < 1.0, 1.0 - taper, 1.0)
    flat = np.minimum(power, top)
    corner = np.where((drop > 0.0) & (flat > end), taper + (top - flat) / slope, 1.0)
    return cap, flat, corner, slope, top, taper


def _arrays(*values: ArrayLike) -> tuple[NDArray[np.float64], ...]:
    return tuple(np.asarray(v, dtype=np.float64) for v in values)


def _check(capacity_kwh: ArrayLike, max_kw: ArrayLike, taper_soc: ArrayLike, end_kw: ArrayLike) -> None:
    cap, top, taper, end = _arrays(capacity_kwh, max_kw, taper_soc, end_kw)
    if not np.all(cap > 0):
        msg = f"capacity_kwh={float(np.min(cap))} must be positive"
        raise ChargingError(msg)
    if not np.all((taper >= 0) & (taper < 1)):
        msg = f"taper_soc={float(np.max(taper))} must lie in 0 to below 1"
        raise ChargingError(msg)
    if not np.all(end > 0):
        msg = f"end_kw={float(np.min(end))} must be positive: with no power left at 100 % a full charge never ends"
        raise ChargingError(msg)
    if not np.all(end <= top):
        msg = f"end_kw={float(np.max(end))} exceeds max_kw={float(np.min(top))}"
        raise ChargingError(msg)
