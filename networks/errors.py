"""Errors of the network package."""

from __future__ import annotations


class NetworkError(ValueError):
    """Exception for network tables that do not fit together."""


class DemandError(ValueError):
    """Exception for demand that cannot be distributed or served."""


class CalibrationError(ValueError):
    """Exception for a calibration that is not well posed."""
