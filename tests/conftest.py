"""What every test stands on: no internet, no skip under CI, one hypothesis profile, the bundled data."""

from __future__ import annotations

import gc
import os
import shutil
import socket
import time
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from transport.inputs import Inputs
    from transport.store import StoredRun
    from transport.study import Results

    #: Name of a folder and how to make it -> the folder.
    Shared = Callable[[str, Callable[[Path], object]], Path]

ROOT = Path(__file__).resolve().parents[1]
#: Longest time one worker waits for what another makes [s].
PATIENCE = 900

#: Files that take longest, longest first: two workers end together only if nobody begins one of them at the end (``--no-loadscope-reorder``).
#: The first worker makes the whole run and compiles what the freight model needs; the second has work until then that needs neither.
LONGEST = (
    "tests/test_contracts.py",
    "tests/transport/test_charging_levers.py",
    "tests/fleets/test_station_queues.py",
    "tests/transport/test_freight.py",
    "tests/app/test_browser.py",
    "tests/app/test_scenario_page.py",
    "tests/transport/report/test_files.py",
    "tests/transport/test_study.py",
    "tests/transport/test_projects.py",
    "tests/transport/test_shift.py",
    "tests/transport/test_measure_costs.py",
    "tests/transport/test_freight_explain.py",
    "tests/transport/test_prefecture_profile.py",
    "tests/transport/test_freight_levers.py",
    "tests/transport/test_simulations.py",
    "tests/fleets/test_corridor.py",
    "tests/transport/weeks/test_province.py",
    "tests/transport/test_sea_rail_cli.py",
    "tests/transport/test_sweeps.py",
    "tests/transport/test_ranking.py",
    "tests/transport/test_ensemble.py",
    "tests/transport/test_cluster.py",
    "tests/transport/test_cases.py",
    "tests/transport/test_freight_identify.py",
    "tests/app/test_overview.py",
    "tests/app/test_data_page.py",
    "tests/app/test_fleets_page.py",
    "tests/app/test_freight_page.py",
    "tests/app/test_comparison.py",
    "tests/transport/test_backcast.py",
    "tests/transport/test_template.py",
    "tests/app/test_jobs.py",
    "tests/app/test_prefectures_page.py",
    "tests/app/test_accounts_page.py",
    "tests/app/test_cities_page.py",
    "tests/app/test_what_if_page.py",
    "tests/app/test_charging_page.py",
    "tests/transport/test_prefecture_cli.py",
    "tests/transport/test_freight_select.py",
    "tests/transport/weeks/test_corridors.py",
    "tests/transport/test_parameters_used.py",
    "tests/transport/test_cli.py",
)

# As the program does itself (``transport/__init__.py``): here numpy may come first.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Every test solves its own base year: none may stand on what another version of the program left on this computer.
os.environ["TRANSPORT_CACHE"] = "off"
# A data folder set in the shell must not change what the tests see.
os.environ.pop("TRANSPORT_DATA", None)
# Nor the results that come with the program: a test that wants some says which.
os.environ["TRANSPORT_RESULTS"] = "no-results"

# Same examples on every machine and no time limits; HYPOTHESIS_PROFILE=deep searches further.
settings.register_profile("house", deadline=None, derandomize=True, database=None, max_examples=40)
settings.register_profile("deep", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))


def in_ci() -> bool:
    """Return whether the tests run for a submission, where everything must be there."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep what stands after the collection out of the garbage collector: it stays to the end, and whatever makes many objects walks it again."""
    gc.disable()
    found = yield
    gc.enable()
    gc.freeze()
    return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; the others keep their order."""
    rank = {ROOT / name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failure under CI=true; at a desk fold all skipped browser tests into one line."""
    report = yield
    if in_ci() and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"CI=true allows no skipped test: {_reason(report)}"
    elif report.skipped and "browser" in report.keywords and isinstance(report.longrepr, tuple):
        report.longrepr = (__file__, None, report.longrepr[2])
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a skipped module into a failure under CI=true."""
    report = yield
    if in_ci() and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"CI=true allows no skipped module: {_reason(report)}"
    return report


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)


@pytest.fixture(autouse=True, scope="session")
def _no_internet() -> Generator[None]:
    """Let no test reach further than this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_local(str(address[0])):
            msg = f"a test tried to reach {address}; tests run without internet"
            raise AssertionError(msg)
        connect(self, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", guarded)
    yield
    patch.undo()


def _is_local(host: str) -> bool:
    if host in {"", "localhost"}:
        return True
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True, scope="session")
def _bundled_data_is_read_once() -> Generator[None]:
    """Let all commands under test share the bundled data, which takes a second or two to read and check."""
    from transport import inputs

    read = inputs.load_inputs
    bundled = cache(read)

    def once(folder: Path | None = None, pack: Path | None = None, *, lang: str = "zh") -> Inputs:
        if folder is None and pack is None and "TRANSPORT_DATA" not in os.environ:
            return bundled()
        return read(folder, pack, lang=lang)

    patch = pytest.MonkeyPatch()
    patch.setattr(inputs, "load_inputs", once)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the top folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def data_folder(root: Path) -> Path:
    """Return the bundled data folder."""
    return root / "data"


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Return the Chromium (or Chrome, Edge) that browser tests drive."""
    named = os.environ.get("CHROMIUM")
    candidates = [named] if named else ["chromium", "chromium-browser", "google-chrome", "msedge"]
    for candidate in candidates:
        found = shutil.which(candidate)
        if found:
            return found
    pytest.skip("browser tests need Chromium: sudo apt-get install chromium fonts-noto-cjk, or CHROMIUM=/path/to/chrome")


@pytest.fixture(scope="session")
def inputs() -> Inputs:
    """Return the checked bundled data."""
    from transport.inputs import load_inputs

    return load_inputs()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    """Return a function that has a folder made once for all workers: the first one to ask makes it, the others wait."""
    base = tmp_path_factory.getbasetemp()
    base = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    base.mkdir(exist_ok=True)

    def once(name: str, make: Callable[[Path], object]) -> Path:
        folder, taken, done = (base / f"{name}{end}" for end in ("", ".taken", ".done"))
        try:
            os.close(os.open(taken, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            waited_for(done)
            return folder
        outcome = "it failed in another worker, see there"
        try:
            make(folder)
            outcome = ""
        finally:
            partial = done.with_suffix(".partial")
            partial.write_text(outcome, encoding="utf-8")
            partial.rename(done)  # whoever sees it can read it
        return folder

    return once


def waited_for(done: Path) -> None:
    """Wait for a file and fail with its text, if it has any."""
    end = time.monotonic() + PATIENCE
    while not done.exists():
        if time.monotonic() > end:
            pytest.fail(f"{done.stem} was begun by another worker and not finished in {PATIENCE} s")
        time.sleep(0.05)
    if text := done.read_text(encoding="utf-8"):
        pytest.fail(f"{done.stem}: {text}")


@pytest.fixture(scope="session")
def stored_run(inputs: Inputs, shared: Shared) -> StoredRun:
    """Return the folder of one whole run of the plan, SimPy sample included; tests must not write to it."""
    from transport.scenario import load_scenario
    from transport.store import read_run, write_run
    from transport.study import run

    def make(folder: Path) -> None:
        found = run(load_scenario("plan_2030", inputs.folder, inputs.levers), inputs)
        write_run(folder, found.tables, found.scenario, found.data_hash, seconds=1.0)

    return read_run(shared("plan", make))


@pytest.fixture(scope="session")
def results(stored_run: StoredRun, inputs: Inputs) -> Results:
    """Return the tables of the plan's run."""
    from transport.scenario import load_scenario
    from transport.study import Results

    tables = {name: stored_run.table(name) for name in stored_run.manifest["tables"]}
    return Results(load_scenario("plan_2030", inputs.folder, inputs.levers), inputs.data_hash, tables)
