"""Energy of road vehicles by month, and per km under each condition: how much more a winter month takes than a mild one.

The year's energy stands on the mean of the monthly weather; here the months are shown apart and sum to the year. Distance is alike in
all months: nothing known to the model says otherwise, and no traffic by month is invented. Ships, trains, pipelines and aircraft have no
rows, because their energy does not depend on the weather here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from fleets import energy as formula
from transport.freight_costs import truck_load_t
from transport.fuel_units import terajoules
from transport.layout import BASE_YEAR, CARRIER_UNITS, YEARS, year_index
from transport.vehicles.energies import BATTERY_ALONE, SPEED_BANDS, electric_weather, speed_bands
from transport.vehicles.tables import monthly_temperature, parents, read_classes, read_climates, read_monthly_climates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from transport.params import Params
    from transport.parts import Parts
    from transport.vehicles.tables import Climate

    Array = NDArray[np.float64]

MONTHS: tuple[int, ...] = tuple(range(1, 13))
#: Years of the table of conditions: the base year and that of the targets.
CONDITION_YEARS = (BASE_YEAR, 2030)
#: Loads of a truck; other classes have only the mean.
LOADS = ("mean", "empty", "full")
#: Speed band of classes whose roads are not told apart.
ALL_BANDS = "all"
#: The months may differ from the year by this part of it.
SUM_LIMIT = 1e-9
_MJ_PER_TJ = 1e6
_PERCENT = 100.0
_POWER, _HYDROGEN, _DIESEL = "electricity", "hydrogen", "diesel"


class SeasonError(ValueError):
    """Exception for months that do not make up the year."""


class Season(NamedTuple):
    """Energy of one class, powertrain and carrier, first draw.

    Attributes
    ----------
    vehicle_class, powertrain, carrier
        Key of the energy.
    quantity
        Energy of the year ``[year]`` in the carrier's native unit.
    multiplier
        Weather of the months ``[month, year]``, 1 = mild; one where the weather has no say.
    mean
        Weather of the year ``[year]`` that the energy was computed with.
    per_km
        Mean of the year per km driven with the drive that uses the carrier ``[year]``: kWh/km for electricity, else MJ/km; nan without km.
    kind
        ``combustion``, ``electric`` or ``heater`` (a burner heats by the km, whatever road and load).
    """

    vehicle_class: str
    powertrain: str
    carrier: str
    quantity: Array
    multiplier: Array
    mean: Array
    per_km: Array
    kind: str

    @property
    def share(self) -> Array:
        """Return the share of the months in the year ``[month, year]``."""
        return np.asarray(self.multiplier / self.multiplier.sum(axis=0))


def seasons(parts: Parts) -> list[Season]:
    r"""Return the months of every energy row of road vehicles, first draw.

    Parameters
    ----------
    parts
        Of the run.

    Notes
    -----
    With the weather multiplier :math:`m` of the month at equal distance in all months:

    .. math:: E_m = E \frac{m_m}{\sum_m m_m}
    """
    specs = {spec.name: spec for spec in read_classes(parts.inputs) if spec.climate}
    params = parts.params.inheriting(parents(tuple(read_classes(parts.inputs))))
    of_year, of_month = read_climates(parts.inputs, params), read_monthly_climates(parts.inputs, params)
    use, work = parts.vehicles.energy, parts.vehicles.work
    tj = terajoules(use, params)[:, 0]
    driven: dict[tuple[str, str, str], Array] = {}
    for (i, carrier), energy in work.energy.items():
        row = work.keys[i]
        # only a drive that has used the carrier has driven with it
        if bool(energy[0].any()):
            drive = (row.vehicle_class, row.powertrain, carrier)
            driven[drive] = driven.get(drive, 0.0) + work.quantity[i, 0]
    made = []
    for k, key in enumerate(use.keys):
        if key.vehicle_class not in specs:
            continue
        name = (key.vehicle_class, key.powertrain, key.carrier)
        group = specs[key.vehicle_class].climate
        kind = _kind(key.powertrain, key.carrier)
        mean, multiplier = (_weather(name, kind, params, climates[group]) for climates in (of_year, of_month))
        amount = use.quantity[k, 0] if key.carrier == _POWER else tj[k] * _MJ_PER_TJ
        km = driven.get(name, np.zeros(len(YEARS)))
        per_km = np.divide(amount, km, out=np.full(len(YEARS), np.nan), where=km > 0)
        made.append(Season(*name, use.quantity[k, 0], multiplier, mean, per_km, kind))
    return made


def _kind(train: str, carrier: str) -> str:
    """Return what the energy of a powertrain follows."""
    if carrier in {_POWER, _HYDROGEN}:
        return "electric"
    return "heater" if train in BATTERY_ALONE and carrier == _DIESEL else "combustion"


def _weather(name: tuple[str, str, str], kind: str, params: Params, climate: Climate) -> Array:
    """Return the weather multiplier ``[..., year]`` of one energy row, first draw."""
    if kind == "combustion":
        made = climate.combustion
    elif kind == "heater":
        made = climate.heater
    elif name[2] == _HYDROGEN:
        # fuel cells have no row of temperature: their waste heat warms the cabin
        made = np.ones_like(climate.combustion)
    else:
        made, _ = electric_weather(name[0], name[1], params, climate)
    return np.asarray(made[..., 0, :])


# ---- tables ------------------------------------------------------------------------------------------------------------------------


def season_tables(parts: Parts) -> Mapping[str, pl.DataFrame]:
    """Return the tables ``energy_months`` and ``energy_conditions`` of a run.

    Parameters
    ----------
    parts
        Of the run.

    Raises
    ------
    SeasonError
        If the months do not make up the weather that the year was computed with.
    """
    found = seasons(parts)
    params = parts.params.inheriting(parents(tuple(read_classes(parts.inputs))))
    temperature = monthly_temperature(parts.inputs, params)[:, 0]
    worst = max(_error(row) for row in found)
    if not worst <= SUM_LIMIT:
        msg = f"energy by month differs from the year by {worst:.1e} of it (limit {SUM_LIMIT:.0e})"
        raise SeasonError(msg)
    return {"energy_months": _months(found, temperature), "energy_conditions": _conditions(found, params, temperature)}


def season_checks(parts: Parts) -> pl.DataFrame:
    """Return the check ``energy.months_sum``: weather of the months against that of the year, largest relative difference."""
    worst = max(_error(row) for row in seasons(parts))
    return pl.DataFrame({"check": ["energy.months_sum"], "value": [worst], "limit": [SUM_LIMIT], "passed": [worst <= SUM_LIMIT]})


def _error(row: Season) -> float:
    months = row.multiplier.mean(axis=0)
    return float(np.max(np.abs(months - row.mean) / np.where(row.mean > 0, row.mean, 1.0)))


def _months(found: list[Season], temperature: Array) -> pl.DataFrame:
    n_year, n_month = len(YEARS), len(MONTHS)
    quantity = np.stack([row.quantity for row in found])[:, None]
    share = np.where(quantity > 0, np.stack([row.share for row in found]), 0.0)
    per_km = np.stack([row.per_km for row in found])[:, None] * n_month * share
    size = n_month * n_year
    columns = {
        "year": np.tile(np.asarray(YEARS, dtype=np.int64), len(found) * n_month),
        "month": np.tile(np.repeat(np.asarray(MONTHS, dtype=np.int64), n_year), len(found)),
        "temperature_c": np.tile(temperature.ravel(), len(found)),
        "quantity": (quantity * share).ravel(),
        "share_pct": (_PERCENT * share).ravel(),
        "per_km": per_km.ravel(),
    }
    table = pl.concat([_labels(found)[np.repeat(np.arange(len(found)), size)], pl.DataFrame(columns)], how="horizontal")
    return (
        table.filter(pl.col("quantity") > 0.0)
        .select(
            "year",
            "month",
            "vehicle_class",
            "powertrain",
            "carrier",
            "temperature_c",
            "quantity",
            "unit",
            "share_pct",
            pl.col("per_km").fill_nan(None),
            "per_km_unit",
        )
        .sort("year", "vehicle_class", "powertrain", "carrier", "month")
    )


def _labels(found: list[Season]) -> pl.DataFrame:
    """Return one row of codes and units per energy row."""
    return pl.DataFrame(
        {
            "vehicle_class": [row.vehicle_class for row in found],
            "powertrain": [row.powertrain for row in found],
            "carrier": [row.carrier for row in found],
            "unit": [CARRIER_UNITS[row.carrier] for row in found],
            "per_km_unit": [_per_km_unit(row.carrier) for row in found],
        }
    )


def _per_km_unit(carrier: str) -> str:
    return "kWh/km" if carrier == _POWER else "MJ/km"


def _conditions(found: list[Season], params: Params, temperature: Array) -> pl.DataFrame:
    """Return energy per km by load, speed band and month; the mean over loads, bands and months driven is that of the year."""
    at = [year_index(year) for year in CONDITION_YEARS]
    rows: list[tuple[int, str, str]] = []
    values = []
    for i, row in enumerate(found):
        months = row.per_km[at] * len(MONTHS) * row.share[:, at]
        for load, by_load in _loads(row, params).items():
            for band, by_band in _bands(row, params).items():
                rows.append((i, load, band))
                values.append(np.where(row.quantity[at] > 0, months * by_load[at] * by_band[at], np.nan))
    labels = _labels(found)[[i for i, _, _ in rows]].with_columns(
        load=pl.Series([load for _, load, _ in rows], dtype=pl.String),
        speed_band=pl.Series([band for _, _, band in rows], dtype=pl.String),
    )
    n_year, n_month = len(CONDITION_YEARS), len(MONTHS)
    columns = {
        "year": np.tile(np.asarray(CONDITION_YEARS, dtype=np.int64), len(rows) * n_month),
        "month": np.tile(np.repeat(np.asarray(MONTHS, dtype=np.int64), n_year), len(rows)),
        "temperature_c": np.tile(temperature[:, at].ravel(), len(rows)),
        "per_km": np.stack(values).ravel(),
    }
    table = pl.concat([labels[np.repeat(np.arange(len(rows)), n_year * n_month)], pl.DataFrame(columns)], how="horizontal")
    keys = ("year", "vehicle_class", "powertrain", "carrier", "load", "speed_band", "month")
    return table.filter(pl.col("per_km").is_not_nan()).select(*keys, "temperature_c", "per_km", unit="per_km_unit").sort(*keys)


def _bands(row: Season, params: Params) -> dict[str, Array]:
    """Return speed band -> energy per km relative to the mean over the bands ``[year]``."""
    bands = None if row.kind == "heater" else speed_bands(params, row.vehicle_class, row.kind)
    if bands is None:
        return {ALL_BANDS: np.ones(len(YEARS))}
    ratio = formula.band_ratio(*bands)[0]
    return {band: ratio[:, i] for i, band in enumerate(SPEED_BANDS)}


def _loads(row: Season, params: Params) -> dict[str, Array]:
    """Return load -> energy per km relative to that at the mean load ``[year]``."""
    made = {LOADS[0]: np.ones(len(YEARS))}
    name = row.vehicle_class
    if row.kind == "heater" or not params.has("load_fuel_share", name):
        return made
    reference, grows = params.get("truck_reference_load", name), params.get("load_fuel_share", name)
    mean = formula.load_multiplier(truck_load_t(name, params), reference, grows)
    for load, tonnes in (("empty", 0.0 * reference), ("full", params.get("truck_payload", name))):
        made[load] = (formula.load_multiplier(tonnes, reference, grows) / mean)[0]
    return made
