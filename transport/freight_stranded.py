"""Goods that have no way at all because a quay or a link is closed all year."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport.closures import Closures
from transport.freight_demand import COMMODITIES
from transport.layout import YEARS

if TYPE_CHECKING:
    from transport.freight_model import FreightModel
    from transport.freight_prepare import Tables


def stranded_frame(inputs: Tables, model: FreightModel, like: pl.DataFrame) -> pl.DataFrame:
    """Return the demand of every year that a closure leaves without any chain, booked on what is closed.

    Parameters
    ----------
    inputs
        Tables of the run.
    model
        Solved model.
    like
        Table ``freight_unmet``, whose columns the rows get: ``constraint`` ``berth`` with the zone of a closed port at an end of the haul, else the mode of the first
        closed link with its id; no ``vc_ratio``; ``mode`` that of the closed place, ``unmet_t`` [t/yr].

    Returns
    -------
    frame
        ``like`` with the stranded goods; the very same table if nothing is closed all year.
    """
    shut, links = Closures.read(inputs), inputs.table("networks/links")
    if not shut.share:
        return like
    mode_of = dict(links.select("link_id", "mode").iter_rows())
    rows = []
    for position, year in enumerate(YEARS):
        closed = sorted(shut.links(links["link_id"], year))
        for port, commodity, tonnes in _unserved(model, position):
            if port is not None:
                rows.append((year, "berth", port, "water", commodity, tonnes))
            elif closed:
                rows.append((year, mode_of[closed[0]], closed[0], mode_of[closed[0]], commodity, tonnes))
    if not rows:
        return like
    keys = ["year", "constraint", "place", "mode", "commodity"]
    found = pl.DataFrame(rows, schema=[*keys, "unmet_t"], orient="row").group_by(keys).agg(pl.col("unmet_t").sum())
    more = found.with_columns(
        pl.lit(None, dtype=pl.Float64).alias("vc_ratio"), pl.col("year").min().over("constraint", "place").alias("first_year")
    )
    return pl.concat([like, more.select(like.columns).cast(like.schema)]).sort("year", "constraint", "place", "mode", "commodity")


def _unserved(model: FreightModel, position: int) -> list[tuple[str | None, str, float]]:
    """Return closed port at an end (None = no such end), commodity and tonnes of the demand without a chain, in a year position."""
    prepared, costs = model.prepared, model.costs
    state = prepared.states[prepared.state_of_year[position]]
    demand = prepared.demand.demand
    found: list[tuple[str | None, str, float]] = []
    for row in state.rows.unserved.tolist():
        level = costs.growth[demand.commodity[row], 0, position] * costs.group_level[demand.group[row], 0, position]
        tonnes = float(demand.t_per_year[row] * level)
        if tonnes <= 0.0:
            continue
        pairs = demand.pair[demand.row == row]
        ends = [prepared.zones.ids[z] for z in np.unique(np.concatenate([demand.origin[pairs], demand.destination[pairs]]))]
        ports = [zone for zone in ends if zone in state.closed_ports]
        found.append((ports[0] if ports else None, COMMODITIES[demand.commodity[row]], tonnes))
    return found
