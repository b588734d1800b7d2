"""What vehicles cost their owners, and what the measures of a run cost and save: tables ``tco`` and ``costs``.

Money is in constant yuan of 2023. A measure is compared with the same run without it: the vehicles are modelled once more with the sales mix,
the electrified railway and the shore power of the base year, at the same turnover, so that no other lever enters the difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.special import gamma

from fleets import tco
from fleets.vehicles import hold_after
from transport import accounts
from transport.infrastructure import berth_energy
from transport.layout import BASE_YEAR, SCOPES, YEARS, EnergyKey, EnergyUse, year_index
from transport.parts import activity_of
from transport.vehicles import model_vehicles
from transport.vehicles.ownership import (
    diesel_price,
    energy_price,
    fixed_per_year,
    is_priced,
    list_price,
    own_chargers,
    ownership_cost,
    upkeep_per_km,
)
from transport.vehicles.sales import cost_shares, path_shares
from transport.vehicles.stocks import required_stock
from transport.vehicles.tables import parents, read_classes, read_climates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from transport.accounts import CarbonFactors
    from transport.inputs import Inputs
    from transport.params import Params
    from transport.parts import Parts
    from transport.vehicles import Activity, VehicleOutcome
    from transport.vehicles.tables import VehicleClass

    Array = NDArray[np.float64]

#: Scope of the CO2 that a measure avoids: at the exhaust and in the power plants, at the grid factor of the year.
_SCOPE = SCOPES.index("direct_power")
#: Avoided CO2 below this is rounding, and no cost is divided by it [t/yr].
_LEAST_AVOIDED_T = 1.0
_KG_PER_T = 1000.0
_RAIL = ("locomotive_freight", "locomotive_conventional_passenger")
_BASE = year_index(BASE_YEAR)
_SHOWN = YEARS[_BASE:]


@dataclass(frozen=True)
class YearlyCost:
    """Yearly cost of one class by component, arrays ``[draw, year]`` [CNY/yr], and its CO2 [t/yr]."""

    capital: Array
    energy: Array
    maintenance: Array
    infrastructure: Array
    co2_t: Array

    def less(self, other: YearlyCost) -> YearlyCost:
        """Return this cost less another."""
        return YearlyCost(
            self.capital - other.capital,
            self.energy - other.energy,
            self.maintenance - other.maintenance,
            self.infrastructure - other.infrastructure,
            self.co2_t - other.co2_t,
        )

    def total(self) -> Array:
        """Return the sum of the components [CNY/yr]."""
        return np.asarray(self.capital + self.energy + self.maintenance + self.infrastructure)


def cost_tables(parts: Parts) -> dict[str, pl.DataFrame]:
    """Return the tables ``tco`` and ``costs`` of a run (first draw).

    Parameters
    ----------
    parts
        Parts of the run.
    """
    activity = activity_of(parts.inputs, parts.params, parts.freight, parts.passengers)
    found = measure_costs(
        parts.inputs, parts.params, activity, parts.vehicles, parts.factors, hold_composition_after=parts.hold_year
    )
    return {
        "tco": tco_table(parts.inputs, parts.params, activity),
        "costs": costs_table(found, parts.params.get("discount_rate", "social")),
    }


def tco_table(inputs: Inputs, params: Params, activity: Activity) -> pl.DataFrame:
    """Return the cost of ownership of new vehicles and the sales shares of rows and of costs, from the base year on (first draw).

    Parameters
    ----------
    inputs, params, activity
        Of the run.

    Returns
    -------
    DataFrame
        Columns year, vehicle_class, powertrain, capital, energy, maintenance, fixed, infrastructure and total (each ``_cny2023_per_km``),
        path_share, tco_share.
    """
    params, classes = _inherited(inputs, params)
    climate = read_climates(inputs, params)
    frames = []
    for spec in _priced(classes, params):
        required = required_stock(spec, params, activity)
        cost = ownership_cost(spec, params, activity, climate, required)
        path = path_shares(params, spec, (required.shape[0], required.shape[1]))
        by_cost = cost_shares(params, spec, path, cost)
        for k, pair in enumerate(spec.pairs):
            shown = {
                "capital": cost.capital,
                "energy": cost.energy,
                "maintenance": cost.maintenance,
                "fixed": cost.fixed,
                "infrastructure": cost.infrastructure,
                "total": cost.total(),
            }
            frames.append(
                pl.DataFrame(
                    {
                        "year": list(_SHOWN),
                        "vehicle_class": [spec.name] * len(_SHOWN),
                        "powertrain": [pair.powertrain] * len(_SHOWN),
                        **{f"{name}_cny2023_per_km": array[0, _BASE:, k] for name, array in shown.items()},
                        "path_share": path[0, _BASE:, k],
                        "tco_share": by_cost[0, _BASE:, k],
                    }
                )
            )
    return pl.concat(frames).sort("year", "vehicle_class", maintain_order=True)


def costs_table(found: Mapping[tuple[str, str], YearlyCost], rate: Array) -> pl.DataFrame:
    """Return yearly cost, discounted cost and avoided CO2 of the measures of a run against the run without them (first draw).

    Parameters
    ----------
    found
        Result of :func:`measure_costs`.
    rate
        Social discount rate ``[draw, year]`` [1/yr].

    Returns
    -------
    DataFrame
        Columns year, measure, vehicle_class, capital_cny2023, energy_cny2023, maintenance_cny2023, infrastructure_cny2023, total_cny2023,
        discounted_cny2023, avoided_tco2, cny2023_per_tco2 (null where no CO2 is avoided).

    Notes
    -----
    discounted = total (1 + r)^-(t - 2020) with the social rate r. Capital is charged as an annuity over the service life, at list prices:
    purchase tax and subsidy only move money and are left out, taxes inside energy prices are not. A second battery counts as capital in the
    year of the exchange, at the pack price of that year.
    """
    factor = (1.0 + rate[0, _BASE:]) ** -np.arange(len(_SHOWN), dtype=np.float64)
    frames = []
    for (measure, name), cost in found.items():
        total, avoided = cost.total()[0, _BASE:], -cost.co2_t[0, _BASE:]
        frames.append(
            pl.DataFrame(
                {
                    "year": list(_SHOWN),
                    "measure": [measure] * len(_SHOWN),
                    "vehicle_class": [name] * len(_SHOWN),
                    "capital_cny2023": cost.capital[0, _BASE:],
                    "energy_cny2023": cost.energy[0, _BASE:],
                    "maintenance_cny2023": cost.maintenance[0, _BASE:],
                    "infrastructure_cny2023": cost.infrastructure[0, _BASE:],
                    "total_cny2023": total,
                    "discounted_cny2023": total * factor,
                    "avoided_tco2": avoided,
                    "cny2023_per_tco2": pl.Series(abatement_cost(total, avoided), dtype=pl.Float64),
                }
            )
        )
    return pl.concat(frames).sort("year", maintain_order=True)


def abatement_cost(cost: Array, avoided_t: Array) -> list[float | None]:
    """Return cost per tonne of CO2 avoided [CNY/t], None where a measure avoids nothing: a ratio to zero or to more CO2 has no meaning."""
    return [float(c / a) if a > _LEAST_AVOIDED_T else None for c, a in zip(cost, avoided_t, strict=True)]


def measure_costs(
    inputs: Inputs,
    params: Params,
    activity: Activity,
    vehicles: VehicleOutcome,
    factors: CarbonFactors,
    *,
    hold_composition_after: int | None = None,
) -> dict[tuple[str, str], YearlyCost]:
    """Return (measure, vehicle class) -> cost of the run less the cost without the measure.

    Parameters
    ----------
    inputs, params, activity
        Of the run.
    vehicles
        What the vehicle model made of them, with the sales of the run.
    factors
        Carbon factors of the run.
    hold_composition_after
        As the run was made with.

    Returns
    -------
    dict
        Measures ``clean_sales`` (sales mix beyond the base year's, by road class), ``rail_electrification`` (by kind of train) and
        ``shore_power``.
    """
    before = params.replace("rail_electrified_share", "all", hold_after(params.get("rail_electrified_share"), _BASE))
    other = model_vehicles(inputs, before, activity, hold_composition_after=hold_composition_after, sales="held")
    params, classes = _inherited(inputs, params)
    made = {
        ("clean_sales", spec.name): _road_cost(params, factors, spec, vehicles).less(_road_cost(params, factors, spec, other))
        for spec in _priced(classes, params)
    }
    km = (vehicles.rail_electrified_share - other.rail_electrified_share) * params.get("rail_operating_length")
    wires = km * params.get("rail_electrification_cost") * _spread(params, "rail_electrification")
    gross = {n: _work(vehicles, n, "gross_tkm") for n in _RAIL}
    moved = sum(gross.values())
    for name in _RAIL:
        now, then = (_rail_cost(params, factors, name, fleet) for fleet in (vehicles, other))
        share = gross[name] / np.where(moved > 0, moved, 1.0)
        change = now.less(then)
        made["rail_electrification", name] = YearlyCost(
            change.capital, change.energy, change.maintenance, wires * share, change.co2_t
        )
    made["shore_power", "ship_at_berth"] = _shore_cost(params, factors)
    return made


def _inherited(inputs: Inputs, params: Params) -> tuple[Params, tuple[VehicleClass, ...]]:
    """Return parameters in which members of a group inherit its rows, and the classes."""
    classes = read_classes(inputs)
    return params.inheriting(parents(classes)), classes


def _priced(classes: Sequence[VehicleClass], params: Params) -> list[VehicleClass]:
    """Return the road classes whose powertrains all have prices."""
    return [spec for spec in classes if is_priced(spec, params)]


def _road_cost(params: Params, factors: CarbonFactors, spec: VehicleClass, fleet: VehicleOutcome) -> YearlyCost:
    """Return the yearly cost of one road class in one outcome of the vehicle model."""
    i = fleet.classes.index(spec.name)
    at = [fleet.powertrains.index(p.powertrain) for p in spec.pairs]
    stock, sales = (np.moveaxis(array[i, at], 0, -1) for array in (fleet.stock, fleet.sales))
    rate = params.get("discount_rate", "social")[:, 0]
    scale, shape = (params.get(name, spec.name)[:, 0] for name in ("survival_scale", "survival_shape"))
    life = scale * gamma(1.0 + 1.0 / shape)
    km = np.stack([_work(fleet, spec.name, "km", p.powertrain) for p in spec.pairs], axis=-1)
    chargers = own_chargers(params, spec) * _spread(params, "charger")[:, :, None]
    second = [k for k, (name, _) in enumerate(fleet.retired.keys) if name == spec.name]
    batteries = fleet.retired.replaced[second].sum(axis=0) * params.get("battery_pack_price")
    energy, co2 = np.zeros(stock.shape[:2]), np.zeros(stock.shape[:2])
    carbon = accounts.account(fleet.energy, factors)[_SCOPE]
    trains = [p.powertrain for p in spec.pairs]
    for k, key in enumerate(fleet.energy.keys):
        if key.vehicle_class == spec.name:
            energy += fleet.energy.quantity[k] * energy_price(params, spec, key.carrier)[..., trains.index(key.powertrain)]
            co2 += carbon[k]
    return YearlyCost(
        capital=tco.charged_capital(sales, list_price(params, spec), rate, life).sum(axis=-1) + batteries,
        energy=energy,
        maintenance=(km * upkeep_per_km(params, spec) + stock * fixed_per_year(params, spec)).sum(axis=-1),
        infrastructure=(stock * chargers).sum(axis=-1),
        co2_t=co2,
    )


def _rail_cost(params: Params, factors: CarbonFactors, name: str, fleet: VehicleOutcome) -> YearlyCost:
    """Return energy cost and CO2 of one kind of train; locomotives have no price rows."""
    per_t = diesel_price(params) * _KG_PER_T / params.get("fuel_density", "diesel")
    price: Mapping[str, Array] = {"electricity": params.get("traction_power_price"), "diesel": per_t}
    rows = [k for k, key in enumerate(fleet.energy.keys) if key.vehicle_class == name]
    zero = np.zeros_like(per_t)
    energy = sum((fleet.energy.quantity[k] * price[fleet.energy.keys[k].carrier] for k in rows), zero)
    carbon = accounts.account(fleet.energy, factors)[_SCOPE]
    return YearlyCost(zero, energy, zero, zero, np.asarray(carbon[rows].sum(axis=0)))


def _shore_cost(params: Params, factors: CarbonFactors) -> YearlyCost:
    """Return what shore power beyond the base year's costs and saves."""
    held = params
    for parameter in ("shore_power_compliance", "shore_power_ships", "shore_power_berths"):
        for subject in params.subjects(parameter):
            held = held.replace(parameter, subject, hold_after(params.get(parameter, subject), _BASE))
    keys = (EnergyKey("ship_at_berth", "marine_diesel", "diesel"), EnergyKey("ship_at_berth", "shore_power", "electricity"))
    used = [np.stack(berth_energy(p)[3:]) for p in (params, held)]
    more = used[0] - used[1]
    co2 = [accounts.account(EnergyUse(keys, quantity), factors)[_SCOPE].sum(axis=0) for quantity in used]
    zero = np.zeros_like(more[0])
    per_t = diesel_price(params) * _KG_PER_T / params.get("fuel_density", "diesel")
    energy = more[0] * per_t + more[1] * params.get("charging_electricity_price", "flat")
    berths = params.get("shore_power_berths", "ro_pax")
    sets = np.maximum(berths - held.get("shore_power_berths", "ro_pax"), 0.0) * params.get("ro_pax_berths")
    capital = sets * params.get("shore_power_set_price") * _spread(params, "shore_power")
    return YearlyCost(zero, energy, zero, capital, co2[0] - co2[1])


def _spread(params: Params, what: str) -> Array:
    """Return the annuity of an infrastructure at the social rate ``[draw, year]`` [1/yr]."""
    return tco.annuity(params.get("discount_rate", "social"), params.get("infrastructure_life", what))


def _work(fleet: VehicleOutcome, name: str, unit: str, powertrain: str | None = None) -> Array:
    """Return the work of a class in one unit ``[draw, year]``, of one powertrain or of all."""
    rows = [
        k
        for k, key in enumerate(fleet.work.keys)
        if key.vehicle_class == name and fleet.work.units[k] == unit and powertrain in {None, key.powertrain}
    ]
    return np.asarray(fleet.work.quantity[rows].sum(axis=0))
