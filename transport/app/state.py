"""What a session looks at: language, data, scenario, and the stored run that belongs to them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from transport.inputs import Inputs, data_folder, load_inputs, on_network
from transport.projects import with_projects
from transport.scenario import Scenario, load_scenario, scenario_names
from transport.scenario_sections import Sections
from transport.store import StoredRun, StoreError, read_run, run_id, runs_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

DEFAULT_SCENARIO = "plan_2030"


def language() -> str:
    """Return the session's language."""
    return str(st.session_state.get("lang") or "zh")


def take_link(key: str, known: Sequence[str], default: str) -> None:
    """Let a shared link choose a widget's first value; codes stand in links, so that they work in both languages.

    Widgets could bind to the query themselves, but then the link holds the label and not the code.
    """
    if key not in st.session_state:
        given = st.query_params.get(key, default)
        st.session_state[key] = given if given in known else default


def pack() -> Path | None:
    """Return the data pack the app was started with."""
    path = os.environ.get("TRANSPORT_PACK", "")
    return Path(path) if path else None


def _stamp() -> float:
    """Return when any data file changed last, so that an edited table is read again."""
    extra = pack()
    folders = [data_folder(), *([extra] if extra else [])]
    files = [p for folder in folders for p in (folder.rglob("*") if folder.is_dir() else [folder]) if p.is_file()]
    return max(p.stat().st_mtime for p in files)


@st.cache_resource(max_entries=2, show_spinner=False)
def _inputs(stamp: float, pack_path: str) -> Inputs:
    del stamp
    return load_inputs(pack=Path(pack_path) if pack_path else None)


def inputs() -> Inputs:
    """Return the checked data; read again when a file changed."""
    return _inputs(_stamp(), str(pack() or ""))


@st.cache_resource(max_entries=2, show_spinner=False)
def _inputs_on(stamp: float, pack_path: str, network: str) -> Inputs:
    return on_network(_inputs(stamp, pack_path), network)


@st.cache_resource(max_entries=4, show_spinner=False)
def _inputs_with(stamp: float, pack_path: str, network: str, sections: str) -> Inputs:
    return with_projects(_inputs_on(stamp, pack_path, network), Sections.of_resolved(json.loads(sections)))


def inputs_of(run: StoredRun) -> Inputs:
    """Return the checked data with the network tables that a run was made on, its projects built and its closures in force."""
    resolved = run.manifest.get("resolved", {})
    sections = {name: resolved[name] for name in ("projects", "closures", "sites") if name in resolved}
    if not sections:
        return _inputs_on(_stamp(), str(pack() or ""), run.network)
    return _inputs_with(_stamp(), str(pack() or ""), run.network, json.dumps(sections, sort_keys=True))


def scenarios() -> Sequence[str]:
    """Return the names of the bundled scenarios, the plan first."""
    names = scenario_names(inputs().folder)
    return sorted(names, key=lambda name: (name != DEFAULT_SCENARIO, name))


def scenario(name: str) -> Scenario:
    """Return a bundled scenario."""
    data = inputs()
    return load_scenario(name, data.folder, data.levers)


def stored(name: str) -> StoredRun | None:
    """Return the stored run of a scenario on the present data, None if there is none yet."""
    folder = runs_folder() / run_id(scenario(name), inputs().data_hash)
    try:
        return read_run(folder)
    except StoreError:
        return None


@st.cache_data(max_entries=64, show_spinner=False)
def _table(folder: str, name: str, key: str) -> pl.DataFrame:
    del key
    return read_run(Path(folder)).table(name)


def table(run: StoredRun, name: str) -> pl.DataFrame:
    """Return one result table, cached by the hash of its bytes."""
    return _table(str(run.folder), name, str(run.manifest["tables"][name]))
