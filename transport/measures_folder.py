"""Folders of measures: the tables of ``transport measures`` with a manifest, so that the catalogue and the zip know them like a run."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transport import __version__
from transport.measures import abatement_curve, interaction_table, measure_table, shown_years, work_out
from transport.store import MANIFEST, StoreError, editors_only, files_to_keep, read_run, write_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import polars as pl

    from transport.inputs import Inputs
    from transport.measures import Settings
    from transport.scenario import Scenario
    from transport.store import StoredRun

#: Kind of the folder in its manifest.
KIND = "measures"


@dataclass(frozen=True)
class Asked:
    """What is asked of the measures of a scenario.

    Attributes
    ----------
    base, settings
        Name and levers of the scenario that they are put on; no lever = the rows.
    pairs
        Pairs of a random order and its reverse for the fair shares.
    interactions
        Whether pairs of measures are worked out, too.
    """

    base: str
    settings: Settings
    pairs: int
    interactions: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return what is asked as the manifest holds it."""
        plain = {k: v if isinstance(v, (int, float)) else {str(y): n for y, n in v.items()} for k, v in self.settings.items()}
        return {"base": self.base, "base_settings": plain, "pairs": self.pairs, "interactions": self.interactions}

    @classmethod
    def of(cls, about: Mapping[str, Any]) -> Asked:
        """Return what a manifest says was asked."""
        given: Mapping[str, Any] = about["base_settings"]
        levers = {
            k: float(v) if isinstance(v, (int, float)) else {int(y): float(n) for y, n in v.items()} for k, v in given.items()
        }
        return cls(str(about["base"]), levers, int(about["pairs"]), bool(about["interactions"]))


def identity_of(asked: Asked, scenario_hash: str, data_hash: str, version: str) -> str:
    """Return the identifier of measures: first 12 hex of sha256(scenario, data, version, question).

    Parameters
    ----------
    asked
        Of the manifest.
    scenario_hash, data_hash, version
        Of the manifest.
    """
    question = json.dumps(asked.as_dict(), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{scenario_hash}:{data_hash}:{version}:{question}".encode()).hexdigest()[:12]


def measure_tables(
    scenario: Scenario,
    inputs: Inputs,
    asked: Asked,
    *,
    workers: int | None = None,
    done: Callable[[int, int], None] | None = None,
    scheduler: str | None = None,
) -> dict[str, pl.DataFrame]:
    """Return the tables of the measures of a scenario: ``measures``, ``abatement_curve`` and, if asked for, ``measure_interactions``.

    Parameters
    ----------
    scenario, inputs
        As in :func:`transport.measures.work_out`.
    asked
        The question.
    workers, done, scheduler
        As in :func:`transport.measures.work_out`; the tables are the same bytes for any number.
    """
    found = work_out(
        scenario,
        inputs,
        base=asked.settings,
        pairs=asked.pairs,
        interactions=asked.interactions,
        workers=workers,
        done=done,
        scheduler=scheduler,
    )
    years = shown_years()
    tables = {"measures": measure_table(found, years)}
    tables["abatement_curve"] = abatement_curve(tables["measures"])
    if asked.interactions:
        tables["measure_interactions"] = interaction_table(found, years)
    return tables


def kept_measures(
    folder: Path,
    scenario: Scenario,
    inputs: Inputs,
    asked: Asked,
    *,
    workers: int | None = None,
    done: Callable[[int, int], None] | None = None,
    scheduler: str | None = None,
) -> StoredRun:
    """Return the measures that a folder holds; where it holds nothing yet, work them out and write them, whole or not at all.

    Parameters
    ----------
    folder
        Where they are kept.
    scenario, inputs, asked, workers, done, scheduler
        As in :func:`measure_tables`.

    Raises
    ------
    StoreError
        If the folder holds something else, or the answer to another question.
    transport.roles.RoleError
        If it lies in the runs folder and a viewer asks.
    """
    name = identity_of(asked, scenario.scenario_hash(), inputs.data_hash, __version__)
    there = _there(folder, name)
    if there is not None:
        return there
    start = time.perf_counter()
    tables = measure_tables(scenario, inputs, asked, workers=workers, done=done, scheduler=scheduler)
    return write_answer(
        folder,
        tables,
        scenario,
        inputs.data_hash,
        kind=KIND,
        name=name,
        seconds=time.perf_counter() - start,
        asked=asked.as_dict(),
        kept=files_to_keep(scenario, inputs.pack),
    )


def _there(folder: Path, name: str) -> StoredRun | None:
    """Return the measures that a folder holds already; refuse one of something else before anything is computed."""
    if folder.is_file():
        msg = f"{folder} is a file; choose another place"
        raise StoreError(msg)
    if folder.is_dir() and any(folder.iterdir()):
        found = read_run(folder) if (folder / MANIFEST).is_file() else None
        if found is None or found.manifest.get("kind") != KIND:
            msg = f"{folder} exists and holds no measures; choose another place"
            raise StoreError(msg)
        if found.manifest["run_id"] != name:
            msg = f"{folder} holds other measures ({found.manifest['run_id']}, not {name}); choose another place"
            raise StoreError(msg)
        return found
    editors_only(folder)
    return None
