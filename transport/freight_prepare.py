"""What the freight model needs before any lever acts: zones, demand, and networks, chains and rows per distinct set of open links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl

from networks.assemble import Setting, chain_inputs
from networks.chains import build_chains, pipeline_part, rail_part, road_part
from networks.graph import build_graph, open_links
from networks.parts import ALTERNATIVES, LEG_MODES, ChainInputs, ChainSet, Legs, Part, Stops
from networks.ports import FROM_SEA, TO_SEA
from networks.solve import Rows, expand
from networks.wiring import Wiring, wire
from transport.freight_costs import PIPE_OF, reference_costs
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


@dataclass(frozen=True)
class Prepared:
    """Everything that does not depend on levers: zones, demand, networks per year, captive flows."""

    zones: ZoneTable
    demand: FreightDemand
    states: tuple[State, ...]
    state_of_year: tuple[int, ...]
    captive: Captive
    box_ports: tuple[str, ...]
    box_port: NDArray[np.bool_]
    has_siding: NDArray[np.bool_]
    large_site: NDArray[np.bool_]


def prepare(inputs: Tables, params: Params, *, hold_network_after: int | None = None) -> Prepared:
    """Build networks, demand and chains; planned links open where the lever of the run says so.

    Parameters
    ----------
    inputs
        Network and demand tables, and the central parameters.
    params
        Parameters of the run.
    hold_network_after
        Year whose network is kept afterwards: nothing opens or closes.
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
    connectors = tables["connectors"]
    sided = frozenset(connectors.filter((pl.col("mode") == "rail") & (pl.col("link_class") == "siding"))["zone_id"].to_list())
    setting = Setting(
        reference_costs(central, _REFERENCE, _BASE),
        central_value(central, "connector_speed"),
        central_value(central, "road_other_time_factor"),
        central_value(central, "drayage_limit"),
        central_value(central, "last_mile_limit"),
    )

    def network(year: int) -> tuple[ChainInputs, pl.DataFrame]:
        also = planned if opened[year_index(year)] else []
        graph = build_graph(tables["nodes"], links, tables["zones"], connectors, year=year, also=also)
        found = chain_inputs(graph, zones.ids, large_site=large, setting=setting)
        return found, open_links(links, year, also=also)

    base, base_links = network(BASE_YEAR)
    distance = np.where(np.isfinite(base.road.cost), base.road.components["km"], np.inf)
    np.fill_diagonal(distance, zones.intrazonal_km)
    demand = build_demand(
        {name: inputs.table(f"demand/{name}") for name in ("generators", "flows", "population", "land_weights", "od")},
        central,
        zones,
        distance,
    )
    expander = _Expander(central, zones, demand)
    made: dict[tuple[str, ...], int] = {}
    states: list[State] = []
    state_of_year = []
    for calendar_year in YEARS:
        year = calendar_year if hold_network_after is None else min(calendar_year, hold_network_after)
        key = tuple(open_links(links, year, also=planned if opened[year_index(year)] else [])["link_id"].to_list())
        if key not in made:
            found, open_now = (base, base_links) if key == tuple(base_links["link_id"].to_list()) else network(year)
            made[key] = len(states)
            states.append(expander.state(found, open_now))
        state_of_year.append(made[key])
    return Prepared(
        zones,
        demand,
        tuple(states),
        tuple(state_of_year),
        states[state_of_year[_BASE]].captive,
        expander.box_ports,
        expander.box_port,
        np.array([z in sided for z in zones.ids]),
        large,
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


class _Expander:
    """Builds the rows of the demand on a network; holds what is the same on every network."""

    def __init__(self, central: Params, zones: ZoneTable, demand: FreightDemand) -> None:
        self.whole = demand
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
        self.port_pair = zones.port[d.origin] | zones.port[d.destination]
        self.box_ports = tuple(z for z in central.subjects("port_container_throughput") if z in zones.position)
        # a port's basins report as one: boxes of every basin of a prefecture count for the port that has the throughput row
        area = [zones.area[zones.position[z]] for z in self.box_ports]
        zone_port = np.zeros((len(zones.ids), len(self.box_ports)), dtype=np.bool_)
        for i in np.flatnonzero(zones.port):
            for j, name in enumerate(area):
                zone_port[i, j] = zones.area[i] == name
        self.box_port = zone_port[d.origin] | zone_port[d.destination]
        self.ports = demand.ports
        self.usable_ports = _usable_ports(demand, zones)

    def state(self, found: ChainInputs, links: pl.DataFrame) -> State:
        chains = build_chains(found, self.demand.origin, self.demand.destination, usable_ports=self.usable_ports)
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
        )
        return State(found, chains, wire(chains, found), rows, _captive(found, self.whole), links)


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
