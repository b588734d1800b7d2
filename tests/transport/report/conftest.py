"""Reports of the plan's run: content in both languages, and the files of some, made once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from transport.report.make import make_report, report_bytes, write_files
from transport.report.source import find_source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transport.report.content import Report
    from transport.report.source import Source
    from transport.store import StoredRun


@pytest.fixture(scope="session")
def sources(stored_run: StoredRun) -> dict[str, Source]:
    """Return the plan's run in both languages."""
    return {lang: find_source(str(stored_run.folder), lang=lang) for lang in ("zh", "en")}


@pytest.fixture(scope="session")
def reports(sources: dict[str, Source]) -> dict[tuple[str, str], Report]:
    """Return (language, kind or city) -> report."""
    made = {
        (lang, kind): make_report(source, kind=kind)
        for lang, source in sources.items()
        for kind in ("scenario", "annual_evaluation")
    }
    return made | {(lang, "210100"): make_report(source, place="沈阳") for lang, source in sources.items()}


@pytest.fixture(scope="session")
def files(reports: dict[tuple[str, str], Report], shared: Callable[..., Path]) -> Path:
    """Return a folder with the Word and Excel files of a Chinese report on the scenario and an English annual evaluation."""

    def make(folder: Path) -> None:
        for key in (("zh", "scenario"), ("en", "annual_evaluation")):
            write_files(report_bytes(reports[key]), folder, key[0])

    return shared("report_files", make)
