"""Calculations of the what-if page as subprocesses: the ranking of projects, the causes of a shift, and what a sea-rail target needs.

The page writes what it asks for into a folder and starts this module on it; the module writes its progress and its tables there. Like a run of a
scenario, a calculation survives reruns of the page and can be cancelled.
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
from transport.scenario import Scenario
from transport.scenario_sections import Sections

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from transport.inputs import Inputs

    #: Called with (steps done, steps, name of the present step).
    Tell = Callable[[int, int, str], None]

#: What can be asked for.
TASKS = ("rank", "shift", "need")
_REQUEST = "request.json"
_PROGRESS = "progress.jsonl"


def scenario_of(manifest: Mapping[str, Any], *, capacity: str = "") -> Scenario:
    """Return the scenario that a stored run was made from, whatever its file says now.

    Parameters
    ----------
    manifest
        Of the run.
    capacity
        Speed of the freight model to use instead of the run's own: ``equilibrium`` or ``fixed``.
    """
    resolved, run = manifest["resolved"], manifest["resolved"]["run"]
    sections = Sections.of_resolved(resolved)
    settings = {
        name: {int(year): float(x) for year, x in value.items()} if isinstance(value, dict) else float(value)
        for name, value in resolved["set"].items()
    }
    return Scenario(
        name=str(manifest["scenario"]),
        title_zh=str(manifest["title_zh"]),
        title_en=str(manifest["title_en"]),
        about_zh="",
        about_en="",
        settings=settings,
        lineage=tuple(manifest.get("lineage", ())),
        seed=run.get("seed", 0),
        draws=1,
        simulate="none",
        capacity=capacity or run.get("capacity", "equilibrium"),  # type: ignore[arg-type]
        network=run.get("network", "compact"),
        sales=run.get("sales", "path"),
        hold_year=run.get("hold_year", 0),
        hold_but=tuple(run.get("hold_but", ())),
        projects=sections.projects,
        closures=sections.closures,
        sites=sections.sites,
    )


def start(task: str, manifests: Sequence[Mapping[str, Any]], *, lang: str, pack: Path | None = None, **asked: Any) -> Job:
    """Start a calculation.

    Parameters
    ----------
    task
        One of :data:`TASKS`.
    manifests
        Of the runs whose scenarios are asked about: one, or two for ``shift``.
    lang
        Language of its messages.
    pack
        Data pack laid over the bundled data.
    **asked
        ``year``; ``capacity``; ``names`` of the projects of ``rank``; ``target_pct`` of ``need``.
    """
    folder = Path(tempfile.mkdtemp(prefix="transport-job-"))
    request = {"task": task, "manifests": list(manifests), "lang": lang, "pack": str(pack) if pack else "", **asked}
    (folder / _REQUEST).write_text(json.dumps(request, ensure_ascii=False), encoding="utf-8")
    command = [sys.executable, "-X", "utf8", "-m", "transport.app.what_if_jobs", str(folder)]
    with (folder / "messages.txt").open("wb") as messages:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=messages, stdin=subprocess.DEVNULL)
    return Job(task, process, folder)


def answers(folder: Path) -> dict[str, pl.DataFrame]:
    """Return the tables that a finished calculation left in its folder, by name."""
    return {path.stem: pl.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


def main(folder: Path) -> int:
    """Do what the request in a folder asks for; return an exit code.

    Parameters
    ----------
    folder
        With the request; progress and tables are written there.
    """
    from transport.findings import DataError
    from transport.inputs import load_inputs
    from transport.shift import ShiftError

    request = json.loads((folder / _REQUEST).read_text(encoding="utf-8"))

    def tell(step: int, steps: int, name: str) -> None:
        with (folder / _PROGRESS).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "steps": steps, "name": name}, ensure_ascii=False) + "\n")

    try:
        inputs = load_inputs(pack=Path(request["pack"]) if request["pack"] else None, lang=request["lang"])
        tables = solve(request, inputs, tell)
    except (DataError, ShiftError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for name, table in tables.items():
        table.write_parquet(folder / f"{name}.parquet")
    return 0


def solve(request: Mapping[str, Any], inputs: Inputs, tell: Tell) -> dict[str, pl.DataFrame]:
    """Return the tables of a request.

    Parameters
    ----------
    request
        As :func:`start` writes it.
    inputs
        Checked data.
    tell
        Called before every step.

    Returns
    -------
    dict
        ``rank``; or ``moves`` (commodity, cause, from_mode, to_mode, t) of a shift; or ``needs`` and ``tight`` of :class:`transport.sea_rail_needs.Answer`.
    """
    scenarios = [scenario_of(one, capacity=request["capacity"]) for one in request["manifests"]]
    if request["task"] == "rank":
        return {"rank": _rank(request, inputs, scenarios[0], tell)}
    if request["task"] == "shift":
        return {"moves": _shift(request, inputs, scenarios, tell)}
    return _need(request, inputs, scenarios[0], tell)


def _rank(request: Mapping[str, Any], inputs: Inputs, scenario: Scenario, tell: Tell) -> pl.DataFrame:
    from transport.ranking import rank

    return rank(inputs, scenario, request["names"], request["year"], progress=tell)


def _shift(request: Mapping[str, Any], inputs: Inputs, scenarios: Sequence[Scenario], tell: Tell) -> pl.DataFrame:
    from transport.shift import cause_rows, shift_summary, shift_table
    from transport.shift_runs import sides

    steps = iter(range(len(scenarios)))
    before, after = sides(
        inputs, scenarios[0], scenarios[1], request["year"], tell=lambda name: tell(next(steps), len(scenarios) + 1, name)
    )
    tell(len(scenarios), len(scenarios) + 1, "")
    table = shift_table(before, after, request["year"], cause_rows(inputs.table("networks/shift_causes")))
    return shift_summary(table, ("commodity", "cause"))


def _need(request: Mapping[str, Any], inputs: Inputs, scenario: Scenario, tell: Tell) -> dict[str, pl.DataFrame]:
    from transport.sea_rail_needs import answer

    steps = iter(range(1, 9))
    tell(0, 3, "years")
    found = answer(inputs, scenario, request["target_pct"], [request["year"]], tell=lambda name: tell(next(steps), 3, name))
    return {"needs": found.needs, "tight": found.tight}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
