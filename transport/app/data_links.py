"""Links to the row behind a number on the page of data and sources; codes stand in them, so that they work in both languages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The page, for ``st.page_link`` and ``st.switch_page``.
PAGE = Path(__file__).resolve().parent / "views" / "data.py"
#: Its address below that of the app.
ADDRESS = "/data"
#: What a link can name; the first of a group that is there says which kind it is.
PARAMETER = ("parameter", "subject", "year")
OBSERVED = ("series", "area", "period", "mode", "item")
SOURCE = ("source",)


def to_parameter(parameter: str, subject: str = "", year: int | None = None) -> dict[str, str]:
    """Return the query of a model parameter; without subject or year all its rows.

    Parameters
    ----------
    parameter, subject, year
        Key of the row.

    Examples
    --------
    >>> to_parameter("annual_distance", "taxi")
    {'parameter': 'annual_distance', 'subject': 'taxi'}
    """
    return _filled(parameter=parameter, subject=subject, year="" if year is None else str(year))


def to_observed(series: str, *, area: str = "", period: str = "", mode: str = "", item: str = "") -> dict[str, str]:
    """Return the query of an observed statistic.

    Parameters
    ----------
    series, area, period, mode, item
        Key of the row; what is empty may be anything, unless a row has exactly what is given.
    """
    return _filled(series=series, area=area, period=period, mode=mode, item=item)


def to_row(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the query that leads to one number and to no other.

    Parameters
    ----------
    row
        A parameter or a statistic of :func:`transport.app.data_rows.all_rows`.

    Examples
    --------
    >>> to_row({"use": "observed", "name": "freight_turnover", "subject": "210000 rail total", "year": "2020"})
    {'series': 'freight_turnover', 'area': '210000', 'period': '2020', 'mode': 'rail', 'item': 'total'}
    """
    if row["use"] != "observed":
        return to_parameter(row["name"], row["subject"], int(row["year"]) if row["year"] else None)
    # a statistic has an area and an item, and a mode between them where it is about one
    area, *mode, item = row["subject"].split(" ")
    return to_observed(row["name"], area=area, period=row["year"] or "", mode="".join(mode), item=item)


def to_source(source: str) -> dict[str, str]:
    """Return the query of a source: what it is, and every number taken from it.

    Parameters
    ----------
    source
        Key of the table of sources.
    """
    return _filled(source=source)


def address(query: dict[str, str], lang: str) -> str:
    """Return the address of a query, for cells and texts that hold a link.

    Parameters
    ----------
    query
        As made by the functions above.
    lang
        Language in which the page opens.

    Examples
    --------
    >>> address(to_parameter("annual_distance", "taxi"), "zh")
    '/data?parameter=annual_distance&subject=taxi&lang=zh'
    """
    return f"{ADDRESS}?{urlencode({**query, 'lang': lang})}"


def _filled(**parts: str) -> dict[str, str]:
    return {name: part for name, part in parts.items() if part}
