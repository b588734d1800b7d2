"""The page of the freight network: every shown number against the run's tables, in both languages."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from networks.parts import ALTERNATIVES, TERMINAL_KINDS
from transport import freight_loads
from transport.app import charts, freight_flows, freight_tables, maps
from transport.app.freight_tables import MODES, NEEDED, OUTSIDE, Names
from transport.app.provenance import PAGES
from transport.freight_explain import TERMS
from transport.i18n import has_text, labels, t
from transport.scenario import load_scenario
from transport.store import run_id

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.store import StoredRun
    from transport.study import Results

CHINESE = re.compile(r"[\u4e00-\u9fff]")
SECTIONS = [t(f"freight.tab_{name}", "zh") for name in ("map", "bottlenecks", "goods", "explain", "change")]
NAMES = Names(
    {"A": "甲", "B": "乙", "Z_A": "甲", "210100": "沈阳市", OUTSIDE: "省外"},
    {"1": "甲线"},
    {"1": "甲—乙"},
    frozenset({"2", "Z_OUT"}),
)


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


# --- builders -----------------------------------------------------------------------------------------------------------------------


def links_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    blank = {
        "year": 2030,
        "mode": "rail",
        "from_node": "A",
        "to_node": "B",
        "backward_t": 0.0,
        "delay_h": None,
        "price_cny_per_t": 1.0,
    }
    schema = {"link_id": pl.String, "capacity_t_per_year": pl.Float64, "vc_ratio": pl.Float64, "delay_h": pl.Float64}
    return pl.DataFrame([blank | row for row in rows], schema_overrides=schema)


TWO = links_of(
    [
        {"link_id": "1", "forward_t": 4e6, "backward_t": 1e6, "capacity_t_per_year": 5e6, "vc_ratio": 0.8},
        {"link_id": "2", "forward_t": 2e6, "capacity_t_per_year": 1e6, "vc_ratio": 2.0},
        {
            "link_id": "3",
            "mode": "water",
            "forward_t": 9e6,
            "capacity_t_per_year": None,
            "vc_ratio": None,
            "price_cny_per_t": None,
        },
        {"link_id": "4", "forward_t": 0.0, "capacity_t_per_year": 1e6, "vc_ratio": 0.0},
    ]
)
NODES = pl.DataFrame({"node_id": ["A", "B"], "lat": [41.0, 42.0], "lon": [123.0, 124.0]})
SHAPES = pl.DataFrame({"link_id": ["1"], "shape": ["123 41;123.4 41.7;124 42"]})


def test_links_follow_their_shape_and_straight_lines_without_one() -> None:
    paths = maps.network_paths(TWO, NODES, SHAPES, 2030, ["rail"])
    assert paths["link_id"].to_list() == ["2", "1"], "the heaviest on top, empty ones left out"
    assert paths["path"].to_list() == [[[123.0, 41.0], [124.0, 42.0]], [[123.0, 41.0], [123.4, 41.7], [124.0, 42.0]]]
    assert paths["t_per_year"].to_list() == [2e6, 5e6]


def test_the_map_asks_nothing_of_the_internet_and_tells_both_directions() -> None:
    paths = maps.network_paths(TWO, NODES, SHAPES, 2030, ["rail", "water"])
    deck = maps.network_map(
        paths, TERMINALS_AT, TOWNS, NAMES, {"yard": "货场", "berth": "泊位"}, colour_by="saturation", lang="zh"
    )
    assert deck.map_provider is None
    assert "http" not in deck.to_json()
    drawn = {row["tip"].split("\n")[0]: row for row in deck.layers[0].data}
    assert "甲 → 乙：400 万吨/年\n乙 → 甲：100 万吨/年" in drawn["甲线"]["tip"]
    assert "单向能力 500 万吨/年，饱和度 0.80" in drawn["甲线"]["tip"]
    assert drawn["2"]["colour"][:3] == [int(charts.saturation_colour(2.0)[i : i + 2], 16) for i in (1, 3, 5)]
    assert drawn["3"]["tip"].endswith("没有能力值")
    assert drawn["3"]["width"] == max(row["width"] for row in drawn.values())
    assert [row["tip"].split("\n")[0] for row in deck.layers[0].data] == ["3", "甲线", "2"], "the fullest on top"
    [dot] = deck.layers[1].data
    assert dot["tip"].count("饱和度") == 2, "two terminals of one place share a dot"
    assert dot["tip"].startswith("甲　泊位")


TOWNS = pl.DataFrame({"name": ["甲"], "lat": [41.0], "lon": [123.0]})
TERMINALS_OF = pl.DataFrame(
    {
        "year": [2030, 2030, 2030, 2025],
        "terminal_id": ["yard_A", "berth_A", "yard_B", "yard_A"],
        "kind": ["yard", "berth", "yard", "yard"],
        "place": ["A", "Z_A", "B", "A"],
        "t_per_year": [9e5, 2e6, 1e5, 9e5],
        "capacity_t_per_year": [1e6, 1e6, 1e6, 1e6],
        "vc_ratio": [0.9, 2.0, 0.1, 5.0],
        "price_cny_per_t": [3.0, 40.0, 0.0, 3.0],
    }
)
ZONES = pl.DataFrame({"zone_id": ["Z_A"], "node_id": ["A"]})
TERMINALS_AT = maps.busy_terminals(TERMINALS_OF, ZONES, NODES, 2030, 0.8)


def test_only_busy_terminals_are_drawn_where_their_zone_lies() -> None:
    assert TERMINALS_AT["terminal_id"].to_list() == ["yard_A", "berth_A"]
    assert TERMINALS_AT["lon"].to_list() == [123.0, 123.0]


def test_saturation_classes_cover_every_ratio_and_grow_darker() -> None:
    found = [charts.saturation_colour(ratio) for ratio in (0.0, 0.49, 0.5, 0.79, 0.8, 0.99, 1.0, 9.0)]
    assert found == [colour for _, colour in charts.SATURATION_CLASSES for _ in range(2)]
    light = [sum(w * int(c[i : i + 2], 16) for w, i in ((0.3, 1), (0.59, 3), (0.11, 5))) for _, c in charts.SATURATION_CLASSES]
    assert light[0] > light[1]
    assert light[2] > light[3]
    assert light[-1] == min(light), "above capacity is the darkest, whatever the eye makes of the hue"


def test_headline_by_hand() -> None:
    freight = pl.DataFrame(
        {
            "year": [2030, 2030, 2020],
            "mode": ["rail", "road", "rail"],
            "commodity": ["coal", "coal", "coal"],
            "t": [3.0, 7.0, 1.0],
            "territory_tkm": [30.0, 90.0, 5.0],
        }
    )
    unmet = pl.DataFrame({"year": [2030, 2030, 2020], "unmet_t": [1.0, 2.5, 9.0]})
    found = freight_tables.headline(freight, TWO, unmet, 2030)
    assert (found.rail_share, found.rail_t, found.unmet_t) == (25.0, 3.0, 3.5)
    assert dict(found.over) == {"rail": 1, "road": 0, "water": 0, "pipeline": 0}


UNMET = pl.DataFrame(
    {
        "year": [2030, 2030, 2030, 2025],
        "constraint": ["rail", "rail", "yard", "rail"],
        "place": ["1", "1", "A", "1"],
        "mode": ["rail", "rail", "rail", "rail"],
        "commodity": ["coal", "grain", "coal", "coal"],
        "vc_ratio": [1.1, 1.1, 0.95, 1.0],
        "unmet_t": [1e6, 2e6, 1e6, 1e9],
        "first_year": [2021, 2021, 2024, 2021],
    }
)


def test_the_worst_bottleneck_sums_all_commodities() -> None:
    worst = freight_tables.bottlenecks(UNMET, 2030)
    assert worst.row(0, named=True) == {
        "constraint": "rail", "place": "1", "vc_ratio": 1.1, "unmet_t": 3e6, "first_year": 2021, "commodity": "grain",
    }  # fmt: skip
    assert freight_tables.bottlenecks(UNMET, 2031).is_empty()
    shown = freight_tables.held_places(
        worst, NAMES, {"rail": "铁路区段", "yard": "货场"}, {"coal": "煤炭", "grain": "粮食"}, "zh"
    )
    assert shown["place"].to_list() == ["甲线", "甲"]
    assert shown["unmet"].to_list() == [300.0, 100.0]
    by_kind = freight_tables.held_back(UNMET, {"rail": "铁路区段", "yard": "货场"}, 2030, "zh")
    assert by_kind.rows() == [("铁路区段", 300.0, 1, 2021), ("货场", 100.0, 1, 2024)]


def test_saturation_of_a_bottleneck_comes_from_links_or_terminals() -> None:
    assert freight_tables.saturation_of("rail", "1", TWO, TERMINALS_OF, 2030) == 0.8
    assert freight_tables.saturation_of("berth", "Z_A", TWO, TERMINALS_OF, 2030) == 2.0
    assert freight_tables.saturation_of("siding", "Z_A", TWO, TERMINALS_OF, 2030) is None


def test_the_fullest_section_in_the_province_leaves_out_what_lies_outside() -> None:
    assert freight_tables.fullest_rail(TWO, NAMES, 2030) == ("1", 0.8, 0)
    assert freight_tables.fullest_rail(TWO, NAMES, 2031) is None


CORRIDORS = pl.DataFrame(
    {
        "year": [2030] * 4,
        "from_place": ["210100", "210100", "Z_OUT", "210100"],
        "to_place": ["Z_OUT", "Z_OUT", "210100", "210100"],
        "mode": ["rail", "road", "rail", "road"],
        "t": [3e6, 1e6, 2e6, 8e6],
        "tkm": [9e8, 2e8, 4e8, 8e7],
    }
)


def test_corridors_join_what_lies_outside_and_keep_all_tonnes() -> None:
    matrix = freight_flows.corridor_matrix(CORRIDORS, NAMES, 2030)
    cells = {(a, b): (t, share) for a, b, t, share in matrix.iter_rows()}
    assert cells["210100", OUTSIDE] == (4e6, 75.0)
    assert matrix["t"].sum() == CORRIDORS["t"].sum()
    table = freight_flows.corridor_table(CORRIDORS, NAMES, 2030, "zh")
    assert table.row(0, named=True) == {
        "from": "沈阳市", "to": "Z_OUT", "t": 400.0, "rail_share": 75.0, "rail": 300.0, "road": 100.0, "water": 0.0, "pipeline": 0.0, "haul": 275.0,
    }  # fmt: skip
    hauls = dict(freight_flows.mean_hauls(CORRIDORS).select("mode", "haul").iter_rows())
    assert hauls == pytest.approx({"rail": 13e8 / 5e6, "road": 28e7 / 9e6})


def test_corridor_chart_writes_the_numbers_of_the_matrix() -> None:
    matrix = freight_flows.corridor_matrix(CORRIDORS, NAMES, 2030)
    places = {"210100": "沈阳市", OUTSIDE: "省外"}
    for measure, first in (("t", "400"), ("rail_share", "75")):
        spec = charts.corridor_matrix(matrix, places, measure=measure, lang="zh").to_dict()
        rows = [row for data in spec["datasets"].values() for row in data]
        assert first in {row["written"] for row in rows if (row["from"], row["to"]) == ("沈阳市", "省外")}


def test_commodity_bars_hold_all_turnover_and_the_share_of_rail() -> None:
    freight = pl.DataFrame(
        {
            "year": [2030] * 3,
            "mode": ["rail", "road", "road"],
            "commodity": ["coal", "coal", "grain"],
            "territory_tkm": [6e8, 2e8, 1e8],
        }
    )
    shares = freight_flows.commodity_modes(freight, 2030)
    assert shares["tkm"].sum() == 9e8
    assert dict(shares.select("commodity", "rail_share").iter_rows()) == {"coal": 75.0, "grain": 0.0}
    spec = charts.commodity_modes(shares, {"coal": "煤炭", "grain": "粮食"}, {m: m for m in MODES}, lang="zh").to_dict()
    rows = [row for data in spec["datasets"].values() for row in data]
    assert {row["written"] for row in rows if row["commodity"] == "煤炭"} == {"铁路 75 %"}
    assert {row["value"] for row in rows} >= {6.0, 2.0, 1.0}


def test_the_legend_breaks_into_rows_that_fit() -> None:
    entries = [(f"饱和度 {i}", "#000000", 5.0, "line") for i in range(12)]
    rows = [row for data in charts.map_legend(entries).to_dict()["datasets"].values() for row in data]
    assert len(rows) == 12
    assert max(row["y"] for row in rows) >= 1
    assert max(row["text"] for row in rows) < 880


def test_speeds_by_hand() -> None:
    table = pl.DataFrame(
        {
            "year": [2030],
            "mode": ["rail"],
            "t_equilibrium": [9e6],
            "t_fixed": [10e6],
            "territory_tkm_equilibrium": [3e9],
            "territory_tkm_fixed": [2e9],
        }
    )
    found = freight_flows.speeds(table, {"rail": "铁路"}, 2030, "zh")
    assert found.rows() == [("铁路", 900.0, 1000.0, -10.0, 30.0, 20.0, 50.0)]
    spec = charts.two_speeds(table, {m: m for m in MODES}, lang="en").to_dict()
    assert {row["value"] for data in spec["datasets"].values() for row in data} == {3.0, 2.0}


def test_every_chain_and_constraint_has_a_name() -> None:
    for lang in ("zh", "en"):
        assert [a for a in ALTERNATIVES if not has_text(f"freight.chain_{a}", lang)] == []
        assert [k for k in TERMINAL_KINDS if k != "site_yard" and not has_text(f"freight.kind_{k}", lang)] == []


def test_a_run_that_lacks_a_column_is_named() -> None:
    assert freight_tables.missing_tables(NEEDED) == []
    assert freight_tables.missing_tables({}) == list(NEEDED)


def test_lines_are_called_by_their_ends_in_english_and_by_their_name_in_chinese(inputs: Inputs) -> None:
    names = freight_tables.names_of(inputs, "en")
    assert freight_tables.names_of(inputs, "zh").lines == {}
    known = set(inputs.table("networks/links")["line_zh"].drop_nulls())
    assert set(names.lines) <= known
    assert len(names.lines) > 20
    assert len(set(names.lines.values())) == len(names.lines)
    assert not [name for name in names.lines.values() if CHINESE.search(name)]
