"""What transport costs a year in many cases at once, on one yardstick, so that the costs of any two cases can be subtracted.

Money is in constant yuan of 2023. What only changes hands is left out: fares, parking and road charges, carbon prices, subsidies, quota charges;
so are the time and the choice of travellers. Only differences between cases mean anything.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from transport.cities.segments import prefectures
from transport.city_scale import city_scales
from transport.city_works import WORKS, Outlay, trains_in, trains_outlay
from transport.costs import class_cost, inherited, plugged, priced_classes, wires_cost
from transport.freight_outlay import IN_RATES
from transport.measure_costs import (
    DEPARTURES,
    Rows,
    departures_cost,
    ground_power_cost,
    new_ends,
    paving_cost,
    plugs_cost,
    shore_cost,
)
from transport.parts import activity_of
from transport.vehicles import model_vehicles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from transport.city_scale import CityScale
    from transport.inputs import Inputs
    from transport.params import Params
    from transport.parts import Parts
    from transport.vehicles import VehicleOutcome
    from transport.vehicles.tables import VehicleClass

    Array = NDArray[np.float64]

#: Components of the cost, in order.
COMPONENTS: tuple[str, ...] = (
    "vehicles",
    "freight",
    "freight_fleets",
    "rail_wires",
    "freight_works",
    "departures",
    "shore_and_ground_power",
    "plugs",
    "cities",
    "paving",
)


def system_costs(parts: Parts, plain: Params) -> dict[str, Array]:
    """Return component of :data:`COMPONENTS` -> yearly cost of every case ``[case, year]`` [CNY/yr].

    Parameters
    ----------
    parts
        Cases along the draw axis, as from :func:`transport.cases.run_chunk`.
    plain
        Parameters of the cases without their levers, as many draws.

    Raises
    ------
    ValueError
        If the cases were run without what shippers pay.

    Notes
    -----
    ``vehicles``: annuities, second batteries, own chargers, energy and upkeep of all vehicles with prices that do not carry modelled freight.
    ``freight``: what shippers pay for chains at the rates of the rows. It stands for the whole cost of carriers with the fleets of the rows, so that of their vehicles
    (``freight_fleets``) only what differs from those fleets at the same turnover counts. ``cities``: works and service of the measures on city
    travel, without the buses and trains, which stand among the vehicles. Sidings, connections, departures, berths, stands, plugs and
    reclaimed asphalt count beyond the base year or the rows. Projects, closures and sites are the same in all cases and left out.
    """
    inputs, params, outlay = parts.inputs, parts.params, parts.freight.outlay
    if outlay is None:
        msg = "the cases were run without what shippers pay; give them priced=True"
        raise ValueError(msg)
    zero = np.zeros_like(params.get("rail_electrified_share"))
    with_parents, classes = inherited(inputs, params)
    carbon = np.zeros((len(parts.vehicles.energy.keys), *zero.shape))
    rates, usual = _fleets_of_rows(parts, plain)
    rows, _ = inherited(inputs, rates)
    own, freight = zero, zero
    for spec in priced_classes(classes, with_parents):
        cost = class_cost(with_parents, spec, parts.vehicles, carbon).total()
        if _carries_freight(spec):
            freight = freight + cost - class_cost(rows, spec, usual, np.zeros((len(usual.energy.keys), *zero.shape))).total()
        else:
            own = own + cost
    works = sum((sum(new_ends(params, parts.freight, kind), zero) for kind in ("siding", "pipe_connection")), zero)
    rows_of = Rows(plain, None)
    added = [(p, port) for p in DEPARTURES for port in params.subjects(p)]
    power = shore_cost(params, parts.factors).total() + ground_power_cost(params, parts.factors).total()
    return {
        "vehicles": own,
        "freight": outlay,
        "freight_fleets": freight,
        "rail_wires": wires_cost(params, parts.vehicles.rail_electrified_share),
        "freight_works": works,
        "departures": zero + departures_cost(rows_of, params, added).total(),
        "shore_and_ground_power": zero + power,
        "plugs": zero + plugs_cost(rows_of, params, plugged(inputs, params, parts.vehicles, parts.vehicles)).total(),
        "cities": _cities(inputs, params, plain),
        "paving": zero + paving_cost(params).total(),
    }


def _carries_freight(spec: VehicleClass) -> bool:
    """Return whether the freight model pays the carriers of a class."""
    return spec.distance_driver in {"truck_tkm", "ship"} or spec.name == "locomotive_freight"


def _fleets_of_rows(parts: Parts, plain: Params) -> tuple[Params, VehicleOutcome]:
    """Return the rows without levers but the loads of the case, and the fleets that they give for its turnover."""
    params = plain
    for parameter in IN_RATES:
        for subject in parts.params.subjects(parameter):
            params = params.replace(parameter, subject, parts.params.get(parameter, subject))
    activity = activity_of(parts.inputs, parts.params, parts.freight, parts.passengers, parts.urban)
    return params, model_vehicles(parts.inputs, params, activity, hold_composition_after=parts.hold_year)


def _cities(inputs: Inputs, params: Params, plain: Params) -> Array:
    """Return the cost of the measures on city travel in all cities ``[case, year]``: each taken from the run without those before it."""
    now, total = params, np.zeros_like(params.get("rail_electrified_share"))
    known = prefectures(inputs.table("codes"))
    for works in WORKS:
        keys = [
            (parameter, subject)
            for p in works.parameters
            for parameter, subject in ([p] if isinstance(p, tuple) else [(p, s) for s in params.subjects(p)])
        ]
        moved = [key for key in keys if not np.array_equal(now.get(*key), _row(plain, *key))]
        if not moved:
            continue
        then = now
        for key in moved:
            then = then.replace(*key, _row(plain, *key))
        scales = city_scales(inputs, then)
        total = total + sum(_beside_fleets(scales[a], works.outlay(scales[a], now, then), now) for a in known)
        now = then
    return total


def _row(plain: Params, parameter: str, subject: str) -> Array:
    """Return a row without levers; an area that a lever is set for may have none of its own."""
    return plain.get(parameter, subject) if plain.has(parameter, subject) else plain.get(parameter)


def _beside_fleets(city: CityScale, outlay: Outlay, params: Params) -> Array:
    """Return the cost of a measure in a city without the buses and metro trains that it adds to the fleets of the province."""
    bus = city.bus
    buses = np.divide(outlay.bus_km, bus.km, out=np.zeros_like(outlay.bus_km + bus.km), where=bus.km > 0.0)
    of_trains = trains_outlay(trains_in(outlay, params), params).total()
    return np.asarray(outlay.total() - buses * (bus.vehicle + bus.energy + bus.upkeep) - of_trains)


def total_cost(components: dict[str, Array]) -> Array:
    """Return the sum of the components ``[case, year]`` [CNY/yr]."""
    return np.asarray(reduce(np.add, (components[name] for name in COMPONENTS)))
