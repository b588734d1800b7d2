"""The command ``transport ensemble``: how sure each target is, what that hangs on, and which numbers to replace first."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transport.arguments import refuse
from transport.i18n import has_text, labels, t
from transport.network_show import err, out, print_table
from transport.sampling import DESIGNS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    import polars as pl

    from transport.ensemble import EnsembleResult, Progress
    from transport.inputs import Inputs
    from transport.scenario import Scenario
    from transport.sensitivity import Drivers

OK, FAILURE, FINDINGS = 0, 1, 2
_DRAWS, _TOP, _YEAR = 1000, 10, 2030
#: Indicator whose drivers are shown where none is named.
HEADLINE = "operating_co2_intensity"


def register(verbs: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Add ``ensemble`` to the command line.

    Parameters
    ----------
    verbs
        What ``add_subparsers`` returned.
    parents
        Parsers of the common options: language, JSON, data pack.
    """
    parser = verbs.add_parser("ensemble", parents=parents, help="help.command.ensemble")
    parser.add_argument("scenarios", nargs="+", metavar="SCENARIO", help="help.ensemble.scenarios")
    parser.add_argument("--draws", type=positive, default=_DRAWS, metavar="N", help="help.ensemble.draws")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="help.ensemble.seed")
    parser.add_argument("--design", choices=DESIGNS, default="lhs", help="help.ensemble.design")
    parser.add_argument(
        "--capacity",
        choices=("fixed", "equilibrium"),
        default="fixed",
        help="help.ensemble.capacity",
    )
    parser.add_argument("--workers", type=positive, metavar="N", help="help.ensemble.workers")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="help.shared.scheduler")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="help.ensemble.out",
    )
    parser.add_argument("--only", type=int, metavar="K", help="help.ensemble.only")
    parser.add_argument("--drivers", default=HEADLINE, metavar="ID", help="help.ensemble.drivers")
    parser.add_argument("--year", type=int, default=_YEAR, metavar="YEAR", help="help.ensemble.year")
    parser.add_argument("--top", type=positive, default=_TOP, metavar="N", help="help.ensemble.top")
    parser.add_argument("--tornado", action="store_true", help="help.ensemble.tornado")
    parser.add_argument(
        "--pawn",
        action="store_true",
        help="help.ensemble.pawn",
    )
    parser.add_argument(
        "--groups",
        type=_power_of_two,
        metavar="N",
        help="help.ensemble.groups",
    )
    parser.add_argument("--set", action="append", default=[], metavar="LEVER=VALUE", help="help.ensemble.set")
    parser.add_argument("--quiet", action="store_true", help="help.shared.quiet")
    parser.set_defaults(command=_ensemble)


def positive(text: str) -> int:
    """Return a whole number of at least 1 from the command line."""
    return _whole(text, lambda number: number >= 1, "whole_number")


def _power_of_two(text: str) -> int:
    return _whole(text, lambda number: number > 1 and number & (number - 1) == 0, "power_of_two")


def _whole(text: str, fits: Callable[[int], bool], key: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not fits(number):
        refuse(f"ensemble.{key}", given=text)
    return number


def _ensemble(args: argparse.Namespace) -> int:
    from transport.cli import settings
    from transport.ensemble import prepared
    from transport.inputs import load_inputs
    from transport.scenario import load_scenario
    from transport.scenario_sections import names_of

    inputs = load_inputs(pack=args.pack, lang=args.lang)
    if args.drivers not in labels(inputs, "indicator", args.lang):
        from transport.check_problems import nearest

        hint = nearest(args.drivers, labels(inputs, "indicator", args.lang))
        err(t("ensemble.no_indicator", args.lang, given=args.drivers, hint=hint or HEADLINE))
        return FINDINGS
    extra = settings(args.set, args.lang)
    scenarios = [
        prepared(
            load_scenario(
                name, inputs.folder, inputs.levers, names=names_of(inputs.tables), extra=extra, draws=1, lang=args.lang
            ),
            capacity=args.capacity,
        )
        for name in args.scenarios
    ]
    if args.only is not None:
        if not 0 <= args.only <= args.draws:
            err(t("ensemble.no_draw", args.lang, given=args.only, draws=args.draws))
            return FINDINGS
        return _one(scenarios, inputs, args)
    results = []
    for scenario in scenarios:
        result = _run(scenario, inputs, args)
        if result is None:
            return FAILURE
        results.append(result)
    if args.json:
        found = [_json(*pair, inputs, args) for pair in zip(scenarios, results, strict=True)]
        out(json.dumps({"ensembles": found}, ensure_ascii=False))
        return OK
    for scenario, result in zip(scenarios, results, strict=True):
        _show(result, inputs, args)
        _more(scenario, result, inputs, args)
    if len(results) > 1:
        _compare(results, inputs, args)
    return OK


def _run(scenario: Scenario, inputs: Inputs, args: argparse.Namespace) -> EnsembleResult | None:
    """Run one ensemble; None where the user stopped it."""
    from transport.catalogue_cli import take_in
    from transport.ensemble import ensemble_id, run_ensemble
    from transport.store import MANIFEST as RUN_MANIFEST
    from transport.store import StoredRun, runs_folder

    name = ensemble_id(scenario, inputs, draws=args.draws, seed=args.seed, design=args.design)
    folder = args.out or runs_folder() / f"ensemble-{name}"
    if args.out is not None and len(args.scenarios) > 1:
        folder = args.out / scenario.name
    start = time.perf_counter()
    with _bar(scenario.name, args) as tell:
        try:
            result = run_ensemble(
                scenario,
                inputs,
                draws=args.draws,
                seed=args.seed,
                design=args.design,
                folder=folder,
                workers=args.workers,
                scheduler=args.scheduler,
                progress=tell,
            )
        except KeyboardInterrupt:
            err(t("ensemble.stopped", args.lang, folder=str(folder)))
            return None
    take_in([StoredRun(result.folder, json.loads((result.folder / RUN_MANIFEST).read_text(encoding="utf-8")))], args)
    if not args.json:
        took = time.perf_counter() - start
        err(t("ensemble.took", args.lang, ran=result.ran, there=args.draws - result.ran, seconds=f"{took:.1f}"))
    return result


def _one(scenarios: Sequence[Scenario], inputs: Inputs, args: argparse.Namespace) -> int:
    """Print one draw worked out alone, in the headline reading of every target; ``--json`` has every series."""
    from transport.ensemble import run_one
    from transport.scorecard import headline_rows
    from transport.text import shown as value_of
    from transport.text import unit_label

    found = {
        scenario.name: run_one(scenario, inputs, args.only, draws=args.draws, seed=args.seed, design=args.design)
        for scenario in scenarios
    }
    if args.json:
        rows = {name: table.drop("series").fill_nan(None).to_dicts() for name, table in found.items()}
        out(json.dumps({"draw": args.only, "draws": args.draws, "seed": args.seed, "values": rows}, ensure_ascii=False))
        return OK
    names = labels(inputs, "indicator", args.lang)
    for name, table in found.items():
        out(t("ensemble.one", args.lang, draw=args.only, draws=args.draws, seed=args.seed, scenario=name))
        shown = headline_rows(table, inputs.table("indicators")).filter(year=args.year).drop("series", "draw")
        print_table(
            _named(
                [
                    {
                        "indicator": names.get(row["id"], row["id"]),
                        "area": labels(inputs, "area", args.lang).get(row["area"], row["area"]),
                        "year": str(row["year"]),
                        "value": value_of(row["value"], row["unit"], args.lang),
                        "unit": unit_label(row["unit"], args.lang),
                    }
                    for row in shown.iter_rows(named=True)
                ],
                args.lang,
            )
        )
    return OK


def _show(result: EnsembleResult, inputs: Inputs, args: argparse.Namespace) -> None:
    """Print the probabilities of the targets."""
    manifest, lang = result.manifest, args.lang
    table = result.table("probabilities")
    out(t("ensemble.title", lang, title=manifest[f"title_{lang}"], draws=manifest["draws"], seed=manifest["seed"]))
    size = manifest["effective_sample_size"]
    out(t("ensemble.effective", lang, size=f"{size:.0f}", draws=manifest["draws"] - manifest["failed"]))
    if manifest["failed"]:
        reason = problem_text(result.table("failed")["problem"][0], lang)
        out(t("ensemble.failed", lang, count=manifest["failed"], reason=reason))
    print_table(_named(_target_rows(table, inputs, lang), lang))
    out(t("ensemble.note", lang))
    out(t("ensemble.written", lang, folder=str(result.folder), tables=", ".join(manifest["tables"])))


def _target_rows(table: pl.DataFrame, inputs: Inputs, lang: str) -> list[dict[str, object]]:
    """Return one row per target: its headline reading, and the span of the probabilities over all readings."""
    import polars as pl

    from transport.scorecard import MET, headline_rows
    from transport.text import shown, unit_label

    names, areas = labels(inputs, "indicator", lang), labels(inputs, "area", lang)
    rows: list[dict[str, object]] = []
    for row in headline_rows(table, inputs.table("indicators")).iter_rows(named=True):
        others = table.filter(pl.col("id") == row["id"], pl.col("area") == row["area"], pl.col("year") == row["year"])
        met = others.filter(pl.col("central_verdict").is_in(MET)).height
        low, high = float(str(others["probability"].min())), float(str(others["probability"].max()))
        rows.append(
            {
                "indicator": names.get(row["id"], row["id"]),
                "area": areas.get(row["area"], row["area"]),
                "year": str(row["year"]),
                "target": shown(row["target"], row["unit"], lang),
                "central": shown(row["central"], row["unit"], lang),
                "unit": unit_label(row["unit"], lang),
                "probability": f"{row['probability']:.1%} ± {row['standard_error']:.1%}",
                "interval": f"{row['low']:.0%} - {row['high']:.0%}",
                "readings": f"{met}/{others.height}" if others.height > 1 else "",
                "span": f"{low:.0%} - {high:.0%}" if others.height > 1 else "",
            }
        )
    return rows


def _more(scenario: Scenario, result: EnsembleResult, inputs: Inputs, args: argparse.Namespace) -> None:
    """Print drivers, what to replace first, and what else was asked for."""
    lang = args.lang
    try:
        place, drivers = _drivers(result, inputs, args)
    except ValueError as few:
        out(t("ensemble.no_drivers", lang, reason=reason_of(few, lang)))
        return
    name = labels(inputs, "indicator", lang)[args.drivers]
    out("")
    out(
        t("ensemble.drivers", lang, name=name, year=args.year, explained=f"{drivers.explained:.0%}", noise=f"{drivers.noise:.1%}")
    )
    shown = drivers.shares.head(args.top)
    if shown.is_empty():
        out(t("ensemble.nothing", lang))
    else:
        _drivers_and_weak(drivers, shown, result, inputs, args)
    keys = list(shown.select("parameter", "subject").iter_rows())
    for table, rows in _asked(scenario, result, inputs, args, keys, place).items():
        out("")
        out(t(f"ensemble.{table}", lang, name=name, year=args.year))
        print_table(_named([_told(row, lang) for row in rows.to_dicts()], lang))


def _drivers_and_weak(
    drivers: Drivers, shown: pl.DataFrame, result: EnsembleResult, inputs: Inputs, args: argparse.Namespace
) -> None:
    """Print the drivers, and those of weak quality with the row to replace."""
    from transport.sensitivity import replace_first

    lang = args.lang
    if drivers.effective > result.manifest["effective_sample_size"]:
        out(t("ensemble.unweighted", lang))
    print_table(_named([_driver_row(row, inputs, lang) for row in shown.iter_rows(named=True)], lang))
    weak = replace_first(drivers, inputs, count=args.top)
    out("")
    out(t("ensemble.replace_first", lang))
    print_table(_named([_place_row(row, inputs, lang) for row in weak.iter_rows(named=True)], lang))


def _asked(
    scenario: Scenario, result: EnsembleResult, inputs: Inputs, args: argparse.Namespace, keys: list[Any], place: int
) -> dict[str, pl.DataFrame]:
    """Return the tables that were asked for: ``pawn`` from the draws; from further runs ``tornado`` of the drivers, ``groups`` of data files."""
    from transport.sensitivity import OneGroupError, file_of_keys, group_cases, group_indices, pawn_of, tornado, tornado_cases

    made = {}
    if args.pawn:
        table, _ = pawn_of(result, place, args.year)
        made["pawn"] = table.head(args.top)
    if args.tornado and keys:
        values = _cases(scenario, result, inputs, args, "tornado", tornado_cases(keys), place)
        made["tornado"] = tornado(keys, float(values[0]), values[1:])
    if args.groups:
        read = set(result.table("draws").columns)
        groups = {key: file for key, file in file_of_keys(inputs).items() if " ".join(key) in read}
        try:
            cases, problem = group_cases(groups, base=args.groups, seed=args.seed)
        except OneGroupError as one:
            err(reason_of(one, args.lang))
            return made
        values = _cases(scenario, result, inputs, args, f"groups-{args.groups}", cases, place)
        made["groups"] = group_indices(problem, values[1:], seed=args.seed)
    return made


def reason_of(error: ValueError, lang: str) -> str:
    """Return in the reader's words why drivers or groups cannot be told."""
    from transport.sensitivity import OneGroupError, TooFewDrawsError

    if isinstance(error, TooFewDrawsError):
        return t("ensemble.too_few", lang, draws=error.draws, size=f"{error.effective:.1f}")
    if isinstance(error, OneGroupError):
        return t("ensemble.one_group", lang, group=error.group or "-")
    return str(error)


def problem_text(problem: str, lang: str) -> str:
    """Return in the reader's words why a draw has no result; kinds of errors without words of their own as they are."""
    key = f"ensemble.problem_{problem.partition(':')[0]}"
    return t(key, lang, text=problem.partition(": ")[2]) if has_text(key, lang) else problem


def _drivers(result: EnsembleResult, inputs: Inputs, args: argparse.Namespace) -> tuple[int, Drivers]:
    """Return the number of the series whose drivers are wanted, in its headline reading, and the drivers."""
    import polars as pl

    from transport.scorecard import headline_rows
    from transport.sensitivity import drivers_if_any

    name = labels(inputs, "indicator", args.lang)[args.drivers]
    series = result.table("series").filter(id=args.drivers)
    if series.is_empty():
        raise ValueError(t("ensemble.not_modelled", args.lang, name=name))
    headline = headline_rows(series, inputs.table("indicators"))
    place = int((series if headline.is_empty() else headline)["series"][0])
    years = result.table("outcomes").filter(pl.col("series") == place)["year"].unique().sort().to_list()
    if args.year not in years:
        raise ValueError(t("ensemble.not_kept", args.lang, name=name, year=args.year, years=", ".join(map(str, years))))
    return place, drivers_if_any(result, place, args.year)


def _cases(
    scenario: Scenario, result: EnsembleResult, inputs: Inputs, args: argparse.Namespace, name: str, cases: Any, place: int
) -> Any:
    """Work out further cases in a folder of the ensemble and return one series of theirs in the year ``[case]``, the central run first."""
    import hashlib

    import numpy as np
    import polars as pl

    from transport.ensemble import read_cases, run_cases

    digest = hashlib.sha256(repr(cases.keys).encode() + cases.quantile.tobytes()).hexdigest()[:8]
    folder = result.folder / f"{name}-{digest}"
    with _bar(name, args) as tell:
        run_cases(scenario, inputs, cases, folder=folder, workers=args.workers, scheduler=args.scheduler, progress=tell)
    found = read_cases(folder).values.filter(pl.col("series") == place, pl.col("year") == args.year)
    values = np.full(cases.count + 1, np.nan)
    values[found["draw"].to_numpy()] = found["value"].to_numpy()
    return values


def _compare(results: Sequence[EnsembleResult], inputs: Inputs, args: argparse.Namespace) -> None:
    """Print the probabilities of several scenarios side by side; their draws are the same."""
    from transport.scorecard import headline_rows

    names, areas = labels(inputs, "indicator", args.lang), labels(inputs, "area", args.lang)
    rows: dict[tuple[str, str, int], dict[str, object]] = {}
    for result in results:
        table = headline_rows(result.table("probabilities"), inputs.table("indicators"))
        for row in table.iter_rows(named=True):
            key = (row["id"], row["area"], row["year"])
            start = {
                t("ensemble.indicator", args.lang): names.get(row["id"], row["id"]),
                t("ensemble.area", args.lang): areas.get(row["area"], row["area"]),
                t("ensemble.year", args.lang): str(row["year"]),
            }
            rows.setdefault(key, start)[result.manifest["scenario"]] = f"{row['probability']:.1%} ± {row['standard_error']:.1%}"
    import polars as pl

    out("")
    out(t("ensemble.side_by_side", args.lang))
    print_table(pl.DataFrame(list(rows.values())))


def _driver_row(row: dict[str, Any], inputs: Inputs, lang: str) -> dict[str, object]:
    from transport.template.words import input_names

    return {
        "rank": row["rank"],
        "input": input_names([(row["parameter"], row["subject"])], inputs, lang)[0],
        "share": f"{row['share']:.1%}",
        "interval": f"{row['low']:.0%} - {row['high']:.0%}",
        "direction": "+" if row["direction"] > 0 else "-",
    }


def _place_row(row: dict[str, Any], inputs: Inputs, lang: str) -> dict[str, object]:
    from transport.template.words import input_names

    return {
        "rank": row["replace_first"],
        "input": input_names([(row["parameter"], row["subject"])], inputs, lang)[0],
        "share": f"{row['share']:.1%}",
        "quality": labels(inputs, "quality", lang).get(row["quality"], row["quality"]),
        "file": row["file"],
        "row": row["row"],
        "column": row["column"],
    }


def _told(row: dict[str, Any], lang: str) -> dict[str, object]:
    """Return a row of a table of further indices with words for yes and no."""
    return {name: t(f"ensemble.{str(cell).lower()}", lang) if isinstance(cell, bool) else cell for name, cell in row.items()}


def _named(rows: list[dict[str, object]], lang: str) -> pl.DataFrame:
    """Return rows under headings of the language."""
    import polars as pl

    return pl.DataFrame([{t(f"ensemble.{name}", lang): cell for name, cell in row.items()} for row in rows], strict=False)


def _json(scenario: Scenario, result: EnsembleResult, inputs: Inputs, args: argparse.Namespace) -> dict[str, object]:
    from transport.sensitivity import replace_first

    head = {name: result.manifest[name] for name in ("ensemble", "scenario", "draws", "seed", "design", "failed")}
    made: dict[str, object] = {
        **head,
        "folder": str(result.folder),
        "effective_sample_size": result.manifest["effective_sample_size"],
        "probabilities": result.table("probabilities").to_dicts(),
    }
    try:
        place, drivers = _drivers(result, inputs, args)
    except ValueError as few:
        return {**made, "no_drivers": reason_of(few, args.lang)}
    about = {"id": args.drivers, "year": args.year, "explained": drivers.explained, "noise": drivers.noise}
    about["effective_sample_size"] = drivers.effective
    made["drivers"] = {**about, "rows": drivers.shares.head(args.top).to_dicts()}
    made["replace_first"] = replace_first(drivers, inputs, count=args.top).to_dicts()
    keys = list(drivers.shares.head(args.top).select("parameter", "subject").iter_rows())
    asked = _asked(scenario, result, inputs, args, keys, place)
    return {**made, **{name: table.fill_nan(None).to_dicts() for name, table in asked.items()}}


@contextlib.contextmanager
def _bar(name: str, args: argparse.Namespace) -> Iterator[Progress | None]:
    """Give what shows the progress: a bar with the time left on a terminal, a line per chunk elsewhere."""
    if args.quiet or args.json:
        yield None
        return
    if not sys.stderr.isatty():
        yield _lines(name, args.lang)
        return
    bar: Any = None

    def tell(done: int, count: int) -> None:
        nonlocal bar
        if bar is None:
            from tqdm import tqdm

            # draws that were there say nothing about the time left
            form = "{l_bar}{bar:24}| {n_fmt}/{total_fmt} {elapsed}<{remaining}"
            bar = tqdm(total=count, initial=done, bar_format=form, ascii=True, desc=name)
        bar.update(done - bar.n)

    try:
        yield tell
    finally:
        if bar is not None:
            bar.close()


def _lines(name: str, lang: str) -> Progress:
    """Return what prints a line per chunk, with the time left at the pace so far."""
    start, first = time.perf_counter(), [-1]

    def tell(done: int, count: int) -> None:
        if first[0] < 0:
            first[0] = done
            return
        left = (time.perf_counter() - start) / max(done - first[0], 1) * (count - done)
        err(t("ensemble.done", lang, name=name, done=done, count=count, left=f"{left:.0f}"))

    return tell
