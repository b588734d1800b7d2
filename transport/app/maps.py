"""The freight map: pydeck layers from plain tables, no tiles and no request to the internet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pydeck as pdk

from transport.app.charts import MODE_COLOURS

if TYPE_CHECKING:
    from collections.abc import Mapping

_WIDEST_PX = 14.0
_THINNEST_PX = 0.6
_VIEW = pdk.ViewState(latitude=40.75, longitude=122.3, zoom=5.75)


def loaded_links(flows: pl.DataFrame, nodes: pl.DataFrame, links: pl.DataFrame, year: int, modes: list[str]) -> pl.DataFrame:
    """Return the links of one year with positions, tonnes of both directions and line width.

    Parameters
    ----------
    flows
        Result table ``freight_links``.
    nodes, links
        Network tables of the data.
    modes
        Modes shown.

    Returns
    -------
    frame
        Columns link_id, mode, name, t_per_year, vc_ratio, lon_a, lat_a, lon_b, lat_b, width_px; the heaviest last so that it lies on top.
    """
    ends = nodes.select("node_id", "lat", "lon", "name_zh")
    shown = (
        flows.filter(pl.col("year") == year, pl.col("mode").is_in(modes))
        .with_columns(t_per_year=pl.col("forward_t") + pl.col("backward_t"))
        .filter(pl.col("t_per_year") > 0)
        .join(ends.rename({"node_id": "from_node", "lat": "lat_a", "lon": "lon_a", "name_zh": "from_zh"}), on="from_node")
        .join(ends.rename({"node_id": "to_node", "lat": "lat_b", "lon": "lon_b", "name_zh": "to_zh"}), on="to_node")
        .join(links.select("link_id", "line_zh"), on="link_id", how="left")
    )
    heaviest = shown["t_per_year"].max() if shown.height else None
    top = float(str(heaviest)) if heaviest is not None else 1.0
    return (
        shown.with_columns(
            width_px=_THINNEST_PX + (_WIDEST_PX - _THINNEST_PX) * (pl.col("t_per_year") / top).sqrt(),
            name=pl.concat_str(pl.col("line_zh").fill_null(""), pl.lit("  "), "from_zh", pl.lit(" - "), "to_zh"),
        )
        .sort("t_per_year", "link_id")
        .select("link_id", "mode", "name", "t_per_year", "vc_ratio", "lon_a", "lat_a", "lon_b", "lat_b", "width_px")
    )


def freight_map(loaded: pl.DataFrame, places: pl.DataFrame, texts: Mapping[str, str]) -> pdk.Deck:
    """Return the map of freight flows.

    Parameters
    ----------
    loaded
        Table of :func:`loaded_links`.
    places
        Columns name, lat, lon of the towns written on the map.
    texts
        ``tonnes`` and ``saturation``: labels of the tooltip.
    """
    rows = [
        {
            "path": [[r["lon_a"], r["lat_a"]], [r["lon_b"], r["lat_b"]]],
            "colour": _rgb(MODE_COLOURS.get(r["mode"], "#5b5b5b")),
            "width": round(r["width_px"], 2),
            "name": r["name"],
            "mt": f"{r['t_per_year'] / 1e4:,.0f}",
            "vc": "-" if r["vc_ratio"] is None else f"{r['vc_ratio']:.2f}",
        }
        for r in loaded.iter_rows(named=True)
    ]
    towns = [{"name": r["name"], "position": [r["lon"], r["lat"]]} for r in places.iter_rows(named=True)]
    layers = [
        pdk.Layer(
            "PathLayer",
            rows,
            get_path="path",
            get_color="colour",
            get_width="width",
            width_units="'pixels'",
            width_min_pixels=0.6,
            cap_rounded=True,
            pickable=True,
            auto_highlight=True,
        ),
        pdk.Layer(
            "ScatterplotLayer", towns, get_position="position", get_radius=4, radius_units="'pixels'", get_fill_color=[40, 40, 40]
        ),
        pdk.Layer(
            "TextLayer",
            towns,
            get_position="position",
            get_text="name",
            get_size=13,
            get_color=[30, 30, 30],
            get_pixel_offset=[0, -12],
            character_set="'auto'",
            font_family="'Noto Sans CJK SC, Microsoft YaHei, sans-serif'",
        ),
    ]
    tooltip = {"text": f"{{name}}\n{texts['tonnes']}: {{mt}}\n{texts['saturation']}: {{vc}}"}
    return pdk.Deck(layers=layers, initial_view_state=_VIEW, map_provider=None, tooltip=tooltip)


def _rgb(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)] + [200]
