"""Berths of the province on the bundled data: calls and energy of the ferries agree with the accounts, and rows and levers move the ships."""

from __future__ import annotations

import pickle
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from fleets.berths import CALL_SCHEMA, Calls, Port, Quay, ShipType, simulate_berths
from transport import infrastructure
from transport.layout import year_index
from transport.params import lever_settings
from transport.power import grid_factor
from transport.week_values import WEEKS, WeekValues, week_tariff
from transport.weeks import berths

if TYPE_CHECKING:
    from collections.abc import Callable

    from transport.inputs import Inputs
    from transport.params import LeverValue, Params
    from transport.weeks.case import Case

    Read = Callable[..., WeekValues]

YEAR = 2030
#: Reason in the list of unused parameters of what only this system reads.
REASON = "acts only in transport simulate"


@pytest.fixture(scope="module")
def read(inputs: Inputs) -> Read:
    """Return a function from a year and levers to its values."""

    def values(year: int = YEAR, params: Params | None = None, **levers: LeverValue) -> WeekValues:
        rows = inputs.params() if params is None else params
        return WeekValues(inputs, rows.with_levers(lever_settings(inputs.levers, levers)), {}, year)

    return values


def make(inputs: Inputs, read: WeekValues, place: str, week: str = "shoulder", *, replications: int = 3) -> Case:
    area = {p: a for a, p in berths.places(inputs, read)}[place]
    case = berths.case(read, area, place, week, level="sample", seed=1, tariff=week_tariff(inputs, read))
    return replace(case, replications=replications)


def ferries(inputs: Inputs, read: WeekValues) -> list[str]:
    return [place for _, place in berths.places(inputs, read) if place.endswith(":ro_pax")]


# --- places and calls ---------------------------------------------------------------------------------------------------------------


def test_places(inputs: Inputs, read: Read) -> None:
    found = berths.places(inputs, read())
    assert found == sorted(found)
    assert {("210200", "PT_DALIANWAN:ro_pax"), ("210200", "PT_LVSHUN:ro_pax"), ("210200", "PT_DAGANG:cruise")} <= set(found)
    assert ("210800", "PT_BAYUQUAN:cargo") in found
    # the lorries of the ferries are no cargo of other ships
    assert "PT_LVSHUN:cargo" not in {place for _, place in found}
    none = read(params=inputs.params().replace("cruise_calls", "PT_DAGANG", np.zeros((1, len(year_axis(inputs))))))
    assert set(found) - set(berths.places(inputs, none)) == {("210200", "PT_DAGANG:cruise")}


def year_axis(inputs: Inputs) -> np.ndarray:
    return np.asarray(inputs.params().get("ro_pax_call_index")[0])


def test_the_shares_of_a_route_sum_to_one(inputs: Inputs) -> None:
    params = inputs.params()
    total: defaultdict[str, float] = defaultdict(float)
    for subject in params.subjects("ro_pax_port_share"):
        total[subject.split(":")[1]] += params.get("ro_pax_port_share", subject)[0, 0]
    assert dict(total) == dict.fromkeys(params.subjects("ro_pax_calls"), 1.0)


def test_cargo_is_that_of_the_generators(inputs: Inputs) -> None:
    """Every tonne of a port stands in both tables once, but the lorries of the ferries."""
    rows = inputs.table("demand/generators").filter(pl.col("zone_id").str.starts_with("Z_PT_"))
    expected = {
        f"{zone.removeprefix('Z_')}:{good}": tonnes
        for zone, good, tonnes in rows.group_by("zone_id", "commodity")
        .agg(pl.col("t_per_year").cast(pl.Float64).sum())
        .iter_rows()
    }
    for port in ("PT_DALIANWAN", "PT_LVSHUN"):
        assert expected.pop(f"{port}:general_cargo") > 1e7
    params = inputs.params()
    found = {subject: params.get("port_cargo", subject)[0, 0] for subject in params.subjects("port_cargo")}
    assert found == pytest.approx(expected, abs=0.5)
    assert {subject.split(":")[1] for subject in found} <= {good for goods in berths.GOODS.values() for good in goods}


@pytest.mark.parametrize("year", [2020, 2030, 2035])
def test_the_weeks_have_the_calls_of_the_year(inputs: Inputs, read: Read, year: int) -> None:
    values = read(year)
    routes = infrastructure.berth_energy(values.params)[0].filter(pl.col("year") == year)
    sailed = 0.0
    for place in ferries(inputs, values):
        for week in WEEKS:
            (ship,) = make(inputs, values, place, week).given["port"].ships
            sailed += values("week_weight", week) * 7.0 * ship.calls.per_day * (1.0 - ship.calls.cancelled_share)
    # the weights of the weeks hold 364.98 days
    assert sailed == pytest.approx(routes["calls"].sum(), rel=2e-4)
    cargo = sum(
        values("week_weight", week)
        * 7.0
        * sum(s.calls.per_day * s.cargo_t for s in make(inputs, values, "PT_JINZHOU:cargo", week).given["port"].ships)
        for week in WEEKS
    )
    goods = [s for s in values.params.subjects("port_cargo") if s.startswith("PT_JINZHOU:")]
    grown = sum(values("port_cargo", s) * values("freight_growth_index", s.split(":")[1]) for s in goods)
    assert cargo == pytest.approx(grown, rel=2e-4)


def test_seasons_differ_where_the_rows_say_so(inputs: Inputs, read: Read) -> None:
    lost = {week: make(inputs, read(), "PT_LVSHUN:ro_pax", week).given["port"].ships[0].calls.cancelled_share for week in WEEKS}
    assert lost["winter"] > lost["shoulder"] > lost["summer"] > 0.0
    assert make(inputs, read(), "PT_DAGANG:cruise", "winter").given["port"].ships[0].calls.per_day == 0.0


def test_growth_of_a_port_takes_the_place_of_that_of_the_goods(inputs: Inputs, read: Read) -> None:
    flows = pl.DataFrame(
        {
            "year": [2020, 2020, 2030, 2030],
            "zone_id": ["Z_PT_DAYAOWAN"] * 4,
            "commodity": ["containers"] * 4,
            "direction": ["to_sea", "from_sea"] * 2,
            "t": [10.0, 30.0, 60.0, 20.0],
        }
    )
    assert berths.port_growth(flows, 2030) == {"PT_DAYAOWAN:containers": 2.0}
    assert berths.port_growth(flows, 2025) == {"PT_DAYAOWAN:containers": 1.5}
    assert berths.port_growth(flows, 2035) == {"PT_DAYAOWAN:containers": 2.0}
    with pytest.raises(ValueError, match=r"no row of 2020, only of \[2030\]"):
        berths.port_growth(flows.filter(pl.col("year") == 2030), 2030)
    values = read()
    before = make(inputs, values, "PT_DAYAOWAN:cargo").given["port"].ships
    index = values("freight_growth_index", "containers")
    values.given = {"port_growth": berths.port_growth(flows, 2030)}
    after = make(inputs, values, "PT_DAYAOWAN:cargo").given["port"].ships
    ratio = {a.name: a.calls.per_day / b.calls.per_day for a, b in zip(after, before, strict=True)}
    assert ratio.pop("container") == pytest.approx(2.0 / index)
    assert set(ratio.values()) == {1.0}


# --- ferries and the accounts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levers", [{}, {"shore_power_share": 0.9, "shore_power_ships": 0.8, "shore_power_berths": 0.9}])
def test_the_closed_form_of_the_weeks_is_the_energy_of_the_accounts(inputs: Inputs, read: Read, levers: dict[str, float]) -> None:
    values = read(**levers)
    at = year_index(YEAR)
    grid_kwh = infrastructure.berth_energy(values.params)[4][0, at]
    on_board = grid_kwh * values("shore_power_efficiency", "ro_pax")
    cases = [(week, make(inputs, values, place, week)) for place in ferries(inputs, values) for week in WEEKS]
    total = sum(values("week_weight", week) * case.more["shore_power_kwh_accounts"].value for week, case in cases)
    assert total == pytest.approx(on_board, rel=2e-4)
    assert {case.more["in_accounts"].value for _, case in cases} == {1.0}


def test_simulated_ferries_use_what_the_accounts_say(inputs: Inputs, read: Read) -> None:
    """Shore energy, share of calls and all energy at berth lie in the intervals of the replications."""
    values = read(shore_power_share=0.9, shore_power_ships=0.9, shore_power_berths=0.9)
    case = replace(make(inputs, values, "PT_DALIANWAN:ro_pax", replications=24), confidence=0.999)
    summary = case.simulate(case).result.summary
    (ship,) = case.given["port"].ships
    calls = 7.0 * ship.calls.per_day * (1.0 - ship.calls.cancelled_share)
    exact = {
        "calls": calls,
        "berth_kwh": calls * ship.stay_h * ship.hotel_kw,
        "shore_power_kwh": case.more["shore_power_kwh_accounts"].value,
        "shore_power_calls_share": 0.9 * values("shore_power_availability", "ro_pax"),
    }
    for metric, value in exact.items():
        row = summary.row(by_predicate=pl.col("metric") == metric, named=True)
        assert row["low"] <= value <= row["high"], (metric, value, row)
        assert row["high"] - row["low"] < 0.4 * value, (metric, value, row)


def test_other_ships_are_not_in_the_accounts(inputs: Inputs, read: Read) -> None:
    for place in ("PT_DAYAOWAN:cargo", "PT_DAGANG:cruise"):
        more = make(inputs, read(), place, "summer").more
        assert more["in_accounts"].value == 0.0
        assert "shore_power_kwh_accounts" not in more


# --- levers and variants ------------------------------------------------------------------------------------------------------------


def test_enforcement_moves_the_simulation(inputs: Inputs, read: Read) -> None:
    """More compliance: the same ships, more shore power, less fuel and less CO2; full compliance is the most."""
    runs = []
    for share in (0.1, 0.5, 1.0):
        case = make(inputs, read(shore_power_share=share, shore_power_ships=0.8), "PT_DALIANWAN:ro_pax", replications=4)
        runs.append(case.simulate(case))
    for metric, sign in (("shore_power_kwh", 1), ("auxiliary_fuel_t", -1), ("co2_difference_t", 1), ("not_used_share", -1)):
        value = [sign * run.result.value(metric) for run in runs]
        assert value == sorted(set(value)), metric
    arrivals = [run.result.blocks["arrive_min"].to_list() for run in runs]
    assert arrivals[0] == arrivals[1] == arrivals[2]
    best = runs[-1].result.value("shore_power_kwh")
    for run in runs:
        assert run.more["shore_power_kwh_full_compliance"].value == pytest.approx(best, rel=1e-12)
        assert run.variants["full_compliance"].value("shore_power_kwh") == pytest.approx(best, rel=1e-12)


def test_carbon_follows_the_grid_of_the_year(inputs: Inputs, read: Read) -> None:
    values = read(shore_power_share=1.0, shore_power_ships=1.0)
    case = make(inputs, values, "PT_DALIANWAN:ro_pax")
    result = case.simulate(case).result
    factor = grid_factor(values.params)[0, year_index(YEAR)]
    fuel = values("auxiliary_engine_fuel", "marine_diesel") * values("co2_factor_mass", "diesel") / 1e6
    kwh = result.value("shore_power_kwh")
    saved = kwh * fuel - kwh / values("shore_power_efficiency", "ro_pax") * factor / 1000.0
    assert result.value("co2_difference_t") == pytest.approx(saved)
    assert saved > 0.0
    green = read(
        shore_power_share=1.0,
        shore_power_ships=1.0,
        params=values.params.replace("grid_factor", "all", 0.0 * year_axis(inputs)[None]),
    )
    assert make(inputs, green, "PT_DALIANWAN:ro_pax").given["port"].grid_co2 == 0.0


def test_growing_traffic_fills_the_quays_of_the_base_year(inputs: Inputs, read: Read) -> None:
    """Quays are those of 2020; with half as much traffic again ships wait longer, and nothing stops."""
    usual, crowded = read(), read()
    crowded.given = {"port_growth": dict.fromkeys(usual.params.subjects("port_cargo"), 3.0)}
    runs = []
    for values in (usual, crowded):
        case = make(inputs, values, "PT_PANJIN:cargo")
        runs.append((case, case.simulate(case).result))
    (calm, before), (full, after) = runs
    assert [q.length_m for q in full.given["port"].quays] == [q.length_m for q in calm.given["port"].quays]
    for metric in ("anchorage_wait_mean_h", "anchorage_fuel_t", "berth_occupancy", "throughput_t_per_m"):
        assert after.value(metric) > before.value(metric), metric


# --- tables, seeds, rows ------------------------------------------------------------------------------------------------------------


def test_tables_and_same_bytes_in_another_process(inputs: Inputs, read: Read) -> None:
    case = make(inputs, read(), "PT_LVSHUN:ro_pax")
    # what a spawned worker gets
    copy = pickle.loads(pickle.dumps(case))  # noqa: S301  (made here)
    one, two = case.simulate(case), copy.simulate(copy)
    assert one.result.summary.equals(two.result.summary)
    assert one.tables["berth_calls"].equals(two.tables["berth_calls"])
    calls = one.tables["berth_calls"]
    assert dict(calls.schema) == CALL_SCHEMA
    assert calls["call"].is_unique().all()
    # calls that ended before the week are not listed
    assert calls.filter(pl.col("leave_min") < 0.0).is_empty()
    assert calls.height >= one.result.blocks.filter((pl.col("replication") == 0) & (pl.col("arrive_min") >= 0.0)).height
    assert one.result.load_kw.shape == (3, 672)
    assert case.represented == one.result.vehicles


@pytest.mark.parametrize("place", ["PT_DALIANWAN", "PT_DALIANWAN:ferry", "A_SHE:cargo", "PT_LVSHUN:cargo"])
def test_a_place_without_calls_is_named(inputs: Inputs, read: Read, place: str) -> None:
    with pytest.raises(ValueError, match=rf"shore_power of '{place}' in 2030: no calls; .* such as PT_LVSHUN:ro_pax"):
        berths.case(read(), "210200", place, "winter", level="sample", seed=1, tariff=week_tariff(inputs, read()))


def test_every_row_of_the_berths_moves_a_case(inputs: Inputs, read: Read) -> None:
    """One parameter and subject at a time, at both ends of its range: ships, quays or power of some place change.

    One week is enough: the factor that gives the year its calls carries the season of every week to all others.
    """
    kept = read(params=replace(inputs, reads={}).params())
    usual, tariff = kept.params, week_tariff(inputs, kept)
    places = berths.places(inputs, kept)

    def ports(values: WeekValues, subject: str) -> list[Port]:
        head = subject.partition(":")[0]
        near = [(a, p) for a, p in places if p.startswith(f"{head}:")] if head.startswith("PT_") else SHOWN
        return [berths.case(values, a, p, "summer", level="sample", seed=1, tariff=tariff).given["port"] for a, p in near]

    for area, place in places:
        berths.case(kept, area, place, "summer", level="sample", seed=1, tariff=tariff)
    were_read = {(p, s) for p, s, n in usual.reads().iter_rows() if n > 0}
    own = inputs.table("unused_parameters").filter(pl.col("reason") == REASON).select("parameter", "subject")
    ends = inputs.parameters.filter(pl.col("low") < pl.col("high")).group_by("parameter", "subject").agg("low", "high")
    idle, looked = [], 0
    for parameter, subject, low, high in ends.join(own, on=["parameter", "subject"]).sort("parameter", "subject").iter_rows():
        if (parameter, subject) not in were_read:
            continue
        looked += 1
        moved = []
        for end in (low[-1], high[-1]):
            value = np.full_like(usual.get(parameter, subject), end)
            moved.append(ports(read(params=usual.replace(parameter, subject, value)), subject) != ports(kept, subject))
        if not any(moved):
            idle.append((parameter, subject))
    assert looked > 120
    assert idle == []


#: Places that together have every ship type.
SHOWN = [
    ("210200", "PT_DALIANWAN:ro_pax"),
    ("210200", "PT_DAGANG:cruise"),
    ("210800", "PT_BAYUQUAN:cargo"),
    ("210700", "PT_JINZHOU:cargo"),
]


# --- fitted berths of a plan --------------------------------------------------------------------------------------------------------


def three_at_once(inputs: Inputs, read: WeekValues) -> Case:
    """Return a port where three ships of 930 kW lie at once and a fourth alone, none of them sent to a fitted berth."""
    case = make(inputs, read, "PT_LVSHUN:ro_pax", replications=1)
    calls = Calls(0.0, "listed", at_min=(60.0, 120.0, 180.0, 3000.0))
    ship = ShipType("ferry", "q", calls, length_m=100.0, stay_h=10.0, stay_cv=0.0, hotel_kw=930.0, equipped_ships=1.0)
    port = Port((ship,), (Quay("q", 400.0, connections=1),), efficiency=0.93)
    return replace(case, given={**case.given, "port": port})


@pytest.mark.parametrize(
    ("fitted", "feeder_kw", "calls", "energy"),
    [
        (0, np.inf, 1.0, 1.0),
        (1, np.inf, 0.5, 0.5),
        (2, np.inf, 0.25, 0.25),
        (3, np.inf, 0.0, 0.0),
        # 930 kW on board are 1,000 kW of the grid
        (3, 2000.0, 0.25, 0.25),
        (3, 999.0, 1.0, 1.0),
    ],
)
def test_calls_without_a_connection_by_hand(
    inputs: Inputs, read: Read, fitted: int, feeder_kw: float, calls: float, energy: float
) -> None:
    case = berths.with_connections(three_at_once(inputs, read()), {"q": fitted}, feeder_kw)
    found = berths.unconnected(case, simulate_berths(case.given["port"], **case.common()))
    assert found["unconnected_share"] == pytest.approx([calls])
    assert found["unconnected_energy_share"] == pytest.approx([energy])


def test_berths_and_load_of_a_quay(inputs: Inputs, read: Read) -> None:
    case = three_at_once(inputs, read())
    assert berths.connections(case) == {"q": 1}
    assert berths.most_connections(case) == {"q": 4}
    assert berths.connected_load_kw(case, {"q": 3}) == pytest.approx(3000.0)
    assert berths.with_connections(case, {}).given["port"].ships == ()
    # nobody who must connect: nobody is left out
    quiet = replace(case.given["port"].ships[0], equipped_ships=0.0)
    none = berths.with_connections(
        replace(case, given={**case.given, "port": replace(case.given["port"], ships=(quiet,))}), {"q": 0}
    )
    found = berths.unconnected(none, simulate_berths(none.given["port"], **none.common()))
    assert found == {"unconnected_share": [0.0], "unconnected_energy_share": [0.0]}
