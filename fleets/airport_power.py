"""Power of aircraft on stand: bridge power, mobile ground power, or the auxiliary turbine and its fuel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class StandPower:
    """Electric load and turbine of aircraft on stand.

    Attributes
    ----------
    ground_power_share
        Share of turnarounds on ground power at contact and at remote stands.
    load_kw
        Electric load from the ground by size: power and preconditioned air [kW].
    converter_efficiency
        Energy at the aircraft / grid energy of the fixed supply.
    connect_min
        Time the turbine runs although ground power is used [min].
    turbine_kg_per_h
        Fuel flow of the auxiliary turbine by size [kg/h].
    turbine_share
        Part of the time on stand that the turbine runs where no ground power is used.
    long_stay_min
        Stay above which the aircraft is switched off between arrival and departure [min].
    stay_min
        Time such an aircraft is switched on, half after the arrival and half before the departure, by size [min].
    """

    ground_power_share: tuple[float, float]
    load_kw: Mapping[str, float]
    converter_efficiency: float
    connect_min: float
    turbine_kg_per_h: Mapping[str, float]
    turbine_share: float
    long_stay_min: float
    stay_min: Mapping[str, float]


@dataclass(frozen=True)
class Stays:
    """Aircraft on stand in a run.

    Attributes
    ----------
    arrive_min, leave_min
        Begin and end of the stay, arrays ``(turnaround,)`` [min].
    size
        Aircraft size, array ``(turnaround,)``.
    fixed, mobile
        Whether the aircraft is on fixed or on mobile ground power, arrays ``(turnaround,)``.
    """

    arrive_min: NDArray[np.float64]
    leave_min: NDArray[np.float64]
    size: NDArray[np.object_]
    fixed: NDArray[np.bool_]
    mobile: NDArray[np.bool_]


def stand_power(
    power: StandPower, stays: Stays, *, horizon_min: int, step_min: int
) -> tuple[dict[str, float], NDArray[np.float64]]:
    """Return totals of the stays that begin in the week, and the grid load of the fixed supply by step [kW].

    Parameters
    ----------
    power
        Loads and turbines.
    stays
        Aircraft on stand.
    horizon_min, step_min
        End of the week and length of a step [min].

    Returns
    -------
    totals
        Turnarounds, powered, turbine_h, turbine_kg, turbine_without_kg (if nobody took ground power), fixed_kwh (grid energy).
    load
        Array ``(step,)``; a stay across the end of the week counts as far as it lies within.

    Notes
    -----
    On time T of an aircraft: its stay, or the time on of the size where it stays long. Turbine c on ground power and r T otherwise, as in the
    year model; c is shared out evenly between arrival and departure of a long stay.
    """
    # a long stay is switched on twice: at the arrival and before the departure
    stay = stays.leave_min - stays.arrive_min
    usual = np.array([power.stay_min[s] for s in stays.size]) if stay.size else np.zeros(0)
    long = stay > power.long_stay_min
    on = np.where(long, np.minimum(usual, stay), stay)
    powered = stays.fixed | stays.mobile
    connect = np.minimum(power.connect_min, on)
    turbine = np.where(powered, connect, power.turbine_share * on)
    flow = np.array([power.turbine_kg_per_h[s] for s in stays.size]) if stay.size else np.zeros(0)
    kw = np.array([power.load_kw[s] for s in stays.size]) if stay.size else np.zeros(0)
    kw = np.where(stays.fixed, kw / power.converter_efficiency, 0.0)
    half = np.where(long, 0.5, 1.0)
    first = (stays.arrive_min + connect * half, stays.arrive_min + on * half)
    second = (stays.leave_min - (on - connect) * 0.5, stays.leave_min)
    begin = np.concatenate([first[0], second[0][long]])
    end = np.concatenate([first[1], second[1][long]])
    height = np.concatenate([kw, kw[long]])
    inside = (stays.arrive_min >= 0) & (stays.arrive_min < horizon_min)
    counted = np.concatenate([inside, inside[long]])
    edges = np.arange(0.0, horizon_min + step_min, step_min)
    # mean load of a step = sum over aircraft of power x time inside the step, by the integral of the step function at its edges
    load = np.maximum(np.diff(integral(begin[counted], end[counted], height[counted], edges)), 0.0) / step_min
    return {
        "turnarounds": float(inside.sum()),
        "powered": float(powered[inside].sum()),
        "turbine_h": float(turbine[inside].sum()) / 60.0,
        "turbine_kg": float((turbine * flow)[inside].sum()) / 60.0,
        "turbine_without_kg": float((power.turbine_share * on * flow)[inside].sum()) / 60.0,
        "fixed_kwh": float(load.sum()) * step_min / 60.0,
    }, load


def integral(
    begin: NDArray[np.float64], end: NDArray[np.float64], height: NDArray[np.float64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the integral from minus infinity to ``at`` of a sum of rectangles.

    Parameters
    ----------
    begin, end, height
        Rectangles, arrays ``(rectangle,)``.
    at
        Upper ends of the integral.

    Examples
    --------
    >>> import numpy as np
    >>> integral(np.array([0.0]), np.array([10.0]), np.array([2.0]), np.array([5.0, 20.0])).tolist()
    [10.0, 20.0]
    """
    times = np.concatenate([begin, end])
    slopes = np.concatenate([height, -height])
    order = np.argsort(times, kind="stable")
    times, slopes = times[order], np.cumsum(slopes[order])
    if not times.size:
        return np.zeros_like(at)
    values = np.concatenate([[0.0], np.cumsum(slopes[:-1] * np.diff(times))])
    total: NDArray[np.float64] = np.interp(at, times, values)
    return total
