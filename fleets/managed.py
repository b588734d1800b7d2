"""Peak shaving in a depot: who charges now, so that the load stays under a level and everybody is ready on departure.

Managed vehicles in the depot are served in the order of their departures as far as the level goes; the others pause, which gives their plug to
somebody else. A vehicle whose slack has ended (slack = departure - margin - minutes of the rest of its charge - now) charges whatever the load:
departures come before the level. Once such vehicles alone have lifted the load above the level, the level stays there, since the demand meter has
already seen that peak. Power changes only at events: arrivals, ends of charges, ends of slack, departures.
"""

from __future__ import annotations

import math
from bisect import insort
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simpy.events import EventPriority

from fleets.errors import ChargingError
from fleets.plug_bank import At, Charge, PlugBank
from fleets.records import Session

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy as np
    import simpy
    from numpy.typing import NDArray

    from fleets.battery import Battery
    from fleets.station import Plugs
    from fleets.taper import TableBattery

#: Power above a level, and state of charge below a need, that count as rounding.
_ROUNDING = 1e-9
#: Decisions come after everything else of an instant, the settling of the plugs included.
_DECIDE = EventPriority(4)
#: Smaller than every time of a departure.
_FIRST = -1e18


@dataclass(frozen=True, slots=True)
class PeakShaving:
    """Managed charging that keeps the peak of the depot low.

    Attributes
    ----------
    share
        Share of the vehicles that are managed so.
    level_kw
        Grid load up to which they charge [kW]; the lowest peak of the plan (:func:`fleets.load_bound.peak_bound`) is a good one. With a level
        of 0 everybody charges when the slack ends.
    margin_min
        Time kept between the planned end of a charge and the departure [min].
    """

    share: float = 0.0
    level_kw: float = 0.0
    margin_min: float = 0.0

    def __post_init__(self) -> None:
        if not (0.0 <= self.share <= 1.0 and self.level_kw >= 0.0 and self.margin_min >= 0.0):
            msg = f"share={self.share} must lie in 0 to 1, level_kw={self.level_kw} and margin_min={self.margin_min} must not be negative"
            raise ChargingError(msg)


@dataclass(slots=True, eq=False)
class _Job:
    """The stay of one managed vehicle."""

    vehicle: int
    battery: Battery
    soc: float
    target: float
    need: float
    leave_min: float
    serial: int
    over: simpy.Event
    charge: Charge | None = None
    urgent: bool = False
    leaving: bool = False
    #: Grows with every pause, so that an old end of slack is known as such.
    pauses: int = 0
    #: Time until which the charge takes the full power of a plug [min].
    full_until: float = -math.inf

    def __lt__(self, other: _Job) -> bool:
        return (self.leave_min, self.serial) < (other.leave_min, other.serial)


class _ModuleBank(PlugBank):
    """Plugs whose feeder is shared equally in whole modules (:meth:`fleets.station.Plugs.share_kw`)."""

    def __init__(self, env: simpy.Environment, plugs: Plugs) -> None:
        super().__init__(env, [plugs.power_kw] * plugs.count, by_priority=True, stretches=True)
        self.plugs = plugs

    def _share(self, now: float) -> None:
        if self.plugs.binding:
            n = len(self.active)
            self.feeder_kw = n * self.plugs.share_kw(n)
        super()._share(now)

    def retarget(self, charge: Charge, target: float) -> None:
        """Let a charge at a plug end at another state of charge."""
        self._advance(charge, float(self.env.now))
        charge.target = target
        self._plan(charge)
        self._touch()


class LevelSite:
    """Plugs of a depot whose managed vehicles charge under a level; it has the methods of :class:`fleets.station.ChargingSite`.

    Parameters
    ----------
    env
        SimPy environment.
    name
        Name of the site in the records.
    plugs
        Plugs and feeder, shared as in :class:`fleets.station.ChargingSite`.
    rule
        Level and margin.
    """

    def __init__(self, env: simpy.Environment, name: str, plugs: Plugs, rule: PeakShaving) -> None:
        self.env, self.name, self.plugs, self.rule = env, name, plugs, rule
        self.level_kw = rule.level_kw
        self.bank = _ModuleBank(env, plugs)
        self.sessions: list[Session] = []
        self._jobs: list[_Job] = []
        self._of_charge: dict[int, _Job] = {}
        self._others: dict[int, Charge] = {}
        self._serial = 0
        self._deciding = False

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
        """Queue, charge at once and release the plug; the generator returns the state of charge reached.

        Parameters
        ----------
        vehicle
            Number of the vehicle.
        battery
            Its battery.
        soc, target
            State of charge now and wanted, 0 to 1.
        need
            State of charge below which the vehicle does not leave.
        leave_min
            Time at which it leaves if it has what it needs [min].
        priority
            Smaller goes first.
        """
        env = self.env
        if target - soc <= _ROUNDING:
            return soc
        charge = Charge(vehicle, battery.capacity_kwh, battery.max_kw, soc, target, battery, priority)
        done = self._arrive(charge)
        if leave_min < math.inf:
            yield done | env.timeout(max(0.0, leave_min - env.now))
            if not done.triggered:
                self._past_time(charge, need)
        if not done.processed:
            yield done
        self._gone(charge)
        return charge.soc

    def managed(
        self, vehicle: int, battery: Battery, soc: float, target: float, *, need: float = 0.0, leave_min: float = math.inf
    ) -> Generator[simpy.Event, Any, float]:
        """Charge under the level; the generator returns the state of charge reached.

        Parameters
        ----------
        vehicle, battery, soc, target, need, leave_min
            As in :meth:`charge`. Without a departure it charges when there is room under the level.
        """
        if target - soc <= _ROUNDING:
            return soc
        self._serial += 1
        job = _Job(vehicle, battery, soc, target, need, leave_min, self._serial, self.env.event())
        insort(self._jobs, job)
        if leave_min < math.inf:
            self.env.timeout(max(0.0, leave_min - self.env.now), value=job).callbacks.append(self._departs)
        self._pause(job)
        yield job.over
        return job.soc

    def segments(self) -> NDArray[np.float64]:
        """Return the stretches of constant plug power, array ``[segment, column]``."""
        return self.bank.segments(self.plugs.efficiency)

    def close(self) -> dict[int, float]:
        """Record who still charges or waits at the end of the run; return the state of charge of all who are here."""
        self.bank.close()
        found = {job.vehicle: job.soc for job in self._jobs}
        here = [*self._others.values(), *(job.charge for job in self._jobs if job.charge is not None)]
        for charge in sorted(here, key=lambda c: c.vehicle):
            if charge.end_min is None:
                self._record(charge, "waiting" if charge.start_min is None else "charging")
                found[charge.vehicle] = charge.soc
        return found

    # --- vehicles that charge at once ---------------------------------------------------------------------------------------------

    def _arrive(self, charge: Charge) -> simpy.Event:
        self._others[charge.vehicle] = charge
        done = self.bank.arrive(charge)
        self._touch()
        return done

    def _past_time(self, charge: Charge, need: float) -> None:
        """Let a vehicle go at its departure if it has what it needs; if not, it charges no more than that."""
        at_plug = charge.state == "charging"
        if (charge.soc_at(float(self.env.now)) if at_plug else charge.soc) >= need - _ROUNDING:
            self.bank.withdraw(charge)
        elif at_plug:
            self.bank.retarget(charge, need)
        else:
            charge.target = need

    def _gone(self, charge: Charge) -> None:
        del self._others[charge.vehicle]
        self._record(charge, "left" if charge.start_min is None else "charged")
        self._touch()

    def _record(self, charge: Charge, state: str) -> None:
        stored = charge.stored_kwh
        self.sessions.append(
            Session(
                self.name,
                charge.vehicle,
                charge.arrive_min,
                charge.start_min,
                charge.end_min,
                charge.soc_start,
                charge.soc,
                stored,
                stored / self.plugs.efficiency,
                state,
            )
        )

    # --- vehicles under the level -------------------------------------------------------------------------------------------------

    def _pause(self, job: _Job) -> None:
        """Note until when a vehicle without power has slack."""
        now = float(self.env.now)
        job.pauses += 1
        if not job.urgent and job.leave_min < math.inf:
            rest = job.battery.minutes(job.soc, job.target, self.plugs.power_kw)
            latest = job.leave_min - self.rule.margin_min - rest
            if latest <= now:
                job.urgent = True
            else:
                self.env.timeout(latest - now, value=(job, job.pauses)).callbacks.append(self._slack_ends)
        self._touch()

    def _slack_ends(self, timeout: simpy.Event) -> None:
        job, pauses = timeout.value  # type: ignore[misc]
        if job.pauses == pauses and job.charge is None and not job.over.triggered:
            job.urgent = True
            self._touch()

    def _departs(self, timeout: simpy.Event) -> None:
        job: Any = timeout.value
        if job.over.triggered:
            return
        charge: Charge | None = job.charge
        running = charge is not None and charge.state == "charging"
        soc = charge.soc_at(float(self.env.now)) if charge is not None and running else job.soc
        if soc >= job.need - _ROUNDING:
            job.leaving = True
        else:
            job.target, job.urgent = job.need, True
        if charge is None:
            if job.leaving:
                self._finish(job)
            self._touch()
        elif job.leaving:
            self.bank.withdraw(charge)
        elif running:
            self.bank.retarget(charge, job.target)
        else:
            charge.target = job.target

    def _ended(self, event: simpy.Event) -> None:
        """Go on after a charge has ended, been interrupted or never begun."""
        charge: Any = event.value
        job = self._of_charge.pop(id(charge))
        job.soc, job.charge, job.full_until = charge.soc, None, -math.inf
        # who was called off before it began was not there
        if charge.start_min is None:
            if job.leaving:
                self._record(charge, "left")
        elif charge.end_min > charge.start_min:
            self._record(charge, "charged")
        if charge.state == "served" or job.leaving:
            self._finish(job)
        else:
            self._pause(job)

    def _finish(self, job: _Job) -> None:
        self._jobs.remove(job)
        job.over.succeed()
        self._touch()

    def _touch(self) -> None:
        if self._jobs and not self._deciding:
            self._deciding = True
            At(self.env, 0.0, _DECIDE, self._decide, None)

    def _decide(self, _: simpy.Event) -> None:
        """Give power in the order of departures as far as the level goes, first to those without slack."""
        self._deciding = False
        # with everybody charging and nobody else here there is nothing to decide
        if not self._others and all(job.charge is not None for job in self._jobs):
            return
        now, efficiency = float(self.env.now), self.plugs.efficiency
        each = self.plugs.power_kw / efficiency
        used = sum(self._drawing(c, now) for c in self._others.values()) / efficiency
        places = self.plugs.count - len(self._others)
        chosen: list[_Job] = []
        slack: list[_Job] = []
        for job in self._jobs:
            (chosen if job.urgent else slack).append(job)
        for job in chosen:
            used += each if now < job.full_until or job.charge is None else self._drawing(job.charge, now) / efficiency
        if chosen and used > self.level_kw * (1.0 + _ROUNDING):
            self.level_kw = min(used, self.plugs.limit_kw)
        limit = self.level_kw * (1.0 + _ROUNDING)
        # a level at the feeder's limit saves nothing: the last one takes what the feeder has left, instead of leaving it idle
        part = self.level_kw >= self.plugs.limit_kw * (1.0 - _ROUNDING)
        places -= len(chosen)
        stopped = []
        for job in slack:
            charge = job.charge
            kw = each if now < job.full_until or charge is None else self._drawing(charge, now) / efficiency
            if places > 0 and (used + kw <= limit or (part and used < self.level_kw * (1.0 - _ROUNDING))):
                used += kw
                places -= 1
                chosen.append(job)
            elif charge is not None:
                stopped.append(charge)
        for charge in stopped:
            self.bank.withdraw(charge)
        for job in chosen:
            if job.charge is None:
                self._start(job)

    def _start(self, job: _Job) -> None:
        battery = job.battery
        # without slack it goes before those who charge at once, with slack after them
        priority = _FIRST if job.urgent else job.leave_min
        job.charge = Charge(job.vehicle, battery.capacity_kwh, battery.max_kw, job.soc, job.target, battery, priority)
        power = min(self.plugs.power_kw, battery.max_kw)
        job.full_until = self.env.now + (full_power_soc(battery, power) - job.soc) * battery.capacity_kwh / power * 60.0
        self._of_charge[id(job.charge)] = job
        done = self.bank.arrive(job.charge)
        done.callbacks.append(self._ended)

    def _drawing(self, charge: Charge, now: float) -> float:
        """Return the power into a battery [kW]; who waits for a plug counts with the power it will take."""
        battery = charge.battery
        if battery is None or charge.state not in {"charging", "waiting"}:
            return 0.0
        power = self.plugs.power_kw if charge.state == "waiting" or not charge.rate_kw > 0.0 else charge.rate_kw
        soc = charge.soc_at(now) if charge.state == "charging" else charge.soc
        return accepted_kw(battery, soc, power)


def accepted_kw(battery: Battery | TableBattery, soc: float, power_kw: float) -> float:
    """Return the power that a battery takes at a state of charge from a plug [kW].

    Parameters
    ----------
    battery
        The battery.
    soc
        State of charge, 0 to 1.
    power_kw
        Power of the plug [kW].
    """
    return min(power_kw, battery.accepted_kw(soc))


def full_power_soc(battery: Battery, power_kw: float) -> float:
    """Return the state of charge up to which a battery takes the whole power of a plug.

    Parameters
    ----------
    battery
        The battery.
    power_kw
        Power of the plug [kW].
    """
    if power_kw <= battery.end_kw:
        return 1.0
    slope = (battery.max_kw - battery.end_kw) / (1.0 - battery.taper_soc)
    return battery.taper_soc + max(0.0, battery.max_kw - power_kw) / slope if slope > 0.0 else 1.0
