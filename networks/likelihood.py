"""Log-likelihood of the nested logit with its derivatives, and the Newton search for its maximum.

With the inner scale ``mu_n >= 1`` of a nest (1 for an alternative by itself, and for the one nest of a multinomial logit)::

    S_n = ln sum_{j in n} exp(mu_n V_j),  I_n = S_n / mu_n,  L_c = ln sum_n exp(I_n)
    ln P(i) = mu_n V_i - S_n + I_n - L_c
    LL = sum_i y_i mu_n V_i - sum_n y_n S_n + sum_n y_n I_n - sum_c y_c L_c

and ``y`` the weight with which an alternative, a nest, a case was chosen. Gradient and Hessian are analytic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from networks.logit import log_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from networks.sample import Sample

#: The search ends when the next step would raise the log-likelihood by less than this share of its value at equal shares.
_GAIN = 1e-13
#: Curvature below this share of the largest is lifted to it, so that a step stays finite where the function is flat.
_CURVATURE_FLOOR = 1e-10
#: Newton steps at most; a well-posed model needs ten to twenty.
_STEPS = 100
#: Halvings of a step that does not raise the log-likelihood enough.
_HALVINGS = 40
#: Share of the rise promised by the gradient that a step must keep (Armijo).
_KEPT = 1e-4


def segment_sums(start: NDArray[np.int64], weight: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weighted sum of the rows of each segment ``[segment, column]``; a sparse product, several times as fast as ``reduceat``."""
    from scipy.sparse import csr_array

    n = weight.size
    total: NDArray[np.float64] = csr_array((weight, np.arange(n), np.append(start, n)), shape=(start.size, n)) @ values
    return total


@dataclass(frozen=True)
class Evaluation:
    """Log-likelihood and derivatives at one point.

    Attributes
    ----------
    value
        Log-likelihood.
    gradient, hessian
        ``[parameter]`` and ``[parameter, parameter]``, coefficients first, then nest scales.
    scores
        Gradient of each case ``[case, parameter]``.
    """

    value: float
    gradient: NDArray[np.float64]
    hessian: NDArray[np.float64]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """Utilities, shares and log-sums at one point; names as in the equations of the module."""

    v: NDArray[np.float64]
    mu: NDArray[np.float64]
    within: NDArray[np.float64]
    s: NDArray[np.float64]
    across: NDArray[np.float64]
    top: NDArray[np.float64]


def locate(sample: Sample, theta: NDArray[np.float64]) -> Point:
    """Return utilities, shares within nests ``[row]`` and of nests ``[nest]`` at parameters ``theta``."""
    seg, n_coefficient = sample.segments, sample.x.shape[1]
    v = sample.x @ theta[:n_coefficient]
    mu = np.append(theta[n_coefficient:], 1.0)[sample.scale_of]
    within, s = log_sum(mu[seg.nest_of] * v, seg.nest_start, seg.nest_of)
    across, top = log_sum(s / mu, seg.case_start, seg.case_of)
    return Point(v, mu, within, s, across, top)


def log_likelihood(sample: Sample, at: Point) -> float:
    """Return the log-likelihood."""
    seg, y = sample.segments, sample.chosen
    share = at.mu[seg.nest_of] * at.v - at.s[seg.nest_of] + (at.s / at.mu)[seg.nest_of] - at.top[sample.case_of_row]
    return float(y @ share)


def evaluate(sample: Sample, theta: NDArray[np.float64]) -> Evaluation:
    """Return log-likelihood, gradient, Hessian and the scores of the cases.

    Notes
    -----
    With bars for means within the nest and ``D_n = dI_n/dmu_n = Vbar_n / mu_n - S_n / mu_n^2``, ``g_n = (xbar_n, D_n)``::

        d LL / d beta = sum_i r_i x_i,  r_i = y_i mu_n + P(i|n) (y_n (1 - mu_n) - y_c P_n)
        d LL / d mu_n = sum_{i in n} y_i V_i - y_n Vbar_n + (y_n - y_c P_n) D_n
        H = -sum_n k_n cov_n(x) + terms in mu - sum_c y_c cov_c(g),  k_n = mu_n (y_n (mu_n - 1) + y_c P_n)
    """
    seg, x, y, m = sample.segments, sample.x, sample.chosen, sample.n_scales
    k = x.shape[1]
    at = locate(sample, theta)
    nest_of, nest_start, mu, within, v = seg.nest_of, seg.nest_start, at.mu, at.within, at.v
    y_nest = np.add.reduceat(y, nest_start)
    y_case = np.add.reduceat(y_nest, seg.case_start)
    expected = y_case[seg.case_of] * at.across
    r = y * mu[nest_of] + within * (y_nest * (1.0 - mu) - expected)[nest_of]
    scores = np.zeros((sample.n_cases, k + m))
    scores[:, :k] = segment_sums(sample.row_start, r, x)
    x_mean = segment_sums(nest_start, within, x)
    centred = x - x_mean[nest_of]
    hessian = np.zeros((k + m, k + m))
    curvature = within * (mu * (y_nest * (mu - 1.0) + expected))[nest_of]
    hessian[:k, :k] = -(centred.T * curvature) @ centred
    if seg.nest_start.size > seg.case_start.size:
        g = np.zeros((nest_start.size, k + m))
        g[:, :k] = x_mean
        v_mean = np.add.reduceat(within * v, nest_start)
        v_var = np.add.reduceat(within * (v - v_mean[nest_of]) ** 2, nest_start)
        d = v_mean / mu - at.s / mu**2
        slope = np.add.reduceat(y * v, nest_start) - y_nest * v_mean + (y_nest - expected) * d
        bend = -y_nest * v_var + (y_nest - expected) * (v_var / mu - 2.0 * v_mean / mu**2 + 2.0 * at.s / mu**3)
        cross = y - within * y_nest[nest_of] + within * (v - v_mean[nest_of]) * (y_nest * (1.0 - mu) - expected)[nest_of]
        for p in range(m):
            mine = sample.scale_of == p
            g[mine, k + p] = d[mine]
            scores[:, k + p] = np.add.reduceat(np.where(mine, slope, 0.0), seg.case_start)
            hessian[k + p, :k] = hessian[:k, k + p] = x.T @ np.where(mine[nest_of], cross, 0.0)
            hessian[k + p, k + p] = bend[mine].sum()
        g_mean = segment_sums(seg.case_start, at.across, g)
        g -= g_mean[seg.case_of]
        hessian -= (g.T * expected) @ g
    return Evaluation(log_likelihood(sample, at), scores.sum(axis=0), hessian, scores)


@dataclass(frozen=True)
class Maximum:
    """Where a search ended.

    Attributes
    ----------
    theta
        Parameters.
    at
        Log-likelihood and derivatives there.
    free
        Whether the parameter is off its bound.
    steps
        Newton steps.
    converged
        Whether the gain of a further step is negligible.
    """

    theta: NDArray[np.float64]
    at: Evaluation
    free: NDArray[np.bool_]
    steps: int
    converged: bool


def maximise(sample: Sample, start: NDArray[np.float64], *, unit: float) -> Maximum:
    """Maximise the log-likelihood by Newton steps with line search; nest scales are kept at 1 or above.

    Parameters
    ----------
    sample
        Choices; columns of ``x`` of about the same size.
    start
        Parameters to start from.
    unit
        Size of the log-likelihood at equal shares, to which gains are compared.

    Notes
    -----
    The multinomial logit is concave, so its maximum is the only one. With nest scales the curvature can have the wrong sign: eigenvalues are
    taken by size, which keeps the step uphill. A scale at 1 whose gradient points below 1 is held there.
    """
    k = sample.x.shape[1]
    is_scale = np.arange(start.size) >= k
    theta = start.astype(np.float64)
    at = evaluate(sample, theta)
    free = ~(is_scale & (theta <= 1.0) & (at.gradient <= 0.0))
    for used in range(1, _STEPS + 1):
        index = np.flatnonzero(free)
        size, axes = np.linalg.eigh(-at.hessian[np.ix_(index, index)])
        lifted = np.maximum(np.abs(size), _CURVATURE_FLOOR * np.abs(size).max(initial=0.0) + np.finfo(np.float64).tiny)
        step = np.zeros_like(theta)
        step[index] = axes @ ((axes.T @ at.gradient[index]) / lifted)
        promised = float(at.gradient @ step)
        last = promised <= 2.0 * _GAIN * unit and bool(np.all(size > 0))
        length = 1.0
        for _ in range(_HALVINGS):
            trial = theta + length * step
            trial[is_scale] = np.maximum(trial[is_scale], 1.0)
            value = log_likelihood(sample, locate(sample, trial))
            if last or value >= at.value + max(_KEPT * float(at.gradient @ (trial - theta)), 0.0):
                break
            length /= 2.0
        else:
            return Maximum(theta, at, free, used, converged=promised <= 1e-6 * unit)
        held = ~free
        theta, at = trial, evaluate(sample, trial)
        free = ~(is_scale & (theta <= 1.0) & (at.gradient <= 0.0))
        if last and np.array_equal(held, ~free):
            return Maximum(theta, at, free, used, converged=True)
    return Maximum(theta, at, free, _STEPS, converged=False)
