"""The command ``transport network``: what it prints, writes, refuses, and its exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import polars as pl
import pytest

from networks.formats import read_gmns, read_graphml, read_omx, read_tables, write_gmns, write_tables
from networks.graph import build_graph, open_links
from transport.cli import main
from transport.inputs import network_tables

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs


def call(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[int, str, str]:
    code = main(["network", *map(str, argv)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def as_json(capsys: pytest.CaptureFixture[str], *argv: object, code: int = 0) -> Any:
    got, out, err = call(capsys, *argv, "--json")
    assert got == code, out + err
    return json.loads(out)


def arcs(graph: nx.MultiDiGraph[Any]) -> dict[Any, dict[str, Any]]:
    return {(u, v, k): dict(data) for u, v, k, data in graph.edges(keys=True, data=True)}


@pytest.fixture
def tables(inputs: Inputs) -> dict[str, pl.DataFrame]:
    return network_tables(inputs)


@pytest.fixture
def graph(tables: dict[str, pl.DataFrame]) -> nx.MultiDiGraph[str]:
    return build_graph(tables["nodes"], tables["links"], tables["zones"], tables["connectors"], year=2020)


def network_of(folder: Path, tables: dict[str, pl.DataFrame], **changed: pl.DataFrame) -> Path:
    write_tables(folder, {**tables, **changed})
    return folder


# --- build


def test_build_counts_what_the_tables_hold(capsys: pytest.CaptureFixture[str], tables: dict[str, pl.DataFrame]) -> None:
    found = as_json(capsys, "build", "--year", 2030)
    links = open_links(tables["links"], 2030)
    assert (found["year"], found["nodes"], found["links"]) == (2030, tables["nodes"].height, links.height)
    assert (found["zones"], found["connectors"]) == (tables["zones"].height, tables["connectors"].height)
    assert sum(c["km"] for c in found["classes"]) == pytest.approx(links["length_km"].sum())
    rail = links.filter(pl.col("mode") == "rail")
    derived = rail.filter(pl.col("capacity_quality").is_in(["derived", "assumption"]))["length_km"].sum()
    shown = sum(c["km"] * c["derived_km_share"] for c in found["classes"] if c["mode"] == "rail")
    assert shown == pytest.approx(derived)


@pytest.mark.parametrize(("lang", "word"), [("zh", "铁路干线"), ("en", "Rail trunk line")])
def test_build_prints_a_table_of_labels(lang: str, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "build", "--lang", lang)
    assert (code, err) == (0, "")
    assert word in out
    assert "2020" in out.splitlines()[0]


def test_what_build_writes_can_be_read_back(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, graph: nx.MultiDiGraph[str], tables: dict[str, pl.DataFrame]
) -> None:
    folder = tmp_path / "net"
    assert call(capsys, "build", "--out", folder)[0] == 0
    assert arcs(read_graphml(folder / "graph.graphml")) == arcs(graph)
    written = read_tables(folder)
    assert written["links"]["link_id"].to_list() == open_links(tables["links"], 2020)["link_id"].to_list()
    again = build_graph(*(written[name] for name in ("nodes", "links", "zones", "connectors")), year=2020)
    assert arcs(again) == arcs(graph)
    plain = as_json(capsys, "build")
    assert as_json(capsys, "build", "--from", folder) == plain
    assert as_json(capsys, "build", "--from", folder / "graph.graphml", "--format", "graphml") == plain
    write_gmns(tmp_path / "gmns", graph)
    assert as_json(capsys, "build", "--from", tmp_path / "gmns", "--format", "gmns") == plain


def test_a_folder_that_holds_something_is_left_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    kept = tmp_path / "notes.txt"
    kept.write_text("mine", encoding="utf-8")
    for verb in (["build"], ["export", "--format", "gmns"]):
        code, _, err = call(capsys, *verb, "--out", tmp_path)
        assert code == 2
        assert "--force" in err
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
    assert call(capsys, "build", "--out", tmp_path, "--force")[0] == 0
    assert kept.read_text(encoding="utf-8") == "mine"
    assert (tmp_path / "graph.graphml").is_file()


def test_a_network_that_cannot_be_read_is_a_message(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = call(capsys, "build", "--from", tmp_path, "--lang", "en")
    assert (code, out) == (2, "")
    assert all(f"{name}.csv: no such file" in err for name in ("nodes", "links", "zones", "connectors"))
    assert "Traceback" not in err
    found = as_json(capsys, "build", "--from", tmp_path, "--format", "tntp", code=2)
    assert "_net.tntp" in found["error"][0]


def test_a_pack_changes_the_network(capsys: pytest.CaptureFixture[str], tmp_path: Path, tables: dict[str, pl.DataFrame]) -> None:
    row = tables["links"].filter(pl.col("link_id") == "RL001").with_columns(pl.lit(99.5).alias("length_km"))
    (tmp_path / "networks").mkdir()
    row.write_csv(tmp_path / "networks" / "links.csv")
    before = {c["link_class"]: c["km"] for c in as_json(capsys, "build")["classes"]}
    after = {c["link_class"]: c["km"] for c in as_json(capsys, "build", "--pack", tmp_path)["classes"]}
    old = tables["links"].filter(pl.col("link_id") == "RL001")["length_km"][0]
    assert after["trunk"] - before["trunk"] == pytest.approx(99.5 - old)


def test_the_finer_network_keeps_the_other_modes(capsys: pytest.CaptureFixture[str]) -> None:
    compact, fine = (as_json(capsys, "build", "--network", name) for name in ("compact", "fine"))
    assert fine["nodes"] > 5 * compact["nodes"]
    assert fine["zones"] == compact["zones"]
    for mode in ("rail", "water", "pipeline"):
        assert [c for c in fine["classes"] if c["mode"] == mode] == [c for c in compact["classes"] if c["mode"] == mode]


def test_build_from_tntp(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "a_net.tntp").write_text(
        "<NUMBER OF ZONES> 2\n<NUMBER OF NODES> 2\n<FIRST THRU NODE> 1\n<NUMBER OF LINKS> 1\n<END OF METADATA>\n1 2 10 3 1 0.15 4 0 0 1 ;\n",
        encoding="utf-8",
    )
    (tmp_path / "a_trips.tntp").write_text("<NUMBER OF ZONES> 2\n<END OF METADATA>\nOrigin 1\n 2 : 6.0;\n", encoding="utf-8")
    for source in (tmp_path, tmp_path / "a_net.tntp"):
        found = as_json(capsys, "build", "--from", source, "--format", "tntp")
        assert (found["nodes"], found["links"], found["classes"][0]["km"]) == (2, 1, 3.0)


# --- check


def test_the_bundled_network_has_notes_but_no_findings(
    capsys: pytest.CaptureFixture[str], tables: dict[str, pl.DataFrame]
) -> None:
    found = as_json(capsys, "check", "--lang", "en")
    assert found["findings"] == []
    codes = {note["code"] for note in found["notes"]}
    assert codes >= {"network.derived_capacity", "network.no_capacity", "network.opens", "network.closes", "network.no_access"}
    rail = next(n for n in found["notes"] if n["code"] == "network.derived_capacity" and "Rail" in n["rule"])
    mine = open_links(tables["links"], 2020).filter(pl.col("mode") == "rail")
    derived = mine.filter(pl.col("capacity_quality").is_in(["derived", "assumption"]))
    assert rail["value"] == str(derived.height)
    assert f"{100 * derived['length_km'].sum() / mine['length_km'].sum():.0f} %" in rail["rule"]
    assert call(capsys, "check")[1].splitlines()[-1].startswith("网络未发现问题")


def test_every_weak_place_is_found_at_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tables: dict[str, pl.DataFrame]
) -> None:
    links = tables["links"].with_columns(
        pl.when(pl.col("link_id") == "RL002").then(0.0).otherwise(pl.col("capacity_t_per_year")).alias("capacity_t_per_year")
    )
    twin = links.filter(pl.col("link_id") == "RL001").with_columns(pl.lit("RL001B").alias("link_id"))
    node = tables["nodes"].head(1).with_columns(pl.lit("LONELY").alias("node_id"))
    access = tables["connectors"].filter(pl.col("link_class") == "siding").head(1).with_columns(pl.lit("LONELY").alias("node_id"))
    folder = network_of(
        tmp_path / "net",
        tables,
        links=pl.concat([links, twin]),
        nodes=pl.concat([tables["nodes"], node]),
        connectors=pl.concat([tables["connectors"], access]),
    )
    found = as_json(capsys, "check", "--from", folder, "--lang", "en", code=2)["findings"]
    assert {(f["code"], f["value"]) for f in found} == {
        ("network.duplicate", "RL001B"),
        ("network.zero_capacity", "RL002"),
        ("network.lonely_terminal", "LONELY"),
    }
    assert all(list(f) == ["code", "file", "row", "column", "value", "rule", "remedy"] for f in found)
    assert all(f["rule"] and f["remedy"] for f in found)


def test_rules_of_the_tables_hold_for_other_tables_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tables: dict[str, pl.DataFrame]
) -> None:
    first, second = tables["links"]["link_id"][:2]
    which = pl.col("link_id")
    dangling = tables["links"].with_columns(
        pl.when(which == second).then(pl.lit("NOWHERE")).otherwise(pl.col("to_node")).alias("to_node")
    )
    folder = network_of(tmp_path / "a", tables, links=dangling, nodes=pl.concat([tables["nodes"], tables["nodes"].head(1)]))
    found = as_json(capsys, "check", "--from", folder, code=2)["findings"]
    assert {(f["code"], f["file"], f["row"]) for f in found} == {
        ("id.dangling", "links.csv", 3),
        ("key.duplicate", "nodes.csv", tables["nodes"].height + 2),
    }
    short = tables["links"].with_columns(pl.when(which == first).then(1.0).otherwise(pl.col("length_km")).alias("length_km"))
    found = as_json(capsys, "check", "--from", network_of(tmp_path / "b", tables, links=short), code=2)["findings"]
    assert [(f["code"], f["row"]) for f in found] == [("link.shorter_than_great_circle", 2)]


def test_findings_of_a_pack_name_its_lines(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tables: dict[str, pl.DataFrame]
) -> None:
    (tmp_path / "networks").mkdir()
    row = tables["links"].filter(pl.col("link_id") == "RL001").with_columns(pl.lit(0.0).alias("capacity_t_per_year"))
    row.write_csv(tmp_path / "networks" / "links.csv")
    (finding,) = as_json(capsys, "check", "--pack", tmp_path, code=2)["findings"]
    assert (finding["code"], finding["file"], finding["row"]) == ("network.zero_capacity", "networks/links.csv", 2)
    text = (
        (tmp_path / "networks" / "links.csv").read_text(encoding="utf-8").replace("RL001", "RL001X").replace(",rail,", ",horse,")
    )
    (tmp_path / "networks" / "links.csv").write_text(text, encoding="utf-8")
    code, out, _ = call(capsys, "check", "--pack", tmp_path)
    assert code == 2
    assert "[value.code]" in out


def test_one_way_traps_are_findings(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    made: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    for i, name in enumerate("abcd"):
        made.add_node(name, lat=41.0, lon=123.0 + i / 10)
    for i, (u, v) in enumerate(["ab", "ba", "bc", "cb", "cd"]):
        made.add_edge(u, v, key=f"l{i}", link_id=f"l{i}", mode="road", length_km=9.0, capacity=1.0)
    write_gmns(tmp_path, made)
    (finding,) = as_json(capsys, "check", "--from", tmp_path, "--format", "gmns", code=2)["findings"]
    assert (finding["code"], finding["value"]) == ("network.trap_sink", "d")


# --- show


def test_show_a_link_a_node_a_zone(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "show", "RL001")
    assert code == 0
    assert "沈大线" in out
    assert "铁路干线" in out
    assert "长度 [km]" in out
    node = as_json(capsys, "show", "R_ANSHAN")
    assert node["name_zh"] == "鞍山站"
    assert {"RL004", "RL005"} <= {link["link_id"] for link in node["links"]}
    assert "Z_ST_ANGANG" in {row["zone_id"] for row in node["connectors"]}
    assert "鞍山市" in call(capsys, "show", "Z_AS")[1]
    assert "Rail trunk line" in call(capsys, "show", "RL001", "--lang", "en")[1]


def test_show_by_mode_and_line(capsys: pytest.CaptureFixture[str], tables: dict[str, pl.DataFrame]) -> None:
    found = as_json(capsys, "show", "--mode", "rail", "--line", "沈大")["rows"]
    wanted = tables["links"].filter(pl.col("mode") == "rail", pl.col("line_zh").str.contains("沈大"))
    assert [row["link_id"] for row in found] == wanted["link_id"].to_list()
    assert len(found) > 5
    code, _, err = call(capsys, "show", "--line", "没有这条线")
    assert (code, err.strip()) == (0, "没有匹配 没有这条线 的行。")


def test_show_an_unknown_id_suggests_others(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "show", "R_ANSHANN")
    assert (code, out) == (2, "")
    assert "R_ANSHAN" in err


# --- export


def test_export_in_every_format(capsys: pytest.CaptureFixture[str], tmp_path: Path, graph: nx.MultiDiGraph[str]) -> None:
    for kind in ("graphml", "gmns", "tables"):
        assert call(capsys, "export", "--format", kind, "--out", tmp_path / kind)[0] == 0
    assert arcs(read_graphml(tmp_path / "graphml")) == arcs(graph)
    assert arcs(read_gmns(tmp_path / "gmns")) == arcs(graph)
    assert read_tables(tmp_path / "tables")["links"].height == open_links(read_tables(tmp_path / "tables")["links"], 2020).height
    code, _, err = call(
        capsys, "export", "--format", "tables", "--out", tmp_path / "x", "--from", tmp_path / "gmns", "--source-format", "gmns"
    )
    assert code == 2
    assert "tables" in err


OD = [
    (2020, "Z_AS", "Z_BX", "coal", "truck", 1e6 / 3),
    (2030, "Z_AS", "Z_BX", "coal", "truck", 0.1),
    (2030, "Z_AS", "Z_BX", "coal", "rail", 1e7 / 3),
    (2030, "Z_BX", "Z_BX", "coal", "truck", 5.0),
    (2030, "Z_DL", "Z_AS", "steel", "rail", 7.25),
]
FLOWS = [(2020, "RL001", 1.0, 2.0, 0.5), (2030, "RL001", 3.5, 4.5, None), (2030, "RL002", 6.0, 0.0, 1.25)]


@pytest.fixture
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run folder with the two tables that exports read."""
    folder = tmp_path_factory.mktemp("run")
    od = pl.DataFrame(OD, schema=["year", "origin", "destination", "commodity", "alternative", "t"], orient="row")
    od.write_parquet(folder / "freight_od.parquet")
    flows = pl.DataFrame(FLOWS, schema=["year", "link_id", "forward_t", "backward_t", "vc_ratio"], orient="row")
    flows.write_parquet(folder / "freight_links.parquet")
    (folder / "manifest.json").write_text(json.dumps({"run_id": "0" * 12, "scenario": "small"}), encoding="utf-8")
    return folder


def test_geojson_carries_the_flows_of_a_run(capsys: pytest.CaptureFixture[str], tmp_path: Path, small_run: Path) -> None:
    path = tmp_path / "flows.geojson"
    found = as_json(capsys, "export", "--format", "geojson", "--out", path, "--run", small_run, "--year", 2030)
    read = json.loads(path.read_text(encoding="utf-8"))
    assert "OpenStreetMap" in read["attribution"]
    links = {f["properties"]["link_id"]: f["properties"] for f in read["features"] if f["properties"]["element"] == "link"}
    assert [links["RL001"][k] for k in ("forward_t", "backward_t", "vc_ratio")] == [3.5, 4.5, None]
    assert [links["RL002"][k] for k in ("forward_t", "backward_t", "vc_ratio")] == [6.0, 0.0, 1.25]
    assert "forward_t" not in links["RL003"]
    shape = next(f["geometry"]["coordinates"] for f in read["features"] if f["properties"].get("link_id") == "RD014")
    assert len(shape) > 2  # the line that the data draw, not the straight one
    assert found["without_place"] > 0


def test_od_matrices_of_a_run_hold_every_tonne(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, small_run: Path, tables: dict[str, pl.DataFrame]
) -> None:
    path = tmp_path / "od.omx"
    found = as_json(capsys, "export", "--format", "omx", "--out", path, "--run", small_run, "--year", 2030)
    matrices, zones = read_omx(path)
    assert list(zones) == sorted(tables["zones"]["zone_id"])
    assert list(matrices) == ["coal", "steel"]
    a, b, d = (zones.index(z) for z in ("Z_AS", "Z_BX", "Z_DL"))
    assert matrices["coal"][a, b] == pytest.approx(0.1 + 1e7 / 3, rel=1e-15)
    assert matrices["coal"][b, b] == 5.0
    assert np.count_nonzero(matrices["coal"]) == 2
    assert matrices["steel"][d, a] == matrices["steel"].sum() == 7.25
    assert found["t_per_year"] == pytest.approx({"coal": 5.1 + 1e7 / 3, "steel": 7.25}, rel=1e-15)


def test_exports_that_cannot_be(capsys: pytest.CaptureFixture[str], tmp_path: Path, small_run: Path) -> None:
    code, _, err = call(capsys, "export", "--format", "omx", "--out", tmp_path / "a.omx")
    assert code == 2
    assert "--run" in err
    code, _, err = call(capsys, "export", "--format", "omx", "--out", tmp_path / "a.omx", "--run", small_run, "--year", 1999)
    assert code == 2
    assert "2020, 2030" in err
    assert call(capsys, "export", "--format", "geojson", "--out", tmp_path / "a", "--run", tmp_path / "none")[0] == 1
    assert not list(tmp_path.iterdir())
    (tmp_path / "there.graphml").write_text("mine", encoding="utf-8")
    assert call(capsys, "export", "--format", "graphml", "--out", tmp_path / "there.graphml")[0] == 2
    assert (tmp_path / "there.graphml").read_text(encoding="utf-8") == "mine"


def test_the_matrices_of_a_run_can_be_a_pack(capsys: pytest.CaptureFixture[str], tmp_path: Path, small_run: Path) -> None:
    """What export writes, a data pack takes."""
    from transport.checks import check_data

    path = tmp_path / "pack" / "demand" / "od.omx"
    assert call(capsys, "export", "--format", "omx", "--out", path, "--run", small_run, "--year", 2030)[0] == 0
    assert check_data(pack=tmp_path / "pack") == []
