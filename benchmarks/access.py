"""Time access by network on a grid the size of a large city: 50,000 crossings, 2,000 stops, 20,000 population points.

Usage: python benchmarks/access.py [--crossings 50000] [--stops 2000] [--points 20000] [--repeat 3] [--json FILE]. The file that OSMnx would have
saved is written to a temporary folder first, so that reading it is timed, too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import osmnx
import polars as pl

from networks.access import access_rules, detour, measure, served_share, stop_access
from networks.osm import streets_from
from networks.streets import streets_of
from transport.inputs import load_inputs

if TYPE_CHECKING:
    from collections.abc import Callable

    from networks.streets import Streets

_SOUTH, _WEST, _BLOCK_M, _METRES_PER_DEGREE = 41.6, 123.2, 100.0, 111_195.0


def grid(side: int) -> nx.MultiDiGraph[int]:
    """Return a square grid of streets as OSMnx has it, with a block of 100 m; every tenth street is a large road."""
    graph: nx.MultiDiGraph[int] = nx.MultiDiGraph(crs="epsg:4326", created_date="2026-01-01 00:00:00", simplified=True)
    step = _BLOCK_M / _METRES_PER_DEGREE
    narrow = np.cos(np.radians(_SOUTH))
    for row in range(side):
        for column in range(side):
            graph.add_node(row * side + column, y=_SOUTH + row * step, x=_WEST + column * step / narrow)
    for row in range(side):
        for column in range(side):
            here = row * side + column
            for there, line in ((here + 1, row), (here + side, column)):
                if (there == here + 1 and column == side - 1) or there >= side * side:
                    continue
                tags: dict[str, Any] = {"highway": "primary" if line % 10 == 0 else "residential", "oneway": False, "osmid": here}
                graph.add_edge(here, there, **tags, reversed=False)
                graph.add_edge(there, here, **tags, reversed=True)
    return osmnx.distance.add_edge_lengths(graph)


def scattered(count: int, streets: Streets, seed: int) -> dict[str, Any]:
    """Return points spread evenly over the place of the streets."""
    draw = np.random.default_rng(seed)
    lat = np.degrees(np.arcsin(streets.place[:, 2] / np.linalg.norm(streets.place, axis=1)))
    lon = np.degrees(np.arctan2(streets.place[:, 1], streets.place[:, 0]))
    return {"lat": draw.uniform(lat.min(), lat.max(), count), "lon": draw.uniform(lon.min(), lon.max(), count)}


def best(action: Callable[[], Any], repeat: int) -> tuple[float, Any]:
    """Return the least seconds of several runs, and what the last one gave."""
    times, found = [], None
    for _ in range(repeat):
        start = time.perf_counter()
        found = action()
        times.append(time.perf_counter() - start)
    return min(times), found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    for name, default in (("crossings", 50_000), ("stops", 2_000), ("points", 20_000), ("repeat", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rules = access_rules(load_inputs().parameters)
    side = int(args.crossings**0.5)
    graph = grid(side)
    seconds: dict[str, float] = {}
    seconds["cut the streets"], streets = best(lambda: streets_of(graph, piece_m=rules.piece_m), args.repeat)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "grid.graphml"
        osmnx.save_graphml(graph, file)
        seconds["read the file and cut the streets"], _ = best(
            lambda: streets_from(mode="walk", piece_m=rules.piece_m, graphml=file), 1
        )
    stops = pl.DataFrame({"stop_id": [f"S{i}" for i in range(args.stops)], "kind": "bus", **scattered(args.stops, streets, 1)})
    homes = pl.DataFrame(
        {"point_id": [f"P{i}" for i in range(args.points)], **scattered(args.points, streets, 2), "population": 100.0}
    )
    seconds["stops"], _ = best(lambda: stop_access(streets, stops, homes, rules), args.repeat)
    seconds["connected part"], _ = best(lambda: served_share(streets, homes, rules.reach_m), args.repeat)
    seconds["detours"], _ = best(lambda: detour(streets, homes, rules.detour_m["cycle"]), args.repeat)
    seconds["everything"], table = best(lambda: measure(streets, streets, stops, homes, rules), args.repeat)
    print(
        f"{len(graph)} crossings, {len(streets.place)} places, {len(streets.ends)} pieces; {platform.machine()}, {os.cpu_count()} cores"
    )
    for what, value in seconds.items():
        print(f"{what:34} {value:8.2f} s")
    print(table)
    if args.json:
        args.json.write_text(json.dumps(seconds, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
