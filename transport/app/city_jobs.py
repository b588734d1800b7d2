"""Calculations of the page of cities, run as a subprocess: intervals of the share, required values, the cheapest mix, drivers."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from transport.app.calculations import serve
from transport.app.what_if_jobs import scenario_of
from transport.i18n import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.app.calculations import Tell
    from transport.city_case import CityCase
    from transport.city_mix import Mix
    from transport.inputs import Inputs
    from transport.scenario import Scenario

#: What can be asked for.
TASKS = ("interval", "needs", "mix", "drivers")
MODULE = "transport.app.city_jobs"
#: Scenarios whose intervals stand beside each other.
SCENARIOS = ("baseline", "plan_2030", "stretch")


def solve(request: Mapping[str, Any], inputs: Inputs, tell: Tell) -> dict[str, pl.DataFrame]:
    """Return the tables of a request.

    Parameters
    ----------
    request
        ``task`` of :data:`TASKS`, ``areas``, ``year``, ``draws``; ``scenarios`` (names) of ``interval``, ``manifest`` of a run for the others.
    inputs
        Checked data.
    tell
        Called before every step.

    Returns
    -------
    dict
        ``interval`` (columns of :data:`transport.city_needs.VIEW`); ``needs``; ``mix``, ``said`` (with_prices,
        lang, text) and ``files`` (with_prices, text: a scenario file); ``drivers``.
    """
    from transport.scenario import load_scenario
    from transport.scenario_sections import names_of

    task, areas, year, draws = (request[name] for name in ("task", "areas", "year", "draws"))
    if task == "interval":
        from transport.city_needs import green_travel_view

        known = names_of(inputs.tables)
        scenarios = [load_scenario(name, inputs.folder, inputs.levers, names=known) for name in request["scenarios"]]
        return {"interval": green_travel_view(scenarios, inputs, draws=draws, areas=areas, year=year, progress=tell)}
    scenario = replace(scenario_of(request["manifest"]), draws=draws)
    if task == "drivers":
        from transport.city_drivers import city_drivers

        return {"drivers": city_drivers(inputs, scenario, areas, year, draws=draws, progress=tell)}
    from transport.city_case import city_cases

    cases = city_cases(inputs, scenario, areas, year, draws=draws)
    if task == "needs":
        from transport.city_needs import needs_table

        return {"needs": needs_table(cases, progress=tell)}
    return _mix(inputs, scenario, cases, tell, {lang: str(request["manifest"][f"title_{lang}"]) for lang in LANGUAGES})


def _mix(
    inputs: Inputs, scenario: Scenario, cases: Sequence[CityCase], tell: Tell, titles: Mapping[str, str]
) -> dict[str, pl.DataFrame]:
    from transport.city_mix import cheapest_mix, city_costs, lever_bases, mix_table
    from transport.city_text import mix_scenario, mix_sentences
    from transport.study import scenario_params

    bare = scenario_params(replace(scenario, settings={}, draws=1), cases[0].inputs)
    ways = (False, True)
    mixes: list[Mix] = []
    for case in cases:
        cost_of = city_costs(case, bare)
        for with_prices in ways:
            tell(len(mixes), len(ways) * len(cases), case.area)
            mixes.append(cheapest_mix(case, cost_of, lever_bases(inputs, case.levers), with_prices=with_prices))
    said = [
        {"with_prices": mix.with_prices, "lang": lang, "text": text}
        for mix in mixes
        for lang in LANGUAGES
        for text in mix_sentences(replace(mix, scenario=titles[lang]), inputs, lang)
    ]
    files = [
        {
            "with_prices": way,
            "text": mix_scenario([mix for mix in mixes if mix.with_prices == way], scenario, inputs, bundled=True),
        }
        for way in ways
    ]
    return {"mix": mix_table(mixes), "said": pl.DataFrame(said), "files": pl.DataFrame(files)}


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1]), solve))
