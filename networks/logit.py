"""Probabilities of the two-level nested logit on one long axis of alternatives.

All alternatives of all cases stand in one long axis, sorted by case and, within a case, by nest; ``Segments`` holds where each nest and each case
begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from networks.errors import CalibrationError

if TYPE_CHECKING:
    from numpy.typing import NDArray


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


def log_sum(
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
    ``I_n = ln sum_j exp(V_j / mu)``. The scale ``mu`` here is the inverse of the nest parameter that :func:`networks.choice.estimate` reports.
    """
    mu = np.broadcast_to(np.asarray(scale, dtype=np.float64), utility.shape[:-1])[..., None]
    within, inclusive = log_sum(utility / mu, segments.nest_start, segments.nest_of)
    across, top = log_sum(mu * inclusive, segments.case_start, segments.case_of)
    return within * across[..., segments.nest_of], within, top
