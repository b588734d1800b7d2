"""Calculations of a page as jobs: a module works on a folder with a request, in which it leaves its progress and its tables.

Like a run of a scenario, a calculation survives a reload of the page and can be cancelled.
"""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from transport.app import jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from transport.app.jobs import Job
    from transport.inputs import Inputs

    #: Called with (steps done, steps, name of the present step).
    Tell = Callable[[int, int, str], None]
    #: Request, checked data and what tells the progress -> tables by name.
    Solve = Callable[[Mapping[str, Any], Inputs, Tell], dict[str, pl.DataFrame]]

_REQUEST = "request.json"
#: Table with the folder of what is kept elsewhere.
_DONE = "done"


def start(
    module: str, task: str, *, lang: str, pack: Path | None = None, identity: str = "", name: str = "", **asked: Any
) -> Job:
    """Start a calculation, or return the one that is at work on the same question.

    Parameters
    ----------
    module
        Module whose ``solve`` answers the request.
    task
        What is asked for.
    lang
        Language of its messages.
    pack
        Data pack laid over the bundled data.
    identity
        Name of the question; a new one by default.
    name
        What the reader calls it.
    **asked
        What the task needs, as JSON can hold it.

    Raises
    ------
    transport.roles.RoleError
        If the person may not start anything.
    """
    from transport.app import sign_in  # the subprocess itself needs no Streamlit

    request = {"task": task, "lang": lang, "pack": str(pack) if pack else "", **asked}
    return jobs.start(
        identity or f"{task}-{uuid.uuid4().hex}",
        module,
        about={"kind": "calculation", "task": task, "name": name},
        files={_REQUEST: json.dumps(request, ensure_ascii=False)},
        environment=sign_in.environment(),
    )


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
        with (folder / jobs.PROGRESS).open("a", encoding="utf-8") as file:
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
    """Return the tables that a finished calculation left in its folder, by name; none if what it kept elsewhere is gone."""
    kept = folder / f"{_DONE}.parquet"
    if kept.is_file() and not all(Path(name).is_dir() for name in pl.read_parquet(kept)["folder"]):
        return {}
    return {path.stem: pl.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}
