"""The report of the calibration: its numbers are the model's, its elasticities agree with the derivative, its cases answer as they should."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from networks.calibration import elasticities as analytic
from networks.cost import COMPONENTS
from networks.measure import MEASURE
from networks.parts import LEG_MODES, NEST
from networks.solve import CONSTANTS, choice_problem, group_utility, row_costs, row_flow
from transport import freight_identify, network_freight
from transport.cli import main
from transport.freight_identify import MOVED, Identification, identify, rail_response
from transport.layout import BASE_YEAR, year_index

if TYPE_CHECKING:
    from transport.freight_model import FreightModel
    from transport.inputs import Inputs

BASE = year_index(BASE_YEAR)
ONLY = slice(0, 1)


@pytest.fixture(scope="module")
def report(inputs: Inputs, fixed_model: FreightModel) -> Identification:
    return identify(inputs, inputs.params(), fixed_model)


@pytest.mark.slow
def test_margins_are_the_totals_of_the_model(report: Identification, fixed_model: FreightModel) -> None:
    totals = fixed_model.fixed.solution.totals[:, :, 0, BASE].sum(axis=0)
    modelled = dict(report.margins.select("item", "modelled").iter_rows())
    assert modelled["rail_freight_t"] == pytest.approx(totals[MEASURE["rail_loaded_t"]], rel=1e-6)
    assert modelled["rail_territory_tkm"] == pytest.approx(totals[MEASURE["territory_km_rail"]], rel=1e-6)
    inside = report.margins.filter(pl.col("modelled").is_between(pl.col("low"), pl.col("high")))
    assert inside.height == report.margins.height


def test_shares_sum_up_and_prior_constants_owe_nothing(report: Identification, fixed_model: FreightModel) -> None:
    for _, group in report.owed.group_by("measure"):
        assert group["share_pct"].sum() == pytest.approx(100.0)
        assert group["at_prior_pct"].sum() == pytest.approx(100.0)
        apart = (group["share_pct"] - group["at_prior_pct"]) / group["share_pct"] * 100.0
        np.testing.assert_allclose(group["owed_pct"], apart, atol=1e-9)
        assert (group["mainly"] == (group["owed_pct"].abs() > 50.0)).all()
    rows, _ = freight_identify._base_rows(fixed_model)
    same = freight_identify._owed(fixed_model, rows, fixed_model.fixed.fitted.constants[0])
    assert same["owed_pct"].abs().max() == 0.0


def test_constants_come_with_the_share_of_the_prior(report: Identification) -> None:
    assert report.constants["constant"].to_list() == list(CONSTANTS)
    assert report.constants["prior_share"].is_between(0.0, 1.0).all()
    assert len(report.singular_values) == report.rank == len(CONSTANTS)
    assert report.condition_number == pytest.approx(report.singular_values[0] / report.singular_values[-1])


@pytest.mark.parametrize("mode", ["road", "rail"])
def test_a_dearer_mode_moves_the_goods_as_the_derivative_says(mode: str, fixed_model: FreightModel) -> None:
    rows, _ = freight_identify._base_rows(fixed_model)
    costs, constants, demand = fixed_model.costs, fixed_model.fixed.fitted.constants[:1], fixed_model.prepared.demand.demand
    rise = 1e-4
    dearer = freight_identify._dearer(costs, mode, rise)
    before, after = (row_flow(rows, demand, c, constants, ONLY, BASE)[0][0] for c in (costs, dearer))
    nest = NEST[rows.alternative]
    moved = np.array([after[nest == k].sum() / before[nest == k].sum() - 1.0 for k in range(len(LEG_MODES))]) / rise
    cost = row_costs(rows, costs, ONLY, BASE)
    part = (row_costs(rows, dearer, ONLY, BASE) - cost) / rise
    ports = constants[:, len(CONSTANTS) :]
    _, within = group_utility(rows, costs, cost, ONLY, BASE, ports)
    slope = np.add.reduceat(-costs.scale[0, BASE] * within * part, rows.group_start[:-1], axis=1)
    blank = np.zeros((rows.demand.size, 1))
    problem = choice_problem(rows, demand, costs, BASE, blank, np.zeros((1, 1)), draws=ONLY, ports=ports)
    exposed = np.ones((rows.group_demand.size, 1))
    expected = analytic(problem, constants[:, : len(CONSTANTS)], slope, NEST[rows.group_alternative], exposure=exposed)[0, :, 0]
    np.testing.assert_allclose(moved, expected, rtol=2e-3, atol=1e-5)


def test_elasticities_have_the_signs_of_substitutes(report: Identification) -> None:
    table = {(c, m, u): e for c, m, u, e in report.elasticities.select("cost_of", "mode", "measure", "elasticity").iter_rows()}
    for measure in ("t", "territory_tkm"):
        assert table["road", "road", measure] < 0 < table["road", "rail", measure]
        assert table["rail", "rail", measure] < 0 < table["rail", "road", measure]
    known = report.elasticities.drop_nulls("literature").row(0, named=True)
    assert (known["cost_of"], known["mode"], known["literature"]) == ("road", "road", -1.0)


def test_only_the_components_of_a_mode_get_dearer(fixed_model: FreightModel) -> None:
    ratio = {}
    for mode in LEG_MODES:
        dearer = freight_identify._dearer(fixed_model.costs, mode, 0.5).coefficients
        changed = (dearer != fixed_model.costs.coefficients).any(axis=(0, 1, 2))
        ratio[mode] = {name for name, c in zip(COMPONENTS, changed, strict=True) if c}
    assert ratio["road"] == {"road_expressway_km", "road_other_km", "road_h", "road_load"}
    assert "drayage_km" in ratio["rail"]
    assert not ratio["road"] & ratio["rail"]
    assert not any(name.startswith("port_") for names in ratio.values() for name in names)


def test_response_over_the_ranges(report: Identification, inputs: Inputs) -> None:
    table = report.response
    assert table.height == 1 + 2 * len(MOVED) + 6
    assert (table["rail_tkm_pct"] > 0).all()
    assert (table["road_t_pct"] < 0).all()
    by_case = {row["case"]: row for row in table.iter_rows(named=True)}
    assert by_case["scale.low"]["rail_tkm_pct"] < by_case["central"]["rail_tkm_pct"] < by_case["scale.high"]["rail_tkm_pct"]
    # every quantity at its worse end is the corner of the box, as long as the quantities do not turn each other round
    assert by_case["least"]["rail_tkm_pct"] == table["rail_tkm_pct"].min()
    assert by_case["most"]["rail_tkm_pct"] == table["rail_tkm_pct"].max()
    for (parameter, subject), column in MOVED.items():
        row = inputs.parameters.filter((pl.col("parameter") == parameter) & (pl.col("subject") == subject)).row(0, named=True)
        assert [by_case[f"{column}.{end}"][column] for end in ("low", "high")] == [row["low"], row["high"]]
        assert by_case["central"][column] == row["value"]


def test_a_rise_of_nothing_changes_nothing(inputs: Inputs, fixed_model: FreightModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freight_identify, "ROAD_RISE", 0.0)
    table = rail_response(inputs, inputs.params(), fixed_model, only=("central",))
    assert table["case"].to_list() == ["central"]
    assert table.select("rail_t_pct", "rail_tkm_pct", "road_t_pct").row(0) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_identify_prints_the_report(
    lang: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    inputs: Inputs,
    fixed_model: FreightModel,
    report: Identification,
) -> None:
    monkeypatch.setattr(network_freight, "_solved", lambda *_: (inputs.params(), fixed_model))
    monkeypatch.setattr(freight_identify, "identify", lambda *_: report)
    assert main(["network", "identify", "--lang", lang]) == 0
    out = capsys.readouterr().out
    top = report.response["rail_tkm_pct"].max()
    assert f"{top:+.1f}%" in out
    assert main(["network", "identify", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["response"]) == report.response.height
