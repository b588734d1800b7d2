"""Exponential and logarithm of whole arrays in compiled loops.

A call of the C library for every element is most of the time of a logit with many draws; these loops become vector instructions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_LOG2E = 1.4426950408889634
#: ln 2 in two parts: multiples of the first by small integers are exact.
_LN2_HIGH, _LN2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10
#: 1.5 x 2^52: adding it rounds to an integer, which then stands in the low bits.
_ROUND = 6755399441055744.0
_ROUND_BITS = 0x4338000000000000
#: Bits of the square root of one half, where the mantissas of the logarithm begin.
_HALF_ROOT_BITS = 0x3FE6A09E667F3BCD
_MANTISSA_BITS, _BIAS = 52, 1023
#: Below this the exponential is put at zero, above the next it does not grow: no utility comes near.
_LEAST, _MOST = -708.0, 709.0


@njit(cache=True, nogil=True, error_model="numpy")
def exp_into(x: Array, made: Array, whole: Array) -> None:
    """Put the exponential of an array into another.

    Parameters
    ----------
    x
        Exponents [dimensionless], array ``[n]``; minus infinity and all below -708 give zero, above 709 the value at 709.
    made
        Where the result goes, array ``[n]``; not ``x``: loops over arrays that may overlap are not made vector instructions.
    whole
        Work array ``[n]``.

    Notes
    -----
    ``exp(x) = 2^k exp(r)`` with ``k`` the nearest integer to ``x / ln 2`` and the Taylor series of degree 13 for ``|r| <= ln(2) / 2``, whose
    remainder is below half a unit in the last place. Exactly one at zero.
    """
    bits = whole.view(np.int64)
    for j in range(x.shape[0]):
        at = x[j]
        inside = min(max(at, _LEAST), _MOST)
        shifted = inside * _LOG2E + _ROUND
        whole[j] = shifted
        k = shifted - _ROUND
        r = (inside - k * _LN2_HIGH) - k * _LN2_LOW
        p = 1.0 / 6227020800.0
        p = p * r + 1.0 / 479001600.0
        p = p * r + 1.0 / 39916800.0
        p = p * r + 1.0 / 3628800.0
        p = p * r + 1.0 / 362880.0
        p = p * r + 1.0 / 40320.0
        p = p * r + 1.0 / 5040.0
        p = p * r + 1.0 / 720.0
        p = p * r + 1.0 / 120.0
        p = p * r + 1.0 / 24.0
        p = p * r + 1.0 / 6.0
        p = p * r + 0.5
        p = p * (r * r) + r + 1.0
        made[j] = p if at >= _LEAST else 0.0
    for j in range(x.shape[0]):
        bits[j] = (bits[j] + _BIAS) << _MANTISSA_BITS
    for j in range(x.shape[0]):
        made[j] *= whole[j]


@njit(cache=True, nogil=True, error_model="numpy")
def log_into(x: Array, made: Array, whole: Array) -> None:
    """Put the natural logarithm of an array into another.

    Parameters
    ----------
    x
        Positive normal numbers [dimensionless], array ``[n]``.
    made
        Where the result goes, array ``[n]``; not ``x``.
    whole
        Work array ``[n]``.

    Notes
    -----
    ``ln x = k ln 2 + 2 artanh((m - 1) / (m + 1))`` with the mantissa ``m`` between the root of one half and that of two, the series of the
    inverse hyperbolic tangent to the power 23. Exactly zero at one.
    """
    given, bits, mantissa = x.view(np.int64), whole.view(np.int64), made.view(np.int64)
    for j in range(x.shape[0]):
        bits[j] = (given[j] - _HALF_ROOT_BITS) >> _MANTISSA_BITS
    for j in range(x.shape[0]):
        mantissa[j] = given[j] - (bits[j] << _MANTISSA_BITS)
    for j in range(x.shape[0]):
        bits[j] += _ROUND_BITS
    for j in range(x.shape[0]):
        k = whole[j] - _ROUND
        s = (made[j] - 1.0) / (made[j] + 1.0)
        z = s * s
        p = 1.0 / 23.0
        p = p * z + 1.0 / 21.0
        p = p * z + 1.0 / 19.0
        p = p * z + 1.0 / 17.0
        p = p * z + 1.0 / 15.0
        p = p * z + 1.0 / 13.0
        p = p * z + 1.0 / 11.0
        p = p * z + 1.0 / 9.0
        p = p * z + 1.0 / 7.0
        p = p * z + 1.0 / 5.0
        p = p * z + 1.0 / 3.0
        made[j] = (2.0 * s + k * _LN2_LOW + 2.0 * s * z * p) + k * _LN2_HIGH
