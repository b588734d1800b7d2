"""Time the charging simulations: depot weeks, stations with a queue, and the same sessions in ACN-Sim.

Usage: python benchmarks/charging.py [--repeat 5] [--workers 2] [--rival PYTHON] [--days 2] [--step 1] [--json FILE]. PYTHON is the interpreter of an
environment of its own with acnportal, which needs nothing else; without it the rival is left out. Times are the least of the repeats, wall and
processor (all processes together, to 0.01 s): on a machine that others use the processor time is the one to compare.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

BUSES, DAYS, DEPOTS, REPLICATIONS = 200, 7, 50, 30
#: Departures by hour, any scale: two peaks and a pause at night.
PROFILE = [2, 1, 1, 2, 10, 40, 75, 85, 70, 55, 50, 50, 52, 50, 50, 52, 60, 78, 75, 55, 40, 30, 13, 2]
PLUGS, STOPS_PER_KM = 60, 2.0


def best(action: Callable[[], Any], repeat: int) -> tuple[float, float, Any]:
    """Return the least wall and processor seconds of several runs, and what the last one gave."""
    wall, processor, found = [], [], None
    for _ in range(repeat):
        start, spent = time.perf_counter(), os.times()
        found = action()
        wall.append(time.perf_counter() - start)
        # with the other processes, which have ended by now
        processor.append(sum(os.times()[:4]) - sum(spent[:4]))
    return min(wall), min(processor), found


def week(number: int) -> Any:
    """Return the blocks of one depot and week, the energy summed over every leg between two stops."""
    import numpy as np
    import polars as pl

    from fleets.depot import bus_blocks

    rng = np.random.default_rng(number)
    blocks = bus_blocks(
        BUSES,
        PROFILE,
        day_factor=[1.0] * DAYS,
        peak_out_share=0.88,
        longest_piece_min=540.0,
        km_per_min=[0.23] * 24,
        kwh_per_km=[1.05] * DAYS,
        rng=rng,
        first_day=0,
    )
    legs = np.maximum(1, np.rint(blocks["km"].to_numpy() * STOPS_PER_KM)).astype(np.int64)
    each = np.repeat(blocks["kwh"].to_numpy() / legs, legs) * rng.gamma(4.0, 0.25, int(legs.sum()))
    kwh = np.add.reduceat(each, np.concatenate([[0], np.cumsum(legs)[:-1]]))
    return blocks.with_columns(pl.Series("kwh", kwh))


def pooled(number: int, *, replications: int = 1, **more: Any) -> dict[str, float]:
    """Run one depot week whose buses are pooled."""
    from fleets import simulate_depot

    run = simulate_depot(week(number), vehicles=BUSES, plugs=PLUGS, turnaround_min=10, replications=replications, **more)
    return dict(zip(run.summary["metric"].to_list(), run.summary["value"].to_list(), strict=True)) | {"events": float(run.events)}


def assigned(number: int) -> dict[str, float]:
    """Run one depot week whose buses keep the blocks of the plan."""
    import numpy as np

    from fleets.battery import Battery
    from fleets.depot import Buses, simulate_bus_depot
    from fleets.station import Plugs

    buses = Buses(BUSES, Battery(220.0, 220.0, 0.8, 22.0), 0.0, 1.0, 0.15, 10.0, 30.0)
    seeds = [np.random.SeedSequence(number)]
    run = simulate_bus_depot(buses, week(number), Plugs(PLUGS, 120.0, 0.9), seeds=seeds, warmup_min=0)
    return {m: run.value(m) for m in ("blocks", "served_share", "wait_mean_min")} | {"events": float(run.events)}


def noisy(number: int) -> dict[str, float]:
    """Run one replication of a depot week."""
    return pooled(0, energy_cv=0.1, seed=number)


def sessions(days: int, seed: int = 1) -> list[dict[str, float]]:
    """Return sessions at whole minutes, each at a plug that is free; the rival knows no queue."""
    import numpy as np

    rng = np.random.default_rng(seed)
    n = 300 * days
    arrival = np.sort(rng.integers(0, days * 1440 - 720, n))
    stay, kwh = rng.integers(30, 600, n), rng.uniform(5.0, 60.0, n).round(3)
    busy: list[tuple[int, int]] = []
    free: list[int] = []
    rows = []
    for at, last, need in zip(arrival.tolist(), (arrival + stay).tolist(), kwh.tolist(), strict=True):
        while busy and busy[0][0] < at:
            heapq.heappush(free, heapq.heappop(busy)[1])
        plug = heapq.heappop(free) if free else len(busy)
        heapq.heappush(busy, (last, plug))
        rows.append({"arrival_min": at, "departure_min": last, "energy_kwh": need, "power_kw": 50.0, "plug": plug})
    return rows


def ours(rows: list[dict[str, float]]) -> list[float]:
    """Return the energy delivered to each session [kWh]."""
    import polars as pl

    from fleets import simulate_station

    table = pl.DataFrame(rows)
    plugs = 1 + max(int(r["plug"]) for r in rows)
    return simulate_station(table.drop("plug"), plugs=plugs, release="departure")["delivered_kwh"].to_list()


def rival(file: Path, step_min: int, repeat: int) -> None:
    """Run the sessions in ACN-Sim and print its least seconds and the energy of each session."""
    import warnings

    warnings.simplefilter("ignore")
    rows = json.loads(file.read_text(encoding="utf-8"))
    wall, processor, kwh = best(lambda: theirs(rows, step_min), repeat)
    print(json.dumps({"wall_s": wall, "processor_s": processor, "kwh": kwh}))


def theirs(rows: list[dict[str, float]], step_min: int) -> list[float]:
    """Return the energy that ACN-Sim delivers to each session [kWh]: every vehicle charges at full power until it is full or departs."""
    from datetime import UTC, datetime

    from acnportal import acnsim, algorithms  # type: ignore[import-not-found]

    names = [f"plug_{i}" for i in range(max(int(r["plug"]) for r in rows) + 1)]
    network = acnsim.ChargingNetwork()
    for name in names:
        network.register_evse(acnsim.EVSE(name, max_rate=1e4), 250.0, 0)
    # its interface asks for a constraint; this one never binds
    network.add_constraint(acnsim.Current(names), 1e9, name="feeder")
    events = []
    for i, r in enumerate(rows):
        battery = acnsim.Battery(r["energy_kwh"], 0.0, r["power_kw"])
        times = r["arrival_min"] // step_min, r["departure_min"] // step_min
        vehicle = acnsim.EV(*times, r["energy_kwh"], names[int(r["plug"])], str(i), battery)
        events.append(acnsim.PluginEvent(vehicle.arrival, vehicle))
    day = datetime(2030, 1, 7, tzinfo=UTC)
    queue = acnsim.EventQueue(events)
    simulator = acnsim.Simulator(network, algorithms.UncontrolledCharging(), queue, day, period=step_min, verbose=False)
    simulator.run()
    return [float(simulator.ev_history[str(i)].energy_delivered) for i in range(len(rows))]


def compare(python: str, days: int, step_min: int, repeat: int) -> dict[str, float]:
    """Return our and the rival's speed on the same sessions and the largest difference of the energies."""
    rows = sessions(days)
    wall, processor, kwh = best(lambda: ours(rows), repeat)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sessions.json"
        file.write_text(json.dumps(rows), encoding="utf-8")
        command = [
            python,
            str(Path(__file__).resolve()),
            "--run-rival",
            str(file),
            "--step",
            str(step_min),
            "--repeat",
            str(repeat),
        ]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    return {
        "sessions": float(len(rows)),
        "step_min": float(step_min),
        "wall_s": wall,
        "processor_s": processor,
        "rival_wall_s": found["wall_s"],
        "rival_processor_s": found["processor_s"],
        "kwh": sum(kwh),
        "rival_kwh": sum(found["kwh"]),
        "difference": abs(sum(found["kwh"]) / sum(kwh) - 1.0),
        "largest_difference_kwh": max(abs(a - b) for a, b in zip(kwh, found["kwh"], strict=True)),
        "times_as_fast": found["wall_s"] / wall,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    for name, default in (("repeat", 5), ("workers", 2), ("days", 2), ("step", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rival", help="interpreter of an environment with acnportal")
    parser.add_argument("--run-rival", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.run_rival:
        rival(args.run_rival, args.step, args.repeat)
        return
    from transport import pool

    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores, workers {args.workers}")
    measures: dict[str, tuple[int, int, Callable[[], Any]]] = {
        "200 buses, 7 days, blocks and stops": (BUSES * DAYS, args.repeat, lambda: week(0)),
        "200 buses, 7 days, pooled": (BUSES * DAYS, args.repeat, lambda: pooled(0)),
        "200 buses, 7 days, feeder of half the plugs": (BUSES * DAYS, args.repeat, lambda: pooled(0, feeder_kw=4000.0)),
        "200 buses, 7 days, blocks of their own": (BUSES * DAYS, args.repeat, lambda: assigned(0)),
        "30 replications of 200 buses, 7 days": (
            REPLICATIONS * BUSES * DAYS,
            1,
            lambda: pool.map(noisy, list(range(REPLICATIONS)), workers=args.workers),
        ),
        "10,000 buses, 7 days, pooled": (
            DEPOTS * BUSES * DAYS,
            1,
            lambda: pool.map(pooled, list(range(DEPOTS)), workers=args.workers),
        ),
        "10,000 buses, 7 days, blocks of their own": (
            DEPOTS * BUSES * DAYS,
            1,
            lambda: pool.map(assigned, list(range(DEPOTS)), workers=args.workers),
        ),
    }
    figures: dict[str, Any] = {}
    print(
        f"{'measure':46s}{'wall s':>9s}{'proc. s':>9s}{'veh-days/s':>12s}{'blocks':>9s}{'events':>9s}{'served':>8s}{'wait min':>10s}"
    )
    for name, (vehicle_days, repeat, action) in measures.items():
        wall, processor, found = best(action, repeat)
        runs = found if isinstance(found, list) else [found] if isinstance(found, dict) else []
        n = max(1, len(runs))
        total = {k: sum(r[k] for r in runs) for k in ("blocks", "events", "served_share", "wait_mean_min")}
        figures[name] = {"wall_s": wall, "processor_s": processor, "vehicle_days_per_s": vehicle_days / wall} | total
        print(
            f"{name:46s}{wall:9.3f}{processor:9.3f}{vehicle_days / wall:12,.0f}{total['blocks']:9.0f}{total['events']:9.0f}"
            f"{total['served_share'] / n:8.3f}{total['wait_mean_min'] / n:10.2f}"
        )
    if args.rival:
        figures["rival"] = found = compare(args.rival, args.days, args.step, args.repeat)
        print(
            f"{found['sessions']:.0f} sessions: {found['wall_s']:.4f} s, "
            f"{found['sessions'] / found['wall_s']:,.0f} sessions/s; ACN-Sim with a step of {args.step} min {found['rival_wall_s']:.3f} s, "
            f"{found['sessions'] / found['rival_wall_s']:,.0f} sessions/s: "
            f"{found['times_as_fast']:.0f} x; delivered {found['kwh']:.1f} and {found['rival_kwh']:.1f} kWh "
            f"({found['difference']:.4%}, largest difference of a session {found['largest_difference_kwh']:.4f} kWh)"
        )
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
