"""What the province promised, and the verdict on a modelled value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from transport.inputs import Target

Verdict: TypeAlias = Literal["met", "within_tolerance", "missed", "actual_pending", "tracked"]


def verdict(value: float, target: float, tolerance: float, direction: str) -> Verdict:
    """Return whether a value meets a target.

    Parameters
    ----------
    value, target, tolerance
        In the indicator's unit; the tolerance is what "about" in the plan's wording allows.
    direction
        ``at_least`` or ``at_most``.
    """
    ahead = value - target if direction == "at_least" else target - value
    if ahead >= 0.0:
        return "met"
    return "within_tolerance" if ahead >= -tolerance else "missed"


def attach_targets(
    series: pl.DataFrame, targets: Iterable[Target], actuals: Mapping[tuple[str, str, int], float], *, vintage_year: int
) -> pl.DataFrame:
    """Join targets to indicator rows of the same id, area and year.

    Parameters
    ----------
    series
        Columns id, area, year, scope, boundary, base, variant, value, unit, quality.
    targets
        Targets; scope, boundary, base and variant of a target name the reading that is the headline, they do not limit the verdict.
    actuals
        (indicator, area, year) -> actual value of a target that is past; its verdict follows the actual and not the model.
    vintage_year
        Year of the data: a target of an earlier year waits for the actual value.

    Returns
    -------
    frame
        The result table ``indicators`` of the contract.
    """
    rows = [
        {
            "id": t.id,
            "area": t.area,
            "year": t.year,
            "target": t.value,
            "direction": t.direction,
            "tolerance": t.tolerance,
            "strength": t.strength,
        }
        for t in targets
        if t.value is not None and t.year is not None
    ]
    schema = {
        "id": pl.String,
        "area": pl.String,
        "year": pl.Int64,
        "target": pl.Float64,
        "direction": pl.String,
        "tolerance": pl.Float64,
        "strength": pl.String,
    }
    joined = series.join(pl.DataFrame(rows, schema=schema), on=["id", "area", "year"], how="left", maintain_order="left")
    found = [
        actuals.get((row["id"], row["area"], row["year"])) for row in joined.select("id", "area", "year").iter_rows(named=True)
    ]
    joined = joined.with_columns(actual=pl.Series(found, dtype=pl.Float64))
    judged = [_judge(row, vintage_year) for row in joined.iter_rows(named=True)]
    return (
        joined.with_columns(verdict=pl.Series(judged, dtype=pl.String), strength=pl.col("strength").fill_null("tracked"))
        .select(
            "id",
            "area",
            "year",
            "scope",
            "boundary",
            "base",
            "variant",
            "value",
            "actual",
            "unit",
            "target",
            "direction",
            "tolerance",
            "strength",
            "verdict",
            "quality",
        )
        .sort("id", "area", "year", "scope", "boundary", "base", "variant")
    )


def _judge(row: dict[str, Any], vintage_year: int) -> Verdict:
    """Return the verdict of one indicator row."""
    if row["target"] is None:
        return "tracked"
    if row["year"] < vintage_year:
        if row["actual"] is None:
            return "actual_pending"
        return verdict(row["actual"], row["target"], row["tolerance"] or 0.0, row["direction"])
    if row["value"] is None:
        # What does not exist, such as a peak that never comes, meets no target.
        return "missed"
    return verdict(row["value"], row["target"], row["tolerance"] or 0.0, row["direction"])
