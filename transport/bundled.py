"""Results that come with the program: slim copies of whole runs, so that the app opens on a finished result before anything is computed.

``python -m transport.bundled`` (``make results``) makes them from runs on the present data, and keeps the checked data beside them
(:mod:`transport.checked`). Tables that no page needs are left out, the largest ones shortened, and numbers rounded to 24 binary digits after the first,
which compresses: a run of 8 MB takes little more than 1 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from transport.check_run import examine
from transport.checked import FILE, write_checked
from transport.inputs import data_folder, read_layers
from transport.store import MANIFEST, StoreError, read_run, run_id, runs_folder, write_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from transport.inputs import Inputs
    from transport.store import StoredRun

#: One folder per scenario; it belongs to the program and not to the data, whose hash it must not change.
FOLDER = Path(__file__).resolve().parent / "results"
#: Scenarios whose results come with the program.
SCENARIOS = ("plan_2030", "baseline", "stretch")
#: Mantissa bits that are kept: rounding moves a number by no more than 2^-25 of itself.
BITS = 24
#: Tables that no page reads, or that a page can do without.
LEFT_OUT = (
    "co2e",
    "energy_conditions",
    "fuel_sectors",
    "infrastructure_account",
    "turnaround_tasks",
)
#: Table -> years that are kept of it; pages offer the years that a table has.
YEARS: Mapping[str, tuple[int, ...]] = {
    "energy_months": (2020, 2025, 2030, 2035),
    "energy_areas": (2020, 2025, 2030, 2035),
    "sea_rail_chains": (2025, 2030),
    "travel_segments": (2020, 2030),
}
#: Flows of ``freight_od`` that are kept of every year, the largest ones with all their chains.
FLOWS = 600
#: Table that only a slim result has: all flows of ``freight_od`` between places, and the mantissa bits that it keeps.
PLACES, _COARSE = "freight_od_places", 12
#: Vehicles of ``depot_gantt`` that are kept: those that a page draws.
VEHICLES = 20
_FLOW = ["year", "origin", "destination", "commodity"]
#: Key of the manifest by which a bundled result is known.
MARK = "bundled"
#: Manifest of an ensemble, and its table that is kept.
ENSEMBLE = "ensemble.json"
PROBABILITIES = "probabilities"
#: Options of a run that an ensemble sets by itself.
_FREE = ("capacity", "draws", "seed", "simulate")


def results_folder() -> Path:
    """Return where the results that come with the program are: the environment variable TRANSPORT_RESULTS, else beside the program."""
    named = os.environ.get("TRANSPORT_RESULTS")
    return Path(named) if named else FOLDER


def bundled_run(identifier: str, scenario: str = "") -> Path | None:
    """Return the folder of the result that comes with the program, None if there is none.

    Parameters
    ----------
    identifier
        Of the run that is looked for.
    scenario
        Name of its scenario: where no result has the identifier, because the data or the scenario have changed since, the result of this name
        is returned; its manifest says what it was made on. Empty = none but the very run.
    """
    found = None
    for place in sorted(results_folder().glob(f"[!.]*/{MANIFEST}")):
        manifest = json.loads(place.read_text(encoding="utf-8"))
        if manifest["run_id"] == identifier:
            return place.parent
        if scenario and manifest["scenario"] == scenario:
            found = place.parent
    return found


def is_bundled(run: StoredRun) -> bool:
    """Return whether a result came with the program, slim as it is."""
    return MARK in run.manifest


def rounded(table: pl.DataFrame, bits: int = BITS) -> pl.DataFrame:
    """Return a table with its numbers rounded to so many binary digits after the first.

    Parameters
    ----------
    table
        Any table; only 64-bit floats change, and what is missing or not finite stays as it is.
    bits
        Binary digits, 1 to 51.

    Examples
    --------
    >>> import polars as pl
    >>> rounded(pl.DataFrame({"x": [1.0, 0.1, None]}), bits=4)["x"].to_list()
    [1.0, 0.1015625, None]
    """
    drop = 52 - bits
    half, mask = np.int64(1 << (drop - 1)), np.int64(-1 << drop)

    def of(column: pl.Series) -> pl.Series:
        numbers = column.fill_null(0.0).to_numpy().copy()
        near = ((numbers.view(np.int64) + half) & mask).view(np.float64)
        # beyond the largest number rounding would make infinity of it
        kept = np.where(np.isfinite(numbers) & np.isfinite(near), near, numbers)
        return pl.Series(column.name, kept).set(column.is_null(), None) if column.null_count() else pl.Series(column.name, kept)

    return table.with_columns([of(table[c]) for c, kind in table.schema.items() if kind == pl.Float64])


def largest_flows(table: pl.DataFrame, flows: int = FLOWS) -> pl.DataFrame:
    """Return the rows of ``freight_od`` of the largest flows of every year, with all their chains.

    Parameters
    ----------
    table
        Result table ``freight_od``.
    flows
        Flows per year.
    """
    whole = table.group_by(_FLOW).agg(pl.col("t").sum())
    kept = whole.sort(["t", *_FLOW[1:]], descending=[True, False, False, False]).group_by("year").head(flows)
    return table.join(kept, on=_FLOW, how="semi", maintain_order="left")


def between_places(table: pl.DataFrame, zones: pl.DataFrame) -> pl.DataFrame:
    """Return all flows of ``freight_od`` summed between places, each place under its first zone: year, origin, destination, commodity, alternative, t.

    Parameters
    ----------
    table
        Result table ``freight_od``.
    zones
        Columns zone_id, area, in_province; a zone outside the province is a place of its own.
    """
    place = pl.when(pl.col("in_province")).then(pl.col("area")).otherwise(pl.col("zone_id"))
    named = zones.select("zone_id", first=pl.col("zone_id").min().over(place))
    ends = pl.col("origin", "destination").replace_strict(dict(named.iter_rows()))
    keys = [*_FLOW, "alternative"]
    return table.with_columns(ends).group_by(keys).agg(pl.col("t").sum()).filter(pl.col("t") > 0.0).sort(keys)


def slim(name: str, table: pl.DataFrame) -> pl.DataFrame:
    """Return what is kept of a result table.

    Parameters
    ----------
    name
        Of the table.
    table
        Of a whole run.
    """
    if name in YEARS:
        table = table.filter(pl.col("year").is_in(YEARS[name]))
    if name == "freight_od":
        table = largest_flows(table)
    if name == "depot_gantt":
        table = table.filter(pl.col("vehicle") < VEHICLES)
    return rounded(table)


def ensemble_folders() -> tuple[Path, ...]:
    """Return where ensembles lie: the runs folder, and with each of the results that come with the program."""
    return runs_folder(), *sorted(results_folder().glob("[!.]*"))


def best_ensemble(folders: Iterable[Path], manifest: Mapping[str, Any]) -> Path | None:
    """Return the folder of the ensemble with the most draws of the levers, projects and data of a run, None where there is none.

    Parameters
    ----------
    folders
        Where ensembles lie.
    manifest
        Of the run.
    """
    best: tuple[int, Path] | None = None
    for file in sorted(file for folder in folders for file in folder.glob(f"ensemble-*/{ENSEMBLE}")):
        about = json.loads(file.read_text(encoding="utf-8"))
        same = about["data_hash"] == manifest["data_hash"] and _same(about["resolved"], manifest["resolved"])
        if about.get("complete") and same and (best is None or int(about["draws"]) > best[0]):
            best = int(about["draws"]), file.parent
    return None if best is None else best[1]


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two resolved scenarios differ in nothing but how they are run."""
    sides = [{**each, "run": {k: v for k, v in each["run"].items() if k not in _FREE}} for each in (one, other)]
    return sides[0] == sides[1]


def _keep_ensemble(found: Path, place: Path) -> None:
    """Keep of an ensemble the probabilities of the targets, and what it is: draws, seed, data."""
    about = json.loads((found / ENSEMBLE).read_text(encoding="utf-8"))
    kept = place / found.name
    kept.mkdir()
    rounded(pl.read_parquet(found / f"{PROBABILITIES}.parquet")).write_parquet(
        kept / f"{PROBABILITIES}.parquet", compression="zstd", compression_level=22, statistics=False
    )
    said = {**about, "tables": {PROBABILITIES: dict(about["tables"])[PROBABILITIES]}, MARK: {"left_out": sorted(about["tables"])}}
    said[MARK]["left_out"].remove(PROBABILITIES)
    (kept / ENSEMBLE).write_text(json.dumps(said, ensure_ascii=False, indent=1, sort_keys=True), encoding="utf-8")


def write_bundled(run: StoredRun, folder: Path = FOLDER) -> StoredRun:
    """Write the slim copy of a run in place of an earlier one of its scenario.

    Parameters
    ----------
    run
        A whole run; of the ensembles beside it the largest one of its levers and data gives the probabilities of the targets.
    folder
        With one folder per scenario.
    """
    place = folder / str(run.manifest["scenario"])
    partial = place.with_name(f".{place.name}.partial-{uuid.uuid4().hex}")
    partial.mkdir(parents=True)
    try:
        hashes = {}
        for name in sorted(set(run.manifest["tables"]) - set(LEFT_OUT)):
            file = partial / f"{name}.parquet"
            slim(name, run.table(name)).write_parquet(file, compression="zstd", compression_level=22, statistics=False)
            hashes[name] = run.manifest["tables"][name]
        if "freight_od" in hashes:
            zones = pl.read_csv(data_folder() / "networks" / "zones.csv").select("zone_id", "area", "in_province")
            zones = zones.with_columns(pl.col("area").cast(pl.String))
            flows = rounded(between_places(run.table("freight_od"), zones), _COARSE)
            flows.write_parquet(partial / f"{PLACES}.parquet", compression="zstd", compression_level=22, statistics=False)
            hashes[PLACES] = run.manifest["tables"]["freight_od"]
        shortened = sorted(({*YEARS, "freight_od", "depot_gantt"}) & set(hashes))
        about = {"left_out": sorted(set(LEFT_OUT) & set(run.manifest["tables"])), "shortened": shortened}
        manifest = {**run.manifest, "tables": hashes, MARK: about}
        ensemble = best_ensemble((run.folder.parent,), run.manifest)
        if ensemble is not None:
            _keep_ensemble(ensemble, partial)
        (partial / MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True), encoding="utf-8")
        if place.exists():
            shutil.rmtree(place)
        partial.rename(place)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return read_run(place)


def whole_run(name: str, inputs: Inputs) -> StoredRun:
    """Return the run of a scenario on the present data, made now if the runs folder does not hold it.

    Parameters
    ----------
    name
        Of the scenario.
    inputs
        Checked data.
    """
    from transport.scenario import load_scenario
    from transport.study import run

    scenario = load_scenario(name, inputs.folder, inputs.levers)
    folder = runs_folder() / run_id(scenario, inputs.data_hash)
    try:
        return read_run(folder)
    except StoreError:
        start = time.perf_counter()
        found = run(scenario, inputs)
        return write_run(folder, found.tables, found.scenario, found.data_hash, seconds=time.perf_counter() - start)


def main(argv: Sequence[str] | None = None) -> int:
    """Make the results that come with the program and print what they take; return an exit code.

    Parameters
    ----------
    argv
        Names of scenarios; all of :data:`SCENARIOS` by default.
    """
    from transport.inputs import load_inputs

    parser = argparse.ArgumentParser(prog="python -m transport.bundled", description=__doc__.partition("\n")[0])
    parser.add_argument("scenario", nargs="*", default=list(SCENARIOS))
    parser.add_argument("--out", type=Path, default=FOLDER)
    asked = parser.parse_args(argv)
    inputs = load_inputs()
    base, _, _ = read_layers(inputs.folder, None)
    write_checked(base, examine(base), asked.out / FILE.name)
    for name in asked.scenario:
        made = write_bundled(whole_run(name, inputs), asked.out)
        size = sum(path.stat().st_size for path in made.folder.rglob("*") if path.is_file())
        ensemble = best_ensemble((made.folder,), made.manifest)
        chances = "no ensemble" if ensemble is None else ensemble.name
        sys.stdout.write(f"{made.folder}  {made.manifest['run_id']}  {size / 1e6:.2f} MB  {chances}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
