"""A backcast from the question to its folder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from transport import __version__
from transport.backcast import NO_HELP, RANGE, asked_targets, space_of, target_cities
from transport.backcast_problem import Draws, ModelProblem, base_series, helpful
from transport.backcast_search import COST, Screen, screen
from transport.backcast_solve import Effort, solve
from transport.backcast_tables import BASE, KIND, Made, frames, read_backcast, write_backcast
from transport.cluster import ClusterError
from transport.ensemble import prepared
from transport.freight_start import FreightStarts
from transport.store import StoreError, editors_only, runs_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transport.backcast import Space
    from transport.backcast_solve import Tell
    from transport.backcast_tables import Backcast
    from transport.inputs import Inputs
    from transport.scenario import Scenario


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes
    ----------
    targets
        As in :func:`transport.backcast.asked_targets`.
    probability
        With which all targets are to be met.
    draws
        Draws that it is found from; 0 = central values only.
    bounds
        Scenario whose values are the plausible ends; None = the ends of the ranges of the levers.
    levers
        Levers to use; empty = those of the bounds.
    with_prices
        Whether levers that only move money between payers may be used.
    equilibrium
        Whether the answer is run with capacity in equilibrium.
    """

    targets: tuple[str, ...]
    probability: float
    draws: int
    bounds: Scenario | None
    levers: tuple[str, ...] = ()
    with_prices: bool = True
    equilibrium: bool = True


def backcast_id(scenario: Scenario, inputs: Inputs, question: Question, effort: Effort) -> str:
    """Return the identifier of a backcast: first 12 hex of sha256(scenario, data, version, question, effort but for the processes).

    Parameters
    ----------
    scenario, inputs
        Scenario and data.
    question, effort
        What is asked, and how hard is searched.
    """
    bounds = RANGE if question.bounds is None else question.bounds.scenario_hash()
    asked = (question.targets, question.probability, question.draws, bounds, question.levers, question.with_prices)
    work = (effort.population, effort.generations, effort.iterations, effort.points, effort.seed, question.equilibrium)
    text = f"{prepared(scenario).scenario_hash()}:{inputs.data_hash}:{__version__}:{asked}:{work}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def run_backcast(
    scenario: Scenario,
    inputs: Inputs,
    question: Question,
    effort: Effort,
    *,
    folder: Path | None = None,
    tell: Tell | None = None,
) -> Backcast:
    """Search for the cheapest package and write what was found.

    Parameters
    ----------
    scenario
        What packages are put on.
    inputs
        Checked data.
    question, effort
        What is asked, and how hard is searched.
    folder
        Where it is kept; ``runs/backcast-<id>`` by default. The same backcast is read back, not worked out again.
    tell
        Called as the work goes on.

    Returns
    -------
    Backcast
        With the tables of :data:`transport.backcast_tables.TABLES`.

    Raises
    ------
    transport.backcast.BackcastError
        If the question cannot be asked.
    StoreError
        If the folder holds something else.
    transport.cluster.ClusterError
        If the work is to be done on a cluster that has not the table of the scenario's simulated weeks.
    """
    name = backcast_id(scenario, inputs, question, effort)
    where = (folder or runs_folder() / f"{KIND}-{name}").absolute()
    there = _there(where, name)
    if there is not None:
        return there
    if effort.scheduler is not None and scenario.feedback:
        raise ClusterError(key="cluster.feedback", case=scenario.name, table=scenario.feedback)
    made = _made(scenario, inputs, question, effort, tell)
    tables = frames(made)
    manifest = _manifest(name, scenario, inputs, question, effort, made)
    return write_backcast(where, manifest, tables)


def _made(scenario: Scenario, inputs: Inputs, question: Question, effort: Effort, tell: Tell | None) -> Made:
    starts = FreightStarts()
    bare = prepared(scenario)
    if tell is not None:
        tell("screen", 0, 1)
    # what names no target needs no run
    asked_targets(question.targets, inputs, [t.area for t in inputs.targets])
    asked = asked_targets(question.targets, inputs, target_cities(base_series(bare, inputs, starts)))
    space = space_of(bare, inputs, asked, bounds=question.bounds, chosen=question.levers, with_prices=question.with_prices)
    draws = Draws(question.draws, effort.seed, effort.workers, effort.scheduler)
    whole = ModelProblem(bare, inputs, starts, space.variables, asked, space.year, draws, question.equilibrium)
    shown = screen(whole.evaluate, whole.n)
    kept, others = helpful(whole, shown.none, shown.alone)
    if not kept:  # nothing helps: the answer says so, with one lever at hand and no wide search
        kept, effort = tuple(range(min(whole.n, 1))), replace(effort, generations=0, points=0)
    problem = whole.only(kept)
    space = _without(space, whole, problem, others)
    every = problem.evaluate(np.ones((1, problem.n)))[0]
    answer = solve(problem, effort, question.probability, shown=Screen(shown.none, every, shown.alone[list(kept)]), tell=tell)
    levels = answer.best.levels * (1.0 - np.eye(problem.n))
    return Made(problem, space, answer, problem.evaluate(levels)[:, COST])


def _without(space: Space, whole: ModelProblem, problem: ModelProblem, others: Sequence[int]) -> Space:
    """Return the space with the variables that are left, the others among those that are left out."""
    used = {span.lever for v in problem.variables for span in v.spans}
    idle = {
        (span.lever, v.measure, v.basis, NO_HELP)
        for v in (whole.variables[k] for k in others)
        for span in v.spans
        if span.lever not in used
    }
    return replace(space, variables=problem.variables, left_out=tuple(sorted({*space.left_out, *idle})))


def _manifest(name: str, scenario: Scenario, inputs: Inputs, question: Question, effort: Effort, made: Made) -> dict[str, Any]:
    answer, drawn = made.answer, made.answer.drawn
    none, best = answer.shown.none, answer.best.outcome
    chance, error = drawn.chance() if drawn is not None else (None, None)
    balanced = drawn.after(np.asarray(answer.lost)).chance()[0] if drawn is not None and answer.checked else None
    return {
        KIND: name,
        "scenario": scenario.name,
        "title_zh": scenario.title_zh,
        "title_en": scenario.title_en or scenario.name,
        "bounds": RANGE if question.bounds is None else question.bounds.name,
        "bounds_zh": "" if question.bounds is None else question.bounds.title_zh,
        "bounds_en": "" if question.bounds is None else question.bounds.title_en or question.bounds.name,
        "asked": list(question.targets),
        "year": made.space.year,
        "first_year": made.space.first_year,
        "probability": question.probability,
        "draws": question.draws,
        "seed": effort.seed,
        "population": effort.population,
        "generations": effort.generations,
        "status": answer.status,
        "targets": [
            {"id": a.id, "area": a.area, "year": a.year, "value": a.value, "direction": a.direction, "unit": a.unit}
            for a in made.problem.asked
        ],
        "levers": [v.name for v in made.problem.variables],
        "evaluations": answer.evaluations,
        "cost_cny2023": float(best[COST] - none[COST]),
        "co2_t": float(best[1]),
        "co2_change_t": float(best[1] - none[1]),
        "reached_probability": chance,
        "standard_error": error,
        "probability_in_equilibrium": balanced,
        "blocked_by_capacity": answer.blocked,
        "lost_to_capacity": list(answer.lost),
        "capacity": "equilibrium" if answer.checked else "not_checked",
        "settings": made.problem.settings(answer.best.levels),
        "base_package": BASE,
        "resolved": prepared(scenario).resolved(),
        "data_hash": inputs.data_hash,
        "version": __version__,
    }


def _there(folder: Path, name: str) -> Backcast | None:
    """Return the backcast that a folder holds already; refuse, before anything is computed, a folder that holds something else.

    Raises
    ------
    StoreError
        If it is a file, or holds something else or another backcast.
    transport.roles.RoleError
        If nothing is there yet, it lies in the runs folder and a viewer asks.
    """
    if folder.is_file():
        msg = f"{folder} is a file; choose another place"
        raise StoreError(msg)
    if folder.is_dir() and any(folder.iterdir()):
        found = read_backcast(folder)
        if found.manifest[KIND] != name:
            msg = f"{folder} holds another backcast ({found.manifest[KIND]}, not {name}); choose another place"
            raise StoreError(msg)
        return found
    editors_only(folder)
    return None


def settings_text(found: Backcast) -> str:
    """Return the package as the ``[set]`` section of a scenario file.

    Parameters
    ----------
    found
        A backcast.
    """
    rows = found.table("levers").filter(package="best").sort("lever")
    lines = [
        f"{row['lever']} = {{ {', '.join(f'{year} = {value:g}' for year, value in json.loads(row['path']).items())} }}"
        for row in rows.iter_rows(named=True)
        if row["level"] > 0.0
    ]
    return "\n".join(["[set]", *lines])
