"""The command ``transport projects``, and the options by which any run builds projects, closes links and moves sites."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl

from transport.i18n import labels, t
from transport.network_show import err, out, print_table
from transport.project_text import LISTED, column_labels, metro_rows, register_table
from transport.rank_cli import rank_options, rank_projects

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from transport.inputs import Inputs

OK, FINDINGS = 0, 2
#: Options of :func:`section_options` and the sections of a scenario that they fill.
SECTION_OPTIONS = ("project", "close", "site")


def register(verbs: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Add the command to the command line.

    Parameters
    ----------
    verbs
        What ``add_subparsers`` returned.
    parents
        Parsers of the common options.
    """
    parser = verbs.add_parser("projects", parents=parents, help="help.command.projects")
    parser.add_argument(
        "words",
        nargs="*",
        metavar="[FILTER | show ID | rank SCENARIO]",
        help="help.project.words",
    )
    rank_options(parser)
    parser.set_defaults(command=_projects)


def section_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that build projects, close links and terminals and move sites in a run, whatever the scenario file says."""
    several: dict[str, Any] = {"action": "append", "default": []}
    parser.add_argument("--project", **several, metavar="NAME=YEAR", help="help.project.project")
    parser.add_argument("--close", **several, metavar="ID=YEAR:SHARE", help="help.project.close")
    parser.add_argument(
        "--site",
        **several,
        metavar="ZONE=YEAR:LEVEL",
        help="help.project.site",
    )


def sections(args: argparse.Namespace, inputs: Inputs) -> dict[str, Any]:
    """Return what the options say, as :func:`transport.scenario.load_scenario` takes it.

    Parameters
    ----------
    args
        With the options of :func:`section_options` and ``lang``.
    inputs
        Checked data, whose names may be used.

    Raises
    ------
    DataError
        If a text is not written as it must be.
    """
    from transport.scenario_sections import names_of, read_by_year, read_projects

    return {
        "projects": read_projects(args.project, args.lang),
        "closures": read_by_year("--close", args.close, args.lang),
        "sites": read_by_year("--site", args.site, args.lang),
        "names": names_of(inputs.tables),
    }


# ---- the register ------------------------------------------------------------------------------------------------------------------


def _projects(args: argparse.Namespace) -> int:
    from transport.inputs import load_inputs

    action = ACTIONS.get(args.words[0] if args.words else "")
    inputs = load_inputs(pack=args.pack, lang=args.lang)
    return action(inputs, args) if action else _list(inputs, args)


def _all_rows(inputs: Inputs) -> pl.DataFrame:
    """Return the register and the metro lines that a scenario may move."""
    from transport import projects

    return pl.concat([projects.register(inputs), metro_rows(inputs)], how="diagonal_relaxed")


def _list(inputs: Inputs, args: argparse.Namespace) -> int:
    """Print the register."""
    table = register_table(inputs, args.lang, " ".join(args.words))
    if args.json:
        rows = _all_rows(inputs).filter(pl.col("project_id").is_in(table["project_id"].to_list()))
        out(json.dumps(rows.to_dicts(), ensure_ascii=False))
        return OK
    if table.is_empty():
        err(t("cli.nothing_found", args.lang, text=" ".join(args.words)))
        return OK
    print_table(
        table.with_columns(pl.col("open_year").cast(pl.String).fill_null("-")).rename(
            {name: t(f"projects.{name}", args.lang) for name in LISTED}
        )
    )
    out(t("projects.total", args.lang, count=table.height))
    return OK


def _show_one(inputs: Inputs, args: argparse.Namespace) -> int:
    """Print all cells of one project."""
    from transport.check_problems import Problem, nearest, words
    from transport.findings import DataError

    rows = _all_rows(inputs)
    wanted = args.words[1] if len(args.words) > 1 else ""
    found = rows.filter(pl.col("project_id") == wanted)
    if found.is_empty():
        values = {"hint": nearest(wanted, rows["project_id"].to_list())}
        raise DataError(words([Problem("projects show", 0, wanted or "-", "project.unknown", values=values)], args.lang))
    row = found.row(0, named=True)
    if args.json:
        out(json.dumps(row, ensure_ascii=False))
        return OK
    heads = column_labels(inputs, args.lang)
    codes = {name: labels(inputs, name, args.lang) for name in ("project_kind", "project_status", "quality")}
    codes["project_kind"] |= labels(inputs, "travel_mode", args.lang)
    codes["project_status"] |= labels(inputs, "metro_status", args.lang)
    of = {"kind": "project_kind", "status": "project_status", "quality": "quality", "effect_quality": "quality"}
    shown = [(heads[name], codes[of[name]].get(value, value) if name in of else value) for name, value in row.items()]
    for head, value in shown:
        if value is not None:
            out(f"{head}: {_cell(value)}")
    return OK


#: First words of the command that are no filter.
ACTIONS: dict[str, Callable[[Inputs, argparse.Namespace], int]] = {"show": _show_one, "rank": rank_projects}


def _cell(value: object) -> str:
    return f"{value:,.10g}" if isinstance(value, float) else str(value)
