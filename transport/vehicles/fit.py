"""Modelled vehicles against statistics, and the balances of the model itself; fuels against the energy balance stand in ``transport.bridge``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fleets.stock import BALANCE_TOLERANCE
from transport.accounts import coal_equivalent
from transport.layout import FIT_SCHEMA, year_index
from transport.vehicles.tables import find_class, members

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleets.stock import StockPath
    from transport.inputs import Inputs
    from transport.layout import EnergyUse
    from transport.params import Params
    from transport.vehicles.tables import Activity, Array, VehicleClass

_KG_PER_T = 1000.0


def fit_table(
    inputs: Inputs,
    params: Params,
    activity: Activity,
    classes: Sequence[VehicleClass],
    energy: EnergyUse,
    paths: Mapping[str, StockPath],
    clean: Mapping[str, Mapping[tuple[str, str], bool]],
) -> pl.DataFrame:
    """Return modelled against observed values: stocks, rail energy; the first draw, as in every table."""
    kgce = coal_equivalent(energy, params)

    def kgce_of(names: set[str]) -> Array:
        return np.asarray(kgce[[k for k, key in enumerate(energy.keys) if key.vehicle_class in names]].sum(axis=0))

    def stock_of(subject: str, definition: str | None) -> Array:
        total = np.zeros(energy.quantity.shape[1:])
        for name in (member for part in subject.split("+") for member in members(classes, part)):
            held = paths[name].by_powertrain()
            for k, pair in enumerate(find_class(classes, name).pairs):
                if definition is None or clean[definition][name, pair.powertrain]:
                    total += held[..., k]
        return total

    def modelled(kind: str, subject: str) -> Array:
        converted = activity.rail_freight_tkm + sum(
            (activity.passenger_pkm[s] * params.get("pkm_to_tkm", s) for s in ("conventional", "high_speed")), np.zeros(1)
        )
        all_rail = kgce_of({s.name for s in classes if s.part == "rail"}) / converted
        if kind == "rail_intensity":
            return all_rail * 1e6 / _KG_PER_T
        if kind in {"road_rail_ratio", "road_all_rail_ratio"}:
            road = kgce_of({s.name for s in classes if s.stock_driver == "truck_tkm"}) / activity.road_freight_tkm
            freight_trains = kgce_of({"locomotive_freight"}) / activity.rail_freight_tkm
            return np.asarray(road / (freight_trains if kind == "road_rail_ratio" else all_rail))
        if kind == "new_energy_share":
            return 100.0 * stock_of(subject, "nev_only") / stock_of(subject, None)
        return stock_of(subject, {"stock": None, "clean_stock": "plan", "new_energy_stock": "nev_only"}[kind])

    rows: list[dict[str, object]] = []
    for target in inputs.table("fleets/fit_targets").filter(pl.col("kind") != "balance").iter_rows(named=True):
        year = int(target["year"])
        observed = float(target["value"])
        value = float(modelled(target["kind"], target["subject"])[0, year_index(year)])
        row: dict[str, object] = {name: target[name] for name in ("item", "mode", "year", "unit")}
        row |= {"observed": observed, "low": _number(target["low"]), "high": _number(target["high"]), "modelled": value}
        row |= {"error_pct": 100.0 * (value / observed - 1.0)}
        row |= {name: target[name] for name in ("used_for", "principle", "quality", "note")}
        rows.append(row)
    return pl.DataFrame(rows, schema_overrides=FIT_SCHEMA).select(*FIT_SCHEMA)


def _number(cell: object) -> float | None:
    """Return a number cell that may be empty."""
    return None if cell is None or cell == "" else float(str(cell))


def balance_checks(classes: Sequence[VehicleClass], paths: Mapping[str, StockPath], energy: EnergyUse) -> pl.DataFrame:
    """Return the balances of stock and energy."""
    rows = [
        (f"vehicles.stock_balance.{spec.name}", paths[spec.name].check(), BALANCE_TOLERANCE)
        for spec in classes
        if spec.name in paths
    ]
    lowest = min((float(path.stock.min()) for path in paths.values()), default=0.0)
    rows.append(("vehicles.stock_not_negative", max(-lowest, 0.0), 0.0))
    rows.append(("vehicles.energy_keys_twice", float(len(energy.keys) - len(set(energy.keys))), 0.0))
    known = {spec.name for spec in classes}
    silent = known - {key.vehicle_class for key in energy.keys}
    rows.append(("vehicles.classes_without_energy", float(len(silent)), 0.0))
    return pl.DataFrame(
        {
            "check": [r[0] for r in rows],
            "value": [float(r[1]) for r in rows],
            "limit": [float(r[2]) for r in rows],
            "passed": [bool(r[1] <= r[2]) for r in rows],
        }
    )
