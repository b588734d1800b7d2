"""What places contribute to a ratio, an amount or a growth and to its change, without a rest; ranks with ties."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from transport.prefecture_series import PlaceSeries

#: Two values are a tie where they agree to this part of the larger one.
_TIE = 1e-9


class Contribution(NamedTuple):
    """Contribution of each place; over the places without the total each sums to what the province has.

    Attributes
    ----------
    part
        To the value.
    change
        To the change; by_numerator + by_denominator, and by_own + by_weight.
    by_numerator, by_denominator
        What the place's numerator over the whole denominator changed, and what its share of the denominator at the mean value takes off.
    by_own, by_weight
        What its own ratio changed, and what its weight changed.
    """

    part: NDArray[np.float64]
    change: NDArray[np.float64]
    by_numerator: NDArray[np.float64]
    by_denominator: NDArray[np.float64]
    by_own: NDArray[np.float64]
    by_weight: NDArray[np.float64]


def ratio_contributions(top: NDArray[np.float64], bottom: NDArray[np.float64], factor: float = 1.0) -> Contribution:
    r"""Return what places contribute to a ratio of sums and to its change; exact, without a rest.

    Parameters
    ----------
    top, bottom
        Numerator and denominator ``[when, place]``, the total last; when = base year, year.
    factor
        From the quotient to the unit.

    Notes
    -----
    With numerator :math:`N_p`, denominator :math:`D_p`, weight :math:`s_p = D_p / D`, ratio :math:`r_p = N_p / D_p`, a bar for the mean of
    both years and :math:`\Delta` for the change:

    .. math::
        R = \sum_p \frac{N_p}{D}, \qquad
        \Delta R = \sum_p \Bigl(\Delta\frac{N_p}{D} - \bar R\,\Delta s_p\Bigr)
                 = \sum_p \bigl(\bar s_p\,\Delta r_p + (\bar r_p - \bar R)\,\Delta s_p\bigr)

    The second terms of the first form sum to zero, since weights sum to one: a place whose weight grows is charged only with what its ratio
    lies above the province's. Where everything grows alike every contribution is zero. The second form says the same by the place's own
    ratio and its weight; a ratio that exists in one year only holds for the other (all is weight), and what has a numerator alone is its own.

    Examples
    --------
    >>> found = ratio_contributions(np.array([[2.0, 2.0, 4.0], [1.0, 2.0, 3.0]]), np.array([[1.0, 1.0, 2.0], [1.0, 1.0, 2.0]]))
    >>> found.change.tolist(), found.part.tolist()
    ([-0.5, 0.0, -0.5], [0.5, 1.0, 1.5])
    """
    whole_top, whole_bottom = top[:, -1:], bottom[:, -1:]
    nothing = np.full(top.shape, np.nan)
    share = np.divide(bottom, whole_bottom, out=nothing.copy(), where=whole_bottom > 0)
    piece = factor * np.divide(top, whole_bottom, out=nothing.copy(), where=whole_bottom > 0)
    mean = factor * np.divide(whole_top, whole_bottom, out=np.full(whole_top.shape, np.nan), where=whole_bottom > 0).mean()
    by_numerator = piece[1] - piece[0]
    by_denominator = -mean * (share[1] - share[0])
    change = by_numerator + by_denominator
    own = factor * np.divide(top, bottom, out=nothing.copy(), where=bottom > 0)
    known = np.isfinite(own)
    filled = np.where(known, own, own[::-1])
    by_own = np.where(known.any(axis=0), share.mean(axis=0) * (filled[1] - filled[0]), change)
    return Contribution(piece[1], change, by_numerator, by_denominator, by_own, change - by_own)


def contributions_of(series: PlaceSeries, value: NDArray[np.float64]) -> Contribution:
    """Return the contributions of an indicator of any kind: to the value in its unit, to the change in the unit of the change.

    Parameters
    ----------
    series
        The indicator by place.
    value
        Of :func:`values_of`.

    Notes
    -----
    A ratio: :func:`ratio_contributions`, in points of a share, else in points of the province's change in percent. An amount: what the
    place adds over the province's amount of the base year. A growth of a sum is no sum of growths: it is laid to places by what each adds.
    """
    none = np.full(value.shape[1], np.nan)
    if series.bottom is not None:
        found = ratio_contributions(series.top, series.bottom, series.factor)
        if series.unit == "percent":
            return found
        start = value[0, -1]
        scale = 100.0 / start if start > 0 else np.nan
        return Contribution(found.part, *(scale * array for array in found[1:]))
    before, after = series.top
    rise = after - before
    if series.rule.kind == "increase":
        return Contribution(after, after, none, none, none, none)
    if series.rule.kind == "growth":
        shared = value[1, -1] * rise / rise[-1] if rise[-1] != 0 else none
        return Contribution(shared, shared, none, none, none, none)
    whole = 100.0 * rise / before[-1] if before[-1] > 0 else none
    return Contribution(after, whole, none, none, none, none)


def values_of(series: PlaceSeries, years: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the value ``[when, place]`` and its change ``[place]``; nan where there is none.

    Parameters
    ----------
    series
        The indicator by place.
    years
        Base year and year.
    """
    none = np.full(series.top.shape, np.nan)
    if series.bottom is not None:
        value = series.factor * np.divide(series.top, series.bottom, out=none, where=series.bottom > 0)
    elif series.rule.kind == "growth":
        ratio = np.divide(series.top[1], series.top[0], out=none[1].copy(), where=series.top[0] > 0)
        value = np.stack([none[0], series.factor * (ratio ** (1.0 / (years[1] - years[0])) - 1.0)])
    else:
        value = series.top.copy()
    if series.rule.kind in {"growth", "increase"}:
        return value, value[1]
    if series.unit == "percent":
        return value, value[1] - value[0]
    start = np.where(value[0] > 0, value[0], np.nan)
    return value, 100.0 * (value[1] / start - 1.0)


def ranks(values: Sequence[float | None], *, largest_first: bool) -> list[int | None]:
    """Return ranks from 1; equal values share the better rank, what has no value has none.

    Parameters
    ----------
    values
        One per place, None or nan where there is none.
    largest_first
        Whether the largest comes first.

    Examples
    --------
    >>> ranks([3.0, None, 1.0, 3.0, 2.0], largest_first=True)
    [1, None, 4, 1, 3]
    """
    known = sorted((v for v in values if v is not None and np.isfinite(v)), reverse=largest_first)
    found: list[int | None] = []
    for value in values:
        if value is None or not np.isfinite(value):
            found.append(None)
            continue
        found.append(1 + next(i for i, other in enumerate(known) if _tie(value, other)))
    return found


def _tie(a: float, b: float) -> bool:
    return abs(a - b) <= _TIE * max(abs(a), abs(b))
