"""Where taxis are and how far a station is: zones of a city with their share of the activity by hour, small cells, distances along streets.

A taxi that looks for a charge stands in a zone by its share of the activity in that hour, and in any cell of it. Cells are small against the distance
to a station, so that each station has its own surroundings however few stations drivers compare.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from fleets.errors import ChargingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

_HOURS = 24
_GOLDEN_ANGLE = math.pi * (3.0 - math.sqrt(5.0))
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Zones:
    """Zones of a city, each made of cells of equal activity.

    Attributes
    ----------
    names
        Name of each zone.
    activity
        Share of the taxis in each zone by hour of the day, array ``(24, zone)``; each hour sums to 1.
    cell_zone
        Zone of each cell, array ``(cell,)``, rising.
    at_km
        Middle of each cell, array ``(cell, 2)`` [km].
    speed_km_h
        Speed of taxis on the road by hour of the day, array ``(24,)`` [km/h].
    detour
        Distance along streets / straight distance.
    """

    names: tuple[str, ...]
    activity: NDArray[np.float64]
    cell_zone: NDArray[np.int64]
    at_km: NDArray[np.float64]
    speed_km_h: NDArray[np.float64]
    detour: float

    def __post_init__(self) -> None:
        if self.activity.shape != (_HOURS, len(self.names)) or (self.activity < 0.0).any():
            msg = f"activity needs shares of 24 hours in {len(self.names)} zones, none negative, got shape {self.activity.shape}"
            raise ChargingError(msg)
        sums = self.activity.sum(axis=1)
        if (np.abs(sums - 1.0) > _ROUNDING).any():
            hour = int(np.argmax(np.abs(sums - 1.0)))
            msg = f"the shares of the zones in hour {hour} sum to {sums[hour]:.6g}, not to 1"
            raise ChargingError(msg)
        if sorted(set(self.cell_zone.tolist())) != list(range(len(self.names))) or (np.diff(self.cell_zone) < 0).any():
            msg = "every zone needs a cell, and cells stand in the order of their zones"
            raise ChargingError(msg)
        if self.speed_km_h.shape != (_HOURS,) or not (self.speed_km_h > 0.0).all() or not self.detour >= 1.0:
            msg = f"need a positive speed for 24 hours and a detour of at least 1, got {self.speed_km_h} and {self.detour}"
            raise ChargingError(msg)

    @cached_property
    def _cumulative(self) -> list[list[float]]:
        return [row[:-1] for row in np.cumsum(self.activity, axis=1).tolist()]

    @cached_property
    def _cells(self) -> list[tuple[int, int]]:
        first = np.searchsorted(self.cell_zone, np.arange(len(self.names)))
        count = np.bincount(self.cell_zone, minlength=len(self.names))
        return list(zip(first.tolist(), count.tolist(), strict=True))

    @cached_property
    def min_per_km(self) -> list[float]:
        """Return the minutes of a kilometre by hour of the day [min/km]."""
        return [60.0 / v for v in self.speed_km_h.tolist()]

    def zone(self, hour: int, u: float) -> int:
        """Return the zone of a taxi in an hour of the day from a uniform number."""
        return bisect_right(self._cumulative[hour], u)

    def cell(self, zone: int, u: float) -> int:
        """Return a cell of a zone from a uniform number."""
        first, count = self._cells[zone]
        return first + min(int(u * count), count - 1)

    def near(self, sites_km: ArrayLike, compared: int) -> list[list[tuple[float, int]]]:
        """Return for each cell the nearest sites with their distance along streets, the nearest first.

        Parameters
        ----------
        sites_km
            Sites, array ``(site, 2)`` [km].
        compared
            Sites kept for each cell.
        """
        sites = np.asarray(sites_km, dtype=np.float64).reshape(-1, 2)
        far = self.detour * np.hypot(*(self.at_km[:, None, :] - sites[None, :, :]).transpose(2, 0, 1))
        order = np.argsort(far, axis=1, kind="stable")[:, :compared]
        return [list(zip(far[i, row].tolist(), row.tolist(), strict=True)) for i, row in enumerate(order)]

    def mean_nearest_km(self, sites_km: ArrayLike) -> float:
        """Return the mean distance along streets to the nearest of some sites, over the activity of a day [km]; 0 without sites."""
        nearest = [row[0][0] if row else 0.0 for row in self.near(sites_km, 1)]
        weight = (self.activity.mean(axis=0) / np.bincount(self.cell_zone))[self.cell_zone]
        return float((weight * np.array(nearest)).sum())

    def between_km(self) -> NDArray[np.float64]:
        """Return the mean distance along streets between the cells of two zones, array ``(zone, zone)`` [km]."""
        far = self.detour * np.hypot(*(self.at_km[:, None, :] - self.at_km[None, :, :]).transpose(2, 0, 1))
        first = [start for start, _ in self._cells]
        sums = np.add.reduceat(np.add.reduceat(far, first, axis=0), first, axis=1)
        count = np.array([n for _, n in self._cells])
        return np.asarray(sums / np.outer(count, count))


def one_place() -> Zones:
    """Return a city without distances: one zone with one cell."""
    return Zones(("city",), np.ones((_HOURS, 1)), np.zeros(1, dtype=np.int64), np.zeros((1, 2)), np.full(_HOURS, 60.0), 1.0)


def ring_points(inner_km: float, outer_km: float, count: int, *, turn: float = 0.0) -> NDArray[np.float64]:
    """Return points spread evenly over a ring around the origin, array ``(count, 2)`` [km].

    Parameters
    ----------
    inner_km, outer_km
        Radii of the ring [km].
    count
        Number of points.
    turn
        Angle of the first point, so that several sets do not coincide [rad].

    Notes
    -----
    Sunflower spiral: equal steps of the area outwards, each turned by the golden angle.
    """
    step = (np.arange(count) + 0.5) / max(count, 1)
    radius = np.sqrt(inner_km**2 + (outer_km**2 - inner_km**2) * step)
    angle = turn + _GOLDEN_ANGLE * np.arange(count)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def ring_zones(
    names: Sequence[str],
    radii_km: Sequence[float],
    activity: ArrayLike,
    speed_km_h: ArrayLike,
    *,
    detour: float,
    cells: int = 60,
) -> Zones:
    """Return a city of rings around its centre.

    Parameters
    ----------
    names
        Name of each ring from the middle outwards.
    radii_km
        Outer radius of each ring, rising [km].
    activity
        Share of the taxis by hour and ring, array ``(24, ring)``.
    speed_km_h
        Speed by hour, array ``(24,)`` [km/h].
    detour
        Distance along streets / straight distance.
    cells
        Cells of each ring.

    Raises
    ------
    ChargingError
        If the radii do not rise, or shares, speeds or the detour are no such.
    """
    edges = [0.0, *(float(r) for r in radii_km)]
    if len(names) != len(radii_km) or (np.diff(edges) <= 0.0).any():
        msg = f"{len(names)} rings need as many rising radii, got {list(radii_km)} km"
        raise ChargingError(msg)
    points = [ring_points(a, b, cells) for a, b in pairwise(edges)]
    return Zones(
        tuple(names),
        np.asarray(activity, dtype=np.float64),
        np.repeat(np.arange(len(names)), cells),
        np.concatenate(points),
        np.asarray(speed_km_h, dtype=np.float64),
        float(detour),
    )


def place_sites(radii_km: Sequence[float], share: Sequence[float], count: int, *, turn: float = 1.0) -> NDArray[np.float64]:
    """Return the places of stations in rings, array ``(count, 2)`` [km].

    Parameters
    ----------
    radii_km
        Outer radius of each ring, rising [km].
    share
        Share of the stations in each ring, any scale.
    count
        Number of stations.
    turn
        As in :func:`ring_points`.

    Raises
    ------
    ChargingError
        If the shares have no positive sum or one is negative.

    Notes
    -----
    The stations stand at the quantiles (i + 1/2) / count of the distance from the centre: evenly over the area of a ring, rings by their share.

    Examples
    --------
    >>> place_sites([6.0, 10.0], [1.0, 0.0], 1).round(3).tolist()
    [[2.292, 3.57]]
    """
    weight, edges = np.asarray(share, dtype=np.float64), np.array([0.0, *radii_km])
    if weight.shape != (len(radii_km),) or (weight < 0.0).any() or not weight.sum() > 0.0:
        msg = f"share={list(share)} needs one value per ring, none negative, with a positive sum"
        raise ChargingError(msg)
    upto = np.concatenate([[0.0], np.cumsum(weight / weight.sum())])
    step = (np.arange(count) + 0.5) / max(count, 1)
    ring = np.clip(np.searchsorted(upto, step, side="right") - 1, 0, weight.size - 1)
    part = (step - upto[ring]) / (upto[ring + 1] - upto[ring])
    radius = np.sqrt(edges[ring] ** 2 + part * (edges[ring + 1] ** 2 - edges[ring] ** 2))
    angle = turn + _GOLDEN_ANGLE * np.arange(count)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
