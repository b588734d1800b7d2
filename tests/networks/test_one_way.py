"""One-way links: one arc in the graph, no way back, kept by every format."""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import polars as pl
import pytest

from networks import formats
from networks.assemble import Setting, chain_inputs
from networks.chains import build_chains
from networks.errors import NetworkError
from networks.fine import as_links
from networks.graph import build_graph
from networks.inspection import link_table, traps
from networks.parts import ALTERNATIVES
from tests.networks.small import CONNECTORS, LINKS, NODES, REFERENCE, ZONE_IDS, ZONES

if TYPE_CHECKING:
    from pathlib import Path

#: The product pipe of the small network runs from A to B only.
PIPED = LINKS.with_columns(pl.when(pl.col("link_id") == "O1").then(pl.lit(value=True)).alias("oneway"))


@pytest.fixture
def graph() -> nx.MultiDiGraph[str]:
    return build_graph(NODES, PIPED, ZONES, CONNECTORS, year=2020)


def test_a_one_way_row_is_one_arc(graph: nx.MultiDiGraph[str]) -> None:
    both = build_graph(NODES, LINKS, ZONES, CONNECTORS, year=2020)
    assert set(both.edges(keys=True)) - set(graph.edges(keys=True)) == {("B", "A", "O1")}
    assert graph.edges["A", "B", "O1"]["forward"] is True
    assert link_table(graph).filter(pl.col("is_directed"))["link_id"].to_list() == ["O1"]


def test_false_and_empty_mean_both_ways() -> None:
    said = LINKS.with_columns(pl.lit(value=False).alias("oneway"))
    assert set(build_graph(NODES, said, ZONES, CONNECTORS, year=2020).edges) == set(
        build_graph(NODES, LINKS, ZONES, CONNECTORS, year=2020).edges
    )


def test_a_pipe_carries_only_with_its_direction(graph: nx.MultiDiGraph[str]) -> None:
    """From A to B through the pipe, from P (20 km by truck from B) nothing, to P with a last mile."""
    found = chain_inputs(
        graph, ZONE_IDS, large_site=np.zeros(len(ZONE_IDS), dtype=bool), setting=Setting(REFERENCE, 40.0, 1.2, 100.0, 100.0)
    )
    ends = [("ZA", "ZB"), ("ZB", "ZA"), ("ZA", "ZP"), ("ZP", "ZA")]
    origin, destination = (np.array([ZONE_IDS.index(pair[k]) for pair in ends]) for k in (0, 1))
    made = build_chains(found, origin, destination)
    piped = made.alternative == ALTERNATIVES.index("pipeline_product")
    assert made.pair[piped].tolist() == [0, 2]
    assert made.part.km[piped, 3].tolist() == [111.0, 110.0]


def test_the_direction_comes_back_from_every_format(graph: nx.MultiDiGraph[str], tmp_path: Path) -> None:
    formats.write_gmns(tmp_path / "gmns", graph)
    row = pl.read_csv(tmp_path / "gmns" / "link.csv", infer_schema=False).filter(pl.col("link_id") == "O1").row(0, named=True)
    assert (row["from_node_id"], row["to_node_id"], row["directed"]) == ("A", "B", "true")
    formats.write_graphml(tmp_path / "network.graphml", graph)
    tables = {"nodes": NODES, "links": PIPED, "zones": ZONES, "connectors": CONNECTORS}
    formats.write_tables(tmp_path / "tables", tables)
    read = formats.read_tables(tmp_path / "tables")
    for again in (
        formats.read_gmns(tmp_path / "gmns"),
        formats.read_graphml(tmp_path / "network.graphml"),
        build_graph(*(read[name] for name in tables), year=2020),
    ):
        assert set(again.edges(keys=True)) == set(graph.edges(keys=True))
        assert again.edges["A", "B", "O1"]["forward"] is True
    assert as_links(read["links"]).filter(pl.col("oneway").fill_null(value=False))["link_id"].to_list() == ["O1"]


def test_a_direction_that_is_neither_yes_nor_no_is_named(tmp_path: Path) -> None:
    said = PIPED.with_columns(pl.when(pl.col("link_id") == "O1").then(pl.lit("maybe")).alias("oneway"))
    formats.write_tables(tmp_path, {"nodes": NODES, "links": said, "zones": ZONES, "connectors": CONNECTORS})
    with pytest.raises(NetworkError, match=r"links\.csv line 13, oneway = 'maybe': write true or false"):
        formats.read_tables(tmp_path)


def test_pipes_end_where_something_is_taken_out() -> None:
    """a -> b -> c with zones at a and c is sound; a further pipe to d, where nothing leaves, and one from e, where nothing enters, are not."""
    made: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    for link in ("ab", "bc", "bd", "ec", "xy"):
        made.add_edge(link[0], link[1], key=link, mode="pipeline", length_km=1.0)
    assert traps(made) == []  # nobody says where anything enters or leaves
    for node in "acx":
        made.add_edge(f"zone:{node}", node, key=f"c{node}", mode="pipeline", forward=True)
        made.add_edge(node, f"zone:{node}", key=f"c{node}", mode="pipeline", forward=False)
    assert traps(made) == [("pipeline", "d", "sink"), ("pipeline", "e", "source")]  # x - y joins one zone only
