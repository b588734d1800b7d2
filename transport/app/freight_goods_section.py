"""What goes how and where: the section of the freight page on commodities, flows to corridors, prefectures and ports."""

from __future__ import annotations

import streamlit as st

from transport.app import charts, state
from transport.app import freight_flows as flows
from transport.app import freight_sankey as sankey
from transport.app import freight_tables as facts
from transport.app.column_widths import ROOM
from transport.app.freight_widgets import Looked, number, slim_note, text, tonnes, turnover, twin
from transport.bundled import PLACES
from transport.i18n import labels, t
from transport.layout import BASE_YEAR

MEASURES = ("t", "rail_share")


def draw(looked: Looked) -> None:
    """Draw the section.

    Parameters
    ----------
    looked
        What the page looks at.
    """
    _commodities(looked)
    _sankey(looked)
    _corridors(looked)
    _areas(looked)
    _ports(looked)


def _commodities(looked: Looked) -> None:
    """Show which freight goes how, beside the mean haul of each mode."""
    lang, modes = looked.lang, looked.mode_labels()
    left, right = st.columns([3, 2])
    shares = flows.commodity_modes(state.table(looked.run, "freight"), looked.year)
    with left:
        title = t("freight.commodity_title", lang, year=looked.year)
        st.subheader(title)
        st.altair_chart(charts.commodity_modes(shares, looked.commodities(), modes, lang=lang), alt=title)
    with right:
        st.subheader(t("freight.haul_title", lang))
        hauls = flows.mean_hauls(state.table(looked.run, "freight_corridors"))
        st.altair_chart(charts.mean_hauls(hauls, modes, lang=lang), alt=t("freight.haul_title", lang))
        st.caption(t("freight.haul_note", lang))
    with st.expander(t("fleets.table_of", lang, title=title)):
        table = flows.commodity_table(shares, looked.commodities(), lang)
        config = {"commodity": text(t("freight.commodity", lang), width=130)}
        config |= {
            mode: turnover(t("fleets.with_unit", lang, name=label, unit=t("freight_flow.tkm", lang)), lang)
            for mode, label in modes.items()
        }
        config["all"] = turnover(t("fleets.with_unit", lang, name=t("freight.all", lang), unit=t("freight_flow.tkm", lang)), lang)
        config["rail_share"] = number(t("freight.rail_share", lang), "%.1f")
        twin(table, config, title, "commodities", lang)


def _sankey(looked: Looked) -> None:
    """Show commodity, mode and corridor as one flow chart."""
    lang, modes, named = looked.lang, looked.mode_labels(), looked.commodities()
    goods = named.get(looked.commodity, t("freight_flow.all_goods", lang))
    title = t("freight_flow.title", lang, year=looked.year, goods=goods)
    st.subheader(title)
    zones = looked.data.table("networks/zones")
    flows_of = PLACES if PLACES in looked.run.manifest["tables"] else "freight_od"
    rows = sankey.flow_rows(state.table(looked.run, flows_of), zones, looked.year, looked.commodity)
    slim_note(looked, short=PLACES not in looked.run.manifest["tables"])
    if rows.is_empty():
        st.info(t("freight.no_goods", lang, year=looked.year, goods=goods))
        return
    shown = sankey.named_rows(rows, looked.names, named, modes, lang)
    st.echarts_chart(
        sankey.option(shown, modes, lang),
        height=sankey.height(shown),
        key=f"freight_sankey_{looked.year}_{looked.commodity}_{lang}",
        alt=t("freight_flow.alt", lang, title=title),
    )
    st.caption(t("freight_flow.note", lang, top=sankey.CORRIDORS))
    with st.expander(t("fleets.table_of", lang, title=title)):
        config = {
            "commodity": text(t("freight.commodity", lang), width=130),
            "mode": text(t("freight.mode", lang)),
            "corridor": text(t("freight_flow.column", lang), width=230),
            "t": number(t("freight_flow.tonnes", lang), "%.1f" if lang == "zh" else "%.3f"),
        }
        twin(shown, config, title, "flow", lang)


def _corridors(looked: Looked) -> None:
    lang, year, names = looked.lang, looked.year, looked.names
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
    corridors = state.table(looked.run, "freight_corridors")
    matrix = flows.corridor_matrix(corridors, names, year)
    present = {*matrix["from_place"].to_list(), *matrix["to_place"].to_list()}
    places = {
        code: names.places.get(code, code) for code in [*labels(looked.data, "area", lang), facts.OUTSIDE] if code in present
    }
    chart = charts.corridor_matrix(matrix, places, measure=str(measure or MEASURES[0]), lang=lang)
    st.altair_chart(chart, alt=title)
    st.caption(t("freight.corridor_note", lang))
    with st.expander(t("freight.corridor_table", lang)):
        config = {
            "from": text(t("freight.from", lang)),
            "to": text(t("freight.to", lang)),
            "t": tonnes("total", lang),
            "rail_share": number(t("freight.rail_share", lang), "%.1f"),
            "haul": number(t("freight.haul", lang)),
        }
        config |= {m: tonnes("mode_t", lang, mode=label) for m, label in looked.mode_labels().items()}
        twin(flows.corridor_table(corridors, names, year, lang), config, t("freight.corridor_table", lang), "corridors", lang)


def _areas(looked: Looked) -> None:
    lang = looked.lang
    title = t("freight.area_title", lang, year=looked.year)
    st.subheader(title)
    moved, ends = flows.prefectures(state.table(looked.run, "freight_areas"), looked.names, looked.year, lang)
    config = {
        "area": text(t("freight.area", lang), width=72),
        "all": turnover(t("freight.all", lang), lang),
        "rail_share": number(t("freight.rail_share", lang), "%.1f"),
    }
    config |= {mode: turnover(label, lang) for mode, label in looked.mode_labels().items()}
    config |= {c: tonnes(c, lang) for c in ("sent", "received")}
    config |= {f"rail_{c}": tonnes(f"of_which_rail_{c}", lang) for c in ("sent", "received")}
    for column, table, head in zip(st.columns([10, 9]), (moved, ends), ("area_tkm_title", "area_t_title"), strict=True):
        with column:
            st.markdown(f"**{t(f'freight.{head}', lang)}**")
            twin(table, config, t(f"freight.{head}", lang), head, lang, height=35 * 15 + 3, room=ROOM // 2)
    st.caption(t("freight.area_note", lang))


def _ports(looked: Looked) -> None:
    """Show which port the goods of each commodity take, beside what the port is fitted to."""
    lang = looked.lang
    title = t("freight.port_title", lang, year=looked.year)
    with st.expander(title):
        directions = {d: t(f"freight.port_{d}", lang) for d in ("to_sea", "from_sea")}
        config = {
            "commodity": text(t("freight.od_commodity", lang)),
            "direction": text(t("freight.port_direction", lang)),
            "port": text(t("freight.port_port", lang)),
            "t": tonnes("flow_t", lang),
            "share": number(t("freight.port_share", lang), "%.1f"),
            "fitted": number(t("freight.port_fitted", lang, base=BASE_YEAR), "%.1f"),
        }
        table = state.table(looked.run, "freight_ports")
        shown = flows.ports(table, looked.names, looked.commodities(), directions, looked.year, lang)
        twin(shown, config, title, "ports", lang)
        st.caption(t("freight.port_note", lang, base=BASE_YEAR))
