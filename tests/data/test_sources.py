"""Sources resolve, units parse, reference parameters keep the schema, derived values can be computed again."""

from __future__ import annotations

import ast
import csv
import operator
import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pint
import pytest

DATA = Path(__file__).resolve().parents[2] / "data"
PARAMETERS = sorted((DATA / "parameters").glob("*.csv"))
REFERENCE = [path for path in PARAMETERS if path.stem.startswith("reference_")]
COLUMNS = ("parameter", "subject", "year", "value", "low", "high", "distribution", "unit", "source", "quality", "note")
Key = tuple[str, str, str]


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def parameter_rows() -> dict[Key, dict[str, str]]:
    """Return all parameter rows by (parameter, subject, year)."""
    return {(row["parameter"], row["subject"], row["year"]): row for path in PARAMETERS for row in read(path)}


# --- a formula of derivations.csv: numbers, + - * / **, brackets, min, max, and references [parameter:subject:year]

_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_FUNCTIONS = {"min": min, "max": max}


def evaluate(formula: str, rows: dict[Key, dict[str, str]]) -> float:
    """Return the value of a formula over parameter rows; anything but arithmetic is refused."""
    values: dict[str, float] = {}

    def name(match: re.Match[str]) -> str:
        parameter, subject, year = (str(match[1]) + "::").split(":")[:3]
        cell = rows[parameter, subject or "all", year]["value"]
        if not cell:
            msg = f"{match[1]} has no value"
            raise ValueError(msg)
        values[label := f"v{len(values)}"] = float(cell)
        return label

    return _value(ast.parse(re.sub(r"\[([a-z0-9_:]+)\]", name, formula), mode="eval").body, values)


def _value(node: ast.expr, values: dict[str, float]) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return float(_OPERATORS[type(node.op)](_value(node.left, values), _value(node.right, values)))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, values)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
        return float(_FUNCTIONS[node.func.id](_value(argument, values) for argument in node.args))
    msg = f"not arithmetic: {ast.dump(node)}"
    raise ValueError(msg)


def test_formulas_are_arithmetic_over_rows() -> None:
    rows = {("a", "all", ""): {"value": "6"}, ("a", "x", "2020"): {"value": "4"}, ("a", "none", ""): {"value": ""}}
    assert evaluate("[a] * ([a:x:2020] - 1) / 2 ** 2", rows) == 4.5
    assert evaluate("max([a], [a:x:2020], -3)", rows) == 6.0
    with pytest.raises(ValueError, match="not arithmetic"):
        evaluate("__import__('os').getcwd()", rows)
    with pytest.raises(ValueError, match="has no value"):
        evaluate("[a:none] * 2", rows)
    with pytest.raises(KeyError):
        evaluate("[b] * 2", rows)


def test_derived_values_can_be_computed_again() -> None:
    rows = parameter_rows()
    formulas = {(row["parameter"], row["subject"], row["year"]): row["formula"] for row in read(DATA / "derivations.csv")}
    assert len(formulas) >= 14
    for key, formula in formulas.items():
        assert rows[key]["quality"] == "derived", key
        # half a percent: published values are rounded to three digits
        assert evaluate(formula, rows) == pytest.approx(float(rows[key]["value"]), rel=5e-3), key
    without = [key for key, row in rows.items() if row["quality"] == "derived" and key not in formulas]
    assert not without, "quality derived needs a formula in derivations.csv"


def test_derivations_are_unique() -> None:
    keys = Counter((row["parameter"], row["subject"], row["year"]) for row in read(DATA / "derivations.csv"))
    assert not [key for key, n in keys.items() if n > 1]


# --- sources


def test_sources_are_unique_sorted_and_named() -> None:
    rows = read(DATA / "sources.csv")
    keys = [row["source"] for row in rows]
    assert keys == sorted(set(keys))
    assert set(keys) >= {"expert_judgement", "plan_2022", "memory_2026", "derived_rows", "not_found"}
    for row in rows:
        assert row["citation"], row["source"]
        assert re.fullmatch(r"[a-z0-9_]+", row["source"])
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", row["accessed"]), row["source"]


def test_a_source_says_what_it_is_or_that_its_original_is_not_known() -> None:
    """No citation leans on its neighbours, and one wording tells of an original that nobody has seen."""
    wordings = {"original source not known", "seen at this address only; original source not known"}
    for row in read(DATA / "sources.csv"):
        text = row["citation"]
        assert not re.match(r"(same|see) |derived from row|secondary", text), row["source"]
        assert row["location"] not in {"not found", "recall", "public repository"}, row["source"]
        if "出处不明" in text:
            assert re.search(r"原始出处不明 \((.+?)\)", text)[1] in wordings, row["source"]  # type: ignore[index]
        if "seen at this address only" in text:
            assert row["location"].startswith("http"), row["source"]


def test_growth_is_in_percent_a_year() -> None:
    """A target and what it is held against are in one unit."""
    targets = [
        one for path in (DATA / "targets").glob("*.toml") for one in tomllib.loads(path.read_text(encoding="utf-8"))["target"]
    ]
    units = {one["id"]: one["unit"] for one in targets if one["id"].endswith("_growth")}
    assert units == dict.fromkeys(("sea_rail_growth", "transhipment_growth"), "percent/yr")
    for table in ("actuals", "sea_rail"):
        rows = [row for row in read(DATA / "observed" / f"{table}.csv") if re.search("_growth(_target)?$", row["series"])]
        assert {row["unit"] for row in rows} == {"percent/yr"}, table


def test_every_source_resolves() -> None:
    known = {row["source"] for row in read(DATA / "sources.csv")}
    missing = []
    for path in sorted(DATA.rglob("*.csv")):
        if path.name == "sources.csv":
            continue
        rows = read(path)
        if rows and "source" in rows[0]:
            missing += [f"{path.relative_to(DATA)}: {row['source']}" for row in rows if row["source"] not in known]
    assert not missing


def test_recalled_values_name_memory_or_the_document_they_recall() -> None:
    for path in sorted((DATA / "observed").glob("*.csv")):
        for row in read(path):
            if row["source"] == "memory_2026":
                assert row["quality"] in {"recalled", "assumption"}, row


def test_no_text_speaks_of_what_is_not_in_the_project() -> None:
    wrong = re.compile(r"(?<!\.)\.\./|read_file|(stats2?|zonal|params|gen)/\w+\.csv|this researcher|pythonhosted|npmjs")
    for path in [*sorted(DATA.rglob("*.csv")), *sorted(DATA.rglob("*.toml"))]:
        found = wrong.search(path.read_text(encoding="utf-8"))
        assert not found, (path.name, found and found[0])


# --- codes and units


def test_codes_are_unique_ascii_and_labelled() -> None:
    rows = read(DATA / "codes.csv")
    keys = [(row["list"], row["code"]) for row in rows]
    assert len(keys) == len(set(keys))
    for row in rows:
        assert row["code"].isascii()
        assert row["label_zh"]
        assert row["label_en"]
    areas = [row["code"] for row in rows if row["list"] == "area"]
    assert len([code for code in areas if code.startswith("21") and code != "210000"]) == 14


def test_units_of_the_project_parse_and_convert() -> None:
    registry: pint.UnitRegistry[Any] = pint.UnitRegistry()
    registry.load_definitions(str(DATA / "units.txt"))
    assert registry("1 kgce").to("kWh").magnitude == pytest.approx(8.141, abs=1e-3)
    assert registry("12 kgC").to("kgCO2").magnitude == pytest.approx(44.0)
    assert registry("1 yi_tkm").to("tkm").magnitude == pytest.approx(1e8)
    assert registry("3 wan_TEU").to("TEU").magnitude == pytest.approx(3e4)
    assert registry("1 toe").to("tce").magnitude == pytest.approx(10 / 7, rel=1e-3)
    with pytest.raises(pint.DimensionalityError):
        registry("1 kgCO2").to("kg")
    with pytest.raises(pint.DimensionalityError):
        registry("1 pkm").to("tkm")


# --- reference parameters


@pytest.mark.parametrize("path", REFERENCE, ids=lambda p: p.stem)
def test_reference_rows_keep_the_schema(path: Path) -> None:
    rows = read(path)
    assert tuple(rows[0]) == COLUMNS
    for row in rows:
        where = f"{path.name}: {row['parameter']} {row['subject']} {row['year']}"
        assert re.fullmatch(r"ref_[a-z0-9_]+", row["parameter"]), where
        assert re.fullmatch(r"[a-z0-9_]+", row["subject"]), where
        assert re.fullmatch(r"|\d{4}", row["year"]), where
        assert bool(row["low"]) == bool(row["high"]), where
        assert (row["distribution"] == "fixed") == (not row["low"]), where
        if row["value"] and row["low"]:
            assert float(row["low"]) <= float(row["value"]) <= float(row["high"]), where
        if not row["value"]:
            assert "absent" in row["note"], where


def test_there_are_all_reference_rows() -> None:
    assert sum(len(read(path)) for path in REFERENCE) == 544
    assert len(REFERENCE) == 16


def test_parameter_keys_and_units() -> None:
    registry: pint.UnitRegistry[Any] = pint.UnitRegistry()
    registry.load_definitions(str(DATA / "units.txt"))
    keys: Counter[Key] = Counter()
    units: dict[str, set[str]] = {}
    years: dict[tuple[str, str], set[bool]] = {}
    for path in REFERENCE:
        for row in read(path):
            keys[row["parameter"], row["subject"], row["year"]] += 1
            units.setdefault(row["parameter"], set()).add(row["unit"])
            years.setdefault((row["parameter"], row["subject"]), set()).add(bool(row["year"]))
    assert not [key for key, n in keys.items() if n > 1]
    assert not {name: found for name, found in units.items() if len(found) > 1}
    assert not [key for key, found in years.items() if len(found) > 1], "a key holds either years or one value for all years"
    for found in units.values():
        for unit in found:
            assert unit.isascii()
            registry.parse_units(unit)
