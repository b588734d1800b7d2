"""Locks of files that the operating system lets go when their process ends, however it ends."""

from __future__ import annotations

import sys
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _lock(file: IO[bytes], *, only_look: bool) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        if only_look:
            _unlock(file)

    def _unlock(file: IO[bytes]) -> None:
        # closing lets go as well, but when is left to the system
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _lock(file: IO[bytes], *, only_look: bool) -> None:
        # two that only look do not see each other
        fcntl.flock(file, (fcntl.LOCK_SH if only_look else fcntl.LOCK_EX) | fcntl.LOCK_NB)

    def _unlock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)


def take(path: Path) -> IO[bytes] | None:
    """Lock a file; return it open, None if another process has it.

    Parameters
    ----------
    path
        It is made where there is none.
    """
    file = path.open("ab")
    try:
        _lock(file, only_look=False)
    except OSError:
        file.close()
        return None
    return file


def is_held(path: Path) -> bool:
    """Return whether a process has a file locked."""
    try:
        file = path.open("r+b")
    except OSError:
        return False
    with file:
        try:
            _lock(file, only_look=True)
        except OSError:
            return True
    return False


def let_go(file: IO[bytes]) -> None:
    """Unlock a file that :func:`take` returned, and close it.

    Parameters
    ----------
    file
        It stays where it is: whoever removes it takes it from somebody who has just locked it.
    """
    with file:
        _unlock(file)
