"""What moved between runs: tonnes and tkm by mode, per corridor, commodity and prefecture.

Every table holds one row per run held against the first, year, place or commodity, and mode; rows of all places sum to the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class View:
    """How runs are compared.

    Attributes
    ----------
    table
        Result table.
    keys
        Its key columns beside ``year`` and ``mode``.
    amounts
        Its amounts [t/yr, tkm/yr].
    """

    table: str
    keys: tuple[str, ...]
    amounts: tuple[str, ...]


#: Views beside the indicators: corridors by main mode of the chain, commodities by mode of every leg, prefectures by mode of the links and main mode.
VIEWS: dict[str, View] = {
    "corridor": View("freight_corridors", ("from_place", "to_place"), ("t", "tkm")),
    "commodity": View("freight", ("commodity",), ("t", "territory_tkm", "total_tkm")),
    "prefecture": View("freight_areas", ("area",), ("territory_tkm", "sent_t", "received_t")),
}
#: Amount by which rows are ordered.
_ORDER = {"corridor": "tkm", "commodity": "total_tkm", "prefecture": "territory_tkm"}


def deltas(by: str, first: pl.DataFrame, others: Mapping[str, pl.DataFrame], *, years: Sequence[int]) -> pl.DataFrame:
    """Return the differences of runs from the first one.

    Parameters
    ----------
    by
        One of :data:`VIEWS`.
    first
        The view's result table of the first run.
    others
        The same table of the other runs by name.
    years
        Years to compare; of freight tables by place only the detail years are there.

    Returns
    -------
    polars.DataFrame
        ``run``, ``year``, keys, ``mode``, and of each amount ``<amount>_a``, ``<amount>`` and ``<amount>_difference``; what a run has nothing of is 0.
    """
    view = VIEWS[by]
    keys = ["year", *view.keys, "mode"]
    made = []
    for name, table in others.items():
        a, b = (x.filter(pl.col("year").is_in(years)).select(*keys, *view.amounts) for x in (first, table))
        both = a.rename({x: f"{x}_a" for x in view.amounts}).join(b, on=keys, how="full", coalesce=True)
        filled = both.with_columns(pl.col(column).fill_null(0.0) for x in view.amounts for column in (f"{x}_a", x))
        columns = [
            c
            for x in view.amounts
            for c in (pl.col(f"{x}_a"), pl.col(x), (pl.col(x) - pl.col(f"{x}_a")).alias(f"{x}_difference"))
        ]
        made.append(filled.select(pl.lit(name).alias("run"), *keys, *columns))
    return pl.concat(made).sort("run", *keys)


def ranked(by: str, table: pl.DataFrame) -> pl.DataFrame:
    """Return places or commodities with their change by mode side by side, the largest first.

    Parameters
    ----------
    by
        One of :data:`VIEWS`.
    table
        Rows of one run and year of :func:`deltas`.

    Returns
    -------
    polars.DataFrame
        Keys, one column per mode with the change of the view's main amount, ``change`` (their sum) and ``moved`` (half of the sum of their sizes plus
        half of the size of the sum: what changed mode or came and went).
    """
    view, amount = VIEWS[by], f"{_ORDER[by]}_difference"
    if table.is_empty():
        return pl.DataFrame(schema=dict.fromkeys(view.keys, pl.String) | {"change": pl.Float64, "moved": pl.Float64})
    modes = sorted(table["mode"].unique().to_list())
    wide = table.pivot(on="mode", on_columns=modes, index=list(view.keys), values=amount, aggregate_function="sum").with_columns(
        pl.col(modes).fill_null(0.0)
    )
    total = pl.sum_horizontal(modes)
    moved = (pl.sum_horizontal(pl.col(modes).abs()) + total.abs()) / 2.0
    return wide.with_columns(change=total, moved=moved).sort("moved", *view.keys, descending=[True, *[False] * len(view.keys)])
