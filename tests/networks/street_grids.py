"""Grids of streets at the equator, where a metre east and a metre north are the same angle, with stops and homes on them."""

from __future__ import annotations

import itertools
import math
from typing import Any

import networkx as nx
import polars as pl

EARTH_M = 6_371_009.0
BLOCK = 100.0


def angle(metres: float) -> float:
    """Degrees of a distance at the equator, where longitude and latitude are alike."""
    return math.degrees(metres / EARTH_M)


def grid(columns: int, rows: int, *, highway: Any = "residential", **tags: Any) -> nx.MultiDiGraph[Any]:
    """Return a grid of 100 m at the equator as OSMnx has it: node (column, row), every street in both directions."""
    graph: nx.MultiDiGraph[Any] = nx.MultiDiGraph(crs="epsg:4326", simplified=True)
    for column, row in itertools.product(range(columns), range(rows)):
        graph.add_node((column, row), x=angle(column * BLOCK), y=angle(row * BLOCK))
    for column, row in itertools.product(range(columns), range(rows)):
        for there in ((column + 1, row), (column, row + 1)):
            if there in graph:
                street(graph, (column, row), there, highway=highway, **tags)
    return graph


def street(graph: nx.MultiDiGraph[Any], a: Any, b: Any, *, metres: float = BLOCK, **tags: Any) -> None:
    for u, v, back in ((a, b, False), (b, a, True)):
        graph.add_edge(u, v, length=metres, reversed=back, **tags)


def at(*points: tuple[float, float], kind: str = "bus") -> pl.DataFrame:
    """Return stops at metres east and north of the corner of a grid."""
    rows = [(f"S{i}", kind, angle(north), angle(east)) for i, (east, north) in enumerate(points)]
    return pl.DataFrame(rows, schema=["stop_id", "kind", "lat", "lon"], orient="row")


def homes(*points: tuple[float, float, float]) -> pl.DataFrame:
    """Return population points at metres east and north with residents."""
    rows = [(f"P{i}", angle(north), angle(east), people) for i, (east, north, people) in enumerate(points)]
    types = {"point_id": pl.String(), "lat": pl.Float64(), "lon": pl.Float64(), "population": pl.Float64()}
    return pl.DataFrame(rows, schema=types, orient="row")


def everywhere(columns: int, rows: int) -> pl.DataFrame:
    """Return one resident at each crossing of a grid."""
    return homes(*((c * BLOCK, r * BLOCK, 1.0) for c, r in itertools.product(range(columns), range(rows))))
