"""Electric taxis of a city in one week: two shifts or one, stations in rings around the centre, plugs and battery swap.

A share of the packs in the swap stores (``managed_charging_share``) waits for cheaper hours, a share of the drivers at plugs keeps away from the dearest;
the same week with nobody managed is simulated beside.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from fleets.rides import Rides, rest_of_ride_km
from fleets.station import Plugs
from fleets.swap import SwapStation
from fleets.taxi_zones import place_sites, ring_zones
from fleets.taxis import Taxis, simulate_taxis, station_table
from transport.week_values import taxi_factor
from transport.weeks.case import Case, CaseResult, exact
from transport.weeks.price_plans import beside, expected_swaps, pack_plan, price_reaction

if TYPE_CHECKING:
    from fleets.records import FleetResult
    from fleets.tariff import Tariff
    from fleets.taxi_zones import Zones
    from transport.inputs import Inputs
    from transport.week_values import WeekValues

#: Rings of a city from the centre outwards; the last one takes what the shares of the others leave.
RINGS: tuple[str, ...] = ("core", "inner", "outer")
#: First angle of the plugs and of the swap stations, so that they do not stand on each other [rad].
_PLUG_TURN, _SWAP_TURN = 1.0, 2.0
#: What a plan may cost those who drive, beside the same without it.
_SERVICE = ("lost_hours_per_day", "lost_km_share", "stock_outs", "stock_out_share", "swap_wait_p95_min", "wait_p95_min", "towed")


def places(inputs: Inputs, read: WeekValues) -> list[tuple[str, str]]:
    """Return the prefectures with an electric taxi in the year, sorted; a taxi city has no place within them.

    Parameters
    ----------
    inputs
        Not needed: the stock of the year says where taxis are.
    read
        Values of the year.
    """
    del inputs
    return [(area, "") for area in sorted(read.fleets("taxi_city"))]


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

    Notes
    -----
    Where fewer taxis than the city has are simulated, the city shrinks with them: stations and taxis per km2 stay, and so do the ways to a station.
    """
    total = read.fleet("taxi_city", area).vehicles
    count = max(1, min(round(total), round(read("taxi_sample", level))))
    replications = round(read("simulation_replications", level))
    use = read.energy_by_day("taxi_city", area, week, seed, replications, "car", read("electricity_use", "taxi:battery_electric"))
    swap_share = float(np.clip(read("taxi_swap_share"), 0.0, 1.0))
    frame = read.frame(week)
    efficiency = 1.0 - read("charging_loss", "taxi")
    wanted = read("taxi_plugs_per_taxi") * count * (1.0 - swap_share)
    n_station = max(1, round(wanted / read("taxi_station_plugs"))) if swap_share < 1.0 else 0
    # a small city has a plug at least, one without any ratio has none
    least = 1 if wanted > 0.0 else 0
    station = Plugs(max(least, round(wanted / max(1, n_station))), read("charger_power", "taxi_station"), efficiency)
    swap_ratio = count * swap_share / read("taxis_per_swap_station")
    n_swap = max(1, round(swap_ratio)) if swap_share > 0.0 else 0
    # a sample may hold less than one station's taxis: then the store shrinks with them
    batteries = max(1, round(read("swap_store_batteries") * swap_ratio / max(n_swap, 1)))
    store = SwapStation(
        round(read("swap_bays")),
        batteries,
        read("swap_time", "taxi"),
        read("charger_power", "swap_store"),
        efficiency,
        max(1, round(read("swap_chargers_per_pack") * batteries)),
    )
    service = taxi_factor(read, area)
    daily = tuple(service * read("taxi_daily_distance", shift) for shift in ("double_shift", "single_shift"))
    rides = Rides(read("taxi_ride_length"), read("taxi_ride_cv"), read("taxi_empty_share"))
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
        finish_km=rest_of_ride_km(rides),
    )
    radii = ring_radii_km(read, area, min(1.0, count / total))
    core, inner = (read("taxi_station_share", ring) for ring in RINGS[:-1])
    share = [core, inner, max(0.0, 1.0 - core - inner)]
    given = {
        "taxis": taxis,
        "hourly_share": read.profiles["taxi"],
        "single_shift_hours": (round(read("taxi_single_shift_begin")), round(read("taxi_single_shift_end"))),
        "day_factor": [read("taxi_activity", week)] * use.shape[1],
        "kwh_per_km": use,
        "stations": [station] * n_station,
        "swap_stations": [store] * n_swap,
        "zones": city_zones(read, radii),
        "stations_km": place_sites(radii, share, n_station, turn=_PLUG_TURN),
        "swap_stations_km": place_sites(radii, share, n_swap, turn=_SWAP_TURN),
        "pack_plan": pack_plan(read, tariff, week) if n_swap else None,
        "reaction": price_reaction(read, tariff, week) if n_station else None,
    }
    more = {
        "service_factor": exact(service, "dimensionless"),
        # of the whole city; a sample may hold less than one
        "plug_stations": exact(wanted / count * total / read("taxi_station_plugs"), "station"),
    }
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


def ring_radii_km(read: WeekValues, area: str, part: float) -> list[float]:
    """Return the outer radii of the rings of a city [km].

    Parameters
    ----------
    read
        Values of the year.
    area
        Prefecture.
    part
        Share of its taxis that are simulated; the area of the rings shrinks with it.

    Notes
    -----
    The built-up area as a disc, times the relative radius of each ring.
    """
    disc = math.sqrt(read("built_up_area", area) * part / math.pi)
    return [disc * read("taxi_ring_radius", ring) for ring in RINGS]


def city_zones(read: WeekValues, radii_km: list[float]) -> Zones:
    """Return the rings of a city with the share of the taxis in each and their speed by hour.

    Parameters
    ----------
    read
        Values of the year.
    radii_km
        Outer radii [km].
    """
    core, inner = (read.profiles[f"taxi_{ring}"] for ring in RINGS[:-1])
    index = read.profiles["taxi_speed"]
    return ring_zones(
        RINGS,
        radii_km,
        np.stack([core, inner, 1.0 - core - inner], axis=1),
        read("taxi_speed") * index / index.mean(),
        detour=read("taxi_street_detour"),
    )


def simulate(case: Case) -> CaseResult:
    """Run the taxis of the city, and with the same demand where nobody is managed.

    Parameters
    ----------
    case
        From :func:`case`.
    """
    unmanaged = result = simulate_unmanaged(case)
    if case.given["pack_plan"] is not None or case.given["reaction"] is not None:
        result = _once(_expecting(case, unmanaged), managed=True)
    table = {"stations": station_table(result, case.given["stations"], case.given["swap_stations"])}
    if result is unmanaged:
        return CaseResult(result, tables=table)
    return CaseResult(result, variants={"unmanaged": unmanaged}, more=beside(unmanaged, _SERVICE), tables=table)


def ready(case: Case) -> Case:
    """Return the same week with what its stores expect already in their plans, for whoever simulates it many times with other plugs.

    Parameters
    ----------
    case
        From :func:`case`.

    Notes
    -----
    What a store expects comes from the week in which nobody is managed. Who swaps and who charges at plugs never meet, so that it is the same
    whatever the plugs are: that week need not be simulated each time, and only those who swap drive in it.
    """
    return case if case.given["pack_plan"] is None else _expecting(case, simulate_unmanaged(case, "swap"))


def managed_week(case: Case) -> FleetResult:
    """Return the week as it is planned, without the one in which nobody is managed where no store needs it.

    Parameters
    ----------
    case
        From :func:`case` or :func:`ready`.
    """
    return _once(ready(case), managed=True)


def simulate_unmanaged(case: Case, who: Literal["all", "plug", "swap"] = "all") -> FleetResult:
    """Return the week in which nobody is managed.

    Parameters
    ----------
    case
        From :func:`case`.
    who
        Taxis that drive, see :func:`fleets.taxis.simulate_taxis`.
    """
    return _once(case, managed=False, who=who)


def planned(case: Case) -> CaseResult:
    """Run the taxis as they are planned, without what stands beside that.

    Parameters
    ----------
    case
        From :func:`case`.
    """
    return CaseResult(managed_week(case))


def _expecting(case: Case, unmanaged: FleetResult) -> Case:
    plan, stores = case.given["pack_plan"], case.given["swap_stations"]
    if plan is None:
        return case
    usual = expected_swaps(unmanaged, [f"swap_{i}" for i in range(len(stores))])
    planned = [replace(store, plan=replace(plan, expected_per_h=swaps)) for store, swaps in zip(stores, usual, strict=True)]
    return replace(case, given={**case.given, "pack_plan": None, "swap_stations": planned})


def _once(case: Case, *, managed: bool, who: Literal["all", "plug", "swap"] = "all") -> FleetResult:
    given = {k: v for k, v in case.given.items() if k not in {"taxis", "pack_plan", "reaction"}}
    reaction = case.given["reaction"] if managed else None
    return simulate_taxis(case.given["taxis"], **given, reaction=reaction, who=who, **case.common())
