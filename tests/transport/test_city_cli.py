"""The command ``transport green-travel``: what it prints in both languages, what it writes, and what it refuses."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from tests.transport.test_city_needs import AT, JINZHOU, asking, with_value
from transport.city_case import city_cases, keys_read
from transport.city_mix import Mix
from transport.city_text import (
    drivers_lines,
    input_name,
    mix_lines,
    mix_scenario,
    mix_sentences,
    needs_lines,
    needs_sentences,
    replace_first,
)
from transport.cli import main
from transport.scenario import load_scenario
from transport.study import scenario_inputs, scenario_params
from transport.travel import model_travel

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs

HERE = ("--area", JINZHOU)


def asked(*argv: str) -> str:
    """Return what the command prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert main(["green-travel", *argv]) == 0
    return printed.getvalue()


# ---- answers ----


@pytest.mark.parametrize(
    ("lang", "words"), [("zh", ("锦州市", "2030 年", "目标 70%", "寒冷季%")), ("en", ("Jinzhou", "in 2030", "Target 70 %"))]
)
def test_the_view_in_both_languages(lang: str, words: tuple[str, ...]) -> None:
    text = asked(*HERE, "--scenario", "baseline", "stretch", "--draws", "3", "--lang", lang)
    for word in (*words, "baseline", "stretch"):
        assert word in text


def test_the_view_as_json_and_parquet(tmp_path: Path, inputs: Inputs) -> None:
    told = json.loads(asked(*HERE, "--draws", "1", "--json", "--tables", str(tmp_path / "made")))
    assert (told["year"], told["draws"]) == (2030, 1)
    assert [row["scenario"] for row in told["view"]] == ["baseline", "plan_2030", "stretch"]
    assert {row["area"] for row in told["view"]} == {JINZHOU}
    table = pl.read_parquet(tmp_path / "made" / "green_travel_view.parquet")
    assert table["share_pct"].to_list() == [row["share_pct"] for row in told["view"]]
    shares = table["share_pct"].to_list()
    assert shares == sorted(shares)  # more measures, more green travel
    baseline = load_scenario("baseline", inputs.folder, inputs.levers)
    own = scenario_inputs(baseline, inputs)
    outcome = model_travel(own, scenario_params(baseline, own), areas=(JINZHOU,))
    assert shares[0] == pytest.approx(100.0 * outcome.green_share[0, 0, AT])


def test_needs_and_drivers(tmp_path: Path) -> None:
    options = (*HERE, "--scenario", "baseline", "--draws", "3")
    told = json.loads(asked(*options, "--needs", "--drivers", "--json", "--tables", str(tmp_path)))
    assert set(told) == {"year", "draws", "needs", "drivers"}
    assert {row["status"] for row in told["needs"]} <= {"met", "reached", "out_of_range", "no_help"}
    assert told["drivers"][0]["rank_swing"] == 1
    assert pl.read_parquet(tmp_path / "green_travel_drivers.parquet").height == len(told["drivers"])


def test_elasticities_name_what_was_fitted_and_what_was_not() -> None:
    text = asked("--elasticities", "--lang", "en")
    assert "Calibration" in text
    assert "Validation" in text
    assert "transit_fare" not in text
    assert "Transit fare" in text
    told = json.loads(asked("--elasticities", "--json"))
    assert {row["role"] for row in told["elasticities"]} >= {"calibration", "validation"}


def test_elasticities_of_one_city_and_of_one_without_a_target(capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(asked("--elasticities", "--json", "--area", JINZHOU, "211400", "--lang", "en"))
    assert {row["area"] for row in told["elasticities"]} == {JINZHOU}
    assert "Huludao: no target" in capsys.readouterr().err
    assert asked("--elasticities", "--area", "211400", "--lang", "zh") == ""
    assert "葫芦岛市：没有目标" in capsys.readouterr().err


def test_a_mix_is_written_as_a_scenario_that_reaches_the_target(tmp_path: Path, inputs: Inputs) -> None:
    few = {"cycle_network", "walking_network", "bus_frequency"}
    keep = [lever.lever for lever in inputs.levers if lever.by_area and lever.lever not in few]
    options = ("--scenario", "baseline", "--draws", "1", "--mix", "--without-transfers", "--keep", *keep)
    (case,) = city_cases(inputs, load_scenario("baseline", inputs.folder, inputs.levers), [JINZHOU], 2030, draws=1)
    target = round(float(case.shares([({}, 0)])[0]) + 0.01, 4)
    options = (*options, "--target", str(100.0 * target))
    file = tmp_path / "my_mix.toml"
    told = json.loads(asked(*HERE, *options, "--out", str(file), "--json"))
    assert {row["status"] for row in told["mix"]} == {"reached"}
    assert {row["with_prices"] for row in told["mix"]} == {False}
    assert {row["lever"] for row in told["mix"]} <= few
    scenario = load_scenario(str(file), inputs.folder, inputs.levers)
    assert scenario.lineage == ("baseline", "my_mix")
    assert set(scenario.settings) == {f"{row['lever']}@{JINZHOU}" for row in told["mix"]}
    own = scenario_inputs(scenario, inputs)
    outcome = model_travel(own, scenario_params(scenario, own), areas=(JINZHOU,))
    assert outcome.green_share[0, 0, AT] == pytest.approx(target, abs=1e-6)
    assert 'title_zh = "在 基准情景' in file.read_text(encoding="utf-8")
    assert "锦州市" in scenario.title_zh
    text = asked(*HERE, *options, "--lang", "zh")
    assert "万元" in text
    assert "费用未知" not in text  # every lever of a city has a cost


def test_the_mix_without_transfers_comes_first_and_is_written(tmp_path: Path) -> None:
    options = ("--mix", "--draws", "1", "--target", "40", "--json", *HERE)
    file = tmp_path / "mix.toml"
    assert [row["with_prices"] for row in json.loads(asked(*options, "--out", str(file)))["mix"]] == [False, True]
    assert [row["with_prices"] for row in json.loads(asked(*options, "--with-transfers"))["mix"]] == [True]
    assert file.exists()


def test_scenarios_may_stand_without_their_option() -> None:
    for argv in (
        ("baseline", "stretch"),
        ("baseline", "--scenario", "stretch"),
        ("--scenario", "baseline", "stretch"),
    ):
        told = json.loads(asked(*argv, *HERE, "--draws", "1", "--json"))
        assert [row["scenario"] for row in told["view"]] == ["baseline", "stretch"], argv
    for argv in ((*HERE, "baseline", "stretch"), ("baseline", *HERE, "stretch")):  # options take all words that follow
        told = json.loads(asked(*argv, "--draws", "1", "--json"))
        assert [row["scenario"] for row in told["view"]] == ["baseline", "stretch"], argv


def test_a_scenario_of_ones_own_is_written_out_whole(inputs: Inputs, tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    lines = (
        'title_zh = "我的"',
        'base = "rebound_only"',
        "[set]",
        "parking_cost = 1.5",
        '"bus_priority@210100" = { 2028 = 0.2 }',
    )
    own.write_text("\n".join(lines), encoding="utf-8")
    scenario = load_scenario(str(own), inputs.folder, inputs.levers)
    mix = made(settings={"transit_fare@210700": {2030: 0.4}})
    file = tmp_path / "written.toml"
    file.write_text(mix_scenario([mix], scenario, inputs, bundled=False), encoding="utf-8")
    again = load_scenario(str(file), inputs.folder, inputs.levers)
    with_mix = replace(scenario, settings={**scenario.settings, **mix.settings})
    assert again.resolved() == with_mix.resolved()


# ---- words ----


def made(**changed: Any) -> Mix:
    """Return a mix made up for its words."""
    plain: dict[str, Any] = {
        "scenario": "plan_2030",
        "area": JINZHOU,
        "year": 2030,
        "status": "reached",
        "share": 0.7,
        "target": 0.7,
        "cost": 12.5e6,
        "fares": -3e6,
        "levers": {"bus_priority": (0.15, 0.6, 0.6), "transit_fare": (1.0, 0.4, 0.2)},
        "cost_of_lever": {"bus_priority": 12.5e6, "transit_fare": 0.0},
        "binding": ("bus_priority",),
        "unpriced": ("compact_growth",),
        "with_prices": True,
        "settings": {},
        "interval": (0.66, 0.73),
        "probability": 0.45,
    }
    return Mix(**{**plain, **changed})


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        (
            "en",
            (
                *("Jinzhou: 70 % is out of reach", "68.0 %", "12.5 million", "45 % of them", "Bus lanes added", "no row knows"),
                *("fall by 3.0 million", "Prices (Transit fare)", "upper bound"),
            ),
        ),
        (
            "zh",
            (
                *("锦州市：达不到 70%", "68.0%", "1,250.0 万元", "45% 的抽样", "公交专用道", "费用未知"),
                *("减少 300.0 万元", "价格措施（公共交通票价）", "视为上限"),
            ),
        ),
    ],
)
def test_a_mix_out_of_reach_in_words(lang: str, words: tuple[str, ...], inputs: Inputs) -> None:
    text = " ".join(mix_sentences(made(status="infeasible", share=0.68), inputs, lang))
    for word in words:
        assert word in text


def test_a_mix_that_adds_nothing_and_one_of_one_draw(inputs: Inputs) -> None:
    met = made(status="met", share=0.72, levers={}, cost_of_lever={}, binding=(), unpriced=(), interval=(), probability=None)
    (only,) = mix_sentences(met, inputs, "en")
    assert "72.0 % with plan_2030 already" in only
    assert mix_lines(met, inputs, "en").is_empty()
    assert "rise by 2.0 million" in " ".join(mix_sentences(made(fares=2e6), inputs, "en"))
    without = made(levers={"bus_priority": (0.15, 0.6, 0.6)})
    assert "upper bound" not in " ".join(mix_sentences(without, inputs, "en"))
    table = mix_lines(made(), inputs, "en")
    assert table.row(0) == ("Bus lanes added", "0.150", "0.600", "0.6", "12.5")


def test_needs_in_words(inputs: Inputs) -> None:
    (case,) = city_cases(inputs, load_scenario("plan_2030", inputs.folder, inputs.levers), [JINZHOU], 2030, draws=3)
    from transport.city_needs import city_needs

    now = float(case.shares([({}, 0)])[0])
    found = city_needs(asking(case, now + 0.015), levers=["bus_priority", "transit_fare", "ride_sharing", "car_ownership"])
    for lang, words in (
        ("en", ("not within its range: 0.6 reaches", "nothing to gain", "province", "city")),
        ("zh", ("范围内不能达标：取 0.6 时为", "无可增益", "全省", "本市")),
    ):
        text = str(needs_lines(found, inputs, lang).rows())
        for word in words:
            assert word in text
    start, caveat = needs_sentences(found, inputs, "en")
    assert "Through 2024" in start
    assert "Transit fare" in caveat
    assert needs_sentences(found.filter(pl.col("lever") == "bus_priority"), inputs, "en") == [start]


def test_drivers_in_words(inputs: Inputs) -> None:
    (case,) = city_cases(inputs, load_scenario("plan_2030", inputs.folder, inputs.levers), [JINZHOU], 2030, draws=1)
    assert case.target == 0.7
    from transport.city_drivers import city_drivers

    found = city_drivers(inputs, load_scenario("plan_2030", inputs.folder, inputs.levers), [JINZHOU], 2030, draws=1)
    table = drivers_lines(found, inputs, "en", 3)
    assert table.height == 3
    assert table.columns[:2] == ["rank", "input"]
    assert "rank correlation" not in table.columns  # one draw has none
    assert drivers_lines(found, inputs, "zh", 0).height == found.height
    assert not any(name in text for name in found["parameter"] for text in table["input"])
    first = replace_first(found, 5, inputs, "en")
    assert len(first) == 5
    parameter, subject = found.filter(pl.col("replace_first") == 1).select("parameter", "subject").row(0)
    assert first[0] == f"{input_name(parameter, subject, inputs, 'en')} `{parameter} {subject}`"


def test_every_input_of_every_city_has_a_name(inputs: Inputs) -> None:
    case = city_cases(inputs, load_scenario("plan_2030", inputs.folder, inputs.levers), [JINZHOU], 2030, draws=1)[0]
    for parameter, subject in keys_read(case):
        for lang in ("zh", "en"):
            name = input_name(parameter, subject, inputs, lang)
            assert parameter not in name, (parameter, subject)


# ---- what it refuses ----


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--area", "210701"), ("--area", "210701", "210700")),
        (("--scenario", "plan_2031"), ("plan_2031", "plan_2030")),
        (("--mix", "--keep", "buspriority"), ("--keep", "buspriority", "bus_priority")),
        (("--out", "x.toml"), ("--out", "--mix")),
        (("--mix", "--scenario", "baseline", "stretch", "--out", "x.toml"), ("--out", "--scenario")),
        (("--mix", "--out", "x.csv"), ("x.csv", ".toml")),
        (("--keep", "bus_priority"), ("--keep", "--mix")),
        (("--needs", "--without-transfers"), ("--without-transfers", "--mix")),
        (("--with-transfers",), ("--with-transfers", "--mix")),
        (("--mix", "--top", "0"), ("--top", "--drivers")),
        (("--elasticities", "baseline", "stretch"), ("--elasticities", "one scenario")),
    ],
)
def test_bad_input_is_named(argv: tuple[str, ...], words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["green-travel", *argv, "--lang", "en"]) == 2
    told = capsys.readouterr().err
    for word in words:
        assert word in told


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("mine", encoding="utf-8")
    assert main(["green-travel", "--mix", "--out", str(file), "--lang", "en"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert file.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    "argv",
    [
        ("--target", "0"),
        ("--target", "170"),
        ("--year", "2020"),
        ("--year", "2050"),
        ("--draws", "0"),
        ("--draws", "some"),
        ("--top", "x"),
        ("--top", "-3"),
    ],
)
def test_bad_options_are_usage(argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["green-travel", *argv])
    told = capsys.readouterr().err
    assert argv[0] in told
    assert "_" not in told.splitlines()[-1]


def test_a_refused_number_says_what_is_due_in_the_language_of_the_reader(capsys: pytest.CaptureFixture[str]) -> None:
    for argv, zh, en in (
        (("--draws", "0"), "不小于 1 的整数", "at least 1"),
        (("--target", "170"), "0 与 100 之间", "between 0 and 100"),
        (("--drivers", "--top", "-3"), "不小于 0 的整数", "at least 0"),
    ):
        for lang, due, other in (("zh", zh, en), ("en", en, zh)):
            with pytest.raises(SystemExit, match="2"):
                main(["green-travel", *argv, "--lang", lang])
            told = capsys.readouterr().err
            assert due in told
            assert argv[-1] in told
            assert other not in told


def test_where_no_city_has_a_target_cities_must_be_named(
    inputs: Inputs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    none = with_value(inputs, "green_travel_residents_threshold", 1e8)
    monkeypatch.setattr("transport.inputs.load_inputs", lambda **_: none)
    for mode in ("--needs", "--mix", "--drivers"):
        assert main(["green-travel", mode, "--lang", "en"]) == 2
        told = capsys.readouterr()
        assert "no city has a green travel target" in told.err
        assert "--area" in told.err
        assert told.out == ""
    rows = json.loads(asked("plan_2030", "--drivers", "--draws", "1", "--json", *HERE))["drivers"]
    assert {row["area"] for row in rows} == {JINZHOU}
