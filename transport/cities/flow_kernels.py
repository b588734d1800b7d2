"""Compiled loops of city travel: choice of mode, congestion and sums of one city, draw by draw and year by year.

The equations are those of :class:`transport.cities.choice.Pivot` and :func:`transport.cities.traffic.solve`; a test holds the two together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from transport.cities.vector_math import exp_into, log_into

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from transport.cities.layout import Array

    Index = NDArray[np.int64]

TOLERANCE = 1e-12
MOST_ITERATIONS = 200
#: What a draw and year of a city needs: to be solved, to be taken from the first draw, or nothing since it is known.
SOLVE, AS_FIRST, KNOWN = 0, 1, 2
#: What came of it.
DONE, NO_MODE, NO_FIXED_POINT = 0, 1, 2


class City(NamedTuple):
    """One city as the loops read it; cells are pairs of season and segment, season by season.

    Attributes
    ----------
    base
        Base shares [dimensionless], array ``[draw, mode, cell]``.
    running
        Whether a mode runs in the base, array ``[draw, mode]``.
    theta
        Logsum coefficient by nest [dimensionless], array ``[draw, nest]``.
    term_mode
        Position of the mode of each term of the utility, array ``[term]``.
    term_weight
        Weight of the traveller, array ``[draw, term, traveller]``.
    term_level
        Change of the term against 2019, array ``[draw, term, band, year]``.
    flat, cold
        Utility alike for all, and its addition in the cold months [dimensionless], arrays ``[draw, mode, year]``.
    pace_weight
        Weight of a minute, array ``[draw, traveller]``.
    pace
        Change of utility per unit of weight by which the car time index exceeds one, array ``[draw, slowed mode, band, year]``.
    trips
        Trips [trip/yr], array ``[draw, segment, year]``.
    season_share, length_km, peak_share
        Arrays ``[draw, season]``, ``[draw, segment]`` and ``[draw, segment]``.
    per_pkm
        Vehicle-km per passenger-km [dimensionless], array ``[draw, road mode, year]``.
    capacity, volume_capacity, background, delay, exponent, barred
        As in :class:`transport.cities.traffic.Problem`, arrays ``[draw, year]``.
    """

    base: Array
    running: Array
    theta: Array
    term_mode: Index
    term_weight: Array
    term_level: Array
    flat: Array
    cold: Array
    pace_weight: Array
    pace: Array
    trips: Array
    season_share: Array
    length_km: Array
    peak_share: Array
    per_pkm: Array
    capacity: Array
    volume_capacity: Array
    background: Array
    delay: Array
    exponent: Array
    barred: Array


class Sums(NamedTuple):
    """What the loops find.

    Attributes
    ----------
    made
        Trips by season, passenger-km and trips in the peak hours [trip/yr, pkm/yr], array ``[draw, year, 4, mode]``.
    volume
        Volume over capacity against 2019 [dimensionless], array ``[draw, year]``.
    first
        Shares of the first draw [dimensionless], array ``[year, mode, cell]``.
    """

    made: Array
    volume: Array
    first: Array


class _Work(NamedTuple):
    """Work arrays of one choice: ``[nest, cell]`` but the last three, which are ``[mode, cell]``, ``[road mode, cell]`` and ``[cell]``."""

    total: Array
    ratio: Array
    factor: Array
    pull: Array
    share: Array
    drift: Array
    row: Array


@njit(cache=True, nogil=True, error_model="numpy")
def _work(n_nest: int, n_mode: int, n_road: int, n_cell: int) -> _Work:
    return _Work(
        np.zeros((n_nest, n_cell)),
        np.zeros((n_nest, n_cell)),
        np.zeros((n_nest, n_cell)),
        np.zeros((n_nest, n_cell)),
        np.zeros((n_mode, n_cell)),
        np.zeros((n_road, n_cell)),
        np.zeros(n_cell),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def fill(row: Array, value: float) -> None:
    """Fill a row; the compiler takes seconds for each assignment to a slice."""
    for c in range(row.shape[0]):
        row[c] = value


@njit(cache=True, nogil=True, error_model="numpy")
def _mix(row: Array, other: Array, part: float) -> None:
    """Put the mean of two rows into the first."""
    for c in range(row.shape[0]):
        row[c] = (1.0 - part) * row[c] + part * other[c]


@njit(cache=True, nogil=True, error_model="numpy")
def _choose(  # noqa: PLR0912  (loops over rows, each a vector instruction)
    weight: Array,
    slope: Array,
    slowed: Index,
    road: Index,
    theta: Array,
    nest_of: Index,
    nest_base: Array,
    total_base: Array,
    still: NDArray[np.bool_],
    work: _Work,
) -> int:
    """Put shares, and their slope over the car time index for the road modes, into the work arrays; return a cell without any mode, else -1.

    ``weight`` are base shares times exp(utility / theta) on the roads of now, ``slope`` the change of its logarithm with the time index by
    position in ``slowed``; nests that stand ``still`` are those of the last call. Loops run over single rows: those become vector
    instructions.
    """
    n_mode, n_cell = weight.shape
    total, ratio, factor, pull, share, drift, row = work
    for n in range(nest_base.shape[0]):
        if still[n]:
            continue
        sums, pulled, base, ratios, factors = total[n], pull[n], nest_base[n], ratio[n], factor[n]
        fill(sums, 0.0)
        for i in range(n_mode):
            if nest_of[i] == n:
                part = weight[i]
                for c in range(n_cell):
                    sums[c] += part[c]
        fill(pulled, 0.0)
        for j in range(slowed.shape[0]):
            if nest_of[slowed[j]] == n:
                part, steep = weight[slowed[j]], slope[j]
                for c in range(n_cell):
                    pulled[c] += part[c] * steep[c]
        for c in range(n_cell):
            served = sums[c] > 0.0
            pulled[c] = pulled[c] / (sums[c] if served else 1.0)
            known = served and base[c] > 0.0
            ratios[c] = (sums[c] if known else 1.0) / (base[c] if known else 1.0)
        log_into(ratios, factors, row)
        power = theta[n] - 1.0
        for c in range(n_cell):
            ratios[c] = factors[c] * power
        exp_into(ratios, factors, row)
    # in the order of the modes, as the base was added up: with no change the ratio is exactly one
    fill(row, 0.0)
    for i in range(n_mode):
        part, factors, shares = weight[i], factor[nest_of[i]], share[i]
        for c in range(n_cell):
            shares[c] = part[c] * factors[c]
        for c in range(n_cell):
            row[c] += shares[c]
    for c in range(n_cell):
        if not row[c] > 0.0:
            return c
    # from here on, the slope of the logarithm of all weights, and what closes the shares
    whole, closing = ratio[0], ratio[1]
    fill(whole, 0.0)
    for n in range(nest_base.shape[0]):
        sums, pulled, factors = total[n], pull[n], factor[n]
        for c in range(n_cell):
            whole[c] += theta[n] * pulled[c] * sums[c] * factors[c]
    for c in range(n_cell):
        whole[c] /= row[c]
    for c in range(n_cell):
        closing[c] = total_base[c] / row[c]
    for i in range(n_mode):
        shares = share[i]
        for c in range(n_cell):
            shares[c] *= closing[c]
    for k in range(road.shape[0]):
        n = nest_of[road[k]]
        shares, drifts, pulled = share[road[k]], drift[k], pull[n]
        power = theta[n] - 1.0
        for c in range(n_cell):
            drifts[c] = power * pulled[c] - whole[c]
        for j in range(slowed.shape[0]):
            if slowed[j] == road[k]:
                steep = slope[j]
                for c in range(n_cell):
                    drifts[c] += steep[c]
        for c in range(n_cell):
            drifts[c] *= shares[c]
    return -1


@njit(cache=True, nogil=True, error_model="numpy")
def _total(a: Array, b: Array) -> float:
    """Return the sum of products, in eight strands that are always the same."""
    strands = np.zeros(8)
    n = a.shape[0] // 8 * 8
    for c in range(0, n, 8):
        for k in range(8):
            strands[k] += a[c + k] * b[c + k]
    for c in range(n, a.shape[0]):
        strands[c - n] += a[c] * b[c]
    for k in range(4):
        strands[k] += strands[k + 4]
    return float((strands[0] + strands[1]) + (strands[2] + strands[3]))


@njit(cache=True, nogil=True, error_model="numpy")
def _vehicle_km(per_pkm: Array, parts: Array, at: Index, weight: Array, row: Array) -> float:
    """Return vehicle-km of the road modes, or their slope, from shares in some rows."""
    fill(row, 0.0)
    for k in range(at.shape[0]):
        part, per = parts[at[k]], per_pkm[k]
        for c in range(row.shape[0]):
            row[c] += part[c] * per
    return _total(row, weight)


@njit(cache=True, nogil=True, error_model="numpy")
def solve_city_rows(  # noqa: PLR0912, PLR0915  (one pass over draws and years; parts of it would share all their arrays)
    city: City,
    nest_of: Index,
    slowed: Index,
    road: Index,
    car: int,
    normal: int,
    need: Index,
    start: Array,
    found: Sums,
) -> tuple[int, int, int, float]:
    """Solve the draws and years of a city that need it.

    Parameters
    ----------
    city
        Trips, utilities and roads.
    nest_of
        Position of the nest of each mode.
    slowed, road
        Positions of the modes that road traffic slows down, and of those that make it.
    car
        Position of the car, which may be barred.
    normal
        Position of 2019 on the year axis.
    need
        :data:`SOLVE`, or :data:`AS_FIRST` or :data:`KNOWN`, which are left out, array ``[draw, year]``.
    start
        Volume over capacity to start at, array ``[draw, year]``.
    found
        Where the result goes.

    Returns
    -------
    status, place, year, gap
        :data:`DONE`; :data:`NO_MODE` with the cell, or :data:`NO_FIXED_POINT` with the residual that is left.

    Notes
    -----
    Newton's method on ``volume made - volume``, which falls, inside the bracket of what was tried. Every draw and year by itself.
    """
    n_draw, n_mode, n_cell = city.base.shape
    n_segment, n_year = city.trips.shape[1], city.trips.shape[2]
    n_traveller, n_band = city.term_weight.shape[2], city.pace.shape[2]
    n_season, n_nest = n_cell // n_segment, city.theta.shape[1]
    base_sum, total_base = np.zeros((n_nest, n_cell)), np.zeros(n_cell)
    real = np.zeros(n_cell)
    utility, weight, now = np.zeros(n_cell), np.zeros((n_mode, n_cell)), np.zeros((n_mode, n_cell))
    slope = np.zeros((slowed.shape[0], n_cell))
    n_steep = slowed.shape[0] * n_segment
    steep, rise, lift = np.zeros(n_steep), np.zeros(n_steep), np.zeros(n_steep)
    long_row = np.zeros(n_steep)
    km, pkm = np.zeros(n_cell), np.zeros(n_cell)
    free, kept = _work(n_nest, n_mode, road.shape[0], n_cell), _work(n_nest, n_mode, road.shape[0], n_cell)
    each_road, still = np.arange(road.shape[0]), np.zeros(n_nest, dtype=np.bool_)
    trips, long_, peak = np.zeros(n_cell), np.zeros(n_cell), np.zeros(n_cell)
    for d in range(n_draw):
        open_ = False
        for y in range(n_year):
            open_ = open_ or need[d, y] == SOLVE
        if open_:
            base, theta = city.base[d], city.theta[d]
            fill(total_base, 0.0)
            for n in range(n_nest):
                fill(base_sum[n], 0.0)
                fill(real, 0.0)
                for i in range(n_mode):
                    if nest_of[i] == n:
                        for c in range(n_cell):
                            base_sum[n, c] += base[i, c]
                            real[c] += base[i, c] * city.running[d, i]
                for c in range(n_cell):
                    if real[c] > 0.0:
                        base_sum[n, c] = real[c]
            for i in range(n_mode):
                for c in range(n_cell):
                    free.share[i, c] = base[i, c] * city.running[d, i]
                    total_base[c] += free.share[i, c]
            for s in range(n_season):
                for k in range(n_segment):
                    km[s * n_segment + k] = city.season_share[d, s] * (city.trips[d, k, normal] * city.length_km[d, k])
            then = _vehicle_km(city.per_pkm[d, :, normal], free.share, road, km, free.row)
        for y in range(n_year):
            if need[d, y] != SOLVE:
                continue
            for i in range(n_mode):
                n = nest_of[i]
                row = utility
                fill(row, city.flat[d, i, y])
                for j in range(city.term_mode.shape[0]):
                    if city.term_mode[j] == i:
                        for t in range(n_traveller):
                            for b in range(n_band):
                                row[t * n_band + b] += city.term_weight[d, j, t] * city.term_level[d, j, b, y]
                for k in range(n_segment):
                    row[n_segment + k] = row[k]
                    row[k] += city.cold[d, i, y]
                for c in range(n_cell):
                    row[c] /= theta[n]
                exp_into(row, weight[i], real)
                shares, raised, moved = base[i], weight[i], now[i]
                for c in range(n_cell):
                    raised[c] *= shares[c]
                for c in range(n_cell):
                    moved[c] = raised[c]
            for j in range(slowed.shape[0]):
                n = nest_of[slowed[j]]
                for t in range(n_traveller):
                    for b in range(n_band):
                        steep[j * n_segment + t * n_band + b] = city.pace_weight[d, t] * city.pace[d, j, b, y] / theta[n]
                for s in range(n_season):
                    for k in range(n_segment):
                        slope[j, s * n_segment + k] = steep[j * n_segment + k]
            for s in range(n_season):
                for k in range(n_segment):
                    pkm[s * n_segment + k] = city.season_share[d, s] * (city.trips[d, k, y] * city.length_km[d, k])
            filled, a, power = city.volume_capacity[d, y], city.delay[d, y], city.exponent[d, y]
            barred, background = city.barred[d, y], city.background[d, y]
            empty = 1.0 + a * filled**power
            z, low, high, gap = start[d, y], 0.0, np.inf, np.inf
            done = False
            for n in range(n_nest):
                still[n] = False
            for _ in range(MOST_ITERATIONS):
                queue = a * (filled * z) ** power
                time = (1.0 + queue) / empty
                pace = queue * power / z / empty
                for j in range(n_steep):
                    rise[j] = steep[j] * (time - 1.0)
                exp_into(rise, lift, long_row)
                for j in range(slowed.shape[0]):
                    raised = lift[j * n_segment : (j + 1) * n_segment]
                    for s in range(n_season):
                        at = slice(s * n_segment, (s + 1) * n_segment)
                        moved, unmoved = now[slowed[j]][at], weight[slowed[j]][at]
                        for k in range(n_segment):
                            moved[k] = unmoved[k] * raised[k]
                for of in (free, kept):
                    bad = _choose(now, slope, slowed, road, theta, nest_of, base_sum, total_base, still, of)
                    if bad >= 0:
                        return NO_MODE, bad, y, 0.0
                    if not barred > 0.0:
                        break
                    # who may not drive chooses among the others
                    fill(now[car], 0.0)
                # no traffic reaches a nest without slowed modes: it is what it was
                for n in range(n_nest):
                    still[n] = True
                for j in range(slowed.shape[0]):
                    still[nest_of[slowed[j]]] = False
                if barred > 0.0:
                    for i in range(n_mode):
                        _mix(free.share[i], kept.share[i], barred)
                    for i in range(road.shape[0]):
                        _mix(free.drift[i], kept.drift[i], barred)
                driven = _vehicle_km(city.per_pkm[d, :, y], free.share, road, pkm, free.row)
                more = _vehicle_km(city.per_pkm[d, :, y], free.drift, each_road, pkm, free.row)
                gap = (1.0 + (1.0 - background) * (driven / then - 1.0)) / city.capacity[d, y] - z
                if abs(gap) < TOLERANCE:
                    done = True
                    break
                if gap > 0.0:
                    low = max(low, z)
                else:
                    high = min(high, z)
                # more volume means slower cars, hence fewer car trips: the slope is never positive
                falls = min((1.0 - background) * more / then * pace / city.capacity[d, y], 0.0)
                trial = max(z + gap / (1.0 - falls), 0.1 * z)
                if not low < trial < high:
                    trial = 0.5 * (low + high) if high < np.inf else 2.0 * z
                z = trial
            if not done:
                return NO_FIXED_POINT, d, y, gap
            found.volume[d, y] = z
            for s in range(n_season):
                for k in range(n_segment):
                    trips[s * n_segment + k] = city.season_share[d, s] * city.trips[d, k, y]
                    long_[s * n_segment + k] = city.length_km[d, k]
                    peak[s * n_segment + k] = city.peak_share[d, k]
            for i in range(n_mode):
                part, row = free.share[i], free.row
                for c in range(n_cell):
                    row[c] = trips[c] * part[c]
                for s in range(n_season):
                    at = slice(s * n_segment, (s + 1) * n_segment)
                    found.made[d, y, s, i] = _total(trips[at], part[at])
                found.made[d, y, n_season, i] = _total(row, long_)
                found.made[d, y, n_season + 1, i] = _total(row, peak)
                if d == 0:
                    first = found.first[y, i]
                    for c in range(n_cell):
                        first[c] = part[c]
    return DONE, -1, -1, 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def rake_rows(
    seed: Array,
    weight: Array,
    target: Array,
    as_first: NDArray[np.bool_],
    limits: Array,
    most: int,
    share: Array,
    factor: Array,
    gap: Array,
) -> None:
    """Fit shares to weighted means by iterative proportional fitting, draw by draw, as :func:`transport.cities.base_shares.rake` says.

    Parameters
    ----------
    seed, weight, target
        Arrays ``[draw, segment, mode]``, ``[draw, segment]`` and ``[draw, mode]``; every segment has a seed for a mode of the city.
    as_first
        Whether a draw has the numbers of the first and is left out, array ``[draw]``.
    limits
        Gap at which a draw stops, and smallest factor against the largest.
    most
        Sweeps at most.
    share, factor, gap
        Where shares ``[draw, segment, mode]``, factors ``[draw, mode]`` and what is left of each mean ``[draw, mode]`` go.
    """
    n_draw, n_segment, n_mode = seed.shape
    made, step, row = np.zeros(n_mode), np.zeros(n_mode), np.zeros(n_mode)
    for d in range(n_draw):
        if as_first[d]:
            continue
        factors, wanted = factor[d], target[d]
        for i in range(n_mode):
            factors[i] = 1.0 if wanted[i] > 0.0 else 0.0
        for _ in range(most):
            fill(made, 0.0)
            for k in range(n_segment):
                of, shares = seed[d, k], share[d, k]
                total = 0.0
                for i in range(n_mode):
                    row[i] = of[i] * factors[i]
                    total += row[i]
                for i in range(n_mode):
                    shares[i] = row[i] / total
                    made[i] += weight[d, k] * shares[i]
            worst = 0.0
            for i in range(n_mode):
                gap[d, i] = abs(made[i] - wanted[i])
                worst = max(worst, gap[d, i])
            if worst <= limits[0]:
                break
            top = 0.0
            for i in range(n_mode):
                step[i] = factors[i] * (wanted[i] / made[i] if made[i] > 0.0 else 1.0)
                top = max(top, step[i])
            for i in range(n_mode):
                factors[i] = max(step[i] / top, limits[1]) if wanted[i] > 0.0 else 0.0
