"""What every test stands on: no internet, no skip under CI, one hypothesis profile, the bundled data."""

from __future__ import annotations

import os
import shutil
import socket
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Generator

    from transport.inputs import Inputs
    from transport.store import StoredRun
    from transport.study import Results

ROOT = Path(__file__).resolve().parents[1]

# A data folder set in the shell must not change what the tests see.
os.environ.pop("TRANSPORT_DATA", None)

# Same examples on every machine and no time limits; HYPOTHESIS_PROFILE=deep searches further.
settings.register_profile("house", deadline=None, derandomize=True, database=None, max_examples=40)
settings.register_profile("deep", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))


def in_ci() -> bool:
    """Return whether the tests run for a submission, where everything must be there."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


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
def results(inputs: Inputs) -> Results:
    """Return one whole run of the plan, SimPy sample included."""
    from transport.scenario import load_scenario
    from transport.study import run

    return run(load_scenario("plan_2030", inputs.folder, inputs.levers), inputs)


@pytest.fixture(scope="session")
def stored_run(results: Results, tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    """Return the plan's run as a folder."""
    from transport.store import write_run

    folder = tmp_path_factory.mktemp("stored") / "run"
    return write_run(folder, results.tables, results.scenario, results.data_hash, seconds=1.0)
