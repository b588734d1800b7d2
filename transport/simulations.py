"""Representative weeks in SimPy: a bus depot, a taxi city and an airport with their charging, from the same rows as the year model.

Weeks (winter, summer, shoulder, holiday) stand for a number of weeks of the year; row ``year`` of the summary weighs them. Energy per km, losses,
battery sizes and the temperature response are the rows of the vehicle model, so nothing is counted twice; what comes back are waits, peaks,
service and the energy and loss factors. Every number comes from individually present vehicles: their count, the events and the scale stand in
each row. Buses and taxis are the electric ones of the stock, at the distance that the accounts give them: profiles, shifts and seasons shape
the year, and one factor for all weeks (``service_factor``) gives it the right length.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from fleets.airport_records import TURNAROUND_SCHEMA
from fleets.depot_gantt import GANTT_SCHEMA
from transport import pool
from transport.week_values import WEEKS, WeekValues, week_tariff
from transport.weeks import airports, bus_depots, taxis
from transport.weeks.tables import CHECK_SCHEMA, LOAD_SCHEMA, RECORD_SCHEMA, SUMMARY_SCHEMA, simulated, weeks_and_year

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.inputs import Inputs
    from transport.params import Params
    from transport.week_values import CityFleet
    from transport.weeks.case import Builder
    from transport.weeks.tables import CaseTables

#: Systems of a sample run: (system, area, airport node).
SAMPLE: tuple[tuple[str, str, str], ...] = (
    ("bus_depot", "210100", ""),
    ("taxi_city", "210100", ""),
    ("airport", "210100", "A_SHE"),
)
#: Systems of a full run: both large cities with all their depots, and both large airports.
FULL: tuple[tuple[str, str, str], ...] = (
    *SAMPLE,
    ("bus_depot", "210200", ""),
    ("taxi_city", "210200", ""),
    ("airport", "210200", "A_DLC"),
)


#: Week of which a run keeps what single vehicles do.
SHOWN_WEEK = WEEKS[0]
_WHO = dict.fromkeys(("system", "week", "area", "place"), pl.String)
#: Tables of single vehicles that a run keeps, with their columns.
SINGLE: dict[str, dict[str, Any]] = {
    "depot_gantt": {**_WHO, **GANTT_SCHEMA},
    "depot_load": {**_WHO, **bus_depots.LOAD_TABLE_SCHEMA},
    "turnarounds": {**_WHO, **TURNAROUND_SCHEMA},
    "turnaround_tasks": {**_WHO, **airports.TASK_SCHEMA},
}


@dataclass(frozen=True)
class SimulationOutcome:
    """Result of the representative weeks.

    Attributes
    ----------
    summary
        Columns system, week, area, place, metric, value, low, high, unit, vehicles, events, scale; ``place`` is the airport, empty where the
        system is the whole city. ``vehicles`` are simulated one by one, ``scale``
        is how many real vehicles (or depots' worth of them) each stands for; values are those of the simulated ones, not scaled.
    records
        Sample of charging sessions: system, week, area, place, vehicle, start_min, end_min, kwh (grid), wait_min.
    load_profile
        Mean grid load of the simulated vehicles: system, week, area, place, hour (0-167 from Monday 00:00), kw.
    checks
        Columns check, value, limit, passed.
    single
        Tables of :data:`SINGLE`: what single vehicles do in the week :data:`SHOWN_WEEK` of the depots and airports simulated, first replication.
    """

    summary: pl.DataFrame
    records: pl.DataFrame
    load_profile: pl.DataFrame
    checks: pl.DataFrame
    single: Mapping[str, pl.DataFrame] = field(default_factory=dict)


def simulate_weeks(
    inputs: Inputs,
    params: Params,
    fleets: Mapping[tuple[str, str], CityFleet],
    *,
    year: int,
    seed: int,
    level: str = "sample",
    workers: int | None = None,
    given: Mapping[str, Any] | None = None,
) -> SimulationOutcome:
    """Simulate the representative weeks of one year.

    Parameters
    ----------
    inputs
        Tables tou_periods, fleets/duty_profiles, fleets/climate and fleets/climate_areas.
    params
        Parameters after levers; the first draw is used.
    fleets
        (system, area) -> electric buses or taxis of the city in that year.
    year
        Year whose values hold.
    seed
        Seed of the run; every system, week and replication has its own named seed.
    level
        ``none``, ``sample`` (one depot, one taxi city, one airport) or ``full`` (both large cities, every depot).
    workers
        Processes; default one for a sample and all cores for a full run. The result does not depend on it.
    given
        What the systems need of other models of the year, as :class:`transport.week_values.WeekValues` says.

    Returns
    -------
    SimulationOutcome
        Empty tables for ``none``.

    Raises
    ------
    ValueError
        If the level is unknown, or a city that is simulated has no electric vehicles.
    fleets.errors.ConservationError
        If a run loses energy or vehicles.
    """
    if level not in {"none", "sample", "full"}:
        msg = f"level={level!r} must be none, sample or full"
        raise ValueError(msg)
    if level == "none":
        summary, records, load, checks = (
            pl.DataFrame(schema=s) for s in (SUMMARY_SCHEMA, RECORD_SCHEMA, LOAD_SCHEMA, CHECK_SCHEMA)
        )
        return SimulationOutcome(
            summary, records, load, checks, {name: pl.DataFrame(schema=schema) for name, schema in SINGLE.items()}
        )
    read = WeekValues(inputs, params, fleets, year, given)
    tariff = week_tariff(inputs, read)
    cases = [
        _CASES[system](read, area, place, week, level=level, seed=seed, tariff=tariff)
        for system, area, place in (SAMPLE if level == "sample" else FULL)
        for week in WEEKS
    ]
    done = pool.map(simulated, cases, workers=workers if workers is not None else (1 if level == "sample" else None))
    return SimulationOutcome(
        summary=weeks_and_year([d.summary for d in done], {w: read("week_weight", w) for w in WEEKS}),
        records=pl.concat([d.records for d in done]).sort("system", "area", "place", "week", "start_min", "vehicle"),
        load_profile=pl.concat([d.load for d in done]).sort("system", "area", "place", "week", "hour"),
        checks=pl.concat([d.checks for d in done]).sort("check"),
        single={name: _single(name, schema, done) for name, schema in SINGLE.items()},
    )


def _single(name: str, schema: Mapping[str, Any], done: Sequence[CaseTables]) -> pl.DataFrame:
    """Return a table of single vehicles in the week that is kept, by area and place."""
    found = [d.more[name].filter(pl.col("week") == SHOWN_WEEK) for d in done if name in d.more]
    return pl.concat([pl.DataFrame(schema=schema), *found]).sort("area", "place", maintain_order=True)


#: System -> what makes its case of one week.
_CASES: dict[str, Builder] = {"bus_depot": bus_depots.case, "taxi_city": taxis.case, "airport": airports.case}
