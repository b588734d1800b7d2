"""Rules of the network tables that span rows: lengths against coordinates, nodes and zones that nothing reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport.check_files import FILE, ROW
from transport.check_problems import Problem
from transport.layout import FIRST_YEAR, LAST_YEAR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

#: Mean radius of the earth.
_EARTH_KM = 6371.0088
#: A node stands for a town or a port several km across and coordinates are rounded, so a link may be this much shorter than the great
#: circle between its nodes before it counts as a slip: a share of the length plus the width of the two places.
_SHORTER_SHARE = 0.05
_PLACE_WIDTH_KM = 5.0


def great_circle_km(
    lat1: NDArray[np.float64], lon1: NDArray[np.float64], lat2: NDArray[np.float64], lon2: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the great-circle distance [km] between points in degrees (haversine formula)."""
    a1, o1, a2, o2 = (np.radians(x) for x in (lat1, lon1, lat2, lon2))
    h = np.sin((a2 - a1) / 2) ** 2 + np.cos(a1) * np.cos(a2) * np.sin((o2 - o1) / 2) ** 2
    return np.asarray(2 * _EARTH_KM * np.arcsin(np.sqrt(np.clip(h, 0.0, 1.0))), dtype=np.float64)


def network(tables: Mapping[str, pl.DataFrame]) -> list[Problem]:
    """Return the problems of nodes, links, zones, connectors and energy stations; absent tables are left out."""
    nodes, links = tables.get("networks/nodes"), tables.get("networks/links")
    zones, connectors = tables.get("networks/zones"), tables.get("networks/connectors")
    stations = tables.get("networks/energy_stations")
    problems = []
    if links is not None:
        problems += _zero_lengths(links)
        if stations is not None:
            problems += _off_roads(stations, links)
        if nodes is not None:
            problems += _short_lengths(nodes, links)
            problems += _islands(nodes, links, zones, connectors)
    if zones is not None and connectors is not None:
        lonely = zones.join(connectors, on="zone_id", how="anti", maintain_order="left").select("zone_id", ROW, FILE)
        problems += [
            Problem(file, row, "zone_id", "node.disconnected", value=i, variant="zone") for i, row, file in lonely.iter_rows()
        ]
    return problems


def _zero_lengths(links: pl.DataFrame) -> list[Problem]:
    """Only a transfer inside one terminal may have no length."""
    zero = links.filter((pl.col("length_km") == 0) & (pl.col("mode") != "transfer"))
    loops = links.filter(pl.col("from_node") == pl.col("to_node"))
    return [
        *(
            Problem(file, row, "length_km", "link.zero_length", value="0", values={"link": link})
            for link, row, file in zero.select("link_id", ROW, FILE).iter_rows()
        ),
        *(
            Problem(file, row, "to_node", "link.zero_length", value=node, variant="loop", values={"link": link})
            for link, node, row, file in loops.select("link_id", "to_node", ROW, FILE).iter_rows()
        ),
    ]


def _off_roads(stations: pl.DataFrame, links: pl.DataFrame) -> list[Problem]:
    """Return energy stations that lie on no road, or beyond the end of theirs."""
    known = (
        links.select("link_id", "mode", "length_km").drop_nulls("link_id").unique("link_id", keep="first", maintain_order=True)
    )
    placed = stations.join(known, on="link_id", how="inner", maintain_order="left")
    no_road = placed.filter(pl.col("mode") != "road").select("link_id", ROW, FILE)
    beyond = placed.filter((pl.col("mode") == "road") & (pl.col("km") > pl.col("length_km")))
    return [
        *(
            Problem(file, row, "link_id", "id.dangling", value=link, values={"target": "networks/links.link_id (mode = road)"})
            for link, row, file in no_road.iter_rows()
        ),
        *(
            Problem(
                r[FILE],
                r[ROW],
                "km",
                "value.range",
                value=f"{r['km']:g}",
                variant="both",
                values={
                    "minimum": "0",
                    "maximum": f"{r['length_km']:g}",
                    "label_zh": "距起点里程",
                    "label_en": "Distance from the start",
                    "hint": "km",
                },
            )
            for r in beyond.iter_rows(named=True)
        ),
    ]


def _short_lengths(nodes: pl.DataFrame, links: pl.DataFrame) -> list[Problem]:
    on_earth = pl.col("lat").abs().le(90) & pl.col("lon").abs().le(180)
    places = nodes.filter(on_earth).select("node_id", "lat", "lon").unique("node_id", keep="first", maintain_order=True)
    ends = (
        links.filter((pl.col("length_km") > 0) & (pl.col("mode") != "transfer"))
        .select("link_id", "from_node", "to_node", "length_km", ROW, FILE)
        .join(places, left_on="from_node", right_on="node_id", maintain_order="left")
        .join(places, left_on="to_node", right_on="node_id", suffix="_to", maintain_order="left")
        .drop_nulls(["lat", "lon", "lat_to", "lon_to"])
    )
    straight = great_circle_km(*(ends[name].to_numpy().astype(np.float64) for name in ("lat", "lon", "lat_to", "lon_to")))
    limit = (1.0 - _SHORTER_SHARE) * straight - _PLACE_WIDTH_KM
    short = ends.with_columns(pl.Series("_straight", straight)).filter(pl.Series(ends["length_km"].to_numpy() < limit))
    return [
        Problem(
            row[FILE],
            row[ROW],
            "length_km",
            "link.shorter_than_great_circle",
            value=f"{row['length_km']:g}",
            values={
                "link": row["link_id"],
                "straight": f"{row['_straight']:.1f}",
                "from_node": row["from_node"],
                "to_node": row["to_node"],
            },
        )
        for row in short.iter_rows(named=True)
    ]


def _islands(
    nodes: pl.DataFrame, links: pl.DataFrame, zones: pl.DataFrame | None, connectors: pl.DataFrame | None
) -> list[Problem]:
    """Return nodes that nothing reaches within the years of the model, and groups of nodes apart from the main network."""
    alive = links.filter(
        (pl.col("open_year").is_null() | (pl.col("open_year") <= LAST_YEAR))
        & (pl.col("close_year").is_null() | (pl.col("close_year") >= FIRST_YEAR))
    )
    ids = nodes["node_id"].unique(maintain_order=True).drop_nulls()
    pairs = [alive.select("from_node", "to_node").drop_nulls().rows()]
    if connectors is not None:
        if zones is not None:  # a zone is its own centroid: its place is reached through the zone's connectors
            reached = zones.join(connectors, on="zone_id", how="semi", maintain_order="left").select("zone_id", "node_id")
            pairs.append([(f"zone:{zone}", node) for zone, node in reached.drop_nulls().rows()])
        pairs.append([(f"zone:{zone}", node) for zone, node in connectors.select("zone_id", "node_id").drop_nulls().rows()])
    root: dict[str, str] = {node: node for node in ids}

    def find(node: str) -> str:
        while root.setdefault(node, node) != node:
            root[node] = root[root[node]]
            node = root[node]
        return node

    linked: set[str] = set()
    for some in pairs:
        for a, b in some:
            linked |= {a, b}
            root[find(a)] = find(b)
    groups: dict[str, list[str]] = {}
    for node in ids:
        groups.setdefault(find(node), []).append(node)
    main = max(groups.values(), key=len, default=[])
    problems = []
    place = {node: (file, row) for node, row, file in nodes.select("node_id", ROW, FILE).iter_rows()}
    for members in groups.values():
        if members is main:
            continue
        file, row = place[members[0]]
        if len(members) == 1 and members[0] not in linked:
            problems.append(Problem(file, row, "node_id", "node.disconnected", value=members[0]))
        else:
            values = {"count": len(members), "members": ", ".join(members[:6]) + (" …" if len(members) > 6 else "")}
            problems.append(Problem(file, row, "node_id", "node.disconnected", value=members[0], variant="island", values=values))
    return problems
