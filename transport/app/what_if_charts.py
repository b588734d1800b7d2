"""Charts of the what-if page as Altair specifications: plain frames in, a chart out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import polars as pl

from transport.app.charts import LINE_COLOUR, MODE_COLOURS, TARGET_COLOUR
from transport.i18n import t
from transport.text import width

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Parts of a port's throughput.
PART_COLOURS: Mapping[str, str] = {
    "sea_rail": MODE_COLOURS["rail"],
    "road": MODE_COLOURS["road"],
    "transhipped": MODE_COLOURS["water"],
    "residual": "#9a9a9a",
}
#: Colours of two parts of a change.
CHANGE_PARTS: Sequence[str] = (MODE_COLOURS["rail"], "#9a9a9a")
#: Room for a legend, and the height of each of its rows after the first [px].
_LEGEND_PX, _LEGEND_ROW_PX = 860, 22
_SHAPES = ("circle", "square", "triangle-up")
_USE_COLOURS = ("#222222", "#7b3294", "#8a8a8a")


def share_path(path: pl.DataFrame, uses: Sequence[str], *, lang: str) -> alt.LayerChart | alt.FacetChart:
    """Return a share over the years as a line, published shares as points by what they are used for, and the target.

    Parameters
    ----------
    path
        Columns year, share [percent], observed_share [percent], implied (by published boxes) [percent], period, use, quality, target [percent].
    uses
        Labels of the uses in order.
    lang
        ``zh`` or ``en``.
    """
    axis, observed = t("what_if.share_axis", lang), t("what_if.observed_share", lang)
    x = alt.X("year:Q", axis=alt.Axis(format="d", tickMinStep=1, title=None), scale=alt.Scale(nice=False))
    tip = [
        alt.Tooltip("year:Q", title=t("scorecard.year", lang), format="d"),
        alt.Tooltip("share:Q", title=axis, format=".2f"),
    ]
    line = (
        alt.Chart(path)
        .mark_line(point=True, color=LINE_COLOUR, strokeWidth=2.5)
        .encode(x=x, y=alt.Y("share:Q", title=axis, scale=alt.Scale(zero=True)), tooltip=tip)
    )
    layers: list[alt.Chart] = [line]
    seen = path.drop_nulls("observed_share")
    if seen.height:
        legend = alt.Legend(title=observed, orient="top")
        present = [use for use in uses if use in set(seen["use"].to_list())]
        layers.append(
            alt.Chart(seen)
            .mark_point(filled=True, size=110, opacity=1.0)
            .encode(
                x="year:Q",
                y="observed_share:Q",
                shape=alt.Shape("use:N", scale=alt.Scale(domain=present, range=list(_SHAPES[: len(present)])), legend=legend),
                color=alt.Color(
                    "use:N", scale=alt.Scale(domain=present, range=list(_USE_COLOURS[: len(present)])), legend=legend
                ),
                tooltip=[
                    alt.Tooltip("period:N", title=t("what_if.period", lang)),
                    alt.Tooltip("observed_share:Q", title=observed, format=".1f"),
                    alt.Tooltip("share:Q", title=axis, format=".2f"),
                    alt.Tooltip("quality:N", title=t("scorecard.quality", lang)),
                ],
            )
        )
    derived = path.drop_nulls("implied")
    if derived.height:
        layers.append(
            alt.Chart(derived)
            .mark_point(filled=False, size=90, color=_USE_COLOURS[0], strokeWidth=1.6)
            .encode(
                x="year:Q",
                y="implied:Q",
                tooltip=[
                    alt.Tooltip("period:N", title=t("what_if.period", lang)),
                    alt.Tooltip("implied:Q", title=t("what_if.implied", lang), format=".1f"),
                    alt.Tooltip("share:Q", title=axis, format=".2f"),
                    alt.Tooltip("quality:N", title=t("scorecard.quality", lang)),
                ],
            )
        )
    goal = path.drop_nulls("target")
    if goal.height:
        level = float(goal["target"][0])
        at = goal.head(1).with_columns(label=pl.lit(t("what_if.target_mark", lang, target=f"{level:g}")))
        layers.append(alt.Chart(at).mark_rule(color=TARGET_COLOUR, strokeDash=[6, 4]).encode(y="target:Q"))
        layers.append(alt.Chart(at).mark_point(color=TARGET_COLOUR, filled=True, size=90).encode(x="year:Q", y="target:Q"))
        layers.append(
            alt.Chart(at)
            .mark_text(color=TARGET_COLOUR, align="left", dx=9, dy=13)
            .encode(x="year:Q", y="target:Q", text="label:N")
        )
    return alt.layer(*layers).properties(height=300)


def signed_bars(
    table: pl.DataFrame, colours: Mapping[str, str], *, title: str, order: Sequence[str], form: str = ",.1f", totals: bool = True
) -> alt.LayerChart | alt.FacetChart:
    """Return amounts of either sign as bars stacked away from zero, and their sum as a black tick.

    Parameters
    ----------
    table
        Columns name (bar), part (colour), amount.
    colours
        Label of a part -> colour, in the order of the stack.
    title
        Of the axis.
    order
        Bars from top to bottom.
    form
        Number format.
    totals
        Whether the sum is marked and written.
    """
    used = [part for part in colours if part in set(table["part"].to_list())]
    columns = max(2, int(_LEGEND_PX / (7.2 * max((width(part) for part in used), default=1) + 44)))
    y = alt.Y("name:N", sort=list(order), title=None, axis=alt.Axis(labelLimit=230, labelOverlap=False, labelFlush=False))
    bars = (
        alt.Chart(table.filter(pl.col("amount") != 0.0))
        .mark_bar(height=16)
        .encode(
            y=y,
            x=alt.X("amount:Q", title=title, stack="zero"),
            color=alt.Color(
                "part:N",
                scale=alt.Scale(domain=used, range=[colours[part] for part in used]),
                legend=alt.Legend(title=None, orient="top", labelLimit=260, columns=columns),
            ),
            tooltip=[
                alt.Tooltip("name:N", title=" "),
                alt.Tooltip("part:N", title="  "),
                alt.Tooltip("amount:Q", title=title, format=form),
            ],
        )
    )
    zero = alt.Chart(pl.DataFrame({"x": [0.0]})).mark_rule(color="#666666").encode(x="x:Q")
    layers = [bars, zero]
    if totals:
        ends = table.group_by("name", maintain_order=True).agg(
            whole=pl.col("amount").sum(), right=pl.col("amount").clip(lower_bound=0.0).sum()
        )
        whole = alt.Chart(ends)
        layers.append(whole.mark_tick(color="#111111", thickness=2.5, height=16).encode(y=y, x="whole:Q"))
        layers.append(whole.mark_text(align="left", dx=6).encode(y=y, x="right:Q", text=alt.Text("whole:Q", format=form)))
    more = max(-(-len(used) // columns) - 1, 0)
    return alt.layer(*layers).properties(height=25 * max(len(order), 2) + 130 + _LEGEND_ROW_PX * more)


def lines(table: pl.DataFrame, *, title: str, legend: Sequence[str]) -> alt.Chart:
    """Return one line per name over the years.

    Parameters
    ----------
    table
        Columns name, year, amount.
    title
        Of the axis.
    legend
        Names in order.
    """
    chart: alt.Chart = (
        alt.Chart(table)
        .mark_line(point=False, strokeWidth=2)
        .encode(
            x=alt.X("year:Q", axis=alt.Axis(format="d", tickMinStep=1, title=None), scale=alt.Scale(nice=False)),
            y=alt.Y("amount:Q", title=title, scale=alt.Scale(zero=False)),
            color=alt.Color("name:N", sort=list(legend), legend=alt.Legend(title=None, orient="right", labelLimit=160)),
            strokeDash=alt.StrokeDash("name:N", sort=list(legend), legend=None),
            tooltip=[
                alt.Tooltip("name:N", title=" "),
                alt.Tooltip("year:Q", title="  ", format="d"),
                alt.Tooltip("amount:Q", title=title, format=".1f"),
            ],
        )
        .properties(height=300)
    )
    return chart
