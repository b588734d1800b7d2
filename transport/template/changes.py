"""What a data pack changes: the numbers, and with two runs the values and verdicts of the targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from transport.scorecard import scorecard
from transport.template.layout import PARAMETERS, data_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.inputs import Inputs

#: Columns of the numbers that a pack changed.
NUMBERS: dict[str, type[pl.DataType]] = {
    "table": pl.String,
    "name": pl.String,
    "subject": pl.String,
    "year": pl.String,
    "before": pl.Float64,
    "after": pl.Float64,
    "unit": pl.String,
    "quality_before": pl.String,
    "quality_after": pl.String,
    "source": pl.String,
    "is_read": pl.Boolean,
}
#: Columns of the targets before and after.
VERDICTS: dict[str, type[pl.DataType]] = {
    "id": pl.String,
    "area": pl.String,
    "year": pl.Int64,
    "unit": pl.String,
    "target": pl.Float64,
    "value_before": pl.Float64,
    "value_after": pl.Float64,
    "actual_before": pl.Float64,
    "actual_after": pl.Float64,
    "verdict_before": pl.String,
    "verdict_after": pl.String,
    "is_verdict_changed": pl.Boolean,
    "is_value_changed": pl.Boolean,
}
#: Columns in which two rows of one key can differ.
_COMPARED = ("value", "low", "high", "quality", "source")
#: Values no further apart than this part of their size are the same: solvers of two runs stop at slightly different places.
_SAME = 1e-9


def changed_rows(before: Inputs, after: Inputs) -> dict[str, tuple[Mapping[str, Any] | None, Mapping[str, Any]]]:
    """Return the rows of parameters and observed statistics that differ between two states of the data: by key, as they were and as they are.

    Parameters
    ----------
    before, after
        Checked data without and with a pack; a row that is new was None.
    """
    old = data_rows(before)
    return {
        key: (old.get(key), row)
        for key, row in data_rows(after).items()
        if key not in old or any(old[key][c] != row[c] for c in _COMPARED)
    }


def changed_numbers(before: Inputs, after: Inputs, used: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the rows of parameters and observed statistics that differ between two states of the data.

    Parameters
    ----------
    before, after
        Checked data without and with a pack.
    used
        Result table ``parameters_used`` of a run on the second; without it nobody knows what was read.

    Returns
    -------
    polars.DataFrame
        Columns of :data:`NUMBERS`: ``before`` is null for a new row; ``is_read`` says whether the run read the parameter (statistics: whether it
        is an actual value of a target, which verdicts read), null for a parameter where no run is given.
    """
    read = None if used is None else set(used.select("parameter", "subject").iter_rows())
    made: list[dict[str, Any]] = []
    for key, (was, row) in changed_rows(before, after).items():
        table, name, *rest = key.split("|")
        if table == PARAMETERS:
            subject, year = rest
            is_read = None if read is None else (name, subject) in read
        else:
            area, year, mode, item = rest
            subject, is_read = " ".join(part for part in (area, mode, item) if part), table == "observed/actuals"
        made.append(
            {
                "table": table,
                "name": name,
                "subject": subject,
                "year": year,
                "before": None if was is None else was["value"],
                "after": row["value"],
                "unit": row["unit"],
                "quality_before": None if was is None else was["quality"],
                "quality_after": row["quality"],
                "source": row["source"],
                "is_read": is_read,
            }
        )
    return pl.DataFrame(made, schema=NUMBERS)


def changed_verdicts(before: pl.DataFrame, after: pl.DataFrame, definitions: pl.DataFrame) -> pl.DataFrame:
    """Return every target before and after, in the order of the scorecard.

    Parameters
    ----------
    before, after
        Result tables ``indicators`` of two runs of one scenario.
    definitions
        Table ``indicators`` of the data.

    Returns
    -------
    polars.DataFrame
        Columns of :data:`VERDICTS`.
    """
    old = {(line.id, line.area, line.year): line for line in scorecard(before, definitions)}
    made = []
    for line in scorecard(after, definitions):
        was = old.get((line.id, line.area, line.year))
        values = (None, None) if was is None else (was.value, was.actual)
        made.append(
            {
                "id": line.id,
                "area": line.area,
                "year": line.year,
                "unit": line.unit,
                "target": line.target,
                "value_before": values[0],
                "value_after": line.value,
                "actual_before": values[1],
                "actual_after": line.actual,
                "verdict_before": None if was is None else was.verdict,
                "verdict_after": line.verdict,
                "is_verdict_changed": was is None or was.verdict != line.verdict,
                "is_value_changed": _differ(values[0], line.value) or _differ(values[1], line.actual),
            }
        )
    return pl.DataFrame(made, schema=VERDICTS)


def _differ(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is not other
    return abs(one - other) > _SAME * max(abs(one), abs(other))
