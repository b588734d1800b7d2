"""Mode choice and capacity at once: the flows whose own delays and scarcity prices bring about the same flows.

Roads have volume-delay functions; a section of railway, a pipeline, a siding, a yard and a berth have a scarcity price that hardly counts below
capacity and rises steeply above it (``p = s (v / c)^beta``). Inside, the flows of every network are in user equilibrium for the trips that choice
asks for; outside, choice answers to the costs of those equilibria until nothing moves any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from networks.bush import FlowProblem, FlowSolution, FlowState, advance_flows, od_average, solve_flows
from networks.delays import DelayArrays, delay_value
from networks.errors import NetworkError
from networks.wiring import (
    ANSWERED,
    ROAD_CLASSES,
    ROAD_VALUES,
    Changes,
    Conditions,
    Wiring,
    by_truck,
    chain_changes,
    leg_matrices,
    stop_loads,
    sum_by,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from networks.graph import CompiledNetwork
    from networks.parts import ChainInputs
    from networks.solve import Rows

    Warm = tuple[FlowState | None, FlowState | None]

    Array = NDArray[np.float64]

#: Earlier steps that the acceleration remembers, and the share of a plain step that it takes.
_MEMORY, _STEP = 15, 0.3
#: First plain steps before the acceleration sets in.
_FIRST_STEPS = (0.3,)
#: Load over capacity of a terminal from which its price rises along the tangent: the goods of a port must pass some quay, and with the full power
#: the prices of quays that are all too small would be hundreds of yuan and never settle.
_TANGENT_FROM = 1.25
#: A price without flow must still order the paths of equal cost [CNY/t].
_LEAST_PRICE = 1e-6
#: The inner gap at the close look, as a part of the outer one; the flows of the answer are then within the outer one.
_INNER = 0.5
#: Rounds of the inner equilibria in one outer iteration, and in the first one of a cold start.
_ROUNDS, _FIRST_ROUNDS = 1, 3


class CapacityError(NetworkError):
    """Exception for a joint equilibrium that is not reached."""


@dataclass(frozen=True)
class Places:
    """Limits of the terminals of one kind: capacity of each place, infinite = none [t/yr], and the two numbers of the price."""

    capacity_t: Array
    price_cny_per_t: float
    power: float

    def price(self, load_t: Array) -> Array:
        """Return the scarcity price of each place at a load [CNY/t]; far above capacity it goes on along its tangent."""
        used = np.maximum(load_t, 0.0) / self.capacity_t
        curve = np.minimum(used, _TANGENT_FROM)
        beyond = self.power * (used - curve) / _TANGENT_FROM
        found: Array = self.price_cny_per_t * curve**self.power * (1.0 + beyond)
        return found


@dataclass(frozen=True)
class Supply:
    """Networks and terminals of one year with their limits.

    Attributes
    ----------
    road
        Two classes (:data:`ROAD_CLASSES`), hours, tonnes a year.
    road_values
        ``[value, arc]`` of :data:`ROAD_VALUES`; the hours are filled in from the delays.
    lines
        Railways and pipelines in one problem, CNY/t and tonnes a year.
    line_values
        ``[value, arc]`` of :data:`LINE_VALUES`; the price is filled in.
    line_arcs, line_zones
        Part of each network of :data:`LINES` in ``lines``.
    places
        Limits by terminal kind: ``siding``, ``yard``, ``berth``, ``crude``, ``product``, ``gas``.
    site_yard_share, last_mile_share
        Share of the truck access of large sites that still uses yards (the rest has got sidings), and of the truck access to pipelines that is
        left (the rest has got pipes) [-].
    """

    road: FlowProblem
    road_values: Array
    lines: FlowProblem
    line_values: Array
    line_arcs: Mapping[str, slice]
    line_zones: Mapping[str, slice]
    places: Mapping[str, Places]
    site_yard_share: float
    last_mile_share: float

    @property
    def trucked(self) -> Array:
        """Return the share of the tonnes of a truck leg that a truck carries ``[role]``."""
        return by_truck(self.site_yard_share, self.last_mile_share)


@dataclass(frozen=True)
class Background:
    """What moves besides the chosen chains: flows by network ``[start, end]`` [t/yr] and loads of terminals by kind ``[place]`` [t/yr]."""

    flow: Mapping[str, Array]
    load: Mapping[str, Array]


@dataclass(frozen=True)
class Equilibrium:
    """Flows, prices and delays that agree with each other.

    Attributes
    ----------
    flow
        Flow of each row [t/yr].
    road, lines
        Equilibrium of the roads (both classes), and of railways and pipelines.
    load_t
        Load of the terminals by kind ``[place]`` [t/yr].
    conditions
        Averages and prices that choice answered to.
    gaps
        Outer gap of every iteration: tonnes that would still choose otherwise over all tonnes.
    """

    flow: Array
    road: FlowSolution
    lines: FlowSolution
    load_t: Mapping[str, Array]
    conditions: Conditions
    gaps: tuple[float, ...]


def price_delays(capacity_t: Array, price_cny_per_t: float, power: float) -> DelayArrays:
    """Return the scarcity price of sections as a volume-delay function: ``p = s (v / c)^beta`` [CNY/t]; NaN or zero capacity = no limit.

    Parameters
    ----------
    capacity_t
        Capacity of each arc [t/yr].
    price_cny_per_t
        Price ``s`` at full capacity [CNY/t].
    power
        Exponent ``beta`` [-].
    """
    limited = np.isfinite(capacity_t) & (capacity_t > 0)
    t0 = np.full(capacity_t.shape, _LEAST_PRICE)
    steep = np.where(limited, price_cny_per_t / _LEAST_PRICE, 0.0)
    return DelayArrays.build(t0, np.where(limited, capacity_t, np.inf), steep, power)


def network_problem(networks: Sequence[CompiledNetwork], delay: DelayArrays, fixed_cost: Array) -> FlowProblem:
    """Return one assignment problem of networks side by side; zones are split in them, so every vertex may be passed.

    Parameters
    ----------
    networks
        Compiled networks without common vertices.
    delay
        Delay of each arc, network after network.
    fixed_cost
        Cost besides ``[class, arc]``, in the unit of the delay.
    """
    arcs = np.cumsum([0, *(n.head.size for n in networks)])
    vertices = np.cumsum([0, *(len(n.nodes) for n in networks)])

    def joined(name: str) -> NDArray[np.int64]:
        return np.concatenate([getattr(n, name) + v for n, v in zip(networks, vertices[:-1], strict=True)]).astype(np.int64)

    ends = [n.indptr[1:] + a for n, a in zip(networks, arcs[:-1], strict=True)]
    return FlowProblem(
        indptr=np.concatenate([[0], *ends]).astype(np.int64),
        head=joined("head"),
        tail=joined("tail"),
        delay=delay,
        fixed_cost=fixed_cost,
        pcu=np.ones(fixed_cost.shape[0]),
        origins=joined("origins"),
        destinations=joined("destinations"),
        passable=np.ones(int(vertices[-1]), dtype=np.bool_),
        zone_names=tuple(name for n in networks for name in n.terminals),
    )


@dataclass(frozen=True)
class _Loads:
    """Flows of the networks and loads of the terminals that chosen rows bring about."""

    road: FlowSolution
    lines: FlowSolution
    load_t: Mapping[str, Array]


def _load(
    supply: Supply,
    inputs: ChainInputs,
    wiring: Wiring,
    chain_flow: Array,
    background: Background,
    warm: Warm,
    gap: float | None,
) -> _Loads:
    """Load the networks: to a gap, or without one only some rounds nearer to the equilibrium."""
    matrices = leg_matrices(inputs, wiring, chain_flow, supply.trucked)
    for name, more in background.flow.items():
        matrices[name] = matrices[name] + more
    size = supply.lines.origins.size
    goods = np.zeros((1, size, size))
    for name, part in supply.line_zones.items():
        goods[0, part, part] = matrices[name]
    trucks = np.stack([matrices[name] for name in ROAD_CLASSES])
    if gap is None:
        rounds = [_FIRST_ROUNDS if state is None else _ROUNDS for state in warm]
        road = advance_flows(supply.road, trucks, rounds=rounds[0], state=warm[0])
        lines = advance_flows(supply.lines, goods, rounds=rounds[1], state=warm[1])
    else:
        road = solve_flows(supply.road, trucks, gap=gap, state=warm[0])
        lines = solve_flows(supply.lines, goods, gap=gap, state=warm[1])
    sizes = {kind: places.capacity_t.size for kind, places in supply.places.items()}
    load = stop_loads(wiring, chain_flow, sizes, supply.site_yard_share)
    for kind, more in background.load.items():
        load[kind] = load[kind] + more
    return _Loads(road, lines, load)


def _conditions(supply: Supply, loads: _Loads, *, whole: bool) -> Conditions:
    """Return the conditions that loads bring about; the values that are only counted are left out unless asked for."""
    counted = len(ROAD_VALUES) if whole else ANSWERED
    road_values = supply.road_values[:counted].copy()
    road_values[0] = delay_value(supply.road.delay, loads.road.flow.sum(axis=0))
    line_values = supply.line_values[:counted].copy()
    line_values[0] = delay_value(supply.lines.delay, loads.lines.flow[0])
    between = od_average(supply.lines, loads.lines, line_values)[0]
    places = {kind: found.price(loads.load_t[kind]) for kind, found in supply.places.items()}
    return Conditions(
        od_average(supply.road, loads.road, road_values),
        {name: between[:, part, part] for name, part in supply.line_zones.items()},
        places,
    )


def equilibrate(
    supply: Supply,
    inputs: ChainInputs,
    wiring: Wiring,
    rows: Rows,
    background: Background,
    respond: Callable[[Changes, Conditions], Array],
    start: Array,
    *,
    gap: float,
    warm: Warm = (None, None),
    whole: bool = False,
    max_iterations: int = 80,
) -> Equilibrium:
    """Find flows of the rows that bring about the delays and prices at which they are chosen.

    Parameters
    ----------
    supply
        Networks with limits.
    inputs, wiring, rows
        Networks, chains and rows of the state, without delays.
    background
        Flows that do not choose.
    respond
        Flow of each row under changed conditions [t/yr]; conserves the demand of every demand row.
    start
        Flow of each row to begin with [t/yr].
    gap
        Outer gap to reach: tonnes that would choose otherwise over all tonnes.
    warm
        States of roads and lines of an earlier equilibrium.
    whole
        Whether ``respond`` needs the values that are only counted as well.
    max_iterations
        Most outer iterations.

    Returns
    -------
    Equilibrium
        The flows that answer to the last conditions, with the networks loaded by exactly these flows.

    Raises
    ------
    CapacityError
        If the gap is not reached.

    Notes
    -----
    Fixed point ``f = choice(prices(f))`` by Anderson's mixing of the last steps on the flows of the rows (Anderson, Journal of the ACM 12 (1965)
    547-560); the mixture is held non-negative and scaled back to the demand of every row.
    """
    flow, total = start.copy(), float(start.sum())
    first, gaps = np.flatnonzero(np.diff(rows.demand, prepend=-1)), []
    past: list[tuple[Array, Array]] = []
    count = np.diff(np.append(first, rows.demand.size))
    asked = np.add.reduceat(start, first)
    n_chain = wiring.n_chain

    def reply(chain_flow: Array, inner: float | None) -> tuple[_Loads, Conditions, Array]:
        loads = _load(supply, inputs, wiring, chain_flow, background, warm, inner)
        conditions = _conditions(supply, loads, whole=whole)
        return loads, conditions, respond(chain_changes(wiring, conditions), conditions)

    for turn in range(max_iterations):
        chain_flow = sum_by(rows.chain, flow, n_chain)
        loads, conditions, answer = reply(chain_flow, None)
        warm = (loads.road.state, loads.lines.state)
        if np.abs(answer - flow).sum() <= gap * total:  # near enough to look closely
            loads, conditions, answer = reply(chain_flow, _INNER * gap)
            warm = (loads.road.state, loads.lines.state)
        step = answer - flow
        gaps.append(float(np.abs(step).sum() / total))
        if gaps[-1] <= gap and not np.isnan(loads.road.relative_gap):
            final = _load(supply, inputs, wiring, sum_by(rows.chain, answer, n_chain), background, warm, gap)
            settled = conditions if whole else _conditions(supply, loads, whole=True)
            return Equilibrium(answer, final.road, final.lines, final.load_t, settled, tuple(gaps))
        past = [*past[-_MEMORY + 1 :], (flow, step)]
        mixed = flow + _FIRST_STEPS[turn] * step if turn < len(_FIRST_STEPS) else _mix(past)
        mixed = np.maximum(mixed, 0.0)
        flow = mixed * np.repeat(asked / np.maximum(np.add.reduceat(mixed, first), 1e-300), count)
    msg = (
        f"mode choice and capacity do not agree after {max_iterations} iterations: {gaps[-1]:.2e} of the tonnes still change their chain, "
        f"{gap:.0e} is asked; the dearest place is {_dearest(conditions)}: give it more capacity, or ask for a wider gap"
    )
    raise CapacityError(msg)


def _dearest(conditions: Conditions) -> str:
    """Name the kind of terminal, or line, with the highest scarcity price."""
    prices = {kind: float(price.max(initial=0.0)) for kind, price in conditions.places.items()}
    prices |= {
        f"the way on {name}": float(values[0].max(initial=0.0)) for name, values in conditions.lines.items() if values.size
    }
    kind = max(prices, key=lambda name: prices[name])
    return f"{kind} with {prices[kind]:.0f} CNY/t"


def _mix(past: list[tuple[Array, Array]]) -> Array:
    """Return the next point of Anderson's mixing from (point, step) pairs, the newest last."""
    point, step = past[-1]
    if len(past) == 1:
        return point + _STEP * step
    steps = np.stack([step - before for _, before in past[:-1]], axis=1)
    points = np.stack([point - before for before, _ in past[:-1]], axis=1)
    normal = steps.T @ steps
    normal[np.diag_indices_from(normal)] *= 1.0 + 1e-10
    weight = np.linalg.lstsq(normal, steps.T @ step, rcond=None)[0]
    mixed: Array = point + _STEP * step - (points + _STEP * steps) @ weight
    return mixed
