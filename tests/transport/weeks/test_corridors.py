"""Truck stations of the province: their share of the trucks' energy, the weeks of a year, what too few places do, bad tables."""

from __future__ import annotations

import pickle
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from transport.checks import check_data
from transport.inputs import on_network
from transport.layout import YEARS, WorkKey, WorkUse, year_index
from transport.week_values import WEEKS, WeekValues, week_tariff
from transport.weeks import corridors
from transport.weeks.corridor_demand import CorridorDemand, corridor_demand, nearest_stations, open_sites, placed
from transport.weeks.tables import case_tables

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.params import Params
    from transport.parts import Parts
    from transport.weeks.case import Case, CaseResult

YEAR = 2030
#: Class and powertrain -> km, energy in the carrier's native unit, in a year: some 2.6 TWh, 240 kt of gas and 15 kt of hydrogen.
FLEET = {
    ("tractor_trailer", "battery_electric"): (9e8, "electricity", 1.5e9),
    ("heavy_rigid_truck", "battery_electric"): (3e8, "electricity", 4.2e8),
    ("tractor_trailer", "battery_swap"): (4e8, "electricity", 6.6e8),
    ("tractor_trailer", "lng"): (8e8, "lng", 2.4e5),
    ("tractor_trailer", "fuel_cell"): (1.5e8, "hydrogen", 1.5e4),
    ("tractor_trailer", "diesel"): (9e9, "diesel", 2.8e6),
    ("urban_bus", "lng"): (9e9, "lng", 9e9),
}
CARRIER_TKM = 2.4e11


def year_row(value: float) -> np.ndarray:
    return np.full((1, len(YEARS)), value)


def fleet() -> Any:
    keys = tuple(
        WorkKey(c, p, "freight", "electric" if carrier == "electricity" else "fuel") for (c, p), (_, carrier, _) in FLEET.items()
    )
    quantity = np.stack([year_row(km) for km, _, _ in FLEET.values()])
    energy = {(k, carrier): year_row(amount) for k, (_, carrier, amount) in enumerate(FLEET.values())}
    return SimpleNamespace(work=WorkUse(keys, ("km",) * len(keys), quantity, np.ones_like(quantity), energy))


def flows_of(inputs: Inputs, tonnes: float = 4e7) -> Any:
    """Return the same tonnes on every expressway of 2030 and a tenth of it on the other roads, in two unequal directions."""
    links = inputs.table("networks/links").filter(
        (pl.col("mode") == "road") & (pl.col("open_year").fill_null(0) <= YEAR) & (pl.col("close_year").fill_null(9999) > YEAR)
    )
    share = pl.when(pl.col("link_class") == "expressway").then(1.0).otherwise(0.1) * tonnes
    table = links.select(
        pl.lit(YEAR, dtype=pl.Int64).alias("year"),
        "link_id",
        "from_node",
        "to_node",
        "mode",
        (0.7 * share).alias("forward_t"),
        (0.3 * share).alias("backward_t"),
    )
    return SimpleNamespace(tables={"freight_links": table}, carrier_tkm={"road": year_row(CARRIER_TKM)})


@pytest.fixture(scope="module")
def params(inputs: Inputs) -> Params:
    return inputs.params()


@pytest.fixture(scope="module")
def demand(inputs: Inputs, params: Params) -> dict[str, CorridorDemand]:
    return corridor_demand(inputs, params, flows_of(inputs), fleet(), YEAR)


def values(inputs: Inputs, params: Params, demand: dict[str, CorridorDemand], year: int = YEAR) -> WeekValues:
    return WeekValues(inputs, params, {}, year, {corridors.SYSTEM: demand})


def station_case(inputs: Inputs, read: WeekValues, station: str = "S_TIELING", week: str = "winter") -> Case:
    area = read.given[corridors.SYSTEM][station].area
    return corridors.case(read, area, station, week, level="sample", seed=3, tariff=week_tariff(inputs, read))


@pytest.fixture(scope="module")
def winter(inputs: Inputs, params: Params, demand: dict[str, CorridorDemand]) -> tuple[Case, CaseResult]:
    made = station_case(inputs, values(inputs, params, demand))
    return made, corridors.simulate(made)


# --- which station a link belongs to --------------------------------------------------------------------------------------------------


def chain() -> pl.DataFrame:
    """Return A - B - C - D, 10, 20 and 30 km, and a shorter road beside B - C."""
    return pl.DataFrame(
        [("ab", "A", "B", 10.0), ("bc", "B", "C", 20.0), ("cd", "C", "D", 30.0), ("bc2", "C", "B", 12.0)],
        schema=["link_id", "from_node", "to_node", "length_km"],
        orient="row",
    )


def station(name: str, link: str, km: float, energy: str = "lng") -> dict[str, Any]:
    return {"station": name, "energy": energy, "link_id": link, "km": km}


def nearest(sites: list[dict[str, Any]], reach: float, links: pl.DataFrame | None = None) -> dict[str, str]:
    found = nearest_stations(chain(), chain() if links is None else links, pl.DataFrame(sites), chain(), reach)
    assert (found["share"] == 1.0).all()
    return dict(found.select("link_id", "station").iter_rows())


@pytest.mark.parametrize(
    ("reach", "served"),
    [
        (0.9, ""),
        (1.0, "ab"),
        (10.0, "ab bc2"),
        (13.9, "ab bc2"),
        (14.0, "ab bc bc2"),
        (30.9, "ab bc bc2"),
        (31.0, "ab bc bc2 cd"),
    ],
)
def test_a_station_reaches_as_far_as_the_roads_go(reach: float, served: str) -> None:
    """At km 6 of A - B: own middle 1 km off, 4 km to B and half a link, 16 km to C by the shorter road."""
    assert sorted(nearest([station("x", "ab", 6.0)], reach)) == served.split()


def test_each_link_goes_to_the_nearest_station() -> None:
    sites = [station("x", "ab", 10.0), station("y", "cd", 0.0)]
    # both stand 10 km from the middle of B - C and 6 km from that of the shorter road: the first by name takes them
    assert nearest(sites, 100.0) == {"ab": "x", "bc": "x", "bc2": "x", "cd": "y"}
    assert nearest([station("x", "ab", 9.0), sites[1]], 100.0) == {"ab": "x", "bc": "y", "bc2": "y", "cd": "y"}


def test_a_station_keeps_its_place_on_the_wider_road_that_replaces_its_own() -> None:
    wider = chain().with_columns(pl.col("length_km") * 2.0, (pl.col("link_id") + "W").alias("link_id"))
    found = nearest_stations(
        wider, wider, pl.DataFrame([station("x", "cd", 15.0), station("z", "bc", 10.0, "swap")]), chain(), 1e-9
    )
    assert found.select("link_id", "energy").rows() == [("bcW", "swap"), ("bc2W", "swap"), ("cdW", "lng")]


def test_stations_of_another_energy_do_not_count() -> None:
    both = [station("x", "ab", 5.0), station("y", "cd", 5.0, "plug")]
    found = nearest_stations(chain(), chain(), pl.DataFrame(both), chain(), 100.0)
    assert found.group_by("energy").len().sort("energy").rows() == [("lng", 4), ("plug", 4)]


# --- the year -----------------------------------------------------------------------------------------------------------------------


def accounts_kwh(params: Params) -> dict[str, float]:
    """Return what the trucks use by energy [kWh out of the battery, kg]."""
    found = dict.fromkeys(("plug", "swap", "lng", "hydrogen"), 0.0)
    for (name, train), (_, carrier, amount) in FLEET.items():
        if name in corridors_trucks() and train != "diesel":
            loss = float(params.get("charging_loss", name)[0, year_index(YEAR)]) if carrier == "electricity" else 0.0
            kind = {"battery_electric": "plug", "battery_swap": "swap", "lng": "lng", "fuel_cell": "hydrogen"}[train]
            found[kind] += amount * (1.0 - loss) * (1.0 if carrier == "electricity" else 1000.0)
    return found


def corridors_trucks() -> tuple[str, ...]:
    return ("tractor_trailer", "heavy_rigid_truck", "medium_truck")


def test_visits_take_the_en_route_share_of_what_the_served_links_use(
    inputs: Inputs, params: Params, demand: dict[str, CorridorDemand]
) -> None:
    links = inputs.table("networks/links").select("link_id", "length_km", pl.col("in_province_share").fill_null(1.0))
    loaded = flows_of(inputs).tables["freight_links"].join(links, on="link_id", maintain_order="left")
    tkm = (pl.col("forward_t") + pl.col("backward_t")) * pl.col("length_km") * pl.col("in_province_share")
    by_link = dict(loaded.select("link_id", tkm.alias("tkm")).iter_rows())
    denominator = max(CARRIER_TKM, sum(by_link.values()))
    for energy, used in accounts_kwh(params).items():
        share = float(params.get("truck_en_route_share", energy)[0, year_index(YEAR)])
        served = [i for d in demand.values() for i in d.served.filter(pl.col("energy") == energy)["link_id"]]
        assert len(served) == len(set(served)) > 20
        expected = share * used * sum(by_link[i] for i in served) / denominator
        taken = sum(d.vehicles_per_h.get(energy, 0.0) * d.per_visit.get(energy, 0.0) for d in demand.values()) * 8760.0
        assert taken == pytest.approx(expected, rel=1e-9)
        total = sum(d.share_of_trucks.get(energy, 0.0) for d in demand.values())
        assert total == pytest.approx(taken / used, rel=1e-9)
        assert 0.05 * share < total < share


def test_more_tonnes_than_the_carriers_move_take_no_more_energy_than_the_accounts(inputs: Inputs, params: Params) -> None:
    """Foreign trucks on the roads: the energy on all links is that of the accounts, however large the flows are."""
    known = {}
    for tonnes in (1e8, 1e9, 1e10):
        made = corridor_demand(
            inputs, params.replace("corridor_reach", "all", year_row(1e5)), flows_of(inputs, tonnes), fleet(), YEAR
        )
        known[tonnes] = {
            e: sum(d.share_of_trucks.get(e, 0.0) for d in made.values()) for e in ("plug", "swap", "lng", "hydrogen")
        }
    en_route = {e: float(params.get("truck_en_route_share", e)[0, year_index(YEAR)]) for e in known[1e10]}
    assert known[1e10] == pytest.approx(known[1e9], rel=1e-9)
    # all but an island road without a bridge
    assert known[1e10] == pytest.approx(en_route, rel=1e-3)
    assert all(known[1e10][e] <= en_route[e] for e in en_route)
    assert all(known[1e8][e] < en_route[e] for e in en_route)


def test_weeks_make_up_the_year(inputs: Inputs, params: Params, demand: dict[str, CorridorDemand]) -> None:
    read = values(inputs, params, demand)
    one = demand["S_TIELING"]
    made = {w: station_case(inputs, read, week=w).given["arrivals"] for w in WEEKS}
    for energy, rate in one.vehicles_per_h.items():
        year = sum(
            read("week_weight", w) * float((t["vehicles_per_h"] * t["need"]).sum())
            for w, table in made.items()
            for t in [table.filter(pl.col("energy") == energy)]
        )
        assert year == pytest.approx(rate * one.per_visit[energy] * 8760.0, rel=1e-9)
    plug = {w: table.filter(pl.col("energy") == "plug") for w, table in made.items()}
    # a cold battery holds less and a cold truck uses more
    assert plug["winter"]["need"][0] < plug["summer"]["need"][0]
    assert plug["winter"]["vehicles_per_h"].sum() > 1.1 * plug["summer"]["vehicles_per_h"].sum()
    assert plug["holiday"]["vehicles_per_h"].sum() < 0.7 * plug["winter"]["vehicles_per_h"].sum()
    week = plug["summer"]["vehicles_per_h"].to_numpy().reshape(7, 24)
    assert (week[:5] == week[0]).all()
    assert (week[6] < week[0]).all()
    assert week[0].argmax() == 12


def test_places_are_the_stations_open_in_the_year(inputs: Inputs, params: Params, demand: dict[str, CorridorDemand]) -> None:
    table = inputs.table("networks/energy_stations")
    assert 12 <= table["station"].n_unique() <= 20
    found = corridors.places(inputs, values(inputs, params, demand))
    assert found == sorted(found)
    assert {s for _, s in found} == set(demand) == set(table["station"])
    assert all(demand[s].area == a for a, s in found)
    fuels = set(open_sites(inputs, 2020)["energy"])
    assert fuels == {"lng"}
    before = corridors.places(inputs, values(inputs, params, {}, 2020))
    assert set(before) < set(found)


def test_every_station_lies_on_a_road_of_either_network(inputs: Inputs) -> None:
    sites = open_sites(inputs, YEAR)
    assert placed(sites, inputs).equals(sites)
    fine = on_network(inputs, "fine")
    moved = placed(sites, fine).join(fine.table("networks/links"), on="link_id", how="left")
    assert (moved["mode"] == "road").all()
    assert moved.height == sites.height
    assert ((moved["km"] > 0.0) & (moved["km"] < moved["length_km"])).all()
    astray = sites.with_columns(pl.lit("NOWHERE").alias("link_id"))
    with pytest.raises(
        ValueError, match="station S_BAYUQUAN lies on link NOWHERE, which the road network of this run does not have"
    ):
        placed(astray, inputs)


# --- one week -----------------------------------------------------------------------------------------------------------------------


def test_a_case_is_the_whole_station_and_its_tables_have_the_agreed_columns(winter: tuple[Case, CaseResult]) -> None:
    made, found = winter
    table = found.tables["station_hours"]
    assert table.columns == [
        "station",
        "energy",
        "hour",
        "arrivals",
        "served",
        "queue_mean",
        "wait_mean_min",
        "lost",
        "kw",
        "capacity_per_h",
    ]
    assert table.height == 168 * 4
    assert made.represented == found.result.vehicles
    expected = float(made.given["arrivals"]["vehicles_per_h"].sum())
    assert found.result.value("visits") == pytest.approx(expected, rel=0.15)
    assert {f"{e}_share_of_trucks" for e in ("plug", "swap", "lng", "hydrogen")} == set(made.more)
    assert found.result.checks["passed"].all()
    # what the batteries take, and the loss that the accounts have
    stored = found.result.value("plug_stored_kwh") + found.result.value("swap_stored_kwh")
    assert found.result.value("grid_kwh") == pytest.approx(stored / made.given["efficiency"], rel=0.02)
    assert table.filter(pl.col("energy").is_in(["lng", "hydrogen"]))["kw"].sum() == 0.0


def test_a_worker_returns_the_same(winter: tuple[Case, CaseResult]) -> None:
    made, found = winter
    again = corridors.simulate(pickle.loads(pickle.dumps(made)))  # noqa: S301
    assert again.result.summary.equals(found.result.summary)
    assert again.tables["station_hours"].equals(found.tables["station_hours"])


def test_too_few_places_are_waits_and_lost_trucks(inputs: Inputs, params: Params, demand: dict[str, CorridorDemand]) -> None:
    asked, lost, waits = [], [], []
    for scale in (0.0, 0.25, 0.5, 1.0, 4.0):
        moved = params
        for energy in ("plug", "swap", "lng", "hydrogen"):
            moved = moved.replace("corridor_places_scale", energy, year_row(scale))
        read = values(inputs, moved, demand)
        found = corridors.simulate(station_case(inputs, read)).result
        asked.append(found.value("visits"))
        lost.append(found.value("lost"))
        waits.append(found.value("wait_p95_min"))
    assert len(set(asked)) == 1, "the same trucks come, whatever there is"
    assert lost == sorted(lost, reverse=True)
    assert waits == sorted(waits, reverse=True)
    assert lost[0] > 0.9 * asked[0]
    assert lost[-1] < 0.02 * asked[0]


ROWS = "charging_corridor"


def corridor_rows(inputs: Inputs) -> list[tuple[str, str, float, float]]:
    own = pl.read_csv(inputs.folder / "parameters" / f"{ROWS}.csv").select("parameter", "subject").rows()
    table = inputs.parameters.filter(pl.struct("parameter", "subject").is_in([{"parameter": p, "subject": s} for p, s in own]))
    ends = table.filter(pl.col("low") < pl.col("high")).select("parameter", "subject", "low", "high").rows()
    assert len(ends) > 20
    return ends


@pytest.mark.slow
def test_every_range_of_the_rows_moves_the_result(inputs: Inputs, params: Params) -> None:
    """The rows act in `transport simulate` alone, so they are moved here."""

    def outcome(moved: Params) -> pl.DataFrame:
        made = corridor_demand(inputs, moved, flows_of(inputs, 1.2e8), fleet(), YEAR)
        sites = made["S_TIELING"].sites
        plugs = pl.col("energy") == "plug"
        # few places, so that queues and patience matter
        tight = sites.with_columns(
            places=pl.when(plugs).then(pl.col("places") // 2 + 1).otherwise(1), supply_kg_per_h=0.5 * pl.col("supply_kg_per_h")
        )
        few = {"S_TIELING": replace(made["S_TIELING"], sites=tight)}
        one = replace(station_case(inputs, values(inputs, moved, few)), replications=1, warmup_days=0)
        # nobody managed: once is enough
        return corridors.simulate(replace(one, given={**one.given, "pack_plan": None})).result.summary

    usual = outcome(params)
    idle = [
        (name, subject)
        for name, subject, low, high in corridor_rows(inputs)
        if all(outcome(params.replace(name, subject, year_row(end))).equals(usual) for end in (low, high))
    ]
    assert idle == []


def test_rows_at_any_end_give_a_result(inputs: Inputs, params: Params) -> None:
    """The widest batteries with the widest spread, the smallest with the smallest: never an error."""
    for column in (2, 3):
        moved = params
        for row in corridor_rows(inputs):
            moved = moved.replace(row[0], row[1], year_row(row[column]))
        made = corridor_demand(inputs, moved, flows_of(inputs), fleet(), YEAR)
        one = replace(station_case(inputs, values(inputs, moved, made)), replications=1)
        assert 0.0 <= corridors.simulate(one).result.value("visits_served_share") <= 1.0


def test_packs_wait_for_cheaper_hours_and_trucks_do_not(
    inputs: Inputs, params: Params, demand: dict[str, CorridorDemand]
) -> None:
    def managed(share: float, station: str = "S_TIELING") -> tuple[Case, CaseResult]:
        moved = params.replace("managed_charging_share", "swap_store", year_row(share))
        made = replace(station_case(inputs, values(inputs, moved, demand), station), replications=2, warmup_days=0)
        return made, corridors.simulate(made)

    none, half = managed(0.0), managed(0.8)
    assert (none[0].given["pack_plan"], dict(none[1].variants), dict(none[1].more)) == (None, {}, {})
    # the same trucks: the twin is the week of a share of 0, and plugs and fuels see no difference
    twin = half[1].variants["unmanaged"]
    assert_frame_equal(twin.summary, none[1].result.summary, check_exact=True)
    others = ("plug_", "lng_", "hydrogen_")
    kept = [[m for m in r.summary.rows() if str(m[0]).startswith(others)] for r in (none[1].result, half[1].result)]
    assert kept[0] == kept[1]
    assert len(kept[0]) > 10
    assert half[1].result.checks["passed"].all()
    rows = {r["metric"]: r["value"] for r in case_tables(*half).summary.iter_rows(named=True)}
    assert rows["evening_response_kw"] == pytest.approx(rows["evening_kw_unmanaged"] - rows["evening_kw"])
    assert rows["evening_response_kw"] > 0.0
    assert rows["swap_lost_unmanaged"] == none[1].result.value("swap_lost")
    assert_frame_equal(corridors.managed_week(half[0]).summary, half[1].result.summary, check_exact=True)
    # a station without packs has nothing that can wait
    assert managed(0.8, "S_XINGCHENG")[0].given["pack_plan"] is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["baseline", "plan_2030"])
def test_the_province_takes_a_part_of_the_trucks_energy(name: str, parts_of: Callable[..., Parts]) -> None:
    """The real flows and trucks: plausible shares, and all stations simulated."""
    parts = parts_of(name)
    made = corridor_demand(parts.inputs, parts.params, parts.freight, parts.now.vehicles, YEAR)
    read = values(parts.inputs, parts.params, made)
    for energy in ("plug", "swap", "lng", "hydrogen"):
        en_route = read("truck_en_route_share", energy)
        total = sum(d.share_of_trucks.get(energy, 0.0) for d in made.values())
        assert 0.2 * en_route < total < en_route
    for area, place in corridors.places(parts.inputs, read):
        tariff = week_tariff(parts.inputs, read)
        one = corridors.case(read, area, place, "winter", level="sample", seed=1, tariff=tariff)
        found = corridors.simulate(replace(one, replications=1))
        assert found.result.value("visits_served_share") > 0.9, place


# --- what cannot be used ------------------------------------------------------------------------------------------------------------


def test_a_station_without_flows_and_a_year_without_links_are_named(
    inputs: Inputs, params: Params, demand: dict[str, CorridorDemand]
) -> None:
    read = values(inputs, params, {"S_BENXI": demand["S_BENXI"]})
    with pytest.raises(ValueError, match=r"no truck flows are given for station 'S_TIELING' in 2030.*there are S_BENXI"):
        corridors.case(read, "211200", "S_TIELING", "winter", level="sample", seed=1, tariff=week_tariff(inputs, read))
    with pytest.raises(ValueError, match="no freight flows by link in 2033; there are those of 2030"):
        corridor_demand(inputs, params, flows_of(inputs), fleet(), 2033)


def test_stations_off_the_roads_are_found_by_the_check(small_data: Path, tmp_path: Path) -> None:
    """One on a railway, one beyond the end of its road, one on a link that does not exist, one that is right."""
    head = "station,energy,name_zh,name_en,area,link_id,km,places,power_kw,packs,pack_chargers,store_kg,supply_kg_per_h,open_year,source,quality,note"
    rows = [("S_A", "RL1", "5"), ("S_B", "RD1", "400"), ("S_C", "RD9", "5"), ("S_D", "RD1", "375")]
    lines = [f"{s},lng,甲,A,210100,{link},{km},2,,,,,,,judgement,assumption," for s, link, km in rows]
    (tmp_path / "networks").mkdir()
    (tmp_path / "networks" / "energy_stations.csv").write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    found = check_data(small_data, tmp_path, lang="en")
    assert [(f.row, f.column, f.code, f.value) for f in found] == [
        (2, "link_id", "id.dangling", "RL1"),
        (3, "km", "value.range", "400"),
        (4, "link_id", "id.dangling", "RD9"),
    ]
    assert "must lie between 0 and 375" in found[1].rule
