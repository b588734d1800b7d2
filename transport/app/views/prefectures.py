"""Prefectures: what each of them contributes to every indicator, per head and per GDP, ranked, with the quality of the data."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl
import streamlit as st

from transport.app import comparison, state
from transport.app import prefecture_charts as charts
from transport.app import prefecture_tables as facts
from transport.app.provenance import where_from_page
from transport.app.widgets import choose, number, show, text
from transport.i18n import has_text, labels, listed, t
from transport.layout import BASE_YEAR, QUALITY_ORDER, SCOPES
from transport.prefecture_profile import count_qualities, mix_scope, place_mix, prefecture_profile
from transport.prefecture_series import NEEDED, Unplaced
from transport.prefecture_text import MEASURES, headline, notes, order_text, place_names, series_name, sum_note, unit_of
from transport.prefectures import prefectures as codes_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.inputs import Inputs
    from transport.store import StoredRun

TARGET_YEAR = 2030
OPENING = "operating_co2_intensity"
HEADLINE = "headline"
TABS = ("indicator", "area", "method")
#: One colour per quality, from the best to the weakest.
BADGES = ("green", "green", "blue", "violet", "orange", "red")
_HIGH = 35 * 18 + 3
#: Columns of numbers whose head names the unit, and widths [px].
_WITH_UNIT = ("change", "contribution")
_PARTS = ("contribution", "by_own", "by_weight")
_WIDTHS: Mapping[str, int] = {
    "value": 75, "base_value": 75, "change": 105, "contribution": 115, "numerator_pct": 90, "denominator_pct": 90,
    "by_own": 85, "by_weight": 85,
    "per_head": 120, "per_gdp": 150, "residents": 95, "gdp_cny": 140,
}  # fmt: skip


def prefectures() -> None:
    """Draw the page."""
    lang = state.language()
    name = str(st.session_state.get("scenario") or state.DEFAULT_SCENARIO)
    st.header(t("prefecture.title", lang, scenario=getattr(state.scenario(name), f"title_{lang}")))
    run = state.stored(name)
    if run is None:
        st.info(t("app.nothing_yet", lang))
        return
    data = state.inputs_of(run)
    years = facts.years_of(_tables(run))
    if not years:
        st.info(t("prefecture.none_here", lang))
        return
    st.caption(t("prefecture.question", lang))
    left, right = st.columns([1, 3])
    with left:
        year = int(_choose("year", years, TARGET_YEAR, {}, lang))
    with right:
        scopes = {HEADLINE: t("prefecture.headline_scope", lang)} | {code: labels(data, "scope", lang)[code] for code in SCOPES}
        scope = str(_choose("scope", list(scopes), HEADLINE, scopes, lang))
    profile, without = _profile(
        str(run.folder), _stamp(run), data.data_hash, year, None if scope == HEADLINE else scope, run, data
    )
    if profile.is_empty():
        st.info(t("prefecture.none_here", lang))
        return
    counted = t("prefecture.places_many", lang, count=profile["id"].n_unique(), without=len(without))
    st.caption(("" if lang == "zh" else " ").join([t("prefecture.allocated", lang), counted]))
    lost = [one.id for one in without if one.reason == "table"]
    if lost:
        named = labels(data, "indicator", lang)
        st.warning(t("prefecture.some_missing", lang, names=listed((named[code] for code in lost), lang)))
    drawn = {
        "indicator": lambda: _indicator(run, profile, data, lang),
        "area": lambda: _area(run, profile, data, year, lang),
        "method": lambda: _method(profile, without, data, year, lang),
    }
    for tab, label in zip(TABS, st.tabs([t(f"prefecture.tab_{key}", lang) for key in TABS]), strict=True):
        with label:
            drawn[tab]()
    _beside(profile, data, year, None if scope == HEADLINE else scope, lang)


def _beside(profile: pl.DataFrame, data: Inputs, year: int, scope: str | None, lang: str) -> None:
    """Set the scenarios side by side: the chosen indicator by place."""
    indicator = str(st.session_state.get("prefectures_indicator", OPENING))
    rows = facts.of_indicator(profile, indicator)
    if rows.is_empty():
        return
    total = facts.total_of(rows)

    def make(run: StoredRun) -> pl.DataFrame:
        found = _profile(str(run.folder), _stamp(run), data.data_hash, year, scope, run, data)[0]
        mine = facts.of_indicator(found, indicator)
        if mine.is_empty():
            return pl.DataFrame(schema={"name": pl.String, "value": pl.Float64})
        return facts.ranking(mine, "value", data, lang).select(name="area", value="value")

    unit = unit_of(total, "value", lang)
    title = t("comparison.with_unit", lang, title=series_name(total, "value", data, lang), unit=unit)
    heads = (t("comparison.place", lang), unit)
    comparison.side_by_side(
        "prefectures", t("comparison.in_year", lang, title=title, year=year), make, lang, heads=heads, form=",.2f"
    )


# ---- shared ------------------------------------------------------------------------------------------------------------------------


def _tables(run: StoredRun) -> dict[str, pl.DataFrame]:
    return {name: state.table(run, name) for name in NEEDED if name in run.manifest["tables"]}


def _stamp(run: StoredRun) -> str:
    return " ".join(str(run.manifest["tables"].get(name)) for name in NEEDED)


@st.cache_data(max_entries=32, show_spinner=False)
def _profile(
    folder: str, stamp: str, data_hash: str, year: int, scope: str | None, _run: StoredRun, _data: Inputs
) -> tuple[pl.DataFrame, list[Unplaced]]:
    del folder, stamp, data_hash
    return prefecture_profile(_tables(_run), _data, year, scope=scope)


_choose = partial(choose, "prefectures", texts="prefecture")


def _badge(label: str, data: Inputs, lang: str) -> Any:
    """Return a column of quality badges."""
    named = labels(data, "quality", lang)
    return st.column_config.MultiselectColumn(
        label, options=[named[code] for code in QUALITY_ORDER], color=list(BADGES), width=95
    )


def _numbers(table: pl.DataFrame, heads: Mapping[str, str], signed: Sequence[str], lang: str) -> dict[str, Any]:
    """Return columns of numbers, each with as many decimals as its largest value needs."""
    made = {}
    for column, label in heads.items():
        if column not in table.columns:
            continue
        decimals = facts.digits(table[column].to_list())
        if column in _PARTS and decimals:  # small parts of a large whole
            decimals = max(decimals, 2)
        form = f"%{'+' if column in signed else ''}.{decimals}f" if decimals else "localized"
        note = t(f"prefecture.help_{column}", lang) if has_text(f"prefecture.help_{column}", lang) else None
        made[column] = number(label, form, width=_WIDTHS.get(column), help=note)
    return made


def _rounded(table: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Return whole numbers where a column is shown without decimals."""
    whole = [c for c in columns if c in table.columns and facts.digits(table[c].to_list()) == 0]
    return table.with_columns(pl.col(whole).round(0))


# ---- one indicator, all prefectures ------------------------------------------------------------------------------------------------


def _indicator(run: StoredRun, profile: pl.DataFrame, data: Inputs, lang: str) -> None:
    found = profile["id"].unique(maintain_order=True).to_list()
    called = {code: series_name(facts.total_of(facts.of_indicator(profile, code)), "value", data, lang) for code in found}
    left, right = st.columns([3, 2])
    with left:
        indicator = str(_choose("indicator", found, OPENING, called, lang))
    rows = facts.of_indicator(profile, indicator)
    total = facts.total_of(rows)
    measures = facts.offered(rows, MEASURES)
    with right:
        wording = {name: t(f"prefecture.measure_{name}", lang, base=BASE_YEAR) for name in measures}
        measure = str(_choose("measure", measures, "value", wording, lang))
    unit = unit_of(total, measure, lang)
    title = t(
        "prefecture.indicator_title" if measure == "value" else "prefecture.measure_title",
        lang,
        indicator=series_name(total, measure, data, lang),
        measure=wording[measure],
        year=total["year"],
        unit=unit,
    )
    st.subheader(title)
    standing = headline(rows, data, lang)
    if standing:
        st.markdown(standing)
    _badges_of(rows, data, lang)
    basis = data.table("indicators").filter(pl.col("id") == indicator)["basis"].drop_nulls()
    where_from_page("prefectures", run, data, lang, " ".join(basis))
    _chart(rows, measure, unit, title, data, lang)
    table = facts.ranking(rows, measure, data, lang)
    config, columns = _ranking_columns(table, total, data, lang)
    show(_rounded(table, columns), config, title, _HIGH)
    lines = [order_text(rows, measure, lang)]
    if measure in {"per_head", "per_gdp"}:
        lines += [t("prefecture.head_note", lang, year=total["year"])]
        lines += [t("prefecture.gdp_note", lang, year=total["year"])] if "per_gdp" in table.columns else []
    else:
        lines.append(sum_note(rows, lang))
    gap = "" if lang == "zh" else " "
    st.caption(gap.join(lines))
    st.caption(gap.join(notes(rows, data, lang)))


def _badges_of(rows: pl.DataFrame, data: Inputs, lang: str) -> None:
    """Show the quality of the province's value and of the drivers that lay it to places."""
    named = labels(data, "quality", lang)
    of_value = str(facts.total_of(rows)["value_quality"])
    places = rows.filter(pl.col("area").is_in(codes_of(data)))["place_quality"].drop_nulls().unique().to_list()
    ordered = sorted(places, key=QUALITY_ORDER.index)
    with st.container(horizontal=True):
        st.badge(t("prefecture.badge_value", lang, quality=named[of_value]), color=_colour(of_value))
        if len(ordered) == 1:
            st.badge(t("prefecture.badge_place", lang, quality=named[ordered[0]]), color=_colour(ordered[0]))
        elif ordered:
            words = {"best": named[ordered[0]], "worst": named[ordered[-1]]}
            st.badge(t("prefecture.badge_mixed", lang, **words), color=_colour(ordered[-1]))


def _colour(quality: str) -> Any:
    return BADGES[QUALITY_ORDER.index(quality)]


def _chart(rows: pl.DataFrame, measure: str, unit: str, title: str, data: Inputs, lang: str) -> None:
    """Draw the bars by rank, and the map of what is an amount: the area of a dot says nothing of a ratio."""
    table = facts.bars(rows, measure, data, lang)
    axis = t("prefecture.axis", lang, measure=t(f"prefecture.measure_{measure}", lang, base=BASE_YEAR), unit=unit)
    total = facts.total_of(rows)
    if measure == "contribution" and total["kind"] == "ratio":
        heads = [t(f"prefecture.{key}", lang) for key in ("own_bar", "weight_bar", "total_bar")]
        st.altair_chart(charts.parts(table, heads, title=axis), alt=title)
        return
    target = rows["target"].drop_nulls().unique().to_list() if measure == "value" and total["indicator_unit"] is None else []
    chart = charts.ranking(
        table,
        title=axis,
        mean=facts.line_of(rows, measure, lang),
        mean_label=place_names(data, lang)[total["area"]],
        target=float(target[0]) if len(target) == 1 else None,
        target_label=t("prefecture.target", lang),
    )
    sized = (measure == "value" and total["kind"] in {"amount", "increase"}) or measure == "contribution"
    if not sized:
        st.altair_chart(chart, alt=title)
        return
    left, right = st.columns([5, 4])
    with left:
        st.altair_chart(chart, alt=title)
    nodes = (
        data.table("networks/nodes").filter(pl.col("kind") == "city").select("area", "lat", "lon").unique("area", keep="first")
    )
    dots = table.filter("is_place").join(nodes, on="area", how="inner").sort("area")
    with right:
        st.pydeck_chart(charts.place_map(dots, {"measure": axis}), height=24 * 15 + 60, alt=t("prefecture.map_title", lang))
        st.caption(t("prefecture.map_title", lang))


def _ranking_columns(table: pl.DataFrame, total: Mapping[str, Any], data: Inputs, lang: str) -> tuple[dict[str, Any], list[str]]:
    """Return the columns of a ranking, and those that hold numbers."""

    def head(column: str) -> str:
        if column == "numerator_pct" and total["kind"] != "ratio":
            return t("prefecture.amount_pct", lang)
        short = f"prefecture.column_{column}"
        if has_text(short, lang):
            return t(short, lang, unit=unit_of(total, column, lang) if column in _WITH_UNIT else "")
        label = t(f"prefecture.{column}", lang, year=total["year"], base=total["base_year"])
        own = column in {"per_head", "per_gdp"}
        return t("prefecture.with_unit", lang, label=label, unit=unit_of(total, column, lang)) if own else label

    signed = ("change", "contribution", "by_own", "by_weight")
    numeric = ("value", "base_value", *signed, "numerator_pct", "denominator_pct", "per_head", "per_gdp", "residents", "gdp_cny")
    heads = {column: head(column) for column in numeric if column in table.columns}
    config = _numbers(table, heads, signed, lang)
    ranked = sum(bool(cell) for cell in table["rank"])
    config["rank"] = text(t("prefecture.rank_of", lang, count=ranked), width=84)
    config["area"] = text(t("prefecture.area", lang), width=100)
    config["peak_year"] = number(t("prefecture.peak_year", lang), "%d", width=70)
    config["target"] = text(t("prefecture.target", lang), width=70, alignment="right")
    config["verdict"] = text(t("prefecture.verdict", lang), width=85)
    for column in ("quality", "place_quality", "per_head_quality", "per_gdp_quality"):
        config[column] = _badge(t(f"prefecture.{column}", lang), data, lang)
    return config, list(heads)


# ---- one prefecture, all indicators ------------------------------------------------------------------------------------------------


def _area(run: StoredRun, profile: pl.DataFrame, data: Inputs, year: int, lang: str) -> None:
    names = place_names(data, lang)
    left, _ = st.columns([1, 2])
    with left:
        area = str(_choose("area", codes_of(data), codes_of(data)[0], names, lang))
    title = t("prefecture.area_title", lang, area=names[area], year=year)
    st.subheader(title)
    first, last = facts.ends(profile, area, data, lang)
    st.markdown(f"{t('prefecture.best', lang, names=first)}  \n{t('prefecture.worst', lang, names=last)}")
    config = {
        "indicator": text(t("prefecture.all_indicators", lang), width=240),
        "value": text(names[area], alignment="right", width=138),
        "whole": text(t("prefecture.whole", lang), alignment="right", width=60),
        "rank": text(t("prefecture.rank", lang), width=95),
        "change": text(t("prefecture.change", lang, base=BASE_YEAR), alignment="right", width=106),
        "share": number(t("prefecture.short_share", lang), "%.1f", width=75),
        "contribution": text(t("prefecture.short_contribution", lang), alignment="right", width=106),
        "quality": _badge(t("prefecture.short_quality", lang), data, lang),
    }
    show(facts.profile_of(profile, area, data, lang), config, title, _HIGH)
    st.caption(t("prefecture.area_note", lang))
    inner = t("prefecture.amounts_title", lang)
    st.markdown(f"**{inner}**")
    config = {"numerator": text(t("prefecture.numerator", lang), width=165)}
    for column in ("per_head", "per_gdp"):
        config[column] = text(t(f"prefecture.{column}", lang), alignment="right", width=140)
        config[f"{column}_whole"] = text(t("prefecture.whole", lang), alignment="right", width=65)
        config[f"{column}_rank"] = text(t("prefecture.rank", lang), width=75)
        config[f"{column}_quality"] = _badge(t("prefecture.short_quality", lang), data, lang)
    show(facts.amounts_of(profile, area, data, lang), config, inner, _HIGH)
    st.caption(t("prefecture.head_note", lang, year=year))
    st.caption(t("prefecture.gdp_note", lang, year=year))
    _mix(run, area, profile, data, year, lang)


def _mix(run: StoredRun, area: str, profile: pl.DataFrame, data: Inputs, year: int, lang: str) -> None:
    """Show what the transport of a prefecture is made of beside the province."""
    scope = mix_scope(profile)
    found = place_mix(_tables(run), area, year, scope=scope)
    if found.is_empty():
        return
    name = place_names(data, lang)[area]
    title = t("prefecture.mix_title", lang, area=name, year=year)
    st.markdown(f"**{title}**")
    for column, of in zip(st.columns(2), ("turnover", "co2"), strict=True):
        rows = facts.mix_rows(found, of, data, lang)
        if rows.is_empty():
            continue
        axis = t(f"prefecture.mix_{of}", lang, scope=labels(data, "scope", lang)[scope])
        with column:
            st.altair_chart(charts.mix(rows, [name, t("prefecture.province", lang)], title=axis), alt=f"{title} {axis}")
    st.caption(t("prefecture.mix_note", lang))


# ---- method ------------------------------------------------------------------------------------------------------------------------


def _method(profile: pl.DataFrame, without: Sequence[Unplaced], data: Inputs, year: int, lang: str) -> None:
    """Show the formulas, residents and GDP, what each indicator follows, and the indicators without places."""
    inner = t("prefecture.unplaced_title", lang)
    st.markdown(f"**{inner}**")
    heads = {
        "indicator": text(t("prefecture.all_indicators", lang), width=300),
        "reason": text(t("prefecture.reason_column", lang), width=600),
    }
    show(facts.reasons(without, data, lang), heads, inner, _HIGH)
    st.markdown(f"**{t('prefecture.method_title', lang)}**")
    st.latex(
        r"\Delta R=\sum_p\Bigl(\Delta\tfrac{N_p}{D}-\bar R\,\Delta\tfrac{D_p}{D}\Bigr)=\sum_p\bigl(\bar s_p\,\Delta r_p+(\bar r_p-\bar R)\,\Delta s_p\bigr)"
    )
    for key in ("ratio", "amount", "change", "quality"):
        st.markdown(t(f"prefecture.method_{key}", lang))
    inner = t("prefecture.drivers_title", lang)
    st.markdown(f"**{inner}**")
    config = {
        "indicator": text(t("prefecture.all_indicators", lang), width=280),
        "drivers": text(t("prefecture.drivers_column", lang), width=520),
        "value_quality": _badge(t("prefecture.value_quality", lang), data, lang),
    }
    show(facts.bases(profile, data, lang), config, inner, _HIGH)
    inner = t("prefecture.gdp_table_title", lang, year=year)
    st.markdown(f"**{inner}**")
    table = facts.counts(profile, data, count_qualities(data, year), lang)
    config = _numbers(table, {"residents": t("prefecture.residents", lang), "gdp_cny": t("prefecture.gdp_cny", lang)}, (), lang)
    config["area"] = text(t("prefecture.area", lang), width=150)
    for column in ("population_quality", "gdp_quality"):
        config[column] = _badge(t(f"prefecture.{column}", lang), data, lang)
    show(_rounded(table, ("residents", "gdp_cny")), config, inner, _HIGH)


prefectures()
