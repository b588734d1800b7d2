"""What stands between the command and the first scorecard: no library that it does not need, and the rest read ahead."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
import streamlit as st

from transport.app import launch, state, warm

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Libraries of the models, of charts and of documents.
HEAVY = {
    "altair",
    "docx",
    "geopandas",
    "matplotlib",
    "networkx",
    "numba",
    "openpyxl",
    "osmnx",
    "pandas",
    "pandera",
    "pint",
    "pydeck",
    "scipy",
    "simpy",
    "sqlalchemy",
    "vl_convert",
}


def loaded_by(code: str) -> set[str]:
    """Return the packages that are there after a piece of code in a new interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    return {str(name).partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_the_scorecard_needs_no_model_and_no_chart() -> None:
    code = """
import ast
from transport.app import shell, warm

for module in warm.MODULES:
    __import__(module)
page = ast.parse((shell.VIEWS / "overview.py").read_text(encoding="utf-8"))
page.body = [line for line in page.body if isinstance(line, (ast.Import, ast.ImportFrom))]
exec(compile(page, "overview", "exec"))
assert "facts" in globals()
"""
    loaded = loaded_by(code)
    assert {"streamlit", "polars", "pyarrow", "transport"} <= loaded
    assert not loaded & HEAVY


def test_a_table_is_sent_without_pandas() -> None:
    code = """
import logging
logging.disable()
import polars as pl
from transport.app.widgets import number, show
show(pl.DataFrame({"a": [1, None], "b": ["x", "y"]}), {"a": number("A"), "b": number("B")}, "table", file="")
"""
    loaded = loaded_by(code)
    assert "pyarrow" in loaded
    assert "pandas" not in loaded


def test_the_command_that_starts_the_app_loads_no_table() -> None:
    code = "from transport.cli import _parser\nimport transport.app.launch\n_parser('app').parse_args(['app'])"
    assert not loaded_by(code) & (HEAVY | {"numpy", "polars", "pydantic"})


def test_no_console_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from streamlit import delta_generator, env_util

    looked: list[int] = []
    monkeypatch.setattr(env_util, "is_repl", lambda: looked.append(1))
    monkeypatch.setattr(delta_generator, "_use_warning_has_been_displayed", False)
    monkeypatch.setattr("streamlit.runtime.exists", lambda: True)
    delta_generator._maybe_print_use_warning()
    assert looked, "Streamlit does not look any more: launch need not keep it from it"
    looked.clear()
    monkeypatch.setattr(delta_generator, "_use_warning_has_been_displayed", False)
    launch._ask_for_no_console()
    delta_generator._maybe_print_use_warning()
    assert not looked


def test_threads_take_short_turns_while_the_server_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    usual, began = sys.getswitchinterval(), []
    monkeypatch.setattr(warm, "warm_up", lambda: began.append(sys.getswitchinterval()))

    async def turn() -> float:
        async with warm.lifespan(st.App("entry.py")):
            return sys.getswitchinterval()

    assert asyncio.run(turn()) == pytest.approx(warm.TURN) != usual
    assert began == [pytest.approx(warm.TURN)]
    assert sys.getswitchinterval() == usual


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Return what the thread imports, and keep it from reading any data."""
    names: list[str] = []
    monkeypatch.setattr(state, "read_ahead", lambda: None)
    monkeypatch.setattr("importlib.import_module", names.append)
    monkeypatch.setattr(warm, "QUIET", 0.0)
    warm.ASKED.clear()
    yield names
    warm.ASKED.clear()


def test_charts_are_read_ahead_until_somebody_asks_for_the_page(imported: list[str]) -> None:
    warm.warm_up().join()
    assert tuple(imported) == (*warm.MODULES, *warm.CHARTS)
    imported.clear()
    warm.ASKED.set()
    warm.warm_up().join()
    assert tuple(imported) == warm.MODULES


@pytest.mark.parametrize("module", [*warm.MODULES, *warm.CHARTS])
def test_what_is_read_ahead_exists(module: str) -> None:
    assert find_spec(module) is not None


def test_no_package_is_searched_for_components(monkeypatch: pytest.MonkeyPatch) -> None:
    from streamlit.components.v2 import manifest_scanner
    from streamlit.components.v2.component_manager import BidiComponentManager

    looked: list[int] = []

    def distributions(**_: Any) -> list[Any]:
        looked.append(1)
        return []

    monkeypatch.setattr(importlib.metadata, "distributions", distributions)
    monkeypatch.setattr(manifest_scanner, "scan_component_manifests", manifest_scanner.scan_component_manifests)
    BidiComponentManager().discover_and_register_components(start_file_watching=False)
    assert looked, "Streamlit does not search any more: launch need not keep it from it"
    looked.clear()
    launch._scan_no_packages()
    BidiComponentManager().discover_and_register_components(start_file_watching=False)
    assert not looked


def test_a_streamlit_that_searches_elsewhere_starts_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    from streamlit.components.v2 import manifest_scanner

    usual = manifest_scanner.scan_component_manifests
    monkeypatch.delattr("streamlit.components.v2.manifest_scanner")
    monkeypatch.setitem(sys.modules, "streamlit.components.v2.manifest_scanner", None)
    launch._scan_no_packages()
    assert manifest_scanner.scan_component_manifests is usual
