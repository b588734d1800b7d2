"""Vehicles and charging: stock, energy, depots, stations and tariffs. Pure functions; names are imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fleets.battery import charge_time_min
    from fleets.depot import minimum_fleet, simulate_depot
    from fleets.energy import electric_traction_share, grid_energy_kwh, temperature_multiplier
    from fleets.station import simulate_station
    from fleets.stock import StockPath, turn_over, weibull_survival
    from fleets.tariff import energy_bill

_HOME = {
    "StockPath": "stock",
    "charge_time_min": "battery",
    "electric_traction_share": "energy",
    "energy_bill": "tariff",
    "grid_energy_kwh": "energy",
    "minimum_fleet": "depot",
    "simulate_depot": "depot",
    "simulate_station": "station",
    "temperature_multiplier": "energy",
    "turn_over": "stock",
    "weibull_survival": "stock",
}

__all__ = [
    "StockPath",
    "charge_time_min",
    "electric_traction_share",
    "energy_bill",
    "grid_energy_kwh",
    "minimum_fleet",
    "simulate_depot",
    "simulate_station",
    "temperature_multiplier",
    "turn_over",
    "weibull_survival",
]


def __getattr__(name: str) -> Any:
    """Import the module of a public name when the name is first used."""
    if name not in _HOME:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted(__all__)
