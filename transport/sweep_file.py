"""A sweep file: a base, run options and many cases, as a list or as a grid.

A case is a scenario of its own: the settings of the base, those common to the file, and its own, named as in a scenario file. Keys of a grid and
columns of a CSV file are written with dots: ``road_toll`` (a lever), ``bus_priority@210100`` (a lever of one area), ``projects.ID``, ``closures.ID``,
``sites.ID``, and ``base``.
"""

from __future__ import annotations

import csv
import io
import itertools
import tomllib
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from transport.check_problems import Problem, nearest, words
from transport.findings import DataError, Finding
from transport.scenario import RunOptions, Scenario, check_levers, load_scenario, syntax_problem
from transport.scenario_sections import NEVER, check_sections, names_of, settled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from transport.inputs import Inputs
    from transport.scenario import Capacity, Network, Sales, Simulate

#: Tables that a run has without working out the accounts of every part; the quick ones.
FREIGHT_TABLES: tuple[str, ...] = (
    "indicators",
    "freight",
    "freight_links",
    "freight_od",
    "freight_terminals",
    "freight_lines",
    "freight_areas",
    "freight_corridors",
    "freight_ports",
    "freight_unmet",
    "freight_speeds",
    "freight_convergence",
    "freight_quotas",
    "freight_lever_costs",
    "industry",
    "sea_rail_chains",
    "sea_rail_ports",
    "sea_rail_change",
    "sea_rail_path",
    "port_containers",
)
#: Other tables that a sweep may keep.
OTHER_TABLES: tuple[str, ...] = (
    "freight_response",
    "sea_rail_elasticities",
    "turnover",
    "stock",
    "energy",
    "co2",
    "passengers",
    "green_travel",
    "berths",
    "tco",
    "costs",
    "balance_bridge",
    "energy_areas",
    "co2_areas",
    "attribution",
    "target_shares",
    "hindcast",
    "fit",
    "checks",
)
#: Tables of a sweep that names none.
USUAL_TABLES: tuple[str, ...] = ("indicators", "freight")
#: Most cases of one file.
MOST_CASES = 100_000
_SECTIONS = ("set", "projects", "closures", "sites")
#: Columns of a CSV file that are no settings.
_COLUMNS = ("case", "title_zh", "title_en", "base")

Value = Any


class _Settings(BaseModel):
    """What a case may change, as in a scenario file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    set: dict[str, float | dict[int, float]] = Field(default_factory=dict)
    projects: dict[str, int | Literal["never"]] = Field(default_factory=dict)
    closures: dict[str, dict[int, float]] = Field(default_factory=dict)
    sites: dict[str, dict[int, float]] = Field(default_factory=dict)


class _CaseTable(_Settings):
    """One ``[[case]]``."""

    name: str = Field(min_length=1)
    title_zh: str = ""
    title_en: str = ""
    base: str = ""


class _SweepTable(_Settings):
    """A sweep file as written."""

    title_zh: str
    title_en: str = ""
    about_zh: str = ""
    about_en: str = ""
    base: str = "baseline"
    tables: tuple[str, ...] = ()
    run: RunOptions = RunOptions()
    case: tuple[_CaseTable, ...] = ()
    grid: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a sweep.

    Attributes
    ----------
    name
        Its name, unique in the sweep.
    scenario
        What is run.
    settings
        What the case itself changes by dotted key, as written.
    """

    name: str
    scenario: Scenario
    settings: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Sweep:
    """A resolved sweep.

    Attributes
    ----------
    name, title_zh, title_en
        How it is shown.
    tables
        Result tables that are kept.
    cases
        In the order of the file; a grid runs through its last key first.
    """

    name: str
    title_zh: str
    title_en: str
    tables: tuple[str, ...]
    cases: tuple[Case, ...]


def sweep_names(folder: Path) -> tuple[str, ...]:
    """Return the names of the bundled sweeps, sorted."""
    return tuple(sorted(p.stem for p in (folder / "sweeps").glob("*.toml")))


def read_sweep(
    name: str,
    inputs: Inputs,
    *,
    base: str | None = None,
    tables: Sequence[str] = (),
    simulate: Simulate | None = None,
    capacity: Capacity | None = None,
    network: Network | None = None,
    sales: Sales | None = None,
    lang: str = "zh",
) -> Sweep:
    """Read and resolve a sweep file.

    Parameters
    ----------
    name
        Name of a bundled sweep, or path of a ``.toml`` or ``.csv`` file.
    inputs
        Checked data: levers, and what sections may name.
    base
        Scenario that cases without a base of their own start from, in place of the file's.
    tables
        Result tables to keep in place of the file's.
    simulate, capacity, network, sales
        Replace the run options of the file; without either nothing is simulated.
    lang
        Language of the findings.

    Raises
    ------
    DataError
        If the file is missing or malformed, or names what is not there; all problems at once.
    """
    path = Path(name) if name.endswith((".toml", ".csv")) else inputs.folder / "sweeps" / f"{name}.toml"
    problems: list[Problem] = []
    file, drafts = _read(path, inputs.folder, problems)
    if file is None:
        raise DataError(words(problems, lang))
    kept = tuple(tables) or file.tables or USUAL_TABLES
    known = (*FREIGHT_TABLES, *OTHER_TABLES)
    problems += [
        Problem(path.name, 0, "tables", "sweep.table", table, values={"hint": nearest(table, known), "known": ", ".join(known)})
        for table in kept
        if table not in known
    ]
    options: dict[str, Any] = {"simulate": simulate or file.run.simulate or "none", "capacity": capacity or file.run.capacity}
    options |= {"network": network or file.run.network, "sales": sales or file.run.sales}
    maker = _Maker(path, inputs, file, base or file.base, options, lang)
    maker.check(path.name, file, problems)
    cases = [maker.case(draft, problems) for draft in drafts]
    counts = Counter(draft.name for draft in drafts)
    problems += [Problem(path.name, 0, "case", "sweep.twice", case) for case, n in counts.items() if n > 1]
    findings = sorted({*words(problems, lang), *maker.findings})
    if findings:
        raise DataError(findings)
    whole = tuple(case for case in cases if case is not None)
    return Sweep(
        path.stem, file.title_zh, file.title_en or file.title_zh, ("indicators", *(x for x in kept if x != "indicators")), whole
    )


# ---- files to drafts ----


def _read(path: Path, folder: Path, problems: list[Problem]) -> tuple[_SweepTable | None, list[_CaseTable]]:
    """Return a file as written, and its cases before they are resolved."""
    if not path.is_file():
        known = sweep_names(folder)
        values = {"hint": nearest(path.stem, known), "known": ", ".join(known)}
        problems.append(Problem(path.name, 0, "", "sweep.missing", path.stem, values=values))
        return None, []
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        problems.append(Problem(path.name, 0, "", "scenario.syntax", values={"detail": str(error)}))
        return None, []
    if path.suffix == ".csv":
        return _SweepTable(title_zh=path.stem), _csv_cases(path.name, text, problems)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problems.append(syntax_problem(path.name, text, str(error)))
        return None, []
    file = _validated(_SweepTable, raw, path.name, "", problems)
    if file is None:
        return None, []
    if file.case and file.grid:
        problems.append(Problem(path.name, 0, "grid", "sweep.both"))
    drafts = [*file.case, *_grid_cases(file.grid, path.name, problems)]
    if not drafts and not problems:
        problems.append(Problem(path.name, 0, "", "sweep.empty"))
    return file, drafts


def _validated(model: type[BaseModel], raw: Any, file: str, where: str, problems: list[Problem]) -> Any:
    """Return a table of a file as its model, or None with every problem in words of the house."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        told: set[str] = set()
        for wrong in error.errors():
            place = [str(part) for part in wrong["loc"]]
            cut = next((i + 2 for i, part in enumerate(place) if part in _SECTIONS), len(place))
            at = ".".join([where, *place[:cut]]).strip(".")
            if at in told:
                continue
            told.add(at)
            if wrong["type"] == "extra_forbidden":
                tables: dict[str, type[BaseModel]] = {"run": RunOptions, "case": _CaseTable}
                inner = tables.get(place[0], model) if len(place) > 1 else model
                values = {"hint": nearest(place[-1], inner.model_fields), "known": ", ".join(inner.model_fields)}
                problems.append(Problem(file, 0, at, "scenario.key", place[-1], values=values))
            else:
                problems.append(Problem(file, 0, at, "scenario.value", str(wrong["input"]), values={"detail": wrong["msg"]}))
    return None


def _placed(key: str, value: Value) -> dict[str, Value]:
    """Return a dotted key as the tables of a case.

    >>> _placed("projects.spur", 2027)
    {'projects': {'spur': 2027}}
    >>> _placed("road_toll", 1.1), _placed("base", "plan_2030")
    ({'set': {'road_toll': 1.1}}, {'base': 'plan_2030'})
    """
    section, dot, name = key.partition(".")
    if key == "base":
        return {"base": value}
    if dot and section in (*_SECTIONS, "levers"):
        return {"set" if section == "levers" else section: {name: value}}
    return {"set": {key: value}}


def _merged(parts: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
    made: dict[str, Value] = {}
    for part in parts:
        for key, value in part.items():
            made[key] = {**made.get(key, {}), **value} if isinstance(value, dict) else value
    return made


def _axes(grid: Mapping[str, Any], file: str, problems: list[Problem]) -> list[tuple[str, list[Value]]]:
    """Return the keys of a grid with their values; every value is looked at once, whatever the number of cases."""
    flat: dict[str, Any] = {}
    for key, value in grid.items():
        inner = value if isinstance(value, dict) and key in (*_SECTIONS, "levers") else None
        flat |= {key: value} if inner is None else {f"{key}.{name}": v for name, v in inner.items()}
    axes = []
    for key, values in flat.items():
        if not isinstance(values, list) or not values:
            problems.append(Problem(file, 0, f"grid.{key}", "sweep.axis", str(values)))
            continue
        for value in values:
            _validated(_CaseTable, {"name": "grid", **_placed(key, value)}, file, f"grid.{key}", problems)
        axes.append((key, values))
    return axes


def _grid_cases(grid: Mapping[str, Any], file: str, problems: list[Problem]) -> list[_CaseTable]:
    before = len(problems)
    axes = _axes(grid, file, problems)
    count = 1
    for _, values in axes:
        count *= len(values)
    if count > MOST_CASES:
        problems.append(Problem(file, 0, "grid", "sweep.many", str(count), values={"most": MOST_CASES}))
    if not axes or len(problems) > before:
        return []
    made = []
    for picked in itertools.product(*(values for _, values in axes)):
        chosen = [(key, value) for (key, _), value in zip(axes, picked, strict=True)]
        name = ", ".join(f"{key}={written(value)}" for key, value in chosen)
        made.append(_CaseTable.model_validate({"name": name, **_merged([_placed(k, v) for k, v in chosen])}))
    return made


def written(value: Value) -> str:
    """Return a value of a setting as one word, years as ``2027:1.1,2030:1.3``.

    >>> written(1.10), written({2027: 0.0, 2030: 1.5}), written("never")
    ('1.1', '2027:0,2030:1.5', 'never')
    """
    if isinstance(value, dict):
        return ",".join(f"{year}:{float(value[year]):g}" for year in sorted(value, key=int))
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def _csv_cases(file: str, text: str, problems: list[Problem]) -> list[_CaseTable]:
    """Return the cases of a CSV file: one line each, one column per dotted key, an empty cell where a case leaves the base as it is."""
    reader = csv.DictReader(io.StringIO(text, newline=""))
    columns = [name.strip() for name in reader.fieldnames or ()]
    if "case" not in columns:
        problems.append(Problem(file, 1, "case", "sweep.column", ", ".join(columns)))
        return []
    made = []
    for cells in reader:
        line, parts = reader.line_num, []
        for column, cell in cells.items():
            if column is None or cell is None or not (plain := str(cell).strip()):
                continue
            key = column.strip()
            try:
                parts.append({"name" if key == "case" else key: plain} if key in _COLUMNS else _placed(key, _cell(key, plain)))
            except ValueError:
                problems.append(Problem(file, line, key, "lever.syntax", plain))
        found = _validated(_CaseTable, _merged(parts), file, f"line {line}", problems)
        made += [found] if found is not None else []
    if not made and not problems:
        problems.append(Problem(file, 0, "", "sweep.empty"))
    return made


def _cell(key: str, text: str) -> Value:
    if text == NEVER:
        return NEVER
    if ":" in text:
        pairs = [part.split(":") for part in text.split(",")]
        return {int(year): float(number) for year, number in pairs}
    return int(text) if key.startswith("projects.") else float(text)


# ---- drafts to scenarios ----


class _Maker:
    """Resolves the cases of a file; each base is read once."""

    def __init__(self, path: Path, inputs: Inputs, file: _SweepTable, base: str, options: Mapping[str, Any], lang: str) -> None:
        self.findings: list[Finding] = []
        self._path, self._inputs, self._file, self._base, self._lang = path, inputs, file, base, lang
        self._options = dict(options)
        self._names = names_of(inputs.tables)
        self._bases: dict[str, Scenario | None] = {}

    def case(self, draft: _CaseTable, problems: list[Problem]) -> Case | None:
        origin = f"{self._path.name} [{draft.name}]"
        base = self._scenario(draft.base or self._base)
        self.check(origin, draft, problems)
        if base is None:
            return None
        both = (self._file, draft)
        scenario = replace(
            base,
            name=draft.name,
            title_zh=draft.title_zh or draft.name,
            title_en=draft.title_en or draft.title_zh or draft.name,
            settings={**base.settings, **both[0].set, **both[1].set},
            projects={**base.projects, **settled(both[0].projects), **settled(both[1].projects)},
            closures={**base.closures, **both[0].closures, **both[1].closures},
            sites={**base.sites, **both[0].sites, **both[1].sites},
            lineage=(*base.lineage, draft.name),
        )
        return Case(draft.name, scenario, dict(_flat(draft)))

    def check(self, origin: str, part: _Settings, problems: list[Problem]) -> None:
        """Add what is wrong with the settings of a case, or of the whole file, to the problems."""
        check_levers(part.set, self._inputs.levers, origin, problems, self._names.areas)
        check_sections(origin, part.projects, part.closures, part.sites, self._names, problems)

    def _scenario(self, name: str) -> Scenario | None:
        if name not in self._bases:
            beside = self._path.parent / name
            where = str(beside) if name.endswith(".toml") and beside.is_file() else name
            try:
                found = load_scenario(
                    where, self._inputs.folder, self._inputs.levers, names=self._names, lang=self._lang, **self._options
                )
            except DataError as error:
                self.findings += error.findings
                self._bases[name] = None
            else:
                self._bases[name] = self._with_options(found)
        return self._bases[name]

    def _with_options(self, scenario: Scenario) -> Scenario:
        run = self._file.run
        held: dict[str, Any] = {} if run.hold is None else {"hold_year": run.hold.year, "hold_but": run.hold.but}
        given: dict[str, Any] = {name: value for name in ("seed", "draws") if (value := getattr(run, name)) is not None}
        return replace(scenario, **given, **held)


def _flat(draft: _CaseTable) -> Iterator[tuple[str, Value]]:
    """Yield what a case changes, by dotted key."""
    if draft.base:
        yield "base", draft.base
    yield from draft.set.items()
    for section in _SECTIONS[1:]:
        for name, value in getattr(draft, section).items():
            yield f"{section}.{name}", value
