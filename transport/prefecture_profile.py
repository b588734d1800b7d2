"""What each prefecture contributes to each indicator: shares, contributions that sum to the province, per head, per GDP, ranks, qualities.

Everything is computed from the result tables of a stored run and the data, so that no result table is needed and earlier runs show it too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from transport.cities.segments import city_residents, of_area
from transport.indicators import indicator_quality, peak_year
from transport.layout import BASE_YEAR, PROVINCE, QUALITY_ORDER, YEARS, year_index
from transport.prefecture_series import AMOUNTS, CITIES, READING, place_series, reading_of, usable
from transport.prefecture_shares import contributions_of, ranks, values_of
from transport.prefectures import UNALLOCATED, census, driver_quality, gdp, prefectures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.inputs import Inputs
    from transport.prefecture_series import PlaceSeries, ResultTables, Unplaced

_PEAK = "land_oil_peak"
#: What is ranked, each with a column ``*_rank``.
RANKED: tuple[str, ...] = ("value", "change", "per_head", "per_gdp")
SCHEMA: Mapping[str, Any] = {
    "id": pl.String,
    "series": pl.String,
    "kind": pl.String,
    "area": pl.String,
    "year": pl.Int64,
    "base_year": pl.Int64,
    **dict.fromkeys(READING, pl.String),
    "unit": pl.String,
    "value": pl.Float64,
    "base_value": pl.Float64,
    "change": pl.Float64,
    "change_unit": pl.String,
    "numerator": pl.Float64,
    "numerator_unit": pl.String,
    "denominator": pl.Float64,
    "numerator_pct": pl.Float64,
    "denominator_pct": pl.Float64,
    "part": pl.Float64,
    "contribution": pl.Float64,
    "by_numerator": pl.Float64,
    "by_denominator": pl.Float64,
    "by_own": pl.Float64,
    "by_weight": pl.Float64,
    "residents": pl.Float64,
    "gdp_cny": pl.Float64,
    "per_head": pl.Float64,
    "per_head_unit": pl.String,
    "per_gdp": pl.Float64,
    "per_gdp_unit": pl.String,
    "peak_year": pl.Int64,
    "order": pl.String,
    "change_order": pl.String,
    "amount_order": pl.String,
    **{f"{name}_rank": pl.Int64 for name in RANKED},
    "tied": pl.Boolean,
    "ranked": pl.Int64,
    "target": pl.Float64,
    "direction": pl.String,
    "verdict": pl.String,
    "indicator_value": pl.Float64,
    "indicator_unit": pl.String,
    "drivers": pl.String,
    "value_quality": pl.String,
    "place_quality": pl.String,
    "quality": pl.String,
    "per_head_quality": pl.String,
    "per_gdp_quality": pl.String,
}


# ---- per head, per GDP, quality ----------------------------------------------------------------------------------------------------


def residents(inputs: Inputs, year: int) -> dict[str, float]:
    r"""Return residents of each prefecture and of the province [person].

    Parameters
    ----------
    inputs
        Census of 2020, ``city_population_index`` and ``province_population``.
    year
        Year.

    Notes
    -----
    With the census :math:`P_a`, the residents of the central city :math:`C_{a,t}` and the province's path, what lies outside the central
    cities changes everywhere alike, so that the places sum to the province:

    .. math:: P_{a,t} = C_{a,t} + k_t (P_a - C_a), \qquad k_t = \frac{P_t - \sum_a C_{a,t}}{P - \sum_a C_a}
    """
    path = inputs.params().get("province_population", PROVINCE)[0]
    areas = prefectures(inputs)
    counted = census(inputs, "resident_population", areas)
    central = [central_residents(inputs, y) for y in (BASE_YEAR, year)]
    before, after = (np.array([found[area] for area in areas]) for found in central)
    whole = float(counted.sum()) * float(path[year_index(year)] / path[year_index(BASE_YEAR)])
    outside = counted - before
    found = after + outside * (whole - float(after.sum())) / float(outside.sum())
    return dict(zip((*areas, PROVINCE), (*found.tolist(), whole), strict=True))


def central_residents(inputs: Inputs, year: int) -> dict[str, float]:
    """Return residents of the central city of each prefecture [person], and their sum as :data:`CITIES`.

    Parameters
    ----------
    inputs
        Census of 2020, and ``city_population_index``.
    year
        Year.
    """
    areas, params = prefectures(inputs), inputs.params()
    counted = city_residents(inputs.table("demand/population"), areas)
    found = {}
    for area in areas:
        path = of_area(params, "city_population_index", area)[0]
        found[area] = counted[area] * float(path[year_index(year)] / path[year_index(BASE_YEAR)])
    return found | {CITIES: sum(found.values())}


def _weakest(*qualities: str) -> str:
    return max(qualities, key=QUALITY_ORDER.index)


def _of_rows(rows: pl.DataFrame) -> str | None:
    """Return the weakest quality of rows; None of no rows."""
    return _weakest(*rows["quality"].to_list()) if rows.height else None


def _own_rows(inputs: Inputs, area: str) -> Inputs:
    """Return inputs whose counts by place are those of one prefecture."""
    mine = {"accounts/area_weights": pl.col("area") == area}
    mine |= {name: pl.col("area").is_in([area, PROVINCE]) for name in ("demand/population", "observed/economy")}
    return replace(inputs, tables={**inputs.tables, **{name: inputs.table(name).filter(rows) for name, rows in mine.items()}})


def _place_qualities(inputs: Inputs, found: Sequence[PlaceSeries]) -> dict[tuple[str, str], str]:
    """Return (indicator, place) -> weakest quality of what lays the indicator to the place: drivers, and rows of its own."""
    areas = prefectures(inputs)
    sites = {area: {area} for area in areas}
    for table, key in (("networks/nodes", "node_id"), ("networks/zones", "zone_id")):
        for area, name in inputs.table(table).select("area", key).iter_rows():
            if area in sites:
                sites[area].add(str(name))
    parameters = inputs.parameters.filter(pl.col("value").is_not_null()).with_columns(
        place=pl.col("subject").fill_null("").str.split(".").list.first()
    )
    whole = driver_quality(inputs)
    made = {}
    for area in (*areas, UNALLOCATED):
        by_driver = driver_quality(_own_rows(inputs, area)) if area in sites else whole
        for series in found:
            qualities = [by_driver.get(driver, "derived") for driver in series.drivers]
            for parameter in series.rule.local if area in sites else ():
                rows = parameters.filter(pl.col("parameter") == parameter)
                own = _of_rows(rows.filter(pl.col("place").is_in(sites[area]))) or _of_rows(rows.filter(pl.col("place") == "all"))
                qualities += [own] if own else []
            made[series.rule.id, area] = _weakest(*qualities)
    return made


def count_qualities(inputs: Inputs, year: int) -> tuple[dict[str, str], dict[str, str]]:
    """Return place -> quality of its residents in a year, and of its GDP.

    Parameters
    ----------
    inputs
        Tables ``demand/population`` and ``observed/economy``.
    year
        Year; in others than that of the census residents are assumed.
    """
    people = inputs.table("demand/population").filter(pl.col("item") == "resident_population", pl.col("county") == pl.col("area"))
    money = inputs.table("observed/economy").filter(
        pl.col("series") == "gdp", pl.col("period") == str(BASE_YEAR), pl.col("item") == "first_release"
    )
    moved = () if year == BASE_YEAR else ("assumption",)
    heads = {area: _weakest(quality, *moved) for area, quality in people.select("area", "quality").iter_rows()}
    return heads, dict(money.select("area", "quality").iter_rows())


# ---- the profile -------------------------------------------------------------------------------------------------------------------


def prefecture_profile(
    tables: ResultTables, inputs: Inputs, year: int, *, base_year: int = BASE_YEAR, scope: str | None = None
) -> tuple[pl.DataFrame, list[Unplaced]]:
    r"""Return every indicator by prefecture with contributions, per head, per GDP, ranks and qualities; and the indicators without places.

    Parameters
    ----------
    tables
        Result tables of a run by name, at least what :data:`transport.prefecture_series.NEEDED` names; missing ones leave indicators out.
    inputs
        The data of the run.
    year, base_year
        Years compared.
    scope
        Scope of CO2; None = that of each headline.

    Returns
    -------
    frame, list of Unplaced
        Columns :data:`SCHEMA`; per indicator one row per prefecture, ``unallocated`` where it holds something, and the total: the province,
        or the central cities where only these are counted. Over all rows but the total, ``part`` sums to the total's ``value`` (of an
        amount, a ratio or an increase) and ``contribution`` to its ``change``.

    Notes
    -----
    ``per_head`` and ``per_gdp`` are of the numerator. Residents: :func:`residents`, or :func:`central_residents` where an indicator counts
    only the central cities. GDP: first release of 2020 in all years, no path by prefecture is known, and none of a central city.
    """
    tables = usable(tables)
    found, without = place_series(tables, inputs, year, base_year=base_year, scope=scope)
    heads, central, areas = residents(inputs, year), central_residents(inputs, year), prefectures(inputs)
    counts = gdp(inputs, (*areas, PROVINCE)).tolist()
    money = {area: value for area, value in zip((*areas, PROVINCE), counts, strict=True) if value > 0}
    of_value, of_place = indicator_quality(inputs), _place_qualities(inputs, found)
    of_heads, of_money = count_qualities(inputs, year)
    peaks = _peaks(tables, inputs) if any(series.rule.id == _PEAK for series in found) else {}
    rows: list[dict[str, Any]] = []
    for series in found:
        rule, amount = series.rule, AMOUNTS[series.rule.amount]
        value, change = values_of(series, (base_year, year))
        shared = contributions_of(series, value)
        is_central = series.total == CITIES
        people = central if is_central else heads
        quality = of_value.get(rule.id, "assumption")
        mine = []
        for i, area in enumerate((*areas, UNALLOCATED, series.total)):
            top = float(series.top[1, i])
            bottom = None if series.bottom is None else float(series.bottom[1, i])
            if area == UNALLOCATED and not series.top[:, i].any() and (series.bottom is None or not series.bottom[:, i].any()):
                continue
            lives, earns = people.get(area), None if is_central else money.get(area)
            exists = area in {PROVINCE, CITIES} or top != 0.0 or bool(bottom) or np.isfinite(value[1, i])
            place = quality if area == series.total else of_place[rule.id, area]
            both = _weakest(quality, place)
            head_quality = "assumption" if is_central else of_heads.get(area, "assumption")
            mine.append(
                {
                    "id": rule.id,
                    "series": rule.series,
                    "kind": rule.kind,
                    "area": area,
                    "year": year,
                    "base_year": base_year,
                    **series.reading,
                    "unit": series.unit,
                    "value": value[1, i],
                    "base_value": value[0, i],
                    "change": change[i],
                    "change_unit": _change_unit(series),
                    "numerator": top,
                    "numerator_unit": amount.unit,
                    "denominator": bottom,
                    "numerator_pct": _percent(top, series.top[1, -1]),
                    "denominator_pct": None if series.bottom is None else _percent(bottom, series.bottom[1, -1]),
                    "part": shared.part[i],
                    "contribution": shared.change[i],
                    "by_numerator": shared.by_numerator[i],
                    "by_denominator": shared.by_denominator[i],
                    "by_own": shared.by_own[i],
                    "by_weight": shared.by_weight[i],
                    "residents": lives,
                    "gdp_cny": earns,
                    "per_head": amount.head_scale * top / lives if lives and exists else None,
                    "per_head_unit": amount.head_unit,
                    "per_gdp": amount.gdp_scale * top / earns if earns and exists else None,
                    "per_gdp_unit": amount.gdp_unit,
                    "peak_year": peaks.get(area) if rule.id == _PEAK else None,
                    "order": _order(rule.goal, whole=rule.kind == "amount"),
                    "change_order": _order(rule.goal),
                    "amount_order": _order(rule.amount_goal),
                    "drivers": " ".join(series.drivers),
                    "value_quality": quality,
                    "place_quality": place if exists and area != series.total else None,
                    "quality": both if exists else None,
                    "per_head_quality": _weakest(both, head_quality) if lives and exists else None,
                    "per_gdp_quality": _weakest(both, of_money.get(area, "assumption")) if earns and exists else None,
                }
            )
        rows += _ranked(mine, areas, rule.goal, rule.amount_goal)
    if not rows:
        return pl.DataFrame(schema=SCHEMA), without
    frame = pl.DataFrame(rows, schema_overrides={k: v for k, v in SCHEMA.items() if k in rows[0]}, infer_schema_length=None)
    floats = [name for name, kind in SCHEMA.items() if kind == pl.Float64 and name in frame.columns]
    return _with_targets(frame.with_columns(pl.col(floats).fill_nan(None)), tables, inputs, scope).select(list(SCHEMA)), without


def _change_unit(series: PlaceSeries) -> str:
    if series.rule.kind in {"growth", "increase"}:
        return series.unit
    return "points" if series.unit == "percent" else "percent"


def _percent(part: float | None, whole: float) -> float | None:
    return 100.0 * part / whole if part is not None and whole else None


def _order(goal: int, *, whole: bool = False) -> str:
    """Return how a rank is read: ``low`` or ``high`` is best and first, or the ``largest`` is first and none is best."""
    if whole or goal == 0:
        return "largest"
    return "low" if goal < 0 else "high"


def _ranked(rows: list[dict[str, Any]], areas: Sequence[str], goal: int, amount_goal: int) -> list[dict[str, Any]]:
    """Return the rows of one indicator with the ranks of the prefectures."""
    first = {
        "value": rows[0]["order"] != "low",
        "change": goal > 0,
        "per_head": amount_goal >= 0,
        "per_gdp": amount_goal >= 0,
    }
    empty = dict.fromkeys((*(f"{name}_rank" for name in RANKED), "tied", "ranked"))
    rows = [row | empty for row in rows]
    mine = [row for row in rows if row["area"] in areas]
    for name, largest_first in first.items():
        for row, rank in zip(mine, ranks([row[name] for row in mine], largest_first=largest_first), strict=True):
            row[f"{name}_rank"] = rank
    standing = [row["value_rank"] for row in mine]
    for row in mine:
        row["tied"] = row["value_rank"] is not None and standing.count(row["value_rank"]) > 1
        row["ranked"] = sum(rank is not None for rank in standing)
    return rows


def _peaks(tables: ResultTables, inputs: Inputs) -> dict[str, int | None]:
    """Return the year of the oil peak by place, None where oil still rises or only flattens."""
    from transport.prefecture_series import RULES

    rule = next(rule for rule in RULES if rule.id == _PEAK)
    table = tables[rule.source]
    reading = reading_of(table, rule, inputs, None)
    rows = table.filter(pl.col("id") == rule.series, *[pl.col(k) == v for k, v in reading.items()])
    params = inputs.params()
    margin, later = float(params.get("oil_peak_margin")[0, 0]), int(params.get("oil_peak_later_years")[0, 0])
    found: dict[str, int | None] = {}
    for (area,), mine in rows.group_by(["area"]):
        at = dict(mine.select("year", "numerator").iter_rows())
        peak = peak_year(np.array([[at.get(year) or 0.0 for year in YEARS]]), margin=margin, later_years=later)[0]
        found[str(area)] = int(peak) if np.isfinite(peak) else None
    return found


def _with_targets(frame: pl.DataFrame, tables: ResultTables, inputs: Inputs, scope: str | None) -> pl.DataFrame:
    """Return the rows with the target and the verdict that the run gives the area in this year; the reading is that of the indicator."""
    columns = ("target", "direction", "verdict")
    empty = {name: pl.lit(None, dtype=SCHEMA[name]) for name in (*columns, "indicator_value", "indicator_unit")}
    if "indicators" not in tables:
        return frame.with_columns(**empty)
    headline = inputs.table("indicators").select("id", *[pl.col(c).fill_null("") for c in (*READING, "base")])
    rows = tables["indicators"]
    if scope:
        scoped = rows.filter(pl.col("scope") == scope).select("id").unique()["id"].to_list()
        headline = headline.with_columns(scope=pl.when(pl.col("id").is_in(scoped)).then(pl.lit(scope)).otherwise(pl.col("scope")))
    wanted = rows.join(headline, on=["id", *READING, "base"], how="semi")
    wanted = wanted.select("id", "area", "year", *columns, indicator_value="value", indicator_unit="unit").unique(
        ["id", "area", "year"], keep="first", maintain_order=True
    )
    return frame.join(wanted, on=["id", "area", "year"], how="left", maintain_order="left")


# ---- what a place is made of -------------------------------------------------------------------------------------------------------


def mix_scope(profile: pl.DataFrame) -> str:
    """Return the scope of the profile's total CO2, so that the sectors of a place sum to it; direct emissions where it has none."""
    scopes = profile.filter(pl.col("id") == "transport_co2_total")["scope"].unique().to_list()
    return str(scopes[0]) if scopes else "direct"


def place_mix(tables: ResultTables, area: str, year: int, *, scope: str = "direct") -> pl.DataFrame:
    """Return what a prefecture's transport is made of beside the province's: converted turnover by mode, CO2 by sector.

    Parameters
    ----------
    tables
        Result tables ``turnover_areas`` and ``co2_areas``; a missing one leaves its rows out.
    area, year
        Of what.
    scope
        Of CO2.

    Returns
    -------
    frame
        Columns of (``turnover`` or ``co2``), code, amount, unit, share_pct, province_pct; both shares sum to 100 within ``of``.
    """
    tables = usable(tables)
    sides = (
        ("turnover", "turnover_areas", "mode", "converted_tkm", "tkm/yr", pl.lit(value=True)),
        ("co2", "co2_areas", "sector", "t", "tCO2/yr", pl.col("scope") == scope),
    )
    made = []
    for of, name, key, amount, unit, kept in sides:
        if name not in tables:
            continue
        rows = tables[name].filter(pl.col("year") == year, kept)
        whole = rows.group_by(pl.col(key).alias("code")).agg(whole=pl.col(amount).sum())
        mine = rows.filter(pl.col("area") == area).group_by(pl.col(key).alias("code")).agg(amount=pl.col(amount).sum())
        both = whole.join(mine, on="code", how="left").with_columns(pl.col("amount").fill_null(0.0))
        made.append(
            both.select(
                "code",
                "amount",
                of=pl.lit(of),
                unit=pl.lit(unit),
                share_pct=pl.when(pl.col("amount").sum() > 0).then(100.0 * pl.col("amount") / pl.col("amount").sum()),
                province_pct=100.0 * pl.col("whole") / pl.col("whole").sum(),
            ).sort("province_pct", "code", descending=[True, False])
        )
    schema = {"of": pl.String, "code": pl.String, "amount": pl.Float64, "unit": pl.String}
    schema |= {"share_pct": pl.Float64, "province_pct": pl.Float64}
    return pl.concat([frame.select(list(schema)) for frame in made]) if made else pl.DataFrame(schema=schema)
