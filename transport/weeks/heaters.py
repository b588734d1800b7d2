"""Cabin heaters of electric buses: what each type adds to the energy in the cold, and which bus has which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from transport.params import seed_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from transport.week_values import WeekValues

#: Types of heaters; fuel heaters burn diesel, which the year model books.
HEATERS: tuple[str, ...] = ("resistive", "heat_pump", "fuel_heater")
_KNOTS = ("cold", "freezing", "mild", "hot")
_NAME = "urban_bus"


def heater_shares(read: WeekValues) -> dict[str, float]:
    """Return the share of the buses by type of heater; resistive heaters take what the others leave.

    Parameters
    ----------
    read
        Values of the year.
    """
    fired = min(max(read("fuel_heater_share", _NAME), 0.0), 1.0)
    pumped = min(max(read("heat_pump_share", _NAME), 0.0), 1.0 - fired)
    return {"resistive": 1.0 - fired - pumped, "heat_pump": pumped, "fuel_heater": fired}


def heater_factor(
    read: WeekValues, heater: str, temperature_c: NDArray[np.float64], *, end: str = "value"
) -> NDArray[np.float64]:
    """Return energy per km relative to mild weather of a bus with one type of heater.

    Parameters
    ----------
    read
        Values of the year.
    heater
        One of :data:`HEATERS`.
    temperature_c
        Temperatures, any shape [degC].
    end
        ``value``, or the ``low`` or ``high`` end that the ranges of all rows of the type give together.

    Returns
    -------
    array
        1 + (r(T) - 1) (1 - s(T)) at the knots, linear in between and flat outside: r the temperature ratio of a bus with a resistive heater, s
        the part of the winter surplus that the type saves. The mean over the types by their shares is the factor of the vehicle model.
    """
    params = read.params

    def row(parameter: str, subject: str, side: str) -> float:
        if side == "value":
            return read(parameter, subject)
        return params.lowest(parameter, subject) if side == "low" else params.highest(parameter, subject)

    # the least energy goes with the largest saving
    other = {"value": "value", "low": "high", "high": "low"}[end]
    values = []
    for knot in _KNOTS:
        ratio = 1.0 if knot == "mild" else row("electric_temperature_ratio", f"bus:{knot}", end)
        saving = 0.0
        if heater == "heat_pump" and knot in _KNOTS[:2]:
            saving = row("heat_pump_saving", knot, other)
        elif heater == "fuel_heater" and knot in _KNOTS[:2]:
            saving = row("fuel_heater_saving", "all", other)
        values.append(1.0 + (ratio - 1.0) * (1.0 - saving))
    return np.asarray(np.interp(temperature_c, [read("temperature_knot", k) for k in _KNOTS], values))


def heaters_of(read: WeekValues, area: str, seed: int, replication: int, count: int) -> NDArray[np.int64]:
    """Return the type of every bus of a depot as an index into :data:`HEATERS`.

    Parameters
    ----------
    read
        Values of the year.
    area
        Prefecture.
    seed, replication
        The same bus has the same heater in every week, and with another share only those near the border change.
    count
        Buses.
    """
    shares = heater_shares(read)
    lot = np.random.default_rng(seed_for(seed, f"simulate:bus_depot:{area}:heaters", replication)).random(count)
    # fuel heaters and heat pumps from the two ends, resistive in the middle
    types = np.zeros(count, dtype=np.int64)
    types[lot < shares["fuel_heater"]] = HEATERS.index("fuel_heater")
    types[lot >= 1.0 - shares["heat_pump"]] = HEATERS.index("heat_pump")
    return types
