"""Plugs of one site as a shared resource in SimPy: one queue, plugs of any power, a feeder that all who charge share.

Everything that happens at one instant is settled at the end of that instant: first plugs come free and vehicles arrive, then the queue is served
in its order, then the feeder is shared, and only then does anybody run out of patience. A tie therefore never depends on the order of events.
Between two instants every charge follows its closed form; nothing is polled.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import simpy
from simpy.events import EventPriority

from fleets.errors import ChargingError
from fleets.records import SEGMENT_COLUMNS, segment
from fleets.taper import TableBattery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from fleets.battery import Battery

_MIN_PER_H = 60.0
#: Share of a charge that rounding may leave open.
_FULL = 1e-9
#: SimPy knows the priorities 0 (urgent) and 1 (normal).
SETTLE, GIVE_UP = EventPriority(2), EventPriority(3)


@dataclass(slots=True, eq=False)
class Charge:
    """One visit of a vehicle to the plugs.

    Attributes
    ----------
    vehicle
        Number of the vehicle.
    capacity_kwh
        Energy between a state of charge of 0 and 1 [kWh].
    max_kw
        Largest power the vehicle takes [kW].
    soc, target
        State of charge now and wanted; a charge may end earlier.
    battery
        Curve of the battery; constant power if there is none.
    priority
        Smaller goes first where the queue has priorities.
    leave_min
        Time at which the vehicle gives up, in the queue or at the plug [min].
    patience_min
        Longest wait for a plug [min].
    hold_until_min
        Time until which the vehicle keeps its plug after the charge [min].
    alone_min
        Minutes of the whole charge at full power, if known exactly.
    start_min, end_min, release_min
        When the charge began and ended and the plug came free [min].
    state
        ``waiting``, ``charging``, ``served``, ``left`` (from the queue), ``cut`` (from the plug), ``lost`` (no place to wait).
    """

    vehicle: int
    capacity_kwh: float
    max_kw: float
    soc: float = 0.0
    target: float = 1.0
    battery: Battery | TableBattery | None = None
    priority: float = 0.0
    leave_min: float = math.inf
    patience_min: float = math.inf
    hold_until_min: float = -math.inf
    alone_min: float | None = None
    arrive_min: float = math.nan
    start_min: float | None = None
    end_min: float | None = None
    release_min: float | None = None
    soc_start: float = 0.0
    state: str = "new"
    plug: int = -1
    #: Power it may draw at its plug, power it is granted, and the time its state of charge stands for.
    cap_kw: float = 0.0
    rate_kw: float = 0.0
    since: float = 0.0
    finish: float = math.inf
    #: Whether ``finish`` is the end of the charge, or a time before which it cannot end.
    exact: bool = True
    done: simpy.Event | None = None

    @property
    def stored_kwh(self) -> float:
        """Return the energy charged so far [kWh]."""
        return (self.soc - self.soc_start) * self.capacity_kwh

    def minutes(self, target: float) -> float:
        """Return the minutes to a state of charge at the granted power [min]."""
        if target <= self.soc:
            return 0.0
        if not self.rate_kw > 0.0:
            return math.inf
        if self.battery is not None:
            return self.battery.minutes(self.soc, target, self.rate_kw)
        if self.alone_min is not None and self.soc == self.soc_start and self.rate_kw == self.max_kw:
            return self.alone_min
        return (target - self.soc) * self.capacity_kwh / self.rate_kw * _MIN_PER_H

    def soc_at(self, now: float) -> float:
        """Return the state of charge at a time since the last change of power, for a vehicle at a plug."""
        if not self.rate_kw > 0.0:
            return self.soc
        soc = self.soc + self.rate_kw * (now - self.since) / _MIN_PER_H / self.capacity_kwh
        if self.battery is not None and soc > self.battery.taper_soc:
            soc = self.battery.soc_after(self.soc, now - self.since, self.rate_kw)
        return min(self.target, soc)


class At(simpy.Event):
    """A timer with a priority among the events of its instant."""

    def __init__(
        self, env: simpy.Environment, delay: float, priority: EventPriority, callback: Callable[[simpy.Event], None], value: Any
    ) -> None:
        super().__init__(env)
        self.callbacks.append(callback)
        self._ok = True
        self._value = value
        env.schedule(self, priority=priority, delay=delay)


class PlugBank:
    """Plugs, their queue and their feeder.

    Parameters
    ----------
    env
        SimPy environment.
    powers_kw
        Power of each plug [kW]; infinite where the vehicle alone decides. An empty list is a site without plugs: everybody waits.
    feeder_kw
        Power all plugs share [kW], handed out max-min fair: equal shares, and what one cannot take goes to the others.
    by_priority
        Whether the queue goes by priority before it goes by arrival.
    places
        Places to wait; without a limit if None, 0 = who finds no free plug is lost.
    stretches
        Whether stretches of constant power are kept (for load curves).
    """

    def __init__(
        self,
        env: simpy.Environment,
        powers_kw: Sequence[float],
        *,
        feeder_kw: float = math.inf,
        by_priority: bool = False,
        places: int | None = None,
        stretches: bool = False,
    ) -> None:
        if any(not p > 0.0 for p in powers_kw) or not feeder_kw >= 0.0:
            msg = f"plug powers {list(powers_kw)} kW must be positive and feeder_kw={feeder_kw} not negative"
            raise ChargingError(msg)
        self.env = env
        self.powers = [float(p) for p in powers_kw]
        self.feeder_kw, self.by_priority, self.places = float(feeder_kw), by_priority, places
        #: Free plugs, the strongest first.
        self.free = [(-p, i) for i, p in enumerate(self.powers)]
        heapq.heapify(self.free)
        self.queue: list[tuple[float, int, Charge]] = []
        self.active: dict[int, Charge] = {}
        self.waiting = 0
        #: Called after every settled instant.
        self.watchers: list[Callable[[], None]] = []
        self.stretches: list[tuple[float, float, float, float, Charge]] | None = [] if stretches else None
        self._serial = 0
        self._newcomers: list[Charge] = []
        self._fresh: list[Charge] = []
        self._ends: list[tuple[float, int, Charge]] = []
        self._asked_kw = 0.0
        self._limited = False
        self._settling = False
        self._timer = math.inf
        self._version = 0

    def arrive(self, charge: Charge) -> simpy.Event:
        """Put a vehicle into the queue; the event fires when its visit is over, whatever its state is then."""
        env = self.env
        charge.arrive_min, charge.soc_start, charge.state = float(env.now), charge.soc, "waiting"
        charge.done = env.event()
        self._serial += 1
        heapq.heappush(self.queue, (charge.priority if self.by_priority else 0.0, self._serial, charge))
        self.waiting += 1
        if self.places is not None:
            self._newcomers.append(charge)
        until = min(charge.leave_min, charge.arrive_min + charge.patience_min)
        if until < math.inf:
            At(env, max(0.0, until - env.now), GIVE_UP, self._gives_up, charge)
        self._touch()
        return charge.done

    def withdraw(self, charge: Charge) -> None:
        """Take a vehicle out of the queue or off its plug at once."""
        if charge.state == "waiting":
            self.waiting -= 1
            self._leave(charge, "left")
        elif charge.state == "charging":
            self._advance(charge, float(self.env.now))
            self._off(charge, "served" if charge.target - charge.soc <= _FULL else "cut", float(self.env.now))
            self._touch()

    def close(self) -> None:
        """Bring the states of charge of those at the plugs to the present time."""
        for charge in self.active.values():
            self._advance(charge, float(self.env.now))

    def segments(self, efficiency: float) -> NDArray[np.float64]:
        """Return the stretches of constant power of all batteries, array ``[segment, column]`` (:data:`fleets.records.SEGMENT_COLUMNS`).

        Parameters
        ----------
        efficiency
            Stored energy / grid energy.
        """
        rows: list[tuple[float, ...]] = []
        for begin, end, soc, power, charge in self.stretches or ():
            if isinstance(charge.battery, TableBattery):
                pieces = charge.battery.stretches(begin, end, soc, power)
                rows += [(since, until, at, power, efficiency, *line) for since, until, at, *line in pieces]
            elif charge.battery is not None:
                rows.append(segment(charge.battery, begin, end, soc, power, efficiency))
        return np.array(rows, dtype=np.float64).reshape(-1, SEGMENT_COLUMNS)

    def _leave(self, charge: Charge, state: str) -> None:
        charge.state, charge.end_min, charge.release_min = state, float(self.env.now), float(self.env.now)
        if charge.done is not None:
            charge.done.succeed(charge)

    def _gives_up(self, event: simpy.Event) -> None:
        charge: Any = event.value
        now = float(self.env.now)
        if charge.state == "waiting" or (charge.state == "charging" and charge.leave_min <= now):
            self.withdraw(charge)
        elif charge.state == "charging" and charge.leave_min < math.inf:
            At(self.env, charge.leave_min - now, GIVE_UP, self._gives_up, charge)

    def _touch(self) -> None:
        if not self._settling:
            self._settling = True
            At(self.env, 0.0, SETTLE, self._settle, None)

    def _settle(self, _: simpy.Event) -> None:
        self._settling = False
        now = float(self.env.now)
        while self.free and self.waiting:
            charge = heapq.heappop(self.queue)[2]
            if charge.state == "waiting" and charge.leave_min <= now:
                # it departs at this very instant
                self.withdraw(charge)
            elif charge.state == "waiting":
                self._plug_in(charge, now)
        if self.places is not None:
            self._turn_away(self.places)
        self._share(now)
        self._set_timer(now)
        for watcher in self.watchers:
            watcher()

    def _plug_in(self, charge: Charge, now: float) -> None:
        power, plug = heapq.heappop(self.free)
        self.waiting -= 1
        charge.plug, charge.start_min, charge.since, charge.state = plug, now, now, "charging"
        charge.cap_kw = min(charge.max_kw, -power)
        self.active[plug] = charge
        self._asked_kw += charge.cap_kw
        self._fresh.append(charge)

    def _turn_away(self, places: int) -> None:
        """Lose the newcomers who find no place to wait, the last in the order of the queue first."""
        came = [c for c in self._newcomers if c.state == "waiting"]
        self._newcomers.clear()
        if self.by_priority:
            came.sort(key=lambda c: c.priority)
        while came and self.waiting > places:
            self.waiting -= 1
            self._leave(came.pop(), "lost")

    def _share(self, now: float) -> None:
        limited = self._asked_kw > self.feeder_kw * (1.0 + _FULL)
        if not (limited or self._limited):
            for charge in self._fresh:
                charge.rate_kw = charge.cap_kw
                self._plan(charge)
        else:
            charges = list(self.active.values())
            shares = water_fill([c.cap_kw for c in charges], self.feeder_kw) if limited else [c.cap_kw for c in charges]
            self._ends.clear()
            for charge, share in zip(charges, shares, strict=True):
                if share != charge.rate_kw or charge.since == now:
                    self._advance(charge, now)
                    charge.rate_kw = share
                    # the logarithm of the taper is worth its price only for who may be next
                    charge.exact = charge.battery is None or not share > 0.0
                    charge.finish = now + (
                        charge.minutes(charge.target)
                        if charge.exact
                        else max(0.0, charge.target - charge.soc) * charge.capacity_kwh / share * _MIN_PER_H
                    )
                self._serial += 1
                self._ends.append((charge.finish, self._serial, charge))
            heapq.heapify(self._ends)
        self._limited = limited
        self._fresh.clear()

    def _plan(self, charge: Charge) -> None:
        charge.finish, charge.exact = charge.since + charge.minutes(charge.target), True
        self._serial += 1
        heapq.heappush(self._ends, (charge.finish, self._serial, charge))

    def _next(self) -> Charge | None:
        """Return the charge that ends next, on top of the heap with its exact end."""
        ends = self._ends
        while ends:
            finish, _, charge = ends[0]
            if charge.state != "charging" or charge.finish != finish:
                heapq.heappop(ends)
            elif charge.exact:
                return charge
            else:
                charge.finish, charge.exact = charge.since + charge.minutes(charge.target), True
                self._serial += 1
                heapq.heapreplace(ends, (charge.finish, self._serial, charge))
        return None

    def _set_timer(self, now: float) -> None:
        charge = self._next()
        if charge is not None and charge.finish < math.inf and charge.finish != self._timer:
            self._timer = charge.finish
            self._version += 1
            timeout = self.env.timeout(max(0.0, charge.finish - now), value=self._version)
            timeout.callbacks.append(self._finish)

    def _finish(self, event: simpy.Event) -> None:
        if event.value != self._version:
            return
        now, self._timer = float(self.env.now), math.inf
        while (charge := self._next()) is not None and charge.finish <= now + _FULL:
            heapq.heappop(self._ends)
            self._advance(charge, charge.finish)
            charge.soc = charge.target
            self._off(charge, "served", charge.finish)
        self._touch()

    def _advance(self, charge: Charge, now: float) -> None:
        if now > charge.since:
            if self.stretches is not None and charge.rate_kw > 0.0:
                self.stretches.append((charge.since, now, charge.soc, charge.rate_kw, charge))
            charge.soc = charge.soc_at(now)
        charge.since = now

    def _off(self, charge: Charge, state: str, end: float) -> None:
        """End a charge; the plug comes free now unless the vehicle keeps it."""
        charge.state, charge.end_min = state, end
        self._asked_kw -= charge.cap_kw
        del self.active[charge.plug]
        if not self.active:
            self._asked_kw = 0.0
        now = float(self.env.now)
        if charge.hold_until_min > now and charge.hold_until_min < math.inf:
            self.env.timeout(charge.hold_until_min - now, value=charge).callbacks.append(self._release)
        elif charge.hold_until_min <= now:
            self._free_plug(charge, end)
        if charge.done is not None:
            charge.done.succeed(charge)

    def _release(self, event: simpy.Event) -> None:
        charge: Any = event.value
        self._free_plug(charge, float(self.env.now))
        self._touch()

    def _free_plug(self, charge: Charge, now: float) -> None:
        charge.release_min = now
        heapq.heappush(self.free, (-self.powers[charge.plug], charge.plug))


def water_fill(caps: Iterable[float], total: float) -> list[float]:
    """Return the max-min fair shares of a total: nobody gets more than its cap, and who is below its cap has no less than anybody else.

    Parameters
    ----------
    caps
        Largest share of each.
    total
        What there is to share, in the unit of the caps.

    Examples
    --------
    >>> water_fill([60.0, 10.0, 60.0], 100.0)
    [45.0, 10.0, 45.0]
    """
    wanted = list(caps)
    left, count = total, len(wanted)
    if count and min(wanted) == max(wanted):
        return [min(wanted[0], total / count)] * count
    level = math.inf
    for cap in sorted(wanted):
        if cap * count >= left:
            level = left / count
            break
        left -= cap
        count -= 1
    return [min(cap, level) for cap in wanted]
