"""Choice among chain alternatives: two-level nested logit on segments, and the calibration of its constants.

All alternatives of all cases stand in one long axis, sorted by case and, within a case, by nest; ``Segments`` holds where each nest and each case
begins. Every function takes a leading draw axis.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from networks.errors import CalibrationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: A draw has settled when a step lowers its objective by less than this share.
_FLAT = 1e-3


@dataclass(frozen=True)
class Segments:
    """Where nests and cases begin on the axis of alternatives.

    Attributes
    ----------
    nest_start
        First alternative of each nest.
    nest_of
        Nest of each alternative.
    case_start
        First nest of each case.
    case_of
        Case of each nest.
    """

    nest_start: NDArray[np.int64]
    nest_of: NDArray[np.int64]
    case_start: NDArray[np.int64]
    case_of: NDArray[np.int64]

    @classmethod
    def build(cls, case: NDArray[np.int64], nest: NDArray[np.int64]) -> Segments:
        """Build segments from the case and the nest code of each alternative.

        Raises
        ------
        CalibrationError
            If the alternatives are not sorted by case and, within a case, by nest.
        """
        key_falls = (case[1:] < case[:-1]) | ((case[1:] == case[:-1]) & (nest[1:] < nest[:-1]))
        if bool(key_falls.any()):
            msg = "alternatives must be sorted by case and, within a case, by nest"
            raise CalibrationError(msg)
        new_nest = np.ones(case.size, dtype=np.bool_)
        new_nest[1:] = (case[1:] != case[:-1]) | (nest[1:] != nest[:-1])
        nest_start = np.flatnonzero(new_nest)
        nest_of = np.cumsum(new_nest) - 1
        nest_case = case[nest_start]
        new_case = np.ones(nest_start.size, dtype=np.bool_)
        new_case[1:] = nest_case[1:] != nest_case[:-1]
        return cls(nest_start, nest_of, np.flatnonzero(new_case), np.cumsum(new_case) - 1)


def _log_sum(
    values: NDArray[np.float64], start: NDArray[np.int64], group: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return shares within groups and the log-sum of each group, overflow-safe; axis -1 is the long axis."""
    top = np.maximum.reduceat(values, start, axis=-1)
    weight = np.exp(values - top[..., group])
    total = np.add.reduceat(weight, start, axis=-1)
    return weight / total[..., group], top + np.log(total)


def nested_shares(
    utility: NDArray[np.float64], segments: Segments, scale: NDArray[np.float64] | float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the choice probabilities of a two-level nested logit.

    Parameters
    ----------
    utility
        Systematic utility ``[draw, alternative]`` [-].
    segments
        Nests and cases.
    scale
        Log-sum scale in (0, 1] ``[draw]`` or one number; 1 is the multinomial logit.

    Returns
    -------
    probability, within, log_sum
        ``[draw, alternative]`` probability in the case and within the nest; ``[draw, case]`` log-sum of the case [-].

    Notes
    -----
    ``P(i) = P(i | n) P(n)``, ``P(i | n) = exp(V_i / mu) / sum_j exp(V_j / mu)``, ``P(n) = exp(mu I_n) / sum_m exp(mu I_m)`` with
    ``I_n = ln sum_j exp(V_j / mu)``.
    """
    mu = np.broadcast_to(np.asarray(scale, dtype=np.float64), utility.shape[:-1])[..., None]
    within, inclusive = _log_sum(utility / mu, segments.nest_start, segments.nest_of)
    across, log_sum = _log_sum(mu * inclusive, segments.case_start, segments.case_of)
    return within * across[..., segments.nest_of], within, log_sum


@dataclass(frozen=True)
class ChoiceProblem:
    """Everything a calibration needs besides the constants.

    Attributes
    ----------
    base
        Utility without constants ``[draw, alternative]``.
    features
        What each constant multiplies ``[alternative, constant]``.
    flow
        Demand of the case of each alternative ``[draw, alternative]`` [t/yr].
    measure
        Weight of each alternative in each margin ``[alternative, margin]``; margin = sum of flow x probability x weight.
    fixed
        Part of each margin that cannot be chosen ``[draw, margin]``.
    segments, scale
        As in :func:`nested_shares`.
    """

    base: NDArray[np.float64]
    features: NDArray[np.float64]
    flow: NDArray[np.float64]
    measure: NDArray[np.float64]
    fixed: NDArray[np.float64]
    segments: Segments
    scale: NDArray[np.float64]

    def take(self, draws: NDArray[np.int64]) -> ChoiceProblem:
        """Return the problem of some of the draws."""
        return replace(self, base=self.base[draws], flow=self.flow[draws], fixed=self.fixed[draws], scale=self.scale[draws])

    def margins(self, constants: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the margins ``[draw, margin]`` at constants ``[draw, constant]`` and their derivatives ``[draw, margin, constant]``.

        Notes
        -----
        With ``x`` the features, ``d ln P(i) = (x_i - xbar_n) / mu + xbar_n - xbar`` where bars are probability-weighted means over the nest
        and the case.
        """
        seg = self.segments
        utility = self.base + constants @ self.features.T
        probability, within, _ = nested_shares(utility, seg, self.scale)
        carried = self.flow * probability
        margin = carried @ self.measure + self.fixed
        derivative = np.empty((*margin.shape, self.features.shape[1]))
        mu = self.scale[:, None]
        for k in range(self.features.shape[1]):
            x = self.features[None, :, k]
            nest_mean = np.add.reduceat(within * x, seg.nest_start, axis=-1)
            nest_share = np.add.reduceat(probability, seg.nest_start, axis=-1)
            case_mean = np.add.reduceat(nest_share * nest_mean, seg.case_start, axis=-1)
            step = (x - nest_mean[:, seg.nest_of]) / mu + (nest_mean - case_mean[:, seg.case_of])[:, seg.nest_of]
            derivative[:, :, k] = (carried * step) @ self.measure
        return margin, derivative


@dataclass(frozen=True)
class Calibration:
    """Constants that meet observed margins, and how well they are identified.

    Attributes
    ----------
    constants
        ``[draw, constant]``.
    margins
        Modelled margins at the constants ``[draw, margin]``.
    margins_at_prior
        Modelled margins with every constant at its prior ``[draw, margin]``.
    singular_values
        Of the scaled derivative of the first draw, without the ridge.
    prior_driven
        Per constant of the first draw: whether the ridge carries more than half of its information.
    iterations
        Gauss-Newton steps of the slowest draw.
    """

    constants: NDArray[np.float64]
    margins: NDArray[np.float64]
    margins_at_prior: NDArray[np.float64]
    singular_values: NDArray[np.float64]
    prior_driven: NDArray[np.bool_]
    iterations: int


def calibrate(
    problem: ChoiceProblem,
    observed: NDArray[np.float64],
    *,
    weight: NDArray[np.float64],
    prior: NDArray[np.float64],
    prior_sd: NDArray[np.float64],
    ridge: float,
    start: NDArray[np.float64] | None = None,
    max_iterations: int = 60,
    tolerance: float = 1e-6,
) -> Calibration:
    """Fit the constants to observed margins by damped Gauss-Newton with a ridge to the prior.

    Parameters
    ----------
    problem
        Utilities, features and margins; the cost scale is in ``base`` and is never fitted.
    observed
        Observed margins ``[draw, margin]``, positive.
    weight
        Weight of each margin ``[margin]`` (1 / relative spread).
    prior, prior_sd
        Prior of the constants ``[constant]`` and its spread.
    ridge
        Weight of the prior; small, so that it decides only what the margins leave open.
    start
        Where to start ``[constant]``; the prior if not given. Ensembles start from the unperturbed solve.
    max_iterations, tolerance
        Stop when every draw has settled or moves by less than the tolerance, or after this many steps.

    Returns
    -------
    Calibration
        Fitted constants and diagnostics.

    Raises
    ------
    CalibrationError
        If a margin is not positive.

    Notes
    -----
    Minimises ``sum_m (w_m (model_m - obs_m) / obs_m)^2 + ridge sum_k ((theta_k - prior_k) / sd_k)^2``; a step that does not lower the
    objective of its draw is refused and damped more (Levenberg-Marquardt, every draw by itself).
    """
    if not bool(np.all(observed > 0)):
        msg = "observed margins must be positive"
        raise CalibrationError(msg)
    n_draw, n_constant = problem.base.shape[0], problem.features.shape[1]
    theta = np.repeat((prior if start is None else start)[None, :], n_draw, axis=0).astype(np.float64)
    pull = np.sqrt(ridge) / prior_sd
    damping = np.full(n_draw, 1e-3)

    def residual(margin: NDArray[np.float64], at: NDArray[np.float64], draws: NDArray[np.int64]) -> NDArray[np.float64]:
        seen = observed[draws]
        return np.concatenate([weight * (margin - seen) / seen, pull * (at - prior)], axis=1)

    margin, derivative = problem.margins(theta)
    at_prior = margin.copy() if start is None else problem.margins(np.repeat(prior[None, :], n_draw, axis=0))[0]
    left = residual(margin, theta, np.arange(n_draw))
    # a draw that has settled is left alone, so that its result does not depend on the draws beside it
    active, part, used = np.arange(n_draw), problem, 0
    while active.size and used < max_iterations:
        used += 1
        jacobian = np.concatenate(
            [
                (weight / observed[active])[:, :, None] * derivative[active],
                np.broadcast_to(np.diag(pull), (active.size, n_constant, n_constant)),
            ],
            axis=1,
        )
        normal = np.einsum("dmk,dml->dkl", jacobian, jacobian)
        gradient = np.einsum("dmk,dm->dk", jacobian, left[active])
        lifted = normal + damping[active, None, None] * np.einsum("dkk->dk", normal)[:, :, None] * np.eye(n_constant)
        step = -np.linalg.solve(lifted, gradient[:, :, None])[:, :, 0]
        trial = theta[active] + step
        trial_margin, trial_derivative = part.margins(trial)
        trial_left = residual(trial_margin, trial, active)
        before, after = (left[active] ** 2).sum(axis=1), (trial_left**2).sum(axis=1)
        better = after <= before
        settled = (better & (before - after <= _FLAT * before)) | (np.abs(step).max(axis=1) < tolerance)
        moved = active[better]
        theta[moved], margin[moved], derivative[moved], left[moved] = (
            trial[better],
            trial_margin[better],
            trial_derivative[better],
            trial_left[better],
        )
        damping[active] = np.where(better, np.maximum(damping[active] * 0.2, 1e-12), damping[active] * 8.0)
        if bool(settled.any()):
            active = active[~settled]
            part = problem.take(active)
    scaled = (weight / observed)[0, :, None] * derivative[0] * prior_sd[None, :]
    information = (scaled**2).sum(axis=0)
    return Calibration(
        constants=theta,
        margins=margin,
        margins_at_prior=at_prior,
        singular_values=np.linalg.svd(scaled, compute_uv=False),
        prior_driven=information < ridge,
        iterations=used,
    )
