"""The hindcast: what was fitted stays apart from what was held out, and a cut takes later data away."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from transport import study
from transport.cli import main
from transport.hindcast import (
    COLUMNS,
    HindcastError,
    _modelled,
    explanation,
    explanations,
    hindcast,
    levers_until,
    summary,
    until,
)
from transport.layout import year_index
from transport.principles import PrincipleError
from transport.progress_cli import hindcast_lines
from transport.scenario import load_scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from transport.freight import FreightOutcome
    from transport.inputs import Inputs
    from transport.params import LeverValue
    from transport.parts import Parts
    from transport.scenario import Scenario
    from transport.store import StoredRun


@pytest.fixture(scope="module")
def parts(parts_of: Callable[..., Parts]) -> Parts:
    return parts_of("baseline")


@pytest.fixture(scope="module")
def table(parts: Parts) -> pl.DataFrame:
    return hindcast(parts)


def at(table: pl.DataFrame, item: str, year: int) -> dict[str, Any]:
    found = table.filter(pl.col("item") == item, pl.col("year") == year)
    assert found.height == 1, (item, year)
    return found.row(0, named=True)


def with_series(parts: Parts, **change: object) -> Parts:
    """Return parts whose table of series has one row, changed."""
    rows = parts.inputs.table("accounts/hindcast_series").filter(pl.col("item") == "grid_factor").head(1)
    rows = rows.with_columns(pl.lit(value).alias(name) for name, value in change.items())
    return replace(parts, inputs=replace(parts.inputs, tables={**parts.inputs.tables, "accounts/hindcast_series": rows}))


# ---- known answers -----------------------------------------------------------------------------------------------------------------


def test_the_grid_factor_is_an_input_until_2022_and_a_test_in_2023(parts: Parts, table: pl.DataFrame) -> None:
    for year, published in ((2021, 0.5876), (2022, 0.5626)):
        row = at(table, "grid_factor", year)
        assert (row["observed"], row["modelled"], row["used_for"]) == (published, pytest.approx(published), "calibration")
        assert row["error_held_out_pct"] is None
    share = parts.params.get("non_fossil_share")[0]
    by_hand = 0.5626 * (1.0 - share[year_index(2023)]) / (1.0 - share[year_index(2022)])
    row = at(table, "grid_factor", 2023)
    assert row["used_for"] == "validation"
    assert row["error_held_out_pct"] == pytest.approx(100.0 * (by_hand / 0.518 - 1.0))
    assert row["error_in_sample_pct"] is None


def test_nine_months_of_containers_are_carried_to_a_year(table: pl.DataFrame) -> None:
    row = at(table, "sea_rail_teu", 2023)
    assert row["observed"] == pytest.approx(1_137_000.0 * 4.0 / 3.0)
    assert row["error_pct"] == pytest.approx(100.0 * (row["modelled"] / row["observed"] - 1.0))


def test_rail_energy_of_the_series_goes_on_from_that_of_the_fit(parts: Parts, table: pl.DataFrame) -> None:
    rows = table.filter(pl.col("item") == "rail_energy_per_converted_tkm")
    assert rows["year"].to_list() == [2019, 2020, 2021, 2023, 2024]
    assert at(table, "rail_energy_per_converted_tkm", 2024)["observed"] == pytest.approx(3.86)
    # the fit makes 2019 and 2020 in another way
    by_series = _modelled(parts, "rail_intensity")[[year_index(year) for year in rows["year"]]]
    np.testing.assert_allclose(rows["modelled"].to_numpy(), by_series, rtol=1e-9)


def test_a_series_before_its_break_is_not_compared(table: pl.DataFrame) -> None:
    assert table.filter(pl.col("item") == "port_container_teu")["year"].to_list() == [2020, 2023, 2024]


def test_the_mean_of_a_series_by_hand() -> None:
    rows = [("a", 2020, 10.0, "calibration"), ("a", 2021, -20.0, "validation"), ("a", 2022, 40.0, "validation")]
    frame = pl.DataFrame([{"item": i, "mode": "rail", "year": y, "error_pct": e, "used_for": u} for i, y, e, u in rows])
    assert summary(frame).row(0, named=True) == {
        "item": "a",
        "mode": "rail",
        "first": 2020,
        "last": 2022,
        "count": 3,
        "in_sample_pct": 10.0,
        "held_out_pct": 30.0,
        "context_pct": None,
        "bias_pct": 10.0,
    }


# ---- what stays apart --------------------------------------------------------------------------------------------------------------


def test_every_error_stands_in_one_column(table: pl.DataFrame) -> None:
    assert tuple(table.columns) == COLUMNS
    for use, column in (("calibration", "error_in_sample_pct"), ("validation", "error_held_out_pct")):
        assert (table[column].is_not_null() == (table["used_for"] == use)).all()
    assert table.select("item", "mode", "year").is_unique().all()
    assert table["year"].is_between(2015, 2024).all()
    with_error = table.filter(pl.col("error_pct").is_not_null())
    assert set(table.filter(pl.col("error_pct").is_null())["item"]) == {"ground_transport_co2"}  # another principle
    by_hand = 100.0 * (with_error["modelled"] / with_error["observed"] - 1.0)
    np.testing.assert_allclose(with_error["error_pct"].to_numpy(), by_hand.to_numpy(), atol=1e-9)


def test_rows_of_the_fit_keep_their_numbers_and_their_use(baseline_run: StoredRun) -> None:
    stored, fit = baseline_run.table("hindcast"), baseline_run.table("fit")
    seen = fit.filter(pl.col("observed").is_not_null(), pl.col("modelled").is_not_null(), pl.col("year") <= 2024)
    both = seen.join(stored, on=["item", "mode", "year"], how="left", suffix="_again")
    assert both.height == seen.height
    for name in ("observed", "modelled", "error_pct", "used_for"):
        assert both[name].equals(both[f"{name}_again"]), name
    assert stored.height > seen.height


def test_fuels_of_the_energy_balance_are_held_out_but_for_kerosene_of_2019(table: pl.DataFrame) -> None:
    fuels = table.filter(pl.col("principle") == "fuel_sales", pl.col("item").str.starts_with("transport_"))
    assert set(fuels["year"]) == {2015, 2016, 2017, 2018, 2019}
    fitted = fuels.filter(pl.col("used_for") == "calibration")
    assert fitted.select("item", "year").rows() == [("transport_kerosene", 2019)]


def test_a_cut_holds_later_figures_out(parts: Parts, table: pl.DataFrame) -> None:
    cut = hindcast(parts, cut=2022)
    assert not cut.filter(pl.col("used_for") == "calibration", pl.col("year") > 2022).height
    air = "departing passengers of all airports"
    assert at(table, air, 2024)["used_for"] == "calibration"
    assert at(cut, air, 2024)["used_for"] == "validation"
    assert at(cut, air, 2022)["used_for"] == "calibration"
    told = pl.col("item").is_in(["buses", "taxis", "ro_pax_ships"]) & (pl.col("year") > 2022)
    was = (table["used_for"] == "context") | table.select(told & (pl.col("used_for") == "calibration")).to_series()
    assert (cut["used_for"] == "context").equals(was)


@pytest.fixture(scope="module")
def cut_parts(inputs: Inputs, fixed_freight: FreightOutcome) -> Parts:
    """Return the parts of a run that has seen nothing after 2020; its freight is that of all data."""
    scenario = load_scenario("baseline", inputs.folder, inputs.levers, simulate="none", capacity="fixed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "model_freight", lambda *_, **__: fixed_freight)
        return study.model_parts(scenario, until(inputs, 2020))


def test_no_input_passes_for_a_forecast_under_a_cut(parts: Parts, cut_parts: Parts, table: pl.DataFrame) -> None:
    cut = hindcast(cut_parts, cut=2020)
    grid = at(cut, "grid_factor", 2021)
    # the row of 2020 is the figure published for 2021: next to no error, and nothing forecast
    row = cut_parts.inputs.parameters.filter(pl.col("parameter") == "grid_factor")
    assert row.select("year", "value").rows() == [(2020, grid["observed"])]
    assert (grid["used_for"], grid["error_held_out_pct"], grid["error_in_sample_pct"]) == ("context", None, None)
    assert at(table, "grid_factor", 2021)["used_for"] == "calibration"
    later = at(cut, "grid_factor", 2022)
    share = cut_parts.params.get("non_fossil_share")[0]
    by_hand = grid["modelled"] * (1.0 - share[year_index(2022)]) / (1.0 - share[year_index(2021)])
    assert later["used_for"] == "validation"
    assert later["modelled"] == pytest.approx(by_hand)
    assert abs(later["error_held_out_pct"]) > 0.1
    for item in ("buses", "taxis", "ro_pax_ships"):
        assert set(cut.filter(pl.col("item") == item, pl.col("year") > 2020)["used_for"]) == {"context"}, item
    series = parts.inputs.table("accounts/hindcast_series").filter(
        ~pl.col("quantity").is_in(["port_teu", "sea_rail_teu", "rail_t"])
    )
    exact = cut.filter(pl.col("item").is_in(series["item"]), pl.col("error_held_out_pct").abs() < 1e-6)
    assert exact.rows() == []


def test_rows_after_the_cut_are_gone(inputs: Inputs) -> None:
    kept = until(inputs, 2022).parameters
    gone = inputs.parameters.join(kept, on=["parameter", "subject", "year"], how="anti", nulls_equal=True)
    assert gone["year"].is_between(2023, 2024).all()
    assert gone.height > 30
    late = kept.filter(pl.col("year").is_between(2023, 2024))
    first = (
        kept.join(late.select("parameter", "subject").unique(), on=["parameter", "subject"])
        .group_by("parameter", "subject")
        .agg(pl.col("year").min())
    )
    assert first["year"].is_between(2023, 2024).all()  # they begin after the cut
    assert set(kept["parameter"]) == set(inputs.parameters["parameter"])


def test_the_model_carries_on_from_the_last_row_kept(inputs: Inputs) -> None:
    before, after = (x.params().get("passenger_recovery", "air")[0] for x in (inputs, until(inputs, 2022)))
    known = [year_index(y) for y in range(2015, 2023)]
    np.testing.assert_array_equal(before[known], after[known])
    rows = inputs.parameters.filter(pl.col("parameter") == "passenger_recovery", pl.col("subject") == "air").sort("year")
    value = dict(rows.select("year", "value").iter_rows())
    following = min(y for y in value if y > 2024)
    line = value[2022] + (value[following] - value[2022]) * (2024 - 2022) / (following - 2022)
    assert after[year_index(2024)] == pytest.approx(line)
    assert before[year_index(2024)] != pytest.approx(line, rel=0.01)


def test_levers_after_the_cut_are_gone() -> None:
    settings: dict[str, LeverValue] = {"a": {2021: 1.0, 2023: 2.0, 2030: 3.0}, "b": {2024: 1.0}, "c": 5.0}
    assert levers_until(settings, 2022) == {"a": {2021: 1.0, 2030: 3.0}, "c": 5.0}
    assert levers_until(settings, 2023)["a"] == settings["a"]


# ---- explanations ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_series_has_a_reason_and_every_reason_a_series(inputs: Inputs, table: pl.DataFrame, lang: str) -> None:
    found = explanations(inputs, lang)
    series = table.select("item", "mode").unique().rows()
    assert [x for x in series if not explanation(found, *x)] == []
    notes = inputs.table("accounts/hindcast_notes").select("item", pl.col("mode").fill_null("")).rows()
    assert [n for n in notes if not any(n[0] == item and n[1] in {"", mode} for item, mode in series)] == []
    lines = hindcast_lines(table, inputs, lang)
    names = [line for line in lines if "hindcast" in line or "_pct" in line]
    assert names == []


# ---- bad input ---------------------------------------------------------------------------------------------------------------------


def test_an_unknown_quantity_is_named(parts: Parts) -> None:
    with pytest.raises(HindcastError, match=r"unknown quantity 'moon'; write one of grid_factor"):
        hindcast(with_series(parts, quantity="moon"))
    with pytest.raises(HindcastError, match="unknown vehicle class rocket"):
        hindcast(with_series(parts, quantity="stock:taxi+rocket"))


def test_a_series_of_another_principle_or_definition_is_refused(parts: Parts) -> None:
    with pytest.raises(PrincipleError, match=r"modelled grid_factor .* cannot be compared"):
        hindcast(with_series(parts, principle="carrier"))
    with pytest.raises(PrincipleError, match="cannot be compared"):
        hindcast(with_series(parts, definition="water:with_ocean", scope_break="", table="observed/sea_rail",
                             series="sea_rail_containers", quantity="sea_rail_teu"))  # fmt: skip


@pytest.mark.parametrize("cut", [2019, 2024])
def test_a_cut_outside_its_years_is_refused(inputs: Inputs, cut: int) -> None:
    with pytest.raises(HindcastError, match=f"cut {cut} lies outside 2020-2023"):
        until(inputs, cut)


# ---- command -----------------------------------------------------------------------------------------------------------------------


def test_hindcast_of_a_run_folder(baseline_run: StoredRun, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(baseline_run.folder)
    assert main(["hindcast", folder, "--lang", "en"]) == 0
    text = capsys.readouterr().out
    for words in ("In sample", "Held out", "Grid factor", "Why model and series differ", "Sea-rail containers (Rail)"):
        assert words in text, words
    assert main(["hindcast", folder, "--json", "--item", "grid_factor"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["year"] for row in found["hindcast"]} == {2021, 2022, 2023}
    assert all(row["explanation"] for row in found["hindcast"])
    assert main(["hindcast", folder, "--item", "Grid", "--lang", "en"]) == 0
    assert "2023" in capsys.readouterr().out


def test_a_run_folder_cannot_be_cut_and_an_unknown_series_is_said(
    baseline_run: StoredRun, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["hindcast", str(baseline_run.folder), "--cut", "2022", "--lang", "en"]) == 2
    assert "--cut needs a scenario" in capsys.readouterr().err
    assert main(["hindcast", str(baseline_run.folder), "--item", "moon", "--lang", "en"]) == 2
    assert "contains 'moon'" in capsys.readouterr().err


def test_the_command_cuts_data_and_levers(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[Scenario, Inputs]] = []

    def model_parts(scenario: Scenario, inputs: Inputs) -> Parts:
        asked.append((scenario, inputs))
        return parts

    monkeypatch.setattr(study, "model_parts", model_parts)
    assert main(["hindcast", "--cut", "2022", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["scenario"], found["cut"]) == ("observed_2024", 2022)
    scenario, inputs = asked[0]
    assert (scenario.capacity, scenario.simulate) == ("fixed", "none")
    cars = scenario.settings["clean_sales_share_private_car"]
    assert not isinstance(cars, float | int)
    assert set(cars) == {2021, 2022}
    recovery = inputs.parameters.filter(pl.col("parameter") == "passenger_recovery")
    assert not recovery["year"].is_between(2023, 2024).any()
    held_out = [r for r in found["hindcast"] if r["year"] > 2022 and r["used_for"] == "calibration"]
    assert held_out == []
