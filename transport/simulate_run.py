"""A scenario's charging simulated over the province and kept: run the models once, simulate, write; the same question again is read."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from fleets.flights import check_schedule
from transport import cluster
from transport.layout import YEARS
from transport.store import FEEDBACK, MANIFEST, SIMULATION, may_write, read_run, run_id, runs_folder, write_simulation
from transport.study import model_parts
from transport.travel import prefectures
from transport.urban_service import city_fleets
from transport.weeks.airports import SIZES
from transport.weeks.feedback import CLASSES, feedback_table
from transport.weeks.peak_response import peak_response
from transport.weeks.province import DEFAULT_YEARS, ProvinceError, known_systems, scheduled_airports, simulate_province

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.params import Params
    from transport.parts import Parts
    from transport.scenario import Scenario
    from transport.store import StoredRun
    from transport.week_values import CityFleet
    from transport.weeks.province import Progress


@dataclass(frozen=True)
class Timetable:
    """A timetable that takes the place of the flights an airport has by its movements.

    Attributes
    ----------
    place
        Airport.
    digest
        Hash of its turnarounds: order, empty lines and the way times are written play no part.
    table
        As :func:`fleets.flights.check_schedule` takes it.
    """

    place: str
    digest: str
    table: pl.DataFrame = field(compare=False, repr=False)


@dataclass(frozen=True)
class Request:
    """What is to be simulated.

    Attributes
    ----------
    years, systems, areas
        In the order of the model.
    whole
        Whether this is what is simulated where nothing is named.
    timetables
        Of airports, sorted by place.
    """

    years: tuple[int, ...]
    systems: tuple[str, ...]
    areas: tuple[str, ...]
    whole: bool
    timetables: tuple[Timetable, ...] = ()

    def words(self) -> dict[str, Any]:
        """Return the request as it stands in a manifest; without timetables it says nothing about them."""
        told: dict[str, Any] = {"years": list(self.years), "systems": list(self.systems), "areas": list(self.areas)}
        return told | ({"schedules": {one.place: one.digest for one in self.timetables}} if self.timetables else {})

    def folder(self) -> str:
        """Return the name of the folder of the request in that of the run."""
        if self.whole:
            return SIMULATION
        text = json.dumps(self.words(), sort_keys=True)
        return f"{SIMULATION}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def make_request(
    inputs: Inputs,
    *,
    years: Sequence[int] | None = None,
    systems: Sequence[str] | None = None,
    areas: Sequence[str] | None = None,
    schedules: Mapping[str, pl.DataFrame] | None = None,
) -> Request:
    """Return a request with everything that is not named filled in.

    Parameters
    ----------
    inputs
        Checked data.
    years, systems, areas
        What to simulate; 2025, 2030 and 2035, all systems and all prefectures by default.
    schedules
        Airport -> timetable of a week that takes the place of its flights; the request has another hash and another folder with it.

    Raises
    ------
    ProvinceError
        If a year, system or area is not known, a list is empty, or a timetable is given for something else than an airport of the request.
    fleets.errors.BlockError
        If a timetable cannot be used, with all its problems.
    """
    known: dict[str, Sequence[Any]] = {
        "year": YEARS,
        "system": known_systems(),
        "area": prefectures(inputs.table("codes")),
    }
    default = {**known, "year": DEFAULT_YEARS}
    found: dict[str, tuple[Any, ...]] = {}
    for kind, named in (("year", years), ("system", systems), ("area", areas)):
        wrong = [str(name) for name in named or () if name not in known[kind]]
        if wrong or (named is not None and not named):
            msg = f"{kind} {', '.join(wrong) or 'missing'}: there are {', '.join(str(name) for name in known[kind])}"
            raise ProvinceError(msg)
        found[kind] = tuple(name for name in known[kind] if name in (default[kind] if named is None else named))
    whole = all(found[kind] == tuple(default[kind]) for kind in known)
    given = schedules or {}
    scheduled_airports(inputs, given, found["system"], found["area"])
    timetables = tuple(Timetable(place, _digest(given[place]), given[place]) for place in sorted(given))
    return Request(found["year"], found["system"], found["area"], whole and not timetables, timetables)


def _digest(schedule: pl.DataFrame) -> str:
    check_schedule(schedule, SIZES, contact_share=0.0)
    # a stand that nobody named is set by a row of the data, whose hash the run has
    stand = pl.col("stand").cast(pl.String).str.strip_chars().replace("", None) if "stand" in schedule.columns else pl.lit(None)
    times = pl.col("arrive_min", "depart_min").cast(pl.Float64)
    plain = schedule.select(times, pl.col("size").cast(pl.String), stand.cast(pl.String).alias("stand"))
    return hashlib.sha256(plain.sort(plain.columns).write_csv().encode()).hexdigest()


def simulation_folder(scenario: Scenario, inputs: Inputs, request: Request) -> Path:
    """Return where the simulation of a scenario is kept: in the folder of its run, whether that was made or not.

    Parameters
    ----------
    scenario, inputs, request
        What is simulated.
    """
    return runs_folder() / run_id(scenario, inputs.data_hash) / request.folder()


def stored_simulation(folder: Path, scenario: Scenario, inputs: Inputs, request: Request) -> StoredRun | None:
    """Return what a folder keeps if it is the same simulation of the same scenario on the same data.

    Parameters
    ----------
    folder
        Of :func:`simulation_folder`, or another one.
    scenario, inputs, request
        What is simulated.
    """
    if not (folder / MANIFEST).is_file():
        return None
    stored = read_run(folder)
    same = stored.manifest.get("kind") == SIMULATION and stored.manifest.get("run_id") == run_id(scenario, inputs.data_hash)
    told = request.words()
    return stored if same and all(stored.manifest.get(k) == told.get(k) for k in (*told, "schedules")) else None


def simulate_scenario(
    scenario: Scenario,
    inputs: Inputs,
    request: Request,
    *,
    folder: Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    again: bool = False,
    progress: Progress | None = None,
) -> StoredRun:
    """Simulate the charging of a scenario over the province and keep it, or read what was kept before.

    Parameters
    ----------
    scenario
        A resolved scenario; its own amount of simulation is for its run and plays no part here.
    inputs
        Checked data.
    request
        Of :func:`make_request`.
    folder
        Place of the tables; :func:`simulation_folder` by default.
    workers
        Processes; default the number of cores. The tables do not depend on it.
    scheduler
        Address of a Dask scheduler whose workers simulate in their place.
    again
        Simulate even if the same was kept before.
    progress
        Called after each case.

    Returns
    -------
    StoredRun
        Written whole or not at all: what stood there before stays until everything is done.

    Raises
    ------
    transport.store.StoreError
        If the folder holds something else.
    transport.cluster.ClusterError
        If the cluster cannot be used.
    """
    place = folder or simulation_folder(scenario, inputs, request)
    kept = None if again else stored_simulation(place, scenario, inputs, request)
    if kept is not None:
        return kept
    may_write(place)
    if scheduler is not None:
        cluster.check(scheduler)  # before the models are run
    start = time.perf_counter()
    parts = parts_of(scenario, inputs)
    outcome = simulate_province(
        parts.inputs,
        parts.params,
        parts,
        years=request.years,
        systems=request.systems,
        areas=request.areas,
        schedules={one.place: one.table for one in request.timetables},
        seed=scenario.seed,
        workers=workers,
        scheduler=scheduler,
        progress=progress,
    )
    every = set(request.systems) == set(known_systems())
    tables = {**outcome.tables, "peak_response": peak_response(outcome.tables, parts.params, whole=every)}
    clock = {"system_seconds": {f"{system} {year}": round(s, 3) for (system, year), s in sorted(outcome.seconds.items())}}
    return write_simulation(
        place, tables, scenario, inputs.data_hash, seconds=time.perf_counter() - start, request=request.words(), clock=clock
    )


def feedback_scenario(
    scenario: Scenario,
    inputs: Inputs,
    *,
    years: Sequence[int] = DEFAULT_YEARS,
    folder: Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    again: bool = False,
    progress: Progress | None = None,
) -> StoredRun:
    """Make the table that brings queues and bills into the year model, and keep it, or read what was kept before.

    Parameters
    ----------
    scenario, inputs, folder, workers, scheduler, again, progress
        As in :func:`simulate_scenario`.
    years
        Years of the table.

    Returns
    -------
    StoredRun
        With the one table ``feedback``.

    Raises
    ------
    transport.store.StoreError
        If the folder holds something else.
    """
    place = folder or runs_folder() / run_id(scenario, inputs.data_hash) / FEEDBACK
    asked = Request(tuple(sorted(set(years))), tuple(CLASSES), (), whole=False)
    kept = None if again else stored_simulation(place, scenario, inputs, asked)
    if kept is not None:
        return kept
    may_write(place)
    if scheduler is not None:
        cluster.check(scheduler)  # before the models are run
    start = time.perf_counter()
    parts = parts_of(replace(scenario, capacity="fixed"), inputs)
    table = feedback_table(
        parts.inputs,
        parts.params,
        parts,
        years=asked.years,
        seed=scenario.seed,
        workers=workers,
        scheduler=scheduler,
        progress=progress,
    )
    seconds = time.perf_counter() - start
    return write_simulation(
        place, {"feedback": table}, scenario, inputs.data_hash, seconds=seconds, request=asked.words(), clock={}
    )


def parts_of(scenario: Scenario, inputs: Inputs) -> Parts:
    """Return the models of a scenario as its simulation takes them: one draw, no sample of weeks, no feedback.

    Parameters
    ----------
    scenario, inputs
        Of the run.
    """
    # what an earlier simulation found is what this one finds itself: no factor counts twice
    return model_parts(replace(scenario, simulate="none", draws=1, feedback="", feedback_hash=""), inputs)


def fleets_of(inputs: Inputs, scenario: Scenario, year: int) -> tuple[Params, Mapping[tuple[str, str], CityFleet]]:
    """Return the parameters of a scenario and the electric buses and taxis of its cities in a year.

    Parameters
    ----------
    inputs, scenario
        Of the run.
    year
        Year of the stock.

    Notes
    -----
    No delay of the freight model reaches the fleets of the cities, so that its fast way is taken whatever the scenario says.
    """
    parts = parts_of(replace(scenario, capacity="fixed"), inputs)
    return parts.params, city_fleets(parts.vehicles, parts.urban, year)
