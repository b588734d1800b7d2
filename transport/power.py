"""Carbon factors of grid electricity and of hydrogen by year."""

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


def hydrogen_factor(params: Params, grid_kg_per_kwh: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the CO2 of making the hydrogen that vehicles use.

    Parameters
    ----------
    params
        Hold ``upstream_hydrogen`` by pathway [kgCO2/kg], ``hydrogen_electricity`` [kWh/kg] where a pathway takes power from the grid, the
        shares ``hydrogen_pathway_share`` (one pathway without a row takes the remainder) and ``green_hydrogen_share``.
    grid_kg_per_kwh
        Grid factor ``[draw, year]`` [kgCO2/kWh].

    Returns
    -------
    array (draw, year) [kgCO2/kg]

    Raises
    ------
    ValueError
        If not exactly one pathway takes the remainder.

    Notes
    -----
    ``g f(renewable electrolysis) + (1 - g) sum over the other pathways p of s(p) f(p)``, ``f(p) = upstream(p) + kWh/kg(p) x grid factor x
    (1 + upstream of power)``. Hydrogen from renewable power is told apart, so that raising it lowers all others in proportion.
    """
    green = "renewable_electrolysis"
    power = grid_kg_per_kwh * (1.0 + params.get("upstream_electricity", "electricity"))
    made: dict[str, NDArray[np.float64]] = {}
    for pathway in params.subjects("upstream_hydrogen"):
        drawn = params.get("hydrogen_electricity", pathway) * power if params.has("hydrogen_electricity", pathway) else 0.0
        made[pathway] = params.get("upstream_hydrogen", pathway) + drawn
    others = [p for p in made if p != green]
    share = {
        p: np.clip(params.get("hydrogen_pathway_share", p), 0.0, 1.0) for p in others if params.has("hydrogen_pathway_share", p)
    }
    rest = [p for p in others if p not in share]
    if len(rest) != 1:
        msg = f"exactly one hydrogen pathway takes the remainder (no row of hydrogen_pathway_share), found {rest or 'none'}"
        raise ValueError(msg)
    total = sum(share.values(), np.zeros(grid_kg_per_kwh.shape))
    scale = 1.0 / np.maximum(total, 1.0)
    mixed = made[rest[0]] * (1.0 - total * scale) + sum(made[p] * share[p] * scale for p in share)
    if green not in made:
        return np.asarray(mixed)
    renewable = np.clip(params.get("green_hydrogen_share"), 0.0, 1.0)
    return np.asarray(renewable * made[green] + (1.0 - renewable) * mixed)
