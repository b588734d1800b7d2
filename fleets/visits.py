"""A public charging station from a table of visits: who waits how long, who leaves, and what a small feeder does to everybody.

The answer is one record per visit. A site that is too small, even one without plugs, is a result and not an error.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.clock import Clock
from fleets.errors import ChargingError, ConservationError
from fleets.plug_bank import Charge, PlugBank
from fleets.records import quantile, ratio
from fleets.station import Plugs
from fleets.tables import as_frame, count_of, number_column

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import simpy
    from numpy.typing import NDArray

_MIN_PER_H = 60.0
_FULL = 1e-9
DISCIPLINES = ("fifo", "priority")
#: Columns the station adds to the visits.
RECORD_COLUMNS = (
    "start_min",
    "end_min",
    "release_min",
    "wait_min",
    "charge_min",
    "delivered_kwh",
    "unserved_kwh",
    "plug",
    "state",
    "served",
)


def simulate_station(
    sessions: Any,
    *,
    plugs: int | Sequence[float] | Plugs,
    feeder_kw: float | None = None,
    discipline: str = "fifo",
    power_kw: float | None = None,
    queue_places: int | None = None,
    release: str = "charged",
    horizon_min: float | None = None,
) -> pl.DataFrame:
    """Simulate one charging station with one queue; every visit gets a record.

    Parameters
    ----------
    sessions
        Table (frame, dict of columns or list of dicts) in any order with ``arrival_min`` and either ``service_min`` or ``energy_kwh`` with
        ``power_kw`` (what the vehicle takes at most; the plug's power if the column is missing). Optional: ``priority`` (smaller goes first;
        0 if missing), ``patience_min`` (longest wait for a plug), ``departure_min`` (leaves then, charged or not), ``vehicle`` with
        ``away_min`` (closed fleet: the visit begins that long after the vehicle's last one ended, or after 0, instead of at ``arrival_min``).
    plugs
        Number of plugs, 0 allowed, or the power of each plug [kW], or :class:`fleets.station.Plugs`.
    feeder_kw
        Power that all who charge share [kW], max-min fair; no limit if None.
    discipline
        ``fifo``, or ``priority`` (who charges is not interrupted; equal priorities first come, first served; order of rows breaks ties).
    power_kw
        Power of each plug if ``plugs`` is a number [kW].
    queue_places
        Places to wait; 0 makes a loss system, None has no limit.
    release
        ``charged``: a plug comes free when the charge ends; ``departure``: when the vehicle departs (column ``departure_min``).
    horizon_min
        End of the run [min]; by default everybody who can be served is.

    Returns
    -------
    table
        The visits in the given order with ``session``, ``arrival_min``, and start_min, end_min (of the charge, or when the vehicle left),
        release_min, wait_min (missing for who never got a plug), charge_min, delivered_kwh and unserved_kwh (missing without energies),
        plug, state and served. States: ``served``, ``cut`` (left the plug early), ``left`` (left the queue), ``lost`` (no place to wait),
        and at the end of the run ``charging``, ``waiting`` and ``away`` (has not arrived).

    Raises
    ------
    ChargingError
        If a column is missing or holds a value no visit can have; the message names column, row and value.
    ConservationError
        If visits, energy or the feeder do not add up.

    Examples
    --------
    >>> import polars as pl
    >>> visits = pl.DataFrame({"arrival_min": [0, 1], "service_min": [24, 24]})
    >>> simulate_station(visits, plugs=1)["wait_min"].to_list()
    [0.0, 23.0]
    """
    frame = as_frame(sessions, "sessions", ChargingError)
    powers, feeder = plug_powers(plugs, feeder_kw, power_kw)
    rule = str(discipline).lower()
    if rule not in DISCIPLINES:
        msg = f"discipline={discipline!r} is not known; there are {', '.join(DISCIPLINES)}"
        raise ChargingError(msg)
    if release not in {"charged", "departure"}:
        msg = f"release={release!r} is not known; there are charged, departure"
        raise ChargingError(msg)
    places = None if queue_places is None else count_of(queue_places, "queue_places", ChargingError)
    charges, has_energy, powers = _charges(frame, powers, feeder, hold=release == "departure")
    closed = "away_min" in frame.columns
    arrive = np.zeros(frame.height) if closed else number_column(frame, "arrival_min", ChargingError)
    env = Clock(initial_time=min(0.0, float(arrive.min(initial=0.0))))
    bank = PlugBank(
        env, powers, feeder_kw=feeder, by_priority=rule == "priority", places=places, stretches=has_energy and feeder < math.inf
    )
    if closed:
        away = number_column(frame, "away_min", ChargingError, at_least=0.0)
        fleet = frame["vehicle"].to_list() if "vehicle" in frame.columns else list(range(frame.height))
        trips: dict[Any, list[tuple[float, Charge]]] = {}
        for vehicle, minutes, charge in zip(fleet, away.tolist(), charges, strict=True):
            trips.setdefault(vehicle, []).append((minutes, charge))
        for stays in trips.values():
            env.process(_circulate(env, bank, stays))
    else:
        order = np.argsort(arrive, kind="stable")
        env.process(_source(env, bank, [(float(arrive[i]), charges[i]) for i in order.tolist()]))
    if horizon_min is not None and horizon_min <= env.now:
        msg = f"horizon_min={horizon_min} must lie after the begin of the run, {env.now:g}"
        raise ChargingError(msg)
    env.run(until=horizon_min)
    bank.close()
    records = _records(frame, charges, closed=closed, has_energy=has_energy, arrive=arrive)
    _check(records, charges, bank, float(env.now))
    return records


def station_summary(
    records: pl.DataFrame, *, plugs: int | Sequence[float] | Plugs, warmup_min: float = 0.0, horizon_min: float | None = None
) -> dict[str, float]:
    """Return the indicators of a run from its records, of the visits that arrived at or after the warm-up.

    Parameters
    ----------
    records
        Records of :func:`simulate_station`.
    plugs
        The plugs of the run.
    warmup_min
        Begin of the counted time [min].
    horizon_min
        End of the counted time [min]; the last event of the records if None.

    Returns
    -------
    dict
        Metric -> value: visits, served, unserved, served_share, wait_mean_min, wait_p50_min, wait_p95_min, wait_max_min (who got
        no plug counts the time until it left, or until the end), waited_share, time_at_site_mean_min, plug_utilisation, delivered_kwh, unserved_kwh.
    """
    number = len(plug_powers(plugs, None, None)[0])
    counted = records.filter((pl.col("arrival_min") >= warmup_min) & (pl.col("state") != "away"))
    last = horizon_min if horizon_min is not None else max((_top(records, c) for c in ("arrival_min", "end_min")), default=0.0)
    waited = (
        counted.select(pl.coalesce("wait_min", pl.col("end_min") - pl.col("arrival_min"), last - pl.col("arrival_min")))
        .to_series()
        .to_numpy()
    )
    at_plug = records.filter(pl.col("start_min").is_not_null()).select(
        (
            pl.min_horizontal(pl.col("release_min").fill_null(last), pl.lit(last))
            - pl.max_horizontal("start_min", pl.lit(warmup_min))
        )
        .clip(0.0)
        .sum()
    )
    stay = counted.filter(pl.col("start_min").is_not_null()).select(pl.col("end_min") - pl.col("arrival_min")).to_series()
    served = counted["served"].sum()
    return {
        "visits": float(counted.height),
        "served": float(served),
        "unserved": float(counted.height - served),
        "served_share": ratio(float(served), counted.height),
        "wait_mean_min": float(waited.mean()) if waited.size else 0.0,
        "wait_p50_min": quantile(waited, 0.5),
        "wait_p95_min": quantile(waited, 0.95),
        "wait_max_min": float(waited.max(initial=0.0)),
        "waited_share": ratio(float((waited > 1e-9).sum()), waited.size),
        "time_at_site_mean_min": float(stay.drop_nulls().to_numpy().mean()) if stay.drop_nulls().len() else 0.0,
        "plug_utilisation": ratio(float(at_plug.item()), number * (last - warmup_min)),
        "delivered_kwh": float(counted["delivered_kwh"].sum()),
        "unserved_kwh": float(counted["unserved_kwh"].sum()),
    }


def _source(env: simpy.Environment, bank: PlugBank, visits: list[tuple[float, Charge]]) -> Generator[simpy.Event, Any, None]:
    for time, charge in visits:
        if time > env.now:
            yield env.timeout(time - env.now)
        bank.arrive(charge)


def _circulate(env: simpy.Environment, bank: PlugBank, stays: list[tuple[float, Charge]]) -> Generator[simpy.Event, Any, None]:
    for away, charge in stays:
        if away > 0.0:
            yield env.timeout(away)
        yield bank.arrive(charge)


def plug_powers(
    plugs: int | Sequence[float] | Plugs, feeder_kw: float | None, power_kw: float | None
) -> tuple[list[float], float]:
    """Return the power of each plug and the feeder [kW]."""
    feeder = math.inf if feeder_kw is None else float(feeder_kw)
    if math.isnan(feeder) or feeder < 0.0:
        msg = f"feeder_kw={feeder_kw} must not be negative"
        raise ChargingError(msg)
    if isinstance(plugs, Plugs):
        return [plugs.power_kw] * plugs.count, min(feeder, plugs.limit_kw * plugs.efficiency)
    if isinstance(plugs, (list, tuple, np.ndarray, pl.Series)):
        powers = [float(p) for p in plugs]
        if any(not p > 0.0 for p in powers):
            msg = f"plugs={powers}: the power of a plug must be positive; leave a plug out instead"
            raise ChargingError(msg)
        return powers, feeder
    power = math.inf if power_kw is None else float(power_kw)
    if not power > 0.0:
        msg = f"power_kw={power_kw} must be positive"
        raise ChargingError(msg)
    return [power] * count_of(plugs, "plugs", ChargingError), feeder


def _charges(frame: pl.DataFrame, powers: list[float], feeder: float, *, hold: bool) -> tuple[list[Charge], bool, list[float]]:
    """Return the visits as charges, whether they carry energy, and the plug powers that act on them."""
    n = frame.height
    if hold and "departure_min" not in frame.columns:
        msg = "release='departure' needs a column departure_min"
        raise ChargingError(msg)
    work, top, alone = _work(frame, powers, feeder)
    has_energy = top is not None
    if alone is not None:
        # a stated service time holds at any plug
        powers = [math.inf] * len(powers)
    priority = number_column(frame, "priority", ChargingError) if "priority" in frame.columns else np.zeros(n)
    patience, leave = (_limit(frame, c, low) for c, low in (("patience_min", 0.0), ("departure_min", -math.inf)))
    columns = (work, np.ones(n) if top is None else top, priority, patience, leave)
    charges = [
        Charge(
            vehicle=i,
            capacity_kwh=kwh if kwh > 0.0 else 1.0,
            max_kw=kw,
            target=1.0 if kwh > 0.0 else 0.0,
            priority=rank,
            patience_min=most,
            leave_min=until,
            hold_until_min=until if hold and until < math.inf else -math.inf,
            alone_min=None if alone is None else float(alone[i]),
        )
        for i, (kwh, kw, rank, most, until) in enumerate(zip(*(v.tolist() for v in columns), strict=True))
    ]
    return charges, has_energy, powers


def _work(
    frame: pl.DataFrame, powers: list[float], feeder: float
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Return energy [kWh] (or minutes / 60 without a power), largest power [kW] if known, and the exact minutes if stated."""
    names, strongest = set(frame.columns), max(powers, default=math.inf)
    top: NDArray[np.float64] | None = None
    if "power_kw" in names:
        top = number_column(frame, "power_kw", ChargingError, above=0.0)
    elif not powers or (strongest < math.inf and ("energy_kwh" in names or min(powers) == strongest)):
        # where there is no plug, no power matters
        top = np.full(frame.height, strongest if powers else 1.0)
    service = number_column(frame, "service_min", ChargingError, at_least=0.0) if "service_min" in names else None
    energy = number_column(frame, "energy_kwh", ChargingError, at_least=0.0) if "energy_kwh" in names else None
    if energy is not None and top is not None:
        return energy, top, None
    if energy is not None and service is not None:
        kw = energy / np.maximum(service, _FULL) * _MIN_PER_H
        return energy, np.where(kw > 0.0, kw, 1.0), service
    if service is None or energy is not None:
        if not frame.width:
            return np.empty(0), None, None
        msg = f"sessions need service_min, or energy_kwh with power_kw (a column, or the power of the plugs); columns: {frame.columns}"
        raise ChargingError(msg)
    if top is None and feeder < math.inf:
        msg = "feeder_kw needs the power of the vehicles: give a column power_kw or energy_kwh, or plugs as a list of powers"
        raise ChargingError(msg)
    return service * (1.0 if top is None else top) / _MIN_PER_H, top, service


def _limit(frame: pl.DataFrame, name: str, low: float) -> NDArray[np.float64]:
    """Return a column of latest times; a missing value is no limit."""
    if name not in frame.columns:
        return np.full(frame.height, math.inf)
    return number_column(frame.with_columns(pl.col(name).cast(pl.Float64).fill_null(math.inf)), name, ChargingError, at_least=low)


def _records(
    frame: pl.DataFrame, charges: list[Charge], *, closed: bool, has_energy: bool, arrive: NDArray[np.float64]
) -> pl.DataFrame:
    asked = np.array([c.capacity_kwh * c.target for c in charges])
    got = np.array([c.stored_kwh for c in charges])
    # the last hair of a full charge is rounding
    got = np.where([c.state == "served" for c in charges], asked, got)
    at = np.array([c.arrive_min for c in charges]) if closed else arrive
    state = ["away" if c.state == "new" else c.state for c in charges]
    kept = frame.drop(c for c in frame.columns if c in RECORD_COLUMNS or c in {"session", "arrival_min"})
    records = pl.DataFrame(
        {
            "session": np.arange(len(charges)),
            "arrival_min": at,
            "start_min": [c.start_min for c in charges],
            "end_min": [c.end_min for c in charges],
            "release_min": [c.release_min for c in charges],
            "delivered_kwh": got if has_energy else [None] * len(charges),
            "unserved_kwh": asked - got if has_energy else [None] * len(charges),
            "plug": [c.plug if c.plug >= 0 else None for c in charges],
            "state": state,
        },
        schema={
            "session": pl.Int64,
            "arrival_min": pl.Float64,
            "start_min": pl.Float64,
            "end_min": pl.Float64,
            "release_min": pl.Float64,
            "delivered_kwh": pl.Float64,
            "unserved_kwh": pl.Float64,
            "plug": pl.Int64,
            "state": pl.String,
        },
    ).with_columns(
        pl.col("arrival_min").fill_nan(None),
        (pl.col("start_min") - pl.col("arrival_min")).fill_nan(None).alias("wait_min"),
        (pl.col("end_min") - pl.col("start_min")).alias("charge_min"),
        (pl.col("state") == "served").alias("served"),
    )
    return pl.concat([records.select("session", "arrival_min"), kept, records.select(RECORD_COLUMNS)], how="horizontal")


def _check(records: pl.DataFrame, charges: list[Charge], bank: PlugBank, now: float) -> None:
    """Raise if visits, plugs, energy or the feeder do not add up."""
    number = {"waiting": bank.waiting, "charging": len(bank.active)}
    for state, expected in number.items():
        found = records.filter(pl.col("state") == state).height
        if found != expected:
            msg = f"{found} visits are {state} in the records and {expected} at the site"
            raise ConservationError(msg)
    begun = records.filter(pl.col("start_min").is_not_null()).sort("plug", "start_min", "release_min")
    early = begun.filter(
        (pl.col("plug") == pl.col("plug").shift())
        & (pl.col("start_min") < pl.col("release_min").fill_null(math.inf).shift() - 1e-6)
    )
    if early.height:
        msg = f"plug {early['plug'][0]} serves two vehicles at minute {early['start_min'][0]:g}"
        raise ConservationError(msg)
    if bank.stretches:
        table = np.array([(a, b, kw) for a, b, _, kw, _ in bank.stretches])
        delivered = float(records["delivered_kwh"].sum())
        by_power = float(((table[:, 1] - table[:, 0]) * table[:, 2]).sum()) / _MIN_PER_H
        if abs(delivered - by_power) > 1e-6 * max(1.0, delivered):
            msg = f"records hold {delivered:g} kWh and the plugs gave {by_power:g} kWh until minute {now:g}"
            raise ConservationError(msg)
        edge = np.concatenate([table[:, 0], table[:, 1]])
        change = np.concatenate([table[:, 2], -table[:, 2]])
        peak = float(np.cumsum(change[np.lexsort((change, edge))]).max())
        if peak > bank.feeder_kw * (1.0 + 1e-6) + 1e-6:
            msg = f"the plugs draw {peak:g} kW from a feeder of {bank.feeder_kw:g} kW"
            raise ConservationError(msg)
    if any(c.soc > c.target + 1e-6 for c in charges):
        msg = "a vehicle left with more energy than it asked for"
        raise ConservationError(msg)


def _top(records: pl.DataFrame, column: str) -> float:
    return float(records[column].max() or 0.0)  # type: ignore[arg-type]
