"""The electricity bill by hand: time-of-use energy and a demand charge for each calendar month."""

from datetime import datetime

import numpy as np
import polars as pl
import pytest

from fleets.errors import TariffError
from fleets.tariff import clock_min, energy_bill, make_tariff

PRICE = {"flat": 1.0, "peak": 1.5, "valley": 0.5}


def periods(rows=None):
    rows = rows or [
        ("00:00", "06:00", "valley"),
        ("06:00", "17:00", "flat"),
        ("17:00", "22:00", "peak"),
        ("22:00", "24:00", "valley"),
    ]
    return pl.DataFrame([(m, *r) for m in range(1, 13) for r in rows], schema=["month", "start", "end", "period"], orient="row")


def tariff(demand=0.0, interval=15, **more):
    return make_tariff(periods(**more), PRICE, demand_cny_per_kw_month=demand, demand_interval_min=interval)


def test_one_day_by_hand():
    # 100 kW all day: 8 h valley, 11 h flat, 5 h peak -> 800 x 0.5 + 1100 x 1 + 500 x 1.5 = 2250
    bill = energy_bill(np.full(96, 100.0), datetime(2030, 3, 4), tariff(), step_min=15)
    assert bill.kwh == pytest.approx(2400.0)
    assert bill.energy_cny == pytest.approx(2250.0)
    by_period = dict(zip(bill.energy["period"].to_list(), bill.energy["kwh"].to_list(), strict=True))
    assert by_period == pytest.approx({"flat": 1100.0, "peak": 500.0, "valley": 800.0})


def test_a_step_over_a_boundary_is_split_by_its_minutes():
    rows = [("00:00", "17:30", "flat"), ("17:30", "24:00", "peak")]
    hourly = np.zeros(24)
    hourly[17] = 60.0
    bill = energy_bill(hourly, datetime(2030, 3, 4), tariff(rows=rows), step_min=60)
    assert bill.energy.sort("period")["kwh"].to_list() == pytest.approx([30.0, 30.0, 0.0])
    assert bill.energy_cny == pytest.approx(30.0 + 45.0)


def test_demand_is_charged_on_each_month_own_peak():
    # 30 January to 2 February: 50 kW, one hour at 200 kW in January, one at 120 kW in February
    load = np.full(4 * 24, 50.0)
    load[10] = 200.0
    load[3 * 24 + 10] = 120.0
    bill = energy_bill(load, datetime(2030, 1, 30), tariff(demand=33.0), step_min=60)
    assert bill.demand["peak_kw"].to_list() == [200.0, 120.0]
    assert bill.demand_cny == pytest.approx(33.0 * (200.0 + 120.0))
    assert bill.total_cny == pytest.approx(bill.energy_cny + bill.demand_cny)
    # the whole-run peak in both months would be 2 x 200
    assert bill.demand_cny < 33.0 * 400.0


def test_demand_averages_over_the_interval():
    load = np.zeros(96 * 3)
    load[0] = 90.0  # five minutes at 90 kW are 30 kW over a quarter of an hour
    bill = energy_bill(load, datetime(2030, 1, 1), tariff(demand=10.0), step_min=5)
    assert bill.demand["peak_kw"].to_list() == pytest.approx([30.0])


def test_seasons_differ_by_month():
    table = periods().with_columns(
        pl.when((pl.col("month") == 7) & (pl.col("period") == "peak")).then(pl.lit("flat")).otherwise("period").alias("period")
    )
    made = make_tariff(table, PRICE, demand_cny_per_kw_month=0.0, demand_interval_min=15)
    june, july = (energy_bill(np.full(24, 10.0), datetime(2030, m, 3), made, step_min=60).energy_cny for m in (6, 7))
    assert june - july == pytest.approx(5 * 10.0 * 0.5)


def test_windows_join_over_midnight():
    assert tariff().windows("valley", 1) == ((1320, 1800),)
    assert tariff().windows("peak", 1) == ((1020, 1320),)
    assert clock_min("24:00") == 1440
    wrapped = [("22:00", "06:00", "valley"), ("06:00", "22:00", "flat")]
    assert tariff(rows=wrapped).windows("valley", 5) == ((1320, 1800),)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("00:00", "12:00", "flat")], "no period at 12:00"),
        ([("00:00", "24:00", "flat"), ("10:00", "11:00", "peak")], "overlaps"),
        ([("00:00", "24:00", "night")], "no price"),
        ([("00:00", "25:00", "flat")], "HH:MM"),
    ],
)
def test_bad_tables(rows, words):
    with pytest.raises(TariffError, match=words):
        tariff(rows=rows)


def test_bad_loads():
    with pytest.raises(TariffError, match="not negative"):
        energy_bill([1.0, -1.0], datetime(2030, 1, 1), tariff(), step_min=60)
    with pytest.raises(TariffError, match="divide a day"):
        energy_bill([1.0], datetime(2030, 1, 1), tariff(), step_min=7)
    with pytest.raises(TariffError, match="full step"):
        energy_bill([1.0], datetime(2030, 1, 1, 0, 30), tariff(), step_min=60)
    with pytest.raises(TariffError, match="at least one step"):
        energy_bill([], datetime(2030, 1, 1), tariff(), step_min=60)
