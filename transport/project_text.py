"""The project register as people read it: labels, costs in the unit of the language."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transport import projects
from transport.i18n import labels

if TYPE_CHECKING:
    from transport.inputs import Inputs

#: Columns of the list by what they are called on the screen.
LISTED = ("project_id", "label", "kind", "open_year", "status", "cost", "low", "high", "quality")
#: Investment in the unit of the column, by language: hundred million yuan, and million yuan.
_MONEY = {"zh": 1e8, "en": 1e6}


def register_table(inputs: Inputs, lang: str, needle: str = "") -> pl.DataFrame:
    """Return the register as it is listed: name, label, kind, opening year, status, cost with its range, quality of the cost.

    Parameters
    ----------
    inputs
        Checked data.
    lang
        Language of labels, kinds and statuses; costs are in 10^8 yuan (``zh``) or million yuan (``en``).
    needle
        Only rows that hold this text anywhere.
    """
    kinds, states, qualities = (labels(inputs, code, lang) for code in ("project_kind", "project_status", "quality"))
    rows = projects.register(inputs)
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


def column_labels(inputs: Inputs, lang: str) -> dict[str, str]:
    """Return the label of each column of the register in one language, from the dictionary of the data folder."""
    rows = inputs.table("dictionary").filter(pl.col("table") == "networks/projects")
    return dict(rows.select("column", f"label_{lang}").iter_rows())
