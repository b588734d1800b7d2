"""Files of reports: opened by LibreOffice they hold the run's numbers; fonts, locked files, folders; the command."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from transport.cli import main
from transport.i18n import texts
from transport.report import figures, fonts, make
from transport.report.content import Column, Number, Table, written
from transport.report.docx import column_widths, table_xml, word_bytes
from transport.report.fonts import require_font
from transport.report.source import ReportError, find_run, find_source
from transport.report.xlsx import TOP, sheet_names, workbook_bytes
from transport.store import run_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.report.content import Report
    from transport.store import StoredRun

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
DC = "{http://purl.org/dc/elements/1.1/}"
Reports = dict[tuple[str, str], "Report"]
MADE = (("zh", "scenario"), ("en", "annual_evaluation"))
#: All sheets as text, numbers as they are and not as they are shown.
CSV = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,false,false,false,false,-1"
TEXT = "txt:Text (encoded):UTF8"


@pytest.fixture(scope="module")
def opened(files: Path, shared: Callable[..., Path]) -> Path:
    """Return a folder with what LibreOffice reads in the files: a .csv per sheet, a .txt per document."""
    program = shutil.which("soffice") or shutil.which("libreoffice")
    if program is None:
        pytest.skip("needs LibreOffice: sudo apt-get install libreoffice-writer-nogui libreoffice-calc-nogui")

    def make_texts(folder: Path) -> None:
        folder.mkdir()
        profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
        for kind, ending in ((CSV, "xlsx"), (TEXT, "docx")):
            paths = [str(file) for file in sorted(files.glob(f"*.{ending}"))]
            assert len(paths) == len(MADE)
            command = [program, profile, "--headless", "--convert-to", kind, "--outdir", str(folder), *paths]
            subprocess.run(command, check=True, capture_output=True, timeout=240)

    return shared("report_opened", make_texts)


@pytest.mark.parametrize("key", MADE)
def test_excel_numbers_are_those_of_the_report(opened: Path, reports: Reports, key: tuple[str, str]) -> None:
    report = reports[key]
    names = sheet_names(report)
    sheets = {f"table {i}": table for i, table in report.tables()} | {
        f"figure {i}": figure.data for i, figure in report.figures()
    }
    assert len(set(names.values())) == len(sheets) >= 7
    count = 0
    for name, table in sheets.items():
        text = (opened / f"{report.name}-{names[name]}.csv").read_text(encoding="utf-8-sig")
        rows = list(csv.reader(text.splitlines()))
        assert rows[TOP - 1] == [column.head for column in table.columns]
        for row, shown in zip(table.rows, rows[TOP:], strict=False):
            for cell, found in zip(row, shown, strict=True):
                if isinstance(cell, Number):
                    assert float(found) == pytest.approx(cell.value, rel=1e-12, abs=1e-12), (name, row)
                    count += 1
                elif not (name.startswith("figure") and cell == "-"):
                    assert found == cell
    assert count > 80


@pytest.mark.parametrize("key", MADE)
def test_word_numbers_are_those_of_the_report(opened: Path, reports: Reports, key: tuple[str, str]) -> None:
    report = reports[key]
    lines = (opened / f"{report.name}.txt").read_text(encoding="utf-8-sig").splitlines()
    text = "\n".join(line.strip() for line in lines)
    assert text.startswith(report.title)
    for heading in report.headings():
        assert f"\n{heading}\n" in text
    at = 0
    for number, table in report.tables():
        caption = f"{report.say('caption_table')}{'' if report.lang == 'zh' else ' '}{number}{'　' if report.lang == 'zh' else '. '}{table.title}"
        at = text.index(caption, at)
        # all cells in order, empty ones of merged cells left out
        cells = [written(cell) for row in table.rows for cell in row]
        block = text[at:]
        for cell in cells:
            if cell:
                where = block.index(cell)
                block = block[where + len(cell) :]


def test_every_clause_stands_once_in_word(opened: Path, reports: Reports, inputs: Inputs) -> None:
    report = reports["en", "annual_evaluation"]
    lines = [line.strip() for line in (opened / f"{report.name}.txt").read_text(encoding="utf-8-sig").splitlines()]
    for clause, wording in inputs.table("targets/clauses").select("clause_id", "wording_en").iter_rows():
        assert lines.count(clause) == 1
        assert lines.count(wording) == 1


# ---- Word and Excel inside -----------------------------------------------------------------------------------------------------------


def part(file: Path, name: str) -> ET.Element:
    with zipfile.ZipFile(file) as archive:
        return ET.fromstring(archive.read(name))  # noqa: S314  (written by the test)


def test_word_looks_official(files: Path, reports: Reports) -> None:
    report = reports["zh", "scenario"]
    file = files / f"{report.name}.docx"
    fonts_of = {}
    for style in part(file, "word/styles.xml").iter(f"{W}style"):
        name, named = style.find(f"{W}name"), style.find(f"{W}rPr/{W}rFonts")
        if name is not None and named is not None:
            fonts_of[name.get(f"{W}val")] = named.get(f"{W}eastAsia")
            assert not any("Theme" in key for key in named.attrib) or name.get(f"{W}val") not in {"Normal", "Title", "heading 1"}
    assert (fonts_of["Normal"], fonts_of["Title"], fonts_of["heading 1"]) == ("仿宋", "方正小标宋简体", "黑体")
    stand_ins = {font.get(f"{W}name"): font.find(f"{W}altName") for font in part(file, "word/fontTable.xml").iter(f"{W}font")}
    assert stand_ins["方正小标宋简体"] is not None
    body = part(file, "word/document.xml")
    fields = [field.get(f"{W}instr") for field in body.iter(f"{W}fldSimple")]
    assert fields.count("SEQ 表 \\* ARABIC") == len(list(report.tables()))
    assert fields.count("SEQ 图 \\* ARABIC") == len(list(report.figures())) == 6
    headers = list(body.iter(f"{W}tblHeader"))
    assert len(headers) == len(list(report.tables()))
    described = re.findall(r'descr="([^"]+)"', zipfile.ZipFile(file).read("word/document.xml").decode())
    assert described == [figure.alt for _, figure in report.figures()]
    footer = zipfile.ZipFile(file).read("word/footer1.xml").decode()
    assert 'w:instr="PAGE"' in footer


def test_a_long_remark_fits_the_properties_of_the_file(reports: Reports) -> None:
    report = reports["en", "scenario"]
    lines = (*report.lines, ("Origin", "came with the program. " * 20))
    made = word_bytes(replace(report, lines=lines), require_font("en"))
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        remark = ET.fromstring(archive.read("docProps/core.xml")).findtext(f"{DC}description")  # noqa: S314  (see above)
    assert remark is not None
    assert remark.startswith(": ".join(report.lines[0]))
    assert len(remark) <= 255


@pytest.mark.parametrize("key", MADE)
def test_contents_lead_to_every_chapter_and_ask_for_its_page(files: Path, reports: Reports, key: tuple[str, str]) -> None:
    report = reports[key]
    body = part(files / f"{report.name}.docx", "word/document.xml")
    marks = {}
    for paragraph in body.iter(f"{W}p"):
        text = "".join(run.text or "" for run in paragraph.iter(f"{W}t"))
        marks |= {mark.get(f"{W}name"): text for mark in paragraph.iter(f"{W}bookmarkStart")}
    links = list(body.iter(f"{W}hyperlink"))
    assert [marks[link.get(f"{W}anchor")] for link in links] == report.headings()
    for link in links:
        (field,) = link.iter(f"{W}fldSimple")
        assert str(field.get(f"{W}instr")).split()[:2] == ["PAGEREF", link.get(f"{W}anchor")]
        # no page that only a layout can know, and no request to the reader
        assert not "".join(text.text or "" for text in field.iter(f"{W}t"))
        assert "".join(text.text or "" for text in link.iter(f"{W}t")) in report.headings()


def kept(table: Table) -> list[bool]:
    """Return of each row whether it stays with the next one."""
    rows = list(table_xml(table, 8800).iter(f"{W}tr"))[1:]
    return [row.find(f".//{W}keepNext") is not None for row in rows]


def test_small_tables_and_the_ends_of_long_ones_are_not_torn() -> None:
    def table(count: int, *notes: str) -> Table:
        rows = tuple(("x", Number(float(i), str(i))) for i in range(count))
        return Table("t", "t", "t", (Column("A", numeric=False), Column("B")), rows, notes=notes)

    assert kept(table(4)) == [True, True, True, False]
    assert kept(table(4, "note")) == [True] * 4
    assert kept(table(20)) == [True] * 2 + [False] * 16 + [True, False]
    assert kept(table(20, "note")) == [True] * 2 + [False] * 16 + [True] * 2


def test_no_short_chinese_word_is_broken() -> None:
    heads = (Column("指标", 9.0, numeric=False), Column("地区", 0.3, numeric=False), Column("数据质量", 0.3, numeric=False))
    wide = column_widths(Table("t", "t", "t", heads, (("单位换算周转量碳排放强度", "辽宁省", "建模假设"),)), 8800)
    assert wide[1] >= 3 * 180 + 2 * 57
    assert wide[2] >= 4 * 180 + 2 * 57


def test_no_number_is_broken_in_a_narrow_column() -> None:
    heads = (Column("Indicator", 6.0, numeric=False), Column("Year", 0.3), Column("Value", 0.4))
    table = Table("t", "t", "t", heads, (("short", Number(2030.0, "2030"), Number(1094718.0, "1,094,718")),))
    wide = column_widths(table, 8800)
    assert sum(wide) == pytest.approx(8800, abs=2)
    # digits of half an em at 9 pt, and the margins of the cell
    assert wide[1] >= 4 * 90 + 2 * 57
    assert wide[2] >= 9 * 90 + 2 * 57
    assert wide[0] == max(wide)
    # where all have room, a table gets what it asks for
    roomy = Table("t", "t", "t", (Column("A", 1.0, numeric=False), Column("B", 3.0)), (("x", Number(1.0, "1")),))
    assert column_widths(roomy, 8000) == (2000, 6000)


def test_wide_tables_lie_on_their_side(files: Path, reports: Reports) -> None:
    body = part(files / f"{reports['en', 'annual_evaluation'].name}.docx", "word/document.xml")
    sizes = [(int(size.get(f"{W}w", "0")), int(size.get(f"{W}h", "0"))) for size in body.iter(f"{W}pgSz")]
    assert any(across > up for across, up in sizes)
    assert any(across < up for across, up in sizes)


def test_excel_has_native_charts_and_frozen_headings(files: Path, reports: Reports) -> None:
    report = reports["zh", "scenario"]
    with zipfile.ZipFile(files / f"{report.name}.xlsx") as book:
        names = book.namelist()
        charts = [name for name in names if re.fullmatch(r"xl/charts/chart\d+\.xml", name)]
        assert len(charts) == len(list(report.figures()))
        sheets = [name for name in names if re.fullmatch(r"xl/worksheets/sheet\d+\.xml", name)]
        frozen = [b'state="frozen"' in book.read(name) for name in sheets]
        assert frozen.count(True) == len(sheets) - 1  # all but the list of sheets
        workbook = book.read("xl/workbook.xml").decode()
        assert all(f'name="{text}"' in workbook for text in ("目录", "口径"))
        assert "xl/media" not in "".join(names)  # no pictures of charts


def test_same_run_same_workbook(reports: Reports) -> None:
    report = reports["zh", "210100"]
    first, second = workbook_bytes(report), workbook_bytes(report)
    assert first == second


# ---- fonts ---------------------------------------------------------------------------------------------------------------------------


def test_figures_are_drawn_in_chinese() -> None:
    font = require_font("zh")
    assert font.file.is_file()
    assert figures.text_picture("国", font.family) != figures.text_picture("一", font.family)
    assert figures.text_picture("国", font.family).startswith(b"\x89PNG")


@pytest.mark.parametrize(("lang", "words"), [("zh", "没有可用的中文字体"), ("en", "No font with Chinese characters")])
def test_no_font_no_file(
    stored_run: StoredRun,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    lang: str,
    words: str,
) -> None:
    monkeypatch.setattr(fonts, "folders", lambda: iter([tmp_path / "fonts"]))
    out = tmp_path / "out"
    assert main(["report", str(stored_run.folder), "--out", str(out), "--lang", lang]) == 1
    said = capsys.readouterr().err
    assert words in said
    assert "fonts-noto-cjk" in said or sys.platform == "win32"
    assert not out.exists()
    # a workbook holds no pictures
    assert main(["report", str(stored_run.folder), "--out", str(out), "--format", "xlsx"]) == 0
    assert [file.suffix for file in out.iterdir()] == [".xlsx"]


def test_a_font_that_draws_boxes_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "text_picture", lambda text, family: b"box")  # noqa: ARG005
    with pytest.raises(ReportError, match="方框"):
        require_font("zh")


def test_fonts_are_found_by_the_names_of_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSPORT_FONTS", str(tmp_path))
    monkeypatch.setattr(fonts, "folders", lambda: iter([tmp_path]))
    assert fonts.find_font() is None
    (tmp_path / "simsun.ttc").touch()
    (tmp_path / "readme.txt").touch()
    assert fonts.find_font() == fonts.Font("SimSun", tmp_path / "simsun.ttc")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "msyh.ttc").touch()
    assert fonts.find_font() == fonts.Font("Microsoft YaHei", tmp_path / "deep" / "msyh.ttc")


# ---- writing -------------------------------------------------------------------------------------------------------------------------


def test_files_are_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.docx").write_bytes(b"old")
    made = make.write_files({"a.docx": b"new", "b.xlsx": b"other"}, tmp_path, "zh")
    assert [file.read_bytes() for file in made] == [b"new", b"other"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.docx", "b.xlsx"]

    def locked(file: Path, lang: str) -> None:
        del lang
        raise ReportError(file.name)

    monkeypatch.setattr(make, "_ask", locked)
    with pytest.raises(ReportError, match=r"a\.docx"):
        make.write_files({"a.docx": b"third", "c.docx": b"third"}, tmp_path, "zh")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.docx", "b.xlsx"]
    assert (tmp_path / "a.docx").read_bytes() == b"new"


def test_a_locked_file_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path as AnyPath

    file = tmp_path / "a.docx"
    file.write_bytes(b"old")

    def refuse(self: AnyPath, mode: str = "r", *rest: object, **named: object) -> None:
        raise PermissionError(13, "used by another program", str(self))

    monkeypatch.setattr(AnyPath, "open", refuse)
    with pytest.raises(ReportError, match="请在 Word 或 Excel 中关闭后重试"):
        make.write_files({"a.docx": b"new"}, tmp_path, "zh")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ReportError, match="--out"):
        make.write_files({"a.docx": b"new"}, tmp_path / "file", "en")


# ---- the command ---------------------------------------------------------------------------------------------------------------------


def test_command_names_the_run_in_every_way(
    stored_run: StoredRun, inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from transport.scenario import load_scenario

    folder = tmp_path / "runs" / run_id(load_scenario("plan_2030", inputs.folder, inputs.levers), inputs.data_hash)
    shutil.copytree(stored_run.folder, folder)
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path / "runs"))
    for name in ("plan_2030", folder.name, str(folder)):
        assert find_run(name, inputs, "zh").folder.resolve() == folder.resolve()
    assert main(["report", "plan_2030", "--format", "xlsx", "--kind", "annual_evaluation", "--json", "--lang", "en"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["run"] == folder.name
    assert said["files"] == [str(tmp_path / "runs" / "reports" / f"plan_2030-{folder.name}-annual_evaluation-en.xlsx")]
    assert zipfile.is_zipfile(said["files"][0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plan_2030"], "transport run plan_2030"),
        (["no_such_thing"], "transport show scenarios"),
        (["{folder}", "--city", "Atlantis"], "210100"),
        (["{folder}", "--city", "沈阳市", "--kind", "annual_evaluation"], "--kind scenario"),
        (["{folder}", "--format", "pdf"], "docx"),
        (["{folder}", "--base", "no_such_thing"], "no_such_thing"),
        (["{empty}"], "manifest.json"),
    ],
)
def test_a_wrong_request_is_usage(
    stored_run: StoredRun,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path / "runs"))
    (tmp_path / "empty").mkdir()
    given = [one.format(folder=stored_run.folder, empty=tmp_path / "empty") for one in arguments]
    # the messages of both languages name the same thing: every other one is asked for in English
    lang = "zh" if len(words) % 2 else "en"
    assert main(["report", *given, "--out", str(tmp_path / "out"), "--lang", lang]) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert not said.out
    assert not (tmp_path / "out").exists()


def test_a_folder_of_measures_with_the_name_of_the_scenario_does_not_hide_its_run(
    stored_run: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    monkeypatch.setenv("TRANSPORT_RUNS", str(runs))
    monkeypatch.setenv("TRANSPORT_RESULTS", str(tmp_path / "none"))
    (runs / "plan_2030").mkdir(parents=True)
    manifest = {"kind": "measures", "scenario": "plan_2030", "tables": {}}
    (runs / "plan_2030" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    arguments = ["report", "plan_2030", "--format", "xlsx", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--lang", "en"]) == 2
    assert "transport run plan_2030" in capsys.readouterr().err
    # the scenario with other options, an older and a newer run: of an identifier that its options do not give
    for name, made in (("aaaaaaaaaaaa", "2026-01-01"), ("bbbbbbbbbbbb", "2026-01-02")):
        shutil.copytree(stored_run.folder, runs / name)
        about = stored_run.manifest | {"run_id": name, "created_at": f"{made}T08:30:00+00:00"}
        (runs / name / "manifest.json").write_text(json.dumps(about), encoding="utf-8")
    assert main([*arguments, "--lang", "en"]) == 0
    said = capsys.readouterr().out
    assert "bbbbbbbbbbbb" in said
    assert "2026-01-02 08:30" in said
    assert "aaaaaaaaaaaa" not in said


@pytest.mark.parametrize("city", ["沈阳", "沈阳市", "210100", "shenyang"])
def test_a_prefecture_by_any_name(inputs: Inputs, city: str) -> None:
    assert make.find_city(city, inputs, "zh") == "210100"


def test_a_run_on_other_data_says_so(stored_run: StoredRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "old"
    shutil.copytree(stored_run.folder, folder)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    (folder / "manifest.json").write_text(json.dumps(manifest | {"data_hash": "f" * 64}), encoding="utf-8")
    source = find_source(str(folder), lang="zh")
    assert source.other_data
    assert "f" * 12 in make.make_report(source).warning
    assert main(["report", str(folder), "--format", "xlsx", "--out", str(tmp_path / "out")]) == 0
    assert "f" * 12 in capsys.readouterr().err


def test_both_languages_have_the_texts() -> None:
    keys = {lang: {key for key in texts(lang) if key.startswith("report.")} for lang in ("zh", "en")}
    assert keys["zh"] == keys["en"]
    assert len(keys["zh"]) > 150
