"""Streets for walking and cycling: cut into pieces, read from files and from the map services, and refused where they are none."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import osmnx
import polars as pl
import pytest
from shapely import LineString, Point

from networks.access import walks
from networks.errors import NetworkError
from networks.formats import read_points
from networks.osm import stops_from, streets_from
from networks.streets import degrees, streets_of
from tests.networks.street_grids import BLOCK, EARTH_M, angle, at, grid, homes, street

TOWN = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "access_town"


# ---- pieces ----


def test_pieces_change_neither_length_nor_crossings() -> None:
    whole, cut = (streets_of(grid(4, 4), piece_m=m) for m in (math.inf, 30.0))
    assert cut.km == pytest.approx(whole.km)
    assert cut.crossings(20.0) == whole.crossings(20.0)
    assert len(cut.ends) == 4 * len(whole.ends)
    assert cut.length_m.max() <= 30.0


def test_a_bent_way_is_cut_along_its_line() -> None:
    """Two legs of 300 and 400 m at a right angle: the middle piece ends lie on them, not on the straight line between the ends."""
    graph: nx.MultiDiGraph[Any] = nx.MultiDiGraph()
    graph.add_node(1, x=0.0, y=0.0)
    graph.add_node(2, x=angle(300.0), y=angle(400.0))
    line = LineString([(0, 0), (angle(300.0), 0), (angle(300.0), angle(400.0))])
    graph.add_edge(1, 2, length=700.0, geometry=line, highway="path", reversed=False)
    graph.add_edge(2, 1, length=700.0, geometry=line.reverse(), highway="path", reversed=True)
    streets = streets_of(graph, piece_m=100.0)
    lat, lon = degrees(streets.place)
    found = sorted((round(math.radians(x) * EARTH_M), round(math.radians(y) * EARTH_M)) for x, y in zip(lon, lat, strict=True))
    assert found == sorted([(e, 0) for e in (0, 100, 200, 300)] + [(300, n) for n in (100, 200, 300, 400)])
    assert walks(streets, at((0.0, 0.0)), homes((300.0, 400.0, 1.0)))[0][0] == pytest.approx(700.0, rel=1e-6)


def test_ways_drawn_to_and_fro_count_once_and_parallel_ones_each() -> None:
    graph: nx.MultiDiGraph[Any] = nx.MultiDiGraph()
    graph.add_nodes_from([(n, {"x": angle(n * BLOCK), "y": 0.0}) for n in range(4)])
    street(graph, 0, 1)
    graph.add_edge(1, 2, length=BLOCK, reversed=False, oneway=True)  # one way only
    street(graph, 2, 3)
    street(graph, 2, 3)  # two ways of the same length side by side
    loop = LineString([(angle(300), 0), (angle(330), 0), (angle(330), angle(40)), (angle(300), 0)])
    street(graph, 3, 3, metres=120.0, geometry=loop)
    streets = streets_of(graph, piece_m=math.inf)
    assert sorted(streets.length_m.round(3)) == [100.0, 100.0, 100.0, 100.0, 120.0]
    assert streets.crossings(1.0) == 2, "node 2 with three arms, node 3 with two and both ends of the loop"


# ---- the made-up town, and reading ----


def drawing() -> Any:
    spec = importlib.util.spec_from_file_location("access_town", TOWN.with_suffix(".py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_made_up_town_is_what_its_script_draws(tmp_path: Path) -> None:
    drawing().write(tmp_path)
    names = ["cycle.graphml", "population.csv", "stops.csv", "walk.graphml"]
    assert sorted(path.name for path in TOWN.iterdir()) == names
    for name in names:
        drawn, kept = (folder / name for folder in (tmp_path, TOWN))
        if name.endswith(".graphml"):  # its bytes depend on whether lxml is installed
            again, before = osmnx.load_graphml(drawn), osmnx.load_graphml(kept)
            assert dict(again.nodes(data=True)) == dict(before.nodes(data=True))
            assert [*map(repr, again.edges(keys=True, data=True))] == [*map(repr, before.edges(keys=True, data=True))]
        else:
            assert drawn.read_text(encoding="utf-8") == kept.read_text(encoding="utf-8"), name
    assert sum((TOWN / name).stat().st_size for name in names) < 300_000
    assert "made-up" in streets_from(mode="walk", piece_m=50.0, graphml=TOWN / "walk.graphml").about["attribution"]


def test_a_projected_file_gives_the_same_streets(tmp_path: Path) -> None:
    graph = osmnx.load_graphml(TOWN / "walk.graphml")
    osmnx.save_graphml(osmnx.project_graph(graph, to_crs="EPSG:32651"), tmp_path / "flat.graphml")
    flat, round_earth = (
        streets_from(mode="walk", piece_m=50.0, graphml=path) for path in (tmp_path / "flat.graphml", TOWN / "walk.graphml")
    )
    assert flat.km == pytest.approx(round_earth.km)
    stops, where = (pl.read_csv(TOWN / f"{name}.csv") for name in ("stops", "population"))
    assert np.allclose(walks(flat, stops, where)[0], walks(round_earth, stops, where)[0], atol=0.01)


def test_streets_and_stops_of_a_place_are_asked_for_with_tags_of_cycling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    def graphs(what: Any, *rest: Any, **options: Any) -> nx.MultiDiGraph[Any]:
        asked.append((what, *rest, options["network_type"], "cycleway:left" in osmnx.settings.useful_tags_way))
        return osmnx.load_graphml(TOWN / "cycle.graphml")

    def features(what: Any, tags: dict[str, Any], *rest: Any) -> Any:
        import geopandas

        asked.append((what, sorted(tags), *rest))
        shapes = [Point(123.4, 41.8), Point(123.41, 41.8), Point(123.42, 41.81).buffer(0.001)]
        rows = {
            "highway": ["bus_stop", None, None],
            "railway": [None, "subway_entrance", None],
            "station": [None, None, "subway"],
        }
        return geopandas.GeoDataFrame(rows, geometry=shapes, index=[("node", 1), ("node", 2), ("way", 3)])

    for name, answer in (("graph", graphs), ("features", features)):
        for kind in ("place", "point"):
            monkeypatch.setattr(osmnx, f"{name}_from_{kind}", answer)
    before = list(osmnx.settings.useful_tags_way)
    for _ in range(2):
        found = streets_from(mode="cycle", piece_m=50.0, place="somewhere", cache=tmp_path)
        assert found.km == pytest.approx(streets_from(mode="cycle", piece_m=50.0, graphml=TOWN / "cycle.graphml").km)
    streets_from(mode="walk", piece_m=50.0, point=(41.8, 123.4, 2000.0))
    stops = stops_from(place="somewhere")
    assert stops.select("kind").to_series().to_list() == ["bus", "metro", "metro"]
    assert stops["stop_id"].to_list() == ["node_1", "node_2", "way_3"]
    assert stops.row(2)[2:] == (pytest.approx(41.81), pytest.approx(123.42))
    assert stops_from(point=(41.8, 123.4, 2000.0)).equals(stops)
    tags = ["highway", "railway", "station"]
    assert asked == [
        ("somewhere", "bike", True),
        ((41.8, 123.4), 2000.0, "walk", True),
        ("somewhere", tags),
        ((41.8, 123.4), tags, 2000.0),
    ], "the second question for the same streets is answered from the cache"
    assert osmnx.settings.useful_tags_way == before


def test_without_internet_the_message_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        problem = "no route to host"
        raise ConnectionError(problem)

    monkeypatch.setattr(osmnx, "graph_from_place", refuse)
    monkeypatch.setattr(osmnx, "features_from_place", refuse)
    with pytest.raises(NetworkError, match=r"the walk network of place 'x' could not be fetched.*needs the internet.*graphml="):
        streets_from(mode="walk", piece_m=50.0, place="x")
    with pytest.raises(NetworkError, match=r"the stops of place 'x' could not be fetched.*a table of stops"):
        stops_from(place="x")


# ---- bad input ----


def spoilt(change: Any) -> nx.MultiDiGraph[Any]:
    graph = grid(3, 3)
    change(graph)
    return graph


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda g: g.remove_edges_from(list(g.edges)), "town: holds no edge", id="empty"),
        pytest.param(
            lambda g: g.nodes[0, 0].update(x=5e5), r"1 of 9 nodes have no x and y in degrees \(first: \(0, 0\)\)", id="metres"
        ),
        pytest.param(lambda g: g.nodes[0, 0].update(y=math.nan), "1 of 9 nodes have no x and y in degrees", id="nan"),
        pytest.param(lambda g: g.nodes[0, 0].pop("y"), "1 of 9 nodes have no x and y in degrees", id="no y"),
        pytest.param(lambda g: g.edges[(0, 0), (0, 1), 0].pop("length"), "of 13 edges have no length in metres", id="no length"),
        pytest.param(lambda g: g.edges[(0, 0), (0, 1), 0].update(length=-1.0), "have no length in metres", id="negative"),
        pytest.param(
            lambda g: [d.update(length=0.1) for *_, d in g.edges(data=True)],
            "add up to 1.2, their drawn lines to 1200 m",
            id="km",
        ),
        pytest.param(lambda g: [d.update(length=328.0) for *_, d in g.edges(data=True)], "write lengths in metres", id="feet"),
    ],
)
def test_a_graph_that_is_no_street_network_is_refused(change: Any, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        streets_of(spoilt(change), piece_m=50.0, name="town")


def test_all_problems_of_a_graph_are_told_at_once() -> None:
    graph = grid(3, 3)
    graph.nodes[0, 0].pop("x")
    graph.edges[(1, 1), (1, 2), 0].pop("length")
    with pytest.raises(NetworkError, match=r"(?s)no x and y.*no length"):
        streets_of(graph, piece_m=50.0)


@pytest.mark.parametrize("system", [None, "EPSG:999999", "no system"])
def test_an_unknown_reference_system_is_refused(tmp_path: Path, system: str | None) -> None:
    graph = osmnx.load_graphml(TOWN / "walk.graphml")
    graph.graph.pop("crs")
    graph.graph.update({} if system is None else {"crs": system})
    osmnx.save_graphml(graph, tmp_path / "odd.graphml")
    with pytest.raises(NetworkError, match=r"odd\.graphml: its reference system .* cannot be used .*EPSG:4326"):
        streets_from(mode="walk", piece_m=50.0, graphml=tmp_path / "odd.graphml")


@pytest.mark.parametrize("given_places", [{}, {"place": "x", "point": (1.0, 2.0, 3.0)}])
def test_exactly_one_place_to_read_streets_from(given_places: dict[str, Any]) -> None:
    with pytest.raises(NetworkError, match="name exactly one of graphml, place, point; got"):
        streets_from(mode="walk", piece_m=50.0, **given_places)


def test_a_table_of_points_is_read_with_every_mistake_named(tmp_path: Path) -> None:
    types = {"stop_id": pl.String(), "kind": pl.String(), "lat": pl.Float64(), "lon": pl.Float64()}
    file = tmp_path / "stops.csv"
    file.write_text("stop_id,kind,lat,lon,line\nA,bus,41.8,123.4,12\n", encoding="utf-8")
    assert read_points(file, types).row(0) == ("A", "bus", 41.8, 123.4, "12")
    file.write_text("stop_id,kind,lat,lon\nA,,x,123.4\nB,bus,,1\n", encoding="utf-8")
    with pytest.raises(NetworkError, match=r"stops\.csv line 2, lat = 'x'"):
        read_points(file, types)
    file.write_text("stop_id,kind,lat,lon\nA,,41.8,123.4\nB,bus,,1\n", encoding="utf-8")
    with pytest.raises(NetworkError, match=r"(?s)line 2, kind: is empty.*line 3, lat: is empty"):
        read_points(file, types)
    file.write_text("stop_id,lat\nA,41.8\n", encoding="utf-8")
    with pytest.raises(NetworkError, match=r"(?s)kind: the column is required.*lon: the column is required"):
        read_points(file, types)
    with pytest.raises(NetworkError, match="no such file"):
        read_points(tmp_path / "gone.csv", types)
