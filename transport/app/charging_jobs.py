"""Calculations of the page of charging, run as a subprocess: the simulated province, and the fewest plugs of a place."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from transport.app.calculations import serve
from transport.app.what_if_jobs import scenario_of
from transport.i18n import has_text, labels, t
from transport.sizing_text import what_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.app.calculations import Tell
    from transport.inputs import Inputs

#: What can be asked for.
TASKS = ("province", "sizing", "checks")
MODULE = "transport.app.charging_jobs"


def solve(request: Mapping[str, Any], inputs: Inputs, tell: Tell) -> dict[str, pl.DataFrame]:
    """Return the tables of a request.

    Parameters
    ----------
    request
        ``task`` of :data:`TASKS` and the ``manifest`` of a run; ``years`` of ``province``; ``system``, ``area``, ``place``, ``year``, ``weeks`` and
        ``limits`` of ``sizing``; ``year`` of ``checks``.
    inputs
        Checked data.
    tell
        Called before every step.

    Returns
    -------
    dict
        ``done`` (folder) of the province, whose tables are kept with the run; ``sizing``; ``self_checks`` of the sample.
    """
    tell = _in_words(tell, inputs, str(request.get("lang", "zh")))
    scenario = scenario_of(request["manifest"])
    if request["task"] == "province":
        from transport.simulate_run import make_request, simulate_scenario

        stored = simulate_scenario(scenario, inputs, make_request(inputs, years=request["years"]), progress=tell)
        return {"done": pl.DataFrame({"folder": [str(stored.folder)]})}
    from transport.sample_checks import sample_checks
    from transport.sizing import SizingError, place_of, size_place

    tell(0, 1, "models")
    if request["task"] == "checks":
        return {"self_checks": sample_checks(inputs, scenario, request["year"], progress=tell)}
    try:
        place = place_of(
            inputs,
            scenario,
            request["system"],
            request["area"],
            place=request["place"],
            year=request["year"],
            weeks=request["weeks"],
            limits=request["limits"],
        )
    except SizingError as problem:
        raise ValueError(problem.said(str(request.get("lang", "zh")))) from problem
    return {"sizing": size_place(place, progress=tell)}


def _in_words(tell: Tell, inputs: Inputs, lang: str) -> Tell:
    """Return what tells the progress in the words of the reader: names of steps, and of system, prefecture and week of a case."""
    names = {code: name for kind in ("system", "area", "week") for code, name in labels(inputs, kind, lang).items()}

    def say(step: int, steps: int, name: str) -> None:
        key = f"charging.step_{name}"
        if has_text(key, lang):
            said = t(key, lang)
        elif has_text(f"sizing.what_{name}", lang) or name.startswith("berths_"):
            said = what_name(name, lang)
        else:
            said = " ".join(names.get(word, word) for word in name.split())
        tell(step, steps, said)

    return say


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1]), solve))
