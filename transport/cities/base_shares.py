"""Mode shares of 2019 by season and segment: a seed raked to the shares of the city, winter, and a metro that does not yet run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from transport.cities.flow_kernels import rake_rows
from transport.cities.layout import BANDS, MODES, SEASONS, SEGMENTS
from transport.cities.segments import DAYS_PER_YEAR
from transport.layout import NORMAL_YEAR, year_index

if TYPE_CHECKING:
    import polars as pl

    from transport.cities.layout import Array
    from transport.params import Params

_METRO = MODES.index("metro")
_TOLERANCE = 1e-14
_MOST_SWEEPS = 1000
#: The bundled cities take less than a hundred sweeps; a factor that falls below this part of the largest shows shares that cannot be met.
_LEAST_FACTOR = 1e-200
#: Left after raking in the worst case: rounding alone leaves less than a tenth of it.
_ALLOWED = 1e-12
_MONTHS = 12
#: Days of the months of a common year.
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
#: The normals that the seasons are cut from, and the temperature below which a month is cold [degC].
_NORMALS = "1991-2020"
_FREEZING = 0.0


class BaseShareError(ArithmeticError):
    """Exception for base shares that no seed of this pattern can have."""


# ---- shares of the city ----


def base_shares(params: Params, areas: tuple[str, ...]) -> Array:
    """Return the mode shares of 2019 closed to one [dimensionless], array [area, mode, draw]."""
    normal = year_index(NORMAL_YEAR)
    raw = np.stack([np.stack([params.get("travel_base_share", f"{a}.{m}")[:, normal] for m in MODES]) for a in areas])
    return raw / over(raw, 1)[:, None]


def over(array: Array, axis: int) -> Array:
    """Return the sum over one axis, added in order: numpy's own order depends on the length of the other axes."""
    total: Array = np.take(np.add.accumulate(array, axis=axis), -1, axis=axis)
    return total


# ---- seed and raking ----


def seed_shares(params: Params) -> Array:
    """Return the pattern that the base shares start from [dimensionless, not closed], array ``[segment, mode, draw]``.

    Parameters
    ----------
    params
        Rows ``mode_seed_share`` (band.mode), ``mode_seed_group_factor`` (group.mode) and ``mode_seed_purpose_factor`` (purpose.mode);
        where a factor has no row of its own, that of subject ``all`` stands.

    Raises
    ------
    ValueError
        If a row is negative.

    Notes
    -----
    ``seed = share[band, mode] x factor[group, mode] x factor[purpose, mode]``. Raking keeps the odds ratios between segments, so only
    they matter, not the level of a mode. A share of zero stays zero: nobody walks eight kilometres, whatever the shares of the city.
    """
    by_band = {band: np.stack([_first(params, "mode_seed_share", f"{band}.{mode}") for mode in MODES]) for band in BANDS}
    by_group = {g: _factors(params, "mode_seed_group_factor", g) for g in {g for _, g, _ in SEGMENTS}}
    by_purpose = {p: _factors(params, "mode_seed_purpose_factor", p) for p in {p for p, _, _ in SEGMENTS}}
    seed = np.stack([by_band[band] * by_group[group] * by_purpose[purpose] for purpose, group, band in SEGMENTS])
    if bool(np.any(seed < 0)):
        msg = "mode_seed_share, mode_seed_group_factor and mode_seed_purpose_factor must not be negative"
        raise ValueError(msg)
    return seed


def _factors(params: Params, parameter: str, part: str) -> Array:
    subjects = [f"{part}.{mode}" for mode in MODES]
    return np.stack([_first(params, parameter, s if params.has(parameter, s) else "all") for s in subjects])


def _first(params: Params, parameter: str, subject: str) -> Array:
    """Return a parameter that has one value for all years, [draw]."""
    return params.get(parameter, subject)[:, year_index(NORMAL_YEAR)]


def rake(seed: Array, weight: Array, target: Array) -> tuple[Array, Array]:
    """Return the shares nearest to a seed whose weighted means are given.

    Parameters
    ----------
    seed
        Non-negative pattern [dimensionless], array ``[segment, mode, draw]``; zero stays zero.
    weight
        Weights of the segments, which sum to one [dimensionless], array ``[segment, draw]``.
    target
        Shares of the modes over all segments, which sum to one [dimensionless], array ``[mode, draw]``.

    Returns
    -------
    share, factor
        Shares [dimensionless], array ``[segment, mode, draw]``, one over the modes of each segment, and the factor of each mode [dimensionless],
        array ``[mode, draw]``: ``share = seed x factor / sum over modes``.

    Raises
    ------
    BaseShareError
        If no shares of this pattern have these means; the message names the mode that fails by most.

    Notes
    -----
    Iterative proportional fitting (Deming and Stephan 1940): the shares nearest to the seed in relative entropy. Each draw stops by itself,
    so none depends on another.
    """
    usable = over(seed * (target > 0), 1)
    if not bool(np.all(usable > 0)):
        segment = int(np.argmin(usable.min(axis=1)))
        name = " ".join(SEGMENTS[segment]) if seed.shape[0] == len(SEGMENTS) else str(segment)
        msg = f"no mode of the city has a seed in segment {name}; give mode_seed_share rows above zero there"
        raise BaseShareError(msg)
    pattern, weights, wanted = (np.array(np.moveaxis(a, -1, 0), dtype=np.float64, order="C") for a in (seed, weight, target))
    one = (pattern == pattern[:1]).all(axis=(1, 2)) & (weights == weights[:1]).all(axis=1) & (wanted == wanted[:1]).all(axis=1)
    one[0] = False
    made, factors, left = np.empty_like(pattern), np.empty_like(wanted), np.empty_like(wanted)
    rake_rows(pattern, weights, wanted, one, np.array([_TOLERANCE, _LEAST_FACTOR]), _MOST_SWEEPS, made, factors, left)
    for found in (made, factors, left):
        found[one] = found[0]
    share, factor, gap = (np.ascontiguousarray(np.moveaxis(a, 0, -1)) for a in (made, factors, left))
    if float(gap.max()) > _ALLOWED:
        mode = int(np.argmax(gap.max(axis=1)))
        name = MODES[mode] if seed.shape[1] == len(MODES) else str(mode)
        msg = (
            f"{float(gap.max()):.2e} of the share of {name} is left after {_MOST_SWEEPS} sweeps: the segments that allow the mode hold too "
            f"few trips for its travel_base_share; lower that row or raise mode_seed_share of {name} in a further band"
        )
        raise BaseShareError(msg)
    return share, factor


def virtual_metro(seed: Array, factor: Array, weight: Array, share: Array) -> Array:
    """Return the weight of a metro that does not yet run, beside shares that sum to one [dimensionless], array ``[segment, draw]``.

    Parameters
    ----------
    seed
        Pattern of all modes [dimensionless], array ``[segment, mode, draw]``.
    factor
        Factors of the running modes from :func:`rake` [dimensionless], array ``[mode, draw]``.
    weight
        Weights of the segments [dimensionless], array ``[segment, draw]``.
    share
        Share of all trips that the first line takes at its reference length [dimensionless], array ``[draw]``.

    Raises
    ------
    BaseShareError
        If the share is not below the share of the segments that a metro can serve.

    Notes
    -----
    The pattern is that of the cities with a metro, because the seed is common to all: ``v = k x seed / sum over running modes``. The level
    ``k`` solves ``sum over segments of weight x v / (1 + v) = share``, the share that a mode of this weight gets once it runs. The left side
    is concave in k, so Newton's steps from ``share / sum(weight x v at k = 1)`` rise to the root and never pass it.
    """
    pattern = seed[:, _METRO] / over(seed * factor, 1)
    reach = over(np.where(pattern > 0, weight, 0.0), 0)
    if bool(np.any(share >= reach)):
        worst = int(np.argmax(share - reach))
        msg = (
            f"a first metro line would take {float(share[worst]):.3f} of all trips, but only {float(reach[worst]):.3f} are long enough; "
            "lower metro_boardings_per_km_day or first_metro_length"
        )
        raise BaseShareError(msg)
    level = share / over(weight * pattern, 0)
    for _ in range(_MOST_SWEEPS):
        v = level * pattern
        gap = share - over(weight * v / (1.0 + v), 0)
        open_ = np.abs(gap) > _TOLERANCE
        if not bool(open_.any()):
            break
        slope = over(weight * pattern / (1.0 + v) ** 2, 0)
        level = np.where(open_, level + gap / slope, level)
    return level * pattern


# ---- seasons ----


def cold_days(climate: pl.DataFrame, area: str) -> float:
    """Return the days of the months whose mean temperature is below 0 degC [d/yr], from the normals of 1991-2020.

    Parameters
    ----------
    climate
        Table ``observed/climate``: rows ``mean_temperature`` by area, period and month (items ``month_01`` to ``month_12``).
    area
        Prefecture code.

    Raises
    ------
    ValueError
        If a month is missing or stands twice.
    """
    rows = climate.filter(
        (climate["series"] == "mean_temperature") & (climate["area"] == area) & (climate["period"] == _NORMALS)
    ).select("item", "value")
    months: dict[str, float] = {str(item): float(value) for item, value in rows.iter_rows() if value is not None}
    wanted = [f"month_{m + 1:02d}" for m in range(_MONTHS)]
    if rows.height != _MONTHS or sorted(months) != wanted:
        msg = f"observed/climate: mean_temperature of {area}, {_NORMALS}, has {rows.height} rows and {len(months)} months; it needs one each for {wanted[0]} to {wanted[-1]}"
        raise ValueError(msg)
    return float(sum(days for name, days in zip(wanted, _MONTH_DAYS, strict=True) if months[name] < _FREEZING))


def season_shares(params: Params, days: float) -> Array:
    """Return the shares of the trips of the year by season [dimensionless], array ``[season, draw]``.

    Parameters
    ----------
    params
        Row ``winter_trip_ratio``: trips a day in the cold months against the others.
    days
        Days of the cold months [d/yr].
    """
    ratio = _first(params, "winter_trip_ratio", "all")
    if bool(np.any(ratio <= 0)):
        msg = f"winter_trip_ratio must be positive; got {float(ratio.min()):g}"
        raise ValueError(msg)
    cold = days * ratio / (days * ratio + DAYS_PER_YEAR - days)
    return np.stack([cold, 1.0 - cold])


def by_season(params: Params, annual: Array, running: Array, season_share: Array) -> Array:
    """Return base shares by season whose mean is the annual base, array ``[season, segment, mode, draw]``.

    Parameters
    ----------
    params
        Rows ``winter_mode_ratio``: weight of a mode in the cold months against the mean of the year; subject ``all`` for other modes.
    annual
        Annual base [dimensionless], array ``[segment, mode, draw]``, with the weight of a mode that does not yet run.
    running
        Whether a mode runs, array ``[mode, draw]``.
    season_share
        Shares of the seasons [dimensionless], array ``[season, draw]``.

    Raises
    ------
    BaseShareError
        If a mode would get a negative share in the warm months.

    Notes
    -----
    ``cold = annual x ratio / sum over running modes of annual x ratio`` and ``warm = (annual - share of cold x cold) / share of warm``:
    what walking and cycling lose in winter goes to the other modes of the same purpose, group and length, and comes back in summer.
    """
    ratio = np.stack([_first(params, "winter_mode_ratio", m if params.has("winter_mode_ratio", m) else "all") for m in MODES])
    scaled = annual * ratio
    closed = over(scaled * running, 1)
    if bool(np.any(ratio < 0)) or not bool(np.all(closed > 0)):
        msg = "winter_mode_ratio must not be negative and not zero for all modes that a segment uses"
        raise BaseShareError(msg)
    cold = scaled / closed[:, None]
    part = season_share[SEASONS.index("cold")]
    warm = (annual - part * cold) / season_share[SEASONS.index("warm")]
    if bool(np.any(warm < 0)):
        segment, mode, _ = np.unravel_index(int(np.argmin(warm)), warm.shape)
        msg = (
            f"{MODES[mode]} of {' '.join(SEGMENTS[segment])} would have a negative share in the warm months: its share in the cold months "
            "is too far above the mean of the year; bring the rows winter_mode_ratio nearer to one"
        )
        raise BaseShareError(msg)
    return np.stack([cold, warm])
