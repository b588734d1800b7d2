"""Measure the draws per second of an ensemble: one process, two processes, and two Dask workers of this computer.

Usage: python benchmarks/throughput.py [--draws 1000] [--dask-draws 250] [--scenario plan_2030] [--out FILE.csv]. Linux only; on a quiet computer. Each row
is a whole ensemble, its chunks the tasks of ``transport.pool.map``. The first part (base year and networks, once per process) stands apart from the further
draws, as it is that of ten draws and does not scale; the processor seconds are those of the workers alone, and say what a draw costs on a computer that
does other things too.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import polars as pl

from transport import pool
from transport.ensemble import Chunk, design_cases, parts_of, prepared, run_chunk
from transport.evaluate import evaluate_drawn
from transport.freight_start import FreightStarts
from transport.inputs import load_inputs
from transport.scenario import load_scenario

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transport.ensemble import Found


@dataclass(frozen=True)
class Timed:
    """What a chunk came to, and what it cost."""

    found: Found
    draws: int
    process: int
    cpu_s: float
    memory_mb: float


def timed(chunk: Chunk) -> Timed:
    """Work out a chunk; processor seconds and largest memory are those of its process."""
    start = time.process_time()
    found = run_chunk(chunk)
    spent = time.process_time() - start
    return Timed(found, len(chunk.numbers), os.getpid(), spent, largest_mb())


def largest_mb() -> float:
    """Return the largest resident memory of this process so far; getrusage would give a child that of its parent."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return float(status.partition("VmHWM:")[2].split()[0]) / 1024


def measured(label: str, chunk: Chunk, parts: Sequence[tuple[int, ...]], **how: object) -> tuple[dict[str, object], list[Found]]:
    """Return the row of the table of one way to work, and the results."""
    # by the name under which other processes find it: this file is a module to them, not their script
    from throughput import timed as work

    starts = FreightStarts()  # empty: every process solves the base year itself, and nothing of the way before is there
    tasks = [replace(chunk, starts=starts, numbers=part) for part in parts]
    shared = (chunk.inputs, starts, chunk.cases)
    start = time.perf_counter()
    made = pool.map(work, tasks, shared=shared, **how)  # type: ignore[arg-type]
    wall = time.perf_counter() - start
    draws = sum(len(task.numbers) for task in tasks)
    cpu: dict[int, float] = {}
    for one in made:
        cpu[one.process] = cpu.get(one.process, 0.0) + one.cpu_s
    # the draws of the shortest chunk of a process are worked out from networks that are there
    further = min(one.cpu_s / one.draws for one in made)
    begun = [max(one.cpu_s - further * one.draws, 0.0) for one in made]
    row: dict[str, object] = {
        "workers": label,
        "processes": len(cpu),
        "draws": draws,
        "wall_s": round(wall, 1),
        "draws_per_s": round(draws / wall, 2),
        "cpu_s": round(sum(cpu.values()), 1),
        "cpu_s_per_draw": round(sum(cpu.values()) / draws, 3),
        "first_part_cpu_s": round(max(begun), 1),
        "further_cpu_s_per_draw": round(further, 4),
        "further_draws_per_s": round(len(cpu) / further, 1),
        "memory_mb_per_worker": round(max(one.memory_mb for one in made)),
    }
    return row, [one.found for one in made]


def main() -> None:
    """Measure the three ways, see that they come to the same, and print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--dask-draws", type=int, default=250, help="draws of the cluster, the first of the others; 0 = none")
    parser.add_argument("--scenario", default="plan_2030")
    parser.add_argument("--out", type=Path, help="CSV file of the table")
    args = parser.parse_args()
    inputs = load_inputs()
    scenario = prepared(load_scenario(args.scenario, inputs.folder, inputs.levers, simulate="none", capacity="fixed"))
    cases = design_cases(inputs, draws=args.draws, seed=0)
    numbers = parts_of(args.draws)
    some = [part for part in numbers if part[-1] <= args.dask_draws]
    chunk = Chunk(scenario, inputs, FreightStarts(), cases, (1,), evaluate_drawn, None)
    # compiled kernels are kept on disk; what a process alone works in takes nothing from the next measurement
    run_chunk(replace(chunk, starts=FreightStarts()))
    rows, results = [], []
    with ExitStack() as stack:
        ways: list[tuple[str, dict[str, object]]] = [("1 process", {"workers": 1}), ("2 processes", {"workers": 2})]
        for label, how in ways:
            row, found = measured(label, chunk, numbers, **how)
            rows.append(row)
            results.append(found)
            print(row, flush=True)
        if some:
            from distributed import LocalCluster

            folder = stack.enter_context(TemporaryDirectory())
            cluster = stack.enter_context(
                LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=folder, host="127.0.0.1")
            )
            row, found = measured("2 Dask workers", chunk, some, scheduler=cluster.scheduler_address)
            rows.append(row)
            results.append(found)
            print(row, flush=True)
    for other in results[1:]:
        for mine, its in zip(results[0], other, strict=False):  # the cluster works on the first chunks
            if not mine.values.equals(its.values):
                sys.exit("the results differ between the ways to work")
    table = pl.DataFrame(rows)
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_hide_dataframe_shape=True, tbl_width_chars=200):
        print(table)
    if args.out is not None:
        table.write_csv(args.out)


if __name__ == "__main__":
    main()
