"""Electricity bill of a load: time-of-use energy price and a demand charge that is counted month by month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fleets.errors import TariffError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

DAY_MIN = 1440
_MONTHS = 12
_MIN_PER_H = 60.0


@dataclass(frozen=True)
class Tariff:
    """A time-of-use tariff.

    Attributes
    ----------
    period_of_minute
        Array ``[month, minute of day]`` of indices into ``periods``.
    periods
        Period codes, for example sharp, peak, flat, valley.
    price_cny_per_kwh
        Energy price per period [CNY/kWh].
    demand_cny_per_kw_month
        Price of each calendar month's highest mean load [CNY/kW/month].
    demand_interval_min
        Averaging time of the demand meter [min].
    capacity_cny_per_kva_month
        Price of the transformer capacity, instead of a demand price [CNY/kVA/month].
    """

    period_of_minute: NDArray[np.int64]
    periods: tuple[str, ...]
    price_cny_per_kwh: tuple[float, ...]
    demand_cny_per_kw_month: float
    demand_interval_min: int
    capacity_cny_per_kva_month: float = 0.0

    def windows(self, period: str, month: int) -> tuple[tuple[int, int], ...]:
        """Return the day's windows (start, end) [min] of a period in a month; a window over midnight ends after 1440."""
        inside = self.period_of_minute[month - 1] == self.periods.index(period)
        if inside.all():
            return ((0, DAY_MIN),)
        starts = np.flatnonzero(inside & ~np.roll(inside, 1))
        ends = np.flatnonzero(inside & ~np.roll(inside, -1)) + 1
        if inside[0] and inside[-1]:
            ends = np.append(ends[1:], ends[0] + DAY_MIN)
        return tuple((int(a), int(b)) for a, b in zip(starts, ends, strict=True))


@dataclass(frozen=True)
class EnergyBill:
    """An electricity bill.

    Attributes
    ----------
    energy
        Columns month (first day), period, kwh, cny.
    demand
        Columns month (first day), peak_kw, cny.
    kwh, energy_cny, demand_cny, capacity_cny
        Totals [kWh], [CNY], [CNY], [CNY].
    """

    energy: pl.DataFrame
    demand: pl.DataFrame
    kwh: float
    energy_cny: float
    demand_cny: float
    capacity_cny: float = 0.0

    @property
    def total_cny(self) -> float:
        """Return energy and the demand or capacity charge together [CNY]."""
        return self.energy_cny + self.demand_cny + self.capacity_cny

    def months(self) -> pl.DataFrame:
        """Return one row per calendar month: month, kwh, peak_kw, energy_cny, demand_cny, capacity_cny, total_cny."""
        energy = self.energy.group_by("month", maintain_order=True).agg(
            pl.col("kwh").sum(), pl.col("cny").sum().alias("energy_cny")
        )
        joined = energy.join(self.demand.rename({"cny": "demand_cny"}), on="month", how="left", maintain_order="left")
        fixed = pl.lit(self.capacity_cny / max(1, joined.height)).alias("capacity_cny")
        table = joined.with_columns(fixed).select("month", "kwh", "peak_kw", "energy_cny", "demand_cny", "capacity_cny")
        return table.with_columns(pl.sum_horizontal("energy_cny", "demand_cny", "capacity_cny").alias("total_cny"))


def make_tariff(
    periods: pl.DataFrame,
    price_cny_per_kwh: Mapping[str, float],
    *,
    demand_cny_per_kw_month: float,
    demand_interval_min: int,
) -> Tariff:
    """Return a tariff from its clock table.

    Parameters
    ----------
    periods
        Columns month (1-12), start, end (``HH:MM``; ``24:00`` allowed, an end before the start runs over midnight), period.
    price_cny_per_kwh
        Price of each period [CNY/kWh].
    demand_cny_per_kw_month
        Demand price [CNY/kW/month].
    demand_interval_min
        Averaging time of the demand meter [min].

    Raises
    ------
    TariffError
        If a minute of any month has no period or two, or a period has no price.
    """
    codes = tuple(sorted(price_cny_per_kwh))
    table = np.full((_MONTHS, DAY_MIN), -1, dtype=np.int64)
    for row in periods.sort("month", "start").iter_rows(named=True):
        month, period = int(row["month"]), str(row["period"])
        if not 1 <= month <= _MONTHS:
            msg = f"month={month} must be 1 to 12"
            raise TariffError(msg)
        if period not in codes:
            msg = f"period {period!r} of month {month} has no price; prices are given for {', '.join(codes)}"
            raise TariffError(msg)
        start, end = clock_min(str(row["start"])), clock_min(str(row["end"]))
        minutes = np.arange(start, end if end > start else end + DAY_MIN) % DAY_MIN
        if np.any(table[month - 1, minutes] >= 0):
            msg = f"month {month}: {row['start']}-{row['end']} ({period}) overlaps another period"
            raise TariffError(msg)
        table[month - 1, minutes] = codes.index(period)
    if np.any(table < 0):
        month, minute = (int(v[0]) for v in np.nonzero(table < 0))
        msg = f"month {month + 1} has no period at {minute // 60:02d}:{minute % 60:02d}"
        raise TariffError(msg)
    if demand_interval_min <= 0 or DAY_MIN % demand_interval_min:
        msg = f"demand_interval_min={demand_interval_min} must divide a day"
        raise TariffError(msg)
    prices = tuple(float(price_cny_per_kwh[code]) for code in codes)
    return Tariff(table, codes, prices, float(demand_cny_per_kw_month), int(demand_interval_min))


def energy_bill(load_kw: ArrayLike, start: datetime, tariff: Tariff, *, step_min: int) -> EnergyBill:
    """Return the bill of an evenly stepped load.

    Parameters
    ----------
    load_kw
        Mean load of each step [kW].
    start
        Local time of the first step; on a full step after midnight.
    tariff
        Periods and prices.
    step_min
        Length of a step [min].

    Returns
    -------
    EnergyBill
        Energy by month and period, and one demand charge per calendar month on that month's own peak.

    Raises
    ------
    TariffError
        If the load is negative or not a number, or the steps do not fit days and demand intervals.

    Notes
    -----
    A step that crosses a period boundary is split by its minutes. Each calendar month touched by the load pays for its own highest mean over
    the demand interval, never for the peak of the whole series.
    """
    load = np.asarray(load_kw, dtype=np.float64)
    _check_load(load, start, tariff, step_min)
    per_day = DAY_MIN // step_min
    first = (start.hour * 60 + start.minute) // step_min
    position = first + np.arange(load.size)
    dates = np.datetime64(start.date(), "D") + position // per_day
    months = dates.astype("datetime64[M]")
    month_of_year = months.astype(np.int64) % _MONTHS
    # minutes of each period within every step of the day, by month of the year
    steps = tariff.period_of_minute.reshape(_MONTHS, per_day, step_min)
    share = np.stack([(steps == k).sum(axis=2) for k in range(len(tariff.periods))], axis=2) / step_min
    kwh_step = load * step_min / _MIN_PER_H
    kwh = kwh_step[:, None] * share[month_of_year, position % per_day]
    unique, index = np.unique(months, return_inverse=True)
    by_month = np.zeros((unique.size, len(tariff.periods)))
    np.add.at(by_month, index, kwh)
    peaks = _monthly_peaks(load, position, index, unique.size, max(1, tariff.demand_interval_min // step_min))
    labels = [m.astype("datetime64[D]").astype(datetime) for m in unique]
    price = np.asarray(tariff.price_cny_per_kwh)
    n_period = len(tariff.periods)
    energy = pl.DataFrame(
        {
            "month": [m for m in labels for _ in range(n_period)],
            "period": list(tariff.periods) * unique.size,
            "kwh": by_month.ravel(),
            "cny": (by_month * price).ravel(),
        }
    )
    demand = pl.DataFrame({"month": labels, "peak_kw": peaks, "cny": peaks * tariff.demand_cny_per_kw_month})
    return EnergyBill(energy, demand, float(kwh_step.sum()), float((by_month * price).sum()), float(demand["cny"].sum()))


def clock_min(text: str) -> int:
    """Return the minute of the day of ``HH:MM``; ``24:00`` is 1440.

    Raises
    ------
    TariffError
        If the text is no clock time.
    """
    hours, _, minutes = text.strip().partition(":")
    if not (hours.isdigit() and minutes.isdigit()) or int(minutes) >= 60 or int(hours) * 60 + int(minutes) > DAY_MIN:
        msg = f"clock time {text!r} must be HH:MM between 00:00 and 24:00"
        raise TariffError(msg)
    return int(hours) * 60 + int(minutes)


def _monthly_peaks(
    load: NDArray[np.float64], position: NDArray[np.int64], month: NDArray[np.int64], n_month: int, group: int
) -> NDArray[np.float64]:
    """Return the highest mean of each month over demand intervals of ``group`` steps aligned to midnight [kW]."""
    interval, inverse = np.unique(position // group, return_inverse=True)
    count = np.bincount(inverse)
    mean = np.bincount(inverse, weights=load) / count
    month_of_interval = np.zeros(interval.size, dtype=np.int64)
    month_of_interval[inverse] = month
    peaks = np.zeros(n_month)
    np.maximum.at(peaks, month_of_interval, mean)
    return peaks


def _check_load(load: NDArray[np.float64], start: datetime, tariff: Tariff, step_min: int) -> None:
    if load.ndim != 1 or load.size == 0:
        msg = f"load_kw must be one series with at least one step, got shape {load.shape}"
        raise TariffError(msg)
    if not bool(np.all(np.isfinite(load) & (load >= 0))):
        msg = f"load_kw must be finite and not negative; step {int(np.flatnonzero(~(np.isfinite(load) & (load >= 0)))[0])} is not"
        raise TariffError(msg)
    if step_min <= 0 or DAY_MIN % step_min:
        msg = f"step_min={step_min} must divide a day"
        raise TariffError(msg)
    if tariff.demand_interval_min > step_min and tariff.demand_interval_min % step_min:
        msg = f"demand_interval_min={tariff.demand_interval_min} must be a multiple of step_min={step_min}"
        raise TariffError(msg)
    offset = timedelta(hours=start.hour, minutes=start.minute, seconds=start.second, microseconds=start.microsecond)
    if offset % timedelta(minutes=step_min):
        msg = f"start {start.isoformat()} must lie on a full step of {step_min} min"
        raise TariffError(msg)
