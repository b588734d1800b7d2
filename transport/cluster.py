"""The work of :func:`transport.pool.map` on the workers of a Dask cluster: the same results in the same order as on one computer.

Workers need the same version of this program and of the libraries that do arithmetic, and nothing else: data, data packs and what else tasks
share travel with the work, once to each worker. A worker that is lost costs the time of what it was at. ``distributed`` is an optional
dependency (``pip install "provincial-transport[cluster]"``) and imported here only.
"""

from __future__ import annotations

import hashlib
import platform
import re
import sys
import threading
import time
import uuid
import warnings
import zlib
from collections import Counter, OrderedDict, deque
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from transport import __version__
from transport.i18n import t
from transport.parcel import pack, unpack
from transport.pool import InOrder, WorkerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from distributed import Client, Future

Task = TypeVar("Task")
Result = TypeVar("Result")

#: What must be the same everywhere for the numbers to be, beside our own code.
_LIBRARIES = ("numpy", "scipy", "polars", "numba", "simpy", "distributed")
_PACKAGES = ("transport", "networks", "fleets")
_ADDRESS = re.compile(r"(tcp|tls)://[^\s/:]+:\d{1,5}")
#: Seconds that a scheduler and the first worker may take to answer.
CONNECT_S = 10.0
#: Seconds without any worker before the work is given up: time to start a computer again.
PATIENCE_S = 600.0
#: Tasks on their way to a worker or being done, for each worker: one to work on and one to go on with.
_AHEAD = 2
_LOOK_S = 1.0
#: Time to fetch a result: its worker may have died meanwhile, so that it is made again; the next try has twice as long.
_FETCH_S = 20.0
#: Parcels that a worker keeps open: those of the last pieces of work that came to it.
_OPEN_PARCELS = 2


class ClusterError(RuntimeError):
    """Exception for a cluster that cannot be used as it is.

    Parameters
    ----------
    key
        Text key.
    **values
        Its placeholders.
    """

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(t(key, "en", **values))
        self._key, self._values = key, values

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(ClusterError, self._key, **self._values), ()

    def text(self, lang: str) -> str:
        """Return the message in a language."""
        return t(self._key, lang, **self._values)


def map(  # noqa: A001
    fn: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    address: str,
    done: Callable[[int], None] | None = None,
    take: Callable[[int, Result], None] | None = None,
    shared: Sequence[object] = (),
    patience_s: float = PATIENCE_S,
) -> list[Result]:
    """Return ``[fn(task) for task in tasks]``, computed by the workers of a cluster.

    Parameters
    ----------
    fn, tasks, done, take, shared
        As in :func:`transport.pool.map`. Where it is stopped, tasks that have not begun are withdrawn; those at work run to their end.
    address
        Of the scheduler, ``tcp://host:8786``.
    patience_s
        Time without any worker before it is given up [s].

    Raises
    ------
    ClusterError
        If the scheduler cannot be reached or is lost, has no workers, or one of them runs another version or several threads.
    WorkerError
        If the scheduler gives a task up, as one worker after the other died with it.
    """
    results: InOrder[Result] = InOrder(len(tasks), done, take)
    with _connected(address) as client:
        expected = _checked(client, address)
        name = f"transport-{uuid.uuid4().hex}"
        parcel = client.submit(_kept, zlib.compress(pack(tuple(shared)), 1), key=f"{name}-shared", pure=False)
        waiting = deque(range(len(tasks)))
        sent: dict[Future[Any], int] = {}
        at: dict[int, str] = {}
        # an error of a task waits until everything before it is there, so that it is the same one whoever is fastest
        wrong: dict[int, BaseException] = {}
        slow: dict[int, float] = {}
        seen = time.monotonic()
        try:
            while waiting or sent:
                workers = _workers(client, address)
                seen = time.monotonic() if workers else seen
                if time.monotonic() - seen > patience_s:
                    raise ClusterError(key="cluster.no_workers", address=address)
                # the scheduler alone would give the first tasks to the one worker that has the parcel
                load = dict.fromkeys(workers, 0) | Counter(who for who in at.values() if who in workers)
                while waiting and load and min(load.values()) < _AHEAD:
                    who, k = min(load, key=lambda who: load[who]), waiting.popleft()
                    load[who] += 1
                    work = (pack((fn, tasks[k]), shared), parcel, name, expected)
                    wish = {"workers": [who], "allow_other_workers": True}
                    future = client.submit(_worked, *work, key=f"{name}-{k}", pure=False, **wish)
                    sent[future], at[k] = k, who
                for future in _finished(client, list(sent), address):
                    k = sent[future]
                    found = _fetched(future, slow.get(k, _FETCH_S)) or _problem(future, k, len(tasks), address)
                    if found is None:
                        slow[k] = min(2.0 * slow.get(k, _FETCH_S), PATIENCE_S)
                        continue
                    del sent[future], at[k]
                    if isinstance(found, bytes):
                        results.put(k, unpack(found))
                    elif isinstance(found, (ClusterError, WorkerError)):
                        raise found
                    else:
                        wrong[k] = found
                if wrong and results.missing()[0] == min(wrong):
                    raise wrong[min(wrong)]
        finally:
            if client.status == "running":
                client.cancel(list(sent), force=True)
                with suppress(Exception):  # the memory of the workers is for others now
                    client.run(_closed, name, on_error="ignore")
    return results.all()


def check(address: str) -> int:
    """Return the number of workers of a cluster that can be used, before long work is begun for it.

    Parameters
    ----------
    address
        Of the scheduler.

    Raises
    ------
    ClusterError
        As in :func:`map`.
    """
    with _connected(address) as client:
        _checked(client, address)
        return len(_workers(client, address))


@cache
def fingerprint() -> dict[str, str]:
    """Return what must be the same on all computers: version and hash of the program, Python, system, and versions of the libraries."""
    here = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for package in _PACKAGES:
        for path in sorted((here / package).rglob("*.py"), key=lambda path: path.relative_to(here).as_posix()):
            text = path.read_bytes().replace(b"\r\n", b"\n")
            digest.update(f"{path.relative_to(here).as_posix()}:{len(text)}\n".encode())
            digest.update(text)
    return {
        "transport": f"{__version__} ({digest.hexdigest()[:10]})",
        "Python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "system": f"{platform.system()} {platform.machine()}",
        **{name: _version(name) for name in _LIBRARIES},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "-"


# ---- on the computer that asks ----


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    try:
        import dask
        from distributed import Client
        from distributed.versions import VersionMismatchWarning
    except ImportError as missing:
        raise ClusterError(key="cluster.missing", detail=str(missing)) from missing
    if _ADDRESS.fullmatch(address) is None:
        raise ClusterError(key="cluster.address", address=address)
    # tasks are packed here, each small: the library's advice on large ones is for others
    with warnings.catch_warnings(), dask.config.set({"distributed.admin.large-graph-warning-threshold": "10GB"}):
        warnings.simplefilter("ignore", VersionMismatchWarning)  # our own check says it with a remedy
        try:
            client = Client(address, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as problem:
            detail = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
            raise ClusterError(key="cluster.unreachable", address=address, detail=detail) from problem
        try:
            yield client
        finally:
            client.close(timeout=CONNECT_S)


def _checked(client: Client, address: str) -> dict[str, str]:
    """Return our own fingerprint, which is that of everybody."""
    until = time.monotonic() + CONNECT_S
    while not _workers(client, address):
        if time.monotonic() > until:
            raise ClusterError(key="cluster.no_workers", address=address)
        time.sleep(_LOOK_S / 5)
    mine = fingerprint()
    try:
        theirs = {address: client.run_on_scheduler(fingerprint)}
    except Exception as problem:  # (whatever a computer without the program answers)
        raise ClusterError(key="cluster.foreign", who=address, detail=_line(problem)) from problem
    # the scheduler only hands on: its system and its arithmetic do not matter
    theirs[address] = {**mine, **{name: theirs[address].get(name, "-") for name in ("transport", "Python", "distributed")}}
    for who, found in client.run(fingerprint, on_error="return").items():
        if isinstance(found, BaseException):
            raise ClusterError(key="cluster.foreign", who=who, detail=_line(found)) from found
        theirs[who] = found
    for who, found in theirs.items():
        _same(who, found, mine)
    for who, threads in client.nthreads().items():
        if threads != 1:
            raise ClusterError(key="cluster.threads", who=who, threads=threads, address=address)
    return mine


def _same(who: str, found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """Refuse a computer that would work out other numbers."""
    for name, wanted in expected.items():
        if found.get(name) != wanted:
            raise ClusterError(key="cluster.versions", who=who, what=name, found=found.get(name, "-"), wanted=wanted)


def _workers(client: Client, address: str) -> list[str]:
    try:
        return list(client.nthreads())
    except (OSError, ValueError) as problem:
        raise ClusterError(key="cluster.lost", address=address) from problem


def _finished(client: Client, futures: Sequence[Future[Any]], address: str) -> list[Future[Any]]:
    """Return the tasks that are done, after waiting for one of them for a moment."""
    from distributed import wait

    if not futures:  # nobody is there to give work to
        time.sleep(_LOOK_S)
        return []
    with suppress(TimeoutError, CancelledError), client.as_current():
        wait(futures, timeout=_LOOK_S, return_when="FIRST_COMPLETED")
    if client.status != "running":
        raise ClusterError(key="cluster.lost", address=address)
    return [future for future in futures if future.done()]


def _fetched(future: Future[Any], seconds: float) -> bytes | None:
    """Return the packed result of a task that is done; None if it cannot be had, now or at all."""
    if future.status != "finished":
        return None
    try:
        return bytes(future.result(timeout=seconds))
    except Exception:  # noqa: BLE001  (what is wrong is seen in the state of the task, or it is made again)
        time.sleep(_LOOK_S / 20)
        return None


def _problem(future: Future[Any], k: int, count: int, address: str) -> BaseException | None:
    """Return why a task has no result; None if it will have one."""
    from distributed.scheduler import KilledWorker

    if future.status in {"finished", "pending", "lost"}:
        return None
    if future.status != "error":  # withdrawn by somebody else, or forgotten by a scheduler that was begun again
        return ClusterError(key="cluster.lost", address=address)
    found = future.exception()
    if isinstance(found, KilledWorker):
        msg = (
            f"task {k + 1} of {count}, or the one beside it, saw its worker die {found.allowed_failures + 1} times; most often the memory "
            "runs out: start fewer workers on each computer"
        )
        return WorkerError(msg)
    return found if isinstance(found, BaseException) else WorkerError(str(found))


def _line(problem: BaseException) -> str:
    return f"{type(problem).__name__}: {str(problem).splitlines()[0] if str(problem) else '-'}"


# ---- on a worker ----

#: One task at a time: what tasks share in a process is theirs alone while they work.
_ALONE = threading.Lock()
_open: OrderedDict[str, Sequence[object]] = OrderedDict()


def _kept(parcel: bytes) -> bytes:
    """Return a parcel as the result of a task: a worker without it gets it from another, or from the scheduler if that one died."""
    return parcel


def _closed(name: str) -> None:
    """Forget what the tasks of one piece of work shared."""
    _open.pop(name, None)


def _worked(work: bytes, parcel: bytes, name: str, expected: Mapping[str, str]) -> bytes:
    """Do a task; a worker that came later is looked at here."""
    _same(platform.node(), fingerprint(), expected)
    with _ALONE:
        if name not in _open:
            _open[name] = unpack(zlib.decompress(parcel))
            while len(_open) > _OPEN_PARCELS:
                _open.popitem(last=False)
        fn, task = unpack(work, _open[name])
        return pack(fn(task))
