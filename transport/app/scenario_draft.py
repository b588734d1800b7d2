"""What a session edits: drafts of scenarios, kept as files so that a reload of the page, another page and a new start of the app find them again.

A draft is a scenario file ``.drafts/<name>.toml`` in the runs folder; the link of the session names its drafts. The session works on its own text and
the file follows it. Where another session has changed the file (somebody opened a copied address), or it is the draft of somebody else who has signed
in, the session goes on in a new file: nobody overwrites what somebody else does. A viewer follows the drafts of others; what a viewer opens from a link
stays in the session and is no file.
"""

from __future__ import annotations

import re
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import streamlit as st

from transport.app import sign_in
from transport.scenario_shelf import ENDING, as_toml, notes_of, parsed, write_whole
from transport.store import runs_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from transport.scenario import ScenarioFile

#: Folder of the drafts in the runs folder, and beginning of their names.
FOLDER, BEGINNING = ".drafts", "draft-"
#: Key in the link, and most drafts of a session.
KEY, MOST = "draft", 4
#: Age at which a draft that nobody touched is removed [s].
KEPT = 90 * 24 * 3600.0
_TEXTS = "draft_texts"
_NAME = re.compile(rf"{BEGINNING}[0-9a-f]{{10}}")


def names() -> list[str]:
    """Return the drafts of the session, the oldest first."""
    return list(_texts())


def is_draft(name: str) -> bool:
    """Return whether a scenario is a draft."""
    return _NAME.fullmatch(name) is not None


def path_of(name: str) -> Path:
    """Return the file of a draft."""
    return _folder() / f"{name}{ENDING}"


def text_of(name: str) -> str:
    """Return the text of a draft of the session."""
    return _texts()[name]


def file_of(name: str) -> ScenarioFile:
    """Return a draft of the session."""
    return parsed(text_of(name))


def notes(name: str) -> dict[str, str]:
    """Return what was noted of a draft: ``origin`` and ``origin_key`` of the saved scenario that it was made from."""
    return notes_of(text_of(name))


def take_link() -> None:
    """Take up the drafts that the link names, and move on to new files where other sessions have changed them."""
    texts = _texts()
    for name in [one for one in st.query_params.get(KEY, "").split(",") if _NAME.fullmatch(one)][:MOST]:
        if name not in texts:
            with suppress(OSError, ValueError):
                text = path_of(name).read_text(encoding="utf-8")
                parsed(text)
                texts[name] = text
    st.session_state[_TEXTS] = texts
    for name in list(texts):
        try:
            there = path_of(name).read_text(encoding="utf-8")
        except OSError:
            if sign_in.may_change():
                with suppress(OSError):
                    _write(name, texts[name])
            continue
        if there == texts[name]:
            continue
        if sign_in.may_change():
            _move(name)
        else:
            with suppress(ValueError):
                parsed(there)
                st.session_state[_TEXTS] = {**_texts(), name: there}


def put_link() -> None:
    """Name the drafts of the session in its link."""
    kept = [name for name in names() if path_of(name).is_file()]
    if kept:
        st.query_params[KEY] = ",".join(kept)
    elif KEY in st.query_params:
        del st.query_params[KEY]


def add(file: ScenarioFile, noted: Mapping[str, str] | None = None) -> str:
    """Begin a draft; return its name. The oldest of too many drafts leaves the session, its file stays.

    Parameters
    ----------
    file
        The scenario.
    noted
        Notes of the file.
    """
    name = f"{BEGINNING}{secrets.token_hex(5)}"
    text = as_toml(file, {**(noted or {}), **_author()})
    if sign_in.may_change():
        _sweep()
        _write(name, text)
    texts = {**_texts(), name: text}
    st.session_state[_TEXTS] = dict(list(texts.items())[-MOST:])
    return name


def change(name: str, file: ScenarioFile) -> None:
    """Change a draft of the session.

    Parameters
    ----------
    name
        Of the draft.
    file
        What it is now.
    """
    name = _mine(name)
    text = as_toml(file, notes(name))
    if sign_in.may_change():
        _write(name, text)
    st.session_state[_TEXTS] = {**_texts(), name: text}


def drop(name: str) -> None:
    """Take a draft out of the session and remove its file, unless it is that of somebody else."""
    texts = _texts()
    is_mine = sign_in.may_change() and not _is_foreign(name)
    texts.pop(name, None)
    st.session_state[_TEXTS] = texts
    if is_mine:
        path_of(name).unlink(missing_ok=True)


def _texts() -> dict[str, str]:
    return dict(st.session_state.get(_TEXTS, {}))


def _folder() -> Path:
    return runs_folder().absolute() / FOLDER


def _author() -> dict[str, str]:
    """Return the note of who makes a draft, where people sign in."""
    who = sign_in.person().name
    return {"author": who} if who else {}


def _is_foreign(name: str) -> bool:
    """Return whether somebody else has made a draft of the session, or another session has changed its file."""
    who = sign_in.person().name
    if notes(name).get("author", who) != who:
        return True
    try:
        return path_of(name).read_text(encoding="utf-8") != text_of(name)
    except OSError:
        return False


def _mine(name: str) -> str:
    """Return the name under which the session may write: a draft of somebody else goes on in a new file."""
    return _move(name) if sign_in.may_change() and _is_foreign(name) else name


def _move(name: str) -> str:
    """Go on in a new file, under a new name; return it."""
    texts = _texts()
    new = f"{BEGINNING}{secrets.token_hex(5)}"
    texts[name] = as_toml(file_of(name), {**notes(name), **_author()})
    _write(new, texts[name])
    st.session_state[_TEXTS] = {new if one == name else one: text for one, text in texts.items()}
    if st.session_state.get("scenario") == name:
        st.session_state["scenario"] = new
    return new


def _write(name: str, text: str) -> None:
    _folder().mkdir(parents=True, exist_ok=True)
    write_whole(path_of(name), text)


def _sweep() -> None:
    if not _folder().is_dir():
        return
    for path in _folder().glob(f"{BEGINNING}*{ENDING}"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > KEPT:
                path.unlink()
