"""Explanations of single hauls: they must be the model's own numbers, and add up."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from networks.errors import NetworkError
from networks.parts import ALTERNATIVES, LEG_MODES
from networks.wiring import ROAD_CLASSES, ROAD_VALUES
from transport import network_freight
from transport.cli import main
from transport.freight_demand import COMMODITIES
from transport.freight_explain import TERMS, Explanation, _built_chains, _own_chains, explain, find_commodity, find_zone
from transport.freight_loads import YearLoad, link_frame, year_load
from transport.freight_paths import arc_ratios
from transport.freight_year import solve_year
from transport.layout import year_index

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transport.freight_model import BaseModel, FreightModel
    from transport.inputs import Inputs

YEAR = 2030
NOW = year_index(YEAR)


@pytest.fixture(scope="module")
def load(fixed_model: FreightModel) -> YearLoad:
    return year_load(fixed_model, NOW)


@pytest.fixture(scope="module")
def settled(inputs: Inputs, base_model: BaseModel) -> FreightModel:
    """Return the year in equilibrium."""
    return solve_year(inputs, inputs.params(), YEAR, base=base_model)


@pytest.fixture(scope="module")
def settled_load(settled: FreightModel) -> YearLoad:
    return year_load(settled, NOW)


@pytest.fixture(scope="module")
def links(fixed_model: FreightModel) -> pl.DataFrame:
    return fixed_model.prepared.states[fixed_model.prepared.state_of_year[NOW]].links


@pytest.fixture(scope="module")
def flows(load: YearLoad, links: pl.DataFrame) -> pl.DataFrame:
    return link_frame(load, links, YEAR)[0].with_columns(both=pl.col("forward_t") + pl.col("backward_t"))


def cases(model: FreightModel) -> Iterator[tuple[str, str, str, int]]:
    """Yield the place and goods of the largest flow of each kind of chain: origin, destination, commodity, pair."""
    state = model.prepared.states[model.prepared.state_of_year[NOW]]
    rows, flow, demand = state.rows, model.speed.solution.flows[NOW], model.prepared.demand.demand
    zones = model.prepared.zones.ids
    for code in range(len(ALTERNATIVES)):
        mine = np.flatnonzero(rows.alternative == code)
        if mine.size:
            row = int(mine[np.argmax(flow[mine])])
            pair = int(state.chains.pair[rows.chain[row]])
            yield (
                zones[demand.origin[pair]],
                zones[demand.destination[pair]],
                COMMODITIES[demand.commodity[rows.demand[row]]],
                pair,
            )


# --- explain: known answers, the model's own


@pytest.mark.parametrize("speed", ["fixed", "equilibrium"])
def test_chains_are_the_rows_of_the_model(
    inputs: Inputs, fixed_model: FreightModel, settled: FreightModel, load: YearLoad, settled_load: YearLoad, speed: str
) -> None:
    model, loaded = (fixed_model, load) if speed == "fixed" else (settled, settled_load)
    state = model.prepared.states[model.prepared.state_of_year[NOW]]
    rows, flow, cost = state.rows, model.speed.solution.flows[NOW], model.speed.solution.costs[NOW]
    demand, seen = model.prepared.demand.demand, set()
    for origin, destination, commodity, pair in cases(model):
        found = explain(inputs, inputs.params(), model, origin, destination, commodity, YEAR, load=loaded)
        assert found.capacity == speed
        seen |= set(found.chains["alternative"].to_list())
        # known, distributed and port-choosing goods of the pair share its chains
        mine = np.flatnonzero(
            (state.chains.pair[rows.chain] == pair) & (demand.commodity[rows.demand] == COMMODITIES.index(commodity))
        )
        key = [(ALTERNATIVES[rows.alternative[i]], int(state.chains.rank[rows.chain[i]]) + 1) for i in mine]
        got = {
            (a, r): (t, c)
            for a, r, t, c in found.chains.select("alternative", "rank", "t_per_year", "cost_cny_per_t").iter_rows()
        }
        assert set(got) == set(key)
        for i, k in zip(mine, key, strict=True):
            whole = flow[mine][rows.chain[mine] == rows.chain[i]].sum()
            assert got[k][0] == pytest.approx(whole, rel=1e-9, abs=1e-9)
            assert got[k][1] == pytest.approx(cost[i], rel=1e-9)
        assert found.t_per_year == pytest.approx(flow[mine].sum(), rel=1e-9)
    assert len(seen) >= 10  # nearly every kind of chain was looked at


def balanced(found: Explanation) -> None:
    table = found.chains
    terms = sum(table[name].to_numpy() for name in TERMS)
    np.testing.assert_allclose(terms, table["cost_cny_per_t"].to_numpy(), rtol=1e-9, atol=1e-9)
    assert table["probability"].sum() == pytest.approx(1.0, abs=1e-12)
    assert table["t_per_year"].sum() == pytest.approx(found.t_per_year, rel=1e-12, abs=1e-9)
    assert table["chain"].to_list() == list(range(1, table.height + 1))


def driven(found: Explanation) -> None:
    """At the fixed speed a chain has one path, whose legs are its kilometres."""
    km = sum(found.chains[f"km_{mode}"].to_numpy() for mode in LEG_MODES)
    legs = found.path.group_by("chain").agg(pl.col("km").sum()).sort("chain")["km"].to_numpy()
    np.testing.assert_allclose(legs, km, rtol=1e-9, atol=1e-9)


def test_terms_shares_and_legs_add_up(inputs: Inputs, fixed_model: FreightModel, load: YearLoad) -> None:
    for origin, destination, commodity, _ in cases(fixed_model):
        found = explain(inputs, inputs.params(), fixed_model, origin, destination, commodity, YEAR, load=load)
        balanced(found)
        driven(found)


def test_terms_and_shares_add_up_in_equilibrium(inputs: Inputs, settled: FreightModel, settled_load: YearLoad) -> None:
    for origin, destination, commodity, _ in cases(settled):
        balanced(explain(inputs, inputs.params(), settled, origin, destination, commodity, YEAR, load=settled_load))


def test_delays_are_those_of_the_speed(
    inputs: Inputs, fixed_model: FreightModel, settled: FreightModel, load: YearLoad, settled_load: YearLoad
) -> None:
    position, hours = fixed_model.prepared.zones.position, []
    ends = position["Z_GW_HARBIN"], position["Z_PT_BAYUQUAN"]
    loading = inputs.params().get("road_loading_time")[0, NOW]
    assert settled.years is not None
    held = fixed_model.frozen[fixed_model.prepared.state_of_year[NOW]].conditions
    for model, loaded, conditions in ((fixed_model, load, held), (settled, settled_load, settled.years.years[NOW].conditions)):
        found = explain(inputs, inputs.params(), model, "Z_GW_HARBIN", "Z_PT_BAYUQUAN", "grain", YEAR, load=loaded)
        hours.append(found.chains.filter(pl.col("alternative") == "road")["hours"].item())
        driving = conditions.road[ROAD_CLASSES.index("road"), ROAD_VALUES.index("hours")][ends]
        assert hours[-1] == pytest.approx(driving + loading, rel=1e-9)
    assert abs(hours[1] - hours[0]) > 0.05


def test_chains_built_for_a_pair_are_those_of_the_model(inputs: Inputs, fixed_model: FreightModel) -> None:
    """What is built for a pair without demand must be what the model builds for such a pair: same costs, same preferences."""
    state = fixed_model.prepared.states[fixed_model.prepared.state_of_year[NOW]]
    demand, alike = fixed_model.prepared.demand.demand, 0
    for _, _, commodity, pair in cases(fixed_model):
        ends, code = (demand.origin[[pair]], demand.destination[[pair]]), COMMODITIES.index(commodity)
        own = _own_chains(fixed_model, state, ends, code, NOW)
        built = _built_chains(inputs, fixed_model, state, ends, code, NOW)
        assert own is not None
        assert own.t_per_year > 0
        assert built.t_per_year == 0.0
        # ports are chosen among those that the goods of the pair can use: of these the model may keep others
        mine, theirs = (
            sorted(
                (int(a), round(float(c), 9)) for a, c in zip(x.alternative, x.cost, strict=True) if "sea" not in ALTERNATIVES[a]
            )
            for x in (built, own)
        )
        assert mine == theirs
        alike += len(mine)
    assert alike >= 20


def test_legs_join_and_their_links_run_between_their_nodes(
    inputs: Inputs, fixed_model: FreightModel, load: YearLoad, links: pl.DataFrame
) -> None:
    ends = {i: {a, b} for i, a, b in links.select("link_id", "from_node", "to_node").iter_rows()}
    node = dict(inputs.table("networks/zones").select("zone_id", "node_id").iter_rows())
    for origin, destination, commodity, _ in cases(fixed_model):
        path = explain(inputs, inputs.params(), fixed_model, origin, destination, commodity, YEAR, load=load).path
        for _, legs in path.group_by("chain", maintain_order=True):
            nodes = legs["nodes"].to_list()
            assert nodes[0][0] == node[origin]
            assert nodes[-1][-1] == node[destination]
            assert all(a[-1] == b[0] or len(a) == 1 for a, b in pairwise(nodes))
            for visited, used in legs.select("nodes", "links").iter_rows():
                steps = [{a, b} for a, b in pairwise(visited)]
                assert all(ends[link] in steps for link in used if not link.startswith("connector:"))


def test_utility_orders_chains_with_their_preferences(inputs: Inputs, fixed_model: FreightModel, load: YearLoad) -> None:
    found = explain(inputs, inputs.params(), fixed_model, "Z_ST_LINGGANG", "Z_GW_SHG", "steel", YEAR, load=load).chains
    costs = fixed_model.costs
    utility = costs.scale[0, NOW] * (found["beside_cost_cny_per_t"] - found["cost_cny_per_t"])
    np.testing.assert_allclose(utility, found["utility"], atol=1e-9)

    def odds(first: dict[str, float], other: dict[str, float]) -> tuple[float, float]:
        return float(np.log(first["probability"] / other["probability"])), first["utility"] - other["utility"]

    # chains alone in their main mode compare by their utilities
    rail = found.filter(pl.col("alternative") == "rail_siding_siding").to_dicts()
    road = found.filter(pl.col("alternative").is_in(["road", "road_ordinary"])).to_dicts()
    assert (len(rail), len(road)) == (1, 1)
    share, apart = odds(rail[0], road[0])
    assert share == pytest.approx(apart, rel=1e-9)
    # ports of one kind of chain by the port scale, terminal pairs by the terminal scale
    ports = found.filter(pl.col("alternative") == "sea_truck").to_dicts()
    share, apart = odds(ports[0], ports[1])
    assert share == pytest.approx(apart / costs.port_scale[0, NOW], rel=1e-9)
    found = explain(inputs, inputs.params(), fixed_model, "Z_FS", "Z_SY", "general_cargo", YEAR, load=load).chains
    yards = found.filter(pl.col("alternative") == "rail_truck_truck").to_dicts()
    share, apart = odds(yards[0], yards[1])
    assert share == pytest.approx(apart / costs.terminal_scale[0, NOW], rel=1e-9)


def test_co2_is_kilometres_times_the_parameter(inputs: Inputs, fixed_model: FreightModel, load: YearLoad) -> None:
    found = explain(inputs, inputs.params(), fixed_model, "鞍山", "Z_PT_BAYUQUAN", "coal", YEAR, load=load).chains
    road = found.filter(pl.col("alternative") == "road").row(0, named=True)
    rate = inputs.params().get("freight_direct_co2", "road")[0, NOW]
    assert road["co2_kg_per_t"] == pytest.approx(road["km_road"] * rate / 1000.0)
    assert road["km_rail"] == 0.0


def test_worst_direction_has_the_ratio_of_the_link(load: YearLoad, flows: pl.DataFrame) -> None:
    # where cars alone fill a road the table has no capacity left to compare with
    table = dict(flows.filter(pl.col("capacity_t_per_year") > 0).select("link_id", "vc_ratio").iter_rows())
    worst: dict[str, float] = {}
    for (link, _), ratio in arc_ratios(load).items():
        worst[link] = max(ratio, worst.get(link, 0.0))
    shared = sorted(set(worst) & set(table))
    assert len(shared) > 300
    np.testing.assert_allclose([worst[i] for i in shared], [table[i] for i in shared], rtol=1e-9)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ends=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), commodity=st.sampled_from(COMMODITIES))
def test_any_two_places_can_be_asked_for(
    ends: tuple[int, int], commodity: str, inputs: Inputs, fixed_model: FreightModel, load: YearLoad
) -> None:
    zones = fixed_model.prepared.zones.ids
    origin, destination = (zones[i % len(zones)] for i in ends)
    try:
        found = explain(inputs, inputs.params(), fixed_model, origin, destination, commodity, YEAR, load=load)
    except NetworkError as error:
        assert str(YEAR) in str(error)  # noqa: PT017  (no chain joins the two, and the message says so)
        return
    balanced(found)
    driven(found)
    assert network_freight.sentence(found, "zh")
    assert network_freight.path_lines(found, "en")


# --- names


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("Z_AS", "Z_AS"),
        ("AS", "Z_AS"),
        ("鞍山", "Z_AS"),
        ("anshan", "Z_AS"),
        ("营口港鲅鱼圈", "Z_PT_BAYUQUAN"),
        ("PT_BAYUQUAN", "Z_PT_BAYUQUAN"),
    ],
)
def test_places_by_id_node_or_name(text: str, zone: str, inputs: Inputs) -> None:
    assert find_zone(inputs, text) == zone


def test_ambiguous_and_unknown_places_say_what_could_be_meant(inputs: Inputs) -> None:
    with pytest.raises(NetworkError, match=r"营口港鲅鱼圈港区 .Z_PT_BAYUQUAN"):
        find_zone(inputs, "营口港")
    with pytest.raises(NetworkError, match="Z_PT_BAYUQUAN"):
        find_zone(inputs, "Z_PT_BAYUQAN")
    with pytest.raises(NetworkError, match="No zone is called"):
        find_zone(inputs, "", "en")


@pytest.mark.parametrize(
    ("text", "code"), [("coal", "coal"), ("煤炭", "coal"), ("煤", "coal"), ("Grain", "grain"), ("containers", "containers")]
)
def test_commodities_by_code_or_label(text: str, code: str, inputs: Inputs) -> None:
    assert find_commodity(inputs, text) == code


@pytest.mark.parametrize(("text", "near"), [("cole", "coal"), ("矿石", "metal_ore"), ("", "coal"), ("c", "cement_building")])
def test_unknown_commodities_are_refused_with_suggestions(text: str, near: str, inputs: Inputs) -> None:
    with pytest.raises(NetworkError, match=near):
        find_commodity(inputs, text)


# --- words


def told(found: Explanation, *, costs: list[float], beside: list[float], probability: list[float]) -> Explanation:
    rows = found.chains.head(len(costs)).with_columns(
        pl.Series("cost_cny_per_t", costs), pl.Series("beside_cost_cny_per_t", beside), pl.Series("probability", probability)
    )
    return replace(found, chains=rows)


def test_sentence_says_who_wins_and_by_how_much(inputs: Inputs, fixed_model: FreightModel, load: YearLoad) -> None:
    found = explain(inputs, inputs.params(), fixed_model, "鞍山", "Z_PT_BAYUQUAN", "coal", YEAR, load=load)
    cheaper = told(found, costs=[50.0, 62.5], beside=[0.0, -5.0], probability=[0.8, 0.2])
    assert "Road takes 80%: it is 12.5 CNY/t cheaper than Rail" in network_freight.sentence(cheaper, "en")
    dearer = told(found, costs=[62.5, 50.0], beside=[20.0, -5.0], probability=[0.8, 0.2])
    assert "although it is 12.5 CNY/t dearer" in network_freight.sentence(dearer, "en")
    assert "worth 25.0 CNY/t more to it" in network_freight.sentence(dearer, "en")
    alone = told(found, costs=[50.0], beside=[0.0], probability=[1.0])
    assert "只有一种" in network_freight.sentence(alone, "zh")
    tight = found.path.filter(pl.col("chain") == 1)["worst_vc_ratio"].max()
    assert f"{100 * tight:.0f}%" in network_freight.sentence(alone, "zh")


# --- command line


@pytest.fixture
def solved(monkeypatch: pytest.MonkeyPatch, inputs: Inputs, fixed_model: FreightModel) -> None:
    """Let the commands use the model of the tests."""
    monkeypatch.setattr(network_freight, "_solved", lambda *_: (inputs.params(), fixed_model))


def call(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(["network", *argv])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.usefixtures("solved")
@pytest.mark.parametrize(
    ("lang", "words"), [("zh", ("运输链", "沈大线", "紧缺价", "元/吨")), ("en", ("Chain", "Scarcity price", "CNY/t", "tightest"))]
)
def test_explain_prints_chains_terms_and_path(capsys: pytest.CaptureFixture[str], lang: str, words: tuple[str, ...]) -> None:
    code, out, err = call(capsys, "explain", "Z_GW_HARBIN", "营口港鲅鱼圈", "粮食", "--lang", lang)
    assert (code, err) == (0, "")
    assert all(word in out for word in words)


@pytest.mark.usefixtures("solved")
def test_explain_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "explain", "鞍山", "营口", "coal", "--json")
    found: dict[str, Any] = json.loads(out)
    assert code == 0
    assert (found["origin"], found["destination"], found["commodity"], found["capacity"]) == ("Z_AS", "Z_YK", "coal", "fixed")
    assert sum(c["probability"] for c in found["chains"]) == pytest.approx(1.0)
    assert found["path"][0]["nodes"][0] == "AS"


@pytest.mark.parametrize(
    "argv",
    [
        ("explain", "营口港", "鞍山", "coal"),
        ("explain", "鞍山", "nowhere", "coal"),
        ("explain", "鞍山", "营口", "gold"),
    ],
)
def test_unknown_names_end_with_two_before_anything_is_solved(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...]
) -> None:
    def never(*_: object) -> None:
        pytest.fail("a wrong name must not cost a solve")

    monkeypatch.setattr(network_freight, "_solved", never)
    code, out, err = call(capsys, *argv)
    assert (code, out) == (2, "")
    assert any(word in err for word in argv[1:])
    code, out, _ = call(capsys, *argv, "--json")
    assert code == 2
    assert json.loads(out)["error"]
