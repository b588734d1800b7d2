"""Tables of the first page: targets with probability and reason, every reading as a sentence, the years to 2030, and scenarios by target."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl

from transport.app.account_tables import FACTORS, verdicts
from transport.bundled import ENSEMBLE, PROBABILITIES, best_ensemble
from transport.i18n import labels, t
from transport.layout import BASE_YEAR, PROVINCE, YEARS
from transport.scorecard import MET, headline_rows, scorecard
from transport.targets import NOT_MODELLED, unmodelled
from transport.text import goal, period_text, shown, target_text, unit_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.scorecard import ScoreLine

    #: Indicator, area, year.
    Key = tuple[str, str, int]

INTENSITY = "operating_co2_intensity"
#: Year before the fifteenth five-year plan, and its years.
FROM_YEAR, PLAN_YEARS = 2025, range(2026, 2031)
#: Data qualities nobody has verified.
WEAK = ("assumption", "recalled")
#: Indicators that full railway sections hold back.
_ON_RAILS = ("sea_rail_share", "sea_rail_growth", "rail_freight_increase", "bulk_long_haul_rail_water_share")
_NO_PEAK = "land_oil_peak"


def key_of(line: ScoreLine) -> Key:
    """Return what a target is found by."""
    return line.id, line.area, line.year


# ---- probabilities -----------------------------------------------------------------------------------------------------------------


def stored_probabilities(
    folders: Iterable[Path], manifest: Mapping[str, Any], definitions: pl.DataFrame
) -> tuple[dict[Key, float], Mapping[str, Any]]:
    """Return the probability of every target in its headline reading, and the manifest of the ensemble it rests on.

    Parameters
    ----------
    folders
        Where ensembles lie.
    manifest
        Of the run; the ensemble must be of the same levers, projects and data.
    definitions
        Table ``indicators`` of the data.

    Returns
    -------
    probabilities, about
        Of the ensemble with the most draws; nothing where there is none.
    """
    best = best_ensemble(folders, manifest)
    if best is None:
        return {}, {}
    about: Mapping[str, Any] = json.loads((best / ENSEMBLE).read_text(encoding="utf-8"))
    rows = headline_rows(pl.read_parquet(best / f"{PROBABILITIES}.parquet"), definitions)
    return {(i, a, y): p for i, a, y, p in rows.select("id", "area", "year", "probability").iter_rows()}, about


# ---- scorecard ---------------------------------------------------------------------------------------------------------------------


def target_rows(lines: Sequence[ScoreLine], probability: Mapping[Key, float], data: Inputs, lang: str) -> pl.DataFrame:
    """Return the scorecard: target, area, year, value, (actual,) goal, gap, unit, probability [percent], verdict, quality, readings.

    Parameters
    ----------
    lines
        Of the scorecard.
    probability
        By target; empty where no ensemble is stored.
    data
        For labels.
    lang
        ``zh`` or ``en``.
    """
    names, areas = labels(data, "indicator", lang), labels(data, "area", lang)
    called, qualities = labels(data, "verdict", lang), labels(data, "quality", lang)
    rows = [
        {
            "target": names.get(x.id, x.id),
            "area": areas.get(x.area, x.area),
            "year": x.year,
            "value": shown(x.value, x.unit, lang),
            "actual": shown(x.actual, x.unit, lang),
            "goal": target_text(x, lang),
            "gap": "-" if x.gap is None else shown(x.gap, x.unit, lang),
            "unit": unit_label(x.unit, lang) or "-",
            "probability": _written(probability.get(key_of(x)), lang, none=bool(probability)),
            # a verdict on unverified values says so where it is read
            "verdict": t("app.badge_weak", lang, verdict=called[x.verdict])
            if x.quality in WEAK and x.verdict in MET
            else called[x.verdict],
            "quality": qualities.get(x.quality, "-"),
            "readings": t("overview.met_of", lang, met=x.met, readings=x.readings) if x.readings > 1 else "-",
        }
        for x in lines
    ]
    table = pl.DataFrame(rows)
    return table if any(x.actual is not None for x in lines) else table.drop("actual")


def _written(probability: float | None, lang: str, *, none: bool) -> str:
    if probability is None:
        return "-" if none else t("overview.not_computed", lang)
    return f"{100.0 * probability:.0f}%"


def with_places(table: pl.DataFrame, data: Inputs, lang: str) -> pl.DataFrame:
    """Return a table of targets whose names say the place where that is not the province, so that no column is spent on it.

    Parameters
    ----------
    table
        Columns ``target`` and ``area`` as written, and others.
    data
        For the name of the province.
    lang
        ``zh`` or ``en``.
    """
    province = labels(data, "area", lang)[PROVINCE]
    named = [
        name if area == province else t("report.place_and_name", lang, place=area, name=name)
        for name, area in table.select("target", "area").iter_rows()
    ]
    return table.with_columns(target=pl.Series(named, dtype=pl.String)).drop("area")


def base_values(indicators: pl.DataFrame, definitions: pl.DataFrame) -> dict[tuple[str, str], float]:
    """Return (indicator, area) -> modelled value of the base year in the headline reading."""
    rows = headline_rows(indicators.filter(pl.col("year") == BASE_YEAR, pl.col("value").is_not_null()), definitions)
    return {(i, a): float(v) for i, a, v in rows.select("id", "area", "value").iter_rows()}


def reasons(
    lines: Sequence[ScoreLine],
    indicators: pl.DataFrame,
    attribution: pl.DataFrame | None,
    full: Mapping[int, tuple[int, str]],
    data: Inputs,
    lang: str,
) -> list[str]:
    """Return for every target one plain sentence that says why it is met or missed.

    Parameters
    ----------
    lines
        Of the scorecard.
    indicators
        Result table ``indicators``, for what the values were in the base year.
    attribution
        Result table of this name, for the factors of the intensity; None where the run has none.
    full
        Year -> number of railway sections that are nearly full, and the fullest of them.
    data
        For labels and for why a target has no model.
    lang
        ``zh`` or ``en``.
    """
    definitions = data.table("indicators")
    start, unknown = base_values(indicators, definitions), unmodelled(data, lang)
    headline = definitions.filter(pl.col("id") == INTENSITY).row(0, named=True)
    qualities = labels(data, "quality", lang)
    made = []
    for line in lines:
        said = _without_value(line, unknown, lang) or _pending(line, lang)
        if not said and line.id == INTENSITY and attribution is not None:
            said = _factors(line, attribution, headline, lang)
        made.append(said or _moved(line, start.get((line.id, line.area)), full, qualities, lang))
    return made


def _without_value(line: ScoreLine, unknown: Mapping[str, str], lang: str) -> str:
    if line.verdict == NOT_MODELLED or (line.value is None and line.id in unknown):
        return t("overview.why_not_modelled", lang, reason=unknown.get(line.id, t("scorecard.no_reason", lang)))
    if line.value is None:
        return t("overview.why_no_peak" if line.id == _NO_PEAK else "overview.why_no_value", lang, year=YEARS[-1])
    return ""


def _numbers(line: ScoreLine, lang: str) -> dict[str, str]:
    gap = abs(line.gap or 0.0)
    return {
        "year": str(line.year),
        "unit": unit_label(line.unit, lang),
        "value": shown(line.value, line.unit, lang),
        "target": target_text(line, lang),
        "gap": shown(gap, "" if line.unit == "year" else line.unit, lang),
    }


def _pending(line: ScoreLine, lang: str) -> str:
    if line.verdict != "actual_pending":
        return ""
    reached = line.gap is not None and line.gap <= 0.0
    return t(f"overview.why_pending_{'reached' if reached else 'short'}", lang, **_numbers(line, lang))


def _factors(line: ScoreLine, table: pl.DataFrame, headline: Mapping[str, Any], lang: str) -> str:
    reading = [pl.col(k) == str(headline[k]) for k in ("boundary", "scope", "base")]
    rows = table.filter(pl.col("to_year") == line.year, pl.col("detail") == "", *reading)
    change = dict(rows.select("factor", "change_pct").iter_rows())
    parts = sorted(((float(change.get(factor, 0.0)), factor) for factor in FACTORS), key=lambda pair: pair[0])
    if not change or parts[0][0] >= 0.0:
        return ""
    named = {
        f"{place}_{what}": t(f"attribution.factor.{factor}", lang) if what == "name" else f"{value:+.1f}"
        for place, (value, factor) in (("first", parts[0]), ("second", parts[1]), ("up", parts[-1]))
        for what in ("name", "points")
    }
    kind = "mixed" if parts[-1][0] > 0.0 else "down"
    end = "met" if line.verdict in MET else "missed"
    values = {**_numbers(line, lang), "total": f"{float(change['total']):+.1f}", "base": BASE_YEAR}
    return t(f"overview.why_intensity_{kind}_{end}", lang, **values, **named)


def _moved(
    line: ScoreLine, start: float | None, full: Mapping[int, tuple[int, str]], qualities: Mapping[str, str], lang: str
) -> str:
    """Return what became of the value since the base year, and what holds it back where that is known."""
    values = _numbers(line, lang) | {"base": str(BASE_YEAR), "start": shown(start, line.unit, lang)}
    values["quality"] = qualities.get(line.quality, "-")
    met = line.verdict in MET
    if line.unit == "year":
        return t(f"overview.why_year_{'met' if met else 'missed'}", lang, **values)
    if met:
        weak = "_weak" if line.quality in WEAK else ""
        known = "within" if line.gap is not None and line.gap > 0.0 else "met"
        return t(f"overview.why_{known}{weak}" if start is not None else f"overview.why_{known}_alone{weak}", lang, **values)
    if line.id in _ON_RAILS and line.year in full:
        count, section = full[line.year]
        return t("overview.why_rail", lang, **values, count=count, section=section)
    if start is None:
        return t("overview.why_missed_alone", lang, **values)
    years = max(line.year - BASE_YEAR, 1)
    pace, needed = ((end - start) / years for end in (float(line.value or 0.0), line.target))
    rates = {"pace": shown(pace, line.unit, lang), "needed": shown(needed, line.unit, lang)}
    back = pace * needed <= 0.0
    return t("overview.why_missed_back" if back else "overview.why_missed", lang, **values, **rates)


def full_sections(links: pl.DataFrame, nodes: pl.DataFrame, binding: float, lang: str) -> dict[int, tuple[int, str]]:
    """Return year -> number of railway sections loaded to the binding ratio or more, and the name of the fullest.

    Parameters
    ----------
    links
        Result table ``freight_links``.
    nodes
        Table of the data, for names.
    binding
        Load over capacity from which a section counts as full.
    lang
        ``zh`` or ``en``.
    """
    names = dict(nodes.select("node_id", f"name_{lang}").iter_rows())
    rows = links.filter(pl.col("mode") == "rail", pl.col("vc_ratio") >= binding)
    rows = rows.sort("vc_ratio", "link_id", descending=[True, False])
    found = {}
    for (year,), mine in rows.group_by("year", maintain_order=True):
        top = mine.row(0, named=True)
        found[int(str(year))] = (mine.height, f"{names[top['from_node']]}–{names[top['to_node']]}")
    return found


# ---- readings ----------------------------------------------------------------------------------------------------------------------


def reading_sentences(indicators: pl.DataFrame, year: int, target: float, data: Inputs, lang: str) -> pl.DataFrame:
    """Return every reading of the headline with one plain sentence: boundary, scope, base, value [percent], verdict, sentence, is_headline.

    Parameters
    ----------
    indicators
        Result table ``indicators``.
    year
        Of the target.
    target
        Change that is asked for [percent].
    data
        Headline and labels.
    lang
        ``zh`` or ``en``.
    """
    row = data.table("indicators").filter(pl.col("id") == INTENSITY).row(0, named=True)
    headline = {name: str(row[name]) for name in ("boundary", "scope", "base")}
    found = verdicts(indicators, INTENSITY, year, headline)
    named = {part: labels(data, part, lang) for part in headline}
    rank = {part: {code: i for i, code in enumerate(of)} for part, of in named.items()}
    order = [pl.col(part).replace_strict(rank[part], return_dtype=pl.Int64) for part in ("base", "boundary", "scope")]
    rows = []
    for one in found.sort(order).iter_rows(named=True):
        words = {part: named[part][one[part]] for part in headline}
        way = f"{'down' if one['value'] < 0.0 else 'up'}_{'met' if one['is_met'] else 'missed'}"
        sentence = t(
            f"overview.reading_{way}", lang, **words, year=year, value=f"{abs(one['value']):.1f}", target=f"{target:+.1f}"
        )
        verdict = t(f"overview.{'met' if one['is_met'] else 'missed'}", lang)
        rows.append({**words, "value": one["value"], "verdict": verdict, "sentence": sentence, "is_headline": one["is_headline"]})
    return pl.DataFrame(rows)


# ---- the years to 2030 -------------------------------------------------------------------------------------------------------------


def five_years(progress: pl.DataFrame, indicators: pl.DataFrame, data: Inputs, lang: str) -> pl.DataFrame:
    """Return what is left to do of every target of the fifteenth five-year plan, then of those that fell due before it.

    Parameters
    ----------
    progress
        Of :func:`transport.progress.progress_table`.
    indicators
        Result table ``indicators``, for the modelled value of the year before.
    data
        Headline definitions and labels.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    polars.DataFrame
        ``light``, ``target``, ``area``, ``year``, ``goal``, ``unit``, ``actual``, ``period``, ``left`` = what is missing of the actual value,
        ``needed`` per year, ``modelled`` value of 2025, ``needed_model`` = (target - modelled) / years left, or that it is reached already; written
        numbers, a dash where unknown.
    """
    names, areas = labels(data, "indicator", lang), labels(data, "area", lang)
    rows = headline_rows(indicators.filter(pl.col("year") == FROM_YEAR, pl.col("value").is_not_null()), data.table("indicators"))
    modelled = {(i, a): float(v) for i, a, v in rows.select("id", "area", "value").iter_rows()}
    rules = dict(data.table("accounts/progress_rules").select("id", "path").iter_rows())
    due = progress.filter(pl.col("target_year").is_between(PLAN_YEARS[0], PLAN_YEARS[-1]))
    past = progress.filter(pl.col("target_year") < PLAN_YEARS[0])
    made = []
    for row in pl.concat([due, past]).iter_rows(named=True):
        sign = 1.0 if row["direction"] == "at_least" else -1.0
        actual, value, unit = row["actual"], modelled.get((row["id"], row["area"])), row["unit"]
        left = None if actual is None else sign * (row["target"] - actual)
        linear = rules.get(row["id"], rules["all"]) == "linear" and row["target_year"] > FROM_YEAR and unit != "year"
        needed = "-"
        if linear and value is not None:
            rate = (row["target"] - value) / (row["target_year"] - FROM_YEAR)
            needed = shown(rate, unit, lang) if sign * rate > 0.0 else t("overview.reached", lang)
        asked = t(f"overview.goal_{row['direction']}", lang, target=goal(row["target"], unit, lang))
        made.append(
            {
                "light": t(f"app.accounts.light_{row['light']}", lang),
                "target": names.get(row["id"], row["id"]),
                "area": areas.get(row["area"], row["area"]),
                "year": row["target_year"],
                "goal": asked,
                "unit": unit_label(unit, lang) or "-",
                "actual": shown(actual, unit, lang),
                "period": period_text(row["period"], lang),
                "left": shown(left, unit, lang),
                "needed": shown(row["needed_per_year"], unit, lang),
                "modelled": shown(value, unit, lang),
                "needed_model": needed,
            }
        )
    return pl.DataFrame(made)


# ---- scenarios ---------------------------------------------------------------------------------------------------------------------


def by_scenario(tables: Mapping[str, pl.DataFrame], data: Inputs, lang: str) -> pl.DataFrame:
    """Return value and verdict of every target in several scenarios: target, area, year, goal, unit, one column per scenario.

    Parameters
    ----------
    tables
        Title -> result table ``indicators``, the scenario looked at first.
    data
        Headline definitions and labels.
    lang
        ``zh`` or ``en``.
    """
    definitions = data.table("indicators")
    names, areas = labels(data, "indicator", lang), labels(data, "area", lang)
    lines = {title: {key_of(line): line for line in scorecard(table, definitions)} for title, table in tables.items()}
    order = list(dict.fromkeys(key for found in lines.values() for key in found))
    made = []
    for key in order:
        any_line = next(found[key] for found in lines.values() if key in found)
        row: dict[str, Any] = {
            "target": names.get(key[0], key[0]),
            "area": areas.get(key[1], key[1]),
            "year": key[2],
            "goal": target_text(any_line, lang),
            "unit": unit_label(any_line.unit, lang) or "-",
        }
        for title, found in lines.items():
            line = found.get(key)
            words = (
                {"value": shown(line.value, line.unit, lang), "verdict": t(f"overview.short_{line.verdict}", lang)}
                if line
                else {}
            )
            row[title] = t("overview.cell", lang, **words) if words else "-"
        made.append(row)
    return pl.DataFrame(made)


def intensity_years(indicators: pl.DataFrame, definitions: pl.DataFrame) -> pl.DataFrame:
    """Return the headline intensity from the base year on: name (the year), value [percent]."""
    rows = headline_rows(indicators.filter(pl.col("id") == INTENSITY, pl.col("year") >= BASE_YEAR), definitions)
    return rows.sort("year").select(name="year", value="value")


def met_counts(tables: Mapping[str, pl.DataFrame], definitions: pl.DataFrame) -> dict[str, tuple[int, int]]:
    """Return title -> targets that are met in the headline reading, and all targets."""
    found = {title: scorecard(table, definitions) for title, table in tables.items()}
    return {title: (sum(line.verdict in MET for line in lines), len(lines)) for title, lines in found.items()}
