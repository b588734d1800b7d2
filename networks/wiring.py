"""Where chains touch the networks, and what delays and scarcity prices there change in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from networks.cost import COMPONENT
from networks.measure import MEASURE
from networks.parts import LEG_NETWORK, ROLE, ROLES, TERMINAL_KIND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from networks.graph import CompiledNetwork
    from networks.parts import ChainInputs, ChainSet
    from networks.solve import Rows

    Array = NDArray[np.float64]

#: Values averaged over the used paths of the roads, in order; choice answers to the first ones, the others are only counted.
ROAD_VALUES: tuple[str, ...] = ("hours", "expressway_km", "other_km", "territory_km", "expressway_territory_km")
#: The same for railways and pipelines.
LINE_VALUES: tuple[str, ...] = ("price", "tariff_km", "hours", "km", "territory_km")
#: Values that choice answers to.
ANSWERED = 3
#: Classes of the road assignment: trucks free to use expressways, and trucks that keep off them.
ROAD_CLASSES: tuple[str, ...] = ("road", "ordinary")
#: Networks whose sections have a scarcity price.
LINES: tuple[str, ...] = ("rail", "crude", "product", "gas")


@dataclass(frozen=True)
class Conditions:
    """Averages over the used paths of every pair, and prices of terminals.

    Attributes
    ----------
    road
        ``[class, value, zone, zone]``.
    lines
        By network ``[value, terminal, terminal]``.
    places
        Price by terminal kind ``[place]`` [CNY/t].
    charge
        Charge at which the collection quota of each port is met ``[zone]`` [CNY/t], on the rows that the quota counts as trucked; ``None`` = no quota.
    """

    road: Array
    lines: Mapping[str, Array]
    places: Mapping[str, Array]
    charge: Array | None = None


@dataclass(frozen=True)
class Changes:
    """What conditions change in each chain.

    Attributes
    ----------
    road
        ``[role, value, chain]``, by what the truck legs are for (:data:`networks.parts.ROLES`) in the order of :data:`ROAD_VALUES`.
    lines
        ``[value, chain]`` in the order of :data:`LINE_VALUES`; the price holds that of the terminals as well.
    site_yard
        Price of the yards that trucks of large sites drive to ``[chain]`` [CNY/t]; only the tonnes without a siding pay it.
    charge
        Charge of each port ``[zone]`` [CNY/t], as in :class:`Conditions`.
    """

    road: Array
    lines: Array
    site_yard: Array
    charge: Array | None = None


@dataclass(frozen=True)
class Wiring:
    """Where the chains of a state touch the networks; made once per state.

    Attributes
    ----------
    n_chain
        Number of chains.
    legs
        Start, end and chain of the legs by network.
    role
        What the legs are for, by network (:data:`networks.parts.ROLES`).
    free_road
        What the chains hold of each value without delays ``[role, value, chain]``.
    free_lines
        The same of the railways ``[value, chain]``.
    stops
        Place and chain of the stops by terminal kind; ``yard`` holds those of large sites too.
    """

    n_chain: int
    legs: Mapping[str, tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]
    role: Mapping[str, NDArray[np.int64]]
    free_road: Array
    free_lines: Array
    stops: Mapping[str, tuple[NDArray[np.int64], NDArray[np.int64]]]


def sum_by(index: NDArray[np.int64], amount: Array, minlength: int) -> Array:
    """Return the sum of amounts by index ``[minlength]``.

    Parameters
    ----------
    index, amount
        Position and amount of each item.
    minlength
        Number of positions.
    """
    return np.bincount(index, amount, minlength=minlength).astype(np.float64)


def by_truck(site_yard_share: float, last_mile_share: float = 1.0) -> Array:
    """Return the share of the tonnes of a truck leg that a truck carries ``[role]``; sidings and pipes have taken the rest.

    Parameters
    ----------
    site_yard_share
        Of the truck access of large sites to yards.
    last_mile_share
        Of the truck access to pipelines.

    Examples
    --------
    >>> by_truck(0.5).tolist()
    [1.0, 1.0, 0.5, 1.0]
    """
    share = np.ones(len(ROLES))
    share[ROLE["site_drayage"]], share[ROLE["last_mile"]] = site_yard_share, last_mile_share
    return share


def leg_network(inputs: ChainInputs, name: str) -> CompiledNetwork:
    """Return the network that legs of a name run on."""
    found: CompiledNetwork = inputs.pipelines[name][0].network if name in inputs.pipelines else getattr(inputs, name).network
    return found


def wire(chains: ChainSet, inputs: ChainInputs) -> Wiring:
    """Return where the chains of a state touch the networks.

    Parameters
    ----------
    chains, inputs
        Of the state.
    """
    n = chains.pair.size
    legs, roles, stops = {}, {}, {}
    road, lines = np.zeros((len(ROLES), len(ROAD_VALUES), n)), np.zeros((len(LINE_VALUES), n))
    for name, code in LEG_NETWORK.items():
        mine = chains.legs.network == code
        start, end, chain = chains.legs.start[mine], chains.legs.end[mine], chains.legs.chain[mine]
        legs[name], roles[name] = (start, end, chain), chains.legs.role[mine]
        if name in ROAD_CLASSES:
            _add_road(road, legs[name], roles[name], free_road(inputs, name))
        elif name == "rail":
            for k, values in enumerate(free_lines(inputs)):
                lines[k] += sum_by(chain, values[start, end], minlength=n)
    for kind, code in TERMINAL_KIND.items():
        mine = chains.stops.kind == code
        if kind == "yard":
            mine = mine | (chains.stops.kind == TERMINAL_KIND["site_yard"])
        stops[kind] = (chains.stops.place[mine], chains.stops.chain[mine])
    return Wiring(n, legs, roles, road, lines, stops)


def _add_road(
    total: Array, legs: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]], role: NDArray[np.int64], values: Array
) -> None:
    """Add the values ``[value, start, end]`` of truck legs to those of their chains ``[role, value, chain]``."""
    start, end, chain = legs
    n = total.shape[2]
    for code in np.unique(role):
        mine = role == code
        for k in range(total.shape[1]):
            total[code, k] += sum_by(chain[mine], values[k][start[mine], end[mine]], minlength=n)


def free_road(inputs: ChainInputs, name: str) -> Array:
    """Return the road values of every pair on the paths the chains were built on ``[value, zone, zone]``."""
    found = getattr(inputs, name).components
    other = found["km"] - found["expressway_km"]
    return np.stack([found["hours"], found["expressway_km"], other, found["territory_km"], found["expressway_territory_km"]])


def free_lines(inputs: ChainInputs) -> Array:
    """Return the rail values of every pair of stations on the paths the chains were built on, without a price ``[value, station, station]``."""
    found = inputs.rail.components
    return np.stack([np.zeros_like(inputs.rail.cost), *(found[name] for name in LINE_VALUES[1:])])


def leg_matrices(inputs: ChainInputs, wiring: Wiring, chain_flow: Array, trucked: Array | None = None) -> dict[str, Array]:
    """Return the flow between the terminals of every leg network ``[start, end]`` [t/yr].

    Parameters
    ----------
    inputs
        Networks of the state.
    wiring
        Legs of the chains.
    chain_flow
        Flow of each chain [t/yr].
    trucked
        Share of the tonnes of a leg that are on it by role (:func:`by_truck`); by default all.
    """
    made, share = {}, by_truck(1.0) if trucked is None else trucked
    for name, (start, end, chain) in wiring.legs.items():
        n = len(leg_network(inputs, name).terminals)
        tonnes = chain_flow[chain] * share[wiring.role[name]]
        matrix: Array = sum_by(start * n + end, tonnes, minlength=n * n).reshape(n, n)
        np.fill_diagonal(matrix, 0.0)
        made[name] = matrix
    return made


def stop_loads(wiring: Wiring, chain_flow: Array, sizes: Mapping[str, int], site_yard_share: float) -> dict[str, Array]:
    """Return the load of the terminals by kind ``[place]`` [t/yr], loaded and unloaded together.

    Parameters
    ----------
    wiring
        Stops of the chains.
    chain_flow
        Flow of each chain [t/yr].
    sizes
        Number of places by kind.
    site_yard_share
        Share of the truck access of large sites that uses yards.
    """
    found = {}
    for kind, size in sizes.items():
        place, chain = wiring.stops[kind]
        found[kind] = sum_by(place, chain_flow[chain], minlength=size)
    if "yard" in found:
        place, chain = wiring.stops["site_yard"]
        found["yard"] = found["yard"] - (1.0 - site_yard_share) * sum_by(place, chain_flow[chain], minlength=sizes["yard"])
    return found


def chain_changes(wiring: Wiring, conditions: Conditions) -> Changes:
    """Return what conditions change in each chain against the paths it was built on.

    Parameters
    ----------
    wiring
        Of the state.
    conditions
        Averages and prices; they may hold only the values that choice answers to.
    """
    n = wiring.n_chain
    counted = conditions.road.shape[1]
    road, lines = -wiring.free_road[:, :counted], -wiring.free_lines[:counted]
    for kind, name in enumerate(ROAD_CLASSES):
        _add_road(road, wiring.legs[name], wiring.role[name], conditions.road[kind])
    for name, values in conditions.lines.items():
        start, end, chain = wiring.legs[name]
        for k in range(counted if name == "rail" else 1):
            lines[k] += sum_by(chain, values[k][start, end], minlength=n)
    for terminal, price in conditions.places.items():
        place, chain = wiring.stops[terminal]
        lines[0] += sum_by(chain, price[place], minlength=n)
    site_yard = np.zeros(n)
    if "yard" in conditions.places:
        place, chain = wiring.stops["site_yard"]
        site_yard = sum_by(chain, conditions.places["yard"][place], minlength=n)
        lines[0] -= site_yard
    return Changes(road, lines, site_yard, conditions.charge)


def _component_changes(changes: Changes) -> dict[str, Array]:
    """Return the changes of the cost components by chain.

    Notes
    -----
    A truck leg that only reaches a railway or a pipeline is paid by the drayage rate: its further kilometres count there.
    """
    hours, expressway, other = changes.road[ROLE["line_haul"], :ANSWERED]
    found = {
        "road_expressway_km": expressway,
        "road_other_km": other,
        "road_h": hours,
        "rail_tariff_km": changes.lines[1],
        "rail_h": changes.lines[2],
        "site_yard_price": changes.site_yard,
    }
    for role in ROLES[1:]:
        hours, expressway, other = changes.road[ROLE[role], :ANSWERED]
        found[f"{role}_km"], found[f"{role}_h"] = expressway + other, hours
    return found


def extra_cost(rows: Rows, changes: Changes, coefficient: Array) -> Array:
    """Return what changes cost each row ``[row]`` [CNY/t], scarcity prices included.

    Parameters
    ----------
    rows
        Rows without delays.
    changes
        From :func:`chain_changes`.
    coefficient
        ``[commodity, component]`` [CNY/t per unit].
    """
    parts = {name: value for name, value in _component_changes(changes).items() if value.any()}
    stacked = np.stack(list(parts.values())) if parts else np.zeros((0, changes.site_yard.size))
    columns = [COMPONENT[name] for name in parts]
    cost = np.empty(rows.chain.size)
    for commodity, (first, last) in enumerate(rows.slices):
        cost[first:last] = coefficient[commodity, columns] @ stacked[:, rows.chain[first:last]]
    cost += row_prices(rows, changes)
    return cost


def row_prices(rows: Rows, changes: Changes) -> Array:
    """Return the scarcity price of each row with the charge of its port's quota ``[row]`` [CNY/t].

    Parameters
    ----------
    rows
        Rows of the chains.
    changes
        From :func:`chain_changes`.
    """
    price: Array = changes.lines[0][rows.chain]
    if changes.charge is not None:
        price = price + np.append(changes.charge, 0.0)[rows.trucked]
    return price


def apply_changes(rows: Rows, changes: Changes) -> Rows:
    """Return the rows with the components, prices and kilometres of changed conditions (all values counted).

    Parameters
    ----------
    rows
        Rows without delays.
    changes
        From :func:`chain_changes` of whole conditions.

    Notes
    -----
    Kilometres of truck access that a siding or a pipe could replace change with those of :func:`networks.measure.fold_sites`, so that the same
    share of them leaves the road.
    """
    components, measure = rows.components.copy(), rows.measure.copy()
    for name, value in _component_changes(changes).items():
        components[:, COMPONENT[name]] += value[rows.chain]
    km, territory, rail_km = changes.road[:, 1] + changes.road[:, 2], changes.road[:, 3], changes.lines[3]
    own, site, mile = [ROLE["line_haul"], ROLE["drayage"]], ROLE["site_drayage"], ROLE["last_mile"]
    used_km = km.sum(axis=0) + rail_km
    long = measure[:, MEASURE["long_km"]] > 0
    for name, value in (
        ("km_road", km[own].sum(axis=0)),
        ("km_rail", rail_km),
        ("territory_km_road", territory[own].sum(axis=0)),
        ("territory_km_rail", changes.lines[4]),
        ("site_rail_km", km[site]),
        ("site_rail_territory_km", territory[site]),
        ("site_pipe_km", km[mile]),
        ("site_pipe_territory_km", territory[mile]),
        ("used_km", used_km),
    ):
        measure[:, MEASURE[name]] += value[rows.chain]
    measure[:, MEASURE["long_km"]] += long * used_km[rows.chain]
    measure[:, MEASURE["long_clean_km"]] += long * rail_km[rows.chain]
    return replace(rows, components=components, measure=measure, price=row_prices(rows, changes))


def expressway_territory_km(wiring: Wiring, conditions: Conditions) -> Array:
    """Return the truck kilometres on expressways of the province of each chain ``[chain]`` under given conditions [km]."""
    found = np.zeros(wiring.n_chain)
    for kind, name in enumerate(ROAD_CLASSES):
        start, end, chain = wiring.legs[name]
        found += sum_by(chain, conditions.road[kind, -1][start, end], minlength=found.size)
    return found
