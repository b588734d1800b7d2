"""Bus depots of a city in one week: blocks from the service profile, plugs and feeder from the rows, charging at once or managed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fleets.depot import Buses, ValleyFirst, bus_blocks, full_recharge_fleet, simulate_bus_depot
from fleets.station import Plugs
from transport.params import seed_for
from transport.week_values import MIN_PER_H, bus_factor, bus_hours, day_factor
from transport.weeks.case import Case, CaseResult, exact, measured

if TYPE_CHECKING:
    from fleets.tariff import Tariff
    from transport.week_values import WeekValues


def case(read: WeekValues, area: str, place: str, week: str, *, level: str, seed: int, tariff: Tariff) -> Case:
    """Return the depots of a city's electric buses in one week.

    Parameters
    ----------
    read
        Values of the year.
    area, place
        Prefecture and no place: depots are not told apart.
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
    more = {
        "minimum_fleet_full_recharge": measured(
            [float(full_recharge_fleet(b, rules, site)) for b in blocks], "veh", frame["confidence"]
        ),
        "longest_piece_h": exact(piece / MIN_PER_H, "h"),
        "service_factor": exact(service, "dimensionless"),
    }
    return Case(
        "bus_depot",
        area,
        place,
        week,
        simulate,
        given,
        seed=seed,
        replications=replications,
        tariff=tariff,
        represented=total,
        sites=1 if level == "sample" else replications,
        more=more,
        **frame,
    )


def simulate(case: Case) -> CaseResult:
    """Run the depots with their rule, and with the same demand where everybody charges at once."""
    rules, blocks, plugs, policy = (case.given[k] for k in ("buses", "blocks", "plugs", "policy"))
    managed = simulate_bus_depot(rules, blocks, plugs, policy=policy, **case.common())
    unmanaged = managed
    if policy.share > 0.0:
        unmanaged = simulate_bus_depot(rules, blocks, plugs, policy=replace(policy, share=0.0), **case.common())
    return CaseResult(managed, variants={"unmanaged": unmanaged})
