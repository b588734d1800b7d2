"""Verdicts and the joining of targets."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import polars as pl
import pytest

from transport.layout import year_index
from transport.progress import progress_table
from transport.study import indicator_table
from transport.targets import CITY_TARGET, attach_targets, targets_of, unmodelled, verdict, with_cities
from transport.travel import model_travel, plan_targets

if TYPE_CHECKING:
    from collections.abc import Callable

    from transport.inputs import Inputs, Target
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


# ---- the target of cities

FIVE = ["210100", "210200", "210300", "210400", "210700"]


def of_cities(targets: tuple[Target, ...]) -> list[str]:
    return [target.area for target in targets if target.id == CITY_TARGET]


def test_the_cities_of_the_census_are_those_of_the_target_file(inputs: Inputs) -> None:
    """The rows of the plan were written for the census of 2020: with it nothing is added and nothing left out."""
    assert sorted(of_cities(inputs.targets)) == FIVE
    assert plan_targets(inputs) == inputs.targets


def test_the_share_of_the_model_is_that_of_the_target_file(inputs: Inputs) -> None:
    share = inputs.params().get("green_travel_target_share")
    values = {(x.value, x.unit) for x in inputs.targets if x.id == CITY_TARGET}
    assert values == {(100.0 * share[0, year_index(2030)], "percent")}


def test_a_city_without_a_row_takes_the_wording_of_the_others(inputs: Inputs) -> None:
    found = with_cities(inputs.targets, ["210700", "210500"])
    assert of_cities(found) == ["210500", "210700"]
    new, known = (target for target in found if target.id == CITY_TARGET)
    assert new == replace(known, area="210500")
    assert (new.value, new.strength, new.direction) == (70.0, "binding", "at_least")
    assert [x for x in found if x.id != CITY_TARGET] == [x for x in inputs.targets if x.id != CITY_TARGET]


def test_a_city_keeps_its_own_row_and_another_promise_its_own_year(inputs: Inputs) -> None:
    first = next(x for x in inputs.targets if x.id == CITY_TARGET)
    stricter, later = replace(first, area="210200", value=75.0), replace(first, area="210100", year=2035, value=80.0)
    found = with_cities([first, stricter, later], ["210100", "210200", "210300"])
    assert [(x.area, x.year, x.value) for x in found] == [
        ("210100", 2030, 70.0),
        ("210200", 2030, 75.0),
        ("210300", 2030, 70.0),
        ("210100", 2035, 80.0),
        ("210200", 2035, 80.0),
        ("210300", 2035, 80.0),
    ]


def test_without_a_promise_or_a_city_there_is_no_target(inputs: Inputs) -> None:
    assert of_cities(with_cities(inputs.targets, [])) == []
    others = [x for x in inputs.targets if x.id != CITY_TARGET]
    assert with_cities(others, FIVE) == tuple(others)


@pytest.mark.parametrize(
    ("threshold", "expected"), [(7e5, {*FIVE, "210500", "210800", "211000", "211100"}), (2e6, {"210100", "210200"}), (1e8, set())]
)
def test_a_pack_with_another_threshold_moves_the_target(
    inputs: Inputs, parts_of: Callable[..., Parts], threshold: float, expected: set[str]
) -> None:
    """Target, break-even share and progress name the same cities, and none is called unmodelled."""
    moved = pl.when(pl.col("parameter") == "green_travel_residents_threshold").then(threshold).otherwise(pl.col("value"))
    pack = replace(inputs, parameters=inputs.parameters.with_columns(value=moved), reads={})
    parts = parts_of("baseline")
    parts = replace(parts, inputs=pack, travel=model_travel(pack, pack.params(draws=1)))
    table = indicator_table(parts)
    judged = table.filter(pl.col("id") == CITY_TARGET, pl.col("target").is_not_null())
    assert set(judged["area"]) == expected
    assert set(judged["verdict"]) <= {"met", "missed"}
    assert set(table.filter(pl.col("id") == "green_travel_break_even_base")["area"]) == expected
    assert set(of_cities(targets_of(pack.targets, table))) == expected == set(of_cities(plan_targets(pack)))
    progress = progress_table(pack, table, as_of=2025).filter(pl.col("id") == CITY_TARGET)
    assert set(progress["area"]) == expected
    assert progress["start"].null_count() == 0


def test_the_break_even_share_is_given_for_both_years(parts_of: Callable[..., Parts]) -> None:
    parts = parts_of("baseline")
    rows = indicator_table(parts).filter(pl.col("id") == "green_travel_break_even_base", pl.col("value").is_not_null())
    found = {(row["area"], row["variant"]): row["value"] for row in rows.iter_rows(named=True)}
    assert set(found) == {(area, variant) for area in FIVE for variant in ("", "base_2019")}
    for i, area in enumerate(parts.travel.areas):
        if area in FIVE:
            assert found[area, ""] == 100.0 * parts.travel.break_even_base_share[i, 0]
            assert found[area, "base_2019"] == 100.0 * parts.travel.break_even_normal_share[i, 0]
    assert set(rows["year"]) == {2030}
