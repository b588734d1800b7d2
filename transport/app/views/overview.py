"""First page: the targets with probability and reason, every definition, what is left to 2030, scenarios side by side, and where freight goes.

Charts and maps take longest to load, so that they are imported by the sections below the scorecard, which is seen by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import polars as pl
import streamlit as st

from transport.app import account_tables as accounts
from transport.app import comparison, state
from transport.app import overview_tables as facts
from transport.app.downloads import downloads
from transport.app.overview_tables import INTENSITY, WEAK
from transport.app.provenance import where_from
from transport.app.tour import tour
from transport.app.widgets import number, show, text
from transport.bundled import ensemble_folders
from transport.i18n import labels, t
from transport.layout import BASE_YEAR
from transport.progress import default_as_of, progress_table
from transport.scorecard import MET, READING, scorecard
from transport.text import capacity_line, divisor, fit_frame, sales_line, shown, target_text, unit_label, unmodelled_lines

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.scorecard import ScoreLine
    from transport.store import StoredRun

GREEN = "green_travel_share"
TARGET_YEAR = 2030
MAP_MODES = ("road", "rail", "water", "pipeline")
TABS = ("targets", "path", "readings", "plan", "scenarios")
#: Greatest height of a table of sentences [px].
_TALL = 620
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
    tour(lang)
    run = state.stored(name)
    if run is None:
        st.info(t("app.nothing_yet", lang))
        return
    data = state.inputs_of(run)
    indicators = state.table(run, "indicators")
    lines = scorecard(indicators, data.table("indicators"))
    _cards(lines, run, data, lang)
    tabs = dict(zip(TABS, st.tabs([t(f"overview.tab_{tab}", lang) for tab in TABS]), strict=True))
    with tabs["targets"]:
        _scorecard(lines, run, data, lang)
        _why(lines, run, data, lang)
    with tabs["path"]:
        _intensity(indicators, lines, data, lang)
        _waterfall(run, data, lang)
        _green(indicators, lines, data, lang)
    with tabs["readings"]:
        _readings(indicators, lines, run, data, lang)
    with tabs["plan"]:
        _plan(indicators, data, lang)
    with tabs["scenarios"]:
        _scenarios(data, lang)
    _freight(run, data, lang)
    _fit(run, data, lang)


def _cards(lines: list[ScoreLine], run: StoredRun, data: Inputs, lang: str) -> None:
    """Show four headline numbers, each with where it comes from."""
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
            where_from(line, run, data, lang)


def _scorecard(lines: list[ScoreLine], run: StoredRun, data: Inputs, lang: str) -> None:
    """Show every target with value, gap, probability, verdict and quality."""
    title = t("app.scorecard", lang)
    st.subheader(title)
    probability, ensemble = facts.stored_probabilities(ensemble_folders(), run.manifest, data.table("indicators"))
    table = facts.with_places(facts.target_rows(lines, probability, data, lang), data, lang)
    right = {"alignment": "right"}
    config = {
        "target": text(t("overview.target", lang), width=290),
        "year": number(t("overview.year", lang), "%d", width=46),
        "value": text(t("overview.value", lang), width=74, **right),
        "actual": text(t("overview.actual", lang), width=70, **right),
        "goal": text(t("overview.goal", lang), width=74, **right),
        "gap": text(t("overview.gap", lang), width=68, **right),
        "unit": text(t("overview.unit", lang), width=64),
        "probability": text(t("overview.probability", lang), width=60, **right),
        "verdict": text(t("overview.verdict", lang), width=146),
        "quality": text(t("overview.quality", lang), width=80),
    }
    show(table.drop("readings"), config, title, 35 * (table.height + 1) + 3)
    if ensemble:
        weight = f"{float(ensemble.get('effective_sample_size', ensemble['draws'])):.0f}"
        said = {
            "draws": ensemble["draws"],
            "effective": weight,
            "failed": ensemble.get("failed", 0),
            "data": str(ensemble["data_hash"])[:12],
        }
        st.caption(t("overview.probability_from", lang, **said))
    else:
        st.caption(t("overview.probability_none", lang, scenario=run.manifest["scenario"]))
    st.caption(t("app.scorecard_note", lang))
    for sentence in unmodelled_lines(lines, data, lang):
        st.caption(sentence)


def _why(lines: list[ScoreLine], run: StoredRun, data: Inputs, lang: str) -> None:
    """Say of every target why it is met or missed."""
    title = t("overview.why_title", lang)
    st.subheader(title)
    attribution = state.table(run, "attribution") if "attribution" in run.manifest["tables"] else None
    binding = float(data.params().get("binding_ratio")[0, 0])
    full = facts.full_sections(state.table(run, "freight_links"), data.table("networks/nodes"), binding, lang)
    said = facts.reasons(lines, state.table(run, "indicators"), attribution, full, data, lang)
    table = (
        facts.target_rows(lines, {}, data, lang)
        .select("target", "area", "year", "verdict")
        .with_columns(reason=pl.Series(said, dtype=pl.String))
    )
    heads = ("target", "area", "year", "verdict", "reason")
    _sentences(table.select(pl.col(head).cast(pl.String).alias(t(f"overview.{head}", lang)) for head in heads), title, lang)


def _sentences(table: pl.DataFrame, title: str, lang: str) -> None:
    """Draw a table whose sentences break into lines, with its files."""
    st.table(table, hide_index=True, height=min(_TALL, 60 * (table.height + 1)), alt=title)
    downloads(table, title, lang)


def _intensity(indicators: pl.DataFrame, lines: list[ScoreLine], data: Inputs, lang: str) -> None:
    from transport.app import charts

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


def _waterfall(run: StoredRun, data: Inputs, lang: str) -> None:
    """Show what changed the headline since the base year, factor by factor."""
    from transport.app import account_charts

    if "attribution" not in run.manifest["tables"]:
        return
    row = data.table("indicators").filter(pl.col("id") == INTENSITY).row(0, named=True)
    bars = accounts.steps(
        state.table(run, "attribution"), TARGET_YEAR, {name: str(row[name]) for name in ("boundary", "scope", "base")}
    )
    total = float(bars["change"][-1])
    title = t("overview.waterfall_title", lang, base=BASE_YEAR, year=TARGET_YEAR, total=f"{total:+.1f}")
    st.subheader(title)
    axis = t("app.accounts.points", lang)
    drawn = account_charts.waterfall(
        account_charts.factor_bars(bars, lang), account_charts.CHANGE_COLOURS, title=axis, form="+.1f"
    )
    st.altair_chart(drawn, alt=title)
    without = total - float(bars.filter(pl.col("key") == "covid_rebound")["change"][0])
    st.caption(t("overview.waterfall_note", lang, without=f"{without:+.1f}"))


def _green(indicators: pl.DataFrame, lines: list[ScoreLine], data: Inputs, lang: str) -> None:
    from transport.app import charts

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


def _readings(indicators: pl.DataFrame, lines: list[ScoreLine], run: StoredRun, data: Inputs, lang: str) -> None:
    """Show the headline in every definition: the matrix, and one sentence per cell."""
    from transport.app import account_charts

    line = next(line for line in lines if line.id == INTENSITY)
    title = t("overview.readings_title", lang, year=TARGET_YEAR, met=line.met, readings=line.readings)
    st.subheader(title)
    row = data.table("indicators").filter(pl.col("id") == INTENSITY).row(0, named=True)
    found = accounts.verdicts(indicators, INTENSITY, TARGET_YEAR, {k: str(row[k]) for k in ("boundary", "scope", "base")})
    used = {}
    for part in ("boundary", "scope", "base"):
        named = labels(data, part, lang)
        used[part] = {code: named[code] for code in named if code in set(found[part].to_list())}
    drawn = account_charts.readings(found, used["boundary"], used["scope"], used["base"], lang=lang)
    st.altair_chart(drawn, alt=title, width="content")
    st.caption(t("overview.readings_note", lang, scenario=run.manifest["scenario"]))
    inner = t("overview.sentences_title", lang)
    st.markdown(f"**{inner}**")
    table = facts.reading_sentences(indicators, TARGET_YEAR, line.target, data, lang)
    signed = [f"{value:+.1f}" for value in table["value"]]
    said = table.select(pl.Series("change", signed, dtype=pl.String), "verdict", "sentence")
    _sentences(said.rename({head: t(f"overview.{head}", lang) for head in said.columns}), inner, lang)


def _plan(indicators: pl.DataFrame, data: Inputs, lang: str) -> None:
    """Show what the years to 2030 still have to bring: actual values, what is missing, and how much a year."""
    title = t("overview.plan_title", lang)
    st.subheader(title)
    progress = progress_table(data, indicators, as_of=default_as_of(data, int(data.params().get("data_vintage_year")[0, 0])))
    due = progress.filter(pl.col("target_year").is_between(facts.PLAN_YEARS[0], facts.PLAN_YEARS[-1]))
    counted = dict(due["light"].value_counts().iter_rows())
    lights = {light: counted.get(light, 0) for light in ("green", "amber", "red", "grey")}
    cards = {
        "due": str(due.height),
        "actual": str(due["actual"].count()),
        "lights": t("overview.plan_card_lights_value", lang, **lights),
    }
    for column, (card, value) in zip(st.columns(len(cards)), cards.items(), strict=True):
        column.metric(t(f"overview.plan_card_{card}", lang), value, border=True)
    table = facts.with_places(facts.five_years(progress, indicators, data, lang), data, lang)
    right = {"alignment": "right"}
    config = {
        "light": text(t("overview.light", lang), width=92),
        "target": text(t("overview.target", lang), width=190),
        "year": number(t("overview.year", lang), "%d", width=46),
        "goal": text(t("overview.goal", lang), width=76, **right),
        "unit": text(t("overview.unit", lang), width=62),
        "actual": text(t("overview.actual", lang), width=55, **right),
        "period": text(t("overview.period", lang), width=82),
        "left": text(t("overview.left", lang), width=62, **right),
        "needed": text(t("overview.needed", lang), width=64, **right),
        "modelled": text(t("overview.modelled", lang), width=80, **right),
        "needed_model": text(t("overview.needed_model", lang), width=98, **right),
    }
    show(table, config, title, 35 * (table.height + 1) + 3)
    st.caption(t("overview.plan_note", lang))


def _scenarios(data: Inputs, lang: str) -> None:
    """Show the scenarios that are compared: how many targets each meets, target by target, and the path of the intensity."""
    definitions = data.table("indicators")
    tables = {title: state.table(run, "indicators") for title, run in comparison.stored_runs(lang).items()}
    title = t("overview.scenarios_title", lang)
    st.subheader(title)
    for scenario, (met, total) in facts.met_counts(tables, definitions).items():
        st.markdown(t("overview.scenarios_count", lang, title=f"**{scenario}**", met=met, total=total))
    table = facts.with_places(facts.by_scenario(tables, data, lang), data, lang)
    config = {
        "target": text(t("overview.target", lang), width=280),
        "year": number(t("overview.year", lang), "%d", width=50),
        "goal": text(t("overview.goal", lang), width=78, alignment="right"),
        "unit": text(t("overview.unit", lang), width=74),
    }
    show(
        table,
        config | {scenario: text(scenario, width=440 // len(tables)) for scenario in tables},
        title,
        35 * (table.height + 1) + 3,
    )
    comparison.side_by_side(
        "intensity_paths",
        t("overview.paths_title", lang),
        lambda run: facts.intensity_years(state.table(run, "indicators"), definitions),
        lang,
        heads=(t("overview.year_axis", lang), t("app.intensity_axis", lang)),
        kind="lines",
        form="+.1f",
    )


def _freight(run: StoredRun, data: Inputs, lang: str) -> None:
    from transport.app import charts, maps

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
        st.pydeck_chart(maps.freight_map(loaded, places, texts, lang), height=520, alt=t("app.freight_title", lang))
    with st.expander(t("app.freight_table", lang)):
        loaded = loaded.sort("t_per_year", "link_id", descending=True)
        table = loaded.select(
            pl.col("name").alias(t("app.link", lang)),
            pl.col("mode").replace_strict(modes).alias(t("app.mode", lang)),
            (pl.col("t_per_year") / divisor("t/yr", lang)).round(0 if lang == "zh" else 2).alias(t("app.tonnes_axis", lang)),
            # water has no capacity: an empty text, not an empty number
            pl.Series(
                t("app.saturation", lang),
                ["" if ratio is None else f"{ratio:.2f}" for ratio in loaded["vc_ratio"]],
                dtype=pl.String,
            ),
        )
        show(table, dict.fromkeys(table.columns), t("app.freight_table", lang))
    for warning in (capacity_line(run, data, lang), sales_line(run, data, lang)):
        if warning:
            st.warning(warning)
    st.caption(t("app.freight_note", lang))


def _fit(run: StoredRun, data: Inputs, lang: str) -> None:
    with st.expander(t("app.fit_title", lang)):
        table = fit_frame(state.table(run, "fit"), data, lang)
        show(table, dict.fromkeys(table.columns), t("app.fit_title", lang))
        st.caption(t("app.fit_note", lang))


overview()
