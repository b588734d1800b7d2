"""A filled workbook on top of a data pack: the pack with the filled rows in the place of its own, checked as one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.transport.test_template import RAIL, SHARE, Book, filled_file, run_cli
from transport.findings import DataError
from transport.inputs import load_inputs, pack_files
from transport.template.filled import pack_of_workbook, write_pack
from transport.template.layout import data_rows, template_lines
from transport.template.workbook import workbook_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from transport.inputs import Inputs

HEAD = "parameter,subject,year,value,low,high,distribution,unit,source,quality,note\n"
TAXI = "parameters|annual_distance|taxi|2023"
BUS = "parameters|annual_distance|urban_bus|2023"


@pytest.fixture(scope="module")
def empty(inputs: Inputs) -> bytes:
    return workbook_bytes(template_lines(inputs, "zh"), inputs, "zh")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """Return the data with a pack made by hand: two parameters in one file, an actual value, a scenario of its own."""
    folder = tmp_path_factory.mktemp("first") / "pack"
    files = {
        "sources.csv": "source,citation,publisher,date,licence,location,accessed\nledger,台账 2023,,,,,\n",
        # spreadsheets write 2023 as 2023.0
        "parameters/own.csv": "\ufeff" + HEAD + "annual_distance,taxi,2023.0,120000,,,fixed,km/veh/yr,ledger,measured,\n"
        "annual_distance,urban_bus,2023,50000,,,fixed,km/veh/yr,ledger,measured,\n",
        "observed/actuals.csv": "series,area,period,mode,item,value,low,high,unit,principle,used_for,scope_break,source,quality,footnote\n"
        "sea_rail_share,210000,2025,,headline,13,,,percent,territory,context,,ledger,official,\n"
        "sea_rail_growth,210000,2025,,headline,12,,,percent/yr,territory,context,,ledger,official,\n",
        "scenarios/mine.toml": 'title_zh = "我的"\ntitle_en = "mine"\nbase = "baseline"\n',
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return load_inputs(pack=folder)


def values(inputs: Inputs, *keys: str) -> dict[str, float]:
    rows = data_rows(inputs)
    return {key: rows[key]["value"] for key in keys}


def moved(before: Inputs, after: Inputs) -> dict[str, float]:
    old = data_rows(before)
    columns = ("value", "low", "high", "quality", "source")
    return {k: row["value"] for k, row in data_rows(after).items() if k not in old or any(old[k][c] != row[c] for c in columns)}


def read(content: bytes, inputs: Inputs, folder: Path) -> Inputs:
    write_pack(pack_of_workbook(content, "填报.xlsx", inputs), folder)
    return load_inputs(pack=folder)


def filled(empty: bytes, changes: Mapping[str, object]) -> bytes:
    book = Book(empty)
    for key, value in changes.items():
        book.fill(key, value=value)
    return book.content()


def test_rows_of_the_pack_stay_unless_the_workbook_changes_them(empty: bytes, first: Inputs, tmp_path: Path) -> None:
    content = filled(empty, {RAIL: 19800, SHARE: 14.2, TAXI: 118000})
    after = read(content, first, tmp_path / "second")
    observed = "observed/freight|freight_volume|210000|2020|rail|total"
    assert moved(first, after) == {RAIL: 1.98e8, observed: 1.98e8, SHARE: 14.2, TAXI: 118000.0}
    growth = "observed/actuals|sea_rail_growth|210000|2025||headline"
    assert values(after, BUS, growth) == {BUS: 50000.0, growth: 12.0}
    assert set(first.table("sources")["source"]) <= set(after.table("sources")["source"])
    assert after.pack is not None
    files = pack_files(after.pack)
    assert first.pack is not None
    assert files["scenarios/mine.toml"] == pack_files(first.pack)["scenarios/mine.toml"]
    assert files["parameters/own.csv"].decode().count("\n") == 2  # the head and the bus

    # and a third on top, of what the second has changed: no row is there twice
    third = read(filled(empty, {RAIL: 19700, BUS: 51000}), after, tmp_path / "third")
    assert moved(after, third) == {RAIL: 1.97e8, observed: 1.97e8, BUS: 51000.0}
    assert third.pack is not None
    assert "parameters/own.csv" not in pack_files(third.pack)

    # the same workbook without the pack holds its own rows only
    alone = pack_of_workbook(content, "填报.xlsx", load_inputs())
    assert not alone.extends
    assert sorted(alone.files) == ["observed/actuals.csv", "observed/freight.csv", "parameters/filled_in.csv", "sources.csv"]


def test_a_workbook_that_repeats_the_pack_changes_nothing(empty: bytes, first: Inputs, tmp_path: Path) -> None:
    book = Book(empty)
    book.fill(TAXI, value=120000, source="台账 2023", quality="实测")
    after = read(book.content(), first, tmp_path / "same")
    assert {key: value for key, value in moved(first, after).items() if value != values(first, key)[key]} == {}


def test_the_check_is_of_both_and_names_the_rows_of_the_pack_where_they_lie(empty: bytes, first: Inputs) -> None:
    book = Book(empty)
    book.fill(TAXI, value=118000)
    book.free(
        1, parameter="annual_distance", subject="urban_bus", year="", unit="km/veh/yr", value=50000, source="台账", quality="实测"
    )
    with pytest.raises(DataError) as found:
        pack_of_workbook(book.content(), "填报.xlsx", first)
    mixed = [f for f in found.value.findings if f.code == "year.mixed"]
    assert {(f.file, f.row) for f in mixed} == {("[填报.xlsx]其他参数", 6), ("parameters/own.csv", 3)}


def test_the_command_reads_a_workbook_on_a_pack(
    empty: bytes, first: Inputs, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path / "runs"))
    book = filled_file(empty, tmp_path / "fill.xlsx", [(RAIL, 19800)])
    made = tmp_path / "both.zip"
    code, out, err = run_cli(capsys, "template", "--read", str(book), "--pack", str(first.pack), "--out", str(made))
    assert (code, err) == (0, "")
    assert str(first.pack) in out
    assert values(load_inputs(pack=made), RAIL, BUS) == {RAIL: 1.98e8, BUS: 50000.0}
    assert made.read_bytes() != b""
    # a workbook may stand in the place of the pack, too
    other = filled_file(empty, tmp_path / "other.xlsx", [(SHARE, 14.2)])
    code, out, err = run_cli(
        capsys, "template", "--read", str(book), "--pack", str(other), "--out", str(tmp_path / "two"), "--json"
    )
    assert (code, err) == (0, "")
    assert json.loads(out)["lines"] == 1
    assert values(load_inputs(pack=tmp_path / "two"), RAIL, SHARE) == {RAIL: 1.98e8, SHARE: 14.2}


# ---- numbers in cells --------------------------------------------------------------------------------------------------------------


def test_numbers_are_taken_as_a_person_means_them(empty: bytes, inputs: Inputs) -> None:
    book = Book(empty)
    book.fill(RAIL, value="１９，８００", low="19,000.50", high=" 2０500　")
    book.fill("parameters|non_fossil_share|all|2022", value="39 %")
    book.cell("parameters|non_fossil_share|all|2025", "value").number_format = "0.0%"
    book.fill("parameters|non_fossil_share|all|2025", value=0.42)
    book.fill("observed/actuals|sea_rail_growth|210000|2025||headline", value=0.152)
    book.cell("observed/actuals|sea_rail_growth|210000|2025||headline", "value").number_format = "0%"
    book.fill("parameters|vehicle_stock|taxi|2024", value=9.5)
    sheet = book.book["城市公交出租"]
    columns = {c.value: c.column for c in sheet[4]}
    row = next(r for r in range(6, sheet.max_row + 1) if sheet.cell(r, 1).value == "parameters|vehicle_stock|taxi|2024")
    for role, value in {"value": "95,000", "source": "x", "quality": "官方"}.items():
        sheet.cell(row, columns[role]).value = value  # the same number in another unit is no second number
    book.free(1, parameter="annual_distance", subject="taxi", year="２０２３年", value="12.5e4", source="台账", quality="实测")
    files = {name: content.decode() for name, content in pack_of_workbook(book.content(), "a.xlsx", inputs).files.items()}
    parameters = files["parameters/filled_in.csv"]
    assert "observed_rail_freight_t,all,2020,198000000,190005000,205000000,triangular" in parameters
    assert "non_fossil_share,all,2022,0.39," in parameters
    assert "non_fossil_share,all,2025,0.42," in parameters
    assert "vehicle_stock,taxi,2024,95000," in parameters
    assert "annual_distance,taxi,2023,125000," in parameters
    assert "sea_rail_growth,210000,2025,,headline,15.2," in files["observed/actuals.csv"]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_unclear_numbers_come_all_at_once_with_one_message_each(empty: bytes, inputs: Inputs, lang: str) -> None:
    import datetime as dt

    book = Book(empty)
    road, port, pipe = (f"parameters|observed_{name}|all|2020" for name in ("road_freight_t", "port_t", "pipeline_t"))
    wrong: dict[str, Any] = {
        RAIL: "1_980", road: dt.datetime(2024, 3, 1), port: "8,20", pipe: "约1万", SHARE: "无", TAXI: "12 %", BUS: 0,
        "parameters|grid_factor|all|2022": "#N/A", "parameters|grid_factor|all|2023": True, "parameters|non_fossil_share|all|2022": 0,
    }  # fmt: skip
    for key, value in wrong.items():
        book.fill(key, value=value)
    book.cell(RAIL, "low").value = "1_900"
    book.cell(RAIL, "high").value = -3
    with pytest.raises(DataError) as found:
        pack_of_workbook(book.content(), "a.xlsx", inputs, lang=lang)
    findings = found.value.findings
    assert sorted((f.code, f.value) for f in findings) == sorted(
        [("template.number", v) for v in ("1_980", "1_900", "2024-03-01", "8,20", "约1万", "无", "12 %", "#N/A", "TRUE")]
        + [("template.zero", "0"), ("template.zero", "0"), ("value.range", "-3")]
    )
    assert len({(f.file, f.row, f.column) for f in findings}) == len(findings)
    at = {(f.row, f.column): f for f in findings if f.value == "1_980"}
    sheet, row = book.place(RAIL)
    assert [(f.file, place) for place, f in at.items()] == [(f"[a.xlsx]{sheet.title}", (row, "K 填报值"))]
    assert all(f.rule and f.remedy for f in findings)
    assert lang == "zh" or not any("一" <= ch <= "鿿" for f in findings for ch in f.rule + f.remedy)


def test_nought_is_a_number_where_the_data_have_it(empty: bytes, inputs: Inputs) -> None:
    book = Book(empty)
    book.fill("parameters|clean_sales_share|coach|2020", value=0)
    book.fill("parameters|vehicle_stock|metro_train|2020", value=0, source=None)
    with pytest.raises(DataError) as found:
        pack_of_workbook(book.content(), "a.xlsx", inputs)
    assert {f.code for f in found.value.findings} <= {"template.zero", "template.source"}
    assert book.place("parameters|clean_sales_share|coach|2020")[1] not in {
        f.row for f in found.value.findings if "新增" in f.file
    }
