"""Calibration of the constants of a nested logit to observed margins, and what its report needs.

All alternatives of all cases stand in one long axis, sorted by case and, within a case, by nest (:class:`networks.logit.Segments`). Every function
takes a leading draw axis.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from networks.errors import CalibrationError
from networks.logit import Segments, nested_shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: A draw has settled when a step lowers its objective by less than this share.
_FLAT = 1e-3
#: A draw creeps when, after this many evaluations, the last ``_CREEP_SPAN`` of them lowered its objective by less than ``_CREEP`` together: it goes
#: down a valley along which only the prior decides (a margin out of reach). It is marked, not stopped: stopping it saves no measurable time.
_PATIENCE, _CREEP_SPAN, _CREEP = 20, 10, 0.05
#: A singular value below this share of the largest counts as zero.
_ZERO = 1e-9
#: A constant is called prior-driven in the flags when the prior holds more than this share of its information, that is: most of it.
_MOSTLY = 0.5


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
        Weight of each alternative in each margin ``[alternative, margin]``, or one such table per draw; margin = sum of flow x probability x weight.
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
        measure = self.measure[draws] if self.measure.ndim == 3 else self.measure
        return replace(
            self, base=self.base[draws], flow=self.flow[draws], measure=measure, fixed=self.fixed[draws], scale=self.scale[draws]
        )

    def _measured(self, carried: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what flows ``[draw, alternative]`` amount to in each margin ``[draw, margin]``; one table for all draws is several times as fast."""
        if self.measure.ndim == 2:
            return carried @ self.measure
        return (carried[:, None, :] @ self.measure)[:, 0, :]

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
        margin = self._measured(carried) + self.fixed
        derivative = np.empty((*margin.shape, self.features.shape[1]))
        mu = self.scale[:, None]
        for k in range(self.features.shape[1]):
            step = _log_share_slope(seg, self.features[None, :, k], probability, within, mu)
            derivative[:, :, k] = self._measured(carried * step)
        return margin, derivative


def _log_share_slope(
    segments: Segments,
    x: NDArray[np.float64],
    probability: NDArray[np.float64],
    within: NDArray[np.float64],
    mu: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return ``d ln P(i)`` when the utilities move by ``x`` ``[draw, alternative]``."""
    nest_mean = np.add.reduceat(within * x, segments.nest_start, axis=-1)
    nest_share = np.add.reduceat(probability, segments.nest_start, axis=-1)
    case_mean = np.add.reduceat(nest_share * nest_mean, segments.case_start, axis=-1)
    slope: NDArray[np.float64] = (x - nest_mean[:, segments.nest_of]) / mu
    slope += (nest_mean - case_mean[:, segments.case_of])[:, segments.nest_of]
    return slope


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
    rank, condition_number
        Of the scaled derivative: constants that the margins can tell apart, and largest over smallest singular value (infinite if they cannot).
    prior_share
        Share of the information on each constant of the first draw that is the prior's, the other constants being open too ``[constant]``: 0 where
        the margins decide alone, 1 where they say nothing. Two constants that only count together have a share of a half each.
    unsettled
        Which draws crept along a flat valley or were cut off at the last step, so that their constants stand on the prior as much as on the margins
        ``[draw]``.
    flags
        What a reader must know, in plain sentences.
    """

    constants: NDArray[np.float64]
    margins: NDArray[np.float64]
    margins_at_prior: NDArray[np.float64]
    singular_values: NDArray[np.float64]
    prior_driven: NDArray[np.bool_]
    iterations: int
    rank: int
    condition_number: float
    prior_share: NDArray[np.float64]
    unsettled: NDArray[np.bool_]
    flags: tuple[str, ...]


def _diagnose(
    scaled: NDArray[np.float64], ridge: float, names: Sequence[str]
) -> tuple[NDArray[np.float64], int, float, NDArray[np.float64], list[str]]:
    """Return singular values, rank, condition number, share of the prior and flags of a derivative scaled by spreads ``[margin, constant]``.

    Notes
    -----
    With ``J`` the scaled derivative and ``r`` the ridge, ``R = (J'J + r)^-1 J'J`` says how much of each constant the margins resolve; the prior
    holds ``1 - R_kk = r ((J'J + r)^-1)_kk``.
    """
    n = scaled.shape[1]
    singular = np.asarray(np.linalg.svd(scaled, compute_uv=False), dtype=np.float64)
    rank = int(np.sum(singular > _ZERO * singular.max(initial=0.0)))
    condition = float(singular[0] / singular[-1]) if rank == n else float("inf")
    left = ridge * np.diag(np.linalg.inv(scaled.T @ scaled + ridge * np.eye(n))) if ridge > 0 else np.zeros(n)
    share = np.clip(left, 0.0, 1.0)
    flags = []
    if rank < n:
        flags.append(f"rank {rank} of {n}: the margins leave a combination of the constants open, the prior closes it")
    flags += [f"{name}: {s:.0%} of its information is the prior's" for name, s in zip(names, share, strict=True) if s > _MOSTLY]
    return singular, rank, condition, share, flags


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
    constant_names: Sequence[str] = (),
    margin_names: Sequence[str] = (),
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
    constant_names, margin_names
        Names for the flags; numbers if not given.

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
    objective of its draw is refused and damped more (Levenberg-Marquardt, every draw by itself). A draw settles when a step lowers its objective
    by less than one in a thousand; one whose margins are out of reach creeps along a flat valley before that (``unsettled``).
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
    creeping = np.zeros(n_draw, dtype=np.bool_)
    past: list[NDArray[np.float64]] = []
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
        past.append((left**2).sum(axis=1))
        if used >= _PATIENCE:
            slow = past[-1][active] >= (1.0 - _CREEP) * past[-1 - _CREEP_SPAN][active]
            creeping[active] |= slow
        if bool(settled.any()):
            active = active[~settled]
            part = problem.take(active)
    creeping[active] = True
    scaled = (weight / observed)[0, :, None] * derivative[0] * prior_sd[None, :]
    information = (scaled**2).sum(axis=0)
    names = constant_names or [f"constant {k}" for k in range(n_constant)]
    singular, rank, condition, share, flags = _diagnose(scaled, ridge, names)
    away = weight * np.abs(margin[0] - observed[0]) / observed[0]
    flags += [
        f"{name}: modelled {m:.6g}, observed {o:.6g}, {a:.1f} spreads apart"
        for name, m, o, a in zip(
            margin_names or [f"margin {m}" for m in range(away.size)], margin[0], observed[0], away, strict=True
        )
        if a > 1.0
    ]
    if bool(creeping.any()):
        flags.append(f"{int(creeping.sum())} of {n_draw} draws crept along a flat valley: a margin is out of reach there")
    return Calibration(
        constants=theta,
        margins=margin,
        margins_at_prior=at_prior,
        singular_values=singular,
        prior_driven=information < ridge,
        iterations=used,
        rank=rank,
        condition_number=condition,
        prior_share=share,
        unsettled=creeping,
        flags=tuple(flags),
    )


def _one_hot(group: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return membership ``[alternative, group]``."""
    member: NDArray[np.float64] = (group[:, None] == np.arange(int(group.max()) + 1)[None, :]).astype(np.float64)
    return member


def elasticities(
    problem: ChoiceProblem,
    constants: NDArray[np.float64],
    cost_utility: NDArray[np.float64],
    group: NDArray[np.int64],
    *,
    exposure: NDArray[np.float64] | None = None,
    measure: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return own and cross elasticities of what groups of alternatives carry with respect to the cost of a group.

    Parameters
    ----------
    problem, constants
        The choice and its constants ``[draw, constant]``.
    cost_utility
        Part of the utility that is proportional to cost, ``-scale x cost`` ``[draw, alternative]`` [-].
    group
        Group of each alternative, usually its mode ``[alternative]``, codes from 0.
    exposure
        Share of the cost of each alternative that rises with the price of each group ``[alternative, group]``, for chains that pay several modes;
        the whole cost of the own group if not given.
    measure
        What an alternative carries per tonne ``[alternative]``: 1 (tonnes) if not given, km for tonne-kilometres.

    Returns
    -------
    ndarray
        ``[draw, group that responds, group whose cost rises]``: % per %.

    Notes
    -----
    ``E[a, b] = sum_{i in a} T_i P_i w_i (d ln P_i / d ln cost_b) / sum_{i in a} T_i P_i w_i`` with the derivative of the nested logit; the fixed part
    of the margins is left out. What a group does not carry at all has no elasticity (nan).
    """
    member = _one_hot(group)
    share_of_cost = member if exposure is None else exposure
    probability, within, _ = nested_shares(problem.base + constants @ problem.features.T, problem.segments, problem.scale)
    carried = problem.flow * probability * (1.0 if measure is None else measure)
    total = carried @ member
    found = np.full((total.shape[0], member.shape[1], share_of_cost.shape[1]), np.nan)
    for b in range(share_of_cost.shape[1]):
        slope = _log_share_slope(
            problem.segments, cost_utility * share_of_cost[:, b], probability, within, problem.scale[:, None]
        )
        np.divide((carried * slope) @ member, total, out=found[:, :, b], where=total > 0)
    return found


@dataclass(frozen=True)
class ConstantShares:
    """How much of the share of each group is owed to constants.

    Attributes
    ----------
    share, at_prior
        Share of the tonnes of each group with the constants and with all of them at their prior ``[draw, group]``.
    owed
        Their difference.
    mainly
        Whether more than half of the share is owed to constants: the costs explain the smaller part of it.
    """

    share: NDArray[np.float64]
    at_prior: NDArray[np.float64]
    owed: NDArray[np.float64]
    mainly: NDArray[np.bool_]


def constant_driven_shares(
    problem: ChoiceProblem, constants: NDArray[np.float64], prior: NDArray[np.float64], group: NDArray[np.int64]
) -> ConstantShares:
    """Return how much of the share of each group of alternatives is owed to constants instead of costs.

    Parameters
    ----------
    problem, constants
        The choice and its constants ``[draw, constant]``.
    prior
        Prior of the constants ``[constant]``.
    group
        Group of each alternative, usually its mode ``[alternative]``, codes from 0.
    """
    member = _one_hot(group)

    def shares(at: NDArray[np.float64]) -> NDArray[np.float64]:
        probability, _, _ = nested_shares(problem.base + at @ problem.features.T, problem.segments, problem.scale)
        carried = (problem.flow * probability) @ member
        part: NDArray[np.float64] = carried / carried.sum(axis=1, keepdims=True)
        return part

    share, at_prior = shares(constants), shares(np.broadcast_to(prior, constants.shape))
    return ConstantShares(share, at_prior, share - at_prior, np.abs(share - at_prior) > _MOSTLY * share)
