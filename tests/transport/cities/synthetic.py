"""A small made-up city for tests of the choice of mode and of congestion; no figure of it is data."""

from __future__ import annotations

from typing import Any

import numpy as np

from transport.cities.layout import (
    BANDS,
    MODES,
    NESTS,
    ROAD_MODES,
    SEASONS,
    SEGMENTS,
    SLOWED,
    TRAVELLERS,
    CityDemand,
    CityRoads,
    CityService,
    ServiceTerms,
)
from transport.layout import YEARS

N_MODE, N_SEGMENT, N_SEASON, N_YEAR = len(MODES), len(SEGMENTS), len(SEASONS), len(YEARS)
METRO = MODES.index("metro")
#: Modes that stand in road traffic here.
ON_ROADS = tuple(MODES.index(m) for m in ("bus", "taxi", "ride_hailing", "car", "other"))


def theta(value: float = 0.6, draws: int = 1) -> dict[str, np.ndarray]:
    """Return one coefficient for all nests."""
    return {nest: np.full(draws, value) for nest in NESTS}


def demand(draws: int = 1, seed: int = 3, *, metro: bool = True) -> CityDemand:
    """Return trips and base shares, with structural zeros; without metro its shares are virtual."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(0.02, 1.0, (N_SEASON, N_SEGMENT, N_MODE, draws))
    base[:, ::6, METRO] = 0.0
    base[:, 5::6, 0] = 0.0
    real = base.copy()
    if not metro:
        real[:, :, METRO] = 0.0
    base /= real.sum(axis=2, keepdims=True)
    trips = np.repeat(rng.uniform(1e5, 1e7, (N_SEGMENT, draws, 1)), N_YEAR, axis=2)
    return CityDemand(
        area="210100",
        trips=trips,
        base=base,
        season_share=np.stack([np.full(draws, 0.3), np.full(draws, 0.7)]),
        length_km=rng.uniform(0.5, 20.0, (N_SEGMENT, draws)),
        peak_share=rng.uniform(0.1, 0.6, (N_SEGMENT, draws)),
    )


def service(draws: int = 1, *, metro: bool = True, slope: float = -0.4) -> CityService:
    """Return a service that stays as in 2019."""
    utility = np.zeros((N_SEASON, N_SEGMENT, N_MODE, draws, N_YEAR))
    if not metro:
        utility[:, :, METRO] = -np.inf
    traffic = np.zeros((N_SEGMENT, N_MODE, draws, N_YEAR))
    traffic[:, list(ON_ROADS)] = slope
    return CityService(area="210100", utility=utility, traffic=traffic)


def terms(
    draws: int = 1, seed: int | None = None, *, metro: bool = True, slope: float = -0.4, barred: float = 0.0
) -> ServiceTerms:
    """Return the parts of a service that stays as in 2019, or drifts after it with a seed."""
    later = (np.asarray(YEARS) > 2019).astype(np.float64)
    rng = np.random.default_rng(seed)
    drift = 0.0 if seed is None else 1.0
    flat = drift * rng.normal(0.0, 0.3, (N_MODE, draws, 1)) * later
    if not metro:
        flat[METRO] = -np.inf
    modes = ("bus", "bus", "car")
    return ServiceTerms(
        area="210100",
        modes=modes,
        weight=rng.uniform(0.5, 1.5, (len(modes), len(TRAVELLERS), draws)),
        level=drift * rng.normal(0.0, 0.3, (len(modes), len(BANDS), draws, 1)) * later,
        flat=flat,
        cold=drift * rng.uniform(0.0, 0.2, (N_MODE, draws, 1)) * later,
        pace_weight=rng.uniform(0.5, 1.5, (len(TRAVELLERS), draws)),
        pace=slope * rng.uniform(0.5, 1.5, (len(SLOWED), len(BANDS), draws, 1)) * np.ones(N_YEAR),
        barred=barred * later * np.ones((draws, 1)),
    )


def roads(draws: int = 1, **changes: Any) -> CityRoads:
    """Return roads as in 2019; ``changes`` replace fields by a number or an array."""
    shape = (draws, N_YEAR)
    values: dict[str, Any] = {
        "vehicles_per_pkm": np.broadcast_to(np.array([0.9, 0.9, 0.7])[:, None, None], (len(ROAD_MODES), *shape)),
        "capacity": 1.0,
        "volume_capacity": 0.95,
        "background": 0.2,
        "delay": 0.3,
        "exponent": 4.0,
        **changes,
    }
    return CityRoads(
        **{
            k: v if k == "vehicles_per_pkm" else np.broadcast_to(np.asarray(v, dtype=np.float64), shape)
            for k, v in values.items()
        }
    )
