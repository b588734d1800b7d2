"""Freight what-ifs: the sea-rail path, the project register, what levers cost, two runs compared, city distribution and industry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import polars.selectors as cs
import streamlit as st

from transport.app import account_charts, charts, state
from transport.app import what_if_charts as drawn
from transport.app import what_if_sea_rail as sea
from transport.app import what_if_tables as facts
from transport.app.downloads import downloads
from transport.app.freight_tables import names_of
from transport.app.provenance import where_from_target
from transport.app.what_if_runs import compare
from transport.app.what_if_widgets import ask, choose, speed, table_of
from transport.app.widgets import number, show, text
from transport.i18n import labels, t
from transport.layout import BASE_YEAR, FIRST_YEAR, PROVINCE
from transport.rank_cli import YEARS_KNOWN, named
from transport.run_deltas import VIEWS
from transport.text import period_text

if TYPE_CHECKING:
    from transport.app.freight_tables import Names
    from transport.inputs import Inputs
    from transport.store import StoredRun

SECTIONS = ("sea_rail", "projects", "costs", "compare", "industry")
START_YEAR = 2030
#: Widths of the columns of the ranking that are not 125 [px]: those of :data:`RANK_COLUMNS` fit a small screen.
_RANK_WIDTH = {
    "rank_t": 48, "project": 186, "kind": 86, "open_year": 62, "t_off_road": 140, "co2_avoided_t": 138, "cny_per_t": 68, "delay_cny": 174,
}  # fmt: skip
#: Columns of the ranking that a reader needs first; the others stand behind a switch and in the files.
RANK_COLUMNS = ("rank_t", "project", "kind", "open_year", "t_off_road", "co2_avoided_t", "cny_per_t", "delay_cny")
#: Widths of the columns of deliveries that need more [px].
_LIGHT_WIDTH = dict.fromkeys(("urban", "rural", "tkm"), 125)
#: Years between which throughput fell.
_FALL = (2019, 2021)
_ELASTIC = ("sea_rail_teu", "road_line_haul_tkm", "drayage_tkm")


def what_if() -> None:
    """Draw the page."""
    lang = state.language()
    name = str(st.session_state.get("scenario") or state.DEFAULT_SCENARIO)
    st.header(t("what_if.title", lang, scenario=getattr(state.scenario(name), f"title_{lang}")))
    run = state.stored(name)
    if run is None:
        st.info(t("app.nothing_yet", lang))
        return
    st.caption(t("what_if.question", lang))
    data = state.inputs_of(run)
    names = names_of(data, lang)
    sections = {"sea_rail": _sea_rail, "projects": _projects, "costs": _costs, "compare": _compare, "industry": _industry}
    for section, tab in zip(SECTIONS, st.tabs([t(f"what_if.tab_{s}", lang) for s in SECTIONS]), strict=True):
        with tab:
            sections[section](run, data, names, lang)


def _is_fixed(run: StoredRun) -> bool:
    return bool(run.manifest["resolved"]["run"].get("capacity") == "fixed")


# ---- sea-rail ----------------------------------------------------------------------------------------------------------------------


def _sea_rail(run: StoredRun, data: Inputs, names: Names, lang: str) -> None:
    """Show the path of the share, whether the target is reached and what binds, the ports and the chains."""
    path = table_of(run, "sea_rail_path", lang)
    if path is None:
        return
    title = t("what_if.path_title", lang)
    st.subheader(title)
    chains = state.table(run, "sea_rail_chains") if "sea_rail_chains" in run.manifest["tables"] else None
    found = sea.reached(path)
    if found is not None:
        _metrics(path, found, lang)
        where_from_target("sea_rail_share", run, data, lang)
        st.info("\n\n".join(_verdict(run, found, chains, data, names, lang)))
    zones = [PROVINCE, *sorted(set(path["zone_id"].to_list()) - {PROVINCE})]
    zone = str(choose("zone", zones, PROVINCE, names.places, lang))
    rows = sea.path_rows(path, zone, data, lang)
    st.altair_chart(drawn.share_path(rows, list(labels(data, "used_for", lang).values()), lang=lang), alt=title)
    _badges(path.filter(pl.col("zone_id") == zone), data, lang)
    forms = {
        "target": ".0f",
        "observed_share": ".1f",
        "implied": ".1f",
        "error": "+.1f",
        "observed_teu": ",.1f",
        "teu_error": "+.1f",
    }
    config = {
        "year": number(t("scorecard.year", lang), "%d", width=50),
        "share": number(t("what_if.share_short", lang), "%.1f", width=65),
        "teu": number(t("what_if.part_sea_rail", lang), "%.1f", width=70),
        "throughput": number(t("what_if.throughput", lang), "%.0f", width=70),
        "target": text(t("what_if.target_pct", lang), alignment="right", width=65),
        "period": text(t("what_if.period", lang), width=75),
        "observed_share": text(t("what_if.observed_share_short", lang), alignment="right", width=80),
        "error": text(t("what_if.error", lang), alignment="right", width=70),
        "implied": text(t("what_if.implied", lang), alignment="right", width=80),
        "observed_teu": text(t("what_if.observed_teu", lang), alignment="right", width=65),
        "teu_error": text(t("what_if.teu_error", lang), alignment="right", width=70),
        "use": text(t("what_if.use", lang), width=70),
        "quality": text(t("overview.quality", lang), width=75),
    }
    shown = facts.blank(rows, forms).with_columns(pl.col("period", "use", "quality").fill_null(""))
    show(shown.select(list(config)), config, title, 35 * 19 + 3)
    st.caption(t("what_if.path_note", lang, unit=t("what_if.unit_teu", lang)))
    _need(run, data, names, lang)
    _ports(run, names, lang)
    _changes(run, names, zone, lang)
    if chains is not None:
        _chains(run, names, lang)
    _elasticities(run, lang)


def _metrics(path: pl.DataFrame, found: sea.Reached, lang: str) -> None:
    whole = dict(path.filter(pl.col("zone_id") == PROVINCE).select("year", "share_pct").iter_rows())
    base = whole[BASE_YEAR]
    columns = st.columns(4)
    for column, year in zip(columns, (BASE_YEAR, found.target_year, START_YEAR), strict=False):
        column.metric(
            t("what_if.metric_share", lang, year=year),
            f"{whole[year]:.1f}",
            None if year == BASE_YEAR else t("what_if.points", lang, change=f"{whole[year] - base:+.1f}"),
            border=True,
            height="stretch",
        )
    raw, corrected = ("-" if year is None else str(year) for year in (found.first, found.first_corrected))
    columns[3].metric(
        t("what_if.metric_first", lang, target=f"{found.target_pct:g}"),
        corrected,
        None if raw == corrected else t("what_if.metric_raw", lang, year=raw),
        delta_color="off",
        delta_arrow="off",
        help=t("what_if.metric_first_help", lang),
        border=True,
        height="stretch",
    )


def _verdict(run: StoredRun, found: sea.Reached, chains: pl.DataFrame | None, data: Inputs, names: Names, lang: str) -> list[str]:
    """Return sentences: whether and when the target is reached, what the error on published years leaves of that, and what binds."""
    unit, target = t("what_if.unit_teu", lang), f"{found.target_pct:g}"
    key = "never" if found.first is None else "in_time" if found.first <= found.target_year else "late"
    said = [
        t(
            f"what_if.reached_{key}",
            lang,
            target=target,
            target_year=found.target_year,
            first=found.first or "",
            share=f"{found.at_target:.1f}",
            gap=f"{abs(found.gap_teu) / facts.TEU[lang]:,.1f}",
            unit=unit,
            best=f"{found.best:.1f}",
            best_year=found.best_year,
        )
    ]
    if found.observed_pct is not None:
        corrected = found.first_corrected
        said.append(
            t(
                "what_if.corrected_never" if corrected is None else "what_if.corrected",
                lang,
                period=period_text(found.observed_period, lang),
                observed=f"{found.observed_pct:.1f}",
                error=f"{found.error_points:+.1f}",
                target=target,
                first=corrected or "",
                target_year=found.target_year,
                share=f"{found.at_target_corrected:.2f}",
            )
        )
    if chains is None or chains.is_empty():
        return said
    limit = float(data.params().get("binding_ratio")[0, 0])
    for year in sorted({found.target_year, START_YEAR} & set(chains["year"].to_list())):
        tight = sea.tightest(chains, year)
        if tight.is_empty():
            continue
        row = tight.row(0, named=True)
        full = tight.filter(pl.col("vc_ratio") >= limit)
        said.append(
            t(
                "what_if.binds" if full.height else "what_if.binds_not",
                lang,
                year=year,
                place=sea.place_name(row["kind"], row["place"], names),
                ratio=f"{row['vc_ratio']:.2f}",
                limit=f"{limit:g}",
                count=full.height,
                teu=f"{float(full['teu'].sum()) / facts.TEU[lang]:,.1f}",
                unit=unit,
            )
        )
    if _is_fixed(run):
        said.append(t("what_if.fixed", lang))
    return said


def _badges(path: pl.DataFrame, data: Inputs, lang: str) -> None:
    """Show how good the published figures are."""
    used = path.drop_nulls("quality")
    if used.is_empty():
        st.caption(t("what_if.no_observed", lang))
        return
    qualities = labels(data, "quality", lang)
    found = []
    for code, label in qualities.items():
        years = used.filter(pl.col("quality") == code)["observed_period"].to_list()
        years = [period_text(year, lang) for year in years]
        if years:
            colour = "orange" if code in facts.WEAK else "blue"
            found.append(f":{colour}-badge[{label}] {facts.joint(lang).join(years)}")
    st.markdown(t("what_if.badges", lang, badges="　".join(found)))


def _need(run: StoredRun, data: Inputs, names: Names, lang: str) -> None:
    """Offer to find what brings the share to the target."""
    with st.expander(t("what_if.need_title", lang)):
        left, middle, right = st.columns(3)
        with left:
            year = int(choose("need_year", [2025, 2030, 2035], START_YEAR, {}, lang))
        with middle:
            goal = st.number_input(
                t("what_if.need_target", lang),
                5.0,
                60.0,
                15.0,
                1.0,
                format="%.0f",
                key="what_if_need_target",
                persist_state="session",
            )
        with right:
            capacity = speed("need_speed", lang)
        st.caption(t("what_if.need_note", lang))
        command = f"python -m transport sea-rail {run.manifest['scenario']} --target {goal:g} --year {year} --capacity {capacity}"
        st.code(command, language=None, wrap_lines=True)
        found = ask("need", [run], lang, year=year, target_pct=float(goal), capacity=capacity)
        if found is None:
            return
        if found["needs"].filter(pl.col("strength") > 0.0).is_empty():
            st.success(t("what_if.need_none", lang, year=year, target=f"{goal:g}", share=f"{found['needs']['share_pct'][0]:.1f}"))
            return
        table = sea.needs(found["needs"], data, lang)
        config = {
            "kind": text(t("what_if.need_kind", lang), width=80),
            "name": text(t("what_if.need_name", lang), width=190),
            "reached": text(t("what_if.need_reached", lang), width=60),
            "share": number(t("what_if.share_pct", lang), "%.1f", width=75),
            "strength": number(t("what_if.need_strength", lang), "%.0f", width=90),
            "outlay": number(t("what_if.need_outlay", lang), "%.2f", width=110),
            "levers": text(t("what_if.need_levers", lang)),
        }
        show(table, config, t("what_if.need_title", lang))
        places = [
            t("what_if.need_place", lang, place=sea.place_name(row["kind"], row["place"], names), ratio=f"{row['vc_ratio']:.2f}")
            for row in found["tight"].iter_rows(named=True)
        ]
        if places:
            st.caption(t("what_if.need_tight", lang, places=facts.joint(lang).join(places)))


def _ports(run: StoredRun, names: Names, lang: str) -> None:
    ports = table_of(run, "sea_rail_ports", lang)
    if ports is None:
        return
    st.subheader(t("what_if.ports_title", lang))
    years = sorted(ports["year"].unique().to_list())
    with st.columns([1, 3])[0]:
        year = int(choose("ports_year", years, START_YEAR, {}, lang))
    table = sea.port_parts(ports, names, year, lang)
    unit = t("what_if.unit_teu", lang)
    title = t("what_if.ports_chart", lang, year=year, unit=unit)
    colours = {t(f"what_if.part_{part}", lang): colour for part, colour in drawn.PART_COLOURS.items()}
    st.altair_chart(
        drawn.signed_bars(sea.part_bars(table, lang), colours, title=title, order=table["port"].to_list()[:-1]), alt=title
    )
    config = {"port": text(t("what_if.port", lang), width=130)}
    config |= {part: number(t(f"what_if.part_{part}", lang), "%.1f", width=85) for part in sea.PARTS}
    config |= {"throughput": number(t("what_if.throughput", lang), "%.1f", width=70)}
    config |= {"closes": number(t("what_if.closes", lang), "%.2f", width=70)}
    config |= {"observed": text(t("what_if.observed", lang), alignment="right", width=80)}
    config |= {"gateway": number(t("what_if.gateway", lang), "%.1f", width=80)}
    config |= {"share": number(t("what_if.share_pct", lang), "%.1f", width=70)}
    show(facts.blank(table, {"observed": ".1f"}).select(list(config)), config, title)
    st.caption(t("what_if.ports_note", lang, unit=unit))


def _changes(run: StoredRun, names: Names, zone: str, lang: str) -> None:
    table = table_of(run, "sea_rail_change", lang)
    if table is None:
        return
    title = t("what_if.change_title", lang, place=names.places.get(zone, zone))
    st.subheader(title)
    single = sea.changes(table, zone, single=True)
    parts = {t(f"what_if.{part}", lang): part for part in ("by_boxes", "by_throughput")}
    long = single.unpivot(on=list(parts.values()), index="period", variable_name="part", value_name="amount")
    shown = long.select(
        name="period", part=pl.col("part").replace_strict({code: label for label, code in parts.items()}), amount="amount"
    )
    left, right = st.columns([5, 6])
    with left:
        colours = dict(zip(parts, drawn.CHANGE_PARTS, strict=True))
        axis = t("what_if.points_axis", lang)
        st.altair_chart(drawn.signed_bars(shown, colours, title=axis, order=single["period"].to_list(), form="+.1f"), alt=title)
    with right:
        config = {"period": text(t("what_if.span", lang), width=85)}
        config |= {c: number(t(f"what_if.share_{c}", lang), "%.1f", width=65) for c in ("start", "end")}
        config |= {"change": number(t("what_if.change", lang), "%+.2f", width=60)}
        config |= {c: number(t(f"what_if.{c}", lang), "%+.2f", width=90) for c in ("by_boxes", "by_throughput")}
        show(pl.concat([sea.changes(table, zone, single=False), single]), config, title)
    st.caption(t("what_if.change_note", lang))
    told = table.filter(pl.col("zone_id") == zone, pl.col("from_year") == _FALL[0], pl.col("to_year") == _FALL[1])
    for row in told.iter_rows(named=True):
        values = {name: f"{row[name]:+.1f}" for name in ("change_points", "by_sea_rail_points", "by_throughput_points")}
        st.caption(t("what_if.change_fall", lang, start=_FALL[0], end=_FALL[1], **values))


def _chains(run: StoredRun, names: Names, lang: str) -> None:
    chains = table_of(run, "sea_rail_chains", lang)
    if chains is None or chains.is_empty():
        return
    title = t("what_if.chains_title", lang, top=sea.TOP)
    st.subheader(title)
    years = sorted(chains["year"].unique().to_list())
    with st.columns([1, 3])[0]:
        year = int(choose("chains_year", years, START_YEAR, {}, lang))
    config = {
        "port": text(t("what_if.port", lang), width=125),
        "way": text(t("what_if.way", lang), width=50),
        "terminal": text(t("what_if.terminal", lang), width=85),
        "teu": number(t("what_if.boxes", lang), "%.2f", width=60),
        "empty": number(t("what_if.empty", lang), "%.0f", width=65),
        "rail_km": number(t("what_if.rail_km", lang), "%.0f", width=65),
        "drayage_km": number(t("what_if.drayage_km", lang), "%.0f", width=65),
        "trains": number(t("what_if.trains", lang), "%.1f", width=55),
        "corridor": text(t("what_if.corridor", lang), width=110),
        "tight": text(t("what_if.tight", lang), width=165),
        "vc_ratio": number(t("freight.saturation", lang), "%.2f", width=60),
    }
    show(sea.chain_rows(chains, names, year, lang).select(list(config)), config, title, 35 * 21 + 3)
    st.caption(t("what_if.chains_note", lang, unit=t("what_if.unit_teu", lang)))


def _elasticities(run: StoredRun, lang: str) -> None:
    with st.expander(t("what_if.elastic_title", lang)):
        table = table_of(run, "sea_rail_elasticities", lang)
        if table is None:
            return
        config = {"price": text(t("what_if.elastic_price", lang), width=230)}
        config |= {name: text(t(f"what_if.elastic_{name}", lang), alignment="right") for name in _ELASTIC}
        show(sea.elasticities(table, lang), config, t("what_if.elastic_title", lang))
        st.caption(t("what_if.elastic_note", lang))


# ---- projects and levers -----------------------------------------------------------------------------------------------------------


def _projects(run: StoredRun, data: Inputs, names: Names, lang: str) -> None:
    """Show the register, what the run builds of it, and what each project would do."""
    del names
    register = state.inputs()
    built = facts.opened(register, run.manifest["resolved"].get("projects", {}))
    kinds, states = labels(data, "project_kind", lang), labels(data, "project_status", lang)
    title = t("what_if.projects_title", lang, count=register.table("networks/projects").height, built=len(built))
    st.subheader(title)
    called = dict(register.table("networks/projects").select("project_id", f"label_{lang}").iter_rows())
    listed = [
        t("what_if.built_in", lang, project=called[name], year=year) for name, year in sorted(built.items(), key=lambda x: x[1])
    ]
    if listed:
        st.markdown(t("what_if.built", lang, projects=facts.joint(lang).join(listed)))
    if "planned_links" in run.manifest["resolved"]["set"]:
        lever = dict(data.table("levers").select("lever", f"label_{lang}").iter_rows())["planned_links"]
        st.caption(t("what_if.planned", lang, lever=lever))
    left, middle, right = st.columns([4, 4, 3])
    options: dict[str, Any] = {"persist_state": "session", "placeholder": t("what_if.all", lang)}
    with left:
        kind = st.multiselect(t("what_if.kind", lang), kinds, format_func=lambda c: kinds[c], key="what_if_kind", **options)
    with middle:
        status = st.multiselect(
            t("what_if.status", lang), states, format_func=lambda c: states[c], key="what_if_status", **options
        )
    with right:
        needle = st.text_input(t("what_if.needle", lang), key="what_if_needle", persist_state="session")
    table = facts.project_rows(register, built, kind, status, needle.strip(), lang)
    if table.is_empty():
        st.info(t("what_if.no_project", lang))
        return
    money = "%.1f" if lang == "zh" else "%.0f"
    config = {
        "label": text(t("what_if.project", lang), width=170),
        "kind": text(t("what_if.kind", lang), width=110),
        "status": text(t("what_if.status", lang), width=85),
        "open_year": text(t("what_if.open_year", lang), alignment="right", width=80),
        "in_run": text(t("what_if.in_run", lang), alignment="right", width=70),
        "cost": number(t("projects.cost", lang), money, width=85),
        "low": number(t("projects.low", lang), money, width=50),
        "high": number(t("projects.high", lang), money, width=50),
        "quality": text(t("projects.quality", lang), width=100),
        "project_id": text(t("what_if.project_id", lang)),
    }
    show(facts.blank(table, {"open_year": "d", "in_run": "d"}).select(list(config)), config, title)
    st.caption(t("what_if.projects_note", lang))
    _ranking(run, register, table["project_id"].to_list(), lang)


def _ranking(run: StoredRun, data: Inputs, shown: list[str], lang: str) -> None:
    st.subheader(t("what_if.rank_title", lang))
    left, middle, _ = st.columns([1, 2, 1])
    with left:
        year = int(choose("rank_year", list(YEARS_KNOWN), START_YEAR, {}, lang))
    with middle:
        capacity = speed("rank_speed", lang)
    whole = len(shown) == data.table("networks/projects").height
    only = "" if whole else f" --only {' '.join(shown)}"
    st.code(
        f"python -m transport projects rank {run.manifest['scenario']} --year {year} --capacity {capacity}{only}",
        language=None,
        wrap_lines=True,
    )
    st.caption(t("what_if.rank_note", lang, count=len(shown)))
    found = ask("rank", [run], lang, year=year, names=shown, capacity=capacity)
    if found is None:
        return
    ranks = found["rank"]
    title = t("rank.title", lang, scenario=run.manifest[f"title_{lang}"], year=year)
    table = named(ranks, data, lang)
    head = {c: t(f"rank.{c}", lang) for c in ("project", "t_off_road")}
    bars = table.select(
        name=head["project"], part=pl.lit(head["t_off_road"]), amount=pl.col(head["t_off_road"]).cast(pl.Float64)
    ).head(sea.TOP)
    colours = {head["t_off_road"]: charts.MODE_COLOURS["rail"]}
    chart = drawn.signed_bars(bars, colours, title=head["t_off_road"], order=bars["name"].to_list(), form=",.1f")
    st.altair_chart(chart, alt=title)
    widths = {t(f"rank.{c}", lang): wide for c, wide in _RANK_WIDTH.items()}
    config = {
        c: number(c, width=widths.get(c, 125)) if table.schema[c].is_float() else text(c, width=widths.get(c, 125))
        for c in table.columns
    }
    every = st.toggle(
        t("what_if.rank_columns", lang),
        key="what_if_rank_columns",
        persist_state="session",
        help=t("what_if.rank_columns_help", lang),
    )
    # the form of the browser, which alone parts thousands, has as many digits as the number
    rounded = table.with_columns(cs.float().round(2))
    show(rounded if every else rounded.select([t(f"rank.{c}", lang) for c in RANK_COLUMNS]), config, title, file="")
    downloads(table, title, lang)
    st.caption(t("rank.note", lang))


def _costs(run: StoredRun, data: Inputs, names: Names, lang: str) -> None:
    """Show what the freight levers of the run cost, and how ports keep their collection quotas."""
    table = table_of(run, "freight_lever_costs", lang)
    if table is not None and table.is_empty():
        st.info(t("what_if.no_lever", lang))
    elif table is not None:
        left, _ = st.columns([1, 3])
        with left:
            year = int(choose("costs_year", sorted(table["year"].unique().to_list()), START_YEAR, {}, lang))
        title = t("what_if.costs_title", lang, year=year)
        st.subheader(title)
        rows = facts.lever_costs(table, year, data, lang)
        axis = t("what_if.amount", lang)
        payers = rows["payer"].unique(maintain_order=True).to_list()
        colours = dict(zip(payers, account_charts.COST_COLOURS, strict=False))
        bars = rows.select(name="lever", part="payer", amount="amount")
        st.altair_chart(drawn.signed_bars(bars, colours, title=axis, order=rows["lever"].to_list(), form=",.2f"), alt=title)
        config = {
            "lever": text(t("what_if.lever", lang), width=260),
            "amount": number(axis, "%.2f"),
            "payer": text(t("what_if.payer", lang)),
            "basis": text(t("what_if.basis", lang)),
            "quality": text(t("scorecard.quality", lang)),
        }
        show(rows, config, title)
        st.caption(t("what_if.costs_note", lang))
        free = facts.unpriced(table, data, lang)
        if free:
            st.caption(t("what_if.unpriced", lang, levers=facts.joint(lang).join(free)))
    _quotas(run, data, names, lang)


def _quotas(run: StoredRun, data: Inputs, names: Names, lang: str) -> None:
    quotas = table_of(run, "freight_quotas", lang)
    if quotas is None:
        return
    st.subheader(t("what_if.quotas_title", lang))
    if quotas.is_empty():
        st.info(t("what_if.no_quota", lang))
        return
    left, _ = st.columns([1, 3])
    with left:
        year = int(choose("quotas_year", sorted(quotas["year"].unique().to_list()), START_YEAR, {}, lang))
    rows = facts.quotas(quotas, names, year, data, lang)
    config = {"port": text(t("what_if.port", lang), width=150)}
    config |= {c: number(t(f"what_if.quota_{c}", lang), "%.1f") for c in ("quota", "without", "share", "charge", "unmet")}
    config["binds"] = text(t("what_if.quota_binds", lang), width=110)
    show(rows, config, t("what_if.quotas_title", lang))
    st.caption(t("what_if.quotas_note", lang))


# ---- compare -----------------------------------------------------------------------------------------------------------------------


def _compare(run: StoredRun, data: Inputs, names: Names, lang: str) -> None:
    """Compare two stored runs."""
    compare(run, data, names, lang, sorted(VIEWS))


# ---- distribution and industry -----------------------------------------------------------------------------------------------------


def _industry(run: StoredRun, data: Inputs, names: Names, lang: str) -> None:
    """Show light-truck distribution by prefecture, and what industry drives."""
    left, _ = st.columns([1, 3])
    with left:
        year = int(choose("industry_year", [y for y in (2020, 2025, 2030, 2035) if y >= FIRST_YEAR], START_YEAR, {}, lang))
    goods = table_of(run, "distribution", lang)
    if goods is not None:
        title = t("what_if.distribution_title", lang, year=year)
        st.subheader(title)
        rows = facts.distribution(goods, names, year, lang)
        parts = {part: t(f"distribution.{part}", lang) for part in ("urban", "rural")}
        long = rows.head(-1).unpivot(on=list(parts), index="area", variable_name="part", value_name="amount")
        bars = long.select(name="area", part=pl.col("part").replace_strict(parts), amount="amount")
        colours = dict(zip(parts.values(), (charts.MODE_COLOURS["road"], charts.MODE_COLOURS["air"]), strict=True))
        axis = t("what_if.light_tkm", lang)
        tkm, written = ("%.1f", ",.1f") if lang == "zh" else ("%.2f", ",.2f")
        st.altair_chart(
            account_charts.stacked(bars, colours, title=axis, order=rows["area"].to_list()[:-1], form=written), alt=title
        )
        forms = {
            "t": "localized",
            "urban": tkm,
            "rural": tkm,
            "tkm": tkm,
            "load": "%.2f",
            "clean": "%.1f",
            "handled": "%.1f",
        }
        config = {"area": text(t("freight.area", lang), width=75)}
        config |= {c: number(t(f"what_if.light_{c}", lang), form, width=_LIGHT_WIDTH.get(c, 90)) for c, form in forms.items()}
        config["cost"] = number(t("what_if.light_cost", lang), "%.1f" if lang == "zh" else "%.0f", width=85)
        show(rows, config, title)
        st.caption(t("what_if.distribution_note", lang))
    table = table_of(run, "industry", lang)
    if table is None:
        return
    title = t("what_if.industry_title", lang, year=year)
    st.subheader(title)
    rows = facts.industry(table, year, data, lang)
    products = labels(data, "product", lang)
    later = table.filter(pl.col("year") >= BASE_YEAR)
    paths = later.select(
        name=pl.col("product").replace_strict(products), year="year", amount=100.0 * pl.col("output_index") * pl.col("level")
    )
    axis = t("what_if.output_axis", lang)
    st.altair_chart(drawn.lines(paths, title=axis, legend=rows["product"].to_list()), alt=axis)
    config = {"product": text(t("industry.product", lang), width=110), "unit": text(t("app.accounts.unit", lang), width=80)}
    forms = {"output": "%.1f", "index": "%.0f", "level": "%.0f", "freight": "localized", "growth": "%.0f", "short": "localized"}
    config |= {c: number(t(f"what_if.product_{c}", lang), form, width=115) for c, form in forms.items()}
    show(rows.select(list(config)), config, title)
    st.caption(t("what_if.industry_note", lang))


what_if()
