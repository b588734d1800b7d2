"""The project register against the tables that it refers to: costs made again from unit costs, years, lengths, sites and lines covered."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[2] / "data"


def table(name: str) -> list[dict[str, str]]:
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


REGISTER = {row["project_id"]: row for row in table("networks/projects")}
LINKS = {row["link_id"]: row for row in table("networks/links")}
UNIT = {row["subject"]: row for row in table("parameters/reference_projects")}


def on_lines(row: dict[str, str]) -> list[dict[str, str]]:
    return [LINKS[name] for name in row["target"].split() if name in LINKS]


@pytest.mark.parametrize("project", sorted(REGISTER))
def test_the_cost_is_the_quantity_times_the_unit_cost(project: str) -> None:
    row = REGISTER[project]
    if not row["unit_cost"]:
        assert row["quality"] in {"official", "literature"}
        return
    unit, quantity = UNIT[row["unit_cost"]], float(row["quantity"])
    for cost, rate in (("cost_cny", "value"), ("low", "low"), ("high", "high")):
        assert float(row[cost]) == pytest.approx(quantity * float(unit[rate])), cost
    assert row["quality"] == "assumption"


@pytest.mark.parametrize("project", sorted(p for p, r in REGISTER.items() if r["unit_cost"]))
def test_the_quantity_is_that_of_the_tables(project: str) -> None:
    row, quantity = REGISTER[project], float(REGISTER[project]["quantity"])
    per_capacity = UNIT[row["unit_cost"]]["parameter"] == "ref_project_cost_per_capacity"
    if per_capacity:
        assert quantity == float(row["capacity_t_per_year"])
    elif on_lines(row):
        # roads opened in 2025 count their published length
        assert quantity == pytest.approx(
            sum(float(line["length_km"]) for line in on_lines(row)), rel=0.15 if row["kind"] == "road" else 1e-3
        )
    else:
        assert quantity == float(row["length_km"])


def test_open_projects_have_the_year_of_their_links_and_no_other_has_one() -> None:
    for project, row in REGISTER.items():
        years = {int(line["open_year"]) for line in on_lines(row) if line["open_year"]} - {9999}
        if row["open_year"]:
            assert years == {int(row["open_year"])}, project
        assert row["status"] != "open" or row["open_year"], project


def test_every_link_that_opens_after_the_base_year_is_some_project() -> None:
    later = {name for name, row in LINKS.items() if row["open_year"] and int(row["open_year"]) > 2020}
    assert later
    assert later <= {name for row in REGISTER.values() for name in row["target"].split()}


def test_the_electrifications_that_the_plan_names_are_there_without_a_year() -> None:
    named = {project: row for project, row in REGISTER.items() if row["status"] == "plan"}
    assert {"elec_xitian", "elec_shendan", "elec_liaoxi"} == set(named)
    assert {row["kind"] for row in named.values()} == {"electrification"}
    assert {row["open_year"] for row in named.values()} == {""}
    for project, words in (("elec_xitian", "溪田"), ("elec_shendan", "沈丹"), ("elec_liaoxi", "辽溪")):
        lines = {line["line_zh"] for line in on_lines(named[project])}
        assert all(words in line for line in lines), project
        # whole lines, nothing electrified already
        assert {name for name, row in LINKS.items() if row["mode"] == "rail" and words in row["line_zh"]} == set(
            named[project]["target"].split()
        )
        assert all(line["electrified_year"] in {"", "0"} for line in on_lines(named[project]))


def test_every_large_site_without_a_siding_has_one_in_the_register() -> None:
    limit = next(float(r["value"]) for r in table("parameters/freight_demand") if r["parameter"] == "large_site_limit")
    moved: dict[str, float] = {}
    for row in table("demand/generators"):
        moved[row["zone_id"]] = moved.get(row["zone_id"], 0.0) + float(row["t_per_year"])
    sided = {row["zone_id"] for row in table("networks/connectors") if row["link_class"] == "siding"}
    kinds = {"steelworks", "cement", "works", "refinery", "power_plant", "port", "mine", "logistics_park"}
    large = {
        z["zone_id"]
        for z in table("networks/zones")
        if z["in_province"] == "true" and z["kind"] in kinds and moved.get(z["zone_id"], 0.0) >= limit
    }
    built = {
        row["target"] for row in REGISTER.values() if row["link_class"] == "siding" and row["kind"] in {"siding", "port_railway"}
    }
    assert large - sided
    assert large - sided == built
