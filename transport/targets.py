"""What the province promised, and the verdict on a modelled value."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from transport.inputs import Inputs, Target

#: Verdict on a target that no model reaches and for which no actual value is entered.
NOT_MODELLED: Literal["not_modelled"] = "not_modelled"

#: Indicator whose target holds for the cities above a number of residents, whichever they are.
CITY_TARGET = "green_travel_share"

#: Rules by which the cut that a target asks for is shared among cities and sectors, the plainest first.
RULES: tuple[str, ...] = ("equal_rate", "emissions", "population", "gdp", "potential")
#: Indicators whose target can be shared: changes in per cent of something per converted turnover.
SHARED: tuple[str, ...] = ("operating_co2_intensity", "rail_energy_intensity")

#: What a target and a row of the table ``indicators`` share.
_KEY = ("id", "area", "year")

Verdict: TypeAlias = Literal["met", "within_tolerance", "missed", "actual_pending", "tracked", "not_modelled"]


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


def with_cities(targets: Iterable[Target], cities: Iterable[str]) -> tuple[Target, ...]:
    """Return the targets with one green travel target for every city that has it, and none for another.

    Parameters
    ----------
    targets
        Targets of the data. Those of :data:`CITY_TARGET` are one promise written down by city; a city without a row of its own takes the
        first row of the same document, clause and year.
    cities
        Areas above the plan's number of residents.

    Notes
    -----
    The plan names no city, only the number of residents: who has the target follows from the census and
    ``green_travel_residents_threshold``, not from the rows.
    """
    wanted, targets = sorted(set(cities)), tuple(targets)
    own: dict[tuple[str, str, int | None], dict[str, Target]] = {}
    for target in targets:
        if target.id == CITY_TARGET:
            own.setdefault((target.document, target.clause, target.year), {})[target.area] = target
    made: list[Target] = []
    for target in targets:
        # where the first row of a promise stands, all of its cities; the others where they stood
        of_area = own.pop((target.document, target.clause, target.year), {}) if target.id == CITY_TARGET else None
        if of_area is None:
            made.append(target)
        elif of_area:
            made += [of_area.get(area, replace(target, area=area)) for area in wanted]
    return tuple(made)


def targets_of(targets: Iterable[Target], indicators: pl.DataFrame) -> tuple[Target, ...]:
    """Return the targets that a run was judged by: the green travel target for the cities that have it in its table.

    Parameters
    ----------
    targets
        Targets of the data.
    indicators
        Result table ``indicators``.
    """
    judged = indicators.filter(pl.col("id") == CITY_TARGET, pl.col("target").is_not_null())
    return with_cities(targets, judged["area"].to_list())


def attach_targets(
    series: pl.DataFrame, targets: Iterable[Target], actuals: Mapping[tuple[str, str, int], float], *, vintage_year: int
) -> pl.DataFrame:
    """Join targets to indicator rows of the same id, area and year; a target without any row gets one that says so.

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
    targets = tuple(targets)
    modelled = set(series.select(_KEY).iter_rows())
    series = pl.concat([series, _unmodelled_rows(series, targets, modelled)])
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
    judged = [_judge(row, vintage_year, modelled=tuple(row[k] for k in _KEY) in modelled) for row in joined.iter_rows(named=True)]
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


def _unmodelled_rows(series: pl.DataFrame, targets: Iterable[Target], modelled: Container[tuple[Any, ...]]) -> pl.DataFrame:
    """Return a row without value for every target with a number that no model reaches."""
    empty: dict[str, object] = dict.fromkeys(series.columns, "")
    rows = [
        empty | {"id": t.id, "area": t.area, "year": t.year, "value": None, "unit": t.unit}
        for t in targets
        if t.value is not None and t.year is not None and (t.id, t.area, t.year) not in modelled
    ]
    return pl.DataFrame(rows, schema=series.schema)


def unmodelled(inputs: Inputs, lang: str) -> dict[str, str]:
    """Return indicator -> why no model makes it, from ``accounts/unmodelled_targets``.

    Parameters
    ----------
    inputs
        Checked data.
    lang
        ``zh`` or ``en``.
    """
    return dict(inputs.table("accounts/unmodelled_targets").select("id", f"reason_{lang}").iter_rows())


def _judge(row: dict[str, Any], vintage_year: int, *, modelled: bool) -> Verdict:
    """Return the verdict of one indicator row."""
    if row["target"] is None:
        return "tracked"
    if not modelled and row["actual"] is None:
        return NOT_MODELLED
    if row["year"] < vintage_year:
        if row["actual"] is None:
            return "actual_pending"
        return verdict(row["actual"], row["target"], row["tolerance"] or 0.0, row["direction"])
    if row["value"] is None:
        # What does not exist, such as a peak that never comes, meets no target.
        return "missed"
    return verdict(row["value"], row["target"], row["tolerance"] or 0.0, row["direction"])
