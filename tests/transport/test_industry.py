"""Industry drivers: which product stands behind a flow, what a level of it moves, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.freight_costs import make_costs
from transport.freight_demand import COMMODITIES, build_demand
from transport.freight_model import solve_model
from transport.freight_ports import last_observed, port_boxes
from transport.industry import DriverError, Drivers, Flows, Group, group_levels, industry_table, joint_level
from transport.layout import BASE_YEAR, YEARS, year_index

if TYPE_CHECKING:
    from transport.freight import FreightOutcome
    from transport.freight_model import FreightModel
    from transport.inputs import Inputs
    from transport.params import Params

BASE, LATER = year_index(BASE_YEAR), year_index(2030)
ORE, COAL, BOXES = (COMMODITIES.index(c) for c in ("metal_ore", "coal", "containers"))
level = st.floats(0.0, 3.0, allow_nan=False)


def with_levers(inputs: Inputs, **values: float) -> Params:
    """Return the central parameters with levers on products."""
    levers = {lever.lever: lever for lever in inputs.levers}
    return inputs.params().with_levers((levers[f"industry_output_{name}"], value) for name, value in values.items())


def tonnes(params: Params, model: FreightModel) -> np.ndarray:
    """Return the tonnes of every flow, chosen rows before captive ones ``[flow, year]``."""
    costs, demand, captive = make_costs(params, model.prepared), model.prepared.demand.demand, model.prepared.captive
    parts = [
        found.t_per_year[:, None] * costs.growth[found.commodity, 0] * costs.group_level[found.group, 0]
        for found in (demand, captive)
    ]
    return np.concatenate(parts)


def groups(model: FreightModel) -> list[Group]:
    """Return the group of every flow, in the order of :func:`tonnes`."""
    demand = model.prepared.demand
    names = [Group.parse(name) for name in demand.groups]
    return [names[g] for g in (*demand.demand.group.tolist(), *model.prepared.captive.group.tolist())]


def ends(model: FreightModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return commodity and the kinds of zone at the ends of every flow (empty outside the province); of ports of choice one stands for all."""
    zones, d, fixed = model.prepared.zones, model.prepared.demand.demand, model.prepared.demand.captive
    kind = np.where(zones.in_province, zones.kind, "")
    origin, destination = (np.full(d.commodity.size, "", dtype=kind.dtype) for _ in range(2))
    origin[d.row] = kind[d.origin[d.pair]]
    destination[d.row] = kind[d.destination[d.pair]]
    return (
        np.concatenate([d.commodity, fixed["commodity"].to_numpy()]),
        np.concatenate([origin, kind[fixed["origin"].to_numpy()]]),
        np.concatenate([destination, kind[fixed["destination"].to_numpy()]]),
    )


# --- known answers ------------------------------------------------------------------------------------------------------------------


def test_a_group_survives_its_name() -> None:
    for group in (Group("internal"), Group("known", ("Z_A", "Z_B"), "coal", ""), Group("inbound", (), "", "steel")):
        assert Group.parse(group.name) == group


def test_products_stand_behind_the_ends_that_the_table_names() -> None:
    table = pl.DataFrame(
        {
            "zone_kind": ["mine", "steelworks"],
            "commodity": ["coal", "coal"],
            "role": ["production", "attraction"],
            "product": ["coal", "steel"],
        }
    )
    drivers = Drivers.read(table)
    assert drivers.behind("coal", "mine", "steelworks") == ("coal", "steel")
    assert drivers.behind("coal", "", "steelworks") == ("", "steel")
    assert drivers.behind("coal", "steelworks", "mine") == ("", "")
    assert Drivers.read(None).behind("coal", "mine", "steelworks") == ("", "")


def test_two_ends_that_fall_together_fall_once() -> None:
    half, more = np.array([0.5]), np.array([1.2])
    assert joint_level([half, half]).tolist() == [0.5]
    assert joint_level([more, more]).tolist() == [1.2]
    assert joint_level([more, half]).tolist() == [0.6]


# --- properties ---------------------------------------------------------------------------------------------------------------------


@given(level, level, level)
def test_the_joint_level_is_symmetric_rises_with_each_end_and_leaves_one_end_as_it_is(a: float, b: float, more: float) -> None:
    def joint(*levels: float) -> float:
        return float(joint_level([np.array(x) for x in levels]))

    assert joint(a, 1.0) == joint(1.0, a) == joint(a) == a
    assert joint(a, b) == joint(b, a)
    assert joint(a + more, b) >= joint(a, b)
    assert min(a, b, a * b) <= joint(a, b) <= max(a, b, a * b)


# --- the data -----------------------------------------------------------------------------------------------------------------------


def test_generators_hold_the_input_coefficients_of_the_drivers(inputs: Inputs) -> None:
    zones = inputs.table("networks/zones").filter(pl.col("in_province")).select("zone_id", zone_kind="kind")
    rows = inputs.table("demand/generators").select("zone_id", "commodity", "role", "t_per_year").join(zones, on="zone_id")
    known = inputs.table("demand/drivers").filter(pl.col("t_per_unit").is_not_null())
    made = rows.join(known, on=["zone_kind", "commodity", "role"]).join(
        inputs.table("demand/products").select("product", "output_2020", out_low="low", out_high="high"), on="product"
    )
    found = made.group_by("product", "commodity", "role").agg(
        pl.col("t_per_year").sum(),
        pl.col("low").first(),
        pl.col("high").first(),
        pl.col("out_low").first(),
        pl.col("out_high").first(),
    )
    # slag and ash go to the cement plants that are known by place; cement of plants without one takes them as general use
    whole = found.filter(
        ~(
            (pl.col("product") == "cement")
            & pl.col("commodity").is_in(["coal", "cement_building"])
            & (pl.col("role") == "attraction")
        )
    )
    assert whole.height >= 10
    assert whole.filter(pl.col("t_per_year") > pl.col("high") * pl.col("out_high")).is_empty()
    assert whole.filter(pl.col("t_per_year") < pl.col("low") * pl.col("out_low")).is_empty()


def test_every_product_drives_goods_and_every_driver_names_a_product(inputs: Inputs, fixed_model: FreightModel) -> None:
    products = set(inputs.table("demand/products")["product"].to_list())
    assert set(inputs.table("demand/drivers")["product"].to_list()) == products
    assert {p for g in groups(fixed_model) for p in (g.made, g.used) if p} == products
    assert set(inputs.params().subjects("industry_output_level")) == products


# --- what a level moves -------------------------------------------------------------------------------------------------------------


def test_at_the_paths_of_the_data_a_group_is_its_kind_and_its_places(inputs: Inputs, fixed_model: FreightModel) -> None:
    params, names = inputs.params(draws=3, seed=5), fixed_model.prepared.demand.groups
    for name, found in zip(names, group_levels(params, names), strict=True):
        kind, zones, _ = name.split("|")
        wanted = np.ones_like(found) if kind == "internal" else params.get("flow_level", kind)
        for zone in filter(None, zones.split("+")):
            wanted = wanted * params.get("zone_activity", zone)
        np.testing.assert_array_equal(found, wanted)


def test_a_lever_at_its_default_changes_no_bit(inputs: Inputs, fixed_model: FreightModel) -> None:
    names = inputs.params().subjects("industry_output_level")
    moved = with_levers(inputs, **dict.fromkeys(names, 1.0))
    np.testing.assert_array_equal(tonnes(moved, fixed_model), tonnes(inputs.params(), fixed_model))


def test_half_the_crude_steel_is_half_the_ore_of_the_steelworks(inputs: Inputs, fixed_model: FreightModel) -> None:
    before, after = tonnes(inputs.params(), fixed_model), tonnes(with_levers(inputs, steel=0.5), fixed_model)
    commodity, origin, destination = ends(fixed_model)
    ore = (commodity == ORE) & (destination == "steelworks")
    assert before[ore, LATER].sum() > 8e7
    np.testing.assert_array_equal(after[ore, BASE + 1 :], 0.5 * before[ore, BASE + 1 :])
    steel = (commodity == COMMODITIES.index("steel")) & (origin == "steelworks")
    np.testing.assert_array_equal(after[steel, BASE + 1 :], 0.5 * before[steel, BASE + 1 :])
    np.testing.assert_array_equal(after[:, : BASE + 1], before[:, : BASE + 1])
    other = np.array(["steel" not in (g.made, g.used) for g in groups(fixed_model)])
    np.testing.assert_array_equal(after[other], before[other])
    elsewhere = (commodity == ORE) & (destination != "steelworks") & (destination != "")
    np.testing.assert_array_equal(after[elsewhere], before[elsewhere])


def test_coal_of_a_works_falls_once_when_mines_and_steel_fall_together(inputs: Inputs, fixed_model: FreightModel) -> None:
    before = tonnes(inputs.params(), fixed_model)
    found = groups(fixed_model)
    both = np.array([g.made == "coal" and g.used == "steel" for g in found])
    pits = np.array([g.made == "coal" and not g.used for g in found])
    for steel, coal, wanted in ((0.5, 1.0, 0.5), (1.0, 0.5, 0.5), (0.5, 0.5, 0.5), (1.2, 0.5, 0.6)):
        after = tonnes(with_levers(inputs, steel=steel, coal=coal), fixed_model)
        np.testing.assert_allclose(after[both, LATER], wanted * before[both, LATER], rtol=1e-15)
        np.testing.assert_array_equal(after[pits, LATER], coal * before[pits, LATER])
    assert both.any()
    assert pits.any()


def test_a_lever_by_year_follows_its_years(inputs: Inputs, fixed_model: FreightModel) -> None:
    lever = next(found for found in inputs.levers if found.lever == "industry_output_cement")
    after = tonnes(inputs.params().with_levers([(lever, {2025: 1.0, 2027: 0.5})]), fixed_model)
    before = tonnes(inputs.params(), fixed_model)
    cement = np.array([g.made == "cement" and not g.used for g in groups(fixed_model)])
    for year, wanted in ((2025, 1.0), (2026, 0.75), (2027, 0.5), (2035, 0.5)):
        at = year_index(year)
        np.testing.assert_allclose(after[cement, at], wanted * before[cement, at], rtol=1e-14)


def test_closing_one_refinery_takes_its_flows_and_no_others(inputs: Inputs, fixed_model: FreightModel) -> None:
    closed = inputs.parameters.filter(pl.col("parameter") == "zone_activity").head(1)
    rows = [
        closed.with_columns(
            subject=pl.lit("Z_RF_HENGLI"),
            year=pl.lit(year, dtype=closed.schema["year"]),
            value=pl.lit(value),
            low=None,
            high=None,
        )
        for year, value in ((2026, 1.0), (2027, 0.0))
    ]
    frame = pl.concat([inputs.parameters, *(row.cast(dict(closed.schema)) for row in rows)])
    params = replace(inputs, parameters=frame).params()
    ready = fixed_model.prepared
    road = ready.states[ready.state_of_year[BASE]].inputs.road
    distance = np.where(np.isfinite(road.cost), road.components["km"], np.inf)
    np.fill_diagonal(distance, ready.zones.intrazonal_km)
    tables = {
        name: inputs.table(f"demand/{name}") for name in ("generators", "flows", "population", "land_weights", "drivers", "od")
    }
    demand = build_demand(tables, params, ready.zones, distance)
    np.testing.assert_array_equal(demand.demand.t_per_year, ready.demand.demand.t_per_year)
    levels = group_levels(params, demand.groups)[:, 0]
    plain = group_levels(inputs.params(), ready.demand.groups)[:, 0]
    mine = np.array(["Z_RF_HENGLI" in Group.parse(name).zones for name in demand.groups])
    assert mine.any()
    assert not levels[mine][:, year_index(2027) :].any()
    own, old = demand.demand.group, ready.demand.demand.group
    others = ~mine[own]
    np.testing.assert_array_equal(levels[own][others], plain[old][others])
    np.testing.assert_array_equal(levels[own][:, : year_index(2027)], plain[old][:, : year_index(2027)])
    at = ready.zones.position["Z_RF_HENGLI"]
    d = demand.demand
    touched = np.zeros(own.size, dtype=np.bool_)
    np.logical_or.at(touched, d.row, (d.origin[d.pair] == at) | (d.destination[d.pair] == at))
    np.testing.assert_array_equal(touched, mine[own])


def test_less_steel_and_more_boxes_leave_the_base_year(
    inputs: Inputs, fixed_model: FreightModel, fixed_freight: FreightOutcome
) -> None:
    params = with_levers(inputs, steel=0.5, containers=1.3)
    model = solve_model(inputs, params, prepared=fixed_model.prepared, capacity="fixed", detail=(BASE_YEAR,))
    np.testing.assert_array_equal(model.speed.fitted.constants, fixed_model.speed.fitted.constants)
    new, old = (found.speed.solution.totals for found in (model, fixed_model))
    np.testing.assert_array_equal(new[..., : BASE + 1], old[..., : BASE + 1])
    assert (new[ORE, 0, 0, BASE + 1 :] < 0.75 * old[ORE, 0, 0, BASE + 1 :]).all()
    np.testing.assert_array_equal(new[COMMODITIES.index("grain")], old[COMMODITIES.index("grain")])
    # boxes over the quays follow the boxed goods, port by port
    last = last_observed(inputs.parameters)
    after, before = (port_boxes(p, fixed_model.prepared, totals, last) for p, totals in ((params, new), (inputs.params(), old)))
    np.testing.assert_allclose(after.throughput[..., BASE + 1 :], 1.3 * before.throughput[..., BASE + 1 :], rtol=1e-12)
    assert fixed_freight.tables["industry"].height == len(YEARS) * inputs.table("demand/products").height


# --- the table ----------------------------------------------------------------------------------------------------------------------


def test_the_table_shows_outputs_beside_the_goods_that_they_drive(
    inputs: Inputs, fixed_model: FreightModel, fixed_freight: FreightOutcome
) -> None:
    table = fixed_freight.tables["industry"]
    row = table.row(by_predicate=(pl.col("product") == "steel") & (pl.col("year") == 2019), named=True)
    assert row["observed"] == 73_610_000
    assert row["output"] == pytest.approx(row["observed"], rel=0.01)
    moved, found = tonnes(inputs.params(), fixed_model), groups(fixed_model)
    for product, part in table.group_by("product"):
        mine = np.array([product[0] in (g.made, g.used) for g in found])
        np.testing.assert_allclose(part.sort("year")["freight_t"].to_numpy(), moved[mine].sum(axis=0), rtol=1e-12)
    assert table.filter(pl.col("year") == BASE_YEAR)["freight_index"].to_list() == [1.0] * 9
    assert table["short_t"].abs().sum() == 0.0


def test_what_users_of_coal_are_short_of_is_told(inputs: Inputs) -> None:
    names = ["internal||coal>steel", "internal||coal>", "internal||>steel"]
    growth = np.ones((3, len(YEARS)))
    flows = Flows(np.array([10.0, 20.0, 40.0]), np.arange(3), growth)
    tables = inputs.table("demand/products"), inputs.table("demand/outputs")
    params = with_levers(inputs, coal=0.25)
    row = (
        industry_table(*tables, params, names, flows)
        .filter(pl.col("product") == "coal", pl.col("year") == 2030)
        .row(0, named=True)
    )
    assert row["freight_t"] == 0.25 * 30.0
    assert row["short_t"] == 0.75 * 10.0
    assert row["freight_index"] == 1.0
    assert row["level"] == 0.25
    none = with_levers(inputs, coal=0.0)
    assert (
        industry_table(*tables, none, names, flows).filter(pl.col("product") == "coal", pl.col("year") == 2030)["short_t"][0]
        == 10.0
    )


# --- bad input ----------------------------------------------------------------------------------------------------------------------


def test_two_products_behind_one_end_are_refused(inputs: Inputs) -> None:
    table = inputs.table("demand/drivers")
    doubled = pl.concat([table, table.filter(pl.col("zone_kind") == "power_plant").with_columns(product=pl.lit("steel"))])
    with pytest.raises(DriverError, match=r"power_plant, coal, attraction stands twice \(thermal_power and steel\)"):
        Drivers.read(doubled)


def test_a_product_without_a_row_is_named(inputs: Inputs) -> None:
    flows = Flows(np.ones(1), np.zeros(1, dtype=np.int64), np.ones((1, len(YEARS))))
    products = inputs.table("demand/products").filter(pl.col("product") != "steel")
    with pytest.raises(DriverError, match="no row for steel"):
        industry_table(products, inputs.table("demand/outputs"), inputs.params(), ["internal||>steel"], flows)
