"""User equilibrium on arrays: problem, solution, and the bush-based algorithm that joins them.

Every class and origin keeps a bush, an acyclic set of arcs with its flow (Dial, Transportation Research B 40 (2006) 917-936; Nie, Transportation
Research B 44 (2010) 73-89). An iteration updates every bush and shifts flow from the longest used to the shortest path of every vertex by Newton's
method; the gap is then measured by fresh shortest paths that know nothing of the bushes.

All classes share the delay of the total flow in passenger car units (pcu). The cost of class ``k`` on an arc is ``delay + fixed_cost[k]``, in the unit of
the delay. Weighted by pcu, total cost ``sum_k pcu_k sum_a flow_ka cost_ka`` belongs to a convex programme (Beckmann), so the weighted gap bounds how far
the objective is from its minimum.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from networks import bush_kernels as kernels
from networks.bush_sweeps import improve
from networks.delays import DelayArrays, check_delays, delay_integral, delay_value, fill_delays
from networks.errors import NetworkError

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Most sweeps over all bushes after each update of the bushes; doubled, up to the second number, while iterations are slow.
_PASSES = 30
_MOST_PASSES = 480
#: Sweeps of a round that is not measured.
_FEW_PASSES = 6
#: An iteration is slow if the gap stays above this share of what it was.
_SLOW = 0.5
#: In these sweeps a bush is left alone while its excess cost is below this share of the mean.
_CALM = 0.03
#: The sweeps end when the excess cost inside the bushes is below this share of what the gap allows.
_ENOUGH = 0.05
#: Pairs named in an error message.
_NAMED = 5


class AssignmentError(NetworkError):
    """Exception for an assignment that cannot be made, does not converge or fails a check."""


@dataclass(frozen=True)
class FlowProblem:
    """An assignment problem as arrays, arcs sorted by tail.

    Attributes
    ----------
    indptr, head, tail
        CSR structure: the arcs out of vertex ``i`` are ``indptr[i]:indptr[i + 1]``. Parallel arcs and loops are allowed.
    delay
        Volume-delay function of each arc; flows in pcu.
    fixed_cost
        Cost besides the delay ``[class, arc]``, in the unit of the delay, not negative; infinite = closed to the class.
    pcu
        Passenger car units of one vehicle of each class, positive.
    origins, destinations
        Vertex of each zone as a start and as an end; they may be the same.
    passable
        Whether a vertex may be travelled through. An impassable vertex can still be an origin or a destination.
    zone_names, class_names
        Names for messages; empty = positions.
    """

    indptr: NDArray[np.int64]
    head: NDArray[np.int64]
    tail: NDArray[np.int64]
    delay: DelayArrays
    fixed_cost: NDArray[np.float64]
    pcu: NDArray[np.float64]
    origins: NDArray[np.int64]
    destinations: NDArray[np.int64]
    passable: NDArray[np.bool_]
    zone_names: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class FlowState:
    """Bushes of a solution, for a warm start; arrays are read-only and in the arc order of the kernels (by head).

    Attributes
    ----------
    flow
        Flow of each row (class and origin) on each arc, ``-1`` = outside the bush.
    order, count
        Vertices of each bush in topological order, and their number.
    tail, head, passable, origins, closed
        What the bushes were made for; ``closed`` are the arcs ``[class, arc]`` no path may use.
    """

    flow: NDArray[np.float64] = field(repr=False)
    order: NDArray[np.int32] = field(repr=False)
    count: NDArray[np.int64] = field(repr=False)
    tail: NDArray[np.int64] = field(repr=False)
    head: NDArray[np.int64] = field(repr=False)
    passable: NDArray[np.bool_] = field(repr=False)
    origins: NDArray[np.int64] = field(repr=False)
    closed: NDArray[np.bool_] = field(repr=False)


@dataclass(frozen=True)
class Step:
    """One line of the record of convergence: gap, objective, its lower bound and total cost after an iteration, seconds since the start."""

    iteration: int
    relative_gap: float
    objective: float
    lower_bound: float
    total_cost: float
    seconds: float


@dataclass(frozen=True)
class FlowSolution:
    """Equilibrium flows.

    Attributes
    ----------
    flow
        Vehicles ``[class, arc]``.
    cost
        Cost per vehicle at these flows ``[class, arc]``, infinite where closed.
    od_cost
        Least cost of each pair ``[class, origin zone, destination zone]``, infinite without a path, 0 where both ends are one vertex.
    relative_gap
        See :func:`relative_gap`.
    iterations
        Iterations made.
    state
        For a warm start.
    record
        Convergence, iteration by iteration.
    """

    flow: NDArray[np.float64]
    cost: NDArray[np.float64]
    od_cost: NDArray[np.float64]
    relative_gap: float
    iterations: int
    state: FlowState
    record: tuple[Step, ...]


def solve_flows(
    problem: FlowProblem,
    demand: NDArray[np.float64],
    *,
    gap: float = 1e-6,
    max_iterations: int = 1000,
    state: FlowState | None = None,
    strict: bool = True,
) -> FlowSolution:
    """Find the user equilibrium of fixed demand.

    Parameters
    ----------
    problem
        Network, delays, classes.
    demand
        Vehicles ``[class, origin zone, destination zone]``; the diagonal stays inside the zone and is not assigned.
    gap
        Relative gap to reach.
    max_iterations
        Most iterations.
    state
        From an earlier solution of a problem with the same arcs, zones and classes; demand, delays and fixed costs may differ. The old bushes carry the
        new demand in the old proportions. Never changed.
    strict
        Whether a gap that is not reached is an error; otherwise the solution is returned as it stands.

    Returns
    -------
    FlowSolution
        The same bytes for the same arguments, whatever runs beside it.

    Raises
    ------
    AssignmentError
        If arrays do not fit together, a pair with demand has no path, or the gap is not reached.
    """
    began = time.perf_counter()
    work = _Work.build(problem, check_problem(problem, demand))
    work.begin(np.ones(work.task.total.size, dtype=np.bool_) if state is None else work.take(state))
    record = [work.measure(0, began)]
    memory, passes = work.memory(), _PASSES
    while not record[-1].relative_gap <= gap and len(record) <= max_iterations:
        improve(
            work.arcs, work.load, work.rows, work.task, work.scratch, passes, _CALM, _ENOUGH * gap * record[-1].total_cost, memory
        )
        work.balance()
        record.append(work.measure(len(record), began))
        slow = record[-1].relative_gap > _SLOW * record[-2].relative_gap
        passes = min(2 * passes, _MOST_PASSES) if slow else _PASSES
    if strict and not record[-1].relative_gap <= gap:
        msg = f"relative gap {record[-1].relative_gap:.3g} after {len(record) - 1} iterations, {gap:.3g} asked for; allow more iterations or a larger gap"
        raise AssignmentError(msg)
    return work.finish(tuple(record))


def advance_flows(
    problem: FlowProblem, demand: NDArray[np.float64], *, rounds: int = 1, state: FlowState | None = None
) -> FlowSolution:
    """Move flows towards the user equilibrium by a few rounds, without measuring how far they have come.

    For loops that change the demand after every round and measure at their own end: the measure costs more than the round.

    Parameters
    ----------
    problem, demand, state
        As in :func:`solve_flows`.
    rounds
        Updates of the bushes, each with its sweeps.

    Returns
    -------
    FlowSolution
        Flows that serve the demand; the gap is not known (NaN), ``od_cost`` is empty.

    Raises
    ------
    AssignmentError
        If arrays do not fit together or a pair with demand has no path.
    """
    work = _Work.build(problem, check_problem(problem, demand))
    work.begin(np.ones(work.task.total.size, dtype=np.bool_) if state is None else work.take(state))
    memory = work.memory()
    for _ in range(rounds):
        improve(work.arcs, work.load, work.rows, work.task, work.scratch, _FEW_PASSES, _CALM, 0.0, memory)
        work.balance()
    return work.finish(())


def relative_gap(problem: FlowProblem, flow: NDArray[np.float64], demand: NDArray[np.float64]) -> float:
    """Measure how far flows are from equilibrium: (total cost - cost on shortest paths) / total cost.

    Parameters
    ----------
    problem
        Network, delays, classes.
    flow
        Vehicles ``[class, arc]``, from whatever source.
    demand
        Vehicles ``[class, origin zone, destination zone]``.

    Returns
    -------
    float
        0 at equilibrium and if nothing costs anything; infinite if a pair with demand has no path. Totals are weighted by pcu; the shortest paths are
        found anew at the costs of these flows.
    """
    total, least = system_costs(problem, flow, demand)
    return (total - least) / total if total > 0 else 0.0


def system_costs(problem: FlowProblem, flow: NDArray[np.float64], demand: NDArray[np.float64]) -> tuple[float, float]:
    """Return the total cost of flows and the cost of the demand on the shortest paths at the same arc costs, both weighted by pcu."""
    demand = check_problem(problem, demand)
    delay = delay_value(problem.delay, problem.pcu @ flow)
    used = np.where(flow != 0, problem.fixed_cost, 0.0) + delay
    total = float(problem.pcu @ np.einsum("ka,ka->k", flow, used))
    arcs, order = compile_arcs(problem)
    task = task_for(problem, demand, order)
    cost = _all_costs(arcs, delay[order], task, task.total > 0, scratch_for(problem))
    priced = np.where(demand > 0, cost, 0.0)
    return total, float(problem.pcu @ np.einsum("kij,kij->k", demand, priced))


def beckmann(problem: FlowProblem, flow: NDArray[np.float64]) -> float:
    """Return Beckmann's objective: delay integrals of the total flow plus fixed cost x flow x pcu of every class."""
    fixed = np.where(flow != 0, problem.fixed_cost, 0.0)
    return float(delay_integral(problem.delay, problem.pcu @ flow).sum() + problem.pcu @ np.einsum("ka,ka->k", flow, fixed))


def od_average(problem: FlowProblem, solution: FlowSolution, per_arc: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average the path sums of arc values over the used paths of every pair.

    Parameters
    ----------
    problem, solution
        As solved.
    per_arc
        Values to be summed along the paths ``[value, arc]``, such as length or toll.

    Returns
    -------
    numpy.ndarray
        ``[class, value, origin zone, destination zone]``, zero where there is no path and on the diagonal. For every class and value
        ``sum(demand x average) = sum(flow x value)``. Pairs without demand have the mean of the paths their origin's flow takes, on from there the
        cheapest path of the bush.
    """
    arcs, order = compile_arcs(problem)
    values = np.ascontiguousarray(np.atleast_2d(per_arc)[:, order], dtype=np.float64)
    cost = np.ascontiguousarray(solution.cost[:, order])
    zones, classes = problem.origins.size, problem.pcu.size
    rows = kernels.Rows(solution.state.flow, solution.state.order, solution.state.count)
    result = np.zeros((classes * zones, values.shape[0], zones))
    sums = np.zeros((problem.passable.size, values.shape[0]))
    kernels.average_rows(arcs, rows, cost, values, problem.destinations, scratch_for(problem), sums, result)
    found = result.reshape(classes, zones, values.shape[0], zones)
    found[:, np.arange(zones), :, np.arange(zones)] = 0.0
    return found.transpose(0, 2, 1, 3)


def compile_arcs(problem: FlowProblem) -> tuple[kernels.Arcs, NDArray[np.int64]]:
    """Return the network in the arc order of the kernels, and that order."""
    order = np.argsort(problem.head, kind="stable").astype(np.int64)
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    n = problem.passable.size
    delay = problem.delay
    arcs = kernels.Arcs(
        first=np.searchsorted(problem.head[order], np.arange(n + 1)).astype(np.int64),
        tail=np.ascontiguousarray(problem.tail[order]),
        head=np.ascontiguousarray(problem.head[order]),
        out_start=np.array(problem.indptr),
        out_arc=place,
        passable=np.array(problem.passable),
        code=delay.code[order],
        t0=delay.t0[order],
        capacity=delay.capacity[order],
        a=delay.a[order],
        b=delay.b[order],
        preload=delay.preload[order],
    )
    return arcs, order


def scratch_for(problem: FlowProblem) -> kernels.Scratch:
    """Return working memory for the kernels."""
    n = problem.passable.size
    low_arc, high_arc, place, heap = (np.zeros(n, dtype=np.int64) for _ in range(4))
    return kernels.Scratch(np.zeros(n), np.zeros(n), low_arc, high_arc, place, heap, np.zeros(2 * n + 2, dtype=np.int64))


def task_for(problem: FlowProblem, demand: NDArray[np.float64], order: NDArray[np.int64]) -> kernels.Task:
    """Return what is to be assigned in the arc order of the kernels."""
    rows = demand.reshape(problem.pcu.size * problem.origins.size, problem.origins.size)
    return kernels.Task(
        fixed=np.ascontiguousarray(problem.fixed_cost[:, order], dtype=np.float64),
        pcu=np.array(problem.pcu, dtype=np.float64),
        origins=np.array(problem.origins, dtype=np.int64),
        ends=np.array(problem.destinations, dtype=np.int64),
        demand=rows,
        total=rows.sum(axis=1),
    )


def _all_costs(
    arcs: kernels.Arcs, cost: NDArray[np.float64], task: kernels.Task, wanted: NDArray[np.bool_], scratch: kernels.Scratch
) -> NDArray[np.float64]:
    """Return the least cost of every pair ``[class, origin zone, destination zone]``; zero in the rows that are not wanted."""
    zones = task.origins.size
    result = np.zeros((wanted.size, zones))
    kernels.all_costs(arcs, cost, task, wanted, scratch, result)
    return result.reshape(-1, zones, zones)


def check_problem(problem: FlowProblem, demand: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the demand without its diagonal, after checking that all arrays fit together.

    Raises
    ------
    AssignmentError
        Names the array that does not fit.
    """
    n_arc, n, zones, classes = problem.head.size, problem.passable.size, problem.origins.size, problem.pcu.size
    shapes = {
        "indptr": (problem.indptr.shape, (n + 1,)),
        "tail": (problem.tail.shape, (n_arc,)),
        "delay": (problem.delay.t0.shape, (n_arc,)),
        "fixed_cost": (problem.fixed_cost.shape, (classes, n_arc)),
        "destinations": (problem.destinations.shape, (zones,)),
        "demand": (demand.shape, (classes, zones, zones)),
    }
    for name, (found, due) in shapes.items():
        if found != due:
            msg = f"{name} has shape {found}; {due} is needed for {classes} classes, {zones} zones, {n} vertices and {n_arc} arcs"
            raise AssignmentError(msg)
    for name in ("head", "tail", "origins", "destinations"):
        values = getattr(problem, name)
        if values.size and (values.min() < 0 or values.max() >= n):
            msg = f"{name} names a vertex outside 0..{n - 1}"
            raise AssignmentError(msg)
    if not np.array_equal(problem.indptr, np.searchsorted(problem.tail, np.arange(n + 1))) or np.any(np.diff(problem.tail) < 0):
        msg = "arcs must be sorted by tail, and indptr must say where each tail begins"
        raise AssignmentError(msg)
    for name, good in (
        ("fixed_cost must not be negative or NaN (infinite = closed)", problem.fixed_cost >= 0),
        ("pcu must be positive and finite", (problem.pcu > 0) & np.isfinite(problem.pcu)),
        ("demand must be finite and not negative", (demand >= 0) & np.isfinite(demand)),
    ):
        if not bool(np.all(good)):
            place = tuple(int(i) for i in np.argwhere(~good)[0])
            msg = f"{name}; the entry at {place} is not"
            raise AssignmentError(msg)
    check_delays(problem.delay)
    demand = np.array(demand, dtype=np.float64, order="C")
    demand[:, np.arange(zones), np.arange(zones)] = 0.0
    return demand


@dataclass(frozen=True)
class _Work:
    """Arrays of one solve, changed in place by the kernels; none of them is shared with the outside."""

    problem: FlowProblem
    arcs: kernels.Arcs
    order: NDArray[np.int64]
    load: kernels.Load
    rows: kernels.Rows
    task: kernels.Task
    scratch: kernels.Scratch

    @classmethod
    def build(cls, problem: FlowProblem, demand: NDArray[np.float64]) -> _Work:
        arcs, order = compile_arcs(problem)
        task = task_for(problem, demand, order)
        n_row, n_arc, n = task.total.size, order.size, problem.passable.size
        rows = kernels.Rows(
            np.full((n_row, n_arc), kernels.ABSENT), np.zeros((n_row, n), dtype=np.int32), np.zeros(n_row, dtype=np.int64)
        )
        load = kernels.Load(arcs.preload.copy(), np.empty(n_arc), np.empty(n_arc))
        fill_delays(arcs.code, arcs.t0, arcs.capacity, arcs.a, arcs.b, load.volume, load.cost, load.slope)
        return cls(problem, arcs, order, load, rows, task, scratch_for(problem))

    def take(self, state: FlowState) -> NDArray[np.bool_]:
        """Copy the bushes of a state and load the demand on them; return the rows that must begin afresh."""
        same = (
            state.flow.shape == self.rows.flow.shape
            and np.array_equal(state.tail, self.arcs.tail)
            and np.array_equal(state.head, self.arcs.head)
            and np.array_equal(state.passable, self.arcs.passable)
            and np.array_equal(state.origins, self.task.origins)
        )
        if not same:
            msg = "the warm start was made for other arcs, zones or classes; start without it"
            raise AssignmentError(msg)
        self.rows.flow[:], self.rows.order[:], self.rows.reached[:] = state.flow, state.order, state.count
        # the old flows price the bushes, so that vertices without flow are served sensibly
        kernels.recount(self.arcs, self.load, self.rows, self.task)
        failed = self.balance()
        # an arc that was closed may lead to vertices the old bushes do not know
        opened = (state.closed & np.isfinite(self.task.fixed)).any(axis=1)
        failed |= np.repeat(opened, self.task.origins.size) | (self.task.total == 0)
        self.rows.flow[failed] = kernels.ABSENT
        kernels.recount(self.arcs, self.load, self.rows, self.task)
        return failed

    def balance(self) -> NDArray[np.bool_]:
        """Load the demand on the bushes in the proportions of their flows, so that every vertex balances; return the rows where that fails."""
        failed = np.zeros(self.task.total.size, dtype=np.bool_)
        kernels.reload_rows(self.arcs, self.load, self.rows, self.task, self.scratch, failed)
        kernels.recount(self.arcs, self.load, self.rows, self.task)
        return failed

    def begin(self, fresh: NDArray[np.bool_]) -> None:
        """Load the rows without a bush, each on its shortest paths at the delays so far."""
        unreached = np.full(fresh.size, -1, dtype=np.int64)
        kernels.start_rows(self.arcs, self.load, self.rows, self.task, fresh, self.scratch, unreached)
        if bool((unreached >= 0).any()):
            raise AssignmentError(self._cut_off())
        kernels.recount(self.arcs, self.load, self.rows, self.task)

    def _cut_off(self) -> str:
        """Name the pairs that have demand and no path."""
        cost = _all_costs(self.arcs, self.load.cost, self.task, self.task.total > 0, self.scratch)
        missing = np.argwhere((self.task.demand.reshape(cost.shape) > 0) & ~np.isfinite(cost))
        zone = self.problem.zone_names or tuple(str(i) for i in range(cost.shape[1]))
        kind = self.problem.class_names or tuple(str(i) for i in range(cost.shape[0]))
        names = [f"{zone[i]} -> {zone[j]}" + (f" ({kind[k]})" if len(kind) > 1 else "") for k, i, j in missing[:_NAMED].tolist()]
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        return f"no path for {len(missing)} pairs with demand: {', '.join(names)}{more}; open a link or drop their demand"

    def memory(self) -> kernels.Memory:
        """Return working memory for the iterations."""
        n_row, n_arc = self.rows.flow.shape
        return kernels.Memory(np.empty((n_row, n_arc)), np.zeros(n_row), np.zeros(n_arc), np.zeros(n_arc))

    def flow(self) -> NDArray[np.float64]:
        """Return the flow of each class on the arcs of the problem."""
        inner = np.empty((self.task.pcu.size, self.order.size))
        kernels.class_flows(self.rows, self.task, inner)
        result = np.empty_like(inner)
        result[:, self.order] = inner
        return result

    def measure(self, iteration: int, began: float) -> Step:
        """Measure gap, objective and lower bound (objective less excess cost, by convexity) with fresh shortest paths."""
        flow = self.flow()
        zones = self.task.origins.size
        total, least = system_costs(self.problem, flow, self.task.demand.reshape(-1, zones, zones))
        objective = beckmann(self.problem, flow)
        gap = (total - least) / total if total > 0 else 0.0
        return Step(iteration, gap, objective, objective - (total - least), total, time.perf_counter() - began)

    def finish(self, record: tuple[Step, ...]) -> FlowSolution:
        """Give rows without demand the shortest paths at the final delays, and freeze the result."""
        self.begin(self.task.total == 0)
        flow = self.flow()
        every = np.ones(self.task.total.size, dtype=np.bool_)
        cost = delay_value(self.problem.delay, self.problem.pcu @ flow) + self.problem.fixed_cost
        od_cost = _all_costs(self.arcs, self.load.cost, self.task, every, self.scratch) if record else np.zeros((0, 0, 0))
        state = FlowState(
            flow=self.rows.flow,
            order=self.rows.order,
            count=self.rows.reached,
            tail=self.arcs.tail,
            head=self.arcs.head,
            passable=self.arcs.passable,
            origins=self.task.origins,
            closed=~np.isfinite(self.task.fixed),
        )
        for value in (*(getattr(state, name) for name in state.__dataclass_fields__), flow, cost, od_cost):
            value.setflags(write=False)
        reached = record[-1].relative_gap if record else float("nan")
        return FlowSolution(flow, cost, od_cost, reached, max(len(record) - 1, 0), state, record)
