"""The profile of prefectures in words: names, units, written numbers, ranks with ties, reasons; for the command line and the app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from transport.i18n import has_text, labels, t
from transport.layout import PROVINCE
from transport.prefecture_profile import RANKED
from transport.prefecture_series import CITIES, READING
from transport.prefectures import NO_DRIVER, UNALLOCATED, prefectures
from transport.scorecard import MET
from transport.text import shown, unit_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.inputs import Inputs
    from transport.prefecture_series import Unplaced

#: What an indicator can be ranked by, the columns of the profile.
MEASURES: tuple[str, ...] = (*RANKED, "contribution")
#: Codes of the rows that are no prefecture.
TOTALS: tuple[str, ...] = (PROVINCE, CITIES)
#: Keys of notes by indicator.
_NOTES: Mapping[str, tuple[str, ...]] = {
    "green_travel_share": ("green_note",),
    "transit_share_of_motorised_trips": ("transit_note",),
    "rail_freight_increase": ("rail_note",),
    "sea_rail_share": ("boxes_note",),
    "sea_rail_growth": ("growth_note", "boxes_note"),
    "transhipment_growth": ("growth_note", "boxes_note"),
    "bridge_power_share": ("airport_note",),
}


def joint(lang: str) -> str:
    """Return what stands between the items of a list in a sentence."""
    return "、" if lang == "zh" else ", "


#: Divisor of the units that are read on another scale, as :func:`transport.text.shown` writes them.
_SCALES: Mapping[str, Mapping[str, float]] = {
    "zh": {"t/yr": 1e4, "tCO2/yr": 1e4, "toe/yr": 1e4},
    "en": {"t/yr": 1e6, "tCO2/yr": 1e6, "toe/yr": 1e6},
}


def scaled(unit: str, lang: str) -> float:
    """Return what a value in a unit is divided by before it is shown."""
    return _SCALES[lang].get(unit, 1.0)


def place_names(inputs: Inputs, lang: str) -> dict[str, str]:
    """Return code -> name of the prefectures in order, of what has no place, and of both totals."""
    named = labels(inputs, "area", lang)
    return {
        **{area: named[area] for area in prefectures(inputs)},
        UNALLOCATED: t("prefecture.unallocated", lang),
        CITIES: t("prefecture.central_cities", lang),
        PROVINCE: t("prefecture.province", lang),
    }


def series_name(row: Mapping[str, Any], measure: str, inputs: Inputs, lang: str) -> str:
    """Return the name of what is shown: of the indicator or its level; per head and per GDP with what its numerator counts.

    Parameters
    ----------
    row
        Of the profile.
    measure
        One of :data:`MEASURES`.
    inputs
        For labels.
    lang
        ``zh`` or ``en``.
    """
    name = labels(inputs, "indicator", lang).get(str(row["series"]), str(row["series"]))
    if measure not in {"per_head", "per_gdp"}:
        return name
    return t("prefecture.of_amount", lang, indicator=name, amount=t(f"prefecture.amount.{row['id']}", lang))


def mix_names(inputs: Inputs, lang: str) -> dict[str, str]:
    """Return code -> name of the modes and sectors that a prefecture's transport is made of."""
    own = {code: t(f"prefecture.mode.{code}", lang) for code in ("coastal", "ocean")}
    return labels(inputs, "mode", lang) | own | labels(inputs, "area_sector", lang)


def unit_of(row: Mapping[str, Any], column: str, lang: str) -> str:
    """Return the unit of a column of the profile as the reader writes it.

    Parameters
    ----------
    row
        Of the profile.
    column
        ``value``, ``base_value``, ``part``, ``change``, ``contribution``, ``by_own``, ``by_weight``, ``per_head`` or ``per_gdp``.
    lang
        ``zh`` or ``en``.
    """
    if column in {"per_head", "per_gdp"}:
        return t(f"prefecture.unit.{row[f'{column}_unit']}", lang)
    if column in {"value", "base_value", "part"}:
        return unit_label(str(row["unit"]), lang)
    if row["change_unit"] in {"points", "percent"}:
        own = column == "change" and row["change_unit"] == "percent"
        return t("prefecture.percent" if own else "prefecture.points", lang)
    return unit_label(str(row["change_unit"]), lang)


def written(row: Mapping[str, Any], column: str, lang: str) -> str:
    """Return a number of the profile on the reader's scale; changes with their sign, a dash where there is none.

    Parameters
    ----------
    row
        Of the profile.
    column
        As in :func:`unit_of`.
    lang
        ``zh`` or ``en``.
    """
    value = row[column]
    if value is None:
        return "-"
    if column in {"per_head", "per_gdp"}:
        return small(value)
    if column in {"value", "base_value", "part"}:
        return shown(value, str(row["unit"]), lang)
    if row["change_unit"] in {"points", "percent"}:
        return signed(value)
    text = shown(abs(value), str(row["change_unit"]), lang)
    return text if value == 0 else f"{'-' if value < 0 else '+'}{text}"


def signed(value: float) -> str:
    """Return a change with its sign, two digits below ten.

    Examples
    --------
    >>> signed(-0.004), signed(-12.34), signed(3.456)
    ('0.00', '-12.3', '+3.46')
    """
    digits = 1 if abs(value) >= 10 else 2
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}" if rounded else f"{0.0:.{digits}f}"


def small(value: float) -> str:
    """Return a number with three digits that count.

    Examples
    --------
    >>> small(0.019690), small(1.1), small(542.6), small(12345.6), small(0.0)
    ('0.0197', '1.10', '543', '12,346', '0')
    """
    if value == 0.0:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")


def rank_texts(rows: pl.DataFrame, measure: str, lang: str) -> list[str]:
    """Return the rank of each row in one measure, marked where several places share it; empty where there is none.

    Parameters
    ----------
    rows
        Rows of one indicator of the profile.
    measure
        One of :data:`MEASURES`; contributions are numbered by size, largest first.
    lang
        ``zh`` or ``en``.
    """
    if measure == "contribution":
        places = ~pl.col("area").is_in([*TOTALS, UNALLOCATED])
        size = pl.when(places).then(pl.col("contribution").abs())
        ranked = rows.select(size.rank("min", descending=True).cast(pl.Int64).alias("rank"))["rank"].to_list()
    else:
        ranked = rows[f"{measure}_rank"].to_list()
    return [
        "" if rank is None else t("prefecture.tied", lang, rank=rank) if ranked.count(rank) > 1 else str(rank) for rank in ranked
    ]


def rank_of(rows: pl.DataFrame, area: str, measure: str, lang: str) -> str:
    """Return the rank of one place among how many, marked where it is shared; empty where there is none.

    Parameters
    ----------
    rows
        Rows of one indicator of the profile.
    area
        The place.
    measure
        A ranked one of :data:`MEASURES`.
    lang
        ``zh`` or ``en``.
    """
    ranked = rows[f"{measure}_rank"].to_list()
    rank = ranked[rows["area"].to_list().index(area)]
    if rank is None:
        return ""
    key = "prefecture.of_count_tied" if ranked.count(rank) > 1 else "prefecture.of_count"
    return t(key, lang, rank=rank, count=len(ranked) - ranked.count(None))


def sorted_by(rows: pl.DataFrame, measure: str) -> pl.DataFrame:
    """Return the rows of one indicator by rank: prefectures, those without the measure, what is not allocated, the total last.

    Parameters
    ----------
    rows
        Rows of one indicator of the profile.
    measure
        One of :data:`MEASURES`.
    """
    last = pl.when(pl.col("area").is_in(TOTALS)).then(2).when(pl.col("area") == UNALLOCATED).then(1).otherwise(0)
    rank = -pl.col("contribution").abs() if measure == "contribution" else pl.col(f"{measure}_rank").cast(pl.Float64)
    return rows.with_columns(last=last, at=rank).sort("last", "at", "area", nulls_last=True).drop("last", "at")


def order_text(rows: pl.DataFrame, measure: str, lang: str) -> str:
    """Return how the ranks are to be read: which end comes first, ties, places without the indicator.

    Parameters
    ----------
    rows
        Rows of one indicator of the profile.
    measure
        One of :data:`MEASURES`.
    lang
        ``zh`` or ``en``.
    """
    row = rows.row(0, named=True)
    if measure == "contribution":
        order = "largest"
    elif measure == "value":
        order = str(row["order"])
    elif measure == "change":
        order = str(row["change_order"])
    else:
        order = str(row["amount_order"])
    mine = rows.filter(~pl.col("area").is_in([*TOTALS, UNALLOCATED]))
    missing = mine.height if measure == "contribution" else mine[f"{measure}_rank"].null_count()
    made = [t(f"prefecture.order_{order}", lang)]
    if measure != "contribution":
        made.append(t("prefecture.ties", lang, missing=missing) if missing else t("prefecture.ties_all", lang))
    return ("" if lang == "zh" else " ").join(made)


def notes(rows: pl.DataFrame, inputs: Inputs, lang: str) -> list[str]:
    """Return what must be known to read one indicator by place: reading, drivers, particulars.

    Parameters
    ----------
    rows
        Rows of one indicator of the profile.
    inputs
        For labels.
    lang
        ``zh`` or ``en``.
    """
    total = rows.filter(pl.col("area").is_in(TOTALS)).row(0, named=True)
    drivers = labels(inputs, "area_driver", lang) | {"modelled": t("app.accounts.driver_modelled", lang)}
    reading = [labels(inputs, key, lang).get(total[key], total[key]) for key in READING if total[key]]
    made = [t("prefecture.reading", lang, reading=joint(lang).join(reading))] if reading else []
    used = str(total["drivers"]).split()
    named = [drivers.get(code, code) for code in used if code != NO_DRIVER]
    made += [t("prefecture.drivers", lang, drivers=joint(lang).join(named))] if named else []
    made += [t("prefecture.drivers_none", lang)] if NO_DRIVER in used else []
    if total["id"] == "land_oil_peak":
        peak = total["peak_year"]
        made.append(t("prefecture.oil_note", lang, peak=t("prefecture.no_peak", lang) if peak is None else peak))
    made += [t(f"prefecture.{key}", lang) for key in _NOTES.get(str(total["id"]), ())]
    return made


def sum_note(rows: pl.DataFrame, lang: str) -> str:
    """Return what the contributions of the rows of one indicator sum to."""
    total = rows.filter(pl.col("area").is_in(TOTALS)).row(0, named=True)
    key = "prefecture.sum_note" if total["area"] == PROVINCE else "prefecture.sum_note_cities"
    return t(key, lang, total=with_unit(total, "change", lang))


def with_unit(row: Mapping[str, Any], column: str, lang: str) -> str:
    """Return a number of the profile with its unit, a dash where there is none; columns as in :func:`unit_of`."""
    return "-" if row[column] is None else f"{written(row, column, lang)} {unit_of(row, column, lang)}".strip()


def target_cells(row: Mapping[str, Any], inputs: Inputs, lang: str) -> tuple[str, str]:
    """Return target and verdict of a row; of a place without a target a dash and that it is tracked."""
    if row["target"] is None:
        return "-", labels(inputs, "verdict", lang)["tracked"] if row["verdict"] else "-"
    unit = str(row["indicator_unit"])
    sign = "≥ " if row["direction"] == "at_least" else "≤ "
    return sign + shown(row["target"], unit, lang), labels(inputs, "verdict", lang)[row["verdict"]]


def end_text(rows: pl.DataFrame, measure: str, names: Mapping[str, str], lang: str, *, last: bool = False) -> str:
    """Return who ranks first, or last, with the value; how many where several share the place.

    Parameters
    ----------
    rows
        Rows of one indicator of the profile.
    measure
        A ranked one of :data:`MEASURES`.
    names
        Of :func:`place_names`.
    lang
        ``zh`` or ``en``.
    last
        Whether the last is asked for.
    """
    ranked = rows.filter(pl.col(f"{measure}_rank").is_not_null())
    if ranked.is_empty():
        return "-"
    ranks = ranked[f"{measure}_rank"]
    end = ranked.filter(ranks == (ranks.max() if last else ranks.min()))
    row = end.row(0, named=True)
    key = "prefecture.several" if end.height > 1 else "prefecture.cities"
    return t(key, lang, area=names[row["area"]], count=end.height, value=written(row, measure, lang))


def headline(rows: pl.DataFrame, inputs: Inputs, lang: str) -> str:
    """Return how the indicator stands against its target: that of the province, or those of cities; empty where the run does not say.

    Parameters
    ----------
    rows
        Rows of one indicator of the profile.
    inputs
        For labels.
    lang
        ``zh`` or ``en``.
    """
    total = rows.filter(pl.col("area").is_in(TOTALS)).row(0, named=True)
    if total["area"] == PROVINCE:
        return "" if total["indicator_value"] is None else _target(total, inputs, lang)
    judged = rows.filter(pl.col("target").is_not_null())
    if judged.is_empty():
        return ""
    names = place_names(inputs, lang)
    met = judged.filter(pl.col("verdict").is_in(MET))
    listed = joint(lang).join(
        t("prefecture.cities", lang, area=names[row["area"]], value=with_unit(row, "value", lang))
        for row in judged.iter_rows(named=True)
    )
    return t(
        "prefecture.cities_target", lang, count=judged.height, met=met.height, names=listed, value=with_unit(total, "value", lang)
    )


def _target(total: Mapping[str, Any], inputs: Inputs, lang: str) -> str:
    """Return the province's own value of the indicator, with target and verdict where there is a target."""
    unit = str(total["indicator_unit"])

    def amount(value: float) -> str:
        return f"{shown(value, unit, lang)} {unit_label(unit, lang)}".strip()

    value = amount(total["indicator_value"])
    name = labels(inputs, "indicator", lang).get(str(total["id"]), str(total["id"]))
    if total["target"] is None:
        return t("prefecture.province_tracked", lang, name=name, value=value)
    sign = "≥ " if total["direction"] == "at_least" else "≤ "
    verdict = labels(inputs, "verdict", lang)[total["verdict"]]
    return t("prefecture.province_target", lang, name=name, value=value, target=sign + amount(total["target"]), verdict=verdict)


def reason_text(unplaced: Unplaced, lang: str) -> str:
    """Return why an indicator has no places.

    Parameters
    ----------
    unplaced
        The indicator.
    lang
        ``zh`` or ``en``.
    """
    own = f"prefecture.reason.{unplaced.id}"
    if unplaced.reason == "model" and has_text(own, lang):
        return t(own, lang)
    return t(f"prefecture.reason_{unplaced.reason}", lang, detail=unplaced.detail)
