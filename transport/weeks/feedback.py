"""What simulated weeks tell the year model: factors by supply of plugs, made once and interpolated by every draw and every run alike.

The year model knows neither queues nor timetables. A few cities are simulated with more and fewer plugs than the rows have; what comes out are
factors on rows of the year model and shares, never energy, so that every kWh is still booked once, by the accounts.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from fleets.depot import minimum_fleet
from transport import pool
from transport.layout import BASE_YEAR, YEARS, year_index
from transport.store import feedback_origin
from transport.urban_service import city_fleets
from transport.week_values import WEEKS, WeekValues, week_tariff
from transport.weeks.case import Measure, measured
from transport.weeks.province import DEFAULT_YEARS, MODULES, ProvinceError, given_of
from transport.weeks.tables import CHECK_SCHEMA, case_tables, weeks_and_year

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fleets.tariff import Tariff
    from transport.inputs import Inputs
    from transport.params import Lever, Params
    from transport.scenario import Scenario
    from transport.week_values import CityFleet
    from transport.weeks.case import Case, CaseResult
    from transport.weeks.province import Progress, YearModels

#: Supply of plugs that is simulated, relative to the rows.
RATIOS = (0.5, 0.75, 1.0, 1.5)
#: The cities beside the two largest of each system, for which one of middle size stands.
SMALL_CITIES = "small_cities"
_LARGE = 2
#: System -> group of classes whose rows it moves.
CLASSES: dict[str, str] = {"bus_depot": "urban_bus", "taxi_city": "taxi"}
#: System -> plugs per vehicle and power of a plug; their product is the supply.
_SUPPLY: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "bus_depot": (("depot_plugs_per_bus", "all"), ("charger_power", "depot")),
    "taxi_city": (("taxi_plugs_per_taxi", "all"), ("charger_power", "taxi_station")),
}
#: How much is simulated: depots of a sample run, and the rows of this purpose for taxis.
_LEVEL = {"bus_depot": "sample", "taxi_city": "feedback"}
#: Factors on rows of the year model, 1 = no change, by the metric of the year they are made of.
_RELATIVE = {"electricity_use": "energy_kwh_per_km", "charging_price": "electricity_cny_per_kwh"}
#: Rows of the year model that are moved, and the value that changes nothing.
NEUTRAL: dict[str, float] = {
    "electricity_use": 1.0,
    "charging_loss": 1.0,
    "charging_price": 1.0,
    "extra_vehicle_share": 0.0,
    "unserved_service_share": 0.0,
}
#: Rows that say what the others stand for: supply at each ratio, and electric vehicles behind each city.
SUPPLY, VEHICLES = "supply_kw_per_vehicle", "vehicles"
_MOST_LOSS = 0.95
#: Letters of a hash that tell two packs of data apart for a reader.
_HASH_SHOWN = 24
FEEDBACK_SCHEMA: dict[str, Any] = {
    "system": pl.String,
    "area": pl.String,
    "year": pl.Int64,
    "supply_ratio": pl.Float64,
    "factor": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
}


class _Place(NamedTuple):
    """A city that is simulated, and what it stands for."""

    area: str
    label: str
    vehicles: float


class _Task(NamedTuple):
    system: str
    read: WeekValues
    place: _Place
    week: str
    ratio: float
    seed: int
    tariff: Tariff


class _Found(NamedTuple):
    summary: pl.DataFrame
    extra: Measure


def feedback_table(
    inputs: Inputs,
    params: Params,
    models: YearModels,
    *,
    years: Sequence[int] = DEFAULT_YEARS,
    ratios: Sequence[float] = RATIOS,
    seed: int,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Simulate a few cities with more and fewer plugs and return what the year model takes from them.

    Parameters
    ----------
    inputs, params, models
        Of a run; the first draw is used.
    years
        Years of the table.
    ratios
        Supply relative to the rows of the run, 1 among them.
    seed
        Seed of the run; a city sees the same week at every supply.
    workers
        Processes; the table does not depend on it.
    scheduler
        Address of a Dask scheduler whose workers simulate in their place.
    progress
        Called after each case.

    Returns
    -------
    table
        Columns system, area, year, supply_ratio, factor, value, low, high. ``electricity_use`` and ``charging_price`` are relative to the
        supply of the rows, ``charging_loss`` to its row; ``extra_vehicle_share`` = vehicles that stand in for the lost blocks of a depot
        over the buses of its timetable; ``unserved_service_share`` = blocks or kilometres not served.
        ``supply_kw_per_vehicle`` and ``vehicles`` say what a ratio and a city stand for.

    Raises
    ------
    ProvinceError
        If 1 is not among the ratios, or they are not positive and rising.
    """
    if 1.0 not in ratios or sorted(set(ratios)) != list(ratios) or ratios[0] <= 0.0:
        msg = f"ratios {', '.join(f'{r:g}' for r in ratios)}: need rising positive numbers with 1 among them"
        raise ProvinceError(msg)
    tasks: list[_Task] = []
    weights: dict[int, dict[str, float]] = {}
    first = params.first()
    for year in years:
        fleets, given = city_fleets(models.vehicles, models.urban, year), given_of(models.vehicles, year)
        plain = WeekValues(inputs, first, fleets, year, given)
        tariff = week_tariff(inputs, plain)
        weights[year] = {week: plain("week_weight", week) for week in WEEKS}
        for system in CLASSES:
            places = _places(plain.fleets(system))
            for ratio in ratios:
                read = WeekValues(inputs, _supplied(first, system, ratio), fleets, year, given)
                tasks += [_Task(system, read, place, week, ratio, seed, tariff) for place in places for week in WEEKS]

    def tell(count: int) -> None:
        if progress is not None:
            task = tasks[count - 1]
            progress(count, len(tasks), f"{task.system} {task.read.year} {task.place.label} x{task.ratio:g}")

    supplies = list({id(task.read): task.read for task in tasks}.values())  # each stands in many tasks and is large
    found = pool.map(_simulate, tasks, workers=workers, done=tell, scheduler=scheduler, shared=supplies)
    grouped: dict[tuple[str, int, _Place], dict[float, list[tuple[_Task, _Found]]]] = {}
    for task, result in zip(tasks, found, strict=True):
        by_ratio = grouped.setdefault((task.system, task.read.year, task.place), {})
        by_ratio.setdefault(task.ratio, []).append((task, result))
    rows: list[tuple[Any, ...]] = []
    for (system, year, place), by_ratio in grouped.items():
        of_year = {ratio: _year(system, done, weights[year]) for ratio, done in by_ratio.items()}
        for ratio, measures in of_year.items():
            read = by_ratio[ratio][0][0].read
            loss = read("charging_loss", CLASSES[system])
            made = {
                **{name: _over(measures[metric], of_year[1.0][metric].value) for name, metric in _RELATIVE.items()},
                "charging_loss": _over(measures["loss_share"], loss),
                "unserved_service_share": measures["unserved"][:3],
                "extra_vehicle_share": measures["extra"][:3],
                SUPPLY: _number(_supply(read.params, system)[0, year_index(year)]),
                VEHICLES: _number(place.vehicles),
            }
            rows += [(system, place.label, year, ratio, name, *ends) for name, ends in made.items()]
    table = pl.DataFrame(rows, schema=FEEDBACK_SCHEMA, orient="row")
    return table.sort("system", "area", "year", "supply_ratio", "factor")


def with_feedback(params: Params, table: pl.DataFrame) -> Params:
    """Return parameters into which the results of simulated weeks have gone.

    Parameters
    ----------
    params
        Parameters of a run after levers, any number of draws.
    table
        Of :func:`feedback_table`.

    Returns
    -------
    Params
        ``electricity_use``, ``charging_loss`` and ``charging_price`` of electric buses and taxis multiplied, ``extra_vehicle_share`` and
        ``unserved_service_share`` set.

    Raises
    ------
    ProvinceError
        If the table is none of these.

    Notes
    -----
    Every draw and year looks up its own supply, plugs per vehicle x power over that of the table, linear between the ratios and flat outside;
    linear between the years of the table, from no change in the base year on; cities weighted by their electric vehicles.
    """
    if table.columns != list(FEEDBACK_SCHEMA) or table.is_empty():
        msg = f"a table of feedback has the columns {', '.join(FEEDBACK_SCHEMA)}; this one has {', '.join(table.columns)}"
        raise ProvinceError(msg)
    made = params
    for system, group in CLASSES.items():
        rows = table.filter(pl.col("system") == system)
        if rows.is_empty():
            continue
        supply = _supply(params, system)
        for factor, neutral in NEUTRAL.items():
            found = _looked_up(rows, factor, neutral, supply)
            for subject in _subjects(params, factor, group):
                row = params.get(factor, subject)
                if neutral == 1.0:
                    changed = row * found
                    changed = np.minimum(changed, np.maximum(row, _MOST_LOSS)) if factor == "charging_loss" else changed
                else:
                    changed = np.clip(row + found, 0.0, None)
                made = made.replace(factor, subject, changed)
    return made


def _looked_up(rows: pl.DataFrame, factor: str, neutral: float, supply: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a factor ``[draw, year]`` at the supply of each draw and year."""
    years = rows["year"].unique().sort().to_list()
    at_year = np.stack([_of_year(rows.filter(pl.col("year") == year), factor, supply) for year in years])
    knots, values = years, at_year
    if years[0] > BASE_YEAR:
        knots, values = [BASE_YEAR, *years], np.concatenate([np.full((1, *supply.shape), neutral), at_year])
    found = np.full(supply.shape, neutral)
    for i, year in enumerate(YEARS):
        if year <= BASE_YEAR:
            continue
        k = int(np.clip(np.searchsorted(knots, year, side="right") - 1, 0, len(knots) - 1))
        if k == len(knots) - 1 or year <= knots[0]:
            found[:, i] = values[k, :, i]
        else:
            part = (year - knots[k]) / (knots[k + 1] - knots[k])
            found[:, i] = (1.0 - part) * values[k, :, i] + part * values[k + 1, :, i]
    return found


def _of_year(rows: pl.DataFrame, factor: str, supply: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a factor of one year of the table, the cities weighted by their vehicles."""
    total, weight = np.zeros(supply.shape), 0.0
    for _, city in rows.sort("area").group_by("area", maintain_order=True):
        of = {name: city.filter(pl.col("factor") == name).sort("supply_ratio") for name in (factor, SUPPLY, VEHICLES)}
        count = float(of[VEHICLES]["value"].to_numpy()[0])
        total += count * np.interp(supply, of[SUPPLY]["value"].to_numpy(), of[factor]["value"].to_numpy())
        weight += count
    return total / weight


class Difference(NamedTuple):
    """What a table of feedback was made with and a run has otherwise; empty where there is nothing to name."""

    what: str
    lever: str
    then: str
    now: str


#: What is compared: where the table comes from, and for which scenario, data and charging levers it was made.
COMPARED = ("origin", "scenario", "data", "levers")


def feedback_differences(scenario: Scenario, inputs: Inputs) -> list[Difference]:
    """Return in what the table of feedback that a run takes belongs to another run.

    Parameters
    ----------
    scenario
        Of the run, with the table it takes.
    inputs
        Of the run.

    Returns
    -------
    list
        ``what`` of :data:`COMPARED`; none for a run without a table.

    Notes
    -----
    Levers on charging count at their values; those of plugs and their power are left out, because a run looks up its own supply in the table.
    All other levers move fleets and roads, and not what happens at a plug: of them only the name of the scenario is compared.
    """
    if not scenario.feedback:
        return []
    made = feedback_origin(scenario.feedback)
    if made is None:
        return [Difference("origin", "", "", "")]
    found = []
    for what, then, now in (("scenario", made.get("scenario"), scenario.name), ("data", made.get("data_hash"), inputs.data_hash)):
        if then != now:
            found.append(Difference(what, "", str(then or "?")[:_HASH_SHOWN], str(now)[:_HASH_SHOWN]))
    settings = [{k: json.dumps(v) for k, v in about["set"].items()} for about in (made["resolved"], scenario.resolved())]
    for lever in _charging_levers(inputs):
        then, now = (given.get(lever.lever, "") for given in settings)
        # a lever at its default is one that nobody set
        then, now = ("" if text == json.dumps(lever.default) else text for text in (then, now))
        if then != now:
            found.append(Difference("levers", lever.lever, then, now))
    return found


def feedback_checks(scenario: Scenario, inputs: Inputs) -> pl.DataFrame:
    """Return the checks of a run that takes a table of feedback: how many differences there are of each kind; empty for other runs.

    Parameters
    ----------
    scenario, inputs
        As in :func:`feedback_differences`.

    Returns
    -------
    table
        Columns check, value, limit, passed.
    """
    found = [one.what for one in feedback_differences(scenario, inputs)]
    kinds = COMPARED if scenario.feedback else ()
    counts = [float(found.count(what)) for what in kinds]
    return pl.DataFrame(
        {
            "check": [f"feedback.other_{what}" for what in kinds],
            "value": counts,
            "limit": [0.0] * len(kinds),
            "passed": [n == 0.0 for n in counts],
        },
        schema=CHECK_SCHEMA,
    )


def _charging_levers(inputs: Inputs) -> list[Lever]:
    """Return the levers on charging that the table does not look up, sorted."""
    effects = inputs.table("lever_effects")
    charging = set(effects.filter(pl.col("domain") == "charging")["parameter"].to_list())
    looked_up = {parameter for pair in _SUPPLY.values() for parameter, _ in pair}
    return sorted((v for v in inputs.levers if v.parameter in charging - looked_up), key=lambda v: v.lever)


def _subjects(params: Params, factor: str, group: str) -> list[str]:
    """Return the subjects of a parameter that belong to the electric vehicles of a group of classes."""
    mine = [s for s in params.subjects(factor) if s.partition(":")[0] == group or s.startswith(f"{group}_")]
    return [s for s in mine if ":" not in s or s.endswith((":battery_electric", ":battery_swap"))]


def _supply(params: Params, system: str) -> NDArray[np.float64]:
    plugs, power = _SUPPLY[system]
    return np.asarray(params.get(*plugs) * params.get(*power))


def _supplied(params: Params, system: str, ratio: float) -> Params:
    plugs, _ = _SUPPLY[system]
    return params.replace(*plugs, params.get(*plugs) * ratio)


def _places(fleets: Mapping[str, CityFleet]) -> list[_Place]:
    """Return the two cities with most vehicles, and of the others the one nearest to their mean, which stands for all of them."""
    ranked = sorted(fleets, key=lambda area: (-fleets[area].vehicles, area))
    places = [_Place(area, area, fleets[area].vehicles) for area in ranked[:_LARGE]]
    others = ranked[_LARGE:]
    if others:
        total = sum(fleets[area].vehicles for area in others)
        middle = min(others, key=lambda area: (abs(fleets[area].vehicles - total / len(others)), area))
        places.append(_Place(middle, SMALL_CITIES, total))
    return places


def _simulate(task: _Task) -> _Found:
    """Build a case and run it (a top-level function: it is sent to spawned processes)."""
    case = MODULES[task.system].case(
        task.read, task.place.area, "", task.week, level=_LEVEL[task.system], seed=task.seed, tariff=task.tariff
    )
    # the factors are those of the week as it is planned: nothing stands beside it
    outcome = MODULES[task.system].planned(case)
    return _Found(case_tables(case, outcome).summary, _extra_vehicles(case, outcome))


def _extra_vehicles(case: Case, outcome: CaseResult) -> Measure:
    """Return the vehicles that have to stand in for lost blocks over the buses of the timetable; none for taxis, whose distance others drive."""
    if case.system != "bus_depot":
        return Measure(0.0, 0.0, 0.0, "dimensionless")
    turnaround = case.given["buses"].turnaround_min
    found = outcome.result.blocks.filter(pl.col("planned_start_min") >= 0.0, pl.col("state") != "served")
    more = []
    for replication, blocks in enumerate(case.given["blocks"]):
        lost = found.filter(pl.col("replication") == replication).select("bus", pl.col("planned_start_min").alias("start_min"))
        missing = blocks.join(lost, on=["bus", "start_min"], how="semi").select("start_min", "end_min")
        stand_in = minimum_fleet(missing, turnaround) if missing.height else 0
        more.append(stand_in / minimum_fleet(blocks.select("start_min", "end_min"), turnaround))
    return measured(more, "dimensionless", case.confidence)


def _year(system: str, done: Sequence[tuple[_Task, _Found]], weights: Mapping[str, float]) -> dict[str, Measure]:
    """Return the statistics of the year that factors are made of."""
    year = weeks_and_year([found.summary for _, found in done], weights).filter(pl.col("week") == "year")
    of = {r["metric"]: Measure(r["value"], r["low"], r["high"], r["unit"]) for r in year.iter_rows(named=True)}
    if system == "bus_depot":
        value, low, high, unit = of["served_share"]
        unserved = Measure(1.0 - value, None if high is None else 1.0 - high, None if low is None else 1.0 - low, unit)
    else:
        unserved = of["lost_km_share"]
    total = sum(weights.values())
    parts = [(weights[task.week] / total, found.extra) for task, found in done]
    low, high = (None if any(e[k] is None for _, e in parts) else sum(w * float(e[k] or 0.0) for w, e in parts) for k in (1, 2))
    extra = Measure(sum(w * e.value for w, e in parts), low, high, "dimensionless")
    return {**{m: of[m] for m in (*_RELATIVE.values(), "loss_share")}, "unserved": unserved, "extra": extra}


def _over(measure: Measure, reference: float) -> tuple[float | None, ...]:
    """Return value and ends relative to a reference, 1 where there is none."""
    if not reference:
        return 1.0, None, None
    return tuple(None if x is None else x / reference for x in measure[:3])


def _number(value: float) -> tuple[float, float, float]:
    return float(value), float(value), float(value)
