"""Trucks that drive past the energy stations of the freight network in a year, by the flows of the freight model and the trucks of the accounts.

The energy of the visits is a part of what the accounts count for the trucks: tonnes on a link x km by class and powertrain per tonne-km of the
carriers x energy per km, times the share that is taken en route. Nothing is added to the energy of the year.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from fleets.corridor_arrivals import ENERGIES, station_energy
from transport.layout import year_index

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.freight import FreightOutcome
    from transport.inputs import Inputs
    from transport.params import Params
    from transport.vehicles import VehicleOutcome

#: Classes of the carriers' trucks, whose tonnes the freight network carries.
TRUCKS: tuple[str, ...] = ("tractor_trailer", "heavy_rigid_truck", "medium_truck")
#: Powertrain -> energy it takes at a station, and its carrier in the accounts.
POWERTRAINS: dict[str, tuple[str, str]] = {
    "battery_electric": ("plug", "electricity"),
    "battery_swap": ("swap", "electricity"),
    "lng": ("lng", "lng"),
    "fuel_cell": ("hydrogen", "hydrogen"),
}
ELECTRIC = ("plug", "swap")
_KG_PER_T = 1000.0
_HOURS_PER_YEAR = 8760.0


@dataclass(frozen=True)
class CorridorDemand:
    """Trucks that drive past one station in a year.

    Attributes
    ----------
    station, area, link_id
        Where it is.
    sites
        Its rows of ``networks/energy_stations`` that are open in the year.
    flows
        Trucks on the links it serves, in the province: link_id, energy, vehicle_class, vehicles_per_year, length_km, use_per_km (kWh out of the
        battery, or kg).
    served
        Part of each link that it serves: link_id, energy, station, share.
    vehicles_per_h
        Visits by energy, mean of the year [1/h].
    per_visit
        Energy of a visit by energy, in mild weather [kWh/visit or kg/visit].
    capacity_kwh
        Nominal battery of the trucks that charge by plug and of an exchange pack, weighted by visits [kWh].
    share_of_trucks
        What the visits take over all energy of the province's trucks of the kind in the accounts, by energy [-].
    efficiency
        Energy out of the battery / grid energy in the accounts of the trucks.
    """

    station: str
    area: str
    link_id: str
    sites: pl.DataFrame
    flows: pl.DataFrame
    served: pl.DataFrame
    vehicles_per_h: Mapping[str, float]
    per_visit: Mapping[str, float]
    capacity_kwh: Mapping[str, float]
    share_of_trucks: Mapping[str, float]
    efficiency: float


def open_sites(inputs: Inputs, year: int) -> pl.DataFrame:
    """Return the rows of the energy stations that are open in a year, sorted by station and energy.

    Parameters
    ----------
    inputs
        Table networks/energy_stations.
    year
        Calendar year.
    """
    table = inputs.table("networks/energy_stations")
    return table.filter(pl.col("open_year").is_null() | (pl.col("open_year") <= year)).sort("station", "energy")


def corridor_demand(
    inputs: Inputs, params: Params, freight: FreightOutcome, vehicles: VehicleOutcome, year: int
) -> dict[str, CorridorDemand]:
    """Return the trucks that drive past each energy station (first draw).

    Parameters
    ----------
    inputs
        Tables networks/links and networks/energy_stations of the run.
    params
        Parameters after levers.
    freight
        Flows by link; the year must be one of those of ``freight_links``.
    vehicles
        Distance and energy of the trucks.
    year
        Simulated year.

    Returns
    -------
    dict
        Station -> demand, for the stations open in the year, sorted.

    Raises
    ------
    ValueError
        If the freight result has no flows by link in that year.

    Notes
    -----
    Trucks of class c and powertrain p on a link = tonnes x km(c, p) / tonne-km, where tonne-km are those of the carriers, or those on the
    territory if they are more, so that the energy on the links never exceeds that of the accounts. A link belongs to the nearest station with
    the energy within ``corridor_reach`` by road, from the middle of the link; links farther away take nothing en route.
    """
    links = _road_flows(inputs, freight, year)
    i = year_index(year)
    tonne_km = max(
        float(freight.carrier_tkm["road"][0, i]), float((links["t"] * links["length_km"] * links["in_province_share"]).sum())
    )
    fleet = _trucks(params, vehicles, i)
    inside = links.filter(pl.col("in_province_share") > 0.0)
    flows = inside.join(fleet.filter(pl.col("km") > 0.0), how="cross").select(
        "link_id",
        "energy",
        "vehicle_class",
        (pl.col("t") * pl.col("km") / tonne_km).alias("vehicles_per_year"),
        (pl.col("length_km") * pl.col("in_province_share")).alias("length_km"),
        (pl.col("used") / pl.col("km")).alias("use_per_km"),
    )
    sites = placed(open_sites(inputs, year), inputs)
    served = nearest_stations(inside, links, sites, inputs.table("networks/links"), _value(params, "corridor_reach", "all", i))
    total = {e: float(fleet.filter(pl.col("energy") == e)["used"].sum()) for e in ENERGIES}
    grid = float(fleet["grid"].sum())
    efficiency = float(fleet.filter(pl.col("energy").is_in(ELECTRIC))["used"].sum()) / grid if grid > 0.0 else 1.0
    used = {(s, e): u for s, e, u in station_energy(flows, sites, served=served).iter_rows()}
    found = {}
    for (station,), mine in sites.group_by(["station"], maintain_order=True):
        own = served.filter(pl.col("station") == station)
        passing = flows.join(own.select("link_id", "energy"), on=["link_id", "energy"], how="semi", maintain_order="left")
        energies = mine["energy"].to_list()
        nominal = {e: _capacity(params, passing.filter(pl.col("energy") == e), e, i) for e in energies if e in ELECTRIC}
        window = _value(params, "target_soc", "truck", i) - _value(params, "corridor_arrival_soc", "all", i)
        health = _value(params, "battery_health", "all", i)
        per_visit = {e: nominal[e] * health * window if e in nominal else _tank_need(params, e, i) for e in energies}
        taken = {e: used.get((str(station), e), 0.0) * _value(params, "truck_en_route_share", e, i) for e in energies}
        found[str(station)] = CorridorDemand(
            station=str(station),
            area=str(mine["area"][0]),
            link_id=str(mine["link_id"][0]),
            sites=mine,
            flows=passing,
            served=own,
            vehicles_per_h={e: taken[e] / per_visit[e] / _HOURS_PER_YEAR for e in energies},
            per_visit=per_visit,
            capacity_kwh=nominal,
            share_of_trucks={e: taken[e] / total[e] if total[e] > 0.0 else 0.0 for e in energies},
            efficiency=efficiency,
        )
    return found


def placed(sites: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Return stations with a link of the network of the run: on the finer roads that is the longest piece of their link, in its middle.

    Parameters
    ----------
    sites
        Rows of networks/energy_stations.
    inputs
        Tables networks/links and networks/fine/links of the run.

    Raises
    ------
    ValueError
        If a station lies on no link of the network.
    """
    known = inputs.table("networks/links").select("link_id").unique()
    there = sites.join(known, on="link_id", how="semi", maintain_order="left")
    if there.height == sites.height:
        return sites
    pieces = inputs.table("networks/fine/links").join(known, on="link_id", how="semi", maintain_order="left")
    longest = pieces.sort("length_km", "link_id", descending=[True, False]).unique(
        "compact_link", keep="first", maintain_order=True
    )
    piece = longest.select(
        pl.col("compact_link").alias("link_id"), pl.col("link_id").alias("_piece"), pl.col("length_km").alias("_length")
    )
    moved = sites.join(piece, on="link_id", how="left", maintain_order="left")
    astray = moved.join(known, on="link_id", how="anti").filter(pl.col("_piece").is_null()).sort("station", "energy")
    if astray.height:
        msg = f"station {astray['station'][0]} lies on link {astray['link_id'][0]}, which the road network of this run does not have; move it"
        raise ValueError(msg)
    return moved.with_columns(
        pl.coalesce("_piece", "link_id").alias("link_id"), pl.coalesce(pl.col("_length") / 2.0, "km").alias("km")
    ).drop("_piece", "_length")


def _value(params: Params, parameter: str, subject: str, index: int) -> float:
    return float(params.get(parameter, subject)[0, index])


def _tank_need(params: Params, energy: str, index: int) -> float:
    return _value(params, "corridor_tank", energy, index) * _value(params, "corridor_refill_share", energy, index)


def _capacity(params: Params, flows: pl.DataFrame, energy: str, index: int) -> float:
    """Return the nominal battery capacity, weighted by visits: what each class uses over what it holds [kWh]."""
    if energy == "swap":
        return _value(params, "corridor_pack_capacity", "all", index)
    use = pl.col("vehicles_per_year") * pl.col("length_km") * pl.col("use_per_km")
    classes = flows.group_by("vehicle_class").agg(use.sum().alias("used")).sort("vehicle_class")
    held = np.array([_value(params, "battery_capacity", f"{c}:battery_electric", index) for c in classes["vehicle_class"]])
    used = classes["used"].to_numpy()
    if not used.sum() > 0.0:
        return _value(params, "battery_capacity", "tractor_trailer:battery_electric", index)
    return float(used.sum() / (used / held).sum())


def _road_flows(inputs: Inputs, freight: FreightOutcome, year: int) -> pl.DataFrame:
    """Return the open road links of a year with both directions' tonnes: link_id, from_node, to_node, length_km, in_province_share, t."""
    table = freight.tables["freight_links"]
    years = sorted(table["year"].unique().to_list())
    if year not in years:
        msg = f"no freight flows by link in {year}; there are those of {', '.join(map(str, years))}: simulate one of these years"
        raise ValueError(msg)
    road = table.filter((pl.col("year") == year) & (pl.col("mode") == "road"))
    length = inputs.table("networks/links").select("link_id", "length_km", pl.col("in_province_share").fill_null(1.0))
    return (
        road.select("link_id", "from_node", "to_node", (pl.col("forward_t") + pl.col("backward_t")).alias("t"))
        .join(length, on="link_id", how="inner", maintain_order="left")
        .sort("link_id")
    )


def _trucks(params: Params, vehicles: VehicleOutcome, index: int) -> pl.DataFrame:
    """Return distance and energy of the trucks by energy and class: km, used (kWh out of the battery, or kg), grid (kWh)."""
    work = vehicles.work
    rows = []
    for k, key in enumerate(work.keys):
        if key.vehicle_class in TRUCKS and key.powertrain in POWERTRAINS:
            energy, carrier = POWERTRAINS[key.powertrain]
            amount = float(work.energy[k, carrier][0, index])
            electric = carrier == "electricity"
            kept = 1.0 - _value(params, "charging_loss", key.vehicle_class, index) if electric else _KG_PER_T
            km = float(work.quantity[k][0, index])
            rows.append((energy, key.vehicle_class, km, amount * kept, amount if electric else 0.0))
    schema = {"energy": pl.String, "vehicle_class": pl.String, "km": pl.Float64, "used": pl.Float64, "grid": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").sort("energy", "vehicle_class")


def nearest_stations(
    served: pl.DataFrame, links: pl.DataFrame, sites: pl.DataFrame, all_links: pl.DataFrame, reach_km: float
) -> pl.DataFrame:
    """Return which station each link takes its energy from.

    Parameters
    ----------
    served
        Links that may take energy: link_id, from_node, to_node, length_km.
    links
        Open road links to drive along, the same columns.
    sites
        Stations: station, energy, link_id, km (from the link's first node).
    all_links
        Links of all years: link_id, from_node, to_node, length_km; a station may lie on a link that is replaced by a wider one.
    reach_km
        Longest way from the middle of a link to its station [km].

    Returns
    -------
    table
        Columns link_id, energy, station, share (1); links without a station in reach are missing.

    Notes
    -----
    Way = from the station to the nearer end of the link along the roads, and half the link; along the link itself where the station lies on it or
    on one between the same nodes. Equal ways go to the first station by name.
    """
    nodes = sorted({*links["from_node"], *links["to_node"], *all_links["from_node"], *all_links["to_node"]})
    at = {node: k for k, node in enumerate(nodes)}
    a, b = (np.array([at[n] for n in links[c]], dtype=np.int64) for c in ("from_node", "to_node"))
    # parallel roads: the matrix must hold the shorter one, not their sum
    short = (
        pl.DataFrame({"a": np.minimum(a, b), "b": np.maximum(a, b), "km": links["length_km"]})
        .group_by("a", "b")
        .agg(pl.col("km").min())
        .sort("a", "b")
    )
    graph = coo_array((short["km"].to_numpy(), (short["a"].to_numpy(), short["b"].to_numpy())), shape=(len(nodes), len(nodes)))
    spots = sites.join(
        all_links.select("link_id", "from_node", "to_node", "length_km"), on="link_id", how="inner", maintain_order="left"
    )
    ends = sorted({*spots["from_node"], *spots["to_node"]})
    row_of = {node: k for k, node in enumerate(ends)}
    ways = dijkstra(graph.tocsr(), directed=False, indices=[at[n] for n in ends]) if ends else np.empty((0, len(nodes)))
    first, last = (np.array([at[n] for n in served[c]], dtype=np.int64) for c in ("from_node", "to_node"))
    half = served["length_km"].to_numpy() / 2.0
    names, frames = served["link_id"].to_list(), []
    for energy in ENERGIES:
        mine = spots.filter(pl.col("energy") == energy).sort("station")
        if not mine.height:
            continue
        rows = []
        for r in mine.iter_rows(named=True):
            start, end = row_of[r["from_node"]], row_of[r["to_node"]]
            reached = np.minimum(ways[start] + r["km"], ways[end] + r["length_km"] - r["km"])
            way = np.minimum(reached[first], reached[last]) + half
            same = (first == at[r["from_node"]]) & (last == at[r["to_node"]])
            turned = (first == at[r["to_node"]]) & (last == at[r["from_node"]])
            # the wider link that replaces one may have another length: the place is kept as a part of it
            part = r["km"] / r["length_km"] if r["length_km"] > 0.0 else 0.0
            way = np.where(
                same, np.abs(part * 2.0 * half - half), np.where(turned, np.abs((1.0 - part) * 2.0 * half - half), way)
            )
            rows.append(way)
        distance = np.stack(rows)
        best = distance.argmin(axis=0)
        near = distance.min(axis=0) <= reach_km
        stations = mine["station"].to_list()
        frames.append(
            pl.DataFrame(
                {
                    "link_id": [name for name, ok in zip(names, near, strict=True) if ok],
                    "energy": energy,
                    "station": [stations[k] for k, ok in zip(best, near, strict=True) if ok],
                    "share": 1.0,
                },
                schema=_SERVED,
            )
        )
    return pl.concat(frames) if frames else pl.DataFrame(schema=_SERVED)


_SERVED = {"link_id": pl.String, "energy": pl.String, "station": pl.String, "share": pl.Float64}
