"""Taxis ride by ride: passengers ask by hour and zone, idle taxis stand at the ranks of the zones, and who is low on charge drives to a station.

Stations, batteries, random numbers of the batteries and indicators are those of :mod:`fleets.taxis`, which sums the rides between two charges to
one stretch; the two engines must agree on what both report. This one adds what only rides show: passengers' waits, idle time, unserved rides.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fleets.clock import Clock
from fleets.errors import ChargingError
from fleets.records import DAY_MIN, WEEK_MIN, FleetResult, RunRecords, child_seed, collect, quantile, ratio
from fleets.taxi_city import CHUNK, DRIVEN, OPEN, City, Taxis, check_taxis, daily_use, quietly, site_places, without_distances
from fleets.taxi_records import driving_curves, run_records

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import simpy
    from numpy.typing import ArrayLike

    from fleets.station import Plugs
    from fleets.swap import SwapStation
    from fleets.taxi_records import Curves
    from fleets.taxi_zones import Zones

_HOUR_MIN = 60.0
#: A ride without a distance still takes an instant [min].
_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Rides:
    """Rides of the passengers.

    Attributes
    ----------
    length_km
        Mean distance with a passenger [km].
    length_cv
        Its coefficient of variation (lognormal).
    empty_share
        Share of the kilometres without a passenger: to the next passenger and looking for one, whichever zone the taxi comes from; drawn for
        each ride (exponential).
    patience_min
        Time a passenger waits for a free taxi before the ride is given up [min].
    city_share
        Share of the simulated taxis among those that passengers can take: at 0 the passengers of a taxi that is at a station take another
        taxi of the city, at 1 all of them are left to the simulated taxis on the road.
    """

    length_km: float
    length_cv: float
    empty_share: float
    patience_min: float = 15.0
    city_share: float = 0.0

    def __post_init__(self) -> None:
        if not (self.length_km > 0.0 and self.length_cv >= 0.0 and 0.0 <= self.empty_share < 1.0):
            msg = (
                f"rides need length_km > 0, length_cv >= 0 and an empty_share from 0 to below 1, "
                f"got {self.length_km}, {self.length_cv}, {self.empty_share}"
            )
            raise ChargingError(msg)
        if not (self.patience_min >= 0.0 and 0.0 <= self.city_share <= 1.0):
            msg = f"patience_min={self.patience_min} must not be negative and city_share={self.city_share} lie in 0 to 1"
            raise ChargingError(msg)

    @property
    def empty_km(self) -> float:
        """Return the mean distance without a passenger per ride [km]."""
        return self.length_km * self.empty_share / (1.0 - self.empty_share)

    @property
    def cycle_km(self) -> float:
        """Return the mean distance of a ride with its empty part [km]."""
        return self.length_km / (1.0 - self.empty_share)


def rest_of_ride_km(rides: Rides) -> float:
    """Return the mean distance from where a battery is low to the end of the ride under way [km].

    Parameters
    ----------
    rides
        Rides of the passengers.

    Notes
    -----
    Mean residual of a renewal process: E[X^2] / (2 E[X]) of the distance X of a ride with its empty part.

    Examples
    --------
    >>> round(rest_of_ride_km(Rides(6.0, 0.0, 0.0)), 9)
    3.0
    """
    variance = (rides.length_cv * rides.length_km) ** 2 + rides.empty_km**2
    return (variance + rides.cycle_km**2) / (2.0 * rides.cycle_km)


def simulate_rides(
    taxis: Taxis,
    rides: Rides,
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
    warmup_min: int = DAY_MIN,
    horizon_min: int = WEEK_MIN,
    step_min: int = 15,
    confidence: float = 0.95,
) -> FleetResult:
    """Simulate the electric taxis of a city for one week ride by ride.

    Parameters
    ----------
    taxis
        Vehicles and drivers; rides are finished one by one, ``finish_km`` is only what drivers keep for it.
    rides
        Rides of the passengers.
    hourly_share, single_shift_hours, day_factor, kwh_per_km, stations, swap_stations
        As in :func:`fleets.taxis.simulate_taxis`; the passengers ask for as many rides as make up the planned distance of the taxis on duty.
    seeds, zones, stations_km, swap_stations_km, warmup_min, horizon_min, step_min, confidence
        As in :func:`fleets.taxis.simulate_taxis`.

    Returns
    -------
    FleetResult
        The metrics of :func:`fleets.taxis.simulate_taxis`, and rides_per_day, unserved_rides, unserved_share (of the rides that reach the simulated
        taxis), rides_elsewhere_share (of all rides, taken by other taxis of the city), passenger_wait_mean_min, passenger_wait_p95_min (until the
        taxi is there), idle_hours_per_day (on duty, at a rank), other_zone_share (rides picked up by a
        taxi from another zone), empty_km_share.

    Raises
    ------
    ChargingError
        If taxis charge or swap where there is no station.
    ConservationError
        If a run loses energy, vehicles, packs or rides.

    Notes
    -----
    Rides per hour are Poisson: taxis of the shift x planned km of the hour / (km of a ride with its empty part). A ride reaches the simulated taxis with
    the probability a / (1 - city_share (1 - a)), a = share of the shift's taxis that are not at or on the way to a station. It takes the taxi that has
    waited longest in its zone, else in the nearest zone with one; without any it waits. A driver whose battery does not hold the ride goes to
    charge. Pick-up zones and destinations follow the activity of the hour.
    """
    check_taxis(taxis, stations, swap_stations)
    start_day = -math.ceil(warmup_min / DAY_MIN)
    curves = driving_curves(taxis.km_per_day, hourly_share, single_shift_hours, day_factor, start_day)
    use = daily_use(kwh_per_km, len(seeds), len(day_factor))
    at = [site_places(p, len(s)) for p, s in ((stations_km, stations), (swap_stations_km, swap_stations))]
    rules, where = (taxis, zones) if zones is not None else without_distances(taxis, len(stations) + len(swap_stations))

    def once(kwh: list[float], seed: np.random.SeedSequence) -> RunRecords:
        env = Clock(initial_time=-warmup_min)
        city = City(env, rules, where, stations, swap_stations, (at[0], at[1]), kwh, seed)
        street = _Street(city, rides, curves, single_shift_hours, horizon_min)
        for shift in (0, 1):
            env.process(street.passengers(shift, np.random.default_rng(child_seed(seed, 2, shift))))
        street.begin(np.random.default_rng(child_seed(seed, 3)))
        env.run(until=horizon_min)
        return street.records(warmup_min, step_min)

    runs = [quietly(partial(once, row.tolist(), seed)) for row, seed in zip(use, seeds, strict=True)]
    return collect(runs, step_min=step_min, vehicles=taxis.count, level=confidence)


@dataclass(slots=True)
class _Asked:
    """A ride somebody asked for."""

    at: float
    shift: int
    zone: int
    to: int
    km: float
    empty_km: float


@dataclass(slots=True)
class _State:
    """What a taxi does between two charges."""

    taxi: int
    shift: int
    use: float = 0.0
    limit_km: float = 0.0
    km: float = 0.0
    begin: float = 0.0
    idle_since: float = 0.0
    u_cell: float = 0.0
    #: Begin, minutes and km of the ride under way.
    ride: tuple[float, float, float] | None = None
    stretch: int = 0


class _Street:
    """Passengers, ranks and taxis on the road."""

    def __init__(self, city: City, rides: Rides, curves: Curves, hours: tuple[int, int], horizon_min: int) -> None:
        self.city, self.env, self.rides, self.curves, self.horizon = city, city.env, rides, curves, horizon_min
        zones = len(city.zones.names)
        between = city.zones.between_km()
        #: Zones in the order in which a taxi is looked for.
        self.order = [[z, *(int(k) for k in np.argsort(between[z], kind="stable") if k != z)] for z in range(zones)]
        self.ranks: list[list[deque[_State]]] = [[deque() for _ in range(zones)] for _ in range(2)]
        self.states = [_State(i, int(s)) for i, s in enumerate(city.shift.tolist())]
        self.total = [int((city.shift == s).sum()) for s in (0, 1)]
        self.active = list(self.total)
        self.waiting: deque[_Asked] = deque()
        #: Planned km of each hour per taxi, from the begin of the warm-up.
        self.hourly = [np.diff(np.asarray(km)) for km in curves.km]
        #: Rides of the whole run and of the week.
        self.count, self.week = (dict.fromkeys(("asked", "elsewhere", "unserved", "served"), 0) for _ in range(2))
        self.waits: list[float] = []
        self.idle_min = self.empty_km = self.all_km = 0.0
        self.from_elsewhere = 0
        self.duty = ((0, 24), hours)

    def begin(self, rng: np.random.Generator) -> None:
        """Put every taxi at a rank."""
        hour = self._hour()
        for state, u in zip(self.states, rng.random(len(self.states)).tolist(), strict=True):
            self._stretch(state)
            self._idle(state, self.city.zones.zone(hour, u))

    def passengers(self, shift: int, rng: np.random.Generator) -> Generator[simpy.Event, Any, None]:
        """Ask for the rides of one shift, hour by hour."""
        rides, zones, env = self.rides, self.city.zones, self.env
        variance = math.log(1.0 + rides.length_cv**2)
        for i, km in enumerate(self.hourly[shift].tolist()):
            begin = self.curves.minutes[i]
            number = int(rng.poisson(self.total[shift] * km / rides.cycle_km))
            times = np.sort(begin + _HOUR_MIN * rng.random(number)).tolist()
            length = rides.length_km * np.exp(-variance / 2.0 + math.sqrt(variance) * rng.standard_normal(number))
            empty = rides.empty_km * rng.exponential(1.0, number)
            uniform = rng.random((number, 3)).tolist()
            hour = int(begin % DAY_MIN // _HOUR_MIN)
            for at, km_ride, km_empty, (u, v, w) in zip(times, length.tolist(), empty.tolist(), uniform, strict=True):
                yield env.timeout(max(0.0, at - env.now))
                self._ask(_Asked(at, shift, zones.zone(hour, u), zones.zone(hour, v), km_ride, km_empty), w)

    def records(self, warmup_min: int, step_min: int) -> RunRecords:
        """Close the run and return its records."""
        city, now = self.city, float(self.env.now)
        while self.waiting and self.waiting[0].at + self.rides.patience_min < now:
            self._pass("unserved", self.waiting.popleft().at)
        for state in self.states:
            if city.place[state.taxi] == "road":
                if state.ride is not None:
                    begin, minutes, km = state.ride
                    state.km += km * min(1.0, (now - begin) / minutes)
                self._log(state, OPEN)
        count, week, waits = self.count, self.week, np.array(self.waits)
        found = count["elsewhere"] + count["unserved"] + count["served"] + len(self.waiting)
        at_ranks = sum(len(rank) for ranks in self.ranks for rank in ranks)
        riding = sum(s.ride is not None for s in self.states)
        away = sum(place != "road" for place in city.place)
        days = self.horizon / DAY_MIN * city.taxis.count
        more = {
            "rides_per_day": (week["served"] / days, "trip/veh/d"),
            "unserved_rides": (float(week["unserved"]), "trip"),
            "unserved_share": (ratio(week["unserved"], week["served"] + week["unserved"]), "dimensionless"),
            "rides_elsewhere_share": (ratio(week["elsewhere"], week["asked"]), "dimensionless"),
            "passenger_wait_mean_min": (float(waits.mean()) if waits.size else 0.0, "min"),
            "passenger_wait_p95_min": (quantile(waits, 0.95), "min"),
            "idle_hours_per_day": (self.idle_min / _HOUR_MIN / days, "h/veh/d"),
            "other_zone_share": (ratio(self.from_elsewhere, waits.size), "dimensionless"),
            "empty_km_share": (ratio(self.empty_km, self.all_km), "dimensionless"),
        }
        return run_records(
            city,
            self.curves,
            pending_kwh=0.0,
            warmup_min=warmup_min,
            horizon_min=self.horizon,
            step_min=step_min,
            more=more,
            checks={
                "rides_lost": (float(count["asked"] - found), 0.0),
                "taxis_lost": (float(at_ranks + riding + away - len(self.states)), 0.0),
            },
        )

    def _hour(self) -> int:
        return int(self.env.now % DAY_MIN // _HOUR_MIN)

    def _on_duty(self, shift: int) -> bool:
        return not shift or self.hourly[1][int((self.env.now - self.curves.minutes[0]) // _HOUR_MIN)] > 0.0

    def _pass(self, name: str, at: float) -> None:
        """Count a ride that was asked for at some time."""
        self.count[name] += 1
        if at >= 0.0:
            self.week[name] += 1

    def _ask(self, asked: _Asked, u: float) -> None:
        self._pass("asked", asked.at)
        share = self.active[asked.shift] / self.total[asked.shift]
        if u >= share / (1.0 - self.rides.city_share * (1.0 - share)):
            self._pass("elsewhere", asked.at)
            return
        for shift in (asked.shift, 1 - asked.shift):
            if not self._on_duty(shift):
                continue
            for zone in self.order[asked.zone]:
                rank = self.ranks[shift][zone]
                while rank:
                    state = rank.popleft()
                    if self._take(state, asked, zone):
                        return
        self.waiting.append(asked)

    def _take(self, state: _State, asked: _Asked, zone: int) -> bool:
        """Begin a ride; a driver whose battery does not hold it goes to charge instead."""
        now, rules = float(self.env.now), self.city.taxis
        km = asked.empty_km + asked.km
        self._rest(state, now)
        if (state.km + km) * state.use > self.city.soc[state.taxi] * rules.battery.capacity_kwh:
            self.env.process(self._charge(state, zone))
            return False
        per_km = self.city.zones.min_per_km[self._hour()]
        minutes = max(km * per_km, _LEAST)
        state.ride = (now, minutes, km)
        self._pass("served", asked.at)
        if asked.at >= 0.0:
            self.waits.append(now - asked.at + asked.empty_km * per_km)
            self.empty_km += asked.empty_km
            self.all_km += km
            self.from_elsewhere += zone != asked.zone
        self.env.timeout(minutes, value=(state, asked.to, km)).callbacks.append(self._arrived)
        return True

    def _rest(self, state: _State, now: float) -> None:
        """Count the idle time of a taxi that leaves its rank, on duty and within the week."""
        since = max(0.0, state.idle_since)
        if now > since:
            on_duty = self.duty[state.shift]
            self.idle_min += _duty_min(now, on_duty) - _duty_min(since, on_duty)

    def _arrived(self, event: simpy.Event) -> None:
        value: Any = event.value
        state, zone, km = value
        state.km += km
        state.ride = None
        if state.km >= state.limit_km:
            self.env.process(self._charge(state, zone))
        else:
            self._idle(state, zone)

    def _idle(self, state: _State, zone: int) -> None:
        """Take the passenger who has waited longest, or stand at the rank of a zone."""
        state.idle_since = now = float(self.env.now)
        while self.waiting and self._on_duty(state.shift):
            asked = self.waiting.popleft()
            if asked.at + self.rides.patience_min < now:
                self._pass("unserved", asked.at)
            elif self._take(state, asked, zone):
                return
            else:
                self.waiting.appendleft(asked)
                return
        self.ranks[state.shift][zone].append(state)

    def _stretch(self, state: _State) -> None:
        """Begin a stretch between two charges with the random numbers of the taxi."""
        chunk, row = divmod(state.stretch, CHUNK)
        energy, distance, _, state.u_cell = self.city.draws.rows(state.taxi, chunk)[row]
        state.stretch += 1
        state.begin, state.km = float(self.env.now), 0.0
        state.use = self.city.use(state.begin, energy)
        state.limit_km = self.city.stretch_km(state.taxi, state.use, distance)

    def _log(self, state: _State, what: int) -> None:
        kwh = state.km * state.use
        self.city.log((state.taxi, state.begin, float(self.env.now), state.km, kwh, what))
        self.city.soc[state.taxi] -= kwh / self.city.taxis.battery.capacity_kwh

    def _charge(self, state: _State, zone: int) -> Generator[simpy.Event, Any, None]:
        self._log(state, DRIVEN)
        self.active[state.shift] -= 1
        yield from self.city.recharge(state.taxi, state.use, self.city.zones.cell(zone, state.u_cell))
        self.active[state.shift] += 1
        self._stretch(state)
        self._idle(state, zone)


def _duty_min(minute: float, hours: tuple[int, int]) -> float:
    """Return the minutes on duty between Monday 00:00 and a later minute."""
    day, rest = divmod(minute, DAY_MIN)
    first, last = hours[0] * _HOUR_MIN, hours[1] * _HOUR_MIN
    return day * (last - first) + min(max(rest - first, 0.0), last - first)
