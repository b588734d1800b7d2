"""Published cases held against the model: what is reproduced, what a mode that is taken away does, and refusals."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from transport.cities.cases import OUTCOMES, TABLE, published_cases

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.params import Params


@pytest.fixture(scope="module")
def params(inputs: Inputs) -> Params:
    return inputs.params(draws=1)


def with_cases(inputs: Inputs, rows: pl.DataFrame) -> Inputs:
    return replace(inputs, tables={**inputs.tables, TABLE: rows})


def figures(inputs: Inputs, params: Params, rows: pl.DataFrame | None = None) -> dict[str, dict[str, Any]]:
    """Return item -> row of the cases."""
    data = inputs if rows is None else with_cases(inputs, rows)
    return {row["item"]: row for row in published_cases(data, params).iter_rows(named=True)}


def test_riders_that_a_ban_on_cars_sends_to_transit_are_reproduced(inputs: Inputs, params: Params) -> None:
    """Beijing, August 2007, four days with every second car barred: 15 % more passengers by two reports; nothing was fitted to it."""
    row = figures(inputs, params)["beijing_test_2007.transit_trips"]
    assert row["published"] == 15.0
    assert row["low"] <= row["modelled"] <= row["high"]
    width = row["high"] - row["low"]
    assert min(row["modelled"] - row["low"], row["high"] - row["modelled"]) > 0.05 * width, "not at the edge"


def test_misses_of_the_documentation_are_misses(inputs: Inputs, params: Params) -> None:
    """What docs/model.md calls outside lies outside; whoever mends one changes the table there too."""
    found = figures(inputs, params)
    missed = {item for item, row in found.items() if not row["low"] <= row["modelled"] <= row["high"]}
    assert missed == {
        "beijing_apec_2014.transit_share",
        "beijing_apec_2014.car_speed",
        "beijing_fare_2014.metro_trips",
        "beijing_olympics_2008.car_speed",
        "beijing_test_2007.road_traffic",
        "beijing_test_2007.car_speed",
        "beijing_bus_fare_2007.bus_trips",
        "changning_free_bus_2008.bus_trips",
        "kunming_e_bikes_2012.e_bike_to_bus",
        "kunming_e_bikes_2012.e_bike_to_cycle",
    }


def test_riders_of_a_mode_that_is_taken_away_are_all_found_again(inputs: Inputs, params: Params) -> None:
    """Bus, cars and bicycle take no more than all of them, and each takes some; the rest walks or takes what else there is."""
    found = figures(inputs, params)
    parts = [found[f"kunming_e_bikes_2012.e_bike_to_{mode}"]["modelled"] for mode in ("bus", "car", "cycle")]
    assert min(parts) > 0.0
    assert sum(parts) < 100.0
    still = inputs.table(TABLE).filter(pl.col("kind") != "unavailable")
    for mode in ("bus", "car", "cycle"):
        assert figures(inputs, params, still)[f"kunming_e_bikes_2012.e_bike_to_{mode}"]["modelled"] == pytest.approx(
            0.0, abs=1e-9
        )


def test_a_named_share_of_e_bikes_is_the_share_of_the_case(inputs: Inputs, params: Params) -> None:
    """All riders of a case without e-bikes of its own come from the bicycles that it names; with them from its own row."""
    rows = inputs.table(TABLE)
    twice = rows.with_columns(
        value=pl.when((pl.col("case") == "kunming_e_bikes_2012") & (pl.col("item") == "bus") & (pl.col("kind") == "share"))
        .then(pl.lit(0.5 * 36.0))
        .otherwise("value")
    )
    base, less = (figures(inputs, params, of)["kunming_e_bikes_2012.e_bike_to_bus"]["modelled"] for of in (rows, twice))
    assert less < base


def test_free_buses_bring_riders_where_no_metro_runs(inputs: Inputs, params: Params) -> None:
    found = figures(inputs, params)
    free, cut = (found[f"{case}.bus_trips"]["modelled"] for case in ("changning_free_bus_2008", "beijing_bus_fare_2007"))
    assert free > cut > 0.0


@pytest.mark.parametrize(("kind", "message"), [("share", "share of tram"), ("unavailable", "unavailable of tram")])
def test_an_unknown_mode_is_named(inputs: Inputs, params: Params, kind: str, message: str) -> None:
    rows = inputs.table(TABLE).with_columns(
        item=pl.when((pl.col("kind") == kind) & (pl.col("item") == "e_bike")).then(pl.lit("tram")).otherwise("item")
    )
    with pytest.raises(ValueError, match=message):
        published_cases(with_cases(inputs, rows), params)


def test_every_outcome_of_the_table_is_one_that_the_model_gives(inputs: Inputs) -> None:
    assert set(inputs.table(TABLE).filter(pl.col("kind") == "outcome")["item"]) <= set(OUTCOMES)
