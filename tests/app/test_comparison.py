"""Scenarios side by side on every page, in the same colours, and the files under the tables."""

from __future__ import annotations

import io
import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from transport.app import comparison_charts, downloads
from transport.app.comparison import PALETTE, Side, beside
from transport.scenario import load_scenario
from transport.store import MANIFEST, StoredRun, run_id

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs

TITLES = {
    "zh": ("碳达峰方案情景", "基准情景（2020年政策不变）"),
    "en": ("The plan's measures", "Baseline (policies of 2020 frozen)"),
}
HALF = ("co2_areas", "energy", "green_travel", "simulation_load")
#: Page -> its comparisons.
PAGES = {"cities": 2, "charging": 2, "accounts": 2, "prefectures": 1, "freight": 3}


@pytest.fixture(scope="module")
def two_runs(stored_run: StoredRun, inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a runs folder with the plan, and as the baseline a copy of it with half the amounts in some tables."""
    folder = tmp_path_factory.mktemp("two")
    for name in ("plan_2030", "baseline"):
        scenario = load_scenario(name, inputs.folder, inputs.levers)
        place = folder / run_id(scenario, inputs.data_hash)
        shutil.copytree(stored_run.folder, place)
        manifest = json.loads((place / MANIFEST).read_text(encoding="utf-8"))
        about: dict[str, Any] = {
            "run_id": place.name,
            "scenario": name,
            "title_zh": scenario.title_zh,
            "title_en": scenario.title_en,
        }
        if name == "baseline":
            for table in HALF:
                rows = stored_run.table(table)
                rows.with_columns(pl.selectors.float() * 0.5).write_parquet(place / f"{table}.parquet")
            about["tables"] = {**manifest["tables"], **{table: f"half of {table}" for table in HALF}}
        (place / MANIFEST).write_text(json.dumps({**manifest, **about}, ensure_ascii=False), encoding="utf-8")
    return folder


def opened(root: Path, **query: str) -> AppTest:
    page = AppTest.from_file(str(root / "streamlit_app.py"), default_timeout=120)
    for key, value in query.items():
        page.query_params[key] = value
    return page.run()


def compared(page: AppTest) -> list[pl.DataFrame]:
    """Return the tables of a page that have a column of differences."""
    return [pl.DataFrame(x.value) for x in page.dataframe if "+1" in x.value.columns]


# ---- tables ------------------------------------------------------------------------------------------------------------------------


def test_each_scenario_has_a_column_and_each_other_a_difference() -> None:
    rows = pl.DataFrame(
        {"name": ["x", "y", "y", "z"], "value": [1.0, 2.0, 5.0, 7.0], "scenario": ["first", "first", "second", "second"]}
    )
    found = beside(rows, ["first", "second"])
    assert found.columns == ["name", "first", "second", "+1"]
    assert found.rows() == [("x", 1.0, None, None), ("y", 2.0, 5.0, 3.0), ("z", None, 7.0, None)]


@pytest.mark.parametrize("kind", ["bars", "lines"])
def test_charts_draw_every_scenario_in_its_colour(kind: str, stored_run: StoredRun) -> None:
    sides = [Side(name, name, colour, stored_run) for name, colour in zip("ab", PALETTE, strict=False)]
    rows = pl.DataFrame({"name": [2020, 2030] * 2, "value": [1.0, 2.0, 3.0, 4.0], "scenario": ["a", "a", "b", "b"]})
    spec = getattr(comparison_charts, kind)(rows, sides, "Mt", {"name": "year", "scenario": "scenario"}).to_dict()
    encoding = spec["encoding"] if kind == "bars" else spec["layer"][0]["encoding"]
    assert encoding["color"]["scale"] == {"domain": ["a", "b"], "range": list(PALETTE[:2])}
    drawn = [row for part in spec["datasets"].values() for row in part]
    assert sorted(row["value"] for row in drawn) == [1.0, 2.0, 3.0, 4.0]


def test_the_palette_can_be_told_apart_in_grey() -> None:
    def grey(colour: str) -> float:
        red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
        return 0.299 * red + 0.587 * green + 0.114 * blue

    levels = sorted(grey(colour) for colour in PALETTE)
    assert min(np.diff(levels)) > 20.0


# ---- files -------------------------------------------------------------------------------------------------------------------------


def test_files_hold_the_table_under_the_heads_of_the_page() -> None:
    table = pl.DataFrame({"a": ["沈阳市"], "b": [1.0 / 3.0], "c": [None]}, schema_overrides={"c": pl.Float64})
    config = {"a": {"label": "城市"}, "b": {"label": "数值"}, "c": {"label": "数值"}}
    found = downloads.headed(table, config)
    assert found.columns == ["城市", "数值 [b]", "数值 [c]"]
    written = downloads.csv_bytes(found)
    assert written.startswith(b"\xef\xbb\xbf")
    assert pl.read_csv(io.BytesIO(written))["数值 [b]"][0] == 1.0 / 3.0
    assert pl.read_parquet(io.BytesIO(downloads.parquet_bytes(found))).equals(found)


def test_lists_are_joined_in_csv_and_kept_in_parquet() -> None:
    table = pl.DataFrame({"quality": [["a", "b"], []]})
    assert downloads.csv_bytes(table).decode("utf-8-sig").splitlines() == ["quality", "a;b", '""']
    assert pl.read_parquet(io.BytesIO(downloads.parquet_bytes(table))).equals(table)


@pytest.mark.parametrize("title", ["v/c: 2030?", "  ", 'a"b', "x" * 300])
def test_a_title_becomes_a_file_name_of_any_system(title: str) -> None:
    name = downloads.file_name(title)
    assert name
    assert len(name) <= 80
    assert not set(name) & set('\\/:*?"<>|')


# ---- pages -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_page_sets_the_scenarios_side_by_side(
    root: Path, two_runs: Path, monkeypatch: pytest.MonkeyPatch, lang: str
) -> None:
    monkeypatch.setenv("TRANSPORT_RUNS", str(two_runs))
    page = opened(root, lang=lang)
    assert not page.exception
    assert page.multiselect(key="compared").value == ["baseline"], "the baseline stands beside the plan unless another is chosen"
    whole = next(x.value for x in page.dataframe if set(TITLES[lang]) <= set(x.value.columns) and "goal" in x.value.columns)
    assert whole[TITLES[lang][0]].tolist() == whole[TITLES[lang][1]].tolist(), "the indicators of the copy are those of the plan"
    for name, tables in PAGES.items():
        page.switch_page(f"transport/app/views/{name}.py").run()
        assert not page.exception, name
        found = compared(page)
        assert len(found) == tables, name
        if name in {"prefectures", "freight"}:
            assert all(table["+1"].drop_nulls().abs().max() == 0.0 for table in found), "the copy has these of the plan"
            continue
        halved = 2 if name != "cities" else 1
        for table in found[:halved]:
            first, second = (table[title].to_numpy() for title in TITLES[lang])
            assert first.sum() > 0.0, name
            np.testing.assert_allclose(second, 0.5 * first, rtol=1e-9)
            np.testing.assert_allclose(table["+1"].to_numpy(), -0.5 * first, rtol=1e-9)


def test_what_is_compared_is_what_the_run_says(
    root: Path, two_runs: Path, monkeypatch: pytest.MonkeyPatch, stored_run: StoredRun
) -> None:
    monkeypatch.setenv("TRANSPORT_RUNS", str(two_runs))
    page = opened(root)
    page.switch_page("transport/app/views/accounts.py").run()
    co2, energy = compared(page)
    rows = stored_run.table("co2_areas").filter(pl.col("year") == 2030, pl.col("scope") == "direct_power")
    assert co2[TITLES["zh"][0]].sum() == pytest.approx(float(rows["t"].to_numpy().sum()) / 1e4, rel=1e-9)
    kgce = stored_run.table("energy").filter(pl.col("year") == 2030)["kgce"].to_numpy().sum()
    assert energy[TITLES["zh"][0]].sum() == pytest.approx(float(kgce) / 1e7, rel=1e-9)


def test_colours_stay_with_the_scenario(root: Path, two_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSPORT_RUNS", str(two_runs))
    page = opened(root, compared="baseline,no_such_scenario")
    assert page.multiselect(key="compared").value == ["baseline"]
    before = page.session_state["comparison_slots"]
    assert before == {"plan_2030": 0, "baseline": 1}
    page.selectbox(key="scenario").set_value("baseline").run()
    assert not page.exception
    assert page.multiselect(key="compared").value == [], "a scenario does not stand beside itself"
    page.multiselect(key="compared").set_value(["plan_2030"]).run()
    assert page.session_state["comparison_slots"]["baseline"] == 1
    assert page.query_params["compared"] in (["plan_2030"], "plan_2030")


def test_alone_the_page_says_how_to_compare(root: Path, two_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSPORT_RUNS", str(two_runs))
    page = opened(root, compared="")
    page.switch_page("transport/app/views/accounts.py").run()
    assert not page.exception
    assert not compared(page)
    said: list[Any] = [x.value for x in page.caption]
    assert sum("对照情景" in text for text in said) >= 2
    assert any("强化情景" in text for text in said), "scenarios without a result are named"
