"""The page of charging: shown numbers against the run's tables in both languages, a simulated province, sizes and checks that were calculated."""

from __future__ import annotations

import io
import json
import re
import shutil
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from transport import sizing
from transport.app import calculation_panel, calculations, charging_charts, charging_jobs, charging_tables
from transport.app.charging_tasks import DESK
from transport.app.downloads import csv_bytes
from transport.i18n import labels, t, texts
from transport.layout import PROVINCE
from transport.scenario import load_scenario
from transport.self_check import SCHEMA as CHECKS
from transport.sizing import SCHEMA as SIZES
from transport.sizing_text import what_name
from transport.store import read_run, run_id
from transport.week_values import CityFleet, WeekValues
from transport.weeks import berths
from transport.weeks.province import known_systems
from transport.weeks.yearly import yearly_rules

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.store import StoredRun

SHENYANG, YEAR = "210100", 2030
PROVINCE_TABLES = ("simulation", "simulation_load")


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
    return page.switch_page(str(root / "transport" / "app" / "views" / "charging.py")).run()


def frame_with(page: AppTest, *columns: str) -> Any:
    """Return the first table of the page that has these columns."""
    return next(found.value for found in page.dataframe if set(columns) <= set(found.value.columns))


def cards(page: AppTest) -> dict[str, str]:
    return {card.label: card.value for card in page.metric}


def province(run: Path, **tables: pl.DataFrame) -> None:
    """Put a simulated province beside a run: the tables of its sample with a year, and more tables."""
    stored = read_run(run)
    made = {name: stored.table(name).with_columns(year=pl.lit(YEAR, pl.Int64)) for name in PROVINCE_TABLES}
    folder = run / "simulate"
    folder.mkdir()
    for name, table in {**made, **tables}.items():
        table.write_parquet(folder / f"{name}.parquet")
    about = {
        "kind": "simulate",
        "run_id": stored.manifest["run_id"],
        "scenario": "plan_2030",
        "years": [YEAR],
        "areas": [SHENYANG],
        "resolved": stored.manifest["resolved"],
        "data_hash": stored.manifest["data_hash"],
        "version": stored.manifest["version"],
        "tables": dict.fromkeys([*made, *tables], "1"),
    }
    (folder / "manifest.json").write_text(json.dumps(about), encoding="utf-8")


def key(system: str, place: str = "", **columns: Any) -> dict[str, Any]:
    return {"year": YEAR, "system": system, "week": "winter", "area": SHENYANG, "place": place, **columns}


# ---- a run -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_sample_of_a_run_is_shown(root: Path, runs: Path, lang: str, inputs: Inputs) -> None:
    run = read_run(runs)
    page = opened(root, lang=lang)
    assert not page.exception
    assert len(page.tabs) == 8
    assert any(t("charging.weak_sample", lang) == box.value for box in page.warning)
    assert t("provenance.about_charging", lang) in {text.value for text in page.markdown}

    # load: the sample times what it stands for; the highest hour and the energy of the week
    scale = run.table("simulation").group_by("system", "week", "area", "place").agg(pl.col("scale").first())
    load = run.table("simulation_load").filter(pl.col("week") == "winter", pl.col("area") == SHENYANG)
    hours = (
        load.join(scale, on=["system", "week", "area", "place"])
        .group_by("hour")
        .agg((pl.col("kw") * pl.col("scale")).sum().alias("kw"))
    )
    kw = hours["kw"].to_numpy()
    assert cards(page)[t("charging.card_peak", lang)] == f"{kw.max() / 1e3:,.2f}"
    assert cards(page)[t("charging.card_energy", lang)] == f"{kw.sum() / 1e6:,.2f}"
    shown = frame_with(page, "clock", "mw", "price")
    assert shown["mw"].sum() == pytest.approx(float(kw.sum()) / 1e3)
    assert len(shown) == 168 * load["system"].n_unique()
    assert set(shown["period"]) <= set(labels(inputs, "tou_period", lang).values())

    # service: every statistic with its interval
    system = run.table("simulation")["system"].unique().sort().to_list()
    first = next(s for s in charging_tables.SYSTEMS if s in system)
    rows = run.table("simulation").filter(pl.col("system") == first, pl.col("week") == "winter", pl.col("area") == SHENYANG)
    table = frame_with(page, "metric", "low", "high").set_index("metric")
    assert len(table) == rows.height
    peak = rows.row(by_predicate=pl.col("metric") == "peak_kw", named=True)
    mine = table.loc[charging_tables.metric_name("peak_kw", inputs, lang)]
    assert mine["value"] == pytest.approx(peak["value"] / 1e3)
    assert mine["unit"] == "MW"
    assert not [name for name in table.index if re.fullmatch(r"[a-z0-9_]+", name)], "a statistic without a name"

    # depot and airport of the sample, vehicle by vehicle; what only a simulated province has, and what is calculated on demand
    said = {box.value for box in page.caption}
    assert {t("charging.sample_depot", lang), t("charging.sample_airport", lang)} <= said
    seen = frame_with(page, "vehicle", "state", "start_h")
    assert 0 < seen["vehicle"].nunique() <= run.table("depot_gantt")["vehicle"].n_unique()
    turnarounds, tasks = run.table("turnarounds"), run.table("turnaround_tasks")
    assert any(f"{turnarounds.height:,}" in text.value or str(turnarounds.height) in text.value for text in page.markdown)
    assert frame_with(page, "kind", "missed_pct")["count"].sum() == tasks.height
    assert sum(box.value == t("charging.only_province", lang) for box in page.info) == 2
    assert {button.key for button in page.button} >= {f"charging_start_{task}" for task in charging_jobs.TASKS}


def test_every_statistic_of_the_run_has_a_name(stored_run: StoredRun, inputs: Inputs) -> None:
    for lang in ("zh", "en"):
        for metric in stored_run.table("simulation")["metric"].unique().to_list():
            assert charging_tables.metric_name(metric, inputs, lang) != metric


@pytest.mark.parametrize("system", known_systems())
def test_every_statistic_of_a_simulated_province_has_a_name(inputs: Inputs, system: str) -> None:
    for lang in ("zh", "en"):
        for metric in yearly_rules(system):
            assert charging_tables.metric_name(metric, inputs, lang) != metric


def test_without_a_run_there_is_no_page(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path))
    page = opened(root)
    assert not page.exception
    assert not page.tabs
    assert any(box.value == t("app.nothing_yet", "zh") for box in page.info)


# ---- a simulated province ----------------------------------------------------------------------------------------------------------


def vehicle_tables() -> dict[str, pl.DataFrame]:
    """Return small tables of single vehicles, as a simulated province keeps them."""
    gantt = [
        key("bus_depot", vehicle=v, state=state, start_min=a, end_min=b, soc_start=s0, soc_end=s1, kw=kw)
        for v in range(3)
        for state, a, b, s0, s1, kw in (
            ("parked", 0.0, 300.0, 0.9, 0.9, 0.0),
            ("driving", 300.0, 900.0, 0.9, 0.4, 0.0),
            ("waiting", 900.0, 930.0 + v, 0.4, 0.4, 0.0),
            ("charging", 930.0 + v, 1000.0, 0.4, 0.9, 120.0),
        )
    ]
    load = [
        key("bus_depot", start_min=15.0 * i, kw=100.0 + i % 4, feeder_kw=400.0, unmanaged_kw=200.0, price_cny_per_kwh=0.5)
        for i in range(672)
    ]
    flights = [
        key(
            "airport",
            "A_SHE",
            turnaround=i,
            arrive_min=60.0 * i,
            delay_min=6.0 * (i % 2),
            cause="tug" if i % 2 else "",
            size="narrow_body",
        )
        for i in range(10)
    ]
    jobs = [
        key(
            "airport",
            "A_SHE",
            turnaround=i,
            task="push",
            kind="tug",
            asked_min=0.0,
            delay_min=float(i % 2),
            state="missed" if i == 1 else "done",
        )
        for i in range(10)
    ]
    stations = [
        key(
            "truck_corridor",
            "S_1",
            station="S_1",
            energy="plug",
            hour=h,
            arrivals=2.0,
            served=1.5,
            queue_mean=0.5,
            wait_mean_min=10.0,
            lost=0.5,
            kw=300.0,
            capacity_per_h=4.0,
        )
        for h in range(168)
    ]
    calls = [
        key(
            "shore_power",
            "P_1",
            call=i,
            ship_type="ro_pax",
            arrive_min=0.0,
            berth_min=60.0,
            leave_min=660.0,
            anchorage_min=60.0,
            connected_min=500.0 * (i % 2),
            shore_kwh=4000.0 * (i % 2),
            auxiliary_fuel_t=1.0,
            state="left",
        )
        for i in range(4)
    ]
    checks = [(c, passed, "charge_time") for c, passed in (("charge_time", True), ("load_hours", False), ("plug_load", None))]
    rows = [
        {
            **key("bus_depot"),
            "check": c,
            "simulated": 1.0,
            "expected": 1.5,
            "difference": -0.5,
            "limit": 0.1,
            "unit": "min",
            "passed": p,
            "explanation": e,
        }
        for c, p, e in checks
    ]
    made = {
        "depot_gantt": gantt,
        "depot_load": load,
        "turnarounds": flights,
        "turnaround_tasks": jobs,
        "station_hours": stations,
        "berth_calls": calls,
    }
    return {**{n: pl.DataFrame(r) for n, r in made.items()}, "self_checks": pl.DataFrame(rows, schema=CHECKS)}


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_simulated_province_is_shown_vehicle_by_vehicle(root: Path, runs: Path, lang: str, inputs: Inputs) -> None:
    tables = vehicle_tables()
    province(runs, **tables)
    page = opened(root, lang=lang)
    assert not page.exception
    source = next(box for box in page.selectbox if box.key == "charging_source")
    assert source.value == ("simulate", YEAR), "the province comes before the sample"
    assert any(t("charging.weak_province", lang) == box.value for box in page.warning)

    # loads of a province are scaled already
    load = read_run(runs).table("simulation_load").filter(pl.col("week") == "winter", pl.col("area") == SHENYANG)
    assert frame_with(page, "clock", "mw", "price")["mw"].sum() == pytest.approx(float(load["kw"].sum()) / 1e3)

    gantt = frame_with(page, "vehicle", "soc_start")
    assert len(gantt) == 12
    charged = gantt[gantt["state"] == t("charging.state_charging", lang)]
    assert (charged["end_h"] - charged["start_h"]).tolist() == pytest.approx([70 / 60, 69 / 60, 68 / 60])
    assert charged["soc_end"].tolist() == pytest.approx([90.0] * 3)

    delays = frame_with(page, "cause", "delayed")
    tug = labels(inputs, "ground_equipment", lang)["tug"]
    assert dict(zip(delays["cause"], delays["delayed"], strict=True)) == {tug: 5, t("charging.cause_none", lang): 0}
    tasks = frame_with(page, "kind", "missed_pct")
    assert tasks["missed_pct"].tolist() == pytest.approx([10.0])
    assert any(t("charging.airport_says", lang, count=10, late=5, mean="3.00") == block.value for block in page.markdown)

    station = frame_with(page, "station", "load_pct")
    assert station["load_pct"].tolist() == pytest.approx([50.0])
    assert station["served"].tolist() == pytest.approx([252.0])
    calls = frame_with(page, "ship_type", "connected_pct")
    assert calls["connected_pct"].tolist() == pytest.approx([50.0])
    assert calls["berth_h"].tolist() == pytest.approx([10.0])

    found = frame_with(page, "verdict", "interval")
    assert found["verdict"].tolist() == [t(f"charging.{k}", lang) for k in ("failed", "passed", "information")]
    words = {"count": 2, "failed": 1, "information": 1}
    assert any(box.value == t("charging.checks_sum", lang, **words) for box in page.error)


def test_the_sum_of_all_prefectures_is_the_province(root: Path, runs: Path, inputs: Inputs) -> None:
    province(runs, peak_response=response())
    manifest = json.loads((runs / "simulate" / "manifest.json").read_text(encoding="utf-8"))
    manifest["areas"] = [area for area, _ in charging_tables.places_of_systems(inputs)["bus_depot"]]
    (runs / "simulate" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    page = opened(root, lang="en")
    assert not page.exception
    place = next(box for box in page.selectbox if box.key == "charging_load_place")
    assert place.value == (PROVINCE, "")
    load = read_run(runs).table("simulation_load").filter(pl.col("week") == "winter")
    assert frame_with(page, "clock", "mw", "price")["mw"].sum() == pytest.approx(float(load["kw"].sum()) / 1e3)
    table = frame_with(page, "response_kw", "share_of_provincial_peak")
    assert table["response_kw"].tolist() == pytest.approx([20.0])
    assert table["response_share"].tolist() == pytest.approx([20.0])
    assert table["share_of_provincial_peak"].tolist() == pytest.approx([0.05])


def response() -> pl.DataFrame:
    """Return the response of a province: 20 of 100 MW."""
    row = {"year": YEAR, "area": PROVINCE, "system": "all", "peak_kw_unmanaged": 1e5, "peak_kw": 8e4, "response_kw": 2e4}
    shares = {"response_share": 0.2, "share_of_provincial_peak": 5e-4, "low": 4e-4, "high": 6e-4}
    return pl.DataFrame([{**row, **shares}])


# ---- calculations ------------------------------------------------------------------------------------------------------------------


def sizes() -> pl.DataFrame:
    """Return a table of sizes: seven plugs are enough, ten are there."""
    rows = [
        {
            **key("bus_depot"),
            "what": "plugs",
            "size": float(n),
            "unit": "plug",
            "metric": "missed_share",
            "value": 0.08 - 0.01 * n,
            "low": 0.07 - 0.01 * n,
            "high": 0.09 - 0.01 * n,
            "metric_unit": "dimensionless",
            "limit": 0.01,
            "meets": n >= 7,
            "chosen": n == 7,
            "present": n == 10,
            "present_size": 10.0,
            "over_built_share": 10 / 7 - 1,
            "bound": None,
            "gap_share": None,
            "feasible": True,
            "monotone": True,
            "evaluations": 6,
            "vehicles": 30,
            "scale": 12.0,
        }
        for n in (5, 6, 7, 8, 9, 10)
    ]
    return pl.DataFrame(rows).select(list(SIZES)).cast(SIZES)  # type: ignore[arg-type]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_finished_sizing_is_shown(root: Path, runs: Path, lang: str, inputs: Inputs) -> None:
    run = read_run(runs)
    page = opened(root, lang=lang)
    prefix = "charging_limit_bus_depot_"
    boxes = {str(box.key).removeprefix(prefix): box for box in page.number_input if str(box.key).startswith(prefix)}
    rows = {(p, s): v for p, s, v in inputs.parameters.select("parameter", "subject", "value").iter_rows()}
    assert boxes["missed_share"].value == pytest.approx(100.0 * rows["sizing_missed_limit", "bus_depot"])
    limits = {name: float(box.value or 0.0) / 100.0 for name, box in boxes.items()}
    asked = {"system": "bus_depot", "area": SHENYANG, "place": "", "year": YEAR, "weeks": ["winter"], "limits": limits}
    identity = calculation_panel.identity_of("sizing", run.manifest["resolved"], asked)
    page.session_state[DESK.answers] = {identity: {"sizing": sizes()}}
    page.run()
    assert not page.exception
    assert any("43 %" in block.value and "7" in block.value for block in page.markdown)
    head = {name: t(f"sizing.column_{name}", lang) for name in ("size", "value", "meets", "note")}
    view = frame_with(page, *head.values())
    assert view[head["size"]].tolist() == ["5", "6", "7", "8", "9", "10"]
    assert view[head["note"]].tolist() == ["", "", t("sizing.chosen", lang), "", "", t("sizing.present", lang)]
    assert view[head["value"]].tolist()[2] == "1.00 %"


def test_a_refusal_is_said(root: Path, runs: Path) -> None:
    run = read_run(runs)
    page = opened(root)
    identity = calculation_panel.identity_of("checks", run.manifest["resolved"], {"year": YEAR})
    page.session_state[DESK.message] = (identity, t("charging.died", "zh", message="没有电动公交"))
    page.run()
    assert any(box.value == "计算没有完成：没有电动公交" for box in page.warning)


def wait(job: Any) -> None:
    for _ in range(3000):
        if job.finished():
            return
        time.sleep(0.2)
    pytest.fail("the calculation does not end")


@pytest.mark.slow
def test_a_refused_calculation_says_why(stored_run: StoredRun) -> None:
    asked: dict[str, Any] = {"system": "trams", "area": SHENYANG, "place": "", "year": YEAR, "weeks": ["winter"], "limits": {}}
    job = calculations.start(charging_jobs.MODULE, "sizing", lang="zh", manifest=stored_run.manifest, **asked)
    wait(job)
    assert not job.succeeded()
    assert "没有系统 trams；可用的有 bus_depot" in job.message()
    assert job.progress() == (0.0, t("charging.step_models", "zh"))
    job.clear()


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_refusal_is_in_the_language_of_the_reader(
    stored_run: StoredRun, inputs: Inputs, monkeypatch: pytest.MonkeyPatch, lang: str
) -> None:
    monkeypatch.setattr(sizing, "values_of", lambda *_: (inputs, WeekValues(inputs, inputs.params(), {}, YEAR)))
    asked = {"system": "bus_depot", "area": SHENYANG, "place": "", "year": YEAR, "weeks": ["winter"], "limits": {}}
    request = {"task": "sizing", "manifest": stored_run.manifest, "lang": lang, **asked}
    words = {"zh": "没有电动车", "en": "no electric vehicles in the stock of 2030"}
    with pytest.raises(ValueError, match=words[lang]):
        charging_jobs.solve(request, inputs, lambda *_: None)


def test_a_sizing_tells_its_steps(stored_run: StoredRun, inputs: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    params = inputs.params().replace("depot_buses", "all", np.full((1, 21), 12.0))
    params = params.replace("simulation_replications", "sample", np.full((1, 21), 2.0))
    read = WeekValues(inputs, params, {("bus_depot", SHENYANG): CityFleet(4000.0, 46_000.0)}, YEAR)
    monkeypatch.setattr(sizing, "values_of", lambda *_: (inputs, read))
    told: list[tuple[int, int, str]] = []
    asked = {
        "system": "bus_depot",
        "area": SHENYANG,
        "place": "",
        "year": YEAR,
        "weeks": ["winter"],
        "limits": {"missed_share": 1.0},
    }
    request = {"task": "sizing", "manifest": stored_run.manifest, **asked}
    table = charging_jobs.solve(request, inputs, lambda *step: told.append(step))["sizing"]
    assert told[0] == (0, 1, t("charging.step_models", "zh"))
    assert {step for _, _, step in told} == {t(f"charging.step_{name}", "zh") for name in ("models", "plugs", "feeder")}
    assert all(0 <= done < steps for done, steps, _ in told)
    assert set(table.filter(pl.col("metric") == "missed_share")["limit"]) == {1.0}


@pytest.mark.parametrize(("place", "first"), [("PT_LVSHUN:ro_pax", "berths"), ("PT_HULUDAO:cargo", "berths_crude_tanker")])
def test_ports_are_sized_too(
    stored_run: StoredRun, inputs: Inputs, monkeypatch: pytest.MonkeyPatch, place: str, first: str
) -> None:
    params = inputs.params().replace("simulation_replications", "sample", np.full((1, 21), 1.0))
    read = WeekValues(inputs, params, {}, YEAR)
    monkeypatch.setattr(sizing, "values_of", lambda *_: (inputs, read))
    ports = charging_tables.places_of_systems(inputs)["shore_power"]
    assert ports == berths.places(inputs, read)
    area = {port: code for code, port in ports}[place]
    told: list[str] = []
    asked = {"system": "shore_power", "area": area, "place": place, "year": YEAR, "weeks": ["winter"], "limits": {}}
    request = {"task": "sizing", "manifest": stored_run.manifest, "lang": "en", **asked}
    table = charging_jobs.solve(request, inputs, lambda *step: told.append(step[2]))["sizing"]
    assert first in set(table["what"])
    assert set(told) == {t("charging.step_models", "en")} | {what_name(what, "en") for what in table["what"]}
    # every kind of ship has a name, and what is shown beside the limits has a curve without a limit
    assert not any("_" in step for step in told)
    waits = table.filter(pl.col("what") == first, pl.col("metric") == "anchorage_wait_p95_h")
    limited = table.filter(pl.col("what") == first, pl.col("metric") == "unconnected_share")
    encoded = [json.dumps(charging_charts.size_curve(part, title="x", lang="en").to_dict()) for part in (waits, limited)]
    assert ["limit" in one.split('"datasets"')[0] for one in encoded] == [False, True]


# ---- tables and charts -------------------------------------------------------------------------------------------------------------


def test_files_begin_with_the_mark_of_utf8() -> None:
    table = pl.DataFrame({"clock": ["周一"], "mw": [1.5]})
    written = csv_bytes(table)
    assert written.startswith(b"\xef\xbb\xbf")
    assert pl.read_csv(io.BytesIO(written)).rows() == [("周一", 1.5)]


def test_prices_are_those_of_the_tariff() -> None:
    from fleets.tariff import make_tariff

    periods = pl.DataFrame(
        [(m, "00:00", "08:30", "valley") for m in range(1, 13)] + [(m, "08:30", "24:00", "peak") for m in range(1, 13)],
        schema=["month", "start", "end", "period"],
        orient="row",
    )
    tariff = make_tariff(periods, {"valley": 0.2, "peak": 1.0}, demand_cny_per_kw_month=0.0, demand_interval_min=15)
    table = charging_tables.prices(tariff, 1)
    assert table.height == 168
    assert table["price"][7] == pytest.approx(0.2)
    assert table["price"][8] == pytest.approx(0.6), "half an hour of each"
    assert table["period"][20] == "peak"
    assert np.allclose(table["price"][:24], table["price"][144:])


def test_the_curve_of_a_size_has_its_limit_and_interval() -> None:
    spec = charging_charts.size_curve(sizes(), title="x", lang="zh").to_dict()
    held = next(iter(spec["datasets"].values()))
    assert [row["limit"] for row in held] == [1.0] * 6
    assert [row["mark"] for row in held].count(t("sizing.chosen", "zh")) == 1


def test_english_texts_of_the_page_hold_no_chinese() -> None:
    mine = {name: text for name, text in texts("en").items() if name.startswith(("charging.", "sizing.", "self_check."))}
    assert len(mine) > 250
    assert not [name for name, text in mine.items() if re.search(r"[\u4e00-\u9fff]", text)]
