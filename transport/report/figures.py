"""Figures of reports: tables in, Altair specifications and PNG pictures out, drawn without a browser."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import altair as alt
import polars as pl

from transport.palette import TARGET_COLOUR
from transport.report.content import Number, signed_text

if TYPE_CHECKING:
    from transport.report.content import Cell, Figure

#: Size of the plot [px], and how much finer than the screen it is drawn.
WIDTH, HEIGHT, SCALE = 560, 300, 2.5
_BAR = 24
_NAME = "__name"


def text_picture(text: str, family: str) -> bytes:
    """Return a small picture of a text in one font family."""
    mark = alt.Chart(pl.DataFrame({"text": [text]})).mark_text(font=family, fontSize=28).encode(text="text:N")
    return render(mark.properties(width=60, height=40), scale=1.0)


def render(chart: alt.TopLevelMixin, *, scale: float = SCALE) -> bytes:
    """Return a chart as PNG."""
    import vl_convert

    extra = os.environ.get("TRANSPORT_FONTS")
    if extra:
        vl_convert.register_font_directory(extra)
    spec = chart.to_dict()
    return vl_convert.vegalite_to_png(spec, vl_version=".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2]), scale=scale)


def picture(figure: Figure, family: str) -> bytes:
    """Return a figure as PNG.

    Parameters
    ----------
    figure
        What is drawn.
    family
        Font family of all texts.
    """
    chart = SHAPES[figure.shape](figure)
    return render(
        chart.properties(background="white")
        .configure(font=family, padding=8)
        .configure_axis(labelFontSize=12, titleFontSize=12, titleFontWeight="normal", gridColor="#e3e3e3")
        .configure_legend(labelFontSize=12, symbolStrokeWidth=3, symbolSize=120, labelLimit=260)
        .configure_view(stroke=None)
    )


def frame(figure: Figure) -> pl.DataFrame:
    """Return the table of a figure as numbers: the category, then one column per series; a dash is no value."""
    heads = [column.head for column in figure.data.columns]
    made: dict[str, list[Any]] = {heads[0]: [_category(row[0]) for row in figure.data.rows]}
    for j, head in enumerate(heads[1:], 1):
        made[head] = [cell.value if isinstance(cell := row[j], Number) else None for row in figure.data.rows]
    return pl.DataFrame(made, schema_overrides=dict.fromkeys(heads[1:], pl.Float64))


def _category(cell: Cell) -> Any:
    return int(cell.value) if isinstance(cell, Number) else cell


def _long(figure: Figure) -> tuple[pl.DataFrame, list[str]]:
    """Return year, series, value, rank; and the series in order."""
    wide = frame(figure)
    series = wide.columns[1:]
    long = wide.rename({wide.columns[0]: "at"}).unpivot(on=series, index="at", variable_name=_NAME, value_name="value")
    rank = pl.col(_NAME).replace_strict({name: i for i, name in enumerate(series)}, return_dtype=pl.Int64)
    return long.filter(pl.col("value").is_not_null()).with_columns(rank=rank), series


def _legend(figure: Figure, series: list[str]) -> alt.Color:
    columns = 3 if max(map(len, series)) > 8 else 5
    return alt.Color(
        f"{_NAME}:N",
        scale=alt.Scale(domain=series, range=list(figure.colours)),
        legend=alt.Legend(title=None, orient="bottom", columns=columns),
    )


def _years() -> alt.X:
    return alt.X("at:O", title=None, axis=alt.Axis(labelAngle=0, labelOverlap=True))


def _form(long: pl.DataFrame) -> str:
    """Return the format of an axis of stacks: digits only where the numbers are small."""
    top = float(str(long.group_by("at").agg(pl.col("value").sum())["value"].max() or 0.0))
    return ",.0f" if top > 8 else ",.1f" if top > 0.8 else ",.2f"


def _sized(chart: alt.Chart) -> alt.Chart:
    sized: alt.Chart = chart.properties(width=WIDTH, height=HEIGHT)
    return sized


def area(figure: Figure) -> alt.TopLevelMixin:
    """Return amounts over the years as stacked areas."""
    long, series = _long(figure)
    x = alt.X("at:Q", title=None, axis=alt.Axis(format="d", tickCount=8), scale=alt.Scale(nice=False))
    y = alt.Y("value:Q", title=figure.axis, stack="zero", axis=alt.Axis(format=_form(long)))
    chart: alt.Chart = alt.Chart(long).mark_area().encode(x=x, y=y, color=_legend(figure, series), order=alt.Order("rank:Q"))
    return _sized(chart)


def stacked(figure: Figure) -> alt.TopLevelMixin:
    """Return amounts by year as stacked columns."""
    long, series = _long(figure)
    # shares add up to 100 and no further, whatever rounding adds
    scale = alt.Scale(domain=[0, 100], clamp=True) if figure.axis == "%" else alt.Scale()
    y = alt.Y("value:Q", title=figure.axis, stack="zero", axis=alt.Axis(format=_form(long)), scale=scale)
    chart: alt.Chart = (
        alt.Chart(long).mark_bar().encode(x=_years(), y=y, color=_legend(figure, series), order=alt.Order("rank:Q"))
    )
    return _sized(chart)


def path(figure: Figure) -> alt.TopLevelMixin:
    """Return the first series as a line, the second and third as a band, the fourth as the way to the target."""
    wide = frame(figure)
    names = wide.columns[1:]
    shown = wide.rename({wide.columns[0]: "at", names[0]: "value", names[1]: "low", names[2]: "high", names[3]: "towards"})
    x = alt.X("at:Q", title=None, axis=alt.Axis(format="d", tickCount=8), scale=alt.Scale(nice=False, padding=8))
    y = alt.Y("low:Q", title=figure.axis)
    band_name = f"{names[1]} - {names[2]}"
    colours = alt.Scale(domain=[names[0], band_name, names[3]], range=[figure.colours[0], figure.colours[1], figure.colours[3]])

    named = alt.Color(f"{_NAME}:N", scale=colours, legend=alt.Legend(title=None, orient="bottom", columns=3))
    band = alt.Chart(shown.with_columns(pl.lit(band_name).alias(_NAME))).mark_area(opacity=0.5)
    line = alt.Chart(shown.with_columns(pl.lit(names[0]).alias(_NAME))).mark_line(
        strokeWidth=2.5, point=alt.OverlayMarkDef(size=36)
    )
    way = alt.Chart(shown.filter(pl.col("towards").is_not_null()).with_columns(pl.lit(names[3]).alias(_NAME)))
    layers: list[alt.Chart] = [
        band.encode(x=x, y=y, y2="high:Q", color=named),
        way.mark_line(strokeDash=[6, 4], strokeWidth=1.8).encode(x=x, y="towards:Q", color=named),
        line.encode(x=x, y="value:Q", color=named),
    ]
    end = shown.filter(pl.col("towards").is_not_null()).tail(1)
    if figure.target is not None and end.height:
        at = end.with_columns(label=pl.lit(figure.target_label))
        layers.append(alt.Chart(at).mark_point(filled=True, size=90, color=TARGET_COLOUR).encode(x="at:Q", y="towards:Q"))
        layers.append(
            alt.Chart(at)
            .mark_text(align="left", dx=6, dy=14, fontSize=12, color=TARGET_COLOUR)
            .encode(x="at:Q", y="towards:Q", text="label:N")
        )
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)


def bars(figure: Figure) -> alt.TopLevelMixin:
    """Return the first series as bars with their numbers, the second as marks, and the target as a line."""
    wide = frame(figure)
    names = wide.columns[1:]
    shown = wide.rename({wide.columns[0]: "name", names[0]: "value", names[1]: "mark"})
    order = shown["name"].to_list()
    # right of the target line, which would cross the numbers of bars that end before it
    shown = shown.with_columns(at=pl.max_horizontal("value", pl.lit(figure.target)))
    y = alt.Y("name:N", sort=order, title=None, axis=alt.Axis(labelLimit=200, labelOverlap=False))
    x = alt.X("value:Q", title=figure.axis, scale=alt.Scale(domain=[0, 100]))
    base = alt.Chart(shown).encode(y=y)
    layers: list[alt.Chart] = [
        base.mark_bar(height=15, color=figure.colours[0]).encode(x=x),
        base.mark_tick(color=figure.colours[1], thickness=3, height=15).encode(x="mark:Q"),
    ]
    if figure.target is not None:
        goal = pl.DataFrame({"target": [figure.target], "label": [figure.target_label]})
        rule = alt.Chart(goal).encode(x="target:Q")
        layers.append(rule.mark_rule(color=TARGET_COLOUR, strokeDash=[6, 4], strokeWidth=1.8))
        layers.append(
            rule.mark_text(color=TARGET_COLOUR, align="left", dx=4, fontSize=12).encode(y=alt.value(-8), text="label:N")
        )
    layers.append(base.mark_text(align="left", dx=5, fontSize=12).encode(x="at:Q", text=alt.Text("value:Q", format=".1f")))
    return alt.layer(*layers).properties(width=WIDTH - 60, height=_BAR * len(order))


def waterfall(figure: Figure) -> alt.TopLevelMixin:
    """Return changes one after the other, the last row being their sum from zero."""
    wide = frame(figure)
    names, values = wide.columns, wide[wide.columns[1]].to_list()
    rows, at = [], 0.0
    for i, (name, value) in enumerate(zip(wide[names[0]], values, strict=True)):
        total = i == len(values) - 1
        start = 0.0 if total else at
        at = value if total else at + value
        kind = 2 if total else int(value > 0)
        rows.append({"name": name, "start": start, "end": at, "colour": figure.colours[kind], "written": signed_text(value)})
    shown = pl.DataFrame(rows).with_columns(right=pl.max_horizontal("start", "end"))
    low, high = (float(str(v)) for v in (shown.select(pl.min_horizontal("start", "end").min()).item(), shown["right"].max()))
    span = max(high - low, 1e-9)
    scale = alt.Scale(domain=[low - 0.05 * span, max(high, 0.0) + 0.14 * span], nice=False)
    base = alt.Chart(shown).encode(
        y=alt.Y("name:N", sort=shown["name"].to_list(), title=None, axis=alt.Axis(labelLimit=260, labelOverlap=False))
    )
    bar = base.mark_bar(height=16).encode(
        x=alt.X("start:Q", title=figure.axis, scale=scale), x2="end:Q", color=alt.Color("colour:N", scale=None)
    )
    text = base.mark_text(align="left", dx=5, fontSize=12).encode(x=alt.X("right:Q", scale=scale), text="written:N")
    zero = alt.Chart(pl.DataFrame({"x": [0.0]})).mark_rule(color="#888888").encode(x=alt.X("x:Q", scale=scale))
    return alt.layer(bar, zero, text).properties(width=WIDTH - 120, height=(_BAR + 4) * shown.height)


#: Builder of each shape.
SHAPES = {"area": area, "columns": stacked, "path": path, "bars": bars, "waterfall": waterfall}
