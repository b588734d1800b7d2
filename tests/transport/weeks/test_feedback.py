"""What simulated weeks tell the year model: the table, its interpolation by hand, and a run that takes it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.transport.weeks.small_province import BIG, FLEETS, SMALL, small_models, small_params
from transport import study
from transport.costs import tco_table
from transport.layout import BASE_YEAR, year_index
from transport.parts import activity_of
from transport.scenario import load_scenario
from transport.vehicles.energies import BATTERY_ALONE, served_share
from transport.vehicles.tables import read_classes
from transport.week_values import CityFleet
from transport.weeks import feedback
from transport.weeks.feedback import FEEDBACK_SCHEMA, NEUTRAL, SUPPLY, VEHICLES, feedback_table, with_feedback
from transport.weeks.province import ProvinceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.params import Params
    from transport.parts import Parts

AT = year_index(2030)
BUS, TAXI = ("bus_depot", "urban_bus"), ("taxi_city", "taxi")


@pytest.fixture(scope="module")
def made(inputs: Inputs) -> pl.DataFrame:
    return table_of(inputs)


def table_of(inputs: Inputs, **options: Any) -> pl.DataFrame:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feedback, "city_fleets", lambda *_: FLEETS)
        given = {"years": (2030,), "ratios": (0.25, 1.0), "seed": 1, "workers": 1} | options
        return feedback_table(inputs, small_params(inputs), small_models(), **given)


def by_hand(
    params: Params, rows: dict[str, dict[float, dict[str, float]]], *, year: int = 2030, system: str = "bus_depot"
) -> pl.DataFrame:
    """Return a table: city -> supply ratio -> factor -> value; vehicles are one per city unless given."""
    supply = float((params.get("depot_plugs_per_bus") * params.get("charger_power", "depot"))[0, year_index(year)])
    made = []
    for area, by_ratio in rows.items():
        for ratio, factors in by_ratio.items():
            for name, value in {**NEUTRAL, SUPPLY: supply * ratio, VEHICLES: 1.0, **factors}.items():
                made.append((system, area, year, ratio, name, value, None, None))
    return pl.DataFrame(made, schema=FEEDBACK_SCHEMA, orient="row")


# --- the table ----------------------------------------------------------------------------------------------------------------------


def test_the_table_has_every_factor_of_every_city(made: pl.DataFrame) -> None:
    assert dict(made.schema) == FEEDBACK_SCHEMA
    assert set(made["factor"]) == {*NEUTRAL, SUPPLY, VEHICLES}
    assert made.select("system", "area", "year", "supply_ratio", "factor").is_unique().all()
    assert set(made["area"]) == {BIG, SMALL}  # two cities have vehicles, so that none stands for others
    ones = made.filter(pl.col("supply_ratio") == 1.0, pl.col("factor").is_in(["electricity_use", "charging_price"]))
    assert ones["value"].to_list() == pytest.approx([1.0] * ones.height)
    losses = made.filter(pl.col("factor") == "charging_loss")
    assert losses["value"].to_list() == pytest.approx([1.0] * losses.height)


def test_fewer_plugs_serve_less(made: pl.DataFrame) -> None:
    lost = made.filter(pl.col("factor") == "unserved_service_share").sort("system", "area", "supply_ratio")
    for _, city in lost.group_by(["system", "area"], maintain_order=True):
        scarce, usual = city["value"].to_list()
        # few taxis have one plug at either supply
        assert scarce > usual if city["system"].to_list()[0] == "bus_depot" else scarce >= usual
        assert 0.0 <= usual < 1.0
    extra = made.filter(pl.col("factor") == "extra_vehicle_share", pl.col("system") == "bus_depot").sort("area", "supply_ratio")
    for _, city in extra.group_by("area", maintain_order=True):
        assert city["value"].to_list()[0] >= city["value"].to_list()[1] >= 0.0


@pytest.mark.slow
def test_same_seed_same_table_for_two_workers(inputs: Inputs, made: pl.DataFrame) -> None:
    assert_frame_equal(table_of(inputs, workers=2), made, check_exact=True)


def test_one_city_of_middle_size_stands_for_the_small_ones() -> None:
    fleets = {"a": CityFleet(50.0, 1.0), "b": CityFleet(400.0, 1.0), "c": CityFleet(90.0, 1.0), "d": CityFleet(300.0, 1.0)}
    places = feedback._places(fleets)
    assert [(p.area, p.label, p.vehicles) for p in places] == [("b", "b", 400.0), ("d", "d", 300.0), ("a", "small_cities", 140.0)]


@pytest.mark.parametrize("ratios", [(0.5, 1.5), (1.0, 0.5), (0.0, 1.0), ()])
def test_ratios_must_hold_the_supply_of_the_rows(inputs: Inputs, ratios: tuple[float, ...]) -> None:
    with pytest.raises(ProvinceError, match="with 1 among them"):
        table_of(inputs, ratios=ratios)


# --- into the parameters ------------------------------------------------------------------------------------------------------------


def test_a_neutral_table_changes_no_bit(inputs: Inputs) -> None:
    params = inputs.params(draws=3, seed=4)
    same = with_feedback(params, by_hand(params, {BIG: {0.5: {}, 1.0: {}}}))
    assert same.unlike(params) == ()


def test_interpolation_by_hand(inputs: Inputs) -> None:
    params = inputs.params()
    table = by_hand(params, {BIG: {0.5: {"electricity_use": 1.2}, 1.0: {"electricity_use": 1.0}, 2.0: {"electricity_use": 0.9}}})
    key = "electricity_use", "urban_bus:battery_electric"
    for ratio, factor in [(0.25, 1.2), (0.5, 1.2), (0.75, 1.1), (1.0, 1.0), (1.5, 0.95), (3.0, 0.9)]:
        own = params.replace("depot_plugs_per_bus", "all", params.get("depot_plugs_per_bus") * ratio)
        found = with_feedback(own, table).get(*key) / params.get(*key)
        assert found[0, AT] == pytest.approx(factor)
        # nothing in the base year and before, half of it half way, flat after the last year of the table
        assert (found[0, : year_index(BASE_YEAR) + 1] == 1.0).all()
    scarce = params.replace("charger_power", "depot", params.get("charger_power", "depot") * 0.5)
    supply = (scarce.get("depot_plugs_per_bus") * scarce.get("charger_power", "depot"))[0]
    top = float((params.get("depot_plugs_per_bus") * params.get("charger_power", "depot"))[0, AT])
    found = (with_feedback(scarce, table).get(*key) / params.get(*key))[0]
    at_2025 = np.interp(supply[year_index(2025)], np.array([0.5, 1.0, 2.0]) * top, [1.2, 1.0, 0.9])
    assert found[year_index(2025)] == pytest.approx(0.5 + 0.5 * at_2025)
    assert found[year_index(2035)] == pytest.approx(
        np.interp(supply[year_index(2035)], np.array([0.5, 1.0, 2.0]) * top, [1.2, 1.0, 0.9])
    )


def test_cities_count_by_their_vehicles_and_draws_by_their_supply(inputs: Inputs) -> None:
    params = inputs.params(draws=4, seed=2)
    cities: dict[str, dict[float, dict[str, float]]] = {
        BIG: {0.5: {"unserved_service_share": 0.4, VEHICLES: 3.0}, 1.0: {"unserved_service_share": 0.0, VEHICLES: 3.0}},
        SMALL: {0.5: {"unserved_service_share": 0.8}, 1.0: {"unserved_service_share": 0.4}},
    }
    table = by_hand(params, cities)
    found = with_feedback(params, table).get("unserved_service_share", "urban_bus")
    supply = (params.get("depot_plugs_per_bus") * params.get("charger_power", "depot"))[:, AT]
    ratio = np.clip(supply / supply[0], 0.5, 1.0)
    assert found[:, AT] == pytest.approx((3.0 * 0.8 * (1.0 - ratio) + 0.8 * (1.0 - ratio) + 0.4) / 4.0)
    assert len(set(found[:, AT])) > 1
    assert (with_feedback(params, table).get("unserved_service_share", "taxi") == 0.0).all()


def test_only_the_electric_vehicles_of_the_class_are_moved(inputs: Inputs) -> None:
    params = inputs.params()
    factors = {"electricity_use": 1.1, "charging_loss": 2.0, "charging_price": 0.8, "extra_vehicle_share": 0.2}
    moved = with_feedback(params, by_hand(params, {BIG: {1.0: factors}}))
    assert set(moved.unlike(params)) == {
        ("charging_loss", "urban_bus"),
        ("charging_price", "urban_bus"),
        ("electricity_use", "urban_bus:battery_electric"),
        ("extra_vehicle_share", "urban_bus"),
    }


def test_another_table_is_refused(inputs: Inputs) -> None:
    with pytest.raises(ProvinceError, match="has the columns system, area, year"):
        with_feedback(inputs.params(), pl.DataFrame({"system": ["bus_depot"]}))


def test_unserved_distance_by_hand(inputs: Inputs) -> None:
    classes = read_classes(inputs)
    params = inputs.params().inheriting({spec.name: spec.group for spec in classes})
    spec = next(c for c in classes if c.name == "urban_bus_12m")
    trains = [pair.powertrain for pair in spec.pairs]
    share = np.zeros((1, 21, len(trains)))
    share[..., trains.index("battery_electric")], share[..., trains.index("diesel")], share[..., trains.index("cng")] = (
        0.6,
        0.3,
        0.1,
    )
    # nothing is lost in the data, and not one bit moves
    assert np.array_equal(served_share(spec, params, share), share)
    lost = params.replace("unserved_service_share", "urban_bus", np.full((1, 21), 0.5))
    found = dict(zip(trains, served_share(spec, lost, share)[0, 5], strict=True))
    assert (found["battery_electric"], found["cng"]) == (pytest.approx(0.3), 0.1)
    assert found["diesel"] == pytest.approx(0.6)
    car = next(c for c in classes if c.name == "private_car")
    assert served_share(car, lost, share) is share


# --- in a run -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(inputs: Inputs, parts_of: Callable[..., Parts], tmp_path_factory: pytest.TempPathFactory) -> tuple[Parts, Parts]:
    """Return the parts of the plan without and with a table that changes every factor of buses and taxis."""
    before = parts_of("plan_2030")
    file: Path = tmp_path_factory.mktemp("feedback") / "feedback.parquet"
    changes = {
        "electricity_use": 1.1,
        "charging_loss": 1.2,
        "charging_price": 0.9,
        "extra_vehicle_share": 0.1,
        "unserved_service_share": 0.25,
    }
    pl.concat([by_hand(before.params, {BIG: {1.0: changes}}, system=system) for system, _ in (BUS, TAXI)]).write_parquet(file)
    scenario = load_scenario("plan_2030", inputs.folder, inputs.levers, simulate="none", capacity="fixed", feedback=str(file))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "model_freight", lambda *_, **__: before.freight)
        return before, study.model_parts(scenario, inputs)


def test_service_stays_and_energy_moves(pair: tuple[Parts, Parts]) -> None:
    before = pair[0]
    for group in ("urban_bus", "taxi"):
        was, now = (km_of(parts, group) for parts in pair)
        assert sum(now.values()) == pytest.approx(sum(was.values()), rel=1e-9)
        electric = [train for train in was if train in BATTERY_ALONE]
        assert sum(now[t] for t in electric) == pytest.approx(0.75 * sum(was[t] for t in electric), rel=1e-9)
    # a quarter of the distance less, each km with a tenth more, a fifth more of it lost
    for group, loss in (("urban_bus", "urban_bus"), ("taxi", "taxi")):
        share = before.params.get("charging_loss", loss)[0, AT]
        factor = 0.75 * 1.1 * (1.0 - share) / (1.0 - 1.2 * share)
        was, now = (kwh_of(parts, group) for parts in pair)
        assert now == pytest.approx(factor * was, rel=1e-9)


def test_each_key_of_energy_comes_once_and_no_other_class_moves(pair: tuple[Parts, Parts]) -> None:
    before, after = pair
    keys = after.now.energy.keys
    assert len(set(keys)) == len(keys)
    touched = {
        key.vehicle_class
        for key, old, new in zip(before.now.energy.keys, before.now.energy.quantity, after.now.energy.quantity, strict=True)
        if not np.array_equal(old, new)
    }
    assert touched == {"taxi", "urban_bus_8m", "urban_bus_10m", "urban_bus_12m"}
    assert np.array_equal(before.vehicles.stock, after.vehicles.stock)
    base = year_index(BASE_YEAR)
    assert np.array_equal(before.now.energy.quantity[:, :, : base + 1], after.now.energy.quantity[:, :, : base + 1])
    assert after.now.vehicles.checks["passed"].all()


def test_costs_of_electric_buses_follow(pair: tuple[Parts, Parts]) -> None:
    bus = (pl.col("year") == 2030) & (pl.col("vehicle_class") == "urban_bus_12m")
    activities = [activity_of(p.inputs, p.params, p.freight, p.passengers, p.urban) for p in pair]
    tables = [tco_table(p.inputs, p.params, activity).filter(bus) for p, activity in zip(pair, activities, strict=True)]
    was, now = ({r["powertrain"]: r for r in table.iter_rows(named=True)} for table in tables)
    assert now["diesel"] == {**was["diesel"], "tco_share": now["diesel"]["tco_share"]}
    electric = "battery_electric"
    assert now[electric]["capital_cny2023_per_unit"] > 1.05 * was[electric]["capital_cny2023_per_unit"]
    loss = pair[0].params.get("charging_loss", "urban_bus")[0, AT]
    factor = 1.1 * 0.9 * (1.0 - loss) / (1.0 - 1.2 * loss)
    assert now[electric]["energy_cny2023_per_unit"] == pytest.approx(factor * was[electric]["energy_cny2023_per_unit"], rel=0.02)


def km_of(parts: Parts, group: str) -> dict[str, float]:
    """Return km of 2030 by powertrain, plug-in vehicles once."""
    work = parts.vehicles.work
    found: dict[str, float] = {}
    for key, quantity in zip(work.keys, work.quantity, strict=True):
        if parts.vehicles.parent[key.vehicle_class] == group:
            found[key.powertrain] = found.get(key.powertrain, 0.0) + float(quantity[0, AT])
    return found


def kwh_of(parts: Parts, group: str) -> float:
    energy = parts.vehicles.energy
    mine = [
        i
        for i, key in enumerate(energy.keys)
        if parts.vehicles.parent.get(key.vehicle_class) == group
        and key.carrier == "electricity"
        and key.powertrain in BATTERY_ALONE
    ]
    return float(energy.quantity[mine, 0, AT].sum())


def test_a_run_without_a_table_is_as_before(inputs: Inputs) -> None:
    plain = load_scenario("plan_2030", inputs.folder, inputs.levers)
    assert plain.feedback == ""
    params = study.scenario_params(plain, inputs)
    for factor in ("extra_vehicle_share", "unserved_service_share"):
        for group in ("urban_bus", "taxi"):
            assert (params.get(factor, group) == 0.0).all()
    named = replace(plain, feedback="x", feedback_hash="0")
    assert named.scenario_hash() != plain.scenario_hash()
