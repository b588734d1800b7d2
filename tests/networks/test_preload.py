"""Capacities computed again from trains and lanes, and the cars that are on the roads before any truck."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from networks.errors import NetworkError
from networks.graph import CompiledNetwork, build_graph, compile_network
from networks.preload import (
    CarFlows,
    car_flows,
    car_preload,
    net_rail_capacity_t,
    rail_capacity_t,
    rail_classes,
    road_capacity_pcu_per_day,
    road_classes,
    truck_pcu_per_t,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

DATA = Path(__file__).resolve().parents[2] / "data"
VALUES: dict[tuple[str, str], float] = {
    ("train_pairs_per_day", "double_electrified"): 130.0,
    ("train_pairs_per_day", "single_diesel"): 28.0,
    ("passenger_train_pairs_per_day", "main_trunk"): 40.0,
    ("passenger_train_pairs_per_day", "branch"): 3.0,
    ("passenger_train_removal", "all"): 1.6,
    ("net_load_t", "trunk"): 3300.0,
    ("net_load_t", "branch"): 1800.0,
    ("road_lanes_per_direction", "expressway"): 2.0,
    ("road_lanes_per_direction", "national_road"): 1.0,
    ("road_lane_capacity", "expressway"): 2000.0,
    ("road_lane_capacity", "national_road"): 1200.0,
    ("road_peak_hour_share", "all"): 0.08,
    ("truck_pcu", "all"): 3.0,
    ("road_truck_mean_load", "expressway"): 17.0,
    ("road_truck_mean_load", "national_road"): 10.0,
    ("car_pcu_per_day", "national_road"): 4000.0,
    ("car_traffic_index", "all"): 0.7,
}
TRUNK = "(train_pairs_per_day double_electrified - passenger_train_removal x passenger_train_pairs_per_day main_trunk) x net_load_t trunk x 365"
BRANCH = "(train_pairs_per_day single_diesel - passenger_train_removal x passenger_train_pairs_per_day branch) x net_load_t branch x 365"
FAST = "road_lanes_per_direction expressway x road_lane_capacity expressway / road_peak_hour_share"
SLOW = "road_lanes_per_direction national_road x road_lane_capacity national_road / road_peak_hour_share"
_LINK = (
    "link_id",
    "from_node",
    "to_node",
    "mode",
    "link_class",
    "length_km",
    "speed_km_h",
    "capacity_t_per_year",
    "capacity_quality",
    "note",
)
#: Four towns on a road: expressway A-B-C of 50 km each, ordinary road C-D of 10 km.
LINKS = pl.DataFrame(
    [
        ("E1", "A", "B", "road", "expressway", 50.0, 100.0, None, "derived", FAST),
        ("E2", "B", "C", "road", "expressway", 50.0, 100.0, None, "derived", FAST),
        ("N1", "C", "D", "road", "national_road", 10.0, 50.0, None, "derived", SLOW),
        ("R1", "A", "B", "rail", "trunk", 52.0, 60.0, 79_497_000.0, "derived", TRUNK),
        ("R2", "B", "C", "rail", "branch", 52.0, 60.0, 15_242_400.0, "derived", BRANCH),
        ("R3", "C", "D", "rail", "trunk", 12.0, 60.0, 50e6, "literature", "published"),
    ],
    schema=dict.fromkeys(_LINK, pl.String) | dict.fromkeys(("length_km", "speed_km_h", "capacity_t_per_year"), pl.Float64),
    orient="row",
).with_columns(tariff_km=pl.col("length_km"), in_province_share=pl.lit(1.0), open_year=pl.lit(None), close_year=pl.lit(None))
NODES = pl.DataFrame({"node_id": list("ABCD"), "kind": ["city"] * 4}).with_columns(
    area=pl.lit("210000"), in_province=pl.lit(value=True), lat=pl.lit(41.0), lon=pl.lit(122.0)
)
ZONES = NODES.select(
    zone_id="Z_" + pl.col("node_id"), kind="kind", area="area", in_province="in_province", intrazonal_km=pl.lit(5.0)
)
CONNECTORS = NODES.select(
    zone_id="Z_" + pl.col("node_id"),
    node_id="node_id",
    mode=pl.lit("road"),
    link_class=pl.lit("connector"),
    length_km=pl.lit(0.0),
    in_province_share=pl.lit(1.0),
)


def road_network(links: pl.DataFrame = LINKS) -> CompiledNetwork:
    graph = build_graph(NODES, links, ZONES, CONNECTORS, year=2020)
    return compile_network(graph, "road", connector_classes=("connector",), speed_km_h={"connector": 40.0})


@pytest.fixture(scope="module")
def network() -> CompiledNetwork:
    return road_network()


@pytest.fixture(scope="module")
def record() -> pl.DataFrame:
    """Return the link table of record."""
    return pl.read_csv(DATA / "networks" / "links.csv", infer_schema_length=None)


@pytest.fixture(scope="module")
def record_values() -> dict[tuple[str, str], float]:
    rows = pl.read_csv(DATA / "parameters" / "rail_capacity.csv", infer_schema=False)
    return {(r["parameter"], r["subject"]): float(r["value"]) for r in rows.iter_rows(named=True)}


# --- known answers ------------------------------------------------------------------------------------------------------------------


def test_rail_capacity_by_hand() -> None:
    """130 - 1.6 x 40 = 66 trains of 3,300 t; 28 - 1.6 x 3 = 23.2 of 1,800 t; the published line keeps its number."""
    got = rail_capacity_t(rail_classes(LINKS), VALUES)
    assert got == pytest.approx([66 * 3300 * 365, 23.2 * 1800 * 365, 50e6])


def test_half_the_passenger_trains_and_a_tenth_more_paths() -> None:
    got = rail_capacity_t(rail_classes(LINKS), VALUES, passenger_pairs_factor=0.5, train_pairs_factor=1.1, net_load_factor=2.0)
    assert got == pytest.approx([(143 - 32) * 6600 * 365, (30.8 - 2.4) * 3600 * 365, 50e6])


def test_road_capacity_and_truck_units_by_hand() -> None:
    """2 lanes x 2,000 / 0.08 = 50,000 pcu a day; a tonne of an expressway truck is 3 / 17 pcu."""
    classes = road_classes(LINKS)
    assert classes.kind == ("expressway", "expressway", "national_road")
    assert road_capacity_pcu_per_day(classes, VALUES) == pytest.approx([50_000, 50_000, 15_000])
    assert truck_pcu_per_t(classes, VALUES) == pytest.approx([3 / 17, 3 / 17, 0.3])


def test_two_towns_exchange_all_cars_on_the_road_between_them(network: CompiledNetwork) -> None:
    """Only A and B have people: half of the exits run each way over E1, nothing elsewhere."""
    got = car_flows(network, np.array([300.0, 100.0, 0.0, 0.0]), exits_per_day=1000.0, mean_trip_km=50.0)
    on = {network.link_ids[link]: 0.0 for link in network.link}
    for arc, link in enumerate(network.link):
        on[network.link_ids[link]] += got.per_arc[arc]
    assert on["E1"] == pytest.approx(1000)
    assert on["E2"] == on["N1"] == 0
    assert got.per_arc[network.link == network.link_ids.index("E1")] == pytest.approx([500, 500])


def test_towns_without_an_expressway_between_them_make_no_trips(network: CompiledNetwork) -> None:
    got = car_flows(network, np.full(4, 100.0), exits_per_day=1000.0, mean_trip_km=70.0)
    c, d = (network.terminals.index(z) for z in ("Z_C", "Z_D"))
    assert got.trips[c, d] == got.trips[d, c] == 0
    assert got.trips[c, 0] > 0


def test_preload_puts_loaded_cars_on_expressways_and_class_means_elsewhere(network: CompiledNetwork) -> None:
    cars = car_flows(network, np.full(4, 100.0), exits_per_day=1000.0, mean_trip_km=70.0)
    got = car_preload(network, road_classes(LINKS), cars, VALUES)
    for arc, link in enumerate(network.link):
        name = network.link_ids[link]
        expected = {"E": 0.7 * cars.per_arc[arc], "N": 0.7 * 4000, "c": 0.0}[name[0]]
        assert got[arc] == pytest.approx(expected), name


# --- the data of record -------------------------------------------------------------------------------------------------------------


def test_every_railway_capacity_of_record_comes_out_again(
    record: pl.DataFrame, record_values: dict[tuple[str, str], float]
) -> None:
    classes = rail_classes(record)
    stated = record.filter(pl.col("mode") == "rail").sort("link_id")["capacity_t_per_year"].to_numpy()
    assert int(np.isnan(classes.published_t_per_year).sum()) == 123
    assert rail_capacity_t(classes, record_values) == pytest.approx(stated, abs=1)


def test_every_road_capacity_of_record_is_the_trucks_part_of_the_full_one(
    record: pl.DataFrame, record_values: dict[tuple[str, str], float]
) -> None:
    classes = road_classes(record)
    stated = record.filter(pl.col("mode") == "road").sort("link_id")["capacity_t_per_year"].to_numpy()
    share = np.array([record_values["road_truck_pcu_share", kind] for kind in classes.kind])
    full = road_capacity_pcu_per_day(classes, record_values)
    assert full * share / truck_pcu_per_t(classes, record_values) * 365 == pytest.approx(stated, abs=1)


# --- conservation and properties ----------------------------------------------------------------------------------------------------


@given(
    people=st.lists(st.floats(1.0, 1e6), min_size=4, max_size=4),
    exits=st.floats(1.0, 1e6),
    mean=st.floats(1.0, 500.0),
)
def test_trips_sum_to_the_exits_and_their_km_to_the_flow(people: list[float], exits: float, mean: float) -> None:
    network = road_network()
    got = car_flows(network, np.array(people), exits_per_day=exits, mean_trip_km=mean)
    assert got.trips.sum() == pytest.approx(exits)
    assert got.trips == pytest.approx(got.trips.T)
    assert (got.per_arc * network.length_km).sum() == pytest.approx(got.mean_trip_km * exits)
    if not got.at_bound:
        assert got.mean_trip_km == pytest.approx(mean, abs=1e-3)


@given(
    trains=st.floats(0, 200),
    riders=st.floats(0, 100),
    more=st.floats(0, 50),
    load=st.floats(1, 5000),
)
def test_net_capacity_never_falls_below_zero_nor_grows_with_passenger_trains(
    trains: float, riders: float, more: float, load: float
) -> None:
    few, many = (
        float(net_rail_capacity_t(np.array(trains), np.array(r), np.array(1.6), np.array(load))) for r in (riders, riders + more)
    )
    assert 0 <= many <= few <= trains * load * 365 * (1 + 1e-12)


def test_values_by_draw_and_year_give_capacities_by_draw_and_year() -> None:
    trains = np.array([[100.0, 130.0, 160.0], [110.0, 140.0, 170.0]])
    values: dict[tuple[str, str], float | NDArray[np.float64]] = {**VALUES, ("train_pairs_per_day", "double_electrified"): trains}
    got = rail_capacity_t(rail_classes(LINKS), values)
    assert got.shape == (3, 2, 3)
    assert got[0] == pytest.approx((trains - 64) * 3300 * 365)
    assert (got[2] == 50e6).all()


def test_a_longer_mean_trip_fills_the_far_section(network: CompiledNetwork) -> None:
    people = np.array([100.0, 200.0, 100.0, 0.0])
    near, far = (car_flows(network, people, exits_per_day=1e3, mean_trip_km=km) for km in (55.0, 65.0))
    assert far.trips[0, 2] > near.trips[0, 2] > 0


# --- bad input ----------------------------------------------------------------------------------------------------------------------


def test_derived_capacity_without_a_formula_counts_as_stated() -> None:
    links = LINKS.with_columns(note=pl.when(pl.col("link_id") == "R2").then(pl.lit("forgotten")).otherwise("note"))
    found = rail_classes(links)
    stated = dict(LINKS.select("link_id", "capacity_t_per_year").iter_rows())
    at = found.link_ids.index("R2")
    assert found.trains[at] == ""
    assert found.published_t_per_year[at] == stated["R2"]


def test_capacity_without_a_number_is_no_limit() -> None:
    found = rail_classes(LINKS.with_columns(capacity_t_per_year=pl.lit(None)))
    assert np.isposinf(found.published_t_per_year[found.link_ids.index("R3")])


def test_a_road_without_a_formula_takes_its_link_class() -> None:
    links = LINKS.filter(pl.col("mode") == "road").with_columns(note=pl.lit(""))
    found = road_classes(links)
    known = {"expressway", "national_road", "access_road"}
    for link, kind in zip(links.sort("link_id")["link_class"], found.kind, strict=True):
        assert kind == (link if link in known else "national_road")


def test_a_missing_value_is_named() -> None:
    values = {k: v for k, v in VALUES.items() if k != ("net_load_t", "branch")}
    with pytest.raises(NetworkError, match="no value of net_load_t for branch"):
        rail_capacity_t(rail_classes(LINKS), values)


def test_a_negative_factor_is_refused() -> None:
    with pytest.raises(NetworkError, match="passenger_pairs_factor is -1"):
        rail_capacity_t(rail_classes(LINKS), VALUES, passenger_pairs_factor=-1.0)


@pytest.mark.parametrize("people", [np.ones(3), np.array([1.0, -1.0, 1.0, 1.0]), np.array([1.0, np.nan, 1.0, 1.0])])
def test_people_that_do_not_fit_are_refused(network: CompiledNetwork, people: NDArray[np.float64]) -> None:
    with pytest.raises(NetworkError, match="one finite, non-negative number per terminal"):
        car_flows(network, people, exits_per_day=1.0, mean_trip_km=50.0)


def test_negative_exits_are_refused(network: CompiledNetwork) -> None:
    with pytest.raises(NetworkError, match=r"exits_per_day is -1"):
        car_flows(network, np.ones(4), exits_per_day=-1.0, mean_trip_km=50.0)


def test_a_network_without_expressways_is_refused() -> None:
    plain = road_network(LINKS.with_columns(link_class=pl.lit("national_road")))
    with pytest.raises(NetworkError, match="no two towns have an expressway"):
        car_flows(plain, np.ones(4), exits_per_day=1.0, mean_trip_km=50.0)


def test_a_link_without_a_class_is_named(network: CompiledNetwork) -> None:
    classes = road_classes(LINKS.filter(pl.col("link_id") != "N1"))
    cars = CarFlows(np.zeros(network.head.size), np.zeros((4, 4)), 0.0, at_bound=False)
    with pytest.raises(NetworkError, match="N1 is in the network but not among the road classes"):
        car_preload(network, classes, cars, VALUES)
