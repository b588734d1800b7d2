"""What stands at the energy stations of a corridor and who comes there, read from two tables and checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.battery import Battery, charge_time_min
from fleets.corridor_arrivals import ENERGIES, HOURS
from fleets.errors import ChargingError
from fleets.tables import as_frame, number_column

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_MIN_PER_H = 60.0
_ELECTRIC = ("plug", "swap")
#: Pack over the mean visit where no battery is given.
_ANY_SIZE = 1e4
#: What a station row may leave out, and what holds then.
_OPTIONAL: dict[str, float] = {
    "power_kw": math.nan,
    "feeder_kw": math.inf,
    "fill_min": 0.0,
    "fill_kg_per_min": math.inf,
    "packs": 0.0,
    "pack_chargers": 0.0,
    "store_kg": math.inf,
    "supply_kg_per_h": math.inf,
}


@dataclass(frozen=True)
class Desk:
    """One energy at one station: what it has and who comes.

    Attributes
    ----------
    station, energy
        Its name.
    row
        What it has, as columns of the table of stations.
    battery
        Battery of the trucks or packs; constant power if there is none.
    full_soc
        State of charge at the end of a charge.
    efficiency
        Stored energy / grid energy.
    rate_per_h, need
        Visits an hour and mean energy of a visit by hour of the week, arrays ``(168,)`` [1/h] and [kWh or kg].
    need_cv, patience_min, patience_cv
        Spread of the energy, longest wait [min] and its spread.
    """

    station: str
    energy: str
    row: Mapping[str, float]
    battery: Battery | None
    full_soc: float
    efficiency: float
    rate_per_h: NDArray[np.float64]
    need: NDArray[np.float64]
    need_cv: float
    patience_min: float
    patience_cv: float

    @property
    def places(self) -> int:
        """Return the number of places."""
        return round(self.row["places"])

    @property
    def mean_need(self) -> float:
        """Return the mean energy of a visit of the week."""
        total = float(self.rate_per_h.sum())
        return float((self.rate_per_h * self.need).sum()) / total if total > 0.0 else float(self.need.mean())

    @property
    def capacity_per_h(self) -> float:
        """Return the visits of mean size that can be served for good [visit/h]."""
        return capacity_per_h(self.energy, self.row, self.mean_need, self.battery, self.full_soc, self.efficiency)

    @property
    def charge_min(self) -> float:
        """Return the time at a plug or pack charger for a visit of mean size [min]."""
        return _charge_min(self.battery, self.mean_need, self.full_soc, self.row["power_kw"])

    def fill_min(self, need: float) -> float:
        """Return the time of a bay or nozzle for a visit [min]."""
        if self.energy == "swap":
            return self.row["fill_min"]
        return self.row["fill_min"] + need / self.row["fill_kg_per_min"]


def capacity_per_h(
    energy: str, row: Mapping[str, float], need: float, battery: Battery | None, full_soc: float, efficiency: float
) -> float:
    """Return the visits of mean size that a station can serve for good [visit/h]: the least of places, feeder, pack chargers and supply.

    Parameters
    ----------
    energy
        One of :data:`fleets.corridor_arrivals.ENERGIES`.
    row
        What the station has, as in :func:`fleets.corridor.simulate_corridor`.
    need
        Energy of a visit [kWh or kg].
    battery
        Battery of the trucks or packs.
    full_soc
        State of charge at the end of a charge.
    efficiency
        Stored energy / grid energy.
    """
    if energy in _ELECTRIC:
        charge = _charge_min(battery, need, full_soc, row["power_kw"])
        lines = [row["feeder_kw"] * efficiency / need]
        if energy == "plug":
            return min([row["places"] * _MIN_PER_H / charge, *lines])
        # no more packs can be on charge than there are
        lines.append(min(row["packs"], row["pack_chargers"]) * _MIN_PER_H / charge)
        return min([row["places"] * _MIN_PER_H / max(row["fill_min"], 1e-9), *lines])
    fill = row["fill_min"] + need / row["fill_kg_per_min"]
    supply = row["supply_kg_per_h"] / need if row["store_kg"] < math.inf else math.inf
    return min(row["places"] * _MIN_PER_H / max(fill, 1e-9), supply)


def _charge_min(battery: Battery | None, need: float, full_soc: float, power_kw: float) -> float:
    if battery is None:
        return need / power_kw * _MIN_PER_H
    start = max(0.0, full_soc - need / battery.capacity_kwh)
    return float(
        charge_time_min(
            battery.capacity_kwh,
            start,
            full_soc,
            power_kw,
            max_kw=battery.max_kw,
            taper_soc=battery.taper_soc,
            end_kw=battery.end_kw,
        )
    )


def read_desks(stations: Any, arrivals: Any, batteries: dict[str, Battery], full_soc: float, efficiency: float) -> list[Desk]:
    """Return the desks of all stations in the order of the rows.

    Parameters
    ----------
    stations, arrivals, batteries, full_soc, efficiency
        As in :func:`fleets.corridor.simulate_corridor`.

    Raises
    ------
    ChargingError
        If a column is missing or a row holds what no station or visit can have.
    """
    sites, come = as_frame(stations, "stations", ChargingError), as_frame(arrivals, "arrivals", ChargingError)
    for frame, name in ((sites, "stations"), (come, "arrivals")):
        for column in ("station", "energy"):
            if column not in frame.columns:
                msg = f"{name} has no column {column}; there are {', '.join(frame.columns)}"
                raise ChargingError(msg)
    if not sites.height:
        msg = "stations is empty; give at least one station"
        raise ChargingError(msg)
    numbers = {"places": number_column(sites, "places", ChargingError, at_least=0.0)}
    for column, usual in _OPTIONAL.items():
        filled = sites.with_columns(pl.col(column).cast(pl.Float64).fill_null(usual)) if column in sites.columns else None
        numbers[column] = np.full(sites.height, usual)
        if filled is not None:
            known = filled[column].to_numpy()
            # a power may be left out where nothing is charged
            checked = filled.with_columns(pl.col(column).fill_nan(0.0)) if column == "power_kw" else filled
            number_column(checked, column, ChargingError, at_least=0.0)
            numbers[column] = known
    desks = []
    keys = sites.select("station", "energy").rows()
    for i, (station, energy) in enumerate(keys):
        row = {name: float(values[i]) for name, values in numbers.items()}
        _check_row(station, energy, row, repeated=keys.count((station, energy)) > 1)
        mine = come.filter((pl.col("station") == station) & (pl.col("energy") == energy))
        desks.append(_desk(station, energy, row, mine, batteries.get(energy), full_soc, efficiency))
    lost = come.select("station", "energy").unique().join(sites, on=["station", "energy"], how="anti").sort("station", "energy")
    if lost.height:
        msg = f"arrivals name station {lost[0, 0]} with energy {lost[0, 1]}, which is not among the stations; add it or drop its rows"
        raise ChargingError(msg)
    return desks


def _check_row(station: str, energy: str, row: Mapping[str, float], *, repeated: bool) -> None:
    problem = None
    if energy not in ENERGIES:
        problem = f"energy {energy!r} is not known; there are {', '.join(ENERGIES)}"
    elif repeated:
        problem = f"energy {energy} stands twice; add the places up in one row"
    elif any(row[c] != round(row[c]) for c in ("places", "packs", "pack_chargers")):
        problem = "places, packs and pack_chargers must be whole numbers"
    elif energy in _ELECTRIC and not row["power_kw"] > 0.0:
        problem = f"power_kw is {row['power_kw']:g}; the power of a plug or pack charger must be positive"
    elif energy not in _ELECTRIC and not row["fill_kg_per_min"] > 0.0:
        problem = (
            f"fill_kg_per_min is {row['fill_kg_per_min']:g}; it must be positive (for a station without nozzles set places to 0)"
        )
    if problem:
        msg = f"station {station}: {problem}"
        raise ChargingError(msg)


def _desk(
    station: str, energy: str, row: Mapping[str, float], come: pl.DataFrame, battery: Battery | None, full_soc: float, eff: float
) -> Desk:
    hour = number_column(come, "hour", ChargingError, at_least=0.0).astype(np.int64)
    if hour.size and (hour.max() >= HOURS or np.unique(hour).size != hour.size):
        msg = f"arrivals of {station} {energy}: hour must run from 0 to {HOURS - 1}, once each"
        raise ChargingError(msg)
    rate, need = np.zeros(HOURS), np.ones(HOURS)
    rate[hour] = number_column(come, "vehicles_per_h", ChargingError, at_least=0.0)
    sizes = number_column(come, "need", ChargingError, above=0.0)
    if sizes.size:
        need[:] = sizes.mean()
        need[hour] = sizes
    if energy == "swap" and battery is None:
        # packs without a type: constant power, and large enough for any visit
        battery = Battery(_ANY_SIZE * float(need.max()), row["power_kw"], 0.5, row["power_kw"])
    extra = {
        name: float(come[name].cast(pl.Float64).fill_null(usual).mean() or 0.0) if name in come.columns and come.height else usual  # type: ignore[arg-type]
        for name, usual in (("need_cv", 0.0), ("patience_min", math.inf), ("patience_cv", 0.0))
    }
    for name, value in extra.items():
        if not value >= 0.0:
            msg = f"arrivals of {station} {energy}: {name} is {value}; it must not be negative"
            raise ChargingError(msg)
    return Desk(station, energy, row, battery, full_soc, eff, rate, need, **extra)
