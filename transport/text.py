"""Results as lines of text for the terminal, in the reader's language."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

import polars as pl

from transport.i18n import labels, t
from transport.scorecard import READING, ScoreLine, scorecard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transport.inputs import Inputs
    from transport.store import StoredRun

#: Base years whose totals are printed: fuel of 2019, freight of 2020.
FIT_YEARS = (2019, 2020)
#: Years printed beside target years.
SHOWN_YEARS = (2025, 2030)


def width(text: str) -> int:
    """Return the number of terminal columns of a text; Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def table_lines(table: pl.DataFrame) -> list[str]:
    """Return a table as aligned lines, numbers to the right."""
    numeric = [dtype.is_numeric() for dtype in table.dtypes]
    cells = [table.columns, *[[_cell(v) for v in row] for row in table.iter_rows()]]
    widths = [max(width(row[j]) for row in cells) for j in range(table.width)]
    lines = []
    for row in cells:
        padded = [
            " " * (w - width(c)) + c if right else c + " " * (w - width(c))
            for c, w, right in zip(row, widths, numeric, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return lines


def number(value: float | None, unit: str = "") -> str:
    """Return a number with a sensible number of digits, years without separators."""
    if value is None:
        return "-"
    if unit == "year":
        return f"{value:.0f}"
    size = abs(value)
    digits = 0 if size >= 1000 else 1 if size >= 10 else 2
    return f"{value:,.{digits}f}"


#: Units shown on another scale: unit -> (divisor, text key), by language.
_SHOWN_UNITS: dict[str, dict[str, tuple[float, str]]] = {
    "zh": {
        "t/yr": (1e4, "unit.tonnes"),
        "tCO2/yr": (1e4, "unit.co2"),
        "TEU/yr": (1e4, "unit.teu"),
        "toe/yr": (1e4, "unit.toe"),
        "tkm/yr": (1e8, "unit.tkm"),
    },
    "en": {
        "t/yr": (1e6, "unit.tonnes"),
        "tCO2/yr": (1e6, "unit.co2"),
        "TEU/yr": (1e3, "unit.teu"),
        "toe/yr": (1e6, "unit.toe"),
        "tkm/yr": (1e9, "unit.tkm"),
    },
}


def shown(value: float | None, unit: str, lang: str) -> str:
    """Return a value on the scale its reader uses (10^4 t in Chinese, Mt in English)."""
    divisor, _ = _SHOWN_UNITS[lang].get(unit, (1.0, ""))
    return number(None if value is None else value / divisor, unit)


def unit_label(unit: str, lang: str) -> str:
    """Return a unit as the reader writes it, on the scale of :func:`shown`."""
    if unit in _SHOWN_UNITS[lang]:
        return t(_SHOWN_UNITS[lang][unit][1], lang)
    return {"percent": "%", "percent/yr": t("unit.percent_per_year", lang), "year": ""}.get(unit, unit)


def scorecard_lines(stored: StoredRun, inputs: Inputs, lang: str) -> list[str]:
    """Return the scorecard of a run."""
    manifest = stored.manifest
    lines = scorecard(stored.table("indicators"), inputs.table("indicators"))
    made = [t("cli.title", lang, title=manifest[f"title_{lang}"], run=manifest["run_id"])]
    made += table_lines(scorecard_frame(lines, inputs, lang))
    many = [line for line in lines if line.readings > 1]
    made += [
        t("cli.readings", lang, name=labels(inputs, "indicator", lang)[line.id], met=line.met, readings=line.readings)
        for line in many
    ]
    return made


_HEADS = ("indicator", "area", "year", "value", "actual", "target", "gap", "unit", "verdict", "quality")


def scorecard_frame(lines: Sequence[ScoreLine], inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return the scorecard with labels, ready to show."""
    names, areas = labels(inputs, "indicator", lang), labels(inputs, "area", lang)
    verdicts, qualities = labels(inputs, "verdict", lang), labels(inputs, "quality", lang)
    head = {c: t(f"scorecard.{c}", lang) for c in _HEADS}
    rows = [
        {
            head["indicator"]: names[x.id],
            head["area"]: areas[x.area],
            head["year"]: str(x.year),
            head["value"]: shown(x.value, x.unit, lang),
            head["actual"]: shown(x.actual, x.unit, lang),
            head["target"]: target_text(x, lang),
            head["gap"]: shown(None if x.gap is None else max(x.gap, 0.0), x.unit, lang),
            head["unit"]: unit_label(x.unit, lang),
            head["verdict"]: verdicts[x.verdict],
            head["quality"]: qualities[x.quality],
        }
        for x in lines
    ]
    table = pl.DataFrame(rows)
    return table if any(x.actual is not None for x in lines) else table.drop(head["actual"])


def target_text(line: ScoreLine, lang: str) -> str:
    """Return a target with its direction."""
    return ("≥ " if line.direction == "at_least" else "≤ ") + shown(line.target, line.unit, lang)


def fit_lines(stored: StoredRun, lang: str) -> list[str]:
    """Return the totals of the base years, observed beside modelled, with the error of each; the table ``fit`` holds all years."""
    fit = stored.table("fit").filter(pl.col("year").is_in(FIT_YEARS), pl.col("observed").is_not_null())
    if fit.is_empty():
        return []
    columns = ["item", "mode", "year", "unit", "observed", "low", "high", "modelled", "error_pct", "used_for", "quality"]
    return ["", t("cli.fit", lang), *table_lines(fit.select(columns))]


def compare_lines(table: pl.DataFrame, runs: Sequence[StoredRun], inputs: Inputs, lang: str) -> list[str]:
    """Return the indicators that differ between two runs, headline readings only."""
    definitions = inputs.table("indicators").select("id", *[pl.col(c).fill_null("") for c in READING])
    rows_shown = table.join(definitions, on=["id", *READING], how="semi", maintain_order="left").drop_nulls("difference")
    names, areas = labels(inputs, "indicator", lang), labels(inputs, "area", lang)
    rows = [
        {
            t("scorecard.indicator", lang): names.get(r["id"], r["id"]),
            t("scorecard.area", lang): areas.get(r["area"], r["area"]),
            t("scorecard.year", lang): str(r["year"]),
            "A": shown(r["value_a"], r["unit"], lang),
            "B": shown(r["value_b"], r["unit"], lang),
            "B - A": shown(r["difference"], r["unit"], lang),
            t("scorecard.unit", lang): unit_label(r["unit"], lang),
        }
        for r in rows_shown.iter_rows(named=True)
    ]
    heads = [f"{side} = {run.manifest[f'title_{lang}']} ({run.manifest['run_id']})" for side, run in zip("AB", runs, strict=True)]
    return [*heads, *table_lines(pl.DataFrame(rows))]


def indicator_rows(indicators: pl.DataFrame, inputs: Inputs) -> list[dict[str, Any]]:
    """Return the indicator rows of the JSON contract: those with a target, and the shown years of the others."""
    del inputs
    kept = indicators.filter(pl.col("target").is_not_null() | pl.col("year").is_in(SHOWN_YEARS))
    columns = [
        "id",
        "area",
        "year",
        "scope",
        "boundary",
        "base",
        "variant",
        "value",
        "unit",
        "target",
        "direction",
        "verdict",
        "quality",
    ]
    return kept.select(columns).to_dicts()


def show_table(what: str, inputs: Inputs, lang: str, needle: str) -> pl.DataFrame:
    """Return the rows that ``transport show`` prints, those that contain ``needle`` in any cell."""
    if what == "params":
        table = inputs.parameters.select(
            "parameter", "subject", "year", "value", "low", "high", "unit", "quality", "source", "note"
        )
    elif what == "levers":
        columns = ["lever", f"label_{lang}", "parameter", "subject", "operation", "unit", "min", "max", "default", f"help_{lang}"]
        table = inputs.table("levers").select(columns)
    elif what == "targets":
        names = labels(inputs, "indicator", lang)
        table = pl.DataFrame(
            [
                {
                    "id": x.id,
                    "indicator": names.get(x.id, x.id),
                    "area": x.area,
                    "year": x.year,
                    "direction": x.direction,
                    "value": x.value,
                    "unit": x.unit,
                    "strength": x.strength,
                    "document": x.document,
                    "clause": x.clause,
                    "wording_zh": x.wording_zh,
                }
                for x in inputs.targets
            ],
            infer_schema_length=None,
        )
    elif what == "scenarios":
        table = _scenarios(inputs, lang)
    else:
        table = inputs.table("sources")
    if needle:
        cells = pl.concat_str(pl.all().cast(pl.String).fill_null(""), separator="\t").str.to_lowercase()
        table = table.filter(cells.str.contains(needle.lower(), literal=True))
    return table


def _scenarios(inputs: Inputs, lang: str) -> pl.DataFrame:
    from transport.scenario import load_scenario, scenario_names

    found = [load_scenario(name, inputs.folder, inputs.levers) for name in scenario_names(inputs.folder)]
    return pl.DataFrame(
        [
            {
                "scenario": s.name,
                "title": s.title_zh if lang == "zh" else s.title_en,
                "about": s.about_zh if lang == "zh" else s.about_en,
                "levers": len(s.settings),
            }
            for s in found
        ]
    )


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return number(value) if abs(value) >= 0.01 or value == 0 else f"{value:.3g}"
    return str(value)
