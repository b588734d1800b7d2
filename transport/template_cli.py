"""The command ``transport template``: the workbook to fill in, and back into a data pack; workbooks wherever a pack is taken."""

from __future__ import annotations

import hashlib
import json
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transport import account_cli
from transport.arguments import Text
from transport.i18n import t
from transport.network_show import err, out, print_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    import polars as pl

    from transport.inputs import Inputs
    from transport.scenario import Capacity, Scenario
    from transport.store import StoredRun
    from transport.template.filled import Pack

OK, FAILURE, FINDINGS = 0, 1, 2
#: Scenario that is compared where none is named.
_SCENARIO = "plan_2030"
WORKBOOK = ".xlsx"


def register(verbs: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Add ``template`` to the command line.

    Parameters
    ----------
    verbs
        What ``add_subparsers`` returned.
    parents
        Parsers of the common options: language, JSON, data pack.
    """
    parser = verbs.add_parser("template", parents=parents, help="help.command.template")
    parser.add_argument("--out", type=Path, help="help.template.out")
    parser.add_argument("--read", type=Path, metavar="FILE", help="help.template.read")
    parser.add_argument(
        "--compare", nargs="?", const=_SCENARIO, metavar="SCENARIO",
        help=Text("help.template.compare", scenario=_SCENARIO),
    )  # fmt: skip
    parser.add_argument(
        "--causes", nargs="?", const="fixed", choices=("fixed", "equilibrium"),
        help="help.template.causes",
    )  # fmt: skip
    parser.add_argument("--ensemble", type=Path, metavar="FOLDER", help="help.template.ensemble")
    account_cli.model_options(parser)
    parser.set_defaults(command=_template)


def unpacked(args: argparse.Namespace) -> None:
    """Put the data pack made from a filled workbook in the place of a workbook named as a pack.

    Parameters
    ----------
    args
        Command line; ``pack`` is changed in place.

    Raises
    ------
    DataError
        If the workbook has findings.
    transport.roles.RoleError
        If a viewer gives a new one.
    """
    path = getattr(args, "pack", None)
    if path is None or path.suffix.lower() != WORKBOOK or not path.is_file():
        return
    from transport.inputs import load_inputs

    args.pack = _kept(_pack(path, load_inputs(lang=args.lang), args.lang))


def _kept(pack: Pack) -> Path:
    """Lay a pack down in the runs folder, where runs that are made on it find it again; a viewer may only use one that is there."""
    from transport.store import editors_only, runs_folder
    from transport.template.filled import zipped

    content = zipped(pack)
    kept = runs_folder() / "packs" / f"{hashlib.sha256(content).hexdigest()[:12]}.zip"
    if not kept.is_file():
        editors_only(kept)
        kept.parent.mkdir(parents=True, exist_ok=True)
        # two commands may lay the same pack down at once
        partial = kept.with_name(f".{kept.name}.partial-{uuid.uuid4().hex[:8]}")
        partial.write_bytes(content)
        partial.replace(kept)
    return kept


def _pack(path: Path, inputs: Inputs, lang: str) -> Pack:
    from transport.template.filled import pack_of_workbook

    return pack_of_workbook(path.read_bytes(), path.name, inputs, lang=lang)


def _template(args: argparse.Namespace) -> int:
    if args.read is not None:
        return _read(args)
    if args.compare is not None or args.causes is not None:
        err(t("template.needs_read", args.lang))
        return FINDINGS
    if args.out is None or args.out.suffix.lower() != WORKBOOK:
        err(t("template.nothing_to_do", args.lang))
        return FINDINGS
    return _write(args)


def _write(args: argparse.Namespace) -> int:
    from transport.ensemble import read_ensemble
    from transport.inputs import load_inputs
    from transport.store import runs_folder
    from transport.template.first import newest_ensemble, to_replace_first
    from transport.template.layout import template_lines
    from transport.template.workbook import workbook_bytes

    if args.out.exists():
        err(t("template.exists", args.lang, out=str(args.out)))
        return FINDINGS
    inputs = load_inputs(pack=args.pack, lang=args.lang)
    found = newest_ensemble(runs_folder(), inputs) if args.ensemble is None else read_ensemble(args.ensemble)
    first = [] if found is None else to_replace_first(found, inputs)
    lines = template_lines(inputs, args.lang, first)
    content = workbook_bytes(lines, inputs, args.lang)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_bytes(content)
    sheets = len({line.sheet for line in lines}) + 2
    if args.json:
        out(json.dumps({"file": str(args.out), "sheets": sheets, "lines": len(lines), "first": first}, ensure_ascii=False))
        return OK
    if found is not None and first:
        out(t("template.replace_first_of", args.lang, run=found.folder.name))
    out(t("template.written", args.lang, file=str(args.out), sheets=sheets, lines=len(lines)))
    return OK


def _read(args: argparse.Namespace) -> int:
    from transport.inputs import load_inputs
    from transport.store import editors_only
    from transport.template.filled import write_pack

    if not args.read.is_file():
        err(t("template.no_file", args.lang, file=str(args.read)))
        return FINDINGS
    if args.out is not None:
        editors_only(args.out)
    if args.causes is not None and args.compare is None:
        args.compare = _SCENARIO
    inputs = load_inputs(pack=args.pack, lang=args.lang)
    pack = _pack(args.read, inputs, args.lang)
    said: dict[str, Any] = {
        "lines": pack.lines,
        "pack": None if args.out is None else str(args.out),
        "extends": None if args.pack is None else str(args.pack),
    }
    if args.out is not None:
        try:
            write_pack(pack, args.out)
        except FileExistsError:
            err(t("template.exists", args.lang, out=str(args.out)))
            return FINDINGS
    if not args.json:
        key = "read_only" if args.out is None and args.compare is None else "packed"
        if args.out is not None or args.compare is None:
            out(t(f"template.{key}", args.lang, lines=pack.lines, out=str(args.out)))
        if args.pack is not None:
            out(t("template.extended", args.lang, pack=str(args.pack)))
    if args.compare is not None:
        said |= _compare(args, inputs, load_inputs(pack=_kept(pack), lang=args.lang))
    if args.json:
        out(json.dumps(said, ensure_ascii=False))
    return OK


def _compare(args: argparse.Namespace, before: Inputs, after: Inputs) -> dict[str, Any]:
    """Run a scenario on both states of the data, or take the results that are there, and print what changed."""
    from transport.template.changes import changed_numbers, changed_verdicts

    runs = [_result(args, inputs) for inputs in (before, after)]
    numbers = changed_numbers(before, after, runs[1].table("parameters_used"))
    verdicts = changed_verdicts(runs[0].table("indicators"), runs[1].table("indicators"), before.table("indicators"))
    if not args.json:
        _print(change_lines(numbers, verdicts, after, str(runs[1].manifest[f"title_{args.lang}"]), args.lang))
    made = {
        "runs": [str(run.folder) for run in runs],
        "numbers": numbers.to_dicts(),
        "verdicts": verdicts.to_dicts(),
    }
    if args.causes is None or numbers.is_empty():
        return made
    found = _causes(args, before, after)
    if not args.json:
        _print(["", *causes_of(found, verdicts, after, args.lang)])
    return made | {"causes": {name: table.to_dicts() for name, table in found.items()}}


def _print(lines: Sequence[str | pl.DataFrame]) -> None:
    for line in lines:
        if isinstance(line, str):
            out(line)
        else:
            print_table(line)


def _causes(args: argparse.Namespace, before: Inputs, after: Inputs) -> dict[str, pl.DataFrame]:
    """Evaluate the scenario on the numbers one by one, with a bar on the terminal."""
    from tqdm import tqdm

    from transport.template.causes import causes, light_evaluation

    scenario = _scenario(args, before, capacity=args.causes)
    form = "{l_bar}{bar:24}| {n_fmt}/{total_fmt} {elapsed}"
    is_quiet = args.json or not sys.stderr.isatty()
    with tqdm(total=1, bar_format=form, ascii=True, leave=False, disable=is_quiet) as bar:

        def tell(step: int, steps: int, name: str) -> None:
            bar.total = steps
            bar.update(step - bar.n)
            bar.set_description_str(t("template.causes_progress", args.lang, step=name))

        return causes(before, after, light_evaluation(scenario), capacity=scenario.capacity, tell=tell)


def causes_of(found: Mapping[str, pl.DataFrame], verdicts: pl.DataFrame, inputs: Inputs, lang: str) -> list[str | pl.DataFrame]:
    """Return what each number did as sentences and a table.

    Parameters
    ----------
    found
        As :func:`transport.template.causes.causes` makes it.
    verdicts
        Targets of the whole runs before and after.
    inputs
        Checked data with the pack.
    lang
        Language of the words.
    """
    from transport.template.cause_words import cause_lines, cause_rows

    lines = cause_lines(found, verdicts, inputs, lang)
    if found["effects"].is_empty():
        return [*lines]
    return [t("template.causes_title", lang), cause_rows(found, inputs, lang), *lines]


def _result(args: argparse.Namespace, inputs: Inputs) -> StoredRun:
    """Return the result of the scenario on the data: the one that is there, else a new run."""
    from transport.store import StoreError, files_to_keep, may_write, read_run, run_id, runs_folder, write_run
    from transport.study import run

    scenario = _scenario(args, inputs, capacity=args.capacity)
    folder = runs_folder() / run_id(scenario, inputs.data_hash)
    try:
        return read_run(folder)
    except StoreError:
        may_write(folder)
    import time

    start = time.perf_counter()
    kept = files_to_keep(scenario, inputs.pack)
    tables = run(scenario, inputs).tables
    return write_run(folder, tables, scenario, inputs.data_hash, seconds=time.perf_counter() - start, kept=kept)


def _scenario(args: argparse.Namespace, inputs: Inputs, *, capacity: Capacity | None) -> Scenario:
    from transport.scenario import load_scenario

    return load_scenario(
        args.compare,
        inputs.folder,
        inputs.levers,
        simulate=args.simulate,
        capacity=capacity,
        network=args.network,
        sales=args.sales,
        lang=args.lang,
    )


def change_lines(
    numbers: pl.DataFrame, verdicts: pl.DataFrame, inputs: Inputs, title: str, lang: str
) -> list[str | pl.DataFrame]:
    """Return what changed as sentences and tables.

    Parameters
    ----------
    numbers, verdicts
        As ``transport.template.changes`` makes them.
    inputs
        Checked data.
    title
        Of the scenario.
    lang
        Language of the words.
    """
    from transport.template.words import number_rows, verdict_rows

    if numbers.is_empty():
        return [t("template.changed_none", lang)]
    made: list[str | pl.DataFrame] = [
        t("template.changed_numbers", lang, count=numbers.height),
        number_rows(numbers, inputs, lang),
        "",
        t("template.verdicts_title", lang, scenario=title, changed=int(verdicts["is_verdict_changed"].sum())),
        verdict_rows(verdicts, inputs, lang),
    ]
    if not verdicts["is_verdict_changed"].any() and not verdicts["is_value_changed"].any():
        made.append(t("template.verdicts_none", lang))
    return made
