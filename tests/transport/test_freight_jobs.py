"""Calculations of the freight page: flows by commodity, explanations, and one link, terminal or project changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from transport import freight_loads
from transport.app import freight_jobs
from transport.app.freight_edits import Edit, edited
from transport.freight_demand import COMMODITIES
from transport.freight_explain import TERMS
from transport.freight_select import commodity_loads
from transport.scenario import load_scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from transport.freight_model import FreightModel
    from transport.inputs import Inputs


MANIFEST = {"scenario": "x", "title_zh": "x", "title_en": "x", "resolved": {"run": {"capacity": "fixed"}, "set": {}}}


def tell(steps: list[str]) -> Callable[[int, int, str], None]:
    """Return what notes the names of the steps."""

    def note(_step: int, _steps: int, name: str) -> None:
        steps.append(name)

    return note


def test_the_flows_of_all_commodities_are_the_flow_of_every_link_and_terminal(inputs: Inputs, fixed_model: FreightModel) -> None:
    load = freight_loads.year_load(fixed_model, 15)
    state = fixed_model.prepared.states[fixed_model.prepared.state_of_year[15]]
    whole, _ = freight_loads.link_frame(load, state.links, 2030)
    places = freight_loads.terminal_frame(load, fixed_model.prepared, inputs.table("networks/terminals"), 2030)
    told: list[tuple[int, int]] = []
    some = whole.filter(pl.col("forward_t") > 0).gather_every(20)
    asked = some["link_id"].to_list()
    links, terminals = commodity_loads(
        fixed_model, 2030, places, links=asked, tell=lambda done, count: told.append((done, count))
    )
    assert {"rail", "road", "pipeline"} <= set(some["mode"])
    found = some.join(links.group_by("link_id").agg(pl.col("t").sum()), on="link_id", how="left").fill_null(0.0)
    assert (found["forward_t"] + found["backward_t"] - found["t"]).abs().to_numpy().max() < 1e-3
    both = places.join(terminals.group_by("kind", "place").agg(pl.col("t").sum()), on=["kind", "place"], how="left")
    assert (both["t_per_year"] - both["t"].fill_null(0.0)).abs().to_numpy().max() < 1e-3
    assert links["commodity"].n_unique() > 10
    assert told[0] == (0, some.height)


def test_a_change_reaches_only_its_link_and_only_from_its_year(inputs: Inputs) -> None:
    scenario = load_scenario("baseline", inputs.folder, inputs.levers)
    before = inputs.table("networks/links")
    one = before.filter(pl.col("link_id") == "RL068").row(0, named=True)

    def links(edit: Edit) -> dict[str, dict[str, Any]]:
        own, _ = edited(inputs, scenario, edit)
        return {row["link_id"]: row for row in own.table("networks/links").iter_rows(named=True)}

    wider = links(Edit("link", "RL068", "capacity", 2027, 1.5))
    assert wider["RL068~2027"]["capacity_t_per_year"] == pytest.approx(1.5 * one["capacity_t_per_year"])
    assert wider["RL068"]["close_year"] == 2026
    assert set(wider) - set(before["link_id"]) == {"RL068~2027"}
    cheaper = links(Edit("link", "RL068", "tariff", 2027, 0.8))
    assert cheaper["RL068~2027"]["tariff_km"] == pytest.approx(0.8 * (one["tariff_km"] or one["length_km"]))
    assert cheaper["RL068~2027"]["capacity_t_per_year"] == one["capacity_t_per_year"]
    assert cheaper["RL068"]["tariff_km"] == one["tariff_km"]
    own, changed = edited(inputs, scenario, Edit("terminal", "berth_PT_BAYUQUAN", "capacity", 2028, 0.7))
    assert changed.closures["berth_PT_BAYUQUAN"] == pytest.approx(dict.fromkeys(range(2028, 2036), 0.3))
    assert own.table("networks/closures").height == 8
    _, shut = edited(inputs, scenario, Edit("link", "RL068", "close", 2034))
    assert shut.closures["RL068"] == {2034: 1.0, 2035: 1.0}
    project = str(inputs.table("networks/projects")["project_id"][0])
    assert edited(inputs, scenario, Edit("project", project, "open", 2029))[1].projects[project] == 2029
    assert edited(inputs, scenario, Edit("project", project, "open", 0))[1].projects[project] is None
    assert Edit.of(Edit("link", "RL068", "close", 2034).cells()) == Edit("link", "RL068", "close", 2034)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (("link", "RL068", "open", 2030), "cannot be changed"),
        (("port", "RL068", "close", 2030), "cannot be changed"),
        (("link", "RL068", "capacity", 2030, -0.5), "must not be negative"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(cells: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Edit(*cells)


def test_a_change_of_nothing_known_is_refused(inputs: Inputs) -> None:
    scenario = load_scenario("baseline", inputs.folder, inputs.levers)
    with pytest.raises(ValueError, match="no link 'RL999'"):
        edited(inputs, scenario, Edit("link", "RL999", "close", 2030))


def test_a_request_is_answered_as_the_run_says(
    inputs: Inputs, monkeypatch: pytest.MonkeyPatch, fixed_model: FreightModel
) -> None:
    """The explanation of every pair of one origin in one go, with the probabilities of the run's table."""
    params = inputs.params()
    monkeypatch.setattr(freight_jobs, "_solved", lambda *_: (params, fixed_model))
    zones = fixed_model.prepared.zones.ids
    demand = fixed_model.prepared.demand.demand
    state = fixed_model.prepared.states[fixed_model.prepared.state_of_year[15]]
    flow = fixed_model.speed.solution.flows[15]
    row = int(flow.argmax())
    pair = int(state.chains.pair[state.rows.chain[row]])
    origin, destination = zones[demand.origin[pair]], zones[demand.destination[pair]]
    commodity = COMMODITIES[demand.commodity[state.rows.demand[row]]]
    steps: list[str] = []
    request = {"task": "explain", "manifests": [MANIFEST], "year": 2030, "capacity": "fixed", "origin": origin}
    found = freight_jobs.solve(request | {"pairs": [(destination, commodity)]}, inputs, tell(steps))
    assert set(found) == {"chains", "stops", "path", "heads"}
    assert found["chains"]["probability"].sum() == pytest.approx(1.0)
    assert found["heads"]["t_per_year"][0] >= flow[row]
    terms = found["chains"].select(pl.sum_horizontal(TERMS))
    assert terms.to_series().to_list() == pytest.approx(found["chains"]["cost_cny_per_t"].to_list())
    assert found["heads"]["sentence_zh"][0] != found["heads"]["sentence_en"][0]
    assert not any(link in found["heads"]["sentence_zh"][0] for link in found["path"]["worst_link_id"].drop_nulls())
    assert steps[0] == "solve"
    request |= {"task": "change", "edit": Edit("link", "RL068", "close", 2030).cells()}
    moved = freight_jobs.solve(request, inputs, tell(steps))
    assert moved["links"]["change"].abs().max() == 0.0, "the same solution on both sides moves nothing"
    assert moved["modes"]["co2_t"].abs().max() == 0.0
    assert moved["moves"].is_empty()
