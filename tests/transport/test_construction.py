"""The side account of the infrastructure: by hand, and apart from every other account."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from transport import construction
from transport.infrastructure import paving_co2
from transport.layout import YEARS, year_index

if TYPE_CHECKING:
    from transport.inputs import Inputs

N = len(YEARS)


def test_new_expressways_by_hand(inputs: Inputs) -> None:
    """100 km in 2021 at 6,000 t/km: 600,000 t, and nothing in a year without growth."""
    length = np.full((1, N), 4000.0)
    length[:, year_index(2021) :] = 4100.0
    params = inputs.params().replace("road_length", "expressway", length)
    params = params.replace("construction_co2", "expressway", np.full((1, N), 6000.0))
    found = construction.construction_co2(inputs, params)["expressway"][0]
    assert found[year_index(2021)] == pytest.approx(600_000.0)
    assert found[year_index(2022)] == 0
    assert construction.new_length(inputs, params, "expressway")[0, 0] == 0


def test_lines_of_a_kind_are_added_and_closures_do_not_count(inputs: Inputs) -> None:
    params = inputs.params()
    grown = construction.new_length(inputs, params, "high_speed_line")[0]
    total = sum(params.get("high_speed_line_length", s)[0] for s in params.subjects("high_speed_line_length"))
    np.testing.assert_allclose(grown[1:], np.maximum(np.diff(total), 0.0))
    shrinking = params.replace("road_length", "trunk_road", np.linspace(2e4, 1e4, N)[None])
    assert not construction.new_length(inputs, shrinking, "trunk_road").any()


def test_paving_sums_to_its_indicator_and_recycling_only_saves(inputs: Inputs) -> None:
    params = inputs.params()
    table = construction.infrastructure_account(inputs, params)
    paving = (
        table.filter(pl.col("item") == "paving").group_by("year", maintain_order=True).agg(pl.col("t_co2").sum()).sort("year")
    )
    np.testing.assert_allclose(paving["t_co2"], paving_co2(params)[0], rtol=1e-12)
    assert (table.filter(pl.col("kind") == "recycled")["t_co2"] <= 0).all()
    assert (table.filter(pl.col("kind") != "recycled")["t_co2"] >= 0).all()
    more = params.replace("recycled_paving_share", "all", np.full((1, N), 0.9))
    after = construction.infrastructure_account(inputs, more)
    assert after["t_co2"].sum() < table["t_co2"].sum()


def test_every_kind_of_construction_has_a_row(inputs: Inputs) -> None:
    params = inputs.params()
    assert set(construction.construction_co2(inputs, params)) == set(params.subjects("construction_co2"))
