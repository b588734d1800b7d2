"""Make the made-up town of access_town/: streets on foot and for cycling, stops, population points.

No place on earth: a drawing on which `transport access` can be tried and tested without the internet. Run `python docs/how-to/access_town.py`
to write the files again, byte for byte; another folder may be named.

The town has superblocks of 400 m between large roads, lanes inside them, some gated, a river with two bridges, a bent park way along it, a
metro line with two stations, and cycle tracks on one large road only.
"""

from __future__ import annotations

import itertools
import math
import sys
from pathlib import Path
from typing import Any

import networkx as nx
import osmnx
import polars as pl
from shapely import LineString

SOUTH, WEST = 41.80, 123.40
METRES_PER_DEGREE = 111_195.08
SPACING, SIDE = 200.0, 9  # lines every 200 m, every second one a large road, the others lanes
RIVER = 4  # between the rows 4 and 5
BRIDGES = (2, 6)
TRACK = 2  # row with a cycle track
ABOUT = {
    "crs": "epsg:4326",
    "created_date": "2026-01-01 00:00:00",
    "created_with": "docs/how-to/access_town.py",
    "attribution": "made-up town of docs/how-to/access_town.py, CC0-1.0, no data of OpenStreetMap",
    "simplified": True,
}


def degrees(east: float, north: float) -> tuple[float, float]:
    """Longitude and latitude of a point in metres from the south-western corner."""
    return WEST + east / (METRES_PER_DEGREE * math.cos(math.radians(SOUTH))), SOUTH + north / METRES_PER_DEGREE


def large(line: int) -> bool:
    return line % 2 == 0


def roads() -> list[tuple[int, int, dict[str, Any]]]:
    """All streets of the town once, with the tags that OSMnx keeps."""
    found = []
    for row in range(SIDE):
        for column in range(SIDE):
            here = row * SIDE + column
            if column < SIDE - 1 and not gated(row, column):
                found.append((here, here + 1, tags(row)))
            if row < SIDE - 1 and (row != RIVER or column in BRIDGES) and not gated(column, row):
                found.append((here, here + SIDE, {**tags(column), **({"bridge": "yes"} if row == RIVER else {})}))
    return found


def gated(line: int, piece: int) -> bool:
    """Lanes of the outer superblocks have no gate on the side away from the centre."""
    return not large(line) and piece in {0, 3, SIDE - 2}


def tags(line: int) -> dict[str, Any]:
    if not large(line):
        return {"highway": "residential", "maxspeed": "30"}
    if line == TRACK:
        return {"highway": "primary", "maxspeed": "60", "cycleway": "track"}
    return {"highway": "secondary", "maxspeed": "50"}


def network(mode: str) -> nx.MultiDiGraph:
    """The streets of one mode as OSMnx has them: every way in both directions."""
    graph = nx.MultiDiGraph(**ABOUT)
    for row in range(SIDE):
        for column in range(SIDE):
            lon, lat = degrees(column * SPACING, row * SPACING)
            graph.add_node(row * SIDE + column, x=round(lon, 7), y=round(lat, 7))
    lines = roads()
    way = 1
    for a, b, data in lines:
        add(graph, a, b, way, data)
        way += 1
    # a bent way through the park south of the river, and for pedestrians steps down to the lane
    start, end = RIVER * SIDE, RIVER * SIDE + SIDE - 1
    bend = [degrees(east, RIVER * SPACING + 60.0 * math.sin(east / 250.0)) for east in range(100, 1600, 100)]
    ends = [(graph.nodes[n]["x"], graph.nodes[n]["y"]) for n in (start, end)]
    path = LineString([ends[0], *[(round(lon, 7), round(lat, 7)) for lon, lat in bend], ends[1]])
    add(graph, start, end, way, {"highway": "path" if mode == "walk" else "cycleway"}, path)
    if mode == "walk":
        add(graph, SIDE + 1, SIDE * 2 + 2, way + 1, {"highway": "footway"})
    return graph


def add(graph: nx.MultiDiGraph, a: int, b: int, way: int, data: dict[str, Any], line: LineString | None = None) -> None:
    corners = [(graph.nodes[n]["x"], graph.nodes[n]["y"]) for n in (a, b)] if line is None else list(line.coords)
    length = sum(osmnx.distance.great_circle(y1, x1, y2, x2) for (x1, y1), (x2, y2) in itertools.pairwise(corners))
    for u, v, back in ((a, b, False), (b, a, True)):
        drawn = {} if line is None else {"geometry": line.reverse() if back else line}
        graph.add_edge(u, v, osmid=way, **data, oneway=False, reversed=back, length=round(float(length), 3), **drawn)


def stops() -> pl.DataFrame:
    """Bus stops beside the large roads at every second crossing in the south, fewer in the north; two stations."""
    rows = [
        (f"B{row}{column}", "bus", column * SPACING + 15.0, row * SPACING + 8.0)
        for row in range(0, SIDE, 2)
        for column in range(0, SIDE, 2 if row <= RIVER else 4)
        if (row, column) != (SIDE - 1, SIDE - 1)
    ]
    rows += [("M1", "metro", 4 * SPACING, 2 * SPACING + 20.0), ("M2", "metro", 4 * SPACING, 7 * SPACING)]
    return placed(rows, ["stop_id", "kind"])


def population() -> pl.DataFrame:
    """Points in the middle of every quarter of a superblock; the centre is denser, the north-eastern estate lies off the grid."""
    rows: list[tuple[Any, ...]] = []
    for row in range(2 * (SIDE - 1)):
        for column in range(2 * (SIDE - 1)):
            east, north = (column + 0.5) * SPACING / 2, (row + 0.5) * SPACING / 2
            away = math.hypot(east - 800.0, north - 600.0)
            rows.append((f"P{row:02d}{column:02d}", round(40 + 160 * math.exp(-away / 600.0)), east, north))
    rows += [(f"N{i}", 120, 1900.0 + 60.0 * i, 1500.0) for i in range(4)]
    return placed(rows, ["point_id", "population"]).select("point_id", "lat", "lon", "population")


def placed(rows: list[tuple[Any, ...]], names: list[str]) -> pl.DataFrame:
    made = []
    for *first, east, north in rows:
        lon, lat = degrees(east, north)
        made.append((*first, round(lat, 6), round(lon, 6)))
    return pl.DataFrame(made, schema=[*names, "lat", "lon"], orient="row")


def write(folder: Path) -> None:
    """Write the four files."""
    folder.mkdir(parents=True, exist_ok=True)
    for mode in ("walk", "cycle"):
        osmnx.save_graphml(network(mode), folder / f"{mode}.graphml")
    stops().write_csv(folder / "stops.csv")
    population().write_csv(folder / "population.csv")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "access_town")
