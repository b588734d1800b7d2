"""Components of a chain and the generalised cost that is linear in them.

A chain is a vector of components (kilometres, hours, counts of handlings); a tonne's generalised cost is the dot product with one coefficient per
component, ``cost[draw, year] = sum_k X_k c_k[draw, year]`` [CNY/t]. Paths and terminals are frozen per network; costs are recomposed at no cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from networks.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

#: Components of a chain, in the order of the columns of a component matrix.
COMPONENTS: tuple[str, ...] = (
    "road_expressway_km",  # line-haul truck km on expressways
    "road_other_km",  # line-haul truck km on other roads and connectors
    "road_h",  # hours of line-haul trucks
    "road_load",  # truck legs, each loaded and unloaded once
    "rail_tariff_km",  # km the rail tariff is reckoned on
    "rail_h",  # hours of the train at line speed
    "rail_load",  # rail legs: fixed part of the tariff, dwell at both terminals
    "siding_end",  # rail ends served by a siding
    "drayage_end",  # rail ends served by a truck, no siding possible
    "drayage_km",
    "drayage_h",  # hours of these trucks beyond those their price covers: only delays
    "site_drayage_end",  # rail ends served by a truck at a large site that could get a siding
    "site_drayage_km",
    "site_drayage_h",
    "site_yard_price",  # scarcity price of the yards these trucks drive to [CNY/t]
    "sea_km",  # line-haul km of coastal ships
    "sea_h",
    "sea_load",  # sea legs, each handled at two ports
    "roro_km",  # km of trucks on ro-ro ships
    "roro_load",
    "pipeline_km",
    "pipeline_load",
    "last_mile_end",  # pipeline ends reached by truck
    "last_mile_km",
    "last_mile_h",
    "port_truck_bulk",  # 1 if a truck carries dry bulk to or from a port in the province
    "port_train_box",  # 1 if a train carries a container to or from a port in the province
)
COMPONENT: dict[str, int] = {name: i for i, name in enumerate(COMPONENTS)}


def coefficients(values: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Stack one array ``[draw, year]`` per component into ``[draw, year, component]``.

    Parameters
    ----------
    values
        Cost per unit of each component [CNY/t per km, h or count]; a component that is not named costs nothing.

    Raises
    ------
    NetworkError
        If a name is no component.
    """
    unknown = sorted(set(values) - set(COMPONENTS))
    if unknown:
        msg = f"no such cost component: {', '.join(unknown)}; known are {', '.join(COMPONENTS)}"
        raise NetworkError(msg)
    shape = np.broadcast_shapes(*(np.shape(v) for v in values.values()))
    stacked = np.zeros((*shape, len(COMPONENTS)))
    for name, value in values.items():
        stacked[..., COMPONENT[name]] = value
    return stacked


def min_plus(left: NDArray[np.float64], right: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the min-plus product and the minimising middle index.

    Parameters
    ----------
    left, right
        Costs ``[i, k]`` and ``[k, j]``; infinite = no connection.

    Returns
    -------
    cost, middle
        ``cost[i, j] = min_k left[i, k] + right[k, j]`` and its ``k`` (the first on a tie).
    """
    total = left[:, :, None] + right[None, :, :]
    middle = np.argmin(total, axis=1)
    return np.take_along_axis(total, middle[:, None, :], axis=1)[:, 0, :], middle
