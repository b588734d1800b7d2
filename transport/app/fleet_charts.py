"""Charts of the page of fleets as Altair specifications: plain frames in, a chart out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import polars as pl

from transport.app.charts import TARGET_COLOUR
from transport.i18n import t
from transport.text import width

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: One colour per powertrain: greys and browns burn oil, yellows gas; blue, green and purple are new energy.
POWERTRAIN_COLOURS: Mapping[str, str] = {
    "gasoline": "#a39a8f",
    "diesel": "#4d4d4d",
    "cng": "#f0d58c",
    "lng": "#E69F00",
    "lpg": "#b8860b",
    "hybrid": "#c9b8a3",
    "plug_in_hybrid": "#CC79A7",
    "range_extended": "#8e4585",
    "battery_electric": "#0072B2",
    "battery_swap": "#56B4E9",
    "fuel_cell": "#009E73",
    "electric_traction": "#0072B2",
    "diesel_traction": "#4d4d4d",
    "heavy_fuel_oil": "#2b2b2b",
    "marine_diesel": "#8c8c8c",
    "lng_ship": "#E69F00",
    "methanol_ship": "#009E73",
    "battery_ship": "#0072B2",
    "turbine": "#6b6b6b",
}
#: One colour per carrier of energy.
CARRIER_COLOURS: Mapping[str, str] = {
    "gasoline": "#a39a8f",
    "diesel": "#4d4d4d",
    "kerosene": "#c8a27a",
    "fuel_oil": "#1f1f1f",
    "lpg": "#b8860b",
    "natural_gas": "#f0d58c",
    "lng": "#E69F00",
    "methanol": "#7fc8a9",
    "hydrogen": "#009E73",
    "electricity": "#0072B2",
}
#: Colours of whatever has no meaning of its own, in order; the last one is for the rest.
SERIES_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8c6d31", "#1f4e79", "#b9b9b9")
#: Colours of additions, of what is scrapped, and of what moves between registers.
CHANGE_COLOURS = ("#0072B2", "#8c8c8c", "#E69F00")
#: Widths of a chart over the page and over a part of it [px], and the height of a row of its legend [px].
WHOLE, PART = 860, 540
_ROW_PX = 30


def _columns(parts: Sequence[str], wide: int) -> int:
    return max(2, int(wide / (7.2 * max((width(part) for part in parts), default=1) + 44)))


def _legend(parts: Sequence[str], wide: int = WHOLE) -> alt.Legend:
    return alt.Legend(title=None, orient="top", columns=_columns(parts, wide), labelLimit=260)


def _years(title: str | None = None) -> alt.X:
    return alt.X("year:Q", axis=alt.Axis(format="d", tickMinStep=1, title=title), scale=alt.Scale(nice=False))


def areas(
    rows: pl.DataFrame, colours: Mapping[str, str], *, title: str, lang: str, height: int = 280, wide: int = WHOLE
) -> alt.Chart:
    """Return amounts by year as areas on top of each other, the first part at the bottom.

    Parameters
    ----------
    rows
        Columns year, part, amount; parts in the order of the stack.
    colours
        Part -> colour.
    title
        Of the axis, with the unit.
    lang
        ``zh`` or ``en``.
    height
        Of the chart without its legend [px].
    wide
        Room for the legend [px].
    """
    parts = rows["part"].unique(maintain_order=True).to_list()
    rank = {part: k for k, part in enumerate(parts)}
    shown = rows.with_columns(rank=pl.col("part").replace_strict(rank, return_dtype=pl.Int64))
    chart: alt.Chart = (
        alt.Chart(shown)
        .mark_area(line={"strokeWidth": 0.6, "color": "white"})
        .encode(
            x=_years(),
            y=alt.Y("amount:Q", title=title, stack="zero"),
            color=alt.Color(
                "part:N", scale=alt.Scale(domain=parts, range=[colours[part] for part in parts]), legend=_legend(parts, wide)
            ),
            order=alt.Order("rank:Q"),
            tooltip=[
                alt.Tooltip("year:Q", title=t("scorecard.year", lang), format="d"),
                alt.Tooltip("part:N", title=" "),
                alt.Tooltip("amount:Q", title=title, format=",.2f"),
            ],
        )
        .properties(height=height + _ROW_PX * -(-len(parts) // _columns(parts, wide)))
    )
    return chart


def share_line(rows: pl.DataFrame, *, title: str, lang: str, height: int = 300) -> alt.LayerChart | alt.FacetChart:
    """Return a share over the years as a line from 0 to 100 percent, with its value written every five years.

    Parameters
    ----------
    rows
        Columns year, share [percent].
    title
        Of the axis.
    lang
        ``zh`` or ``en``.
    height
        Of the chart [px].
    """
    top = max(10.0, 1.15 * float(str(rows["share"].max()))) if rows.height else 100.0
    base = alt.Chart(rows).encode(
        x=_years(),
        y=alt.Y("share:Q", title=title, scale=alt.Scale(domain=[0.0, min(100.0, top) if top < 87 else 105.0], nice=False)),
    )
    tip = [
        alt.Tooltip("year:Q", title=t("scorecard.year", lang), format="d"),
        alt.Tooltip("share:Q", title=title, format=".1f"),
    ]
    line = base.mark_line(color=SERIES_COLOURS[0], strokeWidth=2.5, point={"size": 26}).encode(tooltip=tip)
    written = base.transform_filter((alt.datum.year % 5 == 0) & (alt.datum.year > 2015)).mark_text(dy=-11, fontSize=12)
    return alt.layer(line, written.encode(text=alt.Text("share:Q", format=".1f"))).properties(height=height)


def changes(rows: pl.DataFrame, *, title: str, lang: str) -> alt.Chart:
    """Return what comes and what goes by year as bars above and below zero.

    Parameters
    ----------
    rows
        Columns year, part, amount (signed); parts in order.
    title
        Of the axis, with the unit.
    lang
        ``zh`` or ``en``.
    """
    parts = rows["part"].unique(maintain_order=True).to_list()
    scale = alt.Scale(domain=parts, range=list(CHANGE_COLOURS[: len(parts)]))
    chart: alt.Chart = (
        alt.Chart(rows)
        .mark_bar()
        .encode(
            x=alt.X("year:O", title=None, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("amount:Q", title=title),
            color=alt.Color("part:N", scale=scale, legend=_legend(parts)),
            tooltip=[
                alt.Tooltip("year:O", title=t("scorecard.year", lang)),
                alt.Tooltip("part:N", title=" "),
                alt.Tooltip("amount:Q", title=title, format="+,.2f"),
            ],
        )
        .properties(height=300)
    )
    return chart


def clean_shares(
    rows: pl.DataFrame, target: tuple[int, float, float] | None, *, title: str, lang: str
) -> alt.LayerChart | alt.FacetChart:
    """Return the clean share of additions by group (colour) and list (solid or dashed) with the target and its tolerance.

    Parameters
    ----------
    rows
        Columns year, name, list, share [percent].
    target
        Year, value and tolerance [percent] of the target, None without one.
    title
        Of the axis.
    lang
        ``zh`` or ``en``.
    """
    names, lists = (rows[c].unique(maintain_order=True).to_list() for c in ("name", "list"))
    base = alt.Chart(rows).encode(
        x=_years(),
        y=alt.Y("share:Q", title=title, scale=alt.Scale(zero=True)),
        color=alt.Color("name:N", scale=alt.Scale(domain=names, range=list(SERIES_COLOURS[: len(names)])), legend=_legend(names)),
        strokeDash=alt.StrokeDash(
            "list:N",
            scale=alt.Scale(domain=lists, range=[[1, 0], [5, 3]]),
            legend=alt.Legend(title=None, orient="top", labelLimit=400, symbolSize=400),
        ),
    )
    tip = [
        alt.Tooltip("year:Q", title=t("scorecard.year", lang), format="d"),
        alt.Tooltip("name:N", title=" "),
        alt.Tooltip("list:N", title="  "),
        alt.Tooltip("share:Q", title=title, format=".1f"),
    ]
    layers: list[alt.Chart] = [base.mark_line(strokeWidth=2.2).encode(tooltip=tip)]
    if target is not None:
        year, value, tolerance = target
        goal = pl.DataFrame({"year": [year], "share": [value], "low": [value - tolerance]})
        goal = goal.with_columns(label=pl.lit(t("fleets.target_mark", lang, value=f"{value:g}", year=year)))
        level = alt.Chart(goal).mark_rule(color=TARGET_COLOUR, strokeDash=[6, 4]).encode(y="share:Q")
        span = (
            alt.Chart(goal)
            .mark_rule(color=TARGET_COLOUR, strokeWidth=5, opacity=0.45)
            .encode(x="year:Q", y="low:Q", y2="share:Q")
        )
        mark = alt.Chart(goal).mark_point(color=TARGET_COLOUR, filled=True, size=80).encode(x="year:Q", y="share:Q")
        text = (
            alt.Chart(goal)
            .mark_text(color=TARGET_COLOUR, align="right", dx=-10, dy=-9, fontSize=12)
            .encode(x="year:Q", y="share:Q", text="label:N")
        )
        layers += [level, span, mark, text]
    return alt.layer(*layers).properties(height=340)


def shares_by_name(rows: pl.DataFrame, *, title: str, lang: str) -> alt.LayerChart | alt.FacetChart:
    """Return shares over the years as one line per name with the targets as points.

    Parameters
    ----------
    rows
        Columns year, name, share, target [percent].
    title
        Of the axis.
    lang
        ``zh`` or ``en``.
    """
    names = rows["name"].unique(maintain_order=True).to_list()
    scale = alt.Scale(domain=names, range=list(SERIES_COLOURS[: len(names)]))
    color = alt.Color("name:N", scale=scale, legend=_legend(names))
    lines = (
        alt.Chart(rows)
        .mark_line(strokeWidth=2.2)
        .encode(
            x=_years(),
            y=alt.Y("share:Q", title=title, scale=alt.Scale(domain=[0, 105], nice=False)),
            color=color,
            tooltip=[
                alt.Tooltip("year:Q", title=t("scorecard.year", lang), format="d"),
                alt.Tooltip("name:N", title=" "),
                alt.Tooltip("share:Q", title=title, format=".1f"),
            ],
        )
    )
    goals = rows.drop_nulls("target")
    marks = (
        alt.Chart(goals)
        .mark_point(shape="diamond", filled=True, size=110, stroke="white", strokeWidth=1)
        .encode(
            x=_years(),
            y="target:Q",
            color=color,
            tooltip=[
                alt.Tooltip("year:Q", title=t("scorecard.year", lang), format="d"),
                alt.Tooltip("name:N", title=" "),
                alt.Tooltip("target:Q", title=t("fleets.target", lang), format=".0f"),
            ],
        )
    )
    return alt.layer(lines, marks).properties(height=300)


def coloured(parts: Sequence[str]) -> dict[str, str]:
    """Return a colour for each part in order; what comes after the colours has the last one.

    Examples
    --------
    >>> coloured(["a", "b"])
    {'a': '#0072B2', 'b': '#E69F00'}
    """
    return {part: SERIES_COLOURS[min(k, len(SERIES_COLOURS) - 1)] for k, part in enumerate(parts)}
