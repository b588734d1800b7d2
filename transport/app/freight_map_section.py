"""The map of the freight page: flows by mode or saturation, terminals, and the flows of one commodity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import streamlit as st

from transport.app import charts, haul_maps, maps, state
from transport.app import freight_tables as facts
from transport.app.freight_widgets import Looked, calculate, fullness, kinds, slim_note, text, tonnes, twin
from transport.freight_loads import main_modes
from transport.i18n import t

if TYPE_CHECKING:
    from collections.abc import Sequence

LEGEND_TONNES = (1e7, 5e7, 1e8)
#: Smaller flows of a single commodity.
LEGEND_GOODS = (1e6, 5e6, 2e7)
#: Lines between places that the map shows of one commodity.
DESIRE = 250
#: Kinds of terminals of each mode.
_KINDS = {"rail": ("siding", "yard"), "water": ("berth",), "pipeline": ("crude", "product", "gas"), "road": ("yard",)}
HEIGHT = 540


def draw(looked: Looked) -> None:
    """Draw the section.

    Parameters
    ----------
    looked
        What the page looks at.
    """
    lang, year = looked.lang, looked.year
    goods = looked.commodities().get(looked.commodity, "")
    title = t("freight.map_goods_title", lang, year=year, goods=goods) if goods else t("freight.map_title", lang, year=year)
    st.subheader(title)
    if not looked.modes:
        st.info(t("freight.no_mode", lang))
        return
    if not goods:
        _flows(looked, title, None, None, "")
        return
    places = state.table(looked.run, "freight_terminals").filter(pl.col("year") == year).select("kind", "place").rows()
    st.caption(t("freight_ask.flows_note", lang))
    found = calculate("flows", looked, {"places": places}, year=year)
    if found is None:
        _desire(looked, title)
        return
    _flows(looked, title, found["links"], found["terminals"], goods)


def towns(looked: Looked) -> pl.DataFrame:
    """Return the towns written on a map: name, lat, lon.

    Parameters
    ----------
    looked
        What the page looks at.
    """
    cities = looked.data.table("networks/nodes").filter(pl.col("kind") == "city")
    return cities.select(pl.col(f"name_{looked.lang}").alias("name"), "lat", "lon")


def _flows(looked: Looked, title: str, loads: pl.DataFrame | None, places: pl.DataFrame | None, goods: str) -> None:
    """Show links and terminals, of all goods or of one commodity."""
    lang, year, data = looked.lang, looked.year, looked.data
    nodes = data.table("networks/nodes")
    paths = maps.network_paths(state.table(looked.run, "freight_links"), nodes, data.table("networks/shapes"), year, looked.modes)
    terminals = state.table(looked.run, "freight_terminals")
    busy = facts.BUSY
    if loads is not None and places is not None:
        paths = haul_maps.of_goods(paths, loads, goods, looked.commodity)
        mine = places.filter(pl.col("commodity") == looked.commodity).select("kind", "place", goods_t="t")
        wanted = [kind for mode in looked.modes for kind in _KINDS[mode]]
        terminals = terminals.filter(pl.col("kind").is_in(wanted)).join(mine, on=["kind", "place"], how="inner")
        busy = 0.0
    dots = maps.busy_terminals(terminals, data.table("networks/zones"), nodes, year, busy)
    top = float(str(paths["t_per_year"].max())) if paths.height else 1.0
    legend = _legend(looked, looked.colour_by, top, every_terminal=loads is not None)
    st.altair_chart(charts.map_legend(legend), alt=", ".join(entry[0] for entry in legend))
    deck = maps.network_map(paths, dots, towns(looked), looked.names, kinds(lang), colour_by=looked.colour_by, lang=lang)
    st.pydeck_chart(deck, height=HEIGHT, alt=title)
    st.caption(t("freight.attribution", lang))
    st.caption(t("freight.map_note" if not goods else "freight.map_goods_note", lang))
    with st.expander(t("freight.map_table", lang)):
        config = {
            "section": text(t("freight.column_section", lang), width=330),
            "mode": text(t("freight.mode", lang)),
            "goods": tonnes("goods_t", lang, goods=goods),
            "forward": tonnes("map_forward", lang),
            "backward": tonnes("map_backward", lang),
            "capacity": text(t("freight.capacity", lang), alignment="right"),
            "vc_ratio": text(t("freight.saturation", lang), alignment="right"),
        }
        table = facts.map_table(paths, looked.names, looked.mode_labels(), lang)
        twin(table, config, t("freight.map_table", lang), "map", lang)
        if places is not None:
            st.markdown(f"**{t('freight.map_terminals', lang)}**")
            shown = dots.sort("goods_t", descending=True).select(
                pl.col("place")
                .replace_strict(looked.names.places, default=pl.col("place"), return_dtype=pl.String)
                .alias("terminal"),
                pl.col("kind").replace_strict(kinds(lang)),
                facts.tonnes(lang, "goods_t").alias("goods"),
                facts.tonnes(lang, "t_per_year").alias("t"),
                pl.col("vc_ratio").round(3),
            )
            config |= {
                "vc_ratio": fullness(lang),
                "terminal": text(t("freight.column_terminal", lang), width=230),
                "kind": text(t("freight.column_kind", lang)),
                "t": tonnes("total", lang),
            }
            twin(shown, config, t("freight.map_terminals", lang), "map_terminals", lang)


def _desire(looked: Looked, title: str) -> None:
    """Show the flows of one commodity between places, as long as nobody has worked out where they run."""
    lang, modes = looked.lang, looked.mode_labels()
    od = state.table(looked.run, "freight_od").filter(pl.col("year") == looked.year, pl.col("commodity") == looked.commodity)
    zones, nodes = (looked.data.table(f"networks/{name}") for name in ("zones", "nodes"))
    lines = haul_maps.desire_lines(od, zones, nodes, looked.modes, main_modes(), DESIRE)
    if lines.is_empty():
        st.info(t("freight.no_goods", lang, year=looked.year, goods=looked.commodities()[looked.commodity]))
        return
    top = float(str(lines["t_per_year"].max()))
    legend = _legend(looked, "mode", top, every_terminal=True)
    st.altair_chart(charts.map_legend(legend), alt=", ".join(entry[0] for entry in legend))
    st.pydeck_chart(haul_maps.desire_map(lines, towns(looked), looked.names, modes, lang), height=HEIGHT, alt=title)
    st.caption(t("freight.desire_note", lang))
    slim_note(looked)
    with st.expander(t("freight.map_table", lang)):
        table = lines.reverse().select(
            *[
                pl.col(code).replace_strict(looked.names.places, default=pl.col(code), return_dtype=pl.String).alias(name)
                for code, name in (("origin", "from"), ("destination", "to"))
            ],
            pl.col("mode").replace_strict(modes),
            facts.tonnes(lang, "t_per_year").alias("t"),
        )
        config = {
            "from": text(t("freight.from", lang)),
            "to": text(t("freight.to", lang)),
            "mode": text(t("freight.mode", lang)),
            "t": tonnes("flow_t", lang),
        }
        twin(table, config, t("freight.map_table", lang), "desire", lang)


def _legend(looked: Looked, colour_by: str, top: float, *, every_terminal: bool) -> list[tuple[str, str, float, str]]:
    lang, named, modes = looked.lang, looked.mode_labels(), looked.modes
    classes = [(t(f"freight.legend_saturation_{i}", lang), colour) for i, (_, colour) in enumerate(charts.SATURATION_CLASSES)]
    if colour_by == "mode":
        entries = [(named[mode], charts.MODE_COLOURS[mode], 5.0, "line") for mode in modes]
    else:
        entries = [(label, colour, 5.0, "line") for label, colour in classes]
        entries += [(t("freight.legend_unlimited", lang), charts.UNLIMITED_COLOUR, 5.0, "line")] if "water" in modes else []
    sizes: Sequence[float] = LEGEND_GOODS if looked.commodity else LEGEND_TONNES
    entries += [
        (maps.tonnes_text(amount, lang), "#444444", maps.line_width(amount, top), "line") for amount in sizes if amount <= top
    ]
    if every_terminal and colour_by == "mode":
        return entries
    busy = [
        (label, colour) for (label, colour), (low, _) in zip(classes, charts.SATURATION_CLASSES, strict=True) if low >= facts.BUSY
    ]
    return entries + [(t("freight.legend_dot", lang, label=label), colour, 5.0, "dot") for label, colour in busy]
