"""Time what-ifs and questions: a scenario that shares networks and base year with the one before, and one haul explained on a solved model.

Usage: python benchmarks/what_ifs.py [--repeat 3] [--equilibrium] [--json FILE]. Compiled kernels are loaded before the first measurement.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

from transport.freight_explain import explain, get_ready
from transport.freight_start import FreightStarts
from transport.freight_year import solve_year
from transport.inputs import load_inputs
from transport.scenario import load_scenario
from transport.study import freight_tables, model_parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from transport.inputs import Inputs
    from transport.scenario import Capacity

#: What-ifs that differ in what they touch: a price, a tariff, a capacity, access.
_LEVERS = ({"road_toll": 1.1}, {"rail_tariff": 0.9}, {"rail_train_pairs": 1.2}, {"new_siding_share": 0.5})
#: Hauls: the model's own demand, and a pair that has none.
_HAULS = (
    ("Z_PT_DAYAOWAN", "沈阳", "containers"),
    ("Z_MN_TIEFA", "Z_PT_JINZHOU", "coal"),
    ("沈阳", "大连", "steel"),
)
_YEAR = 2030


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def what_ifs(inputs: Inputs, capacity: Capacity, repeat: int) -> dict[str, float]:
    """Return seconds of the first run, and least and median of the what-ifs after it [s]."""
    starts = FreightStarts()

    def case(**levers: float) -> None:
        scenario = load_scenario("baseline", inputs.folder, inputs.levers, extra=levers, simulate="none", capacity=capacity)
        freight_tables(model_parts(scenario, inputs, starts=starts, response=False))

    first = timed(case)
    times = [timed(lambda levers=levers: case(**levers)) for _ in range(repeat) for levers in _LEVERS]
    return {
        f"first run, {capacity}: networks, base year, all years [s]": first,
        f"what-if after it, {capacity}, least [s]": min(times),
        f"what-if after it, {capacity}, median [s]": statistics.median(times),
    }


def questions(inputs: Inputs, repeat: int) -> dict[str, float]:
    """Return milliseconds of one question on a solved model, by haul, and seconds of what is worked out once [s]."""
    params = inputs.params()
    model = solve_year(inputs, params, _YEAR, capacity="fixed")
    ready = get_ready(inputs, model, _YEAR)
    found = {
        "what all questions about a year share [s]": min(timed(lambda: get_ready(inputs, model, _YEAR)) for _ in range(repeat))
    }
    for haul in _HAULS:
        times = [timed(lambda haul=haul: explain(inputs, params, model, *haul, _YEAR, ready=ready)) for _ in range(5 * repeat)]
        found[f"explain {' - '.join(haul)}, least [ms]"] = 1e3 * min(times)
        found[f"explain {' - '.join(haul)}, median [ms]"] = 1e3 * statistics.median(times)
    return found


def main() -> None:
    """Print the table and, if asked for, write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--equilibrium", action="store_true", help="also with capacity feedback in every year")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    inputs = load_inputs()
    figures = questions(inputs, chosen.repeat)
    figures |= what_ifs(inputs, "fixed", chosen.repeat)
    if chosen.equilibrium:
        figures |= what_ifs(inputs, "equilibrium", chosen.repeat)
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    for name, value in figures.items():
        print(f"{name:76s}{value:10.3f}")
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
