"""What vehicles cost by powertrain, when new energy breaks even, and the batteries that retire, as plain frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transport.app.fleet_tables import CELLS, ROAD
from transport.i18n import labels, t

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.app.fleet_tables import Fleet
    from transport.inputs import Inputs

#: Components of the cost of ownership in the order of the stack.
COMPONENTS = ("capital", "energy", "maintenance", "fixed", "infrastructure", "battery", "payload")


def ownership(table: pl.DataFrame, year: int, vehicle_class: str, data: Inputs, lang: str) -> pl.DataFrame:
    """Return the cost of ownership of one class by powertrain and component: powertrain, component, cost [CNY/unit], total; cheapest first."""
    rows = table.filter(pl.col("year") == year, pl.col("vehicle_class") == vehicle_class).sort("total_cny2023_per_unit")
    named = labels(data, "powertrain", lang)
    rows = rows.with_columns(pl.col("powertrain").replace_strict(named))
    parts = rows.unpivot(
        [f"{part}_cny2023_per_unit" for part in COMPONENTS],
        index=["powertrain", "total_cny2023_per_unit"],
        variable_name="part",
        value_name="cost",
    )
    called = {f"{part}_cny2023_per_unit": t(f"fleets.cost_{part}", lang) for part in COMPONENTS}
    return parts.select(
        "powertrain", pl.col("part").replace_strict(called).alias("component"), "cost", total="total_cny2023_per_unit"
    )


def break_even(table: pl.DataFrame, vehicle_class: str, new: frozenset[tuple[str, str]]) -> dict[str, int | None]:
    """Return by powertrain of new energy the first year from which it costs no more than the cheapest other powertrain, to the end; None if never.

    Parameters
    ----------
    table
        Result table ``tco``.
    vehicle_class
        One class.
    new
        From :func:`new_energy`.

    Notes
    -----
    The year counts only if the powertrain stays as cheap in all years after it. Without another powertrain there is nothing to break even with.
    """
    mine = table.filter(pl.col("vehicle_class") == vehicle_class).select("year", "powertrain", cost="total_cny2023_per_unit")
    is_new = [(vehicle_class, code) in new for code in mine["powertrain"]]
    mine = mine.with_columns(pl.Series("new", is_new, dtype=pl.Boolean))
    old = mine.filter(~pl.col("new")).group_by("year").agg(pl.col("cost").min().alias("rival"))
    if old.is_empty():
        return {}
    both = mine.filter("new").join(old, on="year").sort("year")
    found: dict[str, int | None] = {}
    for (code,), rows in both.group_by("powertrain", maintain_order=True):
        dear = rows.filter(pl.col("cost") > pl.col("rival"))["year"].max()
        years = [year for year in rows["year"].to_list() if dear is None or year > int(str(dear))]
        found[str(code)] = years[0] if years else None
    return found


def cost_rows(
    table: pl.DataFrame, year: int, vehicle_class: str, new: frozenset[tuple[str, str]], data: Inputs, lang: str
) -> pl.DataFrame:
    """Return cost and sales of one class by powertrain, the cheapest first.

    Parameters
    ----------
    table
        Result table ``tco``.
    year
        Calendar year.
    vehicle_class
        One class.
    new
        From :func:`new_energy`.
    data
        For labels.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    frame
        Columns powertrain, one column per component, total [CNY/unit], path, by_cost [percent of sales], even (year from which it is no dearer, in words).
    """
    rows = table.filter(pl.col("year") == year, pl.col("vehicle_class") == vehicle_class).sort("total_cny2023_per_unit")
    named, even = labels(data, "powertrain", lang), break_even(table, vehicle_class, new)
    first = int(str(table["year"].min()))

    def said(code: str) -> str:
        if code not in even:
            return ""
        found = even[code]
        if found is None:
            return t("fleets.even_never", lang)
        return t("fleets.even_always", lang, year=first) if found == first else str(found)

    return rows.select(
        powertrain=pl.col("powertrain").replace_strict(named),
        **{part: pl.col(f"{part}_cny2023_per_unit") for part in COMPONENTS},
        total="total_cny2023_per_unit",
        path=100.0 * pl.col("path_share"),
        by_cost=100.0 * pl.col("tco_share"),
        even=pl.Series([said(code) for code in rows["powertrain"]], dtype=pl.String),
    )


# ---- batteries --------------------------------------------------------------------------------------------------------------------


def batteries(table: pl.DataFrame, found: Mapping[str, Fleet], first: int, lang: str) -> pl.DataFrame:
    """Return retired batteries by year and fleet, the largest first: year, part (label), amount [10^4 kWh or MWh].

    Parameters
    ----------
    table
        Result table ``retired_batteries``.
    found
        From :func:`fleets`; the group of all road vehicles is left out.
    first
        First year shown.
    lang
        ``zh`` or ``en``.
    """
    owner = {name: fleet.label for code, fleet in found.items() if code != ROAD for name in fleet.classes}
    rows = (
        table.filter(pl.col("year") >= first, pl.col("vehicle_class").is_in(list(owner)))
        .with_columns(pl.col("vehicle_class").replace_strict(owner).alias("part"))
        .group_by("year", "part")
        .agg((pl.col("kwh").sum() / CELLS[lang]).alias("amount"))
    )
    whole = pl.col("amount").sum().over("part")
    return rows.filter(whole > 0).sort(whole, "part", "year", descending=[True, False, False])


def battery_years(table: pl.DataFrame, first: int, lang: str) -> pl.DataFrame:
    """Return retired batteries by year: year, scrapped (with their vehicle), replaced (in use), all [10^4 kWh or MWh].

    Parameters
    ----------
    table
        Result table ``retired_batteries``.
    first
        First year shown.
    lang
        ``zh`` or ``en``.
    """
    return (
        table.filter(pl.col("year") >= first)
        .group_by("year")
        .agg(pl.col("scrapped_kwh", "replaced_kwh", "kwh").sum() / CELLS[lang])
        .sort("year")
        .rename({"scrapped_kwh": "scrapped", "replaced_kwh": "replaced", "kwh": "all"})
    )
