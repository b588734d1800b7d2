"""Folders of many cases (ensembles, sweeps): who may write into one, and what is there to be taken up."""

from __future__ import annotations

import contextlib
import shutil
import time
from typing import TYPE_CHECKING

from transport.store import StoreError, editors_only

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

#: Age from which what is unfinished was left by a process that was killed [s]: tables are written within seconds.
_LEFT_S = 3600.0


def may_take_up(folder: Path, kind: str, manifest: str, *, begun: Callable[[Path], bool]) -> bool:
    """Return whether a folder holds what its manifest tells of; refuse one of something else before anything is computed.

    Parameters
    ----------
    folder
        Where the cases are to be kept.
    kind
        What the folder must be, for the message: ``ensemble``, ``sweep``.
    manifest
        File that says so.
    begun
        Whether a folder without it was stopped before its first manifest, and not somebody else's.

    Returns
    -------
    bool
        False where there is no manifest yet.

    Raises
    ------
    StoreError
        If it is a file, or holds something else.
    transport.roles.RoleError
        If it lies in the runs folder and a viewer asks.
    """
    editors_only(folder)
    if folder.is_file():
        msg = f"{folder} is a file; choose another place"
        raise StoreError(msg)
    if (folder / manifest).is_file():
        return True
    if folder.is_dir() and any(folder.iterdir()) and not begun(folder):
        msg = f"{folder} exists and is no {kind}; choose another place"
        raise StoreError(msg)
    return False


def holds(folder: Path, tables: Sequence[str]) -> bool:
    """Return whether the run folder of a case holds the wanted tables."""
    return (folder / "manifest.json").is_file() and all((folder / f"{name}.parquet").is_file() for name in tables)


def error_file(errors: Path, case: str) -> Path:
    """Return where a case that fails leaves its message."""
    return errors / f"{case}.error.txt"


def is_done(cases: Path, case: str, tables: Sequence[str], errors: Path) -> bool:
    """Return whether a case has its results, or has failed.

    Parameters
    ----------
    cases
        Folder of the run folders of all cases.
    case
        Name of the run folder.
    tables
        Tables that are wanted of it.
    errors
        Folder of the messages of those that failed.
    """
    return holds(cases / case, tables) or error_file(errors, case).is_file()


def clear_unfinished(folder: Path) -> None:
    """Remove what processes that were killed have left unfinished, and not what another one is writing.

    Parameters
    ----------
    folder
        Where finished cases are kept.
    """
    for left in folder.glob(".*.partial-*"):
        with contextlib.suppress(FileNotFoundError):  # just put in place by its process
            if time.time() - left.stat().st_mtime < _LEFT_S:
                continue
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink()
