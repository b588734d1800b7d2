"""Time what a user waits for: import, command start, one scenario run, each in a new process."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def seconds(command: list[str], folder: str) -> float:
    """Return the wall time of one command [s]."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    spent = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr.decode(errors='replace')}")
    return spent


def peak_memory_mb() -> float | None:
    """Return the largest resident size of the processes waited for [MB]; unknown on Windows."""
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


def measure(name: str, command: list[str], repeat: int, *, less: float = 0.0) -> dict[str, object]:
    """Return minimum, median and maximum wall time of a command after one warm-up call, less a fixed part [s]."""
    times = []
    for turn in range(repeat + 1):
        with tempfile.TemporaryDirectory() as folder:
            spent = seconds(command, folder) - less
        if turn:
            times.append(spent)
    return {
        "measure": name,
        "repeat": repeat,
        "min_s": round(min(times), 3),
        "median_s": round(statistics.median(times), 3),
        "max_s": round(max(times), 3),
    }


def main() -> None:
    """Print the table and, if asked for, write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", default="plan_2030")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    chosen = parser.parse_args()

    python = [sys.executable]
    empty = measure("empty process", [*python, "-c", "pass"], chosen.repeat)
    rows = [
        measure("import transport", [*python, "-c", "import transport"], chosen.repeat, less=float(str(empty["median_s"]))),
        measure("transport --version", [*python, "-m", "transport", "--version"], chosen.repeat),
        measure(f"transport run {chosen.scenario}", [*python, "-m", "transport", "run", chosen.scenario], chosen.repeat),
    ]
    facts = {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "peak_memory_mb": peak_memory_mb(),
        "measures": rows,
    }
    print(f"Python {facts['python']}, {facts['machine']}")
    print(f"{'measure':36s}{'min s':>9s}{'median s':>10s}{'max s':>9s}")
    for row in rows:
        print(f"{row['measure']:36s}{row['min_s']:9.3f}{row['median_s']:10.3f}{row['max_s']:9.3f}")
    if facts["peak_memory_mb"] is not None:
        print(f"largest resident memory of a run: {facts['peak_memory_mb']:.0f} MB")
    if chosen.json:
        chosen.json.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
