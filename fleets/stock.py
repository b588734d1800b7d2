"""Vintage cohorts: who is still on the road, who is sold, who is scrapped.

Arrays carry the axes ``[draw, year, powertrain, age]``; age 0 is the year of sale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Largest error of the yearly balance, relative to the largest stock of the path.
BALANCE_TOLERANCE = 1e-9


class StockError(ValueError):
    """Exception for a stock that cannot be turned over."""


@dataclass(frozen=True, slots=True)
class UsedTrade:
    """Used vehicles that move between the province's register and others.

    Attributes
    ----------
    rate
        Array ``[draw, year]`` [1/yr]: net inflow as a share of the stock of the year before; negative = vehicles leave.
    age
        Array ``[draw]`` [yr]: mean age of the vehicles that move.
    spread
        Array ``[draw]`` [yr], 1 or more: distance from the mean age at which no vehicle moves any more.
    """

    rate: Array
    age: Array
    spread: Array


@dataclass(frozen=True, slots=True)
class StockPath:
    """Stock of one vehicle class over the years.

    Attributes
    ----------
    stock
        Array ``[draw, year, powertrain, age]`` [veh], end of year.
    sales, scrapped, inflow
        Arrays ``[draw, year, powertrain]`` [veh/yr]. Inflow is net: negative = vehicles that leave the province's register.
        In the first year ``sales`` is the age-0 stock and the two others are zero, because the year before is unknown.
    """

    stock: Array
    sales: Array
    scrapped: Array
    inflow: Array

    def total(self) -> Array:
        """Return the stock over all powertrains and ages ``[draw, year]`` [veh]."""
        return np.asarray(self.stock.sum(axis=(2, 3)))

    def by_powertrain(self) -> Array:
        """Return the stock over all ages ``[draw, year, powertrain]`` [veh]."""
        return np.asarray(self.stock.sum(axis=3))

    def check(self) -> float:
        """Return the largest error of the yearly balance, relative to the largest stock.

        Raises
        ------
        StockError
            If the balance does not close to :data:`BALANCE_TOLERANCE` or a stock or flow is negative.

        Notes
        -----
        stock(t) = stock(t-1) + sales(t) + inflow(t) - scrapped(t), per draw and powertrain.
        """
        held = self.by_powertrain()
        change = self.sales[:, 1:] + self.inflow[:, 1:] - self.scrapped[:, 1:]
        scale = max(float(held.max(initial=0.0)), 1.0)
        error = float(np.abs(held[:, 1:] - held[:, :-1] - change).max(initial=0.0)) / scale
        if not error <= BALANCE_TOLERANCE:
            msg = f"the stock does not balance: relative error {error:.3g}"
            raise StockError(msg)
        for name in ("stock", "sales", "scrapped"):
            if float(getattr(self, name).min(initial=0.0)) < -BALANCE_TOLERANCE * scale:
                msg = f"negative {name} in the stock path"
                raise StockError(msg)
        return error


def weibull_survival(scale_years: Array | float, shape: Array | float, ages: Array) -> Array:
    """Return the share of a vintage that is still registered at the given ages.

    Parameters
    ----------
    scale_years, shape
        Weibull parameters, numbers or arrays ``[draw]``; scale [yr].
    ages
        Array ``[age]`` [yr].

    Returns
    -------
    array ``[age]`` or ``[draw, age]``

    Notes
    -----
    S(a) = exp(-(a / scale) ** shape); the mean life is scale * Gamma(1 + 1 / shape).
    """
    scale = np.asarray(scale_years, dtype=np.float64)[..., None]
    power = np.asarray(shape, dtype=np.float64)[..., None]
    if bool(np.any(scale <= 0)) or bool(np.any(power <= 0)):
        msg = "scale and shape of a Weibull survival must be positive"
        raise StockError(msg)
    return np.asarray(np.exp(-((np.asarray(ages, dtype=np.float64) / scale) ** power)))


def conditional_survival(
    scale_years: Array | float, shape: Array | float, n_age: int, *, mandatory_years: Array | float | None = None
) -> Array:
    """Return the chance that a vehicle of each age is still there a year later.

    Parameters
    ----------
    scale_years, shape
        Weibull parameters, numbers or arrays ``[draw]``; scale [yr].
    n_age
        Number of age bins; the last one is open.
    mandatory_years
        Age [yr] at which every vehicle has to be off the road, if there is a rule.

    Returns
    -------
    array ``[age]`` or ``[draw, age]``

    Notes
    -----
    p(a) = S(a + 1) / S(a), and 0 where a + 1 reaches the mandatory age.
    """
    survival = weibull_survival(scale_years, shape, np.arange(n_age + 1, dtype=np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = np.where(survival[..., :-1] > 0, survival[..., 1:] / survival[..., :-1], 0.0)
    if mandatory_years is not None:
        limit = np.asarray(mandatory_years, dtype=np.float64)[..., None]
        chance = np.where(np.arange(1, n_age + 1) >= limit, 0.0, chance)
    return np.asarray(chance)


def steady_ages(chance: Array, growth_per_year: Array | float) -> Array:
    """Return the age structure of a fleet whose sales grew at a constant rate.

    Parameters
    ----------
    chance
        Conditional survival, array ``[..., age]``.
    growth_per_year
        Past yearly growth of sales, number or array ``[...]``.

    Returns
    -------
    array ``[..., age]`` with sum 1 over ages

    Notes
    -----
    n(a) is proportional to S(a) / (1 + g) ** a.
    """
    ages = np.arange(chance.shape[-1], dtype=np.float64)
    alive = np.concatenate([np.ones((*chance.shape[:-1], 1)), np.cumprod(chance, axis=-1)[..., :-1]], axis=-1)
    growth = np.asarray(growth_per_year, dtype=np.float64)[..., None]
    weight = alive / (1.0 + growth) ** ages
    return np.asarray(weight / weight.sum(axis=-1, keepdims=True))


def used_flow(survivors: Array, amount: Array, age_years: Array, spread_years: Array) -> Array:
    """Return used vehicles that enter the register (positive) or leave it, by powertrain and age.

    Parameters
    ----------
    survivors
        Array ``[draw, powertrain, age]`` [veh] of the year before sales.
    amount
        Array ``[draw]`` [veh/yr], net inflow.
    age_years
        Array ``[draw]`` [yr], mean age of the vehicles that move.
    spread_years
        Array ``[draw]`` [yr], 1 or more: distance from that age at which the weight is zero.

    Returns
    -------
    array ``[draw, powertrain, age]``
        Sums to ``amount``, except that of no age more vehicles leave than are there.

    Notes
    -----
    Weight of an age: max(0, 1 - |a - age| / spread). Vehicles that enter follow the weight and have the powertrains of the vehicles of their
    age (of all vehicles where there is none of that age); vehicles that leave are taken from each age in proportion to weight x stock.
    """
    ages = np.arange(survivors.shape[-1], dtype=np.float64)
    weight = np.maximum(1.0 - np.abs(ages - age_years[:, None]) / spread_years[:, None], 0.0)
    # A window beyond the last age falls into the open last bin.
    weight[:, -1] += np.where(weight.sum(axis=1) > 0, 0.0, 1.0)
    weight /= weight.sum(axis=1, keepdims=True)
    of_age = survivors.sum(axis=1, keepdims=True)
    of_all = survivors.sum(axis=2, keepdims=True)
    whole = of_all.sum(axis=1, keepdims=True)
    overall = of_all / np.where(whole > 0, whole, 1.0)
    mix = np.where(of_age > 0, survivors / np.where(of_age > 0, of_age, 1.0), overall)
    enter = np.maximum(amount, 0.0)[:, None, None] * weight[:, None, :] * mix
    exposed = (weight[:, None, :] * survivors).sum(axis=(1, 2))
    leaving = np.maximum(-amount, 0.0)
    rate = np.minimum((leaving / np.where(exposed > 0, exposed, 1.0))[:, None] * weight, 1.0)
    return np.asarray(enter - rate[:, None, :] * survivors)


def adjusted_stock(need: Array, years: Array) -> Array:
    """Return the stock that owners hold when they follow a need only in part each year.

    Parameters
    ----------
    need
        Array ``[draw, year]`` [veh].
    years
        Array ``[draw]`` [yr], 1 or more: time in which a gap to the need closes; 1 = at once.

    Raises
    ------
    StockError
        If a time is below 1 year.

    Notes
    -----
    stock(0) = need(0); stock(t) = stock(t - 1) + (need(t) - stock(t - 1)) / years (partial adjustment, Chow 1957). A gap of one year is
    run off by more or fewer km per vehicle, not by sales.
    """
    if bool(np.any(years < 1.0)):
        msg = f"the time in which a fleet adjusts is at least 1 year, got {float(years.min()):g}"
        raise StockError(msg)
    held = need.copy()
    for year in range(1, need.shape[1]):
        held[:, year] = need[:, year] / years + held[:, year - 1] * (1.0 - 1.0 / years)
    return np.asarray(held)


def turn_over(
    initial_stock: Array,
    sales_share: Array,
    survival: Array,
    *,
    required_stock: Array | None = None,
    sales: Array | None = None,
    inflow: Array | None = None,
    used: UsedTrade | None = None,
    early_scrap: Array | None = None,
    register_outflow: bool = False,
) -> StockPath:
    """Turn a stock over, year by year.

    Parameters
    ----------
    initial_stock
        Array ``[draw, powertrain, age]`` [veh], end of the first year.
    sales_share
        Array ``[draw, year, powertrain]``; sums to 1 over powertrains.
    survival
        Conditional survival, ``[age]``, ``[powertrain, age]`` or ``[draw, 1 or powertrain, age]``.
    required_stock
        Array ``[draw, year]`` [veh]; sales = required - survivors, never negative.
    sales
        Array ``[draw, year]`` [veh/yr]; give either this or ``required_stock``.
    inflow
        Array ``[draw, year, powertrain, age]`` [veh/yr] of registrations moved in (negative: moved out), before sales.
    used
        Used vehicles that move between registers, by rate and age, before sales.
    early_scrap
        Extra share scrapped each year among the survivors, broadcast to ``[draw, year, powertrain, age]``; the age is the one reached.
    register_outflow
        With ``required_stock``: vehicles beyond the required stock leave the register in proportion (ships), instead of staying idle.

    Returns
    -------
    StockPath

    Raises
    ------
    StockError
        If shapes or values do not fit, or an outflow exceeds the vehicles that are there.

    Notes
    -----
    survivors(t, a + 1) = stock(t - 1, a) * p(a) * (1 - early(t, a + 1)); the last age bin keeps its survivors;
    sales(t) = max(0, required(t) - sum of survivors and inflow); stock(t) = survivors + inflow + sales at age 0.
    """
    share, chance = _checked(initial_stock, sales_share, survival, required_stock, sales, used)
    n_draw, n_year, n_train = share.shape
    n_age = initial_stock.shape[-1]
    early = None if early_scrap is None else np.broadcast_to(early_scrap, (n_draw, n_year, n_train, n_age))
    stock = np.zeros((n_draw, n_year, n_train, n_age))
    sold = np.zeros((n_draw, n_year, n_train))
    scrapped = np.zeros_like(sold)
    moved = np.zeros_like(sold)
    stock[:, 0] = initial_stock
    sold[:, 0] = initial_stock[:, :, 0]
    for year in range(1, n_year):
        before = stock[:, year - 1]
        now = stock[:, year]
        kept = before * chance
        now[:, :, 1:] = kept[:, :, :-1]
        now[:, :, -1] += kept[:, :, -1]
        if early is not None:
            now *= 1.0 - early[:, year]
        scrapped[:, year] = before.sum(axis=-1) - now.sum(axis=-1)
        if inflow is not None:
            now += inflow[:, year]
            moved[:, year] = inflow[:, year].sum(axis=-1)
            if float(now.min()) < 0:
                msg = f"the outflow in year {year} exceeds the vehicles that are there"
                raise StockError(msg)
        if used is not None:
            traded = used_flow(now, used.rate[:, year] * before.sum(axis=(1, 2)), used.age, used.spread)
            now += traded
            moved[:, year] += traded.sum(axis=-1)
        if required_stock is not None:
            there = now.sum(axis=(1, 2))
            wanted = required_stock[:, year]
            new = np.maximum(wanted - there, 0.0)
            if register_outflow:
                keep = np.divide(wanted, there, out=np.ones_like(there), where=there > wanted)
                moved[:, year] -= now.sum(axis=-1) * (1.0 - keep)[:, None]
                now *= keep[:, None, None]
        else:
            assert sales is not None  # noqa: S101  (checked above; for the type checker)
            new = sales[:, year]
        sold[:, year] = new[:, None] * share[:, year]
        now[:, :, 0] += sold[:, year]
    return StockPath(stock, sold, scrapped, moved)


def _checked(
    initial_stock: Array,
    sales_share: Array,
    survival: Array,
    required_stock: Array | None,
    sales: Array | None,
    used: UsedTrade | None,
) -> tuple[Array, Array]:
    """Return sales shares and survival on the full axes after checking the input."""
    if (required_stock is None) == (sales is None):
        msg = "give either required_stock or sales"
        raise StockError(msg)
    if used is not None and not bool(np.all(np.abs(used.rate) <= 1.0)):
        msg = f"the yearly inflow of used vehicles is a share of the stock between -1 and 1, got {float(used.rate.min()):g} to {float(used.rate.max()):g}"
        raise StockError(msg)
    if used is not None and not bool(np.all(used.spread >= 1.0)):
        msg = f"the ages of used vehicles spread over at least 1 year, got {float(used.spread.min()):g}"
        raise StockError(msg)
    if (
        initial_stock.ndim != 3
        or sales_share.ndim != 3
        or initial_stock.shape[:2] != (sales_share.shape[0], sales_share.shape[2])
    ):
        msg = f"initial stock {initial_stock.shape} and sales shares {sales_share.shape} must be [draw, powertrain, age] and [draw, year, powertrain]"
        raise StockError(msg)
    for name, array in (("initial stock", initial_stock), ("required stock", required_stock), ("sales", sales)):
        if array is not None and not bool(np.all(np.isfinite(array) & (array >= 0))):
            msg = f"{name} is negative or missing"
            raise StockError(msg)
    if bool(np.any(sales_share < 0)) or float(np.abs(sales_share.sum(axis=-1) - 1.0).max()) > 1e-9:
        msg = "sales shares must not be negative and must sum to 1 over powertrains"
        raise StockError(msg)
    if bool(np.any((survival < 0) | (survival > 1))):
        msg = "conditional survival must lie between 0 and 1"
        raise StockError(msg)
    n_draw, n_train, n_age = initial_stock.shape
    return sales_share, np.broadcast_to(survival, (n_draw, n_train, n_age))
