"""Energy and CO2 by prefecture: the rows of the province laid to places by drivers that stand in the data.

Nothing is modelled twice: each row of the province's energy (class, powertrain, carrier) is split by shares that sum to one, and what has
no driver keeps the place ``unallocated``. The place means what the principle of the driver's row says: where freight runs (territory),
where households live (origin), or the port a ship of the province serves (carrier).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport.distribution import model_distribution
from transport.layout import BASE_YEAR, CARRIER_UNITS, PROVINCE, QUALITY_ORDER, SCOPES, YEARS
from transport.urban_service import area_km, class_km

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from transport.inputs import Inputs
    from transport.parts import Parts

#: Place of what has no driver.
UNALLOCATED = "unallocated"
#: Driver of classes that stay there.
NO_DRIVER = "none"
#: The sum over the places may differ from the province by this part of it.
SUM_LIMIT = 1e-9
#: A share below this is rounding and not a rest.
_ROUNDING = 1e-12
_FREIGHT = {"road_tkm": "road", "rail_tkm": "rail", "pipeline_tkm": "pipeline"}
_CENSUS = ("resident_population", "urban_population", "rural_population")
#: Driver of kilometres by city -> vehicle class, and the count that lays the rest of the province to places.
CITY_KM: dict[str, tuple[str, str]] = {
    "car_km": ("private_car", "car_households"),
    "taxi_km": ("taxi", "taxis"),
    "ride_hailing_km": ("ride_hailing", "urban_population"),
}


class AreaError(ValueError):
    """A row of the province that cannot be laid to places."""


def prefectures(inputs: Inputs) -> tuple[str, ...]:
    """Return the codes of the prefectures, in order."""
    codes = inputs.table("codes").filter(pl.col("list") == "area", pl.col("code").str.contains(r"^21\d\d00$"))
    return tuple(sorted(code for code in codes["code"].to_list() if code != PROVINCE))


def drivers(inputs: Inputs) -> dict[str, tuple[str, str]]:
    """Return vehicle class -> (sector, driver), from ``accounts/area_drivers``."""
    table = inputs.table("accounts/area_drivers").select("vehicle_class", "sector", "driver")
    return {name: (sector, driver) for name, sector, driver in table.iter_rows()}


def area_shares(parts: Parts) -> dict[str, NDArray[np.float64]]:
    r"""Return the share of each place in each driver.

    Drivers that the models give by year (tonne-km, port cargo, kilometres of city travel, movements) are joined linearly between the years
    that the models report and held flat outside; counts of the data hold in all years. Kilometres of cars and taxis are those of the
    residents of each central city by city travel, and the rest of the province by a count of the prefecture. Where the places carry less than the province (traffic that
    the network lays to no prefecture), the difference stays unallocated:

    .. math:: s_{a,t} = w_{a,t} / \max(\sum_a w_{a,t},\; W_t)

    Parameters
    ----------
    parts
        Of the run.

    Returns
    -------
    mapping
        Driver -> array ``[place, year]``: the prefectures in order, then :data:`UNALLOCATED`; every column sums to one.

    Raises
    ------
    AreaError
        If a driver of the data is not known or has no value in any place.
    """
    inputs = parts.inputs
    areas = prefectures(inputs)
    found = {}
    for driver in sorted({driver for _, driver in drivers(inputs).values()}):
        whole: NDArray[np.float64] = np.zeros(len(YEARS))
        if driver == NO_DRIVER:
            found[driver] = _closed(np.zeros((len(areas), len(YEARS))), np.ones(len(YEARS)))
            continue
        if driver in _FREIGHT:
            mode = _FREIGHT[driver]
            whole = parts.freight.territory_tkm[0, :, parts.freight.modes.index(mode)].sum(axis=-1)
        weight = _weight(driver, parts, areas)
        if not bool(np.all(weight.sum(axis=0) > 0.0)):
            msg = f"accounts/area_drivers: driver {driver!r} has no value in any prefecture; give it rows or set the driver to {NO_DRIVER!r}"
            raise AreaError(msg)
        found[driver] = _closed(weight, whole)
    return found


def _closed(weight: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return shares ``[place, year]`` with the rest in the last row."""
    shares = weight / np.maximum(weight.sum(axis=0), whole)
    rest = 1.0 - shares.sum(axis=0)
    return np.concatenate([shares, np.where(rest > _ROUNDING, rest, 0.0)[None]])


def _weight(driver: str, parts: Parts, areas: Sequence[str]) -> NDArray[np.float64]:
    """Return the driver ``[area, year]``."""
    inputs, tables = parts.inputs, parts.freight.tables
    if driver in _FREIGHT:
        rows = tables["freight_areas"].filter(pl.col("mode") == _FREIGHT[driver])
        return _by_year(rows.select("area", "year", value="territory_tkm"), areas)
    if driver == "rail_tonnes":
        rows = tables["freight_areas"].filter(pl.col("mode") == "rail")
        return _by_year(rows.select("area", "year", value=pl.col("sent_t") + pl.col("received_t")), areas)
    if driver == "port_tonnes":
        zones = inputs.table("networks/zones").select(place="zone_id", area="area")
        rows = tables["freight_terminals"].filter(pl.col("kind") == "berth").join(zones, on="place", how="left")
        return _by_year(rows.select("area", "year", value="t_per_year"), areas)
    if driver == "airport_movements":
        nodes = inputs.table("networks/nodes").select(airport="node_id", area="area")
        rows = parts.infrastructure.airports.join(nodes, on="airport", how="left")
        return _by_year(rows.select("area", "year", value="movements"), areas)
    if driver in {"bus_km", "metro_km", "light_freight_km"} or driver in CITY_KM:
        return _in_towns(driver, parts, areas)
    return np.repeat(_counts(driver, inputs, areas)[:, None], len(YEARS), axis=1)


def _in_towns(driver: str, parts: Parts, areas: Sequence[str]) -> NDArray[np.float64]:
    """Return a driver that city travel or distribution models by prefecture ``[area, year]``."""
    service = parts.urban
    at = [service.areas.index(area) for area in areas]
    if driver in {"bus_km", "metro_km"}:
        return np.asarray(service.vehicle_share["buses" if driver == "bus_km" else "trains"][at, 0])
    if driver in CITY_KM:
        name, count = CITY_KM[driver]
        counted = _counts(count, parts.inputs, service.areas)
        if not counted.sum() > 0.0:  # the rest of the province would have no place
            return np.zeros((len(areas), len(YEARS)))
        rest = np.repeat((counted / counted.sum())[:, None], len(YEARS), axis=1)
        return area_km(service, name, class_km(parts.vehicles, [name])[0], rest)[at]
    found = model_distribution(parts.inputs, parts.params)
    km = sum(found.vehicle_km[part][0] for part in found.vehicle_km)
    return np.stack([np.asarray(km)[:, found.areas.index(area)] for area in areas])


def _counts(driver: str, inputs: Inputs, areas: Sequence[str]) -> NDArray[np.float64]:
    """Return a driver that the data hold for one year."""
    if driver in _CENSUS:
        return census(inputs, driver, areas)
    if driver == "car_households":
        return census(inputs, "family_households", areas) * census(inputs, "households_with_car_share", areas)
    if driver == "gdp":
        return gdp(inputs, areas)
    rows = inputs.table("accounts/area_weights").filter(pl.col("driver") == driver)
    if rows.is_empty():
        msg = f"accounts/area_drivers: driver {driver!r} is neither modelled nor counted; add rows to accounts/area_weights"
        raise AreaError(msg)
    return _in_order(rows.select("area", "value").iter_rows(), areas)


def census(inputs: Inputs, item: str, areas: Sequence[str]) -> NDArray[np.float64]:
    """Return one item of the census by prefecture."""
    rows = inputs.table("demand/population").filter(pl.col("item") == item, pl.col("county") == pl.col("area"))
    return _in_order(rows.select("area", "value").iter_rows(), areas)


def gdp(inputs: Inputs, areas: Sequence[str]) -> NDArray[np.float64]:
    """Return GDP of the base year by prefecture, first release [CNY]; vintages are never mixed."""
    return _in_order(_gdp_rows(inputs).select("area", "value").iter_rows(), areas)


def driver_quality(inputs: Inputs) -> dict[str, str]:
    """Return driver -> weakest quality of the rows that say how a class follows it and what it counts.

    Parameters
    ----------
    inputs
        Tables ``accounts/area_drivers``, ``accounts/area_weights``, ``demand/population`` and ``observed/economy``.
    """
    found: dict[str, list[str]] = {}
    for table in ("accounts/area_drivers", "accounts/area_weights"):
        for driver, quality in inputs.table(table).select("driver", "quality").iter_rows():
            found.setdefault(str(driver), []).append(str(quality))
    census_items = {"car_households": ("family_households", "households_with_car_share")} | {item: (item,) for item in _CENSUS}
    people = inputs.table("demand/population").filter(pl.col("county") == pl.col("area"))
    for driver, items in census_items.items():
        if driver in found:
            found[driver] += people.filter(pl.col("item").is_in(items))["quality"].to_list()
    weights = inputs.table("accounts/area_weights")
    counts = {driver: count for driver, (_, count) in CITY_KM.items()} | {"bus_km": "buses"}
    for driver, count in counts.items():
        if driver in found:
            found[driver] += weights.filter(pl.col("driver") == count)["quality"].to_list()
            found[driver] += people.filter(pl.col("item").is_in(census_items.get(count, ())))["quality"].to_list()
    if "gdp" in found:
        found["gdp"] += _gdp_rows(inputs)["quality"].to_list()
    return {driver: max(qualities, key=QUALITY_ORDER.index) for driver, qualities in found.items()}


def _gdp_rows(inputs: Inputs) -> pl.DataFrame:
    return inputs.table("observed/economy").filter(
        pl.col("series") == "gdp", pl.col("period") == str(BASE_YEAR), pl.col("item") == "first_release"
    )


def _in_order(rows: Iterable[tuple[object, ...]], areas: Sequence[str]) -> NDArray[np.float64]:
    found = {str(area): float(str(value)) for area, value in rows}
    return np.array([found.get(area, 0.0) for area in areas])


def _by_year(rows: pl.DataFrame, areas: Sequence[str]) -> NDArray[np.float64]:
    """Return values ``[area, year]`` from rows area, year, value: joined linearly, flat outside."""
    years = sorted(rows["year"].unique().to_list())
    summed = rows.group_by("area", "year").agg(pl.col("value").sum())
    at = {(area, year): value for area, year, value in summed.iter_rows()}
    known = np.array([[at.get((area, year), 0.0) for year in years] for area in areas])
    return np.stack([np.interp(YEARS, years, row) for row in known])


def split(quantity: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a quantity of the province by place, so that the places sum to it.

    Parameters
    ----------
    quantity
        Array ``[year]``.
    shares
        Array ``[place, year]`` whose columns sum to one.

    Examples
    --------
    >>> split(np.array([10.0]), np.array([[0.3], [0.7]])).ravel().tolist()
    [3.0, 7.0]
    """
    return np.asarray(shares * quantity)


def places(inputs: Inputs) -> tuple[str, ...]:
    """Return the prefectures and :data:`UNALLOCATED`, the order of the arrays."""
    return (*prefectures(inputs), UNALLOCATED)


def drivers_of(inputs: Inputs, classes: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return vehicle class -> (sector, driver) of at least these classes.

    Parameters
    ----------
    inputs
        Table ``accounts/area_drivers``.
    classes
        Classes that must have a row.

    Raises
    ------
    AreaError
        If a class has none.
    """
    known = drivers(inputs)
    missing = sorted(set(classes) - set(known))
    if missing:
        msg = f"accounts/area_drivers: no row for {', '.join(missing)}; add one, with driver {NO_DRIVER!r} where nothing is known"
        raise AreaError(msg)
    return known


def energy_by_area(parts: Parts, shares: Mapping[str, NDArray[np.float64]]) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Return energy by class and carrier.

    Parameters
    ----------
    parts
        Of the run.
    shares
        Of :func:`area_shares`.

    Returns
    -------
    mapping
        (vehicle class, carrier) -> array ``[place, year]`` in the carrier's native unit.
    """
    energy = parts.now.energy
    known = drivers_of(parts.inputs, {key.vehicle_class for key in energy.keys})
    total: dict[tuple[str, str], NDArray[np.float64]] = {}
    for key, quantity in zip(energy.keys, energy.quantity[:, 0], strict=True):
        at = (key.vehicle_class, key.carrier)
        total[at] = total.get(at, 0.0) + quantity
    return {at: split(quantity, shares[known[at[0]][1]]) for at, quantity in sorted(total.items())}


def by_class(parts: Parts, quantity: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return a quantity ``[..., key, year]`` of the energy rows summed by class ``[..., year]``."""
    found: dict[str, NDArray[np.float64]] = {}
    for i, key in enumerate(parts.now.energy.keys):
        found[key.vehicle_class] = found.get(key.vehicle_class, 0.0) + quantity[..., i, :]
    return found


def co2_by_sector(parts: Parts, shares: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Return CO2 by sector.

    Parameters
    ----------
    parts
        Of the run.
    shares
        Of :func:`area_shares`.

    Returns
    -------
    mapping
        Sector -> array ``[scope, place, year]`` [t CO2].
    """
    totals = by_class(parts, parts.now.co2_t[:, :, 0])
    known = drivers_of(parts.inputs, totals)
    found: dict[str, NDArray[np.float64]] = {}
    for name, total in totals.items():
        sector, driver = known[name]
        found[sector] = found.get(sector, 0.0) + shares[driver][None] * total[:, None]
    return found


def prefecture_tables(parts: Parts) -> Mapping[str, pl.DataFrame]:
    """Return the tables ``energy_areas`` and ``co2_areas`` of a run.

    Raises
    ------
    AreaError
        If a class has no driver row, or the places do not sum to the province.
    """
    shares = area_shares(parts)
    names = places(parts.inputs)
    energy, co2 = energy_by_area(parts, shares), co2_by_sector(parts, shares)
    for name, value in zip(("energy", "CO2"), _errors(parts, energy, co2), strict=True):
        if value > SUM_LIMIT:
            msg = f"{name} by prefecture differs from the province by {value:.1e} of it (limit {SUM_LIMIT:.0e})"
            raise AreaError(msg)
    n_place, n_year = len(names), len(YEARS)
    energy_table = pl.DataFrame(
        {
            "year": np.tile(YEARS, len(energy) * n_place),
            "area": np.tile(np.repeat(names, n_year), len(energy)),
            "vehicle_class": np.repeat([name for name, _ in energy], n_place * n_year),
            "carrier": np.repeat([carrier for _, carrier in energy], n_place * n_year),
            "quantity": np.concatenate([array.ravel() for array in energy.values()]),
            "unit": np.repeat([CARRIER_UNITS[carrier] for _, carrier in energy], n_place * n_year),
        }
    )
    co2_table = pl.DataFrame(
        {
            "year": np.tile(YEARS, len(co2) * len(SCOPES) * n_place),
            "area": np.tile(np.repeat(names, n_year), len(co2) * len(SCOPES)),
            "sector": np.repeat(list(co2), len(SCOPES) * n_place * n_year),
            "scope": np.tile(np.repeat(SCOPES, n_place * n_year), len(co2)),
            "t": np.concatenate([array.ravel() for array in co2.values()]),
        }
    )
    return {
        "energy_areas": energy_table.filter(pl.col("quantity") > 0.0).sort("year", "area", "vehicle_class", "carrier"),
        "co2_areas": co2_table.filter(pl.col("t") > 0.0).sort("year", "area", "sector", "scope"),
    }


def _errors(
    parts: Parts, energy: Mapping[tuple[str, str], NDArray[np.float64]], co2: Mapping[str, NDArray[np.float64]]
) -> tuple[float, float]:
    """Return the largest relative difference between the places and the province, of each carrier and of each scope."""
    use = parts.now.energy
    worst = 0.0
    for carrier in sorted({key.carrier for key in use.keys}):
        whole = use.quantity[[i for i, key in enumerate(use.keys) if key.carrier == carrier], 0].sum(axis=0)
        placed = np.sum([array.sum(axis=0) for (_, c), array in energy.items() if c == carrier], axis=0)
        worst = max(worst, float(np.max(np.abs(placed - whole) / np.maximum(whole, 1.0))))
    province = parts.now.co2_t[:, :, 0].sum(axis=1)
    placed = np.sum([array.sum(axis=1) for array in co2.values()], axis=0)
    return worst, float(np.max(np.abs(placed / province - 1.0)))


def area_checks(parts: Parts) -> pl.DataFrame:
    """Return the checks ``areas.energy_sum`` and ``areas.co2_sum``: places against the province, relative."""
    shares = area_shares(parts)
    values = _errors(parts, energy_by_area(parts, shares), co2_by_sector(parts, shares))
    return pl.DataFrame(
        {
            "check": ["areas.energy_sum", "areas.co2_sum"],
            "value": list(values),
            "limit": [SUM_LIMIT] * 2,
            "passed": [value <= SUM_LIMIT for value in values],
        }
    )
