"""Table tapers in the event loop: the times of the closed form, its inverse, and pieces that hold the energy of the whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleets.battery import Battery, charge_time_min, curve_of, soc_kernel
from fleets.depot_pool import simulate_depot
from fleets.errors import ChargingError
from fleets.taper import TableBattery
from fleets.vehicle_store import VehicleType

TABLE = ((0.3, 120.0), (0.6, 70.0), (0.8, 60.0), (0.95, 12.0))


def test_two_points_are_the_linear_taper():
    line, table = Battery(200.0, 100.0, 0.8, 10.0), TableBattery(200.0, ((0.8, 100.0), (1.0, 10.0)))
    for power in (40.0, 100.0, 150.0):
        assert table.minutes(0.1, 1.0, power) == pytest.approx(line.minutes(0.1, 1.0, power), rel=1e-12)
        assert table.soc_after(0.5, 47.0, power) == pytest.approx(line.soc_after(0.5, 47.0, power), rel=1e-12)
    assert (table.max_kw, table.taper_soc, table.end_kw) == (100.0, 0.8, 10.0)
    assert [table.accepted_kw(s) for s in (0.2, 0.8, 0.9, 1.0)] == pytest.approx(
        [line.accepted_kw(s) for s in (0.2, 0.8, 0.9, 1.0)]
    )


def test_one_row_is_constant_power():
    assert TableBattery(100.0, ((0.5, 50.0),)).minutes(0.0, 1.0, 80.0) == pytest.approx(120.0)


@given(
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
    st.floats(5.0, 200.0),
)
def test_times_are_those_of_the_table_and_invert(a, b, power):
    battery, (low, high) = TableBattery(150.0, TABLE), sorted((a, b))
    minutes = battery.minutes(low, high, power)
    assert minutes == pytest.approx(float(charge_time_min(150.0, low, high, power, table=TABLE)), rel=1e-9, abs=1e-9)
    assert battery.soc_after(low, minutes, power) == pytest.approx(high, abs=1e-9)


@given(st.floats(0.0, 0.9), st.floats(1.0, 300.0), st.floats(5.0, 200.0))
def test_pieces_hold_the_energy_of_the_stretch(soc, minutes, power):
    battery = TableBattery(150.0, TABLE)
    pieces = np.array(list(battery.stretches(100.0, 100.0 + minutes, soc, power)))
    begin, end, start, cap, top, taper, last = pieces.T
    gained = soc_kernel(curve_of(cap, power, top, taper, last), start, end - begin) - start
    assert gained.sum() == pytest.approx(battery.soc_after(soc, minutes, power) - soc, abs=1e-9)
    assert np.all(begin[1:] == end[:-1])
    assert begin[0] == 100.0
    assert end[-1] <= 100.0 + minutes + 1e-9


@pytest.mark.parametrize("feeder_kw", [None, 90.0])
def test_a_depot_charges_along_the_table(feeder_kw):
    """Alone at a plug the charge takes the time of the table; behind a feeder everything balances (checked in every run)."""
    battery = TableBattery(150.0, TABLE)
    blocks = {"start_min": [0, 0, 600, 600], "end_min": [60, 60, 660, 660], "kwh": [120, 90, 100, 100]}
    run = simulate_depot(blocks, vehicles={"vehicle": VehicleType(2, battery, 1.0)}, plugs=2, power_kw=100.0, feeder_kw=feeder_kw)
    assert run.value("missed") == 0.0
    first = run.sessions.sort("soc_start").row(0, named=True)
    alone = battery.minutes(first["soc_start"], 1.0, 100.0)
    took = first["end_min"] - first["start_min"]
    assert took == pytest.approx(alone) if feeder_kw is None else took > alone + 1.0
    assert run.load["kw"].sum() / 4.0 == pytest.approx(run.value("grid_kwh"), rel=1e-9)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ((), "rows"),
        (((0.5, 10.0), (0.5, 5.0)), "rise from 0 to 1"),
        (((0.5, 10.0), (1.2, 5.0)), "rise from 0 to 1"),
        (((0.5, 10.0), (0.8, 20.0)), "must not rise"),
        (((0.5, 10.0), (0.8, 0.0)), "positive"),
    ],
)
def test_tables_no_battery_has(table, words):
    with pytest.raises(ChargingError, match=words):
        TableBattery(100.0, table)


def test_a_battery_without_energy():
    with pytest.raises(ChargingError, match="capacity_kwh=0"):
        TableBattery(0.0, TABLE)
