"""Calculations of the freight page as subprocesses: flows by commodity, why hauls go the way they do, and one link or terminal changed.

Each solves the base year and one year of the run's scenario, at the speed asked for, so that its numbers are those of the run.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from transport.app.calculations import serve
from transport.app.freight_edits import Edit, edited
from transport.app.what_if_jobs import scenario_of
from transport.closures import base_id
from transport.layout import year_index

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.app.calculations import Tell
    from transport.freight_model import FreightModel
    from transport.inputs import Inputs
    from transport.params import Params
    from transport.scenario import Scenario

#: What can be asked for.
TASKS = ("flows", "explain", "change")
MODULE = "transport.app.freight_jobs"
#: Steps of a calculation before its last part.
_SOLVE = 2


def solve(request: Mapping[str, Any], inputs: Inputs, tell: Tell) -> dict[str, pl.DataFrame]:
    """Return the tables of a request.

    Parameters
    ----------
    request
        ``task`` of :data:`TASKS`, ``manifests`` of one run, ``year``, ``capacity``; ``places`` (kind and place of terminals) of ``flows``; ``origin`` and
        ``pairs`` (destination and commodity) of ``explain``; ``edit`` of ``change``.
    inputs
        Checked data.
    tell
        Called before every step.

    Returns
    -------
    dict
        ``links``, ``terminals`` of :func:`transport.freight_select.commodity_loads`; or ``chains``, ``stops``, ``path``, ``heads`` of all pairs of one
        origin; or ``moves``, ``links``, ``terminals``, ``modes`` of a change.
    """
    scenario = scenario_of(request["manifests"][0], capacity=request["capacity"])
    if request["task"] == "flows":
        return _flows(request, inputs, scenario, tell)
    if request["task"] == "explain":
        return _explain(request, inputs, scenario, tell)
    return _change(request, inputs, scenario, tell)


def _solved(own: Inputs, scenario: Scenario, year: int) -> tuple[Params, FreightModel]:
    from transport.freight_year import solve_year
    from transport.study import scenario_params

    params = scenario_params(scenario, own)
    held = scenario.hold_year or None
    return params, solve_year(own, params, year, hold_network_after=held, capacity=scenario.capacity)


def _flows(request: Mapping[str, Any], inputs: Inputs, scenario: Scenario, tell: Tell) -> dict[str, pl.DataFrame]:
    from transport.freight_select import commodity_loads
    from transport.study import scenario_inputs

    tell(0, 10, "solve")
    _, model = _solved(scenario_inputs(scenario, inputs), scenario, request["year"])
    places = pl.DataFrame(request["places"], schema={"kind": pl.String, "place": pl.String}, orient="row")
    links, terminals = commodity_loads(
        model, request["year"], places, tell=lambda done, count: tell(6 + int(4 * done / max(count, 1)), 10, "loads")
    )
    return {"links": links, "terminals": terminals}


def _explain(request: Mapping[str, Any], inputs: Inputs, scenario: Scenario, tell: Tell) -> dict[str, pl.DataFrame]:
    from transport.freight_explain import explain, get_ready
    from transport.freight_words import sentence
    from transport.study import scenario_inputs

    tell(0, 10, "solve")
    own, year, origin = scenario_inputs(scenario, inputs), int(request["year"]), str(request["origin"])
    params, model = _solved(own, scenario, year)
    ready = get_ready(own, model, year)
    made: dict[str, list[pl.DataFrame]] = {"chains": [], "stops": [], "path": []}
    heads = []
    pairs = request["pairs"]
    for k, (destination, commodity) in enumerate(pairs):
        if k % 20 == 0:
            tell(7 + int(3 * k / max(len(pairs), 1)), 10, "explain")
        # names within depend on the language: the reader may switch it later
        by_lang = {
            lang: explain(own, params, model, origin, destination, commodity, year, ready=ready, lang=lang)
            for lang in ("zh", "en")
        }
        found = by_lang["zh"]
        keys = {"destination": pl.lit(destination), "commodity": pl.lit(commodity)}
        for name, frames in made.items():
            table = getattr(found, name)
            english = getattr(by_lang["en"], name)
            both = [c for c in ("terminals", "name", "names", "worst_name") if c in table.columns]
            frames.append(table.with_columns(**keys, **{f"{c}_en": english[c] for c in both}))
        heads.append(
            {
                "destination": destination,
                "commodity": commodity,
                "t_per_year": found.t_per_year,
                "captive_t_per_year": found.captive_t_per_year,
                **{f"sentence_{lang}": _plain(sentence(one, lang), one.path) for lang, one in by_lang.items()},
            }
        )
    tables = {name: pl.concat(frames, how="vertical_relaxed") for name, frames in made.items()}
    return {**tables, "heads": pl.DataFrame(heads)}


def _plain(words: str, path: pl.DataFrame) -> str:
    """Return a sentence without the ids of links, which are for the command line."""
    for link in path["worst_link_id"].drop_nulls().unique():
        words = words.replace(f" ({link})", "")
    return words


def _change(request: Mapping[str, Any], inputs: Inputs, scenario: Scenario, tell: Tell) -> dict[str, pl.DataFrame]:
    from transport.shift import Side, cause_rows, shift_summary, shift_table
    from transport.study import scenario_inputs

    year, edit = int(request["year"]), Edit.of(request["edit"])
    own, second = edited(inputs, scenario, edit)
    tell(0, _SOLVE + 1, "before")
    first = scenario_inputs(scenario, inputs)
    before = Side(*_solved(first, scenario, year))
    tell(1, _SOLVE + 1, "after")
    after = Side(*_solved(own, second, year))
    tell(_SOLVE, _SOLVE + 1, "compare")
    moves = shift_table(before, after, year, cause_rows(inputs.table("networks/shift_causes")))
    loads = [_loads(side, tables, year) for side, tables in ((before, first), (after, own))]
    links, terminals = (_both(loads[0][k], loads[1][k], keys) for k, keys in ((0, ["link_id", "mode"]), (1, ["kind", "place"])))
    return {
        "moves": shift_summary(moves, ("commodity", "cause")),
        "links": links,
        "terminals": terminals,
        "modes": _modes(before, loads),
    }


def _loads(side: Any, own: Inputs, year: int) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return flows by link and by terminal of one side, and territorial tonne-kilometres by mode."""
    from transport.freight_loads import link_frame, terminal_frame, year_load

    load = year_load(side.model, year_index(year))
    state = side.state(year_index(year))
    links, _ = link_frame(load, state.links, year)
    length = own.table("networks/links").select("link_id", "length_km", "in_province_share")
    flow = links.with_columns(
        t=pl.col("forward_t") + pl.col("backward_t"), link_id=pl.col("link_id").map_elements(base_id, return_dtype=pl.String)
    )
    tkm = (
        links.join(length, on="link_id", how="left")
        .group_by("mode")
        .agg(tkm=((pl.col("forward_t") + pl.col("backward_t")) * pl.col("length_km") * pl.col("in_province_share")).sum())
    )
    places = terminal_frame(load, side.model.prepared, own.table("networks/terminals"), year)
    return (
        flow.select("link_id", "mode", "t", "vc_ratio", capacity="capacity_t_per_year"),
        places.select("kind", "place", "vc_ratio", t="t_per_year", capacity="capacity_t_per_year"),
        tkm,
    )


def _both(one: pl.DataFrame, two: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Return what both sides hold, the largest change first: keys, t, vc_ratio, capacity before and after (``_after``)."""
    wide = one.join(two, on=keys, how="full", coalesce=True, suffix="_after").with_columns(pl.col("t", "t_after").fill_null(0.0))
    change = pl.col("t_after") - pl.col("t")
    return wide.with_columns(change.alias("change")).sort(change.abs(), *keys, descending=[True, *[False] * len(keys)])


def _modes(before: Any, loads: list[tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]]) -> pl.DataFrame:
    """Return territorial tonne-kilometres by mode on both sides, and direct CO2 of their difference at the factors of carbon pricing [t/yr]."""
    both = loads[0][2].join(loads[1][2], on="mode", how="full", coalesce=True, suffix="_after").fill_null(0.0)
    grams = {mode: float(before.params.get("freight_direct_co2", mode)[0, 0]) for mode in both["mode"]}
    factor = pl.col("mode").replace_strict(grams, return_dtype=pl.Float64)
    return both.with_columns(co2_t=(pl.col("tkm_after") - pl.col("tkm")) * factor / 1e6)


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1]), solve))
