"""Port week: ships that call, wait at anchor for quay, and lie at berth on shore power or on their own engines.

Ships lie along a quay one behind the other, each with its length and a clearance, in the order of arrival, at the first gap that is long enough; a
ship never moves along the quay. Shore power needs a ship and a berth that are fitted, a stay from which connecting is a duty, somebody who
connects, equipment that works, a free connection and room on the feeder: the state of each call says which of these was missing first. A quay
that is too short makes ships wait or turns them away, and too few connections leave ships on their engines; neither is an error.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fleets.berth_calls import FULL, NONE, SHORE, WEAK, Calls, Port, Quay, ShipType, check_port, draw_calls, ticks
from fleets.berth_records import CALL_SCHEMA, Book
from fleets.clock import Clock
from fleets.errors import FleetError
from fleets.records import DAY_MIN, WEEK_MIN, FleetResult, RunRecords, check_rows, collect, event_count, ratio

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import simpy

    from fleets.berth_calls import Call

__all__ = ["CALL_SCHEMA", "Calls", "Port", "Quay", "ShipType", "simulate_berths"]

_MIN_PER_H = 60.0
#: Length within which a gap is long enough: berths that fill a quay exactly must not fail by rounding [m].
_HAIR_M = 1e-9


class _Berths:
    """A quay in use: gaps between ships, the queue at anchor, and connections left."""

    def __init__(self, quay: Quay, clearance_m: float) -> None:
        self.quay, self.clearance = quay, clearance_m
        self.gaps: list[tuple[float, float]] = [(0.0, quay.length_m)] if quay.length_m > 0.0 else []
        self.queue: deque[tuple[Call, simpy.Event]] = deque()
        self.left = math.inf if quay.connections is None else quay.connections

    def take(self, length: float) -> float | None:
        """Return where a ship begins, in the first gap that is long enough."""
        need = length + self.clearance
        for i, (begin, end) in enumerate(self.gaps):
            if end - begin >= need - _HAIR_M:
                self.gaps[i : i + 1] = [(begin + need, end)] if end - begin > need + _HAIR_M else []
                return begin
        return None

    def give(self, begin: float, length: float) -> None:
        """Free what a ship took and join it with the gaps beside it."""
        gaps = sorted([*self.gaps, (begin, begin + length + self.clearance)])
        joined = [gaps[0]]
        for low, high in gaps[1:]:
            if low <= joined[-1][1] + _HAIR_M:
                joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
            else:
                joined.append((low, high))
        self.gaps = joined

    def admit(self) -> None:
        """Let the first in the queue in, and the next, until one does not fit."""
        while self.queue:
            call, event = self.queue[0]
            begin = self.take(call.length)
            if begin is None:
                return
            self.queue.popleft()
            event.succeed(begin)


class _Meter:
    """Power of a port by its events, apart from the records: energy and largest value."""

    def __init__(self, env: simpy.Environment) -> None:
        self.env, self.kw, self.kwh, self.peak, self.since = env, 0.0, 0.0, 0.0, float(env.now)

    def add(self, kw: float) -> None:
        """Change the power."""
        self.kwh += self.kw * (self.env.now - self.since) / _MIN_PER_H
        self.since = float(self.env.now)
        self.kw += kw
        self.peak = max(self.peak, self.kw)


@dataclass
class _Site:
    """What the ships of a port share; ``promised_kw`` is the grid power of those that lie at berth with a connection."""

    env: simpy.Environment
    port: Port
    berths: dict[str, _Berths]
    demand: _Meter
    grid: _Meter
    promised_kw: float = 0.0


def simulate_berths(
    port: Port,
    *,
    seeds: Sequence[np.random.SeedSequence],
    warmup_min: int = WEEK_MIN,
    horizon_min: int = WEEK_MIN,
    step_min: int = 15,
    confidence: float = 0.95,
) -> FleetResult:
    """Simulate the berths of a port for one week in several replications.

    Parameters
    ----------
    port
        Quays, ships and power.
    seeds
        One seed per replication. Every purpose and ship type has a generator of its own: another share, quay or connection sees the same ships.
    warmup_min
        Time before minute 0 that is simulated and not counted; it should exceed the longest stays [min].
    horizon_min, step_min, confidence
        As in :func:`fleets.depot.simulate_depot`.

    Returns
    -------
    FleetResult
        ``blocks`` are the calls (``CALL_SCHEMA``), ``sessions`` the stays on shore power, ``load_kw`` their grid load, ``vehicles`` the calls
        expected in the horizon. Metrics: calls, cancelled_share, calls_berthed, shore_power_calls_share (of calls that can and must),
        shore_power_all_calls_share, berth_kwh, shore_power_kwh (on board), shore_power_energy_share, grid_kwh, loss_share, auxiliary_fuel_t,
        co2_difference_t (fuel CO2 avoided less grid CO2), peak_kw, unequipped_ship_share, unequipped_berth_share, short_stay_share,
        not_used_share, out_of_order_share, no_connection_share (first reason, of calls berthed), berth_occupancy, anchorage_wait_mean_h,
        anchorage_wait_p95_h, anchorage_fuel_t, throughput_t, throughput_t_per_m, quay_m, waiting_at_end, turned_away.

    Raises
    ------
    FleetError
        If a value of the port is impossible; the message names ship type or quay, value and remedy.
    ConservationError
        If a run loses ships, quay or energy.

    Notes
    -----
    Energy and fuel are those used within the week; waits and shares are those of the calls that arrive or berth in it.

    Examples
    --------
    >>> import numpy as np
    >>> ferry = ShipType("ferry", "q", Calls(24.0, "scheduled"), length_m=100.0, stay_h=0.5, stay_cv=0.0, hotel_kw=600.0)
    >>> week = simulate_berths(Port((ferry,), (Quay("q", 100.0),)), seeds=[np.random.SeedSequence(1)])
    >>> round(week.value("calls")), round(week.value("berth_kwh")), round(week.value("berth_occupancy"), 3)
    (168, 50400, 0.5)
    """
    check_port(port)
    if warmup_min < 0 or horizon_min <= 0 or step_min <= 0 or horizon_min % step_min:
        msg = f"warmup_min={warmup_min}, horizon_min={horizon_min}: need no negative warm-up and a horizon of whole steps of {step_min} min"
        raise FleetError(msg)
    runs = [_run(port, seed, float(warmup_min), float(horizon_min), step_min) for seed in seeds]
    return collect(runs, step_min=step_min, vehicles=expected_calls(port, horizon_min), level=confidence)


def expected_calls(port: Port, horizon_min: float = WEEK_MIN) -> int:
    """Return the calls that are expected in a time, at least 1."""
    per_day = sum(s.calls.per_day * (1.0 - s.calls.cancelled_share) for s in port.ships)
    return max(1, round(per_day * horizon_min / DAY_MIN))


def _run(port: Port, seed: np.random.SeedSequence, warmup: float, horizon: float, step_min: int) -> RunRecords:
    env = Clock(initial_time=-warmup)
    drawn = [draw_calls(ship, seed, warmup, horizon) for ship in port.ships]
    calls = sorted((call for found, _, _ in drawn for call in found), key=lambda call: call.arrive)
    for number, call in enumerate(calls):
        call.number = number
    site = _Site(env, port, {q.name: _Berths(q, port.clearance_m) for q in port.quays}, _Meter(env), _Meter(env))

    def source() -> Generator[simpy.Event, Any, None]:
        for call in calls:
            if call.arrive > env.now:
                yield env.timeout(call.arrive - env.now)
            env.process(_lie(site, call))

    env.process(source())
    env.run(until=horizon)
    for meter in (site.demand, site.grid):
        meter.add(0.0)
    book = Book(port, calls, horizon)
    load = book.load(step_min)
    cancelled = ratio(sum(n for _, _, n in drawn), sum(n for _, n, _ in drawn))
    metrics = book.week(load, cancelled)
    checks = book.checks(
        meters_kwh=(site.demand.kwh, site.grid.kwh),
        peak_kw=site.grid.peak,
        curve_kwh=float(load.sum()) * step_min / _MIN_PER_H,
        queues={name: len(b.queue) for name, b in site.berths.items()},
        free_m={name: sum(end - begin for begin, end in b.gaps) for name, b in site.berths.items()},
    )
    return RunRecords(metrics, book.sessions(), book.frame(), load, check_rows(checks), event_count(env))


def _lie(site: _Site, call: Call) -> Generator[simpy.Event, Any, None]:
    """One ship: wait for quay, lie at berth, connect if it can, leave."""
    env, ship, quay = site.env, call.ship, site.berths[call.ship.quay]
    if call.length + quay.clearance > quay.quay.length_m + _HAIR_M:
        call.turned_away = True
        return
    begin = None if quay.queue else quay.take(call.length)
    if begin is None:
        event = env.event()
        quay.queue.append((call, event))
        begin = float((yield event))
    call.berth = float(env.now)
    call.leave = call.berth + call.stay
    kw = ship.hotel_kw / site.port.efficiency
    call.state = _connection(site, quay, call.drawn, ship.hotel_kw, kw)
    site.demand.add(ship.hotel_kw)
    if call.state == SHORE:
        own = float(ticks(np.array(min(ship.connect_h * _MIN_PER_H, call.stay) / 2.0)))
        call.on, call.off = call.berth + own, call.leave - own
        quay.left -= 1
        site.promised_kw += kw
        yield env.timeout(own)
        site.grid.add(kw)
        yield env.timeout(call.stay - 2.0 * own)
        site.grid.add(-kw)
        yield env.timeout(own)
        quay.left += 1
        site.promised_kw -= kw
    else:
        yield env.timeout(call.stay)
    call.leave = float(env.now)
    site.demand.add(-ship.hotel_kw)
    quay.give(begin, call.length)
    quay.admit()


def _connection(site: _Site, quay: _Berths, drawn: int, load_kw: float, grid_kw: float) -> int:
    """Return the state of a ship that berths: what was drawn, or what connections and feeder leave of it."""
    if drawn != SHORE:
        return drawn
    if load_kw > quay.quay.connection_kw:
        return WEAK
    if quay.left < 1:
        return NONE
    # sums of the same loads in another order may differ in the last bits
    if site.promised_kw + grid_kw > site.port.feeder_kw * (1.0 + 1e-9):
        return FULL
    return SHORE
