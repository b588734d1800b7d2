from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from networks.bush import (
    AssignmentError,
    FlowProblem,
    _Work,
    beckmann,
    check_problem,
    od_average,
    relative_gap,
    solve_flows,
    system_costs,
)
from networks.bush_kernels import ABSENT
from networks.bush_sweeps import GROUP, MEASURED, go_on, sweep, update_bush
from networks.delays import DelayArrays, delay_value


def problem(arcs, n, zones, *, ends=None, passable=None, fixed=None, pcu=(1.0,), **names):
    """Arcs are (tail, head, t0, capacity, b, power[, preload])."""
    arcs = sorted(arcs, key=lambda a: a[0])
    table = np.array([(*a, 0.0)[:7] for a in arcs], dtype=float)
    tail, head = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    delay = DelayArrays.build(table[:, 2], table[:, 3], table[:, 4], table[:, 5], preload=table[:, 6])
    return FlowProblem(
        indptr=np.searchsorted(tail, np.arange(n + 1)).astype(np.int64),
        head=head,
        tail=tail,
        delay=delay,
        fixed_cost=np.zeros((len(pcu), tail.size)) if fixed is None else np.asarray(fixed, dtype=float),
        pcu=np.array(pcu, dtype=float),
        origins=np.array(zones, dtype=np.int64),
        destinations=np.array(zones if ends is None else ends, dtype=np.int64),
        passable=np.ones(n, dtype=np.bool_) if passable is None else np.array(passable),
        **names,
    )


def grid(seed=3, side=6, zones=10, classes=1, load=60.0):
    """A random street grid with split zones that cannot be passed, two classes at most, congested."""
    rng = np.random.default_rng(seed)
    arcs = []
    for i in range(side * side):
        for j in (i + 1, i + side):
            if j < side * side and (j % side or j == i + side):
                for a, b in ((i, j), (j, i)):
                    arcs.append((a, b, rng.uniform(1, 4), rng.uniform(60, 200), 0.15, rng.choice([1.0, 4.0, 5.7])))
    base = side * side
    for z in range(zones):
        for town in rng.choice(side * side, 2, replace=False):
            arcs += [(base + z, int(town), 0.0, 1.0, 0.0, 0.0), (int(town), base + zones + z, 0.5, 1.0, 0.0, 0.0)]
    n = base + 2 * zones
    fixed = rng.uniform(0, 1, (classes, len(arcs))) * np.arange(classes)[:, None]
    made = problem(
        arcs,
        n,
        list(range(base, base + zones)),
        ends=list(range(base + zones, n)),
        passable=np.arange(n) < base,
        fixed=fixed,
        pcu=(1.0, 2.5)[:classes],
    )
    return made, rng.exponential(load, (classes, zones, zones)) * (rng.random((classes, zones, zones)) < 0.8)


def two_routes(**changes):
    return problem([(0, 1, 10.0, 10.0, 1.0, 1.0), (0, 1, 15.0, 10.0, 1.0, 1.0)], 2, [0, 1], **changes)


def test_two_routes_by_hand():
    # 10 + x = 15 + 1.5 (20 - x)  ->  x = 14, cost 24
    found = solve_flows(two_routes(), np.array([[[0.0, 20.0], [0.0, 0.0]]]), gap=1e-14)
    np.testing.assert_allclose(found.flow, [[14.0, 6.0]], rtol=1e-12)
    np.testing.assert_allclose(found.cost, [[24.0, 24.0]], rtol=1e-12)
    assert found.od_cost[0, 0, 1] == pytest.approx(24.0)
    assert found.od_cost[0, 1, 0] == np.inf
    assert beckmann(two_routes(), found.flow) == pytest.approx(10 * 14 + 14**2 / 2 + 15 * 6 + 1.5 * 6**2 / 2)


def test_two_classes_by_hand():
    # trucks (2 pcu) pay 100 on the first arc and take the second; 20 cars: 10 + x = 15 + 1.5 (20 - x + 2 * 2)  ->  x = 16.4
    arcs = two_routes(fixed=[[0.0, 0.0], [100.0, 0.0]], pcu=(1.0, 2.0))
    demand = np.zeros((2, 2, 2))
    demand[:, 0, 1] = 20.0, 2.0
    found = solve_flows(arcs, demand, gap=1e-14)
    np.testing.assert_allclose(found.flow, [[16.4, 3.6], [0.0, 2.0]], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.cost, [[26.4, 26.4], [126.4, 26.4]], rtol=1e-12)


def test_preload_acts_like_flow():
    arcs = problem([(0, 1, 10.0, 10.0, 1.0, 1.0, 5.0), (0, 1, 15.0, 10.0, 1.0, 1.0)], 2, [0, 1])
    # 10 + 5 + x = 15 + 1.5 (20 - x)  ->  x = 12
    found = solve_flows(arcs, np.array([[[0.0, 20.0], [0.0, 0.0]]]), gap=1e-14)
    np.testing.assert_allclose(found.flow, [[12.0, 8.0]], rtol=1e-12)


def test_the_gap_agrees_with_scipy():
    arcs, demand = grid(classes=2)
    found = solve_flows(arcs, demand, gap=1e-3)
    volume = arcs.pcu @ found.flow
    total, least = 0.0, 0.0
    for k in range(2):
        cost = delay_value(arcs.delay, volume) + arcs.fixed_cost[k]
        total += arcs.pcu[k] * float(found.flow[k] @ cost)
        # parallel arcs: the cheapest; scipy takes a stored zero for no arc
        best = {}
        for tail, head, value in zip(arcs.tail, arcs.head, cost, strict=True):
            best[tail, head] = min(best.get((tail, head), np.inf), max(value, 1e-13))
        rows, columns = np.array(list(best)).T
        n = arcs.passable.size
        skims = dijkstra(coo_array((list(best.values()), (rows, columns)), shape=(n, n)).tocsr(), indices=arcs.origins)
        trips = demand[k] * (1 - np.eye(demand.shape[1]))
        least += arcs.pcu[k] * float((trips * np.where(trips > 0, skims[:, arcs.destinations], 0.0)).sum())
    assert system_costs(arcs, found.flow, demand) == pytest.approx((total, least), rel=1e-12)
    assert relative_gap(arcs, found.flow, demand) == pytest.approx((total - least) / total, rel=1e-6)
    assert found.relative_gap <= 1e-3


def test_without_congestion_the_flows_are_the_least_cost_flows():
    arcs, demand = grid(load=5.0)
    flat = replace(arcs, delay=DelayArrays.build(arcs.delay.t0 + 0.1, np.ones(arcs.head.size), form="constant"))
    found = solve_flows(flat, demand, gap=1e-12)
    trips = demand[0] * (1 - np.eye(demand.shape[1]))
    n, m, zones = arcs.passable.size, arcs.head.size, arcs.origins.size
    balance = coo_array(
        (np.repeat([1.0, -1.0], m), (np.concatenate([arcs.tail, arcs.head]), np.tile(np.arange(m), 2))), shape=(n, m)
    ).tocsr()
    cost = 0.0
    for z in range(zones):
        supply = np.zeros(n)
        supply[arcs.origins[z]] += trips[z].sum()
        np.add.at(supply, arcs.destinations, -trips[z])
        cost += linprog(flat.delay.t0, A_eq=balance, b_eq=supply).fun
    assert float(found.flow[0] @ found.cost[0]) == pytest.approx(cost, rel=1e-9)


@pytest.mark.parametrize("classes", [1, 2])
def test_a_congested_grid_reaches_a_tiny_gap_and_balances(classes):
    arcs, demand = grid(classes=classes)
    found = solve_flows(arcs, demand, gap=1e-12)
    assert found.relative_gap <= 1e-12
    assert (found.flow >= 0).all()
    trips = demand * (1 - np.eye(demand.shape[1]))
    for k in range(classes):
        net = np.zeros(arcs.passable.size)
        np.add.at(net, arcs.tail, found.flow[k])
        np.add.at(net, arcs.head, -found.flow[k])
        np.add.at(net, arcs.origins, -trips[k].sum(axis=1))
        np.add.at(net, arcs.destinations, trips[k].sum(axis=0))
        assert np.abs(net).max() <= 1e-11 * trips.sum()


def test_averages_over_used_paths_add_up_to_the_flows():
    arcs, demand = grid(classes=2)
    demand[1, 3] = 0.0
    found = solve_flows(arcs, demand, gap=1e-10)
    rng = np.random.default_rng(1)
    values = rng.uniform(0, 5, (3, arcs.head.size))
    mean = od_average(arcs, found, values)
    assert mean.shape == (2, 3, *demand.shape[1:])
    trips = demand * (1 - np.eye(demand.shape[1]))
    np.testing.assert_allclose(np.einsum("kij,knij->kn", trips, mean), found.flow @ values.T, rtol=1e-12)
    # the cost of used paths averages to the least cost of the pair
    for k in range(2):
        paid = od_average(arcs, found, found.cost[k])[k, 0]
        off = ~np.eye(demand.shape[1], dtype=bool)
        np.testing.assert_allclose(paid[off], found.od_cost[k][off], rtol=1e-6)


def test_averages_are_zero_without_a_path_and_use_the_free_route_without_demand():
    arcs = problem([(0, 1, 2.0, 1.0, 0.0, 0.0), (0, 1, 1.0, 1.0, 0.0, 0.0)], 2, [0, 1])
    found = solve_flows(arcs, np.zeros((1, 2, 2)))
    mean = od_average(arcs, found, np.array([[10.0, 7.0]]))
    np.testing.assert_array_equal(mean[0, 0], [[0.0, 7.0], [0.0, 0.0]])
    assert found.relative_gap == 0.0


@pytest.mark.parametrize("factor", [1.0, 1.3, 0.2])
def test_a_warm_start_ends_where_a_cold_one_does(factor):
    arcs, demand = grid(classes=2, load=25.0)
    base = solve_flows(arcs, demand, gap=1e-12)
    held = base.state.flow.copy()
    other = demand * factor
    other[0, 2], other[1, :, 5] = 0.0, 0.0
    other[0, 7, 1:] += 50.0
    cold, warm = (solve_flows(arcs, other, gap=1e-12, state=state) for state in (None, base.state))
    np.testing.assert_allclose(arcs.pcu @ warm.flow, arcs.pcu @ cold.flow, rtol=1e-5, atol=1e-4 * demand.sum() / demand.size)
    assert beckmann(arcs, warm.flow) == pytest.approx(beckmann(arcs, cold.flow), rel=1e-12)
    np.testing.assert_array_equal(base.state.flow, held)
    assert not base.state.flow.flags.writeable


def test_a_warm_start_of_the_same_problem_needs_no_iteration():
    arcs, demand = grid()
    base = solve_flows(arcs, demand, gap=1e-8)
    assert solve_flows(arcs, demand, gap=2e-8, state=base.state).iterations == 0


def test_a_warm_start_survives_closed_and_opened_arcs():
    arcs, demand = grid()
    closed = arcs.fixed_cost.copy()
    closed[0, np.flatnonzero(arcs.head < 36)[:4]] = np.inf
    shut = replace(arcs, fixed_cost=closed)
    one = solve_flows(arcs, demand, gap=1e-12)
    two = solve_flows(shut, demand, gap=1e-12, state=one.state)
    assert two.flow[~np.isfinite(closed)].sum() == 0.0
    assert beckmann(shut, two.flow) == pytest.approx(beckmann(shut, solve_flows(shut, demand, gap=1e-12).flow), rel=1e-11)
    back = solve_flows(arcs, demand, gap=1e-12, state=two.state)
    assert beckmann(arcs, back.flow) == pytest.approx(beckmann(arcs, one.flow), rel=1e-11)


def test_a_warm_start_finds_vertices_that_an_opened_arc_reaches():
    legs = [(0, 1, 9.0, 1.0, 0.0, 0.0), (0, 2, 1.0, 1.0, 0.0, 0.0), (2, 1, 1.0, 1.0, 0.0, 0.0)]
    demand = np.array([[[0.0, 5.0], [0.0, 0.0]]])
    shut = problem(legs, 3, [0, 1], fixed=[[0.0, np.inf, 0.0]])
    base = solve_flows(shut, demand)
    np.testing.assert_array_equal(base.flow, [[5.0, 0.0, 0.0]])
    np.testing.assert_array_equal(solve_flows(problem(legs, 3, [0, 1]), demand, state=base.state).flow, [[0.0, 5.0, 5.0]])


def test_threads_give_the_same_bytes():
    arcs, demand = grid(classes=2, load=20.0)
    base = solve_flows(arcs, demand, gap=1e-6)
    demands = [demand * factor for factor in (0.5, 0.8, 1.0, 1.2, 1.4, 1.6)]

    def run(table):
        return solve_flows(arcs, table, gap=1e-8, state=base.state).flow.tobytes()

    alone = [run(table) for table in demands]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(run, demands)) == alone


def test_flow_that_seeps_between_classes_does_not_stall():
    # classes with different fixed costs compete for the same bottlenecks far above capacity: single sweeps move ever the same small amount
    arcs, demand = grid(classes=2)
    demand[0, 7, 1:] += 50.0
    assert solve_flows(arcs, demand, gap=1e-9, max_iterations=150).relative_gap <= 1e-9


# --- going on in the direction of the last sweeps


class Sweeps:
    """Bushes after a few updates, swept by hand, so that a step along the last move can be looked at by itself."""

    def __init__(self, arcs, demand, updates=5):
        self.arcs, self.work = arcs, _Work.build(arcs, check_problem(arcs, demand))
        self.work.begin(np.ones(self.work.task.total.size, dtype=np.bool_))
        self.memory = self.work.memory()
        self.used = np.flatnonzero(self.work.task.total > 0).tolist()
        self.zones = arcs.origins.size
        for _ in range(updates):
            for row in self.used:
                update_bush(*self._parts(row)[:4], self.work.task.fixed[row // self.zones], self.work.scratch)
                sweep(*self._parts(row), 0.0)

    def _parts(self, row):
        return self.work.arcs, self.work.load, self.work.rows, row, self.work.task, self.work.scratch

    def excess(self):
        """Sweep every bush once and return the excess cost found in them."""
        return sum(sweep(*self._parts(row), 0.0) for row in self.used)

    def group(self):
        """Sweep as an iteration does before it tries to go on."""
        for turn in range(GROUP):
            if turn == GROUP - MEASURED:
                self.memory.before[:] = self.work.rows.flow
            self.excess()

    def on(self):
        arcs, load, rows, _, task, scratch = self._parts(0)
        return go_on(arcs, load, rows, task, scratch, self.memory)

    def objective(self):
        return beckmann(self.arcs, self.work.flow())

    def unbalanced(self):
        """Return the largest gap between what flows into a vertex, out of it, and what begins and ends there, in any bush."""
        work, worst = self.work, 0.0
        for row in self.used:
            flow = np.maximum(work.rows.flow[row], 0.0)
            net = np.zeros(self.arcs.passable.size)
            np.add.at(net, work.arcs.head, flow)
            np.add.at(net, work.arcs.tail, -flow)
            np.add.at(net, work.task.ends, -work.task.demand[row])
            net[work.task.origins[row % self.zones]] += work.task.demand[row].sum()
            worst = max(worst, float(np.abs(net).max()))
        return worst


def seeping(seed, load):
    """Return a case in which classes with different fixed costs compete for the same bottlenecks."""
    arcs, demand = grid(seed, classes=2, load=load)
    demand[0, 7, 1:] += 50.0
    return arcs, demand


def test_going_on_takes_many_small_moves_at_once():
    plain, quick = Sweeps(*seeping(4, 25.0)), Sweeps(*seeping(4, 25.0))
    steps = []
    for _ in range(12):
        plain.group()
        quick.group()
        steps.append(quick.on())
    assert max(steps) >= 2.0  # several times the move of the last sweeps
    assert quick.objective() < plain.objective()
    assert quick.excess() < 0.2 * plain.excess()  # the same number of sweeps came much nearer to the equilibrium of the bushes


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), load=st.floats(1.0, 200.0), updates=st.integers(1, 5))
def test_going_on_keeps_the_demand_and_never_costs(seed, load, updates):
    state = Sweeps(*seeping(seed, load), updates=updates)
    limit = 1e-10 * state.work.task.demand.sum()
    for _ in range(6):
        state.group()
        flow, inside, objective = state.work.rows.flow.copy(), state.work.rows.flow >= 0.0, state.objective()
        step = state.on()
        after = state.work.rows.flow
        assert step >= 0.0
        if step == 0.0:
            np.testing.assert_array_equal(after, flow)
        np.testing.assert_array_equal(after >= 0.0, inside)  # no arc joins or leaves a bush
        assert ((after >= 0.0) | (after == ABSENT)).all()
        assert not after[inside & (flow == 0.0) & (state.memory.before == 0.0)].any()  # and an arc that stayed empty stays so
        assert state.unbalanced() <= limit
        assert state.objective() <= objective * (1 + 1e-12)
        volume = state.arcs.pcu @ state.work.flow()
        np.testing.assert_allclose(state.work.load.volume, volume[state.work.order], rtol=1e-12, atol=limit)


def test_zero_cost_cycles_and_loops_do_no_harm():
    free = [(a, b, 0.0, 1.0, 0.0, 0.0) for a, b in ((0, 1), (1, 0), (1, 2), (2, 1), (2, 0), (0, 2), (1, 1))]
    arcs = problem([*free, (2, 3, 5.0, 10.0, 1.0, 1.0), (1, 3, 5.0, 10.0, 1.0, 1.0)], 4, [0, 3])
    found = solve_flows(arcs, np.array([[[0.0, 20.0], [0.0, 0.0]]]), gap=1e-13)
    last = found.flow[0, arcs.head == 3]
    np.testing.assert_allclose(last, [10.0, 10.0], rtol=1e-12)


def test_high_powers_and_absurd_loads_converge():
    legs = [(0, 1, 1.0 + k, 10.0 + k, 0.15, 16.8) for k in range(4)]
    arcs = problem(legs, 2, [0, 1])
    found = solve_flows(arcs, np.array([[[0.0, 5000.0], [0.0, 0.0]]]), gap=1e-12)
    np.testing.assert_allclose(found.cost[0], found.cost[0, 0], rtol=1e-10)


def test_a_zone_on_the_vertex_of_another_and_intrazonal_demand():
    arcs = problem([(0, 1, 1.0, 1.0, 0.0, 0.0)], 2, [0, 0, 1])
    demand = np.array([[[9.0, 3.0, 2.0], [0.0, 9.0, 1.0], [0.0, 0.0, 9.0]]])
    found = solve_flows(arcs, demand)
    np.testing.assert_array_equal(found.flow, [[3.0]])
    assert found.od_cost[0, 0, 1] == 0.0


def test_impassable_vertices_are_not_passed():
    legs = [(0, 1, 1.0, 1.0, 0.0, 0.0), (1, 2, 1.0, 1.0, 0.0, 0.0), (0, 3, 5.0, 1.0, 0.0, 0.0), (3, 2, 5.0, 1.0, 0.0, 0.0)]
    arcs = problem(legs, 4, [0, 1, 2], passable=[False, False, False, True])
    demand = np.zeros((1, 3, 3))
    demand[0, 0, 2], demand[0, 0, 1], demand[0, 1, 2] = 7.0, 2.0, 1.0
    found = solve_flows(arcs, demand)
    np.testing.assert_array_equal(found.flow, [[2.0, 7.0, 1.0, 7.0]])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), load=st.floats(0.1, 300.0), classes=st.sampled_from([1, 2]))
def test_any_grid_converges_to_the_lower_bound(seed, load, classes):
    arcs, demand = grid(seed, side=4, zones=4, classes=classes, load=load)
    found = solve_flows(arcs, demand, gap=1e-9)
    bound = max(step.lower_bound for step in found.record)
    assert beckmann(arcs, found.flow) >= bound * (1 - 1e-12)
    assert found.record[-1].objective - bound <= 1e-8 * found.record[-1].objective


def test_pairs_without_a_path_are_named():
    arcs = problem([(0, 1, 1.0, 1.0, 0.0, 0.0)], 3, [0, 1, 2], zone_names=("north", "mid", "south"))
    demand = np.ones((1, 3, 3))
    with pytest.raises(AssignmentError, match=r"no path for 5 pairs with demand: north -> south, mid -> north, .*; open a link"):
        solve_flows(arcs, demand)
    two = problem([(0, 1, 1.0, 1.0, 0.0, 0.0)], 2, [0, 1], fixed=[[0.0], [np.inf]], pcu=(1.0, 2.0), class_names=("car", "truck"))
    demand = np.zeros((2, 2, 2))
    demand[:, 0, 1] = 1.0
    with pytest.raises(AssignmentError, match=r"no path for 1 pairs with demand: 0 -> 1 \(truck\);"):
        solve_flows(two, demand)


def test_a_gap_that_is_not_reached_is_an_error_unless_allowed():
    arcs, demand = grid()
    with pytest.raises(AssignmentError, match=r"relative gap .* after 1 iterations, 1e-12 asked for"):
        solve_flows(arcs, demand, gap=1e-12, max_iterations=1)
    assert solve_flows(arcs, demand, gap=1e-12, max_iterations=1, strict=False).relative_gap > 1e-12


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fixed_cost": np.zeros((1, 3))}, r"fixed_cost has shape \(1, 3\); \(1, 2\) is needed"),
        ({"fixed_cost": np.array([[0.0, -1.0]])}, r"fixed_cost must not be negative or NaN .*\(0, 1\)"),
        ({"pcu": np.array([0.0])}, r"pcu must be positive"),
        ({"head": np.array([1, 5])}, r"head names a vertex outside 0..1"),
        ({"tail": np.array([1, 0])}, r"arcs must be sorted by tail"),
        ({"indptr": np.array([0, 1, 2])}, r"arcs must be sorted by tail"),
        ({"destinations": np.array([0])}, r"destinations has shape"),
    ],
)
def test_arrays_that_do_not_fit_are_named(changes, message):
    with pytest.raises(AssignmentError, match=message):
        solve_flows(replace(two_routes(), **changes), np.zeros((1, 2, 2)))


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_bad_demand_is_refused(value):
    demand = np.zeros((1, 2, 2))
    demand[0, 0, 1] = value
    with pytest.raises(AssignmentError, match=r"demand must be finite and not negative; the entry at \(0, 0, 1\)"):
        solve_flows(two_routes(), demand)


def test_a_state_of_another_problem_is_refused():
    arcs, demand = grid()
    state = solve_flows(arcs, demand, gap=1e-3).state
    with pytest.raises(AssignmentError, match="the warm start was made for other arcs"):
        solve_flows(two_routes(), np.zeros((1, 2, 2)), state=state)
