"""Choice of port: shares by hand, constants that meet throughputs, berths, coastal ships by what a port handles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from networks.assemble import Setting, chain_inputs
from networks.chains import ALTERNATIVES, build_chains
from networks.errors import CalibrationError
from networks.graph import build_graph
from networks.parts import NEST, TERMINAL_KIND
from networks.ports import FROM_SEA, TO_SEA, PortUse, fit_ports
from networks.solve import CONSTANTS, Costs, Demand, expand, flow_at_cost, row_costs
from tests.networks.small import CONNECTORS, LINKS, NODES, REFERENCE, ZONES

ONE = slice(0, 1)
THETA = 0.4


def _more(table, rows):
    return pl.concat([table, pl.DataFrame(rows, schema=table.columns, orient="row").cast(dict(table.schema))])


TWO_PORTS = {
    "nodes": _more(NODES, [("P2", "port", True, "210000", 41.0, 122.5), ("RC", "rail_yard", True, "210000", 41.2, 122.2)]),
    "links": _more(
        LINKS,
        [
            ("N5", "A", "P2", "road", "national_road", 150.0, 150.0, 50.0, 1.0, None, None, 1e7, "assumption"),
            ("R3", "RC", "RB", "rail", "trunk", 110.0, 120.0, 60.0, 1.0, None, None, 1e7, "assumption"),
            ("S2", "P2", "Q", "water", "coastal", 390.0, 390.0, 26.0, 0.1, None, None, 1e7, "assumption"),
        ],
    ),
    "zones": _more(ZONES, [("ZR", "P2", "port", True, 5.0, "210000")]),
    "connectors": _more(
        CONNECTORS,
        [
            ("ZR", "P2", "road", "connector", 0.0, 1.0),
            ("ZR", "P2", "water", "berth", 0.0, 1.0),
            ("ZA", "RC", "rail", "drayage", 30.0, 1.0),
        ],
    ),
}
ZONE_IDS = tuple(TWO_PORTS["zones"].sort("zone_id")["zone_id"].to_list())
A, B, P, Q, R = (ZONE_IDS.index(z) for z in ("ZA", "ZB", "ZP", "ZQ", "ZR"))
#: One commodity that goes from A and B to the sea by P or R, and one between A and the other shore.
ORIGIN, DESTINATION = np.array([A, A, A, B, B]), np.array([P, Q, R, P, R])


def use(share=(0.7, 0.3), handled=(P, R)):
    quay = np.zeros((1, 2, len(ZONE_IDS)), dtype=bool)
    quay[0, :, list(handled)] = True
    constant = np.full(quay.shape, -1)
    constant[0, TO_SEA, [P, R]] = [0, 1]
    return PortUse(quay, constant, np.array(share))


def case(tonnes=(5e6, 2e6, 1e6), alternatives=("road",), ports=None):
    graph = build_graph(*(TWO_PORTS[k] for k in ("nodes", "links", "zones", "connectors")), year=2020)
    found = chain_inputs(
        graph, ZONE_IDS, large_site=np.zeros(len(ZONE_IDS), dtype=bool), setting=Setting(REFERENCE, 40.0, 1.2, 100.0, 100.0)
    )
    made = build_chains(found, ORIGIN, DESTINATION)
    blank = np.zeros(3, dtype=np.int64)
    demand = Demand(
        pair=np.array([0, 2, 3, 4, 1]),
        commodity=blank,
        t_per_year=np.asarray(tonnes, dtype=float),
        group=blank,
        origin=ORIGIN,
        destination=DESTINATION,
        row=np.array([0, 0, 1, 1, 2]),
        port=np.array([0, 1, 0, 1, -1]),
    )
    available = np.array([[a in alternatives for a in ALTERNATIVES]])
    no_port = np.zeros(ORIGIN.size, dtype=bool)
    rows = expand(
        demand,
        made,
        available,
        container=5,
        floor_km=50.0,
        long_haul_km=300.0,
        port_pair=no_port,
        box_port=no_port[:, None],
        ports=use() if ports is None else ports,
    )
    shape = (1, 1)
    costs = Costs(
        coefficients=np.broadcast_to(REFERENCE, (1, *shape, REFERENCE.size)),
        scale=np.full(shape, 0.02),
        nest_scale=np.full(shape, 0.6),
        port_scale=np.full(shape, THETA),
        terminal_scale=np.full(shape, 0.15),
        preference=np.zeros((1, *shape)),
        sea_preference=np.zeros(shape),
        growth=np.ones((1, *shape)),
        group_level=np.ones((1, *shape)),
        siding_share=np.zeros(shape),
        pipe_share=np.zeros(shape),
    )
    return made, demand, rows, costs


def flow_of(demand, rows, costs, ports=(0.0, 0.0), cost=None):
    constants = np.concatenate([np.zeros((1, len(CONSTANTS))), np.asarray(ports, dtype=float)[None, :]], axis=1)
    cost = row_costs(rows, costs, ONE, 0) if cost is None else cost
    return flow_at_cost(rows, demand, costs, cost, constants, ONE, 0)


def test_shares_of_two_ports_by_hand():
    made, demand, rows, costs = case()
    cost, delta = row_costs(rows, costs, ONE, 0)[0], np.array([0.3, -0.5])
    flow = flow_of(demand, rows, costs, delta)[0]
    for row, tonnes in ((0, 5e6), (1, 2e6)):
        mine = np.flatnonzero(rows.demand == row)
        assert sorted(rows.port[mine]) == [0, 1]
        weight = np.exp((-0.02 * cost[mine] + delta[rows.port[mine]]) / THETA)
        np.testing.assert_allclose(flow[mine], tonnes * weight / weight.sum(), rtol=1e-12)
    # the third row goes to the other shore; nobody chooses a port for it
    assert rows.port[rows.demand == 2].tolist() == [-1]
    assert made.pair[rows.chain[rows.demand == 2]].tolist() == [1]


def test_without_a_choice_of_port_neither_scale_nor_constants_of_ports_count():
    made, demand, _, costs = case()
    only = replace(demand, row=np.array([0, 1, 2]), pair=np.array([0, 3, 1]), port=np.full(3, -1))
    no_port = np.zeros(ORIGIN.size, dtype=bool)
    plain = expand(
        only,
        made,
        np.array([[a in {"road", "rail_truck_siding", "rail_truck_truck"} for a in ALTERNATIVES]]),
        container=5,
        floor_km=50.0,
        long_haul_km=300.0,
        port_pair=no_port,
        box_port=no_port[:, None],
    )
    other = flow_of(only, plain, replace(costs, port_scale=costs.nest_scale))
    np.testing.assert_array_equal(flow_of(only, plain, costs, (3.0, -3.0)), other)
    assert np.count_nonzero(other) > 3


def test_rows_stand_in_order_and_every_port_counts_once():
    _, demand, rows, costs = case(alternatives=("road", "rail_truck_siding", "rail_truck_truck", "sea_truck"))
    assert np.all(np.diff(rows.demand) >= 0)
    assert rows.port_start[0] == 0
    assert set(rows.group_start) <= set(rows.port_start)
    assert np.all(np.diff(rows.group_ports) >= 1)
    flow = flow_of(demand, rows, costs, (0.2, -0.2))[0]
    np.testing.assert_allclose(np.bincount(rows.demand, flow), [5e6, 2e6, 1e6], rtol=1e-12)


@given(
    share=st.floats(0.02, 0.98),
    start=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
    theta=st.floats(0.2, 0.6),
)
def test_constants_meet_the_observed_shares(share, start, theta):
    _, demand, rows, costs = CASE
    costs = replace(costs, port_scale=np.full((1, 1), theta))
    ports = use(share=(share, 1.0 - share))

    def flows(trial):
        return ports.totals(rows, demand, flow_of(demand, rows, costs, trial[0]))

    found = fit_ports(ports, flows, np.array([start]), np.array([theta]))
    made = flows(found)[0]
    assert made.sum() == pytest.approx(7e6)
    np.testing.assert_allclose(made / made.sum(), [share, 1.0 - share], rtol=2e-5)
    # only differences count
    assert abs(found[0] @ ports.share) < 1e-9 or np.allclose(found, np.array([start]))


CASE = case()


def test_a_port_without_a_way_is_named():
    ports = use()
    with pytest.raises(CalibrationError, match=r"zone \d+ does not reach its share of commodity 0 to the sea"):
        fit_ports(ports, lambda _: np.array([[7e6, 0.0]]), np.zeros((1, 2)), np.array([THETA]))


def test_without_ports_to_choose_nothing_is_fitted():
    nothing = PortUse(np.ones((1, 2, 3), dtype=bool), np.full((1, 2, 3), -1), np.zeros(0))
    assert fit_ports(nothing, lambda _: np.zeros((1, 0)), np.zeros((1, 0)), np.ones(1)).shape == (1, 0)
    assert nothing.block.size == 0


def test_every_chain_of_a_port_passes_its_berth_and_a_dear_berth_sends_goods_to_the_other():
    made, demand, rows, costs = case(alternatives=("road", "rail_truck_siding"))
    berth = made.stops.kind == TERMINAL_KIND["berth"]
    at = {p: set(made.stops.chain[berth & (made.stops.place == p)]) for p in (P, R)}
    for pair, port in ((0, P), (2, R), (3, P), (4, R)):
        assert set(np.flatnonzero(made.pair == pair)) <= at[port]
    before = flow_of(demand, rows, costs)
    dearer = row_costs(rows, costs, ONE, 0) + 20.0 * np.isin(rows.chain, sorted(at[P]))
    after = flow_of(demand, rows, costs, cost=dearer)
    ports = use()
    assert ports.totals(rows, demand, after)[0, 0] < ports.totals(rows, demand, before)[0, 0]
    assert ports.totals(rows, demand, after).sum() == pytest.approx(7e6)


def test_coastal_ships_call_only_where_the_goods_are_handled():
    both = ("road", "sea_truck")
    made, _, rows, _ = case(alternatives=both)
    coastal = np.flatnonzero(rows.alternative == ALTERNATIVES.index("sea_truck"))
    assert set(made.port[rows.chain[coastal]]) == {P, R}
    assert set(rows.port[coastal]) == {0, 1}
    made, _, rows, _ = case(alternatives=both, ports=use(handled=(R,)))
    coastal = np.flatnonzero(rows.alternative == ALTERNATIVES.index("sea_truck"))
    assert set(made.port[rows.chain[coastal]]) == {R}


def test_a_pair_keeps_to_the_ports_it_may_use():
    graph = build_graph(*(TWO_PORTS[k] for k in ("nodes", "links", "zones", "connectors")), year=2020)
    found = chain_inputs(
        graph, ZONE_IDS, large_site=np.zeros(len(ZONE_IDS), dtype=bool), setting=Setting(REFERENCE, 40.0, 1.2, 100.0, 100.0)
    )
    usable = np.zeros((ORIGIN.size, len(ZONE_IDS)), dtype=bool)
    usable[1, R] = True
    made = build_chains(found, ORIGIN, DESTINATION, usable_ports=usable)
    assert set(made.port[made.port >= 0]) == {R}
    assert made.seaward[made.port >= 0].all()


def _log_sum(values, scale):
    return scale * np.log(np.exp(np.asarray(values) / scale).sum())


def test_the_four_levels_as_written_out():
    """Main mode, alternative, port, terminal pair: every share by its own logit, from the top down."""
    names = ("road", "rail_truck_siding", "rail_truck_truck", "sea_truck")
    mu, rho, tau = 0.8, 0.5, 0.2
    _, demand, rows, costs = case(alternatives=names)
    costs = replace(
        costs, **{k: np.full((1, 1), v) for k, v in (("nest_scale", mu), ("port_scale", rho), ("terminal_scale", tau))}
    )
    delta = np.array([0.4, -0.3])
    cost = row_costs(rows, costs, ONE, 0)
    cost += np.random.default_rng(3).uniform(0.0, 60.0, cost.shape)
    flow = flow_of(demand, rows, costs, delta, cost=cost)[0]
    utility = -0.02 * cost[0]
    place = np.where(rows.port >= 0, rows.port, 9)
    pairs = 0
    for row, tonnes in enumerate((5e6, 2e6, 1e6)):
        tree = {}
        for i in np.flatnonzero(rows.demand == row):
            mode = NEST[rows.alternative[i]]
            tree.setdefault(mode, {}).setdefault(rows.alternative[i], {}).setdefault(place[i], []).append(i)
        pairs = max([pairs, *(len(i) for a in tree.values() for h in a.values() for i in h.values())])
        at_port = {
            (a, h): _log_sum(utility[i], tau) + (delta[h] if h < 9 else 0.0)
            for n in tree.values()
            for a, p in n.items()
            for h, i in p.items()
        }
        at_alternative = {a: _log_sum([at_port[a, h] for h in p], rho) for n in tree.values() for a, p in n.items()}
        at_mode = {m: _log_sum([at_alternative[a] for a in n], mu) for m, n in tree.items()}
        top = _log_sum(list(at_mode.values()), 1.0)
        for m, n in tree.items():
            for a, p in n.items():
                for h, i in p.items():
                    above = at_mode[m] - top + (at_alternative[a] - at_mode[m]) / mu + (at_port[a, h] - at_alternative[a]) / rho
                    own = utility[i] + (delta[h] if h < 9 else 0.0)
                    np.testing.assert_allclose(flow[i], tonnes * np.exp(above + (own - at_port[a, h]) / tau), rtol=1e-10)
    assert set(NEST[rows.alternative]) == {0, 1, 2}
    assert pairs > 1


def test_two_blocks_and_two_draws_do_not_mix():
    quay = np.ones((2, 2, 3), dtype=bool)
    constant = np.full(quay.shape, -1)
    constant[0, TO_SEA, [0, 1]] = [0, 1]
    constant[1, FROM_SEA, [0, 1, 2]] = [2, 3, 4]
    ports = PortUse(quay, constant, np.array([0.7, 0.3, 0.2, 0.3, 0.5]))
    pull = np.array([[0.1, -0.4, 0.3, 0.0, 0.2], [1.0, 0.0, -1.0, 0.5, 0.0]])

    def flows(trial):
        weight = np.exp((pull + trial) / THETA)
        size = np.array([3e6, 3e6, 8e6, 8e6, 8e6])
        total = np.stack([weight[:, :2].sum(axis=1)] * 2 + [weight[:, 2:].sum(axis=1)] * 3, axis=1)
        return size * weight / total

    found = fit_ports(ports, flows, np.zeros((2, 5)), np.full(2, THETA))
    expected = np.array([2.1e6, 0.9e6, 1.6e6, 2.4e6, 4e6])
    np.testing.assert_allclose(flows(found), np.stack([expected, expected]), rtol=2e-5)
    assert ports.place[0].tolist() == [0, 0, 1, 1, 1]


def test_totals_without_ports_are_numbers():
    _, demand, rows, _ = CASE
    none = PortUse(np.zeros((1, 2, len(ZONE_IDS)), dtype=bool), np.full((1, 2, len(ZONE_IDS)), -1), np.zeros(0))
    fixed = replace(demand, port=np.full(demand.port.size, -1))
    found = none.totals(rows, fixed, np.ones((1, rows.demand.size)))
    assert found.shape == (1, 0)
    assert found.dtype == np.float64


def test_directions_are_kept_apart():
    ports = use()
    assert ports.handled[0, FROM_SEA, P]
    assert ports.constant[0, FROM_SEA, P] == -1
    assert ports.place[2].tolist() == [P, R]
    assert ports.block.tolist() == [0, 0]
