"""Three steps for those who open the app for the first time; closed for the session by a button, opened again by another."""

from __future__ import annotations

import streamlit as st

from transport.i18n import t

STEPS = ("read", "change", "check")
KEY = "tour_step"
_CLOSED = -1


def tour(lang: str) -> None:
    """Draw the step the reader is at, or the button that opens the tour again.

    Parameters
    ----------
    lang
        ``zh`` or ``en``.
    """
    step = int(st.session_state.get(KEY, 0))
    if step == _CLOSED:
        st.button(t("tour.open", lang), key="tour_open", type="tertiary", icon=":material/help:", on_click=_go, args=(0,))
        return
    with st.container(border=True):
        name = STEPS[step]
        st.markdown(t(f"tour.{name}", lang, step=step + 1, steps=len(STEPS)))
        with st.container(horizontal=True, gap="small"):
            if step > 0:
                st.button(t("tour.back", lang), key="tour_back", on_click=_go, args=(step - 1,))
            if step + 1 < len(STEPS):
                st.button(t("tour.next", lang), key="tour_next", type="primary", on_click=_go, args=(step + 1,))
            st.button(t("tour.close", lang), key="tour_close", type="tertiary", on_click=_go, args=(_CLOSED,))


def _go(step: int) -> None:
    st.session_state[KEY] = step
