"""One scenario through every floor: demand to chains, stock to energy, energy to accounts, accounts to indicators."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport import accounts, bridge, indicators
from transport.account_tables import account_tables
from transport.area_indicators import area_indicator_checks, area_tables
from transport.attribution import attribution_tables
from transport.cities.layout import ROAD_MODES, SEASONS
from transport.closures import SITE_LEVEL
from transport.costs import cost_tables
from transport.decompose import decompose_tables
from transport.distribution_table import distribution_tables
from transport.energy_seasons import season_checks, season_tables
from transport.freight import FreightOutcome, model_freight
from transport.hindcast import hindcast_tables
from transport.infrastructure import model_infrastructure
from transport.inputs import on_network
from transport.layout import BASE_YEAR, PROVINCE, SCOPES, YEARS, EnergyUse, year_index
from transport.params import lever_settings
from transport.parts import Books, Models, Parts, activity_of, boundaries, make_parts, part_of_class
from transport.passenger_energy import passenger_tables
from transport.passengers import PassengerOutcome, model_passengers
from transport.port_access import port_access
from transport.prefectures import area_checks, prefecture_tables
from transport.progress import default_as_of, progress_table
from transport.projects import with_projects
from transport.simulations import simulate_weeks
from transport.store import read_feedback
from transport.targets import attach_targets, with_cities
from transport.travel import TravelOutcome, model_travel
from transport.urban_service import Travelled, city_fleets, transit_share_of_groups, urban_service
from transport.urban_tables import urban_checks, urban_fit, urban_tables
from transport.vehicles import VehicleOutcome, model_vehicles
from transport.weeks.feedback import feedback_checks, with_feedback
from transport.weeks.province import given_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from transport.freight_start import FreightStarts
    from transport.inputs import Inputs
    from transport.params import Params
    from transport.scenario import Scenario
    from transport.travel import TravelMemory
    from transport.urban_service import UrbanService
    from transport.vehicles.stocks import KnownPath

    Progress = Callable[[int, int, str], None]
    #: Result tables by name from the parts of a run.
    Tables = Callable[[Parts], Mapping[str, pl.DataFrame]]

#: Year whose fleet and demand the representative weeks simulate.
SIMULATED_YEAR = 2030
_COLD = SEASONS.index("cold")
#: Year of the green-travel target, to which the break-even base share refers.
GREEN_TARGET_YEAR = 2030
#: Years in which the moves between sectors of the energy balance are checked: first, last published and base year.
BRIDGE_YEARS = (2015, 2019, 2020)
#: The steps of a run, in order, as the progress bar names them.
STEPS = ("params", "freight", "passengers", "travel", "vehicles", "infrastructure", "simulation", "accounts", "indicators")
#: Result tables of the floors between the parts and the study, each function's by name.
EXTRA_TABLES: tuple[Tables, ...] = (
    attribution_tables,
    account_tables,
    cost_tables,
    passenger_tables,
    prefecture_tables,
    distribution_tables,
    area_tables,
    season_tables,
    decompose_tables,
    hindcast_tables,
    urban_tables,
)


@dataclass(frozen=True)
class Given:
    """Parameters of a run that are made elsewhere: many draws, or cases that differ in their levers.

    Attributes
    ----------
    params, plain
        With and without levers; as many draws each.
    priced
        Whether a light run counts what shippers pay.
    """

    params: Params
    plain: Params
    priced: bool = False


@dataclass(frozen=True)
class Results:
    """The result tables of one run (draw 0) by name, as in the contract."""

    scenario: Scenario
    data_hash: str
    tables: Mapping[str, pl.DataFrame]


def run(scenario: Scenario, inputs: Inputs, *, progress: Progress | None = None, starts: FreightStarts | None = None) -> Results:
    """Run one scenario.

    Parameters
    ----------
    scenario
        A resolved scenario.
    inputs
        Checked data.
    progress
        Called with (step, number of steps, name) before each step.
    starts
        As in :func:`model_parts`.

    Returns
    -------
    Results
        Tables of the first draw; deterministic for a given scenario and data.
    """
    parts = model_parts(scenario, inputs, progress=progress, starts=starts)
    _teller(progress)(STEPS.index("indicators"))
    tables = tables_of(parts)
    checks = pl.concat([tables["checks"], feedback_checks(scenario, inputs)])
    return Results(scenario, inputs.data_hash, {**tables, "checks": checks})


def model_parts(
    scenario: Scenario,
    inputs: Inputs,
    *,
    progress: Progress | None = None,
    starts: FreightStarts | None = None,
    response: bool = True,
    given: Given | None = None,
    light: bool = False,
) -> Parts:
    """Run the models of one scenario and make their accounts, without any result table.

    Parameters
    ----------
    scenario, inputs, progress
        As in :func:`run`.
    starts
        Networks and base years of earlier runs, taken where they are the same and added to where they are not; results stay the same bit by bit.
    response
        As in :func:`transport.freight.freight_outcome`.
    given
        Parameters to run on in place of those of the scenario: many draws, or cases with other levers.
    light
        Whether only what indicators need is wanted: no result table of freight and of city travel.
    """
    tell = _teller(progress)
    tell(0)
    # the freight model makes central parameters of its own; their reads count too
    bare, inputs = inputs, replace(scenario_inputs(scenario, inputs), reads={})
    params = scenario_params(scenario, inputs) if given is None else given.params
    held = scenario.hold_year or None
    tell(1)
    bare_base = light and scenario.capacity == "fixed"
    base = None if starts is None else starts.base_of(inputs, params, hold_network_after=held, light=bare_base)
    freight = model_freight(
        inputs,
        params,
        hold_network_after=held,
        capacity=scenario.capacity,
        base=base,
        response=response,
        light=light,
        plain=given.plain if given is not None and given.priced else None,
    )
    tell(2)
    passengers = model_passengers(params, inputs=inputs)
    normal = model_passengers(params, inputs=inputs, normal_2020=True)
    tell(3)
    plain = scenario_params(replace(scenario, settings={}), inputs) if given is None else given.plain
    travel, urban = _city_travel(bare, inputs, params, plain, light=light)
    tell(4)
    known: dict[str, KnownPath] = {}
    vehicles, vehicles_normal = (
        model_vehicles(
            inputs,
            params,
            activity_of(inputs, params, freight, who, urban),
            hold_composition_after=held,
            sales=scenario.sales,
            known=known,
        )
        for who in (passengers, normal)
    )
    tell(5)
    infrastructure = model_infrastructure(inputs, params)
    tell(6)
    fleets = city_fleets(vehicles, urban, SIMULATED_YEAR)
    simulation = simulate_weeks(
        inputs,
        params,
        fleets,
        year=SIMULATED_YEAR,
        seed=scenario.seed,
        level=scenario.simulate,
        given=given_of(vehicles, SIMULATED_YEAR),
    )
    tell(7)
    models = Models(freight, passengers, normal, vehicles, vehicles_normal, infrastructure, travel, urban, simulation)
    return make_parts(inputs, params, models, hold_year=held)


def _city_travel(
    bare: Inputs, inputs: Inputs, params: Params, plain: Params, *, light: bool = False
) -> tuple[TravelOutcome, UrbanService]:
    """Return city travel and what it means for the vehicles, against the same run before its levers and projects.

    That run is made only where a table of the cities or a value that city travel reads is another one without them.
    """
    memory: TravelMemory = {}
    counted = params.reads()
    travel = model_travel(inputs, params, light=light, memory=memory)
    read = params.reads().filter(pl.col("reads") > counted["reads"])
    keys = list(read.select("parameter", "subject").iter_rows())
    same = all(plain.has(*key) and np.array_equal(plain.get(*key), params.get(*key)) for key in keys)
    same &= all(table is bare.tables.get(name) for name, table in inputs.tables.items() if name.startswith("demand/"))
    # draws and years without levers are taken from the run itself, bit by bit; nobody reads its tables and break-even shares here
    reference = travel if same else model_travel(bare, plain, travel.areas, light=True, break_even=False, memory=memory)
    return travel, urban_service(Travelled(inputs, params, travel), Travelled(bare, plain, reference))


def freight_tables(parts: Parts) -> dict[str, pl.DataFrame]:
    """Return the indicators and the result tables of freight, which need no table of another part: enough to compare many runs."""
    freight = parts.freight
    return {
        "indicators": indicator_table(parts),
        "freight": _freight_frame(freight),
        **freight.tables,
        "port_containers": freight.port_containers,
    }


def tables_of(parts: Parts) -> dict[str, pl.DataFrame]:
    """Return the result tables (draw 0) of the parts of a run, as in the contract."""
    inputs, params, now = parts.inputs, parts.params, parts.now
    freight, passengers, infrastructure = parts.freight, parts.passengers, parts.infrastructure
    travel, simulation = parts.travel, parts.simulation
    table = indicator_table(parts)
    balance = bridge.bridge_table(inputs, params, now.energy)
    cities = urban_fit(inputs, params, parts.urban, now.vehicles)
    tables = {
        "indicators": table,
        "progress": progress_table(inputs, table, as_of=default_as_of(inputs, _vintage(params))),
        "freight": _freight_frame(freight),
        **freight.tables,
        "turnover": accounts.turnover_frame(now.turnover, now.converted_tkm),
        "stock": _stock_frame(now.vehicles),
        "energy": _energy_frame(now.energy, params),
        "co2": accounts.co2_frame(now.energy, now.co2_t),
        "passengers": _passenger_frame(passengers),
        "green_travel": _travel_frame(travel),
        "travel_segments": travel.segments,
        "travel_elasticities": travel.elasticities,
        "city_roads": _roads_frame(travel),
        "port_containers": freight.port_containers,
        "grid_factor": pl.DataFrame({"year": list(YEARS), "kgco2_per_kwh": parts.grid[0]}),
        "airports": infrastructure.airports,
        "berths": infrastructure.berths,
        "retired_batteries": now.vehicles.retired.frame(),
        "simulation": simulation.summary,
        "simulation_load": simulation.load_profile,
        **simulation.single,
        "fit": _fit_frame(
            [freight.fit, passengers.fit, now.vehicles.fit, bridge.balance_fit(inputs, balance), travel.fit, cities]
        ),
        "balance_bridge": balance,
        "defaults": freight.defaults,
        "checks": pl.concat(
            [
                freight.checks,
                now.vehicles.checks,
                infrastructure.checks,
                simulation.checks,
                _balance_checks(now),
                area_checks(parts),
                area_indicator_checks(parts),
                season_checks(parts),
                urban_checks(parts),
                bridge.bridge_checks(balance, bridge.moved_totals(inputs, params, now.energy, BRIDGE_YEARS)),
            ],
            how="vertical",
        ),
    }
    for more in EXTRA_TABLES:
        tables |= more(parts)
    tables["parameters_used"] = _parameters_used(inputs, params)  # last: the tables above read parameters too
    return tables


def indicator_table(parts: Parts) -> pl.DataFrame:
    """Return the result table ``indicators`` of the parts of a run."""
    series = indicators.series_frame(all_series(parts), indicators.indicator_quality(parts.inputs))
    targets = with_cities(parts.inputs.targets, [area for area, has in parts.travel.has_target.items() if has])
    return attach_targets(series, targets, _actuals(parts.inputs), vintage_year=_vintage(parts.params))


def _vintage(params: Params) -> int:
    """Return the year of the data: a target of an earlier year is past."""
    return int(params.get("data_vintage_year")[0, 0])


def _teller(progress: Progress | None) -> Callable[[int], None]:
    def tell(step: int) -> None:
        if progress is not None:
            progress(step, len(STEPS), STEPS[step])

    return tell


def scenario_inputs(scenario: Scenario, inputs: Inputs) -> Inputs:
    """Return the inputs that a scenario runs on: the tables of its road network, its projects, closures and sites.

    Parameters
    ----------
    scenario
        A resolved scenario.
    inputs
        Checked data.
    """
    return with_projects(on_network(inputs, scenario.network), scenario)


def scenario_params(scenario: Scenario, inputs: Inputs, sampled: Params | None = None) -> Params:
    """Return the parameters of a scenario: sampled, then held, then moved by its levers, then by the results of simulated weeks it takes.

    Parameters
    ----------
    scenario, inputs
        A resolved scenario and its data.
    sampled
        What is held and moved; by default as many draws as the scenario has.
    """
    params = inputs.params(draws=scenario.draws, seed=scenario.seed) if sampled is None else sampled
    if scenario.hold_year:
        params = params.hold(scenario.hold_year, but=(*scenario.hold_but, SITE_LEVEL))
    params = params.with_levers(lever_settings(inputs.levers, scenario.settings))
    return with_feedback(params, read_feedback(scenario.feedback)) if scenario.feedback else params


def all_series(parts: Parts) -> list[indicators.Series]:
    """Return every indicator of a run ``[draw, year]``; the table ``indicators`` shows the first draw."""
    now, before, freight, infrastructure, travel = parts.now, parts.before, parts.freight, parts.infrastructure, parts.travel
    counted = boundaries(parts.inputs)
    matrix = accounts.readings(now.book, before.book, counted)
    made = indicators.intensity_series(matrix)
    made += _frozen_grid(parts, counted)
    carried = {k.mode: now.turnover.tkm[i] for i, k in enumerate(now.turnover.keys) if k.service == "freight"}
    effective = freight.effective_tkm / freight.total_tkm.sum(axis=(2, 3))
    made += indicators.companions(now.book, counted, carried, effective)
    made += indicators.sea_rail_series(freight.sea_rail_teu, freight.port_teu, _base_range(parts.inputs))
    made.append(indicators.Series("finished_vehicle_sea_rail", PROVINCE, "veh/yr", freight.finished_vehicle_sea_rail))
    fleet = now.vehicles
    is_road = {c: fleet.mode[c] == "road" for c in fleet.classes}
    made += indicators.additions_series(
        fleet.sales, fleet.classes, fleet.powertrains, fleet.clean, fleet.is_operating, is_road, fleet.parent
    )
    made.append(indicators.rail_increase(freight.rail_loaded_t))
    access = port_access(parts.inputs, parts.params)
    made += _rail(parts)
    made += _oil(parts)
    made += _travel_series(parts.inputs, travel)
    made += [
        indicators.share_series("airport_gse_electric_share", now.vehicles.airside_electric_share),
        indicators.share_series("old_diesel_locomotive_share", now.vehicles.old_diesel_locomotive_share),
        indicators.share_series("bridge_power_share", infrastructure.bridge_power_share),
        indicators.share_series("shore_power_calls_share", infrastructure.shore_power_calls_share),
        indicators.share_series("shore_power_energy_share", infrastructure.shore_power_energy_share),
        indicators.share_series("charging_peak_response_share", infrastructure.charging_peak_response_share),
        indicators.share_series("siding_access_share", freight.siding_access_share),
        indicators.share_series("port_rail_pipeline_access_share", access.by_area),
        indicators.share_series("port_rail_pipeline_access_share", access.by_cargo, variant="by_cargo"),
        indicators.transhipment_growth(freight.port_containers),
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


def _frozen_grid(parts: Parts, counted: Mapping[str, list[str]]) -> list[indicators.Series]:
    """Return the intensity with the grid factor frozen at 2020, so that the grid's part in the change is seen."""
    now = parts.now
    co2 = accounts.account(now.energy, parts.frozen)
    book = accounts.ledger(now.energy, co2, now.turnover, now.converted_tkm, part_of_class(parts.inputs, operating_only=True))
    return [
        indicators.Series("operating_co2_intensity_frozen_grid", PROVINCE, "percent", r.change_pct, r.scope, r.boundary, r.base)
        for r in accounts.readings(book, book, counted)
        if r.scope != "direct" and r.base == str(BASE_YEAR)
    ]


def _rail(parts: Parts) -> list[indicators.Series]:
    now, before = parts.now, parts.before
    part_of = part_of_class(parts.inputs, operating_only=False)

    def energy_of(books: Books, conversion: str) -> NDArray[np.float64]:
        kgce = accounts.coal_equivalent(books.energy, parts.params, electricity=conversion)
        rows = [k for k, key in enumerate(books.energy.keys) if part_of.get(key.vehicle_class) == "rail"]
        return np.asarray(kgce[rows].sum(axis=0))

    conversions = ("calorific", "equivalence")
    return indicators.rail_series(
        {c: energy_of(now, c) for c in conversions},
        now.book.turnover_tkm["rail"],
        {c: energy_of(before, c) for c in conversions},
        before.book.turnover_tkm["rail"],
    )


def _oil(parts: Parts) -> list[indicators.Series]:
    params, energy = parts.params, parts.now.energy
    kgce = accounts.coal_equivalent(energy, params)
    part_of = part_of_class(parts.inputs, operating_only=False)
    margin = float(params.get("oil_peak_margin")[0, 0])
    later = int(params.get("oil_peak_later_years")[0, 0])
    made: list[indicators.Series] = []
    for variant, without in (("", ()), ("without_private_cars", ("private_car",))):
        toe = indicators.land_oil_toe(energy, kgce, part_of, params.get("oil_equivalent"), without=without)
        made += indicators.oil_series(toe, margin=margin, later_years=later, variant=variant)
    return made


def _travel_series(inputs: Inputs, travel: TravelOutcome) -> list[indicators.Series]:
    made = [
        indicators.share_series("transit_share_of_motorised_trips", share, area=group)
        for group, share in transit_share_of_groups(inputs, travel).items()
    ]
    for i, area in enumerate(travel.areas):
        made += [
            indicators.share_series("green_travel_share", travel.green_share[i], area=area),
            indicators.share_series(
                "green_travel_share", travel.green_share_without_e_bike[i], area=area, variant="without_e_bike"
            ),
            indicators.share_series("green_travel_share", travel.peak_green_share[i], area=area, variant="peak"),
            indicators.share_series("green_travel_share", travel.season_green_share[i, _COLD], area=area, variant="cold"),
            indicators.share_series("transit_share_of_motorised_trips", travel.transit_share_of_motorised[i], area=area),
        ]
        if travel.has_target[area]:
            for variant, needed in (("", travel.break_even_base_share), ("base_2019", travel.break_even_normal_share)):
                break_even = np.full(travel.green_share[i].shape, np.nan)
                break_even[:, year_index(GREEN_TARGET_YEAR)] = needed[i]
                made.append(indicators.share_series("green_travel_break_even_base", break_even, area=area, variant=variant))
    return made


def _base_range(inputs: Inputs) -> tuple[float, float]:
    """Return the range of the base of the sea-rail growth; a pack may give it as one number."""
    rows = inputs.parameters.filter(pl.col("parameter") == "observed_sea_rail_teu", pl.col("year") == BASE_YEAR)
    low, high = rows.select(pl.coalesce("low", "value").alias("low"), pl.coalesce("high", "value").alias("high")).row(0)
    return float(low), float(high)


def _actuals(inputs: Inputs) -> dict[tuple[str, str, int], float]:
    """Return the actual values of targets that are past, by (indicator, area, year)."""
    rows = inputs.table("observed/actuals").filter(pl.col("value").is_not_null(), pl.col("period").str.contains(r"^\d{4}$"))
    return {(s, a, int(y)): float(v) for s, a, y, v in rows.select("series", "area", "period", "value").iter_rows()}


def _fit_frame(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the fit of all parts, the errors of what was fitted and of what was held out in columns of their own."""
    fit = pl.concat(parts, how="vertical")
    uses = {"error_in_sample_pct": "calibration", "error_held_out_pct": "validation"}
    at = fit.columns.index("error_pct") + 1
    return fit.with_columns(
        pl.when(pl.col("used_for") == use).then("error_pct").alias(name) for name, use in uses.items()
    ).select(*fit.columns[:at], *uses, *fit.columns[at:])


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
            "pkm": travel.pkm[:, :, 0].ravel(),
        }
    ).sort("year", "area", "mode")


def _roads_frame(travel: TravelOutcome) -> pl.DataFrame:
    """Return car time against 2019 and the vehicle-km of the trips of residents by city."""
    n_year, n_mode = len(YEARS), len(ROAD_MODES)
    time = np.repeat(travel.car_time_index[:, None, 0], n_mode, axis=1)
    return pl.DataFrame(
        {
            "year": np.tile(np.asarray(YEARS), len(travel.areas) * n_mode),
            "area": np.repeat(travel.areas, n_mode * n_year),
            "mode": np.tile(np.repeat(ROAD_MODES, n_year), len(travel.areas)),
            "vehicle_km": travel.vehicle_km[:, :, 0].ravel(),
            "car_time_index": time.ravel(),
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
