"""From the bytes of a filled workbook to its filled cells: which row of which sheet, what stands there as text, and what cannot be read.

A workbook comes from anybody's computer, so it is not trusted: its size is limited before it is opened, and what is no workbook of this kind
is a finding and never an error of the program.
"""

from __future__ import annotations

import datetime as dt
import io
import warnings
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from transport.check_problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: A workbook beyond these limits is refused before it is opened: a filled template has some 100 kB, 2 MB when unpacked.
MAX_FILE = 10 * 1024 * 1024
MAX_UNPACKED = 100 * 1024 * 1024
#: First cell of the hidden row that names what each column is for, and those of the lines of the first sheet that hold for all numbers.
MARK = "_key"
DEFAULTS = ("_reporter", "_source", "_quality", "_date")
#: Column of the first sheet in which a default is written.
DEFAULT_COLUMN = 3
#: Columns whose filling makes a line count.
_NUMBERS = ("value", "low", "high")
#: Rows among which the mark is looked for.
_HEAD_ROWS = 20
_OLE_MAGIC = b"\xd0\xcf\x11\xe0"
_WHOLE = 1e15


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the workbook in which a number was filled.

    Attributes
    ----------
    sheet, row
        Where it stands.
    cells
        Role of a column -> what stands there as text; empty cells are left out.
    heads
        Role of a column -> its letter and head, for findings.
    percent
        Roles whose cell is formatted as a percentage, so that it holds a hundredth of what is seen.
    """

    sheet: str
    row: int
    cells: Mapping[str, str]
    heads: Mapping[str, str]
    percent: frozenset[str]


@dataclass(slots=True)
class Filled:
    """What a workbook holds.

    Attributes
    ----------
    name
        Of the file.
    entries
        The filled lines.
    defaults
        Reporting office, source, quality and date for lines that state none, see :data:`DEFAULTS`.
    places
        The same defaults -> sheet, row and column, for findings.
    problems
        What cannot be read.
    sheets
        Names of all sheets in their order.
    """

    name: str
    entries: list[Entry] = field(default_factory=list)
    defaults: dict[str, str] = field(default_factory=dict)
    places: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    sheets: list[str] = field(default_factory=list)


def in_sheet(name: str, sheet: str) -> str:
    """Return how findings name a sheet, as Excel does.

    Parameters
    ----------
    name
        Of the workbook.
    sheet
        Of the sheet.

    Examples
    --------
    >>> in_sheet("2024.xlsx", "港口")
    '[2024.xlsx]港口'
    """
    return f"[{name}]{sheet}"


def read_workbook(data: bytes, name: str) -> Filled:
    """Return the filled lines of a workbook.

    Parameters
    ----------
    data
        Content of the file.
    name
        Its name, for findings.
    """
    filled = Filled(name)
    refused = _refused(data, name)
    if refused is not None:
        filled.problems.append(refused)
        return filled
    from openpyxl import load_workbook

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of parts of a workbook that do not concern its numbers
            values = load_workbook(io.BytesIO(data), data_only=True)
            formulas = load_workbook(io.BytesIO(data), data_only=False) if _has_formulas(data) else None
    except Exception as broken:  # noqa: BLE001  openpyxl raises errors of many kinds for a damaged part
        filled.problems.append(_broken(name, broken))
        return filled
    found = False
    filled.sheets = list(values.sheetnames)
    for sheet in values.worksheets:
        roles = _roles(sheet)
        if roles is not None:
            found = True
            _read_sheet(sheet, None if formulas is None else formulas[sheet.title], roles, filled)
        _read_defaults(sheet, filled)
    if not found:
        filled.problems.append(Problem(name, 0, "", "template.book", variant="foreign"))
    elif not filled.entries and not filled.problems:
        filled.problems.append(Problem(name, 0, "", "template.book", variant="empty"))
    return filled


def _refused(data: bytes, name: str) -> Problem | None:
    """Return why a file is not opened."""
    if len(data) > MAX_FILE:
        return Problem(name, 0, "", "template.book", variant="size", values={"limit": MAX_FILE // 1024**2})
    if data.startswith(_OLE_MAGIC):
        return Problem(name, 0, "", "template.book", variant="old")
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return Problem(name, 0, "", "template.book")
    left = MAX_UNPACKED
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if "xl/workbook.xml" not in archive.namelist():
                return Problem(name, 0, "", "template.book")
            for member in archive.infolist():
                with archive.open(member) as stream:
                    part = stream.read(left + 1)  # the size in the header may lie
                left -= len(part)
                if left < 0:
                    return Problem(name, 0, "", "template.book", variant="size", values={"limit": MAX_FILE // 1024**2})
                if member.filename.endswith((".xml", ".rels")) and b"<!DOCTYPE" in part:
                    return Problem(name, 0, "", "template.book", variant="broken", values={"detail": member.filename})
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as broken:
        return _broken(name, broken)
    return None


def _has_formulas(data: bytes) -> bool:
    """Return whether any sheet holds a formula; without one the file need not be read a second time."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/") and name.endswith(".xml")]
        return any(b"<f>" in part or b"<f " in part for part in map(archive.read, sheets))


def _broken(name: str, error: Exception) -> Problem:
    detail = (str(error).splitlines() or [""])[0] or type(error).__name__
    return Problem(name, 0, "", "template.book", variant="broken", values={"detail": detail})


def _roles(sheet: Any) -> tuple[int, dict[int, str]] | None:
    """Return the row of heads and the role of each column, from the hidden row above the heads; None for a sheet without one."""
    for row in sheet.iter_rows(min_row=1, max_row=_HEAD_ROWS):
        if row and row[0].value == MARK:
            return row[0].row + 1, {cell.column: "key" if cell.value == MARK else str(cell.value) for cell in row if cell.value}
    return None


def _read_sheet(sheet: Any, formulas: Any, roles: tuple[int, Mapping[int, str]], filled: Filled) -> None:
    from openpyxl.utils import get_column_letter

    head_row, columns = roles
    heads = {
        role: f"{get_column_letter(column)} {str(sheet.cell(head_row, column).value or '').splitlines()[0]}".strip()
        for column, role in columns.items()
        if sheet.cell(head_row, column).value
    }
    place = in_sheet(filled.name, sheet.title)
    for row in sheet.iter_rows(min_row=head_row + 1):
        cells, percent = {}, set()
        number = row[0].row
        for cell, role in _named(row, columns):
            said = _said(cell.value)
            written = None if formulas is None else formulas.cell(number, cell.column).value
            if not said and isinstance(written, str) and written.startswith("="):
                filled.problems.append(Problem(place, number, heads.get(role, role), "template.formula", value=written))
            if said:
                cells[role] = said
            if "%" in str(cell.number_format) and not isinstance(cell.value, str):
                percent.add(role)
        if any(role in cells for role in _NUMBERS):
            filled.entries.append(Entry(sheet.title, number, cells, heads, frozenset(percent)))


def _named(row: tuple[Any, ...], columns: Mapping[int, str]) -> Iterator[tuple[Any, str]]:
    for cell in row:
        role = columns.get(cell.column) if hasattr(cell, "column") else None
        if role is not None:
            yield cell, role


def _read_defaults(sheet: Any, filled: Filled) -> None:
    for row in sheet.iter_rows(min_row=1, max_row=60, max_col=DEFAULT_COLUMN):
        mark = row[0].value
        if mark in DEFAULTS and len(row) == DEFAULT_COLUMN:
            said = _said(row[-1].value)
            filled.places[mark] = (sheet.title, row[0].row, str(row[1].value or ""))
            if said:
                filled.defaults[mark] = said


def _said(value: object) -> str:
    """Return a cell as text: numbers with all digits, dates as dates."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _WHOLE else repr(value)
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat()[:10]
    return " ".join(str(value).split())
