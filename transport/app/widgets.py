"""Tables as the pages show them: columns of numbers and texts, and a height that fits the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from transport.app.downloads import downloads
from transport.bundled import MARK
from transport.i18n import t

if TYPE_CHECKING:
    import polars as pl

    from transport.store import StoredRun

#: Greatest height of a table [px]: its head and 16 rows.
TABLE_HEIGHT = 35 * 17 + 3


def number(label: str, form: str = "localized", **options: Any) -> Any:
    """Return a column of numbers."""
    return st.column_config.NumberColumn(label, format=form, **options)


def text(label: str, **options: Any) -> Any:
    """Return a column of texts."""
    return st.column_config.TextColumn(label, **options)


def say_lacking(run: StoredRun, table: str, otherwise: str) -> None:
    """Say that a run has no such table: one that came with the program leaves some out to be small, others are of an older version.

    Parameters
    ----------
    run
        A stored run.
    table
        Name of the result table.
    otherwise
        What is said of a run that did not come with the program.
    """
    left_out = dict(run.manifest.get(MARK) or {}).get("left_out", ())
    st.info(t("job.left_out", str(st.session_state.get("lang") or "zh")) if table in left_out else otherwise)


def show(table: pl.DataFrame, config: dict[str, Any], alt: str, height: int = TABLE_HEIGHT, *, file: str | None = None) -> None:
    """Draw a table as high as its rows, up to a limit, and under it its files.

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
    file
        Name of the files, which one table of a page has; None = the text ``alt``, empty = no files.
    """
    high = min(height, 35 * (table.height + 1) + 3)
    st.dataframe(table, hide_index=True, column_config={c: config[c] for c in table.columns}, height=high, alt=alt)
    if file != "":
        downloads(table, file or alt, str(st.session_state.get("lang") or "zh"), config)
