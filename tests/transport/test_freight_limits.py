"""What moves besides the chosen chains, and which way: captive flows on terminals, pipes that run one way, trucks that sidings replace."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from networks.parts import LEG_NETWORK, ROLE, ROLES, TERMINAL_KIND, Legs, Stops
from networks.wiring import by_truck, leg_network
from transport.freight_demand import COMMODITIES
from transport.freight_limits import make_background, make_supply
from transport.freight_loads import YearLoad, link_frame, terminal_frame, year_load
from transport.freight_select import CAPTIVE, select
from transport.layout import BASE_YEAR, year_index

if TYPE_CHECKING:
    from networks.capacity import Background
    from transport.freight_model import FreightModel
    from transport.freight_prepare import Captive
    from transport.inputs import Inputs

BASE, LATER = year_index(BASE_YEAR), year_index(2030)
PIPES = ("crude", "product", "gas")


@pytest.fixture(scope="module")
def load(fixed_model: FreightModel) -> YearLoad:
    return year_load(fixed_model, BASE)


@pytest.fixture(scope="module")
def background(fixed_model: FreightModel) -> Background:
    return make_background(fixed_model.prepared, fixed_model.costs, fixed_model.prepared.state_of_year[BASE], BASE)


def test_captive_crude_loads_both_of_its_connections(inputs: Inputs, fixed_model: FreightModel, background: Background) -> None:
    """In the base year growth is 1: a place's load is the sum of the known flows that begin or end there."""
    flows = inputs.table("demand/flows").filter(pl.col("captive") & (pl.col("mode") == "pipeline"))
    assert flows.height == 12
    expected = np.zeros(len(fixed_model.prepared.zones.ids))
    for end in ("origin", "destination"):
        for zone, tonnes in flows.select(end, "t_per_year").iter_rows():
            expected[fixed_model.prepared.zones.position[zone]] += tonnes
    np.testing.assert_allclose(background.load["crude"], expected)
    assert background.load["crude"].sum() == pytest.approx(2.0 * float(flows["t_per_year"].to_numpy().sum()))
    assert background.load["product"].sum() == background.load["gas"].sum() == 0.0


def test_captive_trains_load_a_siding_or_yard_at_both_ends(fixed_model: FreightModel, background: Background) -> None:
    captive: Captive = fixed_model.prepared.captive
    trains = (captive.mode == 1) & ~captive.by_proxy
    assert trains.any()
    tonnes = captive.t_per_year[trains] * fixed_model.costs.group_level[captive.group[trains], 0, BASE]
    handled = background.load["siding"].sum() + background.load["yard"].sum()
    assert handled == pytest.approx(2.0 * tonnes.sum())


def test_captive_trucks_that_sidings_replace_leave_road_and_yard(fixed_model: FreightModel) -> None:
    """One flow by hand: a site truck leg and its yard; three quarters have got sidings."""
    prepared = fixed_model.prepared
    index = prepared.state_of_year[BASE]
    state = prepared.states[index]
    one = np.array([0], dtype=np.int64)
    captive = replace(
        state.captive,
        legs=Legs(one, one + LEG_NETWORK["road"], one + 3, one + 5, one + ROLE["site_drayage"]),
        stops=Stops(one, one + TERMINAL_KIND["site_yard"], one + 2),
    )
    changed = replace(
        prepared, states=tuple(replace(s, captive=captive) if i == index else s for i, s in enumerate(prepared.states))
    )
    costs = replace(fixed_model.costs, siding_share=np.full_like(fixed_model.costs.siding_share, 0.75))
    tonnes = captive.t_per_year[0] * costs.growth[captive.commodity[0], 0, BASE] * costs.group_level[captive.group[0], 0, BASE]
    found = make_background(changed, costs, index, BASE)
    assert found.flow["road"][3, 5] == found.flow["road"].sum() == pytest.approx(0.25 * tonnes)
    assert found.load["yard"][2] == found.load["yard"].sum() == pytest.approx(0.25 * tonnes)


def test_what_passed_in_the_base_year_fits_the_connections(fixed_model: FreightModel, load: YearLoad, inputs: Inputs) -> None:
    """Works and ports handled these tonnes in 2020, so no siding and no pipe connection may be too small for them."""
    table = terminal_frame(load, fixed_model.prepared, inputs.table("networks/terminals"), BASE_YEAR)
    fixed = table.filter(pl.col("kind").is_in(["siding", *PIPES]))
    assert fixed.filter(pl.col("vc_ratio") > 1.0).select("terminal_id", "vc_ratio").rows() == []
    hengli = fixed.filter(pl.col("terminal_id") == "pipe_crude_RF_HENGLI").row(0, named=True)
    assert hengli["t_per_year"] >= 20e6  # its own berth's crude alone


def test_a_selection_holds_the_captive_flows_of_its_terminal(inputs: Inputs, fixed_model: FreightModel, load: YearLoad) -> None:
    found = select(inputs, fixed_model, "pipe_crude_RF_HENGLI", BASE_YEAR)
    zone = fixed_model.prepared.zones.position["Z_RF_HENGLI"]
    assert found.t_per_year == pytest.approx(load.terminal_t["crude"][zone], rel=1e-9)
    held = found.rows.filter(pl.col("alternative") == CAPTIVE)
    assert held.select("origin", "destination").rows() == [("Z_PT_CHANGXING", "Z_RF_HENGLI")]
    assert held["t"].sum() == pytest.approx(20e6)


def test_every_pipeline_flow_has_a_pipe_in_its_direction(fixed_model: FreightModel) -> None:
    for state in fixed_model.prepared.states:
        assert not state.captive.by_proxy[state.captive.mode == 3].any()


@pytest.mark.parametrize("year", [2020, 2030])
def test_nothing_flows_against_a_pipe(inputs: Inputs, fixed_model: FreightModel, year: int) -> None:
    index = fixed_model.prepared.state_of_year[year_index(year)]
    state = fixed_model.prepared.states[index]
    frame, stray = link_frame(year_load(fixed_model, year_index(year)), state.links, year)
    one_way = inputs.table("networks/links").filter(pl.col("oneway").fill_null(value=False))["link_id"]
    mine = frame.filter(pl.col("link_id").is_in(one_way.to_list()))
    assert mine.height > 25
    assert mine["backward_t"].sum() == 0.0 == stray
    assert mine["forward_t"].sum() > 1e8
    for kind in PIPES:
        network = leg_network(state.inputs, kind)
        backward = {network.link_ids[i] for i, f in zip(network.link, network.forward, strict=True) if not f}
        assert not backward & set(one_way)


def test_the_supply_says_what_trucks_are_left(fixed_model: FreightModel) -> None:
    limits = fixed_model.limits
    key = ("new_siding_share", "all")
    some = replace(limits, values={**limits.values, key: np.full_like(limits.values[key], 0.3)})
    supply = make_supply(some, fixed_model.prepared, fixed_model.prepared.state_of_year[LATER], LATER)
    np.testing.assert_allclose(supply.trucked, by_truck(0.7))
    assert supply.trucked.size == len(ROLES)


def test_gas_that_the_province_does_not_use_goes_on_to_north_china(fixed_model: FreightModel) -> None:
    demand, zones = fixed_model.prepared.demand.demand, fixed_model.prepared.zones
    gas = demand.commodity == COMMODITIES.index("gas")
    pair = demand.pair[gas[demand.row]]
    ends = {zones.ids[i] for i in demand.destination[pair] if not zones.in_province[i]}
    assert ends == {"Z_GW_QHD"}
