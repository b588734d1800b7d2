"""Access by network: grids whose answers can be counted, searches by networkx, and what may never happen whatever the streets."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import LineString

from networks.access import AccessRules, access_rules, calm, detour, measure, problems, served_share, stop_access, walks
from networks.errors import NetworkError
from networks.streets import streets_of
from tests.networks.street_grids import BLOCK, EARTH_M, angle, at, everywhere, grid, homes, street

if TYPE_CHECKING:
    from networks.streets import Streets
    from transport.inputs import Inputs

RULES = AccessRules(
    radius_m={"bus": 500.0, "metro": 800.0},
    walk_km_h=6.0,
    point_error_m=100.0,
    piece_m=math.inf,
    calm_classes=frozenset({"residential", "cycleway"}),
    calm_tracks=frozenset({"track"}),
    calm_speed_km_h=30.0,
    mixed_speed_km_h=40.0,
    reach_m=40.0,
    merge_m=20.0,
    detour_m={"walk": (150.0, 450.0), "cycle": (300.0, 900.0)},
)


@pytest.fixture(scope="module")
def manhattan() -> Streets:
    return streets_of(grid(11, 11), piece_m=math.inf)


# ---- known answers: the grid ----


def test_a_grid_has_the_length_crossings_and_area_that_can_be_counted(manhattan: Streets) -> None:
    assert manhattan.km == pytest.approx(2 * 11 * 10 * 0.1)
    assert manhattan.crossings(20.0) == 11 * 11 - 4, "the four corners have two arms"
    assert manhattan.crossings(101.0) == 1, "closer than the merge distance all are one"
    assert manhattan.hull_km2() == pytest.approx(1.0, rel=1e-6)
    assert set(manhattan.parts()) == {0}


def test_a_stop_in_the_middle_covers_a_diamond_along_streets_and_a_disc_as_a_straight_line(manhattan: Streets) -> None:
    """|dx| + |dy| <= 5 holds for 61 crossings, dx2 + dy2 <= 25 for 81; with 4 and 6 blocks it is 41 and 85 (of 121) along streets."""
    row = stop_access(manhattan, at((500.0, 500.0)), everywhere(11, 11), RULES).row(0, named=True)
    assert row["kind"] == "bus"
    assert row["stops"] == 1
    assert row["share"] == 61 / 121
    assert (row["low"], row["high"]) == (41 / 121, 81 / 121)
    assert row["straight_share"] == 81 / 121
    blocks = [abs(c - 5) + abs(r - 5) for c, r in itertools.product(range(11), range(11))]
    assert [sum(b <= n for b in blocks) for n in (4, 5, 6)] == [41, 61, 81]
    assert row["walk_min"] == pytest.approx(np.mean(blocks), rel=1e-6), "100 m at 6 km/h are a minute"
    assert row["apart_share"] == 0


def test_kinds_of_stops_have_their_own_radius_and_stand_in_their_own_rows(manhattan: Streets) -> None:
    stops = pl.concat([at((500.0, 500.0)), at((500.0, 500.0), kind="metro")])
    found = {row["kind"]: row for row in stop_access(manhattan, stops, everywhere(11, 11), RULES).iter_rows(named=True)}
    blocks = [abs(c - 5) + abs(r - 5) for c, r in itertools.product(range(11), range(11))]
    assert list(found) == ["bus", "metro"]
    assert found["metro"]["share"] == sum(b <= 8 for b in blocks) / 121
    assert found["bus"]["share"] == 61 / 121


def test_residents_count_not_points(manhattan: Streets) -> None:
    where = homes((500.0, 500.0, 30.0), (0.0, 0.0, 70.0))
    assert stop_access(manhattan, at((500.0, 500.0)), where, RULES)["share"][0] == 0.3


@pytest.mark.parametrize(
    ("piece_m", "metres"),
    [
        pytest.param(math.inf, 50.0 + 20.0, id="crossings only: 30-40-50 to the crossing, 20 m to the stop"),
        pytest.param(10.0, 30.0 + 40.0 + 20.0, id="pieces: 30 m to the street, 40 m along it, 20 m to the stop"),
    ],
)
def test_the_way_to_the_street_counts_at_both_ends(piece_m: float, metres: float) -> None:
    streets = streets_of(grid(3, 3), piece_m=piece_m)
    along, straight = walks(streets, at((-20.0, 0.0)), homes((30.0, 40.0, 1.0)))
    assert along[0] == pytest.approx(metres, rel=1e-6)
    assert straight[0] == pytest.approx(math.hypot(50.0, 40.0), rel=1e-6)


def test_of_two_stops_at_one_crossing_the_nearer_counts() -> None:
    streets = streets_of(grid(3, 3), piece_m=math.inf)
    for stops in (at((0.0, -30.0), (-10.0, 0.0)), at((-10.0, 0.0), (0.0, -30.0))):
        assert walks(streets, stops, homes((100.0, 0.0, 1.0)))[0][0] == pytest.approx(110.0, rel=1e-6)


def test_the_detour_of_a_grid_is_that_of_all_pairs() -> None:
    streets = streets_of(grid(6, 5), piece_m=math.inf)
    points = list(itertools.product(range(6), range(5)))
    pairs = [(abs(a - c), abs(b - d)) for (a, b), (c, d) in itertools.product(points, points)]
    wanted = [(x + y, math.hypot(x, y)) for x, y in pairs if 1.5 <= math.hypot(x, y) <= 4.5]
    found = detour(streets, everywhere(6, 5), (150.0, 450.0))
    assert found.pairs == len(wanted)
    assert found.factor == pytest.approx(sum(w for w, _ in wanted) / sum(s for _, s in wanted), rel=1e-6)
    assert found.connected_share == 1.0


def test_detours_weigh_residents_at_both_ends() -> None:
    """Of three homes on an L the pair along a street has no detour, the pair around the corner one of 7/5."""
    streets = streets_of(grid(5, 5), piece_m=math.inf)
    where = homes((0.0, 0.0, 2.0), (300.0, 0.0, 3.0), (300.0, 400.0, 5.0))
    weights = {3.0: 6.0, 4.0: 15.0, 5.0: 10.0}
    ways = {3.0: 3.0, 4.0: 4.0, 5.0: 7.0}
    expected = sum(w * ways[d] for d, w in weights.items()) / sum(w * d for d, w in weights.items())
    assert detour(streets, where, (100.0, 1000.0)).factor == pytest.approx(expected, rel=1e-6)


def test_the_way_to_the_street_is_part_of_a_detour() -> None:
    """30 m to the street, 400 m along it, 50 m from it; the straight line is 400 m by 80 m."""
    streets = streets_of(grid(5, 1), piece_m=math.inf)
    found = detour(streets, homes((0.0, 30.0, 1.0), (400.0, -50.0, 1.0)), (100.0, 1000.0))
    assert found.factor == pytest.approx(480.0 / math.hypot(400.0, 80.0), rel=1e-6)


def test_of_two_ways_between_crossings_the_shorter_is_taken() -> None:
    for lengths in ((150.0, 100.0), (100.0, 150.0)):
        graph: nx.MultiDiGraph[Any] = nx.MultiDiGraph()
        graph.add_nodes_from([(n, {"x": angle(n * BLOCK), "y": 0.0}) for n in range(2)])
        for metres in lengths:
            bow = LineString([(0, 0), (angle(50.0), angle(math.sqrt(metres**2 / 4 - 50.0**2))), (angle(100.0), 0)])
            street(graph, 0, 1, metres=metres, geometry=bow)
        streets = streets_of(graph, piece_m=math.inf)
        assert streets.km == pytest.approx(0.25)
        assert walks(streets, at((0.0, 0.0)), homes((100.0, 0.0, 1.0)))[0][0] == pytest.approx(100.0)


def test_a_sample_of_origins_is_near_all_of_them(manhattan: Streets) -> None:
    every = detour(manhattan, everywhere(11, 11), (150.0, 700.0))
    some = detour(manhattan, everywhere(11, 11), (150.0, 700.0), work=1)
    assert every.factor is not None
    assert some.factor is not None
    assert some.pairs < every.pairs / 3
    assert some.factor == pytest.approx(every.factor, rel=0.03)


def test_homes_apart_have_no_detour() -> None:
    graph = grid(2, 2)
    graph.add_nodes_from([("far", {"x": angle(600.0), "y": 0.0}), ("end", {"x": angle(700.0), "y": 0.0})])
    street(graph, "far", "end")
    streets = streets_of(graph, piece_m=math.inf)
    where = homes((0.0, 0.0, 1.0), (600.0, 0.0, 1.0))
    apart = detour(streets, where, (100.0, 1000.0))
    assert (apart.factor, apart.connected_share, apart.pairs) == (None, 0.0, 2)
    assert detour(streets, where, (5000.0, 6000.0)) == type(apart)(None, None, 0)
    row = stop_access(streets, at((0.0, 0.0)), where, RULES).row(0, named=True)
    assert (row["apart_share"], row["share"], row["walk_min"]) == (0.5, 0.5, 0.0)


# ---- known answers: cycling ----


@pytest.mark.parametrize(
    ("tags", "is_calm"),
    [
        ({"highway": "residential"}, True),
        ({"highway": "residential", "maxspeed": "40"}, True),
        ({"highway": "residential", "maxspeed": "50"}, False),
        ({"highway": "residential", "maxspeed": "30 mph"}, False),
        ({"highway": "primary"}, False),
        ({"highway": "primary", "maxspeed": "30"}, True),
        ({"highway": "primary", "maxspeed": ["30", "60"]}, False),
        ({"highway": "primary", "cycleway": "track"}, True),
        ({"highway": "primary", "cycleway:right": "track"}, True),
        ({"highway": "primary", "cycleway": "lane"}, False),
        ({"highway": "primary", "cycleway": ["track", "lane"]}, False),
        ({"highway": ["residential", "cycleway"]}, True),
        ({"highway": ["residential", "primary"]}, False),
        ({"highway": "unheard_of"}, False),
        ({}, False),
    ],
    ids=str,
)
def test_a_street_is_calm_by_class_track_or_limit(tags: dict[str, Any], is_calm: bool) -> None:
    graph: nx.MultiDiGraph[Any] = nx.MultiDiGraph()
    graph.add_nodes_from([(n, {"x": angle(n * BLOCK), "y": 0.0}) for n in range(2)])
    street(graph, 0, 1, **tags)
    assert calm(streets_of(graph, piece_m=math.inf), RULES).tolist() == [is_calm]


def two_estates() -> nx.MultiDiGraph[Any]:
    """Return two estates of 2 x 2 and 3 x 2 crossings with a large road of 200 m between them."""
    graph = grid(7, 2)
    for a, b in (((1, 0), (2, 0)), ((1, 1), (2, 1)), ((2, 0), (2, 1)), ((2, 0), (3, 0)), ((2, 1), (3, 1)), ((3, 0), (4, 0)), ((3, 1), (4, 1)),
                 ((3, 0), (3, 1))):  # fmt: skip
        for u, v in ((a, b), (b, a)):
            graph.edges[u, v, 0]["highway"] = "primary"
    return graph


def test_the_part_that_serves_most_residents_counts() -> None:
    """The western estate is smaller, but more people live there; the road between them is not calm."""
    streets = streets_of(two_estates(), piece_m=math.inf)
    quiet = streets.part(calm(streets, RULES))
    assert quiet.km == pytest.approx(0.4 + 0.7)
    assert len(set(quiet.parts())) == 2
    where = homes((0.0, 0.0, 50.0), (30.0, 0.0, 10.0), (500.0, 100.0, 30.0), (200.0, 0.0, 10.0))
    assert served_share(quiet, where, 40.0) == 0.6
    assert served_share(quiet, where, 100.0) == 0.7, "the home on the large road is 100 m from the western estate"
    assert served_share(quiet, homes((0.0, 0.0, 20.0), (500.0, 100.0, 80.0)), 40.0) == 0.8, "whichever estate that is"
    assert served_share(streets, where, 40.0) == 1.0
    nothing = streets.part(np.zeros(len(streets.ends), dtype=bool))
    assert served_share(nothing, where, 40.0) == 0.0


def test_measures_of_a_place_come_with_units_and_ranges() -> None:
    streets = streets_of(two_estates(), piece_m=math.inf)
    where = homes((0.0, 0.0, 60.0), (500.0, 100.0, 40.0))
    table = measure(streets, streets, at((0.0, 0.0)), where, RULES)
    value = {(m, k): v for m, k, v in table.select("measure", "kind", "value").iter_rows()}
    assert value["stops", "bus"] == 1
    assert value["stop_share_network", "bus"] == 0.6
    assert value["stop_walk", "bus"] == pytest.approx(0.4 * 6.0, rel=1e-6)
    assert value["area", ""] == pytest.approx(0.06, rel=1e-6)
    assert value["walk_density", ""] == pytest.approx((12 + 7) * 0.1 / 0.06, rel=1e-6)
    assert value["crossing_density", ""] == pytest.approx(10 / 0.06, rel=1e-6)
    assert value["calm_parts", ""] == 2
    assert value["calm_largest_length", ""] == pytest.approx(0.7)
    assert value["cycle_connectivity_share", ""] == 0.6
    assert value["cycle_detour", ""] == pytest.approx(600 / math.hypot(500, 100), rel=1e-6)
    assert value["walk_detour", ""] is None, "no two homes are 150 to 450 m apart"
    stated = measure(streets, streets, at((0.0, 0.0)), where, RULES, km2=2.0)
    assert stated.filter(pl.col("measure") == "calm_density")["value"][0] == pytest.approx(1.1 / 2.0)
    spread = table.drop_nulls("low")
    assert set(spread["measure"]) == {"stop_share_network", "stop_share_straight", "cycle_connectivity_share"}
    assert (spread["low"] <= spread["value"]).all()
    assert (spread["value"] <= spread["high"]).all()


# ---- against networkx ----


def lattice(seed: int) -> tuple[nx.MultiDiGraph[Any], pl.DataFrame, pl.DataFrame]:
    """Return a grid with pieces taken out at random, a few stops and homes anywhere on it."""
    draw = np.random.default_rng(seed)
    graph = grid(7, 6)
    for u, v in list(itertools.combinations(graph, 2)):
        if graph.has_edge(u, v) and draw.random() < 0.3:
            graph.remove_edges_from([(u, v), (v, u)])
    graph.remove_nodes_from([n for n in list(graph) if graph.degree(n) == 0])
    stops = at(*((float(x), float(y)) for x, y in draw.uniform(-50, 650, (3, 2))))
    where = homes(
        *((float(x), float(y), float(p)) for x, y, p in zip(*draw.uniform(0, 600, (2, 25)), draw.uniform(1, 9, 25), strict=True))
    )
    return graph, stops, where


@pytest.mark.parametrize("seed", range(5))
def test_walks_are_those_that_networkx_finds(seed: int) -> None:
    graph, stops, where = lattice(seed)
    names = list(graph)
    spot = np.array([[math.radians(graph.nodes[n][c]) * EARTH_M for c in ("x", "y")] for n in names])

    def nearest(frame: pl.DataFrame) -> list[tuple[Any, float]]:
        places = np.radians(frame.select("lon", "lat").to_numpy()) * EARTH_M
        far = np.linalg.norm(places[:, None] - spot[None], axis=2)
        return [(names[i], float(far[k, i])) for k, i in enumerate(far.argmin(axis=1))]

    joined = nx.Graph(graph)
    for i, (node, metres) in enumerate(nearest(stops)):
        joined.add_edge(("stop", i), node, length=metres)
    by_hand = nx.multi_source_dijkstra_path_length(joined, {("stop", i) for i in range(stops.height)}, weight="length")
    expected = [metres + by_hand.get(node, math.inf) for node, metres in nearest(where)]
    assert walks(streets_of(graph, piece_m=math.inf), stops, where)[0] == pytest.approx(expected, rel=1e-6)


# ---- what may never happen ----


def without(streets: Streets, gone: np.ndarray) -> Streets:
    """Return streets with pieces taken out and all places left."""
    return replace(streets, ends=streets.ends[~gone], length_m=streets.length_m[~gone], tag=streets.tag[~gone])


@given(st.integers(0, 500), st.floats(0, 900), st.floats(0, 300), st.integers(1, 2))
def test_more_stops_a_longer_radius_or_more_streets_never_lower_a_share(
    seed: int, radius: float, more: float, fewer: int
) -> None:
    graph, stops, where = lattice(seed)
    streets = streets_of(graph, piece_m=60.0)
    near, wide = (replace(RULES, radius_m={"bus": r, "metro": r}) for r in (radius, radius + more))
    found = stop_access(streets, stops, where, near).row(0, named=True)
    assert found["low"] <= found["share"] <= found["high"]
    assert found["share"] <= found["straight_share"], "no walk is shorter than the straight line"
    assert found["straight_low"] <= found["straight_share"] <= found["straight_high"]
    assert found["share"] <= stop_access(streets, stops, where, wide)["share"][0]
    assert stop_access(streets, stops.head(fewer), where, near)["share"][0] <= found["share"]
    gone = np.random.default_rng(seed).random(len(streets.ends)) < 0.2
    assert stop_access(without(streets, gone), stops, where, near)["share"][0] <= found["share"]


@given(st.integers(0, 500), st.floats(0, 400), st.floats(0, 300))
def test_fewer_streets_or_a_shorter_reach_never_serve_more(seed: int, reach: float, more: float) -> None:
    graph, _, where = lattice(seed)
    streets = streets_of(graph, piece_m=60.0)
    served = served_share(streets, where, reach)
    assert 0.0 <= served <= served_share(streets, where, reach + more) <= 1.0
    kept = np.random.default_rng(seed).random(len(streets.ends)) < 0.7
    assert served_share(streets.part(kept), where, reach) <= served


@given(st.integers(0, 500))
def test_walks_are_not_below_the_straight_line_and_the_order_of_rows_does_not_count(seed: int) -> None:
    graph, stops, where = lattice(seed)
    streets = streets_of(graph, piece_m=40.0)
    along, straight = walks(streets, stops, where)
    assert (along >= straight - 1e-6).all()
    turned = walks(streets, stops.reverse(), where.reverse())
    assert np.array_equal(turned[0][::-1], along)
    there, back = (detour(streets, frame, (100.0, 500.0), work=1) for frame in (where, where.reverse()))
    assert there == back
    assert there.factor is None or there.factor >= 1.0


@given(st.integers(0, 500), st.floats(0.1, 50.0))
def test_only_shares_of_residents_count(seed: int, times: float) -> None:
    graph, stops, where = lattice(seed)
    streets = streets_of(graph, piece_m=math.inf)
    many = where.with_columns(pl.col("population") * times)
    a, b = (stop_access(streets, stops, frame, RULES).drop("kind").row(0) for frame in (where, many))
    assert a == pytest.approx(b)
    assert served_share(streets, where, 60.0) == pytest.approx(served_share(streets, many, 60.0))


# ---- the rules of the data ----


def test_the_rules_are_rows_of_the_data(inputs: Inputs) -> None:
    rules = access_rules(inputs.parameters)
    assert rules.radius_m["bus"] == 500.0
    assert {"cycleway", "residential"} <= rules.calm_classes
    assert not {"primary", "trunk"} & rules.calm_classes
    assert "track" in rules.calm_tracks
    assert "lane" not in rules.calm_tracks
    assert all(near < far for near, far in rules.detour_m.values())
    with pytest.raises(NetworkError, match="no value of access_cycle_reach all"):
        access_rules(inputs.parameters.filter(pl.col("parameter") != "access_cycle_reach"))


# ---- bad input ----


def test_every_problem_of_stops_and_homes_is_told_at_once(manhattan: Streets) -> None:
    stops = pl.concat([at((0.0, 0.0), (500.0, 500.0)), at((40_000.0, 0.0), kind="tram")])
    where = homes((0.0, 0.0, -1.0), (500.0, -3_500.0, 1.0), (1e9, 0.0, 1.0))
    found = "\n".join(problems({"walk": manhattan, "cycle": manhattan}, stops, where))
    for words in (
        "stop 'S0' stands twice",
        "stop S0: 39.0 km outside the walk network",
        "stop 'S0' has the kind 'tram'; write bus or metro",
        "population point 'P2' lies at lat 0.0, lon 8993",
        "population point 'P0' has the population -1.0",
    ):
        assert words in found
    assert problems({"walk": manhattan}, stops.head(2), homes((500.0, -3_500.0, 1.0))) == [
        "population point P0: 3.5 km outside the walk network; the files are of different places, or latitude and longitude are exchanged"
    ]
    assert problems({}, None, homes((0.0, 0.0, 0.0))) == ["no population point has residents; fill the column population"]
    assert problems({}, stops.clear(), None) == ["there is no stop; give one row or more"]
    assert problems({"walk": manhattan, "cycle": manhattan}, at((0.0, -1_900.0)), homes((0.0, 2_900.0, 1.0))) == []


def test_stops_that_no_home_can_walk_to_are_refused() -> None:
    graph = grid(2, 2)
    graph.add_nodes_from([("far", {"x": angle(900.0), "y": 0.0}), ("end", {"x": angle(1000.0), "y": 0.0})])
    street(graph, "far", "end")
    streets = streets_of(graph, piece_m=math.inf)
    with pytest.raises(NetworkError, match="no stop within reach"):
        measure(streets, streets, at((950.0, 0.0)), homes((0.0, 0.0, 1.0)), RULES)
