"""Which input an indicator hangs on: variance shares and PAWN indices from the draws of an ensemble, one-at-a-time swings, shares of groups.

Everything but the swings and the groups is read off draws that are there already. A share that draws without any influence could show by chance
is not reported; what is left over stands beside the shares as the part that they do not explain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport.ensemble import Cases
from transport.layout import QUALITY_ORDER
from transport.observed_weights import effective_size
from transport.params import ranged_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from transport.ensemble import EnsembleResult
    from transport.inputs import Inputs
    from transport.sampling import Key

    Array = NDArray[np.float64]

#: Inputs of these qualities are the first to be replaced by data.
WEAK = ("assumption", "recalled", "literature")
#: Chance that an input without influence is taken for a driver, over all inputs together.
_FALSE = 0.05
#: Most inputs that enter the fit, and most shares of the draws that their terms may be.
_MOST, _TERMS_PER_DRAW = 60, 0.2
#: Effective draws from which squares of the quantiles enter.
_FOR_SQUARES = 500
#: Resamples of the intervals, dummies of PAWN.
_RESAMPLES, _DUMMIES = 200, 20
_NOTHING = 1e-12
SHARES = {
    "parameter": pl.String,
    "subject": pl.String,
    "share": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "direction": pl.Float64,
    "rank": pl.Int64,
}
REPLACE = {
    "replace_first": pl.Int64,
    "parameter": pl.String,
    "subject": pl.String,
    "share": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "quality": pl.String,
    "source": pl.String,
    "file": pl.String,
    "row": pl.Int64,
    "column": pl.String,
}


class TooFewDrawsError(ValueError):
    """Exception for draws that are too few for shares of variance.

    Parameters
    ----------
    draws, effective
        Draws and effective sample size.
    """

    def __init__(self, draws: int, effective: float) -> None:
        super().__init__(f"{draws} draws with an effective size of {effective:.1f} are too few for shares of variance")
        self.draws, self.effective = draws, effective


class OneGroupError(ValueError):
    """Exception for inputs that all stand in one group, which no other can be told from.

    Parameters
    ----------
    group
        Its name; empty if there is no input at all.
    """

    def __init__(self, group: str) -> None:
        super().__init__(f"all inputs stand in {group or 'no file'}: indices of groups need two groups at least")
        self.group = group


@dataclass(frozen=True, slots=True)
class Drivers:
    """Drivers of one indicator.

    Attributes
    ----------
    shares
        Columns of :data:`SHARES`, largest first: part of the variance, its 95 percent interval, and the correlation with the input's quantile.
    explained
        Part of the variance that the shares explain together, adjusted for the number of terms.
    noise
        Smallest share that could be told from chance at the first step.
    draws, effective
        Draws and effective sample size behind it.
    """

    shares: pl.DataFrame
    explained: float
    noise: float
    draws: int
    effective: float


def variance_shares(
    keys: Sequence[Key], quantile: Array, outcome: Array, weight: Array | None = None, *, degree: int | None = None, seed: int = 0
) -> Drivers:
    r"""Return the first-order share of every input in the variance of an outcome, those above the noise.

    Parameters
    ----------
    keys
        Inputs.
    quantile
        Quantile of each draw and input ``[draw, key]``.
    outcome
        What the draws came to ``[draw]``; draws without a value are left out.
    weight
        Weight of each draw ``[draw]``; equal by default.
    degree
        Highest power of a quantile in the fit; by default 2, and 1 with an effective size below 500, where squares cost more than they show.
    seed
        Of the resamples.

    Returns
    -------
    Drivers
        Nothing but the noise where the outcome does not vary.

    Raises
    ------
    TooFewDrawsError
        If there are too few draws to fit anything.

    Notes
    -----
    Forward regression of the outcome on orthonormal Legendre polynomials :math:`\phi_d(u_k)` of the quantiles: the input that explains most of
    what is left enters with all its terms, as long as that is more than an input without influence would explain by chance in 5 percent of all
    ensembles (F test over all inputs left). With weights, least squares are weighted and the effective sample size counts. The share of an input
    is :math:`S_k = \mathrm{cov}(f_k(u_k), y) / \mathrm{var}(y)` with its fitted effect :math:`f_k` [1]_: for independent inputs the first-order
    Sobol index, for correlated ones a split of what they explain together; shares sum to :math:`R^2`, and each is less
    what its terms would explain by chance, so that they sum to the adjusted :math:`R^2`. Interactions and inputs below the noise are
    in the rest. Intervals are 95 percent of resampled draws with the inputs kept.

    References
    ----------
    .. [1] Pratt, J. W. (1987), Dividing the indivisible, Proc. 2nd Tampere Conference in Statistics, 245-260.
    """
    from scipy.stats import f as f_distribution

    there = ~np.isnan(outcome)
    w = np.ones(int(there.sum())) if weight is None else weight[there]
    y, u = outcome[there], quantile[there]
    effective = effective_size(w)
    if degree is None:
        degree = 2 if effective >= _FOR_SQUARES else 1
    if effective < 2 * (degree + 2):
        raise TooFewDrawsError(int(y.size), effective)
    w = w / w.sum()
    left = y - w @ y
    total = float(w @ left**2)
    empty = pl.DataFrame(schema=SHARES)
    if total <= _NOTHING * max(float(np.abs(y).max()) ** 2, _NOTHING):
        return Drivers(empty, 0.0, 0.0, int(y.size), effective)
    root = np.sqrt(w)
    terms = _terms(u, degree)
    # weighted, without their means; what is chosen is taken out of the others step by step
    fresh = (terms - np.einsum("i,kid->kd", w, terms)[:, None, :]) * root[:, None]
    chosen: list[int] = []
    residual = root * left
    noise = 0.0
    for step in range(min(_MOST, len(keys), int(_TERMS_PER_DRAW * effective / degree))):
        gained = _gains(fresh, residual)
        gained[chosen] = -np.inf
        best = int(np.argmax(gained))
        unexplained = float(residual @ residual)
        free = effective - degree * (step + 1) - 1
        tail = f_distribution.isf(_FALSE / max(len(keys) - step, 1), degree, free)
        needed = unexplained * degree * tail / (degree * tail + free)
        noise = noise or needed / total
        if gained[best] < needed:
            break
        chosen.append(best)
        own, _ = np.linalg.qr(fresh[best])
        fresh -= own @ (own.T @ fresh)
        residual = residual - own @ (own.T @ residual)
    columns = np.concatenate([terms[k] for k in chosen], axis=1) if chosen else np.zeros((y.size, 0))
    shares = _pratt(columns, y, w, degree, effective)
    low, high = _interval(columns, y, w, degree, effective, seed)
    slope = [_correlation(u[:, k], y, w) for k in chosen]
    # what resampled draws could take for nothing is not reported
    order = np.asarray([k for k in np.argsort(-shares, kind="stable") if low[k] > 0.0], dtype=np.int64)
    frame = pl.DataFrame(
        {
            "parameter": [keys[chosen[k]][0] for k in order],
            "subject": [keys[chosen[k]][1] for k in order],
            "share": shares[order],
            "low": low[order],
            "high": high[order],
            "direction": [slope[k] for k in order],
            "rank": list(range(1, len(order) + 1)),
        },
        schema=SHARES,
    )
    return Drivers(frame, float(shares[order].sum()), noise, int(y.size), effective)


def drivers_of(result: EnsembleResult, series: int, year: int, *, weighted: bool = True) -> Drivers:
    """Return the drivers of one series of an ensemble.

    Parameters
    ----------
    result
        A finished ensemble.
    series
        Number of the series in its table ``series``.
    year
        Calendar year that the series is kept for.
    weighted
        Whether draws count by how well they meet what was observed, or all alike.

    Raises
    ------
    ValueError
        If the series is not kept for the year, or there are too few draws.
    """
    keys, quantile, outcome, weight = _kept(result, series, year)
    return variance_shares(keys, quantile, outcome, weight if weighted else None)


def pawn_of(result: EnsembleResult, series: int, year: int) -> tuple[pl.DataFrame, float]:
    """Return the PAWN indices of one series of an ensemble, draws weighted, as :func:`pawn`.

    Parameters
    ----------
    result, series, year
        As in :func:`drivers_of`.

    Raises
    ------
    ValueError
        If the series is not kept for the year.
    """
    return pawn(*_kept(result, series, year))


def _kept(result: EnsembleResult, series: int, year: int) -> tuple[list[Key], Array, Array, Array]:
    """Return inputs, quantiles ``[draw, key]``, and outcomes and weights ``[draw]`` of one series in a year."""
    draws = result.table("draws")
    outcomes = result.table("outcomes").filter(pl.col("series") == series, pl.col("year") == year, pl.col("draw") > 0)
    if outcomes.is_empty():
        msg = f"series {series} is not kept for {year}"
        raise ValueError(msg)
    names = draws.columns[2:]
    keys = [(name.partition(" ")[0], name.partition(" ")[2]) for name in names]
    return keys, draws.select(names).to_numpy(), outcomes["value"].to_numpy(), draws["weight"].to_numpy()


def drivers_if_any(result: EnsembleResult, series: int, year: int) -> Drivers:
    """Return the drivers of one series, from all draws alike where the weights leave too few to tell anything (their ``effective`` says so).

    Parameters
    ----------
    result, series, year
        As in :func:`drivers_of`.

    Raises
    ------
    ValueError
        If the series is not kept for the year, or there are too few draws.
    """
    try:
        found = drivers_of(result, series, year)
    except ValueError:
        return drivers_of(result, series, year, weighted=False)
    return drivers_of(result, series, year, weighted=False) if found.shares.is_empty() else found


def pawn(
    keys: Sequence[Key], quantile: Array, outcome: Array, weight: Array | None = None, *, slices: int = 10, seed: int = 0
) -> tuple[pl.DataFrame, float]:
    """Return the PAWN index of inputs and what inputs without influence would reach.

    Parameters
    ----------
    keys, quantile, outcome, weight, seed
        As in :func:`variance_shares`.
    slices
        Number of slices of each input's range.

    Returns
    -------
    frame, float
        Columns parameter, subject, median, maximum, above_noise, largest median first; and the largest median of dummy inputs.

    Notes
    -----
    Median over slices of the Kolmogorov-Smirnov distance between the outcome in the slice and the outcome of all draws [1]_, by SALib. It sees any
    effect on the distribution, interactions too. Draws with weights are resampled systematically first.

    References
    ----------
    .. [1] Pianosi, F., Wagener, T. (2018), Environmental Modelling & Software 108, 197-207.
    """
    from SALib.analyze import pawn as salib_pawn

    there = ~np.isnan(outcome)
    rng = np.random.default_rng(seed)
    at = np.flatnonzero(there)
    if weight is not None:
        steps = np.cumsum(weight[at]) / weight[at].sum()
        at = at[np.minimum(np.searchsorted(steps, (np.arange(at.size) + 0.5) / at.size), at.size - 1)]
    dummies = rng.random((at.size, _DUMMIES))
    table = np.concatenate([quantile[at], dummies], axis=1)
    names = [" ".join(key) for key in keys] + [f"dummy {k}" for k in range(_DUMMIES)]
    problem = {"num_vars": len(names), "names": names, "bounds": [[0.0, 1.0]] * len(names)}
    found = salib_pawn.analyze(problem, table, outcome[at], S=slices, seed=seed)
    median, most = np.asarray(found["median"]), np.asarray(found["maximum"])
    noise = float(median[len(keys) :].max())
    frame = pl.DataFrame(
        {
            "parameter": [key[0] for key in keys],
            "subject": [key[1] for key in keys],
            "median": median[: len(keys)],
            "maximum": most[: len(keys)],
        },
        schema={"parameter": pl.String, "subject": pl.String, "median": pl.Float64, "maximum": pl.Float64},
    )
    return frame.with_columns(above_noise=pl.col("median") > noise).sort(
        "median", "parameter", "subject", descending=[True, False, False]
    ), noise


def tornado_cases(keys: Sequence[Key], *, low: float = 0.05, high: float = 0.95) -> Cases:
    """Return cases that move one input at a time: the central run, then each input at its low and at its high quantile.

    Parameters
    ----------
    keys
        Inputs.
    low, high
        Quantiles of the ends.
    """
    table = np.full((2 * len(keys) + 1, len(keys)), np.nan)
    for k in range(len(keys)):
        table[2 * k + 1, k], table[2 * k + 2, k] = low, high
    return Cases(tuple(keys), table)


def tornado(keys: Sequence[Key], central: float, values: Array) -> pl.DataFrame:
    """Return the swing of an indicator by input, widest first.

    Parameters
    ----------
    keys
        Inputs of :func:`tornado_cases`.
    central
        Value of the central run.
    values
        Values of the other cases in their order ``[case]``.

    Returns
    -------
    frame
        Columns parameter, subject, at_low, at_high, swing; ``swing`` is the width that the three values span.
    """
    at_low, at_high = values[0::2], values[1::2]
    ends = np.stack([at_low, at_high, np.full(len(keys), central)])
    return pl.DataFrame(
        {
            "parameter": [key[0] for key in keys],
            "subject": [key[1] for key in keys],
            "at_low": at_low,
            "at_high": at_high,
            "swing": ends.max(axis=0) - ends.min(axis=0),
        }
    ).sort("swing", "parameter", "subject", descending=[True, False, False])


def group_cases(groups: Mapping[Key, str], *, base: int, seed: int = 0) -> tuple[Cases, dict[str, object]]:
    """Return cases that exchange groups of inputs, for Sobol indices of the groups.

    Parameters
    ----------
    groups
        Input -> group, such as the file it stands in.
    base
        Base sample, a power of two; ``base * (groups + 2)`` cases.
    seed
        Of the scrambled sequence.

    Returns
    -------
    Cases, dict
        The cases and the problem that :func:`group_indices` takes. Inputs count as independent.

    Raises
    ------
    OneGroupError
        If there are not two groups.
    """
    from SALib.sample import sobol

    keys = sorted(groups)
    if len(set(groups.values())) < 2:
        raise OneGroupError(next(iter(groups.values()), ""))
    names = [" ".join(key) for key in keys]
    problem: dict[str, object] = {
        "num_vars": len(keys),
        "names": names,
        "bounds": [[0.0, 1.0]] * len(keys),
        "groups": [groups[key] for key in keys],
    }
    table = np.asarray(sobol.sample(problem, base, calc_second_order=False, seed=seed), dtype=np.float64)
    central = np.full((1, len(keys)), np.nan)
    return Cases(tuple(keys), np.concatenate([central, table])), problem


def group_indices(problem: Mapping[str, object], values: Array, *, seed: int = 0) -> pl.DataFrame:
    """Return first-order and total Sobol indices of groups of inputs.

    Parameters
    ----------
    problem
        From :func:`group_cases`.
    values
        What its cases came to, without the central run ``[case]``.
    seed
        Of the intervals.

    Returns
    -------
    frame
        Columns group, first, first_error, total, total_error, largest total first; errors are half the 95 percent interval.

    Raises
    ------
    ValueError
        If a case has no value: the indices need all of them.
    """
    from SALib.analyze import sobol

    if np.isnan(values).any():
        msg = f"{int(np.isnan(values).sum())} of {values.size} cases have no value; indices of groups need all of them"
        raise ValueError(msg)
    found = sobol.analyze(dict(problem), values, calc_second_order=False, seed=seed)
    listed = problem.get("groups") or problem["names"]
    names = list(dict.fromkeys(str(name) for name in np.asarray(listed, dtype=object)))
    return pl.DataFrame(
        {
            "group": names,
            "first": np.asarray(found["S1"]),
            "first_error": np.asarray(found["S1_conf"]),
            "total": np.asarray(found["ST"]),
            "total_error": np.asarray(found["ST_conf"]),
        }
    ).sort("total", "group", descending=[True, False])


def file_of_keys(inputs: Inputs) -> dict[Key, str]:
    """Return uncertain input -> the data file that it stands in.

    Parameters
    ----------
    inputs
        Checked data.
    """
    rows = inputs.own_parameters().filter(pl.col("low").is_not_null(), pl.col("value").is_not_null())
    found: dict[Key, str] = {}
    for parameter, subject, file in rows.select("parameter", "subject", "file").iter_rows():
        found.setdefault((parameter, subject), file)
    return {key: found[key] for key in ranged_keys(rows)}


def replace_first(drivers: Drivers, inputs: Inputs, *, count: int = 10) -> pl.DataFrame:
    """Return the weak inputs that own most of an indicator's variance, with the place to write a better number.

    Parameters
    ----------
    drivers
        Of the indicator.
    inputs
        Checked data.
    count
        Most inputs to name.

    Returns
    -------
    frame
        Columns of :data:`REPLACE`. ``quality`` is the weakest of the input's rows with a range; ``row`` is the first of them in ``file``.
    """
    rows = inputs.own_parameters().filter(pl.col("low").is_not_null(), pl.col("value").is_not_null())
    made: list[dict[str, object]] = []
    for driver in drivers.shares.iter_rows(named=True):
        own = rows.filter(pl.col("parameter") == driver["parameter"], pl.col("subject") == driver["subject"])
        quality = max(own["quality"].to_list(), key=QUALITY_ORDER.index)
        if quality not in WEAK or len(made) == count:
            continue
        file, row = inputs.place_of(driver["parameter"], driver["subject"])
        made.append(
            {
                "replace_first": len(made) + 1,
                **{name: driver[name] for name in ("parameter", "subject", "share", "low", "high")},
                "quality": quality,
                "source": own["source"][0],
                "file": file,
                "row": row,
                "column": "value",
            }
        )
    return pl.DataFrame(made, schema=REPLACE)


def _terms(u: Array, degree: int) -> Array:
    """Return orthonormal Legendre polynomials of quantiles ``[key, draw, degree]``."""
    x = 2.0 * u - 1.0
    powers = np.polynomial.legendre.legvander(x, degree)[..., 1:]
    return np.ascontiguousarray(np.moveaxis(powers * np.sqrt(2.0 * np.arange(1, degree + 1) + 1.0), 1, 0))


def _gains(fresh: Array, residual: Array) -> Array:
    """Return how much of the residual's square the terms ``[key, draw, degree]`` of each input would explain ``[key]``."""
    gained = np.zeros(len(fresh))
    done: list[Array] = []
    for d in range(fresh.shape[2]):
        column = fresh[:, :, d]
        for other in done:
            column = column - np.einsum("ki,ki->k", other, column)[:, None] * other
        length = np.sqrt(np.einsum("ki,ki->k", column, column))
        column = column / np.maximum(length, _NOTHING)[:, None]
        gained += (column @ residual) ** 2 * (length > _NOTHING)
        done.append(column)
    return gained


def _pratt(columns: Array, y: Array, w: Array, degree: int, effective: float) -> Array:
    """Return the share of each input, whose terms stand side by side, in the weighted variance of ``y``, less what its terms explain by chance."""
    if not columns.shape[1]:
        return np.zeros(0)
    left, centred = columns - w @ columns, y - w @ y
    root = np.sqrt(w)[:, None]
    slopes, *_ = np.linalg.lstsq(root * left, root[:, 0] * centred, rcond=None)
    owned = slopes * (left * (w * centred)[:, None]).sum(axis=0) / float(w @ centred**2)
    shares = owned.reshape(-1, degree).sum(axis=1)
    by_chance = degree * max(1.0 - float(shares.sum()), 0.0) / (effective - columns.shape[1] - 1.0)
    return np.asarray(shares - by_chance)


def _interval(columns: Array, y: Array, w: Array, degree: int, effective: float, seed: int) -> tuple[Array, Array]:
    """Return the 95 percent interval of the shares over resampled draws."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(_RESAMPLES):
        counts = rng.multinomial(y.size, np.full(y.size, 1.0 / y.size))
        again = w * counts
        found.append(_pratt(columns, y, again / again.sum(), degree, effective))
    low, high = np.quantile(np.stack(found), (0.025, 0.975), axis=0)
    return np.asarray(low), np.asarray(high)


def _correlation(u: Array, y: Array, w: Array) -> float:
    left, centred = u - w @ u, y - w @ y
    return float((w * left) @ centred / np.sqrt((w @ left**2) * (w @ centred**2)))
