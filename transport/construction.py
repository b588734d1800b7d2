"""Side account of the infrastructure: laying asphalt, what recycling it saves, and building new lines; never part of the headline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport.cities.metro import network_length_km
from transport.infrastructure import paving_co2, paving_mix
from transport.layout import YEARS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from transport.params import Params
    from transport.passengers import TableSource

    Array = NDArray[np.float64]

_KG_PER_T = 1000.0
#: Metro lines stand in a table of their own.
METRO = "metro"
#: Kind of construction -> parameter of its length.
_LENGTHS: dict[str, str] = {
    "expressway": "road_length",
    "trunk_road": "road_length",
    "local_road": "road_length",
    "high_speed_line": "high_speed_line_length",
}


def new_length(inputs: TableSource, params: Params, kind: str) -> Array:
    """Return the length added in each year ``[draw, year]`` [km/yr].

    Parameters
    ----------
    inputs
        Table ``demand/metro_lines``.
    params
        Parameters of the run.
    kind
        Kind of construction.

    Notes
    -----
    The growth of the length in service; closures count as zero. The first year has none before it and takes the growth of the next.
    """
    if kind == METRO:
        length = network_length_km(inputs, params)
    else:
        parameter = _LENGTHS[kind]
        subjects = (kind,) if parameter == "road_length" else params.subjects(parameter)
        length = sum((params.get(parameter, s) for s in subjects), np.zeros(1))
    grown = np.maximum(np.diff(np.asarray(length), axis=-1), 0.0)
    return np.concatenate([grown[..., :1], grown], axis=-1)


def construction_co2(inputs: TableSource, params: Params) -> dict[str, Array]:
    """Return CO2 of building new lines by kind, array ``[draw, year]`` [t CO2/yr].

    Parameters
    ----------
    inputs, params
        As :func:`new_length`.

    Notes
    -----
    New km x ``construction_co2`` of the kind: earthworks, base layers, bridges, tunnels, track; asphalt stands under paving.
    """
    return {kind: new_length(inputs, params, kind) * params.get("construction_co2", kind) for kind in (*_LENGTHS, METRO)}


def infrastructure_account(inputs: TableSource, params: Params) -> pl.DataFrame:
    """Return the side account (first draw).

    Parameters
    ----------
    inputs, params
        As :func:`new_length`.

    Returns
    -------
    frame with columns year, item, kind, quantity, unit, t_co2
        ``paving``: mix laid at upkeep and on new roads at the factor of virgin mix, and ``recycled`` as what reclaimed asphalt saves
        (negative); their sum is the indicator ``infrastructure_co2``. ``construction``: new km by kind.
    """
    upkeep, new = paving_mix(params)
    factor = params.get("asphalt_co2", "virgin") / _KG_PER_T
    recycled = np.clip(params.get("recycled_paving_share"), 0.0, 1.0) * (upkeep + new)
    virgin = {"upkeep": upkeep, "new_roads": new}
    rows = [("paving", kind, mix, "t/yr", mix * factor) for kind, mix in virgin.items()]
    rows.append(("paving", "recycled", recycled, "t/yr", paving_co2(params) - (upkeep + new) * factor))
    built = construction_co2(inputs, params)
    rows += [("construction", kind, new_length(inputs, params, kind), "km/yr", built[kind]) for kind in built]
    return pl.concat(
        [
            pl.DataFrame(
                {
                    "year": np.asarray(YEARS),
                    "item": [item] * len(YEARS),
                    "kind": [kind] * len(YEARS),
                    "quantity": np.broadcast_to(quantity, t_co2.shape)[0],
                    "unit": [unit] * len(YEARS),
                    "t_co2": t_co2[0],
                }
            )
            for item, kind, quantity, unit, t_co2 in rows
        ]
    ).sort("year", "item", "kind")
