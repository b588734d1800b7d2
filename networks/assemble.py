"""From the graph of one year to everything chains are built from: compiled networks, skims, access of zones to terminals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from networks.cost import COMPONENT
from networks.graph import ZONE_PREFIX, compile_network
from networks.parts import DIRECT, SITE_TRUCK, TRUCK, Access, ChainInputs
from networks.skim import Skim, skim

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import networkx as nx
    from numpy.typing import NDArray

    from networks.graph import CompiledNetwork

#: Truck accesses to rail yards that are kept per zone.
_OPTIONS = 3
#: Connector classes that reach a railway without a truck.
_DIRECT_RAIL = frozenset({"siding", "connector"})
#: Link class of the roads that can be avoided.
EXPRESSWAY = "expressway"
#: Link class of the train ferries.
FERRY = "ferry"
PIPELINES: tuple[str, ...] = ("crude", "product", "gas")


@dataclass(frozen=True)
class Setting:
    """What the assembly needs besides the graph.

    Attributes
    ----------
    reference
        Reference cost per component ``[component]`` [CNY/t per unit].
    connector_speed_km_h
        Speed on connectors [km/h].
    other_time_factor
        Hours of trucks off the expressways over hours at link speed [-].
    drayage_limit_km, last_mile_limit_km
        Longest truck access to a rail yard and to a pipeline that is considered [km].
    """

    reference: NDArray[np.float64]
    connector_speed_km_h: float
    other_time_factor: float
    drayage_limit_km: float
    last_mile_limit_km: float


@dataclass(frozen=True)
class Connector:
    """A connector of a zone."""

    zone: int
    node: str
    link_class: str
    length_km: float
    territory_km: float


def chain_inputs(
    graph: nx.MultiDiGraph[str],
    zone_ids: Sequence[str],
    *,
    large_site: NDArray[np.bool_],
    setting: Setting,
) -> ChainInputs:
    """Assemble the inputs of :func:`networks.chains.build_chains` from a graph.

    Parameters
    ----------
    graph
        Graph of one year.
    zone_ids
        Zones in order, sorted.
    large_site
        Per zone: a works, mine, port or park large enough that a siding is expected.
    setting
        Reference costs and limits.

    Returns
    -------
    ChainInputs
        Skims and accesses.
    """
    ref = setting.reference
    position = {z: i for i, z in enumerate(zone_ids)}
    data = [graph.nodes[ZONE_PREFIX + z] for z in zone_ids]
    inside = np.array([bool(d["in_province"]) for d in data])
    kinds = np.array([d["zone_kind"] for d in data])
    connectors = _connectors(graph, position)
    road = _road(graph, zone_ids, setting)
    rail_connectors = [c for mode, c in connectors if mode == "rail"]
    stations = sorted({c.node for c in rail_connectors})
    rail_network = compile_network(graph, "rail", terminals=stations)
    rail = skim(
        rail_network,
        rail_network.tariff_km * ref[COMPONENT["rail_tariff_km"]] + rail_network.hours * ref[COMPONENT["rail_h"]],
        {
            "tariff_km": rail_network.tariff_km,
            "km": rail_network.length_km,
            "hours": rail_network.hours,
            "territory_km": rail_network.territory_km,
            "ferry": rail_network.is_class(FERRY),
        },
    )
    station = {name: i for i, name in enumerate(rail_network.terminals)}
    berths = [c for mode, c in connectors if mode == "water"]
    port_of = {c.node: c.zone for c in berths}
    sea = _water(graph, ("coastal", "ocean"), port_of, ref, "sea_km")
    roro = _water(graph, ("roro",), port_of, ref, "roro_km")
    pipelines = {}
    for kind in PIPELINES:
        pipes = [c for mode, c in connectors if mode == "pipeline" and c.link_class == kind]
        pipelines[kind] = _pipeline(graph, kind, pipes, road, setting)
    return ChainInputs(
        road=road,
        ordinary=_road(graph, zone_ids, setting, ordinary=True),
        road_hours=_road_hours(road.network, setting),
        intrazonal_km=np.array([float(d["intrazonal_km"]) for d in data]),
        in_province=inside,
        port=(kinds == "port") & inside,
        rail=rail,
        rail_access=_rail_access(rail_connectors, station, road, large_site, setting),
        station_in_province=np.array([bool(graph.nodes[n]["in_province"]) for n in rail_network.terminals], dtype=np.bool_),
        sea=sea,
        roro=roro,
        sea_port=np.array([port_of[n] for n in sea.network.terminals], dtype=np.int64),
        roro_port=np.array([port_of[n] for n in roro.network.terminals], dtype=np.int64),
        pipelines=pipelines,
        reference=ref,
    )


def _connectors(graph: nx.MultiDiGraph[str], position: Mapping[str, int]) -> list[tuple[str, Connector]]:
    found = []
    for zone, index in sorted(position.items()):
        edges = sorted(graph.out_edges(ZONE_PREFIX + zone, keys=True, data=True), key=lambda edge: (edge[1], edge[2]))
        for _, node, _, data in edges:
            length = float(data["length_km"])
            share = float(data["in_province_share"])
            found.append((str(data["mode"]), Connector(index, node, str(data["link_class"]), length, length * share)))
    return found


def _road(graph: nx.MultiDiGraph[str], zone_ids: Sequence[str], setting: Setting, *, ordinary: bool = False) -> Skim:
    """Return the road paths between zones, on request without the expressways."""
    ref = setting.reference
    classes = {str(d["link_class"]) for _, _, d in graph.edges(data=True) if d["mode"] == "road"}
    network = compile_network(
        graph,
        "road",
        link_classes=classes - {EXPRESSWAY} if ordinary else None,
        connector_classes=("connector",),
        zones=zone_ids,
        speed_km_h={"connector": setting.connector_speed_km_h},
    )
    expressway = network.is_class(EXPRESSWAY)
    hours = _road_hours(network, setting)
    per_km = np.where(expressway > 0, ref[COMPONENT["road_expressway_km"]], ref[COMPONENT["road_other_km"]])
    return skim(
        network,
        network.length_km * per_km + hours * ref[COMPONENT["road_h"]],
        {
            "km": network.length_km,
            "expressway_km": network.length_km * expressway,
            "hours": hours,
            "territory_km": network.territory_km,
            "expressway_territory_km": network.territory_km * expressway,
        },
    )


def _road_hours(network: CompiledNetwork, setting: Setting) -> NDArray[np.float64]:
    """Return the hours of trucks on each arc without traffic."""
    hours: NDArray[np.float64] = network.hours * np.where(network.is_class(EXPRESSWAY) > 0, 1.0, setting.other_time_factor)
    return hours


def _water(
    graph: nx.MultiDiGraph[str], classes: tuple[str, ...], port_of: Mapping[str, int], ref: NDArray[np.float64], km: str
) -> Skim:
    network = compile_network(graph, "water", link_classes=classes, terminals=sorted(port_of))
    cost = network.length_km * ref[COMPONENT[km]] + network.hours * ref[COMPONENT["sea_h"]]
    parts = {"km": network.length_km, "hours": network.hours, "territory_km": network.territory_km}
    return skim(network, cost, parts)


def _blank_access(n_zone: int, options: int) -> Access:
    return Access(
        terminal=np.full((n_zone, options), -1, dtype=np.int64),
        cost=np.full((n_zone, options), np.inf),
        km=np.zeros((n_zone, options)),
        territory_km=np.zeros((n_zone, options)),
        kind=np.zeros((n_zone, options), dtype=np.int64),
        via=np.full((n_zone, options), -1, dtype=np.int64),
    )


def _rail_access(
    connectors: Sequence[Connector], station: Mapping[str, int], road: Skim, large_site: NDArray[np.bool_], setting: Setting
) -> Access:
    """Return sidings where a zone has them, else the nearest yards by truck through any zone that drays to them."""
    ref = setting.reference
    n_zone = large_site.size
    access = _blank_access(n_zone, _OPTIONS)
    usable = [c for c in connectors if c.node in station]
    direct: dict[int, list[Connector]] = {}
    for c in usable:
        if c.link_class in _DIRECT_RAIL:
            direct.setdefault(c.zone, []).append(c)
    for zone, options in direct.items():
        for k, c in enumerate(sorted(options, key=lambda c: (c.length_km, c.node))[:_OPTIONS]):
            _set_option(access, zone, k, station[c.node], ref[COMPONENT["siding_end"]], c.length_km, c.territory_km, DIRECT, -1)
    drays = [c for c in usable if c.link_class == "drayage"]
    if drays:
        via = np.array([c.zone for c in drays])
        own = np.array([c.length_km for c in drays])
        own_territory = np.array([c.territory_km for c in drays])
        target = np.array([station[c.node] for c in drays])
        km, territory = _reach(road, via)
        total = km + own[None, :]
        for zone in range(n_zone):
            if zone in direct:
                continue
            kind = SITE_TRUCK if large_site[zone] else TRUCK
            taken: list[int] = []
            for j in np.argsort(total[zone], kind="stable"):
                if total[zone, j] > setting.drayage_limit_km or len(taken) == _OPTIONS:
                    break
                if int(target[j]) in taken:
                    continue
                length = float(total[zone, j])
                cost = ref[COMPONENT["drayage_end"]] + ref[COMPONENT["drayage_km"]] * length
                inside_km = float(territory[zone, j] + own_territory[j])
                _set_option(access, zone, len(taken), int(target[j]), cost, length, inside_km, kind, int(via[j]))
                taken.append(int(target[j]))
    return access


def _reach(road: Skim, via: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return truck km and km in the province from every zone to the given zones; zero to itself, infinite without a road."""
    connected = np.isfinite(road.cost[:, via])
    km = np.where(connected, road.components["km"][:, via], np.inf)
    territory = road.components["territory_km"][:, via].copy()
    same = np.arange(km.shape[0])[:, None] == via[None, :]
    return np.where(same, 0.0, km), np.where(same, 0.0, territory)


def _set_option(
    access: Access, zone: int, option: int, terminal: int, cost: float, km: float, territory_km: float, kind: int, via: int
) -> None:
    access.terminal[zone, option] = terminal
    access.cost[zone, option] = cost
    access.km[zone, option] = km
    access.territory_km[zone, option] = territory_km
    access.kind[zone, option] = kind
    access.via[zone, option] = via


def _pipeline(
    graph: nx.MultiDiGraph[str], kind: str, pipes: Sequence[Connector], road: Skim, setting: Setting
) -> tuple[Skim, Access]:
    """Return the pipeline network of one kind and its access: a pipe, else the nearest zone with one by truck."""
    ref = setting.reference
    network = compile_network(graph, "pipeline", link_classes=(kind,), terminals=sorted({c.node for c in pipes}))
    per_km = ref[COMPONENT["pipeline_km"]]
    parts = {"km": network.length_km, "territory_km": network.territory_km}
    found = skim(network, network.length_km * per_km, parts)
    terminal = {name: i for i, name in enumerate(network.terminals)}
    access = _blank_access(len(road.network.terminals), 1)
    usable = [c for c in pipes if c.node in terminal]
    for c in usable:
        _set_option(access, c.zone, 0, terminal[c.node], 0.0, c.length_km, c.territory_km, DIRECT, -1)
    if usable:
        via = np.array([c.zone for c in usable])
        km, territory = _reach(road, via)
        for zone in range(km.shape[0]):
            if access.terminal[zone, 0] >= 0:
                continue
            j = int(np.argmin(km[zone]))
            if km[zone, j] <= setting.last_mile_limit_km:
                cost = ref[COMPONENT["last_mile_end"]] + ref[COMPONENT["last_mile_km"]] * float(km[zone, j])
                _set_option(
                    access,
                    zone,
                    0,
                    terminal[usable[j].node],
                    cost,
                    float(km[zone, j]),
                    float(territory[zone, j]),
                    TRUCK,
                    int(via[j]),
                )
    return found, access
