"""The shift between two scenarios from their files to words: both solved in one year, told in a sentence and under labels."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from networks.errors import CalibrationError
from transport.i18n import labels, t

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl

    from transport.inputs import Inputs
    from transport.scenario import Scenario
    from transport.shift import Side

#: Tonnes in the unit of the column, by language: ten thousand tonnes, and thousand tonnes.
_TONNES = {"zh": 1e4, "en": 1e3}


def sides(
    inputs: Inputs, first: Scenario, second: Scenario, year: int, *, tell: Callable[[str], None] | None = None
) -> tuple[Side, Side]:
    """Return both scenarios solved in one year, at the speed of the first; the base year is solved once where both have it in common.

    Parameters
    ----------
    inputs
        Checked data.
    first, second
        Resolved scenarios.
    year
        Calendar year.
    tell
        Called with the name of each scenario before it is solved.
    """
    from transport.freight_model import solve_base
    from transport.freight_year import solve_year
    from transport.shift import Side
    from transport.study import scenario_inputs, scenario_params

    found, known = [], None
    for scenario in (first, second):
        if tell is not None:
            tell(scenario.name)
        own = scenario_inputs(scenario, inputs)
        params, held = scenario_params(scenario, own), scenario.hold_year or None
        model = None
        if known is not None and known[0] is own.tables and known[1] == held:
            with contextlib.suppress(CalibrationError):  # another base year after all
                model = solve_year(own, params, year, capacity=first.capacity, base=known[2])
        if model is None:
            base = solve_base(own, params, hold_network_after=held)
            known = (own.tables, held, base)
            model = solve_year(own, params, year, capacity=first.capacity, base=base)
        found.append(Side(params, model))
    return found[0], found[1]


def heading(table: pl.DataFrame, first: str, second: str, year: int, lang: str) -> list[str]:
    """Return the sentences above the table: what left the road, and for where.

    Parameters
    ----------
    table
        From :func:`transport.shift.shift_table`.
    first, second
        Names of the two scenarios.
    year
        Year of the comparison.
    lang
        Language.
    """
    import polars as pl

    def moved(source: str, target: str) -> float:
        there = table.filter(pl.col("from_mode") == source, pl.col("to_mode") == target)["t"].to_numpy().sum()
        back = table.filter(pl.col("from_mode") == target, pl.col("to_mode") == source)["t"].to_numpy().sum()
        return float(there - back) / _TONNES[lang]

    net = {mode: moved("road", mode) for mode in ("rail", "water", "pipeline")}
    lines = [t("shift.title", lang, first=first, second=second, year=year)]
    if table.is_empty():
        return [*lines, t("shift.nothing", lang)]
    return [*lines, t("shift.net", lang, **{mode: f"{value:+,.0f}" for mode, value in net.items()}), t("shift.note", lang)]


def named(table: pl.DataFrame, inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return a summary under labels, tonnes in the unit of the language.

    Parameters
    ----------
    table
        From :func:`transport.shift.shift_summary`.
    inputs
        For the labels.
    lang
        Language.
    """
    import polars as pl

    from transport.freight_explain import node_names
    from transport.shift import SEA, UNSERVED

    nodes = node_names(inputs, lang)
    zones = {str(z): nodes[n] for z, n in inputs.table("networks/zones").select("zone_id", "node_id").iter_rows()}
    zones[SEA] = t("shift.sea", lang)
    modes: dict[Any, str] = {**labels(inputs, "mode", lang), UNSERVED: t("shift.unserved", lang), None: t("shift.added", lang)}
    words: dict[str, Mapping[Any, str]] = {
        "cause": labels(inputs, "shift_cause", lang),
        "commodity": labels(inputs, "commodity", lang),
        "origin": zones,
        "destination": zones,
        "from_mode": modes,
        "to_mode": modes,
    }
    cells: dict[str, list[Any]] = {
        t(f"shift.{name}", lang): [words[name].get(cell, cell) for cell in table[name]] for name in table.columns if name != "t"
    }
    return pl.DataFrame({**cells, t("shift.tonnes", lang): [value / _TONNES[lang] for value in table["t"]]})
