"""Freight without some of its measures: what stays the same, what a step is worth, money by an independent route."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from networks.measure import MEASURE
from networks.solve import row_costs
from transport.freight_costs import make_costs
from transport.freight_model import solve_model
from transport.freight_outlay import STATES, freight_states, outlay_prices
from transport.layout import BASE_YEAR, YEARS, year_index
from transport.measure_costs import freight_costs

if TYPE_CHECKING:
    from transport.freight_model import BaseModel, FreightModel
    from transport.freight_outlay import FreightState
    from transport.inputs import Inputs
    from transport.params import Params

BASE, AT_2030 = year_index(BASE_YEAR), year_index(2030)


def with_levers(inputs: Inputs, **values: float) -> Params:
    levers = {lever.lever: lever for lever in inputs.levers}
    return inputs.params().with_levers((levers[name], value) for name, value in values.items())


@pytest.fixture(scope="module")
def states(inputs: Inputs, fixed_model: FreightModel) -> dict[str, FreightState]:
    return freight_states(inputs.params(), fixed_model)


@pytest.fixture(scope="module")
def moved_model(inputs: Inputs, base_model: BaseModel) -> FreightModel:
    params = with_levers(inputs, new_siding_share=0.6, pipeline_connections=0.5, rail_tariff=0.8)
    return solve_model(inputs, params, capacity="fixed", detail=(2030,), base=base_model)


@pytest.fixture(scope="module")
def moved_states(inputs: Inputs, moved_model: FreightModel) -> dict[str, FreightState]:
    params = with_levers(inputs, new_siding_share=0.6, pipeline_connections=0.5, rail_tariff=0.8)
    return freight_states(params, moved_model)


def territory(state: FreightState, mode: str, year: int = AT_2030) -> float:
    return float(state.totals[:, MEASURE[f"territory_km_{mode}"], 0, year].sum())


def test_the_first_state_is_the_run(states: dict[str, FreightState], fixed_model: FreightModel) -> None:
    assert tuple(states) == STATES
    np.testing.assert_allclose(states["run"].totals, fixed_model.speed.solution.totals[:, :, :1], rtol=1e-12)


def test_without_levers_sidings_and_connections_change_nothing_and_the_base_year_is_the_same_in_all(
    states: dict[str, FreightState],
) -> None:
    assert states["without_connections"] is states["run"]
    assert states["without_sidings"] is states["run"]
    for name in STATES:
        np.testing.assert_allclose(states[name].totals[..., BASE], states["run"].totals[..., BASE], rtol=1e-12)
        np.testing.assert_allclose(states[name].outlay[:, BASE], states["run"].outlay[:, BASE], rtol=1e-12)
        assert np.all(states[name].outlay[:, :BASE] == 0.0)


def test_shares_of_the_base_year_do_not_depend_on_levers(
    states: dict[str, FreightState], moved_states: dict[str, FreightState]
) -> None:
    np.testing.assert_allclose(moved_states["base_shares"].totals, states["base_shares"].totals, rtol=1e-9)


def test_each_step_pushes_the_right_way(moved_states: dict[str, FreightState]) -> None:
    run, unpiped, unsided, base = (moved_states[name] for name in STATES)
    assert territory(unpiped, "pipeline") < territory(run, "pipeline")
    assert territory(unsided, "road") > territory(unpiped, "road")
    assert territory(unsided, "rail") < territory(unpiped, "rail")
    assert territory(base, "rail") < territory(unsided, "rail")  # a cheaper railway has drawn goods since 2020


def test_outlay_is_the_generalised_cost_less_time(inputs: Inputs, fixed_model: FreightModel) -> None:
    """Money by extrapolation: cost is linear in the value of time, so twice the cost less that at twice the value of time is money alone."""
    params = inputs.params().replace("consumer_price_index", "all", np.ones((1, len(YEARS))))
    twice = params
    for commodity in params.subjects("value_of_time_cargo"):
        twice = twice.replace("value_of_time_cargo", commodity, 2.0 * params.get("value_of_time_cargo", commodity))
    prepared = fixed_model.prepared
    rows = fixed_model.speed.adapt(prepared.states[prepared.state_of_year[AT_2030]].rows, AT_2030)
    once, more = (row_costs(rows, make_costs(p, prepared), slice(0, 1), AT_2030)[0] for p in (params, twice))
    flow = fixed_model.speed.solution.flows[AT_2030]
    expected = float(flow @ (2.0 * once - more - rows.price))
    found = freight_states(params, fixed_model)["run"].outlay[:, AT_2030]
    assert found.sum() == pytest.approx(expected, rel=1e-9)
    assert np.all(found > 0)


def test_fuel_of_outlay_is_in_yuan_of_2023_and_outlay_holds_no_time(inputs: Inputs, fixed_model: FreightModel) -> None:
    params = inputs.params()
    paid = outlay_prices(params, fixed_model.prepared)
    index = params.get("consumer_price_index")
    np.testing.assert_allclose(paid.get("road_freight_fuel_price"), params.get("road_freight_fuel_price") / index)
    assert all(np.all(paid.get("value_of_time_cargo", c) == 0.0) for c in params.subjects("value_of_time_cargo"))


def test_sidings_by_hand() -> None:
    """Ten places without a siding, half of them joined by 4 km at 50 million CNY/km: 10^9 CNY, 85.8 million a year over 35 years at 8 %.

    Trucks cost 300 million less, trains 100 million more.
    """
    rows: dict[tuple[str, str], Any] = {
        ("new_siding_share", "all"): np.where(np.asarray(YEARS) > BASE_YEAR, 0.5, 0.0)[None],
        ("siding_length", "all"): 4.0,
        ("siding_cost", "all"): 50e6,
        ("discount_rate", "social"): 0.08,
        ("infrastructure_life", "siding"): 35.0,
        ("infrastructure_life", "pipe_connection"): 25.0,
        ("new_pipeline_connection_share", "all"): 0.0,
        ("pipe_connection_length", "all"): 10.0,
        ("pipe_connection_cost", "all"): 1e6,
        ("works_upkeep_share", "pipe_connection"): 0.02,
    }
    params = SimpleNamespace(
        get=lambda p, s="all": np.broadcast_to(rows[p, s], (1, len(YEARS))), has=lambda p, s="all": (p, s) in rows
    )
    outlay = {name: np.zeros((4, len(YEARS))) for name in STATES}
    outlay["without_sidings"][0], outlay["without_sidings"][1] = 300e6, -100e6
    outlay["base_shares"][0], outlay["base_shares"][1] = 300e6, -100e6
    freight = SimpleNamespace(state_outlay=outlay, open_ends={"siding": 10.0, "pipe_connection": 3.0})
    zero = np.zeros((1, len(YEARS)))
    co2 = {name: dict.fromkeys(("road", "rail", "water", "pipeline"), zero) for name in STATES}
    co2["without_sidings"] = {**co2["run"], "road": zero + 20e3}
    co2["base_shares"] = co2["without_sidings"]
    found = freight_costs(params, freight, co2)  # type: ignore[arg-type]
    rail, road = found["new_sidings", "rail"], found["new_sidings", "road"]
    assert rail.infrastructure[0, AT_2030] == pytest.approx(85.8033e6, rel=1e-5)
    assert rail.infrastructure[0, BASE] == rail.maintenance[0, AT_2030] == 0.0
    assert (road.service[0, AT_2030], rail.service[0, AT_2030]) == (-300e6, 100e6)
    assert road.co2_t[0, AT_2030] == -20e3
    assert all(np.all(cost.total() == 0.0) for (measure, _), cost in found.items() if measure != "new_sidings")
