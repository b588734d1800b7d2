"""Every parameter row does something: each is read and moves a result, or stands in ``data/unused_parameters.csv`` with the reason."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from transport import study
from transport.freight import FreightOutcome, freight_outcome
from transport.freight_model import solve_model
from transport.freight_prepare import Prepared, prepare
from transport.inputs import REFERENCE_PREFIX, Inputs
from transport.layout import BASE_YEAR, YEARS
from transport.params import Params
from transport.scenario import load_scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from transport.params import LeverValue
    from transport.scenario import Capacity, Scenario
    from transport.store import StoredRun
    from transport.study import Results

Key = tuple[str, str]

#: Sub-models of a run by their name in ``transport.study``, and whose results they stand on.
SUB_MODELS: dict[str, tuple[str, ...]] = {
    "model_freight": (),
    "model_passengers": (),
    "model_vehicles": ("model_freight", "model_passengers"),
    "model_infrastructure": (),
    "model_travel": (),
}
#: Fields of the freight outcome that no result table shows.
NOT_SHOWN = frozenset({"demand"})
#: Year whose flows by link and OD are compared.
SHOWN_YEAR = 2030


def without_simulation(inputs: Inputs, name: str, capacity: Capacity, **levers: LeverValue) -> Scenario:
    return load_scenario(name, inputs.folder, inputs.levers, extra=levers, simulate="none", capacity=capacity)


def keys_of(rows: pl.DataFrame) -> list[Key]:
    """Return the distinct (parameter, subject) of rows with a value, reference library left out, sorted."""
    own = rows.filter(pl.col("value").is_not_null(), ~pl.col("parameter").str.starts_with(REFERENCE_PREFIX))
    return sorted(own.select("parameter", "subject").unique().rows())


def keys_read(made: list[Params]) -> set[Key]:
    """Return what was read from any of some parameters."""
    return {(p, s) for params in made for p, s, n in params.reads().iter_rows() if n > 0}


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
    """Ask every set of parameters made during a run of the plan, before and after its simulation, and the records of two other runs.

    The freight model takes the values that no lever may move from central parameters of its own.
    """
    made: list[Params] = []
    before: dict[Key, int] = {}
    after: dict[Key, int] = {}
    make, simulate = Inputs.params, study.simulate_weeks

    def remembered(self: Inputs, *, draws: int = 1, seed: int = 0) -> Params:
        made.append(make(self, draws=draws, seed=seed))
        return made[-1]

    def watched(tables: Inputs, params: Params, **options: Any) -> Any:
        before.update({(p, s): n for p, s, n in params.reads().iter_rows()})
        outcome = simulate(tables, params, **options)
        after.update({(p, s): n for p, s, n in params.reads().iter_rows()})
        return outcome

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Inputs, "params", remembered)
        patch.setattr(study, "simulate_weeks", watched)
        study.run(load_scenario("plan_2030", inputs.folder, inputs.levers, capacity="fixed"), inputs)
    simulated = frozenset(key for key, n in after.items() if n > before[key])
    assert simulated, "the simulation reads parameters of its own"
    shown = pl.concat([results.tables["parameters_used"], baseline_run.table("parameters_used")]).filter(pl.col("reads") > 0)
    return Reads(frozenset(keys_read(made) | set(shown.select("parameter", "subject").iter_rows())), simulated)


# --- the list and the reads ---------------------------------------------------------------------------------------------------------


def test_the_list_names_keys_that_exist_once_and_with_a_reason(inputs: Inputs, unused: list[Key]) -> None:
    assert len(set(unused)) == len(unused)
    assert set(unused) <= set(keys_of(inputs.parameters))
    assert inputs.table("unused_parameters")["reason"].str.len_chars().min() >= len("a few words")  # type: ignore[operator]


def test_a_parameter_that_no_run_reads_stands_in_the_list(inputs: Inputs, unused: list[Key], reads: Reads) -> None:
    assert sorted(set(keys_of(inputs.parameters)) - reads.by_any - set(unused)) == []
    assert not reads.by_simulation & set(unused)


def test_nothing_in_the_list_moves_the_baseline(inputs: Inputs, unused: list[Key], lever_run: StoredRun) -> None:
    """All listed values moved at once leave every table of the baseline (with a rail tariff that no listed row acts through) as it is."""
    scenario = without_simulation(inputs, "baseline", "equilibrium", rail_tariff={2025: 0.95, 2030: 0.9})
    assert scenario.scenario_hash() == lever_run.manifest["scenario_hash"]
    rows = inputs.parameters
    listed = pl.struct("parameter", "subject").is_in([{"parameter": p, "subject": s} for p, s in unused])
    moved = rows.with_columns(value=pl.when(listed).then(_elsewhere()).otherwise(pl.col("value")))
    assert (moved["value"] != rows["value"]).sum() >= len(unused)
    assert changed_tables(tables_of(lever_run), study.run(scenario, _with_rows(inputs, moved)).tables) == []


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


@dataclass(frozen=True)
class MovedTables:
    """Tables of the inputs with one parameter moved, as the freight model reads them."""

    inputs: Inputs
    central: Params
    parameters: pl.DataFrame

    def table(self, name: str) -> pl.DataFrame:
        return self.inputs.table(name)

    def params(self, *, draws: int = 1, seed: int = 0) -> Params:
        assert (draws, seed) == (1, 0)
        return self.central


class OneAtATime:
    """One scenario without its simulation, ready to run again with one key moved; what does not read the key is not computed again."""

    def __init__(self, inputs: Inputs, name: str, levers_at: dict[str, float] | None = None) -> None:
        self.inputs = inputs
        self.scenario = load_scenario(name, inputs.folder, inputs.levers, extra=levers_at or {}, simulate="none")
        levers = {lever.lever: lever for lever in inputs.levers}
        self.settings = [(levers[lever], value) for lever, value in self.scenario.settings.items()]
        self.central = Params.from_frame(inputs.parameters)
        self.ends = {
            end: Params.from_frame(inputs.parameters.with_columns(value=pl.coalesce(end, "value"))) for end in ("high", "low")
        }
        self.quality = study._indicator_quality(inputs)  # does not depend on values
        self.reads: dict[str, set[Key]] = {}
        #: Outcomes of the sub-models in the order of the calls of a run.
        self.base: dict[str, list[Any]] = {name: [] for name in SUB_MODELS}
        whole = self.with_levers(Params.from_frame(inputs.parameters))
        self.tables = self.run(whole, {name: self._recorded(name) for name in SUB_MODELS})
        self.reads["study"] = keys_read([whole])
        tables = MovedTables(inputs, Params.from_frame(inputs.parameters), inputs.parameters)
        self.prepared: Prepared = prepare(tables, self.with_levers(self.central), hold_network_after=YEARS[0])
        self.freight = self._model_freight(tables, self.with_levers(self.central), self.prepared)
        self.reads["prepare"] = keys_read([tables.central])

    def with_levers(self, params: Params) -> Params:
        return params.with_levers(self.settings)

    def run(self, params: Params, replaced: dict[str, Callable[..., Any]]) -> dict[str, pl.DataFrame]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(study, "scenario_params", lambda *_: params)
            patch.setattr(study, "_indicator_quality", lambda _: self.quality)
            for name, function in replaced.items():
                patch.setattr(study, name, function)
            return dict(study.run(self.scenario, self.inputs).tables)

    def _recorded(self, name: str) -> Callable[..., Any]:
        """Return a sub-model that keeps its outcome and the keys it read."""
        real = getattr(study, name)

        def call(*args: Any, **options: Any) -> Any:
            mine = self.with_levers(Params.from_frame(self.inputs.parameters))
            self.base[name].append(real(*(mine if isinstance(a, Params) else a for a in args), **options))
            self.reads[name] = self.reads.get(name, set()) | keys_read([mine])
            return self.base[name][-1]

        return call

    def in_freight(self, key: Key) -> bool:
        return key in self.reads["model_freight"] | self.reads["prepare"]

    def beside_freight(self, key: Key) -> bool:
        return any(key in found for name, found in self.reads.items() if name not in {"model_freight", "prepare"})

    def moves(self, key: Key) -> bool:
        """Return whether some result table changes when the key takes its upper or, failing that, its lower end."""
        tests = [self._moves_freight] * self.in_freight(key) + [self._moves_tables] * self.beside_freight(key)
        for end, params in self.ends.items():
            if np.array_equal(params.get(*key), self.central.get(*key)):
                continue
            try:
                if any(test(key, end) for test in tests):
                    return True
            except ValueError:  # shares of several rows may only move together; the other end may do
                continue
        return False

    def _moves_tables(self, key: Key, end: str) -> bool:
        """Look at all tables of the run, with the freight as it is."""
        stale = {name for name in SUB_MODELS if key in self.reads[name]} - {"model_freight"}
        stale |= {name for name, parts in SUB_MODELS.items() if stale & set(parts)}

        def kept(name: str) -> Callable[..., Any]:
            outcomes = iter(self.base[name])
            return lambda *_, **__: next(outcomes)

        params = self.with_levers(self.central.replace(*key, self.ends[end].get(*key)))
        after = self.run(params, {name: kept(name) for name in SUB_MODELS if name not in stale})
        return bool(changed_tables(self.tables, after))

    def _moves_freight(self, key: Key, end: str) -> bool:
        """Look at the outcome with network and demand as they are, then with all of it anew; the network of one year serves for all."""
        central = self.central.replace(*key, self.ends[end].get(*key))
        this = (pl.col("parameter") == key[0]) & (pl.col("subject") == key[1])
        rows = self.inputs.parameters.with_columns(value=pl.when(this).then(pl.coalesce(end, "value")).otherwise("value"))
        tables = MovedTables(self.inputs, central, rows)
        params = self.with_levers(central)
        if key in self.reads["model_freight"] and self._shows(self._model_freight(tables, params, self.prepared)):
            return True
        if key not in self.reads["prepare"]:
            return False
        anew = prepare(tables, params, hold_network_after=YEARS[0])
        return self._shows(self._model_freight(tables, params, anew))

    @staticmethod
    def _model_freight(tables: MovedTables, params: Params, prepared: Prepared) -> FreightOutcome:
        # one year of links and OD tells enough and costs least
        return freight_outcome(tables, params, solve_model(tables, params, prepared=prepared, detail=(BASE_YEAR, SHOWN_YEAR)))

    def _shows(self, freight: FreightOutcome) -> bool:
        shown = [f.name for f in fields(FreightOutcome) if f.name not in NOT_SHOWN]
        return any(_differs(getattr(freight, name), getattr(self.freight, name)) for name in shown)


def _differs(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return not np.array_equal(a, b)
    if isinstance(a, pl.DataFrame):
        return not a.equals(b)
    if isinstance(a, dict):
        return any(_differs(a[k], b[k]) for k in a)
    return bool(a != b)


def uncertain(inputs: Inputs) -> list[Key]:
    """Return the keys with a range in some row."""
    return keys_of(inputs.parameters.filter(pl.col("low") < pl.col("high")))


@pytest.fixture(scope="module")
def plan(inputs: Inputs) -> OneAtATime:
    return OneAtATime(inputs, "plan_2030")


@pytest.fixture(scope="module")
def stretch(inputs: Inputs) -> OneAtATime:
    return OneAtATime(inputs, "stretch")


def without_effect(keys: list[Key], *scenarios: OneAtATime) -> list[Key]:
    """Return the keys that move no table of any of the scenarios."""
    for scenario in scenarios:
        keys = [key for key in keys if not scenario.moves(key)]
    return keys


@pytest.mark.slow
def test_each_range_outside_freight_moves_a_table(
    inputs: Inputs, unused: list[Key], reads: Reads, plan: OneAtATime, stretch: OneAtATime
) -> None:
    """Rows that only the simulation reads are left to the test of the reads."""
    keys = [k for k in uncertain(inputs) if plan.beside_freight(k) and not plan.in_freight(k)]
    assert len(keys) > len(unused)
    still = [k for k in without_effect(keys, plan) if k not in reads.by_simulation]
    assert sorted(set(without_effect(still, stretch)) ^ {k for k in unused if k in keys}) == []


@pytest.mark.slow
def test_each_range_of_freight_moves_a_table(inputs: Inputs, unused: list[Key], plan: OneAtATime, stretch: OneAtATime) -> None:
    keys = [k for k in uncertain(inputs) if plan.in_freight(k)]
    assert len(keys) > len(unused)
    assert sorted(set(without_effect(keys, plan, stretch)) ^ {k for k in unused if k in keys}) == []


@pytest.mark.slow
def test_what_acts_only_through_a_lever_acts_through_it(inputs: Inputs) -> None:
    """With the named levers at the end of their range all these rows move a table of the plan."""
    named: dict[Key, str] = {}
    for parameter, subject, reason in inputs.table("unused_parameters").select("parameter", "subject", "reason").iter_rows():
        found = re.search(r"only through the lever (\w+)", reason)
        if found:
            named[parameter, subject] = found.group(1)
    ends = {lever.lever: lever.minimum if lever.default == lever.maximum else lever.maximum for lever in inputs.levers}
    moved = OneAtATime(inputs, "plan_2030", {lever: ends[lever] for lever in sorted(set(named.values()))})
    assert len(named) > len(ends) // 10
    assert without_effect(list(named), moved) == []
