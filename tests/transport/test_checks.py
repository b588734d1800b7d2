"""Every kind of mistake has a data pack in ``tests/bad_inputs``, and its findings are asserted to the last one."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import zipfile
from hashlib import sha256
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport import inputs
from transport.check_contract import contract
from transport.check_dictionary import Dictionary
from transport.check_files import parse_table
from transport.check_network import great_circle_km
from transport.check_problems import nearest, words
from transport.check_run import OPTIONAL, Layer, examine
from transport.check_tables import overlay
from transport.checks import check_data, format_finding
from transport.findings import DataError, Finding
from transport.i18n import LANGUAGES, texts
from transport.inputs import load_inputs, read_layers

Place = tuple[str, int, str, str]

EXPECTED: dict[str, list[Place]] = {
    "clean": [],
    "column.duplicate": [
        ("parameters/energy.csv", 1, "value", "column.duplicate"),
    ],
    "column.missing": [
        ("parameters/energy.csv", 1, "source", "column.missing"),
        ("parameters/energy.csv", 1, "unit", "column.missing"),
    ],
    "column.unknown": [
        ("parameters/energy.csv", 1, "remark", "column.unknown"),
        ("parameters/energy.csv", 1, "数值", "column.unknown"),
        ("parameters/energy.csv", 2, "", "file.wide"),
        ("parameters/nameless.csv", 1, "", "column.unknown"),
        ("parameters/nameless.csv", 1, "unit", "column.missing"),
        ("parameters/nameless.csv", 2, "parameter", "key.duplicate"),
    ],
    "correlation.matrix": [
        ("correlations.csv", 0, "correlation", "correlation.matrix"),
        ("correlations.csv", 5, "with_subject", "correlation.matrix"),
    ],
    "correlation.unknown": [
        ("correlations.csv", 2, "parameter", "correlation.unknown"),
        ("correlations.csv", 3, "with_subject", "correlation.unknown"),
        ("correlations.csv", 4, "correlation", "value.range"),
    ],
    "distribution.range": [
        ("parameters/energy.csv", 2, "distribution", "distribution.range"),
        ("parameters/energy.csv", 3, "distribution", "distribution.range"),
    ],
    "file.delimiter": [
        ("parameters/costs.csv", 1, "", "file.delimiter"),
        ("parameters/energy.csv", 1, "", "file.delimiter"),
    ],
    "file.empty": [
        ("parameters/blank.csv", 0, "", "file.empty"),
        ("parameters/commas.csv", 0, "", "file.empty"),
        ("parameters/energy.csv", 0, "", "file.empty"),
        ("parameters/header.csv", 0, "", "file.empty"),
        ("targets/none.toml", 0, "", "file.empty"),
    ],
    "file.encoding": [
        ("observed/book.csv", 0, "", "file.encoding"),
        ("observed/damaged.csv", 2, "", "file.encoding"),
        ("observed/utf16.csv", 0, "", "file.encoding"),
        ("parameters/energy.csv", 0, "", "file.encoding"),
        ("parameters/energy.csv", 3, "value", "value.text"),  # a GBK file is read and checked further
        ("targets/gbk.toml", 0, "", "file.encoding"),
    ],
    "file.protected": [
        ("dictionary.csv", 0, "", "file.protected"),
    ],
    "file.short": [
        ("parameters/energy.csv", 2, "", "file.short"),
    ],
    "file.unknown": [
        ("links.csv", 0, "", "file.unknown"),
        ("misc/holiday.png", 0, "", "file.unknown"),
        ("networks/link.csv", 0, "", "file.unknown"),
        ("parameters/energy.xlsx", 0, "", "file.unknown"),
    ],
    "file.wide": [
        ("parameters/energy.csv", 2, "", "file.wide"),
        ("parameters/energy.csv", 4, "distribution", "distribution.range"),
        ("parameters/energy.csv", 4, "value", "value.order"),
    ],
    "five_mistakes": [
        ("parameters/shenyang_2024.csv", 2, "value", "value.text"),
        ("parameters/shenyang_2024.csv", 3, "value", "value.order"),
        ("parameters/shenyang_2024.csv", 4, "source", "source.missing"),
        ("parameters/shenyang_2024.csv", 5, "distribution", "value.code"),
        ("parameters/shenyang_2024.csv", 6, "unit", "unit.mismatch"),
    ],
    "id.dangling": [
        ("demand/generators.csv", 2, "zone_id", "id.dangling"),
        ("networks/links.csv", 2, "to_node", "id.dangling"),
    ],
    "key.duplicate": [
        ("networks/nodes.csv", 3, "node_id", "key.duplicate"),
        ("parameters/energy.csv", 3, "parameter", "key.duplicate"),
        ("parameters/more.csv", 2, "parameter", "key.duplicate"),
    ],
    "lever.by_area": [
        ("levers.csv", 2, "by_area", "lever.by_area"),
        ("levers.csv", 3, "by_area", "lever.by_area"),
    ],
    "lever.dangling": [
        ("levers.csv", 2, "parameter", "lever.dangling"),
        ("levers.csv", 3, "subject", "lever.dangling"),
    ],
    "lever.default": [
        ("levers.csv", 2, "default", "lever.default"),
        ("levers.csv", 3, "default", "lever.default"),
    ],
    "link.shorter_than_great_circle": [
        ("networks/links.csv", 2, "length_km", "link.shorter_than_great_circle"),
    ],
    "link.zero_length": [
        ("networks/links.csv", 2, "length_km", "link.zero_length"),
        ("networks/links.csv", 3, "to_node", "link.zero_length"),
    ],
    "node.disconnected": [
        ("networks/nodes.csv", 2, "node_id", "node.disconnected"),
        ("networks/nodes.csv", 3, "node_id", "node.disconnected"),
        ("networks/nodes.csv", 5, "node_id", "node.disconnected"),
        ("networks/zones.csv", 2, "zone_id", "node.disconnected"),
    ],
    "project.date": [("networks/projects.csv", 2, "open_year", "project.date")],
    "project.effect": [("networks/projects.csv", 2, "tracks", "project.effect")],
    "project.kind": [("networks/projects.csv", 2, "target", "project.kind")],
    "project.no_cost": [("networks/projects.csv", 2, "cost_cny", "project.no_cost")],
    "project.target": [("networks/projects.csv", 2, "target", "project.target")],
    "quality.derived_without_formula": [
        ("parameters/energy.csv", 2, "quality", "quality.derived_without_formula"),
    ],
    "source.missing": [
        ("parameters/energy.csv", 2, "source", "source.missing"),
    ],
    "source.unknown": [
        ("parameters/energy.csv", 2, "source", "source.unknown"),
        ("parameters/energy.csv", 3, "source", "source.unknown"),
    ],
    "target.other_share": [
        ("parameters/cities.csv", 2, "value", "target.other_share"),
    ],
    "target.unknown_indicator": [
        ("targets/clauses.csv", 2, "indicator", "target.unknown_indicator"),
        ("targets/own.toml", 4, "id", "target.unknown_indicator"),
        ("targets/own.toml", 5, "area", "value.code"),
        ("targets/own.toml", 10, "strength", "value.code"),
        ("targets/own.toml", 13, "colour", "column.unknown"),
    ],
    "text.line_break": [
        ("parameters/energy.csv", 2, "note", "text.line_break"),
        ("parameters/energy.csv", 4, "value", "value.order"),
    ],
    "text.placeholder": [
        ("parameters/energy.csv", 2, "note", "text.placeholder"),
        ("sources.csv", 2, "citation", "text.placeholder"),
    ],
    "toml.syntax": [
        ("scenarios/mine.toml", 3, "", "toml.syntax"),
        ("targets/plan.toml", 4, "", "toml.syntax"),
    ],
    "unit.mismatch": [
        ("levers.csv", 2, "unit", "unit.mismatch"),
        ("observed/freight.csv", 2, "unit", "unit.mismatch"),
        ("parameters/energy.csv", 2, "unit", "unit.mismatch"),
        ("parameters/energy.csv", 3, "unit", "unit.mismatch"),
        ("parameters/energy.csv", 5, "unit", "unit.mismatch"),
    ],
    "unit.unknown": [
        ("parameters/energy.csv", 2, "unit", "unit.unknown"),
        ("parameters/energy.csv", 3, "unit", "unit.unknown"),
    ],
    "value.code": [
        ("networks/links.csv", 2, "link_class", "value.code"),
        ("networks/links.csv", 2, "mode", "value.code"),
        ("parameters/energy.csv", 2, "distribution", "value.code"),
        ("parameters/energy.csv", 2, "quality", "value.code"),
    ],
    "value.magnitude": [
        ("demand/generators.csv", 2, "t_per_year", "value.magnitude"),
        ("parameters/energy.csv", 2, "value", "value.magnitude"),
        ("parameters/energy.csv", 3, "value", "value.magnitude"),
    ],
    "value.missing": [
        ("parameters/energy.csv", 2, "parameter", "value.missing"),
        ("parameters/energy.csv", 2, "quality", "value.missing"),
        ("parameters/energy.csv", 2, "unit", "value.missing"),
    ],
    "value.order": [
        ("demand/generators.csv", 2, "t_per_year", "value.order"),
        ("parameters/energy.csv", 2, "value", "value.order"),
        ("parameters/energy.csv", 3, "value", "value.order"),
    ],
    "value.range": [
        ("demand/population.csv", 2, "value", "value.range"),
        ("networks/links.csv", 2, "capacity_t_per_year", "value.range"),
        ("networks/links.csv", 2, "in_province_share", "value.range"),
        ("networks/nodes.csv", 2, "lat", "value.range"),
    ],
    "value.text": [
        ("networks/nodes.csv", 2, "in_province", "value.text"),
        ("parameters/energy.csv", 2, "value", "value.text"),
        ("parameters/energy.csv", 3, "value", "value.text"),
        ("parameters/energy.csv", 4, "value", "value.text"),
        ("parameters/energy.csv", 5, "value", "value.text"),
        ("parameters/energy.csv", 5, "year", "value.text"),
        ("parameters/energy.csv", 6, "low", "value.text"),
        ("parameters/energy.csv", 6, "value", "value.text"),
    ],
    "year.mixed": [
        ("parameters/energy.csv", 2, "year", "year.mixed"),
        ("parameters/more.csv", 2, "year", "year.mixed"),
    ],
    "year.order": [
        ("networks/links.csv", 2, "close_year", "year.order"),
    ],
}
#: The modules that raise findings of the data.
CHECKS = [path for path in Path(inputs.__file__).parent.glob("*.py") if path.stem == "inputs" or path.stem.startswith("check")]
#: Codes whose pack the tests below make on the spot: broken archives, oversized files, a data folder without its dictionary.
MADE_HERE = {"file.missing", "file.pack", "file.size", "file.syntax", "file.unreadable", "file.unsafe"}


def places(findings: list[Finding]) -> list[Place]:
    return [(f.file, f.row, f.column, f.code) for f in findings]


def tree_hash(folder: Path) -> str:
    digest = sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def test_bundled_data_is_clean() -> None:
    assert [format_finding(finding) for finding in check_data()] == []


def test_small_data_is_clean(small_data: Path) -> None:
    assert check_data(small_data) == []


@pytest.fixture(scope="module")
def found(small_data: Path, bad_inputs: Path) -> dict[str, list[Finding]]:
    """Return the findings of every pack."""
    return {name: check_data(small_data, bad_inputs / name) for name in EXPECTED}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_finding_of_a_pack(name: str, found: dict[str, list[Finding]]) -> None:
    assert places(found[name]) == sorted(EXPECTED[name])
    assert name in {"clean", "five_mistakes"} | {f.code for f in found[name]}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_run_and_check_find_the_same(name: str, small_data: Path, bad_inputs: Path, found: dict[str, list[Finding]]) -> None:
    """What pandera finds for `transport check`, the direct pass of `transport run` finds too, with the same words."""
    if not found[name]:
        assert load_inputs(small_data, bad_inputs / name).pack == bad_inputs / name
        return
    with pytest.raises(DataError) as refused:
        load_inputs(small_data, bad_inputs / name)
    assert refused.value.findings == found[name]


def test_inputs_stay_untouched(small_data: Path, bad_inputs: Path) -> None:
    before = tree_hash(small_data), tree_hash(bad_inputs / "five_mistakes")
    check_data(small_data, bad_inputs / "five_mistakes")
    assert (tree_hash(small_data), tree_hash(bad_inputs / "five_mistakes")) == before


def test_every_pack_is_expected_and_every_code_has_one(bad_inputs: Path) -> None:
    assert {path.name for path in bad_inputs.iterdir()} - {"_base"} == set(EXPECTED)
    raised = {code for path in CHECKS for code in re.findall(r'"([a-z]+\.[a-z_]+)"', path.read_text(encoding="utf-8"))}
    worded = {".".join(key.split(".")[1:3]).partition(":")[0] for key in texts("zh") if key.startswith("finding.")}
    assert raised & worded == {code for places_ in EXPECTED.values() for *_, code in places_} | MADE_HERE


FIVE_ZH = [
    "parameters/shenyang_2024.csv 第2行 value = 128,500，“数值”不能带千位分隔符或空格。请去掉数字中的逗号和空格。 [value.text]",
    "parameters/shenyang_2024.csv 第3行 value = 52000，应满足 下限 ≤ 数值 ≤ 上限（下限 43000，上限 50000）。请核对“数值”和上下限是否填反。 [value.order]",
    "parameters/shenyang_2024.csv 第4行 source，每个数值都要有来源。请填写 sources.csv 中的来源键；新来源请在数据包的 sources.csv 中登记。 [source.missing]",
    "parameters/shenyang_2024.csv 第5行 distribution = 均匀，不在代码表 distribution 中。您是否指 uniform？ [value.code]",
    "parameters/shenyang_2024.csv 第6行 unit = gCO2/kWh，grid_factor 的单位应为 kgCO2/kWh。请换算：1 gCO2/kWh = 0.001 kgCO2/kWh，数值改为 0.5586。 [unit.mismatch]",
]


def test_five_mistakes_of_an_officer_in_one_go(found: dict[str, list[Finding]], bad_inputs: Path) -> None:
    """On the small folder and on the province's own data: five mistakes in one file, five messages for it."""
    assert [format_finding(finding) for finding in found["five_mistakes"]] == FIVE_ZH
    on_bundled = [format_finding(finding) for finding in check_data(pack=bad_inputs / "five_mistakes")]
    assert [line for line in on_bundled if not line.startswith("data/")] == FIVE_ZH


def test_english_finding(small_data: Path, bad_inputs: Path) -> None:
    mistakes = check_data(small_data, bad_inputs / "five_mistakes", lang="en")
    assert format_finding(mistakes[4], "en") == (
        "parameters/shenyang_2024.csv line 6 unit = gCO2/kWh: the unit of grid_factor is kgCO2/kWh. "
        "Convert: 1 gCO2/kWh = 0.001 kgCO2/kWh, so the value becomes 0.5586. [unit.mismatch]"
    )


def test_findings_serialise_and_stay_on_one_line(found: dict[str, list[Finding]]) -> None:
    for finding in (finding for findings in found.values() for finding in findings):
        assert json.loads(json.dumps(finding.as_dict())) == finding.as_dict()
        line = format_finding(finding)
        assert "\n" not in line
        assert line.endswith(f"[{finding.code}]")
        line.encode("gbk")  # a Chinese Windows console shows it


@pytest.mark.parametrize(
    ("finding", "line"),
    [
        (Finding("a.csv", 0, "", "file.empty", "", "甲", "乙。"), "a.csv，甲。乙。 [file.empty]"),
        (Finding("a.csv", 3, "", "file.short", "", "甲", "乙。"), "a.csv 第3行，甲。乙。 [file.short]"),
        (Finding("a.csv", 0, "unit", "x.y", "", "甲", "乙。"), "a.csv 列 unit，甲。乙。 [x.y]"),
        (Finding("a.csv", 3, "note", "x.y", "长" * 80, "甲", "乙。"), f"a.csv 第3行 note = {'长' * 59}…，甲。乙。 [x.y]"),
    ],
)
def test_format_of_each_place(finding: Finding, line: str) -> None:
    assert format_finding(finding) == line


# --- packs made on the spot


def test_folder_that_is_no_data_folder(tmp_path: Path) -> None:
    needed = ["codes.csv", "dictionary.csv", "sources.csv", "units.txt"]
    assert places(check_data(tmp_path)) == [(f"data/{name}", 0, "", "file.missing") for name in needed]


def test_giant_cell(small_data: Path, tmp_path: Path) -> None:
    (tmp_path / "parameters").mkdir()
    text = (small_data / "parameters" / "energy.csv").read_text(encoding="utf-8").replace("loaded 60 %", "x" * 140_000)
    (tmp_path / "parameters" / "energy.csv").write_text(text, encoding="utf-8")
    assert places(check_data(small_data, tmp_path)) == [("parameters/energy.csv", 0, "", "file.syntax")]


def test_pack_that_is_no_pack(small_data: Path, tmp_path: Path) -> None:
    (tmp_path / "pack.rar").write_bytes(b"Rar!")
    assert places(check_data(small_data, tmp_path / "pack.rar")) == [("pack.rar", 0, "", "file.pack")]
    assert places(check_data(small_data, tmp_path / "absent")) == [("absent", 0, "", "file.pack")]
    (tmp_path / "nothing").mkdir()
    assert places(check_data(small_data, tmp_path / "nothing")) == [("nothing", 0, "", "file.empty")]


def test_folder_that_is_somebodys_desktop(small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(30):
        (tmp_path / f"{i}.jpg").write_bytes(b"")
    monkeypatch.setattr(inputs, "MAX_FILES", 29)
    assert places(check_data(small_data, tmp_path)) == [(tmp_path.name, 0, "", "file.size")]


def test_file_that_excel_holds_open(small_data: Path, bad_inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_bytes = Path.read_bytes

    def locked(path: Path) -> bytes:
        if path.parts[-3:] == ("clean", "parameters", "energy.csv"):
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", locked)
    (finding,) = check_data(small_data, bad_inputs / "clean", lang="en")
    assert places([finding]) == [("parameters/energy.csv", 0, "", "file.unreadable")]
    assert finding.rule == "cannot be read: Permission denied"


def test_broken_zip(small_data: Path, bad_inputs: Path, tmp_path: Path) -> None:
    whole = zipped(tmp_path / "pack.zip", {"parameters/energy.csv": (bad_inputs / "clean/parameters/energy.csv").read_bytes()})
    data = bytearray(whole.read_bytes())
    data[60] ^= 0xFF  # inside the compressed content
    whole.write_bytes(data)
    assert places(check_data(small_data, whole)) == [("pack.zip", 0, "", "file.pack")]


def test_locked_zip(small_data: Path, tmp_path: Path) -> None:
    path = zipped(tmp_path / "pack.zip", {"parameters/energy.csv": b"x"})
    data = bytearray(path.read_bytes())
    directory = data.index(b"PK\x01\x02")
    data[6] |= 1
    data[directory + 8] |= 1
    path.write_bytes(data)
    (finding,) = check_data(small_data, path)
    assert finding.code == "file.pack"
    assert "密码" in finding.rule


@pytest.mark.parametrize(
    "name", ["../outside.csv", "/etc/outside.csv", "parameters/../../outside.csv", "C:/outside.csv", "..\\outside.csv"]
)
def test_zip_that_leads_outside(name: str, small_data: Path, bad_inputs: Path, tmp_path: Path) -> None:
    good = (bad_inputs / "clean/parameters/energy.csv").read_bytes()
    path = zipped(tmp_path / "pack.zip", {"parameters/energy.csv": good, name: b"parameter\n"})
    assert [f.code for f in check_data(small_data, path)] == ["file.unsafe"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pack.zip"]


def test_zip_bomb(small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MAX_BYTES", 1_000_000)
    path = zipped(tmp_path / "pack.zip", {"parameters/energy.csv": b"0" * 5_000_000})
    assert path.stat().st_size < 20_000
    assert places(check_data(small_data, path)) == [("pack.zip", 0, "", "file.size")]


def test_zip_with_too_many_files(small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MAX_FILES", 10)
    path = zipped(tmp_path / "pack.zip", {f"parameters/p{i}.csv": b"" for i in range(11)})
    assert places(check_data(small_data, path)) == [("pack.zip", 0, "", "file.size")]


def test_finding_in_the_bundled_folder_is_named_so(small_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(small_data, folder)
    links = folder / "networks" / "links.csv"
    links.write_text(links.read_text(encoding="utf-8").replace("60000000", "-5"), encoding="utf-8")
    (finding,) = check_data(folder)
    assert format_finding(finding).startswith("data/networks/links.csv 第2行 capacity_t_per_year = -5，应在 0 到 ")


def test_pack_that_cuts_off_a_bundled_node(small_data: Path, tmp_path: Path) -> None:
    """The finding names the bundled file, because the line stands there."""
    (tmp_path / "networks").mkdir()
    links = (small_data / "networks" / "links.csv").read_text(encoding="utf-8").splitlines()
    closed = next(line for line in links if line.startswith("RL2")).replace("0.4,,,", "0.4,1950,2010,")
    (tmp_path / "networks" / "links.csv").write_text(f"{links[0]}\n{closed}\n", encoding="utf-8")
    assert places(check_data(small_data, tmp_path)) == [("data/networks/nodes.csv", 5, "node_id", "node.disconnected")]


# --- parts


def test_dictionary_describes_every_bundled_table_and_no_other(data_folder: Path) -> None:
    table, problems = parse_table("dictionary", "dictionary.csv", (data_folder / "dictionary.csv").read_bytes())
    assert table is not None
    assert problems == []
    dictionary = Dictionary.from_frame(table.frame)
    bundled = {path.relative_to(data_folder).as_posix()[:-4] for path in data_folder.rglob("*.csv")}
    assert {name for name in bundled if dictionary.spec(name) is None} == set()
    assert {name for name in dictionary.tables if "*" not in name} - bundled == OPTIONAL
    for spec in dictionary.tables.values():
        assert all(spec.column(name).required or spec.column(name).dtype != "bool" for name in spec.key)


def test_contract_refuses_another_frame(small_data: Path) -> None:
    """The pandera schema guards columns and types, not only the rules."""
    import pandera.errors

    table, _ = parse_table("dictionary", "dictionary.csv", (small_data / "dictionary.csv").read_bytes())
    assert table is not None
    spec = Dictionary.from_frame(table.frame).tables["derivations"]
    schema = contract(spec, [])
    row = {"parameter": "a", "subject": "b", "year": 2020, "formula": "1", "note": None, "_row": 2, "_file": "x"}
    types = {**spec.schema, "_row": pl.Int64(), "_file": pl.String()}
    assert schema.validate(pl.DataFrame([row], schema=types)).height == 1
    with pytest.raises(pandera.errors.SchemaError):
        schema.validate(pl.DataFrame([row], schema={**types, "year": pl.Float64()}))
    with pytest.raises(pandera.errors.SchemaError):
        schema.validate(pl.DataFrame([row], schema=types).drop("formula"))


@pytest.mark.parametrize(
    ("a", "b", "km"),
    [((0, 0, 0, 90), None, 6371.0088 * 3.141592653589793 / 2), ((90, 0, -90, 0), None, 6371.0088 * 3.141592653589793), ((41.79, 123.43, 41.79, 123.43), None, 0.0)],
)  # fmt: skip
def test_great_circle(a: tuple[float, float, float, float], b: None, km: float) -> None:
    lat1, lon1, lat2, lon2 = (pl.Series([x], dtype=pl.Float64).to_numpy() for x in a)
    assert great_circle_km(lat1, lon1, lat2, lon2)[0] == pytest.approx(km, abs=1e-9)


def test_overlay_replaces_in_place_and_appends() -> None:
    base = pl.DataFrame({"k": ["a", "b", "c"], "y": [None, 2020, None], "v": [1.0, 2.0, 3.0]})
    pack = pl.DataFrame({"k": ["z", "b", "a"], "y": [None, 2020, None], "v": [9.0, 8.0, 7.0]}, schema=base.schema)
    laid = overlay(base, pack, ["k", "y"])
    assert laid.rows() == [("a", None, 7.0), ("b", 2020, 8.0), ("c", None, 3.0), ("z", None, 9.0)]


def test_nearest_ignores_case_and_gives_nothing_for_nothing() -> None:
    assert nearest(" Rial ", ["road", "rail"]) == "rail"
    assert nearest("完全不同", ["road", "rail"]) == ""


@given(st.binary(max_size=400))
def test_no_bytes_crash_the_parser(data: bytes) -> None:
    table, problems = parse_table("parameters/x", "x.csv", data)
    assert table is not None or problems


_CELL = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)


@given(st.lists(st.tuples(_CELL, _CELL), min_size=1, max_size=6))
def test_what_csv_writes_the_parser_reads(rows: list[tuple[str, str]]) -> None:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    writer.writerows([("first", "second"), *rows])
    table, problems = parse_table("t", "t.csv", stream.getvalue().encode("utf-8-sig"))
    kept = [[(cell.strip() or None) for cell in row] for row in rows if any(cell.strip() for cell in row)]
    if not kept:
        assert table is None
        return
    assert table is not None
    assert {p.code for p in problems} <= {"text.placeholder"}
    assert [list(row[:-1]) for row in table.frame.rows()] == kept


@given(st.data())
def test_any_cell_of_a_pack_gives_findings_not_a_crash(small_data: Path, data: st.DataObject) -> None:
    """Whatever an officer types into one cell, the check answers with findings in her file."""
    names = ["parameters/energy.csv", "networks/links.csv", "demand/generators.csv", "levers.csv", "observed/freight.csv"]
    name = data.draw(st.sampled_from(names))
    rows = list(csv.reader(io.StringIO((small_data / name).read_text(encoding="utf-8"))))
    row = data.draw(st.integers(1, len(rows) - 1))
    column = data.draw(st.integers(0, len(rows[0]) - 1))
    rows[row][column] = data.draw(st.one_of(st.sampled_from(["-1", "1e400", "nan", "1,5", "", "２", "公路", "1e9", "*"]), _CELL))
    stream = io.StringIO()
    csv.writer(stream).writerows(rows)
    base, _, _ = read_layers(small_data, None)
    problems = examine(base, Layer({name: stream.getvalue().encode()}, "", is_pack=True)).problems
    lines = [[format_finding(finding, lang) for finding in words(problems, lang)] for lang in LANGUAGES]
    assert len(lines[0]) == len(lines[1]) == len({(p.file, p.row, p.column, p.code, p.value, p.variant) for p in problems})
