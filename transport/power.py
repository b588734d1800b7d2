"""Carbon factor of grid electricity by year."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from transport.layout import YEARS, year_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from transport.params import Params

#: The last year with a published factor of the 2021 method; later years follow the non-fossil share from here.
ANCHOR_YEAR = 2022


def grid_factor(params: Params) -> NDArray[np.float64]:
    """Return the grid's annual average CO2 factor.

    Returns
    -------
    array (draw, year) [kgCO2/kWh]
        Published values through 2022 (2021 method), then the path of the non-fossil share.

    Notes
    -----
    After the anchor year ``a`` = 2022: ``f(t) = f(a) / (1 - n(a)) * (1 - n(t)) * (1 - g(t))`` with the non-fossil share of generation
    ``n`` and the share ``g`` of transport electricity claimed as green power (zero by default). Older methods are never chained, so
    years before 2020 carry the 2020 value.
    """
    published = params.get("grid_factor")
    share = params.get("non_fossil_share")
    claim = params.get("green_power_claim")
    anchor = year_index(ANCHOR_YEAR)
    fossil_factor = published[:, anchor : anchor + 1] / (1.0 - share[:, anchor : anchor + 1])
    path = fossil_factor * (1.0 - np.clip(share, 0.0, 1.0))
    after = np.asarray(YEARS) > ANCHOR_YEAR
    return np.where(after, path, published) * (1.0 - np.clip(claim, 0.0, 1.0))
