"""What the first page needs is read while the browser opens."""

from __future__ import annotations

import importlib
from contextlib import suppress
from threading import Thread

#: Packages that take longest to read, in the order in which the first page needs them.
PACKAGES = ("polars", "altair", "pydeck")


def warm_up() -> Thread:
    """Start reading the packages and the data of the first page, and return the thread that does it."""
    thread = Thread(target=_read, name="warm-up", daemon=True)
    thread.start()
    return thread


def _read() -> None:
    for package in PACKAGES:
        importlib.import_module(package)
    from transport.app import state
    from transport.findings import DataError

    # whatever is wrong with the data is said to the first session, which reads them again
    with suppress(DataError, OSError):
        state.read_ahead()
