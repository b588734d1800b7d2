"""Data that have passed the check before: the typed tables of the program's own data, so that nobody waits for what is known already.

Reading and checking all tables takes most of a second, and each start of the app and each job did it anew on files that had not changed. The tables lie beside
the results that come with the program, under the fingerprint of what was checked, by which rules: a changed byte in the data or in the rules of the check,
and the files are read and checked as ever.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from transport.check_run import Examined

if TYPE_CHECKING:
    from transport.check_run import Layer

#: The tables, one Arrow file each, and the fingerprint as the comment of the archive.
FILE = Path(__file__).resolve().parent / "results" / "checked.zip"
_PARAMETERS, _TARGETS = "parameters", "targets"
_TABLE = "table/"
#: Modules that say what is wrong with data.
_RULES = "check_*.py"


def fingerprint(layer: Layer) -> str:
    """Return the sha256 over every file of a data folder and over the rules that it is checked by.

    Parameters
    ----------
    layer
        The data folder as it was read; unlike the data hash, each byte and each name counts.
    """
    digest = hashlib.sha256(f"polars {pl.__version__}\n".encode())
    rules = {path.name: path.read_bytes() for path in Path(__file__).parent.glob(_RULES)}
    for files in (rules, layer.files):
        for name, data in sorted(files.items()):
            digest.update(f"{name}:{len(data)}\n".encode())
            digest.update(data)
    return digest.hexdigest()


def read_checked(layer: Layer, file: Path = FILE) -> Examined | None:
    """Return the tables of a data folder that is known to be without findings, None where it is not known.

    Parameters
    ----------
    layer
        The data folder as it was read.
    file
        Archive of :func:`write_checked`.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            if archive.comment.decode() != fingerprint(layer):
                return None
            frames = {name: pl.read_ipc(io.BytesIO(archive.read(name))) for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile):
        # without the file, or with half of it, the data are read as ever
        return None
    tables = {name.removeprefix(_TABLE): frame for name, frame in frames.items() if name.startswith(_TABLE)}
    return Examined(tables=tables, parameters=frames[_PARAMETERS], targets=frames[_TARGETS], problems=())


def write_checked(layer: Layer, found: Examined, file: Path = FILE) -> None:
    """Keep the tables of a data folder.

    Parameters
    ----------
    layer
        The data folder as it was read.
    found
        What the check has made of it.
    file
        Place of the archive.

    Raises
    ------
    ValueError
        If the check has found anything.
    """
    if found.problems:
        msg = f"{len(found.problems)} findings: only data without findings are kept as checked"
        raise ValueError(msg)
    frames = {_PARAMETERS: found.parameters, _TARGETS: found.targets}
    frames |= {f"{_TABLE}{name}": frame for name, frame in found.tables.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.partial")
    with zipfile.ZipFile(partial, "w") as archive:
        for name, frame in frames.items():
            content = io.BytesIO()
            frame.write_ipc(content, compression="zstd")
            # with the date that the format begins with, so that the same tables are the same bytes
            archive.writestr(zipfile.ZipInfo(name), content.getvalue())
        archive.comment = fingerprint(layer).encode()
    partial.replace(file)
