"""What the vehicles have to do: distance of road vehicles, gross tonne-km of trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fleets import energy as formula
from transport.freight_costs import truck_load_t
from transport.vehicles.groups import share_in_group

if TYPE_CHECKING:
    from fleets.stock import StockPath
    from transport.params import Params
    from transport.vehicles.tables import Activity, Array, VehicleClass


def truck_tkm(name: str, params: Params, activity: Activity) -> Array:
    """Return the tonne-km of a truck class [tkm/yr]; tractors take what the others leave."""
    named = [s for s in params.subjects("truck_tkm_share") if s != name]
    share = (
        params.get("truck_tkm_share", name)
        if params.has("truck_tkm_share", name)
        else 1.0 - sum((params.get("truck_tkm_share", s) for s in named), np.zeros_like(activity.road_freight_tkm))
    )
    return activity.road_freight_tkm * share


def truck_distance_km(name: str, params: Params, activity: Activity) -> Array:
    """Return the distance of a truck class [km/yr]."""
    return truck_tkm(name, params, activity) / truck_load_t(name, params)


def ship_tkm(spec: VehicleClass, params: Params, activity: Activity) -> Array:
    """Return the tonne-km of a class of cargo ships [tkm/yr]."""
    turnover = activity.coastal_tkm if spec.group == "coastal_ship" else activity.ocean_tkm
    return np.asarray(turnover * share_in_group(spec, params))


def road_distance_km(spec: VehicleClass, params: Params, activity: Activity, path: StockPath) -> Array:
    """Return the distance driven by a road class [km/yr]."""
    if spec.distance_driver == "truck_tkm":
        return truck_distance_km(spec.name, params, activity)
    if spec.distance_driver == "coach_pkm":
        return formula.passenger_distance_km(
            activity.passenger_pkm["coach"], params.get("seats", spec.name), activity.passenger_load["coach"]
        )
    if spec.stock_driver == "light_freight":  # goods decide: a stock that shrinks more slowly than they do is driven less
        return activity.light_trucks * params.get("annual_distance", spec.name)
    distance = path.total() * params.get("annual_distance", spec.name)
    if spec.distance_driver == "car_pkm":
        distance = distance + activity.private_car_pkm / params.get("persons_per_car", spec.name)
    if spec.name in activity.city_shift_km:
        distance = distance + activity.city_shift_km[spec.name]
    return distance


def gross_tkm(name: str, params: Params, activity: Activity, electrified: Array) -> tuple[Array, Array]:
    """Return gross tonne-km of a locomotive class and the share hauled electrically."""
    electric = formula.electric_traction_share(electrified, params.get("rail_traffic_concentration", name))
    if name == "locomotive_freight":
        return formula.freight_gross_tkm(activity.rail_freight_tkm, params.get("rail_net_gross_ratio")), electric
    gross = formula.passenger_gross_tkm(
        activity.passenger_pkm["conventional"],
        params.get("seats", name),
        activity.passenger_load["conventional"],
        params.get("train_mass", name),
    )
    return gross, electric
