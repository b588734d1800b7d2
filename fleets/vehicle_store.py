"""Vehicles of one type at a depot: who is ready, who charges, and the blocks that wait for one of them.

One store per type, served at the end of each instant. A store that filters all vehicles for every request becomes slow as soon as requests queue.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fleets.plug_bank import GIVE_UP, SETTLE, At, Charge, PlugBank

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    import simpy

    from fleets.battery import Battery
    from fleets.taper import TableBattery

_FULL = 1e-9


@dataclass(frozen=True, slots=True)
class VehicleType:
    """The vehicles of one type.

    Attributes
    ----------
    count
        Number of vehicles.
    battery
        Their battery, with a linear taper or a table of accepted powers.
    kwh_per_km
        Energy out of the battery [kWh/km]; not used where the blocks carry kwh.
    """

    count: int
    battery: Battery | TableBattery
    kwh_per_km: float


@dataclass(slots=True, eq=False)
class Ask:
    """A block that wants a vehicle."""

    block: int
    start: float
    need: float
    event: simpy.Event
    open: bool = True


@dataclass(eq=False)
class Store:
    """The vehicles of one type that are at the depot, and the blocks that wait for one."""

    env: simpy.Environment
    bank: PlugBank
    kind: VehicleType
    target: float
    soc: dict[int, float]
    idle: list[tuple[float, int]] = field(default_factory=list)
    docked: dict[int, Charge] = field(default_factory=dict)
    pending: list[Ask] = field(default_factory=list)
    log: list[Charge] = field(default_factory=list)
    out: int = 0
    settling: bool = False
    version: int = 0

    def ask(self, ask: Ask, deadline: float) -> None:
        """Want a vehicle; the event fires with its number, or with None at the deadline."""
        self.pending.append(ask)
        if deadline < math.inf:
            At(self.env, max(0.0, deadline - self.env.now), GIVE_UP, self._miss, ask)
        self.touch()

    def take(self, need: float) -> int | None:
        """Return the fullest idle vehicle if it holds enough and no block waits before this one."""
        if not self.pending and self.idle and -self.idle[0][0] >= need - _FULL:
            self.out += 1
            return heapq.heappop(self.idle)[1]
        return None

    def stay(self, vehicle: int) -> Generator[simpy.Event, Any, None]:
        """Take a vehicle in: it queues for a plug and charges unless it is full, and is ready then."""
        if self.target - self.soc[vehicle] > _FULL:
            battery = self.kind.battery
            charge = Charge(vehicle, battery.capacity_kwh, battery.max_kw, self.soc[vehicle], self.target, battery)
            self.docked[vehicle] = charge
            self.log.append(charge)
            self.touch()
            yield self.bank.arrive(charge)
            if self.docked.get(vehicle) is not charge:
                # a block has taken it from the queue or the plug
                return
            self.soc[vehicle] = charge.soc
            del self.docked[vehicle]
        heapq.heappush(self.idle, (-self.soc[vehicle], vehicle))
        self.touch()

    def touch(self) -> None:
        """Serve the waiting blocks at the end of this instant."""
        if self.pending and not self.settling:
            self.settling = True
            At(self.env, 0.0, SETTLE, self._settle, None)

    def _settle(self, _: simpy.Event) -> None:
        self.settling = False
        self.pending = [a for a in self.pending if a.open]
        if not self.pending:
            return
        now = float(self.env.now)
        self.pending.sort(key=lambda a: (a.start, a.block))
        standing = {v: c.soc_at(now) if c.state == "charging" else c.soc for v, c in self.docked.items()}
        for ask in self.pending:
            vehicle = self._best(ask.need, standing)
            if vehicle is not None:
                ask.open = False
                self.out += 1
                ask.event.succeed(vehicle)
        self.pending = [a for a in self.pending if a.open]
        if self.pending and self.docked:
            self._wake_for(min(a.need for a in self.pending), now)

    def _best(self, need: float, standing: dict[int, float]) -> int | None:
        if self.idle and -self.idle[0][0] >= need - _FULL:
            return heapq.heappop(self.idle)[1]
        if not standing:
            return None
        vehicle = max(standing, key=lambda v: (standing[v], -v))
        if standing[vehicle] < need - _FULL:
            return None
        del standing[vehicle]
        charge = self.docked.pop(vehicle)
        self.bank.withdraw(charge)
        self.soc[vehicle] = charge.soc
        return vehicle

    def _wake_for(self, need: float, now: float) -> None:
        """Look again when a vehicle at a plug holds what the least demanding block needs."""
        at = min((c.since + c.minutes(need) for c in self.docked.values() if c.state == "charging"), default=math.inf)
        if at < math.inf:
            self.version += 1
            # a moment later, so that rounding does not find it a hair short
            At(self.env, max(0.0, at - now) + _FULL, SETTLE, self._wake, self.version)

    def _wake(self, event: simpy.Event) -> None:
        if event.value == self.version:
            self.touch()

    def _miss(self, event: simpy.Event) -> None:
        ask: Any = event.value
        if ask.open:
            ask.open = False
            ask.event.succeed(None)

    def why(self) -> str:
        """Return why a block finds no vehicle now."""
        return "no_energy" if self.docked or self.idle else "no_vehicle"
