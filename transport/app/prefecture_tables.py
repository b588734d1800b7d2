"""What the page of prefectures shows, as plain frames: the profile in, names, scaled numbers and quality labels out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from transport.i18n import labels, t
from transport.layout import BASE_YEAR, PROVINCE
from transport.prefecture_series import CITIES
from transport.prefecture_text import (
    TOTALS,
    joint,
    mix_names,
    place_names,
    rank_of,
    rank_texts,
    scaled,
    series_name,
    small,
    sorted_by,
    target_cells,
    with_unit,
    written,
)
from transport.prefectures import NO_DRIVER, UNALLOCATED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.inputs import Inputs
    from transport.prefecture_series import Unplaced

_PER = ("per_head", "per_gdp")
#: Money [CNY] and people in the units of the reader.
MONEY: Mapping[str, float] = {"zh": 1e8, "en": 1e9}
PEOPLE: Mapping[str, float] = {"zh": 1e4, "en": 1e3}
_ENDS = 3


def of_indicator(profile: pl.DataFrame, indicator: str) -> pl.DataFrame:
    """Return the rows of one indicator."""
    return profile.filter(pl.col("id") == indicator)


def total_of(rows: pl.DataFrame) -> dict[str, Any]:
    """Return the row of the total of one indicator."""
    return rows.filter(pl.col("area").is_in(TOTALS)).row(0, named=True)


def offered(rows: pl.DataFrame, measures: Sequence[str]) -> list[str]:
    """Return the measures that an indicator has for any prefecture; a growth or an increase is its own change."""
    first = rows.row(0, named=True)
    own_change = ("change", "contribution") if first["kind"] == "increase" else ("change",) if first["kind"] == "growth" else ()
    return [name for name in measures if name not in own_change and rows[name].count() > 1]


def _divisor(row: Mapping[str, Any], column: str, lang: str) -> float:
    if column in {"value", "base_value", "part"}:
        return scaled(str(row["unit"]), lang)
    return 1.0 if column in _PER or row["change_unit"] in {"points", "percent"} else scaled(str(row["change_unit"]), lang)


def bars(rows: pl.DataFrame, measure: str, inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return one measure by place on the reader's scale, by rank: name, amount, own, weight, written, is_place, without the total.

    Parameters
    ----------
    rows
        Rows of one indicator of the profile.
    measure
        One of :data:`transport.prefecture_text.MEASURES`.
    inputs
        For names.
    lang
        ``zh`` or ``en``.
    """
    names = place_names(inputs, lang)
    found = sorted_by(rows, measure).filter(~pl.col("area").is_in(TOTALS))
    found = found.filter((pl.col("area") != UNALLOCATED) | pl.col(measure).is_not_null())
    divisor = _divisor(rows.row(0, named=True), measure, lang)
    return found.select(
        "area",
        pl.col("area").replace_strict(names).alias("name"),
        (pl.col(measure) / divisor).alias("amount"),
        own="by_own",
        weight="by_weight",
        written=pl.Series(
            [
                t("prefecture.no_such", lang) if row[measure] is None else written(row, measure, lang)
                for row in found.iter_rows(named=True)
            ],
            dtype=pl.String,
        ),
        is_place=pl.col("area") != UNALLOCATED,
    )


def line_of(rows: pl.DataFrame, measure: str, lang: str) -> float | None:
    """Return the total's measure on the reader's scale where it is comparable with a place: of a ratio, a growth, a change, per head and GDP."""
    total = total_of(rows)
    if measure == "contribution" or (measure == "value" and total["kind"] in {"amount", "increase"}) or total[measure] is None:
        return None
    return float(total[measure]) / _divisor(total, measure, lang)


def ranking(rows: pl.DataFrame, measure: str, inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return one indicator by place in numbers on the reader's scale, by rank, the total last.

    Parameters
    ----------
    rows
        Rows of one indicator of the profile.
    measure
        One of :data:`transport.prefecture_text.MEASURES`.
    inputs
        For names.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    frame
        Columns rank, area, value, base_value, change, numerator_pct, denominator_pct, contribution, by_own, by_weight, peak_year, target,
        verdict, quality, place_quality (lists of one label); per head and per GDP: rank, area, per_head, per_gdp, residents, gdp_cny and
        their qualities. Columns that the indicator does not have are left out.
    """
    rows = sorted_by(rows, measure)
    names, named = place_names(inputs, lang), labels(inputs, "quality", lang)
    first = rows.row(0, named=True)
    is_city = bool(rows["area"].is_in([CITIES]).any())
    made = rows.select(
        pl.Series("rank", rank_texts(rows, measure, lang), dtype=pl.String),
        pl.col("area").replace_strict(names),
        *[
            (pl.col(c) / _divisor(first, c, lang)).alias(c)
            for c in ("value", "base_value", "change", "contribution", "by_own", "by_weight", *_PER)
        ],
        "numerator_pct",
        "denominator_pct",
        "peak_year",
        (pl.col("residents") / PEOPLE[lang]).alias("residents"),
        (pl.col("gdp_cny") / MONEY[lang]).alias("gdp_cny"),
        pl.Series("target", [target_cells(row, inputs, lang)[0] for row in rows.iter_rows(named=True)], dtype=pl.String),
        pl.Series("verdict", [target_cells(row, inputs, lang)[1] for row in rows.iter_rows(named=True)], dtype=pl.String),
        *[_badges(rows, c, named) for c in ("quality", "place_quality", "per_head_quality", "per_gdp_quality")],
    )
    if measure in _PER:
        kept = ["rank", "area", "per_head", "residents", "per_head_quality"]
        return made.select(
            kept if is_city else [*kept[:3], "per_gdp", "residents", "gdp_cny", "per_head_quality", "per_gdp_quality"]
        )
    kept = [
        "rank",
        "area",
        "value",
        "base_value",
        "change",
        "contribution",
        "numerator_pct",
        "denominator_pct",
    ]
    if first["kind"] in {"growth", "increase"}:
        kept = [c for c in kept if c not in {"base_value", "change"}]
    if first["kind"] != "ratio":
        kept = [c for c in kept if c != "denominator_pct"]
    if first["kind"] == "increase":
        kept.remove("contribution")
    kept += ["peak_year"] if first["id"] == "land_oil_peak" else []
    kept += ["target", "verdict"] if is_city and rows["target"].count() else []
    parts = ["by_own", "by_weight"] if first["kind"] == "ratio" else []
    return made.select([*kept, "place_quality", "quality", *parts])


def _badges(rows: pl.DataFrame, column: str, named: Mapping[str, str]) -> pl.Series:
    """Return qualities as lists of one label, empty where there is none: what a column of badges shows."""
    return pl.Series(column, [[] if code is None else [named[code]] for code in rows[column]], dtype=pl.List(pl.String))


def digits(values: Sequence[float | None]) -> int:
    """Return the number of decimals with which a column of numbers is read: three digits of the largest, none from a thousand.

    Examples
    --------
    >>> digits([0.0197, None, 0.17]), digits([36.8, 5.0]), digits([4449.2]), digits([1.2])
    (4, 1, 0, 2)
    """
    largest = max((abs(v) for v in values if v is not None), default=0.0)
    for limit, decimals in ((100.0, 0 if largest >= 1000 else 1), (10.0, 1), (1.0, 2), (0.2, 3)):
        if largest >= limit:
            return decimals
    return 4 if largest > 0 else 1


def profile_of(profile: pl.DataFrame, area: str, inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return every indicator of one prefecture beside the total: indicator, value, whole, rank, change, share, contribution, quality.

    Parameters
    ----------
    profile
        Of :func:`transport.prefecture_profile.prefecture_profile`.
    area
        The prefecture.
    inputs
        For names.
    lang
        ``zh`` or ``en``.
    """
    named = labels(inputs, "quality", lang)
    made = []
    for row, total, rank in _rows(profile, area, "value", lang):
        quality = [] if row["quality"] is None else [named[row["quality"]]]
        made.append(
            {
                "indicator": series_name(row, "value", inputs, lang),
                "value": t("prefecture.no_such", lang) if row["value"] is None else with_unit(row, "value", lang),
                "whole": written(total, "value", lang),
                "rank": rank,
                "change": with_unit(row, "change", lang),
                "share": row["numerator_pct"],
                "contribution": with_unit(row, "contribution", lang),
                "quality": quality,
            }
        )
    return pl.DataFrame(made, schema_overrides={"share": pl.Float64, "quality": pl.List(pl.String)})


def amounts_of(profile: pl.DataFrame, area: str, inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return per head and per GDP of one prefecture beside the total: numerator, and of each value, whole, rank, quality.

    Parameters
    ----------
    profile
        Of :func:`transport.prefecture_profile.prefecture_profile`.
    area
        The prefecture.
    inputs
        For names.
    lang
        ``zh`` or ``en``.
    """
    named = labels(inputs, "quality", lang)
    sides: list[dict[str, dict[str, Any]]] = []
    for column in _PER:
        found = {}
        for row, total, rank in _rows(profile, area, column, lang):
            if row[column] is None and total[column] is None:
                continue
            quality = row[f"{column}_quality"]
            found[str(row["id"])] = {
                "numerator": t(f"prefecture.amount.{row['id']}", lang),
                column: t("prefecture.no_such", lang) if row[column] is None else with_unit(row, column, lang),
                f"{column}_whole": "-" if total[column] is None else small(total[column]),
                f"{column}_rank": rank,
                f"{column}_quality": [] if quality is None else [named[quality]],
            }
        sides.append(found)
    heads, money = sides
    empty = {"per_gdp": "-", "per_gdp_whole": "-", "per_gdp_rank": "", "per_gdp_quality": []}
    made = [head | (money.get(name) or empty) for name, head in heads.items()]
    # indicators that count the same, as the share and the growth of boxes by rail, have one row
    frame = pl.DataFrame(made, schema_overrides={f"{column}_quality": pl.List(pl.String) for column in _PER})
    return frame.unique("numerator", keep="first", maintain_order=True)


def _rows(profile: pl.DataFrame, area: str, measure: str, lang: str) -> list[tuple[dict[str, Any], dict[str, Any], str]]:
    """Return of each indicator the row of a prefecture, that of the total, and the rank among how many."""
    found = []
    for _, rows in profile.group_by(["id"], maintain_order=True):
        at = rows["area"].to_list().index(area)
        found.append((rows.row(at, named=True), total_of(rows), rank_of(rows, area, measure, lang)))
    return found


def ends(profile: pl.DataFrame, area: str, inputs: Inputs, lang: str) -> tuple[str, str]:
    """Return the indicators in which a prefecture is among the first and the last three, of those where one end is better.

    Parameters
    ----------
    profile
        Of :func:`transport.prefecture_profile.prefecture_profile`.
    area
        The prefecture.
    inputs
        For names.
    lang
        ``zh`` or ``en``.
    """
    first, last = [], []
    for row, _, rank in _rows(profile, area, "value", lang):
        if not rank or row["order"] == "largest" or row["ranked"] < 2 * _ENDS:
            continue
        rows = of_indicator(profile, str(row["id"]))
        place, ranked = row["value_rank"], rows["value_rank"].drop_nulls()
        behind = int((ranked > place).sum())
        shared = int((ranked == place).sum())
        name = series_name(row, "value", inputs, lang)
        # a place shared by more than three is no distinction
        if shared > _ENDS:
            continue
        if place <= _ENDS:
            first.append(name)
        elif behind < _ENDS:
            last.append(name)
    return joint(lang).join(first) or "-", joint(lang).join(last) or "-"


def mix_rows(mix: pl.DataFrame, of: str, inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return what a prefecture is made of beside the province: name, mine, province [percent]; what is nowhere is left out.

    Parameters
    ----------
    mix
        Of :func:`transport.prefecture_profile.place_mix`.
    of
        ``turnover`` or ``co2``.
    inputs
        For names.
    lang
        ``zh`` or ``en``.
    """
    rows = mix.filter(pl.col("of") == of, (pl.col("share_pct") > 0.05) | (pl.col("province_pct") > 0.05))
    names = mix_names(inputs, lang)
    return rows.select(name=pl.col("code").replace(names), mine=pl.col("share_pct").fill_null(0.0), province="province_pct")


def counts(
    profile: pl.DataFrame, inputs: Inputs, qualities: tuple[Mapping[str, str], Mapping[str, str]], lang: str
) -> pl.DataFrame:
    """Return residents and GDP of the prefectures and the province with their qualities.

    Parameters
    ----------
    profile
        Of :func:`transport.prefecture_profile.prefecture_profile`.
    inputs
        For names.
    qualities
        Of :func:`transport.prefecture_profile.count_qualities`.
    lang
        ``zh`` or ``en``.
    """
    names, named = place_names(inputs, lang), labels(inputs, "quality", lang)
    whole = profile.filter(pl.col("area") == PROVINCE)["id"]
    rows = profile.filter(pl.col("id") == (whole[0] if whole.len() else ""), pl.col("area") != UNALLOCATED)
    of_heads, of_money = qualities
    return rows.select(
        pl.col("area").replace_strict(names),
        (pl.col("residents") / PEOPLE[lang]).alias("residents"),
        pl.Series(
            "population_quality", [[named[of_heads[a]]] if a in of_heads else [] for a in rows["area"]], dtype=pl.List(pl.String)
        ),
        (pl.col("gdp_cny") / MONEY[lang]).alias("gdp_cny"),
        pl.Series("gdp_quality", [[named[of_money[a]]] if a in of_money else [] for a in rows["area"]], dtype=pl.List(pl.String)),
    )


def bases(profile: pl.DataFrame, inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return what each indicator is laid to places by: indicator, drivers, value_quality.

    Parameters
    ----------
    profile
        Of :func:`transport.prefecture_profile.prefecture_profile`.
    inputs
        For names.
    lang
        ``zh`` or ``en``.
    """
    drivers = labels(inputs, "area_driver", lang) | {"modelled": t("app.accounts.driver_modelled", lang)}
    named = labels(inputs, "quality", lang)
    made = []
    for _, rows in profile.group_by(["id"], maintain_order=True):
        total = total_of(rows)
        used = [drivers.get(code, code) for code in str(total["drivers"]).split() if code != NO_DRIVER]
        made.append(
            {
                "indicator": series_name(total, "value", inputs, lang),
                "drivers": joint(lang).join(used),
                "value_quality": [named[total["value_quality"]]],
            }
        )
    return pl.DataFrame(made, schema_overrides={"value_quality": pl.List(pl.String)})


def reasons(without: Sequence[Unplaced], inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return the indicators without places: indicator, reason."""
    from transport.prefecture_text import reason_text

    named = labels(inputs, "indicator", lang)
    return pl.DataFrame(
        [{"indicator": named.get(one.id, one.id), "reason": reason_text(one, lang)} for one in without],
        schema={"indicator": pl.String, "reason": pl.String},
    )


def years_of(tables: Mapping[str, pl.DataFrame]) -> list[int]:
    """Return the years after the base year that any table by place holds."""
    found: set[int] = set()
    for name in ("indicator_areas", "green_travel"):
        if name in tables:
            found |= set(tables[name]["year"].unique().to_list())
    return sorted(year for year in found if year > BASE_YEAR)
