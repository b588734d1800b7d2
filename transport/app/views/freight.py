"""Freight network: where it is full, what that holds back, who carries what between whom, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import streamlit as st

from transport.app import charts, maps, state
from transport.app import freight_flows as flows
from transport.app import freight_tables as facts
from transport.i18n import labels, t
from transport.layout import BASE_YEAR, FIRST_YEAR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.app.freight_tables import Names
    from transport.inputs import Inputs
    from transport.store import StoredRun

START_YEAR = 2030
START_MODES = ("rail", "road", "pipeline")
TERMINALS = ("siding", "yard", "berth", "crude", "product", "gas")
MEASURES = ("t", "rail_share")
LEGEND_TONNES = (1e7, 5e7, 1e8)
TABLE_HEIGHT = 35 * 11 + 3
CHAINS = (
    "road", "road_ordinary", *flows.RAIL_CHAINS, "roro", "sea_truck", "sea_train", "pipeline_crude", "pipeline_product", "pipeline_gas",
)  # fmt: skip


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
    names = facts.names_of(data, lang)
    year, modes, colour_by = _controls(run, data, lang)
    _metrics(run, year, lang)
    _sentences(run, data, names, year, lang)
    _map(run, data, names, year, modes, colour_by, lang)
    _bottlenecks(run, data, names, year, modes, lang)
    _commodities(run, data, year, lang)
    _corridors(run, data, names, year, lang)
    _areas(run, data, names, year, lang)
    _ports(run, data, names, year, lang)
    _speeds(run, data, year, lang)
    _chains(run, data, names, year, lang)


def _columns(run: StoredRun, name: str) -> tuple[str, ...]:
    return tuple(state.table(run, name).columns) if name in run.manifest["tables"] else ()


def _modes(data: Inputs, lang: str) -> dict[str, str]:
    named = labels(data, "mode", lang)
    return {mode: named[mode] for mode in facts.MODES}


def _kinds(lang: str) -> dict[str, str]:
    return {kind: t(f"freight.kind_{kind}", lang) for kind in TERMINALS}


def _constraints(lang: str) -> dict[str, str]:
    return {c: t(f"freight.constraint_{c}", lang) for c in facts.LINK_CONSTRAINTS} | _kinds(lang)


def _number(label: str, form: str = "localized", **options: Any) -> Any:
    return st.column_config.NumberColumn(label, format=form, **options)


def _tonnes(key: str, lang: str, **values: Any) -> Any:
    """Return a column of tonnes: whole 10^4 t in Chinese, Mt with two decimals in English."""
    return _number(t(f"freight.{key}", lang, **values), "localized" if lang == "zh" else "%.2f")


def _turnover(label: str, lang: str) -> Any:
    return _number(label, "%.1f" if lang == "zh" else "%.2f")


def _full(lang: str) -> Any:
    return st.column_config.ProgressColumn(t("freight.saturation", lang), format="%.2f", min_value=0.0, max_value=1.5, width=95)


def _controls(run: StoredRun, data: Inputs, lang: str) -> tuple[int, list[str], str]:
    """Ask for year, modes and the colour of the map."""
    years = sorted(state.table(run, "freight_links")["year"].unique().to_list())
    if st.session_state.get("freight_year") not in years:
        st.session_state["freight_year"] = START_YEAR if START_YEAR in years else years[-1]
    if "freight_modes" not in st.session_state:
        st.session_state["freight_modes"] = list(START_MODES)
    named = _modes(data, lang)
    left, middle, right = st.columns([3, 4, 3])
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
        colour_by = st.segmented_control(
            t("freight.colour", lang),
            maps.COLOUR_BY,
            required=True,
            default=maps.COLOUR_BY[0],
            format_func=lambda code: t(f"freight.colour_{code}", lang),
            key="freight_colour",
            persist_state="session",
        )
    return int(year), [mode for mode in facts.MODES if mode in chosen], str(colour_by or maps.COLOUR_BY[0])


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
        unknown = key == "unmet" and _is_fixed(run)
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


def _sentences(run: StoredRun, data: Inputs, names: Names, year: int, lang: str) -> None:
    """Name the worst bottleneck, the fullest railway section, and say what rail could carry if nothing were scarce."""
    unmet, links = state.table(run, "freight_unmet"), state.table(run, "freight_links")
    worst = facts.bottlenecks(unmet, year)
    said = []
    if _is_fixed(run):
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
                kind=_in_sentence(_constraints(lang)[row["constraint"]], lang),
                ratio="-" if ratio is None else f"{ratio:.2f}",
                amount=maps.tonnes_text(row["unmet_t"], lang),
                commodity=_in_sentence(labels(data, "commodity", lang)[row["commodity"]], lang),
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


def _is_fixed(run: StoredRun) -> bool:
    """Return whether the run kept the delays of the base year, so that no equilibrium says what is held back."""
    return bool(run.manifest["resolved"]["run"].get("capacity") == "fixed")


def _in_sentence(label: str, lang: str) -> str:
    return label if lang == "zh" else label[:1].lower() + label[1:]


def _map(run: StoredRun, data: Inputs, names: Names, year: int, modes: list[str], colour_by: str, lang: str) -> None:
    st.subheader(t("freight.map_title", lang, year=year))
    if not modes:
        st.info(t("freight.no_mode", lang))
        return
    nodes = data.table("networks/nodes")
    paths = maps.network_paths(state.table(run, "freight_links"), nodes, data.table("networks/shapes"), year, modes)
    terminals = state.table(run, "freight_terminals")
    dots = maps.busy_terminals(terminals, data.table("networks/zones"), nodes, year, facts.BUSY)
    towns = nodes.filter(pl.col("kind") == "city").select(pl.col(f"name_{lang}").alias("name"), "lat", "lon")
    top = float(str(paths["t_per_year"].max())) if paths.height else 1.0
    legend = _legend(_modes(data, lang), modes, colour_by, top, lang)
    st.altair_chart(charts.map_legend(legend), alt=", ".join(entry[0] for entry in legend))
    deck = maps.network_map(paths, dots, towns, names, _kinds(lang), colour_by=colour_by, lang=lang)
    st.pydeck_chart(deck, height=540, alt=t("freight.map_title", lang, year=year))
    st.caption(t("freight.attribution", lang))
    st.caption(t("freight.map_note", lang))
    with st.expander(t("freight.map_table", lang)):
        config = {
            "section": st.column_config.TextColumn(t("freight.column_section", lang), width=330),
            "mode": st.column_config.TextColumn(t("freight.mode", lang)),
            "forward": _tonnes("map_forward", lang),
            "backward": _tonnes("map_backward", lang),
            "capacity": _tonnes("capacity", lang),
            "vc_ratio": _full(lang),
        }
        _show(facts.map_table(paths, names, _modes(data, lang), lang), config, t("freight.map_table", lang))


def _legend(
    named: Mapping[str, str], modes: Sequence[str], colour_by: str, top: float, lang: str
) -> list[tuple[str, str, float, str]]:
    classes = [(t(f"freight.legend_saturation_{i}", lang), colour) for i, (_, colour) in enumerate(charts.SATURATION_CLASSES)]
    if colour_by == "mode":
        entries = [(named[mode], charts.MODE_COLOURS[mode], 5.0, "line") for mode in modes]
    else:
        entries = [(label, colour, 5.0, "line") for label, colour in classes]
        entries += [(t("freight.legend_unlimited", lang), charts.UNLIMITED_COLOUR, 5.0, "line")] if "water" in modes else []
    entries += [
        (maps.tonnes_text(amount, lang), "#444444", maps.line_width(amount, top), "line")
        for amount in LEGEND_TONNES
        if amount <= top
    ]
    busy = [
        (label, colour) for (label, colour), (low, _) in zip(classes, charts.SATURATION_CLASSES, strict=True) if low >= facts.BUSY
    ]
    return entries + [(t("freight.legend_dot", lang, label=label), colour, 5.0, "dot") for label, colour in busy]


def _bottlenecks(run: StoredRun, data: Inputs, names: Names, year: int, modes: list[str], lang: str) -> None:
    """Show the fullest sections of each mode, lines and terminals, and what they hold back."""
    named = {mode: label for mode, label in _modes(data, lang).items() if mode in modes}
    title = t("freight.bottleneck_title", lang, year=year)
    st.subheader(title)
    limited = [mode for mode in named if mode != "water"]
    heads = [t("freight.tab_mode", lang, mode=named[mode]) for mode in limited]
    tabs = st.tabs([*heads, t("freight.tab_lines", lang), t("freight.tab_terminals", lang)])
    common = {
        "vc_ratio": _full(lang),
        "t": _tonnes("heavier", lang),
        "capacity": _tonnes("capacity", lang),
        "price": _number(t("freight.price", lang), "%.1f"),
        "delay": _number(t("freight.delay", lang), "%.0f"),
        "outside": st.column_config.CheckboxColumn(t("freight.outside", lang)),
        "section": st.column_config.TextColumn(t("freight.column_section", lang), width=330),
        "terminal": st.column_config.TextColumn(t("freight.column_terminal", lang), width=230),
        "kind": st.column_config.TextColumn(t("freight.column_kind", lang)),
    }
    links = state.table(run, "freight_links")
    for tab, mode, head in zip(tabs, limited, heads, strict=False):
        with tab:
            _show(facts.sections(links, names, mode, year, lang), common, head)
    with tabs[-2]:
        config = {
            "line": st.column_config.TextColumn(t("freight.column_line", lang), width=180),
            "mode": st.column_config.TextColumn(t("freight.mode", lang)),
            "vc_ratio": _full(lang),
            "worst": st.column_config.TextColumn(t("freight.column_worst", lang), width=150),
            "km": _number(t("freight.km", lang)),
            "t": _tonnes("mean_flow", lang),
            "tkm": _turnover(t("freight.line_tkm", lang), lang),
        }
        _show(facts.lines(state.table(run, "freight_lines"), names, named, year, lang), config, title)
    with tabs[-1]:
        _show(facts.terminals(state.table(run, "freight_terminals"), names, _kinds(lang), year, lang), common, title)
    st.caption(t("freight.bottleneck_note", lang))
    _unmet(run, data, names, year, lang)


def _show(table: pl.DataFrame, config: dict[str, Any], alt: str, height: int = TABLE_HEIGHT) -> None:
    high = min(height, 35 * (table.height + 1) + 3)
    st.dataframe(table, hide_index=True, column_config={c: config[c] for c in table.columns}, height=high, alt=alt)


def _unmet(run: StoredRun, data: Inputs, names: Names, year: int, lang: str) -> None:
    title = t("freight.unmet_title", lang, year=year)
    st.subheader(title)
    unmet, kinds = state.table(run, "freight_unmet"), _constraints(lang)
    summary = facts.held_back(unmet, kinds, year, lang)
    if summary.is_empty():
        st.info(t("freight.sentence_fixed", lang) if _is_fixed(run) else t("freight.unmet_none", lang, year=year))
        return
    form = "localized" if lang == "zh" else "%.2f"
    config = {
        "unmet": _number(t("freight.unmet", lang), form, width=70),
        "vc_ratio": _number(t("freight.saturation", lang), "%.2f", width=70),
        "first_year": _number(t("freight.first_year", lang), "%d", width=55),
        "constraint": st.column_config.TextColumn(t("freight.constraint", lang), width=105),
        "places": _number(t("freight.places", lang), width=55),
        "place": st.column_config.TextColumn(t("freight.place", lang), width=200),
        "commodity": st.column_config.TextColumn(t("freight.most_commodity", lang)),
    }
    left, right = st.columns([7, 12])
    with left:
        st.markdown(f"**{t('freight.unmet_by_constraint', lang)}**")
        _show(summary, config, title)
    with right:
        st.markdown(f"**{t('freight.unmet_places', lang)}**")
        found = facts.held_places(facts.bottlenecks(unmet, year), names, kinds, labels(data, "commodity", lang), lang)
        _show(found, config, t("freight.unmet_places", lang), height=35 * 9 + 3)
    st.caption(t("freight.unmet_note", lang))


def _commodities(run: StoredRun, data: Inputs, year: int, lang: str) -> None:
    """Show which freight goes how, beside the mean haul of each mode."""
    left, right = st.columns([3, 2])
    modes = _modes(data, lang)
    with left:
        title = t("freight.commodity_title", lang, year=year)
        st.subheader(title)
        shares = flows.commodity_modes(state.table(run, "freight"), year)
        st.altair_chart(charts.commodity_modes(shares, labels(data, "commodity", lang), modes, lang=lang), alt=title)
    with right:
        st.subheader(t("freight.haul_title", lang))
        hauls = flows.mean_hauls(state.table(run, "freight_corridors"))
        st.altair_chart(charts.mean_hauls(hauls, modes, lang=lang), alt=t("freight.haul_title", lang))
        st.caption(t("freight.haul_note", lang))


def _corridors(run: StoredRun, data: Inputs, names: Names, year: int, lang: str) -> None:
    title = t("freight.corridor_title", lang, year=year)
    st.subheader(title)
    measure = st.segmented_control(
        t("freight.corridor_measure", lang),
        MEASURES,
        required=True,
        default=MEASURES[0],
        format_func=lambda code: t(f"freight.measure_{code}", lang),
        key="freight_measure",
        persist_state="session",
    )
    corridors = state.table(run, "freight_corridors")
    matrix = flows.corridor_matrix(corridors, names, year)
    present = {*matrix["from_place"].to_list(), *matrix["to_place"].to_list()}
    places = {code: names.places.get(code, code) for code in [*labels(data, "area", lang), facts.OUTSIDE] if code in present}
    chart = charts.corridor_matrix(matrix, places, measure=str(measure or MEASURES[0]), lang=lang)
    st.altair_chart(chart, alt=title)
    st.caption(t("freight.corridor_note", lang))
    with st.expander(t("freight.corridor_table", lang)):
        config = {
            "from": st.column_config.TextColumn(t("freight.from", lang)),
            "to": st.column_config.TextColumn(t("freight.to", lang)),
            "t": _tonnes("total", lang),
            "rail_share": _number(t("freight.rail_share", lang), "%.1f"),
            "haul": _number(t("freight.haul", lang)),
        }
        config |= {m: _tonnes("mode_t", lang, mode=label) for m, label in _modes(data, lang).items()}
        _show(flows.corridor_table(corridors, names, year, lang), config, t("freight.corridor_table", lang))


def _areas(run: StoredRun, data: Inputs, names: Names, year: int, lang: str) -> None:
    title = t("freight.area_title", lang, year=year)
    st.subheader(title)
    moved, ends = flows.prefectures(state.table(run, "freight_areas"), names, year, lang)
    config = {
        "area": st.column_config.TextColumn(t("freight.area", lang), width=72),
        "all": _turnover(t("freight.all", lang), lang),
        "rail_share": _number(t("freight.rail_share", lang), "%.1f"),
    }
    config |= {mode: _turnover(label, lang) for mode, label in _modes(data, lang).items()}
    config |= {c: _tonnes(c, lang) for c in ("sent", "received")}
    config |= {f"rail_{c}": _tonnes(f"of_which_rail_{c}", lang) for c in ("sent", "received")}
    for column, table, head in zip(st.columns([10, 9]), (moved, ends), ("area_tkm_title", "area_t_title"), strict=True):
        with column:
            st.markdown(f"**{t(f'freight.{head}', lang)}**")
            _show(table, config, t(f"freight.{head}", lang), height=35 * 15 + 3)
    st.caption(t("freight.area_note", lang))


def _ports(run: StoredRun, data: Inputs, names: Names, year: int, lang: str) -> None:
    """Show which port the goods of each commodity take, beside what the port is fitted to."""
    title = t("freight.port_title", lang, year=year)
    with st.expander(title):
        directions = {d: t(f"freight.port_{d}", lang) for d in ("to_sea", "from_sea")}
        config = {
            "commodity": st.column_config.TextColumn(t("freight.od_commodity", lang)),
            "direction": st.column_config.TextColumn(t("freight.port_direction", lang)),
            "port": st.column_config.TextColumn(t("freight.port_port", lang)),
            "t": _tonnes("flow_t", lang),
            "share": _number(t("freight.port_share", lang), "%.1f"),
            "fitted": _number(t("freight.port_fitted", lang, base=BASE_YEAR), "%.1f"),
        }
        table = state.table(run, "freight_ports")
        _show(flows.ports(table, names, labels(data, "commodity", lang), directions, year, lang), config, title)
        st.caption(t("freight.port_note", lang, base=BASE_YEAR))


def _speeds(run: StoredRun, data: Inputs, year: int, lang: str) -> None:
    modes, table = _modes(data, lang), state.table(run, "freight_speeds")
    title = t("freight.speed_title", lang, base=BASE_YEAR)
    with st.expander(title):
        st.altair_chart(charts.two_speeds(table, modes, lang=lang), width="content", alt=title)
        changes = ("t_change", "tkm_change")
        config = {"mode": st.column_config.TextColumn(t("freight.mode", lang))}
        config |= {c: _tonnes(f"speed_{c}", lang) for c in ("t", "t_fixed")}
        config |= {c: _turnover(t(f"freight.speed_{c}", lang), lang) for c in ("tkm", "tkm_fixed")}
        config |= {c: _number(t(f"freight.speed_{c}", lang), "%+.1f") for c in changes}
        _show(flows.speeds(table, modes, year, lang), config, title)
        st.caption(t("freight.speed_note", lang, year=year))
        found = state.table(run, "freight_convergence").filter(pl.col("year") == year)
        if found.is_empty():
            st.caption(t("freight.not_converged", lang))
            return
        row = found.row(0, named=True)
        gaps = {short: f"{100.0 * row[f'{short}_gap']:.1g}" for short in ("choice", "road", "line")}
        st.caption(t("freight.converged", lang, year=year, iterations=row["iterations"], **gaps))


def _chains(run: StoredRun, data: Inputs, names: Names, year: int, lang: str) -> None:
    """Let the reader pick a flow and compare its chains."""
    title = t("freight.od_title", lang, year=year)
    st.subheader(title)
    od = state.table(run, "freight_od").filter(pl.col("year") == year)
    first = flows.first_flow(od, year)
    if first is None:
        st.info(t("freight.od_none", lang))
        return
    commodities = labels(data, "commodity", lang)
    columns, flow = st.columns(3), []
    for column, key, start in zip(columns, ("origin", "destination", "commodity"), first, strict=True):
        options = od.group_by(key).agg(pl.col("t").sum()).sort("t", key, descending=[True, False])[key].to_list()
        called = commodities if key == "commodity" else names.places
        flow.append(_pick(column, key, options, start, called, lang))
        od = od.filter(pl.col(key) == flow[-1])
    config = {
        "chain": st.column_config.TextColumn(t("freight.chain", lang), width=240),
        "share": st.column_config.ProgressColumn(t("freight.share", lang), format="%.1f", min_value=0.0, max_value=100.0),
        "t": _tonnes("flow_t", lang),
        "km": _number(t("freight.km", lang)),
        "cost": _number(t("freight.cost", lang), "%.1f"),
    }
    called = {code: t(f"freight.chain_{code}", lang) for code in CHAINS}
    _show(flows.chains(od, (flow[0], flow[1], flow[2]), year, called, lang), config, title)
    st.caption(t("freight.od_note", lang))


def _pick(column: Any, key: str, options: Sequence[str], start: str, called: Mapping[str, str], lang: str) -> str:
    """Return the chosen end or commodity; what the new origin does not offer falls back to the example or to the largest."""
    widget = f"freight_{key}"
    if st.session_state.get(widget) not in options:
        st.session_state[widget] = start if start in options else options[0]
    picked = column.selectbox(
        t(f"freight.od_{key}", lang),
        options,
        format_func=lambda code: called.get(code, code),
        key=widget,
        persist_state="session",
        placeholder=t("app.choose", lang),
    )
    return str(picked)


freight()
