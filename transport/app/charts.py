"""Charts of the app as Altair specifications: plain frames in, a chart out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import polars as pl

from transport.i18n import t

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: One colour per mode, everywhere; distinguishable by colour-blind readers.
MODE_COLOURS: Mapping[str, str] = {
    "road": "#D55E00",
    "rail": "#0072B2",
    "water": "#009E73",
    "pipeline": "#CC79A7",
    "air": "#E69F00",
}
TARGET_COLOUR = "#b00020"
BAND_COLOUR = "#9dc3e6"
LINE_COLOUR = "#005f9e"
MET_COLOUR = "#1b7837"
MISSED_COLOUR = "#c76a00"


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
    shown = split.with_columns(name=pl.col("mode").replace_strict(labels), billions=pl.col("tkm") / 1e8)
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
