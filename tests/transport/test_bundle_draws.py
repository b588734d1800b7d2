"""The zip of an ensemble: it says draws and seed, and single draws are computed again and compared."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from tests.transport.zips import found, members, rewritten
from transport.bundle import ABOUT, MANIFEST, export_run
from transport.bundle_check import compute, verify
from transport.cli import main
from transport.ensemble import EnsembleError, ensemble_id, prepared
from transport.scenario import load_scenario
from transport.store import read_run, write_run

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.scenario import Scenario

DRAWS, SEED = 3, 5


@pytest.fixture(scope="module")
def plan(inputs: Inputs) -> Scenario:
    extra = {"rail_tariff": {2027: 0.95, 2030: 0.9}, "metro_km_dalian": 30.0}
    sections = {"sites": {}, "closures": {inputs.table("networks/links")["link_id"][0]: {2028: 0.25}}}
    return load_scenario("plan_2030", inputs.folder, inputs.levers, extra=extra, **sections)


def outcomes() -> pl.DataFrame:
    """Return what a central run and three draws came to."""
    rows = [(draw, series, 2030, draw + 0.1 * series) for draw in range(DRAWS + 1) for series in (0, 1)]
    schema = {"draw": pl.Int32, "series": pl.Int32, "year": pl.Int16, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        value=pl.when((pl.col("draw") == 2) & (pl.col("series") == 1)).then(float("nan")).otherwise("value")
    )


def alone(_: Scenario, __: Inputs, number: int, *, draws: int, seed: int, design: str) -> pl.DataFrame:
    """Return one draw of those, and a ratio that no ensemble keeps."""
    assert (draws, seed, design) == (DRAWS, SEED, "lhs")
    if number > draws:
        msg = f"there is no draw {number}"
        raise EnsembleError(msg)
    hidden = outcomes().filter(draw=number, series=0).with_columns(series=pl.lit(9, pl.Int32))
    rows = pl.concat([outcomes().filter(draw=number), hidden])
    return rows.with_columns(id=pl.when(pl.col("series") == 9).then(pl.lit("observed.x")).otherwise(pl.lit("y")))


@pytest.fixture
def many(plan: Scenario, inputs: Inputs, tmp_path: Path) -> Path:
    """Return the zip of an ensemble."""
    scenario, folder = prepared(plan), tmp_path / "runs" / "ensemble-x"
    name = ensemble_id(scenario, inputs, draws=DRAWS, seed=SEED, design="lhs")
    kept = write_run(folder, {"outcomes": outcomes()}, scenario, inputs.data_hash, seconds=1.0)
    about = {
        "kind": "ensemble",
        "run_id": name,
        "draws": DRAWS,
        "seed": SEED,
        "design": "lhs",
        "effective_sample_size": 2.5,
        "failed": 0,
    }
    (folder / MANIFEST).write_text(json.dumps({**kept.manifest, **about}), encoding="utf-8")
    export_run(read_run(folder), tmp_path / "many.zip")
    return tmp_path / "many.zip"


def test_the_zip_of_an_ensemble_says_draws_and_seed_and_its_draws_are_computed_again(many: Path) -> None:
    cover = json.loads(members(many)[ABOUT])
    assert (cover["draws"], cover["seed"]) == (DRAWS, SEED)
    assert found(many) == set()
    verdict = verify(many, rerun=compute, alone=alone)
    assert (verdict.problems, verdict.remarks, verdict.compared) == ((), (), 3)
    assert verify(many, rerun=compute, draws=(0, 2), alone=alone).compared == 2


def test_a_draw_that_differs_or_is_none_is_told(many: Path) -> None:
    def moved(by: float) -> Any:
        return lambda *what, **how: alone(*what, **how).with_columns(pl.col("value") * (1.0 + by))

    verdict = verify(many, rerun=compute, draws=(1,), alone=moved(1e-6))
    assert [(one.code, one.row, one.value) for one in verdict.problems] == [("bundle.rerun", 1, "1.0")]
    assert verdict.compared == 0
    near = verify(many, rerun=compute, draws=(1,), alone=moved(1e-12))
    assert ([one.code for one in near.remarks], near.compared) == (["bundle.nearly"], 1)
    lost = verify(many, rerun=compute, draws=(7,), alone=alone)
    assert [(one.column, one.value) for one in lost.problems] == [("draw", "7")]


def test_an_ensemble_under_another_seed_contradicts_itself(many: Path) -> None:
    about = json.loads(members(many)[MANIFEST])
    cover = json.loads(members(many)[ABOUT])
    changes = {MANIFEST: json.dumps({**about, "seed": 6}).encode(), ABOUT: json.dumps({**cover, "seed": 6}).encode()}
    assert found(rewritten(many, changes, sums=True)) == {(MANIFEST, "run_id", "bundle.contradicts")}


def test_the_command_tells_of_draws(many: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("transport.ensemble.run_one", alone)
    assert main(["verify", str(many), "--draws", "0,3", "--lang", "en"]) == 0
    printed = capsys.readouterr().out
    assert "An ensemble of 3 draws, seed 5, design lhs." in printed
    assert "2 draws computed again alone" in printed
    with pytest.raises(SystemExit):
        main(["verify", str(many), "--draws", "two", "--lang", "en"])
    assert "numbers of draws with commas" in capsys.readouterr().err
