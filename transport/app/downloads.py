"""Files of a table: CSV that spreadsheets open with Chinese characters, and Parquet with exact numbers and types."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import polars as pl
import streamlit as st

from transport.i18n import t

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def headed(table: pl.DataFrame, config: Mapping[str, Any] | None = None) -> pl.DataFrame:
    """Return a table with the heads that its reader saw; a head that two columns share keeps the column's name behind it.

    Parameters
    ----------
    table
        As shown.
    config
        Columns by name, as given to Streamlit; without one the names stay.

    Examples
    --------
    >>> import polars as pl
    >>> headed(pl.DataFrame({"a": [1], "b": [2]}), {"a": {"label": "A"}}).columns
    ['A', 'b']
    """
    heads = {c: str(((config or {}).get(c) or {}).get("label") or c) for c in table.columns}
    said = list(heads.values())
    return table.rename({c: head if said.count(head) == 1 else f"{head} [{c}]" for c, head in heads.items()})


def csv_bytes(table: pl.DataFrame) -> bytes:
    """Return a table as CSV with a byte order mark, without which Excel reads Chinese text wrongly; lists are joined by semicolons.

    Parameters
    ----------
    table
        Any table.

    Examples
    --------
    >>> import polars as pl
    >>> csv_bytes(pl.DataFrame({"年": [2030]})).decode("utf-8-sig").split()
    ['年', '2030']
    """
    lists = [c for c, kind in table.schema.items() if isinstance(kind, (pl.List, pl.Array))]
    flat = table.with_columns([pl.col(c).cast(pl.List(pl.String)).list.join(";") for c in lists])
    return flat.write_csv(include_bom=True).encode("utf-8")


def parquet_bytes(table: pl.DataFrame) -> bytes:
    """Return a table as Parquet.

    Parameters
    ----------
    table
        Any table.
    """
    file = io.BytesIO()
    table.write_parquet(file, compression="zstd", statistics=False)
    return file.getvalue()


def file_name(title: str) -> str:
    """Return a title as the name of a file on any system.

    Examples
    --------
    >>> file_name("v/c: 2030?")
    'v_c_ 2030'
    """
    kept = "".join("_" if c in '\\/:*?"<>|\n\t' else c for c in title).strip(" ._")
    return kept[:80] or "table"


def downloads(table: pl.DataFrame, name: str, lang: str, config: Mapping[str, Any] | None = None) -> None:
    """Offer a table as CSV and as Parquet, in one line under it; a file is made when it is asked for.

    Parameters
    ----------
    table
        As shown.
    name
        Name of the files without an ending; one table of a page has it, or one with the same columns.
    lang
        ``zh`` or ``en``.
    config
        Columns by name, as given to Streamlit: the files have the heads of the page.
    """
    found = headed(table, config)
    with st.container(horizontal=True, gap="small"):
        for form, kind, make in (("csv", "text/csv", csv_bytes), ("parquet", "application/vnd.apache.parquet", parquet_bytes)):
            _button(found, name, form, kind, make, lang)


def _button(table: pl.DataFrame, name: str, form: str, kind: str, make: Callable[[pl.DataFrame], bytes], lang: str) -> None:
    st.download_button(
        t(f"downloads.{form}", lang),
        lambda: make(table),
        file_name=f"{file_name(name)}.{form}",
        mime=kind,
        key=f"file_{form}_{name}_{'_'.join(table.columns)}",
        type="tertiary",
        icon=":material/download:",
        help=t(f"downloads.{form}_help", lang),
        on_click="ignore",
    )
