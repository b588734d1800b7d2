"""Charts of the app as Altair specifications: plain frames in, a chart out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import polars as pl

from transport import palette
from transport.i18n import t
from transport.text import divisor, width

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MODE_COLOURS = palette.MODE_COLOURS
TARGET_COLOUR = palette.TARGET_COLOUR
BAND_COLOUR = palette.BAND_COLOUR
LINE_COLOUR = palette.LINE_COLOUR
MET_COLOUR = palette.MET_COLOUR
MISSED_COLOUR = palette.MISSED_COLOUR


def intensity_path(
    path: pl.DataFrame, target: float, *, base_year: int, target_year: int, lang: str
) -> alt.LayerChart | alt.FacetChart:
    """Return the headline intensity over the years, the band of all readings, and the line to the target.

    Parameters
    ----------
    path
        Columns year, headline, low, high [percent against the base].
    target
        Target in the target year [percent].
    """
    shown = path.filter(pl.col("year") >= base_year)
    x = alt.X("year:Q", axis=alt.Axis(format="d", tickMinStep=1, title=None), scale=alt.Scale(nice=False))
    title = t("app.intensity_axis", lang)
    band = alt.Chart(shown).mark_area(opacity=0.45, color=BAND_COLOUR).encode(x=x, y=alt.Y("low:Q", title=title), y2="high:Q")
    line = (
        alt.Chart(shown)
        .mark_line(point=True, color=LINE_COLOUR, strokeWidth=2.5)
        .encode(
            x=x,
            y=alt.Y("headline:Q", title=title),
            tooltip=[
                alt.Tooltip("year:Q", title=t("scorecard.year", lang), format="d"),
                alt.Tooltip("headline:Q", title=t("app.headline", lang), format="+.1f"),
                alt.Tooltip("low:Q", title=t("app.lowest_reading", lang), format="+.1f"),
                alt.Tooltip("high:Q", title=t("app.highest_reading", lang), format="+.1f"),
            ],
        )
    )
    goal = pl.DataFrame({"year": [base_year, target_year], "target": [0.0, target]})
    towards = alt.Chart(goal).mark_line(color=TARGET_COLOUR, strokeDash=[6, 4]).encode(x="year:Q", y="target:Q")
    at = goal.tail(1).with_columns(label=pl.lit(t("app.target_mark", lang, target=f"{target:+.1f}")))
    mark = alt.Chart(at).mark_point(color=TARGET_COLOUR, filled=True, size=90).encode(x="year:Q", y="target:Q")
    label = (
        alt.Chart(at).mark_text(color=TARGET_COLOUR, align="left", dx=8, dy=12).encode(x="year:Q", y="target:Q", text="label:N")
    )
    return alt.layer(band, towards, line, mark, label).properties(height=300)


def green_travel(shares: pl.DataFrame, target: float, *, lang: str) -> alt.LayerChart | alt.FacetChart:
    """Return the green-travel share by city as bars with the target as a line.

    Parameters
    ----------
    shares
        Columns city, share [percent], without_e_bike [percent].
    target
        Target [percent].
    """
    y = alt.Y("city:N", sort=None, title=None)
    x = alt.X("share:Q", scale=alt.Scale(domain=[0, 100]), title=t("app.green_axis", lang))
    met = alt.condition(alt.datum.share >= target, alt.value(MET_COLOUR), alt.value(MISSED_COLOUR))
    bars = (
        alt.Chart(shares)
        .mark_bar(height=18)
        .encode(
            x=x,
            y=y,
            color=met,
            tooltip=[
                alt.Tooltip("city:N", title=t("scorecard.area", lang)),
                alt.Tooltip("share:Q", title=t("app.green_axis", lang), format=".1f"),
                alt.Tooltip("without_e_bike:Q", title=t("app.without_e_bike", lang), format=".1f"),
            ],
        )
    )
    numbers = alt.Chart(shares).mark_text(align="left", dx=4).encode(x=x, y=y, text=alt.Text("share:Q", format=".1f"))
    ticks = alt.Chart(shares).mark_tick(color="#222222", thickness=2, height=18).encode(x="without_e_bike:Q", y=y)
    goal = alt.Chart(pl.DataFrame({"target": [target]})).mark_rule(color=TARGET_COLOUR, strokeDash=[6, 4]).encode(x="target:Q")
    return alt.layer(bars, ticks, numbers, goal).properties(height=max(200, 30 * shares.height))


def mode_split(split: pl.DataFrame, labels: Mapping[str, str], *, lang: str) -> alt.Chart:
    """Return freight turnover by mode and year as stacked areas.

    Parameters
    ----------
    split
        Columns year, mode, tkm.
    labels
        Mode code -> label.
    """
    modes: Sequence[str] = [m for m in MODE_COLOURS if m in set(split["mode"].to_list())]
    names = [labels[m] for m in modes]
    shown = split.with_columns(name=pl.col("mode").replace_strict(labels), billions=pl.col("tkm") / divisor("tkm/yr", lang))
    chart: alt.Chart = (
        alt.Chart(shown)
        .mark_area()
        .encode(
            x=alt.X("year:Q", axis=alt.Axis(format="d", tickMinStep=1, tickCount=5, title=None), scale=alt.Scale(nice=False)),
            y=alt.Y("billions:Q", title=t("app.turnover_axis", lang)),
            color=alt.Color(
                "name:N",
                scale=alt.Scale(domain=names, range=[MODE_COLOURS[m] for m in modes]),
                legend=alt.Legend(title=None, orient="top", columns=2),
            ),
            tooltip=[
                alt.Tooltip("year:Q", title=t("scorecard.year", lang), format="d"),
                alt.Tooltip("name:N", title=t("app.mode", lang)),
                alt.Tooltip("billions:Q", title=t("app.turnover_axis", lang), format=",.0f"),
            ],
        )
        .properties(height=260)
    )
    return chart


# --- freight network ----------------------------------------------------------------------------------------------------------------

#: Classes of load over capacity: from, colour; the colours grow darker, so that they can be told apart without hue.
SATURATION_CLASSES: Sequence[tuple[float, str]] = ((0.0, "#a9c9e3"), (0.5, "#4a90c2"), (0.8, "#e08214"), (1.0, "#8c0d25"))
#: Links without a capacity.
UNLIMITED_COLOUR = "#9a9a9a"
_ONE_ROW_PX = 24
_COLUMN_PX = 7.2
_SWATCH_PX = 36
_LEGEND_PX = 880


def saturation_colour(ratio: float | None) -> str:
    """Return the colour of a load over capacity.

    Examples
    --------
    >>> saturation_colour(1.2) == SATURATION_CLASSES[-1][1]
    True
    >>> saturation_colour(None) == UNLIMITED_COLOUR
    True
    """
    if ratio is None:
        return UNLIMITED_COLOUR
    return next(colour for lowest, colour in reversed(SATURATION_CLASSES) if ratio >= lowest or lowest == 0.0)


def map_legend(entries: Sequence[tuple[str, str, float, str]]) -> alt.LayerChart | alt.FacetChart:
    """Return the legend of a map as rows of samples with labels.

    Parameters
    ----------
    entries
        Label, colour, width [px] and ``line`` or ``dot`` of every sample.
    """
    x, y, rows = 0.0, 0, []
    for label, colour, size, shape in entries:
        needed = _SWATCH_PX + _COLUMN_PX * width(label) + 14
        if x and x + needed > _LEGEND_PX:
            x, y = 0.0, y + 1
        rows.append(
            {
                "label": label,
                "colour": colour,
                "size": size,
                "shape": shape,
                "x": x,
                "end": x + 24,
                "middle": x + 18,
                "text": x + 32,
                "y": y,
            }
        )
        x += needed
    across = alt.Scale(domain=[0, _LEGEND_PX], range=[0, _LEGEND_PX])
    down = alt.Scale(domain=[-0.5, y + 0.5], range=[0, _ONE_ROW_PX * (y + 1)])
    base = alt.Chart(pl.DataFrame(rows)).encode(y=alt.Y("y:Q", axis=None, scale=down))
    lines = (
        base.transform_filter(alt.datum.shape == "line")
        .mark_rule(strokeCap="butt")
        .encode(
            x=alt.X("x:Q", axis=None, scale=across),
            x2="end:Q",
            color=alt.Color("colour:N", scale=None),
            strokeWidth=alt.StrokeWidth("size:Q", scale=None),
        )
    )
    dots = (
        base.transform_filter(alt.datum.shape == "dot")
        .mark_point(filled=True, size=110, stroke="#222222", strokeWidth=1, opacity=1)
        .encode(x=alt.X("middle:Q", axis=None, scale=across), color=alt.Color("colour:N", scale=None))
    )
    texts = base.mark_text(align="left", fontSize=12).encode(x=alt.X("text:Q", axis=None, scale=across), text="label:N")
    chart: alt.LayerChart = alt.layer(lines, dots, texts).properties(height=_ONE_ROW_PX * (y + 1)).configure_view(stroke=None)
    return chart


def _mode_colours(labels: Mapping[str, str], modes: Sequence[str]) -> alt.Color:
    scale = alt.Scale(domain=[labels[m] for m in modes], range=[MODE_COLOURS[m] for m in modes])
    return alt.Color("name:N", scale=scale, legend=alt.Legend(title=None, orient="top"))


def commodity_modes(
    shares: pl.DataFrame, commodities: Mapping[str, str], modes: Mapping[str, str], *, lang: str
) -> alt.LayerChart | alt.FacetChart:
    """Return turnover by commodity as bars stacked by mode, the share of rail written at their ends.

    Parameters
    ----------
    shares
        Columns commodity, mode, tkm, all_tkm, rail_share [percent]; the order of the bars.
    commodities, modes
        Code -> label.
    lang
        ``zh`` or ``en``.
    """
    billions = 1e8 if lang == "zh" else 1e9
    order = [commodities[c] for c in shares["commodity"].unique(maintain_order=True)]
    shown = shares.with_columns(
        pl.col("commodity").replace_strict(commodities),
        pl.col("mode").replace_strict(modes).alias("name"),
        (pl.col("tkm") / billions).alias("value"),
        (pl.col("all_tkm") / billions).alias("whole"),
        pl.col("mode").replace_strict({m: i for i, m in enumerate(modes)}, return_dtype=pl.Int64).alias("rank"),
        pl.Series("written", [t("freight.rail_mark", lang, share=f"{share:.0f}") for share in shares["rail_share"]]),
    )
    title = t("freight.turnover_axis", lang)
    y = alt.Y("commodity:N", sort=order, title=None, axis=alt.Axis(labelLimit=200, labelOverlap=False, labelFlush=False))
    longest = float(str(shown["whole"].max())) if shown.height else 1.0
    scale = alt.Scale(domain=[0.0, 1.15 * longest], nice=False)
    used = [m for m in modes if m in set(shares["mode"].to_list())]
    bars = (
        alt.Chart(shown)
        .mark_bar(height=17)
        .encode(
            y=y,
            x=alt.X("value:Q", title=title, stack="zero", scale=scale),
            color=_mode_colours(modes, used),
            order=alt.Order("rank:Q"),
            tooltip=[
                alt.Tooltip("commodity:N", title=t("freight.commodity", lang)),
                alt.Tooltip("name:N", title=t("freight.mode", lang)),
                alt.Tooltip("value:Q", title=title, format=",.1f"),
                alt.Tooltip("rail_share:Q", title=t("freight.rail_share", lang), format=".1f"),
            ],
        )
    )
    ends = shown.unique("commodity", maintain_order=True)
    written = (
        alt.Chart(ends).mark_text(align="left", dx=5).encode(y=y, x=alt.X("whole:Q", title=title, scale=scale), text="written:N")
    )
    return alt.layer(bars, written).properties(height=26 * len(order) + 60)


def corridor_matrix(
    matrix: pl.DataFrame, places: Mapping[str, str], *, measure: str, lang: str
) -> alt.LayerChart | alt.FacetChart:
    """Return tonnes or the share of rail between prefectures as a matrix with the numbers written in its cells.

    Parameters
    ----------
    matrix
        Columns from_place, to_place, t, rail_share [percent].
    places
        Code -> name, in the order of the rows.
    measure
        ``t`` or ``rail_share``.
    lang
        ``zh`` or ``en``.
    """
    order = list(places.values())
    scale = 1e4 if lang == "zh" else 1e6
    amount = pl.col("t") / scale
    cell = pl.col("rail_share").round(0).cast(pl.Int64).cast(pl.String)
    if measure == "t":
        digits = 0 if lang == "zh" else 1
        cell = amount.map_elements(lambda value: f"{value:,.{digits}f}", return_dtype=pl.String)
    shown = matrix.with_columns(
        amount.alias("amount"),
        cell.alias("written"),
        pl.col("from_place").replace_strict(places).alias("from"),
        pl.col("to_place").replace_strict(places).alias("to"),
        # few corridors carry most: the colour follows the logarithm
        (pl.col("rail_share") if measure == "rail_share" else amount.log10()).alias("shade"),
    )
    if measure == "t":
        shown = shown.filter(pl.col("amount") >= (1.0 if lang == "zh" else 0.05))
    top = float(str(shown["shade"].max())) if shown.height else 1.0
    x = alt.X(
        "to:N",
        title=t("freight.to", lang),
        sort=order,
        axis=alt.Axis(
            orient="top", labelAngle=0 if lang == "zh" else -40, labelOverlap=False, labelFlush=False, labelFontSize=11
        ),
    )
    y = alt.Y("from:N", sort=order, title=t("freight.from", lang), axis=alt.Axis(labelOverlap=False, labelFlush=False))
    lowest = float(str(shown["shade"].min())) if shown.height and measure == "t" else 0.0
    shade = alt.Color("shade:Q", scale=alt.Scale(scheme="blues", domain=[lowest, top]), legend=None)
    tip = [
        alt.Tooltip("from:N", title=t("freight.from", lang)),
        alt.Tooltip("to:N", title=t("freight.to", lang)),
        alt.Tooltip("amount:Q", title=t("freight.tonnes", lang), format=",.2f"),
        alt.Tooltip("rail_share:Q", title=t("freight.rail_share", lang), format=".1f"),
    ]
    cells = alt.Chart(shown).mark_rect(stroke="white").encode(x=x, y=y, color=shade, tooltip=tip)
    dark = alt.condition(alt.datum.shade > lowest + 0.62 * (top - lowest), alt.value("white"), alt.value("#1b1b1b"))
    numbers = alt.Chart(shown).mark_text(fontSize=10.5).encode(x=x, y=y, text="written:N", color=dark, tooltip=tip)
    return alt.layer(cells, numbers).properties(height=28 * len(order) + 50)


def mean_hauls(hauls: pl.DataFrame, modes: Mapping[str, str], *, lang: str) -> alt.LayerChart | alt.FacetChart:
    """Return the mean haul by mode over the years as lines from zero with their last value written.

    Parameters
    ----------
    hauls
        Columns year, mode, haul [km].
    modes
        Code -> label.
    lang
        ``zh`` or ``en``.
    """
    shown = hauls.filter(pl.col("mode").is_in(list(modes))).with_columns(pl.col("mode").replace_strict(modes).alias("name"))
    used = [m for m in modes if m in set(hauls["mode"].to_list())]
    title = t("freight.haul_axis", lang)
    base = alt.Chart(shown).encode(
        x=alt.X("year:O", title=None, axis=alt.Axis(labelAngle=0)),
        y=alt.Y("haul:Q", title=title, scale=alt.Scale(zero=True)),
        color=_mode_colours(modes, used),
    )
    tip = [
        alt.Tooltip("year:O", title=t("scorecard.year", lang)),
        alt.Tooltip("name:N", title=t("freight.mode", lang)),
        alt.Tooltip("haul:Q", title=title, format=",.0f"),
    ]
    written = alt.Text("haul:Q", format=",.0f")
    # railways and pipelines run close to each other: one is written above its line, the other below
    low = modes.get("pipeline", "")
    sides = ((alt.datum.name != low, -11), (alt.datum.name == low, 13))
    numbers = [base.transform_filter(where).mark_text(dy=dy, fontSize=11).encode(text=written) for where, dy in sides]
    return alt.layer(base.mark_line(point=True, strokeWidth=2.5).encode(tooltip=tip), *numbers).properties(height=365)


def two_speeds(table: pl.DataFrame, modes: Mapping[str, str], *, lang: str) -> alt.FacetChart:
    """Return turnover by mode with capacity in force every year (solid) and at the delays of the base year (dashed).

    Parameters
    ----------
    table
        Columns year, mode, territory_tkm_equilibrium, territory_tkm_fixed.
    modes
        Code -> label.
    lang
        ``zh`` or ``en``.
    """
    kinds = {name: t(f"freight.speed_{name}", lang) for name in ("equilibrium", "fixed")}
    scale = 1e8 if lang == "zh" else 1e9
    shown = (
        table.filter(pl.col("mode").is_in(list(modes)))
        .unpivot([f"territory_tkm_{k}" for k in kinds], index=["year", "mode"], variable_name="kind", value_name="tkm")
        .with_columns(
            pl.col("kind").str.strip_prefix("territory_tkm_").replace_strict(kinds),
            pl.col("mode").replace_strict(modes).alias("name"),
            (pl.col("tkm") / scale).alias("value"),
        )
    )
    order = [modes[m] for m in modes]
    title = t("freight.turnover_axis", lang)
    dash = alt.StrokeDash(
        "kind:N",
        scale=alt.Scale(domain=list(kinds.values()), range=[[1, 0], [5, 3]]),
        legend=alt.Legend(title=None, orient="top", labelLimit=400, symbolSize=400),
    )
    lines = (
        alt.Chart(shown)
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("year:Q", title=None, axis=alt.Axis(format="d", tickCount=3), scale=alt.Scale(nice=False)),
            y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)),
            color=alt.Color("name:N", scale=alt.Scale(domain=order, range=[MODE_COLOURS[m] for m in modes]), legend=None),
            strokeDash=dash,
            tooltip=[
                alt.Tooltip("year:Q", title=t("scorecard.year", lang), format="d"),
                alt.Tooltip("name:N", title=t("freight.mode", lang)),
                alt.Tooltip("kind:N", title=t("freight.speed", lang)),
                alt.Tooltip("value:Q", title=title, format=",.1f"),
            ],
        )
        .properties(width=148, height=170)
    )
    column = alt.Column("name:N", sort=order, title=None, header=alt.Header(labelFontSize=13, labelFontWeight="bold"))
    heading = alt.Title(title, anchor="start", fontSize=13, fontWeight="normal")
    chart: alt.FacetChart = lines.facet(column=column, title=heading).resolve_scale(y="independent")
    return chart
