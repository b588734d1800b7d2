"""Decomposition of a target of the province: how much each city and each sector must contribute, by selectable rules.

A target "x per cent below the base year per converted tonne-km" allows the province an amount in the target year; the rules share the
amount that must be cut among cells of place and sector. The sum of all cells is the target, whatever the rule.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport import accounts
from transport.layout import BASE_YEAR, PROVINCE, SCOPES, YEARS, year_index
from transport.parts import boundaries, part_of_class
from transport.prefectures import UNALLOCATED, area_shares, by_class, census, drivers, gdp, places, prefectures
from transport.targets import RULES, SHARED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from transport.inputs import Inputs, Target
    from transport.parts import Books, Parts

#: Cells may differ from the target by this part of it.
SUM_LIMIT = 1e-9
#: A cell that stays below its reference by no more than this part of it has given nothing: rounding, not a measure.
_NOISE = 1e-9
_NORMAL = "_normal"
_PERCENT = 100.0


class DecomposeError(ValueError):
    """A target that cannot be shared, or a rule that has nothing to share by."""


@dataclass(frozen=True)
class Effort:
    """What a target asks of the province, by cell.

    Attributes
    ----------
    target
        Code of the indicator.
    year, unit
        Year of the target and unit of the amounts.
    places, sectors
        Axes of the arrays.
    base, past
        Amounts ``[place, sector]`` of the base year, with the passengers of 2019 where the base of the headline says so, and from 2015 to
        it as modelled.
    reference
        Amounts of the target year if each cell kept the base year's amount per converted turnover of the province.
    modelled
        Amounts of the target year in the run.
    cut
        What must be cut in all cells together.
    """

    target: str
    year: int
    unit: str
    places: tuple[str, ...]
    sectors: tuple[str, ...]
    base: NDArray[np.float64]
    past: NDArray[np.float64]
    reference: NDArray[np.float64]
    modelled: NDArray[np.float64]
    cut: float


def province_targets(inputs: Inputs) -> dict[str, Target]:
    """Return the targets of the province that can be shared, by indicator."""
    return {
        target.id: target
        for target in inputs.targets
        if target.id in SHARED and target.area == PROVINCE and target.value is not None
    }


def effort(parts: Parts, target: Target) -> Effort:
    r"""Return what a target asks of the province, by place and sector.

    .. math:: E^{ref}_{c} = E_{c,b}\,T_y / T_b, \qquad C = -x \sum_c E^{ref}_c

    with turnover :math:`T` of the boundary in the run and the target :math:`x < 0` as a share. Amount and turnover of the base year ``b``
    follow the base of the headline: as modelled (``2020``), or with the passengers of 2019 (``2020_normal``).

    Parameters
    ----------
    parts
        Of the run.
    target
        Of :func:`province_targets`.

    Raises
    ------
    DecomposeError
        If the indicator cannot be shared, the target asks for no cut, or the headline is read against another year than the target's.
    """
    if target.id not in SHARED:
        msg = f"target {target.id!r} is no change per converted turnover; it can be one of {', '.join(SHARED)}"
        raise DecomposeError(msg)
    if target.value is None or target.value >= 0.0 or target.base_year is None or target.year is None:
        msg = f"target {target.id!r} asks for {target.value} {target.unit} since {target.base_year}; only a fall since a base year can be shared"
        raise DecomposeError(msg)
    headline = parts.inputs.table("indicators").filter(pl.col("id") == target.id).row(0, named=True)
    amounts, turnover, unit = _amounts(parts, parts.now, headline)
    start, start_turnover, _ = _amounts(parts, _base_books(parts, target, headline["base"]), headline)
    shares, known = area_shares(parts), drivers(parts.inputs)
    sectors = tuple(sorted({known[name][0] for name in (*amounts, *start)}))
    cells, first = (np.zeros((len(places(parts.inputs)), len(sectors), len(YEARS))) for _ in range(2))
    for total, found in ((cells, amounts), (first, start)):
        for name, amount in found.items():
            sector, driver = known[name]
            total[:, sectors.index(sector)] += shares[driver] * amount
    base, year = year_index(target.base_year), year_index(target.year)
    reference = first[:, :, base] * turnover[year] / start_turnover[base]
    return Effort(
        target=target.id,
        year=target.year,
        unit=unit,
        places=places(parts.inputs),
        sectors=sectors,
        base=first[:, :, base],
        past=cells[:, :, : base + 1].sum(axis=2),
        reference=reference,
        modelled=cells[:, :, year],
        cut=float(-target.value / _PERCENT * reference.sum()),
    )


def _base_books(parts: Parts, target: Target, base: str | None) -> Books:
    """Return the accounts that hold the base year of the headline.

    Raises
    ------
    DecomposeError
        If the headline is read against another year than the target, or against normal loads of a year that has none.
    """
    year = str(target.base_year)
    if base == year:
        return parts.now
    if base == f"{BASE_YEAR}{_NORMAL}" and target.base_year == BASE_YEAR:
        return parts.before
    msg = (
        f"indicators: the headline of {target.id!r} is read against {base!r}, its target against {year}; "
        f"set base to {year}, or to {BASE_YEAR}{_NORMAL} where the target's base year is {BASE_YEAR}"
    )
    raise DecomposeError(msg)


def _amounts(
    parts: Parts, books: Books, headline: Mapping[str, str]
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64], str]:
    """Return the amount by class ``[year]``, converted turnover ``[year]`` and the unit of the amounts."""
    inputs, own = parts.inputs, replace(parts, now=books)
    if headline["id"] == "rail_energy_intensity":
        part_of = part_of_class(inputs, operating_only=False)
        kgce = by_class(own, accounts.coal_equivalent(books.energy, parts.params)[:, 0])
        return {n: a for n, a in kgce.items() if part_of.get(n) == "rail"}, books.book.turnover_tkm["rail"][0], "kgce/yr"
    counted = boundaries(inputs)[headline["boundary"]]
    part_of = part_of_class(inputs, operating_only=True)
    co2 = by_class(own, books.co2_t[SCOPES.index(headline["scope"]), :, 0])
    turnover = np.sum([books.book.turnover_tkm[part][0] for part in counted], axis=0)
    return {n: a for n, a in co2.items() if part_of.get(n) in counted}, turnover, "tCO2/yr"


def share_cut(asked: Effort, rule: str, weights: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the cut of each cell under a rule.

    Parameters
    ----------
    asked
        Of :func:`effort`.
    rule
        One of :data:`transport.targets.RULES`. ``equal_rate``: every cell by the same percentage of its reference. ``emissions``: in proportion to what it
        has emitted since 2015. ``population`` and ``gdp``: cities by residents or GDP, sectors inside a city by reference; what belongs to
        no city falls at the equal rate. ``potential``: in proportion to what the run takes away from the reference. No cell is cut by more
        than its reference; the excess goes to the others by the same rule. Cells that differ from the reference, or emit, by no more than
        rounding have no weight.
    weights
        ``population`` and ``gdp`` by prefecture, in the order of the places.

    Returns
    -------
    array
        ``[place, sector]``, in the unit of the amounts; sums to ``asked.cut``.

    Raises
    ------
    DecomposeError
        If the rule is not known, or the cells with a weight cannot give the whole cut (:func:`can_share`).
    """
    if rule not in RULES:
        msg = f"no rule {rule!r}; it can be one of {', '.join(RULES)}"
        raise DecomposeError(msg)
    reference = asked.reference
    if rule == "equal_rate":
        return np.asarray(reference * (asked.cut / reference.sum()))
    weight = _weight(asked, rule)
    if weight is not None:
        return _filled(weight, reference, asked.cut)
    people = weights[rule]
    city = np.array([place != UNALLOCATED for place in asked.places])
    nowhere = reference[~city] * (asked.cut / reference.sum())
    of_city = reference[city].sum(axis=1)
    inside = reference[city] / np.where(of_city > 0.0, of_city, 1.0)[:, None]
    cut = np.zeros_like(reference)
    cut[~city] = nowhere
    cut[city] = _filled(people, of_city, asked.cut - float(nowhere.sum()))[:, None] * inside
    return cut


def _weight(asked: Effort, rule: str) -> NDArray[np.float64] | None:
    """Return what a rule shares by, cell by cell, without rounding; None where it shares by something else."""
    if rule == "emissions":
        weight = asked.past
    elif rule == "potential":
        weight = asked.reference - asked.modelled
    else:
        return None
    return np.where(weight > _NOISE * asked.reference, weight, 0.0)


def can_share(asked: Effort, rule: str) -> bool:
    """Return whether the cells that a rule gives a weight can carry the whole cut; they cannot where a run takes (nearly) nothing away.

    Parameters
    ----------
    asked
        Of :func:`effort`.
    rule
        One of :data:`transport.targets.RULES`.
    """
    weight = _weight(asked, rule)
    return weight is None or float(asked.reference[weight > 0.0].sum()) >= asked.cut


def _filled(weight: NDArray[np.float64], most: NDArray[np.float64], total: float) -> NDArray[np.float64]:
    """Return amounts in proportion to a weight, none above its most, that sum to the total."""
    found = np.zeros_like(weight)
    is_open = (weight > 0.0) & (most > 0.0)
    rest = total
    while rest > SUM_LIMIT * 1e-3 * total:
        if not is_open.any():
            msg = f"the rule leaves {100.0 * rest / total:.0f} % of the cut to nobody: no cell with a weight can cut more"
            raise DecomposeError(msg)
        step = np.where(is_open, weight, 0.0)
        found += step * (rest / step.sum())
        rest = float(np.maximum(found - most, 0.0).sum())
        found = np.minimum(found, most)
        is_open &= found < most
    return found


def target_shares(parts: Parts) -> pl.DataFrame:
    """Return the result table ``target_shares``: every target that can be shared, by every rule, place and sector.

    A rule by which the cut cannot be shared (``potential`` where the cells that the run takes from hold less than the cut) has no rows.

    Raises
    ------
    DecomposeError
        If the cells do not sum to the target.
    """
    inputs = parts.inputs
    cities = prefectures(inputs)
    weights = {"population": census(inputs, "resident_population", cities), "gdp": gdp(inputs, cities)}
    frames = []
    for target in province_targets(inputs).values():
        asked = effort(parts, target)
        for rule in RULES:
            if not can_share(asked, rule):
                continue
            cut = share_cut(asked, rule, weights)
            if abs(cut.sum() / asked.cut - 1.0) > SUM_LIMIT:
                msg = f"{target.id} by {rule}: the cells sum to {cut.sum():g}, the target asks for {asked.cut:g}"
                raise DecomposeError(msg)
            frames.append(_frame(asked, rule, cut))
    return pl.concat(frames) if frames else _frame_schema()


def _frame(asked: Effort, rule: str, cut: NDArray[np.float64]) -> pl.DataFrame:
    n_sector = len(asked.sectors)
    table = pl.DataFrame(
        {
            "target": [asked.target] * cut.size,
            "year": [asked.year] * cut.size,
            "rule": [rule] * cut.size,
            "area": np.repeat(asked.places, n_sector),
            "sector": np.tile(asked.sectors, len(asked.places)),
            "unit": [asked.unit] * cut.size,
            "base": asked.base.ravel(),
            "reference": asked.reference.ravel(),
            "cut": cut.ravel(),
            "allowed": (asked.reference - cut).ravel(),
            "modelled": asked.modelled.ravel(),
        }
    )
    return table.filter(pl.col("reference") > 0.0).with_columns(
        cut_pct=_PERCENT * pl.col("cut") / pl.col("reference"), gap=pl.col("modelled") - pl.col("allowed")
    )


def _frame_schema() -> pl.DataFrame:
    texts = dict.fromkeys(("target", "rule", "area", "sector", "unit"), pl.String)
    numbers = dict.fromkeys(("base", "reference", "cut", "allowed", "modelled", "cut_pct", "gap"), pl.Float64)
    order = (
        "target",
        "year",
        "rule",
        "area",
        "sector",
        "unit",
        "base",
        "reference",
        "cut",
        "allowed",
        "modelled",
        "cut_pct",
        "gap",
    )
    return pl.DataFrame(schema={name: (texts | numbers | {"year": pl.Int64})[name] for name in order})


def summed(table: pl.DataFrame, by: str) -> pl.DataFrame:
    """Return rows of one target and rule of ``target_shares`` summed over the other axis.

    Parameters
    ----------
    table
        Rows of one target and rule.
    by
        ``area`` or ``sector``.

    Returns
    -------
    frame
        Columns of the axis, base, reference, cut, allowed, modelled, gap, cut_pct; one row each.
    """
    amounts = ("base", "reference", "cut", "allowed", "modelled", "gap")
    return (
        table.group_by(by, maintain_order=True)
        .agg([pl.col(name).sum() for name in amounts])
        .with_columns(cut_pct=_PERCENT * pl.col("cut") / pl.col("reference"))
    )


def decompose_tables(parts: Parts) -> Mapping[str, pl.DataFrame]:
    """Return the table ``target_shares`` of a run."""
    return {"target_shares": target_shares(parts)}
