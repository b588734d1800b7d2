"""Totals of different principles and definitions are refused, and cross only by a named row; known answers first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport import accounts, bridge, principles
from transport.layout import YEARS
from transport.params import Params
from transport.principles import Bridge, PrincipleError, Stated

if TYPE_CHECKING:
    from transport.inputs import Inputs

N = len(YEARS)
JOIN = Bridge("join", "carrier", "carrier", frozenset({"water:a", "water:b"}), frozenset({"water:all"}), "", "")


def stated(value: float, principle: str = "carrier", *definition: str, unit: str = "tkm", what: str = "some tkm") -> Stated:
    return Stated(what, np.full((1, N), value), unit, principle, frozenset(definition))


def factor(name: str, subject: str, value: float) -> Params:
    row = {"parameter": name, "subject": subject, "year": None, "value": value, "low": None, "high": None}
    frame = pl.DataFrame(
        [row | {"distribution": "fixed", "unit": "dimensionless"}],
        schema_overrides={"year": pl.Int64, "low": pl.Float64, "high": pl.Float64},
    )
    return Params.from_frame(frame)


# --- known answers -------------------------------------------------------------------------------------------------------------------


def test_a_sum_of_one_principle_keeps_it() -> None:
    found = principles.add(stated(2.0), stated(3.0, "carrier", "road:from_2019"))
    assert (found.values == 5.0).all()
    assert (found.principle, found.definition, found.unit) == ("carrier", frozenset({"road:from_2019"}), "tkm")


def test_a_bridge_multiplies_by_its_row_and_changes_the_statement() -> None:
    row = Bridge("by_line", "territory", "carrier", frozenset(), frozenset({"road:from_2019"}), "factor", "rail")
    found = principles.cross(stated(200.0, "territory"), row, factor("factor", "rail", 0.9))
    assert found.values[0, 0] == pytest.approx(180.0)
    assert (found.principle, found.definition) == ("carrier", frozenset({"road:from_2019"}))


def test_a_join_makes_the_published_whole() -> None:
    found = principles.add(stated(95.0, "carrier", "water:a"), stated(45.0, "carrier", "water:b"), joins=[JOIN])
    assert found.values[0, 0] == pytest.approx(140.0)
    assert found.definition == {"water:all"}


@given(st.floats(-1e9, 1e9), st.floats(1e-3, 1e3))
def test_a_bridge_there_and_back_returns_the_values(value: float, scale: float) -> None:
    there = Bridge("there", "territory", "carrier", frozenset(), frozenset(), "f", "x")
    back = Bridge("back", "carrier", "territory", frozenset(), frozenset(), "f", "x")
    away = principles.cross(stated(value, "territory"), there, factor("f", "x", scale))
    found = principles.cross(away, back, factor("f", "x", 1.0 / scale))
    np.testing.assert_allclose(found.values, value, rtol=1e-12)
    assert found.principle == "territory"


# --- what is refused, in plain words -------------------------------------------------------------------------------------------------


def test_two_principles_are_not_added() -> None:
    rail, road = stated(1.0, "territory", what="rail passenger-km"), stated(1.0, what="road tonne-km")
    with pytest.raises(
        PrincipleError, match=r"road tonne-km .*where the carrier is registered.* and rail passenger-km .*bridges\.csv"
    ):
        principles.add(road, rail)


@pytest.mark.parametrize(("one", "other"), [("water:with_ocean", "water:without_ocean"), ("road:before_2019", "road:from_2019")])
def test_two_definitions_are_neither_added_nor_compared(one: str, other: str) -> None:
    with pytest.raises(PrincipleError, match="different definitions of"):
        principles.add(stated(1.0, "carrier", one), stated(1.0, "carrier", other))
    with pytest.raises(PrincipleError, match="cannot be compared"):
        principles.compare(stated(1.0, "carrier", one), stated(1.0, "carrier", other))
    assert (principles.compare(stated(3.0, "carrier", one), stated(2.0, "carrier", one)) == 1.5).all()


def test_units_are_not_mixed() -> None:
    with pytest.raises(PrincipleError, match=r"is in tkm, .* in pkm"):
        principles.add(stated(1.0), stated(1.0, unit="pkm"))


def test_a_bridge_that_starts_elsewhere_is_refused() -> None:
    row = Bridge("by_line", "territory", "carrier", frozenset(), frozenset(), "factor", "rail")
    with pytest.raises(PrincipleError, match="bridge by_line starts at territory, some tkm is origin"):
        principles.cross(stated(1.0, "origin"), row, factor("factor", "rail", 1.0))


def test_an_unknown_principle_and_a_double_definition_are_refused() -> None:
    with pytest.raises(PrincipleError, match="unknown principle 'province'"):
        stated(1.0, "province")
    with pytest.raises(PrincipleError, match="two definitions of water"):
        stated(1.0, "carrier", "water:with_ocean", "water:without_ocean")


def test_no_bridge_and_two_bridges_are_refused() -> None:
    one = Bridge("one", "territory", "carrier", frozenset(), frozenset(), "f", "rail")
    with pytest.raises(PrincipleError, match="no row of data/accounts"):
        principles.find_bridge({}, "rail pkm", "rail", "territory", "carrier")
    with pytest.raises(PrincipleError, match="2 rows"):
        principles.find_bridge({"one": one, "two": replace(one, name="two")}, "rail pkm", "rail", "territory", "carrier")


# --- the bundled rows ------------------------------------------------------------------------------------------------------------------


def test_turnover_of_rail_passengers_crosses_its_row(inputs: Inputs) -> None:
    """Passenger-km by line become the carriers' with the row of the bridge, and nothing else moves."""
    params = inputs.params().replace("territory_to_carrier_pkm", "rail_passengers", np.full((1, N), 0.9))
    pkm, tkm = np.full((1, N), 1e9), np.full((1, N), 2e9)
    found = accounts.stated_turnover(inputs, params, {"road": tkm}, {("rail", "conventional"): pkm, ("road", "coach"): pkm})
    np.testing.assert_allclose(found.pkm[:, 0, 0], [0.0, 0.9e9, 1e9])
    np.testing.assert_allclose(found.tkm[:, 0, 0], [2e9, 0.0, 0.0])
    assert found.principle == "carrier"
    assert set(accounts.turnover_frame(found, accounts.converted_turnover(found, params))["principle"]) == {"carrier"}


def test_without_its_bridge_row_rail_cannot_enter_the_turnover(inputs: Inputs) -> None:
    rows = inputs.table("accounts/bridges").filter(pl.col("bridge") != "rail_passengers_by_line")
    cut = replace(inputs, tables={**inputs.tables, "accounts/bridges": rows})
    with pytest.raises(PrincipleError, match="pkm of rail:conventional is counted where the line"):
        accounts.stated_turnover(cut, inputs.params(), {}, {("rail", "conventional"): np.ones((1, N))})
    with pytest.raises(PrincipleError, match="nothing says what 'space:freight' counts"):
        accounts.stated_turnover(inputs, inputs.params(), {"space": np.ones((1, N))}, {})


def test_turnover_of_another_principle_is_refused() -> None:
    with pytest.raises(PrincipleError, match="here everything is counted where the carrier is registered"):
        accounts.make_turnover({"road": stated(1.0, "territory")}, {})


def test_every_boundary_can_be_summed_and_a_mixed_one_cannot(inputs: Inputs) -> None:
    table = inputs.table("accounts/boundaries")
    bundled = {str(b): g["part"].to_list() for (b,), g in table.group_by(["boundary"], maintain_order=True)}
    accounts.require_summable(inputs, bundled)
    rows = inputs.table("accounts/bridges").filter(pl.col("bridge") != "coastal_and_ocean")
    cut = replace(inputs, tables={**inputs.tables, "accounts/bridges": rows})
    accounts.require_summable(cut, {"coastal alone": ["road", "rail", "coastal"]})
    with pytest.raises(PrincipleError, match="ocean_alone"):
        accounts.require_summable(cut, {"all water": ["road", "coastal", "ocean"]})


def test_every_operating_class_is_stated_by_carrier_and_every_class_at_all(inputs: Inputs) -> None:
    classes = inputs.table("fleets/classes")
    assert set(bridge.energy_statements(inputs)) >= set(classes["vehicle_class"])
    bridge.require_carrier_energy(inputs, classes.filter(pl.col("is_operating"))["vehicle_class"].to_list())
    with pytest.raises(PrincipleError, match="energy of private_car is counted where the line, the port or the vehicle is"):
        bridge.require_carrier_energy(inputs, ["private_car"])


def test_bridges_name_rows_and_codes_that_exist(inputs: Inputs) -> None:
    known = set(inputs.table("codes").filter(pl.col("list") == "definition")["code"])
    params = inputs.params()
    for row in principles.read_bridges(inputs).values():
        assert row.from_definition | row.to_definition <= known, row.name
        if row.parameter:
            assert params.has(row.parameter, row.subject), row.name
    stated_codes = inputs.table("accounts/statements")["definition"].drop_nulls()
    assert set(stated_codes) <= known


def test_observed_turnover_is_not_compared_across_the_survey_of_2019(inputs: Inputs) -> None:
    series = {"series": "freight_turnover", "area": "210000", "item": "total"}
    road = principles.observed(inputs, "freight", mode="road", **series)
    assert road["2008"].definition == {"road:before_2019"}
    assert road["1999"].definition == {"road:before_2008"}
    with pytest.raises(PrincipleError, match="cannot be compared"):
        principles.compare(road["2008"], road["1999"])
    rail = principles.observed(inputs, "freight", mode="rail", **series)
    with pytest.raises(PrincipleError, match="cannot be added"):
        principles.add(road["2008"], rail["2008"])
    total = principles.observed(inputs, "freight", mode=None, **series)
    assert total["2008"].definition == {"road_2019:before"}
