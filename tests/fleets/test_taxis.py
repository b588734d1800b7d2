"""Taxis: distance on the activity curve, conservation, waits fall with plugs, swap stock, nobody lost."""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from fleets.battery import Battery
from fleets.errors import ChargingError
from fleets.station import Plugs
from fleets.taxis import SwapStation, Taxis, simulate_taxis, weekly_distance

SEEDS = [np.random.SeedSequence(11, spawn_key=(r,)) for r in range(2)]
PROFILE = np.array([4, 3, 2, 1.5, 1, 1, 2, 3, 5, 5, 5.5, 5, 4.7, 4.8, 5.7, 5.7, 4.8, 4.9, 4, 5.3, 5.8, 5.6, 5.9, 4.8])

STORE = (SwapStation(1, 8, 3.0, 40.0, 0.9),)


def city(count=60, **more):
    rules = {
        "battery": Battery(50.0, 60.0, 0.8, 6.0),
        "double_shift_share": 0.5,
        "km_per_day": (400.0, 260.0),
        "energy_cv": 0.1,
        "charge_soc": 0.25,
        "block_cv": 0.25,
        "target_soc": 0.95,
        "reserve_soc": 0.08,
        "swap_share": 0.3,
        "access_min": 8.0,
        "looked_up": 2,
    }
    return Taxis(count=count, **(rules | more))


def run(taxis, plugs=6, n_station=2, seeds=SEEDS, stations=None, swaps=STORE, **more):
    given = {"hourly_share": PROFILE, "single_shift_hours": (6, 22), "day_factor": [1.0] * 8, "kwh_per_km": [0.16] * 8}
    sites = [Plugs(plugs, 60.0, 0.9)] * n_station if stations is None else stations
    return simulate_taxis(taxis, stations=sites, swap_stations=swaps, seeds=seeds, **(given | more))


def test_weekly_distance_is_the_day_factor():
    minutes, distance = weekly_distance(PROFILE, [1.0, 0.5, 2.0])
    assert minutes[0] == -1440
    assert distance[[24, 48, 72]].tolist() == pytest.approx([1.0, 1.5, 3.5])


def test_conservation_determinism_and_records():
    first, again = (run(city()) for _ in range(2))
    assert first.checks["passed"].all()
    for name in ("summary", "sessions", "blocks"):
        assert_frame_equal(getattr(first, name), getattr(again, name), check_exact=True)
    # energy of the records: what plugs and stores sold lies on the load curve, up to what was sold before Monday
    sold = first.load_kw.sum(axis=1) / 4.0
    assert sold.mean() == pytest.approx(first.value("grid_kwh"))
    # kWh per km is the given one (its spread has mean 1)
    assert first.value("energy_kwh_per_km") == pytest.approx(0.16, rel=0.02)
    # in the long run what is bought is what is driven over the efficiency
    assert first.value("grid_kwh") * 0.9 == pytest.approx(first.value("km") * 0.16, rel=0.05)


def test_distance_is_the_daily_distance_less_the_time_at_stations():
    result = run(city(swap_share=0.0, double_shift_share=1.0), plugs=40, swaps=())
    wanted = 60 * 7 * 400.0
    assert result.value("km") < wanted
    assert result.value("km") / wanted == pytest.approx(1.0 - result.value("lost_km_share"), rel=1e-6)
    assert result.value("lost_km_share") < 0.12


def test_more_plugs_wait_less():
    few, many = (run(city(swap_share=0.0), plugs=p, swaps=()) for p in (2, 8))
    assert many.value("wait_mean_min") < few.value("wait_mean_min")
    assert many.value("lost_km_share") < few.value("lost_km_share")
    assert few.value("plug_utilisation") > many.value("plug_utilisation")


def test_a_poor_swap_stock_makes_taxis_wait_and_keeps_them():
    taxis = city(swap_share=1.0)
    rich, poor = (run(taxis, stations=[], swaps=[SwapStation(1, n, 3.0, 20.0, 0.9)]) for n in (20, 3))
    assert rich.value("wait_mean_min") < poor.value("wait_mean_min")
    assert poor.value("waiting_at_end") > 0
    assert poor.checks["passed"].all()
    assert rich.value("swap_share_of_charges") == 1.0
    # without a queue a swap takes the swap time
    visits = rich.sessions.filter((pl.col("state") == "swapped") & (pl.col("wait_min") == 0.0))
    assert (visits["end_min"] - visits["start_min"]).to_list() == pytest.approx([3.0] * visits.height)


def test_cold_costs_range_and_charges():
    mild, cold = (run(city(swap_share=0.0), swaps=(), kwh_per_km=[u] * 8) for u in (0.15, 0.22))
    assert cold.value("charges_per_day") > 1.3 * mild.value("charges_per_day")


def test_single_shift_rests_at_night():
    result = run(city(double_shift_share=0.0, swap_share=0.0), plugs=40, swaps=())
    # after 22:30 only who was on the way to a plug charges
    hour = (result.sessions["arrive_min"].to_numpy() % 1440) / 60
    assert ((hour > 0.5) & (hour < 5.9)).mean() < 0.02
    assert result.value("km") < 60 * 7 * 260.0


def test_bad_input():
    with pytest.raises(ChargingError, match="no station"):
        run(city(), stations=[])
    with pytest.raises(ChargingError, match="no swap station"):
        run(city(), swaps=())
    with pytest.raises(ChargingError, match="charge_soc"):
        run(city(charge_soc=0.96))
    with pytest.raises(ChargingError, match="24 values"):
        weekly_distance([1.0], [1.0])
