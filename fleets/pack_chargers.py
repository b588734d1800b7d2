"""Chargers of a swap store: as many packs as there are chargers charge at once at one power, the others wait in their order.

:mod:`fleets.plug_bank` knows feeders, patience and departures and settles every instant; packs know none of these, so that one event for each
charge is enough. That is worth having: the stores of a city charge a million packs.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from fleets.plug_bank import SETTLE, At
from fleets.records import SEGMENT_COLUMNS, segment
from fleets.taper import TableBattery

if TYPE_CHECKING:
    from collections.abc import Callable

    import simpy
    from numpy.typing import NDArray

    from fleets.plug_bank import Charge


class PackChargers:
    """Chargers of one store inside a SimPy environment.

    Parameters
    ----------
    env
        SimPy environment.
    count
        Chargers; without any every pack waits.
    power_kw
        Power of one charger into the pack [kW].
    charged
        Called with each pack that is charged.
    """

    def __init__(self, env: simpy.Environment, count: int, power_kw: float, charged: Callable[[Charge], None]) -> None:
        self.env, self.power_kw, self.charged = env, power_kw, charged
        self.free = count
        self.queue: deque[Charge] = deque()
        #: Packs on charge, by the number of the pack.
        self.active: dict[int, Charge] = {}
        #: Begin, end [min], state of charge at the begin, power [kW] and battery of the charges so far.
        self.stretches: list[tuple[float, float, float, float, Any]] = []

    def arrive(self, charge: Charge) -> None:
        """Put a pack on charge, or into the queue where every charger is taken.

        Parameters
        ----------
        charge
            The charge it needs; its number is its own among the packs of the store.
        """
        charge.arrive_min, charge.soc_start, charge.state = self.env.now, charge.soc, "waiting"
        if self.free:
            self.free -= 1
            self._begin(charge)
        else:
            self.queue.append(charge)

    def close(self) -> None:
        """Bring the states of charge of the packs on charge to the present time."""
        now = float(self.env.now)
        for charge in self.active.values():
            if now > charge.since:
                self.stretches.append((charge.since, now, charge.soc, charge.rate_kw, charge.battery))
                charge.soc = charge.soc_at(now)
                charge.since = now

    def segments(self, efficiency: float) -> NDArray[np.float64]:
        """Return the stretches of constant power of all batteries, array ``[segment, column]`` (:data:`fleets.records.SEGMENT_COLUMNS`).

        Parameters
        ----------
        efficiency
            Stored energy / grid energy.
        """
        rows: list[tuple[float, ...]] = []
        for begin, end, soc, power, battery in self.stretches:
            if isinstance(battery, TableBattery):
                pieces = battery.stretches(begin, end, soc, power)
                rows += [(since, until, at, power, efficiency, *line) for since, until, at, *line in pieces]
            elif battery is not None:
                rows.append(segment(battery, begin, end, soc, power, efficiency))
        return np.array(rows, dtype=np.float64).reshape(-1, SEGMENT_COLUMNS)

    def _begin(self, charge: Charge) -> None:
        now = float(self.env.now)
        power = min(charge.max_kw, self.power_kw)
        charge.start_min, charge.since, charge.state, charge.rate_kw = now, now, "charging", power
        self.active[charge.vehicle] = charge
        # who arrives at the instant at which a pack is ready finds it not yet there, whatever the order of the events
        At(self.env, charge.minutes(charge.target), SETTLE, self._end, charge)

    def _end(self, event: simpy.Event) -> None:
        charge: Any = event.value
        now = float(self.env.now)
        self.stretches.append((charge.since, now, charge.soc, charge.rate_kw, charge.battery))
        del self.active[charge.vehicle]
        charge.soc, charge.end_min, charge.state = charge.target, now, "served"
        self.free += 1
        if self.queue:
            self.free -= 1
            self._begin(self.queue.popleft())
        self.charged(charge)
