"""Energy formulas against hand-worked numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fleets
from fleets import electric_traction_share, grid_energy_kwh, temperature_multiplier
from fleets.energy import (
    aircraft_fuel_t,
    band_multiplier,
    band_ratio,
    freight_distance_km,
    freight_gross_tkm,
    litres_to_t,
    load_multiplier,
    monthly_temperature_weights,
    passenger_distance_km,
    passenger_gross_tkm,
    speed_multiplier,
    speed_work_multiplier,
    temperature_weights,
    traction_energy,
)

A = np.asarray


def test_one_battery_bus_by_hand() -> None:
    # 51,000 km, 1.05 kWh/km in mild weather; half the year at -10 degC with ratio 1.6, half at 20 degC; 10 % charging loss.
    weather = temperature_multiplier(A([[-10.0, 20.0]]), A([1.0]), A([-10.0, 0.0, 20.0, 30.0]), A([1.6, 1.12, 1.0, 1.15]))
    assert weather == pytest.approx(1.3)
    assert grid_energy_kwh(A(51_000.0), A(1.05) * weather, A(0.1)) == pytest.approx(51_000 * 1.05 * 1.3 / 0.9)


def test_one_diesel_tractor_by_hand() -> None:
    # 10^9 tkm with 31 t payload, 85 % load factor, 72 % loaded km = 52.7 x 10^6 km; 38 L/100 km and 0.84 kg/L = 16,825 t.
    distance = freight_distance_km(A(1e9), A(31.0), A(0.85), A(0.72))
    assert distance == pytest.approx(1e9 / 18.972)
    assert litres_to_t(distance * 0.38, A(0.84)) == pytest.approx(1e9 / 18.972 * 0.38 * 0.84 / 1000)
    assert load_multiplier(A(0.0), A(19.0), A(0.4)) == pytest.approx(0.6)
    assert load_multiplier(A(19.0), A(19.0), A(0.4)) == 1


def test_weather_is_interpolated_and_flat_outside() -> None:
    knots = A([-10.0, 0.0, 20.0, 30.0])
    np.testing.assert_allclose(temperature_weights(A([[-25.0]]), A([1.0]), knots), [1, 0, 0, 0])
    np.testing.assert_allclose(temperature_weights(A([[5.0]]), A([1.0]), knots), [0, 0.75, 0.25, 0])
    # Two places with weights 3 and 1; an axis of draws in front.
    places = A([[[-10.0], [20.0]], [[20.0], [20.0]]])
    np.testing.assert_allclose(temperature_weights(places, A([3.0, 1.0]), knots), [[0.75, 0, 0.25, 0], [0, 0, 1, 0]])
    with pytest.raises(ValueError, match="must rise"):
        temperature_weights(A([[0.0]]), A([1.0]), A([0.0, -10.0]))


def test_speed_bands_by_hand() -> None:
    share, reference = A([0.5, 0.2, 0.3]), A([0.3, 0.2, 0.5])
    ratio = A([1.3, 1.05, 1.0])
    assert band_multiplier(share, ratio, reference, ratio) == pytest.approx((0.65 + 0.21 + 0.3) / (0.39 + 0.21 + 0.5))
    assert band_multiplier(reference, ratio, reference, ratio) == 1


def test_a_band_relative_to_the_mean_of_the_road_by_hand() -> None:
    share, ratio = A([0.5, 0.2, 0.3]), A([1.3, 1.05, 1.0])
    np.testing.assert_allclose(band_ratio(share, ratio), A([1.3, 1.05, 1.0]) / 1.16)
    assert float((share * band_ratio(share, ratio)).sum()) == pytest.approx(1.0, rel=1e-15)


@given(
    st.lists(st.floats(-40.0, 45.0), min_size=12, max_size=12),
    st.lists(st.floats(-40.0, 45.0), min_size=12, max_size=12),
    st.floats(0.01, 1e6),
)
def test_the_months_make_up_the_year(first: list[float], second: list[float], weight: float) -> None:
    knots = A([-10.0, 0.0, 20.0, 30.0])
    places, people = A([first, second]), A([1.0, weight])
    months = monthly_temperature_weights(places, people, knots)
    assert months.shape == (12, 4)
    np.testing.assert_allclose(months.sum(axis=-1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(months.mean(axis=0), temperature_weights(places, people, knots), rtol=1e-12, atol=1e-15)
    with pytest.raises(ValueError, match="must rise"):
        monthly_temperature_weights(places, people, A([0.0, -10.0]))


def test_rail_by_hand() -> None:
    gross = freight_gross_tkm(A(65.0), A(0.65))
    assert gross == pytest.approx(100)
    power, diesel = traction_energy(gross, A(0.8), A(0.0108), A(0.0026), A(0.5))
    assert power == pytest.approx(100 * 0.8 * 0.0108 * 0.5)
    assert diesel == pytest.approx(100 * 0.2 * 0.0026 * 0.5 / 1000)
    assert passenger_distance_km(A(460.0), A(1150.0), A(0.4)) == pytest.approx(1)
    assert passenger_gross_tkm(A(460.0), A(1150.0), A(0.4), A(1000.0)) == pytest.approx(1000)
    assert electric_traction_share(A(0.626), A(1.6)) == pytest.approx(1 - 0.374**1.6)


@settings(max_examples=50, deadline=None)
@given(e=st.floats(0, 1), more=st.floats(0, 1), k=st.floats(1, 3))
def test_electric_share_rises_from_zero_to_one(e: float, more: float, k: float) -> None:
    high = min(1.0, e + more)
    assert electric_traction_share(A(0.0), A(k)) == 0
    assert electric_traction_share(A(1.0), A(k)) == 1
    assert e - 1e-12 <= electric_traction_share(A(e), A(k)) <= electric_traction_share(A(high), A(k)) + 1e-12


def test_aircraft_fuel_follows_the_seats() -> None:
    full = aircraft_fuel_t(A(1e6), A(1e8), A(0.83), A(0.83), A(0.09), A(0.288))
    assert full == pytest.approx(0.288 * (1e6 + 9e6) / 1000)
    half_empty = aircraft_fuel_t(A(0.0), A(1e8), A(0.415), A(0.83), A(0.09), A(0.288))
    assert half_empty == pytest.approx(2 * 0.288 * 9e6 / 1000)


def test_public_names_resolve_and_unknown_ones_do_not() -> None:
    assert {"turn_over", "simulate_depot", "simulate_station", "minimum_fleet", "charge_time_min", "energy_bill"} <= set(
        dir(fleets)
    )
    assert fleets.turn_over.__module__ == "fleets.stock"
    with pytest.raises(AttributeError, match="no attribute"):
        _ = fleets.fly


def test_slow_ships_by_hand_and_at_their_usual_speed() -> None:
    one, two, h = np.ones(1), np.full(1, 2.0), np.full(1, 0.1)
    assert speed_multiplier(np.full(1, 0.8), two, h)[0] == pytest.approx(0.9 * 0.64 + 0.125)
    assert speed_multiplier(one, two, h)[0] == 1.0
    assert speed_work_multiplier(np.full(1, 0.5), np.full(1, 0.6))[0] == pytest.approx(1 / 1.6)
    assert speed_work_multiplier(one, np.full(1, 0.6))[0] == 1.0
    # What runs with time sets a least speed: (1 - h) n v ** (n + 1) = h.
    speeds = np.linspace(0.2, 1.2, 2001)
    best = speeds[speed_multiplier(speeds, two, h).argmin()]
    assert best == pytest.approx((0.1 / (0.9 * 2)) ** (1 / 3), abs=1e-3)
