"""One line, terminal or project changed: what moves, worked out at once for one year."""

from __future__ import annotations

from typing import Any

import polars as pl
import streamlit as st

from transport.app import change_maps, charts, state
from transport.app import freight_answers as answers
from transport.app import what_if_charts as drawn
from transport.app import what_if_compare as shifts
from transport.app.freight_edits import ACTIONS, Edit
from transport.app.freight_map_section import HEIGHT, towns
from transport.app.freight_tables import MODES
from transport.app.freight_widgets import Looked, calculate, kinds, number, pick, text, twin
from transport.app.what_if_tables import blank
from transport.closures import base_id
from transport.i18n import labels, t
from transport.layout import BASE_YEAR, LAST_YEAR

KINDS_OF_CHANGE = ("link", "terminal", "project")
SPEEDS = ("equilibrium", "fixed")
YEARS = (2025, 2030, 2035)
#: Changes of capacity and tariff offered [percent of now].
PERCENT = {"capacity": (0, 300, 150, 10), "tariff": (10, 200, 80, 10)}
#: Links and terminals listed.
TOP = 20
_PAIR = {"vc": ".2f", "vc_after": ".2f"}


def draw(looked: Looked) -> None:
    """Draw the section.

    Parameters
    ----------
    looked
        What the page looks at.
    """
    lang = looked.lang
    st.subheader(t("freight_ask.change_title", lang))
    st.caption(t("freight_ask.change_note", lang))
    edit = _edit(looked)
    left, right = st.columns(2)
    with left:
        year = int(pick("edit_look", list(YEARS), 2030, {}, lang, label="freight_ask.look"))
    own = looked.run.manifest["resolved"]["run"].get("capacity", "equilibrium")
    with right:
        called = {code: t(f"what_if.speed_{code}", lang) for code in SPEEDS}
        capacity = str(pick("edit_speed", list(SPEEDS), own, called, lang, label="freight_ask.speed"))
    if edit.year > year:
        st.warning(t("freight_ask.too_late", lang, year=year, start=edit.year))
        return
    if capacity == "fixed" and edit.action == "capacity":
        st.warning(t("freight_ask.fixed_capacity", lang))
    found = calculate("change", looked, {}, year=year, capacity=capacity, edit=edit.cells())
    if found is not None:
        _moved(looked, found, year)


def _edit(looked: Looked) -> Edit:
    """Ask what is to be changed, and how."""
    lang = looked.lang
    left, middle, right = st.columns([2, 5, 2])
    named = {what: t(f"freight_ask.what_{what}", lang) for what in KINDS_OF_CHANGE}
    what = str(pick("edit_what", KINDS_OF_CHANGE, KINDS_OF_CHANGE[0], named, lang, label="freight_ask.what", column=left))
    options = _options(looked, what)
    name = str(pick(f"edit_{what}", list(options), next(iter(options)), options, lang, label="freight_ask.which", column=middle))
    actions = list(ACTIONS[what])
    rail = what != "link" or _mode(looked, name) == "rail"
    actions = [action for action in actions if action != "tariff" or rail]
    called = {action: t(f"freight_ask.action_{action}", lang) for action in actions}
    action = str(pick(f"edit_action_{what}", actions, actions[0], called, lang, label="freight_ask.action", column=right))
    first, second, _ = st.columns([3, 3, 4])
    years = list(range(BASE_YEAR + 1, LAST_YEAR + 1))
    never = [0] if action == "open" else []
    said = {0: t("freight_ask.never", lang)}
    year = int(
        pick(
            f"edit_year_{what}",
            [*years, *never],
            2026,
            said,
            lang,
            label=f"freight_ask.year_{'open' if action == 'open' else 'from'}",
            column=first,
        )
    )
    factor = 1.0
    if action in PERCENT:
        low, high, start, step = PERCENT[action]
        factor = (
            float(
                second.number_input(
                    t(f"freight_ask.factor_{action}", lang),
                    low,
                    high,
                    start,
                    step,
                    key=f"freight_edit_{action}",
                    persist_state="session",
                )
            )
            / 100.0
        )
    return Edit(what, name, action, year, factor)


def _mode(looked: Looked, link: str) -> str:
    found = looked.data.table("networks/links").filter(pl.col("link_id").map_elements(base_id, return_dtype=pl.String) == link)
    return str(found["mode"][0]) if found.height else ""


def _options(looked: Looked, what: str) -> dict[str, str]:
    """Return what may be changed by id, the fullest first, with its load over capacity in the year of the page."""
    lang, run, year = looked.lang, looked.run, looked.year
    known = state.inputs()
    if what == "project":
        register = known.table("networks/projects").sort("project_id")
        return dict(register.select("project_id", f"label_{lang}").iter_rows())
    if what == "link":
        there = set(known.table("networks/links")["link_id"].to_list())
        rows = state.table(run, "freight_links").filter(pl.col("year") == year, pl.col("vc_ratio").is_not_null())
        named = [
            (base_id(link), looked.names.sections.get(link, link), ratio)
            for link, ratio in rows.sort("vc_ratio", "link_id", descending=[True, False])
            .select("link_id", "vc_ratio")
            .iter_rows()
        ]
    else:
        there = set(known.table("networks/terminals")["terminal_id"].to_list())
        rows = state.table(run, "freight_terminals").filter(pl.col("year") == year, pl.col("vc_ratio").is_finite())
        kind = kinds(lang)
        named = [
            (base_id(i), t("freight_ask.terminal", lang, place=looked.names.places.get(place, place), kind=kind[k]), ratio)
            for i, place, k, ratio in rows.sort("vc_ratio", "terminal_id", descending=[True, False])
            .select("terminal_id", "place", "kind", "vc_ratio")
            .iter_rows()
        ]
    return {i: t("freight_ask.option", lang, name=name, ratio=f"{ratio:.2f}") for i, name, ratio in named if i in there}


def _moved(looked: Looked, found: dict[str, pl.DataFrame], year: int) -> None:
    """Show what a change moved: between modes and why, on links and terminals, and the direct CO2."""
    lang, data, modes = looked.lang, looked.data, looked.mode_labels()
    moves = found["moves"]
    net = {mode: f"{value / shifts.TONNES[lang]:+,.1f}" for mode, value in shifts.off_road(moves).items()}
    co2 = float(found["modes"]["co2_t"].sum()) / shifts.TONNES[lang]
    st.info(t("freight_ask.moved", lang, year=year, co2=f"{co2:+,.2f}", **net))
    title = t("freight_ask.modes_title", lang, year=year)
    st.markdown(f"**{title}**")
    config: dict[str, Any] = {"mode": text(t("freight.mode", lang))}
    config |= {c: number(t(f"freight_ask.{c}", lang), "%.2f") for c in ("before", "after")}
    config |= {c: number(t(f"freight_ask.{c}", lang), "%+.3f") for c in ("change", "percent")}
    config["co2"] = number(t("freight_ask.co2_change", lang), "%+.0f")
    twin(answers.changed_modes(found["modes"], modes, lang), config, title, "change_modes", lang)
    if not moves.is_empty():
        _causes(looked, moves)
    config = _columns(lang)
    _map(looked, found["links"], config, year)
    sections = answers.changed_links(found["links"], looked.names, modes, TOP, lang)
    places = answers.changed_places(found["terminals"], looked.names, kinds(lang), TOP, lang)
    for table, name in ((sections, "links"), (places, "terminals")):
        title = t(f"freight_ask.{name}_title", lang, top=TOP)
        st.markdown(f"**{title}**")
        if table.is_empty():
            st.caption(t("freight_ask.nothing", lang))
            continue
        twin(blank(table, _PAIR), config, title, f"change_{name}", lang)
    st.caption(t("freight_ask.moved_note", lang, count=labels(data, "shift_cause", lang).get("capacity", "")))


def _columns(lang: str) -> dict[str, Any]:
    """Return the columns of the tables of links and terminals."""
    amount, change = ("%.1f", "%+.1f") if lang == "zh" else ("%.2f", "%+.3f")
    return {
        "section": text(t("freight.column_section", lang), width=320),
        "mode": text(t("freight.mode", lang), width=70),
        "terminal": text(t("freight.column_terminal", lang), width=230),
        "kind": text(t("freight.column_kind", lang)),
        "before": number(t("freight_ask.t_before", lang), amount),
        "after": number(t("freight_ask.t_after", lang), amount),
        "change": number(t("freight_ask.t_change", lang), change),
        "vc": text(t("freight_ask.vc", lang), alignment="right"),
        "vc_after": text(t("freight_ask.vc_after", lang), alignment="right"),
    }


def _map(looked: Looked, links: pl.DataFrame, config: dict[str, Any], year: int) -> None:
    """Show on the map where more and where less goes, with a table of all links that changed."""
    lang, data, modes = looked.lang, looked.data, looked.mode_labels()
    nodes, shapes, network = (data.table(f"networks/{name}") for name in ("nodes", "shapes", "links"))
    title = t("freight_ask.map_title", lang, year=year)
    st.markdown(f"**{title}**")
    moved = links.filter(pl.col("change").abs() >= change_maps.LEAST_T)
    if moved.is_empty():
        st.caption(t("freight_ask.nothing", lang))
        return
    paths = change_maps.change_paths(links, network, nodes, shapes)
    entries = change_maps.legend(paths, lang)
    st.altair_chart(charts.map_legend(entries), alt=", ".join(entry[0] for entry in entries))
    more = moved.filter(pl.col("change") > 0).height
    alt = t("freight_ask.map_alt", lang, title=title, more=more, less=moved.height - more)
    st.pydeck_chart(change_maps.change_map(paths, towns(looked), looked.names, modes, lang), height=HEIGHT, alt=alt)
    st.caption(t("freight.attribution", lang))
    st.caption(t("freight_ask.map_note", lang))
    with st.expander(t("freight.map_table", lang)):
        every = answers.changed_links(moved, looked.names, modes, moved.height, lang)
        twin(blank(every, _PAIR), config, title, "change_map", lang)


def _causes(looked: Looked, moves: pl.DataFrame) -> None:
    """Show what left the road by cause, and the moves by commodity."""
    lang, data, modes = looked.lang, looked.data, looked.mode_labels()
    table = shifts.by_cause(moves, data, lang)
    columns = [mode for mode in MODES if mode in table.columns]
    axis = t("what_if.off_road", lang)
    long = table.head(-1).unpivot(on=columns, index="cause", variable_name="part", value_name="amount")
    bars = long.rename({"cause": "name"}).with_columns(part=long["part"].replace_strict(modes))
    colours = {modes[mode]: charts.MODE_COLOURS[mode] for mode in columns}
    st.altair_chart(drawn.signed_bars(bars, colours, title=axis, order=table["cause"].to_list()[:-1], form="+,.1f"), alt=axis)
    with st.expander(t("what_if.shift_commodity", lang)):
        config = {c: text(t(f"shift.{c}", lang)) for c in ("commodity", "cause", "from_mode", "to_mode")}
        config["t"] = number(t("shift.tonnes", lang), "%+.1f")
        twin(shifts.by_commodity(moves, data, lang), config, t("what_if.shift_commodity", lang), "change_moves", lang)
