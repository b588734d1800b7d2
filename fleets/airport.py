"""Airport week: turnarounds by the hour, electric ground equipment that charges in gaps, and aircraft on bridge power or on their own turbine.

Each turnaround asks pools of equipment for units; a unit that runs low charges and is missing meanwhile. A turnaround whose unit comes later than
the tolerance is recorded as missed by electric equipment (the airport then sends a diesel one), so a fleet that is too small shows.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import simpy

from fleets.errors import BlockError
from fleets.records import (
    DAY_MIN,
    WEEK_MIN,
    FleetResult,
    RunRecords,
    check_rows,
    collect,
    energy_checks,
    event_count,
    load_curve,
    quantile,
    ratio,
    session_frame,
    waits,
)
from fleets.station import ChargingSite, Plugs

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from fleets.battery import Battery

_OPERATION_SCHEMA: dict[str, Any] = {
    "turnaround": pl.Int64,
    "kind": pl.String,
    "asked_min": pl.Float64,
    "start_min": pl.Float64,
    "delay_min": pl.Float64,
    "kwh": pl.Float64,
    "state": pl.String,
}


@dataclass(frozen=True, slots=True)
class Equipment:
    """One kind of electric ground equipment.

    Attributes
    ----------
    kind
        Name, for example tug.
    units
        Number of units.
    battery
        Their battery.
    operation_min
        Time a unit is bound to one turnaround [min].
    kwh
        Energy of one operation [kWh].
    per_turnaround
        Units a narrow-body turnaround needs; wide bodies need ``wide_factor`` times as many.
    stands
        ``all``, ``contact`` or ``remote``: where it is needed.
    offset_min
        When it is needed after the aircraft is on stand [min].
    """

    kind: str
    units: int
    battery: Battery
    operation_min: float
    kwh: float
    per_turnaround: int
    stands: str
    offset_min: float


@dataclass(frozen=True, slots=True)
class Apron:
    """What happens to aircraft on stand.

    Attributes
    ----------
    turnarounds_per_day
        Mean number of turnarounds by day, from the first day of the warm-up.
    contact_share, wide_share
        Shares of turnarounds at contact stands and of wide bodies.
    turnaround_min
        Time on stand of narrow and wide bodies [min].
    turnaround_cv
        Coefficient of variation of the time on stand.
    ground_power_share
        Share of turnarounds on ground power at contact and at remote stands.
    ground_power_kw
        Electric load of narrow and wide bodies from the ground: power and preconditioned air [kW].
    converter_efficiency
        Energy at the aircraft / grid energy.
    connect_min
        Time the turbine runs although ground power is used [min].
    turbine_kg_per_h
        Fuel flow of the auxiliary turbine of narrow and wide bodies [kg/h].
    wide_factor
        Equipment a wide body needs relative to a narrow body.
    """

    turnarounds_per_day: tuple[float, ...]
    contact_share: float
    wide_share: float
    turnaround_min: tuple[float, float]
    turnaround_cv: float
    ground_power_share: tuple[float, float]
    ground_power_kw: tuple[float, float]
    converter_efficiency: float
    connect_min: float
    turbine_kg_per_h: tuple[float, float]
    wide_factor: int


@dataclass(frozen=True, slots=True)
class GapCharging:
    """When equipment charges.

    Attributes
    ----------
    charge_soc
        State of charge below which a unit goes to a plug after an operation.
    target_soc, reserve_soc
        State of charge where charging stops, and the one no operation may end below: a unit that could not do another one charges too.
    tolerance_min
        Wait for a unit above which the turnaround counts as missed [min].
    """

    charge_soc: float
    target_soc: float
    reserve_soc: float
    tolerance_min: float


class _Pool:
    """Units of one kind: the one longest ready is taken first, and who asks first is served first."""

    def __init__(self, env: simpy.Environment, equipment: Equipment, first_unit: int) -> None:
        self.env = env
        self.equipment = equipment
        self.units = range(first_unit, first_unit + equipment.units)
        self.ready = deque(self.units)
        self.queue: deque[simpy.Event] = deque()

    def take(self) -> int | None:
        """Return a unit that is ready, if nobody waits for one."""
        return self.ready.popleft() if self.ready and not self.queue else None

    def ask(self) -> simpy.Event:
        """Return an event that brings the next unit."""
        event = self.env.event()
        self.queue.append(event)
        return event

    def put(self, unit: int) -> None:
        """Give a unit to the first in the queue, or keep it ready."""
        if self.queue:
            self.queue.popleft().succeed(unit)
        else:
            self.ready.append(unit)


@dataclass
class _Airport:
    env: simpy.Environment
    site: ChargingSite
    rule: GapCharging
    soc: list[float]
    log: list[tuple[Any, ...]]
    busy: int = 0
    held: int = 0


def simulate_airport(
    apron: Apron,
    equipment: Sequence[Equipment],
    plugs: Plugs,
    rule: GapCharging,
    *,
    hourly_share: ArrayLike,
    seeds: Sequence[np.random.SeedSequence],
    warmup_min: int = DAY_MIN,
    horizon_min: int = WEEK_MIN,
    step_min: int = 15,
    confidence: float = 0.95,
) -> FleetResult:
    """Simulate the turnarounds of an airport for one week in several replications.

    Parameters
    ----------
    apron
        Turnarounds and power on stand.
    equipment
        Pools of electric equipment.
    plugs
        Plugs of the equipment.
    rule
        When units charge and when a turnaround counts as missed.
    hourly_share
        Movements by hour of the day, array ``(24,)``.
    seeds
        One seed per replication.
    warmup_min, horizon_min, step_min, confidence
        As in :func:`fleets.depot.simulate_depot`.

    Returns
    -------
    FleetResult
        Metrics: turnarounds, missed_share, delayed_share, delay_p95_min, ground_power_share, turbine_fuel_t, turbine_h, ground_power_kwh,
        equipment_kwh, grid_kwh, peak_kw, wait_mean_min, wait_p50_min, wait_p95_min, plug_utilisation, loss_share, waiting_at_end.

    Raises
    ------
    BlockError
        If the profile is not 24 values, a turnaround needs more units of a kind than there are, or one operation could empty a battery.
    ConservationError
        If a run loses energy or units.
    """
    share = np.asarray(hourly_share, dtype=np.float64)
    if share.shape != (24,) or not share.sum() > 0:
        msg = f"hourly_share needs 24 values with a positive sum, got shape {share.shape}"
        raise BlockError(msg)
    for item in equipment:
        most = item.per_turnaround * (apron.wide_factor if apron.wide_share > 0.0 else 1)
        if item.units < most:
            msg = f"{item.kind}: {item.units} units, but one turnaround needs up to {most}"
            raise BlockError(msg)
        if rule.reserve_soc + item.kwh / item.battery.capacity_kwh > rule.target_soc:
            msg = f"{item.kind}: an operation of {item.kwh} kWh begun at {rule.target_soc:.0%} ends below the reserve of {rule.reserve_soc:.0%}"
            raise BlockError(msg)
    runs = [
        _run(apron, equipment, plugs, rule, share, np.random.default_rng(s), warmup_min, horizon_min, step_min) for s in seeds
    ]
    return collect(runs, step_min=step_min, vehicles=sum(e.units for e in equipment), level=confidence)


def _arrivals(apron: Apron, share: NDArray[np.float64], rng: np.random.Generator, warmup_min: int) -> pl.DataFrame:
    """Return one row per turnaround: arrival, time on stand, stand, size, ground power."""
    cumulative = np.concatenate([[0.0], np.cumsum(share / share.sum())])
    times = []
    for day, mean in enumerate(apron.turnarounds_per_day):
        # a timetable: the day's number is fixed up to rounding, and arrivals spread evenly over the profile
        n = int(mean + rng.random())
        points = (np.arange(n) + rng.random(n)) / max(n, 1)
        times.append(-warmup_min + day * DAY_MIN + np.interp(points, cumulative, np.arange(25) * 60.0))
    at = np.sort(np.concatenate(times))
    n = at.size
    wide = rng.random(n) < apron.wide_share
    contact = rng.random(n) < apron.contact_share
    shape = 1.0 / apron.turnaround_cv**2
    stay = np.where(wide, apron.turnaround_min[1], apron.turnaround_min[0]) * rng.gamma(shape, 1.0 / shape, n)
    powered = rng.random(n) < np.where(contact, apron.ground_power_share[0], apron.ground_power_share[1])
    return pl.DataFrame({"arrive_min": at, "stay_min": stay, "wide": wide, "contact": contact, "powered": powered})


def _operation(
    airport: _Airport, pool: _Pool, turnaround: int, asked_min: float, count: int, units: list[int]
) -> Generator[simpy.Event, Any, None]:
    """Wait for the units that are still missing, at most until the tolerance ends."""
    env = airport.env
    late = env.timeout(airport.rule.tolerance_min)
    while len(units) < count:
        request = pool.ask()
        yield request | late
        if not request.triggered:
            pool.queue.remove(request)
            airport.held -= len(units)
            for unit in units:
                pool.put(unit)
            airport.log.append((turnaround, pool.equipment.kind, asked_min, None, None, 0.0, "missed"))
            return
        units.append(int(request.value or 0))
        airport.held += 1
    airport.held -= count
    _work(airport, pool, turnaround, asked_min, units)


def _work(airport: _Airport, pool: _Pool, turnaround: int, asked_min: float, units: list[int]) -> None:
    """Bind units to a turnaround; a callback frees them, which needs no process."""
    env, item, rule = airport.env, pool.equipment, airport.rule
    spent = item.kwh / item.battery.capacity_kwh
    lowest = max(rule.charge_soc, rule.reserve_soc + spent)
    airport.busy += len(units)
    airport.log.append((turnaround, item.kind, asked_min, env.now, env.now - asked_min, len(units) * item.kwh, "done"))

    def free(_: simpy.Event) -> None:
        airport.busy -= len(units)
        for unit in units:
            airport.soc[unit] -= spent
            if airport.soc[unit] < lowest:
                env.process(_recharge(airport, pool, unit))
            else:
                pool.put(unit)

    env.timeout(item.operation_min).callbacks.append(free)


def _recharge(airport: _Airport, pool: _Pool, unit: int) -> Generator[simpy.Event, Any, None]:
    rule = airport.rule
    airport.soc[unit] = yield from airport.site.charge(unit, pool.equipment.battery, airport.soc[unit], rule.target_soc)
    pool.put(unit)


def _run(
    apron: Apron,
    equipment: Sequence[Equipment],
    plugs: Plugs,
    rule: GapCharging,
    share: NDArray[np.float64],
    rng: np.random.Generator,
    warmup_min: int,
    horizon_min: int,
    step_min: int,
) -> RunRecords:
    env = simpy.Environment(initial_time=-warmup_min)
    site = ChargingSite(env, "apron", plugs)
    pools: list[_Pool] = []
    for item in equipment:
        pools.append(_Pool(env, item, sum(p.equipment.units for p in pools)))
    capacity = [p.equipment.battery.capacity_kwh for p in pools for _ in p.units]
    airport = _Airport(env, site, rule, [rule.target_soc] * len(capacity), [])
    flights = _arrivals(apron, share, rng, warmup_min)

    tasks = _tasks(apron, flights, pools)

    def source() -> Generator[simpy.Event, Any, None]:
        for asked, turnaround, kind, count in tasks:
            if asked > env.now:
                yield env.timeout(asked - env.now)
            units: list[int] = []
            while len(units) < count and (unit := pools[kind].take()) is not None:
                units.append(unit)
            if len(units) == count:
                _work(airport, pools[kind], turnaround, asked, units)
            else:
                airport.held += len(units)
                env.process(_operation(airport, pools[kind], turnaround, asked, count, units))

    env.process(source())
    env.run(until=horizon_min)
    for unit, soc in site.close().items():
        airport.soc[unit] = soc
    sessions = session_frame(site.sessions)
    operations = pl.DataFrame(airport.log, schema=_OPERATION_SCHEMA, orient="row").sort("asked_min", "turnaround", "kind")
    curve = load_curve(site.segments(), start_min=-warmup_min, end_min=horizon_min, step_min=step_min)
    minutes = {p.equipment.kind: p.equipment.operation_min for p in pools}
    length = pl.col("kind").replace_strict(minutes, return_dtype=pl.Float64)
    done = operations.filter((pl.col("state") == "done") & (pl.col("start_min") + length <= horizon_min))
    open_units = operations.filter((pl.col("state") == "done") & (pl.col("start_min") + length > horizon_min))
    grid, stored = float(sessions["grid_kwh"].sum()), float(sessions["stored_kwh"].sum())
    checks = energy_checks(
        grid_kwh=grid,
        stored_kwh=stored,
        losses_kwh=grid * (1.0 - plugs.efficiency),
        curve_kwh=float(curve.sum()) * step_min / 60.0,
        battery_change_kwh=sum((s - rule.target_soc) * c for s, c in zip(airport.soc, capacity, strict=True)),
        driven_kwh=float(done["kwh"].sum()),
    )
    present = sum(len(p.ready) for p in pools) + sessions.filter(pl.col("state").is_in(["charging", "waiting"])).height
    checks["units_minus_ready_busy_charging"] = (float(len(capacity) - present - airport.busy - airport.held), 0.0)
    kwh_each = {p.equipment.kind: p.equipment.kwh for p in pools}
    busy = open_units.select((pl.col("kwh") / pl.col("kind").replace_strict(kwh_each, return_dtype=pl.Float64)).sum()).item()
    checks["busy_units_minus_open_operations"] = (float(airport.busy) - float(busy), 1e-6)
    checks["lowest_soc_below_zero"] = (min(0.0, *airport.soc), 1e-9)
    stands, on_stand_kw = _stand_power(apron, flights, horizon_min, step_min)
    counted = curve[round(warmup_min / step_min) :]
    metrics = _metrics(apron, operations, sessions, stands, counted, on_stand_kw, plugs, horizon_min, step_min)
    return RunRecords(metrics, sessions, operations, counted + on_stand_kw, check_rows(checks), event_count(env))


def _tasks(apron: Apron, flights: pl.DataFrame, pools: Sequence[_Pool]) -> list[tuple[float, int, int, int]]:
    """Return (time, turnaround, pool, units) of every operation in the order of time."""
    tasks = []
    for i, (at, contact, wide) in enumerate(flights.select("arrive_min", "contact", "wide").iter_rows()):
        for kind, pool in enumerate(pools):
            item = pool.equipment
            if item.stands == "all" or (item.stands == "contact") == contact:
                tasks.append((at + item.offset_min, i, kind, item.per_turnaround * (apron.wide_factor if wide else 1)))
    return sorted(tasks)


def _stand_power(
    apron: Apron, flights: pl.DataFrame, horizon_min: int, step_min: int
) -> tuple[dict[str, float], NDArray[np.float64]]:
    """Return totals of power on stand in the week and its grid load by step [kW]."""
    week = flights.filter((pl.col("arrive_min") >= 0) & (pl.col("arrive_min") < horizon_min))
    at, stay = week["arrive_min"].to_numpy(), week["stay_min"].to_numpy()
    wide, powered = week["wide"].to_numpy(), week["powered"].to_numpy()
    turbine_min = np.where(powered, np.minimum(apron.connect_min, stay), stay)
    flow = np.where(wide, apron.turbine_kg_per_h[1], apron.turbine_kg_per_h[0])
    kw = np.where(powered, np.where(wide, apron.ground_power_kw[1], apron.ground_power_kw[0]) / apron.converter_efficiency, 0.0)
    begin, end = at + turbine_min, at + stay
    edges = np.arange(0.0, horizon_min + step_min, step_min)
    # mean load of a step = sum over aircraft of power x time inside the step, by the integral of the step function at its edges
    load = np.maximum(np.diff(_integral(begin, end, kw, edges)), 0.0) / step_min
    return {
        "turnarounds": float(week.height),
        "powered": float(powered.sum()),
        "turbine_h": float(turbine_min.sum()) / 60.0,
        "turbine_fuel_t": float((turbine_min * flow).sum()) / 60.0 / 1000.0,
        "ground_power_kwh": float((kw * (end - begin)).sum()) / 60.0,
    }, load


def _integral(
    begin: NDArray[np.float64], end: NDArray[np.float64], height: NDArray[np.float64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the integral from minus infinity to ``at`` of a sum of rectangles."""
    times = np.concatenate([begin, end])
    slopes = np.concatenate([height, -height])
    order = np.argsort(times, kind="stable")
    times, slopes = times[order], np.cumsum(slopes[order])
    if not times.size:
        return np.zeros_like(at)
    values = np.concatenate([[0.0], np.cumsum(slopes[:-1] * np.diff(times))])
    total: NDArray[np.float64] = np.interp(at, times, values)
    return total


def _metrics(
    apron: Apron,
    operations: pl.DataFrame,
    sessions: pl.DataFrame,
    stands: dict[str, float],
    load_kw: NDArray[np.float64],
    on_stand_kw: NDArray[np.float64],
    plugs: Plugs,
    horizon_min: int,
    step_min: int,
) -> dict[str, tuple[float, str]]:
    inside = operations.filter((pl.col("asked_min") >= 0) & (pl.col("asked_min") < horizon_min))
    served = inside.group_by("turnaround").agg(
        (pl.col("state") == "missed").any().alias("missed"), pl.col("delay_min").max().alias("delay")
    )
    delays = served["delay"].drop_nulls().to_numpy()
    waited = waits(sessions, start_min=0.0, end_min=float(horizon_min))
    busy = sessions.filter(pl.col("start_min").is_not_null()).select(
        (pl.col("end_min").fill_null(horizon_min) - pl.max_horizontal("start_min", pl.lit(0.0))).clip(0.0).sum()
    )
    equipment_kwh = float(load_kw.sum()) * step_min / 60.0
    stand_kwh = float(on_stand_kw.sum()) * step_min / 60.0
    lost = equipment_kwh * (1.0 - plugs.efficiency) + stand_kwh * (1.0 - apron.converter_efficiency)
    return {
        "turnarounds": (stands["turnarounds"], "event"),
        "missed_share": (ratio(float(served["missed"].sum()), served.height), "dimensionless"),
        "delayed_share": (ratio(float((delays > 1e-6).sum()), served.height), "dimensionless"),
        "delay_p95_min": (quantile(delays, 0.95), "min"),
        "ground_power_share": (ratio(stands["powered"], stands["turnarounds"]), "dimensionless"),
        "turbine_h": (stands["turbine_h"], "h"),
        "turbine_fuel_t": (stands["turbine_fuel_t"], "t"),
        "ground_power_kwh": (stand_kwh, "kWh"),
        "equipment_kwh": (equipment_kwh, "kWh"),
        "grid_kwh": (equipment_kwh + stand_kwh, "kWh"),
        "loss_share": (ratio(lost, equipment_kwh + stand_kwh), "dimensionless"),
        "peak_kw": (float((load_kw + on_stand_kw).max(initial=0.0)), "kW"),
        "wait_mean_min": (float(waited.mean()) if waited.size else 0.0, "min"),
        "wait_p50_min": (quantile(waited, 0.5), "min"),
        "wait_p95_min": (quantile(waited, 0.95), "min"),
        "plug_utilisation": (ratio(float(busy.item()), plugs.count * horizon_min), "dimensionless"),
        "waiting_at_end": (float(sessions.filter(pl.col("state") == "waiting").height), "veh"),
    }
