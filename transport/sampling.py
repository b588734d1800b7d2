"""Designs of an ensemble: which quantile of its range every uncertain input takes in every draw.

A design names quantiles, not values, so that two scenarios with one seed share every draw, and a case of a sensitivity analysis (one input at the
end of its range, a group of inputs exchanged) is a row of the same table. Draw 0 is the central run and has no quantiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import polars as pl

from transport.layout import YEARS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Key: TypeAlias = "tuple[str, str]"
Design: TypeAlias = Literal["lhs", "sobol"]

DESIGNS: tuple[Design, ...] = ("lhs", "sobol")
_YEAR_AXIS = np.asarray(YEARS, dtype=np.float64)
#: Eigenvalue below zero that is still rounding.
_ROUNDING = 1e-9


class DesignError(ValueError):
    """Exception for a design that does not exist or correlations that no distribution can have.

    Parameters
    ----------
    message
        What is wrong.
    keys
        The inputs whose correlations contradict each other.
    """

    def __init__(self, message: str, keys: Sequence[Key] = ()) -> None:
        self.keys = tuple(keys)
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Correlation:
    """Correlation of two inputs (``data/correlations.csv``).

    Attributes
    ----------
    one, other
        (parameter, subject).
    value
        Correlation of the normal scores of both, -1 to 1.
    """

    one: Key
    other: Key
    value: float


def quantiles(
    keys: Sequence[Key],
    draws: int,
    seed_of: Callable[[str], np.random.SeedSequence],
    *,
    design: Design = "lhs",
    correlations: Iterable[Correlation] = (),
) -> dict[Key, Array]:
    """Return key -> quantile of every draw ``[draw]``, NaN in draw 0, which is the central run.

    Parameters
    ----------
    keys
        The uncertain inputs.
    draws
        Number of draws with the central one.
    seed_of
        Name -> seed.
    design
        ``lhs``: each of the ``n = draws - 1`` intervals of equal probability holds one draw of each input, in an order drawn from the input's own
        name, so that another input moves nothing. ``sobol``: the first ``n`` points of a scrambled Sobol sequence with a dimension per input in
        sorted order; a new input moves those after it.
    correlations
        Of inputs; those with an input that is not among the keys are left out.

    Returns
    -------
    dict
        Arrays ``[draw]`` in (0, 1).

    Raises
    ------
    DesignError
        If there is no such design, or the correlations make no positive semidefinite matrix.

    Notes
    -----
    LHS: ``u_i = (p(i) + v_i) / n`` with a permutation ``p`` and ``v`` uniform [1]_. Correlated inputs keep their own quantiles and change their order
    only: draw ``i`` takes the quantile whose rank is that of ``(L z)_i``, where ``z`` are normal scores and ``L L' = R`` [2]_. So every input stays
    as well spread as alone, and ``R`` is that of a Gaussian copula.

    References
    ----------
    .. [1] McKay, M. D., Beckman, R. J., Conover, W. J. (1979), Technometrics 21(2), 239-245.
    .. [2] Iman, R. L., Conover, W. J. (1982), Communications in Statistics 11(3), 311-334.
    """
    if design not in DESIGNS:
        msg = f"no design {design!r}; use {' or '.join(DESIGNS)}"
        raise DesignError(msg)
    count, ordered = draws - 1, sorted(set(keys))
    if count < 1 or not ordered:
        return {key: np.full(draws, np.nan) for key in ordered}
    drawn = _sobol(ordered, count, seed_of) if design == "sobol" else _lhs(ordered, count, seed_of)
    for group, matrix in joint(ordered, correlations):
        drawn |= _reordered({key: drawn[key] for key in group}, matrix)
    return {key: np.concatenate([[np.nan], u]) for key, u in drawn.items()}


def joint(keys: Iterable[Key], correlations: Iterable[Correlation]) -> list[tuple[list[Key], Array]]:
    """Return the groups of inputs that are correlated with each other, and the correlation matrix of each.

    Parameters
    ----------
    keys
        Inputs that count.
    correlations
        Pairs; a pair of a group without a row is uncorrelated.

    Raises
    ------
    DesignError
        If a matrix is not positive semidefinite; the message names its inputs.
    """
    known = set(keys)
    pairs = [c for c in correlations if c.one in known and c.other in known]
    home: dict[Key, set[Key]] = {}
    for pair in pairs:
        both = home.get(pair.one, {pair.one}) | home.get(pair.other, {pair.other})
        home |= dict.fromkeys(both, both)
    groups = {id(group): sorted(group) for group in home.values()}
    made = []
    for group in sorted(groups.values()):
        at = {key: k for k, key in enumerate(group)}
        matrix = np.eye(len(group))
        for pair in pairs:
            if pair.one in at:
                matrix[at[pair.one], at[pair.other]] = matrix[at[pair.other], at[pair.one]] = pair.value
        if np.linalg.eigvalsh(matrix)[0] < -_ROUNDING:
            names = ", ".join(" ".join(key) for key in group)
            msg = f"the correlations of {names} contradict each other: no distribution has them all"
            raise DesignError(msg, group)
        made.append((group, matrix))
    return made


def _lhs(keys: Sequence[Key], count: int, seed_of: Callable[[str], np.random.SeedSequence]) -> dict[Key, Array]:
    drawn = {}
    for parameter, subject in keys:
        rng = np.random.default_rng(seed_of(f"parameter:{parameter}:{subject}"))
        drawn[parameter, subject] = (rng.permutation(count) + rng.random(count)) / count
    return drawn


def _sobol(keys: Sequence[Key], count: int, seed_of: Callable[[str], np.random.SeedSequence]) -> dict[Key, Array]:
    from scipy.stats import qmc  # half a second that no single run needs

    sequence = qmc.Sobol(len(keys), scramble=True, rng=np.random.default_rng(seed_of("sobol")))
    points = sequence.random_base2(max(count - 1, 0).bit_length())[:count]
    # a scrambled point may be rounded to 0, whose normal score is infinite
    points = np.clip(points, np.finfo(np.float64).tiny, None)
    return {key: np.ascontiguousarray(points[:, k]) for k, key in enumerate(keys)}


def _reordered(drawn: dict[Key, Array], matrix: Array) -> dict[Key, Array]:
    """Return quantiles in the order that gives them the correlations of a matrix; the first input keeps its own."""
    from scipy.special import ndtri

    scores = ndtri(np.stack(list(drawn.values())))
    mixed = _root(matrix) @ scores
    made = {}
    for (key, u), row in zip(drawn.items(), mixed, strict=True):
        made[key] = np.sort(u)[np.argsort(np.argsort(row, kind="stable"), kind="stable")]
    return made


def _root(matrix: Array) -> Array:
    """Return the lower triangle ``L`` with ``L L' = R``; a pivot of zero (an input that follows from others) is a column of zeros."""
    left = np.array(matrix)
    root = np.zeros_like(left)
    for k in range(len(left)):
        if left[k, k] > _ROUNDING:
            root[k:, k] = left[k:, k] / np.sqrt(left[k, k])
            left[k:, k:] -= np.outer(root[k:, k], root[k:, k])
    return root


# ---- values at quantiles ----


@dataclass(frozen=True)
class Rows:
    """Rows of one key or of all, sorted by year: years (NaN = every year), values, ranges (the value where there is none) and distributions."""

    year: NDArray[np.float64]
    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    ranged: NDArray[np.bool_]
    distribution: list[str]

    @classmethod
    def read(cls, rows: pl.DataFrame) -> Rows:
        """Return the rows of a table of parameters."""
        number = rows.select(pl.col("year", "value", "low", "high").cast(pl.Float64)).with_columns(
            pl.col(bound).fill_null(pl.col("value")) for bound in ("low", "high")
        )
        year, value, low, high = (number[name].to_numpy() for name in number.columns)
        return cls(year, value, low, high, rows["low"].is_not_null().to_numpy(), rows["distribution"].to_list())

    def part(self, where: slice) -> Rows:
        """Return some of the rows."""
        return Rows(
            self.year[where], self.value[where], self.low[where], self.high[where], self.ranged[where], self.distribution[where]
        )


def sample(rows: Rows, u: NDArray[np.float64] | None, draws: int) -> NDArray[np.float64]:
    """Return ``[draw, year]`` of one key.

    Parameters
    ----------
    rows
        Of the key, sorted by year.
    u
        Quantile of each draw ``[draw]``, NaN = central value; None = all central.
    draws
        Number of draws.
    """
    one_row = rows.value.size == 1 or bool(np.isnan(rows.year[0]))
    central = np.full(len(YEARS), rows.value[0]) if one_row else np.interp(_YEAR_AXIS, rows.year, rows.value)
    made = np.repeat(central[None, :], draws, axis=0)
    if u is None or not rows.ranged.any():
        return made
    drawn = ~np.isnan(u)
    anchors = np.stack(
        [
            _quantile(u[drawn], float(low), float(mode), float(high), kind)
            for low, mode, high, kind in zip(rows.low, rows.value, rows.high, rows.distribution, strict=True)
        ],
        axis=1,
    )
    made[drawn] = anchors[:, :1] if one_row else _joined(rows.year, anchors)
    return made


def _joined(years: NDArray[np.float64], anchors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``[draw, year]``: numbers ``[draw, anchor]`` joined linearly and held flat outside, each draw as ``numpy.interp`` does it."""
    at = np.clip(np.searchsorted(years, _YEAR_AXIS, side="right") - 1, 0, years.size - 2)
    slope = (anchors[:, at + 1] - anchors[:, at]) / (years[at + 1] - years[at])
    made = slope * (_YEAR_AXIS - years[at]) + anchors[:, at]
    made[:, years[0] >= _YEAR_AXIS] = anchors[:, :1]
    made[:, years[-1] <= _YEAR_AXIS] = anchors[:, -1:]
    return made


def _quantile(u: NDArray[np.float64], low: float, mode: float, high: float, distribution: str) -> NDArray[np.float64]:
    """Return the value at quantile ``u`` of a uniform or triangular distribution."""
    if distribution == "uniform":
        return low + u * (high - low)
    if high == low:
        return np.full_like(u, mode)
    cut = (mode - low) / (high - low)
    left = low + np.sqrt(u * (high - low) * (mode - low))
    right = high - np.sqrt((1.0 - u) * (high - low) * (high - mode))
    return np.where(u < cut, left, right)
