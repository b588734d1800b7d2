"""Batteries that come out of vehicles: with the vehicle when it is scrapped, or before, when the vehicle gets another one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport.layout import YEARS
from transport.vehicles.groups import of_member

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleets.stock import StockPath
    from transport.params import Params
    from transport.vehicles.tables import Array, VehicleClass


@dataclass(frozen=True, slots=True)
class RetiredBatteries:
    """Nominal capacity of batteries by year in which they leave their vehicle or the province.

    Attributes
    ----------
    keys
        (vehicle class, powertrain) of each row.
    scrapped, replaced
        Arrays ``[key, draw, year]`` [kWh/yr]: batteries of scrapped vehicles, and first batteries of vehicles that got a second one.
    left
        Array ``[key, draw, year]`` [kWh/yr]: batteries in vehicles that left the province's register, less those that entered it used. They
        retire elsewhere.
    """

    keys: tuple[tuple[str, str], ...]
    scrapped: Array
    replaced: Array
    left: Array

    def total(self) -> Array:
        """Return the capacity that retires in the province ``[draw, year]`` [kWh/yr]."""
        return np.asarray((self.scrapped + self.replaced).sum(axis=0))

    def frame(self, *, draw: int = 0) -> pl.DataFrame:
        """Return one draw as a long table: year, vehicle_class, powertrain, scrapped_kwh, replaced_kwh, kwh, left_kwh."""
        n_year = len(YEARS)
        rows = {
            "year": np.tile(np.asarray(YEARS), len(self.keys)),
            "vehicle_class": np.repeat([k[0] for k in self.keys], n_year),
            "powertrain": np.repeat([k[1] for k in self.keys], n_year),
            "scrapped_kwh": self.scrapped[:, draw].ravel(),
            "replaced_kwh": self.replaced[:, draw].ravel(),
            "kwh": (self.scrapped + self.replaced)[:, draw].ravel(),
            "left_kwh": self.left[:, draw].ravel(),
        }
        return pl.DataFrame(rows).sort("year", "vehicle_class", "powertrain")


def retired_batteries(classes: Sequence[VehicleClass], paths: Mapping[str, StockPath], params: Params) -> RetiredBatteries:
    """Return the batteries that leave their vehicles.

    Parameters
    ----------
    classes
        Vehicle classes; a powertrain counts if it has a row of ``battery_capacity`` [kWh/veh].
    paths
        Class -> stock.
    params
        Hold ``battery_life`` [yr] and ``battery_replacement_share`` by class; a class without them keeps its batteries to the end.

    Notes
    -----
    scrapped = scrapped vehicles x capacity; replaced = vehicles that pass the age ``battery_life`` in the year x share x capacity; a vehicle
    gets at most one other battery, which leaves with it. Nothing is known of the years before the first.
    """
    keys: list[tuple[str, str]] = []
    rows: list[tuple[Array, Array, Array]] = []
    for spec in classes:
        path = paths.get(spec.name)
        for k, pair in enumerate(spec.pairs):
            key = f"{spec.name}:{pair.powertrain}"
            if path is None or not params.has("battery_capacity", key):
                continue
            capacity = of_member(spec, params, "battery_capacity", "battery", pair.powertrain)
            passing = _passing(path, params, spec.name, k)
            keys.append((spec.name, pair.powertrain))
            rows.append((path.scrapped[..., k] * capacity, passing * capacity, -path.inflow[..., k] * capacity))
    scrapped, replaced, left = (np.stack([np.broadcast_to(row[i], rows[0][0].shape) for row in rows]) for i in range(3))
    return RetiredBatteries(tuple(keys), scrapped, replaced, left)


def _passing(path: StockPath, params: Params, name: str, k: int) -> Array:
    """Return the vehicles of one powertrain that get another battery in each year ``[draw, year]`` [veh/yr]."""
    held = path.stock[:, :, k]
    if not params.has("battery_life", name):
        return np.zeros(held.shape[:2])
    ages = np.arange(held.shape[-1], dtype=np.float64)
    # Between two whole ages the vehicles that pass are taken from both: every cohort passes once in full.
    weight = np.maximum(1.0 - np.abs(ages - params.get("battery_life", name)[:, :1]), 0.0)
    passing = np.einsum("dya,da->dy", held, weight) * np.clip(params.get("battery_replacement_share", name), 0.0, 1.0)
    passing[:, 0] = 0.0
    return np.asarray(passing)
