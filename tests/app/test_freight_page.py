"""The page of the freight network: every shown number against the run's tables, in both languages."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from transport import freight_loads
from transport.app import freight_tables, maps
from transport.app.provenance import PAGES
from transport.freight_explain import TERMS
from transport.i18n import labels, t
from transport.scenario import load_scenario
from transport.store import run_id

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.store import StoredRun
    from transport.study import Results

CHINESE = re.compile(r"[\u4e00-\u9fff]")
SECTIONS = [t(f"freight.tab_{name}", "zh") for name in ("map", "bottlenecks", "goods", "explain", "change")]


@pytest.fixture
def runs(stored_run: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: Inputs) -> Path:
    """Return the plan's run folder, where the app looks for it."""
    scenario = load_scenario("plan_2030", inputs.folder, inputs.levers)
    folder = tmp_path / run_id(scenario, inputs.data_hash)
    shutil.copytree(stored_run.folder, folder)
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path))
    return folder


def opened(root: Path, **query: str) -> AppTest:
    page = AppTest.from_file(str(root / "streamlit_app.py"), default_timeout=180)
    for key, value in query.items():
        page.query_params[key] = value
    page.run()
    return page.switch_page(str(root / "transport" / "app" / "views" / "freight.py")).run()


def of_year(results: Results, name: str, year: int) -> pl.DataFrame:
    return results.tables[name].filter(pl.col("year") == year)


def expected_metrics(results: Results, year: int, lang: str) -> list[str]:
    """Return what the four metrics must show, from the tables alone."""
    freight, links = of_year(results, "freight", year), of_year(results, "freight_links", year)
    rail = freight.filter(pl.col("mode") == "rail")
    mass, digits = (1e4, ",.0f") if lang == "zh" else (1e6, ",.1f")
    return [
        f"{100 * rail['territory_tkm'].sum() / freight['territory_tkm'].sum():.1f}",
        f"{rail['t'].sum() / mass:{digits}}",
        str(links.filter(pl.col("vc_ratio") > 1).height),
        f"{of_year(results, 'freight_unmet', year)['unmet_t'].sum() / mass:{digits}}",
    ]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_page_shows_the_numbers_of_the_run(root: Path, runs: Path, lang: str, results: Results, inputs: Inputs) -> None:
    del runs
    page = opened(root, lang=lang)
    assert not page.exception
    assert [metric.value for metric in page.metric] == expected_metrics(results, 2030, lang)
    assert all(metric.delta for metric in page.metric)
    assert t("provenance.about_freight", lang) in {text.value for text in page.markdown}
    rests_on = next(found.value for found in page.dataframe if {"parameter", "verified", "sources"} <= set(found.value.columns))
    assert len(rests_on) == len(PAGES["freight"].split())
    assert not [name for name in rests_on["parameter"] if re.fullmatch(r"[a-z0-9_]+", name)], "an input without a name"
    tables = [found.value for found in page.dataframe]
    rail = of_year(results, "freight_links", 2030).filter(pl.col("mode") == "rail")
    shown = next(table for table in tables if {"section", "price", "outside"} <= set(table.columns))
    assert shown["vc_ratio"].tolist() == sorted(shown["vc_ratio"].tolist(), reverse=True)
    assert shown["vc_ratio"].iloc[0] == pytest.approx(rail["vc_ratio"].max(), abs=5e-4)
    assert len(shown) == rail.height
    summary = next(table for table in tables if "places" in table.columns)
    mass = 1e4 if lang == "zh" else 1e6
    total = of_year(results, "freight_unmet", 2030)["unmet_t"].sum() / mass
    assert summary["unmet"].sum() == pytest.approx(total, abs=0.5 * len(summary) if lang == "zh" else 0.005 * len(summary))
    areas = next(table for table in tables if {"area", "all", "rail_share"} <= set(table.columns))
    assert areas["area"].tolist() == [
        labels(inputs, "area", lang)[c] for c in sorted(set(results.tables["freight_areas"]["area"]))
    ]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_sentence_names_the_place_that_holds_back_most(
    root: Path, runs: Path, lang: str, results: Results, inputs: Inputs
) -> None:
    del runs
    unmet = of_year(results, "freight_unmet", 2030)
    worst = (
        unmet.group_by("constraint", "place")
        .agg(pl.col("unmet_t").sum(), pl.col("first_year").min())
        .sort("unmet_t")
        .row(-1, named=True)
    )
    page = opened(root, lang=lang)
    said = next(box.value for box in page.info if "2030" in box.value)
    names = freight_tables.names_of(inputs, lang)
    assert names.site(worst["constraint"], worst["place"]) in said
    assert str(worst["first_year"]) in said
    assert maps.tonnes_text(worst["unmet_t"], lang) in said


def test_another_year_and_other_modes_change_what_is_shown(root: Path, runs: Path, results: Results) -> None:
    del runs
    page = opened(root)
    page.select_slider(key="freight_year").set_value(2020).run()
    assert [metric.value for metric in page.metric] == expected_metrics(results, 2020, "zh")
    assert not any(metric.delta for metric in page.metric), "the base year is not compared with itself"
    page.button_group(key="freight_modes").set_value(["pipeline"]).run()
    assert [tab.label for tab in page.tabs if tab.label not in SECTIONS] == ["管道区段", "线路", "场站"]
    page.button_group(key="freight_modes").set_value([]).run()
    assert not page.exception
    assert any("至少选择一种" in box.value for box in page.info)


def test_switching_the_language_keeps_the_choices(root: Path, runs: Path) -> None:
    del runs
    page = opened(root)
    page.select_slider(key="freight_year").set_value(2035).run()
    page.button_group(key="freight_colour").set_value("saturation").run()
    picked = [page.selectbox(key=f"freight_{key}").value for key in ("origin", "destination", "commodity")]
    page.button_group(key="lang").set_value("en").run()
    assert not page.exception
    assert page.select_slider(key="freight_year").value == 2035
    assert page.button_group(key="freight_colour").value == "saturation"
    assert [page.selectbox(key=f"freight_{key}").value for key in ("origin", "destination", "commodity")] == picked


def test_the_explainer_follows_the_chosen_flow(root: Path, runs: Path, results: Results, inputs: Inputs) -> None:
    del runs
    page = opened(root)
    od = of_year(results, "freight_od", 2030)
    origin = od.group_by("origin").agg(pl.col("t").sum()).sort("t")["origin"][-1]
    page.selectbox(key="freight_origin").set_value(origin).run()
    assert not page.exception
    flow = [page.selectbox(key=f"freight_{key}").value for key in ("origin", "destination", "commodity")]
    assert flow[0] == origin
    mine = od.filter(pl.col("origin") == flow[0], pl.col("destination") == flow[1], pl.col("commodity") == flow[2])
    shown = next(found.value for found in page.dataframe if {"chain", "share", "km"} <= set(found.value.columns))
    assert len(shown) == mine.height > 0
    assert shown["share"].sum() == pytest.approx(100.0, abs=0.05 * len(shown))
    assert shown["t"].iloc[0] == pytest.approx(mine["t"].max() / 1e4, abs=0.006)
    assert not inputs.table("networks/zones").filter(pl.col("zone_id") == origin).is_empty()


def visible(page: AppTest) -> list[str]:
    """Return the texts of the page and the words in its tables."""
    parts = [*page.header, *page.subheader, *page.caption, *page.info, *page.metric, *page.expander, *page.tabs]
    found = [text for part in parts for text in (getattr(part, "label", ""), str(getattr(part, "value", ""))) if text]
    for table in page.dataframe:
        words = table.value.select_dtypes(exclude=["number", "bool"]).drop(columns=["sources", "link"], errors="ignore")
        found += [str(value) for name in words.columns for value in words[name].unique()]
    for box in page.selectbox:
        found += [box.label, *box.options]
    return found


def test_no_code_stands_on_the_page(root: Path, runs: Path) -> None:
    del runs
    texts = visible(opened(root))
    codes = re.compile(r"\b(Z_|R_|C_|PT_|GW_|RL\d|RD\d|PP\d|rail_|sea_|freight\.)|_t\b")
    assert len(texts) > 200
    assert [text for text in texts if codes.search(text)] == []
    english = [t for t in texts if re.search(r"[A-Za-z]{4,}", t) and not CHINESE.search(t) and "OpenStreetMap" not in t]
    assert english == []


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_an_old_run_gets_a_message_and_no_traceback(root: Path, runs: Path, lang: str) -> None:
    links = pl.read_parquet(runs / "freight_links.parquet").drop("delay_h", "price_cny_per_t")
    links.write_parquet(runs / "freight_links.parquet")
    text = (runs / "manifest.json").read_text(encoding="utf-8").replace('"freight_unmet"', '"freight_other"')
    text = re.sub(r'("freight_links": ")\w+', r"\1changed", text)
    (runs / "manifest.json").write_text(text, encoding="utf-8")
    page = opened(root, lang=lang)
    assert not page.exception
    [warning] = [box for box in page.warning if "transport run plan_2030" in box.value]
    assert "freight_links" in warning.value
    assert "freight_unmet" in warning.value
    assert "transport run plan_2030" in warning.value
    assert not page.metric


def test_a_run_at_fixed_delays_does_not_claim_that_nothing_is_held_back(root: Path, runs: Path) -> None:
    for name in ("freight_unmet", "freight_convergence"):
        pl.read_parquet(runs / f"{name}.parquet").clear().write_parquet(runs / f"{name}.parquet")
    text = (runs / "manifest.json").read_text(encoding="utf-8")
    assert '"capacity": "equilibrium"' in text
    text = re.sub(
        r'("freight_(?:unmet|convergence)": ")\w+', r"\1emptied", text.replace('"capacity": "equilibrium"', '"capacity": "fixed"')
    )
    (runs / "manifest.json").write_text(text, encoding="utf-8")
    page = opened(root)
    assert not page.exception
    assert page.metric[3].value == "-"
    assert sum("沿用基准年的延误" in box.value for box in page.info) == 2
    assert not any("没有任何线路或场站" in box.value for box in page.info)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_without_a_run_the_page_says_what_to_do(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lang: str) -> None:
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path))
    page = opened(root, lang=lang)
    assert not page.exception
    assert not page.metric
    assert len(page.info) == 2


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_one_commodity_is_shown_everywhere(root: Path, runs: Path, lang: str, results: Results, inputs: Inputs) -> None:
    del runs
    page = opened(root, lang=lang)
    whole = next(found.value for found in page.dataframe if "corridor" in found.value.columns)
    mass = 1e4 if lang == "zh" else 1e6
    od = of_year(results, "freight_od", 2030)
    assert whole["t"].sum() == pytest.approx(od["t"].to_numpy().sum() / mass)
    page.selectbox(key="freight_goods").set_value("coal").run()
    assert not page.exception
    coal = od.filter(pl.col("commodity") == "coal")
    flow = next(found.value for found in page.dataframe if "corridor" in found.value.columns)
    named = labels(inputs, "commodity", lang)["coal"]
    assert set(flow["commodity"]) == {named}
    assert flow["t"].sum() == pytest.approx(coal["t"].to_numpy().sum() / mass)
    lines = next(found.value for found in page.dataframe if list(found.value.columns) == ["from", "to", "mode", "t"])
    main = freight_loads.main_modes()
    apart = coal.filter(pl.col("origin") != pl.col("destination")).with_columns(
        pl.col("alternative").replace_strict(main).alias("mode")
    )
    apart = apart.filter(pl.col("mode").is_in(["rail", "road", "pipeline"]))
    heaviest = max(apart.group_by("origin", "destination", "mode").agg(pl.col("t").sum())["t"].to_list()) / mass
    assert max(lines["t"]) == pytest.approx(heaviest, abs=0.5 if lang == "zh" else 0.005)
    assert any(named in title.value and "2030" in title.value for title in page.subheader)


def test_answers_of_calculations_are_shown(
    root: Path, runs: Path, results: Results, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    del runs
    asked: list[tuple[str, dict[str, Any]]] = []

    def answer(task: str, looked: Any, given: dict[str, Any], **question: Any) -> dict[str, pl.DataFrame]:
        asked.append((task, {**given, **question}))
        return ANSWERS[task](looked, given, question)

    for name in ("freight_map_section", "freight_explain_section", "freight_edit_section"):
        monkeypatch.setattr(f"transport.app.{name}.calculate", answer)
    page = opened(root)
    page.selectbox(key="freight_goods").set_value("coal")
    page.selectbox(key="freight_edit_link").set_value("RL068").run()
    assert not page.exception
    tasks = dict(asked)
    assert tasks["change"]["edit"] == {"what": "link", "name": "RL068", "action": "capacity", "year": 2026, "factor": 1.5}
    origin = page.selectbox(key="freight_origin").value
    od = of_year(results, "freight_od", 2030)
    pairs = od.filter(pl.col("origin") == origin).select("destination", "commodity").unique()
    assert sorted(tasks["explain"]["pairs"]) == sorted(pairs.rows())
    tables = [found.value for found in page.dataframe]
    link = next(table for table in tables if {"section", "goods"} <= set(table.columns))
    assert link["goods"].tolist() == [100.0], "the commodity, not all goods"
    chains = next(table for table in tables if {"chain", "beside"} <= set(table.columns))
    assert chains["share"].tolist() == [100.0]
    assert "公路直达" in chains["chain"].iloc[0]
    changed = next(table for table in tables if {"section", "vc_after"} <= set(table.columns))
    assert changed["change"].tolist() == [50.0]
    assert changed["vc"].tolist() == ["0.90"]
    alts = [str(chart.proto) for chart in page.get("deck_gl_json_chart")]
    assert any("增加 1 个区段，减少 0 个区段" in alt for alt in alts), "the map of the difference"
    assert any("+1.0 万吨" in box.value for box in page.info), "what left the road for rail"
    assert not inputs.table("networks/links").filter(pl.col("link_id") == "RL068").is_empty()


def _flow_answer(looked: Any, given: dict[str, Any], question: dict[str, Any]) -> dict[str, pl.DataFrame]:
    del looked, question
    kind, place = given["places"][0]
    links = pl.DataFrame({"link_id": ["RL068"], "commodity": ["coal"], "t": [1e6]})
    return {"links": links, "terminals": pl.DataFrame({"kind": [kind], "place": [place], "commodity": ["coal"], "t": [5e5]})}


def _explain_answer(looked: Any, given: dict[str, Any], question: dict[str, Any]) -> dict[str, pl.DataFrame]:
    del looked, question
    keys = pl.DataFrame(given["pairs"], schema=["destination", "commodity"], orient="row")
    cells = {
        "chain": 1,
        "alternative": "road",
        "rank": 1,
        "terminals": "",
        "terminals_en": "",
        "hours": 2.0,
        "cost_cny_per_t": 30.0,
    }
    cells |= {"beside_cost_cny_per_t": 0.0, "utility": 0.0, "probability": 1.0, "t_per_year": 1e4, "co2_kg_per_t": 1.5}
    cells |= dict.fromkeys(("km_road", "road_other"), 30.0) | dict.fromkeys(("km_rail", "km_water", "km_pipeline"), 0.0)
    cells = dict.fromkeys(TERMS, 0.0) | cells
    leg = {"chain": 1, "leg": 1, "network": "road", "km": 30.0, "names": ["甲", "乙"], "names_en": ["A", "B"], "links": ["RD001"]}
    leg |= {"worst_name": "G1", "worst_name_en": "G1", "worst_vc_ratio": 0.5}
    stops = {
        "chain": pl.Int64,
        "kind": pl.String,
        "place": pl.String,
        "name": pl.String,
        "name_en": pl.String,
        "vc_ratio": pl.Float64,
    }
    blank = pl.DataFrame(schema={**stops, "destination": pl.String, "commodity": pl.String})
    head = {"t_per_year": 1e4, "captive_t_per_year": 0.0, "sentence_zh": "只有公路。", "sentence_en": "Road only."}
    return {
        "chains": keys.join(pl.DataFrame([cells]), how="cross"),
        "path": keys.join(pl.DataFrame([leg]), how="cross"),
        "stops": blank,
        "heads": keys.join(pl.DataFrame([head]), how="cross"),
    }


def _change_answer(looked: Any, given: dict[str, Any], question: dict[str, Any]) -> dict[str, pl.DataFrame]:
    del looked, given, question
    both = {"t": [1e6], "t_after": [1.5e6], "change": [5e5], "vc_ratio": [0.9], "vc_ratio_after": [0.6], "capacity": [1e6]}
    links = pl.DataFrame({"link_id": ["RL068"], "mode": ["rail"], **both})
    places = pl.DataFrame({"kind": ["berth"], "place": ["Z_PT_BAYUQUAN"], **both})
    modes = pl.DataFrame({"mode": ["rail", "road"], "tkm": [1e9, 2e9], "tkm_after": [1.1e9, 1.9e9], "co2_t": [400.0, -5900.0]})
    moves = pl.DataFrame({"commodity": ["coal"], "cause": ["capacity"], "from_mode": ["road"], "to_mode": ["rail"], "t": [1e4]})
    return {"links": links, "terminals": places, "modes": modes, "moves": moves}


ANSWERS = {"flows": _flow_answer, "explain": _explain_answer, "change": _change_answer}


def test_a_change_that_begins_too_late_is_not_worked_out(root: Path, runs: Path) -> None:
    del runs
    page = opened(root)
    page.selectbox(key="freight_edit_year_link").set_value(2033).run()
    assert not page.exception
    assert any("2033" in box.value and "2030" in box.value for box in page.warning)
    page.selectbox(key="freight_edit_what").set_value("project").run()
    assert page.selectbox(key="freight_edit_action_project").value == "open"
    page.selectbox(key="freight_edit_what").set_value("terminal").run()
    assert page.selectbox(key="freight_edit_action_terminal").options == ["改能力", "关闭"]
    assert not page.exception
