"""Transport chains between zones: road, rail with siding or truck at each end, land-sea-land, truck ro-ro, pipeline.

A chain is built from legs (:mod:`networks.parts`); every leg adds its components (:mod:`networks.cost`), its tonnes by mode and its kilometres.
Terminals inside one mode sequence are found by min-plus composition of single-mode skims at reference costs; the two best pairs are kept, of coastal
ships the three best ports. Which sequence is used, and which of its terminal pairs or ports, is left to the choice model. Truck access to a railway
is offered only at ends without a siding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from networks.cost import COMPONENT
from networks.parts import (
    ALTERNATIVES,
    DIRECT,
    LEG_MODES,
    LEG_NETWORK,
    LEG_NETWORKS,
    NEST,
    PIPE,
    RAIL,
    ROAD,
    SITE_TRUCK,
    TERMINAL_KIND,
    TRUCK,
    WATER,
    Access,
    ChainInputs,
    ChainSet,
    Legs,
    Part,
    Stops,
    choose,
    closed,
    leg_code,
    stack,
    with_route,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from networks.skim import Skim

__all__ = [
    "ALTERNATIVES",
    "DIRECT",
    "LEG_MODES",
    "LEG_NETWORKS",
    "NEST",
    "SITE_TRUCK",
    "TRUCK",
    "Access",
    "ChainInputs",
    "ChainSet",
    "Legs",
    "Part",
    "Stops",
    "build_chains",
    "pipeline_part",
    "rail_part",
    "road_part",
    "sea_part",
    "without_chains",
]

#: Terminal pairs kept per mode sequence: the best, and the best that shares not both of its terminals.
RANKS = 2
#: Ports of the province kept per coastal chain.
PORT_RANKS = 3


def road_part(inputs: ChainInputs, origin: NDArray[np.int64], destination: NDArray[np.int64], *, ordinary: bool = False) -> Part:
    """Return truck stretches between zones; within a zone they have the zone's own length.

    Parameters
    ----------
    inputs
        Paths and access.
    origin, destination
        Zones.
    ordinary
        Keep off the expressways; exists only where the best route uses one.
    """
    part = Part.empty(origin.size)
    same = origin == destination
    skim = inputs.ordinary if ordinary else inputs.road
    found = skim.components
    km = np.where(same, inputs.intrazonal_km[origin], found["km"][origin, destination])
    expressway = np.where(same, 0.0, found["expressway_km"][origin, destination])
    territory = np.where(same, km * inputs.in_province[origin], found["territory_km"][origin, destination])
    inside_h = inputs.intrazonal_km[origin] / _mean_speed(inputs.road)
    hours = np.where(same, inside_h, found["hours"][origin, destination])
    part.components[:, COMPONENT["road_expressway_km"]] = expressway
    part.components[:, COMPONENT["road_other_km"]] = km - expressway
    part.components[:, COMPONENT["road_h"]] = hours
    part.components[:, COMPONENT["road_load"]] = 1.0
    part.lifted[:, ROAD] = 1.0
    part.km[:, ROAD] = km
    part.territory_km[:, ROAD] = territory
    ok = same | np.isfinite(skim.cost[origin, destination])
    if ordinary:
        ok = ~same & np.isfinite(skim.cost[origin, destination])
        ok &= inputs.road.components["expressway_km"][origin, destination] > 0.0
    start, end = np.where(same, -1, origin), np.where(same, -1, destination)
    code = LEG_NETWORK["ordinary" if ordinary else "road"]
    return closed(with_route(part, [(code, start, end)]), ok, part.components @ inputs.reference)


def _mean_speed(skim: Skim) -> float:
    """Return the mean speed of the ordinary roads of a network [km/h]."""
    ordinary = skim.network.is_class("expressway") == 0
    hours = skim.network.hours[ordinary].sum()
    return float(skim.network.length_km[ordinary].sum() / hours) if hours > 0 else 1.0


def rail_part(
    inputs: ChainInputs, origin: NDArray[np.int64], destination: NDArray[np.int64], *, rank: int = 0
) -> tuple[Part, NDArray[np.int64]]:
    """Return rail stretches between zones with their access, and the alternative code of each.

    Parameters
    ----------
    inputs
        Paths and access.
    origin, destination
        Zones.
    rank
        0 for the best terminal pair, 1 for the second best.

    Notes
    -----
    Terminal pairs minimise access + line haul + egress at reference cost over the options of both zones (min-plus).
    """
    access, skim = inputs.rail_access, inputs.rail
    n = origin.size
    part = Part.empty(n)
    best, best_a, best_b = _rail_pairs(inputs, origin, destination, rank)
    # a haul within one place may not go out to a yard of the next one and back
    ok = np.isfinite(best) & (origin != destination)
    start = np.where(ok, access.terminal[origin, best_a], 0)
    end = np.where(ok, access.terminal[destination, best_b], 0)
    kind_a, kind_b = access.kind[origin, best_a], access.kind[destination, best_b]
    if len(skim.network.terminals):
        found = {k: v[start, end] for k, v in skim.components.items()}
        part.components[:, COMPONENT["rail_tariff_km"]] = found["tariff_km"]
        part.components[:, COMPONENT["rail_h"]] = found["hours"]
        part.km[:, RAIL] = found["km"]
        part.territory_km[:, RAIL] = found["territory_km"]
        part.loaded[:] = inputs.station_in_province[start]
    part.components[:, COMPONENT["rail_load"]] = 1.0
    part.lifted[:, RAIL] = 1.0
    for zone, option, kind in ((origin, best_a, kind_a), (destination, best_b, kind_b)):
        _add_access(part, access, zone, option, kind, 0)
    alternative = ALTERNATIVES.index("rail_siding_siding") + np.where(kind_a == DIRECT, 0, 1) + np.where(kind_b == DIRECT, 0, 2)
    rail_leg = (LEG_NETWORK["rail"], np.where(ok, start, -1), np.where(ok, end, -1))
    truck_in = _truck_legs(access, origin, best_a, ok, ("drayage", "site_drayage"))
    truck_out = _truck_legs(access, destination, best_b, ok, ("drayage", "site_drayage"), outward=True)
    stops = [_rail_stop(origin, start, kind_a, ok), _rail_stop(destination, end, kind_b, ok)]
    made = with_route(part, [rail_leg, *truck_in, *truck_out], stops)
    return closed(made, ok, part.components @ inputs.reference), alternative


def _rail_pairs(
    inputs: ChainInputs, origin: NDArray[np.int64], destination: NDArray[np.int64], rank: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return cost and access options of the terminal pair of a rank; infinite where there is no such pair."""
    access, skim = inputs.rail_access, inputs.rail
    n, options = origin.size, access.terminal.shape[1]
    if not len(skim.network.terminals):
        return np.full(n, np.inf), np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    total = np.full((n, options * options), np.inf)
    for a in range(options):
        for b in range(options):
            start, end = access.terminal[origin, a], access.terminal[destination, b]
            usable = (start >= 0) & (end >= 0) & (start != end)
            line = np.where(usable, skim.cost[np.maximum(start, 0), np.maximum(end, 0)], np.inf)
            total[:, a * options + b] = access.cost[origin, a] + line + access.cost[destination, b]
    rows = np.arange(n)
    pick = np.argmin(total, axis=1)
    for _ in range(rank):
        total[rows, pick] = np.inf
        pick = np.argmin(total, axis=1)
    return total[rows, pick], pick // options, pick % options


def _rail_stop(
    zone: NDArray[np.int64], station: NDArray[np.int64], kind: NDArray[np.int64], ok: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the terminal of a rail end: the siding of the zone, or the yard at the station."""
    codes = np.array([TERMINAL_KIND["siding"], TERMINAL_KIND["yard"], TERMINAL_KIND["site_yard"]])
    return codes[kind], np.where(ok, np.where(kind == DIRECT, zone, station), -1)


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
        part.lifted[:, ROAD] += truck
        part.km[:, ROAD] += truck * km
        part.territory_km[:, ROAD] += truck * territory
        part.km[:, RAIL] += direct * km
        part.territory_km[:, RAIL] += direct * territory
        part.site[:, 0] += site[:, None] * np.stack([np.ones_like(km), km, territory], axis=1)
    else:
        part.components[:, COMPONENT["last_mile_end"]] += ~direct
        part.components[:, COMPONENT["last_mile_km"]] += ~direct * km
        part.km[:, PIPE] += direct * km
        part.territory_km[:, PIPE] += direct * territory
        part.site[:, 1] += ~direct[:, None] * np.stack([np.ones_like(km), km, territory], axis=1)


def _truck_legs(
    access: Access,
    zone: NDArray[np.int64],
    option: NDArray[np.int64],
    ok: NDArray[np.bool_],
    roles: Sequence[str],
    *,
    outward: bool = False,
) -> list[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """Return the truck legs to terminals (``outward``: from them), by what they are for: the roles of ``TRUCK`` and, if named, of ``SITE_TRUCK``."""
    via, kind = access.via[zone, option], access.kind[zone, option]
    used = ok & (kind != DIRECT) & (via >= 0) & (via != zone)
    found = []
    for place, role in enumerate(roles):
        mine = used if len(roles) == 1 else used & (kind == (TRUCK, SITE_TRUCK)[place])
        if mine.any():
            ends = np.where(mine, zone, -1), np.where(mine, via, -1)
            found.append((leg_code("road", role), *(ends[::-1] if outward else ends)))
    return found


def _ship_part(skim: Skim, code: int, start: NDArray[np.int64], end: NDArray[np.int64], reference: NDArray[np.float64]) -> Part:
    part = Part.empty(start.size)
    km, load = ("roro_km", "roro_load") if code == LEG_NETWORK["roro"] else ("sea_km", "sea_load")
    part.components[:, COMPONENT[km]] = skim.components["km"][start, end]
    part.components[:, COMPONENT["sea_h"]] = skim.components["hours"][start, end]
    part.components[:, COMPONENT[load]] = 1.0
    part.lifted[:, WATER] = 1.0
    part.km[:, WATER] = skim.components["km"][start, end]
    part.territory_km[:, WATER] = skim.components["territory_km"][start, end]
    ok = np.isfinite(skim.cost[start, end]) & (start != end)
    return closed(with_route(part, [(code, start, end)]), ok, part.components @ reference)


def sea_part(
    inputs: ChainInputs,
    origin: NDArray[np.int64],
    destination: NDArray[np.int64],
    *,
    roro: bool,
    train: bool,
    rank: int = 0,
    usable: NDArray[np.bool_] | None = None,
) -> tuple[Part, NDArray[np.int64]]:
    """Return land-sea-land stretches between a zone in the province and one outside, and the port of the province of each.

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
    rank
        0 for the best port of the province, 1 for the second best, and so on.
    usable
        Ports of the province that each pair may use ``[pair, zone]``; without it all of them.

    Notes
    -----
    Ports minimise feeder + sea + feeder at reference cost (min-plus); the port outside is the best one for each port of the province.
    """
    skim, zone_of = (inputs.roro, inputs.roro_port) if roro else (inputs.sea, inputs.sea_port)
    code = LEG_NETWORK["roro" if roro else "sea"]
    mixed = inputs.in_province[origin] != inputs.in_province[destination]
    near = np.where(inputs.in_province[origin], origin, destination)
    far = np.where(inputs.in_province[origin], destination, origin)
    ports = np.flatnonzero(zone_of >= 0)
    home = ports[inputs.in_province[zone_of[ports]]]
    away = ports[~inputs.in_province[zone_of[ports]]]
    n = origin.size
    if home.size <= rank or away.size == 0 or not mixed.any():
        return closed(Part.empty(n), np.zeros(n, dtype=np.bool_), np.full(n, np.inf)), np.full(n, -1)
    zones = np.arange(inputs.in_province.size)
    near_cost = _feeder_costs(inputs, zones, zone_of[home], train=train)
    far_cost = _feeder_costs(inputs, zones, zone_of[away], train=False)
    ship = _ship_part(skim, code, np.repeat(home, away.size), np.tile(away, home.size), inputs.reference).cost.reshape(
        home.size, away.size
    )
    total = np.full((n, home.size), np.inf)
    away_of = np.zeros((n, home.size), dtype=np.int64)
    for i in range(home.size):
        through = ship[i, :][None, :] + far_cost[far]
        away_of[:, i] = np.argmin(through, axis=1)
        total[:, i] = near_cost[near, i] + through[np.arange(n), away_of[:, i]]
        if usable is not None:
            total[~usable[:, zone_of[home[i]]], i] = np.inf
    rows = np.arange(n)
    home_pick = np.argmin(total, axis=1)
    for _ in range(rank):
        total[rows, home_pick] = np.inf
        home_pick = np.argmin(total, axis=1)
    ok = mixed & np.isfinite(total[rows, home_pick])
    away_pick = away_of[rows, home_pick]
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
    ok &= made.ok
    berth = (np.full(n, TERMINAL_KIND["berth"]), np.where(ok, near_port, -1))
    return closed(with_route(made, made.legs, (*made.stops, berth)), ok, made.cost), near_port


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
    made = choose(at_port, nothing, truck)
    if not train:
        return made
    return choose(inside, rail_part(inputs, origin, destination)[0], made)


def pipeline_part(inputs: ChainInputs, kind: str, origin: NDArray[np.int64], destination: NDArray[np.int64]) -> Part:
    """Return pipeline stretches of one kind, with a truck last mile at ends that have no pipe (at most one such end)."""
    skim, access = inputs.pipelines[kind]
    n = origin.size
    part = Part.empty(n)
    code = LEG_NETWORK[kind]
    if not skim.network.terminals:
        return closed(part, np.zeros(n, dtype=np.bool_), part.cost)
    start, end = access.terminal[origin, 0], access.terminal[destination, 0]
    direct_a, direct_b = access.kind[origin, 0] == DIRECT, access.kind[destination, 0] == DIRECT
    ok = (start >= 0) & (end >= 0) & (start != end) & (direct_a | direct_b)
    s, e = np.maximum(start, 0), np.maximum(end, 0)
    ok &= np.isfinite(skim.cost[s, e])
    part.components[:, COMPONENT["pipeline_km"]] = skim.components["km"][s, e]
    part.components[:, COMPONENT["pipeline_load"]] = 1.0
    part.lifted[:, PIPE] = 1.0
    part.km[:, PIPE] = skim.components["km"][s, e]
    part.territory_km[:, PIPE] = skim.components["territory_km"][s, e]
    first = np.zeros(n, dtype=np.int64)
    for zone in (origin, destination):
        _add_access(part, access, zone, first, access.kind[zone, 0], 1)
    truck_in = _truck_legs(access, origin, first, ok, ("last_mile",))
    truck_out = _truck_legs(access, destination, first, ok, ("last_mile",), outward=True)
    legs = [(code, np.where(ok, s, -1), np.where(ok, e, -1)), *truck_in, *truck_out]
    pipe = np.full(n, TERMINAL_KIND[kind])
    stops = [(pipe, np.where(ok & direct, zone, -1)) for zone, direct in ((origin, direct_a), (destination, direct_b))]
    return closed(with_route(part, legs, stops), ok, part.components @ inputs.reference)


@dataclass(frozen=True)
class _Piece:
    """Chains of one alternative and rank: their pairs, and the port of a coastal chain (-1 = none)."""

    part: Part
    alternative: NDArray[np.int64]
    pair: NDArray[np.int64]
    rank: int
    port: NDArray[np.int64]


def build_chains(
    inputs: ChainInputs,
    origin: NDArray[np.int64],
    destination: NDArray[np.int64],
    *,
    usable_ports: NDArray[np.bool_] | None = None,
) -> ChainSet:
    """Build every chain of the given pairs of zones.

    Parameters
    ----------
    inputs
        Paths, access and reference costs of one network.
    origin, destination
        Zones of each pair.
    usable_ports
        Ports of the province that the coastal chains of each pair may use ``[pair, zone]``; without it all of them.

    Returns
    -------
    ChainSet
        Sorted by pair, alternative and rank.
    """
    n = origin.size
    road = road_part(inputs, origin, destination)
    ordinary = road_part(inputs, origin, destination, ordinary=True)
    at_port = (inputs.port[origin] | inputs.port[destination]) & (origin != destination)
    road.components[:, COMPONENT["port_truck_bulk"]] = at_port
    ordinary.components[:, COMPONENT["port_truck_bulk"]] = at_port
    everything, nowhere = np.arange(n), np.full(n, -1)
    pieces = [
        _Piece(road, np.full(n, ALTERNATIVES.index("road")), everything, 0, nowhere),
        _Piece(ordinary, np.full(n, ALTERNATIVES.index("road_ordinary")), everything, 0, nowhere),
    ]
    for rank in range(RANKS):
        rail, rail_alternative = rail_part(inputs, origin, destination, rank=rank)
        rail.components[:, COMPONENT["port_train_box"]] = at_port
        pieces.append(_Piece(rail, rail_alternative, everything, rank, nowhere))
    # only hauls between the province and the outside can change to a ship: nothing else is built for them
    mixed = np.flatnonzero(inputs.in_province[origin] != inputs.in_province[destination])
    near, far = origin[mixed], destination[mixed]
    for name, roro, train in (("roro", True, False), ("sea_truck", False, False), ("sea_train", False, True)):
        code = np.full(mixed.size, ALTERNATIVES.index(name))
        usable = None if roro or usable_ports is None else usable_ports[mixed]
        for rank in range(RANKS if roro else PORT_RANKS):
            part, port = sea_part(inputs, near, far, roro=roro, train=train, rank=rank, usable=usable)
            # the lorry that takes a ferry crosses where its driver likes: no port is chosen for it
            pieces.append(_Piece(part, code, mixed, rank, np.full(mixed.size, -1) if roro else port))
    for kind in ("crude", "product", "gas"):
        code = np.full(n, ALTERNATIVES.index(f"pipeline_{kind}"))
        pieces.append(_Piece(pipeline_part(inputs, kind, origin, destination), code, everything, 0, nowhere))
    return _collect(inputs, pieces, origin, destination)


def without_chains(chains: ChainSet, gone: NDArray[np.int64]) -> ChainSet:
    """Return a set without some of its chains; the shortest lengths of the pairs stay.

    Parameters
    ----------
    chains
        From :func:`build_chains`.
    gone
        Chains to leave out; one may stand in it several times.
    """
    keep = np.ones(chains.pair.size, dtype=np.bool_)
    keep[gone] = False
    place = np.cumsum(keep) - 1
    legs, stops = keep[chains.legs.chain], keep[chains.stops.chain]
    arrays = (chains.legs.network, chains.legs.start, chains.legs.end, chains.legs.role)
    return ChainSet(
        chains.pair[keep],
        chains.alternative[keep],
        chains.rank[keep],
        chains.part.take(np.flatnonzero(keep)),
        Legs(place[chains.legs.chain[legs]], *(a[legs] for a in arrays)),
        Stops(place[chains.stops.chain[stops]], chains.stops.kind[stops], chains.stops.place[stops]),
        chains.shortest_km,
        chains.port[keep],
        chains.seaward[keep],
    )


def _collect(
    inputs: ChainInputs, pieces: Sequence[_Piece], origin: NDArray[np.int64], destination: NDArray[np.int64]
) -> ChainSet:
    """Put the chains that exist into one sorted set; an end that is a port of the province is a berth that every chain of the pair passes."""
    pair = np.concatenate([p.pair[p.part.ok] for p in pieces])
    alternative = np.concatenate([p.alternative[p.part.ok] for p in pieces])
    rank = np.concatenate([np.full(int(p.part.ok.sum()), p.rank) for p in pieces])
    port = np.concatenate([p.port[p.part.ok] for p in pieces])
    kept = [p.part.take(np.flatnonzero(p.part.ok)) for p in pieces]
    order = np.lexsort((rank, alternative, pair))
    place = np.empty(order.size, dtype=np.int64)
    place[order] = np.arange(order.size)
    offset, leg_rows, stop_rows = 0, [], []
    for p in kept:
        rows = place[offset : offset + p.ok.size]
        for code, start, end in p.legs:
            used = start >= 0
            leg_rows.append((rows[used], np.full(int(used.sum()), code), start[used], end[used]))
        for kind, where in p.stops:
            used = where >= 0
            stop_rows.append((rows[used], kind[used], where[used]))
        offset += p.ok.size
    pair, alternative, rank, port = pair[order], alternative[order].astype(np.int64), rank[order].astype(np.int64), port[order]
    for end in (origin, destination):
        rows = np.flatnonzero(inputs.port[end[pair]] & (origin[pair] != destination[pair]))
        stop_rows.append((rows, np.full(rows.size, TERMINAL_KIND["berth"]), end[pair[rows]]))
    blank = np.zeros(0, dtype=np.int64)
    legs = Legs.of(*(np.concatenate([blank, *c]).astype(np.int64) for c in zip(*leg_rows, strict=True)))
    stops = Stops(*(np.concatenate([blank, *c]).astype(np.int64) for c in zip(*stop_rows, strict=True)))
    whole = stack(kept).take(order)
    length = whole.km.sum(axis=1) + whole.site[:, :, 1].sum(axis=1)
    shortest = np.full(origin.size, np.inf)
    np.minimum.at(shortest, pair, length)
    return ChainSet(pair, alternative, rank, whole, legs, stops, shortest, port, inputs.in_province[origin[pair]])
