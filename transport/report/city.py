"""The report on one prefecture: its own numbers beside the province's, and its contributions, which with all others sum to the province."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transport import palette
from transport.i18n import t
from transport.layout import BASE_YEAR
from transport.prefecture_profile import mix_scope, place_mix, prefecture_profile
from transport.prefecture_series import NEEDED
from transport.prefecture_text import (
    TOTALS,
    mix_names,
    place_names,
    rank_of,
    scaled,
    series_name,
    unit_of,
    with_unit,
    written,
)
from transport.prefectures import UNALLOCATED
from transport.report.chapters import GREEN, SHOWN, co2, joined, place_and_name, reason
from transport.report.content import MARK, WEAK, Figure, Number, Section, Table, Text, columns, plain, year
from transport.report.readings import TARGET_YEAR
from transport.targets import RULES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from transport.report.content import Block, Cell
    from transport.report.source import Source

#: Indicators whose contributions by place are printed side by side.
SUMMED = ("operating_co2_intensity", "transport_co2_total", "rail_energy_intensity", "land_oil_peak")


def profile(source: Source) -> pl.DataFrame:
    """Return every indicator by place in the year of the targets."""
    tables = {name: source.table(name) for name in NEEDED if name in source.run.manifest["tables"]}
    return prefecture_profile(tables, source.inputs, TARGET_YEAR)[0]


def _number(row: Mapping[str, Any], column: str, lang: str, *, weak: bool) -> Cell:
    """Return a number of the profile as the page of prefectures writes it."""
    if row[column] is None:
        return "-"
    unit = str(row["unit"] if column == "value" else row["change_unit"])
    divisor = 1.0 if unit in {"points", "percent"} else scaled(unit, lang)
    return Number(float(row[column]) / divisor, written(row, column, lang), weak)


def overview(source: Source, area: str, table: pl.DataFrame) -> Section:
    """Return the chapter with every indicator of a prefecture beside the province."""
    say, lang = source.say, source.lang
    names, qualities = place_names(source.inputs, lang), source.names("quality")
    rows: list[tuple[Cell, ...]] = []
    for _, mine in table.group_by(["id"], maintain_order=True):
        row = mine.row(mine["area"].to_list().index(area), named=True)
        total = mine.filter(pl.col("area").is_in(TOTALS)).row(0, named=True)
        weak = row["quality"] in WEAK
        rows.append(
            (
                series_name(row, "value", source.inputs, lang),
                _number(row, "value", lang, weak=weak),
                _number(total, "value", lang, weak=total["quality"] in WEAK),
                unit_of(row, "value", lang) or say("year_unit"),
                rank_of(mine, area, "value", lang) or "-",
                with_unit(row, "change", lang),
                plain(row["numerator_pct"]),
                with_unit(row, "contribution", lang),
                qualities.get(row["quality"] or "", "-"),
            )
        )
    heads = (
        t("scorecard.indicator", lang),
        names[area],
        t("prefecture.province", lang),
        t("scorecard.unit", lang),
        t("prefecture.rank", lang),
        t("prefecture.change", lang, base=BASE_YEAR),
        t("prefecture.share_of_province", lang),
        t("prefecture.contribution", lang),
        t("scorecard.quality", lang),
    )
    listed = Table(
        "profile",
        say("city.profile_title", area=names[area], year=TARGET_YEAR),
        say("city.profile_sheet"),
        columns(heads, (3.2, 1, 1, 1.2, 1, 1.6, 1, 1.7, 1), (0, 3, 4, 5, 7, 8)),
        tuple(rows),
        notes=(t("prefecture.allocated", lang), say("mark_note", mark=MARK)),
        wide=True,
    )
    return Section(say("city.profile_chapter"), (listed,))


def lead(source: Source, area: str, table: pl.DataFrame) -> Section:
    """Return the chapter that says who lives in a prefecture and how its own targets stand."""
    say, lang = source.say, source.lang
    place = source.names("area")[area]
    first = table.row(table["area"].to_list().index(area), named=True)
    people = 1e4 if lang == "zh" else 1e3
    money = 1e8 if lang == "zh" else 1e9
    about = [say("city.people", area=place, year=TARGET_YEAR, residents=f"{first['residents'] / people:,.1f}")]
    if first["gdp_cny"] is not None:
        about.append(say("city.gdp", gdp=f"{first['gdp_cny'] / money:,.1f}"))
    lines = [line for line in source.lines if line.area == area]
    blocks: list[Block] = [Text(joined(about, lang))]
    blocks += [
        Text(say("missed.line", name=place_and_name(line, source), year=line.year, reason=reason(line, source)), "item")
        for line in lines
    ]
    if not any(line.id == GREEN for line in lines):
        blocks.append(Text(say("city.no_green_target", area=place)))
    return Section(say("city.lead_chapter"), (*blocks, Text(t("prefecture.allocated", lang))))


def reconciliation(source: Source, area: str, table: pl.DataFrame) -> Section:
    """Return the chapter in which the contributions of all places sum to the change of the province."""
    say, lang = source.say, source.lang
    names = place_names(source.inputs, lang)
    found = [
        mine
        for (name,), mine in table.group_by(["id"], maintain_order=True)
        if name in SUMMED and mine["contribution"].count() > 1
    ]
    places = [code for code in names if code not in TOTALS]
    by_place = [{row["area"]: row for row in mine.iter_rows(named=True)} for mine in found]
    totals = [next(mine.filter(pl.col("area").is_in(TOTALS)).iter_rows(named=True)) for mine in found]
    rows: list[tuple[Cell, ...]] = []
    for code in places:
        cells = tuple(_number(of[code], "contribution", lang, weak=False) if code in of else "-" for of in by_place)
        if any(not isinstance(cell, str) for cell in cells):
            rows.append((names[code], *cells))
    bold = {i for i, row in enumerate(rows) if row[0] == names[area]}
    rows.append((t("prefecture.province", lang), *(_number(total, "change", lang, weak=False) for total in totals)))
    heads = [
        say(
            "city.contribution_of",
            indicator=series_name(total, "value", source.inputs, lang),
            unit=unit_of(total, "contribution", lang),
        )
        for total in totals
    ]
    listed = Table(
        "contributions",
        say("city.sum_title", base=BASE_YEAR, year=TARGET_YEAR),
        say("city.sum_sheet"),
        columns((t("prefecture.area", lang), *heads), (1.6, *(2.0 for _ in heads)), (0,)),
        tuple(rows),
        notes=(say("city.sum_note", unallocated=names[UNALLOCATED]), t("prefecture.allocated", lang)),
        bold=frozenset({*bold, len(rows) - 1}),
    )
    return Section(say("city.sum_chapter"), (listed,))


def made_of(source: Source, area: str, table: pl.DataFrame) -> Section:
    """Return the chapter on what the transport of a prefecture is made of: turnover, CO2, trips."""
    say, lang = source.say, source.lang
    tables = {name: source.table(name) for name in NEEDED if name in source.run.manifest["tables"]}
    scope = mix_scope(table)
    mix = place_mix(tables, area, TARGET_YEAR, scope=scope)
    named, place = mix_names(source.inputs, lang), source.names("area")[area]
    kinds = {
        of: t(f"prefecture.mix_{of}", lang, scope=source.names("scope")[scope]) for of in mix["of"].unique(maintain_order=True)
    }
    rows: list[tuple[Cell, ...]] = []
    last = ""
    for of, code, share, whole in mix.select("of", "code", "share_pct", "province_pct").iter_rows():
        if max(share or 0.0, whole or 0.0) > 0.05:
            rows.append(
                (kinds[of] if of != last else "", named.get(code, code), plain(share, weak=True), plain(whole, weak=True))
            )
            last = of
    listed = Table(
        "mix",
        say("city.mix_title", area=place, year=TARGET_YEAR),
        say("city.mix_sheet"),
        columns((say("city.of"), say("city.part"), place, t("prefecture.province", lang)), (2.4, 2, 1, 1), (0, 1)),
        tuple(rows),
        unit="%",
        notes=(t("prefecture.allocated", lang), say("unverified_note", mark=MARK)),
        merged=(0,),
    )
    return Section(say("city.mix_chapter"), (*co2(source, area), listed))


def trips(source: Source, area: str) -> Section:
    """Return the chapter on the trips of the residents of the central city by mode."""
    say, lang = source.say, source.lang
    table = source.table("green_travel").filter(pl.col("area") == area)
    if table.is_empty():
        return Section(say("city.trips_chapter"), (Text(say("city.no_trips")),))
    modes = source.names("travel_mode")
    values = {(row["mode"], row["year"]): row["share"] for row in table.iter_rows(named=True)}
    used = [mode for mode in modes if any(values.get((mode, at), 0.0) > 0 for at in SHOWN)]
    place = source.names("area")[area]
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (modes[mode], *(plain(100.0 * values[mode, at], weak=True) if (mode, at) in values else "-" for at in SHOWN))
        for mode in used
    )
    listed = Table(
        "trips",
        say("city.trips_title", area=place),
        say("city.trips_sheet"),
        columns((say("city.trip_mode"), *map(str, SHOWN)), (2, 1, 1, 1, 1)),
        rows,
        unit="%",
        notes=(say("city.trips_note"), say("unverified_note", mark=MARK)),
    )
    years = sorted(at for at in table["year"].unique().to_list() if at >= BASE_YEAR)
    path = Table(
        "trips_path",
        say("city.trips_title", area=place),
        say("city.trips_figure_sheet"),
        columns((t("scorecard.year", lang), *(modes[mode] for mode in used)), (1.0,) * (1 + len(used)), ()),
        tuple((year(at), *(plain(100.0 * values.get((mode, at), 0.0)) for mode in used)) for at in years),
        unit="%",
    )
    figure = Figure(path, "columns", "%", tuple(palette.SERIES_COLOURS[: len(used)]), say("city.trips_alt", area=place))
    return Section(say("city.trips_chapter"), (figure, listed))


def shares(source: Source, area: str) -> Section:
    """Return the chapter on what the targets of the province ask of a prefecture, if every place and sector cuts at the same rate."""
    say, lang = source.say, source.lang
    sectors, names = source.names("area_sector"), source.names("indicator")
    rule = RULES[0]
    table = source.table("target_shares").filter(pl.col("area") == area, pl.col("rule") == rule)
    if table.is_empty():
        return Section(say("city.shares_chapter"), (Text(say("city.no_shares")),))
    rows: list[tuple[Cell, ...]] = []
    last = ""
    for row in table.iter_rows(named=True):
        co2_ = row["unit"] == "tCO2/yr"
        scale = (1e4 if lang == "zh" else 1e3) * (1.0 if co2_ else 1e3)
        unit = t(f"decompose.unit_{'co2' if co2_ else 'coal'}", lang)
        rows.append(
            (
                names[row["target"]] if row["target"] != last else "",
                sectors.get(row["sector"], row["sector"]),
                *(plain(row[key] / scale, 2, weak=True) for key in ("base", "reference", "cut", "allowed", "modelled", "gap")),
                unit,
            )
        )
        last = row["target"]
    heads = (
        t("scorecard.indicator", lang),
        t("decompose.by_sector", lang),
        *(t(f"decompose.{key}", lang) for key in ("base", "reference", "cut", "allowed", "modelled", "gap")),
        t("scorecard.unit", lang),
    )
    listed = Table(
        "shares",
        say("city.shares_title", year=TARGET_YEAR),
        say("city.shares_sheet"),
        columns(heads, (2.2, 1.5, 1, 1, 1, 1, 1, 1, 1.2), (0, 1, 8)),
        tuple(rows),
        notes=(t("decompose.note", lang), t(f"decompose.rule_{rule}", lang), say("unverified_note", mark=MARK)),
        merged=(0,),
        wide=True,
    )
    return Section(say("city.shares_chapter"), (listed,))
