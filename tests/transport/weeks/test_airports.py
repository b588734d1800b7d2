"""Airports of the province on the bundled data: traffic and energy agree with the rows and the year model, and rows, stock and ice move the week."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from fleets.errors import BlockError
from fleets.turnaround import plan, task_graphs
from transport.infrastructure import turnaround_energy
from transport.layout import YEARS
from transport.week_values import WEEKS, WeekValues, week_tariff
from transport.weeks import airports

if TYPE_CHECKING:
    from collections.abc import Callable

    from transport.inputs import Inputs
    from transport.params import Params
    from transport.weeks.case import Case, CaseResult

    Read = Callable[..., WeekValues]

YEAR = 2030
#: An airport of some seven turnarounds a day, and the one of less than one.
BRANCH, ISLAND = "A_JNZ", "A_CNI"


@pytest.fixture(scope="module")
def read(inputs: Inputs) -> Read:
    """Return a function from rows, the electric share of the stock and the year to the values of a year."""

    def values(params: Params | None = None, *, share: float | None = None, year: int = YEAR) -> WeekValues:
        given = {} if share is None else {"airside_electric_share": share}
        return WeekValues(inputs, inputs.params() if params is None else params, {}, year, given)

    return values


@pytest.fixture(scope="module")
def make(inputs: Inputs) -> Callable[..., Case]:
    """Return a function from values and a place to its case."""

    def case(values: WeekValues, place: str = BRANCH, week: str = "shoulder", *, level: str = "sample", **more: object) -> Case:
        area = {p: a for a, p in airports.places(inputs, values)}[place]
        made = airports.case(values, area, place, week, level=level, seed=1, tariff=week_tariff(inputs, values), **more)  # type: ignore[arg-type]
        return replace(made, replications=2)

    return case


@pytest.fixture(scope="module")
def shenyang(read: Read, make: Callable[..., Case]) -> CaseResult:
    """Return a winter week of Shenyang."""
    case = make(read(), "A_SHE", "winter")
    return case.simulate(case)


def moved(params: Params, **values: float) -> Params:
    """Return parameters with some rows at other values, named parameter__subject."""
    for key, value in values.items():
        parameter, subject = key.split("__")
        params = params.replace(parameter, subject, np.full((1, len(YEARS)), value))
    return params


# --- data ---------------------------------------------------------------------------------------------------------------------------


def test_the_eight_airports_of_the_network(inputs: Inputs, read: Read) -> None:
    found = airports.places(inputs, read())
    assert found == sorted(found)
    assert [p for _, p in found] == ["A_SHE", "A_CNI", "A_DLC", "A_AOG", "A_DDG", "A_JNZ", "A_YKH", "A_CHG"]
    closed = read(moved(inputs.params(), airport_movements__A_CHG=0.0))
    assert "A_CHG" not in {p for _, p in airports.places(inputs, closed)}


def test_the_table_of_tasks(inputs: Inputs) -> None:
    table = inputs.table("fleets/turnaround_tasks")
    graphs = task_graphs(table)
    assert tuple(graphs) == airports.SIZES
    assert (table["low"] <= table["minutes"]).all()
    assert (table["minutes"] <= table["high"]).all()
    kinds = set(inputs.params().subjects("equipment_per_peak_turnaround"))
    assert {t.kind for tasks in graphs.values() for t in tasks if t.kind} == kinds
    # planned times on stand leave room for the tasks
    for size, tasks in graphs.items():
        planned = inputs.params().get("turnaround_time", size)[0, 0]
        for stand in ("contact", "remote"):
            assert plan(tasks, stand=stand).shortest_min() <= planned
    narrow = plan(graphs["narrow_body"], stand="contact")
    # 2 chocks, 8 deboarding, 14 refuelling, 15 boarding
    assert narrow.critical_path() == ["chocks", "deboard", "refuel", "board", "push_back"]
    assert narrow.shortest_min() == 39.0


def test_shares_of_sizes(read: Read) -> None:
    values = read()
    assert airports.size_shares(values, "A_SHE") == {"regional": 0.04, "narrow_body": pytest.approx(0.92), "wide_body": 0.04}
    assert airports.size_shares(values, ISLAND) == {"regional": 1.0, "narrow_body": 0.0, "wide_body": 0.0}


def test_days_with_ice(inputs: Inputs, read: Read) -> None:
    certain = read(moved(inputs.params(), day_temperature_sd__all=0.0))
    cold, freezing = (certain("icing_day_probability", k) for k in ("cold", "freezing"))
    assert airports.icing_day_probability(certain, -10.0) == pytest.approx(cold)
    assert airports.icing_day_probability(certain, -25.0) == pytest.approx(cold)
    assert airports.icing_day_probability(certain, -5.0) == pytest.approx((cold + freezing) / 2)
    assert airports.icing_day_probability(certain, certain("icing_limit")) == pytest.approx(0.0)
    assert airports.icing_day_probability(certain, 20.0) == 0.0
    # days differ: there is ice in weeks whose mean is above the limit
    assert 0.0 < airports.icing_day_probability(read(), 5.0) < freezing


# --- a week -------------------------------------------------------------------------------------------------------------------------


def test_traffic_of_a_week(read: Read, shenyang: CaseResult) -> None:
    values = read()
    expected = values("airport_movements", "A_SHE") / 2 / 365 * 7 * airports.seasons(values, "winter")[0]
    assert shenyang.result.value("turnarounds") == pytest.approx(expected, rel=0.01)
    departures = shenyang.tables["turnarounds"]
    assert departures.height == pytest.approx(expected, rel=0.01)
    assert (departures["size"] == "wide_body").mean() == pytest.approx(0.04, abs=0.015)
    nights = departures.filter(pl.col("leave_planned_min") - pl.col("arrive_min") > 300)
    assert nights.height / departures.height == pytest.approx(values("overnight_share"), abs=0.01)


def test_power_on_stand_is_that_of_the_year_model(read: Read, make: Callable[..., Case], shenyang: CaseResult) -> None:
    """Eq. 45 by size and stand where everybody leaves on time; ice and missing equipment lengthen stays, and so the energy."""
    values = read()
    case = make(values, "A_SHE", "winter")
    handling = replace(case.given["handling"], task_cv=0.0, icing_day_probability=0.0)
    plenty = [replace(e, units=10 * e.units, electric=0) for e in case.given["equipment"]]
    case = replace(case, given={**case.given, "handling": handling, "equipment": plenty})
    result = case.simulate(case).result
    contact, connect, running = (
        values("contact_stand_share", "A_SHE"),
        values("turbine_connect_time"),
        values("turbine_time_share"),
    )
    turbine_h = kg = kwh = 0.0
    for stand, stand_share in (("contact_stand", contact), ("remote_stand", 1.0 - contact)):
        use = values("bridge_power_use", stand)
        for size, share in airports.size_shares(values, "A_SHE").items():
            stay = values("turnaround_time", size)
            hours = stand_share * share * ((1.0 - use) * running * stay + use * connect) / 60.0
            turbine_h += hours
            kg += hours * values("turbine_fuel_flow", size)
            if stand == "contact_stand":
                kwh += stand_share * share * use * (stay - connect) / 60.0 * values("ground_power_load", size)
    kwh *= airports.seasons(values, "winter")[1] / values("ground_power_converter")
    number = result.value("turnarounds")
    assert result.value("turbine_h") / number == pytest.approx(turbine_h, rel=0.03)
    assert 1000.0 * result.value("turbine_fuel_t") / number == pytest.approx(kg, rel=0.03)
    assert result.value("ground_power_kwh") / number == pytest.approx(kwh, rel=0.03)
    assert result.value("turbine_saved_t") > 0.3 * result.value("turbine_fuel_without_t")
    assert kwh < shenyang.result.value("ground_power_kwh") / number < 1.2 * kwh


def test_the_weeks_have_the_year(inputs: Inputs, read: Read) -> None:
    """Weighed, the weeks have the movements of the year and their turnarounds the mean load."""
    values = read(moved(inputs.params(), airport_season__summer=1.6, ground_power_season__winter=2.0))
    weight = {w: values("week_weight", w) for w in WEEKS}
    found = {w: airports.seasons(values, w) for w in WEEKS}
    total = sum(weight.values())
    assert sum(weight[w] * found[w][0] for w in WEEKS) == pytest.approx(total)
    assert sum(weight[w] * found[w][0] * found[w][1] for w in WEEKS) == pytest.approx(total)
    assert found["summer"][0] / found["winter"][0] == pytest.approx(1.6 / values("airport_season", "winter"))


def test_the_accounts_stand_beside_the_simulation(inputs: Inputs, read: Read, make: Callable[..., Case]) -> None:
    """The weeks of all airports carry exactly what eq. 45 books in the year, and where both know the same aircraft they agree."""
    values = read()
    _, _, turbine_t, ground_kwh = turnaround_energy(inputs.params())
    year = {"ground_power_kwh_accounts": ground_kwh, "turbine_fuel_t_accounts": turbine_t}
    days = 7.0 * sum(values("week_weight", w) for w in WEEKS)
    booked = dict.fromkeys(year, 0.0)
    for _, place in airports.places(inputs, values):
        for week in WEEKS:
            for name, found in airports.accounts(values, place, week).items():
                booked[name] += values("week_weight", week) * found.value
    for name, expected in year.items():
        assert booked[name] * 365.0 / days == pytest.approx(float(expected[0, YEARS.index(YEAR)]), rel=1e-9)
    # without chance in sizes, stands and use of ground power
    rows = {"contact_stand_share__A_SHE": 1.0, "regional_share__A_SHE": 0.0, "wide_body_share__A_SHE": 0.0}
    alike = read(moved(inputs.params(), **rows, bridge_power_use__contact_stand=1.0))
    case = make(alike, "A_SHE", "shoulder")
    plenty = [replace(e, units=10 * e.units, electric=0) for e in case.given["equipment"]]
    handling = replace(case.given["handling"], task_cv=0.0, icing_day_probability=0.0)
    case = replace(case, given={**case.given, "handling": handling, "equipment": plenty})
    result = case.simulate(case).result
    assert result.value("ground_power_kwh") == pytest.approx(case.more["ground_power_kwh_accounts"].value, rel=0.03)
    assert result.value("turbine_fuel_t") == pytest.approx(case.more["turbine_fuel_t_accounts"].value, rel=0.03)


def test_tables_and_metrics(shenyang: CaseResult) -> None:
    departures, tasks = shenyang.tables["turnarounds"], shenyang.tables["turnaround_tasks"]
    assert departures.columns == [
        "turnaround",
        "arrive_min",
        "leave_planned_min",
        "leave_actual_min",
        "delay_min",
        "cause",
        "stand",
        "size",
    ]
    assert tasks.columns == ["turnaround", "task", "kind", "asked_min", "start_min", "end_min", "delay_min", "state"]
    assert departures["turnaround"].is_unique().all()
    assert set(tasks["turnaround"]) <= set(departures["turnaround"])
    assert shenyang.result.checks["passed"].all()
    old = "turnarounds missed_share delayed_share delay_p95_min ground_power_share turbine_fuel_t turbine_h ground_power_kwh equipment_kwh"
    old += " grid_kwh peak_kw wait_mean_min wait_p50_min wait_p95_min plug_utilisation loss_share waiting_at_end"
    assert set(old.split()) <= set(shenyang.result.summary["metric"])


def test_an_island_of_less_than_one_aircraft_a_day(read: Read, make: Callable[..., Case]) -> None:
    case = replace(make(read(), ISLAND, "winter"), replications=20)
    found = case.simulate(case)
    expected = read()("airport_movements", ISLAND) / 2 / 365 * 7 * 0.97
    assert found.result.value("turnarounds") == pytest.approx(expected, rel=0.3)
    assert found.tables["turnarounds"]["size"].unique().to_list() == ["regional"]
    assert "container_loader" not in {e.kind for e in case.given["equipment"]}
    # one unit of each kind is enough but for aircraft that stand there together
    assert found.result.value("delay_mean_min") < 1.0


def test_the_same_bytes_after_a_journey(read: Read, make: Callable[..., Case]) -> None:
    case = make(read())
    here, there = case.simulate(case), pickle.loads(pickle.dumps(case))  # noqa: S301 - our own bytes
    again = there.simulate(there)
    assert_frame_equal(here.result.summary, again.result.summary, check_exact=True)
    for name, table in here.tables.items():
        assert_frame_equal(table, again.tables[name], check_exact=True)


def test_the_stock_says_how_many_units_are_electric(read: Read, make: Callable[..., Case]) -> None:
    cases = [make(read(share=share)) for share in (0.0, 0.4, 1.0)]
    assert len({c.represented for c in cases}) == 1
    electric = [c.more["electric_units"].value for c in cases]
    assert electric[0] == 0.0
    assert electric[2] == cases[0].represented
    energy = [c.simulate(c).result.value("equipment_kwh") for c in cases]
    assert energy[0] == 0.0
    assert 0.2 * energy[2] < energy[1] < 0.8 * energy[2]


def test_a_fuller_level_asks_what_night_charging_would_do(read: Read, make: Callable[..., Case]) -> None:
    case = make(read(), level="full")
    found = case.simulate(case)
    night = found.variants["overnight"]
    assert night.value("turnarounds") == found.result.value("turnarounds")
    assert night.value("missed_share") > found.result.value("missed_share")
    assert found.more["overnight_missed_share"].value == night.value("missed_share")
    assert found.more["overnight_peak_kw"].unit == "kW"
    small = make(read())
    assert not small.given["variants"]
    assert small.simulate(small).more == {}


def test_a_schedule_takes_the_place_of_the_movements(read: Read, make: Callable[..., Case]) -> None:
    times = np.arange(0.0, 10_000.0, 100.0)
    table = pl.DataFrame({"arrive_min": times, "depart_min": times + 60.0, "size": ["narrow_body", "wide_body"] * 50})
    case = make(read(), "A_SHE", schedule=table)
    found = case.simulate(case)
    assert found.result.value("turnarounds") == 100.0
    assert found.tables["turnarounds"]["arrive_min"].to_list() == times.tolist()
    # one aircraft at a time needs no more than the largest task does
    assert sum(e.units for e in case.given["equipment"]) < 60
    with pytest.raises(BlockError, match="row 0: size is 'jumbo'"):
        make(read(), "A_SHE", schedule=table.with_columns(size=pl.lit("jumbo")))


def test_even_the_smallest_airport_needs_a_plug(read: Read, make: Callable[..., Case]) -> None:
    """Its full batteries last the week, and would not last the next one."""
    found = airports.needs(replace(make(read(), ISLAND), replications=1), airports.service_limits(read()))
    assert (found.filter(pl.col("item") == "units")["charges_per_day"] < 0.2).all()
    assert found.filter(pl.col("item") == "plugs")["number"].to_list() == [1, 1]


def test_enough_equipment_for_gaps_and_for_nights(inputs: Inputs, read: Read, make: Callable[..., Case]) -> None:
    case = replace(make(read()), replications=1)
    found = airports.needs(case, airports.service_limits(read()))
    assert found.columns == ["rule", "item", "number", "feasible", "charges_per_day", "extra_share"]
    assert found["feasible"].all()
    units = dict(found.filter(pl.col("item") == "units").select("rule", "number").iter_rows())
    assert units["overnight"] > units["gaps"]
    extra = found.filter(pl.col("item") == "units", pl.col("rule") == "overnight")["extra_share"].item()
    assert extra == pytest.approx(units["overnight"] / units["gaps"] - 1.0)
    # nobody who charges at night only uses more than a battery a day, which explains what the nights take
    charges = {rule: dict(part.select("item", "charges_per_day").iter_rows()) for (rule,), part in found.group_by(["rule"])}
    for item, number in found.filter(pl.col("rule") == "overnight").select("item", "number").iter_rows():
        if item not in {"units", "plugs"} and number:
            assert 0.0 < charges["overnight"][item] <= 1.0 + 1e-9 or charges["overnight"][item] == 0.0
    assert charges["gaps"]["units"] > charges["overnight"]["units"] > 0.0
    assert charges["gaps"]["plugs"] is None
    # what was published of many airports stands beside it
    published = inputs.parameters.filter(pl.col("parameter") == "ref_gse_overnight_extra_units")
    assert sorted(published["value"]) == [30.0, 47.0, 61.0, 76.0]
