"""Ground power, shore power, peak response and paving: by hand, limits, and what moves them."""

import math

import numpy as np
import polars as pl
import pytest
from scipy.integrate import quad
from scipy.stats import lognorm

from transport.infrastructure import model_infrastructure, paving_co2, peak_response_share, stays_above, turnaround_energy
from transport.inputs import data_folder
from transport.layout import YEARS, year_index
from transport.params import Params


@pytest.fixture(scope="module")
def rows():
    folder = data_folder() / "parameters"
    frames = [
        pl.read_csv(folder / f"{name}.csv", infer_schema=False)
        for name in ("airports", "shore_power", "charging_response", "paving")
    ]
    return pl.concat(frames).with_columns(
        pl.col("year").cast(pl.Int64, strict=False), *[pl.col(c).cast(pl.Float64) for c in ("value", "low", "high")]
    )


@pytest.fixture(scope="module")
def params(rows):
    return Params.from_frame(rows)


def outcome(params):
    return model_infrastructure(None, params)  # the tables are not read


def full(params, parameter, subject, value):
    return params.replace(parameter, subject, np.full((params.draws, len(YEARS)), value))


def test_shares_lie_between_0_and_1_in_every_draw(rows):
    result = outcome(Params.from_frame(rows, draws=200, seed=3))
    for name in ("bridge_power_share", "shore_power_calls_share", "shore_power_energy_share", "charging_peak_response_share"):
        share = getattr(result, name)
        assert share.shape == (200, len(YEARS))
        assert share.min() >= 0.0
        assert share.max() <= 1.0
        # the rows have ranges: draws differ
        assert share[:, year_index(2030)].std() > 0.005
    assert result.checks["passed"].all()
    assert (result.infrastructure_co2 > 0).all()


def test_energy_keys_and_units(params):
    energy = outcome(params).energy
    assert [(k.vehicle_class, k.powertrain, k.carrier) for k in energy.keys] == [
        ("aircraft_apu", "turbine", "kerosene"),
        ("aircraft_apu", "ground_power", "electricity"),
        ("ship_at_berth", "marine_diesel", "diesel"),
        ("ship_at_berth", "shore_power", "electricity"),
    ]
    # kerosene in t: some thousand tonnes, not million
    assert 1e3 < energy.quantity[0, 0, year_index(2019)] < 3e4


def test_one_airport_by_hand(params):
    for airport in params.subjects("airport_movements"):
        params = full(params, "airport_movements", airport, 20_000.0 if airport == "A_SHE" else 0.0)
    for parameter, subject, value in [
        ("contact_stand_share", "A_SHE", 0.8),
        ("wide_body_share", "A_SHE", 0.0),
        ("bridge_power_use", "contact_stand", 0.9),
        ("bridge_power_use", "remote_stand", 0.25),
        ("turnaround_time", "narrow_body", 60.0),
        ("turbine_time_share", "all", 0.8),
        ("turbine_connect_time", "all", 6.0),
        ("turbine_fuel_flow", "narrow_body", 100.0),
        ("ground_power_load", "narrow_body", 90.0),
        ("ground_power_converter", "all", 0.9),
    ]:
        params = full(params, parameter, subject, value)
    _, share, turbine_t, ground_kwh = turnaround_energy(params)
    # 10,000 turnarounds, u = 0.8 x 0.9 + 0.2 x 0.25 = 0.77
    assert share[0, 5] == pytest.approx(0.77)
    # turbine: 0.23 x 0.8 h + 0.77 x 0.1 h = 0.261 h at 0.1 t/h; ground: 0.77 x 0.9 h x 90 kW / 0.9
    assert turbine_t[0, 5] == pytest.approx(10_000 * 0.261 * 0.1)
    assert ground_kwh[0, 5] == pytest.approx(10_000 * 0.77 * 0.9 * 90 / 0.9)


def test_bridge_power_weighs_airports_by_movements(params):
    result = outcome(params)
    year = result.airports.filter(pl.col("year") == 2030)
    weighted = (year["movements"] * year["bridge_power_share"]).sum() / year["movements"].sum()
    assert result.bridge_power_share[0, year_index(2030)] == pytest.approx(weighted)
    more = outcome(full(params, "bridge_power_use", "contact_stand", 1.0))
    assert (more.bridge_power_share >= result.bridge_power_share).all()
    # more ground power, less kerosene
    assert (more.energy.quantity[0] < result.energy.quantity[0]).all()
    assert (more.energy.quantity[1] > result.energy.quantity[1]).all()


def test_lognormal_stays_against_numerical_integration():
    mean, cv, threshold = 4.5, 0.45, 3.0
    s = math.sqrt(math.log1p(cv**2))
    law = lognorm(s, scale=mean * math.exp(-(s**2) / 2))
    share, hours = stays_above(np.array([mean]), np.array([cv]), np.array([threshold]))
    assert law.mean() == pytest.approx(mean)
    assert share[0] == pytest.approx(law.sf(threshold), rel=1e-9)
    assert hours[0] == pytest.approx(quad(lambda x: x * law.pdf(x), threshold, 200)[0], rel=1e-6)


def test_berth_energy_balances_and_follows_use(params):
    full_use = params
    for parameter, value in [
        ("shore_power_compliance", 1.0),
        ("shore_power_availability", 1.0),
        ("shore_power_ships", 1.0),
        ("shore_power_berths", 1.0),
    ]:
        full_use = full(full_use, parameter, "ro_pax", value)
    result = outcome(full_use)
    assert result.shore_power_calls_share[0] == pytest.approx(np.ones(len(YEARS)))
    # short stays and connecting time stay on engines even then
    assert 0.6 < result.shore_power_energy_share[0, 10] < 1.0
    none = outcome(full(params, "shore_power_compliance", "ro_pax", 0.0))
    assert none.shore_power_energy_share.max() == 0.0
    assert none.energy.quantity[3].max() == 0.0
    for run in (result, none, outcome(params)):
        need = run.berths.group_by("year").agg(pl.col("berth_kwh").sum()).sort("year")["berth_kwh"].to_numpy()
        on_board = run.energy.quantity[3, 0] * params.get("shore_power_efficiency", "ro_pax")[0]
        engine = run.energy.quantity[2, 0] * 1e6 / params.get("auxiliary_engine_fuel", "marine_diesel")[0]
        assert on_board + engine == pytest.approx(need)


def test_the_calls_share_is_compliance_times_availability(params):
    result = outcome(full(params, "shore_power_compliance", "ro_pax", 0.95))
    expected = 0.95 * params.get("shore_power_availability", "ro_pax")[0, 10]
    assert result.shore_power_calls_share[0, 10] == pytest.approx(expected)


def test_peak_response_by_hand(params):
    values = {
        "bus_depot": (2.0, 0.5, 0.8),
        "private_pile": (6.0, 0.25, 0.4),
        "taxi_station": (2.0, 0.0, 0.9),
        "swap_store": (0.0, 1.0, 1.0),
        "truck_depot": (0.0, 1.0, 1.0),
    }
    for segment, (mix, managed, depth) in values.items():
        params = full(params, "charging_peak_mix", segment, mix)
        params = full(params, "managed_charging_share", segment, managed)
        params = full(params, "charging_response_depth", segment, depth)
    # (2 x 0.4 + 6 x 0.1) / 10
    assert peak_response_share(params)[0, 3] == pytest.approx(0.14)
    # a lever may push a share beyond 1: it is cut there
    assert peak_response_share(full(params, "managed_charging_share", "bus_depot", 1.7))[0, 3] == pytest.approx((1.6 + 0.6) / 10)


def test_paving_by_hand_and_recycling(params):
    for road in params.subjects("road_length"):
        params = full(params, "road_length", road, 1000.0 if road == "expressway" else 0.0)
    for parameter, subject, value in [
        ("paved_width", "expressway", 20.0),
        ("asphalt_share", "expressway", 1.0),
        ("resurfacing_depth", "expressway", 0.1),
        ("resurfacing_interval", "expressway", 10.0),
        ("asphalt_density", "all", 2.5),
        ("asphalt_co2", "virgin", 50.0),
        ("recycled_paving_share", "all", 0.5),
        ("recycled_co2_saving", "all", 0.4),
    ]:
        params = full(params, parameter, subject, value)
    # 1,000 km x 20 m x 0.1 m / 10 yr x 2.5 t/m3 = 500,000 t/yr; x 0.05 t x (1 - 0.5 x 0.4)
    assert paving_co2(params)[0] == pytest.approx(np.full(len(YEARS), 500_000 * 0.05 * 0.8))
    none = paving_co2(full(params, "recycled_paving_share", "all", 0.0))
    assert none[0, 0] == pytest.approx(25_000.0)


def test_new_roads_add_to_upkeep(params):
    still = params
    for road in params.subjects("road_length"):
        still = still.replace("road_length", road, np.repeat(params.get("road_length", road)[:, :1], len(YEARS), axis=1))
    assert (paving_co2(params)[0, 1:] > paving_co2(still)[0, 1:]).all()
