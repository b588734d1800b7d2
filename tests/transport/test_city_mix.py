"""The cheapest mix: against every point of a grid, against single levers, and put back into the whole model."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from tests.transport.test_city_needs import AT, JINZHOU, asking, whole
from transport.cities.layout import MODES
from transport.city_case import CityCase, city_cases, stacked
from transport.city_costs import city_lever_cost, transit_fares
from transport.city_mix import cheapest_mix, city_costs, least_cost, lever_bases, mix_table, price_levers
from transport.city_needs import city_needs
from transport.params import split_setting
from transport.scenario import load_scenario
from transport.study import scenario_inputs, scenario_params
from transport.travel import model_travel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from transport.inputs import Inputs
    from transport.params import LeverValue
    from transport.scenario import Scenario

    Array = NDArray[np.float64]


def logit(gain: Array, power: Array) -> object:
    """Return the share of strengths: from 62 % up, in log odds."""
    return lambda x: 1.0 / (1.0 + np.exp(-(np.log(0.62 / 0.38) + (4.0 * gain * x**power).sum(axis=-1))))


def grid(n: int, steps: int) -> Array:
    return np.stack(np.meshgrid(*[np.linspace(0.0, 1.0, steps)] * n, indexing="ij"), axis=-1).reshape(-1, n)


# ---- the search alone ----


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("n", "steps"), [(2, 201), (3, 41)])
def test_no_point_of_a_grid_is_cheaper(seed: int, n: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    share_of = logit(rng.uniform(0.01, 0.06, n), rng.uniform(0.5, 2.0, n))
    price, power = rng.uniform(1.0, 100.0, n) * 1e6, rng.uniform(0.7, 2.0, n)

    def cost_of(x: Array) -> Array:
        return (price * x**power).sum(axis=-1)

    found = least_cost(share_of, cost_of, n, 0.66)
    points = grid(n, steps)
    enough = points[share_of(points) >= 0.66]
    if not found.reached:
        assert enough.size == 0
        assert found.share == pytest.approx(float(share_of(np.ones((1, n)))[0]))
        return
    assert found.share >= 0.66 - 1e-9
    assert found.cost <= float(cost_of(enough).min()) * 1.001
    # a single lever that reaches the target is never cheaper
    for k in range(n):
        line = np.zeros((10001, n))
        line[:, k] = np.linspace(0.0, 1.0, 10001)
        alone = cost_of(line)[share_of(line) >= 0.66]
        assert alone.size == 0 or found.cost <= float(alone.min()) * (1.0 + 1e-6)
    again = least_cost(share_of, cost_of, n, 0.66)
    assert again.strength.tolist() == found.strength.tolist()


def test_linear_prices_take_the_most_share_for_the_money_first() -> None:
    gain, price = np.array([0.02, 0.04, 0.04]), np.array([1.0, 1.0, 3.0])

    def share_of(x: Array) -> Array:
        return 0.65 + x @ gain

    found = least_cost(share_of, lambda x: x @ price, 3, 0.70)
    assert found.strength == pytest.approx([0.5, 1.0, 0.0], abs=1e-6)
    assert found.cost == pytest.approx(1.5, abs=1e-6)


def test_levers_that_cost_nothing_move_no_more_than_they_must() -> None:
    found = least_cost(lambda x: 0.65 + x @ np.array([0.1, 0.05]), lambda x: 0.0 * x.sum(axis=-1), 2, 0.70)
    assert found.share == pytest.approx(0.70, abs=1e-8)
    assert found.strength.sum() == pytest.approx(0.5, abs=1e-4)


def test_what_is_there_already_needs_nothing_and_what_is_out_of_reach_shows_its_best() -> None:
    def share_of(x: Array) -> Array:
        return 0.65 + x @ np.array([0.02, -0.01])

    met = least_cost(share_of, lambda x: x.sum(axis=-1), 2, 0.65)
    assert (met.reached, met.strength.tolist(), met.cost) == (True, [0.0, 0.0], 0.0)
    far = least_cost(share_of, lambda x: x.sum(axis=-1), 2, 0.70)
    assert (far.reached, far.strength.tolist()) == (False, [1.0, 0.0])  # what turned against the others is left out
    assert far.share == pytest.approx(0.67)
    nothing = least_cost(lambda x: np.full(len(x), 0.5), lambda x: np.zeros(len(x)), 0, 0.7)
    assert (nothing.reached, nothing.share) == (False, 0.5)


# ---- a city ----


@pytest.fixture(scope="module")
def plan(inputs: Inputs) -> Scenario:
    return load_scenario("plan_2030", inputs.folder, inputs.levers)


@pytest.fixture(scope="module")
def jinzhou(inputs: Inputs, plan: Scenario) -> CityCase:
    """Return a case that asks for a point more than the plan gives, whatever that is."""
    (case,) = city_cases(inputs, plan, [JINZHOU], 2030, draws=3)
    return asking(case, float(case.shares([({}, 0)])[0]) + 0.01)


def length(settings: Mapping[str, LeverValue]) -> float:
    """Return a made-up cost: the way of each lever in the city from 1 or 0, squared."""
    neutral = {"transit_fare": 1.0, "parking_cost": 1.0}
    prices = {"transit_fare": 9e6, "parking_cost": 1e6, "bus_priority": 5e6}
    # what is set for the city stands in place of what is set everywhere
    values = {split_setting(name)[0]: value for name, value in sorted(settings.items())}
    at = {lever: value if isinstance(value, float) else value[2030] for lever, value in values.items() if lever in prices}
    return sum(prices[lever] * (value - neutral.get(lever, 0.0)) ** 2 for lever, value in at.items())


def bases(case: CityCase, *priced: str) -> dict[str, str]:
    return {lever.lever: "rows" if lever.lever in priced else "outlook" for lever in case.levers}


def test_a_mix_of_two_levers_is_as_cheap_as_the_best_of_a_grid(inputs: Inputs, plan: Scenario, jinzhou: CityCase) -> None:
    levers = {x.lever: x for x in jinzhou.levers}
    target = jinzhou.target
    fares, charges = np.linspace(0.4, 1.0, 25), np.linspace(1.4, 3.2, 31)
    points = [
        {**jinzhou.moved(levers["transit_fare"], f), **jinzhou.moved(levers["parking_cost"], c)} for f in fares for c in charges
    ]
    shares = jinzhou.shares([(point, 0) for point in points])
    costs = np.array([length({**jinzhou.settings, **point}) for point in points])
    enough = shares >= target
    assert 0 < enough.sum() < enough.size
    mix = cheapest_mix(jinzhou, length, bases(jinzhou, "transit_fare", "parking_cost"))
    assert (mix.status, set(mix.levers)) == ("reached", {"transit_fare", "parking_cost"})
    least = float(costs[enough].min())
    assert least * 0.9 <= mix.cost + length(jinzhou.settings) <= least * 1.0001
    outcome = whole(inputs, plan, JINZHOU, mix.settings)
    assert outcome.green_share[0, 0, AT] == pytest.approx(target, abs=1e-6)
    assert outcome.green_share[0, 0, AT] == pytest.approx(mix.share, abs=1e-9)


def test_fares_that_a_mix_moves_are_those_of_the_travel_model(inputs: Inputs, plan: Scenario, jinzhou: CityCase) -> None:
    mix = cheapest_mix(jinzhou, length, bases(jinzhou, "transit_fare"))
    (fare,) = (value for _, value, _ in mix.levers.values())
    trips = [float(whole(inputs, plan, JINZHOU, more).trips[0, MODES.index("bus"), 0, AT]) for more in (mix.settings, {})]
    own = {"parameter": "transit_fare_level", "subject": "bus"}
    level = float(inputs.parameters.filter(**own)["value"].to_numpy()[0])
    # no metro in Jinzhou; groups pay between 30 and 100 % of 1.2 yuan
    assert fare < 1.0
    assert trips[0] > trips[1]
    one = dataclasses.replace(jinzhou, bare=stacked([(jinzhou.bare, 0)]))
    paid = [transit_fares(one.inputs, one.params(x), JINZHOU, 2030) for x in (mix.settings, {})]
    assert mix.fares == paid[0] - paid[1] < 0.0
    for found, made, index in zip(paid, trips, (fare, 1.0), strict=True):
        assert 0.3 < found / (made * level * index) < 1.0
    # where every group pays the whole fare the sum is trips x fare
    full = one.params()
    for group in full.subjects("transit_fare_paid_share"):
        full = full.replace("transit_fare_paid_share", group, np.array(1.0))
    outcome = model_travel(one.inputs, full, areas=(JINZHOU,))
    by_hand = float(outcome.trips[0, MODES.index("bus"), 0, AT]) * level
    assert transit_fares(one.inputs, full, JINZHOU, 2030) == pytest.approx(by_hand, rel=1e-9)


def test_prices_are_the_levers_on_what_travellers_pay(inputs: Inputs) -> None:
    fares = {"transit_fare", "taxi_fare", "ride_hailing_fare"}
    assert price_levers(inputs) == fares | {"car_operating_cost", "parking_cost", "road_charge"}


def test_a_mix_out_of_reach_names_what_binds(jinzhou: CityCase) -> None:
    mix = cheapest_mix(jinzhou, length, bases(jinzhou, "bus_priority", "signal_priority"))
    assert mix.status == "infeasible"
    assert mix.share < mix.target
    assert set(mix.binding) == {"bus_priority", "signal_priority"}
    assert {x: values[1] for x, values in mix.levers.items()} == {"bus_priority": 0.6, "signal_priority": 1.0}
    assert mix.cost == pytest.approx(5e6 * (0.6**2 - 0.15**2))
    over = jinzhou.sampled(mix.settings)
    assert mix.share == over[0]
    assert mix.interval == pytest.approx(np.quantile(over, (0.05, 0.95)))
    assert mix.probability == np.mean(over >= mix.target)


def test_levers_without_a_cost_are_listed_and_never_free(jinzhou: CityCase) -> None:
    unknown = dict.fromkeys((lever.lever for lever in jinzhou.levers), "no_cost_known")
    mix = cheapest_mix(jinzhou, length, unknown)
    assert (mix.levers, mix.settings) == ({}, {})
    assert {"transit_fare", "parking_cost"} <= set(mix.unpriced)
    assert mix.status == "infeasible"
    assert "car_ownership" not in mix.unpriced  # moves the whole province


def test_prices_and_kept_levers_can_be_left_out(jinzhou: CityCase) -> None:
    kinds = bases(jinzhou, "bus_priority", "cycle_network", "walking_network") | {
        "transit_fare": "price",
        "parking_cost": "price",
    }

    def cost_of(settings: Mapping[str, LeverValue]) -> float:
        return 1e6 * len(settings)

    works = cheapest_mix(jinzhou, cost_of, kinds, with_prices=False)
    assert set(works.levers) <= {"bus_priority", "cycle_network", "walking_network"}
    kept = cheapest_mix(jinzhou, cost_of, kinds, keep=("transit_fare", "cycle_network"))
    assert set(kept.levers) <= {"bus_priority", "walking_network", "parking_cost"}


def test_costs_are_those_of_the_city(inputs: Inputs, plan: Scenario, jinzhou: CityCase) -> None:
    own = scenario_inputs(plan, inputs)
    bare = scenario_params(dataclasses.replace(plan, settings={}, draws=1), own)
    cost_of = city_costs(jinzhou, bare)
    settings = {**jinzhou.settings, "cycle_network@210700": {2030: 3.0}, "bus_frequency@210700": {2030: 1.3}}
    assert cost_of(settings) == city_lever_cost(own, bare, JINZHOU, settings, 2030) > cost_of(jinzhou.settings) > 0.0
    found = lever_bases(inputs, jinzhou.levers)
    assert (found["bus_priority"], found["transit_fare"], found["compact_growth"]) == ("rows", "price", "rows")
    few = ("cycle_network", "walking_network", "bus_frequency", "cycle_connectivity", "bus_priority")
    mix = cheapest_mix(jinzhou, cost_of, found, with_prices=False, keep=[x for x in found if x not in few])
    assert mix.status == "reached"
    assert set(mix.levers) <= set(few)
    assert mix.cost == pytest.approx(cost_of({**jinzhou.settings, **mix.settings}) - cost_of(jinzhou.settings), abs=1e-3)
    # no single lever that reaches the target alone is cheaper
    levers = {x.lever: x for x in jinzhou.levers}
    alone = city_needs(dataclasses.replace(jinzhou, bare=stacked([(jinzhou.bare, 0)])), levers=few).filter(
        pl.col("status") == "reached"
    )
    assert alone.height >= 1
    for lever, value in alone.select("lever", "value").iter_rows():
        least = cost_of({**jinzhou.settings, **jinzhou.moved(levers[lever], value)})
        assert mix.cost <= least - cost_of(jinzhou.settings) + 1.0, lever


def test_the_table_has_a_row_for_each_lever_and_one_for_an_empty_mix(jinzhou: CityCase) -> None:
    nothing = cheapest_mix(jinzhou, length, dict.fromkeys((x.lever for x in jinzhou.levers), "no_cost_known"))
    some = cheapest_mix(jinzhou, length, bases(jinzhou, "transit_fare", "parking_cost"))
    table = mix_table([nothing, some])
    assert table.height == 1 + max(len(some.levers), 1)
    assert table["lever"].to_list() == [None, *some.levers]
    assert table["fares_cny"].to_list() == [0.0] + [some.fares] * len(some.levers)
