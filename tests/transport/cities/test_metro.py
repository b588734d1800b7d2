"""Metro lines: length in service by hand, openings late and moved by a scenario, the network observed, bad rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from transport.cities.metro import metro_length_km, network_length_km
from transport.findings import DataError
from transport.layout import YEARS, year_index
from transport.project_text import register_table
from transport.projects import with_projects
from transport.scenario import load_scenario
from transport.scenario_sections import METRO_LINES, names_of
from transport.scenario_words import differences

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.params import Params

SHENYANG, DALIAN, ANSHAN = "210100", "210200", "210300"
N = len(YEARS)


@pytest.fixture(scope="module")
def params(inputs: Inputs) -> Params:
    return inputs.params()


def lines_of(inputs: Inputs, *rows: tuple[str, float, float | None, float | None, float | None]) -> Inputs:
    """Return inputs with these lines of Anshan alone: id, km, expected opening, earliest and latest."""
    like = inputs.table(METRO_LINES)
    keys = ("line_id", "length_km", "open_year", "open_low", "open_high")
    made = pl.DataFrame([dict(zip(keys, row, strict=True)) | {"area": ANSHAN} for row in rows], schema_overrides=like.schema)
    return replace(inputs, tables={**inputs.tables, METRO_LINES: pl.concat([like.clear(), made], how="diagonal")})


def at(length: np.ndarray, year: int, draw: int = 0) -> float:
    return float(length[draw, year_index(year)])


def delayed(params: Params, delay: float) -> Params:
    return params.replace("metro_opening_delay", "all", np.full((1, N), delay))


def test_a_line_counts_for_the_part_of_its_first_year_and_fully_after(inputs: Inputs, params: Params) -> None:
    made = lines_of(inputs, ("a", 20.0, 2026.25, None, None), ("b", 5.0, 2010.0, None, None), ("c", 90.0, None, None, None))
    length = metro_length_km(made, params, ANSHAN)
    assert [at(length, year) for year in (2015, 2025, 2026, 2027, 2035)] == pytest.approx([5.0, 5.0, 20.0, 25.0, 25.0])
    assert at(metro_length_km(made, params, DALIAN), 2018) == 0.0


@pytest.mark.parametrize(("delay", "expected"), [(-1.0, 2026.0), (-0.5, 2026.5), (0.0, 2027.0), (0.5, 2028.0), (1.0, 2029.0)])
def test_a_delay_lies_between_the_earliest_and_the_latest_opening(
    inputs: Inputs, params: Params, delay: float, expected: float
) -> None:
    length = metro_length_km(lines_of(inputs, ("a", 10.0, 2027.0, 2026.0, 2029.0)), delayed(params, delay), ANSHAN)
    np.testing.assert_allclose(length[0], 10.0 * np.clip(np.asarray(YEARS) + 1.0 - expected, 0.0, 1.0))


def test_what_is_open_does_not_move_with_the_delay(inputs: Inputs, params: Params) -> None:
    known = slice(0, year_index(2024) + 1)
    for area in (SHENYANG, DALIAN):
        early, late = (metro_length_km(inputs, delayed(params, d), area) for d in (-1.0, 1.0))
        np.testing.assert_allclose(early[:, known], late[:, known], atol=5.0 * 0.75)
        np.testing.assert_array_equal(early[:, year_index(2019) : known.stop], late[:, year_index(2019) : known.stop])
        assert at(early, 2026) > at(late, 2026)
        assert at(early, 2030) == at(late, 2030)


#: Network observed or recalled, mean over the year: area, year, low and high [km].
OBSERVED = [
    (SHENYANG, 2015, 53.0, 57.0),
    (SHENYANG, 2018, 57.0, 62.0),
    (SHENYANG, 2019, 74.0, 79.0),
    (SHENYANG, 2020, 105.0, 109.0),
    (SHENYANG, 2021, 113.5, 114.5),
    (SHENYANG, 2023, 119.0, 125.0),
    (SHENYANG, 2024, 146.0, 150.0),
    (SHENYANG, 2025, 187.0, 196.0),
    (SHENYANG, 2029, 240.0, 262.0),
    (DALIAN, 2015, 112.0, 128.0),
    (DALIAN, 2017, 144.0, 153.0),
    (DALIAN, 2019, 157.8, 158.0),
    (DALIAN, 2020, 157.8, 158.0),
    (DALIAN, 2021, 157.9, 164.0),
    (DALIAN, 2022, 198.0, 207.0),
    (DALIAN, 2023, 216.0, 226.0),
    (DALIAN, 2024, 221.0, 233.0),
    (DALIAN, 2027, 221.0, 253.0),
]


@pytest.mark.parametrize(("area", "year", "low", "high"), OBSERVED)
def test_the_lines_and_the_rest_make_the_network(
    inputs: Inputs, params: Params, area: str, year: int, low: float, high: float
) -> None:
    assert low <= at(metro_length_km(inputs, params, area), year) <= high


def test_networks_grow_and_only_two_cities_have_one(inputs: Inputs, params: Params) -> None:
    for area in params.subjects("metro_length_added"):
        length = metro_length_km(inputs, params, area)
        assert bool((length > 0).all()) == (area in {SHENYANG, DALIAN})
        assert bool(np.all(np.diff(length) >= 0))
    total = metro_length_km(inputs, params, SHENYANG) + metro_length_km(inputs, params, DALIAN)
    np.testing.assert_allclose(network_length_km(inputs, params), total)


def test_levers_add_to_the_lines(inputs: Inputs, params: Params) -> None:
    lever = {lever.lever: lever for lever in inputs.levers}["metro_km_anshan"]
    more = params.with_levers([(lever, {2030: 20.0})])
    length = metro_length_km(inputs, more, ANSHAN)
    assert [at(length, year) for year in (2020, 2025, 2030, 2035)] == pytest.approx([0.0, 10.0, 20.0, 20.0])


def test_a_comparison_that_holds_a_year_holds_the_lines_too(inputs: Inputs, params: Params) -> None:
    length, held = (metro_length_km(inputs, p, SHENYANG) for p in (params, params.hold(2020)))
    last = year_index(2020)
    np.testing.assert_array_equal(held[:, : last + 1], length[:, : last + 1])
    np.testing.assert_array_equal(held[:, last:], np.repeat(length[:, [last]], N - last, axis=1))


def test_a_draw_does_not_depend_on_its_neighbours(inputs: Inputs) -> None:
    few, many = inputs.params(draws=9, seed=4, only=(1, 2)), inputs.params(draws=9, seed=4)
    np.testing.assert_array_equal(metro_length_km(inputs, many, DALIAN)[:3], metro_length_km(inputs, few, DALIAN))
    assert np.ptp(metro_length_km(inputs, many, SHENYANG)[:, year_index(2026)]) > 0


# --- lines as projects --------------------------------------------------------------------------------------------------------------


def built(inputs: Inputs, **projects: int | str) -> Inputs:
    names = names_of(inputs.tables)
    return with_projects(inputs, load_scenario("baseline", inputs.folder, inputs.levers, names=names, projects=projects))


def test_a_scenario_moves_a_line_to_the_first_day_of_a_year(inputs: Inputs, params: Params) -> None:
    late = metro_length_km(built(inputs, metro_sy_6=2031), delayed(params, 1.0), SHENYANG)
    usual = metro_length_km(inputs, params, SHENYANG)
    np.testing.assert_allclose(usual[0, year_index(2029) : year_index(2031)] - late[0, year_index(2029) : year_index(2031)], 36.9)
    np.testing.assert_allclose(late[0, year_index(2031) :], usual[0, year_index(2031) :])


def test_never_and_beyond_the_last_year_leave_the_line_out(inputs: Inputs, params: Params) -> None:
    usual = metro_length_km(inputs, params, DALIAN)
    for year in ("never", 2040):
        less = metro_length_km(built(inputs, metro_dl_4=year), params, DALIAN)
        assert at(usual, 2030) - at(less, 2030) == pytest.approx(23.2)
        np.testing.assert_array_equal(less[:, : year_index(2026)], usual[:, : year_index(2026)])


def test_a_line_without_a_year_opens_only_by_a_scenario(inputs: Inputs, params: Params) -> None:
    more = built(inputs, metro_sy_fourth_plan=2033, dbl_gouhai=2027)
    gained = metro_length_km(more, params, SHENYANG) - metro_length_km(inputs, params, SHENYANG)
    assert [at(gained, year) for year in (2032, 2033, 2035)] == pytest.approx([0.0, 180.0, 180.0])
    assert "RL068~2027" in more.table("networks/links")["link_id"]


def test_a_line_of_the_scenario_opens_beside_those_that_are_held(inputs: Inputs, params: Params) -> None:
    held = params.hold(2020)
    gained = metro_length_km(built(inputs, metro_sy_6=2028), held, SHENYANG) - metro_length_km(inputs, held, SHENYANG)
    assert [at(gained, year) for year in (2027, 2028, 2035)] == pytest.approx([0.0, 36.9, 36.9])


def test_lines_of_the_base_year_cannot_be_moved_and_slips_are_named(inputs: Inputs) -> None:
    with pytest.raises(DataError, match="metro_sy_10"):
        built(inputs, metro_sy_10=2030)
    with pytest.raises(DataError, match="metro_sy_6"):
        built(inputs, metro_sy_66=2030)


def test_a_line_reads_by_its_name(inputs: Inputs) -> None:
    def resolved(**projects: int) -> dict[str, object]:
        names = names_of(inputs.tables)
        return load_scenario("baseline", inputs.folder, inputs.levers, names=names, projects=projects).resolved()

    assert differences(resolved(), resolved(metro_dl_4=2029), inputs, "en") == ["Dalian line 4, phase 1 in service in 2029"]


def test_lines_are_listed_beside_the_register(inputs: Inputs) -> None:
    """Line 4 opened in September 2023: 2024 is its first full year; 32.5 km at the cost per km."""
    rows = {row["project_id"]: row for row in register_table(inputs, "en", "Shenyang line").iter_rows(named=True)}
    assert {"metro_sy_4", "metro_sy_6"} <= set(rows)
    assert "metro_sy_10" not in rows
    per_km = inputs.params().get("metro_cost")[0, 0] / 1e6
    assert rows["metro_sy_4"]["open_year"] == 2024
    assert rows["metro_sy_4"]["cost"] == pytest.approx(32.5 * per_km)
    assert (rows["metro_sy_4"]["kind"], rows["metro_sy_4"]["status"]) == ("Metro", "Open")
    assert set(names_of(inputs.tables).projects) == set(register_table(inputs, "zh")["project_id"])


# --- bad rows -----------------------------------------------------------------------------------------------------------------------


def test_an_opening_outside_its_range_is_named(inputs: Inputs, params: Params) -> None:
    with pytest.raises(ValueError, match="demand/metro_lines: a opens in 2030, not between open_low 2026 and open_high 2029"):
        metro_length_km(lines_of(inputs, ("a", 10.0, 2030.0, 2026.0, 2029.0)), params, ANSHAN)


def test_a_rest_that_takes_away_more_than_the_lines_is_refused(inputs: Inputs, params: Params) -> None:
    less = params.replace("metro_length_other", SHENYANG, np.full((1, N), -60.0))
    with pytest.raises(ValueError, match=r"metro of 210100 has -5\.0 km in 2015; metro_length_other"):
        metro_length_km(inputs, less, SHENYANG)
