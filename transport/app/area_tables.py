"""What the accounts page shows of places and seasons, as plain frames: result tables of a run in, names and written numbers out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transport.i18n import labels, t
from transport.layout import PROVINCE
from transport.text import shown, unit_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.inputs import Inputs

#: Indicators by place in the order of the choice; the intensity opens.
INDICATORS: tuple[str, ...] = (
    "operating_co2_intensity_level",
    "transport_co2_total",
    "land_oil",
    "clean_share_of_additions",
    "clean_share_new_bus_taxi",
    "nev_sales_share",
    "rail_energy_intensity_level",
    "sea_rail_share",
)
#: Months compared: the coldest and the warmest of the province.
WINTER, SUMMER = 1, 7
_READING = ("scope", "boundary", "base", "variant")
#: Codes that are no label: an indicator without readings has none.
_NONE = ""


def reading_of(table: pl.DataFrame, indicator: str, definitions: pl.DataFrame, scope: str) -> dict[str, str]:
    """Return the reading of an indicator by place that is shown: the headline's, in the chosen scope where the indicator has scopes.

    Parameters
    ----------
    table
        Result table ``indicator_areas``.
    indicator
        Code; a level takes the headline of its change.
    definitions
        Table ``indicators`` of the data.
    scope
        Chosen scope.
    """
    rows = table.filter(pl.col("id") == indicator)
    known = definitions.filter(pl.col("id") == indicator.removesuffix("_level"))
    headline = known.row(0, named=True) if known.height else {}
    made = {}
    for key in _READING:
        codes = rows[key].unique(maintain_order=True).to_list()
        wanted = scope if key == "scope" else str(headline.get(key) or _NONE)
        made[key] = wanted if wanted in codes else str(codes[0])
    return made


def indicator_rows(
    table: pl.DataFrame, indicator: str, year: int, reading: Mapping[str, str], names: Mapping[str, str], lang: str
) -> pl.DataFrame:
    """Return one indicator by place in written numbers, the province last.

    Parameters
    ----------
    table
        Result table ``indicator_areas``.
    indicator, year
        What is shown.
    reading
        Of :func:`reading_of`.
    names
        Code -> name of the places, in the order of the rows.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    frame
        Columns area, value, start, change (written numbers), upper and lower: the place's part of the province's numerator and
        denominator [percent]; lower only where there is one.
    """
    rows = table.filter(pl.col("id") == indicator, pl.col("year") == year, *[pl.col(k) == v for k, v in reading.items()])
    found = {row["area"]: row for row in rows.iter_rows(named=True)}
    called = dict(names) | {PROVINCE: t("app.accounts.province", lang)}
    whole = found[PROVINCE]
    made = []
    for code, name in called.items():
        if code not in found:
            continue
        row = found[code]
        made.append(
            {
                "area": name,
                "value": shown(row["value"], row["unit"], lang),
                "start": shown(row["base_value"], row["unit"], lang),
                "change": "-" if row["change"] is None else f"{row['change']:+.1f}",
                "upper": _part(row["numerator"], whole["numerator"]),
                "lower": _part(row["denominator"], whole["denominator"]),
            }
        )
    frame = pl.DataFrame(made, schema_overrides={"upper": pl.Float64, "lower": pl.Float64})
    return frame if whole["denominator"] is not None else frame.drop("lower")


def _part(value: float | None, whole: float | None) -> float | None:
    return None if value is None or not whole else 100.0 * value / whole


def reading_words(table: pl.DataFrame, indicator: str, reading: Mapping[str, str], data: Inputs, lang: str) -> dict[str, str]:
    """Return unit, unit of the change, reading, drivers and quality of an indicator by place, in words."""
    row = table.filter(pl.col("id") == indicator, *[pl.col(k) == v for k, v in reading.items()]).row(0, named=True)
    drivers = labels(data, "area_driver", lang) | {"modelled": t("app.accounts.driver_modelled", lang)}
    words = [labels(data, key, lang).get(code, code) for key, code in reading.items() if code]
    joint = "、" if lang == "zh" else ", "
    return {
        "unit": unit_label(row["unit"], lang),
        "change_unit": t(f"app.accounts.change_{row['change_unit']}", lang),
        "reading": joint.join(words) or "-",
        "drivers": joint.join(drivers[code] for code in row["drivers"].split()),
        "quality": labels(data, "quality", lang)[row["quality"]],
    }


# ---- seasons -----------------------------------------------------------------------------------------------------------------------


def months(table: pl.DataFrame, year: int, vehicle_class: str, data: Inputs, lang: str) -> pl.DataFrame:
    """Return energy per km of one class by month against the mean of the year: name, month, index [percent], temperature [degC].

    Parameters
    ----------
    table
        Result table ``energy_months``.
    year, vehicle_class
        What is shown.
    data
        For labels.
    lang
        ``zh`` or ``en``.

    Notes
    -----
    Fuel of cabin heaters is left out: it is burnt in a few months only and would hide the others.
    """
    rows = _of_class(table, year, vehicle_class)
    rows = rows.filter(pl.col("months") == pl.col("months").max())
    return rows.select(
        name=_name(rows, data, lang),
        month="month",
        index=12.0 * pl.col("share_pct"),
        temperature="temperature_c",
    )


def winter(table: pl.DataFrame, year: int, vehicle_class: str, data: Inputs, lang: str) -> pl.DataFrame:
    """Return energy per km of one class in the coldest and the warmest month: name, unit, winter, summer, more [percent]; most added first.

    Parameters
    ----------
    table
        Result table ``energy_months``.
    year, vehicle_class
        What is shown.
    data
        For labels.
    lang
        ``zh`` or ``en``.
    """
    rows = _of_class(table, year, vehicle_class)
    rows = rows.with_columns(name=_name(rows, data, lang))
    sides = [
        rows.filter(pl.col("month") == month).select("name", "per_km_unit", pl.col("per_km").alias(side))
        for month, side in ((WINTER, "winter"), (SUMMER, "summer"))
    ]
    both = sides[0].join(sides[1], on=["name", "per_km_unit"], how="left", maintain_order="left")
    both = both.with_columns(pl.col("summer").fill_null(0.0))
    more = pl.when(pl.col("summer") > 0.0).then(100.0 * (pl.col("winter") / pl.col("summer") - 1.0))
    return both.select("name", "winter", "summer", unit="per_km_unit", more=more).sort("more", descending=True, nulls_last=True)


def _of_class(table: pl.DataFrame, year: int, vehicle_class: str) -> pl.DataFrame:
    """Return the rows of one class and year with the number of months in which each of its energies is used."""
    rows = table.filter(pl.col("year") == year, pl.col("vehicle_class") == vehicle_class)
    return rows.with_columns(months=pl.len().over("powertrain", "carrier"))


def _name(rows: pl.DataFrame, data: Inputs, lang: str) -> pl.Series:
    """Return powertrain, with the carrier where the powertrain uses several."""
    trains, carriers = labels(data, "powertrain", lang), labels(data, "carrier", lang)
    several = rows.group_by("powertrain").agg(pl.col("carrier").n_unique()).filter(pl.col("carrier") > 1)["powertrain"].to_list()
    return pl.Series(
        [
            t("app.accounts.train_carrier", lang, train=trains[train], carrier=carriers[carrier])
            if train in several
            else trains[train]
            for train, carrier in rows.select("powertrain", "carrier").iter_rows()
        ],
        dtype=pl.String,
    )


def classes_of(table: pl.DataFrame, data: Inputs, lang: str) -> Sequence[str]:
    """Return the vehicle classes of ``energy_months`` in the order of their list."""
    used = set(table["vehicle_class"].to_list())
    return [code for code in labels(data, "vehicle_class", lang) if code in used]
