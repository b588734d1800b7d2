"""Stretches of transport chains as arrays: what a leg adds to cost, tonnes and kilometres, and how stretches join.

A chain is built from parts; every part has one row per chain. Parts of the same chains add up, alternatives of a stretch are chosen row by row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from networks.cost import COMPONENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from networks.skim import Skim

#: Alternatives in the order of their codes; ``road_ordinary`` keeps off the expressways.
ALTERNATIVES: tuple[str, ...] = (
    "road",
    "road_ordinary",
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
NEST = np.array([0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3], dtype=np.int64)
#: Modes of the tonne and kilometre columns.
LEG_MODES: tuple[str, ...] = ("road", "rail", "water", "pipeline")
ROAD, RAIL, WATER, PIPE = range(4)
#: Access kinds of a rail or pipeline terminal.
DIRECT, TRUCK, SITE_TRUCK = 0, 1, 2
#: Networks a leg can run on, by code.
LEG_NETWORKS: tuple[str, ...] = ("road", "ordinary", "rail", "sea", "roro", "crude", "product", "gas")
LEG_NETWORK: dict[str, int] = {name: code for code, name in enumerate(LEG_NETWORKS)}
#: What a leg is for: the way itself, or truck access to a railway (``site_drayage`` at a large site, where a siding could replace it) or to a
#: pipeline (``last_mile``, which a pipe could replace).
ROLES: tuple[str, ...] = ("line_haul", "drayage", "site_drayage", "last_mile")
ROLE: dict[str, int] = {name: code for code, name in enumerate(ROLES)}
#: Kinds of terminals a chain passes: a siding or a pipe connection (by kind) belongs to a zone, a yard to a station, a berth to a port zone;
#: ``site_yard`` is a yard used by a truck from a large site, which a siding could replace.
TERMINAL_KINDS: tuple[str, ...] = ("siding", "yard", "site_yard", "berth", "crude", "product", "gas")
TERMINAL_KIND: dict[str, int] = {name: code for code, name in enumerate(TERMINAL_KINDS)}


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
    """Legs of chains for loading: chain, network name code, start and end terminal of that network, and what the leg is for (:data:`ROLES`)."""

    chain: NDArray[np.int64]
    network: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    role: NDArray[np.int64]

    @classmethod
    def of(cls, chain: NDArray[np.int64], code: NDArray[np.int64], start: NDArray[np.int64], end: NDArray[np.int64]) -> Legs:
        """Return legs from codes that hold network and role (:func:`leg_code`)."""
        return cls(chain, code % len(LEG_NETWORKS), start, end, code // len(LEG_NETWORKS))


def leg_code(network: str, role: str = "line_haul") -> int:
    """Return one code for the network that a leg runs on and what it is for; that of a line haul is the code of its network.

    >>> leg_code("rail") == LEG_NETWORK["rail"], divmod(leg_code("road", "last_mile"), len(LEG_NETWORKS))
    (True, (3, 0))
    """
    return LEG_NETWORK[network] + len(LEG_NETWORKS) * ROLE[role]


@dataclass(frozen=True)
class Stops:
    """Terminals that chains pass: chain, kind (:data:`TERMINAL_KINDS`), and the zone or station it stands at."""

    chain: NDArray[np.int64]
    kind: NDArray[np.int64]
    place: NDArray[np.int64]


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
        Legs: (code of :func:`leg_code`, start terminal, end terminal); terminal -1 = no leg.
    stops
        Terminals passed: (kind of each row, place of each row); place -1 = none.
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
    stops: tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...] = ()

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
            self.stops + other.stops,
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
            tuple((kind[rows], place[rows]) for kind, place in self.stops),
        )


@dataclass(frozen=True)
class ChainSet:
    """All chains between the given pairs of zones, sorted by pair, alternative and rank.

    Attributes
    ----------
    pair, alternative, rank
        Pair index and alternative code of each chain; rank 0 is the best terminal pair or port of the alternative, 1 the second best.
    part
        Components, tonnes and kilometres of each chain.
    legs, stops
        Legs for loading, and the terminals passed.
    shortest_km
        Shortest total length among the chains of each pair ``[pair]``, infinite without any [km].
    port
        Zone of the port of the province that a coastal chain uses ``[chain]``, -1 for other chains.
    seaward
        Whether the origin lies in the province ``[chain]``: a coastal chain then leaves through its port.
    """

    pair: NDArray[np.int64]
    alternative: NDArray[np.int64]
    rank: NDArray[np.int64]
    part: Part
    legs: Legs
    stops: Stops
    shortest_km: NDArray[np.float64]
    port: NDArray[np.int64]
    seaward: NDArray[np.bool_]


@dataclass(frozen=True)
class ChainInputs:
    """Paths, access and reference costs that chains are built from (all arrays by zone index).

    Attributes
    ----------
    road
        Skim whose terminals are exactly the zones, with components ``expressway_km``, ``km``, ``hours``, ``territory_km``.
    ordinary
        The same roads without the expressways.
    road_hours
        Hours on each arc of the road network without traffic ``[arc]``.
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
    ordinary: Skim
    road_hours: NDArray[np.float64]
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


def closed(part: Part, ok: NDArray[np.bool_], cost: NDArray[np.float64]) -> Part:
    """Return a part with its existence and its cost, infinite where it does not exist."""
    return Part(
        ok,
        np.where(ok, cost, np.inf),
        part.components,
        part.lifted,
        part.km,
        part.territory_km,
        part.site,
        part.loaded,
        part.legs,
        part.stops,
    )


def with_route(
    part: Part,
    legs: Sequence[tuple[int, NDArray[np.int64], NDArray[np.int64]]],
    stops: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]] = (),
) -> Part:
    """Return a part with legs and stops."""
    return Part(
        part.ok,
        part.cost,
        part.components,
        part.lifted,
        part.km,
        part.territory_km,
        part.site,
        part.loaded,
        tuple(legs),
        tuple(stops),
    )


def choose(condition: NDArray[np.bool_], yes: Part, no: Part) -> Part:
    """Return one part where the condition holds and the other elsewhere; legs and stops of the part not chosen are struck out."""

    def pick(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(condition.reshape(-1, *([1] * (a.ndim - 1))), a, b)

    legs = [(code, np.where(condition, s, -1), np.where(condition, e, -1)) for code, s, e in yes.legs]
    legs += [(code, np.where(condition, -1, s), np.where(condition, -1, e)) for code, s, e in no.legs]
    stops = [(kind, np.where(condition, place, -1)) for kind, place in yes.stops]
    stops += [(kind, np.where(condition, -1, place)) for kind, place in no.stops]
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
        tuple(stops),
    )


def stack(parts: Sequence[Part]) -> Part:
    """Put the chains of several parts one after another; their legs and stops are gathered elsewhere."""

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
