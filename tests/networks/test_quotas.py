"""Charges of quotas: known answers, complementarity, ceilings; the rows at stake choose among themselves as they do among all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from networks.chains import ALTERNATIVES
from networks.cost import COMPONENT
from networks.errors import CalibrationError
from networks.measure import MARK, mark_matrix
from networks.parts import NEST
from networks.quotas import Collection, find_charges
from networks.solve import CONSTANTS, Costs, Demand, Gates, expand, flow_at_cost, row_costs
from tests.networks.small import REFERENCE, ZONE_IDS, chains

ONE = slice(0, 1)
PAIRS = [("ZA", "ZB"), ("ZA", "ZP"), ("ZA", "ZQ"), ("ZB", "ZG"), ("ZW", "ZP")]
PORT = ZONE_IDS.index("ZP")
T = np.array([5e6, 3e6, 1e6, 2e6, 4e6, 1.5e6, 0.5e6])


def problem(gates=None):
    """Return demand, rows and costs of two commodities, of which the first has a quota at the only port."""
    _, made = chains(PAIRS, large=("ZW",))
    demand = Demand.between(
        pair=np.array([0, 1, 2, 3, 4, 0, 1]),
        commodity=np.array([0, 0, 0, 0, 0, 1, 1]),
        t_per_year=T,
        group=np.zeros(7, dtype=np.int64),
        origin=np.array([ZONE_IDS.index(o) for o, _ in PAIRS]),
        destination=np.array([ZONE_IDS.index(d) for _, d in PAIRS]),
    )
    at_port = np.array([False, True, False, False, True])
    rows = expand(
        demand,
        made,
        np.ones((2, len(ALTERNATIVES)), dtype=bool),
        container=1,
        floor_km=50.0,
        long_haul_km=200.0,
        port_pair=at_port,
        box_port=at_port[:, None],
        gates=Gates(np.where(at_port, PORT, -1), frozenset({0}), 100.0) if gates is None else gates,
    )
    shape = (1, 1)
    costs = Costs(
        coefficients=np.broadcast_to(REFERENCE, (2, *shape, REFERENCE.size)).copy(),
        scale=np.full(shape, 0.02),
        nest_scale=np.full(shape, 0.6),
        port_scale=np.full(shape, 0.4),
        terminal_scale=np.full(shape, 0.2),
        preference=np.zeros((2, *shape)),
        sea_preference=np.zeros(shape),
        growth=np.ones((2, *shape)),
        group_level=np.ones((1, *shape)),
        siding_share=np.zeros(shape),
        pipe_share=np.zeros(shape),
    )
    return made, demand, rows, costs


def flow_of(rows, demand, costs, cost=None):
    cost = row_costs(rows, costs, ONE, 0) if cost is None else cost
    return flow_at_cost(rows, demand, costs, cost, np.zeros((1, len(CONSTANTS))), ONE, 0)[0]


# --- rows at ports ------------------------------------------------------------------------------------------------------------------


def test_rows_know_the_port_they_truck_to():
    made, demand, rows, _ = problem()
    road = NEST[rows.alternative] == 0
    to_port = np.isin(rows.demand, [1, 4])
    # by road to the port itself, or by truck to the ship; the second commodity has no quota
    feeder = rows.alternative == ALTERNATIVES.index("sea_truck")
    quota = demand.commodity[rows.demand] == 0
    np.testing.assert_array_equal(rows.trucked >= 0, quota & ((road & to_port) | feeder))
    assert set(rows.trucked[rows.trucked >= 0]) == {PORT}
    assert (rows.railed[(NEST[rows.alternative] == 1) & to_port] == PORT).all()
    assert (rows.railed[road] == -1).all()
    # a coastal chain has the port it sails from, whatever the ends of its pair are
    assert (rows.place[made.port[rows.chain] >= 0] == PORT).all()


def test_without_gates_no_row_is_near_a_port():
    _, _, rows, _ = problem(Gates(np.full(len(PAIRS), -1), frozenset()))
    assert (rows.trucked == -1).all()


def test_a_collection_chooses_as_all_rows_do():
    _, demand, rows, costs = problem()
    found = Collection.of(rows)
    # the pairs to the port and those that can go over the sea; not the haul on land, nor the other commodity
    assert set(found.rows.demand) == {1, 2, 3, 4}
    whole = flow_of(rows, demand, costs)
    part = flow_of(found.rows, demand, costs, row_costs(rows, costs, ONE, 0)[:, found.at])
    np.testing.assert_array_equal(part, whole[found.at])
    truck, train = found.tonnes(part, len(ZONE_IDS))
    assert truck[PORT] == pytest.approx(whole[rows.trucked == PORT].sum())
    assert train[PORT] > 0
    assert np.flatnonzero(truck).tolist() == [PORT]


def test_marks_by_hand():
    made, _, rows, _ = problem()
    marks = mark_matrix(made, rows.chain, short_haul_km=100.0, long_haul_km=200.0, ferries=np.arange(made.pair.size, dtype=float))
    tariff = rows.components[:, COMPONENT["rail_tariff_km"]]
    railed = rows.components[:, COMPONENT["rail_load"]] > 0
    np.testing.assert_array_equal(marks[:, MARK["rail_short"]], railed & (tariff < 100.0))
    np.testing.assert_array_equal(marks[:, MARK["rail_short_km"]], tariff * (railed & (tariff < 100.0)))
    far = made.shortest_km[made.pair[rows.chain]] >= 200.0
    np.testing.assert_array_equal(marks[:, MARK["road_long"]], far & (NEST[rows.alternative] == 0))
    np.testing.assert_array_equal(marks[:, MARK["rail_ferry"]], rows.chain)
    assert marks[:, MARK["road_long"]].any()


def test_a_service_saves_its_hours_at_the_value_of_time():
    _, _, rows, costs = problem()
    saved = np.zeros((2, 2, len(ZONE_IDS), 1))
    saved[0, 1, PORT], saved[1, 0, PORT] = 10.0, 5.0
    hour = REFERENCE[COMPONENT["sea_h"]]
    change = row_costs(rows, costs, ONE, 0)[0] - row_costs(rows, Costs(**{**vars(costs), "saved_h": saved}), ONE, 0)[0]
    first = np.arange(rows.demand.size) < rows.slices[0][1]
    sailing = rows.components[:, COMPONENT["sea_load"]] > 0
    np.testing.assert_allclose(change[first], 10.0 * hour * sailing[first], atol=1e-9)
    np.testing.assert_allclose(change[~first], 5.0 * hour * (rows.railed[~first] == PORT), atol=1e-9)
    assert (change > 0).any()


# --- charges ------------------------------------------------------------------------------------------------------------------------


def test_the_charge_of_a_logit_by_hand():
    """Odds of one to three, a scale of 0.04: half and half takes ln 3 / 0.04 = 27.5 yuan."""

    def share(charge):
        return 1.0 / (1.0 + 3.0 * np.exp(-0.04 * charge))

    found = find_charges(share, np.array([0.5]), ceiling=100.0, slope=0.04, start=np.zeros(1))
    assert found[0] == pytest.approx(np.log(3.0) / 0.04)


@given(
    st.lists(
        st.tuples(st.floats(-4, 4), st.floats(0.002, 0.05), st.floats(0, 0.95)),
        min_size=1,
        max_size=6,
    ),
    st.floats(0, 0.3),
    st.floats(5, 200),
)
def test_charges_are_complementary(ports, spill, ceiling):
    """Charge or slack: a port pays where it binds and only there; ports that lose trucks to each other settle all the same."""
    base, slope, quota = (np.array(x) for x in zip(*ports, strict=True))

    def share(charge):
        others = charge.sum() - charge
        return 1.0 / (1.0 + np.exp(-(base + slope * (charge - spill / max(len(base) - 1, 1) * others))))

    charge = find_charges(share, quota, ceiling=ceiling, slope=0.05, start=np.full(base.shape, 3.0))
    met = share(charge) - quota
    assert (charge >= 0).all()
    assert (charge <= ceiling).all()
    assert (charge[quota == 0] == 0).all()
    assert (met[(charge > 0) & (charge < ceiling)] < 1e-8).all()
    assert (met[charge < ceiling] > -1e-8).all()


def test_a_quota_out_of_reach_ends_at_the_ceiling():
    """Nine tenths have no train: no charge brings more than a tenth."""

    def share(charge):
        return 0.1 / (1.0 + np.exp(-(0.05 * charge - 1.0)))

    assert find_charges(share, np.array([0.5]), ceiling=80.0, slope=0.05, start=np.zeros(1)).tolist() == [80.0]


def test_charges_that_never_settle_are_an_error():
    turn = iter(range(10**6))

    def share(charge):
        return np.full(charge.shape, 0.3 if next(turn) % 2 else 0.7)

    with pytest.raises(CalibrationError, match="port 0 does not settle"):
        find_charges(share, np.array([0.5]), ceiling=1e9, slope=0.05, start=np.full(1, 500.0))
