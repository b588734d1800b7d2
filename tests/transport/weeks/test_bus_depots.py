"""Bus depots on the bundled data: heaters, sizes, the four rules of charging, the tables of a depot, and what under-building does."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from transport.layout import YEARS
from transport.week_values import CityFleet, WeekValues, week_tariff
from transport.weeks import bus_depots
from transport.weeks.heaters import HEATERS, heater_factor, heater_shares, heaters_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from transport.inputs import Inputs
    from transport.weeks.case import Case, CaseResult

    Make = Callable[..., Case]

YEAR, CITY, TOWN = 2030, "210100", "210200"
FLEETS = {
    ("bus_depot", CITY): CityFleet(130.0, 46_000.0),
    ("bus_depot", TOWN): CityFleet(60.0, 46_000.0),
    ("bus_depot", "211400"): CityFleet(0.0, 0.0),
}
SMALL = {"depot_buses:all": 40.0, "simulation_replications:sample": 2.0}


@pytest.fixture(scope="module")
def read(inputs: Inputs) -> Callable[..., WeekValues]:
    """Return a function from rows (parameter:subject -> value) to the values of a year of small depots."""

    def values(**rows: float) -> WeekValues:
        params = inputs.params()
        for name, value in {**SMALL, **rows}.items():
            parameter, _, subject = name.partition(":")
            params = params.replace(parameter, subject or "all", np.full((1, len(YEARS)), value))
        return WeekValues(inputs, params, FLEETS, YEAR)

    return values


@pytest.fixture(scope="module")
def make(inputs: Inputs, read: Callable[..., WeekValues]) -> Make:
    """Return a function from rows to a case."""

    def case(week: str = "winter", area: str = CITY, level: str = "sample", **rows: float) -> Case:
        values = read(**rows)
        return bus_depots.case(values, area, "", week, level=level, seed=1, tariff=week_tariff(inputs, values))

    return case


@pytest.fixture(scope="module")
def plain(make: Make) -> CaseResult:
    """Return a winter week with the rows as they are."""
    case = make()
    return case.simulate(case)


def test_places_are_the_cities_with_electric_buses(inputs: Inputs, read: Callable[..., WeekValues]) -> None:
    assert bus_depots.places(inputs, read()) == [(CITY, ""), (TOWN, "")]


def test_sizes_of_the_levels(make: Make) -> None:
    sample, full, province, town = make(), make(level="full"), make(level="province"), make(area=TOWN, level="province")
    assert (sample.given["buses"].count, sample.replications, sample.sites) == (40, 2, 1)
    assert (full.given["buses"].count, full.replications, full.sites) == (40, 3, 3)
    # 130 buses once: three depots of 43; 60 buses are one or two depots of their own size
    assert (province.given["buses"].count, province.replications) == (43, 3)
    assert (town.given["buses"].count, town.replications) == (30, 2)
    assert [c.represented for c in (sample, province, town)] == [130.0, 130.0, 60.0]


# --- heaters --------------------------------------------------------------------------------------------------------------------------


def test_heaters_at_minus_and_plus_twenty(read: Callable[..., WeekValues]) -> None:
    """The published ranges disagree: the type of heater explains a part, the ranges of the rows hold the rest."""
    values = read()
    cold, mild = np.array([-20.0]), np.array([20.0])
    ends = {h: [float(heater_factor(values, h, cold, end=e)[0]) for e in ("low", "value", "high")] for h in HEATERS}
    for heater in HEATERS:
        low, value, high = ends[heater]
        assert 1.0 <= low < value < high
        assert float(heater_factor(values, heater, mild)[0]) == 1.0
    # by hand: 1.6, less 15 % or 70 % of the surplus
    assert [ends[h][1] for h in HEATERS] == pytest.approx([1.6, 1.0 + 0.6 * 0.85, 1.0 + 0.6 * 0.3])
    assert ends["resistive"][1] > ends["heat_pump"][1] > ends["fuel_heater"][1]
    # Northeast China and a depot in New York lie within resistive heating, fleets with burners within theirs
    assert ends["resistive"][0] <= 1.56 <= ends["resistive"][2]
    assert ends["resistive"][2] == pytest.approx(1.85)
    assert ends["fuel_heater"][0] <= 1.14
    assert ends["fuel_heater"][2] >= 1.21


def test_the_mean_over_the_heaters_is_the_factor_of_the_vehicle_model(read: Callable[..., WeekValues]) -> None:
    values = read()
    shares = heater_shares(values)
    assert sum(shares.values()) == pytest.approx(1.0)
    temperature = np.linspace(-25.0, 35.0, 61)
    mean = sum(share * heater_factor(values, h, temperature) for h, share in shares.items())
    assert mean == pytest.approx(values.temperature_factor("bus", temperature))


def test_a_bus_keeps_its_heater_when_another_share_moves(read: Callable[..., WeekValues]) -> None:
    before = heaters_of(read(), CITY, 1, 0, 2000)
    after = heaters_of(read(**{"heat_pump_share:urban_bus": 0.3}), CITY, 1, 0, 2000)
    assert np.bincount(before, minlength=3) / 2000 == pytest.approx(list(heater_shares(read()).values()), abs=0.03)
    moved = before != after
    assert set(after[moved]) == {HEATERS.index("heat_pump")}
    assert set(before[moved]) == {HEATERS.index("resistive")}


def test_blocks_carry_the_heater_of_their_bus(make: Make, read: Callable[..., WeekValues]) -> None:
    blocks = make().given["blocks"][0].with_columns((pl.col("kwh") / pl.col("km")).alias("use"))
    types = heaters_of(read(), CITY, 1, 0, 40)
    day = blocks.filter((pl.col("start_min") >= 0) & (pl.col("start_min") < 1440))
    by_type = {t: day.filter(pl.col("bus").is_in(np.flatnonzero(types == t)))["use"] for t in set(types.tolist())}
    for use in by_type.values():
        assert use.to_numpy() == pytest.approx(np.full(use.len(), use[0]))
    assert by_type[HEATERS.index("resistive")][0] > by_type[HEATERS.index("fuel_heater")][0]


def test_energy_by_heater_is_reported_with_the_range_of_the_rows(make: Make) -> None:
    winter, summer = make().more, make("summer").more
    for heater in HEATERS:
        value, low, high, unit = winter[f"energy_kwh_per_km_{heater}"]
        assert low is not None
        assert high is not None
        assert low < value < high
        assert unit == "kWh/km"
        assert value > summer[f"energy_kwh_per_km_{heater}"].value


# --- results --------------------------------------------------------------------------------------------------------------------------


def test_results_of_a_depot(plain: CaseResult) -> None:
    found = {r["metric"]: r for r in plain.result.summary.iter_rows(named=True)}
    for metric in (
        "missed_blocks",
        "late_blocks",
        "unserved_kwh",
        "wait_mean_min",
        "wait_p95_min",
        "plug_utilisation",
        "peak_kw",
        "battery_kwh",
        "cycles_per_vehicle",
    ):
        assert found[metric]["low"] is not None, metric
    assert found["battery_kwh"]["value"] == pytest.approx(
        found["grid_kwh"]["value"] * (1.0 - found["loss_share"]["value"]), rel=0.02
    )
    assert plain.result.checks["passed"].all()
    bill = plain.more
    parts = [m.value for name, m in bill.items() if name.startswith("bill_") and name != "bill_cny_per_month"]
    assert {f"bill_{p}_cny_per_month" for p in ("sharp", "peak", "flat", "valley", "demand")} <= set(bill)
    assert bill["bill_cny_per_month"].value == pytest.approx(sum(parts))
    assert bill["peak_gap_share"].value >= 0.0
    assert bill["peak_bound_kw"].value <= found["peak_kw"]["value"]


def test_the_tables_of_a_depot(plain: CaseResult) -> None:
    load = plain.tables["depot_load"]
    assert load.columns == ["start_min", "kw", "feeder_kw", "unmanaged_kw", "price_cny_per_kwh", "unserved_kwh"]
    assert load.height == 672
    assert (load["kw"] <= load["feeder_kw"] + 1e-6).all()
    assert float(load["kw"].to_numpy().mean()) * 168.0 == pytest.approx(plain.result.value("grid_kwh"))
    assert float(load["unmanaged_kw"].to_numpy().mean()) * 168.0 == pytest.approx(plain.variants["unmanaged"].value("grid_kwh"))
    assert load["unserved_kwh"].sum() == pytest.approx(plain.result.value("unserved_kwh"))
    assert load["price_cny_per_kwh"].n_unique() == 4
    gantt = plain.tables["depot_gantt"]
    assert gantt.columns == ["vehicle", "state", "start_min", "end_min", "soc_start", "soc_end", "kw"]
    assert set(gantt["state"]) == {"driving", "waiting", "charging", "parked"}
    assert gantt["vehicle"].n_unique() == 40
    ordered = gantt.with_columns(pl.col("end_min", "soc_end").shift().over("vehicle").name.suffix("_before")).drop_nulls()
    assert (ordered["end_min_before"] - ordered["start_min"]).abs().max() == 0.0
    assert ((ordered["soc_end_before"] - ordered["soc_start"]).abs() < 1e-9).all()
    # the energy of the charges is that of the load of this depot
    inside = gantt.filter((pl.col("state") == "charging") & (pl.col("start_min") >= 0.0))
    kwh = float((inside["kw"] * (inside["end_min"] - inside["start_min"])).sum()) / 60.0
    assert kwh == pytest.approx(float(plain.result.load_kw[0].sum()) / 4.0, rel=0.02)


def test_the_same_case_gives_the_same_bytes_in_another_process_form(make: Make, plain: CaseResult) -> None:
    again = pickle.loads(pickle.dumps(make()))  # noqa: S301
    other = again.simulate(again)
    assert_frame_equal(other.result.summary, plain.result.summary, check_exact=True)
    assert other.more == plain.more
    for name, table in plain.tables.items():
        assert_frame_equal(other.tables[name], table, check_exact=True)


# --- rules ----------------------------------------------------------------------------------------------------------------------------


def test_peak_shaving_lowers_the_peak_at_the_same_service(make: Make) -> None:
    case, usual = (
        make("shoulder", **{"managed_charging_share:bus_depot": 1.0, "peak_shaving_share:bus_depot": 1.0}),
        make("shoulder"),
    )
    plain = usual.simulate(usual)
    shaved = case.simulate(case)
    assert shaved.result.value("peak_kw") < 0.7 * shaved.variants["unmanaged"].value("peak_kw")
    assert shaved.more["peak_gap_share"].value < plain.more["peak_gap_share"].value
    assert shaved.result.value("served_share") >= plain.result.value("served_share") - 0.005
    # nobody managed at the same kind of site is what the plain site does
    assert shaved.variants["unmanaged"].value("peak_kw") == pytest.approx(plain.variants["unmanaged"].value("peak_kw"))


def test_the_bill_is_compared_with_the_cheapest_one(make: Make, plain: CaseResult) -> None:
    assert "bill_gap_share" not in plain.more
    plan, summer = make(level="full"), make("summer", level="province")
    full, managed = (c.simulate(c) for c in (plan, make(level="full", **{"managed_charging_share:bus_depot": 1.0})))
    bound, paid = full.more["bill_bound_cny_per_month"], full.more["bill_cny_per_month"]
    assert 0.0 < bound.value < paid.value
    assert full.more["bill_gap_share"].high is not None
    # who waits for the valley comes nearer to the cheapest bill
    assert 0.0 < managed.more["bill_gap_share"].value < full.more["bill_gap_share"].value
    assert not summer.given["bill_bound"]
    assert make(level="province").given["bill_bound"]


def test_a_depot_without_plugs_serves_what_the_first_charge_holds(make: Make) -> None:
    case = make(**{"depot_plugs_per_bus:all": 0.0})
    found = case.simulate(case)
    assert case.given["plugs"].count == 0
    assert found.result.value("grid_kwh") == 0.0
    assert found.result.value("served_share") < 0.1
    assert found.result.value("unserved_kwh") > 0.0
    assert found.tables["depot_load"]["unserved_kwh"].sum() == pytest.approx(found.result.value("unserved_kwh"))


def test_shaving_keeps_the_departure_margin(make: Make) -> None:
    rows = {"managed_charging_share:bus_depot": 1.0, "peak_shaving_share:bus_depot": 1.0}
    assert make(**rows).given["shaving"].margin_min == 15.0
    assert make(**rows, **{"departure_margin:all": 30.0}).given["shaving"].margin_min == 30.0


def test_charging_at_termini_relieves_the_depot(make: Make, plain: CaseResult) -> None:
    case = make(**{"terminus_charging_share:bus_depot": 1.0})
    found = case.simulate(case)
    assert 0.1 < found.result.value("terminus_share") < 0.9
    assert found.result.value("wait_mean_min") < plain.result.value("wait_mean_min")
    assert set(found.result.sessions["site"]) == {"depot", "terminus"}
    assert found.result.checks["passed"].all()
    more = make(**{"terminus_charging_share:bus_depot": 1.0, "charger_power:terminus": 300.0})
    assert more.simulate(more).result.value("terminus_share") > found.result.value("terminus_share")


def test_an_under_built_depot_answers(make: Make, plain: CaseResult) -> None:
    case = make(**{"depot_plugs_per_bus:all": 0.05})
    found = case.simulate(case)
    assert found.result.value("served_share") < plain.result.value("served_share") - 0.1
    assert found.result.value("unserved_kwh") > 10.0 * plain.result.value("unserved_kwh")
    assert found.tables["depot_load"]["unserved_kwh"].sum() == pytest.approx(found.result.value("unserved_kwh"))
