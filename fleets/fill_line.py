"""A queue for places that also need something in store: a charged pack at a swap station, fuel in the tank of a filling station.

As at the plugs (:mod:`fleets.plug_bank`) everything that happens at one instant is settled at its end: first places come free and vehicles arrive,
then the queue is served in its order, and only then does anybody run out of patience. Nothing is polled: a tank tells when it will hold enough.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from fleets.errors import ChargingError
from fleets.pack_plan import PackGate, PackPlan
from fleets.plug_bank import GIVE_UP, SETTLE, At, Charge, PlugBank

if TYPE_CHECKING:
    from collections.abc import Sequence

    import simpy

    from fleets.battery import Battery

_MIN_PER_H = 60.0
#: Share of a need that rounding may leave open.
_FULL = 1e-9


@dataclass(slots=True, eq=False)
class Visit:
    """One vehicle at a line.

    Attributes
    ----------
    number
        Number of the visit.
    need
        What it wants, kWh or kg.
    service_min
        Time at the place once there is enough in store [min].
    patience_min
        Longest wait [min].
    arrive_min, start_min, end_min
        When it came, was served and left (place or queue) [min].
    taken
        What it got.
    state
        ``waiting``, ``serving``, ``served`` or ``left`` (the queue).
    """

    number: int
    need: float
    service_min: float
    patience_min: float = math.inf
    arrive_min: float = math.nan
    start_min: float | None = None
    end_min: float | None = None
    taken: float = 0.0
    state: str = "new"


class Stock(Protocol):
    """What a line takes from."""

    def wait_min(self, need: float, now: float) -> float:
        """Return the minutes until the stock holds enough; infinite where only a delivery can tell."""

    def take(self, need: float, now: float) -> float:
        """Take as much of the need as there is; return it."""

    def give_back(self, need: float) -> None:
        """Hear that the service of a need is over."""


class Tank:
    """Fuel that is filled up at a constant rate.

    Parameters
    ----------
    size_kg
        What it holds [kg]; infinite = fuel never runs out.
    supply_kg_per_h
        Rate at which it is filled up while it is not full [kg/h].
    start_min
        Time at which it is full [min].
    """

    def __init__(self, size_kg: float = math.inf, supply_kg_per_h: float = math.inf, start_min: float = 0.0) -> None:
        if not (size_kg >= 0.0 and supply_kg_per_h >= 0.0):
            msg = f"size_kg={size_kg} and supply_kg_per_h={supply_kg_per_h} must not be negative"
            raise ChargingError(msg)
        # what is filled up at once never runs out
        self.size, self.supply = size_kg if supply_kg_per_h < math.inf else math.inf, supply_kg_per_h
        self.level, self.since, self.taken = self.size, start_min, 0.0
        #: What was filled up, without the first filling.
        self.supplied = 0.0

    def fill(self, now: float) -> None:
        """Bring the level to the present time."""
        if self.size < math.inf and now > self.since:
            got = min(self.size - self.level, self.supply / _MIN_PER_H * (now - self.since))
            self.level += got
            self.supplied += got
        self.since = now

    def wait_min(self, need: float, now: float) -> float:
        """Return the minutes until the tank holds a need, or is full [min]."""
        self.fill(now)
        if not self.size > 0.0:
            return math.inf
        short = min(need, self.size) - self.level
        if short <= _FULL * max(need, 1.0) or not self.size < math.inf:
            return 0.0
        return short / self.supply * _MIN_PER_H if self.supply > 0.0 else math.inf

    def take(self, need: float, now: float) -> float:
        """Take a need, or what the full tank holds, out of the tank [kg]."""
        self.fill(now)
        got = min(need, self.level)
        if self.size < math.inf:
            # who waited for the last drop leaves nothing behind
            got = need if need - got <= _FULL * max(need, 1.0) else got
            self.level -= got
        self.taken += got
        return got

    def give_back(self, need: float) -> None:
        """Do nothing: fuel is burnt."""


class PackStore:
    """Exchange packs of a swap station; used ones are charged by fewer chargers than there are packs.

    Parameters
    ----------
    env
        SimPy environment.
    battery
        One pack.
    packs
        Packs of the station, charged at the begin.
    bank
        The chargers of the packs.
    full_soc
        State of charge of a charged pack.
    plan
        When packs wait for a cheaper hour; never if None.
    charge_min
        Mean time of a charge, for the plan [min].
    """

    def __init__(
        self,
        env: simpy.Environment,
        battery: Battery,
        packs: int,
        bank: PlugBank,
        full_soc: float = 1.0,
        *,
        plan: PackPlan | None = None,
        charge_min: float = 0.0,
    ) -> None:
        self.env, self.battery, self.bank, self.full_soc = env, battery, bank, full_soc
        self.packs = self.charged = packs
        self.charges: list[Charge] = []
        self.line: FillLine | None = None
        self.on_charge = 0
        self.gate = None if plan is None else PackGate(env, plan, packs, charge_min, self._begin, self._stock)

    def wait_min(self, need: float, now: float) -> float:  # noqa: ARG002
        """Return 0 if a charged pack is there, else infinity: the charge of a pack calls the line."""
        if self.charged:
            return 0.0
        self._review()
        return math.inf

    def take(self, need: float, now: float) -> float:  # noqa: ARG002
        """Take a charged pack; the vehicle gets back the energy it came short of [kWh]."""
        self.charged -= 1
        self._review()
        return need

    def give_back(self, need: float) -> None:
        """Put the pack that the vehicle left on charge."""
        soc = self.full_soc - need / self.battery.capacity_kwh
        charge = Charge(
            len(self.charges), self.battery.capacity_kwh, self.battery.max_kw, soc=soc, target=self.full_soc, battery=self.battery
        )
        self.charges.append(charge)
        if self.gate is None:
            self._begin(charge)
        else:
            self.gate.offer(charge)

    def _begin(self, charge: Charge) -> None:
        self.on_charge += 1
        self.bank.arrive(charge).callbacks.append(self._charged)

    def _stock(self) -> tuple[int, int]:
        """Return the packs charged or on charge, and the vehicles in the queue."""
        queue = 0 if self.line is None else sum(visit.state == "waiting" for visit in self.line.queue)
        return self.charged + self.on_charge, queue

    def _review(self) -> None:
        if self.gate is not None:
            self.gate.review()

    def _charged(self, _: simpy.Event) -> None:
        self.charged += 1
        self.on_charge -= 1
        if self.line is not None:
            self.line.touch()

    def short_kwh(self) -> float:
        """Return the energy that the packs of the station lack now [kWh]."""
        return sum((self.full_soc - c.soc) * c.capacity_kwh for c in self.charges)


class FillLine:
    """Places with one queue, first come, first served; who is served needs a free place and enough in store.

    Parameters
    ----------
    env
        SimPy environment.
    places
        Places (nozzles, bays); 0 = everybody waits.
    stock
        What is taken; the first in the queue waits for it and nobody overtakes.
    """

    def __init__(self, env: simpy.Environment, places: int, stock: Stock) -> None:
        self.env, self.places, self.stock = env, places, stock
        self.busy = 0
        self.queue: deque[Visit] = deque()
        self._newcomers: list[Visit] = []
        self._settling = False
        self._timer = math.inf

    def arrive(self, visit: Visit) -> None:
        """Put a vehicle at the end of the queue."""
        visit.arrive_min, visit.state = float(self.env.now), "waiting"
        self.queue.append(visit)
        self._newcomers.append(visit)
        self.touch()

    def touch(self) -> None:
        """Serve the queue at the end of this instant."""
        if not self._settling:
            self._settling = True
            At(self.env, 0.0, SETTLE, self._settle, None)

    def _settle(self, _: simpy.Event) -> None:
        self._settling = False
        self._serve(float(self.env.now))
        # most are served at once: only who has to wait needs a timer
        for visit in self._newcomers:
            if visit.state == "waiting" and visit.patience_min < math.inf:
                At(self.env, visit.patience_min, GIVE_UP, self._gives_up, visit)
        self._newcomers.clear()

    def _serve(self, now: float) -> None:
        while self.queue and self.busy < self.places:
            visit = self.queue[0]
            if visit.state != "waiting":
                self.queue.popleft()
                continue
            minutes = self.stock.wait_min(visit.need, now)
            if minutes > 0.0:
                if minutes < math.inf and now + minutes != self._timer:
                    self._timer = now + minutes
                    self.env.timeout(minutes).callbacks.append(self._wake)
                return
            self.queue.popleft()
            visit.start_min, visit.state, visit.taken = now, "serving", self.stock.take(visit.need, now)
            self.busy += 1
            self.env.timeout(visit.service_min, value=visit).callbacks.append(self._ends)

    def _wake(self, _: simpy.Event) -> None:
        self._timer = math.inf
        self.touch()

    def _ends(self, event: simpy.Event) -> None:
        visit: Any = event.value
        visit.end_min, visit.state = float(self.env.now), "served"
        self.busy -= 1
        self.stock.give_back(visit.need)
        self.touch()

    def _gives_up(self, event: simpy.Event) -> None:
        visit: Any = event.value
        if visit.state == "waiting":
            visit.end_min, visit.state = float(self.env.now), "left"
            # the next one may need less
            self.touch()


def swap_line(
    env: simpy.Environment,
    battery: Battery,
    *,
    bays: int,
    packs: int,
    powers_kw: Sequence[float],
    feeder_kw: float,
    full_soc: float,
    plan: PackPlan | None = None,
    charge_min: float = 0.0,
) -> tuple[FillLine, PackStore]:
    """Return the line of a swap station and its packs.

    Parameters
    ----------
    env
        SimPy environment.
    battery
        One pack.
    bays
        Vehicles served at once.
    packs
        Packs of the station.
    powers_kw
        Power of each pack charger into the pack [kW].
    feeder_kw
        Power all pack chargers share, into the packs [kW].
    full_soc
        State of charge of a charged pack.
    plan, charge_min
        When packs wait for a cheaper hour, and the mean time of a charge [min].
    """
    bank = PlugBank(env, powers_kw, feeder_kw=feeder_kw, stretches=True)
    store = PackStore(env, battery, packs, bank, full_soc, plan=plan, charge_min=charge_min)
    store.line = FillLine(env, bays, store)
    return store.line, store
