"""The page of uncertainty: chances, paths, measures and curve against their tables in both languages; nothing before it is worked out."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from transport.app import calculation_panel
from transport.app.uncertainty_tables import headline_targets, target_names
from transport.app.views.uncertainty import DESK, DRAWS, PAIRS, SEED
from transport.app.what_if_jobs import scenario_of
from transport.ensemble import prepared, run_ensemble
from transport.evaluate import Outcome
from transport.i18n import t
from transport.indicators import Series
from transport.layout import YEARS, year_index
from transport.measures import abatement_curve
from transport.scenario import load_scenario
from transport.sensitivity import drivers_of
from transport.store import read_run, run_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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
    assert len(page.tabs) == 5
    assert not page.dataframe
    labels = {button.label for button in page.button}
    assert {t("uncertainty.start_ensemble", lang), t("uncertainty.start_measures", lang)} <= labels
    said = {box.value for box in page.info}
    assert {t(f"uncertainty.{key}", lang) for key in ("what_draws", "first_draw", "first_measures")} <= said


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_an_ensemble_is_shown_as_it_stands_in_its_folder(root: Path, runs: Path, lang: str, inputs: Inputs) -> None:
    scenario = prepared(scenario_of(read_run(runs).manifest, capacity="fixed"))
    found = run_ensemble(scenario, inputs, draws=DRAWS[0], seed=SEED, workers=1, evaluate=drawn_evenly)
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
    assert hangs_on["input"].tolist() == [f"{p} {s}" for p, s in kept.select("parameter", "subject").iter_rows()]
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
def test_measures_that_were_worked_out_are_shown(root: Path, runs: Path, lang: str) -> None:
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
