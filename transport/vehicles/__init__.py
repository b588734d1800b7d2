"""Vehicle stock and energy of the province: activity to vehicles, vehicles to fuel and power, both by powertrain.

Equations are in ``docs/model.md``; the cohorts and the energy formulas are the pure functions of ``fleets``.
"""

from __future__ import annotations

from transport.vehicles.model import VehicleOutcome, model_vehicles
from transport.vehicles.tables import Activity

__all__ = ["Activity", "VehicleOutcome", "model_vehicles"]
