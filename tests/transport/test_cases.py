"""Cases side by side: each is the run alone, grouped where they must be; what they cost on one yardstick."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from transport import cases
from transport.api import load_scenario
from transport.layout import BASE_YEAR, YEARS, year_index
from transport.study import all_series, model_parts
from transport.system_cost import COMPONENTS, system_costs, total_cost

if TYPE_CHECKING:
    from transport.freight_start import FreightStarts
    from transport.inputs import Inputs
    from transport.params import LeverValue, Params
    from transport.parts import Parts
    from transport.scenario import Scenario

    Found = tuple[Parts, Params]

_BASE, _AT = year_index(BASE_YEAR), year_index(2030)
SETTINGS: tuple[dict[str, LeverValue], ...] = (
    {},
    {"clean_sales_share_urban_bus": 1.0, "rail_tariff": 0.9},
    {"metro_km_shenyang": {2030: 20.0}},
    {"new_siding_share": {2030: 0.5}},
    {"loaded_km_share_tractor_trailer": {2030: 0.05}},
)


@pytest.fixture(scope="module")
def scenario(inputs: Inputs) -> Scenario:
    return load_scenario("baseline", inputs=inputs)


@pytest.fixture(scope="module")
def found(inputs: Inputs, scenario: Scenario, base_year: FreightStarts) -> Found:
    (chunk,) = cases.chunks(scenario, inputs, SETTINGS)
    given = cases.given_of(chunk, inputs)
    return cases.run_chunk(chunk, inputs, starts=base_year, given=given), given.plain


def test_each_case_is_the_run_alone(inputs: Inputs, scenario: Scenario, found: Found, starts: FreightStarts) -> None:
    together = {(s.id, s.area, s.scope, s.boundary, s.base, s.variant): s.values for s in all_series(found[0])}
    alone = replace(scenario, settings=SETTINGS[1], capacity="fixed", simulate="none")
    for series in all_series(model_parts(alone, inputs, starts=starts, response=False, light=True)):
        values = together[series.id, series.area, series.scope, series.boundary, series.base, series.variant]
        mine = values[1] if values.shape[0] > 1 else values[0]
        np.testing.assert_allclose(mine, series.values[0], rtol=1e-11, atol=1e-11, err_msg=series.id)


def test_a_case_without_levers_costs_what_its_shippers_pay(
    inputs: Inputs, scenario: Scenario, found: Found, starts: FreightStarts
) -> None:
    """The compiled sum over all chains is the outlay of the states of freight, year by year."""
    alone = replace(scenario, capacity="fixed", simulate="none")
    states = model_parts(alone, inputs, starts=starts, response=False).freight.state_outlay["run"].sum(axis=0)
    assert found[0].freight.outlay is not None
    np.testing.assert_allclose(found[0].freight.outlay[0, _BASE:], states[_BASE:], rtol=1e-12)


def test_costs_stand_where_a_measure_acts(found: Found) -> None:
    parts, plain = found
    costs = system_costs(parts, plain)
    assert tuple(costs) == COMPONENTS
    assert all(array.shape == (len(SETTINGS), len(YEARS)) for array in costs.values())
    change = {name: array[:, _AT] - array[0, _AT] for name, array in costs.items()}
    buses, metro, sidings, loads = range(1, len(SETTINGS))
    moved = {case: {name for name in COMPONENTS if abs(change[name][case]) > 1.0} for case in (buses, metro, sidings, loads)}
    assert moved[buses] == {"vehicles", "freight", "freight_fleets"} or moved[buses] == {"vehicles", "freight"}
    assert "cities" in moved[metro]
    assert change["cities"][metro] > 0.0
    assert "freight_works" in moved[sidings]
    assert change["freight_works"][sidings] > 0.0
    assert change["freight"][loads] < 0.0  # fuller trucks are paid for fewer km
    assert change["freight_fleets"][loads] == pytest.approx(0.0, abs=1e-6 * costs["freight"][0, _AT])  # and not a second time
    np.testing.assert_array_equal(costs["freight_fleets"][0, _BASE:], 0.0)
    assert total_cost(costs)[buses, _AT] - total_cost(costs)[0, _AT] == pytest.approx(sum(c[buses] for c in change.values()))


def test_a_tariff_that_is_cut_saves_nothing_by_itself(found: Found) -> None:
    """At the rates of the rows a cut of a tenth of the rail tariff moves goods, and what they cost by less than a tenth of what rail earns."""
    parts, plain = found
    freight = system_costs(parts, plain)["freight"][:, _AT]
    assert abs(freight[1] / freight[0] - 1.0) < 0.01


def test_costs_need_what_shippers_pay(inputs: Inputs, scenario: Scenario, starts: FreightStarts) -> None:
    parts = model_parts(replace(scenario, capacity="fixed", simulate="none"), inputs, starts=starts, response=False, light=True)
    with pytest.raises(ValueError, match="without what shippers pay"):
        system_costs(parts, parts.params)


def test_cases_on_other_networks_are_parted(inputs: Inputs, scenario: Scenario) -> None:
    settings = [{}, {"planned_links": 1.0}, {"rail_tariff": 0.9}, {"planned_links": 1.0, "rail_tariff": 0.9}]
    assert [chunk.positions for chunk in cases.chunks(scenario, inputs, settings)] == [(0, 2), (1, 3)]
    many = [{"rail_tariff": 0.9 + 0.001 * k} for k in range(5)]
    assert [chunk.positions for chunk in cases.chunks(scenario, inputs, many, size=2)] == [(0, 1), (2, 3), (4,)]


def test_a_case_with_a_quota_stands_alone(inputs: Inputs, scenario: Scenario) -> None:
    """The charge of a quota is found for the first case of a chunk, and answers to its tariffs too."""
    quota: dict[str, LeverValue] = {"port_clean_quota": {2030: 0.5}}
    settings = [{}, quota, {**quota, "rail_tariff": 0.9}, {"rail_tariff": 0.9}, {"rail_tariff": 0.9, **quota}]
    assert [chunk.positions for chunk in cases.chunks(scenario, inputs, settings)] == [(0, 3), (1,), (2, 4)]


def test_a_lever_out_of_range_is_refused(inputs: Inputs, scenario: Scenario) -> None:
    with pytest.raises(ValueError, match="rail_tariff = 99"):
        cases.chunks(scenario, inputs, [{"rail_tariff": 99.0}])
