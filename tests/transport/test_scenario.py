"""Scenario files: inheritance, order, and every mistake named at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from transport.findings import DataError
from transport.layout import LAST_YEAR
from transport.params import Lever
from transport.scenario import Scenario, load_scenario, scenario_names
from transport.scenario_sections import Names, read_by_year, read_projects

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


# --- projects, closures and sites ---------------------------------------------------------------------------------------------------

NAMES = Names(projects=("dbl_gouhai", "elec_xitian"), closures=("RL001", "berth_PT_DAGANG"), sites=("Z_RF_LYSH", "Z_ST_ANGANG"))
SECTIONS = """title_zh = "情景"
[projects]
dbl_gouhai = 2027
elec_xitian = "never"
[closures]
RL001 = { 2028 = 0.25, 2029 = 1 }
[sites]
Z_RF_LYSH = { 2027 = 0 }
"""


def test_sections_are_read_and_stand_in_the_hash(folder: Path) -> None:
    write(folder, "what_if", SECTIONS)
    found = load("what_if", folder, names=NAMES)
    assert dict(found.projects) == {"dbl_gouhai": 2027, "elec_xitian": None}
    assert dict(found.closures) == {"RL001": {2028: 0.25, 2029: 1.0}}
    assert dict(found.sites) == {"Z_RF_LYSH": {2027: 0.0}}
    resolved = found.resolved()
    assert resolved["projects"] == {"dbl_gouhai": 2027, "elec_xitian": "never"}
    assert resolved["closures"] == {"RL001": {"2028": 0.25, "2029": 1.0}}
    assert resolved["sites"] == {"Z_RF_LYSH": {"2027": 0.0}}
    write(folder, "later", SECTIONS.replace("2027\n", "2028\n"))
    assert load("later", folder, names=NAMES).scenario_hash() != found.scenario_hash()


def test_an_empty_section_is_no_section(folder: Path) -> None:
    write(folder, "bare", 'title_zh = "情景"\n')
    write(folder, "empty", 'title_zh = "情景"\n[projects]\n[closures]\n[sites]\n')
    bare, empty = load("bare", folder), load("empty", folder)
    assert bare.resolved() == empty.resolved()
    assert "projects" not in bare.resolved()
    assert bare.scenario_hash() == empty.scenario_hash()


def test_sections_add_up_name_by_name_and_the_command_line_comes_last(folder: Path) -> None:
    write(folder, "below", SECTIONS)
    write(
        folder, "overrides/more", 'title_zh = "措施"\n[closures]\nRL001 = { 2030 = 0.5 }\n[sites]\nZ_ST_ANGANG = { 2026 = 0.9 }\n'
    )
    write(folder, "top", 'title_zh = "上"\nbase = "below"\noverrides = ["more"]\n[projects]\nelec_xitian = 2030\n')
    found = load("top", folder, names=NAMES, projects={"dbl_gouhai": "never"}, closures={"berth_PT_DAGANG": {2029: 1.0}})
    assert dict(found.projects) == {"dbl_gouhai": None, "elec_xitian": 2030}
    assert dict(found.closures) == {"RL001": {2030: 0.5}, "berth_PT_DAGANG": {2029: 1.0}}
    assert dict(found.sites) == {"Z_RF_LYSH": {2027: 0.0}, "Z_ST_ANGANG": {2026: 0.9}}


def test_a_year_after_the_last_one_is_never(folder: Path) -> None:
    late, never = (load("baseline", folder, names=NAMES, projects={"dbl_gouhai": year}) for year in (LAST_YEAR + 1, "never"))
    assert late.projects["dbl_gouhai"] is None
    assert late.scenario_hash() == never.scenario_hash()


def test_every_mistake_of_the_sections_is_told_at_once(folder: Path) -> None:
    write(
        folder,
        "wrong",
        'title_zh = "错"\n[projects]\ndbl_gouhi = 2027\nelec_xitian = 2020\n[closures]\nRL01 = { 2028 = 1 }\nRL001 = { 2028 = 1.5 }\n'
        "berth_PT_DAGANG = { 2019 = 1 }\n[sites]\nZ_RF_LYS = { 2027 = 0 }\nZ_RF_LYSH = { 2050 = 0 }\nZ_ST_ANGANG = { 2027 = -1 }\n",
    )
    with pytest.raises(DataError) as wrong:
        load("wrong", folder, names=NAMES, lang="en")
    assert sorted(codes(wrong.value)) == sorted(
        [
            "project.unknown",
            "project.year",
            "closure.unknown",
            "closure.range",
            "section.years",
            "site.unknown",
            "section.years",
            "site.range",
        ]
    )
    told = {f.column: f for f in wrong.value.findings}
    assert "dbl_gouhai" in told["dbl_gouhi"].remedy
    assert "RL001" in told["RL01"].remedy
    assert "Z_RF_LYSH" in told["Z_RF_LYS"].remedy
    assert {f.file for f in wrong.value.findings} == {"wrong.toml"}


def test_what_is_no_year_or_number_is_one_problem_each(folder: Path) -> None:
    write(
        folder,
        "odd",
        'title_zh = "错"\n[projects]\ndbl_gouhai = "soon"\n[closures]\nRL001 = 1.0\n[sites]\nZ_RF_LYSH = { 2027 = "x" }\n',
    )
    with pytest.raises(DataError) as wrong:
        load("odd", folder, names=NAMES)
    assert codes(wrong.value) == ["scenario.value"] * 3
    assert sorted(f.column for f in wrong.value.findings) == ["closures.RL001", "projects.dbl_gouhai", "sites.Z_RF_LYSH"]


def test_without_tables_nothing_can_be_named(folder: Path) -> None:
    write(folder, "what_if", SECTIONS)
    with pytest.raises(DataError) as wrong:
        load("what_if", folder)
    assert set(codes(wrong.value)) == {"project.unknown", "closure.unknown", "site.unknown"}


def test_texts_of_the_command_line_are_read() -> None:
    assert read_projects(["a=2027", " b = never"]) == {"a": 2027, "b": "never"}
    assert read_by_year("--close", ["RL001=2028:0.25,2029:1", "RL001=2030:0.5"]) == {"RL001": {2028: 0.25, 2029: 1.0, 2030: 0.5}}
    with pytest.raises(DataError) as wrong:
        read_projects(["a=soon", "b", "c=2027"])
    assert codes(wrong.value) == ["project.syntax", "project.syntax"]
    with pytest.raises(DataError) as wrong:
        read_by_year("--site", ["Z=0.5", "Z=2027:x", "Z=2027:1:2", "Z=2027:1"])
    assert codes(wrong.value) == ["section.syntax"] * 3
    assert "--site" in wrong.value.findings[0].rule
