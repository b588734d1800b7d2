"""Own numbers: the workbook to fill in, the upload of it or of a data pack with every finding in the page, and what it changed."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from transport.app import pack_jobs, sign_in, state
from transport.app.calculation_panel import Desk, ask
from transport.app.downloads import downloads, headed
from transport.app.pack_link import NAME, PACK, forget, packs
from transport.app.pack_uploads import MAX_UPLOAD, SESSION, Upload, clear_old, digest_of, finding_rows, take
from transport.app.widgets import show, text
from transport.bundled import bundled_run
from transport.i18n import t
from transport.inputs import data_folder, load_inputs, pack_files
from transport.store import StoreError, read_run, run_id, runs_folder
from transport.template.cause_words import cause_lines, cause_rows
from transport.template.causes import groups_of
from transport.template.changes import changed_numbers, changed_verdicts
from transport.template.filled import Pack, zipped
from transport.template.first import newest_ensemble, to_replace_first
from transport.template.layout import template_lines
from transport.template.words import number_rows, verdict_rows
from transport.template.workbook import workbook_bytes

if TYPE_CHECKING:
    import polars as pl

    from transport.inputs import Inputs
    from transport.store import StoredRun

#: Keys of the session: what became of the last upload, the session's own folder, turn of the uploader.
LAST, HOME, TURN = "pack_upload", "pack_home", "pack_turn"
#: Where the page has its calculation done, and how freight may be evaluated: the quick way first.
DESK, CAPACITIES = Desk("pack_panel", pack_jobs.MODULE), ("fixed", "equilibrium")
#: Most findings that the page lists.
_SHOWN = 100


def panel(lang: str) -> None:
    """Draw the panel.

    Parameters
    ----------
    lang
        ``zh`` or ``en``.
    """
    st.subheader(t("pack_panel.title", lang))
    st.caption(t("pack_panel.intro", lang))
    data = state.inputs()
    st.download_button(
        t("pack_panel.download", lang),
        lambda: _workbook(data, lang),
        file_name=f"{t('template.file_name', lang)}.xlsx",
        mime="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        icon=":material/download:",
        key="pack_template",
        on_click="ignore",
    )
    if not sign_in.may_change():
        st.info(t("pack_panel.read_only", lang))
        return
    _uploader(lang)
    _outcome(lang)
    if st.session_state.get(PACK):
        _in_use(lang)
        _changes(lang)


def _workbook(data: Inputs, lang: str) -> bytes:
    found = newest_ensemble(runs_folder(), data)
    first = [] if found is None else to_replace_first(found, data)
    return workbook_bytes(template_lines(data, lang, first), data, lang)


def _uploader(lang: str) -> None:
    """Take the file of the uploader, once; an upload that was taken shows up in every page from the next turn on."""
    file = st.file_uploader(
        t("pack_panel.upload", lang),
        type=["xlsx", "zip"],
        key=f"pack_file_{st.session_state.get(TURN, 0)}",
        help=t("pack_panel.upload_help", lang, limit=MAX_UPLOAD // 1024**2),
    )
    last: Upload | None = st.session_state.get(LAST)
    used = str(st.session_state.get(PACK) or "")
    extends = used and st.checkbox(
        t("pack_panel.extends", lang), value=True, key="pack_extends", help=t("pack_panel.extends_help", lang)
    )
    if file is None:
        return
    content = file.getvalue()
    # findings are read again where the language has changed
    seen = last is not None and last.digest == digest_of(content) and last.name == file.name
    if last is not None and seen and (last.folder is not None or last.lang == lang):
        return
    with st.spinner(t("pack_panel.checking", lang)):
        upload = take(
            file.name,
            content,
            _without_pack(),
            _home(),
            lang,
            role=sign_in.person().role,
            extends=Path(used) if extends else None,
        )
    st.session_state[LAST] = upload
    if upload.folder is not None:
        st.session_state[PACK], st.session_state[NAME] = str(upload.folder), file.name
        if used and used != str(upload.folder):
            _remove(Path(used))
        st.rerun()


def _outcome(lang: str) -> None:
    """Say what became of the last upload."""
    last: Upload | None = st.session_state.get(LAST)
    if last is None:
        return
    if last.folder is not None:
        st.success(t("pack_panel.taken", lang, name=last.name, count=last.changed))
        return
    st.error(t("pack_panel.refused", lang, name=last.name, count=len(last.findings)))
    rows = finding_rows(last.findings, last.name)
    config = {name: text(t(f"pack_panel.col_{name}", lang)) for name in rows.columns}
    st.table(headed(rows.head(_SHOWN), config))  # whole sentences: this table wraps its lines
    if rows.height > _SHOWN:
        st.caption(t("pack_panel.refused_all", lang, count=rows.height - _SHOWN))
    downloads(rows, "pack_findings", lang, config)


def _in_use(lang: str) -> None:
    """Name the pack in use, and let go of it."""
    folder = Path(st.session_state[PACK])
    left, middle, right = st.columns([3, 1, 1], vertical_alignment="center")
    left.info(t("pack_panel.in_use", lang, name=st.session_state.get(NAME, folder.name)))
    middle.download_button(
        t("pack_panel.download_pack", lang),
        lambda: zipped(Pack(pack_files(folder), 0)),
        file_name="data_pack.zip",
        mime="application/zip",
        key="pack_zip",
        on_click="ignore",
    )
    right.button(t("pack_panel.back", lang), key="pack_back", on_click=_let_go)


def _let_go() -> None:
    """Go back to the bundled data; the uploader starts empty, or the same file would be taken again."""
    folder = st.session_state.get(PACK)
    forget()
    if folder:
        _remove(Path(folder))
    st.session_state.pop(NAME, None)
    st.session_state.pop(LAST, None)
    st.session_state[TURN] = st.session_state.get(TURN, 0) + 1


def _remove(folder: Path) -> None:
    """Remove a pack that this session has laid down; one that came with the address may be in use elsewhere, and goes when it is old."""
    if folder.parent == _home():
        shutil.rmtree(folder, ignore_errors=True)


def _changes(lang: str) -> None:
    """Show the numbers that the pack changed, and with results on both states of the data the verdicts."""
    before, after = _without_pack(), state.inputs()
    name = str(st.session_state.get("scenario") or state.DEFAULT_SCENARIO)
    new, old = state.present(name), _result(name, before)
    used = None if new is None or "parameters_used" not in new.manifest["tables"] else state.table(new, "parameters_used")
    numbers = changed_numbers(before, after, used)
    if numbers.is_empty():
        st.caption(t("template.changed_none", lang))
        return
    title = t("pack_panel.changed_title", lang)
    st.markdown(f"**{title}**")
    rows = number_rows(numbers, after, lang)
    show(rows, {c: text(c) for c in rows.columns}, title, file="pack_numbers")
    if new is None:
        st.info(t("pack_panel.no_after", lang))
        return
    verdicts = None if old is None else _verdicts(name, old, new, lang)
    _causes(new, verdicts, before, lang)


def _verdicts(name: str, old: StoredRun, new: StoredRun, lang: str) -> pl.DataFrame:
    """Show the targets before and after."""
    before, after = _without_pack(), state.inputs()
    found = changed_verdicts(state.table(old, "indicators"), state.table(new, "indicators"), before.table("indicators"))
    called = getattr(state.scenario(name), f"title_{lang}")
    title = t("pack_panel.verdicts_title", lang, scenario=called, changed=int(found["is_verdict_changed"].sum()))
    st.markdown(f"**{title}**")
    rows = verdict_rows(found, after, lang)
    show(rows, {c: text(c) for c in rows.columns}, title, 35 * 30, file="pack_verdicts")
    if not found["is_verdict_changed"].any() and not found["is_value_changed"].any():
        st.caption(t("template.verdicts_none", lang))
    return found


def _causes(run: StoredRun, verdicts: pl.DataFrame | None, before: Inputs, lang: str) -> None:
    """Offer the calculation of what each number did, and show it."""
    after = state.inputs()
    title = t("template.causes_title", lang)
    st.markdown(f"**{title}**")
    if verdicts is None:
        st.caption(t("pack_panel.no_before", lang))
    if not groups_of(before, after):
        st.caption(t("template.causes_none", lang))
        return
    capacity = st.radio(
        t("pack_panel.cause_speed", lang),
        CAPACITIES,
        format_func=lambda way: t(f"pack_panel.cause_speed_{way}", lang),
        horizontal=True,
        key="pack_cause_speed",
        help=t("pack_panel.cause_help", lang),
    )
    given = {"manifest": run.manifest, "before": str(before.pack or "")}
    about = [run.manifest["resolved"], before.data_hash]
    found = ask(DESK, "causes", about, lang, given=given, capacity=capacity)
    if found is None:
        return
    rows = cause_rows(found, after, lang)
    show(rows, {c: text(c) for c in rows.columns}, title, file="pack_causes")
    for line in cause_lines(found, verdicts, after, lang):
        st.caption(line)


def _result(name: str, inputs: Inputs) -> StoredRun | None:
    """Return the result of a scenario on other data than the session's."""
    identifier = run_id(state.scenario(name), inputs.data_hash)
    try:
        return read_run(runs_folder() / identifier)
    except StoreError:
        slim = bundled_run(identifier)
        return read_run(slim) if slim else None


def _without_pack() -> Inputs:
    """Return the data that the app was started with."""
    pack = os.environ.get("TRANSPORT_PACK", "")
    places = [data_folder(), *([Path(pack)] if pack else [])]
    files = [p for place in places for p in (place.rglob("*") if place.is_dir() else [place]) if p.is_file()]
    return _started_with(max(p.stat().st_mtime for p in files), pack)


@st.cache_resource(max_entries=2, show_spinner=False)
def _started_with(stamp: float, pack: str) -> Inputs:
    del stamp
    return load_inputs(pack=Path(pack) if pack else None)


def _home() -> Path:
    """Return the folder of the session, beside the runs: two sessions never share one."""
    if HOME not in st.session_state:
        clear_old(packs(), time.time())
        st.session_state[HOME] = str(packs() / f"{SESSION}{uuid.uuid4().hex[:12]}")
    return Path(st.session_state[HOME])
