"""The page of uncertainty: chances, paths, measures and curve against their tables in both languages; nothing before it is worked out."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from transport.app import backcast_charts, calculation_panel
from transport.app import uncertainty_charts as charts
from transport.app.backcast_tab import BOUNDS, CHANCE, EFFORT, TARGET
from transport.app.backcast_tables import front_points
from transport.app.overview_tables import stored_probabilities
from transport.app.uncertainty_jobs import TASKS, asked
from transport.app.uncertainty_tables import cap_of, capped, headline_targets, target_names
from transport.app.views.uncertainty import DESK, DRAWS, PAIRS, SEED
from transport.app.what_if_jobs import scenario_of
from transport.backcast_run import backcast_id, settings_text
from transport.backcast_tables import TABLES as BACKCAST_TABLES
from transport.backcast_tables import write_backcast
from transport.backcast_words import words_of
from transport.bundled import ENSEMBLE, best_ensemble, write_bundled
from transport.ensemble import MANIFEST as ENSEMBLE_MANIFEST
from transport.ensemble import prepared, run_ensemble
from transport.evaluate import Outcome
from transport.i18n import t
from transport.indicators import Series
from transport.layout import YEARS, year_index
from transport.measures import abatement_curve, measure_names
from transport.scenario import load_scenario
from transport.sensitivity import drivers_of
from transport.store import read_run, run_id
from transport.template.words import input_names
from transport.text import number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from transport.backcast_tables import Backcast
    from transport.freight_start import FreightStarts
    from transport.inputs import Inputs
    from transport.scenario import Scenario
    from transport.store import StoredRun

BOUNDARY, SCOPES_SHOWN = "road+rail+water", ("direct", "direct_power", "wtw")
TARGET_PCT, SPREAD_PCT = -9.5, 20.0


def drawn_evenly(
    _: Scenario, inputs: Inputs, drawn: Mapping[Any, np.ndarray], draws: int, starts: FreightStarts | None = None
) -> Outcome:
    """Return one indicator whose change by 2030 is even over 20 points around its target, by the quantile of the first input."""
    del starts
    quantile = np.nan_to_num(drawn[min(drawn)], nan=0.5)[:draws]
    row = inputs.table("indicators").filter(pl.col("id") == "operating_co2_intensity").row(0, named=True)
    growth = np.arange(len(YEARS)) / year_index(2030)
    values = (TARGET_PCT + SPREAD_PCT * (quantile[:, None] - 0.25)) * growth
    reading = (row["scope"], row["boundary"], row["base"])
    others = [s for s in SCOPES_SHOWN if s != row["scope"]]
    made = [Series("operating_co2_intensity", "210000", "percent", values, *reading)]
    made += [Series("operating_co2_intensity", "210000", "percent", values + 50.0, s, *reading[1:]) for s in others]
    return Outcome(tuple(made), frozenset({min(drawn)}))


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
    return page.switch_page(str(root / "transport" / "app" / "views" / "uncertainty.py")).run()


def frame_with(page: AppTest, *columns: str) -> Any:
    """Return the first table of the page that has these columns."""
    return next(found.value for found in page.dataframe if set(columns) <= set(found.value.columns))


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_nothing_is_shown_before_it_is_worked_out(root: Path, runs: Path, lang: str) -> None:
    del runs
    page = opened(root, lang=lang)
    assert not page.exception
    assert len(page.tabs) == 6
    assert not page.dataframe
    labels = {button.label for button in page.button}
    assert {t(f"uncertainty.start_{task}", lang) for task in TASKS} <= labels
    said = {box.value for box in page.info}
    assert {t(f"uncertainty.{key}", lang) for key in ("what_draws", "first_draw", "first_measures")} <= said


def test_the_chances_that_come_with_the_program_are_shown_before_anything_is_drawn(
    root: Path, runs: Path, inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ENSEMBLE == ENSEMBLE_MANIFEST
    scenario = prepared(scenario_of(read_run(runs).manifest, capacity="fixed"))
    found = run_ensemble(scenario, inputs, draws=16, seed=SEED, workers=1, evaluate=drawn_evenly)
    write_bundled(read_run(runs), tmp_path / "slim")
    shutil.rmtree(found.folder)
    monkeypatch.setenv("TRANSPORT_RESULTS", str(tmp_path / "slim"))
    page = opened(root)
    assert not page.exception
    assert frame_with(page, "target", "probability", "within")["probability"].to_list() == [pytest.approx(25.0, abs=100.0 / 16)]
    assert t("uncertainty.only_chances", "zh") in {caption.value for caption in page.caption}
    assert t("uncertainty.start_ensemble", "zh") in {button.label for button in page.button}


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_an_ensemble_is_shown_as_it_stands_in_its_folder(
    root: Path, runs: Path, lang: str, inputs: Inputs, tmp_path: Path
) -> None:
    scenario = prepared(scenario_of(read_run(runs).manifest, capacity="fixed"))
    found = run_ensemble(scenario, inputs, draws=DRAWS[0], seed=SEED, workers=1, evaluate=drawn_evenly)
    run = read_run(runs)
    assert best_ensemble((runs.parent,), run.manifest) == found.folder
    slim = write_bundled(run, tmp_path / "slim")
    definitions = inputs.table("indicators")
    whole, about_it = stored_probabilities((runs.parent,), run.manifest, definitions)
    slim_chances, about_kept = stored_probabilities((slim.folder,), slim.manifest, definitions)
    assert list(slim_chances) == list(whole) == [("operating_co2_intensity", "210000", 2030)]
    assert slim_chances == pytest.approx(whole)
    assert [about[key] for about in (about_it, about_kept) for key in ("draws", "data_hash")] == [DRAWS[0], inputs.data_hash] * 2
    page = opened(root, lang=lang)
    assert not page.exception
    rows = headline_targets(found.table("probabilities"), inputs)
    shown = frame_with(page, "target", "probability", "within")
    assert shown["target"].tolist() == target_names(rows, inputs, lang)
    assert shown["probability"].to_numpy() == pytest.approx(100.0 * rows["probability"].to_numpy())
    # a quarter of an even spread lies below the target, as the stratified draws find exactly
    assert rows["probability"].to_list() == [pytest.approx(0.25, abs=1.0 / DRAWS[0])]
    readings = frame_with(page, "boundary", "base", "direct")
    assert sorted(readings[list(SCOPES_SHOWN)].to_numpy().ravel().tolist()) == pytest.approx([0.0, 0.0, 25.0], abs=1.0)
    about = t(
        "uncertainty.about",
        lang,
        draws=DRAWS[0],
        effective=f"{found.manifest['effective_sample_size']:.0f}",
        failed=0,
    )
    assert about in {caption.value for caption in page.caption}
    hangs_on = frame_with(page, "input", "share", "file")
    kept = drivers_of(found, 0, 2030).shares
    keys = list(kept.select("parameter", "subject").iter_rows())
    assert hangs_on["code"].tolist() == [f"{p} {s}" for p, s in keys]
    assert hangs_on["input"].tolist() == input_names(keys, inputs, lang)
    assert hangs_on["share"].tolist() == pytest.approx((100.0 * kept["share"]).to_list())
    assert hangs_on["share"][0] > 95.0


def measures_of_two() -> pl.DataFrame:
    """Return two measures: one that saves money, one that costs 50 yuan a tonne, and one that nobody can price."""
    rows = []
    for year in (2025, 2030, 2035):
        for name, saved, cost, known in (
            ("rail_electrification", 2e5, 1e7, True),
            ("new_sidings", 1e5, -4e6, True),
            ("rail_efficiency", 5e4, 0.0, False),
        ):
            row: dict[str, Any] = {"year": year, "measure": name, "levers": name, "has_cost": known}
            for way in ("alone", "first", "last", "share"):
                row |= {f"{way}_co2_t": -saved, f"{way}_headline_pct": -saved / 1e5, f"{way}_cost_cny2023": cost}
            row |= {"error_co2_t": 0.0, "error_headline_pct": 0.0, "error_cost_cny2023": 0.0}
            rows.append({**row, "cny2023_per_tco2": cost / saved if known else None})
    return pl.DataFrame(rows)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_measures_that_were_worked_out_are_shown(root: Path, runs: Path, lang: str, inputs: Inputs) -> None:
    run = read_run(runs)
    table = measures_of_two()
    pairs = pl.DataFrame(
        {
            "year": [2030],
            "measure": ["rail_electrification"],
            "other": ["new_sidings"],
            **{f"{way}_{q}": [1e4] for way in ("first", "last") for q in ("co2_t", "headline_pct", "cost_cny2023")},
        }
    )
    page = AppTest.from_file(str(root / "streamlit_app.py"), default_timeout=180)
    page.query_params["lang"] = lang
    page.run()
    asked = calculation_panel.identity_of("measures", run.manifest["resolved"], {"pairs": PAIRS})
    page.session_state[DESK.answers] = {
        asked: {"measures": table, "abatement_curve": abatement_curve(table), "measure_interactions": pairs}
    }
    page = page.switch_page(str(root / "transport" / "app" / "views" / "uncertainty.py")).run()
    assert not page.exception
    unit = {"zh": 1e4, "en": 1e3}[lang]
    shown = frame_with(page, "measure", "share", "price")
    assert shown["share"].tolist() == pytest.approx([-2e5 / unit, -1e5 / unit, -5e4 / unit])
    curve = frame_with(page, "measure", "start", "end")
    assert curve["price"].tolist() == pytest.approx([-40.0, 50.0])  # cheapest first, what has no price is left out
    assert curve["end"].tolist() == pytest.approx([1e5 / unit, 3e5 / unit])
    assert frame_with(page, "measure", "other", "value")["value"].tolist() == pytest.approx([1e4 / unit])
    assert shown["cost"].tolist() == ["0.10" if lang == "zh" else "10.0", "-0.04" if lang == "zh" else "-4.00", ""]
    said = {caption.value for caption in page.caption}
    names = measure_names(inputs, lang)
    assert t("uncertainty.unpriced", lang, count=1, names=names["rail_efficiency"]) in said
    base = load_scenario("baseline", inputs.folder, inputs.levers)
    assert t("uncertainty.on_base", lang, base=getattr(base, f"title_{lang}")) in said, "though it has not been run"


def test_an_abatement_curve_is_cut_where_one_measure_dwarfs_the_others() -> None:
    prices = [-300.0, 50.0, 1500.0, 40_000.0, 80_000.0]
    ends = [100.0, 300.0, 350.0, 351.0, 352.0]
    curve = pl.DataFrame(
        {"measure": list("abcde"), "start": [0.0, *ends[:-1]], "end": ends, "avoided": np.diff([0.0, *ends]), "price": prices}
    )
    cap = cap_of(curve)
    assert cap == 2000.0
    marked = capped(curve, cap)
    assert marked["shown"].to_list() == [*prices[:3], cap, cap]
    assert marked["label"].to_list() == ["", "", "", "d 40,000", "e 80,000"]
    heights = marked.filter("cut")["height"].to_list()
    assert len(set(heights)) == 2
    assert all(0.0 < height < cap for height in heights)
    drawn = charts.abatement(marked, lang="zh").to_dict()
    assert [layer["mark"]["type"] for layer in drawn["layer"]] == ["rect", "rule", "tick", "tick", "text"]
    even = curve.with_columns(price=pl.Series([-300.0, 50.0, 1500.0, 1900.0, 6000.0]))
    assert cap_of(even) is None
    assert capped(even, None)["shown"].equals(even["price"].alias("shown"))


def test_the_matrix_of_pairs_names_every_measure() -> None:
    pairs = pl.DataFrame({"measure": ["a"], "other": ["b"], "value": [1.0]})
    encoding = charts.interactions(pairs, ["a", "b"], "t", lang="en").to_dict()["encoding"]
    assert encoding["x"]["axis"]["labelOverlap"] is False
    assert encoding["y"]["axis"]["labelOverlap"] is False


def backcast_tables(inputs: Inputs) -> dict[str, pl.DataFrame]:
    """Return the tables of a backcast whose answer are two levers, with a front of three packages, a price and two full places."""
    target = {"id": "operating_co2_intensity", "area": "210000", "year": 2030, "unit": "percent"}
    levers = inputs.table("levers").head(2)
    money = {"cost_cny2023": 3.5e8, "co2_t": 9.9e6, "co2_change_t": -6.6e5, "targets_met": 1, "targets": 1}
    point = {"targets": 1, "cost_cny2023": 3.5e8, "co2_t": 9.9e6, "co2_change_t": -6.6e5, "targets_met": 1}
    place = {"kind": "link", "id": "L1", "name_zh": "沈山线", "name_en": "Shenyang-Shanhaiguan", "mode": "rail", "year": 2030}
    rows: dict[str, list[dict[str, Any]]] = {
        "packages": [
            {"package": "base", "kind": "base", **money, "feasible": False},
            {
                "package": "best",
                "kind": "best",
                **money,
                "feasible": True,
                "probability": 0.81,
                "standard_error": 0.04,
                "draws": 96,
            },
        ],
        "levers": [
            {
                "package": "best",
                "variable": row["lever"],
                "measure": row["lever"],
                "lever": row["lever"],
                "unit": "dimensionless",
                "basis": "rows",
                "level": level,
                "base_value": 0.1,
                "value": 0.37,
                "bound_value": 0.5,
                "bound_source": "stretch",
                "at_bound": False,
                "cost_cny2023": cost,
                "path": '{"2030": 0.37}',
            }
            for row, level, cost in zip(levers.iter_rows(named=True), (0.6, 0.2), (2.5e8, None), strict=True)
        ],
        "front": [
            {"point": k, "package": f"front_{k}", **point, "cost_cny2023": cost, "co2_change_t": co2, "best": k == 1}
            for k, (cost, co2) in enumerate(((1e8, -2e5), (3.5e8, -6.6e5), (9e8, -9e5)))
        ],
        "targets": [
            {
                **target,
                "package": package,
                "direction": "at_most",
                "tolerance": 0.5,
                "target": -9.5,
                "margin": 1.25,
                "central": central,
                "gap": 0.0,
                "met": True,
                "probability": chance,
                "standard_error": 0.04,
                "equilibrium": -10.4,
                "equilibrium_met": True,
            }
            for package, central, chance in (("base", -6.0, 0.1), ("best", -10.75, 0.81))
        ],
        "shadow_prices": [
            {
                **target,
                "side": "tighter",
                "step": 0.25,
                "status": "reached",
                "cost_cny2023": 6e7,
                "cny2023_per_unit": 2.4e8,
                "co2_t": -5e4,
                "cny2023_per_tco2": 1200.0,
            },
            {**target, "side": "looser", "step": 0.25, "status": "infeasible"},
        ],
        "binding": [
            {**place, "vc_ratio": 1.21, "price_cny_per_t": 18.4},
            {**place, "id": "L2", "unmet_t": 2.5e6},
        ],
        "left_out": [{"lever": levers["lever"][0], "measure": "none", "basis": "none", "reason": "no_cost"}],
    }
    return {name: pl.DataFrame(rows[name], schema=columns) for name, columns in BACKCAST_TABLES.items()}


def keep_backcast(runs: Path, inputs: Inputs) -> Backcast:
    """Write a backcast under the name of what the tab asks for at first."""
    request = {"targets": [TARGET], "probability": CHANCE / 100.0, "bounds": BOUNDS, "effort": EFFORT, "prices": True}
    name = backcast_id(scenario_of(read_run(runs).manifest, capacity="fixed"), inputs, *asked(request, inputs))
    about = {
        "backcast": name,
        "status": "reached",
        "year": 2030,
        "first_year": 2026,
        "capacity": "equilibrium",
        "probability": 0.8,
    }
    about |= {"title_zh": "方案", "title_en": "Plan", "levers": ["transit_fare"], "probability_in_equilibrium": 0.6}
    about |= {"bounds": "stretch", "bounds_zh": "加力情景", "bounds_en": "Stretch"}
    return write_backcast(runs.parent / f"backcast-{name}", about, backcast_tables(inputs))


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_backcast_is_shown_as_it_stands_in_its_folder(root: Path, runs: Path, lang: str, inputs: Inputs) -> None:
    found = keep_backcast(runs, inputs)
    page = opened(root, lang=lang)
    assert not page.exception
    sentences = words_of(found, inputs)[lang].to_list()
    assert sentences[0] in {box.value for box in page.success}
    assert {"zh": "方案", "en": "Plan"}[lang] in sentences[0]
    money = {"zh": 1e8, "en": 1e6}[lang]
    levers = frame_with(page, "lever", "from", "to")
    assert levers["to"].tolist() == ["0.37", "0.37"]
    assert levers["level"].tolist() == pytest.approx([60.0, 20.0])
    assert levers["cost"].tolist() == [number(2.5e8 / money), ""]
    front = frame_with(page, "answer", "co2", "cost")
    assert front["cost"].to_numpy() == pytest.approx(found.table("front")["cost_cny2023"].to_numpy() / money)
    assert front["answer"].tolist() == ["", "★", ""]
    prices = frame_with(page, "side", "per_tonne")
    assert prices["per_tonne"].tolist() == [number(1200.0), ""]
    assert prices["cost"].tolist()[1] == t("backcast_tab.not_reachable", lang)
    full = frame_with(page, "load", "unmet")
    assert full["load"].tolist() == ["1.21", ""]
    assert full["unmet"].tolist() == ["", number(2.5e6 / {"zh": 1e4, "en": 1e3}[lang])]
    assert t("uncertainty.start_backcast", lang) not in {button.label for button in page.button}
    assert settings_text(found) in {block.value for block in page.code}
    marks = backcast_charts.front(front_points(found, lang), lang=lang).to_dict()["layer"][1]["encoding"]
    assert marks["shape"]["scale"]["domain"][1] == t("backcast.answer", lang)
