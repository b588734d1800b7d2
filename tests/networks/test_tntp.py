from __future__ import annotations

import warnings
from pathlib import Path

import polars as pl
import pytest

from networks.equilibrium import assign_equilibrium
from networks.errors import NetworkError
from networks.tntp import parse_tntp

FIXTURES = Path(__file__).parent / "fixtures"

NET = """\
<NUMBER OF ZONES> 3
<NUMBER OF NODES>\t5\t
<FIRST THRU NODE> 4
<NUMBER OF LINKS> 5   ~ a remark
a remark without a mark
<ORIGINAL HEADER>~ Init node Term node Capacity ;
<END OF METADATA>

~ \tinit_node\tterm_node\tcapacity\tlength\tfree_flow_time\tb\tpower\tspeed\ttoll\tlink_type\t;
\t1\t4\t0\t1.5\t0\t0.15\t4\t0\t0\t3\t;
4 2 1800 2 3.5 0.15 4.4 50 20 1 ;
\t4.0\t5\t1e3\t1\t2\t0\t0\t0\t0\t1;
5 2 1000 1 2 0.5 1 0 0 1
4 2 900 2 3 .15 4 50 0 highway ;
;
"""

TRIPS = """\
<NUMBER OF ZONES> 3
<TOTAL OD FLOW> 60.5
<END OF METADATA>


Origin \t1
    1 :      5.0;     2 :     30.5;
    3 :      0.0;

~ a comment
Origin  2
Origin 3 \t2:0;3 : 25
"""


def test_quirks_of_the_format_are_read():
    graph, od = parse_tntp(NET, TRIPS, toll_weight=0.1, length_weight=2.0)
    assert list(graph.nodes) == [1, 2, 3, 4, 5]  # zone 3 has no link
    assert (graph.graph["first_thru_node"], graph.graph["number_of_zones"]) == (4, 3)
    assert graph.number_of_edges(4, 2) == 2
    arcs = {data["link_id"]: (tail, head, data) for tail, head, data in graph.edges(data=True)}
    assert sorted(arcs) == [1, 2, 3, 4, 5]
    tail, head, data = arcs[2]
    assert (tail, head) == (4, 2)
    assert {name: data[name] for name in ("capacity", "length", "free_flow_time", "b", "power", "speed", "toll")} == {
        "capacity": 1800,
        "length": 2,
        "free_flow_time": 3.5,
        "b": 0.15,
        "power": 4.4,
        "speed": 50,
        "toll": 20,
    }
    assert data["fixed_cost"] == pytest.approx(0.1 * 20 + 2.0 * 2)
    assert od.rows() == [(1, 1, 5.0), (1, 2, 30.5), (3, 3, 25.0)]


def test_a_parsed_network_can_be_assigned():
    graph, od = parse_tntp(NET, TRIPS)
    flows = assign_equilibrium(graph, od, gap=1e-10).flows
    assert flows["link_id"].to_list() == [1, 2, 3, 4, 5]
    assert flows["flow"][0] == 30.5
    assert flows.filter(pl.col("to_node") == 2)["flow"].sum() == pytest.approx(30.5)


def test_sioux_falls_is_complete():
    graph, od = parse_tntp(*((FIXTURES / f"siouxfalls_{part}.tntp").read_text(encoding="utf-8") for part in ("net", "trips")))
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (24, 76)
    assert od["demand"].sum() == 360_600
    assert od.height == 528


# --- files that keep to the format only roughly


def read(net: str = NET, trips: str = TRIPS) -> tuple[list[tuple[int, int, dict[str, float]]], list[tuple[int, int, float]]]:
    """Return the arcs in the order of the file and the trips."""
    graph, od = parse_tntp(net, trips)
    arcs = sorted(graph.edges(data=True), key=lambda edge: edge[2]["link_id"])
    return arcs, od.rows()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: "\ufeff" + text.replace("\n", "\r\n"), id="Windows"),
        pytest.param(lambda text: text.replace("\n", "\r"), id="old Mac"),
        pytest.param(str.lower, id="lower case"),
        pytest.param(lambda text: text.replace("Origin", "ORIGIN"), id="upper case"),
        pytest.param(lambda text: text.replace("\t", "   ").replace(" ", "\t "), id="separators"),
        pytest.param(lambda text: text.replace("\t;", ";").replace(" ;", ";"), id="no blank before the end mark"),
        pytest.param(lambda text: text.replace(";\n", "; ~ a remark; with: marks\n"), id="remark behind a row"),
        pytest.param(lambda text: text.replace("0.5 1 0 0 1\n", "0.5 1 0 0 1 ~ a remark\n"), id="remark without an end mark"),
        pytest.param(lambda text: text.replace("<END OF METADATA>\n\n", "<END OF METADATA>\n"), id="no blank line"),
        pytest.param(lambda text: text.replace("<END OF METADATA>", "\n\n<END OF METADATA>\n\n\n"), id="more blank lines"),
        pytest.param(
            lambda text: text.replace("<NUMBER OF", "< number  of").replace("<END OF", "<End of"), id="spelling of the keys"
        ),
        pytest.param(lambda text: text.replace("<NUMBER OF LINKS> 5", "").replace("<NUMBER OF NODES>\t5", ""), id="no counts"),
        pytest.param(
            lambda text: text.replace("ZONES> 3", "ZONES> 3;").replace("NODES>\t5", "NODES>5"), id="marks at the counts"
        ),
        pytest.param(lambda text: text.replace("1800", "1.8E+03").replace("30.5", "3.05e1"), id="powers of ten"),
        pytest.param(lambda text: text.rstrip(";\n"), id="no last end mark"),
        pytest.param(lambda text: text.replace(" : ", ":").replace(":  ", ": ").replace("; ", ";"), id="trips without blanks"),
        pytest.param(
            lambda text: text.replace(";     2 :", ";\n  2\t:").replace("Origin \t1\n", "Origin 1 "), id="trips on other lines"
        ),
    ],
)
def test_ways_to_write_the_same_files(change):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (change(NET), change(TRIPS)) != (NET, TRIPS)
        assert read(change(NET), change(TRIPS)) == read()


def test_links_in_any_order_are_the_same_network():
    head, rows = NET[: NET.index("\t1\t4")], NET[NET.index("\t1\t4") :].splitlines()[:-1]
    plain, turned = (parse_tntp(head + "\n".join(lines), TRIPS) for lines in (rows, rows[::-1]))
    flows = [
        assign_equilibrium(*found, gap=1e-10)
        .flows.group_by("from_node", "to_node")
        .agg(pl.col("flow").sum())
        .sort("from_node", "to_node")
        for found in (plain, turned)
    ]
    assert flows[0].select("from_node", "to_node").equals(flows[1].select("from_node", "to_node"))
    assert flows[0]["flow"].to_list() == pytest.approx(flows[1]["flow"].to_list(), rel=1e-6)


@pytest.mark.parametrize(
    ("part", "old", "new", "message"),
    [
        (
            0,
            "LINKS> 5",
            "LINKS> 6",
            r"network file line 4: <NUMBER OF LINKS> is 6, but the number of link lines is 5; the rows count",
        ),
        (
            0,
            "LINKS> 5",
            "LINKS> 4",
            r"network file line 4: <NUMBER OF LINKS> is 4, but the number of link lines is 5; the rows count",
        ),
        (
            0,
            "NODES>\t5",
            "NODES>\t7",
            r"network file line 2: <NUMBER OF NODES> is 7, but the number of zones and nodes at links is 5",
        ),
        (
            0,
            "<END OF METADATA>",
            "",
            r"network file line 6: <END OF METADATA> is missing; what follows the last line of metadata",
        ),
        (1, "<END OF METADATA>", "", r"trip file line 2: <END OF METADATA> is missing; what follows the last line of metadata"),
        (1, TRIPS[: TRIPS.index("Origin")], "", r"trip file line 1: <END OF METADATA> is missing"),
        (
            1,
            "ZONES> 3",
            "ZONES> 4",
            r"trip file line 1: <NUMBER OF ZONES> is 4, but the number of zones in the network file is 3",
        ),
    ],
)
def test_metadata_that_disagree_are_a_warning_and_the_rows_count(part, old, new, message):
    texts = [NET, TRIPS]
    assert old in texts[part]
    texts[part] = texts[part].replace(old, new, 1)
    with pytest.warns(UserWarning, match=message) as warned:
        found = read(*texts)
    assert len(warned) == 1
    assert warned[0].filename == __file__
    assert found == read()


def test_without_a_first_thru_node_every_zone_may_be_passed():
    net = """<NUMBER OF ZONES> 3\n<END OF METADATA>\n1 2 9 1 1 0 0;\n2 3 9 1 1 0 0;\n1 3 9 1 5 0 0;\n"""
    trips = "<END OF METADATA>\nOrigin 1\n3 : 4;"
    with pytest.warns(UserWarning, match=r"network file line 1: <FIRST THRU NODE> is missing; paths may run through every zone"):
        graph, od = parse_tntp(net, trips)
    assert assign_equilibrium(graph, od).flows["flow"].to_list() == [4, 4, 0]
    graph, od = parse_tntp(net.replace("<END", "<FIRST THRU NODE> 4\n<END"), trips)
    assert assign_equilibrium(graph, od).flows["flow"].to_list() == [0, 0, 4]


def test_nodes_may_count_from_zero():
    net = """<NUMBER OF ZONES> 2\n<NUMBER OF NODES> 3\n<FIRST THRU NODE> 0\n<END OF METADATA>\n0 2 9 1 1 0 0;\n2 1 9 1 1 0 0;\n"""
    graph, od = parse_tntp(net, "<END OF METADATA>\nOrigin 0\n1 : 4; 0 : 3;")
    assert list(graph.nodes) == [0, 1, 2]
    assert od.rows() == [(0, 1, 4.0), (0, 0, 3.0)]
    assert assign_equilibrium(graph, od).flows["flow"].to_list() == [4, 4]
    with pytest.raises(NetworkError, match=r"trip file line 3: destination is 2; zones run from 0 to 1"):
        parse_tntp(net, "<END OF METADATA>\nOrigin 0\n2 : 4;")


@pytest.mark.parametrize(
    ("row", "time"),
    [
        ("1 2 0 1 0 0.15 4", 0.0),  # no time at all
        ("1 2 0 1 3 0 4", 3.0),  # b = 0
        ("1 2 0 1 3 0.5 0", 4.5),  # x ** 0 = 1
        ("1 2 5 1 3 0.5 0", 4.5),
        ("1 2 5 1 3 0 0", 3.0),
        ("1 2 5 1 3 0.5 1", 6.0),  # 3 (1 + 0.5 10 / 5)
    ],
)
def test_times_that_do_not_depend_on_flow_need_no_capacity(row, time):
    graph, od = parse_tntp(
        f"<NUMBER OF ZONES> 2\n<FIRST THRU NODE> 1\n<END OF METADATA>\n{row} ;", "<END OF METADATA>\nOrigin 1\n2: 10;"
    )
    flows = assign_equilibrium(graph, od).flows
    assert flows["flow"].to_list() == [10]
    assert flows["cost"].to_list() == pytest.approx([time])


# --- bad files


@pytest.mark.parametrize(
    ("part", "old", "new", "message"),
    [
        (0, "<NUMBER OF ZONES> 3\n", "", r"network file line 1: metadata <NUMBER OF ZONES> is missing"),
        (0, "ZONES> 3", "ZONES> 0", r"network file line 1: <NUMBER OF ZONES> is 0; at least one zone is needed"),
        (0, NET[NET.index("~ \t") :], "", r"network file line 1: the file has no link lines"),
        (0, "ZONES> 3", "ZONES> three", r"network file line 1: <NUMBER OF ZONES> is 'three'; a number is needed"),
        (0, "ZONES> 3", "ZONES>", r"network file line 1: <NUMBER OF ZONES> is ''; a number is needed"),
        (0, "<NUMBER OF ZONES> 3", "<NUMBER OF ZONES 3", r"line 1: metadata .* has no closing '>'"),
        (0, "1800", "1.8k", r"network file line 11: capacity is '1.8k'; a number is needed"),
        (0, "1800", "nan", r"network file line 11: capacity is 'nan'; a finite number is needed"),
        (0, "1800", "-5", r"network file line 11: capacity is -5; it must not be negative"),
        (0, "1800", "0", r"network file line 11: capacity is 0 on a link whose time depends on flow"),
        (0, "4 2 1800", "4.5 2 1800", r"network file line 11: init_node is '4.5'; a whole number is needed"),
        (0, "4 2 1800", "-4 2 1800", r"network file line 11: init_node is -4; nodes are numbered from 1"),
        (0, "5 2 1000 1 2 0.5 1 0 0 1", "5 2 1000 1 2", r"network file line 13: 5 columns; at least 7 are needed"),
        (1, "30.5", "many", r"trip file line 7: trips is 'many'; a number is needed"),
        (1, "30.5", "-1", r"trip file line 7: trips are -1; they must not be negative"),
        (1, "2 :     30.5;", "2       30.5;", r"trip file line 7: .* 'destination : trips;' is needed"),
        (1, "3 :      0.0", "9 :      0.0", r"trip file line 8: destination is 9; zones run from 1 to 3"),
        (1, "Origin  2", "Origin  7", r"trip file line 11: origin is 7; zones run from 1 to 3"),
        (1, "Origin  2", "Origin", r"trip file line 11: 'Origin' without a number"),
        (1, "Origin \t1\n", "", r"trip file line 6: .* stands before the first 'Origin'"),
    ],
)
def test_bad_files_are_refused_with_their_line(part, old, new, message):
    texts = [NET, TRIPS]
    assert old in texts[part]
    texts[part] = texts[part].replace(old, new, 1)
    with pytest.raises(NetworkError, match=message):
        parse_tntp(*texts)
