"""The section of the what-if page that compares two stored runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from transport.app import charts, state
from transport.app import what_if_charts as drawn
from transport.app import what_if_compare as facts
from transport.app.freight_tables import MODES
from transport.app.what_if_jobs import scenario_of
from transport.app.what_if_widgets import ask, choose, speed, table_of
from transport.app.widgets import number, show, text
from transport.i18n import labels, t
from transport.layout import YEARS
from transport.run_deltas import VIEWS
from transport.scenario_words import NAMED
from transport.store import StoredRun, list_runs, runs_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transport.app.freight_tables import Names
    from transport.inputs import Inputs

START_YEAR = 2030
#: Scenario that others are compared with at first, if it has been run.
_REFERENCE = "baseline"


def compare(run: StoredRun, data: Inputs, names: Names, lang: str, views: Sequence[str]) -> None:
    """Draw the section.

    Parameters
    ----------
    run
        Run of the page; it is compared with another one at first.
    data
        Of the run, for names.
    names
        Names of places.
    lang
        ``zh`` or ``en``.
    views
        Keys of :data:`transport.run_deltas.VIEWS`.
    """
    runs = {str(one.folder.name): one for one in facts.comparable(list_runs(runs_folder()))}
    if len(runs) < 2:
        st.info(t("what_if.two_runs", lang))
        return
    called = {key: facts.title(one, lang) for key, one in runs.items()}
    mine = run.folder.name
    others = [key for key, one in runs.items() if one.manifest["scenario_hash"] != run.manifest["scenario_hash"]]
    others.sort(key=lambda key: runs[key].manifest["scenario"] != _REFERENCE)
    left, right = st.columns(2)
    with left:
        first = runs[str(choose("run_a", list(runs), next(iter(others), mine), called, lang))]
    with right:
        second = runs[str(choose("run_b", list(runs), mine, called, lang))]
    if first.folder == second.folder:
        st.info(t("what_if.same_run", lang))
        return
    if any(table_of(run, view.table, lang) is None for run in (first, second) for view in VIEWS.values()):
        return
    _words(first, second, data, lang)
    tables = {name: (state.table(first, name), state.table(second, name)) for name in ("freight", "freight_areas", "indicators")}
    shared = set(tables["freight_areas"][0]["year"].to_list()) & set(tables["freight_areas"][1]["year"].to_list())
    columns = st.columns([1, 2])
    with columns[0]:
        year = int(choose("compare_year", sorted(shared), START_YEAR, {}, lang))
    with columns[1]:
        by = st.segmented_control(
            t("what_if.compare_by", lang),
            list(views),
            required=True,
            default=views[0],
            format_func=lambda code: t(f"what_if.by_{code}", lang),
            key="what_if_by",
            persist_state="session",
        )
    _moved(first, second, str(by or views[0]), year, data, names, lang)
    with st.expander(t("what_if.indicators_title", lang, year=year)):
        table = facts.indicators(*tables["indicators"], year, data, lang)
        if table.is_empty():
            st.caption(t("what_if.indicators_none", lang))
        else:
            config = {"indicator": text(t("scorecard.indicator", lang), width=330), "area": text(t("scorecard.area", lang))}
            config |= {c: text(t(f"what_if.side_{c}", lang), alignment="right") for c in ("a", "b", "change")}
            config["unit"] = text(t("app.accounts.unit", lang))
            show(table, config, t("what_if.indicators_title", lang, year=year))
    _shift(first, second, data, lang)


def _words(first: StoredRun, second: StoredRun, data: Inputs, lang: str) -> None:
    """Say what the second scenario does that the first does not."""
    found, others = facts.words(first, second, data, lang)
    titles = [str(run.manifest[f"title_{lang}"]) for run in (first, second)]
    st.markdown(f"**{t('what_if.words_title', lang, a=titles[0], b=titles[1], count=len(found))}**")
    if not found:
        st.caption(t("what_if.words_none" if not others else "what_if.words_no_freight", lang))
    left, right = st.columns(2)
    shown = found[: 2 * NAMED]
    for column, part in zip((left, right), (shown[: (len(shown) + 1) // 2], shown[(len(shown) + 1) // 2 :]), strict=True):
        column.markdown("\n".join(f"- {one}" for one in part))
    more = [*found[2 * NAMED :], *others]
    if more:
        with st.expander(t("what_if.words_more", lang, count=len(more), freight=len(found[2 * NAMED :]), others=len(others))):
            st.markdown("\n".join(f"- {one}" for one in more))
    if first.manifest["data_hash"] != second.manifest["data_hash"]:
        st.warning(t("what_if.other_data", lang))
    speeds = {run.manifest["resolved"]["run"].get("capacity") for run in (first, second)}
    if len(speeds) > 1:
        st.warning(t("what_if.other_speed", lang))


def _moved(first: StoredRun, second: StoredRun, by: str, year: int, data: Inputs, names: Names, lang: str) -> None:
    """Show turnover by mode, and where it changed."""
    modes = {mode: labels(data, "mode", lang)[mode] for mode in MODES}
    title = t("what_if.totals_title", lang, year=year)
    st.subheader(title)
    config = {"mode": text(t("freight.mode", lang))}
    config |= {c: number(t(f"what_if.side_{c}", lang), "%.1f") for c in ("a", "b")}
    config |= {
        "change": number(t("what_if.side_change", lang), "%+.2f"),
        "percent": number(t("what_if.side_percent", lang), "%+.2f"),
    }
    show(facts.totals(state.table(first, "freight"), state.table(second, "freight"), year, modes, lang), config, title)
    inner = t(f"what_if.moved_{by}", lang, year=year)
    st.markdown(f"**{inner}**")
    name = VIEWS[by].table
    table = facts.moved(by, state.table(first, name), state.table(second, name), year, names, data, lang)
    colours = {label: charts.MODE_COLOURS[mode] for mode, label in modes.items()}
    axis = t("what_if.tkm_change", lang)
    shown = facts.bars(table, modes)
    st.altair_chart(
        drawn.signed_bars(shown, colours, title=axis, order=table["name"].to_list()[: facts.TOP], form="+,.2f"), alt=inner
    )
    config = {"name": text(t(f"what_if.by_{by}", lang), width=220)}
    config |= {mode: number(label, "%+.2f") for mode, label in modes.items()}
    config["change"] = number(axis, "%+.2f")
    show(table, config, inner)
    st.caption(t(f"what_if.moved_note_{by}", lang))


def _is_bundled(run: StoredRun) -> bool:
    """Return whether the name of a run's scenario still stands for what it was made from, run options aside."""
    name = str(run.manifest["scenario"])
    if name not in state.scenarios():
        return False
    now, then = state.scenario(name).resolved(), scenario_of(run.manifest).resolved()
    return {k: v for k, v in now.items() if k != "run"} == {k: v for k, v in then.items() if k != "run"}


def _shift(first: StoredRun, second: StoredRun, data: Inputs, lang: str) -> None:
    """Offer to split what left the road by cause."""
    title = t("what_if.shift_title", lang)
    st.subheader(title)
    left, middle, _ = st.columns([1, 2, 1])
    with left:
        year = int(choose("shift_year", [y for y in YEARS if y > YEARS[0]], START_YEAR, {}, lang))
    with middle:
        capacity = speed("shift_speed", lang)
    names = [str(run.manifest["scenario"]) for run in (first, second)]
    if all(_is_bundled(run) for run in (first, second)):
        st.code(f"python -m transport shift {names[0]} {names[1]} --year {year} --capacity {capacity}", language=None)
    else:
        st.caption(t("what_if.no_command", lang))
    st.caption(t("what_if.shift_note", lang))
    found = ask("shift", [first, second], lang, year=year, capacity=capacity)
    if found is None:
        return
    moves = found["moves"]
    if moves.is_empty():
        st.info(t("shift.nothing", lang))
        return
    modes = labels(data, "mode", lang)
    table = facts.by_cause(moves, data, lang)
    columns = [mode for mode in MODES if mode in table.columns]
    net = {mode: f"{value / facts.TONNES[lang]:+,.0f}" for mode, value in facts.off_road(moves).items()}
    st.info(t("shift.net", lang, **net))
    axis = t("what_if.off_road", lang)
    long = table.head(-1).unpivot(on=columns, index="cause", variable_name="part", value_name="amount")
    bars = long.rename({"cause": "name"}).with_columns(part=long["part"].replace_strict(modes))
    colours = {modes[mode]: charts.MODE_COLOURS[mode] for mode in columns}
    st.altair_chart(drawn.signed_bars(bars, colours, title=axis, order=table["cause"].to_list()[:-1], form="+,.0f"), alt=title)
    config = {"cause": text(t("shift.cause", lang))}
    config |= {mode: number(t("what_if.to_mode", lang, mode=modes[mode]), "%+.1f") for mode in columns}
    config["total"] = number(axis, "%+.1f")
    show(table, config, title)
    st.caption(t("shift.note", lang))
    with st.expander(t("what_if.shift_commodity", lang)):
        config = {c: text(t(f"shift.{c}", lang)) for c in ("commodity", "cause", "from_mode", "to_mode")}
        config["t"] = number(t("shift.tonnes", lang), "%+.1f")
        show(facts.by_commodity(moves, data, lang), config, t("what_if.shift_commodity", lang))
