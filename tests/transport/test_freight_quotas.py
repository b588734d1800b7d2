"""Collection quotas of the bundled ports, and what the levers of a run cost."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from networks.cost import COMPONENT
from networks.measure import MARK
from networks.solve import solve_freight
from transport.freight_costs import BULK, make_costs, unit_costs
from transport.freight_demand import COMMODITIES
from transport.freight_explain import TERMS, explain
from transport.freight_lever_costs import NO_COST, SCHEMA, lever_cost_frame
from transport.freight_model import Speed
from transport.freight_quotas import Quotas, charged, quota_frame
from transport.layout import year_index

if TYPE_CHECKING:
    from collections.abc import Callable

    from transport.freight_model import FreightModel
    from transport.inputs import Inputs
    from transport.params import LeverValue, Params

YEAR = 2030
AT = year_index(YEAR)
BAYUQUAN = "Z_PT_BAYUQUAN"


@pytest.fixture(scope="module")
def solve(inputs: Inputs, fixed_model: FreightModel) -> Callable[..., tuple[Params, FreightModel]]:
    """Return a function: lever values -> parameters and model at the fixed speed, with the constants of the base year."""
    levers = {lever.lever: lever for lever in inputs.levers}
    prepared, fitted = fixed_model.prepared, fixed_model.fixed.fitted
    central = inputs.params()

    @functools.cache
    def made(settings: tuple[tuple[str, LeverValue], ...]) -> tuple[Params, FreightModel]:
        values = [(levers[name], dict(value) if isinstance(value, tuple) else value) for name, value in settings]
        params = central.with_levers(values)
        costs = make_costs(params, prepared)
        quotas = Quotas.read(params, prepared, costs)
        adapt, charge = charged(quotas, prepared, costs, fixed_model.fixed.adapt, fitted.constants)
        states = [s.rows for s in prepared.states]
        solution = solve_freight(
            prepared.demand.demand, states, prepared.state_of_year, costs, fitted.constants, detail=(AT,), adapt=adapt
        )
        speed = Speed(fitted, solution, adapt, charge)
        return params, replace(fixed_model, costs=costs, speed=speed, fixed=speed, quotas=quotas)

    def run(**settings: LeverValue) -> tuple[Params, FreightModel]:
        return made(tuple((k, tuple(sorted(v.items())) if isinstance(v, dict) else v) for k, v in sorted(settings.items())))

    return run


# --- quotas -------------------------------------------------------------------------------------------------------------------------


def test_a_run_without_quotas_has_an_empty_table(fixed_model: FreightModel) -> None:
    assert fixed_model.quotas is None
    assert quota_frame(fixed_model).is_empty()


def test_quotas_bind_where_the_share_is_short_and_nowhere_else(solve: Callable[..., tuple[Params, FreightModel]]) -> None:
    _, model = solve(port_clean_quota={2025: 0.3, 2030: 0.5})
    table = quota_frame(model)
    late = table.filter(pl.col("year") == YEAR)
    assert late.height == 11
    bound = late.filter(pl.col("charge_cny_per_t") > 0)
    free = late.filter(pl.col("charge_cny_per_t") == 0)
    assert bound.height > 1
    assert free.height > 3
    np.testing.assert_allclose(bound["share_with"], 0.5, atol=1e-6)
    assert (free["share_with"] >= 0.5).all()
    # trucks that a charge drives to another port can make the quota bind there as well, so only some were short before
    assert (bound["share_without"] < 0.5).any()
    assert late["unmet_t"].sum() == 0
    # by its path the quota is 0.06 in 2021, which every port meets by itself
    early = table.filter(pl.col("year") == 2021)
    assert early.height == 11
    assert early["charge_cny_per_t"].max() == 0


def test_the_flows_of_the_run_are_those_under_the_charge(solve: Callable[..., tuple[Params, FreightModel]]) -> None:
    """The share in the table is the one of the run's own flows, belts and clean trucks counted."""
    params, model = solve(port_clean_quota_bayuquan=0.8)
    row = quota_frame(model).filter(pl.col("year") == YEAR).row(0, named=True)
    assert row["port"] == BAYUQUAN
    rows = model.prepared.states[model.prepared.state_of_year[AT]].rows
    zone, flow = model.prepared.zones.position[BAYUQUAN], model.speed.solution.flows[AT]
    bulk = np.zeros(flow.size, dtype=bool)
    for name in BULK:
        bulk[slice(*rows.slices[COMMODITIES.index(name)])] = True
    truck = flow[rows.trucked == zone].sum()
    train = flow[(rows.railed == zone) & bulk].sum()
    assert model.quotas is not None
    belts = model.quotas.belt_t[zone, AT]
    clean = params.get("clean_truck_share_at_ports")[0, AT]
    assert (train + belts + clean * truck) / (train + belts + truck) == pytest.approx(0.8, abs=1e-6)
    assert row["trucked_t"] == pytest.approx(truck)
    assert row["collected_t"] == pytest.approx(train + belts + truck)


def test_a_quota_on_one_port_charges_no_other(solve: Callable[..., tuple[Params, FreightModel]]) -> None:
    _, one = solve(port_clean_quota_bayuquan=0.8)
    table = quota_frame(one)
    assert set(table["port"]) == {BAYUQUAN}
    charge = one.speed.charge(AT)
    assert charge is not None
    assert np.flatnonzero(charge).tolist() == [one.prepared.zones.position[BAYUQUAN]]


def test_a_stricter_quota_costs_more(solve: Callable[..., tuple[Params, FreightModel]]) -> None:
    charges = []
    for asked in (0.6, 0.7, 0.8):
        _, model = solve(port_clean_quota_bayuquan=asked)
        charges.append(quota_frame(model).filter(pl.col("year") == YEAR)["charge_cny_per_t"][0])
    assert charges == sorted(charges)
    assert charges[0] > 0


def test_a_quota_out_of_reach_reports_what_is_missing(inputs: Inputs, solve: Callable[..., tuple[Params, FreightModel]]) -> None:
    """At the ceiling the shortfall is what the share lacks, in tonnes, and the table says what keeps it."""
    params, model = solve(port_clean_quota_zhuanghe=1.0)
    row = quota_frame(model).filter(pl.col("year") == YEAR).row(0, named=True)
    assert row["charge_cny_per_t"] == params.get("port_quota_charge_ceiling")[0, AT]
    assert row["share_without"] < row["share_with"] < 1.0
    assert row["unmet_t"] == pytest.approx((1.0 - row["share_with"]) * row["collected_t"])
    assert row["binds"] in {"access", "capacity", "cost"}
    assert 0 <= row["no_access_t"] <= row["trucked_t"]


def test_the_charge_of_a_quota_does_what_the_same_charge_does(solve: Callable[..., tuple[Params, FreightModel]]) -> None:
    """A quota on all ports and the charge it takes at one of them: where the charges agree, so do the rows of that port's trucks."""
    _, model = solve(port_clean_quota_bayuquan=0.8)
    charge = model.speed.charge(AT)
    assert charge is not None
    rows = model.prepared.states[model.prepared.state_of_year[AT]].rows
    more = model.speed.adapt(rows, AT).price - model.conditions(AT).charge[rows.trucked] * (rows.trucked >= 0)  # type: ignore[index]
    _, plain = solve(port_truck_charge=0.0)
    np.testing.assert_allclose(more, plain.speed.adapt(rows, AT).price, atol=1e-9)


def test_explain_shows_the_charge_with_the_scarcity_prices(
    inputs: Inputs, solve: Callable[..., tuple[Params, FreightModel]]
) -> None:
    """A tonne of coal from the port to Shenyang pays the charge on the road and not on the train; the terms still sum to the cost."""
    params, model = solve(port_clean_quota_bayuquan=0.8)
    charge = model.speed.charge(AT)
    assert charge is not None
    found = explain(inputs, params, model, BAYUQUAN, "Z_SY", "coal", YEAR).chains
    without = solve(port_truck_charge=0.0)
    plain = explain(inputs, *without, BAYUQUAN, "Z_SY", "coal", YEAR).chains
    for name, more in (("road", charge.max()), ("rail_siding_truck", 0.0)):
        now, before = (table.filter(pl.col("alternative") == name)["scarcity"][0] for table in (found, plain))
        assert now - before == pytest.approx(more)
    np.testing.assert_allclose(sum(found[name].to_numpy() for name in TERMS), found["cost_cny_per_t"])


def test_explain_shows_what_hangs_on_whole_hauls(inputs: Inputs, solve: Callable[..., tuple[Params, FreightModel]]) -> None:
    """A long coal haul by road pays half of the penalty of the bulk rule."""
    params, model = solve(bulk_long_haul_rule=0.5)
    found = explain(inputs, params, model, "Z_GW_SHG", "Z_DD", "coal", YEAR).chains
    road = found.filter(pl.col("alternative") == "road")
    assert found.filter(pl.col("alternative").str.starts_with("r"))["km_road"].max() > 500  # type: ignore[operator]
    assert road["rules"][0] == pytest.approx(30.0)
    np.testing.assert_allclose(sum(found[name].to_numpy() for name in TERMS), found["cost_cny_per_t"])


# --- what levers cost ---------------------------------------------------------------------------------------------------------------


def costs_of(inputs: Inputs, run: tuple[Params, FreightModel]) -> pl.DataFrame:
    params, model = run
    return lever_cost_frame(inputs, params, model, quota_frame(model))


def test_a_run_without_levers_costs_nothing(inputs: Inputs, fixed_model: FreightModel) -> None:
    found = lever_cost_frame(inputs, inputs.params(), fixed_model, quota_frame(fixed_model))
    assert found.is_empty()
    assert found.schema == pl.Schema(SCHEMA)


def test_a_subsidy_is_paid_per_box_on_trains_at_ports(inputs: Inputs, solve: Callable[..., tuple[Params, FreightModel]]) -> None:
    run = solve(container_rail_subsidy=300.0)
    row = costs_of(inputs, run).row(0, named=True)
    params, model = run
    rows, flow = model.prepared.states[model.prepared.state_of_year[AT]].rows, model.speed.solution.flows[AT]
    boxes = slice(*rows.slices[COMMODITIES.index("containers")])
    tonnes = flow[boxes] @ rows.components[boxes, COMPONENT["port_train_box"]]
    teu = tonnes / params.get("container_load")[0, AT]
    assert (row["lever"], row["year"], row["payer"], row["basis"]) == ("container_rail_subsidy", YEAR, "government", "price")
    assert row["amount"] == pytest.approx(300.0 * teu)


def test_who_loses_what_shippers_save(inputs: Inputs, solve: Callable[..., tuple[Params, FreightModel]]) -> None:
    """A rail discount costs the railway what it no longer earns on the tonnes it carries; a toll costs shippers."""
    run = solve(rail_tariff=0.8)
    row = costs_of(inputs, run).row(0, named=True)
    _, model = run
    rows, flow = (
        model.speed.adapt(model.prepared.states[model.prepared.state_of_year[AT]].rows, AT),
        model.speed.solution.flows[AT],
    )
    with_it, without = (unit_costs(p)[:, 0, AT] for p in (run[0], inputs.params()))
    spared = sum(float((flow[a:b] @ rows.components[a:b]) @ (without[c] - with_it[c])) for c, (a, b) in enumerate(rows.slices))
    assert row["payer"] == "carrier"
    assert row["amount"] == pytest.approx(spared)
    assert row["amount"] > 0
    toll = costs_of(inputs, solve(road_toll=1.2)).row(0, named=True)
    assert (toll["payer"], toll["amount"] > 0) == ("transfer", True)


def test_short_hauls_are_charged_by_their_marks(inputs: Inputs, solve: Callable[..., tuple[Params, FreightModel]]) -> None:
    run = solve(rail_short_haul=0.5)
    row = costs_of(inputs, run).row(0, named=True)
    _, model = run
    rows, flow = model.prepared.states[model.prepared.state_of_year[AT]].rows, model.speed.solution.flows[AT]
    assert model.costs.marks is not None
    spared = -sum(
        float(
            (flow[a:b] @ rows.marks[a:b, : MARK["rail_short_km"] + 1]) @ model.costs.marks[c, 0, AT, : MARK["rail_short_km"] + 1]
        )
        for c, (a, b) in enumerate(rows.slices)
    )
    assert row["amount"] == pytest.approx(spared)
    assert row["amount"] > 0


def test_departures_and_quotas_have_their_own_rules(inputs: Inputs, solve: Callable[..., tuple[Params, FreightModel]]) -> None:
    """Ten trains a day each way at 20,000 yuan are 146 million a year; a quota costs its charge on what still comes by truck."""
    trains = costs_of(inputs, solve(window_trains_bayuquan=10.0)).row(0, named=True)
    assert trains["amount"] == pytest.approx(10 * 2 * 365 * 20000)
    assert trains["basis"] == "departures"
    run = solve(port_clean_quota_bayuquan=0.8)
    quota = costs_of(inputs, run).row(0, named=True)
    table = quota_frame(run[1]).filter(pl.col("year") == YEAR).row(0, named=True)
    assert quota["lever"] == "port_clean_quota_bayuquan"
    assert quota["amount"] == pytest.approx(table["charge_cny_per_t"] * table["trucked_t"])


def test_a_lever_on_all_ports_is_one_row(inputs: Inputs, solve: Callable[..., tuple[Params, FreightModel]]) -> None:
    found = costs_of(inputs, solve(window_trains=1.0))
    assert found["lever"].to_list() == ["window_trains"]
    assert found["amount"][0] == pytest.approx(5 * 2 * 365 * 20000)


def test_levers_without_a_cost_row_say_so(inputs: Inputs, solve: Callable[..., tuple[Params, FreightModel]]) -> None:
    found = costs_of(inputs, solve(new_siding_share=0.5, rail_ferry_capacity=0.8))
    assert dict(found.select("lever", "basis").iter_rows()) == {"new_siding_share": "measures", "rail_ferry_capacity": NO_COST}
    assert found["amount"].null_count() == found.height


def test_every_freight_lever_has_an_effect_and_a_payer_where_it_has_a_cost(inputs: Inputs) -> None:
    effects = inputs.table("lever_effects")
    missing = {lever.parameter for lever in inputs.levers} - set(effects["parameter"])
    assert missing == set()
    for row in effects.iter_rows(named=True):
        assert bool(row["cost_rule"]) == bool(row["payer"]), row
        assert row["domain"] == "freight" or not row["cost_rule"], row
        # planned lines cost what the register says
        told = row["cost_rule"] in {"departures", "time", "works"} and row["parameter"] != "planned_links_open"
        assert told == bool(row["cost_parameter"]), row
