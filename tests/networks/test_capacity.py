from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.optimize import brentq

from networks.capacity import Background, CapacityError, Places, Supply, equilibrate, network_problem, price_delays
from networks.chains import ALTERNATIVES
from networks.cost import COMPONENT
from networks.delays import DelayArrays, delay_value
from networks.measure import MEASURE
from networks.parts import ROLE
from networks.skim import imbalance
from networks.solve import Costs, Demand, expand, flow_at_cost, row_costs, solve_freight
from networks.wiring import (
    LINES,
    ROAD_CLASSES,
    apply_changes,
    by_truck,
    chain_changes,
    extra_cost,
    free_lines,
    free_road,
    leg_matrices,
    leg_network,
    wire,
)
from networks.wiring import Conditions as Cond
from tests.networks.small import REFERENCE, ZONE_IDS, chains

PRICE, POWER = 10.0, 8.0
ONE = slice(0, 1)


class Case:
    """One commodity on the small network; capacities can be set by link, terminals by kind and zone."""

    def __init__(
        self, pairs, tonnes, *, alternatives=("road", "rail_truck_truck", "rail_truck_siding"), scale=0.02, large=(), sidings=0.0
    ):
        self.inputs, self.chains = chains(pairs, large)
        self.wiring = wire(self.chains, self.inputs)
        n = len(pairs)
        self.demand = Demand.between(
            pair=np.arange(n),
            commodity=np.zeros(n, dtype=np.int64),
            t_per_year=np.asarray(tonnes, dtype=float),
            group=np.zeros(n, dtype=np.int64),
            origin=np.array([ZONE_IDS.index(o) for o, _ in pairs]),
            destination=np.array([ZONE_IDS.index(d) for _, d in pairs]),
        )
        available = np.array([[a in alternatives for a in ALTERNATIVES]])
        no_port = np.zeros(n, dtype=bool)
        self.rows = expand(
            self.demand,
            self.chains,
            available,
            container=5,
            floor_km=50.0,
            long_haul_km=300.0,
            port_pair=no_port,
            box_port=no_port[:, None],
        )
        shape = (1, 1)
        cost = REFERENCE.copy()
        for name in ("site_drayage_km", "site_drayage_h", "site_yard_price"):
            cost[COMPONENT[name]] *= 1.0 - sidings
        end, siding = COMPONENT["site_drayage_end"], COMPONENT["siding_end"]
        cost[end] = (1.0 - sidings) * cost[end] + sidings * cost[siding]
        self.costs = Costs(
            coefficients=np.broadcast_to(cost, (1, *shape, cost.size)),
            scale=np.full(shape, scale),
            nest_scale=np.full(shape, 1.0),
            port_scale=np.full(shape, 0.4),
            terminal_scale=np.full(shape, 0.2),
            preference=np.zeros((1, *shape)),
            sea_preference=np.zeros(shape),
            growth=np.ones((1, *shape)),
            group_level=np.ones((1, *shape)),
            siding_share=np.full(shape, sidings),
            pipe_share=np.zeros(shape),
        )

    def supply(self, capacity=None, *, places=None, road_capacity=np.inf):
        capacity = capacity or {}
        lines, delays, fixed, values, arcs, zones = [], [], [], [], {}, {}
        n_arc = n_zone = 0
        for name in LINES:
            network = leg_network(self.inputs, name)
            per_km = REFERENCE[COMPONENT["rail_tariff_km" if name == "rail" else "pipeline_km"]]
            extra = network.hours * REFERENCE[COMPONENT["rail_h"]] if name == "rail" else 0.0
            limit = np.array([capacity.get(network.link_ids[i], np.nan) for i in network.link])
            lines.append(network)
            delays.append(price_delays(limit, PRICE, POWER))
            fixed.append((network.tariff_km if name == "rail" else network.length_km) * per_km + extra)
            blank = np.zeros(network.head.size)
            values.append(np.stack([blank, network.tariff_km, network.hours, network.length_km, network.territory_km]))
            arcs[name] = slice(n_arc, n_arc + network.head.size)
            zones[name] = slice(n_zone, n_zone + len(network.terminals))
            n_arc, n_zone = arcs[name].stop, zones[name].stop
        delay = DelayArrays(*(np.concatenate([getattr(d, f.name) for d in delays]) for f in dataclasses.fields(DelayArrays)))
        road = self.inputs.road.network
        fast = road.is_class("expressway")
        per_km = np.where(fast > 0, REFERENCE[COMPONENT["road_expressway_km"]], REFERENCE[COMPONENT["road_other_km"]])
        cost = np.repeat((road.length_km * per_km / REFERENCE[COMPONENT["road_h"]])[None], 2, axis=0)
        cost[ROAD_CLASSES.index("ordinary"), fast > 0] = np.inf
        stations = len(self.inputs.rail.network.terminals)
        kinds = {k: stations if k == "yard" else len(ZONE_IDS) for k in ("siding", "yard", "berth", "crude", "product", "gas")}
        limits = {k: Places(np.full(n, np.inf), PRICE, POWER) for k, n in kinds.items()}
        limits |= places or {}
        km = road.length_km
        return Supply(
            road=network_problem(
                [road], DelayArrays.build(self.inputs.road_hours, np.full(km.shape, road_capacity), 0.15, 4.0), cost
            ),
            road_values=np.stack([np.zeros_like(km), km * fast, km * (1 - fast), road.territory_km, road.territory_km * fast]),
            lines=network_problem(lines, delay, np.concatenate(fixed)[None]),
            line_values=np.concatenate(values, axis=1),
            line_arcs=arcs,
            line_zones=zones,
            places=limits,
            site_yard_share=1.0 - float(self.costs.siding_share[0, 0]),
            last_mile_share=1.0 - float(self.costs.pipe_share[0, 0]),
        )

    def respond(self, changes, _):
        cost = row_costs(self.rows, self.costs, ONE, 0) + extra_cost(self.rows, changes, self.costs.coefficients[:, 0, 0])
        return flow_at_cost(self.rows, self.demand, self.costs, cost, np.zeros((1, 6)), ONE, 0)[0]

    def free(self):
        roads = np.stack([free_road(self.inputs, name) for name in ROAD_CLASSES])
        return chain_changes(self.wiring, Cond(roads, {"rail": free_lines(self.inputs)}, {}))

    def solve(self, supply, gap=1e-8, background=None):
        return equilibrate(
            supply,
            self.inputs,
            self.wiring,
            self.rows,
            background or Background({}, {}),
            self.respond,
            self.respond(self.free(), None),
            gap=gap,
        )

    def by(self, flow, prefix):
        mine = [ALTERNATIVES[a].startswith(prefix) for a in self.rows.alternative]
        return float(flow[np.array(mine)].sum())

    def rail_flow(self, found, supply, link):
        network = leg_network(self.inputs, "rail")
        arc = (network.link == network.link_ids.index(link)) & network.forward
        return float(found.lines.flow[0, supply.line_arcs["rail"]][arc].sum())


def test_one_full_section_by_hand():
    """Road against rail on one pair, one limited section: the share solves a scalar equation."""
    case = Case([("ZA", "ZB")], [4e6], alternatives=("road", "rail_truck_truck"))
    capacity = 1e6
    supply = case.supply({"R1": capacity})
    free = case.respond(case.free(), None)
    road, rail = case.by(free, "road"), case.by(free, "rail")
    gap = np.log(rail / road)  # utility difference without prices
    assert rail > capacity

    def excess(v):
        return v - 4e6 / (1.0 + np.exp(-(gap - 0.02 * PRICE * (v / capacity) ** POWER)))

    expected = brentq(excess, 0.0, 2e6, xtol=1e-6)
    found = case.solve(supply)
    assert case.by(found.flow, "rail") == pytest.approx(expected, rel=1e-6)
    assert case.rail_flow(found, supply, "R1") == pytest.approx(expected, rel=1e-6)
    assert found.flow.sum() == pytest.approx(4e6)
    assert found.gaps[-1] <= 1e-8


def test_without_limits_the_free_choice_comes_back():
    case = Case([("ZA", "ZB"), ("ZB", "ZG")], [4e6, 2e6], alternatives=ALTERNATIVES)
    found = case.solve(case.supply())
    np.testing.assert_allclose(found.flow, case.respond(case.free(), None), rtol=1e-7)


def test_halving_a_section_moves_tonnes_off_it():
    case = Case([("ZA", "ZB"), ("ZA", "ZG")], [4e6, 3e6], alternatives=("road", "rail_truck_truck"))
    wide, narrow = case.supply({"R1": 2e6}), case.supply({"R1": 1e6})
    before, after = case.solve(wide), case.solve(narrow)
    assert case.by(after.flow, "rail") < 0.8 * case.by(before.flow, "rail")
    assert case.rail_flow(after, narrow, "R1") < 1.6e6
    assert after.flow.sum() == pytest.approx(before.flow.sum())


@pytest.mark.parametrize("kind", ["yard", "siding"])
def test_a_full_terminal_has_a_price(kind):
    pair = ("ZA", "ZB") if kind == "yard" else ("ZA", "ZP")
    case = Case([pair], [4e6])
    free = case.by(case.respond(case.free(), None), "rail")
    place = case.inputs.rail.network.terminals.index("RB") if kind == "yard" else ZONE_IDS.index("ZP")
    size = len(case.inputs.rail.network.terminals) if kind == "yard" else len(ZONE_IDS)
    capacity = np.full(size, np.inf)
    capacity[place] = 0.5 * free
    found = case.solve(case.supply(places={kind: Places(capacity, PRICE, POWER)}))
    assert case.by(found.flow, "rail") < 0.9 * free
    assert found.load_t[kind][place] == pytest.approx(case.by(found.flow, "rail"))
    price = found.conditions.places[kind][place]
    assert price == pytest.approx(PRICE * (found.load_t[kind][place] / capacity[place]) ** POWER, rel=1e-5)


def test_full_roads_push_freight_to_rail_and_networks_balance():
    case = Case(
        [("ZA", "ZB"), ("ZA", "ZP")], [4e6, 2e6], alternatives=("road", "road_ordinary", "rail_truck_truck", "rail_truck_siding")
    )
    free, full = case.solve(case.supply()), case.solve(case.supply(road_capacity=1e6))
    assert case.by(full.flow, "rail") > case.by(free.flow, "rail")
    hours = full.conditions.road[0, 0][ZONE_IDS.index("ZA"), ZONE_IDS.index("ZB")]
    assert hours > free.conditions.road[0, 0][ZONE_IDS.index("ZA"), ZONE_IDS.index("ZB")]
    network = case.inputs.road.network
    trucks = np.zeros((6, 6))
    for name in ROAD_CLASSES:
        start, end, chain = case.wiring.legs[name]
        flow = np.bincount(case.rows.chain, full.flow, minlength=case.chains.pair.size)
        np.add.at(trucks, (start, end), flow[chain])
    np.fill_diagonal(trucks, 0.0)
    assert imbalance(network, trucks, full.road.flow.sum(axis=0)) < 1e-9


def test_prices_of_the_solution_belong_to_its_flows():
    case = Case([("ZA", "ZB"), ("ZA", "ZG"), ("ZB", "ZG")], [4e6, 3e6, 1e6], alternatives=("road", "rail_truck_truck"))
    supply = case.supply({"R1": 1e6, "R2": 1.5e6})
    found = case.solve(supply)
    part = supply.line_arcs["rail"]
    price = delay_value(supply.lines.delay, found.lines.flow[0])[part]
    network = leg_network(case.inputs, "rail")
    arcs = {network.link_ids[n]: price[i] for i, n in enumerate(network.link) if network.forward[i]}
    stations = network.terminals
    seen = found.conditions.lines["rail"][0, stations.index("RA"), stations.index("RG")]
    assert seen == pytest.approx(arcs["R1"] + arcs["R2"], rel=1e-4)


def test_kilometres_and_costs_follow_the_conditions():
    case = Case([("ZA", "ZB")], [4e6])
    conditions = Cond(
        np.stack([free_road(case.inputs, name) for name in ROAD_CLASSES]), {"rail": free_lines(case.inputs).copy()}, {}
    )
    stations = case.inputs.rail.network.terminals
    at = stations.index("RA"), stations.index("RB")
    conditions.lines["rail"][0][at] = 7.0  # price
    conditions.lines["rail"][3][at] += 11.0  # a detour of 11 km
    changes = chain_changes(case.wiring, conditions)
    moved = apply_changes(case.rows, changes)
    rail = np.array([ALTERNATIVES[a].startswith("rail") for a in case.rows.alternative])
    np.testing.assert_allclose(moved.price[rail], 7.0)
    np.testing.assert_allclose(moved.price[~rail], 0.0)
    km = moved.measure[:, MEASURE["km_rail"]] - case.rows.measure[:, MEASURE["km_rail"]]
    np.testing.assert_allclose(km[rail], 11.0)
    extra = extra_cost(case.rows, changes, case.costs.coefficients[:, 0, 0])
    np.testing.assert_allclose(
        extra, row_costs(moved, case.costs, ONE, 0)[0] - row_costs(case.rows, case.costs, ONE, 0)[0], atol=1e-9
    )


def test_a_gap_out_of_reach_is_an_error():
    case = Case([("ZA", "ZB")], [4e6])
    with pytest.raises(CapacityError, match=r"do not agree after 80 iterations.*the dearest place is .* CNY/t"):
        case.solve(case.supply({"R1": 1e6}), gap=0.0)


# --- truck access that sidings replace


def test_with_room_for_all_both_speeds_agree_where_sidings_replace_half_of_the_access():
    """No delays: flows, tonnes, tkm and truck flows are those of the chains without delays, half the access trucks off the roads."""
    pairs = [("ZW", "ZB"), ("ZW", "ZG"), ("ZB", "ZW")]
    case = Case(pairs, [4e6, 2e6, 1e6], alternatives=ALTERNATIVES, large=("ZW",), sidings=0.5)
    found = case.solve(case.supply())
    np.testing.assert_allclose(found.flow, case.respond(case.free(), None), rtol=1e-7)
    moved = apply_changes(case.rows, chain_changes(case.wiring, found.conditions))
    constants = np.zeros((1, 6))
    one, other = (
        solve_freight(case.demand, [case.rows], [0], case.costs, constants, adapt=adapt).totals
        for adapt in (None, lambda *_: moved)
    )
    np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-3)
    by_truck_t = sum(
        w * case.rows.measure[:, MEASURE[n]] for n, w in (("t_road", 1.0), ("site_rail_t", 0.5), ("site_pipe_t", 1.0))
    )
    assert one[0, MEASURE["t_road"], 0, 0] == pytest.approx(found.flow @ by_truck_t)
    # the connector of the works carries its whole hauls and half of what it drays
    network = case.inputs.road.network
    out = network.tail == network.position["zone:ZW>"]
    sent = case.rows.demand < 2
    by_road = sent & np.isin(
        case.rows.alternative, [ALTERNATIVES.index(a) for a in ("road", "road_ordinary", "sea_truck", "roro")]
    )
    dray = case.rows.measure[:, MEASURE["site_rail_t"]] > 0
    pipe = case.rows.measure[:, MEASURE["site_pipe_t"]] > 0
    expected = found.flow[by_road | (sent & pipe)].sum() + 0.5 * found.flow[sent & dray].sum()
    assert found.road.flow[:, out].sum() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("sidings", [0.0, 0.5, 0.8])
def test_the_price_of_a_yard_counts_for_the_tonnes_that_use_it(sidings):
    """A works drays to one full yard: the load is (1 - s) of its rail tonnes, and its rail cost rises by (1 - s) of the yard's price."""
    case = Case([("ZW", "ZB")], [4e6], alternatives=("road", "rail_truck_truck"), large=("ZW",), sidings=sidings)
    stations = case.inputs.rail.network.terminals
    capacity = np.full(len(stations), np.inf)
    capacity[stations.index("RA")] = 0.6e6
    supply = case.supply(places={"yard": Places(capacity, PRICE, POWER)})
    free = case.respond(case.free(), None)
    gap, trucked = np.log(case.by(free, "rail") / case.by(free, "road")), 1.0 - sidings

    def excess(v):
        price = PRICE * (trucked * v / 0.6e6) ** POWER
        return v - 4e6 / (1.0 + np.exp(-(gap - 0.02 * trucked * price)))

    found = case.solve(supply)
    expected = brentq(excess, 0.0, min(4e6, 1.5e6 / trucked), xtol=1e-6)
    assert case.by(found.flow, "rail") == pytest.approx(expected, rel=1e-6)
    assert found.load_t["yard"][stations.index("RA")] == pytest.approx(trucked * expected, rel=1e-6)
    moved = apply_changes(case.rows, chain_changes(case.wiring, found.conditions))
    rail = np.array([ALTERNATIVES[a].startswith("rail") for a in moved.alternative])
    extra = (row_costs(moved, case.costs, ONE, 0) - row_costs(case.rows, case.costs, ONE, 0))[0, rail]
    np.testing.assert_allclose(extra, trucked * found.conditions.places["yard"][stations.index("RA")], rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("large", [(), ("ZW",)])
def test_detours_count_by_what_a_truck_leg_is_for(large):
    """From the works by train to the port and by ship; the truck to the train and the truck beyond the sea make different detours."""
    case = Case([("ZW", "ZG")], [1e6], alternatives=("sea_train",), large=large)
    conditions = Cond(
        np.stack([free_road(case.inputs, name) for name in ROAD_CLASSES]), {"rail": free_lines(case.inputs).copy()}, {}
    )
    works, city, beyond, end = (ZONE_IDS.index(z) for z in ("ZW", "ZA", "ZQ", "ZG"))
    conditions.road[0, 0, works, city] += 0.5  # hours
    conditions.road[0, 2, works, city] += 3.0  # km on other roads, all in the province
    conditions.road[0, 3, works, city] += 3.0
    conditions.road[0, 0, beyond, end] += 2.0
    conditions.road[0, 2, beyond, end] += 7.0
    moved = apply_changes(case.rows, chain_changes(case.wiring, conditions))
    component, measure = moved.components - case.rows.components, moved.measure - case.rows.measure
    access = "site_drayage" if large else "drayage"
    seen = {name: component[0, k] for name, k in COMPONENT.items() if abs(component[0, k]) > 1e-9}
    assert seen == pytest.approx({"road_other_km": 7.0, "road_h": 2.0, f"{access}_km": 3.0, f"{access}_h": 0.5})
    counted = {name: measure[0, k] for name, k in MEASURE.items() if abs(measure[0, k]) > 1e-9}
    rest = {"used_km": 10.0} | ({"long_km": 10.0} if case.rows.measure[0, MEASURE["long_km"]] else {})
    own = (
        {"km_road": 7.0, "site_rail_km": 3.0, "site_rail_territory_km": 3.0}
        if large
        else {"km_road": 10.0, "territory_km_road": 3.0}
    )
    assert counted == pytest.approx(own | rest)
    extra = extra_cost(case.rows, chain_changes(case.wiring, conditions), REFERENCE[None])
    assert extra[0] == pytest.approx(7.0 * 0.25 + 2.0 * 5.0 + 3.0 * 0.8 + 0.5 * 5.0)


def test_only_the_trucks_left_are_on_the_roads():
    assert by_truck(0.25, 0.5).tolist() == [1.0, 1.0, 0.25, 0.5]
    case = Case([("ZW", "ZB"), ("ZA", "ZP")], [4e6, 2e6], alternatives=ALTERNATIVES, large=("ZW",))
    flow = np.ones(case.chains.pair.size)
    whole, left = (leg_matrices(case.inputs, case.wiring, flow, share) for share in (None, by_truck(0.25, 0.5)))
    start, end, _ = case.wiring.legs["road"]
    role = case.wiring.role["road"]
    works, city = ZONE_IDS.index("ZW"), ZONE_IDS.index("ZA")
    drays = int(((start == works) & (end == city) & (role == ROLE["site_drayage"])).sum())
    miles = int((role == ROLE["last_mile"]).sum())
    assert drays > 0 < miles
    assert whole["road"].sum() - left["road"].sum() == pytest.approx(0.75 * (role == ROLE["site_drayage"]).sum() + 0.5 * miles)
    assert whole["road"][works, city] - left["road"][works, city] >= 0.75 * drays - 1e-12
    for name in ("rail", "sea", "product"):
        np.testing.assert_array_equal(whole[name], left[name])
