"""Every parameter row does something: each is read and moves a result, or stands in ``data/unused_parameters.csv`` with the reason."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from functools import cache, partial
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from tests.transport.one_at_a_time import OneAtATime, keys_read
from transport import study
from transport.inputs import REFERENCE_PREFIX, Inputs
from transport.layout import YEARS
from transport.params import Params
from transport.scenario import load_scenario
from transport.week_values import CityFleet

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from tests.transport.one_at_a_time import Key, Rows
    from transport.params import LeverValue
    from transport.scenario import Capacity, Scenario
    from transport.store import StoredRun
    from transport.study import Results

#: Sizes of the simulated samples: what a simulation reads does not depend on them.
SMALL = {
    ("depot_buses", "all"): 40.0,
    ("taxi_sample", "sample"): 80.0,
    ("airport_movements", "A_SHE"): 60_000.0,
    ("simulation_replications", "sample"): 2.0,
}
#: Parts of the sweep over all rows, for several workers.
PARTS = 8


def without_simulation(inputs: Inputs, name: str, capacity: Capacity, **levers: LeverValue) -> Scenario:
    return load_scenario(name, inputs.folder, inputs.levers, extra=levers, simulate="none", capacity=capacity)


def keys_of(rows: pl.DataFrame) -> list[Key]:
    """Return the distinct (parameter, subject) of rows with a value, reference library left out, sorted."""
    own = rows.filter(pl.col("value").is_not_null(), ~pl.col("parameter").str.starts_with(REFERENCE_PREFIX))
    return sorted(own.select("parameter", "subject").unique().rows())


@pytest.fixture(scope="module")
def unused(inputs: Inputs) -> list[Key]:
    """Return the keys of the list of unused parameters."""
    return list(inputs.table("unused_parameters").select("parameter", "subject").iter_rows())


@dataclass(frozen=True)
class Reads:
    """Keys that runs of the baseline and of the plan read: at all, and by the plan's simulation."""

    by_any: frozenset[Key]
    by_simulation: frozenset[Key]


@pytest.fixture(scope="module")
def reads(inputs: Inputs, results: Results, baseline_run: StoredRun) -> Reads:
    """Take the records of two runs, in which the freight model's central parameters count, and ask a simulation of its own."""
    shown = pl.concat([results.tables["parameters_used"], baseline_run.table("parameters_used")]).filter(pl.col("reads") > 0)
    scenario = load_scenario("plan_2030", inputs.folder, inputs.levers)
    fresh = replace(inputs, reads={})
    params = study.scenario_params(scenario, fresh)
    for key, number in SMALL.items():
        params = params.replace(*key, np.full((1, len(YEARS)), number))
    fleets = {("bus_depot", "210100"): CityFleet(5000.0, 46_000.0), ("taxi_city", "210100"): CityFleet(9000.0, 128_000.0)}
    study.simulate_weeks(fresh, params, fleets, year=study.SIMULATED_YEAR, seed=scenario.seed, level=scenario.simulate)
    simulated = frozenset(keys_read(params))
    assert simulated, "the simulation reads parameters of its own"
    return Reads(frozenset(shown.select("parameter", "subject").iter_rows()), simulated)


# --- the list and the reads ---------------------------------------------------------------------------------------------------------


def test_the_list_names_keys_that_exist_once_and_with_a_reason(inputs: Inputs, unused: list[Key]) -> None:
    assert len(set(unused)) == len(unused)
    assert set(unused) <= set(keys_of(inputs.parameters))
    assert inputs.table("unused_parameters")["reason"].str.len_chars().min() >= len("a few words")  # type: ignore[operator]


def test_a_parameter_that_no_run_reads_stands_in_the_list(inputs: Inputs, unused: list[Key], reads: Reads) -> None:
    assert sorted(set(keys_of(inputs.parameters)) - reads.by_any - set(unused)) == []
    assert not reads.by_simulation & set(unused)


@pytest.mark.slow
def test_nothing_in_the_list_moves_the_baseline(inputs: Inputs, unused: list[Key], lever_run: StoredRun) -> None:
    """All listed values moved at once leave every table of the baseline (with a rail tariff that no listed row acts through) as it is."""
    scenario = without_simulation(inputs, "baseline", "equilibrium", rail_tariff={2025: 0.95, 2030: 0.9})
    assert scenario.scenario_hash() == lever_run.manifest["scenario_hash"]
    rows = inputs.parameters
    listed = pl.struct("parameter", "subject").is_in([{"parameter": p, "subject": s} for p, s in unused])
    moved = rows.with_columns(value=pl.when(listed).then(_elsewhere()).otherwise(pl.col("value")))
    assert (moved["value"] != rows["value"]).sum() >= len(unused)
    assert changed_tables(tables_of(lever_run), study.run(scenario, _with_rows(inputs, moved)).tables) == []


@pytest.mark.slow
def test_a_moved_row_that_is_used_would_be_seen(inputs: Inputs, baseline_run: StoredRun) -> None:
    """The comparison above can fail: one row of a fuel moves tables, and leaves others as they were."""
    scenario = without_simulation(inputs, "baseline", "fixed")
    assert scenario.scenario_hash() == baseline_run.manifest["scenario_hash"]
    fuel = (pl.col("parameter") == "co2_factor_mass") & (pl.col("subject") == "diesel")
    moved = inputs.parameters.with_columns(value=pl.when(fuel).then(_elsewhere()).otherwise(pl.col("value")))
    after = study.run(scenario, _with_rows(inputs, moved))
    changed = set(changed_tables(tables_of(baseline_run), after.tables))
    assert {"co2", "indicators"} <= changed
    assert not {"freight_links", "stock", "turnover"} & changed


def tables_of(stored: StoredRun) -> dict[str, pl.DataFrame]:
    return {name: stored.table(name) for name in stored.manifest["tables"]}


def _elsewhere() -> pl.Expr:
    """Return another plausible value: the upper end, else the lower end, else ten percent more."""
    value, low, high = pl.col("value"), pl.col("low"), pl.col("high")
    return pl.when(high > value).then(high).when(low < value).then(low).when(value == 0).then(0.1).otherwise(1.1 * value)


def _with_rows(inputs: Inputs, rows: pl.DataFrame) -> Inputs:
    given = {f.name: getattr(inputs, f.name) for f in fields(Inputs)}
    return Inputs(**{**given, "parameters": rows})


def changed_tables(before: Mapping[str, pl.DataFrame], after: Mapping[str, pl.DataFrame]) -> list[str]:
    """Return the names of the result tables that differ; the record of the reads is no result."""
    return [name for name, table in before.items() if name != "parameters_used" and not table.equals(after[name])]


# --- one at a time ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def once(inputs: Inputs) -> Callable[[str], OneAtATime]:
    """Return a function from the name of a scenario to that scenario, computed when it is first asked for."""
    return cache(lambda name: OneAtATime(inputs, name))


def without_effect(rows: Iterable[Rows], scenarios: Iterable[Callable[[], OneAtATime]]) -> list[Rows]:
    """Return the rows that move no result of any of the scenarios; whole solutions only for those that no cheaper look sees in any."""
    left = list(rows)
    for whole, scenario in product((False, True), scenarios):
        if left:
            made = scenario()
            left = [row for row in left if not made.moves(row, whole=whole)]
    return left


def ranged(inputs: Inputs, *, but: Collection[Key] = ()) -> list[Rows]:
    """Return the positions of the rows with a range by key, some keys left out: rows of several years move together, as they do in draws."""
    rows = inputs.parameters.with_row_index("row").filter(pl.col("low") < pl.col("high"))
    groups = rows.partition_by("parameter", "subject", as_dict=True)
    return [tuple(groups[key]["row"]) for key in keys_of(rows) if key not in set(but)]


def test_each_row_with_a_range_changes_its_parameter_by_itself(inputs: Inputs) -> None:
    """No row lies beyond the years of the model or is hidden by another one."""
    rows = inputs.parameters.with_row_index("row")
    keys = dict.fromkeys(keys_of(rows.filter(pl.col("low") < pl.col("high"))))
    groups = rows.partition_by("parameter", "subject", as_dict=True)
    idle = []
    for key in keys:
        usual = Params.from_frame(groups[key]).get(*key)
        for row, year in groups[key].filter(pl.col("low") < pl.col("high")).select("row", "year").iter_rows():
            moved = groups[key].with_columns(value=pl.when(pl.col("row") == row).then(_elsewhere()).otherwise(pl.col("value")))
            if (Params.from_frame(moved).get(*key) == usual).all():
                idle.append((*key, year))
    assert idle == []


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_each_range_moves_a_result(inputs: Inputs, unused: list[Key], once: Callable[[str], OneAtATime], part: int) -> None:
    """In the plan or in the stretch, one parameter and subject at a time; those of the list are moved by the test below."""
    rows = ranged(inputs, but=unused)[part::PARTS]
    assert len(rows) * PARTS > 5 * len(unused)
    seen = once("plan_2030").seen_together(rows)
    assert seen
    left = without_effect([row for row in rows if row not in seen], [partial(once, name) for name in ("plan_2030", "stretch")])
    assert [once("plan_2030").key(row) for row in left] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plan_2030", "stretch"])
def test_nothing_in_the_list_moves_a_plan(inputs: Inputs, unused: list[Key], name: str) -> None:
    """All listed rows at their upper ends, then at their lower ends, with the equilibrium of every year."""
    scenario = without_simulation(inputs, name, "equilibrium")
    before = study.run(scenario, inputs).tables
    listed = pl.struct("parameter", "subject").is_in([{"parameter": p, "subject": s} for p, s in unused])
    for end in ("high", "low"):
        moved = inputs.parameters.with_columns(value=pl.when(listed).then(pl.coalesce(end, "value")).otherwise("value"))
        assert (moved["value"] != inputs.parameters["value"]).sum() > len(unused) // 2
        assert changed_tables(before, study.run(scenario, _with_rows(inputs, moved)).tables) == [], end


@pytest.mark.slow
def test_no_look_sees_what_did_not_move(once: Callable[[str], OneAtATime]) -> None:
    """The same rows again give the same bits in every look but the whole one, and rows that say nothing are told to move nothing."""
    plan = once("plan_2030")
    for key in {
        ("road_hour_cost", "all"),
        ("osm_speed", "motorway"),
        ("week_weight", "winter"),
        ("truck_pcu", "all"),
        ("mean_haul", "coal"),
    }:
        looks = list(plan.looks(key))
        assert bool(looks) == (key[0] != "osm_speed"), key
        assert not any(look(plan.usual()) for look in looks), key


@pytest.mark.slow
def test_what_acts_only_through_a_lever_acts_through_it(inputs: Inputs) -> None:
    """With the named levers at the end of their range the rows of all these keys move a result of the plan."""
    named: dict[Key, str] = {}
    for parameter, subject, reason in inputs.table("unused_parameters").select("parameter", "subject", "reason").iter_rows():
        found = re.search(r"only through the lever (\w+)", reason)
        if found:
            named[parameter, subject] = found.group(1)
    ends = {lever.lever: lever.minimum if lever.default == lever.maximum else lever.maximum for lever in inputs.levers}
    moved = OneAtATime(inputs, "plan_2030", {lever: ends[lever] for lever in sorted(set(named.values()))})
    assert len(named) > len(ends) // 10
    rows = [tuple(moved.of_key[key]["row"]) for key in named]
    assert [moved.key(row) for row in without_effect(rows, [lambda: moved])] == []
