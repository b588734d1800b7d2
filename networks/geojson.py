"""A network as GeoJSON: nodes as points, links as lines, in WGS 84 (RFC 7946)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from networks.gmns import problem, raise_problems

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import networkx as nx
    import polars as pl

#: Who made the geometry; every collection says so.
ATTRIBUTION = "© OpenStreetMap contributors, ODbL 1.0"


def shapes_of(frame: pl.DataFrame) -> dict[str, list[tuple[float, float]]]:
    """Return the polylines of a table of link_id and shape (``lon lat;lon lat;...``), by link.

    Raises
    ------
    NetworkError
        Every shape that cannot be read at once.

    Examples
    --------
    >>> import polars as pl
    >>> shapes_of(pl.DataFrame({"link_id": ["a"], "shape": ["123.4 41.8;123.5 41.9"]}))
    {'a': [(123.4, 41.8), (123.5, 41.9)]}
    """
    found: dict[str, list[tuple[float, float]]] = {}
    wrong: list[str] = []
    for line, (link, text) in enumerate(frame.select("link_id", "shape").iter_rows(), start=2):
        try:
            points = [(float(x), float(y)) for x, y in (point.split() for point in str(text or "").split(";"))]
        except ValueError:
            points = []
        if len(points) < 2:
            wrong.append(problem("shapes.csv", line, "shape", str(text)[:40], "write at least two points: lon lat;lon lat"))
        found[str(link)] = points
    if wrong:
        raise_problems(wrong)
    return found


def collection(
    graph: nx.MultiDiGraph[Any],
    *,
    shapes: Mapping[str, Sequence[tuple[float, float]]] | None = None,
    joined: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[dict[str, Any], int]:
    """Return nodes and links as a GeoJSON FeatureCollection.

    Parameters
    ----------
    graph
        A link is one LineString, whether it is one arc or two: its attribute ``shape``, else the entry of ``shapes``, else straight.
    shapes
        Polyline by link, for example of :func:`shapes_of`.
    joined
        Further properties by link, for example flows.

    Returns
    -------
    collection, left_out
        The collection with the member ``attribution``, and the number of links without a place: an end without coordinates and no polyline (connectors of zones).
    """
    features: list[dict[str, Any]] = []
    for node, data in graph.nodes(data=True):
        if data.get("lat") is not None and data.get("lon") is not None:
            kept = {k: _plain(v) for k, v in data.items() if k not in {"lat", "lon"}}
            features.append(_feature("Point", [data["lon"], data["lat"]], {"element": "node", "node_id": str(node), **kept}))
    left_out = 0
    for start, end, key, data in graph.edges(keys=True, data=True):
        if not data.get("forward", True) and graph.has_edge(end, start, key):
            continue
        link = str(data.get("link_id", key))
        line = data.get("shape") or (shapes or {}).get(link)
        if not line:
            ends = [graph.nodes[n] for n in (start, end)]
            if any(n.get("lat") is None or n.get("lon") is None for n in ends):
                left_out += 1
                continue
            line = [(n["lon"], n["lat"]) for n in ends]
        kept = {k: _plain(v) for k, v in data.items() if k not in {"shape", "forward"}}
        named = {"element": "link", "link_id": link, "from_node": str(start), "to_node": str(end)}
        more = {k: _plain(v) for k, v in (joined or {}).get(link, {}).items()}
        features.append(_feature("LineString", [[float(x), float(y)] for x, y in line], {**named, **kept, **more}))
    return {"type": "FeatureCollection", "attribution": ATTRIBUTION, "features": features}, left_out


def _feature(kind: str, coordinates: Sequence[Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "geometry": {"type": kind, "coordinates": coordinates}, "properties": properties}


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold; what is not finite becomes null."""
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
