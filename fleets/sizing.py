"""How many plugs, bays, packs, vehicles or kilovolt-amperes a site needs for limits of its service: searches over its own simulation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from fleets.depot_pool import simulate_depot
from fleets.errors import FleetError
from fleets.size_search import Reading, Sizing, fewest, readings, smallest
from fleets.swap import simulate_swap, swap_summary
from fleets.tables import as_frame, count_of
from fleets.visits import simulate_station, station_summary

__all__ = [
    "DepotSizing",
    "Reading",
    "Sizing",
    "SwapSizing",
    "fewest",
    "readings",
    "size_depot",
    "size_station",
    "size_swap",
    "smallest",
]


def size_station(
    sessions: Any,
    *,
    limits: Mapping[str, float] | None = None,
    power_kw: float | None = None,
    feeder_kw: float | None = None,
    discipline: str = "fifo",
    warmup_min: float = 0.0,
    low: int = 0,
    high: int | None = None,
    around: int = 2,
    surely: bool = False,
    confidence: float = 0.95,
) -> Sizing:
    """Return the fewest plugs of a station for limits of its service.

    Parameters
    ----------
    sessions
        Visits as in :func:`fleets.simulate_station`, or a list of such tables, one per replication; every size sees the same visits.
    limits
        Limit of each statistic of :func:`fleets.station_summary`; by default a wait of 10 min in 95 of 100 visits.
    power_kw, feeder_kw, discipline
        As in :func:`fleets.simulate_station`.
    warmup_min
        Begin of the counted time [min].
    low, high
        Range of the search; by default up to a plug for every visit.
    around, surely, confidence
        As in :func:`smallest`, and the level of the intervals.

    Returns
    -------
    Sizing
        With a feeder the limits may be out of reach whatever the plugs: then the answer says by how much.

    Examples
    --------
    Two vehicles at the same minute, 24 minutes each: one plug makes one of them wait.

    >>> visits = {"arrival_min": [0, 0], "service_min": [24, 24]}
    >>> size_station(visits, limits={"wait_max_min": 10}).size
    2
    """
    tables = _tables(sessions, "sessions")
    most = max(1, *(table.height for table in tables)) if high is None else high

    def evaluate(plugs: int) -> Mapping[str, Reading]:
        runs = [
            simulate_station(table, plugs=plugs, power_kw=power_kw, feeder_kw=feeder_kw, discipline=discipline)
            for table in tables
        ]
        return readings([_for_ever(run, station_summary(run, plugs=plugs, warmup_min=warmup_min)) for run in runs], confidence)

    return fewest(
        evaluate,
        {"wait_p95_min": 10.0} if limits is None else limits,
        low=low,
        high=most,
        start=_busy_on_average(tables, power_kw),
        around=around,
        surely=surely,
    )


def _busy_on_average(tables: Sequence[pl.DataFrame], power_kw: float | None) -> int:
    """Return the plugs busy on average: a place to begin the search, nothing depends on it."""
    busy = 1.0
    for table in tables:
        if "arrival_min" not in table.columns or not table.height:
            continue
        span = float(np.ptp(table["arrival_min"].cast(pl.Float64).to_numpy()))
        if "service_min" in table.columns:
            work = float(table["service_min"].cast(pl.Float64).sum())
        elif "energy_kwh" in table.columns and power_kw:
            work = float(table["energy_kwh"].cast(pl.Float64).sum()) / power_kw * 60.0
        else:
            continue
        busy = max(busy, work / span if span > 0.0 else table.height)
    return math.ceil(min(busy, 1e9))


@dataclass(frozen=True)
class DepotSizing:
    """The sizes of a depot, each found with the ones before it.

    Attributes
    ----------
    plugs
        Fewest plugs for the vehicles, without a limit of the feeder.
    vehicles
        Fewest vehicles with these plugs.
    feeder
        Smallest feeder with these plugs and vehicles, in steps of ``feeder_step_kva``.
    feeder_step_kva
        Step of the feeder [kVA].
    """

    plugs: Sizing
    vehicles: Sizing
    feeder: Sizing
    feeder_step_kva: float

    @property
    def feeder_kva(self) -> float:
        """Return the feeder [kVA]."""
        return self.feeder.size * self.feeder_step_kva

    @property
    def feasible(self) -> bool:
        """Whether all three meet the limits."""
        return self.plugs.feasible and self.vehicles.feasible and self.feeder.feasible


def size_depot(
    blocks: Any,
    *,
    vehicles: int,
    limits: Mapping[str, float] | None = None,
    power_kw: float = 120.0,
    efficiency: float = 0.9,
    power_factor: float = 0.95,
    feeder_step_kva: float = 10.0,
    around: int = 2,
    surely: bool = False,
    **depot: Any,
) -> DepotSizing:
    """Return the fewest plugs, then the fewest vehicles, then the smallest feeder of a depot with pooled vehicles.

    Parameters
    ----------
    blocks
        Table of blocks as in :func:`fleets.simulate_depot`.
    vehicles
        Vehicles that the plugs are sized for. If they are too few even with a plug each, vehicles are added first, one for each block at most.
    limits
        Limit of each statistic of the depot's summary; by default no block is missed.
    power_kw, efficiency
        Power of a plug into the battery [kW]; stored / grid energy.
    power_factor
        Real over apparent power of the feeder.
    feeder_step_kva
        Step in which feeders are built [kVA].
    around, surely
        As in :func:`smallest`.
    **depot
        Everything else that :func:`fleets.simulate_depot` takes: batteries, states of charge, replications and their seed.

    Returns
    -------
    DepotSizing
        What is infeasible says so and names the miss; it raises nothing.

    Raises
    ------
    FleetError
        If an argument cannot be: no step, no power factor, a table that the depot refuses.

    Examples
    --------
    Two buses out 100 minutes each, back at 100, out again at 160: 40 kWh at 100 kW take 24 minutes, so one plug serves both.

    >>> day = {"start_min": [0, 0, 160, 160], "end_min": [100, 100, 260, 260], "kwh": [40, 40, 40, 40]}
    >>> found = size_depot(day, vehicles=2, power_kw=100, battery_kwh=60, end_kw=60, max_kw=100, reserve_soc=0.2, efficiency=1.0)
    >>> found.plugs.size, found.vehicles.size
    (1, 2)
    """
    count_of(vehicles, "vehicles")
    if not (feeder_step_kva > 0.0 and 0.0 < power_factor <= 1.0):
        msg = f"feeder_step_kva={feeder_step_kva} must be positive and power_factor={power_factor} lie in above 0 to 1"
        raise FleetError(msg)
    wanted = {"missed_share": 0.0} if limits is None else limits
    height = as_frame(blocks, "blocks").height
    step_kw = feeder_step_kva * power_factor

    def run(plugs: int, count: int, steps: int | None = None) -> Mapping[str, Reading]:
        feeder_kw = None if steps is None else steps * step_kw
        given = {"power_kw": power_kw, "efficiency": efficiency, **depot}
        summary = simulate_depot(blocks, vehicles=count, plugs=plugs, feeder_kw=feeder_kw, **given).summary
        return {row[0]: Reading(*row[1:]) for row in summary.select("metric", "value", "low", "high").iter_rows()}

    def search(evaluate: Callable[[int], Mapping[str, Reading]], high: int, start: int | None = None) -> Sizing:
        return fewest(evaluate, wanted, low=0, high=high, start=start, around=around, surely=surely)

    count = int(vehicles)
    plugs = search(lambda n: run(n, count), max(count, 1))
    if not plugs.feasible:
        added = search(lambda n: run(n, n), max(count, height), start=count)
        if added.feasible:
            count = added.size
            plugs = search(lambda n: run(n, count), max(count, 1))
    fleet = search(lambda n: run(plugs.size, n), max(count, 1), start=count)
    most = max(1, math.ceil(plugs.size * power_kw / efficiency / step_kw))
    feeder = search(lambda n: run(plugs.size, fleet.size, n), most)
    return DepotSizing(plugs, fleet, feeder, feeder_step_kva)


@dataclass(frozen=True)
class SwapSizing:
    """The sizes of a swap station, each found with the ones before it.

    Attributes
    ----------
    bays
        Fewest bays, with a charged pack for everybody.
    packs
        Fewest packs with these bays, with a charger for every pack.
    chargers
        Fewest pack chargers with these bays and packs.
    """

    bays: Sizing
    packs: Sizing
    chargers: Sizing

    @property
    def feasible(self) -> bool:
        """Whether all three meet the limits."""
        return self.bays.feasible and self.packs.feasible and self.chargers.feasible


def size_swap(
    arrivals: Any,
    *,
    limits: Mapping[str, float] | None = None,
    swap_min: float = 5.0,
    power_kw: float | None = None,
    warmup_min: float = 0.0,
    around: int = 2,
    surely: bool = False,
    confidence: float = 0.95,
) -> SwapSizing:
    """Return the fewest bays, then the fewest packs, then the fewest pack chargers of a swap station.

    Parameters
    ----------
    arrivals
        Table as in :func:`fleets.swap.simulate_swap`, or a list of such tables, one per replication.
    limits
        Limit of each statistic of :func:`fleets.swap.swap_summary`; by default a wait of 10 min in 95 of 100 visits.
    swap_min, power_kw
        Time of a swap [min] and power of a pack charger [kW], as there.
    warmup_min
        Begin of the counted time [min].
    around, surely, confidence
        As in :func:`smallest`, and the level of the intervals.

    Returns
    -------
    SwapSizing
        What is infeasible says so and names the miss.

    Examples
    --------
    Three vehicles a minute apart, packs charge 10 minutes: with a wait of 8 minutes allowed two packs and one charger are enough.

    >>> visits = {"arrival_min": [0, 1, 2], "charge_min": [10, 10, 10]}
    >>> found = size_swap(visits, limits={"wait_p95_min": 8}, swap_min=0)
    >>> found.bays.size, found.packs.size, found.chargers.size
    (1, 2, 1)
    """
    tables = _tables(arrivals, "arrivals")
    wanted = {"wait_p95_min": 10.0} if limits is None else limits
    most = max(1, *(table.height for table in tables))

    def search(evaluate: Callable[[int], tuple[int, int, int | None]], high: int) -> Sizing:
        def run(size: int) -> Mapping[str, Reading]:
            bays, packs, chargers = evaluate(size)
            given = {"bays": bays, "packs": packs, "chargers": chargers, "swap_min": swap_min, "power_kw": power_kw}
            runs = [_swap_run(table, given, warmup_min) for table in tables]
            return readings(runs, confidence)

        return fewest(run, wanted, low=0, high=high, around=around, surely=surely)

    bays = search(lambda n: (n, most, None), most)
    packs = search(lambda n: (bays.size, n, None), most)
    chargers = search(lambda n: (bays.size, packs.size, n), max(packs.size, 1))
    return SwapSizing(bays, packs, chargers)


def _swap_run(table: pl.DataFrame, given: Mapping[str, Any], warmup_min: float) -> dict[str, float]:
    run = simulate_swap(table, **given)
    return _for_ever(run, swap_summary(run, bays=given["bays"], warmup_min=warmup_min))


def _for_ever(run: pl.DataFrame, summary: Mapping[str, float]) -> dict[str, float]:
    """Return a summary in which who is never served waits for ever, and not only until the last arrival."""
    if (run["state"] != "waiting").all():
        return dict(summary)
    return {name: math.inf if name.startswith(("wait_", "time_")) else value for name, value in summary.items()}


def _tables(given: Any, name: str) -> list[pl.DataFrame]:
    """Return one table per replication."""
    many = isinstance(given, list | tuple) and len(given) > 0 and not isinstance(given[0], Mapping)
    return [as_frame(table, name) for table in (given if many else [given])]
