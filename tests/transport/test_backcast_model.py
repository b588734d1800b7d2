"""Backcast: targets, levers and bounds as they are read, folders and words, and one small question asked of the model itself."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from transport.api import load_scenario
from transport.backcast import READING, Asked, BackcastError, Span, Variable, asked_targets, settings_of, space_of
from transport.backcast_problem import ModelProblem, helpful
from transport.backcast_run import Question, backcast_id, run_backcast, settings_text
from transport.backcast_search import (
    COST,
    FIRST_TARGET,
    IMPOSSIBLE,
    Screen,
)
from transport.backcast_solve import Effort
from transport.backcast_tables import TABLES, binding_rows, read_backcast, write_backcast
from transport.backcast_words import word_frame, words_of
from transport.bundled import FOLDER
from transport.cli import main
from transport.layout import YEARS, year_index
from transport.params import lever_path
from transport.store import StoreError, read_run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from transport.cases import Chunk
    from transport.freight_start import FreightStarts
    from transport.inputs import Inputs
    from transport.study import Given

QUICK = Effort(population=12, generations=3, iterations=24, points=4, workers=1)
CITIES = ("210100", "210200", "210300", "210400", "210700")


# ---- targets, levers, bounds ----


def test_targets_are_those_of_the_plan(inputs: Inputs) -> None:
    asked = asked_targets(["operating_co2_intensity=-40", "green_travel_share", "sea_rail_share@2025"], inputs, CITIES)
    assert [a.id for a in asked].count("green_travel_share") == len(CITIES)
    headline = asked[0]
    assert (headline.value, headline.year, headline.direction) == (-40.0, 2030, "at_most")
    assert headline.ahead(np.array([-41.5, -38.0, np.nan])).tolist() == [1.5, -2.0, -30.0]
    assert headline.value_of(1.5) == -41.5
    assert headline.value_of(-30.0) is None


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ("operating_co2_intensty", "backcast.no_target", "operating_co2_intensity"),
        ("operating_co2_intensity@2031", "backcast.no_year", "2030"),
        ("operating_co2_intensity=low", "backcast.no_number", "low"),
        ("rail_electrified_share", "backcast.only_direction", "rail_electrified_share ≥"),
        ("transport_co2_total@2030", "backcast.only_direction", "transport_co2_total ≤"),
        ("siding_access_share@2028=50", "backcast.no_year", "2030"),
        ("cr_express_trains=1200", "backcast.not_modelled", "cr_express_trains"),
        ("recycled_paving_share", "backcast.no_target", "operating_co2_intensity, port_rail"),
    ],
)
def test_bad_targets_are_told(inputs: Inputs, text: str, key: str, says: str) -> None:
    with pytest.raises(BackcastError) as error:
        asked_targets([text], inputs, CITIES)
    assert error.value.key == key
    assert says in " ".join(str(v) for v in error.value.values.values())


def test_a_target_without_a_number_is_asked_with_a_value_and_every_target_has_its_series(inputs: Inputs) -> None:
    """Where the plan gives a direction only the value decides; an indicator that is only followed cannot be asked, and the text names those that can."""
    rail, total = asked_targets(["rail_electrified_share=75", "transport_co2_total=4e7"], inputs, CITIES)
    assert (rail.value, rail.year, rail.direction, rail.unit, rail.step) == (75.0, 2030, "at_least", "percent", 0.25)
    assert (total.value, total.direction, total.reading) == (4e7, "at_most", ("direct_power", "", "", ""))
    found = read_run(FOLDER / "plan_2030").table("indicators")
    followed = {t.id for t in inputs.targets if t.value is None}
    wanted = asked_targets(
        [t.id if t.value is not None else f"{t.id}=50" for t in inputs.targets if t.id != "cr_express_trains"], inputs, CITIES
    )
    assert {a.id for a in wanted} >= followed
    for one in wanted:
        reading = dict(zip(READING, one.reading, strict=True))
        assert found.filter(id=one.id, area=one.area, year=one.year, **reading).height == 1, one
    without = replace(inputs, targets=tuple(replace(t, direction="") if t.value is None else t for t in inputs.targets))
    for text in ("rail_electrified_share", "rail_electrified_share=75"):
        with pytest.raises(BackcastError) as error:
            asked_targets([text], without, CITIES)
        assert error.value.key == "backcast.only_tracked"
        assert "operating_co2_intensity" in str(error.value.values["known"])
        assert "rail_electrified_share" not in str(error.value.values["known"])


def test_the_step_of_a_price_is_a_quarter_point_a_year_or_a_hundredth(inputs: Inputs) -> None:
    asked = asked_targets(["operating_co2_intensity", "land_oil_peak", "rail_freight_increase=50000000"], inputs, CITIES)
    assert {a.unit: a.step for a in asked} == {"percent": 0.25, "year": 1.0, "t/yr": 500000.0}


def headline(inputs: Inputs) -> tuple[Asked, ...]:
    return asked_targets(["operating_co2_intensity"], inputs, CITIES)


def test_a_lever_without_a_cost_is_never_free(inputs: Inputs) -> None:
    plan, stretch = (load_scenario(name, inputs=inputs) for name in ("plan_2030", "stretch"))
    space = space_of(plan, inputs, headline(inputs), bounds=stretch)
    used = {span.lever for v in space.variables for span in v.spans}
    left = {lever for lever, *_ in space.left_out}
    assert {"truck_efficiency", "grid_non_fossil_share", "rail_terminal_dwell"} <= left
    assert not used & left
    assert {v.basis for v in space.variables} == {"rows", "price"}
    assert {v.basis for v in space_of(plan, inputs, headline(inputs), bounds=stretch, with_prices=False).variables} == {"rows"}
    with pytest.raises(BackcastError, match="no_levers"):
        space_of(plan, inputs, headline(inputs), bounds=stretch, chosen=["truck_efficiency"])


def test_levers_act_from_the_year_of_the_data_and_reach_the_bound_in_that_of_the_target(inputs: Inputs) -> None:
    plan, stretch = (load_scenario(name, inputs=inputs) for name in ("plan_2030", "stretch"))
    space = space_of(plan, inputs, headline(inputs), bounds=stretch)
    assert (space.first_year, space.year) == (2026, 2030)
    rows = {lever.lever: lever for lever in inputs.levers}
    for variable in space.variables:
        assert variable.source == "stretch"
        for span in variable.spans:
            default = rows[span.lever].default
            before = lever_path(plan.settings.get(span.lever, default), default)
            top = lever_path(stretch.settings[span.lever], default)
            past = slice(0, year_index(2026))
            assert np.array_equal(np.asarray(span.base), before)
            assert np.array_equal(np.asarray(span.bound)[past], before[past])
            assert np.asarray(span.bound)[year_index(2030) :] == pytest.approx(top[year_index(2030) :])
    names = {v.name: v for v in space.variables}
    assert len(names["clean_sales:tractor_trailer"].spans) == 2
    assert len(names["shore_power"].spans) == 2  # berths have no way to go


def test_a_package_sets_what_lies_between_scenario_and_bound(inputs: Inputs) -> None:
    span = Span("bus_priority", "dimensionless", (0.1,) * len(YEARS), tuple(np.linspace(0.1, 0.5, len(YEARS)).tolist()))
    variable = Variable("bus_priority", "bus_lanes", "rows", "stretch", (span,))
    assert settings_of([variable], np.array([0.0])) == {}
    half = settings_of([variable], np.array([0.5]))["bus_priority"]
    assert isinstance(half, dict)
    assert half[YEARS[-1]] == pytest.approx(0.3)
    assert min(half) == 2021


def test_ranges_are_used_to_the_end_that_helps(inputs: Inputs) -> None:
    plan = load_scenario("plan_2030", inputs=inputs)
    asked = asked_targets(["green_travel_share"], inputs, CITIES)
    space = space_of(plan, inputs, asked, bounds=None, chosen=["bus_priority"])
    assert [(v.name, v.source, v.spans[0].bound[year_index(2030)]) for v in space.variables] == [
        ("bus_priority+", "range", 0.6),
        ("bus_priority-", "range", 0.0),
    ]
    problem = ModelProblem(plan, inputs, None, space.variables, asked, space.year)  # type: ignore[arg-type]
    none = np.zeros(FIRST_TARGET + len(asked))
    alone = np.stack([none + 1.0, none - 1.0])
    kept, others = helpful(problem, none, alone)
    assert (kept, others) == ((0,), (1,))
    assert problem.only(kept).variables[0].name == "bus_priority"


def test_a_package_that_cannot_be_worked_out_takes_no_other_along(inputs: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = load_scenario("plan_2030", inputs=inputs)
    asked = headline(inputs)
    space = space_of(plan, inputs, asked, bounds=None, chosen=["bus_priority"])
    problem = ModelProblem(plan, inputs, None, space.variables[:1], asked, space.year)  # type: ignore[arg-type]

    def outcomes(_: ModelProblem, chunk: Chunk, given: Given) -> np.ndarray:
        levels = [float(lever_path(package.get("bus_priority", 0.0), 0.0).max()) for package in chunk.settings]
        if any(level > 0.5 for level in levels):
            message = "no such package"
            raise ValueError(message)
        return np.stack([np.array([level, -level, level]) for level in levels])

    monkeypatch.setattr(ModelProblem, "_outcomes", outcomes)
    found = problem.evaluate(np.array([[0.0], [0.1], [1.0], [0.2]]))
    assert found[[0, 1, 3], COST].tolist() == sorted(found[[0, 1, 3], COST].tolist())
    assert found[2].tolist() == [IMPOSSIBLE, IMPOSSIBLE, -30.0]
    shown = Screen(found[0], found[2], found[1:3])
    assert shown.scale[COST] == pytest.approx(found[1, COST])
    monkeypatch.setattr(ModelProblem, "_outcomes", lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):  # the scenario itself must work out
        problem.evaluate(np.zeros((1, 1)))


def test_an_unknown_lever_is_told_with_the_nearest(inputs: Inputs) -> None:
    plan, stretch = (load_scenario(name, inputs=inputs) for name in ("plan_2030", "stretch"))
    with pytest.raises(BackcastError) as error:
        space_of(plan, inputs, headline(inputs), bounds=stretch, chosen=["bus_prioritty"])
    assert error.value.values["hint"] == "bus_priority"


@pytest.mark.parametrize(
    "more",
    [["--target", "operating_co2_intensty"], ["--target", "operating_co2_intensity", "--levers", "bus_prioritty"]],
)
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_bad_questions_end_with_a_hint(
    more: list[str], lang: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transport.backcast_run.base_series", lambda *_: [])
    assert main(["backcast", "plan_2030", *more, "--out", str(tmp_path / "x"), "--lang", lang]) == 2
    said = capsys.readouterr().err
    assert "operating_co2_intensity" in said or "bus_priority" in said
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("given", ["1.2", "0", "often"])
def test_a_probability_lies_between_0_and_1(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["backcast", "plan_2030", "--target", "operating_co2_intensity", "--probability", given])
    assert stop.value.code == 2
    assert given in capsys.readouterr().err


# ---- the folder ----


def test_binding_sections_are_named(inputs: Inputs) -> None:
    nodes = inputs.table("networks/nodes")
    one, two = nodes.filter(pl.col("name_zh").is_not_null())["node_id"].to_list()[:2]
    links = pl.DataFrame(
        {
            "year": [2030] * 3,
            "link_id": ["A", "B", "C"],
            "from_node": [one] * 3,
            "to_node": [two] * 3,
            "mode": ["rail", "road", "rail"],
            "vc_ratio": [0.95, 1.2, 0.5],
            "price_cny_per_t": [9.0, None, 0.1],
        }
    )
    terminals = pl.DataFrame(
        {
            "year": [2030],
            "terminal_id": ["berth_X"],
            "kind": ["berth"],
            "place": [f"Z_{one}"],
            "vc_ratio": [0.9],
            "price_cny_per_t": [5.0],
        }
    )
    unmet = pl.DataFrame({"constraint": ["rail", "berth"], "place": ["A", f"Z_{one}"], "unmet_t": [2e6, 1e6]})
    rows = binding_rows({"freight_links": links, "freight_terminals": terminals, "freight_unmet": unmet}, inputs)
    assert [(r["id"], r["unmet_t"]) for r in rows] == [("A", 2e6), ("berth_X", 1e6), ("B", None)]
    assert "—" in rows[0]["name_zh"]
    assert rows[1]["name_zh"].endswith("泊位")


def test_a_folder_is_whole_or_not_there(tmp_path: Path) -> None:
    tables = {name: pl.DataFrame(schema=columns) for name, columns in TABLES.items()}
    found = write_backcast(tmp_path / "b", {"backcast": "1"}, tables)
    assert read_backcast(found.folder).manifest["complete"] is True
    assert {p.name for p in tmp_path.iterdir()} == {"b"}
    with pytest.raises(StoreError, match="holds no table"):
        found.table("nothing")
    assert write_backcast(tmp_path / "b", {"backcast": "1"}, tables).manifest == found.manifest  # two sessions ask the same
    with pytest.raises(StoreError, match="another backcast"):
        write_backcast(tmp_path / "b", {"backcast": "2"}, tables)
    broken: Mapping[str, object] = {**tables, "targets": None}
    with pytest.raises(AttributeError):
        write_backcast(tmp_path / "c", {"backcast": "2"}, broken)  # type: ignore[arg-type]
    assert {p.name for p in tmp_path.iterdir()} == {"b"}
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x.txt").write_text("x", encoding="utf-8")
    with pytest.raises(StoreError, match="no backcast"):
        read_backcast(tmp_path / "d")


@pytest.mark.parametrize("status", ["met", "reached", "improbable", "infeasible"])
@pytest.mark.parametrize("unit", ["percent", "year", "t/yr"])
def test_every_answer_has_its_words(status: str, unit: str, inputs: Inputs) -> None:
    """Targets that are met, missed, past and lost to capacity; prices with and without a tonne; both languages, no code left over."""

    def frame(name: str, rows: list[dict[str, object]]) -> pl.DataFrame:
        blank = dict.fromkeys(TABLES[name])
        return pl.DataFrame([{**blank, **row} for row in rows], schema=TABLES[name])

    target = {
        "id": "operating_co2_intensity",
        "area": "210000",
        "year": 2030,
        "unit": unit,
        "direction": "at_most",
        "target": -42.0,
    }
    done = {"central": -42.5, "gap": -0.5, "met": True, "margin": 0.4, "equilibrium": -41.0, "equilibrium_met": False}
    short = {"central": -41.0, "gap": 1.0, "met": False, "margin": 0.0, "equilibrium": -41.0, "equilibrium_met": False}
    rows = [
        {**target, **done},
        {**target, **short, "id": "sea_rail_share"},
        {**target, **short, "id": "sea_rail_growth", "year": 2025},
    ]
    tables = {name: frame(name, []) for name in TABLES}
    chance = {"cost_cny2023": 4e8, "co2_change_t": -1e6, "probability": 0.85, "standard_error": 0.04, "draws": 96}
    tables["packages"] = frame("packages", [{"package": p, "kind": p, **chance} for p in ("base", "best")])
    tables["targets"] = frame("targets", [{**row, "package": p} for p in ("base", "best", "all") for row in rows])
    lever = {"package": "best", "variable": "transit_fare", "lever": "transit_fare", "unit": "dimensionless", "basis": "price"}
    value = {"base_value": 1.0, "value": 0.5, "bound_value": 0.5, "level": 1.0, "at_bound": True, "cost_cny2023": 1e8}
    tables["levers"] = frame("levers", [{**lever, **value}])
    sides = [("tighter", 3e8, 500.0), ("looser", 2e8, 400.0), ("tighter", None, None), ("looser", 2e8, None)]
    price = {k: target[k] for k in ("id", "area", "year", "unit")} | {"step": 0.25}
    tables["shadow_prices"] = frame(
        "shadow_prices", [{**price, "side": s, "cny2023_per_unit": c, "cny2023_per_tco2": t} for s, c, t in sides]
    )
    about = {"status": status, "title_zh": "方案", "title_en": "Plan", "year": 2030, "first_year": 2026, "probability": 0.8}
    about |= {"levers": ["transit_fare"], "bounds": "stretch", "bounds_zh": "加力情景", "bounds_en": "Stretch"}
    about |= {"capacity": "equilibrium", "probability_in_equilibrium": 0.6}
    words = word_frame(about, tables, inputs)
    text = {lang: " ".join(words[lang]) for lang in ("zh", "en")}
    assert not any(bad in text[lang] for lang in text for bad in ("None", "nan", "{", "backcast."))
    assert "stretch" not in text["zh"]
    assert not any(raw in text["zh"] for raw in ("percent", "year", "t/yr"))
    assert "60.0%" in text["zh"]
    assert ("上限（加力情景）" in text["zh"]) == (status in {"improbable", "infeasible"})
    assert ("该年已过" in text["zh"]) == (status == "infeasible")
    past = {**target, **done, "year": 2025, "equilibrium_met": True}
    tables["targets"] = frame("targets", [{**past, "package": p} for p in ("base", "best", "all")])
    words = word_frame(about, tables, inputs)
    assert words["zh"].str.count_matches("该年已过").sum() == 1, "a past target that is met is told to be past, once"
    assert words["en"].str.count_matches("the year is past").sum() == 1


@pytest.fixture(scope="module")
def small(base_year: FreightStarts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small backcast of the bundled plan, asked on the command line, on the base year that the tests share."""
    folder = tmp_path_factory.mktemp("backcast") / "small"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("transport.backcast_run.FreightStarts", lambda: copy.copy(base_year))
        assert main([*ASKED, "--out", str(folder), "--quiet", "--progress", str(folder.parent / "progress.jsonl")]) == 0
    return folder


ASKED = [
    "backcast",
    "plan_2030",
    "--target",
    "operating_co2_intensity=-37",
    "--levers",
    "rail_electrified_share,new_siding_share",
    "--draws",
    "0",
    "--generations",
    "0",
    "--iterations",
    "4",
    "--points",
    "0",
    "--no-equilibrium",
    "--workers",
    "1",
]


def test_the_model_answers(small: Path, inputs: Inputs) -> None:
    found = read_backcast(small)
    assert found.manifest["status"] == "reached"
    assert list(found.manifest["tables"]) == list(TABLES)
    for name, columns in TABLES.items():
        assert dict(found.table(name).schema) == dict(columns), name
    target = found.table("targets").filter(package="best").row(0, named=True)
    assert target["met"]
    assert target["central"] == pytest.approx(-37.0, abs=0.01)  # no more than asked for, as it costs
    best, base = (found.table("packages").filter(package=p).row(0, named=True) for p in ("best", "base"))
    assert (base["cost_cny2023"], base["co2_change_t"], base["targets_met"]) == (0.0, 0.0, 0)
    assert best["co2_change_t"] < 0.0
    levers = found.table("levers").filter(package="best")
    assert levers["bound_source"].unique().to_list() == ["stretch"]
    progress = [json.loads(line) for line in (small.parent / "progress.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {p["name"] for p in progress} == {"screen", "search", "probability", "equilibrium", "prices"}
    prices = found.table("shadow_prices")
    assert prices["side"].to_list() == ["tighter", "looser"]
    # the target binds: sidings save money and are at their bound, wires are dear, so that more costs more than less saves
    tighter, looser = prices["cny2023_per_unit"].to_list()
    assert tighter > looser > 1e6
    assert prices["cny2023_per_tco2"][0] > 0.0
    assert not (small / "words.parquet").exists(), "sentences are made when they are read"
    words = words_of(found, inputs).filter(kind="shadow")
    assert words.height == 1
    assert "每年多花" in words["zh"][0]
    assert "costs" in words["en"][0]


def test_the_package_as_a_scenario_is_the_package(small: Path, inputs: Inputs, tmp_path: Path) -> None:
    found = read_backcast(small)
    path = tmp_path / "package.toml"
    path.write_text(f'title_zh = "反推"\nbase = "plan_2030"\n{settings_text(found)}\n', encoding="utf-8")
    again = load_scenario(str(path), inputs=inputs)
    rows = {lever.lever: lever for lever in inputs.levers}
    for lever, value in found.manifest["settings"].items():
        default = rows[lever].default
        kept = {int(y): v for y, v in value.items()} if isinstance(value, dict) else value
        assert lever_path(again.settings[lever], default) == pytest.approx(lever_path(kept, default), abs=1e-5), lever


@pytest.mark.parametrize(("lang", "word"), [("zh", "可行"), ("en", "Feasible")])
def test_it_is_told_in_both_languages_without_another_search(
    small: Path, lang: str, word: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transport.backcast_run.solve", None)  # the folder is read back
    assert main([*ASKED, "--out", str(small), "--lang", lang]) == 0
    assert word in capsys.readouterr().out
    assert main([*ASKED, "--out", str(small), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "reached"


def test_a_past_target_is_told_without_a_wide_search(
    base_year: FreightStarts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transport.backcast_run.FreightStarts", lambda: copy.copy(base_year))
    question = ["backcast", "plan_2030", "--target", "sea_rail_share@2025", "--levers", "rail_electrified_share"]
    assert main([*question, "--draws", "0", "--no-equilibrium", "--workers", "1", "--out", str(tmp_path / "b"), "--quiet"]) == 0
    found = read_backcast(tmp_path / "b")
    assert found.manifest["status"] == "met"
    assert found.manifest["evaluations"] < 40
    assert found.table("levers").filter(pl.col("level") > 0.0, package="best").is_empty()
    assert found.table("front")["package"].to_list() == ["best"]


@pytest.mark.slow
def test_the_number_of_processes_changes_no_byte(tmp_path: Path) -> None:
    """Search, draws, prices and front in one process on the base year that the search has, and in two that each find their own."""
    question = [*ASKED[: ASKED.index("--draws")], "--draws", "16", "--population", "4", "--generations", "1", "--iterations", "3"]
    written = []
    for workers in ("1", "2"):
        folder = tmp_path / workers
        assert main([*question, "--points", "3", "--no-equilibrium", "--workers", workers, "--out", str(folder), "--quiet"]) == 0
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    one, two = written
    assert set(one) == {"manifest.json", *(f"{name}.parquet" for name in TABLES)}
    assert [name for name in one if one[name] != two[name]] == []


def test_another_question_has_another_number(inputs: Inputs) -> None:
    plan = load_scenario("plan_2030", inputs=inputs)
    question = Question(("operating_co2_intensity",), 0.8, 10, None)
    numbers = {
        backcast_id(plan, inputs, question, QUICK),
        backcast_id(plan, inputs, replace(question, probability=0.9), QUICK),
        backcast_id(plan, inputs, question, replace(QUICK, seed=1)),
    }
    assert len(numbers) == 3
    assert backcast_id(plan, inputs, question, replace(QUICK, workers=2)) in numbers


def test_a_folder_of_something_else_is_left_alone(inputs: Inputs, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x", encoding="utf-8")
    plan = load_scenario("plan_2030", inputs=inputs)
    with pytest.raises(StoreError, match="no backcast"):
        run_backcast(plan, inputs, Question(("operating_co2_intensity",), 0.8, 0, None), QUICK, folder=tmp_path)
    other = tmp_path / "other"
    write_backcast(other, {"backcast": "1"}, {})
    with pytest.raises(StoreError, match="another backcast"):
        run_backcast(plan, inputs, Question(("operating_co2_intensity",), 0.8, 0, None), QUICK, folder=other)
