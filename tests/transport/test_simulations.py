"""The representative weeks on the bundled data: schema, scale, determinism, seasons, levers, and no dependence on workers."""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from transport import simulations
from transport.inputs import data_folder
from transport.layout import year_index
from transport.params import Params
from transport.simulations import simulate_weeks
from transport.week_values import WEEKS, CityFleet, WeekValues, bus_factor, bus_hours, first_monday, taxi_factor

#: Electric buses and taxis of the simulated city.
FLEETS = {("bus_depot", "210100"): CityFleet(4000.0, 46_000.0), ("taxi_city", "210100"): CityFleet(1500.0, 118_000.0)}
COLUMNS = ["system", "week", "area", "place", "metric", "value", "low", "high", "unit", "vehicles", "events", "scale"]


class Tables:
    """The tables the module reads, straight from the data folder."""

    def table(self, name):
        return pl.read_csv(data_folder() / f"{name}.csv", schema_overrides={"area": pl.String})


@pytest.fixture(scope="module")
def params():
    files = sorted((data_folder() / "parameters").glob("*.csv"))
    rows = pl.concat([pl.read_csv(f, infer_schema=False) for f in files]).with_columns(
        pl.col("year").cast(pl.Int64, strict=False), *[pl.col(c).cast(pl.Float64) for c in ("value", "low", "high")]
    )
    full = Params.from_frame(rows)
    # a small city keeps the test quick; everything else is the bundled data
    for parameter, subject, value in [
        ("depot_buses", "all", 40.0),
        ("taxi_sample", "sample", 50.0),
        ("airport_movements", "A_SHE", 30_000.0),
        ("simulation_replications", "sample", 2.0),
    ]:
        full = full.replace(parameter, subject, np.full((1, 21), value))
    return full


@pytest.fixture(scope="module")
def outcome(params):
    return simulate_weeks(Tables(), params, FLEETS, year=2030, seed=1)


def cell(outcome, system, week, metric, column="value"):
    found = outcome.summary.filter((pl.col("system") == system) & (pl.col("week") == week) & (pl.col("metric") == metric))
    return found[column].item()


def test_tables_and_checks(outcome):
    assert outcome.summary.columns == COLUMNS
    assert set(outcome.summary["system"]) == {"bus_depot", "taxi_city", "airport"}
    assert set(outcome.summary["week"]) == {*WEEKS, "year"}
    assert outcome.summary["value"].is_finite().all()
    assert outcome.summary.select("system", "week", "area", "metric").is_unique().all()
    assert outcome.checks["passed"].all()
    assert outcome.checks["check"].is_unique().all()
    assert outcome.load_profile.height == 3 * 4 * 168
    assert (outcome.records["kwh"] > 0).sum() > 100
    assert (outcome.records["end_min"] >= outcome.records["start_min"]).all()


def test_load_profile_carries_the_energy(outcome):
    for system in ("bus_depot", "taxi_city", "airport"):
        hours = outcome.load_profile.filter((pl.col("system") == system) & (pl.col("week") == "winter"))
        assert hours["kw"].sum() == pytest.approx(cell(outcome, system, "winter", "grid_kwh"), rel=1e-9)


def test_vehicles_and_scale_are_printed(outcome):
    assert cell(outcome, "taxi_city", "winter", "km", "vehicles") == 50
    assert cell(outcome, "taxi_city", "winter", "km", "scale") == pytest.approx(1500.0 / 50)
    assert cell(outcome, "bus_depot", "winter", "km", "vehicles") == 40
    assert cell(outcome, "bus_depot", "winter", "km", "scale") == pytest.approx(4000.0 / 40)
    assert outcome.summary["events"].min() > 1000


def test_winter_costs_energy(outcome, params):
    winter, shoulder = (cell(outcome, "bus_depot", w, "energy_kwh_per_km") for w in ("winter", "shoulder"))
    assert winter > 1.2 * shoulder
    # mild weather is the row of the vehicle model
    base = params.get("electricity_use", "urban_bus:battery_electric")[0, year_index(2030)]
    assert 0.97 * base < shoulder < 1.15 * base
    winter, shoulder = (cell(outcome, "taxi_city", w, "energy_kwh_per_km") for w in ("winter", "shoulder"))
    assert winter > 1.2 * shoulder


def test_the_weeks_drive_the_year_of_the_accounts(outcome, params):
    """Whole buses leave the depot and taxis lose time at stations: what is left of the year's distance is what was planned less what was lost."""
    bus = cell(outcome, "bus_depot", "year", "km") / cell(outcome, "bus_depot", "year", "km", "vehicles")
    assert bus == pytest.approx(46_000.0, rel=0.04)
    lost = cell(outcome, "taxi_city", "year", "lost_km_share")
    taxi = cell(outcome, "taxi_city", "year", "km") / cell(outcome, "taxi_city", "year", "km", "vehicles")
    assert taxi / (1.0 - lost) == pytest.approx(118_000.0, rel=0.03)
    # twice the distance of a taxi is another year, not another number of taxis
    half = FLEETS | {("taxi_city", "210100"): CityFleet(1500.0, 59_000.0)}
    less = simulate_weeks(Tables(), params, half, year=2030, seed=1)
    factors = [cell(found, "taxi_city", "winter", "service_factor") for found in (outcome, less)]
    assert factors[0] == pytest.approx(2.0 * factors[1])
    assert cell(less, "taxi_city", "year", "km") == pytest.approx(0.5 * taxi * 50, rel=0.1)
    assert cell(less, "bus_depot", "year", "km") == cell(outcome, "bus_depot", "year", "km")


def test_factors_by_hand(params):
    """Service hours x speed x buses out, over the days of the year."""
    read = WeekValues(Tables(), params, FLEETS, 2030)
    busy, speed = bus_hours(read)
    day = 60.0 * float((busy * speed).sum()) * read("bus_peak_out_share")
    days = 0.0
    for week in ("winter", "summer", "shoulder"):
        days += read("week_weight", week) * (
            5 * read("bus_service_factor", "weekday") + 2 * read("bus_service_factor", "weekend")
        )
    days += read("week_weight", "holiday") * 7 * read("bus_service_factor", "holiday")
    assert bus_factor(read, "210100") * day * days == pytest.approx(46_000.0)
    mean = 0.45 * 400.0 + 0.55 * 260.0
    days = sum(read("week_weight", w) * 7.0 * read("taxi_activity", w) for w in WEEKS)
    assert taxi_factor(read, "210100") * mean * days == pytest.approx(118_000.0)


def test_a_city_without_electric_vehicles_is_refused(params):
    with pytest.raises(ValueError, match="bus_depot of 210100 in 2030: the stock has no electric vehicles"):
        simulate_weeks(Tables(), params, {}, year=2030, seed=1)
    empty = FLEETS | {("taxi_city", "210100"): CityFleet(0.0, 0.0)}
    with pytest.raises(ValueError, match="taxi_city of 210100"):
        simulate_weeks(Tables(), params, empty, year=2030, seed=1)


def test_losses_are_those_of_the_vehicle_model(outcome, params):
    loss = params.get("charging_loss", "urban_bus")[0, year_index(2030)]
    assert cell(outcome, "bus_depot", "year", "loss_share") == pytest.approx(loss)


def test_the_year_weighs_the_weeks(outcome, params):
    weights = {w: params.get("week_weight", w)[0, 0] for w in WEEKS}
    km = sum(weights[w] * cell(outcome, "bus_depot", w, "km") for w in WEEKS)
    assert cell(outcome, "bus_depot", "year", "km") == pytest.approx(km)
    assert cell(outcome, "bus_depot", "year", "km", "unit") == "km/yr"
    use = (
        sum(weights[w] * cell(outcome, "bus_depot", w, "km") * cell(outcome, "bus_depot", w, "energy_kwh_per_km") for w in WEEKS)
        / km
    )
    assert cell(outcome, "bus_depot", "year", "energy_kwh_per_km") == pytest.approx(use)
    peak = max(cell(outcome, "bus_depot", w, "peak_kw") for w in WEEKS)
    assert cell(outcome, "bus_depot", "year", "peak_kw") == pytest.approx(peak)
    assert sum(weights.values()) == pytest.approx(365 / 7, abs=0.01)


def test_single_vehicles_of_the_winter_week_are_kept(params, outcome):
    empty = simulate_weeks(Tables(), params, {}, year=2030, seed=1, level="none")
    for name, schema in simulations.SINGLE.items():
        table = outcome.single[name]
        assert dict(table.schema) == schema
        assert dict(empty.single[name].schema) == schema
        assert empty.single[name].is_empty()
        assert set(table.select("area", "week").unique().iter_rows()) == {("210100", "winter")}
    gantt, load = outcome.single["depot_gantt"], outcome.single["depot_load"]
    assert gantt["vehicle"].n_unique() == 40
    # the curve is the load of the week that stands in the summary
    assert load["kw"].sum() / 4.0 == pytest.approx(cell(outcome, "bus_depot", "winter", "grid_kwh"), rel=1e-9)
    turnarounds, tasks = outcome.single["turnarounds"], outcome.single["turnaround_tasks"]
    low, high = (cell(outcome, "airport", "winter", "turnarounds", end) for end in ("low", "high"))
    assert low <= turnarounds.height <= high
    assert set(tasks["turnaround"]) <= set(turnarounds["turnaround"])


def test_same_seed_same_bytes_and_workers_do_not_matter(params, outcome, monkeypatch):
    again = simulate_weeks(Tables(), params, FLEETS, year=2030, seed=1)
    # a pool that takes the tasks in another order returns the same
    monkeypatch.setattr(simulations.pool, "map", lambda fn, tasks, **_: [fn(t) for t in reversed(tasks)][::-1])
    backwards = simulate_weeks(Tables(), params, FLEETS, year=2030, seed=1)
    for name in ("summary", "records", "load_profile", "checks"):
        assert_frame_equal(getattr(outcome, name), getattr(again, name), check_exact=True)
        assert_frame_equal(getattr(outcome, name), getattr(backwards, name), check_exact=True)
    for name, table in outcome.single.items():
        assert_frame_equal(table, again.single[name], check_exact=True)
        assert_frame_equal(table, backwards.single[name], check_exact=True)
    other = simulate_weeks(Tables(), params, FLEETS, year=2030, seed=2)
    assert not other.summary["value"].equals(outcome.summary["value"])


def test_managed_charging_answers_the_peak(outcome, params):
    assert cell(outcome, "bus_depot", "year", "peak_response_share") > 0.0
    managed = params.replace("managed_charging_share", "bus_depot", np.full((1, 21), 1.0))
    more = simulate_weeks(Tables(), managed, FLEETS, year=2030, seed=1)
    assert cell(more, "bus_depot", "year", "valley_share") > cell(outcome, "bus_depot", "year", "valley_share")
    assert cell(more, "bus_depot", "year", "electricity_cny_per_kwh") < cell(
        outcome, "bus_depot", "year", "electricity_cny_per_kwh"
    )
    # the taxis see the same week: other seeds, other names
    assert cell(more, "taxi_city", "winter", "km") == cell(outcome, "taxi_city", "winter", "km")


def test_fewer_plugs_wait_longer(outcome, params, monkeypatch):
    # depots and weeks do not know each other
    monkeypatch.setattr(simulations, "SAMPLE", [s for s in simulations.SAMPLE if s[0] == "bus_depot"])
    monkeypatch.setattr(simulations, "WEEKS", ("winter",))
    scarce = params.replace("depot_plugs_per_bus", "all", np.full((1, 21), 0.06))
    less = simulate_weeks(Tables(), scarce, FLEETS, year=2030, seed=1)
    assert cell(less, "bus_depot", "winter", "wait_mean_min") > cell(outcome, "bus_depot", "winter", "wait_mean_min") + 10.0
    assert cell(less, "bus_depot", "winter", "served_share") < cell(outcome, "bus_depot", "winter", "served_share")


def test_none_is_empty_and_unknown_levels_are_refused(params, outcome):
    nothing = simulate_weeks(Tables(), params, FLEETS, year=2030, seed=1, level="none")
    for name in ("summary", "records", "load_profile", "checks"):
        assert getattr(nothing, name).height == 0
        assert getattr(nothing, name).schema == getattr(outcome, name).schema
    with pytest.raises(ValueError, match="none, sample or full"):
        simulate_weeks(Tables(), params, FLEETS, year=2030, seed=1, level="some")


def test_first_monday():
    assert first_monday(2030, 7).isoformat()[:10] == "2030-07-01"
    assert first_monday(2030, 1).isoformat()[:10] == "2030-01-07"
    assert all(first_monday(y, m).weekday() == 0 for y in (2020, 2031) for m in range(1, 13))
