"""What a pack changed, in the words and units of its reader: tables for the terminal and for pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transport.i18n import labels, t, texts
from transport.template.layout import layout_names, subject_label, subject_words
from transport.text import number, shown, unit_label

if TYPE_CHECKING:
    from transport.inputs import Inputs

#: Subjects and items that say nothing: the whole.
_WHOLE = frozenset({"all", "total", "headline"})
#: Texts that name parameters and series.
_NAMES = "data_page.name."
#: Units of statistics whose period is a year.
_AMOUNTS = frozenset({"t", "tkm", "pkm", "TEU", "person", "trip", "tCO2", "m3"})


def number_rows(numbers: pl.DataFrame, inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return the changed numbers with heads: what, year, before, after, unit, quality, whether the run read it.

    Parameters
    ----------
    numbers
        As :func:`transport.template.changes.changed_numbers` makes them.
    inputs
        Checked data.
    lang
        Language of the words.
    """
    words, qualities = subject_words(inputs, lang), labels(inputs, "quality", lang)
    names = words_of_names(inputs, lang)
    said = {True: t("template.yes", lang), False: t("template.no", lang), None: "-"}
    heads = {name: t(f"template.col_{name}", lang) for name in ("what", "year", "old", "new", "unit", "read")}
    quality = t("template.head_quality", lang)
    rows = []
    for row in numbers.iter_rows(named=True):
        parts = [subject_label(part, words, lang) for part in row["subject"].split(" ") if part not in _WHOLE]
        called = names.get(row["name"], row["name"])
        rows.append(
            {
                heads["what"]: t("template.parameter_of", lang, parameter=called, subject=" ".join(parts)) if parts else called,
                heads["year"]: row["year"] or t("template.every_year", lang),
                heads["old"]: shown(row["before"], _yearly(row["unit"]), lang),
                heads["new"]: shown(row["after"], _yearly(row["unit"]), lang),
                heads["unit"]: unit_label(_yearly(row["unit"]), lang),
                quality: qualities.get(row["quality_after"], row["quality_after"]),
                heads["read"]: said[row["is_read"]],
            }
        )
    return pl.DataFrame(rows, schema=dict.fromkeys((*list(heads.values())[:-1], quality, heads["read"]), pl.String))


def words_of_names(inputs: Inputs, lang: str) -> dict[str, str]:
    """Return what parameters and series are called, where the workbook or a list of codes has words for them.

    Parameters
    ----------
    inputs
        Checked data.
    lang
        Language of the words.
    """
    named = {key.removeprefix(_NAMES): word for key, word in texts(lang).items() if key.startswith(_NAMES)}
    return labels(inputs, "fit_item", lang) | layout_names(lang) | labels(inputs, "indicator", lang) | named


def verdict_rows(verdicts: pl.DataFrame, inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return the targets before and after with heads: target, area, year, goal, unit, values, verdicts, what changed.

    Parameters
    ----------
    verdicts
        As :func:`transport.template.changes.changed_verdicts` makes them.
    inputs
        Checked data.
    lang
        Language of the words.
    """
    names, areas = labels(inputs, "indicator", lang), labels(inputs, "area", lang)
    called = labels(inputs, "verdict", lang)
    keys = ("target", "area", "year", "goal", "unit", "before", "after", "verdict_before", "verdict_after", "changed")
    heads = {name: t(f"template.col_{name}", lang) for name in keys}
    rows = []
    for row in verdicts.iter_rows(named=True):
        change = "verdict_changed" if row["is_verdict_changed"] else "value_changed" if row["is_value_changed"] else "unchanged"
        rows.append(
            {
                heads["target"]: names.get(row["id"], row["id"]),
                heads["area"]: areas.get(row["area"], row["area"]),
                heads["year"]: str(row["year"]),
                heads["goal"]: shown(row["target"], row["unit"], lang),
                heads["unit"]: unit_label(row["unit"], lang),
                heads["before"]: _reached(row["value_before"], row["actual_before"], row["unit"], lang),
                heads["after"]: _reached(row["value_after"], row["actual_after"], row["unit"], lang),
                heads["verdict_before"]: called.get(row["verdict_before"] or "", "-"),
                heads["verdict_after"]: called.get(row["verdict_after"], "-"),
                heads["changed"]: t(f"template.{change}", lang),
            }
        )
    return pl.DataFrame(rows, schema=dict.fromkeys(heads.values(), pl.String))


def _reached(value: float | None, actual: float | None, unit: str, lang: str) -> str:
    if actual is not None:
        return t("template.actual_mark", lang, value=shown(actual, unit, lang))
    return shown(value, unit, lang) if unit != "year" else number(value, unit)


def _yearly(unit: str) -> str:
    """Return a unit as the tables of results write it: statistics of a year have amounts."""
    return f"{unit}/yr" if unit in _AMOUNTS else unit.replace("/year", "/yr")
