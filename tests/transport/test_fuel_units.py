"""Fuel in every unit: conversions with known answers, and sums that keep every litre and kilowatt-hour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from transport import accounts, fuel_units, units
from transport.layout import CARRIER_UNITS, YEARS, EnergyKey, EnergyUse

if TYPE_CHECKING:
    from transport.inputs import Inputs

N = len(YEARS)


def energy(*rows: tuple[str, str, float]) -> EnergyUse:
    keys = tuple(EnergyKey(name, "any", carrier) for name, carrier, _ in rows)
    return EnergyUse(keys, np.stack([np.full((1, N), q) for _, _, q in rows]))


def one(inputs: Inputs, carrier: str, amount: float) -> dict[str, Any]:
    table = fuel_units.fuel_sectors(inputs, inputs.params(), energy(("taxi", carrier, amount)))
    return table.filter(pl.col("year") == 2019).row(0, named=True)


# --- known answers ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("carrier", "amount", "tj", "tce"),
    [
        ("diesel", 1e4, 426.52, 14_571.0),  # 10^4 t x 42.652 MJ/kg; x 1.4571 kgce/kg
        ("gasoline", 1e4, 430.70, 14_714.0),
        ("kerosene", 1e4, 430.70, 14_714.0),
        ("fuel_oil", 1e4, 418.16, 14_286.0),
        ("lpg", 1e4, 501.79, 17_143.0),
        ("lng", 1e4, 514.98, 17_572.0),
        ("natural_gas", 1e8, 3893.1, 133_000.0),  # 10^8 m3 x 38.931 MJ/m3; x 1.33 kgce/m3
        ("electricity", 1e8, 360.0, 12_290.0),  # 10^8 kWh x 3.6 MJ; x 0.1229 kgce
        ("hydrogen", 1e3, 120.0, 4_094.5),
    ],
)
def test_one_statistical_unit_of_each_carrier(inputs: Inputs, carrier: str, amount: float, tj: float, tce: float) -> None:
    found = one(inputs, carrier, amount)
    assert found["tj"] == pytest.approx(tj, rel=1e-9)
    assert found["tce"] == pytest.approx(tce, rel=1e-9)


def test_transport_fuel_of_2019_in_coal_and_heat(inputs: Inputs) -> None:
    """690.69 x 10^4 t of diesel are 294,593 TJ and 10.064 Mtce; 7.16 x 10^8 m3 of gas 27,875 TJ and 0.952 Mtce."""
    diesel, gas = one(inputs, "diesel", 690.69e4), one(inputs, "natural_gas", 7.16e8)
    assert (diesel["tj"], diesel["tce"]) == (pytest.approx(294_593.1, rel=1e-6), pytest.approx(10_064_044, rel=1e-6))
    assert (gas["tj"], gas["tce"]) == (pytest.approx(27_874.6, rel=1e-6), pytest.approx(952_280, rel=1e-9))


@pytest.mark.parametrize("carrier", sorted(CARRIER_UNITS))
def test_heat_and_coal_equivalent_agree(inputs: Inputs, carrier: str) -> None:
    """29.3076 GJ per tce: two published sets of coefficients, met within 0.5 %."""
    found = one(inputs, carrier, 1e6)
    assert found["tj"] * 1e3 / found["tce"] == pytest.approx(29.3076, rel=5e-3)


@pytest.mark.parametrize(
    ("amount", "start", "end", "wanted"),
    [
        (1.0, "tce", "GJ", 29.3076),
        (1.0, "tce", "MWh", 29.3076 / 3.6),
        (1.0, "kWh", "MJ", 3.6),
        (1.0, "kWh", "kgce", 0.12283503),
        (1.0, "TJ", "tce", 34.120842),
        (1.0, "yi_kWh", "GWh", 100.0),
        (1.0, "wan_t", "kg", 1e7),
        (1.0, "yi_m3", "m3", 1e8),
        (1.0, "wan_tce", "TJ", 293.076),
    ],
)
def test_units_of_the_tables(amount: float, start: str, end: str, wanted: float) -> None:
    assert amount * units.conversion_factor(start, end) == pytest.approx(wanted, rel=1e-7)


def test_tonnes_and_cubic_metres_are_not_mixed() -> None:
    with pytest.raises(units.UnitError, match="different things"):
        units.conversion_factor("t", "m3")
    with pytest.raises(units.UnitError, match="different things"):
        units.conversion_factor("tce", "tCO2")


def test_each_carrier_stands_in_its_own_columns(inputs: Inputs) -> None:
    lng, gas, power = one(inputs, "lng", 10.0), one(inputs, "natural_gas", 10.0), one(inputs, "electricity", 10.0)
    assert (lng["t"], lng["m3"], lng["kwh"]) == (10.0, pytest.approx(14_000.0), None)
    assert (gas["t"], gas["m3"], gas["kwh"]) == (None, 10.0, None)
    assert (power["t"], power["m3"], power["kwh"]) == (None, None, 10.0)


# --- conservation ------------------------------------------------------------------------------------------------------------------------


def test_sectors_hold_every_litre_once(inputs: Inputs) -> None:
    rng = np.random.default_rng(7)
    classes = [*inputs.table("fleets/classes")["vehicle_class"], "aircraft_apu", "ship_at_berth"]
    carriers = sorted(CARRIER_UNITS)
    rows = [(str(c), carriers[i % len(carriers)], float(rng.uniform(0, 1e6))) for i, c in enumerate(classes)]
    used = energy(*rows)
    table = fuel_units.fuel_sectors(inputs, inputs.params(), used).filter(pl.col("year") == 2030)
    for carrier in carriers:
        total = sum(q for _, c, q in rows if c == carrier)
        assert table.filter(pl.col("carrier") == carrier)["quantity"].sum() == pytest.approx(total, rel=1e-12)
    assert float(table["tce"].sum()) * 1e3 == pytest.approx(
        accounts.coal_equivalent(used, inputs.params())[:, 0, 15].sum(), rel=1e-12
    )
    assert set(table["nbs_sector"]) <= set(inputs.table("codes").filter(pl.col("list") == "nbs_sector")["code"])
