"""The charging of a whole province: every city's buses and taxis, airports, truck corridors and berths, over the representative weeks of some years.

Fleets are those of the stock model in each year. Every (system, year, place, week) is one case with its own named seeds, so that the result
does not depend on which process simulates it. Values of a place are those of its simulated vehicles; loads and the rows of the province stand
for the whole system.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import polars as pl

from transport import pool
from transport.layout import PROVINCE, year_index
from transport.self_check import SCHEMA, self_checks
from transport.travel import prefectures
from transport.urban_service import city_fleets
from transport.week_values import WEEKS, WeekValues, week_tariff
from transport.weeks import airports, berths, bus_depots, corridors, taxis
from transport.weeks.tables import (
    CHECK_SCHEMA,
    LOAD_SCHEMA,
    SELECTED,
    SUMMARY_SCHEMA,
    case_tables,
    week_rank,
    weeks_and_year,
)
from transport.weeks.yearly import extensive, weighted_by, yearly_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

    from fleets.tariff import Tariff
    from transport.freight import FreightOutcome
    from transport.inputs import Inputs
    from transport.params import Params
    from transport.urban_service import UrbanService
    from transport.vehicles import VehicleOutcome
    from transport.weeks.tables import CaseTables

    #: Called with (cases done, cases, what is simulated).
    Progress = Callable[[int, int, str], None]

#: Years that are simulated where nothing else is asked.
DEFAULT_YEARS = (2025, 2030, 2035)
#: System -> module with ``places``, ``case`` and ``simulate``.
MODULES: dict[str, ModuleType] = {
    "bus_depot": bus_depots,
    "taxi_city": taxis,
    "airport": airports,
    "truck_corridor": corridors,
    "shore_power": berths,
}
#: Systems whose vehicles are counted by city.
_BY_CITY = ("bus_depot", "taxi_city")
_LEVEL = "province"
_SKIPPED_SCHEMA: dict[str, Any] = {
    "system": pl.String,
    "year": pl.Int64,
    "area": pl.String,
    "place": pl.String,
    "reason": pl.String,
}

_FLEET_SCHEMA: dict[str, Any] = {
    "system": pl.String,
    "year": pl.Int64,
    "area": pl.String,
    "vehicles": pl.Float64,
    "km_per_vehicle": pl.Float64,
}


class ProvinceError(ValueError):
    """Exception for a system, an area or a year that cannot be simulated."""


class YearModels(Protocol):
    """What the simulation takes from the models of a run: the parts of a run have it."""

    @property
    def vehicles(self) -> VehicleOutcome:
        """Stock and work of the vehicles."""

    @property
    def urban(self) -> UrbanService:
        """City travel in vehicles."""

    @property
    def freight(self) -> FreightOutcome:
        """Freight of the run: tonnes by link and by port, read for truck corridors and ports only."""


@dataclass(frozen=True)
class ProvinceOutcome:
    """Result of the simulation of a province.

    Attributes
    ----------
    tables
        Result tables by name: ``simulation``, ``simulation_load``, ``charging_hours``, ``charging_hours_unmanaged``, ``simulation_fleets``,
        ``simulation_skipped``, ``simulation_checks``, ``self_checks``, and those of the systems.
    seconds
        Computing time by (system, year), summed over the processes [s]; no part of the tables, which are the same on every machine.
    """

    tables: Mapping[str, pl.DataFrame]
    seconds: Mapping[tuple[str, int], float] = field(default_factory=dict)


class Task(NamedTuple):
    """One case before it is built; workers build it themselves."""

    system: str
    read: WeekValues
    area: str
    place: str
    week: str
    level: str
    seed: int
    tariff: Tariff
    #: Timetable of an airport instead of the one made from its movements.
    schedule: pl.DataFrame | None = None
    #: Whether the queue of its busiest site is simulated once more for the self-check.
    queue: bool = False


class _Place(NamedTuple):
    system: str
    year: int
    area: str
    place: str


def known_systems() -> tuple[str, ...]:
    """Return the systems that can be simulated."""
    return tuple(MODULES)


def simulate_province(
    inputs: Inputs,
    params: Params,
    models: YearModels,
    *,
    years: Sequence[int] = DEFAULT_YEARS,
    systems: Sequence[str] | None = None,
    areas: Sequence[str] | None = None,
    schedules: Mapping[str, pl.DataFrame] | None = None,
    seed: int,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> ProvinceOutcome:
    """Simulate the charging of a province over the representative weeks of some years.

    Parameters
    ----------
    inputs
        Tables of the run.
    params
        Parameters after levers; the first draw is used.
    models
        Outcomes of the year model: the stock of each year and what the cities drive.
    years
        Years to simulate.
    systems
        Of :func:`known_systems`; all by default.
    areas
        Prefecture codes; all by default.
    schedules
        Airport -> timetable of a week (:func:`fleets.flights.check_schedule`) instead of the one made from its movements: the same flights in
        every year and week, so that the year has 52 of these weeks and no season of its own.
    seed
        Seed of the run.
    workers
        Processes; default the number of cores. The result does not depend on it.
    scheduler
        Address of a Dask scheduler whose workers simulate in their place.
    progress
        Called after each case.

    Returns
    -------
    ProvinceOutcome

    Raises
    ------
    ProvinceError
        If a system or an area is not known, nothing is asked for, or a timetable is given for something else than an airport of these areas.
    fleets.errors.ConservationError
        If a simulation loses energy or vehicles.
    """
    wanted = _wanted("system", systems, known_systems())
    known = prefectures(inputs.table("codes"))
    here = _wanted("area", areas, known)
    flown = scheduled_airports(inputs, schedules or {}, wanted, here)
    tasks: list[tuple[_Place, Task]] = []
    skipped: list[tuple[str, int, str, str, str]] = []
    fleets: list[tuple[str, int, str, float, float]] = []
    weights: dict[int, dict[str, float]] = {}
    for number, year in enumerate(dict.fromkeys(years)):
        # one week tells whether the queue of a place is right: it is about a second of work
        again = WEEKS[0] if number == 0 else None
        read = year_values(inputs, params, models, year, wanted)
        tariff = week_tariff(inputs, read)
        fleets += [
            (system, year, area, fleet.vehicles, fleet.km)
            for system in _BY_CITY
            if system in wanted
            for area, fleet in read.fleets(system).items()
            if area in here
        ]
        weights[year] = {week: read("week_weight", week) for week in WEEKS}
        for system in wanted:
            if system == "truck_corridor" and "truck_corridor" not in read.given:
                skipped += [(system, year, area, "", "no_flows") for area in here]
                continue
            found = [(area, place) for area, place in places_of(system, inputs, read) if area in here]
            if system == "airport":
                # who has a timetable flies, whatever the movements of the year say
                found = sorted({*found, *((area, place) for place, (area, _) in flown.items())})
            reason = "no_electric_vehicles" if system in _BY_CITY else "no_place"
            with_one = {area for area, _ in found}
            skipped += [(system, year, area, "", reason) for area in here if area not in with_one]
            tasks += [
                (
                    _Place(system, year, area, place),
                    Task(system, read, area, place, week, _LEVEL, seed, tariff, table, week == again),
                )
                for area, place in found
                for table in (flown[place][1] if system == "airport" and place in flown else None,)
                for week in WEEKS
            ]
    done = _run([task for _, task in tasks], [_size(task) for _, task in tasks], workers, progress, scheduler)
    seconds: dict[tuple[str, int], float] = {}
    for (at, _), (_, spent) in zip(tasks, done, strict=True):
        seconds[at.system, at.year] = seconds.get((at.system, at.year), 0.0) + spent
    made = [(at.year, found) for (at, _), (found, _) in zip(tasks, done, strict=True)]
    tables = province_tables(made, weights, total=PROVINCE if set(here) == set(known) else SELECTED)
    tables["simulation_fleets"] = pl.DataFrame(fleets, schema=_FLEET_SCHEMA, orient="row")
    tables["simulation_skipped"] = pl.DataFrame(skipped, schema=_SKIPPED_SCHEMA, orient="row").sort("system", "year", "area")
    return ProvinceOutcome(tables, seconds)


def year_values(inputs: Inputs, params: Params, models: YearModels, year: int, systems: Sequence[str] = ()) -> WeekValues:
    """Return what the weeks of a year read, the first draw only.

    Parameters
    ----------
    inputs, params, models
        As in :func:`simulate_province`.
    year
        Year of the stock.
    systems
        Systems that are to be simulated, for what they need of the models.
    """
    given = given_of(models.vehicles, year)
    if "shore_power" in systems:
        given["port_growth"] = berths.port_growth(models.freight.tables["freight_ports"], year)
    if "truck_corridor" in systems and year in models.freight.tables["freight_links"]["year"]:
        given["truck_corridor"] = corridors.corridor_demand(inputs, params, models.freight, models.vehicles, year)
    return WeekValues(inputs, params.first(), city_fleets(models.vehicles, models.urban, year), year, given)


def given_of(vehicles: VehicleOutcome, year: int) -> dict[str, Any]:
    """Return what the systems of every run need of the models of a year, first draw: the electric share of the ground equipment.

    Parameters
    ----------
    vehicles
        Of the run.
    year
        Year of the stock.
    """
    return {"airside_electric_share": float(vehicles.airside_electric_share[0, year_index(year)])}


def places_of(system: str, inputs: Inputs, read: WeekValues) -> list[tuple[str, str]]:
    """Return the (area, place) where a system exists in a year, sorted.

    Parameters
    ----------
    system
        Of :func:`known_systems`.
    inputs, read
        Tables of the run and values of the year.
    """
    return sorted(MODULES[system].places(inputs, read))


def simulate_task(task: Task) -> tuple[CaseTables, float]:
    """Build a case and run it; return its tables and the computing time [s] (a top-level function: it is sent to spawned processes).

    The checks against closed forms need the single sessions, so that they are made here; the queue of a place is checked in one week of the
    first year.
    """
    start = time.process_time()
    given = {} if task.schedule is None else {"schedule": task.schedule}
    case = MODULES[task.system].case(
        task.read, task.area, task.place, task.week, level=task.level, seed=task.seed, tariff=task.tariff, **given
    )
    outcome = case.simulate(case)
    spent = time.process_time() - start
    checks = self_checks(case, outcome, queue=task.queue)
    return replace(case_tables(case, outcome), self_checks=checks), spent


def province_tables(
    made: Sequence[tuple[int, CaseTables]], weights: Mapping[int, Mapping[str, float]], *, total: str = PROVINCE
) -> dict[str, pl.DataFrame]:
    """Return the result tables of simulated cases, sorted.

    Parameters
    ----------
    made
        Year and tables of each case, all weeks of a place among them.
    weights
        Year -> representative week -> weeks of the year it stands for.
    total
        Area of the rows of all places together.

    Returns
    -------
    tables
        As :class:`ProvinceOutcome` says. In ``simulation`` the rows of the area ``total`` are the whole system: sums are scaled to it, means are
        weighted by what they are means of; ends of intervals add up, which is on the safe side. ``simulation_load`` and ``charging_hours``
        are scaled to the whole system [kW].
    """
    if not made:
        empty = {"system": pl.String, "year": pl.Int64}
        return {
            "simulation": pl.DataFrame(schema={**empty, **SUMMARY_SCHEMA}),
            "simulation_load": pl.DataFrame(schema={**empty, **LOAD_SCHEMA}),
            "charging_hours": pl.DataFrame(schema=_HOURS_SCHEMA),
            "charging_hours_unmanaged": pl.DataFrame(schema=_HOURS_SCHEMA),
            "simulation_checks": pl.DataFrame(schema=CHECK_SCHEMA),
            "self_checks": pl.DataFrame(schema=SCHEMA),
        }
    summaries: list[pl.DataFrame] = []
    for year in dict.fromkeys(year for year, _ in made):
        local = pl.concat([tables.summary for y, tables in made if y == year])
        summaries.append(_with_year(weeks_and_year([local, whole_system(local, total)], weights[year]), year))
    loads = pl.concat([_scaled(t.load, t, year) for year, t in made])
    unmanaged = pl.concat([_scaled(t.unmanaged, t, year) for year, t in made])
    checks = [t.checks.with_columns(pl.col("check").str.replace(r"^simulation\.", f"simulation.{y}.")) for y, t in made]
    tables = {
        "simulation": pl.concat(summaries).sort("system", "year", "area", "place", week_rank(), "metric"),
        "simulation_load": loads.sort("system", "year", "area", "place", week_rank(), "hour"),
        "charging_hours": charging_hours(loads, total),
        "charging_hours_unmanaged": charging_hours(unmanaged, total),
        "simulation_checks": pl.concat(checks).sort("check"),
        "self_checks": pl.concat([t.self_checks for _, t in made]),
    }
    for name in sorted({name for _, t in made for name in t.more}):
        parts = [t.more[name].select(pl.lit(year, pl.Int64).alias("year"), pl.all()) for year, t in made if name in t.more]
        keys = ("system", "year", "area", "place", week_rank())
        tables[name] = pl.concat(parts, how="diagonal_relaxed").sort(keys, maintain_order=True)
    return tables


_HOURS_SCHEMA: dict[str, Any] = {
    "year": pl.Int64,
    "week": pl.String,
    "area": pl.String,
    "hour": pl.Int64,
    "system": pl.String,
    "kw": pl.Float64,
}


def charging_hours(loads: pl.DataFrame, total: str = PROVINCE) -> pl.DataFrame:
    """Return the charging load by prefecture and hour of the week, and of all together [kW].

    Parameters
    ----------
    loads
        Columns system, year, week, area, place, hour, kw (of the whole system of a place).
    total
        Area of the rows of all together.
    """
    keys = ["year", "week", "area", "hour", "system"]
    # sorted before the sum: the order of the sum does not depend on the order of the cases
    ordered = loads.sort("year", week_rank(), "area", "hour", "system", "place")
    local = ordered.group_by(keys, maintain_order=True).agg(pl.col("kw").sum())
    whole = ordered.with_columns(pl.lit(total).alias("area")).sort("year", week_rank(), "hour", "system", maintain_order=True)
    summed = whole.group_by(keys, maintain_order=True).agg(pl.col("kw").sum())
    return pl.concat([summed, local]).select(list(_HOURS_SCHEMA)).sort("year", week_rank(), "area", "hour", "system")


def whole_system(weekly: pl.DataFrame, area: str = PROVINCE) -> pl.DataFrame:
    """Return the rows of the province from those of its places.

    Parameters
    ----------
    weekly
        Table of :data:`transport.weeks.tables.SUMMARY_SCHEMA`, weeks without the year.
    area
        Area of the rows of all places together.

    Returns
    -------
    table
        The same columns with that area: sums times scale, means weighted by their weight times scale. Metrics without a rule
        and maxima that do not add up are left out; a place without a metric has none of what it counts. ``scale`` is what was already multiplied, on average.
    """
    rows = []
    for (system, week), group in weekly.sort("system", week_rank()).group_by(["system", "week"], maintain_order=True):
        found = {(r["area"], r["place"], r["metric"]): r for r in group.sort("area", "place").iter_rows(named=True)}
        one = {(where, place): row for (where, place, _), row in found.items()}
        vehicles = sum(row["vehicles"] for row in one.values())
        events = sum(row["events"] for row in one.values())
        scale = sum(row["vehicles"] * row["scale"] for row in one.values()) / vehicles if vehicles else 1.0
        adds_up = extensive(str(system))
        for metric, rule in yearly_rules(str(system)).items():
            weight = weighted_by(metric, rule)
            having = [at for at in one if (*at, metric) in found and (*at, weight) in found]
            if not having or (weight == metric and metric not in adds_up):
                continue
            cells = [found[*at, metric] for at in having]
            factor, total = [one[at]["scale"] for at in having], 1.0
            if metric not in adds_up:
                factor = [f * found[*at, weight]["value"] for at, f in zip(having, factor, strict=True)]
                total = sum(factor) or 1.0
            value, low, high = (_weighted([c[k] for c in cells], factor, total) for k in ("value", "low", "high"))
            rows.append((system, week, area, "", metric, value, low, high, cells[0]["unit"], vehicles, events, scale))
    return pl.DataFrame(rows, schema=SUMMARY_SCHEMA, orient="row")


def _weighted(values: Sequence[float | None], factor: Sequence[float], total: float) -> float | None:
    """Return the weighted sum over the total; missing if a value that counts is missing."""
    known = [(v, f) for v, f in zip(values, factor, strict=True) if f]
    if any(v is None for v, _ in known):
        return None
    return sum(v * f for v, f in known if v is not None) / total


def _with_year(frame: pl.DataFrame, year: int) -> pl.DataFrame:
    return frame.select("system", pl.lit(year, pl.Int64).alias("year"), pl.exclude("system"))


def _scaled(load: pl.DataFrame, tables: CaseTables, year: int) -> pl.DataFrame:
    return _with_year(load.with_columns(pl.col("kw") * tables.load_factor), year)


def scheduled_airports(
    inputs: Inputs, schedules: Mapping[str, pl.DataFrame], systems: Sequence[str], areas: Sequence[str]
) -> dict[str, tuple[str, pl.DataFrame]]:
    """Return airport -> (area, timetable), sorted by airport.

    Parameters
    ----------
    inputs
        Table networks/nodes.
    schedules
        Airport -> timetable.
    systems, areas
        What is simulated.

    Raises
    ------
    ProvinceError
        If a timetable is given for something else than an airport that is simulated.
    """
    known = airports.known_airports(inputs)
    wrong = [place for place in schedules if "airport" not in systems or known.get(place) not in areas]
    if wrong:
        there = [place for place, area in known.items() if "airport" in systems and area in areas]
        msg = f"timetable of {', '.join(wrong)}: no such airport is simulated; there are {', '.join(there) or 'none'}"
        raise ProvinceError(msg)
    return {place: (known[place], schedules[place]) for place in sorted(schedules)}


def _wanted(kind: str, named: Sequence[str] | None, known: Sequence[str]) -> tuple[str, ...]:
    if named is None:
        return tuple(known)
    unknown = [name for name in named if name not in known]
    if unknown or not named:
        what = f"unknown {kind} {', '.join(unknown)}" if unknown else f"no {kind} is named"
        msg = f"{what}; there are {', '.join(known)}"
        raise ProvinceError(msg)
    return tuple(name for name in known if name in named)


def _size(task: Task) -> float:
    """Return how long a case will take against others: the vehicles that are simulated."""
    if task.system not in _BY_CITY:
        return 0.0
    vehicles = task.read.fleet(task.system, task.area).vehicles
    replications = 1.0 if task.system == "bus_depot" else task.read("simulation_replications", _LEVEL)
    return vehicles * replications


def _run(
    tasks: Sequence[Task],
    sizes: Sequence[float],
    workers: int | None,
    progress: Progress | None,
    scheduler: str | None = None,
) -> list[tuple[CaseTables, float]]:
    """Return what the tasks come to, in their order; the largest are begun first, so that no process waits for one at the end."""
    order = sorted(range(len(tasks)), key=lambda i: -sizes[i])

    def tell(count: int) -> None:
        if progress is not None:
            task = tasks[order[count - 1]]
            progress(count, len(tasks), f"{task.system} {task.read.year} {task.area} {task.week}")

    years = list({id(task.read): task.read for task in tasks}.values())  # each stands in many tasks and is large
    ordered = [tasks[i] for i in order]
    found = pool.map(simulate_task, ordered, workers=workers, done=tell, scheduler=scheduler, shared=years)
    by_task = dict(zip(order, found, strict=True))
    return [by_task[i] for i in range(len(tasks))]
