"""Electric bus depot: buses drive blocks, come back, queue for a plug, charge and leave again.

Blocks follow an hourly service profile; events happen only at departures, returns and plugs. A bus that is not ready leaves late, and a block
whose bus is later than the tolerance, or asks more than the battery holds, is recorded as not served: under-building has a result. Each bus
charges by one of four rules: at once, in the price valley first, under a level that keeps the peak low, and in its layovers at termini.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.clock import Clock
from fleets.depot_blocks import bus_blocks, minimum_fleet
from fleets.depot_metrics import depot_metrics, throughput
from fleets.depot_terminus import Route, Terminus, round_trips
from fleets.errors import BlockError
from fleets.load_bound import peak_bound
from fleets.managed import LevelSite, PeakShaving
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
    session_frame,
)
from fleets.station import ChargingSite
from fleets.tables import number_column

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import simpy

    from fleets.battery import Battery
    from fleets.station import Plugs

__all__ = [
    "Buses",
    "PeakShaving",
    "Terminus",
    "ValleyFirst",
    "bus_blocks",
    "full_recharge_fleet",
    "minimum_fleet",
    "planned_level_kw",
    "simulate_bus_depot",
]

_MIN_PER_H = 60.0
#: Room above the lowest peak of the plan for what the plan does not know: energies off their mean and the power of a taper.
_HEADROOM = 0.05
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

    def __post_init__(self) -> None:
        if not (self.count >= 0 and self.energy_cv >= 0.0 and 0.0 <= self.reserve_soc <= self.target_soc <= 1.0):
            msg = (
                f"buses need count and energy_cv of 0 or more and 0 <= reserve_soc <= target_soc <= 1, "
                f"got {self.count}, {self.energy_cv}, {self.reserve_soc}, {self.target_soc}"
            )
            raise BlockError(msg)
        if not (self.turnaround_min >= 0.0 and self.late_tolerance_min >= 0.0):
            msg = f"turnaround_min={self.turnaround_min} and late_tolerance_min={self.late_tolerance_min} must not be negative"
            raise BlockError(msg)


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

    def __post_init__(self) -> None:
        if not (0.0 <= self.share <= 1.0 and self.fill_share >= 0.0 and self.margin_min >= 0.0):
            msg = f"share={self.share} must lie in 0 to 1, fill_share={self.fill_share} and margin_min={self.margin_min} not be negative"
            raise BlockError(msg)


@dataclass
class _Depot:
    """State of one replication."""

    env: simpy.Environment
    site: ChargingSite | LevelSite
    buses: Buses
    policy: ValleyFirst
    windows: list[tuple[float, float]]
    soc: list[float]
    #: Route of the buses that charge at termini.
    route: Route | None = None
    log: list[tuple[Any, ...]] = field(default_factory=list)
    promised: dict[int, float] = field(default_factory=dict)
    out: int = 0
    returned: int = 0


def full_recharge_fleet(blocks: pl.DataFrame, buses: Buses, plugs: Plugs) -> int:
    """Return the fewest buses for these blocks when each charges to its target, on a plug of its own, after every block."""
    spent = np.minimum(blocks["kwh"].to_numpy() / buses.battery.capacity_kwh, buses.target_soc - buses.reserve_soc)
    charge = [buses.battery.minutes(buses.target_soc - s, buses.target_soc, plugs.power_kw) for s in spent.tolist()]
    return minimum_fleet(blocks.select("start_min", "end_min"), buses.turnaround_min, recovery_min=np.asarray(charge))


def planned_level_kw(buses: Buses, blocks: pl.DataFrame, plugs: Plugs, *, margin_min: float = 0.0, step_min: int = 15) -> float:
    """Return the lowest peak with which a depot can serve its plan at mean energies: a level for :class:`fleets.managed.PeakShaving`.

    Parameters
    ----------
    buses, plugs
        Of the depot.
    blocks
        Columns bus, start_min, end_min, kwh.
    margin_min
        Time kept before each departure [min].
    step_min
        Step over which the load is averaged [min].

    Returns
    -------
    float
        Grid load [kW]; a stay too short for its energy counts with what it can take.
    """
    if blocks.is_empty():
        return 0.0
    battery, table = buses.battery, blocks.sort("bus", "start_min")
    full = buses.target_soc - buses.reserve_soc
    # the mean power of a whole charge with its taper is what a stay can count on
    spent = np.clip(table["kwh"].to_numpy() / battery.capacity_kwh, 0.0, full)
    minutes = np.array([battery.minutes(buses.target_soc - s, buses.target_soc, plugs.power_kw) for s in spent.tolist()])
    energy = spent * battery.capacity_kwh
    power = energy * _MIN_PER_H / np.where(minutes > 0.0, minutes, 1.0)
    plan = table.select(
        (pl.col("end_min") + buses.turnaround_min).alias("arrive_min"),
        (pl.col("start_min").shift(-1).over("bus") - margin_min).alias("leave_min"),
        pl.Series("energy_kwh", energy),
        pl.Series("max_kw", power),
    )
    room = pl.col("max_kw") * (pl.col("leave_min") - pl.col("arrive_min")) / _MIN_PER_H
    plan = plan.drop_nulls().with_columns(pl.min_horizontal("energy_kwh", room).alias("energy_kwh"))
    bound = peak_bound(plan.filter(pl.col("energy_kwh") > 0.0), step_min=step_min, efficiency=plugs.efficiency)
    return min(bound.peak_kw, plugs.limit_kw)


def simulate_bus_depot(
    buses: Buses,
    blocks: Sequence[pl.DataFrame] | pl.DataFrame,
    plugs: Plugs,
    *,
    seeds: Sequence[np.random.SeedSequence],
    policy: ValleyFirst | None = None,
    shaving: PeakShaving | None = None,
    terminus: Terminus | None = None,
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
        Buses that wait for the price valley; none if not given.
    shaving
        Buses that charge under a level; none if not given. A level of 0 is replaced by that of the plan (:func:`planned_level_kw`) with 5 % and
        one plug of room, because a plug has its power or none: without room more buses end without slack, and they lift the peak.
    terminus
        Buses that also charge in their layovers; none if not given.
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
        Sessions (sites ``depot`` and ``terminus``), blocks, load curves, checks, and metrics: blocks, served_share, beyond_battery_share,
        delayed_share, missed_blocks, late_blocks, unserved_kwh, delay_p95_min, wait_mean_min, wait_p50_min, wait_p95_min, km, grid_kwh,
        energy_kwh_per_km, loss_share, peak_kw, plug_utilisation, waiting_at_end, battery_kwh, cycles_per_vehicle; with a terminus
        terminus_share, terminus_wait_mean_min, terminus_utilisation. Waits, plug use and who waits at the end are those of the depot.

    Raises
    ------
    BlockError
        If blocks of a bus overlap or name a bus the depot does not have, or the shares of the rules exceed 1.
    ConservationError
        If a run loses energy or vehicles.
    """
    tables = [blocks] * len(seeds) if isinstance(blocks, pl.DataFrame) else list(blocks)
    if len(tables) != len(seeds):
        msg = f"{len(tables)} block tables for {len(seeds)} seeds"
        raise BlockError(msg)
    if not seeds:
        msg = "seeds is empty: give one seed per replication"
        raise BlockError(msg)
    rule = policy or ValleyFirst()
    if shaving is not None and rule.share + shaving.share > 1.0 + 1e-9:
        msg = f"shares of the rules are {rule.share} (valley first) and {shaving.share} (peak shaving): together at most 1"
        raise BlockError(msg)
    runs = []
    for table, seed in zip(tables, seeds, strict=True):
        plan = _plan(buses, table, np.random.default_rng(seed))
        own = shaving
        if own is not None and own.share > 0.0 and not own.level_kw > 0.0 and plugs.count:
            lowest = planned_level_kw(buses, table, plugs, margin_min=own.margin_min, step_min=step_min)
            each = min(plugs.power_kw, buses.battery.max_kw) / plugs.efficiency
            own = replace(own, level_kw=min((1.0 + _HEADROOM) * lowest + each, plugs.limit_kw))
        span = warmup_min, horizon_min, step_min
        runs.append(_run(buses, plan, plugs, (rule, own, terminus), seed, span))
    return collect(runs, step_min=step_min, vehicles=buses.count, level=confidence)


def _plan(buses: Buses, blocks: pl.DataFrame, rng: np.random.Generator) -> list[list[tuple[float, float, float, float]]]:
    """Return per bus the list of (start, end, km, kwh); trips inside a block are summed before the simulation starts."""
    # which bus it is first: a block without a bus is a gap, not a number
    number_column(blocks, "bus", BlockError)
    table = blocks.sort("bus", "start_min") if blocks.width else blocks
    start, end = (number_column(table, c, BlockError) for c in ("start_min", "end_min"))
    km, mean_kwh = (number_column(table, c, BlockError, at_least=0.0) for c in ("km", "kwh"))
    bus = number_column(table, "bus", BlockError).astype(np.int64)
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
    depot: _Depot, bus: int, plan: list[tuple[float, float, float, float]], *, way: str, opportunity: bool
) -> Generator[simpy.Event, Any, None]:
    env, rules, battery = depot.env, depot.buses, depot.buses.battery
    route = depot.route if opportunity else None
    for start, end, km, kwh in plan:
        need = rules.reserve_soc + kwh / battery.capacity_kwh
        if route is not None:
            # it leaves as full as it can be, and what is missing comes on the way
            trip = rules.reserve_soc + kwh / battery.capacity_kwh / route.trips(end - start)
            need = min(need, rules.target_soc) if trip <= rules.target_soc else trip
        if need > rules.target_soc:
            depot.log.append((bus, start, None, None, None, km, kwh, "beyond_battery"))
            continue
        soc = depot.soc[bus]
        if soc < rules.target_soc:
            if way == "valley":
                pause = _pause(depot, soc, start)
                if pause > 0.0:
                    yield env.timeout(pause)
            leave = max(start, env.now)
            if way == "level" and isinstance(depot.site, LevelSite):
                soc = yield from depot.site.managed(bus, battery, soc, rules.target_soc, need=need, leave_min=leave)
            else:
                first = int(start) if way else 0
                soc = yield from depot.site.charge(
                    bus, battery, soc, rules.target_soc, need=need, leave_min=leave, priority=first
                )
            depot.soc[bus] = soc
        if env.now < start:
            yield env.timeout(start - env.now)
        delay = env.now - start
        if delay > rules.late_tolerance_min:
            depot.log.append((bus, start, None, None, delay, km, kwh, "too_late"))
            continue
        depot.out += 1
        if route is None:
            depot.log.append((bus, start, env.now, env.now + (end - start), delay, km, kwh, "served"))
            yield env.timeout(end - start)
            depot.soc[bus] = soc - kwh / battery.capacity_kwh
        else:
            yield from round_trips(route, depot.soc, depot.log, bus, (start, end, km, kwh))
        depot.out -= 1
        depot.returned += 1
        if rules.turnaround_min > 0.0:
            yield env.timeout(rules.turnaround_min)
    if depot.soc[bus] < rules.target_soc:
        if way == "level" and isinstance(depot.site, LevelSite):
            depot.soc[bus] = yield from depot.site.managed(bus, battery, depot.soc[bus], rules.target_soc)
        else:
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
    ways: tuple[ValleyFirst, PeakShaving | None, Terminus | None],
    seed: np.random.SeedSequence,
    span: tuple[int, int, int],
) -> RunRecords:
    policy, shaving, terminus = ways
    warmup_min, horizon_min, step_min = span
    env = Clock(initial_time=-warmup_min)
    site = ChargingSite(env, "depot", plugs) if shaving is None else LevelSite(env, "depot", plugs, shaving)
    level_share = 0.0 if shaving is None else shaving.share
    days = range(-math.ceil(warmup_min / DAY_MIN) - 1, math.ceil(horizon_min / DAY_MIN) + 1)
    windows = sorted((float(d * DAY_MIN + a), float(d * DAY_MIN + b)) for d in days for a, b in policy.windows)
    depot = _Depot(env, site, buses, policy, windows, [buses.target_soc] * buses.count)
    opportunity = np.zeros(buses.count, dtype=np.bool_)
    if terminus is not None and terminus.share > 0.0:
        depot.route = Route(env, terminus, buses.battery, (buses.target_soc, buses.reserve_soc), buses.late_tolerance_min)
        opportunity = np.random.default_rng(child_seed(seed, 1)).random(buses.count) < terminus.share
    lot = np.random.default_rng(child_seed(seed, 0)).random(buses.count)
    for bus in range(buses.count):
        # one lot for both rules: another split between them changes no other bus
        way = "level" if lot[bus] < level_share else ""
        if not way and lot[bus] < level_share + policy.share and windows:
            way = "valley"
        env.process(_bus(depot, bus, plan[bus], way=way, opportunity=bool(opportunity[bus])))
    env.run(until=horizon_min)
    sites = [(site, plugs)] if depot.route is None else [(site, plugs), (depot.route.site, depot.route.terminus.plugs)]
    for place, _ in sites:
        for bus, soc in place.close().items():
            depot.soc[bus] = soc
    _log_lost(depot, plan, float(horizon_min))
    sessions = session_frame([s for place, _ in sites for s in place.sessions])
    blocks = pl.DataFrame(depot.log, schema=_BLOCK_SCHEMA, orient="row").sort("planned_start_min", "bus")
    curves = [load_curve(p.segments(), start_min=-warmup_min, end_min=horizon_min, step_min=step_min) for p, _ in sites]
    curve = np.sum(curves, axis=0)
    served = blocks.filter(pl.col("state") == "served")
    # a bus that comes back at the very end of the run is still on the road: the run stops before that instant's events
    done = served.filter(pl.col("end_min") < horizon_min)
    driven = done
    trips_kwh = 0.0
    if depot.route is not None:
        driven = done.filter(~pl.col("bus").is_in(np.flatnonzero(opportunity)))
        trips_kwh = depot.route.driven_kwh
    grid, stored = float(sessions["grid_kwh"].sum()), float(sessions["stored_kwh"].sum())
    losses = sum(float(sessions.filter(pl.col("site") == p.name)["grid_kwh"].sum()) * (1.0 - g.efficiency) for p, g in sites)
    change = (sum(depot.soc) - buses.target_soc * buses.count) * buses.battery.capacity_kwh
    checks = energy_checks(
        grid_kwh=grid,
        stored_kwh=stored,
        losses_kwh=losses,
        curve_kwh=float(curve.sum()) * step_min / 60.0,
        battery_change_kwh=change,
        driven_kwh=float(driven["kwh"].sum()) + trips_kwh,
    )
    on_road = served.height - done.height
    checks["departures_minus_returns_and_on_road"] = (float(served.height - depot.returned - depot.out), 0.0)
    checks["buses_on_road_minus_open_blocks"] = (float(depot.out - on_road), 0.0)
    checks["lowest_soc_below_zero"] = (min(0.0, float(sessions["soc_start"].min() or 0.0) if sessions.height else 0.0), 1e-9)  # type: ignore[arg-type]
    if plugs.limit_kw < math.inf:
        checks["depot_above_its_feeder_kw"] = (
            max(0.0, float(curves[0].max(initial=0.0)) - plugs.limit_kw),
            1e-6 * plugs.limit_kw,
        )
    counted = curve[round(warmup_min / step_min) :]
    metrics = depot_metrics(blocks, sessions, counted, {p.name: g for p, g in sites}, horizon_min, step_min)
    metrics |= throughput(sessions, buses.battery, buses.count, horizon_min)
    return RunRecords(metrics, sessions, blocks, counted, check_rows(checks), event_count(env))


def _log_lost(depot: _Depot, plan: list[list[tuple[float, float, float, float]]], horizon_min: float) -> None:
    """Record the blocks whose bus still waits at the end of the run although their tolerance is over: they will not be driven."""
    decided = [0] * len(plan)
    for row in depot.log:
        # the rest of a block that was given up has a row beside that of the block
        decided[row[0]] += row[-1] != "cut_short"
    for bus, blocks in enumerate(plan):
        for start, _, km, kwh in blocks[decided[bus] :]:
            if horizon_min - start > depot.buses.late_tolerance_min:
                depot.log.append((bus, start, None, None, horizon_min - start, km, kwh, "too_late"))
