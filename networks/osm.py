"""Road networks made from OpenStreetMap, and the finer road network that can stand in for the roads of the compact one.

Also the streets for walking and cycling, and the stops, that access is measured on (:mod:`networks.access`).

The only module that imports osmnx, and only inside the functions that need it (the import takes more than a second). Tables have the layout of
the data contract: ``nodes``, ``links``, ``zones``, ``connectors``. A link row is undirected, so a pair of one-way carriageways becomes one link,
and so does a single one-way street: the tables cannot say that a ramp is closed to the other direction.

- :func:`graph_from` reads a place, a polygon, an ``.osm`` file or a GraphML file and returns road tables;
- :func:`merge` ties the other modes, zones and works of a network to such roads;
- :func:`fine_tables` does the same with the bundled finer network, whose pieces take speed, capacity and years from the compact link they lie on.

Data from OpenStreetMap is under the Open Database License 1.0: © OpenStreetMap contributors.
"""

from __future__ import annotations

import hashlib
import importlib
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from networks.errors import NetworkError
from networks.fine import SHORTEST_KM, RoadRules, as_links, as_nodes, fine_tables, merge, nearest, road_rules
from networks.streets import CYCLE_TAGS, numbers, streets_of, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import networkx as nx

    from networks.streets import Streets

__all__ = ["RoadRules", "fine_tables", "graph_from", "merge", "road_rules", "road_tables", "stops_from", "streets_from"]

_Answer = TypeVar("_Answer")

#: Who asks: the map services want to know which program it is.
_USER_AGENT = "provincial-transport freight network (OSMnx)"
_GRAPHML = ".graphml"
#: Name of the network type of osmnx by mode.
_STREETS = {"walk": "walk", "cycle": "bike"}
#: Kind of stop -> tags by which a map object is one.
_STOPS: dict[str, dict[str, list[str]]] = {
    "bus": {"highway": ["bus_stop"]},
    "metro": {"railway": ["subway_entrance"], "station": ["subway"]},
}

# ---- reading ----


def graph_from(
    *,
    rules: RoadRules,
    place: str | None = None,
    polygon: Sequence[tuple[float, float]] | tuple[float, float, float, float] | None = None,
    file: Path | None = None,
    graphml: Path | None = None,
    cache: Path | None = None,
    timeout_s: float = 180.0,
    reference: pl.DataFrame | None = None,
) -> dict[str, pl.DataFrame]:
    """Read roads from one of four places and return them as tables.

    Parameters
    ----------
    rules
        Which highway tags are roads, and what they carry.
    place
        Name that the map service knows, for example a city; needs the internet.
    polygon
        Corners as (lon, lat) in degrees, or a box (west, south, east, north); needs the internet.
    file
        An ``.osm`` XML extract.
    graphml
        A graph that osmnx saved.
    cache
        Folder that keeps what the services answered; the same question is then answered without the internet. None = nothing is kept.
    timeout_s
        Longest wait for an answer of a service [s].
    reference
        Node table whose nearest node says the area of a road node and whether it is in the province; None = all of it is.

    Returns
    -------
    dict
        ``nodes`` and ``links`` of :func:`road_tables`.

    Raises
    ------
    NetworkError
        If not exactly one place to read from is named, a file is missing or holds no road, or a service does not answer.
    """
    given = {"place": place, "polygon": polygon, "file": file, "graphml": graphml}
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        msg = f"name exactly one of {', '.join(given)}; got {', '.join(named) or 'none'}"
        raise NetworkError(msg)
    if file is not None:
        graph = _read(file, xml=True)
    elif graphml is not None:
        graph = _read(graphml, xml=False)
    else:
        graph = _ask(place, None if polygon is None else _corners(polygon), rules, cache, timeout_s)
    return road_tables(graph, rules, reference=reference)


def _read(path: Path, *, xml: bool) -> nx.MultiDiGraph[Any]:
    import osmnx

    if not path.is_file():
        msg = f"no file {path}; an extract in OSM XML is read by file=, a graph saved by osmnx by graphml="
        raise NetworkError(msg)
    try:
        found = osmnx.graph_from_xml(path, simplify=False, retain_all=True) if xml else osmnx.load_graphml(path)
    except Exception as broken:
        # parsers and osmnx raise kinds of their own for a file that is not what it should be; anything else is a fault of the program
        from_parser = type(broken).__module__.partition(".")[0] in {"xml", "osmnx", "networkx"}
        if not from_parser and not isinstance(broken, ValueError | KeyError | SyntaxError | OSError):
            raise
        msg = f"{path} cannot be read as {'OSM XML' if xml else 'GraphML saved by osmnx'}: {broken}"
        raise NetworkError(msg) from broken
    return found


def _corners(polygon: Sequence[Any]) -> list[tuple[float, float]]:
    """Return the corners of a polygon or box, checked."""
    points = list(polygon)
    if len(points) == 4 and all(isinstance(p, int | float) for p in points):
        west, south, east, north = (float(p) for p in points)
        points = [(west, south), (east, south), (east, north), (west, north)]
        if west >= east or south >= north:
            msg = f"box {tuple(polygon)} is empty; give west, south, east, north"
            raise NetworkError(msg)
    if len(points) < 3 or any(abs(lon) > 180 or abs(lat) > 90 for lon, lat in points):
        msg = f"polygon {points} needs three corners or more as (lon, lat) in degrees"
        raise NetworkError(msg)
    return [(float(lon), float(lat)) for lon, lat in points]


def _ask(
    place: str | None, corners: list[tuple[float, float]] | None, rules: RoadRules, cache: Path | None, timeout_s: float
) -> nx.MultiDiGraph[Any]:
    """Return the roads of a place or polygon from the cache, else from the map services."""
    import osmnx

    wanted = f'["highway"~"^({"|".join(sorted(rules.classes["highway"]))})$"]'
    what = f"place {place!r}" if place else f"polygon of {len(corners or ())} corners"
    options: dict[str, Any] = {"simplify": False, "retain_all": True, "truncate_by_edge": True, "custom_filter": wanted}

    def fetch() -> nx.MultiDiGraph[Any]:
        if place:
            return osmnx.graph_from_place(place, **options)
        return osmnx.graph_from_polygon(importlib.import_module("shapely").Polygon(corners), **options)

    return _cached(f"{place}|{corners}|{wanted}", f"the roads of {what}", fetch, cache, timeout_s, "file= or graphml=", "roads")


def _cached(
    key: str, what: str, fetch: Callable[[], nx.MultiDiGraph[Any]], cache: Path | None, timeout_s: float, instead: str, stem: str
) -> nx.MultiDiGraph[Any]:
    """Return a graph from the cache, else from the map services, and keep it."""
    import osmnx

    kept = None
    if cache is not None:
        kept = cache / f"{stem}_{hashlib.sha256(key.encode()).hexdigest()[:16]}{_GRAPHML}"
        if kept.is_file():
            return _read(kept, xml=False)
    graph = _fetched(what, fetch, cache, timeout_s, instead)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:  # renamed when whole, so a broken run leaves no half file
            part = Path(folder) / kept.name
            osmnx.save_graphml(graph, part)
            part.replace(kept)
    return graph


def _fetched(what: str, fetch: Callable[[], _Answer], cache: Path | None, timeout_s: float, instead: str) -> _Answer:
    """Return what the map services answer.

    Raises
    ------
    NetworkError
        If they do not answer, or know nothing of that name.
    """
    with _politely(cache, timeout_s):
        try:
            return fetch()
        except (OSError, ValueError, TypeError) as refused:  # no connection, an empty answer, an unknown place
            msg = (
                f"{what} could not be fetched ({type(refused).__name__}: {refused}); "
                f"this needs the internet, so on a machine without it read an extract instead: {instead}"
            )
            raise NetworkError(msg) from refused


@contextmanager
def _politely(cache: Path | None, timeout_s: float) -> Iterator[None]:
    """Set how osmnx asks the services, and set it back."""
    from osmnx import settings

    wanted = {
        "use_cache": cache is not None,
        "cache_folder": str(cache / "http") if cache is not None else settings.cache_folder,
        "overpass_rate_limit": True,
        "requests_timeout": timeout_s,
        "http_user_agent": _USER_AGENT,
        "http_referer": _USER_AGENT,
        "log_file": False,
        # beside the tags that osmnx keeps by itself: where cycles go
        "useful_tags_way": sorted({*settings.useful_tags_way, *CYCLE_TAGS}),
    }
    before = {name: getattr(settings, name) for name in wanted}
    try:
        for name, value in wanted.items():
            setattr(settings, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(settings, name, value)


# ---- streets and stops ----


def streets_from(
    *,
    mode: str,
    piece_m: float,
    graphml: Path | None = None,
    place: str | None = None,
    point: tuple[float, float, float] | None = None,
    cache: Path | None = None,
    timeout_s: float = 180.0,
) -> Streets:
    """Read the streets for walking or cycling from one of three places.

    Parameters
    ----------
    mode
        ``walk`` or ``cycle``; which ways the map services are asked for. A file is taken as it is.
    piece_m
        Longest piece of street [m].
    graphml
        A graph that osmnx saved; one in another reference system than degrees is projected back.
    place
        Name that the map service knows; needs the internet.
    point
        Latitude and longitude in degrees and half the side of a square around it [m]; needs the internet.
    cache, timeout_s
        As in :func:`graph_from`.

    Returns
    -------
    Streets
        See :func:`networks.streets.streets_of`.

    Raises
    ------
    NetworkError
        If not exactly one place to read from is named, a file is missing or holds no streets, or a service does not answer.
    """
    given = {"graphml": graphml, "place": place, "point": point}
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        msg = f"name exactly one of {', '.join(given)}; got {', '.join(named) or 'none'}"
        raise NetworkError(msg)
    if graphml is not None:
        return streets_of(_in_degrees(_read(graphml, xml=False), graphml.name), piece_m=piece_m, name=graphml.name)
    import osmnx

    what = f"the {mode} network of " + (f"place {place!r}" if place else f"point {point}")

    def fetch() -> nx.MultiDiGraph[Any]:
        if place is not None:
            return osmnx.graph_from_place(place, network_type=_STREETS[mode])
        lat, lon, dist = point or (0.0, 0.0, 0.0)
        return osmnx.graph_from_point((lat, lon), dist, network_type=_STREETS[mode])

    graph = _cached(
        f"{place}|{point}|{mode}", what, fetch, cache, timeout_s, f"graphml=, --{mode} FILE of transport access", mode
    )
    return streets_of(graph, piece_m=piece_m, name=what)


def _in_degrees(graph: nx.MultiDiGraph[Any], name: str) -> nx.MultiDiGraph[Any]:
    """Return a graph with its nodes in degrees.

    Raises
    ------
    NetworkError
        If it does not say in which reference system it is, or nobody knows that one.
    """
    import osmnx

    system = graph.graph.get("crs")
    try:
        if system is None:
            msg = "it names none"
            raise ValueError(msg)  # noqa: TRY301 - one message for all ways in which the system may be wrong
        return osmnx.project_graph(graph, to_latlong=True) if osmnx.projection.is_projected(system) else graph
    except (ValueError, KeyError, RuntimeError) as unknown:  # pyproj's own error is a RuntimeError
        msg = f"{name}: its reference system {system!r} cannot be used ({unknown}); save the graph in degrees, crs EPSG:4326"
        raise NetworkError(msg) from unknown


def stops_from(
    *,
    place: str | None = None,
    point: tuple[float, float, float] | None = None,
    cache: Path | None = None,
    timeout_s: float = 180.0,
) -> pl.DataFrame:
    """Ask the map services for the stops of a place or around a point.

    Parameters
    ----------
    place, point, cache, timeout_s
        As in :func:`streets_from`.

    Returns
    -------
    polars.DataFrame
        ``stop_id``, ``kind`` (bus, metro), ``lat``, ``lon`` of the middle of the object; sorted.

    Raises
    ------
    NetworkError
        If a service does not answer or knows no stop.
    """
    import osmnx

    tags: dict[str, bool | str | list[str]] = {key: values for kind in _STOPS.values() for key, values in kind.items()}
    what = "the stops of " + (f"place {place!r}" if place is not None else f"point {point}")

    def fetch() -> Any:
        if place is not None:
            return osmnx.features_from_place(place, tags)
        lat, lon, dist = point or (0.0, 0.0, 0.0)
        return osmnx.features_from_point((lat, lon), tags, dist)

    found = _fetched(what, fetch, cache, timeout_s, "a table of stops, --stops FILE of transport access")
    rows = []
    for name, data in found.iterrows():
        kind = next(k for k, by in _STOPS.items() if any(data.get(key) in values for key, values in by.items()))
        middle = data["geometry"].centroid
        rows.append(("_".join(str(part) for part in name), kind, float(middle.y), float(middle.x)))
    types = {"stop_id": pl.String(), "kind": pl.String(), "lat": pl.Float64(), "lon": pl.Float64()}
    return pl.DataFrame(rows, schema=types, orient="row").sort("kind", "stop_id")


# ---- from tags to tables ----


def road_tables(
    graph: nx.MultiDiGraph[Any], rules: RoadRules, *, reference: pl.DataFrame | None = None, source: str = "osm_extract"
) -> dict[str, pl.DataFrame]:
    """Return an osmnx graph as road tables, its junctions consolidated.

    Ways whose highway tag has no row in the rules are left out, and so is what is not joined to the largest part. Of several roads of one
    class between the same two junctions the shortest stays. A one-way road without a partner between the same two junctions (a carriageway whose
    other side meets other junctions, a ramp) has half its capacity in either direction, so that the sum over both carriageways is right.

    Parameters
    ----------
    graph
        With ``x``, ``y`` in degrees, and ``highway``, ``length`` [m] on its edges; ``maxspeed``, ``lanes``, ``oneway``, ``name`` count if
        they are there.
    rules
        Speed, lanes and capacity by highway tag; a tag of the way itself goes before them.
    reference
        See :func:`graph_from`.
    source
        Key of the source table for every row.

    Returns
    -------
    dict
        ``nodes`` (``N`` and the smallest OSM number of the junction) and ``links``, sorted.

    Raises
    ------
    NetworkError
        If no road is left, or all junctions merge into one.
    """
    import networkx as nx
    import osmnx

    order = {name: i for i, name in enumerate(rules.classes["highway"])}
    roads = graph.copy()
    for u, v, key, data in list(roads.edges(keys=True, data=True)):
        known = [name for name in texts(data.get("highway")) if name in order]
        if known:
            data["highway"] = min(known, key=order.__getitem__)
        else:
            roads.remove_edge(u, v, key)
    roads.remove_nodes_from([node for node, degree in dict(roads.degree()).items() if degree == 0])
    if roads.number_of_edges() == 0:
        msg = f"no road in it: none of its ways is tagged highway={', '.join(order)}"
        raise NetworkError(msg)
    largest = max(nx.weakly_connected_components(roads), key=lambda part: (len(part), str(min(part))))
    roads = roads.subgraph(largest).copy()
    if not roads.graph.get("simplified"):
        roads = osmnx.simplify_graph(roads, edge_attrs_differ=["highway"])
    if rules.merge_distance_m > 0:
        flat = osmnx.project_graph(roads)
        roads = osmnx.consolidate_intersections(flat, tolerance=rules.merge_distance_m, dead_ends=True)
        if all(u == v for u, v in roads.edges()):
            msg = f"all junctions merged into one within {rules.merge_distance_m} m; lower the merge distance"
            raise NetworkError(msg)
        roads = osmnx.project_graph(roads, to_latlong=True)
    names = {node: _name(node, data) for node, data in roads.nodes(data=True)}
    links = _links(roads, rules, names, source)
    used = set(links["from_node"]) | set(links["to_node"])
    rows = [(names[n], float(data["y"]), float(data["x"])) for n, data in roads.nodes(data=True) if names[n] in used]
    nodes = pl.DataFrame(rows, schema=["node_id", "lat", "lon"], orient="row").sort("node_id")
    return _placed(as_nodes(nodes.with_columns(area=None, in_province=True, source=pl.lit(source), quality=pl.lit("literature"))),
                   links, reference)  # fmt: skip


def _name(node: object, data: Mapping[str, Any]) -> str:
    merged = data.get("osmid_original", node)
    numbers = [int(n) for n in re.findall(r"\d+", str(merged))]
    return f"N{min(numbers) if numbers else node}"


def _links(roads: nx.MultiDiGraph[Any], rules: RoadRules, names: Mapping[Any, str], source: str) -> pl.DataFrame:
    rows = []
    for u, v, data in roads.edges(data=True):
        a, b = sorted((names[u], names[v]))
        if a == b:
            continue
        row = rules.row(str(data["highway"]))
        limits, lanes = numbers(data.get("maxspeed")), numbers(data.get("lanes"))
        speed = rules.speed_share * min(*limits, rules.truck_limit_km_h) if limits else row["speed_km_h"]
        one = bool({"True", "yes"} & set(texts(data.get("oneway"))))
        wide = max(1.0, min(lanes) / (1 if one else 2)) if lanes else row["lanes"]
        length = max(float(data["length"]) / 1000.0, SHORTEST_KM)
        line = next(iter(texts(data.get("name")) + texts(data.get("ref"))), None)
        capacity = wide * row["capacity_t_per_lane_year"]
        rows.append((a, b, data["highway"], row["link_class"], line, length, speed, capacity, names[u] == a))
    columns = [
        "from_node",
        "to_node",
        "highway",
        "link_class",
        "line_zh",
        "length_km",
        "speed_km_h",
        "capacity_t_per_year",
        "ahead",
    ]
    types: dict[str, Any] = {c: pl.Float64() if c.endswith(("_km", "_h", "_year")) else pl.String() for c in columns}
    types["ahead"] = pl.Boolean()
    ends = ["from_node", "to_node", "highway"]
    frame = pl.DataFrame(rows, schema=types, orient="row").sort(*ends, "length_km", "speed_km_h")
    both = pl.col("ahead").any().over(ends) & ~pl.col("ahead").all().over(ends)
    frame = frame.with_columns(ways=pl.when(both).then(1.0).otherwise(0.5)).unique(ends, keep="first", maintain_order=True)
    frame = frame.with_columns(
        capacity_t_per_year=pl.col("capacity_t_per_year") * pl.col("ways"),
        link_id=pl.concat_str(pl.lit("OSM_"), "from_node", pl.lit("_"), "to_node", pl.lit("_"), "highway"),
        note=pl.concat_str(pl.lit("highway="), "highway"),
        source=pl.lit(source),
        quality=pl.lit("literature"),
        capacity_quality=pl.lit("derived"),
        in_province_share=1.0,
    )
    return as_links(frame)


def _placed(nodes: pl.DataFrame, links: pl.DataFrame, reference: pl.DataFrame | None) -> dict[str, pl.DataFrame]:
    """Take area and province of each node from the nearest node of the reference; a link with one end outside counts by half."""
    if reference is not None:
        near, _ = nearest(nodes, reference)
        nodes = nodes.with_columns(reference.select("area", "in_province")[near].get_columns())
        inside = dict(nodes.select("node_id", pl.col("in_province").cast(pl.Float64)).iter_rows())
        shares = [(inside[a] + inside[b]) / 2 for a, b in links.select("from_node", "to_node").iter_rows()]
        links = links.with_columns(in_province_share=pl.Series(shares, dtype=pl.Float64))
    return {"nodes": nodes, "links": links}
