"""Widths of a table's columns at which no heading is cut and cells are cut last where the page has room for them."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Room of a table across the page in a window of 1366 px [px].
ROOM = 904
#: Widest and narrowest column of texts, and narrowest of those that name the rows [px].
_WIDEST, _NARROWEST, _NAME = 420, 110, 260
#: Both sides of a cell, and the bar or box of a column that holds neither texts nor numbers [px].
_PADDING, _DRAWN = 18, 90
#: What the widest column of texts gives at a time, so that several become short together [px].
_STEP = 10
#: Rows that are looked at: a long table scrolls, and its texts are like the first ones.
_ROWS = 500
_SLIM = frozenset(" .,;:'|!()[]/iljtfrI-")


def text_px(text: str) -> float:
    """Return about how wide a text of the size of table cells is [px].

    Examples
    --------
    >>> text_px("年份"), text_px("1.5")
    (28.0, 18.6)
    """
    return sum(_sign_px(sign) for sign in text)


def fitted(table: pl.DataFrame, config: Mapping[str, Any], room: int = ROOM) -> dict[str, Any]:
    """Return the columns with widths that show every heading, and every cell where there is room.

    Widths that the page asks for stay where they are enough. Texts give way when the room is short, the widest first, those that name
    the row less; numbers and headings never.

    Parameters
    ----------
    table
        What is shown.
    config
        Columns by name, as given to Streamlit.
    room
        Room of the table [px].

    Examples
    --------
    >>> import polars as pl
    >>> fitted(pl.DataFrame({"x": ["a" * 30]}), {"x": {"label": "X", "width": 20, "type_config": {"type": "text"}}})["x"]["width"]
    234
    """
    needed = {c: _needed(table[c].head(_ROWS), config[c]) for c in table.columns}
    asked: dict[str, Any] = {c: (config[c] or {}).get("width") for c in table.columns}
    if all(isinstance(asked[c], int) and asked[c] >= needed[c] for c in needed):
        return dict(config)
    first = next(iter(needed), None)  # names the row
    least = {c: _least(table[c], needed[c], config[c], _NAME if c == first else _NARROWEST) for c in needed}
    over = sum(needed.values()) - room
    while over > 0:
        longest = max(needed, key=lambda c: (needed[c] > least[c], needed[c]))
        taken = min(over, _STEP, needed[longest] - least[longest])
        if taken <= 0:  # the rest scrolls within the table
            break
        needed[longest] -= taken
        over -= taken
    return {c: dict(config[c] or {}) | {"width": needed[c]} for c in needed}


def _sign_px(sign: str) -> float:
    if unicodedata.east_asian_width(sign) in "WF":
        return 14.0
    if sign in _SLIM:
        return 4.2
    return 9.4 if sign.isupper() or sign in "mwMW%≥≤" else 7.2


def _heading_px(name: str, options: Mapping[str, Any] | None) -> int:
    return int(text_px(str((options or {}).get("label") or name)) + _PADDING + 0.999)


def _needed(column: pl.Series, options: Mapping[str, Any] | None) -> int:
    kind = dict((options or {}).get("type_config") or {})
    heading = _heading_px(column.name, options)
    if kind.get("type") not in {"text", "number"}:
        return max(heading, int((options or {}).get("width") or _DRAWN))
    cells = max((text_px(said) for said in _cells(column, str(kind.get("format")))), default=0.0)
    return max(heading, min(int(cells + _PADDING + 0.999), _WIDEST))


def _cells(column: pl.Series, form: str) -> list[str]:
    if not column.dtype.is_numeric():
        return [str(value) for value in column.drop_nulls().unique()]
    digits = int(form.rpartition(".")[2][0]) if "." in form else 0
    if form == "localized" and column.dtype.is_float() and (column != column.round()).any():
        digits = 3
    comma = "" if form == "%d" else ","
    known = column.drop_nulls().sort()
    return [f"{value:{'+' if '+' in form else ''}{comma}.{digits}f}" for value in (*known.head(1), *known.tail(1))]


def _least(column: pl.Series, needed: int, options: Mapping[str, Any] | None, narrowest: int) -> int:
    if column.dtype != pl.String or dict((options or {}).get("type_config") or {}).get("type") != "text":
        return needed
    return min(needed, max(narrowest, _heading_px(column.name, options)))
