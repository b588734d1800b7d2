"""The preferences since 2020: committed rows are what the fit gives, from any start, and targets that make no sense are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from transport.cities.refit import PREFERENCE, TABLE, refit_preferences
from transport.layout import YEARS, year_index
from transport.travel import model_travel

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.params import Params

#: Rows are written with three digits after the point.
WITHIN = 2e-3


@pytest.fixture(scope="module")
def params(inputs: Inputs) -> Params:
    return inputs.params(draws=1)


@pytest.fixture(scope="module")
def fitted(inputs: Inputs, params: Params) -> pl.DataFrame:
    return refit_preferences(inputs, params)


def with_targets(inputs: Inputs, **changed: pl.Expr) -> Inputs:
    return replace(inputs, tables={**inputs.tables, TABLE: inputs.table(TABLE).with_columns(**changed)})


def test_committed_preferences_follow_from_the_data(fitted: pl.DataFrame) -> None:
    """Whoever changes base shares, lengths, service or nests must fit again; the message says to which values."""
    off = fitted.filter((pl.col("row") / pl.col("fitted") - 1.0).abs() > WITHIN)
    assert off.is_empty(), f"put these values into {PREFERENCE}: {off.select('mode', 'year', pl.col('fitted').round(3)).rows()}"


def test_every_row_after_2019_has_a_target(inputs: Inputs, fitted: pl.DataFrame) -> None:
    rows = inputs.parameters.filter(pl.col("parameter") == PREFERENCE, pl.col("year") > 2019)
    assert sorted(rows.select("subject", "year").rows()) == sorted(fitted.select("mode", "year").rows())


def test_the_rows_give_the_boardings_that_they_are_fitted_to(inputs: Inputs, params: Params, fitted: pl.DataFrame) -> None:
    """Shenyang and Dalian, buses of 2021: 598.77 + 700 million boardings by the whole model of travel."""
    made = model_travel(inputs, params, ("210100", "210200"))
    trips = made.trips[:, made.modes.index("bus"), 0, year_index(2021)].sum()
    boardings = trips * params.get("boardings_per_trip", "bus")[0, year_index(2021)]
    assert boardings == pytest.approx(1.29877e9, rel=WITHIN)
    row = fitted.row(by_predicate=(pl.col("mode") == "bus") & (pl.col("year") == 2021), named=True)
    assert row["target"] == pytest.approx(trips, rel=WITHIN)


def test_another_start_leads_to_the_same_rows(inputs: Inputs, params: Params, fitted: pl.DataFrame) -> None:
    for mode in fitted["mode"].unique():
        params = params.replace(PREFERENCE, mode, np.ones((1, len(YEARS))))
    again = refit_preferences(inputs, params)
    assert again["row"].to_list() == [1.0] * again.height
    np.testing.assert_allclose(again["fitted"], fitted["fitted"], rtol=1e-5)


def test_more_boardings_take_a_higher_preference(inputs: Inputs, params: Params, fitted: pl.DataFrame) -> None:
    buses = (pl.col("mode") == "bus") & (pl.col("year") == 2020)
    more = refit_preferences(with_targets(inputs, value=pl.when(buses).then(pl.col("value") * 1.1).otherwise("value")), params)
    both = more.join(fitted, on=["mode", "year"], suffix="_before").filter(pl.col("year") == 2020)
    ratio = dict(both.select("mode", pl.col("fitted") / pl.col("fitted_before")).iter_rows())
    assert ratio["bus"] > 1.05
    assert ratio["metro"] > 1.0, "riders are taken from the metro, which needs more to keep its own"


@pytest.mark.parametrize("measure", ["passengers", "against", "per_km"])
def test_an_unknown_measure_is_named(inputs: Inputs, params: Params, measure: str) -> None:
    with pytest.raises(ValueError, match=f"bus in 2020 has the measure '{measure}'"):
        refit_preferences(with_targets(inputs, measure=pl.lit(measure)), params)


def test_a_year_without_a_target_is_no_base(inputs: Inputs, params: Params) -> None:
    with pytest.raises(ValueError, match="bus in 2022 is relative to 2025"):
        refit_preferences(with_targets(inputs, measure=pl.col("measure").replace("against_2021", "against_2025")), params)


def test_ridership_that_no_preference_gives_is_named(inputs: Inputs, params: Params) -> None:
    """More metro trips than residents make."""
    metro = (pl.col("mode") == "metro") & (pl.col("year") == 2020)
    much = with_targets(inputs, value=pl.when(metro).then(pl.lit(50.0)).otherwise("value"))
    with pytest.raises(ArithmeticError, match="ridership of metro in 2020"):
        refit_preferences(much, params)
