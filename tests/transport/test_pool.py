"""The pool returns in order, whatever the number of workers."""

from __future__ import annotations

import math
import os
import signal
import time
from multiprocessing import active_children
from pathlib import Path

import pytest

from transport import pool
from transport.parcel import pack


def killed_once(task: tuple[str, int]) -> int:
    """Kill the own process the first time that task 1 is done, as the system does where the memory runs out."""
    flag, k = Path(task[0]), task[1]
    if k == 1 and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return k * k


def killed_always(k: int) -> int:
    if k == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return k


def goes_on(task: tuple[str, int]) -> None:
    """Write three files, one after the other; killed once in the middle."""
    folder, k = Path(task[0]), task[1]
    for step in range(3):
        file = folder / f"{k}-{step}"
        if not file.exists():
            file.touch()
            if (k, step) == (0, 1):
                os.kill(os.getpid(), signal.SIGKILL)


def added(task: tuple[int, list[int]]) -> tuple[int, bool]:
    """Return the sum of the long list, and whether the one who asked is the process of the test."""
    k, table = task
    return sum(table) + k, os.getpid() == table[0]


def test_order_and_worker_count_do_not_matter() -> None:
    tasks = [9.0, 4.0, 1.0, 16.0]
    expected = [3.0, 2.0, 1.0, 4.0]
    assert pool.map(math.sqrt, tasks, workers=1) == expected
    assert pool.map(math.sqrt, tasks, workers=2) == expected


def test_progress_is_told_in_order() -> None:
    for workers in (1, 2):
        told: list[int] = []
        assert pool.map(math.sqrt, [9.0, 4.0, 1.0], workers=workers, done=told.append) == [3.0, 2.0, 1.0]
        assert told == [1, 2, 3]


def test_an_interrupt_ends_the_processes_at_once() -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    before = set(active_children())
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        pool.map(time.sleep, [0.0, 600.0, 600.0, 600.0], workers=2, done=stop)
    assert time.monotonic() - start < 300.0
    assert set(active_children()) <= before


def test_no_tasks() -> None:
    assert pool.map(math.sqrt, []) == []


def test_a_killed_process_costs_no_result(tmp_path: Path) -> None:
    told: list[int] = []
    tasks = [(str(tmp_path / "flag"), k) for k in range(5)]
    assert pool.map(killed_once, tasks, workers=2, done=told.append) == [0, 1, 4, 9, 16]
    assert (tmp_path / "flag").exists()
    assert told == [1, 2, 3, 4, 5]


def test_a_task_that_always_kills_its_process_is_named_and_the_rest_is_kept() -> None:
    kept: dict[int, int] = {}
    with pytest.raises(pool.WorkerError, match="task 3 of 4 saw its process killed 3 times, the last time alone"):
        pool.map(killed_always, range(4), workers=2, take=kept.__setitem__)
    assert set(kept) <= {0, 1, 3}
    assert all(k == result for k, result in kept.items())


def test_a_lane_that_is_killed_goes_on(tmp_path: Path) -> None:
    pool.lanes(goes_on, [(str(tmp_path), 0), (str(tmp_path), 1)], tick=lambda: None, every=0.05)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0-0", "0-1", "0-2", "1-0", "1-1", "1-2"]


def test_what_tasks_share_travels_once() -> None:
    table = [os.getpid(), *range(100_000)]
    tasks = [(k, table) for k in range(3)]
    assert len(pack(tasks[0], [table])) < 60
    assert len(pack(tasks[0])) > 100_000
    found = pool.map(added, tasks, workers=2, shared=[table])
    assert found == [(sum(table) + k, False) for k in range(3)]
    assert pool.map(added, tasks, workers=1, shared=[table]) == [(total, True) for total, _ in found]


def test_an_error_of_a_task_is_its_own() -> None:
    with pytest.raises(ValueError, match="math domain error"):
        pool.map(math.sqrt, [4.0, -1.0, 9.0], workers=2)
