"""Congestion of one city: fixed point, conservation, directions, independence of draws, bad input."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transport.cities.synthetic import N_YEAR, demand, roads, service, theta
from transport.cities.layout import MODES, ROAD_MODES
from transport.cities.traffic import CityTravel, Problem, car_time_index, fold, solve, solve_city
from transport.layout import YEARS, year_index

I2019, I2020, I2030 = (year_index(y) for y in (2019, 2020, 2030))
BUS, METRO, CAR, TAXI = (MODES.index(m) for m in ("bus", "metro", "car", "taxi"))


def grown(factor: float, draws: int = 1) -> np.ndarray:
    """Return a path that steps from 1 to a factor in 2021."""
    path = np.ones((draws, N_YEAR))
    path[:, I2020 + 1 :] = factor
    return path


def pushed(mode: int, change: float) -> object:
    now = service()
    utility = now.utility.copy()
    utility[:, :, mode, :, I2020 + 1 :] += change
    return replace(now, utility=utility)


def test_nothing_changes_nothing_bit_for_bit() -> None:
    city = demand(draws=4)
    travel = solve_city(city, service(draws=4), roads(draws=4), theta(draws=4))
    np.testing.assert_array_equal(travel.share, np.repeat(city.base[..., None], N_YEAR, axis=-1))
    np.testing.assert_array_equal(travel.car_time_index, np.ones((4, N_YEAR)))


def test_trips_and_kilometres_are_conserved() -> None:
    city = demand(draws=3)
    travel = solve_city(city, service(draws=3), roads(draws=3, capacity=grown(0.8)), theta(draws=3))
    np.testing.assert_allclose(travel.trips.sum(axis=0), city.trips.sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(travel.season_trips.sum(axis=0), travel.trips, rtol=1e-12)
    np.testing.assert_allclose(travel.pkm.sum(axis=0), (city.trips * city.length_km[..., None]).sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(travel.peak_trips.sum(axis=0), (city.trips * city.peak_share[..., None]).sum(axis=0), rtol=1e-12)
    for k, mode in enumerate(ROAD_MODES):
        per_pkm = roads(draws=3).vehicles_per_pkm[k]
        np.testing.assert_allclose(travel.vehicle_km[k], travel.pkm[MODES.index(mode)] * per_pkm, rtol=1e-14)


@given(
    ratio=st.floats(0.2, 1.8),
    delay=st.floats(0.05, 1.5),
    exponent=st.floats(1.0, 6.0),
    capacity=st.floats(0.4, 2.0),
    slope=st.floats(-3.0, -0.01),
)
@settings(max_examples=40, deadline=None)
def test_car_time_follows_from_the_traffic_it_makes(
    ratio: float, delay: float, exponent: float, capacity: float, slope: float
) -> None:
    city, way = demand(), roads(capacity=grown(capacity), volume_capacity=ratio, delay=delay, exponent=exponent)
    travel = solve_city(city, service(slope=slope), way, theta())
    traffic = travel.vehicle_km.sum(axis=0)
    volume = (0.2 + 0.8 * traffic / traffic[:, [I2019]]) / grown(capacity)
    expected = car_time_index(volume, way.volume_capacity, way.delay, way.exponent)
    np.testing.assert_allclose(travel.car_time_index, expected, rtol=1e-9)


def test_congestion_damps_what_a_lever_does() -> None:
    """Drivers who leave make room that draws others back: less is gained than on roads whose speed never changes."""
    free = solve_city(demand(), pushed(BUS, 0.5), roads(delay=0.0), theta())
    jammed = solve_city(demand(), pushed(BUS, 0.5), roads(delay=1.0), theta())
    lost = [travel.trips[CAR, 0, I2030] - travel.trips[CAR, 0, I2019] for travel in (free, jammed)]
    assert lost[0] < lost[1] < 0
    assert jammed.car_time_index[0, I2030] < 1.0
    np.testing.assert_array_equal(free.car_time_index, 1.0)


def test_wider_roads_take_riders_from_the_metro() -> None:
    before = solve_city(demand(), service(), roads(), theta())
    after = solve_city(demand(), service(), roads(capacity=grown(1.3)), theta())
    assert after.car_time_index[0, I2030] < before.car_time_index[0, I2030]
    assert after.trips[METRO, 0, I2030] < before.trips[METRO, 0, I2030]
    assert after.trips[CAR, 0, I2030] > before.trips[CAR, 0, I2030]


def test_fuller_cars_speed_all_road_modes_up() -> None:
    per_pkm = roads().vehicles_per_pkm.copy()
    per_pkm[ROAD_MODES.index("car"), :, I2020 + 1 :] *= 0.7
    after = solve_city(demand(), service(), roads(vehicles_per_pkm=per_pkm), theta())
    assert after.car_time_index[0, I2030] < 1.0
    assert after.trips[BUS, 0, I2030] > after.trips[BUS, 0, I2019]


def test_a_draw_does_not_depend_on_its_neighbours() -> None:
    """The solver stops per element, so that a run split over workers gives the same bytes."""
    draws, rng = 5, np.random.default_rng(6)
    city, now = demand(draws), service(draws)
    now = replace(now, utility=now.utility + rng.normal(0.0, 0.4, now.utility.shape) * (np.asarray(YEARS) > 2020))
    way = roads(draws, delay=rng.uniform(0.1, 1.5, (draws, 1)), volume_capacity=rng.uniform(0.6, 1.2, (draws, 1)))

    def cut(part: object) -> dict[str, np.ndarray]:
        yearly = {
            "barred",
            "trips",
            "utility",
            "traffic",
            "vehicles_per_pkm",
            "capacity",
            "volume_capacity",
            "background",
            "delay",
            "exponent",
        }
        values = {f.name: getattr(part, f.name) for f in fields(part)}  # type: ignore[arg-type]
        return {
            k: v[..., 2:3, :].copy() if k in yearly else v[..., 2:3].copy()
            for k, v in values.items()
            if k != "area" and v is not None
        }

    together = solve_city(city, now, way, theta(0.5, draws))
    alone = solve_city(replace(city, **cut(city)), replace(now, **cut(now)), replace(way, **cut(way)), theta(0.5))
    for field in fields(CityTravel):
        if field.name != "area":
            np.testing.assert_array_equal(getattr(together, field.name)[..., 2:3, :], getattr(alone, field.name), field.name)


def test_some_years_give_the_same_bytes() -> None:
    part = (demand(seed=1), pushed(BUS, 0.1), roads(delay=0.2), theta())
    few = Problem.of(*part).at([2019, 2030])  # type: ignore[arg-type]
    shares, volume = solve(few)
    travel = solve_city(*part)  # type: ignore[arg-type]
    np.testing.assert_array_equal(np.stack(shares, axis=2), travel.share[..., [I2019, I2030]])
    time = car_time_index(volume, few.volume_capacity, few.delay, few.exponent)
    np.testing.assert_array_equal(time, travel.car_time_index[:, [I2019, I2030]])


def test_fold_adds_everything_once() -> None:
    array = np.random.default_rng(0).uniform(0.0, 1.0, (2, 27, 3, 4))
    np.testing.assert_allclose(fold(array), array.sum(axis=(0, 1)), rtol=1e-14)
    np.testing.assert_array_equal(fold(array)[1:2], fold(array[:, :, 1:2].copy()))


def test_volume_delay_known_answer() -> None:
    one = np.ones(1)
    assert car_time_index(2 * one, one, 0.15 * one, 4 * one)[0] == pytest.approx((1 + 0.15 * 16) / 1.15)
    assert car_time_index(one, 0.8 * one, 0.15 * one, 4 * one)[0] == 1.0


def test_parts_of_two_cities_are_refused() -> None:
    with pytest.raises(ValueError, match="demand is that of 210100, service that of 210200"):
        solve_city(demand(), replace(service(), area="210200"), roads(), theta())


def test_a_wrong_shape_is_named() -> None:
    with pytest.raises(ValueError, match=r"210100: service.traffic has shape"):
        solve_city(demand(), replace(service(), traffic=service().traffic[:4]), roads(), theta())


def test_years_without_the_pivot_are_refused() -> None:
    problem = Problem.of(demand(), service(), roads(), theta())
    with pytest.raises(ValueError, match="the first of the years must be 2019"):
        problem.at([2020, 2030])
