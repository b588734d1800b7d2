"""Ground handling of an airport in one week: electric equipment, plugs, and aircraft on bridge power or on their own turbine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fleets.airport import Apron, Equipment, GapCharging, simulate_airport
from fleets.station import Plugs
from transport.weeks.case import Case, CaseResult

if TYPE_CHECKING:
    from fleets.tariff import Tariff
    from transport.week_values import WeekValues


def case(read: WeekValues, area: str, place: str, week: str, *, level: str, seed: int, tariff: Tariff) -> Case:
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

    Returns
    -------
    Case
        Ready to be simulated by any worker.
    """
    frame = read.frame(week)
    days = 7 + frame["warmup_days"]
    daily = read("airport_movements", place) / 2.0 / 365.0 * read("airport_season", week)
    profile = read.profiles["airport"]
    busiest = daily * float(profile.max() / profile.sum())
    factor = round(read("wide_body_equipment_factor"))
    wide_share = read("wide_body_share", place)
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
        contact_share=read("contact_stand_share", place),
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
    return Case(
        "airport",
        area,
        place,
        week,
        simulate,
        given,
        seed=seed,
        replications=replications,
        tariff=tariff,
        represented=float(units),
        **frame,
    )


def simulate(case: Case) -> CaseResult:
    """Run the airport."""
    given = dict(case.given)
    return CaseResult(
        simulate_airport(
            given.pop("apron"), given.pop("equipment"), given.pop("plugs"), given.pop("rule"), **given, **case.common()
        )
    )
