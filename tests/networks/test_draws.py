"""Many draws at once: the same shares and totals as draw by draw, slopes as by small steps, constants that meet margins and ports together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from networks import draw_kernels as kernels
from networks.cost import COMPONENT
from networks.draw_blocks import Constants, carry_blocks, room_of, slope_blocks
from networks.draw_fit import Aim, fit_draws
from networks.draw_kernels import Weights
from networks.draws import Compact, Memory, case_flow, prices_of, solve_draws
from networks.lanes import LANES
from networks.measure import MARKS, MEASURE
from networks.ports import fit_ports
from networks.solve import CONSTANTS, choice_problem, flow_at_cost, row_costs, row_flow
from tests.networks.test_ports import case, use
from tests.networks.test_solve import one_draw, problem

ALL = np.arange(LANES)
BASE = np.zeros(LANES, dtype=np.int64)


def blended(values, start, scale):
    shape = np.asarray(values, dtype=float)
    lanes = np.ascontiguousarray(np.repeat(shape[:, None], LANES, axis=1))
    share, found = np.empty_like(lanes), np.empty((len(start) - 1, LANES))
    kernels.blend(lanes, np.array(start, dtype=np.int32), np.full(LANES, scale), share, found, lanes.copy(), lanes.copy())
    assert np.array_equal(share, np.repeat(share[:, :1], LANES, axis=1))
    return share[:, 0], found[:, 0]


def test_log_sums_by_hand():
    share, found = blended([1.0, 1.0 - 0.5 * np.log(3.0), -7.0], [0, 2, 3], 0.5)
    np.testing.assert_allclose(share, [0.75, 0.25, 1.0], rtol=1e-15)
    np.testing.assert_allclose(found, [1.0 + 0.5 * np.log(4.0 / 3.0), -7.0], rtol=1e-15)


@settings(max_examples=40)
@given(st.lists(st.floats(-800, 800), min_size=2, max_size=9), st.floats(0.05, 1.0))
def test_shares_and_log_sums_are_right_to_the_last_digits(values, scale):
    share, found = blended(values, [0, len(values)], scale)
    best = max(values)
    weight = np.exp((np.array(values) - best) / scale)
    np.testing.assert_allclose(share, weight / weight.sum(), rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(found[0], best + scale * np.log(weight.sum()), rtol=1e-14, atol=1e-13)


def dearer(costs, rng, n_draw, n_year, zones=5):
    """Return costs with marks, and with services that save hours in the last year."""
    marks = rng.uniform(0, 5, (costs.coefficients.shape[0], n_draw, n_year, len(MARKS)))
    saved = np.zeros((costs.coefficients.shape[0], 2, zones, n_year))
    saved[..., -1] = rng.uniform(0, 9, saved.shape[:-1])
    return replace(costs, marks=marks, saved_h=saved)


def test_totals_are_those_of_every_draw_by_itself():
    n_draw, n_year = 11, 3
    demand, rows, costs, constants = problem(n_draw=n_draw, n_year=n_year)
    costs = dearer(costs, np.random.default_rng(4), n_draw, n_year)
    made = Compact.of(rows, demand)
    totals, served, unserved = solve_draws(demand, lambda _: made, costs, constants)
    for year in range(n_year):
        flow, cost = row_flow(rows, demand, costs, constants, slice(None), year)
        np.testing.assert_allclose(made.cost(costs, 5, year), cost[5], rtol=1e-13)
        for commodity, (a, b) in enumerate(rows.slices):
            np.testing.assert_allclose(totals[commodity, :, :, year], (flow[:, a:b] @ rows.measure[a:b]).T, rtol=1e-11, atol=1e-6)
            np.testing.assert_allclose(served[commodity, :, year], flow[:, a:b].sum(axis=1), rtol=1e-12)
    assert not unserved.any()


def test_a_draw_has_the_same_bytes_whatever_stands_beside_it():
    demand, rows, costs, constants = problem(n_draw=11)
    made = Compact.of(rows, demand)
    together = solve_draws(demand, lambda _: made, costs, constants)[0]
    for d in (0, 7, 8, 10):
        alone = solve_draws(demand, lambda _: made, one_draw(costs, d), constants[d : d + 1])[0]
        np.testing.assert_array_equal(together[:, :, d], alone[:, :, 0])


def test_draws_that_differ_later_take_the_years_before_from_the_first():
    demand, rows, costs, constants = problem(n_draw=3)
    first = {k: np.repeat(v.take([0], axis=_axis(k, v)), 3, axis=_axis(k, v)) for k, v in vars(costs).items() if v is not None}
    first["coefficients"] = first["coefficients"].copy()
    first["coefficients"][:, 2, 2, COMPONENT["rail_tariff_km"]] *= 1.5
    made = Compact.of(rows, demand)
    totals = solve_draws(demand, lambda _: made, replace(costs, **first), np.repeat(constants[:1], 3, axis=0))[0]
    np.testing.assert_array_equal(totals[:, :, 1], totals[:, :, 0])
    np.testing.assert_array_equal(totals[:, :, 2, :2], totals[:, :, 0, :2])
    rail = totals[:, MEASURE["t_rail"], :, 2].sum(axis=0)
    assert rail[2] < rail[0]


def _axis(name, value):
    return 1 if name == "coefficients" else value.ndim - 2


def test_a_charge_is_paid_by_what_comes_by_truck():
    demand, rows, costs, constants = problem(n_draw=2, n_year=2)
    rows = replace(rows, trucked=np.where(rows.components[:, COMPONENT["road_load"]] > 0, 1, -1))
    charge = np.array([0.0, 30.0, 0.0, 0.0, 0.0])
    made = Compact.of(rows, demand)
    found = solve_draws(demand, lambda _: made, costs, constants, charge=lambda y: charge if y else None)[0]
    dear = replace(rows, price=rows.price + 30.0 * (rows.trucked == 1))
    for year, used in ((0, rows), (1, dear)):
        flow = row_flow(used, demand, costs, constants, slice(None), year)[0]
        np.testing.assert_allclose(found[:, MEASURE["t_road"], :, year].sum(axis=0), flow @ rows.measure[:, MEASURE["t_road"]])


# --- constants ----------------------------------------------------------------------------------------------------------------------

NAMES = ("road", "road_ordinary", "rail_truck_siding", "rail_truck_truck", "sea_truck")


def drawn(n_draw=LANES, seed=0):
    """Return the two ports of the tests of ports with costs by draw, and margins: rail tonnes and tkm of trucks."""
    _, demand, rows, costs = case(alternatives=NAMES)
    rng = np.random.default_rng(seed)
    shape = (n_draw, 1)
    costs = replace(
        costs,
        coefficients=costs.coefficients * rng.uniform(0.8, 1.25, (1, *shape, costs.coefficients.shape[-1])),
        scale=rng.uniform(0.01, 0.03, shape),
        nest_scale=rng.uniform(0.5, 0.9, shape),
        port_scale=rng.uniform(0.35, 0.5, shape),
        terminal_scale=rng.uniform(0.1, 0.3, shape),
        preference=rng.normal(0, 0.2, (1, *shape)),
        sea_preference=rng.normal(0, 0.2, shape),
        growth=rng.uniform(0.9, 1.1, (1, *shape)),
        group_level=np.ones((1, *shape)),
        siding_share=np.zeros(shape),
        pipe_share=np.zeros(shape),
    )
    weights = np.stack([rows.measure[:, MEASURE["t_rail"]], rows.measure[:, MEASURE["km_road"]]], axis=1)
    return demand, rows, costs, weights


def aimed(demand, weights, costs, seed=1):
    n_draw = costs.scale.shape[0]
    rng = np.random.default_rng(seed)
    level = costs.growth[0, :, 0]
    observed = np.stack([2.5e6 * level, 7e8 * level], axis=1) * rng.uniform(0.9, 1.1, (n_draw, 2))
    return Aim(
        weights,
        np.zeros((n_draw, 2)),
        observed,
        weight=np.array([20.0, 20.0]),
        prior=np.zeros(len(CONSTANTS)),
        prior_sd=np.array([2.0, 0.5, 1.0, 1.0, 1.0, 1.0]),
        ridge=1e-3,
        ports=use(),
    )


def test_slopes_are_those_of_small_steps():
    demand, rows, costs, weights = drawn()
    made, memory = Compact.of(rows, demand), Memory(Compact.of(rows, demand).tree)
    prices, flow = prices_of(costs, ALL, BASE), case_flow(Compact.of(rows, demand), demand, costs, ALL, BASE)
    has = np.add.reduceat(weights != 0, made.tree.port_start[:-1], axis=0) > 0
    port, margin = np.nonzero(has)
    start, index = np.searchsorted(port, np.arange(has.shape[0] + 1)).astype(np.int32), margin.astype(np.int32)
    weight = np.empty((index.size, LANES))

    def at(constants):
        memory.collapse(made, prices, made.price, np.zeros(rows.demand.size))
        kernels.weigh(made.tree.port_start, start, index, weights, memory.share[0], weight)
        memory.choose(made, prices, constants[:6], constants[6:])
        _, ports, groups, nests = memory.share
        total, slope = np.zeros((4, LANES)), np.zeros((4, 8, LANES))
        kernels.slopes(made.tree, Weights(start, index, weight), prices, flow, nests, groups, ports, total, slope)
        return total, slope

    rng = np.random.default_rng(2)
    theta, toward = rng.normal(0, 0.5, (2, 8, LANES))
    total, slope = at(theta)
    problem_of = choice_problem(rows, demand, costs, 0, weights, np.zeros((LANES, 2)), ports=np.ascontiguousarray(theta[6:].T))
    margins, by_mode = problem_of.margins(np.ascontiguousarray(theta[:6].T))
    np.testing.assert_allclose(total[:2].T, margins, rtol=1e-12)
    np.testing.assert_allclose(slope[:2, :6].transpose(2, 0, 1), by_mode, rtol=1e-9, atol=1e-3)
    joined = np.ascontiguousarray(theta.T)
    flows = flow_at_cost(rows, demand, costs, row_costs(rows, costs, slice(None), 0), joined, slice(None), 0)
    np.testing.assert_allclose(total[2:].T, use().totals(rows, demand, flows), rtol=1e-12)
    step = 1e-5
    numeric = (at(theta + step * toward)[0] - at(theta - step * toward)[0]) / (2 * step)
    exact = np.einsum("ayk,yk->ak", slope, toward)
    np.testing.assert_allclose(numeric, exact, rtol=1e-6, atol=1e-8 * np.abs(exact).max())
    assert np.abs(exact).min() > 0


@pytest.mark.parametrize("rows_of_a_block", [1, 7, 10**6])
def test_blocks_give_the_bytes_of_whole_levels(rows_of_a_block):
    demand, rows, costs, _ = drawn()
    made, rng = Compact.of(rows, demand, rows_of_a_block=rows_of_a_block), np.random.default_rng(5)
    blocks, memory = made.blocks, Memory(made.tree)
    assert blocks.case[0] == 0
    assert [int(x[-1]) for x in blocks] == [made.demand.size, *(int(x[-1]) for x in made.tree[6:2:-1])]
    assert (blocks.case.size > 2) == (rows_of_a_block < 10)
    prices, flow = prices_of(costs, ALL, BASE), case_flow(made, demand, costs, ALL, BASE)
    at, saved = Constants.of(rng.normal(0, 0.5, (8, LANES)), 6), rng.uniform(0, 1, rows.demand.size)
    whole, found = np.zeros((2, 1, made.n_measure, LANES))
    memory.collapse(made, prices, made.price, saved)
    utility = memory.utility[1].copy()
    memory.choose(made, prices, at.modes, at.ports)
    _row, port, group, nest = memory.share
    memory.carry(made, flow, whole)
    np.testing.assert_allclose(whole[0], rows.measure.T @ memory.utility[0], rtol=1e-12)
    carry_blocks(made.tree, blocks, made.counts, prices, made.price, saved, at, flow, room_of(blocks), found)
    np.testing.assert_array_equal(found, whole)
    assert whole.any()
    start = np.arange(made.tree.port.size + 1, dtype=np.int32)
    own = Weights(start, np.zeros(start.size - 1, np.int32), rng.uniform(0, 1, (start.size - 1, LANES)))
    sums, steep = np.zeros((2, 4, LANES)), np.zeros((2, 4, 8, LANES))
    kernels.slopes(made.tree, own, prices, flow, nest, group, port, sums[0], steep[0])
    slope_blocks(made.tree, blocks, own, prices, at, utility, flow, room_of(blocks), sums[1], steep[1])
    np.testing.assert_array_equal(sums[1], sums[0])
    np.testing.assert_array_equal(steep[1], steep[0])
    assert steep.any()


def test_nearly_all_draws_settle_even_in_narrow_valleys():
    settled = []
    for seed in range(60):
        demand, rows, costs, weights = drawn(3, seed)
        aim = aimed(demand, weights, costs, seed)
        settled.append(fit_draws(Compact.of(rows, demand), demand, costs, 0, aim, start=np.zeros(8), draws=[0, 1, 2]).settled)
    assert np.mean(settled) > 0.97


@settings(max_examples=10)
@given(st.integers(0, 10_000))
def test_modes_and_ports_are_each_at_their_best_with_the_other_held(seed):
    demand, rows, costs, weights = drawn(3, seed)
    aim = aimed(demand, weights, costs, seed)
    found = fit_draws(Compact.of(rows, demand), demand, costs, 0, aim, start=np.zeros(8), draws=[0, 1, 2])
    assume(found.settled.all())  # how many do is another test
    modes, ports = found.constants[:, :6], found.constants[:, 6:]
    margins, slope = choice_problem(rows, demand, costs, 0, weights, aim.fixed, ports=ports).margins(modes)
    np.testing.assert_allclose(found.margins, margins, rtol=1e-8)
    left = aim.weight * (margins - aim.observed) / aim.observed
    steep = (aim.weight / aim.observed)[:, :, None] * slope
    pull = aim.ridge * (modes - aim.prior) / aim.prior_sd**2
    gradient = np.einsum("dmk,dm->dk", steep, left) + pull
    assert np.abs(gradient).max() < 1e-7 * max(1.0, np.abs(steep).max() * np.abs(left).max())
    cost = row_costs(rows, costs, slice(None), 0)

    def flows(trial):
        joined = np.concatenate([modes, trial], axis=1)
        return aim.ports.totals(rows, demand, flow_at_cost(rows, demand, costs, cost, joined, slice(None), 0))

    through = flows(ports)
    np.testing.assert_allclose(through / through.sum(axis=1, keepdims=True), np.tile(aim.ports.share, (3, 1)), rtol=1e-8)
    np.testing.assert_array_equal(fit_ports(aim.ports, flows, ports, costs.port_scale[:, 0]), ports)


def test_a_fit_has_the_same_bytes_whatever_draws_wait_for_a_lane():
    demand, rows, costs, weights = drawn(2 * LANES + 3)
    aim, made = aimed(demand, weights, costs), Compact.of(rows, demand)
    together = fit_draws(made, demand, costs, 0, aim, start=np.zeros(8), draws=range(2 * LANES + 3))
    assert np.ptp(together.evaluations) > 0
    for draws in ([0], [LANES + 2, 3], [2 * LANES + 2]):
        alone = fit_draws(made, demand, costs, 0, aim, start=np.zeros(8), draws=draws)
        np.testing.assert_array_equal(alone.constants, together.constants[draws])
        np.testing.assert_array_equal(alone.margins, together.margins[draws])


def test_a_margin_far_out_of_reach_is_told_and_spares_the_draws_beside_it():
    demand, rows, costs, weights = drawn(2)
    aim, made = aimed(demand, weights, costs), Compact.of(rows, demand)
    far = replace(aim, observed=aim.observed * np.array([[40.0, 1.0], [1.0, 1.0]]))
    found = fit_draws(made, demand, costs, 0, far, start=np.zeros(8), draws=[0, 1])
    assert found.settled.tolist() == [False, True]
    assert found.margins[0, 0] > 1.5 * found.margins[1, 0]
    assert np.isfinite(found.constants).all()
    alone = fit_draws(made, demand, costs, 0, aim, start=np.zeros(8), draws=[1])
    np.testing.assert_array_equal(found.constants[1], alone.constants[0])
