from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from networks.chains import ALTERNATIVES, NEST
from networks.cost import COMPONENT, COMPONENTS, coefficients, min_plus
from networks.errors import NetworkError
from networks.skim import imbalance, load_paths
from networks.wiring import leg_matrices, leg_network, stop_loads, wire
from tests.networks.small import REFERENCE, chains


def one(made, pair, alternative):
    rows = np.flatnonzero((made.pair == pair) & (made.alternative == ALTERNATIVES.index(alternative)))
    assert rows.size == 1, [ALTERNATIVES[a] for a in made.alternative[made.pair == pair]]
    return rows[0]


def component(made, row, name):
    return made.part.components[row, COMPONENT[name]]


def test_min_plus_by_hand():
    left = np.array([[1.0, 5.0], [np.inf, 2.0]])
    right = np.array([[10.0, 1.0, 4.0], [3.0, 9.0, np.inf]])
    cost, middle = min_plus(left, right)
    np.testing.assert_array_equal(cost, [[8.0, 2.0, 5.0], [5.0, 11.0, np.inf]])
    np.testing.assert_array_equal(middle[0], [1, 0, 0])


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5), st.integers(0, 100))
def test_min_plus_is_the_best_middle(i, k, j, seed):
    rng = np.random.default_rng(seed)
    left, right = rng.random((i, k)), rng.random((k, j))
    cost, middle = min_plus(left, right)
    for a in range(i):
        for b in range(j):
            assert cost[a, b] == min(left[a, c] + right[c, b] for c in range(k))
            assert cost[a, b] == left[a, middle[a, b]] + right[middle[a, b], b]


def test_road_chain_by_hand():
    _, made = chains([("ZA", "ZB"), ("ZA", "ZA")])
    row = one(made, 0, "road")
    assert component(made, row, "road_expressway_km") == 120.0
    assert made.part.lifted[row].tolist() == [1, 0, 0, 0]
    inside = one(made, 1, "road")
    assert made.part.km[inside, 0] == 5.0
    assert made.part.territory_km[inside, 0] == 5.0


def test_rail_by_truck_at_both_ends_and_with_a_siding():
    _, made = chains([("ZA", "ZB"), ("ZA", "ZP"), ("ZP", "ZA")])
    both = one(made, 0, "rail_truck_truck")
    assert component(made, both, "rail_tariff_km") == 150.0
    assert component(made, both, "drayage_end") == 2.0
    assert component(made, both, "drayage_km") == 16.0
    assert made.part.km[both].tolist() == [16.0, 125.0, 0.0, 0.0]
    assert made.part.lifted[both].tolist() == [2, 1, 0, 0]
    out = one(made, 1, "rail_truck_siding")
    assert component(made, out, "siding_end") == 1.0
    assert made.part.km[out].tolist() == [10.0, 129.0, 0.0, 0.0]
    assert made.part.loaded[out] == 1.0
    one(made, 2, "rail_siding_truck")


def test_cost_of_a_chain_is_its_components_at_the_reference():
    _, made = chains([("ZA", "ZB"), ("ZA", "ZQ"), ("ZP", "ZQ")])
    np.testing.assert_allclose(made.part.cost, made.part.components @ REFERENCE)


def test_a_large_site_without_siding_is_kept_apart():
    _, made = chains([("ZW", "ZP")], large=("ZW",))
    row = one(made, 0, "rail_truck_siding")
    assert component(made, row, "site_drayage_end") == 1.0
    assert component(made, row, "site_drayage_km") == 12.0  # 2 km of its own to the city, then the city's 10 km to the yard
    assert component(made, row, "drayage_end") == 0.0
    assert made.part.lifted[row, 0] == 0.0
    assert made.part.site[row, 0].tolist() == [1.0, 12.0, 12.0]


def test_land_sea_land_between_the_province_and_outside_only():
    _, made = chains([("ZA", "ZQ"), ("ZA", "ZB"), ("ZQ", "ZA"), ("ZP", "ZQ")])
    sea = one(made, 0, "sea_truck")
    assert component(made, sea, "sea_km") == 400.0
    assert made.part.km[sea].tolist() == [140.0, 0.0, 400.0, 0.0]
    assert made.part.territory_km[sea, 2] == pytest.approx(40.0)
    train = one(made, 0, "sea_train")
    assert made.part.km[train].tolist() == [10.0, 129.0, 400.0, 0.0]
    assert component(made, train, "port_train_box") == 1.0
    ferry = one(made, 0, "roro")
    assert component(made, ferry, "roro_km") == 380.0
    back = one(made, 2, "sea_truck")
    np.testing.assert_allclose(made.part.components[back], made.part.components[sea])
    assert not np.isin(NEST[made.alternative[made.pair == 1]], [2]).any()
    quay = one(made, 3, "sea_truck")
    assert made.part.km[quay].tolist() == [0.0, 0.0, 400.0, 0.0]


def test_pipeline_with_and_without_a_last_mile():
    _, made = chains([("ZA", "ZB"), ("ZA", "ZP"), ("ZP", "ZW")])
    pipe = one(made, 0, "pipeline_product")
    assert made.part.km[pipe].tolist() == [0.0, 0.0, 0.0, 111.0]
    mile = one(made, 1, "pipeline_product")
    assert component(made, mile, "last_mile_km") == 20.0
    assert made.part.site[mile, 1].tolist() == [1.0, 20.0, 20.0]
    assert ALTERNATIVES.index("pipeline_product") not in made.alternative[made.pair == 2]


def test_shortest_length_counts_every_leg():
    _, made = chains([("ZA", "ZB")])
    assert made.shortest_km[0] == 111.0


def test_legs_load_what_the_chains_carry():
    found, made = chains([("ZA", "ZQ"), ("ZA", "ZB")])
    flow = np.arange(1.0, made.pair.size + 1.0)
    matrices = leg_matrices(found, wire(made, found), flow)
    loads = {}
    for name in ("road", "rail", "sea"):
        skim = getattr(found, name)
        loads[name] = load_paths(skim, matrices[name])
        assert imbalance(skim.network, matrices[name], loads[name]) < 1e-12
    uses_rail = made.part.lifted[:, 1] > 0
    network = leg_network(found, "rail")
    first = network.link == network.link_ids.index("R1")
    assert loads["rail"][first].sum() == pytest.approx(flow[uses_rail].sum())
    sea = flow[[one(made, 0, "sea_truck"), one(made, 0, "sea_train")]].sum()
    assert loads["sea"].sum() == pytest.approx(sea)


def test_stops_are_the_terminals_of_the_chains():
    found, made = chains([("ZA", "ZP"), ("ZA", "ZQ"), ("ZA", "ZB")], large=("ZA",))
    wiring = wire(made, found)
    flow = np.zeros(made.pair.size)
    flow[one(made, 0, "rail_truck_siding")] = 7.0  # ZA drays to the yard RA, ZP has a siding
    sizes = {"siding": 6, "yard": len(found.rail.network.terminals), "berth": 6}
    load = stop_loads(wiring, flow, sizes, 1.0)
    assert load["siding"].tolist() == [0, 0, 0, 7.0, 0, 0]
    assert load["yard"][found.rail.network.terminals.index("RA")] == 7.0
    assert load["yard"].sum() == 7.0
    # three quarters of the large sites' truck access got sidings
    assert stop_loads(wiring, flow, sizes, 0.25)["yard"].sum() == pytest.approx(7.0 * 0.25)
    flow[:] = 0.0
    flow[one(made, 1, "sea_truck")] = 3.0
    assert stop_loads(wiring, flow, sizes, 1.0)["berth"].tolist() == [0, 0, 0, 3.0, 0, 0]


def test_the_ordinary_road_keeps_off_the_expressway_and_exists_only_beside_one():
    _, made = chains([("ZA", "ZB"), ("ZB", "ZP")])
    fast, slow = one(made, 0, "road"), one(made, 0, "road_ordinary")
    assert component(made, fast, "road_expressway_km") == 120.0
    assert component(made, slow, "road_expressway_km") == 0.0
    assert component(made, slow, "road_other_km") == 130.0
    assert not ((made.pair == 1) & (made.alternative == ALTERNATIVES.index("road_ordinary"))).any()


def test_unknown_component_is_named():
    with pytest.raises(NetworkError, match="train_km"):
        coefficients({"train_km": np.array(1.0)})
    assert len(set(COMPONENTS)) == len(COMPONENTS)
