"""The command line: exit codes, JSON, messages, and a killed run."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from transport import cli
from transport.cli import main

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from transport.store import StoredRun


def call(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(argv)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_check_of_the_bundled_data_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "check")
    assert code == 0
    assert "未发现问题" in out


def test_five_mistakes_give_five_messages_in_one_go(capsys: pytest.CaptureFixture[str], bad_inputs: Path) -> None:
    code, out, _ = call(capsys, "check", str(bad_inputs / "five_mistakes"))
    assert code == 2
    lines = out.strip().split("\n")
    assert len([line for line in lines if line.endswith("]")]) == 5
    assert lines[-1] == "共发现 5 个问题。"


def test_findings_as_json_have_the_fields_of_the_contract(capsys: pytest.CaptureFixture[str], bad_inputs: Path) -> None:
    code, out, _ = call(capsys, "check", str(bad_inputs / "five_mistakes"), "--json", "--lang", "en")
    assert code == 2
    findings = json.loads(out)["findings"]
    assert len(findings) == 5
    assert all(list(f) == ["code", "file", "row", "column", "value", "rule", "remedy"] for f in findings)


def test_run_writes_the_folder_and_prints_json(baseline_run: StoredRun) -> None:
    printed = json.loads(baseline_run.folder.with_suffix(".txt").read_text(encoding="utf-8"))
    assert printed["scenario"] == "baseline"
    assert printed["folder"] == str(baseline_run.folder)
    assert len(printed["hash"]) == 12
    wanted = {"id", "area", "year", "scope", "boundary", "base", "value", "unit", "target", "direction", "verdict"}
    assert all(wanted <= set(row) for row in printed["indicators"])
    headline = [
        r for r in printed["indicators"] if r["id"] == "operating_co2_intensity" and r["year"] == 2030 and r["variant"] == ""
    ]
    assert len(headline) == 36
    files = {path.name for path in baseline_run.folder.iterdir()}
    assert files == {"manifest.json", *(f"{name}.parquet" for name in baseline_run.manifest["tables"])}


def test_run_with_a_lever_prints_the_scorecard(lever_run: StoredRun) -> None:
    out = lever_run.folder.with_suffix(".txt").read_text(encoding="utf-8")
    assert "CO2 per converted turnover of operating transport" in out
    assert "of 36 readings" in out
    assert "China-Europe trains: not modelled. Trains to Europe are part of the boxes" in out
    assert str(lever_run.folder) in out
    manifest = json.loads((lever_run.folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["resolved"]["run"]["capacity"] == "equilibrium"
    assert manifest["resolved"]["set"] == {"rail_tariff": {"2025": 0.95, "2030": 0.9}}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "rail_tarif=0.9"], "rail_tariff"),
        (["--set", "rail_tariff=9"], "0.5"),
        (["--set", "rail_tariff"], "2025:1.1"),
        (["--set", "rail_tariff=2020:0.9"], "2020"),
    ],
)
def test_a_wrong_lever_is_one_clear_message_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], message: str
) -> None:
    code, out, err = call(capsys, "run", "baseline", *arguments, "--out", str(tmp_path / "run"))
    assert code == 2
    assert not out
    assert message in err
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_an_unknown_scenario_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "run", "plan_2031")
    assert code == 2
    assert "plan_2030" in err


def test_compare_of_two_stored_runs(capsys: pytest.CaptureFixture[str], stored_run: StoredRun, baseline_run: StoredRun) -> None:
    other = baseline_run.folder
    code, out, _ = call(capsys, "compare", str(other), str(stored_run.folder))
    assert code == 0
    assert "B - A" in out
    assert "绿色出行比例" in out
    code, out, _ = call(capsys, "compare", str(other), str(stored_run.folder), "--json", "--year", "2030")
    rows = json.loads(out)["indicators"]
    assert {row["year"] for row in rows} == {2030}


@pytest.mark.parametrize(
    ("what", "needle"),
    [
        ("params", "grid_factor"),
        ("levers", "rail_tariff"),
        ("targets", "sea_rail_share"),
        ("sources", "plan_2022"),
        ("scenarios", "plan_2030"),
    ],
)
def test_show_lists_and_filters(capsys: pytest.CaptureFixture[str], what: str, needle: str) -> None:
    code, out, _ = call(capsys, "show", what, needle)
    assert code == 0
    assert all(needle in line for line in out.strip().split("\n")[1:])
    code, out, _ = call(capsys, "show", what, needle, "--json")
    assert code == 0
    assert json.loads(out)


def test_every_lever_shows_both_labels_unit_and_range(capsys: pytest.CaptureFixture[str]) -> None:
    for lang in ("zh", "en"):
        _, out, _ = call(capsys, "show", "levers", "--json", "--lang", lang)
        for row in json.loads(out):
            assert row[f"help_{lang}"], row
            assert row["label_zh"], row
            assert row["label_en"], row
            assert row["effect"], row
            assert row["effect"] != row[f"help_{lang}"], row
            assert row["unit"], row
            assert row["min"] <= row["default"] <= row["max"], row


def test_usage_errors_exit_with_two() -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["show", "everything"])
    assert stopped.value.code == 2


def test_a_killed_run_leaves_nothing_half_written(baseline_run: StoredRun, tmp_path: Path) -> None:
    """Kill a run at several moments: the folder is whole or absent, and an earlier run stays."""
    earlier = tmp_path / "runs" / "earlier"
    shutil.copytree(baseline_run.folder, earlier)
    before = {p.name: p.read_bytes() for p in earlier.iterdir()}
    command = [
        sys.executable,
        "-m",
        "transport",
        "run",
        "baseline",
        "--simulate",
        "none",
        "--capacity",
        "fixed",
        "--quiet",
        "--out",
        str(earlier),
    ]
    for seconds in (0.5, 3.0):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert {p.name: p.read_bytes() for p in earlier.iterdir() if p.name != "manifest.json"} == {
            name: content for name, content in before.items() if name != "manifest.json"
        }


def test_one_command_is_the_same_alone_and_among_all() -> None:
    """Only the module of the command asked for is imported, so that its name must stand in the table of the modules."""
    whole = _commands(cli._parser(""))
    known = {"check", "run", "compare", "show", "app"} | {name for names in cli._MODULES.values() for name in names}
    assert set(whole) == known
    for name, parser in whole.items():
        assert _commands(cli._parser(name))[name].format_help() == parser.format_help()


def _commands(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    return next(action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))


def test_the_help_loads_no_library_of_the_models() -> None:
    code = "import sys\nfrom transport.cli import _parser\n_parser('')\nprint({'numba', 'networkx', 'pydantic', 'scipy', 'simpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"
