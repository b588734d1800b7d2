"""The electricity bill of any load under any tariff: forgiving about the form of both, strict about what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.errors import TariffError
from fleets.tables import as_frame, number_column
from fleets.tariff import DAY_MIN, EnergyBill, Tariff, make_tariff
from fleets.tariff import energy_bill as bill_of_steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MIN_PER_H = 60
_MONTHS = 12
#: A Monday; loads without a date begin here, because the simulations count minutes from a Monday.
FIRST_MONDAY = datetime(2030, 1, 7)  # noqa: DTZ001 - tariffs hold in local time
_POWER = ("kw", "load_kw", "power_kw")
_CLOCK = ("start_min", "minute", "time_min")


def energy_bill(
    load: Any,
    tariff: Any,
    *,
    start: datetime | None = None,
    step_min: int | None = None,
    periods: Sequence[str] | pl.DataFrame | None = None,
    demand_cny_per_kw_month: float | None = None,
    capacity_cny_per_kva_month: float | None = None,
    capacity_kva: float = 0.0,
    demand_interval_min: int = 15,
) -> EnergyBill:
    """Return the bill of a load: time-of-use energy, and a demand or a capacity charge by calendar month.

    Parameters
    ----------
    load
        Mean power of each step [kW] as a list or array, or a table with ``kw`` (``load_kw``, ``power_kw``) or ``kwh`` and optional
        ``start_min`` (``minute``, ``time_min``) in even steps, or the result of :func:`fleets.simulate_depot`.
    tariff
        :class:`fleets.tariff.Tariff`; one price [CNY/kWh]; prices of even parts of the day, for example 24; a dict period -> price with
        ``periods``; or a table with ``start`` and ``end`` (``HH:MM`` or hours), ``price_cny_per_kwh`` (or ``price``), optional ``period``
        and ``month``.
    start
        Local time of minute 0 of the table, or of the first step; a Monday in January if not given.
    step_min
        Length of a step [min]; from the table if it has times, otherwise an hour.
    periods
        For a dict of prices: the period of each even part of the day (for example 24 codes), or a table start, end, period, optional month.
    demand_cny_per_kw_month
        Price of each month's highest mean load over ``demand_interval_min`` [CNY/kW/month]; the tariff's if not given.
    capacity_cny_per_kva_month, capacity_kva
        Price of the transformer instead [CNY/kVA/month] and its size [kVA].
    demand_interval_min
        Averaging time of the demand meter [min].

    Returns
    -------
    EnergyBill
        Energy by month and period, demand by month, totals; every month that the load touches pays a whole demand or capacity charge.

    Raises
    ------
    TariffError
        If the load is negative, a time of the day has no price or two, or demand and capacity are both charged.

    Examples
    --------
    >>> bill = energy_bill([100] * 24, 0.5)
    >>> bill.kwh, bill.total_cny
    (2400.0, 1200.0)
    >>> energy_bill([100] * 24, {"valley": 0.3, "flat": 0.7}, periods=["valley"] * 8 + ["flat"] * 16).energy_cny
    1360.0
    """
    kw, first, step = _load(load, step_min)
    made = as_tariff(tariff, periods=periods, demand_interval_min=demand_interval_min)
    if demand_cny_per_kw_month is not None:
        made = replace(made, demand_cny_per_kw_month=_price("demand_cny_per_kw_month", demand_cny_per_kw_month))
    if capacity_cny_per_kva_month is not None:
        made = replace(made, capacity_cny_per_kva_month=_price("capacity_cny_per_kva_month", capacity_cny_per_kva_month))
    if made.demand_cny_per_kw_month > 0.0 and made.capacity_cny_per_kva_month > 0.0:
        msg = "a customer pays for demand or for capacity: set one of the two prices to 0"
        raise TariffError(msg)
    if made.demand_interval_min > step and made.demand_interval_min % step:
        msg = f"demand_interval_min={made.demand_interval_min} must be a multiple of the step of {step} min"
        raise TariffError(msg)
    begin = (FIRST_MONDAY if start is None else start.replace(tzinfo=None)) + timedelta(minutes=first)
    if kw.size == 0:
        return _nothing()
    bill = bill_of_steps(kw, begin, made, step_min=step)
    fixed = made.capacity_cny_per_kva_month * _price("capacity_kva", capacity_kva) * bill.demand.height
    return replace(bill, capacity_cny=fixed)


def as_tariff(tariff: Any, *, periods: Sequence[str] | pl.DataFrame | None = None, demand_interval_min: int = 15) -> Tariff:
    """Return a tariff from any of the forms that :func:`energy_bill` takes.

    Parameters
    ----------
    tariff
        The prices.
    periods
        The clock of a dict of prices.
    demand_interval_min
        Averaging time of the demand meter [min].

    Raises
    ------
    TariffError
        If the form is not known, or a time of the day has no price or two.
    """
    if isinstance(tariff, Tariff):
        return tariff
    if isinstance(tariff, int | float | np.number) and not isinstance(tariff, bool):
        return _even(["flat"], {"flat": _price("tariff", float(tariff))}, demand_interval_min)
    if isinstance(tariff, Mapping) and not {"start", "end"} <= set(tariff):
        prices = {str(k): _price(str(k), v) for k, v in tariff.items()}
        if periods is None:
            if len(prices) != 1:
                msg = f"prices of {', '.join(prices)} need periods: which hours are which, for example a list of 24 codes"
                raise TariffError(msg)
            periods = [next(iter(prices))]
        if isinstance(periods, Sequence) and not isinstance(periods, str) and all(isinstance(p, str) for p in periods):
            return _even(list(periods), prices, demand_interval_min)
        return _clock(as_frame(periods, "periods", TariffError), prices, demand_interval_min)
    if isinstance(tariff, np.ndarray | pl.Series) or (
        isinstance(tariff, Sequence) and all(isinstance(v, int | float | np.number) for v in tariff)
    ):
        values = [_price(f"price of part {i}", float(v)) for i, v in enumerate(tariff)]
        codes = [f"{v:g}" for v in values]
        return _even(codes, dict(zip(codes, values, strict=True)), demand_interval_min)
    table = as_frame(tariff, "tariff", TariffError)
    name = next((c for c in ("price_cny_per_kwh", "price") if c in table.columns), None)
    if name is None or not {"start", "end"} <= set(table.columns):
        msg = f"a tariff table needs start, end and price_cny_per_kwh; columns: {', '.join(table.columns)}"
        raise TariffError(msg)
    values = number_column(table, name, TariffError, at_least=0.0).tolist()
    codes = table["period"].cast(pl.String).to_list() if "period" in table.columns else [f"{v:g}" for v in values]
    prices = dict(zip(codes, values, strict=True))
    for row, (code, value) in enumerate(zip(codes, values, strict=True)):
        if prices[code] != value:
            msg = f"period {code!r} has two prices, {prices[code]:g} and {value:g} in row {row}: give them two names"
            raise TariffError(msg)
    return _clock(table.with_columns(pl.Series("period", codes)), prices, demand_interval_min)


def _even(codes: list[str], prices: Mapping[str, float], interval: int) -> Tariff:
    """Return a tariff whose day has even parts."""
    if not codes or DAY_MIN % len(codes):
        msg = f"{len(codes)} parts do not divide a day; give 24 values, or another number that divides 1440"
        raise TariffError(msg)
    length = DAY_MIN // len(codes)
    rows = [(f"{i * length // 60:02d}:{i * length % 60:02d}", _until((i + 1) * length), code) for i, code in enumerate(codes)]
    return _clock(pl.DataFrame(rows, schema=["start", "end", "period"], orient="row"), prices, interval)


def _clock(table: pl.DataFrame, prices: Mapping[str, float], interval: int) -> Tariff:
    for column in ("start", "end", "period"):
        if column not in table.columns:
            msg = f"periods need start, end and period; columns: {', '.join(table.columns)}"
            raise TariffError(msg)
    frame = table.with_columns(*[_clock_text(table[c]) for c in ("start", "end")], pl.col("period").cast(pl.String))
    if "month" not in frame.columns:
        frame = frame.join(pl.DataFrame({"month": list(range(1, _MONTHS + 1))}), how="cross")
    return make_tariff(frame, prices, demand_cny_per_kw_month=0.0, demand_interval_min=interval)


def _clock_text(column: pl.Series) -> pl.Series:
    """Return clock times as ``HH:MM``; numbers are hours."""
    if column.dtype == pl.String:
        return column
    return pl.Series(column.name, [_until(round(float(v) * _MIN_PER_H)) for v in column.to_list()])


def _until(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _load(load: Any, step_min: int | None) -> tuple[NDArray[np.float64], float, int]:
    """Return the load [kW], the minute of its first step and the step [min]."""
    table = load
    if not isinstance(load, pl.DataFrame) and isinstance(getattr(load, "load", None), pl.DataFrame):
        table = load.load
    if isinstance(table, pl.DataFrame | pl.LazyFrame | Mapping):
        frame = as_frame(table, "load", TariffError)
        clock = next((c for c in _CLOCK if c in frame.columns), None)
        step = _MIN_PER_H if step_min is None else int(step_min)
        first = 0.0
        if clock is not None and frame.height:
            frame = frame.sort(clock)
            times = number_column(frame, clock, TariffError)
            gaps = np.diff(times)
            if gaps.size and (gaps != gaps[0]).any():
                row = int(np.flatnonzero(gaps != gaps[0])[0]) + 1
                msg = f"load must come in even steps; {clock} in row {row} is {times[row]:g} after {times[row - 1]:g}"
                raise TariffError(msg)
            first = float(times[0])
            step = int(gaps[0]) if gaps.size else step
        power = next((c for c in _POWER if c in frame.columns), None)
        if power is not None:
            return number_column(frame, power, TariffError), first, step
        if "kwh" in frame.columns:
            return number_column(frame, "kwh", TariffError) * _MIN_PER_H / step, first, step
        msg = f"load needs a column kw or kwh; columns: {', '.join(frame.columns)}"
        raise TariffError(msg)
    try:
        values = np.asarray(load, dtype=np.float64)
    except (TypeError, ValueError) as problem:
        msg = f"load must be a list of kW or a table, got {type(load).__name__}"
        raise TariffError(msg) from problem
    if values.ndim == 0:
        values = np.full(24, float(values))
    return values, 0.0, _MIN_PER_H if step_min is None else int(step_min)


def _price(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not (np.isfinite(number) and number >= 0.0):
        msg = f"{name}={value!r} must be a number of 0 or more"
        raise TariffError(msg)
    return number


def _nothing() -> EnergyBill:
    energy = pl.DataFrame(schema={"month": pl.Datetime, "period": pl.String, "kwh": pl.Float64, "cny": pl.Float64})
    demand = pl.DataFrame(schema={"month": pl.Datetime, "peak_kw": pl.Float64, "cny": pl.Float64})
    return EnergyBill(energy, demand, 0.0, 0.0, 0.0)
