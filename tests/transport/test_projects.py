"""Projects, closures and sites: which tables they rewrite, that nothing before the base year moves, and which way they push the freight."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from networks.errors import CalibrationError
from networks.graph import open_connectors, open_links
from networks.parts import ALTERNATIVES, DIRECT, NEST, TERMINAL_KIND
from transport import projects
from transport.app import state
from transport.app.freight_tables import names_of
from transport.closures import Closures, base_id
from transport.freight_demand import COMMODITIES
from transport.freight_limits import read_limits
from transport.freight_loads import _unmet_year, link_frame, unmet_frame, year_load
from transport.freight_model import solve_model
from transport.freight_prepare import prepare
from transport.freight_rebuild import rebuilt
from transport.freight_stranded import stranded_frame
from transport.freight_year import solve_year
from transport.inputs import on_network
from transport.layout import LAST_YEAR, YEARS, year_index
from transport.port_access import port_access
from transport.scenario import load_scenario
from transport.store import StoredRun
from transport.study import scenario_inputs, scenario_params

ROAD, RAIL, WATER, PIPE = range(4)
BASE, LATER = year_index(2020), year_index(2030)


@pytest.fixture(scope="module")
def scenario_of(inputs):
    """Return a function from sections to a scenario on the baseline."""

    def make(**sections):
        return load_scenario("baseline", inputs.folder, inputs.levers, simulate="none", capacity="fixed", **sections)

    return make


@pytest.fixture(scope="module")
def with_sections(inputs, scenario_of):
    """Return a function from sections to the inputs of a run."""

    def make(**sections):
        return scenario_inputs(scenario_of(**sections), inputs)

    return make


@pytest.fixture(scope="module")
def solved(inputs, scenario_of, base_model):
    """Return a function from sections to the model of 2030 that starts from the solved base year of the bundled data."""

    def make(capacity="fixed", year=2030, **sections):
        scenario = scenario_of(**sections)
        run = scenario_inputs(scenario, inputs)
        params = scenario_params(scenario, run)
        return solve_year(run, params, year, base=rebuilt(run, params, base_model), capacity=capacity)

    return make


@pytest.fixture(scope="module")
def plain(solved):
    return solved()


@pytest.fixture(scope="module")
def plain_equilibrium(solved):
    return solved(capacity="equilibrium")


def rows_of(model, year=LATER):
    return model.prepared.states[model.prepared.state_of_year[year]].rows


def tonnes(model, mode, commodities=COMMODITIES):
    """Return the tonnes of 2030 whose main mode is the given one."""
    rows, demand = rows_of(model), model.prepared.demand.demand
    wanted = np.isin(demand.commodity[rows.demand], [COMMODITIES.index(c) for c in commodities])
    return float(model.speed.solution.flows[LATER][(NEST[rows.alternative] == mode) & wanted].sum())


def flows(model):
    """Return the flow table of 2030 and the flow on links that are not open."""
    state = model.prepared.states[model.prepared.state_of_year[LATER]]
    return link_frame(year_load(model, LATER), state.links, 2030)


def at_zone(model, zone, year=LATER):
    """Return which rows of 2030 have an end at a zone, by row."""
    rows, demand = rows_of(model, year), model.prepared.demand.demand
    position = model.prepared.zones.position[zone]
    pair = model.prepared.states[model.prepared.state_of_year[year]].chains.pair[rows.chain]
    return (demand.origin[pair] == position) | (demand.destination[pair] == position)


def link(inputs, link_id):
    return inputs.table("networks/links").filter(pl.col("link_id") == link_id).row(0, named=True)


# --- tables -------------------------------------------------------------------------------------------------------------------------


def test_no_section_leaves_the_very_same_inputs(inputs, scenario_of):
    assert scenario_inputs(scenario_of(), inputs) is inputs
    empty = scenario_of(projects={}, closures={}, sites={})
    assert scenario_inputs(empty, inputs) is inputs
    assert empty.scenario_hash() == scenario_of().scenario_hash()


def test_doubling_ends_a_row_and_opens_another_with_the_capacity_of_its_formula(inputs, with_sections):
    found = with_sections(projects={"dbl_gouhai": 2027})
    before, old, new = link(inputs, "RL068"), link(found, "RL068"), link(found, "RL068~2027")
    assert {k: v for k, v in old.items() if k != "close_year"} == {k: v for k, v in before.items() if k != "close_year"}
    assert (old["close_year"], new["open_year"], new["close_year"]) == (2026, 2027, None)
    assert (new["tracks"], new["electrified_year"]) == (2, before["electrified_year"])
    # 130 pairs of trains on an electrified double line, 8 of passengers that take 1.6 paths, 3300 t a train
    assert new["capacity_t_per_year"] == pytest.approx((130 - 1.6 * 8) * 3300 * 365)
    kept = ("from_node", "to_node", "line_zh", "length_km", "tariff_km", "speed_km_h", "in_province_share")
    assert all(new[name] == before[name] for name in kept)
    shapes = dict(found.table("networks/shapes").select("link_id", "shape").iter_rows())
    assert shapes["RL068~2027"] == shapes["RL068"]


def test_two_works_on_one_line_add_up_in_any_order(inputs, with_sections):
    register = inputs.table("networks/projects")
    second = register.filter(pl.col("project_id") == "elec_liaoxi").with_columns(
        project_id=pl.lit("dbl_liaoxi"),
        kind=pl.lit("doubling"),
        tracks=pl.lit(2, dtype=pl.Int64),
        electrified=pl.lit(None, dtype=pl.Boolean),
    )
    more = replace(inputs, tables={**inputs.tables, "networks/projects": pl.concat([register, second])})
    scenario = load_scenario("baseline", inputs.folder, inputs.levers, projects={"elec_liaoxi": 2029})

    def built(first, then):
        return projects.with_projects(more, replace(scenario, projects={"elec_liaoxi": first, "dbl_liaoxi": then}))

    for years in ((2025, 2029), (2029, 2025)):
        found = built(*years)
        assert link(found, "RL072~2029")["capacity_t_per_year"] == pytest.approx((130 - 1.6 * 3) * 1800 * 365)
        assert link(found, "RL072~2025")["close_year"] == 2028
    alone = link(with_sections(projects={"elec_liaoxi": 2029}), "RL072~2029")["capacity_t_per_year"]
    assert alone == pytest.approx((36 - 1.6 * 3) * 1800 * 365)


def test_a_delay_keeps_what_it_would_replace_and_never_takes_the_new_out(inputs, with_sections):
    late = with_sections(projects={"road_jingha_widening": 2032})
    assert (link(late, "RD001")["close_year"], link(late, "RD001W")["open_year"]) == (2031, 2032)
    never = with_sections(projects={"road_jingha_widening": "never"})
    assert link(never, "RD001")["close_year"] is None
    assert "RD001W" not in never.table("networks/links")["link_id"]
    early = with_sections(projects={"road_jingha_widening": 2023})
    assert (link(early, "RD001")["close_year"], link(early, "RD001W")["open_year"]) == (2022, 2023)


@pytest.mark.parametrize("project", ["road_jingha_widening", "dbl_gouhai", "siding_haicheng_steel", "line_shenxi_2"])
def test_a_delay_beyond_the_last_year_is_never(with_sections, project):
    never, beyond = with_sections(projects={project: "never"}), with_sections(projects={project: LAST_YEAR + 1})
    for name in ("links", "connectors", "terminals", "shapes"):
        assert never.table(f"networks/{name}").equals(beyond.table(f"networks/{name}"))


def test_nothing_of_the_base_year_moves_whatever_is_built(inputs, with_sections):
    everything = inputs.table("networks/projects")["project_id"].to_list()
    found = with_sections(
        projects=dict.fromkeys(everything, 2021), closures={"RL001": {2021: 1.0}}, sites={"Z_RF_LYSH": {2021: 0.0}}
    )
    for year in (2015, 2018, 2020):
        before, after = (open_links(x.table("networks/links"), year).drop("close_year") for x in (inputs, found))
        assert after.equals(before)
        joined = open_connectors(found.table("networks/connectors"), year).drop("open_year", "close_year")
        assert joined.equals(inputs.table("networks/connectors"))
    old = found.table("networks/terminals").filter(pl.col("open_year").is_null())
    assert old.equals(inputs.table("networks/terminals"))
    names = found.table("networks/links")["link_id"]
    assert names.n_unique() == names.len()
    assert found.table("networks/terminals")["terminal_id"].is_unique().all()


def test_every_project_of_the_register_makes_something_new(inputs, with_sections):
    """Each alone would do; built together, each must leave a row of its own year or a link that it opens."""
    register = inputs.table("networks/projects")
    found = with_sections(projects=dict.fromkeys(register["project_id"].to_list(), 2028))
    links, terminals, connectors = (found.table(f"networks/{t}") for t in ("links", "terminals", "connectors"))
    opened = {base_id(name) for name in links.filter(pl.col("open_year") == 2028)["link_id"]}
    grown = {base_id(name) for name in terminals.filter(pl.col("open_year") == 2028)["terminal_id"]}
    joined = set(connectors.filter(pl.col("open_year") == 2028)["zone_id"])
    for row in register.iter_rows(named=True):
        targets = set(projects.names(row["target"])) or {row["project_id"]}
        assert targets <= opened | grown | joined, row["project_id"]


def test_a_new_line_joins_its_ends_and_is_drawn(with_sections):
    found = with_sections(projects={"port_rail_bayuquan": 2028})
    new = link(found, "port_rail_bayuquan")
    assert (new["from_node"], new["to_node"], new["mode"], new["open_year"]) == ("R_YINGKOU", "R_BYQBEI", "rail", 2028)
    assert new["capacity_t_per_year"] == pytest.approx((36 - 1.6 * 3) * 1800 * 365)
    shape = found.table("networks/shapes").filter(pl.col("link_id") == "port_rail_bayuquan")["shape"].item()
    assert shape.count(";") == 1


@pytest.mark.slow
def test_planned_links_still_open_by_lever_unless_a_project_says_never(inputs, scenario_of, base_model):
    planned = {"RL105", "RD359"}

    def there(**sections):
        scenario = load_scenario("baseline", inputs.folder, inputs.levers, extra={"planned_links": {2028: 1.0}}, **sections)
        run = scenario_inputs(scenario, inputs)
        ready = prepare(run, scenario_params(scenario, run), earlier=base_model.prepared)
        return {
            year: planned & set(ready.states[ready.state_of_year[year_index(year)]].links["link_id"]) for year in (2024, 2030)
        }

    assert there() == {2024: set(), 2030: planned}
    assert there(projects={"line_shenxi_2": "never"}) == {2024: set(), 2030: {"RD359"}}
    assert there(projects={"line_shenxi_2": 2024}) == {2024: {"RL105"}, 2030: planned}


def test_on_the_finer_network_roads_are_their_pieces(inputs, scenario_of):
    scenario = replace(
        scenario_of(projects={"road_jingha_widening": 2032, "dbl_gouhai": 2027}, closures={"RD001": {2028: 0.5}}), network="fine"
    )
    fine = on_network(inputs, "fine")
    found = scenario_inputs(scenario, inputs)
    before, after = (x.table("networks/links") for x in (fine, found))
    wide = pl.col("note").str.starts_with("on RD001W")
    assert before.filter(wide).height > 1
    assert after.filter(wide)["open_year"].unique().to_list() == [2032]
    narrow = pl.col("note").str.contains(r"^on RD001(;|$)")
    assert after.filter(narrow)["close_year"].unique().to_list() == [2031]
    assert link(found, "RL068~2027")["open_year"] == 2027
    closed = Closures.read(found)
    assert set(closed.share) == {*after.filter(narrow)["link_id"]}
    assert all(path[year_index(2028)] == 0.5 for path in closed.share.values())


def test_the_app_knows_the_links_of_a_run_with_projects(tmp_path):
    resolved = {
        "run": {"network": "compact"},
        "projects": {"dbl_gouhai": 2027, "port_rail_bayuquan": 2028},
        "closures": {"RL001": {"2028": 0.25}},
    }
    found = state.inputs_of(StoredRun(tmp_path, {"resolved": resolved}))
    sections = names_of(found, "en").sections
    assert sections["RL068~2027"] == sections["RL068"]
    assert "Bayuquan" in sections["port_rail_bayuquan"]
    assert Closures.read(found).share["RL001"][year_index(2028)] == 0.25
    bare = state.inputs_of(StoredRun(tmp_path, {"resolved": {"run": {"network": "compact"}}}))
    assert "RL068~2027" not in names_of(bare, "en").sections


# --- closures and sites as tables ---------------------------------------------------------------------------------------------------


def test_closures_cut_the_capacity_of_their_year(inputs, with_sections, base_model):
    found = with_sections(
        closures={"RL001": {2028: 0.25}, "PP020": {2029: 0.5}, "RD001": {2027: 0.5}, "berth_PT_DAGANG": {2030: 0.4}}
    )
    before, after = (read_limits(x, x.params(), base_model.prepared) for x in (inputs, found))

    def ratio(path):
        return [float(path[year_index(year)]) for year in (2020, 2027, 2028, 2029, 2030)]

    berth = after.terminals["berth"]["Z_PT_DAGANG"] / before.terminals["berth"]["Z_PT_DAGANG"]
    assert ratio(berth) == pytest.approx([1, 1, 1, 1, 0.6])
    road = before.roads.position["RD001"]
    assert ratio(after.roads.capacity_t[road] / before.roads.capacity_t[road]) == pytest.approx([1, 0.5, 1, 1, 1])
    assert ratio(np.broadcast_to(after.closures.left("RL001"), len(YEARS))) == pytest.approx([1, 1, 0.75, 1, 1])
    assert ratio(np.broadcast_to(after.closures.left("PP020"), len(YEARS))) == pytest.approx([1, 1, 1, 0.5, 1])
    assert after.closures.left("RL002") == 1.0


def test_a_closed_terminal_takes_its_connectors_with_it(inputs, with_sections):
    found = with_sections(closures={"siding_ST_ANGANG": {2028: 1.0}, "yard_R_SY": {2029: 1.0}, "berth_PT_DAGANG": {2030: 1.0}})
    shut, terminals = Closures.read(found), found.table("networks/terminals")
    connectors = inputs.table("networks/connectors")

    def gone(year):
        left = shut.connectors(connectors, terminals, year)
        lost = connectors.join(left, on=["zone_id", "node_id", "mode", "link_class"], how="anti")
        return set(lost.select("link_class").unique()["link_class"]), set(lost["zone_id"]), set(lost["node_id"])

    assert gone(2027) == (set(), set(), set())
    assert gone(2028)[:2] == ({"siding"}, {"Z_ST_ANGANG"})
    assert gone(2029)[0] == {"drayage"}
    assert gone(2029)[2] == {"R_SY"}
    assert gone(2030)[1] == {"Z_PT_DAGANG"}
    assert shut.ports(terminals, 2030) == {"Z_PT_DAGANG"}
    assert shut.ports(terminals, 2029) == frozenset()


def test_a_yard_that_was_extended_closes_as_a_whole(with_sections):
    found = with_sections(projects={"yard_sujiatun": 2026}, closures={"yard_R_SUJIATUN": {2028: 1.0}})
    shut, terminals = Closures.read(found), found.table("networks/terminals")
    assert terminals.filter(pl.col("node_id") == "R_SUJIATUN", pl.col("link_class") == "drayage").height == 2
    left = shut.connectors(found.table("networks/connectors"), terminals, 2028)
    assert left.filter(pl.col("node_id") == "R_SUJIATUN", pl.col("link_class") == "drayage").is_empty()


@given(st.dictionaries(st.integers(2021, LAST_YEAR), st.floats(0.0, 5.0), min_size=1))
@settings(max_examples=50, deadline=None)
def test_the_path_of_a_site_steps_at_the_years_named(levels):
    path = projects.site_path(levels)
    first = min(levels)
    assert np.all(path[: year_index(first)] == 1.0)
    for year in range(first, LAST_YEAR + 1):
        assert path[year_index(year)] == levels[max(y for y in levels if y <= year)]


def test_a_site_multiplies_the_path_of_the_data(with_sections, inputs, base_model):
    found = with_sections(sites={"Z_RF_DLSH": {2024: 0.5}})
    ready = prepare(found, found.params(), earlier=base_model.prepared)
    levels = dict(zip(ready.demand.groups, make_levels(found, ready), strict=True))
    plain = dict(zip(base_model.prepared.demand.groups, make_levels(inputs, base_model.prepared), strict=True))
    key = next(name for name in levels if "Z_RF_DLSH" in name)
    np.testing.assert_array_equal(levels[key][: year_index(2024)], plain[key][: year_index(2024)])
    np.testing.assert_allclose(levels[key][year_index(2024) :], 0.5 * plain[key][year_index(2024) :])


def make_levels(inputs, ready):
    from transport.industry import group_levels

    return group_levels(inputs.params(), ready.demand.groups)[:, 0]


def test_a_site_moves_in_a_held_scenario_too(inputs):
    scenario = load_scenario("rebound_only", inputs.folder, inputs.levers, sites={"Z_ST_ANGANG": {2027: 0.25}})
    run = scenario_inputs(scenario, inputs)
    level = scenario_params(scenario, run).get("site_level", "Z_ST_ANGANG")[0]
    assert (level[BASE], level[year_index(2026)], level[year_index(2027)], level[-1]) == (1.0, 1.0, 0.25, 0.25)


# --- one base year for many networks ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_networks_taken_from_another_run_are_those_of_the_run_itself(with_sections, base_model):
    found = with_sections(projects={"siding_haicheng_steel": 2029}, sites={"Z_RF_LYSH": {2027: 0.0}})
    params = found.params()
    own, taken = prepare(found, params), prepare(found, params, earlier=base_model.prepared)
    assert own.state_of_year == taken.state_of_year
    for one, other in zip(own.states, taken.states, strict=True):
        assert one.links.equals(other.links)
        for name in ("chain", "demand", "components", "measure", "port", "group_start"):
            np.testing.assert_array_equal(getattr(one.rows, name), getattr(other.rows, name))
        np.testing.assert_array_equal(one.captive.group, other.captive.group)
        np.testing.assert_array_equal(one.inputs.rail_access.kind, other.inputs.rail_access.kind)
    reused = {id(s.chains) for s in base_model.prepared.states} & {id(s.chains) for s in taken.states}
    assert reused
    assert len(reused) < len(taken.states)


def test_a_base_year_of_other_data_is_refused(inputs, base_model):
    links = inputs.table("networks/links").with_columns(
        speed_km_h=pl.when(pl.col("link_id") == "RL001").then(40.0).otherwise("speed_km_h")
    )
    other = replace(inputs, tables={**inputs.tables, "networks/links": links})
    with pytest.raises(CalibrationError, match="networks or demand"):
        rebuilt(other, other.params(), base_model)


# --- what they do -------------------------------------------------------------------------------------------------------------------


def test_a_project_delayed_beyond_a_year_is_in_that_year_as_never_built(inputs, scenario_of, base_model):
    """Every year before the opening, bit by bit, over all years of the freight model."""

    def totals(opening):
        scenario = scenario_of(
            projects={"road_jingha_widening": opening, "dbl_gouhai": opening, "siding_haicheng_steel": opening}
        )
        run = scenario_inputs(scenario, inputs)
        params = scenario_params(scenario, run)
        base = rebuilt(run, params, base_model)
        solution = solve_model(run, params, capacity="fixed", detail=(2030,), base=base).speed.solution
        return solution.totals, solution.flows[LATER]

    (late, late_flow), (never, never_flow) = totals(2032), totals("never")
    until = year_index(2032)
    np.testing.assert_array_equal(late_flow, never_flow)
    np.testing.assert_array_equal(late[..., :until], never[..., :until])
    assert np.abs(late[..., until:] - never[..., until:]).max() > 1e3


def test_doubling_a_tight_section_draws_goods_to_it(plain_equilibrium, solved):
    after = solved(capacity="equilibrium", projects={"dbl_gouhai": 2027})
    before_t, after_t = (
        frame.filter(pl.col("link_id").map_elements(base_id, return_dtype=pl.String) == "RL068")
        .select(t=pl.col("forward_t") + pl.col("backward_t"), capacity="capacity_t_per_year")
        .row(0)
        for frame in (flows(plain_equilibrium)[0], flows(after)[0])
    )
    assert after_t[1] > 2 * before_t[1]
    assert after_t[0] > before_t[0]
    assert tonnes(after, RAIL) > tonnes(plain_equilibrium, RAIL)
    assert tonnes(after, ROAD) < tonnes(plain_equilibrium, ROAD)


def test_a_siding_ends_the_drayage_of_its_site(plain, solved):
    zone = "Z_ST_HAICHENG"
    after = solved(projects={"siding_haicheng_steel": 2027})
    position = after.prepared.zones.position[zone]
    kinds = [m.prepared.states[m.prepared.state_of_year[LATER]].inputs.rail_access.kind[position] for m in (plain, after)]
    assert (kinds[0] != DIRECT).all()
    assert (kinds[1][:1] == DIRECT).all()
    by_rail = [
        float(m.speed.solution.flows[LATER][at_zone(m, zone) & (NEST[rows_of(m).alternative] == RAIL)].sum())
        for m in (plain, after)
    ]
    assert by_rail[1] > by_rail[0]
    assert tonnes(after, ROAD) < tonnes(plain, ROAD)
    load = [year_load(m, LATER).terminal_t["siding"][position] for m in (plain, after)]
    assert load[0] == 0.0
    assert load[1] > 1e6
    assert after.prepared.sided[LATER, position]
    assert not after.prepared.sided[BASE, position]


@pytest.mark.parametrize(
    ("built", "commodity"),
    [
        ({"pipe_crude_panjin": 2027}, "crude"),
        ({"pipe_product_wepec": 2027, "pipe_product_wepec_liaoyang": 2027}, "refined_products"),
    ],
)
def test_a_pipeline_takes_oil_off_the_road(plain, solved, built, commodity):
    after = solved(projects=built)
    assert tonnes(after, PIPE, [commodity]) > tonnes(plain, PIPE, [commodity]) + 1e5
    assert tonnes(after, ROAD, [commodity]) < tonnes(plain, ROAD, [commodity])


def test_a_new_ferry_route_takes_lorries_on_board(plain, solved):
    after = solved(projects={"roro_bayuquan_yantai": 2027})
    table, closed_t = flows(after)
    assert closed_t == 0
    route = table.filter(pl.col("link_id") == "roro_bayuquan_yantai")
    assert route.select(pl.col("forward_t") + pl.col("backward_t")).item() > 1e4
    assert tonnes(after, WATER) + tonnes(after, ROAD) == pytest.approx(tonnes(plain, WATER) + tonnes(plain, ROAD), rel=1e-3)
    code = ALTERNATIVES.index("roro")
    by_ferry = [float(m.speed.solution.flows[LATER][rows_of(m).alternative == code].sum()) for m in (plain, after)]
    assert by_ferry[1] > by_ferry[0]


@pytest.mark.parametrize("project", ["elec_liaoxi", "port_rail_dayaowan", "yard_sujiatun", "berth_dagang", "pipe_gas_dashen"])
def test_more_capacity_never_lessens_what_its_place_carries(inputs, with_sections, base_model, project):
    """The capacity of the place in 2030, whatever it is, against that without the project."""
    row = inputs.table("networks/projects").filter(pl.col("project_id") == project).row(0, named=True)
    found = with_sections(projects={project: 2027})
    before, after = (read_limits(x, x.params(), base_model.prepared) for x in (inputs, found))
    for name in projects.names(row["target"]):
        if name in before.rail_capacity_t:
            assert after.rail_capacity_t[f"{name}~2027"][LATER] > before.rail_capacity_t[name][LATER]
        elif name in before.pipe_capacity_t:
            old, new = (
                np.broadcast_to(x, len(YEARS))[LATER]
                for x in (before.pipe_capacity_t[name], after.pipe_capacity_t[f"{name}~2027"])
            )
            assert new == pytest.approx(row["capacity_factor"] * old)
        else:
            terminal = inputs.table("networks/terminals").filter(pl.col("terminal_id") == name).row(0, named=True)
            kind, place = (
                ("yard", terminal["node_id"])
                if terminal["link_class"] == "drayage"
                else (terminal["link_class"], terminal["zone_id"])
            )
            more = after.terminals[kind][place] - before.terminals[kind][place]
            assert more[LATER] == pytest.approx(row["capacity_t_per_year"])
            assert more[year_index(2026)] == 0.0


def test_at_the_fixed_speed_a_changed_line_has_the_price_of_its_old_flow(plain, solved):
    """Capacity 15 % higher takes away most of the price of 2020, not all of it; a doubled line has hardly any left."""

    def price(model, link_id):
        index = model.prepared.state_of_year[LATER]
        network = model.prepared.states[index].inputs.rail.network
        arcs = np.flatnonzero(network.link == network.link_ids.index(link_id))
        return model.frozen[index].price["rail"][arcs].max()

    upgraded, doubled = solved(projects={"upg_shenda": 2027}), solved(projects={"dbl_gouhai": 2027})
    power = plain.limits.at("scarcity_power", "rail", BASE)
    assert price(plain, "RL006") > 0.01
    assert price(upgraded, "RL006~2027") == pytest.approx(price(plain, "RL006") / 1.15**power, rel=1e-3)
    assert price(doubled, "RL068~2027") < 0.01 * price(plain, "RL068")
    assert price(doubled, "RL006") == price(plain, "RL006")


def test_a_port_railway_counts_as_access_from_its_year(with_sections, inputs):
    found = with_sections(projects={"port_rail_suizhong": 2027})
    before, after = (port_access(x, x.params()).by_area[0] for x in (inputs, found))
    np.testing.assert_array_equal(after[: year_index(2027)], before[: year_index(2027)])
    assert (after[year_index(2027) :] > before[year_index(2027) :]).all()


def test_a_closed_link_carries_nothing_and_its_goods_go_elsewhere(plain, solved):
    after = solved(closures={"RL068": {2030: 1.0}})
    frame, stray = flows(after)
    assert stray == 0.0
    assert "RL068" not in frame["link_id"]
    before = flows(plain)[0].filter(pl.col("link_id") == "RL068").row(0, named=True)
    assert before["forward_t"] + before["backward_t"] > 1e7
    assert tonnes(after, RAIL) < tonnes(plain, RAIL)
    everything = [sum(tonnes(m, mode) for mode in (ROAD, RAIL, WATER, PIPE)) for m in (plain, after)]
    assert everything[1] == pytest.approx(everything[0], rel=1e-9)


def test_half_a_year_of_closure_names_the_section_in_the_unmet_demand(plain_equilibrium, solved):
    half = solved(capacity="equilibrium", closures={"RL068": {2030: 0.5}})
    held = [_unmet_year(m, LATER).filter(pl.col("place") == "RL068")["unmet_t"].sum() for m in (plain_equilibrium, half)]
    assert held[1] > held[0] + 1e6
    assert tonnes(half, RAIL) < tonnes(plain_equilibrium, RAIL)
    used = [flows(m)[0].filter(pl.col("link_id") == "RL068").row(0, named=True) for m in (plain_equilibrium, half)]
    assert used[1]["capacity_t_per_year"] == pytest.approx(0.5 * used[0]["capacity_t_per_year"])
    assert used[1]["forward_t"] < used[0]["forward_t"]


def test_no_chain_passes_a_closed_quay_and_its_goods_are_named(plain, solved, with_sections):
    closures = {"berth_PT_DALIANWAN": {2030: 1.0}}
    after, after_inputs = solved(closures=closures), with_sections(closures=closures)
    state = after.prepared.states[after.prepared.state_of_year[LATER]]
    port = after.prepared.zones.position["Z_PT_DALIANWAN"]
    stops = state.chains.stops
    assert not ((stops.kind == TERMINAL_KIND["berth"]) & (stops.place == port)).any()
    assert state.rows.unserved.size > rows_of(plain).unserved.size
    held = stranded_frame(after_inputs, after, unmet_frame(after)).filter(pl.col("year") == 2030)
    assert held.select("constraint", "place", "mode").unique().rows() == [("berth", "Z_PT_DALIANWAN", "water")]
    everything = [float(sum(tonnes(m, mode) for mode in (ROAD, RAIL, WATER, PIPE))) for m in (plain, after)]
    assert held["unmet_t"].sum() == pytest.approx(everything[0] - everything[1], rel=1e-6)
    other = after.prepared.zones.position["Z_PT_DAYAOWAN"]
    load = [year_load(m, LATER).terminal_t["berth"][other] for m in (plain, after)]
    assert load[1] > load[0]


def test_closing_a_refinery_takes_its_crude_and_products_away(plain, solved):
    zone = "Z_RF_LYSH"
    after = solved(sites={zone: {2027: 0.0}})
    demand = after.prepared.demand.demand
    mine = at_zone(after, zone)
    flow = after.speed.solution.flows[LATER]
    assert flow[mine].sum() == 0.0
    before = plain.speed.solution.flows[LATER][at_zone(plain, zone)].sum()
    assert before > 1e6
    np.testing.assert_allclose(flow[~mine], plain.speed.solution.flows[LATER][~at_zone(plain, zone)], rtol=1e-9, atol=1e-3)
    level = after.costs.group_level[demand.group[rows_of(after).demand[mine]], 0]
    assert (level[:, : year_index(2027)] > 0).all()
    captive = after.prepared.demand.captive
    position = after.prepared.zones.position[zone]
    own = captive.filter((pl.col("origin") == position) | (pl.col("destination") == position))["group"].to_numpy()
    assert own.size
    assert (after.costs.group_level[own, 0, LATER] == 0.0).all()
    assert (after.costs.group_level[own, 0, year_index(2026)] > 0.0).all()


def test_a_port_at_rest_sends_its_choosing_goods_to_others(plain, solved):
    after = solved(sites={"Z_PT_YKLAO": {2028: 0.0}})
    port, other = (after.prepared.zones.position[z] for z in ("Z_PT_YKLAO", "Z_PT_BAYUQUAN"))
    before, now = (year_load(m, LATER).terminal_t["berth"] for m in (plain, after))
    assert before[port] > 1e6
    assert now[port] == 0.0
    assert now[other] > before[other]
    groups = after.prepared.demand.demand.group
    assert after.costs.group_level[groups, 0, LATER].min() == 0.0
    assert (after.costs.group_level[groups, 0, BASE] > 0.0).all()
