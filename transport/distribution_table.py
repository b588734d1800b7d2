"""Result table of urban and rural distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport.distribution import LIGHT_TRUCK, PARTS, model_distribution
from transport.layout import YEARS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from transport.parts import Parts


def distribution_tables(parts: Parts) -> Mapping[str, pl.DataFrame]:
    """Return the table ``distribution`` of a run: light freight by year, prefecture and part (first draw).

    Parameters
    ----------
    parts
        Of the run.

    Notes
    -----
    ``load_t`` is tonne-km / kilometres. ``clean_km_share`` is that of new-energy trucks: those of the fleet, sent into the clean zones first.
    """
    found = model_distribution(parts.inputs, parts.params)
    n_area = len(found.areas)
    urban = found.vehicle_km["urban"][0].sum(axis=-1)
    clean = clean_by_part(clean_share(parts), urban / (urban + found.vehicle_km["rural"][0].sum(axis=-1)), found.zone_share[0])
    frames = []
    for part in PARTS:
        column = {
            name: getattr(found, name)[part][0].ravel()
            for name in ("tonnes", "tkm", "vehicle_km", "trips", "hours", "handled_t", "cost", "handling_kwh")
        }
        frames.append(
            pl.DataFrame(
                {
                    "year": np.repeat(YEARS, n_area),
                    "area": list(found.areas) * len(YEARS),
                    "part": [part] * n_area * len(YEARS),
                    "t": column["tonnes"],
                    "tkm": column["tkm"],
                    "vehicle_km": column["vehicle_km"],
                    "trips": column["trips"],
                    "load_t": column["tkm"] / column["vehicle_km"],
                    "clean_km_share": np.repeat(clean[part], n_area),
                    "hours": column["hours"],
                    "handled_t": column["handled_t"],
                    "cost_cny2023": column["cost"],
                    "handling_kwh": column["handling_kwh"],
                }
            )
        )
    return {"distribution": pl.concat(frames).sort("year", "area", "part")}


def clean_share(parts: Parts) -> NDArray[np.float64]:
    """Return the share of new-energy trucks in the kilometres of light trucks ``[year]``, first draw."""
    work, clean = parts.now.vehicles.work, parts.now.vehicles.clean["nev_only"]
    rows = [i for i, key in enumerate(work.keys) if key.vehicle_class == LIGHT_TRUCK]
    green = [i for i in rows if clean[LIGHT_TRUCK, work.keys[i].powertrain]]
    return np.asarray(work.quantity[green, 0].sum(axis=0) / work.quantity[rows, 0].sum(axis=0))


def clean_by_part(
    clean: NDArray[np.float64], urban: NDArray[np.float64], zone: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Return the share of clean kilometres in each part.

    Parameters
    ----------
    clean
        Share of clean trucks in all kilometres.
    urban
        Share of the towns in all kilometres, between 0 and 1.
    zone
        Share of the clean zones, which lie in towns, in all kilometres.

    Examples
    --------
    >>> found = clean_by_part(np.array([0.3]), np.array([0.5]), np.array([0.25]))
    >>> [round(float(found[part][0]), 9) for part in ("urban", "rural")]
    [0.5, 0.1]
    """
    in_town = np.maximum(clean * urban, np.minimum(zone, clean))
    return {"urban": in_town / urban, "rural": (clean - in_town) / (1.0 - urban)}
