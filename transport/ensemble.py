"""Many draws of a scenario: chunks of a fixed size on local processes or a cluster, kept as they are finished and put together as tables.

A chunk is the central draw and some others side by side along the draw axis. Its bytes depend on the draws in it and on nothing else, so that the
number of workers changes nothing, an ensemble that was stopped goes on where it was, and two scenarios with one seed share every draw.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from transport import __version__, pool
from transport.case_folder import clear_unfinished, may_take_up
from transport.cluster import ClusterError
from transport.ensemble_tables import ensemble_tables, kept_years, series_frame
from transport.evaluate import evaluate_drawn
from transport.freight_start import FreightStarts
from transport.layout import year_index
from transport.params import ranged_keys, seed_for
from transport.sampling import quantiles
from transport.store import KEPT, StoreError, editors_only, files_to_keep, runs_folder, surroundings
from transport.store import MANIFEST as RUN_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from transport.evaluate import Outcome
    from transport.inputs import Inputs
    from transport.sampling import Design, Key
    from transport.scenario import Capacity, Scenario

    Array = NDArray[np.float64]
    #: Scenario, data, quantiles by input, number of draws, networks of earlier chunks -> indicators.
    Evaluate = Callable[[Scenario, Inputs, Mapping[Key, Array], int, FreightStarts], Outcome]
    #: Called with (draws done, all draws).
    Progress = Callable[[int, int], None]

#: Most draws of a chunk beside the central one, which is worked out again in each: a smaller one costs more, a larger one more memory.
CHUNK = 125
#: Draws from which there are two chunks at least.
_TWO = 16
MANIFEST = "ensemble.json"
#: Kind of a folder with an ensemble, in the manifest that it has like a run once it is complete.
KIND = "ensemble"
_CHUNKS, _SERIES = "chunks", "series"
#: Columns of a chunk.
_VALUES = {"draw": pl.Int32, "series": pl.Int32, "year": pl.Int16, "value": pl.Float64}


class EnsembleError(RuntimeError):
    """Exception for an ensemble whose draws all fail, or a draw that it does not have."""


@dataclass(frozen=True)
class Cases:
    """Quantiles of many cases.

    Attributes
    ----------
    keys
        Inputs.
    quantile
        Quantile of every case and input ``[case, key]``, NaN = central value. Case 0 is the central run.
    """

    keys: tuple[Key, ...]
    quantile: Array

    @property
    def count(self) -> int:
        """Return the number of cases beside the central one."""
        return len(self.quantile) - 1

    def of(self, cases: Sequence[int]) -> dict[Key, Array]:
        """Return key -> quantile of the central run and then of some cases, keys that never vary left out."""
        part = self.quantile[[0, *cases]]
        varied = np.asarray(np.any(~np.isnan(part), axis=0))
        return {key: np.ascontiguousarray(part[:, k]) for k, key in enumerate(self.keys) if varied[k]}


@dataclass(frozen=True)
class Chunk:
    """Some cases that are worked out together.

    Attributes
    ----------
    scenario, inputs, starts
        As in :func:`transport.evaluate.evaluate_drawn`.
    cases
        All cases; those of the chunk are ``numbers``.
    evaluate
        What works them out, a top-level function.
    folder
        Where the finished chunk is kept; None = only returned.
    """

    scenario: Scenario
    inputs: Inputs
    starts: FreightStarts
    cases: Cases
    numbers: tuple[int, ...]
    evaluate: Evaluate
    folder: Path | None


@dataclass(frozen=True, slots=True)
class Found:
    """What a chunk came to.

    Attributes
    ----------
    first
        Number of its first case.
    values
        Columns draw, series, year, value; the central run as draw 0 in the first chunk only.
    series
        Columns of :func:`transport.ensemble_tables.series_frame`.
    read
        Inputs that were read.
    failed
        Case -> why it has no result.
    """

    first: int
    values: pl.DataFrame
    series: pl.DataFrame
    read: tuple[Key, ...]
    failed: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class EnsembleResult:
    """An ensemble read back from its folder.

    Attributes
    ----------
    folder
        Where it stands.
    manifest
        Scenario, draws, seed, design, data hash, version, effective sample size, failed draws and the hashes of its tables.
    ran
        Draws that were worked out this time; the others were there.
    """

    folder: Path
    manifest: Mapping[str, Any]
    ran: int = 0

    def table(self, name: str) -> pl.DataFrame:
        """Return a table: one of :data:`transport.ensemble_tables.TABLES`.

        Raises
        ------
        StoreError
            If the ensemble has no such table, or is not complete.
        """
        path = self.folder / f"{name}.parquet"
        if name not in self.manifest["tables"] or not path.is_file():
            msg = f"{self.folder.name} holds no table {name!r}; it holds {', '.join(self.manifest['tables'])}"
            raise StoreError(msg)
        return pl.read_parquet(path)


def prepared(scenario: Scenario, *, capacity: Capacity = "fixed") -> Scenario:
    """Return a scenario as every draw of an ensemble runs it: nothing simulated, delays as asked for.

    Parameters
    ----------
    scenario
        A resolved scenario; its own draws and seed play no part.
    capacity
        Delays of the base year, or in each year those of the central run's own flows, for all draws.
    """
    return replace(scenario, capacity=capacity, simulate="none", draws=1, seed=0)


def design_cases(inputs: Inputs, *, draws: int, seed: int, design: Design = "lhs") -> Cases:
    """Return the cases of an ensemble: the central run and ``draws`` more.

    Parameters
    ----------
    inputs
        Checked data, with the ranges and correlations.
    draws, seed, design
        As in :func:`transport.sampling.quantiles`, the central run not counted.
    """
    keys = ranged_keys(inputs.own_parameters())
    drawn = quantiles(keys, draws + 1, lambda name: seed_for(seed, name), design=design, correlations=inputs.correlations())
    table = np.stack([drawn[key] for key in keys], axis=1) if keys else np.full((draws + 1, 0), np.nan)
    return Cases(tuple(keys), table)


def ensemble_id(scenario: Scenario, inputs: Inputs, *, draws: int, seed: int, design: Design) -> str:
    """Return the identifier of an ensemble: first 12 hex of sha256(scenario, data, version, design).

    Parameters
    ----------
    scenario
        From :func:`prepared`.
    inputs, draws, seed, design
        Of the ensemble.
    """
    return identity_of(scenario.scenario_hash(), inputs.data_hash, __version__, draws=draws, seed=seed, design=design)


def run_ensemble(
    scenario: Scenario,
    inputs: Inputs,
    *,
    draws: int,
    seed: int = 0,
    design: Design = "lhs",
    folder: Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
    evaluate: Evaluate = evaluate_drawn,
) -> EnsembleResult:
    """Run the draws of an ensemble that have no result yet and put all together.

    Parameters
    ----------
    scenario
        From :func:`prepared`.
    inputs
        Checked data.
    draws, seed, design
        Draws beside the central one, and what they are drawn by.
    folder
        Where it is kept; ``runs/ensemble-<id>`` by default. A folder of the same ensemble is taken up.
    workers, scheduler
        As in :func:`transport.pool.map`; the tables are the same bytes for any number.
    progress
        Called when draws are done; what is there already counts at once.
    evaluate
        What works out a batch of draws, a top-level function.

    Returns
    -------
    EnsembleResult
        With the tables of :data:`transport.ensemble_tables.TABLES`.

    Raises
    ------
    StoreError
        If the folder holds something else; a viewer who asks for one in the runs folder gets a ``RoleError``.
    EnsembleError
        If no draw has a result.
    KeyboardInterrupt
        If the user stops it; chunks that are done are kept.
    """
    name = ensemble_id(scenario, inputs, draws=draws, seed=seed, design=design)
    where = (folder or runs_folder() / f"ensemble-{name}").absolute()
    _may_write(where, name)
    (where / _CHUNKS).mkdir(parents=True, exist_ok=True)
    about: dict[str, Any] = {
        "ensemble": name,
        "scenario": scenario.name,
        "title_zh": scenario.title_zh,
        "title_en": scenario.title_en,
    }
    about |= {"resolved": scenario.resolved(), "draws": draws, "seed": seed, "design": design, "chunk": CHUNK}
    about |= {"data_hash": inputs.data_hash, "version": __version__}
    _write_text(where / MANIFEST, json.dumps({**about, "complete": False, "tables": {}}, ensure_ascii=False, indent=1))
    start = time.perf_counter()
    cases = design_cases(inputs, draws=draws, seed=seed, design=design)
    ran = run_cases(
        scenario,
        inputs,
        cases,
        folder=where / _CHUNKS,
        workers=workers,
        scheduler=scheduler,
        progress=progress,
        evaluate=evaluate,
    )
    found = read_cases(where / _CHUNKS)
    if len(found.failed) == draws:
        msg = f"no draw of {scenario.name} has a result; the first says: {found.failed[1]}"
        raise EnsembleError(msg)
    tables, effective = ensemble_tables(inputs, cases, found)
    hashes = {table: _write(where, table, frame) for table, frame in tables.items()}
    manifest = {**about, "complete": True, "effective_sample_size": effective, "failed": len(found.failed), "tables": hashes}
    _write_text(where / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1))
    if ran or not (where / RUN_MANIFEST).is_file():
        _write_as_run(where, manifest, scenario, files_to_keep(scenario, inputs.pack), time.perf_counter() - start)
    return EnsembleResult(where, manifest, ran)


def read_ensemble(folder: Path) -> EnsembleResult:
    """Read an ensemble back.

    Raises
    ------
    StoreError
        If the folder holds none.
    """
    path = folder / MANIFEST
    if not path.is_file():
        msg = f"{folder} is no ensemble: it has no {MANIFEST}"
        raise StoreError(msg)
    return EnsembleResult(folder, json.loads(path.read_text(encoding="utf-8")))


def run_one(
    scenario: Scenario,
    inputs: Inputs,
    number: int,
    *,
    draws: int,
    seed: int = 0,
    design: Design = "lhs",
    evaluate: Evaluate = evaluate_drawn,
) -> pl.DataFrame:
    """Return one draw of an ensemble worked out alone.

    Parameters
    ----------
    scenario, inputs, draws, seed, design, evaluate
        As in :func:`run_ensemble`.
    number
        The draw; 0 = the central run.

    Returns
    -------
    frame
        Columns draw, year, value and those that name the series: the rows of the draw in the table ``outcomes``.

    Raises
    ------
    EnsembleError
        If the ensemble has no such draw, or the draw has no result.
    """
    if not 0 <= number <= draws:
        msg = f"there is no draw {number}; the ensemble has draws 1 to {draws}, and 0 for the central run"
        raise EnsembleError(msg)
    cases = design_cases(inputs, draws=draws, seed=seed, design=design)
    numbers = (number,) if number else ()
    found = run_chunk(Chunk(scenario, inputs, FreightStarts(), cases, numbers, evaluate, None), alone=True)
    if found.failed:
        raise EnsembleError(found.failed[number])
    return found.values.filter(pl.col("draw") == number).join(found.series, on="series", how="left", maintain_order="left")


def run_cases(
    scenario: Scenario,
    inputs: Inputs,
    cases: Cases,
    *,
    folder: Path,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
    evaluate: Evaluate = evaluate_drawn,
) -> int:
    """Work out the cases that have no result yet, chunk by chunk, and return how many these were.

    Parameters
    ----------
    scenario, inputs, workers, scheduler, progress, evaluate
        As in :func:`run_ensemble`.
    cases
        The cases; what :func:`read_cases` returns of them.
    folder
        Where finished chunks are kept, each whole or not at all.
    """
    if scheduler is not None and scenario.feedback:
        raise ClusterError(key="cluster.feedback", case=scenario.name, table=scenario.feedback)
    editors_only(folder)
    folder.mkdir(parents=True, exist_ok=True)
    clear_unfinished(folder)
    parts = parts_of(cases.count)
    todo = [part for part in parts if not (folder / _name(part)).is_file()]
    there = cases.count - sum(len(part) for part in todo)
    starts = FreightStarts()
    shared = (inputs, starts, cases)
    keep = None if scheduler else folder
    tasks = [Chunk(scenario, inputs, starts, cases, part, evaluate, keep) for part in todo]
    ends = np.cumsum([0, *(len(part) for part in todo)])
    if progress is not None:
        progress(there, cases.count)

    def tell(done: int) -> None:
        if progress is not None:
            progress(there + int(ends[done]), cases.count)

    def keep_far(_: int, found: Found) -> None:
        if scheduler is not None:  # chunks of a cluster are kept here; local processes write their own
            _keep(folder, found)

    pool.map(run_chunk, tasks, workers=workers, scheduler=scheduler, done=tell, take=keep_far, shared=shared)
    return cases.count - there


def parts_of(count: int) -> list[tuple[int, ...]]:
    """Return the numbers of the cases of each chunk: even parts, and an even number of them, as most computers have an even number of cores.

    Parameters
    ----------
    count
        Cases beside the central one.

    Examples
    --------
    >>> [len(part) for part in parts_of(1000)], [len(part) for part in parts_of(101)], parts_of(2), parts_of(0)
    ([125, 125, 125, 125, 125, 125, 125, 125], [51, 50], [(1, 2)], [()])
    """
    parts = max(-(-count // CHUNK), 1)
    if count >= _TWO:
        parts += parts % 2
    ends = [-(-count * k // parts) for k in range(parts + 1)]
    return [tuple(range(first + 1, last + 1)) for first, last in itertools.pairwise(ends)]


def run_chunk(chunk: Chunk, *, alone: bool = False) -> Found:
    """Work out a chunk and keep it in its folder, if it has one.

    Parameters
    ----------
    chunk
        What to work out. Where the batch fails, its cases are halved until those that fail stand alone, so that one impossible case takes no other along.
    alone
        Whether to return the central run as well, whichever chunk it is.
    """
    try:
        made = [(chunk.numbers, _outcome(chunk, chunk.numbers))]
        failed: dict[int, str] = {}
    except Exception as error:
        if not chunk.numbers:
            raise
        central_run = _outcome(chunk, ())  # where this fails too, no draw is the cause
        made, failed = _by_halves(chunk, error)
        made = made or [((), central_run)]
    central = alone or not chunk.numbers or chunk.numbers[0] == 1
    frames, series = [], pl.DataFrame()
    for k, (numbers, outcome) in enumerate(made):
        if series.is_empty():
            series = series_frame(outcome.series)
        lost = {numbers[place - 1]: why for place, why in outcome.lost.items()}
        failed |= lost
        values = _values(outcome, (0, *numbers), chunk.inputs).filter(~pl.col("draw").is_in(list(lost)))
        frames.append(values if central and k == 0 else values.filter(pl.col("draw") > 0))
    read = sorted(made[0][1].read) if made else []
    empty = pl.DataFrame(schema=_VALUES)
    found = Found(chunk.numbers[0] if chunk.numbers else 0, pl.concat([empty, *frames]), series, tuple(read), failed)
    if chunk.folder is None:
        return found
    _keep(chunk.folder, found)
    return Found(found.first, empty, pl.DataFrame(), (), failed)


def _outcome(chunk: Chunk, numbers: Sequence[int]) -> Outcome:
    return chunk.evaluate(chunk.scenario, chunk.inputs, chunk.cases.of(numbers), len(numbers) + 1, chunk.starts)


def _by_halves(chunk: Chunk, first: Exception) -> tuple[list[tuple[tuple[int, ...], Outcome]], dict[int, str]]:
    """Return the outcomes of the cases of a chunk, halved until what fails stands alone, and why that failed."""
    made: list[tuple[tuple[int, ...], Outcome]] = []
    failed: dict[int, str] = {}
    todo = list(_halves(chunk.numbers))
    if not todo:
        failed[chunk.numbers[0]] = f"{type(first).__name__}: {first}"
    while todo:
        numbers = todo.pop(0)
        try:
            made.append((numbers, _outcome(chunk, numbers)))
        except Exception as error:  # noqa: BLE001  (one case must not take the others along)
            if len(numbers) == 1:
                failed[numbers[0]] = f"{type(error).__name__}: {error}"
            todo = [*_halves(numbers), *todo]
    return made, failed


def _halves(numbers: Sequence[int]) -> list[tuple[int, ...]]:
    """Return two halves of some cases; nothing of one alone."""
    cut = len(numbers) // 2
    return [tuple(numbers[:cut]), tuple(numbers[cut:])] if cut else []


def _values(outcome: Outcome, numbers: Sequence[int], inputs: Inputs) -> pl.DataFrame:
    """Return the kept years of all series as rows, draw by draw."""
    columns: list[Array] = []
    series: list[int] = []
    years: list[int] = []
    for k, one in enumerate(outcome.series):
        kept = kept_years(one.id, inputs)
        values = np.broadcast_to(one.values, (len(numbers), one.values.shape[1]))
        columns.append(values[:, [year_index(year) for year in kept]])
        series += [k] * len(kept)
        years += kept
    matrix = np.concatenate(columns, axis=1)
    return pl.DataFrame(
        {
            "draw": np.repeat(np.asarray(numbers, dtype=np.int32), matrix.shape[1]),
            "series": np.tile(np.asarray(series, dtype=np.int32), len(numbers)),
            "year": np.tile(np.asarray(years, dtype=np.int16), len(numbers)),
            "value": matrix.ravel(),
        },
        schema=_VALUES,
    )


# ---- what is kept ----


def read_cases(folder: Path) -> Found:
    """Return all finished chunks of a folder as one.

    Raises
    ------
    StoreError
        If there is none.
    """
    paths = sorted(folder.glob("[0-9]*.parquet"))
    if not paths:
        msg = f"{folder} holds no finished chunk"
        raise StoreError(msg)
    about = [json.loads(path.with_suffix(".json").read_text(encoding="utf-8")) for path in paths]
    series = pl.read_parquet(folder / f"{_SERIES}.parquet")
    failed = {int(number): text for one in about for number, text in one["failed"].items()}
    read = tuple(sorted({(p, s) for one in about for p, s in one["read"]}))
    return Found(0, pl.concat([pl.read_parquet(path) for path in paths]), series, read, failed)


def _name(numbers: Sequence[int]) -> str:
    return f"{numbers[0] if numbers else 0:07d}.parquet"


def _keep(folder: Path, found: Found) -> None:
    """Write a chunk; its values come last, so that what has them is whole."""
    if not found.series.is_empty() and not (folder / f"{_SERIES}.parquet").is_file():
        _write(folder, _SERIES, found.series)
    stem = f"{found.first:07d}"
    about = {"read": [list(key) for key in found.read], "failed": {str(k): text for k, text in found.failed.items()}}
    _write_text(folder / f"{stem}.json", json.dumps(about, ensure_ascii=False))
    _write(folder, stem, found.values)


def _write(folder: Path, name: str, table: pl.DataFrame) -> str:
    """Write a table whole or not at all and return its sha256."""
    partial = folder / f".{name}.partial-{os.getpid()}"
    table.write_parquet(partial, compression="zstd", statistics=False)
    digest = hashlib.sha256(partial.read_bytes()).hexdigest()
    partial.replace(folder / f"{name}.parquet")
    return digest


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def identity_of(scenario_hash: str, data_hash: str, version: str, *, draws: int, seed: int, design: str) -> str:
    """Return the identifier of an ensemble from what a manifest says of it; arguments as in :func:`ensemble_id`."""
    text = f"{scenario_hash}:{data_hash}:{version}:{draws}:{seed}:{design}:{CHUNK}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _write_as_run(folder: Path, about: Mapping[str, Any], scenario: Scenario, kept: Mapping[str, bytes], seconds: float) -> None:
    """Write the manifest that the catalogue and the zip of a run read, and what else was read."""
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(kept.items())}
    for name, data in kept.items():
        path = folder / KEPT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    said = {name: value for name, value in about.items() if name not in {KIND, "complete", "chunk"}}
    more = {"kind": KIND, "run_id": about[KIND], "scenario_hash": scenario.scenario_hash(), "lineage": list(scenario.lineage)}
    clock = {"created_at": datetime.now(UTC).isoformat(timespec="seconds"), "seconds": round(seconds, 3)}
    whole = {**said, **more, **surroundings(), **({KEPT: hashes} if kept else {}), **clock}
    _write_text(folder / RUN_MANIFEST, json.dumps(whole, ensure_ascii=False, indent=1, sort_keys=True))


def _may_write(folder: Path, name: str) -> None:
    """Refuse a viewer, and a folder that holds something else, or another ensemble, before anything is computed."""
    # one that was stopped before its first chunk has only an empty folder
    if not may_take_up(
        folder,
        KIND,
        MANIFEST,
        begun=lambda held: [x.name for x in held.iterdir()] == [_CHUNKS] and not any((held / _CHUNKS).iterdir()),
    ):
        return
    held = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["ensemble"]
    if held != name:
        msg = f"{folder} holds another ensemble ({held}, not {name}): other draws, seed, settings or data; choose another place"
        raise StoreError(msg)
