"""Electric bus depot: buses drive blocks, come back, queue for a plug, charge and leave again.

Blocks follow an hourly service profile; events happen only at departures, returns and plugs. A bus that is not ready leaves late, and a block
whose bus is later than the tolerance, or asks more than the battery holds, is recorded as not served: under-building has a result.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from dataclasses import dataclass, field
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
    child_seed,
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
from fleets.tables import as_frame, number_column

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from fleets.battery import Battery

#: Rounding of the clock; a bus this late is on time [min].
_ON_TIME_MIN = 1e-6
_BLOCK_SCHEMA: dict[str, Any] = {
    "bus": pl.Int64,
    "planned_start_min": pl.Float64,
    "start_min": pl.Float64,
    "end_min": pl.Float64,
    "delay_min": pl.Float64,
    "km": pl.Float64,
    "kwh": pl.Float64,
    "state": pl.String,
}


@dataclass(frozen=True, slots=True)
class Buses:
    """The buses of a depot and the rules they run by.

    Attributes
    ----------
    count
        Number of buses.
    battery
        Their battery.
    energy_cv
        Coefficient of variation of a block's energy (lognormal, mean 1).
    target_soc, reserve_soc
        State of charge where charging stops, and the one kept at the end of a block.
    turnaround_min
        Time between return and the queue for a plug [min].
    late_tolerance_min
        Delay above which a block is lost [min].
    """

    count: int
    battery: Battery
    energy_cv: float
    target_soc: float
    reserve_soc: float
    turnaround_min: float
    late_tolerance_min: float


@dataclass(frozen=True, slots=True)
class ValleyFirst:
    """Managed charging: a bus waits for the price valley if the plugs can still serve everybody there before departure.

    Attributes
    ----------
    share
        Share of the buses that are managed.
    windows
        Valley windows of a day (start, end) [min]; an end above 1440 runs over midnight.
    fill_share
        Share of a window's plug minutes that is given away before buses charge at once.
    margin_min
        Time kept between the planned end of a charge and the departure [min].
    """

    share: float = 0.0
    windows: tuple[tuple[int, int], ...] = ()
    fill_share: float = 1.0
    margin_min: float = 0.0


@dataclass
class _Depot:
    """State of one replication."""

    env: simpy.Environment
    site: ChargingSite
    buses: Buses
    policy: ValleyFirst
    windows: list[tuple[float, float]]
    soc: list[float]
    log: list[tuple[Any, ...]] = field(default_factory=list)
    promised: dict[int, float] = field(default_factory=dict)
    out: int = 0
    returned: int = 0
    left: int = 0


def bus_blocks(
    count: int,
    hourly_share: ArrayLike,
    *,
    day_factor: ArrayLike,
    peak_out_share: float,
    longest_piece_min: float,
    km_per_min: ArrayLike,
    kwh_per_km: ArrayLike,
    rng: np.random.Generator,
    first_day: int = -1,
) -> pl.DataFrame:
    """Return the blocks of a depot from an hourly service profile.

    Parameters
    ----------
    count
        Buses of the depot.
    hourly_share
        Departures on the lines by hour of the day, any scale, array ``(24,)``.
    day_factor
        Service relative to a weekday, one value per day from ``first_day`` on.
    peak_out_share
        Share of the buses on the road in the busiest hour.
    longest_piece_min
        Time on the road after which a bus is relieved by one from the depot [min].
    km_per_min
        Distance a bus on the road covers per minute by hour of the day, layovers included, array ``(24,)`` [km/min].
    kwh_per_km
        Mean energy out of the battery, one value per day from ``first_day`` on [kWh/km].
    rng
        Spreads departures inside an hour.
    first_day
        Day of the first blocks; -1 is the Sunday before the week.

    Returns
    -------
    table
        Columns bus, start_min, end_min, km, kwh (mean energy), sorted by bus and start.

    Raises
    ------
    BlockError
        If the profile is not 24 values with a positive maximum.

    Notes
    -----
    Buses needed in hour h are count x peak_out_share x factor x profile(h) / max(profile). When the need rises, the bus longest in the depot
    leaves; when it falls, the one longest on the road returns. A bus that has been out for the longest piece comes in and the one longest in
    the depot takes over; if the depot is empty its place stays open until the next hour. The plan knows no plugs: whether a bus is charged
    when its block begins, the simulation finds out.
    """
    share = np.asarray(hourly_share, dtype=np.float64)
    speed = np.asarray(km_per_min, dtype=np.float64)
    if share.shape != (24,) or speed.shape != (24,) or not share.max() > 0 or np.any(share < 0):
        msg = f"hourly_share and km_per_min need 24 values and a positive maximum, got shapes {share.shape}, {speed.shape}"
        raise BlockError(msg)
    travelled = np.concatenate([[0.0], np.cumsum(speed * 60.0)])
    hour_edges = np.arange(25) * 60.0
    factors = np.asarray(day_factor, dtype=np.float64)
    need = np.rint(count * peak_out_share * factors[:, None] * share / share.max()).astype(np.int64).ravel()
    begin = first_day * DAY_MIN
    # (time it became free or left, bus); heaps give the longest waiting first
    home: list[tuple[float, int]] = [(float(begin), b) for b in range(count)]
    road: list[tuple[float, int]] = []
    rows: list[tuple[int, float, float]] = []

    def leave(at: float) -> None:
        _, bus = heapq.heappop(home)
        heapq.heappush(road, (at, bus))

    def come(at: float) -> None:
        since, bus = heapq.heappop(road)
        rows.append((bus, since, at))
        heapq.heappush(home, (at, bus))

    def relieve(until: float) -> None:
        while road and road[0][0] + longest_piece_min <= until:
            at = road[0][0] + longest_piece_min
            if home and home[0][0] < at:
                leave(at)
            come(at)

    for index, wanted in enumerate(need.tolist()):
        hour = begin + 60.0 * index
        relieve(hour)
        step = min(wanted, count) - len(road)
        for at in np.sort(hour + 60.0 * rng.random(abs(step))).tolist():
            relieve(at)
            if step > 0 and home and home[0][0] < at:
                leave(at)
            elif step < 0 and road and road[0][0] < at:
                come(at)
    relieve(begin + 60.0 * need.size)
    rows += [(bus, since, begin + 60.0 * need.size) for since, bus in sorted(road)]
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    whole = travelled[-1]
    ends = np.floor_divide(table[:, 1:], DAY_MIN) * whole + np.interp(np.mod(table[:, 1:], DAY_MIN), hour_edges, travelled)
    km = ends[:, 1] - ends[:, 0]
    use = np.asarray(kwh_per_km, dtype=np.float64)
    day = np.clip(table[:, 1] // DAY_MIN - first_day, 0, use.size - 1).astype(np.int64)
    frame = pl.DataFrame(
        {"bus": table[:, 0].astype(np.int64), "start_min": table[:, 1], "end_min": table[:, 2], "km": km, "kwh": km * use[day]}
    )
    return frame.sort("bus", "start_min")


def minimum_fleet(blocks: Any, turnaround_min: ArrayLike = 0.0, *, recovery_min: ArrayLike = 0.0) -> int:
    """Return the fewest vehicles that can drive all blocks when any vehicle of the type may follow any block.

    Parameters
    ----------
    blocks
        Table with columns start_min, end_min and optional vehicle_type, in any order.
    turnaround_min
        Time after a block before its vehicle can begin the next one; a number or one per block [min].
    recovery_min
        More such time, for example for charging [min].

    Returns
    -------
    int
        Exact: the largest number of blocks, each with its turnaround, that overlap (interval graphs are perfect); the sum over the types.

    Raises
    ------
    BlockError
        If a column is missing or a block ends before it starts.

    Examples
    --------
    >>> import polars as pl
    >>> minimum_fleet(pl.DataFrame({"start_min": [0, 60, 130], "end_min": [100, 120, 180]}), 20)
    2
    """
    table = as_frame(blocks, "blocks", BlockError)
    start, end = (number_column(table, c, BlockError) for c in ("start_min", "end_min"))
    pause = np.asarray(turnaround_min, dtype=np.float64) + np.asarray(recovery_min, dtype=np.float64)
    if np.any(end < start) or not np.all(pause >= 0.0):
        wrong = end < start
        what = (
            f"block {int(np.flatnonzero(wrong)[0])} ends before it starts"
            if wrong.any()
            else f"turnaround {pause.min()} min is negative"
        )
        raise BlockError(what)
    ready = end + pause
    if "vehicle_type" not in table.columns:
        return _largest_overlap(start, ready)
    kinds = table["vehicle_type"].cast(pl.String).fill_null("").to_numpy()
    return sum(_largest_overlap(start[kinds == k], ready[kinds == k]) for k in sorted(set(kinds.tolist())))


def _largest_overlap(start: NDArray[np.float64], ready: NDArray[np.float64]) -> int:
    """Return how many intervals [start, ready) overlap at most; one without length still takes a vehicle."""
    # a vehicle that is ready at the minute another block starts can take it: ends sort before starts, and rounding must not turn that around
    times = np.concatenate([start, np.maximum(ready - _ON_TIME_MIN, start)])
    change = np.concatenate([np.ones(start.size), -np.ones(ready.size)])
    order = np.lexsort(
        (np.where(np.concatenate([ready, ready]) - np.concatenate([start, start]) > _ON_TIME_MIN, change, -change), times)
    )
    return int(np.cumsum(change[order]).max(initial=0.0))


def full_recharge_fleet(blocks: pl.DataFrame, buses: Buses, plugs: Plugs) -> int:
    """Return the fewest buses for these blocks when each charges to its target, on a plug of its own, after every block."""
    spent = np.minimum(blocks["kwh"].to_numpy() / buses.battery.capacity_kwh, buses.target_soc - buses.reserve_soc)
    charge = [buses.battery.minutes(buses.target_soc - s, buses.target_soc, plugs.power_kw) for s in spent.tolist()]
    return minimum_fleet(blocks.select("start_min", "end_min"), buses.turnaround_min, recovery_min=np.asarray(charge))


def simulate_bus_depot(
    buses: Buses,
    blocks: Sequence[pl.DataFrame] | pl.DataFrame,
    plugs: Plugs,
    *,
    seeds: Sequence[np.random.SeedSequence],
    policy: ValleyFirst | None = None,
    warmup_min: int = DAY_MIN,
    horizon_min: int = WEEK_MIN,
    step_min: int = 15,
    confidence: float = 0.95,
) -> FleetResult:
    """Simulate a depot for one week in several replications; every bus has blocks of its own.

    Parameters
    ----------
    buses
        Buses and their rules.
    blocks
        Columns bus, start_min, end_min, km, kwh (mean energy); one table for all replications or one per replication.
    plugs
        Plugs and power limit of the depot.
    seeds
        One seed per replication; the same seeds with other plugs see the same demand (common random numbers).
    policy
        Managed charging; charging at once if not given.
    warmup_min
        Time before minute 0 that is simulated but not counted [min].
    horizon_min
        End of the run [min].
    step_min
        Step of the load curve [min].
    confidence
        Level of the intervals.

    Returns
    -------
    FleetResult
        Sessions, blocks, load curves, checks, and metrics: blocks, served_share, delayed_share, delay_p95_min, wait_mean_min, wait_p50_min,
        wait_p95_min, km, grid_kwh, stored_kwh_per_km, grid_kwh_per_km, peak_kw, plug_utilisation, waiting_at_end.

    Raises
    ------
    BlockError
        If blocks of a bus overlap or name a bus the depot does not have.
    ConservationError
        If a run loses energy or vehicles.
    """
    tables = [blocks] * len(seeds) if isinstance(blocks, pl.DataFrame) else list(blocks)
    if len(tables) != len(seeds):
        msg = f"{len(tables)} block tables for {len(seeds)} seeds"
        raise BlockError(msg)
    rule = policy or ValleyFirst()
    runs = []
    for table, seed in zip(tables, seeds, strict=True):
        plan = _plan(buses, table, np.random.default_rng(seed))
        runs.append(_run(buses, plan, plugs, rule, np.random.default_rng(child_seed(seed, 0)), warmup_min, horizon_min, step_min))
    return collect(runs, step_min=step_min, vehicles=buses.count, level=confidence)


def _plan(buses: Buses, blocks: pl.DataFrame, rng: np.random.Generator) -> list[list[tuple[float, float, float, float]]]:
    """Return per bus the list of (start, end, km, kwh); trips inside a block are summed before the simulation starts."""
    table = blocks.sort("bus", "start_min")
    bus, start, end, km, mean_kwh = (table[c].to_numpy() for c in ("bus", "start_min", "end_min", "km", "kwh"))
    if bus.size and not (bus.min() >= 0 and bus.max() < buses.count):
        msg = f"blocks name bus {int(bus.max())} but the depot has {buses.count} buses (0 to {buses.count - 1})"
        raise BlockError(msg)
    if np.any(end <= start) or np.any((bus[1:] == bus[:-1]) & (start[1:] < end[:-1])):
        msg = "a block ends before it starts or overlaps the next block of its bus"
        raise BlockError(msg)
    sigma2 = math.log(1.0 + buses.energy_cv**2)
    noise = np.exp(rng.normal(-sigma2 / 2.0, math.sqrt(sigma2), size=bus.size))
    kwh = mean_kwh * noise
    plan: list[list[tuple[float, float, float, float]]] = [[] for _ in range(buses.count)]
    for b, row in zip(bus.tolist(), zip(start.tolist(), end.tolist(), km.tolist(), kwh.tolist(), strict=True), strict=True):
        plan[b].append(row)
    return plan


def _bus(
    depot: _Depot, bus: int, plan: list[tuple[float, float, float, float]], *, managed: bool
) -> Generator[simpy.Event, Any, None]:
    env, rules, battery = depot.env, depot.buses, depot.buses.battery
    for start, end, km, kwh in plan:
        need = rules.reserve_soc + kwh / battery.capacity_kwh
        if need > rules.target_soc:
            depot.log.append((bus, start, None, None, None, km, kwh, "beyond_battery"))
            continue
        soc = depot.soc[bus]
        if soc < rules.target_soc:
            if managed:
                pause = _pause(depot, soc, start)
                if pause > 0.0:
                    yield env.timeout(pause)
            soc = yield from depot.site.charge(
                bus,
                battery,
                soc,
                rules.target_soc,
                need=need,
                leave_min=max(start, env.now),
                priority=int(start) if managed else 0,
            )
            depot.soc[bus] = soc
        if env.now < start:
            yield env.timeout(start - env.now)
        delay = env.now - start
        if delay > rules.late_tolerance_min:
            depot.log.append((bus, start, None, None, delay, km, kwh, "too_late"))
            continue
        depot.out += 1
        depot.left += 1
        depot.log.append((bus, start, env.now, env.now + (end - start), delay, km, kwh, "served"))
        yield env.timeout(end - start)
        depot.soc[bus] = soc - kwh / battery.capacity_kwh
        depot.out -= 1
        depot.returned += 1
        if rules.turnaround_min > 0.0:
            yield env.timeout(rules.turnaround_min)
    if depot.soc[bus] < rules.target_soc:
        depot.soc[bus] = yield from depot.site.charge(bus, battery, depot.soc[bus], rules.target_soc)


def _pause(depot: _Depot, soc: float, leave_min: float) -> float:
    """Return how long a managed bus waits for the valley [min]; 0 = it queues at once."""
    now, rule, plugs = depot.env.now, depot.policy, depot.site.plugs
    minutes = depot.buses.battery.minutes(soc, depot.buses.target_soc, plugs.power_kw)
    first = bisect_right(depot.windows, (now, math.inf)) - 1
    for index in range(max(0, first), len(depot.windows)):
        start, end = depot.windows[index]
        if end <= now:
            continue
        begin = max(now, start)
        if begin + minutes + rule.margin_min > leave_min:
            return 0.0
        promised = depot.promised.get(index, 0.0)
        if promised + minutes <= rule.fill_share * plugs.count * (end - start):
            depot.promised[index] = promised + minutes
            return begin - now
    return 0.0


def _run(
    buses: Buses,
    plan: list[list[tuple[float, float, float, float]]],
    plugs: Plugs,
    policy: ValleyFirst,
    rng: np.random.Generator,
    warmup_min: int,
    horizon_min: int,
    step_min: int,
) -> RunRecords:
    env = simpy.Environment(initial_time=-warmup_min)
    site = ChargingSite(env, "depot", plugs)
    days = range(-math.ceil(warmup_min / DAY_MIN) - 1, math.ceil(horizon_min / DAY_MIN) + 1)
    windows = sorted((float(d * DAY_MIN + a), float(d * DAY_MIN + b)) for d in days for a, b in policy.windows)
    depot = _Depot(env, site, buses, policy, windows, [buses.target_soc] * buses.count)
    managed = rng.random(buses.count) < policy.share
    for bus in range(buses.count):
        env.process(_bus(depot, bus, plan[bus], managed=bool(managed[bus]) and bool(windows)))
    env.run(until=horizon_min)
    for bus, soc in site.close().items():
        depot.soc[bus] = soc
    _log_lost(depot, plan, float(horizon_min))
    sessions = session_frame(site.sessions)
    blocks = pl.DataFrame(depot.log, schema=_BLOCK_SCHEMA, orient="row").sort("planned_start_min", "bus")
    curve = load_curve(site.segments(), start_min=-warmup_min, end_min=horizon_min, step_min=step_min)
    served = blocks.filter(pl.col("state") == "served")
    # a bus that comes back at the very end of the run is still on the road: the run stops before that instant's events
    done = served.filter(pl.col("end_min") < horizon_min)
    grid, stored = float(sessions["grid_kwh"].sum()), float(sessions["stored_kwh"].sum())
    change = (sum(depot.soc) - buses.target_soc * buses.count) * buses.battery.capacity_kwh
    checks = energy_checks(
        grid_kwh=grid,
        stored_kwh=stored,
        losses_kwh=grid * (1.0 - plugs.efficiency),
        curve_kwh=float(curve.sum()) * step_min / 60.0,
        battery_change_kwh=change,
        driven_kwh=float(done["kwh"].sum()),
    )
    checks["departures_minus_returns_and_on_road"] = (float(served.height - depot.returned - depot.out), 0.0)
    checks["buses_on_road_minus_open_blocks"] = (float(depot.out - (served.height - done.height)), 0.0)
    checks["lowest_soc_below_zero"] = (min(0.0, float(sessions["soc_start"].min() or 0.0) if sessions.height else 0.0), 1e-9)  # type: ignore[arg-type]
    counted = curve[round(warmup_min / step_min) :]
    metrics = _metrics(blocks, sessions, counted, plugs, horizon_min, step_min)
    return RunRecords(metrics, sessions, blocks, counted, check_rows(checks), event_count(env))


def _log_lost(depot: _Depot, plan: list[list[tuple[float, float, float, float]]], horizon_min: float) -> None:
    """Record the blocks whose bus still waits at the end of the run although their tolerance is over: they will not be driven."""
    decided = [0] * len(plan)
    for row in depot.log:
        decided[row[0]] += 1
    for bus, blocks in enumerate(plan):
        for start, _, km, kwh in blocks[decided[bus] :]:
            if horizon_min - start > depot.buses.late_tolerance_min:
                depot.log.append((bus, start, None, None, horizon_min - start, km, kwh, "too_late"))


def _metrics(
    blocks: pl.DataFrame, sessions: pl.DataFrame, load_kw: NDArray[np.float64], plugs: Plugs, horizon_min: int, step_min: int
) -> dict[str, tuple[float, str]]:
    inside = blocks.filter((pl.col("planned_start_min") >= 0) & (pl.col("planned_start_min") < horizon_min))
    served = inside.filter(pl.col("state") == "served")
    delays = served["delay_min"].to_numpy()
    waited = waits(sessions, start_min=0.0, end_min=float(horizon_min))
    grid = float(load_kw.sum()) * step_min / 60.0
    km = float(served["km"].sum())
    busy = sessions.filter(pl.col("start_min").is_not_null()).select(
        (pl.col("end_min").fill_null(horizon_min) - pl.max_horizontal("start_min", pl.lit(0.0))).clip(0.0).sum()
    )
    beyond = float(inside.filter(pl.col("state") == "beyond_battery").height)
    return {
        "blocks": (float(inside.height), "event"),
        "served_share": (ratio(served.height, inside.height), "dimensionless"),
        "beyond_battery_share": (ratio(beyond, inside.height), "dimensionless"),
        "delayed_share": (ratio(float((delays > _ON_TIME_MIN).sum()), inside.height), "dimensionless"),
        "delay_p95_min": (quantile(delays, 0.95), "min"),
        "wait_mean_min": (float(waited.mean()) if waited.size else 0.0, "min"),
        "wait_p50_min": (quantile(waited, 0.5), "min"),
        "wait_p95_min": (quantile(waited, 0.95), "min"),
        "km": (km, "km"),
        "grid_kwh": (grid, "kWh"),
        "energy_kwh_per_km": (ratio(float(served["kwh"].sum()), km), "kWh/km"),
        "loss_share": (1.0 - plugs.efficiency, "dimensionless"),
        "peak_kw": (float(load_kw.max(initial=0.0)), "kW"),
        "plug_utilisation": (ratio(float(busy.item()), plugs.count * horizon_min), "dimensionless"),
        "waiting_at_end": (float(sessions.filter(pl.col("state") == "waiting").height), "veh"),
    }
