"""Charging in closed form: hand-computed times, the inverse, the scalar twins, and that a full charge ends."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleets.battery import Battery, charge_time_min, soc_after_min
from fleets.errors import ChargingError

CURVE = {"max_kw": 100.0, "taper_soc": 0.8, "end_kw": 10.0}


def test_constant_power_below_the_taper_is_energy_over_power():
    # 300 kWh from 20 to 80 % at 60 kW: 180 kWh / 60 kW = 3 h
    assert charge_time_min(300.0, 0.2, 0.8, 60.0, max_kw=150.0, taper_soc=0.8, end_kw=15.0) == pytest.approx(180.0)


def test_taper_by_hand():
    # 100 kWh, accepted power falls from 100 kW at 80 % to 10 kW at 100 %: slope k = 90 / 0.2 = 450 kW,
    # time of the last fifth = 100 / 450 x ln(100 / 10) h = 30.70 min; the first 60 % take 36 min
    last = 60.0 * 100.0 / 450.0 * math.log(10.0)
    assert last == pytest.approx(30.701134)
    assert charge_time_min(100.0, 0.8, 1.0, 100.0, **CURVE) == pytest.approx(last)
    assert charge_time_min(100.0, 0.2, 1.0, 100.0, **CURVE) == pytest.approx(36.0 + last)


def test_a_weak_plug_moves_the_corner_up():
    # at 40 kW the battery limits only above 80 % + (100 - 40) / 450 = 93.33 %
    corner = 0.8 + 60.0 / 450.0
    by_hand = 60.0 * 100.0 * ((corner - 0.2) / 40.0 + math.log(40.0 / 10.0) / 450.0)
    assert charge_time_min(100.0, 0.2, 1.0, 40.0, **CURVE) == pytest.approx(by_hand)
    # below the power accepted at 100 % the taper never acts
    assert charge_time_min(100.0, 0.0, 1.0, 10.0, **CURVE) == pytest.approx(600.0)


def test_a_battery_without_taper_charges_at_constant_power():
    assert charge_time_min(50.0, 0.0, 1.0, 25.0, max_kw=25.0, taper_soc=0.9, end_kw=25.0) == pytest.approx(120.0)
    assert Battery(50.0, 25.0, 0.9, 25.0).minutes(0.0, 1.0, 25.0) == pytest.approx(120.0)
    assert Battery(50.0, 25.0, 0.9, 25.0).soc_after(0.5, 30.0, 25.0) == pytest.approx(0.75)


def test_a_target_of_100_percent_ends_but_needs_a_power_at_the_end():
    assert np.isfinite(charge_time_min(100.0, 0.999999, 1.0, 100.0, **CURVE))
    with pytest.raises(ChargingError, match="never ends"):
        charge_time_min(100.0, 0.2, 1.0, 50.0, max_kw=100.0, taper_soc=0.8, end_kw=0.0)


def test_nothing_to_charge_takes_no_time():
    assert charge_time_min(100.0, 0.9, 0.7, 50.0, **CURVE) == 0.0


def test_simple_calls():
    # constant power unless a taper is given; whole numbers and lists do
    assert charge_time_min(100, 0, 1, 50) == pytest.approx(120.0)
    assert charge_time_min(100, [0, 0.5, 1], 1, 50).tolist() == pytest.approx([120.0, 60.0, 0.0])
    assert charge_time_min(100, 0.2, 0.8, 200, max_kw=100) == pytest.approx(36.0)
    # a taper to a tenth of the power, if only its begin is known: 100 % is reached
    assert charge_time_min(100, 0.8, 1.0, 100, taper_soc=0.8) == pytest.approx(charge_time_min(100.0, 0.8, 1.0, 100.0, **CURVE))


def integrated(capacity, start, end, accepted, steps=400_000):
    """Return the minutes by the midpoint rule on a fine grid of states of charge."""
    edges = np.linspace(start, end, steps + 1)
    return 60.0 * capacity * float((1.0 / accepted((edges[1:] + edges[:-1]) / 2.0)).sum()) * (end - start) / steps


@pytest.mark.parametrize("power", [7.0, 45.0, 100.0, 350.0])
@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (0.1, 0.8), (0.75, 0.95), (0.9, 1.0)])
def test_closed_form_equals_fine_integration(power, start, end):
    taper = integrated(120.0, start, end, lambda s: np.minimum(power, np.minimum(100.0, 100.0 - 450.0 * (s - 0.8))))
    assert charge_time_min(120.0, start, end, power, **CURVE) == pytest.approx(taper, abs=1e-6)


TABLE = [(0.0, 40.0), (0.1, 150.0), (0.5, 150.0), (0.8, 80.0), (1.0, 10.0)]


@pytest.mark.parametrize("power", [8.0, 60.0, 120.0, 400.0])
def test_a_table_equals_fine_integration(power):
    for start, end in ((0.0, 1.0), (0.05, 0.3), (0.6, 0.61), (0.8, 1.0)):
        exact = integrated(90.0, start, end, lambda s: np.minimum(power, np.interp(s, *np.array(TABLE).T)))
        assert charge_time_min(90.0, start, end, power, table=TABLE) == pytest.approx(exact, abs=1e-6)
    # a linear taper written as a table is the linear taper
    linear = charge_time_min(90.0, [0.0, 0.9], 1.0, power, max_kw=100.0, taper_soc=0.8, end_kw=10.0)
    assert charge_time_min(90.0, [0.0, 0.9], 1.0, power, table=[(0.8, 100.0), (1.0, 10.0)]) == pytest.approx(linear)
    assert charge_time_min(90.0, 0.9, 0.5, power, table=TABLE) == 0.0


def test_a_bad_table_is_refused():
    for table in ([(0.5, 10.0), (0.2, 5.0)], [(0.0, 10.0), (1.0, 0.0)], [1.0, 2.0], []):
        with pytest.raises(ChargingError, match="rising states of charge"):
            charge_time_min(100.0, 0.0, 1.0, 50.0, table=table)
    with pytest.raises(ChargingError, match="either table"):
        charge_time_min(100.0, 0.0, 1.0, 50.0, table=TABLE, max_kw=50.0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0.0, 0.2, 0.8, 50.0), "capacity_kwh"),
        ((100.0, -0.1, 0.8, 50.0), "state of charge"),
        ((100.0, 0.2, 1.1, 50.0), "state of charge"),
        ((100.0, 0.2, 0.8, 0.0), "power_kw"),
        ((100.0, math.nan, 0.8, 50.0), "state of charge"),
        ((100.0, 20, 80, 50.0), "20.0 to 80.0"),
    ],
)
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises(ChargingError, match=words):
        charge_time_min(*arguments, **CURVE)


def test_a_bad_battery_is_refused():
    with pytest.raises(ChargingError, match="taper_soc"):
        Battery(100.0, 50.0, 1.0, 5.0)
    with pytest.raises(ChargingError, match="exceeds"):
        Battery(100.0, 50.0, 0.8, 60.0)


SOC = st.floats(0.0, 1.0)


@settings(max_examples=150, deadline=None)
@given(
    start=SOC,
    end=SOC,
    power=st.floats(5.0, 300.0),
    top=st.floats(20.0, 250.0),
    taper=st.floats(0.1, 0.95),
    end_share=st.floats(0.02, 1.0),
)
def test_twins_agree_and_time_inverts(start, end, power, top, taper, end_share):
    start, end = sorted((start, end))
    battery = Battery(120.0, top, taper, top * end_share)
    curve = {"max_kw": top, "taper_soc": taper, "end_kw": top * end_share}
    minutes = float(charge_time_min(120.0, start, end, power, **curve))
    assert battery.minutes(start, end, power) == pytest.approx(minutes, rel=1e-9, abs=1e-9)
    back = float(soc_after_min(120.0, start, minutes, power, **curve))
    assert back == pytest.approx(end, abs=1e-7)
    assert battery.soc_after(start, minutes, power) == pytest.approx(back, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(a=SOC, b=SOC, c=SOC, power=st.floats(5.0, 200.0))
def test_time_adds_up_and_falls_with_power(a, b, c, power):
    a, b, c = sorted((a, b, c))
    whole = float(charge_time_min(80.0, a, c, power, **CURVE))
    parts = charge_time_min(80.0, [a, b], [b, c], power, **CURVE)
    assert whole == pytest.approx(float(parts.sum()), rel=1e-9, abs=1e-9)
    assert charge_time_min(80.0, a, c, power * 1.5, **CURVE) <= whole + 1e-9
