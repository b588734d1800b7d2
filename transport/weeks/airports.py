"""Ground handling of an airport in one week: timetable, tasks, equipment of the stock's electric share, plugs, and power of aircraft on stand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.airport import Charging, Equipment, Handling, simulate_airport
from fleets.airport_power import StandPower
from fleets.airport_sizing import ServiceLimits, required_equipment
from fleets.flights import Traffic, check_schedule
from fleets.station import Plugs
from fleets.turnaround import energy_per_minute, shortest_stays, task_graphs
from transport.infrastructure import SIZES as YEAR_SIZES
from transport.infrastructure import STANDS, stand_hours
from transport.week_values import WEEKS
from transport.weeks.case import Case, CaseResult, Measure, exact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleets.airport import AirportResult
    from fleets.airport_sizing import Required
    from fleets.records import FleetResult
    from fleets.tariff import Tariff
    from fleets.turnaround import Task
    from transport.inputs import Inputs
    from transport.week_values import WeekValues

SIZES: tuple[str, ...] = ("regional", "narrow_body", "wide_body")
#: Size whose turnaround the energies of the equipment belong to.
_REFERENCE = "narrow_body"
#: Kinds whose energy follows the load of aircraft on stand.
_LIKE_GROUND_POWER = ("ground_power_unit", "air_unit")
_DAYS = 365.0
_DAYS_PER_WEEK = 7.0
_MIN_PER_H = 60.0
_KG_PER_T = 1000.0
#: Metrics of charging at night only that stand beside those of charging in gaps.
_AT_NIGHT = ("missed_share", "delay_mean_min", "delay_p95_min", "equipment_kwh", "peak_kw")
_CHARGES: dict[str, Any] = {"item": pl.String, "charges_per_day": pl.Float64}
TASK_SCHEMA: dict[str, Any] = {
    "turnaround": pl.Int64,
    "task": pl.String,
    "kind": pl.String,
    **dict.fromkeys(("asked_min", "start_min", "end_min", "delay_min"), pl.Float64),
    "state": pl.String,
}


def places(inputs: Inputs, read: WeekValues) -> list[tuple[str, str]]:
    """Return prefecture and node of the airports with movements in the year, sorted.

    Parameters
    ----------
    inputs
        Table networks/nodes: node_id, kind, area.
    read
        Values of the year.
    """
    known = known_airports(inputs)
    return sorted((area, node) for node, area in known.items() if read("airport_movements", node) > 0.0)


def known_airports(inputs: Inputs) -> dict[str, str]:
    """Return the airports that can be simulated, with their prefectures: node -> area, sorted by node.

    Parameters
    ----------
    inputs
        Table networks/nodes: node_id, kind, area; parameter airport_movements.
    """
    nodes = inputs.table("networks/nodes").filter(pl.col("kind") == "airport").select("node_id", "area")
    known = set(inputs.parameters.filter(pl.col("parameter") == "airport_movements")["subject"].to_list())
    return {str(node): str(area) for node, area in sorted(nodes.iter_rows()) if node in known}


def case(
    read: WeekValues,
    area: str,
    place: str,
    week: str,
    *,
    level: str,
    seed: int,
    tariff: Tariff,
    schedule: pl.DataFrame | None = None,
) -> Case:
    """Return the ground handling of an airport in one week.

    Parameters
    ----------
    read
        Values of the year.
    area, place
        Prefecture and airport of the network.
    week
        Representative week.
    level
        ``sample``, ``full`` or ``province``.
    seed
        Seed of the run.
    tariff
        Tariff of the energy.
    schedule
        Timetable of the week (:func:`fleets.flights.check_schedule`) instead of one made from the movements of the year: it is flown as it stands,
        whatever the season of the movements; load on stand, ice and batteries stay those of the week.

    Returns
    -------
    Case
        Ready to be simulated by any worker.
    """
    frame = read.frame(week)
    graphs = task_graphs(read.turnaround_tasks, factor=read("turnaround_task_factor"))
    shares = size_shares(read, place)
    profile = read.profiles["airport"]
    flown, load = seasons(read, week)
    daily = read("airport_movements", place) / 2.0 / _DAYS * flown
    contact = float(np.clip(read("contact_stand_share", place), 0.0, 1.0))
    flights: Traffic | pl.DataFrame = Traffic(
        turnarounds_per_day=(daily,) * (7 + frame["warmup_days"]),
        size_share=shares,
        stay_min={s: read("turnaround_time", s) for s in SIZES},
        stay_cv=read("turnaround_cv"),
        shortest_min=shortest_stays(graphs),
        contact_share=contact,
        overnight_share=float(np.clip(read("overnight_share"), 0.0, 1.0)),
        evening_h=(read("overnight_hour", "arrival_first"), read("overnight_hour", "arrival_last")),
        morning_h=(read("overnight_hour", "departure_first"), read("overnight_hour", "departure_last")),
    )
    busiest = daily * float(profile.max() / profile.sum())
    if schedule is not None:
        flights = check_schedule(schedule, SIZES, contact_share=contact)
        shares = {s: float((flights["size"] == s).sum()) / flights.height for s in SIZES}
        busiest = float(np.bincount((flights["arrive_min"].to_numpy() // 60).astype(np.int64), minlength=1).max())
    power = StandPower(
        ground_power_share=(read("bridge_power_use", STANDS[0]), read("bridge_power_use", STANDS[1])),
        load_kw={s: read("ground_power_load", s) * load for s in SIZES},
        converter_efficiency=read("ground_power_converter"),
        connect_min=read("turbine_connect_time"),
        turbine_kg_per_h={s: read("turbine_fuel_flow", s) for s in SIZES},
        turbine_share=float(np.clip(read("turbine_time_share"), 0.0, 1.0)),
        long_stay_min=read("long_stay"),
        stay_min={s: read("turnaround_time", s) for s in SIZES},
    )
    handling = Handling(
        tasks=graphs,
        power=power,
        task_cv=read("turnaround_task_cv"),
        margin_min=read("turnaround_margin"),
        icing_day_probability=icing_day_probability(read, read.week_temperature_c(area, week)),
        deicing_share=float(np.clip(read("deicing_share"), 0.0, 1.0)),
        energy_factor=dict.fromkeys(_LIKE_GROUND_POWER, load),
    )
    fleet = equipment(read, graphs, shares, busiest, read.week_temperature_c(area, week))
    units, electric = sum(e.units for e in fleet), sum(e.electric_units for e in fleet)
    plugs = Plugs(
        max(1, round(read("apron_plugs_per_unit") * electric)),
        read("charger_power", "apron"),
        1.0 - read("charging_loss", "airside_equipment"),
    )
    given = {
        "flights": flights,
        "handling": handling,
        "equipment": fleet,
        "plugs": plugs,
        "rule": Charging(
            charge_soc=read("equipment_charge_soc"),
            target_soc=read("target_soc", "airside_equipment"),
            reserve_soc=read("reserve_soc", "airside_equipment"),
            tolerance_min=read("late_tolerance", "airside_equipment"),
        ),
        "hourly_share": profile,
        "night_h": (read("equipment_night_hour", "begin"), read("equipment_night_hour", "end")),
        "variants": level != "sample",
    }
    return Case(
        "airport",
        area,
        place,
        week,
        simulate,
        given,
        seed=seed,
        replications=round(read("simulation_replications", level)),
        tariff=tariff,
        represented=float(units),
        more={
            "units": exact(units, "veh"),
            "electric_units": exact(electric, "veh"),
            "plugs": exact(plugs.count, "plug"),
            **({} if schedule is not None else accounts(read, place, week)),
        },
        **frame,
    )


def seasons(read: WeekValues, week: str) -> tuple[float, float]:
    """Return the movements of a week over those of the mean week, and the load of aircraft on ground power over that of the year.

    Parameters
    ----------
    read
        Values of the year.
    week
        Representative week.

    Notes
    -----
    The rows say how the year is shared out; one factor each gives the weeks by ``week_weight`` the movements of the year, and the turnarounds
    of the year their mean load.
    """
    rows = [(read("week_weight", w), read("airport_season", w), read("ground_power_season", w)) for w in WEEKS]
    total, flown = sum(n for n, _, _ in rows), sum(n * s for n, s, _ in rows)
    loaded = sum(n * s * p for n, s, p in rows)
    if not (flown > 0.0 and loaded > 0.0):
        return 0.0, 1.0
    return read("airport_season", week) * total / flown, read("ground_power_season", week) * flown / loaded


def accounts(read: WeekValues, place: str, week: str) -> dict[str, Measure]:
    """Return what the accounts of the year reckon for an airport, shared out to a week: ground power and fuel of the auxiliary turbines.

    Parameters
    ----------
    read
        Values of the year.
    place
        Airport.
    week
        Representative week.

    Notes
    -----
    Eq. 45. The accounts know narrow and wide bodies only and give remote stands the fixed supply; here regional aircraft have rows of their own,
    units with batteries serve remote stands (their energy is that of the equipment), and missing equipment and ice lengthen stays.
    """
    flown, load = seasons(read, week)
    turnarounds = read("airport_movements", place) / 2.0 / _DAYS * _DAYS_PER_WEEK * flown
    contact = float(np.clip(read("contact_stand_share", place), 0.0, 1.0))
    wide = float(np.clip(read("wide_body_share", place), 0.0, 1.0))
    running, connect_h = np.clip(read("turbine_time_share"), 0.0, 1.0), np.array(read("turbine_connect_time") / _MIN_PER_H)
    kwh = fuel_t = 0.0
    for stand, stand_share in zip(STANDS, (contact, 1.0 - contact), strict=True):
        use = np.clip(read("bridge_power_use", stand), 0.0, 1.0)
        for size, size_share in zip(YEAR_SIZES, (1.0 - wide, wide), strict=True):
            count, stay_h = np.array(turnarounds * stand_share * size_share), np.array(read("turnaround_time", size) / _MIN_PER_H)
            turbine_h, ground_h = (float(h) for h in stand_hours(count, use, running, stay_h, connect_h))
            fuel_t += turbine_h * read("turbine_fuel_flow", size) / _KG_PER_T
            kwh += ground_h * read("ground_power_load", size) * load / read("ground_power_converter")
    return {"ground_power_kwh_accounts": exact(kwh, "kWh"), "turbine_fuel_t_accounts": exact(fuel_t, "t")}


def size_shares(read: WeekValues, place: str) -> dict[str, float]:
    """Return the share of each aircraft size in the movements of an airport; the narrow bodies are what is left.

    Parameters
    ----------
    read
        Values of the year.
    place
        Airport.
    """
    wide = float(np.clip(read("wide_body_share", place), 0.0, 1.0))
    regional = float(np.clip(read("regional_share", place), 0.0, 1.0 - wide))
    return {"regional": regional, "narrow_body": max(0.0, 1.0 - wide - regional), "wide_body": wide}


def icing_day_probability(read: WeekValues, mean_c: float) -> float:
    """Return the probability that departures of a day have to be de-iced in a week of a mean temperature.

    Parameters
    ----------
    read
        Values of the year.
    mean_c
        Mean temperature of the week [degC].

    Notes
    -----
    The mean over normal days about the week's mean of a curve that is linear between the cold knot, the freezing knot and the limit.
    """
    knots = [read("temperature_knot", "cold"), read("temperature_knot", "freezing"), read("icing_limit")]
    values = [read("icing_day_probability", "cold"), read("icing_day_probability", "freezing"), 0.0]
    points, weights = np.polynomial.hermite_e.hermegauss(15)
    days = np.interp(mean_c + read("day_temperature_sd") * points, knots, values)
    return float(np.clip((days * weights).sum() / weights.sum(), 0.0, 1.0))


def equipment(
    read: WeekValues, graphs: Mapping[str, Sequence[Task]], shares: Mapping[str, float], busiest: float, temperature_c: float
) -> list[Equipment]:
    """Return the equipment of an airport: as many units as the busiest hour is given, the electric share of the stock among them.

    Parameters
    ----------
    read
        Values of the year.
    graphs
        Tasks by size.
    shares
        Share of each size; tasks of sizes that never come need no equipment.
    busiest
        Turnarounds of the busiest hour.
    temperature_c
        Temperature of the week [degC].
    """
    found = []
    here = {size: tasks for size, tasks in graphs.items() if shares[size] > 0.0}
    kinds = read.params.subjects("equipment_per_peak_turnaround")
    rate = energy_per_minute(graphs, _REFERENCE, {kind: read("equipment_energy", kind) for kind in kinds})
    electric = float(np.clip(read.airside_electric_share, 0.0, 1.0))
    for kind in kinds:
        most = max((t.units for tasks in here.values() for t in tasks if t.kind == kind), default=0)
        if not most:
            continue
        units = max(most, math.ceil(read("equipment_per_peak_turnaround", kind) * busiest))
        battery = read.battery("airside_equipment", read("equipment_battery", kind), temperature_c)
        found.append(Equipment(kind, units, battery, rate[kind], electric=round(electric * units)))
    return found


def simulate(case: Case) -> CaseResult:
    """Run the airport, and the same week with charging at night only where the level asks for it."""
    planned = _run(case)
    variants: dict[str, FleetResult] = {}
    more: dict[str, Measure] = {}
    if case.given["variants"]:
        at_night = replace(case.given["rule"], window_h=case.given["night_h"])
        night = variants["overnight"] = _run(case, rule=at_night).result
        found = {row["metric"]: row for row in night.summary.iter_rows(named=True)}
        more = {f"overnight_{m}": Measure(*(found[m][k] for k in ("value", "low", "high", "unit"))) for m in _AT_NIGHT}
    first = planned.turnarounds.filter((pl.col("replication") == 0) & (pl.col("arrive_min") >= 0))
    tasks = planned.result.blocks.filter((pl.col("replication") == 0) & pl.col("turnaround").is_in(first["turnaround"].implode()))
    return CaseResult(
        planned.result,
        variants=variants,
        more=more,
        tables={"turnarounds": first.drop("replication"), "turnaround_tasks": tasks.select(list(TASK_SCHEMA))},
    )


def needs(case: Case, limits: ServiceLimits) -> pl.DataFrame:
    """Return the fewest units and plugs of an all-electric fleet, with charging in gaps and at night only, for the same week.

    Parameters
    ----------
    case
        Airport and week; its units are where the search begins.
    limits
        What is called enough.

    Returns
    -------
    table
        Columns rule (``gaps``, ``overnight``), item (a kind of equipment, ``units`` for all of them, ``plugs``), number, feasible,
        charges_per_day (energy of a unit and day over what its battery holds between target and reserve), and extra_share: more than with
        charging in gaps, as a share.

    Notes
    -----
    A unit that charges at night only cannot need more than one full charge a day, so ``charges_per_day`` of the gaps says how many times as
    many units the nights take at least.
    """
    frames = []
    for name, window in (("gaps", None), ("overnight", case.given["night_h"])):
        rule = replace(case.given["rule"], window_h=window)
        found = required_equipment(
            lambda fleet, plugs, rule=rule: _run(case, equipment=fleet, plugs=plugs, rule=rule),  # type: ignore[misc]
            case.given["equipment"],
            case.given["plugs"],
            limits,
        )
        numbers = {e.kind: e.units for e in found.equipment} | {"units": found.units, "plugs": found.plugs.count}
        frames.append(
            pl.DataFrame(
                {"item": list(numbers), "number": list(numbers.values())}, schema={"item": pl.String, "number": pl.Int64}
            )
            .join(_charges(case, found, rule), on="item", how="left", maintain_order="left")
            .select(pl.lit(name).alias("rule"), "item", "number", pl.lit(found.feasible).alias("feasible"), "charges_per_day")
        )
    gaps = frames[0].select("item", pl.col("number").alias("_gaps"))
    more = pl.when(pl.col("_gaps") > 0).then(pl.col("number") / pl.col("_gaps") - 1.0).alias("extra_share")
    return pl.concat(frames).join(gaps, on="item", how="left", maintain_order="left").with_columns(more).drop("_gaps")


def _charges(case: Case, found: Required, rule: Charging) -> pl.DataFrame:
    """Return the full charges of a unit and day by kind, and of all units together; kinds without units are missing."""
    done = found.found.result.blocks.filter((pl.col("asked_min") >= 0) & (pl.col("state") == "done"))
    used = dict(done.group_by("kind").agg(pl.col("kwh").sum()).iter_rows())
    window = rule.target_soc - rule.reserve_soc
    per_day = {e.kind: used.get(e.kind, 0.0) / (_DAYS_PER_WEEK * case.replications) for e in found.equipment if e.units}
    held = {e.kind: e.units * e.battery.capacity_kwh * window for e in found.equipment if e.units}
    rows = {kind: per_day[kind] / held[kind] for kind in held}
    if held:
        rows["units"] = sum(per_day.values()) / sum(held.values())
    return pl.DataFrame({"item": list(rows), "charges_per_day": list(rows.values())}, schema=_CHARGES)


def service_limits(read: WeekValues) -> ServiceLimits:
    """Return what is called enough equipment by the rows.

    Parameters
    ----------
    read
        Values of the year.
    """
    return ServiceLimits(read("sizing_missed_limit", "airport"), read("airport_delay_limit"))


def _run(case: Case, **other: Any) -> AirportResult:
    given = {k: v for k, v in case.given.items() if k not in {"night_h", "variants"}} | other
    return simulate_airport(
        given.pop("flights"),
        given.pop("handling"),
        given.pop("equipment"),
        given.pop("plugs"),
        given.pop("rule"),
        **given,
        **case.common(),
    )
