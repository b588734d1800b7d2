"""A lever set for one area: what it reaches, what stays to the last bit, how it is written, and every mistake named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport import api
from transport.cli import main
from transport.findings import DataError
from transport.layout import BASE_YEAR, YEARS, year_index
from transport.params import Lever, ParameterError, Params, lever_settings, split_setting
from transport.scenario import load_scenario
from transport.scenario_words import differences
from transport.study import scenario_params
from transport.sweep_file import read_sweep
from transport.travel import model_travel

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs

SHENYANG, JINZHOU = "210100", "210700"
LATE = year_index(2030)


def rows(*more: tuple[str, str, float, float, float]) -> pl.DataFrame:
    table = [("lane", "all", 0.05, 0.02, 0.1), ("lane", SHENYANG, 0.2, 0.1, 0.3), ("fare", "all", 1.0, 0.9, 1.1), *more]
    made = pl.DataFrame(table, schema=["parameter", "subject", "value", "low", "high"], orient="row")
    return made.with_columns(
        pl.lit(None, pl.Int64).alias("year"), pl.lit("uniform").alias("distribution"), pl.lit("dimensionless").alias("unit")
    )


def lever(operation: str = "add", parameter: str = "lane", *, by_area: bool = True) -> Lever:
    neutral = {"add": 0.0, "scale": 1.0, "set": 0.0}[operation]
    return Lever("lanes", parameter, "*", operation, -0.5, 3.0, neutral, by_area)


def at_2030(params: Params, *subjects: str) -> list[float]:
    return [float(params.get("lane", s if params.has("lane", s) else "all")[0, LATE]) for s in subjects]


# --- what it reaches ----------------------------------------------------------------------------------------------------------------


def test_it_acts_on_its_area_alone_on_rows_of_its_own_or_a_copy_of_all() -> None:
    params = Params.from_frame(rows())
    assert at_2030(params.with_levers([(lever().at(SHENYANG), 0.1)]), SHENYANG, JINZHOU) == pytest.approx([0.3, 0.05])
    assert at_2030(params.with_levers([(lever().at(JINZHOU), 0.1)]), SHENYANG, JINZHOU, "210600") == pytest.approx(
        [0.2, 0.15, 0.05]
    )
    assert not params.has("lane", JINZHOU)


@pytest.mark.parametrize(
    ("operation", "everywhere", "here", "others"), [("add", 0.1, 0.05 + 0.3, 0.15), ("scale", 2.0, 0.05 * 0.3, 0.1)]
)
def test_it_stands_in_place_of_what_is_set_everywhere(operation: str, everywhere: float, here: float, others: float) -> None:
    both = [(lever(operation), everywhere), (lever(operation).at(JINZHOU), 0.3)]
    for order in (both, both[::-1]):
        assert at_2030(Params.from_frame(rows()).with_levers(order), JINZHOU, "210600") == pytest.approx([here, others])


def test_set_replaces_in_its_area() -> None:
    moved = Params.from_frame(rows()).with_levers([(lever("set"), 0.4), (lever("set").at(SHENYANG), {2030: 0.6})])
    assert at_2030(moved, SHENYANG, JINZHOU) == pytest.approx([0.6, 0.4])
    assert moved.get("lane", SHENYANG)[0, year_index(2025)] == pytest.approx(0.4)  # half way from its own 0.2 to 0.6


def test_its_default_keeps_an_area_out_of_what_is_set_everywhere() -> None:
    moved = Params.from_frame(rows()).with_levers([(lever(), 0.1), (lever().at(JINZHOU), 0.0)])
    assert at_2030(moved, JINZHOU, "210600") == pytest.approx([0.05, 0.15])


def test_an_area_with_a_copy_still_follows_levers_on_the_row_of_all() -> None:
    more = Lever("more", "lane", "all", "scale", 0.0, 3.0, 1.0)
    moved = Params.from_frame(rows()).with_levers([(more, 2.0), (lever().at(JINZHOU), 0.1)])
    assert at_2030(moved, SHENYANG, JINZHOU, "210600") == pytest.approx([0.2, 0.2, 0.1])


@given(share=st.floats(0.0, 0.4), operation=st.sampled_from(["add", "scale", "set"]), seed=st.integers(0, 99))
def test_set_alike_here_and_everywhere_is_set_everywhere_to_the_last_bit(share: float, operation: str, seed: int) -> None:
    params = Params.from_frame(rows(), draws=5, seed=seed)
    whole = params.with_levers([(lever(operation), share)])
    both = params.with_levers([(lever(operation), share), (lever(operation).at(JINZHOU), share)])
    assert np.array_equal(both.get("lane", JINZHOU), whole.get("lane"))
    assert np.array_equal(both.get("lane"), whole.get("lane"))
    assert both.unlike(whole) == ()
    assert np.array_equal(
        both.get("lane", JINZHOU)[:, : year_index(BASE_YEAR) + 1], params.get("lane")[:, : year_index(BASE_YEAR) + 1]
    )


def test_an_area_that_a_lever_is_for_is_a_subject_of_its_own() -> None:
    params = Params.from_frame(rows())
    moved = params.with_levers([(lever().at(JINZHOU), 0.1)])
    assert moved.subjects("lane") == (SHENYANG, JINZHOU, "all")
    assert params.subjects("lane") == (SHENYANG, "all")
    assert moved.highest("lane", JINZHOU) == params.highest("lane") == 0.1
    assert at_2030(moved.inheriting({"bus": "truck"}), JINZHOU) == at_2030(moved, JINZHOU) == pytest.approx([0.15])
    # what both hold is compared: another run may lack the area
    assert moved.unlike(params) == params.unlike(moved) == ()
    assert params.with_levers([(lever().at(SHENYANG), 0.1)]).unlike(params) == (("lane", SHENYANG),)


def test_the_first_draw_alone_has_the_areas_of_levers() -> None:
    moved = Params.from_frame(rows(), draws=4, seed=1).with_levers([(lever().at(JINZHOU), 0.1)])
    assert moved.first().draws == 1
    assert np.array_equal(moved.first().get("lane", JINZHOU), moved.get("lane", JINZHOU)[:1])
    again = moved.with_levers([(Lever("more", "lane", "all", "scale", 0.0, 3.0, 1.0), 2.0)])
    assert np.array_equal(
        again.first().get("lane", JINZHOU),
        2.0 * moved.get("lane", JINZHOU)[:1, :] - moved.get("lane", JINZHOU)[:1, :] * (np.asarray(YEARS) <= BASE_YEAR),
    )


def test_limits_and_missing_rows_are_errors() -> None:
    params = Params.from_frame(rows(("toll", SHENYANG, 1.0, 0.5, 1.5)))
    with pytest.raises(ValueError, match=r"lanes = 3.5 is outside -0.5 to 3"):
        params.with_levers([(lever().at(JINZHOU), 3.5)])
    with pytest.raises(ParameterError, match="toll has no subject '210700'"):
        params.with_levers([(lever(parameter="toll").at(JINZHOU), 0.1)])
    with pytest.raises(ValueError, match="lanes cannot be set by area"):
        lever(by_area=False).at(JINZHOU)


def test_settings_are_ordered_everywhere_first() -> None:
    other = Lever("fare", "fare", "*", "scale", 0.0, 2.0, 1.0)
    found = lever_settings([lever(), other], {f"lanes@{JINZHOU}": 0.1, "fare": 0.5, "lanes": {2030: 0.2}})
    assert [(one.lever, one.subject, one.area, value) for one, value in found] == [
        ("fare", "*", "", 0.5),
        ("lanes", "*", "", {2030: 0.2}),
        ("lanes", JINZHOU, JINZHOU, 0.1),
    ]
    assert split_setting("a@b") == ("a", "b")


# --- scenarios ----------------------------------------------------------------------------------------------------------------------


def city(inputs: Inputs, extra: dict[str, Any]) -> Any:
    scenario = load_scenario("baseline", inputs.folder, inputs.levers, extra=extra, draws=1)
    return model_travel(inputs, scenario_params(scenario, inputs))


def test_a_lever_of_one_city_moves_that_city_alone(inputs: Inputs) -> None:
    plain, here, all_of_them = (city(inputs, extra) for extra in ({}, {f"parking_cost@{JINZHOU}": 2.0}, {"parking_cost": 2.0}))
    i = plain.areas.index(JINZHOU)
    others = [k for k in range(len(plain.areas)) if k != i]
    assert np.array_equal(here.share[others], plain.share[others])
    assert np.array_equal(here.share[i], all_of_them.share[i])
    assert here.green_share[i, 0, LATE] > plain.green_share[i, 0, LATE] + 0.005
    assert np.array_equal(here.share[i, ..., : year_index(BASE_YEAR) + 1], plain.share[i, ..., : year_index(BASE_YEAR) + 1])


def test_the_scenario_holds_it_and_its_hash_follows(inputs: Inputs, tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(
        f'title_zh = "市"\nbase = "baseline"\n[set]\n"bus_priority@{SHENYANG}" = {{ 2027 = 0.2 }}\n', encoding="utf-8"
    )
    found = load_scenario(str(file), inputs.folder, inputs.levers)
    assert found.resolved()["set"][f"bus_priority@{SHENYANG}"] == {"2027": 0.2}
    assert found.scenario_hash() != load_scenario("baseline", inputs.folder, inputs.levers).scenario_hash()
    same = api.load_scenario("baseline", set={f"bus_priority@{SHENYANG}": {2027: 0.2}}, inputs=inputs)
    assert same.scenario_hash() == found.scenario_hash()


def test_every_mistake_comes_at_once_and_says_what_may_stand_there(inputs: Inputs, tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    text = """title_zh = "市"
base = "baseline"
[set]
"road_toll@210100" = 1.1
"bus_priority@211500" = 0.1
"bus_priority@" = 0.1
"parking_cost@210100" = 50
"signal_priority@210200" = { 2020 = 0.5 }
"bus_priorities@210100" = 0.1
"""
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        load_scenario(str(file), inputs.folder, inputs.levers, lang="en")
    found = {f.column: (f.code, f.rule + f.remedy) for f in caught.value.findings}
    assert {column: code for column, (code, _) in found.items()} == {
        "road_toll@210100": "lever.not_by_area",
        "bus_priority@211500": "lever.area",
        "bus_priority@": "lever.area",
        "parking_cost@210100": "lever.range",
        "signal_priority@210200": "lever.years",
        "bus_priorities@210100": "lever.unknown",
    }
    assert "bus_priority" in found["road_toll@210100"][1]
    assert "210500" in found["bus_priority@211500"][1]
    assert "bus_priority?" in found["bus_priorities@210100"][1]


def test_a_key_without_its_quotes_is_told_so(inputs: Inputs, tmp_path: Path) -> None:
    for name, read in (
        ("own.toml", lambda path: load_scenario(path, inputs.folder, inputs.levers, lang="en")),
        ("sweep.toml", lambda path: read_sweep(path, inputs, lang="en")),
    ):
        file = tmp_path / name
        file.write_text('title_zh = "市"\n[set]\nbus_priority@210100 = 0.2\n', encoding="utf-8")
        with pytest.raises(DataError) as caught:
            read(str(file))
        (finding,) = caught.value.findings
        assert (finding.code, finding.column) == ("scenario.syntax", "bus_priority@210100")
        assert '"bus_priority@210100" = ' in finding.remedy


@pytest.mark.parametrize(
    ("before", "after", "zh", "en"),
    [
        (
            {},
            {"bus_priority@210100": {2027: 0.2}},
            "沈阳市公交专用道占比增量 至2027年 +20 个百分点",
            "Bus lanes added, Shenyang +20 points by 2027",
        ),
        (
            {"parking_cost": 2.0},
            {"parking_cost": 2.0, "parking_cost@210700": 1.0},
            "锦州市停车收费 +0 %",
            "Parking charge, Jinzhou +0 %",
        ),
        (
            {"parking_cost@210700": 2.0},
            {"parking_cost@210700": 1.5},
            "锦州市停车收费由 +100 % 改为 +50 %",
            "Parking charge, Jinzhou +50 % instead of +100 %",
        ),
        (
            {"parking_cost@210700": 2.0},
            {},
            "锦州市停车收费与全省相同",
            "Parking charge, Jinzhou as in the rest of the province",
        ),
    ],
)
def test_words_name_the_area(inputs: Inputs, before: dict[str, Any], after: dict[str, Any], zh: str, en: str) -> None:
    one, other = (load_scenario("baseline", inputs.folder, inputs.levers, extra=extra).resolved() for extra in (before, after))
    assert differences(one, other, inputs, "zh") == [zh]
    assert differences(one, other, inputs, "en") == [en]


def test_sweeps_take_it_in_grids_and_columns(inputs: Inputs, tmp_path: Path) -> None:
    grid = tmp_path / "grid.toml"
    grid.write_text('title_zh = "网格"\n[grid]\n"bus_priority@210100" = [0.0, 0.2]\n', encoding="utf-8")
    listed = tmp_path / "listed.csv"
    listed.write_text("case,bus_priority@210100\na,0\nb,0.2\n", encoding="utf-8")
    one, other = (read_sweep(str(file), inputs) for file in (grid, listed))
    assert [c.scenario.settings["bus_priority@210100"] for c in one.cases] == [0.0, 0.2]
    assert [c.scenario.scenario_hash() for c in one.cases] == [c.scenario.scenario_hash() for c in other.cases]
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("case,bus_priority@211500\na,0.1\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_sweep(str(wrong), inputs)
    assert [f.code for f in caught.value.findings] == ["lever.area"]


def test_the_list_of_levers_says_which_and_the_command_takes_it(capsys: pytest.CaptureFixture[str], inputs: Inputs) -> None:
    assert main(["show", "levers", "parking_cost", "--json"]) == 0
    assert '"by_area": true' in capsys.readouterr().out
    assert main(["run", "baseline", "--set", "road_toll@210100=1.1"]) != 0
    assert "road_toll" in "".join(capsys.readouterr())
    listed = {x.lever for x in inputs.levers if x.by_area}
    assert {"bus_priority", "parking_cost", "cycle_network"} <= listed
    assert not listed & {"road_toll", "metro_km_shenyang", "bus_12m_share"}
    assert len(YEARS) == inputs.params().get("bus_lane_share").shape[1]
