"""Energy and CO2 of the fleets by class, carrier and prefecture, as plain frames in the reader's units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transport.app.fleet_tables import KWH, TONNES, parents
from transport.i18n import labels
from transport.prefectures import UNALLOCATED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transport.inputs import Inputs

_KG = 1000.0
#: Fuels on the reader's scale by unit of the tables: t -> 10^4 t or kt, m3 -> 10^8 m3 or 10^6 m3, kWh -> 10^8 kWh or GWh.
_NATIVE = {
    "zh": {"t": 1e4, "m3": 1e8, "kWh": KWH["zh"]},
    "en": {"t": 1e3, "m3": 1e6, "kWh": KWH["en"]},
}


def coal_rates(energy: pl.DataFrame) -> dict[str, float]:
    """Return the coal equivalent of each carrier [kgce per unit of the carrier], as the run counts it.

    Parameters
    ----------
    energy
        Result table ``energy``.
    """
    used = energy.filter(pl.col("quantity") > 0).group_by("carrier").agg(pl.col("kgce").sum() / pl.col("quantity").sum())
    return dict(used.iter_rows())


def of_area(energy: pl.DataFrame, areas: pl.DataFrame | None, area: str) -> pl.DataFrame:
    """Return energy of the province, or of one prefecture: year, vehicle_class, carrier, quantity, unit, kgce.

    Parameters
    ----------
    energy
        Result table ``energy``.
    areas
        Result table ``energy_areas``; not needed for the province.
    area
        Code of the province or of a prefecture, or what is allocated to none.
    """
    if areas is None or area not in set(areas["area"].to_list()):
        return energy.select("year", "vehicle_class", "carrier", "quantity", "unit", "kgce")
    rate = coal_rates(energy)
    return areas.filter(pl.col("area") == area).select(
        "year",
        "vehicle_class",
        "carrier",
        "quantity",
        "unit",
        kgce=pl.col("quantity") * pl.col("carrier").replace_strict(rate, default=0.0, return_dtype=pl.Float64),
    )


def by_carrier(rows: pl.DataFrame, classes: Sequence[str] | None, data: Inputs, lang: str) -> pl.DataFrame:
    """Return energy by year and carrier: year, code, part (label), amount [10^4 t or kt of coal equivalent].

    Parameters
    ----------
    rows
        From :func:`of_area`.
    classes
        Vehicle classes that count, None = all.
    data
        For labels.
    lang
        ``zh`` or ``en``.
    """
    named = labels(data, "carrier", lang)
    rank = {code: k for k, code in enumerate(named)}
    mine = rows if classes is None else rows.filter(pl.col("vehicle_class").is_in(list(classes)))
    found = mine.group_by("year", "carrier").agg((pl.col("kgce").sum() / _KG / TONNES[lang]).alias("amount"))
    return (
        found.filter(pl.col("amount").max().over("carrier") > 0)
        .sort(pl.col("carrier").replace_strict(rank, return_dtype=pl.Int64), "year")
        .select("year", code="carrier", part=pl.col("carrier").replace_strict(named), amount="amount")
    )


def class_energy(rows: pl.DataFrame, year: int, data: Inputs, lang: str) -> pl.DataFrame:
    """Return energy by group of classes and carrier in one year: name, code, part, amount [10^4 t or kt of coal equivalent]; the largest first.

    Parameters
    ----------
    rows
        From :func:`of_area`.
    year
        Calendar year.
    data
        For groups and labels.
    lang
        ``zh`` or ``en``.
    """
    named, classes = labels(data, "carrier", lang), labels(data, "vehicle_class", lang)
    group = parents(data)
    found = (
        rows.filter(pl.col("year") == year, pl.col("kgce") > 0)
        .with_columns(pl.col("vehicle_class").replace(group).replace(classes).alias("name"))
        .group_by("name", "carrier")
        .agg((pl.col("kgce").sum() / _KG / TONNES[lang]).alias("amount"))
    )
    whole = pl.col("amount").sum().over("name")
    return found.sort(whole, "name", "carrier", descending=[True, False, False]).select(
        "name", code="carrier", part=pl.col("carrier").replace_strict(named), amount="amount"
    )


def class_table(rows: pl.DataFrame, year: int, data: Inputs, lang: str) -> pl.DataFrame:
    """Return energy by group of classes in one year in native units: name, one column per carrier, coal (equivalent), the sum last.

    Parameters
    ----------
    rows
        From :func:`of_area`.
    year
        Calendar year.
    data
        For groups and labels.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    frame
        Fuels in 10^4 t (kt), natural gas in 10^8 m3 (10^6 m3), electricity in 10^8 kWh (GWh), coal equivalent in 10^4 t (kt).
    """
    classes, group = labels(data, "vehicle_class", lang), parents(data)
    order = list(labels(data, "carrier", lang))
    found = (
        rows.filter(pl.col("year") == year, pl.col("quantity") > 0)
        .with_columns(
            pl.col("vehicle_class").replace(group).replace(classes).alias("name"),
            (pl.col("quantity") / pl.col("unit").replace_strict(_NATIVE[lang], return_dtype=pl.Float64)).alias("amount"),
        )
        .group_by("name", "carrier")
        .agg(pl.col("amount").sum(), (pl.col("kgce").sum() / _KG / TONNES[lang]).alias("coal"))
    )
    used = [code for code in order if code in set(found["carrier"].to_list())]
    wide = found.pivot(on="carrier", index="name", values="amount")
    coal = found.group_by("name").agg(pl.col("coal").sum())
    table = wide.join(coal, on="name").sort("coal", "name", descending=[True, False])
    return table.select("name", *[pl.col(code).fill_null(0.0) for code in used], "coal")


def class_co2(co2: pl.DataFrame, year: int, scope: str, data: Inputs, lang: str) -> pl.DataFrame:
    """Return CO2 by group of classes in one year and scope: name, code (group), amount [10^4 t or kt], share [percent]; the largest first.

    Parameters
    ----------
    co2
        Result table ``co2``.
    year
        Calendar year.
    scope
        ``direct``, ``direct_power`` or ``wtw``.
    data
        For groups and labels.
    lang
        ``zh`` or ``en``.
    """
    classes, group = labels(data, "vehicle_class", lang), parents(data)
    found = (
        co2.filter(pl.col("year") == year, pl.col("scope") == scope)
        .with_columns(pl.col("vehicle_class").replace(group).alias("code"))
        .group_by("code")
        .agg((pl.col("t").sum() / TONNES[lang]).alias("amount"))
        .filter(pl.col("amount") > 0)
    )
    return found.sort("amount", "code", descending=[True, False]).select(
        name=pl.col("code").replace(classes),
        code="code",
        amount="amount",
        share=100.0 * pl.col("amount") / pl.col("amount").sum(),
    )


def co2_paths(co2: pl.DataFrame, scope: str, data: Inputs, lang: str, top: int, other: str) -> pl.DataFrame:
    """Return CO2 over the years by group of classes, the smaller ones together: year, part (label), amount [10^4 t or kt].

    Parameters
    ----------
    co2
        Result table ``co2``.
    scope
        ``direct``, ``direct_power`` or ``wtw``.
    data
        For groups and labels.
    lang
        ``zh`` or ``en``.
    top
        Groups shown by themselves: those with most CO2 over all years.
    other
        What the others together are called.
    """
    classes, group = labels(data, "vehicle_class", lang), parents(data)
    found = (
        co2.filter(pl.col("scope") == scope)
        .with_columns(pl.col("vehicle_class").replace(group).replace(classes).alias("part"))
        .group_by("year", "part")
        .agg((pl.col("t").sum() / TONNES[lang]).alias("amount"))
    )
    ranked = found.group_by("part").agg(pl.col("amount").sum()).sort("amount", "part", descending=[True, False])["part"].to_list()
    shown = {name: k for k, name in enumerate(ranked[:top])}
    part = pl.when(pl.col("part").is_in(list(shown))).then("part").otherwise(pl.lit(other)).alias("part")
    summed = found.with_columns(part).group_by("year", "part").agg(pl.col("amount").sum())
    rank = pl.col("part").replace_strict(shown, default=len(shown), return_dtype=pl.Int64)
    return summed.sort(rank, "year")


def area_codes(areas: pl.DataFrame) -> list[str]:
    """Return the prefectures of a table of areas in the order of their codes; what is allocated to none is left out."""
    return sorted(set(areas["area"].to_list()) - {UNALLOCATED})


def sector_co2(areas: pl.DataFrame, year: int, scope: str, area: str, data: Inputs, lang: str) -> pl.DataFrame:
    """Return CO2 of one prefecture by sector: name, amount [10^4 t or kt], share [percent]; the largest first.

    Parameters
    ----------
    areas
        Result table ``co2_areas``.
    year
        Calendar year.
    scope
        ``direct``, ``direct_power`` or ``wtw``.
    area
        Code of the prefecture.
    data
        For labels.
    lang
        ``zh`` or ``en``.
    """
    named = labels(data, "area_sector", lang)
    rows = areas.filter(pl.col("year") == year, pl.col("scope") == scope, pl.col("area") == area)
    found = rows.group_by("sector").agg((pl.col("t").sum() / TONNES[lang]).alias("amount")).filter(pl.col("amount") > 0)
    return found.sort("amount", "sector", descending=[True, False]).select(
        name=pl.col("sector").replace_strict(named),
        amount="amount",
        share=100.0 * pl.col("amount") / pl.col("amount").sum(),
    )
