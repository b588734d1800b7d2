"""The pool returns in order, whatever the number of workers."""

from __future__ import annotations

import math
import time
from multiprocessing import active_children

import pytest

from transport import pool


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
