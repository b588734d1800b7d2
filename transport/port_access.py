"""Whether the port areas of the province can be left by rail or pipe: what the network knows of sidings and pipes at the quays."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from networks.graph import open_connectors
from transport.layout import BASE_YEAR, YEARS, year_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from transport.inputs import Inputs
    from transport.params import Params

    Array = NDArray[np.float64]

_PORT, _RAIL, _SIDING, _PIPELINE = "port", "rail", "siding", "pipeline"


class PortAccess(NamedTuple):
    """Port areas with a railway or pipeline of their own.

    Attributes
    ----------
    by_area
        Share of the port areas ``[draw, year]``.
    by_cargo
        The same weighted by the cargo of the base year ``[draw, year]``.
    without
        Port areas that have neither in the base year, in order.
    """

    by_area: Array
    by_cargo: Array
    without: tuple[str, ...]


def port_access(inputs: Inputs, params: Params) -> PortAccess:
    r"""Return the share of the important port areas with a siding or a pipeline.

    Parameters
    ----------
    inputs
        Tables ``networks/zones``, ``networks/connectors`` and ``demand/generators``.
    params
        Holds ``large_site_limit`` and ``new_siding_share``.

    Raises
    ------
    ValueError
        If no port area of the province moves as much as the limit.

    Notes
    -----
    The plan does not say which port areas are important: those that move at least ``large_site_limit``, as for the sidings. Drayage to a
    yard is no access of the port's own. The lever that gives large sites a siding gives one to the same share of the port areas without:

    .. math:: a_t = a + (1 - a)\,s_t
    """
    zones = inputs.table("networks/zones").filter(pl.col("kind") == _PORT, pl.col("in_province"))["zone_id"].to_list()
    moved = inputs.table("demand/generators").group_by("zone_id").agg(pl.col("t_per_year").sum())
    limit = float(params.get("large_site_limit")[0, 0])
    tonnes = {z: float(t) for z, t in moved.sort("zone_id").iter_rows() if z in set(zones) and t >= limit}
    if not tonnes:
        msg = f"demand/generators: no port area of the province moves {limit:g} t a year; without one its access cannot be said"
        raise ValueError(msg)
    connectors = inputs.table("networks/connectors")
    own = (pl.col("mode") == _RAIL) & (pl.col("link_class") == _SIDING) | (pl.col("mode") == _PIPELINE)
    by_year = [frozenset(open_connectors(connectors, year).filter(own)["zone_id"].to_list()) for year in YEARS]
    new = params.get("new_siding_share")
    shares = (
        np.array([sum(z in reached for z in tonnes) / len(tonnes) for reached in by_year]),
        np.array([sum(t for z, t in tonnes.items() if z in reached) / sum(tonnes.values()) for reached in by_year]),
    )
    by_area, by_cargo = (np.asarray(share + (1.0 - share) * new) for share in shares)
    return PortAccess(by_area, by_cargo, tuple(z for z in tonnes if z not in by_year[year_index(BASE_YEAR)]))
