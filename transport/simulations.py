"""Representative weeks in SimPy: a bus depot, a taxi city and an airport with their charging, from the same rows as the year model.

Weeks (winter, summer, shoulder, holiday) stand for a number of weeks of the year; row ``year`` of the summary weighs them. Energy per km, losses,
battery sizes and the temperature response are the rows of the vehicle model, so nothing is counted twice; what comes back are waits, peaks,
service and the energy and loss factors. Every number comes from individually present vehicles: their count, the events and the scale stand in
each row. Buses and taxis are the electric ones of the stock, at the distance that the accounts give them: profiles, shifts and seasons shape
the year, and one factor for all weeks (``service_factor``) gives it the right length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.airport import Apron, Equipment, GapCharging, simulate_airport
from fleets.depot import Buses, ValleyFirst, bus_blocks, full_recharge_fleet, simulate_bus_depot
from fleets.records import DAY_MIN, FleetResult, sample_sessions, year_rows
from fleets.station import Plugs
from fleets.tariff import energy_bill
from fleets.taxis import SwapStation, Taxis, simulate_taxis
from transport import pool
from transport.params import seed_for
from transport.week_values import MIN_PER_H, WEEKS, WeekValues, bus_factor, bus_hours, day_factor, taxi_factor, week_tariff

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fleets.tariff import Tariff
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


@dataclass(frozen=True)
class _Case:
    """One system in one week, ready to run; it carries everything, so that any worker returns the same."""

    system: str
    area: str
    week: str
    seed: int
    replications: int
    warmup_days: int
    step_min: int
    confidence: float
    tariff: Tariff
    monday: datetime
    scale_total: float
    depots: int
    given: Mapping[str, Any]
    extra: dict[str, tuple[float, str]] = field(default_factory=dict)


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
        _CASES[system](read, area, node, week, level, seed, tariff)
        for system, area, node in (SAMPLE if level == "sample" else FULL)
        for week in WEEKS
    ]
    results = pool.map(_simulate, cases, workers=workers if workers is not None else (1 if level == "sample" else None))
    return _outcome(cases, results, {w: read("week_weight", w) for w in WEEKS})


# --- the three systems --------------------------------------------------------------------------------------------------------------


def _depot_case(read: WeekValues, area: str, _node: str, week: str, level: str, seed: int, tariff: Tariff) -> _Case:
    count = round(read("depot_buses"))
    total = read.fleet("bus_depot", area).vehicles
    # in a full run every replication is one depot of the city
    replications = round(read("simulation_replications", "sample")) if level == "sample" else max(2, round(total / count))
    mean_c = read.week_temperature_c(area, week)
    battery = read.battery("urban_bus", read("battery_capacity", "urban_bus:battery_electric"), mean_c)
    base = read("electricity_use", "urban_bus:battery_electric")
    use = read.energy_by_day("bus_depot", area, week, seed, replications, "bus", base)
    profile, speed = bus_hours(read)
    service = bus_factor(read, area)
    # planners relieve a bus before its range ends
    range_km = (
        read("bus_range_margin")
        * battery.capacity_kwh
        * (read("target_soc", "urban_bus") - read("reserve_soc", "urban_bus"))
        / float(use.mean())
    )
    piece = min(read("bus_longest_piece") * MIN_PER_H, range_km / float(speed[profile > 0].mean()))
    frame = read.frame(week)
    warmup = frame["warmup_days"]
    blocks = []
    for replication in range(replications):
        rng = np.random.default_rng(seed_for(seed, f"simulate:bus_depot:{area}:{week}:blocks", replication))
        blocks.append(
            bus_blocks(
                count,
                profile,
                day_factor=service * day_factor(read, week, warmup),
                peak_out_share=read("bus_peak_out_share"),
                longest_piece_min=piece,
                km_per_min=speed,
                kwh_per_km=use[replication],
                rng=rng,
                first_day=-warmup,
            )
        )
    plugs = max(1, round(read("depot_plugs_per_bus") * count))
    power = read("charger_power", "depot")
    efficiency = 1.0 - read("charging_loss", "urban_bus")
    site = Plugs(plugs, power, efficiency, read("depot_feeder_share") * plugs * power / efficiency, read("charger_module_power"))
    rules = Buses(
        count=count,
        battery=battery,
        energy_cv=read("block_energy_cv", "urban_bus"),
        target_soc=read("target_soc", "urban_bus"),
        reserve_soc=read("reserve_soc", "urban_bus"),
        turnaround_min=read("depot_turnaround"),
        late_tolerance_min=read("late_tolerance", "urban_bus"),
    )
    policy = ValleyFirst(
        share=float(np.clip(read("managed_charging_share", "bus_depot"), 0.0, 1.0)),
        windows=tariff.windows("valley", read.month(week)),
        fill_share=read("valley_fill_share"),
        margin_min=read("departure_margin"),
    )
    given = {"buses": rules, "blocks": blocks, "plugs": site, "policy": policy}
    extra = {
        "minimum_fleet_full_recharge": (float(np.mean([full_recharge_fleet(b, rules, site) for b in blocks])), "veh"),
        "longest_piece_h": (piece / MIN_PER_H, "h"),
        "service_factor": (service, "dimensionless"),
    }
    depots = 1 if level == "sample" else replications
    return _Case(
        "bus_depot",
        area,
        week,
        seed,
        replications,
        scale_total=total,
        depots=depots,
        tariff=tariff,
        given=given,
        extra=extra,
        **frame,
    )


def _taxi_case(read: WeekValues, area: str, _node: str, week: str, level: str, seed: int, tariff: Tariff) -> _Case:
    total = read.fleet("taxi_city", area).vehicles
    count = max(1, min(round(total), round(read("taxi_sample", level))))
    replications = round(read("simulation_replications", level))
    use = read.energy_by_day("taxi_city", area, week, seed, replications, "car", read("electricity_use", "taxi:battery_electric"))
    swap_share = float(np.clip(read("taxi_swap_share"), 0.0, 1.0))
    frame = read.frame(week)
    efficiency = 1.0 - read("charging_loss", "taxi")
    wanted = read("taxi_plugs_per_taxi") * count * (1.0 - swap_share)
    n_station = max(1, round(wanted / read("taxi_station_plugs")))
    station = Plugs(max(1, round(wanted / n_station)), read("charger_power", "taxi_station"), efficiency)
    swap_ratio = count * swap_share / read("taxis_per_swap_station")
    n_swap = max(1, round(swap_ratio)) if swap_share > 0.0 else 0
    # a sample may hold less than one station's taxis: then the store shrinks with them
    batteries = max(1, round(read("swap_store_batteries") * swap_ratio / max(n_swap, 1)))
    store = SwapStation(
        round(read("swap_bays")), batteries, read("swap_time", "taxi"), read("charger_power", "swap_store"), efficiency
    )
    service = taxi_factor(read, area)
    daily = tuple(service * read("taxi_daily_distance", shift) for shift in ("double_shift", "single_shift"))
    taxis = Taxis(
        count=count,
        battery=read.battery("taxi", read("battery_capacity", "taxi:battery_electric"), read.week_temperature_c(area, week)),
        double_shift_share=read("taxi_double_shift_share"),
        km_per_day=(daily[0], daily[1]),
        energy_cv=read("block_energy_cv", "taxi"),
        charge_soc=read("taxi_charge_soc"),
        block_cv=read("taxi_block_cv"),
        target_soc=read("target_soc", "taxi"),
        reserve_soc=read("reserve_soc", "taxi"),
        swap_share=swap_share,
        access_min=read("taxi_access_time"),
        looked_up=round(read("taxi_stations_compared")),
    )
    given = {
        "taxis": taxis,
        "hourly_share": read.profiles["taxi"],
        "single_shift_hours": (round(read("taxi_single_shift_begin")), round(read("taxi_single_shift_end"))),
        "day_factor": [read("taxi_activity", week)] * use.shape[1],
        "kwh_per_km": use,
        "stations": [station] * n_station if swap_share < 1.0 else [],
        "swap_stations": [store] * n_swap,
    }
    extra = {"service_factor": (service, "dimensionless")}
    return _Case(
        "taxi_city", area, week, seed, replications, scale_total=total, depots=1, tariff=tariff, given=given, extra=extra, **frame
    )


def _airport_case(read: WeekValues, area: str, node: str, week: str, level: str, seed: int, tariff: Tariff) -> _Case:
    frame = read.frame(week)
    days = 7 + frame["warmup_days"]
    daily = read("airport_movements", node) / 2.0 / 365.0 * read("airport_season", week)
    profile = read.profiles["airport"]
    busiest = daily * float(profile.max() / profile.sum())
    factor = round(read("wide_body_equipment_factor"))
    wide_share = read("wide_body_share", node)
    most = factor if wide_share > 0.0 else 1
    equipment = []
    for kind in read.params.subjects("equipment_per_turnaround"):
        per = round(read("equipment_per_turnaround", kind))
        nominal = read("equipment_battery", kind)
        equipment.append(
            Equipment(
                kind=kind,
                units=max(per * most, math.ceil(read("equipment_per_peak_turnaround", kind) * busiest)),
                battery=read.battery("airside_equipment", nominal, read.week_temperature_c(area, week)),
                operation_min=read("equipment_time", kind),
                kwh=read("equipment_energy", kind),
                per_turnaround=per,
                stands="remote" if kind == "apron_bus" else "all",
                offset_min=read("equipment_offset", kind),
            )
        )
    units = sum(e.units for e in equipment)
    season = read("ground_power_season", week)
    share = float(np.clip(read("turbine_time_share"), 0.0, 1.0))
    apron = Apron(
        turnarounds_per_day=(daily,) * days,
        contact_share=read("contact_stand_share", node),
        wide_share=wide_share,
        turnaround_min=(read("turnaround_time", "narrow_body"), read("turnaround_time", "wide_body")),
        turnaround_cv=read("turnaround_cv"),
        ground_power_share=(read("bridge_power_use", "contact_stand"), read("bridge_power_use", "remote_stand")),
        ground_power_kw=(read("ground_power_load", "narrow_body") * season, read("ground_power_load", "wide_body") * season),
        converter_efficiency=read("ground_power_converter"),
        connect_min=read("turbine_connect_time"),
        turbine_kg_per_h=(read("turbine_fuel_flow", "narrow_body") * share, read("turbine_fuel_flow", "wide_body") * share),
        wide_factor=factor,
    )
    plugs = max(1, round(read("apron_plugs_per_unit") * units))
    given = {
        "apron": apron,
        "equipment": equipment,
        "plugs": Plugs(plugs, read("charger_power", "apron"), 1.0 - read("charging_loss", "airside_equipment")),
        "rule": GapCharging(
            charge_soc=read("equipment_charge_soc"),
            target_soc=read("target_soc", "airside_equipment"),
            reserve_soc=read("reserve_soc", "airside_equipment"),
            tolerance_min=read("late_tolerance", "airside_equipment"),
        ),
        "hourly_share": profile,
    }
    replications = round(read("simulation_replications", level))
    return _Case(
        "airport", area, week, seed, replications, scale_total=float(units), depots=1, tariff=tariff, given=given, **frame
    )


_CASES = {"bus_depot": _depot_case, "taxi_city": _taxi_case, "airport": _airport_case}


# --- running and summing up ---------------------------------------------------------------------------------------------------------


def _simulate(case: _Case) -> tuple[FleetResult, FleetResult | None]:
    """Run one case; for a depot also the first replication without managed charging (common random numbers)."""
    seeds = [seed_for(case.seed, f"simulate:{case.system}:{case.area}:{case.week}", r) for r in range(case.replications)]
    common: dict[str, Any] = {
        "seeds": seeds,
        "warmup_min": case.warmup_days * DAY_MIN,
        "step_min": case.step_min,
        "confidence": case.confidence,
    }
    given = dict(case.given)
    if case.system == "bus_depot":
        rules, blocks, plugs, policy = (given[k] for k in ("buses", "blocks", "plugs", "policy"))
        managed = simulate_bus_depot(rules, blocks, plugs, policy=policy, **common)
        if policy.share <= 0.0:
            return managed, managed
        common["seeds"] = seeds[:1]
        return managed, simulate_bus_depot(rules, blocks[:1], plugs, **common)
    if case.system == "taxi_city":
        return simulate_taxis(given.pop("taxis"), **given, **common), None
    return simulate_airport(
        given.pop("apron"), given.pop("equipment"), given.pop("plugs"), given.pop("rule"), **given, **common
    ), None


def _outcome(
    cases: list[_Case], results: list[tuple[FleetResult, FleetResult | None]], weights: dict[str, float]
) -> SimulationOutcome:
    summary: list[pl.DataFrame] = []
    records: list[pl.DataFrame] = []
    loads: list[pl.DataFrame] = []
    checks: list[pl.DataFrame] = []
    for case, (result, twin) in zip(cases, results, strict=True):
        summary.append(_summary(case, result, twin))
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


def _summary(case: _Case, result: FleetResult, twin: FleetResult | None) -> pl.DataFrame:
    load = result.load_kw.mean(axis=0)
    bill = energy_bill(load, case.monday.replace(tzinfo=None), case.tariff, step_min=case.step_min)
    peak_share, valley_share = _period_share(bill.energy, ("sharp", "peak")), _period_share(bill.energy, ("valley",))
    cost = (bill.energy_cny + bill.demand_cny * _MONTHS_PER_WEEK) / bill.kwh if bill.kwh else 0.0
    more = {
        "electricity_cny_per_kwh": (cost, "CNY/kWh"),
        "peak_period_share": (peak_share, "dimensionless"),
        "valley_share": (valley_share, "dimensionless"),
        **case.extra,
    }
    if twin is not None:
        before = energy_bill(twin.load_kw[0], case.monday.replace(tzinfo=None), case.tariff, step_min=case.step_min)
        first = energy_bill(result.load_kw[0], case.monday.replace(tzinfo=None), case.tariff, step_min=case.step_min)
        unmanaged, managed = (_period_share(b.energy, ("sharp", "peak")) for b in (before, first))
        more["peak_period_share_unmanaged"] = (unmanaged, "dimensionless")
        more["peak_response_share"] = (1.0 - managed / unmanaged if unmanaged else 0.0, "dimensionless")
        more["peak_kw_unmanaged"] = (twin.value("peak_kw"), "kW")
    added = pl.DataFrame(
        {"metric": list(more), "value": [v for v, _ in more.values()], "unit": [u for _, u in more.values()]},
        schema={"metric": pl.String, "value": pl.Float64, "unit": pl.String},
    )
    table = pl.concat([result.summary.drop("replications"), added], how="diagonal")
    present = result.vehicles * case.depots
    return table.with_columns(
        pl.lit(case.system).alias("system"),
        pl.lit(case.week).alias("week"),
        pl.lit(case.area).alias("area"),
        pl.lit(present).cast(pl.Int64).alias("vehicles"),
        pl.lit(result.events).cast(pl.Int64).alias("events"),
        pl.lit(case.scale_total / present).cast(pl.Float64).alias("scale"),
    ).select(list(_SUMMARY_SCHEMA))


def _period_share(energy: pl.DataFrame, periods: tuple[str, ...]) -> float:
    total = float(energy["kwh"].sum())
    return float(energy.filter(pl.col("period").is_in(periods))["kwh"].sum()) / total if total else 0.0
