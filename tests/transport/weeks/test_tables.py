"""What belongs to a kWh in weeks with little energy, and the week that the response of the evening is taken from."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from fleets.records import year_rows
from fleets.replications import interval
from transport.weeks.tables import SUMMARY_SCHEMA, per_kwh
from transport.weeks.yearly import weighted_by, yearly_rules


def test_a_week_with_energy_has_the_mean_of_its_replications() -> None:
    found = per_kwh([5.0, 12.0, 21.0], [10.0, 20.0, 30.0], "CNY/kWh", 0.95)
    assert found == (*interval([0.5, 0.6, 0.7], 0.95), "CNY/kWh")


def test_replications_without_energy_have_no_price() -> None:
    """One ship in four weeks paid 0.7 CNY/kWh: that is the price, and not a quarter of it."""
    found = per_kwh([0.0, 70.0, 0.0, 0.0], [0.0, 100.0, 0.0, 0.0], "CNY/kWh", 0.95)
    assert found[:3] == pytest.approx((0.7, 0.7, 0.7))
    value, low, high, _ = per_kwh([0.0, 60.0, 40.0], [0.0, 100.0, 50.0], "CNY/kWh", 0.95)
    # residuals about 100 / 150 on a mean of 50 kWh: 0, -20/3 and 20/3
    half = 4.302653 * math.sqrt(2.0 * (20.0 / 3.0) ** 2 / 2.0) / 50.0 / math.sqrt(3.0)
    assert (value, low, high) == pytest.approx((2.0 / 3.0, 2.0 / 3.0 - half, 2.0 / 3.0 + half), rel=1e-6)
    assert per_kwh([0.0, 0.0], [0.0, 0.0], "CNY/kWh", 0.95)[:3] == (0.0, 0.0, 0.0)
    # a share keeps to 0 to 1
    share = per_kwh([0.0, 90.0, 10.0], [0.0, 100.0, 50.0], "dimensionless", 0.95)
    assert share[1] == 0.0
    assert share[2] == 1.0


def test_the_response_is_that_of_the_evening_with_the_largest_load() -> None:
    weeks = {"winter": 10.0, "summer": 20.0}
    cells = {
        "winter": {"evening_kw_unmanaged": 100.0, "evening_kw": 90.0, "evening_response_kw": 10.0},
        "summer": {"evening_kw_unmanaged": 70.0, "evening_kw": 40.0, "evening_response_kw": 30.0},
    }
    rows = [
        ("taxi_city", week, "210100", "", metric, value, value - 1.0, value + 1.0, "kW", 5, 9, 1.0)
        for week, values in cells.items()
        for metric, value in values.items()
    ]
    frame = pl.DataFrame(rows, schema=SUMMARY_SCHEMA, orient="row")
    rules = {metric: rule for metric, rule in yearly_rules("taxi_city").items() if metric.startswith("evening")}
    year = {r["metric"]: (r["value"], r["low"], r["high"]) for r in year_rows(frame, weeks, rules).iter_rows(named=True)}
    assert year["evening_response_kw"] == (10.0, 9.0, 11.0)
    assert year["evening_kw_unmanaged"][0] - year["evening_kw"][0] == year["evening_response_kw"][0]
    # without the metric that leads there is no year
    alone = year_rows(frame.filter(pl.col("metric") == "evening_response_kw"), weeks, rules)
    assert alone.is_empty()


def test_only_means_are_weighted_by_another_metric() -> None:
    found = {metric: weighted_by(metric, rule) for metric, rule in yearly_rules("taxi_city").items()}
    assert found["evening_response_kw"] == "evening_response_kw"
    assert (found["km"], found["peak_kw"], found["lost_km_share"]) == ("km", "peak_kw", "km")
    assert np.isin(list(set(found.values())), list(found)).all()
