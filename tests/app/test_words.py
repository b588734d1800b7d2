"""What every page says, in both languages: no missing value, no code of a table or a program, no Chinese mark in English."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from transport.scenario import load_scenario
from transport.store import run_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.store import StoredRun

VIEWS = (
    "overview", "scenario", "freight", "what_if", "fleets", "charging",
    "cities", "prefectures", "uncertainty", "accounts", "data", "report",
)  # fmt: skip
#: What a value that is not there is called by programs, a code in snake case, a six-digit code of an area of the province.
FORBIDDEN = re.compile(
    r"(?<![\w/.-])(?:nan|NaN|None|null|NULL|undefined|\[object Object\]|[a-z][a-z0-9]*(?:_[a-z0-9]+)+|21\d{4})(?![\w/.-])"
)
#: Codes that are meant: what people type or look for by this name. Files and paths hold a stroke or a dot.
DECLARED = frozenset({"plan_2030", "scgraph_data", "travel_base_share"})
#: Columns headed as codes, notes in the words of the data, and what a published figure is of in the terms of its series.
CODE_COLUMNS = frozenset({"key", "name", "note", "of", "parameter", "project_id", "reads"})
#: Texts of pages by type of element.
TEXTS = ("title", "header", "subheader", "markdown", "caption", "info", "warning", "error", "success")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
CHINESE_MARKS = re.compile("[“”，。；：（）、]")


@pytest.fixture
def runs(stored_run: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: Inputs) -> Path:
    """Return the plan's run folder, where the app looks for it."""
    folder = tmp_path / run_id(load_scenario("plan_2030", inputs.folder, inputs.levers), inputs.data_hash)
    shutil.copytree(stored_run.folder, folder)
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path))
    return folder


def tables(page: AppTest) -> Iterator[tuple[str, str, pd.Series[Any]]]:
    """Yield name, heading as shown and cells of the columns of all tables; hidden ones and addresses are left out."""
    for frame in page.dataframe:
        config: dict[str, Any] = json.loads(frame.proto.columns or "{}")
        for column in list(frame.proto.column_order) or frame.value.columns:
            asked = config.get(str(column)) or {}
            if not asked.get("hidden") and (asked.get("type_config") or {}).get("type") != "link":
                yield str(column), str(asked.get("label") or column), frame.value[column]
    for table in page.table:
        for column in table.value.columns:
            yield str(column), str(column), table.value[column]


def titles(spec: Any) -> Iterator[str]:
    """Yield what is written on axes, legends and tooltips of a chart."""
    if isinstance(spec, dict):
        for key, value in spec.items():
            if key in {"title", "text"} and isinstance(value, str):
                yield value
            elif key not in {"datasets", "data"}:
                yield from titles(value)
    elif isinstance(spec, list):
        for value in spec:
            yield from titles(value)


def said(page: AppTest) -> Iterator[tuple[str, str]]:
    """Yield where and what a page says: texts, cards, choices, headings and cells of tables, charts."""
    for kind in TEXTS:
        for element in getattr(page, kind):
            yield kind, re.sub(r"`[^`]*`|:material/\w+:|\]\([^)]*\)", "", str(element.value))
    for card in page.metric:
        yield from (("metric", str(x)) for x in (card.label, card.value, card.delta))
    for choice in (*page.selectbox, *page.multiselect, *page.radio):
        yield "choice", choice.label
        yield from ((f"option of {choice.label}", str(option)) for option in choice.options)
    for button in (*page.button, *page.toggle, *page.checkbox, *page.text_input, *page.number_input):
        yield "label", button.label
    for column, head, cells in tables(page):
        yield "heading", head
        if column not in CODE_COLUMNS:
            # an empty cell is drawn as the word None
            yield from ((f"column {column}", "None" if pd.api.types.is_scalar(x) and pd.isna(x) else str(x)) for x in cells)
    for chart in page.get("arrow_vega_lite_chart"):
        yield from (("chart", x) for x in titles(json.loads(chart.proto.spec)))


@pytest.mark.parametrize("view", VIEWS)
def test_no_page_says_a_code_or_a_missing_value(root: Path, runs: Path, view: str) -> None:
    del runs
    for lang in ("zh", "en"):
        page = AppTest.from_file(str(root / "streamlit_app.py"), default_timeout=180)
        page.query_params["lang"], page.query_params["scenario"] = lang, "plan_2030"
        page.run()
        if view != "overview":
            page.switch_page(str(root / "transport" / "app" / "views" / f"{view}.py")).run()
        assert not page.exception
        found = list(said(page))
        assert len(found) > 20
        codes = {(where, code) for where, text in found for code in FORBIDDEN.findall(text) if code not in DECLARED}
        assert codes == set(), lang
        if lang == "en":
            # words of the plan are quoted as they are
            own = [(where, text) for where, text in found if where in TEXTS and not CHINESE.search(text)]
            marks = {(where, text) for where, text in own if CHINESE_MARKS.search(text)}
            assert marks == set()


def test_the_pattern_finds_what_it_looks_for() -> None:
    text = "value nan of None, code operating_co2_intensity in 210100, file data/observed/actuals_2030.csv, 2100000 t, no_"
    assert FORBIDDEN.findall(text) == ["nan", "None", "operating_co2_intensity", "210100"]
