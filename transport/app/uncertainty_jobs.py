"""Calculations of the page of uncertainty, run as a subprocess: an ensemble of draws, and what each measure does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from transport.app.calculations import serve
from transport.app.what_if_jobs import scenario_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.app.calculations import Tell
    from transport.inputs import Inputs

#: What can be asked for.
TASKS = ("ensemble", "measures")
MODULE = "transport.app.uncertainty_jobs"


def solve(request: Mapping[str, Any], inputs: Inputs, tell: Tell) -> dict[str, pl.DataFrame]:
    """Return the tables of a request.

    Parameters
    ----------
    request
        ``task`` of :data:`TASKS` and the ``manifest`` of a run; ``draws`` and ``seed`` of ``ensemble``; ``base`` (manifest of the run that the measures are
        put on, empty = none) and ``pairs`` of ``measures``.
    inputs
        Checked data.
    tell
        Called as the work goes on.

    Returns
    -------
    dict
        ``done`` (folder) of an ensemble, whose tables are kept there; ``measures``, ``abatement_curve`` and ``measure_interactions``.
    """
    scenario = scenario_of(request["manifest"], capacity="fixed")
    if request["task"] == "ensemble":
        from transport.ensemble import prepared, run_ensemble

        found = run_ensemble(
            prepared(scenario),
            inputs,
            draws=request["draws"],
            seed=request["seed"],
            progress=lambda done, count: tell(done, count, f"{done}/{count}"),
        )
        return {"done": pl.DataFrame({"folder": [str(found.folder)]})}
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


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1]), solve))
