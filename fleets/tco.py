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


def yearly_replacement(price: Array, rate: Array | float, years: Array | float, life: Array | float) -> Array:
    """Return what the batteries that are bought within the years of ownership cost per year, spread evenly over these years.

    Parameters
    ----------
    price
        Price of a battery by the year it is bought in ``[draw, year, powertrain]`` [CNY/veh]; held after the last year.
    rate, years
        Real interest rate [1/yr] and years of ownership [yr].
    life
        Years after which a battery is worn out [yr]; infinite where it outlasts the vehicle.

    Returns
    -------
    array ``[draw, year, powertrain]`` [CNY/veh/yr], by the year in which the vehicle is bought

    Raises
    ------
    TcoError
        If a life is not positive.

    Notes
    -----
    a(r, n) [sum over k >= 1 with k b < n of p(t + k b) (1 + r)^-(k b) - u p (1 + r)^-n] with the life b. The last battery goes back at the
    price it was bought for times the share u of its life that is left: a battery that would be worn out a day before the sale costs nothing.
    The first battery stands in the price of the vehicle and in its resale.

    Examples
    --------
    One other battery after 4 of 6 years, half used at the end, without interest:

    >>> yearly_replacement(np.full((1, 1, 1), 120.0), 0.0, 6.0, 4.0).round(9).item()
    10.0
    """
    age_limit, worn = (np.broadcast_to(np.asarray(x, dtype=np.float64), price.shape) for x in (years, life))
    if not bool(np.all(worn > 0)):
        msg = "the life of a battery must be positive"
        raise TcoError(msg)
    interest = np.asarray(rate, dtype=np.float64)
    paid, last = np.zeros_like(price), np.zeros_like(price)
    more = np.maximum(np.ceil(age_limit / worn) - 1.0, 0.0)
    for k in range(1, int(more.max(initial=0.0)) + 1):
        bought = k <= more
        age = np.where(bought, k * worn, 0.0)
        then = _at_age(price, age)
        paid += np.where(bought, then * (1.0 + interest) ** -age, 0.0)
        last = np.where(bought, then, last)
    left = np.where(more > 0, (more + 1.0) - age_limit / worn, 0.0)
    return np.asarray((paid - left * last * (1.0 + interest) ** -age_limit) * annuity(interest, age_limit))


def _at_age(path: Array, age: Array) -> Array:
    """Return a path ``[draw, year, powertrain]`` some years later, linear between years and held after the last."""
    end = path.shape[1] - 1
    at = np.minimum(np.arange(path.shape[1], dtype=np.float64)[None, :, None] + age, float(end))
    low = np.minimum(np.floor(at).astype(np.int64), max(end - 1, 0))
    part = at - low
    high = np.minimum(low + 1, end)
    return np.asarray(np.take_along_axis(path, low, axis=1) * (1.0 - part) + np.take_along_axis(path, high, axis=1) * part)


def battery_life(calendar: Array, cycles: Array, use_kwh: Array, capacity_kwh: Array) -> Array:
    """Return the years after which a battery is worn out.

    Parameters
    ----------
    calendar
        Life that its age alone allows [yr].
    cycles
        Full cycles it stands [-].
    use_kwh
        Energy drawn from it in a year [kWh/yr].
    capacity_kwh
        Nominal capacity [kWh]; 0 where there is no battery.

    Returns
    -------
    array [yr], infinite without a battery

    Notes
    -----
    b = min(calendar, cycles x capacity / use).
    """
    calendar, cycles, use, capacity = np.broadcast_arrays(calendar, cycles, use_kwh, capacity_kwh)
    by_use = cycles * capacity / np.where(use > 0, use, 1.0)
    worn = np.where(use > 0, np.minimum(calendar, by_use), calendar)
    return np.asarray(np.where(capacity > 0, worn, np.inf))


def payload_loss(capacity_kwh: Array, energy_per_t: Array, saved_t: Array) -> Array:
    """Return the payload that a battery takes [t/veh], never below zero.

    Parameters
    ----------
    capacity_kwh
        Nominal capacity [kWh/veh].
    energy_per_t
        Energy of the battery system by its mass [kWh/t].
    saved_t
        Mass of engine, gearbox, tank and exhaust treatment that is not there [t/veh].

    Examples
    --------
    350 kWh at 160 kWh/t weigh 2.1875 t, of which 1.2 t were an engine before:

    >>> payload_loss(np.array(350.0), np.array(160.0), np.array(1.2)).round(4).item()
    0.9875
    """
    return np.asarray(np.where(capacity_kwh > 0, np.maximum(capacity_kwh / energy_per_t - saved_t, 0.0), 0.0))


@dataclass(frozen=True, slots=True)
class UnitCost:
    """What a new vehicle costs its owner per unit of work, arrays ``[draw, year, powertrain]`` [CNY/unit].

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
    battery
        Batteries bought within the years of ownership, after the first.
    payload
        Value of the payload that the battery takes.
    """

    capital: Array
    energy: Array
    maintenance: Array
    fixed: Array
    infrastructure: Array
    battery: Array
    payload: Array

    def total(self) -> Array:
        """Return the sum of the parts [CNY/unit]."""
        wear = self.battery + self.payload
        return np.asarray(self.capital + self.energy + self.maintenance + self.fixed + self.infrastructure + wear)


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
