"""The same work on a real scheduler and two real workers of this computer; workers that die, and clusters that cannot be used."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.transport.far_work import drawn, killed_always, left_a_mark, outcome, rooted, stub
from tests.transport.weeks.small_province import FLEETS, SMALL, small_models, small_params
from transport import cluster, pool
from transport.cli import main
from transport.ensemble import CHUNK, design_cases, prepared, run_cases
from transport.parcel import pack, unpack
from transport.scenario import load_scenario
from transport.sweep_file import read_sweep
from transport.sweeps import run_sweep
from transport.weeks import province

if TYPE_CHECKING:
    from collections.abc import Generator

    from transport.inputs import Inputs

ROOT = Path(__file__).resolve().parents[2]
#: Time for a process to start on a busy computer [s].
START_S = 90.0

SWEEP = """
title_zh = "通行费"
base = "baseline"
[grid]
road_toll = [1.0, 1.1, 2.0, 0.9]
"""


class Computers:
    """A scheduler and workers, each a process of its own as on another computer."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        self._folder, self._workers = folder, []
        self._scheduler = self._begin("scheduler", "--host", "127.0.0.1", "--port", str(port))
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
                return
            time.sleep(0.05)

    def _begin(self, *words: str) -> subprocess.Popen[bytes]:
        paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        with (self._folder / f"{words[0]}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *words, "--no-dashboard", "--dashboard-address", "127.0.0.1:0"],
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": paths},
                stdout=log,
                stderr=log,
            )

    def add(self, count: int) -> None:
        """Start workers."""
        words = ("worker", self.address, "--no-nanny", "--nthreads", "1", "--host", "127.0.0.1")
        self._workers += [self._begin(*words, "--local-directory", str(self._folder)) for _ in range(count)]

    def two(self) -> str:
        """Return the address when two workers are there."""
        from distributed import Client

        self._workers = [worker for worker in self._workers if worker.poll() is None]
        self.add(2 - len(self._workers))
        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=START_S)
        return self.address

    def wait_for_nothing_to_do(self) -> None:
        """Wait until the scheduler knows no task and no worker is at one."""
        from distributed import Client

        def left(dask_scheduler: Any) -> int:
            return len(dask_scheduler.tasks)

        def at_work(dask_worker: Any) -> int:
            return int(dask_worker.state.executing_count)

        until = time.monotonic() + START_S
        with Client(self.address, set_as_default=False) as client:
            while client.run_on_scheduler(left) or any(client.run(at_work).values()):
                assert time.monotonic() < until, "work that was withdrawn is still there"
                time.sleep(0.05)

    def kill_one(self) -> None:
        """Kill a worker as the system does where the memory runs out."""
        self._workers[0].send_signal(signal.SIGKILL)

    def kill_all(self) -> None:
        """Kill all workers."""
        for worker in self._workers:
            worker.send_signal(signal.SIGKILL)

    def kill_scheduler(self) -> None:
        """Kill the scheduler."""
        self._scheduler.send_signal(signal.SIGKILL)

    def end(self) -> None:
        """End everything, whatever state it is in."""
        for process in (*self._workers, self._scheduler):
            process.kill()
        for process in (*self._workers, self._scheduler):
            process.wait()

    def log(self) -> str:
        """Return what the processes said."""
        return "\n".join(path.read_text(encoding="utf-8") for path in sorted(self._folder.glob("*.log")))


@pytest.fixture(scope="module")
def computers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Computers]:
    made = Computers(tmp_path_factory.mktemp("cluster"))
    try:
        made.add(2)
        yield made
    finally:
        made.end()
    sys.stdout.write(made.log())  # shown where a test failed


def test_the_same_bytes_as_on_this_computer_in_order(computers: Computers) -> None:
    weights = np.linspace(0.0, 1.0, 500)
    tasks = [(k, weights) for k in range(9)]
    told: list[int] = []
    found = pool.map(drawn, tasks, scheduler=computers.two(), shared=[weights], done=told.append)
    here = pool.map(drawn, tasks, workers=1)
    assert [pickle.dumps(table.to_dict(as_series=False)) for table in found] == [
        pickle.dumps(table.to_dict(as_series=False)) for table in here
    ]
    assert told == list(range(1, 10))
    assert pool.map(drawn, [], scheduler=computers.address) == []


def test_a_sweep_on_a_cluster_is_the_same_bytes(computers: Computers, inputs: Inputs, tmp_path: Path) -> None:
    file = tmp_path / "tolls.toml"
    file.write_text(SWEEP, encoding="utf-8")
    sweep, told = read_sweep(str(file), inputs), []
    address = computers.two()
    far = run_sweep(
        sweep, inputs, folder=tmp_path / "far", scheduler=address, work=stub, progress=lambda *what: told.append(what[:2])
    )
    run_sweep(sweep, inputs, folder=tmp_path / "near", work=stub)
    written = sorted(path.name for path in (tmp_path / "near").glob("*.parquet"))
    assert "indicators.parquet" in written
    for name in written:
        assert (tmp_path / "far" / name).read_bytes() == (tmp_path / "near" / name).read_bytes(), name
    assert told[-1] == (4, 4)
    assert far.table("cases")["error"].to_list() == [None, None, "ArithmeticError: no road left", None]


def test_the_draws_of_an_ensemble_on_a_cluster_are_the_same_bytes(computers: Computers, inputs: Inputs, tmp_path: Path) -> None:
    scenario = prepared(load_scenario("plan_2030", inputs.folder, inputs.levers))
    cases = design_cases(inputs, draws=2 * CHUNK + 1, seed=3)
    how: dict[str, dict[str, Any]] = {"near": {"workers": 1}, "far": {"scheduler": computers.two()}}
    for name, where in how.items():
        assert run_cases(scenario, inputs, cases, folder=tmp_path / name, evaluate=outcome, **where) == cases.count
    near, far = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in how)
    assert len(near) == 9, "four chunks of two files each, and the series"
    assert near == far


def test_simulated_weeks_on_a_cluster_are_the_same_tables(
    computers: Computers, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(province, "city_fleets", lambda *_: FLEETS)
    asked: dict[str, Any] = {"years": (2030,), "systems": ("bus_depot", "taxi_city"), "areas": (SMALL,), "seed": 3}
    how: tuple[dict[str, Any], ...] = ({"workers": 1}, {"scheduler": computers.two()})
    near, far = (province.simulate_province(inputs, small_params(inputs), small_models(), **asked, **one).tables for one in how)
    assert near.keys() == far.keys()
    assert near["simulation"].height > 0
    for name, table in near.items():
        assert table.equals(far[name]), name


def test_the_first_error_in_order_is_told_and_the_rest_withdrawn(computers: Computers) -> None:
    with pytest.raises(ValueError, match=r"expected a nonnegative input|math domain error"):
        pool.map(rooted, [4.0, -1.0, 9.0, -2.0, 16.0], scheduler=computers.two())


def test_an_interrupt_withdraws_what_has_not_begun(computers: Computers, tmp_path: Path) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    address = computers.two()
    with pytest.raises(KeyboardInterrupt):
        pool.map(left_a_mark, [(str(tmp_path), k) for k in range(40)], scheduler=address, done=stop)
    computers.wait_for_nothing_to_do()
    begun = len(list(tmp_path.iterdir()))
    assert begun < 10
    time.sleep(0.4)
    assert len(list(tmp_path.iterdir())) == begun
    assert pool.map(rooted, [4.0], scheduler=address) == [2.0]  # the workers are free again


def test_a_worker_killed_on_purpose_costs_no_result(computers: Computers) -> None:
    address, told = computers.two(), []

    def kill_at_three(count: int) -> None:
        told.append(count)
        if count == 3:
            computers.kill_one()

    tasks = [float(k * k) for k in range(16)]
    assert pool.map(rooted, tasks, scheduler=address, done=kill_at_three) == [float(k) for k in range(16)]
    assert told == list(range(1, 17))


def test_another_version_is_refused(
    computers: Computers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = computers.two()
    assert cluster.check(address) == 2
    ours = cluster.fingerprint()
    assert set(ours) > {"transport", "Python", "numpy", "polars"}
    monkeypatch.setitem(ours, "numpy", "0.1")
    with pytest.raises(cluster.ClusterError, match=r"tcp://127.0.0.1:\d+ has numpy \S+, this computer 0.1; .* install the same"):
        pool.map(rooted, [4.0], scheduler=address)
    file = tmp_path / "tolls.toml"
    file.write_text(SWEEP, encoding="utf-8")
    assert main(["sweep", str(file), "--out", str(tmp_path / "out"), "--scheduler", address, "--lang", "en", "--quiet"]) == 2
    assert "this computer 0.1" in capsys.readouterr().err
    monkeypatch.setitem(ours, "transport", "0.0 (older)")
    with pytest.raises(cluster.ClusterError, match=r"has transport .* this computer 0.0 \(older\)"):
        cluster.check(address)


def test_a_worker_of_another_version_that_comes_later_is_refused() -> None:
    theirs = {**cluster.fingerprint(), "polars": "0.1"}
    with pytest.raises(cluster.ClusterError, match=r"this computer 0.1") as caught:
        cluster._worked(b"", b"", "name", theirs)
    again = unpack(pack(caught.value))  # as it comes back from the worker
    assert (str(again), again.text("zh")) == (str(caught.value), caught.value.text("zh"))


class Answers:
    """A client whose cluster answers as it is told to."""

    def __init__(self, found: object, threads: int) -> None:
        self._found, self._threads = found, threads

    def nthreads(self) -> dict[str, int]:
        return {"tcp://b:1": self._threads}

    def run_on_scheduler(self, fn: Any) -> object:
        return fn()

    def run(self, *_: Any, **__: Any) -> dict[str, object]:
        return {"tcp://b:1": self._found}


def test_a_worker_without_the_program_or_with_threads_is_refused() -> None:
    with pytest.raises(cluster.ClusterError, match="the program on tcp://b:1 cannot be used: ModuleNotFoundError: no transport"):
        cluster._checked(Answers(ModuleNotFoundError("no transport"), 1), "tcp://a:8786")  # type: ignore[arg-type]
    with pytest.raises(cluster.ClusterError, match=r"tcp://b:1 has 4 threads, .* dask worker tcp://a:8786 .*--nthreads 1"):
        cluster._checked(Answers(cluster.fingerprint(), 4), "tcp://a:8786")  # type: ignore[arg-type]


def test_nobody_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 0.5)
    with pytest.raises(cluster.ClusterError, match="the address localhost:8786 of a scheduler is not understood"):
        pool.map(rooted, [4.0], scheduler="localhost:8786")
    with socket.socket() as taken:  # a port that nobody listens on
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        file = tmp_path / "tolls.toml"
        file.write_text(SWEEP, encoding="utf-8")
        assert main(["sweep", str(file), "--out", str(tmp_path / "out"), "--scheduler", address, "--quiet"]) == 2
    assert f"{address} 没有应答" in capsys.readouterr().err


def test_where_all_workers_are_gone_the_work_is_given_up_and_what_came_back_is_kept(
    computers: Computers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_FETCH_S", 0.2)  # a result may be lost with its worker
    kept: dict[int, float] = {}

    def kill_at_three(count: int) -> None:
        if count == 3:
            computers.kill_all()

    address = computers.two()
    with pytest.raises(cluster.ClusterError, match=f"{address} has no workers"):
        cluster.map(
            rooted, [float(k * k) for k in range(16)], address=address, done=kill_at_three, take=kept.__setitem__, patience_s=1.0
        )
    assert 3 <= len(kept) < 16
    assert all(root == k for k, root in kept.items())


def test_a_task_that_kills_every_worker_is_named_and_no_workers_are_not_waited_for_forever(
    computers: Computers, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import Client

    address = computers.two()
    with Client(address, set_as_default=False) as client:  # the second worker that dies is the last: no need to start more
        client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 1))
    monkeypatch.setattr(cluster, "_FETCH_S", 0.2)  # a result may be lost with the last worker
    with pytest.raises(pool.WorkerError, match=r"task [123] of 3, or the one beside it, saw its worker die 2 times"):
        pool.map(killed_always, range(3), scheduler=address)
    monkeypatch.setattr(cluster, "CONNECT_S", 0.5)
    with pytest.raises(cluster.ClusterError, match=f"{address} has no workers; run on each computer: dask worker {address}"):
        pool.map(killed_always, range(3), scheduler=address)


def test_while_nobody_works_the_loop_takes_a_breath(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_LOOK_S", 0.05)
    start = time.monotonic()
    assert cluster._finished(Answers({}, 1), [], "tcp://a:8786") == []  # type: ignore[arg-type]
    assert time.monotonic() - start >= 0.05


def test_a_scheduler_that_is_gone_is_told_and_what_came_back_is_kept(
    computers: Computers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last test of the file: the scheduler does not come back."""
    monkeypatch.setattr(cluster, "_FETCH_S", 0.2)
    kept: dict[int, float] = {}

    def kill_at_three(count: int) -> None:
        if count == 3:
            computers.kill_scheduler()

    address = computers.two()
    with pytest.raises(cluster.ClusterError, match=f"the connection to {address} is lost"):
        pool.map(rooted, [float(k * k) for k in range(16)], scheduler=address, done=kill_at_three, take=kept.__setitem__)
    assert 3 <= len(kept) < 16
