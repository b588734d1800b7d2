"""The overview page in both languages, and every shown number against the run's tables."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from transport.app import charts, maps
from transport.scorecard import scorecard
from transport.store import run_id
from transport.text import shown

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.store import StoredRun
    from transport.study import Results


@pytest.fixture
def runs(stored_run: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: Inputs) -> Path:
    """Return a run folder that holds the plan as the app would have run it."""
    from transport.scenario import load_scenario

    scenario = load_scenario("plan_2030", inputs.folder, inputs.levers)
    shutil.copytree(stored_run.folder, tmp_path / run_id(scenario, inputs.data_hash))
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path))
    return tmp_path


def opened(root: Path, **query: str) -> AppTest:
    page = AppTest.from_file(str(root / "streamlit_app.py"), default_timeout=120)
    for key, value in query.items():
        page.query_params[key] = value
    return page.run()


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_page_shows_the_numbers_of_the_run(root: Path, runs: Path, lang: str, results: Results, inputs: Inputs) -> None:
    del runs
    page = opened(root, lang=lang)
    assert not page.exception
    lines = {(x.id, x.year): x for x in scorecard(results.tables["indicators"], inputs.table("indicators"))}
    values = [metric.value for metric in page.metric]
    for key in (
        ("operating_co2_intensity", 2030),
        ("sea_rail_share", 2025),
        ("clean_share_of_additions", 2030),
        ("rail_energy_intensity", 2030),
    ):
        assert f"{shown(lines[key].value, lines[key].unit, lang)} %" in values
    table = page.dataframe[0].value
    assert table.shape[0] == len(lines_of(results, inputs))


def lines_of(results: Results, inputs: Inputs) -> list[Any]:
    return scorecard(results.tables["indicators"], inputs.table("indicators"))


def test_switching_the_language_keeps_the_scenario_and_the_map(root: Path, runs: Path) -> None:
    del runs
    page = opened(root)
    page.select_slider(key="map_year").set_value(2035).run()
    page.selectbox(key="scenario").set_value("plan_2030").run()
    before = page.selectbox(key="scenario").value
    page.button_group(key="lang").set_value("en").run()
    assert not page.exception
    assert page.subheader[0].value == "Scorecard of the targets"
    assert page.selectbox(key="scenario").value == before
    assert page.select_slider(key="map_year").value == 2035


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_without_a_run_the_page_says_what_to_do(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lang: str) -> None:
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path))
    page = opened(root, lang=lang)
    assert not page.exception
    assert len(page.info) == 2
    assert not page.metric
    assert [button.label for button in page.sidebar.button] == [{"zh": "运行情景", "en": "Run scenario"}[lang]]


def test_intensity_chart_draws_the_line_to_the_target() -> None:
    path = pl.DataFrame(
        {"year": [2019, 2020, 2030], "headline": [1.0, 0.0, -8.0], "low": [0.0, 0.0, -12.0], "high": [2.0, 0.0, -3.0]}
    )
    spec = charts.intensity_path(path, -9.5, base_year=2020, target_year=2030, lang="zh").to_dict()
    data = [row for rows in spec["datasets"].values() for row in rows]
    assert {"year": 2030, "target": -9.5} in [{k: row[k] for k in ("year", "target")} for row in data if "target" in row]
    assert not [row for row in data if row["year"] < 2020]


def test_map_lines_are_wider_where_more_is_carried() -> None:
    nodes = pl.DataFrame(
        {"node_id": ["A", "B", "C"], "lat": [41.0, 42.0, 40.0], "lon": [123.0, 124.0, 122.0], "name_zh": ["甲", "乙", "丙"]}
    )
    links = pl.DataFrame({"link_id": ["1", "2"], "line_zh": ["甲乙线", None]})
    flows = pl.DataFrame(
        {
            "year": [2030, 2030, 2025],
            "link_id": ["1", "2", "1"],
            "from_node": ["A", "B", "A"],
            "to_node": ["B", "C", "B"],
            "mode": ["rail", "road", "rail"],
            "forward_t": [4e6, 1e6, 9e9],
            "backward_t": [0.0, 0.0, 0.0],
            "capacity_t_per_year": [1e7, None, 1e7],
            "vc_ratio": [0.4, None, 0.4],
        }
    )
    loaded = maps.loaded_links(flows, nodes, links, 2030, ["rail", "road"])
    assert loaded["t_per_year"].to_list() == [1e6, 4e6]
    assert loaded["width_px"][1] > loaded["width_px"][0]
    deck = maps.freight_map(
        loaded, nodes.select(pl.col("name_zh").alias("name"), "lat", "lon"), {"tonnes": "t", "saturation": "v/c"}
    )
    assert "http" not in deck.to_json()
    assert deck.map_provider is None, "a map provider would fetch tiles from the internet"
