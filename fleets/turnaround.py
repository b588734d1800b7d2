"""Tasks of a turnaround: what has to follow what, how long it takes, which equipment it binds, and what that means for the departure.

A task begins when all before it have ended, and one that belongs to the departure not earlier than the departure needs: as late as the longest
path from it to the push-back allows, less a margin. The aircraft leaves its stand when the push-back begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

import numpy as np

from fleets.errors import BlockError
from fleets.flights import STANDS
from fleets.tables import as_frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

#: The task with which an aircraft leaves its stand.
PUSH_BACK = "push_back"
#: Where a task belongs: to the arrival or to the departure.
ANCHORS: tuple[str, ...] = ("arrival", "departure")
#: When a task is needed: at every turnaround, with ground power, or with ice.
NEEDS: tuple[str, ...] = ("always", "ground_power", "icing")


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a turnaround.

    Attributes
    ----------
    task
        Name, unique in an aircraft size.
    kind
        Equipment it binds; empty where it binds none.
    units
        Units of the equipment, all at once.
    minutes, return_minutes
        Time at the aircraft, and the time the units are bound afterwards [min].
    after
        Tasks that have to end before.
    stands
        ``all``, ``contact`` or ``remote``.
    anchor
        ``arrival`` (as soon as possible) or ``departure`` (as late as the departure allows).
    needed
        ``always``, ``ground_power`` (aircraft on ground power) or ``icing`` (aircraft has to be de-iced).
    """

    task: str
    kind: str
    units: int
    minutes: float
    return_minutes: float = 0.0
    after: tuple[str, ...] = ()
    stands: str = "all"
    anchor: str = "arrival"
    needed: str = "always"


@dataclass(frozen=True)
class Plan:
    """The tasks of one kind of turnaround in an order in which all before a task come before it.

    Attributes
    ----------
    tasks
        The tasks, the push-back last.
    before, then
        Positions of the tasks directly before and directly after each task.
    """

    tasks: tuple[Task, ...]
    before: tuple[tuple[int, ...], ...]
    then: tuple[tuple[int, ...], ...]

    @cached_property
    def minutes(self) -> NDArray[np.float64]:
        """Return the minutes of the tasks at the aircraft, array ``(task,)``."""
        return np.array([t.minutes for t in self.tasks])

    @cached_property
    def tail(self) -> NDArray[np.float64]:
        """Return the longest time from the begin of each task to the push-back, array ``(task,)`` [min]."""
        found = np.zeros(len(self.tasks))
        for i in range(len(self.tasks) - 2, -1, -1):
            found[i] = self.minutes[i] + max((found[j] for j in self.then[i]), default=0.0)
        return found

    @cached_property
    def departs(self) -> NDArray[np.bool_]:
        """Return which tasks belong to the departure, array ``(task,)``."""
        return np.array([t.anchor == "departure" for t in self.tasks])

    def earliest(self, arrive: NDArray[np.float64], depart: NDArray[np.float64], margin_min: float) -> NDArray[np.float64]:
        """Return the time before which no task begins, array ``(turnaround, task)`` [min]; the push-back waits for the departure."""
        last = len(self.tasks) - 1
        late = depart[:, None] - self.tail[None, :] - np.where(np.arange(last + 1) == last, 0.0, margin_min)
        return np.where(self.departs[None, :], np.maximum(late, arrive[:, None]), arrive[:, None])

    def unlimited(self, earliest: NDArray[np.float64], minutes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return when the tasks begin if no equipment is ever missing.

        Parameters
        ----------
        earliest, minutes
            Time before which a task does not begin, and its length, arrays ``(turnaround, task)`` [min].
        """
        begin = np.array(earliest, dtype=np.float64)
        for i, before in enumerate(self.before):
            for j in before:
                np.maximum(begin[:, i], begin[:, j] + minutes[:, j], out=begin[:, i])
        return begin

    def shortest_min(self) -> float:
        """Return the time from the arrival to the push-back if nothing is missing: the critical path [min]."""
        zero = np.zeros((1, len(self.tasks)))
        return float(self.unlimited(zero, self.minutes[None, :])[0, -1])

    def critical_path(self) -> list[str]:
        """Return the tasks of the critical path from the arrival to the push-back."""
        begin = self.unlimited(np.zeros((1, len(self.tasks))), self.minutes[None, :])[0]
        at, path = len(self.tasks) - 1, [self.tasks[-1].task]
        while begin[at] > 0.0 and self.before[at]:
            at = max(self.before[at], key=lambda j: (begin[j] + self.minutes[j], -j))
            path.append(self.tasks[at].task)
        return path[::-1]


def task_graphs(table: Any, *, factor: float = 1.0) -> dict[str, tuple[Task, ...]]:
    """Return the tasks of each aircraft size from a table.

    Parameters
    ----------
    table
        Columns size, task, kind, units, minutes, return_minutes, after (names separated by spaces), stands, anchor and needed.
    factor
        Factor on all minutes.

    Returns
    -------
    dict
        Size -> tasks in the order of the table.

    Raises
    ------
    BlockError
        With all problems at once: missing columns and values, unknown words, tasks before themselves, sizes without a push-back.
    """
    frame = as_frame(table, "turnaround_tasks", BlockError)
    columns = ("size", "task", "kind", "units", "minutes", "return_minutes", "after", "stands", "anchor", "needed")
    lacking = [c for c in columns if c not in frame.columns]
    if lacking:
        msg = f"turnaround_tasks: columns {', '.join(lacking)} are missing; there are {', '.join(frame.columns) or 'none'}"
        raise BlockError(msg)
    graphs: dict[str, list[Task]] = {}
    problems = []
    for i, row in enumerate(frame.select(columns).iter_rows(named=True)):
        try:
            task = Task(
                task=str(row["task"] or ""),
                kind=str(row["kind"] or ""),
                units=int(row["units"] or 0),
                minutes=factor * float(row["minutes"]),
                return_minutes=factor * float(row["return_minutes"] or 0.0),
                after=tuple(str(row["after"] or "").split()),
                stands=str(row["stands"]),
                anchor=str(row["anchor"]),
                needed=str(row["needed"]),
            )
        except (TypeError, ValueError) as problem:
            problems.append(f"row {i}: {problem}")
            continue
        graphs.setdefault(str(row["size"]), []).append(task)
        problems += [f"row {i}: {problem}" for problem in _task_problems(task)]
    found = {size: tuple(tasks) for size, tasks in graphs.items()}
    for size, tasks in found.items():
        problems += [f"{size}: {problem}" for problem in graph_problems(tasks)]
    if problems or not found:
        msg = f"turnaround_tasks: {len(problems)} problems\n" + "\n".join(problems or ["there is no task"])
        raise BlockError(msg)
    return found


def _task_problems(task: Task) -> list[str]:
    words = (("stands", task.stands, ("all", *STANDS)), ("anchor", task.anchor, ANCHORS), ("needed", task.needed, NEEDS))
    found = [f"{name} is {value!r}; there are {', '.join(known)}" for name, value, known in words if value not in known]
    if bool(task.kind) != (task.units > 0) or task.units < 0:
        found.append(f"units={task.units} of kind {task.kind!r}: a task binds a kind with units, or neither")
    if not (0.0 <= task.minutes < np.inf and 0.0 <= task.return_minutes < np.inf):
        found.append(f"minutes={task.minutes} and return_minutes={task.return_minutes} must not be negative")
    return found


def graph_problems(tasks: Sequence[Task]) -> list[str]:
    """Return what is wrong with the tasks of one size: names, a missing push-back, tasks that come before themselves or after the push-back."""
    names = [t.task for t in tasks]
    found = [f"the task {name} stands there {names.count(name)} times" for name in dict.fromkeys(names) if names.count(name) > 1]
    found += [f"{t.task} comes after {a}, which does not exist" for t in tasks for a in t.after if a not in names]
    last = [t for t in tasks if t.task == PUSH_BACK]
    if not last:
        found.append(f"there is no task {PUSH_BACK}")
    elif (last[0].stands, last[0].needed, last[0].anchor) != ("all", "always", "departure"):
        found.append(f"{PUSH_BACK} is needed at all stands, always, and belongs to the departure")
    found += [f"{t.task} comes after {PUSH_BACK}, when the aircraft has left" for t in tasks if PUSH_BACK in t.after]
    try:
        list(TopologicalSorter({t.task: t.after for t in tasks}).static_order())
    except CycleError as problem:
        found.append(f"tasks wait for each other: {' -> '.join(problem.args[1])}")
    return found


def plan(tasks: Sequence[Task], *, stand: str, ground_power: bool = False, icing: bool = False) -> Plan:
    """Return the tasks that one kind of turnaround needs.

    Parameters
    ----------
    tasks
        All tasks of the aircraft size.
    stand
        ``contact`` or ``remote``.
    ground_power, icing
        Whether the aircraft takes ground power and has to be de-iced.

    Notes
    -----
    A task that is not needed hands on what stands before it. The push-back is last because nothing comes after it.
    """
    on = {"always": True, "ground_power": ground_power, "icing": icing}
    named = {t.task: t for t in tasks}
    wanted = {name for name, t in named.items() if t.stands in {"all", stand} and on[t.needed]}
    order = [n for n in TopologicalSorter({t.task: t.after for t in tasks}).static_order() if n in wanted and n != PUSH_BACK]
    order.append(PUSH_BACK)
    at = {name: i for i, name in enumerate(order)}

    def directly(name: str) -> set[int]:
        return {i for a in named[name].after for i in ({at[a]} if a in wanted else directly(a))}

    before = tuple(tuple(sorted(directly(name))) for name in order)
    then = tuple(tuple(i for i, found in enumerate(before) if j in found) for j in range(len(order)))
    return Plan(tuple(named[name] for name in order), before, then)


def shortest_stays(graphs: Mapping[str, Sequence[Task]]) -> dict[tuple[str, str], float]:
    """Return the shortest time on stand by size and stand without ice: the critical path of its tasks [min]."""
    return {(size, stand): plan(tasks, stand=stand).shortest_min() for size, tasks in graphs.items() for stand in STANDS}


def energy_per_minute(graphs: Mapping[str, Sequence[Task]], reference: str, kwh: Mapping[str, float]) -> dict[str, float]:
    """Return the energy of a minute at the aircraft by kind of equipment [kWh/min].

    Parameters
    ----------
    graphs
        Tasks by size.
    reference
        Size whose turnaround the energies belong to; for kinds none of its tasks binds it is the first size that has one.
    kwh
        Energy of one unit for all tasks of its kind in a turnaround of that size [kWh].

    Notes
    -----
    Of tasks at contact or at remote stands those of the stand with more minutes count. A kind that no task binds is left out.
    """
    found = {}
    for kind, energy in kwh.items():
        for size in (reference, *graphs):
            own = [t for t in graphs[size] if t.kind == kind]
            span = max(sum(t.minutes for t in own if t.stands in {"all", stand}) for stand in STANDS)
            if span > 0.0:
                found[kind] = energy / span
                break
    return found
