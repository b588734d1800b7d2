"""Travel of a city in compiled loops: the same as the equations written out, draw by draw, and what is alike is taken from where it is known."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transport.cities.synthetic import METRO, N_YEAR, demand, roads, terms, theta
from transport.cities.flow_kernels import AS_FIRST, KNOWN
from transport.cities.flows import CityFlows, city_flows
from transport.cities.layout import MODES, CityDemand, CityRoads, ServiceTerms
from transport.cities.service import whole_service
from transport.cities.traffic import CityTravel, solve_city
from transport.cities.vector_math import exp_into, log_into
from transport.layout import YEARS, year_index

I2019, I2020, I2030 = (year_index(y) for y in (2019, 2020, 2030))
#: Position of the draw axis by field, from the end; the others have it last.
_BEFORE_YEARS = {"trips", "level", "flat", "cold", "pace", "barred", "vehicles_per_pkm", "capacity", "volume_capacity"} | {
    "background",
    "delay",
    "exponent",
}
Parts = tuple[CityDemand, ServiceTerms, CityRoads]


def parts(draws: int = 1, seed: int | None = 4, *, metro: bool = True, barred: float = 0.0, **changes: object) -> Parts:
    return demand(draws, metro=metro), terms(draws, seed, metro=metro, barred=barred), roads(draws, delay=0.6, **changes)


def taken(of: Parts, draws: list[int]) -> Parts:
    """Return some draws of the parts of a city."""

    def cut(part: object) -> object:
        arrays = {f.name: getattr(part, f.name) for f in fields(part) if isinstance(getattr(part, f.name), np.ndarray)}  # type: ignore[arg-type]
        few = {name: a[..., draws, :] if name in _BEFORE_YEARS else a[..., draws] for name, a in arrays.items()}
        return replace(part, **few)  # type: ignore[type-var]

    return tuple(cut(part) for part in of)  # type: ignore[return-value]


def figures(flows: CityFlows) -> dict[str, np.ndarray]:
    names = [f.name for f in fields(CityTravel) if f.name not in ("area", "share")]
    return {name: getattr(flows.travel, name) for name in names}


@pytest.mark.parametrize(("metro", "barred"), [(True, 0.0), (False, 0.0), (True, 0.3)])
def test_loops_and_equations_agree(*, metro: bool, barred: float) -> None:
    city, service, way = parts(3, metro=metro, barred=barred, capacity=0.8)
    fast, slow = city_flows(city, service, way, theta(0.5, 3)), solve_city(city, whole_service(service), way, theta(0.5, 3))
    assert np.ptp(slow.car_time_index[:, I2030]) > 0.001
    for name, array in figures(fast).items():
        np.testing.assert_allclose(array, getattr(slow, name), rtol=1e-11, err_msg=name)
    np.testing.assert_allclose(fast.travel.share[..., 0, :], slow.share[..., 0, :], rtol=1e-11)


@given(slope=st.floats(-6.0, -0.01), delay=st.floats(0.0, 3.0), exponent=st.floats(0.5, 8.0), capacity=st.floats(0.3, 3.0))
@settings(max_examples=30, deadline=None)
def test_the_volume_reproduces_itself(slope: float, delay: float, exponent: float, capacity: float) -> None:
    city, service, way = demand(), terms(seed=2, slope=slope), roads(delay=delay, exponent=exponent, capacity=capacity)
    found = city_flows(city, service, way, theta(0.5))
    driven = found.travel.vehicle_km.sum(axis=0)
    expected = (1.0 + 0.8 * (driven / driven[:, [I2019]] - 1.0)) / capacity
    after = np.asarray(YEARS) > 2019
    # the vehicle-km of 2019 here are those on its own roads, of a capacity that is not one: only what is relative to it can be compared
    then = found.sums.volume[:, [I2019]] * capacity
    scale = (then - 0.2) / 0.8
    np.testing.assert_allclose(
        found.sums.volume[:, after], ((0.2 + (expected * capacity - 0.2) * scale) / capacity)[:, after], rtol=1e-9
    )


def test_nothing_changes_nothing_bit_for_bit() -> None:
    city = demand(4)
    found = city_flows(city, terms(4), roads(4), theta(draws=4))
    np.testing.assert_array_equal(found.travel.share[..., 0, :], np.repeat(city.base[..., 0, None], N_YEAR, axis=-1))
    np.testing.assert_array_equal(found.travel.car_time_index, np.ones((4, N_YEAR)))


def test_trips_and_kilometres_are_conserved() -> None:
    city, service, way = parts(3, barred=0.2)
    travel = city_flows(city, service, way, theta(draws=3)).travel
    np.testing.assert_allclose(travel.trips.sum(axis=0), city.trips.sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(travel.season_trips.sum(axis=0), travel.trips, rtol=1e-12)
    np.testing.assert_allclose(travel.pkm.sum(axis=0), (city.trips * city.length_km[..., None]).sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(travel.peak_trips.sum(axis=0), (city.trips * city.peak_share[..., None]).sum(axis=0), rtol=1e-12)


def test_a_draw_does_not_depend_on_its_neighbours() -> None:
    many = parts(5)
    together, alone = city_flows(*many, theta(0.5, 5)), city_flows(*taken(many, [3]), theta(0.5))
    for name, array in figures(together).items():
        np.testing.assert_array_equal(array[..., 3:4, :], figures(alone)[name], name)


def test_draws_like_the_first_are_taken_from_it() -> None:
    many = taken(parts(2), [0, 1, 0, 0])
    found = figures(city_flows(*many, theta(0.5, 4)))
    for name, array in found.items():
        np.testing.assert_array_equal(array[..., [2, 3], :], array[..., [0, 0], :], name)
        assert not np.array_equal(array[..., 1, :], array[..., 0, :]), name


def test_what_is_alike_is_known_and_what_is_not_is_found() -> None:
    """Cases along the draws: in one nothing is changed, in another a year, in the last the base of everything."""
    city, service, way = taken(parts(2), [0, 0, 0, 1])
    known = city_flows(city, service, way, theta(0.5, 4))
    flat = service.flat.copy()
    flat[MODES.index("bus"), 1, I2030] += 0.5
    trips = city.trips.copy()
    trips[:, 2, I2019] *= np.linspace(0.5, 1.5, trips.shape[0])
    moved = (replace(city, trips=trips), replace(service, flat=flat), way)
    found, anew = city_flows(*moved, theta(0.5, 4), known), city_flows(*moved, theta(0.5, 4))
    for name, array in figures(found).items():
        np.testing.assert_allclose(array, figures(anew)[name], rtol=1e-11, err_msg=name)
        np.testing.assert_array_equal(array[..., [0, 3], :], figures(known)[name][..., [0, 3], :], name)
        others = [y for y in range(N_YEAR) if y != I2030]
        np.testing.assert_array_equal(array[..., 1, others], figures(known)[name][..., 1, others], name)
    assert found.travel.trips[MODES.index("bus"), 1, I2030] > known.travel.trips[MODES.index("bus"), 1, I2030]
    assert not np.array_equal(found.travel.car_time_index[2], known.travel.car_time_index[2])
    assert AS_FIRST != KNOWN


def test_a_metro_that_opens_takes_its_virtual_share() -> None:
    city, service, way = parts(metro=False, seed=None)
    flat = service.flat.copy()
    flat[METRO, :, I2030:] = 0.0
    found = city_flows(city, replace(service, flat=flat), way, theta())
    assert not found.travel.trips[METRO, 0, :I2030].any()
    assert bool(np.all(found.travel.trips[METRO, 0, I2030:] > 0))


def test_parts_of_two_cities_are_refused() -> None:
    city, service, way = parts()
    with pytest.raises(ValueError, match="demand is that of 210100, service that of 210200"):
        city_flows(city, replace(service, area="210200"), way, theta())


def test_a_segment_without_a_mode_is_named() -> None:
    city, service, way = parts()
    flat = service.flat.copy()
    flat[:, :, I2030] = -np.inf
    with pytest.raises(ValueError, match="210100, 2030: no mode is left in season 0, segment 0"):
        city_flows(city, replace(service, flat=flat), way, theta())


def test_years_without_the_pivot_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the first of the years must be 2019; got \[2020, 2030\]"):
        city_flows(*parts(), theta()).cut([I2020, I2030])


@given(st.lists(st.floats(-700.0, 700.0), min_size=1, max_size=40))
def test_exponentials_are_those_of_the_library(values: list[float]) -> None:
    x, made = np.array([0.0, -np.inf, *values]), np.empty(len(values) + 2)
    exp_into(x, made, np.empty_like(x))
    np.testing.assert_array_equal(made[:2], [1.0, 0.0])
    np.testing.assert_allclose(made[2:], np.exp(x[2:]), rtol=1e-15)


@given(st.lists(st.floats(1e-300, 1e300), min_size=1, max_size=40))
def test_logarithms_are_those_of_the_library(values: list[float]) -> None:
    x, made = np.array([1.0, 1.0 + 1e-9, *values]), np.empty(len(values) + 2)
    log_into(x, made, np.empty_like(x))
    assert made[0] == 0.0
    np.testing.assert_allclose(made, np.log(x), rtol=2e-15)
