"""Values that state what they count, and the named bridges between one statement and another.

A total counts by *principle* (where the line lies, where the carrier is registered, which sector bought the fuel, where the tonne starts)
and by *definition* (water with or without ocean shipping, road before or after its re-basing of 2019). What differs in one of them is
never added, subtracted or compared; it must first cross a row of ``data/accounts/bridges.csv``, which names the parameter with its range.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from transport.inputs import Inputs
    from transport.params import Params

    Array = NDArray[np.float64]

#: What each principle goes by, in the words of an error.
_WORDS = {
    "territory": "counted where the line, the port or the vehicle is",
    "carrier": "counted where the carrier is registered",
    "fuel_sales": "counted where and for whom the fuel was sold",
    "origin": "counted where the tonne or the passenger starts",
}


class PrincipleError(ValueError):
    """Exception for totals of different principles or definitions that are put together, and for a bridge that does not fit."""


@dataclass(frozen=True, slots=True)
class Stated:
    """Numbers with the statement of what they count.

    Attributes
    ----------
    what
        Words for a message, for example ``rail passenger-km``.
    values
        Array, usually ``[draw, year]``.
    unit
        Unit of the values.
    principle
        Code of the list ``principle``.
    definition
        Codes of the list ``definition``; the text before the colon is the family, of which a value carries one code at most.
    """

    what: str
    values: Array
    unit: str
    principle: str
    definition: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.principle not in _WORDS:
            msg = f"{self.what}: unknown principle {self.principle!r}; write one of {', '.join(_WORDS)}"
            raise PrincipleError(msg)
        for family, codes in _families(self.definition).items():
            if len(codes) > 1:
                msg = f"{self.what} carries two definitions of {family}: {', '.join(sorted(codes))}; state one"
                raise PrincipleError(msg)


@dataclass(frozen=True, slots=True)
class Bridge:
    """One row of ``accounts/bridges``: how values of one statement become values of another.

    Attributes
    ----------
    name
        Identifier.
    from_principle, to_principle
        Codes of principles; equal where only the definition changes.
    from_definition, to_definition
        Codes taken away and put on; a bridge whose ``from_definition`` holds several codes of one family joins their sum.
    parameter, subject
        Factor ``[draw, year]``; no parameter where nothing is scaled (a join, or a step that a model has taken itself).
    """

    name: str
    from_principle: str
    to_principle: str
    from_definition: frozenset[str]
    to_definition: frozenset[str]
    parameter: str
    subject: str


@dataclass(frozen=True, slots=True)
class Statement:
    """One row of ``accounts/statements``: what a modelled total counts.

    Attributes
    ----------
    principle, definition
        As in :class:`Stated`.
    group
        Subject of the bridges that lead on from here.
    crossed
        Bridge that the model has taken itself, or empty.
    """

    principle: str
    definition: frozenset[str]
    group: str
    crossed: str


def read_bridges(inputs: Inputs) -> dict[str, Bridge]:
    """Return the named bridges by name."""
    return {
        row["bridge"]: Bridge(
            row["bridge"],
            row["from_principle"],
            row["to_principle"],
            _codes(row["from_definition"]),
            _codes(row["to_definition"]),
            row["parameter"] or "",
            row["subject"] or "",
        )
        for row in inputs.table("accounts/bridges").iter_rows(named=True)
    }


def read_statements(inputs: Inputs, kind: str) -> dict[str, Statement]:
    """Return what the modelled totals of one kind count, by subject.

    Parameters
    ----------
    inputs
        Table ``accounts/statements``.
    kind
        ``turnover`` (subject part:service) or ``energy`` (subject driver of the distance:part, or a class).
    """
    rows = inputs.table("accounts/statements").filter(pl.col("kind") == kind)
    return {
        row["subject"]: Statement(row["principle"], _codes(row["definition"]), row["bridge_group"] or "", row["crossed"] or "")
        for row in rows.iter_rows(named=True)
    }


def statement_of(statements: Mapping[str, Statement], subject: str) -> Statement:
    """Return one statement.

    Raises
    ------
    PrincipleError
        If the data state nothing about the subject.
    """
    if subject not in statements:
        msg = f"nothing says what {subject!r} counts; add a row to data/accounts/statements.csv"
        raise PrincipleError(msg)
    return statements[subject]


def cross(stated: Stated, bridge: Bridge, params: Params) -> Stated:
    """Return values carried over a bridge.

    Raises
    ------
    PrincipleError
        If the bridge does not start at the principle or the definition of the values.

    Notes
    -----
    ``values x parameter[subject]``; without a parameter the values stay and only the statement changes.
    """
    if stated.principle != bridge.from_principle or not bridge.from_definition <= stated.definition:
        start = _name(bridge.from_principle, bridge.from_definition)
        msg = f"bridge {bridge.name} starts at {start}, {stated.what} is {_name(stated.principle, stated.definition)}; use the bridge that starts there"
        raise PrincipleError(msg)
    factor = params.get(bridge.parameter, bridge.subject) if bridge.parameter else 1.0
    return replace(
        stated,
        values=stated.values * factor,
        principle=bridge.to_principle,
        definition=(stated.definition - bridge.from_definition) | bridge.to_definition,
    )


def find_bridge(bridges: Mapping[str, Bridge], what: str, group: str, start: str, end: str) -> Bridge:
    """Return the bridge of a group from one principle to another.

    Raises
    ------
    PrincipleError
        If no row leads there, or several do.
    """
    found = [b for b in bridges.values() if (b.subject, b.from_principle, b.to_principle) == (group, start, end)]
    if len(found) != 1:
        number = "no row" if not found else f"{len(found)} rows"
        msg = f"{what} is {_WORDS[start]}, wanted is {end} ({_WORDS[end]}), and {number} of data/accounts/bridges.csv lead there for {group!r}; there must be one"
        raise PrincipleError(msg)
    return found[0]


def add(first: Stated, *others: Stated, joins: Iterable[Bridge] = ()) -> Stated:
    """Return the sum of values that count by the same principle and definitions.

    Parameters
    ----------
    first
        A part of the sum.
    *others
        The other parts, of the same unit.
    joins
        Bridges that may join different definitions of one family (coastal shipping and ocean shipping make water with ocean).

    Raises
    ------
    PrincipleError
        If units, principles or definitions differ; the message says which, and how to go on.
    """
    parts = (first, *others)
    for other in others:
        if other.unit != first.unit:
            msg = f"{first.what} is in {first.unit}, {other.what} in {other.unit}; convert one of them before adding"
            raise PrincipleError(msg)
    values = np.asarray(sum(part.values for part in parts))
    principle, definition = summed(parts, joins)
    return Stated(" + ".join(part.what for part in parts), values, first.unit, principle, definition)


def summed(parts: Sequence[Stated], joins: Iterable[Bridge] = ()) -> tuple[str, frozenset[str]]:
    """Return principle and definition of a sum, without adding up.

    Raises
    ------
    PrincipleError
        As :func:`add`.
    """
    first = parts[0]
    for other in parts[1:]:
        if other.principle != first.principle:
            _refuse("added", first, other)
    definition: frozenset[str] = frozenset()
    stated = [part for part in parts if part.definition]
    for family, codes in _families(frozenset().union(*(part.definition for part in parts))).items():
        if len(codes) == 1:
            definition |= codes
            continue
        join = next((j for j in joins if j.from_definition == codes and j.from_principle == first.principle), None)
        if join is None:
            a, b = [next(p for p in stated if code in p.definition) for code in sorted(codes)[:2]]
            msg = (
                f"{a.what} and {b.what} cannot be added: they follow different definitions of {family} "
                f"({', '.join(sorted(codes))}); name a row of data/accounts/bridges.csv that joins them"
            )
            raise PrincipleError(msg)
        definition |= join.to_definition
    return first.principle, definition


def compare(value: Stated, reference: Stated) -> Array:
    """Return ``value / reference``, of equal principle and equal definitions in every family.

    Raises
    ------
    PrincipleError
        If they count different things: a ratio across a break of definition is no change.
    """
    if value.unit != reference.unit:
        msg = f"{value.what} is in {value.unit}, {reference.what} in {reference.unit}; convert one of them before comparing"
        raise PrincipleError(msg)
    if (value.principle, value.definition) != (reference.principle, reference.definition):
        _refuse("compared", value, reference)
    return np.asarray(value.values / reference.values)


def require(stated: Stated, principle: str) -> Stated:
    """Return the values if they count by a principle.

    Raises
    ------
    PrincipleError
        If they count by another one.
    """
    if stated.principle != principle:
        msg = (
            f"{stated.what} is {_WORDS[stated.principle]} ({stated.principle}); here everything is {_WORDS[principle]} ({principle}). "
            f"Cross a row of data/accounts/bridges.csv from {stated.principle} to {principle}"
        )
        raise PrincipleError(msg)
    return stated


def observed(inputs: Inputs, table: str, *, series: str, area: str, mode: str | None, item: str) -> dict[str, Stated]:
    """Return an observed series by period, each value with its principle and the side of a break it lies on.

    Parameters
    ----------
    inputs
        Tables ``observed/*`` and ``accounts/breaks``.
    table
        Name without folder, for example ``freight``.
    series, area, mode, item
        Keys of the rows; mode None where the column is empty.

    Notes
    -----
    A row marked with a break lies on its far side, rows without a mark follow today's definition. Two values of different sides can be
    neither compared nor added, so nothing is ever spliced over a break.
    """
    rows = inputs.table(f"observed/{table}").filter(
        pl.col("series") == series,
        pl.col("area") == area,
        pl.col("mode").eq_missing(pl.lit(mode)),
        pl.col("item") == item,
        pl.col("value").is_not_null(),
    )
    sides = {
        (b, m): (far, now)
        for b, m, far, now in inputs.table("accounts/breaks").select("scope_break", "mode", "before", "since").iter_rows()
    }
    of_mode = {b: both for (b, m), both in sides.items() if m in {None, mode}}
    found: dict[str, Stated] = {}
    for row in rows.iter_rows(named=True):
        mark = row["scope_break"]
        codes = frozenset(far if b == mark else now for b, (far, now) in of_mode.items() if mark in {None, b})
        if (
            mark is not None and mark not in of_mode
        ):  # a total over modes, or a break of something else: still another side than today's
            codes = frozenset({f"{mark}:before"})
        words = f"{series} {mode or ''} {row['period']}".replace("  ", " ")
        found[row["period"]] = Stated(words, np.asarray(float(row["value"])), row["unit"], row["principle"], codes)
    return found


def _families(definition: frozenset[str]) -> dict[str, frozenset[str]]:
    """Return family -> codes of it."""
    found: dict[str, set[str]] = {}
    for code in sorted(definition):
        found.setdefault(code.partition(":")[0], set()).add(code)
    return {family: frozenset(codes) for family, codes in found.items()}


def _codes(cell: str | None) -> frozenset[str]:
    return frozenset((cell or "").split())


def _name(principle: str, definition: frozenset[str]) -> str:
    return " ".join([principle, *sorted(definition)])


def _refuse(verb: str, a: Stated, b: Stated) -> None:
    msg = (
        f"{a.what} ({_name(a.principle, a.definition)}: {_WORDS[a.principle]}) and {b.what} ({_name(b.principle, b.definition)}: "
        f"{_WORDS[b.principle]}) cannot be {verb}: cross a named row of data/accounts/bridges.csv first"
    )
    raise PrincipleError(msg)
