"""Which changed number changed which verdict: every one of them alone on the old data, and all but it on the new ones.

The first says what a number does by itself, the second what the result would be without it; where numbers act together the two differ, and so
does the sum of the first from the whole change. Many numbers are taken by the sheet of the workbook that they stand on.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from transport.layout import BASE_YEAR, year_index
from transport.scorecard import scorecard
from transport.study import indicator_table, model_parts
from transport.template.changes import changed_rows
from transport.template.layout import PARAMETERS, SHEETS, template_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from transport.inputs import Inputs
    from transport.scenario import Scenario
    from transport.scorecard import ScoreLine

    #: States of the data that differ in their actual values only -> result table ``indicators`` of each.
    Evaluate = Callable[[Sequence[Inputs]], list[pl.DataFrame]]
    #: Called with (steps done, steps, name of the present step).
    Tell = Callable[[int, int, str], None]

#: Indicator whose change is split.
HEADLINE = "operating_co2_intensity"
#: Most numbers that are taken one by one.
MOST = 30
#: Sheet of what no sheet of the workbook names, and group of all other tables of a pack.
FREE, OTHER = "free", "other"
#: Actual values of targets: verdicts follow them, and no model reads them.
ACTUALS = "observed/actuals"
#: Tables of which only the rows of parameters and actual values are taken one by one; statistics and sources change no verdict.
_APART = (PARAMETERS, "observed/", "sources")
_NUMBERS = ("value", "low", "high")
_BASE = year_index(BASE_YEAR)
#: Columns of the effects.
EFFECTS: dict[str, type[pl.DataType]] = {
    "kind": pl.String,
    "name": pl.String,
    "subject": pl.String,
    "year": pl.String,
    "unit": pl.String,
    "before": pl.Float64,
    "after": pl.Float64,
    "count": pl.Int64,
    "alone": pl.Float64,
    "last": pl.Float64,
}
#: Columns of the changed verdicts by the place of what changed them; one without a place was changed by several together.
CHANGED: dict[str, type[pl.DataType]] = {
    "place": pl.Int64,
    "id": pl.String,
    "area": pl.String,
    "year": pl.Int64,
    "verdict_before": pl.String,
    "verdict_after": pl.String,
    "is_alone": pl.Boolean,
    "is_needed": pl.Boolean,
}
#: Columns of the headline before and after.
TOTAL: dict[str, type[pl.DataType]] = {
    "id": pl.String,
    "year": pl.Int64,
    "unit": pl.String,
    "before": pl.Float64,
    "after": pl.Float64,
    "capacity": pl.String,
    "count": pl.Int64,
}


@dataclass(frozen=True, slots=True)
class Group:
    """Numbers that are put in together.

    Attributes
    ----------
    kind
        ``row``, ``sheet`` or ``other``.
    name
        Key of the row, name of the sheet, or ``other``.
    keys
        The rows; none of ``other``.
    """

    kind: str
    name: str
    keys: tuple[str, ...]


def groups_of(before: Inputs, after: Inputs, *, most: int = MOST) -> list[Group]:
    """Return what is told apart: the changed numbers that runs or verdicts read, one by one or by sheet, and all other tables of a pack.

    Parameters
    ----------
    before, after
        Checked data without and with a pack.
    most
        Most numbers that are taken one by one.
    """
    keys = []
    for key, (was, row) in changed_rows(before, after).items():
        decides = key.startswith((f"{PARAMETERS}|", f"{ACTUALS}|"))
        if decides and (was is None or any(was[c] != row[c] for c in _NUMBERS)):
            keys.append(key)
    made = [Group("row", key, (key,)) for key in keys]
    if len(keys) > most:
        sheet_of = {key: line.sheet for line in template_lines(after, "zh") for key in line.keys}
        sheets: dict[str, list[str]] = {name: [] for name in (*SHEETS, FREE)}
        for key in keys:
            sheets[sheet_of.get(key, FREE)].append(key)
        made = [Group("sheet", name, tuple(some)) for name, some in sheets.items() if some]
    if _other_tables(before) != _other_tables(after) or before.levers != after.levers or before.targets != after.targets:
        made.append(Group(OTHER, OTHER, ()))
    return made


def causes(
    before: Inputs, after: Inputs, evaluate: Evaluate, *, capacity: str = "", most: int = MOST, tell: Tell | None = None
) -> dict[str, pl.DataFrame]:
    """Return what each changed number did to the headline and to the verdicts.

    Parameters
    ----------
    before, after
        Checked data without and with a pack.
    evaluate
        As :func:`light_evaluation` makes it.
    capacity
        How freight was evaluated, for whoever reads the tables.
    most
        As in :func:`groups_of`.
    tell
        Called before each evaluation.

    Returns
    -------
    dict
        ``effects`` (:data:`EFFECTS`; a row per group, ``alone`` and ``last`` are its changes of the headline when it comes first and last, in the unit
        of the headline), ``changed`` (:data:`CHANGED`), ``total`` (:data:`TOTAL`; without a row where the headline has no target).
    """
    groups = groups_of(before, after, most=most)
    mixed = partial(_mixed, before, after, groups)
    if not groups:
        return {
            "effects": pl.DataFrame(schema=EFFECTS),
            "changed": pl.DataFrame(schema=CHANGED),
            "total": pl.DataFrame(schema=TOTAL),
        }
    every = frozenset(range(len(groups)))
    wanted = [frozenset[int](), every, *(frozenset({k}) for k in every), *(every - {k} for k in every)]
    wanted = _by_base_year(groups, wanted, mixed)
    lines = _scores(groups, dict.fromkeys(wanted), mixed, evaluate, tell)
    old, new = lines[frozenset()], lines[every]
    place = max((key for key in new if key[0] == HEADLINE and old.get(key) is not None), key=lambda key: key[2], default=None)
    effects, changed = [], []
    said = changed_rows(before, after)
    for k, group in enumerate(groups):
        alone, rest = lines[frozenset({k})], lines[every - {k}]
        effects.append(_about(group, said) | {"alone": _step(old, alone, place), "last": _step(rest, new, place)})
        for key, line in new.items():
            was = old[key].verdict if key in old else None
            if line.verdict == was:
                continue
            is_alone = _verdict(alone, key) != was
            is_needed = _verdict(rest, key) != line.verdict
            if is_alone or is_needed:
                changed.append([k, *key, was, line.verdict, is_alone, is_needed])
    told = {tuple(row[1:4]) for row in changed}
    changed += [
        [None, *key, old[key].verdict if key in old else None, line.verdict, False, False]
        for key, line in new.items()
        if _verdict(old, key) != line.verdict and key not in told
    ]
    total = []
    if place is not None:
        count = sum(len(group.keys) for group in groups)
        total = [[HEADLINE, place[2], new[place].unit, _reached(old[place]), _reached(new[place]), capacity, count]]
    return {
        "effects": pl.DataFrame(effects, schema=EFFECTS),
        "changed": pl.DataFrame(changed, schema=CHANGED, orient="row"),
        "total": pl.DataFrame(total, schema=TOTAL, orient="row"),
    }


def light_evaluation(scenario: Scenario) -> Evaluate:
    """Return what evaluates a scenario down to its indicators, without simulations and result tables.

    Parameters
    ----------
    scenario
        A resolved scenario; its ``capacity`` says whether freight delays and prices of every year are solved, or those of 2020 hold.
    """
    from transport.freight_start import FreightStarts

    # a base year takes more than a gigabyte; states come in its order, so that the last one is enough
    bare, starts = replace(scenario, simulate="none", draws=1), FreightStarts(1)

    def evaluate(states: Sequence[Inputs]) -> list[pl.DataFrame]:
        parts = model_parts(bare, states[0], starts=starts, response=False, light=True)
        own = [{**parts.inputs.tables, ACTUALS: state.table(ACTUALS)} for state in states]
        return [indicator_table(replace(parts, inputs=replace(parts.inputs, tables=tables))) for tables in own]

    return evaluate


_Place = tuple[str, str, int]


def _by_base_year(
    groups: Sequence[Group], wanted: Sequence[frozenset[int]], mixed: Callable[[frozenset[int]], Inputs]
) -> list[frozenset[int]]:
    """Return the states with those side by side that have the same base year: one after the other can take it from the one before."""
    old = mixed(frozenset()).params()
    moving = set()
    for k, group in enumerate(groups):
        new = mixed(frozenset({k})).params()
        if group.kind == OTHER or any(old.get(*key)[0, _BASE] != new.get(*key)[0, _BASE] for key in new.unlike(old)):
            moving.add(k)
    return sorted(wanted, key=lambda taken: sorted(taken & moving))


def _scores(
    groups: Sequence[Group],
    wanted: Mapping[frozenset[int], None],
    mixed: Callable[[frozenset[int]], Inputs],
    evaluate: Evaluate,
    tell: Tell | None,
) -> dict[frozenset[int], dict[_Place, ScoreLine]]:
    """Return the scorecard of every wanted state; those that differ in actual values only are evaluated once."""
    modelled = {
        k for k, group in enumerate(groups) if not all(key.startswith(f"{ACTUALS}|") for key in group.keys) or not group.keys
    }
    by_model: dict[frozenset[int], list[frozenset[int]]] = {}
    for taken in wanted:
        by_model.setdefault(frozenset(taken & modelled), []).append(taken)
    made: dict[frozenset[int], dict[_Place, ScoreLine]] = {}
    for step, alike in enumerate(by_model.values()):
        if tell is not None:
            tell(step, len(by_model), f"{step + 1}/{len(by_model)}")
        states = [mixed(taken) for taken in alike]
        for taken, state, table in zip(alike, states, evaluate(states), strict=True):
            made[taken] = {(x.id, x.area, x.year): x for x in scorecard(table, state.table("indicators"))}
    return made


def _mixed(before: Inputs, after: Inputs, groups: Sequence[Group], taken: frozenset[int]) -> Inputs:
    """Return the data with the numbers of some groups new and those of the others as before; rows keep their order."""
    if len(taken) == len(groups):
        return after
    if not taken:
        return before
    old = {key for k, group in enumerate(groups) if k not in taken for key in group.keys}
    tables = dict(after.tables)
    levers, targets = after.levers, after.targets
    if any(group.kind == OTHER and k not in taken for k, group in enumerate(groups)):
        tables, levers, targets = dict(before.tables), before.levers, before.targets
    actuals = {key.split("|", 1)[1] for key in old if key.startswith(f"{ACTUALS}|")}
    parameters = {key.split("|", 1)[1] for key in old if key.startswith(f"{PARAMETERS}|")}
    tables[ACTUALS] = _back(before.table(ACTUALS), after.table(ACTUALS), ("series", "area", "period", "mode", "item"), actuals)
    own = _back(before.parameters, after.parameters, ("parameter", "subject", "year"), parameters)
    digest = hashlib.sha256("\n".join([before.data_hash, after.data_hash, *sorted(old)]).encode()).hexdigest()
    return replace(after, tables=tables, parameters=own, levers=levers, targets=targets, data_hash=digest)


def _back(before: pl.DataFrame, after: pl.DataFrame, columns: Sequence[str], keys: set[str]) -> pl.DataFrame:
    """Return the new table with the rows of some keys as they were, in their places; those that were not there go."""
    key = pl.concat_str([pl.col(c).cast(pl.String).fill_null("") for c in columns], separator="|").alias("_key")
    new = after.with_columns(key).with_row_index("_order")
    back = new.select("_key", "_order").join(before.with_columns(key).filter(pl.col("_key").is_in(keys)), on="_key")
    kept = new.filter(~pl.col("_key").is_in(keys))
    return pl.concat([kept, back.select(kept.columns)]).sort("_order").drop("_key", "_order")


def _other_tables(inputs: Inputs) -> dict[str, int]:
    """Return what tells apart the tables that are not taken row by row."""
    return {
        name: int(table.hash_rows(seed=0).sum()) + table.height
        for name, table in inputs.tables.items()
        if not name.startswith(_APART)
    }


def _about(group: Group, rows: Mapping[str, tuple[Mapping[str, object] | None, Mapping[str, object]]]) -> dict[str, object]:
    """Return what a group is called: of one number its name and values."""
    if group.kind != "row":
        return {"kind": group.kind, "name": group.name, "count": len(group.keys)}
    was, row = rows[group.name]
    table, name, *rest = group.name.split("|")
    area, year, mode, item = (rest[0], rest[1], "", "") if table == PARAMETERS else rest
    return {
        "kind": group.kind,
        "name": name,
        "subject": " ".join(part for part in (area, mode, item) if part),
        "year": year,
        "unit": row["unit"],
        "before": None if was is None else was["value"],
        "after": row["value"],
        "count": 1,
    }


def _verdict(lines: Mapping[_Place, ScoreLine], key: _Place) -> str | None:
    return lines[key].verdict if key in lines else None


def _reached(line: ScoreLine) -> float | None:
    return line.value if line.actual is None else line.actual


def _step(one: Mapping[_Place, ScoreLine], other: Mapping[_Place, ScoreLine], place: _Place | None) -> float | None:
    """Return the change of the headline from one state to another; None where one of them has no value."""
    if place is None or place not in one or place not in other:
        return None
    values = _reached(one[place]), _reached(other[place])
    return None if values[0] is None or values[1] is None else values[1] - values[0]
