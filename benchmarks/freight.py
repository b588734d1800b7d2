"""Time the freight model: one year, all years, with equilibrium, in batches of draws, and against the same steps in plain networkx.

Usage: python benchmarks/freight.py [--repeat 5] [--json FILE]. Compiled kernels are loaded before the first measurement.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from networks.skim import load_paths, skim
from networks.solve import row_flow, solve_freight
from networks.wiring import leg_matrices
from transport.freight_capacity import year_equilibria
from transport.freight_costs import make_costs
from transport.freight_model import solve_model
from transport.freight_prepare import prepare
from transport.inputs import load_inputs
from transport.layout import YEARS, year_index

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from networks.graph import CompiledNetwork

_YEAR = year_index(2030)
_DRAWS = 32


def best(action: Callable[[], object], repeat: int) -> float:
    """Return the least seconds of several runs."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def with_networkx(
    network: CompiledNetwork, cost: NDArray[np.float64], flow: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return km between all terminals and flows by arc, written in plain networkx."""
    graph: nx.DiGraph[int] = nx.DiGraph()
    for arc in np.argsort(-cost, kind="stable"):  # of parallel arcs the cheapest stays
        graph.add_edge(
            int(network.tail[arc]),
            int(network.head[arc]),
            weight=float(cost[arc]),
            arc=int(arc),
            km=float(network.length_km[arc]),
        )
    n = len(network.terminals)
    km, load = np.zeros((n, n)), np.zeros(network.head.size)
    for i in range(n):
        paths = nx.single_source_dijkstra_path(graph, int(network.origins[i])) if int(network.origins[i]) in graph else {}
        for j in range(n):
            path = paths.get(int(network.destinations[j]))
            if path is None:
                continue
            for a, b in pairwise(path):
                km[i, j] += graph[a][b]["km"]
                load[graph[a][b]["arc"]] += flow[i, j]
    return km, load


def main() -> None:
    """Print the table and, if asked for, write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    inputs = load_inputs()
    params = inputs.params()
    model = solve_model(inputs, params)
    ready, costs, limits = model.prepared, model.costs, model.limits
    assert model.years is not None  # noqa: S101
    state = ready.states[ready.state_of_year[_YEAR]]
    rows, demand, constants = state.rows, ready.demand.demand, model.fixed.fitted.constants
    only = slice(0, 1)
    rail, road = state.inputs.rail, state.inputs.road
    cost_of = {"road": road.network.length_km + road.network.hours, "rail": rail.network.tariff_km + 1.0}
    chain_flow = np.bincount(
        rows.chain, row_flow(rows, demand, costs, constants, only, _YEAR)[0][0], minlength=state.chains.pair.size
    )
    matrices = leg_matrices(state.inputs, state.wiring, chain_flow.astype(np.float64))
    skims = {"road": road, "rail": rail}

    def paths_and_loads() -> None:
        for name, old in skims.items():
            found = skim(old.network, cost_of[name], {"km": old.network.length_km})
            load_paths(found, matrices[name])

    def same_in_networkx() -> None:
        for name, old in skims.items():
            with_networkx(old.network, cost_of[name], matrices[name])

    def one_year() -> None:
        paths_and_loads()
        flow = row_flow(rows, demand, costs, constants, only, _YEAR)[0][0]
        leg_matrices(
            state.inputs, state.wiring, np.bincount(rows.chain, flow, minlength=state.chains.pair.size).astype(np.float64)
        )

    def all_years() -> None:
        solve_freight(demand, [s.rows for s in ready.states], ready.state_of_year, costs, constants, adapt=model.fixed.adapt)

    def equilibrium() -> None:
        years = model.years
        assert years is not None  # noqa: S101
        year_equilibria(limits, ready, costs, years.years[year_index(2020)], model.frozen, years.constants)

    many = inputs.params(draws=_DRAWS, seed=1)
    many_costs = make_costs(many, ready)
    many_constants = np.repeat(constants[:1], _DRAWS, axis=0)

    def draws() -> None:
        solve_freight(
            demand, [s.rows for s in ready.states], ready.state_of_year, many_costs, many_constants, adapt=model.fixed.adapt
        )

    figures = {
        "networks, demand and chains of all years [s]": best(lambda: prepare(inputs, params), 2),
        "one year: skims, choice, loading [s]": best(one_year, chosen.repeat),
        "2015-2035 at fixed delays [s]": best(all_years, chosen.repeat),
        "2015-2035 with equilibrium [s]": best(equilibrium, max(chosen.repeat // 2, 1)),
        f"batch of {_DRAWS} draws, per draw and year [ms]": 1e3 * best(draws, 2) / _DRAWS / len(YEARS),
        "skims and loading, road and rail [s]": best(paths_and_loads, chosen.repeat),
        "the same in plain networkx [s]": best(same_in_networkx, 1),
    }
    figures["ratio ours / networkx"] = figures["skims and loading, road and rail [s]"] / figures["the same in plain networkx [s]"]
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    for name, value in figures.items():
        print(f"{name:56s}{value:10.4f}")
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
