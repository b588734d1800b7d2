"""The pooled depot: known answers, under-built depots, types, conservation, common random numbers, and that defaults are the data's rows."""

import inspect

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fleets
from fleets.battery import Battery
from fleets.depot_pool import simulate_depot
from fleets.errors import BlockError, ChargingError
from fleets.station import Plugs
from fleets.vehicle_store import VehicleType
from transport.inputs import load_inputs

#: 100 kWh, 100 kW up to 100 %, nothing lost, nothing kept in reserve.
PLAIN = {"battery_kwh": 100, "power_kw": 100, "end_kw": 100, "efficiency": 1.0, "reserve_soc": 0.0}


def blocks(rows, **more):
    return pl.DataFrame(rows, schema=["start_min", "end_min", "kwh"], orient="row").with_columns(
        **{k: pl.lit(v) if isinstance(v, str) else pl.Series(v) for k, v in more.items()}
    )


def week(buses, seed=3, days=7):
    """Return blocks of a week: two per bus and day, early and late."""
    rng = np.random.default_rng(seed)
    start = np.concatenate([d * 1440 + b + rng.uniform(0, 90, buses) for d in range(days) for b in (300, 840)])
    length = rng.uniform(180, 480, start.size)
    return pl.DataFrame({"start_min": start, "end_min": start + length, "km": length * 0.23})


def test_two_buses_one_plug():
    # back at 100 with 40 kWh missing: 24 min each at 100 kW, the second waits for the first and not for its departure
    day = blocks([(0, 100, 40), (0, 100, 40), (700, 800, 40), (700, 800, 40)])
    records, load, summary = simulate_depot(day, vehicles=2, plugs=1, **PLAIN)
    assert records["state"].to_list() == ["served"] * 4
    assert records["delay_min"].sum() == 0.0
    run = simulate_depot(day, vehicles=2, plugs=1, **PLAIN)
    first = run.sessions.filter(pl.col("arrive_min") == 100.0)
    assert first["start_min"].to_list() == pytest.approx([100.0, 124.0])
    assert first["end_min"].to_list() == pytest.approx([124.0, 148.0])
    assert load["kw"].sum() / 4 == pytest.approx(160.0)
    assert set(summary.columns) == {"metric", "value", "low", "high", "unit", "replications"}
    assert fleets.simulate_depot is simulate_depot


def test_ten_hours_are_enough_for_both():
    # both come home at 600 and leave again ten hours later; 24 min of charging each
    night = blocks([(500, 600, 40), (500, 600, 40), (1200, 1300, 90), (1200, 1300, 90)])
    run = simulate_depot(night, vehicles=2, plugs=1, **PLAIN)
    assert run.value("served") == 4.0
    assert run.value("late") == 0.0
    assert run.sessions.sort("arrive_min")["wait_min"].to_list() == pytest.approx([0.0, 24.0, 0.0, 54.0])


def test_a_block_waits_for_the_energy_it_needs_and_no_longer():
    # one bus: back at 60 with 20 %, the next block at 70 needs 50 kWh: 30 kWh at 100 kW are there at 78
    run = simulate_depot(blocks([(0, 60, 80), (70, 120, 50)]), vehicles=1, plugs=1, **PLAIN)
    assert run.records["state"].to_list() == ["served", "late"]
    assert run.records["delay_min"].to_list() == pytest.approx([0.0, 8.0], abs=1e-6)
    assert run.sessions["state"].to_list() == ["cut", "served"]


def test_the_fullest_idle_vehicle_goes_first_and_no_vehicle_is_taken_from_a_plug_without_need():
    day = blocks([(0, 50, 60), (55, 60, 5), (100, 110, 5)])
    run = simulate_depot(day, vehicles=2, plugs=1, **PLAIN)
    # 0 drives and charges from 50 to 86; 1 goes at 55, charges from 86 to 89; 0 and 1 are full at 100
    assert run.records["vehicle"].to_list() == [0, 1, 0]
    assert run.sessions["state"].to_list() == ["served"] * 3


def test_types_do_not_mix():
    day = blocks([(0, 60, 10), (10, 60, 10), (20, 60, 10)], vehicle_type=["a", "a", "b"])
    run = simulate_depot(day, vehicles={"a": 1, "b": 2}, plugs=4, **PLAIN)
    assert run.records["state"].to_list() == ["served", "missed", "served"]
    assert run.records["reason"].to_list() == [None, "no_vehicle", None]
    assert run.records.filter(pl.col("vehicle_type") == "b")["vehicle"].to_list() == [1]
    # a type without vehicles is an answer, too
    assert simulate_depot(day, vehicles={"a": 2}, plugs=4, **PLAIN).records["state"].to_list() == ["served", "served", "missed"]


def test_forms_of_the_fleet():
    day = blocks([(0, 60, 30), (10, 60, 30)], vehicle_type=["a", "b"])
    cell = Battery(100.0, 100.0, 0.8, 100.0)
    kinds = {k: VehicleType(1, cell, 1.0) for k in "ab"}
    table = pl.DataFrame({"vehicle_type": ["a", "b"], "count": [1, 1], "battery_kwh": [100, 50]})
    for fleet in (1, {"a": 1, "b": 1}, kinds, VehicleType(1, cell, 1.0), table, table.to_dicts()):
        run = simulate_depot(day, vehicles=fleet, plugs=[100.0], **PLAIN)
        assert run.value("served") == 2.0
        assert run.sessions["stored_kwh"].sum() == pytest.approx(60.0)
    with_site = simulate_depot(day, vehicles=1, plugs=Plugs(1, 50.0, 0.5, limit_kw=60.0), **PLAIN)
    assert with_site.value("peak_kw") == pytest.approx(60.0)
    assert with_site.value("grid_kwh") == pytest.approx(120.0)


def test_an_under_built_depot_is_a_graded_answer():
    day = week(30)
    served = []
    for plugs in (0, 1, 2, 4, 12):
        run = simulate_depot(day, vehicles=30, plugs=plugs, battery_kwh=150)
        assert run.records.height == day.height
        assert run.value("served") + run.value("missed") == day.height
        assert run.load["unserved_kwh"].sum() == pytest.approx(run.value("unserved_kwh"))
        assert run.value("driven_kwh") + run.value("unserved_kwh") == pytest.approx(day["km"].sum() * 1.05)
        assert (run.checks["passed"]).all()
        served.append(run.value("served"))
    assert served == sorted(served)
    # without plugs every bus drives what its battery holds
    assert 0 < served[0] < served[-1] == day.height
    empty = simulate_depot(day, vehicles=30, plugs=0, battery_kwh=150)
    assert empty.value("plug_utilisation") == empty.value("grid_kwh") == 0.0
    assert set(empty.records.filter(pl.col("state") == "missed")["reason"]) <= {"no_energy", "no_vehicle"}
    assert simulate_depot(day, vehicles=0, plugs=4).value("missed") == day.height
    assert simulate_depot([], vehicles=0, plugs=0).value("blocks") == 0.0
    # plugs without power are no plugs
    dead = simulate_depot(day, vehicles=30, plugs=12, feeder_kw=0, battery_kwh=150)
    assert (dead.value("served"), dead.value("grid_kwh")) == (empty.value("served"), 0.0)
    # longer than any battery
    far = simulate_depot(blocks([(0, 500, 101)]), vehicles=1, plugs=1, **PLAIN)
    assert far.records["reason"].to_list() == ["beyond_battery"]


def test_two_hundred_rotations_on_forty_plugs():
    rng = np.random.default_rng(9)
    start = rng.uniform(300, 420, 200)
    day = pl.DataFrame({"start_min": start, "end_min": start + 600, "km": rng.uniform(120, 170, 200)})
    run = simulate_depot(day, vehicles=200, plugs=40)
    assert run.value("served") == 200.0
    assert run.value("charges") == 200.0
    assert run.sessions["state"].to_list() == ["served"] * 200
    assert run.value("wait_max_min") > 60.0
    assert run.value("plug_utilisation") > 0.0


def test_a_full_charge_on_a_taper_ends():
    run = simulate_depot(blocks([(0, 60, 50)]), vehicles=1, plugs=1, **(PLAIN | {"end_kw": 10, "taper_soc": 0.8}))
    exact = float(fleets.charge_time_min(100, 0.5, 1.0, 100, taper_soc=0.8, end_kw=10))
    assert (run.sessions["end_min"] - run.sessions["start_min"]).to_list() == pytest.approx([exact], abs=1e-6)
    assert run.sessions["soc_end"].to_list() == [1.0]
    # a target that is already reached: nobody visits the plug
    assert simulate_depot(blocks([(0, 60, 5)]), vehicles=1, plugs=1, target_soc=0.8, start_soc=0.9).value("charges") == 0.0


def test_a_feeder_that_binds_for_a_while_forgets_nobody():
    # three on a taper share 150 kW; when the first has gone the feeder binds no more and both others still end
    day = blocks([(0, 60, 80), (0, 60, 60), (0, 60, 40)])
    run = simulate_depot(day, vehicles=3, plugs=3, feeder_kw=150, **(PLAIN | {"power_kw": 60, "end_kw": 10}))
    assert run.sessions["state"].to_list() == ["served"] * 3
    assert run.sessions["soc_end"].to_list() == [1.0] * 3
    assert run.value("peak_kw") <= 150 + 1e-6


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    buses=st.integers(1, 12),
    plugs=st.integers(0, 5),
    feeder=st.sampled_from([None, 80.0, 200.0]),
    tolerance=st.sampled_from([0.0, 30.0, float("inf")]),
    horizon=st.sampled_from([None, 2000.0]),
    turnaround=st.sampled_from([0.0, 10.0]),
)
def test_conservation(seed, buses, plugs, feeder, tolerance, horizon, turnaround):
    day = week(8, seed, days=2).with_columns(vehicle_type=pl.Series(["a", "b"] * 16))
    run = simulate_depot(
        day,
        vehicles={"a": buses, "b": 3},
        plugs=plugs,
        feeder_kw=feeder,
        late_tolerance_min=tolerance,
        horizon_min=horizon,
        turnaround_min=turnaround,
        energy_cv=0.3,
        seed=seed,
    )
    assert run.checks["passed"].all()
    assert run.records["block"].is_unique().all()
    delays = run.records["delay_min"].drop_nulls()
    assert delays.is_empty() or delays.max() <= tolerance + 1e-6
    # a vehicle does one thing at a time
    busy = run.gantt().with_columns(pl.col("end_min").fill_null(1e9)).sort("vehicle", "start_min", "end_min")
    assert not busy.filter(
        (pl.col("vehicle") == pl.col("vehicle").shift()) & (pl.col("start_min") < pl.col("end_min").shift() - 1e-6)
    ).height
    # from the records alone: energy in, energy out
    assert run.sessions["grid_kwh"].sum() * 0.9 == pytest.approx(run.sessions["stored_kwh"].sum())
    assert run.load["kw"].sum() / 4 == pytest.approx(run.sessions["grid_kwh"].sum(), abs=1e-6)
    if feeder is not None:
        assert run.value("peak_kw") <= feeder + 1e-6
    # who has a plug and all the time in the world is charged
    if horizon is None:
        assert not set(run.sessions["state"]) & ({"charging", "waiting"} if plugs else {"charging"})


def test_replications_share_their_demand_and_have_intervals():
    day = week(20)
    few, many = (
        simulate_depot(day, vehicles=20, plugs=n, battery_kwh=150, energy_cv=0.15, replications=5, seed=4) for n in (2, 10)
    )
    assert few.summary["low"].null_count() == 0
    assert few.summary["replications"].unique().to_list() == [5]
    key = ["replication", "block"]
    both = few.records.select(*key, "kwh").join(many.records.select(*key, "kwh"), on=key, suffix="_many")
    assert both["kwh"].to_list() == both["kwh_many"].to_list()
    assert few.records.filter(pl.col("block") == 3)["kwh"].n_unique() == 5
    once = simulate_depot(day, vehicles=20, plugs=2, battery_kwh=150, energy_cv=0.15, replications=2, seed=4)
    assert once.records.equals(few.records.filter(pl.col("replication") < 2))
    assert simulate_depot(day, vehicles=20, plugs=2).summary["low"].null_count() == once.summary.height


def test_the_defaults_are_the_rows_of_a_city_bus():
    rows = load_inputs().parameters.filter(pl.col("year").is_null() | (pl.col("year") == 2030))
    value = {(p, s): v for p, s, v in rows.select("parameter", "subject", "value").iter_rows()}
    default = {k: p.default for k, p in inspect.signature(simulate_depot).parameters.items()}
    assert default["power_kw"] == value["charger_power", "depot"]
    assert default["battery_kwh"] == value["battery_capacity", "urban_bus:battery_electric"]
    assert default["kwh_per_km"] == value["electricity_use", "urban_bus:battery_electric"]
    assert default["efficiency"] == pytest.approx(1.0 - value["charging_loss", "urban_bus"])
    assert default["taper_soc"] == value["battery_taper_soc", "all"]
    assert default["target_soc"] == value["target_soc", "urban_bus"]
    assert default["reserve_soc"] == value["reserve_soc", "urban_bus"]
    assert default["late_tolerance_min"] == value["late_tolerance", "urban_bus"]
    assert value["battery_end_power_share", "all"] == 0.1
    assert value["battery_c_rate", "urban_bus"] == 1.0


@pytest.mark.parametrize(
    ("table", "more", "words"),
    [
        ({"start_min": [0], "km": [1]}, {}, "end_min is missing"),
        ({"start_min": [0], "end_min": [9]}, {}, "need km or kwh"),
        ({"start_min": [5, 9], "end_min": [9, 5], "km": [1, 1]}, {}, "row 1 ends at 5"),
        ({"start_min": [0], "end_min": [9], "km": [-1]}, {}, "km in row 0 is -1"),
        ({"start_min": [0], "end_min": [9], "km": [1]}, {"vehicles": -1}, "vehicles=-1"),
        ({"start_min": [0], "end_min": [9], "km": [1]}, {"vehicles": pl.DataFrame({"a": [1]})}, "column count"),
        ({"start_min": [0], "end_min": [9], "km": [1]}, {"kwh_per_km": -1}, "kwh_per_km=-1"),
        ({"start_min": [0], "end_min": [9], "km": [1]}, {"efficiency": 0.0}, "efficiency=0.0"),
        ({"start_min": [0], "end_min": [9], "km": [1]}, {"reserve_soc": 1.2}, "reserve_soc=1.2"),
        ({"start_min": [0], "end_min": [9], "km": [1]}, {"step_min": 7}, "divide a day"),
        ({"start_min": [0], "end_min": [9], "km": [1]}, {"replications": 0}, "replications=0"),
        ({"start_min": [0], "end_min": [9], "km": [1]}, {"horizon_min": 0}, "horizon_min=0"),
    ],
)
def test_bad_input_is_named(table, more, words):
    with pytest.raises(BlockError, match=words):
        simulate_depot(table, **({"vehicles": 1, "plugs": 1} | more))


def test_bad_plugs_and_batteries_are_named():
    day = {"start_min": [0], "end_min": [9], "km": [1]}
    for more, words in (
        ({"plugs": -2}, "plugs=-2"),
        ({"plugs": 1, "end_kw": 0}, "never ends"),
        ({"plugs": 1, "feeder_kw": -5}, "feeder_kw"),
    ):
        with pytest.raises(ChargingError, match=words):
            simulate_depot(day, vehicles=1, **more)
