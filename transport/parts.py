"""The parts of one run: what every model returned, and the accounts made from it, before any result table.

Everything above this floor (attribution, bridges to published balances, hindcast, split over prefectures, costs) reads one value of
:class:`Parts` and returns tables by name; nothing here knows a scenario or a lever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from transport import accounts, bridge
from transport.distribution import model_distribution
from transport.layout import BASE_YEAR, YEARS, EnergyUse, Turnover
from transport.power import grid_factor
from transport.vehicles import Activity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from transport.freight import FreightOutcome
    from transport.infrastructure import InfrastructureOutcome
    from transport.inputs import Inputs
    from transport.params import Params
    from transport.passengers import PassengerOutcome
    from transport.simulations import SimulationOutcome
    from transport.travel import TravelOutcome
    from transport.urban_service import UrbanService
    from transport.vehicles import VehicleOutcome


#: (part, service) of the passengers whose turnover carriers of the province count.
CARRIED: tuple[tuple[str, str], ...] = (
    ("rail", "conventional"),
    ("rail", "high_speed"),
    ("road", "coach"),
    ("coastal", "ro_pax"),
    ("air", "air"),
)


class Models(NamedTuple):
    """What the models of one run returned; ``normal`` carries the passenger loads of 2019 in 2020."""

    freight: FreightOutcome
    passengers: PassengerOutcome
    normal: PassengerOutcome
    vehicles: VehicleOutcome
    vehicles_normal: VehicleOutcome
    infrastructure: InfrastructureOutcome
    travel: TravelOutcome
    urban: UrbanService
    simulation: SimulationOutcome


class Books(NamedTuple):
    """Energy, carbon and converted turnover of one set of passenger loads."""

    energy: EnergyUse
    co2_t: NDArray[np.float64]
    turnover: Turnover
    converted_tkm: NDArray[np.float64]
    book: accounts.Ledger
    vehicles: VehicleOutcome


@dataclass(frozen=True)
class Parts:
    """One run before its result tables.

    Attributes
    ----------
    inputs, params
        Data, and parameters after hold and levers.
    hold_year
        Year whose fleets and network are kept afterwards; None where nothing is held.
    freight, passengers, normal, vehicles, vehicles_normal, infrastructure, travel, urban, simulation
        Outcomes of the models; ``normal`` and ``vehicles_normal`` carry the passengers and loads of 2019 in 2020. ``urban`` is what city
        travel means for the vehicles.
    grid
        Grid factor ``[draw, year]`` [kgCO2/kWh].
    factors, frozen
        Carbon factors with the grid of each year, and with the grid of the base year in all years.
    now, before
        Accounts of the run, and with the passengers of 2019 in 2020 (only its base year is used).
    """

    inputs: Inputs
    params: Params
    hold_year: int | None
    freight: FreightOutcome
    passengers: PassengerOutcome
    normal: PassengerOutcome
    vehicles: VehicleOutcome
    vehicles_normal: VehicleOutcome
    infrastructure: InfrastructureOutcome
    travel: TravelOutcome
    urban: UrbanService
    simulation: SimulationOutcome
    grid: NDArray[np.float64]
    factors: accounts.CarbonFactors
    frozen: accounts.CarbonFactors
    now: Books
    before: Books


def make_parts(inputs: Inputs, params: Params, models: Models, *, hold_year: int | None = None) -> Parts:
    """Return the parts of a run: its models with the accounts made from them.

    Parameters
    ----------
    inputs, params, hold_year
        Of the run.
    models
        Outcomes of the models.
    """
    grid = grid_factor(params)
    factors = accounts.carbon_factors(params, grid)
    books = [
        _books(inputs, params, factors, models, passengers, vehicles)
        for passengers, vehicles in ((models.passengers, models.vehicles), (models.normal, models.vehicles_normal))
    ]
    frozen = accounts.carbon_factors(params, np.repeat(grid[:, [BASE_YEAR - YEARS[0]]], len(YEARS), axis=1))
    return Parts(
        inputs=inputs,
        params=params,
        hold_year=hold_year,
        **models._asdict(),
        grid=grid,
        factors=factors,
        frozen=frozen,
        now=books[0],
        before=books[1],
    )


def activity_of(
    inputs: Inputs, params: Params, freight: FreightOutcome, passengers: PassengerOutcome, urban: UrbanService
) -> Activity:
    """Return what the vehicles have to move, counted as the carriers count it: the same bridges as in the accounts."""
    carrier = freight.carrier_tkm
    pkm = {s: accounts.carrier_pkm(inputs, params, part, s, passengers.pkm[s]) for part, s in CARRIED}
    light = model_distribution(inputs, params)
    return Activity(
        road_freight_tkm=carrier["road"],
        rail_freight_tkm=carrier["rail"],
        coastal_tkm=carrier["coastal"],
        ocean_tkm=carrier["ocean"],
        pipeline_tkm={kind: carrier[f"pipeline_{kind}"] for kind in ("crude", "product", "gas")},
        air_freight_tkm=passengers.air_freight_tkm,
        passenger_pkm=pkm,
        passenger_load={s: passengers.load[s] for s in pkm},
        private_car_pkm=passengers.pkm["private_car"],
        light_trucks=light.trucks,
        clean_zone_share=light.zone_share,
        city_shift_km=urban.shift_km,
        stock_growth=urban.stock_growth,
    )


def part_of_class(inputs: Inputs, *, operating_only: bool) -> dict[str, str]:
    """Return vehicle class -> part of the transport system (road, rail, coastal, ocean, pipeline, air and others outside the headline)."""
    table = inputs.table("fleets/classes")
    rows = table.filter(pl.col("is_operating")) if operating_only else table
    if operating_only:
        bridge.require_carrier_energy(inputs, rows["vehicle_class"].to_list())
    return dict(rows.select("vehicle_class", "part").iter_rows())


def boundaries(inputs: Inputs) -> Mapping[str, list[str]]:
    """Return boundary of the headline -> parts counted."""
    table = inputs.table("accounts/boundaries")
    found = {str(boundary): group["part"].to_list() for (boundary,), group in table.group_by(["boundary"], maintain_order=True)}
    accounts.require_summable(inputs, found)
    return found


def _books(
    inputs: Inputs,
    params: Params,
    factors: accounts.CarbonFactors,
    models: Models,
    passengers: PassengerOutcome,
    vehicles: VehicleOutcome,
) -> Books:
    energy = EnergyUse.concat([vehicles.energy, models.infrastructure.energy])
    co2 = accounts.account(energy, factors)
    carrier = models.freight.carrier_tkm
    turnover = accounts.stated_turnover(
        inputs,
        params,
        {
            "road": carrier["road"],
            "rail": carrier["rail"],
            "coastal": carrier["coastal"],
            "ocean": carrier["ocean"],
            "pipeline": carrier["pipeline_crude"] + carrier["pipeline_product"] + carrier["pipeline_gas"],
            "air": passengers.air_freight_tkm,
        },
        {(part, service): passengers.pkm[service] for part, service in CARRIED},
    )
    converted = accounts.converted_turnover(turnover, params)
    book = accounts.ledger(energy, co2, turnover, converted, part_of_class(inputs, operating_only=True))
    return Books(energy, co2, turnover, converted, book, vehicles)
