"""Work on local processes or on a cluster; results do not depend on the number of workers, and a worker that is killed costs only time."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, current_process, get_context
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from transport.parcel import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from multiprocessing.context import SpawnProcess

Task = TypeVar("Task")
Result = TypeVar("Result")

#: How often a task may see its process killed before it is held to be the cause; the last time it runs alone.
MOST_KILLS = 3
#: Most processes that Windows can wait for.
_MOST_ON_WINDOWS = 61
_BEGUN, _ENDED = 1, 2


class WorkerError(RuntimeError):
    """Exception for a process that ended before its work was done."""


def map(  # noqa: A001
    fn: Callable[[Task], Result],
    tasks: Iterable[Task],
    *,
    workers: int | None = None,
    done: Callable[[int], None] | None = None,
    take: Callable[[int, Result], None] | None = None,
    scheduler: str | None = None,
    shared: Sequence[object] = (),
) -> list[Result]:
    """Return ``[fn(task) for task in tasks]``, computed by local processes or by the workers of a cluster.

    Parameters
    ----------
    fn
        A top-level function (it is sent to spawned processes).
    tasks
        The tasks; each must carry its own named seed if it draws random numbers.
    workers
        Number of processes; default the number of cores, 1 = in this process. Of no meaning with a scheduler.
    done
        Called with the number of tasks that are done, in the order of the tasks. If it or a task raises, or the user presses Ctrl-C, the
        processes are ended at once; on a cluster what has not begun is withdrawn.
    take
        Called with the number of a task and its result when that comes, in any order; what it keeps is not lost if the rest is stopped.
    scheduler
        Address of a Dask scheduler (``tcp://host:8786``) whose workers do the work, see :mod:`transport.cluster`.
    shared
        Objects that tasks hold in common: they are sent to each process once. A task finds the very object there, with whatever an earlier
        task of that process kept in it, so that results must not depend on that.

    Raises
    ------
    WorkerError
        If a task sees its process killed again and again; a process that is killed otherwise (by hand, or as the memory runs out) is
        replaced, and what it had not finished is done again.
    transport.cluster.ClusterError
        If the scheduler cannot be reached, or its workers run another version.
    """
    todo = list(tasks)
    if scheduler is not None and todo:
        from transport import cluster

        return cluster.map(fn, todo, address=scheduler, done=done, take=take, shared=shared)
    results: InOrder[Result] = InOrder(len(todo), done, take)
    count = min(workers if workers is not None else os.cpu_count() or 1, len(todo))
    count = min(count, _MOST_ON_WINDOWS) if os.name == "nt" else count
    if count <= 1 or current_process().daemon:  # a worker of a cluster may have no children
        for k, task in enumerate(todo):
            results.put(k, fn(task))
        return results.all()
    kills = [0] * len(todo)
    while left := results.missing():
        alone = [k for k in left if kills[k] == MOST_KILLS - 1][:1]
        for k in _round(fn, {k: todo[k] for k in alone or left}, 1 if alone else count, results, shared):
            kills[k] += 1
            if kills[k] == MOST_KILLS:
                msg = (
                    f"task {k + 1} of {len(todo)} saw its process killed {MOST_KILLS} times, the last time alone; most often the memory "
                    "runs out: take fewer workers, or a computer with more memory"
                )
                raise WorkerError(msg)
    return results.all()


class InOrder(Generic[Result]):
    """Results that come in any order and are told in the order of the tasks.

    Parameters
    ----------
    count
        Number of tasks.
    done
        Called with the number of tasks that are done without a gap before them.
    take
        Called with each number and result as it comes.
    """

    def __init__(
        self, count: int, done: Callable[[int], None] | None = None, take: Callable[[int, Result], None] | None = None
    ) -> None:
        self._count, self._done, self._take = count, done, take
        self._found: dict[int, Result] = {}
        self._told = 0

    def put(self, k: int, result: Result) -> None:
        """Keep the result of task ``k`` and tell what is now done."""
        self._found[k] = result
        if self._take is not None:
            self._take(k, result)
        while self._told in self._found:
            self._told += 1
            if self._done is not None:
                self._done(self._told)

    def missing(self) -> list[int]:
        """Return the tasks without a result."""
        return [k for k in range(self._count) if k not in self._found]

    def all(self) -> list[Result]:
        """Return the results in the order of the tasks."""
        return [self._found[k] for k in range(self._count)]


def _round(
    fn: Callable[[Task], Result], tasks: dict[int, Task], count: int, results: InOrder[Result], shared: Sequence[object]
) -> list[int]:
    """Run tasks until all are done or a process is killed; return those that had begun then and not ended, none if all are done."""
    context = get_context("spawn")
    marks = context.RawArray("B", max(tasks) + 1)
    others = set(active_children())
    start = (marks, pack(tuple(shared)))
    pool = ProcessPoolExecutor(min(count, len(tasks)), mp_context=context, initializer=_begin, initargs=start)
    futures: dict[int, Any] = {}
    try:
        for k, task in tasks.items():
            sent: Any = _Sent(task, shared) if shared else task
            futures[k] = pool.submit(_marked, k, fn, sent)
        for k, future in futures.items():
            results.put(k, future.result())
    except BrokenProcessPool:
        pool.shutdown()
        for k in [k for k, future in futures.items() if future.done() and k in results.missing()]:
            if futures[k].exception() is None:
                results.put(k, futures[k].result())
        left = [k for k in tasks if k in results.missing()]
        return [k for k in left if marks[k] == _BEGUN] or left
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
    return []


class _Sent:
    """A task that leaves what is shared behind when it is pickled."""

    def __init__(self, task: object, shared: Sequence[object]) -> None:
        self._task, self._shared = task, shared

    def __reduce__(self) -> tuple[Any, ...]:
        return _here, (pack(self._task, self._shared),)


#: In a worker process: the marks of the tasks and what they share.
_process: dict[str, Any] = {"marks": None, "shared": ()}


def _begin(marks: Any, parcel: bytes) -> None:
    _heed_no_interrupt()
    _process.update(marks=marks, shared=unpack(parcel))


def _here(parcel: bytes) -> Any:
    return unpack(parcel, _process["shared"])


def _marked(k: int, fn: Callable[[Task], Result], task: Task) -> Result:
    marks = _process["marks"]
    marks[k] = _BEGUN
    try:
        return fn(task)
    finally:
        marks[k] = _ENDED


def lanes(fn: Callable[[Task], object], tasks: Sequence[Task], *, tick: Callable[[], None], every: float = 0.2) -> None:
    """Run every task in a process of its own until all are done; what they come to they write themselves.

    Parameters
    ----------
    fn
        A top-level function; one that is begun again, as its process was killed, goes on where it was.
    tasks
        One for each process.
    tick
        Called again and again while they run. If it raises, or the user presses Ctrl-C, the processes are ended at once.
    every
        Time between two calls [s].

    Raises
    ------
    WorkerError
        If a process ends with an error, or is killed again and again; the others are ended too. What went wrong stands on its standard
        error.
    """
    context = get_context("spawn")

    def begun(k: int) -> SpawnProcess:
        process = context.Process(target=_lane, args=(fn, tasks[k]), daemon=True)
        process.start()
        return process

    running: dict[int, SpawnProcess] = {}
    kills = [0] * len(tasks)
    try:
        for k in range(len(tasks)):
            running[k] = begun(k)
        while any(process.exitcode != 0 for process in running.values()):
            for process in running.values():
                process.join(every / len(running))
            tick()
            for k, process in running.items():
                if not process.exitcode:
                    continue
                kills[k] += 1
                if not _was_killed(process.exitcode) or kills[k] == MOST_KILLS:
                    often = f", the last of {kills[k]} times" if kills[k] > 1 else ""
                    msg = f"a worker process ended with code {process.exitcode}{often} before its work was done"
                    raise WorkerError(msg)
                running[k] = begun(k)
    finally:
        for process in running.values():
            if process.is_alive():
                process.terminate()
                process.join()
    tick()


def _was_killed(code: int) -> bool:
    """Return whether a process was ended from outside: by a signal, or, on Windows, with the code of the task manager."""
    return code < 0 or (os.name == "nt" and code == 1)


def _lane(fn: Callable[[Task], object], task: Task) -> None:
    """Run a task."""
    _heed_no_interrupt()
    fn(task)


def _heed_no_interrupt() -> None:
    """Leave Ctrl-C to the process that waits, which then ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
