"""Scenarios that people save: scenario files in the folder ``scenarios`` of the runs folder, the same files that the command line reads.

A file begins with notes (who saved it and when) as comments ``#: name = text``, which a scenario file may have anywhere. A save replaces a file whole or
not at all, never overwrites a new file of somebody else, and is refused to a viewer (:mod:`transport.roles`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import tomllib
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transport.roles import require_editor
from transport.scenario import ScenarioFile
from transport.store import StoreError, runs_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from transport.roles import Role

#: Folder in the runs folder, and ending of the files.
FOLDER, ENDING = "scenarios", ".toml"
#: Longest name of a file without its ending.
LONGEST = 60
_NOTE = re.compile(r"^#: (\w+) = (.*)$")
#: Not allowed in file names of Windows; slashes nowhere.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{name}{k}" for name in ("com", "lpt") for k in range(1, 10))})
_TRIES = 20


class ShelfError(StoreError):
    """Exception for a name that cannot be used, a file that is gone, or one that somebody else has changed.

    Attributes
    ----------
    key
        What is wrong: ``empty``, ``bundled``, ``taken``, ``gone``, ``changed``.
    name
        The name.
    """

    def __init__(self, name: str, key: str) -> None:
        super().__init__(f"scenario {name!r}: {key}")
        self.key, self.name = key, name


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved scenario.

    Attributes
    ----------
    name
        Of its file, without ending; the name of the scenario.
    text
        Of its file.
    notes
        ``author`` and ``saved_at`` (UTC), and what else was noted.
    """

    name: str
    text: str
    notes: Mapping[str, str]

    @property
    def key(self) -> str:
        """Return the hash of the text."""
        return text_key(self.text)


class Shelf:
    """The saved scenarios of a runs folder.

    Parameters
    ----------
    folder
        Default ``scenarios`` in :func:`transport.store.runs_folder`.
    bundled
        Names that a saved scenario may not have.
    role
        Of whoever asks; default that of the process.
    author
        Who saves.
    """

    def __init__(
        self, folder: Path | None = None, *, bundled: Iterable[str] = (), role: Role | None = None, author: str = ""
    ) -> None:
        self.folder = folder or runs_folder() / FOLDER
        self._bundled = {name.casefold() for name in bundled}
        self._role, self._author = role, author

    def names(self) -> tuple[str, ...]:
        """Return the names of the saved scenarios, sorted."""
        found = (path.name.removesuffix(ENDING) for path in self.folder.glob(f"*{ENDING}") if not path.name.startswith("."))
        return tuple(sorted(name for name in found if name.casefold() not in self._bundled))

    def path(self, name: str) -> Path:
        """Return the file of a saved scenario."""
        return self.folder / f"{name}{ENDING}"

    def read(self, name: str) -> Saved:
        """Return a saved scenario.

        Raises
        ------
        ShelfError
            If there is none of that name.
        """
        try:
            if safe_name(name) != name:
                raise ShelfError(name, "gone")
            text = self.path(name).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            if isinstance(error, ShelfError):
                raise
            raise ShelfError(name, "gone") from error
        return Saved(name, text, notes_of(text))

    def add(self, title: str, file: ScenarioFile) -> str:
        """Save a scenario under a new name; return the name.

        Parameters
        ----------
        title
            What people call it; the file has the same name without signs that a file name may not have.
        file
            The scenario.

        Raises
        ------
        ShelfError
            If the name is empty, that of a bundled scenario, or taken.
        transport.roles.RoleError
            If a viewer asks.
        """
        require_editor(self._role)
        name = safe_name(title)
        if not name:
            raise ShelfError(title, "empty")
        self._must_be_free(name, title)
        self._write(name, self._text(file, title), new=True)
        return name

    def replace(self, name: str, file: ScenarioFile, key: str) -> None:
        """Save a scenario in place of what was saved before.

        Parameters
        ----------
        name
            Of the saved scenario.
        file
            The scenario; it keeps the title.
        key
            Hash of what it was made from.

        Raises
        ------
        ShelfError
            If it is gone, or somebody else has changed it since.
        transport.roles.RoleError
            If a viewer asks.
        """
        require_editor(self._role)
        there = self.read(name)
        if there.key != key:
            raise ShelfError(name, "changed")
        title = parsed(there.text).title_zh
        self._write(name, self._text(file, title), new=False)

    def rename(self, name: str, title: str) -> str:
        """Give a saved scenario another title and name; return the name.

        Raises
        ------
        ShelfError
            If it is gone, or the name is empty, that of a bundled scenario, or taken.
        transport.roles.RoleError
            If a viewer asks.
        """
        require_editor(self._role)
        file = parsed(self.read(name).text)
        new = safe_name(title)
        if not new:
            raise ShelfError(title, "empty")
        if new == name:
            self._write(name, self._text(file, title), new=False)
            return name
        self._must_be_free(new, title, but=name)
        self._write(new, self._text(file, title), new=new.casefold() != name.casefold())
        if new.casefold() != name.casefold() or self.path(name).name in {p.name for p in self.folder.iterdir()}:
            self.path(name).unlink(missing_ok=True)
        return new

    def remove(self, name: str) -> None:
        """Delete a saved scenario; its results stay.

        Raises
        ------
        ShelfError
            If it is gone.
        transport.roles.RoleError
            If a viewer asks.
        """
        require_editor(self._role)
        self.read(name)
        self.path(name).unlink(missing_ok=True)

    def _text(self, file: ScenarioFile, title: str) -> str:
        titled = file.model_copy(update={"title_zh": title.strip(), "title_en": title.strip()})
        at = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
        return as_toml(titled, {"author": self._author, "saved_at": at})

    def _must_be_free(self, name: str, title: str, but: str = "") -> None:
        if name.casefold() in self._bundled:
            raise ShelfError(title, "bundled")
        # Windows does not tell capitals apart
        if name.casefold() in {there.casefold() for there in self.names() if there != but}:
            raise ShelfError(title, "taken")

    def _write(self, name: str, text: str, *, new: bool) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            write_whole(self.path(name), text, new=new)
        except FileExistsError as error:
            raise ShelfError(name, "taken") from error


def safe_name(title: str) -> str:
    """Return a title as the name of a file on every system; empty where nothing is left.

    Examples
    --------
    >>> safe_name(" 铁路/水运: 加强? "), safe_name("con"), safe_name("...")
    ('铁路_水运_ 加强_', 'con_', '')
    """
    name = _FORBIDDEN.sub("_", title.strip())[:LONGEST].strip(" .")
    if name.casefold().partition(".")[0] in _RESERVED:
        name += "_"
    return name


def parsed(text: str) -> ScenarioFile:
    """Return the scenario file of a text that has been checked before."""
    return ScenarioFile.model_validate(tomllib.loads(text))


def notes_of(text: str) -> dict[str, str]:
    r"""Return the notes at the beginning of a file.

    Examples
    --------
    >>> notes_of('#: author = 李\ntitle_zh = "x"')
    {'author': '李'}
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        note = _NOTE.match(line)
        if note is None:
            break
        found[note[1]] = note[2]
    return found


def as_toml(file: ScenarioFile, notes: Mapping[str, str] | None = None) -> str:
    """Return a scenario file as text, in the order of its settings.

    Parameters
    ----------
    file
        The scenario.
    notes
        Comments before it.

    Examples
    --------
    >>> print(as_toml(ScenarioFile(title_zh="例", base="plan_2030", set={"road_toll": {2025: 1.0, 2030: 1.5}})))
    title_zh = "例"
    base = "plan_2030"
    <BLANKLINE>
    [set]
    road_toll = { 2025 = 1.0, 2030 = 1.5 }
    <BLANKLINE>
    """
    lines = [f"#: {name} = {' '.join(value.split())}" for name, value in (notes or {}).items() if value.strip()]
    plain = contents(file)
    run = plain.pop("run", {})
    hold = run.pop("hold", None)
    sections = {name: plain.pop(name) for name in ("set", "projects", "closures", "sites") if name in plain}
    lines += [f"{name} = {_value(value)}" for name, value in plain.items()]
    for name, section in (*sections.items(), ("run", run), ("run.hold", hold)):
        if section:
            lines += ["", f"[{name}]", *(f"{_key(key)} = {_value(value)}" for key, value in section.items())]
    return "\n".join([*lines, ""])


def contents(file: ScenarioFile) -> dict[str, Any]:
    """Return what a scenario file says, without what is left at its default."""
    plain: dict[str, Any] = {"title_zh": file.title_zh}
    for name in ("title_en", "about_zh", "about_en", "base"):
        if getattr(file, name):
            plain[name] = getattr(file, name)
    if file.overrides:
        plain["overrides"] = list(file.overrides)
    for name in ("set", "projects", "closures", "sites"):
        if getattr(file, name):
            plain[name] = dict(getattr(file, name))
    run = file.run.model_dump(exclude_none=True)
    return {**plain, "run": run} if run else plain


def text_key(text: str) -> str:
    """Return what tells one text from another."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_whole(path: Path, text: str, *, new: bool = False) -> None:
    """Write a text file whole or not at all.

    Parameters
    ----------
    path
        Of the file.
    text
        What it says.
    new
        Whether no file may be there.

    Raises
    ------
    FileExistsError
        If there is one and none may be.
    """
    partial = path.with_name(f".{uuid.uuid4().hex}.partial")
    partial.write_bytes(text.encode())
    try:
        if new and os.name == "nt":  # pragma: no cover
            partial.rename(path)
        elif new:
            path.hardlink_to(partial)
        else:
            _replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _replace(partial: Path, path: Path) -> None:
    """Put a file in place of another; a reader on Windows holds it for a moment."""
    for _ in range(_TRIES):
        try:
            partial.replace(path)
        except PermissionError:
            time.sleep(0.05)
        else:
            return
    partial.replace(path)


def _key(key: object) -> str:
    text = str(key)
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else json.dumps(text, ensure_ascii=False)


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{year} = {_value(value[year])}" for year in sorted(value)) + " }"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
