"""The page of cities: shown numbers against the run's tables, in both languages, answers that were computed, runs of older versions, calculations."""

from __future__ import annotations

import json
import re
import shutil
import time
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from transport.app import calculation_panel, calculations, city_answers, city_charts, city_jobs, city_tables
from transport.app.city_questions import DESK, NEED_DRAWS, START_DRAWS
from transport.city_drivers import DRIVERS
from transport.city_mix import MIX
from transport.city_needs import NEEDS, VIEW
from transport.city_text import input_name, lever_labels, needs_lines
from transport.i18n import labels, t, texts
from transport.layout import BASE_YEAR
from transport.scenario import load_scenario
from transport.store import read_run, run_id

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.store import StoredRun
    from transport.study import Results

SHENYANG, YEAR = "210100", 2030
#: Tables that runs of older versions lack.
NEW = (
    "travel_elasticities",
    "travel_segments",
    "travel_times",
    "city_roads",
    "urban_travel",
    "urban_km",
    "transit_load",
    "active_travel",
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
    return page.switch_page(str(root / "transport" / "app" / "views" / "cities.py")).run()


def frame_with(page: AppTest, *columns: str) -> Any:
    """Return the first table of the page that has these columns."""
    return next(found.value for found in page.dataframe if set(columns) <= set(found.value.columns))


def is_at(results: Results, name: str, **codes: object) -> pl.DataFrame:
    return results.tables[name].filter(*[pl.col(k) == v for k, v in codes.items()])


def indicator(results: Results, area: str, year: int, variant: str = "", name: str = city_tables.GREEN) -> float:
    rows = is_at(results, "indicators", id=name, area=area, year=year, variant=variant)
    return float(rows["value"].to_numpy()[0])


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_tab_shows_the_numbers_of_the_run(root: Path, runs: Path, lang: str, results: Results, inputs: Inputs) -> None:
    del runs
    page = opened(root, lang=lang)
    assert not page.exception
    assert len(page.tabs) == 6
    areas = labels(inputs, "area", lang)

    # target: five cities with their readings, the gap, and the nine others below
    verdicts = frame_with(page, "gap", "break_even").set_index("city")
    assert len(verdicts) == 5
    mine = verdicts.loc[areas[SHENYANG]]
    assert mine["share"] == pytest.approx(indicator(results, SHENYANG, YEAR))
    assert mine["base_share"] == pytest.approx(indicator(results, SHENYANG, BASE_YEAR))
    assert mine["gap"] == pytest.approx(70.0 - indicator(results, SHENYANG, YEAR))
    for variant in ("without_e_bike", "peak", "cold"):
        assert mine[variant] == pytest.approx(indicator(results, SHENYANG, YEAR, variant))
    assert mine["break_even"] == pytest.approx(indicator(results, SHENYANG, YEAR, name=city_tables.BREAK_EVEN))
    of_2019 = indicator(results, SHENYANG, YEAR, "base_2019", name=city_tables.BREAK_EVEN)
    assert mine["break_even_2019"] == pytest.approx(of_2019)
    met = sum(indicator(results, area, YEAR) >= 70.0 for area in city_tables.with_target(results.tables["indicators"]))
    assert any(t("cities.verdict_title", lang, year=YEAR, met=met, count=5) == title.value for title in page.subheader)
    tracked = [found.value for found in page.dataframe if "transit" in found.value.columns and "gap" not in found.value.columns]
    assert [len(frame) for frame in tracked] == [9]
    assert any(t("cities.honest", lang) in box.value for box in page.warning)

    # structure: shares close to one, trips and passenger-km of the table, the sum last
    own = is_at(results, "green_travel", area=SHENYANG, year=YEAR)
    modes = frame_with(page, "base_trips", "km")
    assert modes["share"].iloc[:-1].sum() == pytest.approx(100.0)
    assert modes["trips"].iloc[-1] == pytest.approx(float(own["trips"].sum()) / city_tables.TRIPS[lang])
    assert modes["pkm"].iloc[-1] == pytest.approx(float(own["pkm"].sum()) / city_tables.PKM[lang])
    assert modes["km"].iloc[-1] == pytest.approx(float(own["pkm"].sum()) / float(own["trips"].sum()))
    cards = {card.label: card.value for card in page.metric}
    assert cards[t("cities.card_share", lang, year=YEAR)] == f"{indicator(results, SHENYANG, YEAR):.1f}"
    time_ = {y: is_at(results, "city_roads", area=SHENYANG, year=y)["car_time_index"][0] for y in (2019, YEAR)}
    assert cards[t("cities.card_speed", lang, normal=2019)] == f"{100.0 * time_[2019] / time_[YEAR]:.0f}"
    parts = frame_with(page, "part", "green")
    assert parts["weight"].sum() == pytest.approx(100.0)
    whole = (parts["weight"] * parts["green"]).sum() / 100.0
    assert whole == pytest.approx(indicator(results, SHENYANG, YEAR))

    # time and cost of a trip of 4 to 8 km
    trips = frame_with(page, "in_vehicle", "outlay").set_index("mode")
    row = is_at(results, "travel_times", area=SHENYANG, year=YEAR, length_band="km_8", mode="car").row(0, named=True)
    before = is_at(results, "travel_times", area=SHENYANG, year=BASE_YEAR, length_band="km_8", mode="car").row(0, named=True)
    car = trips.loc[labels(inputs, "travel_mode", lang)["car"]]
    for shown, column in {"in_vehicle": "in_vehicle_min", "access": "access_min", "outlay": "outlay_cny"}.items():
        assert car[shown] == pytest.approx(row[column])
    assert (car["total"], car["base_total"]) == pytest.approx((row["total_min"], before["total_min"]))

    # trust: fitted, held out and context are told apart
    table = results.tables["travel_elasticities"]
    fitted, held = (table.filter(pl.col("role") == role) for role in ("calibration", "validation"))
    hits = held.filter(pl.col("verdict") == "within").height
    assert cards[t("cities.card_held", lang)] == f"{hits} / {held.height}"
    assert cards[t("cities.card_fitted", lang)].endswith(f"/ {fitted.height}")
    published = [found.value for found in page.dataframe if {"modelled", "verdict"} <= set(found.value.columns)]
    assert sum(len(frame) for frame in published[:-1]) == fitted.height + held.height

    # energy: CO2 of the city with the total last, load, movement, and one number with the accounts
    urban = is_at(results, "urban_travel", area=SHENYANG, year=YEAR)
    energy = frame_with(page, "mj_per_pkm", "direct_power")
    mass, digits = (1e4, ",.2f") if lang == "zh" else (1e3, ",.1f")
    assert energy["direct_power"].iloc[-1] == f"{float(urban['direct_power_t'].sum()) / mass:{digits}}"
    coal = float(urban["energy_tj"].sum()) / 29.3076e-3  # 1 tce = 29.3076 GJ
    power = 1e3 * coal / 0.1229  # kgce a kWh
    written = [f"{coal / 1e4:,.2f}", f"{power / 1e8:,.2f}"] if lang == "zh" else [f"{coal / 1e3:,.1f}", f"{power / 1e6:,.0f}"]
    assert [energy[name].iloc[-1] for name in ("coal", "power")] == written
    held = urban.filter(pl.col("energy_basis") == "accounts")
    assert energy["direct_power"].iloc[-2] == f"{float(held['direct_power_t'].sum()) / mass:{digits}}"
    bikes = energy.set_index("mode").loc[labels(inputs, "travel_mode", lang)["e_bike"]]
    assert bikes["basis"] == t("cities.basis_household", lang)
    assert float(bikes["direct_power"].replace(",", "")) > 0.0
    load = frame_with(page, "persons", "crowded")
    assert len(load) == is_at(results, "transit_load", year=YEAR).height
    buses = load[load["mode"] == labels(inputs, "travel_mode", lang)["bus"]]
    assert (buses[["line_km", "boardings", "per_km_day", "persons", "load", "limit"]] != "").all(axis=None)
    assert buses["line_km"].str.contains("*", regex=False).sum() == 13, "Shenyang alone has a figure of its own"
    of_shenyang = is_at(results, "transit_load", area=SHENYANG, year=YEAR, mode="bus").row(0, named=True)
    shown = buses[buses["city"] == areas[SHENYANG]].iloc[0]
    assert shown["persons"] == f"{of_shenyang['persons_per_vehicle']:.1f}"
    ends = (100.0 * of_shenyang[c] for c in ("load", "load_low", "load_high"))
    assert shown["load"] == "{:.0f} ({:.0f}–{:.0f})".format(*ends)
    active = frame_with(page, "base_walk_km", "cycle_min").set_index("city")
    walked = is_at(results, "active_travel", area=SHENYANG, year=YEAR)["walk_min_per_day"][0]
    assert active.loc[areas[SHENYANG], "walk_min"] == pytest.approx(walked)
    accounts = frame_with(page, "reconciliation", "intercity")
    assert accounts["gap"].abs().max() < 1e-6
    checks = results.tables["checks"].filter(pl.col("check").str.starts_with("urban."))
    assert checks["passed"].all()
    assert any(f"{checks.height} / {checks.height}" in box.value or f"{checks.height} of" in box.value for box in page.success)


def test_city_and_year_stand_in_the_link(root: Path, runs: Path, results: Results, inputs: Inputs) -> None:
    del runs
    page = opened(root, city="210700", year="2035")
    assert not page.exception
    assert page.selectbox(key="city").value == "210700"
    assert page.selectbox(key="city_year").value == "2035"
    cards = {card.label: card.value for card in page.metric}
    assert cards[t("cities.card_share", year=2035)] == f"{indicator(results, '210700', 2035):.1f}"
    page.selectbox(key="city").set_value("210500").run()
    assert page.query_params["city"] == "210500"
    assert page.query_params["year"] == "2035"
    assert any(labels(inputs, "area", "zh")["210500"] in title.value for title in page.subheader)
    wrong = opened(root, city="999999", year="1900")
    assert not wrong.exception
    assert wrong.selectbox(key="city").value == SHENYANG
    assert wrong.selectbox(key="city_year").value == "2030"


def test_a_run_of_an_older_version_is_told_from_an_error(root: Path, runs: Path) -> None:
    path = runs / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    for name in NEW:
        del manifest["tables"][name]
        (runs / f"{name}.parquet").unlink()
    path.write_text(json.dumps(manifest), encoding="utf-8")
    travel = pl.read_parquet(runs / "green_travel.parquet")
    travel.drop("pkm").write_parquet(runs / "green_travel.parquet")
    indicators = pl.read_parquet(runs / "indicators.parquet")
    indicators.filter(~pl.col("variant").is_in(["peak", "cold"])).write_parquet(runs / "indicators.parquet")
    page = opened(root)
    assert not page.exception
    said = [box.value for box in page.info]
    for name in set(NEW) - {"city_roads"}:
        assert sum(f"没有表 {name}（" in text for text in said) == 1, name
    assert "pkm" not in frame_with(page, "base_trips", "trips").columns
    assert not {"peak", "cold"} & set(frame_with(page, "gap", "break_even").columns)
    assert any(t("cities.no_switches", scenario="plan_2030") == text.value for text in page.caption)
    assert {card.label: card.value for card in page.metric}[t("cities.card_speed", normal=2019)] == "-"


def test_no_results_no_page(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path))
    page = opened(root)
    assert not page.exception
    assert not page.tabs
    assert any(box.value == t("app.nothing_yet", "zh") for box in page.info)


# ---- answers -----------------------------------------------------------------------------------------------------------------------


def needs_of(*rows: tuple[str, str, float, float]) -> pl.DataFrame:
    """Return required values: lever, status, value, share."""
    made = [
        {
            "scenario": "plan_2030",
            "area": SHENYANG,
            "year": YEAR,
            "lever": lever,
            "scope": "city",
            "now": 0.0,
            "minimum": 0.0,
            "maximum": 1.0,
            "status": status,
            "value": value,
            "share_now_pct": 66.0,
            "share_pct": share,
            "monotonic": True,
        }
        for lever, status, value, share in rows
    ]
    return pl.DataFrame(made, schema=NEEDS)


def driver(rank: int, parameter: str, subject: str, quality: str, share: tuple[float, float]) -> dict[str, object]:
    return {
        "scenario": "plan_2030",
        "area": SHENYANG,
        "year": YEAR,
        "parameter": parameter,
        "subject": subject,
        "unit": "percent",
        "value": 20.0,
        "low": 15.0,
        "high": 25.0,
        "rows": 1,
        "quality": quality,
        "source": "memory_2026",
        "share_low_pct": share[0],
        "share_high_pct": share[1],
        "swing_points": abs(share[1] - share[0]),
        "rank_correlation": -0.5,
        "rank_swing": rank,
        "rank_correlated": rank,
        "replace_first": 1 if quality == "recalled" else None,
    }


def mix_of(status: str, *levers: tuple[str, float, bool]) -> pl.DataFrame:
    """Return a mix of levers: lever, cost [CNY/yr], whether it is at the end of its range."""
    head = {"scenario": "plan_2030", "area": SHENYANG, "year": YEAR, "status": status, "share_pct": 70.0, "unpriced": ""}
    own = [
        {"lever": lever, "now": 0.1, "value": 0.4, "end": 0.6, "lever_cost_cny": cost, "binding": bound}
        for lever, cost, bound in levers
    ]
    rows = [{**head, "with_prices": way, **row} for way in (True, False) for row in own or [{}]]
    return pl.DataFrame(rows, schema=MIX)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_finished_calculations_are_shown(root: Path, runs: Path, inputs: Inputs, lang: str) -> None:
    run = read_run(runs)
    page = opened(root, lang=lang)
    assert {button.key for button in page.button} >= {f"cities_start_{task}" for task in city_jobs.TASKS}
    levers = [lever.lever for lever in inputs.levers if lever.by_area][:3]
    needs = needs_of(
        (levers[0], "reached", 0.25, 70.0), (levers[1], "out_of_range", 1.0, 68.5), (levers[2], "no_help", 0.0, 66.0)
    )
    drivers = pl.DataFrame(
        [
            driver(1, "travel_base_share", f"{SHENYANG}.bus", "recalled", (64.0, 72.0)),
            driver(2, "trip_rate", "all", "official", (66.0, 66.5)),
        ],
        schema=DRIVERS,
    )
    said = pl.DataFrame([{"with_prices": w, "lang": x, "text": f"{x} {w}"} for w in (True, False) for x in ("zh", "en")])
    files = pl.DataFrame({"with_prices": [True, False], "text": ['base = "plan_2030"', "x = 1"]})
    mix = {"mix": mix_of("reached", (levers[0], 2e6, False), (levers[1], 5e6, True)), "said": said, "files": files}
    asked = {"areas": [SHENYANG], "year": YEAR}
    resolved = run.manifest["resolved"]
    names = {
        task: calculation_panel.identity_of(task, resolved, {**asked, "draws": draws})
        for task, draws in (("needs", NEED_DRAWS), ("mix", START_DRAWS), ("drivers", START_DRAWS))
    }
    page.session_state[DESK.answers] = {
        names["needs"]: {"needs": needs},
        names["mix"]: mix,
        names["drivers"]: {"drivers": drivers},
    }
    page.run()
    assert not page.exception
    called = lever_labels(inputs, lang)

    text = next(block.value for block in page.markdown if called[levers[0]] in block.value)
    assert called[levers[1]] not in text, "only what reaches the target alone is said to do so"
    answer = frame_with(page, t("green_travel.answer", lang))
    assert (
        answer[t("green_travel.answer", lang)].tolist()
        == needs_lines(needs, inputs, lang)[t("green_travel.answer", lang)].to_list()
    )
    assert "68.5" in answer[t("green_travel.answer", lang)].tolist()[1], "how far the measure leads where it is not enough"

    costs = [found.value for found in page.dataframe if "binding" in found.value.columns]
    assert len(costs) == 2
    assert costs[0]["cost"].tolist() == pytest.approx([5e6 / city_answers.MONEY[lang], 2e6 / city_answers.MONEY[lang]])
    assert costs[0]["binding"].tolist() == [t("cities.at_limit", lang), ""]
    assert sum(f"{lang} {way}" in box.value for box in page.info for way in (True, False)) == 2

    table = frame_with(page, "swing", "correlation")
    assert table["swing"].tolist() == pytest.approx([8.0, 0.5])
    assert table["first"].tolist() == ["1", ""]
    first = input_name("travel_base_share", f"{SHENYANG}.bus", inputs, lang)
    key = f"`travel_base_share {SHENYANG}.bus`"
    assert any(box.value == t("cities.replace_first", lang, inputs=f"{first} {key}") for box in page.info)
    left = {button.key for button in page.button}
    assert "cities_start_interval" in left
    assert not left & {f"cities_start_{task}" for task in ("needs", "mix", "drivers")}


def test_levers_that_do_not_reach_the_target_are_told_so(inputs: Inputs) -> None:
    levers = [lever.lever for lever in inputs.levers if lever.by_area][:2]
    rows = city_answers.reach_rows(
        needs_of((levers[0], "no_help", 0.0, 66.0), (levers[1], "out_of_range", 1.0, 68.5)), inputs, "zh"
    )
    assert rows["lever"].to_list() == [lever_labels(inputs, "zh")[levers[1]]]
    assert "范围内不能达标" in rows["answer"][0]


def test_intervals_are_listed_by_city_in_the_order_of_the_scenarios(inputs: Inputs) -> None:
    rows = [
        {
            "scenario": scenario,
            "area": area,
            "year": YEAR,
            "has_target": area == SHENYANG,
            "share_pct": 60.0 + k,
            "share_p5_pct": 55.0,
            "share_p95_pct": 75.0,
            "target_pct": 70.0,
            "probability_pct": 10.0 * k,
        }
        for k, scenario in enumerate(("stretch", "baseline"))
        for area in ("210500", SHENYANG)
    ]
    titles = {"baseline": "B", "stretch": "S"}
    table = city_answers.interval_rows(pl.DataFrame(rows, schema=VIEW), titles, inputs, "en")
    area = labels(inputs, "area", "en")
    assert table.select("city", "scenario", "share").rows() == [
        (area[SHENYANG], "B", 61.0),
        (area[SHENYANG], "S", 60.0),
        (area["210500"], "B", 61.0),
        (area["210500"], "S", 60.0),
    ]
    spec = city_charts.intervals(table, 70.0, [area[SHENYANG]], ["B", "S"], lang="en").to_dict()
    held = [row for data in spec["datasets"].values() for row in data]
    assert {"target": 70.0} in held
    assert spec["layer"][0]["encoding"]["x"]["scale"]["domain"] == [52.0, 78.0]


def test_cities_that_share_one_set_of_base_shares_are_named(inputs: Inputs) -> None:
    rows = inputs.parameters.filter(pl.col("parameter") == "travel_base_share")

    def own(area: str) -> list[tuple[object, ...]]:
        mine = rows.filter(pl.col("subject").str.starts_with(f"{area}.")).sort("subject")
        return mine.select(pl.col("subject").str.slice(7), "value", "low", "high").rows()

    groups = city_tables.alike(inputs, [SHENYANG, "210300", "210400", "210700"])
    assert all(own(area) == own(group[0]) for group in groups for area in group)
    assert not any(SHENYANG in group for group in groups if own(SHENYANG) != own("210300"))
    assert set(city_tables.base_quality(inputs, [SHENYANG])) == {SHENYANG}


def test_published_figures_have_names_in_both_languages(stored_run: StoredRun, inputs: Inputs) -> None:
    table = stored_run.table("travel_elasticities")
    for lang in ("zh", "en"):
        for role in city_answers.ROLES:
            for cases in (True, False):
                found = city_answers.published_rows(table, role, inputs, lang, cases=cases)
                assert not [item for item in found["item"] if re.fullmatch(r"[a-z0-9_.]+", item)], "an item without a name"


# ---- calculations ------------------------------------------------------------------------------------------------------------------


def wait(job: Any) -> None:
    for _ in range(3000):
        if job.finished():
            return
        time.sleep(0.2)
    pytest.fail("the calculation does not end")


def test_a_calculation_leaves_its_table_and_its_progress() -> None:
    asked: dict[str, Any] = {"areas": [SHENYANG], "year": YEAR, "draws": 2, "scenarios": ["baseline"]}
    job = calculations.start(city_jobs.MODULE, "interval", lang="zh", **asked)
    wait(job)
    assert job.succeeded(), job.message()
    view = calculations.answers_in(job.folder)["interval"]
    assert view.select("scenario", "area").rows() == [("baseline", SHENYANG)]
    assert view["share_p5_pct"][0] <= view["share_p95_pct"][0]
    assert job.progress()[0] == 1.0
    job.clear()
    assert not job.folder.exists()


def test_a_refused_calculation_says_why(stored_run: StoredRun) -> None:
    asked: dict[str, Any] = {"areas": ["999999"], "year": YEAR, "draws": 1, "manifest": stored_run.manifest}
    job = calculations.start(city_jobs.MODULE, "needs", lang="zh", **asked)
    wait(job)
    assert not job.succeeded()
    assert "999999" in job.message()
    assert calculations.answers_in(job.folder) == {}
    job.clear()


def test_a_refusal_and_its_end_show_on_the_page(root: Path, runs: Path) -> None:
    run = read_run(runs)
    page = opened(root)
    asked = {"areas": [SHENYANG], "year": YEAR, "draws": NEED_DRAWS}
    identity = calculation_panel.identity_of("needs", run.manifest["resolved"], asked)
    page.session_state[DESK.message] = (identity, t("cities.died", "zh", message="没有数据"))
    page.run()
    assert not page.exception
    assert any(box.value == "计算没有完成：没有数据" for box in page.warning)
    assert any(button.key == "cities_start_needs" for button in page.button)


def test_a_mix_is_said_in_both_languages_and_is_a_scenario_file(stored_run: StoredRun, inputs: Inputs) -> None:
    """The city with the highest share needs no measure: the search ends at once."""
    shares = stored_run.table("indicators").filter(
        pl.col("id") == city_tables.GREEN, pl.col("year") == YEAR, pl.col("variant") == ""
    )
    best = shares.sort("value", descending=True).row(0, named=True)
    assert best["value"] > 70.0
    request = {"task": "mix", "areas": [best["area"]], "year": YEAR, "draws": 1, "manifest": stored_run.manifest}
    told: list[tuple[int, int, str]] = []
    found = city_jobs.solve(request, inputs, lambda *step: told.append(step))
    assert [step[:2] for step in told] == [(0, 2), (1, 2)]
    assert set(found["mix"]["status"]) == {"met"}
    for lang in ("zh", "en"):
        said = found["said"].filter(pl.col("lang") == lang)["text"].to_list()
        assert any(stored_run.manifest[f"title_{lang}"] in text for text in said)
    assert all('base = "plan_2030"' in text for text in found["files"]["text"])


def test_costs_of_a_mix_are_listed_from_the_dearest(inputs: Inputs) -> None:
    levers = [lever.lever for lever in inputs.levers if lever.by_area][:2]
    rows = city_answers.mix_rows(
        mix_of("reached", (levers[0], 1e6, False), (levers[1], 3e6, True)).filter("with_prices"), inputs, "en"
    )
    assert rows["cost"].to_list() == pytest.approx([3.0, 1.0])
    assert city_answers.mix_rows(mix_of("met").filter("with_prices"), inputs, "en").is_empty()


def test_english_texts_of_the_page_hold_no_chinese() -> None:
    mine = {key: text for key, text in texts("en").items() if key.startswith("cities.")}
    assert len(mine) > 150
    assert not [key for key, text in mine.items() if re.search(r"[\u4e00-\u9fff]", text)]


def test_every_input_of_city_travel_has_a_name(inputs: Inputs) -> None:
    rows = inputs.parameters.filter(pl.col("parameter").str.starts_with("travel_"), pl.col("low").is_not_null())
    for parameter in rows["parameter"].unique().sort():
        assert input_name(parameter, "all", inputs, "zh") not in {"", parameter}, parameter
