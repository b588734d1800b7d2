"""Exact lower bounds of a charging load: the lowest peak and the cheapest bill with which given sessions can be served, by linear programme.

A session stands from its arrival to its departure and takes a given energy at any power up to its own. No rule of any depot, whatever it foresees,
comes below these bounds; how far a rule stays above them is its gap. Time is cut into even steps and the peak is the highest mean of a step, as
in the load curves and on a demand meter: for that peak the programme is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy import sparse
from scipy.optimize import linprog

from fleets.bill import FIRST_MONDAY
from fleets.errors import ChargingError, TariffError
from fleets.tables import as_frame, count_of, number_column
from fleets.tariff import DAY_MIN

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import ArrayLike, NDArray

    from fleets.tariff import Tariff

_MIN_PER_H = 60.0
#: Energy beyond what a stay can take that counts as rounding [share].
_ROUNDING = 1e-6


@dataclass(frozen=True)
class LoadBound:
    """The best that any schedule of given sessions can do.

    Attributes
    ----------
    peak_kw
        Highest mean grid load of a step of the optimal schedule [kW]; of :func:`peak_bound` the lowest there can be.
    energy_cny, demand_cny
        Energy and demand charge of the optimal schedule [CNY]; 0 without a tariff.
    load_kw
        Mean grid load of each step of one optimal schedule, array ``(step,)`` [kW].
    start_min, step_min
        Begin of the first step and length of a step [min].
    """

    peak_kw: float
    energy_cny: float
    demand_cny: float
    load_kw: NDArray[np.float64]
    start_min: float
    step_min: int

    @property
    def total_cny(self) -> float:
        """Return energy and demand charge together [CNY]."""
        return self.energy_cny + self.demand_cny


@dataclass(frozen=True, slots=True)
class _Programme:
    """Sessions on the grid of steps: one variable per session and step of its stay, the energy charged there."""

    session: NDArray[np.int64]
    step: NDArray[np.int64]
    top_kwh: NDArray[np.float64]
    energy_kwh: NDArray[np.float64]
    base_kw: NDArray[np.float64]
    steps: int
    start_min: float
    step_min: int
    #: Largest power by variable [kW]; a full plug in a step is this power over the whole step.
    power_kw: NDArray[np.float64]

    def matrix(self, rows: NDArray[np.int64], values: NDArray[np.float64], height: int, columns: int) -> Any:
        """Return the variables of the sessions in the left columns of a matrix."""
        return sparse.csr_array((values, (rows, np.arange(rows.size))), shape=(height, columns))


def peak_bound(
    sessions: Any, *, step_min: int = 15, efficiency: float = 1.0, plugs: int | None = None, base_kw: ArrayLike | None = None
) -> LoadBound:
    """Return the lowest peak with which sessions can be served.

    Parameters
    ----------
    sessions
        Table: ``arrive_min``, ``leave_min``, ``energy_kwh`` (into the battery), ``max_kw`` (into the battery), in any order.
    step_min
        Step over which the load is averaged; steps count from minute 0 [min].
    efficiency
        Stored energy / grid energy.
    plugs
        Number of plugs; without a limit if None.
    base_kw
        Load that is there anyway, one value per step from the step of the first arrival on [kW].

    Returns
    -------
    LoadBound
        With ``peak_kw`` the minimum.

    Raises
    ------
    ChargingError
        If a session cannot take its energy in its stay, a value is impossible, or the plugs do not suffice.

    Notes
    -----
    min P subject to sum over k of x(i, k) = e(i), 0 <= x(i, k) <= p(i) o(i, k), sum over i of x(i, k) <= efficiency (P - base(k)) h, and with
    plugs sum over i of x(i, k) / p(i) <= plugs h, where o is the part of step k in the stay of i and h the step. Solved by HiGHS. The plug
    row lets vehicles change places at no cost, and the taper of a battery is left out, so that the bound also holds for simulations with both.

    Examples
    --------
    A vehicle alone, 60 kWh in 3 h: 20 kW. A second one in the last hour with 40 kWh lifts the best peak to (60 + 40) / 3.

    >>> alone = {"arrive_min": [0], "leave_min": [180], "energy_kwh": [60], "max_kw": [100]}
    >>> round(peak_bound(alone).peak_kw, 6)
    20.0
    >>> both = {"arrive_min": [0, 120], "leave_min": [180, 180], "energy_kwh": [60, 40], "max_kw": [100, 100]}
    >>> round(peak_bound(both).peak_kw, 6)
    40.0
    """
    made = _programme(sessions, step_min, efficiency, base_kw)
    if not made.session.size:
        return LoadBound(float(made.base_kw.max(initial=0.0)), 0.0, 0.0, made.base_kw, made.start_min, step_min)
    n = made.session.size
    hours = step_min / _MIN_PER_H
    cost = np.zeros(n + 1)
    cost[n] = 1.0
    charged: Any = made.matrix(made.step, np.full(n, 1.0 / hours), made.steps, n)
    peak: Any = sparse.csr_array(-np.ones((made.steps, 1)))
    cap: Any = sparse.hstack([charged, peak], format="csr")
    top = np.append(made.top_kwh, np.inf)
    found = _solve(cost, cap, -made.base_kw, made, plugs, top)
    load = made.base_kw + np.bincount(made.step, weights=found[:n], minlength=made.steps) / hours
    return LoadBound(float(found[n]), 0.0, 0.0, load, made.start_min, step_min)


def bill_bound(
    sessions: Any,
    tariff: Tariff,
    *,
    start: datetime | None = None,
    step_min: int = 15,
    efficiency: float = 1.0,
    plugs: int | None = None,
    feeder_kw: float | None = None,
    base_kw: ArrayLike | None = None,
) -> LoadBound:
    """Return the cheapest bill with which sessions can be served: energy by the hour and the demand charge of every month, together.

    Parameters
    ----------
    sessions, step_min, efficiency, plugs, base_kw
        As in :func:`peak_bound`.
    tariff
        Prices; the demand meter averages over one step.
    start
        Local time of minute 0; a Monday in January if not given.
    feeder_kw
        Largest grid load [kW]; no limit if None.

    Returns
    -------
    LoadBound
        With the least ``total_cny``; the bill of ``base_kw`` is in it.

    Raises
    ------
    ChargingError
        As :func:`peak_bound`, or if the feeder does not suffice.
    TariffError
        If the step does not divide a day.
    """
    if step_min < 1 or DAY_MIN % step_min:
        msg = f"step_min={step_min} must divide a day"
        raise TariffError(msg)
    made = _programme(sessions, step_min, efficiency, base_kw)
    n, hours = made.session.size, step_min / _MIN_PER_H
    if not made.steps:
        return LoadBound(0.0, 0.0, 0.0, made.base_kw, made.start_min, step_min)
    price, month = _prices(made, tariff, FIRST_MONDAY if start is None else start.replace(tzinfo=None))
    months = int(month.max(initial=-1)) + 1
    cost = np.concatenate([price[made.step], np.full(months, tariff.demand_cny_per_kw_month)])
    cap = sparse.hstack(
        [
            made.matrix(made.step, np.full(n, 1.0 / hours), made.steps, n),
            sparse.csr_array((-np.ones(made.steps), (np.arange(made.steps), month)), shape=(made.steps, months)),
        ],
        format="csr",
    )
    limit = np.inf if feeder_kw is None else feeder_kw
    top = np.concatenate([made.top_kwh, np.full(months, limit)])
    found = _solve(cost, cap, -made.base_kw, made, plugs, top)
    load = made.base_kw + np.bincount(made.step, weights=found[:n], minlength=made.steps) / hours
    peaks = np.zeros(months)
    np.maximum.at(peaks, month, load)
    energy = float((load * hours * price).sum())
    return LoadBound(
        float(load.max(initial=0.0)), energy, float(peaks.sum()) * tariff.demand_cny_per_kw_month, load, made.start_min, step_min
    )


def critical_window(sessions: Any, *, step_min: int = 15) -> tuple[float, float, float]:
    """Return the time in which sessions press most: begin, end [min] and the mean power that whoever stays wholly inside it needs [kW].

    Parameters
    ----------
    sessions
        As in :func:`peak_bound`.
    step_min
        Step [min].

    Returns
    -------
    tuple
        The power is itself a lower bound of the peak (into the batteries), exact where no session has a limit of its own; the sessions that
        touch the window are those worth a linear programme: a bound of some of the sessions is one of all.

    Notes
    -----
    max over a < b of (energy of the sessions within [a, b]) / (b - a), the critical interval of speed scaling (Yao, Demers and Shenker 1995).

    Examples
    --------
    >>> critical_window({"arrive_min": [0, 60], "leave_min": [240, 120], "energy_kwh": [20, 50], "max_kw": [60, 60]})
    (60.0, 120.0, 50.0)
    """
    made = _programme(sessions, step_min, 1.0, None)
    if not made.session.size:
        return 0.0, 0.0, 0.0
    first = np.flatnonzero(np.diff(made.session, prepend=-1))
    last = np.append(first[1:], made.session.size) - 1
    # energy by first and last step, then summed over all pairs inside each window
    within = np.zeros((made.steps, made.steps))
    np.add.at(within, (made.step[first], made.step[last]), made.energy_kwh)
    within = np.cumsum(np.cumsum(within[::-1], axis=0)[::-1], axis=1)
    length = np.arange(made.steps)[None, :] - np.arange(made.steps)[:, None] + 1
    power = np.where(length > 0, within / np.maximum(length, 1), 0.0) * _MIN_PER_H / step_min
    begin, end = np.unravel_index(int(power.argmax()), power.shape)
    return made.start_min + float(begin) * step_min, made.start_min + (float(end) + 1.0) * step_min, float(power[begin, end])


def gap_share(reached: float, bound: float) -> float:
    """Return how far a rule stays above a bound, as a share of the bound; 0 where there is nothing to charge."""
    return reached / bound - 1.0 if bound > 0.0 else 0.0


def _programme(sessions: Any, step_min: int, efficiency: float, base_kw: ArrayLike | None) -> _Programme:
    step = count_of(step_min, "step_min", ChargingError)
    if step < 1 or not 0.0 < efficiency <= 1.0:
        msg = f"step_min={step_min} must be 1 or more and efficiency={efficiency} lie in above 0 to 1"
        raise ChargingError(msg)
    table = as_frame(sessions, "sessions", ChargingError)
    arrive, leave = (number_column(table, c, ChargingError) for c in ("arrive_min", "leave_min"))
    energy, power = (number_column(table, c, ChargingError, at_least=0.0) for c in ("energy_kwh", "max_kw"))
    stay = leave - arrive
    # an end without limit is no stay that a programme can hold
    bad = ~np.isfinite(stay) | (stay < 0.0) | ~np.isfinite(energy)
    room = power * np.where(bad, 0.0, stay) / _MIN_PER_H
    bad |= energy > room * (1.0 + _ROUNDING) + _ROUNDING
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        msg = (
            f"session in row {i} asks {energy[i]:g} kWh between {arrive[i]:g} and {leave[i]:g} min at up to {power[i]:g} kW, "
            f"which gives at most {room[i]:g} kWh: lengthen the stay, raise max_kw or ask less"
        )
        raise ChargingError(msg)
    some = (energy > 0.0) & (stay > 0.0)
    arrive, leave, energy, power = (v[some] for v in (arrive, leave, np.minimum(energy, room), power))
    first = int(np.floor(arrive.min() / step)) if arrive.size else 0
    low = np.floor(arrive / step).astype(np.int64)
    high = np.maximum(np.ceil(leave / step).astype(np.int64), low + 1)
    steps = int(high.max()) - first if arrive.size else 0
    base = np.zeros(steps) if base_kw is None else np.asarray(base_kw, dtype=np.float64)
    if base_kw is not None and (base.ndim != 1 or base.size < steps or not np.all(np.isfinite(base) & (base >= 0.0))):
        msg = f"base_kw needs {steps} values of 0 or more, one per step of {step} min from minute {first * step} on; got {base.shape}"
        raise ChargingError(msg)
    count = high - low
    session = np.repeat(np.arange(arrive.size), count)
    index = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + low[session]
    overlap = np.minimum(leave[session], (index + 1.0) * step) - np.maximum(arrive[session], index * float(step))
    top = power[session] * np.maximum(overlap, 0.0) / _MIN_PER_H
    return _Programme(
        session,
        index - first,
        top / efficiency,
        energy / efficiency,
        base,
        base.size,
        float(first * step),
        step,
        power[session] / efficiency,
    )


def _solve(
    cost: NDArray[np.float64],
    cap: Any,
    right: NDArray[np.float64],
    made: _Programme,
    plugs: int | None,
    top: NDArray[np.float64],
) -> NDArray[np.float64]:
    n = made.session.size
    if plugs is not None:
        places = made.matrix(made.step, 1.0 / (made.power_kw * made.step_min / _MIN_PER_H), made.steps, cost.size)
        cap = sparse.vstack([cap, places], format="csr")
        right = np.concatenate([right, np.full(made.steps, float(count_of(plugs, "plugs", ChargingError)))])
    whole = made.matrix(made.session, np.ones(n), made.energy_kwh.size, cost.size)
    bounds: Any = np.column_stack([np.zeros(cost.size), top])
    found = linprog(
        cost,
        A_ub=cap,
        b_ub=right,
        A_eq=whole,
        b_eq=made.energy_kwh,
        bounds=bounds,
        method="highs",
    )
    if found.status != 0:
        msg = f"the sessions cannot all be served with {plugs} plugs and this feeder ({found.message}): add plugs or power"
        raise ChargingError(msg)
    return np.asarray(found.x, dtype=np.float64)


def _prices(made: _Programme, tariff: Tariff, start: datetime) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return price [CNY/kWh] and number of the month by step; a step across a boundary of periods pays their mean by minutes."""
    begin = start + timedelta(minutes=made.start_min)
    offset = (begin.hour * 60 + begin.minute) // made.step_min
    position = offset + np.arange(made.steps)
    per_day = DAY_MIN // made.step_min
    months = (np.datetime64(begin.date(), "D") + position // per_day).astype("datetime64[M]")
    of_minute = np.asarray(tariff.price_cny_per_kwh)[tariff.period_of_minute]
    by_step = of_minute.reshape(of_minute.shape[0], per_day, made.step_min).mean(axis=2)
    _, number = np.unique(months, return_inverse=True)
    return by_step[months.astype(np.int64) % 12, position % per_day], number.astype(np.int64)


def stays(blocks: pl.DataFrame, sessions: pl.DataFrame, *, max_kw: float, turnaround_min: float, end_min: float) -> pl.DataFrame:
    """Return what a depot run charged, as sessions of the programmes above: one row per stay of a vehicle in the depot.

    Parameters
    ----------
    blocks
        Columns vehicle, start_min, end_min of what was driven.
    sessions
        Columns vehicle, arrive_min, start_min, end_min, stored_kwh of the visits to the plugs; several in one stay add up.
    max_kw
        Largest power of a charge [kW].
    turnaround_min
        Time between the end of a block and the queue [min].
    end_min
        End of the run [min].

    Returns
    -------
    table
        Columns vehicle, arrive_min, leave_min, energy_kwh, max_kw: a stay reaches from the last return to the next departure, so that it holds
        the time in which a managed vehicle did not even queue. Stays that begin before the first block have no arrival and are left out.
    """
    away = blocks.select(
        pl.col("vehicle").cast(pl.Int64), (pl.col("end_min") + turnaround_min).alias("arrive_min"), pl.col("start_min")
    ).sort("vehicle", "start_min")
    stay = away.select(
        "vehicle",
        "arrive_min",
        pl.col("start_min").shift(-1).over("vehicle").fill_null(end_min).clip(upper_bound=end_min).alias("leave_min"),
    )
    charged = sessions.filter(pl.col("stored_kwh") > 0.0).select(
        pl.col("vehicle").cast(pl.Int64), pl.col("arrive_min").alias("asked_min"), "stored_kwh"
    )
    joined = charged.sort("asked_min").join_asof(
        stay.sort("arrive_min").with_columns(pl.col("arrive_min").alias("asked_min") - _ROUNDING),
        on="asked_min",
        by="vehicle",
        strategy="backward",
        check_sortedness=False,
    )
    return (
        joined.filter(pl.col("arrive_min").is_not_null())
        .sort("vehicle", "asked_min")
        .group_by("vehicle", "arrive_min", "leave_min", maintain_order=True)
        .agg(pl.col("stored_kwh").sum().alias("energy_kwh"))
        .with_columns(pl.lit(float(max_kw)).alias("max_kw"))
        .sort("arrive_min", "vehicle")
    )
