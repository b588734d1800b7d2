"""Tables of the page of uncertainty: rows of an ensemble and of the measures under the words and units of the reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from transport.i18n import labels, t
from transport.measures import measure_names
from transport.scorecard import MET, READING
from transport.sensitivity import replace_first
from transport.template.words import input_names
from transport.text import goal, number, shown, unit_label

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.sensitivity import Drivers

#: Drivers that are shown.
DRIVERS = 15
#: A measure this many times as dear as those that avoid this part of all CO2, and dearer than this [CNY/t], would flatten their curve.
_DWARFS, _MOST, _DEAR = 4.0, 0.99, 4000.0
#: Head room over the dearest block that is drawn whole, round numbers, and the height of a label as part of the axis.
_ROOM, _STEPS, _LINE = 1.2, (1.0, 2.0, 5.0, 10.0), 0.09
#: Units of CO2 and money by language: 10^4 t or kt, 10^8 or 10^6 CNY.
CO2_UNIT, MONEY_UNIT = {"zh": 1e4, "en": 1e3}, {"zh": 1e8, "en": 1e6}


def headline_targets(probabilities: pl.DataFrame, data: Inputs) -> pl.DataFrame:
    """Return the probabilities of the headline readings, one row per target, in the order of the indicators."""
    order = data.table("indicators")["id"].to_list()
    wanted = data.table("indicators").select("id", *[pl.col(c).fill_null("") for c in READING])
    rows = probabilities.join(wanted, on=["id", *READING], how="semi", maintain_order="left")
    place = pl.col("id").replace_strict({name: k for k, name in enumerate(order)}, default=len(order))
    return rows.sort(place, "area", "year")


def target_names(rows: pl.DataFrame, data: Inputs, lang: str) -> list[str]:
    """Return what each target is called: indicator, area where it is a city, year."""
    names, areas = labels(data, "indicator", lang), labels(data, "area", lang)
    return [
        t(
            "uncertainty.target_name",
            lang,
            name=names.get(row["id"], row["id"]),
            area=areas.get(row["area"], row["area"]),
            year=row["year"],
        )
        for row in rows.iter_rows(named=True)
    ]


def probability_rows(rows: pl.DataFrame, data: Inputs, lang: str) -> pl.DataFrame:
    """Return target, central value, target value, probability with error and interval, with the tolerance, and without weights."""
    made: list[dict[str, Any]] = []
    for name, row in zip(target_names(rows, data, lang), rows.iter_rows(named=True), strict=True):
        sign = "≥ " if row["direction"] == "at_least" else "≤ "
        unit = unit_label(row["unit"], lang)
        made.append(
            {
                "target": name,
                "wanted": f"{sign}{goal(row['target'], row['unit'], lang)} {unit}".strip(),
                "central": f"{shown(row['central'], row['unit'], lang)} {unit}".strip(),
                "probability": 100.0 * row["probability"],
                "error": 100.0 * row["standard_error"],
                "span": t("uncertainty.span", lang, low=f"{100.0 * row['low']:.0f}", high=f"{100.0 * row['high']:.0f}"),
                "within": 100.0 * row["probability_within"],
                "unweighted": 100.0 * row["unweighted"],
            }
        )
    return pl.DataFrame(made)


def probability_bars(rows: pl.DataFrame, data: Inputs, lang: str) -> pl.DataFrame:
    """Return what the chart of probabilities draws."""
    return rows.select("probability", "low", "high", central_met=pl.col("central_verdict").is_in(MET)).with_columns(
        target=pl.Series(target_names(rows, data, lang))
    )


def readings(probabilities: pl.DataFrame, indicator: str, data: Inputs, lang: str) -> pl.DataFrame:
    """Return the probability of one target in every reading: boundary, base, and a column per scope [%]."""
    rows = probabilities.filter(pl.col("id") == indicator, pl.col("variant") == "")
    wide = rows.with_columns(pl.col("probability") * 100.0).pivot(
        on="scope", index=["boundary", "base"], values="probability", sort_columns=False
    )
    return wide.sort("base", "boundary").with_columns(
        pl.col("boundary").replace(labels(data, "boundary", lang)), pl.col("base").replace(labels(data, "base", lang))
    )


def driver_rows(drivers: Drivers, data: Inputs, lang: str) -> pl.DataFrame:
    """Return the drivers of an indicator, largest share first; those of weak quality with it, file and row, where a better number goes."""
    top = drivers.shares.head(DRIVERS)
    weak = replace_first(drivers, data, count=drivers.shares.height).select("parameter", "subject", "quality", "file", "row")
    names = input_names(top.select("parameter", "subject").iter_rows(), data, lang)
    return top.join(weak, on=["parameter", "subject"], how="left", maintain_order="left").select(
        input=pl.Series(names, dtype=pl.String),
        share=100.0 * pl.col("share"),
        interval=pl.format(
            "{}–{}%", (100.0 * pl.col("low")).round(0).cast(pl.Int64), (100.0 * pl.col("high")).round(0).cast(pl.Int64)
        ),
        direction=pl.when(pl.col("direction") > 0).then(pl.lit("+")).otherwise(pl.lit("-")),
        quality=pl.col("quality").replace(labels(data, "quality", lang)),
        code=pl.col("parameter") + " " + pl.col("subject"),
        file="file",
        row="row",
    )


def measures_of_year(table: pl.DataFrame, year: int, data: Inputs, lang: str) -> pl.DataFrame:
    """Return the measures of a year under their labels, most CO2 avoided first; CO2 and money in the reader's units."""
    names = measure_names(data, lang)
    co2, money = CO2_UNIT[lang], MONEY_UNIT[lang]
    ways = [(pl.col(f"{way}_co2_t") / co2).alias(way) for way in ("alone", "first", "last", "share", "error")]
    return (
        table.filter(pl.col("year") == year)
        .sort("share_co2_t", "measure")
        .select(
            pl.col("measure").replace_strict(names, default=pl.col("measure")),
            *ways,
            pl.col("share_headline_pct").alias("headline"),
            _blank(pl.when("has_cost").then(pl.col("share_cost_cny2023") / money)).alias("cost"),
            _blank(pl.col("cny2023_per_tco2")).alias("price"),
        )
    )


def _blank(value: pl.Expr) -> pl.Expr:
    """Return numbers as texts, blank where there is none."""
    return value.fill_nan(None).map_elements(number, return_dtype=pl.String).fill_null("")


def unpriced(table: pl.DataFrame, year: int, data: Inputs, lang: str) -> list[str]:
    """Return the labels of the measures of a year whose cost nobody knows."""
    names = measure_names(data, lang)
    rows = table.filter(pl.col("year") == year, ~pl.col("has_cost")).sort("share_co2_t", "measure")
    return [names.get(name, name) for name in rows["measure"]]


def curve_of_year(curve: pl.DataFrame, year: int, data: Inputs, lang: str) -> pl.DataFrame:
    """Return the blocks of the abatement cost curve of a year; measures without a price are left out."""
    names, co2 = measure_names(data, lang), CO2_UNIT[lang]
    rows = curve.filter(pl.col("year") == year, pl.col("rank").is_not_null(), pl.col("cny2023_per_tco2").is_not_null())
    return rows.select(
        pl.col("measure").replace_strict(names, default=pl.col("measure")),
        start=pl.col("from_tco2") / co2,
        end=pl.col("to_tco2") / co2,
        avoided=pl.col("avoided_tco2") / co2,
        price="cny2023_per_tco2",
    )


def cap_of(curve: pl.DataFrame) -> float | None:
    """Return the price at which the axis of an abatement cost curve is cut [CNY/t]; None where no measure dwarfs the others.

    Parameters
    ----------
    curve
        Of :func:`curve_of_year`.

    Examples
    --------
    >>> curve = pl.DataFrame({"price": [-200.0, 900.0, 80_000.0], "avoided": [400.0, 500.0, 1.0]})
    >>> cap_of(curve)
    2000.0
    >>> cap_of(curve.head(2))
    """
    sized = curve.select(size=pl.col("price").abs(), avoided="avoided").sort("size")
    if sized.is_empty():
        return None
    most = sized.filter((pl.col("avoided").cum_sum() - pl.col("avoided")) < _MOST * pl.col("avoided").sum())
    whole, dearest = float(most["size"][-1]), float(sized["size"][-1])
    if dearest <= max(_DWARFS * whole, _DEAR):
        return None
    wanted = _ROOM * max(whole, _DEAR / _DWARFS)
    power = 10.0 ** np.floor(np.log10(wanted))
    return float(next(step * power for step in _STEPS if step * power >= wanted))


def capped(curve: pl.DataFrame, cap: float | None) -> pl.DataFrame:
    """Return the curve with the height of each block (``shown``), whether it is cut, and the label of those that are.

    Parameters
    ----------
    curve
        Of :func:`curve_of_year`.
    cap
        Of :func:`cap_of`.
    """
    if cap is None:
        plain = {"cut": pl.lit(value=False), "label": pl.lit(""), "height": pl.lit(0.0)}
        return curve.with_columns(shown="price", middle=(pl.col("start") + pl.col("end")) / 2.0, **plain)
    middle = (pl.col("start") + pl.col("end")) / 2.0
    marked = curve.with_columns(middle=middle, shown=pl.col("price").clip(-cap, cap), cut=pl.col("price").abs() > cap)
    rank = pl.when("cut").then(1.0).otherwise(0.0).cum_sum(reverse=True)
    label = pl.format("{} {}", "measure", pl.col("price").map_elements(lambda x: f"{x:,.0f}", return_dtype=pl.String))
    return marked.with_columns(
        label=pl.when("cut").then(label).otherwise(pl.lit("")), height=cap * (1.0 - _LINE * (rank - 0.5)) * pl.col("price").sign()
    )


def pairs_of_year(pairs: pl.DataFrame, year: int, way: str, data: Inputs, lang: str) -> pl.DataFrame:
    """Return the interactions of measures in CO2 of a year: ``first`` (on the base) or ``last`` (within the scenario)."""
    names = measure_names(data, lang)
    return pairs.filter(pl.col("year") == year).select(
        pl.col("measure").replace_strict(names, default=pl.col("measure")),
        pl.col("other").replace_strict(names, default=pl.col("other")),
        value=pl.col(f"{way}_co2_t") / CO2_UNIT[lang],
    )
