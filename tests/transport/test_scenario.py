"""Scenario files: inheritance, order, and every mistake named at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from transport.findings import DataError
from transport.params import Lever
from transport.scenario import Scenario, load_scenario, scenario_names

if TYPE_CHECKING:
    from pathlib import Path

LEVERS = [
    Lever("rail_tariff", "rail_tariff", "*", "scale", 0.2, 3.0, 1.0),
    Lever("road_toll", "road_toll", "*", "scale", 0.0, 3.0, 1.0),
    Lever("metro_km", "metro_km", "all", "add", 0.0, 500.0, 0.0),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scenarios" / "overrides").mkdir(parents=True)
    write(tmp_path, "baseline", 'title_zh = "基准"\n[run]\nseed = 7\nsimulate = "none"\n')
    write(tmp_path, "overrides/cheap_rail", 'title_zh = "铁路降价"\n[set]\nrail_tariff = 0.9\nroad_toll = 1.1\n')
    write(tmp_path, "overrides/cheaper_rail", 'title_zh = "铁路再降价"\n[set]\nrail_tariff = 0.8\n')
    write(
        tmp_path,
        "plan",
        'title_zh = "规划"\nbase = "baseline"\noverrides = ["cheap_rail", "cheaper_rail"]\n[set]\nmetro_km = { 2025 = 10, 2030 = 40 }\n',
    )
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    (folder / "scenarios" / f"{name}.toml").write_text(text, encoding="utf-8")


def load(name: str, folder: Path, **options: object) -> Scenario:
    return load_scenario(name, folder, LEVERS, **options)  # type: ignore[arg-type]


def codes(error: DataError) -> list[str]:
    return [finding.code for finding in error.findings]


def test_overrides_act_in_order_and_own_settings_last(folder: Path) -> None:
    plan = load("plan", folder)
    assert dict(plan.settings) == {"rail_tariff": 0.8, "road_toll": 1.1, "metro_km": {2025: 10.0, 2030: 40.0}}
    assert plan.lineage == ("baseline", "+cheap_rail", "+cheaper_rail", "plan")
    assert (plan.seed, plan.simulate, plan.draws) == (7, "none", 1)


def test_command_line_settings_come_last(folder: Path) -> None:
    assert load("plan", folder, extra={"rail_tariff": 1.5}).settings["rail_tariff"] == 1.5


def test_the_hash_follows_the_numbers_and_not_the_titles(folder: Path) -> None:
    before = load("plan", folder).scenario_hash()
    write(folder, "baseline", 'title_zh = "别名"\n[run]\nseed = 7\nsimulate = "none"\n')
    assert load("plan", folder).scenario_hash() == before
    write(folder, "baseline", 'title_zh = "别名"\n[run]\nseed = 8\nsimulate = "none"\n')
    assert load("plan", folder).scenario_hash() != before


def test_the_road_network_is_part_of_the_scenario(folder: Path) -> None:
    assert load("plan", folder).network == "compact"
    write(folder, "fine", 'title_zh = "细"\nbase = "plan"\n[run]\nnetwork = "fine"\n')
    found = load("fine", folder)
    assert found.network == "fine"
    assert found.resolved()["run"]["network"] == "fine"
    assert found.scenario_hash() != load("plan", folder).scenario_hash()
    assert load("plan", folder, network="fine").scenario_hash() == found.scenario_hash()
    assert load("fine", folder, network="compact").scenario_hash() == load("plan", folder).scenario_hash()


def test_an_unknown_road_network_is_told_with_the_known_ones(folder: Path) -> None:
    write(folder, "typo", 'title_zh = "错"\n[run]\nnetwork = "coarse"\n')
    with pytest.raises(DataError) as caught:
        load("typo", folder)
    finding = caught.value.findings[0]
    assert (finding.file, finding.column, finding.value) == ("typo.toml", "run.network", "coarse")
    assert "compact" in finding.rule + finding.remedy
    assert "fine" in finding.rule + finding.remedy


def test_the_way_sales_split_is_part_of_the_scenario(folder: Path) -> None:
    assert load("plan", folder).sales == "path"
    write(folder, "costs", 'title_zh = "成本"\nbase = "plan"\n[run]\nsales = "tco"\n')
    found = load("costs", folder)
    assert found.sales == "tco"
    assert found.resolved()["run"]["sales"] == "tco"
    assert found.scenario_hash() != load("plan", folder).scenario_hash()
    assert load("plan", folder, sales="tco").scenario_hash() == found.scenario_hash()
    assert load("costs", folder, sales="path").scenario_hash() == load("plan", folder).scenario_hash()


def test_an_unknown_way_of_splitting_sales_is_one_message_with_the_known_ones(folder: Path) -> None:
    write(folder, "typo", 'title_zh = "错"\n[run]\nsales = "cheapest"\n')
    with pytest.raises(DataError) as caught:
        load("typo", folder)
    assert len(caught.value.findings) == 1
    finding = caught.value.findings[0]
    assert (finding.file, finding.column, finding.value) == ("typo.toml", "run.sales", "cheapest")
    assert "path" in finding.rule + finding.remedy
    assert "tco" in finding.rule + finding.remedy


def test_a_scenario_file_outside_the_data_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    own = tmp_path_factory.mktemp("own") / "what_if.toml"
    own.write_text('title_zh = "假设"\nbase = "plan"\n[set]\nroad_toll = 2\n', encoding="utf-8-sig")
    found = load(str(own), folder)
    assert found.name == "what_if"
    assert found.settings["road_toll"] == 2.0
    assert found.settings["rail_tariff"] == 0.8


def test_unknown_lever_gets_a_suggestion(folder: Path) -> None:
    write(folder, "typo", 'title_zh = "错"\n[set]\nrail_tarif = 0.9\nmetro_kn = 3\nroad_toll = 9\n')
    with pytest.raises(DataError) as caught:
        load("typo", folder)
    found = {f.column: (f.code, f.rule + f.remedy) for f in caught.value.findings}
    assert {column: code for column, (code, _) in found.items()} == {
        "rail_tarif": "lever.unknown",
        "metro_kn": "lever.unknown",
        "road_toll": "lever.range",
    }
    assert "rail_tariff" in found["rail_tarif"][1]
    assert "metro_km" in found["metro_kn"][1]
    assert "3" in found["road_toll"][1]


def test_unknown_keys_get_a_suggestion(folder: Path) -> None:
    write(folder, "typo", 'titel_zh = "错"\ntitle_zh = "错"\n[run]\nsede = 3\n')
    with pytest.raises(DataError) as caught:
        load("typo", folder)
    found = {f.value: f.remedy for f in caught.value.findings}
    assert {f.code for f in caught.value.findings} == {"scenario.key"}
    assert "title_zh" in found["titel_zh"]
    assert "seed" in found["sede"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("title_zh = \n", "scenario.syntax"),
        ('title_zh = "x"\n[set]\nroad_toll = { 2020 = 1.0 }\n', "lever.years"),
        ('title_zh = "x"\n[set]\nroad_toll = { soon = 1.0 }\n', "scenario.value"),
        ('title_zh = "x"\n[run]\nsimulate = "all"\n', "scenario.value"),
        ('title_zh = "x"\n[run]\nnetwork = "coarse"\n', "scenario.value"),
        ('title_zh = "x"\n[run]\nsales = "cheapest"\n', "scenario.value"),
        ('title_zh = "x"\nbase = "nowhere"\n', "scenario.missing"),
        ('title_zh = "x"\noverrides = ["nothing"]\n', "scenario.missing"),
        ('title_zh = "x"\nbase = "wrong"\n', "scenario.cycle"),
    ],
)
def test_each_mistake_has_its_code(folder: Path, text: str, code: str) -> None:
    write(folder, "wrong", text)
    with pytest.raises(DataError) as caught:
        load("wrong", folder)
    assert codes(caught.value) == [code]


def test_missing_scenario_names_the_nearest(folder: Path) -> None:
    with pytest.raises(DataError) as caught:
        load("plam", folder)
    assert "plan" in caught.value.findings[0].remedy


def test_names_are_listed_without_overrides(folder: Path) -> None:
    assert scenario_names(folder) == ("baseline", "plan")
