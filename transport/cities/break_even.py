"""The green shares of 2019 and of the base year with which the target year would show exactly the target, everything else equal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from transport.cities.flow_kernels import KNOWN, SOLVE
from transport.cities.flows import solved, trips_of
from transport.cities.layout import GREEN, MODES
from transport.layout import BASE_YEAR, NORMAL_YEAR, year_index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transport.cities.flows import CityFlows
    from transport.cities.layout import Array

#: Years that are looked at, 2019 first; the target year follows.
_BEFORE = (NORMAL_YEAR, BASE_YEAR)
_E_BIKE = MODES.index("e_bike")
_TOLERANCE = 1e-12
_MOST_ITERATIONS = 100
#: Largest logarithm of the factor on the green base shares that is tried.
_WIDEST = 30.0


def green_of(by_mode: Array, e_bike: Array) -> Array:
    """Return the green part of trips or shares ``[mode, ...]``, e-bikes times their row, added in the order of the modes."""
    total: Array = e_bike * by_mode[_E_BIKE]
    for mode in GREEN:
        total = total + by_mode[MODES.index(mode)]
    return total


def break_even_shares(cities: Sequence[CityFlows], e_bike: Array, target: Array, year: int) -> Array:
    """Return the green shares of 2019 and 2020 that lead to the target share, array ``[year, area, draw]``.

    Parameters
    ----------
    cities
        The cities with their travel.
    e_bike
        Share of e-bike trips that count as green, in 2019, in 2020 and in the target year [dimensionless], array ``[draw, 3]``.
    target
        Green share wanted [dimensionless], array ``[draw]``.
    year
        Target year.

    Raises
    ------
    ArithmeticError
        If no base share leads to the target: some segment has no green mode at all and the target is out of reach.

    Notes
    -----
    The base shares of the green modes of every season and segment are multiplied by one factor per city and draw and closed to one again,
    a metro that does not yet run with them; then the whole model is solved (pivot and congestion anew). The factor is found by the secant
    method on log odds, where the answer is almost a straight line. One factor, hence one answer seen in two years: 2019 is the year of the
    base shares, 2020 that of the plan, in which the pandemic kept people off buses.
    """
    return np.stack([_of_city(city, e_bike, target, year) for city in cities], axis=1)


def _of_city(flows: CityFlows, e_bike: Array, target: Array, year: int) -> Array:
    """Return the green shares of 2019 and 2020 of one city, array ``[year, draw]``."""
    years = [*(year_index(y) for y in _BEFORE), year_index(year)]
    city, found = flows.cut(years)
    draws, last = target.shape[0], len(years) - 1
    green = np.zeros((draws, len(MODES)))
    green[:, [MODES.index(m) for m in GREEN]] = 1.0
    green[:, _E_BIKE] = e_bike[:, last] > 0
    total = trips_of(found).sum(axis=0)
    need = np.full((draws, len(years)), KNOWN)

    def based(log_factor: Array) -> Array:
        scaled = city.base * np.exp(log_factor[:, None] * green)[..., None]
        real = scaled * city.running[..., None]
        closed = real[:, 0].copy()
        for i in range(1, len(MODES)):
            closed += real[:, i]
        return np.asarray(scaled / closed[:, None])

    def odds() -> Array:
        share = (green_of(trips_of(found), e_bike) / total)[:, last]
        return np.asarray(np.log(share / (1.0 - share) * (1.0 - target) / target))

    # with the factor one the answer is the run itself
    x, slope = np.zeros(draws), np.full(draws, 0.7)
    gap = odds()
    for _ in range(_MOST_ITERATIONS):
        # An element that has converged stands still: no draw or city may depend on how long another one takes.
        open_ = np.abs(gap) >= _TOLERANCE
        if not bool(open_.any()):
            break
        step = np.where(open_, np.clip(x - gap / slope, -_WIDEST, _WIDEST) - x, 0.0)
        if bool(np.any(open_ & (step == 0.0))):
            break
        need[:, last] = np.where(open_, SOLVE, KNOWN)
        solved(city._replace(base=based(x + step)), need, found, area=flows.travel.area, years=years)
        new = odds()
        slope = np.divide(new - gap, step, out=slope, where=np.abs(step) > _TOLERANCE)
        slope = np.clip(slope, 0.05, 10.0)
        x, gap = x + step, np.where(open_, new, gap)
    if not bool(np.all(np.abs(gap) < _TOLERANCE)):
        msg = f"no green share of {BASE_YEAR} leads to the target: {float(np.max(np.abs(gap))):.2e} left in log odds"
        raise ArithmeticError(msg)
    need[:, :last], need[:, last] = SOLVE, KNOWN
    solved(city._replace(base=based(x)), need, found, area=flows.travel.area, years=years)
    share = green_of(trips_of(found), e_bike) / total
    return np.ascontiguousarray(share[:, :last].T)
