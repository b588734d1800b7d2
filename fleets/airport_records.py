"""What an airport week wrote, as tables: tasks, departures with their delay and its cause, checks and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.records import check_rows, energy_checks, quantile, ratio, waits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fleets.airport_fleet import Fleet, Flow
    from fleets.airport_work import Work
    from fleets.station import Plugs

#: Difference of two times that is rounding [min].
_LATE = 1e-6
_HOUR = 60.0
_KG_PER_T = 1000.0
#: Columns of :func:`turnaround_frame`.
TURNAROUND_SCHEMA: dict[str, Any] = {
    "turnaround": pl.Int64,
    "arrive_min": pl.Float64,
    "leave_planned_min": pl.Float64,
    "leave_actual_min": pl.Float64,
    "delay_min": pl.Float64,
    "cause": pl.String,
    "stand": pl.String,
    "size": pl.String,
}


def task_frame(work: Work, flow: Flow, fleet: Fleet) -> pl.DataFrame:
    """Return one row per task that binds equipment and has been asked for.

    Parameters
    ----------
    work, flow, fleet
        Tasks, what happened to them, and the units.

    Returns
    -------
    table
        Columns turnaround, task, kind, asked_min, start_min, end_min, delay_min (wait for the units; missing while it waits), kwh, state
        (``done``, ``missed`` or ``waiting``), needed, units, electric_units, release_min (when the units are free), sorted by time asked.
    """
    at = np.flatnonzero((work.kind >= 0) & ~np.isnan(flow.asked))
    kind = work.kind[at]
    start = flow.start[at]
    electric = flow.electric_units[at]
    rate = fleet.kwh_per_min[kind] if at.size else np.zeros(0)
    state = np.where(np.isnan(start), "waiting", np.where(flow.missed[at], "missed", "done"))
    frame = pl.DataFrame(
        {
            "turnaround": work.turnaround[at],
            "task": [work.name[i] for i in at.tolist()],
            "kind": [fleet.kinds[k] for k in kind.tolist()],
            "asked_min": flow.asked[at],
            "start_min": start,
            "end_min": start + work.minutes[at],
            "delay_min": start - flow.asked[at],
            "kwh": electric * work.nominal[at] * rate,
            "state": state.tolist(),
            "needed": [work.needed[i] for i in at.tolist()],
            "units": work.units[at],
            "electric_units": electric,
            "release_min": start + work.minutes[at] + work.returns[at],
        },
        schema_overrides={"task": pl.String, "kind": pl.String, "state": pl.String, "needed": pl.String},
    ).with_columns(pl.col("start_min", "end_min", "delay_min", "release_min").fill_nan(None))
    return frame.sort("asked_min", "turnaround", "task")


def turnaround_frame(timetable: pl.DataFrame, work: Work, flow: Flow, fleet: Fleet, horizon_min: float) -> pl.DataFrame:
    """Return one row per turnaround with the delay of its departure by missing equipment.

    Parameters
    ----------
    timetable
        The timetable of the work.
    work, flow, fleet
        Tasks, what happened to them, and the units.
    horizon_min
        End of the run [min].

    Returns
    -------
    table
        Columns :data:`TURNAROUND_SCHEMA`. A departure that is due and has not left at the end counts the delay so far; one that is not due has
        no actual time and no delay. ``cause`` is empty without delay.
    """
    last = work.last
    left = flow.start[last]
    due = work.unlimited[last]
    delay = np.where(np.isnan(left), horizon_min - due, left - due)
    open_ = np.isnan(left) & (due >= horizon_min)
    late = ~open_ & (delay > _LATE)
    cause = [""] * timetable.height
    for i in np.flatnonzero(late).tolist():
        cause[i] = fleet.kinds[_cause(work, flow, int(work.first[i]), int(last[i]), horizon_min)]
    return pl.DataFrame(
        {
            "turnaround": np.arange(timetable.height),
            "arrive_min": timetable["arrive_min"],
            "leave_planned_min": timetable["depart_min"],
            "leave_actual_min": left,
            "delay_min": np.where(open_, np.nan, np.where(late, delay, 0.0)),
            "cause": cause,
            "stand": timetable["stand"],
            "size": timetable["size"],
        },
        schema=TURNAROUND_SCHEMA,
    ).with_columns(pl.col("leave_actual_min", "delay_min").fill_nan(None))


def _cause(work: Work, flow: Flow, first: int, last: int, horizon_min: float) -> int:
    """Return the kind that was waited for longest on the chain of tasks that held a push-back up."""
    waited = (
        np.where(np.isnan(flow.start[first : last + 1]), horizon_min, flow.start[first : last + 1]) - flow.asked[first : last + 1]
    )
    waited = np.where(work.kind[first : last + 1] >= 0, np.nan_to_num(waited), 0.0)
    if np.isnan(flow.start[last]):
        return int(work.kind[first + int(waited.argmax())])
    chain, at = [last], last
    while work.preceding[at]:
        before = [first + i for i in work.preceding[at]]
        held = max(before, key=lambda i: (flow.start[i] + work.minutes[i], -i))
        if flow.start[held] + work.minutes[held] < work.earliest[at] - _LATE:
            break
        chain.append(held)
        at = held
    return int(work.kind[max(chain, key=lambda i: (waited[i - first], -i))])


def checks_of(
    tasks: pl.DataFrame,
    sessions: pl.DataFrame,
    curve: NDArray[np.float64],
    flow: Flow,
    fleet: Fleet,
    target_soc: float,
    efficiency: float,
    step_min: int,
    horizon_min: int,
) -> pl.DataFrame:
    """Return the balances of energy and units of a run: check, value, limit, passed.

    Parameters
    ----------
    tasks, sessions, curve
        Records of the run and its load from the begin of the warm-up [kW].
    flow, fleet
        Where units and energy are at the end.
    target_soc, efficiency, step_min, horizon_min
        As simulated.
    """
    grid, stored = float(sessions["grid_kwh"].sum()), float(sessions["stored_kwh"].sum())
    bound = tasks.filter(pl.col("state") == "done")
    done = bound.filter(pl.col("release_min") <= horizon_min)
    checks = energy_checks(
        grid_kwh=grid,
        stored_kwh=stored,
        losses_kwh=grid * (1.0 - efficiency),
        curve_kwh=float(curve.sum()) * step_min / _HOUR,
        battery_change_kwh=float(((flow.soc - target_soc) * fleet.capacity_kwh).sum()),
        driven_kwh=float(done["kwh"].sum()),
    )
    at_plugs = sessions.filter(pl.col("state").is_in(["charging", "waiting"])).height
    total = sum(fleet.units)
    checks["units_minus_ready_empty_busy_charging"] = (
        float(total - flow.ready - flow.empty - flow.busy - flow.held - at_plugs),
        0.0,
    )
    checks["lowest_soc_below_zero"] = (min(0.0, float(flow.soc.min(initial=0.0))), 1e-9)
    return check_rows(checks)


def metrics_of(
    tasks: pl.DataFrame,
    turnarounds: pl.DataFrame,
    sessions: pl.DataFrame,
    stands: Mapping[str, float],
    load_kw: NDArray[np.float64],
    stand_kw: NDArray[np.float64],
    fleet: Fleet,
    plugs: Plugs,
    *,
    converter_efficiency: float,
    horizon_min: int,
    step_min: int,
) -> dict[str, tuple[float, str]]:
    """Return the metrics of a replication with their units.

    Parameters
    ----------
    tasks, turnarounds, sessions
        Records of the run.
    stands
        Totals of the stays (:func:`fleets.airport_power.stand_power`).
    load_kw, stand_kw
        Grid load of the plugs and of the fixed supply by step from minute 0 [kW].
    fleet, plugs, converter_efficiency, horizon_min, step_min
        As simulated.

    Notes
    -----
    Tasks asked for and departures due in the week count. ``missed_share``: turnarounds with a task missed by the fleet; ``delay_*``: minutes of
    departures by missing equipment, in total, per departure, 95th percentile and by cause; ``turbine_saved_t``: fuel against nobody on ground
    power; ``mobile_power_kwh``: energy that mobile ground power gives to aircraft; ``deicing_kwh``: grid energy of the de-icing tasks.
    """
    inside = tasks.filter((pl.col("asked_min") >= 0) & (pl.col("asked_min") < horizon_min))
    missed = inside.filter(pl.col("state") == "missed")
    departed = turnarounds.filter(
        pl.col("delay_min").is_not_null() & (pl.col("leave_planned_min") >= 0) & (pl.col("leave_planned_min") < horizon_min)
    )
    delays = departed["delay_min"].to_numpy()
    # sums in the order of the rows: those of a grouping may differ in the last bit from run to run
    cause = departed["cause"].to_numpy()
    waited = waits(sessions, start_min=0.0, end_min=float(horizon_min))
    busy = sessions.filter(pl.col("start_min").is_not_null()).select(
        (pl.col("end_min").fill_null(horizon_min) - pl.max_horizontal("start_min", pl.lit(0.0))).clip(0.0).sum()
    )
    equipment_kwh = float(load_kw.sum()) * step_min / _HOUR
    lost = equipment_kwh * (1.0 - plugs.efficiency) + stands["fixed_kwh"] * (1.0 - converter_efficiency)
    grid_kwh = equipment_kwh + stands["fixed_kwh"]
    served = inside.filter(pl.col("state") == "done")
    kwh = {need: float(served.filter(pl.col("needed") == need)["kwh"].sum()) for need in ("ground_power", "icing")}
    units = sum(fleet.units)
    number = stands["turnarounds"]
    return {
        "turnarounds": (number, "event"),
        "missed_share": (ratio(missed["turnaround"].n_unique(), inside["turnaround"].n_unique()), "dimensionless"),
        "missed_task_share": (ratio(missed.height, inside.height), "dimensionless"),
        "delayed_share": (ratio(float((delays > 0.0).sum()), delays.size), "dimensionless"),
        "delay_min": (float(delays.sum()), "min"),
        "delay_mean_min": (float(delays.mean()) if delays.size else 0.0, "min"),
        "delay_p95_min": (quantile(delays, 0.95), "min"),
        **{f"delay_{kind}_min": (float(delays[cause == kind].sum()), "min") for kind in fleet.kinds},
        "ground_power_share": (ratio(stands["powered"], number), "dimensionless"),
        "turbine_h": (stands["turbine_h"], "h"),
        "turbine_fuel_t": (stands["turbine_kg"] / _KG_PER_T, "t"),
        "turbine_fuel_without_t": (stands["turbine_without_kg"] / _KG_PER_T, "t"),
        "turbine_saved_t": ((stands["turbine_without_kg"] - stands["turbine_kg"]) / _KG_PER_T, "t"),
        "turbine_saved_kg_per_turnaround": (ratio(stands["turbine_without_kg"] - stands["turbine_kg"], number), "kg/event"),
        "ground_power_kwh": (stands["fixed_kwh"], "kWh"),
        "mobile_power_kwh": (kwh["ground_power"], "kWh"),
        "deicing_kwh": (kwh["icing"] / plugs.efficiency, "kWh"),
        "deiced": (float(inside.filter(pl.col("needed") == "icing")["turnaround"].n_unique()), "event"),
        "equipment_kwh": (equipment_kwh, "kWh"),
        "grid_kwh": (grid_kwh, "kWh"),
        "loss_share": (ratio(lost, grid_kwh), "dimensionless"),
        "peak_kw": (float((load_kw + stand_kw).max(initial=0.0)), "kW"),
        "wait_mean_min": (float(waited.mean()) if waited.size else 0.0, "min"),
        "wait_p50_min": (quantile(waited, 0.5), "min"),
        "wait_p95_min": (quantile(waited, 0.95), "min"),
        "queue_mean": (float(waited.sum()) / horizon_min, "veh"),
        "plug_utilisation": (ratio(float(busy.item()), plugs.count * horizon_min), "dimensionless"),
        "waiting_at_end": (float(sessions.filter(pl.col("state") == "waiting").height), "veh"),
        "electric_unit_share": (ratio(sum(fleet.electric), units), "dimensionless"),
        "electric_task_share": (
            ratio(float(served["electric_units"].sum()), float((served["units"]).sum())),
            "dimensionless",
        ),
    }
