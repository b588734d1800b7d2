"""Charts of the accounts page as Altair specifications: plain frames in, a chart out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import polars as pl

from transport import palette
from transport.i18n import t
from transport.text import width

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MET_COLOUR, MISSED_COLOUR = palette.MET_COLOUR, palette.MISSED_COLOUR
TOTAL_COLOUR = palette.TOTAL_COLOUR
REST_COLOUR = palette.REST_COLOUR
SECTOR_COLOURS = palette.SECTOR_COLOURS
#: Colours of the components of cost, in order.
COST_COLOURS: Sequence[str] = ("#0072B2", "#E69F00", "#009E73", "#b9b9b9", "#CC79A7", "#56B4E9", "#D55E00")


def readings(
    table: pl.DataFrame, boundaries: Mapping[str, str], scopes: Mapping[str, str], bases: Mapping[str, str], *, lang: str
) -> alt.FacetChart:
    """Return all readings as a matrix: boundary x scope, one block for each base, the value and the verdict written in each cell.

    Parameters
    ----------
    table
        Columns boundary, scope, base, value [percent], is_met, is_headline; the headline is framed.
    boundaries, scopes, bases
        Code -> label, in order.
    lang
        ``zh`` or ``en``.
    """
    mark = {True: t("app.accounts.mark_met", lang), False: t("app.accounts.mark_missed", lang)}
    shown = table.with_columns(
        pl.col("boundary").replace_strict(boundaries),
        pl.col("scope").replace_strict(scopes),
        pl.col("base").replace_strict(bases),
        written=pl.Series([f"{v:+.1f} {mark[m]}" for v, m in table.select("value", "is_met").iter_rows()], dtype=pl.String),
    )
    x = alt.X(
        "scope:N",
        sort=list(scopes.values()),
        title=None,
        axis=alt.Axis(orient="top", labelAngle=0, labelLimit=160, labelFlush=False, labelOverlap=False),
    )
    y = alt.Y(
        "boundary:N",
        sort=list(boundaries.values()),
        title=None,
        axis=alt.Axis(labelLimit=230, labelFlush=False, labelOverlap=False),
    )
    base = alt.Chart(shown).encode(x=x, y=y)
    cells = base.mark_rect(stroke="white", strokeWidth=2).encode(
        color=alt.condition(alt.datum.is_met, alt.value("#d5e8d4"), alt.value("#fbdcc0")),
        tooltip=[
            alt.Tooltip("boundary:N", title=t("app.boundary", lang)),
            alt.Tooltip("scope:N", title=t("app.accounts.scope", lang)),
            alt.Tooltip("base:N", title=t("app.base", lang)),
            alt.Tooltip("value:Q", title=t("app.intensity_axis", lang), format="+.2f"),
        ],
    )
    texts = base.mark_text(fontSize=13, color="#1b1b1b").encode(text="written:N")
    frame = base.transform_filter(alt.datum.is_headline).mark_rect(fill=None, stroke="#222222", strokeWidth=2)
    block = alt.layer(cells, frame, texts).properties(width=330, height=36 * len(boundaries))
    column = alt.Column(
        "base:N", sort=list(bases.values()), title=None, header=alt.Header(labelFontSize=13, labelFontWeight="bold")
    )
    chart: alt.FacetChart = block.facet(column=column)
    return chart


def waterfall(bars: pl.DataFrame, colours: Mapping[str, str], *, title: str, form: str) -> alt.LayerChart | alt.FacetChart:
    """Return steps from zero to a total as horizontal bars with their numbers written at the end.

    Parameters
    ----------
    bars
        Columns name, value, kind, start, end, in order; the last bar is the total.
    colours
        Kind -> colour.
    title
        Of the axis.
    form
        Number format of the written values, for example ``+.1f``.
    """
    shown = bars.with_columns(
        written=pl.Series([f"{value:{form}}" for value in bars["value"]], dtype=pl.String),
        right=pl.max_horizontal("start", "end"),
        colour=pl.col("kind").replace_strict(colours),
    )
    order = shown["name"].to_list()
    low, high = float(str(shown.select(pl.min_horizontal("start", "end")).to_series().min())), float(str(shown["right"].max()))
    span = max(high - low, 1e-9)
    left = low - 0.03 * span if low < 0.0 else 0.0
    scale = alt.Scale(domain=[left, max(high, 0.0) + 0.13 * span], nice=False)
    y = alt.Y("name:N", sort=order, title=None, axis=alt.Axis(labelLimit=330, labelOverlap=False, labelFlush=False))
    base = alt.Chart(shown).encode(y=y)
    bar = base.mark_bar(height=17).encode(
        x=alt.X("start:Q", title=title, scale=scale),
        x2="end:Q",
        color=alt.Color("colour:N", scale=None),
        tooltip=[alt.Tooltip("name:N", title=" "), alt.Tooltip("written:N", title=title)],
    )
    text = base.mark_text(align="left", dx=5).encode(x=alt.X("right:Q", title=title, scale=scale), text="written:N")
    zero = alt.Chart(pl.DataFrame({"x": [0.0]})).mark_rule(color="#888888").encode(x=alt.X("x:Q", scale=scale))
    return alt.layer(bar, zero, text).properties(height=26 * len(order) + 70)


def months(table: pl.DataFrame, *, title: str, month: str, temperature: str) -> alt.LayerChart | alt.FacetChart:
    """Return energy per km by month as one line per powertrain, and the temperature of the month when pointed at.

    Parameters
    ----------
    table
        Columns name, month, index [percent of the mean month], temperature [degC].
    title, month, temperature
        Titles of the axes and of the temperature.
    """
    names = table["name"].unique(maintain_order=True).to_list()
    columns = max(2, int(700 / (7.2 * max((width(name) for name in names), default=1) + 40)))
    low, high = (float(str(value)) for value in (table["index"].min(), table["index"].max()))
    lines = (
        alt.Chart(table)
        .mark_line(point=True)
        .encode(
            x=alt.X("month:O", title=month, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("index:Q", title=title, scale=alt.Scale(domain=[min(low, 95.0), max(high, 105.0)])),
            color=alt.Color("name:N", sort=names, legend=alt.Legend(title=None, orient="top", columns=columns, labelLimit=260)),
            tooltip=[
                alt.Tooltip("name:N", title=" "),
                alt.Tooltip("month:O", title=month),
                alt.Tooltip("index:Q", title=title, format=".1f"),
                alt.Tooltip("temperature:Q", title=temperature, format=".1f"),
            ],
        )
    )
    mean = alt.Chart(pl.DataFrame({"y": [100.0]})).mark_rule(color="#888888", strokeDash=[4, 3]).encode(y="y:Q")
    return alt.layer(lines, mean).properties(height=330)


def change_kind(value: float) -> str:
    """Return ``fall`` or ``rise``.

    Examples
    --------
    >>> change_kind(-0.1)
    'fall'
    """
    return "fall" if value < 0.0 else "rise"


def factor_bars(steps: pl.DataFrame, lang: str) -> pl.DataFrame:
    """Return the steps of an attribution as :func:`waterfall` draws them: name, value, kind, start, end.

    Parameters
    ----------
    steps
        Of :func:`transport.app.account_tables.steps`.
    lang
        ``zh`` or ``en``.
    """
    names = [t(f"attribution.factor.{key}", lang) for key in steps["key"]]
    kinds = ["total" if key == "total" else change_kind(value) for key, value in steps.select("key", "change").iter_rows()]
    return steps.select(
        name=pl.Series(names, dtype=pl.String),
        value="change",
        kind=pl.Series(kinds, dtype=pl.String),
        start="start",
        end="end",
    )


#: Colours of a waterfall of changes, and of one of quantities.
CHANGE_COLOURS: Mapping[str, str] = {"fall": MET_COLOUR, "rise": MISSED_COLOUR, "total": TOTAL_COLOUR}
BRIDGE_COLOURS: Mapping[str, str] = {"line": "#4a90c2", "rest": REST_COLOUR, "total": TOTAL_COLOUR}


def stacked(
    table: pl.DataFrame, colours: Mapping[str, str], *, title: str, order: Sequence[str], form: str = ",.1f"
) -> alt.LayerChart | alt.FacetChart:
    """Return amounts as stacked horizontal bars with their totals written at the end.

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
        Number format of the totals.
    """
    rank = {part: i for i, part in enumerate(colours)}
    shown = table.with_columns(rank=pl.col("part").replace_strict(rank, return_dtype=pl.Int64))
    ends = shown.group_by("name", maintain_order=True).agg(whole=pl.col("amount").sum())
    ends = ends.with_columns(written=pl.Series([f"{value:{form}}" for value in ends["whole"]], dtype=pl.String))
    longest = float(str(ends["whole"].max())) if ends.height else 1.0
    scale = alt.Scale(domain=[0.0, 1.12 * longest], nice=False)
    y = alt.Y("name:N", sort=list(order), title=None, axis=alt.Axis(labelLimit=240, labelOverlap=False, labelFlush=False))
    used = [part for part in colours if part in set(shown["part"].to_list())]
    columns = max(2, int(900 / (7.2 * max((width(part) for part in used), default=1) + 40)))
    bars = (
        alt.Chart(shown)
        .mark_bar(height=17)
        .encode(
            y=y,
            x=alt.X("amount:Q", title=title, stack="zero", scale=scale),
            color=alt.Color(
                "part:N",
                scale=alt.Scale(domain=used, range=[colours[part] for part in used]),
                legend=alt.Legend(title=None, orient="top", columns=columns, labelLimit=240),
            ),
            order=alt.Order("rank:Q"),
            tooltip=[
                alt.Tooltip("name:N", title=" "),
                alt.Tooltip("part:N", title="  "),
                alt.Tooltip("amount:Q", title=title, format=",.2f"),
            ],
        )
    )
    text = (
        alt.Chart(ends).mark_text(align="left", dx=5).encode(y=y, x=alt.X("whole:Q", title=title, scale=scale), text="written:N")
    )
    return alt.layer(bars, text).properties(height=26 * len(order) + 130)
