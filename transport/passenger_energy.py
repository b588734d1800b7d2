"""Energy and CO2 per passenger-km of every intercity service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport import accounts
from transport.layout import SCOPES, YEARS, EnergyKey, EnergyUse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from transport.layout import WorkUse
    from transport.params import Params
    from transport.parts import Parts

#: Megajoules of a kilogram of coal equivalent, by definition.
_MJ_PER_KGCE = 29.3076
_G_PER_T = 1e6


def passenger_tables(parts: Parts) -> Mapping[str, pl.DataFrame]:
    """Return the table ``passenger_energy`` of a run."""
    found = service_energy(parts.vehicles.work, parts.passengers.pkm, parts.params, parts.factors)
    return {"passenger_energy": found}


def service_energy(
    work: WorkUse, pkm: Mapping[str, NDArray[np.float64]], params: Params, factors: accounts.CarbonFactors, *, draw: int = 0
) -> pl.DataFrame:
    """Return what a passenger-km of each service takes.

    Parameters
    ----------
    work
        Work of the vehicles and its energy by service.
    pkm
        Service -> passenger-km ``[draw, year]`` [pkm/yr].
    params
        Hold the coal equivalents of the carriers.
    factors
        CO2 per unit of each carrier by scope.
    draw
        Draw that is shown.

    Returns
    -------
    frame with columns year, service, pkm, mj_per_pkm, direct_g_per_pkm, direct_power_g_per_pkm, wtw_g_per_pkm
        Final energy with electricity at its heat value (3.6 MJ/kWh); grams of CO2. Services in the order of their names.

    Notes
    -----
    Vehicles only: stations, yards and workshops of the railway and airports carry no service. Fuel of passenger aircraft is split from cargo
    by mass, fuel of ro-pax ships counts wholly for passengers although the vehicle deck carries trucks, and private cars enter with their
    intercity distance.
    """
    carriers = sorted({carrier for _, carrier in work.energy})
    frames = []
    for service in sorted(pkm):
        rows = np.stack([work.service_energy(service, carrier) for carrier in carriers])
        energy = EnergyUse(tuple(EnergyKey(service, "all", carrier) for carrier in carriers), rows)
        kgce = accounts.coal_equivalent(energy, params)[:, draw].sum(axis=0)
        moved = pkm[service][draw]
        columns: dict[str, object] = {"year": list(YEARS), "service": [service] * len(YEARS), "pkm": moved}
        columns["mj_per_pkm"] = _per(kgce * _MJ_PER_KGCE, moved)
        for scope in SCOPES:
            tonnes = np.sum([rows[k, draw] * factors.t_per_unit[scope, c][draw] for k, c in enumerate(carriers)], axis=0)
            columns[f"{scope}_g_per_pkm"] = _per(tonnes * _G_PER_T, moved)
        frames.append(pl.DataFrame(columns))
    return pl.concat(frames).sort("year", "service")


def _per(amount: NDArray[np.float64], pkm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an amount per passenger-km, missing where nobody travels."""
    return np.where(pkm > 0, amount / np.where(pkm > 0, pkm, 1.0), np.nan)
