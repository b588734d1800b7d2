"""The panel of a calculation: started by a button, watched, cancelled, and kept for the session when it is done."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from transport.app import jobs, sign_in, state
from transport.app.calculations import answers_in, start
from transport.i18n import has_text, t
from transport.roles import RoleError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from transport.app.jobs import Job

#: Finished calculations that a page keeps.
KEPT = 16


@dataclass(frozen=True)
class Desk:
    """Where a page has its calculations done.

    Attributes
    ----------
    page
        Prefix of its texts and of its keys in the session; texts ``start_{task}``, ``step_{task}``, ``starting``, ``cancelled``, ``died`` and
        ``one_at_a_time``.
    module
        Module that is run with the folder of a request.
    """

    page: str
    module: str

    @property
    def job(self) -> str:
        """Return the key of the calculation under way."""
        return f"{self.page}_job"

    @property
    def answers(self) -> str:
        """Return the key of the finished ones."""
        return f"{self.page}_answers"

    @property
    def message(self) -> str:
        """Return the key of what the last one said."""
        return f"{self.page}_message"


def identity_of(task: str, about: Any, asked: Mapping[str, Any]) -> str:
    """Return what names a calculation: the same question about the same scenarios on the same data has the same name.

    Parameters
    ----------
    task
        What is asked for.
    about
        The scenarios, resolved.
    asked
        What else is asked.
    """
    said = [task, about, dict(asked), state.inputs().data_hash]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:24]


def ask(
    desk: Desk, task: str, about: Any, lang: str, *, given: Mapping[str, Any] | None = None, **asked: Any
) -> dict[str, pl.DataFrame] | None:
    """Offer a calculation to whoever may start one, watch it, and return its tables when it is done.

    Parameters
    ----------
    desk
        Of the page.
    task
        What is asked for.
    about
        The scenarios, resolved: part of the name of the calculation.
    lang
        ``zh`` or ``en``.
    given
        What is handed to the subprocess beside what is asked, for example manifests.
    **asked
        The question.
    """
    identity = identity_of(task, about, asked)
    done = st.session_state.get(desk.answers, {}).get(identity)
    if done is not None:
        found: dict[str, pl.DataFrame] = done
        return found
    job = jobs.find(identity)
    status = "" if job is None else job.status()
    if job is not None and status == "done":
        answer = answers_in(job.folder)
        if answer:
            _keep(desk, identity, answer)
            return answer
    if job is not None and status in {"queued", "running"}:
        st.session_state[desk.job] = identity
        _watch(desk, task, job, lang)
        return None
    said = st.session_state.get(desk.message)
    if said is not None and said[0] == identity:
        st.warning(said[1])
    elif job is not None and status == "failed":
        st.warning(t(f"{desk.page}.died", lang, message=job.message()[-400:]))
    going = _is_at_work(desk)
    if not sign_in.may_change():
        st.caption(t("sign_in.read_only", lang))
        return None
    st.button(
        t(f"{desk.page}.start_{task}", lang),
        key=f"{desk.page}_start_{task}",
        disabled=going,
        help=t(f"{desk.page}.one_at_a_time", lang) if going else None,
        on_click=_start,
        args=(desk, task, identity, lang, {**(given or {}), **asked}),
    )
    return None


def _is_at_work(desk: Desk) -> bool:
    """Return whether the last calculation that the page started for this session is still at work."""
    job = jobs.find(str(st.session_state.get(desk.job, "")) or "-")
    return job is not None and not job.finished()


def _keep(desk: Desk, identity: str, answer: dict[str, pl.DataFrame]) -> None:
    kept = st.session_state.get(desk.answers, {})
    st.session_state[desk.answers] = {**dict(list(kept.items())[-KEPT + 1 :]), identity: answer}


def _start(desk: Desk, task: str, identity: str, lang: str, asked: Mapping[str, Any]) -> None:
    st.session_state.pop(desk.message, None)
    # whoever has lost the right since the button was drawn finds it gone
    with suppress(RoleError):
        start(desk.module, task, lang=lang, pack=state.pack(), identity=identity, **asked)
        st.session_state[desk.job] = identity


def _cancel(desk: Desk, job: Job, lang: str) -> None:
    with suppress(RoleError):
        job.cancel(sign_in.person().role)
    st.session_state.pop(desk.job, None)
    st.session_state[desk.message] = (job.identity, t(f"{desk.page}.cancelled", lang))


@sign_in.polled
def _watch(desk: Desk, task: str, job: Job, lang: str) -> None:
    """Poll a calculation under way; the page is drawn again when it ends."""
    if job.finished():
        st.rerun()
    share, step = job.progress()
    key = f"{desk.page}.step_{task}"
    said = t(key, lang, step=step) if step and has_text(key, lang) else t(f"{desk.page}.starting", lang)
    st.progress(share, text=t("job.queued", lang, count=job.ahead()) if job.status() == "queued" else said)
    if sign_in.may_change():
        st.button(t("app.cancel", lang), key=f"{desk.page}_cancel_{task}", on_click=_cancel, args=(desk, job, lang))
