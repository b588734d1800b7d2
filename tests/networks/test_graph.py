from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from networks.errors import NetworkError
from networks.graph import build_graph, compile_network, open_links
from tests.networks.small import CONNECTORS, LINKS, NODES, ZONE_IDS, ZONES, road


def test_only_links_of_the_year_are_open():
    ids = {year: set(open_links(LINKS, year)["link_id"].to_list()) for year in (2018, 2020, 2026)}
    assert "OLD" in ids[2018]
    assert "NEW" not in ids[2018]
    assert not {"OLD", "NEW"} & ids[2020]
    assert "NEW" in ids[2026]
    assert "NEW" in open_links(LINKS, 2020, also=["NEW"])["link_id"].to_list()


def test_a_link_is_two_arcs_with_its_own_capacity_each():
    graph = build_graph(NODES, LINKS, ZONES, CONNECTORS, year=2020)
    there, back = graph.edges["A", "J", "H1"], graph.edges["J", "A", "H1"]
    assert there["forward"]
    assert not back["forward"]
    assert there["capacity_t_per_year"] == back["capacity_t_per_year"] == 1e7
    assert graph.graph["year"] == 2020


def test_csr_arrays_agree_with_the_graph_and_are_frozen():
    network = road()
    assert network.indptr[-1] == network.head.size == network.tail.size
    for i in range(len(network.nodes)):
        assert np.all(network.tail[network.indptr[i] : network.indptr[i + 1]] == i)
    with pytest.raises(ValueError, match="read-only"):
        network.length_km[0] = 1.0
    assert network.terminals == ZONE_IDS
    share = {"N3": 0.25, "N4": 0.0, "connector:ZG:G:road:connector": 0.0, "connector:ZQ:Q:road:connector": 0.0}
    inside = np.array([share.get(network.link_ids[k], 1.0) for k in network.link])
    np.testing.assert_allclose(network.territory_km, network.length_km * inside)


def test_no_arc_enters_a_start_copy_or_leaves_an_end_copy_of_a_zone():
    network = road()
    assert not any(network.nodes[h].endswith(">") for h in network.head)
    assert not any(network.nodes[t].endswith("<") for t in network.tail)


def test_dangling_link_and_missing_length_are_named():
    bad = LINKS.with_columns(pl.when(pl.col("link_id") == "H1").then(pl.lit("NOWHERE")).otherwise("to_node").alias("to_node"))
    with pytest.raises(NetworkError, match="H1 ends at NOWHERE"):
        build_graph(NODES, bad, ZONES, CONNECTORS, year=2020)
    flat = LINKS.with_columns(pl.when(pl.col("link_id") == "R1").then(0.0).otherwise("length_km").alias("length_km"))
    with pytest.raises(NetworkError, match="R1 has length 0"):
        build_graph(NODES, flat, ZONES, CONNECTORS, year=2020)


def test_an_arc_without_any_speed_is_an_error():
    graph = build_graph(NODES, LINKS, ZONES, CONNECTORS, year=2020)
    with pytest.raises(NetworkError, match="no speed"):
        compile_network(graph, "road", connector_classes=("connector",))
