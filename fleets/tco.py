"""Total cost of ownership of a new vehicle, and the sales shares that follow from it.

Arrays carry the axes ``[draw, year, powertrain]``; money is in constant yuan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = NDArray[np.float64]


class TcoError(ValueError):
    """Exception for costs from which no sales shares follow."""


def annuity(rate: Array | float, years: Array | float) -> Array:
    """Return the yearly payment that repays one unit of money.

    Parameters
    ----------
    rate
        Real interest rate per year [1/yr], number or array; zero is allowed.
    years
        Number of yearly payments [yr], at the end of each year.

    Returns
    -------
    array of the shape that the two give together [1/yr]

    Raises
    ------
    TcoError
        If a rate is negative or a number of years not positive.

    Notes
    -----
    a = r / (1 - (1 + r)^-n), and 1 / n without interest.

    Examples
    --------
    >>> round(float(annuity(0.05, 10.0)), 5)
    0.1295
    """
    r, n = np.broadcast_arrays(np.asarray(rate, dtype=np.float64), np.asarray(years, dtype=np.float64))
    if not bool(np.all(r >= 0)) or not bool(np.all(n > 0)):
        msg = "an annuity needs a rate of at least 0 and a positive number of years"
        raise TcoError(msg)
    some = np.where(r > 0, r, 1.0)
    return np.asarray(np.where(r > 0, some / -np.expm1(-n * np.log1p(some)), 1.0 / n))


def yearly_capital(price: Array, resale_share: Array | float, rate: Array | float, years: Array | float) -> Array:
    """Return what owning a vehicle costs per year, purchase and resale spread evenly over the years of ownership.

    Parameters
    ----------
    price
        Purchase price [CNY/veh].
    resale_share
        Share of the price that the sale after the last year brings.
    rate, years
        Real interest rate [1/yr] and years of ownership [yr].

    Returns
    -------
    array [CNY/veh/yr]

    Notes
    -----
    (P - R P (1 + r)^-n) a(r, n); without interest P (1 - R) / n.
    """
    later = np.asarray(resale_share) * (1.0 + np.asarray(rate)) ** -np.asarray(years, dtype=np.float64)
    return np.asarray(price * (1.0 - later) * annuity(rate, years))


@dataclass(frozen=True, slots=True)
class UnitCost:
    """What a new vehicle costs its owner per km, arrays ``[draw, year, powertrain]`` [CNY/km].

    Attributes
    ----------
    capital
        Purchase less resale, with tax and subsidy.
    energy
        Fuel and electricity.
    maintenance
        Upkeep, tyres and repairs.
    fixed
        Insurance and other yearly charges.
    infrastructure
        Own chargers; chargers of others are in the price of electricity.
    """

    capital: Array
    energy: Array
    maintenance: Array
    fixed: Array
    infrastructure: Array

    def total(self) -> Array:
        """Return the sum of the parts [CNY/km]."""
        return np.asarray(self.capital + self.energy + self.maintenance + self.fixed + self.infrastructure)


def sales_constants(cost: Array, share: Array, exponent: Array, entry_weight: Array, main: int) -> Array:
    """Return the constants with which the logit gives observed shares at observed costs.

    Parameters
    ----------
    cost
        Cost of the calibration year ``[draw, powertrain]`` [CNY/km].
    share
        Observed shares of sales ``[draw, powertrain]``.
    exponent
        Exponent of the cost ``[draw]``, below zero.
    entry_weight
        For powertrains that were not sold: their weight against the main powertrain at equal cost ``[draw, powertrain]``; 0 = never sold.
    main
        Position of the main powertrain.

    Returns
    -------
    array ``[draw, powertrain]``, relative to the main powertrain's cost

    Raises
    ------
    TcoError
        If a cost is not positive, an exponent not negative, or the main powertrain was not sold although others need its weight.

    Notes
    -----
    a_p = s_p (C_p / C_m)^-e where s_p > 0, else w_p s_m: at equal cost a newcomer sells w_p times what the main powertrain m sells.
    """
    if not bool(np.all(np.isfinite(cost) & (cost > 0))):
        msg = "the cost of a powertrain must be positive and known"
        raise TcoError(msg)
    if not bool(np.all(exponent < 0)):
        msg = "the exponent of the cost must be negative: a dearer vehicle sells less"
        raise TcoError(msg)
    relative = cost / cost[:, [main]]
    sold = share > 0
    newcomer = entry_weight * share[:, [main]]
    if bool(np.any(~sold & (entry_weight > 0) & (newcomer <= 0))):
        msg = "a newcomer needs a main powertrain that was sold in the calibration year"
        raise TcoError(msg)
    return np.asarray(np.where(sold, share * relative ** -exponent[:, None], newcomer))


def barrier_factor(constants: Array, groups: Sequence[str], reference: str, persistence: Array) -> Array:
    """Return how the constants move as barriers that costs do not show (range, charging places, habit) fall.

    Parameters
    ----------
    constants
        Constants of the calibration year ``[draw, powertrain]``.
    groups
        Group of each powertrain.
    reference
        Group against which the barrier is measured; its factor is 1.
    persistence
        Share of the barrier, as a logarithm, that is left ``[draw, year, powertrain]``: 1 = as in the calibration year, 0 = none.

    Returns
    -------
    array ``[draw, year, powertrain]``

    Notes
    -----
    With A_g the sum of the constants of group g: factor = min(1, A_g / A_reference)^(persistence - 1). At persistence 0 a group that was held
    back sells as much as the reference at equal cost; the mix inside a group keeps its constants. A group that sold more than its cost
    explains (procurement rules) keeps that advantage.
    """
    total = {g: constants[:, [i for i, mine in enumerate(groups) if mine == g]].sum(axis=1) for g in dict.fromkeys(groups)}
    if reference not in total:
        return np.ones_like(persistence)
    barrier = np.stack([total[g] / np.where(total[reference] > 0, total[reference], 1.0) for g in groups], axis=-1)
    usable = (barrier > 0) & (barrier < 1) & (total[reference] > 0)[:, None] & np.asarray([g != reference for g in groups])
    base = np.where(usable, barrier, 1.0)[:, None, :]
    return np.asarray(base ** (persistence - 1.0))


def logit_shares(cost: Array, constants: Array, exponent: Array, weight: Array) -> Array:
    """Return shares of sales from relative costs.

    Parameters
    ----------
    cost
        Array ``[draw, year, powertrain]`` [CNY/km].
    constants
        Array ``[draw, powertrain]`` of :func:`sales_constants`.
    exponent
        Array ``[draw]``, below zero.
    weight
        Array ``[draw, year, powertrain]``: availability (0 = not on the market) times what moves the constants.

    Returns
    -------
    array ``[draw, year, powertrain]``; sums to 1

    Raises
    ------
    TcoError
        If nothing can be bought in some year.

    Notes
    -----
    s_p is proportional to w_p a_p C_p^e (relative-cost logit): d ln(s_p / s_q) / d ln(C_p / C_q) = e, and one factor on all costs changes
    nothing.
    """
    least = cost.min(axis=-1, keepdims=True)
    pull = weight * constants[:, None, :] * (cost / least) ** exponent[:, None, None]
    total = pull.sum(axis=-1, keepdims=True)
    if not bool(np.all(total > 0)):
        msg = "no powertrain is on the market in some year"
        raise TcoError(msg)
    return np.asarray(pull / total)


def charged_capital(sales: Array, price: Array, rate: Array, years: Array) -> Array:
    """Return the yearly capital charge of the vehicles sold so far.

    Parameters
    ----------
    sales
        Array ``[draw, year, powertrain]`` [veh/yr].
    price
        Price in the year of sale ``[draw, year, powertrain]`` [CNY/veh].
    rate, years
        Real interest rate [1/yr] and service life [yr], arrays ``[draw]``.

    Returns
    -------
    array ``[draw, year, powertrain]`` [CNY/yr]

    Notes
    -----
    c(t) = sum over v <= t of sales(v) price(v) a(r, n) k(t - v), with k the part of year t that lies within n years after v: 1, then the
    fraction of the last year, then 0. Vehicles sold before the first year are not charged.
    """
    spent = sales * price * annuity(rate, years)[:, None, None]
    charged = np.zeros_like(spent)
    for age in range(spent.shape[1]):
        left = np.clip(years - age, 0.0, 1.0)[:, None, None]
        charged[:, age:] += spent[:, : spent.shape[1] - age] * left
    return charged
