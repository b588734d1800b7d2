"""The whole run on the bundled data: conservation, determinism, and what scenarios may and may not move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from transport.layout import YEARS
from transport.scenario import load_scenario
from transport.store import write_run
from transport.study import Results, run

if TYPE_CHECKING:
    from pathlib import Path

    from transport.freight_start import FreightStarts
    from transport.inputs import Inputs
    from transport.params import LeverValue
    from transport.scenario import Capacity
    from transport.store import StoredRun

#: The fixed speed tells what levers do in a third of the time; the equilibrium of every year has tests of its own, the slow ones repeat these with it.
SPEEDS = ["fixed", pytest.param("equilibrium", marks=pytest.mark.slow)]
READING = ["scope", "boundary", "base", "variant"]


def ran(
    inputs: Inputs, starts: FreightStarts, name: str, *, capacity: Capacity = "fixed", draws: int = 1, **levers: LeverValue
) -> Results:
    scenario = load_scenario(name, inputs.folder, inputs.levers, extra=levers, draws=draws, simulate="none", capacity=capacity)
    return run(scenario, inputs, starts=starts)


def tables_of(stored: StoredRun) -> dict[str, pl.DataFrame]:
    return {name: stored.table(name) for name in stored.manifest["tables"]}


@pytest.fixture(scope="module")
def baseline(inputs: Inputs, baseline_run: StoredRun) -> Results:
    scenario = load_scenario("baseline", inputs.folder, inputs.levers, simulate="none", capacity="fixed")
    return Results(scenario, inputs.data_hash, tables_of(baseline_run))


def series(results: Results, indicator: str, **where: str) -> pl.DataFrame:
    table = results.tables["indicators"].filter(pl.col("id") == indicator)
    for column, value in where.items():
        table = table.filter(pl.col(column) == value)
    return table.sort("area", "year", *READING)


@pytest.mark.slow  # every submission runs the command twice and compares the bytes
def test_two_runs_give_the_same_bytes(inputs: Inputs, stored_run: StoredRun, tmp_path: Path) -> None:
    """With the equilibrium of every year and the simulation."""
    first, again = stored_run, run(load_scenario("plan_2030", inputs.folder, inputs.levers), inputs)
    second = write_run(tmp_path / "again", again.tables, again.scenario, again.data_hash, seconds=2.0)
    assert first.manifest["resolved"]["run"]["capacity"] == "equilibrium"
    assert first.manifest["tables"] == second.manifest["tables"]
    for name in first.manifest["tables"]:
        assert (first.folder / f"{name}.parquet").read_bytes() == (second.folder / f"{name}.parquet").read_bytes(), name


def test_every_check_of_the_run_passes(results: Results) -> None:
    failed = results.tables["checks"].filter(~pl.col("passed"))
    assert failed.is_empty(), failed


def test_no_table_holds_a_missing_or_negative_quantity(results: Results) -> None:
    for name, columns in {
        "freight": ["t", "territory_tkm", "total_tkm"],
        "turnover": ["tkm", "pkm", "converted_tkm"],
        "stock": ["stock_veh", "sales_veh", "scrap_veh"],
        "energy": ["quantity", "kgce"],
        "co2": ["t"],
        "passengers": ["pkm", "passengers"],
        "green_travel": ["share", "trips"],
    }.items():
        table = results.tables[name].select(columns)
        assert table.null_count().sum_horizontal()[0] == 0, name
        assert (table.min_horizontal() >= 0).all(), name
        assert table.select(pl.all().is_finite().all()).row(0) == (True,) * len(columns), name


def test_co2_is_energy_times_factor(results: Results, inputs: Inputs) -> None:
    """Direct CO2 of diesel = tonnes of diesel x the factor of the data row."""
    factor = inputs.params().get("co2_factor_mass", "diesel")[0, 0]
    diesel = results.tables["energy"].filter(pl.col("carrier") == "diesel")["quantity"].sum()
    co2 = results.tables["co2"].filter(pl.col("carrier") == "diesel", pl.col("scope") == "direct")["t"].sum()
    assert co2 == pytest.approx(diesel * factor, rel=1e-12)


def test_the_headline_can_be_recomputed_from_the_tables(results: Results, inputs: Inputs) -> None:
    operating = inputs.table("fleets/classes").filter(
        pl.col("is_operating"), pl.col("part").is_in(["road", "rail", "coastal", "ocean"])
    )
    co2 = (
        results.tables["co2"]
        .filter(pl.col("scope") == "direct")
        .join(operating.select("vehicle_class"), on="vehicle_class", how="semi")
        .group_by("year")
        .agg(pl.col("t").sum())
    )
    tkm = (
        results.tables["turnover"]
        .filter(pl.col("mode").is_in(["road", "rail", "coastal", "ocean"]))
        .group_by("year")
        .agg(pl.col("converted_tkm").sum())
    )
    both = co2.join(tkm, on="year").with_columns(level=pl.col("t") / pl.col("converted_tkm"))
    at = {year: float(level) for year, level in both.select("year", "level").iter_rows()}
    shown = series(
        results, "operating_co2_intensity", scope="direct", boundary="road+rail+water", base="2020", variant=""
    ).filter(pl.col("year") == 2030)["value"][0]
    assert shown == pytest.approx(100.0 * (at[2030] / at[2020] - 1.0), rel=1e-9)


def test_the_matrix_of_readings_is_whole(results: Results) -> None:
    rows = series(results, "operating_co2_intensity", variant="").filter(pl.col("year") == 2030)
    assert rows.height == 6 * 3 * 2
    assert rows.select(READING).n_unique() == rows.height


def test_every_indicator_of_the_plan_has_a_value(results: Results, inputs: Inputs) -> None:
    found = set(results.tables["indicators"].filter(pl.col("value").is_not_null())["id"].to_list())
    assert set(inputs.table("indicators")["id"].to_list()) - found <= {"land_oil_peak"}


def test_stock_balance_holds_for_every_class(results: Results) -> None:
    stock = results.tables["stock"].sort("vehicle_class", "powertrain", "year")
    wide = stock.with_columns(before=pl.col("stock_veh").shift(1).over("vehicle_class", "powertrain")).drop_nulls("before")
    error = (wide["before"] + wide["sales_veh"] + wide["inflow_veh"] - wide["scrap_veh"] - wide["stock_veh"]).abs()
    limit = 1e-9 * wide["stock_veh"].clip(1.0)
    assert (error <= limit).all(), wide.filter(error > limit).head()


def test_no_lever_moves_the_past(results: Results, lever_run: StoredRun) -> None:
    """The plan and the baseline with one lever share the years up to 2020, each found as an equilibrium."""
    assert lever_run.manifest["data_hash"] == results.data_hash
    other = tables_of(lever_run)
    assert not other["freight"].equals(results.tables["freight"])
    for name in ("freight", "turnover", "energy", "stock", "passengers", "green_travel"):
        keys = results.tables[name].columns
        plan, base = (tables[name].filter(pl.col("year") <= 2020).sort(keys[:4]) for tables in (results.tables, other))
        numbers = [c for c, dtype in plan.schema.items() if dtype == pl.Float64]
        for column in numbers:
            np.testing.assert_allclose(plan[column].sum(), base[column].sum(), rtol=1e-12, err_msg=f"{name}.{column}")


def test_a_lever_at_its_default_is_bit_identical(inputs: Inputs, starts: FreightStarts, baseline: Results) -> None:
    defaults = {lever.lever: lever.default for lever in inputs.levers}
    neutral = ran(inputs, starts, "baseline", **defaults)
    for name in ("indicators", "freight", "energy", "stock", "passengers", "green_travel"):
        assert neutral.tables[name].equals(baseline.tables[name]), name


@pytest.mark.slow
def test_electrifying_a_class_outside_operating_transport_leaves_the_headline(
    inputs: Inputs, starts: FreightStarts, baseline: Results
) -> None:
    more = ran(inputs, starts, "baseline", clean_sales_share_private_car={2030: 0.9})
    for indicator in ("operating_co2_intensity", "operating_co2_intensity_level", "operating_co2"):
        assert series(more, indicator).equals(series(baseline, indicator)), indicator
    assert not series(more, "land_oil").equals(series(baseline, "land_oil"))


@pytest.mark.slow  # a whole run each; the levers of loads and of coastal ships have tests of their own
def test_fuller_trucks_burn_less_per_tonne_km_and_win_freight(inputs: Inputs, starts: FreightStarts, baseline: Results) -> None:
    """One lever moves both the price of a tonne and the fuel it takes."""
    fuller = ran(inputs, starts, "baseline", loaded_km_share_tractor_trailer={2030: 0.1})

    def at_2030(results: Results) -> tuple[float, float]:
        tkm = results.tables["turnover"].filter(pl.col("mode") == "road", pl.col("service") == "freight", pl.col("year") == 2030)[
            "tkm"
        ][0]
        energy = (
            results.tables["energy"].filter(pl.col("vehicle_class") == "tractor_trailer", pl.col("year") == 2030)["kgce"].sum()
        )
        return float(tkm), float(energy) / float(tkm)

    (tkm_before, per_tkm_before), (tkm_after, per_tkm_after) = at_2030(baseline), at_2030(fuller)
    assert tkm_after > tkm_before
    assert per_tkm_after < 0.95 * per_tkm_before


@pytest.mark.slow
def test_a_shift_to_water_is_carried_and_fuelled(inputs: Inputs, starts: FreightStarts, baseline: Results) -> None:
    cheaper = ran(inputs, starts, "baseline", coastal_service={2030: 0.5})

    def coastal(results: Results) -> tuple[float, float]:
        tkm = results.tables["turnover"].filter(
            pl.col("mode") == "coastal", pl.col("service") == "freight", pl.col("year") == 2030
        )["tkm"][0]
        fuel = (
            results.tables["energy"]
            .filter(pl.col("vehicle_class").str.starts_with("coastal_"), pl.col("year") == 2030)["kgce"]
            .sum()
        )
        return float(tkm), float(fuel)

    assert coastal(cheaper)[0] > coastal(baseline)[0]
    assert coastal(cheaper)[1] > coastal(baseline)[1]


@pytest.mark.parametrize("capacity", SPEEDS)
def test_the_first_of_many_draws_is_the_central_run(
    inputs: Inputs, starts: FreightStarts, baseline: Results, capacity: Capacity
) -> None:
    """Tables hold the first draw: they must not change when more draws are asked for."""
    baseline = baseline if capacity == "fixed" else ran(inputs, starts, "baseline", capacity=capacity)
    drawn = ran(inputs, starts, "baseline", capacity=capacity, draws=2)
    for name in ("indicators", "freight", "energy", "turnover", "green_travel"):
        first, central = drawn.tables[name], baseline.tables[name]
        for column in (c for c, dtype in central.schema.items() if dtype == pl.Float64):
            np.testing.assert_allclose(
                first[column].fill_null(0.0), central[column].fill_null(0.0), rtol=1e-6, err_msg=f"{name}.{column}"
            )


@pytest.mark.parametrize("capacity", SPEEDS)
def test_rebound_only_changes_loads_and_nothing_else(inputs: Inputs, starts: FreightStarts, capacity: Capacity) -> None:
    rebound = ran(inputs, starts, "rebound_only", capacity=capacity)
    freight = rebound.tables["freight"].group_by("year").agg(pl.col("t").sum()).sort("year").filter(pl.col("year") >= 2020)
    # the years are equilibria of their own, found to a gap of 1e-4 from the same start
    np.testing.assert_allclose(freight["t"], freight["t"][0], rtol=1e-6)
    grid = rebound.tables["grid_factor"].filter(pl.col("year") >= 2020)
    assert grid["kgco2_per_kwh"].n_unique() == 1
    normal = series(rebound, "operating_co2_intensity", base="2020", scope="direct", boundary="all", variant="")
    moved = normal.filter(pl.col("year") == 2030)["value"][0]
    assert moved != 0.0
    against_normal = series(rebound, "operating_co2_intensity", base="2020_normal", scope="direct", boundary="all", variant="")
    assert abs(against_normal.filter(pl.col("year") == 2030)["value"][0]) < abs(moved)


def test_errors_in_and_out_of_sample_stand_in_columns_of_their_own(results: Results) -> None:
    fit = results.tables["fit"]
    columns = {"calibration": "error_in_sample_pct", "validation": "error_held_out_pct"}
    for use, column in columns.items():
        mine, others = (fit.filter(pl.col("used_for").eq(use) == is_mine) for is_mine in (True, False))
        assert mine[column].equals(mine["error_pct"].alias(column))
        assert mine[column].count() > 10
        assert others[column].count() == 0
    freight = fit.filter(pl.col("item").is_in(["freight_t", "territory_tkm", "carrier_tkm", "total_tkm"]))
    seen = {use: set(freight.drop_nulls(column)["mode"]) for use, column in columns.items()}
    assert seen["calibration"] >= {"road", "rail", "water", "pipeline"}
    assert seen["validation"] >= {"rail", "pipeline"}


def test_years_are_complete(results: Results) -> None:
    for name in ("freight", "turnover", "stock", "energy", "co2", "passengers", "green_travel"):
        assert sorted(results.tables[name]["year"].unique().to_list()) == list(YEARS), name


def test_simulation_reports_vehicles_events_and_scale(results: Results) -> None:
    table = results.tables["simulation"]
    assert set(table["system"].unique().to_list()) == {"bus_depot", "taxi_city", "airport"}
    assert (table["vehicles"] > 0).all()
    assert (table["events"] > 0).all()
    assert (table["scale"] >= 1).all()
