from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from networks.delays import DELAY_CODES, DelayArrays, check_delays, delay_integral, delay_slope, delay_value
from networks.errors import NetworkError

#: One set of parameters of every form: t0, capacity, a, b.
FORMS = {
    "constant": (5.0, 100.0, 0.0, 0.0),
    "bpr": (6.0, 100.0, 0.15, 4.0),
    "conical": (6.0, 100.0, 4.0, 0.0),
    "davidson": (6.0, 100.0, 0.3, 0.95),
    "akcelik": (0.1, 1000.0, 1.0, 0.4),
}


def one(form, t0, capacity, a, b, preload=0.0):
    return DelayArrays.build(np.array([t0]), np.array([capacity]), a, b, preload=preload, form=form)


def at(function, delay, flow):
    return float(function(delay, np.array([flow]))[0])


@pytest.mark.parametrize(
    ("form", "parameters", "flow", "value"),
    [
        ("constant", (5.0, 100.0, 0.0, 0.0), 1000.0, 5.0),
        ("bpr", (6.0, 100.0, 0.15, 4.0), 100.0, 6.9),
        ("bpr", (6.0, 100.0, 0.15, 4.0), 200.0, 6.0 * (1 + 0.15 * 16)),
        ("bpr", (1.0, 10.0, 1.0, 2.5), 40.0, 1 + 4**2.5),
        ("bpr", (1.0, 10.0, 1.0, 16.8), 20.0, 1 + 2**16.8),
        ("bpr", (2.0, 10.0, 0.5, 0.0), 70.0, 3.0),  # power 0: the factor 1 + b whatever the flow
        ("bpr", (2.0, 10.0, 1.0, 0.5), 40.0, 6.0),
        ("conical", (6.0, 100.0, 4.0, 0.0), 0.0, 6.0),
        ("conical", (6.0, 100.0, 4.0, 0.0), 100.0, 12.0),  # Spiess: twice the free-flow time at capacity
        ("davidson", (6.0, 100.0, 0.3, 0.95), 50.0, 6.0 * 1.3),
        ("davidson", (6.0, 100.0, 0.5, 0.5), 100.0, 6.0 * (1 + 0.5 + 2.0 * 0.5)),  # on the tangent
        ("akcelik", (0.1, 1000.0, 1.0, 0.4), 1000.0, 0.1 + 0.25 * math.sqrt(8 * 0.4 / 1000)),
    ],
)
def test_values_by_hand(form, parameters, flow, value):
    assert at(delay_value, one(form, *parameters), flow) == pytest.approx(value, rel=1e-13)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("flow", [3.0, 60.0, 94.0, 96.0, 180.0, 900.0, 1100.0])
def test_slope_is_the_derivative_and_integral_the_area(form, flow):
    delay = one(form, *FORMS[form])
    step = 1e-4 * flow
    rise = (at(delay_value, delay, flow + step) - at(delay_value, delay, flow - step)) / (2 * step)
    assert at(delay_slope, delay, flow) == pytest.approx(rise, rel=1e-4, abs=1e-12)
    area = quad(lambda v: at(delay_value, delay, v), 0, flow, points=[min(95.0, flow), min(1000.0, flow)], limit=500)[0]
    assert at(delay_integral, delay, flow) == pytest.approx(area, rel=1e-8)


@pytest.mark.parametrize("form", FORMS)
def test_preload_shifts_the_flow(form):
    plain, loaded = one(form, *FORMS[form]), one(form, *FORMS[form], preload=40.0)
    assert at(delay_value, loaded, 30.0) == at(delay_value, plain, 70.0)
    assert at(delay_slope, loaded, 30.0) == at(delay_slope, plain, 70.0)
    gain = at(delay_integral, plain, 70.0) - at(delay_integral, plain, 40.0)
    assert at(delay_integral, loaded, 30.0) == pytest.approx(gain, rel=1e-12)


@given(
    form=st.sampled_from(sorted(FORMS)),
    low=st.floats(0, 5000),
    more=st.floats(0, 5000),
)
def test_delay_is_finite_and_never_falls_and_the_integral_is_convex(form, low, more):
    delay = one(form, *FORMS[form])
    first, middle, last = low, low + more / 2, low + more
    values = [at(delay_value, delay, v) for v in (first, middle, last)]
    assert np.isfinite(values).all()
    assert values[0] <= values[1] * (1 + 1e-12)
    assert values[1] <= values[2] * (1 + 1e-12)
    area = [at(delay_integral, delay, v) for v in (first, middle, last)]
    assert area[1] <= (area[0] + area[2]) / 2 + 1e-9 * max(area[2], 1.0)


def test_a_whole_power_equals_the_library_power():
    flow = np.array([0.0, 1.0, 55.5, 300.0])
    for power in (1.0, 2.0, 3.0, 4.0, 5.0, 16.0):
        delay = DelayArrays.build(np.full(4, 2.0), np.full(4, 50.0), 0.7, power)
        np.testing.assert_allclose(delay_value(delay, flow), 2.0 * (1 + 0.7 * (flow / 50.0) ** power), rtol=1e-14)


def test_a_slope_that_would_be_infinite_stays_finite():
    assert np.isfinite(at(delay_slope, one("bpr", 1.0, 10.0, 1.0, 0.5), 0.0))


def test_arcs_without_influence_of_flow_need_no_capacity():
    t0, capacity = np.array([0.0, 3.0, 3.0, 3.0]), np.array([0.0, 0.0, np.nan, np.inf])
    delay = DelayArrays.build(t0, capacity, np.array([0.15, 0.0, 0.15, 0.15]), np.array([4.0, 4.0, 0.0, 4.0]))
    assert (delay.code == DELAY_CODES["constant"]).all()
    np.testing.assert_allclose(delay_value(delay, np.full(4, 1e6)), [0.0, 3.0, 3.45, 3.0], rtol=1e-15)


@pytest.mark.parametrize(
    ("form", "changed", "message"),
    [
        ("bpr", {"capacity": 0.0}, r"capacity of arc 1 is 0.0; it must be positive"),
        ("bpr", {"t0": -1.0}, r"t0 of arc 1 is -1.0"),
        ("bpr", {"t0": np.nan}, r"t0 of arc 1 is nan"),
        ("bpr", {"a": -0.1}, r"a of arc 1 is -0.1"),
        ("bpr", {"b": -2.0}, r"b of arc 1 is -2.0"),
        ("bpr", {"preload": -2.0}, r"preload of arc 1 is -2.0"),
        ("conical", {"a": 1.0}, r"above 1 for the conical function"),
        ("davidson", {"b": 1.0}, r"between 0 and 1"),
        ("akcelik", {"a": 0.0}, r"a positive flow period"),
    ],
)
def test_parameters_out_of_range_are_named(form, changed, message):
    t0, capacity, a, b = FORMS[form]
    values = {"t0": t0, "capacity": capacity, "a": a, "b": b, "preload": 0.0}
    arrays = {name: np.array([value, changed.get(name, value)]) for name, value in values.items()}
    with pytest.raises(NetworkError, match=message):
        DelayArrays.build(**arrays, form=form)


def test_unknown_forms_and_codes_are_refused():
    with pytest.raises(NetworkError, match="unknown delay function 'cubic'"):
        one("cubic", 1.0, 1.0, 1.0, 1.0)
    good = one("bpr", 6.0, 100.0, 0.15, 4.0)
    with pytest.raises(NetworkError, match="code of arc 0 is 9"):
        check_delays(DelayArrays(np.array([9]), good.t0, good.capacity, good.a, good.b, good.preload))
