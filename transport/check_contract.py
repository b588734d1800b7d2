"""The dictionary as pandera schemas: the frame contract of every table.

Only ``transport check`` validates through pandera: importing ``pandera.polars`` takes about 2 s, which every run would pay. A run evaluates the
very same expressions directly (:func:`transport.check_tables.broken`); a test holds the two ways to the same findings on every bad file.
Keys are looked at per layer, before a pack is laid over the bundled rows, and so outside the contract of the laid table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transport.check_files import FILE, ROW

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandera.polars as pandera

    from transport.check_dictionary import TableSpec
    from transport.check_tables import Rule


def contract(spec: TableSpec, rules: Sequence[Rule]) -> pandera.DataFrameSchema:
    """Return the pandera schema of a table.

    Parameters
    ----------
    spec
        Columns and types; the table must hold exactly these, besides ``_row`` and ``_file``.
    rules
        Rules to hold, each as a pandera check named by its position in the list.
    """
    import pandera.polars as pandera

    checks = [pandera.Check(_holds(rule.bad), name=str(i)) for i, rule in enumerate(rules)]
    columns = {
        name: pandera.Column(
            dtype,
            checks=[check for check, rule in zip(checks, rules, strict=True) if rule.column == name],
            nullable=True,  # an empty cell is a rule of its own, value.missing or source.missing
            required=True,
        )
        for name, dtype in spec.schema.items()
    }
    columns |= {ROW: pandera.Column(pl.Int64, nullable=False), FILE: pandera.Column(pl.String, nullable=False)}
    return pandera.DataFrameSchema(columns, strict=True, ordered=True, name=spec.name)


def broken_contract(frame: pl.DataFrame, spec: TableSpec, rules: Sequence[Rule]) -> list[tuple[Rule, int]]:
    """Return every (rule, row index) that fails, as pandera finds them.

    Raises
    ------
    TypeError
        If the frame itself breaks the contract (a column or a type), which the loader must never let happen.
    """
    import pandera.errors

    try:
        contract(spec, rules).validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        found = errors.failure_cases.select("check", "index").rows()
        foreign = [str(check) for check, index in found if index is None or not str(check).isdigit()]
        if foreign:
            msg = f"table {spec.name} breaks its own contract: {', '.join(foreign)}"
            raise TypeError(msg) from errors
        return [(rules[int(check)], int(index)) for check, index in sorted((int(c), int(i)) for c, i in found)]
    return []


def _holds(bad: pl.Expr) -> Callable[[pandera.PolarsData], pl.LazyFrame]:
    def check(data: pandera.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(~bad)

    return check
