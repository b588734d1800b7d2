"""Results that come with the program: what is kept of a run, how it is found, and that it belongs to the present data."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport import bundled
from transport.app.freight_sankey import flow_rows
from transport.bundled import (
    BITS,
    LEFT_OUT,
    PLACES,
    SCENARIOS,
    VEHICLES,
    YEARS,
    between_places,
    bundled_run,
    is_bundled,
    largest_flows,
    rounded,
    write_bundled,
)
from transport.scenario import load_scenario
from transport.store import MANIFEST, StoredRun, StoreError, read_run, run_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transport.inputs import Inputs


def test_rounding_keeps_what_is_exact_and_what_is_missing() -> None:
    table = pl.DataFrame({"x": [1.0, -0.1, 0.0, None, float("inf"), 1.7976931348623157e308], "n": [1, 2, 3, 4, 5, 6]})
    found = rounded(table, bits=4)
    assert found["x"].to_list() == [1.0, -0.1015625, 0.0, None, float("inf"), 1.7976931348623157e308]
    assert found["n"].to_list() == table["n"].to_list()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False), min_size=1))
def test_rounding_moves_no_number_further_than_it_says(values: list[float]) -> None:
    once = rounded(pl.DataFrame({"x": values}))
    error = np.abs(once["x"].to_numpy() - np.array(values))
    assert (error <= 2.0 ** -(BITS + 1) * np.abs(values)).all()
    assert rounded(once).equals(once)


def test_the_largest_flows_keep_all_their_chains() -> None:
    table = pl.DataFrame(
        {
            "year": [2020, 2020, 2020, 2030, 2030],
            "origin": ["A", "A", "B", "A", "B"],
            "destination": ["B", "B", "C", "B", "C"],
            "commodity": ["coal"] * 5,
            "alternative": ["road", "rail", "road", "road", "road"],
            "t": [3.0, 4.0, 6.0, 1.0, 2.0],
        }
    )
    found = largest_flows(table, flows=1)
    assert found.select("year", "origin", "alternative", "t").rows() == [
        (2020, "A", "road", 3.0),
        (2020, "A", "rail", 4.0),
        (2030, "B", "road", 2.0),
    ]


def test_flows_between_places_are_all_flows() -> None:
    zones = pl.DataFrame(
        {
            "zone_id": ["Z1", "Z2", "Z3", "Z4"],
            "area": ["210100", "210100", "210200", None],
            "in_province": [True, True, True, False],
        }
    )
    table = pl.DataFrame(
        {
            "year": [2030] * 4,
            "origin": ["Z1", "Z2", "Z4", "Z3"],
            "destination": ["Z3", "Z3", "Z2", "Z4"],
            "commodity": ["coal"] * 4,
            "alternative": ["road", "road", "rail", "road"],
            "t": [1.0, 2.0, 4.0, 0.0],
        }
    )
    found = between_places(table, zones)
    assert found.select("origin", "destination", "alternative", "t").rows() == [
        ("Z1", "Z3", "road", 3.0),
        ("Z4", "Z1", "rail", 4.0),
    ]


def test_the_slim_copy_gives_the_flow_chart_of_the_whole_run(stored_run: StoredRun, shelf: StoredRun, inputs: Inputs) -> None:
    zones, keys = inputs.table("networks/zones"), ["commodity", "mode", "corridor"]
    whole = flow_rows(stored_run.table("freight_od"), zones, 2030).filter(pl.col("t") > 0.0)
    kept = flow_rows(shelf.table(PLACES), zones, 2030)
    both = whole.join(kept, on=keys, how="full", suffix="_slim")
    assert both.height == whole.height == kept.height
    np.testing.assert_allclose(both["t_slim"].to_numpy(), both["t"].to_numpy(), rtol=2e-4)


@pytest.fixture(scope="module")
def shelf(stored_run: StoredRun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoredRun]:
    folder = tmp_path_factory.mktemp("bundled") / "results"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSPORT_RESULTS", str(folder))
        yield write_bundled(stored_run, folder)


def test_a_slim_copy_is_small_and_says_what_it_lacks(stored_run: StoredRun, shelf: StoredRun) -> None:
    assert is_bundled(shelf)
    assert not is_bundled(stored_run)
    assert sum(path.stat().st_size for path in shelf.folder.iterdir()) < 1.5e6
    assert set(shelf.manifest["tables"]) == set(stored_run.manifest["tables"]) - set(LEFT_OUT) | {PLACES}
    assert shelf.manifest["bundled"]["left_out"] == sorted(set(LEFT_OUT) & set(stored_run.manifest["tables"]))
    for name, years in YEARS.items():
        assert set(shelf.table(name)["year"].to_list()) <= set(years)
    vehicles = shelf.table("depot_gantt")["vehicle"]
    assert (vehicles.min(), vehicles.max()) == (0, VEHICLES - 1)
    with pytest.raises(StoreError, match="holds no table 'co2e'"):
        shelf.table("co2e")


def test_what_is_kept_is_what_the_run_says(stored_run: StoredRun, shelf: StoredRun) -> None:
    for name in set(shelf.manifest["tables"]) - set(YEARS) - {"freight_od", "depot_gantt", PLACES}:
        same(shelf.table(name), stored_run.table(name), name)


def same(slim: pl.DataFrame, whole: pl.DataFrame, name: str) -> None:
    assert slim.schema == whole.schema, name
    numbers = [c for c, kind in whole.schema.items() if kind == pl.Float64]
    assert slim.drop(numbers).equals(whole.drop(numbers)), name
    for column in numbers:
        assert (slim[column].is_null() == whole[column].is_null()).all(), (name, column)
        np.testing.assert_allclose(
            slim[column].drop_nulls().to_numpy(),
            whole[column].drop_nulls().to_numpy(),
            rtol=1e-7,
            atol=1e-12,
            err_msg=f"{name} {column}",
        )


def test_a_result_is_found_by_its_run_and_else_by_its_scenario(shelf: StoredRun) -> None:
    own = str(shelf.manifest["run_id"])
    assert bundled_run(own) == shelf.folder
    assert bundled_run("0" * 12) is None
    assert bundled_run("0" * 12, "plan_2030") == shelf.folder
    assert bundled_run("0" * 12, "baseline") is None
    # what a stopped command left is none
    partial = shelf.folder.parent / ".baseline.partial-1"
    partial.mkdir()
    (partial / MANIFEST).write_text(json.dumps({"run_id": "1" * 12, "scenario": "baseline"}), encoding="utf-8")
    assert bundled_run("1" * 12, "baseline") is None
    shutil.rmtree(partial)


def test_it_replaces_an_earlier_one(stored_run: StoredRun, shelf: StoredRun) -> None:
    (shelf.folder / "old.parquet").write_bytes(b"")
    again = write_bundled(stored_run, shelf.folder.parent)
    assert again.folder == shelf.folder
    assert not (again.folder / "old.parquet").exists()
    assert [path.name for path in again.folder.parent.iterdir()] == ["plan_2030"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_results_that_come_with_the_program_are_of_the_present_data(name: str, inputs: Inputs) -> None:
    scenario = load_scenario(name, inputs.folder, inputs.levers)
    place = bundled.FOLDER / name
    assert (place / MANIFEST).is_file(), "make them: make results"
    assert read_run(place).manifest["run_id"] == run_id(scenario, inputs.data_hash), "data or levers changed: make results"


def test_a_fresh_run_says_what_comes_with_the_program(stored_run: StoredRun) -> None:
    place = bundled.FOLDER / "plan_2030"
    assert (place / MANIFEST).is_file(), "make them: make results"
    kept = read_run(place)
    assert kept.manifest["run_id"] == stored_run.manifest["run_id"], "data or levers changed: make results"
    # discrete choices of a solver on another machine may differ in a place or two; the headline must not
    keys = ["id", "area", "year", "scope", "boundary", "base", "variant"]
    both = kept.table("indicators").join(stored_run.table("indicators"), on=keys, how="full", nulls_equal=True, suffix="_now")
    assert both.height == stored_run.table("indicators").height
    np.testing.assert_allclose(
        both["value"].drop_nulls().to_numpy(), both["value_now"].drop_nulls().to_numpy(), rtol=1e-6, atol=1e-9
    )
