"""The scorecard: one line per target, in the headline reading, with what the other readings say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from transport.targets import NOT_MODELLED

if TYPE_CHECKING:
    from collections.abc import Sequence

READING = ("scope", "boundary", "base", "variant")
#: Verdicts that count as met in "met in k of n readings".
MET = ("met", "within_tolerance")


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """One target and what the model says of it.

    Attributes
    ----------
    id, area, year
        The target.
    value, actual, target, gap
        In ``unit``; ``value`` is None where the indicator has no value (a peak that does not come), ``actual`` where none is entered. A
        positive gap is what is missing of the actual, or else of the modelled value.
    unit, direction, strength, verdict, quality
        As in the table ``indicators``.
    met, readings
        How many of the readings (scope x boundary x base x variant) meet the target; 1 of 1 where there is only one.
    """

    id: str
    area: str
    year: int
    value: float | None
    actual: float | None
    target: float
    gap: float | None
    unit: str
    direction: str
    strength: str
    verdict: str
    quality: str
    met: int
    readings: int


def headline_rows(indicators: pl.DataFrame, definitions: pl.DataFrame) -> pl.DataFrame:
    """Return the indicator rows in their headline reading.

    Parameters
    ----------
    indicators
        Result table ``indicators``.
    definitions
        Table ``indicators`` of the data: id and the headline's scope, boundary, base, variant.
    """
    wanted = definitions.select("id", *[pl.col(c).fill_null("") for c in READING])
    return indicators.join(wanted, on=["id", *READING], how="semi", maintain_order="left")


def scorecard(indicators: pl.DataFrame, definitions: pl.DataFrame) -> list[ScoreLine]:
    """Return one line per target, in the order of ``definitions`` and then area; targets without a definition come last.

    Parameters
    ----------
    indicators
        Result table ``indicators``.
    definitions
        Table ``indicators`` of the data.
    """
    order = definitions["id"].to_list()
    targets = indicators.filter(pl.col("target").is_not_null())
    # a target that no model reaches has no headline reading, and is never left out
    headline = headline_rows(targets, definitions)
    alone = targets.filter(~pl.col("id").is_in(order) | (pl.col("verdict") == NOT_MODELLED))
    rows = pl.concat([headline, alone.join(headline, on=["id", "area", "year"], how="anti")])
    lines = [_line(row, targets) for row in rows.iter_rows(named=True)]
    order += sorted(set(alone["id"].to_list()) - set(order))
    return sorted(lines, key=lambda line: (order.index(line.id), line.area, line.year))


def _line(row: dict[str, object], targets: pl.DataFrame) -> ScoreLine:
    others = targets.filter(pl.col("id") == row["id"], pl.col("area") == row["area"], pl.col("year") == row["year"])
    value = None if row["value"] is None else float(str(row["value"]))
    target = float(str(row["target"]))
    actual = None if row["actual"] is None else float(str(row["actual"]))
    reached = value if actual is None else actual
    gap = None
    if reached is not None:
        gap = target - reached if row["direction"] == "at_least" else reached - target
    return ScoreLine(
        id=str(row["id"]),
        area=str(row["area"]),
        year=int(str(row["year"])),
        value=value,
        actual=actual,
        target=target,
        gap=gap,
        unit=str(row["unit"]),
        direction=str(row["direction"]),
        strength=str(row["strength"]),
        verdict=str(row["verdict"]),
        quality=str(row["quality"]),
        met=others.filter(pl.col("verdict").is_in(MET)).height,
        readings=others.height,
    )


def reading_matrix(indicators: pl.DataFrame, indicator: str, year: int) -> pl.DataFrame:
    """Return the matrix of readings of one indicator: boundary, base, and one column per scope."""
    rows = indicators.filter(pl.col("id") == indicator, pl.col("year") == year, pl.col("variant") == "")
    return rows.pivot(on="scope", index=["boundary", "base"], values="value", sort_columns=False).sort("base", "boundary")


#: Letters of the runs that are compared, the first being the one that the others are held against.
SIDES = "abcd"


def compare_runs(first: pl.DataFrame, *others: pl.DataFrame, years: Sequence[int]) -> pl.DataFrame:
    """Return the indicators of up to four runs side by side.

    Parameters
    ----------
    first, *others
        Result tables ``indicators``.
    years
        Years to compare.

    Returns
    -------
    polars.DataFrame
        ``id``, ``area``, ``year``, the reading, ``unit``, ``value_a``, ``value_b`` (``value_c``, ``value_d``), ``difference`` = b - a, and where there
        are more ``difference_c`` = c - a, ``difference_d``.
    """
    keys = ["id", "area", "year", *READING]
    joined = first.filter(pl.col("year").is_in(years)).select(*keys, "unit", pl.col("value").alias("value_a"))
    for side, table in zip(SIDES[1:], others, strict=False):
        mine = table.filter(pl.col("year").is_in(years)).select(*keys, "unit", pl.col("value").alias(f"value_{side}"))
        joined = (
            joined.join(mine, on=keys, how="full", coalesce=True)
            .with_columns(pl.coalesce("unit", "unit_right"))
            .drop("unit_right")
        )
    change = {
        "difference" if side == "b" else f"difference_{side}": pl.col(f"value_{side}") - pl.col("value_a")
        for side, _ in zip(SIDES[1:], others, strict=False)
    }
    values = [f"value_{side}" for side, _ in zip(SIDES, (first, *others), strict=False)]
    return joined.with_columns(**change).select(*keys, "unit", *values, *change).sort(keys)
