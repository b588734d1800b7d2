"""Taxis: distance on the activity curve, conservation, waits fall with plugs, swap stock, nobody lost."""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from fleets.battery import Battery
from fleets.errors import ChargingError
from fleets.station import Plugs
from fleets.taxi_zones import Zones, one_place, place_sites, ring_points, ring_zones
from fleets.taxis import SwapStation, Taxis, simulate_taxis, station_table, weekly_distance

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


# --- zones and stations ------------------------------------------------------------------------------------------------------------------

RADII = (3.0, 6.0, 10.0)
ACTIVITY = np.tile([0.3, 0.4, 0.3], (24, 1))
RINGS = ring_zones(("core", "inner", "outer"), RADII, ACTIVITY, np.full(24, 30.0), detour=1.3)


def on_a_line(*cells_km, speed=30.0, detour=1.0):
    """Return a city of one zone whose cells lie on a line."""
    at = np.array([[x, 0.0] for x in cells_km])
    return Zones(("all",), np.ones((24, 1)), np.zeros(len(at), dtype=np.int64), at, np.full(24, speed), detour)


def test_points_and_stations_are_spread_over_the_area():
    points = np.hypot(*ring_points(3.0, 6.0, 4000).T)
    assert (points.min() > 3.0) & (points.max() < 6.0)
    # half of the area of the ring lies within sqrt((9 + 36) / 2)
    assert (points < np.sqrt(22.5)).mean() == pytest.approx(0.5, abs=0.001)
    far = np.hypot(*place_sites(RADII, [0.2, 0.5, 0.3], 1000).T)
    assert [((far > a) & (far <= b)).mean() for a, b in ((0, 3), (3, 6), (6, 10))] == pytest.approx([0.2, 0.5, 0.3], abs=0.002)
    assert place_sites(RADII, [1, 1, 1], 0).shape == (0, 2)


def test_a_taxi_stands_in_the_zones_by_their_share():
    u = (np.arange(1000) + 0.5) / 1000
    zones = np.array([RINGS.zone(12, x) for x in u])
    assert np.bincount(zones).tolist() == [300, 400, 300]
    cells = {RINGS.cell(1, x) for x in u}
    assert cells == set(range(60, 120))


def test_ways_by_hand():
    """Every charge costs the way from the cell to its station: distance along streets, minutes at the speed of the hour, energy per km."""
    zones = on_a_line(0.0, speed=20.0, detour=1.5)
    far = {"zones": zones, "stations_km": [[4.0, 0.0]], "swaps": ()}
    result = run(city(swap_share=0.0, double_shift_share=1.0, energy_cv=0.0), plugs=40, n_station=1, **far)
    ways = result.blocks.filter(pl.col("state") == "to_station")
    assert ways["km"].to_list() == pytest.approx([6.0] * ways.height)
    assert ways["kwh"].to_list() == pytest.approx([0.96] * ways.height)
    # 6 km at 20 km/h and 8 minutes at the station
    assert (ways["end_min"] - ways["start_min"]).to_list() == pytest.approx([26.0] * ways.height)
    charges = result.value("charges_per_day")
    assert result.value("dead_km") == pytest.approx(charges * 60 * 7 * 6.0, rel=0.01)
    assert result.value("detour_hours_per_day") == pytest.approx(charges * 26.0 / 60.0, rel=0.01)
    assert result.value("energy_kwh_per_km") == pytest.approx(0.16)
    parts = [result.value(f"{p}_hours_per_day") for p in ("detour", "queue", "charging")]
    assert sum(parts) == pytest.approx(result.value("lost_hours_per_day"))
    assert parts[1] + parts[2] == pytest.approx(result.value("hours_at_stations_per_day"))


def test_drivers_weigh_the_way_against_the_queue():
    """A taxi at 0 has a station at 1 km and one at 3 km: alone it takes the near one; where that one is full, others take the far one."""
    zones = on_a_line(0.0)
    sites = {"zones": zones, "stations_km": [[1.0, 0.0], [-3.0, 0.0]], "swaps": ()}
    alone = run(city(1, swap_share=0.0), plugs=1, **sites)
    assert set(alone.sessions["site"]) == {"station_0"}
    many = run(city(60, swap_share=0.0), plugs=4, **sites)
    share = (many.sessions["site"] == "station_1").mean()
    assert 0.1 < share < 0.4
    # who looks at the nearest one only queues there
    blind = run(city(60, swap_share=0.0, looked_up=1), plugs=4, **sites)
    assert set(blind.sessions["site"]) == {"station_0"}
    assert blind.value("wait_mean_min") > 3.0 * many.value("wait_mean_min")
    assert blind.value("dead_km_share") < many.value("dead_km_share")


def test_a_station_out_of_reach_is_towed_to_and_counted():
    result = run(city(20, swap_share=0.0), n_station=1, zones=on_a_line(0.0), stations_km=[[500.0, 0.0]], swaps=())
    assert result.value("towed") > 10
    assert result.checks["passed"].all()
    assert result.sessions["soc_start"].min() == 0.0
    near = run(city(20, swap_share=0.0), n_station=1, zones=on_a_line(0.0), stations_km=[[5.0, 0.0]], swaps=())
    assert near.value("towed") == 0.0


def test_stations_without_plugs_or_packs_keep_their_taxis():
    result = run(city(20), plugs=0, swaps=[SwapStation(1, 0, 3.0, 40.0, 0.9, 0)])
    assert result.checks["passed"].all()
    assert result.value("waiting_at_end") == 20.0
    assert (result.value("grid_kwh"), result.value("plug_utilisation")) == (0.0, 0.0)
    assert result.value("lost_km_share") > 0.9


def test_who_waits_from_before_the_week_on_has_waited():
    """A city whose only swap station has no bay: everybody is stuck by Monday, and no wait of zero is reported."""
    stuck = run(
        city(swap_share=1.0),
        stations=(),
        swaps=(SwapStation(0, 8, 3.0, 40.0, 0.9),),
        warmup_min=2 * 1440,
        day_factor=[1.0] * 9,
        kwh_per_km=[0.16] * 9,
    )
    table = station_table(stuck, (), (SwapStation(0, 8, 3.0, 40.0, 0.9),))
    assert stuck.value("waiting_at_end") == 60.0
    assert stuck.value("wait_mean_min") == stuck.value("swap_wait_mean_min") > 7 * 1440
    assert stuck.value("lost_hours_per_day") == pytest.approx(24.0, abs=0.5)
    assert stuck.value("lost_hours_per_day") <= 24.0 + 1e-9
    assert table["wait_mean_min"].item() == pytest.approx(stuck.value("wait_mean_min"))


def test_the_lean_queue_is_the_queue_of_the_charging_site():
    """A feeder a hair too small sends taxis through the general site; nothing changes but what the hair is worth."""
    own = Plugs(4, 60.0, 0.9)
    hair = Plugs(4, 60.0, 0.9, limit_kw=4 * 60.0 / 0.9 * (1.0 - 1e-12))
    assert hair.binding
    lean, general = (run(city(swap_share=0.0), stations=[p] * 2, swaps=()).summary for p in (own, hair))
    assert lean["value"].to_list() == pytest.approx(general["value"].to_list(), rel=1e-6)
    small = run(city(swap_share=0.0), stations=[Plugs(4, 60.0, 0.9, limit_kw=90.0)] * 2, swaps=())
    assert small.value("peak_kw") <= 180.0 + 1e-6 < lean.filter(pl.col("metric") == "peak_kw")["value"].item()
    assert small.value("wait_mean_min") > lean.filter(pl.col("metric") == "wait_mean_min")["value"].item()


def test_the_table_of_the_stations_adds_up():
    sites = {"zones": RINGS, "stations_km": place_sites(RADII, [0.2, 0.5, 0.3], 3), "swap_stations_km": [[0.0, 0.0]]}
    stores = [SwapStation(1, 4, 3.0, 20.0, 0.9, 2)]
    result = run(city(120), n_station=3, swaps=stores, **sites)
    table = station_table(result, [Plugs(6, 60.0, 0.9)] * 3, stores)
    assert table["station"].to_list() == ["station_0", "station_1", "station_2", "swap_0"]
    assert table["kind"].to_list() == ["plug", "plug", "plug", "swap"]
    assert table["sessions"].sum() == pytest.approx(result.value("charges_per_day") * 120 * 7)
    assert table["stock_outs"].sum() == pytest.approx(result.value("stock_outs"))
    assert result.value("stock_outs") > 10
    plugs = table.filter(pl.col("kind") == "plug")
    assert plugs["utilisation"].mean() == pytest.approx(result.value("plug_utilisation"))
    assert table["utilisation"][3] == pytest.approx(result.value("bay_utilisation"))
    waits = (table["wait_mean_min"] * table["sessions"]).sum() / table["sessions"].sum()
    assert waits == pytest.approx(result.value("wait_mean_min"), rel=0.02)
    at_plugs = (plugs["wait_mean_min"] * plugs["sessions"]).sum() / plugs["sessions"].sum()
    assert at_plugs == pytest.approx(result.value("plug_wait_mean_min"), rel=0.02)
    assert table["wait_mean_min"][3] == pytest.approx(result.value("swap_wait_mean_min"), rel=0.02)
    # energy of the visits of the week against what was drawn in it: what is under way at both ends differs
    assert table["grid_kwh"].sum() == pytest.approx(result.value("grid_kwh"), rel=0.03)


def test_fewer_pack_chargers_than_packs_run_out_sooner():
    taxis = city(swap_share=1.0)
    all_, few = (run(taxis, stations=[], swaps=[SwapStation(1, 8, 3.0, 20.0, 0.9, c)]) for c in (None, 5))
    assert few.value("stock_outs") > all_.value("stock_outs")
    assert few.value("swap_wait_mean_min") > all_.value("swap_wait_mean_min")
    assert few.value("peak_kw") <= 5 * 20.0 / 0.9 + 1e-6 < all_.value("peak_kw")
    assert few.value("stock_out_share") == pytest.approx(
        few.value("stock_outs") / (few.value("charges_per_day") * 60 * 7), rel=0.02
    )


def test_a_battery_that_lasts_all_week_loses_nothing():
    """Blocks that are not over on Sunday night count with what was driven of them."""
    endless = city(20, battery=Battery(9e6, 60.0, 0.8, 6.0), swap_share=0.0, km_per_day=(400.0, 260.0))
    longer = {"day_factor": [1.0] * 9, "kwh_per_km": [0.16] * 9}
    result = run(endless, swaps=(), **longer)
    assert result.value("lost_km_share") == pytest.approx(0.0, abs=1e-9)
    assert result.value("charges_per_day") == 0.0
    some = run(
        city(20, battery=Battery(120.0, 120.0, 0.8, 12.0), swap_share=0.0, access_min=0.0),
        plugs=20,
        swaps=(),
        **longer,
    )
    # only the time at the plug is lost: share of the activity in those minutes
    assert 0.0 < some.value("lost_km_share") < 1.3 * some.value("hours_at_stations_per_day") / 24.0


def test_a_ride_under_way_is_finished_first():
    short, long = (run(city(swap_share=0.0, finish_km=f), plugs=40, swaps=()) for f in (0.0, 20.0))
    driven = [r.blocks.filter(pl.col("state") == "driven")["km"].mean() for r in (short, long)]
    # where the reserve binds, drivers leave as much earlier
    assert 14.0 < driven[1] - driven[0] < 20.0
    assert long.value("charges_per_day") < short.value("charges_per_day")


def test_more_stations_or_plugs_see_the_same_taxis():
    """Common random numbers: the first stretch of every taxi is the same whatever the stations are."""
    few, many = (run(city(), plugs=p, n_station=n) for p, n in ((3, 1), (9, 4)))
    firsts = [
        r.blocks.sort("replication", "taxi", "start_min").group_by("replication", "taxi", maintain_order=True).first()
        for r in (few, many)
    ]
    assert_frame_equal(*firsts)


def test_bad_cities():
    bad = ACTIVITY.copy()
    bad[3, 0] = 0.2
    with pytest.raises(ChargingError, match=r"hour 3 sum to 0\.9"):
        ring_zones(("a", "b", "c"), RADII, bad, np.full(24, 30.0), detour=1.3)
    with pytest.raises(ChargingError, match="rising radii"):
        ring_zones(("a", "b", "c"), (3.0, 2.0, 4.0), ACTIVITY, np.full(24, 30.0), detour=1.3)
    with pytest.raises(ChargingError, match="detour of at least 1"):
        ring_zones(("a", "b", "c"), RADII, ACTIVITY, np.full(24, 30.0), detour=0.3)
    with pytest.raises(ChargingError, match="one value per ring"):
        place_sites(RADII, [0.0, 0.0, 0.0], 3)
    with pytest.raises(ChargingError, match="2 stations need as many finite places"):
        run(city(), zones=one_place(), stations_km=[[0.0, 0.0]])
    with pytest.raises(ChargingError, match="every zone needs a cell"):
        Zones(("a", "b"), np.full((24, 2), 0.5), np.zeros(1, dtype=np.int64), np.zeros((1, 2)), np.full(24, 30.0), 1.0)


def test_bad_input():
    with pytest.raises(ChargingError, match="no station"):
        run(city(), stations=[])
    with pytest.raises(ChargingError, match="no swap station"):
        run(city(), swaps=())
    with pytest.raises(ChargingError, match="charge_soc"):
        run(city(charge_soc=0.96))
    with pytest.raises(ChargingError, match=r"shape \(8,\) needs a value for each of 9 days"):
        run(city(), day_factor=[1.0] * 9)
    with pytest.raises(ChargingError, match="24 values"):
        weekly_distance([1.0], [1.0])
