"""Measure the draws per second of an ensemble: one process, two processes, and two Dask workers of this computer.

Usage: python benchmarks/throughput.py [--draws 96] [--chunk 48] [--scenario plan_2030] [--out FILE.csv]. Linux only. Each row is a whole ensemble, its chunks the tasks of
``transport.pool.map``; the processor seconds are those of the workers alone, and say what a draw costs on a computer that does other things too.
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
from transport.ensemble import CHUNK, Chunk, design_cases, prepared, run_chunk
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
    process: int
    cpu_s: float
    memory_mb: float


def timed(chunk: Chunk) -> Timed:
    """Work out a chunk; processor seconds and largest memory are those of its process."""
    start = time.process_time()
    found = run_chunk(chunk)
    spent = time.process_time() - start
    return Timed(found, os.getpid(), spent, largest_mb())


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
    first: dict[int, float] = {}
    for one in made:
        cpu[one.process] = cpu.get(one.process, 0.0) + one.cpu_s
        first.setdefault(one.process, one.cpu_s)
    row: dict[str, object] = {
        "workers": label,
        "processes": len(cpu),
        "draws": draws,
        "wall_s": round(wall, 1),
        "draws_per_s": round(draws / wall, 2),
        "cpu_s": round(sum(cpu.values()), 1),
        "cpu_s_per_draw": round(sum(cpu.values()) / draws, 3),
        "first_chunk_cpu_s": round(max(first.values()), 1),
        "memory_mb_per_worker": round(max(one.memory_mb for one in made)),
    }
    return row, [one.found for one in made]


def main() -> None:
    """Measure the three ways, see that they come to the same, and print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=96)
    parser.add_argument("--chunk", type=int, default=CHUNK, help="draws of one task")
    parser.add_argument("--scenario", default="plan_2030")
    parser.add_argument("--out", type=Path, help="CSV file of the table")
    args = parser.parse_args()
    inputs = load_inputs()
    scenario = prepared(load_scenario(args.scenario, inputs.folder, inputs.levers, simulate="none", capacity="fixed"))
    cases = design_cases(inputs, draws=args.draws, seed=0)
    firsts = range(1, args.draws + 1, args.chunk)
    numbers = [tuple(range(first, min(first + args.chunk, args.draws + 1))) for first in firsts]
    chunk = Chunk(scenario, inputs, FreightStarts(), cases, (1,), evaluate_drawn, None)
    # compiled kernels are kept on disk; what a process alone works in takes nothing from the next measurement
    run_chunk(replace(chunk, starts=FreightStarts()))
    rows, results = [], []
    with ExitStack() as stack:
        from distributed import LocalCluster

        ways: list[tuple[str, dict[str, object]]] = [("1 process", {"workers": 1}), ("2 processes", {"workers": 2})]
        for label, how in ways:
            row, found = measured(label, chunk, numbers, **how)
            rows.append(row)
            results.append(found)
            print(row, flush=True)
        folder = stack.enter_context(TemporaryDirectory())
        cluster = stack.enter_context(
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=folder, host="127.0.0.1")
        )
        row, found = measured("2 Dask workers", chunk, numbers, scheduler=cluster.scheduler_address)
        rows.append(row)
        results.append(found)
        print(row, flush=True)
    for other in results[1:]:
        for mine, its in zip(results[0], other, strict=True):
            if not mine.values.equals(its.values):
                sys.exit("the results differ between the ways to work")
    table = pl.DataFrame(rows)
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_hide_dataframe_shape=True, tbl_width_chars=200):
        print(table)
    if args.out is not None:
        table.write_csv(args.out)


if __name__ == "__main__":
    main()
