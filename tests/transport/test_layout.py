"""The common layout: years, energy keys counted once, turnover."""

from __future__ import annotations

import numpy as np
import pytest

from transport.layout import (
    BASE_YEAR,
    CARRIER_UNITS,
    FIRST_YEAR,
    LAST_YEAR,
    YEARS,
    EnergyKey,
    EnergyUse,
    Turnover,
    TurnoverKey,
    year_index,
)

CAR = EnergyKey("private_car", "gasoline", "gasoline")
BUS = EnergyKey("urban_bus", "battery_electric", "electricity", "210100")


def use(keys: tuple[EnergyKey, ...], value: float = 1.0, draws: int = 2) -> EnergyUse:
    return EnergyUse(keys, np.full((len(keys), draws, len(YEARS)), value))


def test_years() -> None:
    assert (YEARS[0], YEARS[-1], len(YEARS)) == (2015, 2035, 21)
    assert [year_index(year) for year in (FIRST_YEAR, BASE_YEAR, LAST_YEAR)] == [0, 5, 20]


@pytest.mark.parametrize("year", [2014, 2036, 0])
def test_years_outside(year: int) -> None:
    with pytest.raises(ValueError, match=f"year {year} is outside 2015-2035"):
        year_index(year)


def test_energy_key_counts_once() -> None:
    with pytest.raises(ValueError, match="counted twice"):
        use((CAR, BUS, CAR))


def test_energy_needs_a_row_per_key() -> None:
    with pytest.raises(ValueError, match="2 energy keys but 1 rows"):
        EnergyUse((CAR, BUS), np.ones((1, 1, len(YEARS))))


@pytest.mark.parametrize("bad", [-1.0, float("nan")])
def test_negative_or_missing_energy_names_its_key(bad: float) -> None:
    quantity = np.ones((2, 1, len(YEARS)))
    quantity[1, 0, 3] = bad
    with pytest.raises(ValueError, match=r"negative or missing energy: .*urban_bus"):
        EnergyUse((CAR, BUS), quantity)


def test_endless_energy_is_refused() -> None:
    with pytest.raises(ValueError, match="negative or missing energy"):
        use((CAR,), float("inf"))


def test_concat_joins_and_refuses_a_key_in_two_parts() -> None:
    joined = EnergyUse.concat([use((CAR,), 2.0), use((BUS,), 3.0)])
    assert joined.keys == (CAR, BUS)
    assert joined.quantity.sum(axis=(1, 2)).tolist() == [2.0 * 42, 3.0 * 42]
    with pytest.raises(ValueError, match="counted twice"):
        EnergyUse.concat([use((CAR,)), use((CAR,))])


def test_energy_table_has_the_carriers_own_unit_and_loses_nothing() -> None:
    quantity = np.arange(2 * 2 * len(YEARS), dtype=np.float64).reshape(2, 2, len(YEARS))
    frame = EnergyUse((BUS, CAR), quantity).frame(draw=1)
    assert frame.columns == ["year", "vehicle_class", "powertrain", "carrier", "place", "quantity", "unit"]
    assert frame.height == 2 * len(YEARS)
    assert frame["quantity"].sum() == quantity[:, 1].sum()
    assert frame.row(0) == (2015, "private_car", "gasoline", "gasoline", "210000", float(quantity[1, 1, 0]), "t")
    assert frame.row(1) == (2015, "urban_bus", "battery_electric", "electricity", "210100", float(quantity[0, 1, 0]), "kWh")
    assert set(frame["unit"]) <= set(CARRIER_UNITS.values())


def test_turnover_keeps_its_arrays() -> None:
    tkm = np.ones((1, 1, len(YEARS)))
    turnover = Turnover((TurnoverKey("rail", "freight"),), tkm, np.zeros_like(tkm))
    assert turnover.keys[0].mode == "rail"
    assert turnover.tkm is tkm
