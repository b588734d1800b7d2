"""Calculations of the what-if page as subprocesses: the ranking of projects, the causes of a shift, and what a sea-rail target needs.

The page writes what it asks for into a folder and starts this module on it; the module writes its progress and its tables there. Like a run of a
scenario, a calculation survives reruns of the page and can be cancelled.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transport.app.calculations import serve
from transport.scenario import Scenario
from transport.scenario_sections import Sections

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from transport.app.calculations import Tell
    from transport.inputs import Inputs

#: What can be asked for.
TASKS = ("rank", "shift", "need")
MODULE = "transport.app.what_if_jobs"


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


def solve(request: Mapping[str, Any], inputs: Inputs, tell: Tell) -> dict[str, pl.DataFrame]:
    """Return the tables of a request.

    Parameters
    ----------
    request
        ``task`` of :data:`TASKS`, ``manifests`` of one run or, for ``shift``, of two; ``year``; ``capacity``; ``names`` of the projects of ``rank``; ``target_pct`` of ``need``.
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
    sys.exit(serve(Path(sys.argv[1]), solve))
