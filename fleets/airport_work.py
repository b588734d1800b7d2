"""What a timetable asks of ground handling: every task of every turnaround with its minutes, and when it would begin if nothing were missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fleets.records import DAY_MIN, child_seed
from fleets.turnaround import plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    from fleets.airport import Handling

_MINUTES, _POWER, _ICE_DAYS, _ICE = range(1, 5)


@dataclass(frozen=True)
class Work:
    """Tasks of all turnarounds in flat arrays ``(task,)``; those of a turnaround stand together, the push-back last.

    Attributes
    ----------
    arrive
        Arrival by turnaround, array ``(turnaround,)`` [min].
    first
        Position of the first task by turnaround, with the end of the last, array ``(turnaround + 1,)``.
    turnaround
        Turnaround of each task.
    name, kind
        Name of the task, and position of its equipment in the fleet; -1 where it binds none or the fleet has none.
    units
        Units it binds at once.
    nominal, minutes, returns
        Planned and drawn time at the aircraft, and time the units are bound afterwards [min].
    earliest
        Time before which it does not begin [min].
    unlimited
        Begin if no equipment is ever missing [min].
    before
        Number of tasks directly before.
    then, preceding
        Positions, from the first task of the turnaround, of the tasks directly after and before.
    powered, mobile, icing
        By turnaround: on ground power, with tasks of its own for it, and de-iced.
    """

    arrive: NDArray[np.float64]
    first: NDArray[np.int64]
    turnaround: NDArray[np.int64]
    name: list[str]
    kind: NDArray[np.int64]
    units: NDArray[np.int64]
    nominal: NDArray[np.float64]
    minutes: NDArray[np.float64]
    returns: NDArray[np.float64]
    earliest: NDArray[np.float64]
    unlimited: NDArray[np.float64]
    before: NDArray[np.int64]
    then: list[tuple[int, ...]]
    preceding: list[tuple[int, ...]]
    needed: list[str]
    powered: NDArray[np.bool_]
    mobile: NDArray[np.bool_]
    icing: NDArray[np.bool_]

    @property
    def last(self) -> NDArray[np.int64]:
        """Return the position of the push-back by turnaround, array ``(turnaround,)``."""
        return self.first[1:] - 1


def work_of(timetable: pl.DataFrame, handling: Handling, kinds: Sequence[str], seed: np.random.SeedSequence) -> Work:
    """Return the tasks of a timetable.

    Parameters
    ----------
    timetable
        Columns arrive_min, depart_min, size, stand, sorted by arrival.
    handling
        Tasks, spread of their minutes, shares on ground power, ice.
    kinds
        Kinds of equipment in the fleet.
    seed
        Seed of the replication.

    Notes
    -----
    The number of days with ice is fixed up to rounding, and such a day has ice for all its departures alike. The minutes of a task are gamma distributed about the planned ones; each
    task of a size has its own column of random numbers, so that the need of another task changes nothing.
    """
    n = timetable.height
    arrive, depart = timetable["arrive_min"].to_numpy(), timetable["depart_min"].to_numpy()
    rng = {k: np.random.default_rng(child_seed(seed, k)) for k in (_MINUTES, _POWER, _ICE_DAYS, _ICE)}
    contact = (timetable["stand"] == "contact").to_numpy()
    use = handling.power.ground_power_share
    powered = rng[_POWER].random(n) < np.where(contact, use[0], use[1])
    day = np.floor(depart / DAY_MIN).astype(np.int64)
    day -= day.min(initial=0)
    days = int(day.max(initial=-1)) + 1
    icy = np.zeros(days, dtype=np.bool_)
    with_ice = int(handling.icing_day_probability * days + rng[_ICE_DAYS].random())
    icy[rng[_ICE_DAYS].permutation(days)[:with_ice]] = True
    icing = icy[day] & (rng[_ICE].random(n) < handling.deicing_share)
    columns = max(len(tasks) for tasks in handling.tasks.values())
    spread = np.ones((n, columns))
    if handling.task_cv > 0.0:
        shape = 1.0 / handling.task_cv**2
        spread = rng[_MINUTES].gamma(shape, 1.0 / shape, (n, columns))
    at = {kind: i for i, kind in enumerate(kinds)}
    sizes = timetable["size"].to_list()
    groups: dict[tuple[str, bool, bool, bool], list[int]] = {}
    for i, key in enumerate(zip(sizes, contact.tolist(), powered.tolist(), icing.tolist(), strict=True)):
        groups.setdefault(key, []).append(i)
    plans = {
        (size, stand, power, ice): plan(
            handling.tasks[size], stand="contact" if stand else "remote", ground_power=power, icing=ice
        )
        for size, stand, power, ice in groups
    }
    length = np.zeros(n, dtype=np.int64)
    for key, rows in groups.items():
        length[rows] = len(plans[key].tasks)
    first = np.concatenate([[0], np.cumsum(length)])
    total = int(first[-1])
    kind, units, count = (np.zeros(total, dtype=np.int64) for _ in range(3))
    nominal, drawn, returns, earliest, unlimited = (np.zeros(total) for _ in range(5))
    name, needed = [""] * total, [""] * total
    then: list[tuple[int, ...]] = [()] * total
    preceding: list[tuple[int, ...]] = [()] * total
    mobile = np.zeros(n, dtype=np.bool_)
    for key, rows in groups.items():
        made, index = plans[key], np.array(rows)
        order = {t.task: i for i, t in enumerate(handling.tasks[key[0]])}
        where = first[index][:, None] + np.arange(len(made.tasks))[None, :]
        column = np.array([order[t.task] for t in made.tasks])
        minutes: NDArray[np.float64] = made.minutes[None, :] * spread[index[:, None], column[None, :]]
        floor = made.earliest(arrive[index], depart[index], handling.margin_min)
        drawn[where], earliest[where] = minutes, floor
        unlimited[where] = made.unlimited(floor, minutes)
        nominal[where] = made.minutes
        returns[where] = [t.return_minutes for t in made.tasks]
        kind[where] = [at.get(t.kind, -1) for t in made.tasks]
        units[where] = [t.units if t.kind in at else 0 for t in made.tasks]
        count[where] = [len(b) for b in made.before]
        mobile[index] = any(t.needed == "ground_power" and t.kind in at for t in made.tasks)
        words = [t.task for t in made.tasks], [t.needed for t in made.tasks]
        for begin in where[:, 0].tolist():
            end = begin + len(made.tasks)
            name[begin:end], needed[begin:end] = words
            then[begin:end], preceding[begin:end] = made.then, made.before
    return Work(
        arrive=arrive,
        first=first,
        turnaround=np.repeat(np.arange(n), length),
        name=name,
        then=then,
        preceding=preceding,
        needed=needed,
        powered=powered,
        mobile=mobile,
        icing=icing,
        kind=kind,
        units=units,
        nominal=nominal,
        minutes=drawn,
        returns=returns,
        earliest=earliest,
        unlimited=unlimited,
        before=count,
    )
