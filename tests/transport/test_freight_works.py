"""What speed, capacity and planned lines cost: numbers by hand, nothing for what is taken away, and the outlays of trains for boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from networks.cost import COMPONENT, COMPONENTS
from networks.measure import MARK, MARKS
from transport.freight_demand import COMMODITIES
from transport.freight_lever_costs import NO_COST, lever_cost_frame
from transport.freight_ports import last_observed, port_boxes
from transport.freight_quotas import quota_frame
from transport.freight_works import planned_amounts, saved_tonne_hours, time_amount, works_amounts
from transport.layout import year_index
from transport.sea_rail_needs import _service_cost
from transport.sea_rail_response import SERVICE, BoxYear

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.freight_model import FreightModel
    from transport.inputs import Inputs
    from transport.params import Params

YEAR = 2030
AT = year_index(YEAR)
#: Annuities at 8 %: 50, 40, 30, 20 years.
A50, A40, A30, A20 = 0.0817429, 0.0838602, 0.0888274, 0.1018522


@pytest.fixture(scope="module")
def params(inputs: Inputs) -> Params:
    return inputs.params()


def moved(inputs: Inputs, **settings: float) -> Params:
    levers = {lever.lever: lever for lever in inputs.levers}
    return inputs.params().with_levers([(levers[name], value) for name, value in settings.items()])


def row(params: Params, parameter: str, subject: str = "all") -> float:
    return float(params.get(parameter, subject)[0, AT])


def volumes(**tonnes: float) -> tuple[np.ndarray, np.ndarray]:
    """Return volumes by component and mark of which all goods hold an equal part."""
    component, mark = np.zeros((len(COMMODITIES), len(COMPONENTS))), np.zeros((len(COMMODITIES), len(MARKS)))
    for name, amount in tonnes.items():
        if name in MARK:
            mark[:, MARK[name]] = amount / len(COMMODITIES)
        else:
            component[:, COMPONENT[name]] = amount / len(COMMODITIES)
    return component, mark


# --- times --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lever", "value", "key", "where", "saved"),
    [
        ("rail_terminal_dwell", 0.5, ("rail_terminal_dwell", "all"), "rail_load", 0.5),
        ("sea_dwell", 0.8, ("sea_dwell", "all"), "sea_load", 0.2),
        ("roro_dwell", 0.8, ("roro_dwell", "all"), "roro_load", 0.2),
        ("truck_loading_time", 0.7, ("road_loading_time", "all"), "road_load", 0.3),
    ],
)
def test_hours_saved_by_hand(
    inputs: Inputs, params: Params, lever: str, value: float, key: tuple[str, str], where: str, saved: float
) -> None:
    now = moved(inputs, **{lever: value})
    hours = saved * row(params, *key) * 1e6
    assert hours > 1e5
    component, mark = volumes(**{where: 1e6})
    assert saved_tonne_hours(now, params, key, component, mark, AT) == pytest.approx(hours)
    assert time_amount(now, params, key, component, mark, AT) == pytest.approx(hours * row(params, "time_saving_cost", key[0]))


def test_hours_of_trains_and_of_the_train_ferry(inputs: Inputs, params: Params) -> None:
    """The hours of a train are those at line speed times a factor; the ferry's hours belong to the tonnes that cross."""
    faster = moved(inputs, rail_time=0.75)
    component, mark = volumes(rail_h=4e6, rail_ferry=2e5)
    key = ("rail_speed_factor", "all")
    assert saved_tonne_hours(faster, params, key, component, mark, AT) == pytest.approx(
        0.25 * row(params, "rail_time_factor") * 4e6
    )
    ferry = moved(inputs, rail_ferry_dwell=-6.0)
    hours = saved_tonne_hours(ferry, params, ("rail_ferry_dwell_change", "all"), component, mark, AT)
    assert hours == pytest.approx(6.0 * 2e5)


def test_longer_hours_save_nothing_and_other_levers_have_none(inputs: Inputs, params: Params) -> None:
    component, mark = volumes(rail_load=1e6)
    slower = moved(inputs, rail_terminal_dwell=1.5)
    assert time_amount(slower, params, ("rail_terminal_dwell", "all"), component, mark, AT) == 0.0
    assert time_amount(slower, params, ("road_toll_per_km", "all"), component, mark, AT) is None


# --- works --------------------------------------------------------------------------------------------------------------------------


def test_lines_by_hand(inputs: Inputs, params: Params) -> None:
    links = inputs.table("networks/links").filter(
        pl.col("mode") == "rail", pl.col("open_year").fill_null(0) <= YEAR, pl.col("close_year").fill_null(9999) > YEAR
    )
    km = float((links["length_km"] * links["in_province_share"]).sum())
    assert 4000.0 < km < 9000.0
    now = moved(inputs, rail_train_pairs=1.1)
    found = works_amounts(inputs, now, params, ("rail_train_pairs_factor", "all"))
    assert found is not None
    kept = A50 + row(params, "works_upkeep_share", "rail_line")
    assert found[AT] == pytest.approx(0.1 * km * row(params, "capacity_cost_per_km", "rail") * kept, rel=1e-5)
    less = works_amounts(inputs, moved(inputs, rail_train_pairs=0.9), params, ("rail_train_pairs_factor", "all"))
    assert less is not None
    assert not less.any()


@pytest.mark.parametrize(
    ("lever", "subject", "link_class", "life", "annuity"),
    [("berth_capacity", "berth", "berth", "berth", A40), ("yard_capacity", "yard", "drayage", "freight_yard", A30)],
)
def test_terminals_by_hand(
    inputs: Inputs, params: Params, lever: str, subject: str, link_class: str, life: str, annuity: float
) -> None:
    table = inputs.table("networks/terminals").filter(pl.col("link_class") == link_class)
    now = moved(inputs, **{lever: 1.2})
    found = works_amounts(inputs, now, params, ("terminal_capacity_level", subject))
    worth = 0.2 * float(table["capacity_t_per_year"].sum()) * row(params, "capacity_cost_per_t", subject)
    assert found is not None
    assert worth > 1e9
    assert found[AT] == pytest.approx(worth * (annuity + row(params, "works_upkeep_share", life)), rel=1e-5)


def test_only_lines_in_service_are_widened(inputs: Inputs, params: Params) -> None:
    """Expressways that open in 2026 are widened from then on, not before."""
    found = works_amounts(inputs, moved(inputs, expressway_lane_capacity=1.5), params, ("road_lane_capacity", "expressway"))
    assert found is not None
    before, after = (found[year_index(year)] for year in (2025, 2026))
    assert after > 1.02 * before > 0.0
    assert found[: year_index(2020) + 1].sum() == 0.0


def test_planned_lines_cost_what_the_register_says(inputs: Inputs, params: Params) -> None:
    projects = {r["project_id"]: r["cost_cny"] for r in inputs.table("networks/projects").iter_rows(named=True)}
    found = planned_amounts(inputs, moved(inputs, planned_links=1.0), params)
    assert found is not None
    rail = projects["line_shenxi_2"] * (A50 + row(params, "works_upkeep_share", "rail_line"))
    road = projects["road_xizhong"] * (A20 + row(params, "works_upkeep_share", "road"))
    assert found[AT] == pytest.approx(rail + road, rel=1e-5)
    assert found[year_index(2020)] == 0.0
    same = planned_amounts(inputs, params, params)
    assert same is not None
    assert not same.any()


# --- in the table of levers ---------------------------------------------------------------------------------------------------------


def lever_rows(inputs: Inputs, model: FreightModel, **settings: float) -> Mapping[str, dict[str, object]]:
    """Return the rows of a year for levers that leave the flows of a model as they are."""
    frame = lever_cost_frame(inputs, moved(inputs, **settings), model, quota_frame(model)).filter(pl.col("year") == YEAR)
    return {str(r["lever"]): r for r in frame.iter_rows(named=True)}


def test_the_table_prices_speed_capacity_and_lines(inputs: Inputs, params: Params, fixed_model: FreightModel) -> None:
    settings = {"rail_terminal_dwell": 0.8, "rail_time": 0.9, "berth_capacity": 1.1, "planned_links": 1.0, "rail_train_load": 1.1}
    found = lever_rows(inputs, fixed_model, **settings)
    assert set(found) == set(settings)
    assert {name: r["basis"] for name, r in found.items()} == {
        "rail_terminal_dwell": "time",
        "rail_time": "time",
        "berth_capacity": "works",
        "planned_links": "works",
        "rail_train_load": "works",
    }
    state = fixed_model.prepared.states[fixed_model.prepared.state_of_year[AT]]
    rows = fixed_model.speed.adapt(state.rows, AT)
    loads = float(fixed_model.speed.solution.flows[AT] @ rows.components[:, COMPONENT["rail_load"]])
    hours = 0.2 * row(params, "rail_terminal_dwell") * loads
    assert found["rail_terminal_dwell"]["amount"] == pytest.approx(hours * row(params, "time_saving_cost", "rail_terminal_dwell"))
    assert {r["payer"] for r in found.values()} == {"carrier"}
    assert all(float(str(r["amount"])) > 0.0 for r in found.values())


def test_what_no_row_prices_says_so(inputs: Inputs, fixed_model: FreightModel) -> None:
    found = lever_rows(inputs, fixed_model, pipeline_terminal_capacity=1.5, rail_ferry_capacity=2.0)
    assert {(r["basis"], r["amount"]) for r in found.values()} == {(NO_COST, None)}


# --- boxes on trains ----------------------------------------------------------------------------------------------------------------


def test_faster_and_denser_trains_cost_in_the_outlays_of_boxes(inputs: Inputs, params: Params, fixed_model: FreightModel) -> None:
    """Window trains cost their departures; hours cost the tonnes of boxes on trains that they are saved for."""
    boxes = port_boxes(params, fixed_model.prepared, fixed_model.speed.solution.totals, last_observed(inputs.parameters))
    at = BoxYear.of(fixed_model, boxes, AT)
    cost = _service_cost(inputs, at, lambda used: moved(inputs, **used))
    flow = at.flow(fixed_model.costs)
    ports = len(params.subjects("sea_rail_window_trains"))
    assert cost("window_trains", 2.0, flow) == pytest.approx(2.0 * ports * 730.0 * row(params, "window_train_cost"))
    tonnes = float(flow @ at.rows.components[:, COMPONENT["rail_load"]])
    dwell = 0.5 * row(params, "rail_terminal_dwell") * tonnes * row(params, "time_saving_cost", "rail_terminal_dwell")
    assert cost("rail_terminal_dwell", 0.5, flow) == pytest.approx(dwell, rel=1e-9)
    assert all(cost(name, 1.0 if name != "window_trains" else 0.0, flow) == 0.0 for name in SERVICE)
