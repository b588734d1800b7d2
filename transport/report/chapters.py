"""Chapters of the report on a scenario: targets, intensity, attribution, freight, fleets, energy and CO2, green travel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transport import palette
from transport.i18n import t
from transport.layout import BASE_YEAR, CARRIER_UNITS, PROVINCE, SCOPES
from transport.report.content import MARK, WEAK, Figure, Number, Section, Table, Text, amount, columns, plain, signed, year
from transport.report.readings import INTENSITY, TARGET_YEAR, headline_words, matrix_table, sentence_table
from transport.scorecard import MET, READING
from transport.targets import NOT_MODELLED, unmodelled
from transport.text import capacity_line, divisor, frozen_grid_line, response_line, sales_line, shown, target_text, unit_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transport.report.content import Block, Cell
    from transport.report.source import Source
    from transport.scorecard import ScoreLine

#: Years whose values are printed.
SHOWN = (BASE_YEAR, 2025, 2030, 2035)
GREEN = "green_travel_share"
MODES = ("road", "rail", "water", "pipeline", "air")
#: Factors of the attribution in the order of the figure.
FACTORS = ("covid_rebound", "mode_structure", "load_empty", "efficiency", "electrification", "fuel_switch", "grid")
NEW_ENERGY = "new_energy"


def joined(sentences: Sequence[str], lang: str) -> str:
    """Return sentences as one paragraph."""
    return ("" if lang == "zh" else " ").join(sentence for sentence in sentences if sentence)


# ---- targets -----------------------------------------------------------------------------------------------------------------------


def place_and_name(line: ScoreLine, source: Source) -> str:
    """Return the name of an indicator, with its place where that is not the province."""
    name = source.names("indicator")[line.id]
    if line.area == PROVINCE:
        return name
    return source.say("place_and_name", place=source.names("area").get(line.area, line.area), name=name)


def reason(line: ScoreLine, source: Source) -> str:
    """Return why a target has its verdict, in one or two sentences."""
    say, lang = source.say, source.lang
    unit = unit_label(line.unit, lang)

    def with_unit(text: str) -> str:
        return f"{text} {unit}".strip() if unit != "%" else f"{text}%"

    why = unmodelled(source.inputs, lang)
    if line.verdict == NOT_MODELLED or (line.value is None and line.id in why):
        return say("reason.not_modelled", reason=why.get(line.id, t("scorecard.no_reason", lang)))
    words = {
        "year": line.year,
        "value": with_unit(shown(line.value, line.unit, lang)),
        "actual": with_unit(shown(line.actual, line.unit, lang)),
        "target": with_unit(target_text(line, lang)),
    }
    if line.verdict == "actual_pending":
        made = [say("reason.actual_pending", **words)]
    elif line.value is None and line.actual is None:
        made = [say("reason.no_value", **words)]
    else:
        missing = abs(line.gap or 0.0)
        words["gap"] = (
            say("years", count=f"{missing:.0f}")
            if line.unit == "year"
            else _points(shown(missing, line.unit, lang), line, source)
        )
        side = "short" if (line.gap or 0.0) > 0 else "spare"
        made = [say(f"reason.{side}" if line.actual is None else f"reason.{side}_actual", **words)]
        if line.verdict == "within_tolerance":
            made.append(say("reason.within_tolerance"))
    if line.readings > 1 and line.verdict != "actual_pending":
        made.append(say("reason.readings", met=line.met, readings=line.readings))
    if line.quality in WEAK:
        made.append(say("reason.weak", quality=source.names("quality")[line.quality]))
    return joined(made, lang)


def _points(missing: str, line: ScoreLine, source: Source) -> str:
    if line.unit.startswith("percent"):
        return source.say("points", value=missing)
    return f"{missing} {unit_label(line.unit, source.lang)}".strip()


def gap(value: float | None, unit: str, lang: str) -> Cell:
    """Return what is missing of a target; between two years a number of years."""
    return plain(value, 0) if unit == "year" else amount(value, unit, lang)


def target_table(source: Source, lines: Sequence[ScoreLine] | None = None) -> Table:
    """Return the targets with value, gap, verdict and quality."""
    say, lang = source.say, source.lang
    lines = source.lines if lines is None else lines
    areas, verdicts, qualities = source.names("area"), source.names("verdict"), source.names("quality")
    has_actual = any(line.actual is not None for line in lines)
    rows: list[tuple[Cell, ...]] = []
    for number, line in enumerate(lines, 1):
        weak = line.quality in WEAK
        target = Number(line.target / divisor(line.unit, lang), target_text(line, lang))
        actual = (amount(line.actual, line.unit, lang),) if has_actual else ()
        rows.append(
            (
                Number(float(number), str(number)),
                source.names("indicator")[line.id],
                areas[line.area],
                year(line.year),
                amount(line.value, line.unit, lang, weak=weak),
                *actual,
                target,
                gap(line.gap, line.unit, lang),
                unit_label(line.unit, lang) or say("year_unit"),
                verdicts[line.verdict],
                qualities.get(line.quality, "-"),
            )
        )
    actual_head = (t("scorecard.actual", lang),) if has_actual else ()
    heads = (
        say("number"),
        *(t(f"scorecard.{key}", lang) for key in ("indicator", "area", "year", "value")),
        *actual_head,
        *(t(f"scorecard.{key}", lang) for key in ("target", "gap", "unit", "verdict", "quality")),
    )
    widths = (0.6, 2.5, 1.1, 0.7, 1.35, *((1.2,) if has_actual else ()), 1.2, 1.15, 0.95, 1.35, 1.15)
    words = (1, 2, *(7 + has_actual, 8 + has_actual, 9 + has_actual))
    return Table(
        "targets",
        say("targets.title"),
        say("targets.sheet"),
        columns(heads, widths, words),
        tuple(rows),
        notes=(t("app.scorecard_note", lang), say("mark_note", mark=MARK)),
        wide=True,
    )


def reason_table(source: Source, lines: Sequence[ScoreLine] | None = None, *, key: str = "reasons") -> Table:
    """Return why each target has its verdict; the numbers are those of the table of targets."""
    say = source.say
    verdicts = source.names("verdict")
    rows: list[tuple[Cell, ...]] = [
        (Number(float(number), str(number)), place_and_name(line, source), verdicts[line.verdict], reason(line, source))
        for number, line in enumerate(source.lines if lines is None else lines, 1)
    ]
    heads = (say("number"), t("scorecard.indicator", source.lang), say("verdict"), say("reasons.reason"))
    return Table(key, say("reasons.title"), say("reasons.sheet"), columns(heads, (0.6, 2.6, 1.2, 6.0), (1, 2, 3)), tuple(rows))


def summary(source: Source) -> Section:
    """Return the chapter that says it all in a few sentences."""
    say, lang = source.say, source.lang
    lines = source.lines
    count = {verdict: sum(line.verdict == verdict for line in lines) for verdict in source.names("verdict")}
    blocks: list[Block] = [
        Text(
            say(
                "summary.counts",
                scenario=source.title,
                targets=len(lines),
                met=count["met"],
                within=count["within_tolerance"],
                missed=count["missed"],
                pending=count["actual_pending"],
                unmodelled=count[NOT_MODELLED],
            )
        )
    ]
    line = next(one for one in lines if one.id == INTENSITY)
    if line.value is not None:
        words = headline_words(source)
        blocks.append(
            Text(
                say(
                    "summary.headline",
                    **words,
                    year=line.year,
                    base_year=BASE_YEAR,
                    value=f"{line.value:+.1f}",
                    target=f"{line.target:g}",
                    verdict=source.names("verdict")[line.verdict],
                    met=line.met,
                    readings=line.readings,
                )
            )
        )
    others = (
        frozen_grid_line(source.table("indicators"), source.inputs, lang),
        capacity_line(source.run, source.inputs, lang),
        response_line(source.run, lang),
        sales_line(source.run, source.inputs, lang),
    )
    blocks += [Text(sentence) for sentence in others if sentence]
    weak = sum(line.quality in WEAK for line in lines)
    blocks.append(Text(say("summary.weak", weak=weak, targets=len(lines))))
    return Section(say("summary.chapter"), tuple(blocks))


def targets(source: Source) -> Section:
    """Return the chapter of targets."""
    return Section(source.say("targets.chapter"), (target_table(source), reason_table(source)))


# ---- the headline ------------------------------------------------------------------------------------------------------------------


def intensity_rows(source: Source) -> pl.DataFrame:
    """Return the headline reading and the lowest and highest of all readings by year from the base year [percent]."""
    rows = source.table("indicators").filter(pl.col("id") == INTENSITY, pl.col("variant") == "", pl.col("year") >= BASE_YEAR)
    reading = (
        source.inputs.table("indicators").filter(pl.col("id") == INTENSITY).select([pl.col(c).fill_null("") for c in READING])
    )
    headline = rows.join(reading, on=list(READING), how="semi").select("year", headline="value")
    band = rows.group_by("year").agg(low=pl.col("value").min(), high=pl.col("value").max())
    return headline.join(band, on="year").sort("year")


def intensity(source: Source) -> Section:
    """Return the chapter of the headline: its path, all readings as a matrix and in sentences."""
    say = source.say
    line = next(one for one in source.lines if one.id == INTENSITY)
    span = line.year - BASE_YEAR
    rows: list[tuple[Cell, ...]] = []
    for at, headline, low, high in intensity_rows(source).iter_rows():
        towards = signed(line.target * (at - BASE_YEAR) / span) if at <= line.year else "-"
        rows.append((year(at), signed(headline, weak=line.quality in WEAK), signed(low), signed(high), towards))
    heads = (
        t("scorecard.year", source.lang),
        *(t(f"app.{key}", source.lang) for key in ("headline", "lowest_reading", "highest_reading")),
    )
    data = Table(
        "intensity",
        say("intensity.title"),
        say("intensity.sheet"),
        columns((*heads, say("intensity.towards")), (1, 1.5, 1.5, 1.5, 1.5), ()),
        tuple(rows),
        unit="%",
        notes=(t("app.intensity_note", source.lang, **headline_words(source)),),
    )
    figure = Figure(
        data,
        "path",
        t("app.intensity_axis", source.lang),
        (palette.LINE_COLOUR, palette.BAND_COLOUR, palette.BAND_COLOUR, palette.TARGET_COLOUR),
        say("intensity.alt", year=line.year, value=f"{line.value:+.1f}" if line.value is not None else "-"),
        target=line.target,
        target_label=t("app.target_mark", source.lang, target=f"{line.target:+.1f}"),
    )
    return Section(say("intensity.chapter"), (figure, matrix_table(source), sentence_table(source)))


def attribution(source: Source) -> Section:
    """Return the chapter that splits the change of the headline into factors."""
    say, lang = source.say, source.lang
    headline = source.inputs.table("indicators").filter(pl.col("id") == INTENSITY).row(0, named=True)
    reading = [pl.col(key) == headline[key] for key in ("boundary", "scope", "base")]
    table = source.table("attribution").filter(pl.col("to_year") == TARGET_YEAR, *reading)
    found = {(row["factor"], row["detail"]): row for row in table.iter_rows(named=True)}
    rows: list[tuple[Cell, ...]] = []
    bars: list[tuple[Cell, ...]] = []
    bold = set()
    for factor in (*FACTORS, "total"):
        for (name, detail), row in found.items():
            if name != factor:
                continue
            text = t(f"attribution.line.{detail}", lang) if detail else t(f"attribution.factor.{factor}", lang)
            if not detail:
                bars.append((text, signed(row["change_pct"], 2)))
                bold |= {len(rows)} if factor == "total" else set()
            rows.append(
                (
                    say("attribution.detail", name=text) if detail else text,
                    signed(row["change_pct"], 2),
                    signed(row["g_per_tkm"], 3),
                )
            )
    words = headline_words(source)
    title = say("attribution.title", base=BASE_YEAR, year=TARGET_YEAR)
    data = Table(
        "waterfall",
        title,
        say("attribution.figure_sheet"),
        columns((t("attribution.factor_column", lang), t("attribution.points", lang)), (3, 1)),
        tuple(bars),
        unit=t("attribution.points", lang),
    )
    total = next(row for (factor, detail), row in found.items() if factor == "total" and not detail)
    figure = Figure(
        data,
        "waterfall",
        t("attribution.points", lang),
        (palette.MET_COLOUR, palette.MISSED_COLOUR, palette.TOTAL_COLOUR),
        say("attribution.alt", base=BASE_YEAR, year=TARGET_YEAR, total=f"{total['change_pct']:+.1f}"),
    )
    listed = Table(
        "attribution",
        title,
        say("attribution.sheet"),
        columns((t("attribution.factor_column", lang), t("attribution.points", lang), unit_label("gCO2/tkm", lang)), (3, 1, 1)),
        tuple(rows),
        notes=(
            t("attribution.reading", lang, **words),
            *(t(f"attribution.note.{key}", lang) for key in ("prices", "structure", "covid")),
        ),
        bold=frozenset(bold),
    )
    return Section(say("attribution.chapter"), (figure, listed))


# ---- what moves --------------------------------------------------------------------------------------------------------------------


def by_year(frame: pl.DataFrame, key: str, value: str, years: Sequence[int]) -> dict[str, dict[int, float]]:
    """Return code -> year -> sum of a column."""
    grouped = frame.filter(pl.col("year").is_in(list(years))).group_by(key, "year").agg(pl.col(value).sum())
    found: dict[str, dict[int, float]] = {}
    for code, at, amount_ in grouped.iter_rows():
        found.setdefault(str(code), {})[int(at)] = float(amount_)
    return found


def freight(source: Source) -> Section:
    """Return the chapter of freight by mode."""
    say, lang = source.say, source.lang
    table, modes = source.table("freight"), source.names("mode")
    used = [mode for mode in MODES if mode in set(table["mode"].to_list())]
    blocks: list[Block] = []
    note = (say("unverified_note", mark=MARK),)
    for column, unit, key in (("territory_tkm", "tkm/yr", "freight_tkm"), ("t", "t/yr", "freight_t")):
        found = by_year(table, "mode", column, SHOWN)
        rows: list[tuple[Cell, ...]] = [
            (modes[mode], *(amount(found[mode].get(at), unit, lang, weak=True) for at in SHOWN)) for mode in used
        ]
        total = {at: sum(found[mode].get(at, 0.0) for mode in used) for at in SHOWN}
        rows.append((say("total"), *(amount(total[at], unit, lang, weak=True) for at in SHOWN)))
        rail = [100.0 * found["rail"].get(at, 0.0) / total[at] for at in SHOWN]
        rows.append((say("freight.rail_share"), *(plain(value, weak=True) for value in rail)))
        heads = (t("app.mode", lang), *map(str, SHOWN))
        blocks.append(
            Table(
                key,
                say(f"freight.{column}_title"),
                say(f"freight.{column}_sheet"),
                columns(heads, (1.8, 1, 1, 1, 1)),
                tuple(rows),
                unit=unit_label(unit, lang),
                notes=(say(f"freight.{column}_note"), *note),
                bold=frozenset({len(used)}),
            )
        )
    years = sorted(table["year"].unique().to_list())
    found = by_year(table, "mode", "territory_tkm", years)
    data = Table(
        "freight_path",
        say("freight.path_title"),
        say("freight.path_sheet"),
        columns((t("scorecard.year", lang), *(modes[mode] for mode in used)), (1.0,) * (1 + len(used)), ()),
        tuple((year(at), *(amount(found[mode].get(at, 0.0), "tkm/yr", lang) for mode in used)) for at in years),
        unit=unit_label("tkm/yr", lang),
    )
    figure = Figure(
        data,
        "area",
        unit_label("tkm/yr", lang),
        tuple(palette.MODE_COLOURS[mode] for mode in used),
        say("freight.alt"),
    )
    return Section(say("freight.chapter"), (figure, *blocks))


def fleets(source: Source) -> Section:
    """Return the chapter of the fleets: stock by class, share of new energy in stock and additions."""
    say = source.say
    classes = source.inputs.table("fleets/classes").select("vehicle_class", of=pl.coalesce("parent", "vehicle_class"))
    groups = source.inputs.table("fleets/powertrains").select(
        of="vehicle_class", powertrain="powertrain", new=pl.col("powertrain_group") == NEW_ENERGY
    )
    # powertrains are described for a class or for its parent
    own = groups.rename({"of": "vehicle_class", "new": "own"})
    table = source.table("stock").join(classes, on="vehicle_class", how="left")
    table = table.join(own, on=["vehicle_class", "powertrain"], how="left").join(groups, on=["of", "powertrain"], how="left")
    table = table.with_columns(new=pl.coalesce("own", "new"))
    sums = table.group_by("of", "year").agg(
        stock=pl.col("stock_veh").sum(),
        new_stock=pl.col("stock_veh").filter(pl.col("new")).sum(),
        sales=pl.col("sales_veh").sum(),
        new_sales=pl.col("sales_veh").filter(pl.col("new")).sum(),
    )
    found = {(row["of"], row["year"]): row for row in sums.iter_rows(named=True)}
    names = source.names("vehicle_class")
    order = [code for code in names if (code, BASE_YEAR) in found]

    def share(row: dict[str, float], part: str) -> Cell:
        whole = row[part]
        return "-" if whole < 0.5 else plain(100.0 * row[f"new_{part}"] / whole, weak=True)

    rows: list[tuple[Cell, ...]] = [
        (
            names[code],
            *(plain(found[code, at]["stock"], 0, weak=True) for at in SHOWN),
            *(share(found[code, at], "stock") for at in (BASE_YEAR, TARGET_YEAR)),
            share(found[code, TARGET_YEAR], "sales"),
        )
        for code in order
    ]
    heads = (
        say("fleets.class"),
        *(say("fleets.stock", year=at) for at in SHOWN),
        *(say("fleets.new_stock", year=at) for at in (BASE_YEAR, TARGET_YEAR)),
        say("fleets.new_sales", year=TARGET_YEAR),
    )
    listed = Table(
        "fleets",
        say("fleets.title"),
        say("fleets.sheet"),
        columns(heads, (1.9, 1.4, 1.4, 1.4, 1.45, 0.9, 0.9, 0.9)),
        tuple(rows),
        notes=(say("fleets.note"), say("unverified_note", mark=MARK)),
        wide=True,
    )
    return Section(say("fleets.chapter"), (listed,))


#: Unit of a carrier's quantity -> divisor and key of the unit on the reader's scale.
_QUANTITIES: dict[str, dict[str, tuple[float, str]]] = {
    "zh": {"t": (1e4, "unit.tonnes"), "kWh": (1e8, "unit.kwh"), "m3": (1e8, "unit.gas")},
    "en": {"t": (1e6, "unit.tonnes"), "kWh": (1e9, "unit.kwh"), "m3": (1e9, "unit.gas")},
}
_COAL = {"zh": 1e7, "en": 1e9}


def energy(source: Source) -> Section:
    """Return the chapter of energy by carrier and CO2 by sector and scope."""
    say, lang = source.say, source.lang
    carriers, table = source.names("carrier"), source.table("energy")
    years = sorted(at for at in table["year"].unique().to_list() if at >= BASE_YEAR)
    coal, amounts = (by_year(table, "carrier", column, years) for column in ("kgce", "quantity"))
    used = [carrier for carrier in carriers if carrier in coal and any(coal[carrier].values())]
    rows: list[tuple[Cell, ...]] = []
    for carrier in used:
        scale, unit = _QUANTITIES[lang][CARRIER_UNITS[carrier]]
        values = [plain(amounts[carrier].get(at, 0.0) / scale, 2, weak=True) for at in SHOWN]
        rows.append((carriers[carrier], say(unit), *values))
    quantities = Table(
        "energy",
        say("energy.title"),
        say("energy.sheet"),
        columns((say("energy.carrier"), t("scorecard.unit", lang), *map(str, SHOWN)), (1.6, 1.2, 1, 1, 1, 1), (0, 1)),
        tuple(rows),
        notes=(say("energy.note"), say("unverified_note", mark=MARK)),
    )
    path = Table(
        "energy_path",
        say("energy.path_title"),
        say("energy.path_sheet"),
        columns((t("scorecard.year", lang), *(carriers[c] for c in used)), (1.0,) * (1 + len(used)), ()),
        tuple((year(at), *(plain(coal[c].get(at, 0.0) / _COAL[lang], 2) for c in used)) for at in years),
        unit=say("unit.coal"),
    )
    figure = Figure(path, "columns", say("unit.coal"), tuple(palette.SERIES_COLOURS[: len(used)]), say("energy.alt"))
    return Section(say("energy.chapter"), (figure, quantities, *co2(source)))


def co2(source: Source, area: str = PROVINCE) -> tuple[Block, ...]:
    """Return CO2 by sector and by scope, of the province or of one prefecture, as a figure and a table.

    Parameters
    ----------
    source
        The run.
    area
        Code of a prefecture, or of the province = the sum of all places and of what has none.
    """
    say, lang = source.say, source.lang
    sectors, scopes = source.names("area_sector"), source.names("scope")
    table = source.table("co2_areas")
    table = table if area == PROVINCE else table.filter(pl.col("area") == area)
    years = sorted(at for at in table["year"].unique().to_list() if at >= BASE_YEAR)
    shown_scope = "direct_power"
    found = by_year(table.filter(pl.col("scope") == shown_scope), "sector", "t", years)
    used = [sector for sector in sectors if sector in found and any(found[sector].values())]
    rows: list[tuple[Cell, ...]] = [
        (sectors[sector], *(amount(found[sector].get(at, 0.0), "tCO2/yr", lang, weak=True) for at in SHOWN)) for sector in used
    ]
    whole = by_year(table, "scope", "t", SHOWN)
    bold = set()
    for scope in SCOPES:
        bold |= {len(rows)}
        rows.append(
            (say("co2.total", scope=scopes[scope]), *(amount(whole[scope].get(at), "tCO2/yr", lang, weak=True) for at in SHOWN))
        )
    place = source.names("area")[area]
    unit = unit_label("tCO2/yr", lang)
    listed = Table(
        "co2",
        say("co2.title", place=place, scope=scopes[shown_scope]),
        say("co2.sheet"),
        columns((say("co2.sector"), *map(str, SHOWN)), (2.4, 1, 1, 1, 1)),
        tuple(rows),
        unit=unit,
        notes=(say("co2.note"), say("unverified_note", mark=MARK)),
        bold=frozenset(bold),
    )
    path = Table(
        "co2_path",
        say("co2.path_title", place=place, scope=scopes[shown_scope]),
        say("co2.path_sheet"),
        columns((t("scorecard.year", lang), *(sectors[one] for one in used)), (1.0,) * (1 + len(used)), ()),
        tuple((year(at), *(amount(found[one].get(at, 0.0), "tCO2/yr", lang) for one in used)) for at in years),
        unit=unit,
    )
    figure = Figure(path, "columns", unit, tuple(palette.SECTOR_COLOURS[one] for one in used), say("co2.alt", place=place))
    return figure, listed


def green_travel(source: Source) -> Section:
    """Return the chapter of green travel by city."""
    say, lang = source.say, source.lang
    rows = source.table("indicators").filter(pl.col("id") == GREEN, pl.col("year").is_in(SHOWN), pl.col("value").is_not_null())
    lines = {line.area: line for line in source.lines if line.id == GREEN}
    values = {(row["area"], row["year"], row["variant"]): row for row in rows.iter_rows(named=True)}
    variants = [v for v in rows["variant"].unique().sort().to_list() if v]
    cities = [area for area in source.names("area") if (area, TARGET_YEAR, "") in values]
    cities.sort(key=lambda area: -float(values[area, TARGET_YEAR, ""]["value"]))
    without = variants[0] if variants else ""
    verdicts, names = source.names("verdict"), source.names("area")
    listed: list[tuple[Cell, ...]] = []
    bars: list[tuple[Cell, ...]] = []
    for area in cities:
        line = lines.get(area)
        weak = values[area, TARGET_YEAR, ""]["quality"] in WEAK
        series = [plain(values[area, at, ""]["value"], weak=weak) if (area, at, "") in values else "-" for at in SHOWN]
        other = values.get((area, TARGET_YEAR, without))
        bare = plain(other["value"], weak=weak) if other is not None else "-"
        met = verdicts[line.verdict] if line is not None else verdicts["tracked"]
        goal = plain(line.target, 0) if line is not None else "-"
        missing = signed(line.gap) if line is not None else "-"
        listed.append((names[area], *series, bare, goal, missing, met))
        bars.append(
            (names[area], plain(values[area, TARGET_YEAR, ""]["value"]), plain(other["value"]) if other is not None else "-")
        )
    heads = (
        t("scorecard.area", lang),
        *map(str, SHOWN),
        say("green.without", year=TARGET_YEAR),
        *(t(f"scorecard.{key}", lang) for key in ("target", "gap", "verdict")),
    )
    table = Table(
        "green",
        say("green.title"),
        say("green.sheet"),
        columns(heads, (1.3, 1, 1, 1, 1, 1.3, 0.8, 0.9, 1.2), (0, 8)),
        tuple(listed),
        unit="%",
        notes=(say("green.note"), t("app.green_note", lang) if lines else t("app.green_none", lang), say("mark_note", mark=MARK)),
        bold=frozenset(i for i, area in enumerate(cities) if area in lines),
    )
    target = next((line.target for line in lines.values()), None)
    figure = Figure(
        Table(
            "green_bars",
            say("green.figure_title", year=TARGET_YEAR),
            say("green.figure_sheet"),
            columns((t("scorecard.area", lang), t("app.green_axis", lang), t("app.without_e_bike", lang)), (2, 1, 1)),
            tuple(bars),
            unit="%",
        ),
        "bars",
        t("app.green_axis", lang),
        (palette.LINE_COLOUR, "#222222"),
        say("green.alt", year=TARGET_YEAR, met=sum(line.verdict in MET for line in lines.values()), cities=len(lines)),
        target=target,
        target_label="" if target is None else t("app.target_mark", lang, target=f"{target:g}"),
    )
    return Section(say("green.chapter"), (figure, table))
