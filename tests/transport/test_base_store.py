"""Solved base years on disk: what is put in comes out bit by bit, and nothing else does."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from transport import base_store
from transport.freight_start import FreightStarts

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from transport.inputs import Inputs


@dataclass(frozen=True)
class _Thing:
    name: str
    table: pl.DataFrame
    arrays: tuple[NDArray[np.float64], ...]
    whole: NDArray[np.int32]


@pytest.fixture
def thing() -> _Thing:
    rng = np.random.default_rng(2)
    table = pl.DataFrame({"zone_id": ["Z_A", "沈阳"], "t_per_year": [1.5, None]})
    return _Thing(
        "基准年",
        table,
        (rng.normal(size=(5, 3)), np.empty((0, 4)), np.asfortranarray(rng.normal(size=(4, 7)))),
        np.arange(9, dtype=np.int32),
    )


def _only(folder: Path) -> _Thing:
    (found,) = base_store.kept(folder)
    assert isinstance(found, _Thing)
    return found


def test_what_is_put_in_comes_out(thing: _Thing, tmp_path: Path) -> None:
    assert base_store.keep(thing, tmp_path / "cache", "a1")
    found = _only(tmp_path / "cache")
    assert (found.name, found.table.equals(thing.table)) == (thing.name, True)
    for mine, its in zip((*thing.arrays, thing.whole), (*found.arrays, found.whole), strict=True):
        assert mine.dtype == its.dtype
        np.testing.assert_array_equal(mine, its)


def test_arrays_can_be_written_to_and_the_file_stays(thing: _Thing, tmp_path: Path) -> None:
    base_store.keep(thing, tmp_path / "cache", "a1")
    _only(tmp_path / "cache").whole[:] = -1
    np.testing.assert_array_equal(_only(tmp_path / "cache").whole, thing.whole)


def test_the_newest_are_left_the_newest_last(thing: _Thing, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    for k, key in enumerate("abc"):
        base_store.keep(replace(thing, name=key), folder, key)
        for file in folder.glob(f"*-{key}.base"):
            os.utime(file, (k, k))
    assert [found.name for found in base_store.kept(folder)] == ["b", "c"]


def test_what_is_there_is_not_written_again(thing: _Thing, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    base_store.keep(thing, folder, "a")
    assert base_store.keep(replace(thing, name="other"), folder, "a")
    assert _only(folder).name == thing.name


def test_a_file_that_was_cut_or_is_something_else_is_passed_over(thing: _Thing, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    base_store.keep(thing, folder, "a")
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    for wrong in (whole[:-1], whole[: len(whole) // 3], b"", b"x" * 999):
        file.write_bytes(wrong)
        assert base_store.kept(folder) == []


def test_another_program_finds_nothing(thing: _Thing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base_store.keep(thing, tmp_path / "cache", "a")
    monkeypatch.setattr(base_store, "_program", lambda: "0123456789abcdef")
    assert base_store.kept(tmp_path / "cache") == []


@pytest.mark.skipif(os.name == "nt", reason="rights of folders are those of POSIX")
def test_a_folder_that_others_may_write_to_is_not_read(thing: _Thing, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    base_store.keep(thing, folder, "a")
    assert base_store.kept(folder)
    folder.chmod(0o777)
    assert base_store.kept(folder) == []


def test_a_folder_that_cannot_be_is_no_error(thing: _Thing, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert not base_store.keep(thing, tmp_path / "file", "a")
    assert base_store.kept(tmp_path / "file") == []


def test_a_full_disk_keeps_nothing(thing: _Thing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_store, "_FREE", 10**15)
    assert not base_store.keep(thing, tmp_path / "cache", "a")
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_folder_is_named_or_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRANSPORT_CACHE", str(tmp_path))
    assert base_store.base_folder() == tmp_path
    monkeypatch.setenv("TRANSPORT_CACHE", "off")
    assert base_store.base_folder() is None
    monkeypatch.delenv("TRANSPORT_CACHE")
    default = base_store.base_folder()
    assert default is not None
    assert default.name == "liaoning-transport"


def test_the_next_command_takes_the_base_year_of_the_last(
    base_year: FreightStarts, inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRANSPORT_CACHE", str(tmp_path / "cache"))
    counted = replace(inputs, reads={})
    solved = copy.copy(base_year).base_of(counted, counted.params())
    (start,) = base_year._kept
    assert base_store.keep(start, tmp_path / "cache", "a")
    again, reads = FreightStarts(), replace(inputs, reads={})
    found = again.base_of(reads, reads.params())
    assert again.built == 0
    assert reads.reads == counted.reads
    np.testing.assert_array_equal(found.constants, solved.constants)
    for mine, its in zip(solved.prepared.states, found.prepared.states, strict=True):
        np.testing.assert_array_equal(mine.rows.components, its.rows.components)
        np.testing.assert_array_equal(mine.rows.measure, its.rows.measure)
        assert mine.links.equals(its.links)
    np.testing.assert_array_equal(found.equilibrium.flow, solved.equilibrium.flow)
