"""Ships that call at a port: types, quays, and what is drawn for each call before the week begins.

Every purpose and ship type has random numbers of its own, so that another share, quay or connection sees the same ships.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fleets.errors import FleetError
from fleets.records import DAY_MIN, child_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_MIN_PER_H = 60.0
#: Days beyond the end for which sailings are drawn: who leaves then may lie at berth before.
_TAIL_DAYS = 3
#: No value of a ship is larger; what exceeds it is a slip.
_LARGE = 1e9
#: Ticks of a minute; a power of 2.
_TICKS = 1024.0
#: Coefficient of variation below which a stay is constant.
_CONSTANT = 1e-6

#: Reasons in the order in which they are asked; a call that reaches the end of the list is connected.
SHIP, BERTH, SHORT, UNUSED, BROKEN, WEAK, NONE, FULL, SHORE = range(9)
STATES: tuple[str, ...] = (
    "ship_not_equipped",
    "berth_not_equipped",
    "short_stay",
    "not_used",
    "out_of_order",
    "connection_too_weak",
    "no_connection",
    "feeder_full",
    "shore",
)


@dataclass(frozen=True, slots=True)
class Calls:
    """When ships of a type call.

    Attributes
    ----------
    per_day
        Planned calls [1/d]; of a list only for what is expected.
    pattern
        ``timetable``: ``hourly_share`` of the departures, spread evenly over it, and a ship lies at berth for its stay before them;
        ``scheduled``: equal headways with a deviation; ``poisson``: by chance; ``listed``: at ``at_min``.
    at_min
        Arrivals of a list [min from Monday 00:00].
    hourly_share
        Departures by hour of the day, 24 values; of a timetable only.
    cancelled_share
        Share of the calls that weather cancels.
    closure_h
        Mean length of a closure by weather; 0 = each call is cancelled by itself [h].
    noise_h
        Standard deviation of a scheduled arrival about its slot [h].
    """

    per_day: float
    pattern: str = "poisson"
    at_min: tuple[float, ...] = ()
    hourly_share: tuple[float, ...] = ()
    cancelled_share: float = 0.0
    closure_h: float = 0.0
    noise_h: float = 0.0


@dataclass(frozen=True, slots=True)
class ShipType:
    """Ships of one type.

    Attributes
    ----------
    name, quay
        Name, and the quay where they berth.
    calls
        When they come.
    length_m, length_cv
        Mean and coefficient of variation of the length; lengths are uniform [m], [-].
    stay_h, stay_cv
        Mean and coefficient of variation of the time at berth [h], [-]; 0 = constant.
    stay
        ``lognormal`` or ``gamma`` (exponential at a coefficient of 1).
    cargo_t
        Cargo handled in a call [t].
    hotel_kw, anchor_kw
        Electric load at berth and at anchor [kW].
    equipped_ships, equipped_berths
        Shares of calls by ships that can receive shore power, and at berths that have it.
    compliance, availability
        Share of capable calls with the duty that connect, and share of the time the equipment works.
    duty_h, connect_h
        Stay from which connecting is a duty, and time on own engines of connecting and disconnecting together [h].
    """

    name: str
    quay: str
    calls: Calls
    length_m: float
    stay_h: float
    hotel_kw: float
    length_cv: float = 0.0
    stay_cv: float = 1.0
    stay: str = "gamma"
    cargo_t: float = 0.0
    anchor_kw: float = 0.0
    equipped_ships: float = 0.0
    equipped_berths: float = 0.0
    compliance: float = 1.0
    availability: float = 1.0
    duty_h: float = 0.0
    connect_h: float = 0.0

    @property
    def longest_m(self) -> float:
        """Longest ship of the type [m]."""
        return self.length_m * (1.0 + math.sqrt(3.0) * self.length_cv)


@dataclass(frozen=True, slots=True)
class Quay:
    """A stretch of quay that ships share.

    Attributes
    ----------
    name
        Name.
    length_m
        Length [m].
    connections
        Ships that can be connected at once; None = every one.
    connection_kw
        Largest load on board that a connection carries [kW].
    """

    name: str
    length_m: float
    connections: int | None = None
    connection_kw: float = math.inf


@dataclass(frozen=True, slots=True)
class Port:
    """Quays with one feeder and the ships that call.

    Attributes
    ----------
    ships, quays
        Ship types and quays.
    clearance_m
        Quay between ships, taken by each beside its length [m].
    feeder_kw
        Grid power of all connections [kW].
    efficiency
        Energy on board / grid energy.
    fuel_g_per_kwh
        Fuel of auxiliary engines [g/kWh].
    fuel_co2, grid_co2
        CO2 of the fuel [kg/kg] and of grid electricity [kg/kWh].
    """

    ships: tuple[ShipType, ...]
    quays: tuple[Quay, ...]
    clearance_m: float = 0.0
    feeder_kw: float = math.inf
    efficiency: float = 1.0
    fuel_g_per_kwh: float = 217.0
    fuel_co2: float = 0.0
    grid_co2: float = 0.0


@dataclass(slots=True)
class Call:
    """One call; times in minutes, missing before they come."""

    number: int
    ship: ShipType
    arrive: float
    stay: float
    length: float
    #: What the draws allow: the first reason against shore power, or a connection if there is one.
    drawn: int
    has_ship: bool
    has_berth: bool
    berth: float = math.inf
    on: float = math.inf
    off: float = math.inf
    leave: float = math.inf
    state: int = -1
    turned_away: bool = False


def check_port(port: Port) -> None:
    """Raise if a port cannot be simulated.

    Parameters
    ----------
    port
        Quays, ships and power.

    Raises
    ------
    FleetError
        At the first value that is out of bounds, with what, where and the remedy.
    """
    names = [q.name for q in port.quays]
    if len(set(names)) != len(names) or len({s.name for s in port.ships}) != len(port.ships):
        msg = f"names of quays and of ship types must differ: {names}, {[s.name for s in port.ships]}"
        raise FleetError(msg)
    _bounds("port", clearance_m=port.clearance_m, feeder_kw=port.feeder_kw, fuel_g_per_kwh=port.fuel_g_per_kwh)
    if not 0.0 < port.efficiency <= 1.0:
        msg = f"port: efficiency={port.efficiency} must lie above 0 and at most at 1"
        raise FleetError(msg)
    for quay in port.quays:
        _bounds(quay.name, length_m=quay.length_m, connections=quay.connections or 0, connection_kw=quay.connection_kw)
    for ship in port.ships:
        if ship.quay not in names:
            msg = f"{ship.name}: quay {ship.quay!r} is not in the port; there are {', '.join(names) or 'none'}"
            raise FleetError(msg)
        calls = ship.calls
        own = {k: getattr(ship, k) for k in ("stay_cv", "cargo_t", "hotel_kw", "anchor_kw", "length_cv", "duty_h", "connect_h")}
        when = {k: getattr(calls, k) for k in ("per_day", "closure_h", "noise_h")}
        _bounds(ship.name, most=_LARGE, **when, **own)
        shares = {k: getattr(ship, k) for k in ("equipped_ships", "equipped_berths", "compliance", "availability")}
        _bounds(ship.name, most=1.0, cancelled_share=calls.cancelled_share, **shares)
        if not (0.0 < ship.length_m < math.inf and 0.0 < ship.stay_h < math.inf) or ship.length_cv >= 1.0 / math.sqrt(3.0):
            msg = f"{ship.name}: length_m={ship.length_m} and stay_h={ship.stay_h} must be positive, length_cv={ship.length_cv} below 0.577"
            raise FleetError(msg)
        if calls.pattern not in {"timetable", "scheduled", "poisson", "listed"} or ship.stay not in {"gamma", "lognormal"}:
            msg = f"{ship.name}: pattern={calls.pattern!r} (timetable, scheduled, poisson, listed) or stay={ship.stay!r} (gamma, lognormal) is not known"
            raise FleetError(msg)
        if not all(math.isfinite(at) for at in calls.at_min):
            msg = f"{ship.name}: at_min={calls.at_min} must be times in minutes"
            raise FleetError(msg)
        share = np.asarray(calls.hourly_share, dtype=np.float64)
        if calls.pattern == "timetable" and not (share.shape == (24,) and (share >= 0.0).all() and share.sum() > 0.0):
            msg = f"{ship.name}: hourly_share needs 24 values of 0 or more with a positive sum, got {len(share)}"
            raise FleetError(msg)


def _bounds(where: str, *, most: float = math.inf, **values: float) -> None:
    for name, value in values.items():
        if not 0.0 <= value <= most:
            msg = f"{where}: {name}={value} must be 0 or more" + (f" and at most {most:g}" if most < math.inf else "")
            raise FleetError(msg)


# --- ships --------------------------------------------------------------------------------------------------------------------------


def _stream(seed: np.random.SeedSequence, ship: str, purpose: str) -> np.random.Generator:
    """Return the generator of a purpose; names, not places in a list, so that another ship type draws nothing from this one."""
    words = np.frombuffer(hashlib.sha256(f"{ship}:{purpose}".encode()).digest()[:16], dtype="<u4").tolist()
    return np.random.default_rng(child_seed(seed, *words))


def ticks(minutes: Array) -> Array:
    """Return times in whole ticks of 1/1024 min [min]: sums of them are exact, so that no order of events changes the last bit of a time."""
    return np.asarray(np.floor(minutes * _TICKS) / _TICKS)


def draw_calls(ship: ShipType, seed: np.random.SeedSequence, warmup: float, horizon: float) -> tuple[list[Call], int, int]:
    """Return the calls of a type in the order of arrival, and how many were planned and cancelled in the week."""
    plan = ship.calls
    rng = _stream(seed, ship.name, "arrivals")
    last = horizon + (_TAIL_DAYS * DAY_MIN if plan.pattern == "timetable" else 0.0)
    at = _planned(plan, rng, -warmup, last)
    off = _cancelled(plan, _stream(seed, ship.name, "weather"), at, -warmup, last)
    week = (at >= 0.0) & (at < horizon)
    planned, cancelled = int(week.sum()), int((week & off).sum())
    stay = _stays(ship, _stream(seed, ship.name, "stays"), at.size)
    length = ship.length_m * (
        1.0 + math.sqrt(3.0) * ship.length_cv * (2.0 * _stream(seed, ship.name, "lengths").random(at.size) - 1.0)
    )
    draws = {k: _stream(seed, ship.name, k).random(at.size) for k in ("ship", "berth", "use", "equipment")}
    has_ship, has_berth = draws["ship"] < ship.equipped_ships, draws["berth"] < ship.equipped_berths
    reasons = np.stack(
        [
            ~has_ship,
            ~has_berth,
            stay < ship.duty_h * _MIN_PER_H,
            draws["use"] >= ship.compliance,
            draws["equipment"] >= ship.availability,
            np.ones(at.size, dtype=bool),
        ]
    )
    first = reasons.argmax(axis=0)
    drawn = np.where(first == len(reasons) - 1, SHORE, first)
    at, stay = ticks(at), np.maximum(ticks(stay), 1.0 / _TICKS)
    arrive = at - stay if plan.pattern == "timetable" else at
    kept = ~off & (arrive >= -warmup) & (arrive < horizon)
    order = np.flatnonzero(kept)[np.argsort(arrive[kept], kind="stable")]
    found = [
        Call(0, ship, float(arrive[i]), float(stay[i]), float(length[i]), int(drawn[i]), bool(has_ship[i]), bool(has_berth[i]))
        for i in order
    ]
    return found, planned, cancelled


def _planned(plan: Calls, rng: np.random.Generator, begin: float, end: float) -> Array:
    """Return the planned times, departures of a timetable and arrivals else [min]."""
    if plan.pattern == "listed":
        at = np.sort(np.asarray(plan.at_min, dtype=np.float64))
        return at[(at >= begin) & (at < end)]
    if plan.pattern == "timetable":
        share = np.asarray(plan.hourly_share, dtype=np.float64)
        cumulative = np.concatenate([[0.0], np.cumsum(share / share.sum())])
        times = [np.empty(0)]
        for day in range(math.floor(begin / DAY_MIN), math.ceil(end / DAY_MIN)):
            # a timetable: the number of the day is fixed up to rounding, and sailings spread evenly over the profile
            n = int(plan.per_day + rng.random())
            points = (np.arange(n) + rng.random(n)) / max(n, 1)
            times.append(day * DAY_MIN + np.interp(points, cumulative, np.arange(25) * _MIN_PER_H))
        at = np.concatenate(times)
        return at[(at >= begin) & (at < end)]
    if plan.pattern == "scheduled":
        if not plan.per_day > 0.0:
            return np.empty(0)
        headway = DAY_MIN / plan.per_day
        margin = math.ceil(6.0 * plan.noise_h * _MIN_PER_H / headway)
        slots = begin + (np.arange(-margin, math.ceil((end - begin) / headway) + margin) + rng.random()) * headway
        at = np.sort(slots + plan.noise_h * _MIN_PER_H * rng.standard_normal(slots.size))
        return at[(at >= begin) & (at < end)]
    n = int(rng.poisson(plan.per_day * (end - begin) / DAY_MIN))
    return np.sort(begin + (end - begin) * rng.random(n))


def _cancelled(plan: Calls, rng: np.random.Generator, at: Array, begin: float, end: float) -> NDArray[np.bool_]:
    """Return which planned calls weather cancels: one by one, or all within closures that come and go (alternating renewal)."""
    share = plan.cancelled_share
    if not 0.0 < share < 1.0 or not plan.closure_h > 0.0:
        return np.asarray(rng.random(at.size) < share)
    shut = plan.closure_h * _MIN_PER_H
    means = (shut * (1.0 - share) / share, shut)
    closed = bool(rng.random() < share)
    edges, first = [begin], closed
    while edges[-1] < end:
        edges.append(edges[-1] + float(rng.exponential(means[closed])))
        closed = not closed
    interval = np.searchsorted(np.asarray(edges), at, side="right") - 1
    return np.asarray((interval % 2 == 0) == first)


def _stays(ship: ShipType, rng: np.random.Generator, n: int) -> Array:
    """Return times at berth [min]."""
    mean, cv = ship.stay_h * _MIN_PER_H, ship.stay_cv
    if cv < _CONSTANT:
        return np.full(n, mean)
    if ship.stay == "lognormal":
        s = math.sqrt(math.log1p(cv**2))
        return np.asarray(np.exp(math.log(mean) - s**2 / 2.0 + s * rng.standard_normal(n)))
    return np.asarray(rng.gamma(1.0 / cv**2, mean * cv**2, n))
