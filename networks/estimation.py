"""Estimation of multinomial and nested logit models from observed choices by maximum likelihood.

Utilities are linear in their coefficients: an attribute may enter as it is, as a logarithm (``cost`` or ``ln cost``, whichever column the caller
gives), or as anything else that is a column.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from networks.likelihood import Maximum, evaluate, locate, maximise, segment_sums
from networks.logit import Segments
from networks.sample import EstimationError, Layout, Sample, read_layout, read_sample

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Estimates", "EstimationError", "estimate"]

#: A column whose spread within the cases is below this share of its size does not vary: what is left is rounding.
_NO_SPREAD = 1e-10
#: A direction whose information is below this share of the average one is not identified (eigenvalue of a matrix with unit diagonal).
_NO_INFORMATION = 1e-11
#: Information left at the maximum, as a share of that at equal shares, below which a coefficient has run away.
_RUN_AWAY = 1e-7
#: Coefficients named for an unidentified direction carry at least this share of its largest component.
_NAMED_SHARE = 0.05
#: Nest scales the search starts from; the nested logit is not concave, the best end counts.
_SCALE_STARTS = (1.0, 2.0)


@dataclass(frozen=True)
class Estimates:
    """Result of an estimation.

    Attributes
    ----------
    table
        coefficient, value, standard_error, robust_standard_error, t, robust_t, p, robust_p, at_bound; t and p against 0, p two-sided normal.
        Nest parameters come last (``mu_<nest>``, or ``mu`` if shared). A parameter at its bound has no standard error.
    nests
        nest, alternatives, mu (inner scale, >= 1), standard_error, robust_standard_error, t_against_1, log_sum_coefficient (1 / mu, in (0, 1]),
        log_sum_standard_error; no row without nests.
    log_likelihood, null_log_likelihood
        At the estimates and at equal shares over the available alternatives.
    constants_log_likelihood
        With constants only (one per alternative ever chosen).
    rho2, rho2_adjusted
        ``1 - LL / LL0`` and ``1 - (LL - parameters) / LL0``.
    n_cases, n_parameters, total_weight
        Size of the sample, of the model, and sum of all choices and weights.
    iterations, converged, gradient_norm
        Newton steps, whether a further step gains nothing, Euclidean norm of the gradient (parameters at a bound left out).
    elasticities
        alternative, attribute, of_alternative, elasticity: change in % of the share of ``alternative`` when ``attribute`` of ``of_alternative``
        rises by 1 %, probability-weighted over the sample.
    shares
        alternative, observed, modelled, null: shares in the sample.
    probabilities
        Of every row of the observations, 0 where not available ``[row]``.
    covariance, robust_covariance
        In the order of ``table`` ``[parameter, parameter]``; zero for parameters at a bound.
    """

    table: pl.DataFrame
    nests: pl.DataFrame
    log_likelihood: float
    null_log_likelihood: float
    constants_log_likelihood: float
    rho2: float
    rho2_adjusted: float
    n_cases: int
    n_parameters: int
    total_weight: float
    iterations: int
    converged: bool
    gradient_norm: float
    elasticities: pl.DataFrame
    shares: pl.DataFrame
    probabilities: NDArray[np.float64]
    covariance: NDArray[np.float64]
    robust_covariance: NDArray[np.float64]
    layout: Layout = field(repr=False)

    def value(self, coefficient: str) -> float:
        """Return the value of one coefficient."""
        return float(self.table.filter(pl.col("coefficient") == coefficient)["value"].item())

    def predict(self, observations: pl.DataFrame) -> NDArray[np.float64]:
        """Return the probability of every row of other observations, 0 where not available ``[row]``.

        Parameters
        ----------
        observations
            As for :func:`estimate`; no choice is needed.

        Raises
        ------
        EstimationError
            If the observations do not fit the model.
        """
        sample = read_sample(observations, self.layout, [], choices=False)
        return _probabilities(sample, self.table["value"].to_numpy())


def _probabilities(sample: Sample, theta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities in the order of the observations."""
    at = locate(sample, theta)
    found = np.zeros(sample.n_observed)
    found[sample.position] = at.within * at.across[sample.segments.nest_of]
    return found


def _names(vector: NDArray[np.float64], names: Sequence[str]) -> str:
    """Return the names that carry a direction."""
    size = np.abs(vector)
    return ", ".join(repr(n) for n, s in zip(names, size, strict=True) if s >= _NAMED_SHARE * size.max())


def _column_scale(sample: Sample, names: Sequence[str]) -> NDArray[np.float64]:
    """Return the spread of each column within the cases, and refuse coefficients the sample says nothing about.

    Notes
    -----
    The rows of a case count around their mean; a coefficient is identified if no combination of columns vanishes there.
    """
    count = np.diff(np.append(sample.row_start, sample.x.shape[0]))
    counts = np.add.reduceat(sample.chosen, sample.row_start) > 0
    mean = segment_sums(sample.row_start, np.ones(sample.x.shape[0]), sample.x) / count[:, None]
    centred = (sample.x - mean[sample.case_of_row]) * counts[sample.case_of_row, None]
    spread: NDArray[np.float64] = np.sqrt((centred**2).mean(axis=0))
    size = np.sqrt((sample.x**2).mean(axis=0))
    flat = spread <= _NO_SPREAD * size
    if bool(flat.any()):
        text = "does not vary between the available alternatives of any case; leave it out of one alternative (the reference) or drop it"
        raise EstimationError(
            [f"coefficient {n!r}: not identified: what it multiplies {text}" for n, f in zip(names, flat, strict=True) if f]
        )
    unit = centred / np.sqrt((centred**2).sum(axis=0))
    values, axes = np.linalg.eigh(unit.T @ unit)
    lost = [
        f"coefficients {_names(axes[:, i], names)}: not identified: a combination of them leaves every probability unchanged "
        "(a constant in every alternative, or attributes that move together); drop one"
        for i in np.flatnonzero(values <= _NO_INFORMATION)
    ]
    if lost:
        raise EstimationError(lost)
    return spread


def _never_chosen(sample: Sample, layout: Layout) -> str:
    """Return a remark on alternatives that are never chosen."""
    total = np.bincount(sample.alternative, sample.chosen, len(layout.alternatives))
    never = [repr(a) for a, t in zip(layout.alternatives, total, strict=True) if t <= 0]
    return f" (never chosen: {', '.join(never)})" if never else ""


def _check_maximum(sample: Sample, found: Maximum, layout: Layout) -> None:
    """Refuse a point where the likelihood is flat or still rising.

    Notes
    -----
    Where the choices can be told perfectly by a combination of attributes, its coefficient grows without end and the information about it dies
    away: the smallest generalised eigenvalue of the information at the estimates against that at equal shares shows it.
    """
    names = [*layout.coefficients, *layout.scales]
    k = len(layout.coefficients)
    start = np.concatenate([np.zeros(k), np.ones(len(layout.scales))])
    equal = np.linalg.cholesky(-evaluate(sample, start).hessian[:k, :k])
    left = np.linalg.solve(equal, np.linalg.solve(equal, -found.at.hessian[:k, :k]).T)
    values, axes = np.linalg.eigh((left + left.T) / 2.0)
    if values[0] < _RUN_AWAY:
        text = "a combination of their attributes tells the choices perfectly; drop or merge alternatives or attributes"
        which = _names(np.linalg.solve(equal.T, axes[:, 0]), names[:k])
        raise EstimationError([f"coefficients {which}: the likelihood rises without end: {text}{_never_chosen(sample, layout)}"])
    free = np.flatnonzero(found.free)
    information = -found.at.hessian[np.ix_(free, free)]
    diagonal = np.diag(information)
    free_names = [names[i] for i in free]
    if bool(np.any(diagonal <= 0)):
        raise EstimationError(
            [f"coefficients {_names(np.minimum(diagonal, 0), free_names)}: the likelihood has no maximum in them"]
        )
    values, axes = np.linalg.eigh(information / np.sqrt(np.outer(diagonal, diagonal)))
    if values[0] <= _NO_INFORMATION:
        raise EstimationError(
            [f"coefficients {_names(axes[:, 0], free_names)}: not identified: the likelihood is flat along them"]
        )
    if not found.converged:
        scales = ", ".join(f"{n} = {v:.4g}" for n, v in zip(names[k:], found.theta[k:], strict=True))
        grown = (
            f" (nest scales {scales}: one that grows without end has members that are no substitutes for others)"
            if scales
            else ""
        )
        raise EstimationError([f"the search did not settle in {found.steps} steps{grown}; leave out a nest or a coefficient"])


def _search(sample: Sample, layout: Layout, unit: float) -> Maximum:
    """Return the maximum: Newton steps from equal shares, then, with nests, from the multinomial estimates and several scales."""
    k, m = sample.x.shape[1], sample.n_scales
    single = sample
    if m:  # the multinomial logit is the same sample with one nest per case
        segments = Segments.build(sample.case_of_row, np.zeros(sample.x.shape[0], dtype=np.int64))
        single = Sample(**{**vars(sample), "segments": segments, "scale_of": np.full(sample.n_cases, -1), "n_scales": 0})
    plain = maximise(single, np.zeros(k), unit=unit)
    if not m:
        return plain
    if not plain.converged:  # names the coefficients that have run away
        _check_maximum(single, plain, Layout(**{**vars(layout), "scales": ()}))
    ends = [maximise(sample, np.append(plain.theta, np.full(m, scale)), unit=unit) for scale in _SCALE_STARTS]
    return max(ends, key=lambda end: (end.converged, end.at.value))


def _covariances(found: Maximum, scale: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return inverse information and sandwich covariance in the units of the attributes; zero for parameters at a bound."""
    free = np.flatnonzero(found.free)
    inverse = np.linalg.inv(-found.at.hessian[np.ix_(free, free)])
    scores = found.at.scores[:, free]
    classical = np.zeros((found.free.size, found.free.size))
    robust = classical.copy()
    classical[np.ix_(free, free)] = inverse
    robust[np.ix_(free, free)] = inverse @ (scores.T @ scores) @ inverse
    unit = np.outer(scale, scale)
    return classical / unit, robust / unit


def _constants_only(sample: Sample, n_alternatives: int) -> float:
    """Return the log-likelihood with constants only.

    Notes
    -----
    Only the set of available alternatives matters then, so cases with the same set are added up first. An alternative that is never chosen has
    a constant of minus infinity and is left out.
    """
    ever = np.bincount(sample.alternative, sample.chosen, n_alternatives) > 0
    rows = ever[sample.alternative]
    case, code, y = sample.case_of_row[rows], sample.alternative[rows], sample.chosen[rows]
    offered = np.zeros((sample.n_cases, n_alternatives), dtype=np.bool_)
    offered[case, code] = True
    sets, of = np.unique(offered, axis=0, return_inverse=True)
    took = np.zeros(sets.shape)
    np.add.at(took, (of.ravel()[case], code), y)
    set_of, alternative = np.nonzero(sets)
    dummies = (alternative[:, None] == np.flatnonzero(ever)[None, 1:]).astype(np.float64)
    zeros = np.zeros(set_of.size, dtype=np.int64)
    segments = Segments.build(set_of, zeros)
    n_sets = segments.case_start.size
    grouped = Sample(dummies, took[set_of, alternative], segments, np.full(n_sets, -1), 0, alternative, zeros, set_of.size)
    if dummies.shape[1] == 0:
        return 0.0
    unit = float(took.sum()) * math.log(n_alternatives)
    return maximise(grouped, np.zeros(dummies.shape[1]), unit=unit).at.value


def _elasticities(sample: Sample, theta: NDArray[np.float64], layout: Layout, logs: Collection[str]) -> pl.DataFrame:
    """Return direct and cross point elasticities by sample enumeration.

    Notes
    -----
    ``d ln P(i) / d V_j = mu_n (1[i=j] - P(j|n)) + P(j|n) - P(j)`` for ``j`` in the nest of ``i``, else ``-P(j)``; times ``beta x_j`` (``beta``
    alone for a column of logarithms), weighted by ``y_c P(i)``.
    """
    from scipy import sparse

    n = len(layout.alternatives)
    at = locate(sample, theta)
    case, nest_of = sample.case_of_row, sample.segments.nest_of
    probability = at.within * at.across[nest_of]
    weighted = probability * np.add.reduceat(sample.chosen, sample.row_start)[case]

    def grid(values: NDArray[np.float64]) -> sparse.csr_array:
        return sparse.csr_array((values, (case, sample.alternative)), shape=(sample.n_cases, n))

    base = np.bincount(sample.alternative, weighted, n)
    left = grid(weighted).T
    same = layout.nest_of[:, None] == layout.nest_of[None, :]
    inner = np.append(theta[sample.x.shape[1] :], 1.0)[layout.scale_of[layout.nest_of]]
    slopes: dict[str, NDArray[np.float64]] = {}
    for (alternative, k), column in layout.columns.items():
        if column is not None:
            mine = sample.alternative == alternative
            slope = theta[k] * (1.0 if column in logs else sample.x[:, k])
            slopes[column] = slopes.get(column, np.zeros(mine.size)) + np.where(mine, slope, 0.0)
    frames = []
    for column, slope in slopes.items():
        change = -(left @ grid(probability * slope)).toarray()
        change += np.where(same, (1.0 - inner)[:, None] * (left @ grid(at.within * slope)).toarray(), 0.0)
        change += np.diag(inner * np.bincount(sample.alternative, weighted * slope, n))
        used = [a for (a, _), c in layout.columns.items() if c == column]
        of = [a for a in range(n) if a in used]
        frames.append(
            pl.DataFrame(
                {
                    "alternative": [layout.alternatives[i] for i in range(n) for _ in of],
                    "attribute": [column] * (n * len(of)),
                    "of_alternative": [layout.alternatives[j] for _ in range(n) for j in of],
                    "elasticity": (change[:, of] / base[:, None]).ravel(),
                }
            )
        )
    empty = {"alternative": pl.String, "attribute": pl.String, "of_alternative": pl.String, "elasticity": pl.Float64}
    return pl.concat(frames) if frames else pl.DataFrame(schema=empty)


def _table(
    layout: Layout, found: Maximum, theta: NDArray[np.float64], errors: NDArray[np.float64], robust: NDArray[np.float64]
) -> pl.DataFrame:
    """Return values, standard errors and tests; empty cells for parameters at a bound."""
    t, robust_t = (np.divide(theta, e, out=np.full(theta.size, np.nan), where=e > 0) for e in (errors, robust))
    numbers = {
        "value": theta,
        "standard_error": np.where(found.free, errors, np.nan),
        "robust_standard_error": np.where(found.free, robust, np.nan),
        "t": t,
        "robust_t": robust_t,
        "p": [math.erfc(abs(v) / math.sqrt(2.0)) for v in t],
        "robust_p": [math.erfc(abs(v) / math.sqrt(2.0)) for v in robust_t],
    }
    table = pl.DataFrame({"coefficient": [*layout.coefficients, *layout.scales], **numbers, "at_bound": ~found.free})
    return table.with_columns(pl.col(pl.Float64).fill_nan(None))


def _nest_table(table: pl.DataFrame, layout: Layout, nests: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    """Return the nest parameters in both conventions."""
    scales = table.tail(len(layout.scales)) if layout.scales else table.clear()
    of = [layout.scales[p] for p in layout.scale_of[: len(nests)]]
    rows = pl.DataFrame(
        {"nest": list(nests), "alternatives": [", ".join(map(str, m)) for m in nests.values()], "coefficient": of},
        schema={"nest": pl.String, "alternatives": pl.String, "coefficient": pl.String},
    ).join(scales, on="coefficient", how="left", maintain_order="left")
    mu, error = pl.col("value"), pl.col("standard_error")
    return rows.select(
        "nest",
        "alternatives",
        mu.alias("mu"),
        "standard_error",
        "robust_standard_error",
        ((mu - 1.0) / error).alias("t_against_1"),
        (1.0 / mu).alias("log_sum_coefficient"),
        (error / mu**2).alias("log_sum_standard_error"),
    )


def estimate(
    observations: pl.DataFrame,
    specification: Mapping[str, Mapping[str, str | int]],
    *,
    nests: Mapping[str, Sequence[str]] | None = None,
    weights: str | Mapping[object, float] | None = None,
    shared_nest_scale: bool = False,
    log_columns: Collection[str] = (),
) -> Estimates:
    """Estimate a multinomial or two-level nested logit by maximum likelihood.

    Parameters
    ----------
    observations
        Long table, one row per case and alternative: ``case``, ``alternative``, ``available`` (0 or 1; without the column every row is
        available), ``chosen`` (0 or 1, one per case) or, without a column ``chosen``, ``weight`` (quantity of each alternative: shares, counts
        or tonnes), and the attributes.
    specification
        ``{alternative: {coefficient: column}}``. A column of ``1`` or ``"1"`` is a constant; a coefficient named in several alternatives is
        generic; an empty ``{}`` is a reference alternative.
    nests
        ``{nest: [alternatives]}``; an alternative outside all nests is a nest by itself. Without nests the model is multinomial.
    weights
        Column or mapping of case weights; a weight of 2 counts a case twice.
    shared_nest_scale
        Whether all nests share one parameter ``mu``.
    log_columns
        Columns that hold natural logarithms, so that their elasticities are given for the attribute itself.

    Returns
    -------
    Estimates
        Coefficients, fit, probabilities, elasticities.

    Raises
    ------
    EstimationError
        Listing every problem of the observations, the specification and the nests at once, or naming the coefficients that are not identified or
        run away to infinity.

    Notes
    -----
    Nest parameters are inner scales ``mu_n >= 1`` with the scale of the choice between nests at 1 (the convention of biogeme):
    ``P(i|n) = exp(mu_n V_i) / sum_j exp(mu_n V_j)``, ``P(n) = exp(I_n) / sum_m exp(I_m)``, ``I_n = ln(sum_j exp(mu_n V_j)) / mu_n``.
    Their inverse, the log-sum coefficient in (0, 1], is what :func:`networks.logit.nested_shares` and the freight model take as scale; both
    stand in ``Estimates.nests``. A scale that would fall below 1 is held at 1 and marked ``at_bound``; the standard errors of the others are
    then conditional on it.

    Quantities count as that many choices in the classical standard errors, so those of tonnes are far too small; the robust ones take a case as
    one observation and do not depend on the unit.

    Source: Train, Discrete Choice Methods with Simulation, chapters 3 and 4; Bierlaire, A short introduction to biogeme.

    Examples
    --------
    Three of four travellers take the cheaper way, which is cheaper by 10; so the coefficient of cost is -ln(3) / 10.

    >>> import polars as pl
    >>> rows = [(c, a, cost, int((a == "cheap") == (c > 0))) for c in range(4) for a, cost in (("cheap", 5.0), ("dear", 15.0))]
    >>> trips = pl.DataFrame(rows, schema=["case", "alternative", "cost", "chosen"], orient="row")
    >>> found = estimate(trips, {"cheap": {"b_cost": "cost"}, "dear": {"b_cost": "cost"}})
    >>> round(found.value("b_cost"), 6), round(found.log_likelihood, 6)
    (-0.109861, -2.249341)
    """
    layout, problems = read_layout(specification, nests, shared=shared_nest_scale)
    known = {c for c in layout.columns.values() if c is not None}
    problems += [f"log_columns: {c!r} is no column of the specification; remove it" for c in log_columns if c not in known]
    raw = read_sample(observations, layout, problems, weights=weights)
    count = np.diff(np.append(raw.row_start, raw.x.shape[0]))
    weight = np.add.reduceat(raw.chosen, raw.row_start)
    null = -float(weight @ np.log(count))
    if null == 0.0:
        raise EstimationError(["no case offers a choice: every case with a weight has one available alternative"])
    scale = np.concatenate([_column_scale(raw, layout.coefficients), np.ones(raw.n_scales)])
    k = len(layout.coefficients)
    # columns of one size keep the steps and the tests of rank independent of units; undone by dividing by the scale
    sample = Sample(**{**vars(raw), "x": raw.x / scale[:k]})
    for p, name in enumerate(layout.scales):
        nest_size = np.diff(np.append(sample.segments.nest_start, sample.x.shape[0]))
        if not bool(np.any((sample.scale_of == p) & (nest_size > 1))):
            raise EstimationError(
                [f"nest parameter {name!r}: never are two of its alternatives available together; leave it out"]
            )
    found = _search(sample, layout, -null)
    _check_maximum(sample, found, layout)
    theta = found.theta / scale
    covariance, robust = _covariances(found, scale)
    table = _table(layout, found, theta, np.sqrt(np.diag(covariance)), np.sqrt(np.diag(robust)))
    n = len(layout.alternatives)
    at = locate(raw, theta)
    each = weight[raw.case_of_row] / weight.sum()
    gradient = found.at.gradient * scale
    return Estimates(
        table=table,
        nests=_nest_table(table, layout, nests or {}),
        log_likelihood=found.at.value,
        null_log_likelihood=null,
        constants_log_likelihood=_constants_only(raw, n),
        rho2=1.0 - found.at.value / null,
        rho2_adjusted=1.0 - (found.at.value - theta.size) / null,
        n_cases=raw.n_cases,
        n_parameters=theta.size,
        total_weight=float(weight.sum()),
        iterations=found.steps,
        converged=found.converged,
        gradient_norm=float(np.linalg.norm(gradient[found.free])),
        elasticities=_elasticities(raw, theta, layout, log_columns),
        shares=pl.DataFrame(
            {
                "alternative": layout.alternatives,
                "observed": np.bincount(raw.alternative, raw.chosen, n) / weight.sum(),
                "modelled": np.bincount(raw.alternative, each * at.within * at.across[raw.segments.nest_of], n),
                "null": np.bincount(raw.alternative, each / count[raw.case_of_row], n),
            }
        ),
        probabilities=_probabilities(raw, theta),
        covariance=covariance,
        robust_covariance=robust,
        layout=layout,
    )
