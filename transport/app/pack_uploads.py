"""An uploaded workbook or data pack: checked, and laid down as a folder of its own for the session; nothing in it is trusted."""

from __future__ import annotations

import hashlib
import io
import shutil
import tempfile
import uuid
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from transport.check_problems import Problem, words
from transport.findings import DataError, Finding
from transport.i18n import t
from transport.inputs import load_inputs, pack_files
from transport.roles import require_editor
from transport.template.changes import changed_numbers
from transport.template.filled import pack_of_workbook
from transport.template.reader import in_sheet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.inputs import Inputs
    from transport.roles import Role

#: Largest upload [bytes]; the server refuses more than its own limit before that.
MAX_UPLOAD = 20 * 1024 * 1024
#: Start of the name of a session's folder, and how long one is kept [s].
SESSION, _KEPT = "session-", 14 * 86_400.0
#: End of the file with the name that an upload had.
NAMED = ".name"
_WORKBOOK = "xl/workbook.xml"
_OFFICE = "[Content_Types].xml"


@dataclass(frozen=True, slots=True)
class Upload:
    """What became of an upload.

    Attributes
    ----------
    name, digest
        Of the file: its name and the hash of its content.
    findings
        What is wrong with it; empty if it was taken.
    folder
        Where its tables lie; None if it was refused.
    changed
        How many numbers differ from the data without it.
    lang
        Language of the findings.
    """

    name: str
    digest: str
    findings: tuple[Finding, ...]
    folder: Path | None
    changed: int
    lang: str


def digest_of(data: bytes) -> str:
    """Return what tells one upload from another.

    Parameters
    ----------
    data
        Content of the file.
    """
    return hashlib.sha256(data).hexdigest()[:16]


def take(
    name: str, data: bytes, inputs: Inputs, home: Path, lang: str, *, role: Role | None = None, extends: Path | None = None
) -> Upload:
    """Check an upload and lay it down; whatever is wrong with it is a finding and never an error.

    Parameters
    ----------
    name
        Name of the file.
    data
        Its content.
    inputs
        Checked data without it.
    home
        Folder of the session, made when it is needed.
    lang
        Language of the findings.
    role
        Of the person; default that of the process.
    extends
        Data pack whose other numbers a workbook keeps; default that of ``inputs``. A zipped pack stands for itself.

    Raises
    ------
    transport.roles.RoleError
        If it is a viewer.
    """
    require_editor(role)
    digest = digest_of(data)
    try:
        below = inputs if extends is None else load_inputs(inputs.folder, extends, lang=lang)
        files = _files(name, data, below, home, lang)
        # a workbook on another pack makes another one: the folder is named after what is in it
        folder = _laid_down(
            files, home / digest_of(b"".join(part for path in sorted(files) for part in (path.encode(), files[path])))
        )
        try:
            after = load_inputs(inputs.folder, folder, lang=lang)
        except DataError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    except DataError as refused:
        return Upload(name, digest, tuple(refused.findings), None, 0, lang)
    except Exception as broken:  # noqa: BLE001  an upload must never take the page down, whatever is in it
        detail = (str(broken).splitlines() or [""])[0] or type(broken).__name__
        said = t("pack_panel.unexpected", lang, detail=detail)
        finding = Finding(name, 0, "", "file.unreadable", "", said, t("pack_panel.unexpected_do", lang))
        return Upload(name, digest, (finding,), None, 0, lang)
    folder.with_name(f"{folder.name}{NAMED}").write_text(name, encoding="utf-8")
    return Upload(name, digest, (), folder, changed_numbers(inputs, after).height, lang)


def _files(name: str, data: bytes, inputs: Inputs, home: Path, lang: str) -> Mapping[str, bytes]:
    """Return the tables of an upload: of the workbook, or those in the zip file."""
    if len(data) > MAX_UPLOAD:
        limit = MAX_UPLOAD // 1024**2
        rule = t("pack_panel.too_large", lang, limit=limit)
        raise DataError([Finding(name, 0, "", "file.size", "", rule, t("pack_panel.too_large_do", lang))])
    members = _members(data)
    if name.lower().endswith((".xlsx", ".xls", ".xlsm")) or _WORKBOOK in members:
        return pack_of_workbook(data, name, inputs, lang=lang).files
    if not members or _OFFICE in members:
        raise DataError(words([Problem(name, 0, "", "file.pack")], lang))
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home) as scratch:
        archive = Path(scratch) / f"{uuid.uuid4().hex}.zip"
        archive.write_bytes(data)
        try:
            load_inputs(inputs.folder, archive, lang=lang)
        except DataError as refused:
            raise DataError([_renamed(finding, archive.name, name) for finding in refused.findings]) from None
        return pack_files(archive)


def _members(data: bytes) -> frozenset[str]:
    """Return the names in a zip file; none where it is no zip file."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return frozenset(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return frozenset()


def _renamed(finding: Finding, scratch: str, name: str) -> Finding:
    """Return a finding with the name that the file has for its owner."""
    file = name if finding.file == scratch else finding.file
    return Finding(file, finding.row, finding.column, finding.code, finding.value, finding.rule, finding.remedy)


def clear_old(packs: Path, now: float) -> None:
    """Remove what sessions of long ago left behind.

    Parameters
    ----------
    packs
        Folder of the sessions' folders.
    now
        Time [s since 1970].
    """
    for folder in packs.glob(f"{SESSION}*"):
        if now - folder.stat().st_mtime > _KEPT:
            shutil.rmtree(folder, ignore_errors=True)


def _laid_down(files: Mapping[str, bytes], folder: Path) -> Path:
    """Write tables into a new folder; the paths were checked by whoever read them."""
    shutil.rmtree(folder, ignore_errors=True)
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return folder


def finding_rows(findings: tuple[Finding, ...], name: str = "") -> pl.DataFrame:
    """Return findings as a table of texts: file and sheet, row, column, what stands there, what should hold, what to do.

    Parameters
    ----------
    findings
        Of an upload.
    name
        Of its file, which need not be said in every line.
    """
    made = [
        {
            "place": f.file.removeprefix(in_sheet(name, "")) or f.file,
            "row": str(f.row) if f.row else "",
            "column": f.column,
            "value": f.value,
            "rule": f.rule,
            "remedy": f.remedy,
        }
        for f in findings
    ]
    return pl.DataFrame(made, schema=dict.fromkeys(("place", "row", "column", "value", "rule", "remedy"), pl.String))
