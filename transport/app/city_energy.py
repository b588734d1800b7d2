"""Energy, load and movement of city travel on the page of cities, as plain frames: result tables in, names and units of the reader out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transport.app.account_tables import TONNES
from transport.app.city_tables import PKM, whole
from transport.i18n import labels, t
from transport.layout import BASE_YEAR
from transport.urban_tables import IN_ACCOUNTS, NOT_MODELLED, TJ_PER_KGCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.inputs import Inputs

#: What marks a length that no figure of the city is behind.
_NO_CITY_FIGURE = "*"
#: Coal equivalent [kgce] and electricity [kWh] in the units of the reader: 10^4 tce and 10^8 kWh in Chinese, ktce and GWh in English.
_KGCE: Mapping[str, float] = {"zh": 1e7, "en": 1e6}
_KWH: Mapping[str, float] = {"zh": 1e8, "en": 1e6}
_PERCENT = 100.0
_DAYS_PER_YEAR = 365.0


def energy_rows(urban: pl.DataFrame, area: str, year: int, data: Inputs, lang: str) -> pl.DataFrame:
    """Return passenger-km, vehicle-km, energy and CO2 of a city by mode, and per passenger-km.

    Parameters
    ----------
    urban
        Table ``urban_travel``.
    area
        Prefecture code.
    year
        Calendar year.
    data
        For the labels.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    frame
        Columns mode, pkm, vehicle_km [unit of the reader], coal [10^4 tce or ktce/yr], power (the same
        energy at the calorific value of electricity) [10^8 kWh or GWh/yr], direct, direct_power, wtw [10^4 t or kt/yr], mj_per_pkm, g_per_pkm (CO2 with power), basis (text: what the energy is); then the sum in the accounts, and the sum of all last, without vehicle-km; null where nobody counts it.
    """
    names = labels(data, "travel_mode", lang)
    order = {code: k for k, code in enumerate(names)}
    own = urban.filter(pl.col("area") == area, pl.col("year") == year).sort(pl.col("mode").replace_strict(order))
    held = own.filter(pl.col("energy_basis") == IN_ACCOUNTS)
    # the sum per passenger-km counts the modes whose energy is known
    known = own.filter(pl.col("energy_basis") != NOT_MODELLED)
    per_kwh = float(data.params().get("coal_equivalent_electricity", "calorific")[0, 0])
    driven = pl.lit(None, dtype=pl.Float64)
    sums = [whole(_amounts(part, names, per_kwh, lang), lang).with_columns(vehicle_km=driven) for part in (held, own)]
    sums[0] = sums[0].with_columns(mode=pl.lit(t("cities.in_accounts", lang)))
    rows = pl.concat([_amounts(own, names, per_kwh, lang), *sums])
    pkm, energy, carbon = (
        pl.Series([*own[c], held[c].sum(), known[c].sum()], dtype=pl.Float64) for c in ("pkm", "energy_tj", "direct_power_t")
    )
    per = pl.when(pl.lit(pkm) > 0.0)
    basis = [*(t(f"cities.basis_{code}", lang) for code in own["energy_basis"]), "", ""]
    return rows.with_columns(
        mj_per_pkm=per.then(energy * 1e6 / pkm), g_per_pkm=per.then(carbon * 1e6 / pkm), basis=pl.Series(basis, dtype=pl.String)
    )


def _amounts(urban: pl.DataFrame, names: Mapping[str, str], kgce_per_kwh: float, lang: str) -> pl.DataFrame:
    """Return amounts by mode in the units of the reader."""
    kgce = pl.col("energy_tj") / TJ_PER_KGCE
    return urban.select(
        mode=pl.col("mode").replace(names),
        pkm=pl.col("pkm") / PKM[lang],
        vehicle_km=pl.col("vehicle_km") / PKM[lang],
        coal=kgce / _KGCE[lang],
        power=kgce / kgce_per_kwh / _KWH[lang],
        direct=pl.col("direct_t") / TONNES[lang],
        direct_power=pl.col("direct_power_t") / TONNES[lang],
        wtw=pl.col("wtw_t") / TONNES[lang],
    )


def city_energy(urban: pl.DataFrame, areas: Sequence[str], year: int, data: Inputs, lang: str) -> pl.DataFrame:
    """Return CO2 with power by city and mode as bars.

    Parameters
    ----------
    urban
        Table ``urban_travel``.
    areas
        Codes in order.
    year
        Calendar year.
    data
        For the labels.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    frame
        Columns name (city), part (mode), amount [10^4 t or kt/yr].
    """
    names, modes = labels(data, "area", lang), labels(data, "travel_mode", lang)
    rank = {code: k for k, code in enumerate(areas)}
    rows = urban.filter(pl.col("year") == year, pl.col("area").is_in(list(areas)), pl.col("direct_power_t") > 0.0)
    return rows.sort(pl.col("area").replace_strict(rank), "mode").select(
        name=pl.col("area").replace(names), part=pl.col("mode").replace(modes), amount=pl.col("direct_power_t") / TONNES[lang]
    )


def load_rows(load: pl.DataFrame, areas: Sequence[str], year: int, data: Inputs, lang: str) -> pl.DataFrame:
    """Return how full buses and trains are.

    Parameters
    ----------
    load
        Table ``transit_load``.
    areas
        Codes in order.
    year
        Calendar year.
    data
        For the labels.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    frame
        Columns city, mode, line_km (text: length, range, * where no city figure), boardings [10^4 per day], per_km_day (boardings), pkm_per_km
        [10^4 pkm per km and year], inside (share of the vehicles' kilometres that counts) [percent], persons, load (text with range) [percent], limit
        [percent], crowded (text).
    """
    names, modes = labels(data, "area", lang), labels(data, "travel_mode", lang)
    rank = {code: k for k, code in enumerate(areas)}
    rows = load.filter(pl.col("year") == year, pl.col("area").is_in(list(areas)))
    rows = rows.sort("mode", pl.col("area").replace_strict(rank))
    yes, no = t("cities.crowded_yes", lang), t("cities.crowded_no", lang)
    lines = [
        _ranged((km, low, high), ",.0f", _NO_CITY_FIGURE if basis == "default" else "")
        for km, low, high, basis in rows.select("line_km", "line_km_low", "line_km_high", "line_basis").iter_rows()
    ]
    loads = [_ranged(row, ".0f") for row in rows.select(pl.col("load", "load_low", "load_high") * _PERCENT).iter_rows()]
    return rows.select(
        city=pl.col("area").replace(names),
        mode=pl.col("mode").replace(modes),
        line_km=pl.Series(lines, dtype=pl.String),
        boardings=pl.col("boardings") / _DAYS_PER_YEAR / 1e4,
        per_km_day="boardings_per_line_km_day",
        pkm_per_km=pl.col("pkm_per_line_km") / 1e4,
        inside=_PERCENT * pl.col("central_share"),
        persons="persons_per_vehicle",
        load=pl.Series(loads, dtype=pl.String),
        limit=_PERCENT * pl.col("load_limit"),
        crowded=pl.col("crowded").replace_strict({True: yes, False: no}, return_dtype=pl.String),
    )


def _ranged(numbers: Sequence[float | None], form: str, mark: str = "") -> str:
    """Return a number with its low and high end as a text, empty where there is none."""
    value, low, high = numbers
    if value is None:
        return ""
    ends = "" if low is None or high is None else f" ({low:{form}}–{high:{form}})"
    return f"{value:{form}}{mark}{ends}"


def active_rows(active: pl.DataFrame, areas: Sequence[str], year: int, data: Inputs, lang: str) -> pl.DataFrame:
    """Return kilometres and minutes on foot and by cycle of a resident and day, of the base year and of another one.

    Parameters
    ----------
    active
        Table ``active_travel``.
    areas
        Codes in order.
    year
        Calendar year.
    data
        For the labels.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    frame
        Columns city, and base_ and own values of walk_km, walk_min, cycle_km, cycle_min.
    """
    names = labels(data, "area", lang)
    rank = {code: k for k, code in enumerate(areas)}
    measures = [f"{mode}_{what}_per_day" for mode in ("walk", "cycle") for what in ("km", "min")]
    own = active.filter(pl.col("area").is_in(list(areas)))
    now, base = (own.filter(pl.col("year") == y).select("area", *measures) for y in (year, BASE_YEAR))
    both = now.join(base, on="area", suffix="_base").sort(pl.col("area").replace_strict(rank))
    return both.select(
        pl.col("area").replace(names).alias("city"),
        *(
            pl.col(f"{name}{suffix}").alias(f"{prefix}{name.removesuffix('_per_day')}")
            for name in measures
            for prefix, suffix in (("base_", "_base"), ("", ""))
        ),
    )


def accounts_rows(urban_km: pl.DataFrame, year: int, data: Inputs, lang: str) -> pl.DataFrame:
    """Return the distance of cars and taxis of the accounts by who drives it.

    Parameters
    ----------
    urban_km
        Table ``urban_km``.
    year
        Calendar year.
    data
        For the labels.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    frame
        Columns vehicle_class, city, rest, intercity, total [unit of the reader], gap (what the parts miss of the total), reconciliation.
    """
    names = labels(data, "vehicle_class", lang)
    made = pl.col("city_km") + pl.col("rest_km") + pl.col("intercity_km")
    return urban_km.filter(pl.col("year") == year).select(
        vehicle_class=pl.col("vehicle_class").replace(names),
        city=pl.col("city_km") / PKM[lang],
        rest=pl.col("rest_km") / PKM[lang],
        intercity=pl.col("intercity_km") / PKM[lang],
        total=pl.col("total_km") / PKM[lang],
        gap=(made - pl.col("total_km")) / PKM[lang],
        reconciliation="reconciliation",
    )
