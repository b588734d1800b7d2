"""Verdicts and the joining of targets."""

from __future__ import annotations

from types import SimpleNamespace

import polars as pl
import pytest

from transport.targets import attach_targets, verdict


@pytest.mark.parametrize(
    ("value", "target", "tolerance", "direction", "expected"),
    [
        (-9.6, -9.5, 0.5, "at_most", "met"),
        (-9.5, -9.5, 0.5, "at_most", "met"),
        (-9.2, -9.5, 0.5, "at_most", "within_tolerance"),
        (-8.0, -9.5, 0.5, "at_most", "missed"),
        (71.0, 70.0, 0.0, "at_least", "met"),
        (69.99, 70.0, 0.0, "at_least", "missed"),
        (38.5, 40.0, 2.0, "at_least", "within_tolerance"),
    ],
)
def test_verdict(value: float, target: float, tolerance: float, direction: str, expected: str) -> None:
    assert verdict(value, target, tolerance, direction) == expected


def _series(year: int, value: float | None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": ["x"],
            "area": ["210000"],
            "year": [year],
            "scope": [""],
            "boundary": [""],
            "base": [""],
            "variant": [""],
            "value": [value],
            "unit": ["percent"],
            "quality": ["assumption"],
        },
        schema_overrides={"value": pl.Float64},
    )


def _target(year: int) -> SimpleNamespace:
    return SimpleNamespace(id="x", area="210000", year=year, value=15.0, direction="at_least", tolerance=0.0, strength="binding")


def test_a_past_target_waits_for_its_actual() -> None:
    row = attach_targets(_series(2025, 99.0), [_target(2025)], {}, vintage_year=2026).row(0, named=True)
    assert row["verdict"] == "actual_pending"
    assert row["target"] == 15.0


@pytest.mark.parametrize(("actual", "expected"), [(15.2, "met"), (14.9, "missed")])
def test_the_verdict_of_a_past_target_follows_the_actual_and_not_the_model(actual: float, expected: str) -> None:
    row = attach_targets(_series(2025, 99.0), [_target(2025)], {("x", "210000", 2025): actual}, vintage_year=2026).row(
        0, named=True
    )
    assert row["verdict"] == expected
    assert row["value"] == 99.0
    assert row["actual"] == actual


def test_a_value_that_does_not_exist_meets_no_target() -> None:
    assert attach_targets(_series(2030, None), [_target(2030)], {}, vintage_year=2026)["verdict"][0] == "missed"


def test_a_row_without_a_target_is_tracked() -> None:
    row = attach_targets(_series(2028, 20.0), [_target(2030)], {}, vintage_year=2026).row(0, named=True)
    assert row["verdict"] == "tracked"
    assert row["strength"] == "tracked"
    assert row["target"] is None
