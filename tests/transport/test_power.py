"""The grid factor follows its published values and then the non-fossil share."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from transport.layout import year_index
from transport.params import Lever, Params
from transport.power import grid_factor


def _params(claim: float = 0.0) -> Params:
    rows = [
        ("grid_factor", 2020, 0.5876),
        ("grid_factor", 2021, 0.5876),
        ("grid_factor", 2022, 0.5626),
        ("non_fossil_share", 2022, 0.40),
        ("non_fossil_share", 2030, 0.55),
        ("green_power_claim", None, claim),
    ]
    return Params.from_frame(
        pl.DataFrame(
            {
                "parameter": [r[0] for r in rows],
                "subject": ["all"] * len(rows),
                "year": [r[1] for r in rows],
                "value": [r[2] for r in rows],
                "low": [None] * len(rows),
                "high": [None] * len(rows),
                "distribution": ["fixed"] * len(rows),
                "unit": ["x"] * len(rows),
            },
            schema_overrides={"low": pl.Float64, "high": pl.Float64},
        )
    )


def test_published_years_and_the_path_after_the_anchor() -> None:
    factor = grid_factor(_params())[0]
    assert factor[year_index(2015)] == 0.5876
    assert factor[year_index(2022)] == 0.5626
    assert factor[year_index(2030)] == pytest.approx(0.5626 / 0.6 * 0.45)


def test_claims_are_off_by_default_and_scale_the_factor() -> None:
    assert grid_factor(_params(0.25))[0, -1] == pytest.approx(0.75 * grid_factor(_params())[0, -1])


def test_more_non_fossil_power_never_raises_the_factor_and_leaves_the_past() -> None:
    lever = Lever("n", "non_fossil_share", "all", "add", -0.3, 0.4, 0.0)
    before, after = grid_factor(_params())[0], grid_factor(_params().with_levers([(lever, {2030: 0.1})]))[0]
    np.testing.assert_array_equal(before[: year_index(2022) + 1], after[: year_index(2022) + 1])
    assert (after[year_index(2023) :] < before[year_index(2023) :]).all()
