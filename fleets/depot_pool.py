"""Depots whose vehicles are pooled: any vehicle of the right type may take any block, and charges in between.

There is one store per vehicle type. A block takes the fullest idle vehicle, or one that waits or charges and holds enough; if there is none it
waits until its tolerance ends. An under-built depot, even one without plugs, gives late and missed blocks and unserved energy, never an error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.clock import Clock
from fleets.depot_tables import DepotResult, battery_of, depot_blocks, fleet_of
from fleets.errors import BlockError
from fleets.plug_bank import Charge, PlugBank
from fleets.records import (
    DAY_MIN,
    SESSION_SCHEMA,
    FleetResult,
    RunRecords,
    check_rows,
    collect,
    energy_checks,
    event_count,
    load_curve,
    quantile,
    ratio,
)
from fleets.replications import Streams
from fleets.station import Plugs
from fleets.tables import count_of
from fleets.vehicle_store import Ask, Store
from fleets.visits import plug_powers

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    import simpy
    from numpy.typing import NDArray

    from fleets.vehicle_store import VehicleType

_MIN_PER_H = 60.0
_ON_TIME_MIN = 1e-6
_FULL = 1e-9
_SITE = "depot"
_BLOCK_SCHEMA: dict[str, Any] = {
    "block": pl.Int64,
    "vehicle_type": pl.String,
    "vehicle": pl.Int64,
    "planned_start_min": pl.Float64,
    "planned_end_min": pl.Float64,
    "start_min": pl.Float64,
    "end_min": pl.Float64,
    "delay_min": pl.Float64,
    "km": pl.Float64,
    "kwh": pl.Float64,
    "state": pl.String,
    "reason": pl.String,
}


def simulate_depot(
    blocks: Any,
    *,
    vehicles: Any,
    plugs: int | Sequence[float] | Plugs,
    power_kw: float = 120.0,
    feeder_kw: float | None = None,
    efficiency: float = 0.9,
    battery_kwh: float = 220.0,
    kwh_per_km: float = 1.05,
    max_kw: float | None = None,
    taper_soc: float = 0.8,
    end_kw: float | None = None,
    target_soc: float = 1.0,
    reserve_soc: float = 0.15,
    start_soc: float | None = None,
    turnaround_min: float = 0.0,
    late_tolerance_min: float = 30.0,
    energy_cv: float = 0.0,
    horizon_min: float | None = None,
    step_min: int = 15,
    replications: int = 1,
    seed: int = 0,
    confidence: float = 0.95,
) -> DepotResult:
    """Simulate a depot with pooled vehicles.

    Parameters
    ----------
    blocks
        Table in any order: ``start_min``, ``end_min``, ``km`` or ``kwh`` (mean energy out of the battery), optional ``vehicle_type``.
    vehicles
        Number of vehicles (of each type), or a dict type -> number or :class:`VehicleType`, or a table vehicle_type, count with optional
        battery_kwh, kwh_per_km, max_kw. A type without vehicles misses all its blocks.
    plugs
        Number of plugs, 0 allowed, or the power of each [kW], or :class:`fleets.station.Plugs` (then with its limit and efficiency).
    power_kw
        Power one plug delivers into a battery, if ``plugs`` is a number [kW].
    feeder_kw
        Grid power all plugs share [kW]; no limit if None.
    efficiency
        Stored energy / grid energy.
    battery_kwh, kwh_per_km
        Battery [kWh] and energy use [kWh/km] of types that do not state their own. The defaults of the vehicles are the rows of a city bus.
    max_kw, taper_soc, end_kw
        Largest accepted power (default: the battery in one hour) [kW], state of charge where the taper begins, power at 100 % (default: a
        tenth of the largest) [kW].
    target_soc, reserve_soc, start_soc
        State of charge where charging stops, the one a block must leave, and the one at the begin (default: the target).
    turnaround_min
        Time between a return and the queue for a plug [min].
    late_tolerance_min
        Delay above which a block is missed [min].
    energy_cv
        Coefficient of variation of a block's energy between replications (lognormal, mean 1).
    horizon_min
        End of the run [min]; by default everything that can happen does.
    step_min
        Step of the load [min].
    replications, seed
        Number of replications and their seed; runs with the same seed see the same demand whatever the depot (common random numbers).
    confidence
        Level of the intervals.

    Returns
    -------
    DepotResult
        ``records, load, summary = simulate_depot(...)``; every block has a row. Metrics: blocks, served, late, missed, served_share,
        missed_share, delay_mean_min, delay_p95_min, charges, wait_mean_min, wait_p50_min, wait_p95_min, wait_max_min, km, km_missed,
        driven_kwh, unserved_kwh, stored_kwh, grid_kwh, peak_kw, plug_utilisation, waiting_at_end, vehicles_used, battery_cycles.

    Raises
    ------
    BlockError
        If a column is missing, a value is impossible, or a block ends before it starts.
    ConservationError
        If a run loses energy or vehicles.

    Examples
    --------
    Two buses, one plug of 100 kW, 40 kWh each: the second waits 24 minutes.

    >>> day = {"start_min": [0, 0, 300, 300], "end_min": [100, 100, 400, 400], "kwh": [40, 40, 40, 40]}
    >>> run = simulate_depot(day, vehicles=2, plugs=1, power_kw=100, battery_kwh=200, end_kw=200)
    >>> run.value("served"), run.sessions["wait_min"].max()
    (4.0, 24.0)
    """
    table = depot_blocks(blocks)
    default = battery_of(battery_kwh, max_kw, taper_soc, end_kw)
    kinds = fleet_of(vehicles, table, default, kwh_per_km, taper_soc)
    powers, limit = plug_powers(plugs, feeder_kw if feeder_kw is None else feeder_kw * efficiency, power_kw)
    rules = _Rules(
        powers=powers,
        feeder_kw=limit,
        efficiency=plugs.efficiency if isinstance(plugs, Plugs) else efficiency,
        target=target_soc,
        reserve=reserve_soc,
        start=target_soc if start_soc is None else start_soc,
        turnaround=float(turnaround_min),
        tolerance=float(late_tolerance_min),
        horizon=horizon_min,
        step=count_of(step_min, "step_min", BlockError),
    )
    rules.check(energy_cv)
    if count_of(replications, "replications", BlockError) < 1:
        msg = f"replications={replications} must be 1 or more"
        raise BlockError(msg)
    runs = []
    for r in range(int(replications)):
        noise = np.ones(table.height)
        if energy_cv > 0.0:
            sigma2 = math.log(1.0 + energy_cv**2)
            noise = np.exp(Streams(seed, r)("block_energy").normal(-sigma2 / 2.0, math.sqrt(sigma2), size=table.height))
        runs.append(_run(table, noise, kinds, rules))
    first = math.floor(min((run.first for run in runs), default=0.0) / DAY_MIN) * DAY_MIN
    last = max(first + DAY_MIN, math.ceil(max(run.last for run in runs) / DAY_MIN) * DAY_MIN)
    result = collect(
        [_summed(run, rules, first, last) for run in runs],
        step_min=rules.step,
        vehicles=sum(k.count for k in kinds.values()),
        level=confidence,
    )
    return _result(result, first, rules.step)


@dataclass(frozen=True, slots=True)
class _Rules:
    powers: list[float]
    feeder_kw: float
    efficiency: float
    target: float
    reserve: float
    start: float
    turnaround: float
    tolerance: float
    horizon: float | None
    step: int

    def check(self, energy_cv: float) -> None:
        """Raise on a rule that cannot be."""
        faults = {
            f"efficiency={self.efficiency} must lie in above 0 to 1": not 0.0 < self.efficiency <= 1.0,
            f"target_soc={self.target} must lie in above 0 to 1": not 0.0 < self.target <= 1.0,
            f"reserve_soc={self.reserve} must lie in 0 to target_soc={self.target}": not 0.0 <= self.reserve <= self.target,
            f"start_soc={self.start} must lie in 0 to 1": not 0.0 <= self.start <= 1.0,
            f"turnaround_min={self.turnaround} must not be negative": not self.turnaround >= 0.0,
            f"late_tolerance_min={self.tolerance} must not be negative": not self.tolerance >= 0.0,
            f"energy_cv={energy_cv} must not be negative": not energy_cv >= 0.0,
            f"step_min={self.step} must divide a day": self.step < 1 or DAY_MIN % max(self.step, 1) != 0,
        }
        for msg, wrong in faults.items():
            if wrong:
                raise BlockError(msg)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """One replication before it is summed up."""

    log: list[tuple[Any, ...]]
    charges: list[Charge]
    segments: NDArray[np.float64]
    sessions: pl.DataFrame
    checks: dict[str, tuple[float, float]]
    vehicles_used: int
    battery_kwh: float
    end: float
    first: float
    last: float
    events: int


def _run(table: pl.DataFrame, noise: NDArray[np.float64], kinds: Mapping[str, VehicleType], rules: _Rules) -> _Outcome:
    starts = table["start_min"].to_numpy()
    env = Clock(initial_time=min(0.0, float(starts.min(initial=0.0))))
    first = float(env.now)
    if rules.horizon is not None and rules.horizon <= first:
        msg = f"horizon_min={rules.horizon} must lie after the begin of the run, {first:g}"
        raise BlockError(msg)
    bank = PlugBank(env, rules.powers, feeder_kw=rules.feeder_kw, stretches=True)
    stores: dict[str, Store] = {}
    number = 0
    for name, kind in kinds.items():
        mine = range(number, number + kind.count)
        number += kind.count
        stores[name] = store = Store(env, bank, kind, rules.target, dict.fromkeys(mine, rules.start))
        for vehicle in mine:
            if rules.start >= rules.target:
                store.idle.append((-rules.start, vehicle))
            else:
                env.process(store.stay(vehicle))
        bank.watchers.append(store.touch)
    log: list[tuple[Any, ...]] = []
    open_asks: dict[int, tuple[Any, ...]] = {}
    use = np.array([kinds[k].kwh_per_km for k in table["vehicle_type"].to_list()])
    kwh = np.where(np.isnan(table["kwh"].to_numpy()), table["km"].to_numpy() * use, table["kwh"].to_numpy()) * noise

    def drive(row: tuple[Any, ...], used: float) -> Generator[simpy.Event, Any, None]:
        index, name, start, end, km = row
        store, capacity = stores[name], kinds[name].battery.capacity_kwh
        need = rules.reserve + used / capacity
        vehicle = store.take(need)
        if vehicle is None:
            ask = Ask(index, start, need, env.event())
            open_asks[index] = (index, name, None, start, end, None, None, None, km, used, "missed", "no_vehicle")
            store.ask(ask, start + rules.tolerance)
            vehicle = yield ask.event
            del open_asks[index]
        if vehicle is None:
            log.append((index, name, None, start, end, None, None, None, km, used, "missed", store.why()))
            return
        left = float(env.now)
        delay = max(0.0, left - start)
        state = "late" if delay > _ON_TIME_MIN else "served"
        log.append((index, name, vehicle, start, end, left, left + end - start, delay, km, used, state, None))
        # on the road, then parked and cleaned
        yield env.timeout(end - start + rules.turnaround)
        store.soc[vehicle] -= used / capacity
        driven[0] += used
        store.out -= 1
        yield from store.stay(vehicle)

    def timetable() -> Generator[simpy.Event, Any, None]:
        rows = table.select("block", "vehicle_type", "start_min", "end_min", "km").rows()
        for row in sorted(rows, key=lambda r: (r[2], r[0])):
            used = float(kwh[row[0]])
            if row[2] > env.now:
                yield env.timeout(row[2] - env.now)
            if rules.reserve + used / kinds[row[1]].battery.capacity_kwh > rules.target + _FULL:
                log.append((row[0], row[1], None, *row[2:4], None, None, None, row[4], used, "missed", "beyond_battery"))
            else:
                env.process(drive(row, used))

    driven = [0.0]
    env.process(timetable())
    env.run(until=rules.horizon)
    bank.close()
    end = float(env.now)
    for store in stores.values():
        for vehicle, charge in store.docked.items():
            store.soc[vehicle] = charge.soc
    log += [(*row[:-1], stores[row[1]].why()) for row in open_asks.values()]
    charges = [c for s in stores.values() for c in s.log]
    segments = bank.segments(rules.efficiency)
    sessions = _sessions(charges, rules.efficiency)
    change = sum((s.soc[v] - rules.start) * s.kind.battery.capacity_kwh for s in stores.values() for v in s.soc)
    stored = float(sessions["stored_kwh"].sum())
    planned = table.height if rules.horizon is None else int((starts < rules.horizon).sum())
    checks = {
        "battery_change": (change - stored + driven[0], 1e-6 * max(1.0, driven[0])),
        "blocks_minus_rows": (float(planned - len(log)), 0.0),
        "vehicles_minus_present_and_out": (
            float(number - sum(len(s.idle) + len(s.docked) + s.out for s in stores.values())),
            0.0,
        ),
        "lowest_soc_below_zero": (min(0.0, *(v for s in stores.values() for v in s.soc.values()), 0.0), 1e-9),
        "driven": (driven[0], math.inf),
        "change": (change, math.inf),
    }
    used_vehicles = len({row[2] for row in log if row[2] is not None})
    held = sum(k.count * k.battery.capacity_kwh for k in kinds.values())
    last = max([end, *(row[6] for row in log if row[6] is not None)], default=end)
    return _Outcome(log, charges, segments, sessions, checks, used_vehicles, held, end, first, last, event_count(env))


def _sessions(charges: list[Charge], efficiency: float) -> pl.DataFrame:
    rows = [
        (
            _SITE,
            c.vehicle,
            c.arrive_min,
            c.start_min,
            c.end_min,
            c.soc_start,
            c.soc,
            c.stored_kwh,
            c.stored_kwh / efficiency,
            c.state,
        )
        for c in charges
        # a vehicle that was taken for a block the moment it came in did not visit the plugs
        if not (c.end_min is not None and c.end_min <= c.arrive_min and c.state != "served")
    ]
    frame = pl.DataFrame(rows, schema=SESSION_SCHEMA, orient="row")
    return frame.with_columns((pl.col("start_min") - pl.col("arrive_min")).alias("wait_min")).sort("arrive_min", "vehicle")


def _summed(run: _Outcome, rules: _Rules, first: int, last: int) -> RunRecords:
    blocks = pl.DataFrame(run.log, schema=_BLOCK_SCHEMA, orient="row").sort("planned_start_min", "block")
    curve = load_curve(run.segments, start_min=first, end_min=last, step_min=rules.step)
    stored, grid = float(run.sessions["stored_kwh"].sum()), float(run.sessions["grid_kwh"].sum())
    checks = {k: v for k, v in run.checks.items() if v[1] < math.inf}
    checks |= energy_checks(
        grid_kwh=grid,
        stored_kwh=stored,
        losses_kwh=grid * (1.0 - rules.efficiency),
        curve_kwh=float(curve.sum()) * rules.step / _MIN_PER_H,
        battery_change_kwh=run.checks["change"][0],
        driven_kwh=run.checks["driven"][0],
    )
    ran = blocks.filter(pl.col("state") != "missed")
    missed = blocks.filter(pl.col("state") == "missed")
    delays = ran["delay_min"].to_numpy()
    until = pl.coalesce("start_min", "end_min", pl.lit(run.end))
    waited = run.sessions.select(until - pl.col("arrive_min")).to_series().to_numpy()
    busy = run.sessions.filter(pl.col("start_min").is_not_null()).select(
        (pl.col("end_min").fill_null(run.end) - pl.col("start_min")).sum()
    )
    late = float((delays > _ON_TIME_MIN).sum())
    metrics = {
        "blocks": (float(blocks.height), "event"),
        "served": (float(ran.height), "event"),
        "late": (late, "event"),
        "missed": (float(missed.height), "event"),
        "served_share": (ratio(ran.height, blocks.height), "dimensionless"),
        "missed_share": (ratio(missed.height, blocks.height), "dimensionless"),
        "delay_mean_min": (float(delays.mean()) if delays.size else 0.0, "min"),
        "delay_p95_min": (quantile(delays, 0.95), "min"),
        "charges": (float(run.sessions.height), "event"),
        "wait_mean_min": (float(waited.mean()) if waited.size else 0.0, "min"),
        "wait_p50_min": (quantile(waited, 0.5), "min"),
        "wait_p95_min": (quantile(waited, 0.95), "min"),
        "wait_max_min": (float(waited.max(initial=0.0)), "min"),
        "km": (float(ran["km"].sum()), "km"),
        "km_missed": (float(missed["km"].sum()), "km"),
        "driven_kwh": (float(ran["kwh"].sum()), "kWh"),
        "unserved_kwh": (float(missed["kwh"].sum()), "kWh"),
        "stored_kwh": (stored, "kWh"),
        "grid_kwh": (grid, "kWh"),
        "peak_kw": (float(curve.max(initial=0.0)), "kW"),
        "plug_utilisation": (ratio(float(busy.item()), len(rules.powers) * (run.end - run.first)), "dimensionless"),
        "waiting_at_end": (float(run.sessions.filter(pl.col("state") == "waiting").height), "veh"),
        "vehicles_used": (float(run.vehicles_used), "veh"),
        "battery_cycles": (ratio(stored, run.battery_kwh), "dimensionless"),
    }
    return RunRecords(metrics, run.sessions, blocks, curve, check_rows(checks), run.events)


def _result(result: FleetResult, first: int, step: int) -> DepotResult:
    steps = result.load_kw.shape[1]
    n = result.load_kw.shape[0]
    missed = result.blocks.filter(pl.col("state") == "missed")
    index = np.clip((missed["planned_start_min"].to_numpy() - first) // step, 0, steps - 1).astype(np.int64)
    unserved = np.bincount(index, weights=missed["kwh"].to_numpy(), minlength=steps) / n
    load = pl.DataFrame(
        {"start_min": first + step * np.arange(steps), "kw": result.load_kw.mean(axis=0), "unserved_kwh": unserved},
        schema={"start_min": pl.Float64, "kw": pl.Float64, "unserved_kwh": pl.Float64},
    )
    return DepotResult(result.blocks, load, result.summary, result.sessions, result.checks, result.events)
