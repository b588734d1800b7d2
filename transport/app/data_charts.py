"""Charts of the page of data and sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping

#: From sure to weak, told apart by colour-blind readers.
COLOURS = {
    "official": "#00429d",
    "measured": "#3761ab",
    "literature": "#5681b9",
    "derived": "#93c4d2",
    "assumption": "#f4a259",
    "recalled": "#c8553d",
}


def qualities(counts: pl.DataFrame, uses: Mapping[str, str], called: Mapping[str, str], axis: str) -> alt.Chart:
    """Return bars of the numbers by use, in parts by quality.

    Parameters
    ----------
    counts
        As :func:`transport.app.data_rows.quality_counts` makes them.
    uses
        Use -> its name: the columns that are drawn.
    called
        Quality -> its name.
    axis
        Title of the axis of counts.
    """
    long = counts.unpivot(list(uses), index="quality", variable_name="use", value_name="numbers").with_columns(
        place=pl.col("quality").replace_strict({q: i for i, q in enumerate(COLOURS)}),
        use=pl.col("use").replace_strict(uses),
        quality=pl.col("quality").replace_strict(called),
    )
    order = [called[q] for q in COLOURS if q in called]
    colour = alt.Color(
        "quality:N",
        scale=alt.Scale(domain=order, range=[COLOURS[q] for q in COLOURS if q in called]),
        legend=alt.Legend(title=None, orient="top"),
    )
    chart: alt.Chart = (
        alt.Chart(long)
        .mark_bar()
        .encode(
            x=alt.X("numbers:Q", title=axis),
            y=alt.Y("use:N", title=None, sort=list(uses.values()), axis=alt.Axis(labelLimit=220)),
            color=colour,
            order=alt.Order("place:Q"),
            tooltip=[alt.Tooltip("use:N"), alt.Tooltip("quality:N"), alt.Tooltip("numbers:Q", format=",")],
        )
        .properties(height=alt.Step(36))
    )
    return chart
