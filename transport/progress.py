"""Actual values against the path to each target: how far behind, the yearly rate needed from now on, and a traffic light with its reason.

Nothing modelled is judged here: only values of ``observed/actuals`` count. The model lends no more than the start of a path in the base
year, where none is entered. How a path runs and how much faster than so far is still amber stands in ``accounts/progress_rules``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import polars as pl

from transport.layout import BASE_YEAR, LAST_YEAR
from transport.targets import targets_of, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.inputs import Inputs, Target

Light: TypeAlias = Literal["green", "amber", "red", "grey"]
PathKind: TypeAlias = Literal["linear", "rate", "date"]

#: Columns of the result table, in order.
SCHEMA: dict[str, type[pl.DataType]] = {
    "id": pl.String,
    "area": pl.String,
    "target_year": pl.Int64,
    "as_of": pl.Int64,
    "period": pl.String,
    "start_year": pl.Int64,
    "start": pl.Float64,
    "start_from": pl.String,
    "actual": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "path": pl.Float64,
    "gap": pl.Float64,
    "target": pl.Float64,
    "unit": pl.String,
    "direction": pl.String,
    "needed_per_year": pl.Float64,
    "achieved_per_year": pl.Float64,
    "light": pl.String,
    "light_low": pl.String,
    "light_high": pl.String,
    "reason": pl.String,
    "quality": pl.String,
}
#: Distance that counts as none, relative to the numbers compared: what float arithmetic leaves.
_SLACK = 1e-9
_READING = ("scope", "boundary", "base", "variant")


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of ``accounts/progress_rules``.

    Attributes
    ----------
    path
        ``linear`` from the start to the target, ``rate`` = the target is a growth per year that every year must hold on average, ``date`` = a
        year by which something happens, which has no path.
    start
        ``zero`` (a change against the base year), ``model`` (modelled value of the base year unless an actual one is entered).
    amber_factor
        How many times the rate achieved so far the needed rate may be before amber becomes red.
    """

    path: PathKind
    start: Literal["zero", "model"]
    amber_factor: float


class Judgement(NamedTuple):
    """What an actual value says of a target: value of the path, gap (positive = missing), rates per year, light and key of the reason."""

    path: float | None
    gap: float | None
    needed: float | None
    achieved: float | None
    light: Light
    reason: str


def judge(
    rule: Rule,
    *,
    start: float | None,
    actual: float,
    target: float,
    years: tuple[int, int, int],
    direction: str,
    tolerance: float = 0.0,
) -> Judgement:
    """Return the judgement of a target that is still to come.

    Parameters
    ----------
    rule
        How the path runs.
    start, actual, target
        In the target's unit; the start of a ``rate`` is not used. None = no start is known.
    years
        Of start, actual and target.
    direction
        ``at_least`` or ``at_most``.
    tolerance
        What "about" in the wording allows; a value within it has reached the target.

    Notes
    -----
    linear: path(a) = start + (target - start) (a - s) / (T - s), needed = (target - actual) / (T - a), achieved = (actual - start) / (a - s).
    rate: path = target, achieved = actual, needed = ((1 + target)^(T - s) / (1 + actual)^(a - s))^(1 / (T - a)) - 1.
    Green on or ahead of the path, amber where needed <= amber_factor x achieved, else red. A value that has reached the target is green
    where the path alone is not the demand (a growth must be held to the end).

    Examples
    --------
    >>> judge(
    ...     Rule("linear", "zero", 1.5), start=0.0, actual=-2.0, target=-10.0, years=(2020, 2024, 2030), direction="at_most"
    ... ).light
    'red'
    """
    s, a, due = years
    sign = 1.0 if direction == "at_least" else -1.0
    size = _SLACK * max(abs(actual), abs(target), abs(start or 0.0), 1.0)
    if rule.path == "date":
        return Judgement(None, None, None, None, "grey", "date")
    if rule.path == "rate":
        needed = _needed_growth(actual, target, a - s, due - a)
        return _behind(rule, Judgement(target, sign * (target - actual), needed, actual, "grey", ""), sign, size)
    path = None if start is None else start + (target - start) * (a - s) / (due - s)
    gap = None if path is None else sign * (path - actual)
    achieved = None if start is None or a == s else (actual - start) / (a - s)
    if sign * (actual - target) >= -tolerance - size:
        return Judgement(path, gap, 0.0, achieved, "green", "reached")
    return _behind(rule, Judgement(path, gap, (target - actual) / (due - a), achieved, "grey", ""), sign, size)


def _behind(rule: Rule, found: Judgement, sign: float, size: float) -> Judgement:
    """Return a judgement with the light of a target that is not reached yet."""
    if found.gap is None or found.needed is None:
        return found._replace(light="grey", reason="no_start")
    if found.gap <= size:
        return found._replace(light="green", reason="on_path")
    if found.achieved is None:
        return found._replace(light="grey", reason="too_early")
    if sign * found.achieved <= 0.0:
        return found._replace(light="red", reason="wrong_way")
    amber = sign * found.needed <= rule.amber_factor * sign * found.achieved + size
    return found._replace(light="amber" if amber else "red", reason="behind")


def judge_past(*, actual: float, target: float, direction: str, tolerance: float = 0.0) -> Judgement:
    """Return the judgement of a target that is past, by the actual value of its year.

    Parameters
    ----------
    actual, target, tolerance
        In the target's unit.
    direction
        ``at_least`` or ``at_most``.
    """
    found = verdict(actual, target, tolerance, direction)
    gap = target - actual if direction == "at_least" else actual - target
    return Judgement(target, gap, None, None, "red" if found == "missed" else "green", f"past_{found}")


def _needed_growth(actual: float, target: float, done: int, left: int) -> float:
    """Return the growth [%/yr] of the years left that makes the mean growth of all years the target."""
    total = (done + left) * math.log1p(target / 100.0)
    return 100.0 * math.expm1((total - done * math.log1p(actual / 100.0)) / left)


# ---- tables ------------------------------------------------------------------------------------------------------------------------


def read_rules(table: pl.DataFrame) -> dict[str, Rule]:
    """Return indicator -> rule; ``all`` is the rule of every indicator without a row of its own."""
    return {row["id"]: Rule(row["path"], row["start"], row["amber_factor"]) for row in table.iter_rows(named=True)}


def starts_of(indicators: pl.DataFrame, definitions: pl.DataFrame) -> dict[tuple[str, str], float]:
    """Return (indicator, area) -> modelled value of the base year in the headline reading.

    Parameters
    ----------
    indicators
        Result table ``indicators`` of any scenario: no lever moves the base year.
    definitions
        Table ``indicators`` of the data.
    """
    wanted = definitions.select("id", *[pl.col(c).fill_null("") for c in _READING])
    rows = indicators.filter(pl.col("year") == BASE_YEAR, pl.col("value").is_not_null())
    rows = rows.join(wanted, on=["id", *_READING], how="semi")
    return {(i, a): float(v) for i, a, v in rows.select("id", "area", "value").iter_rows()}


def default_as_of(inputs: Inputs, vintage_year: int) -> int:
    """Return the year to judge progress in where none is asked for: the year before the data's, or the last whole year entered if it is later.

    Parameters
    ----------
    inputs
        Targets and ``observed/actuals``.
    vintage_year
        Year of the data, parameter ``data_vintage_year``.
    """
    wanted = pl.col("series").is_in([x.id for x in inputs.targets if x.value is not None])
    rows = inputs.table("observed/actuals").filter(
        wanted, pl.col("value").is_not_null(), pl.col("period").str.contains("^[0-9]{4}$")
    )
    entered = [int(period) for period in rows["period"]]
    return max([vintage_year - 1, *(year for year in entered if year <= LAST_YEAR)])


def progress_table(inputs: Inputs, indicators: pl.DataFrame, *, as_of: int) -> pl.DataFrame:
    """Return the progress towards every target of the data.

    Parameters
    ----------
    inputs
        Targets, ``observed/actuals``, ``accounts/progress_rules``.
    indicators
        Result table ``indicators``, for the starts and for the cities that have the green travel target.
    as_of
        Last year whose actual values count; a target of this year or before is past.
    """
    return progress(
        targets_of(inputs.targets, indicators),
        starts_of(indicators, inputs.table("indicators")),
        inputs.table("observed/actuals"),
        read_rules(inputs.table("accounts/progress_rules")),
        as_of,
    )


def progress(
    targets: Sequence[Target],
    starts: Mapping[tuple[str, str], float],
    actuals: pl.DataFrame,
    rules: Mapping[str, Rule],
    as_of: int,
) -> pl.DataFrame:
    """Return one row per target with a value, as the result table ``progress``.

    Parameters
    ----------
    targets
        Targets; those without a value are only tracked and left out.
    starts
        (indicator, area) -> modelled value of the base year.
    actuals
        Table of observed values: series = indicator, area, period (a year, or a part of one such as ``2024Q1-3``), value, low, high, unit.
    rules
        Indicator -> rule, with one for ``all``.
    as_of
        Last year whose actual values count.
    """
    rows = []
    for target in targets:
        if target.value is None or target.year is None:
            continue
        rows.append(_row(target, starts.get((target.id, target.area)), actuals, rules.get(target.id, rules["all"]), as_of))
    return pl.DataFrame(rows, schema=SCHEMA)


def _row(target: Target, modelled: float | None, actuals: pl.DataFrame, rule: Rule, as_of: int) -> dict[str, object]:
    """Return the row of one target."""
    value, due = float(target.value or 0.0), int(target.year or 0)
    known = actuals.filter(pl.col("series") == target.id, pl.col("area") == target.area, pl.col("value").is_not_null())
    known = known.with_columns(year=pl.col("period").str.slice(0, 4).cast(pl.Int64, strict=False))
    # A whole year wins over a part of it.
    known = known.sort("year", pl.col("period").str.len_chars() == 4, maintain_order=True)
    later = known.filter(pl.col("year").is_between(as_of + 1, due))
    known = known.filter(pl.col("year") <= as_of)
    start_year = target.base_year or BASE_YEAR
    start, start_from = _start(rule, known, start_year, modelled)
    row: dict[str, object] = dict.fromkeys(SCHEMA) | {
        "id": target.id,
        "area": target.area,
        "target_year": due,
        "as_of": as_of,
        "start_year": start_year,
        "start": start,
        "start_from": start_from,
        "target": value,
        "unit": target.unit,
        "direction": target.direction,
        "light": "grey",
        "quality": "assumption",
    }
    past = due <= as_of
    latest = known.filter(pl.col("year").is_between(start_year + 1, due - 1)).tail(1)
    exact = known.filter(pl.col("period") == str(due))
    if past and not exact.is_empty():
        latest = exact
    if latest.is_empty() and not later.is_empty():
        return row | {"reason": "later_actual", "period": later["period"][0]}
    if latest.is_empty():
        return row | {"reason": "past_no_actual" if past else "no_actual"}
    seen = latest.row(0, named=True)
    row |= {"period": seen["period"], "actual": seen["value"], "quality": seen["quality"]}
    row |= {"low": seen["low"], "high": seen["high"]}
    if seen["unit"].removesuffix("/yr") != target.unit.removesuffix("/yr"):
        return row | {"reason": "other_unit"}

    def at(number: float) -> Judgement:
        tolerance = target.tolerance or 0.0
        if past:
            return judge_past(actual=number, target=value, direction=target.direction, tolerance=tolerance)
        years = (start_year, int(seen["year"]), due)
        return judge(rule, start=start, actual=number, target=value, years=years, direction=target.direction, tolerance=tolerance)

    if past and exact.is_empty():
        # What was known last is shown beside its path, and decides nothing.
        years = (start_year, int(seen["year"]), due)
        last = judge(rule, start=start, actual=float(seen["value"]), target=value, years=years, direction=target.direction)
        row |= {"path": last.path, "gap": last.gap, "achieved_per_year": last.achieved}
        return row | {"reason": "past_no_actual" if last.path is None else "past_last_known"}
    found = at(float(seen["value"]))
    row |= {"path": found.path, "gap": found.gap, "needed_per_year": found.needed, "achieved_per_year": found.achieved}
    for name in ("low", "high"):
        row[f"light_{name}"] = None if seen[name] is None else at(float(seen[name])).light
    return row | {"light": found.light, "reason": found.reason}


def _start(rule: Rule, known: pl.DataFrame, year: int, modelled: float | None) -> tuple[float | None, str | None]:
    """Return the value a path starts from, and where it comes from."""
    if rule.path != "linear":
        return None, None
    if rule.start == "zero":
        return 0.0, "zero"
    entered = known.filter(pl.col("period") == str(year))
    if not entered.is_empty():
        return float(entered["value"][0]), "actual"
    return modelled, None if modelled is None else "model"
