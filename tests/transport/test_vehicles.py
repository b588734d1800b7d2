"""Stock and energy of the province: the bundled rows on a made-up activity, by hand, by direction and by balance."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pint
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.transport.fleet import DATA, INPUTS, OWN, PARAMS, ROWS, made_up, run, use, vehicles
from transport.layout import CARRIER_UNITS, YEARS, year_index
from transport.params import Params
from transport.vehicles import Activity, VehicleOutcome, model_vehicles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

AT = year_index(2030)
TRUCKS = ("medium_truck", "heavy_rigid_truck", "tractor_trailer")
LOCOMOTIVES = ("locomotive_freight", "locomotive_conventional_passenger")


@pytest.fixture(scope="module")
def base() -> VehicleOutcome:
    return model_vehicles(INPUTS, PARAMS, made_up())


# --- shape and balances ---------------------------------------------------------------------------------------------------------------


def test_every_class_has_energy_and_every_check_passes(base: VehicleOutcome) -> None:
    assert {key.vehicle_class for key in base.energy.keys} == set(base.classes)
    assert {key.carrier for key in base.energy.keys} <= set(CARRIER_UNITS)
    assert base.checks["passed"].all()
    assert base.stock.shape == (len(base.classes), len(base.powertrains), 1, len(YEARS))
    assert (base.stock >= 0).all()
    assert (base.sales >= 0).all()
    assert not base.is_operating["agricultural_vehicle"]
    assert {base.parent[c] for c, operating in base.is_operating.items() if operating} == {
        *TRUCKS,
        "coach",
        *LOCOMOTIVES,
        "high_speed_train",
        "coastal_ship",
        "ocean_ship",
        "ro_pax_ship",
        "pipeline_pump",
        "aircraft",
    }


def test_stock_meets_the_stated_fleets_and_the_need(base: VehicleOutcome) -> None:
    at = year_index(2020)
    for name, stated in (("taxi", 92_000), ("urban_bus", 24_000), ("private_car", 7.2e6)):
        assert vehicles(base, base.stock, name)[at] == pytest.approx(stated, rel=1e-9)
    share = 1 - 0.18 - 0.02
    need = 2.58e11 * share / (31 * 0.85 * 0.72 * 85_000)
    assert vehicles(base, base.stock, "tractor_trailer")[at] == pytest.approx(need, rel=0.02)
    assert vehicles(base, base.stock, "tractor_trailer")[at] >= need * (1 - 1e-9)


def test_balance_of_every_pair(base: VehicleOutcome) -> None:
    # Ships, locomotives and nothing else may leave the register; elsewhere sales - scrapped = change of the stock.
    change = np.diff(base.stock, axis=-1)
    error = np.abs(change - base.sales[..., 1:] + base.scrapped[..., 1:]).max(axis=(1, 2, 3)) / base.stock.max(
        axis=(1, 2, 3)
    ).clip(1)
    for name, value in zip(base.classes, error, strict=True):
        if "ship" not in base.parent[name] and "locomotive" not in name:
            assert value < 1e-9, name


def test_energy_of_urban_diesel_buses_by_hand(base: VehicleOutcome) -> None:
    # One powertrain, one vintage: all diesel, no decline with age, no change of the new vehicle.
    params = PARAMS
    for parameter, subject, value in (
        ("initial_share", "urban_bus:cng", 0.0),
        ("initial_share", "urban_bus:lng", 0.0),
        ("initial_share", "urban_bus:hybrid", 0.0),
        ("initial_share", "urban_bus:battery_electric", 0.0),
        ("initial_share", "urban_bus:plug_in_hybrid", 0.0),
        ("clean_sales_share", "urban_bus", 0.0),
        ("split_in_group", "urban_bus:hybrid", 0.0),
        ("new_vehicle_fuel_index", "urban_bus", 1.0),
        ("older_vintage_penalty", "all", 0.0),
        ("combustion_temperature_ratio", "bus:cold", 1.0),
        ("combustion_temperature_ratio", "bus:freezing", 1.0),
        ("combustion_temperature_ratio", "bus:hot", 1.0),
    ):
        params = params.replace(parameter, subject, np.full((1, len(YEARS)), value))
    found = model_vehicles(INPUTS, params, made_up())
    expected = 24_000 * 51_000 * 0.34 * 0.84 / 1000
    assert use(found, ["urban_bus"], "diesel")[year_index(2019)] == pytest.approx(expected, rel=1e-9)
    assert use(base, ["urban_bus"], "diesel")[year_index(2019)] < expected


def test_rail_energy_by_hand(base: VehicleOutcome) -> None:
    at = year_index(2020)
    electric = 1 - (1 - 0.626) ** 1.6
    assert use(base, ["locomotive_freight"], "electricity")[at] == pytest.approx(1.215e11 / 0.65 * electric * 0.0108)
    assert use(base, ["locomotive_freight"], "diesel")[at] == pytest.approx(1.215e11 / 0.65 * (1 - electric) * 0.0026 / 1000)
    assert use(base, ["high_speed_train"], "electricity")[at] == pytest.approx(2.15e10 / 0.47 * 0.038)
    assert base.rail_electrified_share[0, at] == pytest.approx(0.626)
    assert electric < base.rail_gross_tkm_electric_share[0, at] < 0.85


def test_other_modes_by_hand(base: VehicleOutcome) -> None:
    at = year_index(2019)
    assert use(base, ["aircraft"], "kerosene")[year_index(2024)] == pytest.approx(
        0.288 * (2.8e10 * 0.09 + np.interp(2024, [2015, 2035], [3e8, 5e8])) / 1000
    )
    crude = np.interp(2019, [2015, 2035], [3e10, 3.8e10])
    assert use(base, ["pipeline_pump"], "fuel_oil")[at] == pytest.approx(crude * 0.0007 / 1000)
    assert use(base, ["metro_train"], "electricity")[year_index(2024)] == pytest.approx(426 * 110_000 * 13)


def test_fit_has_the_columns_of_the_contract(base: VehicleOutcome) -> None:
    assert base.fit.columns == [
        *("item", "mode", "year", "unit", "observed", "low", "high", "modelled", "error_pct"),
        *("used_for", "principle", "quality", "note"),
    ]
    buses = base.fit.filter(pl.col("item") == "buses")
    assert buses["modelled"][0] == pytest.approx(24_000)
    assert base.fit.filter(pl.col("used_for") == "calibration")["observed"].is_not_null().all()


# --- direction of every lever ---------------------------------------------------------------------------------------------------------


def of(classes: Iterable[str], carrier: str, powertrain: str | None = None) -> Callable[[VehicleOutcome], float]:
    return lambda found: float(use(found, classes, carrier, powertrain)[AT])


def count(name: str, powertrain: str) -> Callable[[VehicleOutcome], float]:
    return lambda found: float(vehicles(found, found.stock, name, powertrain)[AT])


#: (parameter, subject) -> operation, value, what is measured in 2030, sign of its change.
DIRECTIONS: dict[tuple[str, str], tuple[str, float, Callable[[VehicleOutcome], float], int]] = {
    **{
        ("clean_sales_share", name): ("set", 0.999, of([name], carrier), -1)
        for name, carrier in (
            ("private_car", "gasoline"),
            ("enterprise_car", "gasoline"),
            ("ride_hailing", "gasoline"),
            ("taxi", "gasoline"),
            ("urban_bus", "diesel"),
            ("coach", "diesel"),
            ("light_truck", "diesel"),
            ("medium_truck", "diesel"),
            ("heavy_rigid_truck", "diesel"),
            ("tractor_trailer", "diesel"),
            ("sanitation_truck", "diesel"),
            ("agricultural_vehicle", "diesel"),
            ("coastal_ship", "diesel"),
            ("ocean_ship", "fuel_oil"),
            ("ro_pax_ship", "diesel"),
            ("airside_equipment", "diesel"),
        )
    },
    **{
        ("new_energy_share_of_clean", name): ("set", 1.0, of([name], carrier), +1)
        for name, carrier in (
            *(
                (c, "electricity")
                for c in ("private_car", "ride_hailing", "taxi", "urban_bus", "coach", "light_truck", "sanitation_truck")
            ),
            *((c, "electricity") for c in (*TRUCKS, "coastal_ship", "ro_pax_ship")),
            ("ocean_ship", "methanol"),
        )
    },
    **{
        ("split_in_group", f"{name}:{train}"): ("set", 0.9, count(name, train), +1)
        for name, train in (
            ("tractor_trailer", "fuel_cell"),
            ("tractor_trailer", "battery_swap"),
            ("heavy_rigid_truck", "fuel_cell"),
            ("heavy_rigid_truck", "battery_swap"),
            ("urban_bus", "fuel_cell"),
            ("taxi", "battery_swap"),
            ("private_car", "plug_in_hybrid"),
            ("private_car", "range_extended"),
            ("coastal_ship", "methanol_ship"),
        )
    },
    ("truck_early_scrap_rate", "*"): ("add", 0.3, lambda f: float(vehicles(f, f.sales, "light_truck")[year_index(2021)]), +1),
    **{
        ("early_scrap_rate", name): ("add", 0.3, lambda f, n=name: float(vehicles(f, f.scrapped, n)[year_index(2021)]), +1)
        for name in (
            *("private_car", "enterprise_car", "ride_hailing", "taxi", "urban_bus", "coach", "sanitation_truck"),
            *("agricultural_vehicle", "coastal_ship", "ocean_ship", "ro_pax_ship", "aircraft", "airside_equipment", *LOCOMOTIVES),
        )
    },
    ("used_inflow_share", "*"): ("add", 0.02, lambda f: float(vehicles(f, f.sales, "private_car")[year_index(2021)]), -1),
    ("new_truck_fuel_index", "*"): ("scale", 0.86, of(TRUCKS, "diesel"), -1),
    ("new_vehicle_fuel_index", "*"): ("scale", 0.86, of(["private_car"], "gasoline"), -1),
    ("new_electric_index", "all"): ("scale", 0.86, of(["urban_bus"], "electricity"), -1),
    **{("truck_loaded_km_share", name): ("add", 0.1, of([name], "diesel"), -1) for name in TRUCKS},
    ("truck_payload", "*"): ("scale", 1.1, of(TRUCKS, "diesel"), -1),
    ("truck_load_factor", "*"): ("scale", 1.1, of(TRUCKS, "diesel"), -1),
    ("speed_band_ratio", "combustion:urban"): ("scale", 1.2, of(["private_car"], "gasoline"), +1),
    ("rail_electrified_share", "all"): ("set", 0.85, of(LOCOMOTIVES, "diesel"), -1),
    ("rail_energy_index", "all"): ("scale", 0.9, of(LOCOMOTIVES, "electricity"), -1),
    ("rail_net_gross_ratio", "all"): ("add", 0.02, of(["locomotive_freight"], "electricity"), -1),
    ("rail_other_index", "all"): ("scale", 0.9, of(["rail_other"], "electricity"), -1),
    ("ship_fuel_use", "*"): ("scale", 0.9, of(["coastal_ship", "ocean_ship"], "fuel_oil"), -1),
    ("new_ship_fuel_index", "*"): ("scale", 0.9, of(["coastal_ship"], "diesel"), -1),
    ("aviation_fuel_use", "all"): ("scale", 0.9, of(["aircraft"], "kerosene"), -1),
    ("pipeline_electricity", "*"): ("scale", 0.9, of(["pipeline_pump"], "electricity"), -1),
    ("fuel_heater_share", "urban_bus"): ("set", 0.9, of(["urban_bus"], "diesel", "battery_electric"), +1),
    ("heat_pump_share", "urban_bus"): ("set", 0.7, of(["urban_bus"], "electricity", "battery_electric"), -1),
    ("heat_pump_share", "private_car"): ("set", 0.9, of(["private_car"], "electricity", "battery_electric"), -1),
    ("ship_speed_ratio", "*"): ("scale", 0.85, of(["coastal_ship", "ocean_ship"], "fuel_oil"), -1),
    ("persons_per_car", "private_car"): ("scale", 1.2, of(["private_car"], "gasoline"), -1),
    ("vehicle_stock", "private_car"): ("scale", 1.1, of(["private_car"], "gasoline"), +1),
    ("share_in_group", "urban_bus_12m"): ("set", 0.5, of(["urban_bus"], "electricity", "battery_electric"), +1),
    ("vehicle_stock", "urban_bus"): ("scale", 1.2, of(["urban_bus"], "diesel"), +1),
}


@pytest.mark.parametrize("key", sorted(DIRECTIONS), ids="-".join)
def test_each_lever_moves_its_measure_in_the_right_direction(base: VehicleOutcome, key: tuple[str, str]) -> None:
    operation, value, measure, sign = DIRECTIONS[key]
    start = []
    if key[0] in {"split_in_group", "new_energy_share_of_clean"}:
        # A share within the clean sales shows once there are clean sales.
        start = [("clean_sales_share", key[1].split(":")[0], "set", 0.5)]
        if key[0] == "split_in_group":
            start.append(("new_energy_share_of_clean", key[1].split(":")[0], "set", 0.8))
    before = run(*start) if start else base
    after = run(*start, (*key, operation, value))
    assert sign * (measure(after) - measure(before)) > 0
    np.testing.assert_array_equal(after.energy.quantity[..., : year_index(2021)], before.energy.quantity[..., : year_index(2021)])


def test_every_lever_on_a_vehicle_row_has_a_direction_and_a_neutral_default() -> None:
    own = set(OWN.select("parameter", "subject").unique().rows())
    parameters = {parameter for parameter, _ in own}
    with (DATA / "levers.csv").open(encoding="utf-8", newline="") as handle:
        levers = [row for row in csv.DictReader(handle) if row["parameter"] in parameters]
    assert levers
    for row in levers:
        assert row["subject"] == "*" or (row["parameter"], row["subject"]) in own, row["lever"]
        key = (row["parameter"], row["subject"])
        assert key in DIRECTIONS, row["lever"]
        low, high, default = (float(row[name]) for name in ("min", "max", "default"))
        assert low <= default <= high, row["lever"]
        if row["operation"] == "set":
            assert default == pytest.approx(PARAMS.get(*key)[0, year_index(2021) :]), row["lever"]
        else:
            assert default == (1.0 if row["operation"] == "scale" else 0.0)


def test_rail_electrification_moves_only_the_railway() -> None:
    before, after = run(), run(("rail_electrified_share", "all", "set", 0.9))
    rows = [k for k, key in enumerate(before.energy.keys) if key.vehicle_class not in LOCOMOTIVES]
    np.testing.assert_array_equal(after.energy.quantity[rows], before.energy.quantity[rows])
    assert after.rail_gross_tkm_electric_share[0, AT] > before.rail_gross_tkm_electric_share[0, AT]


def test_a_class_outside_operation_leaves_the_others_alone(base: VehicleOutcome) -> None:
    after = run(("clean_sales_share", "private_car", "set", 0.8), ("new_energy_share_of_clean", "private_car", "set", 1.0))
    rows = [k for k, key in enumerate(base.energy.keys) if key.vehicle_class != "private_car"]
    np.testing.assert_array_equal(after.energy.quantity[rows], base.energy.quantity[rows])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(low=st.floats(0, 1), more=st.floats(0, 1), gas=st.floats(0, 1))
def test_more_clean_sales_never_burn_more_diesel(low: float, more: float, gas: float) -> None:
    high = min(1.0, low + more)
    names = ("urban_bus", "coach", "light_truck", *TRUCKS)
    common = [("new_energy_share_of_clean", name, "set", gas) for name in names]
    a = run(*common, *(("clean_sales_share", name, "set", low) for name in names))
    b = run(*common, *(("clean_sales_share", name, "set", high) for name in names))
    for name in names:
        diesel = use(a, [name], "diesel")
        assert (use(b, [name], "diesel") <= diesel * (1 + 1e-9) + 1e-6).all(), name


# --- loads, holding, draws ------------------------------------------------------------------------------------------------------------


def test_emptier_trains_and_aircraft_use_more_per_passenger(base: VehicleOutcome) -> None:
    activity = made_up()
    half = replace(activity, passenger_load={k: v / 2 for k, v in activity.passenger_load.items()})
    after = model_vehicles(INPUTS, PARAMS, half)
    for name, carrier in (
        ("high_speed_train", "electricity"),
        ("coach", "diesel"),
        ("ro_pax_ship", "diesel"),
        ("aircraft", "kerosene"),
    ):
        assert use(after, [name], carrier)[AT] > 1.5 * use(base, [name], carrier)[AT]


def test_held_composition_leaves_only_activity(base: VehicleOutcome) -> None:
    # Activity and rows constant after 2020: with the composition held, no class's fuel changes.
    at = year_index(2020)
    flat = made_up()

    def still(array: np.ndarray) -> np.ndarray:
        held = array.copy()
        held[:, at + 1 :] = held[:, at : at + 1]
        return held

    steady = Activity(
        **{
            name: {k: still(v) for k, v in value.items()} if isinstance(value, dict) else still(value)
            for name, value in ((n, getattr(flat, n)) for n in Activity.__dataclass_fields__)
        }
    )
    params = PARAMS.hold(2020)
    held = model_vehicles(INPUTS, params, steady, hold_composition_after=2020)
    # Fleets in which survivors exceed the need shrink for a while after 2020: compare the mix, and the fuel of need-driven classes.
    for name, carrier in (
        ("tractor_trailer", "diesel"),
        ("coach", "diesel"),
        ("locomotive_freight", "electricity"),
        ("coastal_ship", "fuel_oil"),
    ):
        series = use(held, [name], carrier)
        np.testing.assert_allclose(series[at:], series[at], rtol=1e-9)
    free = model_vehicles(INPUTS, params, steady)
    assert use(free, ["tractor_trailer"], "diesel")[AT] < use(held, ["tractor_trailer"], "diesel")[AT]
    mix = held.stock[held.classes.index("urban_bus_10m"), :, 0]
    np.testing.assert_allclose(
        mix[:, at + 1 :] / mix[:, at + 1 :].sum(axis=0), (mix[:, at] / mix[:, at].sum())[:, None] * np.ones(len(YEARS) - at - 1)
    )
    assert held.checks["passed"].all()
    np.testing.assert_array_equal(held.stock[..., : at + 1], free.stock[..., : at + 1])


def test_draws_carry_their_own_rows_and_the_single_run_is_central() -> None:
    params = Params.from_frame(ROWS, draws=3, seed=7)
    found = model_vehicles(INPUTS, params, made_up(3))
    assert found.energy.quantity.shape[1] == 3
    assert found.checks["passed"].all()
    diesel = sum(found.energy.quantity[k, :, AT] for k, key in enumerate(found.energy.keys) if key.carrier == "diesel")
    assert len(set(np.round(diesel, 3).tolist())) == 3
    again = model_vehicles(INPUTS, Params.from_frame(ROWS, draws=3, seed=7), made_up(3))
    np.testing.assert_array_equal(again.energy.quantity, found.energy.quantity)


def test_the_central_draw_does_not_depend_on_the_others() -> None:
    single, many = (model_vehicles(INPUTS, Params.from_frame(ROWS, draws=n, seed=7), made_up(n)) for n in (1, 6))
    for name in ("stock", "sales", "scrapped"):
        np.testing.assert_allclose(getattr(many, name)[..., 0, :], getattr(single, name)[..., 0, :], rtol=1e-12, atol=1e-6)
    np.testing.assert_allclose(many.energy.quantity[:, 0], single.energy.quantity[:, 0], rtol=1e-12, atol=1e-6)


def test_fit_rows_are_those_of_the_first_draw() -> None:
    """The fit takes the central draw as every other table does: more draws move no row."""
    single, many = (model_vehicles(INPUTS, Params.from_frame(ROWS, draws=n, seed=7), made_up(n)).fit for n in (1, 5))
    assert many["item"].to_list() == single["item"].to_list()
    np.testing.assert_allclose(many["modelled"].to_numpy(), single["modelled"].to_numpy(), rtol=1e-9)
    np.testing.assert_allclose(many["error_pct"].to_numpy(), single["error_pct"].to_numpy(), rtol=1e-9, atol=1e-9)


def test_energy_of_national_railways_is_context() -> None:
    """Another population, from memory: it can neither calibrate the province's railway nor test it."""
    rows = INPUTS.table("fleets/fit_targets").filter(pl.col("kind") == "rail_intensity")
    assert rows.select("year", "used_for").rows() == [(2019, "context"), (2020, "context")]
    seen = INPUTS.table("observed/railway").filter(pl.col("series") == "rail_energy_intensity", pl.col("item") == "state_railway")
    assert set(seen["used_for"]) == {"context"}


def test_retired_batteries_follow_the_scrapped_vehicles(base: VehicleOutcome) -> None:
    more = run(("clean_sales_share", "private_car", "set", 0.9), ("new_energy_share_of_clean", "private_car", "set", 1.0))
    assert more.retired.total()[0, -1] > base.retired.total()[0, -1]
    at = base.classes.index("private_car"), base.powertrains.index("battery_electric")
    assert base.retired.total()[0, AT] > base.scrapped[at][0, AT] * 40


def test_airside_share_is_the_stock_share(base: VehicleOutcome) -> None:
    electric = vehicles(base, base.stock, "airside_equipment", "battery_electric") / vehicles(
        base, base.stock, "airside_equipment"
    )
    np.testing.assert_allclose(base.airside_electric_share[0], electric)
    full = run(("clean_sales_share", "airside_equipment", "set", 1.0))
    assert full.airside_electric_share[0, AT] > base.airside_electric_share[0, AT]


# --- rows -----------------------------------------------------------------------------------------------------------------------------


def test_rows_are_read_have_one_key_and_a_unit_that_parses(base: VehicleOutcome) -> None:
    assert OWN.select("parameter", "subject", "year").is_duplicated().sum() == 0
    assert (OWN.group_by("parameter").agg(pl.col("unit").n_unique())["unit"] == 1).all()
    registry = pint.UnitRegistry()
    registry.load_definitions(str(DATA / "units.txt"))
    for unit in OWN["unit"].unique().sort():
        registry.parse_units(unit)
    fresh = Params.from_frame(ROWS)
    model_vehicles(INPUTS, fresh, made_up())
    own = set(OWN.select("parameter", "subject").unique().rows())
    unread = [row for row in fresh.reads().filter(pl.col("reads") == 0).select("parameter", "subject").rows() if row in own]
    # the balance bridge reads the one, the distribution the other
    assert set(unread) <= {("lng_gas_volume", "all"), ("vehicle_stock", "light_truck")}


def test_shares_of_a_class_leave_room_for_the_remainder() -> None:
    for parameter in ("initial_share", "split_in_group"):
        rows = OWN.filter(pl.col("parameter") == parameter)
        pairs = {(row[0], row[1]): (row[2], row[3]) for row in INPUTS.table("fleets/powertrains").iter_rows()}
        sums: dict[tuple[str, str], float] = {}
        for subject in rows["subject"].unique().sort():
            name, train = subject.split(":")
            group = pairs[name, train][0] if parameter == "split_in_group" else "all"
            sums[name, group] = sums.get((name, group), 0.0) + float(PARAMS.get(parameter, subject).max())
        assert all(total <= 1 for total in sums.values()), parameter


def test_unit_of_every_use_row_fits_its_carrier() -> None:
    expected = {"gasoline_use": "L/km", "diesel_use": "L/km", "lpg_use": "L/km", "cng_use": "m3/km", "lng_use": "kg/km"}
    expected |= {
        "hydrogen_use": "kg/km",
        "electricity_use": "kWh/km",
        "ship_fuel_use": "kg/tkm",
        "rail_traction_diesel": "kg/gtkm",
    }
    for parameter, unit in expected.items():
        assert PARAMS.unit(parameter) == unit
