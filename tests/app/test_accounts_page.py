"""The page of the accounts: every shown number against the run's tables, in both languages, and a note where a table is missing."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from transport.app import account_charts, account_tables, area_tables
from transport.decompose import RULES
from transport.i18n import has_text, labels, t, texts
from transport.progress import SCHEMA, progress_table
from transport.scenario import load_scenario
from transport.scorecard import READING
from transport.store import run_id
from transport.targets import unmodelled
from transport.text import reason_text
from transport.text import shown as on_scale

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.store import StoredRun
    from transport.study import Results

CHINESE = re.compile(r"[\u4e00-\u9fff]")
HEADLINE = {"boundary": "road+rail+water", "scope": "direct", "base": "2020"}


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
    return page.switch_page(str(root / "transport" / "app" / "views" / "accounts.py")).run()


def summed(cells: Any) -> float:
    """Return the sum of numbers written as texts; an empty text is no number."""
    return sum(float(cell.replace(",", "")) for cell in cells if cell)


def frame_with(page: AppTest, *columns: str) -> Any:
    """Return the first table of the page that has these columns."""
    return next(found.value for found in page.dataframe if set(columns) <= set(found.value.columns))


def total(values: pl.Series) -> float:
    return float(str(values.sum()))


def is_at(results: Results, name: str, **codes: object) -> pl.DataFrame:
    return results.tables[name].filter(*[pl.col(k) == v for k, v in codes.items()])


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_page_shows_the_numbers_of_the_run(root: Path, runs: Path, lang: str, results: Results, inputs: Inputs) -> None:
    del runs
    page = opened(root, lang=lang)
    assert not page.exception
    assert len(page.tabs) == 9
    scale = 1e4 if lang == "zh" else 1e3

    readings = is_at(results, "indicators", id="operating_co2_intensity", year=2030, variant="")
    met = readings.filter(pl.col("verdict").is_in(["met", "within_tolerance"])).height
    titles = [title.value for title in page.subheader]
    assert any(str(readings.height) in title and str(met) in title for title in titles)
    scenarios = frame_with(page, "scenario", "met")
    assert scenarios["met"].tolist() == [f"{met} / {readings.height}"]
    headline = is_at(readings_only(results), "indicators", **HEADLINE)["value"][0]
    assert scenarios["value"].iloc[0] == pytest.approx(headline)

    power = HEADLINE | {"scope": "direct_power", "year": 2030, "variant": ""}
    ids = ("operating_co2_intensity", "operating_co2_intensity_frozen_grid")
    moving, frozen = (is_at(results, "indicators", id=one, **power)["value"][0] for one in ids)
    assert moving < frozen  # the grid gets cleaner
    assert any(f"{moving:+.1f}" in caption.value and f"{frozen:+.1f}" in caption.value for caption in page.caption)

    costs = frame_with(page, "present", "per_tonne")
    status = labels(inputs, "cost_status", lang)
    empty = costs["status"] == status["no_cost_known"]
    assert (costs["present"][empty] == "").all()
    assert not (costs["present"][~empty] == "").any()
    worth = total(results.tables["costs"]["discounted_cny2023"]) / account_tables.MONEY[lang]
    assert summed(costs["present"]) == pytest.approx(worth, abs=0.005 * len(costs))

    change = is_at(results, "attribution", to_year=2030, detail="", factor="total", **HEADLINE)["change_pct"][0]
    assert change == pytest.approx(headline, abs=1e-6)
    assert any(f"{change:+.1f}" in title for title in titles)
    assert any(f"{change:+.1f}" in box.value for box in page.info)

    entries = frame_with(page, "entry", "rest_pct")
    published = is_at(results, "balance_bridge", year=2019, sector="transport", fuel="diesel", kind="published")["quantity"][0]
    transport = entries[
        (entries["sector"] == labels(inputs, "nbs_sector", lang)["transport"])
        & (entries["fuel"] == labels(inputs, "carrier", lang)["diesel"])
    ]
    assert transport["entry"].iloc[0] == pytest.approx(published / scale)
    assert transport["explained"].iloc[0] == pytest.approx(
        published / scale * (1 - transport["rest_pct"].iloc[0] / 100.0), rel=1e-6
    )

    cities = frame_with(page, "area", "gasoline")
    gasoline = total(is_at(results, "energy_areas", year=2030, carrier="gasoline")["quantity"])
    assert cities["gasoline"].iloc[-1] == pytest.approx(gasoline / scale)
    assert cities["gasoline"].iloc[:-1].sum() == pytest.approx(gasoline / scale)
    assert len(cities) == 16

    levels = is_at(results, "indicator_areas", id="operating_co2_intensity_level", year=2030, **HEADLINE)
    found = frame_with(page, "upper", "lower")
    assert len(found) == 16
    whole = levels.filter(pl.col("area") == "210000").row(0, named=True)
    assert found["value"].iloc[-1] == on_scale(whole["value"], "gCO2/tkm", lang)
    assert found["change"].iloc[-1] == f"{headline:+.1f}"
    assert found["upper"].iloc[:-1].sum() == pytest.approx(100.0)
    assert found["lower"].iloc[:-1].sum() == pytest.approx(100.0)

    bus = is_at(
        results, "energy_months", year=2030, vehicle_class="urban_bus_12m", powertrain="battery_electric", carrier="electricity"
    )
    cold, warm = (bus.filter(pl.col("month") == month)["per_km"][0] for month in (1, 7))
    seasons = frame_with(page, "winter", "summer")
    mine = seasons[abs(seasons["winter"] - cold) < 1e-9]
    assert float(mine["more"].iloc[0]) == pytest.approx(100.0 * (cold / warm - 1.0), abs=0.051)
    assert cold > warm

    by_city, by_sector = (found.value for found in page.dataframe if "cut_pct" in found.value.columns)
    cut = total(is_at(results, "target_shares", target="operating_co2_intensity", rule="equal_rate")["cut"])
    for shown in (by_city, by_sector):
        assert shown["cut"].iloc[-1] == pytest.approx(cut / scale)
        assert shown["cut"].iloc[:-1].sum() == pytest.approx(cut / scale)
    assert by_city["name"].iloc[0] == labels(inputs, "area", lang)["210100"]


def readings_only(results: Results) -> Any:
    """Return results with nothing but the readings of 2030 among the indicators."""
    rows = is_at(results, "indicators", id="operating_co2_intensity", year=2030, variant="")
    return type(results)(results.scenario, results.data_hash, {"indicators": rows})


def test_other_choices_change_what_is_shown(root: Path, runs: Path, results: Results) -> None:
    del runs
    page = opened(root)
    page.selectbox(key="accounts_share_rule").set_value("population").run()
    cut = total(is_at(results, "target_shares", target="operating_co2_intensity", rule="population", area="210100")["cut"])
    assert frame_with(page, "cut_pct", "gap")["cut"].iloc[0] == pytest.approx(cut / 1e4)
    page.selectbox(key="accounts_attribution_year").set_value(2025).run()
    change = is_at(results, "attribution", to_year=2025, detail="", factor="total", **HEADLINE)["change_pct"][0]
    assert any(f"2025 年的变化：{change:+.1f}" in title.value for title in page.subheader)
    page.selectbox(key="accounts_cost_year").set_value(2035).run()
    spent = total(is_at(results, "costs", year=2035)["total_cny2023"].drop_nulls()) / 1e8
    costs = frame_with(page, "present", "per_tonne")
    assert summed(costs["total"]) == pytest.approx(spent, abs=0.005 * len(costs))
    page.selectbox(key="accounts_fuel").set_value("kerosene").run()
    assert not page.exception
    assert any("煤油" in title.value for title in page.subheader)


def test_another_sector_drops_a_fuel_it_does_not_have(root: Path, runs: Path) -> None:
    del runs
    page = opened(root)
    page.selectbox(key="accounts_fuel").set_value("fuel_oil").run()
    page.selectbox(key="accounts_sector").set_value("household").run()
    assert not page.exception
    assert page.selectbox(key="accounts_fuel").value in {"gasoline", "diesel"}


def test_switching_the_language_keeps_the_choices(root: Path, runs: Path) -> None:
    del runs
    page = opened(root)
    chosen = {"share_rule": "gdp", "area_year": 2025, "area_scope": "wtw", "scope": "direct_power"}
    for key, value in chosen.items():
        page.selectbox(key=f"accounts_{key}").set_value(value).run()
    page.button_group(key="lang").set_value("en").run()
    assert not page.exception
    assert {key: page.selectbox(key=f"accounts_{key}").value for key in chosen} == chosen


def visible(page: AppTest) -> list[str]:
    """Return the texts of the page and the words in its tables."""
    parts = [*page.header, *page.subheader, *page.caption, *page.info, *page.metric, *page.expander, *page.tabs, *page.markdown]
    found = [text for part in parts for text in (getattr(part, "label", ""), str(getattr(part, "value", ""))) if text]
    for table in page.dataframe:
        words = table.value.select_dtypes(exclude=["number", "bool"])
        cells = [str(value) for name in words.columns for value in words[name].unique()]
        found += [cell for cell in cells if "?parameter=" not in cell]  # an address, shown as a word of the language
    for box in page.selectbox:
        found += [box.label, *box.options]
    return found


def test_no_code_stands_on_the_page(root: Path, runs: Path, inputs: Inputs) -> None:
    del runs
    texts = visible(opened(root))
    codes = re.compile(r"\b(operating_|urban_|private_|light_truck|road_|equal_rate|app\.|decompose\.|attribution\.|account\.)")
    assert len(texts) > 150
    assert [text for text in texts if codes.search(text)] == []
    english = [text for text in texts if re.search(r"[A-Za-z]{5,}", text) and not CHINESE.search(text) and "Open" not in text]
    assert english == []
    chinese = [text for text in visible(opened(root, lang="en")) if CHINESE.search(text) and text != "中文"]
    # the wording of a clause and the titles of sources stand as they were published
    titles = inputs.table("sources")["citation"].to_list()
    assert [text for text in chinese if not text.startswith("Clause (") and not any(title in text for title in titles)] == []


@pytest.mark.parametrize("lang", ["zh", pytest.param("en", marks=pytest.mark.slow)])
@pytest.mark.parametrize("table", sorted(account_tables.NEEDED))
def test_a_run_without_a_table_gets_a_note_in_its_place(root: Path, runs: Path, lang: str, table: str) -> None:
    text = (runs / "manifest.json").read_text(encoding="utf-8").replace(f'"{table}":', f'"not_{table}":')
    (runs / "manifest.json").write_text(text, encoding="utf-8")
    page = opened(root, lang=lang)
    assert not page.exception
    [note] = [box.value for box in page.info if re.search(rf" {table}\b", box.value)]
    assert "transport run plan_2030" in note
    assert len(page.tabs) == 9


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_without_a_run_the_page_says_what_to_do(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lang: str) -> None:
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path))
    page = opened(root, lang=lang)
    assert not page.exception
    assert len(page.tabs) == 0
    assert page.info


# --- builders -----------------------------------------------------------------------------------------------------------------------


def test_steps_of_an_attribution_end_at_the_total() -> None:
    rows = [
        ("covid_rebound", "", -2.0),
        ("grid", "", 1.0),
        ("efficiency", "", -4.0),
        ("total", "", -5.0),
        ("efficiency", "x", -4.0),
    ]
    table = pl.DataFrame(
        [{"to_year": 2030, **HEADLINE, "factor": f, "detail": d, "change_pct": c, "g_per_tkm": c / 10} for f, d, c in rows]
    )
    bars = account_tables.steps(table, 2030, HEADLINE)
    assert bars["key"].to_list() == [*account_tables.FACTORS, "total"]
    assert bars["end"][-2] == bars["end"][-1] == -5.0
    assert bars.row(0) == ("covid_rebound", -2.0, 0.0, -2.0)
    assert bars.filter(pl.col("key") == "efficiency").row(0) == ("efficiency", -4.0, -2.0, -6.0)


def test_the_bars_of_a_bridge_end_at_the_entry(results: Results, inputs: Inputs) -> None:
    table = results.tables["balance_bridge"]
    bars = account_tables.balance_steps(table, 2019, "transport", "diesel", inputs, "zh")
    assert bars["kind"].to_list()[-2:] == ["rest", "total"]
    assert bars["end"][-2] == pytest.approx(bars["end"][-1])
    assert bars["quantity"][-1] == pytest.approx(690.69, abs=0.01)
    assert bars["name"].is_unique().all()


def test_the_matrix_writes_the_verdict_in_words() -> None:
    one = {**HEADLINE, "value": -12.34, "is_met": True, "is_headline": True}
    table = pl.DataFrame([one, one | {"scope": "wtw", "value": -3.21, "is_met": False, "is_headline": False}])
    spec = account_charts.readings(
        table, {"road+rail+water": "R"}, {"direct": "D", "wtw": "W"}, {"2020": "B"}, lang="en"
    ).to_dict()
    rows = [row for data in spec["datasets"].values() for row in data]
    assert {row["written"] for row in rows} == {"-12.3 met", "-3.2 missed"}


def test_stacked_bars_hold_all_amounts_and_write_the_sum() -> None:
    table = pl.DataFrame({"name": ["a", "a", "b"], "part": ["x", "y", "x"], "amount": [1.0, 2.5, 4.0]})
    spec = account_charts.stacked(table, {"x": "#111111", "y": "#222222"}, title="t", order=["a", "b"]).to_dict()
    rows = [row for data in spec["datasets"].values() for row in data]
    assert {row["written"] for row in rows if "written" in row} == {"3.5", "4.0"}
    assert sum(row["amount"] for row in rows if "amount" in row) == 7.5


def test_every_sector_has_a_colour_and_every_rule_and_light_a_text(inputs: Inputs) -> None:
    assert set(account_charts.SECTOR_COLOURS) == set(labels(inputs, "area_sector"))
    assert set(RULES) == set(labels(inputs, "share_rule"))
    for lang in ("zh", "en"):
        assert [r for r in RULES if not has_text(f"decompose.rule_{r}", lang)] == []
        assert [c for c in ("green", "amber", "red", "grey") if not has_text(f"app.accounts.light_{c}", lang)] == []
        assert [f for f in account_tables.FACTORS if not has_text(f"attribution.factor.{f}", lang)] == []


def test_lights_of_progress_are_told_without_colour_and_with_a_reason(inputs: Inputs) -> None:
    row = dict.fromkeys(SCHEMA) | {
        "id": "operating_co2_intensity", "area": "210000", "target_year": 2030, "start_year": 2020, "light": "amber", "period": "2024",
        "actual": -2.0, "path": -3.8, "gap": 1.8, "target": -9.5, "needed_per_year": -1.25, "achieved_per_year": -0.5, "unit": "percent",
        "reason": "behind",
    }  # fmt: skip
    shown = account_tables.lights(pl.DataFrame([row], schema=SCHEMA), inputs, "en").row(0, named=True)
    assert (shown["light"], shown["area"]) == ("▲ speed up", "Liaoning")
    assert (shown["actual"], shown["path"], shown["needed"]) == ("-2.00", "-3.80", "-1.25")
    assert all(number in shown["reason"] for number in ("-2.00", "-3.80", "1.80", "-1.25", "2030"))


def test_lights_say_where_no_model_stands_behind_a_target(inputs: Inputs) -> None:
    row = dict.fromkeys(SCHEMA) | {
        "id": "cr_express_trains", "area": "210000", "target_year": 2025, "start_year": 2020, "light": "grey", "target": 1000.0,
        "unit": "train/yr", "reason": "past_no_actual",
    }  # fmt: skip
    for lang in ("zh", "en"):
        told = account_tables.lights(pl.DataFrame([row], schema=SCHEMA), inputs, lang)["reason"][0]
        assert told.startswith(reason_text(row, lang))
        assert told.endswith(t("progress.not_modelled", lang, reason=unmodelled(inputs, lang)["cr_express_trains"]))


def test_the_reading_by_place_is_that_of_the_headline(results: Results, inputs: Inputs) -> None:
    table, definitions = results.tables["indicator_areas"], inputs.table("indicators")
    for scope in ("direct", "wtw"):
        reading = area_tables.reading_of(table, "operating_co2_intensity_level", definitions, scope)
        assert reading == {**HEADLINE, "scope": scope, "variant": ""}
    assert area_tables.reading_of(table, "clean_share_of_additions", definitions, "wtw") == {
        "scope": "", "boundary": "", "base": "2020", "variant": "all_civil:plan"
    }  # fmt: skip
    assert set(table["id"].to_list()) == set(area_tables.INDICATORS)


def test_the_months_of_a_chart_have_the_mean_of_a_hundred(results: Results, inputs: Inputs) -> None:
    rows = area_tables.months(results.tables["energy_months"], 2030, "urban_bus_12m", inputs, "en")
    means = rows.group_by("name").agg(pl.col("index").mean(), pl.len())
    assert means["index"].to_list() == pytest.approx([100.0] * means.height)
    assert set(means["len"].to_list()) == {12}
    table = area_tables.winter(results.tables["energy_months"], 2030, "urban_bus_12m", inputs, "en")
    heaters = table.filter(pl.col("summer") == 0.0)
    assert heaters["name"].to_list() == ["Battery electric (Diesel)"]
    assert heaters["more"].to_list() == [None]
    chart = account_charts.months(rows, title="a", month="b", temperature="c").to_dict()
    assert len(chart["layer"]) == 2


def test_lights_tell_the_reason_as_the_command_does(inputs: Inputs) -> None:
    row = dict.fromkeys(SCHEMA) | {
        "id": "sea_rail_share", "area": "210000", "target_year": 2030, "start_year": 2020, "light": "green", "period": "2024",
        "actual": 14.5, "low": 11.0, "high": 16.0, "path": 14.0, "gap": -0.5, "target": 20.0, "unit": "percent", "reason": "on_path",
        "light_low": "red", "light_high": "green", "start_from": "model",
    }  # fmt: skip
    for lang in ("zh", "en"):
        told = account_tables.lights(pl.DataFrame([row], schema=SCHEMA), inputs, lang)["reason"][0]
        assert told == reason_text(row, lang)
        assert t("progress.modelled_start", lang, year=2020) in told
        assert "11.0" in told
        assert "16.0" in told


def test_what_the_headline_target_asks_for_comes_from_the_data(inputs: Inputs) -> None:
    assert account_tables.demand(inputs, "operating_co2_intensity", 2030) == {"target": "−9.5", "tolerance": "0.5"}
    other = tuple(replace(x, value=-12.0, tolerance=1.0) if x.id == "operating_co2_intensity" else x for x in inputs.targets)
    asked = account_tables.demand(replace(inputs, targets=other), "operating_co2_intensity", 2030)
    assert asked == {"target": "−12", "tolerance": "1"}
    for lang in ("zh", "en"):
        for key in ("app.accounts.readings_note", "app.matrix_title"):
            assert not re.search(r"2030|9\.5|0\.5", texts(lang)[key]), key


def test_what_is_neither_fitted_nor_held_out_has_one_name(inputs: Inputs) -> None:
    name = labels(inputs, "used_for", "zh")["context"]
    assert {t(f"{key}.context", "zh") for key in ("hindcast", "app.accounts")} == {name} == {"仅供参考"}
    assert name in t("app.fit_note", "zh")
    assert [key for key, text in texts("zh").items() if "背景" in text or "读数：" in text] == []


def test_every_reason_can_be_told_in_both_languages(inputs: Inputs) -> None:
    """Reasons of all targets at every date, so that no placeholder of a text lacks its number."""
    starts = pl.DataFrame(
        schema={"id": pl.String, "area": pl.String, "year": pl.Int64}
        | dict.fromkeys(("value", "target"), pl.Float64)
        | dict.fromkeys(READING, pl.String)
    )
    for as_of in (2021, 2025, 2030):
        table = progress_table(inputs, starts, as_of=as_of)
        for lang in ("zh", "en"):
            shown = account_tables.lights(table, inputs, lang)
            assert shown.height == table.height > 10
            assert all(shown["reason"].to_list())
