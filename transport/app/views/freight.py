"""Freight network: where it is full, what that holds back, who carries what between whom, why, and what one change would move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import streamlit as st

from transport.app import (
    charts,
    comparison,
    freight_edit_section,
    freight_explain_section,
    freight_goods_section,
    freight_map_section,
    maps,
    state,
)
from transport.app import comparison_rows as rows_of
from transport.app import freight_flows as flows
from transport.app import freight_tables as facts
from transport.app.column_widths import ROOM
from transport.app.freight_widgets import (
    Looked,
    constraints,
    fullness,
    in_sentence,
    is_fixed,
    kinds,
    number,
    pick,
    text,
    tonnes,
    turnover,
    twin,
)
from transport.app.provenance import where_from_page
from transport.bundled import PLACES
from transport.i18n import labels, t
from transport.layout import BASE_YEAR, FIRST_YEAR

if TYPE_CHECKING:
    from transport.app.freight_tables import Names
    from transport.inputs import Inputs
    from transport.store import StoredRun

START_YEAR = 2030
START_MODES = ("rail", "road", "pipeline")
SECTIONS = ("map", "bottlenecks", "goods", "explain", "change")


def freight() -> None:
    """Draw the page."""
    lang = state.language()
    name = str(st.session_state.get("scenario") or state.DEFAULT_SCENARIO)
    st.header(t("freight.title", lang, scenario=getattr(state.scenario(name), f"title_{lang}")))
    run = state.stored(name)
    if run is None:
        st.info(t("app.nothing_yet", lang))
        return
    lacking = facts.missing_tables({n: _columns(run, n) for n in facts.NEEDED})
    if lacking:
        st.warning(t("freight.old_run", lang, tables=", ".join(lacking), scenario=name))
        return
    st.caption(t("freight.question", lang))
    data = state.inputs_of(run)
    looked = _controls(run, data, facts.names_of(data, lang), lang)
    _metrics(run, looked.year, lang)
    where_from_page("freight", run, data, lang)
    _sentences(looked)
    drawers = dict(
        zip(
            SECTIONS,
            (
                freight_map_section.draw,
                _bottlenecks,
                freight_goods_section.draw,
                freight_explain_section.draw,
                freight_edit_section.draw,
            ),
            strict=True,
        )
    )
    for section, tab in zip(SECTIONS, st.tabs([t(f"freight.tab_{s}", lang) for s in SECTIONS]), strict=True):
        with tab:
            drawers[section](looked)
    _beside(looked)


def _beside(looked: Looked) -> None:
    """Set the scenarios side by side: turnover by mode and commodity, and the corridors with most goods off the road."""
    year, lang, unit = looked.year, looked.lang, t("comparison.freight_unit", looked.lang)
    for kind in ("mode", "commodity"):
        comparison.side_by_side(
            f"freight_{kind}",
            t(f"comparison.freight_{kind}", lang, year=year),
            rows_of.freight_by(kind, year, looked.data, lang),
            lang,
            heads=(t(f"comparison.{kind}", lang), unit),
        )
    comparison.side_by_side(
        "freight_corridors",
        t("comparison.corridors", lang, year=year),
        rows_of.corridors(looked.run, year, looked.names.places, lang),
        lang,
        heads=(t("comparison.corridors_head", lang), t("comparison.corridors_unit", lang)),
    )


def _columns(run: StoredRun, name: str) -> tuple[str, ...]:
    return tuple(state.table(run, name).columns) if name in run.manifest["tables"] else ()


def _controls(run: StoredRun, data: Inputs, names: Names, lang: str) -> Looked:
    """Ask for year, modes, commodity and the colour of the map."""
    years = sorted(state.table(run, "freight_links")["year"].unique().to_list())
    if st.session_state.get("freight_year") not in years:
        st.session_state["freight_year"] = START_YEAR if START_YEAR in years else years[-1]
    if "freight_modes" not in st.session_state:
        st.session_state["freight_modes"] = list(START_MODES)
    named = labels(data, "mode", lang)
    left, middle, right, last = st.columns([5, 8, 5, 6])
    with left:
        year = st.select_slider(t("freight.year", lang), years, key="freight_year", persist_state="session")
    with middle:
        chosen = st.pills(
            t("freight.modes", lang),
            facts.MODES,
            selection_mode="multi",
            format_func=lambda code: named[code],
            key="freight_modes",
            persist_state="session",
        )
    with right:
        goods = labels(data, "commodity", lang)
        flows_of = PLACES if PLACES in run.manifest["tables"] else "freight_od"
        used = set(state.table(run, flows_of)["commodity"].unique().to_list())
        every = {"": t("freight.all_goods", lang)} | {code: goods[code] for code in goods if code in used}
        commodity = str(pick("goods", list(every), "", every, lang))
    with last:
        colour_by = st.segmented_control(
            t("freight.colour", lang),
            maps.COLOUR_BY,
            required=True,
            default=maps.COLOUR_BY[0],
            format_func=lambda code: t(f"freight.colour_{code}", lang),
            key="freight_colour",
            persist_state="session",
        )
    modes = tuple(mode for mode in facts.MODES if mode in chosen)
    return Looked(run, data, names, lang, int(year), modes, str(colour_by or maps.COLOUR_BY[0]), commodity)


def _metrics(run: StoredRun, year: int, lang: str) -> None:
    """Show four numbers with their change against the base year."""
    moved, links, unmet = (state.table(run, name) for name in ("freight", "freight_links", "freight_unmet"))
    now, before = (facts.headline(moved, links, unmet, y) for y in (year, BASE_YEAR))
    mass = facts.TONNES[lang]
    form = ",.0f" if lang == "zh" else ",.1f"
    cards = (
        ("rail_share", now.rail_share, before.rail_share, ".1f"),
        ("rail_t", now.rail_t / mass, before.rail_t / mass, form),
        ("over", float(sum(now.over.values())), float(sum(before.over.values())), ".0f"),
        ("unmet", now.unmet_t / mass, before.unmet_t / mass, form),
    )
    for column, (key, value, base, digits) in zip(st.columns(len(cards)), cards, strict=True):
        unknown = key == "unmet" and is_fixed(run)
        column.metric(
            t(f"freight.metric_{key}", lang),
            "-" if unknown else f"{value:{digits}}",
            None if unknown or year == BASE_YEAR else f"{value - base:+{digits}}",
            delta_color="inverse" if key in {"over", "unmet"} else "normal",
            help=t(f"freight.metric_{key}_help", lang, year=year, **now.over),
            border=True,
        )
    note = "freight.metrics_base" if year == BASE_YEAR else "freight.metrics_note"
    st.caption(t(note, lang, year=year, base=BASE_YEAR))


def _sentences(looked: Looked) -> None:
    """Name the worst bottleneck, the fullest railway section, and say what rail could carry if nothing were scarce."""
    run, names, year, lang = looked.run, looked.names, looked.year, looked.lang
    unmet, links = state.table(run, "freight_unmet"), state.table(run, "freight_links")
    worst = facts.bottlenecks(unmet, year)
    said = []
    if is_fixed(run):
        said.append(t("freight.sentence_fixed", lang))
    elif worst.is_empty():
        said.append(t("freight.sentence_none", lang, year=year))
    else:
        row = worst.row(0, named=True)
        ratio = facts.saturation_of(row["constraint"], row["place"], links, state.table(run, "freight_terminals"), year)
        said.append(
            t(
                "freight.sentence_from_start" if row["first_year"] == FIRST_YEAR else "freight.sentence",
                lang,
                year=year,
                place=names.site(row["constraint"], row["place"]),
                kind=in_sentence(constraints(lang)[row["constraint"]], lang),
                ratio="-" if ratio is None else f"{ratio:.2f}",
                amount=maps.tonnes_text(row["unmet_t"], lang),
                commodity=in_sentence(looked.commodities()[row["commodity"]], lang),
                first=row["first_year"],
            )
        )
    full = facts.fullest_rail(links, names, year)
    if full is not None:
        said.append(t("freight.sentence_fullest", lang, place=names.site("rail", full[0]), ratio=f"{full[1]:.2f}", count=full[2]))
    if not worst.is_empty():
        more = float(unmet.filter(pl.col("year") == year, pl.col("mode") == "rail")["unmet_t"].sum())
        carried = facts.headline(state.table(run, "freight"), links, unmet, year).rail_t
        share = f"{100.0 * more / carried:.0f}" if carried else "-"
        said.append(t("freight.sentence_rail", lang, amount=maps.tonnes_text(more, lang), share=share))
    st.info("\n\n".join(said))


# ---- bottlenecks -------------------------------------------------------------------------------------------------------------------


def _bottlenecks(looked: Looked) -> None:
    """Show the fullest sections of each mode, lines and terminals, what they hold back, and what capacity changes."""
    run, names, year, lang = looked.run, looked.names, looked.year, looked.lang
    named = {mode: label for mode, label in looked.mode_labels().items() if mode in looked.modes}
    title = t("freight.bottleneck_title", lang, year=year)
    st.subheader(title)
    limited = [mode for mode in named if mode != "water"]
    heads = [t("freight.tab_mode", lang, mode=named[mode]) for mode in limited]
    tabs = st.tabs([*heads, t("freight.tab_lines", lang), t("freight.tab_terminals", lang)])
    common = {
        "vc_ratio": fullness(lang),
        "t": tonnes("heavier", lang),
        "capacity": tonnes("capacity", lang),
        "price": number(t("freight.price", lang), "%.1f"),
        "delay": number(t("freight.delay", lang), "%.0f"),
        "outside": st.column_config.CheckboxColumn(t("freight.outside", lang)),
        "section": text(t("freight.column_section", lang), width=330),
        "terminal": text(t("freight.column_terminal", lang), width=230),
        "kind": text(t("freight.column_kind", lang)),
    }
    links = state.table(run, "freight_links")
    for tab, mode, head in zip(tabs, limited, heads, strict=False):
        with tab:
            twin(facts.sections(links, names, mode, year, lang), common, head, f"sections_{mode}", lang)
    with tabs[-2]:
        config = {
            "line": text(t("freight.column_line", lang), width=180),
            "mode": text(t("freight.mode", lang)),
            "vc_ratio": fullness(lang),
            "worst": text(t("freight.column_worst", lang), width=150),
            "km": number(t("freight.km", lang)),
            "t": tonnes("mean_flow", lang),
            "tkm": turnover(t("freight.line_tkm", lang), lang),
        }
        twin(facts.lines(state.table(run, "freight_lines"), names, named, year, lang), config, title, "lines", lang)
    with tabs[-1]:
        table = facts.terminals(state.table(run, "freight_terminals"), names, kinds(lang), year, lang)
        twin(table, common, title, "terminals", lang)
    st.caption(t("freight.bottleneck_note", lang))
    _unmet(looked)
    _speeds(looked)


def _unmet(looked: Looked) -> None:
    run, year, lang = looked.run, looked.year, looked.lang
    title = t("freight.unmet_title", lang, year=year)
    st.subheader(title)
    unmet, named = state.table(run, "freight_unmet"), constraints(lang)
    summary = facts.held_back(unmet, named, year, lang)
    if summary.is_empty():
        st.info(t("freight.sentence_fixed", lang) if is_fixed(run) else t("freight.unmet_none", lang, year=year))
        return
    form = "localized" if lang == "zh" else "%.2f"
    config = {
        "unmet": number(t("freight.unmet", lang), form, width=70),
        "vc_ratio": number(t("freight.saturation", lang), "%.2f", width=70),
        "first_year": number(t("freight.first_year", lang), "%d", width=55),
        "constraint": text(t("freight.constraint", lang), width=105),
        "places": number(t("freight.places", lang), width=55),
        "place": text(t("freight.place", lang), width=200),
        "commodity": text(t("freight.most_commodity", lang)),
    }
    left, right = st.columns([7, 12])
    with left:
        st.markdown(f"**{t('freight.unmet_by_constraint', lang)}**")
        twin(summary, config, title, "unmet", lang, room=ROOM * 7 // 20)
    with right:
        st.markdown(f"**{t('freight.unmet_places', lang)}**")
        found = facts.held_places(facts.bottlenecks(unmet, year), looked.names, named, looked.commodities(), lang)
        twin(found, config, t("freight.unmet_places", lang), "unmet_places", lang, height=35 * 9 + 3, room=ROOM * 12 // 20)
    st.caption(t("freight.unmet_note", lang))


def _speeds(looked: Looked) -> None:
    run, year, lang = looked.run, looked.year, looked.lang
    modes, table = looked.mode_labels(), state.table(run, "freight_speeds")
    title = t("freight.speed_title", lang, base=BASE_YEAR)
    with st.expander(title):
        st.altair_chart(charts.two_speeds(table, modes, lang=lang), width="content", alt=title)
        changes = ("t_change", "tkm_change")
        config = {"mode": text(t("freight.mode", lang))}
        config |= {c: tonnes(f"speed_{c}", lang) for c in ("t", "t_fixed")}
        config |= {c: turnover(t(f"freight.speed_{c}", lang), lang) for c in ("tkm", "tkm_fixed")}
        config |= {c: number(t(f"freight.speed_{c}", lang), "%+.1f") for c in changes}
        twin(flows.speeds(table, modes, year, lang), config, title, "speeds", lang)
        st.caption(t("freight.speed_note", lang, year=year))
        found = state.table(run, "freight_convergence").filter(pl.col("year") == year)
        if found.is_empty():
            st.caption(t("freight.not_converged", lang))
            return
        row = found.row(0, named=True)
        gaps = {short: f"{100.0 * row[f'{short}_gap']:.1g}" for short in ("choice", "road", "line")}
        st.caption(t("freight.converged", lang, year=year, iterations=row["iterations"], **gaps))


freight()
