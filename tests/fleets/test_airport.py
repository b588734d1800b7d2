"""The airport week: one aircraft and one unit by hand, delays and their cause, charging in gaps and at night, power on stand, conservation, sizing."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from fleets.airport import Charging, Equipment, Handling, simulate_airport
from fleets.airport_power import StandPower, Stays, integral, stand_power
from fleets.airport_sizing import ServiceLimits, required_equipment
from fleets.battery import Battery
from fleets.errors import BlockError, FleetError
from fleets.flights import Traffic
from fleets.records import DAY_MIN
from fleets.station import Plugs
from fleets.turnaround import PUSH_BACK, Task, shortest_stays

SEEDS = [np.random.SeedSequence(5, spawn_key=(r,)) for r in range(2)]
PROFILE = [1, 0.5, 0.2, 0.1, 0.1, 0.2, 1, 4, 4.2, 3.8, 3.5, 3.6, 3.7, 3.7, 3.8, 3.6, 3.7, 3.8, 3.6, 3.5, 3.7, 4.2, 4, 3.3]
RULE = Charging(charge_soc=0.5, target_soc=1.0, reserve_soc=0.15, tolerance_min=10.0)
NIGHT = replace(RULE, window_h=(23.0, 6.0))
#: No reserve, and a charge only when the next task would not be possible.
BARE = replace(RULE, charge_soc=0.4, reserve_soc=0.0)
#: Constant power, so that minutes are kWh over kW.
FLAT = Battery(10.0, 10.0, 0.99, 10.0)
POWER = StandPower(
    ground_power_share=(0.0, 0.0),
    load_kw={"narrow": 70.0},
    converter_efficiency=0.875,
    connect_min=8.0,
    turbine_kg_per_h={"narrow": 100.0},
    turbine_share=0.8,
    long_stay_min=180.0,
    stay_min={"narrow": 50.0},
)
PUSH = Task(PUSH_BACK, "", 0, 0.0, 0.0, ("fill",), anchor="departure")
#: One task of 20 minutes that binds one truck for 25.
FILL = {"narrow": (Task("fill", "truck", 1, 20.0, 5.0), PUSH)}
#: A small real turnaround.
TASKS = {
    "narrow": (
        Task("bags_in", "tractor", 2, 15.0, 5.0),
        Task("power", "ground_power_unit", 1, 30.0, 5.0, stands="remote", needed="ground_power"),
        Task("bags_out", "tractor", 2, 18.0, 5.0, ("bags_in",), anchor="departure"),
        Task("deice", "deicer", 1, 10.0, 5.0, ("bags_out",), anchor="departure", needed="icing"),
        Task(PUSH_BACK, "tug", 1, 8.0, 4.0, ("bags_out", "deice"), anchor="departure"),
    )
}
TRAFFIC = Traffic(
    turnarounds_per_day=(60.0,) * 8,
    size_share={"narrow": 1.0},
    stay_min={"narrow": 50.0},
    stay_cv=0.25,
    shortest_min=shortest_stays(TASKS),
    contact_share=0.6,
    overnight_share=0.2,
)


def flights(*times, stand="contact"):
    return pl.DataFrame(
        {"arrive_min": [a for a, _ in times], "depart_min": [b for _, b in times], "size": "narrow", "stand": stand},
        schema_overrides={"arrive_min": pl.Float64, "depart_min": pl.Float64},
    )


def truck(units=1, kwh_per_min=0.25, electric=None):
    return [Equipment("truck", units, FLAT, kwh_per_min, electric)]


def by_hand(table, tools=None, rule=BARE, tasks=FILL, plugs=1, power=POWER, **more):
    found = simulate_airport(
        table, Handling(tasks, power), tools or truck(), Plugs(plugs, 10.0, 0.8), rule, seeds=SEEDS[:1], warmup_min=0, **more
    )
    return found, found.turnarounds, found.result


def fleet(tugs=6, tractors=24, power_units=6, deicers=6, electric=None):
    return [
        Equipment("tug", tugs, Battery(80.0, 60.0, 0.8, 6.0), 0.6, electric),
        Equipment("tractor", tractors, Battery(40.0, 30.0, 0.8, 3.0), 0.24, electric),
        Equipment("ground_power_unit", power_units, Battery(120.0, 60.0, 0.8, 6.0), 0.5, electric),
        Equipment("deicer", deicers, Battery(100.0, 60.0, 0.8, 6.0), 1.0, electric),
    ]


def week(tools=None, rule=RULE, plugs=16, traffic=TRAFFIC, ice=0.3, power=None, seeds=SEEDS, **more):
    used = power or replace(POWER, ground_power_share=(0.9, 0.5))
    handling = Handling(TASKS, used, task_cv=0.2, margin_min=3.0, icing_day_probability=ice, deicing_share=0.8, **more)
    return simulate_airport(traffic, handling, tools or fleet(), Plugs(plugs, 20.0, 0.9), rule, hourly_share=PROFILE, seeds=seeds)


# --- by hand ------------------------------------------------------------------------------------------------------------------------


def test_one_aircraft_and_one_unit():
    _, departures, result = by_hand(flights((60, 100)))
    assert departures.row(0) == (0, 0, 60.0, 100.0, 100.0, 0.0, "", "contact", "narrow")
    task = result.blocks.row(0, named=True)
    assert (task["asked_min"], task["start_min"], task["end_min"], task["kwh"], task["state"]) == (60.0, 60.0, 80.0, 5.0, "done")
    # 5 of 10 kWh are left, which is enough for another task
    assert result.value("equipment_kwh") == 0.0


def test_the_second_aircraft_waits_for_the_only_unit():
    patient = replace(BARE, tolerance_min=60.0)
    _, departures, result = by_hand(flights((60, 90), (60, 90)), rule=patient)
    # bound until 85, then 20 minutes: off at 105 instead of 90
    assert departures["leave_actual_min"].to_list() == [90.0, 105.0]
    assert departures["delay_min"].to_list() == [0.0, 15.0]
    assert departures["cause"].to_list() == ["", "truck"]
    assert result.value("delay_truck_min") == 15.0
    assert result.value("delay_mean_min") == 7.5
    assert result.value("delayed_share") == 0.5
    assert result.value("missed_share") == 0.0


def test_a_wait_beyond_the_tolerance_is_missed_and_ends_there():
    _, departures, result = by_hand(flights((60, 85), (60, 85)))
    # the truck from elsewhere begins at 70 and ends at 90
    assert departures["delay_min"].to_list() == [0.0, 5.0]
    assert result.value("missed_share") == 0.5
    assert result.value("missed_task_share") == 0.5
    assert result.blocks.filter(pl.col("state") == "missed")["kwh"].to_list() == [0.0]


def test_no_units_and_no_plugs_are_an_answer():
    _, departures, result = by_hand(flights((60, 85), (200, 300)), tools=truck(0), plugs=0)
    assert result.value("missed_share") == 1.0
    assert departures["delay_min"].to_list() == [5.0, 0.0]
    _, _, dry = by_hand(flights(*[(60 + 100 * i, 150 + 100 * i) for i in range(5)]), plugs=0)
    # two tasks empty the battery, then the only unit waits for a plug that does not exist
    assert dry.blocks["state"].to_list() == ["done", "done", "missed", "missed", "missed"]
    assert dry.value("waiting_at_end") == 1.0
    assert dry.value("equipment_kwh") == 0.0


def test_charging_in_a_gap_by_hand():
    rule = replace(BARE, charge_soc=0.6, tolerance_min=60.0)
    _, departures, result = by_hand(flights((60, 90), (90, 120)), rule=rule)
    # free at 85 it charges for five minutes, is called away with enough charge, and charges again when it is free at 115
    assert departures["delay_min"].to_list() == [0.0, 0.0]
    assert result.sessions.select("start_min", "end_min").rows() == [(85.0, 90.0), (115.0, pytest.approx(170.0))]
    assert result.sessions["stored_kwh"].to_list() == [pytest.approx(5 / 6), pytest.approx(10 - 5 / 6)]
    assert result.value("equipment_kwh") == pytest.approx(12.5)
    assert result.value("peak_kw") == pytest.approx(12.5)


def test_a_unit_at_the_plug_with_too_little_is_not_called_away():
    rule = replace(BARE, charge_soc=0.6, tolerance_min=60.0)
    _, departures, result = by_hand(flights((60, 90), (70, 120), (120, 160)), rule=rule)
    # the second fill begins at 85 with half a charge and leaves nothing: 5 kWh at 10 kW take until 140, and the whole charge until 170
    assert result.blocks["start_min"].to_list() == [60.0, 85.0, pytest.approx(170.0)]
    assert departures["delay_min"].to_list() == [0.0, 0.0, pytest.approx(30.0)]


def test_charging_at_night_only_by_hand():
    rule = replace(BARE, charge_soc=0.6, window_h=(23.0, 6.0))
    day = [(600 + 60 * i, 650 + 60 * i) for i in range(3)]
    _, _, result = by_hand(flights(*day, (DAY_MIN + 600, DAY_MIN + 650)), rule=rule)
    # two fills empty the battery; the third has no unit, and the next day it is full again
    assert result.blocks["state"].to_list() == ["done", "done", "missed", "done"]
    session = result.sessions.row(0, named=True)
    assert (session["arrive_min"], session["start_min"]) == (23 * 60.0, 23 * 60.0)
    assert session["end_min"] == pytest.approx(24 * 60.0)
    assert session["stored_kwh"] == pytest.approx(10.0)


def test_a_unit_that_is_too_low_for_one_task_still_does_a_smaller_one():
    tasks = {
        "wide": (Task("fill", "truck", 1, 28.0), PUSH),
        "narrow": (Task("fill", "truck", 1, 12.0), PUSH),
    }
    table = flights((60, 100), (200, 240), (300, 340)).with_columns(size=pl.Series(["wide", "wide", "narrow"]))
    power = replace(POWER, **{k: {"wide": 1.0, "narrow": 1.0} for k in ("load_kw", "turbine_kg_per_h", "stay_min")})
    rule = replace(BARE, window_h=(23.0, 6.0))
    result = by_hand(table, tasks=tasks, rule=rule, power=power)[2]
    # 10 - 7 kWh are too few for another 7, and enough for 3
    assert result.blocks["state"].to_list() == ["done", "missed", "done"]
    assert result.blocks["kwh"].to_list() == [7.0, 0.0, 3.0]


def test_units_that_the_timetable_needs_do_not_go_to_the_plugs():
    rule = replace(BARE, window_h=(22.0, 6.0))
    late = [(22 * 60 + 30 * i, 22 * 60 + 30 * i + 25) for i in range(4)]
    day = [(600, 650), (700, 750)]
    # two trucks with half a charge each and a plug for both: one at a time stays for the aircraft of the late evening
    result = by_hand(flights(*day, *late), tools=truck(2, kwh_per_min=0.1), rule=rule, plugs=2)[2]
    assert result.value("missed_share") == 0.0
    assert result.value("delay_min") == 0.0
    assert result.value("equipment_kwh") == pytest.approx(6 * 2.0 / 0.8)
    # both are charged when the aircraft have left
    assert result.checks["passed"].all()


def test_the_window_cuts_a_charge():
    rule = replace(BARE, window_h=(23.0, 23.5))
    _, _, result = by_hand(flights((600, 650), (700, 750)), rule=rule)
    assert result.sessions["stored_kwh"].to_list()[0] == pytest.approx(5.0)
    assert result.sessions["end_min"].to_list()[0] == pytest.approx(23.5 * 60)
    assert result.checks["passed"].all()


def test_the_cause_is_the_kind_on_the_chain_that_held_the_aircraft():
    tasks = {
        "narrow": (
            Task("water", "bowser", 1, 5.0),
            Task("fill", "truck", 1, 20.0),
            Task(PUSH_BACK, "tug", 1, 5.0, 0.0, ("water", "fill"), anchor="departure"),
        )
    }
    tools = [*truck(0), Equipment("bowser", 0, FLAT, 0.1), Equipment("tug", 1, FLAT, 0.1)]
    _, departures, result = by_hand(flights((60, 85)), tools=tools, tasks=tasks)
    # both wait 10 minutes, but the water would have been there in time
    assert departures["delay_min"].to_list() == [5.0]
    assert departures["cause"].to_list() == ["truck"]
    assert result.value("delay_bowser_min") == 0.0


def test_a_stay_that_is_too_short_is_no_delay_by_equipment():
    _, departures, _ = by_hand(flights((60, 70)), tools=truck(5))
    assert departures.select("leave_actual_min", "delay_min").row(0) == (80.0, 0.0)


def test_units_without_battery_never_charge():
    mixed = by_hand(flights(*[(60 * i, 60 * i + 50) for i in range(1, 9)]), tools=truck(2, electric=1))[2]
    # the two take turns: every other fill costs energy
    assert sorted(mixed.blocks["kwh"].to_list()) == [0.0] * 4 + [5.0] * 4
    assert mixed.value("electric_unit_share") == 0.5
    assert mixed.value("electric_task_share") == 0.5
    none = by_hand(flights(*[(60 * i, 60 * i + 50) for i in range(1, 9)]), tools=truck(2, electric=0))[2]
    assert none.value("equipment_kwh") == 0.0
    assert none.sessions.is_empty()


# --- power on stand -----------------------------------------------------------------------------------------------------------------


def test_turbine_and_ground_power_by_hand():
    times = [(600.0 * i, 600.0 * i + 50.0) for i in range(1, 11)]
    on = by_hand(flights(*times), tools=truck(5), power=replace(POWER, ground_power_share=(1.0, 0.0)))[2]
    # 8 minutes of turbine and 42 minutes of 70 kW per turnaround
    assert on.value("turbine_h") == pytest.approx(10 * 8 / 60)
    assert on.value("turbine_fuel_t") == pytest.approx(10 * 8 / 60 * 0.1)
    assert on.value("ground_power_kwh") == pytest.approx(10 * 42 / 60 * 70 / 0.875)
    assert on.value("ground_power_share") == 1.0
    off = by_hand(flights(*times), tools=truck(5))[2]
    assert off.value("turbine_h") == pytest.approx(10 * 0.8 * 50 / 60)
    assert off.value("ground_power_kwh") == 0.0
    assert off.value("turbine_saved_t") == 0.0
    assert on.value("turbine_fuel_without_t") == pytest.approx(off.value("turbine_fuel_t"))
    saved = 1000.0 * (off.value("turbine_fuel_t") - on.value("turbine_fuel_t"))
    assert on.value("turbine_saved_t") == pytest.approx(saved / 1000.0)
    assert on.value("turbine_saved_kg_per_turnaround") == pytest.approx(saved / 10.0)


def test_a_night_on_stand_is_not_powered():
    night = [(600.0, 1100.0)]
    on = by_hand(flights(*night), tools=truck(5, electric=0), power=replace(POWER, ground_power_share=(1.0, 0.0)))[2]
    assert on.value("ground_power_kwh") == pytest.approx(42 / 60 * 80.0)
    # half after the arrival, half before the departure: 21 minutes of 80 kW each
    kw = on.load_kw[0]
    assert kw[:44].sum() * 0.25 == pytest.approx(21 / 60 * 80.0)
    assert kw[44:71].sum() == pytest.approx(0.0, abs=1e-9)
    off = by_hand(flights(*night), tools=truck(5))[2]
    assert off.value("turbine_h") == pytest.approx(0.8 * 50 / 60)


def test_an_aircraft_whose_mobile_power_is_missing_runs_its_turbine():
    tasks = {
        "narrow": (Task("power", "ground_power_unit", 1, 30.0, 0.0, (), "remote", "arrival", "ground_power"), *FILL["narrow"])
    }
    power = replace(POWER, ground_power_share=(0.0, 1.0))
    both = flights((600, 650), (600, 650), stand="remote")
    tools = [*truck(5), Equipment("ground_power_unit", 1, Battery(100.0, 50.0, 0.8, 5.0), 0.5)]
    one = by_hand(both, tools=tools, tasks=tasks, power=power)[2]
    assert one.value("ground_power_share") == 0.5
    assert one.value("turbine_h") == pytest.approx((8 + 0.8 * 50) / 60)
    assert one.value("mobile_power_kwh") == 15.0
    # its energy comes out of the battery, not out of the fixed supply
    assert one.value("ground_power_kwh") == 0.0
    two = by_hand(both, tools=[tools[0], replace(tools[1], units=2)], tasks=tasks, power=power)[2]
    assert two.value("ground_power_share") == 1.0
    assert two.value("turbine_h") == pytest.approx(2 * 8 / 60)


def test_integral_of_rectangles():
    at = np.array([0.0, 5.0, 10.0, 20.0])
    total = integral(np.array([2.0, 4.0]), np.array([6.0, 12.0]), np.array([10.0, 1.0]), at)
    assert total.tolist() == pytest.approx([0.0, 31.0, 46.0, 48.0])
    assert integral(np.array([]), np.array([]), np.array([]), at).tolist() == [0.0] * 4


def test_an_airport_without_aircraft():
    nobody = Stays(*(np.zeros(0) for _ in range(2)), np.zeros(0, dtype=object), *(np.zeros(0, dtype=np.bool_) for _ in range(2)))
    totals, load = stand_power(POWER, nobody, horizon_min=60, step_min=15)
    assert set(totals.values()) == {0.0}
    assert load.tolist() == [0.0] * 4
    empty = week(traffic=replace(TRAFFIC, turnarounds_per_day=(0.0,) * 8))
    assert empty.result.value("grid_kwh") == 0.0
    assert empty.turnarounds.is_empty()


# --- a week -------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def usual():
    return week()


def test_conservation_determinism_and_records(usual):
    again = week()
    assert usual.result.checks["passed"].all()
    for name in ("summary", "sessions", "blocks"):
        assert_frame_equal(getattr(usual.result, name), getattr(again.result, name), check_exact=True)
    assert_frame_equal(usual.turnarounds, again.turnarounds, check_exact=True)
    result = usual.result
    assert result.value("turnarounds") == pytest.approx(420, abs=8)
    assert result.value("equipment_kwh") + result.value("ground_power_kwh") == pytest.approx(result.value("grid_kwh"))
    # a week of equipment energy: tasks done in the week over the efficiency, up to what is still in the batteries
    done = result.blocks.filter((pl.col("state") == "done") & (pl.col("start_min") >= 0))["kwh"].sum() / 2
    assert result.value("equipment_kwh") == pytest.approx(done / 0.9, rel=0.08)
    causes = [
        m
        for m in result.summary["metric"]
        if m.startswith("delay_") and m not in {"delay_min", "delay_mean_min", "delay_p95_min"}
    ]
    assert len(causes) == 4
    assert sum(result.value(c) for c in causes) == pytest.approx(result.value("delay_min"))


def test_nobody_is_late_with_plenty_of_everything():
    plenty = week(fleet(60, 200, 60, 60), plugs=300)
    assert plenty.result.value("delay_min") == 0.0
    assert plenty.result.value("missed_share") == 0.0
    assert plenty.turnarounds["cause"].unique().to_list() == [""]
    assert plenty.result.blocks["delay_min"].max() == 0.0


def test_every_fleet_sees_the_same_week(usual):
    few = week(fleet(2, 6, 1, 1))
    columns = ["replication", "turnaround", "arrive_min", "leave_planned_min", "stand", "size"]
    assert_frame_equal(usual.turnarounds.select(columns), few.turnarounds.select(columns), check_exact=True)
    assert few.result.value("missed_share") > usual.result.value("missed_share") + 0.3
    assert few.result.value("delay_min") > 10.0 * usual.result.value("delay_min")
    assert few.result.blocks["delay_min"].max() <= 10.0 + 1e-6
    assert few.result.checks["passed"].all()


def test_too_few_plugs_show_as_waits():
    poor = week(plugs=1)
    assert poor.result.value("wait_mean_min") > 30.0
    assert poor.result.value("plug_utilisation") > 0.9
    assert poor.result.value("queue_mean") > 1.0
    assert poor.result.value("missed_share") > 0.5


def test_ice_costs_energy_and_no_other_random_number(usual):
    none, always = week(ice=0.0), week(ice=1.0)
    assert none.result.value("deicing_kwh") == none.result.value("deiced") == 0.0
    assert always.result.value("deiced") == pytest.approx(0.8 * 420, rel=0.1)
    # 10 minutes of 1 kWh each over the efficiency
    assert always.result.value("deicing_kwh") == pytest.approx(always.result.value("deiced") * 10.0 / 0.9, rel=0.1)
    assert always.result.value("equipment_kwh") > none.result.value("equipment_kwh") + 0.8 * always.result.value("deicing_kwh")
    assert none.turnarounds["arrive_min"].equals(usual.turnarounds["arrive_min"])


def test_at_night_only_means_at_night_only():
    night = week(rule=NIGHT)
    begun = night.result.sessions.filter(pl.col("start_min").is_not_null())
    hours = (begun["start_min"] % DAY_MIN) / 60.0
    assert begun.height > 50
    assert (hours.is_between(0.0, 6.0) | (hours >= 23.0)).all()
    ends = (begun["end_min"].drop_nulls() % DAY_MIN) / 60.0
    assert (ends.is_between(0.0, 6.0 + 1e-6) | (ends >= 23.0)).all()
    unpowered = week(rule=NIGHT, power=POWER)
    by_day = unpowered.result.load_kw.reshape(2, 7, 96)
    assert by_day[:, :, 6 * 4 : 23 * 4].max() == pytest.approx(0.0, abs=1e-9)
    assert by_day.max() > 50.0


@settings(max_examples=12, deadline=None)
@given(
    units=st.tuples(*(st.integers(0, 12) for _ in range(4))),
    plugs=st.integers(0, 8),
    night=st.booleans(),
    electric=st.sampled_from([None, 0, 2]),
    seed=st.integers(0, 1000),
)
def test_energy_and_units_are_conserved_in_every_week(units, plugs, night, electric, seed):
    traffic = replace(TRAFFIC, turnarounds_per_day=(15.0,) * 8)
    found = week(fleet(*units, electric=electric), NIGHT if night else RULE, plugs, traffic, seeds=[np.random.SeedSequence(seed)])
    assert found.result.checks["passed"].all()
    assert found.turnarounds["delay_min"].drop_nulls().min() >= 0.0
    late = found.turnarounds.filter(pl.col("delay_min") > 0.0)
    assert (late["cause"] != "").all()
    assert set(found.result.blocks["state"].unique()) <= {"done", "missed", "waiting"}


def test_bad_input():
    with pytest.raises(BlockError, match="a task of 9 kWh begun at 100% of 10 kWh ends below the reserve of 15%"):
        by_hand(flights((60, 100)), tools=truck(kwh_per_min=0.45), rule=RULE)
    with pytest.raises(BlockError, match="needs hourly_share"):
        simulate_airport(TRAFFIC, Handling(TASKS, POWER), fleet(), Plugs(5, 20.0, 0.9), RULE, seeds=SEEDS)
    with pytest.raises(BlockError, match="size is 'narrow'; there are wide"):
        by_hand(flights((60, 100)), tasks={"wide": FILL["narrow"]})
    for change in ({"reserve_soc": 1.0}, {"tolerance_min": -1.0}, {"window_h": (5.0, 5.0)}, {"window_h": (-1.0, 5.0)}):
        with pytest.raises(BlockError, match=next(iter(change))):
            replace(RULE, **change)


# --- how much is enough -------------------------------------------------------------------------------------------------------------

LIMITS = ServiceLimits(missed_share=0.02, delay_mean_min=0.3)
FEW = replace(TRAFFIC, turnarounds_per_day=(25.0,) * 8)


def sized(rule):
    def run(tools, plugs):
        return week(tools, rule, plugs.count, FEW, seeds=SEEDS[:1])

    return required_equipment(run, fleet(2, 4, 1, 1), Plugs(1, 20.0, 0.9), LIMITS), run


@pytest.fixture(scope="module")
def gaps():
    return sized(RULE)


def test_one_less_of_anything_breaks_a_limit(gaps):
    found, run = gaps
    assert found.feasible
    assert LIMITS.excess(found.found) <= 1.0
    rich = replace(found.plugs, count=found.units)
    for k, item in enumerate(found.equipment):
        if item.units:
            fewer = [replace(e, units=e.units - (i == k)) for i, e in enumerate(found.equipment)]
            assert LIMITS.excess(run(fewer, rich)) > 1.0, item.kind
    assert LIMITS.excess(run(found.equipment, replace(found.plugs, count=found.plugs.count - 1))) > 1.0
    assert found.evaluations < 60


def test_charging_at_night_only_needs_more_units(gaps):
    night, _ = sized(NIGHT)
    assert night.feasible
    assert night.units > gaps[0].units


def test_limits_and_fleets_that_cannot_be():
    with pytest.raises(FleetError, match="must be positive"):
        ServiceLimits(0.0, 1.0)
    with pytest.raises(FleetError, match="no equipment"):
        required_equipment(lambda _, __: week(), [], Plugs(1, 20.0, 0.9), LIMITS)
