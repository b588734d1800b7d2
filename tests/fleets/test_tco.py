"""Cost of ownership and the sales that follow: hand-worked numbers, exact calibration, elasticities, properties, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleets.tco import (
    TcoError,
    UnitCost,
    annuity,
    barrier_factor,
    battery_life,
    charged_capital,
    logit_shares,
    payload_loss,
    sales_constants,
    yearly_capital,
    yearly_replacement,
)

GROUPS = ("conventional", "gas", "new_energy", "new_energy")
SHARE = np.array([[0.7, 0.2, 0.1, 0.0]])
COST = np.array([[4.0, 3.5, 5.0, 9.0]])
EXPONENT = np.array([-4.0])
NEVER = np.zeros((1, 4))


def over_years(*rows: list[float]) -> np.ndarray:
    """Return costs ``[draw, year, powertrain]`` of one draw."""
    return np.asarray([rows], dtype=np.float64)


def shares(cost: np.ndarray, *, entry: np.ndarray = NEVER, weight: np.ndarray | None = None) -> np.ndarray:
    constants = sales_constants(COST, SHARE, EXPONENT, entry, 0)
    return logit_shares(cost, constants, EXPONENT, np.ones_like(cost) if weight is None else weight)


# --- known answers ------------------------------------------------------------------------------------------------------------------


def test_annuity_of_one_at_five_percent_over_ten_years() -> None:
    assert float(annuity(0.05, 10.0)) == pytest.approx(0.12950, abs=5e-6)
    assert 100.0 * float(annuity(0.05, 10.0)) == pytest.approx(12.9505, abs=5e-5)


def test_annuity_without_interest_divides_evenly() -> None:
    np.testing.assert_allclose(annuity(np.array([0.0, 0.05]), 10.0), [0.1, 0.12950457])


def test_yearly_capital_of_a_hand_worked_vehicle() -> None:
    # 300,000 CNY, a quarter comes back after 5 years at 8 %: present value of the resale 75,000 / 1.46933 = 51,044;
    # annuity 0.25046 -> (300,000 - 51,044) x 0.25046 = 62,353 CNY a year
    assert float(yearly_capital(np.array(300_000.0), 0.25, 0.08, 5.0)) == pytest.approx(62_353.0, abs=1.0)
    assert float(yearly_capital(np.array(300_000.0), 0.25, 0.0, 5.0)) == pytest.approx(45_000.0)


def test_the_total_is_the_sum_of_the_parts() -> None:
    parts = [np.full((1, 1, 1), v) for v in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)]
    assert UnitCost(*parts).total()[0, 0, 0] == 127.0


def test_a_battery_bought_within_the_years_by_hand() -> None:
    # a battery of 100 after 4 of 6 years at 8 %: 100 / 1.360489 = 73.503; half of it goes back after 6 years: 50 / 1.586874 = 31.508;
    # the difference of 41.995 over six years, annuity 0.216315
    price = np.full((1, 1, 1), 100.0)
    assert yearly_replacement(price, 0.08, 6.0, 4.0).item() == pytest.approx(41.9946 * 0.216315, rel=1e-5)
    # two of them, after 2.5 and 5 years; a fifth of the last one is used at the end: 100 + 100 - 60 over six years
    assert yearly_replacement(price, 0.0, 6.0, 2.5).item() == pytest.approx(140.0 / 6.0)
    assert yearly_replacement(price, 0.08, 6.0, 6.0).item() == 0.0
    assert yearly_replacement(price, 0.08, 6.0, np.inf).item() == 0.0


def test_a_battery_costs_what_it_costs_in_its_year() -> None:
    falling = np.array([[[100.0], [90.0], [80.0], [70.0]]])
    # bought after two years and used up four years after the sale: nothing comes back
    found = yearly_replacement(falling, 0.0, 4.0, 2.0)
    np.testing.assert_allclose(found[0, :, 0], [80.0 / 4, 70.0 / 4, 70.0 / 4, 70.0 / 4])  # held after the last year
    half = yearly_replacement(falling, 0.0, 3.0, 1.5)
    assert half[0, 0, 0] == pytest.approx(85.0 / 3)


@given(st.floats(0.5, 20.0), st.floats(1.0, 25.0), st.floats(0.0, 0.2))
def test_no_step_where_a_battery_just_lasts(life: float, years: float, rate: float) -> None:
    """The cost never turns negative, and a little more or less life changes it a little."""
    price = np.full((1, 1, 1), 1000.0)
    here = yearly_replacement(price, rate, years, life).item()
    near = yearly_replacement(price, rate, years, life * (1.0 + 1e-9)).item()
    assert here >= -1e-9
    assert near == pytest.approx(here, abs=1e-3)


@given(st.floats(1.0, 10.0), st.floats(0.0, 0.15))
def test_a_longer_life_costs_less(life: float, rate: float) -> None:
    price = np.full((1, 1, 1), 1000.0)
    assert yearly_replacement(price, rate, 12.0, 1.2 * life).item() <= yearly_replacement(price, rate, 12.0, life).item() + 1e-9


def test_a_battery_without_life_is_refused() -> None:
    with pytest.raises(TcoError, match="life of a battery"):
        yearly_replacement(np.ones((1, 1, 1)), 0.08, 6.0, 0.0)


def test_life_by_cycles_and_by_age() -> None:
    found = battery_life(np.array(8.0), np.array(4000.0), np.array([0.0, 70_000.0, 350_000.0]), np.array(350.0))
    np.testing.assert_allclose(found, [8.0, 8.0, 4.0])  # 1.4 GWh over 350 MWh a year
    assert np.isinf(battery_life(np.array(8.0), np.array(4000.0), np.array(1.0), np.array(0.0)))


def test_payload_that_a_battery_takes() -> None:
    found = payload_loss(np.array([0.0, 150.0, 480.0]), np.array(160.0), np.array(1.0))
    np.testing.assert_allclose(found, [0.0, 0.0, 2.0])  # a light battery weighs less than the engine it replaces


def test_shares_of_two_powertrains_by_hand() -> None:
    # both sold alike at cost 2; the second now costs 1: weight 2^4 = 16 against 1
    constants = sales_constants(np.array([[2.0, 2.0]]), np.array([[0.5, 0.5]]), EXPONENT, np.zeros((1, 2)), 0)
    found = logit_shares(over_years([2.0, 1.0]), constants, EXPONENT, np.ones((1, 1, 2)))
    np.testing.assert_allclose(found[0, 0], [1 / 17, 16 / 17])


def test_a_newcomer_sells_its_weight_against_the_main_powertrain_at_equal_cost() -> None:
    entry = np.array([[0.0, 0.0, 0.0, 0.05]])
    found = shares(over_years([4.0, 3.5, 5.0, 4.0]), entry=entry)[0, 0]
    assert found[3] / found[0] == pytest.approx(0.05)


def test_charges_run_through_the_service_life_and_its_broken_last_year() -> None:
    sales = np.zeros((1, 5, 1))
    sales[0, 1, 0] = 10.0
    found = charged_capital(sales, np.full((1, 5, 1), 100.0), np.zeros(1), np.array([2.5]))
    np.testing.assert_allclose(found[0, :, 0], [0.0, 400.0, 400.0, 200.0, 0.0])
    assert found.sum() == pytest.approx(10 * 100)  # without interest the whole price is charged, once


# --- calibration --------------------------------------------------------------------------------------------------------------------


def test_base_costs_return_the_base_shares() -> None:
    np.testing.assert_allclose(shares(over_years(list(COST[0])))[0, 0], SHARE[0], rtol=1e-14)


@given(st.floats(0.01, 100.0))
def test_one_factor_on_all_costs_returns_the_base_shares(factor: float) -> None:
    np.testing.assert_allclose(shares(over_years(list(factor * COST[0])))[0, 0], SHARE[0], rtol=1e-10)


def test_what_was_not_sold_is_not_sold_without_an_entry_weight() -> None:
    assert shares(over_years([4.0, 3.5, 5.0, 0.1]))[0, 0, 3] == 0.0


def test_what_is_not_on_the_market_is_not_sold() -> None:
    weight = np.ones((1, 2, 4))
    weight[0, 0, 3] = 0.0
    cost = over_years([4.0, 3.5, 5.0, 4.0], [4.0, 3.5, 5.0, 4.0])
    found = shares(cost, entry=np.array([[0, 0, 0, 0.05]]), weight=weight)
    assert found[0, 0, 3] == 0.0
    assert found[0, 1, 3] > 0.0


# --- elasticity and order -----------------------------------------------------------------------------------------------------------


@given(st.floats(0.3, 3.0), st.floats(-8.0, -0.5))
def test_the_exponent_is_the_elasticity_of_the_share_ratio(factor: float, exponent: float) -> None:
    e = np.array([exponent])
    constants = sales_constants(COST, SHARE, e, NEVER, 0)
    cost = over_years(list(COST[0]), [4.0, 3.5, 5.0 * factor, 9.0])
    before, after = logit_shares(cost, constants, e, np.ones_like(cost))[0]
    assert np.log(after[2] / after[0]) - np.log(before[2] / before[0]) == pytest.approx(exponent * np.log(factor), abs=1e-9)


@given(st.lists(st.floats(0.5, 20.0), min_size=4, max_size=4), st.integers(0, 3), st.floats(1.01, 5.0))
def test_a_dearer_powertrain_never_gains(cost: list[float], which: int, factor: float) -> None:
    dearer = [c * (factor if i == which else 1.0) for i, c in enumerate(cost)]
    before, after = shares(over_years(cost, dearer), entry=np.array([[0, 0, 0, 0.1]]))[0]
    assert after[which] <= before[which]
    others = [i for i in range(4) if i != which]
    assert np.all(after[others] >= before[others] - 1e-15)
    np.testing.assert_allclose([before.sum(), after.sum()], 1.0)


# --- barriers -----------------------------------------------------------------------------------------------------------------------


def test_a_barrier_that_stays_changes_nothing() -> None:
    constants = sales_constants(COST, SHARE, EXPONENT, NEVER, 0)
    np.testing.assert_array_equal(barrier_factor(constants, GROUPS, "conventional", np.ones((1, 3, 4))), 1.0)


def test_without_a_barrier_groups_sell_alike_at_equal_cost() -> None:
    constants = np.array([[0.8, 0.1, 0.06, 0.02]])
    persistence = np.zeros((1, 1, 4))
    weight = barrier_factor(constants, GROUPS, "conventional", persistence)
    found = logit_shares(np.full((1, 1, 4), 3.0), constants, EXPONENT, weight)[0, 0]
    np.testing.assert_allclose([found[0], found[1], found[2] + found[3]], 1 / 3)
    assert found[2] / found[3] == pytest.approx(3.0)  # the mix inside the group stays


def test_half_a_barrier_is_half_of_it_as_a_logarithm() -> None:
    constants = np.array([[0.8, 0.1, 0.08, 0.0]])
    weight = barrier_factor(constants, GROUPS, "conventional", np.full((1, 1, 4), 0.5))
    assert weight[0, 0, 2] == pytest.approx(np.sqrt(10.0))


def test_an_advantage_beyond_cost_is_no_barrier() -> None:
    constants = np.array([[0.1, 0.1, 0.7, 0.1]])
    np.testing.assert_array_equal(barrier_factor(constants, GROUPS, "conventional", np.zeros((1, 1, 4))), 1.0)


# --- bad input ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "years"), [(-0.01, 10.0), (0.05, 0.0), (np.nan, 10.0)])
def test_an_annuity_that_has_no_meaning(rate: float, years: float) -> None:
    with pytest.raises(TcoError, match="annuity"):
        annuity(rate, years)


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf])
def test_a_cost_must_be_positive_and_known(wrong: float) -> None:
    with pytest.raises(TcoError, match="positive and known"):
        sales_constants(np.array([[1.0, wrong]]), np.array([[0.5, 0.5]]), EXPONENT, np.zeros((1, 2)), 0)


def test_an_exponent_must_be_negative() -> None:
    with pytest.raises(TcoError, match="exponent"):
        sales_constants(COST, SHARE, np.zeros(1), NEVER, 0)


def test_a_newcomer_needs_a_main_powertrain_that_was_sold() -> None:
    with pytest.raises(TcoError, match="newcomer"):
        sales_constants(COST, np.array([[0.0, 1.0, 0.0, 0.0]]), EXPONENT, np.array([[0, 0, 0.1, 0]]), 0)


def test_something_must_be_on_the_market() -> None:
    with pytest.raises(TcoError, match="on the market"):
        shares(over_years([1.0, 1.0, 1.0, 1.0]), weight=np.zeros((1, 1, 4)))
