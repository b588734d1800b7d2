"""The overview page in both languages, and every shown number against the run's tables."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from transport.app import account_charts, account_tables, charts, maps
from transport.app.data_links import address, to_parameter
from transport.app.overview_tables import five_years, reading_sentences, reasons, stored_probabilities, target_rows
from transport.app.provenance import PAGES
from transport.bundled import write_bundled
from transport.cli import main
from transport.i18n import labels
from transport.progress import progress_table
from transport.scorecard import ScoreLine, headline_rows, scorecard
from transport.store import run_id
from transport.template.words import words_of_names
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
    table = scorecard_of(page)
    assert table.shape[0] == len(lines_of(results, inputs))


def scorecard_of(page: AppTest) -> Any:
    return next(x.value for x in page.dataframe if {"goal", "probability"} <= set(x.value.columns))


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


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_target_has_a_reason_and_every_reading_a_sentence(
    root: Path, runs: Path, lang: str, results: Results, inputs: Inputs, stored_run: StoredRun, capsys: pytest.CaptureFixture[str]
) -> None:
    del runs
    page = opened(root, lang=lang)
    assert not page.exception
    why, sentences = (pl.DataFrame(x.value) for x in page.table)
    assert why.height == len(lines_of(results, inputs))
    assert not [cell for cell in why.to_series(4) if not cell or "{" in cell]
    # every cell of the matrix is that of its own command line
    assert main(["readings", str(stored_run.folder), "--json", "--lang", lang]) == 0
    told = json.loads(capsys.readouterr().out)["readings"]
    named = {part: labels(inputs, part, lang) for part in ("boundary", "scope", "base")}
    found = reading_sentences(results.tables["indicators"], 2030, -9.5, inputs, lang)
    assert sentences.to_series(2).to_list() == found["sentence"].to_list()
    cells = {(r["boundary"], r["scope"], r["base"]): r for r in found.iter_rows(named=True)}
    assert len(cells) == len(told) == 36
    for one in told:
        cell = cells[named["boundary"][one["boundary"]], named["scope"][one["scope"]], named["base"][one["base"]]]
        assert cell["value"] == one["value"]
        assert f"{abs(one['value']):.1f}%" in cell["sentence"]
        assert all(cell[part] in cell["sentence"] for part in ("boundary", "scope", "base"))
    assert found["is_headline"].sum() == 1
    assert len(set(found["sentence"])) == 36


def test_the_waterfall_ends_at_the_headline(root: Path, runs: Path, results: Results, inputs: Inputs) -> None:
    del runs
    page = opened(root)
    line = next(x for x in lines_of(results, inputs) if x.id == "operating_co2_intensity")
    assert f"{line.value:+.1f}%" in next(x.value for x in page.subheader if "变化从哪里来" in x.value)
    row = inputs.table("indicators").filter(pl.col("id") == line.id).row(0, named=True)
    bars = account_tables.steps(
        results.tables["attribution"], 2030, {name: str(row[name]) for name in ("boundary", "scope", "base")}
    )
    drawn = account_charts.factor_bars(bars, "zh")
    assert drawn["end"][-1] == pytest.approx(line.value, abs=1e-9)
    assert drawn["value"][:-1].to_numpy().sum() == pytest.approx(line.value, abs=1e-6)
    assert set(drawn["kind"]) <= set(account_charts.CHANGE_COLOURS)


def test_probabilities_come_from_an_ensemble_of_the_same_scenario(tmp_path: Path, stored_run: StoredRun, inputs: Inputs) -> None:
    definitions = inputs.table("indicators")
    assert stored_probabilities((tmp_path,), stored_run.manifest, definitions) == ({}, {})
    row = definitions.filter(pl.col("id") == "operating_co2_intensity").row(0, named=True)
    headline = {part: str(row[part] or "") for part in ("scope", "boundary", "base", "variant")}
    other = {**headline, "scope": "wtw"}

    def keep(name: str, draws: int, probability: float, **about: object) -> None:
        folder = tmp_path / f"ensemble-{name}"
        folder.mkdir()
        rows = [
            {"id": row["id"], "area": "210000", "year": 2030, **reading, "probability": p}
            for reading, p in ((headline, probability), (other, 0.9))
        ]
        pl.DataFrame(rows).write_parquet(folder / "probabilities.parquet")
        resolved = {**stored_run.manifest["resolved"]}
        resolved["run"] = {**resolved["run"], "capacity": "fixed", "simulate": "none", "draws": 1, "seed": 0}
        manifest = {
            "complete": True,
            "draws": draws,
            "data_hash": stored_run.manifest["data_hash"],
            "resolved": resolved,
            **about,
        }
        (folder / "ensemble.json").write_text(json.dumps(manifest), encoding="utf-8")

    keep("a", 100, 0.4)
    keep("b", 300, 0.5)
    keep("other_data", 1000, 0.6, data_hash="0")
    keep("unfinished", 1000, 0.7, complete=False)
    keep("other_levers", 1000, 0.8, resolved={**stored_run.manifest["resolved"], "set": {}})
    found, about = stored_probabilities((tmp_path,), stored_run.manifest, definitions)
    assert about["draws"] == 300
    assert found == {("operating_co2_intensity", "210000", 2030): 0.5}
    lines = lines_of_table(stored_run.table("indicators"), inputs)
    table = target_rows(lines, found, inputs, "zh")
    assert table["probability"].to_list()[[x.id for x in lines].index("operating_co2_intensity")] == "50%"
    assert set(table["probability"]) == {"50%", "-"}


def lines_of_table(indicators: pl.DataFrame, inputs: Inputs) -> list[Any]:
    return scorecard(indicators, inputs.table("indicators"))


def test_reasons_say_what_moved_and_what_holds_back(inputs: Inputs) -> None:
    def line(**about: Any) -> ScoreLine:
        base = {"id": "sea_rail_share", "area": "210000", "year": 2030, "value": 12.0, "actual": None, "target": 15.0, "gap": 3.0}
        rest = {"unit": "percent", "direction": "at_least", "strength": "binding", "verdict": "missed", "quality": "official"}
        return ScoreLine(**{**base, **rest, "met": 0, "readings": 1, **about})

    start = pl.DataFrame(
        {
            "id": ["sea_rail_share"], "area": ["210000"], "year": [2020], "value": [10.0],
            "scope": [""], "boundary": [""], "base": [""], "variant": [""],
        }
    )  # fmt: skip

    def said(one: ScoreLine, full: dict[int, tuple[int, str]] | None = None) -> str:
        return reasons([one], start, None, full or {}, inputs, "zh")[0]

    assert "从 2020 年的 10.0 变为 2030 年的 12.0 %，还差 3.00：平均每年变化 0.20，要达到目标每年需 0.50" in said(line())
    assert "4 个铁路区段" in said(line(), {2030: (4, "甲–乙")})
    assert "没有朝目标方向" in said(line(value=9.0, gap=6.0))
    assert "比目标多出 1.00" in said(line(value=16.0, gap=-1.0, verdict="met"))
    assert "核实前不宜引用" in said(line(value=16.0, gap=-1.0, verdict="met", quality="recalled"))
    assert "允许误差" in said(line(value=14.5, gap=0.5, verdict="within_tolerance"))
    assert "实际值尚未录入" in said(line(verdict="actual_pending"))
    assert "达峰" in said(line(id="land_oil_peak", value=2031.0, target=2030.0, gap=1.0, unit="year", direction="at_most"))
    assert "仍未出现峰值" in said(line(id="land_oil_peak", value=None, gap=None, unit="year"))


def test_what_is_left_to_2030_follows_from_actual_and_modelled_values(inputs: Inputs, stored_run: StoredRun) -> None:
    progress = progress_table(inputs, stored_run.table("indicators"), as_of=2025).with_columns(
        actual=pl.when(pl.col("id") == "nev_sales_share").then(20.0), period=pl.lit("2025")
    )
    found = five_years(progress, stored_run.table("indicators"), inputs, "en")
    assert found.height == progress.height
    dues = found["year"].to_list()
    assert dues.index(2025) == sum(2026 <= year <= 2030 for year in dues), "what fell due before stands last"
    target = next(x for x in inputs.targets if x.id == "nev_sales_share" and x.value is not None)
    row = found.filter(pl.col("target") == labels(inputs, "indicator", "en")["nev_sales_share"]).row(0, named=True)
    assert row["left"] == shown(float(target.value or 0.0) - 20.0, target.unit, "en")
    now = headline_rows(stored_run.table("indicators"), inputs.table("indicators")).filter(
        pl.col("id") == "nev_sales_share", pl.col("year") == 2025
    )["value"][0]
    rate = (float(target.value or 0.0) - now) / (int(target.year or 0) - 2025)
    assert row["modelled"] == shown(now, target.unit, "en")
    assert row["needed_model"] == (shown(rate, target.unit, "en") if rate > 0.0 else "reached")


def test_the_app_opens_on_what_comes_with_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored_run: StoredRun, results: Results, inputs: Inputs
) -> None:
    write_bundled(stored_run, tmp_path / "results")
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("TRANSPORT_RESULTS", str(tmp_path / "results"))
    page = opened(root)
    assert not page.exception
    assert scorecard_of(page).shape[0] == len(lines_of(results, inputs))
    for name in ("freight", "what_if", "cities", "charging", "accounts", "prefectures", "fleets"):
        page.switch_page(f"transport/app/views/{name}.py").run()
        assert not page.exception, name
    assert not (tmp_path / "runs").exists()


def test_the_tour_has_three_steps_and_stays_closed(root: Path, runs: Path) -> None:
    del runs
    page = opened(root)
    for step in (1, 2):
        assert any(f"第 {step}/3 步" in x.value for x in page.markdown)
        page.button(key="tour_next").click().run()
    assert any("第 3/3 步" in x.value for x in page.markdown)
    page.button(key="tour_close").click().run()
    page.selectbox(key="scenario").set_value("plan_2030").run()
    assert not [x for x in page.markdown if "/3 步" in x.value]
    page.button(key="tour_open").click().run()
    assert any("第 1/3 步" in x.value for x in page.markdown)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_headline_numbers_say_where_they_come_from(root: Path, runs: Path, lang: str, results: Results, inputs: Inputs) -> None:
    del runs
    page = opened(root, lang=lang)
    tables = [x.value for x in page.dataframe if {"parameter", "sources", "link"} <= set(x.value.columns)]
    assert len(tables) == 4
    basis = inputs.table("indicators").filter(pl.col("id") == "operating_co2_intensity")["basis"][0].split()
    used = results.tables["parameters_used"]
    named = words_of_names(inputs, lang)
    assert tables[0]["parameter"].tolist() == [named[name] for name in basis if name in set(used["parameter"])]
    first = tables[0].iloc[0]
    assert first["rows"] == used.filter(pl.col("parameter") == basis[0]).height
    assert first["link"] == address(to_parameter(basis[0]), lang)


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
        loaded, nodes.select(pl.col("name_zh").alias("name"), "lat", "lon"), {"tonnes": "t", "saturation": "v/c"}, "zh"
    )
    assert "http" not in deck.to_json()
    assert deck.map_provider is None, "a map provider would fetch tiles from the internet"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_input_behind_a_headline_number_has_a_name(inputs: Inputs, lang: str) -> None:
    named = words_of_names(inputs, lang)
    bases = [*inputs.table("indicators")["basis"].drop_nulls(), *PAGES.values()]
    asked = {parameter for basis in bases for parameter in basis.split()}
    assert len(asked) > 40
    assert asked - set(named) == set()
    assert asked <= set(inputs.parameters["parameter"])
