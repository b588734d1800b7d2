"""What a pack changed, in the words and units of its reader: tables for the terminal and for pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transport.i18n import labels, parameter_labels, t, texts
from transport.template import layout
from transport.template.layout import layout_names, subject_label, subject_words
from transport.text import divisor, goal, number, shown, unit_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from transport.inputs import Inputs

#: Subjects and items that say nothing: the whole.
_WHOLE = frozenset({"all", "total", "headline"})
#: Texts that name series and columns.
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
        old, new = both_shown(row["before"], row["after"], yearly(row["unit"]), lang)
        rows.append(
            {
                heads["what"]: _called(names.get(row["name"], row["name"]), row["subject"], words, lang),
                heads["year"]: row["year"] or t("template.every_year", lang),
                heads["old"]: old,
                heads["new"]: new,
                heads["unit"]: unit_word(row["unit"], lang),
                quality: qualities.get(row["quality_after"], row["quality_after"]),
                heads["read"]: said[row["is_read"]],
            }
        )
    return pl.DataFrame(rows, schema=dict.fromkeys((*list(heads.values())[:-1], quality, heads["read"]), pl.String))


def both_shown(before: float | None, after: float | None, unit: str, lang: str) -> tuple[str, str]:
    """Return a number before and after on the scale of its reader, with as many digits as tell the two apart.

    Parameters
    ----------
    before, after
        In ``unit``; None where there is none.
    unit
        As the tables of results write it.
    lang
        ``zh`` or ``en``.

    Examples
    --------
    >>> both_shown(0.0056, 0.005, "kg/tkm", "en")
    ('0.0056', '0.005')
    >>> both_shown(28.0, 33.5, "percent", "en")
    ('28.0', '33.5')
    """
    said = (shown(before, unit, lang), shown(after, unit, lang))
    if before == after or said[0] != said[1]:
        return said
    small, other = (f"{0.0 if x is None else x / divisor(unit, lang):,.6g}" for x in (before, after))
    return small, other


def words_of_names(inputs: Inputs, lang: str) -> dict[str, str]:
    """Return what parameters and series are called: every parameter, and series that the workbook, a list of codes or a text has words for.

    Parameters
    ----------
    inputs
        Checked data.
    lang
        Language of the words.
    """
    named = {key.removeprefix(_NAMES): word for key, word in texts(lang).items() if key.startswith(_NAMES)}
    known = labels(inputs, "fit_item", lang) | layout_names(lang) | labels(inputs, "indicator", lang) | named
    return known | parameter_labels(inputs, lang)


def input_names(keys: Iterable[tuple[str, str]], inputs: Inputs, lang: str) -> list[str]:
    """Return what inputs are called: the parameter, and what it holds for unless that is everything.

    Parameters
    ----------
    keys
        Parameter and subject of each.
    inputs
        Checked data.
    lang
        Language of the words.
    """
    names, words = words_of_names(inputs, lang), subject_words(inputs, lang)
    return [_called(names.get(parameter, parameter), subject, words, lang) for parameter, subject in keys]


def _called(name: str, subject: str, words: Mapping[str, str], lang: str) -> str:
    """Return a name with its subject; a statistic has several parts apart by spaces, those that mean the whole are left out."""
    parts = [subject_label(part, words, lang) for part in subject.split(" ") if part not in _WHOLE]
    return t("template.parameter_of", lang, parameter=name, subject=" ".join(parts)) if parts else name


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
        reached = [_reached(row[f"value_{when}"], row[f"actual_{when}"], row["unit"], lang) for when in ("before", "after")]
        if row["is_value_changed"] and reached[0] == reached[1]:
            # a change too small for the digits shown
            reached = list(both_shown(row["value_before"], row["value_after"], row["unit"], lang))
        change = "verdict_changed" if row["is_verdict_changed"] else "value_changed" if row["is_value_changed"] else "unchanged"
        rows.append(
            {
                heads["target"]: names.get(row["id"], row["id"]),
                heads["area"]: areas.get(row["area"], row["area"]),
                heads["year"]: str(row["year"]),
                heads["goal"]: goal(row["target"], row["unit"], lang),
                heads["unit"]: unit_label(row["unit"], lang),
                heads["before"]: reached[0],
                heads["after"]: reached[1],
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


def unit_word(unit: str, lang: str) -> str:
    """Return a unit of the data as tables of results write it; one that no result has, as the workbook does.

    Parameters
    ----------
    unit
        Of a row of the data.
    lang
        ``zh`` or ``en``.

    Examples
    --------
    >>> unit_word("t", "zh"), unit_word("km/veh/yr", "zh"), unit_word("dimensionless", "en")
    ('万吨/年', '公里/（辆·年）', 'dimensionless')
    """
    label = unit_label(yearly(unit), lang)
    return label if label != yearly(unit) else layout.unit_label(unit, lang)


def yearly(unit: str) -> str:
    """Return a unit as the tables of results write it: statistics of a year have amounts.

    Parameters
    ----------
    unit
        Of a row of the data.
    """
    return f"{unit}/yr" if unit in _AMOUNTS else unit.replace("/year", "/yr")
