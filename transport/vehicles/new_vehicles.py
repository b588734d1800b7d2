"""What one new vehicle of each powertrain does and uses: energy per unit of work, and work per vehicle and year.

The energy model itself is asked, for a stock of new vehicles only: weather, load and speeds are those of the year. Road vehicles, high-speed
and metro trains work in km, the others in 1000 tonne-km, seat-km or gross tonne-km (:data:`UNITS`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fleets import energy as formula
from fleets.stock import StockPath
from transport.vehicles import energies
from transport.vehicles.stocks import required_stock
from transport.vehicles.work import road_distance_km

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.params import Params
    from transport.vehicles.tables import Activity, Array, Climate, VehicleClass

_KG_PER_T = 1000.0
_ELECTRIC = "electric_traction"
_DIESEL, _POWER = "diesel", "electricity"
#: Unit of the work as it is shown -> unit of the work of the energy model, and how many of these it holds.
UNITS: dict[str, tuple[str, float]] = {
    "km": ("km", 1.0),
    "1000_tkm": ("tkm", 1000.0),
    "1000_seat_km": ("seat_km", 1000.0),
    "1000_gross_tkm": ("gross_tkm", 1000.0),
    "1000_total_tkm": ("total_tkm", 1000.0),
}


@dataclass(frozen=True)
class NewVehicle:
    """Use of a new vehicle by powertrain.

    Attributes
    ----------
    unit
        Unit of the work, a key of :data:`UNITS`.
    energy
        Carrier -> use per unit of work ``[draw, year, powertrain]`` in native units.
    work
        Work of a vehicle in a year ``[draw, year, powertrain]`` [unit/veh/yr].
    """

    unit: str
    energy: Mapping[str, Array]
    work: Array


def new_vehicle(spec: VehicleClass, params: Params, activity: Activity, climate: Mapping[str, Climate]) -> NewVehicle:
    """Return what a new vehicle of each powertrain of a class does and uses.

    Parameters
    ----------
    spec
        A class with powertrains.
    params
        Parameters of the run; members of a group inherit its rows.
    activity
        Turnover, from which the yearly distance of trucks, coaches and cars follows.
    climate
        Weather by climate group.

    Returns
    -------
    NewVehicle
    """
    if spec.stock_driver == "locomotive":
        return _locomotive(spec, params)
    if spec.name == "high_speed_train":
        use = params.get("seats", spec.name) * params.get("high_speed_electricity") * params.get("rail_energy_index")
        return _train(spec, params, use)
    if spec.name == "metro_train":
        return _train(spec, params, params.get("metro_electricity"))
    required = required_stock(spec, params, activity)
    book = energies.EnergyBook((required.shape[0], required.shape[1]))
    path = _new_stock(required, len(spec.pairs))
    if spec.climate:
        energies.add_road(book, spec, params, activity, path, climate[spec.climate], None, in_service=False)
        work = road_distance_km(spec, params, activity, path)
        return _shared(spec, book, work, "km", required)
    if spec.distance_driver == "ship":
        energies.add_ships(book, spec, params, activity, path, None)
        unit = "1000_seat_km" if spec.name == "ro_pax_ship" else "1000_tkm"
    else:
        energies.add_aircraft(book, params, activity)
        unit = "1000_total_tkm"
    work = sum((moved for key, (_, moved, _) in book.moved.items() if key.vehicle_class == spec.name), np.zeros(required.shape))
    return _shared(spec, book, work / UNITS[unit][1], unit, required)


def _new_stock(required: Array, n_train: int) -> StockPath:
    """Return a stock of new vehicles only, as many of each powertrain."""
    stock = np.zeros((*required.shape, n_train, 2))
    stock[..., 0] = required[..., None] / n_train
    none = np.zeros(stock.shape[:3])
    return StockPath(stock, none, none, none)


def _shared(spec: VehicleClass, book: energies.EnergyBook, work: Array, unit: str, required: Array) -> NewVehicle:
    """Return the use of a class whose powertrains share the work equally."""
    n_train = len(spec.pairs)
    used: dict[str, Array] = {}
    for (_, train, carrier), amount in book.rows.items():
        k = next(i for i, p in enumerate(spec.pairs) if p.powertrain == train)
        used.setdefault(carrier, np.zeros((*required.shape, n_train)))[..., k] += amount / (work / n_train)
    return NewVehicle(unit, used, _for_each(work / required, n_train))


def _locomotive(spec: VehicleClass, params: Params) -> NewVehicle:
    """Return the use of locomotives: each traction does its own gross tonne-km."""
    scale = UNITS["1000_gross_tkm"][1]
    index = params.get("rail_energy_index")
    used, work = {}, []
    for k, pair in enumerate(spec.pairs):
        wired = pair.powertrain == _ELECTRIC
        gross = np.full_like(index, scale)
        power, diesel = formula.traction_energy(
            gross,
            np.full_like(index, float(wired)),
            params.get("rail_traction_electricity", spec.name),
            params.get("rail_traction_diesel", spec.name),
            index,
        )
        amount = power if wired else diesel
        by_train = np.zeros((*index.shape, len(spec.pairs)))
        by_train[..., k] = amount
        used[_POWER if wired else _DIESEL] = by_train
        work.append(params.get("locomotive_annual_gross_tkm", f"{spec.name}:{pair.powertrain}") / scale)
    return NewVehicle("1000_gross_tkm", used, np.stack(work, axis=-1))


def _train(spec: VehicleClass, params: Params, kwh_per_km: Array) -> NewVehicle:
    return NewVehicle(
        "km",
        {_POWER: _for_each(kwh_per_km, len(spec.pairs))},
        _for_each(params.get("annual_distance", spec.name), len(spec.pairs)),
    )


def _for_each(array: Array, n_train: int) -> Array:
    return np.repeat(np.asarray(array)[..., None], n_train, axis=-1)
