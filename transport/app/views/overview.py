"""First page: the targets, under which reading they are met, and where freight goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import polars as pl
import streamlit as st

from transport.app import charts, maps, state
from transport.i18n import labels, t
from transport.layout import BASE_YEAR
from transport.scorecard import MET, READING, reading_matrix, scorecard
from transport.text import (
    capacity_line,
    fit_frame,
    sales_line,
    scorecard_frame,
    shown,
    target_text,
    unit_label,
    unmodelled_lines,
)

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.scorecard import ScoreLine
    from transport.store import StoredRun

INTENSITY = "operating_co2_intensity"
GREEN = "green_travel_share"
TARGET_YEAR = 2030
MAP_MODES = ("road", "rail", "water", "pipeline")
#: Data qualities nobody has verified.
WEAK = ("assumption", "recalled")
_COLOURS: dict[str, Literal["green", "blue", "orange"]] = {"met": "green", "within_tolerance": "blue", "missed": "orange"}
CARDS = (
    (INTENSITY, TARGET_YEAR),
    ("sea_rail_share", 2025),
    ("clean_share_of_additions", TARGET_YEAR),
    ("rail_energy_intensity", TARGET_YEAR),
)


def overview() -> None:
    """Draw the page."""
    lang = state.language()
    name = str(st.session_state.get("scenario") or state.DEFAULT_SCENARIO)
    st.header(t("app.overview_title", lang, scenario=getattr(state.scenario(name), f"title_{lang}")))
    run = state.stored(name)
    if run is None:
        st.info(t("app.nothing_yet", lang))
        return
    data = state.inputs_of(run)
    indicators = state.table(run, "indicators")
    lines = scorecard(indicators, data.table("indicators"))
    _cards(lines, data, lang)
    _scorecard(lines, data, lang)
    left, right = st.columns(2)
    with left:
        _intensity(indicators, lines, data, lang)
    with right:
        _green(indicators, lines, data, lang)
    _matrix(indicators, lines, data, lang)
    _freight(run, data, lang)
    _fit(run, data, lang)


def _cards(lines: list[ScoreLine], data: Inputs, lang: str) -> None:
    """Show four headline numbers and the weakest city."""
    names, verdicts, qualities = (labels(data, key, lang) for key in ("indicator", "verdict", "quality"))
    found = {(line.id, line.year): line for line in lines}
    for column, key in zip(st.columns(len(CARDS)), CARDS, strict=True):
        line = found.get(key)
        if line is None:
            continue
        with column.container(border=True, height="stretch"):
            unit = unit_label(line.unit, lang)
            st.markdown(f"**{names[line.id]}**")
            st.metric(
                t("app.card_label", lang, year=line.year, target=target_text(line, lang), unit=unit),
                t("app.card_value", lang, value=shown(line.value, line.unit, lang), unit=unit),
            )
            # A verdict on unverified values is never shown in the colour of success.
            weak = line.quality in WEAK and line.verdict in MET
            label = t("app.badge_weak", lang, verdict=verdicts[line.verdict]) if weak else verdicts[line.verdict]
            st.badge(label, color="blue" if weak else _COLOURS.get(line.verdict, "gray"))
            st.caption(t("app.card_quality", lang, quality=qualities[line.quality]))
            if line.readings > 1:
                st.caption(t("app.card_readings", lang, met=line.met, readings=line.readings))


def _scorecard(lines: list[ScoreLine], data: Inputs, lang: str) -> None:
    st.subheader(t("app.scorecard", lang))
    frame = scorecard_frame(lines, data, lang)
    config = {frame.columns[0]: st.column_config.TextColumn(width=310)}
    st.dataframe(frame, hide_index=True, column_config=config, alt=t("app.scorecard", lang), height=35 * (frame.height + 1) + 3)
    st.caption(t("app.scorecard_note", lang))
    for sentence in unmodelled_lines(lines, data, lang):
        st.caption(sentence)


def _intensity(indicators: pl.DataFrame, lines: list[ScoreLine], data: Inputs, lang: str) -> None:
    st.subheader(t("app.intensity_title", lang))
    target = next(line.target for line in lines if line.id == INTENSITY)
    rows = indicators.filter(pl.col("id") == INTENSITY, pl.col("variant") == "")
    reading = data.table("indicators").filter(pl.col("id") == INTENSITY).select([pl.col(c).fill_null("") for c in READING])
    headline = rows.join(reading, on=list(READING), how="semi").select("year", headline="value")
    band = rows.group_by("year").agg(low=pl.col("value").min(), high=pl.col("value").max())
    path = headline.join(band, on="year").sort("year")
    chart = charts.intensity_path(path, target, base_year=BASE_YEAR, target_year=TARGET_YEAR, lang=lang)
    st.altair_chart(chart, alt=t("app.intensity_title", lang))
    row = reading.row(0, named=True)
    named = {part: labels(data, part, lang)[row[part]] for part in ("boundary", "scope", "base")}
    st.caption(t("app.intensity_note", lang, **named))
    values = _headlines(reading, lang)
    if values:
        st.caption(t("app.others", lang, values=values))


def _headlines(reading: pl.DataFrame, lang: str) -> str:
    """Return the headline of every scenario that has been run, so that the plan is read beside the baseline and the rebound."""
    found = []
    for name in state.scenarios():
        run = state.stored(name)
        if run is None:
            continue
        rows = state.table(run, "indicators").filter(pl.col("id") == INTENSITY, pl.col("year") == TARGET_YEAR)
        value = rows.join(reading, on=list(READING), how="semi")["value"][0]
        title = getattr(state.scenario(name), f"title_{lang}")
        found.append(t("app.card_label_value", lang, name=title, value=f"{value:+.1f}"))
    return " · ".join(found)


def _green(indicators: pl.DataFrame, lines: list[ScoreLine], data: Inputs, lang: str) -> None:
    st.subheader(t("app.green_title", lang, year=TARGET_YEAR))
    areas = labels(data, "area", lang)
    with_target = {line.area: line.target for line in lines if line.id == GREEN}
    if not with_target:
        st.caption(t("app.green_none", lang))
        return
    target = next(iter(with_target.values()))
    rows = indicators.filter(pl.col("id") == GREEN, pl.col("year") == TARGET_YEAR, pl.col("area").is_in(list(with_target)))
    shares = (
        rows.pivot(on="variant", index="area", values="value")
        .rename({"": "share"})
        .with_columns(city=pl.col("area").replace_strict(areas))
        .sort("area")
    )
    st.altair_chart(charts.green_travel(shares, target, lang=lang), alt=t("app.green_title", lang, year=TARGET_YEAR))
    st.caption(t("app.green_note", lang))


def _matrix(indicators: pl.DataFrame, lines: list[ScoreLine], data: Inputs, lang: str) -> None:
    line = next(line for line in lines if line.id == INTENSITY)
    st.subheader(t("app.matrix_title", lang, year=TARGET_YEAR, met=line.met, readings=line.readings))
    matrix = reading_matrix(indicators, INTENSITY, TARGET_YEAR).with_columns(
        pl.col("boundary").replace(labels(data, "boundary", lang)), pl.col("base").replace(labels(data, "base", lang))
    )
    scopes = [c for c in matrix.columns if c not in {"boundary", "base"}]
    config = {c: st.column_config.NumberColumn(t(f"app.scope_{c}", lang), format="%+.1f %%") for c in scopes}
    config |= {c: st.column_config.TextColumn(t(f"app.{c}", lang)) for c in ("boundary", "base")}
    st.dataframe(
        matrix,
        hide_index=True,
        column_config=config,
        height=35 * (matrix.height + 1) + 3,
        alt=t("app.matrix_title", lang, year=TARGET_YEAR, met=line.met, readings=line.readings),
    )
    st.caption(t("app.matrix_note", lang))


def _freight(run: StoredRun, data: Inputs, lang: str) -> None:
    st.subheader(t("app.freight_title", lang))
    flows = state.table(run, "freight_links")
    modes = labels(data, "mode", lang)
    years = sorted(flows["year"].unique().to_list())
    left, right = st.columns([2, 5])
    with left:
        year = st.select_slider(t("scorecard.year", lang), years, value=TARGET_YEAR, key="map_year", persist_state="session")
        chosen = st.pills(
            t("app.mode", lang),
            MAP_MODES,
            selection_mode="multi",
            default=["road", "rail", "water"],
            format_func=lambda code: modes[code],
            key="map_modes",
            persist_state="session",
        )
        split = state.table(run, "freight").group_by("year", "mode").agg(tkm=pl.col("territory_tkm").sum()).sort("year", "mode")
        st.altair_chart(charts.mode_split(split, modes, lang=lang), alt=t("app.turnover_axis", lang))
    nodes = data.table("networks/nodes")
    loaded = maps.loaded_links(flows, nodes, data.table("networks/links"), int(year), list(chosen))
    places = nodes.filter(pl.col("kind") == "city").select(pl.col(f"name_{lang}").alias("name"), "lat", "lon")
    with right:
        texts = {"tonnes": t("app.tonnes_axis", lang), "saturation": t("app.saturation", lang)}
        st.pydeck_chart(maps.freight_map(loaded, places, texts), height=520, alt=t("app.freight_title", lang))
    with st.expander(t("app.freight_table", lang)):
        table = loaded.sort("t_per_year", "link_id", descending=True).select(
            pl.col("name").alias(t("app.link", lang)),
            pl.col("mode").replace_strict(modes).alias(t("app.mode", lang)),
            (pl.col("t_per_year") / 1e4).round(0).alias(t("app.tonnes_axis", lang)),
            pl.col("vc_ratio").round(2).alias(t("app.saturation", lang)),
        )
        st.dataframe(table, hide_index=True, alt=t("app.freight_table", lang))
    for warning in (capacity_line(run, data, lang), sales_line(run, data, lang)):
        if warning:
            st.warning(warning)
    st.caption(t("app.freight_note", lang))


def _fit(run: StoredRun, data: Inputs, lang: str) -> None:
    with st.expander(t("app.fit_title", lang)):
        st.dataframe(fit_frame(state.table(run, "fit"), data, lang), hide_index=True, alt=t("app.fit_title", lang))
        st.caption(t("app.fit_note", lang))


overview()
