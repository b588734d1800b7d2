"""Energy stations for trucks along a corridor in SimPy: plugs, battery exchange, liquefied gas and hydrogen, each with its queue.

One environment per station. Who waits longer than its patience drives on without energy and counts as lost; a station that is too small, even one
without places, is a result. Plugs stand on :mod:`fleets.plug_bank`, bays and nozzles on :mod:`fleets.fill_line`.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.battery import Battery
from fleets.clock import Clock
from fleets.corridor_arrivals import ENERGIES, HOURS, draw_sizes, draw_times
from fleets.corridor_desks import read_desks
from fleets.corridor_records import hour_table, station_metrics, visit_frame
from fleets.errors import ChargingError
from fleets.fill_line import FillLine, PackStore, Tank, Visit, swap_line
from fleets.plug_bank import Charge, PlugBank
from fleets.records import (
    SEGMENT_COLUMNS,
    WEEK_MIN,
    RunRecords,
    Session,
    check_rows,
    child_seed,
    collect,
    energy_checks,
    event_count,
    load_curve,
    session_frame,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    import simpy
    from numpy.typing import NDArray

    from fleets.corridor_desks import Desk
    from fleets.pack_plan import PackPlan
    from fleets.records import FleetResult

_MIN_PER_H = 60.0


@dataclass(frozen=True)
class CorridorResult:
    """Replications of the stations of a corridor.

    Attributes
    ----------
    result
        Summary with intervals, visits (``blocks``: station, energy, visit, arrive_min, start_min, end_min, wait_min, need, taken, state), charging
        sessions (of trucks at plugs and of exchange packs), grid load.
    station_hours
        Mean over the replications by station, energy and hour of the week (0-167): arrivals, served, queue_mean, wait_mean_min, wait_p50_min,
        wait_p95_min, lost (by hour of arrival, but the queue by hour), utilisation, kw (grid), fuel_t, capacity_per_h.
    """

    result: FleetResult
    station_hours: pl.DataFrame


def simulate_corridor(
    stations: Any,
    arrivals: Any,
    *,
    seeds: Sequence[np.random.SeedSequence],
    batteries: Mapping[str, Battery] | None = None,
    full_soc: float = 1.0,
    efficiency: float = 1.0,
    pack_plan: PackPlan | None = None,
    warmup_min: int = 1440,
    step_min: int = 15,
    confidence: float = 0.95,
) -> CorridorResult:
    """Simulate one week of the energy stations of a corridor.

    Parameters
    ----------
    stations
        Table with station, energy (plug, swap, lng, hydrogen), places (plugs, bays, nozzles) and, where they act: power_kw (into the battery,
        of a plug or a pack charger), feeder_kw (grid power of all of them), fill_min (exchange, or what a filling takes beside the flow),
        fill_kg_per_min, packs, pack_chargers, store_kg and supply_kg_per_h (fuel at the station and how fast it comes). One row per energy.
    arrivals
        Table with station, energy, hour (0-167), vehicles_per_h and need [kWh/visit or kg/visit] (see
        :func:`fleets.corridor_arrivals.corridor_arrivals`), and optionally need_cv, patience_min, patience_cv (0 = the same for all; missing
        patience: everybody waits). Hours that are missing have no arrivals.
    seeds
        One seed per replication; times, sizes and patience of each station and energy have streams of their own.
    batteries
        Battery of the trucks (``plug``) and of the exchange packs (``swap``); constant power, and visits of any size, where there is none.
    full_soc
        State of charge at which trucks leave a plug and packs the charger.
    efficiency
        Stored energy / grid energy.
    pack_plan
        When exchange packs wait for a cheaper hour, never if None; what is expected at each station are its arrivals per hour.
    warmup_min
        Time before Monday 00:00 that is simulated and not counted, a whole number of steps [min].
    step_min
        Step of the load curve [min].
    confidence
        Level of the intervals.

    Returns
    -------
    CorridorResult
        Metrics: visits, lost, visits_served_share, wait_mean_min, wait_p50_min, wait_p95_min, grid_kwh, loss_share, peak_kw, waiting_at_end, and
        for each energy ``<energy>_`` visits, lost, served_share, wait_mean_min, wait_p95_min, queue_mean, queue_peak_hour, utilisation,
        capacity_per_h, unserved (kWh or t) and kwh (into batteries) or fuel_t.

    Raises
    ------
    ChargingError
        If a column is missing or holds a value that no station or visit can have; the message names it.
    ConservationError
        If visits, packs, fuel or energy do not add up.

    Notes
    -----
    A plug comes free when the charge ends; the feeder is shared max-min fair. An exchange begins when a bay is free and a pack is charged, and the
    used pack goes on charge when it ends. A filling begins when a nozzle is free and the tank holds the need. Lost are those who gave up in the
    queue; they take nothing.
    """
    if not 0.0 < efficiency <= 1.0 or not 0.0 < full_soc <= 1.0:
        msg = f"efficiency={efficiency} and full_soc={full_soc} must lie in above 0 to 1"
        raise ChargingError(msg)
    if warmup_min < 0 or step_min <= 0 or warmup_min % step_min or 60 % step_min:
        msg = f"step_min={step_min} must divide an hour and the warm-up of {warmup_min} min"
        raise ChargingError(msg)
    desks = read_desks(stations, arrivals, dict(batteries or {}), full_soc, efficiency)
    by_station: dict[str, list[Desk]] = {}
    for desk in desks:
        by_station.setdefault(desk.station, []).append(desk)
    runs, visits, loads = [], [], []
    for number, seed in enumerate(seeds):
        parts = [_station(mine, seed, warmup_min, step_min, pack_plan) for mine in by_station.values()]
        runs.append(_records(desks, parts, step_min))
        visits.append(pl.concat([p.visits for p in parts]).with_columns(pl.lit(number, dtype=pl.Int64).alias("replication")))
        loads.append({key: kw for p in parts for key, kw in p.load.items()})
    expected = sum(float(d.rate_per_h.sum()) for d in desks)
    result = collect(runs, step_min=step_min, vehicles=max(1, round(expected)), level=confidence)
    hourly = {k: np.mean([run[k] for run in loads], axis=0).reshape(HOURS, -1).mean(axis=1) for k in loads[0]}
    capacity = {(d.station, d.energy): d.capacity_per_h for d in desks}
    places = {(d.station, d.energy): d.places for d in desks}
    return CorridorResult(result, hour_table(pl.concat(visits), hourly, places, capacity, replications=len(seeds)))


# --- one station --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """One station in one replication; energies in kWh over the whole run, loads of the week by (station, energy)."""

    visits: pl.DataFrame
    sessions: list[Session]
    load: dict[tuple[str, str], NDArray[np.float64]]
    totals: dict[str, float]
    checks: dict[str, tuple[float, float]]
    events: int


def _stream(seed: np.random.SeedSequence, purpose: str) -> np.random.Generator:
    """Return the generator of a purpose: another station or size draws nothing from it, and no hash of the interpreter enters."""
    words = np.frombuffer(hashlib.sha256(purpose.encode()).digest()[:16], dtype="<u4").tolist()
    return np.random.default_rng(child_seed(seed, *words))


def _drawn(desk: Desk, seed: np.random.SeedSequence, warmup_min: int) -> list[Visit]:
    """Return the visits of one desk in the order of time, with their arrival filled in."""
    name = f"{desk.station}:{desk.energy}"
    times = draw_times(desk.rate_per_h, _stream(seed, f"{name}:times"), start_min=-float(warmup_min), end_min=float(WEEK_MIN))
    mean = desk.need[np.floor(times / _MIN_PER_H).astype(np.int64) % HOURS]
    most = desk.full_soc * desk.battery.capacity_kwh if desk.battery is not None else math.inf
    try:
        sizes = draw_sizes(mean, desk.need_cv, most, _stream(seed, f"{name}:sizes"))
    except ChargingError as problem:
        msg = f"station {desk.station}, {desk.energy}: {problem}"
        raise ChargingError(msg) from problem
    patience = np.full(times.size, desk.patience_min)
    if desk.patience_min < math.inf:
        patience = draw_sizes(patience, desk.patience_cv, math.inf, _stream(seed, f"{name}:patience"))
    drawn = zip(times.tolist(), sizes.tolist(), patience.tolist(), strict=True)
    return [Visit(i, size, desk.fill_min(size), most, at) for i, (at, size, most) in enumerate(drawn)]


def _station(
    desks: Sequence[Desk], seed: np.random.SeedSequence, warmup_min: int, step_min: int, pack_plan: PackPlan | None
) -> _Part:
    env = Clock(initial_time=-warmup_min)
    plans = [_plan(env, desk, _drawn(desk, seed, warmup_min), warmup_min, pack_plan) for desk in desks]
    for plan in plans:
        env.process(_come(env, plan))
    env.run(until=WEEK_MIN)
    visits: list[pl.DataFrame] = []
    sessions: list[Session] = []
    load: dict[tuple[str, str], NDArray[np.float64]] = {}
    checks: dict[str, tuple[float, float]] = {}
    sums = {"stored_kwh": 0.0, "taken_kwh": 0.0, "change_kwh": 0.0, "curve_kwh": 0.0}
    for plan in plans:
        desk, key = plan.desk, (plan.desk.station, plan.desk.energy)
        plan.close()
        frame = visit_frame(*key, plan.visits)
        visits.append(frame)
        checks |= {f"{desk.energy}_{k}": v for k, v in _visit_checks(plan, frame).items()}
        if plan.bank is None:
            load[key] = np.zeros(WEEK_MIN // step_min)
            continue
        made, segments = _sessions(plan)
        sessions += made
        curve = load_curve(segments, start_min=-warmup_min, end_min=WEEK_MIN, step_min=step_min)
        load[key] = curve[warmup_min // step_min :]
        stored = sum(s.stored_kwh for s in made)
        taken = sum(v.taken for v in plan.visits) if plan.store is not None else 0.0
        change = (
            stored if plan.store is None else -plan.store.short_kwh() - sum(v.need for v in plan.visits if v.state == "serving")
        )
        sums["stored_kwh"] += stored
        sums["taken_kwh"] += taken
        sums["change_kwh"] += change
        sums["curve_kwh"] += float(curve.sum()) * step_min / _MIN_PER_H
    return _Part(pl.concat(visits), sessions, load, sums, checks, event_count(env))


@dataclass
class _Plan:
    """One desk with its visits inside an environment."""

    desk: Desk
    visits: list[Visit]
    arrive: Callable[[Visit], object]
    close: Callable[[], None]
    bank: PlugBank | None = None
    store: PackStore | None = None
    tank: Tank | None = None
    charges: list[Charge] | None = None


def _plan(env: simpy.Environment, desk: Desk, visits: list[Visit], warmup_min: int, pack_plan: PackPlan | None) -> _Plan:
    feeder = desk.row["feeder_kw"] * desk.efficiency
    if desk.energy == "plug":
        bank = PlugBank(env, [desk.row["power_kw"]] * desk.places, feeder_kw=feeder, stretches=True)
        charges: list[Charge] = []

        def plug_in(visit: Visit) -> None:
            charge = _charge(desk, visit)
            charges.append(charge)
            bank.arrive(charge)

        def close() -> None:
            bank.close()
            for visit, charge in zip(visits, charges, strict=False):
                visit.arrive_min, visit.start_min, visit.end_min = charge.arrive_min, charge.start_min, charge.end_min
                visit.state = {"charging": "serving", "cut": "served"}.get(charge.state, charge.state)
                visit.taken = visit.need if charge.state == "served" else charge.stored_kwh

        return _Plan(desk, visits, plug_in, close, bank, charges=charges)
    if desk.energy == "swap" and desk.battery is not None:
        powers = [desk.row["power_kw"]] * round(desk.row["pack_chargers"])
        bays, packs = desk.places, round(desk.row["packs"])
        own = None if pack_plan is None else replace(pack_plan, expected_per_h=tuple(desk.rate_per_h.tolist()))
        line, store = swap_line(
            env,
            desk.battery,
            bays=bays,
            packs=packs,
            powers_kw=powers,
            feeder_kw=feeder,
            full_soc=desk.full_soc,
            plan=own,
            charge_min=0.0 if own is None else desk.charge_min,
        )
        return _Plan(desk, visits, line.arrive, store.bank.close, store.bank, store)
    tank = Tank(desk.row["store_kg"], desk.row["supply_kg_per_h"], -float(warmup_min))
    return _Plan(desk, visits, FillLine(env, desk.places, tank).arrive, lambda: tank.fill(float(env.now)), tank=tank)


def _charge(desk: Desk, visit: Visit) -> Charge:
    battery = desk.battery
    if battery is None:
        power = desk.row["power_kw"]
        battery = Battery(max(visit.need, 1e-9), power, 0.5, power)
        return Charge(visit.number, battery.capacity_kwh, power, battery=battery, patience_min=visit.patience_min)
    soc = desk.full_soc - visit.need / battery.capacity_kwh
    return Charge(
        visit.number,
        battery.capacity_kwh,
        battery.max_kw,
        soc=max(0.0, soc),
        target=desk.full_soc,
        battery=battery,
        patience_min=visit.patience_min,
    )


def _come(env: simpy.Environment, plan: _Plan) -> Generator[simpy.Event, Any, None]:
    for visit in plan.visits:
        if visit.arrive_min > env.now:
            yield env.timeout(visit.arrive_min - env.now)
        plan.arrive(visit)


def _visit_checks(plan: _Plan, frame: pl.DataFrame) -> dict[str, tuple[float, float]]:
    """Return the balances of one desk: nobody is lost sight of, no place is taken twice, packs and fuel add up."""
    counts = dict(frame.group_by("state").len().iter_rows())
    known = sum(counts.get(s, 0) for s in ("served", "left", "serving", "waiting", "new"))
    begun = frame.filter(pl.col("start_min").is_not_null())
    edge = np.concatenate([begun["start_min"].to_numpy(), begun["end_min"].drop_nulls().to_numpy()])
    change = np.concatenate([np.ones(begun.height), -np.ones(edge.size - begun.height)])
    # at one instant places come free before they are taken
    most = float(np.cumsum(change[np.lexsort((change, np.round(edge, 6)))]).max(initial=0.0))
    checks = {
        "visits_minus_states": (float(len(plan.visits) - known), 0.0),
        "places_taken_twice": (max(0.0, most - plan.desk.places), 0.0),
    }
    if plan.store is not None:
        out = sum(1 for c in plan.store.charges if c.state != "served") + counts.get("serving", 0)
        checks["packs_minus_charged_and_out"] = (float(plan.store.packs - plan.store.charged - out), 0.0)
    if plan.tank is not None and plan.tank.size < math.inf:
        tank = plan.tank
        checks["fuel_balance"] = ((tank.size + tank.supplied - tank.taken - tank.level) / max(tank.taken, 1.0), 1e-7)
    if plan.tank is not None:
        taken = float(frame["taken"].sum())
        checks["fuel_taken_minus_visits"] = ((plan.tank.taken - taken) / max(taken, 1.0), 1e-7)
    return checks


def _sessions(plan: _Plan) -> tuple[list[Session], NDArray[np.float64]]:
    """Return the charging sessions of one desk and their stretches of constant power."""
    desk = plan.desk
    # a pack that waits for a cheaper hour has not been at a charger yet
    charges = [c for c in (plan.store.charges if plan.store is not None else plan.charges or []) if c.state != "new"]
    site = f"{desk.station}:{'packs' if plan.store is not None else 'plugs'}"
    names = {"served": "charged", "cut": "charged"}
    sessions = []
    for charge in charges:
        stored = charge.stored_kwh
        state = names.get(charge.state, charge.state)
        number = (site, charge.vehicle, charge.arrive_min, charge.start_min, charge.end_min, charge.soc_start, charge.soc)
        sessions.append(Session(*number, stored, stored / desk.efficiency, state))
    return sessions, np.empty((0, SEGMENT_COLUMNS)) if plan.bank is None else plan.bank.segments(desk.efficiency)


def _records(desks: Sequence[Desk], parts: Sequence[_Part], step_min: int) -> RunRecords:
    totals = {k: sum(p.totals[k] for p in parts) for k in parts[0].totals}
    efficiency = desks[0].efficiency
    sessions = session_frame([s for p in parts for s in p.sessions])
    grid = float(sessions["grid_kwh"].sum())
    checks: dict[str, tuple[float, float]] = {}
    for name, pair in (item for p in parts for item in p.checks.items()):
        # of several stations the worst
        checks[name] = max(pair, checks.get(name, pair), key=lambda found: abs(found[0]))
    checks |= energy_checks(
        grid_kwh=grid,
        stored_kwh=totals["stored_kwh"],
        losses_kwh=grid * (1.0 - efficiency),
        curve_kwh=totals["curve_kwh"],
        battery_change_kwh=totals["change_kwh"],
        driven_kwh=totals["taken_kwh"],
    )
    visits = pl.concat([p.visits for p in parts])
    curves = [kw for p in parts for kw in p.load.values()]
    load = np.sum(curves, axis=0)
    metrics = station_metrics(
        visits,
        load,
        step_min=step_min,
        efficiency=efficiency,
        places={e: sum(d.places for d in desks if d.energy == e) for e in ENERGIES if any(d.energy == e for d in desks)},
        capacity={e: sum(d.capacity_per_h for d in desks if d.energy == e) for e in ENERGIES},
    )
    return RunRecords(metrics, sessions, visits, load, check_rows(checks), sum(p.events for p in parts))
