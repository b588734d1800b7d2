"""Limits of the freight networks: capacities, volume-delay functions, scarcity prices and background flows from parameter rows."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from networks.assemble import EXPRESSWAY, FERRY
from networks.capacity import Background, Places, Supply, network_problem, price_delays
from networks.cost import COMPONENT
from networks.delays import DelayArrays
from networks.parts import LEG_NETWORK, LEG_NETWORKS, ROLE, TERMINAL_KIND, TERMINAL_KINDS
from networks.preload import (
    car_flows,
    car_preload,
    rail_capacity_t,
    rail_classes,
    road_capacity_pcu_per_day,
    road_classes,
    truck_pcu_per_t,
)
from networks.wiring import LINES, ROAD_CLASSES, by_truck, leg_network
from transport.closures import Closures
from transport.freight_demand import people_by_zone
from transport.layout import BASE_YEAR, YEARS, year_index

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from networks.graph import CompiledNetwork
    from networks.solve import Costs
    from transport.freight_prepare import Captive, Prepared, Tables
    from transport.params import Params

    Array = NDArray[np.float64]

_BASE = year_index(BASE_YEAR)
_DAYS_PER_YEAR = 365.0
#: Terminal kind by the link class of its connectors.
KIND_OF_CLASS = {"siding": "siding", "drayage": "yard", "berth": "berth", "crude": "crude", "product": "product", "gas": "gas"}
#: Subject of the scarcity rows by terminal kind.
_SUBJECT = {"siding": "siding", "yard": "yard", "berth": "berth", "crude": "pipeline", "product": "pipeline", "gas": "pipeline"}
#: A link whose capacity is zero in a year carries nothing that can choose; a price needs a positive number [t/yr].
_LEAST_CAPACITY_T = 1.0


@dataclass(frozen=True)
class RoadLimits:
    """Volume-delay functions of all roads, in tonnes of trucks a year.

    Attributes
    ----------
    position
        Row of each link.
    capacity_t, alpha, beta
        Whole capacity [t/yr] and parameters of the function [-] ``[link, year]``.
    t_per_pcu
        Tonnes of trucks a year per passenger-car unit a day ``[link, year]``.
    car_pcu
        Cars a day on the arcs of each network state ``[arc, year]`` [pcu/day].
    """

    position: Mapping[str, int]
    capacity_t: Array
    alpha: Array
    beta: Array
    t_per_pcu: Array
    car_pcu: tuple[Array, ...]


@dataclass(frozen=True)
class Limits:
    """Limits of the networks of a run (first draw), by year position.

    Attributes
    ----------
    values
        Parameters by (name, subject) ``[year]``.
    roads
        Volume-delay functions of the roads.
    pipe_capacity_t
        Capacity of the pipeline links by id ``[year]`` [t/yr].
    rail_capacity_t
        Capacity of the railway links by id ``[year]`` [t/yr].
    terminals
        Capacity by terminal kind and place ``[year]`` at level one [t/yr]; yards by node name.
    gap
        Outer gap of the equilibrium.
    binding_ratio
        Flow over capacity from which a place counts as binding [-].
    closures
        Shares of the years that links and terminals are closed: that much less capacity.
    """

    values: Mapping[tuple[str, str], Array]
    roads: RoadLimits
    pipe_capacity_t: Mapping[str, Array]
    rail_capacity_t: Mapping[str, Array]
    terminals: Mapping[str, Mapping[str, Array]]
    gap: float
    binding_ratio: float
    closures: Closures

    def at(self, name: str, subject: str, year: int) -> float:
        """Return a parameter of one year position."""
        return float(self.values[name, subject][year])


#: Parameters read for the limits: name, subjects.
_READ: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("road_delay_alpha", ("expressway", "national_road", "access_road")),
    ("road_delay_beta", ("expressway", "national_road", "access_road")),
    ("scarcity_price", ("rail", "siding", "yard", "berth", "pipeline")),
    ("scarcity_power", ("rail", "siding", "yard", "berth", "pipeline")),
    ("terminal_capacity_level", ("siding", "yard", "berth", "pipeline")),
    ("rail_line_capacity_level", ("all",)),
    ("rail_ferry_capacity_level", ("all",)),
    ("rail_train_pairs_factor", ("all",)),
    ("rail_passenger_pairs_factor", ("all",)),
    ("rail_net_load_factor", ("all",)),
    ("passenger_train_removal", ("all",)),
    ("road_peak_hour_share", ("all",)),
    ("truck_pcu", ("all",)),
    ("car_traffic_index", ("all",)),
    ("new_siding_share", ("all",)),
    ("new_pipeline_connection_share", ("all",)),
)
#: Parameters read with all their subjects.
_READ_ALL = (
    "train_pairs_per_day",
    "passenger_train_pairs_per_day",
    "net_load_t",
    "road_lanes_per_direction",
    "road_lane_capacity",
    "road_truck_mean_load",
    "car_pcu_per_day",
    "pipeline_capacity_level",
)


def read_limits(inputs: Tables, params: Params, prepared: Prepared) -> Limits:
    """Read the limits of a run.

    Parameters
    ----------
    inputs
        Network tables.
    params
        Parameters of the run.
    prepared
        Networks of the run.

    Returns
    -------
    Limits
        Of the first draw, every year.
    """
    values = {(name, s): params.get(name, s)[0] for name, subjects in _READ for s in subjects}
    values |= {(name, s): params.get(name, s)[0] for name in _READ_ALL for s in params.subjects(name)}
    links, shut = inputs.table("networks/links"), Closures.read(inputs)
    pipes = links.filter((pl.col("mode") == "pipeline") & pl.col("capacity_t_per_year").is_not_null())
    return Limits(
        values=values,
        roads=_road_limits(inputs, params, prepared, values, shut),
        pipe_capacity_t={
            link: float(stated) * values["pipeline_capacity_level", kind]
            for link, kind, stated in pipes.select("link_id", "link_class", "capacity_t_per_year").iter_rows()
        },
        rail_capacity_t=_rail_capacity(links, values, inputs.params()),
        terminals=_with_windows(_terminals(inputs.table("networks/terminals"), shut), params),
        gap=float(params.get("freight_equilibrium_gap")[0, _BASE]),
        binding_ratio=float(params.get("binding_ratio")[0, _BASE]),
        closures=shut,
    )


def _rail_capacity(links: pl.DataFrame, values: Mapping[tuple[str, str], Array], central: Params) -> dict[str, Array]:
    """Return the capacity of the railway links by id ``[year]`` [t/yr].

    Notes
    -----
    The table's capacity holds in the base; what a run changes in trains, passenger trains and loads moves derived capacities in proportion.
    """
    classes = rail_classes(links)
    usual = {key: central.get(*key)[0] for key in values if key[0] in _READ_ALL or key[0] == "passenger_train_removal"}
    now = rail_capacity_t(
        classes,
        values,
        train_pairs_factor=values["rail_train_pairs_factor", "all"],
        passenger_pairs_factor=values["rail_passenger_pairs_factor", "all"],
        net_load_factor=values["rail_net_load_factor", "all"],
    )
    before = rail_capacity_t(classes, usual)
    now, before = (
        np.broadcast_to(c.reshape(len(classes.link_ids), -1), (len(classes.link_ids), len(YEARS))) for c in (now, before)
    )
    finite = np.isfinite(now) & (before > 0)
    ratio = np.divide(now, before, out=np.ones(now.shape), where=finite)
    stated = dict(links.filter(pl.col("mode") == "rail").select("link_id", "capacity_t_per_year").iter_rows())
    level, ferry = values["rail_line_capacity_level", "all"], values["rail_ferry_capacity_level", "all"]
    ferries = frozenset(links.filter(pl.col("link_class") == FERRY)["link_id"].to_list())
    found = {}
    for i, link in enumerate(classes.link_ids):
        base = now[i] if stated[link] is None else float(stated[link]) * ratio[i]
        found[link] = base * level * (ferry if link in ferries else 1.0)
    return found


def _road_limits(
    inputs: Tables, params: Params, prepared: Prepared, values: Mapping[tuple[str, str], Array], shut: Closures
) -> RoadLimits:
    """Return the volume-delay functions of the roads and the cars on them.

    Notes
    -----
    The link table states what is left to goods vehicles; the whole is that over their share. A road without a number has that of its class.
    """
    links, central = inputs.table("networks/links"), inputs.params()
    classes = road_classes(links)
    kinds = sorted(set(classes.kind))
    keys = [("road_peak_hour_share", "all"), ("truck_pcu", "all")]
    keys += [("road_lanes_per_direction", s) for s in sorted(set(classes.lanes))]
    keys += [(name, kind) for name in ("road_lane_capacity", "road_truck_mean_load", "road_truck_pcu_share") for kind in kinds]
    usual = {key: central.get(*key)[0, _BASE] for key in keys}
    share = np.array([usual["road_truck_pcu_share", kind] for kind in classes.kind])
    pcu, per_t = road_capacity_pcu_per_day(classes, usual), truck_pcu_per_t(classes, usual)
    stated = dict(links.filter(pl.col("mode") == "road").select("link_id", "capacity_t_per_year").iter_rows())
    of_class = pcu / per_t * _DAYS_PER_YEAR
    full = np.array(
        [
            whole if stated[link] is None else float(stated[link]) / part
            for link, part, whole in zip(classes.link_ids, share, of_class, strict=True)
        ]
    )
    shape = (len(classes.link_ids), len(YEARS))
    left = np.stack([np.broadcast_to(shut.left(link), len(YEARS)) for link in classes.link_ids])
    now, now_per_t = (np.broadcast_to(f(classes, values), shape) for f in (road_capacity_pcu_per_day, truck_pcu_per_t))
    exits = (
        params.get("expressway_exits_per_day")[0, _BASE]
        * params.get("expressway_car_share_of_exits")[0, _BASE]
        * params.get("expressway_mean_day_factor")[0, _BASE]
    )
    trip = float(params.get("expressway_mean_car_trip")[0, _BASE])
    people = people_by_zone(inputs.table("demand/population"), prepared.zones)
    cars = []
    for state in prepared.states:
        network = state.inputs.road.network
        found = car_flows(network, people, exits_per_day=float(exits), mean_trip_km=trip)
        cars.append(car_preload(network, classes, found, values))
    return RoadLimits(
        position={name: i for i, name in enumerate(classes.link_ids)},
        # ratios first: what a run does not move leaves every bit as it is
        capacity_t=full[:, None] * (now / pcu[:, None]) * (per_t[:, None] / now_per_t) * left,
        alpha=np.stack([values["road_delay_alpha", kind] for kind in classes.kind]),
        beta=np.stack([values["road_delay_beta", kind] for kind in classes.kind]),
        t_per_pcu=_DAYS_PER_YEAR / now_per_t,
        car_pcu=tuple(cars),
    )


def _terminals(table: pl.DataFrame, shut: Closures) -> dict[str, dict[str, Array]]:
    """Return capacity by terminal kind and place ``[year]`` [t/yr]: the place is a zone, for a yard a node; rows of one place add up as they open."""
    found: dict[str, dict[str, Array]] = {kind: {} for kind in _SUBJECT}
    for row in table.sort("terminal_id").iter_rows(named=True):
        kind = KIND_OF_CLASS[str(row["link_class"])]
        place = str(row["node_id"] if kind == "yard" else row["zone_id"])
        there = np.asarray(YEARS) >= (row["open_year"] or YEARS[0])
        capacity = there * float(row["capacity_t_per_year"]) * shut.left(row["terminal_id"])
        found[kind][place] = found[kind].get(place, np.zeros(len(YEARS))) + capacity
    return found


def _with_windows(terminals: dict[str, dict[str, Array]], params: Params) -> dict[str, dict[str, Array]]:
    """Return the capacities with what window trains add to the port railways: their boxes, both ways, over the tracks of the port.

    Notes
    -----
    A window is a path kept on existing lines: it adds to what the port's railway can load, and nothing to the lines.
    """
    load_t = params.get("window_train_load")[0] * params.get("container_load")[0]
    for port in params.subjects("sea_rail_window_trains"):
        more = params.get("sea_rail_window_trains", port)[0] * 2.0 * _DAYS_PER_YEAR * load_t
        if more.any() and port in terminals["siding"]:
            terminals["siding"][port] = terminals["siding"][port] + more
    return terminals


# --- one year -----------------------------------------------------------------------------------------------------------------------


def make_supply(limits: Limits, prepared: Prepared, state: int, year: int) -> Supply:
    """Return the networks of one state with the limits of one year.

    Parameters
    ----------
    limits
        From :func:`read_limits`.
    prepared
        Networks.
    state, year
        Network state, and position on the year axis.
    """
    found = prepared.states[state].inputs
    network, ref = found.road.network, found.reference
    expressway = network.is_class(EXPRESSWAY)
    km = network.length_km
    per_km = np.where(expressway > 0, ref[COMPONENT["road_expressway_km"]], ref[COMPONENT["road_other_km"]])
    fixed = np.repeat((km * per_km / ref[COMPONENT["road_h"]])[None, :], len(ROAD_CLASSES), axis=0)
    fixed[ROAD_CLASSES.index("ordinary"), expressway > 0] = np.inf
    territory = network.territory_km
    road_values = np.stack([np.zeros_like(km), km * expressway, km * (1.0 - expressway), territory, territory * expressway])
    lines, parts, arcs, zones = [], {}, {}, {}
    n_arc = n_zone = 0
    for name in LINES:
        mine = leg_network(found, name)
        lines.append(mine)
        parts[name] = _line_arcs(limits, mine, name, ref, year)
        arcs[name], zones[name] = slice(n_arc, n_arc + mine.head.size), slice(n_zone, n_zone + len(mine.terminals))
        n_arc, n_zone = arcs[name].stop, zones[name].stop
    delay = DelayArrays(*(np.concatenate([getattr(parts[n][0], f.name) for n in LINES]) for f in dataclasses.fields(DelayArrays)))
    return Supply(
        road=network_problem([network], _road_delay(limits, network, found.road_hours, state, year), fixed),
        road_values=road_values,
        lines=network_problem(lines, delay, np.concatenate([parts[n][1] for n in LINES])[None, :]),
        line_values=np.concatenate([parts[n][2] for n in LINES], axis=1),
        line_arcs=arcs,
        line_zones=zones,
        places=_places(limits, prepared, state, year),
        site_yard_share=1.0 - limits.at("new_siding_share", "all", year),
        last_mile_share=1.0 - limits.at("new_pipeline_connection_share", "all", year),
    )


def _line_arcs(
    limits: Limits, network: CompiledNetwork, name: str, reference: Array, year: int
) -> tuple[DelayArrays, Array, Array]:
    """Return scarcity price, fixed cost ``[arc]`` [CNY/t] and values ``[value, arc]`` of a railway or pipeline network."""
    subject = "rail" if name == "rail" else "pipeline"
    capacity = np.array([_line_capacity(limits, network.link_ids[i], year) for i in network.link], dtype=np.float64)
    delay = price_delays(capacity, limits.at("scarcity_price", subject, year), limits.at("scarcity_power", subject, year))
    if name == "rail":
        cost = network.tariff_km * reference[COMPONENT["rail_tariff_km"]] + network.hours * reference[COMPONENT["rail_h"]]
    else:
        cost = network.length_km * reference[COMPONENT["pipeline_km"]]
    blank = np.zeros_like(network.length_km)
    return delay, cost, np.stack([blank, network.tariff_km, network.hours, network.length_km, network.territory_km])


def _line_capacity(limits: Limits, link: str, year: int) -> float:
    left = limits.closures.left_at(link, year)
    if link in limits.rail_capacity_t:
        return max(float(limits.rail_capacity_t[link][year] * left), _LEAST_CAPACITY_T)
    return float(limits.pipe_capacity_t[link][year] * left) if link in limits.pipe_capacity_t else np.nan


def _road_delay(limits: Limits, network: CompiledNetwork, hours: Array, state: int, year: int) -> DelayArrays:
    """Return the volume-delay functions of the roads in tonnes a year; cars are on them already, connectors have no delay."""
    roads = limits.roads
    row_of_link = np.array([roads.position.get(name, -1) for name in network.link_ids], dtype=np.int64)
    row = row_of_link[network.link]
    is_road = row >= 0
    return DelayArrays.build(
        hours,
        np.where(is_road, np.maximum(roads.capacity_t[row, year], _LEAST_CAPACITY_T), np.inf),
        np.where(is_road, roads.alpha[row, year], 0.0),
        np.where(is_road, roads.beta[row, year], 1.0),
        preload=np.where(is_road, roads.car_pcu[state][:, year] * roads.t_per_pcu[row, year], 0.0),
    )


def _places(limits: Limits, prepared: Prepared, state: int, year: int) -> dict[str, Places]:
    stations = prepared.states[state].inputs.rail.network.terminals
    found = {}
    for kind in TERMINAL_KINDS:
        if kind not in _SUBJECT:
            continue
        names = stations if kind == "yard" else prepared.zones.ids
        subject = _SUBJECT[kind]
        level = limits.at("terminal_capacity_level", subject, year)
        stated = limits.terminals[kind]
        capacity = np.array([stated[name][year] if name in stated else np.inf for name in names])
        # before anything has opened a place has no limit of its own
        capacity = np.where(capacity > 0, capacity * level, np.inf)
        found[kind] = Places(capacity, limits.at("scarcity_price", subject, year), limits.at("scarcity_power", subject, year))
    return found


def make_background(prepared: Prepared, costs: Costs, state: int, year: int) -> Background:
    """Return captive flows on the networks and over the berths of the ports.

    Parameters
    ----------
    prepared
        Networks and demand.
    costs
        Growth and levels.
    state, year
        Network state, and position on the year axis.
    """
    found = prepared.states[state]
    captive = found.captive
    level = costs.growth[captive.commodity, 0, year] * costs.group_level[captive.group, 0, year]
    tonnes = captive.t_per_year * level
    trucked = by_truck(1.0 - float(costs.siding_share[0, year]), 1.0 - float(costs.pipe_share[0, year]))
    flow = {}
    for name in LEG_NETWORKS:
        network = (
            found.inputs.pipelines[name][0].network if name in found.inputs.pipelines else getattr(found.inputs, name).network
        )
        n = len(network.terminals)
        matrix = np.zeros((n, n))
        mine = captive.legs.network == LEG_NETWORK[name]
        on_leg = tonnes[captive.legs.chain[mine]] * trucked[captive.legs.role[mine]]
        np.add.at(matrix, (captive.legs.start[mine], captive.legs.end[mine]), on_leg)
        np.fill_diagonal(matrix, 0.0)
        if matrix.any():
            flow[name] = matrix
    port, n_zone = prepared.zones.port, len(prepared.zones.ids)
    berth = np.zeros(n_zone)
    table = prepared.demand.captive
    for ends, weight in (
        (table["origin"].to_numpy(), tonnes),
        (table["destination"].to_numpy(), tonnes),
    ):
        berth += np.bincount(ends, weight, minlength=n_zone)
    stations = len(found.inputs.rail.network.terminals)
    load = _captive_loads(captive, tonnes, {kind: stations if kind == "yard" else n_zone for kind in _SUBJECT}, trucked)
    return Background(flow, load | {"berth": np.where(port, berth, 0.0)})


def _captive_loads(captive: Captive, tonnes: Array, sizes: Mapping[str, int], trucked: Array) -> dict[str, Array]:
    """Return what captive flows load on sidings, yards and pipe connections by kind ``[place]`` [t/yr]; berths are counted by port."""
    found = {}
    for kind, size in sizes.items():
        found[kind] = np.zeros(size)
        for name, share in ((kind, 1.0), ("site_yard", trucked[ROLE["site_drayage"]])):
            if kind in {name, "yard"}:
                mine = captive.stops.kind == TERMINAL_KIND[name]
                found[kind] += share * np.bincount(captive.stops.place[mine], tonnes[captive.stops.chain[mine]], minlength=size)
    return found
