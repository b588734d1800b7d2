"""Green travel of a city asked many times at once: the same as each run alone, and required values that give the target when they are put back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transport.city_case import CityCase, city_cases
from transport.city_needs import city_needs, green_travel_view, needs_table
from transport.layout import YEARS, year_index
from transport.params import lever_path
from transport.scenario import load_scenario
from transport.study import scenario_inputs, scenario_params
from transport.travel import model_travel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.inputs import Inputs
    from transport.params import LeverValue
    from transport.scenario import Scenario
    from transport.travel import TravelOutcome

SHENYANG, JINZHOU, AT = "210100", "210700", year_index(2030)
DRAWS = 4


def with_value(inputs: Inputs, parameter: str, value: float) -> Inputs:
    """Return inputs with another value of a parameter."""
    moved = pl.when(pl.col("parameter") == parameter).then(value).otherwise(pl.col("value"))
    return replace(inputs, parameters=inputs.parameters.with_columns(value=moved))


def whole(
    inputs: Inputs, scenario: Scenario, area: str, more: Mapping[str, LeverValue] | None = None, *, draws: int = 1
) -> TravelOutcome:
    """Return the travel of a city by the whole model, all years, with settings added to a scenario."""
    changed = replace(scenario, settings={**scenario.settings, **(more or {})}, draws=draws)
    return model_travel(scenario_inputs(changed, inputs), scenario_params(changed, inputs), areas=(area,))


@pytest.fixture(scope="module")
def plan(inputs: Inputs) -> Scenario:
    return load_scenario("plan_2030", inputs.folder, inputs.levers)


@pytest.fixture(scope="module")
def shenyang(inputs: Inputs, plan: Scenario) -> CityCase:
    return city_cases(inputs, plan, [SHENYANG], 2030, draws=DRAWS)[0]


def asking(case: CityCase, target: float) -> CityCase:
    """Return a case that asks for another share."""
    return replace(case, bare=case.bare.replace("green_travel_target_share", "all", np.array(target)))


def test_another_target_can_be_asked_for(inputs: Inputs, plan: Scenario) -> None:
    (asked,) = city_cases(inputs, plan, [JINZHOU], 2030, draws=1, target=0.8)
    (usual,) = city_cases(inputs, plan, [JINZHOU], 2030, draws=1)
    assert (usual.target, asked.target) == (0.7, 0.8)
    assert asked.sampled().tolist() == usual.sampled().tolist()
    row = green_travel_view([plan], inputs, draws=2, areas=[JINZHOU], target=0.8).row(0, named=True)
    assert row["target_pct"] == 80.0
    assert row["gap_points"] == pytest.approx(80.0 - row["share_pct"])


@pytest.fixture(scope="module")
def harder(shenyang: CityCase) -> CityCase:
    """Return a case that asks for 1.5 points more than the plan gives, whatever that is."""
    return asking(shenyang, float(shenyang.shares([({}, 0)])[0]) + 0.015)


@pytest.fixture(scope="module")
def needs(harder: CityCase) -> pl.DataFrame:
    return city_needs(harder)


# ---- the same as each run alone ----


def test_runs_on_the_draw_axis_are_what_each_is_alone(inputs: Inputs, plan: Scenario, shenyang: CityCase) -> None:
    moves: list[tuple[dict[str, LeverValue], int]] = [
        ({}, 0),
        ({"bus_priority@210100": {2030: 0.6}}, 0),
        ({"bus_priority": {2030: 0.6}}, 3),
        ({"car_ownership": {2030: 0.8}}, 2),  # moves trips and base shares
        ({"compact_growth@210100": {2030: 0.2}}, 1),
        ({"metro_km_shenyang": {2030: 150.0}, "parking_cost@210100": {2025: 1.1, 2030: 3.0}}, 1),
        ({"transit_fare@210100": {2030: 0.5}}, 2),
    ]
    found = shenyang.shares(moves)
    alone = [whole(inputs, plan, SHENYANG, more, draws=DRAWS).green_share[0, draw, AT] for more, draw in moves]
    assert found.tolist() == pytest.approx(alone, rel=1e-12)  # another solver of the same equations
    assert len(set(alone)) == len(alone)
    # in any order and company
    assert shenyang.shares(moves[::-1]).tolist() == found.tolist()[::-1]
    whole_run = whole(inputs, plan, SHENYANG, draws=DRAWS).green_share[0, :, AT]
    assert shenyang.sampled().tolist() == pytest.approx(whole_run.tolist(), rel=1e-12)


def test_a_case_holds_what_the_scenario_holds(inputs: Inputs) -> None:
    held = load_scenario("rebound_only", inputs.folder, inputs.levers)
    (case,) = city_cases(inputs, held, [JINZHOU], 2030, draws=2)
    whole_run = whole(inputs, held, JINZHOU, draws=2).green_share[0, :, AT]
    assert case.sampled().tolist() == pytest.approx(whole_run.tolist(), rel=1e-12)


def test_a_setting_of_another_city_does_not_reach_a_case(inputs: Inputs, plan: Scenario) -> None:
    elsewhere = replace(plan, settings={**plan.settings, "bus_priority@210200": 0.5})
    here = replace(plan, settings={**plan.settings, "bus_priority@210100": 0.5})
    cases = [city_cases(inputs, s, [SHENYANG], 2030, draws=1)[0] for s in (plan, elsewhere, here)]
    shares = [float(case.sampled()[0]) for case in cases]
    assert shares[0] == shares[1] < shares[2]
    lever = next(x for x in cases[2].levers if x.lever == "bus_priority")
    assert [case.value(lever) for case in cases] == [0.15, 0.15, 0.5]


def test_a_moved_lever_keeps_the_earlier_years_of_the_scenario(shenyang: CityCase, inputs: Inputs, plan: Scenario) -> None:
    levers = {lever.lever: lever for lever in shenyang.levers}
    # 2020 = 1.0 and 2025 = 1.1 are the scenario's: 1.08 in 2024
    assert shenyang.moved(levers["parking_cost"], 2.5) == {
        "parking_cost@210100": {2024: pytest.approx(1.08), 2025: 1.1, 2030: 2.5}
    }
    assert shenyang.moved(levers["metro_km_shenyang"], 9.0) == {"metro_km_shenyang": {2024: pytest.approx(24.0), 2030: 9.0}}
    assert shenyang.moved(levers["transit_fare"], 0.5) == {"transit_fare@210100": {2024: 1.0, 2030: 0.5}}
    # one number holds from 2021 on
    flat = replace(plan, settings={"parking_cost": 1.5})
    (case,) = city_cases(inputs, flat, [SHENYANG], 2030, draws=1)
    assert case.moved(levers["parking_cost"], 2.5) == {"parking_cost@210100": {2021: 1.5, 2024: 1.5, 2030: 2.5}}
    assert case.moved(levers["bus_priority"], 0.2) == {"bus_priority@210100": {2024: 0.0, 2030: 0.2}}


@settings(max_examples=60)
@given(
    given_=st.one_of(
        st.floats(0.5, 5.0), st.dictionaries(st.integers(2021, YEARS[-1]), st.floats(0.5, 5.0), min_size=1, max_size=5)
    ),
    value=st.floats(0.5, 5.0),
    year=st.integers(2021, YEARS[-1]),
)
def test_a_question_leaves_past_years_as_they_are(given_: LeverValue, value: float, year: int, shenyang: CityCase) -> None:
    lever = next(x for x in shenyang.levers if x.lever == "parking_cost")
    case = replace(shenyang, year=year, settings={"parking_cost": given_})
    (made,) = case.moved(lever, value).values()
    before, after = lever_path(given_, lever.default), lever_path(made, lever.default)
    kept = year_index(min(2024, year - 1)) + 1
    assert after[:kept].tolist() == before[:kept].tolist()
    assert after[year_index(year)] == value
    assert case.start == min(2024, year - 1)


def test_the_path_to_a_required_value_moves_only_years_to_come(inputs: Inputs, plan: Scenario, shenyang: CityCase) -> None:
    lever = next(x for x in shenyang.levers if x.lever == "transit_fare")
    now = whole(inputs, plan, SHENYANG).green_share[0, 0]
    moved = whole(inputs, plan, SHENYANG, shenyang.moved(lever, 0.4)).green_share[0, 0]
    from_2020 = whole(inputs, plan, SHENYANG, {"transit_fare@210100": {2030: 0.4}}).green_share[0, 0]
    seen = year_index(2024) + 1
    assert moved[:seen].tolist() == now[:seen].tolist()
    assert from_2020[year_index(2024)] > now[year_index(2024)]
    assert moved[AT] == from_2020[AT] > now[AT]


@pytest.mark.parametrize(
    ("area", "year", "words"), [("210000", 2030, "'210000' is no prefecture"), ("210100", 2050, "year 2050 is not modelled")]
)
def test_what_is_not_modelled_is_named(inputs: Inputs, plan: Scenario, area: str, year: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        city_cases(inputs, plan, [area], year)


def test_a_value_beyond_the_range_is_refused(shenyang: CityCase) -> None:
    with pytest.raises(ValueError, match=r"bus_priority = .* is outside 0 to 0\.6"):
        shenyang.shares([({"bus_priority@210100": {2030: 0.7}}, 0)])


def test_a_lever_that_does_not_act_is_named(shenyang: CityCase) -> None:
    with pytest.raises(ValueError, match=r"rail_tariff does not act on the travel of 210100; levers that do: .*bus_priority"):
        shenyang.shares([({"rail_tariff": {2030: 0.9}}, 0)])


# ---- the view ----


def test_the_view_shows_the_whole_model(inputs: Inputs, plan: Scenario) -> None:
    told: list[tuple[int, int, str]] = []
    view = green_travel_view([plan], inputs, draws=DRAWS, areas=[SHENYANG, JINZHOU], progress=lambda *x: told.append(x))
    assert told == [(0, 2, "plan_2030 210100"), (1, 2, "plan_2030 210700"), (2, 2, "")]
    outcome, row = whole(inputs, plan, SHENYANG, draws=DRAWS), view.row(0, named=True)
    share = 100.0 * outcome.green_share[0, :, AT]
    assert row["share_pct"] == pytest.approx(share[0], rel=1e-12)
    assert (row["share_p5_pct"], row["share_p95_pct"]) == pytest.approx(np.quantile(share, (0.05, 0.95)), rel=1e-12)
    assert row["gap_points"] == pytest.approx(70.0 - share[0], rel=1e-12)
    assert row["probability_pct"] == 100.0 * np.mean(share >= 70.0)
    beside = (row["without_e_bike_pct"], row["peak_pct"], row["cold_pct"], row["base_pct"], row["break_even_base_pct"])
    fields = (
        outcome.green_share_without_e_bike[0, 0, AT],
        outcome.peak_green_share[0, 0, AT],
        outcome.season_green_share[0, 0, 0, AT],
        outcome.green_share[0, 0, year_index(2020)],
        outcome.break_even_base_share[0, 0],
    )
    assert beside == pytest.approx([100.0 * x for x in fields], rel=1e-9)
    assert row["cold_pct"] < row["share_pct"]  # fewer walk and cycle


def test_one_draw_has_no_interval_and_another_year_no_break_even(inputs: Inputs, plan: Scenario) -> None:
    row = green_travel_view([plan], inputs, draws=1, areas=[JINZHOU], year=2027).row(0, named=True)
    assert [row[name] for name in ("share_p5_pct", "share_p95_pct", "probability_pct", "break_even_base_pct")] == [None] * 4
    assert row["share_pct"] == pytest.approx(100.0 * whole(inputs, plan, JINZHOU).green_share[0, 0, year_index(2027)])


def test_data_can_change_which_cities_have_a_target(inputs: Inputs, plan: Scenario) -> None:
    areas = [SHENYANG, JINZHOU, "211400"]
    assert [case.has_target for case in city_cases(inputs, plan, areas, 2030, draws=1)] == [True, True, False]
    higher = with_value(inputs, "green_travel_residents_threshold", 2e6)
    assert [case.has_target for case in city_cases(higher, plan, areas, 2030, draws=1)] == [True, False, False]


# ---- required values ----


def test_a_required_value_that_is_put_back_gives_the_target(
    inputs: Inputs, plan: Scenario, harder: CityCase, needs: pl.DataFrame
) -> None:
    reached = needs.filter(pl.col("status") == "reached")
    assert reached.height >= 2
    levers = {lever.lever: lever for lever in harder.levers}
    for row in reached.iter_rows(named=True):
        lever = levers[row["lever"]]
        assert lever.minimum <= row["value"] <= lever.maximum
        outcome = whole(inputs, plan, SHENYANG, harder.moved(lever, row["value"]))
        assert outcome.green_share[0, 0, AT] == pytest.approx(harder.target, abs=1e-6), row["lever"]
        assert outcome.green_share[0, 0, AT] == pytest.approx(row["share_pct"] / 100.0, abs=1e-6)


def test_a_lever_out_of_range_says_what_it_reaches(needs: pl.DataFrame, harder: CityCase, inputs: Inputs, plan: Scenario) -> None:
    row = needs.filter(pl.col("lever") == "signal_priority").row(0, named=True)
    assert (row["status"], row["value"]) == ("out_of_range", 1.0)
    best = whole(inputs, plan, SHENYANG, {"signal_priority@210100": {2030: 1.0}}).green_share[0, 0, AT]
    assert row["share_pct"] == pytest.approx(100.0 * best, rel=1e-12)
    assert row["share_now_pct"] < row["share_pct"] < 100.0 * harder.target


def test_needs_name_every_lever_that_acts_and_no_other(needs: pl.DataFrame) -> None:
    names = needs["lever"].to_list()
    assert {"bus_priority", "transit_fare", "parking_cost", "car_ownership", "metro_km_shenyang", "compact_growth"} <= set(names)
    assert not {"metro_km_dalian", "bus_12m_share", "rail_tariff"} & set(names)
    assert len(names) == len(set(names))
    scope = dict(needs.select("lever", "scope").iter_rows())
    assert (scope["car_ownership"], scope["transit_fare"], scope["metro_km_shenyang"]) == ("province", "city", "city")
    # who reaches the target stands first; cheaper fares help: the direction is found
    assert needs["status"].to_list() == sorted(needs["status"].to_list(), key=["met", "reached", "out_of_range", "no_help"].index)
    fare = needs.filter(pl.col("lever") == "transit_fare").row(0, named=True)
    assert fare["value"] < fare["now"] == 1.0


def test_the_interval_of_a_required_value_counts_the_draws(harder: CityCase, needs: pl.DataFrame) -> None:
    row = needs.filter(pl.col("lever") == "transit_fare").row(0, named=True)
    lever = next(x for x in harder.levers if x.lever == "transit_fare")
    best = harder.sampled(harder.moved(lever, lever.minimum))
    assert row["reach_pct"] == 100.0 * np.mean(best >= harder.target)
    now = harder.sampled()
    # the easiest draw reaches it at the least effort, or needs none
    at = max(harder.shares([(harder.moved(lever, row["value_p5"]), draw) for draw in range(DRAWS)]))
    assert at == pytest.approx(max(harder.target, now.max()), abs=1e-6)
    assert (row["value_p5"] == row["now"]) == (now.max() >= harder.target)


def test_where_the_target_is_met_nothing_is_needed(shenyang: CityCase) -> None:
    found = city_needs(asking(shenyang, 0.5), levers=["bus_priority", "parking_cost"])
    assert found["status"].to_list() == ["met", "met"]
    assert dict(found.select("lever", "value").iter_rows()) == {"bus_priority": 0.15, "parking_cost": 1.4}
    assert found["reach_pct"].to_list() == [100.0, 100.0]
    assert found["value_p95"].to_list() == found["value"].to_list()


@settings(max_examples=6)
@given(part=st.floats(0.05, 0.95))
def test_a_target_made_from_a_value_asks_for_that_value(part: float, inputs: Inputs, plan: Scenario) -> None:
    (case,) = city_cases(inputs, plan, [JINZHOU], 2030, draws=1)
    lever = next(x for x in case.levers if x.lever == "parking_cost")
    value = 1.4 + part * (lever.maximum - 1.4)
    target = float(case.shares([(case.moved(lever, value), 0)])[0])
    row = city_needs(asking(case, target), levers=["parking_cost"]).row(0, named=True)
    assert row["status"] == "reached"
    assert row["value"] == pytest.approx(value, rel=1e-5)
    assert row["monotonic"]
    assert row["reach_pct"] is None  # one draw: no interval


def test_several_cities_come_one_after_the_other(inputs: Inputs, plan: Scenario) -> None:
    told: list[tuple[int, int, str]] = []
    cases = city_cases(inputs, plan, ["211400", JINZHOU], 2030, draws=1)
    table = needs_table(cases, progress=lambda *x: told.append(x))
    assert table["area"].unique(maintain_order=True).to_list() == ["211400", JINZHOU]
    assert told[-1] == (2, 2, "")
    assert table.filter(pl.col("area") == JINZHOU).equals(city_needs(cases[1]))
