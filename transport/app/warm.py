"""What the first page needs is read while the browser loads: first what the scorecard needs, then what draws the charts below it."""

from __future__ import annotations

import importlib
import sys
from contextlib import asynccontextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import streamlit as st

#: Modules of the scorecard, in the order in which the first page needs them.
MODULES = (
    "transport.app.shell",
    "transport.app.overview_tables",
    "transport.app.provenance",
    "transport.progress",
    "pyarrow",
    "streamlit.emojis",
)
#: Modules of its charts.
CHARTS = ("altair", "pydeck")
#: Set when a session draws its page: the thread leaves the rest to it.
ASKED = Event()
#: Time without a session after which charts are read ahead [s]: a browser that opens with the server has asked by then.
QUIET = 5.0
#: Time for which a thread keeps the interpreter [s]: the server hands out the files of the page between two steps of reading and drawing, each file in several
#: turns, and with Python's usual turn of 5 ms the browser waits longer for them than for the numbers.
TURN = 0.0005


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Start reading when the server is ready to listen, so that nothing keeps it from being so.

    Parameters
    ----------
    app
        The server.
    """
    del app
    usual = sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    try:
        warm_up()
        yield
    finally:
        sys.setswitchinterval(usual)


def warm_up() -> Thread:
    """Start reading the modules and the data of the first page, and return the thread that does it."""
    thread = Thread(target=_read, name="warm-up", daemon=True)
    thread.start()
    return thread


def _read() -> None:
    _import(MODULES)
    from transport.app import state
    from transport.findings import DataError
    from transport.i18n import LANGUAGES, texts

    texts(LANGUAGES[0])
    # whatever is wrong with the data is said to the first session, which reads them again
    with suppress(DataError, OSError):
        state.read_ahead()
    # charts are read while nobody waits: a page that is being drawn has the processor to itself up to its scorecard, and imports them below it
    if not ASKED.wait(QUIET):
        _import(CHARTS)


def _import(modules: tuple[str, ...]) -> None:
    for module in modules:
        # whoever needs a module that cannot be imported says so
        with suppress(ImportError):
            importlib.import_module(module)
