"""The command ``transport simulate``: what it prints and keeps, reads again, refuses, and leaves when it is cancelled."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from fleets.formats import read_schedule
from tests.transport.weeks.small_province import BIG, FLEETS, SMALL, small_models, small_params
from transport import simulate_run, store
from transport.cli import _tell_origin, main
from transport.scenario import load_scenario
from transport.store import StoreError, may_write, read_run, run_id, write_run
from transport.week_values import WEEKS, WeekValues
from transport.weeks import feedback, province

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs

#: A small request that is answered in a second or two, and one of half the size.
SMALL_REQUEST = ("--years", "2030", "--systems", "bus_depot", "taxi_city", "--areas", SMALL, "--workers", "1")
TAXIS = ("--years", "2030", "--systems", "taxi_city", "--areas", SMALL, "--workers", "1")


@pytest.fixture(autouse=True)
def small(inputs: Inputs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the command simulate a few vehicles on given models, and keep what it makes in a folder of the test."""
    models = small_models()
    models.inputs, models.params = inputs, small_params(inputs)
    monkeypatch.setattr(simulate_run, "parts_of", lambda *_: models)
    for module in (province, feedback):
        monkeypatch.setattr(module, "city_fleets", lambda *_: FLEETS)
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path / "runs"))


def asked(*argv: str, code: int = 0) -> tuple[str, str]:
    """Return what the command prints, and its messages."""
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(io.StringIO()) as told:
        assert main(["simulate", "plan_2030", *argv]) == code
    return printed.getvalue(), told.getvalue()


def test_it_prints_keeps_and_reads_again(tmp_path: Path, inputs: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    text, _ = asked(*SMALL_REQUEST, "--lang", "en")
    for words in ("charging in 2030, Tieling", "Bus depot", "Energy per km", "95 % interval", "Events", "provincial peak load"):
        assert words in text
    scenario = load_scenario("plan_2030", inputs.folder, inputs.levers)
    home = tmp_path / "runs" / run_id(scenario, inputs.data_hash)
    (folder,) = home.iterdir()
    assert folder.name.startswith("simulate-")
    stored = read_run(folder)
    assert stored.manifest["areas"] == [SMALL]
    # buses and taxis have a plan
    assert "charge on arrival" not in text
    assert "210000" not in stored.table("peak_response")["area"].to_list()
    use = stored.table("simulation").filter(
        pl.col("area") == "selected",
        pl.col("week") == "year",
        pl.col("metric") == "energy_kwh_per_km",
        pl.col("system") == "bus_depot",
    )
    assert f"{use['value'].item():.3f}" in text
    # the same question again is read: nothing is simulated any more
    monkeypatch.setattr(simulate_run, "simulate_province", None)
    again, _ = asked(*SMALL_REQUEST)
    assert "铁岭市" in again
    assert "--again" in again
    told = json.loads(asked(*SMALL_REQUEST, "--json")[0])
    assert told["kept"] is True
    assert told["hash"] == stored.manifest["run_id"]
    # the folder of the run may be filled later: the simulation stays in it
    may_write(home)
    write_run(home, {"t": pl.DataFrame({"a": [1]})}, scenario, inputs.data_hash, seconds=0.0)
    assert read_run(folder).manifest == stored.manifest
    write_run(home, {"t": pl.DataFrame({"a": [2]})}, scenario, inputs.data_hash, seconds=0.0)
    assert read_run(folder).manifest == stored.manifest
    assert store.list_runs(tmp_path / "runs")[0].folder == home


def test_a_cancelled_simulation_leaves_the_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "kept"
    asked(*TAXIS, "--out", str(folder), "--progress", str(tmp_path / "steps"))
    steps = [json.loads(line) for line in (tmp_path / "steps").read_text(encoding="utf-8").splitlines()]
    assert [s["step"] for s in steps] == list(range(1, 5))
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    run = simulate_run.simulate_province

    def interrupted(*given: Any, **options: Any) -> Any:
        def stop(done: int, *_: object) -> None:
            if done == 2:
                raise KeyboardInterrupt

        return run(*given, **options | {"progress": stop})

    monkeypatch.setattr(simulate_run, "simulate_province", interrupted)
    _, told = asked(*TAXIS, "--out", str(folder), "--again", "--lang", "en", code=1)
    assert told.startswith("Cancelled")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["kept", "steps"]


def test_another_folder_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("x", encoding="utf-8")
    _, told = asked(*SMALL_REQUEST, "--out", str(tmp_path / "notes"), "--lang", "en", code=1)
    assert "is no run folder" in told


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.os, "access", lambda *_: False)
    monkeypatch.setattr(simulate_run, "simulate_province", None)
    _, told = asked(*TAXIS, "--out", str(tmp_path / "new" / "deep"), "--lang", "en", code=1)
    assert f"nothing may be written in {tmp_path}" in told
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--years", "2040"), ("2040", "2015-2035")),
        (("--systems", "tram"), ("tram", "bus_depot, taxi_city, airport")),
        (("--areas", "210101"), ("210101", "210100, 210200")),
        (("--feedback", "--areas", SMALL), ("--areas", "--feedback")),
    ],
)
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_unknown_names_are_one_clear_message(argv: tuple[str, ...], words: tuple[str, ...], lang: str) -> None:
    printed, told = asked(*argv, "--lang", lang, code=2)
    assert not printed
    assert told.count("\n") == 1
    for word in words:
        assert word in told


def test_an_unknown_scenario_is_a_finding() -> None:
    with contextlib.redirect_stderr(io.StringIO()) as told:
        assert main(["simulate", "plan_2031", "--lang", "en"]) == 2
    assert "plan_2030" in told.getvalue()


def test_workers_must_be_one_or_more() -> None:
    with contextlib.redirect_stderr(io.StringIO()) as told, pytest.raises(SystemExit) as stop:
        main(["simulate", "plan_2030", "--workers", "0"])
    assert stop.value.code == 2
    assert "--workers" in told.getvalue()


def test_requests(inputs: Inputs) -> None:
    whole = simulate_run.make_request(inputs)
    assert (whole.whole, whole.years, whole.folder()) == (True, (2025, 2030, 2035), "simulate")
    other = simulate_run.make_request(inputs, areas=[SMALL, BIG], years=[2030])
    assert (other.areas, other.whole) == ((BIG, SMALL), False)
    assert other == simulate_run.make_request(inputs, areas=[BIG, SMALL], years=[2030])
    with pytest.raises(province.ProvinceError, match="year 2040: there are 2015"):
        simulate_run.make_request(inputs, years=[2040])
    with pytest.raises(province.ProvinceError, match="system missing"):
        simulate_run.make_request(inputs, systems=[])


FLIGHTS = "day,arrive,depart,size,stand\n" + "".join(
    f"{day},{hour}:10,{hour}:58,narrow_body,remote\n" for day in range(1, 8) for hour in (8, 9)
)
#: An airport of a few movements, with the timetable above in place of them.
AIRPORT = ("--years", "2030", "--systems", "airport", "--areas", "210600", "--workers", "1")


def test_a_timetable_takes_the_place_of_the_flights(tmp_path: Path, inputs: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "flights.csv"
    file.write_text(FLIGHTS, encoding="utf-8")
    argv = (*AIRPORT, "--schedule", f"A_DDG={file}")
    text, _ = asked(*argv, "--lang", "en")
    assert "Timetable handed in for A_DDG: 14 turnarounds a week" in text
    assert "charge on arrival in the simulation" in text
    scenario = load_scenario("plan_2030", inputs.folder, inputs.levers)
    (folder,) = (tmp_path / "runs" / run_id(scenario, inputs.data_hash)).iterdir()
    stored = read_run(folder)
    flown = stored.table("simulation").filter(pl.col("metric") == "turnarounds", pl.col("place") == "A_DDG")
    # the same flights in every week, and 52 such weeks by their weights in the year
    weeks = dict(flown.select("week", "value").iter_rows())
    read = WeekValues(inputs, inputs.params(), {}, 2030)
    weight = sum(read("week_weight", week) for week in WEEKS)
    assert {w: weeks[w] for w in WEEKS} == dict.fromkeys(WEEKS, 14.0)
    assert weeks["year"] == pytest.approx(14.0 * weight)
    assert stored.table("turnarounds").filter(pl.col("week") == "winter")["arrive_min"].to_list()[:2] == [490.0, 550.0]
    # the same flights in other words are the same question, other flights another one
    monkeypatch.setattr(simulate_run, "simulate_province", None)
    head, *lines = FLIGHTS.splitlines()
    file.write_text("\n".join([head, *reversed(lines)]), encoding="utf-8")
    told = json.loads(asked(*argv, "--json")[0])
    assert (told["kept"], told["schedules"]) == (True, stored.manifest["schedules"])
    file.write_text("\n".join([head, *lines[1:]]), encoding="utf-8")
    tables = {"A_DDG": read_schedule(file)}
    other = simulate_run.make_request(inputs, years=[2030], systems=["airport"], areas=["210600"], schedules=tables)
    plain = simulate_run.make_request(inputs, years=[2030], systems=["airport"], areas=["210600"])
    assert len({other.folder(), plain.folder(), folder.name}) == 3
    for request in (other, plain):
        assert simulate_run.stored_simulation(folder, scenario, inputs, request) is None
    with pytest.raises(province.ProvinceError, match="timetable of A_SHE: no such airport is simulated; there are A_DDG"):
        simulate_run.make_request(inputs, areas=["210600"], schedules={"A_SHE": tables["A_DDG"]})


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_what_is_wrong_with_timetables_comes_at_once(tmp_path: Path, lang: str) -> None:
    file = tmp_path / "flights.csv"
    file.write_text("day,arrive,depart,size\n1,8:10,8:58,jumbo\n9,8:10,8:58,narrow_body\n", encoding="utf-8")
    given = (f"A_DDG={file}", f"A_DDG={file}", f"A_SHE={file}", "A_DDG", f"A_DDX={tmp_path / 'none.csv'}")
    printed, told = asked(*AIRPORT, *(word for one in given for word in ("--schedule", one)), "--lang", lang, code=2)
    assert not printed
    lines = told.splitlines()
    assert len(lines) == len(given)
    for part in ("flights.csv row 2, column size: 'jumbo'", "flights.csv row 3, column day: '9'"):
        assert part in lines[0]
    assert [word in line for word, line in zip(("A_DDG", "A_SHE", "A_DDG", "A_DDX"), lines[1:], strict=True)] == [True] * 4
    _, told = asked(*TAXIS, "--schedule", f"A_DDG={file}", "--lang", lang, code=2)
    assert "airport" in told
    _, told = asked("--feedback", "--schedule", f"A_DDG={file}", "--lang", lang, code=2)
    assert "--schedule" in told


def test_tables_have_the_columns_of_the_contract(tmp_path: Path, root: Path) -> None:
    folder = tmp_path / "made"
    options = ("--years", "2030", "--areas", "210600", SMALL, "--systems", "bus_depot", "taxi_city", "airport", "shore_power")
    asked(*options, "--workers", "1", "--out", str(folder))
    text = (root / "docs" / "contracts.md").read_text(encoding="utf-8").split("\n## 5a. ")[1].split("\n## ")[0]
    columns = {name: listed.split(", ") for name, listed in re.findall(r"^\| `([^`]+)` \| ([^|]+) \|$", text, flags=re.MULTILINE)}
    stored = read_run(folder)
    # truck stations need the flows of a freight model, and the feedback is another question
    assert set(stored.manifest["tables"]) == set(columns) - {"station_hours", "feedback"}
    for name in stored.manifest["tables"]:
        assert stored.table(name).columns == columns[name], name


# ---- the table for the year model ----


def test_a_simulation_takes_no_feedback(monkeypatch: pytest.MonkeyPatch, inputs: Inputs) -> None:
    """Factors of an earlier simulation must not count twice."""
    taken: list[Any] = []
    monkeypatch.undo()
    monkeypatch.setattr(simulate_run, "model_parts", lambda scenario, _: taken.append(scenario))
    plain = load_scenario("plan_2030", inputs.folder, inputs.levers)
    simulate_run.parts_of(replace(plain, feedback="x", feedback_hash="0"), inputs)
    assert (taken[0].feedback, taken[0].feedback_hash, taken[0].draws) == ("", "", 1)


def test_feedback_is_made_kept_and_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: Inputs) -> None:
    monkeypatch.setattr(
        feedback.feedback_table, "__kwdefaults__", {**feedback.feedback_table.__kwdefaults__, "ratios": (0.5, 1.0)}
    )
    few = {key: fleet for key, fleet in FLEETS.items() if key[1] == SMALL}
    monkeypatch.setattr(feedback, "city_fleets", lambda *_: few)
    text, _ = asked("--feedback", "--years", "2030", "--workers", "1", "--lang", "en")
    assert "Bus depot" in text
    assert "transport run SCENARIO --feedback" in text
    name = run_id(load_scenario("plan_2030", inputs.folder, inputs.levers), inputs.data_hash)
    folder = tmp_path / "runs" / name / "simulate-feedback"
    table = read_run(folder).table("feedback")
    assert table.columns == list(feedback.FEEDBACK_SCHEMA)
    for named in (name, str(folder), str(folder.parent), str(folder / "feedback.parquet")):
        assert_frame_equal(store.read_feedback(named), table, check_exact=True)
    made = load_scenario("plan_2030", inputs.folder, inputs.levers, feedback=name)
    plain = load_scenario("plan_2030", inputs.folder, inputs.levers)
    assert made.scenario_hash() == load_scenario("plan_2030", inputs.folder, inputs.levers, feedback=str(folder)).scenario_hash()
    assert made.scenario_hash() != plain.scenario_hash()
    assert "feedback" not in plain.resolved()["run"]
    # the table of this run is no news; of another scenario, another pack or other charging it is, and plugs are what is looked up
    assert feedback.feedback_differences(plain, inputs) == []
    assert feedback.feedback_checks(plain, inputs).is_empty()
    assert feedback.feedback_checks(made, inputs)["passed"].to_list() == [True] * 4
    extra = {
        "depot_plugs_per_bus": 0.5,
        "managed_charging_share": 0.2,
        "charger_power": 2.0,
        "taxi_swap_share": 0.5,
        "rail_tariff": 0.9,
    }
    other = load_scenario("baseline", inputs.folder, inputs.levers, feedback=name, extra=extra)
    packed = replace(inputs, data_hash="0" * 64)
    assert feedback.feedback_differences(other, packed) == [
        ("scenario", "", "plan_2030", "baseline"),
        ("data", "", inputs.data_hash[:24], "0" * 24),
        ("levers", "managed_charging_share", '{"2025": 0.1, "2030": 0.3}', "0.2"),
        ("levers", "taxi_swap_share", "", "0.5"),
    ]
    checks = feedback.feedback_checks(other, packed)
    assert dict(checks.select("check", "value").iter_rows())["feedback.other_levers"] == 2.0
    assert checks["passed"].to_list() == [True, False, False, False]
    for lang, words in (("en", ("baseline", "taxi_swap_share not set, here 0.5")), ("zh", ("警告", "taxi_swap_share为未设置"))):
        with contextlib.redirect_stderr(io.StringIO()) as told:
            _tell_origin(other, inputs, lang)
            _tell_origin(made, inputs, lang)
        assert told.getvalue().count("\n") == 1
        for word in words:
            assert word in told.getvalue()
    alone = tmp_path / "alone.parquet"
    shutil.copy(folder / "feedback.parquet", alone)
    lost = load_scenario("plan_2030", inputs.folder, inputs.levers, feedback=str(alone))
    assert [one.what for one in feedback.feedback_differences(lost, inputs)] == ["origin"]
    changed = tmp_path / "changed"
    shutil.copytree(folder, changed)
    table.with_columns(value=pl.lit(2.0)).write_parquet(changed / "feedback.parquet")
    with pytest.raises(StoreError, match="is not what transport simulate --feedback wrote there"):
        store.read_feedback(str(changed))
    with pytest.raises(StoreError, match=r"no feedback\.parquet there"):
        store.read_feedback("nothing")
    with contextlib.redirect_stderr(io.StringIO()) as told:
        assert main(["run", "plan_2030", "--feedback", "nothing", "--lang", "en"]) == 2
    assert "there is no feedback.parquet there" in told.getvalue()
