"""Reading the tables a caller hands in: any frame, columns as numbers, errors that name column, row and value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.errors import FleetError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def as_frame(table: Any, name: str, error: type[FleetError] = FleetError) -> pl.DataFrame:
    """Return a table as a frame.

    Parameters
    ----------
    table
        Frame, lazy frame, dict of columns, list of dicts, or anything with ``to_dict``.
    name
        Its name in messages.
    error
        Class of the error.

    Raises
    ------
    FleetError
        If it is no table.
    """
    if isinstance(table, pl.DataFrame):
        return table
    if isinstance(table, pl.LazyFrame):
        return table.collect()
    if isinstance(table, list | tuple) and not len(table):
        return pl.DataFrame()
    if isinstance(table, str | bytes | int | float):
        msg = f"{name} must be a table (polars frame, dict of columns or list of rows), got {table!r}"
        raise error(msg)
    try:
        if hasattr(table, "to_dict") and not isinstance(table, dict):
            table = table.to_dict("list")
        # whole and broken numbers may stand in one list; what is no number is found by the column's reader
        return pl.DataFrame(table, strict=False, infer_schema_length=None)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as problem:
        msg = f"{name} must be a table (polars frame, dict of columns or list of rows), got {type(table).__name__}: {problem}"
        raise error(msg) from problem


def number_column(
    frame: pl.DataFrame,
    name: str,
    error: type[FleetError] = FleetError,
    *,
    at_least: float = -math.inf,
    above: float = -math.inf,
) -> NDArray[np.float64]:
    """Return a column as numbers.

    Parameters
    ----------
    frame
        Table; one without rows and columns has every column.
    name
        Column.
    error
        Class of the error.
    at_least, above
        Bounds of the values.

    Raises
    ------
    FleetError
        If the column is missing, or a value is missing, no number or out of bounds.
    """
    if name not in frame.columns:
        if not frame.height and not frame.width:
            return np.empty(0)
        msg = f"column {name} is missing; there are {', '.join(frame.columns)}"
        raise error(msg)
    column = frame[name].cast(pl.Float64, strict=False)
    values = column.fill_null(math.nan).to_numpy().astype(np.float64)
    bad = np.isnan(values) | (values < at_least) | (values <= above) & (above > -math.inf)
    # without an end (inf) is an answer for a patience or a departure, minus infinity is none
    bad |= np.isneginf(values)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        bound = f" above {above:g}" if above > -math.inf else f" of at least {at_least:g}" if at_least > -math.inf else ""
        msg = f"{name} in row {row} is {frame[name][row]}; it must be a number{bound}"
        raise error(msg)
    return values


def count_of(value: Any, name: str, error: type[FleetError] = FleetError) -> int:
    """Return a whole number that is not negative.

    Raises
    ------
    FleetError
        If it is something else.
    """
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = -1
    if number < 0 or number != value:
        msg = f"{name}={value!r} must be a whole number, 0 or more"
        raise error(msg)
    return number
