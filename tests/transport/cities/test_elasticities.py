"""Implied elasticities: derivative against finite differences, the table and its roles, published cases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from tests.transport.cities.synthetic import N_MODE, demand, theta
from transport.cities.attributes import ATTRIBUTES
from transport.cities.calibrate import target_cities
from transport.cities.cases import STAND_IN, TABLE, published_cases
from transport.cities.choice import nested_shares
from transport.cities.demand import city_demand
from transport.cities.elasticities import (
    EDGE,
    SCHEMA,
    TARGETS,
    attribute_response,
    elasticity_frame,
    implied_elasticity,
    no_elasticities,
    trips_and_change,
)
from transport.cities.layout import MODES, NESTS
from transport.cities.service import city_service
from transport.layout import YEARS, year_index
from transport.travel import model_travel

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.params import Params

I2019, I2030 = year_index(2019), year_index(2030)
STEP = 1e-5


@pytest.fixture(scope="module")
def params(inputs: Inputs) -> Params:
    return inputs.params(draws=1)


@pytest.fixture(scope="module")
def frame(inputs: Inputs, params: Params) -> pl.DataFrame:
    return table(inputs, params)


def table(inputs: Inputs, params: Params) -> pl.DataFrame:
    areas = target_cities(inputs, params)
    demands = [city_demand(inputs, params, a) for a in areas]
    running = [np.isfinite(city_service(inputs, params, a).utility[0, 0, ..., I2019]) for a in areas]
    return elasticity_frame(inputs, params, demands, running)


@pytest.mark.parametrize("coefficient", [0.3, 0.7, 1.0])
def test_derivative_is_that_of_the_nested_logit(coefficient: float) -> None:
    """Trips by mode after a small change of utility along a random direction, by the choice itself."""
    city, rng = demand(draws=2), np.random.default_rng(9)
    direction = rng.normal(0.0, 1.0, city.base.shape[1:])
    nests = theta(coefficient, 2)
    made, moved = trips_and_change(city, np.ones((N_MODE, 2), dtype=bool), nests, direction)
    weight = (city.season_share[:, None] * city.trips[None, :, :, I2019])[:, :, None]

    def trips(step: float) -> np.ndarray:
        utility = np.repeat((step * direction)[None, ..., None], 2, axis=0)
        return (weight * nested_shares(city.base, utility, NESTS, nests)[..., 0]).sum(axis=(0, 1))

    np.testing.assert_allclose(made, trips(0.0), rtol=1e-12)
    np.testing.assert_allclose(moved, (trips(STEP) - trips(-STEP)) / (2 * STEP), rtol=1e-6, atol=1e-8 * float(made.max()))
    np.testing.assert_allclose(moved.sum(axis=0), 0.0, atol=1e-9 * float(made.sum()))


def test_one_traveller_by_hand() -> None:
    """Multinomial, bus share 0.2 in every segment: own elasticity 0.8 times, cross elasticity -0.2 times the change of utility."""
    city = demand()
    base = np.full_like(city.base, 0.1)
    base[:, :, MODES.index("bus")] = 0.2
    response = np.zeros(base.shape[1:])
    response[:, MODES.index("bus")] = 0.5
    parts = [trips_and_change(replace(city, base=base), np.ones((N_MODE, 1), dtype=bool), theta(1.0), response)]
    assert implied_elasticity(parts, ("bus",))[0] == pytest.approx(0.4)
    assert implied_elasticity(parts, ("car",))[0] == pytest.approx(-0.1)


def test_a_mode_that_nobody_uses_has_no_elasticity() -> None:
    city = demand()
    running = np.ones((N_MODE, 1), dtype=bool)
    running[MODES.index("metro")] = False
    parts = [trips_and_change(city, running, theta(), np.ones(city.base.shape[1:]))]
    assert np.isnan(implied_elasticity(parts, ("metro",))[0])


@pytest.mark.parametrize(
    ("attribute", "parameter", "subject"),
    [
        ("transit_fare", "transit_fare_index", "all"),
        ("bus_service", "vehicle_stock", "urban_bus"),
        ("metro_service", "metro_service_index", "all"),
        ("metro_time", "metro_time_index", "all"),
        ("cycle_network", "cycle_network_index", "all"),
        ("walking_network", "walking_network_index", "all"),
        ("e_bike_availability", "e_bike_availability_index", "all"),
        ("car_operating_cost", "car_operating_cost_index", "all"),
        ("parking_cost", "parking_cost_index", "all"),
        ("parking_supply", "parking_supply_index", "all"),
        ("ride_hailing_supply", "ride_hailing_supply_index", "all"),
    ],
)
def test_response_is_what_the_service_does(inputs: Inputs, params: Params, attribute: str, parameter: str, subject: str) -> None:
    """The utility that one per mille more of the driver adds in 2030, over all that stays as in 2019."""
    still = params.hold(2019)
    level = still.get(parameter, subject).copy()
    level[:, I2030] *= 1.0 + STEP
    before = city_service(inputs, still, STAND_IN).utility[1, :, :, 0, I2030]
    after = city_service(inputs, still.replace(parameter, subject, level), STAND_IN).utility[1, :, :, 0, I2030]
    expected = attribute_response(params, STAND_IN, attribute)[..., 0]
    np.testing.assert_allclose((after - before) / STEP, expected, rtol=2e-4, atol=2e-5)
    assert bool(np.any(expected != 0))


def test_road_times_are_those_of_the_traffic(inputs: Inputs, params: Params) -> None:
    traffic = city_service(inputs, params, STAND_IN).traffic[:, :, 0, I2019]
    for attribute, modes in {"car_time": ("car",), "taxi_time": ("taxi", "ride_hailing")}.items():
        response = attribute_response(params, STAND_IN, attribute)[..., 0]
        places = [MODES.index(m) for m in modes]
        np.testing.assert_allclose(response[:, places], traffic[:, places], rtol=1e-12)
        assert not np.delete(response, places, axis=1).any()


def test_an_unknown_attribute_is_named(params: Params) -> None:
    with pytest.raises(KeyError, match="bus_colour"):
        attribute_response(params, STAND_IN, "bus_colour")


def test_what_was_fitted_is_never_called_validation(frame: pl.DataFrame) -> None:
    assert dict(frame.schema) == SCHEMA == dict(no_elasticities().schema)
    assert set(frame["role"]) == {"calibration", "validation", "context"}
    fitted = frame.filter(pl.col("role") == "calibration")
    assert fitted["item"].to_list() == list(ATTRIBUTES)
    assert set(fitted["area"]) == {TARGETS}
    assert set(fitted["verdict"]) == {"within"}
    held_out = frame.filter(pl.col("role") == "validation")
    assert not set(held_out["item"]) & set(fitted["item"])
    np.testing.assert_allclose(fitted["modelled"], fitted["published"], rtol=5e-3)


def test_nothing_recalled_is_held_against(inputs: Inputs, frame: pl.DataFrame) -> None:
    """Memory validates nothing: what was published, that is, not what had to be put in."""
    rows = inputs.table(TABLE)
    outcomes = rows.filter(pl.col("kind").is_in(["outcome", "transit_trips", "car_trips"]))
    named = pl.when(pl.col("case") == "elasticity").then("kind").otherwise("case") + pl.lit(".") + pl.col("item")
    known = dict(outcomes.select(named.alias("item"), "quality").iter_rows())
    held_out = frame.filter(pl.col("role") == "validation")["item"].to_list()
    assert held_out
    assert all(known[item] != "recalled" for item in held_out)


def test_quality_of_a_validation_is_that_of_the_weakest_row_it_stands_on(inputs: Inputs) -> None:
    """Published figures are literature; with a weaker row among the shares put in, or among the base shares, the badge is that row's."""
    literature, weaker, shares = pl.lit("literature"), pl.lit("assumption"), pl.col("parameter") == "travel_base_share"
    cases = inputs.table(TABLE).with_columns(quality=literature)
    sound = inputs.parameters.with_columns(quality=pl.when(shares).then(literature).otherwise("quality"))

    def badges(cases: pl.DataFrame, parameters: pl.DataFrame) -> dict[str, str]:
        data = replace(inputs, tables={**inputs.tables, TABLE: cases}, parameters=parameters)
        rows = table(data, data.params(draws=1)).filter(pl.col("item").str.contains("2014|access_time"))
        return dict(rows.select(pl.col("item").str.split(".").list.first(), "quality").unique().iter_rows())

    assert badges(cases, sound) == dict.fromkeys(("beijing_apec_2014", "beijing_fare_2014", "transit_trips"), "literature")
    put_in = (pl.col("case") == "beijing_fare_2014") & (pl.col("item") == "walk")
    found = badges(cases.with_columns(quality=pl.when(put_in).then(weaker).otherwise("quality")), sound)
    assert found == {"beijing_apec_2014": "literature", "beijing_fare_2014": "assumption", "transit_trips": "literature"}
    of_dalian = shares & (pl.col("subject") == "210200.bus")
    found = badges(cases, sound.with_columns(quality=pl.when(of_dalian).then(weaker).otherwise("quality")))
    assert found == {"beijing_apec_2014": "literature", "beijing_fare_2014": "literature", "transit_trips": "assumption"}
    of_stand_in = shares & (pl.col("subject") == f"{STAND_IN}.car")
    found = badges(cases, sound.with_columns(quality=pl.when(of_stand_in).then(weaker).otherwise("quality")))
    assert set(found.values()) == {"assumption"}


def test_what_other_data_have_moved_is_no_longer_called_fitted(inputs: Inputs, params: Params) -> None:
    """Fares of 2019 twice as high: the strengths were not fitted to that, and the elasticity to fares says so."""
    fare = params.get("transit_fare_level", "bus")
    moved = table(inputs, params.replace("transit_fare_level", "bus", 2.0 * fare))
    row = moved.filter(pl.col("item") == "transit_fare", pl.col("area") == TARGETS).row(0, named=True)
    assert row["modelled"] < 1.2 * row["published"] < 0
    assert row["role"] == "context"
    others = moved.filter(pl.col("role") == "calibration")
    assert others["item"].to_list() == [x for x in ATTRIBUTES if x != "transit_fare"]


def test_without_a_city_with_a_target_there_is_no_table(inputs: Inputs, params: Params) -> None:
    found = elasticity_frame(inputs, params, [], [])
    assert found.is_empty()
    assert dict(found.schema) == SCHEMA
    few = replace(inputs, parameters=_threshold(inputs, 1e8))
    assert model_travel(few, few.params(draws=1)).elasticities.is_empty()


def _threshold(inputs: Inputs, value: float) -> pl.DataFrame:
    """Return the parameter rows with another threshold of residents."""
    row = pl.col("parameter") == "green_travel_residents_threshold"
    return inputs.parameters.with_columns(value=pl.when(row).then(pl.lit(value)).otherwise("value"))


def test_verdicts_follow_from_the_range(frame: pl.DataFrame) -> None:
    rows = frame.filter(pl.col("low").is_not_null())
    inside = rows["modelled"].is_between(rows["low"], rows["high"])
    assert [v in ("within", "edge") for v in rows["verdict"]] == inside.to_list()
    assert {"within", "edge", "outside"} == set(rows["verdict"])
    near = [min(r["modelled"] - r["low"], r["high"] - r["modelled"]) / (r["high"] - r["low"]) for r in rows.iter_rows(named=True)]
    assert [v == "edge" for v in rows["verdict"]] == [0 <= x < EDGE for x in near]


def test_the_olympic_traffic_is_at_the_edge_of_what_was_published(frame: pl.DataFrame) -> None:
    """-20.97 % in -40 to -20: a fall that just counts."""
    row = frame.filter(pl.col("item") == "beijing_olympics_2008.road_traffic").row(0, named=True)
    assert (row["role"], row["verdict"], row["quality"]) == ("validation", "edge", "recalled")


# ---- what minutes and yuan imply


def test_implied_value_of_time_by_hand(inputs: Inputs, params: Params, frame: pl.DataFrame) -> None:
    """With equal strengths of minutes and yuan it is the row itself; elasticities move it in proportion."""
    rows = {r["item"]: r for r in frame.filter(pl.col("item").str.starts_with("implied_")).iter_rows(named=True)}
    assert {r["role"] for r in rows.values()} == {"context"}
    assert {r["verdict"] for r in rows.values()} == {None}

    def strength(attribute: str) -> float:
        return float(params.get("travel_sensitivity", attribute)[0, 0] * abs(params.get("travel_elasticity", attribute)[0, 0]))

    for mode, pair in {
        "bus": ("bus_time", "transit_fare"),
        "metro": ("metro_time", "transit_fare"),
        "car": ("car_time", "car_operating_cost"),
        "taxi": ("taxi_time", "taxi_fare"),
    }.items():
        row = rows[f"implied_value_of_time.{mode}"]
        assert (row["published"], row["unit"]) == (20.0, "CNY/h")
        assert row["modelled"] == pytest.approx(20.0 * strength(pair[0]) / strength(pair[1]))
    for mode in ("bus", "metro"):
        expected = strength(f"{mode}_service") / strength(f"{mode}_time")
        assert rows[f"implied_wait_weight.{mode}"]["modelled"] == pytest.approx(expected)
    halved = params.replace("travel_elasticity", "transit_fare", 0.5 * params.get("travel_elasticity", "transit_fare"))
    again = table(inputs, halved)
    for mode, factor in (("bus", 2.0), ("metro", 2.0), ("car", 1.0)):
        item = f"implied_value_of_time.{mode}"
        value = again.filter(pl.col("item") == item)["modelled"][0]
        assert value == pytest.approx(factor * rows[item]["modelled"])


def test_a_fare_that_counts_nothing_implies_no_value_of_time(inputs: Inputs, params: Params) -> None:
    free = params.replace("travel_elasticity", "transit_fare", 0.0 * params.get("travel_elasticity", "transit_fare"))
    found = table(inputs, free)
    assert np.isnan(found.filter(pl.col("item") == "implied_value_of_time.bus")["modelled"][0])
    assert found.filter(pl.col("item") == "transit_fare", pl.col("area") == TARGETS)["role"][0] == "context"


def test_the_fare_row_is_weaker_than_the_literature_and_overlaps_it(inputs: Inputs) -> None:
    """It reaches from the strong end of the short run of developed countries to beyond their weak end."""
    rows = inputs.parameters
    own = rows.filter(pl.col("parameter") == "travel_elasticity", pl.col("subject") == "transit_fare").row(0, named=True)
    known = rows.filter(
        pl.col("parameter") == "ref_elasticity_urban", pl.col("subject") == "transit_ridership_to_fare_short_run"
    ).row(0, named=True)
    assert own["quality"] == "assumption"
    assert known["low"] == own["low"] < known["value"] < own["value"] < known["high"] < own["high"]


def test_transit_riders_mind_time_outside_the_vehicle(frame: pl.DataFrame) -> None:
    row = frame.filter(pl.col("item") == "transit_trips.transit_access_time").row(0, named=True)
    assert (row["published"], row["role"], row["verdict"]) == (-0.71, "validation", "within")


def test_elasticities_held_against_are_those_of_the_reference_library(inputs: Inputs) -> None:
    names = {
        "transit_access_time": "transit_trips_to_access_time",
        "car_operating_cost_short_run": "transit_ridership_to_car_operating_cost_short_run",
        "car_operating_cost_long_run": "transit_ridership_to_car_operating_cost_long_run",
        "transit_fare_short_run": "car_travel_to_transit_cost_short_run",
        "transit_fare_long_run": "car_travel_to_transit_cost_long_run",
    }
    library = inputs.parameters.filter(pl.col("parameter") == "ref_elasticity_urban")
    rows = inputs.table(TABLE).filter(pl.col("case") == "elasticity")
    assert set(rows["item"]) == set(names)
    for item, value, source, quality in rows.select("item", "value", "source", "quality").iter_rows():
        known = library.filter(pl.col("subject") == names[item]).row(0, named=True)
        assert (value, source, quality) == (known["value"], known["source"], known["quality"])


# ---- published cases


def test_the_traffic_of_the_olympic_summer_is_reproduced(inputs: Inputs, params: Params) -> None:
    """Every second car barred: traffic fell by 20-40 % (21 % by the city's count), not by half; nothing was fitted to it."""
    cases = published_cases(inputs, params)
    row = cases.filter(pl.col("item") == "beijing_olympics_2008.road_traffic").row(0, named=True)
    assert row["low"] <= row["modelled"] <= row["high"]
    speed = cases.filter(pl.col("item") == "beijing_olympics_2008.car_speed").row(0, named=True)
    assert speed["modelled"] > 0


def test_no_case_was_used_in_a_calibration(inputs: Inputs, params: Params) -> None:
    """The outcomes may be anything: no row of the model moves with them."""
    before = published_cases(inputs, params)
    rows = inputs.table(TABLE).with_columns(
        pl.when(pl.col("kind") == "outcome").then(pl.col("value") * 2.0).otherwise(pl.col("value")).alias("value")
    )
    other = replace(inputs, tables={**inputs.tables, TABLE: rows})
    np.testing.assert_array_equal(published_cases(other, params)["modelled"], before["modelled"])


def test_a_case_starts_from_its_own_shares_and_moves_the_right_way(inputs: Inputs, params: Params) -> None:
    """Without its measure a case stays at the shares that were published."""
    rows = inputs.table(TABLE).filter(~pl.col("kind").is_in(["restraint", "fare_before", "fare_after"]))
    still = replace(inputs, tables={**inputs.tables, TABLE: rows})
    modelled = dict(published_cases(still, params).select("item", "modelled").iter_rows())
    assert modelled["beijing_apec_2014.transit_share"] == pytest.approx(47.0, abs=1e-6)
    assert modelled["beijing_fare_2014.metro_trips"] == pytest.approx(0.0, abs=1e-9)
    assert modelled["beijing_olympics_2008.road_traffic"] == pytest.approx(0.0, abs=1e-9)
    moved = dict(published_cases(inputs, params).select("item", "modelled").iter_rows())
    assert moved["beijing_apec_2014.transit_share"] > 49.0
    assert moved["beijing_fare_2014.metro_trips"] < 0.0


def test_levers_move_no_case(inputs: Inputs, params: Params) -> None:
    level = params.get("transit_fare_index").copy()
    level[:, I2030] = 0.5
    moved = params.replace("transit_fare_index", "all", level)
    np.testing.assert_array_equal(published_cases(inputs, moved)["modelled"], published_cases(inputs, params)["modelled"])


def test_an_outcome_that_the_model_does_not_give_is_named(inputs: Inputs, params: Params) -> None:
    rows = inputs.table(TABLE).with_columns(pl.col("item").replace("metro_trips", "tram_trips"))
    with pytest.raises(ValueError, match="beijing_fare_2014 has the outcome 'tram_trips'"):
        published_cases(replace(inputs, tables={**inputs.tables, TABLE: rows}), params)


def test_a_share_of_an_unknown_mode_is_named(inputs: Inputs, params: Params) -> None:
    rows = inputs.table(TABLE).with_columns(
        pl.when(pl.col("kind") == "share").then(pl.col("item").replace("other", "tram")).otherwise(pl.col("item")).alias("item")
    )
    with pytest.raises(ValueError, match="share of tram"):
        published_cases(replace(inputs, tables={**inputs.tables, TABLE: rows}), params)


def test_more_draws_leave_the_table_as_it_is(inputs: Inputs, frame: pl.DataFrame) -> None:
    many = table(inputs, inputs.params(draws=3, seed=4))
    np.testing.assert_allclose(many["modelled"], frame["modelled"], rtol=1e-12)
    assert len(YEARS) == 21
