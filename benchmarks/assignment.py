"""Time user-equilibrium assignment beside AequilibraE's bi-conjugate Frank-Wolfe, at equal gap by one independent measure.

Run it in an environment of its own with the packages of ``requirements-bench.in``::

    python -m venv bench && bench/bin/pip install -r benchmarks/requirements-bench.in
    bench/bin/python benchmarks/assignment.py --json assignment.json

Both sides get the same arcs, demand and cores; ours uses one of them. Reading and building the graphs is not timed on either side, nor is the
compilation of our kernels (one run before; they are cached on disk). AequilibraE stops by its own gap; both flow vectors are measured by
:func:`networks.bush.relative_gap`, and AequilibraE is given a tighter target until it meets the one asked for. The runs alternate.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from networks.bush import FlowProblem, relative_gap, solve_flows  # noqa: E402
from networks.delays import DelayArrays, delay_value  # noqa: E402
from networks.tntp import parse_tntp  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

#: Time on arcs that cost nothing; AequilibraE refuses zero. Both sides get it.
LEAST_TIME = 1e-3
#: Gap of the runs that find the number of cores AequilibraE is faster with.
FIRST_GAP = 1e-3


@dataclass(frozen=True)
class Case:
    """A network with demand ``[zone, zone]``; zones are the first vertices."""

    name: str
    problem: FlowProblem
    demand: NDArray[np.float64]


def case(name: str, columns: NDArray[np.float64], demand: NDArray[np.float64], *, vertices: int, first_thru: int) -> Case:
    """Build a case from arcs as columns (tail, head, time, capacity, b, power), vertices counted from 0."""
    columns = columns[np.lexsort((columns[:, 1], columns[:, 0]))]
    tail, head = columns[:, 0].astype(np.int64), columns[:, 1].astype(np.int64)
    zones = np.arange(demand.shape[0])
    problem = FlowProblem(
        indptr=np.searchsorted(tail, np.arange(vertices + 1)).astype(np.int64),
        head=head,
        tail=tail,
        delay=DelayArrays.build(np.maximum(columns[:, 2], LEAST_TIME), columns[:, 3], columns[:, 4], columns[:, 5]),
        fixed_cost=np.zeros((1, tail.size)),
        pcu=np.ones(1),
        origins=zones,
        destinations=zones,
        passable=np.arange(vertices) >= first_thru,
    )
    return Case(name, problem, demand)


def read_case(name: str, net: Path, trips: Path) -> Case:
    """Read a case from TNTP files."""
    graph, od = parse_tntp(net.read_text(encoding="utf-8"), trips.read_text(encoding="utf-8"))
    zones = int(graph.graph["number_of_zones"])
    place = {node: i for i, node in enumerate(sorted(graph.nodes))}
    rows = [
        (place[u], place[v], d["free_flow_time"], max(d["capacity"], 1.0), d["b"], d["power"])
        for u, v, d in graph.edges(data=True)
    ]
    demand = np.zeros((zones, zones))
    np.add.at(demand, (od["origin"].to_numpy() - 1, od["destination"].to_numpy() - 1), od["demand"].to_numpy())
    np.fill_diagonal(demand, 0.0)
    return case(name, np.array(rows), demand, vertices=len(place), first_thru=int(graph.graph["first_thru_node"]) - 1)


def made_case(zones: int = 400, side: int = 25, seed: int = 20_240_501) -> Case:
    """Make a congested city: a grid of streets with faster, wider arterials, zones joined to their two nearest junctions.

    Connectors are the only arcs at a zone and zones may not be passed. Demand falls with distance and is scaled until the busiest quarter of the streets
    carries more than its capacity.
    """
    rng = np.random.default_rng(seed)
    spots = rng.uniform(0, 1, (side * side, 2)) * 0.6 + np.stack(np.divmod(np.arange(side * side), side), axis=1)
    rows: list[tuple[float, ...]] = []
    for i in range(side * side):
        for j in (i + 1, i + side):
            if j >= side * side or (j == i + 1 and j % side == 0):
                continue
            along = i // side if j == i + 1 else i % side
            arterial = along % 5 == 2
            length = float(np.hypot(*(spots[i] - spots[j])))
            minutes, capacity = length * (0.6 if arterial else 1.2), (3600.0 if arterial else 1200.0) * rng.uniform(0.8, 1.2)
            rows += [(zones + a, zones + b, minutes, capacity, 0.15, 4.0) for a, b in ((i, j), (j, i))]
    centres = rng.uniform(0, side, (zones, 2))
    for zone in range(zones):
        near = np.argsort(np.hypot(*(spots - centres[zone]).T))[:2]
        for junction in near.tolist():
            minutes = 0.2 + float(np.hypot(*(spots[junction] - centres[zone])))
            rows += [(a, b, minutes, 1e5, 0.15, 4.0) for a, b in ((zone, zones + junction), (zones + junction, zone))]
    distance = np.hypot(*(centres[:, None] - centres[None]).transpose(2, 0, 1))
    size = rng.lognormal(0, 0.7, zones)
    demand = size[:, None] * size[None] * np.exp(-distance / (side / 4))
    np.fill_diagonal(demand, 0.0)
    demand *= 1e5 / demand.sum()
    table = np.array(rows)
    for _ in range(6):
        made = case(f"made city, {zones} zones, {len(rows)} links", table, demand, vertices=zones + side * side, first_thru=zones)
        found = solve_flows(made.problem, demand[None], gap=1e-3)
        streets = made.problem.delay.capacity < 1e5
        demand = demand / np.quantile(found.flow[0][streets] / made.problem.delay.capacity[streets], 0.75)
    return Case(made.name, made.problem, demand)


def ours(made: Case, gap: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return wall seconds, processor seconds and flows of this package."""
    start = np.array([time.perf_counter(), time.process_time()])
    found = solve_flows(made.problem, made.demand[None], gap=gap)
    return np.array([time.perf_counter(), time.process_time()]) - start, found.flow[0]


def theirs(made: Case, cores: int) -> Callable[[float], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return a function from AequilibraE's own gap to wall seconds, processor seconds and flows."""
    import pandas as pd
    from aequilibrae.matrix import AequilibraeMatrix
    from aequilibrae.paths import Graph, TrafficAssignment, TrafficClass

    logging.getLogger("aequilibrae").setLevel(logging.CRITICAL)
    p, zones = made.problem, made.demand.shape[0]
    table = pd.DataFrame(
        {
            "link_id": np.arange(1, p.head.size + 1),
            "a_node": p.tail + 1,
            "b_node": p.head + 1,
            "direction": np.ones(p.head.size, dtype=np.int8),
            "free_flow_time": p.delay.t0,
            "capacity": p.delay.capacity,
            "b": p.delay.a,
            "power": np.where(p.delay.a > 0, p.delay.b, 1.0),
        }
    )

    def run(gap: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        graph = Graph()
        graph.network = table.copy()
        graph.mode = "c"
        graph.prepare_graph(np.arange(1, zones + 1))
        graph.set_graph("free_flow_time")
        graph.set_blocked_centroid_flows(not bool(p.passable[0]))
        matrix = AequilibraeMatrix()
        matrix.create_empty(zones=zones, matrix_names=["trips"], memory_only=True)
        matrix.index[:] = np.arange(1, zones + 1)
        matrix.matrices[:, :, 0] = made.demand
        matrix.computational_view(["trips"])
        assignment = TrafficAssignment()
        assignment.set_classes([TrafficClass("car", graph, matrix)])
        assignment.set_vdf("BPR")
        assignment.set_vdf_parameters({"alpha": "b", "beta": "power"})
        assignment.set_capacity_field("capacity")
        assignment.set_time_field("free_flow_time")
        assignment.set_algorithm("bfw")
        assignment.max_iter = 50_000
        assignment.rgap_target = gap
        assignment.set_cores(cores)
        assignment.procedure_id = "bench"
        start = np.array([time.perf_counter(), time.process_time()])
        assignment.execute(log_specification=False)
        spent = np.array([time.perf_counter(), time.process_time()]) - start
        flows = assignment.results().reindex(table["link_id"])["PCE_AB"].fillna(0.0).to_numpy()
        return spent, np.asarray(flows, dtype=np.float64)

    return run


def compare(made: Case, gap: float, *, repeat: int, cores: int) -> dict[str, Any]:
    """Time both sides at one gap, in turn."""
    # on small networks its threads cost more than they bring: it gets the number of cores that is faster
    runs = {n: theirs(made, n) for n in sorted({1, cores})}
    fastest = min(runs, key=lambda n: float(runs[n](FIRST_GAP)[0][0]))
    run = runs[fastest]
    target, tries = gap, 0
    while True:
        seconds, flow = run(target)
        reached = relative_gap(made.problem, flow[None], made.demand[None])
        tries += 1
        if reached <= gap or tries == 8:
            break
        target *= 0.9 * gap / reached
    mine, other = [], [seconds]
    for turn in range(repeat):
        seconds, own = ours(made, gap)
        mine.append(seconds)
        if turn:
            seconds, flow = run(target)
            other.append(seconds)
    ours_s, ours_cpu_s = (statistics.median(float(turn[k]) for turn in mine) for k in (0, 1))
    other_s, other_cpu_s = (statistics.median(float(turn[k]) for turn in other) for k in (0, 1))
    return {
        "network": made.name,
        "gap": gap,
        "ours_s": round(ours_s, 4),
        "ours_cpu_s": round(ours_cpu_s, 4),
        "ours_gap": relative_gap(made.problem, own[None], made.demand[None]),
        "aequilibrae_s": round(other_s, 4),
        "aequilibrae_cpu_s": round(other_cpu_s, 4),
        "aequilibrae_gap": relative_gap(made.problem, flow[None], made.demand[None]),
        "aequilibrae_target": target,
        "aequilibrae_cores": fastest,
        "ratio": round(ours_s / other_s, 4),
        "ratio_cpu": round(ours_cpu_s / other_cpu_s, 4),
        "largest_flow_difference": float(np.abs(own - flow).max()),
        "repeat": repeat,
    }


def main() -> None:
    """Print the table and, if asked for, write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--gap", type=float, nargs="+", default=[1e-4, 1e-6])
    parser.add_argument("--network", choices=["sioux-falls", "made"], nargs="+", default=["sioux-falls", "made"])
    parser.add_argument("--tntp", type=Path, nargs=2, metavar=("NET", "TRIPS"), help="time this network instead")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    chosen = parser.parse_args()
    os.environ["AEQ_SHOW_PROGRESS"] = "FALSE"
    fixtures = ROOT / "tests" / "networks" / "fixtures"
    if chosen.tntp:
        cases = [read_case(chosen.tntp[0].stem, *chosen.tntp)]
    else:
        cases = []
        if "sioux-falls" in chosen.network:
            cases.append(read_case("Sioux Falls", fixtures / "siouxfalls_net.tntp", fixtures / "siouxfalls_trips.tntp"))
        if "made" in chosen.network:
            cases.append(made_case())
    ours(cases[0], 1e-2)  # compiles the kernels
    found = []
    for made in cases:
        load = solve_flows(made.problem, made.demand[None], gap=1e-4).flow[0] / made.problem.delay.capacity
        free = float(made.problem.delay.t0 @ (load * made.problem.delay.capacity))
        paid = float(delay_value(made.problem.delay, load * made.problem.delay.capacity) @ (load * made.problem.delay.capacity))
        print(f"{made.name}: {(made.demand > 0).sum()} pairs, total time {paid / free:.2f} x free-flow time", flush=True)
        for gap in chosen.gap:
            line = compare(made, gap, repeat=chosen.repeat, cores=chosen.cores)
            found.append(line)
            print(
                f"  gap {gap:g}: ours {line['ours_s']:.3f} s ({line['ours_gap']:.1e}), AequilibraE {line['aequilibrae_s']:.3f} s "
                f"({line['aequilibrae_gap']:.1e}), ratio {line['ratio']:.3f}; processor time {line['ours_cpu_s']:.3f} s and "
                f"{line['aequilibrae_cpu_s']:.3f} s",
                flush=True,
            )
    if chosen.json:
        about = {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "cores": chosen.cores,
            "load": os.getloadavg()[0],
        }
        about["aequilibrae"] = __import__("importlib.metadata").metadata.version("aequilibrae")
        chosen.json.write_text(json.dumps({"about": about, "results": found}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
