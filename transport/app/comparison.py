"""Up to four scenarios side by side on every page: which ones, in which colours, and the chart and table that set them beside each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import polars as pl
import streamlit as st

from transport.app import state
from transport.app.downloads import downloads
from transport.app.widgets import number, show, text
from transport.i18n import listed, t

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from transport.store import StoredRun

    #: Run -> columns ``name`` and ``value``, and ``part`` where the chart has a panel per part.
    Make = Callable[[StoredRun], pl.DataFrame]

#: Most scenarios side by side.
MOST = 4
#: Key of the scenarios beside the one looked at, in the session and in the link.
KEY = "compared"
_SLOTS = "comparison_slots"
#: Told apart by colour-blind readers and in grey, and none of them the colour of a mode.
PALETTE = ("#004488", "#DDAA33", "#BB5566", "#222222")
_USUAL = ("baseline", "plan_2030")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the scenarios that are compared.

    Attributes
    ----------
    name, title
        Of the scenario.
    colour
        The same on every page.
    run
        Its result.
    """

    name: str
    title: str
    colour: str
    run: StoredRun


def _looked_at() -> str:
    return str(st.session_state.get("scenario") or state.DEFAULT_SCENARIO)


def _title(name: str, lang: str) -> str:
    return str(getattr(state.scenario(name), f"title_{lang}"))


def picker(lang: str) -> None:
    """Draw the choice of the scenarios beside the one looked at, in the sidebar; those without a result are named below it.

    Parameters
    ----------
    lang
        ``zh`` or ``en``.
    """
    first = _looked_at()
    others = [name for name in state.scenarios() if name != first]
    ready = [name for name in others if state.stored(name) is not None]
    if KEY not in st.session_state:
        asked = st.query_params.get(KEY)
        st.session_state[KEY] = [n for n in _USUAL if n in ready][:1] if asked is None else asked.split(",")
    # a scenario that is looked at itself, or whose result belongs to other data, is not beside it any more
    st.session_state[KEY] = [name for name in st.session_state[KEY] if name in ready][: MOST - 1]
    titles = {name: _title(name, lang) for name in others}
    st.multiselect(
        t("comparison.picker", lang),
        ready,
        format_func=lambda name: titles[name],
        key=KEY,
        max_selections=MOST - 1,
        persist_state="session",
        placeholder=t("comparison.placeholder", lang),
        help=t("comparison.picker_help", lang, most=MOST),
    )
    st.query_params[KEY] = ",".join(st.session_state[KEY])
    missing = [titles[name] for name in others if name not in ready]
    if missing:
        st.caption(t("comparison.missing", lang, names=listed(missing, lang)))


def chosen(lang: str) -> tuple[str, ...]:
    """Return the names of the scenarios that are compared, up to four, the one looked at first.

    Parameters
    ----------
    lang
        ``zh`` or ``en``; the names do not depend on it.
    """
    del lang
    first = _looked_at()
    return (first, *[name for name in st.session_state.get(KEY, []) if name != first])[:MOST]


def colours(names: Sequence[str]) -> dict[str, str]:
    """Return a colour for each of up to four scenarios; one keeps its colour on every page for as long as it is among those compared.

    Parameters
    ----------
    names
        Names of scenarios.
    """
    slots: dict[str, int] = {n: k for n, k in st.session_state.get(_SLOTS, {}).items() if n in names}
    for name in names:
        if name not in slots:
            slots[name] = next(k for k in range(len(PALETTE)) if k not in slots.values())
    st.session_state[_SLOTS] = slots
    return {name: PALETTE[slots[name]] for name in names}


def sides(lang: str) -> list[Side]:
    """Return the scenarios that are compared and have a result, the one looked at first.

    Parameters
    ----------
    lang
        ``zh`` or ``en``.
    """
    names = chosen(lang)
    colour = colours(names)
    runs = {name: state.stored(name) for name in names}
    return [Side(name, _title(name, lang), colour[name], run) for name, run in runs.items() if run is not None]


def stored_runs(lang: str) -> dict[str, StoredRun]:
    """Return title -> result of the scenarios that are compared, the one looked at first; those without a result are left out.

    Parameters
    ----------
    lang
        ``zh`` or ``en``.
    """
    return {side.title: side.run for side in sides(lang)}


def gathered(found: Sequence[Side], make: Make) -> pl.DataFrame:
    """Return what a function makes of every result, one below the other, with the title of the scenario in ``scenario``.

    Parameters
    ----------
    found
        The scenarios.
    make
        Makes the rows of one result.
    """
    return pl.concat([make(side.run).with_columns(scenario=pl.lit(side.title)) for side in found], how="vertical_relaxed")


def beside(rows: pl.DataFrame, titles: Sequence[str]) -> pl.DataFrame:
    """Return one column per scenario and, after them, what each of the others has more than the first.

    Parameters
    ----------
    rows
        Columns name, value, scenario and perhaps part, as :func:`gathered` makes them.
    titles
        Of the scenarios, in order.

    Returns
    -------
    polars.DataFrame
        (part,) name, one column per title, ``+1``, ``+2`` ... = the second, third ... less the first; rows in the order they come in.
    """
    keys = [c for c in ("part", "name") if c in rows.columns]
    order = rows.select(keys).unique(maintain_order=True)
    wide = rows.pivot(on="scenario", index=keys, values="value", sort_columns=False)
    both = order.join(wide, on=keys, how="left", maintain_order="left")
    return both.select(
        *keys, *titles, **{f"+{k}": pl.col(title) - pl.col(titles[0]) for k, title in enumerate(titles[1:], start=1)}
    )


def side_by_side(
    key: str,
    title: str,
    make: Make,
    lang: str,
    *,
    heads: tuple[str, str],
    kind: Literal["bars", "lines", "table"] = "bars",
    form: str = ",.1f",
    heading: bool = True,
) -> None:
    """Draw the comparison of one quantity: a chart, and its table with what differs from the scenario looked at, with its files.

    Where fewer than two scenarios have a result it says how to have more.

    Parameters
    ----------
    key
        Name of the files; one comparison of a page has it.
    title
        Heading; names the quantity and the year.
    make
        Makes columns ``name`` and ``value`` of a result; ``part`` too for a table with two columns of names.
    lang
        ``zh`` or ``en``.
    heads
        What the names and the values are called, the values with their unit.
    kind
        ``bars`` by name, ``lines`` over numbers, or the ``table`` alone.
    form
        Of the numbers in the chart, as d3 writes it.
    heading
        Whether the title stands above.
    """
    if heading:
        st.subheader(t("comparison.heading", lang, title=title))
    found = sides(lang)
    if len(found) < 2:
        st.caption(t("comparison.alone", lang))
        return
    rows = gathered(found, make)
    said = {"name": heads[0], "scenario": t("comparison.scenario", lang)}
    if kind != "table":
        known = rows.drop_nulls("value")
        # charts take long to load and the frame of the app, which every page has, needs none
        from transport.app import comparison_charts

        draw = comparison_charts.bars if kind == "bars" else comparison_charts.lines
        st.altair_chart(draw(known, found, heads[1], said, form), alt=title)
    titles = [side.title for side in found]
    wide = beside(rows, titles)
    digits = next((d for d in ("2", "1") if f".{d}" in form), "0")
    plain, signed = ("localized", "localized") if digits == "0" else (f"%.{digits}f", f"%+.{digits}f")
    keys = {"part": text(t("comparison.part", lang)), "name": text(heads[0])}
    if wide.schema["name"].is_numeric():
        keys["name"] = number(heads[0], "%d")
    more = {f"+{k}": t("comparison.more", lang, title=one) for k, one in enumerate(titles[1:], start=1)}
    config = {one: number(one, plain) for one in titles} | {c: number(head, signed) for c, head in more.items()}
    show(wide, keys | config, title, file="")
    with_unit = {c: number(t("comparison.with_unit", lang, title=config[c]["label"], unit=heads[1])) for c in config}
    downloads(wide, key, lang, keys | with_unit)
