"""Verdicts and the joining of targets."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import polars as pl
import pytest

from transport.study import indicator_table
from transport.targets import attach_targets, unmodelled, verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from transport.inputs import Inputs
    from transport.parts import Parts


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
    return SimpleNamespace(
        id="x", area="210000", year=year, value=15.0, unit="percent", direction="at_least", tolerance=0.0, strength="binding"
    )


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


def test_a_target_that_no_model_reaches_gets_a_row_that_says_so() -> None:
    """Another indicator, another city, another year: none of them is left out, and none is called missed."""
    others: tuple[dict[str, object], ...] = ({}, {"year": 2040}, {"id": "trains", "unit": "train/yr"}, {"area": "210100"})
    given = [SimpleNamespace(**(vars(_target(2030)) | other)) for other in others]
    table = attach_targets(_series(2030, 20.0), given, {}, vintage_year=2026)
    found = {(row["id"], row["area"], row["year"]): row for row in table.iter_rows(named=True)}
    assert found.keys() == {("x", "210000", 2030), ("x", "210000", 2040), ("trains", "210000", 2030), ("x", "210100", 2030)}
    assert found["x", "210000", 2030]["verdict"] == "met"
    for key in set(found) - {("x", "210000", 2030)}:
        row = found[key]
        assert (row["verdict"], row["value"], row["actual"], row["quality"]) == ("not_modelled", None, None, "")
        assert row["target"] == 15.0
    assert found["trains", "210000", 2030]["unit"] == "train/yr"


@pytest.mark.parametrize(("actual", "expected"), [(15.2, "met"), (14.9, "missed")])
def test_an_actual_value_judges_a_past_target_without_a_model(actual: float, expected: str) -> None:
    target = SimpleNamespace(**(vars(_target(2025)) | {"id": "trains", "unit": "train/yr"}))
    table = attach_targets(_series(2025, 1.0), [target], {("trains", "210000", 2025): actual}, vintage_year=2026)
    row = table.filter(pl.col("id") == "trains").row(0, named=True)
    assert (row["verdict"], row["value"], row["actual"]) == (expected, None, actual)


def test_a_target_without_a_number_needs_no_row() -> None:
    target = SimpleNamespace(**(vars(_target(2030)) | {"id": "trains", "value": None}))
    assert attach_targets(_series(2030, 1.0), [target], {}, vintage_year=2026).height == 1


def test_every_target_is_modelled_or_says_why_not(inputs: Inputs, parts_of: Callable[..., Parts]) -> None:
    """No target is silently missing; and what has come to be modelled is no longer excused."""
    table = indicator_table(parts_of("baseline"))
    numbers = {x.id for x in inputs.targets if x.value is not None}
    missing = set(table.filter(pl.col("verdict") == "not_modelled")["id"].to_list())
    for lang in ("zh", "en"):
        assert set(unmodelled(inputs, lang)) == missing
    assert missing < numbers <= set(table.filter(pl.col("target").is_not_null())["id"].to_list())
    reached = table.filter(pl.col("id").is_in(numbers - missing), pl.col("target").is_not_null())
    assert reached.filter(pl.col("id") != "land_oil_peak")["value"].null_count() == 0


def test_a_row_without_a_target_is_tracked() -> None:
    row = attach_targets(_series(2028, 20.0), [_target(2030)], {}, vintage_year=2026).row(0, named=True)
    assert row["verdict"] == "tracked"
    assert row["strength"] == "tracked"
    assert row["target"] is None
