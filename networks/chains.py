"""Transport chains between zones: road, rail with siding or truck at each end, land-sea-land, truck ro-ro, pipeline.

A chain is built from legs; every leg adds its components (:mod:`networks.cost`), its tonnes by mode and its kilometres. Terminals inside one mode
sequence are chosen once per network at reference costs (min-plus over the terminal pairs); which sequence is used is left to the choice model.
Truck access to a railway is offered only at ends without a siding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from networks.cost import COMPONENT, COMPONENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from networks.skim import Skim

#: Alternatives in the order of their codes.
ALTERNATIVES: tuple[str, ...] = (
    "road",
    "rail_siding_siding",
    "rail_truck_siding",
    "rail_siding_truck",
    "rail_truck_truck",
    "roro",
    "sea_truck",
    "sea_train",
    "pipeline_crude",
    "pipeline_product",
    "pipeline_gas",
)
#: Nest (main mode) of each alternative: 0 road, 1 rail, 2 water, 3 pipeline.
NEST = np.array([0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3], dtype=np.int64)
#: Modes of the tonne and kilometre columns.
LEG_MODES: tuple[str, ...] = ("road", "rail", "water", "pipeline")
_ROAD, _RAIL, _WATER, _PIPE = range(4)
#: Access kinds of a rail or pipeline terminal.
DIRECT, TRUCK, SITE_TRUCK = 0, 1, 2


@dataclass(frozen=True)
class Access:
    """Ways from zones to the terminals of a network, padded to the same number per zone.

    Attributes
    ----------
    terminal
        ``[zone, option]`` terminal of the network's skim, -1 = no option.
    cost
        Reference cost [CNY/t], infinite where there is no option.
    km, territory_km
        Length and part inside the province of the access leg [km].
    kind
        ``DIRECT`` (siding or pipe), ``TRUCK`` or ``SITE_TRUCK`` (truck at a large site that could get a siding).
    via
        Zone through which a truck reaches the terminal (for loading), -1 = none.
    """

    terminal: NDArray[np.int64]
    cost: NDArray[np.float64]
    km: NDArray[np.float64]
    territory_km: NDArray[np.float64]
    kind: NDArray[np.int64]
    via: NDArray[np.int64]


@dataclass(frozen=True)
class Legs:
    """Line-haul legs of chains for loading: chain, network name code, start and end terminal of that network."""

    chain: NDArray[np.int64]
    network: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]


#: Networks a leg can run on, by code.
LEG_NETWORKS: tuple[str, ...] = ("road", "rail", "sea", "roro", "crude", "product", "gas")


@dataclass(frozen=True)
class Part:
    """A stretch of chains, one row per chain; parts of the same chains add up.

    Attributes
    ----------
    ok
        Whether the stretch exists.
    cost
        Reference cost [CNY/t].
    components
        ``[chain, component]``.
    lifted
        Times a tonne is lifted by mode ``[chain, mode]``.
    km, territory_km
        Kilometres by mode ``[chain, mode]`` [km].
    site
        Truck access that a siding or pipe connection could replace: times lifted, km, km in the province ``[chain, 2, 3]`` (rail, pipeline).
    loaded
        1 where a train is loaded at a station in the province.
    legs
        Line-haul legs: (network code, start terminal, end terminal); terminal -1 = no leg.
    """

    ok: NDArray[np.bool_]
    cost: NDArray[np.float64]
    components: NDArray[np.float64]
    lifted: NDArray[np.float64]
    km: NDArray[np.float64]
    territory_km: NDArray[np.float64]
    site: NDArray[np.float64]
    loaded: NDArray[np.float64]
    legs: tuple[tuple[int, NDArray[np.int64], NDArray[np.int64]], ...] = ()

    @classmethod
    def empty(cls, n: int) -> Part:
        """Return ``n`` chains without any leg."""
        return cls(
            np.ones(n, dtype=np.bool_),
            np.zeros(n),
            np.zeros((n, len(COMPONENTS))),
            np.zeros((n, 4)),
            np.zeros((n, 4)),
            np.zeros((n, 4)),
            np.zeros((n, 2, 3)),
            np.zeros(n),
        )

    def __add__(self, other: Part) -> Part:
        """Join two stretches of the same chains."""
        return Part(
            self.ok & other.ok,
            self.cost + other.cost,
            self.components + other.components,
            self.lifted + other.lifted,
            self.km + other.km,
            self.territory_km + other.territory_km,
            self.site + other.site,
            self.loaded + other.loaded,
            self.legs + other.legs,
        )

    def take(self, rows: NDArray[np.int64]) -> Part:
        """Return some of the chains."""
        return Part(
            self.ok[rows],
            self.cost[rows],
            self.components[rows],
            self.lifted[rows],
            self.km[rows],
            self.territory_km[rows],
            self.site[rows],
            self.loaded[rows],
            tuple((code, start[rows], end[rows]) for code, start, end in self.legs),
        )


@dataclass(frozen=True)
class ChainSet:
    """All chains between the given pairs of zones, sorted by pair and alternative.

    Attributes
    ----------
    pair, alternative
        Pair index and alternative code of each chain.
    part
        Components, tonnes and kilometres of each chain.
    legs
        Line-haul legs for loading.
    shortest_km
        Shortest total length among the chains of each pair ``[pair]``, infinite without any [km].
    """

    pair: NDArray[np.int64]
    alternative: NDArray[np.int64]
    part: Part
    legs: Legs
    shortest_km: NDArray[np.float64]


@dataclass(frozen=True)
class ChainInputs:
    """Paths, access and reference costs that chains are built from (all arrays by zone index).

    Attributes
    ----------
    road
        Skim whose terminals are exactly the zones, with components ``expressway_km``, ``km``, ``hours``, ``territory_km``.
    intrazonal_km
        Length of a haul within each zone [km].
    in_province, port
        Per zone; ``port`` marks the ports in the province.
    rail
        Skim over rail stations, components ``tariff_km``, ``km``, ``hours``, ``territory_km``.
    rail_access
        Rail access by zone.
    station_in_province
        Per rail terminal.
    sea, roro
        Skims over port nodes, components ``km``, ``hours``, ``territory_km``.
    sea_port, roro_port
        Zone of each terminal of the sea and ro-ro skims, -1 = a port without zone.
    pipelines
        Skim and access by line kind (crude, product, gas).
    reference
        Reference cost per component ``[component]`` [CNY/t per unit].
    """

    road: Skim
    intrazonal_km: NDArray[np.float64]
    in_province: NDArray[np.bool_]
    port: NDArray[np.bool_]
    rail: Skim
    rail_access: Access
    station_in_province: NDArray[np.bool_]
    sea: Skim
    roro: Skim
    sea_port: NDArray[np.int64]
    roro_port: NDArray[np.int64]
    pipelines: dict[str, tuple[Skim, Access]]
    reference: NDArray[np.float64]


def road_part(inputs: ChainInputs, origin: NDArray[np.int64], destination: NDArray[np.int64]) -> Part:
    """Return truck stretches between zones; within a zone they have the zone's own length."""
    part = Part.empty(origin.size)
    same = origin == destination
    skim, found = inputs.road, inputs.road.components
    km = np.where(same, inputs.intrazonal_km[origin], found["km"][origin, destination])
    expressway = np.where(same, 0.0, found["expressway_km"][origin, destination])
    territory = np.where(same, km * inputs.in_province[origin], found["territory_km"][origin, destination])
    inside_h = inputs.intrazonal_km[origin] / _mean_speed(skim)
    hours = np.where(same, inside_h, found["hours"][origin, destination])
    part.components[:, COMPONENT["road_expressway_km"]] = expressway
    part.components[:, COMPONENT["road_other_km"]] = km - expressway
    part.components[:, COMPONENT["road_h"]] = hours
    part.components[:, COMPONENT["road_load"]] = 1.0
    part.lifted[:, _ROAD] = 1.0
    part.km[:, _ROAD] = km
    part.territory_km[:, _ROAD] = territory
    ok = same | np.isfinite(skim.cost[origin, destination])
    cost = part.components @ inputs.reference
    start, end = np.where(same, -1, origin), np.where(same, -1, destination)
    return _with(part, ok, cost, ((0, start, end),))


def _mean_speed(skim: Skim) -> float:
    """Return the mean speed of the ordinary roads of a network [km/h]."""
    ordinary = skim.network.is_class("expressway") == 0
    hours = skim.network.hours[ordinary].sum()
    return float(skim.network.length_km[ordinary].sum() / hours) if hours > 0 else 1.0


def _with(
    part: Part,
    ok: NDArray[np.bool_],
    cost: NDArray[np.float64],
    legs: tuple[tuple[int, NDArray[np.int64], NDArray[np.int64]], ...],
) -> Part:
    return Part(
        ok, np.where(ok, cost, np.inf), part.components, part.lifted, part.km, part.territory_km, part.site, part.loaded, legs
    )


def rail_part(inputs: ChainInputs, origin: NDArray[np.int64], destination: NDArray[np.int64]) -> tuple[Part, NDArray[np.int64]]:
    """Return rail stretches between zones with their access, and the alternative code of each.

    Notes
    -----
    Terminals minimise access + line haul + egress at reference cost over the options of both zones.
    """
    access, skim, ref = inputs.rail_access, inputs.rail, inputs.reference
    n = origin.size
    part = Part.empty(n)
    options = access.terminal.shape[1]
    best = np.full(n, np.inf)
    best_a, best_b = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    if len(skim.network.terminals):
        for a in range(options):
            for b in range(options):
                start, end = access.terminal[origin, a], access.terminal[destination, b]
                usable = (start >= 0) & (end >= 0) & (start != end)
                line = np.where(usable, skim.cost[np.maximum(start, 0), np.maximum(end, 0)], np.inf)
                total = access.cost[origin, a] + line + access.cost[destination, b]
                better = total < best
                best = np.where(better, total, best)
                best_a, best_b = np.where(better, a, best_a), np.where(better, b, best_b)
    ok = np.isfinite(best)
    start = np.where(ok, access.terminal[origin, best_a], 0)
    end = np.where(ok, access.terminal[destination, best_b], 0)
    kind_a, kind_b = access.kind[origin, best_a], access.kind[destination, best_b]
    if len(skim.network.terminals):
        found = {k: v[start, end] for k, v in skim.components.items()}
        part.components[:, COMPONENT["rail_tariff_km"]] = found["tariff_km"]
        part.components[:, COMPONENT["rail_h"]] = found["hours"]
        part.km[:, _RAIL] = found["km"]
        part.territory_km[:, _RAIL] = found["territory_km"]
        part.loaded[:] = inputs.station_in_province[start]
    part.components[:, COMPONENT["rail_load"]] = 1.0
    part.lifted[:, _RAIL] = 1.0
    for zone, option, kind in ((origin, best_a, kind_a), (destination, best_b, kind_b)):
        _add_access(part, access, zone, option, kind, 0)
    cost = part.components @ ref
    alternative = np.where(kind_a == DIRECT, 1, 2) + np.where(kind_b == DIRECT, 0, 2)
    rail_leg = (1, np.where(ok, start, -1), np.where(ok, end, -1))
    truck_in = _truck_leg(access, origin, best_a, ok)
    truck_out = _truck_leg(access, destination, best_b, ok)
    return _with(part, ok, cost, (rail_leg, truck_in, (0, truck_out[2], truck_out[1]))), alternative


def _add_access(
    part: Part, access: Access, zone: NDArray[np.int64], option: NDArray[np.int64], kind: NDArray[np.int64], which: int
) -> None:
    """Add the access leg at one end to a rail (``which`` 0) or pipeline (1) part."""
    km, territory = access.km[zone, option], access.territory_km[zone, option]
    direct, truck, site = kind == DIRECT, kind == TRUCK, kind == SITE_TRUCK
    if which == 0:
        part.components[:, COMPONENT["siding_end"]] += direct
        part.components[:, COMPONENT["drayage_end"]] += truck
        part.components[:, COMPONENT["drayage_km"]] += truck * km
        part.components[:, COMPONENT["site_drayage_end"]] += site
        part.components[:, COMPONENT["site_drayage_km"]] += site * km
        part.lifted[:, _ROAD] += truck
        part.km[:, _ROAD] += truck * km
        part.territory_km[:, _ROAD] += truck * territory
        part.km[:, _RAIL] += direct * km
        part.territory_km[:, _RAIL] += direct * territory
        part.site[:, 0] += site[:, None] * np.stack([np.ones_like(km), km, territory], axis=1)
    else:
        part.components[:, COMPONENT["last_mile_end"]] += ~direct
        part.components[:, COMPONENT["last_mile_km"]] += ~direct * km
        part.km[:, _PIPE] += direct * km
        part.territory_km[:, _PIPE] += direct * territory
        part.site[:, 1] += ~direct[:, None] * np.stack([np.ones_like(km), km, territory], axis=1)


def _truck_leg(
    access: Access, zone: NDArray[np.int64], option: NDArray[np.int64], ok: NDArray[np.bool_]
) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    via = access.via[zone, option]
    used = ok & (access.kind[zone, option] != DIRECT) & (via >= 0) & (via != zone)
    return 0, np.where(used, zone, -1), np.where(used, via, -1)


def _ship_part(skim: Skim, code: int, start: NDArray[np.int64], end: NDArray[np.int64], reference: NDArray[np.float64]) -> Part:
    part = Part.empty(start.size)
    km, load = ("roro_km", "roro_load") if code == LEG_NETWORKS.index("roro") else ("sea_km", "sea_load")
    part.components[:, COMPONENT[km]] = skim.components["km"][start, end]
    part.components[:, COMPONENT["sea_h"]] = skim.components["hours"][start, end]
    part.components[:, COMPONENT[load]] = 1.0
    part.lifted[:, _WATER] = 1.0
    part.km[:, _WATER] = skim.components["km"][start, end]
    part.territory_km[:, _WATER] = skim.components["territory_km"][start, end]
    ok = np.isfinite(skim.cost[start, end]) & (start != end)
    return _with(part, ok, part.components @ reference, ((code, start, end),))


def sea_part(inputs: ChainInputs, origin: NDArray[np.int64], destination: NDArray[np.int64], *, roro: bool, train: bool) -> Part:
    """Return land-sea-land stretches between a zone in the province and one outside.

    Parameters
    ----------
    inputs
        Paths and access.
    origin, destination
        Zones; pairs inside the province or wholly outside have no such chain.
    roro
        Trucks on ro-ro ships instead of cargo in coastal ships.
    train
        Feeder by train at the end in the province (else by truck); the end outside is always fed by truck.

    Notes
    -----
    Ports minimise feeder + sea + feeder at reference cost.
    """
    skim, zone_of = (inputs.roro, inputs.roro_port) if roro else (inputs.sea, inputs.sea_port)
    code = LEG_NETWORKS.index("roro" if roro else "sea")
    mixed = inputs.in_province[origin] != inputs.in_province[destination]
    near = np.where(inputs.in_province[origin], origin, destination)
    far = np.where(inputs.in_province[origin], destination, origin)
    ports = np.flatnonzero(zone_of >= 0)
    home = ports[inputs.in_province[zone_of[ports]]]
    away = ports[~inputs.in_province[zone_of[ports]]]
    n = origin.size
    if home.size == 0 or away.size == 0 or not mixed.any():
        blank = Part.empty(n)
        return _with(blank, np.zeros(n, dtype=np.bool_), blank.cost, ())
    zones = np.arange(inputs.in_province.size)
    near_cost = _feeder_costs(inputs, zones, zone_of[home], train=train)
    far_cost = _feeder_costs(inputs, zones, zone_of[away], train=False)
    ship = _ship_part(skim, code, np.repeat(home, away.size), np.tile(away, home.size), inputs.reference).cost.reshape(
        home.size, away.size
    )
    best, home_pick, away_pick = np.full(n, np.inf), np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    for i in range(home.size):
        for j in range(away.size):
            total = near_cost[near, i] + ship[i, j] + far_cost[far, j]
            better = total < best
            best = np.where(better, total, best)
            home_pick, away_pick = np.where(better, i, home_pick), np.where(better, j, away_pick)
    ok = mixed & np.isfinite(best)
    near_port, far_port = zone_of[home[home_pick]], zone_of[away[away_pick]]
    outward = inputs.in_province[origin]
    first_port, last_port = np.where(outward, near_port, far_port), np.where(outward, far_port, near_port)
    start, end = np.where(outward, home[home_pick], away[away_pick]), np.where(outward, away[away_pick], home[home_pick])
    # the feeder of an end that is the port itself has no length, and no leg
    first = _feeder(inputs, origin, first_port, train=train, inside=outward)
    last = _feeder(inputs, last_port, destination, train=train, inside=~outward)
    made = first + _ship_part(skim, code, start, end, inputs.reference) + last
    if not roro:
        made.components[:, COMPONENT["port_train_box" if train else "port_truck_bulk"]] = near != near_port
    return _with(made, ok & made.ok, made.cost, made.legs)


def _feeder_costs(
    inputs: ChainInputs, zones: NDArray[np.int64], port_zones: NDArray[np.int64], *, train: bool
) -> NDArray[np.float64]:
    """Return the cost of feeding from each zone to each port ``[zone, port]``; zero at the port itself."""
    origin, destination = np.repeat(zones, port_zones.size), np.tile(port_zones, zones.size)
    part = rail_part(inputs, origin, destination)[0] if train else road_part(inputs, origin, destination)
    cost = np.where(origin == destination, np.inf if train else 0.0, part.cost)
    return cost.reshape(zones.size, port_zones.size)


def _feeder(
    inputs: ChainInputs, origin: NDArray[np.int64], destination: NDArray[np.int64], *, train: bool, inside: NDArray[np.bool_]
) -> Part:
    """Return feeder stretches: by train where asked and inside the province, else by truck; nothing at the port itself."""
    truck = road_part(inputs, origin, destination)
    nothing = Part.empty(origin.size)
    at_port = origin == destination
    made = _choose(at_port, nothing, truck)
    if not train:
        return made
    return _choose(inside, rail_part(inputs, origin, destination)[0], made)


def _choose(condition: NDArray[np.bool_], yes: Part, no: Part) -> Part:
    """Return one part where the condition holds and the other elsewhere; legs of the part not chosen are struck out."""

    def pick(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(condition.reshape(-1, *([1] * (a.ndim - 1))), a, b)

    legs = [(code, np.where(condition, s, -1), np.where(condition, e, -1)) for code, s, e in yes.legs]
    legs += [(code, np.where(condition, -1, s), np.where(condition, -1, e)) for code, s, e in no.legs]
    return Part(
        np.where(condition, yes.ok, no.ok),
        pick(yes.cost, no.cost),
        pick(yes.components, no.components),
        pick(yes.lifted, no.lifted),
        pick(yes.km, no.km),
        pick(yes.territory_km, no.territory_km),
        pick(yes.site, no.site),
        pick(yes.loaded, no.loaded),
        tuple(legs),
    )


def pipeline_part(inputs: ChainInputs, kind: str, origin: NDArray[np.int64], destination: NDArray[np.int64]) -> Part:
    """Return pipeline stretches of one kind, with a truck last mile at ends that have no pipe (at most one such end)."""
    skim, access = inputs.pipelines[kind]
    n = origin.size
    part = Part.empty(n)
    code = LEG_NETWORKS.index(kind)
    if not skim.network.terminals:
        return _with(part, np.zeros(n, dtype=np.bool_), part.cost, ())
    start, end = access.terminal[origin, 0], access.terminal[destination, 0]
    direct_a, direct_b = access.kind[origin, 0] == DIRECT, access.kind[destination, 0] == DIRECT
    ok = (start >= 0) & (end >= 0) & (start != end) & (direct_a | direct_b)
    s, e = np.maximum(start, 0), np.maximum(end, 0)
    ok &= np.isfinite(skim.cost[s, e])
    part.components[:, COMPONENT["pipeline_km"]] = skim.components["km"][s, e]
    part.components[:, COMPONENT["pipeline_load"]] = 1.0
    part.lifted[:, _PIPE] = 1.0
    part.km[:, _PIPE] = skim.components["km"][s, e]
    part.territory_km[:, _PIPE] = skim.components["territory_km"][s, e]
    first = np.zeros(n, dtype=np.int64)
    for zone in (origin, destination):
        _add_access(part, access, zone, first, access.kind[zone, 0], 1)
    truck_in = _truck_leg(access, origin, first, ok)
    truck_out = _truck_leg(access, destination, first, ok)
    legs = ((code, np.where(ok, s, -1), np.where(ok, e, -1)), truck_in, (0, truck_out[2], truck_out[1]))
    return _with(part, ok, part.components @ inputs.reference, legs)


def build_chains(inputs: ChainInputs, origin: NDArray[np.int64], destination: NDArray[np.int64]) -> ChainSet:
    """Build every chain of the given pairs of zones.

    Parameters
    ----------
    inputs
        Paths, access and reference costs of one network.
    origin, destination
        Zones of each pair.

    Returns
    -------
    ChainSet
        Sorted by pair and alternative.
    """
    n = origin.size
    rail, rail_alternative = rail_part(inputs, origin, destination)
    road = road_part(inputs, origin, destination)
    at_port = (inputs.port[origin] | inputs.port[destination]) & (origin != destination)
    road.components[:, COMPONENT["port_truck_bulk"]] = at_port
    rail.components[:, COMPONENT["port_train_box"]] = at_port
    everything = np.arange(n)
    # only hauls between the province and the outside can change to a ship: nothing else is built for them
    mixed = np.flatnonzero(inputs.in_province[origin] != inputs.in_province[destination])
    near, far = origin[mixed], destination[mixed]
    parts: list[tuple[Part, NDArray[np.int64], NDArray[np.int64]]] = [
        (road, np.full(n, 0), everything),
        (rail, rail_alternative, everything),
        (sea_part(inputs, near, far, roro=True, train=False), np.full(mixed.size, 5), mixed),
        (sea_part(inputs, near, far, roro=False, train=False), np.full(mixed.size, 6), mixed),
        (sea_part(inputs, near, far, roro=False, train=True), np.full(mixed.size, 7), mixed),
    ]
    for code, kind in enumerate(("crude", "product", "gas")):
        parts.append((pipeline_part(inputs, kind, origin, destination), np.full(n, 8 + code), everything))
    pair = np.concatenate([index[p.ok] for p, _, index in parts])
    alternative = np.concatenate([a[p.ok] for p, a, _ in parts])
    kept = [p.take(np.flatnonzero(p.ok)) for p, _, _ in parts]
    order = np.lexsort((alternative, pair))
    place = np.empty(order.size, dtype=np.int64)
    place[order] = np.arange(order.size)
    offset, leg_rows = 0, []
    for p in kept:
        rows = place[offset : offset + p.ok.size]
        for code, start, end in p.legs:
            used = start >= 0
            leg_rows.append((rows[used], np.full(int(used.sum()), code), start[used], end[used]))
        offset += p.ok.size
    legs = Legs(*(np.concatenate(c).astype(np.int64) for c in zip(*leg_rows, strict=True)))
    whole = _stack(kept).take(order)
    pair, alternative = pair[order], alternative[order].astype(np.int64)
    length = whole.km.sum(axis=1) + whole.site[:, :, 1].sum(axis=1)
    shortest = np.full(n, np.inf)
    np.minimum.at(shortest, pair, length)
    return ChainSet(pair, alternative, whole, legs, shortest)


def _stack(parts: Sequence[Part]) -> Part:
    """Put the chains of several parts one after another; their legs are gathered elsewhere."""

    def join(name: str) -> NDArray[np.float64]:
        return np.concatenate([getattr(p, name) for p in parts], axis=0)

    return Part(
        np.concatenate([p.ok for p in parts]),
        join("cost"),
        join("components"),
        join("lifted"),
        join("km"),
        join("territory_km"),
        join("site"),
        join("loaded"),
    )
