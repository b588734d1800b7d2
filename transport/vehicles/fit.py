"""Modelled vehicles and fuels against statistics, the bridge to the energy balance, and the balances of the model itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fleets.stock import BALANCE_TOLERANCE
from transport.accounts import coal_equivalent
from transport.layout import year_index
from transport.vehicles.tables import find_class, read_classes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleets.stock import StockPath
    from transport.inputs import Inputs
    from transport.layout import EnergyUse
    from transport.params import Params
    from transport.vehicles.tables import Activity, Array, VehicleClass

_KG_PER_T = 1000.0
_GAS = "natural_gas"


def balance_bridge(inputs: Inputs, params: Params, energy: EnergyUse, *, year: int, sector: str, fuel: str) -> pl.DataFrame:
    """Return the lines from vehicle classes to one entry of the energy balance.

    Parameters
    ----------
    year
        Year of the balance.
    sector
        Sector of the balance, for example ``transport``, or several joined by ``+``.
    fuel
        Fuel of the balance; LNG counts as natural gas.

    Returns
    -------
    frame with columns line, quantity, unit
        One line per class, then ``unexplained``; the lines sum exactly to the entry. Medians over draws.

    Raises
    ------
    ValueError
        If ``fleets/fit_targets`` holds no such entry.
    """
    target = inputs.table("fleets/fit_targets").filter(
        (pl.col("kind") == "balance") & (pl.col("subject") == f"{sector}:{fuel}") & (pl.col("year") == year)
    )
    if target.is_empty():
        msg = f"no balance of {fuel} in sector {sector} for {year}"
        raise ValueError(msg)
    at = year_index(year)
    lines = [
        (spec.name, float(np.median(_balance_fuel(energy, params, {spec.name}, fuel)[:, at])))
        for spec in read_classes(inputs)
        if spec.sector in sector.split("+")
    ]
    lines = [line for line in lines if line[1] > 0]
    unexplained = float(target["value"][0]) - sum(line[1] for line in lines)
    lines.append(("unexplained", unexplained))
    return pl.DataFrame(
        {"line": [n for n, _ in lines], "quantity": [q for _, q in lines], "unit": [str(target["unit"][0])] * len(lines)}
    )


def _balance_fuel(energy: EnergyUse, params: Params, names: set[str], fuel: str) -> Array:
    """Return a fuel of the energy balance used by some classes ``[draw, year]``; LNG counts as natural gas."""
    total = np.zeros(energy.quantity.shape[1:])
    for k, key in enumerate(energy.keys):
        if key.vehicle_class in names and key.carrier == fuel:
            total += energy.quantity[k]
        elif key.vehicle_class in names and fuel == _GAS and key.carrier == "lng":
            total += energy.quantity[k] * _KG_PER_T * params.get("lng_gas_volume")
    return total


def fit_table(
    inputs: Inputs,
    params: Params,
    activity: Activity,
    classes: Sequence[VehicleClass],
    energy: EnergyUse,
    paths: Mapping[str, StockPath],
    clean: Mapping[str, Mapping[tuple[str, str], bool]],
) -> pl.DataFrame:
    """Return modelled against observed values: fuels by sector, stocks, rail energy (medians over draws)."""
    kgce = coal_equivalent(energy, params)

    def kgce_of(names: set[str]) -> Array:
        return np.asarray(kgce[[k for k, key in enumerate(energy.keys) if key.vehicle_class in names]].sum(axis=0))

    def stock_of(subject: str, definition: str | None) -> Array:
        total = np.zeros(energy.quantity.shape[1:])
        for name in subject.split("+"):
            held = paths[name].by_powertrain()
            for k, pair in enumerate(find_class(classes, name).pairs):
                if definition is None or clean[definition][name, pair.powertrain]:
                    total += held[..., k]
        return total

    def modelled(kind: str, subject: str) -> Array:
        if kind == "balance":
            sectors, fuel = subject.split(":")
            return _balance_fuel(energy, params, {s.name for s in classes if s.sector in sectors.split("+")}, fuel)
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
    for target in inputs.table("fleets/fit_targets").iter_rows(named=True):
        year = int(target["year"])
        observed = float(target["value"])
        value = float(np.median(modelled(target["kind"], target["subject"])[:, year_index(year)]))
        row: dict[str, object] = {name: target[name] for name in ("item", "mode", "year", "unit")}
        row |= {"observed": observed, "low": _number(target["low"]), "high": _number(target["high"]), "modelled": value}
        row |= {"error_pct": 100.0 * (value / observed - 1.0)}
        row |= {name: target[name] for name in ("used_for", "principle", "quality", "note")}
        rows.append(row)
        if target["kind"] == "balance":
            note = "balance entry less the fuel of the modelled classes: own-account fleets, other users, errors of both"
            empty = {"observed": None, "low": None, "high": None, "error_pct": None}
            rows.append(row | empty | {"item": f"{target['item']}_unexplained", "modelled": observed - value, "note": note})
    text = dict.fromkeys(("item", "mode", "unit", "used_for", "principle", "quality", "note"), pl.String())
    number = dict.fromkeys(("observed", "low", "high", "modelled", "error_pct"), pl.Float64())
    columns = [
        "item",
        "mode",
        "year",
        "unit",
        "observed",
        "low",
        "high",
        "modelled",
        "error_pct",
        "used_for",
        "principle",
        "quality",
        "note",
    ]
    return pl.DataFrame(rows, schema_overrides={**text, **number, "year": pl.Int64()}).select(columns)


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
