"""Battery-electric taxis of a city: rides are summed to the stretch between two charges, stations have queues.

A taxi drives until its battery is low, finishes its ride, goes to the best of the nearest stations by drive and expected wait, queues, charges or
swaps, and drives on; some drivers keep away from dear hours (:mod:`fleets.taxi_price`). Where it is in its day follows an hourly activity profile, so that rides need no events of their own; where it is in the city,
the share of the zones in that hour. :mod:`fleets.rides` simulates the rides one by one, for the same indicators.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from fleets.clock import Clock
from fleets.records import DAY_MIN, WEEK_MIN, FleetResult, RunRecords, collect
from fleets.swap import SwapStation
from fleets.taxi_city import DRIVEN, OPEN, City, Taxis, check_taxis, daily_use, quietly, site_places, without_distances
from fleets.taxi_records import Curves, driving_curves, run_records, station_table, weekly_distance

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    import numpy as np
    import simpy
    from numpy.typing import ArrayLike

    from fleets.station import Plugs
    from fleets.taxi_price import PriceReaction
    from fleets.taxi_zones import Zones

_HOUR_MIN = 60.0

__all__ = ["SwapStation", "Taxis", "simulate_taxis", "station_table", "weekly_distance"]


def simulate_taxis(
    taxis: Taxis,
    *,
    hourly_share: ArrayLike,
    single_shift_hours: tuple[int, int],
    day_factor: Sequence[float],
    kwh_per_km: ArrayLike,
    stations: Sequence[Plugs],
    swap_stations: Sequence[SwapStation] = (),
    seeds: Sequence[np.random.SeedSequence],
    zones: Zones | None = None,
    stations_km: ArrayLike | None = None,
    swap_stations_km: ArrayLike | None = None,
    reaction: PriceReaction | None = None,
    who: Literal["all", "plug", "swap"] = "all",
    warmup_min: int = DAY_MIN,
    horizon_min: int = WEEK_MIN,
    step_min: int = 15,
    confidence: float = 0.95,
) -> FleetResult:
    """Simulate the electric taxis of a city for one week in several replications.

    Parameters
    ----------
    taxis
        Vehicles and drivers.
    hourly_share
        Activity by hour of the day, array ``(24,)``.
    single_shift_hours
        First and last hour of single-shift taxis.
    day_factor
        Activity of each day, from the first day of the warm-up, relative to a mean day.
    kwh_per_km
        Mean energy out of the battery by day, array ``(day,)`` or ``(replication, day)`` [kWh/km].
    stations, swap_stations
        Public plugs and swap stations.
    seeds
        One seed per replication.
    zones
        Zones of the city; without them there are no distances, and drivers compare all stations.
    stations_km, swap_stations_km
        Places of the stations, arrays ``(station, 2)`` [km]; the middle of the city if None.
    reaction
        How some drivers at plugs answer the price; nobody does if None.
    who
        Taxis that drive: all of them, or only those that charge at plugs or swap. These never meet, so that the visits of a half are the same
        alone; metrics are those of a city in which the others stand still.
    warmup_min, horizon_min, step_min, confidence
        As in :func:`fleets.depot.simulate_depot`.

    Returns
    -------
    FleetResult
        Metrics: km (in service), dead_km (to stations), dead_km_share, lost_km_share, charges_per_day, wait_mean_min, wait_p50_min, wait_p95_min,
        plug_wait_mean_min, plug_wait_p95_min, swap_wait_mean_min, swap_wait_p95_min, hours_at_stations_per_day, detour_hours_per_day,
        queue_hours_per_day, charging_hours_per_day, lost_hours_per_day (detour, queue and charging), swap_share_of_charges, stock_outs,
        stock_out_share (arrivals that find no charged pack), grid_kwh, energy_kwh_per_km (of all km), loss_share, peak_kw, plug_utilisation,
        bay_utilisation, towed (battery empty on the way to a station), waiting_at_end. Sessions have a column stock_out.

    Raises
    ------
    ChargingError
        If taxis charge or swap where there is no station.
    ConservationError
        If a run loses energy, vehicles or packs.

    Notes
    -----
    A block between charges is (soc - charge_soc) x capacity / (kWh/km) x lognormal factor, at most what the reserve and the way to a station allow, and
    the rest of the ride under way. Its end is found on the cumulative activity curve. Time at stations is lost driving: the taxi continues at the place of the curve
    where the clock is, and its passengers take another taxi of the city.
    """
    check_taxis(taxis, stations, swap_stations)
    start_day = -math.ceil(warmup_min / DAY_MIN)
    curves = driving_curves(taxis.km_per_day, hourly_share, single_shift_hours, day_factor, start_day)
    use = daily_use(kwh_per_km, len(seeds), len(day_factor))
    at = [site_places(p, len(s)) for p, s in ((stations_km, stations), (swap_stations_km, swap_stations))]
    rules, where = (taxis, zones) if zones is not None else without_distances(taxis, len(stations) + len(swap_stations))

    def once(kwh: list[float], seed: np.random.SeedSequence) -> RunRecords:
        env = Clock(initial_time=-warmup_min)
        city = City(env, rules, where, stations, swap_stations, (at[0], at[1]), kwh, seed, reaction=reaction)
        driving = [i for i, swaps in enumerate(city.swaps) if who == "all" or swaps == (who == "swap")]
        found = _run(city, curves, driving, (warmup_min, horizon_min, step_min))
        env.let_go()
        return found

    runs = [quietly(partial(once, row.tolist(), seed)) for row, seed in zip(use, seeds, strict=True)]
    return collect(runs, step_min=step_min, vehicles=taxis.count, level=confidence)


def _taxi(city: City, curves: Curves, taxi: int, pending: list[float]) -> Generator[simpy.Event, Any, None]:
    env, capacity, finish_km = city.env, city.taxis.battery.capacity_kwh, city.taxis.finish_km
    curve, minutes = curves.km[int(city.shift[taxi])], curves.minutes
    stretch, reacts = 0, city.reacts[taxi]
    while True:
        rows = city.draws.rows(taxi, stretch)
        stretch += 1
        for energy, distance, u_zone, u_cell in rows:
            soc, now = city.soc[taxi], float(env.now)
            at = _interpolate(now, minutes, curve)
            use = city.use(now, energy)
            km = min(city.stretch_km(taxi, use, distance) + finish_km, soc * capacity / use)
            if at + km >= curve[-1]:
                # the week ends before the next charge: the rest is driven and the taxi stays on the road
                pending[taxi] = (curve[-1] - at) * use
                city.log((taxi, now, minutes[-1], curve[-1] - at, pending[taxi], OPEN))
                return
            end = _interpolate(at + km, curve, minutes)
            if reacts:
                moved = city.end_of_stretch(taxi, now, end, _driving_on(soc, at, use / capacity, minutes, curve))
                if moved != end:
                    end, km = moved, _interpolate(moved, minutes, curve) - at
            city.log((taxi, now, end, km, km * use, DRIVEN))
            pending[taxi] = km * use
            yield env.timeout(max(0.0, end - now))
            pending[taxi] = 0.0
            city.soc[taxi] = soc - km * use / capacity
            zone = city.zones.zone(int(env.now % DAY_MIN // _HOUR_MIN), u_zone)
            yield from city.recharge(taxi, use, city.zones.cell(zone, u_cell))


def _driving_on(
    soc: float, at_km: float, soc_per_km: float, minutes: list[float], curve: list[float]
) -> Callable[[float], float]:
    """Return the state of charge of a taxi at a later time if it drives on; none is left after the end of the curve."""

    def soc_at(minute: float) -> float:
        if minute > minutes[-1]:
            return -math.inf
        return soc - (_interpolate(minute, minutes, curve) - at_km) * soc_per_km

    return soc_at


def _interpolate(x: float, xs: list[float], ys: list[float]) -> float:
    """Return y at x on a rising curve; where the curve is flat in x, the last of the equal points."""
    i = min(max(bisect_right(xs, x) - 1, 0), len(xs) - 2)
    width = xs[i + 1] - xs[i]
    return ys[i] + (ys[i + 1] - ys[i]) * (x - xs[i]) / width if width > 0.0 else ys[i + 1]


def _run(city: City, curves: Curves, driving: Sequence[int], span: tuple[int, int, int]) -> RunRecords:
    env, (warmup_min, horizon_min, step_min) = city.env, span
    #: Energy of the blocks under way, which leaves the books at their end.
    pending = [0.0] * city.taxis.count
    for taxi in driving:
        env.process(_taxi(city, curves, taxi, pending))
    env.run(until=horizon_min)
    return run_records(
        city,
        curves,
        pending_kwh=sum(pending),
        warmup_min=warmup_min,
        horizon_min=horizon_min,
        step_min=step_min,
    )
