"""Where chains run, by name: their legs in travel order with nodes and links, their terminals, and how full both are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from networks.delays import delay_value
from networks.graph import ZONE_PREFIX
from networks.parts import ALTERNATIVES, DIRECT, LEG_NETWORK, TERMINAL_KINDS
from networks.skim import skim
from networks.wiring import LINES, ROAD_CLASSES, leg_network
from transport.freight_limits import make_supply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from networks.parts import Access, ChainSet
    from networks.skim import Skim
    from transport.freight_loads import YearLoad
    from transport.freight_model import FreightModel
    from transport.freight_prepare import State

    Link = tuple[str, bool]

#: Cost of an arc that a truck may not use, above any path that exists [h].
_BARRED = 1e9
_STOPS: dict[str, type[pl.DataType]] = {
    "chain": pl.Int64,
    "kind": pl.String,
    "place": pl.String,
    "name": pl.String,
    "load_t": pl.Float64,
    "capacity_t": pl.Float64,
    "vc_ratio": pl.Float64,
    "price_cny_per_t": pl.Float64,
}
_LEGS: dict[str, pl.DataType | type[pl.DataType]] = {
    "chain": pl.Int64,
    "leg": pl.Int64,
    "network": pl.String,
    "from": pl.String,
    "to": pl.String,
    "nodes": pl.List(pl.String),
    "names": pl.List(pl.String),
    "links": pl.List(pl.String),
    "km": pl.Float64,
    "worst_vc_ratio": pl.Float64,
    "worst_link_id": pl.String,
    "worst_name": pl.String,
}


@dataclass(frozen=True)
class Places:
    """Names of what chains touch: zones and stations by position, node of each zone, name of each node."""

    zones: tuple[str, ...]
    stations: tuple[str, ...]
    node_of: Mapping[str, str]
    names: Mapping[str, str]

    def terminal(self, kind: str, place: int) -> str:
        """Return the node of a terminal: the station of a yard, the node of the zone of any other."""
        return self.stations[place] if kind == "yard" else self.zone(place)

    def zone(self, position: int) -> str:
        """Return the node of a zone."""
        return self.node_of[self.zones[position]]

    def name(self, node: str) -> str:
        """Return the name of a node."""
        return self.names.get(node, node)


def path_skims(model: FreightModel, year: int) -> dict[str, Skim]:
    """Return the paths of every leg network: those of the fixed speed, or the cheapest at the costs of the equilibrium.

    Parameters
    ----------
    model
        A solved model.
    year
        Position on the year axis.
    """
    index = model.prepared.state_of_year[year]
    found = model.prepared.states[index].inputs
    held: dict[str, Skim] = {"sea": found.sea, "roro": found.roro, **model.frozen[index].skims}
    if model.years is None:
        return held
    supply, equilibrium = make_supply(model.limits, model.prepared, index, year), model.years.years[year]
    hours = delay_value(supply.road.delay, equilibrium.road.flow.sum(axis=0))
    for kind, name in enumerate(ROAD_CLASSES):
        fixed = supply.road.fixed_cost[kind]
        held[name] = skim(found.road.network, np.where(np.isfinite(fixed), fixed + hours, _BARRED), {})
    price = delay_value(supply.lines.delay, equilibrium.lines.flow[0])
    for name in LINES:
        part = supply.line_arcs[name]
        held[name] = skim(leg_network(found, name), supply.lines.fixed_cost[0, part] + price[part], {})
    return held


def arc_ratios(load: YearLoad) -> dict[Link, float]:
    """Return flow (cars included) over capacity by link and direction, where there is a capacity.

    Parameters
    ----------
    load
        From :func:`transport.freight_loads.year_load`.
    """
    flow: dict[Link, float] = {}
    for found in load.networks:
        for arc in np.flatnonzero(found.flow):
            key = (found.network.link_ids[found.network.link[arc]], bool(found.network.forward[arc]))
            flow[key] = flow.get(key, 0.0) + float(found.flow[arc])
    ratio: dict[Link, float] = {}
    networks = {n.name: n.network for n in load.networks}
    everything = slice(None)
    road, lines = load.supply.road.delay, load.supply.lines.delay
    for name, delay, part in (("road", road, everything), *((n, lines, load.supply.line_arcs[n]) for n in LINES)):
        network = networks[name]
        for arc in np.flatnonzero(delay.code[part] != 0):
            key = (network.link_ids[network.link[arc]], bool(network.forward[arc]))
            ratio[key] = (flow.get(key, 0.0) + float(delay.preload[part][arc])) / float(delay.capacity[part][arc])
    return ratio


def stop_table(chains: ChainSet, picked: NDArray[np.int64], load: YearLoad, places: Places) -> pl.DataFrame:
    """Return the terminals that chains pass, with load and capacity [t/yr] and price [CNY/t].

    Parameters
    ----------
    chains
        Chains.
    picked
        The chains to list; they are numbered from 1 in this order.
    load
        Loads of the year.
    places
        Names.
    """
    found = []
    for number, chain in enumerate(picked, start=1):
        for i in np.flatnonzero(chains.stops.chain == chain):
            kind = TERMINAL_KINDS[chains.stops.kind[i]].replace("site_yard", "yard")
            where = int(chains.stops.place[i])
            node = places.terminal(kind, where)
            capacity, tonnes = float(load.supply.places[kind].capacity_t[where]), float(load.terminal_t[kind][where])
            price = float(load.terminal_price[kind][where])
            found.append((number, kind, node, places.name(node), tonnes, capacity, tonnes / capacity, price))
    return pl.DataFrame(found, schema=_STOPS, orient="row")


@dataclass(frozen=True)
class _Leg:
    """One leg of a chain: network, nodes, links with direction, length."""

    network: str
    nodes: tuple[str, ...]
    links: tuple[Link, ...]
    km: float


@dataclass(frozen=True)
class PathMaker:
    """Puts the legs of chains in travel order and follows their paths.

    Attributes
    ----------
    state
        Networks of the year.
    skims
        From :func:`path_skims`.
    ratio
        From :func:`arc_ratios`.
    places
        Names.
    """

    state: State
    skims: Mapping[str, Skim]
    ratio: Mapping[Link, float]
    places: Places

    def table(self, chains: ChainSet, picked: NDArray[np.int64], origin: int, destination: int) -> pl.DataFrame:
        """Return the legs of chains between two zones.

        Parameters
        ----------
        chains, picked
            As in :func:`stop_table`.
        origin, destination
            Positions of the zones.
        """
        lines = self.state.links.select("link_id", "line_zh").drop_nulls()
        line = dict(lines.iter_rows())
        found = []
        for number, chain in enumerate(picked, start=1):
            for k, leg in enumerate(self._legs(chains, int(chain), origin, destination), start=1):
                names = [self.places.name(n) for n in leg.nodes]
                known = [(self.ratio[a], a[0]) for a in leg.links if a in self.ratio]
                worst = max(known) if known else None
                section = (None, None, None) if worst is None else (*worst, line.get(worst[1], worst[1]))
                links = [a[0] for a in leg.links]
                found.append((number, k, leg.network, names[0], names[-1], list(leg.nodes), names, links, leg.km, *section))
        return pl.DataFrame(found, schema=_LEGS, orient="row")

    def _legs(self, chains: ChainSet, chain: int, origin: int, destination: int) -> list[_Leg]:
        alternative = ALTERNATIVES[chains.alternative[chain]]
        mine = np.flatnonzero(chains.legs.chain == chain)
        by_code = {int(chains.legs.network[i]): (int(chains.legs.start[i]), int(chains.legs.end[i])) for i in mine}
        rail = by_code.get(LEG_NETWORK["rail"])
        if alternative in {"road", "road_ordinary"}:
            return [self._road(origin, destination, "road" if alternative == "road" else "ordinary")]
        if alternative.startswith("pipeline_"):
            kind = alternative.removeprefix("pipeline_")
            return self._from_terminals(origin, destination, kind, by_code[LEG_NETWORK[kind]])
        ship = "roro" if alternative == "roro" else "sea"
        if alternative not in {"roro", "sea_truck", "sea_train"} and rail is not None:
            return self._from_terminals(origin, destination, "rail", rail)
        start, end = by_code[LEG_NETWORK[ship]]
        port_of = self.state.inputs.roro_port if ship == "roro" else self.state.inputs.sea_port
        trained = rail if alternative == "sea_train" else None
        before = self._feeder(origin, int(port_of[start]), trained, inside=origin)
        after = self._feeder(int(port_of[end]), destination, trained, inside=destination)
        return [*before, self._path(ship, start, end), *after]

    def _feeder(self, origin: int, destination: int, rail: tuple[int, int] | None, *, inside: int) -> list[_Leg]:
        """Return the legs between a place and a port: by train only where that place is in the province."""
        if origin == destination:
            return []
        if rail is not None and self.state.inputs.in_province[inside]:
            return self._from_terminals(origin, destination, "rail", rail)
        return [self._road(origin, destination, "road")]

    def _from_terminals(self, origin: int, destination: int, name: str, ends: tuple[int, int]) -> list[_Leg]:
        """Return access, line haul and egress of a railway or pipeline."""
        access = self.state.inputs.rail_access if name == "rail" else self.state.inputs.pipelines[name][1]
        first = self._access(access, origin, name, ends[0], inward=True)
        return [first, self._path(name, *ends), self._access(access, destination, name, ends[1], inward=False)]

    def _access(self, access: Access, zone: int, name: str, terminal: int, *, inward: bool) -> _Leg:
        """Return the way between a zone and its terminal: a siding or pipe, or a truck through the zone that drays there."""
        option = int(np.flatnonzero(access.terminal[zone] == terminal)[0])
        direct = access.kind[zone, option] == DIRECT
        station = leg_network(self.state.inputs, name).terminals[terminal]
        km, via = float(access.km[zone, option]), int(access.via[zone, option])
        nodes: tuple[str, ...] = (self.places.zone(zone),)
        links: tuple[Link, ...] = ()
        if not direct and via not in {-1, zone}:
            start, end = (zone, via) if inward else (via, zone)
            road = self._path("road", start, end)
            # the reach was measured without traffic; what the path is longer now is driven as well
            km += road.km - float(self.state.inputs.road.components["km"][start, end])
            nodes, links = (road.nodes if inward else road.nodes[::-1]), road.links
        whole = dict.fromkeys((*nodes, station))
        kind = ("siding" if name == "rail" else "pipe_connection") if direct else ("drayage" if name == "rail" else "last_mile")
        return _Leg(kind, tuple(whole) if inward else tuple(whole)[::-1], links, km)

    def _road(self, origin: int, destination: int, name: str) -> _Leg:
        if origin == destination:
            return _Leg(name, (self.places.zone(origin),), (), float(self.state.inputs.intrazonal_km[origin]))
        return self._path(name, origin, destination)

    def _path(self, name: str, start: int, end: int) -> _Leg:
        """Follow the path tree of a network from the end back to the start."""
        found = self.skims[name]
        network = found.network
        root, vertex = int(network.origins[start]), int(network.destinations[end])
        arcs: list[int] = []
        nodes = [network.nodes[vertex]]
        while vertex != root:
            before = int(found.predecessor[start, vertex])
            arcs.append(int(found.arc_of[start, vertex]))
            vertex = before
            nodes.append(network.nodes[vertex])
        named = [self._node(n) for n in reversed(nodes)]
        links = tuple((network.link_ids[network.link[a]], bool(network.forward[a])) for a in reversed(arcs))
        return _Leg(name, tuple(dict.fromkeys(named)), links, float(network.length_km[arcs].sum()))

    def _node(self, vertex: str) -> str:
        """Return the node of a vertex; a zone appears by its own node."""
        if not vertex.startswith(ZONE_PREFIX):
            return vertex
        return self.places.node_of[vertex.removeprefix(ZONE_PREFIX)[:-1]]
