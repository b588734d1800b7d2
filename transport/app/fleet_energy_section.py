"""Energy and CO2 of the fleets: sections of the page of fleets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import streamlit as st

from transport.app import account_charts, state
from transport.app import fleet_charts as drawn
from transport.app import fleet_energy as used
from transport.app import fleet_tables as facts
from transport.app.fleet_sections import Looked, by_year, change, choose, compared, folded, table_of, total, twin, unit_text
from transport.app.widgets import number, text
from transport.i18n import labels, listed, t
from transport.layout import BASE_YEAR, PROVINCE, SCOPES

if TYPE_CHECKING:
    from transport.store import StoredRun

#: Groups of classes with an area of their own in the chart of CO2.
TOP = 8
#: Rows of a chart of bars by class.
BARS = 14


def _area(key: str, areas: pl.DataFrame | None, looked: Looked) -> str:
    """Ask for the province or a prefecture."""
    named = labels(looked.data, "area", looked.lang)
    codes = [] if areas is None else used.area_codes(areas)
    with st.columns([2, 3])[0]:
        return str(choose(key, [PROVINCE, *codes], PROVINCE, named, looked.lang))


def energy(looked: Looked) -> None:
    """Show the energy of the chosen fleet over the years, and of all classes in one year."""
    lang, fleet, year, data = looked.lang, looked.fleet, looked.year, looked.data
    table, areas = table_of(looked.run, "energy", lang), table_of(looked.run, "energy_areas", lang)
    if table is None:
        return
    area = _area("energy_area", areas, looked)
    place, unit = labels(data, "area", lang)[area], unit_text(lang, "coal")
    rows = used.of_area(table, areas, area)
    known = sorted(rows["year"].unique().to_list())
    if year not in known:
        st.info(t("fleets.few_years", lang, years=listed([str(one) for one in known], lang)))
        return
    mine = used.by_carrier(rows, fleet.classes, data, lang)
    title = t("fleets.energy_title", lang, area=place, fleet=fleet.label, unit=unit)
    st.subheader(title)
    if mine.is_empty():
        st.info(t("fleets.no_energy", lang, area=place, fleet=fleet.label))
    else:
        now, before = total(mine, year), total(mine, BASE_YEAR)
        power = mine.filter(pl.col("code") == "electricity", pl.col("year") == year)["amount"].sum()
        kwh = rows.filter(
            pl.col("year") == year, pl.col("carrier") == "electricity", pl.col("vehicle_class").is_in(list(fleet.classes))
        )["quantity"].sum()
        said = {
            "year": year,
            "area": place,
            "fleet": fleet.label,
            "amount": f"{now:,.1f}",
            "unit": unit,
            "base": BASE_YEAR,
            "change": change(now, before),
            "power": f"{float(kwh) / facts.KWH[lang]:,.2f}",
            "share": f"{100.0 * float(power) / now:.1f}" if now else "-",
        }
        st.info(t("fleets.energy_sentence", lang, **said))
        colours = {part: drawn.CARRIER_COLOURS[code] for code, part in mine.select("code", "part").iter_rows()}
        st.altair_chart(drawn.areas(mine, colours, title=unit, lang=lang), alt=title)
        by_year(mine.select("year", "part", "amount"), unit, title, "energy", lang)
    _energy_classes(looked, rows, place, unit)
    st.caption(t("fleets.energy_note", lang))

    def make(run: StoredRun) -> pl.DataFrame:
        whole = used.of_area(state.table(run, "energy"), state.table(run, "energy_areas") if area != PROVINCE else None, area)
        part = used.by_carrier(whole, fleet.classes, data, lang).group_by("year").agg(pl.col("amount").sum()).sort("year")
        return part.select(name="year", value="amount")

    compared(looked, "energy_all", t("fleets.compare_energy", lang, area=place, fleet=fleet.label), make, unit)


def _energy_classes(looked: Looked, rows: pl.DataFrame, place: str, unit: str) -> None:
    lang, year, data = looked.lang, looked.year, looked.data
    title = t("fleets.energy_classes_title", lang, area=place, year=year, unit=unit)
    st.subheader(title)
    bars = used.class_energy(rows, year, data, lang)
    top = bars["name"].unique(maintain_order=True).to_list()[:BARS]
    named = labels(data, "carrier", lang)
    colours = {label: drawn.CARRIER_COLOURS[code] for code, label in named.items() if code in set(bars["code"])}
    shown = bars.filter(pl.col("name").is_in(top)).select("name", "part", "amount")
    st.altair_chart(account_charts.stacked(shown, colours, title=unit, order=top), alt=title)
    table = used.class_table(rows, year, data, lang)
    config = {"name": text(t("fleets.fleet", lang), width=130), "coal": number(t("fleets.coal", lang), "%.1f", width=68)}
    config |= {
        code: number(named[code], "%.2f", width=78) for code in sorted(table.columns[1:-1], key=lambda c: c != "electricity")
    }
    units = {what: unit_text(lang, what) for what in ("mass", "gas", "kwh")}
    st.markdown(f"**{t('fleets.energy_units', lang, coal=unit, **units)}**")
    table = table.select(list(config))
    twin(table, config, title, "energy_classes", lang)


def co2(looked: Looked) -> None:
    """Show CO2 by class over the years, and of a prefecture by sector."""
    lang, year, data = looked.lang, looked.year, looked.data
    table, areas = table_of(looked.run, "co2", lang), table_of(looked.run, "co2_areas", lang)
    if table is None:
        return
    named = labels(data, "scope", lang)
    scopes = {scope: named[scope] for scope in SCOPES}
    with st.columns([2, 3])[0]:
        scope = str(choose("scope", list(scopes), "direct_power", scopes, lang))
    unit = unit_text(lang, "co2")
    title = t("fleets.co2_title", lang, scope=scopes[scope], unit=unit)
    st.subheader(title)
    rows = used.co2_paths(table, scope, data, lang, TOP, t("fleets.other_classes", lang))
    by_class = used.class_co2(table, year, scope, data, lang)
    now, before = total(rows, year), total(rows, BASE_YEAR)
    first = by_class.row(0, named=True)
    said = {"year": year, "amount": f"{now:,.0f}", "unit": unit, "base": BASE_YEAR, "change": change(now, before)}
    st.info(t("fleets.co2_sentence", lang, first=first["name"], share=f"{first['share']:.1f}", scope=scopes[scope], **said))
    parts = rows["part"].unique(maintain_order=True).to_list()
    st.altair_chart(drawn.areas(rows, drawn.coloured(parts), title=unit, lang=lang), alt=title)
    by_year(rows, unit, title, "co2", lang)
    inner = t("fleets.co2_classes_title", lang, year=year, unit=unit)
    config = {
        "name": text(t("fleets.fleet", lang), width=260),
        "amount": number(unit, "%.2f"),
        "share": number(t("fleets.share", lang), "%.1f"),
    }
    folded(by_class.select(list(config)), config, inner, "co2_classes", lang)
    if areas is not None:
        area = _area("co2_area", areas, looked)
        if area != PROVINCE:
            inner = t("fleets.co2_area_title", lang, area=labels(data, "area", lang)[area], year=year, unit=unit)
            st.markdown(f"**{inner}**")
            sectors = used.sector_co2(areas, year, scope, area, data, lang)
            config["name"] = text(t("fleets.sector", lang), width=260)
            twin(sectors, config, inner, "co2_area", lang)
    st.caption(t("fleets.co2_note", lang))

    def make(run: StoredRun) -> pl.DataFrame:
        mine = used.co2_paths(state.table(run, "co2"), scope, data, lang, TOP, t("fleets.other_classes", lang))
        return mine.group_by("year").agg(pl.col("amount").sum()).sort("year").select(name="year", value="amount")

    compared(looked, "co2_all", t("fleets.compare_co2", lang, scope=scopes[scope]), make, unit)
