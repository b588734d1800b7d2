"""Backcast: packages of levers worked out by the model, at fixed delays with draws beside them, and the chosen ones with capacity in equilibrium."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport.backcast import NEVER, QUOTA, READING, Asked, Variable, settings_of
from transport.backcast_search import COST, FIRST_TARGET, IMPOSSIBLE, Drawn
from transport.cases import Chunk, run_chunk
from transport.ensemble import design_cases, prepared, read_cases, run_cases
from transport.ensemble_tables import ensemble_tables
from transport.evaluate import evaluate_drawn
from transport.freight_start import FreightStarts
from transport.layout import year_index
from transport.measure_costs import SCOPE
from transport.params import Params, lever_settings, split_setting
from transport.study import Given, all_series, freight_tables, model_parts, scenario_inputs, scenario_params
from transport.system_cost import system_costs, total_cost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from transport.evaluate import Outcome
    from transport.indicators import Series
    from transport.inputs import Inputs
    from transport.params import LeverValue
    from transport.sampling import Key
    from transport.scenario import Scenario

    Array = NDArray[np.float64]

#: Packages that are worked out together: a point and its neighbours in one go; part of what an answer is, as it decides the last bits.
TOGETHER = 48
#: Part of the scale of a target that a lever must do to help it.
HELPS = 1e-3
#: Result tables of the equilibrium that are kept.
CHECKED: tuple[str, ...] = ("indicators", "freight_links", "freight_terminals", "freight_unmet")


@dataclass(frozen=True)
class Draws:
    """How the chance of a package is found: number of draws, 0 = not at all, seed, processes."""

    count: int = 0
    seed: int = 0
    workers: int | None = None
    scheduler: str | None = None


@dataclass(frozen=True)
class _OnStarts:
    """Draws on the base models that the search has already: no lever moves the base year, so that its results are the same bit by bit."""

    starts: FreightStarts

    def __call__(self, scenario: Scenario, inputs: Inputs, drawn: Mapping[Key, Array], draws: int, _: FreightStarts) -> Outcome:
        return evaluate_drawn(scenario, inputs, drawn, draws, self.starts)


@dataclass(frozen=True)
class ModelProblem:
    """Packages of levers in the model.

    Attributes
    ----------
    scenario
        What every package is put on; delays fixed, nothing simulated.
    inputs, starts
        Checked data; base models of earlier runs.
    variables, asked, year
        Variables, targets, and the year of cost and CO2.
    draws
        How its chance is found.
    equilibrium
        Whether the best package is run with capacity in equilibrium.
    """

    scenario: Scenario
    inputs: Inputs
    starts: FreightStarts
    variables: tuple[Variable, ...]
    asked: tuple[Asked, ...]
    year: int
    draws: Draws = Draws()
    equilibrium: bool = True

    @property
    def n(self) -> int:
        """Number of variables."""
        return len(self.variables)

    @property
    def steps(self) -> tuple[float, ...]:
        """Step of each target for its price, in its unit."""
        return tuple(a.step for a in self.asked)

    def light(self) -> ModelProblem:
        """Return the problem without base models of earlier runs."""
        return replace(self, starts=FreightStarts())

    def settings(self, levels: Array) -> dict[str, LeverValue]:
        """Return the settings of the scenario with a package."""
        return {**self.scenario.settings, **settings_of(self.variables, levels)}

    def evaluate(self, levels: Array) -> Array:
        """Return cost [CNY/yr], CO2 [t/yr] and units ahead of each target ``[package, 2 + target]`` at central values and fixed delays.

        Parameters
        ----------
        levels
            Levels ``[package, variable]``.

        Notes
        -----
        A package that cannot be worked out takes no other along: it costs and emits :data:`IMPOSSIBLE` and is far behind every target. The scenario
        itself must work out.
        """
        bare, plain, own, common = self._parted
        # the charge of a quota answers to all levers of a case, which then stands alone
        size = 1 if any(self._parameter(name) == QUOTA for name in bare.settings) else TOGETHER
        packages = [settings_of(self.variables, row) for row in levels]
        found = []
        todo = [packages[first : first + size] for first in range(0, len(packages), size)]
        while todo:
            part = todo.pop(0)
            moved = [common.with_levers(lever_settings(self.inputs.levers, {**own, **package})) for package in part]
            given = Given(Params.stack(moved), Params.stack([plain] * len(part)), priced=True)
            try:
                found.append(self._outcomes(Chunk(bare, tuple(range(len(part))), tuple(part)), given))
            except (ValueError, ArithmeticError):
                if len(part) == 1 and not part[0]:
                    raise
                half = len(part) // 2
                if half:
                    todo = [part[:half], part[half:], *todo]
                else:
                    found.append(np.array([[IMPOSSIBLE, IMPOSSIBLE, *([-NEVER] * len(self.asked))]]))
        return np.concatenate(found)

    def _parameter(self, setting: str) -> str:
        name = split_setting(setting)[0]
        return next((lever.parameter for lever in self.inputs.levers if lever.lever == name), "")

    @cached_property
    def _parted(self) -> tuple[Scenario, Params, dict[str, LeverValue], Params]:
        """What all packages share: the scenario, its parameters without levers, the settings that each package must set again, and the parameters with all others."""
        bare = replace(self.scenario, capacity="fixed", simulate="none", draws=1)
        plain = scenario_params(replace(bare, settings={}), scenario_inputs(bare, self.inputs))
        moved = {self._parameter(span.lever) for v in self.variables for span in v.spans}
        own = {k: v for k, v in self.scenario.settings.items() if self._parameter(k) in moved}
        other = {k: v for k, v in self.scenario.settings.items() if k not in own}
        return bare, plain, own, plain.with_levers(lever_settings(self.inputs.levers, other))

    def _outcomes(self, chunk: Chunk, given: Given) -> Array:
        parts = run_chunk(chunk, self.inputs, starts=self.starts, given=given)
        at, cases = year_index(self.year), len(chunk.positions)
        cost = total_cost(system_costs(parts, given.plain))[:, at]
        columns = [np.broadcast_to(cost, cases), np.broadcast_to(parts.now.co2_t[SCOPE].sum(axis=0)[:, at], cases)]
        series = all_series(parts)
        for target in self.asked:
            values = next(s for s in series if target.is_of(s)).values[:, year_index(target.year)]
            columns.append(target.ahead(np.broadcast_to(values, cases)))
        return np.stack(columns, axis=1)

    def drawn(self, levels: Array) -> Drawn | None:
        """Return the weighted draws of a package, the same for every package."""
        if not self.draws.count:
            return None
        scenario = prepared(replace(self.scenario, settings=self.settings(levels)))
        cases = design_cases(self.inputs, draws=self.draws.count, seed=self.draws.seed)
        # networks and base year are too large to be sent to other processes, which find their own
        here = self.draws.workers == 1 and self.draws.scheduler is None
        with tempfile.TemporaryDirectory() as folder:
            run_cases(
                scenario,
                self.inputs,
                cases,
                folder=Path(folder),
                workers=self.draws.workers,
                scheduler=self.draws.scheduler,
                evaluate=_OnStarts(self.starts) if here else evaluate_drawn,
            )
            tables, _ = ensemble_tables(self.inputs, cases, read_cases(Path(folder)))
        return self._read(tables)

    def _read(self, tables: Mapping[str, pl.DataFrame]) -> Drawn:
        """Return the draws of an ensemble that has been put together; draws that failed are left out."""
        outcomes, series, weights = tables["outcomes"], tables["series"], tables["draws"].sort("draw")
        ahead = []
        for target in self.asked:
            wanted = dict(zip(READING, target.reading, strict=True))
            place = series.filter(id=target.id, area=target.area, **wanted)["series"][0]
            rows = outcomes.filter(pl.col("series") == place, pl.col("year") == target.year).sort("draw")
            values = rows["value"].cast(pl.Float64).fill_null(np.nan).to_numpy()
            ahead.append(target.sign * (values - target.value))
        matrix = np.stack(ahead, axis=1)
        return Drawn(matrix[0], matrix[1:], weights["weight"].to_numpy())

    def check(self, levels: Array) -> Mapping[str, pl.DataFrame]:
        """Return result tables of a package with capacity in equilibrium: :data:`CHECKED`, those of the networks in the year only."""
        if not self.equilibrium:
            return {}
        scenario = replace(self.scenario, settings=self.settings(levels), capacity="equilibrium", simulate="none", draws=1)
        tables = freight_tables(model_parts(scenario, self.inputs, starts=self.starts, response=False))
        return {
            name: tables[name] if name == "indicators" else tables[name].filter(pl.col("year") == self.year) for name in CHECKED
        }

    def lost(self, checked: Mapping[str, pl.DataFrame], outcome: Array) -> Array:
        """Return by how much less a package is ahead of each target in equilibrium; zero where it was not run.

        Parameters
        ----------
        checked
            From :meth:`check`.
        outcome
            What the package comes to at fixed delays ``(2 + target,)``.
        """
        if not checked:
            return np.zeros(len(self.asked))
        values = np.array([in_equilibrium(checked["indicators"], a) for a in self.asked], dtype=np.float64)
        ahead = np.array([float(a.ahead(value)) for a, value in zip(self.asked, values, strict=True)])
        return np.asarray(outcome[FIRST_TARGET:] - ahead)

    def only(self, chosen: Sequence[int]) -> ModelProblem:
        """Return the problem with some of its variables, one at most of the two that a lever has."""
        return replace(self, variables=tuple(replace(v, name=v.name.rstrip("+-")) for v in (self.variables[k] for k in chosen)))


def in_equilibrium(indicators: pl.DataFrame, asked: Asked) -> float | None:
    """Return the value of a target in the table ``indicators`` of a run; None where it has none.

    Parameters
    ----------
    indicators
        Result table.
    asked
        The target.
    """
    found = indicators.filter(id=asked.id, area=asked.area, year=asked.year, **dict(zip(READING, asked.reading, strict=True)))
    value = found["value"][0] if found.height else None
    return None if value is None else float(value)


def base_series(scenario: Scenario, inputs: Inputs, starts: FreightStarts) -> list[Series]:
    """Return the indicators of a scenario at central values and fixed delays."""
    bare = replace(scenario, capacity="fixed", simulate="none", draws=1)
    plain = scenario_params(replace(bare, settings={}), scenario_inputs(bare, inputs))
    moved = plain.with_levers(lever_settings(inputs.levers, bare.settings))
    return all_series(run_chunk(Chunk(bare, (0,), (bare.settings,)), inputs, starts=starts, given=Given(moved, plain)))


def helpful(problem: ModelProblem, none: Array, alone: Array) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the variables that help a target when they are moved alone, one of each pair of ends, and the others.

    Parameters
    ----------
    problem
        The problem.
    none, alone
        As in :class:`transport.backcast_search.Screen`.
    """
    gain = alone[:, FIRST_TARGET:] - none[FIRST_TARGET:]
    most = np.maximum(np.abs(gain[alone[:, COST] < IMPOSSIBLE]).max(axis=0, initial=0.0), 1e-12)
    worth = (gain / most).max(axis=1, initial=0.0)
    best: dict[str, int] = {}
    for k, variable in enumerate(problem.variables):
        name = variable.name.rstrip("+-")
        if worth[k] > HELPS and (name not in best or worth[k] > worth[best[name]]):
            best[name] = k
    kept = tuple(sorted(best.values()))
    return kept, tuple(k for k in range(problem.n) if k not in kept)
