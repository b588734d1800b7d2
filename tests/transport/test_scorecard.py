"""The scorecard shows the headline reading and counts the others."""

from __future__ import annotations

import polars as pl
import pytest

from transport.scorecard import compare_runs, reading_matrix, scorecard

DEFINITIONS = pl.DataFrame(
    {
        "id": ["operating_co2_intensity", "sea_rail_share"],
        "scope": ["direct", None],
        "boundary": ["all", None],
        "base": ["2020", None],
        "variant": [None, None],
    },
    schema_overrides={"variant": pl.String},
)


def rows(*readings: tuple[str, str, float, str]) -> pl.DataFrame:
    n = len(readings)
    return pl.DataFrame(
        {
            "id": ["operating_co2_intensity"] * n,
            "area": ["210000"] * n,
            "year": [2030] * n,
            "scope": [r[0] for r in readings],
            "boundary": ["all"] * n,
            "base": [r[1] for r in readings],
            "variant": [""] * n,
            "value": [r[2] for r in readings],
            "actual": pl.Series([None] * n, dtype=pl.Float64),
            "unit": ["percent"] * n,
            "target": [-9.5] * n,
            "direction": ["at_most"] * n,
            "tolerance": [0.5] * n,
            "strength": ["approximate"] * n,
            "verdict": [r[3] for r in readings],
            "quality": ["recalled"] * n,
        }
    )


TABLE = rows(("direct", "2020", -8.0, "missed"), ("direct", "2020_normal", -3.0, "missed"), ("wtw", "2020", -10.0, "met"))


def test_headline_gap_and_readings() -> None:
    (line,) = scorecard(TABLE, DEFINITIONS)
    assert line.value == -8.0
    assert line.gap == pytest.approx(1.5)
    assert (line.met, line.readings) == (1, 3)


def test_a_target_without_a_model_stands_at_the_end() -> None:
    """Not in the definitions, or not in its headline reading: it is a line of its own without value or gap."""
    empty = {"scope": "", "boundary": "", "base": "", "value": None, "verdict": "not_modelled", "quality": ""}
    trains = TABLE[0].with_columns(**{k: pl.lit(v, dtype=TABLE.schema[k]) for k, v in (empty | {"id": "trains"}).items()})
    city = TABLE[0].with_columns(**{k: pl.lit(v, dtype=TABLE.schema[k]) for k, v in (empty | {"area": "210100"}).items()})
    lines = scorecard(pl.concat([trains, city, TABLE]), DEFINITIONS)
    assert [(x.id, x.area, x.verdict) for x in lines] == [
        ("operating_co2_intensity", "210000", "missed"),
        ("operating_co2_intensity", "210100", "not_modelled"),
        ("trains", "210000", "not_modelled"),
    ]
    assert [x.value for x in lines] == [-8.0, None, None]
    assert [x.gap for x in lines] == [pytest.approx(1.5), None, None]
    assert lines[0].readings == 3


def test_the_gap_follows_the_actual_where_there_is_one() -> None:
    (line,) = scorecard(TABLE.with_columns(actual=pl.lit(-9.0)), DEFINITIONS)
    assert line.gap == pytest.approx(0.5)


def test_matrix_has_a_column_per_scope() -> None:
    matrix = reading_matrix(TABLE, "operating_co2_intensity", 2030)
    assert matrix.filter(pl.col("base") == "2020").row(0, named=True) == {
        "boundary": "all",
        "base": "2020",
        "direct": -8.0,
        "wtw": -10.0,
    }


def test_comparison_is_b_minus_a() -> None:
    other = TABLE.with_columns(value=pl.col("value") - 1.0)
    assert compare_runs(TABLE, other, years=[2030])["difference"].to_list() == [-1.0, -1.0, -1.0]
    assert compare_runs(TABLE, other, years=[2025]).is_empty()
