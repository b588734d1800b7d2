"""The graph of record and its compiled form.

:func:`build_graph` returns a ``networkx.MultiDiGraph`` of one year. Node attributes:

- ``kind``: node kind of the table, or ``zone`` for a zone centroid (its name is ``zone:<zone_id>``);
- ``area``, ``in_province``, ``lat``, ``lon``: from the node table; for zones also ``zone_kind`` and ``intrazonal_km``.

Arc attributes (one undirected link = two arcs with the same key, the capacity is that of each arc; a row with ``oneway`` is one arc, from_node ->
to_node):

- ``link_id``; ``mode``; ``link_class``; ``forward`` (True on the arc from_node -> to_node of the table);
- ``length_km``, ``tariff_km`` [km], ``speed_km_h`` [km/h], ``in_province_share`` [-], ``capacity_t_per_year`` [t/yr] (``None`` = none stated),
  ``capacity_quality`` (where the capacity comes from).

Zones are their own centroids: connector arcs (class ``connector``, ``siding``, ``drayage``, ``berth``, ...) join them to nodes. A compiled network splits
every zone into a copy that only has outgoing arcs and a copy that only has incoming arcs, so no path can run through a zone, while towns,
ports and gateways stay passable junctions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import polars as pl

from networks.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from numpy.typing import NDArray

#: Prefix of zone centroids among the node names of the graph.
ZONE_PREFIX = "zone:"


def open_links(links: pl.DataFrame, year: int, *, also: Collection[str] = (), closed: Collection[str] = ()) -> pl.DataFrame:
    """Return the links open in a year, sorted by link_id.

    Parameters
    ----------
    links
        Link table; a link is open if ``open_year`` is empty or not after the year and ``close_year``, its last year, is empty or not before it.
    also
        Links opened on top of that (planned links that a lever opens).
    closed
        Links closed that year, whatever their row says.
    """
    found = links.filter(_alive(year) | pl.col("link_id").is_in(sorted(also)))
    return found.filter(~pl.col("link_id").is_in(sorted(closed))).sort("link_id")


def open_connectors(connectors: pl.DataFrame, year: int) -> pl.DataFrame:
    """Return the connectors open in a year; a table without years holds in all of them.

    Parameters
    ----------
    connectors
        Connector table, on request with ``open_year`` and ``close_year`` as in the link table.
    year
        Year.
    """
    return connectors.filter(_alive(year)) if {"open_year", "close_year"} <= set(connectors.columns) else connectors


def _alive(year: int) -> pl.Expr:
    opened = pl.col("open_year").is_null() | (pl.col("open_year") <= year)
    return opened & (pl.col("close_year").is_null() | (pl.col("close_year") >= year))


def build_graph(
    nodes: pl.DataFrame,
    links: pl.DataFrame,
    zones: pl.DataFrame,
    connectors: pl.DataFrame,
    *,
    year: int,
    also: Collection[str] = (),
    closed: Collection[str] = (),
) -> nx.MultiDiGraph[str]:
    """Build the graph of one year from the network tables.

    Parameters
    ----------
    nodes, links, zones, connectors
        Tables as in the data contract; further columns are ignored.
    year
        Only links and connectors open in that year are in (:func:`open_links`, :func:`open_connectors`).
    also, closed
        Links opened besides, and links closed that year.

    Returns
    -------
    networkx.MultiDiGraph
        Attributes as listed at the top of this module.

    Raises
    ------
    NetworkError
        If a link or connector names a node or zone that is not in its table, or a length is not positive.
    """
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph(year=year)
    for row in nodes.sort("node_id").iter_rows(named=True):
        graph.add_node(row["node_id"], **{k: row[k] for k in ("kind", "area", "in_province", "lat", "lon")})
    for row in zones.sort("zone_id").iter_rows(named=True):
        graph.add_node(
            ZONE_PREFIX + row["zone_id"],
            kind="zone",
            zone_kind=row["kind"],
            area=row["area"],
            in_province=row["in_province"],
            intrazonal_km=row["intrazonal_km"],
        )
    for row in open_links(links, year, also=also, closed=closed).iter_rows(named=True):
        _add_link(graph, row["link_id"], row["from_node"], row["to_node"], row)
    ordered = open_connectors(connectors, year).sort("zone_id", "node_id", "mode", "link_class")
    for row in ordered.iter_rows(named=True):
        name = f"connector:{row['zone_id']}:{row['node_id']}:{row['mode']}:{row['link_class']}"
        _add_link(graph, name, ZONE_PREFIX + row["zone_id"], row["node_id"], row)
    return graph


def _add_link(graph: nx.MultiDiGraph[str], link_id: str, start: str, end: str, row: Mapping[str, object]) -> None:
    for node in (start, end):
        if node not in graph:
            msg = f"{link_id} ends at {node}, which is in no table"
            raise NetworkError(msg)
    length = float(row["length_km"])  # type: ignore[arg-type]
    if not length >= 0 or (length == 0 and not link_id.startswith("connector:")):
        msg = f"{link_id} has length {length} km; it must be positive"
        raise NetworkError(msg)
    tariff = row.get("tariff_km")
    attributes = {
        "link_id": link_id,
        "mode": row["mode"],
        "link_class": row["link_class"],
        "length_km": length,
        "tariff_km": length if tariff is None else float(tariff),  # type: ignore[arg-type]
        "speed_km_h": row.get("speed_km_h"),
        "in_province_share": float(row["in_province_share"]),  # type: ignore[arg-type]
        "capacity_t_per_year": row.get("capacity_t_per_year"),
        "capacity_quality": row.get("capacity_quality"),
    }
    graph.add_edge(start, end, key=link_id, forward=True, **attributes)
    if not row.get("oneway"):
        graph.add_edge(end, start, key=link_id, forward=False, **attributes)


@dataclass(frozen=True)
class CompiledNetwork:
    """One mode of the graph as frozen arrays, arcs sorted by tail node (CSR).

    Attributes
    ----------
    mode
        Name of the sub-network.
    nodes
        Names of the vertices; a zone appears as ``zone:<id>>`` (only arcs out) and ``zone:<id><`` (only arcs in).
    indptr, head
        CSR structure: the arcs out of vertex ``i`` are ``indptr[i]:indptr[i + 1]``, ``head`` are their end vertices.
    tail
        Start vertex of each arc.
    length_km, tariff_km, hours, territory_km
        Per arc; ``territory_km`` = length x share inside the province.
    capacity_t_per_year
        Per arc, NaN where none is stated.
    class_code, classes
        Class of each arc as an index into ``classes``.
    link, link_ids, forward
        Link of each arc as an index into ``link_ids``, and whether it runs in the direction of the table.
    origins, destinations
        Vertex of each terminal as a start and as an end.
    terminals
        Names of the terminals: a zone id, or a node name.
    """

    mode: str
    nodes: tuple[str, ...]
    indptr: NDArray[np.int64]
    head: NDArray[np.int64]
    tail: NDArray[np.int64]
    length_km: NDArray[np.float64]
    tariff_km: NDArray[np.float64]
    hours: NDArray[np.float64]
    territory_km: NDArray[np.float64]
    capacity_t_per_year: NDArray[np.float64]
    class_code: NDArray[np.int64]
    classes: tuple[str, ...]
    link: NDArray[np.int64]
    link_ids: tuple[str, ...]
    forward: NDArray[np.bool_]
    terminals: tuple[str, ...]
    origins: NDArray[np.int64]
    destinations: NDArray[np.int64]
    position: dict[str, int] = field(repr=False)

    def is_class(self, *names: str) -> NDArray[np.float64]:
        """Return 1.0 for the arcs of the given classes, 0.0 for the others."""
        codes = [self.classes.index(n) for n in names if n in self.classes]
        return np.isin(self.class_code, codes).astype(np.float64)


def compile_network(
    graph: nx.MultiDiGraph[str],
    mode: str,
    *,
    link_classes: Collection[str] | None = None,
    connector_classes: Collection[str] = (),
    terminals: Iterable[str] = (),
    zones: Iterable[str] = (),
    speed_km_h: Mapping[str, float] | None = None,
) -> CompiledNetwork:
    """Freeze one mode of the graph into arrays.

    Parameters
    ----------
    graph
        From :func:`build_graph`.
    mode
        Mode of the links to keep.
    link_classes
        Restrict the links to these classes.
    connector_classes
        Connector classes (of any mode) that join zones to this network; their zones become terminals.
    terminals
        Nodes that are terminals as well; nodes that the kept links do not touch are left out.
    zones
        Zones that are terminals even if no connector joins them here (no path reaches them).
    speed_km_h
        Speed by link class for arcs that state none [km/h].

    Returns
    -------
    CompiledNetwork
        Arrays are read-only.

    Raises
    ------
    NetworkError
        If an arc has neither a speed of its own nor a class speed.
    """
    speeds = speed_km_h or {}
    arcs: list[tuple[str, str, dict[str, object]]] = []
    zone_names: set[str] = {ZONE_PREFIX + zone for zone in zones}
    for start, end, data in graph.edges(data=True):
        connector = start.startswith(ZONE_PREFIX) or end.startswith(ZONE_PREFIX)
        if connector:
            if data["link_class"] not in connector_classes or (data["mode"] not in (mode, "transfer")):
                continue
            zone_names.add(start if start.startswith(ZONE_PREFIX) else end)
            start_name = start + ">" if start.startswith(ZONE_PREFIX) else start
            end_name = end + "<" if end.startswith(ZONE_PREFIX) else end
            arcs.append((start_name, end_name, data))
        elif data["mode"] == mode and (link_classes is None or data["link_class"] in link_classes):
            arcs.append((start, end, data))
    arcs.sort(key=lambda a: (a[0], a[1], str(a[2]["link_id"])))
    copies = {name + side for name in zone_names for side in "<>"}
    nodes = tuple(sorted({a[0] for a in arcs} | {a[1] for a in arcs} | copies))
    position = {name: i for i, name in enumerate(nodes)}
    tail = np.array([position[a[0]] for a in arcs], dtype=np.int64)
    head = np.array([position[a[1]] for a in arcs], dtype=np.int64)
    order = np.lexsort((head, tail))
    arcs = [arcs[i] for i in order]
    tail, head = tail[order], head[order]
    length = np.array([a[2]["length_km"] for a in arcs], dtype=np.float64)
    share = np.array([a[2]["in_province_share"] for a in arcs], dtype=np.float64)
    classes = tuple(sorted({str(a[2]["link_class"]) for a in arcs}))
    link_ids = tuple(sorted({str(a[2]["link_id"]) for a in arcs}))
    link_position = {name: i for i, name in enumerate(link_ids)}
    named_terminals = [(z.removeprefix(ZONE_PREFIX), z + ">", z + "<") for z in sorted(zone_names)]
    named_terminals += [(n, n, n) for n in sorted(set(terminals)) if n in position]
    found = CompiledNetwork(
        mode=mode,
        nodes=nodes,
        indptr=np.searchsorted(tail, np.arange(len(nodes) + 1)).astype(np.int64),
        head=head,
        tail=tail,
        length_km=length,
        tariff_km=np.array([a[2]["tariff_km"] for a in arcs], dtype=np.float64),
        hours=length / np.array([_speed(a[2], speeds) for a in arcs], dtype=np.float64),
        territory_km=length * share,
        capacity_t_per_year=np.array([_number(a[2]["capacity_t_per_year"]) for a in arcs], dtype=np.float64),
        class_code=np.array([classes.index(str(a[2]["link_class"])) for a in arcs], dtype=np.int64),
        classes=classes,
        link=np.array([link_position[str(a[2]["link_id"])] for a in arcs], dtype=np.int64),
        link_ids=link_ids,
        forward=np.array([bool(a[2]["forward"]) for a in arcs], dtype=np.bool_),
        terminals=tuple(t[0] for t in named_terminals),
        origins=np.array([position[t[1]] for t in named_terminals], dtype=np.int64),
        destinations=np.array([position[t[2]] for t in named_terminals], dtype=np.int64),
        position=position,
    )
    for value in vars(found).values():
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
    return found


def _number(value: object) -> float:
    return float("nan") if value is None else float(value)  # type: ignore[arg-type]


def _speed(data: Mapping[str, object], speeds: Mapping[str, float]) -> float:
    own = data["speed_km_h"]
    if own is not None:
        return float(own)  # type: ignore[arg-type]
    try:
        return speeds[str(data["link_class"])]
    except KeyError:
        msg = f"{data['link_id']} states no speed and class {data['link_class']} has no default"
        raise NetworkError(msg) from None
