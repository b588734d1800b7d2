"""Representative weeks in SimPy: a bus depot, a taxi city and an airport with their charging, from the same rows as the year model.

Weeks (winter, summer, shoulder, holiday) stand for a number of weeks of the year; row ``year`` of the summary weighs them. Energy per km, losses,
battery sizes and the temperature response are the rows of the vehicle model, so nothing is counted twice; what comes back are waits, peaks,
service and the energy and loss factors. Every number comes from individually present vehicles: their count, the events and the scale stand in
each row. Buses and taxis are the electric ones of the stock, at the distance that the accounts give them: profiles, shifts and seasons shape
the year, and one factor for all weeks (``service_factor``) gives it the right length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.records import sample_sessions, year_rows
from fleets.tariff import energy_bill
from transport import pool
from transport.week_values import WEEKS, WeekValues, week_tariff
from transport.weeks import airports, bus_depots, taxis
from transport.weeks.case import Builder, Case, CaseResult, Measure, measured

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fleets.records import FleetResult
    from transport.inputs import Inputs
    from transport.params import Params
    from transport.week_values import CityFleet

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
#: Charging sessions per system and week that are kept for plots.
_SESSIONS_KEPT = 400
_HOURS_PER_WEEK = 168
_MONTHS_PER_WEEK = 12 / (365.25 / 7)

_SUMMARY_SCHEMA: dict[str, Any] = {
    "system": pl.String,
    "week": pl.String,
    "area": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "unit": pl.String,
    "vehicles": pl.Int64,
    "events": pl.Int64,
    "scale": pl.Float64,
}
_RECORD_SCHEMA: dict[str, Any] = {
    "system": pl.String,
    "week": pl.String,
    "area": pl.String,
    "vehicle": pl.Int64,
    "start_min": pl.Float64,
    "end_min": pl.Float64,
    "kwh": pl.Float64,
    "wait_min": pl.Float64,
}
_LOAD_SCHEMA: dict[str, Any] = {"system": pl.String, "week": pl.String, "area": pl.String, "hour": pl.Int64, "kw": pl.Float64}
_CHECK_SCHEMA: dict[str, Any] = {"check": pl.String, "value": pl.Float64, "limit": pl.Float64, "passed": pl.Boolean}

#: How a week's metric becomes a year's: ``sum`` over weeks x weight, ``max``, or the mean weighted by another metric of the week.
_YEARLY: dict[str, str] = {
    "blocks": "sum",
    "km": "sum",
    "grid_kwh": "sum",
    "turnarounds": "sum",
    "turbine_fuel_t": "sum",
    "ground_power_kwh": "sum",
    "equipment_kwh": "sum",
    "peak_kw": "max",
    "energy_kwh_per_km": "km",
    "loss_share": "grid_kwh",
    "served_share": "blocks",
    "beyond_battery_share": "blocks",
    "missed_share": "turnarounds",
    "ground_power_share": "turnarounds",
    "lost_km_share": "km",
    "electricity_cny_per_kwh": "grid_kwh",
    "peak_period_share": "grid_kwh",
    "valley_share": "grid_kwh",
    "peak_response_share": "grid_kwh",
}


@dataclass(frozen=True)
class SimulationOutcome:
    """Result of the representative weeks.

    Attributes
    ----------
    summary
        Columns system, week, area, metric, value, low, high, unit, vehicles, events, scale. ``vehicles`` are simulated one by one, ``scale``
        is how many real vehicles (or depots' worth of them) each stands for; values are those of the simulated ones, not scaled.
    records
        Sample of charging sessions: system, week, area, vehicle, start_min, end_min, kwh (grid), wait_min.
    load_profile
        Mean grid load of the simulated vehicles: system, week, area, hour (0-167 from Monday 00:00), kw.
    checks
        Columns check, value, limit, passed.
    """

    summary: pl.DataFrame
    records: pl.DataFrame
    load_profile: pl.DataFrame
    checks: pl.DataFrame


def simulate_weeks(
    inputs: Inputs,
    params: Params,
    fleets: Mapping[tuple[str, str], CityFleet],
    *,
    year: int,
    seed: int,
    level: str = "sample",
    workers: int | None = None,
) -> SimulationOutcome:
    """Simulate the representative weeks of one year.

    Parameters
    ----------
    inputs
        Tables tou_periods, fleets/duty_profiles and fleets/climate.
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
        return SimulationOutcome(
            *(pl.DataFrame(schema=s) for s in (_SUMMARY_SCHEMA, _RECORD_SCHEMA, _LOAD_SCHEMA, _CHECK_SCHEMA))
        )
    read = WeekValues(inputs, params, fleets, year)
    tariff = week_tariff(inputs, read)
    cases = [
        _CASES[system](read, area, place, week, level=level, seed=seed, tariff=tariff)
        for system, area, place in (SAMPLE if level == "sample" else FULL)
        for week in WEEKS
    ]
    results = pool.map(_simulate, cases, workers=workers if workers is not None else (1 if level == "sample" else None))
    return _outcome(cases, results, {w: read("week_weight", w) for w in WEEKS})


#: System -> what makes its case of one week.
_CASES: dict[str, Builder] = {"bus_depot": bus_depots.case, "taxi_city": taxis.case, "airport": airports.case}


def _simulate(case: Case) -> CaseResult:
    return case.simulate(case)


def _outcome(cases: list[Case], results: list[CaseResult], weights: dict[str, float]) -> SimulationOutcome:
    summary: list[pl.DataFrame] = []
    records: list[pl.DataFrame] = []
    loads: list[pl.DataFrame] = []
    checks: list[pl.DataFrame] = []
    for case, outcome in zip(cases, results, strict=True):
        result = outcome.result
        summary.append(_summary(case, outcome))
        kept = sample_sessions(result, at_most=_SESSIONS_KEPT)
        named = (pl.lit(v).alias(k) for k, v in (("system", case.system), ("week", case.week), ("area", case.area)))
        records.append(kept.with_columns(named).select(list(_RECORD_SCHEMA)))
        hourly = result.load_kw.mean(axis=0).reshape(_HOURS_PER_WEEK, -1).mean(axis=1)
        loads.append(
            pl.DataFrame(
                {"system": case.system, "week": case.week, "area": case.area, "hour": np.arange(_HOURS_PER_WEEK), "kw": hourly},
                schema=_LOAD_SCHEMA,
            )
        )
        name = pl.lit(f"simulation.{case.system}.{case.area}.{case.week}.") + pl.col("check")
        worst = result.checks.group_by("check").agg(pl.col("value").abs().max(), pl.col("limit").max(), pl.col("passed").all())
        checks.append(worst.with_columns(name.alias("check")).sort("check"))
    frame = pl.concat(summary)
    frame = pl.concat([frame, year_rows(frame, weights, _YEARLY)])
    order = {w: i for i, w in enumerate((*WEEKS, "year"))}
    rank = pl.col("week").replace_strict(order, return_dtype=pl.Int64)
    return SimulationOutcome(
        summary=frame.sort(["system", "area", rank, "metric"]),
        records=pl.concat(records).sort("system", "area", "week", "start_min", "vehicle"),
        load_profile=pl.concat(loads).sort("system", "area", "week", "hour"),
        checks=pl.concat(checks).sort("check"),
    )


def _summary(case: Case, outcome: CaseResult) -> pl.DataFrame:
    result = outcome.result
    more = {**_bill(case, result), **case.more, **outcome.more}
    twin = outcome.variants.get("unmanaged")
    if twin is not None:
        shares = [[_peak_share(case, load) for load in run.load_kw] for run in (result, twin)]
        answered = [1.0 - m / u if u else 0.0 for m, u in zip(*shares, strict=True)]
        more["peak_period_share_unmanaged"] = measured(shares[1], "dimensionless", case.confidence)
        more["peak_response_share"] = measured(answered, "dimensionless", case.confidence)
        peak = twin.summary.row(by_predicate=pl.col("metric") == "peak_kw", named=True)
        more["peak_kw_unmanaged"] = Measure(peak["value"], peak["low"], peak["high"], peak["unit"])
    added = pl.DataFrame(
        [(name, *measure) for name, measure in more.items()],
        schema={"metric": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64, "unit": pl.String},
        orient="row",
    )
    table = pl.concat([result.summary.drop("replications"), added], how="diagonal")
    present = result.vehicles * case.sites
    return table.with_columns(
        pl.lit(case.system).alias("system"),
        pl.lit(case.week).alias("week"),
        pl.lit(case.area).alias("area"),
        pl.lit(present).cast(pl.Int64).alias("vehicles"),
        pl.lit(result.events).cast(pl.Int64).alias("events"),
        pl.lit(case.represented / present).cast(pl.Float64).alias("scale"),
    ).select(list(_SUMMARY_SCHEMA))


def _bill(case: Case, result: FleetResult) -> dict[str, Measure]:
    """Return price and period shares of the energy; each replication pays its own bill."""
    bills = [energy_bill(load, case.monday.replace(tzinfo=None), case.tariff, step_min=case.step_min) for load in result.load_kw]
    costs = [(b.energy_cny + b.demand_cny * _MONTHS_PER_WEEK) / b.kwh if b.kwh else 0.0 for b in bills]
    return {
        "electricity_cny_per_kwh": measured(costs, "CNY/kWh", case.confidence),
        "peak_period_share": measured(
            [_period_share(b.energy, ("sharp", "peak")) for b in bills], "dimensionless", case.confidence
        ),
        "valley_share": measured([_period_share(b.energy, ("valley",)) for b in bills], "dimensionless", case.confidence),
    }


def _peak_share(case: Case, load_kw: NDArray[np.float64]) -> float:
    bill = energy_bill(load_kw, case.monday.replace(tzinfo=None), case.tariff, step_min=case.step_min)
    return _period_share(bill.energy, ("sharp", "peak"))


def _period_share(energy: pl.DataFrame, periods: tuple[str, ...]) -> float:
    total = float(energy["kwh"].sum())
    return float(energy.filter(pl.col("period").is_in(periods))["kwh"].sum()) / total if total else 0.0
