"""How taxis and swap stores answer the tariff: plans of the rows, and what their stores may expect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fleets.pack_plan import PackPlan, price_periods
from fleets.records import DAY_MIN, WEEK_MIN
from fleets.taxi_price import PriceReaction
from transport.weeks.case import Measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleets.records import FleetResult
    from fleets.tariff import Tariff
    from transport.week_values import WeekValues

_HOUR_MIN, _HOURS_PER_DAY, _DAYS = 60.0, 24, 7


def pack_plan(read: WeekValues, tariff: Tariff, week: str) -> PackPlan | None:
    """Return when the packs of swap stores wait for a cheaper hour; None where no store is managed.

    Parameters
    ----------
    read
        Values of the year.
    tariff
        Tariff of the energy.
    week
        Representative week.
    """
    share = float(np.clip(read("managed_charging_share", "swap_store"), 0.0, 1.0))
    reserve = max(0.0, read("swap_stock_reserve"))
    if share <= 0.0:
        return None
    price = np.asarray(tariff.price_cny_per_kwh)[tariff.period_of_minute[read.month(week) - 1]]
    return PackPlan(share, price_periods(price), reserve)


def price_reaction(read: WeekValues, tariff: Tariff, week: str) -> PriceReaction | None:
    """Return how taxi drivers at plugs keep away from the dearest hours of the month; None where nobody does.

    Parameters
    ----------
    read
        Values of the year.
    tariff
        Tariff of the energy.
    week
        Representative week.

    Notes
    -----
    A floor below the reserve of all drivers, or above where they look for a charge anyway, is moved to it; so is a ceiling below that.
    """
    share = float(np.clip(read("managed_charging_share", "taxi_station"), 0.0, 1.0))
    usual, least = read("taxi_charge_soc"), read("reserve_soc", "taxi")
    floor = min(max(read("taxi_price_floor_soc"), least), max(usual, least))
    ceiling = min(max(read("taxi_price_ceiling_soc"), usual, floor), 1.0)
    month = read.month(week)
    used = np.unique(tariff.period_of_minute[month - 1])
    prices = np.asarray(tariff.price_cny_per_kwh)[used]
    if share <= 0.0 or prices.min() == prices.max():
        return None
    windows = tariff.windows(tariff.periods[used[int(prices.argmax())]], month)
    return PriceReaction(share, tuple((float(begin), float(end)) for begin, end in windows), floor, ceiling)


def expected_swaps(result: FleetResult, names: Sequence[str]) -> list[tuple[float, ...]]:
    """Return the swaps that stores may expect in each hour of the week, from what a usual week brought them.

    Parameters
    ----------
    result
        A week without management.
    names
        Names of the stores in its sessions.

    Returns
    -------
    list
        168 swaps per hour for each store: mean over the replications and days by hour of the day, so that no store knows its week in advance.
    """
    came = result.sessions.filter(
        pl.col("site").is_in(list(names)), pl.col("arrive_min").is_between(0.0, WEEK_MIN, closed="left")
    )
    hour = ((pl.col("arrive_min") % DAY_MIN) // _HOUR_MIN).cast(pl.Int64).alias("hour")
    counts = {(site, h): n for site, h, n in came.group_by("site", hour).len().iter_rows()}
    days = _DAYS * result.load_kw.shape[0]
    return [tuple(counts.get((name, h), 0) / days for h in range(_HOURS_PER_DAY)) * _DAYS for name in names]


def beside(twin: FleetResult, metrics: Sequence[str]) -> dict[str, Measure]:
    """Return metrics of the week without management, named ``<metric>_unmanaged``, to stand beside those with it.

    Parameters
    ----------
    twin
        The same demand without management.
    metrics
        Their names; those that the twin does not have are left out.
    """
    rows = twin.summary.filter(pl.col("metric").is_in(list(metrics))).sort("metric")
    return {f"{r['metric']}_unmanaged": Measure(r["value"], r["low"], r["high"], r["unit"]) for r in rows.iter_rows(named=True)}
