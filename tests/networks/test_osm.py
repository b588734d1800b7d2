"""Roads from OpenStreetMap without the internet, the finer network that the data bundles, and the shapes of the links."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import osmnx
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from networks.errors import NetworkError
from networks.fine import nearest
from networks.graph import build_graph, compile_network
from networks.osm import RoadRules, fine_tables, graph_from, merge, road_rules

if TYPE_CHECKING:
    from transport.inputs import Inputs

CROSSING = Path(__file__).parent / "fixtures" / "crossing.osm"
YEAR = 2020
Tables = dict[str, pl.DataFrame]


def great_circle_km(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    a1, o1, a2, o2 = np.radians([lat1, lon1, lat2, lon2])
    h = np.sin((a2 - a1) / 2) ** 2 + np.cos(a1) * np.cos(a2) * np.sin((o2 - o1) / 2) ** 2
    return float(2 * 6371.0088 * np.arcsin(np.sqrt(h)))


@pytest.fixture(scope="module")
def rules() -> RoadRules:
    """Return rules whose class values differ from every tag of the drawing."""
    classes = [
        ("motorway", "expressway", 77.0, 2.0, 100.0),
        ("motorway_link", "expressway", 33.0, 1.0, 80.0),
        ("trunk", "national_road", 66.0, 1.5, 60.0),
        ("primary", "national_road", 55.0, 1.0, 40.0),
        ("secondary", "national_road", 44.0, 1.0, 20.0),
        ("tertiary", "national_road", 22.0, 1.0, 10.0),
    ]
    columns = ["highway", "link_class", "speed_km_h", "lanes", "capacity_t_per_lane_year"]
    frame = pl.DataFrame(classes, schema=columns, orient="row")
    return RoadRules(frame, 100.0, 0.8, 30.0, 1.3, 10.0, 40.0)


@pytest.fixture(scope="module")
def crossing(rules: RoadRules) -> Tables:
    return graph_from(rules=rules, file=CROSSING)


def link(tables: Tables, a: str, b: str) -> dict[str, Any]:
    rows = tables["links"].filter(pl.col("from_node") == a, pl.col("to_node") == b)
    assert rows.height == 1, (a, b)
    return rows.row(0, named=True)


# ---- known answers: the drawn crossing ----


def test_divided_roads_and_the_roundabout_become_single_junctions(crossing: Tables) -> None:
    """Both carriageways at 1+6 and 2+5, the circle 7+13+14; 3 and 4 are 20 m apart, but no road joins them there."""
    assert crossing["nodes"]["node_id"].to_list() == ["N1", "N10", "N16", "N2", "N3", "N4", "N7", "N8"]
    at = {r["node_id"]: r for r in crossing["nodes"].iter_rows(named=True)}
    assert (at["N2"]["lat"], at["N2"]["lon"]) == (pytest.approx(41.80009, abs=1e-5), pytest.approx(123.4, abs=1e-5))
    pairs = crossing["links"].select("from_node", "to_node").rows()
    assert sorted(pairs) == sorted(
        [("N1", "N2"), ("N2", "N3"), ("N2", "N4"), ("N2", "N7"), ("N2", "N8"), ("N10", "N8"), ("N10", "N3"), ("N16", "N7")]
    )


@pytest.mark.parametrize(
    ("a", "b", "link_class", "speed", "capacity"),
    [
        pytest.param("N1", "N2", "expressway", 80.0, 300.0, id="limit 120 counts as 100 for trucks, 3 lanes each way"),
        pytest.param("N2", "N3", "expressway", 80.0, 150.0, id="a lone carriageway has half of it either way"),
        pytest.param("N2", "N4", "expressway", 80.0, 150.0, id="and so has the other"),
        pytest.param("N2", "N8", "national_road", 48.0, 80.0, id="60 km/h, 4 lanes in both directions together"),
        pytest.param("N10", "N8", "national_road", 44.0, 20.0, id="no tags: the class"),
        pytest.param("N10", "N3", "national_road", 0.8 * 64.37376, 60.0, id="40 mph, 2 lanes one way"),
        pytest.param("N16", "N7", "national_road", 22.0, 10.0, id="a limit in words is passed over"),
    ],
)
def test_tags_go_before_classes(crossing: Tables, a: str, b: str, link_class: str, speed: float, capacity: float) -> None:
    row = link(crossing, a, b)
    assert row["link_class"] == link_class
    assert row["speed_km_h"] == pytest.approx(speed)
    assert row["capacity_t_per_year"] == pytest.approx(capacity)
    assert row["mode"] == "road"


def test_lengths_follow_the_drawn_line(crossing: Tables) -> None:
    assert link(crossing, "N1", "N2")["length_km"] == pytest.approx(great_circle_km(41.8, 123.3, 41.8, 123.4), abs=0.05)
    bent = great_circle_km(41.9, 123.4, 41.92, 123.45) + great_circle_km(41.92, 123.45, 41.9, 123.5)
    assert link(crossing, "N10", "N8")["length_km"] == pytest.approx(bent, rel=1e-3)
    assert bent > 1.1 * great_circle_km(41.9, 123.4, 41.9, 123.5)


def test_without_merging_every_carriageway_stays_apart(rules: RoadRules) -> None:
    apart = graph_from(rules=RoadRules(**{**vars(rules), "merge_distance_m": 0.0}), file=CROSSING)
    assert {"N2", "N5", "N14"} <= set(apart["nodes"]["node_id"])
    assert great_circle_km(41.8, 123.4, 41.80018, 123.4) == pytest.approx(link(apart, "N2", "N5")["length_km"], rel=1e-3)


def test_only_roads_of_the_rules_that_hang_together_stay(crossing: Tables, rules: RoadRules) -> None:
    """The residential way to 9, the railway between 1 and 16 and the road apart (17, 18) are left out."""
    assert not {"N9", "N17", "N18"} & set(crossing["nodes"]["node_id"])
    assert ("N1", "N16") not in crossing["links"].select("from_node", "to_node").rows()
    motorways = RoadRules(**{**vars(rules), "classes": rules.classes.filter(pl.col("highway").str.starts_with("motorway"))})
    assert set(graph_from(rules=motorways, file=CROSSING)["links"]["link_class"]) == {"expressway"}


def test_the_reference_says_what_is_in_the_province(rules: RoadRules) -> None:
    reference = pl.DataFrame(
        {
            "node_id": ["in", "out"],
            "area": ["210100", None],
            "in_province": [True, False],
            "lat": [41.8] * 2,
            "lon": [123.3, 123.5],
        }
    )
    found = graph_from(rules=rules, file=CROSSING, reference=reference)
    inside = dict(found["nodes"].select("node_id", "in_province").iter_rows())
    assert inside["N1"]
    assert not inside["N3"]
    assert not inside["N10"]
    assert dict(found["nodes"].select("node_id", "area").iter_rows())["N1"] == "210100"
    assert link(found, "N10", "N3")["in_province_share"] == 0
    assert link(found, "N16", "N7")["in_province_share"] in {0.5, 1.0}
    assert link(found, "N10", "N8")["in_province_share"] == (0.5 if inside["N8"] else 0.0)


def test_graphml_gives_the_same_roads(tmp_path: Path, rules: RoadRules, crossing: Tables) -> None:
    raw = osmnx.graph_from_xml(CROSSING, simplify=False, retain_all=True)
    osmnx.save_graphml(raw, tmp_path / "raw.graphml")
    found = graph_from(rules=rules, graphml=tmp_path / "raw.graphml")
    assert found["links"].equals(crossing["links"])
    assert found["nodes"].equals(crossing["nodes"])


def test_a_simplified_graph_is_taken_as_it_is(tmp_path: Path, rules: RoadRules, crossing: Tables) -> None:
    osmnx.save_graphml(osmnx.graph_from_xml(CROSSING, retain_all=True), tmp_path / "simple.graphml")
    found = graph_from(rules=rules, graphml=tmp_path / "simple.graphml")
    assert link(found, "N10", "N8")["length_km"] == pytest.approx(link(crossing, "N10", "N8")["length_km"])


# ---- the services ----


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any, dict[str, Any]]]:
    """Answer in the place of the map services and note what was asked under which settings."""
    asked: list[tuple[str, Any, dict[str, Any]]] = []

    def answer(kind: str) -> Any:
        def call(what: Any, **options: Any) -> nx.MultiDiGraph[Any]:
            now = {name: getattr(osmnx.settings, name) for name in ("http_user_agent", "overpass_rate_limit", "requests_timeout")}
            asked.append((kind, what, {**options, **now}))
            return osmnx.graph_from_xml(CROSSING, simplify=False, retain_all=True)

        return call

    monkeypatch.setattr(osmnx, "graph_from_place", answer("place"))
    monkeypatch.setattr(osmnx, "graph_from_polygon", answer("polygon"))
    return asked


def test_a_place_is_asked_politely_once_and_then_cached(
    tmp_path: Path, rules: RoadRules, crossing: Tables, service: list[tuple[str, Any, dict[str, Any]]]
) -> None:
    before = osmnx.settings.http_user_agent
    for _ in range(2):
        found = graph_from(rules=rules, place="沈阳市", cache=tmp_path / "new", timeout_s=25.0)
        assert found["links"].equals(crossing["links"])
    assert len(service) == 1
    _, what, how = service[0]
    assert what == "沈阳市"
    assert how["http_user_agent"].startswith("provincial-transport")
    assert how["overpass_rate_limit"]
    assert how["requests_timeout"] == 25.0
    assert "motorway" in how["custom_filter"]
    assert "residential" not in how["custom_filter"]
    assert osmnx.settings.http_user_agent == before
    assert [path.suffix for path in (tmp_path / "new").iterdir()] == [".graphml"], "no half-written file is left"
    graph_from(rules=rules, place="大连市", cache=tmp_path / "new")
    assert len(service) == 2


def test_a_box_is_a_polygon(rules: RoadRules, service: list[tuple[str, Any, dict[str, Any]]]) -> None:
    graph_from(rules=rules, polygon=(123.0, 41.0, 124.0, 42.0))
    graph_from(rules=rules, polygon=[(123.0, 41.0), (124.0, 41.0), (124.0, 42.0)])
    assert [kind for kind, *_ in service] == ["polygon"] * 2
    assert [what.area for _, what, _ in service] == [1.0, 0.5]


def test_without_internet_the_message_names_the_remedy(monkeypatch: pytest.MonkeyPatch, rules: RoadRules) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        problem = "no route to host"
        raise ConnectionError(problem)

    monkeypatch.setattr(osmnx, "graph_from_place", refuse)
    before = osmnx.settings.requests_timeout
    with pytest.raises(NetworkError, match=r"place '沈阳市' could not be fetched \(ConnectionError: no route.*file= or graphml="):
        graph_from(rules=rules, place="沈阳市", timeout_s=1.0)
    assert osmnx.settings.requests_timeout == before


def test_importing_networks_does_not_import_osmnx() -> None:
    code = "import sys, networks, networks.osm, networks.fine; print(sorted({'osmnx', 'geopandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---- joining ----


def town(node_id: str, lat: float, lon: float, kind: str = "city") -> dict[str, Any]:
    return {"node_id": node_id, "name_zh": node_id, "name_en": node_id, "kind": kind, "area": None, "in_province": True,
            "lat": lat, "lon": lon, "source": "s", "quality": "literature", "note": None}  # fmt: skip


def old_link(link_id: str, a: str, b: str, mode: str = "road", **more: Any) -> dict[str, Any]:
    return {"link_id": link_id, "from_node": a, "to_node": b, "mode": mode, "link_class": "national_road" if mode == "road" else "trunk",
            "line_zh": None, "length_km": 20.0, "tariff_km": 20.0, "speed_km_h": 50.0, "tracks": None, "electrified_year": None,
            "capacity_t_per_year": 1e6, "capacity_quality": "derived", "in_province_share": 1.0, "open_year": None, "close_year": None,
            "source": "s", "quality": "literature", "note": None, **more}  # fmt: skip


@pytest.fixture
def compact() -> Tables:
    """Return W and E near the drawing, FAR beyond reach, a junction J between W and E, a railway W-FAR."""
    nodes = [town("W", 41.81, 123.3), town("E", 41.9, 123.51), town("FAR", 43.0, 124.5), town("J", 41.85, 123.4, "junction")]
    links = [old_link("R1", "W", "J"), old_link("R2", "J", "E"), old_link("R3", "E", "FAR"), old_link("L1", "W", "FAR", "rail")]
    zones = [
        {"zone_id": f"Z_{n}", "node_id": n, "kind": "city", "area": None, "in_province": True, "intrazonal_km": 5.0}
        for n in ("W", "E", "FAR")
    ]
    doors = [{"zone_id": f"Z_{n}", "node_id": n, "mode": "road", "link_class": "connector", "length_km": 0.0, "in_province_share": 1.0}
             for n in ("W", "E", "FAR")]  # fmt: skip
    return {
        "nodes": pl.DataFrame(nodes),
        "links": pl.DataFrame(links),
        "zones": pl.DataFrame(zones),
        "connectors": pl.DataFrame(doors),
    }


def road_km(tables: Tables, year: int = YEAR) -> nx.Graph[str]:
    """Return the roads of a year as a simple graph weighed by length, zones included."""
    graph = build_graph(*(tables[t] for t in ("nodes", "links", "zones", "connectors")), year=year)
    simple: nx.Graph[str] = nx.Graph()
    for a, b, data in graph.edges(data=True):
        if data["mode"] == "road" and data["length_km"] < simple.get_edge_data(a, b, {"km": np.inf})["km"]:
            simple.add_edge(a, b, km=data["length_km"], hours=data["length_km"] / (data["speed_km_h"] or 40.0))
    return simple


def test_merge_swaps_the_roads_within_reach_and_ties_the_rest(crossing: Tables, compact: Tables, rules: RoadRules) -> None:
    found = merge(crossing, compact, rules)
    ids = set(found["links"]["link_id"])
    assert {"R3", "L1"} <= ids, "a road to a node beyond reach and the railway stay"
    assert not {"R1", "R2"} & ids
    assert "J" not in set(found["nodes"]["node_id"]), "nothing uses the junction any more"
    ties = found["links"].filter(pl.col("link_class") == "connector")
    assert {r["from_node"]: r["to_node"] for r in ties.iter_rows(named=True)} == {"W": "N1", "E": "N10"}
    west = ties.filter(pl.col("from_node") == "W")["length_km"].item()
    assert west == pytest.approx(1.3 * great_circle_km(41.81, 123.3, 41.80009, 123.3), rel=1e-6)
    km = nx.shortest_path_length(road_km(found), "zone:Z_W", "zone:Z_E", weight="km")
    east = ties.filter(pl.col("from_node") == "E")["length_km"].item()
    by_hand = west + sum(link(found, *p)["length_km"] for p in [("N1", "N2"), ("N2", "N3"), ("N10", "N3")]) + east
    assert km == pytest.approx(by_hand)
    assert nx.has_path(road_km(found), "zone:Z_W", "zone:Z_FAR")


def test_merge_keeps_what_is_not_to_be_replaced(crossing: Tables, compact: Tables, rules: RoadRules) -> None:
    found = merge(crossing, compact, rules, replaced=["R2"])
    assert {"R1", "R3", "L1"} <= set(found["links"]["link_id"])
    ties = found["links"].filter(pl.col("link_class") == "connector")["from_node"].to_list()
    assert sorted(ties) == ["E", "J"], "both ends of the replaced link"
    assert nx.has_path(road_km(found), "zone:Z_W", "zone:Z_E")
    rest = found["links"].filter(pl.col("link_id").is_in(["R1", "R3", "L1"]))
    kept = compact["links"].filter(pl.col("link_id") != "R2").with_columns(pl.lit(None).alias("oneway"))
    assert rest.equals(kept.select(rest.columns).cast(rest.schema).sort("link_id"))


def test_a_merged_network_compiles(crossing: Tables, compact: Tables, rules: RoadRules) -> None:
    found = merge(crossing, compact, rules)
    graph = build_graph(*(found[t] for t in ("nodes", "links", "zones", "connectors")), year=YEAR)
    network = compile_network(graph, "road", connector_classes=("connector",), speed_km_h={"connector": 40.0})
    assert set(network.terminals) == {"Z_W", "Z_E", "Z_FAR"}
    assert np.isfinite(network.hours).all()


@given(
    st.lists(st.tuples(st.floats(-60, 60), st.floats(-170, 170)), min_size=1, max_size=12),
    st.floats(-60, 60),
    st.floats(-170, 170),
)
def test_nearest_is_the_smallest_great_circle(points: list[tuple[float, float]], lat: float, lon: float) -> None:
    nodes = pl.DataFrame(points, schema=["lat", "lon"], orient="row")
    position, km = nearest(pl.DataFrame({"lat": [lat], "lon": [lon]}), nodes)
    all_km = [great_circle_km(lat, lon, *point) for point in points]
    assert km[0] == pytest.approx(min(all_km), abs=1e-3)
    assert all_km[position[0]] == pytest.approx(min(all_km), abs=1e-3)


# ---- the rules of the data ----


def test_class_capacity_is_that_of_the_compact_links(inputs: Inputs) -> None:
    """A motorway with the lanes of an ordinary expressway carries what such a compact link carries; the same for a primary road."""
    found = road_rules(inputs.parameters)
    links = inputs.table("networks/links").filter(pl.col("mode") == "road")
    for highway, kind in (("motorway", "expressway"), ("primary", "national_road")):
        row = found.row(highway)
        capacities = set(links.filter(pl.col("link_class") == kind)["capacity_t_per_year"].to_list())
        assert any(c == pytest.approx(row["lanes"] * row["capacity_t_per_lane_year"], rel=1e-6) for c in capacities)
    assert found.classes["highway"][0] == "motorway"
    assert found.classes["highway"].to_list().index("trunk") < found.classes["highway"].to_list().index("secondary")
    assert (found.classes["speed_km_h"] > 0).all()


# ---- bad input ----


@pytest.mark.parametrize("given_places", [{}, {"place": "x", "file": CROSSING}, {"polygon": (0, 0, 1, 1), "graphml": CROSSING}])
def test_exactly_one_place_to_read_from(rules: RoadRules, given_places: dict[str, Any]) -> None:
    with pytest.raises(NetworkError, match=r"name exactly one of place, polygon, file, graphml; got"):
        graph_from(rules=rules, **given_places)


@pytest.mark.parametrize("how", ["file", "graphml"])
def test_a_missing_file_is_named(rules: RoadRules, tmp_path: Path, how: str) -> None:
    with pytest.raises(NetworkError, match=r"no file .*gone\.osm.*file=.*graphml="):
        graph_from(rules=rules, **{how: tmp_path / "gone.osm"})  # type: ignore[arg-type]


@pytest.mark.parametrize("how", ["file", "graphml"])
@pytest.mark.parametrize("text", ["", "<osm><node", "not a map", "<osm></osm>", "<graphml></graphml>"])
def test_a_file_that_is_no_map_is_refused(rules: RoadRules, tmp_path: Path, how: str, text: str) -> None:
    bad = tmp_path / "bad.osm"
    bad.write_text(text, encoding="utf-8")
    with pytest.raises(NetworkError, match=r"bad\.osm cannot be read|no road in it"):
        graph_from(rules=rules, **{how: bad})  # type: ignore[arg-type]


def test_a_map_without_roads_is_refused(rules: RoadRules, tmp_path: Path) -> None:
    rails = tmp_path / "rails.osm"
    rails.write_text(CROSSING.read_text(encoding="utf-8").replace('k="highway"', 'k="railway"'), encoding="utf-8")
    with pytest.raises(NetworkError, match="no road in it: none of its ways is tagged highway=motorway"):
        graph_from(rules=rules, file=rails)


def test_a_merge_distance_that_swallows_the_map_is_refused(rules: RoadRules) -> None:
    with pytest.raises(NetworkError, match=r"merged into one within 50000\.0 m; lower the merge distance"):
        graph_from(rules=RoadRules(**{**vars(rules), "merge_distance_m": 50_000.0}), file=CROSSING)


@pytest.mark.parametrize(
    ("polygon", "message"),
    [
        ((124.0, 41.0, 123.0, 42.0), "is empty; give west, south, east, north"),
        ([(123.0, 41.0), (124.0, 41.0)], "three corners or more"),
        ([(41.0, 123.0), (42.0, 123.0), (42.0, 124.0)], r"\(lon, lat\) in degrees"),
    ],
)
def test_a_polygon_that_is_none_is_refused(rules: RoadRules, polygon: Any, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        graph_from(rules=rules, polygon=polygon)


def test_a_name_in_both_networks_is_refused(crossing: Tables, compact: Tables, rules: RoadRules) -> None:
    twice = {**compact, "nodes": compact["nodes"].with_columns(pl.col("node_id").replace("FAR", "N1"))}
    with pytest.raises(NetworkError, match="N1 stands in both networks"):
        merge(crossing, twice, rules)


def test_only_road_links_can_be_replaced(crossing: Tables, compact: Tables, rules: RoadRules) -> None:
    with pytest.raises(NetworkError, match="L1 is to be replaced, but is no road link"):
        merge(crossing, compact, rules, replaced=["L1"])


def test_a_road_network_without_nodes_is_refused(crossing: Tables, compact: Tables, rules: RoadRules) -> None:
    empty = {name: table.clear() for name, table in crossing.items()}
    with pytest.raises(NetworkError, match="no node to be near to"):
        merge(empty, compact, rules)


def test_a_missing_rule_is_named(inputs: Inputs) -> None:
    rows = inputs.parameters.filter(pl.col("parameter") != "osm_tie_detour")
    with pytest.raises(NetworkError, match="no value of osm_tie_detour all"):
        road_rules(rows)
    with pytest.raises(NetworkError, match="no row for highway=footway; the classes are motorway"):
        road_rules(inputs.parameters).row("footway")


def test_a_piece_on_an_unknown_link_is_refused(inputs: Inputs) -> None:
    tables = {t: inputs.table(f"networks/{t}") for t in ("nodes", "links", "zones", "connectors", "shapes")}
    odd = inputs.table("networks/fine/links").with_columns(compact_link=pl.lit("RD999"))
    with pytest.raises(NetworkError, match="lies on RD999, which is no road link"):
        fine_tables(inputs.table("networks/fine/nodes"), odd, tables, road_rules(inputs.parameters))
