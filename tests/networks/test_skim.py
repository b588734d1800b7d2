from __future__ import annotations

import networkx as nx
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from networks.errors import NetworkError
from networks.graph import build_graph, compile_network
from networks.skim import imbalance, load_paths, skim
from tests.networks.small import ZONE_IDS, road


def made(cost=None):
    network = road()
    cost = network.length_km if cost is None else cost
    return skim(network, cost, {"km": network.length_km, "territory_km": network.territory_km})


def at(found, name, origin, destination):
    return found.components[name][ZONE_IDS.index(origin), ZONE_IDS.index(destination)]


def test_shortest_path_and_its_components_by_hand():
    found = made()
    assert at(found, "km", "ZA", "ZB") == 120.0  # the expressway through the junction, not the road of 130 km
    assert at(found, "km", "ZW", "ZP") == 2.0 + 120.0 + 20.0
    assert at(found, "km", "ZA", "ZG") == 420.0
    assert at(found, "territory_km", "ZA", "ZG") == 120.0 + 75.0


def test_a_dearer_expressway_moves_the_path_and_the_components_follow():
    network = road()
    cost = network.length_km * np.where(network.is_class("expressway") > 0, 2.0, 1.0)
    assert at(made(cost), "km", "ZA", "ZB") == 130.0


def test_skims_agree_with_networkx():
    found = made()
    graph = nx.MultiDiGraph()
    n = found.network
    for k in range(n.head.size):
        graph.add_edge(n.nodes[n.tail[k]], n.nodes[n.head[k]], weight=max(n.length_km[k], 1e-6))
    for i, start in enumerate(ZONE_IDS):
        lengths = nx.single_source_dijkstra_path_length(graph, f"zone:{start}>")
        for j, end in enumerate(ZONE_IDS):
            if i != j:
                assert found.cost[i, j] == pytest.approx(lengths[f"zone:{end}<"], abs=1e-4)


def test_zones_are_not_passable():
    # ZW reaches its own node only through its connector; nothing passes ZW on the way from ZA to ZB although both touch node A
    found = made()
    vertex = found.network.position["zone:ZW<"]
    assert not np.any(found.predecessor[ZONE_IDS.index("ZA")] == vertex)


def test_the_tree_arc_runs_from_the_predecessor_to_the_vertex():
    found = made()
    n = found.network
    assert found.arc_of.shape == (len(ZONE_IDS), len(n.nodes))
    i, v = np.nonzero(found.predecessor >= 0)
    arc = found.arc_of[i, v]
    assert i.size > len(ZONE_IDS)
    assert np.array_equal(n.tail[arc], found.predecessor[i, v])
    assert np.array_equal(n.head[arc], v)
    assert np.all(found.arc_of[found.predecessor < 0] == -1)


def test_of_parallel_arcs_the_cheapest_carries_the_flow():
    network = compile_network(line(3, twice=True), "road", connector_classes=("connector",), speed_km_h={"connector": 40.0})
    slow = np.array([name.startswith("S") for name in network.link_ids])[network.link]
    found = skim(network, network.length_km + slow, {"slow": slow.astype(float)})
    load = load_paths(found, np.array([[0.0, 7.0], [5.0, 0.0]]))
    assert load[slow].sum() == 0.0
    assert load[~slow].sum() == 12.0 * 4  # two links and two connectors
    reverse = skim(network, network.length_km + ~slow, {"slow": slow.astype(float)})
    assert reverse.components["slow"][0, 1] == 2.0


def line(n, *, twice=False):
    """Return a road of n towns, 1 km apart, with a zone at either end, on request with a second link beside each."""
    names = [f"T{i:05d}" for i in range(n)]
    nodes = pl.DataFrame({"node_id": names}).with_columns(
        kind=pl.lit("city"), area=pl.lit("210000"), in_province=pl.lit(value=True), lat=pl.lit(41.0), lon=pl.lit(122.0)
    )
    links = pl.DataFrame({"from_node": names[:-1], "to_node": names[1:]}).with_columns(
        mode=pl.lit("road"),
        link_class=pl.lit("national_road"),
        length_km=pl.lit(1.0),
        tariff_km=pl.lit(1.0),
        speed_km_h=pl.lit(50.0),
        in_province_share=pl.lit(1.0),
        open_year=pl.lit(None),
        close_year=pl.lit(None),
    )
    sides = ["F", "S"] if twice else ["F"]
    links = pl.concat([links.with_columns(link_id=pl.concat_str(pl.lit(side), "from_node")) for side in sides])
    zones = pl.DataFrame({"zone_id": ["Z0", "Z1"], "node_id": [names[0], names[-1]]})
    ends = zones.with_columns(
        kind=pl.lit("city"), area=pl.lit("210000"), in_province=pl.lit(value=True), intrazonal_km=pl.lit(1.0)
    )
    connectors = zones.with_columns(
        mode=pl.lit("road"), link_class=pl.lit("connector"), length_km=pl.lit(0.0), in_province_share=pl.lit(1.0)
    )
    return build_graph(nodes, links, ends, connectors, year=2020)


def test_many_vertices_need_no_square_of_them():
    """A table [vertex, vertex] of 30,000 vertices would take seven GB; paths of two terminals take a few MB."""
    n = 30_000
    network = compile_network(line(n), "road", connector_classes=("connector",), speed_km_h={"connector": 40.0})
    found = skim(network, network.length_km, {"km": network.length_km})
    assert found.components["km"].tolist() == [[0.0, n - 1.0], [n - 1.0, 0.0]]
    held = sum(a.nbytes for a in (found.predecessor, found.rank, found.arc_of))
    assert held == 3 * 4 * 2 * len(network.nodes)
    load = load_paths(found, np.array([[0.0, 3.0], [0.0, 0.0]]))
    assert set(load[network.forward & (network.length_km > 0)]) == {3.0}
    assert not load[~network.forward & (network.length_km > 0)].any()


def test_a_network_without_terminals_has_empty_paths():
    network = compile_network(line(3), "rail")
    found = skim(network, network.length_km, {"km": network.length_km})
    assert found.cost.shape == found.components["km"].shape == (0, 0)
    assert load_paths(found, np.zeros((0, 0))).size == 0


def test_negative_or_missing_costs_are_refused():
    network = road()
    with pytest.raises(NetworkError, match="non-negative"):
        skim(network, -network.length_km, {})
    with pytest.raises(NetworkError, match="non-negative"):
        skim(network, network.length_km[:-1], {})


@given(st.lists(st.floats(0, 1e6), min_size=36, max_size=36))
def test_loading_conserves_flow_at_every_vertex(values):
    found = made()
    flow = np.array(values).reshape(6, 6)
    np.fill_diagonal(flow, 0.0)
    load = load_paths(found, flow)
    assert np.all(load >= 0)
    assert imbalance(found.network, flow, load) < 1e-12
    # tonne-km on arcs = tonne-km by pair
    assert (load * found.network.length_km).sum() == pytest.approx((flow * found.components["km"]).sum(), rel=1e-9, abs=1e-6)


def test_flow_without_a_path_is_an_error():
    network = road()
    found = skim(network, network.length_km, {})
    broken = type(found)(network, np.where(found.cost > 400, np.inf, found.cost), {}, found.predecessor, found.rank, found.arc_of)
    flow = np.zeros((6, 6))
    flow[0, ZONE_IDS.index("ZG")] = 5.0
    with pytest.raises(NetworkError, match="no path"):
        load_paths(broken, flow)
