"""Projects, closures and sites on the scenario page: what may be named, by the names that people know, and the forms that add them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import streamlit as st

from transport.app import scenario_edit as edit
from transport.i18n import labels, t
from transport.scenario_sections import METRO_LINES, MOST_ACTIVITY, NEVER, movable_lines, names_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from transport.inputs import Inputs
    from transport.scenario import Scenario, ScenarioFile

    #: Called with a function from the file as it is to the file as it shall be.
    Change = Callable[[Callable[[ScenarioFile], ScenarioFile]], None]

_FIRST, _LAST = edit.SETTABLE[0], edit.SETTABLE[-1]
_START = 2028


def project_names(inputs: Inputs, lang: str) -> dict[str, str]:
    """Return project or metro line -> name with the opening year of the data."""
    register = inputs.table("networks/projects")
    found = {
        row["project_id"]: _opening(str(row[f"label_{lang}"]), row["open_year"], lang) for row in register.iter_rows(named=True)
    }
    lines = inputs.tables.get(METRO_LINES)
    if lines is not None:
        column = next(c for c in (f"label_{lang}", f"name_{lang}", "line_id") if c in lines.columns)
        for row in movable_lines(lines).iter_rows(named=True):
            found[row["line_id"]] = _opening(str(row[column] or row["line_id"]), row["open_year"], lang)
    return {name: found.get(name, name) for name in names_of(inputs.tables).projects}


def closure_names(inputs: Inputs, lang: str) -> dict[str, str]:
    """Return link or terminal -> name: mode, line and ends of a link; kind and place of a terminal."""
    nodes = _nodes(inputs, lang)
    modes, classes = labels(inputs, "mode", lang), labels(inputs, "link_class", lang)
    found = {}
    for row in inputs.table("networks/links").iter_rows(named=True):
        line = row["line_zh"] if lang == "zh" and row["line_zh"] else ""
        ends = t(
            "words.link", lang, one=nodes.get(row["from_node"], row["from_node"]), other=nodes.get(row["to_node"], row["to_node"])
        )
        kind = modes.get(row["mode"], row["mode"])
        found[row["link_id"]] = t("scenario.link_name", lang, mode=kind, line=line, ends=ends, id=row["link_id"]).replace(
            "  ", " "
        )
    zones = dict(inputs.table("networks/zones").select("zone_id", "node_id").iter_rows())
    for row in inputs.table("networks/terminals").iter_rows(named=True):
        node = row["node_id"] or zones.get(row["zone_id"], "")
        kind = classes.get(row["link_class"], row["link_class"])
        found[row["terminal_id"]] = t(
            "scenario.terminal_name", lang, kind=kind, place=nodes.get(node, node or ""), id=row["terminal_id"]
        )
    return found


def site_names(inputs: Inputs, lang: str) -> dict[str, str]:
    """Return zone -> name of its node."""
    nodes = _nodes(inputs, lang)
    return {
        zone: t("scenario.site_name", lang, place=nodes.get(node, node), id=zone)
        for zone, node in inputs.table("networks/zones").select("zone_id", "node_id").iter_rows()
    }


def sections(resolved: Scenario, inputs: Inputs, change: Change, lang: str, *, may: bool) -> None:
    """Draw what the scenario says of projects, closures and sites, and the forms that add to it.

    Parameters
    ----------
    resolved
        The scenario.
    inputs
        Checked data.
    change
        Changes the scenario.
    lang
        ``zh`` or ``en``.
    may
        Whether the reader may change anything.
    """
    st.subheader(t("scenario.projects", lang))
    st.caption(t("scenario.projects_help", lang))
    names = project_names(inputs, lang)
    _listed(
        "projects",
        {
            name: t("scenario.opens_never", lang) if year is None else t("scenario.opens", lang, year=year)
            for name, year in resolved.projects.items()
        },
        names,
        change,
        lang,
        may=may,
    )
    if may:
        _project_form(names, change, lang)
    for section, called, most in (("closures", closure_names, 1.0), ("sites", site_names, MOST_ACTIVITY)):
        st.subheader(t(f"scenario.{section}", lang))
        st.caption(t(f"scenario.{section}_help", lang))
        names = called(inputs, lang)
        there: Mapping[str, Mapping[int, float]] = getattr(resolved, section)
        paths = {
            name: ("，" if lang == "zh" else ", ").join(f"{year}: {100.0 * x:g} %" for year, x in sorted(path.items()))
            for name, path in there.items()
        }
        _listed(section, paths, names, change, lang, may=may)
        if may:
            _year_form(section, names, most, change, lang)


def _project_form(names: Mapping[str, str], change: Change, lang: str) -> None:
    with st.form("project_form", clear_on_submit=True, border=False):
        what, never, year, button = st.columns([6, 2, 2, 2], vertical_alignment="bottom")
        what.selectbox(
            t("scenario.project", lang),
            list(names),
            index=None,
            format_func=lambda code: names[code],
            placeholder=t("app.choose", lang),
            key="project_name",
        )
        never.checkbox(t("scenario.never", lang), key="project_never")
        year.number_input(t("scenario.open_year", lang), _FIRST, _LAST, _START, key="project_year")
        button.form_submit_button(
            t("scenario.add", lang), key="project_add", width="stretch", on_click=_add_project, args=(change,)
        )


def _year_form(section: str, names: Mapping[str, str], most: float, change: Change, lang: str) -> None:
    with st.form(f"{section}_form", clear_on_submit=True, border=False):
        what, when, how, button = st.columns([6, 2, 2, 2], vertical_alignment="bottom")
        what.selectbox(
            t(f"scenario.{section}_name", lang),
            list(names),
            index=None,
            format_func=lambda code: names[code],
            placeholder=t("app.choose", lang),
            key=f"{section}_name",
        )
        label = t("scenario.from_year" if section == "sites" else "scenario.in_year", lang)
        when.number_input(label, _FIRST, _LAST, _START, key=f"{section}_year")
        how.number_input(
            t(f"scenario.{section}_share", lang), 0.0, 100.0 * most, 100.0, 5.0, format="%.6g", key=f"{section}_share"
        )
        button.form_submit_button(
            t("scenario.add", lang),
            key=f"{section}_add",
            width="stretch",
            on_click=_add_year,
            args=(change, section),
        )


def _add_project(change: Change) -> None:
    name = st.session_state["project_name"]
    if name:
        year = None if st.session_state["project_never"] else int(st.session_state["project_year"])
        change(lambda file: edit.set_opening(file, name, year))


def _add_year(change: Change, section: str) -> None:
    name, year, share = (st.session_state[f"{section}_{part}"] for part in ("name", "year", "share"))
    if name:
        change(lambda file: edit.set_by_year(file, section, name, int(year), float(share) / 100.0))


def _listed(section: str, entries: Mapping[str, str], names: Mapping[str, str], change: Change, lang: str, *, may: bool) -> None:
    """List the entries of a section, each with a button that takes it out."""
    for name, text in entries.items():
        label, button = st.columns([10, 2], vertical_alignment="center")
        label.markdown(t("scenario.entry", lang, name=names.get(name, name), value=text))
        if may:
            button.button(
                t("scenario.take_out", lang),
                key=f"out:{section}:{name}",
                width="stretch",
                on_click=_take_out,
                args=(change, section, name),
            )


def _take_out(change: Change, section: str, name: str) -> None:
    change(lambda file: edit.take_out(file, section, name))


def _opening(label: str, year: float | None, lang: str) -> str:
    known = year is not None and str(year) not in {"", NEVER}
    return t("scenario.project_name", lang, label=label, year=int(float(year))) if known else label  # type: ignore[arg-type]


def _nodes(inputs: Inputs, lang: str) -> dict[str, str]:
    table = inputs.table("networks/nodes")
    name = pl.col(f"name_{lang}").fill_null(pl.col("node_id"))
    return dict(table.select("node_id", name).iter_rows())
