"""The unit registry of the tables: known conversions, dimensions apart, no heavy import before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from transport.units import UnitError, conversion_factor, is_unit, parse_unit, same_dimension


@pytest.mark.parametrize(
    ("a", "b", "factor"),
    [
        ("kg", "t", 1e-3),
        ("kgCO2/kWh", "gCO2/kWh", 1e3),
        ("tCO2", "kgCO2", 1e3),
        ("tC", "tCO2", 44 / 12),
        ("wan_t/yr", "t/yr", 1e4),
        ("yi_tkm", "tkm", 1e8),
        ("kgce", "kWh", 29.3076 / 3.6),
        ("toe", "tce", 41.868 / 29.3076),
        ("percent", "dimensionless", 1e-2),
        ("CNY/kg", "CNY/t", 1e3),
        ("h", "min", 60.0),
        ("pkm/veh", "pax*km/veh", 1.0),
    ],
)
def test_known_factors(a: str, b: str, factor: float) -> None:
    assert conversion_factor(a, b) == pytest.approx(factor, rel=1e-6)
    assert conversion_factor(b, a) == pytest.approx(1 / factor, rel=1e-6)


@pytest.mark.parametrize(
    ("a", "b"), [("t", "tCO2"), ("t", "TEU"), ("tkm", "pkm"), ("CNY", "EUR"), ("kWh", "kW"), ("veh", "pax"), ("tce", "t")]
)
def test_dimensions_apart(a: str, b: str) -> None:
    assert not same_dimension(a, b)
    with pytest.raises(UnitError, match="different things"):
        conversion_factor(a, b)


def test_same_dimension() -> None:
    assert same_dimension("t", "kg")
    assert same_dimension("kWh/km", "MJ/km")


@pytest.mark.parametrize("unit", ["", "  ", "meterr", "座", "t//yr", "3 kg", "t/yr)"])
def test_unknown_units(unit: str) -> None:
    assert not is_unit(unit)
    with pytest.raises(UnitError):
        parse_unit(unit)


def test_parsed_units_are_kept() -> None:
    assert parse_unit("kgCO2/kWh") is parse_unit("kgCO2/kWh")


def test_import_is_light() -> None:
    code = "import sys, transport.units, transport.inputs; print('pint' in sys.modules, 'pandera' in sys.modules, 'scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    assert done.stdout.split() == ["False", "False", "False"]
