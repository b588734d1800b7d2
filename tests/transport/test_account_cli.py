"""The commands on the accounts: what they print, and what they refuse."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from transport import account_cli, catalogue_cli, store, study
from transport.attribution import FACTORS, LINES
from transport.cli import main
from transport.params import ParameterError
from transport.scenario import load_scenario

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from transport.inputs import Inputs
    from transport.parts import Parts
    from transport.scenario import Scenario
    from transport.store import StoredRun


@pytest.fixture
def ready_models(parts_of: Callable[..., Parts], monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the commands runs on the freight that is solved already; which scenario is run is still theirs to say."""

    def models_of(name: str, inputs: Inputs, args: argparse.Namespace) -> tuple[Scenario, Parts]:
        assert args.capacity is None
        return load_scenario(name, inputs.folder, inputs.levers), parts_of(name)

    monkeypatch.setattr(account_cli, "models_of", models_of)


def call(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(argv)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


# ---- attribute ----


def test_attribute_prints_the_headline_with_every_factor(capsys: pytest.CaptureFixture[str], baseline_run: StoredRun) -> None:
    code, out, _ = call(capsys, "attribute", str(baseline_run.folder), "--lang", "en")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].endswith("Baseline (policies of 2020 frozen) 2020 -> Baseline (policies of 2020 frozen) 2030")
    assert lines[1] == "Reading: Road, rail and water; Direct; base 2020 as observed"
    table = [line for line in lines if line.split() and line.split()[-1][0] in "+-"]
    assert len(table) == 1 + len(FACTORS) + len(LINES)
    points = {line[:55].strip(): float(line.split()[-2]) for line in table}
    assert sum(v for line, v in zip(table, points.values(), strict=True) if not line.startswith(" ")) == pytest.approx(
        2 * points["Total"], abs=0.05
    )
    assert "Diesel price, tariffs and restrictions are no factors of their own" in out
    assert "--capacity" not in out  # the folder says at which speed it was run


@pytest.mark.usefixtures("ready_models")
def test_attribute_says_at_which_speed_it_ran(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "attribute", "rebound_only", "baseline", "--lang", "en")
    assert code == 0
    assert out.splitlines()[-1] == "Freight of the scenarios run now at the delays and prices of every year."


def test_attribute_gives_all_readings_as_json(capsys: pytest.CaptureFixture[str], baseline_run: StoredRun) -> None:
    code, out, _ = call(capsys, "attribute", str(baseline_run.folder), "--to", "2025", "--json")
    assert code == 0
    rows = json.loads(out)["attribution"]
    assert len(rows) == 36 * (1 + len(FACTORS) + len(LINES))
    assert {(r["from_year"], r["to_year"]) for r in rows} == {(2020, 2025)}
    for reading in {(r["boundary"], r["scope"], r["base"]) for r in rows}:
        mine = [r for r in rows if (r["boundary"], r["scope"], r["base"]) == reading and not r["detail"]]
        total = next(r["change_pct"] for r in mine if r["factor"] == "total")
        assert sum(r["change_pct"] for r in mine if r["factor"] != "total") == pytest.approx(total, abs=1e-9)


def test_the_folder_and_the_models_say_the_same(
    capsys: pytest.CaptureFixture[str], baseline_run: StoredRun, ready_models: None
) -> None:
    tables = [
        json.loads(call(capsys, "attribute", name, "--boundary", "all", "--base", "2020", "--json")[1])["attribution"]
        for name in (str(baseline_run.folder), "baseline")
    ]
    assert len(tables[0]) == len(tables[1]) == 3 * (1 + len(FACTORS) + len(LINES))
    for stored, made in zip(*tables, strict=True):
        assert stored["change_pct"] == pytest.approx(made["change_pct"], abs=1e-9)
        assert {k: v for k, v in stored.items() if isinstance(v, str)} == {k: v for k, v in made.items() if isinstance(v, str)}


def test_attribute_compares_two_scenarios_in_one_year(capsys: pytest.CaptureFixture[str], ready_models: None) -> None:
    code, out, _ = call(capsys, "attribute", "rebound_only", "baseline", "--year", "2028", "--json", "--scope", "direct_power")
    assert code == 0
    printed = json.loads(out)
    assert (printed["a"], printed["b"]) == ("rebound_only", "baseline")
    assert {(r["from_year"], r["to_year"], r["scope"]) for r in printed["attribution"]} == {(2028, 2028, "direct_power")}
    assert len(printed["notes"]) == 4


@pytest.mark.usefixtures("ready_models")
def test_attribute_goes_backwards_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    there, back = (
        json.loads(call(capsys, "attribute", "baseline", "--from", a, "--to", b, "--base", "2020", "--json")[1])["attribution"]
        for a, b in (("2024", "2030"), ("2030", "2024"))
    )
    for x, y in zip(there, back, strict=True):
        assert x["change_pct"] == pytest.approx(-y["change_pct"], abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["baseline", "plan_2030", "--from", "2020"], "compared in one year"),
        (["baseline", "--year", "2030", "--to", "2030"], "either --year or --to"),
        (["{folder}", "plan_2030"], "give one folder"),
        (["{folder}", "--from", "2021"], "give one folder"),
        (["{folder}", "--to", "2019"], "give one folder"),
        (["{folder}", "--scope", "tailpipe"], "--scope has no value tailpipe; it can be direct, direct_power, wtw"),
    ],
)
def test_attribute_says_what_it_cannot_compare(
    capsys: pytest.CaptureFixture[str], baseline_run: StoredRun, arguments: list[str], message: str
) -> None:
    named = [a.format(folder=baseline_run.folder) for a in arguments]
    code, out, err = call(capsys, "attribute", *named, "--lang", "en")
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize("command", [["attribute", "baseline", "plan_2030"], ["attribute", "stretch"]])
def test_attribute_runs_the_models_as_the_options_say(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """The scenario that reaches the models carries the options; without them it is as the file says, with no simulation."""
    seen: list[Scenario] = []

    def model_parts(scenario: Scenario, _: Inputs) -> Parts:
        seen.append(scenario)
        raise ParameterError(scenario.name)

    monkeypatch.setattr(study, "model_parts", model_parts)
    given = ["--sales", "tco", "--network", "fine", "--capacity", "fixed", "--simulate", "sample"]
    for options in (given, []):
        assert call(capsys, *command, *options)[0] == 1
    assert [(s.sales, s.network, s.capacity, s.simulate) for s in seen] == [
        ("tco", "fine", "fixed", "sample"),
        ("path", "compact", "equilibrium", "none"),
    ]


@pytest.mark.parametrize(
    "command",
    [
        ["attribute", "{folder}"],
        ["compare", "{folder}", "{folder}"],
        ["decompose", "operating_co2_intensity", "--scenario", "{folder}"],
    ],
)
def test_options_of_models_mean_nothing_for_stored_runs(
    capsys: pytest.CaptureFixture[str], baseline_run: StoredRun, command: list[str]
) -> None:
    named = [word.format(folder=baseline_run.folder) for word in command]
    code, out, err = call(capsys, *named, "--sales", "tco", "--network", "fine", "--lang", "en")
    assert (code, out) == (2, "")
    assert "--network --sales would change nothing" in err


def test_compare_runs_both_scenarios_as_the_options_say(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Scenario] = []

    def run(scenario: Scenario, *_: object, **__: object) -> study.Results:
        seen.append(scenario)
        if len(seen) > 1:
            raise ParameterError(scenario.name)
        return study.Results(scenario, "", {})

    monkeypatch.setattr(study, "run", run)
    monkeypatch.setattr(store, "write_run", lambda *_, **__: None)
    monkeypatch.setattr(catalogue_cli, "take_in", lambda *_: None)
    options = ["--sales", "tco", "--network", "fine", "--capacity", "fixed", "--set", "rail_tariff=0.9"]
    assert call(capsys, "compare", "baseline", "plan_2030", *options)[0] == 1
    assert [s.name for s in seen] == ["baseline", "plan_2030"]
    assert {(s.sales, s.network, s.capacity, s.simulate, s.settings["rail_tariff"]) for s in seen} == {
        ("tco", "fine", "fixed", "none", 0.9)
    }


def test_attribute_of_an_unknown_scenario_is_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "attribute", "baseline_2", "--lang", "en")
    assert code == 2
    assert "baseline" in err
