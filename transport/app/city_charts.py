"""Charts of the page of cities as Altair specifications: plain frames in, a chart out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import polars as pl

from transport.app.charts import LINE_COLOUR, MISSED_COLOUR, TARGET_COLOUR
from transport.i18n import t
from transport.text import width

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: One colour per mode of travel; green modes in greens and blues, the others in browns.
TRAVEL_COLOURS: Mapping[str, str] = {
    "walk": "#1b7837",
    "cycle": "#5aae61",
    "e_bike": "#b7dfb0",
    "bus": "#2166ac",
    "metro": "#74add1",
    "taxi": "#fdd0a2",
    "ride_hailing": "#f0a04b",
    "car": "#b35806",
    "other": "#9a9a9a",
}
#: Scenarios of the interval, from the weakest to the strongest.
SCENARIO_COLOURS: Sequence[str] = ("#8a8a8a", LINE_COLOUR, "#1b7837")
#: What a target that is met on unverified data is drawn in.
MET_WEAK_COLOUR = "#4a90c2"
_STATUS_COLOURS: Mapping[str, str] = {
    "met": MET_WEAK_COLOUR,
    "reached": MET_WEAK_COLOUR,
    "out_of_range": MISSED_COLOUR,
    "no_help": "#b9b9b9",
}


def target_bars(cities: pl.DataFrame, target: float, *, year: int, base: int, lang: str) -> alt.LayerChart | alt.FacetChart:
    """Return the share by city as bars, the share of the base year as a circle, the one without e-bikes as a tick, and the target as a line.

    Parameters
    ----------
    cities
        Columns city, share, base_share, without_e_bike [percent], met.
    target
        Target [percent].
    year, base
        Year of the target, and the base year.
    lang
        ``zh`` or ``en``.
    """
    y = alt.Y("city:N", sort=cities["city"].to_list(), title=None, axis=alt.Axis(labelOverlap=False, labelFlush=False))
    x = alt.X("share:Q", scale=alt.Scale(domain=[0, 100]), title=t("cities.share_axis", lang))
    colour = alt.condition(alt.datum.met, alt.value(MET_WEAK_COLOUR), alt.value(MISSED_COLOUR))
    tip = [
        alt.Tooltip("city:N", title=t("cities.city", lang)),
        alt.Tooltip("base_share:Q", title=str(base), format=".1f"),
        alt.Tooltip("share:Q", title=str(year), format=".1f"),
        alt.Tooltip("without_e_bike:Q", title=t("cities.without_e_bike", lang), format=".1f"),
    ]
    chart = alt.Chart(cities)
    goal = alt.Chart(pl.DataFrame({"target": [target], "label": [t("cities.target_mark", lang, target=f"{target:g}")]}))
    return alt.layer(
        chart.mark_bar(height=18).encode(x=x, y=y, color=colour, tooltip=tip),
        chart.mark_tick(color="#222222", thickness=2, height=18).encode(x="without_e_bike:Q", y=y, tooltip=tip),
        chart.mark_point(color="#222222", fill="white", size=60, strokeWidth=1.6).encode(x="base_share:Q", y=y, tooltip=tip),
        chart.mark_text(align="left", dx=5).encode(
            x=alt.datum(84), y=y, text="written:N", color=alt.condition(alt.datum.met, alt.value("#1f5f8b"), alt.value("#8a4b00"))
        ),
        goal.mark_rule(color=TARGET_COLOUR, strokeDash=[6, 4]).encode(x="target:Q"),
        goal.mark_text(color=TARGET_COLOUR, align="left", dx=4, baseline="top").encode(
            x="target:Q", y=alt.value(1), text="label:N"
        ),
    ).properties(height=30 * cities.height + 60)


def intervals(
    table: pl.DataFrame, target: float, order: Sequence[str], scenarios: Sequence[str], *, lang: str
) -> alt.LayerChart | alt.FacetChart:
    """Return the central share and its interval by city and scenario.

    Parameters
    ----------
    table
        Columns city, scenario (title), share, low, high, probability [percent].
    target
        Target [percent].
    order
        Cities from top to bottom.
    scenarios
        Titles in order.
    lang
        ``zh`` or ``en``.
    """
    axis = t("cities.share_axis", lang)
    y = alt.Y("city:N", sort=list(order), title=None, axis=alt.Axis(labelOverlap=False, labelFlush=False))
    offset = alt.YOffset("scenario:N", sort=list(scenarios))
    colour = alt.Color(
        "scenario:N",
        sort=list(scenarios),
        scale=alt.Scale(domain=list(scenarios), range=list(SCENARIO_COLOURS[: len(scenarios)])),
        legend=alt.Legend(title=None, orient="top", labelLimit=300),
    )
    ends = [float(x) for x in (table["low"].min(), table["high"].max()) if isinstance(x, (int, float))]
    domain = [min([*ends, target]) - 3.0, max([*ends, target]) + 3.0]
    x = alt.X("low:Q", scale=alt.Scale(domain=domain, nice=False), title=axis)
    tip = [
        alt.Tooltip("city:N", title=t("cities.city", lang)),
        alt.Tooltip("scenario:N", title=t("app.scenario", lang)),
        alt.Tooltip("share:Q", title=axis, format=".1f"),
        alt.Tooltip("low:Q", title="5 %", format=".1f"),
        alt.Tooltip("high:Q", title="95 %", format=".1f"),
        alt.Tooltip("probability:Q", title=t("cities.probability", lang), format=".0f"),
    ]
    base = alt.Chart(table).encode(y=y, yOffset=offset, color=colour, tooltip=tip)
    goal = alt.Chart(pl.DataFrame({"target": [target]})).mark_rule(color=TARGET_COLOUR, strokeDash=[6, 4])
    return alt.layer(
        base.mark_bar(height=5, cornerRadius=2, opacity=0.55).encode(x=x, x2="high:Q"),
        base.mark_point(filled=True, size=70, opacity=1).encode(x=alt.X("share:Q", title=axis)),
        goal.encode(x="target:Q"),
    ).properties(height=(16 * len(scenarios) + 10) * len(order) + 70)


def mode_shares(
    shares: pl.DataFrame, names: Mapping[str, str], *, target: tuple[int, float] | None, lang: str
) -> alt.LayerChart | alt.FacetChart:
    """Return mode shares over the years as stacked areas, green modes at the bottom, and the target as a point where there is one.

    Parameters
    ----------
    shares
        Columns year, mode, share [percent].
    names
        Mode -> label.
    target
        Year and share of the target [percent].
    lang
        ``zh`` or ``en``.
    """
    modes = [m for m in TRAVEL_COLOURS if m in set(shares["mode"].to_list())]
    rank = {m: i for i, m in enumerate(modes)}
    shown = shares.with_columns(name=pl.col("mode").replace_strict(dict(names)), rank=pl.col("mode").replace_strict(rank))
    axis = t("cities.mode_axis", lang)
    x = alt.X("year:Q", axis=alt.Axis(format="d", tickMinStep=1, title=None), scale=alt.Scale(nice=False))
    areas = (
        alt.Chart(shown)
        .mark_area(line=False)
        .encode(
            x=x,
            y=alt.Y("share:Q", stack="zero", title=axis, scale=alt.Scale(domain=[0, 100], nice=False)),
            color=alt.Color(
                "name:N",
                sort=[names[m] for m in modes],
                scale=alt.Scale(domain=[names[m] for m in modes], range=[TRAVEL_COLOURS[m] for m in modes]),
                legend=alt.Legend(title=None, orient="right", labelLimit=150),
            ),
            order=alt.Order("rank:Q"),
            tooltip=[
                alt.Tooltip("year:Q", title=t("cities.year", lang), format="d"),
                alt.Tooltip("name:N", title=t("cities.mode", lang)),
                alt.Tooltip("share:Q", title=axis, format=".1f"),
            ],
        )
    )
    layers = [areas]
    if target is not None:
        at = pl.DataFrame(
            {"year": [target[0]], "goal": [target[1]], "label": [t("cities.target_mark", lang, target=f"{target[1]:g}")]}
        )
        layers.append(alt.Chart(at).mark_point(color=TARGET_COLOUR, fill="white", size=90, strokeWidth=2).encode(x=x, y="goal:Q"))
        label = alt.Chart(at).encode(x=x, y="goal:Q", text="label:N")
        layers.append(label.mark_text(dy=-13, fontSize=12, fontWeight="bold", stroke="white", strokeWidth=4))
        layers.append(label.mark_text(dy=-13, fontSize=12, fontWeight="bold", color=TARGET_COLOUR))
    return alt.layer(*layers).properties(height=320)


def split_bars(table: pl.DataFrame, names: Mapping[str, str], order: Sequence[str], *, lang: str) -> alt.Chart:
    """Return the mode shares of parts of the trips as bars of equal length.

    Parameters
    ----------
    table
        Columns part, mode, share [percent of the part], weight [percent of all trips].
    names
        Mode -> label.
    order
        Parts from top to bottom.
    lang
        ``zh`` or ``en``.
    """
    modes = [m for m in TRAVEL_COLOURS if m in set(table["mode"].to_list())]
    rank = {m: i for i, m in enumerate(modes)}
    shown = table.with_columns(name=pl.col("mode").replace_strict(dict(names)), rank=pl.col("mode").replace_strict(rank))
    columns = max(2, int(900 / (7.2 * max((width(names[m]) for m in modes), default=1) + 40)))
    axis = t("cities.mode_axis", lang)
    chart: alt.Chart = (
        alt.Chart(shown)
        .mark_bar(height=18)
        .encode(
            y=alt.Y("part:N", sort=list(order), title=None, axis=alt.Axis(labelLimit=220, labelOverlap=False, labelFlush=False)),
            x=alt.X("share:Q", stack="zero", title=axis, scale=alt.Scale(domain=[0, 100], nice=False)),
            color=alt.Color(
                "name:N",
                sort=[names[m] for m in modes],
                scale=alt.Scale(domain=[names[m] for m in modes], range=[TRAVEL_COLOURS[m] for m in modes]),
                legend=alt.Legend(title=None, orient="top", columns=columns),
            ),
            order=alt.Order("rank:Q"),
            tooltip=[
                alt.Tooltip("part:N", title=" "),
                alt.Tooltip("name:N", title=t("cities.mode", lang)),
                alt.Tooltip("share:Q", title=axis, format=".1f"),
                alt.Tooltip("weight:Q", title=t("cities.weight", lang), format=".1f"),
            ],
        )
        .properties(height=27 * len(order) + 130)
    )
    return chart


def reach_bars(table: pl.DataFrame, target: float, *, lang: str) -> alt.LayerChart | alt.FacetChart:
    """Return how far each lever alone brings the share, from the share of the scenario, and the target as a line.

    Parameters
    ----------
    table
        Columns lever, now, share [percent], status, answer; in order.
    target
        Target [percent].
    lang
        ``zh`` or ``en``.
    """
    shown = table.with_columns(colour=pl.col("status").replace_strict(dict(_STATUS_COLOURS)))
    values = [float(x) for x in (*table["now"].to_list(), *table["share"].to_list(), target)]
    span = max(max(values) - min(values), 0.5)
    scale = alt.Scale(domain=[min(values) - 0.05 * span, max(values) + 0.12 * span], nice=False, zero=False)
    axis = t("cities.share_axis", lang)
    y = alt.Y(
        "lever:N", sort=table["lever"].to_list(), title=None, axis=alt.Axis(labelLimit=260, labelOverlap=False, labelFlush=False)
    )
    tip = [
        alt.Tooltip("lever:N", title=t("green_travel.lever", lang)),
        alt.Tooltip("answer:N", title=t("green_travel.answer", lang)),
        alt.Tooltip("now:Q", title=t("cities.share_now", lang), format=".2f"),
        alt.Tooltip("share:Q", title=axis, format=".2f"),
    ]
    base = alt.Chart(shown).encode(y=y, tooltip=tip)
    goal = alt.Chart(pl.DataFrame({"target": [target]})).mark_rule(color=TARGET_COLOUR, strokeDash=[6, 4])
    bars = base.mark_bar(height=13).encode(
        x=alt.X("now:Q", scale=scale, title=axis), x2="share:Q", color=alt.Color("colour:N", scale=None)
    )
    ends = base.mark_text(align="left", dx=5, fontSize=11).encode(
        x=alt.X("share:Q", scale=scale, title=axis), text=alt.Text("share:Q", format=".1f")
    )
    return alt.layer(bars, ends, goal.encode(x="target:Q")).properties(height=21 * table.height + 60)


def tornado(table: pl.DataFrame, share: float, target: float | None, *, lang: str) -> alt.LayerChart | alt.FacetChart:
    """Return the share with each input at its low and at its high end, the widest swing on top.

    Parameters
    ----------
    table
        Columns name, end (label of the end), share [percent], value, quality, weak; two rows for each input, in order.
    share
        Share of the central run [percent].
    target
        Target [percent], None where the city has none.
    lang
        ``zh`` or ``en``.
    """
    names = table["name"].unique(maintain_order=True).to_list()
    shown = table.with_columns(centre=pl.lit(share))
    ends = table["end"].unique(maintain_order=True).to_list()
    axis = t("cities.share_axis", lang)
    y = alt.Y("name:N", sort=names, title=None, axis=alt.Axis(labelLimit=330, labelOverlap=False, labelFlush=False))
    scale = alt.Scale(zero=False)
    bars = (
        alt.Chart(shown)
        .mark_bar(height=14)
        .encode(
            y=y,
            x=alt.X("centre:Q", scale=scale, title=axis),
            x2="share:Q",
            color=alt.Color(
                "end:N",
                sort=ends,
                scale=alt.Scale(domain=ends, range=["#E69F00", "#0072B2"]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=[
                alt.Tooltip("name:N", title=t("green_travel.parameter", lang)),
                alt.Tooltip("end:N", title=" "),
                alt.Tooltip("value:N", title=t("green_travel.value_range", lang)),
                alt.Tooltip("share:Q", title=axis, format=".2f"),
                alt.Tooltip("quality:N", title=t("green_travel.quality", lang)),
            ],
        )
    )
    layers = [bars, alt.Chart(pl.DataFrame({"x": [share]})).mark_rule(color="#333333").encode(x=alt.X("x:Q", scale=scale))]
    if target is not None:
        rule = alt.Chart(pl.DataFrame({"x": [target]})).mark_rule(color=TARGET_COLOUR, strokeDash=[6, 4])
        layers.append(rule.encode(x=alt.X("x:Q", scale=scale)))
    return alt.layer(*layers).properties(height=22 * len(names) + 90)


def in_range(table: pl.DataFrame, verdicts: Mapping[str, str], *, title: str) -> alt.LayerChart | alt.FacetChart:
    """Return modelled values as points on the published ranges.

    Parameters
    ----------
    table
        Columns name, value (modelled), centre (published), low, high, range (text), verdict (label); in order.
    verdicts
        Label -> colour.
    title
        Of the axis.
    """
    order = table["name"].to_list()
    y = alt.Y("name:N", sort=order, title=None, axis=alt.Axis(labelLimit=330, labelOverlap=False, labelFlush=False))
    tip = [
        alt.Tooltip("name:N", title=" "),
        alt.Tooltip("value:Q", title="  ", format=".3g"),
        alt.Tooltip("range:N", title="   "),
    ]
    base = alt.Chart(table).encode(y=y, tooltip=tip)
    colour = alt.Color(
        "verdict:N",
        scale=alt.Scale(domain=list(verdicts), range=list(verdicts.values())),
        legend=alt.Legend(title=None, orient="top"),
    )
    return alt.layer(
        base.mark_bar(height=9, color="#cfd8dc").encode(x=alt.X("low:Q", title=title, scale=alt.Scale(zero=False)), x2="high:Q"),
        base.mark_tick(color="#607d8b", thickness=2, height=13).encode(x="centre:Q"),
        base.mark_point(filled=True, size=75, opacity=1).encode(x="value:Q", color=colour),
    ).properties(height=22 * len(order) + 80)
