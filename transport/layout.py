"""The common layout of numbers: years, draws, energy and turnover by key.

Every modelled quantity is a float array with the draw axis before the year axis, ``[..., draw, year]``; a single run has one draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

FIRST_YEAR = 2015
LAST_YEAR = 2035
#: Years of the model, annual.
YEARS: tuple[int, ...] = tuple(range(FIRST_YEAR, LAST_YEAR + 1))
#: Base year of the plan's targets; no lever acts in it or before it.
BASE_YEAR = 2020
#: The last year before COVID: pivot of every relative change of travel.
NORMAL_YEAR = 2019
#: Last year that a hindcast looks at, and its earliest cut: the model is fitted to the base year.
LAST_OBSERVED, FIRST_CUT = 2024, BASE_YEAR
PROVINCE = "210000"

MODES: tuple[str, ...] = ("road", "rail", "water", "pipeline", "air")
SCOPES: tuple[str, ...] = ("direct", "direct_power", "wtw")

#: Qualities of a value from the best to the weakest; a sum is as good as its weakest part.
QUALITY_ORDER: tuple[str, ...] = ("official", "measured", "literature", "derived", "assumption", "recalled")
#: Columns of the result table ``fit``, to which every part of the model adds its rows.
FIT_SCHEMA: dict[str, type[pl.DataType]] = {
    "item": pl.String,
    "mode": pl.String,
    "year": pl.Int64,
    "unit": pl.String,
    "observed": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "modelled": pl.Float64,
    "error_pct": pl.Float64,
    "used_for": pl.String,
    "principle": pl.String,
    "quality": pl.String,
    "note": pl.String,
}

#: Native unit of each energy carrier in :class:`EnergyUse`.
CARRIER_UNITS: dict[str, str] = {
    "gasoline": "t",
    "diesel": "t",
    "kerosene": "t",
    "fuel_oil": "t",
    "lpg": "t",
    "natural_gas": "m3",
    "lng": "t",
    "methanol": "t",
    "hydrogen": "t",
    "electricity": "kWh",
}


def year_index(year: int) -> int:
    """Return the position of a year on the year axis.

    Raises
    ------
    ValueError
        If the year lies outside 2015-2035.
    """
    if not FIRST_YEAR <= year <= LAST_YEAR:
        msg = f"year {year} is outside {FIRST_YEAR}-{LAST_YEAR}"
        raise ValueError(msg)
    return year - FIRST_YEAR


@dataclass(frozen=True, slots=True)
class EnergyKey:
    """Who used which energy carrier where; each litre and kWh carries exactly one key."""

    vehicle_class: str
    powertrain: str
    carrier: str
    place: str = PROVINCE


@dataclass(frozen=True, slots=True)
class EnergyUse:
    """Energy by key.

    Attributes
    ----------
    keys
        One key per row of ``quantity``; unique.
    quantity
        Array ``[key, draw, year]`` in the carrier's native unit per year (:data:`CARRIER_UNITS`).
    """

    keys: tuple[EnergyKey, ...]
    quantity: NDArray[np.float64]

    def __post_init__(self) -> None:
        if len(set(self.keys)) != len(self.keys):
            twice = sorted({str(k) for k in self.keys if self.keys.count(k) > 1})
            msg = f"energy counted twice: {', '.join(twice)}"
            raise ValueError(msg)
        if self.quantity.shape[0] != len(self.keys):
            msg = f"{len(self.keys)} energy keys but {self.quantity.shape[0]} rows"
            raise ValueError(msg)
        if not bool(np.all(np.isfinite(self.quantity) & (self.quantity >= 0))):
            bad = {str(k) for k, row in zip(self.keys, self.quantity, strict=True) if not np.all(row >= 0)}
            msg = f"negative or missing energy: {', '.join(sorted(bad))}"
            raise ValueError(msg)

    @classmethod
    def concat(cls, parts: Iterable[EnergyUse]) -> EnergyUse:
        """Join several energy uses; a key that stands in two of them is an error."""
        found = list(parts)
        keys = tuple(key for part in found for key in part.keys)
        return cls(keys, np.concatenate([part.quantity for part in found], axis=0))

    def frame(self, *, draw: int = 0) -> pl.DataFrame:
        """Return one draw as a long table: year, vehicle_class, powertrain, carrier, place, quantity, unit."""
        n_key, _, n_year = self.quantity.shape
        rows = {
            "year": np.tile(np.arange(FIRST_YEAR, FIRST_YEAR + n_year), n_key),
            "vehicle_class": np.repeat([k.vehicle_class for k in self.keys], n_year),
            "powertrain": np.repeat([k.powertrain for k in self.keys], n_year),
            "carrier": np.repeat([k.carrier for k in self.keys], n_year),
            "place": np.repeat([k.place for k in self.keys], n_year),
            "quantity": self.quantity[:, draw, :].ravel(),
            "unit": np.repeat([CARRIER_UNITS[k.carrier] for k in self.keys], n_year),
        }
        return pl.DataFrame(rows).sort("year", "vehicle_class", "powertrain", "carrier", "place")


@dataclass(frozen=True, slots=True)
class WorkKey:
    """Which vehicles moved for which service, on electricity or on fuel.

    Attributes
    ----------
    vehicle_class
        Code of the class.
    powertrain
        Code of the powertrain; empty where all powertrains of the class act on the same work, as the pumps and heaters of a pipeline.
    service
        What is carried: ``freight``, a service of intercity passengers (``conventional``, ``high_speed``, ``coach``, ``ro_pax``, ``air``,
        ``private_car``), ``pipeline_crude``, ``pipeline_product``, ``pipeline_gas``, or ``own`` where no turnover is counted.
    drive
        ``electric`` where the work is done with electricity from the grid, else ``fuel``; a plug-in vehicle has a key for each.
    """

    vehicle_class: str
    powertrain: str
    service: str
    drive: str


@dataclass(frozen=True, slots=True)
class WorkUse:
    """Physical work by key and the energy it took.

    Attributes
    ----------
    keys
        One key per row; unique.
    units
        Unit of each row: ``km``, ``gross_tkm``, ``seat_km``, ``tkm`` or ``total_tkm``; the same for all rows of a class and service.
    quantity
        Array ``[key, draw, year]`` per year.
    load_ratio
        Array ``[key, draw, year]``: energy per unit of work relative to the one at the reference load; 1 where energy does not depend on
        the load of the single vehicle.
    energy
        (position of the key, carrier) -> array ``[draw, year]`` in the carrier's native unit. Over the keys of a class it sums to the rows
        of :class:`EnergyUse`; what is used without work that is counted (stations, shunting) has no key.
    """

    keys: tuple[WorkKey, ...]
    units: tuple[str, ...]
    quantity: NDArray[np.float64]
    load_ratio: NDArray[np.float64]
    energy: Mapping[tuple[int, str], NDArray[np.float64]]

    def __post_init__(self) -> None:
        if len(set(self.keys)) != len(self.keys):
            twice = sorted({str(k) for k in self.keys if self.keys.count(k) > 1})
            msg = f"work counted twice: {', '.join(twice)}"
            raise ValueError(msg)
        if not len(self.keys) == len(self.units) == self.quantity.shape[0] == self.load_ratio.shape[0]:
            msg = f"{len(self.keys)} work keys but {len(self.units)} units and {self.quantity.shape[0]} rows"
            raise ValueError(msg)
        if not bool(np.all(np.isfinite(self.quantity) & (self.quantity >= 0))):
            bad = {str(k) for k, row in zip(self.keys, self.quantity, strict=True) if not np.all(row >= 0)}
            msg = f"negative or missing work: {', '.join(sorted(bad))}"
            raise ValueError(msg)

    def service_energy(self, service: str, carrier: str) -> NDArray[np.float64]:
        """Return the energy ``[draw, year]`` of one carrier that a service took, in native units; zeros where it took none."""
        rows = [a for (k, c), a in self.energy.items() if c == carrier and self.keys[k].service == service]
        return np.sum(rows, axis=0) if rows else np.zeros(self.quantity.shape[1:])


@dataclass(frozen=True, slots=True)
class TurnoverKey:
    """Mode and service of a turnover series, for example (rail, freight) or (rail, high_speed)."""

    mode: str
    service: str


@dataclass(frozen=True, slots=True)
class Turnover:
    """Freight tonne-km and passenger-km of operating transport by key, all of one statistical principle.

    Attributes
    ----------
    keys
        One key per row.
    tkm, pkm
        Arrays ``[key, draw, year]`` [tkm/yr] and [pkm/yr]; one of them is zero in each row.
    principle
        What all rows count by.
    """

    keys: tuple[TurnoverKey, ...]
    tkm: NDArray[np.float64]
    pkm: NDArray[np.float64]
    principle: str = "carrier"
