"""Spatial interaction: balancing of ends, doubly constrained gravity fitted to a mean haul, sparse flows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from networks.errors import DemandError

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Bisection steps on ln(beta); 40 halvings of the allowed range are far below the range of any prior.
_BISECTIONS = 40
#: Largest exponent of the deterrence: beyond it a pair carries nothing that matters, but balancing stays feasible.
_FAR = 60.0


@dataclass(frozen=True)
class Gravity:
    """A distributed commodity.

    Attributes
    ----------
    flow
        ``[origin, destination]`` [t/yr].
    beta
        Fitted deterrence [1/km].
    mean_haul_km
        Mean haul of the flows that count, at beta [km].
    at_bound
        Whether beta stopped at a bound: the prior haul cannot be met.
    margin_error
        Largest relative error of an end, after balancing.
    """

    flow: NDArray[np.float64]
    beta: float
    mean_haul_km: float
    at_bound: bool
    margin_error: float


def balance_ends(
    production: NDArray[np.float64], attraction: NDArray[np.float64], external: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Make production and attraction equal by adding to the short side.

    Parameters
    ----------
    production, attraction
        Ends by zone [t/yr].
    external
        Zones outside the province (gateways).

    Returns
    -------
    production, attraction, added_t_per_year
        Balanced ends and what was added: positive on the attraction side, negative on the production side.

    Notes
    -----
    The addition goes to gateways pro rata to their ends of that side, else to their ends of the other side, else (no gateway trades the
    commodity) to all zones of the short side pro rata.
    """
    gap = float(production.sum() - attraction.sum())
    short, other = (attraction, production) if gap > 0 else (production, attraction)
    if gap == 0.0:
        return production, attraction, 0.0
    for weight in (np.where(external, short, 0.0), np.where(external, other, 0.0), short, np.ones_like(short)):
        if weight.sum() > 0:
            filled = short + abs(gap) * weight / weight.sum()
            break
    return (production, filled, gap) if gap > 0 else (filled, attraction, gap)


def furness(
    production: NDArray[np.float64],
    attraction: NDArray[np.float64],
    deterrence: NDArray[np.float64],
    *,
    column_factor: NDArray[np.float64] | None = None,
    tolerance: float = 1e-8,
    max_iterations: int = 400,
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return the doubly constrained matrix of given ends and deterrence (Furness).

    Parameters
    ----------
    production, attraction
        Ends of equal sum [t/yr].
    deterrence
        Non-negative seed ``[origin, destination]``; zero = not allowed.
    column_factor
        Warm start of the column balancing factors.

    Returns
    -------
    flow, column_factor, margin_error
        Matrix, column factors and the largest relative error of a row end (columns are exact).
    """
    b = np.ones_like(attraction) if column_factor is None else column_factor.copy()
    a = np.zeros_like(production)
    error = np.inf
    for _ in range(max_iterations):
        row = deterrence @ b
        a = np.divide(production, row, out=np.zeros_like(production), where=row > 0)
        column = a @ deterrence
        b = np.divide(attraction, column, out=np.zeros_like(attraction), where=column > 0)
        made = a * (deterrence @ b)
        error = float(np.max(np.abs(made - production) / np.maximum(production, 1.0), initial=0.0))
        if error < tolerance:
            break
    return a[:, None] * deterrence * b[None, :], b, error


def gravity(
    production: NDArray[np.float64],
    attraction: NDArray[np.float64],
    distance_km: NDArray[np.float64],
    *,
    allowed: NDArray[np.bool_],
    counts: NDArray[np.bool_],
    mean_haul_km: float,
    beta_low: float,
    beta_high: float,
) -> Gravity:
    """Distribute ends so that the mean haul meets a prior, within bounds of beta.

    Parameters
    ----------
    production, attraction
        Balanced ends by zone [t/yr].
    distance_km
        ``[origin, destination]`` [km]; infinite = no connection.
    allowed
        Pairs that may trade.
    counts
        Pairs whose haul the prior describes (all allowed pairs, or those that start in the province).
    mean_haul_km
        Prior mean haul [km].
    beta_low, beta_high
        Bounds of beta [1/km].

    Returns
    -------
    Gravity
        The matrix and how it was met.

    Raises
    ------
    DemandError
        If the ends differ in sum or a zone has ends but no allowed partner.

    Notes
    -----
    ``T_ij = A_i B_j exp(-beta d_ij)``; the mean haul falls in beta, so ln(beta) is bisected.
    """
    if not np.isclose(production.sum(), attraction.sum(), rtol=1e-9):
        msg = f"ends differ: {production.sum():g} produced, {attraction.sum():g} attracted"
        raise DemandError(msg)
    seed = allowed & np.isfinite(distance_km)
    stuck = np.flatnonzero(((production > 0) & ~(seed @ (attraction > 0))) | ((attraction > 0) & ~(seed.T @ (production > 0))))
    if stuck.size:
        msg = f"{stuck.size} zone(s) have ends but no partner, first index {int(stuck[0])}"
        raise DemandError(msg)
    rows, columns = np.flatnonzero(production > 0), np.flatnonzero(attraction > 0)
    cut = np.ix_(rows, columns)
    p, q, usable = production[rows], attraction[columns], seed[cut]
    distance = np.where(usable, distance_km[cut], 0.0)
    counted = counts[cut] & usable
    # shifting a row or a column of distances changes no balanced matrix, but keeps exp() away from zero
    shifted = np.where(usable, distance, np.inf)
    shifted = shifted - shifted.min(axis=1, keepdims=True, initial=np.inf)
    shifted = shifted - shifted.min(axis=0, keepdims=True, initial=np.inf)
    factor: NDArray[np.float64] | None = None

    def solve(
        beta: float, warm: NDArray[np.float64] | None, tolerance: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float]:
        flow, b, error = furness(
            p, q, np.exp(-np.minimum(beta * shifted, _FAR)) * usable, column_factor=warm, tolerance=tolerance
        )
        tonnes = flow[counted].sum()
        haul = float((flow * distance)[counted].sum() / tonnes) if tonnes > 0 else 0.0
        return flow, b, haul, error

    low, high = np.log(beta_low), np.log(beta_high)
    longest, shortest = solve(beta_low, None, 1e-4)[2], solve(beta_high, None, 1e-4)[2]
    at_bound = not shortest <= mean_haul_km <= longest
    if at_bound:
        log_beta = low if mean_haul_km > longest else high
    else:
        for _ in range(_BISECTIONS):
            log_beta = 0.5 * (low + high)
            _, factor, haul, _ = solve(float(np.exp(log_beta)), factor, 1e-4)
            if abs(haul - mean_haul_km) < 1e-3 * mean_haul_km:
                break
            low, high = (log_beta, high) if haul > mean_haul_km else (low, log_beta)
    beta = float(np.exp(log_beta))
    flow, _, haul, error = solve(beta, factor, 1e-8)
    full = np.zeros_like(distance_km)
    full[cut] = flow
    return Gravity(full, beta, haul, bool(at_bound), error)


def sparsify(flow: NDArray[np.float64], threshold_t: float) -> tuple[NDArray[np.float64], float]:
    """Drop small flows and scale the rest back so that the ends hold.

    Parameters
    ----------
    flow
        ``[origin, destination]`` [t/yr].
    threshold_t
        Flows below it are dropped, except the largest one of each origin and of each destination [t/yr].

    Returns
    -------
    flow, dropped_t
        Sparse matrix with the same ends, and what was dropped before scaling back [t/yr].
    """
    keep = flow >= threshold_t
    keep[np.arange(flow.shape[0]), flow.argmax(axis=1)] |= flow.max(axis=1) > 0
    keep[flow.argmax(axis=0), np.arange(flow.shape[1])] |= flow.max(axis=0) > 0
    dropped = float(flow[~keep].sum())
    if dropped == 0.0:
        return flow, 0.0
    kept, _, _ = furness(flow.sum(axis=1), flow.sum(axis=0), np.where(keep, flow, 0.0))
    return kept, dropped
