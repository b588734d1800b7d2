"""The command ``transport projects``, the options of a run, and the checks of the register."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

import pytest

from transport import project_cli
from transport.checks import check_data
from transport.cli import main
from transport.findings import DataError
from transport.scenario import load_scenario

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs

COLUMNS = (
    "project_id,label_zh,label_en,kind,target,from_node,to_node,link_class,tracks,electrified,length_km,capacity_t_per_year,capacity_factor,"
    "open_year,status,cost_cny,low,high,source,quality,effect_quality"
)


def test_the_register_is_listed_and_filtered(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["projects", "--json"]) == 0
    everything = json.loads(capsys.readouterr().out)
    assert len(everything) >= 50
    assert main(["projects", "疏港"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("port_rail_bayuquan") and "45.7" in line for line in lines)
    assert not any(line.startswith("dbl_") for line in lines)
    assert main(["projects", "gouhai", "--lang", "en"]) == 0
    assert "Doubling of the Goubangzi-Haicheng line" in capsys.readouterr().out


def test_a_filter_that_fits_nothing_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["projects", "xyzzy"]) == 0
    assert "xyzzy" in capsys.readouterr().err


def test_one_project_is_shown_with_its_labels(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["projects", "show", "elec_xitian", "--lang", "en"]) == 0
    text = capsys.readouterr().out
    assert "Kind: Electrification" in text
    assert "Target: RL106 RL107" in text
    assert main(["projects", "show", "elec_xitian", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["target"] == "RL106 RL107"
    assert main(["projects", "show", "elec_xitan"]) == 2
    assert "elec_xitian" in capsys.readouterr().err


def options(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    project_cli.section_options(parser)
    args = parser.parse_args(argv)
    args.lang = "en"
    return args


def test_options_become_sections_of_the_scenario(inputs: Inputs) -> None:
    args = options("--project", "dbl_gouhai=2027", "--close", "RL001=2028:0.25", "--site", "Z_RF_LYSH=2027:0,2030:0.5")
    found = load_scenario("baseline", inputs.folder, inputs.levers, **project_cli.sections(args, inputs))
    assert dict(found.projects) == {"dbl_gouhai": 2027}
    assert dict(found.closures) == {"RL001": {2028: 0.25}}
    assert dict(found.sites) == {"Z_RF_LYSH": {2027: 0.0, 2030: 0.5}}
    assert options().project == []


def test_wrong_options_name_the_option_and_the_nearest_name(inputs: Inputs) -> None:
    args = options("--project", "dbl_gohai=2027", "--close", "RL001=2028:3", "--site", "Z_RF_LYSH=2019:0")
    with pytest.raises(DataError) as wrong:
        load_scenario("baseline", inputs.folder, inputs.levers, lang="en", **project_cli.sections(args, inputs))
    told = {f.code: f for f in wrong.value.findings}
    assert set(told) == {"project.unknown", "closure.range", "section.years"}
    assert told["project.unknown"].file == "--project"
    assert "dbl_gouhai" in told["project.unknown"].remedy


def test_a_run_refuses_them_before_it_computes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "baseline", "--project", "dbl_gohai=2027", "--site", "nowhere=2027:0", "--lang", "en"]) == 2
    told = capsys.readouterr().err
    assert "dbl_gouhai" in told
    assert "[site.unknown]" in told


@pytest.mark.parametrize(
    ("row", "code", "column"),
    [
        ("x,某,X,doubling,RL9999,,,,2,,,,,,idea,1,1,2,plan_2022,assumption,assumption", "project.target", "target"),
        ("x,某,X,doubling,RD001,,,,2,,,,,,idea,1,1,2,plan_2022,assumption,assumption", "project.kind", "target"),
        ("x,某,X,berth,yard_R_SY,,,,,,,5,,,idea,1,1,2,plan_2022,assumption,assumption", "project.kind", "target"),
        ("x,某,X,doubling,RL068 yard_R_SY,,,,2,,,,,,idea,1,1,2,plan_2022,assumption,assumption", "project.kind", "target"),
        ("x,某,X,doubling,RL001,,,,2,,,,,,idea,1,1,2,plan_2022,assumption,assumption", "project.effect", "tracks"),
        ("x,某,X,electrification,RL001,,,,,true,,,,,idea,1,1,2,plan_2022,assumption,assumption", "project.effect", "electrified"),
        (
            "x,某,X,line_upgrade,RL068,,,,,,,,,,idea,1,1,2,plan_2022,assumption,assumption",
            "project.effect",
            "capacity_t_per_year",
        ),
        ("x,某,X,yard,yard_R_SY,,,,,,,,,,idea,1,1,2,plan_2022,assumption,assumption", "project.effect", "capacity_t_per_year"),
        ("x,某,X,siding,Z_ST_HAICHENG,,,siding,,,4,5,,,idea,1,1,2,plan_2022,assumption,assumption", "project.effect", "to_node"),
        (
            "x,某,X,siding,Z_ST_ANGANG,,R_ANSHAN,siding,,,4,5,,,idea,1,1,2,plan_2022,assumption,assumption",
            "project.effect",
            "target",
        ),
        ("x,某,X,pipeline,,PL_DALIAN,,crude,,,4,5,,,idea,1,1,2,plan_2022,assumption,assumption", "project.effect", "to_node"),
        ("x,某,X,doubling,RL068,,,,2,,,,,,idea,,,,plan_2022,assumption,assumption", "project.no_cost", "cost_cny"),
        ("x,某,X,doubling,RL068,,,,2,,,,,2027,idea,1,1,2,plan_2022,assumption,assumption", "project.date", "open_year"),
        ("x,某,X,road,RD332,,,,,,,,,2030,idea,1,1,2,plan_2022,assumption,assumption", "project.date", "open_year"),
        ("x,某,X,doubling,RL068,,,,2,,,,,2020,idea,1,1,2,plan_2022,assumption,assumption", "value.range", "open_year"),
        ("x,某,X,tunnel,RL068,,,,2,,,,,,idea,1,1,2,plan_2022,assumption,assumption", "value.code", "kind"),
        ("x,某,X,doubling,RL068,,,,2,,,,,,idea,3,1,2,plan_2022,assumption,assumption", "value.order", "cost_cny"),
        (
            "x,某,X,pipeline,,PL_NOWHERE,RF_LYSH,crude,,,4,5,,,idea,1,1,2,plan_2022,assumption,assumption",
            "id.dangling",
            "from_node",
        ),
    ],
)
def test_a_bad_project_is_told_with_line_and_remedy(tmp_path: Path, row: str, code: str, column: str) -> None:
    (tmp_path / "networks").mkdir()
    (tmp_path / "networks" / "projects.csv").write_text(f"{COLUMNS}\n{row}\n", encoding="utf-8")
    found = [f for f in check_data(pack=tmp_path, lang="en") if f.code == code]
    assert [(f.file, f.row, f.column) for f in found[:1]] == [("networks/projects.csv", 2, column)]
    assert found[0].rule
    assert found[0].remedy


def test_a_project_twice_in_a_pack_is_told_and_a_good_one_is_not(tmp_path: Path) -> None:
    good = "x,某,X,doubling,RL068,,,,2,,,,,,idea,1,1,2,plan_2022,assumption,assumption"
    (tmp_path / "networks").mkdir()
    file = tmp_path / "networks" / "projects.csv"
    file.write_text(f"{COLUMNS}\n{good}\n", encoding="utf-8")
    assert check_data(pack=tmp_path) == []
    file.write_text(f"{COLUMNS}\n{good}\n{good}\n", encoding="utf-8")
    assert [f.code for f in check_data(pack=tmp_path)] == ["key.duplicate"]
