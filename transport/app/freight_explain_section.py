"""Why a haul goes the way it does: chains of a flow with cost terms, shares, CO2 and the path on the map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import streamlit as st

from transport.app import freight_answers as answers
from transport.app import freight_flows as flows
from transport.app import haul_maps, maps, state
from transport.app import what_if_charts as drawn
from transport.app.freight_map_section import towns
from transport.app.freight_widgets import Looked, calculate, chain_labels, kinds, number, pick, slim_note, text, tonnes, twin
from transport.app.what_if_tables import blank
from transport.freight_explain import TERMS
from transport.i18n import t

if TYPE_CHECKING:
    from collections.abc import Mapping

MODE_KM = {"road": "km_road", "rail": "km_rail", "water": "km_water", "pipeline": "km_pipeline"}


def draw(looked: Looked) -> None:
    """Draw the section.

    Parameters
    ----------
    looked
        What the page looks at.
    """
    lang, year = looked.lang, looked.year
    title = t("freight.od_title", lang, year=year)
    st.subheader(title)
    od = state.table(looked.run, "freight_od").filter(pl.col("year") == year)
    first = flows.first_flow(od, year)
    if first is None:
        st.info(t("freight.od_none", lang))
        return
    columns, flow, rows = st.columns(3), [], od
    for column, key, start in zip(columns, ("origin", "destination", "commodity"), first, strict=True):
        options = rows.group_by(key).agg(pl.col("t").sum()).sort("t", key, descending=[True, False])[key].to_list()
        called = looked.commodities() if key == "commodity" else looked.names.places
        flow.append(str(pick(key, options, start, called, lang, label=f"freight.od_{key}", column=column)))
        rows = rows.filter(pl.col(key) == flow[-1])
    slim_note(looked)
    config = {
        "chain": text(t("freight.chain", lang), width=240),
        "share": st.column_config.ProgressColumn(t("freight.share", lang), format="%.1f", min_value=0.0, max_value=100.0),
        "t": tonnes("flow_t", lang),
        "km": number(t("freight.km", lang)),
        "cost": number(t("freight.cost", lang), "%.1f"),
    }
    twin(flows.chains(od, (flow[0], flow[1], flow[2]), year, chain_labels(lang), lang), config, title, "chains", lang)
    st.caption(t("freight.od_note", lang))
    st.markdown(f"**{t('freight_ask.explain_title', lang)}**")
    st.caption(t("freight_ask.explain_note", lang, origin=looked.names.places.get(flow[0], flow[0])))
    pairs = od.filter(pl.col("origin") == flow[0]).select("destination", "commodity").unique().sort("destination", "commodity")
    found = calculate("explain", looked, {"pairs": pairs.rows()}, year=year, origin=flow[0])
    if found is not None:
        _explained(looked, {name: answers.of_pair(table, flow[1], flow[2]) for name, table in found.items()})


def _explained(looked: Looked, found: Mapping[str, pl.DataFrame]) -> None:
    """Show the chains of one flow, what they cost, and where one of them runs."""
    lang, chains, called = looked.lang, found["chains"], chain_labels(looked.lang)
    if chains.is_empty():
        st.info(t("freight_ask.no_chain", lang))
        return
    head = found["heads"].row(0, named=True)
    amount, captive = (maps.tonnes_text(head[c], lang) for c in ("t_per_year", "captive_t_per_year"))
    st.info(f"{head[f'sentence_{lang}']}\n\n{t('freight_ask.demand', lang, amount=amount, captive=captive)}")
    title = t("freight_ask.chains_title", lang)
    digits = "%.2f" if lang == "zh" else "%.4f"
    config = {
        "chain": text(t("freight.chain", lang), width=205),
        "share": number(t("freight.share", lang), "%.1f", width=75),
        "t": number(t("freight.flow_t", lang), digits, width=95),
        "cost": number(t("freight.cost", lang), "%.1f", width=95),
        "beside": number(t("freight_ask.beside", lang), "%+.1f", width=80),
        "hours": number(t("freight_ask.hours", lang), "%.0f", width=55),
        "co2": number(t("freight_ask.co2", lang), "%.1f", width=110),
    }
    config |= {
        column: number(t("freight_ask.km", lang, mode=looked.mode_labels()[mode]), "%.0f", width=90)
        for mode, column in MODE_KM.items()
    }
    twin(answers.chain_rows(chains, called, lang), config, title, "explained", lang)
    terms = answers.cost_terms(chains, called, lang)
    title = t("freight_ask.terms_title", lang)
    st.markdown(f"**{title}**")
    axis = t("freight.cost", lang)
    colours = {t(f"explain.term_name.{term}", lang): answers.TERM_COLOURS[term] for term in TERMS}
    order = terms["name"].unique(maintain_order=True).to_list()
    st.altair_chart(drawn.signed_bars(terms, colours, title=axis, order=order, form=",.1f"), alt=title)
    with st.expander(t("fleets.table_of", lang, title=title)):
        table = answers.term_table(terms)
        config = {"part": text(t("freight_ask.term", lang), width=170)} | {
            name: number(name, "%.1f") for name in table.columns[1:]
        }
        twin(table, config, title, "terms", lang)
    _path(looked, found)
    st.caption(t("freight_ask.explained_note", lang))
    if looked.run.manifest["resolved"]["run"].get("capacity", "equilibrium") == "equilibrium":
        st.caption(t("explain.note_path", lang))


def _path(looked: Looked, found: Mapping[str, pl.DataFrame]) -> None:
    """Draw one chain on the map, and list its legs and terminals."""
    lang, data = looked.lang, looked.data
    named = answers.chain_names(found["chains"], chain_labels(lang), lang)
    chain = int(pick("chain", list(named), next(iter(named)), named, lang, label="freight_ask.path_of"))
    title = t("freight_ask.path_title", lang, chain=named[chain])
    st.markdown(f"**{title}**")
    nodes = data.table("networks/nodes")
    links = state.table(looked.run, "freight_links")
    network = maps.network_paths(links, nodes, data.table("networks/shapes"), looked.year, list(looked.mode_labels()))
    legs = answers.legs(found["path"], chain, lang)
    at = {node: (lon, lat) for node, lon, lat in nodes.select("node_id", "lon", "lat").iter_rows()}
    at |= {zone: at[node] for zone, node in data.table("networks/zones").select("zone_id", "node_id").iter_rows() if node in at}
    kind = kinds(lang)
    name = "name" if lang == "zh" else "name_en"
    stops = [
        {
            "lon": at[row["place"]][0],
            "lat": at[row["place"]][1],
            "tip": t(
                "freight_ask.stop", lang, name=row[name], kind=kind.get(row["kind"], row["kind"]), ratio=f"{row['vc_ratio']:.2f}"
            ),
        }
        for row in found["stops"].filter(pl.col("chain") == chain).iter_rows(named=True)
        if row["place"] in at
    ]
    st.pydeck_chart(haul_maps.chain_map(network, legs, stops, towns(looked), looked.names, lang), height=460, alt=title)
    st.caption(t("freight.attribution", lang))
    schema = {"network": pl.String, "way": pl.String, "km": pl.Float64, "worst": pl.String, "ratio": pl.Float64}
    rows = pl.DataFrame([{c: leg[c] for c in schema} for leg in legs], schema=schema)
    config = {
        "network": text(t("freight_ask.leg", lang), width=100),
        "way": text(t("freight_ask.way", lang), width=380),
        "km": number(t("freight.km", lang), "%.1f", width=75),
        "worst": text(t("freight.column_worst", lang), width=200),
        "ratio": text(t("freight.saturation", lang), alignment="right", width=65),
    }
    twin(blank(rows, {"ratio": ".2f"}), config, title, "legs", lang)
