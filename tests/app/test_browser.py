"""The app in a real browser: it shows the run, and nothing leaves this computer."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import polars as pl
import pytest

from transport.scenario import load_scenario
from transport.store import run_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
LOCAL = {"127.0.0.1", "localhost"}
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def address(stored_run: StoredRun, inputs: Inputs, tmp_path_factory: pytest.TempPathFactory, chromium_path: str) -> Iterator[str]:
    """Serve the app with the plan already run and return its address."""
    del chromium_path
    folder = tmp_path_factory.mktemp("app")
    scenario = load_scenario("plan_2030", inputs.folder, inputs.levers)
    shutil.copytree(stored_run.folder, folder / run_id(scenario, inputs.data_hash))
    yield from served(folder)


@pytest.fixture
def empty_address(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, data_folder: Path, chromium_path: str
) -> Iterator[str]:
    """Serve the app without any run, with one more scenario that is quick to compute, and return its address."""
    del chromium_path
    data = shutil.copytree(data_folder, tmp_path_factory.mktemp("data") / "data")
    (data / "scenarios" / "quick.toml").write_text(QUICK, encoding="utf-8")
    yield from served(tmp_path, TRANSPORT_DATA=str(data))


def served(folder: Path, **more: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"TRANSPORT_RUNS": str(folder), "PYTHONWARNINGS": "default"} | more
    command = [sys.executable, "-m", "transport", "app", "--headless", "--port", str(port)]
    with (folder / "log.txt").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        wait_for(f"http://127.0.0.1:{port}/_stcore/health", server, folder / "log.txt")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=120)


def wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        if server.poll() is not None:
            pytest.fail(log.read_text(encoding="utf-8", errors="replace"))
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                if answer.read() == b"ok":
                    return
        except OSError:
            time.sleep(0.5)
    pytest.fail("the app did not start")


def test_the_overview_shows_and_no_request_leaves_this_computer(address: str, chromium_path: str, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    hosts: set[str] = set()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium_path, args=OPTIONS)
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname or ""))
        page.on("websocket", lambda socket: hosts.add(urlsplit(socket.url).hostname or ""))
        page.goto(address)
        page.get_by_text("目标完成情况表").wait_for(timeout=60_000)
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
        page.get_by_role("heading", name="地市之间的货流").wait_for(timeout=60_000)
        page.locator("[data-testid=stDataFrame] canvas").first.wait_for(timeout=60_000)
        page.locator("[data-testid=stSelectbox]").first.wait_for(timeout=60_000)  # the last part of the page
        page.locator("[data-testid=stStatusWidget]").wait_for(state="detached", timeout=60_000)
        drawn = page.locator("[data-testid=stDeckGlJsonChart] canvas").first.bounding_box()
        metrics = page.locator("[data-testid=stMetricValue]").all_inner_texts()
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
        assert page.locator("[data-testid=stVegaLiteChart]").count() == 6
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


@pytest.mark.parametrize("lang", ["zh", pytest.param("en", marks=pytest.mark.slow)])
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


def test_a_run_can_be_cancelled_and_started_again(empty_address: str, chromium_path: str, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium_path, args=OPTIONS)
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.goto(f"{empty_address}/?lang=zh&scenario=quick")
        page.get_by_role("button", name="运行情景").click(timeout=60_000)
        page.get_by_role("button", name="取消").click(timeout=60_000)
        page.get_by_text("已取消运行").wait_for(timeout=60_000)
        assert not [p for p in tmp_path.iterdir() if (p / "manifest.json").is_file()]
        page.get_by_role("button", name="运行情景").click(timeout=60_000)
        page.get_by_text("结果已就绪").wait_for(timeout=300_000)
        page.get_by_text("目标完成情况表").wait_for(timeout=60_000)
        browser.close()
    assert len([p for p in tmp_path.iterdir() if (p / "manifest.json").is_file()]) == 1
