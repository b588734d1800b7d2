"""Scenario page: change levers, projects and run options of any scenario, see how it differs from its base, run, keep and pass it on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from transport.app import pack_panel, runner, sign_in, state
from transport.app import scenario_draft as drafts
from transport.app import scenario_edit as edit
from transport.app import scenario_saved as saved
from transport.app.scenario_levers import browse
from transport.app.scenario_places import sections
from transport.i18n import t
from transport.params import split_setting
from transport.scenario_words import differences

if TYPE_CHECKING:
    from transport.params import LeverValue
    from transport.scenario import Scenario

VIEWS = Path(__file__).resolve().parent
_SECTIONS = ("levers", "places", "options", "keep", "share", "pack")


def page() -> None:
    """Draw the page."""
    lang = state.language()
    name = str(st.session_state["scenario"])
    resolved, data = state.scenario(name), state.inputs()
    base = state.based_on(name)
    may = sign_in.may_change()
    st.header(t("scenario.title", lang, scenario=getattr(resolved, f"title_{lang}")))
    if not may:
        st.info(t("sign_in.read_only", lang))
    _differences(name, base, resolved, lang, may=may)
    tabs = st.tabs([t(f"scenario.tab_{section}", lang) for section in _SECTIONS])
    with tabs[0]:
        known = {lever.lever: lever for lever in data.levers}

        def put(setting: str, value: LeverValue | None) -> None:
            lever = known[split_setting(setting)[0]]
            if value is None:
                saved.edited(lambda file: edit.unset(file, setting))
            else:
                saved.edited(lambda file: edit.set_lever(file, base.settings, setting, value, lever))

        browse(data, resolved.settings, base.settings, put, lang, may=may)
    with tabs[1]:
        sections(resolved, data, saved.edited, lang, may=may)
    with tabs[2]:
        _options(base, resolved, lang, may=may)
    with tabs[3]:
        saved.keep(name, lang, may=may)
    with tabs[4]:
        saved.pass_on(name, lang, may=may)
    with tabs[5]:
        pack_panel.panel(lang)


def _differences(name: str, base: Scenario, resolved: Scenario, lang: str, *, may: bool) -> None:
    """Say how the scenario differs from its base, and offer to run it or to go back."""
    found = differences(base.resolved(), resolved.resolved(), state.inputs(), lang)
    under = getattr(state.scenario(state.base_of(name)), f"title_{lang}")
    with st.container(border=True):
        if not found:
            st.markdown(t("scenario.no_difference", lang, base=under))
            st.caption(t("scenario.how_to_begin", lang))
        else:
            st.markdown(t("scenario.difference", lang, base=under, count=len(found)))
            text = "\n".join(f"- {one}" for one in found)
            if len(found) > 6:
                with st.expander(t("scenario.difference_all", lang, count=len(found))):
                    st.markdown(text)
            else:
                st.markdown(text)
        left, middle, right = st.columns([3, 3, 6], vertical_alignment="center")
        with left:
            if runner.is_under_way(name):
                st.caption(t("job.under_way", lang))
            elif state.present(name) is None:
                runner.start_button(name, lang, key="run_here")
            else:
                st.page_link(str(VIEWS / "overview.py"), label=t("scenario.to_results", lang))
        if may and name in drafts.names():
            middle.button(t("scenario.discard", lang), key="discard", width="stretch", on_click=_discard, args=(name,))
            right.caption(t("scenario.draft_note", lang))


def _discard(name: str) -> None:
    back = drafts.notes(name).get("origin", "") or state.base_of(name)
    drafts.drop(name)
    st.session_state["scenario"] = back if back in state.scenarios() else state.DEFAULT_SCENARIO


def _options(base: Scenario, resolved: Scenario, lang: str, *, may: bool) -> None:
    st.caption(t("scenario.options_help", lang))
    for option, values in edit.OPTIONS.items():
        key = f"option:{option}"
        st.session_state[key] = getattr(resolved, option)
        called = {value: t(f"scenario.option_{option}_{value}", lang) for value in values}
        st.radio(
            t(f"scenario.option_{option}", lang),
            list(values),
            format_func=called.__getitem__,
            captions=[t(f"scenario.about_{option}_{value}", lang) for value in values],
            key=key,
            disabled=not may,
            on_change=_put_option,
            args=(base, option, key),
        )


def _put_option(base: Scenario, option: str, key: str) -> None:
    value = str(st.session_state[key])
    saved.edited(lambda file: edit.set_option(file, base, option, value))


page()
