"""Goods over a link, a line or a terminal: at both speeds they must add up to the flows and loads of the model's own tables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from networks.errors import NetworkError
from networks.parts import ALTERNATIVES, LEG_MODES
from transport import network_freight
from transport.cli import main
from transport.freight_loads import YearLoad, link_frame, terminal_frame, year_load
from transport.freight_select import Selection, find_target, select
from transport.freight_year import solve_year
from transport.layout import year_index
from transport.scenario import load_scenario
from transport.study import scenario_params

if TYPE_CHECKING:
    from pathlib import Path

    from transport.freight_model import BaseModel, FreightModel
    from transport.inputs import Inputs
    from transport.study import Results

YEAR = 2030
NOW = year_index(YEAR)
SPEEDS = ("equilibrium", "fixed")


@dataclass(frozen=True)
class Speed:
    """A model of the year with the tables that a run makes of it."""

    model: FreightModel
    load: YearLoad
    flows: pl.DataFrame

    @classmethod
    def of(cls, model: FreightModel) -> Speed:
        load = year_load(model, NOW)
        links = model.prepared.states[model.prepared.state_of_year[NOW]].links
        return cls(model, load, link_frame(load, links, YEAR)[0].with_columns(both=pl.col("forward_t") + pl.col("backward_t")))


@pytest.fixture(scope="module")
def speeds(inputs: Inputs, base_model: BaseModel, fixed_model: FreightModel) -> dict[str, Speed]:
    settled = solve_year(inputs, inputs.params(), YEAR, base=base_model)
    return {"equilibrium": Speed.of(settled), "fixed": Speed.of(fixed_model)}


def summed(found: Selection) -> None:
    for table in (found.by_commodity, found.by_alternative, found.by_pair, found.by_area):
        assert table["t"].sum() == pytest.approx(found.t_per_year, rel=1e-9)
        assert table["share_pct"].sum() == pytest.approx(100.0)
        assert table["t"].is_sorted(descending=True)
        assert table.null_count().sum_horizontal()[0] == 0


# --- the tables of the model


@pytest.mark.parametrize("speed", SPEEDS)
def test_goods_over_a_link_add_up_to_its_flow(inputs: Inputs, speeds: dict[str, Speed], speed: str) -> None:
    here = speeds[speed]
    used = here.flows.filter(pl.col("both") > 0).sort("both", descending=True)
    chosen = pl.concat(
        [group.gather_every(max(group.height // 8, 1)).head(8) for _, group in used.group_by("mode", maintain_order=True)]
    )
    assert chosen["mode"].n_unique() == len(LEG_MODES)
    for link, both in chosen.select("link_id", "both").iter_rows():
        found = select(inputs, here.model, link, YEAR)
        assert found.capacity == speed
        assert found.t_per_year == pytest.approx(both, rel=1e-9), link
        summed(found)


@pytest.mark.parametrize("speed", SPEEDS)
def test_trucks_off_the_expressways_are_counted(inputs: Inputs, speeds: dict[str, Speed], speed: str) -> None:
    # on the road with most of them; the table holds both classes of trucks, and so must the goods
    ordinary = next(n for n in speeds[speed].load.networks if n.name == "ordinary")
    road = np.array([not name.startswith("connector:") for name in ordinary.network.link_ids])
    flow = np.bincount(ordinary.network.link, ordinary.flow, minlength=road.size) * road
    link = ordinary.network.link_ids[int(flow.argmax())]
    found = select(inputs, speeds[speed].model, link, YEAR)
    both = speeds[speed].flows.filter(pl.col("link_id") == link)["both"].item()
    assert found.t_per_year == pytest.approx(both, rel=1e-9)
    alone = found.rows.filter(pl.col("alternative") == "road_ordinary")["t"].sum()
    assert alone == pytest.approx(flow.max(), rel=1e-9)


@pytest.mark.parametrize("speed", SPEEDS)
def test_goods_through_a_terminal_add_up_to_its_load(inputs: Inputs, speeds: dict[str, Speed], speed: str) -> None:
    here = speeds[speed]
    loads = terminal_frame(here.load, here.model.prepared, inputs.table("networks/terminals"), YEAR)
    for _, group in loads.filter(pl.col("t_per_year") > 0).group_by("kind", maintain_order=True):
        for terminal, tonnes in group.sort("t_per_year", descending=True).head(4).select("terminal_id", "t_per_year").iter_rows():
            found = select(inputs, here.model, terminal, YEAR)
            assert found.t_per_year == pytest.approx(tonnes, rel=1e-9), terminal
            summed(found)


@pytest.mark.parametrize("speed", SPEEDS)
def test_a_line_counts_a_leg_once(inputs: Inputs, speeds: dict[str, Speed], speed: str) -> None:
    found = select(inputs, speeds[speed].model, "沈大线", YEAR)
    assert found.rows.filter(pl.col("alternative") == "captive")["t"].sum() > 0
    links = speeds[speed].flows.filter(pl.col("link_id").is_in(list(found.target.links)))["both"]
    assert links.max() <= found.t_per_year * (1 + 1e-9)
    # most hauls run over several of its links
    assert found.t_per_year < 0.5 * links.sum()
    summed(found)


def shares_of_hauls(inputs: Inputs, model: FreightModel, link: str) -> np.ndarray:
    """Return the share of each haul's trucks that is on a link, for the hauls with some on it."""
    state, demand = model.prepared.states[model.prepared.state_of_year[NOW]], model.prepared.demand.demand
    by_road = state.rows.alternative == ALTERNATIVES.index("road")
    pair, zones = state.chains.pair[state.rows.chain[by_road]], np.array(model.prepared.zones.ids)
    ends = {"origin": zones[demand.origin[pair]], "destination": zones[demand.destination[pair]]}
    all_of = (
        pl.DataFrame({**ends, "all_t": model.speed.solution.flows[NOW][by_road]}).group_by(list(ends)).agg(pl.col("all_t").sum())
    )
    mine = select(inputs, model, link, YEAR).rows.filter(pl.col("alternative") == "road")
    found = mine.group_by(list(ends)).agg(pl.col("t").sum()).join(all_of, on=list(ends), how="left")
    return (found["t"] / found["all_t"]).to_numpy()


def test_equilibrium_spreads_hauls_that_one_path_holds(inputs: Inputs, speeds: dict[str, Speed]) -> None:
    """At the fixed speed the trucks of a haul are on a road all or none; in equilibrium those of some hauls use several roads."""
    flows = speeds["equilibrium"].flows.filter((pl.col("mode") == "road") & (pl.col("both") > 0))
    busy = flows.sort("delay_h", descending=True, nulls_last=True).head(12)["link_id"].to_list()
    held, spread = (
        np.concatenate([shares_of_hauls(inputs, speeds[s].model, link) for link in busy]) for s in ("fixed", "equilibrium")
    )
    np.testing.assert_allclose(held, 1.0, rtol=1e-9)
    assert spread.max() <= 1 + 1e-9
    assert ((spread > 0.01) & (spread < 0.99)).any()


# --- the model of one year


def test_one_year_at_fixed_delays_is_that_year_of_the_whole_model(
    inputs: Inputs, base_model: BaseModel, fixed_model: FreightModel
) -> None:
    one = solve_year(inputs, inputs.params(), YEAR, base=base_model, capacity="fixed")
    np.testing.assert_array_equal(one.speed.fitted.constants, fixed_model.fixed.fitted.constants)
    np.testing.assert_array_equal(one.speed.solution.flows[NOW], fixed_model.fixed.solution.flows[NOW])
    np.testing.assert_array_equal(one.speed.solution.costs[NOW], fixed_model.fixed.solution.costs[NOW])
    assert one.years is None


def test_one_year_in_equilibrium_answers_to_its_own_conditions(speeds: dict[str, Speed]) -> None:
    model = speeds["equilibrium"].model
    assert model.years is not None
    found = model.years.years[NOW]
    np.testing.assert_allclose(model.speed.solution.flows[NOW], found.flow, rtol=1e-9, atol=1e-6)
    assert found.gaps[-1] <= model.limits.gap
    assert list(model.speed.solution.flows) == [NOW]
    assert max(n.imbalance for n in speeds["equilibrium"].load.networks) < 1e-9


@pytest.mark.slow
def test_one_year_is_that_year_of_a_run(inputs: Inputs, results: Results) -> None:
    scenario = load_scenario("plan_2030", inputs.folder, inputs.levers)
    model = solve_year(inputs, scenario_params(scenario, inputs), YEAR)
    table = results.tables["freight_links"].filter(pl.col("year") == YEAR)
    both = dict(table.select("link_id", pl.col("forward_t") + pl.col("backward_t")).iter_rows())
    ours = Speed.of(model).flows
    np.testing.assert_allclose(ours["both"], [both[i] for i in ours["link_id"]], rtol=1e-6, atol=1.0)
    for link in ours.sort("both", descending=True).group_by("mode", maintain_order=True).head(3)["link_id"]:
        assert select(inputs, model, link, YEAR).t_per_year == pytest.approx(both[link], rel=1e-6), link


# --- names


def test_a_wrong_link_is_refused(inputs: Inputs, fixed_model: FreightModel) -> None:
    links = fixed_model.prepared.states[fixed_model.prepared.state_of_year[NOW]].links
    with pytest.raises(NetworkError, match="RL006"):
        find_target(inputs, links, "RL00 6", YEAR, "en")
    with pytest.raises(NetworkError, match="2 lines"):
        find_target(inputs, links, "沈大", YEAR, "en")
    later = links.filter(pl.col("link_id") != "RL006")
    with pytest.raises(NetworkError, match="RL006 is not open in 2030"):
        find_target(inputs, later, "rl006", YEAR, "en")


# --- command line


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, inputs: Inputs, speeds: dict[str, Speed]) -> list[str]:
    """Let the commands use the models of the tests; return the speeds they ask for."""
    seen: list[str] = []

    def solved(_: object, scenario: Any, *__: object) -> tuple[object, FreightModel]:
        seen.append(scenario.capacity)
        return inputs.params(), speeds[scenario.capacity].model

    monkeypatch.setattr(network_freight, "_solved", solved)
    return seen


def call(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(["network", *argv])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(("what", "word"), [("RL006", "RL006"), ("沈大线", "沈大线"), ("yard_R_ANSHAN", "yard_R_ANSHAN")])
@pytest.mark.parametrize(
    ("speed", "zh", "en"), [("equilibrium", "容量均衡", "capacity equilibrium"), ("fixed", "固定阻抗", "fixed speed")]
)
def test_select_prints_the_largest_pairs_and_its_speed(
    capsys: pytest.CaptureFixture[str], asked: list[str], what: str, word: str, speed: str, zh: str, en: str
) -> None:
    code, out, err = call(capsys, "select", what, "--top", "3", "--capacity", speed)
    assert (code, err) == (0, "")
    assert word in out.splitlines()[0]
    assert zh in out
    code, out, _ = call(capsys, "select", what, "--capacity", speed, "--lang", "en")
    assert en in out.splitlines()[1]
    code, out, _ = call(capsys, "select", what, "--top", "3", "--json", "--capacity", speed)
    told = json.loads(out)
    assert (len(told["by_pair"]), told["capacity"]) == (3, speed)
    assert set(asked) == {speed}


def test_the_speed_is_that_of_the_scenario_unless_given(
    capsys: pytest.CaptureFixture[str], asked: list[str], tmp_path: Path
) -> None:
    own = tmp_path / "held.toml"
    own.write_text('title_zh = "试"\nbase = "baseline"\n[run]\ncapacity = "fixed"\n', encoding="utf-8")
    for argv in (("select", "RL006"), ("explain", "鞍山", "营口", "coal")):
        for more in ((), ("--scenario", str(own)), ("--scenario", str(own), "--capacity", "equilibrium")):
            code, _, _ = call(capsys, *argv, "--json", *more)
            assert code == 0
    assert asked == ["equilibrium", "fixed", "equilibrium"] * 2


def test_an_unknown_link_ends_with_two_before_anything_is_solved(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        pytest.fail("a wrong name must not cost a solve")

    monkeypatch.setattr(network_freight, "_solved", never)
    code, out, err = call(capsys, "select", "RL9999")
    assert (code, out) == (2, "")
    assert "RL9999" in err
    code, out, _ = call(capsys, "select", "RL9999", "--json")
    assert code == 2
    assert json.loads(out)["error"]
