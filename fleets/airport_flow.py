"""The running airport in SimPy: pools of units, tasks that ask for them, and plugs between the tasks.

Waiting and logging is all that happens: a task that binds no equipment has its end at once and needs no event.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fleets.airport_fleet import Flow, needed_by_hour, session_of
from fleets.clock import Clock
from fleets.plug_bank import Charge, PlugBank
from fleets.records import DAY_MIN, event_count

if TYPE_CHECKING:
    from collections.abc import Generator

    import simpy

    from fleets.airport import Charging
    from fleets.airport_fleet import Fleet
    from fleets.airport_work import Work
    from fleets.battery import Battery
    from fleets.station import Plugs

_HAIR = 1e-9
_HOUR = 60.0


class _Pool:
    """Units of one kind: the one longest ready is taken first, and who asks first is served first."""

    def __init__(self, kind: int, units: range, electric: int, battery: Battery) -> None:
        self.kind, self.units, self.battery = kind, units, battery
        self.electric = range(units.start, units.start + electric)
        self.ready = deque(units)
        #: Requests: task and the units it holds so far.
        self.queue: deque[tuple[int, list[int]]] = deque()
        #: Units that could not do another task and wait for the window.
        self.empty: deque[int] = deque()
        #: State of charge below which a unit charges, and below which it can do no task at all.
        self.charge_below = self.empty_below = 0.0
        #: Units the timetable needs in each hour and the next: as many are not sent to the plugs only to be filled up.
        self.kept: list[int] = []
        #: Units at a task.
        self.busy = 0
        #: Units at the plugs or in the queue for them.
        self.plugged: dict[int, Charge] = {}
        #: Heap of state of charge and unit of those that were ready in the window and not full; some have gone since.
        self.thirsty: list[tuple[float, int]] = []


@dataclass
class _Week:
    env: simpy.Environment
    bank: PlugBank
    pools: list[_Pool]
    rule: Charging
    begin_min: float
    # plain lists: reading single numbers out of arrays is slow
    kind: list[int]
    units: list[int]
    minutes: list[float]
    bound: list[float]
    earliest: list[float]
    left: list[int]
    then: list[tuple[int, ...]]
    base: list[int]
    spent: list[float]
    soc: list[float]
    ready_at: list[float]
    asked: list[float]
    start: list[float]
    electric: list[int]
    missed: list[int] = field(default_factory=list)
    visits: list[Charge] = field(default_factory=list)
    #: Whether a unit stands ready, by unit.
    idle: list[bool] = field(default_factory=list)
    #: Pool by unit.
    pool_of: list[int] = field(default_factory=list)
    busy: int = 0
    held: int = 0
    open_until: float = -math.inf

    # --- tasks ------------------------------------------------------------------------------------------------------------------------

    def release(self, task: int) -> None:
        """Let a task begin: all before it have ended or are known to end."""
        at = max(self.ready_at[task], self.earliest[task])
        if self.kind[task] < 0:
            self.begin(task, at)
        elif at > self.env.now:
            self.env.timeout(at - self.env.now, task).callbacks.append(self._asks)
        else:
            self.ask(task)

    def begin(self, task: int, at: float) -> None:
        """Book the begin of a task and tell those after it when it ends."""
        self.start[task] = at
        end, base = at + self.minutes[task], self.base[task]
        for step in self.then[task]:
            following = base + step
            self.ready_at[following] = max(self.ready_at[following], end)
            self.left[following] -= 1
            if not self.left[following]:
                self.release(following)

    def _asks(self, event: simpy.Event) -> None:
        self.ask(event.value)  # type: ignore[arg-type]

    def ask(self, task: int) -> None:
        """Take units, or wait for them until the tolerance ends."""
        pool, need = self.pools[self.kind[task]], self.units[task]
        self.asked[task] = self.env.now
        units: list[int] = []
        if not pool.queue:
            self.take(pool, task, units)
            if len(units) == need:
                self.serve(task, units)
                return
        request = (task, units)
        if need <= len(pool.units):
            self.held += len(units)
            pool.queue.append(request)
        else:
            # the fleet never has enough of them: nothing is held back for this task
            for unit in units:
                self.put(pool, unit)
            units.clear()
        self.env.timeout(self.rule.tolerance_min, request).callbacks.append(self._late)

    def take(self, pool: _Pool, task: int, units: list[int]) -> None:
        """Take units that can do a task: the one longest ready first, then those at the plugs, the fullest first."""
        while len(units) < self.units[task] and pool.ready:
            unit = pool.ready[0]
            if self.able(pool, unit, task):
                pool.ready.popleft()
            else:
                unit = next((u for u in pool.ready if self.able(pool, u, task)), -1)
                if unit < 0:
                    break
                pool.ready.remove(unit)
            self.idle[unit] = False
            units.append(unit)
        if len(units) < self.units[task] and pool.plugged:
            now, floor = self.env.now, self.rule.reserve_soc + self.spent[task] - _HAIR
            able = [(visit.soc_at(now), -unit) for unit, visit in pool.plugged.items()]
            for soc, unit in sorted(able, reverse=True)[: self.units[task] - len(units)]:
                if soc >= floor:
                    units.append(self.unplug(pool, -unit))

    def unplug(self, pool: _Pool, unit: int) -> int:
        """Call a unit away from its plug, or out of the queue for one."""
        visit = pool.plugged.pop(unit)
        self.bank.withdraw(visit)
        self.soc[unit] = visit.soc
        return unit

    def able(self, pool: _Pool, unit: int, task: int) -> bool:
        """Return whether a unit can do a task without falling below the reserve."""
        return self.soc[unit] - self.spent[task] >= self.rule.reserve_soc - _HAIR or unit not in pool.electric

    def _late(self, event: simpy.Event) -> None:
        task, units = event.value  # type: ignore[misc]
        if self.start[task] == self.start[task]:
            return
        pool = self.pools[self.kind[task]]
        if (task, units) in pool.queue:
            pool.queue.remove((task, units))
        self.held -= len(units)
        given = list(units)
        units.clear()
        self.missed.append(task)
        for unit in given:
            self.put(pool, unit)
        self.next_in_queue(pool)
        self.begin(task, self.env.now)

    def next_in_queue(self, pool: _Pool) -> None:
        """Serve who is first in the queue now from the units that are ready."""
        while pool.queue and (pool.ready or pool.plugged):
            task, units = pool.queue[0]
            before = len(units)
            self.take(pool, task, units)
            self.held += len(units) - before
            if len(units) < self.units[task]:
                return
            pool.queue.popleft()
            self.held -= len(units)
            self.serve(task, units)

    def serve(self, task: int, units: list[int]) -> None:
        """Bind units to a task; a callback frees them."""
        self.busy += len(units)
        pool = self.pools[self.kind[task]]
        pool.busy += len(units)
        self.electric[task] = sum(unit in pool.electric for unit in units)
        self.env.timeout(self.bound[task], (task, units)).callbacks.append(self._frees)
        self.begin(task, self.env.now)

    def _frees(self, event: simpy.Event) -> None:
        task, units = event.value  # type: ignore[misc]
        self.busy -= len(units)
        pool = self.pools[self.kind[task]]
        pool.busy -= len(units)
        for unit in units:
            if unit in pool.electric:
                self.soc[unit] -= self.spent[task]
            self.back(pool, unit)

    def put(self, pool: _Pool, unit: int) -> None:
        """Give a unit to the first in the queue, or keep it ready."""
        if not pool.queue or not self.able(pool, unit, pool.queue[0][0]):
            pool.ready.append(unit)
            self.idle[unit] = True
            self.thirst(pool, unit)
            return
        task, units = pool.queue[0]
        units.append(unit)
        self.held += 1
        if len(units) == self.units[task]:
            pool.queue.popleft()
            self.held -= len(units)
            self.serve(task, units)
            self.next_in_queue(pool)

    # --- charging ---------------------------------------------------------------------------------------------------------------------

    def back(self, pool: _Pool, unit: int) -> None:
        """Send a unit that has no task to a plug, to wait for the window, or back to the pool."""
        soc = self.soc[unit] if unit in pool.electric else math.inf
        if self.rule.window_h is None:
            wanted = pool.queue and self.able(pool, unit, pool.queue[0][0])
            if soc < pool.charge_below and not wanted:
                self.charge(pool, unit)
            else:
                self.put(pool, unit)
        elif soc >= pool.empty_below:
            self.put(pool, unit)
            self.fill_up()
        elif self.env.now < self.open_until:
            self.charge(pool, unit)
        else:
            pool.empty.append(unit)

    def charge(self, pool: _Pool, unit: int) -> None:
        """Send a unit to the plugs; it comes back when it is charged or the window closes."""
        battery = pool.battery
        visit = Charge(
            unit,
            battery.capacity_kwh,
            battery.max_kw,
            soc=self.soc[unit],
            target=max(self.rule.target_soc, self.soc[unit]),
            battery=battery,
            leave_min=math.inf if self.rule.window_h is None else self.open_until,
        )
        self.visits.append(visit)
        pool.plugged[unit] = visit
        self.bank.arrive(visit).callbacks.append(self._charged)

    def _charged(self, event: simpy.Event) -> None:
        visit: Any = event.value
        pool = self.pools[self.pool_of[visit.vehicle]]
        if pool.plugged.get(visit.vehicle) is not visit:
            # it was called away
            return
        del pool.plugged[visit.vehicle]
        self.soc[visit.vehicle] = visit.soc
        if self.rule.window_h is None:
            self.put(pool, visit.vehicle)
        else:
            self.back(pool, visit.vehicle)

    def fill_up(self) -> None:
        """Send the units with the lowest charge to plugs that nobody else wants, as long as the window is open."""
        if not self.env.now < self.open_until:
            return
        free = len(self.bank.free) - self.bank.waiting
        hour = int((self.env.now - self.begin_min) // _HOUR)
        while free > 0:
            found: tuple[float, int, _Pool] | None = None
            for pool in self.pools:
                low = pool.thirsty
                while low and not (self.idle[low[0][1]] and self.soc[low[0][1]] == low[0][0]):
                    heapq.heappop(low)
                spare = len(pool.ready) > 0 and len(pool.ready) + pool.busy > pool.kept[hour]
                if low and spare and (found is None or low[0] < found[:2]):
                    found = (*low[0], pool)
            if found is None:
                return
            _, unit, pool = found
            heapq.heappop(pool.thirsty)
            pool.ready.remove(unit)
            self.idle[unit] = False
            self.charge(pool, unit)
            free -= 1

    def thirst(self, pool: _Pool, unit: int) -> None:
        """Note a unit that is ready and could be filled up, as long as the window is open."""
        if self.env.now < self.open_until and unit in pool.electric and self.soc[unit] < self.rule.target_soc - _HAIR:
            heapq.heappush(pool.thirsty, (self.soc[unit], unit))

    def nights(self, window_h: tuple[float, float]) -> Generator[simpy.Event, Any, None]:
        """Open the window every day."""
        opens, closes = (h * _HOUR for h in window_h)
        length = (closes - opens) % DAY_MIN
        day = math.floor(self.begin_min / DAY_MIN) - 1
        while True:
            start = day * DAY_MIN + opens
            day += 1
            if start + length <= self.env.now:
                continue
            if start > self.env.now:
                yield self.env.timeout(start - self.env.now)
            self.open_until = start + length
            for pool in self.pools:
                while pool.empty:
                    self.charge(pool, pool.empty.popleft())
                pool.thirsty.clear()
                for unit in pool.ready:
                    self.thirst(pool, unit)
            self.fill_up()
            while self.env.now + _HOUR < self.open_until:
                # the timetable needs fewer units as the night goes on
                yield self.env.timeout(_HOUR)
                self.fill_up()


def run_week(work: Work, fleet: Fleet, plugs: Plugs, rule: Charging, *, begin_min: float, end_min: float) -> Flow:
    """Run the tasks of a timetable with a fleet.

    Parameters
    ----------
    work
        Tasks of the timetable.
    fleet
        Units; all electric ones begin charged.
    plugs
        Plugs of all units; a module of power is not rounded here.
    rule
        When units charge and when a task counts as missed.
    begin_min, end_min
        Begin and end of the run [min].
    """
    env = Clock(initial_time=begin_min)
    bank = PlugBank(env, [plugs.power_kw] * plugs.count, feeder_kw=plugs.limit_kw * plugs.efficiency, stretches=True)
    n = len(work.name)
    pools: list[_Pool] = []
    kwh = np.where(work.kind >= 0, work.nominal * fleet.kwh_per_min[work.kind], 0.0) if fleet.kinds else np.zeros(n)
    capacity = np.array([b.capacity_kwh for b in fleet.batteries])
    spent = np.where(work.kind >= 0, kwh / capacity[work.kind], 0.0) if fleet.kinds else np.zeros(n)
    for kind, battery in enumerate(fleet.batteries):
        begin = sum(fleet.units[:kind])
        pool = _Pool(kind, range(begin, begin + fleet.units[kind]), fleet.electric[kind], battery)
        own = work.kind == kind
        pool.empty_below = rule.reserve_soc + float(spent[own].min(initial=1.0)) - _HAIR
        pool.charge_below = max(rule.charge_soc, rule.reserve_soc + float(spent[own].max(initial=0.0)) - _HAIR)
        if rule.window_h is not None:
            pool.kept = needed_by_hour(work, own, begin_min, end_min)
        pools.append(pool)
    nothing = [math.nan] * n
    week = _Week(
        env,
        bank,
        pools,
        rule,
        begin_min,
        kind=work.kind.tolist(),
        units=work.units.tolist(),
        minutes=work.minutes.tolist(),
        bound=(work.minutes + work.returns).tolist(),
        earliest=work.earliest.tolist(),
        left=work.before.tolist(),
        then=work.then,
        base=work.first[work.turnaround].tolist(),
        spent=spent.tolist(),
        soc=[rule.target_soc] * sum(fleet.units),
        ready_at=[-math.inf] * n,
        asked=nothing.copy(),
        start=nothing.copy(),
        electric=[0] * n,
        idle=[True] * sum(fleet.units),
        pool_of=[p.kind for p in pools for _ in p.units],
    )

    def source() -> Generator[simpy.Event, Any, None]:
        roots = [i for i, count in enumerate(week.left) if not count]
        by_turnaround: list[list[int]] = [[] for _ in range(work.arrive.size)]
        for i in roots:
            by_turnaround[int(work.turnaround[i])].append(i)
        for at, tasks in zip(work.arrive.tolist(), by_turnaround, strict=True):
            if at > env.now:
                yield env.timeout(at - env.now)
            for task in tasks:
                week.release(task)

    if rule.window_h is not None:
        env.process(week.nights(rule.window_h))
        bank.watchers.append(week.fill_up)
    env.process(source())
    env.run(until=end_min)
    bank.close()
    for pool in pools:
        for unit, visit in pool.plugged.items():
            week.soc[unit] = visit.soc
    missed = np.zeros(n, dtype=np.bool_)
    missed[week.missed] = True
    unpowered = np.zeros(work.arrive.size, dtype=np.bool_)
    unpowered[work.turnaround[[i for i in week.missed if work.needed[i] == "ground_power"]]] = True
    start = np.array(week.start)
    # what would begin after the end has not begun
    start[start >= end_min] = math.nan
    return Flow(
        asked=np.array(week.asked),
        start=start,
        missed=missed,
        electric_units=np.array(week.electric, dtype=np.int64),
        unpowered=unpowered,
        sessions=[session_of(visit, plugs.efficiency) for visit in week.visits],
        segments=bank.segments(plugs.efficiency),
        soc=np.array(week.soc),
        ready=sum(len(p.ready) for p in pools),
        empty=sum(len(p.empty) for p in pools),
        busy=week.busy,
        held=week.held,
        events=event_count(env),
    )
