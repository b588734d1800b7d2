"""Frame of the app: page settings, language, scenario, navigation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from transport import __version__
from transport.app import comparison, pack_link, runner, scenario_draft, scenario_saved, sign_in, state, warm
from transport.check_problems import format_finding
from transport.findings import DataError
from transport.i18n import LANGUAGES, t

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage

VIEWS = Path(__file__).resolve().parent / "views"
#: Streamlit leaves 96 px blank above a page, which a small screen has no room for.
_STYLE = "<style>[data-testid='stMainBlockContainer'] {padding-top: 4.5rem}</style>"
_LANGUAGE_NAMES = {"zh": "中文", "en": "English"}


def main() -> None:
    """Draw the app."""
    warm.ASKED.set()
    state.forget()
    try:
        _draw()
    finally:
        state.forget()


def _draw() -> None:
    state.take_link("lang", LANGUAGES, "zh")
    lang = state.language()
    st.set_page_config(page_title=t("app.title", lang), page_icon="🚆", layout="wide")
    st.html(_STYLE)
    if not sign_in.gate(lang):
        return
    pack_link.take_link()
    try:
        state.inputs()
    except DataError as error:
        # data are read once for all languages; what is wrong with them is said in that of the reader
        found = state.findings(lang) or error.findings
        st.error(t("app.data_refused", lang, count=len(found)))
        st.code("\n".join(format_finding(finding, lang) for finding in found), language=None, wrap_lines=True)
        # the next turn goes on without a pack of the session that has gone bad
        pack_link.forget()
        return
    scenario_draft.take_link()
    scenario_saved.take_link(lang)
    with st.sidebar:
        _language()
        lang = state.language()
        sign_in.badge(lang)
        _scenario(lang)
    pages = _pages(lang)
    scenario_saved.message()
    runner.banner(comparison.chosen(lang), lang)
    st.navigation(pages, position="top").run()
    _footer(lang)


def _pages(lang: str) -> dict[str, list[StreamlitPage]]:
    """Return the pages in groups: side by side they do not fit on a small screen."""
    return {
        "": [
            st.Page(VIEWS / "overview.py", title=t("app.page_overview", lang), default=True),
            st.Page(VIEWS / "scenario.py", title=t("scenario.page", lang), url_path="scenario"),
        ],
        t("app.group_freight", lang): [
            st.Page(VIEWS / "freight.py", title=t("freight.page", lang), url_path="freight"),
            st.Page(VIEWS / "what_if.py", title=t("what_if.page", lang), url_path="what_if"),
        ],
        t("app.group_fleets", lang): [
            st.Page(VIEWS / "fleets.py", title=t("fleets.page", lang), url_path="fleets"),
            st.Page(VIEWS / "charging.py", title=t("charging.page", lang), url_path="charging"),
        ],
        t("app.group_cities", lang): [
            st.Page(VIEWS / "cities.py", title=t("cities.page", lang), url_path="cities"),
            st.Page(VIEWS / "prefectures.py", title=t("prefecture.page", lang), url_path="prefectures"),
        ],
        t("app.group_answers", lang): [
            st.Page(VIEWS / "uncertainty.py", title=t("uncertainty.page", lang), url_path="uncertainty"),
            st.Page(VIEWS / "accounts.py", title=t("app.accounts.page", lang), url_path="accounts"),
        ],
        t("app.group_data", lang): [
            st.Page(VIEWS / "data.py", title=t("data_page.page", lang), url_path="data"),
            st.Page(VIEWS / "report.py", title=t("report.page.title", lang), url_path="report"),
        ],
    }


def _language() -> None:
    lang = state.language()
    st.segmented_control(
        t("app.language", lang),
        LANGUAGES,
        required=True,
        format_func=lambda code: _LANGUAGE_NAMES[code],
        key="lang",
        persist_state="session",
    )
    st.query_params["lang"] = state.language()


def _scenario(lang: str) -> None:
    names = state.scenarios()
    state.take_link("scenario", names, names[0])
    if st.session_state["scenario"] not in names:
        # deleted or renamed by another session
        st.session_state["scenario"] = names[0]
    titles = {name: getattr(state.scenario(name), f"title_{lang}") for name in names}
    name = st.selectbox(
        t("app.scenario", lang),
        names,
        format_func=lambda code: titles[code],
        key="scenario",
        persist_state="session",
        placeholder=t("app.choose", lang),
        help=t("app.scenario_help", lang),
    )
    st.query_params["scenario"] = str(name)
    scenario_draft.put_link()
    pack_link.put_link()
    about = getattr(state.scenario(str(name)), f"about_{lang}")
    if about:
        st.caption(about)
    runner.panel(str(name), lang)
    comparison.picker(lang)


def _footer(lang: str) -> None:
    st.divider()
    data = state.inputs()
    st.caption(t("app.footer", lang, version=__version__, data=data.data_hash[:12]))
    st.caption(t("app.attribution", lang))
