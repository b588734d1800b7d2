"""Road traffic of a city: vehicles per passenger-km by hand, capacity, bad input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from transport.cities.layout import ROAD_MODES
from transport.cities.roads import city_roads
from transport.layout import YEARS, year_index
from transport.params import lever_settings

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.params import Params

AREA = "210100"
N = len(YEARS)
I2019, I2030 = year_index(2019), year_index(2030)


@pytest.fixture(scope="module")
def params(inputs: Inputs) -> Params:
    return inputs.params()


def full(value: float) -> np.ndarray:
    return np.full((1, N), value)


def test_vehicle_km_per_passenger_km_by_hand(inputs: Inputs, params: Params) -> None:
    """Two persons per car; 1.5 passengers per taxi that runs empty for a quarter of its way."""
    made = params.replace("city_car_occupancy", "all", full(2.0)).replace("taxi_occupancy", "all", full(1.5))
    roads = city_roads(inputs, made.replace("taxi_empty_share", "all", full(0.25)), AREA)
    expected = {"car": 0.5, "taxi": 1.0 / 1.125, "ride_hailing": 1.0 / 1.125}
    for mode, value in expected.items():
        np.testing.assert_allclose(roads.vehicles_per_pkm[ROAD_MODES.index(mode)], value)


def test_capacity_is_one_in_2019_and_lanes_take_from_it(inputs: Inputs, params: Params) -> None:
    plain = city_roads(inputs, params, AREA)
    assert plain.capacity[0, I2019] == 1.0
    growth = params.get("road_capacity_index")[0, I2030] / params.get("road_capacity_index")[0, I2019]
    assert plain.capacity[0, I2030] == pytest.approx(growth)
    lanes = city_roads(inputs, params.with_levers(lever_settings(inputs.levers, {"bus_priority": 0.3})), AREA)
    assert lanes.capacity[0, I2030] == pytest.approx(growth * (1.0 - 0.3 * params.get("bus_lane_road_share")[0, 0]))
    np.testing.assert_array_equal(lanes.capacity[:, : year_index(2020) + 1], plain.capacity[:, : year_index(2020) + 1])


@pytest.mark.parametrize(("lever", "mode"), [("ride_sharing", "car"), ("taxi_pooling", "taxi"), ("taxi_pooling", "ride_hailing")])
def test_sharing_a_ride_lowers_the_vehicles_of_its_mode_only(inputs: Inputs, params: Params, lever: str, mode: str) -> None:
    before = city_roads(inputs, params, AREA).vehicles_per_pkm
    after = city_roads(inputs, params.with_levers(lever_settings(inputs.levers, {lever: 1.25})), AREA).vehicles_per_pkm
    i = ROAD_MODES.index(mode)
    np.testing.assert_allclose(after[i, 0, I2030], before[i, 0, I2030] / 1.25)
    if lever == "ride_sharing":
        np.testing.assert_array_equal(np.delete(after, i, axis=0), np.delete(before, i, axis=0))


def test_volume_over_capacity_is_that_of_2019_in_every_year(inputs: Inputs) -> None:
    drawn = inputs.params(draws=4, seed=1)
    roads = city_roads(inputs, drawn, AREA)
    for array in (roads.capacity, roads.volume_capacity, roads.background, roads.delay, roads.exponent):
        assert array.shape == (4, N)
    assert bool(np.all(roads.volume_capacity == roads.volume_capacity[:, [I2019]]))
    assert np.ptp(roads.volume_capacity) > 0


@pytest.mark.parametrize(
    ("parameter", "subject", "value", "message"),
    [
        ("city_car_occupancy", "all", 0.0, "city_car_occupancy of 210100 must be positive; it falls to 0"),
        ("taxi_empty_share", "all", 1.0, "must be positive"),
        ("taxi_empty_share", "all", 1.2, "taxi_empty_share of 210100 must stay between 0 and 1"),
        ("bus_lane_share", AREA, 1.1, "bus_lane_share of 210100 must stay between 0 and 1"),
        ("road_capacity_index", "all", -1.0, "road_capacity_index of 210100 must be positive"),
    ],
)
def test_values_out_of_range_are_refused(
    inputs: Inputs, params: Params, parameter: str, subject: str, value: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        city_roads(inputs, params.replace(parameter, subject, full(value)), AREA)
