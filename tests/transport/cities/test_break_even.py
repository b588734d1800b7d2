"""Break-even base share: put back into the model it gives the target, and no draw or city touches another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.transport.cities.synthetic import demand, roads, terms, theta
from transport.cities.break_even import break_even_shares, green_of
from transport.cities.flows import CityFlows, city_flows
from transport.cities.layout import GREEN, MODES, CityDemand
from transport.cities.service import whole_service
from transport.cities.traffic import solve_city
from transport.layout import year_index

I2019, I2020, I2030 = (year_index(y) for y in (2019, 2020, 2030))
E_BIKE = MODES.index("e_bike")


def flows(city: CityDemand, seed: int = 3) -> CityFlows:
    draws = city.base.shape[-1]
    return city_flows(city, terms(draws, seed), roads(draws, delay=0.6), theta(0.6, draws))


def break_even(cities: list[CityFlows], e_bike: np.ndarray, target: np.ndarray, *, year: int = 2020) -> np.ndarray:
    return np.asarray(break_even_shares(cities, e_bike, target, 2030)[year - 2019])


def green_share(city: CityDemand, e_bike: float) -> np.ndarray:
    trips = solve_city(city, whole_service(terms(seed=3)), roads(delay=0.6), theta(0.6)).trips
    return np.asarray(green_of(trips, np.full(trips.shape[1:], e_bike)) / trips.sum(axis=0))


@pytest.mark.parametrize("e_bike", [0.0, 1.0])
def test_put_back_it_gives_the_target(e_bike: float) -> None:
    """A factor on the green base shares found by bisection, so that 2020 shows the break-even share, must make 2030 show 70 %."""
    city = demand()
    counts = np.full((1, 3), e_bike)
    found = break_even([flows(city)], counts, np.array([0.7]))[0, 0]
    green = [MODES.index(m) for m in GREEN] + ([E_BIKE] if e_bike else [])

    def scaled(log_factor: float) -> CityDemand:
        base = city.base.copy()
        base[:, :, green] *= np.exp(log_factor)
        return replace(city, base=base / base.sum(axis=2, keepdims=True))

    low, high = -4.0, 4.0
    for _ in range(45):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if green_share(scaled(middle), e_bike)[0, I2020] < found else (low, middle)
    share = green_share(scaled(0.5 * (low + high)), e_bike)
    assert share[0, I2020] == pytest.approx(found, abs=1e-9)
    assert share[0, I2030] == pytest.approx(0.7, abs=1e-9)
    # the same base shares, seen in the year before the pandemic
    normal = break_even([flows(city)], counts, np.array([0.7]), year=2019)[0, 0]
    assert share[0, I2019] == pytest.approx(normal, abs=1e-9)
    assert normal != pytest.approx(found, abs=1e-3)
    assert break_even([flows(scaled(0.5 * (low + high)))], counts, np.array([0.7]))[0, 0] == pytest.approx(found, abs=1e-9)


def test_cities_and_draws_do_not_touch_each_other() -> None:
    two = [flows(demand(4, seed), seed) for seed in (3, 5)]
    counts, goal = np.ones((4, 3)), np.full(4, 0.7)
    together = break_even(two, counts, goal)
    assert together.shape == (2, 4)
    for k, city in enumerate(two):
        np.testing.assert_array_equal(break_even([city], counts, goal)[0], together[k])


def test_a_higher_target_needs_a_greener_base() -> None:
    found = [break_even([flows(demand())], np.ones((1, 3)), np.array([goal]))[0, 0] for goal in (0.5, 0.6, 0.7)]
    assert found[0] < found[1] < found[2]


def test_a_target_out_of_reach_is_an_error() -> None:
    """Where most trips have no green mode at all, no base share leads to the target."""
    city = demand()
    base = city.base.copy()
    base[:, 10:, [MODES.index(m) for m in (*GREEN, "e_bike")]] = 0.0
    base /= base.sum(axis=2, keepdims=True)
    with pytest.raises(ArithmeticError, match="no green share of 2020 leads to the target"):
        break_even([flows(replace(city, base=base))], np.ones((1, 3)), np.array([0.9]))
