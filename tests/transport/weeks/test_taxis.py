"""The taxis of a city in one week on the bundled data: rings by hand, every new row acts, tables, levels, swap shares, workers."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from fleets.taxis import simulate_taxis
from transport import pool
from transport.scenario import load_scenario
from transport.study import scenario_params
from transport.week_values import CityFleet, WeekValues, week_tariff
from transport.weeks import taxis
from transport.weeks.price_plans import expected_swaps, price_reaction
from transport.weeks.tables import case_tables

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.params import Params
    from transport.weeks.case import Case, CaseResult

AREA = "210100"
FLEETS = {
    ("taxi_city", AREA): CityFleet(6000.0, 128_000.0),
    ("taxi_city", "211200"): CityFleet(300.0, 128_000.0),
    ("taxi_city", "210900"): CityFleet(0.0, 0.0),
    ("bus_depot", "210300"): CityFleet(10.0, 40_000.0),
}
COLUMNS = [
    "station",
    "kind",
    "plugs_or_bays",
    "sessions",
    "utilisation",
    "wait_mean_min",
    "wait_p95_min",
    "stock_outs",
    "grid_kwh",
]
#: Rows of the zones, ways, rides and stores, whose upper ends must move the week.
ROWS = [
    ("built_up_area", AREA),
    ("swap_chargers_per_pack", "all"),
    ("taxi_access_time", "all"),
    ("taxi_ride_cv", "all"),
    ("taxi_ride_length", "all"),
    ("taxi_ring_radius", "core"),
    ("taxi_ring_radius", "inner"),
    ("taxi_ring_radius", "outer"),
    ("taxi_speed", "all"),
    ("taxi_station_share", "core"),
    ("taxi_station_share", "inner"),
    ("taxi_street_detour", "all"),
]


@pytest.fixture(scope="module")
def params(inputs: Inputs) -> Params:
    """Return the parameters of the plan with one replication per sample."""
    scenario = load_scenario("plan_2030", inputs.folder, inputs.levers)
    return moved(scenario_params(scenario, replace(inputs, reads={})), simulation_replications_sample=1.0)


def moved(params: Params, **values: float) -> Params:
    """Return parameters with some rows, named parameter_subject, set for all years."""
    for name, value in values.items():
        parameter, subject = name.rsplit("_", 1)
        params = params.replace(parameter, subject, np.full((1, params.get(parameter, subject).shape[1]), value))
    return params


def week_of(inputs: Inputs, params: Params, *, area: str = AREA, level: str = "sample", week: str = "winter") -> Case:
    read = WeekValues(inputs, params, FLEETS, 2030)
    return taxis.case(read, area, "", week, level=level, seed=1, tariff=week_tariff(inputs, read))


@pytest.fixture(scope="module")
def usual(inputs: Inputs, params: Params) -> CaseResult:
    return taxis.simulate(week_of(inputs, params))


def test_places_are_the_cities_with_electric_taxis(inputs: Inputs, params: Params) -> None:
    assert taxis.places(inputs, WeekValues(inputs, params, FLEETS, 2030)) == [(AREA, ""), ("211200", "")]


def test_rings_by_hand(inputs: Inputs, params: Params) -> None:
    read = WeekValues(inputs, params, FLEETS, 2030)
    disc = math.sqrt(read("built_up_area", AREA) / math.pi)
    radii = taxis.ring_radii_km(read, AREA, 1.0)
    assert radii == pytest.approx([disc * read("taxi_ring_radius", r) for r in ("core", "inner", "outer")])
    # a quarter of the taxis live on a quarter of the area
    assert taxis.ring_radii_km(read, AREA, 0.25) == pytest.approx([r / 2.0 for r in radii])
    zones = taxis.city_zones(read, radii)
    assert zones.names == ("core", "inner", "outer")
    assert zones.speed_km_h.mean() == pytest.approx(read("taxi_speed"))
    assert zones.activity[12].tolist()[:2] == [read.profiles["taxi_core"][12], read.profiles["taxi_inner"][12]]
    assert np.hypot(*zones.at_km.T).max() < radii[2]


def test_every_city_has_an_area(inputs: Inputs, params: Params) -> None:
    areas = {a for a, _ in inputs.table("fleets/climate").select("area", "month").iter_rows()}
    known = set(params.subjects("built_up_area"))
    assert {str(a) for a in areas} <= known | {"210000"}
    assert len(known) == 14


def test_tables_and_metrics(usual: CaseResult) -> None:
    result, table = usual.result, usual.tables["stations"]
    assert set(usual.more) == {f"{m}_unmanaged" for m in taxis._SERVICE}
    assert table.columns == COLUMNS
    assert table["sessions"].sum() == pytest.approx(result.value("charges_per_day") * result.vehicles * 7)
    assert table["utilisation"].is_between(0.0, 1.0).all()
    assert set(table["kind"]) == {"plug", "swap"}
    assert result.checks["passed"].all()
    parts = sum(result.value(f"{p}_hours_per_day") for p in ("detour", "queue", "charging"))
    assert result.value("lost_hours_per_day") == pytest.approx(parts)
    assert 0.0 < result.value("dead_km_share") < 0.05
    assert 0.0 < result.value("lost_km_share") < 0.15
    assert result.value("towed") == 0.0
    assert result.load_kw.sum() / 4 == pytest.approx(result.value("grid_kwh"))


@pytest.mark.parametrize(("parameter", "subject"), ROWS)
def test_every_row_of_the_city_acts(inputs: Inputs, params: Params, nobody: CaseResult, parameter: str, subject: str) -> None:
    row = inputs.parameters.filter(pl.col("parameter") == parameter, pl.col("subject") == subject)
    other = params.replace(parameter, subject, np.full_like(params.get(parameter, subject), float(row["high"][0])))
    after = taxis.simulate(week_of(inputs, managed(other, 0.0, 0.0)))
    assert not after.result.summary.equals(nobody.result.summary)


def managed(params: Params, stores: float, drivers: float, **more: float) -> Params:
    shares = {"managed_charging_share_swap_store": stores, "managed_charging_share_taxi_station": drivers}
    for name, value in shares.items():
        subject = name.removeprefix("managed_charging_share_")
        params = params.replace(
            "managed_charging_share", subject, np.full_like(params.get("managed_charging_share", subject), value)
        )
    return moved(params, **more)


@pytest.fixture(scope="module")
def nobody(inputs: Inputs, params: Params) -> CaseResult:
    return taxis.simulate(week_of(inputs, managed(params, 0.0, 0.0)))


@pytest.fixture(scope="module")
def half(inputs: Inputs, params: Params) -> CaseResult:
    return taxis.simulate(week_of(inputs, managed(params, 0.5, 0.5)))


def test_without_managed_shares_everybody_charges_on_arrival(inputs: Inputs, params: Params, nobody: CaseResult) -> None:
    case = week_of(inputs, managed(params, 0.0, 0.0))
    given = {k: v for k, v in case.given.items() if k not in {"taxis", "pack_plan", "reaction"}}
    plain = simulate_taxis(case.given["taxis"], **given, **case.common())
    assert_frame_equal(nobody.result.summary, plain.summary, check_exact=True)
    assert (nobody.result.load_kw == plain.load_kw).all()
    assert (dict(nobody.variants), dict(nobody.more)) == ({}, {})
    metrics = case_tables(case, nobody).summary["metric"].to_list()
    assert [m for m in metrics if m.endswith("_unmanaged")] == ["evening_kw_unmanaged"]


def test_a_managed_week_stands_beside_the_same_week_without(
    inputs: Inputs, params: Params, nobody: CaseResult, usual: CaseResult, half: CaseResult
) -> None:
    # common random numbers: the twin is the week in which nobody is managed, whatever the shares
    for result in (usual, half):
        assert_frame_equal(result.variants["unmanaged"].summary, nobody.result.summary, check_exact=True)
        assert result.more["lost_hours_per_day_unmanaged"].value == nobody.result.value("lost_hours_per_day")
        assert result.result.checks["passed"].all()
        planned = [r.value("km") / (1.0 - r.value("lost_km_share")) for r in (result.result, nobody.result)]
        assert planned[0] == pytest.approx(planned[1])
        assert result.result.value("grid_kwh") == pytest.approx(nobody.result.value("grid_kwh"), rel=0.03)
    evening = []
    for result, shares in ((usual, None), (half, (0.5, 0.5))):
        case = week_of(inputs, params if shares is None else managed(params, *shares))
        rows = {r["metric"]: r["value"] for r in case_tables(case, result).summary.iter_rows(named=True)}
        assert rows["evening_kw_unmanaged"] - rows["evening_kw"] == pytest.approx(rows["evening_response_kw"])
        assert rows["peak_kw_unmanaged"] == nobody.result.value("peak_kw")
        evening.append(rows["evening_response_kw"] / rows["evening_kw_unmanaged"])
    assert evening[1] > max(evening[0], 0.05)


@pytest.mark.parametrize(("stores", "drivers"), [(0.5, 0.0), (0.0, 0.5)])
def test_each_segment_answers_alone(inputs: Inputs, params: Params, stores: float, drivers: float) -> None:
    case = week_of(inputs, managed(params, stores, drivers))
    assert (case.given["pack_plan"] is None, case.given["reaction"] is None) == (stores == 0.0, drivers == 0.0)
    rows = {r["metric"]: r["value"] for r in case_tables(case, taxis.simulate(case)).summary.iter_rows(named=True)}
    assert rows["evening_response_kw"] > 0.0


@pytest.mark.parametrize(
    ("row", "end"),
    [("swap_stock_reserve_all", 0.35), ("taxi_price_floor_soc_all", 0.2), ("taxi_price_ceiling_soc_all", 0.45)],
)
def test_every_row_of_the_plans_acts(inputs: Inputs, params: Params, half: CaseResult, row: str, end: float) -> None:
    after = taxis.simulate(week_of(inputs, managed(params, 0.5, 0.5, **{row: end})))
    assert not after.result.summary.equals(half.result.summary)


def test_dear_hours_are_the_dearest_of_the_month(inputs: Inputs, params: Params) -> None:
    read = WeekValues(inputs, params, FLEETS, 2030)
    tariff = week_tariff(inputs, read)
    winter, shoulder = (price_reaction(read, tariff, week) for week in ("winter", "shoulder"))
    assert winter is not None
    assert shoulder is not None
    assert winter.windows == ((1020.0, 1140.0),)
    # no sharp hours in the shoulder month: its peak hours
    assert shoulder.windows == ((450.0, 630.0), (960.0, 1260.0))
    one_price = replace(tariff, price_cny_per_kwh=(1.0,) * len(tariff.periods))
    assert price_reaction(read, one_price, "winter") is None
    # a floor between what all drivers keep and where they look for a plug
    low = WeekValues(inputs, moved(params, taxi_price_floor_soc_all=0.01), FLEETS, 2030)
    found = price_reaction(low, tariff, "winter")
    assert found is not None
    assert found.floor_soc == read("reserve_soc", "taxi")


def test_a_store_expects_the_mean_of_its_days() -> None:
    # two swaps at 08:30 on Monday and one at 08:00 on Tuesday of the second replication; those of the warm-up do not count
    sessions = pl.DataFrame({"site": ["swap_0"] * 4 + ["swap_1"], "arrive_min": [510.0, 510.0, 1920.0, -30.0, 0.0]})
    result: Any = SimpleNamespace(sessions=sessions, load_kw=np.zeros((2, 1)))
    first, second, none = expected_swaps(result, ["swap_0", "swap_1", "swap_2"])
    assert (first[8], sum(first[:24]), first[8 + 24]) == (3 / 14, 3 / 14, 3 / 14)
    assert (second[0], len(second), sum(none)) == (1 / 14, 168, 0.0)


def test_longer_ways_cost_time_and_energy(inputs: Inputs, params: Params, usual: CaseResult) -> None:
    wide = taxis.simulate(week_of(inputs, moved(params, built_up_area_210100=4000.0)))
    for metric in ("dead_km_share", "detour_hours_per_day", "lost_hours_per_day", "lost_km_share"):
        assert wide.result.value(metric) > usual.result.value(metric)
    slow = taxis.simulate(week_of(inputs, moved(params, taxi_speed_all=10.0)))
    assert slow.result.value("detour_hours_per_day") > usual.result.value("detour_hours_per_day")


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_only_plugs_or_only_swaps(inputs: Inputs, params: Params, share: float) -> None:
    case = week_of(inputs, moved(params, taxi_swap_share_all=share))
    assert (not case.given["stations"], not case.given["swap_stations"]) == (share == 1.0, share == 0.0)
    result = taxis.simulate(case)
    assert result.result.value("swap_share_of_charges") == share
    assert set(result.tables["stations"]["kind"]) == {"swap" if share else "plug"}


def test_the_province_drives_every_taxi(inputs: Inputs, params: Params) -> None:
    small = moved(params, simulation_replications_province=2.0)
    case = week_of(inputs, small, area="211200", level="province", week="shoulder")
    assert (case.given["taxis"].count, case.represented) == (300, 300.0)
    # the whole city: the rings are not shrunk
    read = WeekValues(inputs, small, FLEETS, 2030)
    assert np.hypot(*case.given["zones"].at_km.T).max() == pytest.approx(taxis.ring_radii_km(read, "211200", 1.0)[2], rel=0.02)
    result = taxis.simulate(case).result
    assert result.summary["low"].is_not_null().all()
    # bad input names the city
    with pytest.raises(ValueError, match="taxi_city of 210900 in 2030"):
        week_of(inputs, params, area="210900")


def test_any_worker_returns_the_same(inputs: Inputs, params: Params, usual: CaseResult) -> None:
    case = week_of(inputs, params)
    assert len(pickle.dumps(case)) < 200_000
    again = pool.map(taxis.simulate, [case, case], workers=2)
    for result in again:
        assert_frame_equal(result.result.summary, usual.result.summary, check_exact=True)
        assert_frame_equal(result.tables["stations"], usual.tables["stations"], check_exact=True)


def test_fewer_replications_are_the_first_ones(inputs: Inputs, params: Params) -> None:
    """Named seeds: a city that is simulated twice sees the first two weeks of one that is simulated three times."""
    weeks = {}
    for count in (2, 3):
        given = moved(params, simulation_replications_province=float(count))
        case = week_of(inputs, given, area="211200", level="province", week="summer")
        assert case.replications == count
        weeks[count] = taxis.simulate_unmanaged(case)
    assert np.array_equal(weeks[3].load_kw[:2], weeks[2].load_kw)
    assert_frame_equal(weeks[3].sessions.filter(pl.col("replication") < 2), weeks[2].sessions, check_exact=True)


def test_half_of_the_twin_tells_stores_the_same(inputs: Inputs, params: Params) -> None:
    """Who swaps and who charges at plugs never meet: the visits of a half alone are those of the whole city, to the last bit."""
    case = week_of(inputs, managed(params, 0.5, 0.5))
    whole = taxis.simulate_unmanaged(case)
    swaps = pl.col("site").str.starts_with("swap")
    for who, mine in (("swap", swaps), ("plug", ~swaps)):
        alone = taxis.simulate_unmanaged(case, who=who)
        assert alone.sessions.height > 50
        assert_frame_equal(alone.sessions, whole.sessions.filter(mine), check_exact=True)
    half = taxis.ready(case).given["swap_stations"]
    names = [f"swap_{i}" for i in range(len(half))]
    assert [store.plan.expected_per_h for store in half] == expected_swaps(whole, names)


def test_the_planned_week_alone_is_that_of_the_case(inputs: Inputs, params: Params, usual: CaseResult) -> None:
    """What stands beside a week changes nothing of it."""
    alone = taxis.planned(week_of(inputs, params))
    assert_frame_equal(alone.result.summary, usual.result.summary, check_exact=True)
    assert_frame_equal(alone.result.sessions, usual.result.sessions, check_exact=True)
    assert not alone.variants
