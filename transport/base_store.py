"""Solved base years on disk, so that a command begins where an earlier one has been already.

A file holds one pickled object and, beside it, its arrays as they lie in memory: they are mapped, not read, and processes of one computer share them.
What is taken from here is bit by bit what was put in; whether a run may stand on it is for :mod:`transport.freight_start` to say.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import pickle
import shutil
import struct
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import platformdirs

#: Files kept, the newest; the largest one [byte]; and how many times its size must be free on the disk.
_MOST, _LARGEST, _FREE = 2, 2_000_000_000, 4
_MARK, _SUFFIX = b"transport base 1\n", ".base"
_COUNT, _ALIGN = struct.Struct("<Q"), 64
#: Packages whose release may move the last bits of a result, or how an object is taken apart.
_PACKAGES = ("numpy", "numba", "scipy", "polars", "networkx")


def base_folder() -> Path | None:
    """Return where solved base years are kept: the environment variable TRANSPORT_CACHE, else the user's own cache; ``off`` = nowhere."""
    named = os.environ.get("TRANSPORT_CACHE", "")
    if named == "off":
        return None
    return Path(named) if named else platformdirs.user_cache_path("liaoning-transport", appauthor=False)


@cache
def _program() -> str:
    """Return what tells this program on this computer from any other that might leave something in the same folder."""
    found = hashlib.sha256()
    here = Path(__file__).resolve().parent
    for source in sorted([*here.rglob("*.py"), *(here.parent / "networks").rglob("*.py")]):
        found.update(source.relative_to(here.parent).as_posix().encode() + b"\0" + source.read_bytes())
    features = llvm.get_host_cpu_features().flatten()
    about = (sys.version, sys.platform, llvm.get_host_cpu_name(), features, *(version(name) for name in _PACKAGES))
    found.update("\0".join(about).encode())
    return found.hexdigest()[:16]


def keep(thing: object, folder: Path, key: str) -> bool:
    """Put an object into the folder, unless it is there or too large; a full disk or a folder that may not be written to is no error.

    Parameters
    ----------
    thing
        What can be pickled; its arrays must not change any more.
    folder
        From :func:`base_folder`; made for this user alone.
    key
        What the object belongs to; letters and digits.

    Returns
    -------
    bool
        Whether it is there now.
    """
    file = folder / f"{_program()}-{key}{_SUFFIX}"
    partial = file.with_suffix(f".{os.getpid()}")
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(thing, protocol=5, buffer_callback=buffers.append)
    raw = [buffer.raw() for buffer in buffers]
    size = len(head) + sum(view.nbytes + _ALIGN for view in raw)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if file.exists():
            return True
        if size > _LARGEST or shutil.disk_usage(folder).free < _FREE * size:
            return False
        with partial.open("wb") as out:
            out.write(
                _MARK + _COUNT.pack(len(raw)) + b"".join(_COUNT.pack(view.nbytes) for view in raw) + _COUNT.pack(len(head)) + head
            )
            for view in raw:
                out.write(b"\0" * (-out.tell() % _ALIGN))
                out.write(view)
        partial.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        return False
    _tidy(folder)
    return True


def kept(folder: Path) -> list[Any]:
    """Return what this program has put into the folder, the newest last; what cannot be read is passed over.

    Parameters
    ----------
    folder
        From :func:`base_folder`; only one that nobody else writes to, as anything may be run by reading it.
    """
    found = []
    for file in _files(folder, f"{_program()}-*{_SUFFIX}") if _own(folder) else []:
        with contextlib.suppress(OSError, ValueError, EOFError, pickle.UnpicklingError, struct.error):
            found.append(_read(file))
    return found


def _own(folder: Path) -> bool:
    """Return whether nobody but this user can have put anything into the folder."""
    if os.name == "nt":  # the user's profile is closed to others
        return True
    try:
        about = folder.stat()
    except OSError:
        return False
    return about.st_uid == os.getuid() and not about.st_mode & 0o022


def _read(file: Path) -> Any:
    """Return the object of a file; its arrays are copied from the disk page by page as they are touched."""
    with file.open("rb") as opened:
        whole = memoryview(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY))
    if whole[: len(_MARK)] != _MARK:
        msg = f"{file} does not hold a solved base year"
        raise ValueError(msg)
    at = len(_MARK)

    def number() -> int:
        nonlocal at
        at += _COUNT.size
        return int(_COUNT.unpack(whole[at - _COUNT.size : at])[0])

    sizes = [number() for _ in range(number())]
    length = number()
    head, at, views = whole[at : at + length], at + length, []
    for size in sizes:
        at += -at % _ALIGN
        views.append(whole[at : at + size])
        at += size
    if at != len(whole):
        msg = f"{file} has {len(whole)} bytes, not {at}"
        raise ValueError(msg)
    return pickle.loads(head, buffers=views)  # noqa: S301  (a folder of this user's own, like the compiled code beside it)


def _files(folder: Path, pattern: str) -> list[Path]:
    """Return the files of a folder, the newest last."""
    with contextlib.suppress(OSError):
        return sorted(folder.glob(pattern), key=lambda file: (file.stat().st_mtime_ns, file.name))
    return []


def _tidy(folder: Path) -> None:
    """Leave the newest files, of whatever program; one that is in use may stay."""
    for file in _files(folder, f"*{_SUFFIX}")[:-_MOST]:
        with contextlib.suppress(OSError):
            file.unlink()
