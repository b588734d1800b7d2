"""Backcast: levers, bounds and targets as a problem that can be searched for the cheapest package.

A variable is one lever, or levers that make one measure only together. Level 0 is what the scenario has, level 1 the end of the plausible range;
levers act from the year of the data on and have their whole effect from the year of the targets on. A lever whose cost no row knows is never
free: it stays where the scenario has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from transport.cases import FIRST_DRAW
from transport.city_mix import PRICE, ROWS, lever_bases
from transport.layout import BASE_YEAR, YEARS, year_index
from transport.params import lever_path, split_setting
from transport.targets import CITY_TARGET, with_cities

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from transport.indicators import Series
    from transport.inputs import Inputs, Target
    from transport.params import Lever, LeverValue
    from transport.scenario import Scenario

    Array = NDArray[np.float64]

#: Bounds that are the ends of the range of each lever's row.
RANGE = "range"
#: Year of the goal where all targets are past.
_LATER = 2030
#: Measures whose levers do nothing apart: sales of a class and what they are made of; sockets, ships and use of shore power.
_TOGETHER = frozenset({"clean_sales", "shore_power"})
_BY_CLASS = "clean_sales"
#: Why a lever is left out: its cost; it would need networks of its own in every package; it helps no target.
NO_COST, NETWORKS, NO_HELP = "no_cost", "networks", "no_help"
QUOTA = "port_clean_quota"
#: Id of the series of the cities that have the green travel target.
_BREAK_EVEN = "green_travel_break_even_base"
#: How far a peak that never comes is from its target [yr].
NEVER = 30.0
_POINTS, _YEAR = "percent", "year"
#: Step of the price of a target: percentage points, or part of its value; a year where it is one.
_POINT_STEP, _PART_STEP = 0.25, 0.01
READING = ("scope", "boundary", "base", "variant")


class BackcastError(ValueError):
    """Exception for a question that cannot be asked.

    Parameters
    ----------
    key
        Key of the text that says why, below ``backcast.``.
    **values
        Its placeholders.
    """

    def __init__(self, *, key: str, **values: object) -> None:
        self.key, self.values = f"backcast.{key}", values
        super().__init__(f"{self.key} {values}")


@dataclass(frozen=True)
class Asked:
    """One target of the question.

    Attributes
    ----------
    id, area, year
        Indicator, place, year.
    value, tolerance
        In ``unit``.
    unit, direction
        Of the target.
    reading
        Scope, boundary, base and variant of the headline.
    """

    id: str
    area: str
    year: int
    value: float
    tolerance: float
    unit: str
    direction: str
    reading: tuple[str, ...]

    @property
    def sign(self) -> float:
        """1 where more is better, else -1."""
        return 1.0 if self.direction == "at_least" else -1.0

    @property
    def step(self) -> float:
        """Step of its price at the margin, in its unit."""
        if self.unit == _YEAR:
            return 1.0
        return _POINT_STEP if self.unit.startswith(_POINTS) else max(_PART_STEP * abs(self.value), 1.0)

    def is_of(self, series: Series) -> bool:
        """Return whether a series is what the target is measured by."""
        reading = (series.scope, series.boundary, series.base, series.variant)
        return (series.id, series.area) == (self.id, self.area) and reading == self.reading

    def ahead(self, values: Array) -> Array:
        """Return by how much values are ahead of the target; one that does not exist is far behind."""
        return np.asarray(np.nan_to_num(self.sign * (values - self.value), nan=-NEVER))

    def value_of(self, ahead: float) -> float | None:
        """Return the value that is ahead by so much; None where it does not exist."""
        return None if ahead == -NEVER else self.value + self.sign * ahead


@dataclass(frozen=True)
class Span:
    """A lever and its way from the scenario to its bound.

    Attributes
    ----------
    lever, unit
        Lever of the data.
    base, bound
        Values at level 0 and 1 by year of the model ``(year,)``.
    """

    lever: str
    unit: str
    base: tuple[float, ...]
    bound: tuple[float, ...]


@dataclass(frozen=True)
class Variable:
    """One level of the search.

    Attributes
    ----------
    name
        Lever, or measure (with the vehicle class after a colon for cleaner sales).
    measure
        Code of the table ``accounts/measures``, as in ``name`` by class.
    basis
        ``rows`` or ``price``: what its cost stands on.
    source
        Where its bound comes from: the name of a scenario, or :data:`RANGE`.
    spans
        Its levers.
    """

    name: str
    measure: str
    basis: str
    source: str
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Space:
    """The variables of a backcast and what is left out.

    Attributes
    ----------
    variables
        Sorted by name.
    left_out
        (lever, measure, basis, reason), sorted.
    first_year, year
        Levers act from the first on and have their whole effect from the second on.
    """

    variables: tuple[Variable, ...]
    left_out: tuple[tuple[str, str, str, str], ...]
    first_year: int
    year: int


def asked_targets(texts: Iterable[str], inputs: Inputs, cities: Collection[str]) -> tuple[Asked, ...]:
    """Return the targets that a question names.

    Parameters
    ----------
    texts
        ``ID``, ``ID@YEAR``, ``ID=VALUE`` or ``ID@YEAR=VALUE``; where the plan gives a direction and no number, with a value only.
    inputs
        Targets and headline readings.
    cities
        Areas that have the green travel target; it is asked for all of them.

    Raises
    ------
    BackcastError
        If an indicator has no target or no model, its target has neither number nor value, there is none in that year, or a value is no number.
    """
    readings = {row["id"]: tuple(str(row[c] or "") for c in READING) for row in inputs.table("indicators").iter_rows(named=True)}
    rows: dict[str, list[Target]] = {}
    for target in with_cities(inputs.targets, cities):
        if target.year is not None:
            rows.setdefault(target.id, []).append(target)
    known = sorted(name for name in rows.keys() & readings.keys() if any(t.value is not None for t in rows[name]))
    made: dict[tuple[str, str, int], Asked] = {}
    for text in texts:
        name, equals, number = text.partition("=")
        name, _, when = (part.strip() for part in name.partition("@"))
        chosen = _rows_in(name, when, rows, readings, known)
        value = _number(number, text) if equals else None
        can = [t for t in chosen if t.direction and not (t.value is None and value is None)]
        if not can:
            directions = {t.direction for t in chosen if t.direction}
            sign = "".join(sorted("≥" if one == "at_least" else "≤" for one in directions))
            raise BackcastError(key="only_direction" if sign else "only_tracked", name=name, sign=sign, known=", ".join(known))
        for t in can:
            goal = value if value is not None else t.value
            year = int(t.year or 0)
            made[t.id, t.area, year] = Asked(
                t.id, t.area, year, float(goal or 0.0), t.tolerance or 0.0, t.unit, t.direction, readings[t.id]
            )
    if not made:
        raise BackcastError(key="nothing_asked", known=", ".join(known))
    return tuple(made.values())


def _rows_in(
    name: str, when: str, rows: Mapping[str, list[Target]], readings: Mapping[str, tuple[str, ...]], known: Sequence[str]
) -> list[Target]:
    """Return the targets of an indicator, in a year if one is named."""
    from transport.check_problems import nearest

    if name not in rows:
        raise BackcastError(key="no_target", given=name, hint=nearest(name, sorted(rows)) or "-", known=", ".join(known))
    if name not in readings:
        raise BackcastError(key="not_modelled", name=name, known=", ".join(known))
    years = sorted({int(t.year or 0) for t in rows[name]})
    if when and when not in {str(year) for year in years}:
        raise BackcastError(key="no_year", given=when, name=name, years=", ".join(map(str, years)))
    return [t for t in rows[name] if not when or t.year == int(when)]


def _number(text: str, whole: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise BackcastError(key="no_number", given=whole)
    return value


def target_cities(series: Iterable[Series]) -> tuple[str, ...]:
    """Return the areas that have the green travel target."""
    return tuple(sorted({s.area for s in series if s.id == _BREAK_EVEN}))


def space_of(
    scenario: Scenario,
    inputs: Inputs,
    asked: Sequence[Asked],
    *,
    bounds: Scenario | None,
    chosen: Collection[str] = (),
    with_prices: bool = True,
) -> Space:
    """Return the variables of a backcast: levers whose cost is known, from what the scenario has to the end of the plausible range.

    Parameters
    ----------
    scenario
        Level 0, and what all other levers stay at.
    inputs
        Checked data.
    asked
        Targets.
    bounds
        Scenario whose levers and values are the plausible ends; None = the ends of the range of each lever's row, for the levers that some
        bundled measure moves: two variables a lever, one to each end, of which the search of the caller keeps the one that helps.
    chosen
        Levers to use instead of those of the bounds; those that the bounds do not set go to the ends of their range.
    with_prices
        Whether levers that only move money between payers may be used.

    Raises
    ------
    BackcastError
        If a lever is not known, or none can be used.
    """
    from transport.check_problems import nearest

    rows = {lever.lever: lever for lever in inputs.levers}
    for name in chosen:
        if name not in rows:
            raise BackcastError(key="no_lever", given=name, hint=nearest(name, rows) or "transport show levers")
    first = int(inputs.params().get("data_vintage_year")[0, 0])
    ahead = [a.year for a in asked if a.year >= first]
    year = max(ahead) if ahead else max(_LATER, first)
    ends = {} if bounds is None else {k: v for k, v in bounds.settings.items() if not split_setting(k)[1]}
    names = list(dict.fromkeys(chosen or (ends if bounds is not None else _usual(inputs, asked))))
    bases, units = lever_bases(inputs, inputs.levers), dict(inputs.table("levers").select("lever", "unit").iter_rows())
    codes = measures_by_lever(inputs)
    usable = {ROWS, PRICE} if with_prices else {ROWS}
    left: list[tuple[str, str, str, str]] = []
    found: dict[tuple[str, str], tuple[str, str, str, list[Span]]] = {}
    for name in sorted(names):
        lever, basis, measure = rows[name], bases[name], codes[name]
        if basis not in usable or lever.parameter in FIRST_DRAW:
            left.append((name, measure, basis, NO_COST if basis not in usable else NETWORKS))
            continue
        now = lever_path(scenario.settings.get(name, lever.default), lever.default)
        if name in ends:
            tops = [("", bounds.name if bounds is not None else "", lever_path(ends[name], lever.default))]
        else:
            tops = [(sign, RANGE, np.full(len(YEARS), end)) for sign, end in (("-", lever.minimum), ("+", lever.maximum))]
        for sign, source, top in tops:
            bound = _way(now, np.clip(top, lever.minimum, lever.maximum), first, year)
            if np.allclose(bound, now, rtol=0.0, atol=1e-12):
                continue
            head = codes[name].partition(":")[0]
            group = codes[name] if head in _TOGETHER and not sign else name
            _, _, _, spans = found.setdefault((group, sign), (measure, basis, source, []))
            spans.append(Span(name, units[name], tuple(now.tolist()), tuple(bound.tolist())))
    made = [
        Variable(f"{name}{sign}", measure, basis, source, tuple(spans))
        for (name, sign), (measure, basis, source, spans) in found.items()
    ]
    if not made:
        raise BackcastError(key="no_levers")
    return Space(tuple(sorted(made, key=lambda v: v.name)), tuple(sorted(left)), first, year)


def measures_by_lever(inputs: Inputs) -> dict[str, str]:
    """Return lever -> measure, cleaner sales by vehicle class; ``other`` where no row names one."""
    rows = inputs.table("accounts/measures").select("parameter", "subject", "measure").iter_rows()
    named = {(p, s): m for p, s, m in rows}

    def code(lever: Lever) -> str:
        measure = named.get((lever.parameter, lever.subject), named.get((lever.parameter, "*"), "other"))
        return f"{measure}:{lever.subject.partition(':')[0]}" if measure == _BY_CLASS else str(measure)

    return {lever.lever: code(lever) for lever in inputs.levers}


def _usual(inputs: Inputs, asked: Sequence[Asked]) -> list[str]:
    """Return the levers that can help at all: those of city travel for green travel alone, else all whose cost is known."""
    domains = dict(inputs.table("lever_effects").select("parameter", "domain").iter_rows())
    only_cities = all(a.id == CITY_TARGET for a in asked)
    bases = lever_bases(inputs, inputs.levers)
    kinds = (ROWS, PRICE) if only_cities else (ROWS,)
    return [
        x.lever for x in inputs.levers if bases[x.lever] in kinds and (not only_cities or domains.get(x.parameter) == "travel")
    ]


def _way(base: Array, top: Array, first: int, year: int) -> Array:
    """Return the values at level 1: the base before the first year, then in a straight line to the top of the year, which holds from there on."""
    made = base.copy()
    last, from_year = year_index(year), year_index(first - 1)
    made[last:] = top[last:]
    steps = np.arange(from_year, last)
    share = (steps - from_year) / max(last - from_year, 1)
    made[from_year:last] = base[from_year:last] + share * (top[last] - base[last])
    low, high = np.minimum(base, top).min(), np.maximum(base, top).max()
    return np.asarray(np.clip(made, low, high))


def settings_of(variables: Sequence[Variable], levels: Array) -> dict[str, LeverValue]:
    """Return the settings of a package; a variable at level 0 sets nothing.

    Parameters
    ----------
    variables
        Of the search.
    levels
        Level of each ``(variable,)``.
    """
    made: dict[str, LeverValue] = {}
    for variable, level in zip(variables, levels, strict=True):
        if level <= 0.0:
            continue
        for span in variable.spans:
            base, bound = np.asarray(span.base), np.asarray(span.bound)
            low, high = np.minimum(base, bound), np.maximum(base, bound)
            path = np.clip(base + level * (bound - base), low, high)
            made[span.lever] = {y: float(v) for y, v in zip(YEARS, path, strict=True) if y > BASE_YEAR}
    return made
