"""How many plugs and how large a feeder a place of the province needs: its own weeks simulated again with other plugs and the same demand."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl

from fleets.berths import simulate_berths
from fleets.depot import simulate_bus_depot
from fleets.replications import interval
from fleets.sizing import Reading, Sizing, fewest
from transport.i18n import t
from transport.sample_checks import values_of
from transport.week_values import WEEKS, week_tariff
from transport.weeks import airports, berths, bus_depots, corridors, taxis
from transport.weeks.case import measured

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
    "shore_power": {"unconnected_share": "sizing_unconnected_limit"},
}
#: Statistics that may be given a limit and have none in the rows, and those that are shown beside the limits.
OPTIONAL: Mapping[str, tuple[str, ...]] = {"shore_power": ("unconnected_energy_share",)}
REPORTED: Mapping[str, tuple[str, ...]] = {"shore_power": ("anchorage_wait_p95_h",)}
SYSTEMS = tuple(LIMITS)
UNITS = {"wait_p95_min": "min", "swap_wait_p95_min": "min", "anchorage_wait_p95_h": "h"}
UNITS |= dict.fromkeys(("missed_share", "delayed_share", "unconnected_share", "unconnected_energy_share"), "dimensionless")
_MODULES: dict[str, ModuleType] = {
    "bus_depot": bus_depots,
    "taxi_city": taxis,
    "airport": airports,
    "truck_corridor": corridors,
    "shore_power": berths,
}
#: Systems whose vehicles are counted by city, and that have no place within it.
_BY_CITY = ("bus_depot", "taxi_city")
#: Systems of which every visit of the week is simulated, and no vehicle stands for others.
BY_VISIT = ("truck_corridor", "shore_power")
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
        ("statistic", limits, (*LIMITS.get(system, {}), *OPTIONAL.get(system, ()))),
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
    place = _check_place(inputs, read, system, area, place)
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


def _check_place(inputs: Inputs, read: WeekValues, system: str, area: str, place: str) -> str:
    """Return the place in full: a port with ships of one kind needs no kind."""
    found = _MODULES[system].places(inputs, read)
    kinds = [p for a, p in found if system == "shore_power" and a == area and p.partition(":")[0] == place]
    place = kinds[0] if len(kinds) == 1 else place
    without_flows = system == "truck_corridor" and not read.given.get(system)
    if (area, place) in found and not without_flows:
        return place
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
    ``limit`` and ``meets`` are missing for statistics that are shown beside the limits. Fitted berths of a port are searched quay by quay without
    a feeder, for ships that can and must connect and are sent to a fitted berth; the feeder then with the berths of the answers.
    Plugs are searched without a feeder; the feeder then with the plugs of the answer, and with those that the rows build now; bays and packs of the
    swap stations with the plugs of the rows. All sizes see the same demand. The value of a statistic is the worst of the weeks, with the interval
    of that week over its replications. ``bound`` of a feeder is the lowest peak with which a linear programme can serve the same sessions, as
    apparent power, and ``gap_share`` how far the answer stays above it.
    """
    found: dict[str, int] = {}
    tables = []
    for search in _searches(place, found):
        table = _searched(place, search, progress, around)
        found[search.what] = round(table.filter("chosen")["size"][0] / search.step)
        tables.append(table)
    return pl.concat(tables)


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
    seen: dict[int, dict[str, Reading]] = {}
    cases = place.cases
    if search.what == "plugs" and cases[0].system == "taxi_city":
        cases = tuple(taxis.ready(case) for case in cases)
    wanted = (*search.limits, *REPORTED.get(place.cases[0].system, ()))

    def evaluate(size: int) -> Mapping[str, Reading]:
        if progress is not None:
            progress(len(seen), max(_GUESS, len(seen) + 1), search.what)
        seen[size] = _worst([_statistics(search.change(case, size), search.limits) for case in cases], wanted)
        return seen[size]

    found = fewest(evaluate, search.limits, low=search.low, high=search.high, start=search.start, around=around)
    bound = None
    if search.what.startswith("feeder"):
        peaks = [case.simulate(case).more["peak_bound_kw"].value for case in (search.change(c, found.size) for c in place.cases)]
        bound = max(peaks) / place.power_factor
    return _table(place, search, found, bound, seen)


def _berth_searches(place: Place, found: Mapping[str, int]) -> Iterator[_Search]:
    """Yield the fitted berths of each quay, whose ships see no other quay, then the feeder of all these."""
    first = place.cases[0]
    now, most = berths.connections(first), berths.most_connections(first)
    names = {quay: "berths" if len(now) == 1 else f"berths_{quay}" for quay in now}

    def fit(case: Case, count: int, *, quay: str) -> Case:
        return berths.with_connections(case, {quay: count})

    for quay, what in names.items():
        own, top = now[quay], max(most[quay], now[quay])
        yield _Search(what, "berth", 1.0, partial(fit, quay=quay), place.limits, 0, top, own, float(own))
    answer = {quay: found[what] for quay, what in names.items()}
    step_kw = place.feeder_step_kva * place.power_factor
    load, kw = berths.connected_load_kw(first, answer), first.given["port"].feeder_kw
    top = math.ceil(load / step_kw)
    yield _Search(
        "shore_feeder",
        "kVA",
        place.feeder_step_kva,
        lambda case, n: berths.with_connections(case, answer, n * step_kw),
        place.limits,
        0,
        top,
        top,
        kw / place.power_factor,
    )


def _searches(place: Place, found: Mapping[str, int]) -> Iterator[_Search]:
    """Yield what is sized at a place, each with what was found before it (thing -> size)."""
    first = place.cases[0]
    if first.system == "shore_power":
        yield from _berth_searches(place, found)
        return
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
    """Return the plugs (fitted berths) that the rows build."""
    if case.system == "shore_power":
        return sum(berths.connections(case).values())
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
    if case.system == "shore_power":
        return simulate_berths(given["port"], **case.common())
    if case.system == "taxi_city":
        return taxis.managed_week(case)
    if case.system == "truck_corridor":
        return corridors.managed_week(case)
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
    if case.system == "shore_power":
        shares = berths.unconnected(case, result).items()
        return found | {name: Reading(*measured(values, "dimensionless", case.confidence)[:3]) for name, values in shares}
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


def _worst(weeks: Sequence[Mapping[str, Reading]], wanted: Sequence[str]) -> dict[str, Reading]:
    """Return each statistic of the week where it is largest."""
    names = [name for name in weeks[0] if name in wanted] or list(weeks[0])
    return {name: max((week[name] for week in weeks), key=lambda reading: reading.value) for name in names}


def _table(
    place: Place, search: _Search, found: Sizing, bound: float | None, seen: Mapping[int, Mapping[str, Reading]]
) -> pl.DataFrame:
    case, step = place.cases[0], search.step
    shown = [
        *found.curve.iter_rows(),
        *((n, m, *seen[n][m], None, None) for n in sorted(seen) for m in REPORTED.get(case.system, ()) if m in seen[n]),
    ]
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
        for n, metric, value, low, high, limit, meets in shown
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
