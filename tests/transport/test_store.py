"""Run folders are whole or absent, and repeatable byte for byte."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from transport.scenario import Scenario
from transport.store import MANIFEST, StoreError, list_runs, read_run, run_id, write_run

TABLES = {"a": pl.DataFrame({"x": [1.0, 2.0]}), "b": pl.DataFrame({"s": ["大连", "沈阳"]})}


def scenario(**changes: object) -> Scenario:
    values = {
        "name": "plan",
        "title_zh": "规划",
        "title_en": "Plan",
        "about_zh": "",
        "about_en": "",
        "settings": {"rail_tariff": 0.9, "metro_km": {2030: 4.0}},
        "lineage": ("plan",),
        "seed": 1,
        "draws": 1,
        "simulate": "none",
        "capacity": "equilibrium",
        "network": "compact",
        "sales": "path",
        "hold_year": 0,
        "hold_but": (),
    }
    return Scenario(**(values | changes))  # type: ignore[arg-type]


def test_tables_come_back_and_repeat_byte_for_byte(tmp_path: Path) -> None:
    first = write_run(tmp_path / "one", TABLES, scenario(), "data", seconds=1.0)
    second = write_run(tmp_path / "two", TABLES, scenario(), "data", seconds=2.0)
    assert read_run(first.folder).table("b").equals(TABLES["b"])
    for name in TABLES:
        assert (first.folder / f"{name}.parquet").read_bytes() == (second.folder / f"{name}.parquet").read_bytes()
    assert first.manifest["tables"] == second.manifest["tables"]
    assert first.manifest["run_id"] == run_id(scenario(), "data")


def test_run_id_follows_scenario_and_data() -> None:
    known = run_id(scenario(), "data")
    assert len(known) == 12
    assert run_id(scenario(title_zh="别名"), "data") == known
    assert run_id(scenario(seed=2), "data") != known
    assert run_id(scenario(network="fine"), "data") != known
    assert run_id(scenario(settings={"rail_tariff": 0.8}), "data") != known
    assert run_id(scenario(), "other") != known


def test_a_failed_write_keeps_the_earlier_run(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    write_run(folder, TABLES, scenario(), "data", seconds=1.0)
    before = (folder / MANIFEST).read_bytes()
    broken = {"a": TABLES["a"], "b": "not a table"}
    with pytest.raises(AttributeError):
        write_run(folder, broken, scenario(), "data", seconds=1.0)  # type: ignore[arg-type]
    assert (folder / MANIFEST).read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_a_new_run_replaces_the_old_one_whole(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    write_run(folder, TABLES, scenario(), "data", seconds=1.0)
    write_run(folder, {"a": TABLES["a"]}, scenario(), "data", seconds=1.0)
    assert sorted(p.name for p in folder.iterdir()) == ["a.parquet", MANIFEST]
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_two_processes_that_make_the_same_run_at_once_leave_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, exists = tmp_path / "run", Path.exists
    write_run(folder, TABLES, scenario(), "data", seconds=1.0)
    with monkeypatch.context() as patch:  # it was put there after the second one had looked
        patch.setattr(Path, "exists", lambda self, **how: self != folder and exists(self, **how))
        write_run(folder, {"a": TABLES["a"]}, scenario(), "data", seconds=1.0)
    assert sorted(p.name for p in folder.iterdir()) == ["a.parquet", MANIFEST]
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_a_folder_that_is_no_run_is_never_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(StoreError, match="is no run folder"):
        write_run(folder, TABLES, scenario(), "data", seconds=1.0)
    assert (folder / "chapter.txt").read_text(encoding="utf-8") == "years of work"
    assert [p.name for p in tmp_path.iterdir()] == ["thesis"]


def test_reading_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no run folder"):
        read_run(tmp_path)
    stored = write_run(tmp_path / "run", TABLES, scenario(), "data", seconds=1.0)
    with pytest.raises(StoreError, match="it holds a, b"):
        stored.table("c")


def test_runs_are_listed_without_half_written_ones(tmp_path: Path) -> None:
    write_run(tmp_path / "one", TABLES, scenario(), "data", seconds=1.0)
    partial = tmp_path / ".two.partial-x"
    partial.mkdir()
    (partial / MANIFEST).write_text("{}", encoding="utf-8")
    for name, text in (("damaged", "{"), ("another", "{}"), ("list", "[]")):
        (tmp_path / name).mkdir()
        (tmp_path / name / MANIFEST).write_text(text, encoding="utf-8")
    assert [run.folder.name for run in list_runs(tmp_path)] == ["one"]
