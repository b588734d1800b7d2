"""The command ``transport projects rank SCENARIO``: the register in the order of what each project moves."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from transport.arguments import Text
from transport.i18n import labels, t
from transport.network_show import err, out, print_table

if TYPE_CHECKING:
    import argparse

    import polars as pl

    from transport.inputs import Inputs
    from transport.ranking import Progress

OK, FINDINGS = 0, 2
#: Years in which flows by pair are known, and the one that targets name.
YEARS_KNOWN, YEAR = (2025, 2030, 2035), 2030
_SCENARIO, _TOP = "plan_2030", 20
#: Units by language: money (10^8 or 10^6 CNY), tonnes and tkm (10^4 t and 10^8 tkm, or kt and Mtkm), CO2 (10^4 t or kt).
_SCALE = {
    "zh": {
        "cost_cny": 1e8,
        "outlay_saved_cny": 1e8,
        "delay_cny": 1e8,
        "t_off_road": 1e4,
        "tkm_off_road": 1e8,
        "co2_avoided_t": 1e4,
        "delay_co2_t": 1e4,
    },
    "en": {
        "cost_cny": 1e6,
        "outlay_saved_cny": 1e6,
        "delay_cny": 1e6,
        "t_off_road": 1e3,
        "tkm_off_road": 1e6,
        "co2_avoided_t": 1e3,
        "delay_co2_t": 1e3,
    },
}
_SHOWN = (
    "rank_t",
    "project",
    "kind",
    "open_year",
    "in_scenario",
    "cost_cny",
    "t_off_road",
    "tkm_off_road",
    "co2_avoided_t",
    "outlay_saved_cny",
    "cny_per_t",
    "cny_per_tco2",
    "delay_co2_t",
    "delay_cny",
    "quality",
)


def rank_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the ranking to the command ``projects``."""
    group = parser.add_argument_group("rank", Text("help.rank.description", scenario=_SCENARIO))
    group.add_argument("--year", type=int, choices=YEARS_KNOWN, default=YEAR, help="help.rank.year")
    group.add_argument("--only", nargs="+", metavar="ID", help="help.rank.only")
    group.add_argument(
        "--capacity",
        choices=("equilibrium", "fixed"),
        help="help.rank.capacity",
    )
    group.add_argument("--top", type=int, default=_TOP, help="help.rank.top")


def rank_projects(inputs: Inputs, args: argparse.Namespace) -> int:
    """Print the ranking; what ``transport projects rank`` does.

    Parameters
    ----------
    inputs
        Checked data.
    args
        With ``words`` (``rank`` and a scenario) and the options of :func:`rank_options`.

    Raises
    ------
    DataError
        If a scenario or a project is not known.
    """
    from transport.check_problems import Problem, nearest, words
    from transport.findings import DataError
    from transport.projects import register
    from transport.ranking import rank
    from transport.scenario import load_scenario
    from transport.scenario_sections import names_of

    name = args.words[1] if len(args.words) > 1 else _SCENARIO
    scenario = load_scenario(
        name, inputs.folder, inputs.levers, names=names_of(inputs.tables), draws=1, capacity=args.capacity, lang=args.lang
    )
    known = register(inputs)["project_id"].to_list()
    wanted = args.only or known
    wrong = [
        Problem("projects rank", 0, one, "project.unknown", values={"hint": nearest(one, known)})
        for one in wanted
        if one not in known
    ]
    if wrong:
        raise DataError(words(wrong, args.lang))
    table = rank(inputs, scenario, wanted, args.year, progress=_teller(args))
    if args.json:
        out(json.dumps({"scenario": scenario.name, "year": args.year, "rows": table.to_dicts()}, ensure_ascii=False))
        return OK
    out(t("rank.title", args.lang, scenario=scenario.name, year=args.year))
    print_table(named(table.head(args.top) if args.top else table, inputs, args.lang))
    out(t("rank.note", args.lang))
    return OK


def named(table: pl.DataFrame, inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return a ranking under labels in the units of the language.

    Parameters
    ----------
    table
        From :func:`transport.ranking.rank`.
    inputs
        For the labels.
    lang
        Language.
    """
    import polars as pl

    from transport.projects import register

    names = dict(register(inputs).select("project_id", f"label_{lang}").iter_rows())
    yes = {True: t("network.yes", lang), False: t("network.no", lang)}
    codes = {"kind": labels(inputs, "project_kind", lang), "quality": labels(inputs, "quality", lang)}
    scale = _SCALE[lang]
    columns: dict[str, list[object]] = {}
    for name in _SHOWN:
        cells = table["project_id" if name == "project" else name].to_list()
        if name == "project":
            shown: list[object] = [names.get(cell, cell) for cell in cells]
        elif name == "in_scenario":
            shown = [yes[cell] for cell in cells]
        elif name in codes:
            shown = [codes[name].get(cell, cell) for cell in cells]
        elif name in scale:
            shown = [None if cell is None else float(cell) / scale[name] for cell in cells]
        else:
            shown = cells if name != "open_year" else [str(cell) for cell in cells]
        columns[t(f"rank.{name}", lang)] = shown
    return pl.DataFrame(columns, strict=False)


def _teller(args: argparse.Namespace) -> Progress | None:
    if args.json or not sys.stderr.isatty():
        return None
    return lambda done, count, name: err(f"[{done}/{count}] {name}") if name else None
