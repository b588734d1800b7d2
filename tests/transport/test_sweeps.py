"""Sweeps: what a file comes to, and that cases are run once, together or apart, with the same bytes."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl
import pytest

from transport import pool, study, sweeps
from transport.catalogue import Catalogue
from transport.cli import main
from transport.cluster import ClusterError
from transport.findings import DataError
from transport.freight_start import FreightStarts
from transport.scenario import load_scenario
from transport.store import StoreError, run_id
from transport.sweep_cli import stored
from transport.sweep_file import FREIGHT_TABLES, OTHER_TABLES, read_sweep, sweep_names, written
from transport.sweeps import MANIFEST, Lane, read_result, run_lane, run_sweep

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from transport.inputs import Inputs
    from transport.scenario import Scenario
    from transport.study import Results
    from transport.sweeps import SweepResult

GRID = """
title_zh = "网格"
title_en = "Grid"
base = "baseline"
[set]
freight_growth = 1.05
[run]
capacity = "fixed"
[grid]
road_toll = [1.0, 1.1, { 2026 = 1.0, 2027 = 1.2 }]
projects.dbl_yechi = [2027, "never"]
"""
CASES = """
title_zh = "清单"
[[case]]
name = "as it is"
[[case]]
name = "tolls"
title_zh = "通行费"
title_en = "Tolls"
set = { road_toll = 1.1 }
[[case]]
name = "plan, mill shut"
base = "plan_2030"
set = { rail_tariff = { 2030 = 0.9 } }
closures = { RL006 = { 2030 = 0.25 } }
sites = { Z_RF_JZSH = { 2028 = 0.0 } }
"""


def written_to(folder: Path, text: str, name: str = "mine.toml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def stub(scenario: Scenario, inputs: Inputs, names: Sequence[str], starts: FreightStarts) -> dict[str, pl.DataFrame]:
    """Return tables that depend on the settings, as a run's do, without running a model."""
    toll = scenario.settings.get("road_toll", 1.0)
    value = toll if isinstance(toll, float) else sum(toll.values())
    if value == 2.0:
        msg = "no road left"
        raise ArithmeticError(msg)
    keys = {"id": ["x", "y"], "area": ["210000"] * 2, "year": [2025, 2030]}
    table = pl.DataFrame({**keys, "value": [value, math.sqrt(value)], "unit": ["percent"] * 2})
    return dict.fromkeys(names, table)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


# ---- files ----


def test_a_grid_is_every_combination_the_last_key_first(inputs: Inputs, tmp_path: Path) -> None:
    sweep = read_sweep(written_to(tmp_path, GRID), inputs)
    assert [case.name for case in sweep.cases] == [
        "road_toll=1, projects.dbl_yechi=2027",
        "road_toll=1, projects.dbl_yechi=never",
        "road_toll=1.1, projects.dbl_yechi=2027",
        "road_toll=1.1, projects.dbl_yechi=never",
        "road_toll=2026:1,2027:1.2, projects.dbl_yechi=2027",
        "road_toll=2026:1,2027:1.2, projects.dbl_yechi=never",
    ]
    last = sweep.cases[-1].scenario
    assert last.settings["road_toll"] == {2026: 1.0, 2027: 1.2}
    assert last.settings["freight_growth"] == 1.05
    assert last.projects["dbl_yechi"] is None
    assert (last.capacity, last.simulate) == ("fixed", "none")
    assert len({run_id(case.scenario, "") for case in sweep.cases}) == 6


def test_cases_are_scenarios_of_their_own(inputs: Inputs, tmp_path: Path) -> None:
    first, tolls, last = read_sweep(written_to(tmp_path, CASES), inputs).cases
    base = load_scenario("baseline", inputs.folder, inputs.levers, simulate="none")
    assert first.scenario.resolved() == base.resolved()
    assert first.settings == {}
    assert (tolls.scenario.title_zh, tolls.scenario.title_en) == ("通行费", "Tolls")
    plan = load_scenario("plan_2030", inputs.folder, inputs.levers).settings
    assert {**plan, "rail_tariff": {2030: 0.9}} == last.scenario.settings
    assert last.scenario.closures["RL006"] == {2030: 0.25}
    assert last.scenario.sites["Z_RF_JZSH"] == {2028: 0.0}
    assert list(last.settings) == ["base", "rail_tariff", "closures.RL006", "sites.Z_RF_JZSH"]


def test_a_case_is_the_run_of_the_same_scenario(inputs: Inputs, tmp_path: Path) -> None:
    """A scenario file that says the same has the same run id."""
    tolls = read_sweep(written_to(tmp_path, CASES), inputs).cases[1].scenario
    same = load_scenario("baseline", inputs.folder, inputs.levers, extra={"road_toll": 1.1}, simulate="none")
    assert run_id(tolls, "d") == run_id(same, "d")


def test_a_csv_file_has_a_line_per_case(inputs: Inputs, tmp_path: Path) -> None:
    text = 'case,title_zh,road_toll,projects.dbl_yechi,base\na,甲,1.1,,\nb,,"2026:1,2027:1.2",2028,plan_2030\nc,,,never,\n'
    a, b, c = read_sweep(written_to(tmp_path, text, "mine.csv"), inputs, capacity="fixed").cases
    assert a.settings == {"road_toll": 1.1}
    assert a.scenario.title_zh == "甲"
    assert b.settings == {"base": "plan_2030", "road_toll": {2026: 1.0, 2027: 1.2}, "projects.dbl_yechi": 2028}
    assert c.scenario.projects == {"dbl_yechi": None}
    assert {x.scenario.capacity for x in (a, b, c)} == {"fixed"}


def test_a_scenario_beside_the_file_may_be_its_base(inputs: Inputs, tmp_path: Path) -> None:
    written_to(tmp_path, 'title_zh = "我"\nbase = "baseline"\n[set]\nroad_fuel_price = 1.3\n', "own.toml")
    text = 'title_zh = "x"\nbase = "own.toml"\n[grid]\nroad_toll = [1.1]\n'
    (case,) = read_sweep(written_to(tmp_path, text), inputs).cases
    assert case.scenario.settings == {"road_fuel_price": 1.3, "road_toll": 1.1}


def test_every_problem_of_a_file_comes_at_once(inputs: Inputs, tmp_path: Path) -> None:
    text = """
title_zh = "错"
base = "baselin"
tables = ["indicators", "freight_corridor"]
[set]
rail_tarif = 0.9
[[case]]
name = "a"
set = { road_toll = 9.0 }
[[case]]
name = "a"
projects = { dbl_yech = 2027 }
closures = { RL999 = { 2019 = 0.5 } }
"""
    with pytest.raises(DataError) as caught:
        read_sweep(written_to(tmp_path, text), inputs, lang="en")
    found = {(f.code, f.column): f.remedy for f in caught.value.findings}
    assert {code for code, _ in found} == {
        "scenario.missing", "sweep.table", "lever.unknown", "lever.range", "sweep.twice", "project.unknown", "closure.unknown",
    }  # fmt: skip
    assert "Did you mean baseline" in found["scenario.missing", ""]
    assert "Did you mean freight_corridors" in found["sweep.table", "tables"]
    assert "Did you mean rail_tariff" in found["lever.unknown", "rail_tarif"]
    assert "Did you mean dbl_yechi" in found["project.unknown", "dbl_yech"]
    assert any(f.file == "mine.toml [a]" and f.code == "lever.range" for f in caught.value.findings)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ('title_zh = "x"', {"sweep.empty"}),
        ('title_zh = "x"\n[grid]\nroad_toll = 1.1\nrail_tariff = []', {"sweep.axis"}),
        ('title_zh = "x"\n[grid]\nroad_toll = ["dear"]', {"scenario.value"}),
        ('title_zh = "x"\n[grid]\nroad_toll = [1.0]\n[[case]]\nname = "a"', {"sweep.both"}),
        ('title_zh = "x"\n[[case]]\nnam = "a"', {"scenario.key", "scenario.value"}),
        ('title_zh = "x"\n[run]\ncapacty = "fixed"\n[[case]]\nname = "a"', {"scenario.key"}),
        ("title_zh = x", {"scenario.syntax"}),
        (f'title_zh = "x"\n[grid]\nroad_toll = {[1.0] * 400}\nrail_tariff = {[1.0] * 400}', {"sweep.many"}),
    ],
)
def test_bad_files_say_what_is_wrong(inputs: Inputs, tmp_path: Path, text: str, codes: set[str]) -> None:
    with pytest.raises(DataError) as caught:
        read_sweep(written_to(tmp_path, text), inputs)
    assert {f.code for f in caught.value.findings} == codes


def test_bad_csv_files_name_the_line(inputs: Inputs, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_sweep(written_to(tmp_path, "case,road_toll\na,1.1\nb,dear\n", "x.csv"), inputs)
    assert [(f.code, f.row, f.column) for f in caught.value.findings] == [("lever.syntax", 3, "road_toll")]
    with pytest.raises(DataError) as caught:
        read_sweep(written_to(tmp_path, "name,road_toll\na,1.1\n", "x.csv"), inputs)
    assert [f.code for f in caught.value.findings] == ["sweep.column"]
    with pytest.raises(DataError) as caught:
        read_sweep("twenty_what_if", inputs, lang="en")
    assert "Did you mean twenty_what_ifs" in caught.value.findings[0].remedy


def test_bundled_sweeps_can_be_run(inputs: Inputs) -> None:
    assert "twenty_what_ifs" in sweep_names(inputs.folder)
    for name in sweep_names(inputs.folder):
        sweep = read_sweep(name, inputs)
        ids = [run_id(case.scenario, "") for case in sweep.cases]
        assert len(set(ids)) == len(ids), name
        frame = sweeps.case_frame(sweep.cases, ids, [None] * len(ids), inputs)
        for lang in ("zh", "en"):
            words = frame[f"words_{lang}"].to_list()
            assert words[0] == ""
            assert all(words[1:]), name
    assert len(read_sweep("twenty_what_ifs", inputs).cases) == 21  # the baseline beside twenty what-ifs


def test_values_are_written_as_they_are_read() -> None:
    assert [written(v) for v in (1.1, 2027, "never", {2030: 1.3, 2025: 1.0})] == ["1.1", "2027", "never", "2025:1,2030:1.3"]


# ---- runs ----


def test_tables_are_tidy(inputs: Inputs, tmp_path: Path) -> None:
    result = run_sweep(read_sweep(written_to(tmp_path, GRID), inputs), inputs, folder=tmp_path / "out", work=stub)
    assert result.complete
    table = result.table("indicators")
    assert table.columns == ["case", "road_toll", "projects.dbl_yechi", "id", "area", "year", "value", "unit"]
    assert table.height == 6 * 2
    row = table.filter(pl.col("case") == "road_toll=1.1, projects.dbl_yechi=2027", pl.col("id") == "x").row(0, named=True)
    assert (row["value"], row["road_toll"], row["projects.dbl_yechi"]) == (1.1, "1.1", "2027")
    cases = result.table("cases")
    assert cases["error"].null_count() == 6
    assert cases["words_en"][0] == ""
    assert cases["words_en"][1] == "Doubling of the Yebaishou-Chifeng line is not built"
    assert result.case("road_toll=1.1, projects.dbl_yechi=2027").table("indicators").height == 2
    with pytest.raises(StoreError, match="it holds cases, indicators, freight"):
        result.table("freight_od")
    with pytest.raises(StoreError, match="has no case 'x'"):
        result.case("x")
    folder = tmp_path / "out"
    for case in cases["case"]:  # two of them have colons in their names
        assert stored(f"{folder}:{case}") is not None
    with pytest.raises(StoreError, match="name one as FOLDER:CASE"):
        stored(str(folder))
    assert stored(str(tmp_path / "nothing")) is None


def test_a_case_is_run_once(inputs: Inputs, tmp_path: Path) -> None:
    ran: list[str] = []

    def counted(scenario: Scenario, *rest: object) -> dict[str, pl.DataFrame]:
        ran.append(scenario.name)
        return stub(scenario, *rest)  # type: ignore[arg-type]

    file, out = written_to(tmp_path, GRID), tmp_path / "out"
    first = run_sweep(read_sweep(file, inputs), inputs, folder=out, work=counted)
    before = bytes_of(out)
    assert len(ran) == len(first.ran) == 6
    again = run_sweep(read_sweep(file, inputs), inputs, folder=out, work=counted)
    assert (len(ran), again.ran) == (6, ())
    assert bytes_of(out) == before
    more = read_sweep(written_to(tmp_path, GRID.replace("[1.0, 1.1,", "[0.9, 1.0, 1.1,")), inputs)
    assert len(run_sweep(more, inputs, folder=out, work=counted).ran) == 2
    assert ran[6:] == ["road_toll=0.9, projects.dbl_yechi=2027", "road_toll=0.9, projects.dbl_yechi=never"]
    wider = read_sweep(file, inputs, tables=["indicators", "freight_od"])
    assert len(run_sweep(wider, inputs, folder=out, work=counted).ran) == 8, "a table that was not kept needs the run"


def test_what_is_done_stays_when_it_is_stopped(inputs: Inputs, tmp_path: Path) -> None:
    sweep = read_sweep(written_to(tmp_path, GRID), inputs)
    ran: list[str] = []

    def stopped(scenario: Scenario, *rest: object) -> dict[str, pl.DataFrame]:
        if len(ran) == 2:
            raise KeyboardInterrupt
        ran.append(scenario.name)
        return stub(scenario, *rest)  # type: ignore[arg-type]

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run_sweep(sweep, inputs, folder=out, work=stopped)
    half = read_result(out)
    assert not half.complete
    assert set(half.table("indicators")["case"]) == set(ran)
    left = out / "cases" / ".killed.partial-x"
    left.mkdir()
    os.utime(left, (0.0, 0.0))
    whole = run_sweep(sweep, inputs, folder=out, work=stub)
    assert whole.complete
    assert set(whole.ran) == {case.name for case in sweep.cases} - set(ran)
    assert not list((out / "cases").glob(".*"))
    run_sweep(sweep, inputs, folder=tmp_path / "straight", work=stub)
    assert bytes_of(out) == bytes_of(tmp_path / "straight")


def test_the_number_of_processes_changes_no_byte(inputs: Inputs, tmp_path: Path) -> None:
    sweep, told = read_sweep(written_to(tmp_path, GRID), inputs), []
    for jobs in (1, 2):
        run_sweep(sweep, inputs, folder=tmp_path / str(jobs), jobs=jobs, work=stub, progress=lambda *what: told.append(what[:2]))
    assert bytes_of(tmp_path / "1") == bytes_of(tmp_path / "2")
    assert told[-1] == (6, 6)


def test_a_case_that_fails_takes_no_other_along(inputs: Inputs, tmp_path: Path) -> None:
    file = written_to(tmp_path, 'title_zh = "x"\n[grid]\nroad_toll = [1.0, 2.0, 1.1]\n')
    result = run_sweep(read_sweep(file, inputs), inputs, folder=tmp_path / "out", work=stub)
    assert result.table("cases")["error"].to_list() == [None, "ArithmeticError: no road left", None]
    assert result.table("indicators")["case"].unique().sort().to_list() == ["road_toll=1", "road_toll=1.1"]
    assert not result.complete
    assert run_sweep(read_sweep(file, inputs), inputs, folder=tmp_path / "out", work=stub).ran == ("road_toll=2",)


def test_two_sweeps_in_one_folder_leave_each_other_alone(inputs: Inputs, tmp_path: Path) -> None:
    """The second begins and ends while the first is at work: after its failure, with a folder half written."""
    out = tmp_path / "out"
    sweep = read_sweep(written_to(tmp_path, 'title_zh = "x"\n[grid]\nroad_toll = [2.0, 1.0, 1.1]\n'), inputs)
    other = read_sweep(written_to(tmp_path, 'title_zh = "y"\n[grid]\nroad_toll = [1.1, 1.2]\n', "other.toml"), inputs)
    half = out / "cases" / ".writing.partial-x"
    second: list[SweepResult] = []

    def shared(scenario: Scenario, *rest: Any) -> dict[str, pl.DataFrame]:
        tables = stub(scenario, *rest)
        if not second:
            half.mkdir()
            second.append(run_sweep(other, inputs, folder=out, work=stub))
        return tables

    first = run_sweep(sweep, inputs, folder=out, work=shared)
    assert half.is_dir()
    assert second[0].manifest["complete"]
    assert first.table("cases")["error"].to_list() == ["ArithmeticError: no road left", None, None]
    assert first.table("indicators")["case"].unique().sort().to_list() == ["road_toll=1", "road_toll=1.1"]
    assert not list((out / "cases").glob("*.txt"))


def test_two_names_of_one_case_are_one_run(inputs: Inputs, tmp_path: Path) -> None:
    text = 'title_zh = "x"\n[[case]]\nname = "a"\n[[case]]\nname = "b"\nset = {}\n'
    result = run_sweep(read_sweep(written_to(tmp_path, text), inputs), inputs, folder=tmp_path / "out", work=stub)
    assert result.ran == ("a",)
    assert result.table("indicators")["case"].unique().sort().to_list() == ["a", "b"]


def test_a_folder_of_something_else_stays_as_it_is(inputs: Inputs, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(StoreError, match="is no sweep"):
        run_sweep(read_sweep(written_to(tmp_path, GRID), inputs), inputs, folder=tmp_path / "thesis", work=stub)
    assert [p.name for p in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]
    with pytest.raises(StoreError, match="is no sweep"):
        read_result(tmp_path)


def test_cases_on_the_same_networks_share_a_process(inputs: Inputs, tmp_path: Path) -> None:
    sweep = read_sweep(written_to(tmp_path, GRID), inputs)
    ids = [run_id(case.scenario, "") for case in sweep.cases]
    lanes = sweeps._lanes(sweep, inputs, tmp_path, tmp_path, ids, range(6), 2, stub)
    assert [{s.projects["dbl_yechi"] for _, s in lane.cases} for lane in lanes] == [{2027}, {None}]
    assert sorted(number for lane in lanes for number, _ in lane.cases) == sorted(ids)


# ---- processes ----


def fail(task: int) -> None:
    raise SystemExit(task)


def test_lanes_tick_and_end_with_an_error() -> None:
    ticks: list[int] = []
    pool.lanes(math.sqrt, [4.0, 9.0], tick=lambda: ticks.append(1), every=0.05)
    assert ticks
    with pytest.raises(pool.WorkerError, match="ended with code 3"):
        pool.lanes(fail, [3], tick=lambda: None)


def test_lanes_end_when_they_are_stopped() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    import time

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        pool.lanes(time.sleep, [600.0, 600.0], tick=stop)
    assert time.monotonic() - start < 300.0


# ---- the model ----


@pytest.mark.slow  # ten whole runs; tests of projects and rebased base years compare networks and flows quickly
def test_shared_networks_and_base_year_change_no_bit(inputs: Inputs) -> None:
    """A run that takes networks and base year from another finds what it would find alone; on the same networks it also counts the same reads."""

    def scenario(levers: dict[str, float], **sections: Any) -> Scenario:
        return load_scenario(
            "baseline", inputs.folder, inputs.levers, extra=levers, simulate="none", capacity="fixed", **sections
        )

    starts = FreightStarts()
    first = study.freight_tables(study.model_parts(scenario({}), inputs, starts=starts, response=False))
    assert set(FREIGHT_TABLES) <= set(first)
    levers = {"road_toll": 1.3, "rail_train_pairs": 1.2, "new_siding_share": 0.4}
    sections = {
        "projects": {"dbl_yechi": 2027, "port_rail_bayuquan": 2027},
        "closures": {"RL006": {2030: 0.25}},
        "sites": {"Z_RF_JZSH": {2028: 0.0}},
    }
    for case in (scenario(levers), scenario({"planned_links": 1.0}, **sections)):
        shared = study.tables_of(study.model_parts(case, inputs, starts=starts))
        alone = study.tables_of(study.model_parts(case, inputs))
        other = {name for name in alone if not alone[name].equals(shared[name])}
        assert other <= ({"parameters_used"} if case.projects else set())
        assert not first["freight"].equals(alone["freight"])
    assert starts.built == 1, "the base year is solved once"


def test_tables_that_may_be_kept_are_there(results: Results) -> None:
    assert set(FREIGHT_TABLES) | set(OTHER_TABLES) <= set(results.tables)


# ---- the command ----


def test_the_command_runs_prints_and_takes_up(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sweeps, "case_tables", whole_stub)
    file, out = written_to(tmp_path, CASES), str(tmp_path / "out")
    assert main(["sweep", file, "--out", out, "--lang", "en"]) == 0
    seen = capsys.readouterr()
    assert "Tolls" in seen.out
    assert "Expressway toll of trucks +10 %" in seen.out
    assert "3 cases run, 0 were there" in seen.out
    assert "[3/3]" in seen.err
    assert main(["sweep", file, "--out", out, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ran"] == 0
    assert [case["road_tkm_change"] for case in found["cases"]] == pytest.approx([0.0, 0.1, 0.0])
    assert found["cases"][1]["operating_co2_intensity"] == 1.1
    assert main(["compare", f"{out}:as it is", f"{out}:tolls", "--json"]) == 0
    side = json.loads(capsys.readouterr().out)
    assert side["words"]["b"] == ["高速公路货车通行费 +10 %"]
    assert main(["compare", f"{out}:as it is", f"{out}:no such case"]) == 1
    assert "has no case" in capsys.readouterr().err
    assert (tmp_path / "out" / MANIFEST).is_file()


def test_the_command_refuses_a_bad_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written_to(tmp_path, 'title_zh = "x"\n[grid]\nroad_tol = [1.0]\nrail_tarif = [1.0]\n')
    assert main(["sweep", file]) == 2
    assert capsys.readouterr().err.count("是否想写") == 2
    assert main(["sweep", str(tmp_path / "none.toml")]) == 2


def test_the_command_lists_cases_without_running(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", written_to(tmp_path, CASES), "--cases", "--lang", "en"]) == 0
    assert "output of Jinzhou Petrochemical 0 % from 2028" in capsys.readouterr().out


def test_the_command_says_what_was_kept_when_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(scenario: Scenario, *rest: object) -> dict[str, pl.DataFrame]:
        if scenario.name != "as it is":
            raise KeyboardInterrupt
        return whole_stub(scenario, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(sweeps, "case_tables", stopped)
    assert main(["sweep", written_to(tmp_path, CASES), "--out", str(tmp_path / "out"), "--lang", "en"]) == 1
    assert "1 of 3 cases are done" in capsys.readouterr().err


def test_what_was_kept_when_stopped_is_in_the_catalogue_under_who_ran_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def one_case(lane: Lane, *_: object) -> None:
        run_lane(replace(lane, cases=lane.cases[:1]))
        raise ClusterError(key="cluster.lost", address="tcp://a:8786")

    def one_more(lane: Lane, *_: object) -> None:
        run_lane(replace(lane, cases=lane.cases[:1]))
        raise KeyboardInterrupt

    monkeypatch.setattr(sweeps, "case_tables", whole_stub)
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path / "runs"))
    command = ["sweep", written_to(tmp_path, CASES), "--quiet", "--lang", "en", "--scheduler", "tcp://a:8786"]
    for who, work, code in (("王", one_case, 2), ("李", one_more, 1)):
        monkeypatch.setenv("TRANSPORT_AUTHOR", who)
        monkeypatch.setattr(sweeps, "_run_far", work)
        assert main(command) == code
    capsys.readouterr()
    with Catalogue() as catalogue:
        assert sorted(one.author for one in catalogue.entries()) == ["李", "王"]


def whole_stub(scenario: Scenario, inputs: Inputs, names: Sequence[str], starts: FreightStarts) -> dict[str, pl.DataFrame]:
    toll = scenario.settings.get("road_toll", 1.0)
    reading = {"scope": "direct", "boundary": "road+rail+water", "base": "2020", "variant": ""}
    headline = inputs.table("indicators").filter(pl.col("id") == "operating_co2_intensity").row(0, named=True)
    reading |= {name: headline[name] or "" for name in reading}
    row = {"id": "operating_co2_intensity", "area": "210000", "year": 2030, **reading, "value": toll, "unit": "percent"}
    freight = {"year": [2030] * 4, "mode": ["road", "rail", "water", "pipeline"], "commodity": ["coal"] * 4}
    amounts = dict.fromkeys(("t", "territory_tkm", "total_tkm"), [toll] * 4)
    return {"indicators": pl.DataFrame([row]), "freight": pl.DataFrame({**freight, **amounts})}
