"""Fuel in tonnes, cubic metres, kilowatt-hours, terajoules and tonnes of coal equivalent side by side, by buying sector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport import bridge
from transport.accounts import coal_equivalent
from transport.layout import CARRIER_UNITS, YEARS, EnergyUse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from transport.inputs import Inputs
    from transport.params import Params

    Array = NDArray[np.float64]

_GAS, _LNG, _POWER = "natural_gas", "lng", "electricity"
_KG_PER_T = 1000.0
_MJ_PER_TJ = 1e6
_MJ_PER_KWH = 3.6


def fuel_sectors(inputs: Inputs, params: Params, energy: EnergyUse) -> pl.DataFrame:
    """Return energy by carrier and buying sector in all units side by side (first draw).

    Returns
    -------
    frame with columns year, nbs_sector, carrier, quantity, unit, t, m3, kwh, tj, tce
        ``quantity`` in the native unit; ``t``, ``m3``, ``kwh`` are empty where the carrier is not measured so (LNG has both t and m3).
        ``tj`` from ``net_calorific_value``, ``tce`` from the official coal equivalents, electricity at its calorific value in both.

    Notes
    -----
    TJ = t x NCV / 1000 [MJ/kg], m3 x NCV / 10^6 [MJ/m3], kWh x 3.6 / 10^6. The sector is the home of the class, before any move.
    """
    home = bridge.sectors(inputs)
    kgce = coal_equivalent(energy, params)[:, 0]
    tj = terajoules(energy, params)[:, 0]
    volume = params.get("lng_gas_volume")[0] * _KG_PER_T
    frames = []
    for k, key in enumerate(energy.keys):
        q = energy.quantity[k, 0]
        unit = CARRIER_UNITS[key.carrier]
        none = np.full(len(YEARS), np.nan)
        frames.append(
            pl.DataFrame(
                {
                    "year": np.asarray(YEARS),
                    "nbs_sector": [home[key.vehicle_class]] * len(YEARS),
                    "carrier": [key.carrier] * len(YEARS),
                    "quantity": q,
                    "unit": [unit] * len(YEARS),
                    "t": q if unit == "t" else none,
                    "m3": q if unit == "m3" else q * volume if key.carrier == _LNG else none,
                    "kwh": q if unit == "kWh" else none,
                    "tj": tj[k],
                    "tce": kgce[k] / _KG_PER_T,
                }
            )
        )
    numbers = ("quantity", "t", "m3", "kwh", "tj", "tce")
    keys = ["year", "nbs_sector", "carrier", "unit"]
    found = pl.concat(frames).group_by(keys, maintain_order=True).agg(pl.col(n).sum() for n in numbers)
    order = ("year", "nbs_sector", "carrier", "quantity", "unit", "t", "m3", "kwh", "tj", "tce")
    return found.select(order).with_columns(pl.col("t", "m3", "kwh").fill_nan(None)).sort("year", "nbs_sector", "carrier")


def terajoules(energy: EnergyUse, params: Params) -> Array:
    """Return energy in TJ by its net calorific value, array (key, draw, year)."""
    made = np.empty_like(energy.quantity)
    for k, key in enumerate(energy.keys):
        if key.carrier == _POWER:
            factor: Array | float = _MJ_PER_KWH / _MJ_PER_TJ
        elif key.carrier == _GAS:
            factor = params.get("net_calorific_value_gas", key.carrier) / _MJ_PER_TJ
        else:
            factor = params.get("net_calorific_value", key.carrier) * _KG_PER_T / _MJ_PER_TJ
        made[k] = energy.quantity[k] * factor
    return made
