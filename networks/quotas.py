"""Quotas on how cargo reaches ports: the smallest charges on trucks at which enough of it comes another way.

A quota is a constraint, its charge the shadow price: none where enough cargo comes without it, and never more than a ceiling. Where the ceiling does
not bring enough, the quota is missed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from networks.choice import Segments
from networks.errors import CalibrationError
from networks.parts import NEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from networks.solve import Rows

    Array = NDArray[np.float64]

#: Distance of a share from its quota at which the charge counts as found, and the most steps to get there.
_TOLERANCE, _MAX_STEPS = 1e-9, 400
#: Shares nearer to none or all than this have no finite odds.
_EDGE = 1e-9
#: Slopes of the log-odds that a step may count with, over the cost scale: choice is never much more sensitive, and a charge may be nearly idle.
_LEAST_SLOPE, _MOST_SLOPE = 1e-3, 4.0


@dataclass(frozen=True)
class Collection:
    """Rows whose cargo comes to ports or leaves them by land, without the others.

    Attributes
    ----------
    rows
        Rows of the demand rows with a quota at stake, in order.
    at
        Position of each of them among all rows.
    """

    rows: Rows
    at: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Rows) -> Collection:
        """Return the demand rows of which at least one row is trucked to a port under a quota, with all their rows.

        Parameters
        ----------
        rows
            All rows of a network state.
        """
        n_demand = int(rows.demand.max(initial=-1)) + 1
        wanted = np.zeros(n_demand, dtype=np.bool_)
        wanted[rows.demand[rows.trucked >= 0]] = True
        keep = wanted[rows.demand]
        ports = np.flatnonzero(keep[rows.port_start[:-1]])
        groups = np.flatnonzero(keep[rows.group_start[:-1]])
        number = np.append(np.cumsum(keep) - keep, keep.sum())
        cuts = np.array([rows.slices[0][0], *(end for _, end in rows.slices)])
        group_cuts = np.array([rows.group_slices[0][0], *(end for _, end in rows.group_slices)])
        kept_groups = np.searchsorted(groups, group_cuts)
        alternative, demand = rows.group_alternative[groups], rows.group_demand[groups]
        part = replace(
            rows,
            **{
                name: getattr(rows, name)[keep]
                for name in (
                    "demand",
                    "chain",
                    "alternative",
                    "components",
                    "measure",
                    "price",
                    "port",
                    "marks",
                    "place",
                    "trucked",
                    "railed",
                )
            },
            port_start=np.append(number[rows.port_start[ports]], number[-1]),
            group_start=np.append(number[rows.group_start[groups]], number[-1]),
            group_demand=demand,
            group_alternative=alternative,
            features=rows.features[groups],
            segments=Segments.build(demand, NEST[alternative]),
            slices=tuple((int(number[a]), int(number[b])) for a, b in pairwise(cuts)),
            group_slices=tuple((int(a), int(b)) for a, b in pairwise(kept_groups)),
            unserved=rows.unserved[:0],
        )
        return cls(part, np.flatnonzero(keep))

    def tonnes(self, flow: Array, zones: int) -> tuple[Array, Array]:
        """Return what comes and goes by truck and by train at each port ``[zone]`` [t/yr].

        Parameters
        ----------
        flow
            Flow of the rows of the collection [t/yr].
        zones
            Number of zones.
        """
        found = []
        for port in (self.rows.trucked, self.rows.railed):
            mine = port >= 0
            found.append(np.bincount(port[mine], flow[mine], minlength=zones).astype(np.float64))
        return found[0], found[1]


def find_charges(share: Callable[[Array], Array], quota: Array, *, ceiling: float, slope: float, start: Array) -> Array:
    """Return the charge of each port: zero where the quota is met without, else the one that meets it, else the ceiling.

    Parameters
    ----------
    share
        Share that does not come by truck at given charges ``[port]`` -> ``[port]`` [-]; rising in the charge of the port itself.
    quota
        Share asked for ``[port]`` [-]; zero = none.
    ceiling
        Highest charge [CNY/t].
    slope
        Log-odds of the share per unit of its charge to begin with, the cost scale of the choice [1/(CNY/t)].
    start
        Charges to begin with ``[port]`` [CNY/t].

    Returns
    -------
    array (port,)
        Charges [CNY/t].

    Raises
    ------
    CalibrationError
        If the charges do not settle.

    Notes
    -----
    ``0 <= charge``, ``share >= quota``, ``charge x (share - quota) = 0`` below the ceiling. Projected secant steps on the log-odds of the shares, port
    by port: among whole alternatives of a logit these odds are linear in the charge.

    Examples
    --------
    >>> odds = lambda charge: 1 / (1 + np.exp(-(np.array([-1.0, 2.0, -9.0]) + 0.05 * charge)))
    >>> find_charges(odds, np.array([0.5, 0.5, 0.9]), ceiling=100.0, slope=0.05, start=np.zeros(3)).round(6)
    array([ 20.,   0., 100.])
    """
    asked = quota > 0
    target = np.clip(quota, _EDGE, 1.0 - _EDGE)
    charge = np.where(asked, np.clip(start, 0.0, ceiling), 0.0)
    steep = np.full(quota.shape, slope)
    last: tuple[Array, Array] | None = None
    for _ in range(_MAX_STEPS):
        found = np.clip(share(charge), _EDGE, 1.0 - _EDGE)
        odds = np.log(found / (1.0 - found))
        if last is not None:
            moved = charge - last[0]
            told = np.abs(moved) > 1e-9 * (1.0 + charge)
            secant = np.divide(odds - last[1], moved, out=steep.copy(), where=told)
            steep = np.where(told & (secant > 0), np.clip(secant, _LEAST_SLOPE * slope, _MOST_SLOPE * slope), steep)
        last = charge, odds
        off = np.where(asked, target - found, 0.0)
        settled = (np.abs(off) <= _TOLERANCE) | ((charge <= 0.0) & (off < 0)) | ((charge >= ceiling) & (off > 0))
        if settled.all():
            return charge
        step = (np.log(target / (1.0 - target)) - odds) / steep
        charge = np.where(settled, charge, np.clip(charge + step, 0.0, ceiling))
    worst = int(np.abs(np.where(settled, 0.0, off)).argmax())
    msg = (
        f"the charge of the collection quota at port {worst} does not settle: its share is {found[worst]:.6f} after {_MAX_STEPS} steps, "
        f"{quota[worst]:.6f} is asked; ask for a share that is further from what the port's last trains can bring"
    )
    raise CalibrationError(msg)
