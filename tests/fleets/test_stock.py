"""Cohorts: hand-worked tables, Weibull means, balances and properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleets import StockPath, turn_over
from fleets.stock import (
    BALANCE_TOLERANCE,
    StockError,
    UsedTrade,
    adjusted_stock,
    conditional_survival,
    steady_ages,
    used_flow,
    weibull_survival,
)
from fleets.vehicles import (
    CONVENTIONAL,
    GAS,
    NEW_ENERGY,
    Pair,
    fleet_mix,
    held_composition,
    hold_after,
    initial_stock,
    sales_shares,
    vintage_index,
    within_group,
)

PAIRS = (
    Pair("diesel", CONVENTIONAL, remainder=True),
    Pair("hybrid", CONVENTIONAL, remainder=False),
    Pair("cng", GAS, remainder=True),
    Pair("battery_electric", NEW_ENERGY, remainder=True),
    Pair("fuel_cell", NEW_ENERGY, remainder=False),
)


def one(*values: float) -> np.ndarray:
    return np.asarray([values], dtype=np.float64)


def test_cohorts_follow_a_hand_worked_table() -> None:
    # 100 new and 50 one-year-old diesels; 90 % survive the first year, 50 % every later one; 160 vehicles are needed.
    survival = np.asarray([0.9, 0.5, 0.5])
    first = np.asarray([[[100.0, 50.0, 0.0]]])
    path = turn_over(first, np.ones((1, 4, 1)), survival, required_stock=one(150, 160, 160, 100))
    # year 1: 90 aged 1, 25 aged 2 -> 115 there, 45 sold, 35 scrapped
    np.testing.assert_allclose(path.stock[0, 1, 0], [45, 90, 25])
    # year 2: 40.5 aged 1, 45 + 12.5 in the open last bin -> 98 there, 62 sold, 62 scrapped
    np.testing.assert_allclose(path.stock[0, 2, 0], [62, 40.5, 57.5])
    # year 3: 55.8 + 20.25 + 28.75 = 104.8 > 100: nothing is sold and the surplus stays
    np.testing.assert_allclose(path.stock[0, 3, 0], [0, 55.8, 49.0])
    np.testing.assert_allclose(path.sales[0, :, 0], [100, 45, 62, 0])
    np.testing.assert_allclose(path.scrapped[0, :, 0], [0, 35, 62, 55.2])
    assert path.check() <= BALANCE_TOLERANCE


def test_what_exceeds_the_need_can_leave_the_register() -> None:
    first = np.asarray([[[60.0, 0.0], [40.0, 0.0]]])
    share = np.full((1, 2, 2), 0.5)
    path = turn_over(first, share, np.ones(2), required_stock=one(100, 50), register_outflow=True)
    np.testing.assert_allclose(path.by_powertrain()[0, 1], [30, 20])
    np.testing.assert_allclose(path.inflow[0, 1], [-30, -20])
    assert path.scrapped[0, 1].sum() == 0
    path.check()


def test_given_sales_inflow_and_early_scrap_enter_the_balance() -> None:
    first = np.asarray([[[10.0, 10.0, 10.0]]])
    inflow = np.zeros((1, 2, 1, 3))
    inflow[0, 1, 0, 1] = 5
    early = np.asarray([0.0, 0.0, 0.5])
    path = turn_over(first, np.ones((1, 2, 1)), np.ones(3), sales=one(0, 7), inflow=inflow, early_scrap=early)
    np.testing.assert_allclose(path.stock[0, 1, 0], [7, 15, 10])
    np.testing.assert_allclose(path.scrapped[0, 1], [10])
    assert path.check() <= BALANCE_TOLERANCE


@pytest.mark.parametrize(("scale", "shape"), [(14.46, 4.79), (12.8, 5.58), (8.02, 5.58), (20.0, 1.0)])
def test_survival_has_the_mean_of_its_weibull(scale: float, shape: float) -> None:
    ages = np.linspace(0, 20 * scale, 200_001)
    mean = np.trapezoid(weibull_survival(scale, shape, ages), ages)
    assert mean == pytest.approx(scale * math.gamma(1 + 1 / shape), rel=1e-5)


def test_conditional_survival_multiplies_to_the_weibull_and_stops_at_the_mandatory_age() -> None:
    chance = conditional_survival(10.0, 5.0, 12)
    np.testing.assert_allclose(np.cumprod(chance), weibull_survival(10.0, 5.0, np.arange(1, 13)))
    limited = conditional_survival(np.asarray([10.0, 12.0]), np.asarray([5.0, 5.0]), 12, mandatory_years=np.asarray([8.0, 9.0]))
    assert (limited[0, 7:] == 0).all()
    assert limited[0, 6] > 0
    assert limited[1, 7] > 0
    assert (limited[1, 8:] == 0).all()


def test_no_vehicle_reaches_the_mandatory_age() -> None:
    chance = conditional_survival(30.0, 5.0, 8, mandatory_years=8.0)
    path = turn_over(np.asarray([[[10.0] * 8]]), np.ones((1, 12, 1)), chance, sales=np.full((1, 12), 10.0))
    np.testing.assert_allclose(path.total()[0, -1], 10 * (1 + np.cumprod(chance)[:-1].sum()))


def test_steady_ages_stay_what_they_are() -> None:
    chance = conditional_survival(9.0, 4.0, 25)
    ages = steady_ages(chance, 0.05)
    assert ages.sum() == pytest.approx(1)
    total = 100 * 1.05 ** np.arange(6)
    path = turn_over(100 * ages[None, None, :], np.ones((1, 6, 1)), chance, required_stock=total[None, :])
    np.testing.assert_allclose(path.stock[0, 5, 0, :-1] / total[5], ages[:-1], rtol=1e-6)


def test_shares_by_hand() -> None:
    weights = {"hybrid": one(0.25), "fuel_cell": one(0.1)}
    share = sales_shares(PAIRS, one(0.4), one(0.5), weights)[0, 0]
    np.testing.assert_allclose(share, [0.6 * 0.75, 0.6 * 0.25, 0.2, 0.2 * 0.9, 0.2 * 0.1])
    # Shares within a group that exceed 1 are scaled down and leave nothing to the remainder.
    full = within_group({"fuel_cell": one(1.5)}, PAIRS, NEW_ENERGY, (1, 1))
    assert full["fuel_cell"][0, 0] == pytest.approx(1)
    assert full["battery_electric"][0, 0] == 0
    with pytest.raises(ValueError, match="exactly one remainder"):
        within_group({}, [Pair("diesel", CONVENTIONAL, remainder=False)], CONVENTIONAL, (1, 1))


def test_vintage_index_by_hand() -> None:
    index = vintage_index(one(1.0, 0.9, 0.8), np.asarray([0.1]), 3)
    np.testing.assert_allclose(index[0], [[1.0, 1.1, 1.21], [0.9, 1.0, 1.1], [0.8, 0.9, 1.0]])


def test_mix_weighs_ages_by_distance() -> None:
    stock = np.asarray([[[[10.0, 10.0], [20.0, 0.0]]]])
    path = StockPath(stock, np.zeros((1, 1, 2)), np.zeros((1, 1, 2)), np.zeros((1, 1, 2)))
    mix = fleet_mix(path, np.asarray([0.5]), {"combustion": np.asarray([[[1.0, 2.0]]])})
    np.testing.assert_allclose(mix.distance_share[0, 0], [15 / 35, 20 / 35])
    np.testing.assert_allclose(mix.index["combustion"][0, 0], [(10 + 2 * 5) / 15, 1.0])
    np.testing.assert_allclose(mix.held(0).distance_share, mix.distance_share)


def test_held_composition_balances_and_keeps_the_totals() -> None:
    chance = conditional_survival(9.0, 4.0, 20)
    first = initial_stock(np.asarray([100.0]), one(0.9, 0.1), chance[None], one(0.02, 0.5))
    assert first.sum() == pytest.approx(100)
    share = np.stack([np.linspace(0.9, 0.1, 8), np.linspace(0.1, 0.9, 8)], axis=-1)[None]
    path = turn_over(first, share, chance, required_stock=np.linspace(100, 140, 8)[None])
    held = held_composition(path, 3)
    assert held.check() <= BALANCE_TOLERANCE
    np.testing.assert_allclose(held.total(), path.total())
    mixes = held.by_powertrain()[0] / held.total()[0][:, None]
    np.testing.assert_allclose(mixes[4:], np.repeat(mixes[3:4], 4, axis=0))
    np.testing.assert_array_equal(held.stock[:, :4], path.stock[:, :4])
    np.testing.assert_array_equal(hold_after(one(1, 2, 3), 1), one(1, 2, 2))


def test_bad_input_is_refused() -> None:
    first, share = np.ones((1, 1, 2)), np.ones((1, 3, 1))
    with pytest.raises(StockError, match="either required_stock or sales"):
        turn_over(first, share, np.ones(2))
    with pytest.raises(StockError, match="must be"):
        turn_over(np.ones((1, 2, 2)), share, np.ones(2), sales=np.ones((1, 3)))
    with pytest.raises(StockError, match="sum to 1"):
        turn_over(first, share * 0.5, np.ones(2), sales=np.ones((1, 3)))
    with pytest.raises(StockError, match="negative or missing"):
        turn_over(first, share, np.ones(2), required_stock=np.full((1, 3), np.nan))
    with pytest.raises(StockError, match="between 0 and 1"):
        turn_over(first, share, np.asarray([1.2, 0.5]), sales=np.ones((1, 3)))
    with pytest.raises(StockError, match="outflow"):
        turn_over(first, share, np.ones(2), sales=np.ones((1, 3)), inflow=np.full((1, 3, 1, 2), -9.0))
    with pytest.raises(StockError, match="must be positive"):
        weibull_survival(0.0, 2.0, np.ones(1))
    broken = StockPath(np.ones((1, 2, 1, 1)), np.ones((1, 2, 1)), np.zeros((1, 2, 1)), np.zeros((1, 2, 1)))
    with pytest.raises(StockError, match="does not balance"):
        broken.check()


@settings(max_examples=40, deadline=None)
@given(
    clean=st.lists(st.floats(0, 1), min_size=6, max_size=6),
    need=st.lists(st.floats(0, 1e6), min_size=6, max_size=6),
    rate=st.floats(0, 1),
    scale=st.floats(2, 20),
    outflow=st.booleans(),
)
def test_any_stock_balances_and_is_never_negative(
    clean: list[float], need: list[float], rate: float, scale: float, outflow: bool
) -> None:
    chance = conditional_survival(scale, 4.0, 15, mandatory_years=13.0)
    weights = {"hybrid": np.full((1, 6), 0.2), "fuel_cell": np.full((1, 6), 0.1)}
    share = sales_shares(PAIRS, np.asarray([clean]), np.full((1, 6), 0.5), weights)
    first = initial_stock(np.asarray([need[0]]), np.full((1, 5), 0.2), chance[None], np.full((1, 5), 0.1))
    early = np.full((1, 6, 1, 1), rate)
    path = turn_over(first, share, chance, required_stock=np.asarray([need]), early_scrap=early, register_outflow=outflow)
    path.check()
    assert (path.stock >= 0).all()
    # a need far below any vehicle is lost in rounding
    assert (path.total()[0] >= np.asarray(need) * (1 - 1e-12) - 1e-9).all()
    if outflow:
        np.testing.assert_allclose(path.total()[0], need, rtol=1e-9, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(low=st.floats(0, 1), more=st.floats(0, 1), scale=st.floats(3, 15))
def test_more_clean_sales_never_leave_more_conventional_vehicles(low: float, more: float, scale: float) -> None:
    chance = conditional_survival(scale, 5.0, 15)
    first = initial_stock(np.asarray([1000.0]), one(0.8, 0.05, 0.1, 0.05, 0.0), chance[None], np.zeros((1, 5)))
    weights = {"hybrid": np.full((1, 10), 0.2), "fuel_cell": np.full((1, 10), 0.1)}
    high = min(low + more, 1.0)
    left = []
    for value in (low, high):
        share = sales_shares(PAIRS, np.full((1, 10), value), np.full((1, 10), 0.5), weights)
        path = turn_over(first, share, chance, required_stock=np.full((1, 10), 1000.0))
        left.append(path.by_powertrain()[..., :2].sum(axis=-1))
    assert (left[1] <= left[0] + 1e-9).all()


def test_draws_are_independent() -> None:
    chance = conditional_survival(np.asarray([8.0, 12.0]), np.asarray([4.0, 4.0]), 20)[:, None, :]
    first = np.full((2, 1, 20), 5.0)
    both = turn_over(first, np.ones((2, 9, 1)), chance, required_stock=np.full((2, 9), 100.0))
    for d in range(2):
        alone = turn_over(first[d : d + 1], np.ones((1, 9, 1)), chance[d : d + 1], required_stock=np.full((1, 9), 100.0))
        np.testing.assert_array_equal(both.stock[d], alone.stock[0])


# --- used vehicles, fleets that follow a need in part ------------------------------------------------------------------------------------


THREE = np.asarray([3.0])


def test_a_narrow_spread_keeps_used_vehicles_at_their_age() -> None:
    survivors = np.full((2, 1, 8), 10.0)
    flow = used_flow(survivors, np.asarray([8.0, 8.0]), np.asarray([4.0, 4.0]), np.asarray([1.0, 2.0]))
    np.testing.assert_allclose(flow[:, 0], [[0, 0, 0, 0, 8, 0, 0, 0], [0, 0, 0, 2, 4, 2, 0, 0]])


def test_used_vehicles_enter_around_their_age_with_the_powertrains_of_that_age() -> None:
    survivors = np.zeros((1, 2, 8))
    survivors[0, 0, 4], survivors[0, 1, 4] = 30.0, 10.0
    flow = used_flow(survivors, np.asarray([9.0]), np.asarray([4.0]), THREE)
    # Weights 1/3, 2/3, 1, 2/3, 1/3 of 3 at ages 2 to 6; three quarters of the vehicles of age 4, and of all, have the first powertrain.
    np.testing.assert_allclose(flow.sum(axis=1)[0], [0, 0, 1, 2, 3, 2, 1, 0])
    np.testing.assert_allclose(flow[0, 0], 0.75 * flow.sum(axis=1)[0])


def test_used_vehicles_leave_in_proportion_and_never_more_than_there_are() -> None:
    survivors = np.asarray([[[0.0, 8.0, 16.0, 8.0, 0.0]]])
    flow = used_flow(survivors, np.asarray([-4.0]), np.asarray([2.0]), THREE)
    # weight x stock = 8 x 2/3, 16, 8 x 2/3 -> a fifth, three fifths, a fifth of four vehicles
    np.testing.assert_allclose(flow[0, 0], [0, -0.8, -2.4, -0.8, 0])
    np.testing.assert_array_equal(used_flow(survivors, np.asarray([-1e6]), np.asarray([2.0]), THREE), -survivors)
    assert not used_flow(np.zeros((1, 1, 5)), np.asarray([-3.0]), np.asarray([2.0]), THREE).any()


def test_used_inflow_takes_the_place_of_sales() -> None:
    first = np.asarray([[[40.0, 30.0, 20.0, 10.0]]])
    share, chance = np.ones((1, 2, 1)), np.asarray([0.9, 0.8, 0.5, 0.0])
    without = turn_over(first, share, chance, required_stock=one(100, 100))
    rate = np.asarray([[0.0, 0.05]])
    with_used = turn_over(first, share, chance, required_stock=one(100, 100), used=UsedTrade(rate, np.asarray([2.0]), THREE))
    assert with_used.inflow[0, 1, 0] == pytest.approx(5.0)
    assert with_used.sales[0, 1, 0] == pytest.approx(without.sales[0, 1, 0] - 5.0)
    np.testing.assert_array_equal(with_used.scrapped, without.scrapped)
    assert with_used.check() <= BALANCE_TOLERANCE
    with pytest.raises(StockError, match="between -1 and 1"):
        turn_over(first, share, chance, required_stock=one(100, 100), used=UsedTrade(rate * 40, np.asarray([2.0]), THREE))
    with pytest.raises(StockError, match=r"at least 1 year, got 0\.5"):
        turn_over(first, share, chance, required_stock=one(100, 100), used=UsedTrade(rate, np.asarray([2.0]), THREE / 6))


def test_partial_adjustment_by_hand_and_at_once() -> None:
    need = np.asarray([[100.0, 80.0, 80.0, 120.0]])
    np.testing.assert_allclose(adjusted_stock(need, np.asarray([2.0])), [[100, 90, 85, 102.5]])
    np.testing.assert_array_equal(adjusted_stock(need, np.asarray([1.0])), need)
    with pytest.raises(StockError, match="at least 1 year"):
        adjusted_stock(need, np.asarray([0.5]))


@settings(max_examples=60, deadline=None)
@given(
    need=st.lists(st.floats(1, 1e6), min_size=4, max_size=12),
    years=st.floats(1, 6),
    rate=st.floats(-0.3, 0.3),
    age=st.floats(0, 20),
)
def test_stock_with_used_trade_balances_and_stays_between_the_needs(
    need: list[float], years: float, rate: float, age: float
) -> None:
    held = adjusted_stock(np.asarray([need]), np.asarray([years]))
    assert min(need) * (1 - 1e-12) <= held.min() <= held.max() <= max(need) * (1 + 1e-12)
    chance = conditional_survival(8.0, 4.0, 15)
    first = initial_stock(held[:, 0], np.asarray([[0.7, 0.3]]), chance, np.zeros((1, 2)))
    share = np.tile(np.asarray([0.6, 0.4]), (1, len(need), 1))
    trade = UsedTrade(np.full((1, len(need)), rate), np.asarray([age]), THREE)
    path = turn_over(first, share, chance, required_stock=held, used=trade)
    assert path.check() <= BALANCE_TOLERANCE
    assert (path.total() >= held * (1 - 1e-9)).all()
