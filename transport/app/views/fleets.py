"""Fleets: stock, additions and scrappage, clean shares, energy, CO2, cost of ownership, batteries, airports and ferries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import streamlit as st

from transport.app import fleet_charts as drawn
from transport.app import fleet_tables as facts
from transport.app import state
from transport.app.fleet_cost_section import airside, batteries, cost
from transport.app.fleet_energy_section import co2, energy
from transport.app.fleet_sections import Looked, by_year, choose, compared, folded, joined, table_of, total, twin
from transport.app.provenance import where_from_page
from transport.app.what_if_tables import blank
from transport.app.widgets import number, text
from transport.i18n import labels, t
from transport.layout import BASE_YEAR, PROVINCE

if TYPE_CHECKING:
    from transport.store import StoredRun

SECTIONS = ("stock", "additions", "energy", "co2", "cost", "batteries", "airside")
START_YEAR = 2030
CLEAN = "clean_share_of_additions"


def fleets() -> None:
    """Draw the page."""
    lang = state.language()
    name = str(st.session_state.get("scenario") or state.DEFAULT_SCENARIO)
    st.header(t("fleets.title", lang, scenario=getattr(state.scenario(name), f"title_{lang}")))
    run = state.stored(name)
    if run is None:
        st.info(t("app.nothing_yet", lang))
        return
    st.caption(t("fleets.question", lang))
    stock = table_of(run, "stock", lang)
    if stock is None:
        return
    data = state.inputs_of(run)
    found = facts.fleets(data, stock, lang)
    years = sorted(stock["year"].unique().to_list())
    left, right = st.columns([2, 3])
    with left:
        code = str(choose("fleet", list(found), facts.ROAD, {c: one.label for c, one in found.items()}, lang))
    if st.session_state.get("fleets_year") not in years:
        st.session_state["fleets_year"] = START_YEAR if START_YEAR in years else years[-1]
    with right:
        year = st.select_slider(t("fleets.year", lang), years, key="fleets_year", persist_state="session")
    looked = Looked(run, data, lang, found, found[code], facts.new_energy(data), int(year))
    where_from_page("fleets", run, data, lang)
    drawers = dict(zip(SECTIONS, (_stock, _additions, energy, co2, cost, batteries, airside), strict=True))
    for section, tab in zip(SECTIONS, st.tabs([t(f"fleets.tab_{s}", lang) for s in SECTIONS]), strict=True):
        with tab:
            drawers[section](looked)


# ---- stock -------------------------------------------------------------------------------------------------------------------------


def _stock(looked: Looked) -> None:
    """Show how many vehicles of which powertrain there are."""
    lang, fleet, year = looked.lang, looked.fleet, looked.year
    rows = facts.paths(state.table(looked.run, "stock"), fleet, looked.new, looked.data, lang)
    shares = facts.new_shares(rows)
    scale = facts.scale_of(shares["all"], lang)
    unit = facts.unit_of(fleet, scale, lang)
    shown = rows.with_columns(pl.col("amount") / scale)
    share = dict(shares.select("year", "share").iter_rows())
    title = t("fleets.stock_title", lang, fleet=fleet.label, unit=unit)
    st.subheader(title)
    st.info(
        t(
            "fleets.stock_sentence",
            lang,
            year=year,
            fleet=fleet.label,
            amount=f"{total(shown, year):,.1f}",
            unit=unit,
            share=f"{share.get(year, 0.0):.1f}",
            base=BASE_YEAR,
            before=f"{share.get(BASE_YEAR, 0.0):.1f}",
        )
    )
    left, right = st.columns([5, 3])
    colours = {part: drawn.POWERTRAIN_COLOURS.get(code, "#b9b9b9") for code, part in rows.select("code", "part").iter_rows()}
    with left:
        st.altair_chart(drawn.areas(shown, colours, title=unit, lang=lang, wide=drawn.PART), alt=title)
    with right:
        axis = t("fleets.new_share", lang)
        st.altair_chart(drawn.share_line(shares, title=axis, lang=lang), alt=axis)
    by_year(shown.select("year", "part", "amount"), unit, title, "stock", lang)
    inner = t("fleets.classes_title", lang, year=year)
    st.subheader(inner)
    config = {
        "fleet": text(t("fleets.fleet", lang), width=190),
        "unit": text(t("fleets.unit", lang), width=60),
        "stock": number(t("fleets.stock", lang), "localized"),
        "share": text(t("fleets.new_share_short", lang), alignment="right"),
        "sales": number(t("fleets.sales", lang), "localized"),
        "sales_share": text(t("fleets.new_sales_share_short", lang), alignment="right"),
        "scrap": number(t("fleets.scrap", lang), "localized"),
        "moved": number(t("fleets.inflow", lang), "localized"),
    }
    table = facts.class_stock(state.table(looked.run, "stock"), looked.found, looked.new, year)
    units = {kind: t(f"fleets.unit_{kind}", lang) for kind in table["unit"].unique()}
    whole = pl.col("stock", "sales", "scrap", "moved").round(0) + 0.0
    table = table.with_columns(whole, pl.col("unit").replace_strict(units))
    twin(blank(table, {"share": ".1f", "sales_share": ".1f"}).select(list(config)), config, inner, "classes", lang)
    st.caption(t("fleets.stock_note", lang))

    def make(run: StoredRun) -> pl.DataFrame:
        mine = facts.new_shares(facts.paths(state.table(run, "stock"), fleet, looked.new, looked.data, lang))
        return mine.select(name="year", value="share")

    compared(looked, "new_share", t("fleets.compare_stock", lang, fleet=fleet.label), make, t("fleets.new_share", lang))


# ---- additions ---------------------------------------------------------------------------------------------------------------------


def _additions(looked: Looked) -> None:
    """Show what is added and scrapped, and the clean share of additions in all readings."""
    lang, fleet, year = looked.lang, looked.fleet, looked.year
    stock = state.table(looked.run, "stock")
    rows = facts.changes(stock.filter(pl.col("year") > stock["year"].min()), fleet, lang)
    scale = facts.scale_of(rows["amount"], lang)
    unit = facts.unit_of(fleet, scale, lang)
    shown = rows.with_columns(pl.col("amount") / scale)
    title = t("fleets.additions_title", lang, fleet=fleet.label, unit=unit)
    st.subheader(title)
    amount = dict(shown.filter(pl.col("year") == year).select("part", "amount").iter_rows())
    sales, scrap = (amount.get(t(f"fleets.{part}", lang), 0.0) for part in ("sales", "scrap"))
    said = {"sales": f"{sales:,.1f}", "scrap": f"{-scrap:,.1f}", "net": f"{sum(amount.values()):+,.1f}"}
    st.info(
        t(
            "fleets.additions_sentence" if amount else "fleets.additions_none",
            lang,
            year=year,
            fleet=fleet.label,
            unit=unit,
            **said,
        )
    )
    st.altair_chart(drawn.changes(shown, title=unit, lang=lang), alt=title)
    by_year(shown, unit, title, "additions", lang)
    indicators = table_of(looked.run, "indicators", lang)
    if indicators is not None:
        _clean(looked, indicators)


def _clean(looked: Looked, indicators: pl.DataFrame) -> None:
    lang, year = looked.lang, looked.year
    rows = facts.clean_paths(indicators, lang)
    title = t("fleets.clean_title", lang)
    st.subheader(title)
    if rows.is_empty():
        st.info(t("fleets.no_clean", lang))
        return
    goals = [
        x for x in looked.data.targets if x.id == CLEAN and x.area == PROVINCE and x.value is not None and x.year is not None
    ]
    target = (int(goals[0].year or 0), float(goals[0].value or 0.0), float(goals[0].tolerance or 0.0)) if goals else None
    verdicts = labels(looked.data, "verdict", lang)
    at = rows.filter(pl.col("year") == (year if target is None else target[0]), pl.col("counted") == "plan")
    readings = joined(
        (
            t("fleets.reading", lang, name=name, share=f"{share:.1f}", verdict=verdicts.get(verdict, verdict))
            for name, share, verdict in at.select("name", "share", "verdict").iter_rows()
        ),
        lang,
    )
    if target is not None:
        values = {"year": target[0], "target": f"{target[1]:g}", "tolerance": f"{target[2]:g}", "readings": readings}
        st.info(t("fleets.clean_sentence", lang, **values))
    axis = t("fleets.clean_axis", lang)
    st.altair_chart(drawn.clean_shares(rows, target, title=axis, lang=lang), alt=title)
    st.caption(t("fleets.clean_note", lang))
    wide = rows.with_columns(column=pl.format("{}:{}", "group", "counted")).pivot(
        on="column", index="year", values="share", sort_columns=False
    )
    heads = {f"{g}:{c}": t("fleets.group_list", lang, group=t(f"fleets.group_{g}", lang), list=t(f"fleets.list_{c}", lang))
             for g in facts.DEFINITIONS for c in facts.LISTS}  # fmt: skip
    config = {"year": number(t("scorecard.year", lang), "%d", width=60)} | {c: number(h, "%.1f") for c, h in heads.items()}
    folded(wide.sort("year").select("year", *[c for c in heads if c in wide.columns]), config, title, "clean", lang)
    inner = t("fleets.clean_class_title", lang, year=year)
    st.markdown(f"**{inner}**")
    config = {"fleet": text(t("fleets.fleet", lang), width=240)}
    config |= {c: text(t(f"fleets.list_{c}", lang), alignment="right") for c in facts.LISTS}
    table = facts.clean_by_class(indicators, looked.found, year)
    twin(blank(table, dict.fromkeys(facts.LISTS, ".1f")), config, inner, "clean_classes", lang)

    def make(run: StoredRun) -> pl.DataFrame:
        mine = facts.clean_paths(state.table(run, "indicators"), lang)
        headline = mine.filter(pl.col("group") == facts.DEFINITIONS[0], pl.col("counted") == "plan", pl.col("year") >= BASE_YEAR)
        return headline.select(name="year", value="share")

    compared(looked, "clean_share", t("fleets.compare_clean", lang), make, axis)


fleets()
