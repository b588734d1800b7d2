"""Volume-delay functions: travel time of an arc against the flow on it, with its derivative and its integral.

Four forms, chosen arc by arc (``v`` = flow, ``x = v / capacity``, ``t0`` = free-flow time; ``a`` and ``b`` are the two parameters of an arc):

- ``constant``: ``t0``;
- ``bpr``: ``t0 (1 + a x^b)`` (Bureau of Public Roads, Traffic Assignment Manual, 1964);
- ``conical``: ``t0 (2 + sqrt(a^2 (1 - x)^2 + beta^2) - a (1 - x) - beta)`` with ``beta = (2 a - 1) / (2 a - 2)``, ``a > 1``
  (Spiess, Transportation Science 24 (1990) 153-158);
- ``davidson``: ``t0 (1 + a x / (1 - x))`` up to ``x = b < 1``, then its tangent, so that every flow has a finite time
  (Davidson 1966, continued as in Taylor, Transportation Research B 18 (1984) 99-102);
- ``akcelik``: ``t0 + a / 4 ((x - 1) + sqrt((x - 1)^2 + 8 b x / (capacity a)))`` with ``a`` = length of the flow period in the unit of ``t0`` and
  ``b`` = delay parameter, ``capacity`` per unit of ``t0`` (Akcelik, Australian Road Research 21 (1991) 49-59).

A flow that is on the arc already (``preload``) comes on top of the flow given. The same compiled scalar code serves the array functions here and
the assignment kernels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from networks.errors import NetworkError

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Code of each form, as it stands in :attr:`DelayArrays.code`.
DELAY_CODES: dict[str, int] = {"constant": 0, "bpr": 1, "conical": 2, "davidson": 3, "akcelik": 4}

_CONSTANT, _BPR, _CONICAL, _DAVIDSON, _AKCELIK = range(5)
#: Below this ratio of flow to capacity the slope of a power below one, infinite at zero, is taken as it is here.
_LEAST_RATIO = 1e-3
#: Whole powers up to this one are multiplied out, which is several times faster than the library function.
_MOST_PRODUCTS = 64


@dataclass(frozen=True)
class DelayArrays:
    """Volume-delay function of every arc.

    Attributes
    ----------
    code
        Form of each arc, a value of :data:`DELAY_CODES`.
    t0
        Time without flow, in any unit of time.
    capacity
        Capacity in the unit of the flow; any positive value where the form is constant.
    a, b
        Parameters of the form, see the top of this module; 0 where unused.
    preload
        Flow on the arc before any assignment, in the unit of the flow.
    """

    code: NDArray[np.int64]
    t0: NDArray[np.float64]
    capacity: NDArray[np.float64]
    a: NDArray[np.float64]
    b: NDArray[np.float64]
    preload: NDArray[np.float64]

    @classmethod
    def build(
        cls,
        t0: NDArray[np.float64],
        capacity: NDArray[np.float64],
        a: NDArray[np.float64] | float = 0.0,
        b: NDArray[np.float64] | float = 0.0,
        *,
        preload: NDArray[np.float64] | float = 0.0,
        form: str = "bpr",
    ) -> DelayArrays:
        """Build arrays of one form, with constant delay wherever flow cannot matter.

        Parameters
        ----------
        t0, capacity, a, b, preload
            As the attributes; scalars are spread over the arcs.
        form
            A key of :data:`DELAY_CODES`.

        Returns
        -------
        DelayArrays
            Checked, read-only. A BPR arc with ``t0 = 0``, ``a = 0`` or ``b = 0`` or infinite capacity is constant, its capacity is not looked at.

        Raises
        ------
        NetworkError
            If the form is unknown or a parameter is outside its range; the first such arc is named by its position.
        """
        if form not in DELAY_CODES:
            msg = f"unknown delay function {form!r}; use one of {', '.join(DELAY_CODES)}"
            raise NetworkError(msg)
        shape = np.shape(t0)
        values = {
            name: np.broadcast_to(np.asarray(value, dtype=np.float64), shape).copy()
            for name, value in (("t0", t0), ("capacity", capacity), ("a", a), ("b", b), ("preload", preload))
        }
        code = np.full(shape, DELAY_CODES[form], dtype=np.int64)
        if form == "bpr":
            flat = (values["t0"] == 0) | (values["a"] == 0) | (values["b"] == 0) | np.isposinf(values["capacity"])
            with np.errstate(invalid="ignore"):
                values["t0"] = np.where(values["b"] == 0, values["t0"] * (1 + values["a"]), values["t0"])
            code[flat] = _CONSTANT
        if form == "davidson":
            code[(values["t0"] == 0) | (values["a"] == 0)] = _CONSTANT
        values["capacity"][code == _CONSTANT] = 1.0
        found = cls(code=code, **values)
        check_delays(found)
        for value in vars(found).values():
            value.setflags(write=False)
        return found


def check_delays(delay: DelayArrays) -> None:
    """Raise an error for the first arc whose parameters are outside the range of its form.

    Raises
    ------
    NetworkError
        Names the parameter, the position of the arc and the value.
    """
    form = delay.code
    ranges = (
        ("code", np.isin(form, list(DELAY_CODES.values())), form, "a value of DELAY_CODES"),
        ("t0", np.isfinite(delay.t0) & (delay.t0 >= 0), delay.t0, "finite and not negative"),
        ("preload", np.isfinite(delay.preload) & (delay.preload >= 0), delay.preload, "finite and not negative"),
        ("capacity", (form == _CONSTANT) | (np.isfinite(delay.capacity) & (delay.capacity > 0)), delay.capacity, "positive"),
        ("a", np.isfinite(delay.a) & ((form == _CONSTANT) | (delay.a >= 0)), delay.a, "finite and not negative"),
        ("a", (form != _CONICAL) | (delay.a > 1), delay.a, "above 1 for the conical function"),
        ("a", (form != _AKCELIK) | (delay.a > 0), delay.a, "a positive flow period"),
        ("b", np.isfinite(delay.b) & ((form == _CONSTANT) | (delay.b >= 0)), delay.b, "finite and not negative"),
        (
            "b",
            (form != _DAVIDSON) | ((delay.b > 0) & (delay.b < 1)),
            delay.b,
            "between 0 and 1, where Davidson's function turns straight",
        ),
    )
    for name, good, value, must in ranges:
        if not bool(np.all(good)):
            first = int(np.flatnonzero(~good)[0])
            msg = f"delay parameter {name} of arc {first} is {value[first]}; it must be {must}"
            raise NetworkError(msg)


@njit(cache=True, nogil=True)
def _power(base: float, exponent: float) -> float:
    """Return base^exponent for base >= 0; whole exponents by repeated squaring."""
    if exponent == 3.0:
        return base * base * base
    whole = int(exponent)
    if whole == exponent and 0 <= whole <= _MOST_PRODUCTS:
        result = 1.0
        while whole > 0:
            if whole & 1:
                result *= base
            base *= base
            whole >>= 1
        return result
    return math.pow(base, exponent)


@njit(cache=True, nogil=True)
def delay_and_slope(code: int, t0: float, capacity: float, a: float, b: float, v: float) -> tuple[float, float]:
    """Return the delay of one arc at flow v and its derivative; a flow below zero counts as zero."""
    if code == _CONSTANT:
        return t0, 0.0
    x = max(v, 0.0) / capacity
    if code == _BPR:
        if b < 1.0:
            held = max(x, _LEAST_RATIO)
            return t0 * (1.0 + a * math.pow(x, b)), t0 * a * b / capacity * math.pow(held, b - 1.0)
        lower = _power(x, b - 1.0)
        return t0 * (1.0 + a * lower * x), t0 * a * b / capacity * lower
    if code == _CONICAL:
        beta = (2.0 * a - 1.0) / (2.0 * a - 2.0)
        root = math.sqrt((a * (1.0 - x)) ** 2 + beta * beta)
        # for x < 1 without cancellation: root - a (1 - x) = beta^2 / (root + a (1 - x))
        rise = root - a * (1.0 - x) if x >= 1.0 else beta * beta / (root + a * (1.0 - x))
        return t0 * (2.0 + rise - beta), t0 * a / capacity * rise / root
    if code == _DAVIDSON:
        if x <= b:
            return t0 * (1.0 + a * x / (1.0 - x)), t0 * a / (capacity * (1.0 - x) ** 2)
        slope = a / (1.0 - b) ** 2
        return t0 * (1.0 + a * b / (1.0 - b) + slope * (x - b)), t0 * slope / capacity
    k = 8.0 * b / (capacity * a)
    root = math.sqrt((x - 1.0) ** 2 + k * x)
    if root == 0.0:
        return t0, 0.25 * a / capacity
    return t0 + 0.25 * a * (x - 1.0 + root), 0.25 * a / capacity * (1.0 + (x - 1.0 + 0.5 * k) / root)


@njit(cache=True, nogil=True)
def _half_line(y: float, q: float) -> float:
    """Return an integral of sqrt(y^2 + q) with respect to y, where y^2 + q >= 0."""
    root = math.sqrt(max(y * y + q, 0.0))
    total = y + root
    if q == 0.0 or total <= 0.0:
        return 0.5 * y * root
    return 0.5 * (y * root + q * math.log(total))


@njit(cache=True, nogil=True)
def delay_area(code: int, t0: float, capacity: float, a: float, b: float, v: float) -> float:
    """Return the integral of the delay of one arc from zero to flow v >= 0."""
    if code == _CONSTANT:
        return t0 * v
    x = v / capacity
    if code == _BPR:
        return t0 * v * (1.0 + a * math.pow(x, b) / (b + 1.0))
    if code == _CONICAL:
        beta = (2.0 * a - 1.0) / (2.0 * a - 2.0)
        q = (beta / a) ** 2
        area = a * (_half_line(1.0, q) - _half_line(1.0 - x, q)) - a * (x - 0.5 * x * x)
        return t0 * (v * (2.0 - beta) + capacity * area)
    if code == _DAVIDSON:
        inside = min(x, b)
        area = -math.log1p(-inside) - inside
        beyond = x - inside
        area += beyond * (b / (1.0 - b) + 0.5 * beyond / (1.0 - b) ** 2)
        return t0 * (v + a * capacity * area)
    shift = 0.5 * 8.0 * b / (capacity * a) - 1.0
    q = 1.0 - shift * shift
    area = 0.5 * x * x - x + _half_line(x + shift, q) - _half_line(shift, q)
    return t0 * v + 0.25 * a * capacity * area


@njit(cache=True, nogil=True)
def fill_delays(
    code: NDArray[np.int64],
    t0: NDArray[np.float64],
    capacity: NDArray[np.float64],
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    volume: NDArray[np.float64],
    value: NDArray[np.float64],
    slope: NDArray[np.float64],
) -> None:
    """Write delay and derivative of every arc at the volumes (preload included) into the last two arrays."""
    for arc in range(code.size):
        value[arc], slope[arc] = delay_and_slope(code[arc], t0[arc], capacity[arc], a[arc], b[arc], volume[arc])


@njit(cache=True, nogil=True)
def _fill_areas(
    code: NDArray[np.int64],
    t0: NDArray[np.float64],
    capacity: NDArray[np.float64],
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    preload: NDArray[np.float64],
    flow: NDArray[np.float64],
    area: NDArray[np.float64],
) -> None:
    """Write the integral of the delay from the preload to preload + flow of every arc into the last array."""
    for arc in range(code.size):
        upper = delay_area(code[arc], t0[arc], capacity[arc], a[arc], b[arc], preload[arc] + flow[arc])
        lower = delay_area(code[arc], t0[arc], capacity[arc], a[arc], b[arc], preload[arc]) if preload[arc] > 0.0 else 0.0
        area[arc] = upper - lower


def delay_value(delay: DelayArrays, flow: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the delay of every arc at a flow on top of the preload, in the unit of ``t0``."""
    return _both(delay, flow)[0]


def delay_slope(delay: DelayArrays, flow: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the derivative of the delay of every arc with respect to flow."""
    return _both(delay, flow)[1]


def _both(delay: DelayArrays, flow: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    value, slope = np.empty(delay.code.size), np.empty(delay.code.size)
    volume = delay.preload + np.asarray(flow, dtype=np.float64)
    fill_delays(delay.code, delay.t0, delay.capacity, delay.a, delay.b, volume, value, slope)
    return value, slope


def delay_integral(delay: DelayArrays, flow: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the integral of the delay of every arc over the flow on top of the preload: one term of Beckmann's objective."""
    area = np.empty(delay.code.size)
    _fill_areas(delay.code, delay.t0, delay.capacity, delay.a, delay.b, delay.preload, np.asarray(flow, dtype=np.float64), area)
    return area
