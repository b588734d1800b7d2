"""What is counted along a chain: tonnes lifted, kilometres inside and outside the province, long hauls, port collection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from networks.cost import COMPONENT
from networks.parts import NEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from networks.parts import ChainSet

#: Columns of a measure matrix; a total is the sum of flow x column.
MEASURES: tuple[str, ...] = (
    "t_road",
    "t_rail",
    "t_water",
    "t_pipeline",
    "km_road",
    "km_rail",
    "km_water",
    "km_pipeline",
    "territory_km_road",
    "territory_km_rail",
    "territory_km_water",
    "territory_km_pipeline",
    "site_rail_t",  # truck access to a railway at large sites without a siding
    "site_rail_km",
    "site_rail_territory_km",
    "site_pipe_t",  # truck last mile of pipelines
    "site_pipe_km",
    "site_pipe_territory_km",
    "rail_loaded_t",  # loaded on trains at stations in the province
    "used_km",
    "shortest_km",
    "long_km",  # all km of hauls at or above the long-haul distance
    "long_clean_km",  # of these by rail and water
    "port_t",  # hauls to or from a port in the province
    "port_clean_t",  # of these by rail, water or pipeline
    "port_rail_t",  # of these by rail
)
MEASURE: dict[str, int] = {name: i for i, name in enumerate(MEASURES)}
#: What a cost can hang on that is no sum over the legs of a chain: columns of a mark matrix.
MARKS: tuple[str, ...] = (
    "rail_short",  # rail hauls below the short-haul distance of the tariff
    "rail_short_km",  # their tariff km
    "road_long",  # hauls at or above the long-haul distance that go by truck all the way
    "rail_ferry",  # crossings by train ferry
)
MARK: dict[str, int] = {name: i for i, name in enumerate(MARKS)}


def measure_matrix(
    chains: ChainSet, chain: NDArray[np.int64], *, long_haul_km: float, port_pair: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the measure matrix ``[row, measure]`` of rows that use the given chains.

    Parameters
    ----------
    chains
        Chains of one network.
    chain
        Chain of each row.
    long_haul_km
        Shortest length from which a haul is long [km].
    port_pair
        Per pair: one end is a port in the province.
    """
    part = chains.part
    pair = chains.pair[chain]
    matrix = np.zeros((chain.size, len(MEASURES)))
    matrix[:, 0:4] = part.lifted[chain]
    matrix[:, 4:8] = part.km[chain]
    matrix[:, 8:12] = part.territory_km[chain]
    matrix[:, 12:15] = part.site[chain, 0]
    matrix[:, 15:18] = part.site[chain, 1]
    matrix[:, MEASURE["rail_loaded_t"]] = part.loaded[chain]
    used = part.km[chain].sum(axis=1) + part.site[chain, :, 1].sum(axis=1)
    matrix[:, MEASURE["used_km"]] = used
    matrix[:, MEASURE["shortest_km"]] = chains.shortest_km[pair]
    long = chains.shortest_km[pair] >= long_haul_km
    matrix[:, MEASURE["long_km"]] = long * used
    matrix[:, MEASURE["long_clean_km"]] = long * (part.km[chain, 1] + part.km[chain, 2])
    at_port = port_pair[pair]
    matrix[:, MEASURE["port_t"]] = at_port
    # a chain whose main leg is a train, a ship or a pipe collects cleanly, whatever its far end needs
    nest = NEST[chains.alternative[chain]]
    matrix[:, MEASURE["port_clean_t"]] = at_port & (nest != 0)
    matrix[:, MEASURE["port_rail_t"]] = at_port & (nest == 1)
    return matrix


def mark_matrix(
    chains: ChainSet,
    chain: NDArray[np.int64],
    *,
    short_haul_km: float,
    long_haul_km: float,
    ferries: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the mark matrix ``[row, mark]`` (:data:`MARKS`) of rows that use the given chains.

    Parameters
    ----------
    chains
        Chains of one network.
    chain
        Chain of each row.
    short_haul_km
        Tariff distance below which a rail haul is short [km].
    long_haul_km
        Shortest length from which a haul is long [km].
    ferries
        Crossings by train ferry of each chain ``[chain]``; without it none.

    Notes
    -----
    A tariff distance is that of the path the chain was built on, as tariffs are reckoned on the shortest way, not on the one a train takes.
    """
    tariff_km = chains.part.components[chain, COMPONENT["rail_tariff_km"]]
    short = (chains.part.components[chain, COMPONENT["rail_load"]] > 0) & (tariff_km < short_haul_km)
    matrix = np.zeros((chain.size, len(MARKS)))
    matrix[:, MARK["rail_short"]] = short
    matrix[:, MARK["rail_short_km"]] = short * tariff_km
    matrix[:, MARK["road_long"]] = (NEST[chains.alternative[chain]] == 0) & (
        chains.shortest_km[chains.pair[chain]] >= long_haul_km
    )
    if ferries is not None:
        matrix[:, MARK["rail_ferry"]] = ferries[chain]
    return matrix


def fold_sites(
    totals: NDArray[np.float64], siding_share: NDArray[np.float64], pipe_share: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Add truck access at large sites to road, less the share that sidings and pipe connections replace.

    Parameters
    ----------
    totals
        ``[commodity, measure, draw, year]``.
    siding_share, pipe_share
        Share of that access which is replaced ``[draw, year]`` [-].

    Returns
    -------
    array
        A new array; a replaced truck leg becomes siding or pipe kilometres of the main mode, so that length is kept.
    """
    folded = totals.copy()
    for prefix, share, mode in (("site_rail", siding_share, "rail"), ("site_pipe", pipe_share, "pipeline")):
        for column, base in (("_t", "t"), ("_km", "km"), ("_territory_km", "territory_km")):
            amount = totals[:, MEASURE[prefix + column]]
            folded[:, MEASURE[f"{base}_road"]] += amount * (1.0 - share)
            if base != "t":
                folded[:, MEASURE[f"{base}_{mode}"]] += amount * share
    return folded
