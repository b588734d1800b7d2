"""Work on local processes; results do not depend on the number of workers."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import active_children, get_context
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Task = TypeVar("Task")
Result = TypeVar("Result")


class WorkerError(RuntimeError):
    """Exception for a process that ended before its work was done."""


def map(  # noqa: A001
    fn: Callable[[Task], Result],
    tasks: Iterable[Task],
    *,
    workers: int | None = None,
    done: Callable[[int], None] | None = None,
) -> list[Result]:
    """Return ``[fn(task) for task in tasks]``, computed by local processes.

    Parameters
    ----------
    fn
        A top-level function (it is sent to spawned processes).
    tasks
        The tasks; each must carry its own named seed if it draws random numbers.
    workers
        Number of processes; default the number of cores, 1 = in this process.
    done
        Called with the number of tasks that are done, in the order of the tasks. If it or a task raises, or the user presses Ctrl-C, the
        processes are ended at once.
    """
    todo = list(tasks)
    count = min(workers if workers is not None else os.cpu_count() or 1, len(todo))
    if count <= 1:
        return _told((fn(task) for task in todo), done)
    others = set(active_children())
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_heed_no_interrupt)
    try:
        return _told(pool.map(fn, todo), done)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(active_children()) - others:
            process.terminate()
            # The pool's own thread waits for it too: the one that loses returns from the join before the end is known.
            while process.is_alive():
                process.join(0.05)
        raise
    finally:
        pool.shutdown()


def _told(results: Iterable[Result], done: Callable[[int], None] | None) -> list[Result]:
    found = []
    for result in results:
        found.append(result)
        if done is not None:
            done(len(found))
    return found


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
    """Run a task."""
    _heed_no_interrupt()
    fn(task)


def _heed_no_interrupt() -> None:
    """Leave Ctrl-C to the process that waits, which then ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
