"""A charging site in SimPy: plugs of one power with a queue and a site power limit shared by rule.

A vehicle queues for a plug, charges, and releases the plug when it is charged, not when it departs. Nobody vanishes: a vehicle that leaves the
queue, or still waits or charges at the end of the run, has a record; at a site without plugs everybody waits. The site limit is shared equally:
with n vehicles charging, each gets min(plug power, limit / n) in whole power modules; what a tapering battery leaves unused is not handed on, so
the curve stays below the limit. Stations and pooled depots, whose queues know more rules, stand on :mod:`fleets.plug_bank`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import simpy
from simpy.events import EventPriority

from fleets.battery import Curve, minutes_kernel, soc_kernel
from fleets.errors import ChargingError
from fleets.records import SEGMENT_COLUMNS, Session, segment

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray

    from fleets.battery import Battery

_FULL = 1e-9


@dataclass(frozen=True, slots=True)
class Plugs:
    """The plugs of one site.

    Attributes
    ----------
    count
        Number of plugs; 0 = everybody waits.
    power_kw
        Power one plug delivers into a battery [kW].
    efficiency
        Stored energy / grid energy.
    limit_kw
        Grid power the site may draw [kW].
    module_kw
        Step in which a plug's power can be set [kW]; 0 = any power. A share below one module is not rounded.
    """

    count: int
    power_kw: float
    efficiency: float
    limit_kw: float = math.inf
    module_kw: float = 0.0

    def __post_init__(self) -> None:
        if self.count < 0:
            msg = f"count={self.count} plugs must not be negative"
            raise ChargingError(msg)
        if not (self.power_kw > 0 and self.limit_kw > 0):
            msg = f"power_kw={self.power_kw} and limit_kw={self.limit_kw} must be positive"
            raise ChargingError(msg)
        if not 0 < self.efficiency <= 1:
            msg = f"efficiency={self.efficiency} must lie in above 0 to 1"
            raise ChargingError(msg)

    def share_kw(self, charging: int) -> float:
        """Return the power each of several charging vehicles gets [kW]."""
        share = min(self.power_kw, self.limit_kw * self.efficiency / max(1, charging))
        if self.module_kw > 0.0 and self.module_kw <= share < self.power_kw:
            share = self.module_kw * math.floor(share / self.module_kw + _FULL)
        return share

    @property
    def binding(self) -> bool:
        """Whether the limit can act at all."""
        return self.count * self.power_kw > self.limit_kw * self.efficiency


class ChargingSite:
    """Plugs of one site inside a SimPy environment; it waits and records, nothing else."""

    def __init__(self, env: simpy.Environment, name: str, plugs: Plugs) -> None:
        self.env = env
        self.name = name
        self.plugs = plugs
        self.queue = simpy.PriorityResource(env, max(1, plugs.count))
        if plugs.count == 0:
            # SimPy knows no resource without places: the only one is taken for good
            self.queue.request(priority=0)
        self.sessions: list[Session] = []
        self._single: list[tuple[float, ...]] = []
        self._shared_blocks: list[NDArray[np.float64]] = []
        self._waiting: dict[int, tuple[float, float]] = {}
        self._charging: dict[int, tuple[float, float, float, Battery]] = {}
        self._shared = _PowerShare(self) if plugs.binding else None

    def charge(
        self,
        vehicle: int,
        battery: Battery,
        soc: float,
        target: float,
        *,
        need: float = 0.0,
        leave_min: float = math.inf,
        priority: int = 0,
    ) -> Generator[simpy.Event, Any, float]:
        """Queue, charge and release the plug; the generator returns the state of charge reached.

        Parameters
        ----------
        vehicle
            Number of the vehicle; it stands at one site at most once.
        battery
            Its battery.
        soc, target
            State of charge now and wanted, 0 to 1.
        need
            State of charge below which the vehicle does not leave.
        leave_min
            Time at which it leaves if it has what it needs, from the plug or from the queue [min].
        priority
            Smaller goes first; equal ones first come, first served.
        """
        env = self.env
        if target - soc <= _FULL:
            return soc
        arrived = env.now
        request = self.queue.request(priority)
        self._waiting[vehicle] = (arrived, soc)
        # a free plug is granted at once: no event to wait for
        if not request.triggered:
            if soc >= need and leave_min < math.inf:
                yield request | env.timeout(max(0.0, leave_min - env.now))
                if not request.triggered:
                    request.cancel()
                    del self._waiting[vehicle]
                    self.sessions.append(Session(self.name, vehicle, arrived, None, env.now, soc, soc, 0.0, 0.0, "left"))
                    return soc
            else:
                yield request
        del self._waiting[vehicle]
        started = env.now
        self._charging[vehicle] = (arrived, started, soc, battery)
        if self._shared is None:
            power = self.plugs.power_kw
            full = battery.minutes(soc, target, power)
            minutes = min(full, max(leave_min - started, battery.minutes(soc, need, power)))
            yield env.timeout(minutes)
            end = target if minutes == full else battery.soc_after(soc, minutes, power)
            self.book_one(battery, started, env.now, soc, power)
        else:
            end = yield self._shared.admit(vehicle, battery, soc, target, need, leave_min)
        del self._charging[vehicle]
        self.queue.release(request)
        stored = (end - soc) * battery.capacity_kwh
        grid = stored / self.plugs.efficiency
        self.sessions.append(Session(self.name, vehicle, arrived, started, env.now, soc, end, stored, grid, "charged"))
        return end

    def segments(self) -> NDArray[np.float64]:
        """Return the stretches of constant plug power, array ``[segment, column]``."""
        single = np.array(self._single, dtype=np.float64).reshape(-1, SEGMENT_COLUMNS)
        return np.concatenate([single, *self._shared_blocks])

    def book(self, block: NDArray[np.float64]) -> None:
        """Add stretches of several vehicles at once."""
        self._shared_blocks.append(block)

    def book_one(self, battery: Battery, start_min: float, end_min: float, soc_start: float, power_kw: float) -> None:
        """Add one stretch of one vehicle."""
        self._single.append(segment(battery, start_min, end_min, soc_start, power_kw, self.plugs.efficiency))

    def close(self) -> dict[int, float]:
        """Record who still charges or waits at the end of the run; return the state of charge of these vehicles."""
        now = float(self.env.now)
        found: dict[int, float] = {}
        reached = self._shared.close(now) if self._shared is not None else {}
        for vehicle, (arrived, started, soc, battery) in sorted(self._charging.items()):
            if self._shared is None:
                end = battery.soc_after(soc, now - started, self.plugs.power_kw)
                self.book_one(battery, started, now, soc, self.plugs.power_kw)
            else:
                end = reached[vehicle]
            stored = (end - soc) * battery.capacity_kwh
            grid = stored / self.plugs.efficiency
            self.sessions.append(Session(self.name, vehicle, arrived, started, None, soc, end, stored, grid, "charging"))
            found[vehicle] = end
        for vehicle, (arrived, soc) in sorted(self._waiting.items()):
            self.sessions.append(Session(self.name, vehicle, arrived, None, None, soc, soc, 0.0, 0.0, "waiting"))
            found[vehicle] = soc
        return found


class _Settle(simpy.Event):
    """An event at the end of the present instant, after everything else that happens at the same time."""

    def __init__(self, env: simpy.Environment, callback: Callable[[simpy.Event], None]) -> None:
        super().__init__(env)
        self.callbacks.append(callback)
        self._ok = True
        self._value = None
        # SimPy knows the priorities 0 (urgent) and 1 (normal); 2 comes after both
        env.schedule(self, priority=EventPriority(2))


class _PowerShare:
    """Equal shares of a site limit among those who charge; recomputed once per instant at which their number changes."""

    #: Rows of ``state``; the first four stand in the order of the last four segment columns.
    CAP, TOP, TAPER, END, SLOPE, SOC, TARGET, NEED, LEAVE, SINCE, FINISH = range(11)

    def __init__(self, site: ChargingSite) -> None:
        self.site = site
        self.env = site.env
        n = site.plugs.count
        self.free = list(range(n - 1, -1, -1))
        self.grant = site.plugs.power_kw
        #: Time the next charge ends, and the one the pending timer is set to.
        self.due = self.timer = math.inf
        self.version = 0
        self.settling = False
        self.fresh: list[int] = []
        self.vehicle: list[int] = [-1] * n
        self.battery: list[Battery | None] = [None] * n
        self.done: list[simpy.Event | None] = [None] * n
        self.active = np.zeros(n, dtype=np.bool_)
        self.state = np.full((11, n), np.inf)

    def admit(self, vehicle: int, battery: Battery, soc: float, target: float, need: float, leave_min: float) -> simpy.Event:
        slot = self.free.pop()
        done = self.env.event()
        self.vehicle[slot], self.battery[slot], self.done[slot] = vehicle, battery, done
        drop = battery.max_kw - battery.end_kw
        # without a taper the corner lies at 100 % whatever the share: a steep slope from there never acts
        taper, slope = (battery.taper_soc, drop / (1.0 - battery.taper_soc)) if drop > 0.0 else (1.0, 1.0)
        self.state[:, slot] = (
            battery.capacity_kwh,
            battery.max_kw,
            taper,
            battery.end_kw,
            slope,
            soc,
            target,
            need,
            leave_min,
            self.env.now,
            np.inf,
        )
        self.active[slot] = True
        self.fresh.append(slot)
        self._touch()
        return done

    def close(self, now: float) -> dict[int, float]:
        slots = np.flatnonzero(self.active)
        self._advance(slots, now)
        return {self.vehicle[i]: float(self.state[self.SOC, i]) for i in slots}

    def _touch(self) -> None:
        if not self.settling:
            self.settling = True
            _Settle(self.env, self._settle)

    def _settle(self, _: simpy.Event) -> None:
        """Give everybody the share that goes with the number charging now, and set the timer to the next end."""
        self.settling = False
        plugs = self.site.plugs
        now = float(self.env.now)
        share = plugs.share_kw(plugs.count - len(self.free))
        if share != self.grant:
            slots = np.flatnonzero(self.active)
            self._advance(slots, now)
            self.grant = share
            self._plan(slots)
            self.due = float(self.state[self.FINISH].min())
        else:
            for slot in self.fresh:
                self._plan_one(slot, now)
        self.fresh.clear()
        if self.due < math.inf and self.due != self.timer:
            self.version += 1
            self.timer = self.due
            timeout = self.env.timeout(max(0.0, self.due - now), value=self.version)
            timeout.callbacks.append(self._finish)

    def _plan_one(self, slot: int, now: float) -> None:
        """Compute when one charge that has just begun ends: the scalar twin of :meth:`_plan`."""
        battery = self.battery[slot]
        if battery is None:
            return
        soc, target, need, leave = self.state[self.SOC : self.SINCE, slot].tolist()
        minutes = battery.minutes(soc, target, self.grant)
        if leave - now < minutes:
            minutes = min(minutes, max(leave - now, battery.minutes(soc, need, self.grant)))
        self.state[self.FINISH, slot] = now + minutes
        self.due = min(self.due, now + minutes)

    def _curve(self, part: NDArray[np.float64]) -> Curve:
        flat = np.minimum(part[self.TOP], self.grant)
        corner = part[self.TAPER] + (part[self.TOP] - flat) / part[self.SLOPE]
        return part[self.CAP], flat, corner, part[self.SLOPE], part[self.TOP], part[self.TAPER]

    def _advance(self, slots: NDArray[np.int64], now: float) -> None:
        """Book the energy since the last change at the share held since then."""
        part = self.state[:, slots]
        block = np.empty((slots.size, SEGMENT_COLUMNS))
        block[:, 0], block[:, 1], block[:, 2] = part[self.SINCE], now, part[self.SOC]
        block[:, 3], block[:, 4] = self.grant, self.site.plugs.efficiency
        block[:, 5:] = part[: self.SLOPE].T
        self.site.book(block)
        self.state[self.SOC, slots] = soc_kernel(self._curve(part), part[self.SOC], now - part[self.SINCE])
        self.state[self.SINCE, slots] = now

    def _plan(self, slots: NDArray[np.int64]) -> None:
        """Compute when each charge ends at the present share."""
        part = self.state[:, slots]
        curve = self._curve(part)
        soc = part[self.SOC]
        finish = part[self.SINCE] + minutes_kernel(curve, soc, np.maximum(soc, part[self.TARGET]))
        if (part[self.LEAVE] < finish).any():
            needed = part[self.SINCE] + minutes_kernel(curve, soc, np.maximum(soc, part[self.NEED]))
            finish = np.minimum(finish, np.maximum(part[self.LEAVE], needed))
        self.state[self.FINISH, slots] = finish

    def _finish(self, event: simpy.Event) -> None:
        if event.value != self.version:
            return
        now = float(self.env.now)
        finish = self.state[self.FINISH]
        for slot in np.flatnonzero(finish <= now + _FULL).tolist():
            done, battery = self.done[slot], self.battery[slot]
            if done is None or battery is None:
                continue
            soc, target, _, _, since = self.state[self.SOC : self.FINISH, slot].tolist()
            self.site.book_one(battery, since, now, soc, self.grant)
            end = battery.soc_after(soc, now - since, self.grant)
            # rounding of the closed form must not leave a charge a hair below its target
            done.succeed(target if abs(target - end) <= _FULL else end)
            self.active[slot] = False
            finish[slot] = math.inf
            self.free.append(slot)
        self.due = float(finish.min())
        self.timer = math.inf
        self._touch()
