"""Energy stations of trucks on the freight network in one week: who drives past by the assigned flows, what they take, and how they queue.

The demand of the year is :mod:`transport.weeks.corridor_demand`; the weeks share it out and add nothing to it. Trucks at plugs, gas and hydrogen cannot wait for
hours; exchange packs can (``managed_charging_share`` of swap stores), and then the same week is simulated without it beside.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fleets.corridor import simulate_corridor
from fleets.corridor_arrivals import corridor_arrivals
from transport.week_values import WEEKS
from transport.weeks.case import Case, CaseResult, exact
from transport.weeks.corridor_demand import ELECTRIC, CorridorDemand, corridor_demand, open_sites
from transport.weeks.price_plans import beside, pack_plan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fleets.battery import Battery
    from fleets.corridor import CorridorResult
    from fleets.records import FleetResult
    from fleets.tariff import Tariff
    from transport.inputs import Inputs
    from transport.week_values import WeekValues

__all__ = ["SYSTEM", "CorridorDemand", "case", "corridor_demand", "managed_week", "places", "simulate", "week_arrivals"]

SYSTEM = "truck_corridor"
#: What a scale of the places acts on: everything a station has more of when it is larger.
_SCALED = ("places", "packs", "pack_chargers", "store_kg", "supply_kg_per_h")
_WHOLE = ("places", "packs", "pack_chargers")
_HOUR_COLUMNS = ("station", "energy", "hour", "arrivals", "served", "queue_mean", "wait_mean_min", "lost", "kw", "capacity_per_h")
#: Largest spread of the charges over the one that leaves only empty and full batteries.
_WIDEST = 0.9
#: What waiting packs may cost the trucks, beside the same without it.
_SERVICE = ("swap_lost", "swap_served_share", "swap_wait_p95_min")
_KNOTS = ("cold", "freezing", "mild", "hot")


def places(inputs: Inputs, read: WeekValues) -> list[tuple[str, str]]:
    """Return (area, station) of the stations that are open in the year, sorted.

    Parameters
    ----------
    inputs
        Table networks/energy_stations.
    read
        Values of the year.
    """
    return sorted(set(open_sites(inputs, read.year).select("area", "station").iter_rows()))


def case(read: WeekValues, area: str, place: str, week: str, *, level: str, seed: int, tariff: Tariff) -> Case:
    """Return one energy station of trucks in one week.

    Parameters
    ----------
    read
        Values of the year; ``given["truck_corridor"]`` holds the demand by station (:func:`corridor_demand`).
    area, place
        Prefecture and station.
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

    Raises
    ------
    ValueError
        If the demand of the station is not given.
    """
    given: Mapping[str, CorridorDemand] = read.given.get(SYSTEM, {})
    if place not in given:
        msg = f"no truck flows are given for station {place!r} in {read.year}; make them with corridor_demand, there are {', '.join(given)}"
        raise ValueError(msg)
    demand = given[place]
    mean_c = read.week_temperature_c(area, week)
    batteries = {e: read.battery("truck", c, mean_c) for e, c in demand.capacity_kwh.items()}
    arrivals = week_arrivals(read, demand, batteries, area, week)
    expected = max(1.0, round(float(arrivals["vehicles_per_h"].sum())))
    frame = read.frame(week)
    stations = _equipment(read, demand)
    packs = stations.filter(pl.col("energy") == "swap", pl.col("packs") > 0.0)
    return Case(
        SYSTEM,
        area,
        place,
        week,
        simulate,
        {
            "stations": stations,
            "arrivals": arrivals,
            "batteries": batteries,
            "full_soc": read("target_soc", "truck"),
            "efficiency": demand.efficiency,
            "pack_plan": None if packs.is_empty() else pack_plan(read, tariff, week),
        },
        seed=seed,
        replications=round(read("simulation_replications", level)),
        tariff=tariff,
        represented=expected,
        more={f"{e}_share_of_trucks": exact(share, "dimensionless") for e, share in demand.share_of_trucks.items()},
        **frame,
    )


def simulate(case: Case) -> CaseResult:
    """Run the station, and with the same demand where no pack waits for a cheaper hour.

    Parameters
    ----------
    case
        From :func:`case`.
    """
    found = _once(case)
    table = {"station_hours": found.station_hours.select(_HOUR_COLUMNS)}
    if case.given["pack_plan"] is None:
        return CaseResult(found.result, tables=table)
    plain = _once(replace(case, given={**case.given, "pack_plan": None})).result
    return CaseResult(found.result, variants={"unmanaged": plain}, more=beside(plain, _SERVICE), tables=table)


def managed_week(case: Case) -> FleetResult:
    """Return the week as it is planned, without the one where no pack waits.

    Parameters
    ----------
    case
        From :func:`case`.
    """
    return _once(case).result


def _once(case: Case) -> CorridorResult:
    given = dict(case.given)
    return simulate_corridor(given.pop("stations"), given.pop("arrivals"), **given, **case.common())


def week_arrivals(
    read: WeekValues, demand: CorridorDemand, batteries: Mapping[str, Battery], area: str, week: str
) -> pl.DataFrame:
    """Return the visits of a station by energy and hour of one week, with spread and patience, as the simulation takes them.

    Parameters
    ----------
    read
        Values of the year.
    demand
        Trucks that drive past.
    batteries
        Battery of the week by energy: a cold one is emptier sooner, and its trucks stop more often.
    area
        Prefecture, for the temperature.
    week
        Representative week.

    Notes
    -----
    The weeks, weighed by ``week_weight``, take exactly the en-route energy of the year: days of a week count by ``corridor_day_factor`` x energy
    per km at its temperature, over the weighted sum of all weeks.
    """
    hours = read.profiles["truck_stop"]
    window = read("target_soc", "truck") - read("corridor_arrival_soc")
    frames = []
    for energy in demand.sites["energy"].to_list():
        by_week = {w: _day_factor(read, w) * _season(read, energy, area, w) for w in WEEKS}
        need, spread = demand.per_visit[energy], read("corridor_need_cv")
        if energy in batteries:
            need = batteries[energy].capacity_kwh * window
            # no charge exceeds the battery: the mean limits the spread that is possible
            spread = min(spread, _WIDEST * float(np.sqrt(read("target_soc", "truck") / window - 1.0)))
        frame = corridor_arrivals(
            demand.flows.filter(pl.col("energy") == energy),
            demand.sites.filter(pl.col("energy") == energy).select("station", "energy", "link_id"),
            hourly_share=hours,
            en_route_share={energy: float(np.clip(read("truck_en_route_share", energy), 0.0, 1.0))},
            need={energy: need},
            day_factor=by_week[week],
            days_per_year=sum(read("week_weight", w) * float(days.sum()) for w, days in by_week.items()),
            served=demand.served,
        )
        frames.append(
            frame.with_columns(
                pl.lit(spread).alias("need_cv"),
                pl.lit(read("corridor_patience", energy)).alias("patience_min"),
                pl.lit(read("corridor_patience_cv")).alias("patience_cv"),
            )
        )
    return pl.concat(frames)


def _day_factor(read: WeekValues, week: str) -> NDArray[np.float64]:
    if week == "holiday":
        return np.full(7, read("corridor_day_factor", "holiday"))
    return np.array([read("corridor_day_factor", "weekday")] * 5 + [read("corridor_day_factor", "weekend")] * 2)


def _season(read: WeekValues, energy: str, area: str, week: str) -> float:
    """Return energy per km of the week over that in mild weather, as the vehicle model has it: hydrogen knows no weather there."""
    at = np.array([read.week_temperature_c(area, week)])
    if energy in ELECTRIC:
        return float(read.temperature_factor("truck", at)[0])
    if energy == "lng":
        values = [1.0 if k == "mild" else read("combustion_temperature_ratio", f"truck:{k}") for k in _KNOTS]
        return float(np.interp(at, [read("temperature_knot", k) for k in _KNOTS], values)[0])
    return 1.0


def _equipment(read: WeekValues, demand: CorridorDemand) -> pl.DataFrame:
    """Return what the station has, scaled, as the simulation takes it."""
    strength, energies = read("corridor_power_scale"), demand.sites["energy"].to_list()
    scale = pl.Series([max(0.0, read("corridor_places_scale", energy)) for energy in energies], dtype=pl.Float64)
    sites = demand.sites.with_columns(pl.col(*_SCALED).cast(pl.Float64) * scale).with_columns(pl.col(*_WHOLE).round())
    electric, plugs = pl.col("energy").is_in(ELECTRIC), pl.col("energy") == "plug"
    power = pl.when(electric).then(pl.col("power_kw") * strength)
    chargers = pl.when(plugs).then("places").otherwise(pl.col("pack_chargers").fill_null(0.0))
    return sites.select(
        "station",
        "energy",
        *_SCALED,
        power.alias("power_kw"),
        (read("corridor_feeder_share") * chargers * power / demand.efficiency).alias("feeder_kw"),
        pl.Series("fill_min", [0.0 if e == "plug" else read("corridor_fill_time", e) for e in energies], dtype=pl.Float64),
        pl.Series(
            "fill_kg_per_min", [None if e in ELECTRIC else read("corridor_fill_rate", e) for e in energies], dtype=pl.Float64
        ),
    )
