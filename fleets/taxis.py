"""Battery-electric taxis of a city: rides are summed to the stretch between two charges, stations have queues.

A taxi drives until its battery is low, goes to the better of a few stations it looks up, queues, charges or swaps, and drives on. Where it is
in its day follows an hourly activity profile, so that rides need no events of their own.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import simpy

from fleets.errors import ChargingError
from fleets.records import (
    DAY_MIN,
    WEEK_MIN,
    FleetResult,
    RunRecords,
    Session,
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

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from fleets.battery import Battery

_BLOCK_SCHEMA: dict[str, Any] = {
    "taxi": pl.Int64,
    "start_min": pl.Float64,
    "end_min": pl.Float64,
    "km": pl.Float64,
    "kwh": pl.Float64,
    "state": pl.String,
}


@dataclass(frozen=True, slots=True)
class Taxis:
    """Taxis of a city and how they are driven.

    Attributes
    ----------
    count
        Individually simulated taxis.
    battery
        Their battery.
    double_shift_share
        Share of the taxis driven in two shifts; the others rest at night.
    km_per_day
        Distance of a day in double and in single shift [km].
    energy_cv
        Coefficient of variation between the days and drivers (lognormal, mean 1).
    charge_soc
        State of charge at which drivers look for a charge, on average.
    block_cv
        Coefficient of variation of the distance between charges (lognormal).
    target_soc, reserve_soc
        State of charge where charging stops, and the lowest one a driver accepts.
    swap_share
        Share of the taxis whose battery is exchanged.
    access_min
        Detour to a station [min].
    looked_up
        Stations a driver compares; the one with the shorter queue per plug wins.
    """

    count: int
    battery: Battery
    double_shift_share: float
    km_per_day: tuple[float, float]
    energy_cv: float
    charge_soc: float
    block_cv: float
    target_soc: float
    reserve_soc: float
    swap_share: float
    access_min: float
    looked_up: int


@dataclass(frozen=True, slots=True)
class SwapStation:
    """A battery-swap station.

    Attributes
    ----------
    bays
        Vehicles served at once.
    batteries
        Batteries in stock; all charge at once.
    swap_min
        Time of a swap [min].
    power_kw
        Charging power of one battery [kW].
    efficiency
        Stored energy / grid energy.
    """

    bays: int
    batteries: int
    swap_min: float
    power_kw: float
    efficiency: float


class _SwapSite:
    """Bays and a stock of charged batteries; an exchanged battery charges and joins the stock again."""

    def __init__(self, env: simpy.Environment, name: str, station: SwapStation, full_soc: float) -> None:
        self.env, self.name, self.station, self.full_soc = env, name, station, full_soc
        self.bays = simpy.Resource(env, station.bays)
        self.ready = simpy.Container(env, capacity=station.batteries, init=station.batteries)
        # The store charges its batteries through a site with one plug each: same curve, same records.
        self.store = ChargingSite(env, name, Plugs(station.batteries, station.power_kw, station.efficiency))
        self.visits: list[Session] = []
        self.serial = 0
        self.open: dict[int, tuple[float, float | None, float]] = {}

    def swap(self, vehicle: int, battery: Battery, soc: float) -> Generator[simpy.Event, Any, float]:
        """Queue for a bay and a charged battery; the generator returns the state of charge of the new battery."""
        arrived = self.env.now
        self.open[vehicle] = (arrived, None, soc)
        with self.bays.request() as bay:
            if not bay.triggered:
                yield bay
            taken = self.ready.get(1)
            if not taken.triggered:
                yield taken
            started = self.env.now
            self.open[vehicle] = (arrived, started, soc)
            yield self.env.timeout(self.station.swap_min)
        del self.open[vehicle]
        self.serial += 1
        self.env.process(self._recharge(self.serial, battery, soc))
        # energy is booked where the exchanged battery charges, not at the bay
        self.visits.append(Session(self.name, vehicle, arrived, started, self.env.now, soc, self.full_soc, 0.0, 0.0, "swapped"))
        return self.full_soc

    def _recharge(self, serial: int, battery: Battery, soc: float) -> Generator[simpy.Event, Any, None]:
        yield from self.store.charge(serial, battery, soc, self.full_soc)
        self.ready.put(1)

    def close(self) -> None:
        """Record who still waits for a battery or stands in a bay at the end of the run."""
        for vehicle, (arrived, started, soc) in sorted(self.open.items()):
            state = "waiting" if started is None else "swapping"
            self.visits.append(Session(self.name, vehicle, arrived, started, None, soc, soc, 0.0, 0.0, state))


@dataclass
class _City:
    env: simpy.Environment
    taxis: Taxis
    kwh_per_km: list[float]
    stations: list[ChargingSite]
    swaps: list[_SwapSite]
    driven: list[list[float]]
    hour_min: list[float]
    soc: list[float]
    place: list[str]
    log: list[tuple[Any, ...]]


def weekly_distance(
    hourly_share: ArrayLike, day_factor: ArrayLike, *, first_day: int = -1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the cumulative activity of a taxi with one unit of distance a day.

    Parameters
    ----------
    hourly_share
        Activity by hour of the day, any scale, array ``(24,)``.
    day_factor
        Activity of each day relative to a mean day, from ``first_day`` on.
    first_day
        Day of the first factor; -1 is the Sunday before the week.

    Returns
    -------
    minutes, distance
        Hour edges [min] and the distance driven until then [days of driving].
    """
    share = np.asarray(hourly_share, dtype=np.float64)
    factor = np.asarray(day_factor, dtype=np.float64)
    if share.shape != (24,) or not share.sum() > 0:
        msg = f"hourly_share needs 24 values with a positive sum, got shape {share.shape}"
        raise ChargingError(msg)
    hourly = (factor[:, None] * share / share.sum()).ravel()
    edges = first_day * DAY_MIN + 60.0 * np.arange(hourly.size + 1)
    return edges, np.concatenate([[0.0], np.cumsum(hourly)])


def simulate_taxis(
    taxis: Taxis,
    *,
    hourly_share: ArrayLike,
    single_shift_hours: tuple[int, int],
    day_factor: Sequence[float],
    kwh_per_km: ArrayLike,
    stations: Sequence[Plugs],
    swap_stations: Sequence[SwapStation] = (),
    seeds: Sequence[np.random.SeedSequence],
    warmup_min: int = DAY_MIN,
    horizon_min: int = WEEK_MIN,
    step_min: int = 15,
    confidence: float = 0.95,
) -> FleetResult:
    """Simulate the electric taxis of a city for one week in several replications.

    Parameters
    ----------
    taxis
        Vehicles and drivers.
    hourly_share
        Activity by hour of the day, array ``(24,)``.
    single_shift_hours
        First and last hour of single-shift taxis.
    day_factor
        Activity of each day, from the first day of the warm-up, relative to a mean day.
    kwh_per_km
        Mean energy out of the battery by day, array ``(day,)`` or ``(replication, day)`` [kWh/km].
    stations, swap_stations
        Public plugs and swap stations.
    seeds
        One seed per replication.
    warmup_min, horizon_min, step_min, confidence
        As in :func:`fleets.depot.simulate_depot`.

    Returns
    -------
    FleetResult
        Metrics: km, lost_km_share, charges_per_day, wait_mean_min, wait_p50_min, wait_p95_min, hours_at_stations_per_day, grid_kwh, energy_kwh_per_km,
        loss_share, peak_kw, plug_utilisation, swap_share_of_charges, waiting_at_end.

    Raises
    ------
    ChargingError
        If taxis charge or swap where there is no station.
    ConservationError
        If a run loses energy or vehicles.

    Notes
    -----
    A block between charges is (soc - charge_soc) x capacity / (kWh/km) x lognormal factor, at most what the reserve allows. Its end is found on the
    cumulative activity curve. Time at stations is lost driving: the taxi continues at the place of the curve where the clock is.
    """
    if not stations and taxis.swap_share < 1.0:
        msg = f"{1.0 - taxis.swap_share:.0%} of the taxis charge at plugs but there is no station"
        raise ChargingError(msg)
    if not swap_stations and taxis.swap_share > 0.0:
        msg = f"{taxis.swap_share:.0%} of the taxis swap but there is no swap station"
        raise ChargingError(msg)
    if not taxis.reserve_soc <= taxis.charge_soc < taxis.target_soc:
        msg = f"need reserve_soc <= charge_soc < target_soc, got {taxis.reserve_soc}, {taxis.charge_soc}, {taxis.target_soc}"
        raise ChargingError(msg)
    share = np.asarray(hourly_share, dtype=np.float64)
    hours = np.arange(24)
    first, last = single_shift_hours
    day_only = np.where((hours >= first) & (hours < last), share, 0.0)
    start_day = -math.ceil(warmup_min / DAY_MIN)
    edges, double = weekly_distance(share, day_factor, first_day=start_day)
    _, single = weekly_distance(day_only, day_factor, first_day=start_day)
    curves = (edges.tolist(), (double * taxis.km_per_day[0]).tolist(), (single * taxis.km_per_day[1]).tolist())
    use = np.broadcast_to(np.asarray(kwh_per_km, dtype=np.float64), (len(seeds), len(day_factor)))
    runs = [
        _run(taxis, curves, row.tolist(), stations, swap_stations, seed, warmup_min, horizon_min, step_min)
        for row, seed in zip(use, seeds, strict=True)
    ]
    return collect(runs, step_min=step_min, vehicles=taxis.count, level=confidence)


def _taxi(city: _City, taxi: int, shift: int, rng: np.random.Generator, *, swaps: bool) -> Generator[simpy.Event, Any, None]:
    env, rules = city.env, city.taxis
    curve, minutes = city.driven[shift], city.hour_min
    capacity = rules.battery.capacity_kwh
    sigma2 = math.log(1.0 + rules.block_cv**2)
    noise = math.log(1.0 + rules.energy_cv**2)
    last_day = len(city.kwh_per_km) - 1
    begin = minutes[0]
    while True:
        soc, now = city.soc[taxi], float(env.now)
        at = _interpolate(now, minutes, curve)
        day = min(last_day, int((now - begin) // DAY_MIN))
        draw = rng.standard_normal(2)
        kwh_per_km = city.kwh_per_km[day] * math.exp(-noise / 2.0 + math.sqrt(noise) * draw[0])
        factor = math.exp(-sigma2 / 2.0 + math.sqrt(sigma2) * draw[1])
        wanted = max(0.0, soc - rules.charge_soc) * factor
        km = min(wanted, max(0.0, soc - rules.reserve_soc)) * capacity / kwh_per_km
        if at + km >= curve[-1]:
            # the week ends before the next charge: the rest is driven and the taxi stays on the road
            city.log.append((taxi, now, minutes[-1], curve[-1] - at, (curve[-1] - at) * kwh_per_km, "open"))
            return
        end = _interpolate(at + km, curve, minutes)
        yield env.timeout(max(0.0, end - now) + rules.access_min)
        city.soc[taxi] = soc = soc - km * kwh_per_km / capacity
        city.log.append((taxi, now, end, km, km * kwh_per_km, "driven"))
        city.place[taxi] = "station"
        if swaps:
            swap = _shortest(city.swaps, rules.looked_up, rng, lambda s: (len(s.bays.queue) + s.bays.count) / s.station.bays)
            city.soc[taxi] = yield from swap.swap(taxi, rules.battery, soc)
        else:
            site = _shortest(
                city.stations, rules.looked_up, rng, lambda s: (len(s.queue.queue) + s.queue.count) / max(1, s.plugs.count)
            )
            city.soc[taxi] = yield from site.charge(taxi, rules.battery, soc, rules.target_soc)
        city.place[taxi] = "road"


def _shortest(sites: list[Any], looked_up: int, rng: np.random.Generator, load: Any) -> Any:
    """Return the least loaded of a few sites picked at random."""
    if len(sites) == 1:
        return sites[0]
    seen = (rng.random(min(looked_up, len(sites))) * len(sites)).astype(int).tolist()
    return min((sites[i] for i in seen), key=load)


def _interpolate(x: float, xs: list[float], ys: list[float]) -> float:
    """Return y at x on a rising curve; where the curve is flat in x, the last of the equal points."""
    i = min(max(bisect_right(xs, x) - 1, 0), len(xs) - 2)
    width = xs[i + 1] - xs[i]
    return ys[i] + (ys[i + 1] - ys[i]) * (x - xs[i]) / width if width > 0.0 else ys[i + 1]


def _run(
    taxis: Taxis,
    curves: tuple[list[float], list[float], list[float]],
    kwh_per_km: list[float],
    stations: Sequence[Plugs],
    swap_stations: Sequence[SwapStation],
    seed: np.random.SeedSequence,
    warmup_min: int,
    horizon_min: int,
    step_min: int,
) -> RunRecords:
    rng = np.random.default_rng(child_seed(seed))
    env = simpy.Environment(initial_time=-warmup_min)
    sites = [ChargingSite(env, f"station_{i}", plugs) for i, plugs in enumerate(stations)]
    swaps = [_SwapSite(env, f"swap_{i}", s, taxis.target_soc) for i, s in enumerate(swap_stations)]
    low, high = taxis.charge_soc, taxis.target_soc
    start = (low + (high - low) * rng.random(taxis.count)).tolist()
    city = _City(env, taxis, kwh_per_km, sites, swaps, [curves[1], curves[2]], curves[0], list(start), ["road"] * taxis.count, [])
    single = rng.random(taxis.count) >= taxis.double_shift_share
    by_swap = rng.random(taxis.count) < taxis.swap_share
    generators = [np.random.default_rng(child_seed(seed, i)) for i in range(taxis.count)]
    for i in range(taxis.count):
        env.process(_taxi(city, i, int(single[i]), generators[i], swaps=bool(by_swap[i])))
    env.run(until=horizon_min)
    for site in sites:
        for taxi, soc in site.close().items():
            city.soc[taxi] = soc
    in_store = 0.0
    for swap in swaps:
        # batteries that still charge in a store are not full: what they miss has been driven but not yet bought
        in_store += sum((taxis.target_soc - soc) * taxis.battery.capacity_kwh for soc in swap.store.close().values())
        swap.close()
    all_sites = [*sites, *(s.store for s in swaps)]
    energy = session_frame([x for s in all_sites for x in s.sessions])
    visits = session_frame([x for s in sites for x in s.sessions] + [x for s in swaps for x in s.visits])
    efficiency = {s.name: s.plugs.efficiency for s in all_sites}
    losses = sum(x.grid_kwh * (1.0 - efficiency[x.site]) for s in all_sites for x in s.sessions)
    curve = load_curve(
        np.concatenate([s.segments() for s in all_sites]), start_min=-warmup_min, end_min=horizon_min, step_min=step_min
    )
    blocks = pl.DataFrame(city.log, schema=_BLOCK_SCHEMA, orient="row").sort("start_min", "taxi")
    done = blocks.filter(pl.col("state") == "driven")
    grid, stored = float(energy["grid_kwh"].sum()), float(energy["stored_kwh"].sum())
    checks = energy_checks(
        grid_kwh=grid,
        stored_kwh=stored,
        losses_kwh=losses,
        curve_kwh=float(curve.sum()) * step_min / 60.0,
        battery_change_kwh=(sum(city.soc) - sum(start)) * taxis.battery.capacity_kwh - in_store,
        driven_kwh=float(done["kwh"].sum()),
    )
    present = visits.filter(pl.col("state").is_in(["charging", "waiting", "swapping"])).height
    checks["taxis_at_stations_minus_open_visits"] = (float(city.place.count("station") - present), 0.0)
    checks["arrivals_minus_visits"] = (float(done.height - visits.height), 0.0)
    checks["lowest_soc_below_zero"] = (min(0.0, *city.soc), 1e-9)
    counted = curve[round(warmup_min / step_min) :]
    metrics = _metrics(
        taxis,
        blocks,
        visits,
        counted,
        curves,
        single,
        losses / grid if grid else 0.0,
        sum(p.count for p in stations),
        horizon_min,
        step_min,
    )
    return RunRecords(metrics, visits, blocks, counted, check_rows(checks), event_count(env))


def _metrics(
    taxis: Taxis,
    blocks: pl.DataFrame,
    visits: pl.DataFrame,
    load_kw: NDArray[np.float64],
    curves: tuple[list[float], list[float], list[float]],
    single: NDArray[np.bool_],
    loss_share: float,
    plugs: int,
    horizon_min: int,
    step_min: int,
) -> dict[str, tuple[float, str]]:
    inside = blocks.filter((pl.col("end_min") > 0) & (pl.col("start_min") < horizon_min))
    # a block that straddles the begin or the end of the week counts by the share of its time inside
    span = (pl.col("end_min") - pl.col("start_min")).clip(1e-9)
    part = (pl.min_horizontal("end_min", pl.lit(float(horizon_min))) - pl.max_horizontal("start_min", pl.lit(0.0))) / span
    sums = inside.select((pl.col("km") * part).sum(), (pl.col("kwh") * part).sum()).row(0)
    km, kwh = float(sums[0]), float(sums[1])
    wanted = sum(
        float(np.interp(horizon_min, curves[0], c) - np.interp(0.0, curves[0], c)) * n
        for c, n in ((curves[1], int((~single).sum())), (curves[2], int(single.sum())))
    )
    arrived = visits.filter((pl.col("arrive_min") >= 0) & (pl.col("arrive_min") < horizon_min))
    waited = waits(visits, start_min=0.0, end_min=float(horizon_min))
    at_station = arrived.select((pl.col("end_min").fill_null(horizon_min) - pl.col("arrive_min")).sum()).item()
    busy = (
        visits.filter(pl.col("start_min").is_not_null() & ~pl.col("site").str.starts_with("swap"))
        .select((pl.col("end_min").fill_null(horizon_min) - pl.max_horizontal("start_min", pl.lit(0.0))).clip(0.0).sum())
        .item()
    )
    days = horizon_min / DAY_MIN
    swapped = arrived.filter(pl.col("site").str.starts_with("swap")).height
    return {
        "km": (km, "km"),
        "lost_km_share": (1.0 - ratio(km, wanted), "dimensionless"),
        "charges_per_day": (arrived.height / taxis.count / days, "event/veh/d"),
        "wait_mean_min": (float(waited.mean()) if waited.size else 0.0, "min"),
        "wait_p50_min": (quantile(waited, 0.5), "min"),
        "wait_p95_min": (quantile(waited, 0.95), "min"),
        "hours_at_stations_per_day": (float(at_station) / 60.0 / taxis.count / days, "h/veh/d"),
        "swap_share_of_charges": (ratio(swapped, arrived.height), "dimensionless"),
        "grid_kwh": (float(load_kw.sum()) * step_min / 60.0, "kWh"),
        "energy_kwh_per_km": (ratio(kwh, km), "kWh/km"),
        "loss_share": (loss_share, "dimensionless"),
        "peak_kw": (float(load_kw.max(initial=0.0)), "kW"),
        "plug_utilisation": (ratio(float(busy), plugs * horizon_min), "dimensionless"),
        "waiting_at_end": (float(visits.filter(pl.col("state") == "waiting").height), "veh"),
    }
