"""Runs side by side: differences per corridor, commodity and prefecture sum to those of the whole; the command; the Python functions."""

from __future__ import annotations

import json
import runpy
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import transport
from transport.cli import main
from transport.findings import DataError
from transport.run_deltas import VIEWS, deltas, ranked
from transport.scorecard import compare_runs
from transport.study import Results

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.store import StoredRun

COLUMNS = ("year", "from_place", "to_place", "mode", "t", "tkm")


def corridors(*rows: tuple[int, str, str, str, float, float]) -> pl.DataFrame:
    return pl.DataFrame(
        list(rows),
        schema=dict(zip(COLUMNS, (pl.Int64, *[pl.String] * 3, *[pl.Float64] * 2), strict=True)),
        orient="row",
    )


A = corridors((2030, "a", "b", "road", 10.0, 1000.0), (2030, "a", "c", "road", 5.0, 100.0), (2025, "a", "b", "road", 1.0, 1.0))
B = corridors((2030, "a", "b", "road", 4.0, 400.0), (2030, "a", "b", "rail", 6.0, 720.0), (2030, "d", "b", "rail", 1.0, 9.0))


def test_differences_by_corridor_known_answer() -> None:
    found = deltas("corridor", A, {"B": B}, years=[2030])
    assert found.columns == [
        "run",
        "year",
        "from_place",
        "to_place",
        "mode",
        "t_a",
        "t",
        "t_difference",
        "tkm_a",
        "tkm",
        "tkm_difference",
    ]
    assert found.select("from_place", "to_place", "mode", "t_difference", "tkm_difference").rows() == [
        ("a", "b", "rail", 6.0, 720.0),
        ("a", "b", "road", -6.0, -600.0),
        ("a", "c", "road", -5.0, -100.0),
        ("d", "b", "rail", 1.0, 9.0),
    ]
    places = ranked("corridor", found)
    assert places.select("from_place", "to_place", "road", "rail", "change", "moved").rows() == [
        ("a", "b", -600.0, 720.0, 120.0, 720.0),
        ("a", "c", -100.0, 0.0, -100.0, 100.0),
        ("d", "b", 0.0, 9.0, 9.0, 9.0),
    ]


def test_a_run_against_itself_changes_nothing() -> None:
    found = deltas("corridor", A, {"B": A, "C": A}, years=[2030, 2025])
    assert found.height == 2 * A.height
    assert found["tkm_difference"].abs().sum() == 0.0
    assert ranked("corridor", deltas("corridor", A, {"B": B}, years=[2019])).is_empty()


TABLE = st.lists(
    st.tuples(
        st.sampled_from([2025, 2030]), *[st.sampled_from("abc")] * 2, st.sampled_from(["road", "rail"]), *[st.floats(0, 1e9)] * 2
    ),
    unique_by=lambda row: row[:4],
    max_size=20,
)


@given(TABLE, TABLE)
def test_differences_sum_to_the_difference_of_the_sums(one: list, other: list) -> None:
    a, b = corridors(*one), corridors(*other)
    found = deltas("corridor", a, {"B": b}, years=[2025, 2030])
    assert found["t_difference"].sum() == pytest.approx(b["t"].sum() - a["t"].sum(), abs=1e-3)
    assert (found["t"] - found["t_a"] == found["t_difference"]).all()
    swapped = deltas("corridor", b, {"A": a}, years=[2025, 2030])
    assert swapped["tkm_difference"].to_list() == [-x for x in found["tkm_difference"].to_list()]


def test_four_runs_of_indicators_stand_side_by_side() -> None:
    keys = {"id": ["x"], "area": ["210000"], "year": [2030], "scope": [""], "boundary": [""], "base": [""], "variant": [""]}
    runs = [pl.DataFrame({**keys, "unit": ["percent"], "value": [v]}) for v in (1.0, 3.0, 0.5)]
    row = compare_runs(*runs, years=[2030]).row(0, named=True)
    assert (row["value_a"], row["value_b"], row["value_c"]) == (1.0, 3.0, 0.5)
    assert (row["difference"], row["difference_c"]) == (2.0, -0.5)
    only = compare_runs(runs[0].with_columns(id=pl.lit("y")), runs[1], years=[2030])
    assert only["unit"].to_list() == ["percent", "percent"], "an indicator of one run keeps its unit"


# ---- real runs ----


def test_views_of_real_runs_sum_to_the_whole(baseline_run: StoredRun, lever_run: StoredRun) -> None:
    years, sides = [2025, 2030], (baseline_run, lever_run)

    def whole(run: StoredRun, table: str, amount: pl.Expr) -> float:
        return float(run.table(table).filter(pl.col("year").is_in(years)).select(amount.sum()).item())

    expected = {
        ("corridor", "t"): ("freight_od", pl.col("t")),
        ("corridor", "tkm"): ("freight_od", pl.col("t") * pl.col("km")),
        ("commodity", "t"): ("freight", pl.col("t")),
        ("commodity", "total_tkm"): ("freight", pl.col("total_tkm")),
        ("prefecture", "territory_tkm"): ("freight_areas", pl.col("territory_tkm")),
    }
    for by in VIEWS:
        found = transport.compare(*sides, by=by, years=years)
        assert found["run"].unique().to_list() == ["b"]
        for (view, amount), (table, column) in expected.items():
            if view == by:
                difference = whole(lever_run, table, column) - whole(baseline_run, table, column)
                assert found[f"{amount}_difference"].sum() == pytest.approx(difference, rel=1e-6, abs=1.0), (by, amount)
        assert found.select(pl.selectors.ends_with("_difference").abs().sum()).row(0)[0] > 0, "a cheaper railway moves something"


def test_the_command_shows_and_writes_every_view(
    baseline_run: StoredRun, lever_run: StoredRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = str(baseline_run.folder), str(lever_run.folder)
    for by, ending in (("corridor", ".csv"), ("commodity", ".parquet"), ("prefecture", ".csv"), ("indicator", ".parquet")):
        file = tmp_path / f"{by}{ending}"
        assert main(["compare", a, b, "--by", by, "--year", "2030", "--out", str(file), "--lang", "en", "--top", "5"]) == 0
        out = capsys.readouterr().out
        assert "B = A + Rail tariff level -5 % by 2025, -10 % by 2030 + " in out
        assert "Delays and capacity of every year" in out
        table = pl.read_csv(file, infer_schema_length=None) if ending == ".csv" else pl.read_parquet(file)
        assert f"({table.height} rows)" in out
        if by != "indicator":
            assert out.rstrip().splitlines()[-2].startswith("All")
            expected = transport.compare(a, b, by=by, years=[2030])
            assert table.height == expected.height
    assert main(["compare", a, b, "--by", "corridor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["run"] for row in found["corridor"]} == {"B"}
    assert len(found["words"]["b"]) == 2, "the tariff, and the capacity that the other run held"
    assert main(["compare", a, b, a, b, "--lang", "en"]) == 0
    assert "D - A" in capsys.readouterr().out


def test_the_command_says_what_does_not_fit(baseline_run: StoredRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = str(baseline_run.folder)
    assert main(["compare", *[a] * 5]) == 2
    assert "最多同时比较 4 个" in capsys.readouterr().err
    assert main(["compare", a, a, "--out", str(tmp_path / "x.xlsx"), "--lang", "en"]) == 2
    assert "must end in .parquet or .csv" in capsys.readouterr().err
    assert main(["compare", a, str(tmp_path)]) == 1
    assert main(["compare", a, a, "--by", "corridor", "--lang", "en"]) == 0


# ---- Python ----


def test_functions_are_there_and_say_what_is_wrong(inputs: Inputs, baseline_run: StoredRun) -> None:
    for name in ("run", "sweep", "compare", "load_scenario", "load_inputs"):
        assert callable(getattr(transport, name))
    assert transport.load_scenario("plan_2030").name == "plan_2030"
    one = transport.load_scenario("baseline", inputs=inputs, set={"road_toll": 1.1}, capacity="fixed")
    assert (one.settings, one.capacity) == ({"road_toll": 1.1}, "fixed")
    assert (
        one.resolved()
        == transport.load_scenario(
            "baseline", inputs.folder, inputs.levers, extra={"road_toll": 1.1}, capacity="fixed"
        ).resolved()
    )
    with pytest.raises(DataError, match="road_tol"):
        transport.run("baseline", inputs, set={"road_tol": 1.1})
    with pytest.raises(DataError, match="baselin"):
        transport.run("baselin", inputs)
    with pytest.raises(ValueError, match="by must be one of indicator, corridor"):
        transport.compare(baseline_run, baseline_run, by="city")
    with pytest.raises(ValueError, match="two to 4 runs"):
        transport.compare(baseline_run)


def test_results_and_folders_compare_alike(inputs: Inputs, baseline_run: StoredRun) -> None:
    tables = {name: baseline_run.table(name) for name in ("indicators", "freight")}
    live = Results(transport.load_scenario("baseline", inputs=inputs), inputs.data_hash, tables)
    for by in ("indicator", "commodity"):
        found = transport.compare(live, baseline_run.folder, by=by)
        assert found.equals(transport.compare(baseline_run, str(baseline_run.folder), by=by))


@pytest.mark.slow  # five whole runs; sweeps, runs and comparisons have tests of their own
def test_the_how_to_script_runs(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path))
    seen = runpy.run_path(str(root / "docs" / "how-to" / "what_if.py"))
    assert "4 cases run, then 0" in capsys.readouterr().out
    rail = seen["rail"]["rail_bn_tkm"].to_list()
    assert rail[0] < rail[1], "a cheaper railway carries more"
    assert rail[0] < rail[2], "dearer roads do as well"
    assert (tmp_path / "sweep-tolls_and_tariffs" / "cases.parquet").is_file()
