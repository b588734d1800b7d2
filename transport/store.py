"""Run folders: one Parquet file per table and a manifest, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from transport import __version__
from transport.roles import require_editor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.scenario import Scenario

MANIFEST = "manifest.json"
#: Kind of a folder with a simulated province, and the beginning of its name.
SIMULATION = "simulate"
#: Folder with the results of simulated weeks that runs can take.
FEEDBACK = f"{SIMULATION}-feedback"
#: Manifest fields that differ between two runs of the same inputs.
CLOCK_FIELDS = ("created_at", "seconds", "system_seconds")
_PACKAGES = ("networkx", "numba", "numpy", "polars", "scipy", "simpy")
#: Folder in a run folder with the files besides the data folder that the run read, and the names of a data pack and a feedback table there.
KEPT = "inputs"
KEPT_PACK, KEPT_FEEDBACK = "pack", "feedback.parquet"


def runs_folder() -> Path:
    """Return where runs are kept: the environment variable TRANSPORT_RUNS, else ``runs`` in the working folder."""
    return Path(os.environ.get("TRANSPORT_RUNS") or "runs")


def in_runs_folder(folder: Path) -> bool:
    """Return whether a folder lies in the runs folder."""
    return runs_folder().resolve() in folder.resolve().parents


class StoreError(OSError):
    """Exception for a run folder that is missing, incomplete or cannot be written."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run read back from its folder."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def network(self) -> str:
        """Return the road network the run was made on; runs from before there was a choice have the compact one."""
        return str(self.manifest.get("resolved", {}).get("run", {}).get("network", "compact"))

    def table(self, name: str) -> pl.DataFrame:
        """Return one result table.

        Raises
        ------
        StoreError
            If the run holds no such table.
        """
        path = self.folder / f"{name}.parquet"
        if not path.is_file():
            known = ", ".join(sorted(p.stem for p in self.folder.glob("*.parquet")))
            msg = f"{self.folder.name} holds no table {name!r}; it holds {known}"
            raise StoreError(msg)
        return pl.read_parquet(path)


def run_id(scenario: Scenario, data_hash: str) -> str:
    """Return the identifier of a run: first 12 hex of sha256(resolved scenario + data hash + package version)."""
    text = f"{scenario.scenario_hash()}:{data_hash}:{__version__}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def write_run(
    folder: Path,
    tables: Mapping[str, pl.DataFrame],
    scenario: Scenario,
    data_hash: str,
    *,
    seconds: float,
    kept: Mapping[str, bytes] | None = None,
) -> StoredRun:
    """Write a run folder atomically.

    The tables go to a temporary sibling folder that is renamed at the end: a killed run leaves nothing half-written, and an earlier run
    in the same place stays intact until the new one is complete.

    Parameters
    ----------
    folder
        Place of the run.
    tables
        Result tables by name.
    scenario, data_hash
        What it was made from.
    seconds
        Computing time [s].
    kept
        Files besides the data folder that it read (:func:`files_to_keep`), by their paths in ``inputs/``.

    Raises
    ------
    StoreError
        If the folder cannot be replaced, for example because another program holds one of its files open.
    """
    return _write(folder, tables, _about(scenario, data_hash), seconds, kept or {})


def files_to_keep(scenario: Scenario, pack: Path | None) -> dict[str, bytes]:
    """Return the files besides the data folder that a run reads, by the paths under which its folder keeps them.

    Parameters
    ----------
    scenario
        With its table of results of simulated weeks, if it takes one.
    pack
        Data pack that is laid over the data folder.
    """
    from transport.inputs import pack_files

    found = {f"{KEPT_PACK}/{name}": data for name, data in pack_files(pack).items()} if pack is not None else {}
    table = feedback_file(scenario.feedback) if scenario.feedback else None
    if table is not None:
        found[KEPT_FEEDBACK] = table.read_bytes()
    return found


def surroundings() -> dict[str, Any]:
    """Return what besides the program and its data decides the last digits of a result: Python, machine, packages."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def write_simulation(
    folder: Path,
    tables: Mapping[str, pl.DataFrame],
    scenario: Scenario,
    data_hash: str,
    *,
    seconds: float,
    request: Mapping[str, Any],
    clock: Mapping[str, Any],
) -> StoredRun:
    """Write the tables of a simulated province atomically, as :func:`write_run` does.

    Parameters
    ----------
    folder
        Place of the tables: ``simulate`` in the folder of the run, where it stays when the run is made again.
    tables, scenario, data_hash, seconds
        As in :func:`write_run`.
    request
        What was asked for, kept in the manifest.
    clock
        Further times, kept in the manifest.

    Raises
    ------
    StoreError
        If the folder cannot be replaced.
    """
    about = {**_about(scenario, data_hash), "kind": SIMULATION, **request, **clock}
    return _write(folder, tables, about, seconds)


def write_answer(
    folder: Path,
    tables: Mapping[str, pl.DataFrame],
    scenario: Scenario,
    data_hash: str,
    *,
    kind: str,
    name: str,
    seconds: float,
    asked: Mapping[str, Any],
    kept: Mapping[str, bytes],
) -> StoredRun:
    """Write the answer to a question about a scenario atomically, as :func:`write_run` does.

    Parameters
    ----------
    folder, tables, scenario, data_hash, seconds, kept
        As in :func:`write_run`.
    kind, name
        What it is, and its identifier, which takes the place of that of a run.
    asked
        The question, kept in the manifest.

    Raises
    ------
    StoreError
        If the folder cannot be replaced.
    """
    about = {**_about(scenario, data_hash), **asked, "kind": kind, "run_id": name}
    return _write(folder, tables, about, seconds, kept)


def _about(scenario: Scenario, data_hash: str) -> dict[str, Any]:
    return {
        "run_id": run_id(scenario, data_hash),
        "scenario": scenario.name,
        "title_zh": scenario.title_zh,
        "title_en": scenario.title_en,
        "lineage": list(scenario.lineage),
        "scenario_hash": scenario.scenario_hash(),
        "resolved": scenario.resolved(),
        "data_hash": data_hash,
        "version": __version__,
        **surroundings(),
    }


def _write(
    folder: Path,
    tables: Mapping[str, pl.DataFrame],
    about: Mapping[str, Any],
    seconds: float,
    kept: Mapping[str, bytes] | None = None,
) -> StoredRun:
    folder = folder.absolute()
    editors_only(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.partial-{uuid.uuid4().hex}")
    partial.mkdir()  # with the rights of any folder: colleagues may read the runs of a shared folder
    try:
        hashes: dict[str, str] = {}
        for name in sorted(tables):
            hashes[name] = write_table(partial / f"{name}.parquet", tables[name])
        for name, data in (kept or {}).items():
            path = partial / KEPT / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        manifest = {
            **about,
            "tables": hashes,
            **({KEPT: {name: hashlib.sha256(data).hexdigest() for name, data in sorted(kept.items())}} if kept else {}),
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
        }
        text = json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True)
        (partial / MANIFEST).write_text(text, encoding="utf-8")
        _swap(partial, folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return StoredRun(folder, manifest)


def write_table(path: Path, table: pl.DataFrame) -> str:
    """Write a table as runs keep it and return the sha256 of the file."""
    table.write_parquet(path, compression="zstd", statistics=False)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def may_write(folder: Path) -> None:
    """Refuse a folder that is no run before anything is computed.

    Raises
    ------
    StoreError
        If the folder exists and holds something else than a run, or than simulations of a run that was not made, or nothing may be
        written there.
    transport.roles.RoleError
        If it lies in the runs folder and a viewer asks.
    """
    editors_only(folder)
    near = next(p for p in folder.absolute().parents if p.exists())
    if not os.access(near, os.W_OK):
        msg = f"{folder}: nothing may be written in {near}; choose another place"
        raise StoreError(msg)
    if folder.is_dir() and any(folder.iterdir()) and all(_is_simulation(p) for p in folder.iterdir()):
        return
    if folder.exists() and not (folder / MANIFEST).is_file():
        msg = f"{folder} exists and is no run folder; choose another place"
        raise StoreError(msg)


def editors_only(folder: Path) -> None:
    """Refuse a viewer in the runs folder; what somebody keeps elsewhere is their own.

    Parameters
    ----------
    folder
        Where something is to be written.

    Raises
    ------
    transport.roles.RoleError
        If it lies in the runs folder and a viewer asks.
    """
    if in_runs_folder(folder) or folder.resolve() == runs_folder().resolve():
        require_editor()


def read_run(folder: Path) -> StoredRun:
    """Read the manifest of a run folder.

    Raises
    ------
    StoreError
        If the folder is no run.
    """
    path = folder / MANIFEST
    if not path.is_file():
        msg = f"{folder} is no run folder: it has no {MANIFEST}"
        raise StoreError(msg)
    return StoredRun(folder, json.loads(path.read_text(encoding="utf-8")))


def feedback_file(named: str) -> Path | None:
    """Return the file of the results of simulated weeks that a run takes, None where there is none.

    Parameters
    ----------
    named
        A file, the folder that ``transport simulate --feedback`` wrote, a run folder, or the identifier of a run.
    """
    place = Path(named)
    for folder in (place, place / FEEDBACK, runs_folder() / named / FEEDBACK):
        for file in (folder, folder / "feedback.parquet"):
            if file.is_file() and file.suffix == ".parquet":
                return file
    return None


def feedback_hash(named: str) -> str:
    """Return the hash of the results of simulated weeks that a run takes, empty where there are none.

    Parameters
    ----------
    named
        As in :func:`feedback_file`.
    """
    file = feedback_file(named)
    return "" if file is None else hashlib.sha256(file.read_bytes()).hexdigest()


def read_feedback(named: str) -> pl.DataFrame:
    """Return the results of simulated weeks that a run takes.

    Parameters
    ----------
    named
        As in :func:`feedback_file`.

    Raises
    ------
    StoreError
        If there are none, or the file has been changed since it was written with its manifest.
    """
    file = feedback_file(named)
    if file is None:
        msg = f"{named}: no feedback.parquet there; make one with transport simulate SCENARIO --feedback"
        raise StoreError(msg)
    about = file.with_name(MANIFEST)
    if about.is_file():
        written = json.loads(about.read_text(encoding="utf-8")).get("tables", {}).get(file.stem)
        if written not in (None, feedback_hash(str(file))):
            msg = f"{file} is not what transport simulate --feedback wrote there; make it again with --again"
            raise StoreError(msg)
    return pl.read_parquet(file)


def feedback_origin(named: str) -> Mapping[str, Any] | None:
    """Return the manifest that lies beside the results of simulated weeks a run takes, None where there is none.

    Parameters
    ----------
    named
        As in :func:`feedback_file`.
    """
    file = feedback_file(named)
    about = None if file is None else file.with_name(MANIFEST)
    return json.loads(about.read_text(encoding="utf-8")) if about is not None and about.is_file() else None


def list_runs(root: Path) -> list[StoredRun]:
    """Return the runs in a folder, newest first (ties by identifier), without folders whose manifest is none of a run or cannot be read."""
    found = []
    for path in (path for path in sorted(root.glob(f"*/{MANIFEST}")) if not path.parent.name.startswith(".")):
        with suppress(OSError, ValueError):
            run = read_run(path.parent)
            if isinstance(run.manifest, dict) and {"created_at", "run_id"} <= run.manifest.keys():
                found.append(run)
    return sorted(found, key=lambda run: (str(run.manifest["created_at"]), str(run.manifest["run_id"])), reverse=True)


def _swap(partial: Path, folder: Path) -> None:
    """Put a complete folder in place of an earlier one."""
    if not folder.exists():
        try:
            partial.rename(folder)
        except OSError:
            if not (folder / MANIFEST).is_file():
                raise
        else:
            return
        # another process that made the same run was faster by a moment
    may_write(folder)
    aside = folder.with_name(f".{folder.name}.old-{uuid.uuid4().hex}")
    try:
        folder.rename(aside)
    except OSError as error:
        msg = f"cannot replace {folder}: {error.strerror}; close programs that hold its files open"
        raise StoreError(msg) from error
    try:
        partial.rename(folder)
    except OSError:
        aside.rename(folder)
        raise
    for kept in sorted(aside.glob(f"{SIMULATION}*")):
        # what was simulated belongs to the run that has been made again
        if not (folder / kept.name).exists():
            kept.rename(folder / kept.name)
    shutil.rmtree(aside, ignore_errors=True)


def _is_simulation(path: Path) -> bool:
    return path.name.startswith((SIMULATION, f".{SIMULATION}")) and path.is_dir()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
