"""What pages are made of: tables with columns of numbers and texts and a height that fits the rows, and choices that outlive a run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import polars as pl
import streamlit as st

from transport.app import state
from transport.app.column_widths import ROOM, fitted
from transport.app.downloads import downloads
from transport.bundled import MARK
from transport.i18n import t

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.store import StoredRun

#: Greatest height of a table [px]: its head and 16 rows.
TABLE_HEIGHT = 35 * 17 + 3
#: A form with a fixed number of digits; the form of the browser has this many at most.
_FIXED, _LOCALIZED = re.compile(r"%(\+?),?\.(\d)f"), 3


def number(label: str, form: str = "localized", **options: Any) -> Any:
    """Return a column of numbers, those of a fixed number of digits with separators of thousands."""
    return st.column_config.NumberColumn(label, format=_FIXED.sub(r"%\1,.\2f", form), **options)


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


def table_of(
    run: StoredRun, name: str, lang: str, *, needed: Mapping[str, Sequence[str]], otherwise: str = "what_if.run_again"
) -> pl.DataFrame | None:
    """Return a table of a run; one that the run does not have, or that lacks a column, is said, and None returned.

    Parameters
    ----------
    run
        A stored run.
    name
        Key of ``needed``.
    lang
        ``zh`` or ``en``.
    needed
        Columns that a page needs, by table.
    otherwise
        Key of what is said of a run that did not come with the program.
    """
    found = state.table(run, name) if name in run.manifest["tables"] else None
    if found is None or not set(needed[name]) <= set(found.columns):
        say_lacking(run, name, t(otherwise, lang, table=name, scenario=run.manifest["scenario"]))
        return None
    return found


def choose(
    page: str,
    key: str,
    options: Sequence[Any],
    start: Any,
    called: Mapping[Any, str],
    lang: str,
    *,
    label: str = "",
    texts: str = "",
    column: Any = st,
    **more: Any,
) -> Any:
    """Return the chosen option; what another run or choice does not offer falls back to the start, or to the first.

    Parameters
    ----------
    page
        Before the key in the session.
    key
        Of the widget on its page.
    options
        Codes.
    start
        Chosen first.
    called
        Labels by code.
    lang
        ``zh`` or ``en``.
    label
        Key of the text that asks; ``{texts}.{key}`` by default.
    texts
        Where the texts of the page are; ``page`` by default.
    column
        Where it stands.
    **more
        Further arguments of the widget.
    """
    widget = f"{page}_{key}"
    if st.session_state.get(widget) not in options:
        st.session_state[widget] = start if start in options else options[0]
    return column.selectbox(
        t(label or f"{texts or page}.{key}", lang),
        options,
        format_func=lambda code: called.get(code, str(code)),
        key=widget,
        persist_state="session",
        placeholder=t("app.choose", lang),
        **more,
    )


def show(
    table: pl.DataFrame,
    config: dict[str, Any],
    alt: str,
    height: int = TABLE_HEIGHT,
    *,
    file: str | None = None,
    room: int = ROOM,
) -> None:
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
    room
        Width that the table has [px], less than the page's where it stands beside another.
    """
    high = min(height, 35 * (table.height + 1) + 3)
    columns = {c: config[c] for c in table.columns}
    drawn = without_minus(table, columns)
    # as Arrow and at once, which Streamlit sends as it is: anything else needs pandas, which takes long to load and is used for nothing else
    st.dataframe(drawn.to_arrow(), hide_index=True, column_config=fitted(drawn, columns, room), height=high, alt=alt, lazy=False)
    if file != "":
        downloads(table, file or alt, str(st.session_state.get("lang") or "zh"), config)


def without_minus(table: pl.DataFrame, config: Mapping[str, Any]) -> pl.DataFrame:
    """Return a table with nought where a negative number rounds to it, which browsers would write as -0.0.

    Parameters
    ----------
    table
        What is shown.
    config
        Columns by name.

    Examples
    --------
    >>> without_minus(pl.DataFrame({"x": [-0.01, -0.06, 0.01, None]}), {"x": number("x", "%+.1f")})["x"].to_list()
    [0.0, -0.06, 0.01, None]
    """
    made = []
    for name, kind in table.schema.items():
        form = str(((config.get(name) or {}).get("type_config") or {}).get("format"))
        fixed = _FIXED.fullmatch(form)
        if kind.is_float() and (fixed or form == "localized"):
            least = 0.5 * 10.0 ** -(int(fixed[2]) if fixed else _LOCALIZED)
            is_nought = (pl.col(name) > -least) & (pl.col(name) <= 0.0)
            made.append(pl.when(is_nought).then(0.0).otherwise(pl.col(name)).alias(name))
    return table.with_columns(made)
