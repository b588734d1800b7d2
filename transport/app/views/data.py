"""Data and sources: every number with where it comes from, how far it can be trusted, what it is held against, and the way to replace it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl
import streamlit as st

from transport.app import data_charts as charts
from transport.app import data_links as links
from transport.app import data_rows as facts
from transport.app import pack_panel, state
from transport.app.account_tables import errors, incomparable
from transport.app.downloads import downloads
from transport.app.widgets import number, show, text
from transport.hindcast import summary
from transport.i18n import labels, listed, t
from transport.layout import QUALITY_ORDER
from transport.sensitivity import WEAK
from transport.store import runs_folder
from transport.template.first import newest_ensemble, to_replace_first

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.inputs import Inputs
    from transport.store import StoredRun

SECTIONS = ("rows", "pack", "quality", "checks", "definitions", "licences")
#: Most rows that the table shows at once; the downloads hold all.
SHOWN = 300
_QUERY = (*links.PARAMETER, *links.OBSERVED, *links.SOURCE)


def data_page() -> None:
    """Draw the page."""
    lang = state.language()
    data = state.inputs()
    rows = _rows(data.data_hash, lang, data)
    name = str(st.session_state.get("scenario") or state.DEFAULT_SCENARIO)
    run = state.stored(name)
    st.header(t("data_page.title", lang))
    weak = rows.filter(pl.col("quality").is_in(["assumption", "recalled"])).height
    counts = {"count": f"{rows.height:,}", "sources": rows["source"].n_unique(), "weak": f"{100.0 * weak / rows.height:.0f}"}
    st.caption(t("data_page.question", lang, **counts))
    _linked(rows, data, run, lang)
    heads = [t(f"data_page.tab_{section}", lang) for section in SECTIONS]
    # what was uploaded changes the frame of the page, and with it the tabs start anew
    first = SECTIONS.index("pack") if st.session_state.get(pack_panel.LAST) else 0
    for section, tab in zip(SECTIONS, st.tabs(heads, default=heads[first]), strict=True):
        with tab:
            if section == "rows":
                _all(rows, data, run, lang)
            elif section == "pack":
                pack_panel.panel(lang)
            elif section == "quality":
                _quality(rows, data, run, lang)
            elif section == "checks":
                _checks(run, data, lang)
            elif section == "definitions":
                _definitions(data, lang)
            else:
                _licences(data, lang)


@st.cache_resource(max_entries=4, show_spinner=False)
def _rows(data_hash: str, lang: str, _data: Inputs) -> pl.DataFrame:
    del data_hash
    return facts.worded(facts.all_rows(_data), _data, lang)


# ---- the row that a link names -----------------------------------------------------------------------------------------------------


def _linked(rows: pl.DataFrame, data: Inputs, run: StoredRun | None, lang: str) -> None:
    """Show the rows that the address names; a name that the data do not know is said, with the nearest."""
    query = {name: st.query_params[name] for name in _QUERY if name in st.query_params}
    asked = next((query[kind] for kind in ("parameter", "series", "source") if query.get(kind)), "")
    if not asked:
        return
    found = facts.linked(rows, query)
    with st.container(border=True):
        left, right = st.columns([5, 1], vertical_alignment="center")
        codes = " ".join(query.values())
        word = "" if found.is_empty() else str(found["citation" if codes == query.get("source") else "called"][0])
        name = t("template.parameter_of", lang, parameter=_safe(word), subject=codes) if word else codes
        left.markdown(f"**{t('data_page.linked', lang, name=name)}**")
        right.button(t("data_page.clear", lang), key="data_clear", on_click=_forget_link)
        if found.is_empty():
            near = facts.near_names(rows, query)
            st.warning(t("data_page.linked_near" if near else "data_page.linked_none", lang, name=asked, near=near))
        elif found.height == 1:
            _detail(found.row(0, named=True), data, run, lang)
        else:
            st.caption(t("data_page.linked_many", lang, count=found.height))
            _table(found.head(SHOWN), lang, key="data_linked", height=35 * 9)
            if query.get("source") or found["source"].n_unique() == 1:
                _detail(found.row(0, named=True), data, run, lang, source_only=True)


def _forget_link() -> None:
    for name in _QUERY:
        st.query_params.pop(name, None)


def _detail(row: Mapping[str, Any], data: Inputs, run: StoredRun | None, lang: str, *, source_only: bool = False) -> None:
    """Show one number with everything about where it comes from."""
    reads = None
    if run is not None and "parameters_used" in run.manifest["tables"] and row["use"] == "model":
        mine = state.table(run, "parameters_used").filter(parameter=row["name"], subject=row["subject"])
        reads = int(mine["reads"].sum())
    said = facts.details(row, data, reads)
    if not source_only:
        st.markdown(f"{row['called']} · {row['of'] or ''} · {row['year'] or t('template.every_year', lang)}")
        value = t("data_page.not_found", lang) if row["value"] is None else facts.plain(row["value"])
        head = t("data_page.value_is", lang, value=value, unit=row["unit_name"] or "", quality=row["quality_name"])
        if row["low"] is not None and row["high"] is not None:
            span = t("data_page.range_is", lang, low=facts.plain(row["low"]), high=facts.plain(row["high"]))
            head = f"{head} · {span}"
        st.markdown(head)
    said["citation"] = str(row["citation"] or said["citation"])
    lines = ["citation", "publisher", "date", "licence", "location"]
    if not source_only:
        said |= {"note": str(row["note"] or ""), "place": str(row["table_name"]), "key": f"{row['name']} {row['subject']}"}
        lines = ["citation", "publisher", "date", "licence", "location", "formula", "note", "reads", "place", "key"]
    listed = []
    for name in lines:
        if said[name]:
            words = f"`{said[name].replace('`', '')}`" if name in {"location", "formula", "key"} else _safe(said[name])
            field = f"data_page.detail_{name}"
            if name in {"citation", "note"} and facts.is_foreign(said[name], lang):
                field += "_original"
            listed.append(t("data_page.detail", lang, field=t(field, lang), words=words))
    st.markdown("\n".join(f"- {line}" for line in listed))
    if not source_only and row["use"] in {"model", "reference", "observed"}:
        st.caption(t("data_page.share_link", lang, address=links.address(links.to_row(row), lang)))


def _safe(words: str) -> str:
    """Return a text of the data without what Markdown would take for its own."""
    return "".join(f"\\{ch}" if ch in "\\`*_[]<>$#~" else ch for ch in words)


# ---- all numbers -------------------------------------------------------------------------------------------------------------------


def _all(rows: pl.DataFrame, data: Inputs, run: StoredRun | None, lang: str) -> None:
    """Search and filter all numbers; the row that is chosen is shown with its source."""
    needle = st.text_input(t("data_page.search", lang), key="data_search", help=t("data_page.search_help", lang))
    qualities = labels(data, "quality", lang)
    tables = {code: facts.table_name(code, lang) for code in rows["table"].unique(maintain_order=True).to_list()}
    sources = dict(rows.select("source", "citation").unique(maintain_order=True).iter_rows())
    uses = {use: t(f"data_page.use_{use}", lang) for use in facts.USES}
    offered = {
        "use": (list(facts.USES), uses),
        "table": (sorted(tables, key=tables.__getitem__), tables),
        "quality": ([q for q in QUALITY_ORDER if q in qualities], qualities),
        "source": (sorted(sources, key=lambda s: sources[s] or s), sources),
    }
    chosen: dict[str, list[str]] = {}
    for column, (name, (options, called)) in zip(st.columns(4), offered.items(), strict=True):
        chosen[name] = column.multiselect(
            t(f"data_page.filter_{name}", lang),
            options,
            format_func=partial(_called, called),
            key=f"data_filter_{name}",
            persist_state="session",
            placeholder=t("data_page.any", lang),
        )
    found = facts.searched(
        rows, needle, uses=chosen["use"], tables=chosen["table"], qualities=chosen["quality"], sources=chosen["source"]
    )
    if found.is_empty():
        st.info(t("data_page.found_none", lang))
        return
    key = "found" if found.height > SHOWN else "found_all"
    st.caption(t(f"data_page.{key}", lang, count=f"{found.height:,}", shown=SHOWN))
    picked = _table(found.head(SHOWN), lang, key="data_table", height=35 * 13)
    downloads(found.select(_FILE), "data", lang, _config(lang))
    if picked is not None:
        with st.container(border=True):
            st.markdown(f"**{t('data_page.chosen', lang)}**")
            _detail(found.row(picked, named=True), data, run, lang)


def _called(names: Mapping[str, str], code: str) -> str:
    return names.get(code) or code


_TABLE = ["called", "of", "year", "value", "span", "unit_name", "quality_name", "citation", "table_name", "name", "note"]
_FILE = [
    "table", "table_name", "name", "called", "subject", "of", "year", "value", "low", "high", "unit", "quality", "quality_name",
    "source", "citation", "use_name", "note",
]  # fmt: skip


def _config(lang: str) -> dict[str, Any]:
    words = {
        "called": ("called", 180),
        "of": ("of", 212),
        "year": ("year", 84),
        "span": ("span", 128),
        "unit_name": ("unit", 82),
        "unit": ("unit", 90),
        "quality_name": ("quality", 88),
        "citation": ("citation", 300),
        "table_name": ("table", 130),
        "use_name": ("use", 110),
        "name": ("name", 200),
        "note": ("note", 420),
    }
    config = {column: text(t(f"data_page.col_{key}", lang), width=width) for column, (key, width) in words.items()}
    widths = {"value": 108, "low": 90, "high": 90}
    return config | {name: number(t(f"data_page.col_{name}", lang), width=width) for name, width in widths.items()}


def _table(rows: pl.DataFrame, lang: str, *, key: str, height: int) -> int | None:
    """Draw rows and return which one is chosen; what says the most of a number stands first, where it is seen without scrolling."""
    shown = rows.select(_TABLE)
    event = st.dataframe(
        shown,
        hide_index=True,
        column_config={column: set_up for column, set_up in _config(lang).items() if column in _TABLE},
        height=min(height, 35 * (rows.height + 1) + 3),
        on_select="rerun",
        selection_mode="single-row",
        key=key,
        placeholder="",
        alt=t("data_page.alt_rows", lang),
    )
    picked = event["selection"]["rows"]
    return int(picked[0]) if picked and picked[0] < rows.height else None


# ---- quality -----------------------------------------------------------------------------------------------------------------------


def _quality(rows: pl.DataFrame, data: Inputs, run: StoredRun | None, lang: str) -> None:
    """Show how good the numbers are, and which to replace first."""
    used = None if run is None or "parameters_used" not in run.manifest["tables"] else state.table(run, "parameters_used")
    counts = facts.quality_counts(rows, facts.USES, used)
    called = labels(data, "quality", lang)
    title = t("data_page.quality_title", lang, count=f"{int(counts['all'].sum()):,}")
    st.subheader(title)
    uses = {use: t(f"data_page.use_{use}", lang) for use in facts.USES}
    st.altair_chart(charts.qualities(counts, uses, called, t("data_page.quality_axis", lang)), alt=title)
    shown = counts.with_columns(pl.col("quality").replace_strict(called))
    shown = shown if used is not None else shown.drop("read")
    config = {"quality": text(t("data_page.col_quality", lang))} | {use: number(word) for use, word in uses.items()}
    config |= {name: number(t(f"data_page.col_{name}", lang)) for name in ("all", "read")}
    config["share"] = number(t("data_page.col_share", lang), "%.1f")
    show(shown, config, title, file="data_quality")
    st.caption(t("data_page.quality_note", lang))
    title = t("data_page.first_title", lang)
    st.subheader(title)
    found = newest_ensemble(runs_folder(), data)
    first = [] if found is None else to_replace_first(found, data)
    if found is not None and first:
        order = pl.DataFrame(first, schema={"name": pl.String, "subject": pl.String}, orient="row").with_row_index("place", 1)
        mine = rows.filter(pl.col("use") == "model").unique(["name", "subject"], keep="first", maintain_order=True)
        listed = order.join(mine, on=["name", "subject"], how="left", maintain_order="left")
        config = {"place": number("#", "%d", width=45)} | _config(lang)
        columns = ["place", "called", "of", "value", "span", "unit_name", "quality_name", "citation", "table_name"]
        show(listed.select(columns), config, title, file="replace_first")
        st.caption(t("data_page.first_note", lang, run=found.folder.name))
        return
    st.info(t("data_page.first_none", lang))
    st.page_link(links.PAGE.parent / "uncertainty.py", label=t("data_page.to_uncertainty", lang))
    weak = (
        rows.filter(pl.col("use") == "model", pl.col("value").is_not_null())
        .group_by("table_name", maintain_order=True)
        .agg(all=pl.len(), weak=pl.col("quality").is_in([q for q in WEAK if q != "literature"]).sum())
        .with_columns(share=100.0 * pl.col("weak") / pl.col("all"))
        .sort("weak", descending=True)
    )
    config = {"table_name": text(t("data_page.col_table", lang), width=260)}
    config |= {"all": number(t("data_page.col_all", lang)), "weak": number(t("data_page.col_weak", lang))}
    config["share"] = number(t("data_page.col_weak_share", lang), "%.0f")
    show(weak, config, title, file="weak_tables")


# ---- against statistics, definitions, licences -------------------------------------------------------------------------------------


def _checks(run: StoredRun | None, data: Inputs, lang: str) -> None:
    """Show how the model stands to the statistics, in short, with the way to the bridge and the years."""
    st.caption(t("data_page.checks_note", lang))
    st.page_link(links.PAGE.parent / "accounts.py", label=t("data_page.to_accounts", lang))
    if run is None or "hindcast" not in run.manifest["tables"]:
        st.info(t("app.nothing_yet", lang))
        return
    table = state.table(run, "hindcast")
    rows = errors(summary(table.drop_nulls("error_pct")), data, lang)
    title = t("data_page.checks_title", lang, count=rows.height)
    st.markdown(f"**{title}**")
    config = {
        "series": text(t("app.accounts.series", lang), width=300),
        "years": text(t("app.accounts.years", lang), width=85),
        "held_out": text(t("app.accounts.held_out", lang), alignment="right", width=120),
        "in_sample": text(t("app.accounts.in_sample", lang), alignment="right", width=95),
        "context": text(t("app.accounts.context", lang), alignment="right", width=95),
        "bias": text(t("app.accounts.bias", lang), alignment="right", width=95),
    }
    show(rows, config, title, 35 * 20, file="data_hindcast")
    st.caption(t("app.accounts.hindcast_note", lang))
    without = incomparable(table, data, lang)
    if without:
        st.caption(t("app.accounts.hindcast_without", lang, series=listed(without, lang)))


def _definitions(data: Inputs, lang: str) -> None:
    """Show the reading of every indicator, the principles of counting and the breaks."""
    title = t("data_page.definitions_title", lang)
    st.subheader(title)
    named = {name: labels(data, name, lang) for name in ("indicator", "scope", "boundary", "base", "quality")}
    rows = data.table("indicators").select(
        indicator=pl.col("id").replace(named["indicator"]),
        scope=pl.col("scope").replace(named["scope"]).fill_null(""),
        boundary=pl.col("boundary").replace(named["boundary"]).fill_null(""),
        base=pl.col("base").replace(named["base"]).fill_null(""),
        quality=pl.col("quality").replace(named["quality"]),
    )
    widths = {"indicator": 290, "scope": 140, "boundary": 170, "base": 110, "quality": 90}
    config = {name: text(t(f"data_page.col_{name}", lang), width=width) for name, width in widths.items()}
    show(rows, config, title, 35 * 30, file="data_definitions")
    st.caption(t("data_page.definitions_note", lang))
    left, right = st.columns(2)
    for column, (codes, key) in zip((left, right), (("principle", "principle"), ("definition", "break")), strict=True):
        with column:
            title = t(f"data_page.{key}_title", lang)
            st.markdown(f"**{title}**")
            listed = data.table("codes").filter(pl.col("list") == codes).select(word=f"label_{lang}")
            show(listed, {"word": text(t("data_page.col_word", lang))}, title, file="")
    st.caption(t("data_page.breaks_note", lang))


def _licences(data: Inputs, lang: str) -> None:
    """Show the licences as they stand beside the data."""
    st.subheader(t("data_page.licence_title", lang))
    st.caption(t("data_page.licence_note", lang))
    file = data.folder / "LICENSE-DATA.md"
    if file.is_file():
        words = file.read_text(encoding="utf-8").split("\n", 1)
        st.markdown(words[1] if words[0].startswith("# ") else "\n".join(words))
    st.caption(t("app.attribution", lang))


data_page()
