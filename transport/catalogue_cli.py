"""The commands ``transport runs`` (the catalogue of runs) and ``transport verify`` (check the zip of a run)."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transport.arguments import refuse
from transport.i18n import t
from transport.network_show import err, out, print_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from transport.catalogue import Catalogue
    from transport.catalogue_rows import Entry, Query
    from transport.params import LeverValue
    from transport.store import StoredRun

OK, FINDINGS = 0, 2
#: Columns of the list of runs, and the rows of one run.
LISTED = ("run_id", "scenario", "title", "created_at", "author", "tags", "notes", "folder")
SHOWN = (
    "run_id",
    "scenario",
    "title",
    "author",
    "created_at",
    "registered_at",
    "seconds",
    "version",
    "data_hash",
    "scenario_hash",
)
_MIB = 1024**2
#: Fields that the manifest of a kind has beside those of a run, and that are shown.
_MORE = {
    "ensemble": ("kind", "draws", "seed", "design", "effective_sample_size", "failed"),
    "measures": ("kind", "base", "pairs", "interactions"),
}


def register(verbs: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Add ``runs`` and ``verify`` to the command line.

    Parameters
    ----------
    verbs
        What ``add_subparsers`` returned.
    parents
        Parsers of the common options: language, JSON.
    """
    runs = verbs.add_parser("runs", help="help.command.runs")
    sub = runs.add_subparsers(required=True, metavar="ACTION")

    def action(name: str, work: Any) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = sub.add_parser(name, parents=parents, help=f"help.command.runs_{name}")
        store_option(parser)
        parser.set_defaults(command=work)
        return parser

    action("list", _list)
    action("scan", _scan)
    find = action("find", _find)
    find.add_argument("--scenario", default="", metavar="TEXT", help="help.catalogue.scenario")
    find.add_argument("--tag", default="", help="help.catalogue.tag")
    find.add_argument("--author", default="", metavar="NAME", help="help.catalogue.author")
    find.add_argument("--text", default="", help="help.catalogue.text")
    find.add_argument("--since", default="", metavar="DATE", help="help.catalogue.since")
    find.add_argument("--until", default="", metavar="DATE", help="help.catalogue.until")
    find.add_argument("--set", action="append", default=[], metavar="LEVER[=VALUE]", help="help.catalogue.set")
    find.add_argument("--hash", default="", help="help.catalogue.hash")

    one: dict[str, Any] = {"metavar": "RUN", "help": "help.catalogue.run"}
    action("show", _show).add_argument("run", **one)
    for name, work in (("tag", _tag), ("untag", _untag)):
        parser = action(name, work)
        parser.add_argument("run", **one)
        parser.add_argument("tags", metavar="TAG", nargs="+", help="help.catalogue.tags")
    note = action("note", _note)
    note.add_argument("run", **one)
    note.add_argument("text", metavar="TEXT", help="help.catalogue.text_register")
    delete = action("delete", _delete)
    delete.add_argument("run", **one)
    delete.add_argument("--yes", action="store_true", help="help.catalogue.yes")
    export = action("export", _export)
    export.add_argument("run", **one)
    export.add_argument("--out", type=Path, required=True, metavar="FILE.zip", help="help.catalogue.out")

    verify = verbs.add_parser("verify", parents=parents, help="help.command.verify")
    verify.add_argument("file", type=Path, metavar="FILE.zip", help="help.catalogue.file")
    verify.add_argument("--rerun", action="store_true", help="help.catalogue.rerun")
    verify.add_argument(
        "--draws",
        type=_numbers,
        default=(),
        metavar="K,K",
        help="help.catalogue.draws",
    )
    verify.set_defaults(command=_verify)


def store_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the database of the catalogue."""
    parser.add_argument(
        "--store",
        metavar="URL",
        help="help.catalogue.store",
    )


def take_in(runs: Iterable[StoredRun], args: argparse.Namespace) -> None:
    """Enter finished runs into the catalogue; if that fails, say so in one line and go on.

    Parameters
    ----------
    runs
        What was written.
    args
        With ``lang``, and ``store`` if the command has the option.
    """
    from transport.store import in_runs_folder

    kept = [run for run in runs if in_runs_folder(run.folder)]
    if not kept:  # most programs that name another folder want their files and no more
        return
    try:
        from transport.catalogue import register as enter

        warning = enter(kept, store=getattr(args, "store", None), lang=args.lang)
    except ImportError as missing:  # an environment of an earlier version: the run counts more than its entry
        warning = t("runs.not_registered", args.lang, problem=str(missing))
    if warning:
        err(warning)


# ---- reading ----


def _list(args: argparse.Namespace) -> int:
    with _opened(args) as catalogue:
        found = catalogue.entries()
        if not found and not args.json:
            out(t("runs.none", args.lang, folder=str(catalogue.runs)))
            return OK
        return _print(found, catalogue, args)


def _find(args: argparse.Namespace) -> int:
    for day in (args.since, args.until):
        if day and not _is_date(day):
            err(t("runs.bad_date", args.lang, value=day))
            return FINDINGS
    query = _query(args)
    with _opened(args) as catalogue:
        found = catalogue.entries(query)
        if not found and not args.json:
            err(t("runs.none_found", args.lang))
            return OK
        return _print(found, catalogue, args)


def _show(args: argparse.Namespace) -> int:
    with _opened(args) as catalogue:
        entry = catalogue.entry(args.run)
        here, more = catalogue.is_there(entry), _more_of(entry, catalogue)
    if args.json:
        out(json.dumps({**entry.as_dict(), "there": here, **more}, ensure_ascii=False))
        return OK
    cells = {**entry.as_dict(), "title": _title(entry, args.lang), "seconds": f"{entry.seconds:.1f}"}
    for name in SHOWN:
        out(f"{t(f'runs.column_{name}', args.lang)}: {cells[name] or '-'}")
    if more:
        size = more.get("effective_sample_size")
        out(t(f"runs.of_{more['kind']}", args.lang, **more | ({} if size is None else {"effective_sample_size": f"{size:.0f}"})))
    gone = "" if here else f" ({t('runs.gone', args.lang)})"
    out(f"{t('runs.column_folder', args.lang)}: {entry.folder}{gone}")
    out(f"{t('runs.column_tags', args.lang)}: {' '.join(entry.tags) or '-'}")
    levers = " ".join(f"{name}={_value(value)}" for name, value in entry.levers.items())
    out(f"{t('runs.column_levers', args.lang)}: {levers or '-'}")
    for note in entry.notes:
        key = "runs.note" if note.run_id == entry.run_id else "runs.note_other"
        out(t(key, args.lang, at=note.at, author=note.author, text=note.text, run=note.run_id))
    return OK


def _print(found: Sequence[Entry], catalogue: Catalogue, args: argparse.Namespace) -> int:
    if args.json:
        out(json.dumps([{**one.as_dict(), "there": catalogue.is_there(one)} for one in found], ensure_ascii=False))
        return OK
    import polars as pl

    def cells(entry: Entry) -> dict[str, str]:
        gone = "" if catalogue.is_there(entry) else f" ({t('runs.gone', args.lang)})"
        values = {
            "title": _title(entry, args.lang) + _kind(entry, catalogue, args.lang),
            "created_at": entry.created_at[:16].replace("T", " "),
            "tags": " ".join(entry.tags),
            "notes": str(len(entry.notes) or ""),
            "folder": entry.folder + gone,
        }
        return {t(f"runs.column_{name}", args.lang): str(values.get(name, getattr(entry, name, ""))) for name in LISTED}

    print_table(pl.DataFrame([cells(entry) for entry in found]))
    out(t("runs.count", args.lang, count=len(found), folder=str(catalogue.runs)))
    return OK


# ---- writing ----


def _scan(args: argparse.Namespace) -> int:
    with _opened(args) as catalogue:
        found = catalogue.scan()
        count = len(catalogue.entries())
    if args.json:
        out(json.dumps({"new": found.new, "count": count, "broken": list(found.broken)}, ensure_ascii=False))
    else:
        for problem in found.broken:
            err(t("runs.broken", args.lang, problem=problem))
        out(t("runs.scanned", args.lang, new=found.new, count=count))
    return FINDINGS if found.broken else OK


def _tag(args: argparse.Namespace) -> int:
    with _opened(args) as catalogue:
        return _changed(catalogue.tag(args.run, args.tags), args)


def _untag(args: argparse.Namespace) -> int:
    with _opened(args) as catalogue:
        return _changed(catalogue.untag(args.run, args.tags), args)


def _note(args: argparse.Namespace) -> int:
    with _opened(args) as catalogue:
        return _changed(catalogue.note(args.run, args.text), args)


def _changed(entry: Entry, args: argparse.Namespace) -> int:
    if args.json:
        out(json.dumps(entry.as_dict(), ensure_ascii=False))
        return OK
    tags = " ".join(entry.tags) or t("runs.no_tags", args.lang)
    out(t("runs.changed", args.lang, folder=entry.folder, tags=tags, notes=len(entry.notes)))
    return OK


def _delete(args: argparse.Namespace) -> int:
    with _opened(args) as catalogue:
        entry = catalogue.entry(args.run)
        if not args.yes:
            values = {"folder": catalogue.place(entry), "title": _title(entry, args.lang), "created_at": entry.created_at}
            err(t("runs.sure", args.lang, **values))
            return FINDINGS
        gone = catalogue.delete(entry.folder)
    if args.json:
        out(json.dumps({"deleted": entry.folder, "there": gone is not None}, ensure_ascii=False))
    else:
        out(t("runs.deleted" if gone else "runs.forgotten", args.lang, folder=str(gone or entry.folder)))
    return OK


# ---- one zip ----


def _export(args: argparse.Namespace) -> int:
    from transport.bundle import export_run
    from transport.bundle_check import is_of_installed_data
    from transport.store import MANIFEST, read_run

    folder = Path(args.run)
    if not (folder / MANIFEST).is_file():
        with _opened(args) as catalogue:
            folder = catalogue.place(catalogue.entry(args.run))
    run = read_run(folder)
    digest = export_run(run, args.out)
    here = is_of_installed_data(run)
    size = args.out.stat().st_size
    if args.json:
        values = {"run": run.manifest["run_id"], "file": str(args.out), "bytes": size, "sha256": digest, "data_installed": here}
        out(json.dumps(values, ensure_ascii=False))
        return OK
    out(t("runs.exported", args.lang, file=str(args.out), mib=f"{size / _MIB:.1f}", digest=digest))
    if not here:
        err(t("runs.not_ours", args.lang))
    return OK


def _verify(args: argparse.Namespace) -> int:
    from transport.bundle import ENSEMBLE, MEASURES
    from transport.bundle_check import compute, verify
    from transport.check_problems import format_finding, word, words

    if args.rerun and not args.json and sys.stderr.isatty():
        err(t("bundle.rerunning", args.lang))
    verdict = verify(args.file, rerun=compute if args.rerun or args.draws else None, draws=args.draws)
    findings = words(verdict.problems, args.lang)
    remarks = [word(one, args.lang) for one in verdict.remarks]
    about = verdict.about
    if args.json:
        values = {"run": about.get("run_id"), "scenario": about.get("scenario"), "compared": verdict.compared}
        lists = {"findings": [one.as_dict() for one in findings], "remarks": [one.as_dict() for one in remarks]}
        out(json.dumps({**values, **lists}, ensure_ascii=False))
        return FINDINGS if findings else OK
    for finding in findings:
        out(format_finding(finding, args.lang))
    for finding in remarks:
        out(t("bundle.remark", args.lang, text=format_finding(finding, args.lang)))
    if findings:
        out(t("bundle.wrong", args.lang, file=args.file.name, count=len(findings)))
        return FINDINGS
    names = {"run": about["run_id"], "scenario": about["scenario"], "members": len(about["tables"])}
    out(t("bundle.whole", args.lang, file=args.file.name, **names))
    if about.get("kind") == ENSEMBLE:
        out(t("bundle.of_draws", args.lang, **{name: about[name] for name in ("draws", "seed", "design")}))
    if about.get("kind") == MEASURES:
        out(t("bundle.of_measures", args.lang, base=about["base"], pairs=about["pairs"]))
    if args.rerun or args.draws:
        out(t("bundle.same_draws" if about.get("kind") == ENSEMBLE else "bundle.same", args.lang, count=verdict.compared))
    return OK


# ---- inside ----


def _numbers(text: str) -> tuple[int, ...]:
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = (-1,)
    if min(found) < 0:
        refuse("bundle.no_draws", given=text)
    return found


def _more_of(entry: Entry, catalogue: Catalogue) -> dict[str, Any]:
    """Return what the manifest says of many draws or of measures beside what every run has; nothing of a run, or where the folder is gone."""
    from transport.store import read_run

    if not catalogue.is_there(entry):
        return {}
    about = read_run(catalogue.place(entry)).manifest
    wanted = _MORE.get(str(about.get("kind")), ())
    return {name: about[name] for name in wanted if name in about}


def _opened(args: argparse.Namespace) -> Catalogue:
    from transport.catalogue import Catalogue

    return Catalogue(args.store)


def _query(args: argparse.Namespace) -> Query:
    from transport.catalogue_rows import Query
    from transport.cli import settings

    levers: list[tuple[str, LeverValue | None]] = []
    for text in args.set:
        levers += list(settings([text], args.lang).items()) if "=" in text else [(text.strip(), None)]
    names = ("scenario", "tag", "author", "text", "since", "until", "hash")
    return Query(**{name: getattr(args, name) for name in names}, levers=tuple(levers))


def _is_date(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _kind(entry: Entry, catalogue: Catalogue, lang: str) -> str:
    """Return what is said behind the title of an ensemble, and of measures."""
    more = _more_of(entry, catalogue)
    return " ({})".format(t(f"runs.kind_{more['kind']}", lang, **more)) if more else ""


def _title(entry: Entry, lang: str) -> str:
    return entry.title_zh if lang == "zh" else entry.title_en


def _value(value: object) -> str:
    if isinstance(value, dict):
        return ",".join(f"{year}:{number:g}" for year, number in value.items())
    return f"{value:g}"
