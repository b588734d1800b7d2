"""Columns, labels and tables that the sections of the freight page share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from transport.app import freight_flows as flows
from transport.app import freight_tables as facts
from transport.app.calculation_panel import Desk, ask
from transport.app.column_widths import ROOM
from transport.app.freight_jobs import MODULE
from transport.app.widgets import choose, number, show, text
from transport.bundled import FLOWS, is_bundled
from transport.i18n import labels, t

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from transport.app.freight_tables import Names
    from transport.inputs import Inputs
    from transport.store import StoredRun

DESK = Desk("freight_ask", MODULE)
TERMINALS = ("siding", "yard", "berth", "crude", "product", "gas")
CHAINS = (
    "road", "road_ordinary", *flows.RAIL_CHAINS, "roro", "sea_truck", "sea_train", "pipeline_crude", "pipeline_product", "pipeline_gas",
)  # fmt: skip
#: Greatest height of a table of the page [px]: its head and ten rows.
TABLE_HEIGHT = 35 * 11 + 3
pick = partial(choose, "freight")


@dataclass(frozen=True, slots=True)
class Looked:
    """What the page looks at: run, data, names, language, year, modes, colour of the map and commodity (empty = all)."""

    run: StoredRun
    data: Inputs
    names: Names
    lang: str
    year: int
    modes: tuple[str, ...]
    colour_by: str
    commodity: str

    def mode_labels(self) -> dict[str, str]:
        """Return code -> label of the modes in their order."""
        named = labels(self.data, "mode", self.lang)
        return {mode: named[mode] for mode in facts.MODES}

    def commodities(self) -> dict[str, str]:
        """Return code -> label of the commodities."""
        return labels(self.data, "commodity", self.lang)


def kinds(lang: str) -> dict[str, str]:
    """Return code -> label of the kinds of terminals."""
    return {kind: t(f"freight.kind_{kind}", lang) for kind in TERMINALS}


def constraints(lang: str) -> dict[str, str]:
    """Return code -> label of what may hold freight back."""
    return {c: t(f"freight.constraint_{c}", lang) for c in facts.LINK_CONSTRAINTS} | kinds(lang)


def chain_labels(lang: str) -> dict[str, str]:
    """Return code -> label of the kinds of chains."""
    return {code: t(f"freight.chain_{code}", lang) for code in CHAINS}


def tonnes(key: str, lang: str, **values: Any) -> Any:
    """Return a column of tonnes: whole 10^4 t in Chinese, Mt with two decimals in English.

    Parameters
    ----------
    key
        Of the label under ``freight``.
    lang
        ``zh`` or ``en``.
    **values
        Of the label.
    """
    return number(t(f"freight.{key}", lang, **values), "localized" if lang == "zh" else "%.2f")


def turnover(label: str, lang: str) -> Any:
    """Return a column of tonne-kilometres."""
    return number(label, "%.1f" if lang == "zh" else "%.2f")


def fullness(lang: str) -> Any:
    """Return a column of loads over capacity."""
    return st.column_config.ProgressColumn(t("freight.saturation", lang), format="%.2f", min_value=0.0, max_value=1.5, width=95)


def twin(
    table: pl.DataFrame,
    config: Mapping[str, Any],
    alt: str,
    name: str,
    lang: str,
    height: int = TABLE_HEIGHT,
    room: int = ROOM,
) -> None:
    """Show a table with its files.

    Parameters
    ----------
    table
        What is shown.
    config
        Columns by name; more than the table has do no harm.
    alt
        Text for those who do not see it.
    name
        Of the files, once on the page.
    lang
        ``zh`` or ``en``.
    height
        Limit [px].
    room
        Width that the table has [px], less than the page's where it stands beside another.
    """
    shown = {c: config[c] for c in table.columns}
    show(table, shown, alt, height, file=f"freight_{name}_{lang}", room=room)


def is_fixed(run: StoredRun) -> bool:
    """Return whether the run kept the delays of the base year, so that no equilibrium says what is held back."""
    return bool(run.manifest["resolved"]["run"].get("capacity") == "fixed")


def in_sentence(label: str, lang: str) -> str:
    """Return a label as it stands within a sentence."""
    return label if lang == "zh" else label[:1].lower() + label[1:]


def calculate(task: str, looked: Looked, given: Mapping[str, Any], **asked: Any) -> dict[str, pl.DataFrame] | None:
    """Offer a calculation about the run, watch it, and return its tables when it is done.

    Parameters
    ----------
    task
        One of :data:`transport.app.freight_jobs.TASKS`.
    looked
        What the page looks at.
    given
        What is handed over beside what is asked.
    **asked
        The question.
    """
    manifest = looked.run.manifest
    capacity = manifest["resolved"]["run"].get("capacity", "equilibrium")
    options = {"capacity": capacity} | asked
    return ask(DESK, task, [manifest["resolved"]], looked.lang, given={"manifests": [manifest], **given}, **options)


__all__ = [
    "CHAINS",
    "DESK",
    "TABLE_HEIGHT",
    "TERMINALS",
    "Looked",
    "calculate",
    "chain_labels",
    "constraints",
    "fullness",
    "in_sentence",
    "is_fixed",
    "kinds",
    "number",
    "pick",
    "text",
    "tonnes",
    "turnover",
    "twin",
]


def slim_note(looked: Looked, *, short: bool = True) -> None:
    """Say that a result that came with the program holds the largest flows only.

    Parameters
    ----------
    looked
        What the page looks at.
    short
        Whether what is shown rests on these flows alone.
    """
    if short and is_bundled(looked.run):
        st.caption(t("freight.slim_flows", looked.lang, count=FLOWS))
