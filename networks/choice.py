"""Choice among chain alternatives: the public face of the nested logit.

Probabilities stand in :mod:`networks.logit`, the calibration of constants to observed margins in :mod:`networks.calibration`, its small form on a
table of modes in :mod:`networks.mode_calibration`, and the estimation of coefficients from observed choices in :mod:`networks.estimation`.
"""

from __future__ import annotations

from networks.calibration import Calibration, ChoiceProblem, ConstantShares, calibrate, constant_driven_shares, elasticities
from networks.estimation import Estimates, EstimationError, estimate
from networks.logit import Segments, nested_shares
from networks.mode_calibration import ModeCalibration, calibrate_modes

__all__ = [
    "Calibration",
    "ChoiceProblem",
    "ConstantShares",
    "Estimates",
    "EstimationError",
    "ModeCalibration",
    "Segments",
    "calibrate",
    "calibrate_modes",
    "constant_driven_shares",
    "elasticities",
    "estimate",
    "nested_shares",
]
