"""Many scenarios in one go: every case of a sweep is run once, kept as a run folder of its own, and put together as tidy tables.

Cases are known by their run id, so a sweep that was stopped goes on where it was, and a case added later costs only itself. Networks, demand and
the solved base year are shared by the cases that have them in common, bit by bit what each would have found alone.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from transport import __version__, pool
from transport.case_folder import clear_unfinished, error_file, holds, is_done, may_take_up
from transport.freight_start import FreightStarts
from transport.scenario_words import differences
from transport.store import StoredRun, StoreError, files_to_keep, read_run, run_id, runs_folder, write_run
from transport.study import freight_tables, model_parts, tables_of
from transport.sweep_file import FREIGHT_TABLES, written

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from transport.inputs import Inputs
    from transport.scenario import Scenario
    from transport.sweep_file import Case, Sweep

    #: Called with (cases done, all cases, name of the case just done).
    Progress = Callable[[int, int, str], None]
    #: Scenario, data, names of tables and what earlier cases share -> the tables.
    Work = Callable[[Scenario, Inputs, Sequence[str], FreightStarts], Mapping[str, pl.DataFrame]]

MANIFEST = "sweep.json"
_CASES = "cases"
#: Columns of ``cases`` that are no settings.
CASE_COLUMNS = ("case", "run_id", "title_zh", "title_en", "words_zh", "words_en", "error")
#: Names that a column of settings may not take in the tidy tables.
_TAKEN = frozenset({*CASE_COLUMNS, "id", "area", "year", "scope", "boundary", "base", "variant", "value", "unit"})


@dataclass(frozen=True, slots=True)
class SweepResult:
    """A sweep read back from its folder.

    Attributes
    ----------
    folder
        Where it stands.
    manifest
        Name, titles, data hash, version, tables with their hashes, and of each case its run id and how long it took [s].
    ran
        Names of the cases that were run this time, the others were there.
    """

    folder: Path
    manifest: Mapping[str, Any]
    ran: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Return whether every case has its results."""
        return bool(self.manifest["complete"])

    def table(self, name: str) -> pl.DataFrame:
        """Return one table of all cases: ``cases``, ``indicators`` or another that the sweep keeps.

        Raises
        ------
        StoreError
            If the sweep keeps no such table.
        """
        path = self.folder / f"{name}.parquet"
        if name not in self.manifest["tables"] or not path.is_file():
            msg = f"{self.folder.name} holds no table {name!r}; it holds {', '.join(self.manifest['tables'])}"
            raise StoreError(msg)
        return pl.read_parquet(path)

    def case(self, name: str) -> StoredRun:
        """Return the run folder of a case.

        Raises
        ------
        StoreError
            If there is no such case, or it has no results yet.
        """
        ids = {case["case"]: case["run_id"] for case in self.manifest["cases"]}
        if name not in ids:
            msg = f"{self.folder.name} is a sweep and has no case {name!r}; name one as FOLDER:CASE: {', '.join(ids)}"
            raise StoreError(msg)
        return read_run(self.folder / _CASES / ids[name])


def sweep_folder(sweep: Sweep) -> Path:
    """Return where a sweep is kept if no other place is named."""
    return runs_folder() / f"sweep-{sweep.name}"


def runs_there(folder: Path) -> frozenset[str]:
    """Return the run ids of the cases that have a run folder in a sweep folder, which may not be there yet."""
    return frozenset(path.parent.name for path in (folder / _CASES).glob("*/manifest.json"))


def read_result(folder: Path) -> SweepResult:
    """Read the manifest of a sweep folder.

    Raises
    ------
    StoreError
        If the folder holds no sweep.
    """
    path = folder / MANIFEST
    if not path.is_file():
        msg = f"{folder} is no sweep: it has no {MANIFEST}"
        raise StoreError(msg)
    return SweepResult(folder, json.loads(path.read_text(encoding="utf-8")))


def run_sweep(
    sweep: Sweep,
    inputs: Inputs,
    *,
    folder: Path | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress | None = None,
    work: Work | None = None,
) -> SweepResult:
    """Run the cases of a sweep that have no results yet and put all together.

    Parameters
    ----------
    sweep
        A resolved sweep.
    inputs
        Checked data.
    folder
        Where it is kept; ``runs/sweep-<name>`` by default. A folder of an earlier run is taken up.
    jobs
        Number of processes; the tables are the same bytes for any number.
    scheduler
        Address of a Dask scheduler whose workers run the cases in place of local processes; the folders are written here.
    progress
        Called when a case is done; what is there already counts at once.
    work
        What runs a case, :func:`case_tables` by default; a top-level function, as it is sent to processes.

    Returns
    -------
    SweepResult
        Tables ``cases`` (one row per case: run id, titles, words against the first case, settings) and those that the sweep names, with the case
        in the first column; ``indicators`` also with the settings.

    Raises
    ------
    StoreError
        If the folder holds something else.
    transport.cluster.ClusterError
        If the cluster cannot be used.
    KeyboardInterrupt
        If the user stops it; what is done is kept and put together first.
    """
    where = (folder or sweep_folder(sweep)).absolute()
    # a sweep that was stopped at once has only its cases
    may_take_up(where, "sweep", MANIFEST, begun=lambda held: (held / _CASES).exists())
    cases = where / _CASES
    cases.mkdir(parents=True, exist_ok=True)
    clear_unfinished(cases)
    ids = [run_id(case.scenario, inputs.data_hash) for case in sweep.cases]
    todo = [k for k, case in enumerate(ids) if case not in ids[:k] and not holds(cases / case, sweep.tables)]
    # another sweep may work in the same folder: what fails here is said to this one only
    with tempfile.TemporaryDirectory(prefix="transport-sweep-") as own:
        errors = Path(own)
        lanes = _lanes(sweep, inputs, cases, errors, ids, todo, 1 if scheduler else jobs, work or case_tables)
        tell = _Told(sweep, ids, cases, errors, set(todo), progress)
        try:
            tell()
            if scheduler is not None:
                for lane in lanes:
                    _run_far(lane, scheduler, tell)
            elif len(lanes) > 1:
                pool.lanes(run_lane, lanes, tick=tell)
            else:
                for lane in lanes:
                    run_lane(lane, tell)
        finally:
            result = _put_together(sweep, inputs, where, errors, ids, tuple(sweep.cases[k].name for k in todo))
    return result


@dataclass(frozen=True)
class Lane:
    """Cases that one process runs one after the other.

    Attributes
    ----------
    inputs
        Checked data.
    cases
        Run id and scenario.
    folder
        Where the run folders go.
    errors
        Where a case that fails leaves its message, for this sweep alone.
    tables
        Result tables to keep.
    work
        What runs a case.
    """

    inputs: Inputs
    cases: tuple[tuple[str, Scenario], ...]
    folder: Path
    errors: Path
    tables: tuple[str, ...]
    work: Work

    def keep(self, name: str, tables: Mapping[str, pl.DataFrame], scenario: Scenario, seconds: float) -> None:
        """Write the run folder of a case, unless another sweep has put it there in the meantime."""
        if not holds(self.folder / name, self.tables):
            kept = files_to_keep(scenario, self.inputs.pack)
            write_run(self.folder / name, tables, scenario, self.inputs.data_hash, seconds=seconds, kept=kept)

    def fail(self, name: str, text: str) -> None:
        """Leave the message of a case that failed."""
        error_file(self.errors, name).write_text(text, encoding="utf-8")

    def is_done(self, name: str) -> bool:
        """Return whether a case has its results, or has failed."""
        return is_done(self.folder, name, self.tables, self.errors)


def run_lane(lane: Lane, tell: Callable[[], None] | None = None) -> None:
    """Run the cases of a lane; one that fails leaves its message and does not take the others along.

    Parameters
    ----------
    lane
        Cases that share networks stand together.
    tell
        Called after every case.
    """
    starts = FreightStarts()
    for name, scenario in lane.cases:
        # a process in the place of one that was killed finds what that one had finished
        if lane.is_done(name):
            continue
        start = time.perf_counter()
        try:
            tables = lane.work(scenario, lane.inputs, lane.tables, starts)
            lane.keep(name, tables, scenario, time.perf_counter() - start)
        except Exception as error:  # noqa: BLE001  (one case must not take the others along)
            lane.fail(name, f"{type(error).__name__}: {error}")
        if tell is not None:
            tell()


@dataclass(frozen=True)
class _Far:
    """One case for a worker that has no folder of ours."""

    scenario: Scenario
    tables: tuple[str, ...]
    work: Work
    inputs: Inputs
    starts: FreightStarts


def _run_far(lane: Lane, scheduler: str, tell: Callable[[], None]) -> None:
    """Run the cases of a lane on a cluster and write what comes back."""
    from transport.cluster import ClusterError

    for name, scenario in lane.cases:
        if scenario.feedback:
            raise ClusterError(key="cluster.feedback", case=name, table=scenario.feedback)
    # each worker keeps the networks of the cases that came to it
    shared = (lane.inputs, FreightStarts())
    todo = [_Far(scenario, lane.tables, lane.work, *shared) for _, scenario in lane.cases]

    def take(k: int, found: tuple[Mapping[str, pl.DataFrame] | str, float]) -> None:
        (name, scenario), (tables, seconds) = lane.cases[k], found
        if isinstance(tables, str):
            lane.fail(name, tables)
        else:
            lane.keep(name, tables, scenario, seconds)
        tell()

    pool.map(_far_case, todo, scheduler=scheduler, take=take, shared=shared)


def _far_case(case: _Far) -> tuple[Mapping[str, pl.DataFrame] | str, float]:
    """Return the tables of a case, or what went wrong with it, and how long it took [s]."""
    start = time.perf_counter()
    found: Mapping[str, pl.DataFrame] | str
    try:
        found = case.work(case.scenario, case.inputs, case.tables, case.starts)
    except Exception as error:  # noqa: BLE001  (one case must not take the others along)
        found = f"{type(error).__name__}: {error}"
    return found, time.perf_counter() - start


def case_tables(scenario: Scenario, inputs: Inputs, names: Sequence[str], starts: FreightStarts) -> dict[str, pl.DataFrame]:
    """Run one case and return the tables that are wanted of it.

    Parameters
    ----------
    scenario, inputs
        As in :func:`transport.study.run`.
    names
        Result tables; where freight and indicators are enough, no others are worked out.
    starts
        Networks and base years of earlier cases.
    """
    quick = set(names) <= set(FREIGHT_TABLES)
    parts = model_parts(scenario, inputs, starts=starts, response=not quick)
    tables = freight_tables(parts) if quick else tables_of(parts)
    return {name: tables[name] for name in names}


def _lanes(
    sweep: Sweep, inputs: Inputs, folder: Path, errors: Path, ids: Sequence[str], todo: Sequence[int], jobs: int, work: Work
) -> list[Lane]:
    """Return what each process does: cases on the same networks side by side, in runs of about equal length."""

    def networks(k: int) -> str:
        scenario = sweep.cases[k].scenario
        resolved = scenario.resolved()
        opens = {name: value for name, value in resolved["set"].items() if name == "planned_links"}
        key = [resolved.get(part) for part in ("projects", "closures", "sites")]
        return json.dumps([scenario.network, scenario.hold_year, opens, *key], sort_keys=True)

    together: dict[str, list[int]] = {}
    for k in todo:
        together.setdefault(networks(k), []).append(k)
    order = list(itertools.chain.from_iterable(together.values()))
    count = max(min(jobs, len(order)), 1)
    cuts = [round(i * len(order) / count) for i in range(count + 1)]
    runs = [[(ids[k], sweep.cases[k].scenario) for k in order[a:b]] for a, b in itertools.pairwise(cuts)]
    return [Lane(inputs, tuple(run), folder, errors, sweep.tables, work) for run in runs if run]


class _Told:
    """Says which cases are done by looking for their folders: any process may have run them."""

    def __init__(
        self, sweep: Sweep, ids: Sequence[str], folder: Path, errors: Path, todo: set[int], progress: Progress | None
    ) -> None:
        self._sweep, self._ids, self._folder, self._errors = sweep, ids, folder, errors
        self._left, self._progress = set(todo), progress
        self._total = len(dict.fromkeys(ids))

    def __call__(self) -> None:
        if self._progress is None:
            return
        tables = self._sweep.tables
        done = [k for k in sorted(self._left) if is_done(self._folder, self._ids[k], tables, self._errors)]
        if not done:
            self._progress(self._total - len(self._left), self._total, "")
        for k in done:
            self._left.remove(k)
            self._progress(self._total - len(self._left), self._total, self._sweep.cases[k].name)


# ---- all cases together ----


def _put_together(
    sweep: Sweep, inputs: Inputs, folder: Path, errors: Path, ids: Sequence[str], ran: tuple[str, ...]
) -> SweepResult:
    """Write the tables of all cases that have results, and the manifest last."""
    found = [holds(folder / _CASES / case, sweep.tables) for case in ids]
    overview = case_frame(sweep.cases, ids, [_error(error_file(errors, case)) for case in ids], inputs)
    there = [
        (case, read_run(folder / _CASES / number))
        for case, number, is_there in zip(sweep.cases, ids, found, strict=True)
        if is_there
    ]
    hashes = {"cases": _write(folder, "cases", overview)}
    settings = overview.drop([name for name in CASE_COLUMNS if name != "case"])
    for name in sweep.tables if there else ():
        whole = pl.concat([run.table(name).select(pl.lit(case.name).alias("case"), pl.all()) for case, run in there])
        if name == "indicators":
            whole = settings.join(whole, on="case", how="right", maintain_order="right").select(
                *settings.columns, *whole.columns[1:]
            )
        hashes[name] = _write(folder, name, whole)
    seconds = {case.name: run.manifest["seconds"] for case, run in there}
    manifest = {
        "sweep": sweep.name,
        "title_zh": sweep.title_zh,
        "title_en": sweep.title_en,
        "data_hash": inputs.data_hash,
        "version": __version__,
        "complete": all(found),
        "cases": [
            {"case": case.name, "run_id": number, "seconds": seconds.get(case.name)}
            for case, number in zip(sweep.cases, ids, strict=True)
        ],
        "tables": hashes,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    text = json.dumps(manifest, ensure_ascii=False, indent=1)
    partial = folder / f".{MANIFEST}.partial-{os.getpid()}"
    partial.write_text(text, encoding="utf-8")
    partial.replace(folder / MANIFEST)
    return SweepResult(folder, manifest, ran)


def case_frame(cases: Sequence[Case], ids: Sequence[str], errors: Sequence[str | None], inputs: Inputs) -> pl.DataFrame:
    """Return one row per case: name, run id, titles, words against the first case, error, and a column per setting.

    Parameters
    ----------
    cases, ids, errors
        In order.
    inputs
        For the words.

    Notes
    -----
    A setting that a case does not name is empty; a column holds numbers if all its values are, texts (``2027:1.1,2030:1.3``) otherwise.
    """
    resolved = [case.scenario.resolved() for case in cases]
    columns: dict[str, Any] = {
        "case": [case.name for case in cases],
        "run_id": list(ids),
        "title_zh": [case.scenario.title_zh for case in cases],
        "title_en": [case.scenario.title_en for case in cases],
    }
    for lang, joint in (("zh", "；"), ("en", "; ")):
        columns[f"words_{lang}"] = [joint.join(differences(resolved[0], other, inputs, lang)) for other in resolved]
    columns["error"] = pl.Series(errors, dtype=pl.String)
    for key in dict.fromkeys(key for case in cases for key in case.settings):
        values = [case.settings.get(key) for case in cases]
        plain = all(value is None or isinstance(value, (int, float)) for value in values)
        shown = [None if v is None else float(v) if plain else written(v) for v in values]
        columns[f"set.{key}" if key in _TAKEN else key] = pl.Series(shown, dtype=pl.Float64 if plain else pl.String)
    return pl.DataFrame(columns)


def _error(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _write(folder: Path, name: str, table: pl.DataFrame) -> str:
    """Write a table whole or not at all and return its sha256."""
    partial = folder / f".{name}.partial-{os.getpid()}"
    table.write_parquet(partial, compression="zstd", statistics=False)
    digest = hashlib.sha256(partial.read_bytes()).hexdigest()
    partial.replace(folder / f"{name}.parquet")
    return digest
