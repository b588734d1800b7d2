"""Reading and writing: what goes out comes back equal, and every problem of a file is named at once."""

from __future__ import annotations

import contextlib
import json
import math
import os
import pickle
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import networkx as nx
import numpy as np
import openmatrix
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from tables import Float64Atom

from networks import formats
from networks.errors import NetworkError
from networks.geojson import ATTRIBUTION, collection, shapes_of
from networks.gmns import field_types, to_rows
from networks.graph import build_graph, compile_network
from networks.inspection import by_class, components, duplicates, link_table, traps

DATA = Path(__file__).resolve().parents[2] / "data" / "networks"


@pytest.fixture(scope="module")
def tables() -> dict[str, pl.DataFrame]:
    return formats.read_tables(DATA)


@pytest.fixture(scope="module")
def graph(tables: dict[str, pl.DataFrame]) -> nx.MultiDiGraph[str]:
    return build_graph(tables["nodes"], tables["links"], tables["zones"], tables["connectors"], year=2020)


def arcs(graph: nx.MultiDiGraph[Any]) -> dict[tuple[Any, Any, Any], dict[str, Any]]:
    return {(u, v, k): dict(data) for u, v, k, data in graph.edges(keys=True, data=True)}


def stated(graph: nx.MultiDiGraph[Any]) -> dict[Any, dict[str, Any]]:
    """Return the node attributes that have a value."""
    return {node: {k: v for k, v in data.items() if v is not None} for node, data in graph.nodes(data=True)}


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


# --- our tables


def test_tables_come_back_equal(tables: dict[str, pl.DataFrame], tmp_path: Path) -> None:
    formats.write_tables(tmp_path / "new" / "folder", tables)
    again = formats.read_tables(tmp_path / "new" / "folder")
    assert list(again) == ["nodes", "links", "zones", "connectors"]
    for name, frame in tables.items():
        assert_frame_equal(again[name], frame)
    assert not list(tmp_path.rglob("*.part"))


def test_tables_are_typed(tables: dict[str, pl.DataFrame]) -> None:
    assert tables["nodes"].schema["in_province"] == pl.Boolean
    assert tables["links"].schema["open_year"] == pl.Int64
    assert tables["links"]["open_year"].null_count() > 0
    assert tables["nodes"]["area"].drop_nulls()[0] == "210300"


def test_every_problem_of_the_tables_is_named_at_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        nodes="node_id,kind,area,in_province,lat,lon\na,city,,maybe,41,123\nb,city,,true,north,123\n",
        links="link_id,from_node,to_node,mode,link_class,length_km\nl,a,b,road,expressway,1\n",
        zones="zone_id,node_id,kind,area,in_province,intrazonal_km\nz,a,city,,true\n",
    )
    with pytest.raises(NetworkError) as refused:
        formats.read_tables(tmp_path)
    text = str(refused.value)
    assert text.startswith("5 problem(s):")
    assert "nodes.csv line 2, in_province = 'maybe': write true or false" in text
    assert "nodes.csv line 3, lat = 'north'" in text
    assert "links.csv line 1, in_province_share: the column is required" in text
    assert "zones.csv line 2" in text
    assert "5 cells" in text
    assert "connectors.csv: no such file" in text


def test_tables_that_are_none_are_refused(tables: dict[str, pl.DataFrame], tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="lacks the column length_km"):
        formats.write_tables(tmp_path, {"links": tables["links"].drop("length_km"), "roads": tables["links"]})
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "nodes.csv").write_bytes("node_id,名称\n".encode("gb18030"))
    with pytest.raises(NetworkError, match=r"nodes\.csv: is not UTF-8"):
        formats.read_tables(tmp_path)


# --- GMNS


def test_the_network_of_the_province_comes_back_from_gmns(graph: nx.MultiDiGraph[str], tmp_path: Path) -> None:
    formats.write_gmns(tmp_path, graph)
    again = formats.read_gmns(tmp_path)
    assert arcs(again) == arcs(graph)
    assert stated(again) == stated(graph)
    assert again.graph == graph.graph == {"year": 2020}
    a, b = (
        compile_network(g, "rail", speed_km_h=dict.fromkeys(("trunk", "branch", "ferry", "siding"), 50.0)) for g in (graph, again)
    )
    np.testing.assert_array_equal(a.length_km, b.length_km)
    assert a.nodes == b.nodes


def test_gmns_fields_follow_the_specification(graph: nx.MultiDiGraph[str], tmp_path: Path) -> None:
    formats.write_gmns(tmp_path, graph, name="province")
    nodes, links, config = (pl.read_csv(tmp_path / f"{n}.csv", infer_schema=False) for n in ("node", "link", "config"))
    assert {"node_id", "x_coord", "y_coord", "node_type", "zone_id"} <= set(nodes.columns)
    assert {"link_id", "from_node_id", "to_node_id", "directed", "length", "free_speed", "facility_type", "allowed_uses"} <= set(
        links.columns
    )
    assert links["link_id"].is_unique().all()
    # two arcs are one undirected row, only pipes are one-way
    assert links.height + links.filter(pl.col("directed") == "false").height == graph.number_of_edges()
    assert set(links.filter(pl.col("directed") == "true")["allowed_uses"]) == {"pipeline"}
    assert nodes["x_coord"].null_count() == 0  # zone centroids stand at their nearest neighbour
    assert config.row(0, named=True)["long_length"] == "km"
    assert config["crs"][0] == "EPSG:4326"
    package = json.loads((tmp_path / "datapackage.json").read_text(encoding="utf-8"))
    types = {f["name"]: f["type"] for f in package["resources"][1]["schema"]["fields"]}
    assert (types["length"], types["directed"], types["link_id"]) == ("number", "boolean", "string")


GMNS_NODES = "node_id,x_coord,y_coord\n1,-71.10,42.36\n2,-71.05,42.36\n3,-71.05,42.40\n"
GMNS_LINKS = (
    "link_id,from_node_id,to_node_id,directed,length,free_speed,lanes,capacity,VDF_alpha,VDF_beta,geometry\n"
    '10,1,2,1,3.0,30,2,900,0.15,4,"LINESTRING (-71.10 42.36, -71.07 42.37, -71.05 42.36)"\n'
    "11,2,3,0,3.0,60,1,1800,0.15,4,\n"
)
GMNS_CONFIG = "dataset_name,long_length,speed,crs,version_number,id_type\nsmall,mile,mph,4326,0.94,integer\n"


def test_a_gmns_network_of_another_tool(tmp_path: Path) -> None:
    """Miles and mph are converted, capacity is per lane, the travel time follows from length and speed."""
    read = formats.read_gmns(write(tmp_path, node=GMNS_NODES, link=GMNS_LINKS, config=GMNS_CONFIG))
    assert sorted(read.edges(keys=True)) == [(1, 2, "10"), (2, 3, "11"), (3, 2, "11")]
    first = read.edges[1, 2, "10"]
    assert first["length_km"] == pytest.approx(4.828032)
    assert first["speed_km_h"] == pytest.approx(48.28032)
    assert first["capacity"] == 1800.0
    assert first["free_flow_time"] == pytest.approx(6.0)  # minutes
    assert (first["b"], first["power"]) == (0.15, 4.0)
    assert first["shape"] == [(-71.10, 42.36), (-71.07, 42.37), (-71.05, 42.36)]
    assert "forward" not in first
    assert [read.edges[e]["forward"] for e in ((2, 3, "11"), (3, 2, "11"))] == [True, False]
    again = tmp_path / "again"
    formats.write_gmns(again, read)
    back = formats.read_gmns(again)
    assert arcs(back) == arcs(read)
    assert stated(back) == stated(read)


def test_units_that_cannot_be_are_found_by_the_coordinates(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"0\.[67].* times as long as the great circle; state the true unit"):
        formats.read_gmns(write(tmp_path, node=GMNS_NODES, link=GMNS_LINKS))  # no config: km assumed, miles in the file
    metres = GMNS_LINKS.replace(",3.0,", ",4828,")
    with pytest.raises(NetworkError, match="long_length = 'km'"):
        formats.read_gmns(write(tmp_path, node=GMNS_NODES, link=metres, config=GMNS_CONFIG.replace("mile,", "km,")))


def test_coordinates_in_metres_stay_metres(tmp_path: Path) -> None:
    nodes = "node_id,x_coord,y_coord\n1,322754,4698346\n6,322842,4698158\n"
    links = (
        "link_id,from_node_id,to_node_id,directed,length,free_speed,geometry\n"
        '10,1,6,1,750,12,"LINESTRING(322754 4698346,322787 4698317,322842 4698158)"\n'
    )
    config = "long_length,speed,crs\nft,mph,EPSG:26919\n"
    read = formats.read_gmns(write(tmp_path / "a", node=nodes, link=links, config=config))
    assert read.nodes["1"] == {"x": 322754.0, "y": 4698346.0}
    assert read.edges["1", "6", "10"]["length_km"] == pytest.approx(0.2286)
    assert read.edges["1", "6", "10"]["shape_xy"][1] == (322787.0, 4698317.0)
    assert collection(read) == ({"type": "FeatureCollection", "attribution": ATTRIBUTION, "features": []}, 1)
    formats.write_gmns(tmp_path / "b", read)
    again = formats.read_gmns(tmp_path / "b")
    assert (arcs(again), stated(again), again.graph) == (arcs(read), stated(read), {"crs": "EPSG:26919"})
    with pytest.raises(NetworkError, match=r"(?s)2 problem.*'322754, 4698346': are no degrees; name the coordinate system"):
        formats.read_gmns(write(tmp_path / "c", node=nodes, link=links))


def test_two_directions_that_differ_keep_their_common_id(tmp_path: Path) -> None:
    made: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    made.add_edge("a", "b", key="L", link_id="L", forward=True, capacity=10.0)
    made.add_edge("b", "a", key="L", link_id="L", forward=False, capacity=20.0)
    made.add_edge("a", "b", key="M", link_id="M", forward=True, capacity=5.0)
    formats.write_gmns(tmp_path, made)
    assert pl.read_csv(tmp_path / "link.csv")["link_id"].n_unique() == 3
    assert arcs(formats.read_gmns(tmp_path)) == arcs(made)


def test_every_problem_of_gmns_is_named_at_once(tmp_path: Path) -> None:
    links = (
        "link_id,from_node_id,to_node_id,directed,length,capacity,geometry\n"
        "a,1,9,maybe,1,2,\nb,1,2,true,-4,many,\na,2,3,true,1,1,POINT (1 2)\n"
    )
    with pytest.raises(NetworkError) as refused:
        formats.read_gmns(write(tmp_path, node=GMNS_NODES + "3,0,0\nx,1,1\n", link=links, config=GMNS_CONFIG))
    text = str(refused.value)
    for part in (
        "node.csv line 5, node_id = '3': the same node stands twice",
        "node.csv line 6, node_id = 'x': must be filled with a whole number",
        "link.csv line 2, to_node_id = '9': is not in node.csv",
        "link.csv line 2, directed = 'maybe': write true or false",
        "link.csv line 3, length = '-4': must not be negative",
        "link.csv line 3, capacity = 'many'",
        "link.csv line 4, link_id = 'a': stands in line 2 already",
        "link.csv line 4, geometry = 'POINT (1 2)': write WKT",
    ):
        assert part in text
    assert text.startswith("8 problem(s):")


def test_gmns_files_that_are_missing_or_lack_fields(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"(?s)node.csv: no such file.*link.csv: no such file"):
        formats.read_gmns(tmp_path)
    write(tmp_path, node="node_id,x_coord\n1,2\n", link="link_id\n1\n", config="long_length\nverst\n")
    with pytest.raises(NetworkError, match=r"(?s)unknown unit.*y_coord: the field is required.*directed: the field is required"):
        formats.read_gmns(tmp_path)
    (tmp_path / "datapackage.json").write_text("[1, 2]", encoding="utf-8")
    with pytest.raises(NetworkError, match=r"datapackage\.json: is no data package"):
        formats.read_gmns(tmp_path)


def test_an_attribute_gmns_cannot_hold_is_named() -> None:
    bad: nx.MultiDiGraph[int] = nx.MultiDiGraph()
    bad.add_edge(1, 2, tags={"a": 1})
    with pytest.raises(NetworkError, match="attribute tags is dict"):
        to_rows(bad)


def test_parallel_arcs_and_attributes_named_like_fields_survive(tmp_path: Path) -> None:
    made: nx.MultiDiGraph[int] = nx.MultiDiGraph(name="two")
    made.add_node(1, lat=41.0, lon=123.0)
    made.add_node(2, lat=41.0, lon=123.1)
    for key in (0, 1):
        made.add_edge(1, 2, key=key, length=5.5 + key, capacity=100.0, free_flow_time=6.0, b=0.15, power=4.0, toll=0)
    formats.write_gmns(tmp_path, made)
    again = formats.read_gmns(tmp_path)
    assert {k: {n: v for n, v in d.items() if n != "link_id"} for k, d in arcs(again).items()} == arcs(made)
    assert again.graph == {"name": "two"}
    assert field_types([]) == {}


_numbers = st.floats(allow_nan=False, allow_infinity=False, min_value=0, max_value=1e12)


@given(
    arcs_=st.lists(
        st.tuples(
            st.integers(0, 5), st.integers(0, 5), _numbers, st.none() | _numbers, st.booleans(), st.text('ab中,"\n ', min_size=1)
        ),
        min_size=1,
        max_size=12,
    )
)
def test_any_graph_comes_back_from_gmns_and_graphml(arcs_: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("any")
    made: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    for i, (u, v, free, capacity, flag, word) in enumerate(arcs_):
        name = f"l{i}"
        data = {"link_id": name, "free_flow_time": free, "capacity_t_per_year": capacity, "flag": flag, "word": f"w{word}w"}
        made.add_edge(f"n{u}", f"n{v}", key=name, **data)
    formats.write_graphml(folder / "g.graphml", made)
    assert arcs(formats.read_graphml(folder / "g.graphml")) == arcs(made)
    formats.write_gmns(folder, made)
    assert arcs(formats.read_gmns(folder)) == arcs(made)


# --- TNTP, and assigning what was read

#: Braess's paradox: 6 vehicles from 1 to 4; every used path takes 92, with the flows 4, 2, 2, 2, 4 (Braess 1968).
BRAESS_NET = """<NUMBER OF ZONES> 4
<NUMBER OF NODES> 4
<FIRST THRU NODE> 1
<NUMBER OF LINKS> 5
<END OF METADATA>
~ init term capacity length time b power speed toll type ;
1 2 1 0 0.00000001 1000000000 1 0 0 1 ;
1 3 1 0 50 0.02 1 0 0 1 ;
2 3 1 0 10 0.1 1 0 0 1 ;
2 4 1 0 50 0.02 1 0 0 1 ;
3 4 1 0 0.00000001 1000000000 1 0 0 1 ;
"""
BRAESS_TRIPS = """<NUMBER OF ZONES> 4
<TOTAL OD FLOW> 6
<END OF METADATA>

Origin 1
    4 : 6.0;
"""


@pytest.fixture
def braess(tmp_path: Path) -> tuple[Path, Path]:
    files = tmp_path / "Braess_net.tntp", tmp_path / "Braess_trips.tntp"
    for path, text in zip(files, (BRAESS_NET, BRAESS_TRIPS), strict=True):
        path.write_text(text, encoding="utf-8")
    return files


def flows(graph: nx.MultiDiGraph[Any], od: pl.DataFrame) -> list[float]:
    from networks import assign_equilibrium

    found = assign_equilibrium(graph, od, gap=1e-9).flows
    return found.sort("link_id")["flow"].to_list()


def test_a_tntp_network_is_read_and_assigned(braess: tuple[Path, Path]) -> None:
    import networks

    graph, od = networks.read_tntp(*braess)
    assert flows(graph, od) == pytest.approx([4, 2, 2, 2, 4], abs=1e-5)
    assert networks.read_tntp(*map(str, braess))[1].equals(od)


def test_a_tntp_network_comes_back_from_gmns_and_gives_the_same_flows(braess: tuple[Path, Path], tmp_path: Path) -> None:
    graph, od = formats.read_tntp(*braess)
    formats.write_gmns(tmp_path / "gmns", graph)
    again = formats.read_gmns(tmp_path / "gmns")
    assert arcs(again) == arcs(graph)
    assert again.graph == graph.graph
    assert flows(again, od) == flows(graph, od)
    formats.write_graphml(tmp_path / "g.graphml", graph)
    assert formats.read_graphml(tmp_path / "g.graphml").number_of_edges() == 5


def test_a_gmns_network_of_another_tool_can_be_assigned(tmp_path: Path) -> None:
    read = formats.read_gmns(write(tmp_path, node=GMNS_NODES, link=GMNS_LINKS, config=GMNS_CONFIG))
    od = pl.DataFrame({"origin": [1], "destination": [3], "demand": [900.0]})
    assert flows(read, od) == pytest.approx([900.0, 900.0, 0.0])


def test_a_broken_tntp_file_is_named(braess: tuple[Path, Path]) -> None:
    net, trips = braess
    net.write_text(BRAESS_NET.replace("1 3 1 0 50", "1 3 x 0 50"), encoding="utf-8")
    with pytest.raises(NetworkError, match=r"Braess_net\.tntp line 8"):
        formats.read_tntp(net, trips)
    trips.unlink()
    with pytest.raises(NetworkError, match=r"Braess_trips\.tntp: no such file"):
        formats.read_tntp(net, trips)


# --- matrices


def test_matrices_come_back_equal(tmp_path: Path) -> None:
    made = {"coal": np.array([[0.1, 1e9 / 3], [0.0, -2.5]]), "steel": np.eye(2)}
    formats.write_omx(tmp_path / "深 od.omx", made, ["Z_AS", "Z_沈阳"])
    for source in (tmp_path / "深 od.omx", (tmp_path / "深 od.omx").read_bytes()):
        read, zones = formats.read_omx(source)
        assert zones == ("Z_AS", "Z_沈阳")
        assert list(read) == ["coal", "steel"]
        for name, matrix in made.items():
            np.testing.assert_array_equal(read[name], matrix)
    assert list(formats.read_omx(tmp_path / "深 od.omx", ["steel"])[0]) == ["steel"]
    assert [p.name for p in tmp_path.iterdir()] == ["深 od.omx"]


def test_the_file_is_what_the_library_calls_omx(tmp_path: Path) -> None:
    path = tmp_path / "od.omx"
    formats.write_omx(path, {"m": np.arange(4.0).reshape(2, 2)}, [17, 4])
    with openmatrix.open_file(str(path)) as file:
        assert file.version() in {b"0.2", "0.2"}
        assert tuple(file.shape()) == (2, 2)
        assert file.mapping("zone_id") == {17: 0, 4: 1}
        assert file["m"][:].tolist() == [[0.0, 1.0], [2.0, 3.0]]
    assert formats.read_omx(path)[1] == (17, 4)


def test_a_file_of_the_library_without_a_mapping_counts_its_zones(tmp_path: Path) -> None:
    with openmatrix.open_file(str(tmp_path / "a.omx"), "w") as file:
        file["m"] = np.eye(3, dtype=np.float32)
    matrices, zones = formats.read_omx(tmp_path / "a.omx")
    assert zones == (1, 2, 3)
    assert matrices["m"].dtype == np.float64


def test_bad_omx_files_say_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a.omx"
    with pytest.raises(NetworkError, match="no such file"):
        formats.read_omx(path)
    path.write_bytes(b"no hdf5" * 50)
    with pytest.raises(NetworkError, match=r"a\.omx: is no OMX"):
        formats.read_omx(path)
    with openmatrix.open_file(str(path), "w") as file:
        file["m"] = np.ones((2, 3))
        file.create_mapping("rows", [7, 7])
        file.create_mapping("columns", [1, 2, 3])
    with pytest.raises(NetworkError) as refused:
        formats.read_omx(path, ["m", "coal"])
    text = str(refused.value)
    for part in ("no matrix 'coal'; it holds m", "shape (2, 3)", "several mappings", "names 3 zones, the matrices have 2"):
        assert part in text
    with pytest.raises(NetworkError, match=r"(?s)shape \(2, 2\); 3 zones.*no name of a matrix"):
        formats.write_omx(path, {"a": np.eye(2), "a b": np.eye(3)}, ["x", "y", "z"])


class _Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def test_a_pickle_in_a_file_is_never_loaded(tmp_path: Path) -> None:
    path, sprung = tmp_path / "a.omx", tmp_path / "sprung"
    with openmatrix.open_file(str(path), "w") as file:
        file["m"] = np.eye(2)
        for node in ("/", "/data", "/data/m"):
            file.set_node_attr(node, "TITLE", np.bytes_(pickle.dumps(_Trap(sprung), protocol=0)))
    with contextlib.suppress(NetworkError):
        formats.read_omx(path)
    assert not sprung.exists()


def test_other_nodes_are_no_matrices(tmp_path: Path) -> None:
    with openmatrix.open_file(str(tmp_path / "a.omx"), "w") as file:
        file["m"] = np.eye(2)
        file.create_soft_link("/data", "alias", "/data/m")
        file.create_array("/data", "words", obj=np.array([[b"a", b"b"], [b"c", b"d"]]))
        file.create_carray("/data", "vast", atom=Float64Atom(), shape=(10**6, 10**6))
    assert list(formats.read_omx(tmp_path / "a.omx", ["m"])[0]) == ["m"]
    with pytest.raises(NetworkError, match=r"(?s)'vast' has more than 20000.*'words' holds no numbers"):
        formats.read_omx(tmp_path / "a.omx")
    with openmatrix.open_file(str(tmp_path / "b.omx"), "w"):
        pass
    with pytest.raises(NetworkError, match="holds no matrix"):
        formats.read_omx(tmp_path / "b.omx")


def test_a_zone_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with openmatrix.open_file(str(tmp_path / "a.omx"), "w") as file:
        file["m"] = np.eye(2)
        file.create_mapping("taz", [7, 7])
    with pytest.raises(NetworkError, match="zone 7 stands twice"):
        formats.read_omx(tmp_path / "a.omx")


def test_od_rows_of_an_unknown_zone_are_refused() -> None:
    od = pl.DataFrame({"origin": ["a"], "destination": ["b"], "commodity": ["coal"], "t_per_year": [1.0]})
    with pytest.raises(NetworkError, match="zone 'b' of the OD rows"):
        formats.od_matrices(od, ["a"])
    twice = pl.concat([od, od])
    assert formats.od_matrices(twice, ["a", "b"])["coal"].sum() == 2.0


# --- GraphML and GeoJSON


def test_the_network_comes_back_from_graphml(graph: nx.MultiDiGraph[str], tmp_path: Path) -> None:
    formats.write_graphml(tmp_path / "g.graphml", graph)
    again = formats.read_graphml(tmp_path / "g.graphml")
    assert arcs(again) == arcs(graph)
    assert any(data["capacity_t_per_year"] is None for data in arcs(again).values())
    assert stated(again) == stated(graph)
    assert again.graph == {"year": 2020}
    ET.parse(tmp_path / "g.graphml")  # noqa: S314  # our own file


def test_graphml_keeps_polylines_and_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    made: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    made.add_edge("a", "b", key="l", shape=[(123.4, 41.8), (123.5, 41.9)], n=np.int64(3))
    formats.write_graphml(tmp_path / "g.graphml", made)
    assert formats.read_graphml(tmp_path / "g.graphml").edges["a", "b", "l"] == {"shape": [(123.4, 41.8), (123.5, 41.9)], "n": 3}
    made.add_edge("a", "b", key="m", tags=[1])
    with pytest.raises(NetworkError, match="attribute tags is list"):
        formats.write_graphml(tmp_path / "h.graphml", made)
    assert [p.name for p in tmp_path.iterdir()] == ["g.graphml"]


def test_bad_graphml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "g.graphml").write_text("<graphml", encoding="utf-8")
    with pytest.raises(NetworkError, match=r"g\.graphml: is no GraphML"):
        formats.read_graphml(tmp_path / "g.graphml")
    nx.write_graphml(nx.Graph([(1, 2)]), tmp_path / "u.graphml")
    with pytest.raises(NetworkError, match="undirected"):
        formats.read_graphml(tmp_path / "u.graphml")


def test_geojson_draws_each_link_once(graph: nx.MultiDiGraph[str], tables: dict[str, pl.DataFrame], tmp_path: Path) -> None:
    shapes = shapes_of(pl.DataFrame({"link_id": ["RL001"], "shape": ["123.1 41.7;123.2 41.8;123.3 41.6"]}))
    left_out = formats.write_geojson(
        tmp_path / "g.geojson", graph, shapes=shapes, joined={"RL001": {"forward_t": 5.0, "vc_ratio": math.nan}}
    )
    read = json.loads((tmp_path / "g.geojson").read_text(encoding="utf-8"))
    assert read["attribution"] == ATTRIBUTION == "© OpenStreetMap contributors, ODbL 1.0"
    lines = {f["properties"]["link_id"]: f for f in read["features"] if f["geometry"]["type"] == "LineString"}
    points = [f for f in read["features"] if f["geometry"]["type"] == "Point"]
    assert len(lines) + left_out == len({key for *_, key in graph.edges(keys=True)})
    assert left_out == tables["connectors"].height
    assert len(points) == tables["nodes"].height
    assert lines["RL001"]["geometry"]["coordinates"] == [[123.1, 41.7], [123.2, 41.8], [123.3, 41.6]]
    assert lines["RL001"]["properties"]["forward_t"] == 5.0
    assert lines["RL001"]["properties"]["vc_ratio"] is None
    ends = tables["links"].filter(pl.col("link_id") == "RL002").row(0, named=True)
    place = {n: [lon, lat] for n, lon, lat in tables["nodes"].select("node_id", "lon", "lat").iter_rows()}
    assert lines["RL002"]["geometry"]["coordinates"] == [place[ends["from_node"]], place[ends["to_node"]]]


def test_a_one_way_network_draws_both_directions() -> None:
    made: nx.MultiDiGraph[int] = nx.MultiDiGraph()
    made.add_node(1, lat=0.0, lon=0.0)
    made.add_node(2, lat=1.0, lon=0.0)
    made.add_edge(1, 2, key=0)
    made.add_edge(2, 1, key=0)
    found, left_out = collection(made)
    assert left_out == 0
    assert sum(f["properties"]["element"] == "link" for f in found["features"]) == 2


def test_bad_shapes_are_named() -> None:
    bad = pl.DataFrame({"link_id": ["a", "b"], "shape": ["1 2", "x y;1 2"]})
    with pytest.raises(NetworkError, match=r"(?s)2 problem.*line 2.*line 3"):
        shapes_of(bad)


# --- what a network holds


def test_sums_by_class_hold_every_link(graph: nx.MultiDiGraph[str], tables: dict[str, pl.DataFrame]) -> None:
    links = link_table(graph)
    assert links.filter(pl.col("is_connector")).height == tables["connectors"].height
    classes = by_class(links)
    own = links.filter(~pl.col("is_connector"))
    assert classes["links"].sum() == own.height
    assert classes["km"].sum() == pytest.approx(own["length_km"].sum())
    stated = tables["links"].filter(pl.col("oneway").fill_null(value=False))["link_id"]
    one_way = links.filter(pl.col("is_directed"))
    assert one_way.height > 20
    assert set(one_way["link_id"]) <= set(stated)
    assert set(one_way["mode"]) == {"pipeline"}
    assert duplicates(links) == []
    assert traps(graph) == []


def test_parts_traps_and_duplicates_of_a_small_network() -> None:
    made: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    for i, (u, v) in enumerate(["ab", "bc", "ca", "cd", "ea", "xy"]):
        made.add_edge(u, v, key=f"l{i}", mode="road", length_km=1.0, capacity=10.0, capacity_quality="derived")
    made.add_edge("x", "y", key="again", mode="road", length_km=1.0)
    links = link_table(made)
    assert components(links) == {"road": [frozenset("abcde"), frozenset("xy")]}
    assert traps(made) == [("road", "d", "sink"), ("road", "e", "source"), ("road", "y", "sink")]
    assert duplicates(links) == [("l5", "again")]
    assert by_class(links).row(0, named=True) == {
        "mode": "road", "link_class": "-", "links": 7, "km": 7.0, "province_km": 7.0, "derived_km_share": 6 / 7, "open_km_share": 1 / 7,
    }  # fmt: skip
