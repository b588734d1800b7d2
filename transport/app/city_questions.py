"""Questions of the page of cities that are computed when asked: intervals, required values, the cheapest mix, the drivers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import streamlit as st

from transport.app import city_answers as answers
from transport.app import city_charts as drawn
from transport.app import city_jobs, state
from transport.app.calculation_panel import Desk, ask
from transport.app.city_tables import TARGET_YEAR, WEAK, joint, with_target
from transport.app.widgets import number, show, text
from transport.city_text import input_name, lever_labels, needs_lines, needs_sentences, replace_first
from transport.i18n import labels, t
from transport.layout import year_index
from transport.text import unit_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.inputs import Inputs
    from transport.store import StoredRun

DESK = Desk("cities", city_jobs.MODULE)
#: Draws that can be chosen, and what the page opens with; required values take fewer.
DRAWS, START_DRAWS, NEED_DRAWS = (50, 100, 200), 100, 20
#: Inputs of the tornado, and inputs named to be replaced first.
TOP, FIRST = 15, 5


def interval(run: StoredRun, data: Inputs, areas: list[str], lang: str) -> None:
    """Offer the interval of the share of the target year in three scenarios, and draw it when it is there.

    Parameters
    ----------
    run
        A stored run.
    data
        For the labels.
    areas
        Cities in order; those with a target are asked about, all of them on demand.
    lang
        ``zh`` or ``en``.
    """
    titles = {name: getattr(state.scenario(name), f"title_{lang}") for name in city_jobs.SCENARIOS if name in state.scenarios()}
    st.subheader(t("cities.interval_title", lang, year=TARGET_YEAR))
    left, right = st.columns([1, 3], vertical_alignment="bottom")
    with left:
        draws = _draws("interval", lang)
    with right:
        whole = st.checkbox(t("cities.interval_all", lang), key="cities_interval_all", persist_state="session")
    # data without any city with a target leave all of them to ask about
    wanted = ([] if whole else with_target(state.table(run, "indicators"))) or sorted(areas)
    st.caption(t("cities.interval_note", lang, draws=draws))
    st.code(
        f"python -m transport green-travel --scenario {' '.join(titles)} --area {' '.join(wanted)} --draws {draws}",
        language=None,
        wrap_lines=True,
    )
    about = [state.scenario(name).resolved() for name in titles]
    found = ask(DESK, "interval", about, lang, given={"scenarios": list(titles)}, areas=wanted, year=TARGET_YEAR, draws=draws)
    if found is None:
        return
    rows = answers.interval_rows(found["interval"], titles, data, lang)
    order = rows["city"].unique(maintain_order=True).to_list()
    target = float(rows["target"][0])
    title = t("cities.interval_chart", lang, year=TARGET_YEAR)
    st.altair_chart(drawn.intervals(rows, target, order, list(titles.values()), lang=lang), alt=title)
    config = {
        "city": text(t("cities.city", lang), width=75),
        "scenario": text(t("app.scenario", lang), width=190),
        "share": number(t("cities.share", lang), "%.1f", width=70),
        "low": number("5 %", "%.1f", width=55),
        "high": number("95 %", "%.1f", width=55),
        "probability": number(t("cities.probability", lang), "%.0f", width=90),
        "gap": number(t("cities.gap", lang), "%+.1f", width=60),
        "without_e_bike": number(t("cities.without_e_bike", lang), "%.1f", width=100),
        "peak": number(t("cities.peak", lang), "%.1f", width=72),
        "cold": number(t("cities.cold", lang), "%.1f", width=72),
    }
    show(rows.select(list(config)), config, title)
    st.caption(t("cities.interval_read", lang))


def _draws(key: str, lang: str) -> int:
    widget = f"cities_draws_{key}"
    if st.session_state.get(widget) not in DRAWS:
        st.session_state[widget] = START_DRAWS
    chosen = st.selectbox(t("cities.draws", lang), DRAWS, key=widget, persist_state="session", placeholder=t("app.choose", lang))
    return int(chosen or START_DRAWS)


def _asked(run: StoredRun, task: str, area: str, year: int, draws: int, lang: str) -> dict[str, pl.DataFrame] | None:
    about = run.manifest["resolved"]
    return ask(DESK, task, about, lang, given={"manifest": run.manifest}, areas=[area], year=year, draws=draws)


# ---- what would be needed ----------------------------------------------------------------------------------------------------------


def needs(run: StoredRun, data: Inputs, area: str, year: int, lang: str) -> None:
    """Offer the required value of each lever alone, and show it when it is there.

    Parameters
    ----------
    run
        A stored run: levers move on top of its scenario.
    data
        For the labels.
    area
        Prefecture code.
    year
        Calendar year.
    lang
        ``zh`` or ``en``.
    """
    who = _who(run, data, area, year, lang)
    title = t("cities.needs_title", lang, **who)
    st.subheader(title)
    st.caption(t("cities.needs_note", lang, draws=NEED_DRAWS))
    found = _asked(run, "needs", area, year, NEED_DRAWS, lang)
    if found is None:
        return
    table = found["needs"]
    if table.is_empty():
        st.info(t("cities.needs_none", lang))
        return
    target = float(data.params().get("green_travel_target_share")[0, year_index(year)]) * 100.0
    now = float(table["share_now_pct"][0])
    st.markdown(_sentence(table, target, data, lang, share=f"{now:.1f}", **who))
    rows = answers.reach_rows(table, data, lang)
    if not rows.is_empty():
        st.altair_chart(drawn.reach_bars(rows, target, lang=lang), alt=title)
        st.caption(t("cities.needs_chart_note", lang))
    for sentence in needs_sentences(table, data, lang):
        st.caption(sentence)
    shown = needs_lines(table, data, lang)
    widths = {"lever": 165, "now": 75, "range": 85, "answer": 245, "value_interval": 135, "reach_pct": 95, "scope": 75}
    config = {t(f"green_travel.{name}", lang): width for name, width in widths.items()}
    show(shown, {c: text(c, width=config.get(c, 90)) for c in shown.columns}, title, 35 * 30)


def _sentence(table: pl.DataFrame, target: float, data: Inputs, lang: str, **who: object) -> str:
    """Say whether the target is met already, which levers reach it alone, and which cannot within their range."""
    names = lever_labels(data, lang)
    reached = [
        names.get(code, code) if scope == "city" else t("cities.of_province", lang, lever=names.get(code, code))
        for code, scope in table.filter(pl.col("status") == "reached").select("lever", "scope").iter_rows()
    ]
    if (table["status"] == "met").any():
        return t("cities.needs_met", lang, target=f"{target:g}", **who)
    if not reached:
        best = table.sort("share_pct", descending=True).row(0, named=True)
        return t(
            "cities.needs_never",
            lang,
            target=f"{target:g}",
            lever=names.get(best["lever"], best["lever"]),
            best=f"{best['share_pct']:.1f}",
            count=table.height,
            **who,
        )
    return t("cities.needs_some", lang, target=f"{target:g}", levers=joint(lang).join(reached), count=table.height, **who)


def mix(run: StoredRun, data: Inputs, area: str, year: int, lang: str) -> None:
    """Offer the cheapest mix of the levers that have a cost, and show it with a scenario file when it is there.

    Parameters
    ----------
    run
        A stored run: the mix comes on top of its scenario.
    data
        For the labels.
    area
        Prefecture code.
    year
        Calendar year.
    lang
        ``zh`` or ``en``.
    """
    who = _who(run, data, area, year, lang)
    st.subheader(t("cities.mix_title", lang, **who))
    with st.columns([1, 3])[0]:
        draws = _draws("mix", lang)
    st.caption(t("cities.mix_note", lang))
    found = _asked(run, "mix", area, year, draws, lang)
    if found is None:
        return
    for with_prices in (False, True):
        name = t("green_travel.mix_with_prices" if with_prices else "green_travel.mix_without_prices", lang).rstrip(":：")
        st.markdown(f"**{name}**")
        own = {key: found[key].filter(pl.col("with_prices") == with_prices) for key in ("mix", "said", "files")}
        said = own["said"].filter(pl.col("lang") == lang)["text"].to_list()
        if (own["mix"]["status"] == "infeasible").any():
            st.warning("\n\n".join(said))
        else:
            st.info("\n\n".join(said))
        rows = answers.mix_rows(own["mix"], data, lang)
        if rows.is_empty():
            continue
        config = {
            "lever": text(t("green_travel.lever", lang), width=280),
            "now": number(t("green_travel.now", lang), "%.3f", width=90),
            "value": number(t("green_travel.mix_value", lang), "%.3f", width=90),
            "end": number(t("green_travel.end", lang), "%.3f", width=90),
            "cost": number(t("green_travel.lever_cost", lang), "%.1f" if lang == "zh" else "%.3f", width=110),
            "binding": text(t("cities.range_end", lang), width=120),
        }
        show(rows, config, name)
        st.download_button(
            t("cities.mix_download", lang),
            own["files"]["text"][0],
            file_name=f"{run.manifest['scenario']}_{area}_{year}{'' if with_prices else '_without_prices'}.toml",
            mime="application/toml",
            key=f"cities_mix_file_{with_prices}",
        )
    st.caption(t("cities.mix_read", lang))
    unpriced = found["mix"]["unpriced"][0] or ""
    if not unpriced:
        st.caption(t("cities.all_priced", lang))


def _who(run: StoredRun, data: Inputs, area: str, year: int, lang: str) -> dict[str, object]:
    return {"city": labels(data, "area", lang).get(area, area), "year": year, "scenario": run.manifest[f"title_{lang}"]}


# ---- drivers -----------------------------------------------------------------------------------------------------------------------


def drivers(run: StoredRun, data: Inputs, area: str, year: int, lang: str) -> None:
    """Offer which input moves the share of a city most, and draw it when it is there.

    Parameters
    ----------
    run
        A stored run.
    data
        For the labels.
    area
        Prefecture code.
    year
        Calendar year.
    lang
        ``zh`` or ``en``.
    """
    title = t("cities.drivers_title", lang, **_who(run, data, area, year, lang))
    st.subheader(title)
    with st.columns([1, 3])[0]:
        draws = _draws("drivers", lang)
    st.caption(t("cities.drivers_note", lang, draws=draws, noise=f"{1.0 / (draws - 1) ** 0.5:.2f}"))
    found = _asked(run, "drivers", area, year, draws, lang)
    if found is None:
        return
    table = found["drivers"].sort("rank_swing")
    named = replace_first(table, FIRST, data, lang)
    if named:
        st.info(t("cities.replace_first", lang, inputs=joint(lang).join(named)))
    rows = answers.driver_rows(table, TOP, data, lang)
    share = _central(run, area, year)
    target = 100.0 * float(data.params().get("green_travel_target_share")[0, year_index(year)])
    goal = target if area in with_target(state.table(run, "indicators")) else None
    if not rows.is_empty() and share is not None:
        st.altair_chart(drawn.tornado(rows, share, goal, lang=lang), alt=title)
    qualities = labels(data, "quality", lang)
    listed = _driver_table(table, data, qualities, lang)
    show(listed, _driver_config(lang), title)
    st.caption(t("cities.drivers_read", lang, count=table.height))


def _central(run: StoredRun, area: str, year: int) -> float | None:
    rows = state.table(run, "indicators").filter(
        pl.col("id") == "green_travel_share", pl.col("area") == area, pl.col("year") == year, pl.col("variant") == ""
    )
    return None if rows.is_empty() else float(rows["value"][0])


def _driver_table(table: pl.DataFrame, data: Inputs, qualities: Mapping[str, str], lang: str) -> pl.DataFrame:
    def badge(code: str) -> str:
        label = qualities.get(code, code)
        return t("cities.weak", lang, quality=label) if code in WEAK else label

    return pl.DataFrame(
        [
            {
                "rank": row["rank_swing"],
                "name": input_name(row["parameter"], row["subject"], data, lang),
                "value": f"{row['value']:.4g} ({row['low']:.4g} – {row['high']:.4g})",
                "unit": "" if row["unit"] == "dimensionless" else unit_label(row["unit"], lang),
                "quality": badge(row["quality"]),
                "swing": row["swing_points"],
                "correlation": row["rank_correlation"],
                "by_correlation": row["rank_correlated"],
                "first": "" if row["replace_first"] is None else str(row["replace_first"]),
            }
            for row in table.head(40).iter_rows(named=True)
        ],
        infer_schema_length=None,
    )


def _driver_config(lang: str) -> dict[str, Any]:
    return {
        "rank": number(t("green_travel.rank_swing", lang), "%d", width=50),
        "name": text(t("green_travel.parameter", lang), width=235),
        "value": text(t("green_travel.value_range", lang), width=155),
        "unit": text(t("cities.unit", lang), width=65),
        "quality": text(t("green_travel.quality", lang), width=100),
        "swing": number(t("cities.swing", lang), "%.2f", width=65, help=t("cities.swing_help", lang)),
        "correlation": number(t("green_travel.rank_correlation", lang), "%+.2f", width=70),
        "by_correlation": number(t("cities.by_correlation", lang), "%d", width=80),
        "first": text(t("cities.first", lang), alignment="right", width=75),
    }
