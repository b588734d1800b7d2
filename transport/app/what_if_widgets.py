"""Choices and the calculation panel of the what-if page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from transport.app import calculation_panel, state, what_if_jobs
from transport.app import what_if_tables as facts
from transport.app.widgets import say_lacking
from transport.i18n import t

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from transport.store import StoredRun

DESK = calculation_panel.Desk("what_if", what_if_jobs.MODULE)
#: Speeds of the freight model, the faster first.
SPEEDS = ("fixed", "equilibrium")


def table_of(run: StoredRun, name: str, lang: str) -> pl.DataFrame | None:
    """Return a table of a run, or say that the run must be made again.

    Parameters
    ----------
    run
        A stored run.
    name
        Key of :data:`transport.app.what_if_tables.NEEDED`.
    lang
        ``zh`` or ``en``.
    """
    found = state.table(run, name) if name in run.manifest["tables"] else None
    if found is None or facts.lacking(found.columns, name):
        say_lacking(run, name, t("what_if.run_again", lang, table=name, scenario=run.manifest["scenario"]))
        return None
    return found


def choose(key: str, options: Sequence[Any], start: Any, called: Mapping[Any, str], lang: str) -> Any:
    """Return the chosen option; what a new run does not offer falls back to the start.

    Parameters
    ----------
    key
        Of the widget and, in ``what_if``, of its label.
    options
        Codes.
    start
        Chosen first.
    called
        Labels by code.
    lang
        ``zh`` or ``en``.
    """
    widget = f"what_if_{key}"
    if st.session_state.get(widget) not in options:
        st.session_state[widget] = start if start in options else options[0]
    return st.selectbox(
        t(f"what_if.{key}", lang),
        options,
        format_func=lambda code: called.get(code, str(code)),
        key=widget,
        persist_state="session",
        placeholder=t("app.choose", lang),
    )


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
