"""Calculations of the page of uncertainty, run as a subprocess: an ensemble of draws, what each measure does, and the cheapest package."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from transport.app.calculations import serve
from transport.app.what_if_jobs import scenario_of
from transport.i18n import t
from transport.scenario import load_scenario
from transport.scenario_sections import names_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.app.calculations import Tell
    from transport.backcast_run import Question
    from transport.backcast_solve import Effort
    from transport.inputs import Inputs
    from transport.scenario import Scenario

#: What can be asked for.
TASKS = ("ensemble", "measures", "backcast")
#: How hard a backcast searches: packages of a generation, generations, points of the front.
EFFORTS = {"quick": (12, 4, 4), "usual": (24, 8, 6), "thorough": (40, 14, 10)}
#: Draws from which the chance of a package is found.
BACKCAST_DRAWS = 96
MODULE = "transport.app.uncertainty_jobs"


def solve(request: Mapping[str, Any], inputs: Inputs, tell: Tell) -> dict[str, pl.DataFrame]:
    """Return the tables of a request.

    Parameters
    ----------
    request
        ``task`` of :data:`TASKS` and the ``manifest`` of a run; ``draws`` and ``seed`` of ``ensemble``; ``base`` (manifest of what the measures are
        put on, empty = none) and ``pairs`` of ``measures``; of ``backcast`` as in :func:`asked`.
    inputs
        Checked data.
    tell
        Called as the work goes on.

    Returns
    -------
    dict
        ``done`` (folder) of an ensemble or a backcast, whose tables are kept there; ``measures``, ``abatement_curve`` and ``measure_interactions``.
    """
    scenario = scenario_of(request["manifest"], capacity="fixed")
    if request["task"] == "ensemble":
        from transport.catalogue import register
        from transport.ensemble import prepared, run_ensemble
        from transport.store import read_run

        found = run_ensemble(
            prepared(scenario),
            inputs,
            draws=request["draws"],
            seed=request["seed"],
            progress=lambda done, count: tell(done, count, f"{done}/{count}"),
        )
        said = register([read_run(found.folder)], lang=str(request.get("lang", "zh")))
        if said:
            sys.stderr.write(f"{said}\n")
        return {"done": pl.DataFrame({"folder": [str(found.folder)]})}
    if request["task"] == "backcast":
        return {"done": pl.DataFrame({"folder": [str(_backcast(request, scenario, inputs, tell))]})}
    from transport.measures import abatement_curve, interaction_table, measure_table, shown_years, work_out

    base = scenario_of(request["base"]).settings if request["base"] else {}
    outcomes = work_out(
        scenario,
        inputs,
        base=base,
        pairs=request["pairs"],
        done=lambda done, count: tell(done, count, f"{done}/{count}"),
    )
    table = measure_table(outcomes, shown_years())
    return {
        "measures": table,
        "abatement_curve": abatement_curve(table),
        "measure_interactions": interaction_table(outcomes, shown_years()),
    }


def asked(request: Mapping[str, Any], inputs: Inputs) -> tuple[Question, Effort]:
    """Return the question of a backcast and how hard is searched.

    Parameters
    ----------
    request
        ``targets`` (``ID@YEAR``), ``probability`` [share], ``bounds`` (name of a scenario, or ``range``), ``prices`` (whether levers that only move money
        may be used) and ``effort`` of :data:`EFFORTS`.
    inputs
        Checked data.
    """
    from transport.backcast import RANGE
    from transport.backcast_run import Question
    from transport.backcast_solve import Effort

    options: dict[str, Any] = {"draws": 1, "capacity": "fixed", "simulate": "none"}
    bounds = request["bounds"]
    question = Question(
        targets=tuple(request["targets"]),
        probability=float(request["probability"]),
        draws=BACKCAST_DRAWS,
        bounds=None
        if bounds == RANGE
        else load_scenario(bounds, inputs.folder, inputs.levers, names=names_of(inputs.tables), **options),
        with_prices=bool(request["prices"]),
    )
    population, generations, points = EFFORTS[request["effort"]]
    return question, Effort(population=population, generations=generations, points=points, workers=os.cpu_count())


def _backcast(request: Mapping[str, Any], scenario: Scenario, inputs: Inputs, tell: Tell) -> Path:
    from transport.backcast import BackcastError
    from transport.backcast_run import run_backcast

    lang = str(request["lang"])
    question, effort = asked(request, inputs)

    def say(stage: str, done: int, count: int) -> None:
        tell(done, count, t("backcast.progress", lang, stage=t(f"backcast.{stage}", lang), done=done, count=count))

    try:
        return run_backcast(scenario, inputs, question, effort, tell=say).folder
    except BackcastError as wrong:
        raise ValueError(t(wrong.key, lang, **wrong.values)) from wrong


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1]), solve))
