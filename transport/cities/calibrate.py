"""Fit of the strengths of the attributes to the elasticities of the literature; offline, its result stands in the rows ``travel_sensitivity``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport.cities.attributes import ATTRIBUTES
from transport.cities.choice import nest_coefficients
from transport.cities.demand import city_demand
from transport.cities.elasticities import attribute_response, implied_elasticity, trips_and_change
from transport.cities.segments import city_residents, prefectures
from transport.cities.service import city_service
from transport.layout import NORMAL_YEAR, year_index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transport.params import Params
    from transport.passengers import TableSource

_NORMAL = year_index(NORMAL_YEAR)


def target_cities(inputs: TableSource, params: Params, areas: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the prefectures whose central city has more residents than the plan's threshold.

    Parameters
    ----------
    inputs
        Tables ``codes`` and ``demand/population``.
    params
        Row ``green_travel_residents_threshold``.
    areas
        Prefectures to choose from; all by default.
    """
    chosen = prefectures(inputs.table("codes")) if areas is None else tuple(areas)
    residents = city_residents(inputs.table("demand/population"), chosen)
    threshold = np.median(params.get("green_travel_residents_threshold"))
    return tuple(area for area, people in residents.items() if people > threshold)


def calibrate(inputs: TableSource, params: Params) -> pl.DataFrame:
    """Return the sensitivities with which the model implies the central elasticities.

    Parameters
    ----------
    inputs
        Tables of :func:`transport.cities.demand.city_demand` and ``demand/metro_lines``.
    params
        Parameters without levers; the first draw counts.

    Returns
    -------
    frame
        Columns attribute, modes, elasticity (wanted), implied (with the sensitivities of ``params``), sensitivity (that makes the two equal).

    Raises
    ------
    ValueError
        If an attribute moves nobody with the sensitivities of ``params``, so that no factor could mend it.

    Notes
    -----
    At the base the change of trips is linear in the change of utility, and that in ``travel_sensitivity``: one division per attribute is
    the exact answer. The elasticity is that of the trips of the cities with a target together, at the road speed of 2019.
    """
    theta = {nest: values[:1] for nest, values in nest_coefficients(params).items()}
    cities = []
    for area in target_cities(inputs, params):
        utility = city_service(inputs, params, area).utility
        cities.append((city_demand(inputs, params, area), np.isfinite(utility[0, 0, ..., _NORMAL])))
    rows = []
    for attribute, modes in ATTRIBUTES.items():
        parts = [trips_and_change(d, running, theta, attribute_response(params, d.area, attribute)) for d, running in cities]
        implied = float(implied_elasticity(parts, modes)[0])
        if implied == 0.0 or np.isnan(implied):
            msg = f"{attribute} moves no trips of {', '.join(modes)}; give travel_sensitivity of {attribute} a value above zero"
            raise ValueError(msg)
        wanted = float(params.get("travel_elasticity", attribute)[0, _NORMAL])
        sensitivity = float(params.get("travel_sensitivity", attribute)[0, _NORMAL])
        rows.append((attribute, " ".join(modes), wanted, implied, sensitivity * wanted / implied))
    return pl.DataFrame(rows, schema=["attribute", "modes", "elasticity", "implied", "sensitivity"], orient="row")
