"""The page of prefectures: shown numbers against the profile, in both languages; without a run, and with an earlier one."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from transport.app import prefecture_charts, prefecture_tables
from transport.i18n import labels, t
from transport.prefecture_profile import prefecture_profile
from transport.prefecture_series import NEEDED, RULES
from transport.prefecture_text import MEASURES, TOTALS, series_name
from transport.prefectures import UNALLOCATED, prefectures
from transport.scenario import load_scenario
from transport.store import run_id

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.store import StoredRun
    from transport.study import Results

CHINESE = re.compile(r"[\u4e00-\u9fff]")
INTENSITY, GREEN, CO2 = "operating_co2_intensity", "green_travel_share", "transport_co2_total"


@pytest.fixture
def runs(stored_run: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: Inputs) -> Path:
    """Return the plan's run folder, where the app looks for it."""
    folder = tmp_path / run_id(load_scenario("plan_2030", inputs.folder, inputs.levers), inputs.data_hash)
    shutil.copytree(stored_run.folder, folder)
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path))
    return folder


@pytest.fixture(scope="module")
def profile(results: Results, inputs: Inputs) -> pl.DataFrame:
    return prefecture_profile({name: results.tables[name] for name in NEEDED}, inputs, 2030)[0]


def opened(root: Path, lang: str) -> AppTest:
    page = AppTest.from_file(str(root / "streamlit_app.py"), default_timeout=240)
    page.query_params["lang"] = lang
    page.run()
    return page.switch_page(str(root / "transport" / "app" / "views" / "prefectures.py")).run()


def choose(page: AppTest, key: str, option: Any) -> AppTest:
    """Choose an option by its code."""
    box = next(box for box in page.selectbox if box.key == f"prefectures_{key}")
    return box.set_value(option).run()


def frame_with(page: AppTest, *columns: str) -> Any:
    """Return the first table of the page that has these columns."""
    return next(found.value for found in page.dataframe if set(columns) <= set(found.value.columns))


def lose(folder: Path, *names: str) -> None:
    """Take tables away from a run, as one made before they were."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for name in names:
        (folder / f"{name}.parquet").unlink()
        del manifest["tables"][name]
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_page_shows_ranking_prefecture_and_method(
    root: Path, runs: Path, lang: str, profile: pl.DataFrame, inputs: Inputs
) -> None:
    del runs
    page = opened(root, lang)
    assert not page.exception
    assert len(page.tabs) == 3
    rows = profile.filter(pl.col("id") == INTENSITY)
    body, total = rows.filter(~pl.col("area").is_in(TOTALS)), rows.filter(pl.col("area").is_in(TOTALS))
    shown = frame_with(page, "rank", "contribution", "denominator_pct")
    assert len(shown) == rows.height
    assert shown["value"].iloc[-1] == pytest.approx(total["value"][0])
    assert shown["contribution"].iloc[:-1].sum() == pytest.approx(total["change"][0], abs=1e-6)
    assert shown["value"].iloc[:14].tolist() == sorted(body.filter(pl.col("area") != UNALLOCATED)["value"])
    assert (shown["by_own"] + shown["by_weight"]).tolist() == pytest.approx(shown["contribution"].tolist())
    quality = labels(inputs, "quality", lang)
    assert {cell[0] for cell in shown["quality"]} == {quality[code] for code in rows["quality"].unique()}

    mine = frame_with(page, "indicator", "whole", "share")
    assert len(mine) == len(RULES)
    city = profile.filter(pl.col("area") == "210100")
    assert mine["share"].tolist() == pytest.approx(city["numerator_pct"].to_list())
    assert mine["indicator"].tolist() == [series_name(row, "value", inputs, lang) for row in city.iter_rows(named=True)]
    heads = frame_with(page, "numerator", "per_head", "per_gdp_rank")
    assert heads["per_head"].iloc[0].startswith(f"{city['per_head'][0]:.3g} ")
    assert set(frame_with(page, "reason")["indicator"]) == {
        labels(inputs, "indicator", lang)[code] for code in set(inputs.table("indicators")["id"]) - {rule.id for rule in RULES}
    }
    counted = frame_with(page, "gdp_cny", "gdp_quality")
    assert counted["gdp_cny"].iloc[0] == pytest.approx(city["gdp_cny"].drop_nulls()[0] / prefecture_tables.MONEY[lang], abs=1)
    texts = [str(element.value) for kind in (page.caption, page.markdown, page.subheader, page.header) for element in kind]
    if lang == "en":
        own = "\n".join(texts).replace("中文", "")
        assert not CHINESE.search(own), CHINESE.findall(own)
    assert any(t("prefecture.allocated", lang) in value for value in texts)
    assert t("provenance.about_prefectures", lang) in texts
    rests_on = frame_with(page, "parameter", "verified", "sources")
    basis = inputs.table("indicators").filter(pl.col("id") == INTENSITY)["basis"][0]
    assert len(rests_on) == len(basis.split())


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["zh", pytest.param("en", marks=pytest.mark.slow)])
def test_every_indicator_and_measure_can_be_shown(root: Path, runs: Path, lang: str, profile: pl.DataFrame) -> None:
    del runs
    page = opened(root, lang)
    indicators = [rule.id for rule in RULES] if lang == "zh" else [GREEN, CO2]
    for indicator in indicators:
        page = choose(page, "indicator", indicator)
        assert not page.exception, indicator
        rows = profile.filter(pl.col("id") == indicator)
        measures = prefecture_tables.offered(rows, MEASURES)
        assert len(measures) >= 3
        for measure in measures[1:] if indicator in {INTENSITY, GREEN, CO2} else measures[-1:]:
            page = choose(page, "measure", measure)
            assert not page.exception, (indicator, measure)
            shown = frame_with(page, "rank", "per_head" if measure.startswith("per_") else "value")
            assert len(shown) == rows.height, (indicator, measure)


def test_the_other_prefecture_year_and_scope(root: Path, runs: Path, results: Results, inputs: Inputs) -> None:
    del runs
    page = choose(opened(root, "zh"), "area", "210200")
    assert any("大连市" in title.value for title in page.subheader)
    page = choose(choose(page, "year", 2035), "scope", "wtw")
    assert not page.exception
    tables = {name: results.tables[name] for name in NEEDED}
    later, _ = prefecture_profile(tables, inputs, 2035, scope="wtw")
    total = later.filter(pl.col("id") == INTENSITY, pl.col("area").is_in(TOTALS))
    assert total["scope"][0] == "wtw"
    assert frame_with(page, "rank", "contribution", "denominator_pct")["value"].iloc[-1] == pytest.approx(total["value"][0])


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_without_a_run_the_page_says_so(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lang: str) -> None:
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path))
    page = opened(root, lang)
    assert not page.exception
    assert t("app.nothing_yet", lang) in [box.value for box in page.info]
    assert not page.dataframe


def test_an_earlier_run_shows_what_it_has(root: Path, runs: Path, inputs: Inputs) -> None:
    lose(runs, "indicator_areas", "turnover_areas", "co2_areas")
    page = opened(root, "zh")
    assert not page.exception
    named = labels(inputs, "indicator", "zh")
    assert any(named["nev_sales_share"] in box.value for box in page.warning)
    kept = [rule for rule in RULES if rule.source != "indicator_areas"]
    assert len(frame_with(page, "indicator", "whole", "share")) == len(kept)


def test_a_run_without_any_table_by_place_asks_for_another(root: Path, runs: Path) -> None:
    lose(runs, "indicator_areas", "green_travel")
    page = opened(root, "zh")
    assert not page.exception
    assert t("prefecture.none_here", "zh") in [box.value for box in page.info]
    assert not page.dataframe


# ---- frames and charts without the app ----


def test_bars_follow_the_rank_and_leave_the_total_to_the_line(profile: pl.DataFrame, inputs: Inputs) -> None:
    rows = profile.filter(pl.col("id") == CO2)
    bars = prefecture_tables.bars(rows, "value", inputs, "zh")
    assert bars.height == rows.height - 1
    ordered = bars.filter("is_place")["amount"].to_list()
    assert ordered == sorted(ordered, reverse=True)
    assert sum(bars["amount"]) * 1e4 == pytest.approx(rows.filter(pl.col("area").is_in(TOTALS))["value"][0], rel=1e-9)
    assert prefecture_tables.line_of(rows, "value", "zh") is None
    assert prefecture_tables.line_of(rows, "per_head", "zh") == pytest.approx(
        rows.filter(pl.col("area").is_in(TOTALS))["per_head"][0]
    )


def test_first_and_last_places_are_told_and_shared_ones_are_not(profile: pl.DataFrame, inputs: Inputs) -> None:
    areas = prefectures(inputs)
    named = labels(inputs, "indicator", "zh")["operating_co2_intensity_level"]
    rows = profile.filter(pl.col("id") == INTENSITY)
    best = rows.filter(pl.col("value_rank") == 1)["area"][0]
    worst = rows.filter(pl.col("value_rank") == 14)["area"][0]
    assert named in prefecture_tables.ends(profile, best, inputs, "zh")[0]
    assert named in prefecture_tables.ends(profile, worst, inputs, "zh")[1]
    shared = labels(inputs, "indicator", "zh")["clean_share_new_bus_taxi"]
    if profile.filter(pl.col("id") == "clean_share_new_bus_taxi", pl.col("value_rank") == 1).height > 3:
        assert not any(shared in text for area in areas for text in prefecture_tables.ends(profile, area, inputs, "zh"))


def test_charts_hold_what_they_are_given(profile: pl.DataFrame, inputs: Inputs) -> None:
    rows = profile.filter(pl.col("id") == INTENSITY)
    bars = prefecture_tables.bars(rows, "value", inputs, "zh")
    chart = prefecture_charts.ranking(bars, title="x", mean=22.0, mean_label="全省", target=None, target_label="目标").to_dict()
    assert [entry["encoding"]["y"]["sort"] for entry in chart["layer"][:1]] == [bars["name"].to_list()]
    assert sum("rule" in str(entry["mark"]) for entry in chart["layer"]) == 1
    parts = prefecture_charts.parts(
        prefecture_tables.bars(rows, "contribution", inputs, "zh"), ["a", "b", "c"], title="x"
    ).to_dict()
    data = [row for rows_ in parts["datasets"].values() for row in rows_ if "part" in row]
    assert len(data) == 2 * bars.height
    total = rows.filter(pl.col("area").is_in(TOTALS))["change"][0]
    assert sum(row["amount"] for row in data) == pytest.approx(total, abs=1e-6)
    dots = bars.filter("is_place").with_columns(lat=pl.lit(41.0), lon=pl.lit(122.0))
    drawn = prefecture_charts.place_map(dots, {"measure": "x"}).to_json()
    assert "沈阳市" in json.dumps(json.loads(drawn), ensure_ascii=False)
