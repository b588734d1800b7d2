"""What turns the trips of a city into road traffic: persons per vehicle, empty running, capacity, delay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from transport.cities.attributes import at_normal, positive, unit_share
from transport.cities.layout import ROAD_MODES, CityRoads
from transport.cities.segments import of_area
from transport.layout import YEARS

if TYPE_CHECKING:
    from transport.cities.layout import Array
    from transport.params import Params
    from transport.passengers import TableSource


def city_roads(inputs: TableSource, params: Params, area: str) -> CityRoads:  # noqa: ARG001  (one signature for the parts of a city)
    """Return what turns trips into road traffic in a city.

    Parameters
    ----------
    inputs
        Tables of the run; none is read.
    params
        Parameters with the levers of the run applied.
    area
        Prefecture code; a city without rows of its own takes those of ``all``.

    Returns
    -------
    CityRoads
        Arrays ``[draw, year]``; capacity is exactly one in 2019.

    Raises
    ------
    ValueError
        If a share leaves 0 to 1, or persons per vehicle or a capacity are not positive.

    Notes
    -----
    ``vehicle-km per passenger-km``: car ``1 / persons``; taxi and ride-hailing ``1 / (passengers x (1 - empty share))``. Lanes for buses
    beyond those of 2019 take ``bus_lane_road_share`` of the capacity for each unit of their share of bus-km.
    """
    empty = unit_share(of_area(params, "taxi_empty_share", area), "taxi_empty_share", area)
    hailed = positive(of_area(params, "taxi_occupancy", area) * (1.0 - empty), "taxi_occupancy x (1 - taxi_empty_share)", area)
    per_pkm = {
        "car": 1.0 / positive(of_area(params, "city_car_occupancy", area), "city_car_occupancy", area),
        "taxi": 1.0 / hailed,
        "ride_hailing": 1.0 / hailed,
    }
    background = unit_share(params.get("road_background_share"), "road_background_share", area)
    return CityRoads(
        vehicles_per_pkm=np.stack([per_pkm[mode] for mode in ROAD_MODES]),
        capacity=_capacity(params, area),
        volume_capacity=np.broadcast_to(at_normal(of_area(params, "road_volume_capacity", area)), (params.draws, len(YEARS))),
        background=background,
        delay=params.get("congestion_delay_coefficient"),
        exponent=params.get("congestion_exponent"),
    )


def _capacity(params: Params, area: str) -> Array:
    """Return the road capacity left for cars against 2019, array ``[draw, year]``."""
    built = positive(of_area(params, "road_capacity_index", area), "road_capacity_index", area)
    lanes = unit_share(of_area(params, "bus_lane_share", area), "bus_lane_share", area)
    taken = params.get("bus_lane_road_share") * (lanes - at_normal(lanes))
    return positive(built / at_normal(built) * (1.0 - taken), "road capacity less bus lanes", area)
