"""Cost of ownership and retired batteries, airports and ferries: sections of the page of fleets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import streamlit as st

from transport.app import account_charts, comparison, state
from transport.app import fleet_charts as drawn
from transport.app import fleet_costs as costs
from transport.app import fleet_tables as facts
from transport.app.fleet_sections import Looked, by_year, choose, compared, folded, joined, table_of, twin, unit_text
from transport.app.what_if_tables import blank
from transport.app.widgets import number, text
from transport.i18n import labels, t
from transport.layout import BASE_YEAR

if TYPE_CHECKING:
    from transport.app.fleet_tables import Fleet
    from transport.store import StoredRun

START_CLASS = "tractor_trailer"
#: Fleets with an area of their own in the chart of batteries.
TOP = 8
#: Fleets whose stock stands beside airports and ports.
ELECTRIC = ("airside_equipment", "coastal_ship")


def cost(looked: Looked) -> None:
    """Show what one vehicle class costs by powertrain, and from when new energy costs no more."""
    lang, data = looked.lang, looked.data
    table = table_of(looked.run, "tco", lang)
    if table is None:
        return
    named = labels(data, "vehicle_class", lang)
    found = set(table["vehicle_class"].to_list())
    classes = [code for code in named if code in found]
    start = next((code for code in looked.fleet.classes if code in found and looked.fleet.code != facts.ROAD), START_CLASS)
    left, right = st.columns([3, 2])
    with left:
        vehicle = str(choose(f"class_{looked.fleet.code}", classes, start, named, lang, label="fleets.vehicle_class"))
    years = sorted(table["year"].unique().to_list())
    year = min(max(looked.year, years[0]), years[-1])
    if year != looked.year:
        right.caption(t("fleets.cost_from", lang, year=years[0]))
    title = t("fleets.cost_title", lang, year=year, vehicle=named[vehicle])
    st.subheader(title)
    mine = table.filter(pl.col("vehicle_class") == vehicle).row(0, named=True)
    axis = t("fleets.cost_axis", lang, unit=labels(data, "work_unit", lang)[mine["unit"]])
    st.info(_cheapest(table, vehicle, year, axis, looked))
    parts = costs.ownership(table, year, vehicle, data, lang).rename(
        {"powertrain": "name", "component": "part", "cost": "amount"}
    )
    order = parts["name"].unique(maintain_order=True).to_list()
    heads = {part: t(f"fleets.cost_{part}", lang) for part in costs.COMPONENTS}
    colours = dict(zip(heads.values(), account_charts.COST_COLOURS, strict=True))
    st.altair_chart(account_charts.stacked(parts, colours, title=axis, order=order, form=".2f"), alt=title)
    config = {"powertrain": text(t("fleets.powertrain", lang), width=95)}
    config |= {part: number(head, "%.2f", width=66) for part, head in heads.items()}
    config["total"] = number(t("fleets.cost_total", lang), "%.2f", width=58)
    config["path"] = number(t("fleets.path_share", lang), "%.1f", width=75)
    config["by_cost"] = number(t("fleets.tco_share", lang), "%.1f", width=88)
    config["even"] = text(t("fleets.even", lang), width=95)
    twin(costs.cost_rows(table, year, vehicle, looked.new, data, lang), config, title, "cost", lang)
    if mine["sales_split"] != "logit":
        st.caption(t(f"fleets.split_{mine['sales_split']}", lang))
    st.caption(t("fleets.cost_note", lang))
    powertrains = labels(data, "powertrain", lang)

    def make(run: StoredRun) -> pl.DataFrame:
        rows = state.table(run, "tco").filter(pl.col("year") == year, pl.col("vehicle_class") == vehicle)
        rows = rows.sort("total_cny2023_per_unit")
        return rows.select(name=pl.col("powertrain").replace_strict(powertrains), value="total_cny2023_per_unit")

    heading = t("fleets.compare_cost", lang, year=year, vehicle=named[vehicle])
    comparison.side_by_side("fleets_tco", heading, make, lang, heads=(t("fleets.powertrain", lang), axis), form=",.2f")


def _cheapest(table: pl.DataFrame, vehicle: str, year: int, axis: str, looked: Looked) -> str:
    """Return in words which powertrain is cheapest, and when those of new energy break even."""
    lang = looked.lang
    powertrains = labels(looked.data, "powertrain", lang)
    rows = table.filter(pl.col("year") == year, pl.col("vehicle_class") == vehicle).sort("total_cny2023_per_unit")
    best = rows.row(0, named=True)
    said = [
        t(
            "fleets.cost_sentence",
            lang,
            year=year,
            best=powertrains[best["powertrain"]],
            amount=f"{best['total_cny2023_per_unit']:,.2f}",
            unit=axis,
        )
    ]
    first = int(str(table["year"].min()))
    for code, even in costs.break_even(table, vehicle, looked.new).items():
        key = "fleets.even_said_never" if even is None else "fleets.even_said_always" if even == first else "fleets.even_said"
        said.append(t(key, lang, powertrain=powertrains[code], year=even or "", first=first))
    return ("" if lang == "zh" else " ").join(said)


# ---- batteries, airports, ferries --------------------------------------------------------------------------------------------------


def batteries(looked: Looked) -> None:
    """Show the batteries that retire, with their vehicles and before them."""
    lang, year = looked.lang, looked.year
    table = table_of(looked.run, "retired_batteries", lang)
    if table is None:
        return
    unit = unit_text(lang, "cells")
    title = t("fleets.batteries_title", lang, unit=unit)
    st.subheader(title)
    rows = costs.batteries(table, looked.found, BASE_YEAR, lang)
    years = costs.battery_years(table, BASE_YEAR, lang)
    now = years.filter(pl.col("year") == max(year, BASE_YEAR)).row(0, named=True)
    summed = float(years.filter(pl.col("year").is_between(BASE_YEAR + 1, max(year, BASE_YEAR)))["all"].sum())
    most = rows.filter(pl.col("year") == max(year, BASE_YEAR)).sort("amount", descending=True)
    said = {"year": now["year"], "amount": f"{now['all']:,.1f}", "unit": unit, "first": BASE_YEAR + 1, "sum": f"{summed:,.1f}"}
    said["replaced"] = f"{100.0 * now['replaced'] / now['all']:.0f}" if now["all"] else "-"
    st.info(t("fleets.batteries_sentence", lang, most=most["part"][0] if most.height else "-", **said))
    parts = rows["part"].unique(maintain_order=True).to_list()
    kept = parts[:TOP]
    other = t("fleets.other_classes", lang)
    part = pl.when(pl.col("part").is_in(kept)).then("part").otherwise(pl.lit(other)).alias("part")
    order = {name: k for k, name in enumerate([*kept, other])}
    shown = rows.with_columns(part).group_by("year", "part").agg(pl.col("amount").sum())
    shown = shown.sort(pl.col("part").replace_strict(order, return_dtype=pl.Int64), "year")
    st.altair_chart(drawn.areas(shown, drawn.coloured([*kept, other]), title=unit, lang=lang), alt=title)
    config = {"year": number(t("scorecard.year", lang), "%d", width=60)}
    config |= {c: number(t(f"fleets.battery_{c}", lang, unit=unit), "%.1f") for c in ("scrapped", "replaced", "all")}
    twin(years, config, title, "batteries", lang)
    st.caption(t("fleets.batteries_note", lang))

    def make(run: StoredRun) -> pl.DataFrame:
        if "retired_batteries" not in run.manifest["tables"]:
            return pl.DataFrame(schema={"name": pl.Int64, "value": pl.Float64})
        return costs.battery_years(state.table(run, "retired_batteries"), BASE_YEAR, lang).select(name="year", value="all")

    compared(looked, "batteries_all", t("fleets.compare_batteries", lang), make, unit)


def airside(looked: Looked) -> None:
    """Show what is electric at airports and berths."""
    lang, year, data = looked.lang, looked.year, looked.data
    title = t("fleets.airside_title", lang)
    st.subheader(title)
    rows = facts.equipment(state.table(looked.run, "indicators"), data, lang)
    if not rows.is_empty():
        at = rows.filter(pl.col("year") == year)
        readings = joined(
            (
                t("fleets.reading_plain", lang, name=name, share=f"{share:.1f}")
                for name, share in at.select("name", "share").iter_rows()
            ),
            lang,
        )
        st.info(t("fleets.airside_sentence", lang, year=year, readings=readings))
        axis = t("fleets.share", lang)
        st.altair_chart(drawn.shares_by_name(rows, title=axis, lang=lang), alt=title)
        wide = rows.pivot(on="name", index="year", values="share", sort_columns=False).sort("year")
        names = rows["name"].unique(maintain_order=True).to_list()
        config = {"year": number(t("scorecard.year", lang), "%d", width=60)} | {c: text(c, alignment="right") for c in names}
        folded(blank(wide, dict.fromkeys(names, ".1f")), config, title, "airside", lang)
    for column, code in zip(st.columns(2), ELECTRIC, strict=True):
        if code in looked.found:
            with column:
                _stock(looked, looked.found[code])
    left, right = st.columns(2)
    planes, ships = table_of(looked.run, "airports", lang), table_of(looked.run, "berths", lang)
    if planes is not None:
        with left:
            inner = t("fleets.airports_title", lang, year=year)
            st.markdown(f"**{inner}**")
            config = {
                "airport": text(t("fleets.airport", lang), width=170),
                "movements": number(t("fleets.movements", lang), "localized"),
                "bridge": number(t("fleets.bridge", lang), "%.1f"),
            }
            twin(facts.airports(planes, data, year, lang), config, inner, "airports", lang)
    if ships is not None:
        with right:
            inner = t("fleets.ferries_title", lang, year=year)
            st.markdown(f"**{inner}**")
            config = {
                "route": text(t("fleets.ferry_line", lang), width=170),
                "calls": number(t("fleets.calls", lang), "localized"),
                "energy": number(t("fleets.berth_energy", lang, unit=unit_text(lang, "cells")), "%.1f"),
            }
            table = facts.ferries(ships, year, lang).with_columns(pl.col("calls").round(0))
            twin(table, config, inner, "ferries", lang)
    st.caption(t("fleets.airside_note", lang))


def _stock(looked: Looked, fleet: Fleet) -> None:
    """Show the stock of one fleet by powertrain."""
    lang = looked.lang
    rows = facts.paths(state.table(looked.run, "stock"), fleet, looked.new, looked.data, lang)
    scale = facts.scale_of(facts.new_shares(rows)["all"], lang)
    unit = facts.unit_of(fleet, scale, lang)
    title = t("fleets.stock_title", lang, fleet=fleet.label, unit=unit)
    st.markdown(f"**{title}**")
    share = dict(facts.new_shares(rows).select("year", "share").iter_rows()).get(looked.year, 0.0)
    shown = rows.with_columns(pl.col("amount") / scale)
    colours = {
        part: drawn.POWERTRAIN_COLOURS.get(code, drawn.SERIES_COLOURS[-1])
        for code, part in rows.select("code", "part").iter_rows()
    }
    st.altair_chart(drawn.areas(shown, colours, title=unit, lang=lang, height=200, wide=drawn.PART), alt=title)
    st.caption(t("fleets.stock_short", lang, year=looked.year, fleet=fleet.label, share=f"{share:.1f}"))
    by_year(shown.select("year", "part", "amount"), unit, title, f"stock_{fleet.code}", lang)
