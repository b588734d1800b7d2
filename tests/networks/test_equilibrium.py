from __future__ import annotations

import random
from pathlib import Path

import networkx as nx
import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import networks
from networks import equilibrium
from networks.equilibrium import AssignmentError, TrafficClass, assign_equilibrium
from networks.tntp import parse_tntp

FIXTURES = Path(__file__).parent / "fixtures"
#: Published optimum of Sioux Falls.
SIOUX_FALLS_OBJECTIVE = 4_231_335.28710744


def od_table(*rows, names=("origin", "destination", "demand")):
    return pl.DataFrame(list(rows), schema=list(names), orient="row")


def net(*arcs, **attributes):
    """Arcs are (tail, head, attributes)."""
    graph = nx.MultiDiGraph(**attributes)
    for number, (tail, head, data) in enumerate(arcs):
        graph.add_edge(tail, head, link_id=f"L{number}", **data)
    return graph


def linear(t0, slope):
    """Time t0 + slope x flow."""
    if slope == 0:
        return {"free_flow_time": t0, "b": 0.0}
    return {"free_flow_time": t0, "capacity": t0 / slope, "b": 1.0, "power": 1.0}


def flow_of(found, link="flow"):
    return dict(zip(found.flows["link_id"], found.flows[link], strict=True))


@pytest.fixture(scope="module")
def sioux_falls():
    return parse_tntp(*((FIXTURES / f"siouxfalls_{part}.tntp").read_text(encoding="utf-8") for part in ("net", "trips")))


def test_sioux_falls_meets_the_published_equilibrium(sioux_falls):
    found = assign_equilibrium(*sioux_falls, gap=1e-12)
    last = found.convergence.row(-1, named=True)
    assert last["relative_gap"] <= 1e-12
    assert last["objective"] == pytest.approx(SIOUX_FALLS_OBJECTIVE, rel=1e-12)
    published = pl.read_csv(FIXTURES / "siouxfalls_flow.tntp", separator="\t")
    both = found.flows.join(published, left_on=["from_node", "to_node"], right_on=["From", "To"], maintain_order="left")
    assert both.height == 76
    np.testing.assert_allclose(both["flow"], both["Volume"], atol=1e-4)
    np.testing.assert_allclose(both["cost"], both["Cost"], rtol=1e-9)
    assert found.checks["passed"].all()
    assert found.flows["link_id"].to_list() == list(range(1, 77))


def test_the_order_in_which_a_graph_was_built_does_not_matter(sioux_falls):
    graph, od = sioux_falls
    edges = list(graph.edges(keys=True, data=True))
    random.Random(5).shuffle(edges)
    other = nx.MultiDiGraph(**graph.graph)
    for tail, head, key, data in edges:
        other.add_edge(tail, head, key=key, **data)
    first, second = (assign_equilibrium(g, t) for g, t in ((graph, od), (other, od.sample(fraction=1.0, shuffle=True, seed=1))))
    assert first.flows.equals(second.flows)


def test_a_warm_start_ends_at_the_same_flows(sioux_falls):
    graph, od = sioux_falls
    base = assign_equilibrium(graph, od)
    more = od.with_columns(pl.col("demand") * 1.1)
    cold = assign_equilibrium(graph, more, gap=1e-13)
    warm = assign_equilibrium(graph, more, gap=1e-13, warm_start=base)
    np.testing.assert_allclose(warm.flows["flow"], cold.flows["flow"], atol=1e-3)
    assert warm.convergence["relative_gap"][0] < cold.convergence["relative_gap"][0]


def test_braess_adding_a_link_makes_everyone_slower():
    def braess(*, bridge):
        arcs = [(1, 2, linear(1e-9, 10)), (1, 3, linear(50, 1)), (2, 4, linear(50, 1)), (3, 4, linear(1e-9, 10))]
        return net(*arcs, *([(2, 3, linear(10, 1))] if bridge else []))

    od = od_table((1, 4, 6.0))
    without = assign_equilibrium(braess(bridge=False), od, gap=1e-13)
    np.testing.assert_allclose(without.flows["flow"], [3.0] * 4, rtol=1e-9)
    np.testing.assert_allclose(without.flows["cost"], [30.0, 53.0, 53.0, 30.0], rtol=1e-9)
    with_it = assign_equilibrium(braess(bridge=True), od, gap=1e-13)
    assert flow_of(with_it) == pytest.approx({"L0": 4.0, "L1": 2.0, "L2": 2.0, "L3": 4.0, "L4": 2.0}, rel=1e-8)
    cost = flow_of(with_it, "cost")
    assert cost["L0"] + cost["L2"] == pytest.approx(92.0)  # 83 without the link
    # the objective falls all the same
    assert with_it.convergence["objective"][-1] < without.convergence["objective"][-1]


def test_two_classes_by_hand_with_values_of_time_tolls_and_bans():
    # the fast arc 0: 10 + v, toll 6; the slow arc 1: 20 + v; arc 2 is closed to trucks and takes 40
    graph = net((1, 2, linear(10, 1) | {"toll": 6.0}), (1, 2, linear(20, 1)), (1, 2, linear(30, 0)))
    kinds = [
        TrafficClass("car", toll_weight=1.0),
        TrafficClass("truck", pcu=2.0, toll_weight=1.0, time_weight=3.0, banned=frozenset({"L2"})),
    ]
    od = od_table((1, 2, 4.0, "car"), (1, 2, 5.0, "truck"), names=("origin", "destination", "demand", "class"))
    found = assign_equilibrium(graph, od, classes=kinds, gap=1e-13)
    # trucks weigh 6 of toll as 2 of time: 12 + v0 against 20 + v1; cars 16 + v0 against 20 + v1, so cars are on arc 1 (4 pcu) and
    # 10 truck pcu split: 12 + t = 20 + 4 + (10 - t) -> t = 11 > 10: all trucks on arc 0; cars: 26 on arc 0, 24 on arc 1, 30 on arc 2
    assert flow_of(found, "flow_car") == pytest.approx({"L0": 0.0, "L1": 4.0, "L2": 0.0}, abs=1e-9)
    assert flow_of(found, "flow_truck") == pytest.approx({"L0": 5.0, "L1": 0.0, "L2": 0.0}, abs=1e-9)
    assert flow_of(found) == pytest.approx({"L0": 10.0, "L1": 4.0, "L2": 0.0}, abs=1e-9)
    assert flow_of(found, "cost") == pytest.approx({"L0": 20.0, "L1": 24.0, "L2": 30.0})
    assert flow_of(found, "cost_truck") == pytest.approx({"L0": 3 * 20.0 + 6, "L1": 3 * 24.0, "L2": np.inf})
    # delay integrals + toll in time x pcu flow
    assert found.convergence["objective"][-1] == pytest.approx(10 * 10 + 50 + 20 * 4 + 8 + 10 * 2)


def test_the_only_class_may_go_without_a_class_column():
    kinds = [TrafficClass("truck", pcu=2.0)]
    found = assign_equilibrium(net((1, 2, linear(10, 1))), od_table((1, 2, 3.0)), classes=kinds)
    assert found.flows.row(0) == ("L0", 1, 2, 6.0, 16.0)


@pytest.mark.parametrize("how", ["first_thru_node", "kind", "passable"])
def test_zones_are_not_travelled_through_although_it_would_be_cheaper(how):
    arcs = [(1, 2, linear(1, 0)), (2, 3, linear(1, 0)), (1, 4, linear(5, 0)), (4, 3, linear(5, 0))]
    graph = net(*arcs)
    od = od_table((1, 3, 10.0), (1, 2, 1.0), (2, 3, 2.0))
    through = assign_equilibrium(graph, od)
    assert flow_of(through) == {"L0": 11.0, "L1": 12.0, "L2": 0.0, "L3": 0.0}
    if how == "first_thru_node":
        graph.graph["first_thru_node"] = 4
    elif how == "kind":
        nx.set_node_attributes(graph, {1: "zone", 2: "zone", 3: "zone", 4: "town"}, "kind")
    else:
        nx.set_node_attributes(graph, {2: False}, "passable")
    found = assign_equilibrium(graph, od)
    assert flow_of(found) == {"L0": 1.0, "L1": 2.0, "L2": 10.0, "L3": 10.0}
    assert found.checks.filter(pl.col("check").str.starts_with("flow through zones"))["value"][0] == 0.0


def test_intrazonal_demand_stays_inside_and_is_accounted_for():
    found = assign_equilibrium(net((1, 2, linear(1, 1))), od_table((1, 1, 100.0), (1, 2, 4.0)))
    assert found.flows["flow"].to_list() == [4.0]
    assert found.checks["passed"].all()
    only = assign_equilibrium(net((1, 2, linear(1, 1))), od_table((1, 1, 100.0)))
    assert only.flows["flow"].to_list() == [0.0]


def test_rows_of_one_pair_add_up_and_defaults_are_bpr():
    graph = net((1, 2, {"free_flow_time": 10.0, "capacity": 4.0}))
    found = assign_equilibrium(graph, od_table((1, 2, 3.0), (1, 2, 1.0)))
    assert found.flows.row(0) == ("L0", 1, 2, 4.0, pytest.approx(11.5))


def test_forms_of_delay_by_call_and_by_arc():
    graph = net((1, 2, {"free_flow_time": 6.0, "capacity": 100.0, "b": 4.0}))
    assert assign_equilibrium(graph, od_table((1, 2, 100.0)), delay="conical").flows["cost"][0] == pytest.approx(12.0)
    graph = net((1, 2, {"free_flow_time": 6.0, "capacity": 100.0, "b": 0.3, "power": 0.95, "delay": "davidson"}))
    assert assign_equilibrium(graph, od_table((1, 2, 50.0))).flows["cost"][0] == pytest.approx(7.8)
    assert (
        assign_equilibrium(net((1, 2, {"free_flow_time": 6.0})), od_table((1, 2, 50.0)), delay="constant").flows["cost"][0] == 6.0
    )


def test_closed_links_preload_fixed_cost_and_length():
    graph = net(
        (1, 2, linear(1, 0) | {"closed": True}),
        (1, 2, linear(10, 1) | {"preload": 5.0}),
        (1, 2, linear(10, 1) | {"fixed_cost": 2.0, "length": 3.0}),
    )
    found = assign_equilibrium(graph, od_table((1, 2, 10.0)), classes=[TrafficClass("all", length_weight=1.0)], gap=1e-13)
    # 15 + x = 15 + (10 - x)
    assert flow_of(found) == pytest.approx({"L0": 0.0, "L1": 5.0, "L2": 5.0})


def test_names_may_be_text_and_of_our_own_graph():
    graph = nx.MultiDiGraph()
    graph.add_node("zone:ZA", kind="zone")
    graph.add_node("zone:ZB", kind="zone")
    for tail, head in (("zone:ZA", "n1"), ("n1", "n2"), ("n2", "zone:ZB")):
        graph.add_edge(tail, head, key=f"{tail}-{head}", free_flow_time=1.0, capacity=10.0)
    found = networks.assign_equilibrium(graph, od_table(("zone:ZA", "zone:ZB", 5.0)))
    assert found.flows.schema["link_id"] == pl.String
    assert found.flows["flow"].to_list() == [5.0] * 3
    assert set(found.flows["link_id"]) == {"zone:ZA-n1", "n1-n2", "n2-zone:ZB"}


def random_net(seed, n=8, extra=14):
    """A strongly connected network: a ring and chords, some free, some steep."""
    rng = np.random.default_rng(seed)
    pairs = [(i, (i + 1) % n) for i in range(n)] + [tuple(map(int, rng.choice(n, 2, replace=False))) for _ in range(extra)]
    graph = nx.MultiDiGraph()
    for number, (tail, head) in enumerate(pairs):
        data = {
            "free_flow_time": float(rng.choice([0.0, rng.uniform(1, 10)], p=[0.1, 0.9])),
            "capacity": rng.uniform(5, 50),
            "b": rng.uniform(0.1, 1),
        }
        graph.add_edge(tail, head, link_id=number, power=float(rng.choice([0.0, 1.0, 2.0, 4.0, 4.4, 7.0])), **data)
    rows = [(*map(int, rng.choice(n, 2, replace=False)), float(rng.exponential(15))) for _ in range(10)]
    return graph, od_table(*rows)


def least(graph, od, gap=1e-10):
    return assign_equilibrium(graph, od, gap=gap).convergence["objective"][-1]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), link=st.integers(0, 21), factor=st.floats(1.0, 20.0))
def test_more_capacity_never_raises_the_objective(seed, link, factor):
    graph, od = random_net(seed)
    before = least(graph, od)
    for *_, data in graph.edges(data=True):
        if data["link_id"] == link:
            data["capacity"] *= factor
    assert least(graph, od) <= before * (1 + 1e-8)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), link=st.integers(8, 21))
def test_removing_a_link_never_lowers_the_objective(seed, link):
    graph, od = random_net(seed)
    before = least(graph, od)
    graph.remove_edges_from([e for *e, data in graph.edges(keys=True, data=True) if data["link_id"] == link])
    assert least(graph, od) >= before * (1 - 1e-8)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.01, 1000.0), unit=st.floats(0.01, 1000.0))
def test_units_of_flow_and_time_do_not_matter(seed, scale, unit):
    graph, od = random_net(seed)
    first = assign_equilibrium(graph, od, gap=1e-12)
    assume(first.flows["flow"].sum() > 0)
    for *_, data in graph.edges(data=True):
        data["capacity"] *= scale
        data["free_flow_time"] *= unit
    second = assign_equilibrium(graph, od.with_columns(pl.col("demand") * scale), gap=1e-12)
    # flows on arcs of constant cost may tie; costs and the objective may not
    np.testing.assert_allclose(second.flows["cost"], first.flows["cost"] * unit, rtol=1e-4)
    assert second.convergence["objective"][-1] == pytest.approx(first.convergence["objective"][-1] * unit * scale, rel=1e-9)


@pytest.mark.parametrize(
    ("arcs", "rows", "options", "message"),
    [
        ([(1, 2, linear(1, 1))], [(2, 1, 3.0)], {}, r"no path for 1 pairs with demand: 2 -> 1"),
        ([(1, 2, linear(1, 1))], [(1, 7, 3.0)], {}, r"OD row 0: destination 7 is not a node"),
        ([(1, 2, linear(1, 1))], [(1, 2, -3.0)], {}, r"OD row 0 \(1 -> 2\): demand is -3.0"),
        ([(1, 2, linear(1, 1))], [(1, 2, None)], {}, r"OD row 0 \(1 -> 2\): demand is nan"),
        ([(1, 2, linear(1, 1))], [(1, 2, 3.0)], {"gap": 0.0}, r"gap is 0.0; it must be positive"),
        ([(1, 2, linear(1, 1))], [(1, 2, 3.0)], {"delay": "steep"}, r"unknown delay function 'steep'"),
        ([(1, 2, {"capacity": 5.0})], [(1, 2, 3.0)], {}, r"arc 1 -> 2: free_flow_time is None; a number is needed"),
        ([(1, 2, {"free_flow_time": 5.0})], [(1, 2, 3.0)], {}, r"arc 1 -> 2: capacity is 0; it must be positive"),
        ([(1, 2, linear(1, 1) | {"b": -1.0})], [(1, 2, 3.0)], {}, r"arc 1 -> 2: b is -1; it must be finite and not negative"),
        ([(1, 2, linear(1, 1) | {"toll": "x"})], [(1, 2, 3.0)], {}, r"arc 1 -> 2: toll is 'x'"),
        (
            [(1, 2, linear(1, 1) | {"fixed_cost": -9.0})],
            [(1, 2, 3.0)],
            {},
            r"arc 1 -> 2: toll, length and fixed cost of class all",
        ),
        ([(1, 2, linear(1, 1))], [(1, 2, 3.0)], {"classes": []}, r"at least one class"),
        ([(1, 2, linear(1, 1))], [(1, 2, 3.0)], {"classes": [TrafficClass("a", pcu=0.0)]}, r"class a: pcu is 0.0"),
        (
            [(1, 2, linear(1, 1))],
            [(1, 2, 3.0)],
            {"classes": [TrafficClass("a"), TrafficClass("b")]},
            r"several classes need a column",
        ),
        (
            [(1, 2, linear(1, 1))],
            [(1, 2, 3.0)],
            {"classes": [TrafficClass("a", banned=frozenset("Z"))]},
            r"class a is banned .*: Z",
        ),
    ],
)
def test_bad_input_is_named(arcs, rows, options, message):
    with pytest.raises(AssignmentError, match=message):
        assign_equilibrium(net(*arcs), od_table(*rows), **options)


def test_bad_od_tables_are_named():
    graph = net((1, 2, linear(1, 1)))
    with pytest.raises(AssignmentError, match="no column demand"):
        assign_equilibrium(graph, pl.DataFrame({"origin": [1], "destination": [2]}))
    classed = od_table((1, 2, 1.0, "bus"), names=("origin", "destination", "demand", "class"))
    with pytest.raises(AssignmentError, match="no classes are given"):
        assign_equilibrium(graph, classed)
    with pytest.raises(AssignmentError, match="OD classes bus are not among the classes car"):
        assign_equilibrium(graph, classed, classes=[TrafficClass("car")])


def test_an_unconverged_run_returns_nothing(sioux_falls):
    with pytest.raises(AssignmentError, match=r"relative gap .* after 1 iterations, 1e-09 asked for"):
        assign_equilibrium(*sioux_falls, gap=1e-9, max_iterations=1)


def test_a_solution_that_is_wrong_fails_the_checks(sioux_falls, monkeypatch):
    right = equilibrium.solve_flows

    def wrong(*args, **options):
        found = right(*args, **options)
        flow = found.flow.copy()
        flow[0, 0] += 500.0
        return type(found)(**{name: getattr(found, name) for name in found.__dataclass_fields__} | {"flow": flow})

    monkeypatch.setattr(equilibrium, "solve_flows", wrong)
    with pytest.raises(AssignmentError, match=r"failed its checks: node balance, share of demand is .*; relative gap is"):
        assign_equilibrium(*sioux_falls)


def test_demand_that_is_lost_fails_the_checks(sioux_falls, monkeypatch):
    right = equilibrium.solve_flows
    monkeypatch.setattr(equilibrium, "solve_flows", lambda problem, demand, **options: right(problem, demand * 0.9, **options))
    with pytest.raises(AssignmentError, match="OD demand less assigned and intrazonal"):
        assign_equilibrium(*sioux_falls)
