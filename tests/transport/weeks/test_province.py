"""The simulation of a province: every place once, scaled sums, skipped cities, and the same bytes for any number of workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.transport.weeks.small_province import BIG, FLEETS, NONE, SMALL, small_models, small_params
from transport.travel import prefectures
from transport.week_values import WeekValues
from transport.weeks import province
from transport.weeks.province import (
    ProvinceError,
    ProvinceOutcome,
    charging_hours,
    known_systems,
    simulate_province,
    whole_system,
)
from transport.weeks.tables import SELECTED, SUMMARY_SCHEMA

if TYPE_CHECKING:
    from transport.inputs import Inputs

CITIES = ("bus_depot", "taxi_city")
WEIGHTS = {"winter": 11.7, "summer": 15.0, "shoulder": 22.4, "holiday": 3.04}


def simulated(inputs: Inputs, **options: Any) -> ProvinceOutcome:
    given = {"years": (2030,), "systems": CITIES, "areas": (BIG, SMALL, NONE), "seed": 3, "workers": 1} | options
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(province, "city_fleets", lambda *_: FLEETS)
        return simulate_province(inputs, small_params(inputs), small_models(), **given)


@pytest.fixture(scope="module")
def outcome(inputs: Inputs) -> ProvinceOutcome:
    return simulated(inputs)


def cell(table: pl.DataFrame, *, column: str = "value", **keys: str) -> float:
    return float(table.filter(*(pl.col(k) == v for k, v in keys.items()))[column].item())


def test_every_city_is_there_and_one_without_vehicles_is_listed(outcome: ProvinceOutcome) -> None:
    table = outcome.tables["simulation"]
    assert set(table["area"]) == {BIG, SMALL, SELECTED}, "three prefectures are not the province"
    for name in ("charging_hours", "charging_hours_unmanaged"):
        assert set(outcome.tables[name]["area"]) == {BIG, SMALL, SELECTED}
    assert set(table["week"]) == {*WEIGHTS, "year"}
    assert table.select("system", "year", "week", "area", "place", "metric").is_unique().all()
    skipped = outcome.tables["simulation_skipped"]
    assert skipped.rows() == [(system, 2030, NONE, "", "no_electric_vehicles") for system in CITIES]
    assert outcome.tables["simulation_checks"]["passed"].all()
    assert outcome.tables["simulation_checks"]["check"].is_unique().all()
    fleets = {(s, a): v for s, _, a, v, _ in outcome.tables["simulation_fleets"].iter_rows()}
    assert fleets == {key: fleet.vehicles for key, fleet in FLEETS.items() if fleet.vehicles}


def test_loads_are_those_of_the_whole_fleet(outcome: ProvinceOutcome) -> None:
    table, loads = outcome.tables["simulation"], outcome.tables["simulation_load"]
    for system in CITIES:
        for area in (BIG, SMALL):
            who = {"system": system, "area": area, "week": "winter"}
            kwh = cell(table, metric="grid_kwh", **who) * cell(table, metric="grid_kwh", column="scale", **who)
            hours = loads.filter(*(pl.col(k) == v for k, v in who.items()))
            assert hours.height == 168
            assert hours["kw"].sum() == pytest.approx(kwh, rel=1e-9)
            vehicles = cell(table, metric="grid_kwh", column="vehicles", **who)
            assert vehicles * cell(table, metric="grid_kwh", column="scale", **who) == pytest.approx(
                FLEETS[system, area].vehicles
            )


def test_the_province_is_the_sum_of_its_places(outcome: ProvinceOutcome) -> None:
    table = outcome.tables["simulation"]
    for system in CITIES:
        rows = table.filter(pl.col("system") == system, pl.col("week") == "winter")
        local = rows.filter(pl.col("area") != SELECTED)
        for metric in ("km", "grid_kwh"):
            parts = local.filter(pl.col("metric") == metric)
            assert cell(rows, area=SELECTED, metric=metric) == pytest.approx((parts["value"] * parts["scale"]).sum())
        price, kwh = (local.filter(pl.col("metric") == m).sort("area") for m in ("electricity_cny_per_kwh", "grid_kwh"))
        weight = kwh["value"] * kwh["scale"]
        mean = (price["value"] * weight).sum() / weight.sum()
        assert cell(rows, area=SELECTED, metric="electricity_cny_per_kwh") == pytest.approx(mean)
    hours = outcome.tables["charging_hours"]
    keys = ["year", "week", "system", "hour"]
    local = hours.filter(pl.col("area") != SELECTED).group_by(keys).agg(pl.col("kw").sum()).sort(keys)
    assert hours.filter(pl.col("area") == SELECTED).sort(keys)["kw"].to_list() == pytest.approx(local["kw"].to_list())


def test_the_year_of_the_province_weighs_its_weeks(outcome: ProvinceOutcome, inputs: Inputs) -> None:
    weights = {w: float(inputs.params().get("week_weight", w)[0, 0]) for w in WEIGHTS}
    rows = outcome.tables["simulation"].filter(pl.col("area") == SELECTED, pl.col("system") == "taxi_city")
    km = sum(weights[w] * cell(rows, week=w, metric="km") for w in weights)
    assert cell(rows, week="year", metric="km") == pytest.approx(km)
    assert cell(rows, week="year", metric="evening_kw") == max(cell(rows, week=w, metric="evening_kw") for w in weights)


@pytest.mark.parametrize("system", ["bus_depot", "taxi_city"])
def test_management_moves_load_and_adds_next_to_none(outcome: ProvinceOutcome, system: str) -> None:
    rows = outcome.tables["simulation"].filter(pl.col("area") == BIG, pl.col("week") == "winter")
    before, now, answered = (
        cell(rows, system=system, metric=m) for m in ("evening_kw_unmanaged", "evening_kw", "evening_response_kw")
    )
    assert answered == pytest.approx(before - now)
    here, there = (
        outcome.tables[t].filter(pl.col("system") == system)["kw"] for t in ("charging_hours", "charging_hours_unmanaged")
    )
    assert not here.equals(there)
    assert here.sum() == pytest.approx(there.sum(), rel=0.02)


def test_all_prefectures_together_are_the_province(inputs: Inputs) -> None:
    found = simulated(inputs, systems=("taxi_city",), areas=None)
    for name in ("simulation", "charging_hours", "charging_hours_unmanaged"):
        assert set(found.tables[name]["area"]) == {BIG, SMALL, "210000"}


def test_same_bytes_for_two_workers_and_for_a_city_alone(inputs: Inputs, outcome: ProvinceOutcome) -> None:
    """Two processes that simulate one city return the bytes of one process that simulates it among others."""
    told: list[tuple[int, int]] = []
    alone = simulated(inputs, workers=2, areas=(SMALL,), progress=lambda done, count, _: told.append((done, count)))
    assert alone.tables.keys() <= outcome.tables.keys()
    compared = 0
    for name, table in alone.tables.items():
        if "area" in table.columns and table.height:
            one, among = (t.filter(pl.col("area") == SMALL) for t in (table, outcome.tables[name]))
            assert_frame_equal(one, among, check_exact=True)
            compared += one.height > 0
    assert compared >= 6
    assert told == [(i, 8) for i in range(1, 9)]


def test_airports_and_ports_have_places(inputs: Inputs) -> None:
    found = simulated(inputs, systems=("airport", "shore_power", "truck_corridor"), areas=("210600", SMALL))
    rows = found.tables["simulation"].filter(pl.col("area") != SELECTED)
    assert set(rows["system"]) == {"airport", "shore_power"}
    assert (rows["place"] != "").all()
    skipped = {(s, a): r for s, _, a, _, r in found.tables["simulation_skipped"].iter_rows()}
    # no airport and no port inland; no flows by link in this year
    assert skipped == {
        ("airport", SMALL): "no_place",
        ("shore_power", SMALL): "no_place",
        ("truck_corridor", SMALL): "no_flows",
        ("truck_corridor", "210600"): "no_flows",
    }


def test_nothing_to_simulate_is_empty_tables(inputs: Inputs) -> None:
    found = simulated(inputs, areas=(NONE,))
    for name in ("simulation", "simulation_load", "charging_hours", "simulation_checks", "self_checks"):
        assert found.tables[name].height == 0
    assert found.tables["simulation_skipped"].height == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"systems": ("trams",)}, "unknown system trams; there are bus_depot, taxi_city"),
        ({"systems": ()}, "no system is named"),
        ({"areas": ("999999",)}, "unknown area 999999; there are 210100"),
    ],
)
def test_unknown_names_are_refused(inputs: Inputs, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ProvinceError, match=words):
        simulated(inputs, **options)


def test_all_five_systems_are_known() -> None:
    assert known_systems() == ("bus_depot", "taxi_city", "airport", "truck_corridor", "shore_power")


def test_every_prefecture_has_a_temperature(inputs: Inputs) -> None:
    read = WeekValues(inputs, inputs.params(), {}, 2030)
    for area in prefectures(inputs.table("codes")):
        assert read.week_temperature_c(area, "winter") < 0.0 < read.week_temperature_c(area, "summer")
    # Anshan has no station and takes that of Yingkou
    assert read.week_temperature_c("210300", "winter") == read.week_temperature_c("210800", "winter")
    with pytest.raises(ValueError, match="name a station for 999999 in fleets/climate_areas"):
        read.week_temperature_c("999999", "winter")


# --- sums by hand -------------------------------------------------------------------------------------------------------------------


def row(area: str, metric: str, value: float, scale: float, low: float | None = None) -> tuple[Any, ...]:
    high = None if low is None else 2.0 * value - low
    return ("taxi_city", "winter", area, "", metric, value, low, high, "u", 10, 5, scale)


def test_whole_system_by_hand() -> None:
    rows = [
        row("a", "km", 100.0, 2.0, 90.0),
        row("a", "energy_kwh_per_km", 1.0, 2.0, 0.9),
        row("b", "km", 50.0, 4.0, 40.0),
        row("b", "energy_kwh_per_km", 2.0, 4.0),
        row("b", "wait_p95_min", 7.0, 4.0),
    ]
    whole = whole_system(pl.DataFrame(rows, schema=SUMMARY_SCHEMA, orient="row"))
    found = {r["metric"]: r for r in whole.iter_rows(named=True)}
    assert set(found) == {"km", "energy_kwh_per_km"}
    km = found["km"]
    assert (km["value"], km["low"], km["high"]) == (400.0, 340.0, 460.0)
    assert (km["vehicles"], km["events"], km["scale"]) == (20, 10, 3.0)
    use = found["energy_kwh_per_km"]
    assert (use["value"], use["low"]) == (1.5, None)


def test_charging_hours_by_hand() -> None:
    loads = pl.DataFrame(
        {
            "system": ["airport", "airport", "taxi_city"],
            "year": [2030] * 3,
            "week": ["winter"] * 3,
            "area": ["a", "a", "b"],
            "place": ["y", "x", ""],
            "hour": [5, 5, 5],
            "kw": [1.0, 2.0, 4.0],
        }
    )
    rows = charging_hours(loads).select("area", "system", "kw").rows()
    assert rows == [("210000", "airport", 3.0), ("210000", "taxi_city", 4.0), ("a", "airport", 3.0), ("b", "taxi_city", 4.0)]
