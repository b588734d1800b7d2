"""The page of freight what-ifs: shown numbers against the run's tables, in both languages, comparisons with a known answer, calculations."""

from __future__ import annotations

import json
import re
import shutil
import time
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from transport.app import (
    calculation_panel,
    calculations,
    what_if_compare,
    what_if_jobs,
    what_if_sea_rail,
    what_if_tables,
    what_if_widgets,
)
from transport.app import what_if_charts as drawn
from transport.app.freight_tables import names_of
from transport.i18n import labels, t, texts
from transport.ranking import COLUMNS
from transport.scenario import load_scenario
from transport.store import read_run, run_id

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.store import StoredRun
    from transport.study import Results

PROVINCE = "210000"
TEU = {"zh": 1e4, "en": 1e3}
TKM = {"zh": 1e8, "en": 1e9}


@pytest.fixture
def runs(stored_run: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: Inputs) -> Path:
    """Return the plan's run folder, where the app looks for it."""
    scenario = load_scenario("plan_2030", inputs.folder, inputs.levers)
    folder = tmp_path / run_id(scenario, inputs.data_hash)
    shutil.copytree(stored_run.folder, folder)
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path))
    return folder


def twin(folder: Path, inputs: Inputs) -> Path:
    """Put a second run beside the first: no rail tariff of its own, and 10 % less turnover by rail in every table of places and goods."""
    del inputs
    other = folder.parent / "twin"
    shutil.copytree(folder, other)
    for name, column in (
        ("freight", "territory_tkm"),
        ("freight", "total_tkm"),
        ("freight_areas", "territory_tkm"),
        ("freight_corridors", "tkm"),
    ):
        path = other / f"{name}.parquet"
        table = pl.read_parquet(path)
        less = pl.when(pl.col("mode") == "rail").then(0.9 * pl.col(column)).otherwise(pl.col(column))
        table.with_columns(less.alias(column)).write_parquet(path)
    path = other / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    del manifest["resolved"]["set"]["rail_tariff"]
    manifest |= {"run_id": "twin00", "scenario_hash": "twin", "title_zh": "对照", "title_en": "Twin"}
    manifest["tables"] = {name: f"{key}-twin" for name, key in manifest["tables"].items()}
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return other


def opened(root: Path, **query: str) -> AppTest:
    page = AppTest.from_file(str(root / "streamlit_app.py"), default_timeout=180)
    for key, value in query.items():
        page.query_params[key] = value
    page.run()
    return page.switch_page(str(root / "transport" / "app" / "views" / "what_if.py")).run()


def frame_with(page: AppTest, *columns: str) -> Any:
    """Return the first table of the page that has these columns."""
    return next(found.value for found in page.dataframe if set(columns) <= set(found.value.columns))


def is_at(results: Results, name: str, **codes: object) -> pl.DataFrame:
    return results.tables[name].filter(*[pl.col(k) == v for k, v in codes.items()])


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_tab_shows_the_numbers_of_the_run(root: Path, runs: Path, lang: str, results: Results, inputs: Inputs) -> None:
    del runs
    page = opened(root, lang=lang)
    assert not page.exception
    assert len(page.tabs) == 5

    # sea-rail: the share of the target year on the card and in the table, the identity of each port, the split of the change
    path = is_at(results, "sea_rail_path", zone_id=PROVINCE)
    due = path.filter(pl.col("year") == 2025).row(0, named=True)
    cards = {card.label: card.value for card in page.metric}
    assert cards[t("what_if.metric_share", lang, year=2025)] == f"{due['share_pct']:.1f}"
    shown = frame_with(page, "share", "implied").set_index("year")
    assert len(shown) == 18
    assert shown.loc[2025, "teu"] == pytest.approx(due["sea_rail_teu"] / TEU[lang])
    assert shown.loc[2025, "target"] == "15"
    assert shown.loc[2023, "observed_share"] == "12.2"
    ports = is_at(results, "sea_rail_ports", year=2030, in_province=True)
    parts = frame_with(page, "sea_rail", "closes")
    assert parts["throughput"].iloc[-1] == pytest.approx(float(ports["teu_throughput"].sum()) / TEU[lang])
    assert parts["sea_rail"].iloc[-1] == pytest.approx(parts["sea_rail"].iloc[:-1].sum())
    assert parts["closes"].abs().max() < 1e-6 * parts["throughput"].iloc[-1]
    change = is_at(results, "sea_rail_change", zone_id=PROVINCE, from_year=2019, to_year=2021).row(0, named=True)
    split = frame_with(page, "by_boxes", "by_throughput").set_index("period").loc["2019-2021"]
    assert split["by_throughput"] == pytest.approx(change["by_throughput_points"])
    assert split["by_boxes"] + split["by_throughput"] == pytest.approx(change["change_points"])
    chains = is_at(results, "sea_rail_chains", year=2030).select((pl.col("loaded_teu") + pl.col("empty_teu")).alias("teu"))
    listed = frame_with(page, "drayage_km", "tight")
    assert len(listed) == 20
    assert listed["teu"].iloc[0] == pytest.approx(float(str(chains["teu"].max())) / TEU[lang])

    # projects: the register, whole
    register = inputs.table("networks/projects")
    projects = frame_with(page, "project_id", "in_run")
    assert sorted(projects["project_id"]) == sorted(register["project_id"].to_list())
    money = 1e8 if lang == "zh" else 1e6
    assert projects["cost"].sum() == pytest.approx(float(register["cost_cny"].sum()) / money, abs=0.01 * register.height)

    # costs: what levers cost in 2030
    costs = is_at(results, "freight_lever_costs", year=2030).drop_nulls("amount")
    levers = frame_with(page, "lever", "payer")
    assert levers["amount"].sum() == pytest.approx(float(costs["amount"].sum()) / money)
    assert len(levers) == costs.height

    # one run alone cannot be compared
    assert any(box.value == t("what_if.two_runs", lang) for box in page.info)

    # distribution and industry
    goods = is_at(results, "distribution", year=2030)
    light = frame_with(page, "urban", "handled")
    assert len(light) == 15
    assert light["tkm"].iloc[-1] == pytest.approx(float(goods["tkm"].sum()) / TKM[lang])
    clean = (goods["clean_km_share"] * goods["vehicle_km"]).to_numpy().sum() / goods["vehicle_km"].to_numpy().sum()
    assert light["clean"].iloc[-1] == pytest.approx(100.0 * clean)
    steel = is_at(results, "industry", year=2030, product="steel").row(0, named=True)
    products = frame_with(page, "product", "growth").set_index("product").loc[labels(inputs, "product", lang)["steel"]]
    assert products["output"] == pytest.approx(steel["output"] / (1e4 if lang == "zh" else 1e6))
    assert products["growth"] == pytest.approx(100.0 * steel["freight_index"])


def test_the_sentence_says_when_the_target_is_reached_and_what_binds(
    root: Path, runs: Path, results: Results, inputs: Inputs
) -> None:
    del runs
    page = opened(root)
    said = "\n".join(box.value for box in page.info)
    found = what_if_sea_rail.reached(results.tables["sea_rail_path"])
    assert found is not None
    assert f"{found.at_target:.1f}%" in said
    assert f"{found.error_points:+.1f}" in said
    tight = what_if_sea_rail.tightest(results.tables["sea_rail_chains"], 2030).row(0, named=True)
    assert str(what_if_sea_rail.place_name(tight["kind"], tight["place"], names_of(inputs, "zh"))) in said
    assert f"（{tight['vc_ratio']:.2f}）" in said or f"利用率 {tight['vc_ratio']:.2f}" in said


def path(shares: dict[int, float], observed: dict[int, float], target: tuple[int, float]) -> pl.DataFrame:
    """Return a path of 10^6 TEU a year."""
    rows = [
        {
            "year": year,
            "zone_id": PROVINCE,
            "sea_rail_teu": 1e4 * share,
            "teu_throughput": 1e6,
            "share_pct": share,
            "observed_period": f"{year}Q1-3" if year in observed else None,
            "observed_share_pct": observed.get(year),
            "share_error_points": share - observed[year] if year in observed else None,
            "target_share_pct": target[1] if year == target[0] else None,
        }
        for year, share in shares.items()
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def test_a_target_reached_only_by_the_error_of_the_model_is_told_so() -> None:
    shares = {2020: 8.0, 2024: 15.5, 2025: 16.0, 2026: 17.5, 2027: 18.0}
    found = what_if_sea_rail.reached(path(shares, {2024: 13.5}, (2025, 15.0)))
    assert found is not None
    assert (found.first, found.first_corrected) == (2024, 2026)
    assert found.at_target_corrected == pytest.approx(14.0)
    assert found.gap_teu == pytest.approx(-1e4)
    assert (found.best, found.best_year) == (18.0, 2027)
    low = what_if_sea_rail.reached(path(shares, {}, (2025, 20.0)))
    assert low is not None
    assert (low.first, low.first_corrected, low.observed_pct) == (None, None, None)
    assert low.gap_teu == pytest.approx(4e4)
    assert what_if_sea_rail.reached(path(shares, {}, (2030, 20.0))) is None


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_two_runs_compared_show_the_known_difference(root: Path, runs: Path, inputs: Inputs, results: Results, lang: str) -> None:
    twin(runs, inputs)
    page = opened(root, lang=lang)
    page.selectbox(key="what_if_run_a").set_value("twin").run()
    assert not page.exception
    rail = float(is_at(results, "freight", year=2030, mode="rail")["territory_tkm"].sum())
    totals = frame_with(page, "a", "b", "percent").set_index("mode")
    row = totals.loc[labels(inputs, "mode", lang)["rail"]]
    assert row["b"] == pytest.approx(rail / TKM[lang])
    assert row["change"] == pytest.approx(0.1 * rail / TKM[lang])
    assert row["percent"] == pytest.approx(100.0 / 9.0)
    moved = frame_with(page, "name", "rail", "change")
    whole = float(is_at(results, "freight", year=2030, mode="rail")["total_tkm"].sum())
    assert moved["rail"].sum() == pytest.approx(0.1 * whole / TKM[lang])
    assert moved["change"].sum() == pytest.approx(moved["rail"].sum())
    lever = dict(inputs.table("levers").select("lever", f"label_{lang}").iter_rows())["rail_tariff"]
    assert any(lever in text.value for text in page.markdown)
    commands = [block.value for block in page.code if "transport shift" in block.value]
    assert not commands, "the twin has settings that its name does not stand for"
    assert any(text.value == t("what_if.no_command", lang) for text in page.caption)
    page.segmented_control(key="what_if_by").set_value("prefecture").run()
    areas = float(is_at(results, "freight_areas", year=2030, mode="rail")["territory_tkm"].sum())
    assert frame_with(page, "name", "rail", "change")["rail"].sum() == pytest.approx(0.1 * areas / TKM[lang])


def test_causes_of_a_shift_add_up(inputs: Inputs) -> None:
    moves = pl.DataFrame(
        {
            "commodity": ["coal", "coal", "steel", "steel"],
            "cause": ["cost", "time", "cost", "access"],
            "from_mode": ["road", "road", "rail", "rail"],
            "to_mode": ["rail", "water", "road", "water"],
            "t": [3e6, 1e6, 5e5, 9e9],
        }
    )
    table = what_if_compare.by_cause(moves, inputs, "zh").to_dicts()
    assert table[-1] == {"cause": t("what_if.all_causes", "zh"), "rail": 250.0, "water": 100.0, "pipeline": 0.0, "total": 350.0}
    assert sum(row["total"] for row in table[:-1]) == pytest.approx(350.0)
    assert what_if_compare.by_commodity(moves, inputs, "en")["t"].to_list() == [9e6, 3e3, 1e3, 5e2]


def test_a_run_of_an_older_version_is_told_from_an_error(root: Path, runs: Path) -> None:
    gone = ("sea_rail_path", "freight_lever_costs", "freight_quotas", "distribution", "industry")
    path = runs / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    for name in gone:
        del manifest["tables"][name]
        (runs / f"{name}.parquet").unlink()
    path.write_text(json.dumps(manifest), encoding="utf-8")
    page = opened(root)
    assert not page.exception
    said = [box.value for box in page.info]
    for name in gone:
        assert sum(f"没有表 {name}" in text for text in said) == 1, name
    assert all("transport run plan_2030" in text for text in said if "没有表" in text)


def test_no_results_no_page(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path))
    page = opened(root)
    assert not page.exception
    assert not page.tabs
    assert any(box.value == t("app.nothing_yet", "zh") for box in page.info)


def test_projects_are_filtered_and_the_command_follows(root: Path, runs: Path, inputs: Inputs) -> None:
    del runs
    page = opened(root)
    page.multiselect(key="what_if_kind").set_value(["electrification"]).run()
    register = inputs.table("networks/projects").filter(pl.col("kind") == "electrification")
    shown = frame_with(page, "project_id", "in_run")["project_id"].tolist()
    assert sorted(shown) == sorted(register["project_id"].to_list())
    command = next(block.value for block in page.code if "projects rank" in block.value)
    assert command.endswith(f"--only {' '.join(shown)}")
    page.text_input(key="what_if_needle").set_value("没有这样的项目").run()
    assert any(box.value == t("what_if.no_project", "zh") for box in page.info)


def test_a_run_builds_what_its_scenario_says(inputs: Inputs) -> None:
    default = what_if_tables.opened(inputs, {})
    assert default
    first = next(iter(default))
    idea = inputs.table("networks/projects").filter(pl.col("status") == "idea")["project_id"][0]
    changed = what_if_tables.opened(inputs, {first: "never", idea: 2029})
    assert first not in changed
    assert changed[idea] == 2029


def test_the_scenario_of_a_run_is_read_back_from_its_manifest(stored_run: StoredRun, inputs: Inputs) -> None:
    found = what_if_jobs.scenario_of(stored_run.manifest)
    own = load_scenario("plan_2030", inputs.folder, inputs.levers, draws=1, simulate="none")
    assert found.resolved() == own.resolved()
    assert what_if_jobs.scenario_of(stored_run.manifest, capacity="fixed").capacity == "fixed"


def test_a_calculation_reports_its_end_and_its_refusal(stored_run: StoredRun) -> None:
    wrong = json.loads(json.dumps(stored_run.manifest))
    wrong["resolved"]["projects"] = {"no_such_project": 2027}
    job = calculations.start(what_if_jobs.MODULE, "shift", lang="zh", manifests=[wrong, wrong], year=2030, capacity="fixed")
    for _ in range(3000):
        if job.finished():
            break
        time.sleep(0.2)
    assert job.finished()
    assert not job.succeeded()
    assert job.message()
    assert calculations.answers_in(job.folder) == {}
    job.clear()
    assert not job.folder.exists()


def test_finished_calculations_are_shown(root: Path, runs: Path, inputs: Inputs) -> None:
    run = read_run(runs)
    needs = pl.DataFrame(
        {
            "year": [2030],
            "kind": ["package"],
            "name": ["subsidy"],
            "strength": [0.25],
            "levers": ["container_rail_subsidy=500"],
            "share_pct": [20.01],
            "reached": [True],
            "outlay_mcny": [583.8],
            "unpriced": [""],
        }
    )
    tight = pl.DataFrame({"kind": ["line"], "place": [inputs.table("networks/links")["link_id"][0]], "vc_ratio": [1.234]})
    page = opened(root)
    asked = {"year": 2030, "target_pct": 15.0, "capacity": "fixed"}
    identity = calculation_panel.identity_of("need", [run.manifest["resolved"]], asked)
    page.session_state[what_if_widgets.DESK.answers] = {identity: {"needs": needs, "tight": tight}}
    page.run()
    assert not page.exception
    found = frame_with(page, "strength", "outlay")
    assert found["outlay"].tolist() == [pytest.approx(5.838)]
    assert found["strength"].tolist() == [25.0]
    assert any("（1.23）" in text.value for text in page.caption)
    assert not [button for button in page.button if button.key == "what_if_start_need"]


def test_the_ranking_shows_what_a_reader_needs_and_all_columns_on_request(root: Path, runs: Path, inputs: Inputs) -> None:
    run = read_run(runs)
    built = what_if_tables.opened(inputs, run.manifest["resolved"].get("projects", {}))
    names = what_if_tables.project_rows(inputs, built, ["electrification"], [], "", "zh")["project_id"].to_list()
    cells: dict[str, Any] = dict.fromkeys(COLUMNS, 1.0)
    cells |= {"kind": "electrification", "in_scenario": False, "status": "idea", "quality": "assumption"}
    cells |= {"open_year": 2027, "year": 2030, "t_off_road": 3.2e6, "delay_cny": 3.3e8}
    ranks = pl.DataFrame([{**cells, "project_id": name, "rank_t": k + 1} for k, name in enumerate(names)])
    page = opened(root)
    asked = {"year": 2030, "names": names, "capacity": "fixed"}
    identity = calculation_panel.identity_of("rank", [run.manifest["resolved"]], asked)
    page.session_state[what_if_widgets.DESK.answers] = {identity: {"rank": ranks}}
    page.multiselect(key="what_if_kind").set_value(["electrification"]).run()
    assert not page.exception
    first = ["rank_t", "project", "kind", "open_year", "t_off_road", "co2_avoided_t", "cny_per_t", "delay_cny"]
    heads = [t(f"rank.{name}", "zh") for name in first]
    found = frame_with(page, heads[0], heads[-1])
    assert found.columns.tolist() == heads
    assert found[heads[4]].tolist() == [320.0] * len(names)
    page.toggle(key="what_if_rank_columns").set_value(True).run()
    whole = frame_with(page, heads[0], heads[-1]).columns.tolist()
    assert len(whole) > len(heads)
    assert t("rank.cny_per_tco2", "zh") in whole


def test_quotas_and_tables_without_rows(inputs: Inputs) -> None:
    names = names_of(inputs, "en")
    port = inputs.table("networks/zones").filter(pl.col("zone_id").str.starts_with("Z_PT_"))["zone_id"][0]
    row = {
        "year": 2030,
        "port": port,
        "quota": 0.8,
        "share_without": 0.5,
        "share_with": 0.7,
        "charge_cny_per_t": 60.0,
        "unmet_t": 2e6,
        "binds": "access",
    }
    found = what_if_tables.quotas(pl.DataFrame([row]), names, 2030, inputs, "en").to_dicts()[0]
    assert found["port"] == names.places[port]
    assert (found["quota"], found["without"], found["share"], found["unmet"]) == pytest.approx((80.0, 50.0, 70.0, 2.0))
    assert found["binds"] == labels(inputs, "quota_binding", "en")["access"]


def test_charts_hold_what_they_are_given() -> None:
    rows = pl.DataFrame({"name": ["x", "x", "y"], "part": ["a", "b", "a"], "amount": [3.0, -1.0, 2.0]})
    spec = drawn.signed_bars(rows, {"a": "#111111", "b": "#222222"}, title="t", order=["x", "y"]).to_dict()
    held = [row for data in spec["datasets"].values() for row in data]
    assert {"name": "x", "whole": 2.0, "right": 3.0} in held
    colours = spec["layer"][0]["encoding"]["color"]["scale"]
    assert (colours["domain"], colours["range"]) == (["a", "b"], ["#111111", "#222222"])


def test_english_texts_of_the_page_hold_no_chinese() -> None:
    mine = {key: text for key, text in texts("en").items() if key.startswith("what_if.")}
    assert len(mine) > 100
    assert not [key for key, text in mine.items() if re.search(r"[\u4e00-\u9fff]", text)]
