"""Energy of vehicles in native units: litres, kilograms, cubic metres and kWh at the plug.

Every function takes arrays ``[draw, year]`` (or anything that broadcasts) and returns the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Kilograms per tonne.
KG_PER_T = 1000.0


def temperature_weights(temperature_c: Array, weight: Array, knot_c: Array) -> Array:
    """Return how much of the year counts at each knot of a temperature curve.

    Parameters
    ----------
    temperature_c
        Array ``[..., place, month]`` of monthly means [degC].
    weight
        Array ``[place]``, for example the population; scaled to sum 1.
    knot_c
        Array ``[knot]`` of rising temperatures [degC].

    Returns
    -------
    array ``[..., knot]`` with sum 1 over knots

    Notes
    -----
    Weights of linear interpolation, flat outside the knots, averaged over places and months (months count alike).
    """
    share, basis = _knot_basis(temperature_c, weight, knot_c)
    return np.asarray(np.einsum("p,...pmk->...k", share, basis) / basis.shape[-2])


def monthly_temperature_weights(temperature_c: Array, weight: Array, knot_c: Array) -> Array:
    """Return how much of each month counts at each knot of a temperature curve.

    Parameters
    ----------
    temperature_c, weight, knot_c
        As in :func:`temperature_weights`.

    Returns
    -------
    array ``[..., month, knot]`` with sum 1 over knots; its mean over months is :func:`temperature_weights`

    Examples
    --------
    >>> monthly_temperature_weights(np.array([[-10.0, 0.0, 10.0]]), np.ones(1), np.array([-10.0, 10.0]))
    array([[1. , 0. ],
           [0.5, 0.5],
           [0. , 1. ]])
    """
    share, basis = _knot_basis(temperature_c, weight, knot_c)
    return np.asarray(np.einsum("p,...pmk->...mk", share, basis))


def _knot_basis(temperature_c: Array, weight: Array, knot_c: Array) -> tuple[Array, Array]:
    """Return the share of each place and the weights of linear interpolation ``[..., place, month, knot]``."""
    temperature = np.asarray(temperature_c, dtype=np.float64)
    knots = np.asarray(knot_c, dtype=np.float64)
    if bool(np.any(np.diff(knots) <= 0)):
        msg = "temperature knots must rise"
        raise ValueError(msg)
    share = np.asarray(weight, dtype=np.float64) / float(np.sum(weight))
    return share, np.stack([np.interp(temperature, knots, row) for row in np.eye(len(knots))], axis=-1)


def temperature_multiplier(temperature_c: Array, weight: Array, knot_c: Array, multiplier: Array) -> Array:
    """Return the mean energy multiplier of a year over places and months.

    Parameters
    ----------
    temperature_c
        Array ``[..., place, month]`` of monthly means [degC].
    weight
        Array ``[place]``, for example the population; scaled to sum 1.
    knot_c
        Array ``[knot]`` of rising temperatures [degC].
    multiplier
        Array ``[..., knot]`` of energy relative to mild weather.

    Returns
    -------
    array ``[...]``

    Notes
    -----
    Linear between knots and flat outside: measured bus use stays level below -10 degC.
    """
    return np.asarray((temperature_weights(temperature_c, weight, knot_c) * multiplier).sum(axis=-1))


def band_multiplier(share: Array, multiplier: Array, reference_share: Array, reference_multiplier: Array) -> Array:
    """Return energy per km relative to the reference mix of speed bands.

    Parameters
    ----------
    share, reference_share
        Arrays ``[..., band]`` of the distance by band; each sums to 1 over bands.
    multiplier, reference_multiplier
        Arrays ``[..., band]`` of energy per km relative to a trunk road.

    Notes
    -----
    sum(share * multiplier) / sum(reference share * reference multiplier).
    """
    return np.asarray((share * multiplier).sum(axis=-1) / (reference_share * reference_multiplier).sum(axis=-1))


def band_ratio(share: Array, multiplier: Array) -> Array:
    """Return energy per km in each speed band relative to the mean over the bands.

    Parameters
    ----------
    share
        Array ``[..., band]`` of the distance by band; sums to 1 over bands.
    multiplier
        Array ``[..., band]`` of energy per km relative to a trunk road.

    Returns
    -------
    array ``[..., band]`` whose mean over the distance is 1

    Notes
    -----
    multiplier / sum(share * multiplier).
    """
    return np.asarray(multiplier / (share * multiplier).sum(axis=-1, keepdims=True))


def load_multiplier(load_t: Array, reference_load_t: Array, load_fuel_share: Array) -> Array:
    """Return energy per km relative to the one at the reference load.

    Parameters
    ----------
    load_t, reference_load_t
        Mean load over all km, empty ones included [t/veh].
    load_fuel_share
        Share of the energy at the reference load that grows with the load.

    Notes
    -----
    1 + k * (load / reference - 1); at zero load 1 - k is left.
    """
    return np.asarray(1.0 + load_fuel_share * (load_t / reference_load_t - 1.0))


def speed_multiplier(speed_ratio: Array, exponent: Array, auxiliary_share: Array) -> Array:
    """Return a ship's energy per tonne-km relative to that at its usual speed.

    Parameters
    ----------
    speed_ratio
        Speed relative to the usual one.
    exponent
        Power of the speed with which the energy of propulsion per distance grows; 2 where engine power grows with the cube.
    auxiliary_share
        Share of the energy at the usual speed that runs with time, not with distance.

    Notes
    -----
    (1 - h) v ** n + h / v: slow ships burn less for propulsion and longer for everything else.
    """
    propulsion = speed_ratio**exponent
    return np.asarray(propulsion + auxiliary_share * (1.0 / speed_ratio - propulsion))  # 1 to the last bit at the usual speed


def speed_work_multiplier(speed_ratio: Array, sea_time_share: Array) -> Array:
    """Return the yearly tonne-km of a ship relative to those at its usual speed.

    Parameters
    ----------
    speed_ratio
        Speed relative to the usual one.
    sea_time_share
        Share of the year under way at the usual speed.

    Notes
    -----
    1 / (s / v + 1 - s): a round trip takes the sea time over v and the same time in port.
    """
    return np.asarray(1.0 / (1.0 + sea_time_share * (1.0 / speed_ratio - 1.0)))  # 1 to the last bit at the usual speed


def freight_distance_km(turnover_tkm: Array, payload_t: Array, load_factor: Array, loaded_km_share: Array) -> Array:
    """Return the vehicle-km that carry a turnover [km/yr].

    Notes
    -----
    tkm / (payload * load factor of loaded trips * share of km that are loaded).
    """
    return np.asarray(turnover_tkm / (payload_t * load_factor * loaded_km_share))


def passenger_distance_km(pkm: Array, seats: Array, occupancy: Array) -> Array:
    """Return the vehicle-km that carry a passenger turnover [km/yr]: pkm / (seats * occupancy)."""
    return np.asarray(pkm / (seats * occupancy))


def litres_to_t(litres: Array, density_kg_per_l: Array) -> Array:
    """Return the mass of a volume of fuel [t]."""
    return np.asarray(litres * density_kg_per_l / KG_PER_T)


def grid_energy_kwh(distance_km: Array, use_kwh_per_km: Array, charging_loss: Array) -> Array:
    """Return electricity drawn from the grid [kWh].

    Parameters
    ----------
    distance_km
        Distance driven on electricity [km].
    use_kwh_per_km
        Energy out of the battery [kWh/km].
    charging_loss
        Share of the grid energy lost in charger, battery and preheating.

    Notes
    -----
    distance * use / (1 - loss).
    """
    return np.asarray(distance_km * use_kwh_per_km / (1.0 - charging_loss))


def electric_traction_share(electrified_share: Array, concentration: Array) -> Array:
    """Return the share of gross tonne-km hauled electrically.

    Parameters
    ----------
    electrified_share
        Electrified length / operating length.
    concentration
        How much denser traffic is on electrified lines; 1 = not at all.

    Notes
    -----
    1 - (1 - e) ** concentration: 0 at e = 0, 1 at e = 1, rising and above e for a concentration above 1.
    """
    return np.asarray(1.0 - (1.0 - np.clip(electrified_share, 0.0, 1.0)) ** concentration)


def freight_gross_tkm(net_tkm: Array, net_gross_ratio: Array) -> Array:
    """Return gross tonne-km of freight trains, wagons and empty runs included [gtkm/yr]."""
    return np.asarray(net_tkm / net_gross_ratio)


def passenger_gross_tkm(pkm: Array, seats: Array, occupancy: Array, train_t: Array) -> Array:
    """Return gross tonne-km of passenger trains [gtkm/yr]: train-km x mass of the train."""
    return passenger_distance_km(pkm, seats, occupancy) * train_t


def traction_energy(
    gross_tkm: Array, electric_share: Array, electricity_kwh_per_gtkm: Array, diesel_kg_per_gtkm: Array, index: Array
) -> tuple[Array, Array]:
    """Return traction electricity [kWh/yr] and traction diesel [t/yr]; ``index`` scales both."""
    electricity = gross_tkm * electric_share * electricity_kwh_per_gtkm * index
    diesel = gross_tkm * (1.0 - electric_share) * diesel_kg_per_gtkm * index / KG_PER_T
    return np.asarray(electricity), np.asarray(diesel)


def aircraft_fuel_t(
    freight_tkm: Array, pkm: Array, occupancy: Array, reference_occupancy: Array, passenger_t: Array, kg_per_tkm: Array
) -> Array:
    """Return jet fuel [t/yr].

    Parameters
    ----------
    freight_tkm, pkm
        Turnover [tkm/yr, pkm/yr].
    occupancy, reference_occupancy
        Seat occupancy, and the one at which ``kg_per_tkm`` holds.
    passenger_t
        Mass of a passenger with bags in transport statistics [t/pax].
    kg_per_tkm
        Fuel per total tonne-km [kg/tkm].

    Notes
    -----
    Fuel follows the seats that fly: kg_per_tkm * (freight tkm + pkm * passenger_t * reference occupancy / occupancy).
    """
    return np.asarray(kg_per_tkm * (freight_tkm + pkm * passenger_t * reference_occupancy / occupancy) / KG_PER_T)
