"""Energy per passenger-km against the rows it is made of, and against the whole of the energy."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.transport.fleet import INPUTS, made_up, read_rows, use
from transport.accounts import carbon_factors
from transport.layout import YEARS
from transport.params import Params
from transport.passenger_energy import service_energy
from transport.power import grid_factor
from transport.vehicles import VehicleOutcome, model_vehicles

PARAMS = Params.from_frame(read_rows("*.csv"))
GRID = grid_factor(PARAMS)
FACTORS = carbon_factors(PARAMS, GRID)


@pytest.fixture(scope="module")
def found() -> VehicleOutcome:
    return model_vehicles(INPUTS, PARAMS, made_up())


@pytest.fixture(scope="module")
def pkm() -> dict[str, np.ndarray]:
    activity = made_up()
    return {**activity.passenger_pkm, "private_car": activity.private_car_pkm}


@pytest.fixture(scope="module")
def table(found: VehicleOutcome, pkm: dict[str, np.ndarray]) -> pl.DataFrame:
    return service_energy(found.work, pkm, PARAMS, FACTORS)


def at(table: pl.DataFrame, service: str, year: int, column: str) -> float:
    return float(table.filter(pl.col("service") == service, pl.col("year") == year)[column][0])


def test_high_speed_and_air_by_hand(table: pl.DataFrame) -> None:
    # 0.038 kWh per seat-km at a load of 0.47 in 2020; power at its heat value of 0.1229 kgce/kWh
    kwh = 0.038 / 0.47
    assert at(table, "high_speed", 2020, "mj_per_pkm") == pytest.approx(kwh * 0.1229 * 29.3076)
    assert at(table, "high_speed", 2020, "direct_g_per_pkm") == 0.0
    assert at(table, "high_speed", 2020, "direct_power_g_per_pkm") == pytest.approx(kwh * GRID[0, 5] * 1000)
    # 0.288 kg per total tonne-km, 0.09 t per passenger, at the reference load of 0.83 of 2024
    assert at(table, "air", 2024, "direct_g_per_pkm") == pytest.approx(0.288 * 0.09 * 3.033 * 1000, rel=1e-6)


def test_services_times_turnover_give_back_the_energy_of_the_vehicles(found: VehicleOutcome, table: pl.DataFrame) -> None:
    for service, name, carrier, per_unit in (
        ("high_speed", "high_speed_train", "electricity", 0.1229),
        ("air", "aircraft", "kerosene", 1471.4),
    ):
        rows = table.filter(pl.col("service") == service).sort("year")
        kgce = (rows["mj_per_pkm"] * rows["pkm"]).to_numpy() / 29.3076
        used = use(found, [name], carrier) * per_unit
        assert (kgce <= used * (1 + 1e-9)).all()
        if service == "high_speed":
            np.testing.assert_allclose(kgce, used)


def test_scopes_rise_and_loads_count(table: pl.DataFrame) -> None:
    assert table.columns[:4] == ["year", "service", "pkm", "mj_per_pkm"]
    assert table.height == 6 * len(YEARS)
    assert (table["direct_g_per_pkm"] <= table["direct_power_g_per_pkm"]).all()
    assert (table["direct_power_g_per_pkm"] <= table["wtw_g_per_pkm"]).all()
    for service in ("conventional", "high_speed", "coach", "ro_pax", "air"):
        # emptier trains, coaches, ships and aircraft in 2020 than in 2019
        assert at(table, service, 2020, "mj_per_pkm") > at(table, service, 2019, "mj_per_pkm"), service
    assert at(table, "high_speed", 2019, "mj_per_pkm") < at(table, "private_car", 2019, "mj_per_pkm")


def test_a_service_without_passengers_has_no_value(found: VehicleOutcome, pkm: dict[str, np.ndarray]) -> None:
    nobody = service_energy(found.work, {"coach": np.zeros_like(pkm["coach"])}, PARAMS, FACTORS)
    assert nobody["mj_per_pkm"].is_nan().all()
