"""Charts of the comparison: bars and lines by scenario, each scenario in its colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from transport.app.comparison import Side

_SHAPES = ("circle", "square", "triangle-up", "diamond")


def _colour(found: Sequence[Side]) -> alt.Color:
    scale = alt.Scale(domain=[side.title for side in found], range=[side.colour for side in found])
    return alt.Color("scenario:N", scale=scale, legend=alt.Legend(title=None, orient="top", labelLimit=260))


def bars(rows: pl.DataFrame, found: Sequence[Side], title: str, heads: Mapping[str, str], form: str = ",.1f") -> alt.Chart:
    """Return one group of bars per name, one bar per scenario.

    Parameters
    ----------
    rows
        Columns name, value, scenario.
    found
        The scenarios.
    title
        Of the values, with their unit.
    heads
        What ``name`` and ``scenario`` are called.
    form
        Of the numbers, as d3 writes it.
    """
    names = rows["name"].unique(maintain_order=True).to_list()
    tip = [alt.Tooltip(f"{c}:N", title=heads[c]) for c in ("name", "scenario")]
    chart: alt.Chart = (
        alt.Chart(rows)
        .mark_bar()
        .encode(
            y=alt.Y("name:N", sort=names, title=None, axis=alt.Axis(labelLimit=260, labelOverlap=False)),
            yOffset=alt.YOffset("scenario:N", sort=[side.title for side in found]),
            x=alt.X("value:Q", title=title),
            color=_colour(found),
            tooltip=[*tip, alt.Tooltip("value:Q", title=title, format=form)],
        )
        .properties(height=len(names) * (12 + 12 * len(found)) + 90)
    )
    return chart


def lines(
    rows: pl.DataFrame, found: Sequence[Side], title: str, heads: Mapping[str, str], form: str = ",.1f"
) -> alt.LayerChart | alt.FacetChart:
    """Return one line per scenario over the names, which are years or hours; marks differ in shape as well as in colour.

    Parameters
    ----------
    rows
        Columns name (a number), value, scenario.
    found
        The scenarios.
    title
        Of the values, with their unit.
    heads
        What ``name`` and ``scenario`` are called.
    form
        Of the numbers, as d3 writes it.
    """
    shape = alt.Shape(
        "scenario:N", scale=alt.Scale(domain=[side.title for side in found], range=list(_SHAPES[: len(found)])), legend=None
    )
    base = alt.Chart(rows).encode(
        x=alt.X("name:Q", title=heads["name"], axis=alt.Axis(format="d", tickMinStep=1), scale=alt.Scale(nice=False)),
        y=alt.Y("value:Q", title=title),
        color=_colour(found),
    )
    tip = [
        alt.Tooltip("name:Q", title=heads["name"], format="d"),
        alt.Tooltip("scenario:N", title=heads["scenario"]),
        alt.Tooltip("value:Q", title=title, format=form),
    ]
    marks = base.mark_point(filled=True, size=55).encode(shape=shape, tooltip=tip)
    return alt.layer(base.mark_line(strokeWidth=2), marks).properties(height=280)
