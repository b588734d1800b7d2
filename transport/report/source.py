"""Which run a report is about, and the data that belong to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from transport.bundled import bundled_run
from transport.findings import DataError
from transport.i18n import labels, t
from transport.inputs import on_network
from transport.prefectures import prefectures
from transport.projects import with_projects
from transport.scenario import load_scenario
from transport.scenario_sections import Sections, names_of
from transport.scorecard import ScoreLine, scorecard
from transport.store import KEPT, KEPT_PACK, StoredRun, StoreError, list_runs, read_run, run_id, runs_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    import polars as pl

    from transport.inputs import Inputs

#: Scenario that others are held against where they have no other parent.
BASELINE = "baseline"


class ReportError(ValueError):
    """Exception for a report that cannot be made, with what to do about it."""


@dataclass(frozen=True)
class Base:
    """What a scenario is held against: its title, its resolved settings, and its run where there is one."""

    name: str
    title: str
    resolved: Mapping[str, Any]
    run: StoredRun | None


@dataclass(frozen=True)
class Source:
    """A run with its data, in the language of the report.

    Attributes
    ----------
    run
        The stored run.
    inputs
        Data with the network, projects and closures of the run.
    lang
        ``zh`` or ``en``.
    base
        What the scenario is held against.
    other_data
        Whether the run was made on data other than those at hand.
    """

    run: StoredRun
    inputs: Inputs
    lang: str
    base: Base
    other_data: bool

    def table(self, name: str) -> pl.DataFrame:
        """Return one result table of the run."""
        return self._tables.setdefault(name, self.run.table(name)) if name not in self._tables else self._tables[name]

    @cached_property
    def _tables(self) -> dict[str, pl.DataFrame]:
        return {}

    @cached_property
    def lines(self) -> list[ScoreLine]:
        """Return the scorecard."""
        return scorecard(self.table("indicators"), self.inputs.table("indicators"))

    @property
    def title(self) -> str:
        """Return the title of the scenario."""
        return str(self.run.manifest[f"title_{self.lang}"])

    def names(self, codes: str) -> dict[str, str]:
        """Return code -> label of one list."""
        return labels(self.inputs, codes, self.lang)

    def say(self, key: str, /, **values: object) -> str:
        """Return a text of the section ``report`` in the language of the report."""
        return t(f"report.{key}", self.lang, **values)


def find_source(name: str, *, lang: str, pack: Path | None = None, base: str = "") -> Source:
    """Return the run of a name with its data.

    Parameters
    ----------
    name
        A run folder, the identifier of a run, or a scenario (bundled, or a ``.toml`` file) that has been run on the present data or whose
        result on them came with the program.
    lang
        Language of the report.
    pack
        Data pack.
    base
        What the scenario is held against, named likewise; empty = its parent, or the baseline. It need not have been run.

    Raises
    ------
    ReportError
        If there is no such run; the message names the command that makes it.
    DataError
        If the data or a scenario file have problems.
    """
    from transport.inputs import load_inputs

    inputs = load_inputs(pack=pack, lang=lang)
    run = find_run(name, inputs, lang)
    kept = run.folder / KEPT / KEPT_PACK
    if run.manifest["data_hash"] != inputs.data_hash and pack is None and kept.is_dir():
        inputs = load_inputs(pack=kept, lang=lang)
    resolved = run.manifest["resolved"]
    sections = {key: resolved[key] for key in ("projects", "closures", "sites") if key in resolved}
    own = on_network(inputs, run.network)
    own = with_projects(own, Sections.of_resolved(sections)) if sections else own
    held = _base(base or _parent(run), inputs, lang, str(run.manifest["data_hash"]), named=bool(base))
    return Source(run, own, lang, held, run.manifest["data_hash"] != inputs.data_hash)


def find_run(name: str, inputs: Inputs, lang: str, data_hash: str = "") -> StoredRun:
    """Return the stored run of a name.

    Parameters
    ----------
    name
        As in :func:`find_source`.
    inputs
        Data that the run of a scenario must have been made on.
    lang
        Language of the messages.
    data_hash
        Of other data than those, for the run of a scenario.

    Raises
    ------
    ReportError
        If there is none.
    """
    data_hash = data_hash or inputs.data_hash
    refusal = ""
    for folder in (Path(name), runs_folder() / name):
        if folder.is_dir():
            try:
                held = read_run(folder)
            except StoreError:
                refusal = refusal or t("report.no_run_folder", lang, folder=str(folder))
                continue
            if "kind" not in held.manifest:
                return held
            about = {"kind": held.manifest["kind"], "scenario": held.manifest.get("scenario", name)}
            refusal = refusal or t("report.other_folder", lang, folder=str(folder), **about)
    # measures of a scenario, or a folder of the user's own, may bear the name of the scenario
    try:
        return _run_of(name, inputs, lang, data_hash)
    except ReportError as error:
        raise ReportError(refusal or str(error)) from error


def _run_of(name: str, inputs: Inputs, lang: str, data_hash: str) -> StoredRun:
    """Return the run of a scenario: the one with its own options, what came with the program, or the newest with others."""
    try:
        scenario = load_scenario(name, inputs.folder, inputs.levers, names=names_of(inputs.tables), lang=lang)
    except DataError as error:
        # a scenario that somebody saved elsewhere is known by the runs that were made of it
        found = _last_of(name, data_hash)
        if found is None:
            raise ReportError(t("report.unknown_run", lang, name=name, folder=str(runs_folder()))) from error
        return found
    identifier = run_id(scenario, data_hash)
    try:
        return read_run(runs_folder() / identifier)
    except StoreError as error:
        slim = bundled_run(identifier)
        if slim is not None:
            return read_run(slim)
        # the same scenario with other options, for example at fixed delays
        found = _last_of(scenario.name, data_hash)
        if found is None:
            raise ReportError(t("report.not_run", lang, name=name, folder=str(runs_folder()))) from error
        return found


def _last_of(name: str, data_hash: str) -> StoredRun | None:
    """Return the newest run of a scenario on some data; ensembles and measures are no runs."""
    wanted = (name, data_hash)
    runs = [run for run in list_runs(runs_folder()) if "kind" not in run.manifest]
    return next((run for run in runs if (run.manifest.get("scenario"), run.manifest.get("data_hash")) == wanted), None)


def _parent(run: StoredRun) -> str:
    lineage = [str(one) for one in run.manifest.get("lineage", ())]
    return lineage[-2] if len(lineage) > 1 else BASELINE


def _base(name: str, inputs: Inputs, lang: str, data_hash: str, *, named: bool) -> Base:
    """Return what a scenario is held against; a scenario that has not been run has settings, but no results."""
    try:
        run = find_run(name, inputs, lang, data_hash)
    except ReportError:
        try:
            scenario = load_scenario(name, inputs.folder, inputs.levers, names=names_of(inputs.tables), lang=lang)
        except DataError as error:
            if named:
                raise ReportError(t("report.unknown_base", lang, name=name)) from error
            # a scenario file whose parent was a file that is gone
            return _base(BASELINE, inputs, lang, data_hash, named=True)
        return Base(name, scenario.title_zh if lang == "zh" else scenario.title_en, scenario.resolved(), None)
    return Base(name, str(run.manifest[f"title_{lang}"]), run.manifest["resolved"], run)


def find_city(text: str, inputs: Inputs, lang: str) -> str:
    """Return the code of a prefecture given by its code or by its name in either language.

    Raises
    ------
    ReportError
        If there is no such prefecture; the message lists them.
    """
    wanted = text.strip().lower()
    areas = prefectures(inputs)
    for code in areas:
        named = [labels(inputs, "area", language)[code].lower() for language in ("zh", "en")]
        if wanted in {code, *named, named[0].removesuffix("市")}:
            return code
    names = labels(inputs, "area", lang)
    raise ReportError(t("report.unknown_city", lang, city=text, known=", ".join(f"{code} {names[code]}" for code in areas)))
