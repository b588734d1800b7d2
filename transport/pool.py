"""Ordered parallel map over local processes; results do not depend on the number of workers."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Task = TypeVar("Task")
Result = TypeVar("Result")


def map(fn: Callable[[Task], Result], tasks: Iterable[Task], *, workers: int | None = None) -> list[Result]:  # noqa: A001
    """Return ``[fn(task) for task in tasks]``, computed by local processes.

    Parameters
    ----------
    fn
        A top-level function (it is sent to spawned processes).
    tasks
        The tasks; each must carry its own named seed if it draws random numbers.
    workers
        Number of processes; default the number of cores, 1 = in this process.
    """
    todo = list(tasks)
    count = min(workers if workers is not None else os.cpu_count() or 1, len(todo))
    if count <= 1:
        return [fn(task) for task in todo]
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        return list(pool.map(fn, todo))
