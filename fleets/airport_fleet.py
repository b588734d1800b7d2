"""The units of an airport, what its timetable needs of them hour by hour, and the records of a run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fleets.records import Session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fleets.airport import Equipment
    from fleets.airport_work import Work
    from fleets.battery import Battery
    from fleets.plug_bank import Charge

_HOUR = 60.0
SITE = "apron"
#: State of a visit to the plugs -> state of its session.
_STATES = {"served": "charged", "cut": "charged", "left": "left", "charging": "charging", "waiting": "waiting"}


@dataclass(frozen=True)
class Fleet:
    """The units of an airport: those of a kind stand together, the electric ones first.

    Attributes
    ----------
    kinds
        Kinds of equipment.
    units, electric
        Number of units and of electric units by kind.
    batteries
        Battery by kind.
    kwh_per_min
        Energy of an electric unit per minute at the aircraft by kind [kWh/min].
    """

    kinds: tuple[str, ...]
    units: tuple[int, ...]
    electric: tuple[int, ...]
    batteries: tuple[Battery, ...]
    kwh_per_min: NDArray[np.float64]

    @classmethod
    def of(cls, equipment: Sequence[Equipment], factor: Mapping[str, float]) -> Fleet:
        """Return the units of pools of equipment with a factor on the energy by kind."""
        return cls(
            tuple(e.kind for e in equipment),
            tuple(e.units for e in equipment),
            tuple(e.electric_units for e in equipment),
            tuple(e.battery for e in equipment),
            np.array([e.kwh_per_min * factor.get(e.kind, 1.0) for e in equipment]),
        )

    @property
    def capacity_kwh(self) -> NDArray[np.float64]:
        """Return the capacity of each unit; 0 of those that are not electric, array ``(unit,)`` [kWh]."""
        parts = [
            np.where(np.arange(n) < e, b.capacity_kwh, 0.0)
            for n, e, b in zip(self.units, self.electric, self.batteries, strict=True)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)


@dataclass
class Flow:
    """What happened: arrays ``(task,)`` not a number where nothing happened yet, sessions, and where the units are at the end."""

    asked: NDArray[np.float64]
    start: NDArray[np.float64]
    missed: NDArray[np.bool_]
    electric_units: NDArray[np.int64]
    unpowered: NDArray[np.bool_]
    sessions: list[Session]
    segments: NDArray[np.float64]
    soc: NDArray[np.float64]
    ready: int
    empty: int
    busy: int
    held: int
    events: int


def needed_by_hour(work: Work, own: NDArray[np.bool_], begin_min: float, end_min: float) -> list[int]:
    """Return the units that tasks bind at once in each hour of the run or the next, if nothing is missing."""
    hours = math.ceil((end_min - begin_min) / _HOUR) + 1
    start = work.unlimited[own]
    change = np.concatenate([work.units[own], -work.units[own]])
    times = np.concatenate([start, start + work.minutes[own] + work.returns[own]])
    # an end frees its units before a begin at the same time
    order = np.lexsort((change, times))
    level = np.concatenate([[0], np.cumsum(change[order])])
    edge = begin_min + _HOUR * np.arange(hours + 1)
    most = level[np.searchsorted(times[order], edge)]
    hour = np.clip(((times[order] - begin_min) // _HOUR).astype(np.int64), 0, hours)
    np.maximum.at(most, hour, level[1:])
    return [int(n) for n in np.maximum(most[:-1], most[1:])]


def session_of(visit: Charge, efficiency: float) -> Session:
    """Return a visit to the plugs as a session, with its grid energy at an efficiency."""
    state = _STATES[visit.state]
    done = state in {"charged", "left"}
    return Session(
        SITE,
        visit.vehicle,
        visit.arrive_min,
        visit.start_min,
        visit.end_min if done else None,
        visit.soc_start,
        visit.soc,
        visit.stored_kwh,
        visit.stored_kwh / efficiency,
        state,
    )
