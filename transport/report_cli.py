"""The command ``transport report``: Word and Excel files about a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transport.i18n import t
from transport.network_show import err, out

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

OK, FAILURE, FINDINGS = 0, 1, 2
_FORMATS = ("docx", "xlsx")
_KINDS = ("scenario", "annual_evaluation")


def register(verbs: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Add the command to the command line.

    Parameters
    ----------
    verbs
        What ``add_subparsers`` returned.
    parents
        Parsers of the common options: language, JSON, data pack.
    """
    parser = verbs.add_parser("report", parents=parents, help="help.command.report")
    parser.add_argument("run", metavar="RUN", help="help.report.run")
    parser.add_argument("--format", default="docx,xlsx", metavar="LIST", help="help.report.format")
    parser.add_argument("--kind", choices=_KINDS, default="scenario", help="help.report.kind")
    parser.add_argument("--city", default="", metavar="CITY", help="help.report.city")
    parser.add_argument("--base", default="", metavar="SCENARIO|RUN", help="help.report.base")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="help.report.out")
    parser.set_defaults(command=_report)


def _report(args: argparse.Namespace) -> int:
    formats = [part.strip() for part in args.format.split(",") if part.strip()]
    unknown = [part for part in formats if part not in _FORMATS]
    if unknown or not formats:
        err(t("report.unknown_format", args.lang, given=args.format, known=", ".join(_FORMATS)))
        return FINDINGS
    from transport.report.make import default_folder, make_report, report_bytes, write_files
    from transport.report.source import ReportError, find_source
    from transport.roles import RoleError

    try:
        source = find_source(args.run, lang=args.lang, pack=args.pack, base=args.base)
        report = make_report(source, kind=args.kind, place=args.city)
    except ReportError as error:
        err(str(error))
        return FINDINGS
    try:
        files = write_files(report_bytes(report, formats), args.out or default_folder(), args.lang)
    except ReportError as error:
        err(str(error))
        return FAILURE
    except RoleError:
        err(t("report.only_viewer", args.lang))
        return FAILURE
    if args.json:
        out(
            json.dumps(
                {"run": source.run.manifest["run_id"], "kind": args.kind, "files": [str(file) for file in files]},
                ensure_ascii=False,
            )
        )
        return OK
    if source.other_data:
        err(t("report.other_data", args.lang, run=source.run.manifest["data_hash"][:12], now=source.inputs.data_hash[:12]))
    manifest = source.run.manifest
    if args.run != manifest["run_id"]:
        made = str(manifest["created_at"])[:16].replace("T", " ")
        out(t("report.of_run", args.lang, run=manifest["run_id"], title=source.title, made=made))
    for file in files:
        out(t("report.written", args.lang, file=str(file)))
    return OK
