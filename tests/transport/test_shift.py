"""The shift between two runs: causes sum to the difference pair by pair, and a change of one kind has one cause."""

from __future__ import annotations

import contextlib
import functools
import io
import json
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from transport.cli import main
from transport.freight_rebuild import rebuilt
from transport.freight_year import solve_year
from transport.scenario import load_scenario
from transport.shift import CAUSES, SEA, Side, cause_rows, mode_tonnes, moves, shift_summary, shift_table
from transport.shift_runs import heading, named
from transport.study import scenario_inputs, scenario_params

if TYPE_CHECKING:
    from collections.abc import Callable

    from transport.freight_model import BaseModel
    from transport.inputs import Inputs

YEAR = 2030
PAIR = ("commodity", "origin", "destination")
#: A lever of each kind, as a change of one kind.
ONE_CAUSE = {
    "cost": {"rail_tariff": 0.8},
    "time": {"rail_terminal_dwell": 0.5},
    "access": {"new_siding_share": 0.5},
    "demand": {"freight_growth": 1.1},
}


@pytest.fixture(scope="module")
def side(inputs: Inputs, base_model: BaseModel) -> Callable[..., Side]:
    """Return a function from levers and speed to a side."""

    @functools.lru_cache(maxsize=3)  # most tests compare with the side without levers
    def make(capacity: str = "fixed", **levers: float) -> Side:
        scenario = load_scenario("baseline", inputs.folder, inputs.levers, extra=levers, draws=1)
        params = scenario_params(scenario, inputs)
        return Side(params, solve_year(inputs, params, YEAR, capacity=capacity, base=base_model))  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="module")
def causes(inputs: Inputs) -> dict[str, str]:
    return cause_rows(inputs.table("networks/shift_causes"))


def worst_error(table: pl.DataFrame, before: Side, after: Side) -> float:
    """Return the largest difference between the moves and the two runs over all pairs and modes [t/yr]."""
    keys = [*PAIR, "mode"]
    one, two = mode_tonnes(before.model, YEAR), mode_tonnes(after.model, YEAR)
    into = table.group_by(*PAIR, pl.col("to_mode").alias("mode")).agg(pl.col("t").sum())
    away = table.filter(pl.col("from_mode").is_not_null()).group_by(*PAIR, pl.col("from_mode").alias("mode"))
    parts = [two, one.with_columns(-pl.col("t")), into.with_columns(-pl.col("t")), away.agg(pl.col("t").sum())]
    left = pl.concat([p.select(*keys, "t") for p in parts]).group_by(keys).agg(pl.col("t").sum())
    return float(left["t"].abs().max())  # type: ignore[arg-type]


def test_without_a_difference_nothing_moves(side, causes):
    assert shift_table(side(), side(), YEAR, causes).is_empty()


@pytest.mark.parametrize("cause", ONE_CAUSE)
def test_a_change_of_one_kind_has_one_cause(side, causes, cause):
    before, after = side(), side(**ONE_CAUSE[cause])
    table = shift_table(before, after, YEAR, causes)
    assert set(table["cause"]) == {cause}
    assert worst_error(table, before, after) < 1e-5
    if cause == "demand":
        assert table["from_mode"].null_count() == table.height
        grown = mode_tonnes(after.model, YEAR)["t"].sum() - mode_tonnes(before.model, YEAR)["t"].sum()
        assert table["t"].sum() == pytest.approx(grown, rel=1e-9)
    else:
        # cheaper, faster or nearer railways take from the road on balance
        net = shift_summary(table, ["cause"])
        to_rail = net.filter(pl.col("from_mode") == "road", pl.col("to_mode") == "rail")["t"].sum()
        assert to_rail > net.filter(pl.col("from_mode") == "rail", pl.col("to_mode") == "road")["t"].sum()


def test_several_causes_sum_to_the_difference_of_the_runs(side, causes):
    levers = {name: value for change in ONE_CAUSE.values() for name, value in change.items()}
    before, after = side(), side(**levers)
    table = shift_table(before, after, YEAR, causes)
    assert set(table["cause"]) == set(ONE_CAUSE)
    assert worst_error(table, before, after) < 1e-5
    assert SEA in set(table["origin"])  # goods that choose their port are one pair


def test_delays_and_prices_are_a_cause_of_their_own_at_the_equilibrium(side, causes):
    before, after = side("equilibrium"), side("equilibrium", rail_tariff=0.8)
    table = shift_table(before, after, YEAR, causes)
    assert set(table["cause"]) == {"cost", "capacity"}
    assert worst_error(table, before, after) < 1e-5
    net = dict.fromkeys(CAUSES, 0.0)
    for cause, source, target, t in shift_summary(table, ["cause"]).iter_rows():
        net[cause] += t * ((target == "rail") - (source == "rail"))
    assert net["cost"] > 0 > net["capacity"]  # fuller railways give some of it back


@pytest.mark.slow
@pytest.mark.parametrize("capacity", ["fixed", pytest.param("equilibrium", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "sections",
    [
        {"projects": {"siding_laobian_steel": 2027}},
        {"projects": {"dbl_gouhai": 2027}, "sites": {"Z_RF_JZSH": {2028: 0.0}}},
        {"closures": {"RL068": {2030: 1.0}}},
    ],
    ids=["siding", "doubling_and_site", "closure"],
)
def test_runs_on_other_networks_are_split_as_exactly(inputs, base_model, side, causes, sections, capacity):
    scenario = load_scenario("baseline", inputs.folder, inputs.levers, draws=1, **sections)
    run = scenario_inputs(scenario, inputs)
    params = scenario_params(scenario, run)
    model = solve_year(run, params, YEAR, capacity=capacity, base=rebuilt(run, params, base_model))
    before, after = side(capacity), Side(params, model)
    table = shift_table(before, after, YEAR, causes)
    assert worst_error(table, before, after) < 1e-5
    assert "access" in set(table["cause"])
    assert ("demand" in set(table["cause"])) == ("sites" in sections)


@pytest.mark.parametrize("capacity", ["fixed", "equilibrium"])
def test_the_charge_of_a_quota_is_capacity(side, causes, capacity):
    before, after = side(capacity), side(capacity, port_clean_quota=0.6)
    table = shift_table(before, after, YEAR, causes)
    assert worst_error(table, before, after) < 1e-5
    assert set(table["cause"]) == {"capacity"}
    moved = shift_summary(table, ["cause"]).filter(pl.col("from_mode") == "road", pl.col("to_mode") == "rail")["t"]
    assert moved.item() > 0


def test_two_speeds_are_not_compared(side, causes):
    with pytest.raises(ValueError, match="fixed delays"):
        shift_table(side(), side("equilibrium"), YEAR, causes)


@given(arrays(np.float64, (4, 5), elements=st.floats(-1e6, 1e6)))
def test_moves_make_the_changes_they_come_from(raw):
    change = raw - raw.mean(axis=1, keepdims=True)
    row, source, target, t = moves(change)
    made = np.zeros_like(change)
    np.add.at(made, (row, target), t)
    np.add.at(made, (row, source), -t)
    np.testing.assert_allclose(made, change, atol=1e-6)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_people_read_the_net_shift_and_labels(inputs, lang):
    rows = [
        ("coal", SEA, "Z_SY", "cost", "road", "rail", 3e6),
        ("coal", "Z_SY", SEA, "capacity", "rail", "road", 1e6),
        ("coal", "Z_SY", SEA, "demand", None, "water", 5e5),
    ]
    columns = [*PAIR, "cause", "from_mode", "to_mode", "t"]
    table = pl.DataFrame(rows, schema=columns, orient="row")
    sentence = " ".join(heading(table, "baseline", "plan_2030", YEAR, lang))
    assert {"zh": "铁路 +200 万吨", "en": "+2,000 kt to rail"}[lang] in sentence
    shown = named(table, inputs, lang)
    assert shown.columns[-1] == {"zh": "万吨/年", "en": "kt/yr"}[lang]
    assert shown[:, 0].to_list() == [{"zh": "煤炭", "en": "Coal"}[lang]] * 3
    assert shown.row(2)[3:6] == {"zh": ("需求", "新增需求", "水路"), "en": ("Demand", "added demand", "Water")}[lang]


def test_the_command_finds_what_the_function_finds(side, monkeypatch):
    monkeypatch.setattr("transport.shift_runs.sides", lambda *_, **__: (side(), side(freight_growth=1.1)))
    with contextlib.redirect_stdout(io.StringIO()) as told:
        assert (
            main(["shift", "baseline", "rebound_only", "--capacity", "fixed", "--json", "--top", "0", "--by", "commodity"]) == 0
        )
    found = json.loads(told.getvalue())
    assert (found["a"], found["b"], found["left_out"]) == ("baseline", "rebound_only", 0)
    rows = {(r["commodity"], r["cause"], r["from_mode"], r["to_mode"]): r["t"] for r in found["rows"]}
    assert rows["coal", "demand", None, "rail"] > 0
    assert rows["containers", "demand", None, "road"] > 0
