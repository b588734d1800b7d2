"""Streets on which people walk or ride: a graph of OSMnx as arrays in metres, cut into short pieces.

A way is walked in both directions, and so is it ridden here: of two arcs that are one way drawn in both directions one is kept, and a one-way street
counts for both directions. Long ways are cut, so that a home or a stop in the middle of a block joins its street there and not at the next
crossing. Places are points on a sphere in metres; the chord between two of them stands for the great circle (5 km apart they differ by 0.1 mm).

Data from OpenStreetMap is under the Open Database License 1.0: © OpenStreetMap contributors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import polars as pl
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, QhullError, cKDTree

from networks.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import networkx as nx
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]
    Edge = tuple[Any, Any, dict[str, Any]]

#: Mean radius of the earth [m]; the one that OSMnx takes for lengths.
_EARTH_M = 6_371_009.0
_KM_PER_MILE = 1.609344
#: Stated length over drawn length of a whole network; beyond it the lengths are not metres.
_LENGTH_RATIO = (0.9, 1.1)
#: Two arcs between the same nodes whose lengths differ by less are one way drawn in both directions [m].
_SAME_M = 0.01
#: A way this much longer than a whole number of pieces is still cut into that number, as a share of a piece.
_ROUNDING = 0.01
#: Tags that say where cycles go on a street.
CYCLE_TAGS = ("cycleway", "cycleway:both", "cycleway:left", "cycleway:right")


@dataclass(frozen=True)
class Streets:
    """Streets as pieces between places.

    Attributes
    ----------
    place
        Ends of the pieces on the sphere [m], array ``[node, 3]``; the nodes of the graph come first, then the cuts.
    ends
        Positions of the two ends, array ``[piece, 2]``.
    length_m
        Length [m], array ``[piece]``; never below the straight line between the ends.
    tag
        Row of ``tags`` that holds for a piece, array ``[piece]``.
    tags
        One row per combination of tags: ``highway``, ``cycleway`` (lists of values), ``maxspeed_km_h`` (the highest, null without one).
    about
        What the graph says about itself: ``created_date``, ``attribution`` and the like.
    """

    place: Floats
    ends: Ints
    length_m: Floats
    tag: Ints
    tags: pl.DataFrame
    about: Mapping[str, str]

    @property
    def km(self) -> float:
        """Return the length of all pieces [km]."""
        return float(self.length_m.sum()) / 1000.0

    def matrix(self) -> csr_array:
        """Return the lengths as a symmetric sparse array ``[node, node]`` [m]; of parallel pieces the shortest stays."""
        size = len(self.place)
        rows, columns = (np.concatenate([self.ends[:, i], self.ends[:, 1 - i]]) for i in (0, 1))
        return _sparse(rows, columns, np.tile(self.length_m, 2), size)

    def part(self, chosen: Flags) -> Streets:
        """Return the chosen pieces with the places that they touch; ``chosen`` is an array ``[piece]``."""
        ends = self.ends[chosen]
        used, position = np.unique(ends, return_inverse=True)
        return Streets(
            self.place[used], position.reshape(ends.shape), self.length_m[chosen], self.tag[chosen], self.tags, self.about
        )

    def parts(self) -> Ints:
        """Return the connected part that each place is in, array ``[node]``; the parts are numbered from 0."""
        _, found = connected_components(self.matrix(), directed=False)
        return np.asarray(found, dtype=np.int64)

    def crossings(self, merge_m: float) -> int:
        """Return how many places three or more pieces leave; those closer than ``merge_m`` [m] to each other count once."""
        arms = np.bincount(self.ends.ravel(), minlength=len(self.place))
        found = self.place[arms >= 3]
        return 0 if not len(found) else int(_clusters(found, merge_m))

    def hull_km2(self) -> float | None:
        """Return the area of the smallest convex outline around all places [km2]; None if they lie on a line."""
        centre = self.place.mean(axis=0)
        up = centre / np.linalg.norm(centre)
        east = np.cross([0.0, 0.0, 1.0], up)
        if len(self.place) < 3 or not np.linalg.norm(east):
            return None
        east /= np.linalg.norm(east)
        flat = self.place @ np.column_stack([east, np.cross(up, east)])
        try:
            return float(ConvexHull(flat).volume) / 1e6
        except QhullError:
            return None


def _sparse(rows: Ints, columns: Ints, values: Floats, size: int) -> csr_array:
    """Return a sparse array whose doubled cells hold the least value; a zero stays a link of length zero."""
    order = np.lexsort([values, columns, rows])
    rows, columns, values = rows[order], columns[order], values[order]
    first = np.ones(len(rows), dtype=np.bool_)
    first[1:] = (np.diff(rows) != 0) | (np.diff(columns) != 0)
    return csr_array((values[first], (rows[first], columns[first])), shape=(size, size))


def _clusters(points: Floats, within_m: float) -> int:
    """Return the number of groups of points in which each is within a distance of another one."""
    pairs = cKDTree(points).query_pairs(within_m, output_type="ndarray")
    links = csr_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(points), len(points)))
    return int(connected_components(links, directed=False)[0])


def on_sphere(lat: Floats, lon: Floats) -> Floats:
    """Return points given in degrees as places on the sphere [m], array ``[point, 3]``."""
    a, o = np.radians(lat), np.radians(lon)
    return _EARTH_M * np.column_stack([np.cos(a) * np.cos(o), np.cos(a) * np.sin(o), np.sin(a)])


def snap(streets: Streets, points: Floats) -> tuple[Floats, Ints]:
    """Return the straight line to the nearest place of the streets [m], and that place, arrays ``[point]``."""
    metres, place = cKDTree(streets.place).query(points)
    return np.asarray(metres, dtype=np.float64), np.asarray(place, dtype=np.int64)


def degrees(place: Floats) -> tuple[Floats, Floats]:
    """Return latitude and longitude [degrees] of places on the sphere, arrays ``[point]``."""
    x, y, z = place.T
    return np.degrees(np.arctan2(z, np.hypot(x, y))), np.degrees(np.arctan2(y, x))


# ---- from a graph ----


def streets_of(graph: nx.MultiDiGraph[Any], *, piece_m: float, name: str = "graph") -> Streets:
    """Return the streets of a graph as OSMnx makes it, in degrees.

    Parameters
    ----------
    graph
        ``x``, ``y`` in degrees on its nodes; ``length`` [m], if need be ``geometry`` (a line with ``coords``) and tags on its edges.
    piece_m
        Longest piece [m]; infinity cuts nothing.
    name
        What messages call the graph.

    Returns
    -------
    Streets
        Nodes without an edge are left out.

    Raises
    ------
    NetworkError
        Every problem at once: no edge, coordinates that are no degrees, edges without a length, lengths that are not metres.
    """
    kept = _once(graph)
    wrong = _problems(graph, kept, name)
    if wrong:
        raise NetworkError("\n".join(wrong))
    used = list(dict.fromkeys(node for u, v, _ in kept for node in (u, v)))
    position = {node: i for i, node in enumerate(used)}
    data = graph.nodes
    nodes = on_sphere(
        np.array([data[n]["y"] for n in used], dtype=np.float64), np.array([data[n]["x"] for n in used], dtype=np.float64)
    )
    ends = np.array([(position[u], position[v]) for u, v, _ in kept], dtype=np.int64)
    lengths = np.array([tags["length"] for *_, tags in kept], dtype=np.float64)
    points, counts = _lines(kept, nodes[ends])
    drawn, at = _along(points, counts)
    ratio = lengths.sum() / drawn.sum() if drawn.sum() else 0.0
    if not _LENGTH_RATIO[0] <= ratio <= _LENGTH_RATIO[1]:
        msg = (
            f"{name}: the lengths of its edges add up to {lengths.sum():.6g}, their drawn lines to {drawn.sum():.6g} m; "
            "write lengths in metres, as OSMnx does for a graph in degrees"
        )
        raise NetworkError(msg)
    place, pieces, share, way = _cut(nodes, ends, points, counts, drawn, at, piece_m)
    straight = np.linalg.norm(place[pieces[:, 0]] - place[pieces[:, 1]], axis=1)
    tag, tags = _tags(kept)
    about = {str(k): str(v) for k, v in graph.graph.items()}
    return Streets(place, pieces, np.maximum(lengths[way] * share, straight), tag[way], tags, about)


def _once(graph: nx.MultiDiGraph[Any]) -> list[Edge]:
    """Return the edges with those left out that are another one drawn the other way."""
    order = {node: i for i, node in enumerate(graph)}
    seen: dict[tuple[Any, ...], int] = {}
    kept: dict[tuple[Any, ...], int] = {}
    found = []
    for u, v, data in graph.edges(data=True):
        swapped = order[u] > order[v]
        length = data.get("length")
        key = (v if swapped else u, u if swapped else v, round(length / _SAME_M) if _is_length(length) else None)
        direction = str(data.get("reversed")) == "True" if u == v else swapped
        nth = seen[(*key, direction)] = seen.get((*key, direction), 0) + 1
        if nth > kept.get(key, 0):
            kept[key] = nth
            found.append((u, v, data))
    return found


def _tags(edges: Sequence[Edge]) -> tuple[Ints, pl.DataFrame]:
    """Return for each edge its row in the table of tags, and that table."""
    rows: dict[tuple[str, ...], tuple[int, tuple[Any, ...]]] = {}
    names = ("highway", "maxspeed", *CYCLE_TAGS)
    found = np.empty(len(edges), dtype=np.int64)
    for i, (*_, data) in enumerate(edges):
        key = tuple([str(data.get(name)) for name in names])
        if key not in rows:
            rows[key] = (
                len(rows),
                (
                    texts(data.get("highway")),
                    [x for tag in CYCLE_TAGS for x in texts(data.get(tag))],
                    max(numbers(data.get("maxspeed")), default=None),
                ),
            )
        found[i] = rows[key][0]
    types = {"highway": pl.List(pl.String()), "cycleway": pl.List(pl.String()), "maxspeed_km_h": pl.Float64()}
    return found, pl.DataFrame([row for _, row in rows.values()], schema=types, orient="row")


def _problems(graph: nx.MultiDiGraph[Any], edges: Sequence[Edge], name: str) -> list[str]:
    if not edges:
        return [f"{name}: holds no edge; take a graph that osmnx saved with save_graphml"]
    places = [(n, data.get("x"), data.get("y")) for n, data in graph.nodes(data=True)]
    numbers = (int, float)
    astray = [
        n
        for n, x, y in places
        if not (isinstance(x, numbers) and isinstance(y, numbers) and abs(x) <= 180.0 and abs(y) <= 90.0)  # NaN fails, too
    ]
    wrong = []
    if astray:
        wrong.append(
            f"{name}: {len(astray)} of {len(places)} nodes have no x and y in degrees (first: {astray[0]}); save the graph in EPSG:4326"
        )
    short = [(u, v) for u, v, data in edges if not _is_length(data.get("length"))]
    if short:
        u, v = short[0]
        wrong.append(
            f"{name}: {len(short)} of {len(edges)} edges have no length in metres (first: {u} to {v}); add it with osmnx.distance.add_edge_lengths"
        )
    return wrong


def _is_length(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and 0.0 <= value < np.inf


def texts(value: object) -> list[str]:
    """Return the texts of a tag; osmnx joins the ways of an edge to lists."""
    return [str(v) for v in value] if isinstance(value, list | tuple | set) else [] if value is None else [str(value)]


def numbers(value: object) -> list[float]:
    """Return the plain numbers of a tag such as ``60``, ``40 mph``, ``2;3``; words are passed over."""
    found = []
    for text in texts(value):
        for number, unit in re.findall(r"(\d+(?:\.\d+)?)\s*(mph)?", text):
            found.append(float(number) * (_KM_PER_MILE if unit else 1.0))
    return [number for number in found if number > 0]


def _lines(edges: Sequence[Edge], ends: Floats) -> tuple[Floats, Ints]:
    """Return the corners of all edges one after the other, array ``[corner, 3]`` on the sphere [m], and how many each edge has.

    An edge without a line is straight between its two ``ends``, array ``[edge, 2, 3]``.
    """
    counts = np.full(len(edges), 2, dtype=np.int64)
    bent = {i: list(line.coords) for i, (*_, data) in enumerate(edges) if (line := data.get("geometry")) is not None}
    for i, corners in bent.items():
        counts[i] = len(corners)
    points = np.empty((counts.sum(), 3))
    first = np.cumsum(counts) - counts
    plain = np.ones(len(edges), dtype=np.bool_)
    plain[list(bent)] = False
    points[first[plain]], points[first[plain] + 1] = ends[plain, 0], ends[plain, 1]
    if bent:
        drawn = np.array([corner[:2] for corners in bent.values() for corner in corners], dtype=np.float64)  # lon, lat
        points[np.repeat(~plain, counts)] = on_sphere(drawn[:, 1], drawn[:, 0])
    return points, counts


def _along(points: Floats, counts: Ints) -> tuple[Floats, Floats]:
    """Return the drawn length of each edge [m], and at each corner the length of all lines before it [m]."""
    steps = np.zeros(len(points))
    steps[1:] = np.linalg.norm(np.diff(points, axis=0), axis=1)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    steps[first] = 0.0  # the jump from one edge to the next
    at = np.cumsum(steps)
    return at[first + counts - 1] - at[first], at


def _cut(
    nodes: Floats, ends: Ints, points: Floats, counts: Ints, drawn: Floats, at: Floats, piece_m: float
) -> tuple[Floats, Ints, Floats, Ints]:
    """Return the places, the ends of the pieces, the share of its way that each piece is, and its way."""
    number = np.maximum(np.ceil(drawn / piece_m - _ROUNDING), 1.0).astype(np.int64)
    way = np.repeat(np.arange(len(ends)), number)
    step = np.arange(len(way)) - np.repeat(np.cumsum(number) - number, number)  # 0, 1, ... within each way
    last = step == number[way] - 1
    cut = np.full(len(way), -1, dtype=np.int64)
    cut[~last] = len(nodes) + np.arange(np.count_nonzero(~last))
    to_node = np.where(last, ends[way, 1], cut)
    from_node = np.where(step == 0, ends[way, 0], np.roll(cut, 1))
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    wanted = (at[first][way] + drawn[way] * (step + 1) / number[way])[~last]
    # at grows along each line and stands still between lines, so one interpolation serves all edges
    inner = np.column_stack([np.interp(wanted, at, points[:, i]) for i in range(3)])
    return np.concatenate([nodes, inner]), np.column_stack([from_node, to_node]), 1.0 / number[way], way
