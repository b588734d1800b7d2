"""Vehicle rows and a made-up activity, and what tests of the vehicles measure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport.layout import YEARS
from transport.params import Lever, Params
from transport.vehicles import Activity, VehicleOutcome, model_vehicles

if TYPE_CHECKING:
    from collections.abc import Iterable

DATA = Path(__file__).parents[2] / "data"


class Tables:
    """The part of the inputs that the vehicles read, straight from the files."""

    def table(self, name: str) -> pl.DataFrame:
        return pl.read_csv(DATA / f"{name}.csv", infer_schema_length=None)


def read_rows(pattern: str) -> pl.DataFrame:
    names = ("parameter", "subject", "year", "value", "low", "high", "distribution", "unit")
    frames = [pl.read_csv(path, infer_schema=False).select(names) for path in sorted((DATA / "parameters").glob(pattern))]
    numbers = [pl.col(name).cast(pl.Float64) for name in ("value", "low", "high")]
    return pl.concat(frames).with_columns(pl.col("year").cast(pl.Int64), *numbers)


OWN = pl.concat([read_rows("vehicles_*.csv"), read_rows("energy_*.csv")])
#: What the vehicles read beside their own rows: levers of distribution, and the overloading of trucks.
BESIDE = [read_rows("distribution.csv"), read_rows("freight_costs.csv").filter(pl.col("parameter").str.starts_with("overload"))]
ROWS = pl.concat([OWN, read_rows("accounts.csv"), *BESIDE])
INPUTS = Tables()
PARAMS = Params.from_frame(ROWS)


def path(points: dict[int, float], draws: int) -> np.ndarray:
    years = np.asarray(YEARS, dtype=np.float64)
    return np.repeat(np.interp(years, list(points), list(points.values()))[None], draws, axis=0)


def made_up(draws: int = 1) -> Activity:
    """Return an activity of the province's order of magnitude, with the dip of 2020."""

    def p(points: dict[int, float]) -> np.ndarray:
        return path(points, draws)

    return Activity(
        road_freight_tkm=p({2015: 2.4e11, 2019: 2.66e11, 2020: 2.58e11, 2035: 3.3e11}),
        rail_freight_tkm=p({2015: 1.0e11, 2020: 1.215e11, 2035: 1.5e11}),
        coastal_tkm=p({2019: 9e10, 2020: 7e10, 2035: 1.1e11}),
        ocean_tkm=p({2015: 6.5e11, 2019: 4e11, 2020: 7e10, 2035: 9e10}),
        pipeline_tkm={
            "crude": p({2015: 3e10, 2035: 3.8e10}),
            "product": p({2015: 6e9, 2035: 9e9}),
            "gas": p({2015: 8e9, 2035: 1.6e10}),
        },
        air_freight_tkm=p({2015: 3e8, 2035: 5e8}),
        passenger_pkm={
            "conventional": p({2019: 2.8e10, 2020: 1.3e10, 2024: 2.4e10, 2035: 1.8e10}),
            "high_speed": p({2015: 2.2e10, 2019: 3.8e10, 2020: 2.15e10, 2024: 4.5e10, 2035: 6.5e10}),
            "coach": p({2019: 2.9e10, 2020: 1.6e10, 2035: 1.3e10}),
            "ro_pax": p({2019: 5.5e8, 2020: 2.8e8, 2024: 5e8}),
            "air": p({2019: 2.7e10, 2020: 1.6e10, 2024: 2.8e10, 2035: 4.2e10}),
        },
        passenger_load={
            "conventional": p({2019: 0.66, 2020: 0.42, 2024: 0.65}),
            "high_speed": p({2019: 0.72, 2020: 0.47, 2024: 0.72}),
            "coach": p({2019: 0.5, 2020: 0.38, 2024: 0.45}),
            "ro_pax": p({2019: 0.45, 2020: 0.3, 2024: 0.45}),
            "air": p({2019: 0.83, 2020: 0.73, 2024: 0.83}),
        },
        private_car_pkm=p({2015: 4e10, 2019: 6e10, 2020: 4.8e10, 2024: 8e10}),
        light_trucks=p({2015: 5.5e5, 2020: 7.35e5, 2024: 7.9e5, 2035: 9e5}),
        clean_zone_share=p({2015: 0.0}),
    )


def run(*levers: tuple[str, str, str, float], activity: Activity | None = None) -> VehicleOutcome:
    """Return the outcome with levers given as (parameter, subject, operation, value)."""
    neutral = {"set": np.nan, "add": 0.0, "scale": 1.0}
    moved = [(Lever("test", p, s, o, -1e9, 1e9, neutral[o]), v) for p, s, o, v in levers]
    return model_vehicles(INPUTS, PARAMS.with_levers(moved), activity or made_up())


def use(found: VehicleOutcome, classes: Iterable[str], carrier: str, powertrain: str | None = None) -> np.ndarray:
    """Return a carrier's use by some classes or groups ``[year]`` of the first draw."""
    names = members_of(found, classes)
    rows = [
        k
        for k, key in enumerate(found.energy.keys)
        if key.vehicle_class in names and key.carrier == carrier and powertrain in {None, key.powertrain}
    ]
    return found.energy.quantity[rows, 0].sum(axis=0)


def members_of(found: VehicleOutcome, names: Iterable[str]) -> set[str]:
    """Return the classes with one of these names or in one of these groups."""
    wanted = set(names)
    return {c for c in found.classes if {c, found.parent[c]} & wanted}


def vehicles(found: VehicleOutcome, array: np.ndarray, name: str, powertrain: str | None = None) -> np.ndarray:
    at = [found.classes.index(c) for c in sorted(members_of(found, [name]))]
    if powertrain is None:
        return array[at, :, 0].sum(axis=(0, 1))
    return array[at, found.powertrains.index(powertrain), 0].sum(axis=0)
