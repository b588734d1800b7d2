"""Constants of all draws but the first: each calibrated on its own base year, or taken from the first where that is the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from networks.draw_fit import fit_draws
from networks.draws import CHOOSE
from transport.layout import BASE_YEAR, year_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from networks.choice import Calibration
    from networks.draw_fit import Aim
    from networks.draws import Compact
    from networks.solve import Costs, Demand

_BASE = year_index(BASE_YEAR)


def fit_further(first: Calibration, compact: Compact, demand: Demand, costs: Costs, aim: Aim) -> Calibration:
    """Calibrate all draws but the first.

    Parameters
    ----------
    first
        Calibration of the first draw, which is the central run.
    compact, demand, costs
        Rows of the base year, demand, and costs of all draws.
    aim
        What the constants are fitted to, all draws.

    Returns
    -------
    Calibration
        Diagnostics of the first draw; constants and margins of all, ``margins_at_prior`` of the first.
    """
    n_draw = aim.observed.shape[0]
    constants, margins = (np.repeat(x[:1], n_draw, axis=0) for x in (first.constants, first.margins))
    unsettled = np.append(first.unsettled[:1], np.zeros(n_draw - 1, dtype=np.bool_))
    draws = np.flatnonzero(~like_first(costs, aim))
    if not draws.size:
        return replace(first, constants=constants, margins=margins, unsettled=unsettled)
    found = fit_draws(compact, demand, costs, _BASE, aim, start=first.constants[0], draws=draws.tolist())
    constants[draws], margins[draws], unsettled[draws] = found.constants, found.margins, ~found.settled
    lost = int((~found.settled).sum())
    flag = (f"{lost} of {n_draw} draws have not settled: a margin is out of reach there",) if lost else ()
    return replace(
        first,
        constants=constants,
        margins=margins,
        iterations=max(first.iterations, int(found.evaluations.max())),
        unsettled=unsettled,
        flags=(*first.flags, *flag),
    )


def like_first(costs: Costs, aim: Aim) -> NDArray[np.bool_]:
    """Return which draws have the base year of the first draw bit by bit ``[draw]``: where only levers differ, all of them.

    Parameters
    ----------
    costs, aim
        Of all draws.
    """
    here = [getattr(costs, name)[..., _BASE] for name in CHOOSE]  # [..., draw]
    here += [x[:, :, _BASE].transpose(0, 2, 1) for x in (costs.coefficients, costs.marks) if x is not None]
    here += [aim.observed.T, aim.fixed.T]
    found = np.ones(aim.observed.shape[0], dtype=np.bool_)
    for array in here:
        found &= (array == array[..., :1]).reshape(-1, found.size).all(axis=0)
    return found
