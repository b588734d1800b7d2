"""Which input drives the share: swings against runs of the whole model, rank correlations against known answers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from tests.transport.test_city_needs import AT, JINZHOU, SHENYANG, whole
from transport.city_case import city_cases, keys_read
from transport.city_drivers import WEAK, _correlation, city_drivers
from transport.scenario import load_scenario

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.scenario import Scenario

DRAWS = 30


@pytest.fixture(scope="module")
def plan(inputs: Inputs) -> Scenario:
    return load_scenario("plan_2030", inputs.folder, inputs.levers)


@pytest.fixture(scope="module")
def drivers(inputs: Inputs, plan: Scenario) -> pl.DataFrame:
    return city_drivers(inputs, plan, [JINZHOU], 2030, draws=DRAWS)


def at_end(inputs: Inputs, key: tuple[str, str], end: str) -> Inputs:
    """Return inputs with the rows of one key at an end of their range."""
    here = (pl.col("parameter") == key[0]) & (pl.col("subject") == key[1])
    moved = pl.when(here).then(pl.coalesce(end, "value")).otherwise(pl.col("value"))
    return replace(inputs, parameters=inputs.parameters.with_columns(value=moved))


@pytest.mark.parametrize(
    "key",
    [
        ("travel_base_share", "210700.car"),
        ("travel_elasticity", "parking_cost"),  # under a lever of the plan
        ("vehicle_stock", "private_car"),  # many years move together
        ("province_population", "all"),
    ],
)
def test_a_swing_is_the_distance_of_two_runs_of_the_whole_model(
    key: tuple[str, str], drivers: pl.DataFrame, inputs: Inputs, plan: Scenario
) -> None:
    found = drivers.filter(pl.col("parameter") == key[0], pl.col("subject") == key[1])
    shares = {
        end: 100.0 * whole(at_end(inputs, key, end), plan, JINZHOU).green_share[0, 0, AT] for end in ("low", "high", "value")
    }
    if found.is_empty():  # the input has no range
        assert shares["low"] == shares["high"]
        return
    row = found.row(0, named=True)
    assert (row["share_low_pct"], row["share_high_pct"]) == pytest.approx((shares["low"], shares["high"]), rel=1e-12)
    assert row["swing_points"] == pytest.approx(max(shares.values()) - min(shares.values()), rel=1e-9, abs=1e-12)


def test_more_cars_mean_less_green_travel(drivers: pl.DataFrame) -> None:
    car = drivers.filter(pl.col("subject") == "210700.car").row(0, named=True)
    assert car["share_high_pct"] < car["share_low_pct"]
    assert car["rank_correlation"] < 0.0
    assert (car["low"], car["value"], car["high"]) == (10.0, 15.0, 21.0)


def test_an_input_that_is_not_read_has_no_swing(drivers: pl.DataFrame, inputs: Inputs, plan: Scenario) -> None:
    (case,) = city_cases(inputs, plan, [JINZHOU], 2030, draws=1)
    read = keys_read(case)
    assert ("travel_base_share", "210700.car") in read
    assert ("travel_base_share", "210100.car") not in read
    assert drivers.filter(pl.col("subject").str.starts_with("210100")).is_empty()
    other = case.bare.get("travel_base_share", "210100.car") * 1.5
    now = float(case.shares([({}, 0)])[0])
    assert case.shares_with([(("travel_base_share", "210100.car"), other)]).tolist() == [now]
    mine = case.bare.get("travel_base_share", "210700.car") * 1.5
    assert case.shares_with([(("travel_base_share", "210700.car"), mine)])[0] < now


def test_every_ranged_input_that_is_read_has_a_row(drivers: pl.DataFrame, inputs: Inputs, plan: Scenario) -> None:
    (case,) = city_cases(inputs, plan, [JINZHOU], 2030, draws=1)
    ranged = inputs.parameters.filter(pl.col("low") < pl.col("high")).select("parameter", "subject").unique().rows()
    wanted = set(ranged) & set(keys_read(case))
    assert wanted <= set(drivers.select("parameter", "subject").iter_rows())
    assert {"travel_base_share", "travel_elasticity", "vehicle_stock"} <= {p for p, _ in wanted}


def test_ranks_and_the_list_of_what_to_replace(drivers: pl.DataFrame) -> None:
    assert drivers["rank_swing"].to_list() == list(range(1, drivers.height + 1))
    assert drivers["swing_points"].is_sorted(descending=True)
    assert (drivers["swing_points"] >= 0.0).all()
    known = drivers.filter(pl.col("rank_correlation").is_not_null())
    assert known["rank_correlation"].abs().max() <= 1.0
    assert sorted(known["rank_correlated"].to_list()) == list(range(1, known.height + 1))
    first = drivers.filter(pl.col("replace_first").is_not_null())
    assert set(first["quality"]) <= set(WEAK)
    assert first["replace_first"].to_list() == list(range(1, first.height + 1))
    assert drivers.filter(pl.col("quality").is_in(WEAK), pl.col("swing_points") > 1e-9).height == first.height
    # what swings most must show in the draws as well, whatever their number
    top = drivers.row(0, named=True)
    assert abs(top["rank_correlation"]) > 2.0 / np.sqrt(DRAWS - 1)


def test_a_row_by_area_carries_the_rows_that_hold_everywhere(inputs: Inputs, plan: Scenario) -> None:
    # a lever of one city gives it values of its own, which start from the rows of all
    here = replace(plan, settings={**plan.settings, "bus_priority@210700": 0.4})
    found = city_drivers(inputs, here, [JINZHOU], 2030, draws=1)
    row = found.filter(pl.col("parameter") == "bus_lane_share").row(0, named=True)
    assert row["subject"] == "all"
    assert row["swing_points"] > 0.0
    assert found["rank_correlation"].null_count() == found.height  # one draw


def test_rank_correlations_with_known_answers() -> None:
    shares = np.array([1.0, 2.0, 3.0, 4.0])
    # a quantile moves all years alike: the year that scatters counts
    rising = np.stack([np.ones(4), np.array([1.0, 10.0, 100.0, 1000.0])], axis=1)
    assert _correlation(rising, shares) == pytest.approx(1.0)
    assert _correlation(-rising, shares) == pytest.approx(-1.0)
    assert _correlation(np.array([[1.0], [2.0], [4.0], [3.0]]), shares) == pytest.approx(0.8)
    assert _correlation(np.ones((4, 2)), shares) is None


def test_cities_come_one_after_the_other(inputs: Inputs, plan: Scenario) -> None:
    told: list[tuple[int, int, str]] = []
    both = city_drivers(inputs, plan, [SHENYANG, JINZHOU], 2030, draws=1, progress=lambda *x: told.append(x))
    assert both["area"].unique(maintain_order=True).to_list() == [SHENYANG, JINZHOU]
    assert told == [(0, 2, "plan_2030 210100"), (1, 2, "plan_2030 210700"), (2, 2, "")]
    assert both.filter(pl.col("area") == SHENYANG, pl.col("subject") == "210100.car")["rank_swing"][0] <= 3
