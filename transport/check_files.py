"""From the bytes of a file to a table of texts: encodings, delimiters, ragged and empty files.

Files come from spreadsheets of a bureau as often as from an editor, so what can be read without doubt is read and checked further, and the
officer gets all her mistakes in one go: a GBK file is reported *and* decoded; a byte-order mark alone is silently accepted; empty trailing
columns and empty lines, which spreadsheets leave behind, are dropped.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from transport.check_problems import Problem

#: Column that carries the line of a row in its file (header = 1), and the file as findings show it.
ROW = "_row"
FILE = "_file"

_ZIP_MAGIC = b"PK\x03\x04"
_OLE_MAGIC = b"\xd0\xcf\x11\xe0"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_DELIMITERS = ("\t", ";", "；", "，", "|")
#: Texts that stand for work not done: a word of the English ones, a whole cell of the Chinese ones.
_PLACEHOLDERS = ("todo", "tbd", "fixme", "placeholder", "待定", "待填", "待补")
_PLACEHOLDER_CELL = r"(?i)\b(?:todo|tbd|fixme|placeholder)\b|^(?:待定|待填|待补|待补充)$"


@dataclass(frozen=True)
class RawTable:
    """A table as text.

    Attributes
    ----------
    name
        Path under the data folder without ``.csv``, for example ``networks/nodes``.
    file
        Path as findings show it.
    frame
        Text columns of the file; empty cells are null; last column ``_row`` is the line in the file.
    """

    name: str
    file: str
    frame: pl.DataFrame

    @property
    def columns(self) -> list[str]:
        """Return the column names of the file."""
        return self.frame.columns[:-1]

    def cell(self, row: int, column: str) -> str:
        """Return the text of a cell by line and column; empty if there is none."""
        at = self._places.get(row)
        return "" if at is None or column not in self.frame.columns else str(self.frame[column][at] or "")

    @cached_property
    def _places(self) -> dict[int, int]:
        return {line: at for at, line in enumerate(self.frame[ROW].to_list())}


def parse_table(name: str, file: str, data: bytes) -> tuple[RawTable | None, list[Problem]]:
    """Return the table in the bytes of a CSV file, and what is wrong with the file.

    Parameters
    ----------
    name
        Table name.
    file
        Path as findings show it.
    data
        Content of the file.

    Returns
    -------
    table, problems
        The table is None if nothing can be read.
    """
    text, problems = _decode(file, data)
    if text is None:
        return None, problems
    if not text.strip():
        return None, [*problems, Problem(file, 0, "", "file.empty")]
    header_line = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = ","
    if "," not in header_line:
        delimiter = next((mark for mark in _DELIMITERS if mark in header_line), ",")
        if delimiter != ",":
            problems.append(Problem(file, 1, "", "file.delimiter", value="Tab" if delimiter == "\t" else delimiter))
    try:
        rows, lines, spanning = _rows(text, delimiter)
    except csv.Error as broken:
        return None, [*problems, Problem(file, 0, "", "file.syntax", values={"detail": str(broken)})]
    table, found = _table(name, file, rows, lines)
    problems += found
    if table is not None and spanning:
        problems += _line_breaks(table)
    lowered = text.lower()
    if table is not None and any(word in lowered for word in _PLACEHOLDERS):
        problems += _placeholders(table)
    return table, problems


def _decode(file: str, data: bytes) -> tuple[str | None, list[Problem]]:
    """Return the text of a file, or None, and what is wrong with its encoding."""
    if data.startswith((_ZIP_MAGIC, _OLE_MAGIC)):
        return None, [Problem(file, 0, "", "file.encoding", variant="workbook")]
    if data.startswith(_UTF16_MARKS):
        return data.decode("utf-16", errors="replace"), [Problem(file, 0, "", "file.encoding", value="UTF-16", variant="other")]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        damaged = data.decode("utf-8", errors="replace")
        beyond_ascii = sum(ch > "\x7f" for ch in damaged)
        lost = damaged.count("\ufffd")
        if lost * 2 > beyond_ascii:  # hardly anything is UTF-8: it is another encoding, not a damaged file
            try:
                return data.decode("gb18030"), [Problem(file, 0, "", "file.encoding", value="GBK/GB18030", variant="other")]
            except UnicodeDecodeError:
                pass
        line = damaged[: damaged.index("\ufffd")].count("\n") + 1
        return None, [Problem(file, line, "", "file.encoding")]
    if "\x00" in text:
        return None, [Problem(file, 0, "", "file.encoding")]
    return text, []


def _rows(text: str, delimiter: str) -> tuple[list[list[str]], list[int], bool]:
    """Return the records of a CSV text that hold anything, the line each starts on, and whether a record spans several lines."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows: list[list[str]] = []
    lines: list[int] = []
    line = 1
    spanning = False
    for row in reader:
        if any(cell.strip() for cell in row):
            rows.append(row)
            lines.append(line)
            spanning = spanning or reader.line_num > line
        line = reader.line_num + 1
    return rows, lines, spanning


def _table(name: str, file: str, rows: list[list[str]], lines: list[int]) -> tuple[RawTable | None, list[Problem]]:
    if not rows:
        return None, [Problem(file, 0, "", "file.empty")]
    problems: list[Problem] = []
    header = [cell.strip() for cell in rows[0]]
    while header and not header[-1]:
        header.pop()
    twice = [column for i, column in enumerate(header) if column and column in header[:i]]
    if twice:
        return None, [Problem(file, lines[0], column, "column.duplicate", value=column) for column in twice]
    width = len(header)
    body = rows[1:]
    if not body:
        return None, [*problems, Problem(file, 0, "", "file.empty", variant="rows")]
    for i, row in enumerate(body):
        if len(row) == width:
            continue
        extra = row[width:]
        if any(cell.strip() for cell in extra):
            counts = {"cells": len(row), "columns": width}
            problems.append(Problem(file, lines[i + 1], "", "file.wide", value=", ".join(extra), values=counts))
        elif len(row) < width:
            problems.append(Problem(file, lines[i + 1], "", "file.short", values={"cells": len(row), "columns": width}))
        body[i] = (row + [""] * width)[:width]
    frame = pl.DataFrame({column: list(cells) for column, cells in zip(header, zip(*body, strict=True), strict=True) if column},
                         schema={column: pl.String() for column in header if column})  # fmt: skip
    frame = frame.with_columns(pl.all().str.strip_chars()).with_columns(pl.when(pl.all() != "").then(pl.all()))
    table = RawTable(name, file, frame.with_columns(pl.Series(ROW, lines[1:], dtype=pl.Int64)))
    if not all(header):
        problems.append(Problem(file, lines[0], "", "column.unknown", variant="nameless", values={"place": header.index("") + 1}))
    return table, problems


def _line_breaks(table: RawTable) -> list[Problem]:
    found = []
    for column in table.columns:
        broken = table.frame.filter(pl.col(column).str.contains(r"[\r\n]"))
        found += [
            Problem(table.file, row, column, "text.line_break", value=text)
            for text, row in broken.select(column, ROW).iter_rows()
        ]
    return found


def _placeholders(table: RawTable) -> list[Problem]:
    found = []
    for column in table.columns:
        unfinished = table.frame.filter(pl.col(column).str.contains(_PLACEHOLDER_CELL))
        found += [
            Problem(table.file, row, column, "text.placeholder", value=v) for v, row in unfinished.select(column, ROW).iter_rows()
        ]
    return found
