"""The project register as people read it: labels, costs in the unit of the language."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transport import projects
from transport.i18n import labels
from transport.scenario_sections import METRO_LINES, movable_lines

if TYPE_CHECKING:
    from transport.inputs import Inputs

#: Columns of the list by what they are called on the screen.
LISTED = ("project_id", "label", "kind", "open_year", "status", "cost", "low", "high", "quality")
#: Investment in the unit of the column, by language: hundred million yuan, and million yuan.
_MONEY = {"zh": 1e8, "en": 1e6}


def register_table(inputs: Inputs, lang: str, needle: str = "") -> pl.DataFrame:
    """Return the register and the metro lines as they are listed: name, label, kind, opening year, status, cost with its range, quality of the cost.

    Parameters
    ----------
    inputs
        Checked data.
    lang
        Language of labels, kinds and statuses; costs are in 10^8 yuan (``zh``) or million yuan (``en``).
    needle
        Only rows that hold this text anywhere.
    """
    kinds, states, qualities = (
        labels(inputs, one, lang) | labels(inputs, other, lang)
        for one, other in (("project_kind", "travel_mode"), ("project_status", "metro_status"), ("quality", "quality"))
    )
    rows = pl.concat([projects.register(inputs), metro_rows(inputs)], how="diagonal_relaxed")
    if needle:
        cells = pl.concat_str(pl.all().cast(pl.String).fill_null(""), separator="\t").str.to_lowercase()
        rows = rows.filter(cells.str.contains(needle.lower(), literal=True))
    money = [
        (pl.col(column) / _MONEY[lang]).round(2).alias(name)
        for column, name in (("cost_cny", "cost"), ("low", "low"), ("high", "high"))
    ]
    named = [
        pl.col(column).replace_strict(names, default=pl.col(column), return_dtype=pl.String).alias(column)
        for column, names in (("kind", kinds), ("status", states), ("quality", qualities))
    ]
    return rows.with_columns(pl.col(f"label_{lang}").alias("label"), *money, *named).select(LISTED)


def metro_rows(inputs: Inputs) -> pl.DataFrame:
    """Return the metro lines that a scenario may move, in columns of the register.

    Parameters
    ----------
    inputs
        Checked data: the lines and the row ``metro_cost`` [CNY/km], which the cost is made from.

    Notes
    -----
    The opening year is the first full year in service.
    """
    if METRO_LINES not in inputs.tables:
        return pl.DataFrame(schema=projects.register(inputs).schema)
    cost = inputs.parameters.filter(pl.col("parameter") == "metro_cost").row(0, named=True)
    worth = [
        (pl.col("length_km") * cost[column]).alias(name)
        for column, name in (("value", "cost_cny"), ("low", "low"), ("high", "high"))
    ]
    return (
        movable_lines(inputs.table(METRO_LINES))
        .sort("line_id")
        .select(
            pl.col("line_id").alias("project_id"),
            "label_zh",
            "label_en",
            pl.lit("metro").alias("kind"),
            "length_km",
            pl.col("open_year").ceil().cast(pl.Int64),
            "status",
            *worth,
            "source",
            pl.lit(str(cost["quality"])).alias("quality"),
            pl.col("quality").alias("effect_quality"),
            "note",
        )
    )


def column_labels(inputs: Inputs, lang: str) -> dict[str, str]:
    """Return the label of each column of the register in one language, from the dictionary of the data folder."""
    rows = inputs.table("dictionary").filter(pl.col("table") == "networks/projects")
    return dict(rows.select("column", f"label_{lang}").iter_rows())
