"""What each filled number did to the headline and the verdicts, in the words of its reader: a table, and sentences around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transport.i18n import labels, listed, t
from transport.layout import PROVINCE
from transport.template.words import both_shown, input_names, unit_word, yearly
from transport.text import number, unit_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.inputs import Inputs

#: Changes of the headline below this are told as nearly none [of its unit].
_TINY = 0.001
#: Changes below this are what solvers and sums of rounded numbers leave behind [of its unit].
_NONE = 1e-9


def cause_rows(found: Mapping[str, pl.DataFrame], inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return the effects with heads: what was filled in, before, after, unit, change of the headline alone and last, verdicts; the largest first.

    Parameters
    ----------
    found
        As :func:`transport.template.causes.causes` makes it.
    inputs
        Checked data with the pack.
    lang
        Language of the words.
    """
    effects = found["effects"]
    names = _names(effects, inputs, lang)
    verdicts = _verdicts(found["changed"], inputs, lang)
    heads = {name: t(f"template.col_{name}", lang) for name in ("item", "old", "new", "unit", "alone", "last", "by_it")}
    rows = []
    for place, row in enumerate(effects.iter_rows(named=True)):
        unit = yearly(row["unit"] or "")
        old, new = both_shown(row["before"], row["after"], unit, lang)
        rows.append(
            {
                heads["item"]: names[place],
                heads["old"]: old,
                heads["new"]: new,
                heads["unit"]: unit_word(row["unit"] or "", lang) or "-",
                heads["alone"]: points(row["alone"], lang),
                heads["last"]: points(row["last"], lang),
                heads["by_it"]: listed(verdicts.get(place, []), lang, long=True) or t("template.unchanged", lang),
            }
        )
    size = effects.select(pl.max_horizontal(pl.col("alone").abs(), pl.col("last").abs()).fill_null(0.0)).to_series()
    order = sorted(range(len(rows)), key=lambda k: (k not in verdicts, -size[k]))
    return pl.DataFrame([rows[k] for k in order], schema=dict.fromkeys(heads.values(), pl.String))


def cause_lines(found: Mapping[str, pl.DataFrame], verdicts: pl.DataFrame | None, inputs: Inputs, lang: str) -> list[str]:
    """Return what stands below the table: the whole change against the parts, and verdicts that no number changed by itself.

    Parameters
    ----------
    found
        As :func:`transport.template.causes.causes` makes it.
    verdicts
        Targets of whole runs before and after, as :func:`transport.template.changes.changed_verdicts` makes them, where both are there.
    inputs
        Checked data with the pack.
    lang
        Language of the words.
    """
    effects, changed = found["effects"], found["changed"]
    if effects.is_empty():
        return [t("template.causes_none", lang)]
    made = []
    rows = found["total"].drop_nulls(["before", "after"])
    if rows.is_empty():
        made.append(t("template.causes_no_total", lang))
    for row in rows.iter_rows(named=True):
        whole = row["after"] - row["before"]
        alone = float(effects["alone"].fill_null(0.0).sum())
        values = {
            "name": labels(inputs, "indicator", lang)[row["id"]],
            "year": row["year"],
            "before": number(row["before"], row["unit"]),
            "after": number(row["after"], row["unit"]),
            "unit": unit_label(row["unit"], lang),
            "change": points(whole, lang),
        }
        made.append(t("template.causes_total", lang, **values))
        if effects.height > 1:
            rest = points(whole - alone, lang)
            made.append(t("template.causes_sum", lang, alone=points(alone, lang), whole=points(whole, lang), rest=rest))
        if row["capacity"] == "fixed":
            made.append(t("template.causes_fixed", lang))
    if (effects["kind"] == "sheet").any():
        made.insert(0, t("template.causes_by_sheet", lang, count=int(effects["count"].sum())))
    jointly = [_target(row, inputs, lang) for row in changed.filter(pl.col("place").is_null()).iter_rows(named=True)]
    if jointly:
        made.append(t("template.causes_jointly", lang, targets=listed(jointly, lang, long=True)))
    if verdicts is not None:
        keys = ["id", "area", "year"]
        missing = verdicts.filter("is_verdict_changed").join(changed, on=keys, how="anti", maintain_order="left")
        if not missing.is_empty():
            told = [_target(row, inputs, lang) for row in missing.iter_rows(named=True)]
            made.append(t("template.causes_missing", lang, targets=listed(told, lang, long=True)))
    return made


def points(value: float | None, lang: str) -> str:
    """Return a change of the headline with its sign: none, nearly none, or three digits.

    Parameters
    ----------
    value
        Change [percentage points].
    lang
        Language of the words.
    """
    if value is None:
        return "-"
    if abs(value) < _NONE:
        return "0"
    return f"{value:+.3f}" if abs(value) >= _TINY else t("template.tiny", lang)


def _names(effects: pl.DataFrame, inputs: Inputs, lang: str) -> list[str]:
    """Return what groups are called: a number with its year, a sheet with its count, the other tables of a pack."""
    rows = list(effects.iter_rows(named=True))
    called = iter(input_names([(r["name"], r["subject"]) for r in rows if r["kind"] == "row"], inputs, lang))
    made = []
    for row in rows:
        if row["kind"] == "row":
            name = next(called)
            made.append(t("template.item_of_year", lang, item=name, year=row["year"]) if row["year"] else name)
        elif row["kind"] == "sheet":
            sheet = t(f"template.sheet_{row['name']}", lang)
            made.append(t("template.sheet_count", lang, sheet=sheet, count=row["count"]))
        else:
            made.append(t("template.other_tables", lang))
    return made


def _verdicts(changed: pl.DataFrame, inputs: Inputs, lang: str) -> dict[int, list[str]]:
    """Return place of a group -> the verdicts that it changed, and whether it did so by itself."""
    made: dict[int, list[str]] = {}
    for row in changed.filter(pl.col("place").is_not_null()).iter_rows(named=True):
        how = "only" if row["is_alone"] and row["is_needed"] else "enough" if row["is_alone"] else "with_others"
        said = t("template.verdict_by_it", lang, change=_target(row, inputs, lang), how=t(f"template.by_it_{how}", lang))
        made.setdefault(int(row["place"]), []).append(said)
    return made


def _target(row: Mapping[str, object], inputs: Inputs, lang: str) -> str:
    """Return a target with its verdicts before and after."""
    names, areas, called = (labels(inputs, name, lang) for name in ("indicator", "area", "verdict"))
    name = names.get(str(row["id"]), str(row["id"]))
    if row["area"] != PROVINCE:
        name = t("template.parameter_of", lang, parameter=name, subject=areas.get(str(row["area"]), str(row["area"])))
    before, after = (called.get(str(row[c] or ""), "-") for c in ("verdict_before", "verdict_after"))
    return t("template.verdict_change", lang, target=name, year=row["year"], before=before, after=after)
