"""City travel in tables: kilometres of the accounts, energy and CO2 by city and mode, time and cost of a trip, load of buses and trains, kilometres on foot and by cycle.

Cities are the residents of the 14 central cities; the place ``rest`` of a class is everybody else who drives it in the province, intercity
trips of private cars included. Buses and trains are those of the whole prefecture: no count by central city was found; ``transit_load`` lays
buses to the central city by urban residents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from transport import accounts
from transport.cities.base_shares import over
from transport.cities.layout import ROAD_MODES
from transport.cities.segments import of_area
from transport.cities.service import bus_time_ratio, generalised_times
from transport.layout import BASE_YEAR, FIT_SCHEMA, NORMAL_YEAR, SCOPES, YEARS, year_index
from transport.prefectures import by_class
from transport.travel import city_residents
from transport.urban_service import BUS, CLASSES, SIMULATED, TRAIN, class_km, members, stock_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from transport.inputs import Inputs
    from transport.params import Params
    from transport.parts import Parts
    from transport.urban_service import UrbanService
    from transport.vehicles import VehicleOutcome

    Array = NDArray[np.float64]

#: Place of what is driven by others than residents of the central cities.
REST = "rest"
#: Sums over the cities and the rest may differ from the accounts by this part of them.
SUM_LIMIT = 1e-9
#: Modes that use no energy.
_WITHOUT_ENERGY = ("walk", "cycle")
_E_BIKE = "e_bike"
#: What the energy of a row is: of the accounts, none, household power that no account holds, or known to no model.
IN_ACCOUNTS, WITHOUT, HOUSEHOLD, NOT_MODELLED = "accounts", "none", "household", "not_modelled"
#: Coverage below which bus lines grow no further: a city without stops has no network to extend.
_LEAST_COVERAGE = 0.05
TJ_PER_KGCE = 29.3076e-6
_DAYS_PER_YEAR = 365.0
_MIN_PER_H = 60.0
#: Years whose reconciliation is shown with the fit: the base of city travel and the last observed one.
_RECONCILED = (NORMAL_YEAR, 2024)
#: Cities whose electric vehicles and taxi distance are compared with what is recalled of them.
_COMPARED = ("210100", "210200")
#: System -> row of its vehicles in a city, and the powertrains that the row counts.
_RECALLED: dict[str, tuple[str, tuple[str, ...]]] = {
    "bus_depot": ("city_electric_buses", ("battery_electric", "plug_in_hybrid")),
    "taxi_city": ("city_electric_taxis", ("battery_electric", "battery_swap")),
}
_RECALLED_YEAR = 2020
_TAXI_NOTE = "trips of residents of the central city by the travel model over the taxis of the prefecture, against all taxis of the province"
_STOCK_NOTE = "electric vehicles of the province by the share of the prefecture in all of the kind"


class _Mode(NamedTuple):
    """Vehicles of one mode, first draw: classes, distance of the accounts ``[year]`` and that of each city ``[area, year]`` [km/yr]."""

    classes: tuple[str, ...]
    total_km: Array
    city_km: Array


def urban_tables(parts: Parts) -> Mapping[str, pl.DataFrame]:
    """Return the tables ``urban_travel``, ``urban_km``, ``travel_times``, ``transit_load`` and ``active_travel`` of a run, first draw."""
    modes = _modes(parts)
    return {
        "urban_travel": _travel_table(parts, modes),
        "urban_km": _km_table(parts),
        "travel_times": _times_table(parts),
        "transit_load": _load_table(parts, modes),
        "active_travel": _active_table(parts),
    }


def urban_checks(parts: Parts) -> pl.DataFrame:
    """Return the checks of city travel against the accounts.

    Notes
    -----
    ``urban.km_sum``: distance of the cities, of the rest by its rows and between cities against that of the accounts, relative;
    ``urban.energy_sum`` and ``urban.co2_sum``: cities and rest of ``urban_travel`` against the classes of the accounts;
    ``urban.rest_negative``: by how much the rest of the province falls below nothing, as a part of the accounts.
    """
    km = _km_table(parts)
    made = km["city_km"] + km["rest_km"] + km["intercity_km"]
    table = _travel_table(parts, _modes(parts)).filter(pl.col("energy_basis") == IN_ACCOUNTS)
    classes = sorted({name for mode in _modes(parts).values() for name in mode.classes})  # sums in one order
    kgce = by_class(parts, accounts.coal_equivalent(parts.now.energy, parts.params)[:, 0])
    energy = sum(float(kgce[name].sum()) for name in classes) * TJ_PER_KGCE
    carbon = by_class(parts, parts.now.co2_t[:, :, 0])
    worst = max(
        abs(float(table[f"{scope}_t"].sum()) / sum(float(carbon[name][s].sum()) for name in classes) - 1.0)
        for s, scope in enumerate(SCOPES)
    )
    values = {
        "urban.km_sum": float(((made - km["total_km"]) / km["total_km"]).abs().to_numpy().max()),
        "urban.energy_sum": abs(float(table["energy_tj"].sum()) / energy - 1.0),
        "urban.co2_sum": worst,
        "urban.rest_negative": max(0.0, -float((km["rest_km"] / km["total_km"]).to_numpy().min())),
    }
    return pl.DataFrame(
        {
            "check": list(values),
            "value": list(values.values()),
            "limit": [SUM_LIMIT] * len(values),
            "passed": [value <= SUM_LIMIT for value in values.values()],
        }
    )


def _modes(parts: Parts) -> dict[str, _Mode]:
    """Return mode of city travel -> its vehicles, of the modes whose energy is in the accounts."""
    service, vehicles = parts.urban, parts.vehicles
    buses = members(vehicles, BUS)
    bus_km, train_km = class_km(vehicles, buses)[0], class_km(vehicles, [TRAIN])[0]
    found = {
        "bus": _Mode(buses, bus_km, service.vehicle_share["buses"][:, 0] * bus_km),
        "metro": _Mode((TRAIN,), train_km, service.vehicle_share["trains"][:, 0] * train_km),
    }
    for name, mode in CLASSES.items():
        found[mode] = _Mode((name,), class_km(vehicles, [name])[0], service.city_km[name][:, 0])
    return found


def _travel_table(parts: Parts, modes: Mapping[str, _Mode]) -> pl.DataFrame:
    """Return trips, distance, energy and CO2 by city and mode, and of the rest; energy per vehicle-km of a class is the same everywhere.

    E-bikes charge at home: their power is in no account of the operators, and stands beside it with the factors of the accounts.
    """
    travel = parts.travel
    kgce = by_class(parts, accounts.coal_equivalent(parts.now.energy, parts.params)[:, 0])
    carbon = by_class(parts, parts.now.co2_t[:, :, 0])
    none = np.full(len(YEARS), np.nan)
    frames = []
    for mode in travel.modes:
        at = travel.modes.index(mode)
        vehicles = modes.get(mode)
        for i, area in enumerate(travel.areas):
            amounts = {"trips": travel.trips[i, at, 0], "pkm": travel.pkm[i, at, 0]}
            if mode == _E_BIKE:
                ridden, power, emitted = _e_bikes(parts, amounts["pkm"])
                frames.append(_rows(area, mode, HOUSEHOLD, amounts | {"vehicle_km": ridden}, power, emitted))
                continue
            if vehicles is None:
                basis, used = (WITHOUT, np.zeros(len(YEARS))) if mode in _WITHOUT_ENERGY else (NOT_MODELLED, none)
                frames.append(_rows(area, mode, basis, amounts | {"vehicle_km": none}, used, dict.fromkeys(SCOPES, used)))
                continue
            share = vehicles.city_km[i] / vehicles.total_km
            driven = amounts | {"vehicle_km": vehicles.city_km[i]}
            frames.append(_rows(area, mode, IN_ACCOUNTS, driven, *_energy(vehicles.classes, share, kgce, carbon)))
        if mode in CLASSES.values():
            left = modes[mode].total_km - over(modes[mode].city_km, 0)
            energy = _energy(modes[mode].classes, left / modes[mode].total_km, kgce, carbon)
            frames.append(_rows(REST, mode, IN_ACCOUNTS, {"trips": none, "pkm": none, "vehicle_km": left}, *energy))
    return pl.concat(frames).sort("year", "area", "mode")


def _e_bikes(parts: Parts, pkm: Array) -> tuple[Array, Array, dict[str, Array]]:
    """Return distance [veh-km/yr], energy [TJ/yr] and CO2 by scope [t/yr] of the e-bikes that passenger-km ``[year]`` take."""
    params = parts.params
    ridden = pkm / params.get("persons_per_e_bike")[0]
    power = ridden * params.get("e_bike_energy")[0]
    energy = power * params.get("coal_equivalent_electricity", "calorific")[0] * TJ_PER_KGCE
    return ridden, energy, {scope: power * parts.factors.t_per_unit[scope, "electricity"][0] for scope in SCOPES}


def _energy(
    classes: tuple[str, ...], share: Array, kgce: Mapping[str, Array], carbon: Mapping[str, Array]
) -> tuple[Array, dict[str, Array]]:
    """Return the energy [TJ/yr] and the CO2 by scope [t/yr] of a share of some classes ``[year]``."""
    energy = share * sum((kgce[name] for name in classes), np.zeros(len(YEARS))) * TJ_PER_KGCE
    return energy, {
        scope: share * sum((carbon[name][s] for name in classes), np.zeros(len(YEARS))) for s, scope in enumerate(SCOPES)
    }


def _rows(
    area: str, mode: str, basis: str, amounts: Mapping[str, Array], energy_tj: Array, carbon: Mapping[str, Array]
) -> pl.DataFrame:
    made = {"year": np.asarray(YEARS), **amounts, "energy_tj": energy_tj, **{f"{s}_t": t for s, t in carbon.items()}}
    named = [pl.lit(area).alias("area"), pl.lit(mode).alias("mode")]
    numbers = [pl.col(name).fill_nan(None) for name in made if name != "year"]
    return pl.DataFrame(made).select("year", *named, *numbers, pl.lit(basis).alias("energy_basis"))


def _km_table(parts: Parts) -> pl.DataFrame:
    """Return the distance of cars and taxis in the accounts by who drives it, and the vehicles that it takes."""
    params, vehicles, service = parts.params, parts.vehicles, parts.urban
    frames = []
    for name in CLASSES:
        stock = stock_of(vehicles, [name])[0]
        away = np.zeros(len(YEARS))
        if name == "private_car":
            away = (parts.passengers.pkm[name] / params.get("persons_per_car", name))[0]
        total = class_km(vehicles, [name])[0]
        made = {
            "year": np.asarray(YEARS),
            "city_km": service.total_city_km(name)[0],
            "rest_km": stock * params.get("annual_distance", name)[0] - over(service.reference_km[name][:, 0], 0),
            "intercity_km": away,
            "total_km": total,
            "reconciliation": service.reconciliation[name][0],
            "stock_veh": stock,
            "km_per_veh": total / stock,
            "needed_veh": np.full(len(YEARS), np.nan),
        }
        if params.has("full_day_distance", name):  # private cars stand still most of the day
            made["needed_veh"] = total / (params.get("full_day_distance", name)[0] * _DAYS_PER_YEAR)
        frames.append(pl.DataFrame(made).select("year", pl.lit(name).alias("vehicle_class"), pl.exclude("year").fill_nan(None)))
    return pl.concat(frames).sort("year", "vehicle_class")


def _times_table(parts: Parts) -> pl.DataFrame:
    """Return minutes and yuan of a trip in the traffic of its year by city, mode and length band, where somebody makes such a trip."""
    travel, params = parts.travel, parts.params
    keys = ("year", "area", "mode", "length_band")
    made = travel.segments.select(keys).unique()
    frames = []
    for year in sorted(made["year"].unique().to_list()):
        at = year_index(year)
        for i, area in enumerate(travel.areas):
            index = float(travel.car_time_index[i, 0, at])
            ratio, slope = (float(x[0, at]) for x in bus_time_ratio(params, area))
            slower = dict.fromkeys(ROAD_MODES, index) | {"bus": 1.0 + slope / ratio * (index - 1.0)}
            frames.append(
                generalised_times(params, area, year)
                .select(
                    pl.lit(year, dtype=pl.Int64).alias("year"),
                    pl.lit(area).alias("area"),
                    "mode",
                    pl.col("band").alias("length_band"),
                    in_vehicle_min=pl.col("in_vehicle")
                    * pl.col("mode").replace_strict(slower, default=1.0, return_dtype=pl.Float64),
                    access_min="access",
                    wait_min="wait",
                    outlay_cny="outlay",
                )
                .with_columns(total_min=pl.sum_horizontal("in_vehicle_min", "access_min", "wait_min"))
            )
    times = pl.concat(frames).join(made, on=keys, how="semi", maintain_order="left")
    return times.select(*keys, "in_vehicle_min", "access_min", "wait_min", "total_min", "outlay_cny")


class _Lines(NamedTuple):
    """Lines of one mode in a city: length ``[year]`` [km] with its ends, and what the length stands on."""

    km: Array
    low: Array
    high: Array
    basis: str


def _load_table(parts: Parts, modes: Mapping[str, _Mode]) -> pl.DataFrame:
    """Return how full buses and trains are, and what a km of line carries.

    The passengers are residents of the central city. Trains are the city's; buses serve the whole prefecture, and the part of their
    kilometres that is the central city's follows from where the urban residents of the prefecture live.
    """
    travel, params = parts.travel, parts.params
    inside = {area: _inside(parts, area) for area in travel.areas}
    frames = []
    for mode in ("bus", "metro"):
        places, limit = params.get("transit_places", mode)[0], params.get("transit_load_limit", mode)[0]
        few, many = _ends(parts, "transit_places", mode)
        boardings_per_trip = params.get("boardings_per_trip", mode)[0]
        at = travel.modes.index(mode)
        for i, area in enumerate(travel.areas):
            km, pkm = modes[mode].city_km[i], travel.pkm[i, at, 0]
            share, least, most = inside[area] if mode == "bus" else (1.0, 1.0, 1.0)
            lines = _bus_lines(parts, i, share) if mode == "bus" else _metro_lines(parts, i)
            boardings = travel.trips[i, at, 0] * boardings_per_trip
            aboard = _ratio(pkm, km * share)
            frames.append(
                pl.DataFrame(
                    {
                        "year": np.asarray(YEARS),
                        "area": [area] * len(YEARS),
                        "mode": [mode] * len(YEARS),
                        "line_km": lines.km,
                        "line_km_low": lines.low,
                        "line_km_high": lines.high,
                        "line_basis": [lines.basis] * len(YEARS),
                        "vehicle_km": km,
                        "vehicles_of": ["prefecture" if mode == "bus" else "central_city"] * len(YEARS),
                        "central_share": np.full(len(YEARS), share),
                        "passengers_of": ["central_city"] * len(YEARS),
                        "pkm": pkm,
                        "boardings": boardings,
                        "pkm_per_line_km": _ratio(pkm, lines.km),
                        "boardings_per_line_km_day": _ratio(boardings, lines.km * _DAYS_PER_YEAR),
                        "persons_per_vehicle": aboard,
                        "places": places,
                        "load": aboard / places,
                        "load_low": aboard * share / most / (places * many),
                        "load_high": aboard * share / least / (places * few),
                        "load_limit": limit,
                    }
                ).filter(pl.col("vehicle_km") > 0.0)
            )
    table = pl.concat(frames).with_columns(pl.selectors.float().fill_nan(None))
    return table.with_columns(crowded=pl.col("load") > pl.col("load_limit")).sort("year", "area", "mode")


def _inside(parts: Parts, area: str) -> tuple[float, float, float]:
    """Return the share of a prefecture's buses that run in its central city, and its lower and upper end [dimensionless].

    ``C / (C + k (U - C))`` with urban residents ``U`` of the prefecture, ``C`` of its central city, and buses per urban resident outside
    it against inside ``k``.
    """
    population = parts.inputs.table("demand/population")
    central = city_residents(population, (area,))[area]
    urban = population.filter(pl.col("item") == "urban_population", pl.col("area") == area, pl.col("county") == area)["value"]
    outside = max(float(urban.sum()) - central, 0.0)
    ratio, (low, high) = float(parts.params.get("bus_outside_ratio")[0, 0]), _ends(parts, "bus_outside_ratio", "all")
    share, least, most = (central / (central + k * outside) for k in (ratio, ratio * high, ratio * low))
    return share, least, most


def _bus_lines(parts: Parts, place: int, share: float) -> _Lines:
    """Return the bus lines of a central city: its buses of 2019 over the buses per km of line, longer where new streets get a bus."""
    params, area = parts.params, parts.travel.areas[place]
    basis = area if params.has("buses_per_line_km", area) else "all"
    base = year_index(NORMAL_YEAR)
    stock = stock_of(parts.vehicles, members(parts.vehicles, BUS))[0, base]
    buses = float(stock * parts.urban.vehicle_share["buses"][place, 0, base]) * share
    covered = of_area(params, "bus_stop_coverage_share", area)[0]
    gained = of_area(params, "bus_stop_gap_closed", area)[0]
    streets = (
        (gained - gained[base]) * (1.0 - covered) / np.maximum(covered, _LEAST_COVERAGE) * params.get("bus_new_street_ratio")[0]
    )
    km = buses / params.get("buses_per_line_km", basis)[0] * (1.0 + streets)
    low, high = _ends(parts, "buses_per_line_km", basis)
    return _Lines(km, km / high, km / low, "default" if basis == "all" else "city")


def _metro_lines(parts: Parts, place: int) -> _Lines:
    """Return the metro lines of a city, which are rows of their own."""
    km = parts.urban.metro_length[place, 0]
    none = np.full(len(YEARS), np.nan)
    return _Lines(km, none, none, "lines")


def _ends(parts: Parts, parameter: str, subject: str) -> tuple[float, float]:
    """Return the lower and the upper end of a row against its value; one and one of a row without a range."""
    rows = parts.inputs.parameters.filter(pl.col("parameter") == parameter, pl.col("subject") == subject)
    value, low, high = rows.select("value", "low", "high").row(0)
    return (1.0, 1.0) if low is None or high is None else (low / value, high / value)


def _active_table(parts: Parts) -> pl.DataFrame:
    """Return the kilometres and minutes on foot and by cycle of a resident and day; a count of movement, not of health."""
    travel, params = parts.travel, parts.params
    residents = city_residents(parts.inputs.table("demand/population"), travel.areas)
    frames = []
    for i, area in enumerate(travel.areas):
        index = params.get("city_population_index", area if params.has("city_population_index", area) else "all")[0]
        person_days = residents[area] * index / index[year_index(BASE_YEAR)] * _DAYS_PER_YEAR
        made: dict[str, object] = {
            "year": np.asarray(YEARS),
            "area": [area] * len(YEARS),
            "residents": person_days / _DAYS_PER_YEAR,
        }
        for mode in _WITHOUT_ENERGY:
            km = travel.pkm[i, travel.modes.index(mode), 0] / person_days
            made[f"{mode}_km_per_day"] = km
            made[f"{mode}_min_per_day"] = km / params.get("service_speed", mode)[0] * _MIN_PER_H
        frames.append(pl.DataFrame(made))
    return pl.concat(frames).sort("year", "area")


def _ratio(amount: Array, per: Array) -> Array:
    """Return an amount per unit, missing where there is none."""
    return np.divide(amount, per, out=np.full_like(np.asarray(amount, dtype=np.float64), np.nan), where=per > 0.0)


def urban_fit(inputs: Inputs, params: Params, service: UrbanService, vehicles: VehicleOutcome) -> pl.DataFrame:
    """Return rows of the table ``fit``: the reconciliation of the base year, taxi distance and electric vehicles of the large cities.

    Parameters
    ----------
    inputs
        Rows of the parameters, for their ranges.
    params, service, vehicles
        Of the run.

    Returns
    -------
    frame with the columns of :data:`transport.layout.FIT_SCHEMA`, first draw
    """
    base = year_index(NORMAL_YEAR)
    rows: list[dict[str, object]] = [
        {
            "item": f"city distance, {name}",
            "year": year,
            "unit": "dimensionless",
            "observed": 1.0,
            "modelled": float(service.reconciliation[name][0, year_index(year)]),
            "used_for": "context",  # one is what the factor would be, nobody observed it
            "quality": "assumption",
            "note": "factor on the distance of the travel model; 1 = it enters the accounts as it is",
        }
        for name in CLASSES
        for year in _RECONCILED
    ]
    for area in _COMPARED:
        i = service.areas.index(area)
        taxis = float(params.get("vehicle_stock", "taxi")[0, base] * service.vehicle_share["taxis"][i, 0, base])
        keys = {"item": f"taxi distance, {area}", "unit": "km/veh/yr", "note": _TAXI_NOTE}
        rows += _compared(
            inputs, params, ("annual_distance", "taxi", NORMAL_YEAR), float(service.city_km["taxi"][i, 0, base]) / taxis, keys
        )
        for system, (parameter, trains) in _RECALLED.items():
            group, driver, _ = SIMULATED[system]
            count = stock_of(vehicles, members(vehicles, group), trains)[0, year_index(_RECALLED_YEAR)]
            keys = {"item": f"{driver} electric, {area}", "unit": "veh", "note": _STOCK_NOTE}
            share = service.vehicle_share[driver][i, 0, year_index(_RECALLED_YEAR)]
            rows += _compared(inputs, params, (parameter, area, _RECALLED_YEAR), float(count * share), keys)
    filled = [
        {"mode": "road", "principle": "territory", "low": None, "high": None, **row} | {"error_pct": _error(row)} for row in rows
    ]
    return pl.DataFrame(filled, schema_overrides=FIT_SCHEMA).select(*FIT_SCHEMA)


def _error(row: Mapping[str, object]) -> float:
    return 100.0 * (float(str(row["modelled"])) / float(str(row["observed"])) - 1.0)


def _compared(
    inputs: Inputs, params: Params, row: tuple[str, str, int], modelled: float, keys: Mapping[str, object]
) -> list[dict[str, object]]:
    """Return a row that compares with one row of the parameters; none where the data hold no such row."""
    parameter, subject, year = row
    found = inputs.parameters.filter(pl.col("parameter") == parameter, pl.col("subject") == subject, pl.col("year") == year)
    shown: dict[str, object] = {"year": year, "used_for": "validation", "modelled": modelled, **keys}
    ranges = [{name: seen[name] for name in ("low", "high", "quality")} for seen in found.iter_rows(named=True)]
    return [shown | {"observed": float(params.get(parameter, subject)[0, year_index(year)])} | of_row for of_row in ranges]
