"""Maps of one commodity and of one haul: pydeck layers from plain tables, no tiles and no request to the internet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from transport.app.charts import MODE_COLOURS
from transport.app.maps import deck_of, line_width, rgb, tonnes_text
from transport.i18n import t
from transport.palette import UNCHANGED_COLOUR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pydeck as pdk

    from transport.app.freight_tables import Names

_CHAIN_PX, _PALE_PX = 5.0, 1.0


def of_goods(paths: pl.DataFrame, loads: pl.DataFrame, goods: str, commodity: str) -> pl.DataFrame:
    """Return the links that carry one commodity, with its tonnes in the place of all.

    Parameters
    ----------
    paths
        From :func:`network_paths`.
    loads
        Columns link_id, commodity, t [t/yr].
    goods
        Label of the commodity.
    commodity
        Its code.

    Returns
    -------
    frame
        As :func:`network_paths`, with the column goods (label); saturation, capacity and the flow each way stay those of all goods.
    """
    mine = loads.filter(pl.col("commodity") == commodity).select("link_id", goods_t="t")
    found = paths.join(mine, on="link_id", how="inner").with_columns(
        pl.col("goods_t").alias("t_per_year"), pl.lit(goods).alias("goods")
    )
    return found.drop("goods_t").sort("t_per_year", "link_id")


def desire_lines(
    od: pl.DataFrame, zones: pl.DataFrame, nodes: pl.DataFrame, modes: Sequence[str], main: Mapping[str, str], top: int
) -> pl.DataFrame:
    """Return the heaviest flows between two zones as straight lines: origin, destination, mode, t_per_year, path; the heaviest last.

    Parameters
    ----------
    od
        Rows of ``freight_od`` of one year and commodity.
    zones, nodes
        Network tables.
    modes
        Main modes shown.
    main
        Chain -> main mode.
    top
        Lines.
    """
    at = {node: [lon, lat] for node, lon, lat in nodes.select("node_id", "lon", "lat").iter_rows()}
    place = {zone: at[node] for zone, node in zones.select("zone_id", "node_id").iter_rows()}
    found = (
        od.filter(pl.col("origin") != pl.col("destination"))
        .with_columns(pl.col("alternative").replace_strict(main, return_dtype=pl.String).alias("mode"))
        .filter(pl.col("mode").is_in(list(modes)))
        .group_by("origin", "destination", "mode")
        .agg(pl.col("t").sum().alias("t_per_year"))
        .sort("t_per_year", "origin", "destination", "mode", descending=[True, False, False, False])
        .head(top)
        .reverse()
    )
    paths = [[place[a], place[b]] for a, b in found.select("origin", "destination").iter_rows()]
    return found.with_columns(pl.Series("path", paths, dtype=pl.List(pl.List(pl.Float64))))


def desire_map(lines: pl.DataFrame, towns: pl.DataFrame, names: Names, modes: Mapping[str, str], lang: str) -> pdk.Deck:
    """Return the map of :func:`desire_lines`, in the colour of the main mode.

    Parameters
    ----------
    lines
        From :func:`desire_lines`.
    towns
        Columns name, lat, lon.
    names
        Names of places.
    modes
        Code -> label.
    lang
        ``zh`` or ``en``.
    """
    top = float(str(lines["t_per_year"].max())) if lines.height else 1.0
    rows = [
        {
            "path": row["path"],
            "colour": rgb(MODE_COLOURS[row["mode"]], 150),
            "width": round(line_width(row["t_per_year"], top), 2),
            "tip": t(
                "freight.tip_desire",
                lang,
                start=names.places.get(row["origin"], row["origin"]),
                end=names.places.get(row["destination"], row["destination"]),
                mode=modes[row["mode"]],
                amount=tonnes_text(row["t_per_year"], lang),
            ),
        }
        for row in lines.iter_rows(named=True)
    ]
    return deck_of(rows, [], towns)


def chain_map(
    network: pl.DataFrame,
    legs: Sequence[Mapping[str, Any]],
    stops: Sequence[Mapping[str, Any]],
    towns: pl.DataFrame,
    names: Names,
    lang: str,
) -> pdk.Deck:
    """Return the map of one haul: the network pale, the links of its legs in the colour of their mode, terminals as dots.

    Parameters
    ----------
    network
        Links with path, from :func:`network_paths`.
    legs
        Rows with mode, links (ids) and tip.
    stops
        Rows with lon, lat and tip.
    towns
        Columns name, lat, lon.
    names
        Names of links.
    lang
        ``zh`` or ``en``.
    """
    courses = dict(network.select("link_id", "path").iter_rows())
    pale = [
        {
            "path": row["path"],
            "colour": rgb(UNCHANGED_COLOUR, 160),
            "width": _PALE_PX,
            "tip": names.sections.get(row["link_id"], row["link_id"]),
        }
        for row in network.iter_rows(named=True)
    ]
    used = [
        {
            "path": courses[link],
            "colour": rgb(MODE_COLOURS[leg["mode"]], 235),
            "width": _CHAIN_PX,
            "tip": t("freight.tip_leg", lang, leg=leg["tip"], section=names.sections.get(link, link)),
        }
        for leg in legs
        for link in leg["links"]
        if link in courses
    ]
    dots = [{"position": [stop["lon"], stop["lat"]], "colour": rgb("#222222", 255), "tip": stop["tip"]} for stop in stops]
    return deck_of([*pale, *used], dots, towns)
