"""The contract of the tables as ``data/dictionary.csv`` states it: which columns, which type, which range, which codes, which key.

Everything that loads or checks a table reads its rules from here; no rule about a single column stands anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Type in memory of each dtype of the dictionary.
DTYPES: dict[str, pl.DataType] = {"text": pl.String(), "int": pl.Int64(), "float": pl.Float64(), "bool": pl.Boolean()}


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """One row of the dictionary.

    Attributes
    ----------
    column
        Name in the file.
    label_zh, label_en
        Labels for people.
    unit
        Unit of the numbers, empty for texts and for tables with a column ``unit``.
    dtype
        ``text``, ``int``, ``float`` or ``bool``.
    minimum, maximum
        Allowed range, both ends included; None = open.
    required
        Whether each cell must be filled.
    key
        Whether the column is part of the primary key.
    codes
        Code list of ``codes.csv``, or empty.
    references
        ``(table, column)`` pairs; a value must stand in one of them.
    """

    column: str
    label_zh: str
    label_en: str
    unit: str
    dtype: str
    minimum: float | None
    maximum: float | None
    required: bool
    key: bool
    codes: str
    references: tuple[tuple[str, str], ...]

    @property
    def labels(self) -> dict[str, object]:
        """Return the labels as placeholder values of a message."""
        return {"label_zh": self.label_zh, "label_en": self.label_en}


@dataclass(frozen=True, slots=True)
class TableSpec:
    """Columns of one table in file order; ``name`` may end in ``*`` for all tables of a folder."""

    name: str
    columns: tuple[ColumnSpec, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the column names."""
        return tuple(c.column for c in self.columns)

    @property
    def key(self) -> tuple[str, ...]:
        """Return the primary-key columns."""
        return tuple(c.column for c in self.columns if c.key)

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Return the type in memory of each column."""
        return {c.column: DTYPES[c.dtype] for c in self.columns}

    def column(self, name: str) -> ColumnSpec:
        """Return one column.

        Raises
        ------
        KeyError
            If the table has no such column.
        """
        for spec in self.columns:
            if spec.column == name:
                return spec
        raise KeyError(name)


class Dictionary:
    """All table contracts by name; a pattern such as ``parameters/*`` stands for every file of the folder."""

    def __init__(self, tables: Mapping[str, TableSpec]) -> None:
        self.tables = dict(tables)

    @classmethod
    def from_frame(cls, rows: pl.DataFrame) -> Dictionary:
        """Build the contracts from the text of ``dictionary.csv``; a cell that cannot be read counts as empty (the check reports it)."""
        found: dict[str, list[ColumnSpec]] = {}
        for row in rows.iter_rows(named=True):
            cells = {name: str(value or "") for name, value in row.items()}
            dtype = cells.get("dtype", "text")
            found.setdefault(cells["table"], []).append(
                ColumnSpec(
                    column=cells["column"],
                    label_zh=cells.get("label_zh", ""),
                    label_en=cells.get("label_en", ""),
                    unit=cells.get("unit", ""),
                    dtype=dtype if dtype in DTYPES else "text",
                    minimum=_number(cells.get("min", "")),
                    maximum=_number(cells.get("max", "")),
                    required=cells.get("required") == "yes",
                    key=cells.get("key") == "yes",
                    codes=cells.get("codes", ""),
                    references=tuple(_reference(text) for text in cells.get("references", "").split()),
                )
            )
        return cls({name: TableSpec(name, tuple(columns)) for name, columns in found.items()})

    def spec(self, table: str) -> TableSpec | None:
        """Return the contract of a table: its own, else the pattern it matches, else None."""
        if table in self.tables:
            return self.tables[table]
        for pattern, spec in self.tables.items():
            if "*" in pattern and fnmatchcase(table, pattern):
                return spec
        return None

    def referenced(self) -> tuple[tuple[str, str], ...]:
        """Return every ``(table, column)`` that some column refers to, sorted."""
        pairs = {pair for spec in self.tables.values() for column in spec.columns for pair in column.references}
        return tuple(sorted(pairs))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _reference(text: str) -> tuple[str, str]:
    table, _, column = text.rpartition(".")
    return table, column
