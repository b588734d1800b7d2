"""One scenario computed once, and again with some parameter rows moved: only what reads them, the cheapest look first.

Every look compares results with those of the same calculation on the rows as they are, to the last bit. Where a look keeps something of the first
calculation (the freight of the run, the flows of the base year), it sees less than a whole run; what it sees move, moves.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from transport import accounts, simulations, study
from transport.freight import FreightOutcome, freight_outcome
from transport.freight_capacity import frozen_states
from transport.freight_costs import make_costs
from transport.freight_limits import read_limits
from transport.freight_loads import link_frame, terminal_frame, year_load
from transport.freight_model import BaseModel, solve_base, solve_model
from transport.freight_prepare import Prepared, prepare
from transport.freight_year import solve_year
from transport.layout import BASE_YEAR, YEARS, year_index
from transport.params import Params
from transport.scenario import load_scenario
from transport.urban_service import city_fleets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from transport.inputs import Inputs
    from transport.parts import Parts

#: Parameter and subject.
Key = tuple[str, str]
#: Positions of rows of one key in the parameter table; they move together.
Rows = tuple[int, ...]

#: Sub-models of a run by their name in ``transport.study``, and whose results they stand on.
SUB_MODELS: dict[str, tuple[str, ...]] = {
    "model_freight": (),
    "model_passengers": (),
    "model_vehicles": ("model_freight", "model_passengers", "model_travel"),
    "model_infrastructure": (),
    "model_travel": (),
}
#: Fields of the freight outcome that no result table shows.
_NOT_SHOWN = frozenset({"demand"})
#: Rows that move in one run, and the relative difference that is more than rounding.
_BATCH, _ROUNDING = 60, 1e-9
#: Year whose flows by link are looked at where a row names none.
SHOWN_YEAR = 2030


def keys_read(*made: Params) -> set[Key]:
    """Return what was read from any of some parameters."""
    return {(p, s) for params in made for p, s, n in params.reads().iter_rows() if n > 0}


def differs(a: Any, b: Any) -> bool:
    """Return whether two results differ in any bit."""
    if isinstance(a, np.ndarray):
        return not np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, pl.DataFrame):
        return not a.equals(b)
    if isinstance(a, dict):
        return a.keys() != b.keys() or any(differs(a[k], b[k]) for k in a)
    if is_dataclass(a):
        return any(differs(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return bool(a != b)


@dataclass(frozen=True)
class MovedTables:
    """Tables of the inputs with some rows moved, as the freight model reads them."""

    inputs: Inputs
    central: Params
    parameters: pl.DataFrame

    def table(self, name: str) -> pl.DataFrame:
        return self.inputs.table(name)

    def params(self, *, draws: int = 1, seed: int = 0) -> Params:
        assert (draws, seed) == (1, 0)
        return self.central


@dataclass(frozen=True)
class Moved:
    """Parameters with some rows moved, with the levers of the scenario, the tables that hold them, and the year to look at."""

    tables: MovedTables
    params: Params
    year: int = SHOWN_YEAR


# --- tables of a run, the cheapest and the most telling first ------------------------------------------------------------------------


def _books(parts: Parts) -> dict[str, pl.DataFrame]:
    return {
        "energy": study._energy_frame(parts.now.energy, parts.params),
        "co2": accounts.co2_frame(parts.now.energy, parts.now.co2_t),
        "stock": study._stock_frame(parts.now.vehicles),
    }


def _indicators(parts: Parts) -> dict[str, pl.DataFrame]:
    return {"indicators": study.indicator_table(parts)}


def _all(parts: Parts) -> dict[str, pl.DataFrame]:
    # the record of the reads is no result
    return {name: table for name, table in study.tables_of(parts).items() if name != "parameters_used"}


_TABLES: tuple[Callable[[Parts], Mapping[str, pl.DataFrame]], ...] = (_books, _indicators, *study.EXTRA_TABLES, _all)


def _tables(parts: Parts) -> Iterator[dict[str, pl.DataFrame]]:
    for make in _TABLES:
        yield dict(make(parts))


# --- freight ------------------------------------------------------------------------------------------------------------------------


class FreightAgain:
    """The freight of a scenario; the network of one year serves for all."""

    def __init__(self, usual: Callable[[], Moved]) -> None:
        first, then = usual(), usual()
        self.prepared = self.prepare(first)
        self.base = solve_base(then.tables, then.params, prepared=self.prepared)
        self.usual = then
        self.at_fixed = self.fixed(then, self.prepared)
        #: What the demand and the networks are made from, and what is read after them.
        self.before = keys_read(first.tables.central, first.params)
        self.after = keys_read(then.tables.central, then.params)
        self._year = cache(lambda year: self.year(Moved(then.tables, then.params, year)))
        self._whole = cache(lambda: self.whole(then))

    @staticmethod
    def prepare(moved: Moved) -> Prepared:
        return prepare(moved.tables, moved.params, hold_network_after=YEARS[0])

    def _kept(self, moved: Moved, prepared: Prepared) -> BaseModel:
        """Return the base year with its flows and constants as they are, whatever moved."""
        costs, limits = make_costs(moved.params, prepared), read_limits(moved.tables, moved.params, prepared)
        frozen = frozen_states(limits, prepared, self.base.equilibrium)
        return BaseModel(moved.params, prepared, costs, limits, self.base.equilibrium, self.base.constants, frozen)

    def fixed(self, moved: Moved, prepared: Prepared) -> dict[str, Any]:
        """Return the outcome of all years at delays and prices of kept flows of the base year, calibrated anew."""
        kept = self._kept(moved, prepared)
        model = solve_model(moved.tables, moved.params, capacity="fixed", detail=(BASE_YEAR, SHOWN_YEAR), base=kept)
        return _shown(freight_outcome(moved.tables, moved.params, model, response=False))

    def year(self, moved: Moved) -> dict[str, pl.DataFrame]:
        """Return links and terminals of one year in its own equilibrium, which begins with kept flows of the base year."""
        model = solve_year(moved.tables, moved.params, moved.year, base=self._kept(moved, self.prepared), capacity="equilibrium")
        position = year_index(moved.year)
        load = year_load(model, position)
        links = self.prepared.states[self.prepared.state_of_year[position]].links
        terminals = terminal_frame(load, self.prepared, moved.tables.table("networks/terminals"), moved.year)
        return {"freight_links": link_frame(load, links, moved.year)[0], "freight_terminals": terminals}

    def whole(self, moved: Moved) -> dict[str, Any]:
        """Return the outcome with the equilibrium of every year."""
        model = solve_model(moved.tables, moved.params, prepared=self.prepare(moved), detail=(BASE_YEAR, SHOWN_YEAR))
        return _shown(freight_outcome(moved.tables, moved.params, model))

    def looks(self, key: Key, *, whole: bool) -> Iterator[Callable[[Moved], bool]]:
        """Yield the looks at a key, the cheapest first; ``whole`` ends with a whole solution."""
        if key in self.after:
            yield lambda moved: differs(self.at_fixed, self.fixed(moved, self.prepared))
        if key in self.before:
            yield lambda moved: differs(self.at_fixed, self.fixed(moved, self.prepare(moved)))
        if key in self.after:
            yield lambda moved: differs(self._year(moved.year), self.year(moved))
        if whole and key in self.before | self.after:
            yield lambda moved: differs(self._whole(), self.whole(moved))


def _shown(outcome: FreightOutcome) -> dict[str, Any]:
    return {f.name: getattr(outcome, f.name) for f in fields(FreightOutcome) if f.name not in _NOT_SHOWN}


# --- the scenario -------------------------------------------------------------------------------------------------------------------


class OneAtATime:
    """One scenario, ready to be looked at again with rows moved."""

    def __init__(self, inputs: Inputs, name: str, levers_at: dict[str, float] | None = None) -> None:
        self.inputs = inputs
        chosen: dict[str, Any] = {"extra": levers_at or {}, "simulate": "none", "capacity": "fixed"}
        self.scenario = load_scenario(name, inputs.folder, inputs.levers, **chosen)
        levers = {lever.lever: lever for lever in inputs.levers}
        self.settings = [(levers[lever], value) for lever, value in self.scenario.settings.items()]
        self.rows = inputs.parameters.with_row_index("row")
        self.of_key = self.rows.partition_by("parameter", "subject", as_dict=True)
        self.central = Params.from_frame(inputs.parameters)
        self.reads: dict[str, set[Key]] = {}
        #: Outcomes of the sub-models in the order of the calls of a run.
        self.base: dict[str, list[Any]] = {name: [] for name in SUB_MODELS}
        params = self.usual().params
        parts = self._parts(params, {name: self._recorded(name) for name in SUB_MODELS})
        self.tables = list(_tables(parts))
        self.fleets = city_fleets(parts.vehicles, parts.urban, study.SIMULATED_YEAR)
        self.reads["study"] = keys_read(params)

    def usual(self) -> Moved:
        """Return the parameters as they are, with records of their own."""
        central, params = (Params.from_frame(self.inputs.parameters) for _ in range(2))
        return Moved(MovedTables(self.inputs, central, self.inputs.parameters), params.with_levers(self.settings))

    def ends(self, rows: Rows) -> Iterator[Moved]:
        """Yield the parameters with rows at their upper and at their lower end, without a range with ten percent more."""
        value, at, key = pl.col("value"), pl.col("row").is_in(rows), self.key(rows)
        own = self.of_key[key]
        ends = [pl.coalesce("high", value), pl.coalesce("low", value)]
        if own.filter(at, pl.col("low") < pl.col("high")).is_empty():
            ends = [pl.when(value == 0).then(0.1).otherwise(1.1 * value)]
        year = self.told(rows)[2]
        for end in ends:
            moved = pl.when(at).then(end).otherwise(value)
            array = Params.from_frame(own.with_columns(value=moved)).get(*key)
            if np.array_equal(array, self.central.get(*key)):
                continue
            central = self.central.replace(*key, array)
            tables = MovedTables(self.inputs, central, self.rows.with_columns(value=moved).drop("row"))
            yield Moved(tables, central.with_levers(self.settings), year if year in YEARS else SHOWN_YEAR)

    def key(self, rows: Rows) -> Key:
        parameter, subject, _ = self.told(rows)
        return parameter, subject

    def told(self, rows: Rows) -> tuple[str, str, int | None]:
        """Return what a finding names: parameter, subject and, of a single row, its year."""
        parameter, subject, year = self.rows.select("parameter", "subject", "year").row(rows[0])
        return parameter, subject, year if len(rows) == 1 else None

    def moves(self, rows: Rows, *, whole: bool = False) -> bool:
        """Return whether any look sees rows move a result; ``whole`` solves all freight anew where no cheaper look does."""
        looks = list(self.looks(self.key(rows), whole=whole))
        return any(_sees(look, moved) for moved in self.ends(rows) for look in looks)

    def looks(self, key: Key, *, whole: bool = False) -> Iterator[Callable[[Moved], bool]]:
        """Yield the looks at a key, the cheapest first."""
        stale = {name for name in SUB_MODELS if key in self.reads[name]} - {"model_freight"}
        if stale or key in self.reads["study"]:
            stale |= {name for name, parts in SUB_MODELS.items() if stale & set(parts)}
            yield lambda moved: self._tables_differ(moved, stale)
        for name in self.simulated:
            if key in self.reads[name]:
                yield lambda moved, name=name: differs(self.simulated[name], self._simulate(name, moved.params))  # type: ignore[misc]
        if key in self.freight.before | self.freight.after | self.reads["model_freight"]:
            yield from self.freight.looks(key, whole=whole)

    @cached_property
    def freight(self) -> FreightAgain:
        """Return the freight, made when it is first asked for."""
        return FreightAgain(self.usual)

    # --- many rows in one run, each in a draw of its own ---------------------------------------------------------------------------

    def seen_together(self, rows: Sequence[Rows]) -> set[Rows]:
        """Return the rows that are seen to move energy, carbon, turnover or an indicator by more than rounding, the freight as it is."""
        seen: set[Rows] = set()
        beside = set().union(*(found for name, found in self.reads.items() if name in SUB_MODELS or name == "study"))
        waiting = [row for row in rows if self.key(row) in beside]
        batches = [waiting[i : i + _BATCH] for i in range(0, len(waiting), _BATCH)]
        while batches:
            batch = batches.pop()
            try:
                seen |= self._seen(batch)
            except ValueError:  # one of them is refused: look for it in halves
                half = len(batch) // 2
                batches += [part for part in (batch[:half], batch[half:]) if part and half]
        return seen

    def _seen(self, batch: Sequence[Rows]) -> set[Rows]:
        draws = len(batch) + 2  # nothing moves in the first and in the last
        none = pl.lit(None, dtype=pl.Float64)
        params = Params.from_frame(self.inputs.parameters.with_columns(low=none, high=none), draws=draws)
        arrays: dict[Key, NDArray[np.float64]] = {}
        for draw, rows in enumerate(batch, start=1):
            key = self.key(rows)
            for moved in self.ends(rows):
                arrays.setdefault(key, params.get(*key).copy())[draw] = moved.tables.central.get(*key)[0]
                break  # the upper end, else the lower one
        for key, array in arrays.items():
            params = params.replace(*key, array)
        freight = _repeated(self.base["model_freight"][0], draws)
        parts = self._parts(params.with_levers(self.settings), {"model_freight": lambda *_, **__: freight})
        moves = np.zeros(draws, dtype=np.bool_)
        for result in _by_draw(parts):
            if len(result) == draws:
                flat = np.nan_to_num(result.reshape(draws, -1))
                moves |= (np.abs(flat - flat[:1]) > _ROUNDING * np.abs(flat[:1])).any(axis=1)
        assert not moves[-1], "a draw in which nothing moved is the first one again"
        return {rows for rows, seen in zip(batch, moves[1:-1], strict=True) if seen}

    # --- tables of the run --------------------------------------------------------------------------------------------------------

    def _parts(self, params: Params, replaced: Mapping[str, Callable[..., Any]]) -> Parts:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(study, "scenario_params", lambda *_: params)
            for name, function in replaced.items():
                patch.setattr(study, name, function)
            return study.model_parts(self.scenario, self.inputs)

    def _recorded(self, name: str) -> Callable[..., Any]:
        """Return a sub-model that keeps its outcome and the keys it read."""
        real = getattr(study, name)

        def call(*args: Any, **options: Any) -> Any:
            mine = self.usual().params
            self.base[name].append(real(*(mine if isinstance(a, Params) else a for a in args), **options))
            self.reads[name] = self.reads.get(name, set()) | keys_read(mine)
            return self.base[name][-1]

        return call

    def _tables_differ(self, moved: Moved, stale: set[str]) -> bool:
        """Look at the tables of the run, with the freight as it is."""

        def kept(name: str) -> Callable[..., Any]:
            outcomes = iter(self.base[name])
            return lambda *_, **__: next(outcomes)

        parts = self._parts(moved.params, {name: kept(name) for name in SUB_MODELS if name not in stale})
        return any(differs(before, after) for before, after in zip(self.tables, _tables(parts), strict=True))

    # --- representative weeks -----------------------------------------------------------------------------------------------------

    @cached_property
    def simulated(self) -> dict[str, dict[str, pl.DataFrame]]:
        """Return the representative weeks by system; what each reads is recorded by its name."""
        found = {}
        for name, *_ in simulations.SAMPLE:
            params = self.usual().params
            found[name] = self._simulate(name, params)
            self.reads[name] = keys_read(params)
        return found

    def _simulate(self, system: str, params: Params) -> dict[str, pl.DataFrame]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(simulations, "SAMPLE", tuple(s for s in simulations.SAMPLE if s[0] == system))
            seed = self.scenario.seed
            found = simulations.simulate_weeks(
                self.inputs, params, self.fleets, year=study.SIMULATED_YEAR, seed=seed, level="sample"
            )
        return {"simulation": found.summary, "simulation_load": found.load_profile, "checks": found.checks}


def _repeated(outcome: FreightOutcome, draws: int) -> FreightOutcome:
    """Return a freight outcome of one draw with its arrays repeated."""

    def repeated(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: repeated(item) for name, item in value.items()}
        by_draw = isinstance(value, np.ndarray) and value.ndim > 1 and len(value) == 1
        return np.repeat(value, draws, axis=0) if by_draw else value

    return replace(outcome, **{f.name: repeated(getattr(outcome, f.name)) for f in fields(FreightOutcome)})


def _by_draw(parts: Parts) -> list[NDArray[np.float64]]:
    """Return energy, carbon, turnover and the series of the indicators ``[draw, ...]``."""
    made = [series.values for series in study.all_series(parts)]
    for books in (parts.now, parts.before):
        made += [np.moveaxis(books.energy.quantity, 1, 0), np.moveaxis(books.co2_t, 2, 0)]
        made += [np.moveaxis(books.turnover.tkm, 1, 0), np.moveaxis(books.converted_tkm, 1, 0)]
    return made


def _sees(look: Callable[[Moved], bool], moved: Moved) -> bool:
    try:
        return look(moved)
    except ValueError:  # shares of several rows may only move together; the other end or another look may do
        return False
