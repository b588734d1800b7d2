"""Airport week: turnarounds of a timetable whose tasks bind equipment, and electric equipment that charges in gaps or only at night.

A task asks its pool for units; a unit that runs low charges, and who has enough charge for a task is called away from the plug if nobody is ready. A task whose units do not come within the tolerance is
missed by the fleet (one from elsewhere does it then), and what waits for it waits too: the delay of a departure is what it is later than with
the same timetable and task times and no equipment missing. A fleet that is too small, even one without units, is a result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fleets.airport_fleet import Fleet
from fleets.airport_flow import run_week
from fleets.airport_power import Stays, stand_power
from fleets.airport_records import checks_of, metrics_of, task_frame, turnaround_frame
from fleets.airport_work import work_of
from fleets.errors import BlockError
from fleets.flights import Traffic, check_schedule, flight_schedule, with_warmup
from fleets.records import DAY_MIN, WEEK_MIN, FleetResult, RunRecords, child_seed, collect, load_curve, session_frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from fleets.airport_power import StandPower
    from fleets.battery import Battery
    from fleets.station import Plugs
    from fleets.turnaround import Task


@dataclass(frozen=True, slots=True)
class Equipment:
    """One kind of ground equipment.

    Attributes
    ----------
    kind
        Name, for example tug.
    units
        Number of units.
    battery
        Battery of the electric ones.
    kwh_per_min
        Energy of an electric unit per minute at the aircraft [kWh/min].
    electric
        How many of the units are electric; all if None. The others never charge.
    """

    kind: str
    units: int
    battery: Battery
    kwh_per_min: float
    electric: int | None = None

    @property
    def electric_units(self) -> int:
        """Return how many units are electric."""
        return self.units if self.electric is None else min(self.electric, self.units)


@dataclass(frozen=True, slots=True)
class Charging:
    """When equipment charges and when a task counts as missed.

    Attributes
    ----------
    charge_soc
        State of charge below which a unit goes to a plug after a task.
    target_soc, reserve_soc
        State of charge where charging stops, and the one no task may end below: a unit that could not do any other one charges too.
    tolerance_min
        Wait for units above which a task counts as missed [min].
    window_h
        Hours of the day between which units may charge, across midnight if the first is the later; None charges in gaps at any time.
    """

    charge_soc: float
    target_soc: float
    reserve_soc: float
    tolerance_min: float
    window_h: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.reserve_soc < self.target_soc <= 1.0 or not 0.0 <= self.charge_soc <= 1.0:
            msg = f"reserve_soc={self.reserve_soc} < target_soc={self.target_soc} and charge_soc={self.charge_soc} must lie in 0 to 1"
            raise BlockError(msg)
        if not self.tolerance_min >= 0.0:
            msg = f"tolerance_min={self.tolerance_min} must not be negative"
            raise BlockError(msg)
        if self.window_h is not None and (
            self.window_h[0] == self.window_h[1] or not all(0.0 <= h <= 24.0 for h in self.window_h)
        ):
            msg = f"window_h={self.window_h} must be two different hours of the day"
            raise BlockError(msg)


@dataclass(frozen=True, slots=True)
class Handling:
    """What happens to an aircraft on stand.

    Attributes
    ----------
    tasks
        Tasks by aircraft size.
    power
        Power on stand.
    task_cv
        Coefficient of variation of the minutes of a task.
    margin_min
        How much earlier than the latest time the tasks of a departure begin [min].
    icing_day_probability
        Probability that departures of a day have to be de-iced.
    deicing_share
        Share of the departures of such a day.
    energy_factor
        Factor on the energy of a kind of equipment, 1 where it is not named.
    """

    tasks: Mapping[str, tuple[Task, ...]]
    power: StandPower
    task_cv: float = 0.0
    margin_min: float = 0.0
    icing_day_probability: float = 0.0
    deicing_share: float = 0.0
    energy_factor: Mapping[str, float] | None = None


@dataclass(frozen=True)
class AirportResult:
    """An airport week.

    Attributes
    ----------
    result
        Metrics with intervals, sessions, tasks (``blocks``: turnaround, task, kind, asked_min, start_min, end_min, delay_min, kwh, state),
        load.
    turnarounds
        Columns replication, turnaround, arrive_min, leave_planned_min, leave_actual_min, delay_min, cause, stand, size.
    """

    result: FleetResult
    turnarounds: pl.DataFrame


def simulate_airport(
    flights: Traffic | pl.DataFrame,
    handling: Handling,
    equipment: Sequence[Equipment],
    plugs: Plugs,
    rule: Charging,
    *,
    hourly_share: ArrayLike | None = None,
    seeds: Sequence[np.random.SeedSequence],
    warmup_min: int = DAY_MIN,
    horizon_min: int = WEEK_MIN,
    step_min: int = 15,
    confidence: float = 0.95,
) -> AirportResult:
    """Simulate the turnarounds of an airport for one week in several replications.

    Parameters
    ----------
    flights
        Traffic a timetable is made from in each replication, or the timetable of a week (:func:`fleets.flights.check_schedule`).
    handling
        Tasks and power on stand.
    equipment
        Pools of equipment.
    plugs
        Plugs that all equipment shares.
    rule
        When units charge and when a task counts as missed.
    hourly_share
        Movements by hour of the day, array ``(24,)``; needed with traffic.
    seeds
        One seed per replication; timetable, task times, ground power and ice have streams of their own, so that another fleet sees the same week.
    warmup_min, horizon_min, step_min, confidence
        As in :func:`fleets.depot.simulate_depot`.

    Returns
    -------
    AirportResult
        Metrics: see :func:`fleets.airport_records.metrics_of`.

    Raises
    ------
    BlockError
        If the timetable or the profile cannot be used, or one task could empty a battery.
    ConservationError
        If a run loses energy or units.

    Notes
    -----
    delay of a departure = push-back - max(planned departure, push-back with the same task times and unlimited equipment). Its cause is the
    kind that was waited for longest on the chain of tasks that held the push-back up.
    """
    reach = rule.target_soc - rule.reserve_soc
    for item in equipment:
        factor = (handling.energy_factor or {}).get(item.kind, 1.0)
        longest = max((t.minutes for tasks in handling.tasks.values() for t in tasks if t.kind == item.kind), default=0.0)
        kwh = longest * item.kwh_per_min * factor
        if item.electric_units and kwh > reach * item.battery.capacity_kwh:
            msg = (
                f"{item.kind}: a task of {kwh:g} kWh begun at {rule.target_soc:.0%} of {item.battery.capacity_kwh:g} kWh"
                f" ends below the reserve of {rule.reserve_soc:.0%}"
            )
            raise BlockError(msg)
    timetable = None
    if not isinstance(flights, Traffic):
        timetable = with_warmup(check_schedule(flights, handling.tasks), warmup_min)
    elif hourly_share is None:
        msg = "traffic needs hourly_share, the movements by hour of the day"
        raise BlockError(msg)
    runs, departures = [], []
    for number, seed in enumerate(seeds):
        found = timetable
        if isinstance(flights, Traffic) and hourly_share is not None:
            found = flight_schedule(flights, hourly_share, child_seed(seed, 0), warmup_min=warmup_min)
        if found is None:
            continue
        records, turnarounds = _run(found, handling, equipment, plugs, rule, seed, warmup_min, horizon_min, step_min)
        runs.append(records)
        departures.append(turnarounds.select(pl.lit(number, dtype=pl.Int64).alias("replication"), pl.all()))
    result = collect(runs, step_min=step_min, vehicles=sum(e.units for e in equipment), level=confidence)
    return AirportResult(result, pl.concat(departures))


def _run(
    timetable: pl.DataFrame,
    handling: Handling,
    equipment: Sequence[Equipment],
    plugs: Plugs,
    rule: Charging,
    seed: np.random.SeedSequence,
    warmup_min: int,
    horizon_min: int,
    step_min: int,
) -> tuple[RunRecords, pl.DataFrame]:
    work = work_of(timetable, handling, [e.kind for e in equipment], seed)
    fleet = Fleet.of(equipment, handling.energy_factor or {})
    flow = run_week(work, fleet, plugs, rule, begin_min=-warmup_min, end_min=horizon_min)
    tasks = task_frame(work, flow, fleet)
    turnarounds = turnaround_frame(timetable, work, flow, fleet, horizon_min)
    sessions = session_frame(flow.sessions)
    curve = load_curve(flow.segments, start_min=-warmup_min, end_min=horizon_min, step_min=step_min)
    leave = turnarounds.select(pl.coalesce("leave_actual_min", "leave_planned_min")).to_series().to_numpy()
    stays = Stays(
        timetable["arrive_min"].to_numpy(),
        np.maximum(leave, timetable["depart_min"].to_numpy()),
        timetable["size"].to_numpy().astype(object),
        work.powered & ~work.mobile,
        work.powered & work.mobile & ~flow.unpowered,
    )
    totals, stand_kw = stand_power(handling.power, stays, horizon_min=horizon_min, step_min=step_min)
    counted = curve[round(warmup_min / step_min) :]
    checks = checks_of(tasks, sessions, curve, flow, fleet, rule.target_soc, plugs.efficiency, step_min, horizon_min)
    metrics = metrics_of(
        tasks,
        turnarounds,
        sessions,
        totals,
        counted,
        stand_kw,
        fleet,
        plugs,
        converter_efficiency=handling.power.converter_efficiency,
        horizon_min=horizon_min,
        step_min=step_min,
    )
    blocks = tasks.drop("needed", "units", "electric_units", "release_min")
    return RunRecords(metrics, sessions, blocks, counted + stand_kw, checks, flow.events), turnarounds
