"""The command line: check, run, compare, show, network, app.

Exit codes: 0 fine (a missed target is still 0), 2 findings or usage, 1 failure.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transport import __version__
from transport.arguments import Parser, Text, language_of, speaking
from transport.i18n import LANGUAGES, t

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from transport.findings import Finding
    from transport.freight_start import FreightStarts
    from transport.inputs import Inputs
    from transport.params import LeverValue
    from transport.scenario import Scenario
    from transport.store import StoredRun

OK, FAILURE, FINDINGS = 0, 1, 2

#: Module -> the commands that it adds, in the order of the help.
_MODULES: Mapping[str, tuple[str, ...]] = {
    "access_cli": ("access",),
    "account_cli": ("attribute", "balance", "decompose", "hindcast", "progress", "readings"),
    "backcast_cli": ("backcast",),
    "catalogue_cli": ("runs", "verify"),
    "city_cli": ("green-travel",),
    "ensemble_cli": ("ensemble",),
    "measures_cli": ("measures",),
    "network_cli": ("network",),
    "prefecture_cli": ("prefectures",),
    "project_cli": ("projects",),
    "report_cli": ("report",),
    "sea_rail_cli": ("sea-rail",),
    "shift_cli": ("shift",),
    "simulate_cli": ("simulate",),
    "size_cli": ("size",),
    "sweep_cli": ("sweep",),
    "template_cli": ("template",),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    _readable_streams()
    given = sys.argv[1:] if argv is None else argv
    lang, words = language_of(given)
    parser = _parser(words[0] if words else "", lang)
    with speaking(lang):
        args = parser.parse_args(given)
    try:
        if getattr(args, "pack", None) is not None:
            from transport import template_cli

            template_cli.unpacked(args)
        return int(args.command(args))
    except BrokenPipeError:
        # The reader of a pipe (head, more) has seen enough; the interpreter must not try to flush into it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        _err(t("cli.cancelled", args.lang))
        return FAILURE
    except Exception as error:
        return _failed(error, args)


def _failed(error: Exception, args: argparse.Namespace) -> int:
    """Print an error as one clear message; data problems are findings, everything else a failure."""
    from networks.errors import NetworkError
    from transport.cluster import ClusterError
    from transport.findings import DataError
    from transport.params import ParameterError
    from transport.pool import WorkerError
    from transport.roles import RoleError
    from transport.store import StoreError

    if isinstance(error, DataError):
        _print_findings(error.findings, args)
        return FINDINGS
    if isinstance(error, ClusterError):
        _err(error.text(args.lang))
        return FINDINGS
    if isinstance(error, RoleError):
        _err(error.text(args.lang))
        return FAILURE
    if isinstance(error, (ParameterError, StoreError, WorkerError, NetworkError, FileNotFoundError, PermissionError)):
        _err(t("cli.failed", args.lang, problem=str(error)))
        return FAILURE
    if args.traceback:
        raise error
    _err(t("cli.unexpected", args.lang, kind=type(error).__name__, problem=str(error)))
    return FAILURE


def _parser(asked: str, lang: str = LANGUAGES[0]) -> Parser:
    """Return the parser with the command asked for, with all of them where it is none: they bring libraries that one command does not need."""
    parser = Parser(prog="transport", description="help.description")
    language: dict[str, Any] = {"choices": LANGUAGES, "default": lang, "help": "help.main.lang"}
    parser.add_argument("--lang", **language)
    parser.add_argument("--version", action="version", version=Text("cli.program", version=__version__), help="help.main.version")
    common = Parser(add_help=False)
    common.add_argument("--lang", **language)
    common.add_argument("--json", action="store_true", help="help.main.json")
    common.add_argument("--traceback", action="store_true", help=argparse.SUPPRESS)
    with_data = Parser(add_help=False, parents=[common])
    with_data.add_argument("--pack", type=Path, help="help.main.pack")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    adders: dict[str, Callable[[], None]] = {
        "check": lambda: _add_check(verbs, common),
        "run": lambda: _add_run(verbs, with_data),
        "compare": lambda: _add_compare(verbs, with_data),
        "show": lambda: _add_show(verbs, with_data),
    }
    for module, names in _MODULES.items():
        adders |= dict.fromkeys(names, partial(_add_module, module, verbs, common if module == "catalogue_cli" else with_data))
    adders["app"] = lambda: _add_app(verbs, with_data)
    for add in [adders[asked]] if asked in adders else dict.fromkeys(adders.values()):
        add()
    return parser


def _add_module(module: str, verbs: Any, parent: argparse.ArgumentParser) -> None:
    import_module(f"transport.{module}").register(verbs, [parent])


def _add_check(verbs: Any, parent: argparse.ArgumentParser) -> None:
    check = verbs.add_parser("check", parents=[parent], help="help.command.check")
    check.add_argument("pack", nargs="?", type=Path, help="help.main.pack_check")
    check.set_defaults(command=_check)


def _add_run(verbs: Any, parent: argparse.ArgumentParser) -> None:
    from transport import catalogue_cli

    run = verbs.add_parser("run", parents=[parent], help="help.command.run")
    run.add_argument("scenario", help="help.shared.scenario")
    _scenario_options(run)
    run.add_argument("--out", type=Path, help="help.main.out")
    catalogue_cli.store_option(run)
    run.add_argument("--quiet", action="store_true", help="help.shared.quiet_run")
    run.add_argument("--progress", type=Path, help="help.shared.progress")
    run.set_defaults(command=_run)


def _add_compare(verbs: Any, parent: argparse.ArgumentParser) -> None:
    from transport import sweep_cli

    compare = verbs.add_parser("compare", parents=[parent], help="help.command.compare")
    sweep_cli.compare_options(compare)
    _scenario_options(compare)
    compare.set_defaults(command=_compare, quiet=True, progress=None)


def _add_show(verbs: Any, parent: argparse.ArgumentParser) -> None:
    show = verbs.add_parser("show", parents=[parent], help="help.command.show")
    show.add_argument("what", choices=("params", "levers", "targets", "sources", "scenarios", "projects"), help="help.main.what")
    show.add_argument("filter", nargs="?", default="", help="help.main.filter")
    show.set_defaults(command=_show)


def _add_app(verbs: Any, parent: argparse.ArgumentParser) -> None:
    app = verbs.add_parser("app", parents=[parent], help="help.command.app")
    app.add_argument("--port", type=_port, default=8501, help="help.main.port")
    app.add_argument("--headless", action="store_true", help="help.main.headless")
    app.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="help.main.host")
    app.add_argument("--auth", type=Path, metavar="FILE", help="help.main.auth")
    app.add_argument("--base-path", default="", metavar="PATH", help="help.main.base_path")
    app.set_defaults(command=_app)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 65_535:
        raise ValueError(text)
    return number


def _scenario_options(parser: argparse.ArgumentParser) -> None:
    from transport import account_cli, project_cli

    parser.add_argument("--set", action="append", default=[], metavar="LEVER=VALUE", help="help.main.set")
    project_cli.section_options(parser)
    parser.add_argument("--draws", type=_positive, help="help.main.draws")
    parser.add_argument(
        "--feedback",
        metavar="PATH",
        help="help.main.feedback",
    )
    account_cli.model_options(parser)


def _check(args: argparse.Namespace) -> int:
    from transport.checks import check_data

    findings = check_data(pack=args.pack, lang=args.lang)
    if findings:
        _print_findings(findings, args)
        return FINDINGS
    if args.json:
        _out(json.dumps({"findings": []}))
    else:
        _out(t("cli.check_clean", args.lang, what=str(args.pack) if args.pack else t("cli.bundled_data", args.lang)))
    return OK


def _run(args: argparse.Namespace) -> int:
    from transport import catalogue_cli
    from transport.inputs import load_inputs

    inputs = load_inputs(pack=args.pack, lang=args.lang)
    stored = _run_scenario(args.scenario, inputs, args, out=args.out)
    if args.json:
        _out(json.dumps(_run_json(stored, inputs)))
        catalogue_cli.take_in([stored], args)
        return OK
    from transport.text import fit_lines, scorecard_lines

    for line in scorecard_lines(stored, inputs, args.lang):
        _out(line)
    for line in fit_lines(stored, inputs, args.lang):
        _out(line)
    _out(t("cli.written", args.lang, folder=str(stored.folder), seconds=f"{stored.manifest['seconds']:.1f}"))
    catalogue_cli.take_in([stored], args)  # last: whoever waits for the numbers has them
    return OK


def _run_scenario(
    name: str, inputs: Inputs, args: argparse.Namespace, *, out: Path | None = None, starts: FreightStarts | None = None
) -> StoredRun:
    from transport import project_cli
    from transport.freight_start import FreightStarts
    from transport.scenario import load_scenario
    from transport.store import files_to_keep, may_write, run_id, runs_folder, write_run
    from transport.study import run

    scenario = load_scenario(
        name,
        inputs.folder,
        inputs.levers,
        extra=settings(args.set, args.lang),
        **project_cli.sections(args, inputs),
        draws=args.draws,
        simulate=args.simulate,
        capacity=args.capacity,
        network=args.network,
        sales=args.sales,
        feedback=args.feedback,
        lang=args.lang,
    )
    folder = out or runs_folder() / run_id(scenario, inputs.data_hash)
    may_write(folder)
    kept = files_to_keep(scenario, inputs.pack)
    if scenario.feedback:
        _tell_origin(scenario, inputs, args.lang)
    start = time.perf_counter()
    with _Progress(args) as tell:
        results = run(scenario, inputs, progress=tell, starts=starts or FreightStarts(rebuild=False))
    took = time.perf_counter() - start
    return write_run(folder, results.tables, scenario, inputs.data_hash, seconds=took, kept=kept)


def _tell_origin(scenario: Scenario, inputs: Inputs, lang: str) -> None:
    """Warn where the table of feedback was made for another scenario, other data or other levers on charging."""
    from transport.weeks.feedback import feedback_differences

    kept = t("cli.feedback_kept", lang)
    said = [
        t(f"cli.feedback_{one.what}", lang, lever=one.lever, then=one.then or kept, now=one.now or kept)
        for one in feedback_differences(scenario, inputs)
    ]
    if said:
        differences = ("；" if lang == "zh" else "; ").join(said)
        _err(t("cli.feedback_differs", lang, table=scenario.feedback, differences=differences, scenario=scenario.name))


def _compare(args: argparse.Namespace) -> int:
    from transport import catalogue_cli, sweep_cli
    from transport.freight_start import FreightStarts

    starts = FreightStarts(rebuild=False)  # run folders hold how often each parameter was read
    made: list[StoredRun] = []

    def run(name: str, inputs: Inputs) -> StoredRun:
        args.simulate = args.simulate or "none"
        made.append(_run_scenario(name, inputs, args, starts=starts))
        return made[-1]

    try:
        return sweep_cli.compare(args, run)
    finally:
        catalogue_cli.take_in(made, args)


def _show(args: argparse.Namespace) -> int:
    from transport.inputs import load_inputs
    from transport.text import show_table, table_lines

    inputs = load_inputs(pack=args.pack, lang=args.lang)
    table = show_table(args.what, inputs, args.lang, args.filter)
    if table.is_empty() and not args.json:
        _err(t("cli.nothing_found", args.lang, text=args.filter))
        return OK
    if args.json:
        _out(json.dumps(table.to_dicts(), default=str))
        return OK
    for line in table_lines(table):
        _out(line)
    return OK


def _app(args: argparse.Namespace) -> int:
    from transport.app.launch import LaunchError, launch
    from transport.app.sign_in import AccessError

    try:
        return launch(
            port=args.port, headless=args.headless, pack=args.pack, host=args.host, base_path=args.base_path, auth=args.auth
        )
    except (AccessError, LaunchError) as wrong:
        _err(str(wrong))
        return FINDINGS


def settings(given: Sequence[str], lang: str) -> dict[str, LeverValue]:
    """Read ``--set lever=value`` and ``--set lever=2025:1.1,2030:1.3``."""
    from transport.check_problems import Problem, words
    from transport.findings import DataError

    made: dict[str, LeverValue] = {}
    wrong: list[Problem] = []
    for text in given:
        lever, equals, value = text.partition("=")
        try:
            if not equals:
                raise ValueError(text)
            if ":" in value:
                pairs = [part.split(":", 1) for part in value.split(",")]
                made[lever.strip()] = {int(year): float(number) for year, number in pairs}
            else:
                made[lever.strip()] = float(value)
        except ValueError:
            wrong.append(Problem("--set", 0, lever, "lever.syntax", text))
    if wrong:
        raise DataError(words(wrong, lang))
    return made


class _Progress:
    """The progress bar of a run on the terminal, and its JSON lines for the app."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._lang = args.lang
        self._file: Path | None = args.progress
        self._quiet = args.quiet or args.json or not sys.stderr.isatty()
        self._bar: Any = None

    def __enter__(self) -> Callable[[int, int, str], None]:
        return self._tell

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.update(self._bar.total - self._bar.n)
            self._bar.close()

    def _tell(self, step: int, steps: int, name: str) -> None:
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step, "steps": steps, "name": name}) + "\n")
        if self._quiet:
            return
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=steps, bar_format="{l_bar}{bar:24}| {n_fmt}/{total_fmt} {elapsed}", ascii=True)
        self._bar.update(step - self._bar.n)
        self._bar.set_description_str(t(f"step.{name}", self._lang))


def _run_json(stored: StoredRun, inputs: Inputs) -> dict[str, Any]:
    from transport.text import indicator_rows

    return {**_who(stored), "indicators": indicator_rows(stored.table("indicators"), inputs)}


def _who(stored: StoredRun) -> dict[str, Any]:
    manifest = stored.manifest
    return {"scenario": manifest["scenario"], "hash": manifest["run_id"], "folder": str(stored.folder)}


def _print_findings(findings: list[Finding], args: argparse.Namespace) -> None:
    from transport.check_problems import format_finding

    if args.json:
        _out(json.dumps({"findings": [f.as_dict() for f in findings]}))
        return
    say = _out if args.command is _check else _err
    for finding in findings:
        say(format_finding(finding, args.lang))
    say(t("cli.findings", args.lang, count=len(findings)))


def _readable_streams() -> None:
    """Never die on a character that the console cannot show (GBK consoles of Windows)."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def _out(text: str) -> None:
    sys.stdout.write(text + "\n")


def _err(text: str) -> None:
    sys.stderr.write(text + "\n")
