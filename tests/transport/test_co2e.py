"""CO2 equivalent: one tonne of each fuel by hand, what may never move the headline, and errors that name the gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transport import accounts, co2e
from transport.layout import SCOPES, YEARS, EnergyKey, EnergyUse
from transport.params import ParameterError

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.params import Params

N = len(YEARS)
AT = {part: i for i, part in enumerate(co2e.PARTS)}


def found(inputs: Inputs, params: Params, *rows: tuple[str, str, float], grid: float = 0.5) -> tuple[EnergyUse, co2e.Equivalent]:
    keys = tuple(EnergyKey(name, "any", carrier) for name, carrier, _ in rows)
    energy = EnergyUse(keys, np.stack([np.full((1, N), q) for _, _, q in rows]))
    co2_t = accounts.account(energy, accounts.carbon_factors(params, np.full((1, N), grid)))
    return energy, co2e.gases(energy, co2_t, params, co2e.modes(inputs))


def part(result: co2e.Equivalent, stage: str, gas: str) -> float:
    return float(result.co2e_t[AT[stage, gas], 0, 0, 0])


# --- known answers ---------------------------------------------------------------------------------------------------------------------


def test_a_thousand_tonnes_of_truck_diesel_by_hand(inputs: Inputs) -> None:
    """42.652 TJ: 3.9 kg CH4 and 3.9 kg N2O per TJ; 2 kg CH4 per t in supply; AR6 potentials 27, 273 and 29.8."""
    _, result = found(inputs, inputs.params(), ("tractor_trailer", "diesel", 1000.0))
    assert part(result, "operation", "co2") == pytest.approx(3096.0)
    assert part(result, "operation", "ch4") == pytest.approx(42.652 * 3.9 / 1000 * 27)
    assert part(result, "operation", "n2o") == pytest.approx(42.652 * 3.9 / 1000 * 273)
    assert part(result, "operation", "ch4_slip") == 0
    assert part(result, "provision", "co2") == pytest.approx(0.2 * 3096.0)
    assert part(result, "provision", "ch4") == pytest.approx(1000 * 0.002 * 29.8)


def test_slip_of_a_ship_on_lng_by_hand(inputs: Inputs) -> None:
    """3.1 % of the methane in 1,000 t leaves unburnt: 29.45 t, or 795 t CO2e at 27, for its carbon is in the combustion CO2 already."""
    _, result = found(inputs, inputs.params(), ("ro_pax_ship", "lng", 1000.0))
    assert part(result, "operation", "ch4_slip") == pytest.approx(1000 * 0.95 * 0.031 * 27) == pytest.approx(795.15)
    assert part(result, "operation", "ch4") == 0
    assert part(result, "provision", "ch4") == pytest.approx(1000 * 0.95 * 0.015 * 29.8)


def test_power_of_a_train_by_hand(inputs: Inputs) -> None:
    """1 GWh at 0.5 kg/kWh: 500 t, 6 % upstream, 2.5 g of mine methane per kg of CO2."""
    _, result = found(inputs, inputs.params(), ("locomotive_freight", "electricity", 1e6))
    assert part(result, "operation", "co2") == 0
    assert part(result, "operation", "n2o") == 0
    assert part(result, "provision", "co2") == pytest.approx(500 * 1.06)
    assert part(result, "provision", "ch4") == pytest.approx(500 * 0.0025 * 29.8)


def test_methane_behind_hydrogen_follows_the_carbon_of_its_supply(inputs: Inputs) -> None:
    _, result = found(inputs, inputs.params(), ("coach", "hydrogen", 10.0))
    carbon = part(result, "provision", "co2")
    assert carbon > 10.0
    assert part(result, "provision", "ch4") == pytest.approx(carbon * 0.003 * 29.8)
    assert part(result, "operation", "n2o") == 0


def test_gas_of_a_taxi_by_hand(inputs: Inputs) -> None:
    _, result = found(inputs, inputs.params(), ("taxi", "natural_gas", 1e6))
    assert part(result, "operation", "ch4_slip") == pytest.approx(1e6 * 0.64 / 1000 * 0.005 * 27)
    assert part(result, "operation", "n2o") == pytest.approx(38.931 * 3 / 1000 * 273)


# --- properties ---------------------------------------------------------------------------------------------------------------------------


def test_never_below_well_to_wheel_and_linear(inputs: Inputs) -> None:
    """The equivalent is the CO2 of the scope wtw and something more; twice the fuel makes twice of everything."""
    params = inputs.params()

    @settings(max_examples=15)
    @given(st.floats(0.0, 1e7), st.floats(0.0, 1e10), st.floats(0.1, 1.0))
    def holds(tonnes: float, kwh: float, grid: float) -> None:
        rows = (("tractor_trailer", "diesel", tonnes), ("high_speed_train", "electricity", kwh))
        energy, result = found(inputs, params, *rows, grid=grid)
        wtw = accounts.account(energy, accounts.carbon_factors(params, np.full((1, N), grid)))[SCOPES.index("wtw")]
        carbon = result.co2e_t[[AT["operation", "co2"], AT["provision", "co2"]]].sum(axis=0)
        np.testing.assert_allclose(carbon, wtw, rtol=1e-12, atol=1e-9)
        assert (result.co2e_t.sum(axis=0) >= wtw * (1 - 1e-12) - 1e-9).all()
        _, double = found(inputs, params, *((c, k, 2 * q) for c, k, q in rows), grid=grid)
        np.testing.assert_allclose(double.co2e_t, 2 * result.co2e_t, rtol=1e-12, atol=1e-9)

    holds()


def test_the_scope_is_none_of_the_readings(inputs: Inputs) -> None:
    assert co2e.CO2E_SCOPE not in SCOPES
    codes = inputs.table("codes")
    assert co2e.CO2E_SCOPE in codes.filter(pl.col("list") == "scope_optional")["code"].to_list()
    assert co2e.CO2E_SCOPE not in codes.filter(pl.col("list") == "scope")["code"].to_list()
    words = codes.filter(pl.col("code") == co2e.CO2E_SCOPE)["note"][0]
    assert "vehicles and infrastructure are not included" in words


def test_readings_by_hand(inputs: Inputs) -> None:
    """Twice the equivalent per converted tonne-km in the base year of normal loads: -50 %."""
    params = inputs.params()
    now = found(inputs, params, ("tractor_trailer", "diesel", 1000.0))
    before = found(inputs, params, ("tractor_trailer", "diesel", 2000.0))
    zero = np.zeros((len(SCOPES), 1, N))
    book = accounts.Ledger({"road": zero}, {"road": np.full((1, N), 1e8)})
    table = co2e.co2e_readings(now, before, (book, book), {"tractor_trailer": "road"}, {"road": ["road"]})
    normal = table.filter(pl.col("base") == "2020_normal", pl.col("year") == 2030).row(0, named=True)
    assert normal["change_pct"] == pytest.approx(-50.0)
    assert normal["g_per_tkm"] == pytest.approx(now[1].co2e_t.sum(axis=0)[0, 0, 0] * 1e6 / 1e8)
    assert set(table["scope"]) == {"wtw_co2e"}


def test_frame_sums_what_was_found(inputs: Inputs) -> None:
    energy, result = found(inputs, inputs.params(), ("taxi", "natural_gas", 1e6), ("tractor_trailer", "diesel", 10.0))
    table = co2e.co2e_frame(energy, result).filter(pl.col("year") == 2020)
    assert table["t_co2e"].sum() == pytest.approx(result.co2e_t[:, :, 0, 5].sum(), rel=1e-12)
    assert set(table["stage"]) == {"operation", "provision"}


# --- bad input ------------------------------------------------------------------------------------------------------------------------


def test_a_fuel_without_a_factor_is_named(inputs: Inputs) -> None:
    with pytest.raises(ParameterError, match=r"n2o_factor has no subject 'rail:gasoline'"):
        found(inputs, inputs.params(), ("locomotive_freight", "gasoline", 1.0))


def test_every_pair_of_the_fleet_has_its_factors(inputs: Inputs) -> None:
    """Whatever a class of a mode can burn has a factor, also where the baseline burns none of it yet."""
    params = inputs.params()
    of_train = {
        "diesel": "diesel",
        "gasoline": "gasoline",
        "lng": "lng",
        "cng": "natural_gas",
        "methanol_ship": "methanol",
        "lng_ship": "lng",
    }
    of_train |= {
        "lpg": "lpg",
        "heavy_fuel_oil": "fuel_oil",
        "marine_diesel": "diesel",
        "turbine": "kerosene",
        "diesel_traction": "diesel",
    }
    modes = co2e.modes(inputs)
    parents = dict(inputs.table("fleets/classes").select("vehicle_class", "parent").iter_rows())
    pairs = {(row["vehicle_class"], row["powertrain"]) for row in inputs.table("fleets/powertrains").iter_rows(named=True)}
    wanted = {
        (name, of_train[train]) for name, own in parents.items() for c, train in pairs if c in {name, own} and train in of_train
    }
    assert len(wanted) > 20
    for name, carrier in sorted(wanted):
        found(inputs, params, (name, carrier, 1.0))
        assert modes[name]
