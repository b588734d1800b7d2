"""The linear programmes: one session, two that overlap, a case by hand, and no schedule of anybody below them."""

from datetime import datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleets.bill import as_tariff, energy_bill
from fleets.errors import ChargingError
from fleets.load_bound import bill_bound, critical_window, gap_share, peak_bound, stays

MONDAY = datetime(2030, 1, 7)


def sessions(*rows):
    return pl.DataFrame(rows, schema=["arrive_min", "leave_min", "energy_kwh", "max_kw"], orient="row")


def test_one_vehicle_charges_evenly():
    bound = peak_bound(sessions((0, 240, 60, 100)))
    assert bound.peak_kw == pytest.approx(15.0)
    assert bound.load_kw == pytest.approx(np.full(16, 15.0))
    # in less than the stay at its own limit, and through an efficiency
    assert peak_bound(sessions((0, 60, 50, 50))).peak_kw == pytest.approx(50.0)
    assert peak_bound(sessions((0, 240, 60, 100)), efficiency=0.75).peak_kw == pytest.approx(20.0)


def test_two_that_overlap_make_room_for_each_other():
    # the second needs 40 kW over its hour; the first gives way and charges 60 kWh in its two other hours at 30 kW
    assert peak_bound(sessions((0, 180, 60, 100), (60, 120, 40, 100))).peak_kw == pytest.approx(40.0)
    # with a limit of 20 kW the first can put 40 kWh into those hours and 20 kW fall on the second
    assert peak_bound(sessions((0, 180, 60, 20), (60, 120, 40, 100))).peak_kw == pytest.approx(60.0)


def test_three_by_hand():
    # the last two hours hold the second and third, 80 + 40 kWh: 60 kW; the first fits before them
    rows = sessions((0, 120, 90, 60), (120, 240, 80, 60), (180, 240, 40, 60))
    assert peak_bound(rows).peak_kw == pytest.approx(60.0)
    assert critical_window(rows) == pytest.approx((120.0, 240.0, 60.0))
    # 90 kWh in the first two hours need 45 kW even if nobody came after
    assert peak_bound(rows.head(1)).peak_kw == pytest.approx(45.0)


def test_steps_hold_the_mean_of_a_part():
    # 7.5 min in each of two steps: the meter sees 60 kWh/h x 0.125 h in a quarter of an hour
    assert peak_bound(sessions((7.5, 22.5, 15, 60))).peak_kw == pytest.approx(30.0)
    assert peak_bound(sessions((7.5, 22.5, 15, 60)), step_min=5).peak_kw == pytest.approx(60.0)


def test_load_that_is_there_anyway_and_plugs():
    two = sessions((0, 60, 10, 100))
    assert peak_bound(two, base_kw=[40, 0, 0, 0]).peak_kw == pytest.approx(40.0)
    assert peak_bound(two, base_kw=[40, 40, 40, 0]).load_kw == pytest.approx([40, 40, 40, 40])
    both = sessions((0, 60, 60, 100), (0, 60, 40, 100))
    assert peak_bound(both, plugs=1).peak_kw == pytest.approx(100.0)
    with pytest.raises(ChargingError, match="cannot all be served with 1 plugs"):
        peak_bound(sessions((0, 60, 60, 100), (0, 60, 50, 100)), plugs=1)


def test_the_cheapest_bill_by_hand():
    night = as_tariff({"valley": 0.3, "flat": 0.7}, periods=["valley"] * 6 + ["flat"] * 18)
    # 5:00 to 8:00, 100 kWh at 60 kW: 60 kWh in the valley, 40 after it
    rows = sessions((300, 480, 100, 60))
    bound = bill_bound(rows, night, start=MONDAY)
    assert bound.energy_cny == pytest.approx(60 * 0.3 + 40 * 0.7)
    assert bound.total_cny == bound.energy_cny
    assert bill_bound(rows, night, start=MONDAY, feeder_kw=40.0).energy_cny == pytest.approx(40 * 0.3 + 60 * 0.7)
    # a dear peak evens the load out: 33.3 kW over the three hours
    dear = as_tariff(night)
    dear = type(dear)(dear.period_of_minute, dear.periods, dear.price_cny_per_kwh, 100.0, 15)
    flat = bill_bound(rows, dear, start=MONDAY)
    assert flat.peak_kw == pytest.approx(100.0 / 3.0)
    assert flat.demand_cny == pytest.approx(100.0 * 100.0 / 3.0)
    # the bill of its load is what the tool for bills says
    again = energy_bill(flat.load_kw, dear, start=datetime(2030, 1, 7, 5), step_min=15)
    assert again.total_cny == pytest.approx(flat.total_cny)


def test_a_demand_charge_for_each_month():
    flat = as_tariff(0.5)
    two = type(flat)(flat.period_of_minute, flat.periods, flat.price_cny_per_kwh, 10.0, 15)
    # from 22:00 on 31 January to 02:00: two months, each with its own peak of 25 kW
    bound = bill_bound(sessions((1320, 1560, 100, 60)), two, start=datetime(2030, 1, 31))
    assert bound.demand_cny + bound.energy_cny == pytest.approx(50.0 + min(2 * 25.0, 50.0) * 10.0)


session_rows = st.lists(
    st.tuples(st.integers(0, 600), st.integers(15, 400), st.floats(0.05, 1.0), st.sampled_from([20.0, 50.0, 110.0])),
    min_size=1,
    max_size=8,
)


@given(session_rows)
def test_no_schedule_is_below_the_bound(drawn):
    """At once, as late as can be and evenly: all deliver the same energy, none has a lower peak."""
    rows = [(a, a + n, s * p * n / 60.0, p) for a, n, s, p in drawn]
    table = sessions(*rows)
    bound = peak_bound(table)
    assert bound.load_kw.sum() / 4.0 == pytest.approx(sum(r[2] for r in rows))
    assert bound.load_kw.max() == pytest.approx(bound.peak_kw, abs=1e-6)
    minutes = np.arange(0, 1005)
    for rule in ("at once", "late", "evenly"):
        load = np.zeros(1005 * 1)
        for arrive, leave, kwh, kw in rows:
            span = kwh / kw * 60.0
            low, high, power = {
                "at once": (arrive, arrive + span, kw),
                "late": (leave - span, leave, kw),
                "evenly": (arrive, leave, kwh * 60.0 / (leave - arrive)),
            }[rule]
            load += power * np.clip(np.minimum(high, minutes + 1) - np.maximum(low, minutes), 0.0, 1.0)
        peak = load.reshape(-1, 15).mean(axis=1).max()
        assert peak >= bound.peak_kw - 1e-6
        assert gap_share(peak, bound.peak_kw) >= -1e-9
    begin, end, power = critical_window(table)
    assert power <= bound.peak_kw + 1e-6
    # a bound of some sessions is one of all
    part = table.filter((pl.col("arrive_min") < end) & (pl.col("leave_min") > begin))
    assert peak_bound(part).peak_kw <= bound.peak_kw + 1e-6


@given(session_rows, st.integers(0, 23))
def test_no_bill_is_below_the_bound(drawn, hour):
    rows = [(a, a + n, s * p * n / 60.0, p) for a, n, s, p in drawn]
    tariff = as_tariff({"dear": 1.0, "cheap": 0.2}, periods=["cheap" if h % 7 == hour % 7 else "dear" for h in range(24)])
    bound = bill_bound(sessions(*rows), tariff, start=MONDAY)
    load = np.zeros(1440)
    for arrive, leave, kwh, _ in rows:
        load[arrive:leave] += kwh * 60.0 / (leave - arrive)
    bill = energy_bill(load, tariff, start=MONDAY, step_min=1)
    assert bill.kwh == pytest.approx(bound.load_kw.sum() / 4.0)
    assert bill.energy_cny >= bound.energy_cny - 1e-6
    assert 0.2 * bill.kwh - 1e-6 <= bound.energy_cny <= bill.kwh + 1e-6


def test_nothing_to_charge():
    assert peak_bound(sessions((0, 60, 0, 50))).peak_kw == 0.0
    assert peak_bound([]).load_kw.size == 0
    assert critical_window([]) == (0.0, 0.0, 0.0)
    assert gap_share(5.0, 0.0) == 0.0
    assert bill_bound([], as_tariff(0.5)).total_cny == 0.0


def test_stays_reach_from_return_to_departure():
    blocks = pl.DataFrame({"vehicle": [0, 0, 1], "start_min": [0.0, 300.0, 10.0], "end_min": [100.0, 400.0, 90.0]})
    visits = pl.DataFrame(
        {"vehicle": [0, 0, 0, 1], "arrive_min": [150.0, 200.0, 410.0, 100.0], "stored_kwh": [10.0, 5.0, 7.0, 0.0]}
    )
    table = stays(blocks, visits, max_kw=60.0, turnaround_min=10.0, end_min=1440.0)
    assert table.select("vehicle", "arrive_min", "leave_min", "energy_kwh").rows() == [
        (0, 110.0, 300.0, 15.0),
        (0, 410.0, 1440.0, 7.0),
    ]


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([(0, 30, 60, 100)], {}, "row 0 asks 60 kWh between 0 and 30 min at up to 100 kW, which gives at most 50 kWh"),
        ([(0, float("inf"), 60, 100)], {}, "session in row 0"),
        ([(0, 60, -1, 100)], {}, "energy_kwh in row 0 is -1"),
        ([(0, 60, 10, 100)], {"step_min": 0}, "step_min=0 must be 1 or more"),
        ([(0, 60, 10, 100)], {"efficiency": 1.5}, "efficiency=1.5"),
        ([(0, 60, 10, 100)], {"base_kw": [1.0]}, "base_kw needs 4 values"),
    ],
)
def test_bad_input(rows, options, message):
    with pytest.raises(ChargingError, match=message):
        peak_bound(sessions(*[tuple(float(v) for v in r) for r in rows]), **options)
    with pytest.raises(ChargingError, match="column max_kw is missing"):
        peak_bound({"arrive_min": [0], "leave_min": [1], "energy_kwh": [0]})
