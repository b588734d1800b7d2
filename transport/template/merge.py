"""New rows laid over the tables of a data pack: rows of the pack stay as they are unless a new row has their key."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from transport.check_files import ROW, parse_table
from transport.template.layout import OBSERVED_KEY, PARAMETER_KEY, PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    #: Rows of a table by its path in the pack.
    Rows = Mapping[str, Sequence[Mapping[str, str]]]

#: Place of a row in the new table -> line of the pack's own table.
Lines = dict[tuple[str, int], int]
_FIRST_ROW = 2
_YEARS = frozenset({"year", "period"})


def laid_over(present: Mapping[str, bytes], rows: Rows) -> tuple[dict[str, bytes], Lines]:
    """Return the tables of a pack with new rows, and where the rows of the pack that moved stood before.

    Parameters
    ----------
    present
        Tables of the pack as CSV, by path; none where there is no pack.
    rows
        New rows by path; in every table they come first. Parameters replace rows of any file of parameters.

    Returns
    -------
    tables : dict
        Every table of the pack; one that lost all of its rows is left out.
    lines : dict
        ``(path, line)`` of the new table -> line of the pack's own, for findings.
    """
    keys = {path: _key_columns(path) for path in {*present, *rows}}
    mine = {path: {_key(row, keys[path]) for row in some} for path, some in rows.items()}
    parameters = {key for path, some in mine.items() if _is_parameters(path) for key in some}
    made: dict[str, bytes] = {}
    lines: Lines = {}
    for path in sorted({*present, *rows}):
        new = rows.get(path, [])
        taken = parameters if _is_parameters(path) else mine.get(path, set())
        if path not in present:
            made[path] = table_bytes(new)
            continue
        if not taken:
            made[path] = present[path]
            continue
        old = _rows(path, present[path])
        kept = [(line, row) for line, row in old if _key(row, keys[path]) not in taken]
        if len(kept) == len(old) and not new:
            made[path] = present[path]
            continue
        lines |= {(path, _FIRST_ROW + len(new) + place): line for place, (line, _) in enumerate(kept)}
        if new or kept:
            made[path] = table_bytes([*new, *(row for _, row in kept)])
    return made, lines


def table_bytes(rows: Sequence[Mapping[str, str]]) -> bytes:
    """Return rows as a CSV table with the columns of the first row, then those that only others have."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _is_parameters(path: str) -> bool:
    return path.startswith(f"{PARAMETERS}/")


def _key_columns(path: str) -> tuple[str, ...]:
    if _is_parameters(path):
        return PARAMETER_KEY
    return ("source",) if path == "sources.csv" else OBSERVED_KEY


def _key(row: Mapping[str, str], columns: Sequence[str]) -> tuple[str, ...]:
    """Return the key of a row; spreadsheets write 2020 as 2020.0."""
    return tuple((row.get(c) or "").removesuffix(".0") if c in _YEARS else row.get(c) or "" for c in columns)


def _rows(path: str, data: bytes) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a table that the check has passed, with their lines."""
    table, _ = parse_table(path, path, data)
    if table is None:
        return []
    return [
        (int(row[ROW]), {name: "" if row[name] is None else str(row[name]) for name in table.columns})
        for row in table.frame.iter_rows(named=True)
    ]
