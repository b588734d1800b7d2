"""The pool returns in order, whatever the number of workers."""

from __future__ import annotations

import math

from transport import pool


def test_order_and_worker_count_do_not_matter() -> None:
    tasks = [9.0, 4.0, 1.0, 16.0]
    expected = [3.0, 2.0, 1.0, 4.0]
    assert pool.map(math.sqrt, tasks, workers=1) == expected
    assert pool.map(math.sqrt, tasks, workers=2) == expected


def test_no_tasks() -> None:
    assert pool.map(math.sqrt, []) == []
