"""The tab of backcasts: targets, chance and effort are asked for, and the cheapest package, its price and what binds are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import streamlit as st

from transport.app import backcast_charts as drawn
from transport.app import backcast_tables as facts
from transport.app.calculation_panel import ask
from transport.app.uncertainty_jobs import EFFORTS, asked
from transport.app.what_if_jobs import scenario_of
from transport.app.widgets import number, show, text
from transport.backcast import RANGE
from transport.backcast_rows import left_rows, target_rows
from transport.backcast_run import backcast_id, settings_text
from transport.backcast_tables import KIND, read_backcast
from transport.backcast_words import words_of
from transport.i18n import t
from transport.store import StoreError, runs_folder

if TYPE_CHECKING:
    from transport.app.calculation_panel import Desk
    from transport.backcast_tables import Backcast
    from transport.inputs import Inputs
    from transport.store import StoredRun

#: What is asked for where the reader chooses nothing.
TARGET, CHANCE, BOUNDS, EFFORT = "operating_co2_intensity@2030", 80, "stretch", "quick"
_BOXES = {"met": "success", "reached": "success", "improbable": "warning", "infeasible": "warning"}


def backcast(run: StoredRun, data: Inputs, desk: Desk, lang: str) -> None:
    """Ask for a backcast of a run's scenario and show its answer.

    Parameters
    ----------
    run
        The run whose scenario packages are put on.
    data
        Its data.
    desk
        Where the page has its calculations done.
    lang
        ``zh`` or ``en``.
    """
    st.caption(t("backcast_tab.what", lang))
    request = _form(data, lang)
    if not request["targets"]:
        st.info(t("backcast_tab.no_targets", lang))
        return
    scenario = scenario_of(run.manifest, capacity="fixed")
    name = backcast_id(scenario, data, *asked(request, data))
    folder = runs_folder() / f"{KIND}-{name}"
    found = _kept(folder)
    if found is None:
        st.info(t("backcast_tab.time", lang))
        if ask(desk, "backcast", name, lang, given={"manifest": dict(run.manifest)}, **request) is not None:
            found = _kept(folder)
    if found is not None:
        _answer(found, data, lang)


def _kept(folder: Any) -> Backcast | None:
    try:
        found = read_backcast(folder)
    except StoreError:
        return None
    return found if found.manifest.get("complete") else None


def _form(data: Inputs, lang: str) -> dict[str, Any]:
    """Return what is asked for."""
    known = facts.options(data, lang)
    targets = st.multiselect(
        t("backcast_tab.targets", lang),
        list(known),
        default=[TARGET] if TARGET in known else [],
        format_func=lambda code: known[code],
        key="backcast_targets",
        persist_state="session",
    )
    left, middle, right = st.columns([2, 4, 4])
    with left:
        chance = st.slider(
            t("backcast_tab.probability", lang), 50, 95, CHANCE, 5, format="%d%%", key="backcast_chance", persist_state="session"
        )
    with middle:
        bounds = st.segmented_control(
            t("backcast_tab.bounds", lang),
            (BOUNDS, RANGE),
            default=BOUNDS,
            required=True,
            format_func=lambda code: t(f"backcast_tab.bounds_{code}", lang),
            key="backcast_bounds",
            persist_state="session",
        )
    with right:
        effort = st.segmented_control(
            t("backcast_tab.effort", lang),
            tuple(EFFORTS),
            default=EFFORT,
            required=True,
            format_func=lambda code: t(f"backcast_tab.effort_{code}", lang, count=EFFORTS[code][0] * EFFORTS[code][1]),
            key="backcast_effort",
            persist_state="session",
        )
    prices = st.toggle(
        t("backcast_tab.prices", lang),
        value=True,
        key="backcast_prices",
        help=t("backcast_tab.prices_help", lang),
        persist_state="session",
    )
    return {
        "targets": sorted(targets),
        "probability": int(chance) / 100.0,
        "bounds": str(bounds or BOUNDS),
        "effort": str(effort or EFFORT),
        "prices": bool(prices),
    }


def _answer(found: Backcast, data: Inputs, lang: str) -> None:
    """Show the words, the package, its prices and what binds."""
    words = words_of(found, data)[lang].to_list()
    getattr(st, _BOXES.get(found.manifest["status"], "info"))(words[0])
    st.markdown("\n".join(f"- {line}" for line in words[1:]))
    targets = target_rows(found, data, lang)
    st.subheader(t("backcast.targets_title", lang))
    show(targets, {c: text(c) for c in targets.columns}, t("backcast.targets_title", lang))
    _levers(found, data, lang)
    _front(found, lang)
    _limits(found, data, lang)
    with st.expander(t("backcast_tab.left", lang)):
        left = left_rows(found.table("left_out"), data, lang)
        show(left, {c: text(c) for c in left.columns}, t("backcast_tab.left", lang))
    with st.expander(t("backcast_tab.as_scenario", lang)):
        st.code(settings_text(found), language="toml")


def _levers(found: Backcast, data: Inputs, lang: str) -> None:
    title = t("backcast_tab.levers_title", lang, year=found.manifest["year"])
    st.subheader(title)
    rows = facts.lever_rows(found, data, lang)
    if rows.is_empty():
        st.info(t("backcast.no_package", lang))
        return
    config: dict[str, Any] = {
        "measure": text(t("backcast.measure", lang), width=220),
        "lever": text(t("backcast.lever", lang), width=220),
        "from": text(t("backcast_tab.from", lang)),
        "to": text(t("backcast_tab.to", lang)),
        "bound": text(t("backcast.bound", lang)),
        "level": st.column_config.ProgressColumn(t("backcast_tab.level", lang), min_value=0.0, max_value=100.0, format="%.0f%%"),
        "cost": text(t("backcast_tab.cost", lang), alignment="right"),
    }
    show(rows, config, title)
    st.caption(t("backcast_tab.levers_note", lang))


def _front(found: Backcast, lang: str) -> None:
    points = facts.front_points(found, lang)
    if points.height < 2:
        return
    title = t("backcast_tab.front_title", lang, year=found.manifest["year"])
    st.subheader(title)
    st.altair_chart(drawn.front(points, lang=lang), alt=title)
    with st.expander(t("backcast_tab.front_table", lang)):
        marked = points.select(answer=pl.when("best").then(pl.lit("★")).otherwise(pl.lit("")), co2="co2", cost="cost", met="met")
        config = {"answer": text(t("backcast.answer", lang)), "met": text(t("backcast.met_count", lang))}
        config |= {"co2": number(t("backcast_tab.co2", lang), "%.1f"), "cost": number(t("backcast_tab.cost", lang), "%.2f")}
        show(marked, config, title)


def _limits(found: Backcast, data: Inputs, lang: str) -> None:
    """Show what a stricter target would cost, and which capacity stands in its way."""
    prices = facts.price_rows(found, data, lang)
    if not prices.is_empty():
        title = t("backcast_tab.prices_title", lang)
        st.subheader(title)
        heads = ("target", "side", "step", "cost", "per_unit", "per_tonne")
        right = {"alignment": "right"}
        widths: dict[str, Any] = {"target": {"width": 300}, "cost": right, "per_unit": right, "per_tonne": right}
        show(prices, {c: text(t(f"backcast_tab.{c}", lang), **widths.get(c, {})) for c in heads}, title)
        st.caption(t("backcast_tab.prices_note", lang))
    title = t("backcast_tab.binding_title", lang)
    st.subheader(title)
    rows = facts.binding_rows(found, lang)
    if rows.is_empty():
        st.info(t("backcast.nothing_binds" if found.manifest.get("capacity") == "equilibrium" else "backcast.not_checked", lang))
        return
    config = {"name": text(t("backcast_tab.name", lang), width=320)}
    config["kind"] = text(t("backcast_tab.kind", lang))
    config |= {c: text(t(f"backcast_tab.{c}", lang), alignment="right") for c in ("load", "price", "unmet")}
    show(rows, config, title)
