from __future__ import annotations

import numpy as np
import pytest

import networks
from networks.chains import ALTERNATIVES
from networks.cost import COMPONENT
from networks.measure import MEASURE, fold_sites
from networks.solve import CONSTANTS, Costs, Demand, expand, solve_freight
from tests.networks.small import REFERENCE, ZONE_IDS, chains

PAIRS = [("ZA", "ZB"), ("ZA", "ZP"), ("ZA", "ZQ"), ("ZB", "ZG"), ("ZW", "ZP")]
T = np.array([5e6, 3e6, 1e6, 2e6, 4e6, 1.5e6, 0.5e6])


def problem(n_draw=2, n_year=3, seed=0):
    _, made = chains(PAIRS, large=("ZW",))
    demand = Demand.between(
        pair=np.array([0, 1, 2, 3, 4, 0, 2]),
        commodity=np.array([0, 0, 0, 0, 0, 1, 1]),
        t_per_year=T,
        group=np.array([0, 0, 0, 1, 0, 0, 0]),
        origin=np.array([ZONE_IDS.index(o) for o, _ in PAIRS]),
        destination=np.array([ZONE_IDS.index(d) for _, d in PAIRS]),
    )
    available = np.ones((2, len(ALTERNATIVES)), dtype=bool)
    available[0, ALTERNATIVES.index("pipeline_product")] = False
    port = np.array([False, True, False, False, True])
    rows = expand(demand, made, available, container=1, floor_km=50.0, long_haul_km=300.0, port_pair=port, box_port=port[:, None])
    rng = np.random.default_rng(seed)
    shape = (n_draw, n_year)
    costs = Costs(
        coefficients=np.broadcast_to(REFERENCE, (2, *shape, REFERENCE.size)) * rng.uniform(0.8, 1.2, (2, *shape, 1)),
        scale=rng.uniform(0.01, 0.03, shape),
        nest_scale=np.full(shape, 0.6),
        port_scale=np.full(shape, 0.4),
        terminal_scale=np.full(shape, 0.2),
        preference=rng.normal(0, 0.3, (2, *shape)),
        sea_preference=np.full(shape, -1.0),
        growth=rng.uniform(0.8, 1.3, (2, *shape)),
        group_level=rng.uniform(0.9, 1.1, (2, *shape)),
        siding_share=np.zeros(shape),
        pipe_share=np.zeros(shape),
    )
    constants = rng.normal(0, 0.5, (n_draw, len(CONSTANTS)))
    return demand, rows, costs, constants


def one_draw(costs, draw):
    parts = {}
    for name, value in vars(costs).items():
        if value is None:
            continue
        axis = value.ndim - 2 if name != "coefficients" else 1
        parts[name] = np.take(value, [draw], axis=axis)
    return Costs(**parts)


def test_demand_is_conserved_and_nothing_is_negative():
    demand, rows, costs, constants = problem()
    found = solve_freight(demand, [rows], [0, 0, 0], costs, constants, detail=(0, 2))
    asked = np.einsum("r,rdy->dy", demand.t_per_year, costs.growth[demand.commodity] * costs.group_level[demand.group])
    np.testing.assert_allclose(found.served_t.sum(axis=0), asked)
    assert found.totals.min() >= 0
    assert sorted(found.flows) == [0, 2]
    np.testing.assert_allclose(found.flows[2].sum(), asked[0, 2])


def test_totals_are_flows_times_measures():
    demand, rows, costs, constants = problem(n_draw=1, n_year=1)
    found = solve_freight(demand, [rows], [0], costs, constants, detail=(0,))
    tkm = (found.flows[0] * rows.measure[:, MEASURE["km_rail"]]).sum()
    assert found.totals[:, MEASURE["km_rail"], 0, 0].sum() == pytest.approx(tkm)


def test_the_draw_axis_equals_single_runs():
    demand, rows, costs, constants = problem(n_draw=11)
    together = solve_freight(demand, [rows], [0, 0, 0], costs, constants)
    for d in (0, 7, 8, 10):
        alone = solve_freight(demand, [rows], [0, 0, 0], one_draw(costs, d), constants[d : d + 1])
        np.testing.assert_allclose(together.totals[:, :, d], alone.totals[:, :, 0], rtol=1e-12)


def test_unavailable_alternatives_carry_nothing_and_unserved_demand_is_told():
    demand, rows, costs, constants = problem()
    assert not ((rows.alternative == ALTERNATIVES.index("pipeline_product")) & (demand.commodity[rows.demand] == 0)).any()
    _, made = chains(PAIRS)
    nothing = np.zeros((2, len(ALTERNATIVES)), dtype=bool)
    nothing[0] = True
    port = np.zeros(5, dtype=bool)
    cut = expand(demand, made, nothing, container=1, floor_km=50.0, long_haul_km=300.0, port_pair=port, box_port=port[:, None])
    assert cut.unserved.tolist() == [5, 6]
    found = solve_freight(demand, [cut], [0, 0, 0], costs, constants)
    np.testing.assert_allclose(found.unserved_t[1], 2e6 * costs.growth[1] * costs.group_level[0])
    assert found.unserved_t[0].max() == 0


def test_a_higher_rail_tariff_never_raises_rail_tonnes():
    demand, rows, costs, constants = problem(n_draw=4, n_year=2)
    dearer = costs.coefficients.copy()
    dearer[..., COMPONENT["rail_tariff_km"]] *= 1.5
    # land-sea-land chains fed by train carry the tariff too: the tonnes on any train cannot rise either
    before = solve_freight(demand, [rows], [0, 0], costs, constants).totals[:, MEASURE["t_rail"]]
    after = solve_freight(demand, [rows], [0, 0], Costs(**{**vars(costs), "coefficients": dearer}), constants).totals[
        :, MEASURE["t_rail"]
    ]
    assert np.all(after <= before + 1e-6)


def test_sidings_take_truck_access_away_and_keep_the_length():
    demand, rows, costs, constants = problem(n_draw=1, n_year=1)
    raw = solve_freight(demand, [rows], [0], costs, constants).totals
    half = solve_freight(demand, [rows], [0], Costs(**{**vars(costs), "siding_share": np.full((1, 1), 0.5)}), constants).totals
    site = (rows.measure[:, MEASURE["site_rail_t"]] > 0).any()
    assert site
    assert half[:, MEASURE["t_road"]].sum() < raw[:, MEASURE["t_road"]].sum()
    km = [MEASURE["km_road"], MEASURE["km_rail"]]
    assert half[:, km].sum() == pytest.approx(raw[:, km].sum())


def test_fold_sites_by_hand():
    totals = np.zeros((1, len(MEASURE), 1, 1))
    totals[0, MEASURE["site_rail_t"]], totals[0, MEASURE["site_rail_km"]] = 10.0, 120.0
    folded = fold_sites(totals, np.full((1, 1), 0.25), np.zeros((1, 1)))
    assert folded[0, MEASURE["t_road"], 0, 0] == 7.5
    assert folded[0, MEASURE["km_road"], 0, 0] == 90.0
    assert folded[0, MEASURE["km_rail"], 0, 0] == 30.0


def test_the_package_offers_the_solver():
    assert networks.solve_freight is solve_freight
    with pytest.raises(AttributeError, match="nothing"):
        _ = networks.nothing
