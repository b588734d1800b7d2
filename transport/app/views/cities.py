"""Green travel of the cities: whether the target is met, how people travel, what would be needed, which inputs decide, how far the model can be trusted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import polars as pl
import streamlit as st

from transport.app import account_charts, comparison, state
from transport.app import city_answers as answers
from transport.app import city_charts as drawn
from transport.app import city_energy as amounts
from transport.app import city_questions as questions
from transport.app import city_tables as facts
from transport.app import comparison_rows as rows_of
from transport.app.city_times import times_of_a_trip
from transport.app.provenance import where_from_target
from transport.app.what_if_tables import blank
from transport.app.widgets import number, show, table_of, text
from transport.i18n import labels, t
from transport.layout import BASE_YEAR, NORMAL_YEAR, YEARS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transport.inputs import Inputs
    from transport.store import StoredRun

SECTIONS = ("verdict", "modes", "needs", "drivers", "trust", "energy")
START_CITY, START_YEAR = "210100", 2030
_METROPOLITAN = "group_shenyang"
_VERDICT_COLOURS = {"within": drawn.MET_WEAK_COLOUR, "edge": "#8d6e63", "outside": "#c76a00", "unknown": "#9a9a9a"}


def cities() -> None:
    """Draw the page."""
    lang = state.language()
    name = str(st.session_state.get("scenario") or state.DEFAULT_SCENARIO)
    st.header(t("cities.title", lang, scenario=getattr(state.scenario(name), f"title_{lang}")))
    run = state.stored(name)
    if run is None:
        st.info(t("app.nothing_yet", lang))
        return
    st.caption(t("cities.question", lang))
    data = state.inputs_of(run)
    areas = facts.areas_of(state.table(run, "indicators"))
    if not areas:
        st.info(t("cities.no_city", lang, scenario=run.manifest["scenario"]))
        return
    area, year = _chosen(areas, data, lang)
    where_from_target("green_travel_share", run, data, lang, area)
    drawers = {"verdict": _verdict, "modes": _modes, "needs": _needs, "drivers": _drivers, "trust": _trust, "energy": _energy}
    for section, tab in zip(SECTIONS, st.tabs([t(f"cities.tab_{s}", lang) for s in SECTIONS]), strict=True):
        with tab:
            drawers[section](run, data, area, year, lang)
    _beside(data, area, year, lang)


def _beside(data: Inputs, area: str, year: int, lang: str) -> None:
    """Set the scenarios side by side: the modes of the city, and the green travel share of all cities."""
    place = labels(data, "area", lang)[area]
    share = t("comparison.share", lang)
    comparison.side_by_side(
        "cities_modes",
        t("comparison.city_modes", lang, city=place, year=year),
        rows_of.city_modes(area, year, data, lang),
        lang,
        heads=(t("comparison.mode", lang), share),
    )
    comparison.side_by_side(
        "cities_green",
        t("comparison.green", lang, year=year),
        rows_of.green_shares(year, data, lang),
        lang,
        heads=(t("comparison.city", lang), share),
    )


def _chosen(areas: Sequence[str], data: Inputs, lang: str) -> tuple[str, int]:
    """Ask for city and year; both stand in the link."""
    years = [str(y) for y in YEARS if y > BASE_YEAR]
    names = labels(data, "area", lang)
    state.take_link("city", areas, START_CITY if START_CITY in areas else areas[0])
    state.take_link("city_year", years, _linked_year(years))
    for key, options, start in (("city", areas, areas[0]), ("city_year", years, str(START_YEAR))):
        if st.session_state[key] not in options:
            st.session_state[key] = start
    left, right, _ = st.columns([2, 1, 3])
    with left:
        area = st.selectbox(
            t("cities.city", lang),
            areas,
            format_func=lambda code: names.get(code, code),
            key="city",
            persist_state="session",
            placeholder=t("app.choose", lang),
        )
    with right:
        year = st.selectbox(
            t("cities.year", lang), years, key="city_year", persist_state="session", placeholder=t("app.choose", lang)
        )
    st.query_params["city"], st.query_params["year"] = str(area), str(year)
    return str(area), int(str(year))


def _linked_year(years: Sequence[str]) -> str:
    given = st.query_params.get("year", str(START_YEAR))
    return given if given in years else str(START_YEAR)


_table = partial(table_of, needed=facts.NEEDED, otherwise="cities.run_again")


# ---- whether the target is met -----------------------------------------------------------------------------------------------------


def _verdict(run: StoredRun, data: Inputs, area: str, year: int, lang: str) -> None:
    """Show the cities with a target: base, target year, gap, switches, and what the base shares stand on."""
    del year
    indicators = state.table(run, "indicators")
    wanted = facts.with_target(indicators)
    names = labels(data, "area", lang)
    rows = facts.readings(indicators, wanted, facts.TARGET_YEAR)
    met = int(rows["is_met"].sum())
    title = t("cities.verdict_title", lang, year=facts.TARGET_YEAR, met=met, count=rows.height)
    st.subheader(title)
    st.warning("\n\n".join(_honesty(data, wanted, lang)))
    known = rows.drop_nulls(["share", "base_share"])
    if not known.is_empty():
        target = float(known["target"][0])
        bars = known.with_columns(
            city=pl.col("area").replace(names),
            met=pl.col("is_met"),
            written=pl.Series([_gap(gap, lang) for gap in known["gap"]], dtype=pl.String),
        )
        st.altair_chart(drawn.target_bars(bars, target, year=facts.TARGET_YEAR, base=BASE_YEAR, lang=lang), alt=title)
        st.caption(t("cities.bars_note", lang, year=facts.TARGET_YEAR, base=BASE_YEAR))
    _readings(rows, data, title, lang)
    st.caption(t("cities.verdict_note", lang, year=facts.TARGET_YEAR, base=BASE_YEAR))
    if "peak" not in set(indicators["variant"].to_list()):
        st.caption(t("cities.no_switches", lang, scenario=run.manifest["scenario"]))
    _metropolitan(indicators, lang)
    others = [code for code in facts.areas_of(indicators) if code not in wanted]
    if others:
        label = t("cities.tracked", lang, count=len(others))
        with st.expander(label):
            tracked = facts.readings(indicators, others, facts.TARGET_YEAR)
            _readings(tracked, data, label, lang, judged=False)
    _base_shares(data, area, lang)
    questions.interval(run, data, facts.areas_of(indicators), lang)


def _gap(gap: float | None, lang: str) -> str:
    if gap is None:
        return ""
    key = "missing" if gap > 0.0 else "above"
    return t(f"cities.gap_{key}", lang, points=f"{abs(gap):.1f}")


def _honesty(data: Inputs, areas: Sequence[str], lang: str) -> list[str]:
    """Say what the base shares are: assumptions with a range, and which cities share one set."""
    names, qualities = labels(data, "area", lang), labels(data, "quality", lang)
    found = facts.base_quality(data, areas)
    weakest = [
        f"{names.get(a, a)}:{'orange' if q in facts.WEAK else 'blue'}-badge[{qualities.get(q, q)}]" for a, q in found.items()
    ]
    said = [t("cities.honest", lang), t("cities.honest_quality", lang, cities="　".join(weakest))]
    groups = [facts.joint(lang).join(names.get(a, a) for a in group) for group in facts.alike(data, areas)]
    if groups:
        said.append(t("cities.honest_alike", lang, cities=("；" if lang == "zh" else "; ").join(groups)))
    return said


def _readings(rows: pl.DataFrame, data: Inputs, title: str, lang: str, *, judged: bool = True) -> None:
    names, verdicts, qualities = (labels(data, key, lang) for key in ("area", "verdict", "quality"))
    shown = rows.select(
        pl.col("area").replace(names).alias("city"),
        "base_share",
        "share",
        "target",
        "gap",
        pl.col("verdict").replace(verdicts),
        "break_even",
        "break_even_2019",
        "without_e_bike",
        "peak",
        "cold",
        "transit",
        pl.col("quality").replace(qualities),
    )
    config = {
        "city": text(t("cities.city", lang), width=64),
        "base_share": number(f"{BASE_YEAR} %", "%.1f", width=58),
        "share": number(f"{facts.TARGET_YEAR} %", "%.1f", width=58),
        "target": number(t("cities.target", lang), "%.0f", width=62),
        "gap": number(t("cities.gap", lang), "%+.1f", width=52, help=t("cities.gap_help", lang)),
        "verdict": text(t("cities.verdict", lang), width=60),
        "break_even": number(
            t("cities.break_even", lang, year=BASE_YEAR), "%.1f", width=80, help=t("cities.break_even_help", lang)
        ),
        "break_even_2019": number(
            t("cities.break_even", lang, year=NORMAL_YEAR), "%.1f", width=80, help=t("cities.break_even_2019_help", lang)
        ),
        "without_e_bike": number(t("cities.without_e_bike", lang), "%.1f", width=92, help=t("cities.switch_help", lang)),
        "peak": number(t("cities.peak", lang), "%.1f", width=64, help=t("cities.switch_help", lang)),
        "cold": number(t("cities.cold", lang), "%.1f", width=64, help=t("cities.switch_help", lang)),
        "transit": number(t("cities.transit", lang), "%.1f", width=92, help=t("cities.transit_help", lang)),
        "quality": text(t("overview.quality", lang), width=66),
    }
    kept = [c for c in config if judged or c not in {"target", "gap", "verdict", "break_even", "break_even_2019"}]
    present = [c for c in kept if c in {"city", "share"} or shown[c].null_count() < shown.height]
    show(shown.select(present), config, title)


def _metropolitan(indicators: pl.DataFrame, lang: str) -> None:
    """Say the transit share of the metropolitan area, which is another indicator."""
    rows = indicators.filter(pl.col("id") == facts.TRANSIT, pl.col("area") == _METROPOLITAN, pl.col("variant") == "")
    found = dict(rows.drop_nulls("value").select("year", "value").iter_rows())
    if BASE_YEAR in found and facts.TARGET_YEAR in found:
        values = {"base": f"{found[BASE_YEAR]:.1f}", "share": f"{found[facts.TARGET_YEAR]:.1f}"}
        st.caption(t("cities.metropolitan", lang, base_year=BASE_YEAR, year=facts.TARGET_YEAR, **values))


def _base_shares(data: Inputs, area: str, lang: str) -> None:
    city = labels(data, "area", lang).get(area, area)
    title = t("cities.base_title", lang, city=city, year=NORMAL_YEAR)
    with st.expander(title):
        config = {
            "mode": text(t("cities.mode", lang), width=110),
            "value": number(t("cities.base_value", lang), "%.1f", width=90),
            "low": number(t("cities.low", lang), "%.1f", width=80),
            "high": number(t("cities.high", lang), "%.1f", width=80),
            "quality": text(t("scorecard.quality", lang), width=100),
            "source": text(t("cities.source", lang), width=180),
        }
        show(facts.base_rows(data, area, lang), config, title)
        st.caption(t("cities.base_note", lang))


# ---- how people travel -------------------------------------------------------------------------------------------------------------


def _modes(run: StoredRun, data: Inputs, area: str, year: int, lang: str) -> None:
    """Show the mode shares of one city over the years, and trips by purpose, group and length."""
    travel = _table(run, "green_travel", lang)
    if travel is None:
        return
    city = labels(data, "area", lang).get(area, area)
    names = labels(data, "travel_mode", lang)
    indicators = state.table(run, "indicators")
    rows = facts.mode_table(travel, area, year, data, lang)
    _cards(run, rows, indicators, area, year, lang)
    title = t("cities.modes_title", lang, city=city)
    st.subheader(title)
    own = travel.filter(pl.col("area") == area).select("year", "mode", share=100.0 * pl.col("share"))
    goals = facts.readings(indicators, [area], facts.TARGET_YEAR)
    goal = goals["target"][0]
    target = None if goal is None else (facts.TARGET_YEAR, float(goal))
    st.altair_chart(drawn.mode_shares(own, names, target=target, lang=lang), alt=title)
    st.caption(t("cities.modes_note", lang))
    inner = t("cities.compare_title", lang, base=BASE_YEAR, year=year)
    st.markdown(f"**{inner}**")
    trips = "%.2f" if lang == "zh" else "%.1f"
    config = {
        "mode": text(t("cities.mode", lang), width=100),
        "base_share": number(t("cities.share_of", lang, year=BASE_YEAR), "%.1f", width=92),
        "share": number(t("cities.share_of", lang, year=year), "%.1f", width=92),
        "change": number(t("cities.change", lang), "%+.1f", width=100),
        "base_trips": number(t("cities.trips_of", lang, year=BASE_YEAR), trips, width=98),
        "trips": number(t("cities.trips_of", lang, year=year), trips, width=98),
        "base_pkm": number(t("cities.pkm_of", lang, year=BASE_YEAR), "%.2f", width=112),
        "pkm": number(t("cities.pkm_of", lang, year=year), "%.2f", width=112),
        "km": number(t("cities.km", lang), "%.1f", width=68),
    }
    show(rows, config, inner)
    st.caption(t("cities.compare_note", lang))
    _segments(run, data, area, year, lang)
    times = _table(run, "travel_times", lang)
    if times is not None and not times.is_empty():
        times_of_a_trip(times, data, area, year, lang)


def _cards(run: StoredRun, rows: pl.DataFrame, indicators: pl.DataFrame, area: str, year: int, lang: str) -> None:
    """Show four numbers: share, trips, passenger-km, speed of cars."""
    found = facts.readings(indicators, [area], year).row(0, named=True)
    whole = rows.row(-1, named=True)
    columns = st.columns(4)

    def card(k: int, key: str, value: float | None, change: float | None, form: str, **more: object) -> None:
        columns[k].metric(
            t(f"cities.card_{key}", lang, year=year, **more),
            "-" if value is None else f"{value:{form}}",
            None if change is None else f"{change:+{form.lstrip(',')}}",
            delta_color="off",
            border=True,
            height="stretch",
        )

    share, base = found["share"], found["base_share"]
    card(0, "share", share, None if share is None or base is None else share - base, ".1f")
    trips = ".1f" if lang == "zh" else ",.0f"
    card(1, "trips", whole["trips"], whole["trips"] - whole["base_trips"], trips)
    pkm, base_pkm = whole.get("pkm"), whole.get("base_pkm")
    card(2, "pkm", pkm, None if pkm is None or base_pkm is None else pkm - base_pkm, ".1f")
    roads = state.table(run, "city_roads") if "city_roads" in run.manifest["tables"] else None
    speeds = [None, None] if roads is None else [facts.speed(roads, area, y) for y in (BASE_YEAR, year)]
    now, before = speeds[1], speeds[0]
    card(3, "speed", now, None if now is None or before is None else now - before, ".0f", normal=NORMAL_YEAR)
    st.caption(t("cities.cards_note", lang, base=BASE_YEAR))


def _segments(run: StoredRun, data: Inputs, area: str, year: int, lang: str) -> None:
    """Show the mode shares by purpose, person group or length of the nearest year that the run holds."""
    segments = _table(run, "travel_segments", lang)
    if segments is None:
        return
    own = segments.filter(pl.col("area") == area)
    years = sorted(own["year"].unique().to_list())
    if not years:
        return
    nearest = min(years, key=lambda known: (abs(known - year), known))
    title = t("cities.segments_title", lang, year=nearest)
    st.subheader(title)
    split = st.segmented_control(
        t("cities.split", lang),
        list(facts.SPLITS),
        required=True,
        default="purpose",
        format_func=lambda code: t(f"cities.split_{code}", lang),
        key="cities_split",
        persist_state="session",
    )
    names = labels(data, "travel_mode", lang)
    table = facts.split_table(own, str(split or "purpose"), nearest, data, lang)
    order = table["part"].unique(maintain_order=True).to_list()
    st.altair_chart(drawn.split_bars(table, names, order, lang=lang), alt=title)
    parts = facts.green_of_parts(table)
    before = facts.green_of_parts(facts.split_table(own, str(split or "purpose"), years[0], data, lang))
    both = parts.join(before.select("part", base="green"), on="part", how="left").select(
        "part", "weight", "base", "green", change=pl.col("green") - pl.col("base")
    )
    config = {
        "part": text(t(f"cities.split_{split or 'purpose'}", lang), width=170),
        "weight": number(t("cities.weight", lang), "%.1f", width=120),
        "base": number(t("cities.green_of", lang, year=years[0]), "%.1f", width=130),
        "green": number(t("cities.green_of", lang, year=nearest), "%.1f", width=130),
        "change": number(t("cities.change", lang), "%+.1f", width=110),
    }
    show(both, config, title)
    st.caption(t("cities.segments_note", lang, years=facts.joint(lang).join(str(y) for y in years)))


# ---- what would be needed, and what decides ----------------------------------------------------------------------------------------


def _needs(run: StoredRun, data: Inputs, area: str, year: int, lang: str) -> None:
    """Offer the required value of each lever and the cheapest mix."""
    questions.needs(run, data, area, year, lang)
    questions.mix(run, data, area, year, lang)


def _drivers(run: StoredRun, data: Inputs, area: str, year: int, lang: str) -> None:
    """Offer which inputs decide."""
    questions.drivers(run, data, area, year, lang)


# ---- how far the model can be trusted ----------------------------------------------------------------------------------------------


def _trust(run: StoredRun, data: Inputs, area: str, year: int, lang: str) -> None:
    """Show what the model implies beside what was published: fitted, held out, and what only puts it into context."""
    del year
    table = _table(run, "travel_elasticities", lang)
    if table is None:
        return
    st.markdown(t("cities.trust_note", lang))
    held = answers.published_rows(table, "validation", data, lang)
    cases = answers.published_rows(table, "validation", data, lang, cases=True)
    fitted = answers.published_rows(table, "calibration", data, lang)
    both = pl.concat([held, cases])
    hits = both.filter(pl.col("verdict_code") == "within").height
    columns = st.columns(3)
    inside = fitted.filter(pl.col("verdict_code").is_in(["within", "edge"])).height
    columns[0].metric(t("cities.card_fitted", lang), f"{inside} / {fitted.height}", border=True, height="stretch")
    columns[1].metric(t("cities.card_held", lang), f"{hits} / {both.height}", border=True, height="stretch")
    other = answers.published_rows(table, "context", data, lang)
    columns[2].metric(t("cities.card_context", lang), f"{other.height}", border=True, height="stretch")
    for key, rows in (("cases", cases), ("held", held), ("fitted", fitted)):
        title = t(f"cities.{key}_title", lang)
        st.subheader(title)
        st.caption(t(f"cities.{key}_note", lang))
        if rows.is_empty():
            st.info(t("cities.no_rows", lang))
            continue
        if key == "fitted":
            colours = {t(f"cities.inside_{code}", lang): colour for code, colour in _VERDICT_COLOURS.items()}
            present = {label: colour for label, colour in colours.items() if label in set(rows["verdict"].to_list())}
            dots = rows.rename({"item": "name", "modelled": "value", "published": "centre"})
            st.altair_chart(drawn.in_range(dots, present, title=t("cities.elasticity_axis", lang)), alt=title)
        _published(rows, title, lang)
    title = t("cities.context_title", lang)
    with st.expander(title):
        names = labels(data, "area", lang)
        own = other.filter(pl.col("area").is_in([names.get(area, area), t("cities.all_targets", lang)]))
        st.caption(t("cities.context_note", lang, city=names.get(area, area)))
        _published(own, title, lang)
    _sources(pl.concat([cases, held, fitted, own]), lang)


def _published(rows: pl.DataFrame, title: str, lang: str) -> None:
    config = {
        "item": text(t("cities.item", lang), width=345),
        "modes": text(t("cities.of_modes", lang), width=150),
        "modelled": number(t("cities.modelled", lang), "%.2f", width=70),
        "published": text(t("cities.published", lang), alignment="right", width=70),
        "range": text(t("cities.range", lang), width=105),
        "verdict": text(t("cities.hit", lang), width=75),
        "quality": text(t("scorecard.quality", lang), width=80),
    }
    show(blank(rows.select(list(config)), {"published": ".2f"}), config, title, 35 * 26 + 3)


def _sources(rows: pl.DataFrame, lang: str) -> None:
    """Show sources and notes, which are in the language of the data."""
    title = t("cities.sources_title", lang)
    with st.expander(title):
        config = {
            "item": text(t("cities.item", lang), width=300),
            "source": text(t("cities.source", lang), width=300),
            "note": text(t("cities.note", lang), width=450),
        }
        show(rows.select(list(config)).unique(maintain_order=True), config, title)


# ---- energy, load, movement --------------------------------------------------------------------------------------------------------


def _energy(run: StoredRun, data: Inputs, area: str, year: int, lang: str) -> None:
    """Show energy and CO2 by mode, how full buses and trains are, movement on foot and by cycle, and the tie to the accounts."""
    areas = facts.areas_of(state.table(run, "indicators"))
    city = labels(data, "area", lang).get(area, area)
    urban = _table(run, "urban_travel", lang)
    if urban is not None:
        title = t("cities.energy_title", lang, city=city, year=year)
        st.subheader(title)
        amount = ",.2f" if lang == "zh" else ",.3f"
        forms = {"pkm": amount, "vehicle_km": amount}
        forms |= {"coal": ",.2f", "power": ",.2f"} if lang == "zh" else {"coal": ",.1f", "power": ",.0f"}
        forms |= dict.fromkeys(("direct", "direct_power", "wtw"), amount if lang == "zh" else ",.1f") | {
            "mj_per_pkm": ".2f",
            "g_per_pkm": ".0f",
        }
        config = {"mode": text(t("cities.mode", lang), width=82)}
        widths = {"pkm": 68, "vehicle_km": 70, "coal": 76, "power": 84, "mj_per_pkm": 84}
        config |= {c: text(t(f"cities.{c}", lang), alignment="right", width=widths.get(c, 90)) for c in forms}
        config["basis"] = text(t("cities.basis", lang), width=70)
        show(blank(amounts.energy_rows(urban, area, year, data, lang), forms), config, title)
        st.caption(t("cities.energy_note", lang))
        names = labels(data, "travel_mode", lang)
        colours = {names[code]: colour for code, colour in drawn.TRAVEL_COLOURS.items()}
        bars = amounts.city_energy(urban, areas, year, data, lang)
        order = [labels(data, "area", lang).get(a, a) for a in areas]
        chart = t("cities.co2_chart", lang, year=year)
        st.altair_chart(
            account_charts.stacked(bars, colours, title=chart, order=[c for c in order if c in set(bars["name"].to_list())]),
            alt=chart,
        )
    _load(run, data, areas, year, lang)
    _active(run, data, areas, year, lang)
    _accounts(run, data, year, lang)


def _load(run: StoredRun, data: Inputs, areas: Sequence[str], year: int, lang: str) -> None:
    load = _table(run, "transit_load", lang)
    if load is None:
        return
    title = t("cities.load_title", lang, year=year)
    st.subheader(title)
    forms = {"boardings": ",.1f", "per_km_day": ",.0f", "pkm_per_km": ",.0f", "inside": ".0f", "persons": ".1f", "limit": ".0f"}
    widths = {"line_km": 146, "per_km_day": 104, "pkm_per_km": 108, "inside": 60, "persons": 58, "load": 84, "limit": 58}
    order = ("line_km", "boardings", "per_km_day", "pkm_per_km", "inside", "persons", "load", "limit")
    config = {"city": text(t("cities.city", lang), width=66), "mode": text(t("cities.mode", lang), width=76)}
    config |= {c: text(t(f"cities.{c}", lang), alignment="right", width=widths.get(c, 78)) for c in order}
    config["crowded"] = text(t("cities.crowded", lang), width=56)
    show(blank(amounts.load_rows(load, areas, year, data, lang), forms), config, title, 35 * 24)
    st.caption(t("cities.load_note", lang))


def _active(run: StoredRun, data: Inputs, areas: Sequence[str], year: int, lang: str) -> None:
    active = _table(run, "active_travel", lang)
    if active is None:
        return
    title = t("cities.active_title", lang, base=BASE_YEAR, year=year)
    st.subheader(title)
    config = {"city": text(t("cities.city", lang), width=90)}
    for mode in ("walk", "cycle"):
        for what, form in (("km", "%.2f"), ("min", "%.1f")):
            for prefix, at in (("base_", BASE_YEAR), ("", year)):
                config[f"{prefix}{mode}_{what}"] = number(t(f"cities.{mode}_{what}", lang, year=at), form, width=101)
    show(amounts.active_rows(active, areas, year, data, lang).select(list(config)), config, title)
    st.caption(t("cities.active_note", lang))


def _accounts(run: StoredRun, data: Inputs, year: int, lang: str) -> None:
    """Say that city travel and the accounts hold one number."""
    urban_km = _table(run, "urban_km", lang)
    if urban_km is None:
        return
    title = t("cities.accounts_title", lang, year=year)
    st.subheader(title)
    checks = state.table(run, "checks").filter(pl.col("check").str.starts_with("urban."))
    if not checks.is_empty():
        passed = int(checks["passed"].sum())
        worst = float(str(checks["value"].max()))
        key = "cities.checks_passed" if passed == checks.height else "cities.checks_failed"
        said = t(key, lang, passed=passed, count=checks.height, worst=f"{worst:.1e}")
        if passed == checks.height:
            st.success(said)
        else:
            st.error(said)
    amount = "%.1f" if lang == "zh" else "%.2f"
    config = {
        "vehicle_class": text(t("cities.vehicle_class", lang), width=130),
        "city": number(t("cities.km_city", lang), amount, width=140),
        "rest": number(t("cities.km_rest", lang), amount, width=140),
        "intercity": number(t("cities.km_intercity", lang), amount, width=140),
        "total": number(t("cities.km_total", lang), amount, width=140),
        "gap": number(t("cities.km_gap", lang), "%.3f", width=90),
        "reconciliation": number(t("cities.reconciliation", lang), "%.3f", width=110),
    }
    show(amounts.accounts_rows(urban_km, year, data, lang), config, title)
    st.caption(t("cities.accounts_note", lang))


cities()
