"""The run panel of the sidebar: start, watch and cancel the run of the chosen scenario, whoever started it; and the banner over what is out of date."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import streamlit as st

from transport.app import jobs, sign_in, state
from transport.bundled import MARK
from transport.i18n import has_text, listed, t
from transport.roles import RoleError
from transport.store import MANIFEST, run_id, runs_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transport.app.jobs import Job

_CANCELLED = "runs_cancelled"


def panel(name: str, lang: str) -> None:
    """Show whether the scenario has been run on the present data, and offer to run it; watch a run under way.

    Parameters
    ----------
    name
        Of the scenario.
    lang
        ``zh`` or ``en``.
    """
    if not sign_in.may_change():
        st.caption(t("sign_in.read_only", lang))
    identifier = identity(name)
    job = jobs.find(identifier)
    status = "" if job is None else job.status()
    if job is not None and status in {"queued", "running"}:
        _watch(job, lang)
        _others(identifier, lang)
        return
    found = state.present(name)
    if found is None and job is not None and status == "failed":
        st.warning(job.message()[-600:] or t("app.run_died", lang))
    elif found is None and identifier in st.session_state.get(_CANCELLED, ()):
        st.warning(t("app.run_cancelled", lang))
    if found is not None:
        made = str(found.manifest["created_at"])[:10]
        seconds = f"{found.manifest['seconds']:.0f}"
        st.success(t("app.run_ready", lang, run=found.manifest["run_id"], created=made, seconds=seconds))
        if found.manifest.get(MARK):
            st.caption(t("job.bundled", lang))
            start_button(name, lang, key="run_whole", first=False)
    else:
        st.info(t("app.run_missing", lang))
        start_button(name, lang, key="run")
    _others(identifier, lang)


def identity(name: str) -> str:
    """Return the identifier of the run of a scenario on the present data."""
    return run_id(state.scenario(name), state.inputs().data_hash)


def is_under_way(name: str) -> bool:
    """Return whether the run of a scenario on the present data waits or works."""
    job = jobs.find(identity(name))
    return job is not None and not job.finished()


def start_button(name: str, lang: str, *, key: str, first: bool = True) -> None:
    """Offer to run a scenario, where the reader may.

    Parameters
    ----------
    name
        Of the scenario.
    lang
        ``zh`` or ``en``.
    key
        Of the button.
    first
        Whether it is the first thing to do here.
    """
    if not sign_in.may_change():
        return
    st.button(
        t("app.run", lang),
        key=key,
        type="primary" if first else "secondary",
        width="stretch",
        on_click=_start,
        args=(name, lang),
    )


def _start(name: str, lang: str) -> None:
    # whoever has lost the right since the button was drawn finds it gone
    with suppress(RoleError):
        start(name, lang)


def start(name: str, lang: str) -> Job | None:
    """Start the run of a scenario, or find the one under way; None if the result is there already.

    Parameters
    ----------
    name
        Of the scenario.
    lang
        Language of its messages.

    Raises
    ------
    transport.roles.RoleError
        If the person may not run anything.
    """
    identifier = identity(name)
    forget = st.session_state.get(_CANCELLED, frozenset())
    st.session_state[_CANCELLED] = frozenset(forget) - {identifier}
    folder = runs_folder().absolute() / identifier
    if (folder / MANIFEST).is_file():
        # another session, or the command line, was faster
        return None
    found = state.scenario(name)
    own = state.text_of(name)
    pack = state.pack()
    # the job has its own copy of an edited scenario: what is changed while it runs is another run
    named = name if own is None else f"{{folder}}/{name}.toml"
    arguments = ["run", named, "--quiet", "--lang", lang, "--out", str(folder), "--progress", f"{{folder}}/{jobs.PROGRESS}"]
    arguments += ["--pack", str(pack.absolute())] if pack is not None else []
    about = {
        "kind": "run",
        "scenario": name,
        "title_zh": found.title_zh,
        "title_en": found.title_en,
        "speed": f"run-{found.capacity}-{found.network}-{found.simulate}-{found.sales}",
    }
    files = {} if own is None else {f"{name}.toml": own}
    return jobs.start(identifier, "transport", arguments, about=about, files=files, environment=sign_in.environment())


def banner(names: Sequence[str], lang: str) -> None:
    """Say above a page which of the shown results are not those of the present levers and data.

    Parameters
    ----------
    names
        Of the scenarios shown.
    lang
        ``zh`` or ``en``.
    """
    for name in names:
        run = state.stored(name)
        if run is None or not state.is_stale(run, name):
            continue
        scenario = state.scenario(name)
        levers = run.manifest.get("scenario_hash") != scenario.scenario_hash()
        other = str(run.manifest.get("scenario")) != name and run.manifest.get(f"title_{lang}") != getattr(
            scenario, f"title_{lang}"
        )
        why = "levers" if levers else "data"
        st.warning(
            t(
                f"job.stale_{why}",
                lang,
                scenario=getattr(scenario, f"title_{lang}"),
                shown=run.manifest.get(f"title_{lang}") if other else t("job.earlier", lang),
                created=str(run.manifest["created_at"])[:16].replace("T", " "),
            ),
            icon="⚠️",
        )


def _others(identifier: str, lang: str) -> None:
    """Name the other runs and calculations under way."""
    others = [job for job in jobs.live() if job.identity != identifier]
    if not others:
        return
    said = []
    for job in others:
        title = job.about.get(f"title_{lang}") or t("job.calculation", lang)
        share = f"{100.0 * job.progress()[0]:.0f}"
        key = "job.other_queued" if job.status() == "queued" else "job.other_running"
        said.append(t(key, lang, title=title, percent=share))
    st.caption(t("job.others", lang, jobs=listed(said, lang)))


def _cancel(job: Job) -> None:
    with suppress(RoleError):
        job.cancel(sign_in.person().role)
    if job.finished():
        st.session_state[_CANCELLED] = frozenset(st.session_state.get(_CANCELLED, ())) | {job.identity}


@sign_in.polled
def _watch(job: Job, lang: str) -> None:
    """Poll a run under way; the page is drawn again when it ends."""
    if job.finished():
        st.rerun()
    st.progress(job.progress()[0], text=said_of(job, lang))
    stopping = (job.folder / jobs.CANCEL).exists()
    label = t("job.stopping" if stopping else "app.cancel", lang)
    if sign_in.may_change():
        st.button(label, key="cancel_run", on_click=_cancel, args=(job,), disabled=stopping)


def said_of(job: Job, lang: str) -> str:
    """Return where a job stands, in words: the step, how long it has been at work and how long it still takes.

    Parameters
    ----------
    job
        Under way.
    lang
        ``zh`` or ``en``.
    """
    if job.status() == "queued":
        ahead = job.ahead()
        return t("job.queued", lang, count=ahead) if ahead else t("app.run_starting", lang)
    step = job.progress()[1]
    name = t(f"step.{step}", lang) if has_text(f"step.{step}", lang) else t("job.reading", lang)
    left = job.remaining()
    elapsed = duration(job.elapsed(), lang)
    if left is None:
        return t("job.running", lang, step=name, elapsed=elapsed)
    return t("job.running_left", lang, step=name, elapsed=elapsed, left=duration(left, lang))


def duration(seconds: float, lang: str) -> str:
    """Return a time as people say it: seconds up to a minute and a half, then minutes.

    Parameters
    ----------
    seconds
        Time [s].
    lang
        ``zh`` or ``en``.

    Examples
    --------
    >>> duration(42.4, "en"), duration(190.0, "en")
    ('42 s', '3 min')
    """
    if seconds < 90.0:
        return t("job.seconds", lang, count=round(seconds))
    return t("job.minutes", lang, count=round(seconds / 60.0))
