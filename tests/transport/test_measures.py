"""Measures of a scenario: worked games with known shares, sums that are exact, groups of the bundled plan."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from transport import measures
from transport.api import load_scenario
from transport.cli import main
from transport.layout import YEARS, year_index
from transport.measures import QUANTITIES, abatement_curve, interaction_table, measure_table, measures_of, work_out

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.scenario import Scenario

    Game = Callable[[frozenset[str]], float]

SCENARIO, YEAR = "plan_2030", 2030
_AT = year_index(YEAR)


def played(monkeypatch: pytest.MonkeyPatch, game: Game, cost: Game) -> list[Sequence[Mapping[str, object]]]:
    """Let packages come to what a game says of the levers that they set; return the calls."""
    calls: list[Sequence[Mapping[str, object]]] = []

    def values(_: object, __: object, settings: Sequence[Mapping[str, object]], **___: object) -> list[np.ndarray]:
        calls.append(settings)
        return [
            np.array(
                [[game(frozenset(s))] * len(YEARS), [game(frozenset(s)) / 100.0] * len(YEARS), [cost(frozenset(s))] * len(YEARS)]
            )
            for s in settings
        ]

    monkeypatch.setattr(measures, "values_of_cases", values)
    return calls


def _row(table: pl.DataFrame, measure: str) -> dict[str, float]:
    return table.filter(pl.col("year") == YEAR, pl.col("measure") == measure).row(0, named=True)


@pytest.fixture(scope="module")
def three(inputs: Inputs) -> Scenario:
    return load_scenario(
        "baseline", inputs=inputs, set={"rail_tariff": 0.9, "rail_electrified_share": 0.9, "truck_efficiency": 0.95}
    )


def test_measures_that_do_not_meet_have_one_number(monkeypatch: pytest.MonkeyPatch, inputs: Inputs, three: Scenario) -> None:
    worth = {"rail_tariff": -10.0, "rail_electrified_share": -4.0, "truck_efficiency": -1.0}
    played(monkeypatch, lambda s: 100.0 + sum(worth[x] for x in s), lambda s: 50.0 * ("rail_electrified_share" in s))
    found = work_out(three, inputs, base={}, pairs=2)
    table = measure_table(found, [YEAR])
    for measure, lever in (("prices", "rail_tariff"), ("rail_electrification", "rail_electrified_share")):
        row = _row(table, measure)
        for way in ("alone", "first", "last", "share"):
            assert row[f"{way}_co2_t"] == pytest.approx(worth[lever], abs=1e-12)
        assert row["error_co2_t"] == pytest.approx(0.0, abs=1e-12)
    assert _row(table, "rail_electrification")["cny2023_per_tco2"] == pytest.approx(50.0 / 4.0)
    assert _row(table, "vehicle_efficiency")["cny2023_per_tco2"] is None  # no row says what it costs
    pairs = interaction_table(found, [YEAR])
    assert pairs.height == 3
    assert pairs.select(pl.col("^(first|last)_.*$").abs().max()).row(0) == pytest.approx([0.0] * 6, abs=1e-12)


def test_measures_that_do_the_same_share_it(monkeypatch: pytest.MonkeyPatch, inputs: Inputs, three: Scenario) -> None:
    """Two that each save ten alone and ten together: alone ten, last nothing, five each as a share; together ten less than the sum."""
    played(monkeypatch, lambda s: -10.0 * bool({"rail_tariff", "rail_electrified_share"} & s), lambda s: 6.0 * len(s))
    found = work_out(three, inputs, base={}, pairs=3)
    row = _row(measure_table(found, [YEAR]), "prices")
    assert (row["alone_co2_t"], row["first_co2_t"], row["last_co2_t"]) == (-10.0, -10.0, 0.0)
    assert row["share_co2_t"] == pytest.approx(-5.0)  # an order and its reverse: one of the two is first in each
    pairs = interaction_table(found, [YEAR]).filter(pl.col("measure") == "prices", pl.col("other") == "rail_electrification")
    assert pairs.select("first_co2_t", "last_co2_t").row(0) == (10.0, 10.0)


def test_shares_sum_to_the_scenario_whatever_the_orders(monkeypatch: pytest.MonkeyPatch, inputs: Inputs) -> None:
    plan = load_scenario(SCENARIO, inputs=inputs)
    rng = np.random.default_rng(1)
    weight = dict(zip(sorted(plan.settings), rng.normal(size=len(plan.settings)), strict=True))

    def game(s: frozenset[str]) -> float:
        return 1e6 * float(np.tanh(sum(weight[x] for x in sorted(s)))) + 1e3 * len(s) ** 2

    played(monkeypatch, game, game)
    found = work_out(plan, inputs, base={}, pairs=2, interactions=False)
    table = measure_table(found, [YEAR])
    whole, none = game(frozenset(plan.settings)), game(frozenset())
    assert table["share_co2_t"].sum() == pytest.approx(whole - none, rel=1e-12)
    curve = abatement_curve(table)
    counted = curve.filter(pl.col("rank").is_not_null())
    assert counted["to_tco2"].max() == pytest.approx(-table.filter(pl.col("share_co2_t") < -1.0)["share_co2_t"].sum())
    priced = counted.filter(pl.col("cny2023_per_tco2").is_not_null()).sort("rank")
    assert priced["cny2023_per_tco2"].is_sorted()
    assert counted.sort("rank")["from_tco2"].to_list()[1:] == pytest.approx(counted.sort("rank")["to_tco2"].to_list()[:-1])


def test_every_lever_of_the_plan_belongs_to_one_measure(inputs: Inputs) -> None:
    plan = load_scenario(SCENARIO, inputs=inputs)
    found = measures_of(plan, inputs, {})
    assert sorted(name for m in found for name in m.settings) == sorted(plan.settings)
    assert [m.name for m in found] == sorted(m.name for m in found)
    names = {m.name for m in found}
    assert {"clean_sales:tractor_trailer", "clean_sales:urban_bus", "rail_electrification"} <= names
    assert "other" not in names


def test_levers_of_the_base_are_in_every_package(monkeypatch: pytest.MonkeyPatch, inputs: Inputs, three: Scenario) -> None:
    base = {"rail_tariff": three.settings["rail_tariff"]}
    calls = played(monkeypatch, lambda s: -1.0 * len(s) - 10.0 * ({"rail_tariff", "truck_efficiency"} <= s), lambda _: 0.0)
    found = work_out(three, inputs, base=base, pairs=1)
    assert [m.name for m in found.measures] == ["rail_electrification", "vehicle_efficiency"]
    (settings,) = calls
    assert sum("rail_tariff" not in s for s in settings) == 1 + len(found.measures)  # nothing, and each measure alone
    row = _row(measure_table(found, [YEAR]), "vehicle_efficiency")
    assert (row["alone_co2_t"], row["first_co2_t"]) == (-1.0, -11.0)


def test_what_only_the_base_sets_is_ended_by_a_measure(monkeypatch: pytest.MonkeyPatch, inputs: Inputs, three: Scenario) -> None:
    """All measures together are the scenario, though the base has a toll that the scenario does without."""
    base = {**three.settings, "road_toll": 1.2, "truck_efficiency": 0.9}
    worth = {"rail_tariff": -10.0, "rail_electrified_share": -4.0, "truck_efficiency": -1.0, "road_toll": -100.0}
    calls = played(monkeypatch, lambda s: sum(worth[x] for x in sorted(s)), lambda _: 0.0)
    found = work_out(three, inputs, base=base, pairs=1)
    assert {m.name: (dict(m.settings), m.ended) for m in found.measures} == {
        "prices": ({}, ("road_toll",)),
        "vehicle_efficiency": ({"truck_efficiency": 0.95}, ()),
    }
    assert dict(three.settings) in calls[0]
    table = measure_table(found, [YEAR])
    assert table["share_co2_t"].sum() == pytest.approx(100.0)
    assert _row(table, "prices")["levers"] == "-road_toll"


def test_one_measure_has_no_pairs(monkeypatch: pytest.MonkeyPatch, inputs: Inputs) -> None:
    alone = load_scenario("baseline", inputs=inputs, set={"rail_tariff": 0.9})
    played(monkeypatch, lambda s: -1.0 * len(s), lambda _: 0.0)
    pairs = interaction_table(work_out(alone, inputs, base={}, pairs=1), [YEAR])
    assert pairs.filter(pl.col("year") == YEAR).is_empty()
    assert "last_co2_t" in pairs.columns


def test_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], inputs: Inputs, tmp_path: Path
) -> None:
    """A scenario of one lever on the plan: one measure, one pair of orders, no error to tell."""
    monkeypatch.setattr("transport.inputs.load_inputs", lambda **_: inputs)
    played(monkeypatch, lambda s: -1e4 * len(s), lambda _: 0.0)
    mine = tmp_path / "mine.toml"
    mine.write_text('title_zh = "试算"\nbase = "plan_2030"\n[set]\nrail_tariff = 0.5\n', encoding="utf-8")
    assert main(["measures", str(mine), "--pairs", "1", "--lang", "en"]) == 0
    assert "put on plan_2030" in capsys.readouterr().out
    assert main(["measures", str(mine), "--pairs", "1", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert {row["measure"] for row in answer["measures"]} == {"prices"}
    assert answer["measure_interactions"] == []
    with pytest.raises(SystemExit):
        main(["measures", str(mine), "--pairs", "none"])
    assert "不小于 1 的整数，收到 none" in capsys.readouterr().err


def test_a_scenario_without_levers_has_no_measures(inputs: Inputs) -> None:
    with pytest.raises(ValueError, match="no measure to tell apart"):
        work_out(load_scenario("baseline", inputs=inputs), inputs, base={}, pairs=1)


def test_quantities_are_named_in_the_table(monkeypatch: pytest.MonkeyPatch, inputs: Inputs, three: Scenario) -> None:
    played(monkeypatch, lambda s: float(len(s)), lambda s: float(len(s)))
    table = measure_table(work_out(three, inputs, base={}, pairs=1), [2025, YEAR])
    assert set(table["year"]) == {2025, YEAR}
    assert {f"share_{quantity}" for quantity in QUANTITIES} <= set(table.columns)
