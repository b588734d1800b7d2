"""What the freight model needs before any lever acts: zones, demand, and networks, chains and rows per distinct set of open links."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl

from networks.assemble import Setting, chain_inputs
from networks.chains import build_chains, pipeline_part, rail_part, road_part, without_chains
from networks.graph import build_graph, open_connectors, open_links
from networks.parts import ALTERNATIVES, LEG_MODES, LEG_NETWORK, TERMINAL_KIND, ChainInputs, ChainSet, Legs, Part, Stops
from networks.ports import FROM_SEA, TO_SEA
from networks.solve import Gates, Rows, expand
from networks.wiring import Wiring, wire
from transport.closures import Closures
from transport.freight_costs import BULK, PIPE_OF, reference_costs
from transport.freight_demand import COMMODITIES, FreightDemand, ZoneTable, build_demand
from transport.layout import BASE_YEAR, YEARS, year_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from transport.params import Params

    Array = NDArray[np.float64]

_BASE = year_index(BASE_YEAR)
#: Commodity whose costs choose paths and terminals: a middle tariff class and a middle value of time.
_REFERENCE = "steel"
#: Kinds of places that the siding clause names.
_SITES = ("steelworks", "cement", "works", "refinery", "power_plant", "port", "mine", "logistics_park")
_OPEN_PLANNED = 0.5
#: Alternatives that are a route of another one and as available as that.
_ROUTE_OF = {"road_ordinary": "road"}
#: What of a link and of a connector paths depend on.
_CONNECTOR_COLUMNS = ("zone_id", "node_id", "mode", "link_class", "length_km", "in_province_share")
_LINK_COLUMNS = (
    "link_id",
    "from_node",
    "to_node",
    "mode",
    "link_class",
    "length_km",
    "tariff_km",
    "speed_km_h",
    "in_province_share",
    "oneway",
)
#: Opening year of planned links without a date; they open only by lever.
_PLANNED_YEAR = 9999


class Tables(Protocol):
    """What the freight model reads: tables by name and the central parameters."""

    @property
    def parameters(self) -> pl.DataFrame:
        """All parameter rows."""
        ...

    def table(self, name: str) -> pl.DataFrame:
        """Return a table by its path under the data folder without ``.csv``."""
        ...

    def params(self, *, draws: int = 1, seed: int = 0) -> Params:
        """Return the parameters without levers."""
        ...


@dataclass(frozen=True)
class Captive:
    """Captive flows measured on a network: commodity, mode (-1 = on site), group, t, km and km in the province per row, its legs and terminals."""

    commodity: NDArray[np.int64]
    mode: NDArray[np.int64]
    group: NDArray[np.int64]
    t_per_year: Array
    km: Array
    territory_km: Array
    at_port: NDArray[np.bool_]
    by_proxy: NDArray[np.bool_]
    legs: Legs
    stops: Stops


@dataclass(frozen=True)
class State:
    """One distinct set of open links: paths, chains and their wiring, rows of the demand and captive flows on it."""

    inputs: ChainInputs
    chains: ChainSet
    wiring: Wiring
    rows: Rows
    captive: Captive
    links: pl.DataFrame
    connectors: pl.DataFrame
    closed_ports: frozenset[str]


@dataclass(frozen=True)
class Prepared:
    """Everything that does not depend on levers: zones, demand, networks per year, captive flows.

    ``has_siding`` holds in the base year, ``sided`` (sidings) and ``piped`` (pipes of any kind) by year ``[year, zone]``.
    """

    zones: ZoneTable
    demand: FreightDemand
    states: tuple[State, ...]
    state_of_year: tuple[int, ...]
    captive: Captive
    box_ports: tuple[str, ...]
    box_port: NDArray[np.bool_]
    has_siding: NDArray[np.bool_]
    large_site: NDArray[np.bool_]
    sided: NDArray[np.bool_]
    piped: NDArray[np.bool_]
    #: Container ports outside the province that boxes can choose; their columns follow those of ``box_ports`` in ``box_port`` and the measures.
    outside_ports: tuple[str, ...] = ()


def prepare(
    inputs: Tables, params: Params, *, hold_network_after: int | None = None, earlier: Prepared | None = None
) -> Prepared:
    """Build networks, demand and chains; planned links open where the lever of the run says so, closed ones are left out.

    Parameters
    ----------
    inputs
        Network and demand tables, and the central parameters.
    params
        Parameters of the run.
    hold_network_after
        Year whose network is kept afterwards: nothing opens or closes.
    earlier
        Networks of another run on the same demand and central parameters: what is the same on both is taken from it.
    """
    central = inputs.params()
    zones = ZoneTable.read(inputs.table("networks/zones"))
    tables = {name: inputs.table(f"networks/{name}") for name in ("nodes", "links", "zones", "connectors")}
    links = tables["links"]
    planned = links.filter(pl.col("open_year") == _PLANNED_YEAR)["link_id"].to_list()
    opened = params.get("planned_links_open")[0] > _OPEN_PLANNED
    limit = central_value(central, "large_site_limit")
    generators = inputs.table("demand/generators")
    large = _large_sites(generators, zones, limit)
    terminals, shut = inputs.table("networks/terminals"), Closures.read(inputs)
    setting = Setting(
        reference_costs(central, _REFERENCE, _BASE),
        central_value(central, "connector_speed"),
        central_value(central, "road_other_time_factor"),
        central_value(central, "drayage_limit"),
        central_value(central, "last_mile_limit"),
    )

    def open_in(year: int) -> _Open:
        closed = shut.links(links["link_id"], year)
        there = open_links(links, year, also=planned if opened[year_index(year)] else [], closed=closed)
        joined = shut.connectors(open_connectors(tables["connectors"], year), terminals, year)
        return _Open(there, joined, shut.ports(terminals, year))

    def network(now: _Open) -> ChainInputs:
        # what is open is in the tables already
        whole = now.links.with_columns(pl.lit(None, dtype=pl.Int64).alias(name) for name in ("open_year", "close_year"))
        joined = now.connectors.drop("open_year", "close_year", strict=False)
        graph = build_graph(tables["nodes"], whole, tables["zones"], joined, year=BASE_YEAR)
        return chain_inputs(graph, zones.ids, large_site=large, setting=setting)

    at_base = open_in(BASE_YEAR)
    base = network(at_base)
    distance = np.where(np.isfinite(base.road.cost), base.road.components["km"], np.inf)
    np.fill_diagonal(distance, zones.intrazonal_km)
    demand = build_demand(
        {name: inputs.table(f"demand/{name}") for name in ("generators", "flows", "population", "land_weights", "drivers", "od")},
        central,
        zones,
        distance,
    )
    expander = _Expander(central, zones, demand)
    made: dict[tuple[object, ...], int] = {}
    states: list[State] = []
    state_of_year, sided, piped = [], [], []
    for calendar_year in YEARS:
        year = calendar_year if hold_network_after is None else min(calendar_year, hold_network_after)
        now = open_in(year)
        if now.key not in made:
            made[now.key] = len(states)
            known = _known_state(earlier, demand, now)
            states.append(known or expander.state(base if now.key == at_base.key else network(now), now))
        state_of_year.append(made[now.key])
        sided.append(now.joined("rail", "siding"))
        piped.append(now.joined("pipeline"))
    sidings, pipes = (np.array([[z in there for z in zones.ids] for there in found]) for found in (sided, piped))
    return Prepared(
        zones,
        demand,
        tuple(states),
        tuple(state_of_year),
        states[state_of_year[_BASE]].captive,
        expander.box_ports,
        expander.box_port,
        sidings[_BASE],
        large,
        sidings,
        pipes,
        expander.outside_ports,
    )


def central_value(params: Params, parameter: str, subject: str = "all") -> float:
    """Return the value of a parameter in the base year, first draw."""
    return float(params.get(parameter, subject)[0, _BASE])


def _large_sites(generators: pl.DataFrame, zones: ZoneTable, limit_t: float) -> NDArray[np.bool_]:
    """Return the places in the province that the siding clause names and that move at least the limit."""
    moved = np.zeros(len(zones.ids))
    for zone, tonnes in generators.group_by("zone_id").agg(pl.col("t_per_year").sum()).sort("zone_id").iter_rows():
        moved[zones.position[zone]] += tonnes
    return np.isin(zones.kind, _SITES) & zones.in_province & (moved >= limit_t)


def _known_state(earlier: Prepared | None, demand: FreightDemand, now: _Open) -> State | None:
    """Return the state of another run on the same links and connectors, if its demand goes between the same pairs."""
    if earlier is None:
        return None
    one, other = earlier.demand, demand
    names = ("pair", "commodity", "t_per_year", "origin", "destination", "row", "port")
    same = all(np.array_equal(getattr(one.demand, name), getattr(other.demand, name)) for name in names)
    if not (same and one.captive.drop("group").equals(other.captive.drop("group"))):
        return None
    for state in earlier.states:
        links = state.links.select(_LINK_COLUMNS).equals(now.links.select(_LINK_COLUMNS))
        joined = state.connectors.select(_CONNECTOR_COLUMNS).equals(now.connectors.select(_CONNECTOR_COLUMNS))
        if links and joined and state.closed_ports == now.closed_ports:
            captive = replace(state.captive, group=other.captive["group"].to_numpy())
            return replace(state, captive=captive, links=now.links, connectors=now.connectors)
    return None


@dataclass(frozen=True)
class _Open:
    """Links and connectors open in a year, and the ports whose berths are closed."""

    links: pl.DataFrame
    connectors: pl.DataFrame
    closed_ports: frozenset[str]

    @property
    def key(self) -> tuple[object, ...]:
        """Return what tells one network from another."""
        names = ("zone_id", "node_id", "mode", "link_class")
        return tuple(self.links["link_id"].to_list()), tuple(self.connectors.select(names).rows()), self.closed_ports

    @property
    def parts(self) -> tuple[pl.DataFrame, pl.DataFrame, frozenset[str]]:
        """Return links, connectors and closed ports."""
        return self.links, self.connectors, self.closed_ports

    def joined(self, mode: str, link_class: str | None = None) -> frozenset[str]:
        """Return the zones with a connector of a mode and class."""
        mine = (pl.col("mode") == mode) & ((pl.col("link_class") == link_class) if link_class else pl.lit(value=True))
        return frozenset(self.connectors.filter(mine)["zone_id"].to_list())


class _Expander:
    """Builds the rows of the demand on a network; holds what is the same on every network."""

    def __init__(self, central: Params, zones: ZoneTable, demand: FreightDemand) -> None:
        self.whole, self.zones = demand, zones
        self.demand = demand.demand
        d = self.demand
        self.available = np.array(
            [
                [central_value(central, "freight_available", f"{c}.{_ROUTE_OF.get(a, a)}") > 0 for a in ALTERNATIVES]
                for c in COMMODITIES
            ]
        )
        self.floor_km = central_value(central, "freight_slope_floor")
        self.long_haul_km = central_value(central, "long_haul_limit")
        self.short_haul_km = central_value(central, "short_haul_limit")
        self.port_pair = zones.port[d.origin] | zones.port[d.destination]
        self.box_ports = tuple(z for z in central.subjects("port_container_throughput") if z in zones.position)
        # a port's basins report as one: boxes of every basin of a prefecture count for the port that has the throughput row
        area = [zones.area[zones.position[z]] for z in self.box_ports]
        zone_port = np.zeros((len(zones.ids), len(self.box_ports)), dtype=np.bool_)
        for i in np.flatnonzero(zones.port):
            for j, name in enumerate(area):
                zone_port[i, j] = zones.area[i] == name
        chosen = (demand.ports.constant[COMMODITIES.index("containers")] >= 0).any(axis=0)
        outside = np.flatnonzero(chosen & ~zones.port)
        self.outside_ports = tuple(zones.ids[i] for i in outside)
        beyond = np.arange(len(zones.ids))[:, None] == outside[None, :]
        zone_port = np.concatenate([zone_port, beyond], axis=1)
        self.box_port = zone_port[d.origin] | zone_port[d.destination]
        self.ports = demand.ports
        self.usable_ports = _usable_ports(demand, zones)

    def state(self, found: ChainInputs, now: _Open) -> State:
        chains = build_chains(found, self.demand.origin, self.demand.destination, usable_ports=self.usable_ports)
        if now.closed_ports:  # goods that must pass a closed quay have no way
            shut = np.array([z in now.closed_ports for z in self.zones.ids])
            berths = chains.stops.kind == TERMINAL_KIND["berth"]
            chains = without_chains(chains, chains.stops.chain[berths & shut[chains.stops.place]])
        rows = expand(
            self.demand,
            chains,
            self.available,
            container=COMMODITIES.index("containers"),
            floor_km=self.floor_km,
            long_haul_km=self.long_haul_km,
            port_pair=self.port_pair,
            box_port=self.box_port,
            ports=self.ports,
            gates=make_gates(self.zones, self.demand.origin, self.demand.destination, self.short_haul_km, chains, found),
        )
        return State(found, chains, wire(chains, found), rows, _captive(found, self.whole), *now.parts)


def make_gates(
    zones: ZoneTable,
    origin: NDArray[np.int64],
    destination: NDArray[np.int64],
    short_haul_km: float,
    chains: ChainSet,
    found: ChainInputs,
) -> Gates:
    """Return what costs of ports and of whole hauls hang on.

    Parameters
    ----------
    zones
        Zones.
    origin, destination
        Zones of each pair.
    short_haul_km
        Tariff distance below which a rail haul is short [km].
    chains, found
        Chains of the pairs and the networks they run on.
    """
    port = np.where(zones.port[origin], origin, np.where(zones.port[destination], destination, -1))
    rail = chains.legs.network == LEG_NETWORK["rail"]
    start, end, chain = chains.legs.start[rail], chains.legs.end[rail], chains.legs.chain[rail]
    crossings = found.rail.components["ferry"][start, end]
    ferries = np.bincount(chain, crossings, minlength=chains.pair.size).astype(np.float64)
    return Gates(port, frozenset(COMMODITIES.index(c) for c in BULK), short_haul_km, ferries)


def _usable_ports(demand: FreightDemand, zones: ZoneTable) -> NDArray[np.bool_]:
    """Return the ports that coastal chains of each pair may use ``[pair, zone]``: those that handle any goods of the pair.

    Notes
    -----
    A works' own quay serves only that works.
    """
    d = demand.demand
    found = np.zeros((d.origin.size, len(zones.ids)), dtype=np.bool_)
    direction = np.where(zones.in_province[d.origin[d.pair]], TO_SEA, FROM_SEA)
    np.logical_or.at(found, d.pair, demand.ports.handled[d.commodity[d.row], direction])
    own = np.zeros_like(found)
    for end in (d.origin, d.destination):
        own[np.arange(end.size), end] = True
    found &= zones.port | own
    return found


def _captive(inputs: ChainInputs, demand: FreightDemand) -> Captive:
    """Measure the captive flows on a network; where the mode's own network has no path, the road distance stands in."""
    table = demand.captive
    origin, destination = table["origin"].to_numpy(), table["destination"].to_numpy()
    names = table["mode"].to_list()
    commodity = table["commodity"].to_numpy()
    proxy = road_part(inputs, origin, destination)
    km, territory = proxy.km.sum(axis=1), proxy.territory_km.sum(axis=1)
    by_proxy = np.array([name in LEG_MODES[1:] for name in names], dtype=np.bool_)
    rail = rail_part(inputs, origin, destination)[0]
    pipes = {kind: pipeline_part(inputs, kind, origin, destination) for kind in PIPE_OF.values()}
    legs: list[tuple[int, int, int, int]] = []
    stops: list[tuple[int, int, int]] = []
    for i, name in enumerate(names):
        part: Part | None = (
            rail if name == "rail" else pipes.get(PIPE_OF.get(COMMODITIES[commodity[i]], "")) if name == "pipeline" else None
        )
        if part is not None and part.ok[i]:
            km[i], territory[i], by_proxy[i] = part.km[i].sum(), part.territory_km[i].sum(), False
            legs += [(i, code, int(s[i]), int(e[i])) for code, s, e in part.legs if s[i] >= 0]
            stops += [(i, int(kind[i]), int(where[i])) for kind, where in part.stops if where[i] >= 0]
    columns = np.array(legs, dtype=np.int64).reshape(-1, 4)
    return Captive(
        commodity,
        np.array([LEG_MODES.index(name) if name in LEG_MODES else -1 for name in names], dtype=np.int64),
        table["group"].to_numpy(),
        table["t_per_year"].to_numpy(),
        km,
        territory,
        inputs.port[origin] | inputs.port[destination],
        by_proxy,
        Legs.of(columns[:, 0], columns[:, 1], columns[:, 2], columns[:, 3]),
        Stops(*np.array(stops, dtype=np.int64).reshape(-1, 3).T),
    )
