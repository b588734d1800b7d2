"""How many plugs and how large a feeder a place of the province needs: its own weeks simulated again with other plugs and the same demand."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl

from fleets.depot import simulate_bus_depot
from fleets.replications import interval
from fleets.sizing import Reading, Sizing, fewest
from transport.i18n import t
from transport.sample_checks import values_of
from transport.week_values import WEEKS, week_tariff
from transport.weeks import airports, bus_depots, corridors, taxis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import ModuleType

    from fleets.records import FleetResult
    from fleets.station import Plugs
    from transport.inputs import Inputs
    from transport.scenario import Scenario
    from transport.week_values import WeekValues
    from transport.weeks.case import Case

    Progress: TypeAlias = Callable[[int, int, str], None]

SCHEMA: dict[str, Any] = {
    "system": pl.String,
    "year": pl.Int64,
    "week": pl.String,
    "area": pl.String,
    "place": pl.String,
    "what": pl.String,
    "size": pl.Float64,
    "unit": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "metric_unit": pl.String,
    "limit": pl.Float64,
    "meets": pl.Boolean,
    "chosen": pl.Boolean,
    "present": pl.Boolean,
    "present_size": pl.Float64,
    "over_built_share": pl.Float64,
    "bound": pl.Float64,
    "gap_share": pl.Float64,
    "feasible": pl.Boolean,
    "monotone": pl.Boolean,
    "evaluations": pl.Int64,
    "vehicles": pl.Int64,
    "scale": pl.Float64,
}
#: Statistics that a system has a limit for: name -> parameter of the limit.
LIMITS: Mapping[str, Mapping[str, str]] = {
    "bus_depot": {"missed_share": "sizing_missed_limit", "delayed_share": "sizing_delayed_limit"},
    "taxi_city": {"wait_p95_min": "sizing_wait_limit"},
    "airport": {"missed_share": "sizing_missed_limit", "wait_p95_min": "sizing_wait_limit"},
    "truck_corridor": {"wait_p95_min": "sizing_wait_limit"},
}
SYSTEMS = tuple(LIMITS)
UNITS = {"missed_share": "dimensionless", "delayed_share": "dimensionless", "wait_p95_min": "min", "swap_wait_p95_min": "min"}
_MODULES: dict[str, ModuleType] = {
    "bus_depot": bus_depots,
    "taxi_city": taxis,
    "airport": airports,
    "truck_corridor": corridors,
}
#: Systems whose vehicles are counted by city, and that have no place within it.
_BY_CITY = ("bus_depot", "taxi_city")
#: Sizes around the answer that are shown.
AROUND = 2
#: Simulations of a search, as far as its progress is told.
_GUESS = 14


class SizingError(ValueError):
    """A place that cannot be sized, told in the language of the reader.

    Parameters
    ----------
    key
        Of the text in the section ``sizing`` of the locale files.
    **words
        What stands in it.
    """

    def __init__(self, *, key: str, **words: object) -> None:
        super().__init__(t(f"sizing.{key}", "en", **words))
        self.key, self.words = key, words

    def said(self, lang: str) -> str:
        """Return the message in a language."""
        return t(f"sizing.{self.key}", lang, **self.words)


@dataclass(frozen=True)
class Place:
    """A place that is sized: its weeks and limits.

    Attributes
    ----------
    cases
        One case per week.
    limits
        Limit of each statistic.
    power_factor
        Real over apparent power of the feeder.
    feeder_step_kva
        Step of the search for a feeder [kVA].
    fleet_limits
        What is called enough ground equipment, of airports.
    """

    cases: tuple[Case, ...]
    limits: Mapping[str, float]
    power_factor: float
    feeder_step_kva: float
    fleet_limits: Any = None


def place_of(
    inputs: Inputs,
    scenario: Scenario,
    system: str,
    area: str,
    *,
    place: str = "",
    year: int = 2030,
    weeks: Sequence[str] = ("winter",),
    limits: Mapping[str, float] | None = None,
    schedule: pl.DataFrame | None = None,
) -> Place:
    """Return the weeks of a place with the fleet that the stock model gives it in a year.

    Parameters
    ----------
    inputs, scenario
        Data and scenario; its vehicles are worked out anew, at the fixed speed of freight.
    system
        One of :data:`SYSTEMS`.
    area, place
        Prefecture, and airport where the system is one.
    year
        Year of the fleet.
    weeks
        Representative weeks; the limits hold in each.
    limits
        Limits that differ from the rows ``sizing_wait_limit`` and ``sizing_missed_limit``, by statistic.
    schedule
        Timetable of an airport week (:func:`fleets.formats.read_schedule`) instead of one made from its movements; the same in all weeks.

    Raises
    ------
    SizingError
        If the system is not known, the place is not in the prefecture, the stock has no electric vehicles there or the timetable cannot be used.
    """
    _check(system, weeks, limits or {})
    tables, read = values_of(inputs, scenario, year, [system])
    return place_from(tables, read, system, area, place=place, weeks=weeks, limits=limits, seed=scenario.seed, schedule=schedule)


def _check(system: str, weeks: Sequence[str], limits: Mapping[str, float]) -> None:
    for what, given, known in (
        ("system", [system], SYSTEMS),
        ("week", weeks, WEEKS),
        ("statistic", limits, LIMITS.get(system, {})),
    ):
        wrong = [name for name in given if name not in known]
        if wrong or (not given and what == "week"):
            raise SizingError(key=f"no_{what}", value=wrong[0] if wrong else "", known=", ".join(known))


def place_from(
    inputs: Inputs,
    read: WeekValues,
    system: str,
    area: str,
    *,
    place: str = "",
    weeks: Sequence[str] = ("winter",),
    limits: Mapping[str, float] | None = None,
    seed: int = 0,
    schedule: pl.DataFrame | None = None,
) -> Place:
    """Return the weeks of a place from the values of a year.

    Parameters
    ----------
    inputs
        Table of the tariff.
    read
        Values of the year.
    system, area, place, weeks, limits, schedule
        As in :func:`place_of`.
    seed
        Seed of the run.

    Raises
    ------
    SizingError
        As in :func:`place_of`.
    """
    _check(system, weeks, limits or {})
    _check_place(inputs, read, system, area, place)
    if schedule is not None and system != "airport":
        raise SizingError(key="no_schedule", system=system)
    given = {} if schedule is None else {"schedule": schedule}
    tariff = week_tariff(inputs, read)
    cases = tuple(
        _MODULES[system].case(read, area, place, week, level="sample", seed=seed, tariff=tariff, **given) for week in weeks
    )
    own = {metric: read(parameter, system) for metric, parameter in LIMITS[system].items()}
    fleet = airports.service_limits(read) if system == "airport" else None
    return Place(cases, {**own, **(limits or {})}, read("sizing_power_factor"), read("sizing_feeder_step"), fleet)


def _check_place(inputs: Inputs, read: WeekValues, system: str, area: str, place: str) -> None:
    found = _MODULES[system].places(inputs, read)
    without_flows = system == "truck_corridor" and not read.given.get(system)
    if (area, place) in found and not without_flows:
        return
    if system in _BY_CITY and not place:
        raise SizingError(key="no_electric", system=system, area=area, year=read.year)
    if without_flows:
        raise SizingError(key="no_flows", year=read.year)
    here = ", ".join(p for a, p in found if a == area and p) or "-"
    raise SizingError(key="no_place", system=system, area=area, place=place or "-", year=read.year, known=here)


def size_place(place: Place, *, progress: Progress | None = None, around: int = AROUND) -> pl.DataFrame:
    """Return the fewest plugs of a place, and for a depot the smallest feeder with them, with what was seen around the answer.

    Parameters
    ----------
    place
        Weeks and limits.
    progress
        Called with (simulations done, an estimate of all, step) before every simulation.
    around
        Sizes on either side of the answer that are simulated too.

    Returns
    -------
    table
        Columns of :data:`SCHEMA`: one row per size and statistic that was simulated; ``chosen`` is the answer, ``present`` what the rows
        build now, ``over_built_share`` = present / answer - 1.

    Notes
    -----
    Plugs are searched without a feeder; the feeder then with the plugs of the answer, and with those that the rows build now; bays and packs of the
    swap stations with the plugs of the rows. All sizes see the same demand. The value of a statistic is the worst of the weeks, with the interval
    of that week over its replications. ``bound`` of a feeder is the lowest peak with which a linear programme can serve the same sessions, as
    apparent power, and ``gap_share`` how far the answer stays above it.
    """
    return pl.concat([_searched(place, search, progress, around) for search in _searches(place)])


@dataclass(frozen=True)
class _Search:
    """One thing that is sized.

    Attributes
    ----------
    what, unit, step
        Name, unit, and size of one step.
    change
        Case and number of steps -> case.
    limits
        Limit of each statistic.
    low, high, start
        Range and begin of the search in steps.
    now
        Present size.
    """

    what: str
    unit: str
    step: float
    change: Callable[[Case, int], Case]
    limits: Mapping[str, float]
    low: int
    high: int
    start: int
    now: float


def _searched(place: Place, search: _Search, progress: Progress | None, around: int) -> pl.DataFrame:
    simulated = [0]

    def evaluate(size: int) -> Mapping[str, Reading]:
        if progress is not None:
            progress(simulated[0], max(_GUESS, simulated[0] + 1), search.what)
        simulated[0] += 1
        return _worst([_statistics(search.change(case, size), search.limits) for case in place.cases], search.limits)

    found = fewest(evaluate, search.limits, low=search.low, high=search.high, start=search.start, around=around)
    bound = None
    if search.what.startswith("feeder"):
        peaks = [case.simulate(case).more["peak_bound_kw"].value for case in (search.change(c, found.size) for c in place.cases)]
        bound = max(peaks) / place.power_factor
    return _table(place, search, found, bound)


def _searches(place: Place) -> Iterator[_Search]:
    """Yield what is sized at a place, each with what was found before it."""
    first = place.cases[0]
    now = present(first)
    low = len(first.given["stations"]) if first.system == "taxi_city" else 0
    if first.system == "airport" and any(e.electric_units for e in first.given["equipment"]):
        # full batteries may last a week at a small airport: without a plug they would not last the next
        low = 1
    plugs = _Search("plugs", "plug", 1.0, with_plugs, place.limits, low, max(4 * now, now + 8), now, float(now))
    yield plugs
    if first.system == "bus_depot":
        own: Plugs = first.given["plugs"]
        step_kw = place.feeder_step_kva * place.power_factor
        most = math.ceil(now * own.power_kw / own.efficiency / step_kw)
        kw = min(own.limit_kw, now * own.power_kw / own.efficiency)
        yield _Search(
            "feeder",
            "kVA",
            place.feeder_step_kva,
            lambda case, n: with_plugs(case, now, n * step_kw),
            place.limits,
            1,
            max(1, most),
            max(1, round(kw / step_kw)),
            kw / place.power_factor,
        )
    stores = first.given.get("swap_stations") if first.system == "taxi_city" else None
    if stores:
        limits = {"swap_wait_p95_min": place.limits["wait_p95_min"]}
        for what, field in (("bays", "bays"), ("packs", "batteries")):
            here = int(getattr(stores[0], field))
            # without any nobody swaps, and nobody who swaps waits
            yield _Search(
                what, what, 1.0, partial(_with_store, field=field), limits, 1, max(4 * here, here + 8), here, float(here)
            )


def airport_fleet(place: Place) -> pl.DataFrame:
    """Return the fewest units and plugs of an all-electric airport, with charging in gaps and at night only, in the first replication.

    Parameters
    ----------
    place
        An airport; its first week counts.

    Returns
    -------
    table
        As :func:`transport.weeks.airports.needs` says.
    """
    return airports.needs(replace(place.cases[0], replications=1), place.fleet_limits)


def present(case: Case) -> int:
    """Return the plugs that the rows build."""
    if case.system == "taxi_city":
        return sum(p.count for p in case.given["stations"])
    if case.system == "truck_corridor":
        return int(case.given["stations"].filter(pl.col("energy") == "plug")["places"].sum())
    return int(case.given["plugs"].count)


def with_plugs(case: Case, count: int, feeder_kw: float = math.inf) -> Case:
    """Return a case with another number of plugs, spread evenly over its stations, and another feeder [kW]."""
    given = dict(case.given)
    if case.system == "taxi_city":
        stations = given["stations"]
        each, rest = divmod(count, len(stations))
        given["stations"] = [replace(p, count=each + (i < rest)) for i, p in enumerate(stations)]
    elif case.system == "truck_corridor":
        own = pl.when(pl.col("energy") == "plug").then(float(count)).otherwise(pl.col("places"))
        given["stations"] = given["stations"].with_columns(own.alias("places"))
    else:
        given["plugs"] = replace(given["plugs"], count=count, limit_kw=feeder_kw)
    return replace(case, given=given)


def _with_store(case: Case, count: int, *, field: str) -> Case:
    stores = [replace(store, **{field: count}) for store in case.given["swap_stations"]]
    return replace(case, given={**case.given, "swap_stations": stores})


def _run(case: Case) -> FleetResult:
    """Return the replications of a case without its variants and bounds, which no limit asks for."""
    given = case.given
    if case.system != "bus_depot":
        return case.simulate(case).result
    rules = {name: given[name] for name in ("policy", "shaving", "terminus")}
    return simulate_bus_depot(given["buses"], given["blocks"], given["plugs"], **rules, **case.common())


def _statistics(case: Case, limits: Mapping[str, float]) -> dict[str, Reading]:
    """Return the statistics of one week."""
    result = _run(case)
    found = {
        name: Reading(value, low, high)
        for name, value, low, high in result.summary.select("metric", "value", "low", "high").iter_rows()
    }
    if "missed_share" in limits and "missed_share" not in found:
        found["missed_share"] = _too_late(result, case.confidence)
    if found.get("waiting_at_end", Reading(0.0)).value > 0.0 and present(case) == 0:
        # nobody is ever served: the wait until the end of the week says nothing
        found |= {name: Reading(math.inf) for name in found if name.endswith("wait_p95_min")}
    return found


def _too_late(result: FleetResult, confidence: float) -> Reading:
    """Return the share of blocks that leave too late to be driven; those that no battery holds say nothing about plugs."""
    inside = result.blocks.filter(pl.col("planned_start_min") >= 0.0)
    shares = (
        inside.group_by("replication").agg((pl.col("state") == "too_late").mean().alias("share")).sort("replication")["share"]
    )
    mean, low, high = interval(shares.to_numpy(), confidence)
    return Reading(mean, *(None if math.isnan(v) else min(max(v, 0.0), 1.0) for v in (low, high)))


def _worst(weeks: Sequence[Mapping[str, Reading]], limits: Mapping[str, float]) -> dict[str, Reading]:
    """Return each statistic of the week where it is largest."""
    names = [name for name in weeks[0] if name in limits] or list(weeks[0])
    return {name: max((week[name] for week in weeks), key=lambda reading: reading.value) for name in names}


def _table(place: Place, search: _Search, found: Sizing, bound: float | None) -> pl.DataFrame:
    case, step = place.cases[0], search.step
    size = found.size * step
    over = search.now / size - 1.0 if size > 0.0 and found.feasible else None
    vehicles = _vehicles(case)
    rows = [
        (
            case.system,
            case.monday.year,
            " ".join(c.week for c in place.cases),
            case.area,
            case.place,
            search.what,
            n * step,
            search.unit,
            metric,
            value,
            low,
            high,
            UNITS.get(metric, "dimensionless"),
            limit,
            meets,
            n == found.size,
            round(search.now / step) == n,
            search.now,
            over,
            bound,
            None if bound is None or bound <= 0.0 else size / bound - 1.0,
            found.feasible,
            found.monotone,
            found.evaluations,
            vehicles,
            case.represented / vehicles,
        )
        for n, metric, value, low, high, limit, meets in found.curve.iter_rows()
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _vehicles(case: Case) -> int:
    given = case.given
    if case.system == "taxi_city":
        return int(given["taxis"].count)
    if case.system == "bus_depot":
        return int(given["buses"].count)
    if case.system == "airport":
        return sum(e.units for e in given["equipment"])
    # every visit is simulated
    return max(1, round(case.represented))
