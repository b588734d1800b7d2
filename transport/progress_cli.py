"""``transport hindcast``, ``progress``, ``readings``: model against observed years, actual values against targets, the headline in all readings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from transport.arguments import Text
from transport.i18n import labels, t
from transport.layout import BASE_YEAR, FIRST_CUT, LAST_OBSERVED, LAST_YEAR, SCOPES, YEARS
from transport.network_show import err, out

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from transport.inputs import Inputs

OK, FINDINGS = 0, 2
HEADLINE = "operating_co2_intensity"
#: Scenarios whose readings stand beside each other where none is named.
SCENARIOS = ("baseline", "rebound_only", "plan_2030", "stretch")
TARGET_YEAR = 2030
#: Scenario with the sales that are known, for years that are past.
OBSERVED = "observed_2024"
_MET = ("met", "within_tolerance")


def _scenario_argument(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "scenario",
        nargs="?",
        default=default,
        metavar="SCENARIO",
        help="help.progress.scenario",
    )


def _speed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--capacity",
        choices=("equilibrium", "fixed"),
        default="fixed",
        help="help.progress.capacity",
    )


def _add_hindcast(verbs: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("hindcast", parents=parents, help="help.command.hindcast")
    _scenario_argument(parser, OBSERVED)
    parser.add_argument(
        "--cut",
        type=int,
        choices=range(FIRST_CUT, LAST_OBSERVED),
        metavar="YEAR",
        help=Text("help.progress.cut", first=FIRST_CUT, last=LAST_OBSERVED - 1),
    )
    parser.add_argument("--item", help="help.progress.item")
    parser.add_argument("--rows", action="store_true", help="help.progress.rows")
    _speed(parser)
    parser.set_defaults(command=_hindcast)


def _add_progress(verbs: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("progress", parents=parents, help="help.command.progress")
    _scenario_argument(parser, "baseline")
    parser.add_argument(
        "--as-of",
        type=int,
        choices=range(BASE_YEAR, LAST_YEAR + 1),
        metavar="YEAR",
        help="help.progress.as_of",
    )
    _speed(parser)
    parser.set_defaults(command=_progress)


def _add_readings(verbs: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("readings", parents=parents, help="help.command.readings")
    parser.add_argument(
        "scenarios",
        nargs="*",
        default=list(SCENARIOS),
        metavar="SCENARIO",
        help=Text("help.progress.scenarios", scenarios=" ".join(SCENARIOS)),
    )
    parser.add_argument("--year", type=int, choices=YEARS, default=TARGET_YEAR, metavar="YEAR", help="help.shared.year")
    _speed(parser)
    parser.set_defaults(command=_readings)


#: What this module adds to ``transport``, in the order of the help.
PROGRESS_VERBS = (_add_hindcast, _add_progress, _add_readings)


# ---- hindcast ----------------------------------------------------------------------------------------------------------------------


def _hindcast(args: argparse.Namespace) -> int:
    from transport.hindcast import explanation, explanations
    from transport.inputs import load_inputs

    inputs = load_inputs(pack=args.pack, lang=args.lang)
    if Path(args.scenario).is_dir() and args.cut is not None:
        err(t("hindcast.folder", args.lang))
        return FINDINGS
    table = _hindcast_table(args, inputs)
    if args.item:
        names = labels(inputs, "fit_item", args.lang)
        wanted = [i for i in table["item"].unique() if args.item.lower() in f"{i} {names.get(i, '')}".lower()]
        if not wanted:
            err(t("hindcast.nothing", args.lang, item=args.item))
            return FINDINGS
        table = table.filter(pl.col("item").is_in(wanted))
    found = explanations(inputs, args.lang)
    if args.json:
        rows = [row | {"explanation": explanation(found, row["item"], row["mode"])} for row in table.to_dicts()]
        out(json.dumps({"scenario": args.scenario, "cut": args.cut, "hindcast": rows}, ensure_ascii=False))
        return OK
    for line in hindcast_lines(table, inputs, args.lang, cut=args.cut, rows=bool(args.rows or args.item)):
        out(line)
    return OK


def _hindcast_table(args: argparse.Namespace, inputs: Inputs) -> pl.DataFrame:
    """Return the table of a run folder, or of a scenario run now."""
    if Path(args.scenario).is_dir():
        from transport.store import read_run

        return read_run(Path(args.scenario)).table("hindcast")
    from transport.hindcast import hindcast, levers_until, until
    from transport.scenario import load_scenario
    from transport.scenario_sections import names_of
    from transport.study import model_parts

    scenario = load_scenario(
        args.scenario,
        inputs.folder,
        inputs.levers,
        names=names_of(inputs.tables),
        simulate="none",
        draws=1,
        capacity=args.capacity,
        lang=args.lang,
    )
    if args.cut is not None:
        inputs = until(inputs, args.cut)
        scenario = replace(scenario, settings=levers_until(scenario.settings, args.cut))
    return hindcast(model_parts(scenario, inputs), cut=args.cut)


def hindcast_lines(table: pl.DataFrame, inputs: Inputs, lang: str, *, cut: int | None = None, rows: bool = False) -> list[str]:
    """Return a hindcast as lines of text: one line per series, then why each differs.

    Parameters
    ----------
    table
        The result table ``hindcast``.
    inputs
        For labels and explanations.
    lang
        Language of the text.
    cut
        Last year that the model has seen.
    rows
        One line per year instead of one per series.
    """
    from transport.hindcast import explanation, explanations, summary
    from transport.text import fit_frame, table_lines

    series = summary(table)
    names, modes = labels(inputs, "fit_item", lang), labels(inputs, "mode", lang)

    def name(row: Mapping[str, Any]) -> str:
        item = names.get(row["item"], row["item"])
        return f"{item} ({modes[row['mode']]})" if row["mode"] in modes and row["item"] not in _OWN_MODE else item

    made = [t("hindcast.title", lang) if cut is None else t("hindcast.title_cut", lang, cut=cut)]
    if rows:
        made += table_lines(fit_frame(table, inputs, lang))
    else:
        made += table_lines(
            pl.DataFrame(
                [
                    {
                        "#": i,
                        t("fit.item", lang): name(row),
                        t("hindcast.years", lang): str(row["first"])
                        if row["first"] == row["last"]
                        else f"{row['first']}-{row['last']}",
                        t("hindcast.count", lang): row["count"],
                        t("hindcast.in_sample", lang): _error(row["in_sample_pct"]),
                        t("hindcast.held_out", lang): _error(row["held_out_pct"]),
                        t("hindcast.context", lang): _error(row["context_pct"]),
                        t("hindcast.bias", lang): _error(row["bias_pct"], signed=True),
                    }
                    for i, row in enumerate(series.iter_rows(named=True), 1)
                ]
            )
        )
    found = explanations(inputs, lang)
    same: dict[str, list[str]] = {}
    for i, row in enumerate(series.iter_rows(named=True), 1):
        same.setdefault(explanation(found, row["item"], row["mode"]), []).append(f"{i} {name(row)}")
    made += ["", t("hindcast.why", lang)]
    made += [f"- {'; '.join(which)}: {text}" for text, which in same.items()]
    return [*made, "", t("hindcast.note", lang)]


#: Items whose label says the mode already.
_OWN_MODE = frozenset({"buses", "taxis", "coaches"})


def _error(value: float | None, *, signed: bool = False) -> str:
    """Return an error in percent, a dash where there is none."""
    if value is None:
        return "-"
    return f"{round(value, 1) + 0.0:+.1f}" if signed else f"{value:.1f}"


# ---- progress ----------------------------------------------------------------------------------------------------------------------


def _progress(args: argparse.Namespace) -> int:
    from transport.inputs import load_inputs
    from transport.progress import default_as_of, progress_table

    inputs = load_inputs(pack=args.pack, lang=args.lang)
    as_of = args.as_of or default_as_of(inputs, int(inputs.params().get("data_vintage_year")[0, 0]))
    table = progress_table(inputs, _indicators(args.scenario, args, inputs), as_of=as_of)
    if args.json:
        from transport.targets import unmodelled
        from transport.text import reason_text

        unknown = unmodelled(inputs, args.lang)
        rows = [
            row | {"reason_text": reason_text(row, args.lang), "not_modelled": unknown.get(row["id"])} for row in table.to_dicts()
        ]
        out(json.dumps({"scenario": args.scenario, "as_of": as_of, "progress": rows}, ensure_ascii=False))
        return OK
    for line in progress_lines(table, inputs, args.lang):
        out(line)
    return OK


def _indicators(name: str, args: argparse.Namespace, inputs: Inputs) -> pl.DataFrame:
    """Return the indicators of a run folder, or of a scenario run now."""
    if Path(name).is_dir():
        from transport.store import read_run

        return read_run(Path(name)).table("indicators")
    from transport.account_cli import models_of
    from transport.study import indicator_table

    return indicator_table(models_of(name, inputs, args)[1])


def progress_lines(table: pl.DataFrame, inputs: Inputs, lang: str) -> list[str]:
    """Return the progress to all targets as lines of text: the table, the reasons, how to add a year.

    Parameters
    ----------
    table
        The result table ``progress``.
    inputs
        For labels.
    lang
        Language of the text.
    """
    from transport.targets import unmodelled
    from transport.text import reason_text, shown, table_lines, unit_label

    names, areas = labels(inputs, "indicator", lang), labels(inputs, "area", lang)
    unknown = unmodelled(inputs, lang)
    rows, why = [], []
    for i, row in enumerate(table.iter_rows(named=True), 1):
        unit = row["unit"]
        name = names.get(row["id"], row["id"])

        def cell(column: str, row: Mapping[str, Any] = row, unit: str = unit) -> str:
            return shown(row[column], unit, lang)

        rows.append(
            {
                "#": i,
                t("progress.light.title", lang): t(f"progress.light.{row['light']}", lang),
                t("scorecard.indicator", lang): name,
                t("scorecard.area", lang): areas.get(row["area"], row["area"]),
                t("scorecard.year", lang): str(row["target_year"]),
                t("progress.period", lang): row["period"] or "-",
                t("scorecard.actual", lang): cell("actual"),
                t("progress.path", lang): cell("path"),
                t("scorecard.target", lang): cell("target"),
                t("progress.needed", lang): cell("needed_per_year"),
                t("progress.achieved", lang): cell("achieved_per_year"),
                t("scorecard.unit", lang): unit_label(unit, lang),
            }
        )
        why.append(f"{i}. {name}: {reason_text(row, lang)}")
        if row["id"] in unknown:
            why[-1] += ("" if lang == "zh" else " ") + t("progress.not_modelled", lang, reason=unknown[row["id"]])
    title = t("progress.title", lang, year=table["as_of"][0])
    return [title, *table_lines(pl.DataFrame(rows)), "", *why, "", t("progress.how", lang)]


# ---- readings ----------------------------------------------------------------------------------------------------------------------


def _readings(args: argparse.Namespace) -> int:
    from transport.inputs import load_inputs

    inputs = load_inputs(pack=args.pack, lang=args.lang)
    wanted = pl.col("id") == HEADLINE
    tables = {
        name: _indicators(name, args, inputs).filter(wanted, pl.col("year") == args.year).with_columns(scenario=pl.lit(name))
        for name in args.scenarios
    }
    table = pl.concat(tables.values())
    if args.json:
        columns = ("scenario", "boundary", "scope", "base", "year", "value", "unit", "target", "tolerance", "verdict")
        stored = {name: Path(name).is_dir() for name in args.scenarios}
        counts = [
            {"scenario": name, "met": met, "readings": total, "from": "stored run" if stored[name] else args.capacity}
            for name, met, total in reading_counts(table)
        ]
        out(json.dumps({"year": args.year, "counts": counts, "readings": table.select(columns).to_dicts()}, ensure_ascii=False))
        return OK
    for line in readings_lines(table, inputs, args.lang, year=args.year, capacity=args.capacity):
        out(line)
    return OK


def reading_counts(table: pl.DataFrame) -> list[tuple[str, int, int]]:
    """Return (scenario, readings that meet the target, readings with a target).

    Parameters
    ----------
    table
        Indicator rows of one year with a column ``scenario``.
    """
    judged = table.with_columns(met=pl.col("verdict").is_in(_MET), judged=pl.col("target").is_not_null())
    rows = judged.group_by("scenario", maintain_order=True).agg(
        (pl.col("met") & pl.col("judged")).sum().alias("met"), pl.col("judged").sum().alias("readings")
    )
    return [(str(s), int(m), int(n)) for s, m, n in rows.iter_rows()]


def readings_lines(table: pl.DataFrame, inputs: Inputs, lang: str, *, year: int, capacity: str) -> list[str]:
    """Return the readings of several scenarios as lines of text: a matrix each, then how many meet the target.

    Parameters
    ----------
    table
        Indicator rows of one year with a column ``scenario``.
    inputs
        For labels.
    lang
        Language of the text.
    year
        The year.
    capacity
        Speed of the runs made now.
    """
    from transport.text import table_lines

    scopes, bases = labels(inputs, "scope", lang), labels(inputs, "base", lang)
    boundaries = labels(inputs, "boundary", lang)
    target = table["target"].drop_nulls()
    made = [t("readings.title", lang, year=year)]
    made += [t("readings.target", lang, target=f"{target[0]:g}")] if len(target) else [t("readings.no_target", lang, year=year)]
    for (name,), block in table.group_by(["scenario"], maintain_order=True):
        rows = []
        for (boundary, base), cells in block.group_by(["boundary", "base"], maintain_order=True):
            by_scope = {row["scope"]: row for row in cells.iter_rows(named=True)}
            rows.append(
                {
                    t("readings.boundary", lang): boundaries.get(str(boundary), str(boundary)),
                    t("readings.base", lang): bases[str(base)],
                }
                | {scopes[s]: _reading(by_scope[s]) for s in SCOPES if s in by_scope}
            )
        made += ["", t("readings.scenario", lang, name=name), *table_lines(pl.DataFrame(rows))]
    made.append("")
    made += [t("readings.met", lang, name=name, met=met, readings=total) for name, met, total in reading_counts(table) if total]
    run_now = [name for name in table["scenario"].unique(maintain_order=True) if not Path(name).is_dir()]
    if run_now:
        made.append(t(f"readings.speed_{capacity}", lang))
    return made


def _reading(row: Mapping[str, Any]) -> str:
    """Return one cell of the matrix, a star where the reading meets the target."""
    return f"{row['value']:+.1f}" + ("*" if row["verdict"] in _MET and row["target"] is not None else " ")
