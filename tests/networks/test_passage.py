"""Shares of flow over chosen arcs: by hand, against every path written out, and their sum against the flow of the arc."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from networks.bush import AssignmentError, FlowProblem, FlowSolution, od_average, solve_flows
from networks.delays import DelayArrays
from networks.passage import od_passage


def problem(
    arcs: list[tuple[float, ...]], n: int, origins: list[int], ends: list[int] | None = None, classes: int = 1
) -> FlowProblem:
    """Arcs are (tail, head, t0, capacity); the delay is t0 (1 + flow / capacity), or t0 where the capacity is infinite."""
    table = np.array(sorted(arcs), dtype=np.float64)
    tail, head = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    free = np.isinf(table[:, 3])
    delay = DelayArrays.build(table[:, 2], np.where(free, 1.0, table[:, 3]), np.where(free, 0.0, 1.0), np.ones(len(arcs)))
    fixed = np.arange(classes)[:, None] * 0.1 * (1 + np.arange(len(arcs)) % 3)
    return FlowProblem(
        indptr=np.searchsorted(tail, np.arange(n + 1)).astype(np.int64),
        head=head,
        tail=tail,
        delay=delay,
        fixed_cost=fixed,
        pcu=np.ones(classes),
        origins=np.array(origins, dtype=np.int64),
        destinations=np.array(origins if ends is None else ends, dtype=np.int64),
        passable=np.ones(n, dtype=np.bool_),
    )


def marked(arcs: FlowProblem, *pairs: tuple[int, int]) -> np.ndarray:
    return np.array([(int(a), int(b)) in pairs for a, b in zip(arcs.tail, arcs.head, strict=True)])


def test_two_routes_split_by_hand() -> None:
    # 10 (1 + x / 10) over vertex 1 against 15 (1 + (20 - x) / 10) over vertex 2: x = 14
    inf = float("inf")
    arcs = problem([(0, 1, 10.0, 10.0), (1, 3, 0.0, inf), (0, 2, 15.0, 10.0), (2, 3, 0.0, inf)], 4, [0, 3])
    found = solve_flows(arcs, np.array([[[0.0, 20.0], [0.0, 0.0]]]), gap=1e-14)
    assert od_passage(arcs, found, marked(arcs, (0, 1)))[0, 0, 1] == pytest.approx(0.7, rel=1e-12)
    assert od_passage(arcs, found, marked(arcs, (2, 3)))[0, 0, 1] == pytest.approx(0.3, rel=1e-12)
    # two arcs of one path count once, arcs of both paths catch everything
    assert od_passage(arcs, found, marked(arcs, (0, 1), (1, 3)))[0, 0, 1] == pytest.approx(0.7, rel=1e-12)
    assert od_passage(arcs, found, marked(arcs, (0, 1), (2, 3)))[0, 0, 1] == pytest.approx(1.0, rel=1e-12)
    assert od_average(arcs, found, marked(arcs, (0, 1), (1, 3)).astype(float))[0, 0, 0, 1] == pytest.approx(1.4, rel=1e-12)


def test_a_pair_without_demand_takes_the_cheapest_path_and_one_without_a_path_nothing() -> None:
    inf = float("inf")
    arcs = problem([(0, 1, 2.0, inf), (0, 2, 3.0, inf), (2, 1, 2.0, inf)], 3, [0, 1])
    found = solve_flows(arcs, np.zeros((1, 2, 2)))
    np.testing.assert_array_equal(od_passage(arcs, found, marked(arcs, (0, 1)))[0], [[0.0, 1.0], [0.0, 0.0]])
    np.testing.assert_array_equal(od_passage(arcs, found, marked(arcs, (2, 1)))[0], np.zeros((2, 2)))


def congested(seed: int, classes: int = 2) -> tuple[FlowProblem, np.ndarray, FlowSolution]:
    """Return a random street grid with congestion, its demand and its equilibrium."""
    rng = np.random.default_rng(seed)
    side, zones = 4, 5
    arcs: list[tuple[float, ...]] = []
    for i in range(side * side):
        for j in (i + 1, i + side):
            if j < side * side and (j % side or j == i + side):
                arcs += [(a, b, rng.uniform(1, 4), rng.uniform(40, 90)) for a, b in ((i, j), (j, i))]
    n = side * side
    for z in range(zones):
        town = int(rng.integers(n))
        arcs += [(n + z, town, 0.1, np.inf), (town, n + zones + z, 0.1, np.inf)]
    made = problem(arcs, n + 2 * zones, list(range(n, n + zones)), list(range(n + zones, n + 2 * zones)), classes)
    demand = rng.exponential(20.0, (classes, zones, zones)) * (rng.random((classes, zones, zones)) < 0.8)
    demand *= 1 - np.eye(zones)
    return made, demand, solve_flows(made, demand, gap=1e-8)


@given(seed=st.integers(0, 10_000), arc=st.integers(0, 10_000))
def test_shares_of_one_arc_add_up_to_its_flow(seed: int, arc: int) -> None:
    arcs, demand, found = congested(seed)
    chosen = np.zeros(arcs.head.size, dtype=np.bool_)
    chosen[arc % chosen.size] = True
    share = od_passage(arcs, found, chosen)
    assert bool(((share >= 0) & (share <= 1)).all())
    np.testing.assert_allclose((demand * share).sum(axis=(1, 2)), found.flow[:, chosen][:, 0], rtol=1e-9, atol=1e-9)
    # one arc is used at most once, so the share is the expected number of uses
    np.testing.assert_allclose(share, od_average(arcs, found, chosen.astype(np.float64))[:, 0], rtol=1e-12, atol=1e-15)


def listed(arcs: FlowProblem, found: FlowSolution, row: int, chosen: np.ndarray) -> np.ndarray:
    """Return the share by zone from every path of the bush of a row written out, with the product of its splits."""
    order = np.argsort(arcs.head, kind="stable")
    flow = found.state.flow[row]
    into: dict[int, list[tuple[int, float, bool]]] = {}
    for k, arc in enumerate(order):
        if flow[k] > 0:
            into.setdefault(int(arcs.head[arc]), []).append((int(arcs.tail[arc]), float(flow[k]), bool(chosen[arc])))
    root = int(arcs.origins[row % arcs.origins.size])

    def paths(vertex: int, weight: float, used: bool) -> float:
        if vertex == root:
            return weight * used
        whole = sum(x for _, x, _ in into[vertex])
        return sum(paths(tail, weight * x / whole, used or mark) for tail, x, mark in into[vertex])

    return np.array([paths(int(v), 1.0, False) if int(v) in into else 0.0 for v in arcs.destinations])


@given(seed=st.integers(0, 10_000), many=st.integers(1, 30))
def test_shares_of_many_arcs_are_those_of_all_paths_written_out(seed: int, many: int) -> None:
    arcs, demand, found = congested(seed)
    chosen = np.zeros(arcs.head.size, dtype=np.bool_)
    chosen[np.random.default_rng(seed).choice(chosen.size, many, replace=False)] = True
    share = od_passage(arcs, found, chosen).reshape(-1, arcs.origins.size)
    trips = demand.reshape(share.shape)
    for row in range(share.shape[0]):
        np.testing.assert_allclose(
            (share[row] * trips[row]), listed(arcs, found, row, chosen) * trips[row], rtol=1e-9, atol=1e-12
        )


@given(seed=st.integers(0, 10_000))
def test_more_arcs_never_catch_less(seed: int) -> None:
    arcs, _, found = congested(seed, classes=1)
    rng = np.random.default_rng(seed)
    few = rng.random(arcs.head.size) < 0.1
    more = few | (rng.random(arcs.head.size) < 0.1)
    assert bool((od_passage(arcs, found, more) >= od_passage(arcs, found, few) - 1e-12).all())
    off = ~np.eye(arcs.origins.size, dtype=np.bool_)
    np.testing.assert_allclose(od_passage(arcs, found, np.ones_like(few))[0][off], 1.0, rtol=1e-12)


@pytest.mark.parametrize("chosen", [np.zeros(3, dtype=np.bool_), np.zeros(4)])
def test_marks_that_do_not_fit_are_refused(chosen: np.ndarray) -> None:
    inf = float("inf")
    arcs = problem([(0, 1, 1.0, inf), (1, 0, 1.0, inf), (1, 2, 1.0, inf), (2, 1, 1.0, inf)], 3, [0, 2])
    found = solve_flows(replace(arcs), np.zeros((1, 2, 2)))
    with pytest.raises(AssignmentError, match=r"shape \(4,\)"):
        od_passage(arcs, found, chosen)
