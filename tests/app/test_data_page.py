"""The page of data and sources: rows with their sources, links to them, and uploads of every kind that never take the page down."""

from __future__ import annotations

import io
import os
import re
import shutil
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from openpyxl import load_workbook
from streamlit.testing.v1 import AppTest

from transport.app import data_links as links
from transport.app import data_rows as facts
from transport.app import pack_panel
from transport.app.pack_uploads import MAX_UPLOAD, clear_old, finding_rows, take
from transport.i18n import LANGUAGES, t
from transport.inputs import load_inputs, pack_files
from transport.roles import RoleError
from transport.scenario import load_scenario
from transport.store import run_id, write_run
from transport.template.layout import template_lines
from transport.template.workbook import workbook_bytes

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.store import StoredRun

CHINESE = re.compile(r"[\u4e00-\u9fff]")
RAIL = "parameters|observed_rail_freight_t|all|2020"
SHARE = "observed/actuals|sea_rail_share|210000|2025||headline"


@pytest.fixture
def runs(stored_run: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: Inputs) -> Path:
    """Return the plan's run folder, where the app looks for it."""
    scenario = load_scenario("plan_2030", inputs.folder, inputs.levers)
    folder = tmp_path / "runs" / run_id(scenario, inputs.data_hash)
    shutil.copytree(stored_run.folder, folder)
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path / "runs"))
    return folder


def opened(root: Path, **query: str) -> AppTest:
    page = AppTest.from_file(str(root / "streamlit_app.py"), default_timeout=180)
    page.query_params["lang"] = query.pop("lang", "zh")
    page.run()
    for key, value in query.items():
        page.query_params[key] = value
    return page.switch_page(str(links.PAGE)).run()


def said(page: AppTest) -> str:
    return "\n".join(
        str(part.value) for kind in ("markdown", "caption", "error", "warning", "info", "success") for part in page.get(kind)
    )


def frame_with(page: AppTest, *columns: str) -> Any:
    frames = [found.value for found in page.dataframe]
    mine = [frame for frame in frames if set(columns) <= set(frame.columns)]
    assert mine, f"no table with {columns}, but {[list(frame.columns) for frame in frames]}; the page says:\n{said(page)}"
    return mine[0]


@pytest.fixture(scope="module")
def rows(inputs: Inputs) -> pl.DataFrame:
    return facts.worded(facts.all_rows(inputs), inputs, "zh")


# ---- what the page knows -----------------------------------------------------------------------------------------------------------


def test_every_parameter_and_statistic_is_there_once_with_source_and_quality(rows: pl.DataFrame, inputs: Inputs) -> None:
    observed = sum(table.height for name, table in inputs.tables.items() if name.startswith("observed/"))
    counts = dict(rows.group_by("use").len().iter_rows())
    assert counts["model"] + counts["reference"] == inputs.parameters.height
    assert counts["observed"] == observed
    assert rows["source"].null_count() == rows["quality"].null_count() == 0
    assert set(rows["source"]) <= set(inputs.table("sources")["source"])
    links_of_network = rows.filter(pl.col("table") == "networks/links", pl.col("name") == "length_km")
    assert links_of_network.height == inputs.table("networks/links")["length_km"].count()
    assert links_of_network["value"].sum() == pytest.approx(inputs.table("networks/links")["length_km"].sum())


def test_every_number_is_called_by_a_name_in_a_unit_people_write(rows: pl.DataFrame) -> None:
    assert rows.filter(~pl.col("called").str.contains(CHINESE.pattern))["name"].unique().to_list() == []
    assert rows.filter(pl.col("table_name") == pl.col("table"))["table"].unique().to_list() == []
    mine = rows.filter(pl.col("use") == "model")
    assert mine.filter(pl.col("of").is_null() | (pl.col("of") == ""))["subject"].unique().to_list() == []
    assert rows.filter(pl.col("unit_name").str.contains("CNY|veh|yr"))["unit"].unique().to_list() == []


def test_words_and_filters_find_rows(rows: pl.DataFrame) -> None:
    taxi = rows.filter(pl.col("name") == "annual_distance", pl.col("subject") == "taxi")
    assert taxi["of"].unique().to_list() == ["巡游出租车"]
    found = facts.searched(rows, "annual_distance 巡游 2020")
    assert found.select("subject", "year").rows() == [("taxi", "2020")]
    weak = facts.searched(rows, tables=["observed/freight"], qualities=["recalled"])
    assert 0 < weak.height < facts.searched(rows, tables=["observed/freight"]).height
    assert facts.searched(rows, "[(*").is_empty()  # what a person types is no pattern
    assert facts.searched(rows, "出租车").height > taxi.height


def test_links_name_rows_of_parameters_statistics_and_sources(rows: pl.DataFrame, inputs: Inputs) -> None:
    one = facts.linked(rows, links.to_parameter("annual_distance", "taxi", 2020))
    wanted = inputs.parameters.filter(parameter="annual_distance", subject="taxi", year=2020)
    assert one["value"].to_list() == wanted["value"].to_list()
    query = links.to_observed("freight_turnover", area="210000", period="2020", mode="rail", item="total")
    assert facts.linked(rows, query)["value"].to_list() == [121_500_000_000.0]
    assert facts.linked(rows, links.to_source("plan_2022"))["source"].unique().to_list() == ["plan_2022"]
    assert facts.linked(rows, {"parameter": "anual_distance"}).is_empty()
    assert facts.near_names(rows, {"parameter": "anual_distance"}) == "annual_distance"
    assert links.address(query, "en") == "/data?series=freight_turnover&area=210000&period=2020&mode=rail&item=total&lang=en"


def test_the_link_of_every_statistic_and_parameter_leads_to_its_row_alone(rows: pl.DataFrame) -> None:
    mine = rows.filter(pl.col("use") == "observed")
    assert mine.filter(pl.col("subject").str.count_matches(" ") == 1).height > 100, "statistics without a mode"
    for row in mine.sample(250, seed=7).iter_rows(named=True):
        assert facts.linked(rows, links.to_row(row)).rows(named=True) == [row]
    shorter = mine.filter(pl.col("subject").str.count_matches(" ") == 1)
    longer = mine.filter(pl.col("subject").str.count_matches(" ") == 2)
    both = shorter.join(
        longer.with_columns(subject=pl.col("subject").str.replace(r" \w+ ", " ")), on=["name", "subject", "year"], how="semi"
    )
    assert both.height, "the same statistic as a whole and by mode"
    for row in both.iter_rows(named=True):
        assert facts.linked(rows, links.to_row(row)).rows(named=True) == [row]
    number = rows.filter(pl.col("use") == "model", pl.col("year").is_not_null()).row(0, named=True)
    assert facts.linked(rows, links.to_row(number)).rows(named=True) == [number]


def test_details_hold_the_source_the_formula_and_how_often_it_was_read(rows: pl.DataFrame, inputs: Inputs) -> None:
    derived = rows.filter(pl.col("name") == "pkm_to_tkm", pl.col("subject") == "air").row(0, named=True)
    found = facts.details(derived, inputs, 3)
    formula = inputs.table("derivations").filter(parameter="pkm_to_tkm", subject="air")["formula"][0]
    assert (found["formula"], found["reads"]) == (formula, "3")
    assert found["citation"] == inputs.table("sources").filter(source=derived["source"])["citation"][0]
    counts = facts.quality_counts(rows, facts.USES, None)
    assert counts["all"].sum() == rows["value"].count()
    assert counts["share"].sum() == pytest.approx(100.0)


# ---- uploads -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def empty(inputs: Inputs) -> bytes:
    return workbook_bytes(template_lines(inputs, "zh"), inputs, "zh")


def filled(empty: bytes, **numbers: object) -> bytes:
    """Return the workbook with numbers by the start of their key."""
    book = load_workbook(io.BytesIO(empty))
    for start, value in numbers.items():
        for sheet in book.worksheets[1:-1]:
            columns = {cell.value: cell.column for cell in sheet[4]}
            for row in range(6, sheet.max_row + 1):
                if f"|{start}|" in str(sheet.cell(row, 1).value) and str(sheet.cell(row, columns["year"]).value) in {
                    "2020",
                    "2025",
                }:
                    for role, text in {"value": value, "source": "年鉴", "quality": "官方"}.items():
                        sheet.cell(row, columns[role]).value = text
                    break
            else:
                continue
            break
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def zip_of(**files: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return file.getvalue()


WRONG = {
    "text.zip": b"no zip at all",
    "empty.xlsx": b"",
    "empty.zip": zip_of(),
    "letter.docx": zip_of(**{"[Content_Types].xml": b"<a/>", "word__document.xml": b"<a/>"}),
    "letter.xlsx": zip_of(**{"[Content_Types].xml": b"<a/>", "word__document.xml": b"<a/>"}),
    "climbs.zip": zip_of(**{"..__..__evil.csv": b"a,b\n1,2\n", "observed__freight.csv": b"series\n"}),
    "large.zip": b"PK" + b"\0" * MAX_UPLOAD,
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_wrong_upload_is_findings_and_leaves_nothing(name: str, lang: str, inputs: Inputs, tmp_path: Path) -> None:
    found = take(name, WRONG[name], inputs, tmp_path / "home", lang)
    assert found.folder is None
    assert found.findings
    assert all(finding.rule and finding.remedy for finding in found.findings)
    if lang == "en":
        assert not any(CHINESE.search(finding.rule + finding.remedy) for finding in found.findings)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert not (tmp_path.parent / "evil.csv").exists()
    assert finding_rows(found.findings).height == len(found.findings)


def test_a_good_workbook_and_its_zip_are_laid_down_alike(empty: bytes, inputs: Inputs, tmp_path: Path) -> None:
    content = filled(empty, observed_rail_freight_t=19800)
    one = take("填报.xlsx", content, inputs, tmp_path / "one", "zh")
    assert one.findings == ()
    assert one.changed == 2
    assert one.folder is not None
    files = {p.relative_to(one.folder).as_posix().replace("/", "__"): p.read_bytes() for p in one.folder.rglob("*.csv")}
    other = take("pack.zip", zip_of(**files), inputs, tmp_path / "other", "zh")
    assert other.folder is not None
    assert pack_files(other.folder) == pack_files(one.folder)
    assert one.folder.parent != other.folder.parent


def test_a_viewer_lays_nothing_down_and_old_sessions_go(empty: bytes, inputs: Inputs, tmp_path: Path) -> None:
    with pytest.raises(RoleError):
        take("a.xlsx", empty, inputs, tmp_path / "home", "zh", role="viewer")
    assert not (tmp_path / "home").exists()
    for name in ("session-old", "session-new", "kept"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / "session-old", (0, 0))
    clear_old(tmp_path, time.time())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["kept", "session-new"]


# ---- the page ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_viewer_has_the_workbook_and_no_uploader(root: Path, runs: Path, monkeypatch: pytest.MonkeyPatch, lang: str) -> None:
    del runs
    monkeypatch.setenv("TRANSPORT_ROLE", "viewer")
    page = opened(root, lang=lang)
    assert not page.exception
    assert len(page.file_uploader) == 0
    assert t("pack_panel.read_only", lang) in said(page)
    assert t("pack_panel.download", lang) in [str(button.proto.label) for button in page.get("download_button")]


def test_findings_follow_the_language(root: Path, runs: Path, empty: bytes) -> None:
    del runs
    page = opened(root)
    page.file_uploader[0].set_value(("book.xlsx", filled(empty, observed_road_freight_t=-1), "")).run()
    assert page.table[0].value[t("pack_panel.col_rule", "zh")].tolist() == ["应 ≥ 0"]
    page.query_params["lang"] = "en"
    page.session_state["lang"] = "en"
    page.run()
    assert not page.exception
    (rule,) = page.table[0].value[t("pack_panel.col_rule", "en")].tolist()
    assert not CHINESE.search(rule)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_opens_on_the_linked_row_with_everything_below(root: Path, runs: Path, lang: str, inputs: Inputs) -> None:
    del runs
    page = opened(root, lang=lang, **links.to_parameter("annual_distance", "taxi", 2020))
    assert not page.exception
    words = said(page)
    row = inputs.parameters.filter(parameter="annual_distance", subject="taxi", year=2020).row(0, named=True)
    citation = inputs.table("sources").filter(source=row["source"])["citation"][0]
    assert facts.plain(row["value"]) in words
    assert citation in words
    assert "parameter=annual_distance&subject=taxi&year=2020" in words
    assert [tab.label for tab in page.tabs] == [
        t(f"data_page.tab_{name}", lang) for name in ("rows", "pack", "quality", "checks", "definitions", "licences")
    ]
    counts = frame_with(page, "quality", "model", "share")
    assert counts["share"].sum() == pytest.approx(100.0)
    assert "OpenStreetMap" in words
    if lang == "en":
        heads = [tab.label for tab in page.tabs] + [part.value for part in page.subheader] + [part.value for part in page.header]
        assert not any(CHINESE.search(head) for head in heads)

    page.text_input(key="data_search").set_value("annual_distance taxi 2020").run()
    shown = frame_with(page, "called", "citation")
    assert shown["value"].tolist() == [row["value"]]
    page.text_input(key="data_search").set_value("no such words").run()
    assert not page.exception
    assert t("data_page.found_none", lang) in said(page)
    page.button(key="data_clear").click().run()
    assert "annual_distance taxi 2020" not in said(page)


def test_the_page_opens_on_a_statistic_and_offers_the_link_to_it(root: Path, runs: Path) -> None:
    del runs
    query = links.to_observed("freight_turnover", area="210000", period="2020", mode="rail", item="total")
    page = opened(root, **query)
    assert not page.exception
    words = said(page)
    assert "121,500,000,000" in words
    assert links.address(query, "zh") in words


def test_a_link_to_nothing_names_the_nearest(root: Path, runs: Path) -> None:
    del runs
    page = opened(root, parameter="anual_distance")
    assert not page.exception
    assert t("data_page.linked_near", "zh", name="anual_distance", near="annual_distance") in said(page)


def test_two_sessions_one_with_own_numbers(root: Path, runs: Path, empty: bytes, inputs: Inputs, stored_run: StoredRun) -> None:
    page, other = opened(root), opened(root)
    bad = filled(empty, observed_rail_freight_t="多", observed_road_freight_t=-1)
    page.file_uploader[0].set_value(("填报.xlsx", bad, "")).run()
    assert not page.exception
    found = page.table[0].value
    assert sorted(found[t("pack_panel.col_value", "zh")]) == ["-1", "多"]
    assert found[t("pack_panel.col_place", "zh")].tolist() == ["综合运输量"] * 2
    assert all(found[t("pack_panel.col_remedy", "zh")])
    assert pack_panel.PACK not in page.session_state

    good = filled(empty, observed_rail_freight_t=19800, sea_rail_share=14.2)
    page.file_uploader[0].set_value(("填报.xlsx", good, "")).run()
    assert not page.exception
    folder = Path(page.session_state[pack_panel.PACK])
    assert folder.is_relative_to(runs.parent)
    assert t("pack_panel.no_after", "zh") in said(page)
    numbers = frame_with(page, t("template.col_old", "zh"))
    assert numbers.shape[0] == 3
    assert pack_panel.PACK not in other.run().session_state

    # a result on the own numbers: that of the plan, with the actual value in the place of the pending one; and one on the data as the page reads
    # them, which are others than those of the session of tests where somebody has edited a table since it began
    before, after = load_inputs(), load_inputs(pack=folder)
    scenario = load_scenario("plan_2030", after.folder, after.levers)
    tables = {name: stored_run.table(name) for name in stored_run.manifest["tables"]}
    line = (pl.col("id") == "sea_rail_share") & (pl.col("year") == 2025) & pl.col("target").is_not_null()
    own = tables["indicators"].with_columns(
        actual=pl.when(line).then(14.2).otherwise("actual"), verdict=pl.when(line).then(pl.lit("missed")).otherwise("verdict")
    )
    for data, made in ((before, tables), (after, tables | {"indicators": own})):
        write_run(runs.parent / run_id(scenario, data.data_hash), made, scenario, data.data_hash, seconds=1.0)
    page.run()
    assert not page.exception
    verdicts = frame_with(page, t("template.col_verdict_after", "zh"))
    changed = verdicts[verdicts[t("template.col_changed", "zh")] == t("template.verdict_changed", "zh")]
    assert changed[t("template.col_year", "zh")].tolist() == ["2025"]

    page.button(key="pack_back").click().run()
    assert not page.exception
    assert pack_panel.PACK not in page.session_state
    assert not folder.exists()
