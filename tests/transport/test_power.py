"""The grid factor follows its published values and then the non-fossil share."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from transport.layout import year_index
from transport.params import Lever, Params
from transport.power import grid_factor, hydrogen_factor


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


# --- hydrogen ----------------------------------------------------------------------------------------------------------------------------


def _hydrogen(**moved: float) -> Params:
    values = {
        ("upstream_hydrogen", "coal"): 20.0,
        ("upstream_hydrogen", "by_product"): 5.0,
        ("upstream_hydrogen", "grid_electrolysis"): 1.0,
        ("upstream_hydrogen", "renewable_electrolysis"): 2.0,
        ("hydrogen_electricity", "grid_electrolysis"): 50.0,
        ("hydrogen_pathway_share", "by_product"): 0.2,
        ("hydrogen_pathway_share", "grid_electrolysis"): 0.1,
        ("green_hydrogen_share", "all"): 0.0,
        ("upstream_electricity", "electricity"): 0.1,
    } | {(k.split("__")[0], k.split("__")[1]): v for k, v in moved.items()}
    arrays = {key: np.full((1, 21), value) for key, value in values.items()}
    return Params(arrays, {parameter: "x" for parameter, _ in values}, 1)


def test_hydrogen_by_hand() -> None:
    grid = np.full((1, 21), 0.5)
    # coal takes the remaining 0.7; electrolysis 1 + 50 kWh x 0.5 x 1.1
    mixed = 0.7 * 20 + 0.2 * 5 + 0.1 * (1 + 50 * 0.5 * 1.1)
    np.testing.assert_allclose(hydrogen_factor(_hydrogen(), grid), mixed)
    half = hydrogen_factor(_hydrogen(green_hydrogen_share__all=0.5), grid)
    np.testing.assert_allclose(half, 0.5 * 2 + 0.5 * mixed)
    np.testing.assert_allclose(hydrogen_factor(_hydrogen(green_hydrogen_share__all=1.0), grid), 2.0)
    # Shares above 1 leave nothing to coal.
    full = hydrogen_factor(_hydrogen(hydrogen_pathway_share__by_product=1.9), grid)
    np.testing.assert_allclose(full, (5 + 0.1 * (1 + 50 * 0.5 * 1.1)) / 1.1)


def test_only_hydrogen_from_grid_power_follows_the_grid() -> None:
    grid = np.linspace(0.6, 0.2, 21)[None]
    assert (np.diff(hydrogen_factor(_hydrogen(), grid)) < 0).all()
    none = hydrogen_factor(_hydrogen(hydrogen_pathway_share__grid_electrolysis=0.0), grid)
    np.testing.assert_allclose(none, none[0, 0])


def test_one_pathway_takes_the_remainder() -> None:
    with pytest.raises(ValueError, match="remainder"):
        hydrogen_factor(_hydrogen(hydrogen_pathway_share__coal=0.5), np.full((1, 21), 0.5))
