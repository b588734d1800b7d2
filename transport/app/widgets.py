"""Tables as the pages show them: columns of numbers and texts, and a height that fits the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    import polars as pl

#: Greatest height of a table [px]: its head and 16 rows.
TABLE_HEIGHT = 35 * 17 + 3


def number(label: str, form: str = "localized", **options: Any) -> Any:
    """Return a column of numbers."""
    return st.column_config.NumberColumn(label, format=form, **options)


def text(label: str, **options: Any) -> Any:
    """Return a column of texts."""
    return st.column_config.TextColumn(label, **options)


def show(table: pl.DataFrame, config: dict[str, Any], alt: str, height: int = TABLE_HEIGHT) -> None:
    """Draw a table as high as its rows, up to a limit.

    Parameters
    ----------
    table
        What is shown.
    config
        Columns by name.
    alt
        Text for those who do not see it.
    height
        Limit [px].
    """
    high = min(height, 35 * (table.height + 1) + 3)
    st.dataframe(table, hide_index=True, column_config={c: config[c] for c in table.columns}, height=high, alt=alt)
