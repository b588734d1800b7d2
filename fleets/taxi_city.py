"""What the taxis of a city share, whichever way their driving is simulated: stations, the choice among them, batteries and records."""

from __future__ import annotations

import gc
import math
from array import array
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.errors import ChargingError
from fleets.records import SEGMENT_COLUMNS, child_seed
from fleets.station import ChargingSite, Plugs
from fleets.swap import SwapSite, SwapStation
from fleets.taxi_price import PriceReaction, who_reacts
from fleets.taxi_zones import Zones, one_place

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    import simpy
    from numpy.typing import ArrayLike, NDArray

    from fleets.battery import Battery
    from fleets.records import RunRecords

_DAY_MIN, _HOUR_MIN = 1440.0, 60.0
#: Draws of random numbers that are made at once for every taxi.
CHUNK = 8
BLOCK_SCHEMA: dict[str, Any] = {
    "taxi": pl.Int64,
    "start_min": pl.Float64,
    "end_min": pl.Float64,
    "km": pl.Float64,
    "kwh": pl.Float64,
    "state": pl.String,
}
#: States of a stretch, by the number that stands in the log: driven to the need of a charge, to the end of the week, to a station, and as far as
#: the battery lasted.
STATES = ("driven", "open", "to_station", "towed")
DRIVEN, OPEN, TO_STATION, TOWED = range(len(STATES))
_LOG_NUMBERS = 6
#: Numbers of a visit that is over: vehicle, arrival, begin and end of the charge [min], states of charge at its begin and end.
VISIT_NUMBERS = 6


@dataclass(frozen=True, slots=True)
class Taxis:
    """Taxis of a city and how they are driven.

    Attributes
    ----------
    count
        Individually simulated taxis.
    battery
        Their battery.
    double_shift_share
        Share of the taxis driven in two shifts; the others rest at night.
    km_per_day
        Distance of a day in double and in single shift [km].
    energy_cv
        Coefficient of variation between the stretches and drivers (lognormal, mean 1).
    charge_soc
        State of charge at which drivers look for a charge, on average.
    block_cv
        Coefficient of variation of the distance between charges (lognormal).
    target_soc, reserve_soc
        State of charge where charging stops, and the lowest one a driver accepts on reaching a station.
    swap_share
        Share of the taxis whose battery is exchanged.
    access_min
        Time to enter, park and plug in at a station, beside the drive there [min].
    looked_up
        Stations a driver compares, the nearest ones; the one with the least drive and expected wait wins.
    finish_km
        Mean distance of the ride under way that is finished before a driver looks for a charge [km]; :func:`fleets.rides.rest_of_ride_km`.
    """

    count: int
    battery: Battery
    double_shift_share: float
    km_per_day: tuple[float, float]
    energy_cv: float
    charge_soc: float
    block_cv: float
    target_soc: float
    reserve_soc: float
    swap_share: float
    access_min: float
    looked_up: int
    finish_km: float = 0.0


class PlugSite(ChargingSite):
    """A station with plugs that tells drivers what they may expect to wait; its own queue is lean, because it sees every charge of a city."""

    def __init__(self, env: simpy.Environment, name: str, plugs: Plugs, service_min: float, battery: Battery) -> None:
        super().__init__(env, name, plugs)
        self.service_min, self.free, self.battery = service_min, plugs.count, battery
        self.line: deque[simpy.Event] = deque()
        #: Numbers of the finished visits, one after the other (:data:`VISIT_NUMBERS`).
        self.done = array("d")

    def expected_wait_min(self) -> float:
        """Return (queue and itself) x mean charge / plugs, 0 where a plug is free [min]."""
        count, free, ahead = self.plugs.count, self.free, len(self.line)
        if self._shared is not None:
            free, ahead = count - len(self.queue.users), len(self.queue.queue)
        if free > 0:
            return 0.0
        return (ahead + 1) * self.service_min / count if count else math.inf

    def visit(self, vehicle: int, soc: float, target: float) -> Generator[simpy.Event, Any, None]:
        """Queue, charge and hand the plug on: :meth:`fleets.station.ChargingSite.charge` where nobody leaves and no feeder binds."""
        battery = self.battery
        if self._shared is not None:
            yield from self.charge(vehicle, battery, soc, target)
            return
        env = self.env
        arrived = env.now
        if self.free:
            self.free -= 1
        else:
            self._waiting[vehicle] = (arrived, soc)
            turn = env.event()
            self.line.append(turn)
            yield turn
            del self._waiting[vehicle]
        started = env.now
        self._charging[vehicle] = (arrived, started, soc, battery)
        yield env.timeout(battery.minutes(soc, target, self.plugs.power_kw))
        del self._charging[vehicle]
        if self.line:
            self.line.popleft().succeed()
        else:
            self.free += 1
        self.done.extend((vehicle, arrived, started, env.now, soc, target))

    def done_visits(self) -> NDArray[np.float64]:
        """Return the visits that are over, array ``[visit, number]`` in the order of :data:`VISIT_NUMBERS`."""
        return np.array(self.done).reshape(-1, VISIT_NUMBERS)

    def segments(self) -> NDArray[np.float64]:
        """Return the stretches of constant plug power, array ``[segment, column]``."""
        done, battery = self.done_visits(), self.battery
        found = np.empty((len(done), SEGMENT_COLUMNS))
        found[:, :3] = done[:, 2:5]
        found[:, 3:] = (
            self.plugs.power_kw,
            self.plugs.efficiency,
            battery.capacity_kwh,
            battery.max_kw,
            battery.taper_soc,
            battery.end_kw,
        )
        return np.concatenate([found, super().segments()])


class Draws:
    """Random numbers of each taxi by the number of its stretch between two charges, whatever else happens in the run.

    Notes
    -----
    A row is the factor on the energy, the factor on the distance between charges (both lognormal with mean 1), and two uniform numbers for the place.
    """

    def __init__(self, taxis: Taxis, seed: np.random.SeedSequence) -> None:
        self._count, self._seed = taxis.count, seed
        self._variance = [math.log(1.0 + cv**2) for cv in (taxis.energy_cv, taxis.block_cv)]
        self._chunks: list[NDArray[np.float64]] = []

    def rows(self, taxi: int, chunk: int) -> list[list[float]]:
        """Return the next rows of a taxi."""
        while len(self._chunks) <= chunk:
            rng = np.random.default_rng(child_seed(self._seed, 1, len(self._chunks)))
            made = np.empty((self._count, CHUNK, 4))
            for i, variance in enumerate(self._variance):
                normal = rng.standard_normal((self._count, CHUNK))
                made[:, :, i] = np.exp(-variance / 2.0 + math.sqrt(variance) * normal)
            made[:, :, 2:] = rng.random((self._count, CHUNK, 2))
            self._chunks.append(made)
        rows: list[list[float]] = self._chunks[chunk][taxi].tolist()
        return rows


class City:
    """Taxis and stations of one replication."""

    def __init__(
        self,
        env: simpy.Environment,
        taxis: Taxis,
        zones: Zones,
        stations: Sequence[Plugs],
        swap_stations: Sequence[SwapStation],
        places: tuple[NDArray[np.float64], NDArray[np.float64]],
        kwh_per_km: list[float],
        seed: np.random.SeedSequence,
        *,
        reaction: PriceReaction | None = None,
    ) -> None:
        self.env, self.taxis, self.zones, self.kwh_per_km = env, taxis, zones, kwh_per_km
        self.begin = float(env.now)
        low, high, battery = taxis.charge_soc, taxis.target_soc, taxis.battery
        self.plug_sites = [
            PlugSite(env, f"station_{i}", p, battery.minutes(low, high, p.power_kw), battery) for i, p in enumerate(stations)
        ]
        self.swap_sites = [
            SwapSite(env, f"swap_{i}", s, high, service_min=battery.minutes(low, high, s.power_kw))
            for i, s in enumerate(swap_stations)
        ]
        looked_up = max(1, taxis.looked_up)
        self.near = [zones.near(at, looked_up) for at in places]
        #: What drivers keep for the ride under way and the drive to a plug or a swap [km].
        self.keep_km: list[float] = [taxis.finish_km + zones.mean_nearest_km(at) for at in places]
        rng = np.random.default_rng(child_seed(seed))
        self.start_soc: list[float] = (low + (high - low) * rng.random(taxis.count)).tolist()
        #: Whether a taxi is driven in one shift (1) or two (0), and whether its battery is exchanged.
        self.shift = (rng.random(taxis.count) >= taxis.double_shift_share).astype(np.int64)
        self.swaps: list[bool] = (rng.random(taxis.count) < taxis.swap_share).tolist()
        #: Who answers the price, and the minutes from the road to a plug.
        self.reaction, self.way_min = reaction, 0.0
        self.reacts = who_reacts(reaction, ~np.array(self.swaps), np.random.default_rng(child_seed(seed, 4)))
        if any(self.reacts):
            per_km = sum(zones.min_per_km) / len(zones.min_per_km)
            self.way_min = taxis.access_min + zones.mean_nearest_km(places[0]) * per_km
        self.draws = Draws(taxis, seed)
        self.soc = list(self.start_soc)
        self.place = ["road"] * taxis.count
        self._log = array("d")
        #: Records a stretch: taxi, begin, end [min], km, kWh, number of its state (:data:`STATES`).
        self.log: Callable[[tuple[float, float, float, float, float, float]], None] = self._log.extend

    def blocks(self) -> pl.DataFrame:
        """Return the recorded stretches in the order of their begin."""
        rows = np.array(self._log).reshape(-1, _LOG_NUMBERS)
        found = {name: rows[:, i] for i, name in enumerate(BLOCK_SCHEMA) if name != "state"}
        state = pl.Series("state", STATES, dtype=pl.String).gather(rows[:, -1].astype(np.int64))
        return pl.DataFrame({**found, "state": state}).cast(pl.Schema(BLOCK_SCHEMA)).sort("start_min", "taxi")

    def use(self, now: float, factor: float) -> float:
        """Return the energy per km of a stretch that begins now [kWh/km]."""
        day = min(len(self.kwh_per_km) - 1, int((now - self.begin) // _DAY_MIN))
        return self.kwh_per_km[day] * factor

    def stretch_km(self, taxi: int, kwh_per_km: float, factor: float) -> float:
        """Return the distance after which a driver looks for a charge, at most what the reserve allows [km]."""
        rules, soc = self.taxis, self.soc[taxi]
        km_per_soc = rules.battery.capacity_kwh / kwh_per_km
        wanted: float = max(0.0, soc - rules.charge_soc) * factor * km_per_soc
        allowed = (soc - rules.reserve_soc) * km_per_soc - self.keep_km[self.swaps[taxi]]
        return wanted if wanted < allowed else max(0.0, allowed)

    def end_of_stretch(self, taxi: int, now: float, end: float, soc_at: Callable[[float], float]) -> float:
        """Return when a taxi leaves the road for a charge: as planned, or moved by its driver's answer to the price [min].

        Parameters
        ----------
        taxi
            Number of the taxi.
        now, end
            Begin and planned end of the stretch [min].
        soc_at
            State of charge at a time of the stretch.
        """
        if self.reaction is None or not self.reacts[taxi]:
            return end
        battery, target = self.taxis.battery, self.taxis.target_soc
        # drivers do not know which station it will be
        power = self.plug_sites[0].plugs.power_kw
        return self.reaction.moved_end(
            now, end, soc_at, lambda soc: battery.minutes(min(soc, target), target, power), self.way_min
        )

    def choose(self, cell: int, *, swaps: bool) -> tuple[PlugSite | SwapSite, float, float]:
        """Return the station with the least drive and expected wait, its distance [km] and the drive [min].

        Parameters
        ----------
        cell
            Where the taxi is.
        swaps
            Whether its battery is exchanged.
        """
        sites: Sequence[PlugSite | SwapSite] = self.swap_sites if swaps else self.plug_sites
        per_km = self.zones.min_per_km[int(self.env.now % _DAY_MIN // _HOUR_MIN)]
        known = self.near[swaps][cell]
        least, found = math.inf, known[0]
        for km, i in known:
            minutes = km * per_km
            if minutes >= least:
                break
            minutes += sites[i].expected_wait_min()
            if minutes < least:
                least, found = minutes, (km, i)
        return sites[found[1]], found[0], found[0] * per_km

    def recharge(self, taxi: int, kwh_per_km: float, cell: int) -> Generator[simpy.Event, Any, None]:
        """Drive to a station, queue, charge or swap: from the decision to the way back on the road.

        Parameters
        ----------
        taxi
            Number of the taxi.
        kwh_per_km
            Energy of its present stretch [kWh/km].
        cell
            Where it is.

        Notes
        -----
        A taxi whose battery does not last to the station is towed: its distance counts as far as the battery lasts.
        """
        env, battery, soc = self.env, self.taxis.battery, self.soc[taxi]
        now = env.now
        site, km, drive = self.choose(cell, swaps=self.swaps[taxi])
        kwh, left, state = km * kwh_per_km, soc * battery.capacity_kwh, TO_STATION
        if kwh > left:
            km, kwh, state = left / kwh_per_km, left, TOWED
        self.soc[taxi] = soc = max(0.0, soc - kwh / battery.capacity_kwh)
        drive += self.taxis.access_min
        self.log((taxi, now, now + drive, km, kwh, state))
        self.place[taxi] = "way"
        yield env.timeout(drive)
        self.place[taxi] = "station"
        if isinstance(site, SwapSite):
            yield from site.exchange(taxi, site.pack(taxi, battery, soc))
            self.soc[taxi] = site.full_soc
        else:
            yield from site.visit(taxi, soc, self.taxis.target_soc)
            self.soc[taxi] = self.taxis.target_soc
        self.place[taxi] = "road"

    def close(self) -> None:
        """Settle who charges at the end of the run."""
        for site in self.plug_sites:
            for taxi, soc in site.close().items():
                self.soc[taxi] = soc
        for store in self.swap_sites:
            store.close()


def quietly(replication: Callable[[], RunRecords]) -> RunRecords:
    """Return the records of a replication, run without the collector of cycles: it leaves none until its end, and looking for them costs a fifth of the time.

    Parameters
    ----------
    replication
        Makes environment and city, runs them and lets go of them.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        return replication()
    finally:
        # processes, events and city hold each other: they go at once, before the next replication needs the memory
        gc.collect(1)
        if enabled:
            gc.enable()


def columns(rows: Sequence[tuple[Any, ...]], schema: dict[str, Any]) -> pl.DataFrame:
    """Return flat tuples as a table, column by column: by rows it takes several times the memory.

    Parameters
    ----------
    rows
        Tuples in the order of the columns.
    schema
        Names and types of the columns.
    """
    # turned over at once (zip) they need an iterator for each row, which the collector of cycles goes through again and again
    return pl.DataFrame(
        [pl.Series(name, [row[i] for row in rows], dtype=dtype) for i, (name, dtype) in enumerate(schema.items())]
    )


def check_taxis(taxis: Taxis, stations: Sequence[Plugs], swap_stations: Sequence[SwapStation]) -> None:
    """Check that taxis have stations of their kind and states of charge in order.

    Raises
    ------
    ChargingError
        If taxis charge or swap where there is no station, or the states of charge are not in order.
    """
    if not stations and taxis.swap_share < 1.0:
        msg = f"{1.0 - taxis.swap_share:.0%} of the taxis charge at plugs but there is no station"
        raise ChargingError(msg)
    if not swap_stations and taxis.swap_share > 0.0:
        msg = f"{taxis.swap_share:.0%} of the taxis swap but there is no swap station"
        raise ChargingError(msg)
    if not taxis.reserve_soc <= taxis.charge_soc < taxis.target_soc:
        msg = f"need reserve_soc <= charge_soc < target_soc, got {taxis.reserve_soc}, {taxis.charge_soc}, {taxis.target_soc}"
        raise ChargingError(msg)
    if taxis.count < 1 or not taxis.finish_km >= 0.0 or not taxis.access_min >= 0.0:
        msg = f"need at least one taxi, finish_km and access_min not negative, got {taxis.count}, {taxis.finish_km}, {taxis.access_min}"
        raise ChargingError(msg)


def site_places(places_km: ArrayLike | None, count: int) -> NDArray[np.float64]:
    """Return the places of some stations, array ``(count, 2)`` [km]; the middle of the city if none are given.

    Raises
    ------
    ChargingError
        If there are fewer or more places than stations.
    """
    places = np.zeros((count, 2)) if places_km is None else np.asarray(places_km, dtype=np.float64).reshape(-1, 2)
    if places.shape[0] != count or not np.isfinite(places).all():
        msg = f"{count} stations need as many finite places (x, y), got {places.shape[0]}"
        raise ChargingError(msg)
    return places


def daily_use(kwh_per_km: ArrayLike, runs: int, days: int) -> NDArray[np.float64]:
    """Return the energy per km by replication and day, array ``(runs, days)`` [kWh/km].

    Raises
    ------
    ChargingError
        If there is not one positive value for each day.
    """
    use = np.asarray(kwh_per_km, dtype=np.float64)
    if use.shape not in {(), (days,), (runs, days)} or not (use > 0.0).all():
        msg = f"kwh_per_km of shape {use.shape} needs a value for each of {days} days (and {runs} replications), all positive"
        raise ChargingError(msg)
    return np.broadcast_to(use, (runs, days))


def without_distances(taxis: Taxis, sites: int) -> tuple[Taxis, Zones]:
    """Return taxis that compare all stations, and a city without distances."""
    return replace(taxis, looked_up=max(1, sites)), one_place()
