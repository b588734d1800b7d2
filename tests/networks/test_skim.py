from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from networks.errors import NetworkError
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
