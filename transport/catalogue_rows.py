"""Rows of the catalogue: what a run, a note and a question are, and the statements that read and write them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from transport.catalogue_db import AUTHORS, LEVERS, NOTES, RUNS, SCENARIOS, TAGS, now

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.params import LeverValue
    from transport.store import StoredRun


#: What a manifest must say for its run to be taken in.
NEEDED = ("run_id", "scenario", "created_at", "version", "data_hash", "scenario_hash", "resolved")


@dataclass(frozen=True, slots=True)
class Note:
    """A note on a run.

    Attributes
    ----------
    text, author, at
        What was written, by whom and when (UTC).
    run_id
        The run that the folder held then.
    """

    text: str
    author: str
    at: str
    run_id: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A run in the catalogue.

    Attributes
    ----------
    folder
        Run folder relative to the runs folder, with slashes.
    run_id, scenario, title_zh, title_en, version, data_hash, scenario_hash, created_at, seconds
        As in the manifest.
    author
        Who made it; empty if it was taken in from a folder.
    registered_at
        When the catalogue took it in (UTC).
    levers
        What the scenario sets.
    tags
        Sorted.
    notes
        Oldest first.
    """

    folder: str
    run_id: str
    scenario: str
    title_zh: str
    title_en: str
    author: str
    created_at: str
    registered_at: str
    version: str
    data_hash: str
    scenario_hash: str
    seconds: float
    levers: Mapping[str, Any]
    tags: tuple[str, ...]
    notes: tuple[Note, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the entry as plain values."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        notes = [{name: getattr(note, name) for name in note.__slots__} for note in self.notes]
        return {**plain, "tags": list(self.tags), "notes": notes}


@dataclass(frozen=True, slots=True)
class Query:
    """What to find; what is empty does not matter.

    Attributes
    ----------
    scenario
        Name of the scenario, or part of a title.
    tag, author
        As they are.
    text
        Part of a note, whatever its case.
    since, until
        First and last day the run may have been made on (``2026-11-23``, UTC).
    levers
        Levers that the scenario sets, for the whole province or an area, and their value; None = any value.
    hash
        Beginning of the run id, of the hash of the scenario or of that of the data.
    """

    scenario: str = ""
    tag: str = ""
    author: str = ""
    text: str = ""
    since: str = ""
    until: str = ""
    levers: tuple[tuple[str, LeverValue | None], ...] = ()
    hash: str = ""


def entries_of(connection: sa.Connection, wanted: sa.Select[Any]) -> list[Entry]:
    """Return the runs of a question with their tags, notes and levers, in its order."""
    rows = connection.execute(wanted).mappings().all()
    chosen = wanted.with_only_columns(RUNS.c.id).order_by(None)
    hashes = wanted.with_only_columns(RUNS.c.scenario_hash).order_by(None)
    tags: dict[int, list[str]] = {}
    for run, tag in connection.execute(sa.select(TAGS.c.run, TAGS.c.tag).where(TAGS.c.run.in_(chosen))):
        tags.setdefault(run, []).append(tag)
    notes: dict[int, list[Note]] = {}
    for row in connection.execute(sa.select(NOTES).where(NOTES.c.run.in_(chosen)).order_by(NOTES.c.id)):
        notes.setdefault(row.run, []).append(Note(row.text, row.author, row.at, row.run_id))
    levers: dict[str, dict[str, Any]] = {}
    for row in connection.execute(sa.select(LEVERS).where(LEVERS.c.scenario_hash.in_(hashes))):
        levers.setdefault(row.scenario_hash, {})[row.lever] = json.loads(row.value)
    return [
        Entry(
            **{name: value for name, value in row.items() if name != "id"},
            levers=dict(sorted(levers.get(row["scenario_hash"], {}).items())),
            tags=tuple(sorted(tags.get(row["id"], []))),
            notes=tuple(notes.get(row["id"], [])),
        )
        for row in rows
    ]


def conditions(query: Query) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of a question."""
    found: list[sa.ColumnElement[bool]] = []
    if query.scenario:
        titles = [RUNS.c.title_zh, RUNS.c.title_en]
        found.append(sa.or_(RUNS.c.scenario == query.scenario, *(_has(title, query.scenario) for title in titles)))
    if query.tag:
        found.append(RUNS.c.id.in_(sa.select(TAGS.c.run).where(TAGS.c.tag == query.tag)))
    if query.author:
        found.append(RUNS.c.author == query.author)
    if query.text:
        found.append(RUNS.c.id.in_(sa.select(NOTES.c.run).where(_has(NOTES.c.text, query.text))))
    day = sa.func.substr(RUNS.c.created_at, 1, len("2026-11-23"))
    if query.since:
        found.append(day >= query.since)
    if query.until:
        found.append(day <= query.until)
    for name, value in query.levers:
        rows = sa.select(LEVERS.c.scenario_hash).where(
            sa.or_(LEVERS.c.lever == name, LEVERS.c.lever.startswith(f"{name}@", autoescape=True))
        )
        found.append(RUNS.c.scenario_hash.in_(rows if value is None else rows.where(LEVERS.c.value == _written(value))))
    if query.hash:
        hashes = (RUNS.c.run_id, RUNS.c.scenario_hash, RUNS.c.data_hash)
        found.append(sa.or_(*(column.startswith(query.hash, autoescape=True) for column in hashes)))
    return found


def _has(column: sa.Column[str], text: str) -> sa.ColumnElement[bool]:
    # lower() of a database may know the letters of ASCII only: a text in its own case is found in any alphabet
    return sa.or_(column.contains(text, autoescape=True), sa.func.lower(column).contains(text.lower(), autoescape=True))


def register_rows(connection: sa.Connection, runs: Mapping[str, StoredRun], author: str) -> None:
    """Write the rows of runs.

    Parameters
    ----------
    connection
        In a transaction.
    runs
        By folder, in order.
    author
        Who made them.
    """
    put_author(connection, author)
    for folder, run in runs.items():
        about = run.manifest
        put(connection, SCENARIOS, {"hash": about["scenario_hash"], "resolved": _json(about["resolved"])})
        for lever, value in sorted(about["resolved"].get("set", {}).items()):
            put(connection, LEVERS, {"scenario_hash": about["scenario_hash"], "lever": lever, "value": _json(value)})
        row = {
            "folder": folder,
            **{name: str(about[name]) for name in NEEDED if name != "resolved"},
            **{name: str(about.get(name) or "") for name in ("title_zh", "title_en")},
            "seconds": float(about.get("seconds") or 0.0),
            "author": author,
            "registered_at": now(),
        }
        before = connection.execute(sa.select(RUNS.c.id, RUNS.c.run_id).where(RUNS.c.folder == folder)).one_or_none()
        if before is not None and before.run_id != row["run_id"]:
            connection.execute(TAGS.delete().where(TAGS.c.run == before.id))
        put(connection, RUNS, row, update=[name for name in row if name != "folder"])


def put_author(connection: sa.Connection, name: str) -> None:
    """Make sure that an author is known."""
    put(connection, AUTHORS, {"name": name, "since": now()})


def put(connection: sa.Connection, table: sa.Table, row: Mapping[str, Any], update: Sequence[str] = ()) -> None:
    """Insert a row; where one with the same key is there, another process may have been faster, bring the named columns up to date."""
    made = (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(table).values(row)
    if update:
        made = made.on_conflict_do_update(index_elements=["folder"], set_={name: made.excluded[name] for name in update})
    else:
        made = made.on_conflict_do_nothing()
    connection.execute(made)


def number_of(connection: sa.Connection, folder: str) -> int:
    """Return the key of a run by its folder."""
    return int(connection.execute(sa.select(RUNS.c.id).where(RUNS.c.folder == folder)).scalar_one())


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _written(value: LeverValue) -> str:
    """Return a lever's value as the resolved scenario holds it."""
    if isinstance(value, (int, float)):
        return _json(float(value))
    return _json({str(year): float(number) for year, number in value.items()})
