"""The freight map: pydeck layers from plain tables, no tiles and no request to the internet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import polars as pl
import pydeck as pdk

from transport.app.charts import MODE_COLOURS, saturation_colour
from transport.app.freight_tables import TONNES
from transport.i18n import t
from transport.text import shown as written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from transport.app.freight_tables import Names

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


def freight_map(loaded: pl.DataFrame, places: pl.DataFrame, texts: Mapping[str, str], lang: str) -> pdk.Deck:
    """Return the map of freight flows.

    Parameters
    ----------
    loaded
        Table of :func:`loaded_links`.
    places
        Columns name, lat, lon of the towns written on the map.
    texts
        ``tonnes`` and ``saturation``: labels of the tooltip.
    lang
        ``zh`` or ``en``: scale of the tonnes.
    """
    rows = [
        {
            "path": [[r["lon_a"], r["lat_a"]], [r["lon_b"], r["lat_b"]]],
            "colour": rgb(MODE_COLOURS.get(r["mode"], "#5b5b5b")),
            "width": round(r["width_px"], 2),
            "name": r["name"],
            "mt": written(r["t_per_year"], "t/yr", lang),
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


def rgb(colour: str, alpha: int = 200) -> list[int]:
    """Return a colour as red, green, blue and opacity.

    >>> rgb("#0072B2", 255)
    [0, 114, 178, 255]
    """
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)] + [alpha]


# --- network page -------------------------------------------------------------------------------------------------------------------

#: Colours of the links: by mode or by load over capacity.
COLOUR_BY: Sequence[str] = ("mode", "saturation")
_NETWORK_VIEW = pdk.ViewState(latitude=40.62, longitude=122.2, zoom=6.1)
_FONT = "'Noto Sans CJK SC, Microsoft YaHei, sans-serif'"


def line_width(t_per_year: float, top: float) -> float:
    """Return the width of a link [px]: the square root of its tonnes, the heaviest link of the map the widest.

    Examples
    --------
    >>> line_width(0.0, 1e8) < line_width(2.5e7, 1e8) < line_width(1e8, 1e8)
    True
    """
    return _THINNEST_PX + (_WIDEST_PX - _THINNEST_PX) * math.sqrt(t_per_year / top if top > 0 else 0.0)


def tonnes_text(t_per_year: float, lang: str) -> str:
    """Return tonnes a year on the reader's scale with the unit."""
    value = t_per_year / TONNES[lang]
    written = f"{value:,.0f}" if lang == "zh" else f"{value:,.2f}".rstrip("0").rstrip(".")
    return t("freight.amount", lang, value=written)


def network_paths(
    flows: pl.DataFrame, nodes: pl.DataFrame, shapes: pl.DataFrame, year: int, modes: Sequence[str]
) -> pl.DataFrame:
    """Return the links of one year with their course; a link without a shape runs straight.

    Parameters
    ----------
    flows
        Result table ``freight_links``.
    nodes, shapes
        Network tables: node positions, and polylines as ``"lon lat;lon lat"``.
    year
        Calendar year.
    modes
        Modes shown.

    Returns
    -------
    frame
        The columns of ``freight_links`` and path (list of [lon, lat] in degrees), t_per_year (both directions); the heaviest last, so that it lies on top.
    """
    shown = (
        flows.filter(pl.col("year") == year, pl.col("mode").is_in(list(modes)))
        .with_columns((pl.col("forward_t") + pl.col("backward_t")).alias("t_per_year"))
        .filter(pl.col("t_per_year") > 0)
        .sort("t_per_year", "link_id")
    )
    return courses_of(shown, nodes, shapes)


def courses_of(links: pl.DataFrame, nodes: pl.DataFrame, shapes: pl.DataFrame) -> pl.DataFrame:
    """Return links with their course; a link without a shape runs straight.

    Parameters
    ----------
    links
        Columns link_id, from_node and to_node, and any other.
    nodes, shapes
        Network tables: node positions, and polylines as ``"lon lat;lon lat"``.

    Returns
    -------
    frame
        The same rows with path (list of [lon, lat] in degrees).
    """
    at = {node: (lon, lat) for node, lon, lat in nodes.select("node_id", "lon", "lat").iter_rows()}
    courses = dict(shapes.select("link_id", "shape").iter_rows())
    paths = [
        [[float(x) for x in point.split()] for point in courses[link].split(";")]
        if link in courses
        else [list(at[a]), list(at[b])]
        for link, a, b in links.select("link_id", "from_node", "to_node").iter_rows()
    ]
    return links.with_columns(pl.Series("path", paths, dtype=pl.List(pl.List(pl.Float64))))


def busy_terminals(terminals: pl.DataFrame, zones: pl.DataFrame, nodes: pl.DataFrame, year: int, busy: float) -> pl.DataFrame:
    """Return the terminals above a load over capacity with their position.

    Parameters
    ----------
    terminals
        Result table ``freight_terminals``.
    zones, nodes
        Network tables; a terminal stands at a node, or at the node of its zone.
    year
        Calendar year.
    busy
        Least load over capacity [-].

    Returns
    -------
    frame
        The columns of ``freight_terminals`` and lon, lat [degrees]; the fullest last.
    """
    node_of_zone = dict(zones.select("zone_id", "node_id").iter_rows())
    return (
        terminals.filter(pl.col("year") == year, pl.col("vc_ratio").is_finite(), pl.col("vc_ratio") >= busy)
        .with_columns(pl.col("place").replace(node_of_zone).alias("node_id"))
        .join(nodes.select("node_id", "lon", "lat"), on="node_id", how="inner")
        .sort("vc_ratio", "terminal_id")
    )


def network_map(
    paths: pl.DataFrame,
    dots: pl.DataFrame,
    towns: pl.DataFrame,
    names: Names,
    kinds: Mapping[str, str],
    *,
    colour_by: str,
    lang: str,
) -> pdk.Deck:
    """Return the map of links, busy terminals and towns.

    Parameters
    ----------
    paths
        From :func:`network_paths`.
    dots
        From :func:`busy_terminals`.
    towns
        Columns name, lat, lon of the towns written on the map.
    names
        Names of places and links.
    kinds
        Code -> label of terminal kinds.
    colour_by
        ``mode`` or ``saturation``.
    lang
        ``zh`` or ``en``.
    """
    top = float(str(paths["t_per_year"].max())) if paths.height else 1.0
    links = [
        {
            "path": row["path"],
            "colour": rgb(MODE_COLOURS[row["mode"]] if colour_by == "mode" else saturation_colour(row["vc_ratio"]), 210),
            "width": round(line_width(row["t_per_year"], top), 2),
            "tip": _link_tip(row, names, lang),
        }
        for row in _topmost_last(paths, colour_by).iter_rows(named=True)
    ]
    sites: dict[str, dict[str, Any]] = {}
    for row in dots.iter_rows(named=True):
        tip = _terminal_tip(row, names, kinds, lang)
        # several terminals of one place share a dot, in the colour of the fullest
        earlier = sites.get(row["node_id"])
        sites[row["node_id"]] = {
            "position": [row["lon"], row["lat"]],
            "colour": rgb(saturation_colour(row["vc_ratio"]), 255),
            "tip": tip if earlier is None else f"{tip}\n{earlier['tip']}",
        }
    return deck_of(links, list(sites.values()), towns)


def deck_of(links: list[dict[str, Any]], sites: list[dict[str, Any]], towns: pl.DataFrame) -> pdk.Deck:
    """Return a map of lines, dots and names of towns, without tiles.

    Parameters
    ----------
    links
        Lines: path, colour, width [px], tip.
    sites
        Dots: position, colour, tip.
    towns
        Columns name, lat, lon.
    """
    places = [{"name": row["name"], "position": [row["lon"], row["lat"]]} for row in towns.iter_rows(named=True)]
    layers = [
        pdk.Layer(
            "PathLayer",
            links,
            get_path="path",
            get_color="colour",
            get_width="width",
            width_units="'pixels'",
            width_min_pixels=_THINNEST_PX,
            cap_rounded=True,
            joint_rounded=True,
            pickable=True,
            auto_highlight=True,
            highlight_color=[255, 214, 0, 200],
        ),
        pdk.Layer(
            "ScatterplotLayer",
            sites,
            get_position="position",
            get_radius=6,
            radius_units="'pixels'",
            get_fill_color="colour",
            stroked=True,
            get_line_color=[34, 34, 34],
            line_width_units="'pixels'",
            get_line_width=1,
            pickable=True,
            auto_highlight=True,
        ),
        pdk.Layer(
            "TextLayer",
            places,
            get_position="position",
            get_text="name",
            get_size=14,
            get_color=[20, 20, 20],
            get_pixel_offset=[0, -14],
            character_set="'auto'",
            font_family=_FONT,
            font_weight=600,
            font_settings={"sdf": True, "fontSize": 48, "buffer": 8},
            outline_width=4,
            outline_color=[255, 255, 255, 235],
        ),
    ]
    style = {"color": "#ffffff", "backgroundColor": "#1f2937", "fontSize": "13px", "whiteSpace": "pre-line", "maxWidth": "420px"}
    return pdk.Deck(layers=layers, initial_view_state=_NETWORK_VIEW, map_provider=None, tooltip={"text": "{tip}", "style": style})


def _topmost_last(paths: pl.DataFrame, colour_by: str) -> pl.DataFrame:
    """Return the links in the order they are drawn: what the colour is about lies on top."""
    if colour_by == "mode":
        return paths
    return paths.sort("vc_ratio", "t_per_year", "link_id", nulls_last=False)


def _link_tip(row: Mapping[str, Any], names: Names, lang: str) -> str:
    """Return what the map says of a link: name, flow each way, capacity, saturation, price or delay."""
    start, end = names.places.get(row["from_node"], row["from_node"]), names.places.get(row["to_node"], row["to_node"])
    lines = [
        names.sections.get(row["link_id"], row["link_id"]),
        *(
            [t("freight.tip_goods", lang, goods=row["goods"], amount=tonnes_text(row["t_per_year"], lang))]
            if row.get("goods")
            else []
        ),
        t("freight.tip_flow", lang, start=start, end=end, amount=tonnes_text(row["forward_t"], lang)),
        t("freight.tip_flow", lang, start=end, end=start, amount=tonnes_text(row["backward_t"], lang)),
    ]
    if row["vc_ratio"] is None:
        lines.append(t("freight.tip_no_capacity", lang))
    else:
        capacity = tonnes_text(row["capacity_t_per_year"], lang)
        lines.append(t("freight.tip_capacity", lang, capacity=capacity, ratio=f"{row['vc_ratio']:.2f}"))
    if row["price_cny_per_t"] is not None:
        lines.append(t("freight.tip_price", lang, price=f"{row['price_cny_per_t']:.1f}"))
    if row["delay_h"] is not None:
        lines.append(t("freight.tip_delay", lang, minutes=f"{60.0 * row['delay_h']:.0f}"))
    return "\n".join(lines)


def _terminal_tip(row: Mapping[str, Any], names: Names, kinds: Mapping[str, str], lang: str) -> str:
    values = {
        "place": names.places.get(row["place"], row["place"]),
        "kind": kinds.get(row["kind"], row["kind"]),
        "amount": tonnes_text(row["t_per_year"], lang),
        "capacity": tonnes_text(row["capacity_t_per_year"], lang),
        "ratio": f"{row['vc_ratio']:.2f}",
        "price": f"{row['price_cny_per_t']:.1f}",
    }
    return t("freight.tip_terminal", lang, **values)
