"""The observed tables and the targets: keys, units, ranges, known sums, and what the plan promised."""

from __future__ import annotations

import csv
import re
import tomllib
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pint
import pytest

DATA = Path(__file__).resolve().parents[2] / "data"
OBSERVED = sorted((DATA / "observed").glob("*.csv"))
TARGETS = sorted((DATA / "targets").glob("*.toml"))
KEY = ("series", "area", "period", "mode", "item")
COLUMNS = (*KEY, "value", "low", "high", "unit", "principle", "used_for", "scope_break", "source", "quality", "footnote")
# A year, several years, quarters, months, days of the Spring Festival (SF7 holiday week, SF40 travel season), or undated.
PERIOD = re.compile(r"undated|\d{4}(-\d{4}|Q\d(-\d)?|M\d{1,2}(-\d{1,2})?|SF\d{1,2})?")
SIMPLE = re.compile(r"= ([\d., x*/+()-]+?)(?= \(10\^4|;|$)")


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def rows_of(name: str) -> dict[tuple[str, ...], dict[str, str]]:
    """Return the rows of one observed table by key."""
    return {tuple(row[c] for c in KEY): row for row in read(DATA / "observed" / f"{name}.csv")}


@pytest.fixture(scope="module")
def codes() -> dict[str, set[str]]:
    lists: dict[str, set[str]] = {}
    for row in read(DATA / "codes.csv"):
        lists.setdefault(row["list"], set()).add(row["code"])
    return lists


def test_all_topics_are_there() -> None:
    topics = "freight passengers ports sea_rail vehicles cities charging airports railway power economy energy_balance climate profiles"
    assert {path.stem for path in OBSERVED} >= {*topics.split(), "benchmarks"}


@pytest.mark.parametrize("path", OBSERVED, ids=lambda p: p.stem)
def test_rows_are_well_formed(path: Path, codes: dict[str, set[str]]) -> None:
    rows = read(path)
    assert rows
    assert tuple(rows[0]) == COLUMNS
    twice = [key for key, n in Counter(tuple(row[c] for c in KEY) for row in rows).items() if n > 1]
    assert not twice
    for row in rows:
        where = f"{path.name}: {row['series']} {row['area']} {row['period']} {row['mode']} {row['item']}"
        assert row["area"] in codes["area"], where
        assert row["mode"] in codes["mode"] | {""}, where
        assert row["principle"] in codes["principle"], where
        assert row["used_for"] in codes["used_for"], where
        assert row["quality"] in codes["quality"], where
        assert row["scope_break"] in codes["scope_break"] | {""}, where
        assert PERIOD.fullmatch(row["period"]), where
        assert row["series"].isascii(), where
        assert row["item"].isascii(), where
        assert row["item"], where
        assert not re.search(r"[\r\n]", "".join(row.values())), where


@pytest.mark.parametrize("path", OBSERVED, ids=lambda p: p.stem)
def test_values_lie_in_their_range(path: Path) -> None:
    for row in read(path):
        where = f"{path.name}: {row['series']} {row['area']} {row['period']} {row['item']}"
        assert bool(row["low"]) == bool(row["high"]), where
        if row["value"] and row["low"]:
            assert Decimal(row["low"]) <= Decimal(row["value"]) <= Decimal(row["high"]), where
        if not row["value"]:
            assert row["footnote"].startswith("not found"), where
            assert row["used_for"] == "context", where


def test_every_unit_parses() -> None:
    registry: pint.UnitRegistry[Any] = pint.UnitRegistry()
    registry.load_definitions(str(DATA / "units.txt"))
    units = {row["unit"] for path in OBSERVED for row in read(path)}
    units |= {str(target["unit"]) for path in TARGETS for target in targets_of(path)}
    for unit in sorted(units):
        registry.parse_units(unit)


def test_one_series_has_one_dimension_per_item() -> None:
    registry: pint.UnitRegistry[Any] = pint.UnitRegistry()
    registry.load_definitions(str(DATA / "units.txt"))
    found: dict[tuple[str, str], set[str]] = {}
    for path in OBSERVED:
        for row in read(path):
            found.setdefault((row["series"], row["item"]), set()).add(str(registry.parse_units(row["unit"]).dimensionality))
    assert not {key: dims for key, dims in found.items() if len(dims) > 1}


def test_memory_never_validates_and_benchmarks_stay_context() -> None:
    for path in OBSERVED:
        for row in read(path):
            if row["quality"] == "recalled":
                assert row["used_for"] != "validation", row
            if row["area"] == "100000":
                assert row["used_for"] == "context", row


def test_recalled_values_carry_a_range_or_a_remark() -> None:
    bare = [
        (path.stem, row["series"], row["area"], row["period"], row["item"])
        for path in OBSERVED
        for row in read(path)
        if row["quality"] == "recalled" and row["used_for"] == "calibration" and not row["low"]
    ]
    assert not bare


def test_derived_rows_state_a_formula_that_gives_the_value() -> None:
    checked = 0
    for path in OBSERVED:
        for row in read(path):
            if row["quality"] != "derived":
                continue
            assert row["footnote"].startswith("= "), row
            simple = SIMPLE.match(row["footnote"])
            if not simple or not re.fullmatch(r"[\d.]+( ?[-x*/+] ?[\d.]+)+", text := simple[1].replace(",", "")):
                continue
            ratio = float(row["value"]) / _arithmetic(text)
            # the footnote counts in the published unit (10^4 t, 10^8 tkm, percent), the row in base units
            assert any(abs(ratio / 10.0**k - 1.0) < 0.01 for k in range(-6, 13)), row
            checked += 1
    assert checked >= 20


def _arithmetic(text: str) -> float:
    """Return the value of numbers joined by + - x * /, products first."""
    tokens = re.findall(r"[\d.]+|[-+x*/]", text)
    terms = [float(tokens[0])]
    for operator, number in zip(tokens[1::2], tokens[2::2], strict=True):
        value = float(number)
        if operator in "x*":
            terms[-1] *= value
        elif operator == "/":
            terms[-1] /= value
        else:
            terms.append(value if operator == "+" else -value)
    return sum(terms)


def test_arithmetic_reads_products_first() -> None:
    assert _arithmetic("1-56.79/74.91") == pytest.approx(0.24189, abs=1e-5)
    assert _arithmetic("188 - 114 - 32.5") == pytest.approx(41.5)


@pytest.mark.parametrize("series", ["freight_volume", "freight_turnover"])
def test_modes_of_2008_sum_to_the_total(series: str) -> None:
    freight = rows_of("freight")
    total = Decimal(freight[series, "210000", "2008", "", "total"]["value"])
    parts = sum(Decimal(freight[series, "210000", "2008", mode, "total"]["value"]) for mode in ("rail", "road", "water"))
    assert parts == total


def test_transport_fuel_of_2019() -> None:
    energy = rows_of("energy_balance")
    fuel = {
        "diesel": "6906900",
        "gasoline": "3190700",
        "kerosene": "439000",
        "fuel_oil": "1107600",
        "lpg": "143000",
        "natural_gas": "716000000",
    }
    for name, value in fuel.items():
        row = energy["fuel_use", "210000", "2019", "", f"transport_{name}"]
        assert row["value"] == value
        # only the kerosene was in sight when a parameter was chosen (air_carrier_bridge); nothing else stands on the balance
        assert row["used_for"] == ("calibration" if name == "kerosene" else "validation")
        assert row["principle"] == "fuel_sales"
    assert energy["fuel_use", "210000", "2019", "", "household_gasoline"]["value"] == "3244200"
    years = {key[2] for key in energy if key[0] == "fuel_use" and key[4] == "transport_diesel" and energy[key]["value"]}
    assert years == {str(year) for year in range(2010, 2020)}


def test_transport_co2_of_2019_is_the_sum_of_its_fuels() -> None:
    energy = rows_of("energy_balance")
    names = ("diesel", "gasoline", "kerosene", "fuel_oil", "lpg", "natural_gas")
    fuels = sum(float(energy["co2", "210000", "2019", "", f"transport_{name}"]["value"]) for name in names)
    total = float(energy["co2", "210000", "2019", "", "transport_all_fuels"]["value"])
    assert total == pytest.approx(37.6961e6)
    assert 0.0 <= total - fuels < 0.01 * total  # coal and coke make the rest


def test_sea_rail_of_2023() -> None:
    sea_rail = rows_of("sea_rail")
    boxes = sea_rail["sea_rail_containers", "210000", "2023Q1-3", "", "total"]
    share = sea_rail["sea_rail_share", "210000", "2023Q1-3", "", "total"]
    assert boxes["value"] == "1137000"
    assert share["value"] == "12.2"
    assert boxes["used_for"] == share["used_for"] == "validation"


def test_rail_turnover_is_counted_on_territory_and_road_by_carrier() -> None:
    freight = rows_of("freight")
    rail = freight["freight_turnover", "210000", "2022", "rail", "total"]
    assert (rail["value"], rail["principle"], rail["used_for"]) == ("130453000000", "territory", "validation")
    assert freight["freight_volume", "210000", "2020", "rail", "total"]["principle"] == "origin"
    for series in ("freight_volume", "freight_turnover"):
        for mode in ("road", "water"):
            row = freight[series, "210000", "2020", mode, "total"]
            assert (row["principle"], row["used_for"]) == ("carrier", "calibration")


def test_breaks_are_marked() -> None:
    freight, ports = rows_of("freight"), rows_of("ports")
    assert freight["freight_volume", "210000", "2008", "road", "total"]["scope_break"] == "road_2019"
    assert freight["freight_turnover", "210000", "2008", "water", "total"]["scope_break"] == "water_2020"
    assert ports["port_cargo_throughput", "210000", "2017", "water", "total"]["scope_break"] == "ports_2019"
    assert not ports["port_cargo_throughput", "210000", "2020", "water", "total"]["scope_break"]


@pytest.mark.parametrize(("item", "total"), [("urban_bus", 24000), ("taxi", 92000)])
def test_buses_and_taxis_of_the_cities_sum_to_the_province(item: str, total: int) -> None:
    vehicles = rows_of("vehicles")
    parts = [
        float(row["value"]) for key, row in vehicles.items() if key[0] == "vehicle_stock" and key[2] == "2020" and key[4] == item
    ]
    assert len(parts) == 15  # 14 cities and the province
    assert sum(parts) == pytest.approx(2 * total, rel=1e-3)


def test_mode_shares_of_the_target_cities_close() -> None:
    cities = rows_of("cities")
    for area in ("210100", "210200", "210300", "210400", "210700"):
        shares = [float(row["value"]) for key, row in cities.items() if key[:3] == ("mode_share", area, "2015-2019")]
        assert sum(shares) == pytest.approx(100.0, abs=1e-6), area


def test_five_cities_have_more_than_a_million_urban_residents() -> None:
    cities = rows_of("cities")
    big = {key[1] for key, row in cities.items() if key[0] == "city_above_one_million" and row["value"] == "1"}
    assert big == {"210100", "210200", "210300", "210400", "210700"}


# --- targets


def targets_of(path: Path) -> list[dict[str, object]]:
    """Return the targets of one document."""
    with path.open("rb") as file:
        content = tomllib.load(file)
    found: list[dict[str, object]] = content["target"]
    return found


def test_document_heads() -> None:
    assert {path.stem for path in TARGETS} >= {"plan_2022", "multimodal_2022", "beautiful_liaoning"}
    sources = {row["source"] for row in read(DATA / "sources.csv")}
    for path in TARGETS:
        with path.open("rb") as file:
            head = tomllib.load(file)
        assert head["source"] in sources
        for key in ("document", "title_zh", "title_en", "issuer", "date"):
            assert head[key], (path.name, key)


@pytest.mark.parametrize("path", TARGETS, ids=lambda p: p.stem)
def test_targets_have_their_keys(path: Path, codes: dict[str, set[str]]) -> None:
    needed = {"id", "area", "year", "unit", "tolerance", "strength", "document", "clause", "wording_zh", "lead", "note"}
    for target in targets_of(path):
        assert needed <= set(target), target["id"]
        assert target["id"] in codes["indicator"]
        assert target["area"] in codes["area"]
        assert target["strength"] in codes["strength"]
        assert isinstance(target["year"], int)
        assert 2020 < target["year"] <= 2035
        assert isinstance(target["tolerance"], float)
        assert target["wording_zh"], target["id"]
        if target["strength"] == "tracked":
            assert "value" not in target
        else:
            assert isinstance(target["value"], int | float)
        # what the words of the plan want is more or less of it, whether they name a number or not
        assert target["direction"] in codes["direction"]
        if target["tolerance"]:
            assert target["tolerance_note"]


def test_keys_of_targets_are_unique() -> None:
    keys = [(t["id"], t["area"], t["year"]) for path in TARGETS for t in targets_of(path)]
    assert len(keys) == len(set(keys))


def test_the_plan_promises_what_it_promises() -> None:
    found = {(t["id"], t["area"]): t for t in targets_of(DATA / "targets" / "plan_2022.toml")}
    expected = {
        "operating_co2_intensity": (2030, -9.5, "at_most"),
        "sea_rail_share": (2025, 15.0, "at_least"),
        "sea_rail_growth": (2025, 10.0, "at_least"),
        "clean_share_of_additions": (2030, 40.0, "at_least"),
        "clean_share_new_bus_taxi": (2025, 100.0, "at_least"),
        "rail_energy_intensity": (2030, -10.0, "at_most"),
        "land_oil_peak": (2030, 2029, "at_most"),
        "airport_gse_electric_share": (2030, 100.0, "at_least"),
    }
    for name, (year, value, direction) in expected.items():
        target = found[name, "210000"]
        assert (target["year"], target["value"], target["direction"]) == (year, value, direction), name
    for area in ("210100", "210200", "210300", "210400", "210700"):
        assert found["green_travel_share", area]["value"] == 70.0
    assert sum(key[0] == "green_travel_share" for key in found) == 5


def test_the_headline_reading_is_one_row(codes: dict[str, set[str]]) -> None:
    readings = [t for path in TARGETS for t in targets_of(path) if "boundary" in t]
    assert [t["id"] for t in readings] == ["operating_co2_intensity"]
    assert readings[0]["boundary"] in codes["boundary"]
    assert readings[0]["scope"] in codes["scope"]
    assert readings[0]["base"] in codes["base"]


def test_every_clause_of_the_transport_part_stands_once(codes: dict[str, set[str]]) -> None:
    clauses = read(DATA / "targets" / "clauses.csv")
    words = [row["wording_zh"] for row in clauses]
    assert len({row["clause_id"] for row in clauses}) == len(clauses)
    assert len(set(words)) == len(words)
    assert len([row for row in clauses if row["paragraph"].startswith("三(四)")]) == 25
    for row in clauses:
        assert row["status_note"], row["clause_id"]
        assert set(row["indicator"].split()) <= codes["indicator"], row["clause_id"]
    # a clause says the same by its kind as by its indicators
    for row in clauses:
        if row["status"] in {"heading", "context", "not_modelled"}:
            assert not row["indicator"], row["clause_id"]
        if row["status"] in {"target", "tracked"}:
            assert row["indicator"], row["clause_id"]
        # a target is a number, or "all" or "peak" in the words of the clause
        numbers = bool(re.search(r"\d+(\.\d+)?%|全面|峰值", row["wording_zh"].replace("全过程", "")))
        if row["paragraph"].startswith("三(四)") and row["status"] in {"target", "tracked", "measure"}:
            assert (row["status"] == "target") == (numbers and "年" in row["wording_zh"]), row["clause_id"]
        assert row["status_note"].startswith("not modelled") == (row["status"] == "not_modelled"), row["clause_id"]
        assert row["note_zh"].startswith("未建模") == (row["status"] == "not_modelled"), row["clause_id"]
    named = {name for row in clauses for name in row["indicator"].split()}
    plan = {t["id"] for t in targets_of(DATA / "targets" / "plan_2022.toml")}
    assert plan <= named
    # each target quotes words of a clause
    for target in targets_of(DATA / "targets" / "plan_2022.toml"):
        quote = str(target["wording_zh"]).rstrip("。")
        assert any(quote in clause for clause in words), target["id"]
