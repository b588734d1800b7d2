"""Projects ranked: with against without, a delay beyond the year as removal, costs from rows."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl
import pytest

from fleets import tco
from transport import projects
from transport.cli import main
from transport.freight_works import COST_SUBJECT
from transport.rank_cli import named
from transport.ranking import COLUMNS, DEFAULT_YEAR, _opening, _own_year, rank
from transport.scenario import load_scenario

if TYPE_CHECKING:
    from transport.freight_start import FreightStarts
    from transport.inputs import Inputs
    from transport.scenario import Scenario

YEAR = 2030
SIDING, OPEN_ROAD = "siding_laobian_steel", "road_huajin_aramco"


@pytest.fixture(scope="module")
def scenario(inputs: Inputs) -> Scenario:
    return load_scenario("baseline", inputs.folder, inputs.levers, capacity="fixed", draws=1)


@pytest.fixture(scope="module")
def ranking(inputs: Inputs, scenario: Scenario, starts: FreightStarts) -> pl.DataFrame:
    return rank(inputs, scenario, [SIDING, OPEN_ROAD], YEAR, starts=starts)


def row(table: pl.DataFrame, name: str) -> dict[str, object]:
    return table.row(by_predicate=pl.col("project_id") == name, named=True)


def test_every_kind_of_project_has_rows_of_life_and_upkeep(inputs):
    params = inputs.params()
    for kind in projects.register(inputs)["kind"].unique():
        assert params.get("infrastructure_life", COST_SUBJECT[kind])[0, 0] > 1
        assert 0 < params.get("works_upkeep_share", COST_SUBJECT[kind])[0, 0] < 1


def test_a_siding_takes_goods_and_carbon_off_the_road(ranking):
    found = row(ranking, SIDING)
    assert (found["open_year"], found["in_scenario"]) == (DEFAULT_YEAR, False)
    assert found["t_off_road"] > 0
    assert found["tkm_off_road"] > 0
    assert 0 < found["co2_avoided_t"] < found["co2_avoided_to_2035_t"]
    assert found["rank_t"] == 1
    assert found["delay_cny"] != 0
    assert found["outlay_saved_cny"] != 0


def test_costs_are_those_of_the_rows(ranking, inputs):
    found, params = row(ranking, SIDING), inputs.params()
    share = tco.annuity(params.get("discount_rate", "social"), params.get("infrastructure_life", "siding"))
    yearly = found["cost_cny"] * (share + params.get("works_upkeep_share", "siding"))[0, 0]
    assert found["cny_per_year"] == pytest.approx(yearly)
    assert found["cny_per_t"] == pytest.approx(yearly / found["t_off_road"])


@pytest.mark.slow  # test_projects has the same of the flows
def test_a_delay_beyond_the_year_is_a_removal(inputs, scenario, starts):
    late = replace(scenario, projects={SIDING: 2032})
    found = row(rank(inputs, late, [SIDING], YEAR, starts=starts), SIDING)
    assert found["in_scenario"]
    assert found["t_off_road"] == 0
    assert found["cny_per_t"] is None
    assert found["co2_avoided_to_2035_t"] > 0  # it does open in 2032


def test_the_register_s_own_openings_count_as_built(ranking):
    found = row(ranking, OPEN_ROAD)
    assert found["in_scenario"]
    assert found["open_year"] == 2027


def test_columns_and_both_languages(ranking, inputs):
    assert tuple(ranking.columns) == COLUMNS
    for lang, head in (("zh", "项目"), ("en", "Project")):
        shown = named(ranking, inputs, lang)
        assert shown[head].n_unique() == 2
    assert named(ranking, inputs, "zh")["转出公路（万吨/年）"][0] == pytest.approx(ranking["t_off_road"][0] / 1e4)


def test_an_unknown_project_is_told_with_the_nearest():
    with contextlib.redirect_stdout(io.StringIO()) as told:
        assert main(["projects", "rank", "baseline", "--only", "siding_laobian_stel", "--json"]) == 2
    assert SIDING in json.dumps(json.loads(told.getvalue()), ensure_ascii=False)


def test_a_planned_link_that_a_lever_opens_counts_as_built(inputs):
    plan = load_scenario("plan_2030", inputs.folder, inputs.levers, capacity="fixed", draws=1)
    line = {r["project_id"]: r for r in projects.register(inputs).iter_rows(named=True)}["line_shenxi_2"]
    assert (_own_year(line, plan), _opening(line, plan)) == (2030, 2030)
    bare = replace(plan, settings={})
    assert (_own_year(line, bare), _opening(line, bare)) == (None, DEFAULT_YEAR)
    assert _own_year({**line, "tracks": 2}, plan) is None  # it would change the link, not only open it
