from __future__ import annotations

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


@pytest.mark.parametrize(
    ("part", "old", "new", "message"),
    [
        (0, "LINKS> 5", "LINKS> 6", r"network file line 4: <NUMBER OF LINKS> is 6, but the file has 5 link lines"),
        (0, "<FIRST THRU NODE> 4\n", "", r"metadata <FIRST THRU NODE> is missing"),
        (0, "<END OF METADATA>", "", r"network file line 15: <END OF METADATA> is missing"),
        (0, NET[NET.index("<END") :], "", r"network file line 6: <END OF METADATA> is missing"),
        (0, "ZONES> 3", "ZONES> three", r"network file line 1: <NUMBER OF ZONES> is 'three'; a number is needed"),
        (0, "ZONES> 3", "ZONES>", r"network file line 1: <NUMBER OF ZONES> is ''; a number is needed"),
        (0, "<NUMBER OF ZONES> 3", "<NUMBER OF ZONES 3", r"line 1: metadata .* has no closing '>'"),
        (0, "1800", "1.8k", r"network file line 11: capacity is '1.8k'; a number is needed"),
        (0, "1800", "nan", r"network file line 11: capacity is 'nan'; a finite number is needed"),
        (0, "1800", "-5", r"network file line 11: capacity is -5; it must not be negative"),
        (0, "1800", "0", r"network file line 11: capacity is 0 on a link whose time depends on flow"),
        (0, "4 2 1800", "4.5 2 1800", r"network file line 11: init_node is '4.5'; a whole number is needed"),
        (0, "5 2 1000 1 2 0.5 1 0 0 1", "5 2 1000 1 2", r"network file line 13: 5 columns; at least 7 are needed"),
        (1, "ZONES> 3", "ZONES> 4", r"trip file line 1: <NUMBER OF ZONES> is 4, but 3 in the network file"),
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
