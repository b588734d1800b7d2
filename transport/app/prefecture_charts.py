"""Charts of the page of prefectures as Altair specifications and one map: plain frames in, a chart out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import altair as alt
import polars as pl
import pydeck as pdk

from transport.app.account_charts import REST_COLOUR, TOTAL_COLOUR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PLACE_COLOUR = "#4a90c2"
CHOSEN_COLOUR = "#D55E00"
#: Own ratio and weight of a contribution, own and province of a mix.
PART_COLOURS: Sequence[str] = ("#0072B2", "#E69F00")
_ROW = 24
_LARGEST_PX = 26.0
_VIEW = pdk.ViewState(latitude=40.6, longitude=122.2, zoom=5.5)
_FONT = "'Noto Sans CJK SC, Microsoft YaHei, sans-serif'"


def ranking(
    table: pl.DataFrame, *, title: str, mean: float | None, mean_label: str, target: float | None, target_label: str
) -> alt.LayerChart | alt.FacetChart:
    """Return one measure by place as horizontal bars in the order of the rows, with the province and the target as lines.

    Parameters
    ----------
    table
        Columns name, amount (None = nothing here), written, is_place.
    title
        Of the axis.
    mean, target
        Lines; None = none.
    mean_label, target_label
        What is written at the lines.
    """
    order = table["name"].to_list()
    values = [value for value in (*table["amount"].to_list(), mean, target) if value is not None]
    low, high = min([0.0, *values]), max([0.0, *values])
    span = (high - low) or 1.0
    scale = alt.Scale(domain=[low - (0.1 * span if low < 0 else 0.0), high + (0.1 * span if high > 0 else 0.0)], nice=False)
    shown = table.with_columns(
        right=pl.max_horizontal(pl.col("amount").fill_null(0.0), 0.0),
        colour=pl.when("is_place").then(pl.lit(PLACE_COLOUR)).otherwise(pl.lit(REST_COLOUR)),
    )
    y = alt.Y("name:N", sort=order, title=None, axis=alt.Axis(labelLimit=240, labelOverlap=False, labelFlush=False))
    bars = (
        alt.Chart(shown)
        .mark_bar(height=15)
        .encode(
            y=y,
            x=alt.X("amount:Q", title=title, scale=scale),
            color=alt.Color("colour:N", scale=None),
            tooltip=[alt.Tooltip("name:N", title=" "), alt.Tooltip("written:N", title=title)],
        )
    )
    base = alt.Chart(shown).encode(y=y, x=alt.X("right:Q", title=title, scale=scale), text="written:N")
    layers: list[Any] = [bars]
    left_of: dict[str, Any] = {"mean": "center", "target": "center"}
    if mean is not None and target is not None:
        left_of = {"mean": "right", "target": "left"} if mean <= target else {"mean": "left", "target": "right"}
    for key, value, label, colour, dash in (
        ("mean", mean, mean_label, TOTAL_COLOUR, [4, 3]),
        ("target", target, target_label, CHOSEN_COLOUR, [2, 2]),
    ):
        if value is None:
            continue
        at = pl.DataFrame({"at": [value], "label": [label]})
        x = alt.X("at:Q", title=title, scale=scale)
        layers.append(
            alt.Chart(at).mark_rule(color=colour, strokeDash=dash).encode(x=x, tooltip=alt.Tooltip("label:N", title=" "))
        )
        layers.append(
            alt.Chart(at).mark_text(color=colour, align=left_of[key], fontSize=12).encode(x=x, y=alt.value(-8), text="label:N")
        )
    # a white rim keeps the numbers readable on the lines
    layers += [base.mark_text(align="left", dx=4, fontSize=12, stroke="white", strokeWidth=4)]
    layers += [base.mark_text(align="left", dx=4, fontSize=12)]
    return alt.layer(*layers).properties(height=_ROW * len(order) + 40, padding={"top": 22, "left": 5, "right": 5, "bottom": 5})


def parts(table: pl.DataFrame, labels: Sequence[str], *, title: str) -> alt.LayerChart | alt.FacetChart:
    """Return contributions as two stacked parts to the left and right of zero, their sum as a mark with the number beside.

    Parameters
    ----------
    table
        Columns name, own, weight, amount, written, in the order of the bars.
    labels
        Of own, weight and their sum.
    title
        Of the axis.
    """
    order = table["name"].to_list()
    names = {"own": labels[0], "weight": labels[1]}
    long = table.select("name", "own", "weight").unpivot(
        on=["own", "weight"], index="name", variable_name="code", value_name="amount"
    )
    long = long.with_columns(part=pl.col("code").replace_strict(names))
    ends = [*table.select(low=pl.min_horizontal("own", 0.0) + pl.min_horizontal("weight", 0.0))["low"].to_list()]
    tops = [*table.select(high=pl.max_horizontal("own", 0.0) + pl.max_horizontal("weight", 0.0))["high"].to_list()]
    low, high = min([0.0, *ends]), max([0.0, *tops])
    span = (high - low) or 1.0
    scale = alt.Scale(domain=[low - 0.12 * span if low < 0 else 0.0, high + 0.12 * span], nice=False)
    y = alt.Y("name:N", sort=order, title=None, axis=alt.Axis(labelLimit=240, labelOverlap=False, labelFlush=False))
    bars = (
        alt.Chart(long)
        .mark_bar(height=15)
        .encode(
            y=y,
            x=alt.X("amount:Q", title=title, stack="zero", scale=scale),
            color=alt.Color(
                "part:N",
                scale=alt.Scale(domain=list(names.values()), range=list(PART_COLOURS)),
                legend=alt.Legend(title=None, orient="top", labelLimit=260),
            ),
            tooltip=[
                alt.Tooltip("name:N", title=" "),
                alt.Tooltip("part:N", title="  "),
                alt.Tooltip("amount:Q", title=title, format="+.2f"),
            ],
        )
    )
    whole = table.with_columns(right=pl.lit(high), label=pl.lit(labels[2]))
    x = alt.X("amount:Q", title=title, scale=scale)
    mark = alt.Chart(whole).mark_tick(color="#1b1b1b", thickness=2, height=19)
    dots = mark.encode(y=y, x=x, tooltip=[alt.Tooltip("name:N", title=" "), alt.Tooltip("written:N", title=labels[2])])
    text = (
        alt.Chart(whole)
        .mark_text(align="left", dx=6, fontSize=12)
        .encode(y=y, x=alt.X("right:Q", title=title, scale=scale), text="written:N")
    )
    return alt.layer(bars, dots, text).properties(height=_ROW * len(order) + 70)


def mix(table: pl.DataFrame, labels: Sequence[str], *, title: str) -> alt.LayerChart | alt.FacetChart:
    """Return shares of a prefecture beside those of the province, one pair of bars for each part.

    Parameters
    ----------
    table
        Columns name, mine, province [percent], in the order of the bars.
    labels
        Of the prefecture and of the province.
    title
        Of the axis.
    """
    order = table["name"].to_list()
    names = {"mine": labels[0], "province": labels[1]}
    long = (
        table.select("name", "mine", "province")
        .unpivot(on=["mine", "province"], index="name", variable_name="code", value_name="share")
        .with_columns(who=pl.col("code").replace_strict(names), written=pl.col("share").round(1).cast(pl.String))
    )
    y = alt.Y("name:N", sort=order, title=None, axis=alt.Axis(labelLimit=240, labelOverlap=False, labelFlush=False))
    who = list(names.values())
    base = alt.Chart(long).encode(
        y=y,
        yOffset=alt.YOffset("who:N", sort=who),
        x=alt.X("share:Q", title=title, scale=alt.Scale(domainMin=0.0)),
        tooltip=[
            alt.Tooltip("name:N", title=" "),
            alt.Tooltip("who:N", title="  "),
            alt.Tooltip("share:Q", title=title, format=".1f"),
        ],
    )
    colour = alt.Color(
        "who:N", scale=alt.Scale(domain=who, range=[PART_COLOURS[0], REST_COLOUR]), legend=alt.Legend(title=None, orient="top")
    )
    return alt.layer(
        base.mark_bar(height=9).encode(color=colour), base.mark_text(align="left", dx=3, fontSize=10).encode(text="written:N")
    ).properties(height=30 * len(order) + 110)


def place_map(table: pl.DataFrame, texts: Mapping[str, str]) -> pdk.Deck:
    """Return the prefectures as dots at their towns whose area follows the size of a measure; no boundaries are drawn.

    Parameters
    ----------
    table
        Columns name, lat, lon, amount (None = nothing here), written.
    texts
        ``measure``: label of the tooltip.
    """
    largest = max((abs(value) for value in table["amount"].to_list() if value is not None), default=0.0)
    rows = [
        {
            "name": row["name"],
            "written": row["written"],
            "position": [row["lon"], row["lat"]],
            "radius": dot_radius(row["amount"], largest),
            "colour": [74, 144, 194, 190] if row["amount"] is not None and row["amount"] >= 0 else [213, 94, 0, 190],
            "label": row["name"],
        }
        for row in table.iter_rows(named=True)
    ]
    layers = [
        pdk.Layer(
            "ScatterplotLayer",
            rows,
            get_position="position",
            get_radius="radius",
            radius_units="'pixels'",
            get_fill_color="colour",
            pickable=True,
            auto_highlight=True,
        ),
        pdk.Layer(
            "TextLayer",
            rows,
            get_position="position",
            get_text="label",
            get_size=13,
            get_color=[30, 30, 30],
            get_pixel_offset=[0, -14],
            character_set="'auto'",
            font_family=_FONT,
        ),
    ]
    return pdk.Deck(
        layers=layers,
        initial_view_state=_VIEW,
        map_provider=None,
        tooltip={"text": f"{{name}}\n{texts['measure']}: {{written}}"},
    )


def dot_radius(amount: float | None, largest: float) -> float:
    """Return the radius of a dot [px]: its area follows the size of the amount.

    Examples
    --------
    >>> dot_radius(1.0, 4.0), dot_radius(-4.0, 4.0), dot_radius(None, 4.0)
    (13.0, 26.0, 2.0)
    """
    if amount is None or largest <= 0.0:
        return 2.0
    return max(2.0, _LARGEST_PX * math.sqrt(abs(amount) / largest))
