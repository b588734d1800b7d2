"""The self-checks of a week: they pass on a right run, name the closed form, and each fails when the thing it watches is wrong."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from scipy.optimize import brentq

from fleets.queueing import erlang_c, mmc_wait_min
from fleets.station import Plugs
from transport.i18n import has_text
from transport.self_check import SCHEMA, self_checks
from transport.week_values import CityFleet, WeekValues, week_tariff
from transport.weeks import airports, bus_depots, taxis

if TYPE_CHECKING:
    from collections.abc import Callable

    from transport.inputs import Inputs
    from transport.weeks.case import Case, CaseResult

FLEETS = {("bus_depot", "210100"): CityFleet(4000.0, 46_000.0), ("taxi_city", "210100"): CityFleet(1500.0, 118_000.0)}
MODULES = {"bus_depot": (bus_depots, ""), "taxi_city": (taxis, ""), "airport": (airports, "A_SHE")}


@pytest.fixture(scope="module")
def weeks(inputs: Inputs) -> Callable[[str], tuple[Case, CaseResult]]:
    """Return a function from a system to its small winter week and the result of it; simulated once."""
    params = inputs.params()
    for parameter, subject, value in [
        ("depot_buses", "all", 30.0),
        ("taxi_sample", "sample", 40.0),
        ("taxi_swap_share", "all", 0.0),
        ("airport_movements", "A_SHE", 15_000.0),
        ("simulation_replications", "sample", 2.0),
    ]:
        params = params.replace(parameter, subject, np.full((1, 21), value))
    read = WeekValues(inputs, params, FLEETS, 2030)
    tariff = week_tariff(inputs, read)
    made: dict[str, tuple[Case, CaseResult]] = {}

    def make(system: str) -> tuple[Case, CaseResult]:
        if system not in made:
            module, place = MODULES[system]
            case = module.case(read, "210100", place, "winter", level="sample", seed=3, tariff=tariff)
            made[system] = case, case.simulate(case)
        return made[system]

    return make


def row(table: pl.DataFrame, check: str) -> dict[str, Any]:
    return table.row(by_predicate=pl.col("check") == check, named=True)


def failed(table: pl.DataFrame) -> list[str]:
    return table.filter(~pl.col("passed"))["check"].to_list()


@pytest.mark.parametrize("system", sorted(MODULES))
def test_a_right_run_passes(weeks: Callable[[str], tuple[Case, CaseResult]], system: str) -> None:
    case, outcome = weeks(system)
    table = self_checks(case, outcome)
    assert dict(table.schema) == SCHEMA
    assert failed(table) == []
    assert table["check"].is_unique().all()
    assert table["passed"].sum() >= 12
    assert set(table.select("system", "year", "week", "area", "place").unique().row(0)) >= {system, 2030, "winter", "210100"}
    for lang in ("zh", "en"):
        assert not [key for key in table["explanation"].unique() if not has_text(f"self_check.explain_{key}", lang)]
        names = [c if not c.startswith("balance_") else "balance" for c in table["check"]]
        assert not [key for key in names if not has_text(f"self_check.check_{key}", lang)]
    assert self_checks(case, outcome).equals(table), "the same run gives the same checks"


def test_the_closed_form_is_that_of_the_plugs_and_services(weeks: Callable[[str], tuple[Case, CaseResult]]) -> None:
    case, outcome = weeks("bus_depot")
    table = self_checks(case, outcome)
    plugs = case.given["plugs"].count
    plain = outcome.variants.get("unmanaged", outcome.result).sessions
    inside = plain.filter(pl.col("arrive_min").is_between(0, 10080, closed="left"), pl.col("end_min") > pl.col("start_min"))
    mean = float((inside["end_min"] - inside["start_min"]).mean())  # type: ignore[arg-type]
    found = row(table, "erlang_c_wait")
    offered = row(table, "plug_load")["simulated"] * plugs
    if found["explanation"].endswith("_scaled"):
        offered = brentq(lambda a: erlang_c(a, plugs) - 0.3, 1e-3, plugs - 1e-3)
    assert found["expected"] == pytest.approx(mmc_wait_min(offered / mean, mean, plugs), rel=1e-6)
    assert row(table, "erlang_c_waiting")["expected"] == pytest.approx(erlang_c(offered, plugs), rel=1e-6)
    assert found["low"] <= found["simulated"] <= found["high"]
    quick = self_checks(case, outcome, queue=False)
    assert set(table["check"]) - set(quick["check"]) == {"erlang_c_wait", "erlang_c_waiting", "own_services_wait"}


def test_an_overloaded_hour_is_information(weeks: Callable[[str], tuple[Case, CaseResult]]) -> None:
    case, _ = weeks("bus_depot")
    few = replace(case, given={**case.given, "plugs": Plugs(2, 120.0, 0.9)})
    table = self_checks(few, few.simulate(few), queue=False)
    load = row(table, "plug_load")
    assert load["simulated"] > 1.0
    assert load["passed"] is None
    assert row(table, "busiest_hour_wait")["explanation"] == "overloaded"
    assert row(table, "busiest_hour_wait")["expected"] is None, "an infinite wait is no number"
    assert failed(table) == []
    assert row(table, "plugs_in_use")["simulated"] == 2


def test_shared_power_may_only_make_it_longer(weeks: Callable[[str], tuple[Case, CaseResult]]) -> None:
    case, _ = weeks("bus_depot")
    weak = replace(case, given={**case.given, "plugs": Plugs(10, 120.0, 0.9, limit_kw=300.0)})
    table = self_checks(weak, weak.simulate(weak), queue=False)
    shared = row(table, "charge_time_shared")
    assert shared["simulated"] > 1.2 * shared["expected"]
    assert failed(table) == []


@pytest.mark.parametrize(
    ("column", "change", "found"),
    [
        ("end_min", pl.col("end_min") + 0.01, {"charge_time"}),
        ("grid_kwh", pl.col("grid_kwh") * 1.01, {"grid_stored_losses", "load_energy"}),
        ("stored_kwh", pl.col("stored_kwh") * 0.99, {"stored_battery_change", "grid_stored_losses"}),
        ("start_min", pl.col("arrive_min"), {"wait_mean", "plugs_in_use"}),
        ("vehicle", pl.lit(0, dtype=pl.Int64), {"vehicle_at_two_plugs"}),
    ],
)
def test_a_wrong_record_is_found(
    weeks: Callable[[str], tuple[Case, CaseResult]], column: str, change: pl.Expr, found: set[str]
) -> None:
    case, _ = weeks("bus_depot")
    case = replace(case, given={**case.given, "plugs": Plugs(4, 120.0, 0.9)})
    outcome = case.simulate(case)
    twin = outcome.variants.get("unmanaged", outcome.result)
    wrong = replace(twin, sessions=twin.sessions.with_columns(change.alias(column)))
    table = self_checks(case, replace(outcome, result=wrong, variants={}), queue=False)
    assert found <= set(failed(table))


def test_a_wrong_load_is_found(weeks: Callable[[str], tuple[Case, CaseResult]]) -> None:
    case, _ = weeks("bus_depot")
    case = replace(case, given={**case.given, "plugs": Plugs(30, 120.0, 0.9)})
    outcome = case.simulate(case)
    twin = outcome.variants.get("unmanaged", outcome.result)
    right = self_checks(case, replace(outcome, result=twin, variants={}), queue=False)
    assert row(right, "load_hours")["passed"]
    load = twin.load_kw.copy()
    load[0, 8:12] += 1.0
    table = self_checks(case, replace(outcome, result=replace(twin, load_kw=load), variants={}), queue=False)
    assert row(table, "load_hours")["difference"] == pytest.approx(1.0, abs=1e-6)
    assert "load_hours" in failed(table)


def test_the_bill_is_that_of_the_tariff(weeks: Callable[[str], tuple[Case, CaseResult]]) -> None:
    """A demand price makes both parts of the bill positive; a load in one hour of the valley costs the valley price."""
    case, outcome = weeks("airport")
    priced = replace(case, tariff=replace(case.tariff, demand_cny_per_kw_month=30.0))
    table = self_checks(priced, outcome, queue=False)
    demand = row(table, "bill_demand")
    assert demand["expected"] == pytest.approx(30.0 * outcome.result.load_kw[0].max(), rel=1e-9)
    assert demand["passed"]
    assert row(table, "bill_energy")["passed"]


def test_a_system_without_plugs_has_the_general_checks(weeks: Callable[[str], tuple[Case, CaseResult]]) -> None:
    case, outcome = weeks("taxi_city")
    other = replace(case, system="shore_power", given={"calls": SimpleNamespace()})
    table = self_checks(other, outcome)
    assert failed(table) == []
    assert {"bill_energy", "bill_demand"} < set(table["check"])
    assert all(c.startswith(("balance_", "bill_")) for c in table["check"])
