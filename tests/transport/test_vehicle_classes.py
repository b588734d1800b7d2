"""Groups of vehicle classes: parts sum to the group, rows of the group hold for its parts, bad rows are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from fleets.stock import StockPath
from tests.transport.fleet import DATA, INPUTS, OWN, PARAMS, ROWS, made_up, members_of, run, use, vehicles
from transport.layout import BASE_YEAR, YEARS, year_index
from transport.params import Lever, Params
from transport.vehicles import VehicleOutcome, model_vehicles
from transport.vehicles.batteries import retired_batteries
from transport.vehicles.stocks import old_diesel_share
from transport.vehicles.tables import find_class, members, parents, read_classes, read_clean, read_climates

if TYPE_CHECKING:
    from collections.abc import Callable

BASE = year_index(BASE_YEAR)
GROUPS = ("urban_bus", "sanitation_truck", "coastal_ship", "airside_equipment")
CLASSES = read_classes(INPUTS)


class Whole:
    """The bundled tables with every group as one class again."""

    def table(self, name: str) -> pl.DataFrame:
        table = INPUTS.table(name)
        if name != "fleets/classes":
            return table
        whole = table.with_columns(vehicle_class=pl.coalesce("parent", "vehicle_class"), parent=pl.lit(None, pl.String))
        return whole.unique("vehicle_class", keep="first", maintain_order=True)


@pytest.fixture(scope="module", params=[1, 3], ids=["one draw", "three draws"])
def pair(request: pytest.FixtureRequest) -> tuple[VehicleOutcome, VehicleOutcome]:
    """Return the outcome with the groups split and with the groups as one class each."""
    draws = int(request.param)
    params = Params.from_frame(ROWS, draws=draws, seed=11)
    split, whole = (model_vehicles(tables, params, made_up(draws)) for tables in (INPUTS, Whole()))
    return split, whole


def test_every_group_of_the_data_has_the_parts_that_its_rows_name() -> None:
    assert {spec.group for spec in CLASSES if len(spec.members) > 1} == set(GROUPS)
    assert members(CLASSES, "urban_bus") == ("urban_bus_8m", "urban_bus_10m", "urban_bus_12m")
    assert members(CLASSES, "taxi") == ("taxi",)
    assert parents(CLASSES)["refuse_truck"] == "sanitation_truck"
    codes = pl.read_csv(DATA / "codes.csv").filter(pl.col("list") == "vehicle_class")
    assert {name for spec in CLASSES for name in (spec.name, spec.group)} <= set(codes["code"])
    named = set(
        OWN.filter(pl.col("parameter").is_in(["share_in_group", "ratio_in_group"]))["subject"].str.split(":").list.first()
    )
    assert named <= {spec.name for spec in CLASSES if len(spec.members) > 1}


def test_a_split_moves_no_total_of_the_group(pair: tuple[VehicleOutcome, VehicleOutcome]) -> None:
    """Stock, sales, scrapped vehicles, energy and batteries of the parts sum to those of the group in one piece."""
    split, whole = pair
    for name in GROUPS:
        for array in ("stock", "sales", "scrapped", "inflow"):
            parts = [split.classes.index(c) for c in members_of(split, [name])]
            one = getattr(whole, array)[whole.classes.index(name)]
            scale = max(float(np.abs(whole.stock[whole.classes.index(name)]).max()), 1.0)
            np.testing.assert_allclose(getattr(split, array)[parts].sum(axis=0) / scale, one / scale, atol=1e-9)
    sums: dict[tuple[str, str, str], np.ndarray] = {}
    for key, quantity in zip(split.energy.keys, split.energy.quantity, strict=True):
        at = (split.parent[key.vehicle_class], key.powertrain, key.carrier)
        sums[at] = sums.get(at, np.zeros_like(quantity)) + quantity
    assert set(sums) == {(k.vehicle_class, k.powertrain, k.carrier) for k in whole.energy.keys}
    for key, quantity in zip(whole.energy.keys, whole.energy.quantity, strict=True):
        np.testing.assert_allclose(sums[key.vehicle_class, key.powertrain, key.carrier], quantity, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(split.airside_electric_share, whole.airside_electric_share, rtol=1e-12)


def test_sizes_of_buses_by_hand() -> None:
    found = model_vehicles(INPUTS, PARAMS, made_up())
    stock = {name: vehicles(found, found.stock, name)[BASE] for name in members(CLASSES, "urban_bus")}
    assert stock["urban_bus_8m"] == pytest.approx(0.375 * 24_000)
    assert stock["urban_bus_12m"] == pytest.approx(0.25 * 24_000)
    assert sum(stock.values()) == pytest.approx(24_000)
    power = {name: use(found, [name], "electricity", "battery_electric")[BASE] / stock[name] for name in stock}
    assert power["urban_bus_8m"] / power["urban_bus_12m"] == pytest.approx(0.79 / 1.56, rel=1e-3)
    assert power["urban_bus_10m"] / power["urban_bus_12m"] == pytest.approx(1.27 / 1.56, rel=1e-3)


def test_ships_carry_their_share_and_use_their_ratio() -> None:
    found = model_vehicles(INPUTS, PARAMS, made_up())
    large, small = (use(found, [name], "fuel_oil")[BASE] for name in ("coastal_bulk_large", "coastal_bulk_small"))
    assert small / large == pytest.approx(0.20 / 0.35 * 1.5)
    ships = {name: vehicles(found, found.stock, name)[BASE] for name in members(CLASSES, "coastal_ship")}
    assert ships["coastal_bulk_small"] / ships["coastal_bulk_large"] == pytest.approx(0.20 / 0.35 / 0.4, rel=1e-6)
    # Tonne-km over tonne-km per ship of the whole group.
    assert sum(ships.values()) == pytest.approx(vehicles(found, found.stock, "coastal_ship")[BASE])


def test_a_row_of_the_group_holds_for_its_parts_until_a_part_has_its_own() -> None:
    moved = run(("clean_sales_share", "urban_bus", "set", 0.0))
    clean = read_clean(INPUTS)["plan"]
    for name in members(CLASSES, "urban_bus"):
        for powertrain in moved.powertrains:
            if clean.get((name, powertrain), False):
                assert vehicles(moved, moved.sales, name, powertrain)[-1] == 0, (name, powertrain)
    own = ROWS.filter(pl.col("parameter") == "clean_sales_share", pl.col("subject") == "urban_bus").head(1)
    own = own.with_columns(subject=pl.lit("urban_bus_8m"), year=pl.lit(None, pl.Int64), value=pl.lit(0.0))
    params = Params.from_frame(pl.concat([ROWS, own]))
    found = model_vehicles(INPUTS, params, made_up())
    assert vehicles(found, found.sales, "urban_bus_8m", "battery_electric")[-1] == 0
    assert vehicles(found, found.sales, "urban_bus_12m", "battery_electric")[-1] > 0


def test_an_own_row_of_a_part_is_taken_as_it_stands() -> None:
    """Without a row of its own the 12 m bus uses 1.05 x 1 / (0.375 x 0.506 + 0.375 x 0.814 + 0.25) kWh/km; a row for it is its use."""
    name, subject = "urban_bus_12m", "urban_bus_12m:battery_electric"
    rows = [
        ROWS.filter(pl.col("parameter") == parameter, pl.col("subject") == group)
        .head(1)
        .with_columns(subject=pl.lit(mine), year=pl.lit(None, pl.Int64), value=pl.lit(value))
        for parameter, group, mine, value in (
            ("electricity_use", "urban_bus:battery_electric", subject, 1.05),
            ("battery_capacity", "urban_bus:battery_electric", subject, 220.0),
            ("vehicle_stock", "urban_bus", name, 6000.0),
        )
    ]
    found = model_vehicles(INPUTS, Params.from_frame(pl.concat([ROWS, *rows[:2]])), made_up())
    before = model_vehicles(INPUTS, PARAMS, made_up())
    mean = 0.375 * 0.5064 + 0.375 * 0.8141 + 0.25
    was, now = (use(f, [name], "electricity", "battery_electric")[BASE] for f in (before, found))
    assert now / was == pytest.approx(mean, rel=1e-6)
    kwh = [f.retired.scrapped[f.retired.keys.index((name, "battery_electric")), 0, BASE] for f in (before, found)]
    assert kwh[1] / kwh[0] == pytest.approx(0.375 * 0.45 + 0.375 * 0.75 + 0.25, rel=1e-6)
    counted = model_vehicles(INPUTS, Params.from_frame(pl.concat([ROWS, rows[2]])), made_up())
    np.testing.assert_allclose(vehicles(counted, counted.stock, name), 6000.0)


def test_params_inherit_only_what_is_missing() -> None:
    params = PARAMS.inheriting({"urban_bus_8m": "urban_bus"})
    assert params.has("diesel_use", "urban_bus_8m:diesel")
    assert not PARAMS.has("diesel_use", "urban_bus_8m:diesel")
    assert params.get("diesel_use", "urban_bus_8m:diesel") is params.get("diesel_use", "urban_bus:diesel")
    assert not params.has("diesel_use", "urban_bus_10m:diesel")
    assert params.hold(2020).has("charging_loss", "urban_bus_8m")
    with pytest.raises(KeyError, match="urban_bus_10m"):
        params.get("diesel_use", "urban_bus_10m:diesel")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.filter(pl.col("subject") != "urban_bus_8m"), "exactly one member"),
        (
            lambda rows: pl.concat(
                [rows, rows.filter(pl.col("subject") == "urban_bus_8m").with_columns(subject=pl.lit("urban_bus_10m"))]
            ),
            "found none",
        ),
    ],
    ids=["two remainders", "no remainder"],
)
def test_a_group_needs_one_remainder(change: Callable[[pl.DataFrame], pl.DataFrame], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model_vehicles(INPUTS, Params.from_frame(change(ROWS)), made_up())


def test_an_unknown_group_is_named() -> None:
    with pytest.raises(ValueError, match="urban_tram"):
        members(CLASSES, "urban_tram")
    assert find_class(CLASSES, "apron_bus").group == "airside_equipment"
    assert len(YEARS) == 21


# --- balance, used vehicles, early scrappage, batteries ------------------------------------------------------------------------------------


STOCKED = tuple(spec for spec in CLASSES if spec.stock_driver != "none")


@pytest.fixture(scope="module", params=[0.0, 0.02, -0.02], ids=["no trade", "inflow", "outflow"])
def traded(request: pytest.FixtureRequest) -> VehicleOutcome:
    """Return three draws with used vehicles entering or leaving every register, and old ones scrapped early."""
    params = Params.from_frame(ROWS, draws=3, seed=5)
    levers = [(Lever("used", "used_inflow_share", "*", "add", -1, 1, 0.0), float(request.param))]
    levers += [(Lever("scrap", name, "*", "add", 0, 1, 0.0), 0.1) for name in ("early_scrap_rate", "truck_early_scrap_rate")]
    return model_vehicles(INPUTS, params.with_levers(levers), made_up(3))


@pytest.mark.parametrize("name", [spec.name for spec in STOCKED])
def test_every_class_balances(traded: VehicleOutcome, name: str) -> None:
    """stock(t) = stock(t-1) + sales + inflow - scrapped, by powertrain and draw."""
    i = traded.classes.index(name)
    change = traded.sales[i] + traded.inflow[i] - traded.scrapped[i]
    error = np.abs(np.diff(traded.stock[i], axis=-1) - change[..., 1:]).max() / max(float(traded.stock[i].max()), 1.0)
    assert traded.stock[i].max() > 0
    assert error < 1e-9
    assert min(traded.stock[i].min(), traded.sales[i].min(), traded.scrapped[i].min()) >= -1e-9 * traded.stock[i].max()


def test_used_vehicles_enter_at_the_rate_of_the_row() -> None:
    more = run(("used_inflow_share", "*", "add", 0.02))
    for name in ("private_car", "light_truck", "taxi", "urban_bus"):
        stock, inflow = vehicles(more, more.stock, name), vehicles(more, more.inflow, name)
        np.testing.assert_allclose(inflow[BASE + 1 :], 0.02 * stock[BASE:-1], rtol=1e-9)
        assert not inflow[: BASE + 1].any()


def test_early_scrappage_has_a_row_for_every_class_with_a_conventional_powertrain() -> None:
    params = PARAMS.inheriting(parents(CLASSES))
    for spec in STOCKED:
        if any(p.group == "conventional" for p in spec.pairs):
            assert params.has("early_scrap_rate", spec.name) != params.has("truck_early_scrap_rate", spec.name), spec.name


def test_early_scrappage_of_locomotives_takes_old_diesels_only() -> None:
    before, after = run(), run(("early_scrap_rate", "locomotive_freight", "add", 0.3))
    for powertrain, more in (("diesel_traction", True), ("electric_traction", False)):
        was, now = (vehicles(f, f.scrapped, "locomotive_freight", powertrain) for f in (before, after))
        assert (now[BASE + 1] > was[BASE + 1]) == more
        if not more:
            np.testing.assert_array_equal(now, was)


def test_truck_stock_follows_the_need_in_part() -> None:
    at_once = PARAMS
    for name in ("medium_truck", "heavy_rigid_truck", "tractor_trailer"):
        at_once = at_once.replace("fleet_adjustment_years", name, np.ones((1, len(YEARS))))
    need = {f: vehicles(o, o.stock, f) for o in [model_vehicles(INPUTS, at_once, made_up())] for f in ("tractor_trailer",)}
    found = model_vehicles(INPUTS, PARAMS, made_up())
    held = vehicles(found, found.stock, "tractor_trailer")
    assert held[0] == pytest.approx(need["tractor_trailer"][0])
    for t in range(1, len(YEARS)):
        assert held[t] == pytest.approx((held[t - 1] + need["tractor_trailer"][t]) / 2, rel=1e-3), YEARS[t]


def test_batteries_by_hand() -> None:
    # 100 vehicles of age 0 in the first year, all survive two years: those of age 2 get another battery with a chance of 0.4.
    spec = find_class(CLASSES, "taxi")
    stock = np.zeros((1, len(YEARS), len(spec.pairs), 6))
    k = [p.powertrain for p in spec.pairs].index("battery_electric")
    for age in range(4):
        stock[0, age, k, age] = 100.0
    flow = np.zeros((1, len(YEARS), len(spec.pairs)))
    scrapped, moved = flow.copy(), flow.copy()
    scrapped[0, 4, k], moved[0, 4, k] = 70.0, -30.0
    params = Params.from_frame(ROWS)
    for parameter, subject, value in (
        ("battery_capacity", "taxi:battery_electric", 50.0),
        ("battery_life", "taxi", 2.0),
        ("battery_replacement_share", "taxi", 0.4),
    ):
        params = params.replace(parameter, subject, np.full((1, len(YEARS)), value))
    found = retired_batteries([spec], {"taxi": StockPath(stock, flow, scrapped, moved)}, params)
    at = found.keys.index(("taxi", "battery_electric"))
    np.testing.assert_allclose(found.replaced[at, 0, :5], [0, 0, 100 * 0.4 * 50, 0, 0])
    np.testing.assert_allclose(found.scrapped[at, 0, :5], [0, 0, 0, 0, 70 * 50])
    np.testing.assert_allclose(found.left[at, 0, :5], [0, 0, 0, 0, 30 * 50])
    # Halfway between two ages each cohort is taken half and half.
    half = params.replace("battery_life", "taxi", np.full((1, len(YEARS)), 1.5))
    found = retired_batteries([spec], {"taxi": StockPath(stock, flow, scrapped, moved)}, half)
    np.testing.assert_allclose(found.replaced[at, 0, :5], [0, 1000, 1000, 0, 0])


def test_retired_batteries_are_told_by_class_and_powertrain() -> None:
    found = run(("clean_sales_share", "*", "set", 0.5))
    frame = found.retired.frame()
    assert frame.columns == ["year", "vehicle_class", "powertrain", "scrapped_kwh", "replaced_kwh", "kwh", "left_kwh"]
    assert {"urban_bus_8m", "urban_bus_12m", "tractor_trailer", "coastal_bulk_small"} <= set(frame["vehicle_class"])
    total = frame.group_by("year", maintain_order=True).agg(pl.col("kwh").sum())["kwh"].to_numpy()
    np.testing.assert_allclose(total, found.retired.total()[0], rtol=1e-12)
    np.testing.assert_allclose(frame["kwh"], frame["scrapped_kwh"] + frame["replaced_kwh"])
    assert (frame["scrapped_kwh"] >= 0).all()
    assert frame.filter(pl.col("year") == 2035, pl.col("vehicle_class") == "taxi")["replaced_kwh"].sum() > 0


# --- speed of ships, cabin heaters -----------------------------------------------------------------------------------------------------


def test_slow_steaming_by_hand() -> None:
    """At 0.8 of the speed coastal ships use 0.88 x 0.64 + 0.12 / 0.8 of the fuel, and 0.5 / 0.8 + 0.5 times the ships are needed."""
    usual = PARAMS
    for parameter, subject, value in (("new_ship_fuel_index", "coastal_ship", 1.0), ("older_vintage_penalty", "all", 0.0)):
        usual = usual.replace(
            parameter, subject, np.full((1, len(YEARS)), value)
        )  # the ships that are added are as good as the others
    slow = usual.with_levers([(Lever("speed", "ship_speed_ratio", "*", "scale", 0.5, 1.5, 1.0), {2021: 0.8})])
    before, after = model_vehicles(INPUTS, usual, made_up()), model_vehicles(INPUTS, slow, made_up())
    at = BASE + 1
    fuels = ("fuel_oil", "diesel", "lng")
    was, now = (sum(use(f, ["coastal_ship"], fuel)[at] for fuel in fuels) for f in (before, after))
    assert now / was == pytest.approx(0.88 * 0.64 + 0.12 / 0.8, rel=2e-3)
    ships = [vehicles(f, f.stock, "coastal_ship")[at] for f in (before, after)]
    assert ships[1] / ships[0] == pytest.approx(0.5 / 0.8 + 0.5)
    np.testing.assert_array_equal(use(after, ["ro_pax_ship"], "diesel"), use(before, ["ro_pax_ship"], "diesel"))


def test_winter_of_battery_buses_is_that_of_the_line_in_the_northeast() -> None:
    """Deep cold over 0 degC: 0.65 (0.60-0.70) against 0.45 kWh/km measured."""
    cold, freezing = (PARAMS.get("electric_temperature_ratio", f"bus:{knot}")[0, 0] for knot in ("cold", "freezing"))
    assert 0.60 / 0.45 < cold / freezing < 0.70 / 0.45
    assert cold / freezing == pytest.approx(0.65 / 0.45, rel=0.02)


def test_heaters_by_hand() -> None:
    """All resistive: the temperature rows hold. All heat pumps: less the saving of each knot. All burners: less electricity, diesel instead."""
    climate = read_climates(INPUTS, PARAMS)["bus"]
    kinds = {"resistive": (0.0, 0.0), "heat_pump": (0.0, 1.0), "fuel": (1.0, 0.0), "both": (1.0, 1.0)}
    power, diesel = {}, {}
    for kind, (fuel, pump) in kinds.items():
        params = PARAMS
        for parameter, value in (("fuel_heater_share", fuel), ("heat_pump_share", pump)):
            params = params.replace(parameter, "urban_bus", np.full((1, len(YEARS)), value))
        found = model_vehicles(INPUTS, params, made_up())
        power[kind] = use(found, ["urban_bus"], "electricity", "battery_electric")[BASE]
        diesel[kind] = use(found, ["urban_bus"], "diesel", "battery_electric")[BASE]
    electric, winter = climate.electric[0, BASE], climate.electric[0, BASE] - climate.electric_without_winter[0, BASE]
    saved = climate.heat_pump_saving[0, BASE]
    assert power["heat_pump"] / power["resistive"] == pytest.approx((electric - saved) / electric)
    assert power["fuel"] / power["resistive"] == pytest.approx((electric - 0.7 * winter) / electric)
    assert power["both"] == pytest.approx(power["fuel"])  # a bus has one heater
    assert power["fuel"] < power["heat_pump"] < power["resistive"]
    assert diesel["fuel"] > 0
    assert diesel["resistive"] == diesel["heat_pump"] == 0
    assert 0.15 * winter < saved < 0.40 * winter


def test_old_diesel_locomotives_by_hand() -> None:
    """Freight: 100 of age 40 and 300 of age 10; passenger: 100 of age 10. 100 of 500 are old; electric ones do not count."""
    locomotives = [find_class(CLASSES, name) for name in ("locomotive_freight", "locomotive_conventional_passenger")]
    paths = {}
    for spec, aged, young in zip(locomotives, (100.0, 0.0), (300.0, 100.0), strict=True):
        stock = np.zeros((1, len(YEARS), 2, 50))
        diesel = [p.powertrain for p in spec.pairs].index("diesel_traction")
        stock[:, :, diesel, 40], stock[:, :, diesel, 10] = aged, young
        stock[:, :, 1 - diesel, 40] = 1e4
        flow = np.zeros((1, len(YEARS), 2))
        paths[spec.name] = StockPath(stock, flow, flow, flow)
    np.testing.assert_allclose(old_diesel_share(locomotives, paths, PARAMS), 0.2)
    before, after = run(), run(("early_scrap_rate", "locomotive_freight", "add", 0.4))
    assert after.old_diesel_locomotive_share[0, -1] < before.old_diesel_locomotive_share[0, -1]
