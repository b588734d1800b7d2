"""Charts of the page of uncertainty as Altair specifications: plain frames in, a chart out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import polars as pl

from transport.app.charts import BAND_COLOUR, LINE_COLOUR, MET_COLOUR, MISSED_COLOUR, TARGET_COLOUR
from transport.i18n import t

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROW_PX = 26
_PERCENT = alt.Axis(format="%", title=None)
#: Colours of the two ends of an interaction: help each other, hinder each other.
_ENDS = (LINE_COLOUR, "#f7f7f7", MISSED_COLOUR)


def probabilities(table: pl.DataFrame, *, lang: str) -> alt.LayerChart | alt.FacetChart:
    """Return the probability of each target as a bar with its interval.

    Parameters
    ----------
    table
        Columns target (label), probability, low, high [share], central_met (whether the central run meets it).
    lang
        ``zh`` or ``en``.
    """
    title = t("uncertainty.probability", lang)
    y = alt.Y("target:N", sort=table["target"].to_list(), title=None, axis=alt.Axis(labelLimit=420))
    tip = [
        alt.Tooltip("target:N", title=t("uncertainty.target", lang)),
        alt.Tooltip("probability:Q", title=title, format=".0%"),
        alt.Tooltip("low:Q", title=t("uncertainty.low", lang), format=".0%"),
        alt.Tooltip("high:Q", title=t("uncertainty.high", lang), format=".0%"),
    ]
    colour = alt.condition(alt.datum.central_met, alt.value(MET_COLOUR), alt.value(MISSED_COLOUR))
    base = alt.Chart(table, height=_ROW_PX * table.height)
    bars = base.mark_bar(size=14).encode(
        y=y, x=alt.X("probability:Q", axis=_PERCENT, scale=alt.Scale(domain=[0, 1])), color=colour, tooltip=tip
    )
    spans = base.mark_rule(strokeWidth=2, color="#222222").encode(y=y, x="low:Q", x2="high:Q", tooltip=tip)
    return alt.layer(bars, spans)


def fan(path: pl.DataFrame, target: float | None, unit: str, *, lang: str) -> alt.LayerChart | alt.FacetChart:
    """Return a series over the years: the band of nine draws in ten, the middle draw and the central run, and the target.

    Parameters
    ----------
    path
        Columns year, p05, p50, p95, central.
    target
        Value of the target; None = no line.
    unit
        Label of the unit.
    lang
        ``zh`` or ``en``.
    """
    x = alt.X("year:Q", axis=alt.Axis(format="d", tickMinStep=1, title=None), scale=alt.Scale(nice=False))
    tip = [
        alt.Tooltip("year:Q", title=t("scorecard.year", lang), format="d"),
        *(
            alt.Tooltip(f"{name}:Q", title=t(f"uncertainty.{name}", lang), format=".2f")
            for name in ("p05", "p50", "p95", "central")
        ),
    ]
    base = alt.Chart(path, height=320)
    low = alt.Y("p05:Q", title=unit, scale=alt.Scale(zero=False))
    layers: list[alt.Chart] = [
        base.mark_area(color=BAND_COLOUR, opacity=0.6).encode(x=x, y=low, y2="p95:Q", tooltip=tip),
        base.mark_line(color=LINE_COLOUR, strokeWidth=2.5, point=True).encode(x=x, y="p50:Q", tooltip=tip),
        base.mark_line(color="#222222", strokeDash=[4, 3]).encode(x=x, y="central:Q", tooltip=tip),
    ]
    if target is not None:
        rule = alt.Chart(pl.DataFrame({"target": [target]}))
        layers.append(rule.mark_rule(color=TARGET_COLOUR, strokeDash=[6, 4]).encode(y="target:Q"))
    return alt.layer(*layers)


def measure_bars(table: pl.DataFrame, ways: Sequence[str], unit: str, *, lang: str) -> alt.LayerChart | alt.FacetChart:
    """Return the fair share of each measure as a bar, with what it does alone and last as points.

    Parameters
    ----------
    table
        Columns measure (label), share, alone, last, error.
    ways
        Labels of alone and last, for the legend.
    unit
        Label of the axis.
    lang
        ``zh`` or ``en``.
    """
    y = alt.Y("measure:N", sort=table["measure"].to_list(), title=None, axis=alt.Axis(labelLimit=320))
    tip = [
        alt.Tooltip("measure:N", title=t("measures.measure", lang)),
        *(
            alt.Tooltip(f"{name}:Q", title=t(f"measures.{name}", lang), format=",.1f")
            for name in ("share", "error", "alone", "last")
        ),
    ]
    base = alt.Chart(table, height=_ROW_PX * table.height)
    bars = base.mark_bar(size=14, color=LINE_COLOUR, opacity=0.75).encode(y=y, x=alt.X("share:Q", title=unit), tooltip=tip)
    points = table.unpivot(["alone", "last"], index="measure", variable_name="way", value_name="value").with_columns(
        pl.col("way").replace_strict({"alone": ways[0], "last": ways[1]})
    )
    marks = (
        alt.Chart(points)
        .mark_point(size=60, filled=True, opacity=1.0)
        .encode(
            y=y,
            x="value:Q",
            shape=alt.Shape(
                "way:N",
                scale=alt.Scale(domain=list(ways), range=["circle", "diamond"]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            color=alt.Color(
                "way:N",
                scale=alt.Scale(domain=list(ways), range=["#222222", MISSED_COLOUR]),
                legend=alt.Legend(title=None, orient="top"),
            ),
        )
    )
    return alt.layer(bars, marks)


def abatement(curve: pl.DataFrame, *, lang: str) -> alt.LayerChart | alt.FacetChart:
    """Return the abatement cost curve: a block per measure, as wide as the CO2 that it avoids and as high as a tonne costs.

    Parameters
    ----------
    curve
        Columns measure (label), start, end [display unit], price, shown (the same within the axis) [CNY/t], cut, label, height (of the label).
    lang
        ``zh`` or ``en``.
    """
    tip = [
        alt.Tooltip("measure:N", title=t("measures.measure", lang)),
        alt.Tooltip("avoided:Q", title=t("uncertainty.avoided", lang), format=",.1f"),
        alt.Tooltip("price:Q", title=t("measures.price", lang), format=",.0f"),
    ]
    base = alt.Chart(curve, height=340)
    blocks = base.mark_rect(stroke="white", strokeWidth=0.5).encode(
        x=alt.X("start:Q", title=t("uncertainty.avoided", lang)),
        x2="end:Q",
        y=alt.Y("shown:Q", title=t("measures.price", lang), scale=alt.Scale(nice=False)),
        y2=alt.datum(0),
        color=alt.condition(alt.datum.price < 0, alt.value(MET_COLOUR), alt.value(LINE_COLOUR)),
        tooltip=tip,
    )
    zero = alt.Chart(pl.DataFrame({"zero": [0.0]})).mark_rule(color="#222222").encode(y="zero:Q")
    cut = alt.Chart(curve.filter("cut"))
    # two lines across the top of a block: it goes on beyond the axis
    breaks = [
        cut.mark_tick(orient="horizontal", color="white", thickness=2, size=26, yOffset=offset).encode(
            x=alt.X("middle:Q"), y=alt.Y("shown:Q"), tooltip=tip
        )
        for offset in (8, 14)
    ]
    names = cut.mark_text(align="right", dx=-6, color="#222222", fontSize=12).encode(x="start:Q", y="height:Q", text="label:N")
    return alt.layer(blocks, zero, *breaks, names)


def interactions(pairs: pl.DataFrame, order: Sequence[str], unit: str, *, lang: str) -> alt.Chart:
    """Return the interactions of measures as coloured cells.

    Parameters
    ----------
    pairs
        Columns measure, other (labels), value; each pair once.
    order
        Labels in the order of the axes.
    unit
        Title of the legend.
    lang
        ``zh`` or ``en``.
    """
    both = pl.concat([pairs, pairs.select(measure="other", other="measure", value="value")])
    most = max(abs(float(both["value"].max() or 0.0)), abs(float(both["value"].min() or 0.0)), 1e-9)  # type: ignore[arg-type]
    axis = alt.Axis(labelLimit=220, labelAngle=-50, labelOverlap=False)
    chart: alt.Chart = (
        alt.Chart(both, height=22 * len(order))
        .mark_rect()
        .encode(
            x=alt.X("other:N", sort=list(order), title=None, axis=axis),
            y=alt.Y("measure:N", sort=list(order), title=None, axis=alt.Axis(labelLimit=260, labelOverlap=False)),
            color=alt.Color(
                "value:Q",
                title=unit,
                scale=alt.Scale(domain=[-most, 0, most], range=list(_ENDS)),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=[
                alt.Tooltip("measure:N", title=t("measures.measure", lang)),
                alt.Tooltip("other:N", title=t("measures.other", lang)),
                alt.Tooltip("value:Q", title=unit, format=",.2f"),
            ],
        )
    )
    return chart
