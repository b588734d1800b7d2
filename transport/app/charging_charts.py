"""Charts of the page of charging as Altair specifications: plain frames in, a chart out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import polars as pl

from transport.i18n import t

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: One colour per system, in the order of the page.
SYSTEM_COLOURS: Sequence[str] = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7")
#: Background of the price periods, the dearest darkest.
PERIOD_COLOURS: Mapping[str, str] = {"sharp": "#f4b8a0", "peak": "#fbe0cf", "flat": "#ffffff", "valley": "#d8ecdf"}
STATE_COLOURS: Mapping[str, str] = {"driving": "#4a90c2", "waiting": "#d95f02", "charging": "#1b9e77", "parked": "#d9d9d9"}
FEEDER_COLOUR, UNMANAGED_COLOUR = "#b30000", "#8c8c8c"
_HOURS = 168


def _hour_axis(lang: str) -> alt.Axis:
    """Return the axis of the hours of a week: the name of the day at its beginning, ticks every six hours."""
    days = ",".join(f"'{t(f'charging.day_{d}', lang)}'" for d in range(7))
    # the name stands at noon, a bare tick at midnight
    return alt.Axis(
        values=list(range(12, _HOURS, 24)),
        labelExpr=f"[{days}][floor(datum.value / 24)]",
        ticks=False,
        grid=False,
        labelFontSize=12,
    )


def _bands(rows: pl.DataFrame, periods: Mapping[str, str]) -> Any:
    """Return the price periods as coloured bands."""
    changed = (pl.col("period") != pl.col("period").shift(1)).fill_null(value=True).cum_sum()
    spans = (
        rows.unique("hour")
        .sort("hour")
        .with_columns(span=changed)
        .group_by("span", "period")
        .agg(begin=pl.col("hour").min(), end=pl.col("hour").max() + 1, price=pl.col("price").mean())
        .sort("begin")
    )
    known = [p for p in PERIOD_COLOURS if periods.get(p, p) in set(spans["period"].to_list())]
    scale = alt.Scale(domain=[periods.get(p, p) for p in known], range=[PERIOD_COLOURS[p] for p in known])
    return (
        alt.Chart(spans)
        .mark_rect()
        .encode(
            x=alt.X("begin:Q", scale=alt.Scale(domain=[0, _HOURS], nice=False)),
            x2="end:Q",
            color=alt.Color(
                "period:N",
                scale=scale,
                legend=alt.Legend(title=None, orient="top", symbolStrokeColor="#999999", symbolStrokeWidth=0.5),
            ),
            tooltip=[alt.Tooltip("period:N", title=" "), alt.Tooltip("price:Q", title="CNY/kWh", format=".3f")],
        )
    )


def load_curves(rows: pl.DataFrame, systems: Sequence[str], periods: Mapping[str, str], *, lang: str) -> Any:
    """Return the load of systems by hour of the week, stacked, on the price periods.

    Parameters
    ----------
    rows
        Columns hour, clock, system (label), mw, price, period (label).
    systems
        Labels in order.
    periods
        Code -> label of the price periods.
    lang
        ``zh`` or ``en``.
    """
    x = alt.X("hour:Q", title=None, scale=alt.Scale(domain=[0, _HOURS], nice=False), axis=_hour_axis(lang))
    colour = alt.Color(
        "system:N",
        scale=alt.Scale(domain=list(systems), range=list(SYSTEM_COLOURS[: len(systems)])),
        legend=alt.Legend(title=None, orient="top"),
    )
    area = (
        alt.Chart(rows)
        .mark_area(interpolate="step-after", opacity=0.9)
        .encode(
            x=x,
            y=alt.Y("mw:Q", title=t("charging.axis_mw", lang), stack="zero"),
            color=colour,
            order=alt.Order("system:N"),
            tooltip=[
                alt.Tooltip("clock:N", title=" "),
                alt.Tooltip("system:N", title="  "),
                alt.Tooltip("mw:Q", title="MW", format=".2f"),
                alt.Tooltip("price:Q", title="CNY/kWh", format=".3f"),
            ],
        )
    )
    return _finished(alt.layer(_bands(rows, periods), area), 320)


def _finished(chart: Any, height: int) -> Any:
    return chart.resolve_scale(color="independent").properties(height=height)


def depot_load(rows: pl.DataFrame, *, lang: str) -> Any:
    """Return the load of a depot: managed, everybody at once, and the feeder.

    Parameters
    ----------
    rows
        Columns hour, clock, managed, unmanaged, feeder [MW].
    lang
        ``zh`` or ``en``.
    """
    names = {key: t(f"charging.load_{key}", lang) for key in ("managed", "unmanaged", "feeder")}
    long = rows.unpivot(on=list(names), index=["hour", "clock"], variable_name="code", value_name="mw")
    long = long.with_columns(line=pl.col("code").replace(names)).drop_nulls("mw")
    dash = alt.StrokeDash("line:N", scale=alt.Scale(domain=list(names.values()), range=[[1, 0], [4, 3], [8, 4]]), legend=None)
    lines = (
        alt.Chart(long)
        .mark_line(interpolate="step-after", strokeWidth=1.8)
        .encode(
            x=alt.X("hour:Q", title=None, scale=alt.Scale(domain=[0, _HOURS], nice=False), axis=_hour_axis(lang)),
            y=alt.Y("mw:Q", title=t("charging.axis_mw", lang), scale=alt.Scale(zero=True)),
            color=alt.Color(
                "line:N",
                scale=alt.Scale(domain=list(names.values()), range=[SYSTEM_COLOURS[0], UNMANAGED_COLOUR, FEEDER_COLOUR]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            strokeDash=dash,
            tooltip=[
                alt.Tooltip("clock:N", title=" "),
                alt.Tooltip("line:N", title="  "),
                alt.Tooltip("mw:Q", title="MW", format=".3f"),
            ],
        )
    )
    return lines.properties(height=300)


def gantt(rows: pl.DataFrame, *, lang: str) -> Any:
    """Return what vehicles do in a day as bars, and their state of charge as lines below.

    Parameters
    ----------
    rows
        Columns vehicle, state (label), start_h, end_h, soc_start, soc_end [percent], kw.
    lang
        ``zh`` or ``en``.
    """
    names = {code: t(f"charging.state_{code}", lang) for code in STATE_COLOURS}
    x = alt.X("start_h:Q", title=t("charging.hour_of_day", lang), scale=alt.Scale(domain=[0, 24], nice=False))
    count = rows["vehicle"].n_unique()
    bars = (
        alt.Chart(rows)
        .mark_bar(height=10)
        .encode(
            x=x,
            x2="end_h:Q",
            y=alt.Y("vehicle:O", title=t("charging.vehicle", lang)),
            color=alt.Color(
                "state:N",
                scale=alt.Scale(domain=list(names.values()), range=list(STATE_COLOURS.values())),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=[
                alt.Tooltip("vehicle:O", title=t("charging.vehicle", lang)),
                alt.Tooltip("state:N", title=" "),
                alt.Tooltip("start_h:Q", title=t("charging.from", lang), format=".2f"),
                alt.Tooltip("end_h:Q", title=t("charging.to", lang), format=".2f"),
                alt.Tooltip("soc_start:Q", title=t("charging.soc_start", lang), format=".0f"),
                alt.Tooltip("soc_end:Q", title=t("charging.soc_end", lang), format=".0f"),
                alt.Tooltip("kw:Q", title="kW", format=".0f"),
            ],
        )
    )
    # axis, legend and title take their part of the height
    return bars.properties(height=16 * count + 120)


def soc(rows: pl.DataFrame, *, lang: str) -> Any:
    """Return the state of charge of vehicles over a day as lines.

    Parameters
    ----------
    rows
        As for :func:`gantt`.
    lang
        ``zh`` or ``en``.
    """
    ends = pl.concat(
        [
            rows.select("vehicle", hour="start_h", soc="soc_start"),
            rows.select("vehicle", hour="end_h", soc="soc_end"),
        ]
    ).sort("vehicle", "hour", maintain_order=True)
    return (
        alt.Chart(ends)
        .mark_line(strokeWidth=1.6)
        .encode(
            x=alt.X("hour:Q", title=t("charging.hour_of_day", lang), scale=alt.Scale(domain=[0, 24], nice=False)),
            y=alt.Y("soc:Q", title=t("charging.soc_axis", lang), scale=alt.Scale(domain=[0, 100])),
            color=alt.Color("vehicle:N", legend=alt.Legend(title=t("charging.vehicle", lang))),
            tooltip=[
                alt.Tooltip("vehicle:N", title=t("charging.vehicle", lang)),
                alt.Tooltip("hour:Q", title=t("charging.hour_of_day", lang), format=".2f"),
                alt.Tooltip("soc:Q", title=t("charging.soc_axis", lang), format=".0f"),
            ],
        )
        .properties(height=280)
    )


def hourly(rows: pl.DataFrame, column: str, *, title: str, lang: str, colour: str = "#0072B2") -> Any:
    """Return one number by hour of the week as a step area.

    Parameters
    ----------
    rows
        Columns hour, clock and the column.
    column
        What is drawn.
    title
        Of the axis.
    lang
        ``zh`` or ``en``.
    colour
        Of the area.
    """
    return (
        alt.Chart(rows)
        .mark_area(interpolate="step-after", color=colour, opacity=0.75)
        .encode(
            x=alt.X("hour:Q", title=None, scale=alt.Scale(domain=[0, _HOURS], nice=False), axis=_hour_axis(lang)),
            y=alt.Y(f"{column}:Q", title=title),
            tooltip=[alt.Tooltip("clock:N", title=" "), alt.Tooltip(f"{column}:Q", title=title, format=".2f")],
        )
        .properties(height=240)
    )


def size_curve(part: pl.DataFrame, *, title: str, lang: str) -> Any:
    """Return a statistic against the size, with its interval, the limit, and the answer marked.

    Parameters
    ----------
    part
        Rows of one ``what`` and one metric of the result of :func:`transport.sizing.size_place`.
    title
        Of the vertical axis.
    lang
        ``zh`` or ``en``.
    """
    factor = 100.0 if part["metric_unit"][0] == "dimensionless" else 1.0
    shown = part.select(
        "size",
        "chosen",
        *[(pl.col(c) * factor).alias(c) for c in ("value", "low", "high", "limit")],
        mark=pl.when("chosen")
        .then(pl.lit(t("sizing.chosen", lang)))
        .when("present")
        .then(pl.lit(t("sizing.present", lang)))
        .otherwise(pl.lit("")),
    )
    x = alt.X("size:Q", title=t("sizing.column_size", lang), scale=alt.Scale(zero=False))
    base = alt.Chart(shown).encode(x=x)
    layers = [
        base.mark_area(opacity=0.18, color=SYSTEM_COLOURS[0]).encode(y=alt.Y("low:Q", title=title), y2="high:Q"),
        base.mark_line(point=True, color=SYSTEM_COLOURS[0]).encode(
            y=alt.Y("value:Q", title=title),
            tooltip=[
                alt.Tooltip("size:Q", title=t("sizing.column_size", lang)),
                alt.Tooltip("value:Q", title=title, format=".2f"),
            ],
        ),
        base.mark_text(dy=-14, fontSize=12, fontWeight="bold").encode(y="value:Q", text="mark:N"),
    ]
    if shown["limit"].null_count() < shown.height:
        layers.insert(2, base.mark_line(color=FEEDER_COLOUR, strokeDash=[5, 4]).encode(y="limit:Q"))
    return alt.layer(*layers).properties(height=230)
