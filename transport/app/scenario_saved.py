"""Keeping and passing on scenarios: saved under a name, opened, copied, renamed, deleted, as a file and as a link."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import polars as pl
import streamlit as st

from transport.app import scenario_draft as drafts
from transport.app import scenario_link as link
from transport.app import state
from transport.app.widgets import show, text
from transport.check_problems import format_finding
from transport.findings import DataError
from transport.i18n import LANGUAGES, t
from transport.scenario import ScenarioFile
from transport.scenario_shelf import Saved, ShelfError, as_toml, parsed, safe_name

if TYPE_CHECKING:
    from collections.abc import Callable

#: Key of what the last action said: kind of message and text.
SAID = "scenario_said"


def file_of(name: str) -> ScenarioFile:
    """Return the file of a scenario; one of the data is the base of a new file."""
    own = state.text_of(name)
    if own is not None:
        return parsed(own)
    found = state.scenario(name)
    return ScenarioFile(title_zh=found.title_zh, title_en=found.title_en, base=name)


def edited(change: Callable[[ScenarioFile], ScenarioFile]) -> None:
    """Change the scenario looked at: a draft in its place, anything else in a new draft, which is looked at from now on.

    Parameters
    ----------
    change
        Returns the file as it shall be.
    """
    name = str(st.session_state["scenario"])
    if name in drafts.names():
        drafts.change(name, change(drafts.file_of(name)))
        return
    st.session_state["scenario"] = begin(change(file_of(name)), name)


def begin(file: ScenarioFile, origin: str) -> str:
    """Begin a draft; return its name.

    Parameters
    ----------
    file
        What it holds.
    origin
        Scenario that it was made from; where that is a saved one the draft can be saved in its place.
    """
    noted = {}
    if origin and state.is_own(origin) and not drafts.is_draft(origin):
        noted = {"origin": origin, "origin_key": state.shelf().read(origin).key}
    taken = {state.scenario(name).title_zh for name in state.scenarios()}
    titles = {}
    for lang in LANGUAGES:
        # a draft that somebody passed on is the same draft
        title = (getattr(file, f"title_{lang}") or file.title_zh).removeprefix(t("scenario.draft_title", lang, title=""))
        titles[lang] = t("scenario.draft_title", lang, title=title)
    number = 2
    plain = dict(titles)
    while titles["zh"] in taken:
        titles = {lang: t("scenario.draft_again", lang, title=plain[lang], number=number) for lang in plain}
        number += 1
    return drafts.add(file.model_copy(update={"title_zh": titles["zh"], "title_en": titles["en"]}), noted)


def take_link(lang: str) -> None:
    """Open the scenario that a shared link carries, once; what is wrong with it is said on the scenario page and in the sidebar.

    Parameters
    ----------
    lang
        Language of the messages.
    """
    given = st.query_params.get(link.KEY)
    if not given:
        return
    del st.query_params[link.KEY]
    try:
        file = link.checked(link.unpacked(given), state.inputs(), lang)
    except link.LinkError:
        st.session_state[SAID] = ("error", t("scenario.link_bad", lang))
        return
    except DataError as error:
        st.session_state[SAID] = ("error", _told("scenario.link_refused", error, lang))
        return
    st.session_state["scenario"] = begin(file, "")
    st.session_state[SAID] = ("success", t("scenario.link_opened", lang, title=getattr(file, f"title_{lang}") or file.title_zh))


def message() -> None:
    """Show what the last action said, once."""
    said = st.session_state.pop(SAID, None)
    if said is not None:
        {"error": st.error, "success": st.success}[said[0]](said[1])


def keep(name: str, lang: str, *, may: bool) -> None:
    """Draw saving, the list of saved scenarios and what can be done with them.

    Parameters
    ----------
    name
        Scenario looked at.
    lang
        ``zh`` or ``en``.
    may
        Whether the reader may change anything.
    """
    if may:
        _saving(name, lang)
    saved = [one for one in (_saved(known) for known in state.shelf().names()) if one is not None]
    st.subheader(t("scenario.saved_title", lang))
    if not saved:
        st.caption(t("scenario.saved_none", lang))
        return
    rows = [_line(one, lang) for one in saved]
    columns = ("title", "base", "count", "author", "saved_at", "file")
    config = {c: text(t(f"scenario.saved_{c}", lang)) for c in columns}
    show(pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row"), config, t("scenario.saved_title", lang))
    titles = {one.name: row[0] for one, row in zip(saved, rows, strict=True)}
    pick = st.selectbox(
        t("scenario.saved_pick", lang),
        list(titles),
        format_func=lambda code: titles[code],
        key="saved_pick",
        placeholder=t("app.choose", lang),
    )
    _actions(str(pick), titles.get(str(pick), ""), lang, may=may)


def _saving(name: str, lang: str) -> None:
    st.subheader(t("scenario.save_title", lang))
    origin = drafts.notes(name).get("origin", "") if name in drafts.names() else ""
    what, button = st.columns([8, 3], vertical_alignment="bottom")
    what.text_input(t("scenario.save_as", lang), key="save_name", placeholder=t("scenario.save_hint", lang), max_chars=60)
    button.button(t("scenario.save", lang), key="save", type="primary", width="stretch", on_click=_save, args=(name, lang))
    if origin in state.shelf().names():
        title = state.scenario(origin).title_zh
        st.button(t("scenario.save_over", lang, title=title), key="save_over", on_click=_save_over, args=(name, origin, lang))


def _actions(pick: str, title: str, lang: str, *, may: bool) -> None:
    usable = pick in state.scenarios()
    opening, copying, naming, deleting = st.columns(4)
    opening.button(t("scenario.open", lang), key="saved_open", width="stretch", disabled=not usable, on_click=_open, args=(pick,))
    if not may:
        return
    copying.button(t("scenario.duplicate", lang), key="saved_copy", width="stretch", on_click=_copy, args=(pick, lang))
    with naming.popover(t("scenario.rename", lang), width="stretch"):
        st.text_input(t("scenario.rename_to", lang), key="rename_to", placeholder=title, max_chars=60)
        st.button(t("scenario.rename", lang), key="saved_rename", on_click=_rename, args=(pick, lang))
    with deleting.popover(t("scenario.delete", lang), width="stretch"):
        st.markdown(t("scenario.delete_sure", lang, title=title))
        st.button(t("scenario.delete", lang), key="saved_delete", type="primary", on_click=_delete, args=(pick, lang))


def pass_on(name: str, lang: str, *, may: bool) -> None:
    """Draw the file of the scenario, its link, and the upload of a file.

    Parameters
    ----------
    name
        Scenario looked at.
    lang
        ``zh`` or ``en``.
    may
        Whether the reader may change anything.
    """
    file = file_of(name)
    st.subheader(t("scenario.file_title", lang))
    st.caption(t("scenario.file_help", lang))
    stem = safe_name(file.title_zh) or name
    st.download_button(t("scenario.download", lang), as_toml(file), f"{stem}.toml", "application/toml", key="scenario_download")
    if may:
        st.file_uploader(t("scenario.upload", lang), type="toml", key="scenario_upload", on_change=_upload, args=(lang,))
    st.subheader(t("scenario.link_title", lang))
    st.caption(t("scenario.link_help", lang))
    st.code(shared_link(file), language=None, wrap_lines=True)


def shared_link(file: ScenarioFile) -> str:
    """Return the link that opens a scenario anywhere on this server."""
    address = urlsplit(str(st.context.url or ""))
    root = f"{address.scheme}://{address.netloc}{address.path.removesuffix('scenario')}" if address.netloc else ""
    return f"{root}?{link.KEY}={link.packed(file)}"


def refused(error: ShelfError, lang: str) -> str:
    """Return why a name or a file cannot be used."""
    return t(f"scenario.shelf_{error.key}", lang, name=error.name)


def _saved(name: str) -> Saved | None:
    try:
        return state.shelf().read(name)
    except ShelfError:
        return None


def _line(saved: Saved, lang: str) -> tuple[str, ...]:
    """Return the row of a saved scenario; one that cannot be read on these data says so."""
    known = saved.name in state.scenarios()
    file = parsed(saved.text) if known else None
    title = file.title_zh if file else t("scenario.unreadable", lang, name=saved.name)
    base = getattr(state.scenario(state.base_of(saved.name)), f"title_{lang}") if known else ""
    count = sum(len(section) for section in (file.set, file.projects, file.closures, file.sites)) if file else 0
    at = saved.notes.get("saved_at", "")[:16].replace("T", " ")
    return title, base, str(count), saved.notes.get("author", ""), at, f"{saved.name}.toml"


def _save(name: str, lang: str) -> None:
    title = str(st.session_state.get("save_name", "")).strip()
    try:
        new = state.shelf().add(title, file_of(name))
    except ShelfError as error:
        st.session_state[SAID] = ("error", refused(error, lang))
        return
    st.session_state["save_name"] = ""
    _after_save(name, new, lang)


def _save_over(name: str, origin: str, lang: str) -> None:
    try:
        state.shelf().replace(origin, file_of(name), drafts.notes(name).get("origin_key", ""))
    except ShelfError as error:
        st.session_state[SAID] = ("error", refused(error, lang))
        return
    _after_save(name, origin, lang)


def _after_save(name: str, new: str, lang: str) -> None:
    if name in drafts.names():
        drafts.drop(name)
    st.session_state["scenario"] = new
    st.session_state[SAID] = ("success", t("scenario.saved", lang, title=parsed(state.shelf().read(new).text).title_zh))


def _open(name: str) -> None:
    st.session_state["scenario"] = name


def _copy(name: str, lang: str) -> None:
    try:
        file = parsed(state.shelf().read(name).text)
        number = 2
        title = t("scenario.copy_title", lang, title=file.title_zh)
        known = {one.casefold() for one in state.shelf().names()}
        while safe_name(title).casefold() in known:
            title = t("scenario.draft_again", lang, title=t("scenario.copy_title", lang, title=file.title_zh), number=number)
            number += 1
        new = state.shelf().add(title, file)
    except ShelfError as error:
        st.session_state[SAID] = ("error", refused(error, lang))
        return
    st.session_state["scenario"] = new
    st.session_state[SAID] = ("success", t("scenario.saved", lang, title=title))


def _rename(name: str, lang: str) -> None:
    try:
        new = state.shelf().rename(name, str(st.session_state.get("rename_to", "")))
    except ShelfError as error:
        st.session_state[SAID] = ("error", refused(error, lang))
        return
    if st.session_state.get("scenario") == name:
        st.session_state["scenario"] = new
    st.session_state["rename_to"] = ""
    st.session_state["saved_pick"] = new
    st.session_state[SAID] = ("success", t("scenario.renamed", lang, name=new))


def _delete(name: str, lang: str) -> None:
    base = state.base_of(name) if name in state.scenarios() else state.DEFAULT_SCENARIO
    try:
        state.shelf().remove(name)
    except ShelfError as error:
        st.session_state[SAID] = ("error", refused(error, lang))
        return
    if st.session_state.get("scenario") == name:
        st.session_state["scenario"] = base
    st.session_state.pop("saved_pick", None)
    st.session_state[SAID] = ("success", t("scenario.deleted", lang, name=name))


def _upload(lang: str) -> None:
    given = st.session_state.get("scenario_upload")
    if given is None:
        return
    try:
        file = link.read_upload(given.getvalue(), given.name, state.inputs(), lang)
    except DataError as error:
        st.session_state[SAID] = ("error", _told("scenario.upload_refused", error, lang))
        return
    st.session_state["scenario"] = begin(file, "")
    st.session_state[SAID] = ("success", t("scenario.uploaded", lang, name=given.name))


def _told(key: str, error: DataError, lang: str) -> str:
    # what stands in a file from outside is text, not markup
    lines = "\n".join("- " + re.sub(r"([][`<>])", r"\\\1", format_finding(finding, lang)) for finding in error.findings)
    return t(key, lang, findings=lines)
