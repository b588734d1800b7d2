"""The app in a real browser: it shows the run, and nothing leaves this computer."""

from __future__ import annotations

import shutil
import zipfile
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import polars as pl
import pytest

from tests.app.serving import LOCAL, OPTIONS, served
from transport.scenario import load_scenario
from transport.scorecard import scorecard
from transport.store import run_id
from transport.text import divisor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

    from transport.inputs import Inputs
    from transport.store import StoredRun
    from transport.study import Results

pytestmark = pytest.mark.browser
#: A scenario without equilibrium and simulation.
QUICK = """
title_zh = "快速情景"
title_en = "Quick scenario"
about_zh = "测试取消与重新运行"
about_en = "To cancel and start again"
base = "rebound_only"
[run]
capacity = "fixed"
simulate = "none"
"""


@pytest.fixture(scope="module")
def address(stored_run: StoredRun, inputs: Inputs, tmp_path_factory: pytest.TempPathFactory, chromium_path: str) -> Iterator[str]:
    """Serve the app with the plan already run and return its address."""
    del chromium_path
    folder = tmp_path_factory.mktemp("app")
    scenario = load_scenario("plan_2030", inputs.folder, inputs.levers)
    shutil.copytree(stored_run.folder, folder / run_id(scenario, inputs.data_hash))
    with served(folder) as place:
        yield place


@pytest.fixture
def empty_address(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, data_folder: Path, chromium_path: str
) -> Iterator[str]:
    """Serve the app without any run, with one more scenario that is quick to compute, and return its address."""
    del chromium_path
    data = shutil.copytree(data_folder, tmp_path_factory.mktemp("data") / "data")
    (data / "scenarios" / "quick.toml").write_text(QUICK, encoding="utf-8")
    with served(tmp_path, TRANSPORT_DATA=str(data)) as place:
        yield place


def test_the_overview_shows_and_no_request_leaves_this_computer(address: str, chromium_path: str, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    hosts: set[str] = set()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium_path, args=OPTIONS)
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname or ""))
        page.on("websocket", lambda socket: hosts.add(urlsplit(socket.url).hostname or ""))
        page.goto(address)
        page.get_by_test_id("stTabs").get_by_text("目标完成情况表").wait_for(timeout=60_000)
        page.locator("[data-testid=stDeckGlJsonChart] canvas").first.wait_for(timeout=60_000)
        assert page.get_by_text("9.5").count() > 0
        page.get_by_text("English").first.click()
        page.get_by_text("Scorecard of the targets").wait_for(timeout=60_000)
        page.screenshot(path=str(tmp_path / "overview.png"), full_page=True)
        browser.close()
    assert {host for host in hosts if host} <= LOCAL, hosts


def test_the_freight_page_opens_in_chinese_with_map_and_tables(
    address: str, results: Results, chromium_path: str, tmp_path: Path
) -> None:
    from playwright.sync_api import sync_playwright

    hosts: set[str] = set()
    complaints: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium_path, args=OPTIONS)
        page = browser.new_page(viewport={"width": 1366, "height": 768}, locale="zh-CN")
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname or ""))
        page.on("websocket", lambda socket: hosts.add(urlsplit(socket.url).hostname or ""))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{address}/freight")
        page.get_by_role("heading", name="货运网络").first.wait_for(timeout=60_000)
        page.locator("[data-testid=stDeckGlJsonChart] canvas").first.wait_for(timeout=60_000)
        page.locator("[data-testid=stStatusWidget]").wait_for(state="detached", timeout=60_000)
        drawn = page.locator("[data-testid=stDeckGlJsonChart] canvas").first.bounding_box()
        metrics = page.locator("[data-testid=stMetricValue]").all_inner_texts()
        for tab, table in (("瓶颈与受阻", True), ("货类、通道与地市", True), ("一票货怎么选", False), ("改一处试试", False)):
            page.get_by_role("tab", name=tab).click()
            panel = page.locator("[role=tabpanel]:visible").first
            panel.locator("[data-testid=stDataFrame] canvas" if table else "[data-testid=stSelectbox]").first.wait_for(
                timeout=60_000
            )
        page.screenshot(path=str(tmp_path / "freight.png"), full_page=True)
        assert drawn is not None
        assert min(drawn["width"], drawn["height"]) > 300
        assert page.locator("[data-testid=stDataFrame]").count() >= 5
        assert page.locator("[data-testid=stException], [data-testid=stAlertContentError]").count() == 0
        assert page.locator("[data-testid=stAlertContentWarning]").count() == 0  # a run that lacks a table
        browser.close()
    freight = results.tables["freight"].filter(pl.col("year") == 2030)
    rail = freight.filter(pl.col("mode") == "rail")["territory_tkm"].sum()
    assert metrics[0] == f"{100 * rail / freight['territory_tkm'].sum():.1f}"
    assert complaints == []
    assert {host for host in hosts if host} <= LOCAL, hosts


@pytest.mark.parametrize("lang", ["zh", pytest.param("en", marks=pytest.mark.slow)])
def test_every_section_of_the_accounts_page_is_drawn(address: str, chromium_path: str, tmp_path: Path, lang: str) -> None:
    """A chart in a tab that opens later has a size, and no section holds an error or lacks its table."""
    from playwright.sync_api import sync_playwright

    hosts: set[str] = set()
    complaints: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium_path, args=OPTIONS)
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname or ""))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{address}/accounts?lang={lang}")
        page.get_by_role("tab").nth(8).wait_for(timeout=60_000)
        page.locator("[data-testid=stStatusWidget]").wait_for(state="detached", timeout=60_000)
        for section in range(9):
            page.get_by_role("tab").nth(section).click()
            panel = page.locator("[role=tabpanel]:visible")
            panel.locator("[data-testid=stDataFrame] canvas").first.wait_for(timeout=60_000)
            for drawn in panel.locator("[data-testid=stVegaLiteChart] :is(canvas, svg)").all():
                box = drawn.bounding_box()
                assert box is not None, section
                assert min(box["width"], box["height"]) > 100, section
            page.screenshot(path=str(tmp_path / f"accounts_{lang}_{section}.png"))
        assert page.locator("[data-testid=stVegaLiteChart]").count() == 5
        assert page.locator("[data-testid=stException], [data-testid=stAlertContentError]").count() == 0
        assert page.locator("[data-testid=stAlertContentInfo]").count() == 1, "the note on the recovery, and no lacking table"
        browser.close()
    assert complaints == []
    assert {host for host in hosts if host} <= LOCAL, hosts


@pytest.mark.parametrize("lang", ["zh", pytest.param("en", marks=pytest.mark.slow)])
def test_every_tab_of_the_what_if_page_is_drawn_without_scrolling_sideways(
    address: str, chromium_path: str, tmp_path: Path, lang: str
) -> None:
    """No tab holds an error, and a calculation can be started and cancelled."""
    from playwright.sync_api import sync_playwright

    hosts: set[str] = set()
    complaints: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium_path, args=OPTIONS)
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname or ""))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{address}/what_if?lang={lang}")
        page.get_by_role("tab").nth(4).wait_for(timeout=60_000)
        page.locator("[data-testid=stStatusWidget]").wait_for(state="detached", timeout=60_000)
        for section in range(5):
            page.get_by_role("tab").nth(section).click()
            panel = page.locator("[role=tabpanel]:visible")
            if section != 3:  # there is one run, and nothing to compare it with
                panel.locator("[data-testid=stDataFrame] canvas").first.wait_for(timeout=60_000)
            for drawn in panel.locator("[data-testid=stVegaLiteChart] :is(canvas, svg)").all():
                box = drawn.bounding_box()
                assert box is not None, section
                assert min(box["width"], box["height"]) > 100, section
            wide, room = page.evaluate(
                "(() => { const m = document.querySelector('[data-testid=stMain]'); return [m.scrollWidth, m.clientWidth]; })()"
            )
            assert wide <= room, section
            page.screenshot(path=str(tmp_path / f"what_if_{lang}_{section}.png"))
        assert page.locator("[data-testid=stException], [data-testid=stAlertContentError]").count() == 0
        page.get_by_role("tab").nth(1).click()
        page.get_by_role("button", name="对筛选出的项目排名" if lang == "zh" else "Rank the listed projects").click()
        page.get_by_role("button", name="取消" if lang == "zh" else "Cancel").click(timeout=60_000)
        page.get_by_text("已取消计算" if lang == "zh" else "Calculation cancelled").first.wait_for(timeout=60_000)
        browser.close()
    assert complaints == []
    assert {host for host in hosts if host} <= LOCAL, hosts


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_tab_of_the_page_of_cities_is_drawn_without_scrolling_sideways(
    address: str, chromium_path: str, tmp_path: Path, lang: str
) -> None:
    """City and year come from the link, no tab holds an error, and a calculation can be started and cancelled."""
    from playwright.sync_api import sync_playwright

    hosts: set[str] = set()
    complaints: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium_path, args=OPTIONS)
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname or ""))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{address}/cities?lang={lang}&city=210200&year=2035")
        page.get_by_role("tab").nth(5).wait_for(timeout=60_000)
        page.locator("[data-testid=stStatusWidget]").wait_for(state="detached", timeout=60_000)
        for section, charts in enumerate((1, 2, 0, 0, 1, 1)):
            page.get_by_role("tab").nth(section).click()
            panel = page.locator("[role=tabpanel]:visible")
            if charts:  # what takes a calculation is not there yet
                panel.locator("[data-testid=stDataFrame] canvas").first.wait_for(timeout=60_000)
                panel.locator("[data-testid=stVegaLiteChart] :is(canvas, svg)").nth(charts - 1).wait_for(timeout=60_000)
            for drawn in panel.locator("[data-testid=stVegaLiteChart] :is(canvas, svg)").all():
                box = drawn.bounding_box()
                assert box is not None, section
                assert min(box["width"], box["height"]) > 100, section
            wide, room = page.evaluate(
                "(() => { const m = document.querySelector('[data-testid=stMain]'); return [m.scrollWidth, m.clientWidth]; })()"
            )
            assert wide <= room, section
            page.screenshot(path=str(tmp_path / f"cities_{lang}_{section}.png"))
        assert page.locator("[data-testid=stException], [data-testid=stAlertContentError]").count() == 0
        assert "city=210200" in page.url
        assert "year=2035" in page.url
        page.get_by_role("tab").nth(1).click()
        page.get_by_role("heading", name="大连市：各方式" if lang == "zh" else "Dalian: modes").wait_for(timeout=60_000)
        page.get_by_role("tab").nth(2).click()
        page.get_by_role("button", name="计算单项措施所需取值" if lang == "zh" else "Compute required values").click()
        page.get_by_role("button", name="取消" if lang == "zh" else "Cancel").click(timeout=60_000)
        page.get_by_text("已取消计算" if lang == "zh" else "Calculation cancelled").first.wait_for(timeout=60_000)
        browser.close()
    assert complaints == []
    assert {host for host in hosts if host} <= LOCAL, hosts


def test_a_lever_is_changed_and_run_by_one_of_two_sessions(empty_address: str, chromium_path: str, tmp_path: Path) -> None:
    """A run is cancelled, found again after a reload, and its result shows in the session that opens the link."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium_path, args=OPTIONS)
        mine, other = (browser.new_context(viewport={"width": 1366, "height": 768}).new_page() for _ in range(2))
        mine.goto(f"{empty_address}/scenario?lang=zh&scenario=quick")
        change_toll(mine, "1.5", "+50 %")
        mine.get_by_role("button", name="运行情景").first.click()
        mine.get_by_role("button", name="取消").wait_for(timeout=60_000)
        mine.reload()
        mine.get_by_role("button", name="取消").click(timeout=60_000)
        mine.get_by_text("已取消运行").wait_for(timeout=60_000)
        mine.get_by_text("高速公路货车通行费 +50 %").wait_for(timeout=60_000)  # the reload has lost nothing
        assert results_in(tmp_path) == []
        assert not list(tmp_path.glob(".*.partial-*"))

        other.goto(f"{empty_address}/scenario?lang=zh&scenario=quick")
        mine.get_by_role("button", name="运行情景").first.click()
        mine.get_by_role("button", name="取消").wait_for(timeout=60_000)
        change_toll(other, "0.5", "-50 %")
        other.get_by_text("正在进行的其他任务").wait_for(timeout=60_000)
        other.screenshot(path=str(tmp_path / "other.png"))
        mine.get_by_text("结果已就绪").wait_for(timeout=300_000)
        mine.get_by_text("高速公路货车通行费 +50 %").wait_for(timeout=60_000)
        assert other.get_by_text("高速公路货车通行费 -50 %").count() == 1, "the other session goes on undisturbed"
        mine.get_by_role("tab", name="文件与链接").click()
        link = mine.locator("[data-testid=stCode]").first.inner_text().strip()
        wide, room = mine.evaluate(
            "(() => { const m = document.querySelector('[data-testid=stMain]'); return [m.scrollWidth, m.clientWidth]; })()"
        )
        assert wide <= room
        mine.screenshot(path=str(tmp_path / "mine.png"))
        assert link.startswith(empty_address)
        other.goto(link)
        other.get_by_test_id("stTabs").get_by_text("目标完成情况表").wait_for(timeout=60_000)
        other.get_by_text("结果已就绪").wait_for(timeout=60_000)
        browser.close()
    assert len(results_in(tmp_path)) == 1


def test_a_bad_pack_is_refused_with_its_findings(address: str, chromium_path: str, tmp_path: Path, root: Path) -> None:
    from playwright.sync_api import sync_playwright

    bad = shutil.make_archive(str(tmp_path / "坏包"), "zip", root / "tests" / "bad_inputs" / "value.range")
    hosts: set[str] = set()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium_path, args=OPTIONS)
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname or ""))
        page.goto(f"{address}/scenario?lang=zh")
        page.get_by_role("tab", name="数据包").click(timeout=60_000)
        panel = page.locator("[role=tabpanel]:visible")
        panel.locator("input[type=file]").set_input_files(bad)
        panel.get_by_text("处需要修改，尚未采用").wait_for(timeout=60_000)
        panel.locator("[data-testid=stTable]").first.wait_for(timeout=60_000)
        page.screenshot(path=str(tmp_path / "bad_pack.png"))
        assert page.get_by_text("结果已就绪").count() == 1, "the data of the session are what they were"
        browser.close()
    assert {host for host in hosts if host} <= LOCAL, hosts


def test_both_reports_are_downloaded(address: str, chromium_path: str, tmp_path: Path, results: Results, inputs: Inputs) -> None:
    """Word and Excel come out of the browser whole, with the title, figures and charts, and a number of the run."""
    from openpyxl import load_workbook
    from playwright.sync_api import sync_playwright

    hosts: set[str] = set()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium_path, args=OPTIONS)
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname or ""))
        page.goto(f"{address}/report?lang=zh")
        page.get_by_role("button", name="生成报告").click(timeout=60_000)
        page.get_by_text("报告已生成").wait_for(timeout=60_000)
        files = {}
        for kind in ("Word", "Excel"):
            with page.expect_download(timeout=60_000) as coming:
                page.get_by_role("button", name=f"下载 {kind}").click()
            files[kind] = tmp_path / coming.value.suggested_filename
            coming.value.save_as(files[kind])
        page.screenshot(path=str(tmp_path / "report.png"))
        browser.close()
    assert [file.suffix for file in files.values()] == [".docx", ".xlsx"]
    assert {file.stem for file in files.values()} == {files["Word"].stem}
    assert files["Word"].stem.endswith("-scenario-zh")
    with zipfile.ZipFile(files["Word"]) as word:
        assert "辽宁省交通运输碳达峰情景评估报告" in word.read("word/document.xml").decode()
        assert len([name for name in word.namelist() if name.startswith("word/media/")]) == 6
    with zipfile.ZipFile(files["Excel"]) as book:
        assert len([name for name in book.namelist() if name.startswith("xl/charts/chart")]) == 6
        assert "xl/media" not in "".join(book.namelist())
    sheet = load_workbook(files["Excel"]).worksheets[2]  # after the list of sheets and the definitions: the targets
    shown = [cell for row in sheet.values for cell in row if isinstance(cell, (int, float))]
    lines = scorecard(results.tables["indicators"], inputs.table("indicators"))
    wanted = [line.value / divisor(line.unit, "zh") for line in lines if line.value is not None and line.unit != "year"]
    assert len(wanted) > 15
    assert [value for value in wanted if not any(value == pytest.approx(one, rel=1e-12) for one in shown)] == []
    assert {host for host in hosts if host} <= LOCAL, hosts


def change_toll(page: Page, value: str, said: str) -> None:
    page.get_by_label("查找参数").fill("road_toll", timeout=60_000)
    page.keyboard.press("Enter")
    page.get_by_text("六轴货车通行费").wait_for(timeout=60_000)
    page.get_by_label("取值（倍）").first.fill(value)
    page.keyboard.press("Enter")
    page.get_by_text(f"高速公路货车通行费 {said}").wait_for(timeout=60_000)


def results_in(folder: Path) -> list[str]:
    return [path.parent.name for path in folder.glob("*/manifest.json")]
