"""Where the page of charging has its numbers from, and what it has calculated: the sample of a run, a simulated province, sizes, checks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from transport.app import charging_charts as drawn
from transport.app import charging_jobs, state, widgets
from transport.app import charging_tables as facts
from transport.app.calculation_panel import Desk, ask
from transport.app.downloads import downloads
from transport.app.widgets import show, text
from transport.i18n import labels, t
from transport.layout import YEARS
from transport.sizing import BY_VISIT, LIMITS, SYSTEMS, UNITS
from transport.sizing_text import sizing_text, sizing_view
from transport.store import SIMULATION, StoreError, read_run
from transport.study import SIMULATED_YEAR, scenario_params
from transport.week_values import WEEKS, WeekValues, week_tariff

if TYPE_CHECKING:
    import polars as pl

    from transport.inputs import Inputs
    from transport.params import Params
    from transport.store import StoredRun

DESK = Desk("charging", charging_jobs.MODULE)
#: Years that can be simulated, and the one that is offered first.
OFFERED, FIRST_OFFERED = (2025, 2030, 2035), 2030
#: Columns without which a table is of an older version.
_NEEDED = {"simulation": "place", "simulation_load": "place"}

choose = partial(widgets.choose, "charging")


@dataclass(frozen=True)
class Source:
    """Where the numbers of the page come from.

    Attributes
    ----------
    run
        The run of the scenario.
    stored
        The folder with the tables: the run itself, or a simulated province.
    year
        Year that is shown.
    is_province
        Whether everything is simulated and not a sample.
    """

    run: StoredRun
    stored: StoredRun
    year: int
    is_province: bool

    def table(self, name: str) -> pl.DataFrame | None:
        """Return a table of the year that is shown; None if the source does not have it."""
        if name not in self.stored.manifest["tables"]:
            return None
        found = state.table(self.stored, name)
        if _NEEDED.get(name, "system") not in found.columns:
            return None
        return facts.of(found, year=self.year)


def simulations_of(run: StoredRun) -> list[StoredRun]:
    """Return the simulated provinces that are kept with a run, the whole one first."""
    found = []
    for folder in sorted(run.folder.glob(f"{SIMULATION}*")):
        try:
            found.append(read_run(folder))
        except StoreError:
            continue
    return [s for s in found if s.manifest.get("run_id") == run.manifest["run_id"]]


def choose_source(run: StoredRun, lang: str) -> Source | None:
    """Ask what is looked at, offer to simulate the province, and return the choice; None if there is nothing."""
    known: dict[tuple[str, int], Source] = {}
    called: dict[tuple[str, int], str] = {}
    for stored in simulations_of(run):
        places = len(stored.manifest.get("areas", []))
        for year in stored.manifest.get("years", []):
            key = (stored.folder.name, int(year))
            known[key] = Source(run, stored, int(year), is_province=True)
            part = stored.folder.name != SIMULATION
            systems = len(stored.manifest.get("systems", []))
            called[key] = t(
                "charging.source_part" if part else "charging.source_province", lang, year=year, areas=places, systems=systems
            )
            scheduled = sorted(stored.manifest.get("schedules", {}))
            if scheduled:
                called[key] = t("charging.source_scheduled", lang, source=called[key], airports=" ".join(scheduled))
    if "simulation" in run.manifest["tables"] and not state.table(run, "simulation").is_empty():
        known["sample", SIMULATED_YEAR] = Source(run, run, SIMULATED_YEAR, is_province=False)
        called["sample", SIMULATED_YEAR] = t("charging.source_sample", lang, year=SIMULATED_YEAR)
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    found = None
    if known:
        with left:
            found = known[choose("source", list(known), next(iter(known)), called, lang, label="charging.source")]
    with right, st.popover(t("charging.simulate", lang), width="stretch"):
        st.markdown(t("charging.simulate_about", lang))
        years = st.multiselect(
            t("charging.years", lang), OFFERED, default=[FIRST_OFFERED], key="charging_years", placeholder=t("app.choose", lang)
        )
        done = None
        if years:
            about = run.manifest["resolved"]
            done = ask(DESK, "province", about, lang, given={"manifest": _manifest(run)}, years=sorted(years))
        if done is not None:
            st.success(t("charging.simulated_now", lang))
    return found


def _manifest(run: StoredRun) -> dict[str, Any]:
    return dict(run.manifest)


# ---- prices ------------------------------------------------------------------------------------------------------------------------


def _params(source: Source) -> Params:
    name = str(source.run.manifest["scenario"])
    return scenario_params(state.scenario(name), state.inputs_of(source.run)).first()


def prices_of(source: Source, data: Inputs, week: str) -> pl.DataFrame:
    """Return price and period by hour of a week in the year of a source."""
    return _prices(str(source.stored.folder), str(source.stored.manifest["tables"]), source.year, week, source, data)


@st.cache_data(max_entries=32, show_spinner=False)
def _prices(folder: str, stamp: str, year: int, week: str, _source: Source, _data: Inputs) -> pl.DataFrame:
    del folder, stamp
    read = WeekValues(_data, _params(_source), {}, year)
    return facts.prices(week_tariff(_data, read), read.month(week))


# ---- checks of a sample ------------------------------------------------------------------------------------------------------------


def own_checks(source: Source, lang: str) -> pl.DataFrame | None:
    """Offer to simulate the sample again and check it; return the checks when they are done."""
    st.info(t("charging.checks_offer", lang))
    given = {"manifest": _manifest(source.run)}
    found = ask(DESK, "checks", source.run.manifest["resolved"], lang, given=given, year=source.year)
    return None if found is None else found["self_checks"]


# ---- sizing ------------------------------------------------------------------------------------------------------------------------


def sizing(source: Source, data: Inputs, lang: str) -> None:
    """Ask for a place and limits, and show the fewest plugs with the curve around them.

    Parameters
    ----------
    source
        Scenario and year.
    data
        Tables of the run.
    lang
        ``zh`` or ``en``.
    """
    st.markdown(t("charging.sizing_intro", lang))
    names = labels(data, "system", lang)
    fleets = facts.places_of_systems(data)
    one, two, three, four = st.columns([2, 2, 1, 2])
    with one:
        system = str(choose("size_system", list(SYSTEMS), SYSTEMS[0], names, lang, label="charging.system"))
    pairs = fleets[system]
    called = {pair: facts.place_name(pair, data, lang) for pair in pairs}
    with two:
        start = next((p for p in pairs if p[0] == "210100"), pairs[0])
        pair = choose("size_place", pairs, start, called, lang, label="charging.place_label")
    with three:
        year = int(choose("size_year", [y for y in YEARS if y in OFFERED], source.year, {}, lang, label="charging.year"))
    with four:
        week_names = labels(data, "week", lang)
        week = str(choose("size_week", list(WEEKS), WEEKS[0], week_names, lang, label="charging.week_label"))
    limits = _limits(source, system, year, data, lang)
    asked = {"system": system, "area": pair[0], "place": pair[1], "year": year, "weeks": [week], "limits": limits}
    given = {"manifest": _manifest(source.run)}
    found = ask(DESK, "sizing", source.run.manifest["resolved"], lang, given=given, **asked)
    st.caption(t("charging.sizing_time", lang))
    if found is None:
        return
    table = found["sizing"]
    first = table.row(0, named=True)
    key = "charging.sizing_scale_visits" if system in BY_VISIT else "charging.sizing_scale"
    st.caption(t(key, lang, vehicles=first["vehicles"], scale=f"{first['scale']:.1f}"))
    for what in table["what"].unique(maintain_order=True):
        part = table.filter(table["what"] == what)
        st.markdown(sizing_text(part, lang))
        metrics = part["metric"].unique(maintain_order=True).to_list()
        for column, metric in zip(st.columns(max(2, len(metrics))), metrics, strict=False):
            one_metric = part.filter(part["metric"] == metric)
            unit = "%" if one_metric["metric_unit"][0] == "dimensionless" else one_metric["metric_unit"][0]
            title = t("charging.with_unit", lang, label=t(f"sizing.metric_{metric}", lang), unit=unit)
            with column:
                st.altair_chart(drawn.size_curve(one_metric, title=title, lang=lang), alt=title)
        view = sizing_view(part, lang)
        show(view, {c: text(c) for c in view.columns}, sizing_text(part, lang), file="")
    st.caption(t("sizing.weak", lang))
    downloads(table, f"sizing_{system}_{pair[0]}_{year}_{week}", lang)


def _limits(source: Source, system: str, year: int, data: Inputs, lang: str) -> dict[str, float]:
    """Ask for the limits of the service; they begin at the rows."""
    read = WeekValues(data, _params(source), {}, year)
    found: dict[str, float] = {}
    for column, (metric, parameter) in zip(st.columns(3), LIMITS[system].items(), strict=False):
        factor = 100.0 if UNITS[metric] == "dimensionless" else 1.0
        unit = "%" if factor > 1.0 else UNITS[metric]
        label = t("charging.limit_of", lang, metric=t(f"sizing.metric_{metric}", lang), unit=unit)
        with column:
            value = st.number_input(
                label,
                min_value=0.0,
                value=factor * read(parameter, system),
                step=0.1 if factor > 1.0 else 1.0,
                key=f"charging_limit_{system}_{metric}",
                help=t("charging.limit_help", lang),
            )
        found[metric] = float(value) / factor
    return found
