"""Vehicles and charging: stock, energy, depots, stations and tariffs. Pure functions; names are imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fleets.airport import simulate_airport
    from fleets.battery import charge_time_min
    from fleets.bill import energy_bill
    from fleets.depot import minimum_fleet
    from fleets.depot_pool import simulate_depot
    from fleets.depot_tables import DepotResult
    from fleets.energy import electric_traction_share, grid_energy_kwh, temperature_multiplier
    from fleets.formats import read_gtfs_blocks, read_schedule
    from fleets.load_bound import bill_bound, peak_bound
    from fleets.replications import Streams, interval, replicate
    from fleets.stock import StockPath, turn_over, weibull_survival
    from fleets.vehicle_store import VehicleType
    from fleets.visits import simulate_station, station_summary

_HOME = {
    "DepotResult": "depot_tables",
    "StockPath": "stock",
    "Streams": "replications",
    "VehicleType": "vehicle_store",
    "bill_bound": "load_bound",
    "charge_time_min": "battery",
    "electric_traction_share": "energy",
    "energy_bill": "bill",
    "grid_energy_kwh": "energy",
    "interval": "replications",
    "minimum_fleet": "depot",
    "peak_bound": "load_bound",
    "read_gtfs_blocks": "formats",
    "read_schedule": "formats",
    "replicate": "replications",
    "simulate_airport": "airport",
    "simulate_depot": "depot_pool",
    "simulate_station": "visits",
    "station_summary": "visits",
    "temperature_multiplier": "energy",
    "turn_over": "stock",
    "weibull_survival": "stock",
}

__all__ = [
    "DepotResult",
    "StockPath",
    "Streams",
    "VehicleType",
    "bill_bound",
    "charge_time_min",
    "electric_traction_share",
    "energy_bill",
    "grid_energy_kwh",
    "interval",
    "minimum_fleet",
    "peak_bound",
    "read_gtfs_blocks",
    "read_schedule",
    "replicate",
    "simulate_airport",
    "simulate_depot",
    "simulate_station",
    "station_summary",
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
