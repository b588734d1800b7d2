"""The fitted sensitivities: committed rows follow from the data, and drawn ones stay within the literature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from transport.cities.attributes import ATTRIBUTES
from transport.cities.calibrate import calibrate, target_cities
from transport.cities.choice import nest_coefficients
from transport.cities.demand import city_demand
from transport.cities.elasticities import attribute_response, implied_elasticity, trips_and_change
from transport.cities.service import city_service
from transport.layout import YEARS, year_index

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.params import Params

DRAWS = 60


def ranges(inputs: Inputs) -> dict[str, tuple[float, float]]:
    rows = inputs.parameters.filter(pl.col("parameter") == "travel_elasticity")
    return {row["subject"]: (row["low"], row["high"]) for row in rows.iter_rows(named=True)}


def implied(inputs: Inputs, params: Params) -> dict[str, np.ndarray]:
    """Return the implied elasticity of each attribute over the cities with a target, by draw."""
    theta, cities = nest_coefficients(params), target_cities(inputs, params)
    demands = [city_demand(inputs, params, area) for area in cities]
    running = [np.isfinite(city_service(inputs, params, a).utility[0, 0, ..., year_index(2019)]) for a in cities]
    found = {}
    for attribute, modes in ATTRIBUTES.items():
        parts = [
            trips_and_change(d, r, theta, attribute_response(params, d.area, attribute))
            for d, r in zip(demands, running, strict=True)
        ]
        found[attribute] = implied_elasticity(parts, modes)
    return found


def test_five_cities_have_a_target(inputs: Inputs) -> None:
    assert target_cities(inputs, inputs.params(draws=1)) == ("210100", "210200", "210300", "210400", "210700")


def test_committed_sensitivities_follow_from_the_data(inputs: Inputs) -> None:
    """Whoever changes base shares, trip lengths, fares or nests must fit again; the message says to which values."""
    found = calibrate(inputs, inputs.params(draws=1))
    off = found.filter((pl.col("implied") / pl.col("elasticity") - 1.0).abs() > 5e-3)
    assert off.is_empty(), f"put these values into travel_sensitivity: {off.select('attribute', 'sensitivity').rows()}"
    assert found["attribute"].to_list() == list(ATTRIBUTES)


def test_a_wrong_sensitivity_is_mended_in_one_step(inputs: Inputs) -> None:
    params = inputs.params(draws=1)
    moved = params.replace("travel_sensitivity", "transit_fare", np.full((1, len(YEARS)), 3.0))
    once = calibrate(inputs, moved).filter(pl.col("attribute") == "transit_fare").row(0, named=True)
    assert once["implied"] != pytest.approx(once["elasticity"], rel=0.1)
    again = calibrate(inputs, moved.replace("travel_sensitivity", "transit_fare", np.full((1, len(YEARS)), once["sensitivity"])))
    row = again.filter(pl.col("attribute") == "transit_fare").row(0, named=True)
    assert row["implied"] == pytest.approx(row["elasticity"], rel=1e-12)


@pytest.mark.parametrize("side", ["low", "high"])
def test_the_ends_of_the_literature_are_reached_and_not_passed(inputs: Inputs, side: str) -> None:
    params = inputs.params(draws=1)
    for attribute, ends in ranges(inputs).items():
        if attribute in ATTRIBUTES:
            end = ends[("low", "high").index(side)]
            params = params.replace("travel_elasticity", attribute, np.full((1, len(YEARS)), end))
    for attribute, values in implied(inputs, params).items():
        assert values[0] == pytest.approx(ranges(inputs)[attribute][("low", "high").index(side)], rel=5e-3), attribute


def test_drawn_elasticities_stay_within_the_literature(inputs: Inputs) -> None:
    """Base shares and nests are drawn too, so a draw near an end may pass it by a little."""
    found = implied(inputs, inputs.params(draws=DRAWS, seed=3))
    for attribute, values in found.items():
        low, high = ranges(inputs)[attribute]
        inside = np.mean((values >= low) & (values <= high))
        slack = 0.5 * (high - low)
        assert inside >= 0.9, f"{attribute}: {inside:.0%} of the draws within {low} to {high}"
        assert bool(np.all((values >= low - slack) & (values <= high + slack))), attribute


def test_an_attribute_that_moves_nobody_is_named(inputs: Inputs) -> None:
    params = inputs.params(draws=1).replace("travel_sensitivity", "bus_time", np.zeros((1, len(YEARS))))
    with pytest.raises(ValueError, match="bus_time moves no trips of bus"):
        calibrate(inputs, params)
