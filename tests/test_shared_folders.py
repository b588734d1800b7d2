"""What all workers of a test session share is made once, whoever asks first."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Shared = Callable[[str, Callable[[Path], object]], Path]


def test_four_that_ask_at_once_get_one_folder(shared: Shared) -> None:
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        time.sleep(0.2)  # the others ask meanwhile
        folder.mkdir()
        (folder / "whole.txt").write_text("all of it", encoding="utf-8")

    def read(_: int) -> str:
        return (shared("asked_by_four", make) / "whole.txt").read_text(encoding="utf-8")

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, range(4))) == ["all of it"] * 4
    assert len(made) == 1


def test_a_failure_reaches_the_one_who_made_it_and_those_who_wait(shared: Shared) -> None:
    def make(folder: Path) -> None:
        raise ValueError(folder.name)

    with pytest.raises(ValueError, match="cannot_be_made"):
        shared("cannot_be_made", make)
    with pytest.raises(pytest.fail.Exception, match="cannot_be_made: it failed in another worker"):
        shared("cannot_be_made", make)
