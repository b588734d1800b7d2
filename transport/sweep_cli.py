"""The commands ``transport sweep`` and ``transport compare``: many cases in one go, and up to four runs side by side."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transport import account_cli, catalogue_cli
from transport.i18n import t
from transport.layout import YEARS
from transport.network_show import err, out

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    import polars as pl

    from transport.inputs import Inputs
    from transport.store import StoredRun
    from transport.sweep_file import Sweep
    from transport.sweeps import Progress, SweepResult

    #: Runs a scenario by name and stores it.
    Runner = Callable[[str, Inputs], StoredRun]

OK, FAILURE, FINDINGS = 0, 1, 2
#: Years of a comparison where none is named, and the year of the table of a sweep.
COMPARED, SHOWN = (2025, 2030), 2030
#: Most runs side by side.
MOST = 4


def register(verbs: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Add ``sweep`` to the command line.

    Parameters
    ----------
    verbs
        What ``add_subparsers`` returned.
    parents
        Parsers of the common options: language, JSON, data pack.
    """
    parser = verbs.add_parser("sweep", parents=parents, help="help.command.sweep")
    parser.add_argument("file", help="help.sweep.file")
    parser.add_argument("--out", type=Path, help="help.sweep.out")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="help.sweep.jobs")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="help.sweep.scheduler")
    catalogue_cli.store_option(parser)
    parser.add_argument("--base", help="help.sweep.base")
    parser.add_argument("--table", action="append", default=[], metavar="NAME", help="help.sweep.table")
    parser.add_argument("--year", type=int, choices=YEARS, metavar="YEAR", default=SHOWN, help="help.sweep.year")
    parser.add_argument("--cases", action="store_true", help="help.sweep.cases")
    parser.add_argument("--quiet", action="store_true", help="help.shared.quiet")
    account_cli.model_options(parser)
    parser.set_defaults(command=_sweep)


def compare_options(parser: argparse.ArgumentParser) -> None:
    """Add what ``compare`` compares and how it shows it."""
    parser.add_argument("a", metavar="A", help="help.sweep.a")
    parser.add_argument("others", metavar="B", nargs="+", help="help.sweep.others")
    parser.add_argument("--year", type=int, choices=YEARS, metavar="YEAR", action="append", help="help.sweep.year_options")
    parser.add_argument(
        "--by",
        choices=("indicator", "corridor", "commodity", "prefecture"),
        default="indicator",
        help="help.sweep.by",
    )
    parser.add_argument("--top", type=int, default=15, metavar="N", help="help.sweep.top")
    parser.add_argument("--out", type=Path, metavar="FILE", help="help.sweep.out_options")


# ---- compare ----


def compare(args: argparse.Namespace, run: Runner) -> int:
    """Compare up to four runs.

    Parameters
    ----------
    args
        With the options of :func:`compare_options`.
    run
        Runs a scenario by name.

    Returns
    -------
    int
        Exit code.
    """
    from transport.inputs import load_inputs
    from transport.run_deltas import VIEWS, deltas
    from transport.scenario_words import differences
    from transport.scorecard import compare_runs

    names = (args.a, *args.others)
    wrong = _wrong(names, args)
    if wrong:
        err(wrong)
        return FINDINGS
    inputs = load_inputs(pack=args.pack, lang=args.lang)
    runs = [stored(name) or run(name, inputs) for name in names]
    years = args.year or list(COMPARED)
    if args.by == "indicator":
        table = compare_runs(*(x.table("indicators") for x in runs), years=years)
    else:
        first, *others = (x.table(VIEWS[args.by].table) for x in runs)
        table = deltas(args.by, first, dict(zip("BCD", others, strict=False)), years=years)
    if args.out is not None:
        _write(args.out, table)
    if args.json:
        resolved = [x.manifest["resolved"] for x in runs]
        words = {
            side: differences(resolved[0], other, inputs, args.lang) for side, other in zip("bcd", resolved[1:], strict=False)
        }
        who = {side: _who(x) for side, x in zip("abcd", runs, strict=False)}
        key = "indicators" if args.by == "indicator" else args.by
        out(json.dumps({**who, "words": words, key: table.to_dicts()}, ensure_ascii=False))
        return OK
    _print(table, runs, inputs, args)
    return OK


def stored(name: str) -> StoredRun | None:
    """Return the run of a folder or of a case of a sweep (``FOLDER:CASE``), None for anything else.

    Raises
    ------
    StoreError
        If the folder is no run, or the sweep has no such case.
    """
    from transport.store import read_run
    from transport.sweeps import MANIFEST, read_result

    for at in (k for k, letter in enumerate(name) if letter == ":"):  # cases of a grid may have colons in their names
        if (Path(name[:at]) / MANIFEST).is_file():
            return read_result(Path(name[:at])).case(name[at + 1 :])
    if (Path(name) / MANIFEST).is_file():
        return read_result(Path(name)).case("")
    return read_run(Path(name)) if Path(name).is_dir() else None


def _wrong(names: Sequence[str], args: argparse.Namespace) -> str | None:
    """Return the complaint about what is compared and written, None where all is well."""
    if len(names) > MOST:
        return t("compare.too_many", args.lang, most=MOST)
    useless = account_cli.useless_options(names, args)
    if useless:
        return t("cli.useless_options", args.lang, options=useless)
    if args.out is not None and args.out.suffix not in {".parquet", ".csv"}:
        return t("compare.ending", args.lang, file=str(args.out))
    return None


def _print(table: pl.DataFrame, runs: Sequence[StoredRun], inputs: Inputs, args: argparse.Namespace) -> None:
    from transport.compare_text import delta_lines, heads, indicator_lines

    lines = heads(runs, inputs, args.lang)
    if args.by == "indicator":
        lines += indicator_lines(table, len(runs), inputs, args.lang)
    else:
        lines += delta_lines(args.by, table, inputs, args.lang, top=args.top)
    for line in lines:
        out(line)
    if args.out is not None:
        out(t("compare.written", args.lang, file=str(args.out), rows=table.height))


def _write(path: Path, table: pl.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        path.write_bytes(b"\xef\xbb\xbf" + table.write_csv().encode())  # the mark lets a spreadsheet read Chinese
    else:
        table.write_parquet(path, compression="zstd", statistics=False)


def _who(run: StoredRun) -> dict[str, str]:
    return {"scenario": run.manifest["scenario"], "hash": run.manifest["run_id"], "folder": str(run.folder)}


# ---- sweep ----


def _sweep(args: argparse.Namespace) -> int:
    from transport.cluster import ClusterError
    from transport.inputs import load_inputs
    from transport.pool import WorkerError
    from transport.sweep_file import read_sweep
    from transport.sweeps import read_result, run_sweep, runs_there, sweep_folder

    inputs = load_inputs(pack=args.pack, lang=args.lang)
    options = {name: getattr(args, name) for name in account_cli.MODEL_OPTIONS}
    sweep = read_sweep(args.file, inputs, base=args.base, tables=args.table, lang=args.lang, **options)
    if args.cases:
        return _cases(sweep, inputs, args)
    folder = args.out or sweep_folder(sweep)
    start = time.perf_counter()
    with _shown(args) as tell:
        there = runs_there(folder)
        try:
            result = run_sweep(sweep, inputs, folder=folder, jobs=max(args.jobs, 1), scheduler=args.scheduler, progress=tell)
        except (KeyboardInterrupt, ClusterError, WorkerError) as stop:
            found = read_result(folder)
            done = [case for case in found.manifest["cases"] if case["seconds"] is not None]
            # what was there is of somebody else, and known already
            catalogue_cli.take_in(_stored_cases(found, [case["case"] for case in done if case["run_id"] not in there]), args)
            if not isinstance(stop, KeyboardInterrupt):
                raise
            err(t("sweep.stopped", args.lang, done=len(done), count=len(sweep.cases), folder=str(folder)))
            return FAILURE
    code = _told(result, inputs, args, time.perf_counter() - start)
    catalogue_cli.take_in(_stored_cases(result, result.ran), args)
    return code


def _stored_cases(result: SweepResult, names: Sequence[str]) -> list[StoredRun]:
    """Return the run folders of cases; one that failed has none."""
    from transport.store import StoreError

    found = []
    for name in names:
        with contextlib.suppress(StoreError):
            found.append(result.case(name))
    return found


def _told(result: SweepResult, inputs: Inputs, args: argparse.Namespace, seconds: float) -> int:
    """Print a sweep; a case that failed makes the command fail."""
    from transport.compare_text import sweep_frame, sweep_lines

    failed = result.table("cases").drop_nulls("error").height
    if args.json:
        rows = sweep_frame(result, inputs, year=args.year).to_dicts()
        tables = list(result.manifest["tables"])
        head = {"sweep": result.manifest["sweep"], "folder": str(result.folder), "year": args.year, "ran": len(result.ran)}
        out(json.dumps({**head, "seconds": round(seconds, 3), "tables": tables, "cases": rows}, ensure_ascii=False))
        return FAILURE if failed else OK
    for line in sweep_lines(result, inputs, args.lang, year=args.year):
        out(line)
    count = len(result.manifest["cases"])
    mine = [case["seconds"] for case in result.manifest["cases"] if case["case"] in result.ran and case["seconds"]]
    out(t("sweep.ran", args.lang, ran=len(result.ran), there=count - len(result.ran), seconds=f"{seconds:.1f}"))
    if mine:
        middle = sorted(mine)[len(mine) // 2]
        out(t("sweep.each", args.lang, least=f"{min(mine):.1f}", median=f"{middle:.1f}", most=f"{max(mine):.1f}"))
    out(t("sweep.written", args.lang, folder=str(result.folder), tables=", ".join(result.manifest["tables"])))
    if failed:
        err(t("sweep.failed", args.lang, count=failed))
    return FAILURE if failed else OK


def _cases(sweep: Sweep, inputs: Inputs, args: argparse.Namespace) -> int:
    """Print the cases without running any."""
    from transport.store import run_id
    from transport.sweeps import case_frame
    from transport.text import table_lines

    ids = [run_id(case.scenario, inputs.data_hash) for case in sweep.cases]
    frame = case_frame(sweep.cases, ids, [None] * len(ids), inputs).drop("error")
    if args.json:
        out(json.dumps(frame.to_dicts(), ensure_ascii=False))
        return OK
    for line in table_lines(frame.select("case", "run_id", f"words_{args.lang}")):
        out(line)
    return OK


@contextlib.contextmanager
def _shown(args: argparse.Namespace) -> Iterator[Progress | None]:
    """Give what shows the progress: a bar with the time left on a terminal, a line per case elsewhere."""
    if args.quiet or args.json:
        yield None
        return
    if not sys.stderr.isatty():
        yield _Lines(args.lang)
        return
    bar: Any = None

    def tell(done: int, count: int, name: str) -> None:
        nonlocal bar
        if bar is None:
            from tqdm import tqdm

            # cases that were there say nothing about the time left
            form = "{l_bar}{bar:24}| {n_fmt}/{total_fmt} {elapsed}<{remaining}"
            bar = tqdm(total=count, initial=done - bool(name), bar_format=form, ascii=True)
        bar.update(done - bar.n)
        if name:
            bar.set_description_str(name)

    try:
        yield tell
    finally:
        if bar is not None:
            bar.close()


class _Lines:
    """A line per finished case with the time it took since the one before, and the time that is left at this pace."""

    def __init__(self, lang: str) -> None:
        self._lang, self._start, self._last = lang, time.perf_counter(), time.perf_counter()
        self._first: int | None = None

    def __call__(self, done: int, count: int, name: str) -> None:
        now = time.perf_counter()
        if self._first is None:
            self._first = done - bool(name)
        if not name:
            return
        left = (now - self._start) / (done - self._first) * (count - done)
        took, self._last = now - self._last, now
        err(t("sweep.done", self._lang, done=done, count=count, case=name, seconds=f"{took:.1f}", left=f"{left:.0f}"))
