"""The run panel of the sidebar: start, watch and cancel the run of the chosen scenario."""

from __future__ import annotations

import streamlit as st

from transport.app import jobs, state
from transport.i18n import t
from transport.store import run_id


def panel(name: str, lang: str) -> None:
    """Show whether the scenario has been run on the present data, and offer to run it."""
    job = st.session_state.get("job")
    if isinstance(job, jobs.Job):
        _watch(job, lang)
        return
    message = st.session_state.pop("job_message", "")
    if message:
        st.warning(message)
    stored = state.stored(name)
    if stored is not None:
        made = str(stored.manifest["created_at"])[:10]
        seconds = f"{stored.manifest['seconds']:.0f}"
        st.success(t("app.run_ready", lang, run=stored.manifest["run_id"], created=made, seconds=seconds))
        return
    st.info(t("app.run_missing", lang))
    st.button(t("app.run", lang), type="primary", width="stretch", on_click=_start, args=(name, lang))


def _start(name: str, lang: str) -> None:
    identifier = run_id(state.scenario(name), state.inputs().data_hash)
    st.session_state["job"] = jobs.start(name, identifier, lang=lang, pack=state.pack())


def _cancel(job: jobs.Job, lang: str) -> None:
    job.cancel()
    job.clear()
    st.session_state.pop("job", None)
    st.session_state["job_message"] = t("app.run_cancelled", lang)


@st.fragment(run_every="1s")
def _watch(job: jobs.Job, lang: str) -> None:
    """Poll a run under way; the page is drawn again when it ends."""
    if "job" not in st.session_state:
        # Cancelled by its button: what that said must not be overwritten by the end of the process.
        st.rerun()
    if job.finished():
        st.session_state.pop("job", None)
        st.session_state["job_message"] = job.message() or ("" if job.succeeded() else t("app.run_died", lang))
        job.clear()
        st.rerun()
    share, step = job.progress()
    st.progress(share, text=t(f"step.{step}", lang) if step else t("app.run_starting", lang))
    st.button(t("app.cancel", lang), on_click=_cancel, args=(job, lang))
