"""The bill in every form a caller may hand in: one price, hourly prices, periods, tables; demand or capacity; months."""

from datetime import datetime

import numpy as np
import polars as pl
import pytest

import fleets
from fleets.bill import as_tariff, energy_bill
from fleets.errors import TariffError
from fleets.tariff import make_tariff

HOURS = ["valley"] * 6 + ["flat"] * 11 + ["peak"] * 3 + ["sharp"] * 2 + ["valley"] * 2
PRICES = {"sharp": 1.2, "peak": 1.0, "flat": 0.7, "valley": 0.3}
#: 24 hours at 100 kW: 8 h valley, 11 h flat, 3 h peak, 2 h sharp.
DAY_CNY = 100.0 * (8 * 0.3 + 11 * 0.7 + 3 * 1.0 + 2 * 1.2)
TABLE = pl.DataFrame(
    [
        ("22:00", "06:00", "valley", 0.3),
        ("06:00", "17:00", "flat", 0.7),
        ("17:00", "20:00", "peak", 1.0),
        ("20:00", "22:00", "sharp", 1.2),
    ],
    schema=["start", "end", "period", "price_cny_per_kwh"],
    orient="row",
)


@pytest.mark.parametrize(
    ("tariff", "periods"),
    [
        (PRICES, HOURS),
        ([PRICES[h] for h in HOURS], None),
        (np.repeat([PRICES[h] for h in HOURS], 4), None),
        (TABLE, None),
        (TABLE.drop("period").rename({"price_cny_per_kwh": "price"}), None),
        (TABLE.with_columns(start=pl.Series([22, 6, 17, 20]), end=pl.Series([6, 17, 20, 22])), None),
        (TABLE.to_dicts(), None),
        (PRICES, TABLE.select("start", "end", "period")),
        (as_tariff(TABLE), None),
    ],
)
def test_every_form_gives_the_same_bill(tariff, periods):
    bill = energy_bill([100] * 24, tariff, periods=periods)
    assert bill.kwh == pytest.approx(2400.0)
    assert bill.energy_cny == pytest.approx(DAY_CNY)
    assert bill.total_cny == bill.energy_cny
    assert fleets.energy_bill is energy_bill


def test_every_form_of_the_load():
    quarter = pl.DataFrame({"start_min": np.arange(96) * 15, "kw": np.full(96, 100.0)})
    for load, more in (
        (quarter, {}),
        (quarter.sample(fraction=1.0, shuffle=True, seed=1), {}),
        (quarter.rename({"start_min": "minute", "kw": "load_kw"}), {}),
        (quarter.select("start_min", kwh=pl.col("kw") / 4), {}),
        ({"kw": [100] * 48}, {"step_min": 30}),
        (np.full(96, 100.0), {"step_min": 15}),
        (pl.Series([100] * 24), {}),
    ):
        assert energy_bill(load, PRICES, periods=HOURS, **more).energy_cny == pytest.approx(DAY_CNY)
    # the load begins before minute 0, in the evening before
    evening = energy_bill({"start_min": [-120, -60], "kw": [10, 10]}, PRICES, periods=HOURS)
    assert evening.energy_cny == pytest.approx(20 * 0.3)
    assert energy_bill([], 0.5).total_cny == 0.0


def test_the_load_of_a_depot():
    day = {"start_min": [0], "end_min": [100], "kwh": [45]}
    run = fleets.simulate_depot(day, vehicles=1, plugs=1, efficiency=0.9)
    for load in (run, run.load):
        bill = energy_bill(load, 2.0)
        assert bill.kwh == pytest.approx(50.0)
        assert bill.total_cny == pytest.approx(100.0)


def test_demand_or_capacity_month_by_month():
    load = np.full(24 * 4, 50.0)
    load[10], load[3 * 24 + 10] = 200.0, 120.0
    bill = energy_bill(load, 1.0, start=datetime(2030, 1, 30), demand_cny_per_kw_month=33.0, demand_interval_min=60)
    assert bill.demand["peak_kw"].to_list() == [200.0, 120.0]
    assert bill.demand_cny == pytest.approx(33.0 * 320.0)
    months = bill.months()
    assert months["total_cny"].sum() == pytest.approx(bill.total_cny)
    assert months["kwh"].sum() == pytest.approx(bill.kwh)
    by_size = energy_bill(load, 1.0, start=datetime(2030, 1, 30), capacity_cny_per_kva_month=22.0, capacity_kva=250)
    assert by_size.capacity_cny == pytest.approx(2 * 22.0 * 250)
    assert by_size.months()["capacity_cny"].to_list() == pytest.approx([5500.0, 5500.0])
    with pytest.raises(TariffError, match="demand or for capacity"):
        energy_bill(load, 1.0, demand_cny_per_kw_month=33.0, capacity_cny_per_kva_month=22.0)


def test_a_tariff_of_the_study():
    table = pl.DataFrame(
        [(m, "00:00", "24:00", "flat") for m in range(1, 13)], schema=["month", "start", "end", "period"], orient="row"
    )
    made = make_tariff(table, {"flat": 0.6}, demand_cny_per_kw_month=30.0, demand_interval_min=15)
    bill = energy_bill([10] * 24, made)
    assert (bill.energy_cny, bill.demand_cny) == pytest.approx((144.0, 300.0))


@pytest.mark.parametrize(
    ("load", "tariff", "more", "words"),
    [
        ([1.0, -1.0], 1.0, {}, "not negative"),
        ([1.0], -1.0, {}, "tariff=-1"),
        ([1.0], {"flat": 1.0, "peak": 2.0}, {}, "need periods"),
        ([1.0], [1.0] * 7, {}, "7 parts"),
        ([1.0], {"flat": 1.0}, {"periods": ["flat"] * 23 + ["peak"]}, "'peak' of month 1 has no price"),
        ([1.0], pl.DataFrame({"a": [1]}), {}, "start, end and price"),
        ([1.0], TABLE.head(3), {}, "no period at 20:00"),
        ([1.0], TABLE.with_columns(period=pl.lit("same")), {}, "two prices"),
        (pl.DataFrame({"x": [1.0]}), 1.0, {}, "kw or kwh"),
        (pl.DataFrame({"start_min": [0, 15, 45], "kw": [1, 1, 1]}), 1.0, {}, "even steps"),
        ("load", 1.0, {}, "list of kW"),
        ([1.0], "tariff", {}, "must be a table"),
    ],
)
def test_bad_input_is_named(load, tariff, more, words):
    with pytest.raises(TariffError, match=words):
        energy_bill(load, tariff, **more)
