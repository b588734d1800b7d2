"""Choices and the calculation panel of the what-if page."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import streamlit as st

from transport.app import jobs, state, what_if_jobs
from transport.app import what_if_tables as facts
from transport.i18n import has_text, t

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from transport.store import StoredRun

#: Keys of the session: the calculation under way, finished ones, and what the last one said.
JOB, ANSWERS, MESSAGE = "what_if_job", "what_if_answers", "what_if_message"
#: Speeds of the freight model, the faster first.
SPEEDS = ("fixed", "equilibrium")
#: Finished calculations that are kept.
_KEPT = 12


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
        st.info(t("what_if.run_again", lang, table=name, scenario=run.manifest["scenario"]))
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
        As :func:`transport.app.what_if_jobs.start` takes it.
    """
    identity = identity_of(task, runs, asked)
    done = st.session_state.get(ANSWERS, {}).get(identity)
    if done is not None:
        found: dict[str, pl.DataFrame] = done
        return found
    going = st.session_state.get(JOB)
    if going is not None and going[1] == identity:
        _watch(task, going[0], lang)
        return None
    said = st.session_state.get(MESSAGE)
    if said is not None and said[0] == identity:
        st.warning(said[1])
    st.button(
        t(f"what_if.start_{task}", lang),
        key=f"what_if_start_{task}",
        disabled=going is not None,
        help=t("what_if.one_at_a_time", lang) if going is not None else None,
        on_click=_start,
        args=(task, runs, identity, lang, asked),
    )
    return None


def identity_of(task: str, runs: Sequence[StoredRun], asked: Mapping[str, Any]) -> str:
    """Return what names a calculation: the same question about the same scenarios on the same data has the same name.

    Parameters
    ----------
    task, runs, asked
        As :func:`ask` takes them.
    """
    said = [task, [run.manifest["resolved"] for run in runs], dict(asked), state.inputs().data_hash]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


def _start(task: str, runs: Sequence[StoredRun], identity: str, lang: str, asked: Mapping[str, Any]) -> None:
    st.session_state.pop(MESSAGE, None)
    job = what_if_jobs.start(task, [run.manifest for run in runs], lang=lang, pack=state.pack(), **asked)
    st.session_state[JOB] = (job, identity)


def _cancel(job: jobs.Job, identity: str, lang: str) -> None:
    job.cancel()
    job.clear()
    st.session_state.pop(JOB, None)
    st.session_state[MESSAGE] = (identity, t("what_if.cancelled", lang))


@st.fragment(run_every="1s")
def _watch(task: str, job: jobs.Job, lang: str) -> None:
    """Poll a calculation under way; the page is drawn again when it ends."""
    if JOB not in st.session_state:
        st.rerun()
    identity = st.session_state[JOB][1]
    if job.finished():
        st.session_state.pop(JOB, None)
        if job.succeeded():
            kept = st.session_state.get(ANSWERS, {})
            newest = dict(list(kept.items())[-_KEPT + 1 :])
            st.session_state[ANSWERS] = {**newest, identity: what_if_jobs.answers(job.folder)}
        else:
            st.session_state[MESSAGE] = (identity, t("what_if.died", lang, message=job.message()[-400:]))
        job.clear()
        st.rerun()
    share, step = job.progress()
    key = f"what_if.step_{task}"
    said = t(key, lang, step=step) if step and has_text(key, lang) else t("what_if.starting", lang)
    st.progress(min(share, 1.0), text=said)
    st.button(t("app.cancel", lang), key=f"what_if_cancel_{task}", on_click=_cancel, args=(job, identity, lang))
