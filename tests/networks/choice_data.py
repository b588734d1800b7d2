"""Data of the choice tests: simulated shipments, and travellers between Sydney, Canberra and Melbourne."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

GOLDEN = Path(__file__).parents[1] / "golden" / "choice"

#: Specification and nests by data set. The first two are compared with biogeme.
SIMULATED = ("road", "rail", "road_rail", "barge", "sea", "sea_rail")
SPECIFICATION = {
    "simulated": {
        "road": {"b_cost": "cost", "b_hours": "hours"},
        "rail": {"a_rail": 1, "b_cost": "cost", "b_hours": "hours", "b_bulk": "bulk"},
        "road_rail": {"a_road_rail": 1, "b_cost": "cost", "b_hours": "hours"},
        "barge": {"a_barge": 1, "b_cost": "cost", "b_hours": "hours", "b_bulk": "bulk"},
        "sea": {"a_sea": "1", "b_cost": "cost", "b_hours": "hours"},
        "sea_rail": {"a_sea_rail": "1", "b_cost": "cost", "b_hours": "hours"},
    },
    "travel_mode": {
        "air": {"a_air": 1, "b_gc": "gc", "b_ttme": "ttme", "b_hinc": "hinc"},
        "train": {"a_train": 1, "b_gc": "gc", "b_ttme": "ttme"},
        "bus": {"a_bus": 1, "b_gc": "gc", "b_ttme": "ttme"},
        "car": {"b_gc": "gc", "b_ttme": "ttme"},
    },
}
NESTS = {
    "simulated": {"rail_based": ["rail", "road_rail"], "water_based": ["barge", "sea", "sea_rail"]},
    "travel_mode": {"ground": ["train", "bus", "car"]},
}
#: What the simulated shippers really think; a scale of 2 within the nests of rail and 1.5 within those of water.
TRUTH = {
    "a_rail": -0.8,
    "a_road_rail": -0.5,
    "a_barge": -1.0,
    "a_sea": -0.6,
    "a_sea_rail": -0.9,
    "b_cost": -0.03,
    "b_hours": -0.04,
    "b_bulk": 0.7,
    "mu_rail_based": 2.0,
    "mu_water_based": 1.5,
}


def simulate(cases: int, seed: int) -> pl.DataFrame:
    """Return shipments that choose among six chains by a nested logit, with availability and case weights.

    Only uniform numbers are drawn, so that the table does not depend on how a library makes other distributions of them.
    """
    rng = np.random.default_rng(seed)
    km = 100.0 + 1400.0 * rng.random(cases)
    bulk = (rng.random(cases) < 0.4).astype(float)
    weight = 0.5 + np.floor(4.0 * rng.random(cases)) / 2.0
    noise = 0.7 + 0.6 * rng.random((cases, 6))
    cost = noise * (np.array([10, 40, 45, 30, 50, 65]) + km[:, None] * np.array([0.3, 0.15, 0.17, 0.09, 0.07, 0.08])[None, :])
    speed = np.array([55.0, 30.0, 35.0, 12.0, 20.0, 22.0])
    hours = (0.8 + 0.4 * rng.random((cases, 6))) * (km[:, None] / speed[None, :] + np.array([2, 20, 16, 24, 36, 40])[None, :])
    available = rng.random((cases, 6)) < np.array([1.0, 0.8, 0.9, 0.5, 0.6, 0.7])[None, :]
    cost, hours = np.round(cost, 2), np.round(hours, 2)
    constant = np.array([TRUTH.get(f"a_{name}", 0.0) for name in SIMULATED])
    is_bulk = np.array([0, 1, 0, 1, 0, 0])
    v = constant + TRUTH["b_cost"] * cost + TRUTH["b_hours"] * hours + TRUTH["b_bulk"] * bulk[:, None] * is_bulk
    total = np.zeros(cases)
    parts = []
    for members, mu in (([0], 1.0), ([1, 2], TRUTH["mu_rail_based"]), ([3, 4, 5], TRUTH["mu_water_based"])):
        inner = np.exp(mu * v[:, members]) * available[:, members]
        inside = inner.sum(axis=1, keepdims=True)
        outer = inside ** (1.0 / mu)
        total += outer[:, 0]
        parts.append(inner / np.where(inside > 0, inside, 1.0) * outer)
    share = np.concatenate(parts, axis=1) / total[:, None]
    pick = (np.cumsum(share, axis=1) < rng.random(cases)[:, None] * (1.0 - 1e-12)).sum(axis=1)
    return pl.DataFrame(
        {
            "case": np.repeat(np.arange(cases), 6),
            "alternative": np.tile(SIMULATED, cases),
            "available": available.ravel().astype(int),
            "chosen": (np.arange(6)[None, :] == pick[:, None]).ravel().astype(int),
            "cost": cost.ravel(),
            "hours": hours.ravel(),
            "bulk": np.repeat(bulk, 6),
            "case_weight": np.repeat(weight, 6),
        }
    )


def travel_mode() -> pl.DataFrame:
    """Return the travel mode choice of 210 travellers (Greene and Hensher 1997; see the README beside the table)."""
    return pl.read_csv(GOLDEN / "travel_mode.csv")


def observations(data: str) -> pl.DataFrame:
    """Return the observations of a data set of the golden table."""
    return travel_mode() if data == "travel_mode" else simulate(1500, 20)
