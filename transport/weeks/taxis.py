"""Electric taxis of a city in one week: two shifts or one, plugs and battery swap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fleets.station import Plugs
from fleets.taxis import SwapStation, Taxis, simulate_taxis
from transport.week_values import taxi_factor
from transport.weeks.case import Case, CaseResult, exact

if TYPE_CHECKING:
    from fleets.tariff import Tariff
    from transport.week_values import WeekValues


def case(read: WeekValues, area: str, place: str, week: str, *, level: str, seed: int, tariff: Tariff) -> Case:
    """Return the electric taxis of a city in one week.

    Parameters
    ----------
    read
        Values of the year.
    area, place
        Prefecture and no place: stations belong to the city.
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
    more = {"service_factor": exact(service, "dimensionless")}
    return Case(
        "taxi_city",
        area,
        place,
        week,
        simulate,
        given,
        seed=seed,
        replications=replications,
        tariff=tariff,
        represented=total,
        more=more,
        **frame,
    )


def simulate(case: Case) -> CaseResult:
    """Run the taxis of the city."""
    given = dict(case.given)
    return CaseResult(simulate_taxis(given.pop("taxis"), **given, **case.common()))
