"""The workbook to fill in: written, filled, read back as a pack that changes what was filled and nothing else; every mistake found at once."""

from __future__ import annotations

import argparse
import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from openpyxl import Workbook, load_workbook

from transport import cli, template_cli
from transport.findings import DataError
from transport.freight_calibration import MARGINS, fit_settings
from transport.i18n import LANGUAGES, labels, t
from transport.inputs import load_inputs, pack_files
from transport.roles import RoleError
from transport.template import reader
from transport.template.changes import changed_numbers, changed_verdicts
from transport.template.filled import pack_of_workbook, write_pack
from transport.template.layout import PARAMETERS, SHEETS, data_rows, factor, template_lines
from transport.template.reader import MARK, MAX_FILE, read_workbook
from transport.template.words import number_rows, verdict_rows
from transport.template.workbook import COLUMNS, workbook_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.store import StoredRun
    from transport.template.filled import Pack

RAIL = "parameters|observed_rail_freight_t|all|2020"
ROAD = "parameters|observed_road_freight_t|all|2020"
SHARE = "observed/actuals|sea_rail_share|210000|2025||headline"
WALK = "parameters|travel_base_share|210100.walk|"
PORT_2025 = "parameters|port_container_throughput|Z_PT_BAYUQUAN|2025"
ROLES_ROW = 4


@pytest.fixture(scope="module")
def empty(inputs: Inputs) -> bytes:
    """Return the workbook in Chinese."""
    return workbook_bytes(template_lines(inputs, "zh"), inputs, "zh")


class Book:
    """A workbook in the hands of a person."""

    def __init__(self, content: bytes) -> None:
        self.book = load_workbook(io.BytesIO(content))
        self.sheets = [s for s in self.book.worksheets if s.cell(ROLES_ROW, 1).value == MARK]

    def place(self, key: str) -> tuple[Any, int]:
        """Return sheet and row of a key."""
        for sheet in self.sheets:
            for row in range(ROLES_ROW + 2, sheet.max_row + 1):
                if key in str(sheet.cell(row, 1).value).split(";"):
                    return sheet, row
        raise KeyError(key)

    def cell(self, key: str, role: str) -> Any:
        sheet, row = self.place(key)
        column = next(c.column for c in sheet[ROLES_ROW] if c.value == role)
        return sheet.cell(row, column)

    def fill(self, key: str, **cells: object) -> None:
        for role, value in ({"source": "辽宁统计年鉴 2021", "quality": "官方"} | cells).items():
            self.cell(key, role).value = value

    def free(self, row: int, **cells: object) -> None:
        sheet = self.book[t("template.sheet_free", "zh")]
        columns = {c.value: c.column for c in sheet[ROLES_ROW]}
        for role, value in cells.items():
            sheet.cell(ROLES_ROW + 1 + row, columns[role]).value = value

    def content(self) -> bytes:
        file = io.BytesIO()
        self.book.save(file)
        return file.getvalue()


def refused(content: bytes, inputs: Inputs, name: str = "填报.xlsx") -> list[Any]:
    with pytest.raises(DataError) as found:
        pack_of_workbook(content, name, inputs)
    return found.value.findings


# ---- what is written ---------------------------------------------------------------------------------------------------------------


def test_a_line_shows_the_value_of_the_data_in_the_unit_of_the_yearbook(inputs: Inputs) -> None:
    lines = {line.keys[0]: line for line in template_lines(inputs, "zh")}
    rail = inputs.parameters.filter(parameter="observed_rail_freight_t").row(0, named=True)
    assert lines[RAIL].unit == "wan_t/yr"
    assert lines[RAIL].value == pytest.approx(rail["value"] / 1e4)
    assert (lines[RAIL].low, lines[RAIL].high) == pytest.approx((rail["low"] / 1e4, rail["high"] / 1e4))
    assert lines[RAIL].keys[1] == "observed/freight|freight_volume|210000|2020|rail|total"
    assert lines[SHARE].value is None
    assert lines[SHARE].decides


def test_every_key_is_a_row_of_the_data_or_another_year_of_one_and_every_unit_fits(inputs: Inputs) -> None:
    rows = data_rows(inputs)
    units: dict[tuple[str, str], set[str]] = {}
    for key, row in rows.items():
        units.setdefault(tuple(key.split("|")[:2]), set()).add(row["unit"])
    lines = template_lines(inputs, "en")
    assert {line.sheet for line in lines} == set(SHEETS)
    for line in lines:
        for key in line.keys:
            known = units[tuple(key.split("|")[:2])]
            if key in rows:
                assert factor(line.unit, rows[key]["unit"]) > 0, key
            else:
                assert any(_fits(line.unit, unit) for unit in known), key
            if key.startswith(PARAMETERS):
                subjects = {k.split("|")[2] for k in rows if k.startswith(f"{PARAMETERS}|{key.split('|')[1]}|")}
                assert key.split("|")[2] in subjects, key


def _fits(unit: str, data_unit: str) -> bool:
    try:
        return factor(unit, data_unit) > 0
    except ValueError:
        return False


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_workbook_has_heads_locked_keys_open_cells_and_a_list_of_qualities(lang: str, inputs: Inputs) -> None:
    book = load_workbook(io.BytesIO(workbook_bytes(template_lines(inputs, lang), inputs, lang)))
    assert book.sheetnames == [t(f"template.sheet_{name}", lang) for name in ("guide", *SHEETS, "free")]
    offered = [label for code, label in labels(inputs, "quality", lang).items() if code != "derived"]
    for sheet in book.worksheets[1:]:
        assert sheet.protection.sheet
        roles = {c.value: c.column for c in sheet[ROLES_ROW]}
        heads = [sheet.cell(ROLES_ROW + 1, column).value for role, column in roles.items() if role not in {MARK, "unit_code"}]
        assert all(heads)
        assert (lang == "en") == all(str(head).isascii() for head in heads)
        assert sheet.row_dimensions[ROLES_ROW].hidden
        row = ROLES_ROW + 3
        assert not sheet.cell(row, roles["value"]).protection.locked
        assert sheet.cell(row, 1).protection.locked
        lists = [rule.formula1 for rule in sheet.data_validations.dataValidation if rule.type == "list"]
        assert lists == ['"' + ",".join(offered) + '"']
        if set(COLUMNS) <= set(roles):
            assert all(sheet.cell(r, roles["value"]).value is None for r in range(ROLES_ROW + 2, sheet.max_row + 1))


def test_weak_parameters_that_matter_come_first_on_their_sheet(inputs: Inputs) -> None:
    asked = [("ship_speed_exponent", "all"), ("rail_electrified_share", "all")]
    lines = [line for line in template_lines(inputs, "zh", asked) if line.sheet == "first"]
    assert lines[0].keys == ("parameters|ship_speed_exponent|all|",)
    assert lines[0].label == "船舶能耗对航速的指数（全部）"
    keys = [key for line in lines for key in line.keys]
    assert len(keys) == len(set(keys))


# ---- round trip --------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own(empty: bytes, inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> tuple[Pack, Inputs]:
    """Return the pack of a workbook with five filled numbers, and the data with it."""
    book = Book(empty)
    book.fill(RAIL, value=19800)
    book.fill(SHARE, value=14.2, low=14, high=14.4, source="辽宁省交通运输厅公报")
    book.fill(WALK, value=33.5, quality="实测", note="沈阳居民出行调查\n第二轮")
    book.fill(PORT_2025, value=570)
    book.free(
        1, parameter="annual_distance", subject="taxi", year=2023, unit="km/veh/yr", value=125000, source="台账", quality="实测"
    )
    pack = pack_of_workbook(book.content(), "填报.xlsx", inputs)
    folder = tmp_path_factory.mktemp("own") / "pack"
    write_pack(pack, folder)
    return pack, load_inputs(pack=folder)


def test_round_trip_changes_what_was_filled_and_nothing_else(own: tuple[Pack, Inputs], inputs: Inputs, tmp_path: Path) -> None:
    pack, after = own
    assert pack.lines == 5
    old, new = data_rows(inputs), data_rows(after)
    wanted = {
        RAIL: 198_000_000.0,
        "observed/freight|freight_volume|210000|2020|rail|total": 198_000_000.0,
        SHARE: 14.2,
        WALK: 33.5,
        PORT_2025: 5_700_000.0,
        "observed/ports|port_container_throughput|210800|2025|water|total": 5_700_000.0,
        "parameters|annual_distance|taxi|2023": 125_000.0,
    }
    assert {key: row["value"] for key, row in new.items() if _moved(old.get(key), row)} == wanted
    assert new[WALK]["quality"] == "measured"
    assert new[WALK]["note"] == "沈阳居民出行调查 第二轮"
    assert (new[SHARE]["low"], new[SHARE]["high"], new[SHARE]["used_for"]) == (14.0, 14.4, "context")
    assert new[RAIL]["distribution"] == "fixed"
    assert new["observed/freight|freight_volume|210000|2020|rail|total"]["principle"] == "origin"
    cited = dict(after.table("sources").select("source", "citation").iter_rows())
    assert cited[new[RAIL]["source"]] == "辽宁统计年鉴 2021"
    assert float(after.params().get("observed_rail_freight_t")[0, 5]) == 198_000_000.0

    again = {line.keys[0]: line for line in template_lines(after, "zh")}
    assert (again[RAIL].value, again[RAIL].source, again[RAIL].quality) == (19800.0, "辽宁统计年鉴 2021", "official")

    write_pack(pack, tmp_path / "pack.zip")
    assert pack_files(tmp_path / "pack.zip") == dict(pack.files)
    for there in (tmp_path / "pack.zip", after.pack):
        with pytest.raises(FileExistsError):
            write_pack(pack, there)


def _moved(old: dict[str, Any] | None, new: dict[str, Any]) -> bool:
    return old is None or any(old[c] != new[c] for c in ("value", "low", "high", "quality", "source"))


def test_defaults_hold_where_a_row_says_nothing_and_cells_mean_what_is_seen(empty: bytes, inputs: Inputs) -> None:
    book = Book(empty)
    book.fill(RAIL, value="19800", source=None, quality=None)  # a number in a cell of text
    book.fill(WALK, value=0.335)
    book.cell(WALK, "value").number_format = "0.0%"
    guide = book.book.worksheets[0]
    given = {"_reporter": "辽宁省统计局", "_source": "统计年鉴", "_quality": "官方", "_date": "2026-11-01"}
    for row in range(1, guide.max_row + 1):
        if guide.cell(row, 1).value in given:
            guide.cell(row, 3).value = given[guide.cell(row, 1).value]
    files = pack_of_workbook(book.content(), "a.xlsx", inputs).files
    assert "统计年鉴,辽宁省统计局,2026-11-01" in files["sources.csv"].decode()
    rows = pl.read_csv(files["parameters/filled_in.csv"])
    assert rows.select("parameter", "value", "quality").rows() == [
        ("observed_rail_freight_t", 198_000_000.0, "official"),
        ("travel_base_share", 33.5, "official"),
    ]


# ---- mistakes ----------------------------------------------------------------------------------------------------------------------


def test_five_errors_come_at_once_with_sheet_row_column_value_and_remedy(empty: bytes, inputs: Inputs) -> None:
    book = Book(empty)
    book.fill(ROAD, value="13.86亿吨")
    book.fill(RAIL, value=-5)
    book.fill("parameters|observed_port_t|all|2020", value=820_000_000)
    book.fill("parameters|non_fossil_share|all|2022", value=138)
    book.fill("parameters|grid_factor|all|2023", value=0.55, quality="统计局")
    findings = refused(book.content(), inputs)
    assert sorted(f.code for f in findings) == [
        "template.number",
        "template.quality",
        "template.scale",
        "value.range",
        "value.range",
    ]
    at = {f.value: f for f in findings}
    sheet, row = book.place(ROAD)
    assert (at["13.86亿吨"].file, at["13.86亿吨"].row) == (f"[填报.xlsx]{sheet.title}", row)
    assert at["13.86亿吨"].column == "K 填报值"
    assert (at["统计局"].column, at["统计局"].row) == ("O 数据质量", book.place("parameters|grid_factor|all|2023")[1])
    assert "82,000 万吨 的 10,000 倍" in at["820000000"].rule
    assert at["138"].rule == "应在 0 到 100 之间"
    assert at["-5"].rule == "应 ≥ 0"
    assert all(f.remedy for f in findings)


def test_mistakes_that_only_a_workbook_can_have(empty: bytes, inputs: Inputs) -> None:
    book = Book(empty)
    book.fill(WALK, value=0.335)  # meant 33.5
    book.fill("parameters|vehicle_stock|taxi|2024", value=9.3)
    sheet = book.book[t("template.sheet_urban", "zh")]
    columns = {c.value: c.column for c in sheet[ROLES_ROW]}
    row = next(r for r in range(6, sheet.max_row + 1) if sheet.cell(r, 1).value == "parameters|vehicle_stock|taxi|2024")
    for role, value in {"value": 95000, "source": "x", "quality": "官方"}.items():
        sheet.cell(row, columns[role]).value = value
    book.cell(RAIL, "value").value = "=1+1"
    moved, at = book.place(ROAD)
    book.fill(ROAD, value=140000)
    moved.cell(at, 1).value = "parameters|no_such_thing|all|2020"
    book.fill("parameters|observed_pipeline_t|all|2020", value=10000, source=None)
    book.free(1, parameter="anual_distance", value=1, source="x", quality="官方")
    book.free(2, parameter="annual_distance", subject="taxy", value=1, source="x", quality="官方")
    book.free(3, parameter="annual_distance", subject="taxi", year="明年", value=1, source="x", quality="官方")
    found = {(f.code, f.value) for f in refused(book.content(), inputs)}
    assert found >= {
        ("template.percent", "0.335"),
        ("template.twice", "95000"),
        ("template.formula", "=1+1"),
        ("template.key", "parameters|no_such_thing|all|2020"),
        ("template.source", ""),
        ("template.key", "anual_distance"),
        ("template.key", "taxy"),
        ("template.key", "明年"),
    }


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(
    ("cells", "code", "role"),
    [
        ({"low": 19000}, "template.range", "low"),
        ({"value": 19800, "low": 19000}, "template.range", "low"),
        ({"value": 19800, "quality": "推算"}, "template.quality", "quality"),
    ],
)
def test_advice_speaks_of_cells_and_not_of_codes(
    empty: bytes, inputs: Inputs, lang: str, cells: dict[str, object], code: str, role: str
) -> None:
    book = Book(empty)
    book.fill(RAIL, **cells)
    with pytest.raises(DataError) as found:
        pack_of_workbook(book.content(), "a.xlsx", inputs, lang=lang)
    (finding,) = found.value.findings
    assert finding.code == code
    assert finding.column.split()[0] == book.cell(RAIL, role).column_letter
    assert not any(word in finding.rule + finding.remedy for word in ("fixed", "derivations", "distribution", "assumption /"))


def test_the_same_number_in_two_places_is_no_mistake(empty: bytes, inputs: Inputs) -> None:
    lines = [line for line in template_lines(inputs, "zh") if "parameters|vehicle_stock|taxi|2024" in line.keys]
    assert [line.unit for line in lines] == ["wan_veh", "veh"]


def _other_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")
    return file.getvalue()


def _plain_book() -> bytes:
    file = io.BytesIO()
    Workbook().save(file)
    return file.getvalue()


def _cut(content: bytes) -> bytes:
    source, file = zipfile.ZipFile(io.BytesIO(content)), io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in source.namelist():
            data = source.read(name)
            archive.writestr(name, data[: len(data) // 2] if name.startswith("xl/worksheets/") else data)
    return file.getvalue()


def _entities(content: bytes) -> bytes:
    source, file = zipfile.ZipFile(io.BytesIO(content)), io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in source.namelist():
            data = source.read(name)
            archive.writestr(name, b'<!DOCTYPE a [<!ENTITY b "c">]>' + data if name == "xl/workbook.xml" else data)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["text", "nothing", "document", "old", "plain", "cut", "entities", "large", "unfilled"])
def test_a_file_that_is_no_filled_workbook_is_one_finding(kind: str, empty: bytes, inputs: Inputs) -> None:
    content = {
        "text": "不是表格".encode,
        "nothing": lambda: b"",
        "document": _other_zip,
        "old": lambda: b"\xd0\xcf\x11\xe0" + b"\0" * 600,
        "plain": _plain_book,
        "cut": lambda: _cut(empty),
        "entities": lambda: _entities(empty),
        "large": lambda: b"PK\x03\x04" + b"\0" * MAX_FILE,
        "unfilled": lambda: empty,
    }[kind]()
    findings = refused(content, inputs)
    assert [f.code for f in findings] == ["template.book"]
    assert findings[0].file == "填报.xlsx"
    assert findings[0].remedy


def test_what_unpacks_to_too_much_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_UNPACKED", 1_000_000)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<a/>")
        archive.writestr("xl/big.bin", b"\0" * 1_000_001)
    assert [(p.code, p.variant) for p in read_workbook(file.getvalue(), "a.xlsx").problems] == [("template.book", "size")]


# ---- what changed ------------------------------------------------------------------------------------------------------------------


def test_changes_name_numbers_before_and_after_and_targets_with_their_verdicts(
    own: tuple[Pack, Inputs], inputs: Inputs, stored_run: StoredRun
) -> None:
    _, after = own
    numbers = changed_numbers(inputs, after, stored_run.table("parameters_used"))
    seen = {(r["name"], r["before"], r["after"], r["is_read"]) for r in numbers.iter_rows(named=True)}
    assert seen == {
        ("observed_rail_freight_t", 210_000_000.0, 198_000_000.0, True),
        ("freight_volume", 210_000_000.0, 198_000_000.0, False),
        ("sea_rail_share", None, 14.2, True),
        ("travel_base_share", 28.0, 33.5, True),
        ("port_container_throughput", None, 5_700_000.0, True),
        ("port_container_throughput", None, 5_700_000.0, False),
        ("annual_distance", 128_000.0, 125_000.0, True),
    }
    assert changed_numbers(inputs, inputs).is_empty()

    told = stored_run.table("indicators")
    line = (pl.col("id") == "sea_rail_share") & (pl.col("year") == 2025) & pl.col("target").is_not_null()
    new = told.with_columns(
        actual=pl.when(line).then(14.2).otherwise("actual"),
        verdict=pl.when(line).then(pl.lit("missed")).otherwise("verdict"),
    )
    found = changed_verdicts(told, new, inputs.table("indicators"))
    moved = found.filter(pl.col("is_verdict_changed") | pl.col("is_value_changed"))
    assert moved.select("id", "year", "actual_before", "actual_after", "verdict_before", "verdict_after").rows() == [
        ("sea_rail_share", 2025, None, 14.2, "actual_pending", "missed")
    ]
    for lang in LANGUAGES:
        assert number_rows(numbers, after, lang).height == 7
        words = verdict_rows(found, after, lang)
        assert words.filter(pl.col(t("template.col_changed", lang)) == t("template.verdict_changed", lang)).height == 1
        assert any("14.2" in value for value in words[t("template.col_after", lang)])
        assert "-9.5" in words[t("template.col_goal", lang)].to_list()


def test_a_value_that_changed_is_seen_to_change(inputs: Inputs, stored_run: StoredRun) -> None:
    told = stored_run.table("indicators")
    new = told.with_columns(value=pl.col("value") * (1.0 + 1e-5))
    found = changed_verdicts(told, new, inputs.table("indicators"))
    words = verdict_rows(found, inputs, "en")
    moved = words.filter(pl.col(t("template.col_changed", "en")) == t("template.value_changed", "en"))
    shares = moved.filter(pl.col(t("template.col_unit", "en")) == "%")
    assert shares.height > 5
    assert (shares[t("template.col_before", "en")] != shares[t("template.col_after", "en")]).all()


# ---- command line ------------------------------------------------------------------------------------------------------------------


def run_cli(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = cli.main(argv)
    said = capsys.readouterr()
    return code, said.out, said.err


def filled_file(empty: bytes, path: Path, changes: Sequence[tuple[str, object]]) -> Path:
    book = Book(empty)
    for key, value in changes:
        book.fill(key, value=value)
    path.write_bytes(book.content())
    return path


def test_the_command_writes_reads_and_refuses(
    empty: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path / "runs"))
    written = tmp_path / "表.xlsx"
    code, out, _ = run_cli(capsys, "template", "--out", str(written))
    assert code == 0
    assert str(written) in out
    assert run_cli(capsys, "template", "--out", str(written))[0] == 2
    assert run_cli(capsys, "template")[0] == 2
    for option in ("--compare", "--causes"):
        code, out, err = run_cli(capsys, "template", option, "--out", str(tmp_path / "never.xlsx"))
        assert (code, out, err.strip()) == (2, "", t("template.needs_read", "zh"))
    assert not (tmp_path / "never.xlsx").exists()
    code, _, err = run_cli(capsys, "template", "--read", str(tmp_path / "none.xlsx"))
    assert (code, err.strip()) == (2, t("template.no_file", "zh", file=str(tmp_path / "none.xlsx")))

    good = filled_file(empty, tmp_path / "good.xlsx", [(RAIL, 19800)])
    pack = tmp_path / "pack.zip"
    code, out, _ = run_cli(capsys, "template", "--read", str(good), "--out", str(pack))
    assert code == 0
    args = argparse.Namespace(pack=good, lang="zh")
    template_cli.unpacked(args)  # what every command does with a workbook in the place of a pack
    assert args.pack.is_relative_to(tmp_path / "runs")
    assert pack_files(args.pack) == pack_files(pack)
    assert [file.name for file in args.pack.parent.iterdir()] == [args.pack.name]

    # a viewer may use a pack that is there, and lays none down
    monkeypatch.setenv("TRANSPORT_ROLE", "viewer")
    template_cli.unpacked(argparse.Namespace(pack=good, lang="zh"))
    other = filled_file(empty, tmp_path / "other.xlsx", [(RAIL, 19700)])
    with pytest.raises(RoleError):
        template_cli.unpacked(argparse.Namespace(pack=other, lang="zh"))
    assert run_cli(capsys, "template", "--read", str(other), "--out", str(tmp_path / "runs" / "own"))[0] == 1
    assert sorted(file.name for file in (tmp_path / "runs").iterdir()) == ["packs"]
    monkeypatch.delenv("TRANSPORT_ROLE")

    bad = filled_file(empty, tmp_path / "bad.xlsx", [(RAIL, -1), (ROAD, "多")])
    code, out, err = run_cli(capsys, "template", "--read", str(bad), "--out", str(tmp_path / "none"), "--json")
    assert code == 2
    assert sorted(f["code"] for f in json.loads(out + err)["findings"]) == ["template.number", "value.range"]
    assert not (tmp_path / "none").exists()


def test_a_margin_that_is_one_number_still_weighs_in_the_fit(own: tuple[Pack, Inputs], inputs: Inputs) -> None:
    _, after = own
    weight = fit_settings(after, after.params())["weight"]
    at = [parameter for _, parameter in MARGINS].index("observed_rail_freight_t")
    others = [w for i, w in enumerate(fit_settings(inputs, inputs.params())["weight"]) if i != at]
    assert weight[at] == max(others)
