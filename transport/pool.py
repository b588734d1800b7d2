"""Work on local processes; results do not depend on the number of workers."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Task = TypeVar("Task")
Result = TypeVar("Result")


class WorkerError(RuntimeError):
    """Exception for a process that ended before its work was done."""


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


def lanes(fn: Callable[[Task], object], tasks: Sequence[Task], *, tick: Callable[[], None], every: float = 0.2) -> None:
    """Run every task in a process of its own until all are done; what they come to they write themselves.

    Parameters
    ----------
    fn
        A top-level function.
    tasks
        One for each process.
    tick
        Called again and again while they run. If it raises, or the user presses Ctrl-C, the processes are ended at once.
    every
        Time between two calls [s].

    Raises
    ------
    WorkerError
        If a process ends with an error; the others are ended too. What went wrong stands on its standard error.
    """
    context = get_context("spawn")
    running = [context.Process(target=_lane, args=(fn, task), daemon=True) for task in tasks]
    try:
        for process in running:
            process.start()
        while any(process.is_alive() for process in running):
            for process in running:
                process.join(every / len(running))
            tick()
            wrong = [process.exitcode for process in running if process.exitcode]
            if wrong:
                msg = f"a worker process ended with code {wrong[0]} before its work was done"
                raise WorkerError(msg)
    finally:
        for process in running:
            if process.is_alive():
                process.terminate()
                process.join()
    tick()


def _lane(fn: Callable[[Task], object], task: Task) -> None:
    """Run a task; Ctrl-C is for the process that waits, which then ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    fn(task)
