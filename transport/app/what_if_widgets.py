"""Choices and the calculation panel of the what-if page."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from transport.app import calculation_panel, what_if_jobs, widgets
from transport.app import what_if_tables as facts
from transport.i18n import t

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from transport.store import StoredRun

DESK = calculation_panel.Desk("what_if", what_if_jobs.MODULE)
#: Speeds of the freight model, the faster first.
SPEEDS = ("fixed", "equilibrium")

table_of = partial(widgets.table_of, needed=facts.NEEDED)
choose = partial(widgets.choose, "what_if")


def speed(key: str, lang: str) -> str:
    """Return the chosen speed of the freight model: ``fixed`` or ``equilibrium``.

    Parameters
    ----------
    key
        Of the widget.
    lang
        ``zh`` or ``en``.
    """
    called = {code: t(f"what_if.speed_{code}", lang) for code in SPEEDS}
    return str(choose(key, SPEEDS, SPEEDS[0], called, lang))


# ---- calculations ------------------------------------------------------------------------------------------------------------------


def ask(task: str, runs: Sequence[StoredRun], lang: str, **asked: Any) -> dict[str, pl.DataFrame] | None:
    """Offer a calculation, watch it, and return its tables when it is done.

    Parameters
    ----------
    task
        One of :data:`transport.app.what_if_jobs.TASKS`.
    runs
        Runs whose scenarios are asked about.
    lang
        ``zh`` or ``en``.
    **asked
        ``year``; ``capacity``; ``names`` of the projects of ``rank``; ``target_pct`` of ``need``.
    """
    about = [run.manifest["resolved"] for run in runs]
    return calculation_panel.ask(DESK, task, about, lang, given={"manifests": [run.manifest for run in runs]}, **asked)
