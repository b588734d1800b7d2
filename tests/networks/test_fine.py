"""The finer road network of the data and the shapes of the links: what they say, and that they can stand in for the compact roads."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import polars as pl
import pytest

from networks.fine import fine_tables, road_rules
from networks.graph import build_graph, compile_network
from networks.preload import CarFlows, car_preload, road_classes

if TYPE_CHECKING:
    from transport.inputs import Inputs

Tables = dict[str, pl.DataFrame]
TABLES = ("nodes", "links", "zones", "connectors")


def great_circle_km(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    a1, o1, a2, o2 = np.radians([lat1, lon1, lat2, lon2])
    h = np.sin((a2 - a1) / 2) ** 2 + np.cos(a1) * np.cos(a2) * np.sin((o2 - o1) / 2) ** 2
    return float(2 * 6371.0088 * np.arcsin(np.sqrt(h)))


def points(shape: str) -> list[tuple[float, float]]:
    return [(float(lon), float(lat)) for lon, lat in (p.split() for p in shape.split(";"))]


@pytest.fixture(scope="module")
def compact(inputs: Inputs) -> Tables:
    return {t: inputs.table(f"networks/{t}") for t in (*TABLES, "shapes")}


@pytest.fixture(scope="module")
def fine(inputs: Inputs, compact: Tables) -> Tables:
    pieces = inputs.table("networks/fine/links")
    return fine_tables(inputs.table("networks/fine/nodes"), pieces, compact, road_rules(inputs.parameters))


def roads(tables: Tables, year: int) -> nx.Graph[str]:
    """Return the roads of a year as a simple graph weighed by length, zones included."""
    simple: nx.Graph[str] = nx.Graph()
    for a, b, data in build_graph(*(tables[t] for t in TABLES), year=year).edges(data=True):
        if data["mode"] == "road" and data["length_km"] < simple.get_edge_data(a, b, {"km": np.inf})["km"]:
            simple.add_edge(a, b, km=data["length_km"])
    return simple


@pytest.fixture(scope="module")
def both(compact: Tables, fine: Tables) -> tuple[nx.Graph[str], nx.Graph[str]]:
    return roads(compact, 2020), roads(fine, 2020)


def distance(graph: nx.Graph[str], a: str, b: str) -> float:
    return float(nx.shortest_path_length(graph, f"zone:Z_{a}", f"zone:Z_{b}", weight="km"))


# ---- known answers ----

#: Town pairs and their known road distance [km]: published lengths of the expressway between them, centre to centre.
KNOWN = [
    ("SY", "DL", 375, 400),
    ("SY", "DD", 225, 250),
    ("SY", "JZ", 210, 240),
    ("SY", "YK", 165, 195),
    ("SY", "AS", 85, 105),
    ("SY", "BX", 60, 85),
    ("SY", "FS", 42, 60),
    ("SY", "TL", 62, 80),
    ("SY", "PJ", 145, 175),
    ("SY", "FX", 160, 190),
    ("SY", "CY", 280, 340),
    ("SY", "HLD", 255, 305),
    ("DL", "DD", 285, 330),
    ("DL", "YK", 205, 240),
    ("JZ", "CY", 95, 120),
]


@pytest.mark.parametrize(("a", "b", "low", "high"), KNOWN)
def test_known_distances(both: tuple[nx.Graph[str], nx.Graph[str]], a: str, b: str, low: float, high: float) -> None:
    assert low <= distance(both[1], a, b) <= high


NEAR = [("SY", town) for town in ["DL", "DD", "JZ", "YK", "FS", "BX", "LY", "TL", "PJ", "FX", "CY", "HLD"]]
NEAR += [("DL", "DD"), ("DL", "YK"), ("DD", "CY"), ("FX", "TL"), ("DL", "C_ZHUANGHE"), ("DD", "C_HUANREN"), ("CY", "C_LINGYUAN")]


@pytest.mark.parametrize(("a", "b"), NEAR)
def test_distances_are_those_of_the_compact_network(both: tuple[nx.Graph[str], nx.Graph[str]], a: str, b: str) -> None:
    assert distance(both[1], a, b) == pytest.approx(distance(both[0], a, b), rel=0.08)


def test_expressways_have_about_the_length_of_the_road_statistics(inputs: Inputs) -> None:
    """Both carriageways of some expressways are in the graph, some expressways are not: a tenth either way."""
    row = (pl.col("parameter") == "road_length") & (pl.col("subject") == "expressway") & (pl.col("year") == 2020)
    known_km = inputs.parameters.filter(row)["value"].item()
    pieces = inputs.table("networks/fine/links").filter(pl.col("link_class") == "expressway")
    assert (pieces["length_km"] * pieces["in_province_share"]).sum() == pytest.approx(known_km, rel=0.1)


# ---- it holds together ----


@pytest.mark.parametrize("year", [2015, 2020, 2026, 2035])
def test_what_the_compact_roads_reach_the_fine_roads_reach(compact: Tables, fine: Tables, year: int) -> None:
    old, new = (max(nx.connected_components(roads(t, year)), key=len) for t in (compact, fine))
    zones = {f"zone:{z}" for z in compact["zones"]["zone_id"]}
    assert len(zones & old) > 200
    assert zones & old == zones & new


def test_other_modes_zones_and_connectors_stay(compact: Tables, fine: Tables) -> None:
    rest = pl.col("mode") != "road"
    columns = fine["links"].columns
    assert fine["links"].filter(rest).equals(compact["links"].filter(rest).sort("link_id").select(columns))
    assert fine["zones"].equals(compact["zones"])
    assert fine["connectors"].equals(compact["connectors"])
    assert fine["links"]["link_id"].is_unique().all()
    assert fine["nodes"]["node_id"].is_unique().all()


def test_roads_beyond_the_finer_graph_and_future_roads_stay(compact: Tables, fine: Tables) -> None:
    kept = set(fine["links"]["link_id"])
    drawn = dict(compact["shapes"].select("link_id", "quality").iter_rows())
    for row in compact["links"].filter(pl.col("mode") == "road").iter_rows(named=True):
        if drawn[row["link_id"]] == "assumption":
            assert row["link_id"] in kept
    assert "RD088" in kept, "the expressway that opens in 2026 between Jianchang and Suizhong"
    assert not {"RD001", "RD001W"} & kept


def test_a_widened_road_is_wide_from_its_year_on(fine: Tables) -> None:
    def capacity(year: int) -> set[float]:
        opened = (pl.col("open_year").is_null() | (pl.col("open_year") <= year)) & (
            pl.col("close_year").is_null() | (pl.col("close_year") >= year)
        )
        rows = fine["links"].filter(pl.col("note").str.contains(r"^on RD001W?;"), opened)
        assert rows.select("from_node", "to_node").is_unique().all()
        return set(rows["capacity_t_per_year"])

    now, later = capacity(2025), capacity(2026)
    assert len(now) == len(later) == 1
    assert later.pop() == pytest.approx(2.5 * now.pop()), "ten lanes for four"


def test_pieces_carry_the_values_of_their_compact_link(compact: Tables, fine: Tables) -> None:
    on = fine["links"].with_columns(compact_link=pl.col("note").str.extract(r"^on (\w+)")).drop_nulls("compact_link")
    joined = on.join(compact["links"], left_on="compact_link", right_on="link_id", suffix="_old")
    assert joined.height == on.height > 1900
    for column in ("link_class", "speed_km_h", "capacity_t_per_year", "open_year", "close_year"):
        assert joined[column].equals(joined[f"{column}_old"].alias(column)), column


def test_pieces_have_lanes_and_traffic_of_their_compact_link(compact: Tables, fine: Tables) -> None:
    """The classes behind a capacity are those of the compact link, so that levers on lanes and cars on access roads act alike."""
    old, new = road_classes(compact["links"]), road_classes(fine["links"])
    known = dict(zip(old.link_ids, zip(old.lanes, old.kind, strict=True), strict=True))
    parent = dict(fine["links"].select("link_id", pl.col("note").str.extract(r"^on (\w+)")).iter_rows())
    seen = set()
    for link, lanes, kind in zip(new.link_ids, new.lanes, new.kind, strict=True):
        origin = parent[link] or (link if link in known else None)
        assert (lanes, kind) == (known[origin] if origin else ("national_road", "national_road")), link
        seen.add((lanes, kind))
    assert seen >= set(known.values()) - {("access_road", "national_road")}
    assert ("expressway_10_lane", "expressway") in seen


def test_ties_have_neither_capacity_nor_cars(fine: Tables) -> None:
    ties = set(fine["links"].filter(pl.col("link_class") == "connector")["link_id"])
    classes = road_classes(fine["links"])
    assert len(ties) > 50
    assert not ties & set(classes.link_ids)
    graph = build_graph(*(fine[t] for t in TABLES), year=2020)
    network = compile_network(graph, "road", connector_classes=("connector",), speed_km_h={"connector": 40.0})
    flows = CarFlows(np.full(network.head.size, 100.0), np.zeros((0, 0)), 0.0, at_bound=False)
    values = {
        ("car_pcu_per_day", "national_road"): 7.0,
        ("car_pcu_per_day", "access_road"): 9.0,
        ("car_traffic_index", "all"): 2.0,
    }
    cars = car_preload(network, classes, flows, values)
    name = np.array(network.link_ids)[network.link]
    assert not cars[np.isin(name, sorted(ties))].any()
    assert set(cars[network.is_class("expressway") > 0]) == {200.0}
    assert set(cars[network.is_class("national_road") > 0]) == {14.0, 18.0}


# ---- the tables themselves ----


def test_fine_table_classes_are_those_of_their_links(inputs: Inputs) -> None:
    pieces = inputs.table("networks/fine/links")
    classes = dict(inputs.table("networks/links").select("link_id", "link_class").iter_rows())
    for link, kind in pieces.select("compact_link", "link_class").iter_rows():
        assert kind == (classes[link] if link else "national_road")
    assert set(pieces["quality"]) == {"derived", "assumption"}


def test_fine_pieces_are_no_shorter_than_straight(inputs: Inputs) -> None:
    """Coordinates are rounded to 0.001 degrees, about 0.1 km at either end; few pieces are bent far or loops."""
    bent = 0
    at = {r["node_id"]: (r["lat"], r["lon"]) for r in inputs.table("networks/fine/nodes").iter_rows(named=True)}
    for row in inputs.table("networks/fine/links").iter_rows(named=True):
        straight = great_circle_km(*at[row["from_node"]], *at[row["to_node"]])
        assert row["length_km"] >= 0.98 * straight - 0.15, row
        bent += row["length_km"] > 1.4 * straight + 0.3
    assert bent < 0.02 * inputs.table("networks/fine/links").height


def test_named_pieces_lie_on_the_shape_of_their_link(inputs: Inputs) -> None:
    """The middle of a piece is at most 1.5 km from the simplified shape of the link whose values it takes."""
    at = {r["node_id"]: np.array([r["lon"], r["lat"]]) for r in inputs.table("networks/fine/nodes").iter_rows(named=True)}
    shapes = {k: np.array(points(s)) for k, s in inputs.table("networks/shapes").select("link_id", "shape").iter_rows()}
    scale = np.array([111.195 * np.cos(np.radians(41.0)), 111.195])
    for row in inputs.table("networks/fine/links").drop_nulls("compact_link").iter_rows(named=True):
        middle = (at[row["from_node"]] + at[row["to_node"]]) / 2 * scale
        line = shapes[row["compact_link"]] * scale
        start, along = line[:-1], np.diff(line, axis=0)
        length = np.maximum((along**2).sum(axis=1), 1e-12)
        share = np.clip(((middle - start) * along).sum(axis=1) / length, 0, 1)
        assert np.hypot(*(start + share[:, None] * along - middle).T).min() < 1.5, row


def test_every_road_and_rail_link_has_a_shape_between_its_nodes(inputs: Inputs) -> None:
    links = inputs.table("networks/links").filter(pl.col("mode").is_in(["road", "rail"]))
    shapes = inputs.table("networks/shapes")
    assert sorted(links["link_id"]) == shapes["link_id"].to_list()
    at = {r["node_id"]: (r["lon"], r["lat"]) for r in inputs.table("networks/nodes").iter_rows(named=True)}
    ends = {r["link_id"]: (at[r["from_node"]], at[r["to_node"]]) for r in links.iter_rows(named=True)}
    for link, shape in shapes.select("link_id", "shape").iter_rows():
        line = points(shape)
        assert len(line) >= 2
        assert line[0] == pytest.approx(ends[link][0], abs=6e-5), link
        assert line[-1] == pytest.approx(ends[link][1], abs=6e-5), link


def shape_rows(inputs: Inputs) -> list[dict[str, Any]]:
    return inputs.table("networks/shapes").join(inputs.table("networks/links"), on="link_id", suffix="_link").rows(named=True)


def shape_km(shape: str) -> float:
    line = points(shape)
    return sum(great_circle_km(b, a, d, c) for (a, b), (c, d) in pairwise(line))


def test_a_derived_shape_is_about_as_long_as_its_link(inputs: Inputs) -> None:
    """Within 25 % or 1.5 km along the graph; the simplified line cuts corners and edges of the graph have lost theirs."""
    off = []
    for row in shape_rows(inputs):
        if row["quality"] == "derived":
            km, length = shape_km(row["shape"]), row["length_km"]
            assert 0.7 * length - 1.5 <= km <= 1.25 * length + 1.5, (row["link_id"], km, length)
            off.append(abs(km / length - 1) * length)
        else:
            assert row["shape"].count(";") == 1
    total = sum(row["length_km"] for row in shape_rows(inputs) if row["quality"] == "derived")
    assert sum(off) / total < 0.05


def test_most_of_the_roads_and_railways_of_the_province_have_their_shape(inputs: Inputs) -> None:
    for mode, least in (("road", 0.93), ("rail", 0.85)):
        rows = [row for row in shape_rows(inputs) if row["mode"] == mode and row["in_province_share"] == 1]
        total = sum(row["length_km"] for row in rows)
        assert sum(row["length_km"] for row in rows if row["quality"] == "derived") > least * total
