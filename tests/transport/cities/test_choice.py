"""Incremental nested logit: pivot, known answers, properties of the logit, bad input."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transport.cities.synthetic import METRO, N_MODE, demand, service, theta
from transport.cities.choice import check_theta, nest_coefficients, nested_shares
from transport.cities.layout import MODES, NESTS

if TYPE_CHECKING:
    from transport.inputs import Inputs

WALK, CYCLE, E_BIKE, BUS, CAR = (MODES.index(m) for m in ("walk", "cycle", "e_bike", "bus", "car"))


def one(shares: list[float], change: dict[int, float], coefficients: dict[str, np.ndarray]) -> np.ndarray:
    """Return the shares of one traveller after a change of utility by mode."""
    base = np.asarray(shares)[None, None, :, None]
    utility = np.zeros((1, 1, N_MODE, 1, 1))
    for mode, value in change.items():
        utility[0, 0, mode] = value
    return nested_shares(base, utility, NESTS, coefficients)[0, 0, :, 0, 0]


def test_no_change_returns_the_base_bit_for_bit() -> None:
    city, now = demand(draws=7), service(draws=7)
    shares = nested_shares(city.base, now.utility, NESTS, theta(0.37, 7))
    np.testing.assert_array_equal(shares, np.repeat(city.base[..., None], now.utility.shape[-1], axis=-1))


def test_no_change_without_a_metro_returns_the_base_bit_for_bit() -> None:
    """The virtual shares of a metro that never runs must not touch the last bit of the others."""
    city, now = demand(draws=5, metro=False), service(draws=5, metro=False)
    shares = nested_shares(city.base, now.utility, NESTS, theta(0.37, 5))
    expected = np.repeat(city.base[..., None], now.utility.shape[-1], axis=-1)
    expected[:, :, METRO] = 0.0
    np.testing.assert_array_equal(shares, expected)


def test_two_nests_by_hand() -> None:
    """Bus and metro 0.2 each in a nest of theta 0.5, car 0.6: the bus gains ln 2 of utility.

    The nest weighs 0.2 x 2^2 + 0.2 = 1.0 instead of 0.4, its logsum 2.5^0.5; bus within the nest 0.8.
    """
    shares = [0.0] * N_MODE
    shares[BUS], shares[METRO], shares[CAR] = 0.2, 0.2, 0.6
    coefficients = {**theta(1.0), "transit": np.array([0.5])}
    found = one(shares, {BUS: np.log(2.0)}, coefficients)
    nest = 0.4 * 2.5**0.5
    np.testing.assert_allclose(found[BUS], 0.8 * nest / (nest + 0.6), rtol=1e-14)
    np.testing.assert_allclose(found[METRO], 0.2 * nest / (nest + 0.6), rtol=1e-14)
    np.testing.assert_allclose(found[CAR], 0.6 / (nest + 0.6), rtol=1e-14)


def test_theta_one_is_multinomial() -> None:
    city, now = demand(draws=3), service(draws=3)
    utility = now.utility + np.random.default_rng(1).normal(0.0, 0.5, now.utility.shape)
    shares = nested_shares(city.base, utility, NESTS, theta(1.0, 3))
    weight = city.base[..., None] * np.exp(utility)
    np.testing.assert_allclose(shares, weight / weight.sum(axis=2, keepdims=True), rtol=1e-12)


@given(
    change=st.lists(st.floats(-3.0, 3.0), min_size=N_MODE, max_size=N_MODE),
    coefficient=st.floats(0.15, 1.0),
    seed=st.integers(0, 50),
)
@settings(max_examples=60, deadline=None)
def test_shares_are_shares_and_own_gain_is_a_gain(change: list[float], coefficient: float, seed: int) -> None:
    base = np.random.default_rng(seed).dirichlet(np.ones(N_MODE))
    found = one(list(base), dict(enumerate(change)), theta(coefficient))
    assert found.sum() == pytest.approx(1.0, rel=1e-12)
    assert bool(np.all(found >= 0))
    more = one(list(base), {**dict(enumerate(change)), BUS: change[BUS] + 0.1}, theta(coefficient))
    assert more[BUS] > found[BUS]
    others = [i for i in range(N_MODE) if i != BUS]
    assert bool(np.all(more[others] <= found[others] + 1e-15))


@given(gain=st.floats(-2.0, 2.0), coefficient=st.floats(0.15, 1.0))
@settings(max_examples=40, deadline=None)
def test_odds_within_a_nest_ignore_the_other_nests(gain: float, coefficient: float) -> None:
    """The ratio of two active modes does not move when the car changes; that of walk to bus keeps too, as neither nest changes inside."""
    base = list(np.random.default_rng(4).dirichlet(np.ones(N_MODE)))
    found = one(base, {CAR: gain}, theta(coefficient))
    np.testing.assert_allclose(found[WALK] / found[CYCLE], base[WALK] / base[CYCLE], rtol=1e-12)
    np.testing.assert_allclose(found[WALK] / found[BUS], base[WALK] / base[BUS], rtol=1e-12)
    nearer = one(base, {CYCLE: gain}, theta(coefficient))
    np.testing.assert_allclose(nearer[WALK] / nearer[E_BIKE], base[WALK] / base[E_BIKE], rtol=1e-12)


def test_riders_come_from_the_own_nest_first() -> None:
    base = [1.0 / N_MODE] * N_MODE
    found = one(base, {BUS: 0.3}, theta(0.5))
    assert found[METRO] < found[CAR]
    flat = one(base, {BUS: 0.3}, theta(1.0))
    assert flat[METRO] == pytest.approx(flat[CAR], rel=1e-12)


def test_a_uniform_change_moves_nobody() -> None:
    base = list(np.random.default_rng(8).dirichlet(np.ones(N_MODE)))
    found = one(base, dict.fromkeys(range(N_MODE), 1.7), theta(0.4))
    np.testing.assert_allclose(found, base, rtol=1e-12)


def test_a_first_metro_enters_with_its_virtual_share() -> None:
    """Virtual share v beside a bus share b: the transit nest grows by (1 + v / b)^theta, others only shrink by the common total."""
    v, b = 0.06, 0.2
    base = np.zeros((1, 1, N_MODE, 1))
    base[0, 0, BUS], base[0, 0, METRO], base[0, 0, CAR], base[0, 0, WALK] = b, v, 0.5, 0.3
    utility = np.zeros((1, 1, N_MODE, 1, 2))
    utility[0, 0, METRO, 0, 0] = -np.inf
    found = nested_shares(base, utility, NESTS, theta(0.5))[0, 0, :, 0]
    assert found[METRO, 0] == 0.0
    assert found[BUS, 0] == b
    nest = b * (1.0 + v / b) ** 0.5
    np.testing.assert_allclose(found[METRO, 1], nest * v / (v + b) / (nest + 0.8), rtol=1e-13)
    np.testing.assert_allclose(found[WALK, 1] / found[CAR, 1], 0.6, rtol=1e-13)


def test_a_first_metro_where_no_bus_goes() -> None:
    base = np.zeros((1, 1, N_MODE, 1))
    base[0, 0, METRO], base[0, 0, CAR] = 0.25, 1.0
    utility = np.zeros((1, 1, N_MODE, 1, 2))
    utility[0, 0, METRO, 0, 0] = -np.inf
    found = nested_shares(base, utility, NESTS, theta(0.5))[0, 0, :, 0]
    assert found[METRO, 0] == 0.0
    assert found[METRO, 1] == pytest.approx(0.2)


def test_a_mode_that_closes_leaves_its_riders_to_the_others() -> None:
    base = list(np.random.default_rng(5).dirichlet(np.ones(N_MODE)))
    base_array = np.asarray(base)[None, None, :, None]
    utility = np.zeros((1, 1, N_MODE, 1, 2))
    utility[0, 0, BUS, 0, 1] = -np.inf
    found = nested_shares(base_array, utility, NESTS, theta(0.5))[0, 0, :, 0]
    assert found[BUS, 1] == 0.0
    assert found[:, 1].sum() == pytest.approx(1.0)
    assert found[METRO, 1] / base[METRO] > found[CAR, 1] / base[CAR] > 1.0


def test_a_draw_does_not_depend_on_its_neighbours() -> None:
    city, now = demand(draws=6), service(draws=6)
    utility = now.utility + np.random.default_rng(2).normal(0.0, 0.5, now.utility.shape)
    together = nested_shares(city.base, utility, NESTS, theta(0.5, 6))
    alone = nested_shares(city.base[..., 3:4].copy(), utility[..., 3:4, :].copy(), NESTS, theta(0.5, 1))
    np.testing.assert_array_equal(together[..., 3:4, :], alone)


@pytest.mark.parametrize("value", [0.0, -0.2, 1.01, float("nan")])
def test_a_coefficient_outside_its_range_is_named(value: float) -> None:
    with pytest.raises(ValueError, match="travel_nest_theta of nest transit is"):
        check_theta({**theta(), "transit": np.array([0.5, value])})


def test_a_missing_nest_is_named() -> None:
    with pytest.raises(ValueError, match="nest motor has no logsum coefficient"):
        check_theta({k: v for k, v in theta().items() if k != "motor"})


def test_nests_must_hold_every_mode_once() -> None:
    city, now = demand(), service()
    twice = {**NESTS, "transit": ("bus", "metro", "car")}
    with pytest.raises(ValueError, match="must hold each of the modes"):
        nested_shares(city.base, now.utility, twice, theta())


def test_shapes_that_do_not_fit_are_named() -> None:
    city, now = demand(), service()
    with pytest.raises(ValueError, match="do not fit"):
        nested_shares(city.base[:, :4], now.utility, NESTS, theta())


def test_a_segment_without_any_mode_is_named() -> None:
    city, now = demand(), service()
    utility = now.utility.copy()
    utility[1, 7, :, 0, -1] = -np.inf
    with pytest.raises(ValueError, match="no mode is left in season 1, segment 7"):
        nested_shares(replace(city).base, utility, NESTS, theta())


def test_rows_of_the_data_are_valid(inputs: Inputs) -> None:
    found = nest_coefficients(inputs.params(draws=30, seed=1))
    assert set(found) == set(NESTS)
    assert all(values.shape == (30,) for values in found.values())
