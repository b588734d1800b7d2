"""What the tests of the app stand on: a runs folder of their own, so that nothing is written into the checkout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _runs_elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep runs, jobs and drafts out of the working folder; a test that needs the place names its own."""
    folder = tmp_path_factory.mktemp("runs")
    monkeypatch.setenv("TRANSPORT_RUNS", str(folder))
    return folder
