"""Uncertainty and measures: how likely each target is and on what it hangs, what each measure does and costs, and the cheapest package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import streamlit as st

from transport.app import state
from transport.app import uncertainty_charts as drawn
from transport.app import uncertainty_tables as facts
from transport.app.backcast_tab import backcast
from transport.app.calculation_panel import Desk, ask
from transport.app.uncertainty_jobs import MODULE
from transport.app.what_if_jobs import scenario_of
from transport.app.widgets import number, show, text
from transport.bundled import best_ensemble, ensemble_folders
from transport.ensemble import EnsembleResult, ensemble_id, prepared, read_ensemble
from transport.i18n import labels, listed, t
from transport.sensitivity import drivers_if_any
from transport.store import StoreError, runs_folder
from transport.text import unit_label

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.sensitivity import Drivers
    from transport.store import StoredRun

SECTIONS = ("targets", "readings", "measures", "curve", "pairs", "backcast")
DESK = Desk("uncertainty", MODULE)
DRAWS = (100, 300, 1000)
SEED, PAIRS = 1, 10
YEARS = (2025, 2030, 2035)
INTENSITY = "operating_co2_intensity"


def uncertainty() -> None:
    """Draw the page."""
    lang = state.language()
    name = str(st.session_state.get("scenario") or state.DEFAULT_SCENARIO)
    st.header(t("uncertainty.title", lang, scenario=getattr(state.scenario(name), f"title_{lang}")))
    run = state.stored(name)
    if run is None:
        st.info(t("app.nothing_yet", lang))
        return
    st.caption(t("uncertainty.question", lang))
    data = state.inputs_of(run)
    tabs = dict(zip(SECTIONS, st.tabs([t(f"uncertainty.tab_{s}", lang) for s in SECTIONS]), strict=True))
    with tabs["targets"]:
        found = _ensemble(run, data, lang)
        if found is not None:
            _targets(found, data, lang)
    with tabs["readings"]:
        if found is None:
            st.info(t("uncertainty.first_draw", lang))
        else:
            _readings(found, data, lang)
    with tabs["measures"]:
        tables = _measures(run, lang)
        if tables is not None:
            _measure_table(tables["measures"], data, lang)
    for section, drawer in (("curve", _curve), ("pairs", _pairs)):
        with tabs[section]:
            if tables is None:
                st.info(t("uncertainty.first_measures", lang))
            else:
                drawer(tables, data, lang)
    with tabs["backcast"]:
        backcast(run, data, DESK, lang)


# ---- ensemble ----------------------------------------------------------------------------------------------------------------------


def _ensemble(run: StoredRun, data: Inputs, lang: str) -> EnsembleResult | None:
    """Ask for the number of draws and return their ensemble, or before it is there the largest one that is kept of the scenario."""
    draws = st.segmented_control(
        t("uncertainty.draws", lang), DRAWS, default=DRAWS[0], required=True, key="uncertainty_draws", persist_state="session"
    )
    scenario = prepared(scenario_of(run.manifest, capacity="fixed"))
    name = ensemble_id(scenario, data, draws=int(draws or DRAWS[0]), seed=SEED, design="lhs")
    try:
        kept = read_ensemble(runs_folder() / f"ensemble-{name}")
    except StoreError:
        kept = None
    if kept is not None and kept.manifest.get("complete"):
        return kept
    st.info(t("uncertainty.what_draws", lang))
    made = ask(DESK, "ensemble", name, lang, given={"manifest": dict(run.manifest)}, draws=int(draws or DRAWS[0]), seed=SEED)
    if made is not None:
        return read_ensemble(runs_folder() / f"ensemble-{name}")
    other = best_ensemble(ensemble_folders(), run.manifest)
    return None if other is None else read_ensemble(other)


def _targets(found: EnsembleResult, data: Inputs, lang: str) -> None:
    rows = facts.headline_targets(found.table("probabilities"), data)
    st.caption(
        t(
            "uncertainty.about",
            lang,
            draws=found.manifest["draws"],
            effective=f"{found.manifest['effective_sample_size']:.0f}",
            failed=found.manifest["failed"],
        )
    )
    title = t("uncertainty.targets_title", lang)
    st.altair_chart(drawn.probabilities(facts.probability_bars(rows, data, lang), lang=lang), alt=title)
    with st.expander(t("uncertainty.targets_table", lang), expanded=False):
        table = facts.probability_rows(rows, data, lang)
        config = {
            "target": text(t("uncertainty.target", lang), width=300),
            "wanted": text(t("uncertainty.wanted", lang)),
            "central": text(t("uncertainty.central", lang)),
            "probability": number(t("uncertainty.probability_pct", lang), "%.0f"),
            "error": number(t("uncertainty.error", lang), "%.1f"),
            "span": text(t("uncertainty.interval", lang)),
            "within": number(t("uncertainty.within", lang), "%.0f"),
            "unweighted": number(t("uncertainty.unweighted", lang), "%.0f"),
        }
        show(table, config, title)
    st.caption(t("uncertainty.targets_note", lang))
    st.caption(t("uncertainty.weights_note", lang))
    if "series" in found.manifest["tables"]:
        _fan(found, rows, data, lang)
    else:
        st.caption(t("uncertainty.only_chances", lang))


def _fan(found: EnsembleResult, rows: pl.DataFrame, data: Inputs, lang: str) -> None:
    names = facts.target_names(rows, data, lang)
    picked = st.selectbox(
        t("uncertainty.series", lang),
        range(len(names)),
        format_func=lambda k: names[k],
        key="uncertainty_series",
        persist_state="session",
    )
    row = rows.row(int(picked or 0), named=True)
    keys = ("id", "area", "scope", "boundary", "base", "variant")
    series = found.table("series").filter(*(pl.col(key) == row[key] for key in keys))
    path = found.table("paths").join(series.select("series"), on="series", how="semi").sort("year")
    scale = unit_label(row["unit"], lang)
    title = names[int(picked or 0)]
    st.altair_chart(drawn.fan(path, row["target"], scale, lang=lang), alt=title)
    st.caption(t("uncertainty.fan_note", lang))
    _hangs_on(found, int(series["series"][0]), row, data, lang)


@st.cache_data(max_entries=32, show_spinner=False)
def _drivers(folder: str, stamp: str, series: int, year: int, _found: EnsembleResult) -> Drivers | None:
    del folder, stamp
    try:
        return drivers_if_any(_found, series, year)
    except ValueError:  # too few draws
        return None


def _hangs_on(found: EnsembleResult, series: int, row: dict[str, Any], data: Inputs, lang: str) -> None:
    """Show the inputs that own most of the variance of a target's indicator, and where the weak ones stand."""
    title = t("uncertainty.drivers_title", lang)
    with st.expander(title):
        drivers = _drivers(str(found.folder), str(found.manifest["tables"]["outcomes"]), series, row["year"], found)
        if drivers is None or drivers.shares.is_empty():
            st.info(t("ensemble.nothing", lang))
            return
        about = {"explained": f"{drivers.explained:.0%}", "noise": f"{drivers.noise:.1%}"}
        name = labels(data, "indicator", lang).get(row["id"], row["id"])
        st.caption(t("ensemble.drivers", lang, name=name, year=row["year"], **about))
        config = {key: text(t(f"ensemble.{key}", lang)) for key in ("interval", "direction", "quality", "file")}
        config |= {
            "input": text(t("ensemble.input", lang), width=300),
            "code": text(t("data_page.col_name", lang)),
            "row": number(t("ensemble.row", lang), "%d"),
        }
        show(facts.driver_rows(drivers, data, lang), config | {"share": number(t("uncertainty.share_pct", lang), "%.1f")}, title)
        if drivers.effective > found.manifest["effective_sample_size"]:
            st.caption(t("ensemble.unweighted", lang))
        st.caption(t("uncertainty.drivers_note", lang))


def _readings(found: EnsembleResult, data: Inputs, lang: str) -> None:
    table = facts.readings(found.table("probabilities"), INTENSITY, data, lang)
    st.subheader(t("uncertainty.readings_title", lang))
    config = {c: number(t(f"app.scope_{c}", lang), "%.0f %%") for c in table.columns if c not in {"boundary", "base"}}
    config |= {c: text(t(f"app.{c}", lang)) for c in ("boundary", "base")}
    show(table, config, t("uncertainty.readings_title", lang))
    st.caption(t("uncertainty.readings_note", lang))


# ---- measures ----------------------------------------------------------------------------------------------------------------------


def _measures(run: StoredRun, lang: str) -> dict[str, pl.DataFrame] | None:
    """Ask for the measures of the run and return their tables, once they are there."""
    st.caption(t("uncertainty.what_measures", lang))
    if not run.manifest["resolved"]["set"]:
        st.info(t("measures.nothing", lang, scenario=getattr(state.scenario(run.manifest["scenario"]), f"title_{lang}")))
        return None
    base = _base(run)
    if base is None:
        st.caption(t("uncertainty.on_nothing", lang))
    else:
        st.caption(t("uncertainty.on_base", lang, base=base[f"title_{lang}"]))
    given = {"manifest": dict(run.manifest), "base": base or {}}
    return ask(DESK, "measures", run.manifest["resolved"], lang, given=given, pairs=PAIRS)


def _base(run: StoredRun) -> dict[str, Any] | None:
    """Return the manifest of the scenario that a run's builds on, whether it has been run or not; None if it builds on none."""
    above = [name for name in run.manifest.get("lineage") or () if not name.startswith("+") and name != run.manifest["scenario"]]
    if not above or above[-1] not in state.scenarios():
        return None
    kept = state.stored(above[-1])
    if kept is not None:
        return dict(kept.manifest)
    scenario = state.scenario(above[-1])
    titles = {"title_zh": scenario.title_zh, "title_en": scenario.title_en}
    return {"scenario": scenario.name, **titles, "lineage": list(scenario.lineage), "resolved": scenario.resolved()}


def _year(key: str, lang: str) -> int:
    chosen = st.segmented_control(
        t("scorecard.year", lang), YEARS, default=2030, required=True, key=f"uncertainty_{key}_year", persist_state="session"
    )
    return int(chosen or 2030)


def _measure_table(table: pl.DataFrame, data: Inputs, lang: str) -> None:
    year = _year("measures", lang)
    rows = facts.measures_of_year(table, year, data, lang)
    title = t("uncertainty.measures_title", lang, year=year)
    ways = (t("measures.alone", lang), t("measures.last", lang))
    st.subheader(title)
    st.altair_chart(drawn.measure_bars(rows, ways, t("uncertainty.co2_axis", lang), lang=lang), alt=title)
    config = {name: number(t(f"measures.{name}", lang), "%.1f") for name in ("alone", "first", "last", "share", "error")}
    config |= {
        "measure": text(t("measures.measure", lang), width=260),
        "headline": number(t("measures.headline", lang), "%.2f"),
        **{name: text(t(f"measures.{name}", lang), alignment="right") for name in ("cost", "price")},
    }
    show(rows, config, title)
    unknown = facts.unpriced(table, year, data, lang)
    if unknown:
        st.caption(t("uncertainty.unpriced", lang, count=len(unknown), names=listed(unknown, lang, long=True)))
    st.caption(t("measures.note", lang))


def _curve(tables: dict[str, pl.DataFrame], data: Inputs, lang: str) -> None:
    year = _year("curve", lang)
    rows = facts.curve_of_year(tables["abatement_curve"], year, data, lang)
    title = t("uncertainty.curve_title", lang, year=year)
    st.subheader(title)
    cap = facts.cap_of(rows)
    st.altair_chart(drawn.abatement(facts.capped(rows, cap), lang=lang), alt=title)
    if cap is not None:
        st.caption(t("uncertainty.capped", lang, cap=f"{cap:,.0f}"))
    config = {name: number(t(f"uncertainty.{name}", lang), "%.1f") for name in ("start", "end", "avoided")}
    config |= {"measure": text(t("measures.measure", lang), width=260), "price": number(t("measures.price", lang), "%.0f")}
    show(rows, config, title)
    st.caption(t("uncertainty.curve_note", lang))


def _pairs(tables: dict[str, pl.DataFrame], data: Inputs, lang: str) -> None:
    left, right = st.columns(2)
    with left:
        year = _year("pairs", lang)
    with right:
        way = st.segmented_control(
            t("uncertainty.way", lang),
            ("last", "first"),
            default="last",
            required=True,
            format_func=lambda code: t(f"measures.{code}_pair", lang),
            key="uncertainty_way",
            persist_state="session",
        )
    rows = facts.pairs_of_year(tables["measure_interactions"], year, str(way or "last"), data, lang)
    order = facts.measures_of_year(tables["measures"], year, data, lang)["measure"].to_list()
    title = t("uncertainty.pairs_title", lang, year=year)
    st.subheader(title)
    st.altair_chart(drawn.interactions(rows, order, t("uncertainty.co2_axis", lang), lang=lang), alt=title)
    with st.expander(t("uncertainty.pairs_table", lang)):
        names = {"measure": text(t("measures.measure", lang)), "other": text(t("measures.other", lang))}
        show(
            rows.sort(pl.col("value").abs(), descending=True),
            {**names, "value": number(t("uncertainty.co2_axis", lang), "%.2f")},
            title,
        )
    st.caption(t("uncertainty.pairs_note", lang))


uncertainty()
