"""What all sections of the page of fleets share: what is looked at, choices, tables with their files, the comparison of scenarios."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl
import streamlit as st

from transport.app import comparison, widgets
from transport.app import fleet_tables as facts
from transport.app.widgets import number, show
from transport.i18n import listed, t

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from transport.app.fleet_tables import Fleet
    from transport.inputs import Inputs
    from transport.store import StoredRun


table_of = partial(widgets.table_of, needed=facts.NEEDED)
choose = partial(widgets.choose, "fleets")


@dataclass(frozen=True, slots=True)
class Looked:
    """What the page looks at: run, data, language, fleets and the one chosen, pairs of new energy, year."""

    run: StoredRun
    data: Inputs
    lang: str
    found: Mapping[str, Fleet]
    fleet: Fleet
    new: frozenset[tuple[str, str]]
    year: int


def twin(table: pl.DataFrame, config: Mapping[str, Any], title: str, name: str, lang: str) -> None:
    """Show a table with its files.

    Parameters
    ----------
    table
        What is shown.
    config
        Columns by name.
    title
        Text for those who do not see it.
    name
        Of the files, once on the page.
    lang
        ``zh`` or ``en``.
    """
    show(table, dict(config), title, file=f"fleets_{name}_{lang}")


def folded(table: pl.DataFrame, config: Mapping[str, Any], title: str, name: str, lang: str) -> None:
    """Show the table of a chart below it, folded.

    Parameters
    ----------
    table, config, title, name, lang
        As in :func:`twin`.
    """
    with st.expander(t("fleets.table_of", lang, title=title)):
        twin(table, config, title, name, lang)


def by_year(rows: pl.DataFrame, unit: str, title: str, name: str, lang: str) -> None:
    """Show parts by year as a table with one column per part, folded.

    Parameters
    ----------
    rows
        Columns year, part, amount.
    unit
        Of the amounts.
    title, name, lang
        As in :func:`twin`.
    """
    parts = rows["part"].unique(maintain_order=True).to_list()
    wide = rows.pivot(on="part", index="year", values="amount", sort_columns=False).sort("year").fill_null(0.0)
    config = {"year": number(t("scorecard.year", lang), "%d", width=60)}
    config |= {part: number(t("fleets.with_unit", lang, name=part, unit=unit), "%.2f") for part in parts}
    folded(wide.select("year", *parts), config, title, name, lang)


def compared(looked: Looked, key: str, title: str, make: comparison.Make, unit: str, form: str = ",.1f") -> None:
    """Set a quantity over the years beside that of the other scenarios.

    Parameters
    ----------
    looked
        What the page looks at.
    key
        Name of the comparison, once on the page.
    title
        What is compared.
    make
        Columns name (year) and value of a run.
    unit
        Of the values.
    form
        Of the numbers, as d3 writes it.
    """
    heads = (t("scorecard.year", looked.lang), unit)
    comparison.side_by_side(f"fleets_{key}", title, make, looked.lang, heads=heads, kind="lines", form=form)


def unit_text(lang: str, what: str) -> str:
    """Return the unit of an amount: ``coal``, ``co2``, ``cells``, ``mass``, ``gas`` or ``kwh``."""
    return t(f"fleets.unit_{what}", lang)


def total(rows: pl.DataFrame, year: int) -> float:
    """Return the sum of the column ``amount`` in one year."""
    return float(rows.filter(pl.col("year") == year)["amount"].sum())


def change(now: float, before: float) -> str:
    """Return a change in percent as text.

    >>> change(110.0, 100.0), change(1.0, 0.0)
    ('+10.0', '-')
    """
    return f"{100.0 * (now / before - 1.0):+.1f}" if before else "-"


def joined(parts: Iterable[str], lang: str) -> str:
    """Return readings one after the other, as a sentence lists them."""
    return listed(parts, lang, long=True)
