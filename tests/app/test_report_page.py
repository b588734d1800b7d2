"""The page of reports: every kind in both languages as files, nothing without a run, a report that cannot be made says why."""

from __future__ import annotations

import io
import re
import shutil
import zipfile
from typing import TYPE_CHECKING

import pytest
from streamlit.testing.v1 import AppTest

from transport.app.views import report as view
from transport.bundled import write_bundled
from transport.i18n import LANGUAGES, t
from transport.report import fonts
from transport.scenario import load_scenario
from transport.store import run_id

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.store import StoredRun

CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture
def runs(stored_run: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: Inputs) -> Path:
    """Return the plan's run folder, where the app looks for it."""
    folder = tmp_path / run_id(load_scenario("plan_2030", inputs.folder, inputs.levers), inputs.data_hash)
    shutil.copytree(stored_run.folder, folder)
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path))
    return folder


def opened(root: Path, lang: str, scenario: str = "plan_2030") -> AppTest:
    page = AppTest.from_file(str(root / "streamlit_app.py"), default_timeout=240)
    page.query_params["lang"] = lang
    page.query_params["scenario"] = scenario
    page.run()
    return page.switch_page(str(root / "transport" / "app" / "views" / "report.py")).run()


def make(page: AppTest) -> AppTest:
    return next(button for button in page.button if button.key == "report_make").click().run()


def ready(page: AppTest, lang: str) -> list[str]:
    """Return what the page says of a report that is there; the frame of the app has messages of its own."""
    begin = "报告已生成" if lang == "zh" else "The report is ready"
    return [str(box.value) for box in page.success if str(box.value).startswith(begin)]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_kind_of_report(root: Path, runs: Path, lang: str) -> None:
    page = opened(root, lang)
    assert not page.exception
    assert not ready(page, lang)  # nothing before it is asked for
    assert not page.get("download_button")
    next(group for group in page.get("button_group") if group.key == "report_formats").set_value(["xlsx"])
    for kind in view.OFFERED:
        page = next(radio for radio in page.radio if radio.key == "report_kind").set_value(kind).run()
        assert not page.exception
        assert not ready(page, lang)  # another question, no old answer
        assert any(box.key == "report_city" for box in page.selectbox) == (kind == "city")
        page = make(page)
        assert not page.exception
        (said,) = ready(page, lang)
        assert t("report.title.city" if kind == "city" else f"report.title.{kind}", lang, place="").strip()[-8:] in said
        assert len(page.get("download_button")) > 0
        frame = page.dataframe[-1].value
        assert len(frame) >= 7
        if lang == "en":
            assert not any(CHINESE.search(str(cell)) for cell in frame.astype(str).to_numpy().ravel())


def test_without_a_run_it_says_what_to_do(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path))
    page = opened(root, "zh", "stretch")
    assert not page.exception
    assert t("app.nothing_yet", "zh") in [info.value for info in page.info]
    assert not [button for button in page.button if button.key == "report_make"]


def test_a_first_visit_makes_reports_of_what_came_with_the_program(
    root: Path, stored_run: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundled(stored_run, tmp_path / "results")
    monkeypatch.setenv("TRANSPORT_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("TRANSPORT_ROLE", "viewer")  # who may only look has the files too
    page = make(opened(root, "zh"))
    assert not page.exception
    assert len(ready(page, "zh")) == 1
    assert not page.error
    assert len(page.get("download_button")) >= 2
    assert not (tmp_path / "runs" / "reports").exists()


def test_another_scenario_is_another_question(root: Path, runs: Path) -> None:
    del runs
    page = opened(root, "zh")
    next(group for group in page.get("button_group") if group.key == "report_formats").set_value(["xlsx"])
    page = make(page)
    assert ready(page, "zh")
    page.session_state["report_wanted"] = page.session_state["report_wanted"] | {"scenario": "stretch"}
    assert not ready(page.run(), "zh")


def test_a_report_that_cannot_be_made_says_why(root: Path, runs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fonts, "folders", lambda: iter([tmp_path / "none"]))
    page = make(opened(root, "zh"))
    assert not page.exception
    assert "没有可用的中文字体" in page.error[0].value
    assert not page.get("download_button")


def test_files_are_named_after_run_place_kind_and_language(runs: Path) -> None:
    from transport.report.make import make_report, report_bytes
    from transport.report.source import find_source

    source = find_source(str(runs), lang="zh")
    files = report_bytes(make_report(source, place="大连"), ["xlsx"])
    ((name, data),) = files.items()
    assert name == f"plan_2030-{runs.name}-210200-scenario-zh.xlsx"
    assert zipfile.is_zipfile(io.BytesIO(data))
