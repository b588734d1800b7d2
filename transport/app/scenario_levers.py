"""The levers of the scenario page: in groups by sector and measure, searched, and drawn with what the base has, bounds, unit and quality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
import streamlit as st

from transport.app.scenario_edit import SETTABLE, Scale, same, scale_of, value_of, with_years
from transport.i18n import has_text, labels, t
from transport.layout import QUALITY_ORDER
from transport.params import AREA_MARK, split_setting
from transport.scenario_sections import names_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from transport.inputs import Inputs
    from transport.params import Lever, LeverValue

    #: Called with the name of a lever (and area) and its new value; None = as the base has it.
    Set = Callable[[str, LeverValue | None], None]

#: Sector -> beginnings of the names of the files of parameters that belong to it, in the order of the page.
SECTORS: Mapping[str, tuple[str, ...]] = {
    "freight": ("freight_", "rail_"),
    "fleets": ("vehicles_sales", "vehicles_survival", "vehicles_stock", "vehicles_use", "energy_"),
    "charging": ("charging_", "airports", "shore_power"),
    "travel": ("travel_", "vehicles_groups", "distribution"),
    "intercity": ("passengers_",),
    "costs": ("costs_",),
    "outlook": ("power", "hydrogen", "industry", "paving", ""),
}
#: Levers on one page of the list.
PAGE = 8
#: Measure of levers that the table of measures does not name.
_UNNAMED = "other"


@dataclass(frozen=True, slots=True)
class Fact:
    """What the page says of a lever.

    Attributes
    ----------
    lever
        The lever.
    label, help, unit
        In the language of the page.
    sector, measure
        Codes of its groups.
    quality
        Weakest quality of the rows that it acts on.
    scale
        How its value is shown.
    """

    lever: Lever
    label: str
    help: str
    unit: str
    sector: str
    measure: str
    quality: str
    scale: Scale


def facts(inputs: Inputs, lang: str) -> dict[str, Fact]:
    """Return lever -> what the page says of it, in the order of the table.

    Parameters
    ----------
    inputs
        Checked data.
    lang
        ``zh`` or ``en``.
    """
    rows = {row["lever"]: row for row in inputs.table("levers").iter_rows(named=True)}
    named = {(p, s): m for m, p, s in inputs.table("accounts/measures").select("measure", "parameter", "subject").iter_rows()}
    files: dict[str, str] = dict(inputs.parameters.select("parameter", "file").unique("parameter").iter_rows())
    qualities = inputs.parameters.group_by("parameter", "subject").agg(pl.col("quality").unique())
    weakest: dict[tuple[str, str], str] = {}
    for parameter, subject, some in qualities.iter_rows():
        worst = max(some, key=QUALITY_ORDER.index)
        for key in ((parameter, subject), (parameter, "*")):
            weakest[key] = max(weakest.get(key, worst), worst, key=QUALITY_ORDER.index)
    found = {}
    for lever in inputs.levers:
        row = rows[lever.lever]
        scale = scale_of(lever, str(row["unit"]))
        measure = named.get((lever.parameter, lever.subject), named.get((lever.parameter, "*"), _UNNAMED))
        key = (lever.parameter, lever.subject)
        found[lever.lever] = Fact(
            lever,
            str(row[f"label_{lang}"]),
            str(row[f"help_{lang}"] or ""),
            _unit(str(row["unit"]), lever, scale, lang),
            sector_of(files.get(lever.parameter, "")),
            measure,
            weakest.get(key, weakest.get((lever.parameter, "*"), "assumption")),
            scale,
        )
    return found


def sector_of(file: str) -> str:
    """Return the sector of a file of parameters.

    >>> sector_of("freight_costs.csv"), sector_of("parameters/travel_drivers.csv"), sector_of("paving.csv")
    ('freight', 'travel', 'outlook')
    """
    name = file.replace("\\", "/").rpartition("/")[2]
    return next(sector for sector, beginnings in SECTORS.items() if name.startswith(beginnings))


def matching(known: Mapping[str, Fact], asked: str) -> list[str]:
    """Return the levers whose name, label or help holds every word of a search.

    Parameters
    ----------
    known
        All levers.
    asked
        Words, in any case.
    """
    wanted = asked.casefold().split()
    return [name for name, fact in known.items() if all(word in f"{name} {fact.label} {fact.help}".casefold() for word in wanted)]


def changed(known: Mapping[str, Fact], settings: Mapping[str, LeverValue], base: Mapping[str, LeverValue]) -> list[str]:
    """Return the levers that a scenario sets otherwise than its base, anywhere."""
    unlike = {
        split_setting(name)[0]
        for name in (*settings, *base)
        if not same(
            value_of(settings, name, known[split_setting(name)[0]].lever),
            value_of(base, name, known[split_setting(name)[0]].lever),
        )
    }
    return [name for name in known if name in unlike]


def said(fact: Fact, value: LeverValue, lang: str) -> str:
    """Return a value in words: a number with its unit, or numbers by year.

    Parameters
    ----------
    fact
        Of the lever.
    value
        Its value.
    lang
        ``zh`` or ``en``.
    """
    if isinstance(value, (int, float)):
        return _number(fact, float(value))
    return ("，" if lang == "zh" else ", ").join(f"{year}: {_number(fact, float(value[year]))}" for year in sorted(value))


def _number(fact: Fact, value: float) -> str:
    shown = f"{fact.scale.shown(value):g}"
    return f"{shown} {fact.unit}" if fact.unit else shown


def _unit(unit: str, lever: Lever, scale: Scale, lang: str) -> str:
    if scale.factor != 1.0:
        return "%"
    if lever.operation == "scale":
        return t("scenario.times", lang)
    if unit == "dimensionless":
        return ""
    key = f"words.unit_{unit.lower().replace('/', '_per_').replace('1_', 'one_')}"
    return t(key, lang) if has_text(key, lang) else unit


# ---- drawing -----------------------------------------------------------------------------------------------------------------------


def browse(
    inputs: Inputs,
    settings: Mapping[str, LeverValue],
    base: Mapping[str, LeverValue],
    put: Set,
    lang: str,
    *,
    may: bool,
) -> None:
    """Draw the levers: search, groups, and one page of them.

    Parameters
    ----------
    inputs
        Checked data.
    settings, base
        Of the scenario and of what it builds on.
    put
        Called with what the reader sets.
    lang
        ``zh`` or ``en``.
    may
        Whether the reader may change anything.
    """
    known = facts(inputs, lang)
    moved = changed(known, settings, base)
    shown = _chosen(known, moved, inputs, lang)
    st.caption(t("scenario.levers_found", lang, count=len(shown), changed=len(moved)))
    pages = max(1, -(-len(shown) // PAGE))
    # another list begins on its first page
    key = f"lever_page:{hash(tuple(shown))}"
    page = min(int(st.session_state.get(key, 1)), pages)
    for name in shown[(page - 1) * PAGE : page * PAGE]:
        _row(known[name], settings, base, put, inputs, lang, may=may)
    if pages > 1:
        st.pagination(pages, key=key)
    if not shown:
        st.info(t("scenario.levers_none", lang))


def _chosen(known: Mapping[str, Fact], moved: Sequence[str], inputs: Inputs, lang: str) -> list[str]:
    """Draw search and groups; return the levers to be shown."""
    search, sector, measure, only = st.columns([3, 2, 3, 2], vertical_alignment="bottom")
    asked = search.text_input(
        t("scenario.search", lang),
        key="lever_search",
        placeholder=t("scenario.search_hint", lang),
        persist_state="session",
    )
    sectors = ["", *SECTORS]
    chosen = sector.selectbox(
        t("scenario.sector", lang),
        sectors,
        format_func=lambda code: t(f"scenario.sector_{code or 'all'}", lang),
        key="lever_sector",
        persist_state="session",
        placeholder=t("app.choose", lang),
    )
    within = [name for name, fact in known.items() if not chosen or fact.sector == chosen]
    names = labels(inputs, "measure", lang)
    counts: dict[str, int] = {}
    for name in within:
        counts[known[name].measure] = counts.get(known[name].measure, 0) + 1
    options = ["", *counts]
    if st.session_state.get("lever_measure") not in options:
        st.session_state["lever_measure"] = ""
    group = measure.selectbox(
        t("scenario.measure", lang),
        options,
        format_func=lambda code: (
            t("scenario.measure_option", lang, name=names.get(code, code), count=counts[code])
            if code
            else t("scenario.measure_all", lang, count=len(within))
        ),
        key="lever_measure",
        persist_state="session",
        placeholder=t("app.choose", lang),
    )
    moved_only = only.toggle(t("scenario.only_changed", lang, count=len(moved)), key="lever_only", persist_state="session")
    found = set(matching(known, str(asked or "")))
    return [
        name
        for name in within
        if name in found and (not group or known[name].measure == group) and (not moved_only or name in moved)
    ]


def _row(
    fact: Fact,
    settings: Mapping[str, LeverValue],
    base: Mapping[str, LeverValue],
    put: Set,
    inputs: Inputs,
    lang: str,
    *,
    may: bool,
) -> None:
    """Draw one lever, and one line more for every area that it is set for."""
    lever = fact.lever
    areas = [name for name in settings if name.startswith(f"{lever.lever}{AREA_MARK}")]
    with st.container(border=True):
        about, values = st.columns([5, 7])
        with about:
            st.markdown(f"**{fact.label}**")
            if fact.help:
                st.caption(fact.help)
            quality = labels(inputs, "quality", lang)[fact.quality]
            low, high = (_number(fact, x) for x in (lever.minimum, lever.maximum))
            st.caption(t("scenario.bounds", lang, low=low, high=high, quality=quality))
        with values:
            for name in (lever.lever, *areas):
                _values(fact, name, settings, base, put, inputs, lang, may=may)


def _values(
    fact: Fact,
    name: str,
    settings: Mapping[str, LeverValue],
    base: Mapping[str, LeverValue],
    put: Set,
    inputs: Inputs,
    lang: str,
    *,
    may: bool,
) -> None:
    """Draw the numbers of a lever, everywhere or in one area, what the base has, and how else they may be given."""
    lever = fact.lever
    value = value_of(settings, name, lever)
    usual = value_of(base, name, lever)
    area = split_setting(name)[1]
    if area:
        st.markdown(t("scenario.in_area", lang, area=labels(inputs, "area", lang).get(area, area)))
    points: dict[int | None, float] = {None: float(value)} if isinstance(value, (int, float)) else dict(value)  # type: ignore[arg-type]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        for year, number in points.items():
            key = f"lever:{name}:{year or ''}"
            st.session_state[key] = fact.scale.shown(number)
            st.number_input(
                _label(year, fact, lang),
                min_value=fact.scale.shown(lever.minimum),
                max_value=fact.scale.shown(lever.maximum),
                step=fact.scale.step,
                format="%.6g",
                key=key,
                width=124 if year else 170,
                disabled=not may,
                on_change=_put_number,
                args=(put, name, value, year, key, fact.scale),
            )
        if may:
            with st.popover(t("scenario.more", lang)):
                _more(fact, name, value, usual, settings, put, inputs, lang)
    if same(value, usual):
        st.caption(t("scenario.as_base", lang, value=said(fact, usual, lang)))
    else:
        st.caption(t("scenario.other_than_base", lang, value=said(fact, usual, lang)))


def _label(year: int | None, fact: Fact, lang: str) -> str:
    """Return the label of a number: its year, and its unit where it is not a multiple."""
    if year is None:
        return t("scenario.value", lang, unit=fact.unit or t("scenario.number", lang))
    if fact.unit and fact.lever.operation != "scale":
        return t("scenario.year_unit", lang, year=year, unit=fact.unit)
    return t("scenario.year", lang, year=year)


def _more(
    fact: Fact,
    name: str,
    value: LeverValue,
    usual: LeverValue,
    settings: Mapping[str, LeverValue],
    put: Set,
    inputs: Inputs,
    lang: str,
) -> None:
    """Offer years, areas, and the way back."""
    lever = fact.lever
    key = f"years:{name}"
    st.session_state[key] = [] if isinstance(value, (int, float)) else sorted(int(year) for year in value)
    st.multiselect(
        t("scenario.years", lang),
        SETTABLE,
        key=key,
        placeholder=t("scenario.years_none", lang),
        help=t("scenario.years_help", lang),
        on_change=_put_years,
        args=(put, name, value, key, lever.default),
    )
    if lever.by_area and not split_setting(name)[1]:
        taken = {split_setting(one)[1] for one in settings if one.startswith(f"{name}{AREA_MARK}")}
        called = labels(inputs, "area", lang)
        areas = {code: called.get(code, code) for code in names_of(inputs.tables).areas if code not in taken}
        st.selectbox(
            t("scenario.area", lang),
            list(areas),
            index=None,
            format_func=lambda code: areas[code],
            key=f"area:{name}",
            placeholder=t("app.choose", lang),
            on_change=_put_area,
            args=(put, name, value, f"area:{name}"),
        )
    if not same(value, usual) or split_setting(name)[1]:
        st.button(t("scenario.back", lang), key=f"back:{name}", on_click=put, args=(name, None))


def _put_number(put: Set, name: str, value: LeverValue, year: int | None, key: str, scale: Scale) -> None:
    given = st.session_state[key]
    if given is None:
        return
    number = scale.value(float(given))
    put(name, number if year is None or isinstance(value, (int, float)) else {**value, year: number})


def _put_years(put: Set, name: str, value: LeverValue, key: str, default: float) -> None:
    put(name, with_years(value, st.session_state[key], default))


def _put_area(put: Set, name: str, value: LeverValue, key: str) -> None:
    area = st.session_state[key]
    if area:
        put(f"{name}{AREA_MARK}{area}", value)
        st.session_state[key] = None
