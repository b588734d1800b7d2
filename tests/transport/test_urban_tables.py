"""Tables of city travel: cities and the rest are the accounts, loads and active kilometres by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from transport import accounts
from transport.cities import service
from transport.layout import year_index
from transport.prefectures import by_class, prefecture_tables
from transport.urban_service import CLASSES
from transport.urban_tables import HOUSEHOLD, IN_ACCOUNTS, NOT_MODELLED, REST, WITHOUT, urban_checks, urban_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from transport.parts import Parts

AT_2030 = year_index(2030)
ENERGY_OF = {
    "bus": ("urban_bus_8m", "urban_bus_10m", "urban_bus_12m"),
    "metro": ("metro_train",),
    **{mode: (name,) for name, mode in CLASSES.items()},
}


@pytest.fixture(scope="module")
def parts(parts_of: Callable[..., Parts]) -> Parts:
    return parts_of("baseline", bus_priority=0.3, metro_km_shenyang=30.0)


@pytest.fixture(scope="module")
def tables(parts: Parts) -> Mapping[str, pl.DataFrame]:
    return urban_tables(parts)


def test_cities_and_rest_are_the_energy_and_co2_of_the_accounts(parts: Parts, tables: Mapping[str, pl.DataFrame]) -> None:
    table = tables["urban_travel"]
    kgce = by_class(parts, accounts.coal_equivalent(parts.now.energy, parts.params)[:, 0])
    carbon = by_class(parts, parts.now.co2_t[:, :, 0])
    for mode, names in ENERGY_OF.items():
        rows = (
            table.filter(pl.col("mode") == mode).group_by("year").agg(pl.col("energy_tj", "direct_t", "wtw_t").sum()).sort("year")
        )
        np.testing.assert_allclose(rows["energy_tj"].to_numpy(), sum(kgce[n] for n in names) * 29.3076e-6, rtol=1e-9)
        np.testing.assert_allclose(rows["direct_t"].to_numpy(), sum(carbon[n][0] for n in names), rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(rows["wtw_t"].to_numpy(), sum(carbon[n][2] for n in names), rtol=1e-9)


def test_kilometres_are_those_of_city_travel(parts: Parts, tables: Mapping[str, pl.DataFrame]) -> None:
    table = tables["urban_km"]
    for name in CLASSES:
        row = table.filter(pl.col("vehicle_class") == name, pl.col("year") == 2030).to_dicts()[0]
        assert row["city_km"] == pytest.approx(parts.urban.total_city_km(name)[0, AT_2030])
        assert row["city_km"] + row["rest_km"] + row["intercity_km"] == pytest.approx(row["total_km"], rel=1e-9)
        assert row["rest_km"] > 0.0
        assert row["km_per_veh"] == pytest.approx(row["total_km"] / row["stock_veh"])
    cars = table.filter(pl.col("vehicle_class") == "private_car", pl.col("year") == 2030).to_dicts()[0]
    away = parts.passengers.pkm["private_car"][0, AT_2030] / parts.params.get("persons_per_car", "private_car")[0, AT_2030]
    assert cars["intercity_km"] == pytest.approx(away)
    assert cars["needed_veh"] is None
    taxi = table.filter(pl.col("vehicle_class") == "taxi", pl.col("year") == 2030).to_dicts()[0]
    assert taxi["needed_veh"] == pytest.approx(taxi["total_km"] / (400.0 * 365.0))


def test_checks_hold_and_see_a_kilometre_too_many(parts: Parts) -> None:
    assert urban_checks(parts)["passed"].all()
    wrong = {name: km * (1.01 if name == "taxi" else 1.0) for name, km in parts.urban.city_km.items()}
    found = urban_checks(replace(parts, urban=replace(parts.urban, city_km=wrong)))
    assert found.filter(pl.col("check") == "urban.km_sum")["passed"].to_list() == [False]
    much = {name: km * (50.0 if name == "taxi" else 1.0) for name, km in parts.urban.reference_km.items()}
    found = urban_checks(replace(parts, urban=replace(parts.urban, reference_km=much)))
    assert found.filter(pl.col("check") == "urban.rest_negative")["passed"].to_list() == [False]


def test_load_by_hand(parts: Parts, tables: Mapping[str, pl.DataFrame]) -> None:
    row = (
        tables["transit_load"].filter(pl.col("year") == 2030, pl.col("area") == "210100", pl.col("mode") == "metro").to_dicts()[0]
    )
    i, at = parts.travel.areas.index("210100"), parts.travel.modes.index("metro")
    boardings = parts.travel.trips[i, at, 0, AT_2030] * parts.params.get("boardings_per_trip", "metro")[0, AT_2030]
    assert row["boardings"] == pytest.approx(boardings)
    assert row["boardings_per_line_km_day"] == pytest.approx(boardings / row["line_km"] / 365.0)
    assert row["pkm_per_line_km"] == pytest.approx(parts.travel.pkm[i, at, 0, AT_2030] / row["line_km"])
    assert row["persons_per_vehicle"] == pytest.approx(row["load"] * 1460.0)
    assert row["crowded"] == (row["load"] > row["load_limit"])
    metro = tables["transit_load"].filter(pl.col("mode") == "metro", pl.col("year") == 2030)
    assert set(metro["area"]) == {"210100", "210200"}
    assert set(metro["line_basis"]) == {"lines"}
    assert set(metro["vehicles_of"]) == {"central_city"}
    assert metro["central_share"].to_list() == [1.0, 1.0]


def row_of(table: pl.DataFrame, area: str, mode: str, year: int) -> dict[str, Any]:
    found: dict[str, Any] = table.row(
        by_predicate=(pl.col("area") == area) & (pl.col("mode") == mode) & (pl.col("year") == year), named=True
    )
    return found


def test_load_of_buses_by_hand(parts: Parts, tables: Mapping[str, pl.DataFrame]) -> None:
    """Anshan: 1,457,387 of 2,479,691 urban residents in the central city; outside half as many buses a head, 70 places, one bus per km of line."""
    row = row_of(tables["transit_load"], "210300", "bus", 2019)
    inside, outside = 1_457_387.0, 2_479_691.0 - 1_457_387.0
    share = inside / (inside + 0.5 * outside)
    assert row["central_share"] == pytest.approx(share)
    assert (row["vehicles_of"], row["passengers_of"], row["line_basis"]) == ("prefecture", "central_city", "default")
    i, at, then = parts.travel.areas.index("210300"), parts.travel.modes.index("bus"), year_index(2019)
    pkm = parts.travel.pkm[i, at, 0, then]
    assert row["persons_per_vehicle"] == pytest.approx(pkm / (row["vehicle_km"] * share))
    assert row["load"] == pytest.approx(row["persons_per_vehicle"] / 70.0)
    # fewest buses of its own and smallest buses; most buses and largest buses
    few, many = inside / (inside + 0.9 * outside), inside / (inside + 0.2 * outside)
    assert row["load_high"] == pytest.approx(pkm / (row["vehicle_km"] * few * 55.0))
    assert row["load_low"] == pytest.approx(pkm / (row["vehicle_km"] * many * 85.0))
    assert row["crowded"] == (row["load"] > row["load_limit"])
    buses = (
        parts.vehicles.stock[[parts.vehicles.classes.index(c) for c in ENERGY_OF["bus"]], :, 0, then].sum() * 1750.0 / 24_000.0
    )
    assert row["line_km"] == pytest.approx(buses * share)
    assert (row["line_km_low"], row["line_km_high"]) == pytest.approx((buses * share / 1.8, buses * share / 0.55))
    assert row["pkm_per_line_km"] == pytest.approx(pkm / row["line_km"])
    assert row["boardings_per_line_km_day"] == pytest.approx(row["boardings"] / row["line_km"] / 365.0)


def test_buses_of_the_central_city_are_near_the_count_of_shenyang(parts: Parts, tables: Mapping[str, pl.DataFrame]) -> None:
    """5444 buses were counted in the city in 2017, 232 lines; the allocation of 5800 is of the whole prefecture and of 2020."""
    row = row_of(tables["transit_load"], "210100", "bus", 2019)
    assert row["central_share"] * 5800.0 == pytest.approx(5444.0, rel=0.05)
    assert row["line_basis"] == "city"
    assert row["line_km_low"] < 232 * 13.0 < row["line_km_high"]
    assert parts.params.has("buses_per_line_km", "210100")


def test_buses_are_never_more_the_citys_than_the_prefectures(tables: Mapping[str, pl.DataFrame]) -> None:
    buses = tables["transit_load"].filter(pl.col("mode") == "bus")
    assert buses["central_share"].is_between(0.0, 1.0).all()
    assert set(buses["area"]) == set(tables["urban_travel"].filter(pl.col("mode") == "bus")["area"])
    for low, value, high in (("load_low", "load", "load_high"), ("line_km_low", "line_km", "line_km_high")):
        assert (buses[low] < buses[value]).all()
        assert (buses[value] < buses[high]).all()


def test_new_streets_make_longer_lines(parts_of: Callable[..., Parts]) -> None:
    """Half of the gap of 15 % closed: 0.5 x 0.15 / 0.85 x 1.5 more streets with a bus, from the year of the lever on."""
    more = urban_tables(parts_of("baseline", bus_coverage=0.5))["transit_load"]
    now, then = (row_of(more, "210300", "bus", year)["line_km"] for year in (2035, 2019))
    assert now / then == pytest.approx(1.0 + 0.5 * 0.15 / 0.85 * 1.5)


def test_a_fuller_train_is_flagged(parts: Parts) -> None:
    few = parts.params.replace("transit_places", "metro", parts.params.get("transit_places", "metro") * 0.2)
    rows = urban_tables(replace(parts, params=few))["transit_load"].filter(pl.col("mode") == "metro", pl.col("year") == 2019)
    usual = urban_tables(parts)["transit_load"].filter(pl.col("mode") == "metro", pl.col("year") == 2019)
    assert rows["crowded"].sum() > usual["crowded"].sum()


def test_minutes_and_yuan_by_hand(parts: Parts, tables: Mapping[str, pl.DataFrame]) -> None:
    """A trip of 4 to 8 km: 6 km; under way in the traffic of the year, the flat fare in full."""
    times = tables["travel_times"].filter(pl.col("year") == 2030, pl.col("area") == "210100", pl.col("length_band") == "km_8")
    row = {r["mode"]: r for r in times.iter_rows(named=True)}
    index = parts.travel.car_time_index[parts.travel.areas.index("210100"), 0, AT_2030]
    assert index != pytest.approx(1.0, abs=1e-6)
    km = parts.params.get("service_length", "km_8")[0, 0]
    for mode in ("car", "taxi"):
        minutes = km / parts.params.get("service_speed", mode)[0, 0] * 60.0
        assert row[mode]["in_vehicle_min"] == pytest.approx(minutes * index)
    # a bus on a lane is out of the traffic: its time moves less than that of cars
    at_rest = service.generalised_times(parts.params, "210100", 2030).filter(mode="bus", band="km_8")["in_vehicle"][0]
    gain = row["bus"]["in_vehicle_min"] / at_rest - 1.0
    assert 0.0 < gain / (index - 1.0) < 1.0
    near = tables["travel_times"].filter(pl.col("length_band") == "km_2", pl.col("mode") == "walk")
    np.testing.assert_allclose(near["total_min"].to_numpy(), 1.5 / 4.8 * 60.0)
    assert row["bus"]["outlay_cny"] == pytest.approx(1.2)
    for found in row.values():
        assert found["total_min"] == pytest.approx(found["in_vehicle_min"] + found["access_min"] + found["wait_min"])


def test_times_stand_where_somebody_travels(parts: Parts, tables: Mapping[str, pl.DataFrame]) -> None:
    keys = ["year", "area", "mode", "length_band"]
    times = tables["travel_times"]
    made = parts.travel.segments.select(keys).unique()
    assert times.select(keys).is_unique().all()
    assert times.height == made.height
    assert times.join(made, on=keys, how="anti").is_empty()
    assert set(times.filter(pl.col("mode") == "metro", pl.col("year") == 2020)["area"]) == {"210100", "210200"}
    assert times.filter(pl.col("mode") == "walk", pl.col("length_band") == "km_over_15").is_empty()


def test_active_kilometres_by_hand(parts: Parts, tables: Mapping[str, pl.DataFrame]) -> None:
    row = tables["active_travel"].filter(pl.col("year") == 2020, pl.col("area") == "210100").to_dicts()[0]
    census = parts.inputs.table("demand/population").filter(
        pl.col("item") == "city_proper_population", pl.col("area") == "210100"
    )["value"]
    assert row["residents"] == pytest.approx(census.to_list()[0])
    i, at = parts.travel.areas.index("210100"), parts.travel.modes.index("walk")
    km = parts.travel.pkm[i, at, 0, year_index(2020)] / row["residents"] / 365.0
    assert row["walk_km_per_day"] == pytest.approx(km)
    assert row["walk_min_per_day"] == pytest.approx(km / parts.params.get("service_speed", "walk")[0, 0] * 60.0)


def test_what_has_no_energy_and_what_is_in_no_account(tables: Mapping[str, pl.DataFrame]) -> None:
    table = tables["urban_travel"]
    walked = table.filter(pl.col("mode").is_in(["walk", "cycle"]))
    assert walked["energy_tj"].sum() == 0.0
    assert walked["energy_tj"].null_count() == 0
    other = table.filter(pl.col("mode") == "other")
    assert other["energy_tj"].null_count() == other.height == 14 * 21
    bases = dict(table.select("mode", "energy_basis").unique().iter_rows())
    assert bases == dict.fromkeys(ENERGY_OF, IN_ACCOUNTS) | {
        "walk": WITHOUT,
        "cycle": WITHOUT,
        "e_bike": HOUSEHOLD,
        "other": NOT_MODELLED,
    }
    left = table.filter(pl.col("area") == REST)
    assert set(left["mode"]) == set(CLASSES.values())
    assert left["trips"].null_count() == left.height


def test_a_city_has_no_more_of_a_class_than_its_prefecture(parts: Parts, tables: Mapping[str, pl.DataFrame]) -> None:
    """The prefecture holds what its central city drives, and its part of the rest."""
    placed = prefecture_tables(parts)["energy_areas"].filter(pl.col("vehicle_class") == "taxi", pl.col("year") == 2030)
    by_area = dict(placed.filter(pl.col("carrier") == "natural_gas").select("area", "quantity").iter_rows())
    rows = tables["urban_travel"].filter(pl.col("mode") == "taxi", pl.col("year") == 2030)
    city = dict(rows.select("area", "vehicle_km").iter_rows())
    whole, total = sum(by_area.values()), sum(city.values())
    for area, quantity in by_area.items():
        assert quantity / whole >= city[area] / total - 1e-12
    assert sum(by_area.values()) / whole == pytest.approx(1.0)


def test_power_of_e_bikes_by_hand(parts: Parts, tables: Mapping[str, pl.DataFrame]) -> None:
    """0.018 kWh a km at the wall, 1.1 riders, 0.1229 kgce a kWh, the grid factor of the year."""
    row = row_of(tables["urban_travel"], "210100", "e_bike", 2030)
    assert row["vehicle_km"] == pytest.approx(row["pkm"] / 1.1)
    power = row["vehicle_km"] * 0.018
    assert row["energy_tj"] == pytest.approx(power * 0.1229 * 29.3076e-6)
    assert row["direct_t"] == 0.0
    assert row["direct_power_t"] == pytest.approx(power * parts.grid[0, AT_2030] / 1000.0)
    assert row["wtw_t"] > row["direct_power_t"] > 0.0


def test_power_of_e_bikes_is_in_no_account(parts: Parts) -> None:
    """Ten times the power moves no check: household electricity is beside the accounts."""
    much = parts.params.replace("e_bike_energy", "all", parts.params.get("e_bike_energy") * 10.0)
    assert_frame_equal(urban_checks(replace(parts, params=much)), urban_checks(parts))
