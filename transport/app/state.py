"""What a session looks at: language, data, scenario, and the stored run that belongs to them."""

from __future__ import annotations

import getpass
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from transport import __version__
from transport.app import scenario_draft as drafts
from transport.app import sign_in
from transport.app.scenario_edit import bare
from transport.bundled import bundled_run
from transport.findings import DataError
from transport.inputs import Inputs, data_folder, load_inputs, on_network
from transport.projects import with_projects
from transport.roles import AUTHOR
from transport.scenario import Scenario, load_scenario, scenario_names
from transport.scenario_sections import Sections, names_of
from transport.scenario_shelf import Shelf, as_toml, parsed
from transport.store import StoredRun, StoreError, list_runs, read_run, run_id, runs_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from transport.findings import Finding

DEFAULT_SCENARIO = "plan_2030"
_STAMP = "data_stamp"


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
    """Return the data pack of the session, else the one that the app was started with."""
    path = str(st.session_state.get("pack") or os.environ.get("TRANSPORT_PACK", ""))
    return Path(path) if path else None


def forget() -> None:
    """Forget when the data changed last: called at the beginning and the end of every turn of a page, which looks once and often asks."""
    st.session_state.pop(_STAMP, None)


def _stamp() -> float:
    """Return when any data file changed last, so that an edited table is read again."""
    extra = pack()
    folders = [data_folder(), *([extra] if extra else [])]
    known: dict[str, float] = st.session_state.get(_STAMP, {})
    key = str(folders)
    if key not in known:
        known[key] = _changed(folders)
        st.session_state[_STAMP] = known
    return known[key]


def _changed(folders: Sequence[Path]) -> float:
    files = [p for folder in folders for p in (folder.rglob("*") if folder.is_dir() else [folder]) if p.is_file()]
    return max(p.stat().st_mtime for p in files)


@st.cache_resource(max_entries=4, show_spinner=False)
def _inputs(stamp: float, pack_path: str) -> Inputs:
    del stamp
    return load_inputs(pack=Path(pack_path) if pack_path else None)


def read_ahead() -> None:
    """Read and check the data and the scenarios that the app starts with before the first session asks for them.

    Raises
    ------
    DataError
        If the check finds anything; the first session shows it.
    """
    path = os.environ.get("TRANSPORT_PACK", "")
    stamp = _changed([data_folder(), *([Path(path)] if path else [])])
    for name in scenario_names(_inputs(stamp, path).folder):
        _bundled_scenario(name, stamp, path)


def inputs() -> Inputs:
    """Return the checked data; read again when a file changed."""
    return _inputs(_stamp(), str(pack() or ""))


def findings(lang: str) -> list[Finding]:
    """Return what the check finds in the data, in a language; nothing where they can be read."""
    try:
        load_inputs(pack=pack(), lang=lang)
    except DataError as error:
        return error.findings
    return []


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


def bundled_names() -> list[str]:
    """Return the names of the scenarios of the data, the plan first."""
    names = scenario_names(inputs().folder)
    return sorted(names, key=lambda name: (name != DEFAULT_SCENARIO, name))


def shelf() -> Shelf:
    """Return the saved scenarios, with the rights of the person before the app."""
    who = sign_in.person()
    return Shelf(bundled=bundled_names(), role=who.role or "viewer", author=who.name or login())


def login() -> str:
    """Return who the computer says it is used by."""
    named = os.environ.get(AUTHOR)
    if named is not None:
        return named
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def scenarios() -> Sequence[str]:
    """Return the names of the scenarios that can be looked at: those of the data, the plan first, those saved, and the drafts of the session."""
    return [*bundled_names(), *(name for name in shelf().names() if _readable(name)), *drafts.names()]


def is_own(name: str) -> bool:
    """Return whether a scenario is a saved one or a draft."""
    return drafts.is_draft(name) or name not in bundled_names()


def text_of(name: str) -> str | None:
    """Return the file of a saved scenario or a draft as text, None for a scenario of the data."""
    if name in drafts.names():
        return drafts.text_of(name)
    return shelf().read(name).text if is_own(name) else None


def scenario(name: str) -> Scenario:
    """Return a scenario of the data, a saved one or a draft."""
    text = text_of(name)
    if text is None:
        return _bundled_scenario(name, _stamp(), str(pack() or ""))
    return _own_scenario(name, text, _stamp(), str(pack() or ""))


@st.cache_resource(max_entries=64, show_spinner=False)
def _bundled_scenario(name: str, stamp: float, pack_path: str) -> Scenario:
    data = _inputs(stamp, pack_path)
    return load_scenario(name, data.folder, data.levers, names=names_of(data.tables))


@st.cache_resource(max_entries=256, show_spinner=False)
def _own_scenario(name: str, text: str, stamp: float, pack_path: str) -> Scenario:
    """Read a scenario file by its text, which may be newer than the file."""
    data = _inputs(stamp, pack_path)
    with tempfile.TemporaryDirectory(prefix="transport-scenario-") as folder:
        path = Path(folder) / f"{name}.toml"
        path.write_text(text, encoding="utf-8")
        return load_scenario(str(path), data.folder, data.levers, names=names_of(data.tables))


def _readable(name: str) -> bool:
    """Return whether a saved scenario can be used on the present data."""
    try:
        scenario(name)
    except (DataError, OSError, ValueError):
        return False
    return True


def base_of(name: str) -> str:
    """Return the scenario of the data that a saved one or a draft builds on; of a scenario of the data itself."""
    if not is_own(name):
        return name
    known = bundled_names()
    return next((one for one in reversed(scenario(name).lineage[:-1]) if one in known), known[0])


def based_on(name: str) -> Scenario:
    """Return what a scenario is without anything of its own: its base with its overrides; a scenario of the data is its own base."""
    text = text_of(name)
    if text is None:
        return scenario(name)
    return _own_scenario(name, as_toml(bare(parsed(text))), _stamp(), str(pack() or ""))


def present(name: str) -> StoredRun | None:
    """Return the stored run of a scenario on the present data, whoever made it, None if there is none yet."""
    identifier = run_id(scenario(name), inputs().data_hash)
    try:
        return read_run(runs_folder() / identifier)
    except StoreError:
        slim = bundled_run(identifier)
        return read_run(slim) if slim else None


def stored(name: str) -> StoredRun | None:
    """Return the result to be shown of a scenario, None if there is none.

    That of the present data and levers if it is there; else, for the scenario looked at, the last one of the same scenario, or of the one that it builds
    on; else what came with the program. :func:`is_stale` tells them apart, and the frame of the app says so above the page.
    """
    found = present(name)
    if found is not None:
        return found
    if name == st.session_state.get("scenario"):
        found = _last(name)
        if found is None and is_own(name):
            base = base_of(name)
            found = present(base) or _last(base)
        if found is not None:
            return found
    slim = bundled_run(run_id(scenario(name), inputs().data_hash), base_of(name))
    return read_run(slim) if slim else None


def is_stale(run: StoredRun, name: str) -> bool:
    """Return whether a run is not that of a scenario on the present data."""
    return str(run.manifest["run_id"]) != run_id(scenario(name), inputs().data_hash)


def _last(name: str) -> StoredRun | None:
    """Return the newest run of a scenario of this version of the program, whatever its levers and data were."""
    root = runs_folder().absolute()
    folder = _last_runs(str(root), root.stat().st_mtime_ns).get(name) if root.is_dir() else None
    try:
        return None if folder is None else read_run(Path(folder))
    except StoreError:
        return None


@st.cache_data(max_entries=8, show_spinner=False)
def _last_runs(root: str, stamp: int) -> dict[str, str]:
    """Return scenario -> folder of its newest whole run; a run that comes or goes changes the time of the runs folder."""
    del stamp
    found: dict[str, str] = {}
    for run in list_runs(Path(root)):
        tables = run.manifest.get("tables", {})
        if run.manifest.get("version") == __version__ and "indicators" in tables and "kind" not in run.manifest:
            found.setdefault(str(run.manifest.get("scenario")), str(run.folder))
    return found


@st.cache_data(max_entries=64, show_spinner=False)
def _table(folder: str, name: str, key: str) -> pl.DataFrame:
    del key
    return read_run(Path(folder)).table(name)


def table(run: StoredRun, name: str) -> pl.DataFrame:
    """Return one result table, cached by the hash of its bytes."""
    return _table(str(run.folder), name, str(run.manifest["tables"][name]))
