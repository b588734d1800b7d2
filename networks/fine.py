"""Roads for the network: what a highway tag carries, the layout of road tables, and joining roads with the rest of the network.

Pure functions over frames. A road network is two tables, ``nodes`` and ``links``, in the layout of the data contract; a whole network also has
``zones`` and ``connectors``. :mod:`networks.osm` makes road networks from OpenStreetMap; the finer network bundled in the data is one, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy.spatial import cKDTree

from networks.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

#: Mean radius of the earth.
_EARTH_KM = 6371.0088
#: A link must have a length; coordinates of OpenStreetMap are no finer than this.
SHORTEST_KM = 0.01
_DAYS_PER_YEAR = 365
#: Class of a road of the finer network that lies on no link of the compact one.
_UNNAMED = "primary"
#: The part of a link's note that says what its capacity is made of.
_FORMULA = r"(capacity derived: .*)$"

NODE_SCHEMA: dict[str, pl.DataType] = {
    **dict.fromkeys(("node_id", "name_zh", "name_en", "kind", "area"), pl.String()),
    "in_province": pl.Boolean(),
    "lat": pl.Float64(),
    "lon": pl.Float64(),
    **dict.fromkeys(("source", "quality", "note"), pl.String()),
}
LINK_SCHEMA: dict[str, pl.DataType] = {
    **dict.fromkeys(("link_id", "from_node", "to_node"), pl.String()),
    "oneway": pl.Boolean(),
    **dict.fromkeys(("mode", "link_class", "line_zh"), pl.String()),
    **dict.fromkeys(("length_km", "tariff_km", "speed_km_h"), pl.Float64()),
    **dict.fromkeys(("tracks", "electrified_year"), pl.Int64()),
    "capacity_t_per_year": pl.Float64(),
    "capacity_quality": pl.String(),
    "in_province_share": pl.Float64(),
    **dict.fromkeys(("open_year", "close_year"), pl.Int64()),
    **dict.fromkeys(("source", "quality", "note"), pl.String()),
}


# ---- rules ----


@dataclass(frozen=True)
class RoadRules:
    """How the tags of a road become speed, capacity and class.

    Attributes
    ----------
    classes
        One row per highway tag, the widest road first: ``highway``, ``link_class``, ``speed_km_h`` (commercial speed of goods vehicles),
        ``lanes`` (per direction), ``capacity_t_per_lane_year`` [t/yr per lane].
    truck_limit_km_h
        General limit of goods vehicles [km/h]; a higher maxspeed tag counts as this.
    speed_share
        Commercial speed over the limit [-].
    merge_distance_m
        Radius around junction points; points whose circles touch become one [m].
    tie_detour
        Length of a tie over the great circle [-].
    tie_limit_km
        Farthest road node that a place is tied to when an extract replaces the roads around it [km].
    tie_speed_km_h
        Speed on ties [km/h].
    """

    classes: pl.DataFrame
    truck_limit_km_h: float
    speed_share: float
    merge_distance_m: float
    tie_detour: float
    tie_limit_km: float
    tie_speed_km_h: float

    def row(self, highway: str) -> dict[str, Any]:
        """Return the row of a highway tag.

        Raises
        ------
        NetworkError
            If there is none.
        """
        found = self.classes.filter(pl.col("highway") == highway)
        if found.is_empty():
            msg = f"no row for highway={highway}; the classes are {', '.join(self.classes['highway'])}"
            raise NetworkError(msg)
        return found.row(0, named=True)


def road_rules(parameters: pl.DataFrame) -> RoadRules:
    """Return the rules that parameter rows state.

    The capacity of a lane in tonnes is that of the compact network: lane capacity / peak-hour share x share of goods vehicles / their
    passenger-car units x mean load x 365.

    Parameters
    ----------
    parameters
        Rows with ``parameter``, ``subject``, ``value``; the ``osm_*`` parameters, ``connector_speed`` and the ``road_*`` rows of the link
        capacities are read.

    Returns
    -------
    RoadRules
        Classes sorted by lane capacity, the widest first.

    Raises
    ------
    NetworkError
        If a row is missing.
    """
    value = {(p, s): v for p, s, v in parameters.select("parameter", "subject", "value").iter_rows() if v is not None}

    def of(parameter: str, subject: str = "all") -> float:
        try:
            return float(value[parameter, subject])
        except KeyError:
            msg = f"no value of {parameter} {subject}; add the row to data/parameters"
            raise NetworkError(msg) from None

    rows = []
    for highway in sorted(s for p, s in value if p == "osm_speed"):
        kind = "expressway" if of("osm_expressway", highway) > 0 else "national_road"
        trucks = (
            of("osm_lane_capacity", highway) / of("road_peak_hour_share") * of("road_truck_pcu_share", kind) / of("truck_pcu")
        )
        tonnes = trucks * of("road_truck_mean_load", kind) * _DAYS_PER_YEAR
        lane = of("osm_lane_capacity", highway)
        rows.append((highway, kind, of("osm_speed", highway), of("osm_lanes", highway), tonnes, lane))
    columns = ["highway", "link_class", "speed_km_h", "lanes", "capacity_t_per_lane_year", "lane"]
    classes = pl.DataFrame(rows, schema=columns, orient="row").sort(
        pl.col("link_class") == "expressway",
        pl.col("lane"),
        pl.col("speed_km_h"),
        "highway",
        descending=[True, True, True, False],
    )
    return RoadRules(
        classes=classes.drop("lane"),
        truck_limit_km_h=of("osm_truck_speed_limit"),
        speed_share=of("osm_speed_share"),
        merge_distance_m=of("osm_merge_distance"),
        tie_detour=of("osm_tie_detour"),
        tie_limit_km=of("osm_tie_limit"),
        tie_speed_km_h=of("connector_speed"),
    )


# ---- layout ----


def as_links(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows in the layout of the link table; what a frame does not state is empty, except that it is a road."""
    fill = {"mode": pl.lit("road"), "tariff_km": pl.col("length_km")}
    missing = [fill.get(c, pl.lit(None)).alias(c) for c in LINK_SCHEMA if c not in frame.columns]
    return frame.with_columns(missing).select(pl.col(c).cast(t) for c, t in LINK_SCHEMA.items())


def as_nodes(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows in the layout of the node table; a node without a kind is a junction named by its id."""
    fill = {"name_zh": pl.col("node_id"), "name_en": pl.col("node_id"), "kind": pl.lit("junction")}
    missing = [fill.get(c, pl.lit(None)).alias(c) for c in NODE_SCHEMA if c not in frame.columns]
    return frame.with_columns(missing).select(pl.col(c).cast(t) for c, t in NODE_SCHEMA.items())


# ---- joining ----


def nearest(places: pl.DataFrame, nodes: pl.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return for each place the position of the nearest node and the great circle to it [km]; both frames have ``lat``, ``lon``.

    Raises
    ------
    NetworkError
        If there is no node.
    """
    if nodes.is_empty():
        msg = "no node to be near to; the node table is empty"
        raise NetworkError(msg)
    chord, position = cKDTree(_on_sphere(nodes)).query(_on_sphere(places))
    return np.asarray(position, dtype=np.int64), 2 * _EARTH_KM * np.arcsin(np.clip(np.asarray(chord) / 2, 0.0, 1.0))


def _on_sphere(frame: pl.DataFrame) -> NDArray[np.float64]:
    lat, lon = np.radians(frame["lat"].to_numpy()), np.radians(frame["lon"].to_numpy())
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def merge(
    road: Mapping[str, pl.DataFrame],
    other: Mapping[str, pl.DataFrame],
    rules: RoadRules,
    *,
    replaced: Collection[str] | None = None,
) -> dict[str, pl.DataFrame]:
    """Put a road network in the place of road links of another network and keep the rest of that.

    Every node that ends a replaced link, and every node where only a zone's road connector ends, is tied to its nearest road node by a
    link of class ``connector``: great circle x detour. Nodes that nothing uses any more are left out.

    Parameters
    ----------
    road
        ``nodes`` and ``links`` of one connected road network.
    other
        ``nodes``, ``links``, ``zones`` and ``connectors`` of the network to join.
    rules
        Length, reach and speed of ties.
    replaced
        Road links of ``other`` to leave out; None = those with both ends within reach of a road node.

    Returns
    -------
    dict
        ``nodes``, ``links``, ``zones``, ``connectors``.

    Raises
    ------
    NetworkError
        If a name stands in both networks, or a replaced link is no road link of ``other``.
    """
    nodes, links = as_nodes(other["nodes"]), as_links(other["links"])
    roads = links.filter(pl.col("mode") == "road")
    near, km = nearest(nodes, road["nodes"])
    if replaced is None:
        reached = nodes["node_id"].filter(pl.Series(km <= rules.tie_limit_km)).to_list()
        gone = set(roads.filter(pl.col("from_node").is_in(reached), pl.col("to_node").is_in(reached))["link_id"])
    else:
        gone = set(replaced)
        if strange := sorted(gone - set(roads["link_id"])):
            msg = f"{strange[0]} is to be replaced, but is no road link of the network"
            raise NetworkError(msg)
    kept = links.filter(~pl.col("link_id").is_in(sorted(gone)))
    for table, column in (("nodes", "node_id"), ("links", "link_id")):
        if double := sorted(set(road[table][column]) & set((nodes if table == "nodes" else kept)[column])):
            msg = f"{double[0]} stands in both networks; rename it in one of them"
            raise NetworkError(msg)
    away = roads.filter(pl.col("link_id").is_in(sorted(gone)))
    served = set(kept.filter(pl.col("mode") == "road").select("from_node", "to_node").unpivot()["value"])
    doors = set(other["connectors"].filter(pl.col("mode") == "road")["node_id"]) - served
    tied = set(away["from_node"]) | set(away["to_node"])
    # a junction that only replaced links met is gone with them; a place that a kept link or a zone needs is tied
    in_use = (
        served
        | set(kept["from_node"])
        | set(kept["to_node"])
        | set(other["zones"]["node_id"])
        | set(other["connectors"]["node_id"])
    )
    wanted = nodes["node_id"].is_in(sorted(tied & in_use | doors))
    ties = nodes.filter(wanted).select("node_id", "in_province")
    place = np.flatnonzero(wanted.to_numpy())
    ties = ties.with_columns(
        link_id=pl.concat_str(pl.lit("TIE_"), "node_id"),
        from_node=pl.col("node_id"),
        to_node=road["nodes"]["node_id"][near[place]],
        link_class=pl.lit("connector"),
        length_km=pl.Series(np.maximum(km[place] * rules.tie_detour, SHORTEST_KM)),
        speed_km_h=rules.tie_speed_km_h,
        in_province_share=pl.col("in_province").cast(pl.Float64),
        source=pl.lit("derived_rows"),
        quality=pl.lit("derived"),
        note=pl.lit("great circle to the nearest road node x osm_tie_detour"),
    )
    return {
        "nodes": pl.concat([nodes.filter(pl.col("node_id").is_in(sorted(in_use))), as_nodes(road["nodes"])]).sort("node_id"),
        "links": pl.concat([kept, as_links(road["links"]), as_links(ties)]).sort("link_id"),
        "zones": other["zones"],
        "connectors": other["connectors"],
    }


def fine_tables(
    fine_nodes: pl.DataFrame, fine_links: pl.DataFrame, compact: Mapping[str, pl.DataFrame], rules: RoadRules
) -> dict[str, pl.DataFrame]:
    """Return the compact network with its road part swapped for the finer one.

    A road link of the compact network is replaced if its shape is a path of the finer graph (quality ``derived``) and it is open in all
    years, or is one of several links between the same nodes that follow each other (a widening). Other road links (beyond the finer graph,
    local access off it, roads not yet built) stay. A piece of the finer network takes class, name, speed, capacity and years from the
    compact link it lies on; where that link has a successor, the piece has one too. Pieces on no compact link are primary roads.

    Parameters
    ----------
    fine_nodes, fine_links
        Tables ``networks/fine/nodes`` and ``networks/fine/links``.
    compact
        ``nodes``, ``links``, ``zones``, ``connectors`` and ``shapes`` of the compact network.
    rules
        From :func:`road_rules`.

    Returns
    -------
    dict
        ``nodes``, ``links``, ``zones``, ``connectors``, in the layout of the compact tables.

    Raises
    ------
    NetworkError
        If a piece names a link that the compact network does not have.
    """
    roads = as_links(compact["links"]).filter(pl.col("mode") == "road")
    if strange := sorted(set(fine_links["compact_link"].drop_nulls()) - set(roads["link_id"])):
        msg = f"a piece of the finer network lies on {strange[0]}, which is no road link of the compact network"
        raise NetworkError(msg)
    pair = ["from_node", "to_node", "link_class"]
    roads = roads.with_columns(alike=pl.len().over(pair), first=pl.col("link_id").min().over(pair))
    found = set(compact["shapes"].filter(pl.col("quality") == "derived")["link_id"])
    always = pl.col("open_year").is_null() & pl.col("close_year").is_null()
    replaced = roads.filter(pl.col("link_id").is_in(sorted(found)) & (always | (pl.col("alike") > 1)))["link_id"].to_list()
    group = roads.select(pl.col("link_id").alias("compact_link"), pl.col("first"))
    carried = ["line_zh", "speed_km_h", "capacity_t_per_year", "capacity_quality", "open_year", "close_year"]
    # lanes and lane capacity are read from the formula in the note, so it goes with the number that it explains
    formula = pl.col("note").str.extract(_FORMULA).alias("formula")
    members = roads.select("first", pl.col("link_id").alias("member"), pl.col("link_class").alias("class"), formula, *carried)
    plain = rules.row(_UNNAMED)
    pieces = (
        fine_links.drop("link_class")
        .join(group, on="compact_link", how="left", maintain_order="left")
        .join(members, on="first", how="left", maintain_order="left_right")
    )
    named = pl.col("member").is_not_null()
    repeated = named & (pl.col("member") != pl.col("first"))
    pieces = pieces.with_columns(
        link_id=pl.when(repeated).then(pl.concat_str("link_id", pl.lit("_"), "member")).otherwise("link_id"),
        link_class=pl.when(named).then("class").otherwise(pl.lit(plain["link_class"])),
        speed_km_h=pl.when(named).then("speed_km_h").otherwise(plain["speed_km_h"]),
        capacity_t_per_year=pl.when(named)
        .then("capacity_t_per_year")
        .otherwise(plain["lanes"] * plain["capacity_t_per_lane_year"]),
        capacity_quality=pl.when(named).then("capacity_quality").otherwise(pl.lit("derived")),
        note=pl.when(named).then(
            pl.concat_str(pl.concat_str(pl.lit("on "), "member"), "formula", separator="; ", ignore_nulls=True)
        ),
    )
    road = {"nodes": as_nodes(fine_nodes), "links": as_links(pieces)}
    return merge(road, compact, rules, replaced=replaced)
