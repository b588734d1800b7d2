"""Battery swap: bays, charged packs and pack chargers, of which there may be fewer than packs.

A vehicle is served when a bay and a charged pack are free, first come, first served. The pack it hands in waits for a charger, charges, and is handed
out again. A store that is too small, even one without packs or chargers, is a result: its vehicles wait. With a plan packs wait for a cheaper hour as
long as the stock covers what is expected (:mod:`fleets.pack_plan`).
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.clock import Clock
from fleets.errors import ChargingError, ConservationError
from fleets.pack_chargers import PackChargers
from fleets.pack_plan import PackGate, PackPlan
from fleets.plug_bank import Charge
from fleets.records import Session, quantile, ratio
from fleets.tables import as_frame, count_of, number_column

if TYPE_CHECKING:
    from collections.abc import Generator

    import simpy
    from numpy.typing import NDArray

    from fleets.battery import Battery

#: Numbers of a visit that is over: vehicle, arrival, begin and end of the swap [min], states of charge handed in and out, energy the pack lacked
#: [kWh], whether there was no charged pack on the arrival.
VISIT_NUMBERS = 8
#: Shortest charge that has an energy [min].
_LEAST = 1e-9
_RECORD_SCHEMA: dict[str, Any] = {
    "arrival_min": pl.Float64,
    "start_min": pl.Float64,
    "end_min": pl.Float64,
    "wait_min": pl.Float64,
    "stock_out": pl.Boolean,
    "state": pl.String,
}


@dataclass(frozen=True, slots=True)
class SwapStation:
    """A battery-swap station.

    Attributes
    ----------
    bays
        Vehicles served at once.
    batteries
        Packs of the store, all charged at the begin.
    swap_min
        Time of a swap [min].
    power_kw
        Power of one pack charger into the pack [kW].
    efficiency
        Stored energy / grid energy.
    chargers
        Packs that charge at once; one for every pack if None.
    plan
        When packs wait for a cheaper hour; never if None.
    """

    bays: int
    batteries: int
    swap_min: float
    power_kw: float
    efficiency: float
    chargers: int | None = None
    plan: PackPlan | None = None

    def __post_init__(self) -> None:
        for name in ("bays", "batteries", "chargers"):
            value = getattr(self, name)
            if value is not None and value < 0:
                msg = f"{name}={value} of a swap station must not be negative"
                raise ChargingError(msg)
        if not (self.swap_min >= 0.0 and self.power_kw > 0.0 and 0.0 < self.efficiency <= 1.0):
            msg = (
                f"a swap station needs swap_min >= 0, power_kw > 0 and an efficiency above 0 to 1, "
                f"got {self.swap_min}, {self.power_kw}, {self.efficiency}"
            )
            raise ChargingError(msg)

    @property
    def charging_places(self) -> int:
        """Return the packs that can charge at once."""
        return self.batteries if self.chargers is None else min(self.chargers, self.batteries)


class SwapSite:
    """A swap station inside a SimPy environment; it waits and records, nothing else.

    Parameters
    ----------
    env
        SimPy environment.
    name
        Name in the records.
    station
        Its bays, packs and chargers.
    full_soc
        State of charge at which a pack is handed out.
    service_min
        Mean time a pack charges, for what drivers expect to wait [min].
    """

    def __init__(
        self, env: simpy.Environment, name: str, station: SwapStation, full_soc: float, *, service_min: float = 0.0
    ) -> None:
        self.env, self.name, self.station, self.full_soc, self.service_min = env, name, station, full_soc, service_min
        self.free_bays, self.ready = station.bays, station.batteries
        self.queue: deque[simpy.Event] = deque()
        self.bank = PackChargers(env, station.charging_places, station.power_kw, self._charged)
        #: Numbers of the finished visits, one after the other (:data:`VISIT_NUMBERS`): a city has millions.
        self.done = array("d")
        #: Visits that are open at the end, and whether each found no charged pack on its arrival.
        self.visits: list[Session] = []
        self.stock_outs: list[bool] = []
        #: Visits that are not over: arrival, begin of the swap, state of charge, no pack on arrival.
        self.open: dict[int, tuple[float, float | None, float, bool]] = {}
        #: Packs at or before the chargers, by the order in which they came.
        self.charging: dict[int, Charge] = {}
        self._serial = 0
        self.gate = (
            None
            if station.plan is None
            else PackGate(env, station.plan, station.batteries, service_min, self._begin, self._stock)
        )

    def expected_wait_min(self) -> float:
        """Return what a driver who knows the queue expects to wait: those ahead at the bays, or the packs that are missing [min]."""
        ahead = len(self.queue)
        if not self.station.bays:
            return math.inf
        at_bays = (ahead + 1) * self.station.swap_min / self.station.bays if self.free_bays <= 0 else 0.0
        short = ahead + 1 - self.ready
        if short <= 0:
            return at_bays
        places = self.station.charging_places
        return max(at_bays, short * self.service_min / places) if places else math.inf

    def pack(self, vehicle: int, battery: Battery, soc: float) -> Charge:
        """Return the pack that a vehicle hands in, as the charge it needs."""
        return Charge(vehicle, battery.capacity_kwh, battery.max_kw, soc=soc, target=self.full_soc, battery=battery)

    def swap(self, vehicle: int, battery: Battery, soc: float) -> Generator[simpy.Event, Any, float]:
        """Queue for a bay and a charged pack; the generator returns the state of charge of the new pack."""
        yield from self.exchange(vehicle, self.pack(vehicle, battery, soc))
        return self.full_soc

    def exchange(self, vehicle: int, pack: Charge) -> Generator[simpy.Event, Any, None]:
        """Queue for a bay and a charged pack and hand in a pack, given as the charge it needs."""
        arrived = self.env.now
        missing = self.ready <= len(self.queue)
        if self.queue or self.free_bays <= 0 or self.ready <= 0:
            self.open[vehicle] = (arrived, None, pack.soc, missing)
            turn = self.env.event()
            self.queue.append(turn)
            self._review()
            yield turn
        else:
            self._take()
            self._review()
        started = self.env.now
        self.open[vehicle] = (arrived, started, pack.soc, missing)
        yield self.env.timeout(self.station.swap_min)
        del self.open[vehicle]
        # what the pack lacks is booked with the visit, even though it charges later
        stored = (pack.target - pack.soc) * pack.capacity_kwh
        self.done.extend((vehicle, arrived, started, self.env.now, pack.soc, pack.target, stored, missing))
        self.free_bays += 1
        self._hand_in(pack)

    def _hand_in(self, charge: Charge) -> None:
        self._serial += 1
        charge.vehicle = self._serial
        self.charging[self._serial] = charge
        if self.gate is None:
            self._begin(charge)
        else:
            self.gate.offer(charge)
        self._serve()

    def close(self) -> None:
        """Record who still waits or stands in a bay at the end of the run, and bring the packs to the present time."""
        self.bank.close()
        for vehicle, (arrived, started, soc, missing) in sorted(self.open.items()):
            state = "waiting" if started is None else "swapping"
            self.visits.append(Session(self.name, vehicle, arrived, started, None, soc, soc, 0.0, 0.0, state))
            self.stock_outs.append(missing)

    def missing_kwh(self) -> float:
        """Return the energy that the packs of the store lack [kWh]."""
        return sum((c.target - c.soc) * c.capacity_kwh for c in self.charging.values())

    def packs(self) -> int:
        """Return the packs of the station, to be compared with those it began with; one is in the hands of each swap under way."""
        swapping = sum(started is not None for _, started, _, _ in self.open.values())
        return self.ready + len(self.charging) + swapping

    def segments(self) -> NDArray[np.float64]:
        """Return the stretches of constant charger power, array ``[segment, column]``."""
        return self.bank.segments(self.station.efficiency)

    def _take(self) -> None:
        self.free_bays -= 1
        self.ready -= 1

    def _begin(self, charge: Charge) -> None:
        self.bank.arrive(charge)

    def _stock(self) -> tuple[int, int]:
        """Return the packs that are charged or on charge without those that wait, and the vehicles in the queue."""
        waiting = 0 if self.gate is None else len(self.gate.held)
        return self.ready + len(self.charging) - waiting, len(self.queue)

    def _review(self) -> None:
        if self.gate is not None:
            self.gate.review()

    def _charged(self, charge: Charge) -> None:
        del self.charging[charge.vehicle]
        self.ready += 1
        self._serve()

    def _serve(self) -> None:
        while self.queue and self.free_bays > 0 and self.ready > 0:
            self._take()
            self.queue.popleft().succeed()
            self._review()


def done_visits(site: SwapSite) -> NDArray[np.float64]:
    """Return the visits of a store that are over, array ``[visit, number]`` in the order of :data:`VISIT_NUMBERS`.

    Parameters
    ----------
    site
        The store.
    """
    return np.array(site.done).reshape(-1, VISIT_NUMBERS)


def simulate_swap(
    arrivals: Any,
    *,
    packs: int,
    chargers: int | None = None,
    bays: int = 1,
    swap_min: float = 0.0,
    power_kw: float | None = None,
    horizon_min: float | None = None,
) -> pl.DataFrame:
    """Simulate one battery-swap station; every vehicle gets a record.

    Parameters
    ----------
    arrivals
        Table in any order with ``arrival_min`` and what the pack that is handed in needs: ``charge_min``, or ``energy_kwh`` with ``power_kw``.
    packs
        Packs of the store, all charged at the begin; 0 = everybody waits.
    chargers
        Packs that charge at once; one for every pack if None.
    bays
        Vehicles served at once.
    swap_min
        Time of a swap [min].
    power_kw
        Power of one pack charger [kW]; needed with ``energy_kwh`` only.
    horizon_min
        End of the run [min]; by default everybody who can be served is.

    Returns
    -------
    table
        The arrivals in the given order with ``visit``, ``arrival_min``, start_min (of the swap), end_min, wait_min (missing for who is still waiting),
        stock_out (the vehicle found no charged pack for it) and state: ``swapped``, and at the end of the run ``swapping``, ``waiting``, ``away``.

    Raises
    ------
    ChargingError
        If a column is missing or holds a value no arrival can have, or a number of bays, packs or chargers is negative.
    ConservationError
        If packs or vehicles do not add up.

    Notes
    -----
    With exponential charging times, bays for everybody and no swap time the station is a base stock: the mean wait is
    :func:`fleets.queueing.swap_wait_min`.

    Examples
    --------
    >>> visits = {"arrival_min": [0, 1, 2], "charge_min": [10, 10, 10]}
    >>> simulate_swap(visits, packs=2, chargers=1)["wait_min"].to_list()
    [0.0, 0.0, 8.0]
    """
    frame = as_frame(arrivals, "arrivals", ChargingError)
    arrive, minutes = _columns(frame, power_kw)
    numbers = [count_of(v, k, ChargingError) for k, v in (("packs", packs), ("bays", bays))]
    places = None if chargers is None else count_of(chargers, "chargers", ChargingError)
    env = Clock(initial_time=min(0.0, float(arrive.min(initial=0.0))))
    site = SwapSite(env, "swap", SwapStation(numbers[1], numbers[0], float(swap_min), 1.0, 1.0, places), 1.0)

    def vehicle(number: int, at: float, charge_min: float) -> Generator[simpy.Event, Any, None]:
        yield env.timeout(at - env.now)
        # constant power of 1 kW: the energy is the time
        yield from site.exchange(number, Charge(number, max(charge_min, _LEAST) / 60.0, 1.0, alone_min=charge_min))

    for number, (at, charge_min) in enumerate(zip(arrive.tolist(), minutes.tolist(), strict=True)):
        env.process(vehicle(number, at, charge_min))
    if horizon_min is not None and horizon_min <= env.now:
        msg = f"horizon_min={horizon_min} must lie after the begin of the run, {env.now:g}"
        raise ChargingError(msg)
    env.run(until=horizon_min)
    site.close()
    if site.packs() != numbers[0]:
        msg = f"the station began with {numbers[0]} packs and ends with {site.packs()}"
        raise ConservationError(msg)
    rows: list[tuple[Any, ...]] = [(a, None, None, None, None, "away") for a in arrive.tolist()]
    for number, _, start, end, _, _, _, missing in done_visits(site).tolist():
        at = rows[int(number)][0]
        rows[int(number)] = (at, start, end, start - at, bool(missing), "swapped")
    for visit, missing in zip(site.visits, site.stock_outs, strict=True):
        wait = None if visit.start_min is None else visit.start_min - visit.arrive_min
        rows[visit.vehicle] = (rows[visit.vehicle][0], visit.start_min, visit.end_min, wait, missing, visit.state)
    found = pl.DataFrame(rows, schema=_RECORD_SCHEMA, orient="row").with_row_index("visit")
    return pl.concat([found, frame.drop(c for c in frame.columns if c in found.columns)], how="horizontal")


def swap_summary(
    records: pl.DataFrame, *, bays: int = 1, warmup_min: float = 0.0, horizon_min: float | None = None
) -> dict[str, float]:
    """Return the indicators of a swap station from its records, of the vehicles that arrived at or after the warm-up.

    Parameters
    ----------
    records
        Records of :func:`simulate_swap`.
    bays
        Bays of the run.
    warmup_min, horizon_min
        Counted time [min]; up to the last event of the records if None.

    Returns
    -------
    dict
        Metric -> value: visits, swapped, stock_outs, stock_out_share, wait_mean_min, wait_p50_min, wait_p95_min (who still waits counts the time so
        far), bay_utilisation.
    """
    counted = records.filter((pl.col("arrival_min") >= warmup_min) & (pl.col("state") != "away"))
    ends = [v for c in ("arrival_min", "end_min") if isinstance(v := records[c].max(), float)]
    last = horizon_min if horizon_min is not None else max(ends, default=0.0)
    waited = counted.select(pl.coalesce("wait_min", last - pl.col("arrival_min"))).to_series().to_numpy()
    begin = pl.max_horizontal("start_min", pl.lit(warmup_min))
    busy = records.select((pl.col("end_min").fill_null(last).clip(upper_bound=last) - begin).clip(0.0).sum()).item()
    outs = float(counted["stock_out"].sum())
    return {
        "visits": float(counted.height),
        "swapped": float((counted["state"] == "swapped").sum()),
        "stock_outs": outs,
        "stock_out_share": ratio(outs, counted.height),
        "wait_mean_min": float(waited.mean()) if waited.size else 0.0,
        "wait_p50_min": quantile(waited, 0.5),
        "wait_p95_min": quantile(waited, 0.95),
        "bay_utilisation": ratio(float(busy), bays * (last - warmup_min)),
    }


def _columns(frame: pl.DataFrame, power_kw: float | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    arrive = number_column(frame, "arrival_min", ChargingError)
    if not np.isfinite(arrive).all():
        msg = "arrival_min must be finite"
        raise ChargingError(msg)
    if "charge_min" in frame.columns or not frame.width:
        return arrive, number_column(frame, "charge_min", ChargingError, at_least=0.0)
    if power_kw is None or not power_kw > 0.0:
        msg = f"arrivals need charge_min, or energy_kwh and power_kw above 0 (got {power_kw}); columns: {frame.columns}"
        raise ChargingError(msg)
    return arrive, number_column(frame, "energy_kwh", ChargingError, at_least=0.0) / power_kw * 60.0
