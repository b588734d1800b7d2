"""One scenario through every floor: demand to chains, stock to energy, energy to accounts, accounts to indicators."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from transport import accounts, indicators
from transport.freight import FreightOutcome, model_freight
from transport.infrastructure import InfrastructureOutcome, model_infrastructure
from transport.layout import BASE_YEAR, PROVINCE, QUALITY_ORDER, SCOPES, YEARS, EnergyUse, Turnover, year_index
from transport.passengers import PassengerOutcome, model_passengers
from transport.power import grid_factor
from transport.simulations import simulate_weeks
from transport.targets import attach_targets
from transport.travel import TravelOutcome, model_travel
from transport.vehicles import Activity, VehicleOutcome, model_vehicles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from transport.inputs import Inputs
    from transport.params import Params
    from transport.scenario import Scenario

    Progress = Callable[[int, int, str], None]

#: Year whose fleet and demand the representative weeks simulate.
SIMULATED_YEAR = 2030
#: Year of the green-travel target, to which the break-even base share refers.
GREEN_TARGET_YEAR = 2030
#: The steps of a run, in order, as the progress bar names them.
STEPS = ("params", "freight", "passengers", "vehicles", "infrastructure", "travel", "simulation", "accounts", "indicators")


@dataclass(frozen=True)
class Results:
    """The result tables of one run (draw 0) by name, as in the contract."""

    scenario: Scenario
    data_hash: str
    tables: Mapping[str, pl.DataFrame]


class Books(NamedTuple):
    """Energy, carbon and converted turnover of one set of passenger loads."""

    energy: EnergyUse
    co2_t: NDArray[np.float64]
    turnover: Turnover
    converted_tkm: NDArray[np.float64]
    book: accounts.Ledger
    vehicles: VehicleOutcome


def run(scenario: Scenario, inputs: Inputs, *, progress: Progress | None = None) -> Results:
    """Run one scenario.

    Parameters
    ----------
    scenario
        A resolved scenario.
    inputs
        Checked data.
    progress
        Called with (step, number of steps, name) before each step.

    Returns
    -------
    Results
        Tables of the first draw; deterministic for a given scenario and data.
    """

    def tell(step: int) -> None:
        if progress is not None:
            progress(step, len(STEPS), STEPS[step])

    tell(0)
    inputs = replace(inputs, reads={})  # the freight model makes central parameters of its own; their reads count too
    params = scenario_params(scenario, inputs)
    held = scenario.hold_year or None
    tell(1)
    freight = model_freight(inputs, params, hold_network_after=held, capacity=scenario.capacity)
    tell(2)
    passengers = model_passengers(params, inputs=inputs)
    normal = model_passengers(params, inputs=inputs, normal_2020=True)
    tell(3)
    vehicles = model_vehicles(inputs, params, _activity(freight, passengers), hold_composition_after=held)
    vehicles_normal = model_vehicles(inputs, params, _activity(freight, normal), hold_composition_after=held)
    tell(4)
    infrastructure = model_infrastructure(inputs, params)
    tell(5)
    travel = model_travel(inputs, params)
    tell(6)
    simulation = simulate_weeks(inputs, params, year=SIMULATED_YEAR, seed=scenario.seed, level=scenario.simulate)
    tell(7)
    grid = grid_factor(params)
    factors = accounts.carbon_factors(params, grid)
    now = _books(inputs, params, factors, freight, passengers, vehicles, infrastructure)
    before = _books(inputs, params, factors, freight, normal, vehicles_normal, infrastructure)
    frozen = accounts.carbon_factors(params, np.repeat(grid[:, [BASE_YEAR - YEARS[0]]], len(YEARS), axis=1))
    tell(8)
    series = _all_series(inputs, params, now, before, frozen, freight, infrastructure, travel)
    quality = _indicator_quality(inputs)
    vintage = int(params.get("data_vintage_year")[0, 0])
    table = attach_targets(indicators.series_frame(series, quality), inputs.targets, _actuals(inputs), vintage_year=vintage)
    tables = {
        "indicators": table,
        "freight": _freight_frame(freight),
        **freight.tables,
        "turnover": accounts.turnover_frame(now.turnover, now.converted_tkm),
        "stock": _stock_frame(now.vehicles),
        "energy": _energy_frame(now.energy, params),
        "co2": accounts.co2_frame(now.energy, now.co2_t),
        "passengers": _passenger_frame(passengers),
        "green_travel": _travel_frame(travel),
        "port_containers": freight.port_containers,
        "grid_factor": pl.DataFrame({"year": list(YEARS), "kgco2_per_kwh": grid[0]}),
        "airports": infrastructure.airports,
        "berths": infrastructure.berths,
        "retired_batteries": pl.DataFrame({"year": list(YEARS), "kwh": now.vehicles.retired_battery_kwh[0]}),
        "simulation": simulation.summary,
        "simulation_load": simulation.load_profile,
        "fit": pl.concat([freight.fit, passengers.fit, now.vehicles.fit, travel.fit], how="vertical"),
        "defaults": freight.defaults,
        "checks": pl.concat(
            [freight.checks, now.vehicles.checks, infrastructure.checks, simulation.checks, _balance_checks(now)], how="vertical"
        ),
        "parameters_used": _parameters_used(inputs, params),
    }
    return Results(scenario, inputs.data_hash, tables)


def scenario_params(scenario: Scenario, inputs: Inputs) -> Params:
    """Return the parameters of a scenario: sampled, then held, then moved by its levers."""
    levers = {lever.lever: lever for lever in inputs.levers}
    params = inputs.params(draws=scenario.draws, seed=scenario.seed)
    if scenario.hold_year:
        params = params.hold(scenario.hold_year, but=scenario.hold_but)
    return params.with_levers((levers[name], value) for name, value in scenario.settings.items())


def _activity(freight: FreightOutcome, passengers: PassengerOutcome) -> Activity:
    carrier = freight.carrier_tkm
    return Activity(
        road_freight_tkm=carrier["road"],
        rail_freight_tkm=carrier["rail"],
        coastal_tkm=carrier["coastal"],
        ocean_tkm=carrier["ocean"],
        pipeline_tkm={kind: carrier[f"pipeline_{kind}"] for kind in ("crude", "product", "gas")},
        air_freight_tkm=passengers.air_freight_tkm,
        passenger_pkm={s: passengers.pkm[s] for s in ("conventional", "high_speed", "coach", "ro_pax", "air")},
        passenger_load={s: passengers.load[s] for s in ("conventional", "high_speed", "coach", "ro_pax", "air")},
        private_car_pkm=passengers.pkm["private_car"],
    )


def _parts(inputs: Inputs, *, operating_only: bool) -> dict[str, str]:
    """Return vehicle class -> part of the transport system."""
    table = inputs.table("fleets/classes")
    rows = table.filter(pl.col("is_operating")) if operating_only else table
    return dict(rows.select("vehicle_class", "part").iter_rows())


def _boundaries(inputs: Inputs) -> dict[str, list[str]]:
    table = inputs.table("accounts/boundaries")
    return {str(boundary): group["part"].to_list() for (boundary,), group in table.group_by(["boundary"], maintain_order=True)}


def _books(
    inputs: Inputs,
    params: Params,
    factors: accounts.CarbonFactors,
    freight: FreightOutcome,
    passengers: PassengerOutcome,
    vehicles: VehicleOutcome,
    infrastructure: InfrastructureOutcome,
) -> Books:
    energy = EnergyUse.concat([vehicles.energy, infrastructure.energy])
    co2 = accounts.account(energy, factors)
    carrier = freight.carrier_tkm
    turnover = accounts.make_turnover(
        {
            "road": carrier["road"],
            "rail": carrier["rail"],
            "coastal": carrier["coastal"],
            "ocean": carrier["ocean"],
            "pipeline": carrier["pipeline_crude"] + carrier["pipeline_product"] + carrier["pipeline_gas"],
            "air": passengers.air_freight_tkm,
        },
        {
            ("rail", "conventional"): passengers.pkm["conventional"],
            ("rail", "high_speed"): passengers.pkm["high_speed"],
            ("road", "coach"): passengers.pkm["coach"],
            ("coastal", "ro_pax"): passengers.pkm["ro_pax"],
            ("air", "air"): passengers.pkm["air"],
        },
    )
    converted = accounts.converted_turnover(turnover, params)
    book = accounts.ledger(energy, co2, turnover, converted, _parts(inputs, operating_only=True))
    return Books(energy, co2, turnover, converted, book, vehicles)


def _all_series(
    inputs: Inputs,
    params: Params,
    now: Books,
    before: Books,
    frozen: accounts.CarbonFactors,
    freight: FreightOutcome,
    infrastructure: InfrastructureOutcome,
    travel: TravelOutcome,
) -> list[indicators.Series]:
    boundaries = _boundaries(inputs)
    matrix = accounts.readings(now.book, before.book, boundaries)
    made = indicators.intensity_series(matrix)
    made += _frozen_grid(inputs, now, frozen, boundaries)
    carried = {k.mode: now.turnover.tkm[i] for i, k in enumerate(now.turnover.keys) if k.service == "freight"}
    effective = freight.effective_tkm / freight.total_tkm.sum(axis=(2, 3))
    made += indicators.companions(now.book, boundaries, carried, effective)
    made += indicators.sea_rail_series(freight.sea_rail_teu, freight.port_teu, _base_range(inputs))
    fleet = now.vehicles
    is_road = {c: fleet.mode[c] == "road" for c in fleet.classes}
    made += indicators.additions_series(fleet.sales, fleet.classes, fleet.powertrains, fleet.clean, fleet.is_operating, is_road)
    made.append(indicators.rail_increase(freight.rail_loaded_t))
    made += _rail(inputs, params, now, before)
    made += _oil(inputs, params, now)
    made += _travel_series(travel)
    made += [
        indicators.share_series("airport_gse_electric_share", now.vehicles.airside_electric_share),
        indicators.share_series("bridge_power_share", infrastructure.bridge_power_share),
        indicators.share_series("shore_power_calls_share", infrastructure.shore_power_calls_share),
        indicators.share_series("shore_power_energy_share", infrastructure.shore_power_energy_share),
        indicators.share_series("charging_peak_response_share", infrastructure.charging_peak_response_share),
        indicators.share_series("siding_access_share", freight.siding_access_share),
        indicators.share_series("pipeline_connected_share", freight.pipeline_connected_share),
        indicators.share_series("bulk_long_haul_rail_water_share", freight.bulk_long_haul_share),
        indicators.share_series("bulk_clean_collection", freight.bulk_clean_collection_share),
        indicators.share_series("rail_electrified_share", now.vehicles.rail_electrified_share),
        indicators.Series("infrastructure_co2", PROVINCE, "tCO2/yr", infrastructure.infrastructure_co2),
    ]
    for s, scope in enumerate(SCOPES):
        total = now.co2_t[s].sum(axis=0)
        made.append(indicators.Series("transport_co2_total", PROVINCE, "tCO2/yr", total, scope=scope))
    return made


def _frozen_grid(
    inputs: Inputs, now: Books, frozen: accounts.CarbonFactors, boundaries: Mapping[str, list[str]]
) -> list[indicators.Series]:
    """Return the intensity with the grid factor frozen at 2020, so that the grid's part in the change is seen."""
    co2 = accounts.account(now.energy, frozen)
    book = accounts.ledger(now.energy, co2, now.turnover, now.converted_tkm, _parts(inputs, operating_only=True))
    return [
        indicators.Series("operating_co2_intensity_frozen_grid", PROVINCE, "percent", r.change_pct, r.scope, r.boundary, r.base)
        for r in accounts.readings(book, book, boundaries)
        if r.scope != "direct" and r.base == str(BASE_YEAR)
    ]


def _rail(inputs: Inputs, params: Params, now: Books, before: Books) -> list[indicators.Series]:
    parts = _parts(inputs, operating_only=False)

    def energy_of(books: Books, conversion: str) -> NDArray[np.float64]:
        kgce = accounts.coal_equivalent(books.energy, params, electricity=conversion)
        rows = [k for k, key in enumerate(books.energy.keys) if parts.get(key.vehicle_class) == "rail"]
        return np.asarray(kgce[rows].sum(axis=0))

    conversions = ("calorific", "equivalence")
    return indicators.rail_series(
        {c: energy_of(now, c) for c in conversions},
        now.book.turnover_tkm["rail"],
        {c: energy_of(before, c) for c in conversions},
        before.book.turnover_tkm["rail"],
    )


def _oil(inputs: Inputs, params: Params, now: Books) -> list[indicators.Series]:
    kgce = accounts.coal_equivalent(now.energy, params)
    parts = _parts(inputs, operating_only=False)
    margin = float(params.get("oil_peak_margin")[0, 0])
    later = int(params.get("oil_peak_later_years")[0, 0])
    made: list[indicators.Series] = []
    for variant, without in (("", ()), ("without_private_cars", ("private_car",))):
        toe = indicators.land_oil_toe(now.energy, kgce, parts, params.get("oil_equivalent"), without=without)
        made += indicators.oil_series(toe, margin=margin, later_years=later, variant=variant)
    return made


def _travel_series(travel: TravelOutcome) -> list[indicators.Series]:
    made: list[indicators.Series] = []
    for i, area in enumerate(travel.areas):
        made += [
            indicators.share_series("green_travel_share", travel.green_share[i], area=area),
            indicators.share_series(
                "green_travel_share", travel.green_share_without_e_bike[i], area=area, variant="without_e_bike"
            ),
            indicators.share_series("transit_share_of_motorised_trips", travel.transit_share_of_motorised[i], area=area),
        ]
        if travel.has_target[area]:
            break_even = np.full(travel.green_share[i].shape, np.nan)
            break_even[:, year_index(GREEN_TARGET_YEAR)] = travel.break_even_base_share[i]
            made.append(indicators.share_series("green_travel_break_even_base", break_even, area=area))
    return made


def _base_range(inputs: Inputs) -> tuple[float, float]:
    row = inputs.parameters.filter(pl.col("parameter") == "observed_sea_rail_teu", pl.col("year") == BASE_YEAR)
    return float(row["low"][0]), float(row["high"][0])


def _actuals(inputs: Inputs) -> dict[tuple[str, str, int], float]:
    """Return the actual values of targets that are past, by (indicator, area, year)."""
    rows = inputs.table("observed/actuals").filter(pl.col("value").is_not_null(), pl.col("period").str.contains(r"^\d{4}$"))
    return {(s, a, int(y)): float(v) for s, a, y, v in rows.select("series", "area", "period", "value").iter_rows()}


def _indicator_quality(inputs: Inputs) -> dict[str, str]:
    """Return indicator -> weakest quality among the parameters it mainly stands on (``indicators.csv``)."""
    by_parameter = {
        str(p): max(group["quality"].to_list(), key=QUALITY_ORDER.index)
        for (p,), group in inputs.parameters.filter(pl.col("value").is_not_null()).group_by(["parameter"], maintain_order=True)
    }
    found: dict[str, str] = {}
    for indicator, basis in inputs.table("indicators").select("id", "basis").iter_rows():
        qualities = [by_parameter[p] for p in basis.split()]
        found[indicator] = max(qualities, key=QUALITY_ORDER.index)
    return found


def _freight_frame(freight: FreightOutcome) -> pl.DataFrame:
    n_year, n_mode, n_commodity = len(YEARS), len(freight.modes), len(freight.commodities)
    return pl.DataFrame(
        {
            "year": np.repeat(np.asarray(YEARS), n_mode * n_commodity),
            "mode": np.tile(np.repeat(freight.modes, n_commodity), n_year),
            "commodity": np.tile(freight.commodities, n_year * n_mode),
            "t": freight.tonnes[0].ravel(),
            "territory_tkm": freight.territory_tkm[0].ravel(),
            "total_tkm": freight.total_tkm[0].ravel(),
        }
    )


def _stock_frame(vehicles: VehicleOutcome) -> pl.DataFrame:
    rows = [(i, j) for i in range(len(vehicles.classes)) for j in range(len(vehicles.powertrains)) if vehicles.stock[i, j].any()]
    n_year = len(YEARS)

    def take(array: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([array[i, j, 0] for i, j in rows])

    return pl.DataFrame(
        {
            "year": np.tile(np.asarray(YEARS), len(rows)),
            "vehicle_class": np.repeat([vehicles.classes[i] for i, _ in rows], n_year),
            "powertrain": np.repeat([vehicles.powertrains[j] for _, j in rows], n_year),
            "stock_veh": take(vehicles.stock),
            "sales_veh": take(vehicles.sales),
            "scrap_veh": take(vehicles.scrapped),
            "inflow_veh": take(vehicles.inflow),
        }
    ).sort("year", "vehicle_class", "powertrain")


def _energy_frame(energy: EnergyUse, params: Params) -> pl.DataFrame:
    kgce = EnergyUse(energy.keys, accounts.coal_equivalent(energy, params)).frame().rename({"quantity": "kgce"}).drop("unit")
    keys = ["year", "vehicle_class", "powertrain", "carrier", "place"]
    return energy.frame().join(kgce, on=keys, how="left", maintain_order="left")


def _passenger_frame(passengers: PassengerOutcome) -> pl.DataFrame:
    services = sorted(passengers.pkm)
    return pl.DataFrame(
        {
            "year": np.tile(np.asarray(YEARS), len(services)),
            "service": np.repeat(services, len(YEARS)),
            "pkm": np.concatenate([passengers.pkm[s][0] for s in services]),
            "passengers": np.concatenate([passengers.passengers[s][0] for s in services]),
        }
    ).sort("year", "service")


def _travel_frame(travel: TravelOutcome) -> pl.DataFrame:
    n_mode, n_year = len(travel.modes), len(YEARS)
    return pl.DataFrame(
        {
            "year": np.tile(np.asarray(YEARS), len(travel.areas) * n_mode),
            "area": np.repeat(travel.areas, n_mode * n_year),
            "mode": np.tile(np.repeat(travel.modes, n_year), len(travel.areas)),
            "share": travel.share[:, :, 0].ravel(),
            "trips": travel.trips[:, :, 0].ravel(),
        }
    ).sort("year", "area", "mode")


def _balance_checks(now: Books) -> pl.DataFrame:
    """Return the checks of the accounts: CO2 by key sums to CO2 by scope, power only adds, nothing negative."""
    direct, power, wtw = (now.co2_t[s, :, 0].sum() for s in range(3))
    rows = [
        ("accounts.direct_not_above_power", max(direct / power - 1.0, 0.0), 0.0),
        ("accounts.power_not_above_wtw", max(power / wtw - 1.0, 0.0), 0.0),
        ("accounts.turnover_positive", float(-min(now.converted_tkm.min(), 0.0)), 0.0),
    ]
    return pl.DataFrame(
        {
            "check": [r[0] for r in rows],
            "value": [float(r[1]) for r in rows],
            "limit": [float(r[2]) for r in rows],
            "passed": [bool(r[1] <= r[2]) for r in rows],
        }
    )


def _parameters_used(inputs: Inputs, params: Params) -> pl.DataFrame:
    first = inputs.parameters.filter(pl.col("value").is_not_null()).unique(
        ["parameter", "subject"], keep="first", maintain_order=True
    )
    return (
        params.reads()
        .join(first.select("parameter", "subject", "quality", "source"), on=["parameter", "subject"], how="left")
        .select("parameter", "subject", "quality", "source", "reads")
        .sort("parameter", "subject")
    )
