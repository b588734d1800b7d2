"""What goes through each port of choice: tonnes, share against the throughput it is fitted to, and the constant that it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from networks.ports import TO_SEA
from networks.solve import CONSTANTS
from transport.freight_demand import COMMODITIES
from transport.layout import BASE_YEAR, FIRST_YEAR

if TYPE_CHECKING:
    from transport.freight_model import FreightModel

SCHEMA = {
    "year": pl.Int64,
    "zone_id": pl.String,
    "commodity": pl.String,
    "direction": pl.String,
    "t": pl.Float64,
    "share_pct": pl.Float64,
    "fitted_share_pct": pl.Float64,
    "constant": pl.Float64,
}


def port_frame(model: FreightModel) -> pl.DataFrame:
    """Return the table ``freight_ports`` of draw 0: goods between a place on land and the sea by port, commodity and direction.

    Parameters
    ----------
    model
        The solved model.

    Returns
    -------
    frame
        Columns of :data:`SCHEMA`: ``direction`` is ``to_sea`` or ``from_sea``, ``t`` [t/yr], ``share_pct`` of the port in its commodity and
        direction, ``fitted_share_pct`` the share of the base year that the ``constant`` [utility] is fitted to. Goods whose port is not chosen are
        left out.
    """
    use, solution, prepared = model.prepared.demand.ports, model.speed.solution, model.prepared
    commodity, direction, zone = use.place
    block = use.block
    frames = [pl.DataFrame(schema=SCHEMA)]
    for year in sorted(solution.flows):
        rows = prepared.states[prepared.state_of_year[year]].rows
        tonnes = use.totals(rows, prepared.demand.demand, solution.flows[year][None, :])[0]
        whole = np.bincount(block, tonnes).astype(np.float64)[block]
        frames.append(
            pl.DataFrame(
                {
                    "year": np.full(tonnes.size, FIRST_YEAR + year),
                    "zone_id": [prepared.zones.ids[z] for z in zone],
                    "commodity": [COMMODITIES[c] for c in commodity],
                    "direction": ["to_sea" if d == TO_SEA else "from_sea" for d in direction],
                    "t": tonnes,
                    "share_pct": 100.0 * np.divide(tonnes, whole, out=np.zeros_like(tonnes), where=whole > 0),
                    "fitted_share_pct": 100.0 * use.share,
                    "constant": model.speed.fitted.constants[0, len(CONSTANTS) :],
                },
                schema=SCHEMA,
            )
        )
    return pl.concat(frames).sort("year", "commodity", "direction", "zone_id")


def port_error(ports: pl.DataFrame) -> float:
    """Return the largest distance of a port's share of the base year from the one it is fitted to [percentage point].

    Parameters
    ----------
    ports
        From :func:`port_frame`.
    """
    base = ports.filter(pl.col("year") == BASE_YEAR)
    found = base.select((pl.col("share_pct") - pl.col("fitted_share_pct")).abs().max()).item()
    return float(found or 0.0)
