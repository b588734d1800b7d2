"""Choice of port: which ports handle what, and the port constants that meet observed throughputs.

Goods between a place and the sea choose their port as the lowest level but one of the nested logit: main mode, feeder, port, terminal pair. A port
has one constant per commodity and direction; it stands for sailings, storage and contracts that no cost row knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from networks.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from networks.solve import Demand, Rows

    Array = NDArray[np.float64]

#: Relative error of a port's share at which its constant counts as found, and the most steps to get there.
_TOLERANCE, _MAX_STEPS = 1e-5, 200
#: Directions of the axis of :class:`PortUse`.
TO_SEA, FROM_SEA = 0, 1


@dataclass(frozen=True)
class PortUse:
    """Which ports handle what, and the constants of those that can be chosen.

    Attributes
    ----------
    handled
        ``[commodity, direction, zone]`` whether a port handles a commodity; direction 0 = to the sea, 1 = from the sea.
    constant
        ``[commodity, direction, zone]`` index into the port constants, -1 where there is none.
    share
        Share of each port constant's port in what its commodity and direction bring through all of them, from observed throughputs ``[constant]``.
    """

    handled: NDArray[np.bool_]
    constant: NDArray[np.int64]
    share: Array

    @property
    def block(self) -> NDArray[np.int64]:
        """Return the number of the commodity and direction of each port constant."""
        commodity, direction, _ = self.place
        found: NDArray[np.int64] = np.unique(commodity * 2 + direction, return_inverse=True)[1].astype(np.int64)
        return found

    @property
    def place(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return commodity, direction and zone of each port constant."""
        commodity, direction, zone = np.nonzero(self.constant >= 0)
        order = np.argsort(self.constant[commodity, direction, zone])
        return commodity[order], direction[order], zone[order]

    def totals(self, rows: Rows, demand: Demand, flow: Array) -> Array:
        """Return the flow by port constant of the demand that chooses its port ``[draw, constant]`` [t/yr].

        Parameters
        ----------
        rows, demand
            Of one network state.
        flow
            Flow of each row ``[draw, row]`` [t/yr].
        """
        chooses = np.zeros(demand.commodity.size, dtype=np.bool_)
        chooses[demand.row[demand.port >= 0]] = True
        mine = np.flatnonzero((rows.port >= 0) & chooses[rows.demand])
        port = rows.port[mine]
        return np.stack([np.bincount(port, f[mine], minlength=self.share.size).astype(np.float64) for f in flow])


def fit_ports(use: PortUse, flows: Callable[[Array], Array], start: Array, scale: Array) -> Array:
    """Return the port constants at which every port has its observed share of its commodity and direction.

    Parameters
    ----------
    use
        Ports and their shares.
    flows
        Flow by port constant ``[draw, constant]`` [t/yr] at given port constants ``[draw, constant]``.
    start
        Port constants to begin with ``[draw, constant]``.
    scale
        Log-sum scale among ports ``[draw]`` [-].

    Returns
    -------
    array (draw, constant)
        With a mean of zero over the tonnes of each commodity and direction, as only differences count.

    Raises
    ------
    CalibrationError
        If a port cannot reach its share.

    Notes
    -----
    ``delta <- delta + scale x ln(share / modelled share)``, a contraction (Berry, Levinsohn, Pakes, Econometrica 63 (1995) 841-890), here with the
    scale of a nested logit.
    """
    block = use.block
    n_block = int(block.max(initial=-1)) + 1
    belongs = np.zeros((use.share.size, n_block))
    belongs[np.arange(use.share.size), block] = 1.0
    found = start.copy()
    if not use.share.size:
        return found
    for _ in range(_MAX_STEPS):
        made = flows(found)
        total = (made @ belongs)[:, block]
        # a commodity that moves nothing in a draw leaves nothing to meet
        error = np.where(total > 0, made / np.where(total > 0, total, 1.0) / use.share, 1.0)
        if np.abs(error - 1.0).max() <= _TOLERANCE:
            return found
        found -= scale[:, None] * np.log(np.maximum(error, 1e-12))
        found -= ((found * use.share) @ belongs)[:, block]
    commodity, direction, zone = use.place
    worst = int(np.abs(error - 1.0).max(axis=0).argmax())
    msg = (
        f"the port at zone {zone[worst]} does not reach its share of commodity {commodity[worst]} "
        f"{'to' if direction[worst] == TO_SEA else 'from'} the sea: it has {np.abs(error[:, worst]).max():.3g} times its share after "
        f"{_MAX_STEPS} steps; check its connectors and its generator rows"
    )
    raise CalibrationError(msg)
