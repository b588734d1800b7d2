"""Time the taxi simulations and hold the two engines against each other: rides one by one, and rides summed between two charges.

Usage: python benchmarks/taxis.py [--taxis 2000] [--replications 5] [--province 92000] [--buses 24000] [--workers 2] [--json FILE]. Both engines get
the same taxis, stations and distance; the random numbers of the batteries are the same too, those of the passengers exist in one engine only.
Processor seconds count: on a machine that others use they are the ones to compare. The province is one week of its taxis and of its buses (depots
as in ``charging.py``, blocks of their own) with one replication; ``--province 0`` leaves it out.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: Pick-ups by hour of the day, any scale, and share of the taxis in the core and the inner ring.
PROFILE = [38, 28, 21, 15, 12, 10, 19, 33, 52, 48, 55, 49, 47, 48, 57, 57, 48, 49, 41, 53, 58, 56, 59, 48]
CORE, INNER, RADII_KM = 0.35, 0.42, [5.0, 10.0, 17.0]
#: Taxis of the cities of a province, in percent.
CITIES = [22, 13, 8, 6, 5, 5, 6, 5, 5, 4, 4, 6, 6, 5]
#: Indicators that both engines report and must agree on.
SHARED = (
    "km",
    "lost_km_share",
    "charges_per_day",
    "energy_kwh_per_km",
    "grid_kwh",
    "wait_mean_min",
    "wait_p95_min",
    "swap_wait_mean_min",
    "plug_utilisation",
    "bay_utilisation",
    "dead_km",
    "lost_hours_per_day",
    "stock_out_share",
    "peak_kw",
)


def given(taxis: int, replications: int, seed: int) -> dict[str, Any]:
    """Return the arguments of both engines; the city grows with its taxis."""
    import numpy as np

    from fleets.battery import Battery
    from fleets.rides import Rides, rest_of_ride_km
    from fleets.station import Plugs
    from fleets.taxi_zones import place_sites, ring_zones
    from fleets.taxis import SwapStation, Taxis

    rides = Rides(6.0, 0.7, 0.33)
    radii = [r * (taxis / 2000) ** 0.5 for r in RADII_KM]
    plugs, swaps = max(1, round(taxis * 0.06 / 10)), max(1, round(taxis * 0.3 / 90))
    speed = np.where((np.arange(24) < 7) | (np.arange(24) > 21), 34.0, 28.0)
    return {
        "taxis": Taxis(
            count=taxis,
            battery=Battery(48.0, 60.0, 0.8, 6.0),
            double_shift_share=0.45,
            km_per_day=(400.0, 260.0),
            energy_cv=0.1,
            charge_soc=0.25,
            block_cv=0.25,
            target_soc=0.95,
            reserve_soc=0.08,
            swap_share=0.3,
            access_min=3.0,
            looked_up=3,
            finish_km=rest_of_ride_km(rides),
        ),
        "rides": rides,
        "hourly_share": PROFILE,
        "single_shift_hours": (6, 22),
        "day_factor": [1.0] * 9,
        "kwh_per_km": [0.18] * 9,
        "stations": [Plugs(10, 60.0, 0.9)] * plugs,
        "swap_stations": [SwapStation(1, 20, 3.0, 40.0, 0.9, 16)] * swaps,
        "seeds": [np.random.SeedSequence(seed, spawn_key=(r,)) for r in range(replications)],
        "zones": ring_zones(
            ("core", "inner", "outer"), radii, np.tile([CORE, INNER, 1.0 - CORE - INNER], (24, 1)), speed, detour=1.35
        ),
        "stations_km": place_sites(radii, [0.3, 0.4, 0.3], plugs),
        "swap_stations_km": place_sites(radii, [0.3, 0.4, 0.3], swaps, turn=2.0),
    }


def timed(action: Callable[[], Any]) -> tuple[float, float, Any]:
    """Return wall and processor seconds and the result."""
    wall, processor = time.perf_counter(), time.process_time()
    found = action()
    return time.perf_counter() - wall, time.process_time() - processor, found


def blocks(taxis: int, replications: int, seed: int) -> Any:
    """Run the engine that sums rides to blocks."""
    from fleets.taxis import simulate_taxis

    made = given(taxis, replications, seed)
    del made["rides"]
    return simulate_taxis(made.pop("taxis"), **made)


def rides(taxis: int, replications: int, seed: int) -> Any:
    """Run the engine with every ride."""
    from fleets.rides import simulate_rides

    made = given(taxis, replications, seed)
    return simulate_rides(made.pop("taxis"), made.pop("rides"), **made)


def agreement(by_blocks: Any, by_rides: Any) -> list[dict[str, Any]]:
    """Return the shared indicators of both engines; they agree where the intervals of their means meet."""
    import polars as pl

    rows = []
    for metric in SHARED:
        a, b = (run.summary.row(by_predicate=pl.col("metric") == metric, named=True) for run in (by_blocks, by_rides))
        meet = None if a["low"] is None else max(a["low"], b["low"]) <= min(a["high"], b["high"])
        rows.append(
            {
                "metric": metric,
                **{f"{name}_{k}": run[k] for name, run in (("blocks", a), ("rides", b)) for k in ("value", "low", "high")},
                "difference": b["value"] / a["value"] - 1.0 if a["value"] else 0.0,
                "agrees": meet,
            }
        )
    return rows


def site(task: tuple[str, int, int]) -> tuple[int, float]:
    """Run one week of one city's taxis or of one bus depot; return vehicles and events."""
    kind, vehicles, seed = task
    if kind == "depot":
        from charging import assigned

        return vehicles, assigned(seed)["events"]
    return vehicles, float(blocks(vehicles, 1, seed).events)


def province(taxis: int, buses: int, workers: int) -> dict[str, float]:
    """Run one week of all cities and depots of a province, the large cities first."""
    from charging import BUSES

    tasks = [("city", round(taxis * share / sum(CITIES)), i) for i, share in enumerate(sorted(CITIES, reverse=True))]
    tasks += [("depot", BUSES, i) for i in range(round(buses / BUSES))]
    start = time.perf_counter()
    # a fork of a process with threads may hang
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(site, tasks))
    wall = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = resource.getrusage(resource.RUSAGE_SELF)
    vehicles, events = (sum(x[i] for x in found) for i in range(2))
    return {
        "vehicles": vehicles,
        "wall_s": wall,
        "processor_s": memory.ru_utime + memory.ru_stime,
        "events_per_s": events / wall,
        "vehicle_days_per_s": 7.0 * vehicles / wall,
        "largest_process_mib": memory.ru_maxrss / 1024.0,
        # no more than this at once
        "all_processes_mib": (workers * memory.ru_maxrss + own.ru_maxrss) / 1024.0,
    }


def main() -> None:
    """Print both speeds, the agreement and the province."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--taxis", type=int, default=2000)
    parser.add_argument("--replications", type=int, default=5)
    parser.add_argument("--province", type=int, default=92_000)
    parser.add_argument("--buses", type=int, default=24_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    out: dict[str, Any] = {"machine": platform.machine(), "cpus": os.cpu_count(), "taxis": options.taxis}
    runs = {}
    for name, engine in (("blocks", blocks), ("rides", rides)):
        wall, processor, runs[name] = timed(partial(engine, options.taxis, options.replications, 1))
        days = 7.0 * options.taxis * options.replications
        speed = {
            "wall_s": wall,
            "processor_s": processor,
            "events_per_s": runs[name].events / processor,
            "vehicle_days_per_s": days / processor,
        }
        out[name] = speed
        print(
            f"{name:6s} {options.taxis} taxis x {options.replications} weeks: {processor:7.2f} s processor ({wall:.2f} s wall), "
            f"{speed['events_per_s']:9.0f} events/s, {speed['vehicle_days_per_s']:8.0f} vehicle-days/s"
        )
    out["agreement"] = agreement(runs["blocks"], runs["rides"])
    print(
        f"\n{'indicator':22s} {'blocks':>12s} {'95 % interval':>27s} {'rides':>12s} {'95 % interval':>27s} {'rides/blocks-1':>14s}  agree"
    )
    for row in out["agreement"]:
        ends = [f"[{row[f'{n}_low'] or 0:.5g}, {row[f'{n}_high'] or 0:.5g}]" for n in ("blocks", "rides")]
        print(
            f"{row['metric']:22s} {row['blocks_value']:12.5g} {ends[0]:>27s} {row['rides_value']:12.5g} {ends[1]:>27s} "
            f"{row['difference']:14.3%}  {row['agrees']}"
        )
    only = (
        "rides_per_day",
        "unserved_share",
        "passenger_wait_mean_min",
        "passenger_wait_p95_min",
        "idle_hours_per_day",
        "empty_km_share",
    )
    print("\nrides only: " + ", ".join(f"{m} {runs['rides'].value(m):.4g}" for m in only))
    if options.province:
        out["province"] = province(options.province, options.buses, options.workers)
        p = out["province"]
        print(
            f"\nprovince: {p['vehicles']:.0f} taxis and buses x 1 week in {len(CITIES)} cities on {options.workers} workers: {p['wall_s']:.1f} s wall, "
            f"{p['processor_s']:.1f} s processor, {p['events_per_s']:.0f} events/s, {p['vehicle_days_per_s']:.0f} vehicle-days/s, "
            f"largest process {p['largest_process_mib']:.0f} MiB, all at most {p['all_processes_mib']:.0f} MiB"
        )
    if options.json:
        options.json.write_text(json.dumps(out, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
