"""The data pack of a session in its address, so that a reload of the page keeps it: the address names the folder, and nothing outside the packs."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

import streamlit as st

from transport.app import sign_in
from transport.app.pack_uploads import NAMED, SESSION
from transport.store import runs_folder

#: Keys of the session: folder of the pack in use, and its name.
PACK, NAME = "pack", "pack_name"
#: Key in the address.
KEY = "pack"
_NAMED = re.compile(r"([0-9a-f]{12})-([0-9a-f]{16})")


def packs() -> Path:
    """Return the folder of the sessions' folders."""
    return runs_folder().absolute() / "packs"


def take_link() -> None:
    """Take up the pack that the address names; one that is gone, or that a viewer may not lay over the data, is left out."""
    if st.session_state.get(PACK):
        return
    given = _NAMED.fullmatch(st.query_params.get(KEY, ""))
    if given is None:
        return
    folder = packs() / f"{SESSION}{given[1]}" / given[2]
    if not sign_in.may_change() or not folder.is_dir():
        forget()
        return
    st.session_state[PACK] = str(folder)
    with suppress(OSError, UnicodeDecodeError):
        st.session_state[NAME] = folder.with_name(f"{folder.name}{NAMED}").read_text(encoding="utf-8")
    with suppress(OSError):
        # it is in use: what nobody uses for long is removed
        os.utime(folder.parent)


def put_link() -> None:
    """Name the pack of the session in its address."""
    folder = Path(str(st.session_state.get(PACK) or ""))
    if folder.parent.parent == packs() and folder.parent.name.startswith(SESSION):
        st.query_params[KEY] = f"{folder.parent.name.removeprefix(SESSION)}-{folder.name}"
    elif KEY in st.query_params:
        del st.query_params[KEY]


def forget() -> None:
    """Go on without a pack of the session."""
    st.session_state.pop(PACK, None)
    if KEY in st.query_params:
        del st.query_params[KEY]
