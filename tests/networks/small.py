"""A small network by hand: a mine, a works, a city, a port, a gateway outside, their roads, railway, sea lane and pipe."""

from __future__ import annotations

import numpy as np
import polars as pl

from networks.assemble import Setting, chain_inputs
from networks.chains import build_chains
from networks.cost import coefficients
from networks.graph import build_graph, compile_network

NODES = pl.DataFrame(
    [
        ("A", "city", True),
        ("B", "city", True),
        ("J", "junction", True),
        ("P", "port", True),
        ("G", "gateway", False),
        ("RA", "rail_yard", True),
        ("RB", "rail_yard", True),
        ("RG", "rail_yard", False),
        ("Q", "gateway", False),
    ],
    schema=["node_id", "kind", "in_province"],
    orient="row",
).with_columns(pl.lit("210000").alias("area"), pl.lit(41.0).alias("lat"), pl.lit(122.0).alias("lon"))

_LINK = [
    "link_id",
    "from_node",
    "to_node",
    "mode",
    "link_class",
    "length_km",
    "tariff_km",
    "speed_km_h",
    "in_province_share",
    "open_year",
    "close_year",
]
LINKS = pl.DataFrame(
    [
        ("H1", "A", "J", "road", "expressway", 60.0, 60.0, 80.0, 1.0, None, None),
        ("H2", "J", "B", "road", "expressway", 60.0, 60.0, 80.0, 1.0, None, None),
        ("N1", "A", "B", "road", "national_road", 130.0, 130.0, 50.0, 1.0, None, None),
        ("N2", "B", "P", "road", "national_road", 20.0, 20.0, 50.0, 1.0, None, None),
        ("N3", "B", "G", "road", "national_road", 300.0, 300.0, 50.0, 0.25, None, None),
        ("NEW", "A", "P", "road", "expressway", 90.0, 90.0, 80.0, 1.0, 2026, None),
        ("OLD", "A", "P", "road", "national_road", 100.0, 100.0, 40.0, 1.0, None, 2019),
        ("R1", "RA", "RB", "rail", "trunk", 125.0, 150.0, 60.0, 1.0, None, None),
        ("R2", "RB", "RG", "rail", "trunk", 290.0, 290.0, 60.0, 0.25, None, None),
        ("S1", "P", "Q", "water", "coastal", 400.0, 400.0, 26.0, 0.1, None, None),
        ("F1", "P", "Q", "water", "roro", 380.0, 380.0, 30.0, 0.1, None, None),
        ("O1", "A", "B", "pipeline", "product", 110.0, 110.0, 5.0, 1.0, None, None),
        ("N4", "G", "Q", "road", "national_road", 50.0, 50.0, 50.0, 0.0, None, None),
    ],
    schema=_LINK,
    orient="row",
    infer_schema_length=None,
).with_columns(pl.lit(1e7).alias("capacity_t_per_year"), pl.lit("assumption").alias("capacity_quality"))

ZONES = pl.DataFrame(
    [
        ("ZA", "A", "city", True, 5.0),
        ("ZB", "B", "city", True, 8.0),
        ("ZG", "G", "gateway", False, 5.0),
        ("ZP", "P", "port", True, 5.0),
        ("ZQ", "Q", "gateway", False, 5.0),
        ("ZW", "A", "steelworks", True, 5.0),
    ],
    schema=["zone_id", "node_id", "kind", "in_province", "intrazonal_km"],
    orient="row",
).with_columns(pl.lit("210000").alias("area"))

CONNECTORS = pl.DataFrame(
    [
        ("ZA", "A", "road", "connector", 0.0, 1.0),
        ("ZB", "B", "road", "connector", 0.0, 1.0),
        ("ZG", "G", "road", "connector", 0.0, 0.0),
        ("ZP", "P", "road", "connector", 0.0, 1.0),
        ("ZQ", "Q", "road", "connector", 0.0, 0.0),
        ("ZW", "A", "road", "connector", 2.0, 1.0),
        ("ZA", "RA", "rail", "drayage", 10.0, 1.0),
        ("ZB", "RB", "rail", "drayage", 6.0, 1.0),
        ("ZP", "RB", "rail", "siding", 4.0, 1.0),
        ("ZG", "RG", "rail", "connector", 0.0, 0.0),
        ("ZP", "P", "water", "berth", 0.0, 1.0),
        ("ZQ", "Q", "water", "berth", 0.0, 0.0),
        ("ZA", "A", "pipeline", "product", 0.0, 1.0),
        ("ZB", "B", "pipeline", "product", 1.0, 1.0),
    ],
    schema=["zone_id", "node_id", "mode", "link_class", "length_km", "in_province_share"],
    orient="row",
)
ZONE_IDS = tuple(ZONES.sort("zone_id")["zone_id"].to_list())


def road(year: int = 2020, **more):
    graph = build_graph(NODES, LINKS, ZONES, CONNECTORS, year=year, **more)
    return compile_network(graph, "road", connector_classes=("connector",), zones=ZONE_IDS, speed_km_h={"connector": 40.0})


UNIT = {
    "road_expressway_km": 0.3,
    "road_other_km": 0.25,
    "road_h": 5.0,
    "road_load": 10.0,
    "rail_tariff_km": 0.12,
    "rail_h": 0.1,
    "rail_load": 20.0,
    "siding_end": 5.0,
    "drayage_end": 15.0,
    "drayage_km": 0.8,
    "drayage_h": 5.0,
    "site_drayage_end": 15.0,
    "site_drayage_km": 0.8,
    "site_drayage_h": 5.0,
    "site_yard_price": 1.0,
    "sea_km": 0.01,
    "sea_h": 0.1,
    "sea_load": 50.0,
    "roro_km": 0.2,
    "roro_load": 40.0,
    "pipeline_km": 0.1,
    "pipeline_load": 4.0,
    "last_mile_end": 12.0,
    "last_mile_km": 0.8,
    "last_mile_h": 5.0,
}
REFERENCE = coefficients({k: np.array(v) for k, v in UNIT.items()})


def inputs(large=()):
    graph = build_graph(NODES, LINKS, ZONES, CONNECTORS, year=2020)
    site = np.array([z in large for z in ZONE_IDS])
    return chain_inputs(graph, ZONE_IDS, large_site=site, setting=Setting(REFERENCE, 40.0, 1.2, 100.0, 100.0))


def chains(pairs, large=()):
    found = inputs(large)
    origin = np.array([ZONE_IDS.index(o) for o, _ in pairs])
    destination = np.array([ZONE_IDS.index(d) for _, d in pairs])
    return found, build_chains(found, origin, destination)
