"""The page of reports: what kind, about which place, in which language and format; then the files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import streamlit as st

from transport.app import state
from transport.app.widgets import show, text
from transport.i18n import LANGUAGES, labels, t
from transport.prefectures import prefectures
from transport.report.make import FORMATS, KINDS, make_report, report_bytes
from transport.report.source import BASELINE, Base, ReportError, Source

if TYPE_CHECKING:
    from transport.report.content import Kind, Report
    from transport.store import StoredRun

#: Kinds on offer: those of the command, and the first one for a prefecture.
OFFERED = ("scenario", "city", "annual_evaluation")
_TYPES = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def page() -> None:
    """Draw the page."""
    lang = state.language()
    name = str(st.session_state.get("scenario") or state.DEFAULT_SCENARIO)
    st.header(t("report.page.heading", lang, scenario=getattr(state.scenario(name), f"title_{lang}")))
    run = state.stored(name)
    if run is None:
        st.info(t("app.nothing_yet", lang))
        return
    st.caption(t("report.page.about", lang))
    if state.is_stale(run, name):
        st.caption(t("report.page.stale", lang))
    wanted = _form(run, name, lang)
    if wanted is None:
        return
    if not wanted["formats"]:
        st.warning(t("report.page.no_format", lang))
        return
    try:
        with st.spinner(t("report.page.making", lang)):
            report, files = _made(wanted, _key(run, name, wanted["base"]))
    except ReportError as error:
        st.error(str(error))
        return
    _offer(report, files, lang)


def _form(run: StoredRun, name: str, lang: str) -> dict[str, Any] | None:
    """Ask what is wanted; None before the first time."""
    data = state.inputs_of(run)
    areas = labels(data, "area", lang)
    # outside a form, for the choice of a prefecture follows the kind
    kind = st.radio(
        t("report.page.kind", lang),
        OFFERED,
        format_func=lambda code: t(f"report.page.kind_{code}", lang),
        horizontal=True,
        key="report_kind",
        persist_state="session",
    )
    left, middle, right = st.columns(3)
    city = ""
    if kind == "city":
        city = str(
            left.selectbox(
                t("report.page.city", lang),
                prefectures(data),
                format_func=lambda code: areas[code],
                key="report_city",
                persist_state="session",
            )
        )
    written = middle.segmented_control(
        t("report.page.language", lang),
        LANGUAGES,
        default=lang,
        required=True,
        format_func=lambda code: t(f"report.page.language_{code}", lang),
        key="report_language",
        persist_state="session",
    )
    formats = right.pills(
        t("report.page.formats", lang),
        FORMATS,
        selection_mode="multi",
        default=list(FORMATS),
        format_func=lambda code: t(f"report.page.format_{code}", lang),
        key="report_formats",
        persist_state="session",
    )
    others = [other for other in state.scenarios() if other != name] or [name]
    usual = _parent(run, others)
    base = left.selectbox(
        t("report.page.base", lang),
        others,
        index=others.index(usual),
        format_func=lambda code: getattr(state.scenario(code), f"title_{lang}"),
        help=t("report.page.base_help", lang),
        key=f"report_base_{name}",
        persist_state="session",
    )
    asked = {
        "scenario": name,
        "kind": kind,
        "city": city,
        "language": written or lang,
        "formats": tuple(sorted(formats)),
        "base": str(base),
    }
    if st.button(t("report.page.make", lang), type="primary", key="report_make"):
        st.session_state["report_wanted"] = asked
    # what was made stays on offer until something else is asked for
    return asked if st.session_state.get("report_wanted") == asked else None


def _parent(run: StoredRun, names: list[str]) -> str:
    lineage = [str(one) for one in run.manifest.get("lineage", ())]
    wanted = (*reversed(lineage[:-1]), BASELINE)
    return next((name for name in wanted if name in names), names[0])


def _key(run: StoredRun, name: str, base: str) -> tuple[str, ...]:
    """Return what decides the content of a report besides the questions: both runs, the base, the data, the scenario looked at."""
    held = state.present(base)
    return (
        str(run.folder),
        str(run.manifest["created_at"]),
        state.scenario(base).scenario_hash(),
        "" if held is None else str(held.manifest["created_at"]),
        state.inputs().data_hash,
        name,
    )


def _made(wanted: dict[str, Any], key: tuple[str, ...]) -> tuple[Report, dict[str, bytes]]:
    return _files(wanted["kind"], wanted["city"], wanted["language"], wanted["formats"], wanted["base"], key, _name=key[-1])


@st.cache_data(max_entries=8, show_spinner=False)
def _files(
    kind: str, city: str, lang: str, formats: tuple[str, ...], base: str, key: tuple[str, ...], *, _name: str
) -> tuple[Report, dict[str, bytes]]:
    """Return a report and its files; made in memory, so that whoever may only look can have them too."""
    del key
    run = state.stored(_name)
    if run is None:
        raise ReportError(t("app.nothing_yet", lang))
    held = state.scenario(base)
    against = Base(base, str(getattr(held, f"title_{lang}")), held.resolved(), state.present(base))
    data = state.inputs_of(run)
    source = Source(run, data, lang, against, run.manifest["data_hash"] != data.data_hash)
    found: Kind = next((one for one in KINDS if one == kind), KINDS[0])
    report = make_report(source, kind=found, place=city)
    return report, report_bytes(report, formats)


def _offer(report: Report, files: dict[str, bytes], lang: str) -> None:
    """Show what the report holds, and a button per file."""
    tables, figures = list(report.tables()), list(report.figures())
    st.success(t("report.page.ready", lang, title=report.title, tables=len(tables), figures=len(figures)))
    for column, (file, data) in zip(st.columns(3), files.items(), strict=False):
        kind = file.rpartition(".")[2]
        column.download_button(
            t(f"report.page.download_{kind}", lang, size=f"{len(data) / 1024:,.0f}"),
            data,
            file_name=file,
            mime=_TYPES[kind],
            key=f"report_{kind}",
            on_click="ignore",
            width="stretch",
        )
    rows = [(f"{report.say('caption_table')} {number}", table.title, len(table.rows)) for number, table in tables]
    rows += [(f"{report.say('caption_figure')} {number}", figure.data.title, len(figure.data.rows)) for number, figure in figures]
    frame = pl.DataFrame(rows, schema=["caption", "title", "rows"], orient="row")
    config = {
        "caption": text(t("report.page.column_caption", lang), width=90),
        "title": text(t("report.page.column_title", lang)),
        "rows": st.column_config.NumberColumn(t("report.page.column_rows", lang), width=80),
    }
    st.subheader(t("report.page.contents", lang))
    show(frame, config, t("report.page.contents", lang), height=760)


page()
