"""Calculations of a page as subprocesses: a module started on a folder with a request, in which it leaves its progress and its tables.

Like a run of a scenario, a calculation survives reruns of the page and can be cancelled.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from transport.app.jobs import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from transport.inputs import Inputs

    #: Called with (steps done, steps, name of the present step).
    Tell = Callable[[int, int, str], None]
    #: Request, checked data and what tells the progress -> tables by name.
    Solve = Callable[[Mapping[str, Any], Inputs, Tell], dict[str, pl.DataFrame]]

_REQUEST = "request.json"
_PROGRESS = "progress.jsonl"


def start(module: str, task: str, *, lang: str, pack: Path | None = None, **asked: Any) -> Job:
    """Start a calculation.

    Parameters
    ----------
    module
        Module that is run with the folder of the request.
    task
        What is asked for.
    lang
        Language of its messages.
    pack
        Data pack laid over the bundled data.
    **asked
        What the task needs, as JSON can hold it.
    """
    folder = Path(tempfile.mkdtemp(prefix="transport-job-"))
    request = {"task": task, "lang": lang, "pack": str(pack) if pack else "", **asked}
    (folder / _REQUEST).write_text(json.dumps(request, ensure_ascii=False), encoding="utf-8")
    command = [sys.executable, "-X", "utf8", "-m", module, str(folder)]
    with (folder / "messages.txt").open("wb") as messages:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=messages, stdin=subprocess.DEVNULL)
    return Job(task, process, folder)


def serve(folder: Path, solve: Solve) -> int:
    """Do what the request in a folder asks for; return an exit code.

    Parameters
    ----------
    folder
        With the request; progress and tables are written there.
    solve
        Makes the tables of a request.
    """
    from transport.findings import DataError
    from transport.inputs import load_inputs

    request = json.loads((folder / _REQUEST).read_text(encoding="utf-8"))

    def tell(step: int, steps: int, name: str) -> None:
        with (folder / _PROGRESS).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "steps": max(steps, 1), "name": name}, ensure_ascii=False) + "\n")

    try:
        inputs = load_inputs(pack=Path(request["pack"]) if request["pack"] else None, lang=request["lang"])
        tables = solve(request, inputs, tell)
    except (DataError, ValueError, ArithmeticError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for name, table in tables.items():
        table.write_parquet(folder / f"{name}.parquet")
    return 0


def answers_in(folder: Path) -> dict[str, pl.DataFrame]:
    """Return the tables that a finished calculation left in its folder, by name."""
    return {path.stem: pl.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}
