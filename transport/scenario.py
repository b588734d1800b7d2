"""Scenario files: a base, ordered overrides, own settings and run options.

A scenario names levers, projects, closures and sites; the resolved scenario (what every name came to) is what a run is made from and hashed by.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from transport.check_problems import Problem, nearest, words
from transport.findings import DataError
from transport.layout import BASE_YEAR, LAST_YEAR
from transport.params import AREA_MARK, split_setting
from transport.scenario_sections import check_sections, names_in, settled
from transport.store import feedback_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from transport.params import Lever, LeverValue
    from transport.scenario_sections import ByYear, Names, Openings

Simulate: TypeAlias = Literal["none", "sample", "full"]
#: Two speeds of the freight model: delays and scarcity prices of every year, or those of the base year.
Capacity: TypeAlias = Literal["equilibrium", "fixed"]
#: Road networks of the data: one link per road between towns, or the finer graph of OpenStreetMap; all other modes are the same.
Network: TypeAlias = Literal["compact", "fine"]
#: Sales by powertrain after the base year: as rows and levers say, or as costs of ownership make them.
Sales: TypeAlias = Literal["path", "tco"]


#: Parts of a file whose keys are names.
_SECTIONS = frozenset({"set", "projects", "closures", "sites"})
#: A key with an area that is not in quotes, as TOML asks.
_BARE_AREA = re.compile(r"^[ \t]*(?:set\.|grid\.)?([A-Za-z0-9_.-]+@[A-Za-z0-9_-]+)[ \t]*=", re.MULTILINE)


class HoldOptions(BaseModel):
    """Inputs held at one year's values after it (used by the rebound-only scenario)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    year: int = Field(ge=2015, le=LAST_YEAR)
    but: tuple[str, ...] = ()


class RunOptions(BaseModel):
    """How a scenario is run; a value given in a file replaces the base's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int | None = Field(default=None, ge=0)
    draws: int | None = Field(default=None, ge=1, le=100_000)
    simulate: Simulate | None = None
    capacity: Capacity | None = None
    network: Network | None = None
    sales: Sales | None = None
    feedback: str | None = None
    hold: HoldOptions | None = None


class ScenarioFile(BaseModel):
    """One scenario file as written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title_zh: str
    title_en: str = ""
    about_zh: str = ""
    about_en: str = ""
    base: str = ""
    overrides: tuple[str, ...] = ()
    set: dict[str, float | dict[int, float]] = Field(default_factory=dict)
    projects: dict[str, int | Literal["never"]] = Field(default_factory=dict)
    closures: dict[str, dict[int, float]] = Field(default_factory=dict)
    sites: dict[str, dict[int, float]] = Field(default_factory=dict)
    run: RunOptions = RunOptions()


@dataclass(frozen=True, slots=True)
class Scenario:
    """A resolved scenario.

    Attributes
    ----------
    name, title_zh, title_en, about_zh, about_en
        How it is shown.
    settings
        Lever, or lever ``@`` area -> value, after base, overrides and own settings in this order. What is set for an area stands there in
        place of what is set everywhere, whichever file set it.
    lineage
        The names that were joined, first to last.
    seed, draws, simulate, capacity, network, sales, hold_year, hold_but
        Run options; ``hold_year`` 0 = nothing held.
    projects
        Project of the register -> opening year, None = never built.
    closures
        Link or terminal -> year -> share of the year that it is closed [-].
    sites
        Zone -> year -> activity relative to the data from that year on [-].
    feedback, feedback_hash
        Table of the results of simulated weeks that the run takes, empty = none, and the hash of what it holds.
    """

    name: str
    title_zh: str
    title_en: str
    about_zh: str
    about_en: str
    settings: Mapping[str, LeverValue]
    lineage: tuple[str, ...]
    seed: int
    draws: int
    simulate: Simulate
    capacity: Capacity
    network: Network
    sales: Sales
    hold_year: int
    hold_but: tuple[str, ...]
    projects: Mapping[str, int | None] = field(default_factory=dict)
    closures: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    sites: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    feedback: str = ""
    feedback_hash: str = ""

    def resolved(self) -> dict[str, Any]:
        """Return everything that decides the run's numbers, in canonical order (titles and lineage do not)."""
        sections: dict[str, dict[str, Any]] = {
            "projects": {k: "never" if year is None else year for k, year in sorted(self.projects.items())},
            "closures": {k: _plain(self.closures[k]) for k in sorted(self.closures)},
            "sites": {k: _plain(self.sites[k]) for k in sorted(self.sites)},
        }
        return {
            "set": {k: _plain(self.settings[k]) for k in sorted(self.settings)},
            # an empty section is no section: the hash of a scenario without any stays what it was
            **{name: section for name, section in sections.items() if section},
            "run": {
                "seed": self.seed,
                "draws": self.draws,
                "simulate": self.simulate,
                "capacity": self.capacity,
                "network": self.network,
                "sales": self.sales,
                # where the table lies plays no part in the numbers; a run without one keeps its hash
                **({"feedback": self.feedback_hash} if self.feedback else {}),
                "hold_year": self.hold_year,
                "hold_but": sorted(self.hold_but),
            },
        }

    def scenario_hash(self) -> str:
        """Return the sha256 of the resolved scenario."""
        text = json.dumps(self.resolved(), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def scenario_names(folder: Path) -> tuple[str, ...]:
    """Return the names of the bundled scenarios, sorted."""
    return tuple(sorted(p.stem for p in (folder / "scenarios").glob("*.toml")))


def load_scenario(
    name: str,
    folder: Path,
    levers: Iterable[Lever],
    *,
    extra: Mapping[str, LeverValue] | None = None,
    draws: int | None = None,
    simulate: Simulate | None = None,
    capacity: Capacity | None = None,
    network: Network | None = None,
    sales: Sales | None = None,
    feedback: str | None = None,
    projects: Openings | None = None,
    closures: ByYear | None = None,
    sites: ByYear | None = None,
    names: Names | None = None,
    lang: str = "zh",
) -> Scenario:
    """Read and resolve a scenario.

    Parameters
    ----------
    name
        Name of a bundled scenario, or path of a ``.toml`` file.
    folder
        Data folder; scenarios stand in ``scenarios/``, overrides in ``scenarios/overrides/``.
    levers
        The known levers.
    extra
        Settings of the command line, applied last.
    draws, simulate, capacity, network, sales
        Replace the file's number of draws, amount of simulation, speed of the freight model, road network and way of splitting sales.
    feedback
        Table of the results of simulated weeks, its folder or the run it was made from; replaces the file's.
    projects, closures, sites
        Sections of the command line, applied last: opening years by project, shares closed and levels by year.
    names
        What the sections may name; those of the data folder by default.
    lang
        Language of the findings.

    Raises
    ------
    DataError
        If files are missing, malformed, or name unknown keys or levers; all problems at once.
    """
    problems: list[Problem] = []
    chain = _lineage(name, folder, problems)
    if problems:
        raise DataError(words(problems, lang))
    settings: dict[str, LeverValue] = {}
    options = RunOptions()
    lineage: list[str] = []
    openings: dict[str, int | str] = {}
    shut: dict[str, Mapping[int, float]] = {}
    levels: dict[str, Mapping[int, float]] = {}

    def add(origin: str, opened: Openings, closed: ByYear, active: ByYear) -> None:
        nonlocal names
        if opened or closed or active:
            names = names or names_in(folder)
            check_sections(origin, opened, closed, active, names, problems)
        openings.update(opened)
        shut.update(closed)
        levels.update(active)

    def check(origin: str, given: Mapping[str, LeverValue]) -> None:
        nonlocal names
        if any(AREA_MARK in name for name in given):
            names = names or names_in(folder)
        check_levers(given, levers, origin, problems, names.areas if names else ())

    for label, file, origin in chain:
        check(origin, file.set)
        settings.update(file.set)
        add(origin, file.projects, file.closures, file.sites)
        given = {k: v for k, v in file.run if v is not None}
        options = options.model_copy(update=given)
        lineage.append(label)
    if extra:
        check("--set", extra)
        settings.update(extra)
    table = feedback if feedback is not None else options.feedback or ""
    digest = feedback_hash(table) if table else ""
    if table and not digest:
        problems.append(Problem("--feedback" if feedback else chain[-1][2], 0, "feedback", "scenario.feedback", table))
    add("--project", projects or {}, {}, {})
    add("--close", {}, closures or {}, {})
    add("--site", {}, {}, sites or {})
    if problems:
        raise DataError(words(problems, lang))
    top = chain[-1][1]
    return Scenario(
        name=Path(name).stem,
        title_zh=top.title_zh,
        title_en=top.title_en or top.title_zh,
        about_zh=top.about_zh,
        about_en=top.about_en,
        settings=settings,
        lineage=tuple(lineage),
        seed=options.seed if options.seed is not None else 0,
        draws=draws or options.draws or 1,
        simulate=simulate or options.simulate or "sample",
        capacity=capacity or options.capacity or "equilibrium",
        network=network or options.network or "compact",
        sales=sales or options.sales or "path",
        hold_year=options.hold.year if options.hold else 0,
        hold_but=options.hold.but if options.hold else (),
        projects=settled(openings),
        closures=shut,
        sites=levels,
        feedback=table,
        feedback_hash=digest,
    )


def _lineage(name: str, folder: Path, problems: list[Problem]) -> list[tuple[str, ScenarioFile, str]]:
    """Return (label, file, origin) of every file a scenario is made of, base first."""
    own = Path(name) if name.endswith(".toml") else folder / "scenarios" / f"{name}.toml"
    chain: list[tuple[str, ScenarioFile, str]] = []
    seen: list[str] = []
    label, path = own.stem, own
    while True:
        if label in seen:
            problems.append(Problem(path.name, 0, "base", "scenario.cycle", " -> ".join([*seen, label])))
            return chain
        seen.append(label)
        file = _read(path, folder, problems)
        if file is None:
            return chain
        parts = [(label, file, path.name)]
        for override in file.overrides:
            where = folder / "scenarios" / "overrides" / f"{override}.toml"
            found = _read(where, folder, problems)
            if found is not None:
                parts.insert(-1, (f"+{override}", found, where.name))
        chain = parts + chain
        if not file.base:
            return chain
        label, path = file.base, folder / "scenarios" / f"{file.base}.toml"


def _read(path: Path, folder: Path, problems: list[Problem]) -> ScenarioFile | None:
    if not path.is_file():
        known = sorted(p.stem for p in path.parent.glob("*.toml")) if path.parent.is_dir() else list(scenario_names(folder))
        values = {"hint": nearest(path.stem, known), "known": ", ".join(known)}
        problems.append(Problem(path.name, 0, "", "scenario.missing", path.stem, values=values))
        return None
    text = ""
    try:
        text = path.read_text(encoding="utf-8-sig")
        return ScenarioFile.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(syntax_problem(path.name, text, str(error)))
    except ValidationError as error:
        told: set[str] = set()
        for wrong in error.errors():
            # A lever's value is a number or numbers by year: what is neither is one problem, not one per form.
            parts = wrong["loc"][:2] if wrong["loc"][0] in _SECTIONS else wrong["loc"]
            where = ".".join(str(part) for part in parts)
            if where in told:
                continue
            told.add(where)
            if wrong["type"] == "extra_forbidden":
                last = str(wrong["loc"][-1])
                model = RunOptions if "run" in wrong["loc"][:-1] else ScenarioFile
                values = {"hint": nearest(last, model.model_fields), "known": ", ".join(model.model_fields)}
                problems.append(Problem(path.name, 0, where, "scenario.key", last, values=values))
            else:
                problems.append(
                    Problem(path.name, 0, where, "scenario.value", str(wrong["input"]), values={"detail": wrong["msg"]})
                )
    return None


def syntax_problem(file: str, text: str, detail: str) -> Problem:
    """Return the problem of a file that is no TOML; a key with an area that lacks its quotes is told so.

    Parameters
    ----------
    file, text
        Name and text of the file.
    detail
        What the reader of TOML says.
    """
    bare = _BARE_AREA.search(text)
    if bare is None:
        return Problem(file, 0, "", "scenario.syntax", values={"detail": detail})
    return Problem(file, 0, bare[1], "scenario.syntax", variant="area", values={"detail": detail, "key": bare[1]})


def check_levers(
    settings: Mapping[str, LeverValue],
    levers: Iterable[Lever],
    origin: str,
    problems: list[Problem],
    areas: Sequence[str] = (),
) -> None:
    """Add what is wrong with the settings of levers in one file to the problems.

    Parameters
    ----------
    settings
        Lever, or lever ``@`` area -> value, as written.
    levers
        The known levers.
    origin
        Name of the file, or of the command-line option.
    problems
        Grows.
    areas
        Prefectures that a lever may be set for.
    """
    known = {lever.lever: lever for lever in levers}
    for name, value in settings.items():
        plain, area = split_setting(name)
        if plain not in known:
            problems.append(Problem(origin, 0, name, "lever.unknown", str(value), values={"hint": nearest(plain, known)}))
            continue
        lever = known[plain]
        if AREA_MARK in name and not lever.by_area:
            may = ", ".join(sorted(other.lever for other in known.values() if other.by_area))
            problems.append(Problem(origin, 0, name, "lever.not_by_area", str(value), values={"lever": plain, "known": may}))
        elif AREA_MARK in name and area not in areas:
            values_of = {"area": area, "hint": nearest(area, areas), "known": ", ".join(areas)}
            problems.append(Problem(origin, 0, name, "lever.area", str(value), values=values_of))
        if not isinstance(value, (int, float)) and not all(BASE_YEAR < int(year) <= LAST_YEAR for year in value):
            problems.append(
                Problem(origin, 0, name, "lever.years", str(value), values={"first": BASE_YEAR + 1, "last": LAST_YEAR})
            )
        numbers = [float(value)] if isinstance(value, (int, float)) else [float(v) for v in value.values()]
        if any(not lever.minimum <= number <= lever.maximum for number in numbers):
            values = {"minimum": f"{lever.minimum:g}", "maximum": f"{lever.maximum:g}"}
            problems.append(Problem(origin, 0, name, "lever.range", str(value), values=values))


def _plain(value: LeverValue) -> float | dict[str, float]:
    if isinstance(value, (int, float)):
        return float(value)
    return {str(year): float(value[year]) for year in sorted(value)}
