"""Catalogue of the runs in the runs folder: who made them, tags, notes, and safe deletion.

The results stay in their run folders (:mod:`transport.store`); the catalogue is a database beside them, ``catalogue.sqlite`` in the runs folder or
any SQLite or PostgreSQL by its URL. It can always be made again from the folders; only authors, tags and notes live in it alone. Runs are named by
their folder relative to the runs folder, so that the folder may be moved or shared.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import shutil
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, unquote

import sqlalchemy as sa

from transport.catalogue_db import NOTES, RUNS, TAGS, in_transaction, now, open_database, told
from transport.catalogue_rows import NEEDED, Entry, Query, conditions, entries_of, number_of, put, put_author, register_rows
from transport.i18n import t
from transport.roles import named_role, require_editor
from transport.store import MANIFEST, StoredRun, StoreError, in_runs_folder, read_run, runs_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from transport.catalogue_db import Result
    from transport.roles import Role

#: File of the catalogue in the runs folder where no store is named.
FILE = "catalogue.sqlite"
#: Folder that takes what is deleted until the catalogue has forgotten it.
TRASH = ".trash"
#: Where run folders lie in the runs folder: runs, cases of sweeps.
_PLACES = (f"*/{MANIFEST}", f"*/cases/*/{MANIFEST}")
_SHORTEST_HASH = 4
#: Field of a manifest that holds the identifier of a backcast.
_BACKCAST = "backcast"


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan of the runs folder found: how many runs were new, and the folders whose manifest cannot be read, with the reason."""

    new: int
    broken: tuple[str, ...]


class Catalogue:
    """The catalogue of a runs folder.

    Parameters
    ----------
    store
        URL of the database, or name of an SQLite file; default the environment variable TRANSPORT_STORE, else ``catalogue.sqlite`` in the
        runs folder.
    runs
        The runs folder; default :func:`transport.store.runs_folder`.
    role
        A viewer may read only. Default the environment variable TRANSPORT_ROLE, else editor.
    author
        Who writes; default the environment variable TRANSPORT_AUTHOR, else the name of the login.

    Raises
    ------
    StoreError
        If the database cannot be opened as a catalogue.

    Notes
    -----
    Every method raises ``StoreError`` if the database fails, and every method that writes ``PermissionError`` for a viewer.
    """

    def __init__(
        self, store: str | None = None, runs: Path | None = None, *, role: Role | None = None, author: str | None = None
    ) -> None:
        self.runs = (runs or runs_folder()).absolute()
        self.role = role or named_role()
        self.author = _login() if author is None else author
        self._engine = open_database(store or os.environ.get("TRANSPORT_STORE") or str(self.runs / FILE), self.role)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    # ---- reading ----

    def entries(self, query: Query = Query()) -> list[Entry]:  # noqa: B008  (frozen)
        """Return the runs that meet all conditions, newest first."""
        wanted = sa.select(RUNS).order_by(RUNS.c.created_at.desc(), RUNS.c.run_id, RUNS.c.folder)
        for condition in conditions(query):
            wanted = wanted.where(condition)
        return self._read(lambda connection: entries_of(connection, wanted))

    def entry(self, name: str) -> Entry:
        """Return one run by its folder (relative to the runs folder, or a path), or by the beginning of its run id.

        Raises
        ------
        StoreError
            If there is none, or more than one.
        """
        folder = self._relative(Path(name)) or name.replace("\\", "/").strip("/")
        columns = RUNS.c.folder == folder
        found = self._read(lambda connection: entries_of(connection, sa.select(RUNS).where(columns)))
        if not found and len(name) >= _SHORTEST_HASH:
            begins = RUNS.c.run_id.startswith(name, autoescape=True)
            found = self._read(lambda connection: entries_of(connection, sa.select(RUNS).where(begins).order_by(RUNS.c.folder)))
        if not found:
            msg = f"the catalogue holds no run {name!r}; see transport runs list, or take in new folders with transport runs scan"
            raise StoreError(msg)
        if len(found) > 1:
            msg = f"{name!r} means more than one run; name the folder: {', '.join(one.folder for one in found)}"
            raise StoreError(msg)
        return found[0]

    def place(self, entry: Entry) -> Path:
        """Return the folder of a run.

        Raises
        ------
        StoreError
            If it does not lie in the runs folder, whatever the catalogue or a link says.
        """
        home = self.runs.resolve()
        place = (home / entry.folder).resolve()
        if not entry.folder or place == home or place != home.joinpath(*entry.folder.split("/")):
            msg = f"{entry.folder!r} does not lie in the runs folder {home}; nothing is done to it"
            raise StoreError(msg)
        return place

    def is_there(self, entry: Entry) -> bool:
        """Return whether the folder of a run is still there."""
        try:
            return (self.place(entry) / MANIFEST).is_file()
        except StoreError:
            return False

    # ---- writing ----

    def register(self, runs: Iterable[StoredRun], *, author: str | None = None) -> int:
        """Take in runs, all in one transaction; what is known already is brought up to date.

        Parameters
        ----------
        runs
            Runs in the runs folder; others are left out.
        author
            Who made them; default who opened the catalogue.

        Returns
        -------
        int
            How many lie in the runs folder.

        Notes
        -----
        Where another run has taken the place of one with the same folder, its tags go, for they were said of the other one; notes stay and
        carry the id of the run they were written about.
        """
        self._may_write()
        by = self.author if author is None else author
        rows = self._placed(runs)
        if rows:
            self._write(lambda connection: register_rows(connection, rows, by))
        return len(rows)

    def scan(self) -> Scan:
        """Take in all run folders that the catalogue does not know, and empty the trash of what it has forgotten.

        Returns
        -------
        Scan
            How many were new, and what cannot be read.
        """
        self._may_write()
        there, broken = _manifests(self.runs)
        rows = self._placed(there)

        def work(connection: sa.Connection) -> Scan:
            known = {row.folder: row.run_id for row in connection.execute(sa.select(RUNS.c.folder, RUNS.c.run_id))}
            new = {folder: run for folder, run in rows.items() if known.get(folder) != run.manifest["run_id"]}
            register_rows(connection, new, "")
            self._empty_trash(set(known))
            return Scan(len(new), tuple(broken))

        return self._write(work)

    def tag(self, name: str, tags: Sequence[str]) -> Entry:
        """Put tags on a run.

        Parameters
        ----------
        name
            As in :meth:`entry`.
        tags
            Words without spaces at their ends.

        Raises
        ------
        StoreError
            If there is no such run, or a tag is empty.
        """
        self._may_write()
        words = sorted({tag.strip() for tag in tags})
        if not words or not all(words):
            msg = "a tag is a word; it must not be empty"
            raise StoreError(msg)
        folder = self.entry(name).folder

        def work(connection: sa.Connection) -> None:
            number = number_of(connection, folder)
            put_author(connection, self.author)
            for word in words:
                put(connection, TAGS, {"run": number, "tag": word, "author": self.author, "at": now()})

        self._write(work)
        return self.entry(folder)

    def untag(self, name: str, tags: Sequence[str]) -> Entry:
        """Take tags off a run; what it does not carry is nothing to take off."""
        self._may_write()
        folder = self.entry(name).folder

        def work(connection: sa.Connection) -> None:
            number = number_of(connection, folder)
            connection.execute(TAGS.delete().where(TAGS.c.run == number, TAGS.c.tag.in_([tag.strip() for tag in tags])))

        self._write(work)
        return self.entry(folder)

    def note(self, name: str, text: str) -> Entry:
        """Write a note on a run.

        Raises
        ------
        StoreError
            If there is no such run, or nothing is written.
        """
        self._may_write()
        if not text.strip():
            msg = "a note must say something"
            raise StoreError(msg)
        folder = self.entry(name).folder

        def work(connection: sa.Connection) -> None:
            put_author(connection, self.author)
            run = connection.execute(sa.select(RUNS.c.id, RUNS.c.run_id).where(RUNS.c.folder == folder)).one()
            row = {"run": run.id, "run_id": run.run_id, "text": text.strip(), "author": self.author, "at": now()}
            connection.execute(NOTES.insert().values(row))

        self._write(work)
        return self.entry(folder)

    def delete(self, name: str) -> Path | None:
        """Delete a run: its row in the catalogue and its folder, both or neither.

        Parameters
        ----------
        name
            As in :meth:`entry`.

        Returns
        -------
        Path or None
            The folder that is gone; None if there was none any more.

        Raises
        ------
        StoreError
            If the folder lies outside the runs folder, is no run folder, or cannot be moved away; nothing is changed then.

        Notes
        -----
        The row goes first but is not committed until the folder has been renamed into the trash; only after the commit its files are removed.
        A process that is killed in between leaves either both or a folder in the trash, which ``scan`` empties.
        """
        self._may_write()
        entry = self.entry(name)
        place = self.place(entry)
        if place.exists() and not (place / MANIFEST).is_file():
            msg = f"{place} is no run folder: it has no {MANIFEST}; nothing was deleted"
            raise StoreError(msg)
        aside = self.runs / TRASH / f"{quote(entry.folder, safe='')}~{uuid.uuid4().hex}"

        def work(connection: sa.Connection) -> bool:
            connection.execute(RUNS.delete().where(RUNS.c.folder == entry.folder))
            if not place.exists():
                return False
            aside.parent.mkdir(exist_ok=True)
            try:
                place.rename(aside)
            except OSError as error:
                msg = f"cannot delete {place}: {error.strerror}; close programs that hold its files open"
                raise StoreError(msg) from error
            return True

        def undo() -> None:
            if aside.exists() and not place.exists():
                aside.rename(place)

        was_there = self._write(work, undo)
        shutil.rmtree(aside, ignore_errors=True)
        _remove_if_empty(aside.parent)
        return place if was_there else None

    # ---- inside ----

    def _read(self, work: Callable[[sa.Connection], Result]) -> Result:
        with told(self._engine.url):
            return in_transaction(self._engine, work, writes=False)

    def _write(self, work: Callable[[sa.Connection], Result], undo: Callable[[], None] | None = None) -> Result:
        with told(self._engine.url):
            return in_transaction(self._engine, work, undo=undo)

    def _may_write(self) -> None:
        require_editor(self.role)

    def _relative(self, folder: Path) -> str | None:
        """Return a folder relative to the runs folder, None if it lies elsewhere."""
        try:
            inner = folder.resolve().relative_to(self.runs.resolve())
        except ValueError:
            return None
        return inner.as_posix() if inner.parts else None

    def _placed(self, runs: Iterable[StoredRun]) -> dict[str, StoredRun]:
        """Return the runs that lie in the runs folder by their folders, in order, so that two writers never wait for each other."""
        found = {folder: run for run in runs if (folder := self._relative(run.folder)) is not None}
        return dict(sorted(found.items()))

    def _empty_trash(self, known: set[str]) -> None:
        """Remove deleted folders that were left when their row was gone; a row that is still there belongs to a deletion under way."""
        trash = self.runs / TRASH
        if not trash.is_dir() or trash.is_symlink():
            return
        for left in trash.iterdir():
            if unquote(left.name.rpartition("~")[0]) not in known:
                shutil.rmtree(left, ignore_errors=True)
        _remove_if_empty(trash)


def register(runs: Iterable[StoredRun], *, store: str | None = None, lang: str = "zh") -> str:
    """Take finished runs into the catalogue, whatever comes of it: a run is never lost because the catalogue fails.

    Parameters
    ----------
    runs
        Runs; those outside the runs folder are left out, and the catalogue is not even opened if none lies in it.
    store
        As in :class:`Catalogue`.
    lang
        Language of the warning.

    Returns
    -------
    str
        The warning if it failed, else nothing.
    """
    inside = [run for run in runs if in_runs_folder(run.folder)]
    if not inside:
        return ""
    try:
        with Catalogue(store) as catalogue:
            catalogue.register(inside)
    except Exception as error:  # noqa: BLE001  (the run is written; whatever is wrong with the catalogue is told and no more)
        return t("runs.not_registered", lang, problem=str(error) or type(error).__name__)
    return ""


# ---- folders -----------------------------------------------------------------------------------------------------------------------


def _manifests(home: Path) -> tuple[list[StoredRun], list[str]]:
    """Return the runs in a runs folder, and what is wrong with those that cannot be read."""
    found, broken = [], []
    for file in (file for place in _PLACES for file in sorted(home.glob(place)) if _is_shown(home, file)):
        try:
            run = _as_run(read_run(file.parent), file)
            missing = [name for name in NEEDED if name not in run.manifest]
        except (OSError, ValueError, TypeError) as error:
            broken.append(f"{file}: {error}")
            continue
        if missing:
            broken.append(f"{file}: {', '.join(missing)}?")
        else:
            found.append(run)
    return found, broken


def _as_run(run: StoredRun, file: Path) -> StoredRun:
    """Return a backcast under the names that the manifest of a run has; a run and an ensemble as they are."""
    about = run.manifest
    if _BACKCAST not in about or "run_id" in about:
        return run
    text = json.dumps(about["resolved"], sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    made = datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat(timespec="seconds")
    more = {"run_id": about[_BACKCAST], "scenario_hash": hashlib.sha256(text.encode()).hexdigest(), "created_at": made}
    return StoredRun(run.folder, {**about, **more})


def _is_shown(home: Path, file: Path) -> bool:
    """Return whether no part of a path is hidden: unfinished runs, the trash."""
    return not any(part.startswith(".") for part in file.relative_to(home).parts)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return


def _login() -> str:
    named = os.environ.get("TRANSPORT_AUTHOR")
    if named is not None:
        return named
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
