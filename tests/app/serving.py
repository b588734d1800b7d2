"""The app as a process of its own, for browser tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCAL = {"127.0.0.1", "localhost"}
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(folder: Path, *arguments: str, port: int | None = None, **environment: str) -> Iterator[str]:
    """Serve the app on a runs folder and return its address."""
    port = port or free_port()
    around = os.environ | {"TRANSPORT_RUNS": str(folder), "PYTHONWARNINGS": "default"} | environment
    command = [sys.executable, "-m", "transport", "app", "--headless", "--port", str(port), *arguments]
    log = folder / "log.txt"
    with log.open("wb") as messages:
        server = subprocess.Popen(command, stdout=messages, stderr=messages, env=around)
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health", server, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=120)


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        if server.poll() is not None:
            pytest.fail(log.read_text(encoding="utf-8", errors="replace"))
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                if answer.read() == b"ok":
                    return
        except OSError:
            time.sleep(0.5)
    pytest.fail("the app did not start")
