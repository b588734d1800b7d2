"""Jobs: side by side, queued, cancelled, found again after a reload, and left behind by a process that died."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from transport.app import calculations, jobs, locks
from transport.app.jobs import Job

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: A calculation that takes as long as it is asked to and needs no data.
SLEEPY = """
import time
import polars as pl
import transport.inputs

transport.inputs.load_inputs = lambda *args, **options: None

def solve(request, inputs, tell):
    if request.get("wrong"):
        raise ValueError(request["wrong"])
    for step, name in enumerate(("one", "two")):
        tell(step, 2, name)
        end = time.monotonic() + request["seconds"] / 2
        while time.monotonic() < end:
            time.sleep(0.01)
    return {"answer": pl.DataFrame({"value": [request["value"]]})}
"""
PATIENCE = 60.0


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Job]:
    """Return a function that starts a sleepy calculation under a name, in a runs folder of the test."""
    (tmp_path / "sleepy.py").write_text(SLEEPY, encoding="utf-8")
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.setenv("TRANSPORT_JOBS", "2")

    def start(name: str, seconds: float = 0.0, **asked: Any) -> Job:
        return calculations.start("sleepy", "sleep", lang="zh", identity=name, seconds=seconds, value=name, **asked)

    return start


def until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.02)


def test_two_jobs_work_side_by_side_and_the_same_question_is_one_job(ask: Callable[..., Job]) -> None:
    first, second = ask("first", 2.0), ask("second", 2.0)
    again = ask("first", 99.0)
    assert again.folder == first.folder
    assert again.about["at"] == first.about["at"], "the second asker watches the job of the first"
    until(lambda: first.status() == second.status() == "running")
    assert [job.identity for job in jobs.live()] == ["first", "second"]
    until(lambda: first.finished() and second.finished())
    for job in (first, second):
        assert job.succeeded(), job.message()
        assert calculations.answers_in(job.folder)["answer"]["value"].to_list() == [job.identity]
    assert jobs.live() == []


def test_a_reload_finds_the_job_and_what_is_cancelled_can_be_started_again(ask: Callable[..., Job]) -> None:
    ask("long", 240.0)
    until(lambda: Job(jobs.home() / "long", {}).progress()[1] == "one")
    found = jobs.find("long")  # nothing but the folder is known, as in a new session or a new process
    assert found is not None
    assert found.status() == "running"
    assert found.about["task"] == "sleep"
    assert found.elapsed() >= 0.0
    began = time.monotonic()
    found.cancel()
    assert found.status() == "cancelled"
    assert time.monotonic() - began < jobs.PATIENCE
    assert found.message() == "", "whoever cancels needs no explanation"
    assert calculations.answers_in(found.folder) == {}
    until(lambda: not locks.is_held(found.folder / jobs.LOCK))
    again = ask("long", 0.0)
    until(again.finished)
    assert again.succeeded(), again.message()
    assert again.progress() == (0.5, "two")


def test_more_jobs_than_may_work_wait_in_their_order(ask: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSPORT_JOBS", "1")
    first = ask("a", 30.0)
    until(lambda: first.status() == "running")
    second, third = ask("b", 0.0), ask("c", 0.0)
    until(lambda: (second.folder / jobs.LOCK).exists() and (third.folder / jobs.LOCK).exists())
    assert (second.status(), second.ahead()) == ("queued", 0)
    assert (third.status(), third.ahead()) == ("queued", 1)
    second.cancel()
    assert second.status() == "cancelled", "a job that waits can be cancelled"
    first.cancel()
    until(third.finished)
    assert third.succeeded(), third.message()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")
def test_a_job_whose_process_died_has_failed_and_leaves_nothing(ask: Callable[..., Job]) -> None:
    job = ask("dead", 120.0)
    until(lambda: job.status() == "running")
    half = jobs.home().parent / ".dead.partial-1"
    half.mkdir()
    os.kill(json.loads((job.folder / jobs.BEGAN).read_text(encoding="utf-8"))["pid"], signal.SIGKILL)
    until(job.finished)
    assert job.status() == "failed"
    assert jobs.live() == []
    again = ask("dead", 0.0)
    assert not half.exists(), "what it had half-written is gone with the next start"
    assert again.status() == "queued"
    again.cancel()


def test_a_folder_without_a_process_has_failed_after_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path))
    folder = jobs.home() / "lost"
    folder.mkdir(parents=True)
    fresh = Job(folder, {"at": time.time()})
    assert fresh.status() == "queued", "its process may be about to begin"
    assert Job(folder, {"at": time.time() - jobs.GRACE - 1.0}).status() == "failed"
    assert jobs.find("lost") is None, "nothing is said of it"
    (folder / jobs.ABOUT).write_text("{half", encoding="utf-8")
    assert jobs.find("lost") is None
    (folder / jobs.PROGRESS).write_text('{"step": 1, "steps": 4, "name": "a"}\n{"step": 2, "ste', encoding="utf-8")
    assert fresh.progress() == (0.25, "a"), "half a line does not count"


def test_the_time_left_comes_from_the_steps_of_the_last_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path))
    folder = jobs.home() / "run"
    folder.mkdir(parents=True)
    job = Job(folder, {"at": time.time(), "speed": "s"})
    (folder / jobs.BEGAN).write_text(json.dumps({"at": time.time() - 30.0}), encoding="utf-8")
    assert job.remaining() is None, "no job of this kind has ended yet"
    steps = {"": 10.0, "freight": 40.0, "travel": 20.0}
    (jobs.home() / jobs.times_file("s")).write_text(json.dumps({"steps": steps}), encoding="utf-8")
    assert job.remaining() == pytest.approx(60.0), "the nameless beginning took longer than last time"
    path = folder / jobs.PROGRESS
    path.write_text('{"step": 1, "steps": 9, "name": "freight"}\n', encoding="utf-8")
    os.utime(path, (time.time() - 10.0, time.time() - 10.0))
    assert job.remaining() == pytest.approx(50.0, abs=1.0)
    assert job.progress()[0] == pytest.approx(30.0 / 80.0, abs=0.02)
    path.write_text('{"step": 1, "steps": 9, "name": "new step"}\n', encoding="utf-8")
    assert job.remaining() is None
    assert job.progress()[0] == pytest.approx(1.0 / 9.0)


def test_a_job_notes_how_long_its_steps_took(ask: Callable[..., Job]) -> None:
    job = jobs.start(
        "timed",
        "sleepy",
        about={"kind": "calculation", "speed": "kind"},
        files={"request.json": json.dumps({"lang": "zh", "pack": "", "seconds": 0.8, "value": 1})},
    )
    del ask
    until(job.finished)
    assert job.succeeded(), job.message()
    steps = json.loads((jobs.home() / jobs.times_file("kind")).read_text(encoding="utf-8"))["steps"]
    assert list(steps) == ["", "one", "two"]
    assert steps["one"] == pytest.approx(0.4, abs=0.3)
    assert job.remaining() == 0.0


def test_a_lock_is_held_until_it_is_let_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not locks.is_held(path)
    file = locks.take(path)
    assert file is not None
    assert locks.is_held(path)
    assert locks.take(path) is None
    file.close()
    assert not locks.is_held(path)


def test_a_refusal_is_told_and_old_ends_are_removed(ask: Callable[..., Job]) -> None:
    job = ask("no", wrong="没有电动公交")
    until(job.finished)
    assert job.status() == "failed"
    assert job.message() == "没有电动公交"
    long_ago = time.time() - jobs.KEPT - 60.0
    os.utime(job.folder, (long_ago, long_ago))
    new = ask("new", 60.0)
    assert not job.folder.exists()
    assert jobs.find("new") is not None
    new.cancel()
