"""User equilibrium of traffic on a graph: every traveller uses a path of least cost at the delays all of them cause together.

:func:`assign_equilibrium` reads from each arc of a ``networkx.MultiDiGraph``:

========================  ==========================================================================================================
``free_flow_time``        time without flow, in any unit (needed)
``capacity``              flow per the same period as the demand, in pcu; may be missing or 0 where flow does not matter (``b`` or ``power`` 0)
``b``, ``power``          parameters of the delay function, 0.15 and 4 if missing (see :mod:`networks.delays` for forms other than BPR)
``delay``                 form of the delay function of this arc, if not that of the call
``toll``, ``length``      0 if missing; they cost what the weights of a class say
``fixed_cost``            0 if missing; added to the cost of every class, in the unit of its cost
``preload``               flow that is on the arc already, in pcu; 0 if missing
``closed``                no class may use the arc if true
``link_id``               name in the results; the key of the arc if missing. The two directions of a link may share it.
========================  ==========================================================================================================

A node is not travelled through if its attribute ``passable`` is False, if its ``kind`` is ``zone``, or if it is a number below
``graph.graph["first_thru_node"]``.

With several classes, the cost of class ``k`` is ``time_weight x delay + toll_weight x toll + length_weight x length + fixed_cost``. Inside, it is divided by
``time_weight``, so that all classes count in time; the choice of path stays the same. Beckmann's objective and the relative gap are in this unit,
each class weighted by its pcu.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from networks.bush import AssignmentError, FlowProblem, FlowSolution, FlowState, beckmann, relative_gap, solve_flows
from networks.delays import DELAY_CODES, DelayArrays, delay_value

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import networkx as nx
    from numpy.typing import NDArray

__all__ = ["Assignment", "AssignmentError", "TrafficClass", "assign_equilibrium", "relative_gap"]

#: Largest imbalance that is rounding, as a share of all demand.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class TrafficClass:
    """A class of vehicles.

    Attributes
    ----------
    name
        As in the column ``class`` of the OD table.
    pcu
        Passenger car units per vehicle.
    toll_weight, length_weight, time_weight
        Cost per unit of toll, length and time.
    banned
        ``link_id`` of the links closed to the class.
    """

    name: str
    pcu: float = 1.0
    toll_weight: float = 0.0
    length_weight: float = 0.0
    time_weight: float = 1.0
    banned: frozenset[Any] = frozenset()


@dataclass(frozen=True)
class Assignment:
    """An equilibrium that has passed all checks.

    Attributes
    ----------
    flows
        One row per arc: ``link_id``, ``from_node``, ``to_node``, ``flow`` [pcu, without preload], ``cost``. With one class ``cost`` is its cost; with
        several it is the delay, and ``flow_<class>`` [vehicles] and ``cost_<class>`` follow.
    convergence
        ``iteration``, ``relative_gap``, ``objective``, ``seconds`` since the start; row 0 is the start.
    checks
        ``check``, ``value``, ``limit``, ``passed``.
    state
        For the warm start of a problem with the same arcs and zones.
    """

    flows: pl.DataFrame
    convergence: pl.DataFrame
    checks: pl.DataFrame
    state: FlowState | None = field(default=None, repr=False, compare=False)


def assign_equilibrium(
    graph: nx.MultiDiGraph[Any],
    od: pl.DataFrame,
    *,
    gap: float = 1e-6,
    classes: Sequence[TrafficClass] | None = None,
    max_iterations: int = 1000,
    warm_start: Assignment | None = None,
    delay: str = "bpr",
) -> Assignment:
    """Find the user equilibrium of a fixed OD table.

    Parameters
    ----------
    graph
        Arc attributes as listed at the top of this module.
    od
        ``origin``, ``destination`` (nodes of the graph), ``demand`` [vehicles], and ``class`` if there are classes. Rows of one pair add up; demand
        from a node to itself stays there.
    gap
        Relative gap to reach, see :func:`networks.bush.relative_gap`.
    classes
        Classes; one of 1 pcu that sees nothing but time and fixed cost if not given.
    max_iterations
        Most iterations; more are an error, not a result.
    warm_start
        An assignment on the same arcs with the same zones and classes.
    delay
        Delay function of the arcs that name none: ``bpr``, ``conical``, ``davidson``, ``akcelik`` or ``constant``.

    Returns
    -------
    Assignment
        Flows, convergence, checks.

    Raises
    ------
    AssignmentError
        If the tables do not fit together, a pair with demand has no path, the gap is not reached, or a check fails.
    """
    if not gap > 0:
        msg = f"gap is {gap}; it must be positive"
        raise AssignmentError(msg)
    arcs = _read_arcs(graph, delay)
    kinds = _check_classes(classes)
    zones, demand = _read_demand(od, kinds, arcs.nodes, given=classes is not None)
    problem = _problem(arcs, kinds, zones)
    state = None if warm_start is None else warm_start.state
    solution = solve_flows(problem, demand, gap=gap, max_iterations=max_iterations, state=state)
    checks = _checks(problem, demand, solution, gap)
    failed = checks.filter(~pl.col("passed"))
    if failed.height:
        lines = "; ".join(f"{r['check']} is {r['value']:.3g}, limit {r['limit']:.3g}" for r in failed.iter_rows(named=True))
        msg = f"the assignment failed its checks: {lines}"
        raise AssignmentError(msg)
    record = solution.record
    convergence = pl.DataFrame(
        {name: [getattr(step, name) for step in record] for name in ("iteration", "relative_gap", "objective", "seconds")},
        schema={"iteration": pl.Int64, "relative_gap": pl.Float64, "objective": pl.Float64, "seconds": pl.Float64},
    )
    return Assignment(_flow_table(arcs, kinds, problem, solution), convergence, checks, solution.state)


@dataclass(frozen=True)
class _ArcTable:
    """Arcs of a graph, sorted by tail; ``shown`` is the order of the results."""

    nodes: tuple[Hashable, ...]
    passable: NDArray[np.bool_]
    tail: NDArray[np.int64]
    head: NDArray[np.int64]
    link_ids: tuple[Hashable, ...]
    delay: DelayArrays
    toll: NDArray[np.float64]
    length: NDArray[np.float64]
    fixed: NDArray[np.float64]
    shown: NDArray[np.int64]


def _ordered(values: Sequence[Hashable]) -> list[Hashable]:
    """Sort names, numbers by size, anything mixed by type and text."""
    try:
        return sorted(values)  # type: ignore[type-var]
    except TypeError:
        return sorted(values, key=lambda v: (type(v).__name__, str(v)))


def _read_arcs(graph: nx.MultiDiGraph[Any], form: str) -> _ArcTable:
    """Read nodes and arcs, sorted so that the order in which a graph was built does not matter."""
    nodes = tuple(_ordered(list(graph.nodes)))
    place = {node: i for i, node in enumerate(nodes)}
    first = graph.graph.get("first_thru_node")
    passable = np.array([_passable(node, graph.nodes[node], first) for node in nodes], dtype=np.bool_)
    edges = list(
        graph.edges(keys=True, data=True) if graph.is_multigraph() else ((u, v, 0, d) for u, v, d in graph.edges(data=True))
    )
    ids = [data.get("link_id", key) for _, _, key, data in edges]
    ends = [(place[u], place[v]) for u, v, _, _ in edges]
    rank = sorted(
        range(len(edges)), key=lambda k: (*ends[k], type(ids[k]).__name__, ids[k] if isinstance(ids[k], int) else str(ids[k]))
    )
    edges, ids = [edges[k] for k in rank], [ids[k] for k in rank]
    numbered = all(isinstance(name, int) for name in ids)
    shown = np.argsort(np.array(ids, dtype=np.int64), kind="stable") if numbered and ids else np.arange(len(ids))

    def column(name: str, default: float | None) -> NDArray[np.float64]:
        return np.array([_value(edge, name, default) for edge in edges], dtype=np.float64)

    shut = np.array([bool(edge[3].get("closed", False)) for edge in edges], dtype=np.bool_)
    return _ArcTable(
        nodes=nodes,
        passable=passable,
        tail=np.array([place[edge[0]] for edge in edges], dtype=np.int64),
        head=np.array([place[edge[1]] for edge in edges], dtype=np.int64),
        link_ids=tuple(ids),
        delay=_delays(edges, form),
        toll=column("toll", 0.0),
        length=column("length", 0.0),
        fixed=np.where(shut, np.inf, column("fixed_cost", 0.0)),
        shown=shown.astype(np.int64),
    )


def _passable(node: Hashable, data: dict[str, Any], first: float | None) -> bool:
    if data.get("kind") == "zone" or not data.get("passable", True):
        return False
    return not (first is not None and isinstance(node, (int, float, np.number)) and node < first)


def _value(edge: tuple[Any, Any, Any, dict[str, Any]], name: str, default: float | None) -> float:
    """Return a number of an arc; a missing or empty value is the default, if there is one."""
    value = edge[3].get(name)
    if value is None:
        value = default
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        msg = f"arc {edge[0]} -> {edge[1]}: {name} is {value!r}; a number is needed"
        raise AssignmentError(msg) from None
    if np.isnan(number) and default is not None:
        return default
    return number


def _delays(edges: list[tuple[Any, Any, Any, dict[str, Any]]], form: str) -> DelayArrays:
    """Build the delay of every arc, form by form."""
    forms = np.array([str(edge[3].get("delay", form)) for edge in edges], dtype=object)
    values: dict[str, NDArray[np.float64]] = {}
    for name, attribute, default, bpr_default in (
        ("t0", "free_flow_time", None, None),
        ("capacity", "capacity", 0.0, 0.0),
        ("a", "b", 0.0, 0.15),
        ("b", "power", 0.0, 4.0),
        ("preload", "preload", 0.0, 0.0),
    ):
        pairs = zip(edges, forms == "bpr", strict=True)
        values[name] = np.array(
            [_value(edge, attribute, bpr_default if bpr else default) for edge, bpr in pairs], dtype=np.float64
        )
    with np.errstate(invalid="ignore"):
        idle = values["t0"] * values["a"] * values["b"] == 0
    matters = (forms != "constant") & ~((forms == "bpr") & idle)
    for name, attribute in (
        ("t0", "free_flow_time"),
        ("a", "b"),
        ("b", "power"),
        ("preload", "preload"),
        ("capacity", "capacity"),
    ):
        column = values[name]
        good = (column > 0) | ~matters if name == "capacity" else np.isfinite(column) & (column >= 0)
        for k in np.flatnonzero(~good)[:1].tolist():
            need = "positive where the time depends on flow" if name == "capacity" else "finite and not negative"
            msg = f"arc {edges[k][0]} -> {edges[k][1]}: {attribute} is {column[k]:g}; it must be {need}"
            raise AssignmentError(msg)
    code = np.zeros(len(edges), dtype=np.int64)
    for name in sorted(set(forms.tolist())):
        if name not in DELAY_CODES:
            msg = f"unknown delay function {name!r}; use one of {', '.join(DELAY_CODES)}"
            raise AssignmentError(msg)
        chosen = np.flatnonzero(forms == name)
        some = DelayArrays.build(**{key: column[chosen] for key, column in values.items()}, form=name)
        code[chosen] = some.code
        for key, column in values.items():
            column[chosen] = getattr(some, key)
    return DelayArrays(code=code, **values)


def _check_classes(classes: Sequence[TrafficClass] | None) -> tuple[TrafficClass, ...]:
    kinds = tuple(classes) if classes is not None else (TrafficClass("all"),)
    if not kinds or len({kind.name for kind in kinds}) != len(kinds):
        msg = "classes need at least one class, each with a name of its own"
        raise AssignmentError(msg)
    for kind in kinds:
        if not (kind.pcu > 0 and kind.time_weight > 0 and np.isfinite([kind.pcu, kind.time_weight]).all()):
            msg = f"class {kind.name}: pcu is {kind.pcu} and time_weight {kind.time_weight}; both must be positive"
            raise AssignmentError(msg)
    return kinds


def _read_demand(
    od: pl.DataFrame, kinds: tuple[TrafficClass, ...], nodes: tuple[Hashable, ...], *, given: bool
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the vertices of the zones and the demand ``[class, zone, zone]``, intrazonal demand on the diagonal."""
    missing = [name for name in ("origin", "destination", "demand") if name not in od.columns]
    if missing:
        msg = f"the OD table has no column {', '.join(missing)}"
        raise AssignmentError(msg)
    if ("class" in od.columns) != given and (given is False or len(kinds) > 1):
        msg = (
            "the OD table has a column 'class', but no classes are given"
            if not given
            else "several classes need a column 'class' in the OD table"
        )
        raise AssignmentError(msg)
    demand = od["demand"].cast(pl.Float64).to_numpy()
    bad = np.flatnonzero(~(np.isfinite(demand) & (demand >= 0)))
    if bad.size:
        row = int(bad[0])
        msg = f"OD row {row} ({od['origin'][row]} -> {od['destination'][row]}): demand is {demand[row]}; it must be finite and not negative"
        raise AssignmentError(msg)
    place = {node: i for i, node in enumerate(nodes)}
    ends = {name: [place.get(value, -1) for value in od[name].to_list()] for name in ("origin", "destination")}
    for name, found in ends.items():
        if -1 in found:
            row = found.index(-1)
            msg = f"OD row {row}: {name} {od[name][row]!r} is not a node of the graph"
            raise AssignmentError(msg)
    names = [kind.name for kind in kinds]
    kind_of = [0] * od.height
    if "class" in od.columns:
        unknown = sorted(set(map(str, od["class"].to_list())) - set(names))
        if unknown:
            msg = f"OD classes {', '.join(unknown)} are not among the classes {', '.join(names)}"
            raise AssignmentError(msg)
        kind_of = [names.index(str(value)) for value in od["class"].to_list()]
    zones = np.unique(np.array([*ends["origin"], *ends["destination"]], dtype=np.int64))
    table = np.zeros((len(kinds), zones.size, zones.size))
    start, end = (np.searchsorted(zones, np.array(ends[name], dtype=np.int64)) for name in ("origin", "destination"))
    np.add.at(table, (np.array(kind_of, dtype=np.int64), start, end), demand)
    return zones, table


def _problem(arcs: _ArcTable, kinds: tuple[TrafficClass, ...], zones: NDArray[np.int64]) -> FlowProblem:
    """Put the classes on the arcs, in the unit of time."""
    known = set(arcs.link_ids)
    fixed = np.empty((len(kinds), arcs.tail.size))
    for k, kind in enumerate(kinds):
        strange = sorted(map(str, kind.banned - known))
        if strange:
            msg = f"class {kind.name} is banned from links that are not in the graph: {', '.join(strange[:5])}"
            raise AssignmentError(msg)
        shut = np.array([name in kind.banned for name in arcs.link_ids], dtype=np.bool_)
        cost = (kind.toll_weight * arcs.toll + kind.length_weight * arcs.length + arcs.fixed) / kind.time_weight
        bad = np.flatnonzero(~(cost >= 0))
        if bad.size:
            arc = int(bad[0])
            start, end = arcs.nodes[arcs.tail[arc]], arcs.nodes[arcs.head[arc]]
            msg = f"arc {start} -> {end}: toll, length and fixed cost of class {kind.name} add up to {cost[arc]:g}; it must not be negative"
            raise AssignmentError(msg)
        fixed[k] = np.where(shut, np.inf, cost)
    n = len(arcs.nodes)
    return FlowProblem(
        indptr=np.searchsorted(arcs.tail, np.arange(n + 1)).astype(np.int64),
        head=arcs.head,
        tail=arcs.tail,
        delay=arcs.delay,
        fixed_cost=fixed,
        pcu=np.array([kind.pcu for kind in kinds], dtype=np.float64),
        origins=zones,
        destinations=zones,
        passable=arcs.passable,
        zone_names=tuple(str(arcs.nodes[z]) for z in zones),
        class_names=tuple(kind.name for kind in kinds),
    )


def _checks(problem: FlowProblem, demand: NDArray[np.float64], solution: FlowSolution, gap: float) -> pl.DataFrame:
    """Measure everything an equilibrium must fulfil."""
    flow, n = solution.flow, problem.passable.size
    inside = float(np.einsum("kii->", demand))
    travel = demand.copy()
    travel[:, np.arange(problem.origins.size), np.arange(problem.origins.size)] = 0.0
    scale = max(float(travel.sum()), np.finfo(float).tiny)
    out_of, into, made, taken = (np.zeros((flow.shape[0], n)) for _ in range(4))
    for k in range(flow.shape[0]):
        np.add.at(out_of[k], problem.tail, flow[k])
        np.add.at(into[k], problem.head, flow[k])
        np.add.at(made[k], problem.origins, travel[k].sum(axis=1))
        np.add.at(taken[k], problem.destinations, travel[k].sum(axis=0))
    stop = ~problem.passable
    bound = max(step.lower_bound for step in solution.record)
    objective = beckmann(problem, flow)
    assigned = float(_departures(problem, solution).sum())
    rows = [
        ("node balance, share of demand", float(np.abs(out_of - into - made + taken).max(initial=0.0)) / scale, _ROUNDING),
        ("negative flow", abs(float(flow.min(initial=0.0))), 0.0),
        ("flow on closed links", float(flow[~np.isfinite(problem.fixed_cost)].sum()), 0.0),
        ("flow through zones, share of demand", float((out_of - made)[:, stop].max(initial=0.0)) / scale, _ROUNDING),
        ("OD demand less assigned and intrazonal, share", abs(float(demand.sum()) - assigned - inside) / scale, _ROUNDING),
        (
            "lower bound above objective, share",
            max(bound - objective, 0.0) / max(abs(objective), np.finfo(float).tiny),
            _ROUNDING,
        ),
        ("relative gap", relative_gap(problem, flow, demand), gap),
    ]
    return pl.DataFrame(
        {
            "check": [row[0] for row in rows],
            "value": [row[1] for row in rows],
            "limit": [row[2] for row in rows],
            "passed": [row[1] <= row[2] for row in rows],
        },
        schema={"check": pl.String, "value": pl.Float64, "limit": pl.Float64, "passed": pl.Boolean},
    )


def _departures(problem: FlowProblem, solution: FlowSolution) -> NDArray[np.float64]:
    """Return the vehicles that leave each origin on its bush, by row; read from the bushes, not from the demand."""
    state = solution.state
    leaving = np.zeros(state.count.size)
    zones = problem.origins.size
    for row in range(leaving.size):
        leaving[row] = np.maximum(state.flow[row, state.tail == problem.origins[row % zones]], 0.0).sum()
    return leaving


def _flow_table(arcs: _ArcTable, kinds: tuple[TrafficClass, ...], problem: FlowProblem, solution: FlowSolution) -> pl.DataFrame:
    """Put flows and costs back on the names of the graph."""
    order = arcs.shown
    volume = problem.pcu @ solution.flow
    time = delay_value(problem.delay, volume)
    weights = np.array([kind.time_weight for kind in kinds])
    cost = solution.cost * weights[:, None]
    columns: dict[str, Any] = {
        "link_id": _names([arcs.link_ids[k] for k in order]),
        "from_node": _names([arcs.nodes[arcs.tail[k]] for k in order]),
        "to_node": _names([arcs.nodes[arcs.head[k]] for k in order]),
        "flow": volume[order],
        "cost": cost[0, order] if len(kinds) == 1 else time[order],
    }
    if len(kinds) > 1:
        for k, kind in enumerate(kinds):
            columns[f"flow_{kind.name}"] = solution.flow[k, order]
            columns[f"cost_{kind.name}"] = cost[k, order]
    return pl.DataFrame(columns)


def _names(values: list[Any]) -> pl.Series:
    """Return a column of whole numbers if all are, of text otherwise."""
    if all(isinstance(value, (int, np.integer)) and not isinstance(value, bool) for value in values):
        return pl.Series(values, dtype=pl.Int64)
    return pl.Series([str(value) for value in values], dtype=pl.String)
