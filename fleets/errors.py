"""Errors of the fleet models; each names what, where and the value."""

from __future__ import annotations


class FleetError(ValueError):
    """Exception for an input the fleet models cannot use."""


class ChargingError(FleetError):
    """Exception for a battery, plug or site that cannot charge as asked."""


class BlockError(FleetError):
    """Exception for a vehicle block or schedule that cannot be driven."""


class TariffError(FleetError):
    """Exception for a tariff whose periods or prices do not fit the load."""


class ConservationError(FleetError):
    """Exception for a simulation run that loses energy or vehicles."""
