"""Units of the tables: one pint registry with the additions of ``data/units.txt``, loaded when first asked for.

Importing pint and building the registry takes about 0.6 s, so nothing here runs on import and a plain run never needs it.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pint


class UnitError(ValueError):
    """Exception for a unit string that the registry cannot read or a conversion between different dimensions."""


@cache
def registry() -> pint.UnitRegistry[float]:
    """Return the registry: pint's own units and those of ``data/units.txt``."""
    import pint

    from transport.inputs import data_folder

    made: pint.UnitRegistry[float] = pint.UnitRegistry()
    made.load_definitions(str(data_folder() / "units.txt"))
    return made


@cache
def parse_unit(unit: str) -> pint.Unit:
    """Return a unit of the tables.

    Parameters
    ----------
    unit
        ASCII unit string, for example ``kgCO2/kWh``, ``t/yr``, ``percent`` or ``dimensionless``.

    Raises
    ------
    UnitError
        If the string is empty, holds a number or names a unit the registry does not know.
    """
    text = unit.strip()
    if not text:
        msg = "empty unit; write dimensionless"
        raise UnitError(msg)
    if "//" in text:
        msg = f"unknown unit {unit!r}: two strokes"
        raise UnitError(msg)
    try:
        return registry().parse_units(text)
    except Exception as problem:  # pint raises errors of many kinds: undefined unit, syntax, number, tokenizer
        msg = f"unknown unit {unit!r}: {problem}"
        raise UnitError(msg) from problem


def is_unit(unit: str) -> bool:
    """Return whether a unit string can be read."""
    try:
        parse_unit(unit)
    except UnitError:
        return False
    return True


def same_dimension(a: str, b: str) -> bool:
    """Return whether two units measure the same thing (t and kg do, t and tCO2 do not).

    Raises
    ------
    UnitError
        If one of them cannot be read.
    """
    return bool(parse_unit(a).dimensionality == parse_unit(b).dimensionality)


@cache
def conversion_factor(a: str, b: str) -> float:
    """Return the factor that turns a number in unit ``a`` into unit ``b``.

    Raises
    ------
    UnitError
        If one of them cannot be read or they measure different things.
    """
    if not same_dimension(a, b):
        msg = f"{a!r} and {b!r} measure different things"
        raise UnitError(msg)
    return float(registry().Quantity(1.0, parse_unit(a)).to(parse_unit(b)).magnitude)
