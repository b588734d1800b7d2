"""Holds the code and the data to docs/contracts.md."""

from __future__ import annotations

import inspect
import re
from dataclasses import FrozenInstanceError, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

import fleets
import networks
from transport import layout, pool
from transport.findings import Finding
from transport.indicators import SCOPES
from transport.params import seed_for
from transport.store import run_id

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.study import Results

ROOT = Path(__file__).resolve().parents[1]
CONTRACT = (ROOT / "docs" / "contracts.md").read_text(encoding="utf-8")


def tables(section: int) -> dict[str, list[str]]:
    """Return table -> columns of one section of the contract."""
    text = CONTRACT.split(f"\n## {section}. ")[1].split("\n## ")[0]
    found = re.findall(r"^\| `([^`]+)` \| ([^|]+) \|$", text, flags=re.MULTILINE)
    return {name: [c.strip(" `") for c in columns.split(",")] for name, columns in found}


def test_years_codes_and_base() -> None:
    assert tuple(range(2015, 2036)) == layout.YEARS
    assert layout.BASE_YEAR == 2020
    assert layout.MODES == ("road", "rail", "water", "pipeline", "air")
    assert SCOPES == ("direct", "direct_power", "wtw")


def test_code_lists_hold_what_the_contract_names(inputs: Inputs) -> None:
    codes = inputs.table("codes")

    def of(name: str) -> set[str]:
        return set(codes.filter(pl.col("list") == name)["code"].to_list())

    assert of("mode") == {*layout.MODES, "transfer"}
    assert of("scope") == set(layout.SCOPES)
    assert of("boundary") == {"road+water", "road+rail", "road+rail+water", "road+rail+coastal", "+pipeline", "all"}
    assert of("base") >= {"2020", "2020_normal"}
    assert of("quality") == {"official", "measured", "literature", "derived", "assumption", "recalled"}
    assert of("principle") == {"territory", "carrier", "fuel_sales", "origin"}
    assert of("verdict") == {"met", "within_tolerance", "missed", "actual_pending", "tracked", "not_modelled"}
    assert {"210000", "210100", "211400"} <= of("area")
    assert not codes.filter(pl.col("code").str.contains(r"[^\x00-\x7f]")).height, "codes never contain Chinese"


@pytest.mark.parametrize("name", sorted(set(tables(3)) - {"fleets/classes"}))
def test_data_tables_have_the_columns_of_the_contract(name: str, inputs: Inputs) -> None:
    wanted = tables(3)[name]
    folder, _, leaf = name.rpartition("/")
    files = sorted((inputs.folder / folder).glob(f"{leaf}.csv"))
    assert files, f"no table {name}"
    for file in files:
        header = file.read_text(encoding="utf-8").split("\n", 1)[0].strip().split(",")
        if name in {"observed/*", "parameters/*"}:
            assert header == wanted, file.name
        else:
            assert header[: len(wanted)] == wanted, file.name


@pytest.mark.parametrize("name", sorted(tables(5)))
def test_result_tables_have_the_columns_of_the_contract(name: str, results: Results) -> None:
    assert results.tables[name].columns == tables(5)[name]


def test_params_have_a_draw_axis_before_the_year_axis(inputs: Inputs) -> None:
    assert inputs.params().get("grid_factor").shape == (1, len(layout.YEARS))
    assert inputs.params(draws=3, seed=1).get("grid_factor").shape == (3, len(layout.YEARS))


def test_run_id_is_twelve_hex_digits(results: Results) -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", run_id(results.scenario, results.data_hash))


def test_a_finding_has_the_fields_of_the_contract() -> None:
    finding = Finding("f.csv", 3, "c", "value.range", "-5", "rule", "remedy")
    assert list(finding.as_dict()) == ["code", "file", "row", "column", "value", "rule", "remedy"]


def test_seeds_come_from_names() -> None:
    first = np.random.default_rng(seed_for(1, "arrivals", 0)).random()
    assert first == np.random.default_rng(seed_for(1, "arrivals", 0)).random()
    others = {
        np.random.default_rng(seed_for(*key)).random() for key in [(1, "arrivals", 1), (1, "breakdowns", 0), (2, "arrivals", 0)]
    }
    assert first not in others
    assert len(others) == 3


def test_the_pool_returns_in_order() -> None:
    assert pool.map(abs, [-3, -1, -2], workers=1) == [3, 1, 2]


@pytest.mark.parametrize(
    "name", ["turn_over", "simulate_depot", "simulate_station", "minimum_fleet", "charge_time_min", "energy_bill"]
)
def test_public_functions_of_fleets(name: str) -> None:
    assert callable(getattr(fleets, name))


def test_public_functions_of_networks() -> None:
    assert callable(networks.solve_freight)


def test_the_compiled_network_is_immutable() -> None:
    from networks.graph import CompiledNetwork

    assert is_dataclass(CompiledNetwork)
    assert CompiledNetwork.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert {"indptr", "head", "length_km"} <= {f.name for f in fields(CompiledNetwork)}


def test_layout_rows_are_immutable() -> None:
    key = layout.EnergyKey("a", "b", "diesel")
    with pytest.raises(FrozenInstanceError):
        key.carrier = "gasoline"  # type: ignore[misc]


def test_no_module_that_computes_an_indicator_reads_a_lever() -> None:
    from transport import accounts, indicators, power, targets

    for module in (accounts, indicators, targets, power):
        assert "lever" not in {name.lower() for name, _ in inspect.getmembers(module)}
        assert "transport.scenario" not in inspect.getsource(module)
