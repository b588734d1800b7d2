"""What goes through each port: tonnes, share and constant of the goods that choose it, and its boxes from the quay to train and truck."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from networks.measure import MEASURES
from networks.ports import TO_SEA
from networks.solve import CONSTANTS
from transport.freight_calibration import land_boxes
from transport.freight_costs import growth_level
from transport.freight_demand import COMMODITIES
from transport.industry import CONTAINERS, product_level
from transport.layout import BASE_YEAR, FIRST_YEAR, year_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from transport.freight_model import FreightModel
    from transport.freight_prepare import Prepared
    from transport.params import Params

    Array = NDArray[np.float64]

_BASE = year_index(BASE_YEAR)
_BOXES = COMMODITIES.index("containers")
_THROUGHPUT = "port_container_throughput"

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


# --- boxes --------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PortBoxes:
    """Boxes of every container port ``[port, draw, year]`` [TEU/yr]: first the ports of the province, then those outside that boxes can choose.

    Attributes
    ----------
    ports
        Zone of each port.
    n_inside
        Number of ports in the province.
    teu_per_t
        Boxes per tonne of land hauls in the base year, empty ones among them ``[port, draw]`` [TEU/t].
    gateway, sea_rail
        Boxes that reach or leave the port by land, and those of them on trains. Of ports outside: from and to the model's places only.
    observed
        Throughput of the data up to the last year with data, NaN afterwards (ports of the province).
    transhipped, residual, throughput
        Ports of the province; throughput = gateway + 2 x transhipped + residual.
    """

    ports: tuple[str, ...]
    n_inside: int
    teu_per_t: Array
    gateway: Array
    sea_rail: Array
    observed: Array
    transhipped: Array
    residual: Array

    @property
    def throughput(self) -> Array:
        """Return the boxes over the quays of the ports of the province ``[port, draw, year]`` [TEU/yr]."""
        found: Array = self.gateway[: self.n_inside] + 2.0 * self.transhipped + self.residual
        return found


def last_observed(parameters: pl.DataFrame) -> int:
    """Return the last calendar year with a row of container throughput.

    Parameters
    ----------
    parameters
        Parameter rows.

    Raises
    ------
    ValueError
        If no row has a year: the base year needs one.
    """
    rows = parameters.filter((pl.col("parameter") == _THROUGHPUT) & pl.col("value").is_not_null() & pl.col("year").is_not_null())
    last = max((int(year) for year in rows["year"].to_list()), default=0)
    if last < BASE_YEAR:
        msg = f"{_THROUGHPUT} ends in {last or 'no year'}: rows up to {BASE_YEAR} at least are needed, the boxes of the base year come from them"
        raise ValueError(msg)
    return last


def port_boxes(params: Params, prepared: Prepared, totals: Array, last_year: int) -> PortBoxes:
    """Return the boxes of every port from its modelled container tonnes.

    Parameters
    ----------
    params
        Parameters of the run.
    prepared
        Ports and demand.
    totals
        Totals by commodity and measure ``[commodity, measure, draw, year]`` (:class:`networks.solve.Solution`).
    last_year
        Last calendar year whose throughput is data.

    Notes
    -----
    ``gateway(t) = land boxes(b) x tonnes(t) / tonnes(b)``, ``sea_rail = gateway x tonnes by train / tonnes``. With ``T`` the throughput of the data
    and ``I`` the growth index of containers, the residual explains the data at the port's share of the base year,
    ``residual(t) = T(t) - 2 transhipped(t) - land boxes(b) x I(t)``, and later stays what it was in the last year with data, times
    ``I(t) / I(last)``; so does what is transhipped. What price, time, access or capacity move between ports, or out of the province, is thus
    in the throughput, and never in the residual.
    """
    inside, beyond = prepared.box_ports, prepared.outside_ports
    ports, n = (*inside, *beyond), len(inside)
    first = len(MEASURES)
    train, boxes = (totals[_BOXES, first + k * len(ports) : first + (k + 1) * len(ports)] for k in (0, 1))
    land = land_boxes(params, inside)
    base_t = boxes[..., _BASE]
    mean = np.broadcast_to(1.0 / params.get("container_load")[:, _BASE], base_t[n:].shape)
    teu_per_t = np.concatenate([np.divide(land, base_t[:n], out=np.zeros_like(land), where=base_t[:n] > 0), mean])
    index = params.get("freight_growth_index", "containers")
    last = year_index(last_year)
    data = np.arange(index.shape[1]) <= last
    observed = np.stack([params.get(_THROUGHPUT, port) for port in inside])
    share = np.stack([params.get("port_transhipment_share", port) for port in inside])
    reached = (base_t[:n] > 0)[..., None] * land[..., None] * index
    level = growth_level(params) * product_level(params, CONTAINERS)
    shipped = observed * share
    residual = observed - 2.0 * shipped - reached
    onward = index / index[:, last : last + 1]

    def carried(path: Array) -> Array:
        found: Array = np.where(data, path, path[..., last : last + 1] * onward) * level
        return found

    return PortBoxes(
        ports=ports,
        n_inside=n,
        teu_per_t=teu_per_t,
        gateway=teu_per_t[..., None] * boxes,
        sea_rail=teu_per_t[..., None] * train,
        observed=np.where(data, observed, np.nan),
        transhipped=carried(shipped),
        residual=carried(residual),
    )
