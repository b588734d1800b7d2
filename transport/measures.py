"""What each measure of a scenario does to CO2, to the headline and to cost: alone, put in first, taken out last, and as its fair share.

A measure is a group of levers (table ``accounts/measures``; cleaner sales by vehicle class). Every package is a case of :mod:`transport.cases`:
central values, freight delays and prices of the base year. Measures help or hinder each other, so that what they do alone does not sum to the
whole; Shapley shares do, exactly, over however many orders they are averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport import pool, shapley
from transport.accounts import readings
from transport.cases import chunks, given_of, run_chunk
from transport.cluster import ClusterError
from transport.freight_start import FreightStarts
from transport.i18n import labels
from transport.layout import BASE_YEAR, YEARS, year_index
from transport.measure_costs import SCOPE
from transport.params import seed_for, split_setting
from transport.parts import boundaries
from transport.system_cost import system_costs, total_cost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from transport.cases import Chunk
    from transport.inputs import Inputs
    from transport.params import LeverValue
    from transport.parts import Parts
    from transport.scenario import Scenario

    Array = NDArray[np.float64]
    Settings = Mapping[str, LeverValue]
    Package = frozenset[str]

#: What is told of every package: CO2 of all transport with electricity [t/yr], headline [%], cost of the system [CNY/yr].
QUANTITIES: tuple[str, ...] = ("co2_t", "headline_pct", "cost_cny2023")
_CO2, _HEADLINE, _COST = range(3)
_HEADLINE_ID = "operating_co2_intensity"
#: Measure whose levers are told apart by vehicle class.
_BY_CLASS = "clean_sales"
_UNNAMED = "other"
#: Bases of a measure whose cost some row knows.
_COSTED = frozenset({"rows", "price"})
#: CO2 below this is rounding, and no cost is divided by it [t/yr].
_LEAST_T = 1.0


@dataclass(frozen=True)
class Measure:
    """A group of levers of a scenario.

    Attributes
    ----------
    name
        Code of the table ``accounts/measures``, with the vehicle class after a colon for cleaner sales.
    settings
        Lever -> value.
    has_cost
        Whether rows know what it costs; if not, its cost holds only what it saves or causes elsewhere.
    ended
        Levers of the base that the scenario does without.
    """

    name: str
    settings: Settings
    has_cost: bool
    ended: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcomes:
    """What packages of measures come to.

    Attributes
    ----------
    measures
        The measures, sorted by name.
    base
        Levers of the scenario that every package has (those of the scenario it builds on).
    orders
        Orders of the measures that the Shapley shares are averaged over.
    known
        Package -> ``[quantity, year]``; ``nothing`` stands for the rows without any lever.
    alone
        Measure -> ``[quantity, year]`` of that measure on the rows, without the levers of the base.
    nothing
        ``[quantity, year]`` of the rows without any lever.
    """

    measures: tuple[Measure, ...]
    base: Settings
    orders: tuple[tuple[str, ...], ...]
    known: Mapping[Package, Array]
    alone: Mapping[str, Array]
    nothing: Array


def measures_of(scenario: Scenario, inputs: Inputs, base: Settings) -> tuple[Measure, ...]:
    """Return the measures of a scenario beside a base, sorted by name.

    Parameters
    ----------
    scenario
        A resolved scenario.
    inputs
        Tables ``levers`` and ``accounts/measures``.
    base
        Levers of the scenario that it builds on; those with the same value in both belong to no measure, those that only the base sets are ended
        by one, so that all measures together are the scenario.
    """
    named = {
        (p, s): (m, basis)
        for m, p, s, basis in inputs.table("accounts/measures").select("measure", "parameter", "subject", "basis").iter_rows()
    }
    rows = {lever.lever: lever for lever in inputs.levers}
    found: dict[str, dict[str, LeverValue]] = {}
    ended: dict[str, list[str]] = {}
    costed: dict[str, bool] = {}
    for name in (*scenario.settings, *(lever for lever in base if lever not in scenario.settings)):
        if name in base and name in scenario.settings and base[name] == scenario.settings[name]:
            continue
        lever = rows[split_setting(name)[0]]
        measure, basis = named.get((lever.parameter, lever.subject), named.get((lever.parameter, "*"), (_UNNAMED, "")))
        code = f"{measure}:{lever.subject.partition(':')[0]}" if measure == _BY_CLASS else measure
        if name in scenario.settings:
            found.setdefault(code, {})[name] = scenario.settings[name]
        else:
            ended.setdefault(code, []).append(name)
        costed[code] = costed.get(code, True) and basis in _COSTED
    return tuple(Measure(code, found.get(code, {}), costed[code], tuple(ended.get(code, ()))) for code in sorted(costed))


def work_out(
    scenario: Scenario,
    inputs: Inputs,
    *,
    base: Settings,
    pairs: int,
    interactions: bool = True,
    workers: int | None = None,
    done: Callable[[int, int], None] | None = None,
    scheduler: str | None = None,
) -> Outcomes:
    """Work out all packages that the tables of measures need.

    Parameters
    ----------
    scenario
        A resolved scenario.
    inputs
        Checked data.
    base
        Levers of the scenario that it builds on, empty = none.
    pairs
        Pairs of a random order and its reverse for the Shapley shares; the scenario's seed draws them.
    interactions
        Whether to work out pairs of measures too.
    workers, scheduler
        As in :func:`transport.pool.map`.
    done
        Called with the chunks that are done and their number.

    Raises
    ------
    ValueError
        If the scenario has no measure beside its base.
    """
    measures = measures_of(scenario, inputs, base)
    if not measures:
        msg = f"scenario {scenario.name} sets no lever beside its base; there is no measure to tell apart"
        raise ValueError(msg)
    names = tuple(m.name for m in measures)
    orders = shapley.random_orders(names, pairs, np.random.default_rng(seed_for(scenario.seed, "measures")))
    packages = tuple(dict.fromkeys([*shapley.prefixes(orders), *_singles(names), *(_pairs(names) if interactions else ())]))
    settings = [_joined(base, (m for m in measures if m.name in package)) for package in packages]
    bare: list[Settings] = [{}, *(m.settings for m in measures)] if base else []
    found = values_of_cases(scenario, inputs, [*settings, *bare], workers=workers, done=done, scheduler=scheduler)
    known = dict(zip(packages, found, strict=False))
    beside = found[len(packages) :]
    alone = dict(zip(names, beside[1:], strict=True)) if base else {name: known[frozenset([name])] for name in names}
    return Outcomes(measures, dict(base), orders, known, alone, beside[0] if base else known[frozenset()])


def values_of_cases(
    scenario: Scenario,
    inputs: Inputs,
    settings: Sequence[Settings],
    *,
    workers: int | None = None,
    done: Callable[[int, int], None] | None = None,
    scheduler: str | None = None,
) -> list[Array]:
    """Return what cases come to, ``[quantity, year]`` each, in their order.

    Parameters
    ----------
    scenario, inputs
        As in :func:`transport.cases.chunks`.
    settings
        Levers of each case.
    workers, done, scheduler
        As in :func:`work_out`.
    """
    if scheduler is not None and scenario.feedback:
        raise ClusterError(key="cluster.feedback", case=scenario.name, table=scenario.feedback)
    parted = chunks(scenario, inputs, settings)
    starts = FreightStarts()
    tell = None if done is None else lambda k: done(k, len(parted))
    made = pool.map(
        _chunk_values,
        [(chunk, inputs, starts) for chunk in parted],
        workers=workers,
        done=tell,
        scheduler=scheduler,
        shared=(inputs, starts),
    )
    found: dict[int, Array] = {}
    for chunk, values in zip(parted, made, strict=True):
        found |= {k: values[:, i] for i, k in enumerate(chunk.positions)}
    return [found[k] for k in range(len(settings))]


def _chunk_values(task: tuple[Chunk, Inputs, FreightStarts]) -> Array:
    """Return ``[quantity, case, year]`` of a chunk."""
    chunk, inputs, starts = task
    given = given_of(chunk, inputs)
    parts = run_chunk(chunk, inputs, starts=starts, given=given)
    cost = total_cost(system_costs(parts, given.plain))
    return np.stack([parts.now.co2_t[SCOPE].sum(axis=0), headline(parts), cost])


def headline(parts: Parts) -> Array:
    """Return the headline reading of the operating CO2 intensity ``[case, year]`` [% against its base]."""
    row = parts.inputs.table("indicators").filter(pl.col("id") == _HEADLINE_ID).row(0, named=True)
    matrix = readings(parts.now.book, parts.before.book, {row["boundary"]: boundaries(parts.inputs)[row["boundary"]]})
    return next(r.change_pct for r in matrix if (r.scope, r.base) == (row["scope"], row["base"]))


def measure_table(outcomes: Outcomes, years: Iterable[int]) -> pl.DataFrame:
    """Return what each measure does, in four ways, by year.

    Parameters
    ----------
    outcomes
        From :func:`work_out`.
    years
        After the base year.

    Returns
    -------
    DataFrame
        Columns year, measure, levers (with a minus those of the base that it ends), has_cost, then for each of co2_t, headline_pct and cost_cny2023 (change by the measure; less CO2 is negative):
        ``alone_`` (on the rows, no other lever), ``first_`` (on the base of the scenario), ``last_`` (scenario less the scenario without it), ``share_``
        (Shapley) and ``error_`` (its standard error); cny2023_per_tco2 of the shares (null where rows know no cost or nothing is avoided).

    Notes
    -----
    The shares of all measures sum exactly to the scenario less its base.
    """
    known, names = outcomes.known, [m.name for m in outcomes.measures]
    none, whole = frozenset[str](), frozenset(names)
    shares = shapley.mean_over_orders(known, outcomes.orders)
    rows = []
    for year in years:
        at = year_index(year)
        for measure in outcomes.measures:
            name = measure.name
            ways = {
                "alone": outcomes.alone[name] - outcomes.nothing,
                "first": known[frozenset([name])] - known[none],
                "last": known[whole] - known[whole - {name}],
                "share": shares.value[name],
                "error": shares.error[name],
            }
            levers = ", ".join([*measure.settings, *(f"-{lever}" for lever in measure.ended)])
            row = {"year": year, "measure": name, "levers": levers, "has_cost": measure.has_cost}
            for q, quantity in enumerate(QUANTITIES):
                row |= {f"{way}_{quantity}": float(values[q, at]) for way, values in ways.items()}
            avoided = -ways["share"][_CO2, at]
            priced = measure.has_cost and avoided > _LEAST_T
            rows.append({**row, "cny2023_per_tco2": float(ways["share"][_COST, at] / avoided) if priced else None})
    return pl.DataFrame(rows, schema_overrides={"cny2023_per_tco2": pl.Float64})


def abatement_curve(table: pl.DataFrame) -> pl.DataFrame:
    """Return the marginal abatement cost curve by year: measures by cost per tonne, from the Shapley shares, so that nothing counts twice.

    Parameters
    ----------
    table
        From :func:`measure_table`.

    Returns
    -------
    DataFrame
        Columns year, rank, measure, avoided_tco2, from_tco2, to_tco2 (place on the axis), cny2023_per_tco2, has_cost. Measures without a known cost come
        last, without a price; those that avoid nothing have rank null and stand apart from the axis.
    """
    avoided = -pl.col("share_co2_t")
    counts = avoided > _LEAST_T
    ranked = table.with_columns(avoided_tco2=avoided, counts=counts).sort(
        "year", pl.col("counts").not_(), pl.col("cny2023_per_tco2"), "measure", nulls_last=True
    )
    running = pl.when("counts").then("avoided_tco2").otherwise(0.0).cum_sum().over("year")
    return ranked.with_columns(
        rank=pl.when("counts").then(pl.col("counts").cast(pl.Int64).cum_sum().over("year")),
        to_tco2=pl.when("counts").then(running),
    ).select(
        "year",
        "rank",
        "measure",
        "avoided_tco2",
        (pl.col("to_tco2") - pl.col("avoided_tco2")).alias("from_tco2"),
        "to_tco2",
        "cny2023_per_tco2",
        "has_cost",
    )


def interaction_table(outcomes: Outcomes, years: Iterable[int]) -> pl.DataFrame:
    """Return by how much two measures together do more or less than the sum of each.

    Parameters
    ----------
    outcomes
        From :func:`work_out` with interactions.
    years
        After the base year.

    Returns
    -------
    DataFrame
        Columns year, measure, other, first_co2_t (on the base: ``v(ab) - v(a) - v(b) + v(none)``), last_co2_t (within the scenario: ``v(all) - v(all less a)
        - v(all less b) + v(all less both)``), and the same of headline_pct and cost_cny2023. With less CO2 as the aim a positive number means that
        they hinder each other.
    """
    known, names = outcomes.known, [m.name for m in outcomes.measures]
    none, whole = frozenset[str](), frozenset(names)
    rows = []
    for year in years:
        at = year_index(year)
        for a, b in combinations(names, 2):
            first = known[frozenset([a, b])] - known[frozenset([a])] - known[frozenset([b])] + known[none]
            last = known[whole] - known[whole - {a}] - known[whole - {b}] + known[whole - {a, b}]
            row: dict[str, object] = {"year": year, "measure": a, "other": b}
            for q, quantity in enumerate(QUANTITIES):
                row |= {f"first_{quantity}": float(first[q, at]), f"last_{quantity}": float(last[q, at])}
            rows.append(row)
    values = {f"{way}_{quantity}": pl.Float64 for quantity in QUANTITIES for way in ("first", "last")}
    return pl.DataFrame(rows, schema={"year": pl.Int64, "measure": pl.String, "other": pl.String, **values})


def measure_names(inputs: Inputs, lang: str) -> dict[str, str]:
    """Return code -> label of every measure, cleaner sales by vehicle class.

    Parameters
    ----------
    inputs
        For the labels.
    lang
        Language.
    """
    names, classes = labels(inputs, "measure", lang), labels(inputs, "vehicle_class", lang)
    made = dict(names)
    made |= {f"{code}:{name}": f"{names[code]}: {label}" for code in (_BY_CLASS,) for name, label in classes.items()}
    return made


def shown_years(last: int = YEARS[-1]) -> tuple[int, ...]:
    """Return the years of the tables: every fifth after the base year."""
    return tuple(range(BASE_YEAR + 5, last + 1, 5))


def _singles(names: Sequence[str]) -> list[Package]:
    """Return the packages of one measure, and of all but one."""
    whole = frozenset(names)
    return [frozenset(), whole, *(frozenset([n]) for n in names), *(whole - {n} for n in names)]


def _pairs(names: Sequence[str]) -> list[Package]:
    """Return the packages of two measures, and of all but two."""
    whole = frozenset(names)
    pairs = [frozenset(pair) for pair in combinations(names, 2)]
    return [*pairs, *(whole - pair for pair in pairs)]


def _joined(base: Settings, measures: Iterable[Measure]) -> dict[str, LeverValue]:
    """Return the levers of a base with some measures."""
    made = dict(base)
    for measure in measures:
        made |= measure.settings
        for lever in measure.ended:
            del made[lever]
    return made
