"""What a service is judged by: attributes, the modes that each moves, and how strongly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from transport.cities.layout import BANDS, TRAVELLERS
from transport.layout import NORMAL_YEAR, year_index

if TYPE_CHECKING:
    from transport.cities.layout import Array
    from transport.params import Params

_MINUTES_PER_HOUR = 60.0

#: Attribute = subject of ``travel_sensitivity`` and ``travel_elasticity`` -> modes whose trips the elasticity is of.
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "bus_time": ("bus",),
    "bus_service": ("bus",),
    "bus_reliability": ("bus",),
    "bus_coverage": ("bus",),
    "transit_fare": ("bus", "metro"),
    "metro_time": ("metro",),
    "metro_service": ("metro",),
    "metro_length": ("metro",),
    "cycle_network": ("cycle",),
    "walking_network": ("walk",),
    "e_bike_availability": ("e_bike",),
    "car_operating_cost": ("car",),
    "parking_cost": ("car",),
    "parking_supply": ("car",),
    "car_time": ("car",),
    "taxi_time": ("taxi", "ride_hailing"),
    "taxi_fare": ("taxi", "ride_hailing"),
    "ride_hailing_supply": ("ride_hailing",),
}


#: Attributes in minutes and in yuan: more of them is worse. The others are logarithms of what there is, more of which is better.
BURDENS: frozenset[str] = frozenset(
    {
        "bus_time",
        "bus_service",
        "bus_reliability",
        "transit_fare",
        "metro_time",
        "metro_service",
        "car_operating_cost",
        "parking_cost",
        "car_time",
        "taxi_time",
        "taxi_fare",
    }
)


def strength(params: Params, attribute: str) -> Array:
    """Return how strongly an attribute counts [dimensionless, not negative], array ``[draw, 1]``.

    Parameters
    ----------
    params
        Rows ``travel_sensitivity`` and ``travel_elasticity`` of the attribute.
    attribute
        One of :data:`ATTRIBUTES`.

    Raises
    ------
    ValueError
        If the sensitivity is negative.

    Notes
    -----
    ``travel_sensitivity[x] x |travel_elasticity[x]|``: the sensitivity is fitted once, at the central elasticity, and the elasticity of a draw
    scales it.
    """
    at = slice(year_index(NORMAL_YEAR), year_index(NORMAL_YEAR) + 1)
    sensitivity = params.get("travel_sensitivity", attribute)[:, at]
    if bool(np.any(sensitivity < 0)):
        msg = f"travel_sensitivity of {attribute} is {float(sensitivity.min()):g}; it must not be negative"
        raise ValueError(msg)
    found: Array = sensitivity * np.abs(params.get("travel_elasticity", attribute)[:, at])
    return found


def coefficient(params: Params, attribute: str) -> Array:
    """Return the utility of an attribute, array ``[draw, 1]``: per minute for a burden [1/min], per unit of the logarithm for the others.

    Parameters
    ----------
    params
        Rows ``travel_sensitivity``, ``travel_elasticity`` and ``travel_time_utility``.
    attribute
        One of :data:`ATTRIBUTES`.

    Raises
    ------
    ValueError
        As :func:`strength`.

    Notes
    -----
    ``- travel_time_utility x strength`` for minutes, and for yuan as the minutes that they are worth; ``strength`` for logarithms. It is that
    on a trip of the reference length; :func:`traveller_weights` and :func:`damping` give what it is for others.
    """
    if attribute in BURDENS:
        return np.asarray(-params.get("travel_time_utility")[:, :1] * strength(params, attribute))
    return strength(params, attribute)


def traveller_weights(params: Params, *, money: bool) -> Array:
    """Return what a minute [dimensionless] or a yuan [min/CNY] counts for a traveller, array ``[traveller, draw, 1]``.

    Parameters
    ----------
    params
        Rows ``travel_purpose_weight``, ``travel_value_of_time`` and ``travel_value_of_time_factor``.
    money
        Whether it is of a yuan.

    Raises
    ------
    ValueError
        If a value of time is not positive.

    Notes
    -----
    Minute: weight of the purpose. Yuan: the same times the minutes that it is worth at the value of time of purpose and group.
    """
    weights = []
    for purpose, group in TRAVELLERS:
        weight = params.get("travel_purpose_weight", purpose)[:, :1]
        if money:
            value = (params.get("travel_value_of_time", purpose) * params.get("travel_value_of_time_factor", group))[:, :1]
            weight = weight * _MINUTES_PER_HOUR / positive(value, f"travel_value_of_time of {purpose}", group)
        weights.append(weight)
    return np.stack(weights)


def damping(params: Params) -> Array:
    """Return what a minute or a yuan counts on a trip of each length band [dimensionless], array ``[band, draw, 1]``.

    Notes
    -----
    ``(length / reference length)^-d`` with ``d`` of ``travel_length_damping``: five minutes are less on a long trip than on a short one
    (cost damping, Daly 2010).
    """
    ratio = band_lengths(params) / params.get("travel_reference_length")[None, :, :1]
    return np.asarray(ratio ** -params.get("travel_length_damping")[None, :, :1])


def band_lengths(params: Params) -> Array:
    """Return the trip length that times and fares of a length band are worked out for [km], array ``[band, draw, 1]``."""
    return np.stack([params.get("service_length", band)[:, :1] for band in BANDS])


def at_normal(array: Array) -> Array:
    """Return the value of the normal year, array ``[..., 1]``."""
    cut = year_index(NORMAL_YEAR)
    return array[..., cut : cut + 1]


def unit_share(values: Array, name: str, area: str) -> Array:
    """Return a share as it is.

    Parameters
    ----------
    values
        Values ``[draw, year]`` [dimensionless].
    name, area
        For the message.

    Raises
    ------
    ValueError
        If a value lies outside 0 to 1.
    """
    low, high = float(values.min()), float(values.max())
    if low < 0.0 or high > 1.0:
        worst = low if low < 0.0 else high
        msg = f"{name} of {area} must stay between 0 and 1; with the lever it reaches {worst:.3f}"
        raise ValueError(msg)
    return values


def positive(values: Array, name: str, area: str) -> Array:
    """Return a level as it is.

    Parameters
    ----------
    values
        Values ``[draw, year]``.
    name, area
        For the message.

    Raises
    ------
    ValueError
        If a value is not positive.
    """
    if bool(np.any(values <= 0.0)):
        msg = f"{name} of {area} must be positive; it falls to {float(values.min()):g}"
        raise ValueError(msg)
    return values
