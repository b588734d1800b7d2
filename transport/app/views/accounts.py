"""Fleets, energy and accounts: under which definitions the targets are met, why, what it costs, and who must contribute."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import polars as pl
import streamlit as st

from transport.app import account_charts as charts
from transport.app import account_tables as facts
from transport.app import area_tables as spread
from transport.app import comparison, state
from transport.app import comparison_rows as rows_of
from transport.app.provenance import where_from_target
from transport.app.what_if_tables import blank
from transport.app.widgets import choose, number, show, table_of, text
from transport.hindcast import explanation, explanations, summary
from transport.i18n import labels, listed, t
from transport.layout import BASE_YEAR, YEARS
from transport.progress import default_as_of, progress_table
from transport.text import fit_frame, frozen_grid_line

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.store import StoredRun

INTENSITY = "operating_co2_intensity"
TARGET_YEAR = 2030
#: Last year with a published energy balance, and what the page opens with.
BALANCE = (2019, "transport", "diesel")
SECTIONS = ("readings", "attribution", "balance", "hindcast", "progress", "cost", "seasons", "areas", "shares")


def accounts() -> None:
    """Draw the page."""
    lang = state.language()
    name = str(st.session_state.get("scenario") or state.DEFAULT_SCENARIO)
    st.header(t("app.accounts.title", lang, scenario=getattr(state.scenario(name), f"title_{lang}")))
    run = state.stored(name)
    if run is None:
        st.info(t("app.nothing_yet", lang))
        return
    st.caption(t("app.accounts.question", lang))
    data = state.inputs_of(run)
    drawn = {
        "readings": _readings,
        "attribution": _attribution,
        "balance": _balance,
        "hindcast": _hindcast,
        "progress": _progress,
        "cost": _cost,
        "seasons": _seasons,
        "areas": _areas,
        "shares": _shares,
    }
    for section, tab in zip(SECTIONS, st.tabs([t(f"app.accounts.tab_{s}", lang) for s in SECTIONS]), strict=True):
        with tab:
            drawn[section](run, data, lang)
    _beside(data, lang)


def _beside(data: Inputs, lang: str) -> None:
    """Set the scenarios side by side: CO2 by sector and energy by carrier."""
    scope = "direct_power"
    comparison.side_by_side(
        "accounts_co2",
        t("comparison.co2", lang, year=TARGET_YEAR, scope=labels(data, "scope", lang)[scope]),
        rows_of.co2_by_sector(TARGET_YEAR, scope, data, lang),
        lang,
        heads=(t("comparison.sector", lang), t("comparison.co2_unit", lang)),
    )
    comparison.side_by_side(
        "accounts_energy",
        t("comparison.energy", lang, year=TARGET_YEAR),
        rows_of.energy_by_carrier(TARGET_YEAR, data, lang),
        lang,
        heads=(t("comparison.carrier", lang), t("comparison.energy_unit", lang)),
    )


# ---- shared ------------------------------------------------------------------------------------------------------------------------


_table = partial(table_of, needed=facts.NEEDED, otherwise="app.accounts.not_yet")
_choose = partial(choose, "accounts", texts="app.accounts")


def _year(key: str, table: pl.DataFrame, column: str, start: int, lang: str) -> int:
    years = sorted(table[column].unique().to_list())
    return int(_choose(key, years, start, {}, lang))


def _scopes(data: Inputs, lang: str) -> dict[str, str]:
    named = labels(data, "scope", lang)
    return {scope: named[scope] for scope in ("direct", "direct_power", "wtw")}


# ---- sections ----------------------------------------------------------------------------------------------------------------------


def _headline(data: Inputs) -> dict[str, str]:
    row = data.table("indicators").filter(pl.col("id") == INTENSITY).row(0, named=True)
    return {name: str(row[name]) for name in ("boundary", "scope", "base")}


def _readings(run: StoredRun, data: Inputs, lang: str) -> None:
    """Show the matrix of definitions, and how the scenarios that have been run stand in it."""
    found = facts.verdicts(state.table(run, "indicators"), INTENSITY, TARGET_YEAR, _headline(data))
    met = int(found["is_met"].sum())
    st.subheader(t("app.accounts.readings_title", lang, year=TARGET_YEAR, met=met, readings=found.height))
    named = {key: labels(data, key, lang) for key in ("boundary", "scope", "base")}
    used = {key: {c: named[key][c] for c in named[key] if c in set(found[key].to_list())} for key in named}
    alt = t("app.accounts.readings_title", lang, year=TARGET_YEAR, met=met, readings=found.height)
    st.altair_chart(charts.readings(found, used["boundary"], used["scope"], used["base"], lang=lang), alt=alt, width="content")
    reading = {key: named[key][code] for key, code in _headline(data).items()}
    st.caption(t("app.accounts.readings_note", lang, year=TARGET_YEAR, **facts.demand(data, INTENSITY, TARGET_YEAR), **reading))
    where_from_target(INTENSITY, run, data, lang)
    grid = frozen_grid_line(state.table(run, "indicators"), data, lang, year=TARGET_YEAR)
    if grid:
        st.caption(grid)
    rows = []
    for name in state.scenarios():
        other = state.stored(name)
        if other is None:
            continue
        mine = facts.verdicts(state.table(other, "indicators"), INTENSITY, TARGET_YEAR, _headline(data))
        rows.append(
            {
                "scenario": getattr(state.scenario(name), f"title_{lang}"),
                "value": mine.filter("is_headline")["value"][0],
                "met": t("app.accounts.met_of", lang, met=int(mine["is_met"].sum()), readings=mine.height),
                "low": mine["value"].min(),
                "high": mine["value"].max(),
            }
        )
    title = t("app.accounts.scenarios_title", lang)
    st.markdown(f"**{title}**")
    config = {
        "scenario": text(t("app.scenario", lang), width=330),
        "value": number(t("app.accounts.headline_value", lang), "%+.1f"),
        "met": text(t("app.accounts.met_readings", lang)),
        "low": number(t("app.lowest_reading", lang), "%+.1f"),
        "high": number(t("app.highest_reading", lang), "%+.1f"),
    }
    show(pl.DataFrame(rows), config, title)
    st.caption(t("app.accounts.scenarios_note", lang))


def _attribution(run: StoredRun, data: Inputs, lang: str) -> None:
    """Show what changed the headline since the base year, factor by factor."""
    table = _table(run, "attribution", lang)
    if table is None:
        return
    start = _headline(data)
    columns = st.columns([1, 2, 2, 2])
    with columns[0]:
        year = _year("attribution_year", table, "to_year", TARGET_YEAR, lang)
    reading = {}
    for column, key in zip(columns[1:], ("boundary", "scope", "base"), strict=True):
        codes = [code for code in labels(data, key, lang) if code in set(table[key].to_list())]
        with column:
            reading[key] = str(_choose(key, codes, start[key], labels(data, key, lang), lang))
    bars = facts.steps(table, year, reading)
    total = float(bars["change"][-1])
    title = t("app.accounts.attribution_title", lang, base=BASE_YEAR, year=year, total=f"{total:+.1f}")
    st.subheader(title)
    left, right = st.columns([3, 2])
    with left:
        axis = t("app.accounts.points", lang)
        st.altair_chart(
            charts.waterfall(charts.factor_bars(bars, lang), charts.CHANGE_COLOURS, title=axis, form="+.1f"), alt=title
        )
    with right:
        inner = t("app.accounts.structure_title", lang)
        st.markdown(f"**{inner}**")
        config = {
            "name": text(t("app.accounts.line", lang), width=265),
            "points": number(t("attribution.points", lang), "%+.2f"),
        }
        show(facts.structure(table, year, reading, lang), config, inner)
        without = total - float(bars.filter(pl.col("key") == "covid_rebound")["change"][0])
        st.info(t("app.accounts.without_covid", lang, total=f"{total:+.1f}", without=f"{without:+.1f}"))
    for key in ("prices", "structure", "covid"):
        st.caption(t(f"attribution.note.{key}", lang))


def _balance(run: StoredRun, data: Inputs, lang: str) -> None:
    """Show the bridge from model classes to the entries of the energy balance."""
    table = _table(run, "balance_bridge", lang)
    if table is None:
        return
    left, middle, right = st.columns(3)
    with left:
        year = _year("balance_year", table, "year", BALANCE[0], lang)
    rows = table.filter(pl.col("year") == year)
    sectors, fuels = labels(data, "nbs_sector", lang), labels(data, "carrier", lang)
    with middle:
        found = [code for code in sectors if code in set(rows["sector"].to_list())]
        sector = str(_choose("sector", found, BALANCE[1], sectors, lang))
    with right:
        of_sector = set(rows.filter(pl.col("sector") == sector)["fuel"].to_list())
        fuel = str(_choose("fuel", [code for code in fuels if code in of_sector], BALANCE[2], fuels, lang))
    title = t("app.accounts.balance_title", lang, year=year, sector=sectors[sector], fuel=fuels[fuel])
    st.subheader(title)
    bars = facts.balance_steps(table, year, sector, fuel, data, lang).rename({"quantity": "value"})
    axis = t(f"app.accounts.unit_{'gas' if fuel == 'natural_gas' else 'mass'}", lang)
    st.altair_chart(charts.waterfall(bars, charts.BRIDGE_COLOURS, title=axis, form=",.2f"), alt=title)
    for note in data.table("accounts/balance_notes").filter(pl.col("sector") == sector, pl.col("fuel") == fuel)[f"note_{lang}"]:
        st.caption(note)
    entries = facts.balance_entries(table, year, data, lang)
    inner = t("app.accounts.entries_title", lang, year=year)
    st.markdown(f"**{inner}**")
    config = {
        "sector": text(t("app.accounts.sector", lang)),
        "fuel": text(t("app.accounts.fuel", lang), width=95),
        "unit": text(t("app.accounts.unit", lang), width=75),
        "entry": number(t("app.accounts.entry", lang), "%.2f"),
        "explained": number(t("app.accounts.explained", lang), "%.2f"),
        "rest_pct": number(t("app.accounts.rest_pct", lang), "%+.1f"),
        "limit_pct": text(t("app.accounts.limit_pct", lang), alignment="right"),
        "verdict": text(t("app.accounts.verdict", lang)),
        "used_for": text(t("app.accounts.used_for", lang)),
    }
    show(blank(entries, {"limit_pct": ".0f"}), config, inner)
    st.caption(t("app.accounts.balance_note", lang))


def _hindcast(run: StoredRun, data: Inputs, lang: str) -> None:
    """Show modelled beside observed values of the past, fitted and held out apart."""
    table = _table(run, "hindcast", lang)
    if table is None:
        return
    title = t("app.accounts.hindcast_title", lang)
    st.subheader(title)
    rows = summary(table.drop_nulls("error_pct"))
    config = {
        "series": text(t("app.accounts.series", lang), width=300),
        "years": text(t("app.accounts.years", lang), width=85),
        "held_out": text(t("app.accounts.held_out", lang), alignment="right", width=95),
        "in_sample": text(t("app.accounts.in_sample", lang), alignment="right", width=95),
        "context": text(t("app.accounts.context", lang), alignment="right", width=95),
        "bias": text(t("app.accounts.bias", lang), alignment="right", width=95),
    }
    show(facts.errors(rows, data, lang), config, title)
    st.caption(t("app.accounts.hindcast_note", lang))
    without = facts.incomparable(table, data, lang)
    if without:
        st.caption(t("app.accounts.hindcast_without", lang, series=listed(without, lang)))
    with st.expander(t("app.accounts.why", lang)):
        names, found = labels(data, "fit_item", lang), explanations(data, lang)
        why: dict[str, list[str]] = {}
        for item, mode in rows.select("item", "mode").iter_rows():
            reason = explanation(found, item, mode or "")
            if reason:
                why.setdefault(reason, []).append(names.get(item, item))
        for reason, items in why.items():
            st.markdown(f"**{' · '.join(dict.fromkeys(items))}**  \n{reason}")
    with st.expander(t("app.accounts.hindcast_all", lang)):
        whole = fit_frame(table, data, lang)
        show(whole, dict.fromkeys(whole.columns), t("app.accounts.hindcast_all", lang))


def _progress(run: StoredRun, data: Inputs, lang: str) -> None:
    """Show the actual values entered so far against the path to each target; a run lends no more than the starts of the paths."""
    as_of = default_as_of(data, int(data.params().get("data_vintage_year")[0, 0]))
    table = progress_table(data, state.table(run, "indicators"), as_of=as_of)
    title = t("app.accounts.progress_title", lang, year=as_of)
    st.subheader(title)
    for column, light in zip(st.columns(4), ("green", "amber", "red", "grey"), strict=True):
        count = table.filter(pl.col("light") == light).height
        column.metric(t(f"app.accounts.light_{light}", lang), count, border=True)
    config = {
        "light": text(t("app.accounts.light", lang), width=105),
        "target": text(t("app.accounts.target", lang), width=205),
        "area": text(t("scorecard.area", lang), width=75),
        "year": number(t("app.accounts.due", lang), "%d", width=60),
        "unit": text(t("app.accounts.unit", lang), width=70),
        "goal": text(t("app.accounts.goal", lang), alignment="right", width=60),
        "actual": text(t("app.accounts.actual", lang), alignment="right", width=60),
        "period": text(t("app.accounts.period", lang), width=75),
        "path": text(t("app.accounts.path", lang), alignment="right", width=75),
        "needed": text(t("app.accounts.needed", lang), alignment="right", width=95),
    }
    shown = facts.lights(table, data, lang)
    show(shown.drop("reason"), config, title, 35 * 24)
    st.caption(t("app.accounts.progress_note", lang))
    with st.expander(t("app.accounts.reason", lang), expanded=True):
        reasons: dict[str, list[str]] = {}
        for light, target, area, reason in shown.select("light", "target", "area", "reason").iter_rows():
            reasons.setdefault(f"{light.split()[0]} {reason}", []).append(
                t("app.accounts.target_of", lang, target=target, area=area)
            )
        for reason, targets in reasons.items():
            st.markdown(f"**{' · '.join(targets)}**  \n{reason}")


def _cost(run: StoredRun, data: Inputs, lang: str) -> None:
    """Show what the measures of the run cost; the cost of ownership stands with the fleets."""
    costs = _table(run, "costs", lang)
    if costs is None:
        return
    with st.columns([1, 2])[0]:
        year = _year("cost_year", costs, "year", TARGET_YEAR, lang)
    title = t("app.accounts.measures_title", lang, year=year)
    st.subheader(title)
    config = {"measure": text(t("app.accounts.measure", lang), width=200)}
    config["status"] = text(t("app.accounts.cost_status", lang), width=130)
    right = {"alignment": "right"}
    config |= {c: text(t(f"app.accounts.cost_{c}", lang), **right) for c in (*facts.MEASURE_COMPONENTS, "total")}
    config["present"] = text(t("app.accounts.cost_present", lang, first=BASE_YEAR, last=YEARS[-1]), **right)
    config["avoided"] = text(t("app.accounts.avoided", lang), **right)
    config["per_tonne"] = text(t("app.accounts.per_tonne", lang), **right)
    # what nobody knows is an empty text, not an empty number
    forms = dict.fromkeys((*facts.MEASURE_COMPONENTS, "total", "present"), ",.2f") | {"avoided": ",.1f", "per_tonne": ",.0f"}
    table = facts.measures(costs, year, data, lang)
    show(blank(table, {c: form for c, form in forms.items() if c in table.columns}), config, title)
    st.caption(t("app.accounts.measures_note", lang))


def _seasons(run: StoredRun, data: Inputs, lang: str) -> None:
    """Show what a cold month takes more than a warm one, by powertrain."""
    table = _table(run, "energy_months", lang)
    if table is None:
        return
    named = labels(data, "vehicle_class", lang)
    left, right = st.columns([1, 2])
    with left:
        year = _year("season_year", table, "year", TARGET_YEAR, lang)
    with right:
        vehicle = str(_choose("season_class", spread.classes_of(table, data, lang), "urban_bus_12m", named, lang))
    title = t("app.accounts.seasons_title", lang, year=year, vehicle=named[vehicle])
    st.subheader(title)
    axes = {key: t(f"app.accounts.{key}", lang) for key in ("month", "temperature")}
    index = t("app.accounts.season_index", lang)
    st.altair_chart(charts.months(spread.months(table, year, vehicle, data, lang), title=index, **axes), alt=title)
    config = {
        "name": text(t("app.accounts.powertrain", lang), width=260),
        "winter": number(t("app.accounts.winter", lang, month=spread.WINTER), "%.2f"),
        "summer": number(t("app.accounts.summer", lang, month=spread.SUMMER), "%.2f"),
        "unit": text(t("app.accounts.unit", lang)),
        "more": text(t("app.accounts.winter_more", lang), alignment="right"),
    }
    show(blank(spread.winter(table, year, vehicle, data, lang), {"more": "+.1f"}), config, title)
    st.caption(t("app.accounts.seasons_note", lang))


def _areas(run: StoredRun, data: Inputs, lang: str) -> None:
    """Show CO2 and energy by prefecture and sector."""
    table = _table(run, "co2_areas", lang)
    if table is None:
        return
    left, right = st.columns([1, 2])
    with left:
        year = _year("area_year", table, "year", TARGET_YEAR, lang)
    scopes = _scopes(data, lang)
    with right:
        scope = str(_choose("area_scope", list(scopes), "direct", scopes, lang))
    names, sectors = facts.area_names(data, lang), labels(data, "area_sector", lang)
    rows = facts.area_co2(table, year, scope, lang)
    total = float(rows["amount"].sum())
    title = t("app.accounts.areas_title", lang, year=year, scope=scopes[scope], total=f"{total:,.0f}")
    st.subheader(title)
    shown = rows.select(name=pl.col("area").replace_strict(names), part=pl.col("sector").replace_strict(sectors), amount="amount")
    colours = {sectors[code]: colour for code, colour in charts.SECTOR_COLOURS.items()}
    axis = t("app.accounts.co2_axis", lang)
    st.altair_chart(charts.stacked(shown, colours, title=axis, order=list(names.values()), form=",.0f"), alt=title)
    st.caption(t("app.accounts.areas_note", lang))
    energy = _table(run, "energy_areas", lang)
    if energy is None:
        return
    inner = t("app.accounts.energy_title", lang, year=year)
    st.markdown(f"**{inner}**")
    carriers = labels(data, "carrier", lang)
    found = facts.area_energy(energy, year, names, lang)
    config = {"area": text(t("decompose.by_city", lang), width=150)}
    for code in found.columns[1:]:
        unit = t(f"app.accounts.unit_{'power' if code == 'electricity' else 'gas' if code == 'natural_gas' else 'mass'}", lang)
        config[code] = number(t("app.accounts.carrier_column", lang, carrier=carriers[code], unit=unit), "%.1f")
    show(found, config, inner)
    _area_indicators(run, data, year, scope, lang)
    with st.expander(t("app.accounts.drivers_title", lang)):
        drivers, principles = labels(data, "area_driver", lang), labels(data, "principle", lang)
        used = data.table("accounts/area_drivers").select(
            vehicle=pl.col("vehicle_class").replace(labels(data, "vehicle_class", lang)),
            sector=pl.col("sector").replace_strict(sectors),
            driver=pl.col("driver").replace_strict(drivers),
            principle=pl.col("principle").replace_strict(principles),
        )
        config = {
            "vehicle": text(t("app.accounts.vehicle_class", lang)),
            "sector": text(t("decompose.by_sector", lang)),
            "driver": text(t("app.accounts.driver", lang)),
            "principle": text(t("app.accounts.principle", lang)),
        }
        show(used, config, t("app.accounts.drivers_title", lang))


def _area_indicators(run: StoredRun, data: Inputs, year: int, scope: str, lang: str) -> None:
    """Show one indicator by prefecture, with the part each place has in its numerator and denominator."""
    table = _table(run, "indicator_areas", lang)
    if table is None:
        return
    named = labels(data, "indicator", lang)
    found = [code for code in spread.INDICATORS if code in set(table["id"].to_list())]
    indicator = str(_choose("area_indicator", found, found[0], named, lang))
    reading = spread.reading_of(table, indicator, data.table("indicators"), scope)
    words = spread.reading_words(table, indicator, reading, data, lang)
    inner = t("app.accounts.area_indicator_title", lang, indicator=named[indicator], year=year, unit=words["unit"])
    st.markdown(f"**{inner}**")
    rows = spread.indicator_rows(table, indicator, year, reading, facts.area_names(data, lang), lang)
    config = {
        "area": text(t("decompose.by_city", lang), width=150),
        "value": text(t("app.accounts.area_value", lang, year=year), alignment="right"),
        "start": text(t("app.accounts.area_start", lang, year=BASE_YEAR), alignment="right"),
        "change": text(words["change_unit"], alignment="right"),
        "upper": number(t("app.accounts.numerator_part", lang), "%.1f"),
        "lower": number(t("app.accounts.denominator_part", lang), "%.1f"),
    }
    show(rows, config, inner, 35 * 18)
    st.caption(t("app.accounts.area_indicator_note", lang, **{k: words[k] for k in ("reading", "drivers", "quality")}))


def _shares(run: StoredRun, data: Inputs, lang: str) -> None:
    """Show how much each city and sector must contribute to a target under a rule."""
    table = _table(run, "target_shares", lang)
    if table is None or table.is_empty():
        return
    targets, rules = labels(data, "indicator", lang), labels(data, "share_rule", lang)
    left, right = st.columns([3, 2])
    with left:
        target = str(_choose("share_target", table["target"].unique(maintain_order=True).to_list(), INTENSITY, targets, lang))
    mine = table.filter(pl.col("target") == target)
    with right:
        found = [code for code in rules if code in set(mine["rule"].to_list())]
        rule = str(_choose("share_rule", found, "equal_rate", rules, lang))
    title = t("app.accounts.shares_title", lang, year=mine["year"][0], rule=rules[rule])
    st.subheader(title)
    st.caption(t(f"decompose.rule_{rule}", lang))
    unit = t(f"decompose.unit_{'co2' if mine['unit'][0] == 'tCO2/yr' else 'coal'}", lang)
    amounts = ("base", "reference", "cut", "allowed", "modelled", "gap")
    config = {c: number(t(f"decompose.{c}", lang), "%.1f", width=100) for c in (*amounts, "cut_pct")}
    for by, key, names in (
        ("area", "city", facts.area_names(data, lang)),
        ("sector", "sector", labels(data, "area_sector", lang)),
    ):
        st.markdown(f"**{t(f'app.accounts.shares_by_{key}', lang, unit=unit)}**")
        shown = facts.contributions(table, target, rule, by, names, lang)
        show(shown, config | {"name": text(t(f"decompose.by_{key}", lang), width=150)}, title, 35 * 18)
    st.caption(t("decompose.note", lang))


accounts()
