"""Charging: load by hour, queues and service, depots, airports, corridors and berths vehicle by vehicle, the right size, and checks of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import streamlit as st

from transport.app import charging_charts as drawn
from transport.app import charging_tables as facts
from transport.app import charging_tasks as tasks
from transport.app import charging_vehicles as vehicles
from transport.app import comparison, state
from transport.app import comparison_rows as rows_of
from transport.app.downloads import downloads
from transport.app.provenance import where_from_page
from transport.app.widgets import number, say_lacking, show, text
from transport.i18n import labels, t
from transport.layout import PROVINCE
from transport.weeks.peak_response import REASONS
from transport.weeks.tables import SELECTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.app.charging_tasks import Source
    from transport.inputs import Inputs

SECTIONS = ("load", "service", "depot", "airport", "corridor", "shore", "sizing", "checks")
#: Vehicles of a Gantt chart.
_SHOWN = 20
_SOC_SHOWN = 6


def charging() -> None:
    """Draw the page."""
    lang = state.language()
    name = str(st.session_state.get("scenario") or state.DEFAULT_SCENARIO)
    st.header(t("charging.title", lang, scenario=getattr(state.scenario(name), f"title_{lang}")))
    run = state.stored(name)
    if run is None:
        st.info(t("app.nothing_yet", lang))
        return
    st.caption(t("charging.question", lang))
    source = tasks.choose_source(run, lang)
    if source is None:
        st.info(t("charging.none_here", lang))
        return
    data = state.inputs_of(run)
    drawers = {
        "load": _load,
        "service": _service,
        "depot": _depot,
        "airport": _airport,
        "corridor": _corridor,
        "shore": _shore,
        "sizing": tasks.sizing,
        "checks": _checks,
    }
    for section, tab in zip(SECTIONS, st.tabs([t(f"charging.tab_{s}", lang) for s in SECTIONS]), strict=True):
        with tab:
            drawers[section](source, data, lang)
    week = "winter"
    named = labels(data, "week", lang)[week]
    for what in ("peak", "energy"):
        comparison.side_by_side(
            f"charging_{what}",
            t(f"comparison.charging_{what}", lang, week=named),
            rows_of.charging_of(what, week, data, lang),
            lang,
            heads=(t("comparison.system", lang), t(f"comparison.charging_{what}_unit", lang)),
            form=",.2f",
        )
    st.caption(t("comparison.charging_note", lang))


# ---- shared ------------------------------------------------------------------------------------------------------------------------


def _where(
    section: str, table: pl.DataFrame, data: Inputs, lang: str, *, by_system: bool = False
) -> tuple[pl.DataFrame, str, tuple[str, str], str]:
    """Ask for place and week of a table, on request for the system first; return its rows, week, (area, place) and a title."""
    columns = iter(st.columns([2, 2, 1]))
    called = ""
    if by_system:
        names = labels(data, "system", lang)
        with next(columns):
            systems = facts.systems_of(table)
            system = str(tasks.choose(f"{section}_system", systems, systems[0], names, lang, label="charging.system"))
        table, called = facts.of(table, system=system), names.get(system, system)
    pairs = facts.places_of(table)
    places = {pair: facts.place_name(pair, data, lang) for pair in pairs}
    with next(columns):
        pair = tasks.choose(f"{section}_place", pairs, pairs[0], places, lang, label="charging.place_label")
    mine = facts.of(table, area=pair[0], place=pair[1])
    known = facts.weeks_of(mine, year=by_system)
    weeks = labels(data, "week", lang)
    with next(columns):
        week = str(tasks.choose(f"{section}_week", known, known[0], weeks, lang, label="charging.week_label"))
    at = t("charging.at", lang, place=places[pair], week=weeks.get(week, week))
    title = t("charging.service_title", lang, system=called, at=at) if called else at
    return mine.filter(pl.col("week") == week), week, pair, title


def _twin(table: pl.DataFrame, config: Mapping[str, Any], title: str, name: str) -> None:
    """Show a table under its title with its file."""
    st.markdown(f"**{title}**")
    show(table, dict(config), title, file=name)


def _missing(source: Source, table: str, lang: str) -> pl.DataFrame | None:
    found = source.table(table)
    if found is None or found.is_empty():
        say_lacking(source.stored, table, t("charging.no_table" if source.is_province else "charging.only_province", lang))
        return None
    return found


# ---- load --------------------------------------------------------------------------------------------------------------------------


def _load(source: Source, data: Inputs, lang: str) -> None:
    """Show the load of all systems of a place by hour of the week, on the price periods."""
    load = _missing(source, "simulation_load", lang)
    if load is None:
        return
    summary = source.table("simulation")
    if not source.is_province and summary is not None:
        load = facts.scaled_load(load, summary)
    whole = load.group_by("system", "area", "week", "hour", maintain_order=True).agg(pl.col("kw").sum())
    every = {area for area, _ in facts.places_of_systems(data)["bus_depot"]}
    if source.is_province and every <= set(source.stored.manifest.get("areas", [])):
        total = whole.group_by("system", "week", "hour").agg(pl.col("kw").sum()).with_columns(area=pl.lit(PROVINCE))
        whole = pl.concat([total.select(whole.columns), whole])
    mine, week, pair, title = _where("load", whole, data, lang)
    price, periods = tasks.prices_of(source, data, week), labels(data, "tou_period", lang)
    rows = facts.load_rows(mine, price, data, lang)
    systems = [labels(data, "system", lang).get(s, s) for s in facts.systems_of(mine)]
    st.subheader(t("charging.load_title", lang, at=title))
    st.warning(t("charging.weak_province" if source.is_province else "charging.weak_sample", lang))
    _cards(rows, lang)
    where_from_page("charging", source.run, data, lang)
    st.altair_chart(drawn.load_curves(rows, systems, periods, lang=lang), alt=title)
    st.caption(t("charging.load_note", lang))
    config = {
        "clock": text(t("charging.hour", lang), width=110),
        "system": text(t("charging.system", lang), width=130),
        "mw": number(t("charging.mw", lang), "%.3f", width=100),
        "price": number(t("charging.price", lang), "%.3f", width=130),
        "period": text(t("charging.period", lang), width=90),
    }
    _twin(rows.drop("hour"), config, t("charging.load_table", lang), f"load_{pair[0]}_{week}")
    response = source.table("peak_response")
    if response is not None and not response.is_empty():
        _response(response, data, lang)


def _response(table: pl.DataFrame, data: Inputs, lang: str) -> None:
    """Show how much of the peak the managed vehicles give back, and what that is of the provincial peak."""
    some = {SELECTED: t("charging.selected", lang)}
    areas = {**labels(data, "area", lang), **some}
    systems = {**labels(data, "system", lang), **some, "all": t("charging.all_systems", lang)}
    if "reason" not in table.columns:
        table = table.with_columns(reason=pl.lit(""))
    shares = ("response_share", "share_of_provincial_peak", "low", "high")
    rows = table.select(
        pl.col("area").replace(areas),
        pl.col("system").replace(systems),
        *[(pl.col(c) / 1e3).alias(c) for c in ("peak_kw_unmanaged", "peak_kw", "response_kw")],
        *[(100.0 * pl.col(c)).alias(c) for c in shares],
        pl.col("reason").replace({reason: t(f"charging.reason_{reason}", lang) for reason in REASONS}),
    )
    config = {
        "area": text(t("charging.place_label", lang), width=90),
        "system": text(t("charging.system", lang), width=125),
        **{c: number(t(f"charging.{c}", lang), "%.2f", width=60 if c in {"low", "high"} else 110) for c in rows.columns[2:-1]},
        "reason": text(t("charging.reason", lang), width=220),
    }
    _twin(rows, config, t("charging.response_title", lang), "peak_response")
    st.caption(t("charging.response_note", lang))


def _cards(rows: pl.DataFrame, lang: str) -> None:
    """Show peak, energy, the share of dear and of cheap hours, and the mean price of the energy."""
    total = rows.group_by("hour").agg(mw=pl.col("mw").sum(), price=pl.col("price").first(), clock=pl.col("clock").first())
    energy = float(total["mw"].sum())
    if not energy:
        return
    top = total.sort("mw", "hour", descending=[True, False]).row(0, named=True)
    dear, cheap = (
        float(total.filter(pl.col("price") == at)["mw"].sum()) / energy for at in (total["price"].max(), total["price"].min())
    )
    mean = float((total["mw"] * total["price"]).sum()) / energy
    cards = (
        (t("charging.card_peak", lang), f"{top['mw']:,.2f}", top["clock"]),
        (t("charging.card_energy", lang), f"{energy / 1000.0:,.2f}", None),
        (t("charging.card_dear", lang), f"{100 * dear:.1f}", None),
        (t("charging.card_cheap", lang), f"{100 * cheap:.1f}", None),
        (t("charging.card_price", lang), f"{mean:.3f}", None),
    )
    for column, (label, value, note) in zip(st.columns(len(cards)), cards, strict=True):
        column.metric(label, value, note, delta_color="off", delta_arrow="off", border=True, height="stretch")


# ---- service -----------------------------------------------------------------------------------------------------------------------


def _service(source: Source, data: Inputs, lang: str) -> None:
    """Show the statistics of every system of a place with their intervals."""
    summary = _missing(source, "simulation", lang)
    if summary is None:
        return
    mine, week, pair, title = _where("service", summary, data, lang, by_system=True)
    st.subheader(title)
    first = mine.row(0, named=True)
    st.markdown(
        t(
            "charging.simulated",
            lang,
            vehicles=f"{first['vehicles']:,}",
            events=f"{first['events']:,}",
            scale=f"{first['scale']:,.1f}",
        )
    )
    table = facts.metric_rows(mine, data, lang)
    config = {
        "metric": text(t("charging.metric", lang), width=330),
        "value": number(t("charging.value", lang), "%.4g", width=110),
        "low": number(t("charging.low", lang), "%.4g", width=110),
        "high": number(t("charging.high", lang), "%.4g", width=110),
        "unit": text(t("charging.unit", lang), width=110),
    }
    _twin(table.select(list(config)), config, t("charging.service_table", lang), f"service_{first['system']}_{pair[0]}_{week}")
    st.caption(t("charging.service_note", lang))


# ---- depot -------------------------------------------------------------------------------------------------------------------------


def _depot(source: Source, data: Inputs, lang: str) -> None:
    """Show a depot: its load against the feeder, and what its first vehicles do in a day."""
    gantt, load = source.table("depot_gantt"), source.table("depot_load")
    if gantt is None or load is None or gantt.is_empty() or load.is_empty():
        _missing(source, "depot_gantt", lang)
        return
    mine, week, pair, title = _where("depot", gantt, data, lang)
    st.subheader(t("charging.depot_title", lang, at=title))
    if not source.is_province:
        st.caption(t("charging.sample_depot", lang))
    hours = vehicles.depot_hours(facts.of(load, area=pair[0], week=week), lang)
    st.altair_chart(drawn.depot_load(hours, lang=lang), alt=t("charging.depot_load", lang))
    st.caption(t("charging.depot_note", lang))
    left, _ = st.columns([1, 3])
    with left:
        days = {d: t(f"charging.day_{d}", lang) for d in range(7)}
        day = int(tasks.choose("depot_day", list(days), 0, days, lang, label="charging.day"))
    rows = vehicles.gantt_rows(mine, day, _SHOWN, lang)
    inner = t("charging.gantt_title", lang, count=rows["vehicle"].n_unique(), day=days[day])
    st.markdown(f"**{inner}**")
    st.altair_chart(drawn.gantt(rows, lang=lang), alt=inner)
    few = rows.filter(pl.col("vehicle").is_in(rows["vehicle"].unique().sort().head(_SOC_SHOWN).to_list()))
    st.altair_chart(drawn.soc(few, lang=lang), alt=t("charging.soc_axis", lang))
    config = {
        "vehicle": number(t("charging.vehicle", lang), "%d", width=70),
        "state": text(t("charging.state", lang), width=90),
        "start_h": number(t("charging.from", lang), "%.2f", width=90),
        "end_h": number(t("charging.to", lang), "%.2f", width=90),
        "soc_start": number(t("charging.soc_start", lang), "%.0f", width=110),
        "soc_end": number(t("charging.soc_end", lang), "%.0f", width=110),
        "kw": number("kW", "%.0f", width=80),
    }
    _twin(rows, config, t("charging.gantt_table", lang), f"depot_{pair[0]}_{week}_{day}")


# ---- airport -----------------------------------------------------------------------------------------------------------------------


def _airport(source: Source, data: Inputs, lang: str) -> None:
    """Show the turnarounds of an airport: delays by cause, and tasks by kind of equipment."""
    table = _missing(source, "turnarounds", lang)
    if table is None:
        return
    mine, week, pair, title = _where("airport", table, data, lang)
    st.subheader(t("charging.airport_title", lang, at=title))
    if not source.is_province:
        st.caption(t("charging.sample_airport", lang))
    late = int((mine["delay_min"] > 1e-6).sum())
    mean = float(mine["delay_min"].mean() or 0.0)  # type: ignore[arg-type]
    st.markdown(t("charging.airport_says", lang, count=mine.height, late=late, mean=f"{mean:.2f}"))
    numbers = {
        "mean_min": number(t("charging.delay_mean", lang), "%.2f", width=130),
        "p95_min": number(t("charging.delay_p95", lang), "%.2f", width=130),
        "count": number(t("charging.count", lang), "%d", width=80),
    }
    causes = {
        "cause": text(t("charging.cause", lang), width=220),
        **numbers,
        "delayed": number(t("charging.delayed", lang), "%d", width=90),
    }
    _twin(vehicles.delay_rows(mine, data, lang), causes, t("charging.cause_table", lang), f"delays_{pair[1]}_{week}")
    jobs = _missing(source, "turnaround_tasks", lang)
    if jobs is None:
        return
    own = facts.of(jobs, area=pair[0], place=pair[1], week=week)
    kinds = {
        "kind": text(t("charging.kind", lang), width=220),
        **numbers,
        "missed_pct": number(t("charging.missed_pct", lang), "%.2f", width=90),
        "delayed_pct": number(t("charging.delayed_pct", lang), "%.2f", width=90),
    }
    _twin(vehicles.task_rows(own, data, lang), kinds, t("charging.task_table", lang), f"tasks_{pair[1]}_{week}")
    st.caption(t("charging.airport_note", lang))


# ---- corridors and berths ----------------------------------------------------------------------------------------------------------


def _corridor(source: Source, data: Inputs, lang: str) -> None:
    """Show the stations of truck corridors: a table of the week, and one station by hour."""
    table = _missing(source, "station_hours", lang)
    if table is None:
        return
    names = labels(data, "week", lang)
    left, right, _ = st.columns([1, 2, 2])
    with left:
        weeks = facts.weeks_of(table)
        week = str(tasks.choose("corridor_week", weeks, weeks[0], names, lang, label="charging.week_label"))
    mine = facts.of(table, week=week)
    st.subheader(t("charging.corridor_title", lang, week=names[week]))
    called = {code: facts.place_name(("", code), data, lang) for code in mine["station"].unique().sort().to_list()}
    rows = vehicles.station_rows(mine, data, lang).with_columns(pl.col("station").replace(called))
    config = {
        "station": text(t("charging.station", lang), width=175),
        "energy": text(t("charging.energy", lang), width=80),
        "load_pct": number(t("charging.load_pct", lang), "%.0f", width=105),
        "arrivals": number(t("charging.arrivals", lang), "%.0f", width=65),
        "served": number(t("charging.served", lang), "%.0f", width=65),
        "lost": number(t("charging.lost", lang), "%.0f", width=55),
        "wait_mean_min": number(t("charging.wait_mean", lang), "%.1f", width=110),
        "queue_mean": number(t("charging.queue_mean", lang), "%.2f", width=105),
        "peak_mw": number(t("charging.card_peak", lang), "%.2f", width=105),
    }
    _twin(rows.select(list(config)), config, t("charging.station_table", lang), f"stations_{week}")
    with right:
        station = str(tasks.choose("corridor_station", list(called), next(iter(called)), called, lang, label="charging.station"))
    own = (
        mine.filter(pl.col("station") == station).group_by("hour").agg(pl.col("queue_mean", "kw", "arrivals").sum()).sort("hour")
    )
    hours = own.with_columns(clock=pl.Series([facts.clock(h, lang) for h in own["hour"]], dtype=pl.String), mw=pl.col("kw") / 1e3)
    for column, title in (("queue_mean", t("charging.queue_mean", lang)), ("mw", t("charging.axis_mw", lang))):
        st.altair_chart(drawn.hourly(hours, column, title=title, lang=lang), alt=f"{called[station]} {title}")


def _shore(source: Source, data: Inputs, lang: str) -> None:
    """Show the calls of a port by type of ship: connected, energy, waits."""
    table = _missing(source, "berth_calls", lang)
    if table is None:
        return
    mine, week, pair, title = _where("shore", table, data, lang)
    st.subheader(t("charging.shore_title", lang, at=title))
    config = {
        "ship_type": text(t("charging.ship_type", lang), width=150),
        "calls": number(t("charging.calls", lang), "%d", width=80),
        "connected": number(t("charging.connected", lang), "%d", width=90),
        "connected_pct": number(t("charging.connected_pct", lang), "%.1f", width=100),
        "berth_h": number(t("charging.berth_h", lang), "%.1f", width=120),
        "anchorage_h": number(t("charging.anchorage_h", lang), "%.2f", width=130),
        "shore_mwh": number(t("charging.shore_mwh", lang), "%.1f", width=120),
        "fuel_t": number(t("charging.fuel_t", lang), "%.1f", width=105),
    }
    _twin(vehicles.berth_rows(mine, lang), config, t("charging.calls_table", lang), f"berths_{pair[1]}_{week}")
    st.caption(t("charging.shore_note", lang))


# ---- checks ------------------------------------------------------------------------------------------------------------------------


def _checks(source: Source, data: Inputs, lang: str) -> None:
    """Show the self-checks of the simulated weeks, those that failed first."""
    st.markdown(t("charging.checks_intro", lang))
    table = source.table("self_checks")
    if table is None or table.is_empty():
        table = tasks.own_checks(source, lang)
        if table is None:
            return
    mine, week, pair, title = _where("checks", table, data, lang, by_system=True)
    whole = table["passed"].drop_nulls()
    st.subheader(t("charging.checks_title", lang, at=title))
    words = {"count": whole.len(), "failed": int((~whole).sum()), "information": table["passed"].null_count()}
    (st.error if words["failed"] else st.success)(t("charging.checks_sum", lang, **words))
    rows = facts.check_rows(facts.worst_first(mine), lang)
    config = {
        "check": text(t("charging.check", lang), width=230),
        "verdict": text(t("charging.verdict", lang), width=60),
        "simulated": text(t("charging.value", lang), width=80, alignment="right"),
        "expected": text(t("charging.expected", lang), width=80, alignment="right"),
        "interval": text(t("charging.interval", lang), width=140, alignment="right"),
        "difference": text(t("charging.difference", lang), width=80, alignment="right"),
        "limit": text(t("charging.limit", lang), width=80, alignment="right"),
    }
    st.markdown(f"**{t('charging.checks_table', lang)}**")
    show(rows.drop("explanation"), config, t("charging.checks_table", lang), 35 * 25 + 3, file="")
    downloads(rows, f"checks_{mine['system'][0]}_{pair[0]}_{week}", lang, config)
    with st.expander(t("charging.explanation", lang), expanded=True):
        said = rows.unique("explanation", maintain_order=True).select("check", "explanation").rows()
        st.markdown("\n".join(f"- **{check}**{'：' if lang == 'zh' else ': '}{why}" for check, why in said))


charging()
